/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-aplic-messages.c - an APLIC that sends messages: when, to whom, and when again.
 */
#include "unit/device/messages.h"

#include <stdlib.h>

#include "device/aplic.h"

#define SEI 9
#define MEI 11

#define DOMAINCFG	 0u
#define IE		 0x100u
#define SOURCECFG(n)	 (4u * (n))
#define MMSIADDRCFGH	 0x1bc4u
#define SETIP		 0x1c00u
#define SETIPNUM	 0x1cdcu
#define CLRIPNUM	 0x1ddcu
#define SETIENUM	 0x1edcu
#define CLRIENUM	 0x1fdcu
#define SETIPNUM_LE	 0x2000u
#define GENMSI		 0x3000u
#define TARGET(n)	 (0x3000u + 4u * (n))
#define IDELIVERY(hart)	 (0x4000u + 32u * (hart))
#define CLAIMI(hart)	 (0x401cu + 32u * (hart))
#define TO(hart, number) ((uint32_t)(hart) << 18 | (number))

#define DELEGATED   0x400u
#define DETACHED    1
#define EDGE_RISING 4
#define LEVEL_HIGH  6

#define NR_HARTS 2
#define ROOT	 0
#define CHILD	 1

static struct message_vcpu harts[NR_HARTS];
static struct aplic aplic;

static uint32_t get(unsigned domain, uint64_t offset)
{
	return (uint32_t)io_read(&aplic.domains[domain].io, offset, 4);
}

static void put(unsigned domain, uint64_t offset, uint32_t value)
{
	io_write(&aplic.domains[domain].io, offset, 4, value);
}

static int setup(void **state)
{
	static const struct aplic_domain_config domains[] = { { 0x1000000, MEI },
		{ 0x2000000, SEI } };
	struct vm_vcpu *vcpus[NR_HARTS];

	for (unsigned i = 0; i < NR_HARTS; i++) {
		harts[i] = (struct message_vcpu){ .vcpu = { &message_vcpu_ops, i } };
		vcpus[i] = &harts[i].vcpu;
	}
	aplic_init(&aplic, domains, 2, vcpus, NR_HARTS, true);
	put(ROOT, DOMAINCFG, IE);
	put(CHILD, DOMAINCFG, IE);
	return 0;
}

static int teardown(void **state)
{
	aplic_destroy(&aplic);
	return 0;
}

static void set_line(unsigned number, bool level)
{
	aplic.chip.ops->set(&aplic.chip, number, level);
}

static void enable(unsigned domain, unsigned number, unsigned mode, uint32_t target)
{
	put(domain, SOURCECFG(number), mode);
	put(domain, TARGET(number), target);
	put(domain, SETIENUM, number);
}

/* The hart has had so many, and the last one was this. */
static void expect(unsigned hart, unsigned nr, unsigned pin, unsigned number)
{
	assert_int_equal(harts[hart].nr_messages, nr);
	assert_int_equal(harts[hart].pin, pin);
	assert_int_equal(harts[hart].number, number);
}

static void test_edge(void **state)
{
	enable(ROOT, 5, EDGE_RISING, TO(1, 77));
	set_line(5, true);
	expect(1, 1, MEI, 77);
	assert_int_equal(get(ROOT, SETIP), 0);
	set_line(5, false);
	set_line(5, true);
	expect(1, 2, MEI, 77);
	put(ROOT, SETIPNUM, 5);
	expect(1, 3, MEI, 77);
	assert_int_equal(harts[0].nr_messages, 0);
}

/* Once when it rises; again only when somebody asks while it is high. */
static void test_level(void **state)
{
	put(ROOT, SOURCECFG(40), DELEGATED);
	enable(CHILD, 40, LEVEL_HIGH, TO(0, 12));
	set_line(40, true);
	expect(0, 1, SEI, 12);
	put(CHILD, SETIPNUM_LE, 40);
	expect(0, 2, SEI, 12);
	set_line(40, false);
	put(CHILD, SETIPNUM_LE, 40);
	assert_int_equal(get(CHILD, SETIP + 4), 0);
	expect(0, 2, SEI, 12);
	/* It falls before it is let out. */
	put(CHILD, CLRIENUM, 40);
	set_line(40, true);
	assert_int_equal(get(CHILD, SETIP + 4), 1 << 8);
	set_line(40, false);
	put(CHILD, SETIENUM, 40);
	expect(0, 2, SEI, 12);
	/* Nor after somebody has taken it back. */
	put(CHILD, CLRIENUM, 40);
	set_line(40, true);
	put(CHILD, CLRIPNUM, 40);
	put(CHILD, SETIENUM, 40);
	expect(0, 2, SEI, 12);
}

/* What waits is sent when the last thing that holds it back is gone. */
static void test_held_back(void **state)
{
	put(ROOT, DOMAINCFG, 0);
	enable(ROOT, 1, DETACHED, TO(0, 3));
	enable(ROOT, 95, DETACHED, TO(1, 4));
	put(ROOT, SETIPNUM, 1);
	put(ROOT, SETIPNUM, 95);
	assert_int_equal(harts[0].nr_messages + harts[1].nr_messages, 0);
	put(ROOT, TARGET(95), TO(1, 5));
	put(ROOT, DOMAINCFG, IE);
	expect(0, 1, MEI, 3);
	expect(1, 1, MEI, 5);
}

static void test_on_demand(void **state)
{
	put(CHILD, GENMSI, TO(1, 200));
	expect(1, 1, SEI, 200);
	put(CHILD, GENMSI, TO(NR_HARTS, 200));
	assert_int_equal(harts[0].nr_messages, 0);
	expect(1, 1, SEI, 200);
}

/* Where messages go is not the guest's to say, and nothing is delivered directly. */
static void test_registers(void **state)
{
	assert_int_equal(get(ROOT, DOMAINCFG), 0x80000104);
	put(ROOT, DOMAINCFG, 0);
	assert_int_equal(get(ROOT, DOMAINCFG), 0x80000004);
	put(ROOT, MMSIADDRCFGH, 0);
	assert_int_equal(get(ROOT, MMSIADDRCFGH), 0x80000000);
	assert_int_equal(get(CHILD, MMSIADDRCFGH), 0);
	put(ROOT, SOURCECFG(3), DETACHED);
	assert_int_equal(get(ROOT, TARGET(3)), 0);
	put(ROOT, TARGET(3), TO(1, 0x3ffff));
	assert_int_equal(get(ROOT, TARGET(3)), TO(1, 0x7ff));
	put(ROOT, TARGET(3), TO(NR_HARTS, 9));
	assert_int_equal(get(ROOT, TARGET(3)), TO(1, 9));
	put(ROOT, IDELIVERY(0), 1);
	assert_int_equal(get(ROOT, IDELIVERY(0)), 0);
	assert_int_equal(get(ROOT, CLAIMI(0)), 0);
}

/* Whatever is written: no pin is set (messages.h), and nothing waits that could be sent. */
static void test_nonsense(void **state)
{
	struct error err = { 0 };
	unsigned seed = 1;

	for (unsigned i = 0; i < 50000; i++) {
		uint64_t offset = (uint64_t)rand_r(&seed) % APLIC_BYTES / 4 * 4;
		uint32_t value = (uint32_t)rand_r(&seed) << (unsigned)rand_r(&seed) % 32;

		put(i % 2, rand_r(&seed) % 4 ? offset % 0x200 : offset, value);
		set_line((unsigned)rand_r(&seed) % (APLIC_SOURCES + 4), rand_r(&seed) % 2);
		put(i % 2, SETIENUM, (uint32_t)rand_r(&seed) % APLIC_SOURCES);
		for (unsigned d = 0; d < 2; d++)
			for (unsigned w = 0; w < APLIC_WORDS && get(d, DOMAINCFG) & IE; w++)
				assert_int_equal(
					get(d, SETIP + 4 * w) & get(d, SETIENUM - 0xdc + 4 * w), 0);
	}
	assert_int_not_equal(harts[0].nr_messages, 0);
	assert_int_equal(aplic.saved.restore(&aplic.saved, &err), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_edge),
		TEST(test_level),
		TEST(test_held_back),
		TEST(test_on_demand),
		TEST(test_registers),
		TEST(test_nonsense),
	};

	return cmocka_run_group_tests_name("device/aplic-messages", tests, NULL, NULL);
}
