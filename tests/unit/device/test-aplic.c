/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-aplic.c - what a source's mode makes of its line, which hart that interrupts, and whose a
 * source is.
 */
#include "unit/device/parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "device/aplic.h"

#define SEI 9
#define MEI 11

#define DOMAINCFG	0u
#define IE		0x100u
#define SOURCECFG(n)	(4u * (n))
#define SETIP		0x1c00u
#define SETIPNUM	0x1cdcu
#define IN_CLRIP	0x1d00u
#define CLRIPNUM	0x1ddcu
#define SETIE		0x1e00u
#define SETIENUM	0x1edcu
#define CLRIE		0x1f00u
#define CLRIENUM	0x1fdcu
#define SETIPNUM_LE	0x2000u
#define SETIPNUM_BE	0x2004u
#define TARGET(n)	(0x3000u + 4u * (n))
#define IDELIVERY(hart) (0x4000u + 32u * (hart))
#define IFORCE(hart)	(0x4004u + 32u * (hart))
#define THRESHOLD(hart) (0x4008u + 32u * (hart))
#define TOPI(hart)	(0x4018u + 32u * (hart))
#define CLAIMI(hart)	(0x401cu + 32u * (hart))

#define DELEGATED    0x400u
#define DETACHED     1
#define EDGE_RISING  4
#define EDGE_FALLING 5
#define LEVEL_HIGH   6
#define LEVEL_LOW    7

#define NR_HARTS 2
#define ROOT	 0
#define CHILD	 1

static struct fake_vcpu harts[NR_HARTS];
static struct aplic aplic;

static int setup(void **state)
{
	static const struct aplic_domain_config domains[] = { { 0x1000000, MEI },
		{ 0x2000000, SEI } };
	struct vm_vcpu *vcpus[NR_HARTS];

	for (unsigned i = 0; i < NR_HARTS; i++) {
		harts[i] = (struct fake_vcpu){ .vcpu = { &fake_vcpu_ops, i } };
		vcpus[i] = &harts[i].vcpu;
	}
	aplic_init(&aplic, domains, 2, vcpus, NR_HARTS, false);
	return 0;
}

static int teardown(void **state)
{
	aplic_destroy(&aplic);
	return 0;
}

static uint32_t get(unsigned domain, uint64_t offset)
{
	return (uint32_t)io_read(&aplic.domains[domain].io, offset, 4);
}

static void put(unsigned domain, uint64_t offset, uint32_t value)
{
	io_write(&aplic.domains[domain].io, offset, 4, value);
}

static void set_line(unsigned number, bool level)
{
	aplic.chip.ops->set(&aplic.chip, number, level);
}

static bool is_interrupted(unsigned hart)
{
	return harts[hart].pins >> MEI & 1;
}

static uint32_t top(unsigned number, unsigned priority)
{
	return number << 16 | priority;
}

static void open_domain(unsigned domain)
{
	put(domain, DOMAINCFG, IE);
	for (unsigned i = 0; i < NR_HARTS; i++)
		put(domain, IDELIVERY(i), 1);
}

static void enable(
	unsigned domain, unsigned number, unsigned mode, unsigned hart, unsigned priority)
{
	put(domain, SOURCECFG(number), mode);
	put(domain, TARGET(number), hart << 18 | priority);
	put(domain, SETIENUM, number);
}

static bool is_pending(unsigned domain, unsigned number)
{
	return get(domain, SETIP + 4 * (number / 32)) >> number % 32 & 1;
}

static void test_level(void **state)
{
	open_domain(ROOT);
	enable(ROOT, 40, LEVEL_HIGH, 1, 3);
	set_line(40, true);
	assert_true(is_interrupted(1));
	assert_false(is_interrupted(0));
	assert_false(harts[1].pins >> SEI & 1);
	assert_int_equal(get(ROOT, IN_CLRIP + 4), 1 << 8);
	/* It is pending while the line says so, whoever claims it, or sets or clears it. */
	assert_int_equal(get(ROOT, TOPI(1)), top(40, 3));
	assert_int_equal(get(ROOT, CLAIMI(1)), top(40, 3));
	put(ROOT, CLRIPNUM, 40);
	put(ROOT, IN_CLRIP + 4, UINT32_MAX);
	assert_true(is_interrupted(1));
	set_line(40, false);
	assert_false(is_interrupted(1));
	put(ROOT, SETIPNUM, 40);
	assert_false(is_pending(ROOT, 40));
	assert_int_equal(get(ROOT, CLAIMI(1)), 0);
	/* The other way round. */
	put(ROOT, SOURCECFG(40), LEVEL_LOW);
	assert_int_equal(get(ROOT, TARGET(40)), 1 << 18 | 3);
	assert_true(is_interrupted(1));
	set_line(40, true);
	assert_false(is_interrupted(1));
}

static void test_edge(void **state)
{
	open_domain(ROOT);
	enable(ROOT, 5, EDGE_RISING, 0, 1);
	set_line(5, true);
	set_line(5, false);
	assert_true(is_interrupted(0));
	assert_int_equal(get(ROOT, CLAIMI(0)), top(5, 1));
	assert_false(is_interrupted(0));
	set_line(5, true);
	put(ROOT, CLRIPNUM, 5);
	assert_false(is_interrupted(0));
	put(ROOT, SOURCECFG(5), EDGE_FALLING);
	put(ROOT, IN_CLRIP, 1 << 5);
	set_line(5, false);
	assert_true(is_interrupted(0));
	set_line(5, true);
	assert_int_equal(get(ROOT, CLAIMI(0)), top(5, 1));
	set_line(5, true); /* no edge */
	assert_false(is_interrupted(0));
}

/* By software: any source that is no level, and all four ways to say so. */
static void test_detached(void **state)
{
	open_domain(ROOT);
	enable(ROOT, 33, DETACHED, 0, 9);
	set_line(33, true);
	assert_false(is_pending(ROOT, 33));
	assert_int_equal(get(ROOT, IN_CLRIP + 4), 0);
	put(ROOT, SETIPNUM, 33);
	assert_int_equal(get(ROOT, CLAIMI(0)), top(33, 9));
	put(ROOT, SETIPNUM_LE, 33);
	assert_int_equal(get(ROOT, CLAIMI(0)), top(33, 9));
	put(ROOT, SETIP + 4, UINT32_MAX);
	assert_int_equal(get(ROOT, SETIP + 4), 2);
	assert_int_equal(get(ROOT, CLAIMI(0)), top(33, 9));
	put(ROOT, SETIPNUM_BE, 33u << 24);
	assert_int_equal(get(ROOT, CLAIMI(0)), 0);
}

static void test_order_and_threshold(void **state)
{
	static const struct {
		unsigned number, priority;
	} sources[] = { { 70, 2 }, { 7, 5 }, { 40, 2 }, { 9, 255 } };

	open_domain(ROOT);
	for (unsigned i = 0; i < ARRAY_SIZE(sources); i++) {
		enable(ROOT, sources[i].number, EDGE_RISING, 0, sources[i].priority);
		set_line(sources[i].number, true);
	}
	/* Of this priority and all below it, nothing. */
	put(ROOT, THRESHOLD(0), 2);
	assert_false(is_interrupted(0));
	assert_int_equal(get(ROOT, CLAIMI(0)), 0);
	put(ROOT, THRESHOLD(0), 5);
	assert_true(is_interrupted(0));
	assert_int_equal(get(ROOT, CLAIMI(0)), top(40, 2));
	assert_int_equal(get(ROOT, CLAIMI(0)), top(70, 2));
	assert_int_equal(get(ROOT, CLAIMI(0)), 0);
	assert_false(is_interrupted(0));
	put(ROOT, THRESHOLD(0), 0);
	assert_int_equal(get(ROOT, CLAIMI(0)), top(7, 5));
	assert_int_equal(get(ROOT, CLAIMI(0)), top(9, 255));
}

/* Each of the switches between a pending source and the hart. */
static void test_masked(void **state)
{
	open_domain(ROOT);
	enable(ROOT, 1, LEVEL_HIGH, 0, 1);
	set_line(1, true);
	put(ROOT, CLRIENUM, 1);
	assert_false(is_interrupted(0));
	put(ROOT, SETIE, 1 << 1);
	assert_true(is_interrupted(0));
	put(ROOT, CLRIE, 1 << 1);
	assert_false(is_interrupted(0));
	assert_int_equal(get(ROOT, CLRIE), 0);
	put(ROOT, SETIENUM, 1);
	put(ROOT, IDELIVERY(0), 0);
	assert_false(is_interrupted(0));
	put(ROOT, IDELIVERY(0), 1);
	put(ROOT, DOMAINCFG, 0);
	assert_false(is_interrupted(0));
	assert_int_equal(get(ROOT, TOPI(0)), top(1, 1));
	put(ROOT, DOMAINCFG, UINT32_MAX);
	assert_int_equal(get(ROOT, DOMAINCFG), 0x80000100);
	assert_true(is_interrupted(0));
	put(ROOT, TARGET(1), 1 << 18 | 1);
	assert_false(is_interrupted(0));
	assert_true(is_interrupted(1));
	put(ROOT, SOURCECFG(1), 0);
	assert_false(is_interrupted(1));
}

/* Without a source that would do; a claim that finds none takes it back. */
static void test_forced(void **state)
{
	put(ROOT, IFORCE(1), 3);
	assert_false(is_interrupted(1));
	open_domain(ROOT);
	assert_true(is_interrupted(1));
	assert_int_equal(get(ROOT, IFORCE(1)), 1);
	assert_int_equal(get(ROOT, TOPI(1)), 0);
	assert_true(is_interrupted(1));
	assert_int_equal(get(ROOT, CLAIMI(1)), 0);
	assert_false(is_interrupted(1));
	assert_int_equal(get(ROOT, IFORCE(1)), 0);
}

static void test_delegated(void **state)
{
	open_domain(ROOT);
	open_domain(CHILD);
	enable(ROOT, 10, EDGE_RISING, 0, 1);
	/* It is not the child's yet. */
	enable(CHILD, 10, LEVEL_HIGH, 0, 1);
	assert_int_equal(get(CHILD, SOURCECFG(10)), 0);
	assert_int_equal(get(CHILD, TARGET(10)), 0);
	assert_int_equal(get(CHILD, SETIE), 0);
	put(ROOT, SETIPNUM, 10);
	put(ROOT, SOURCECFG(10), DELEGATED | 0x3ff);
	assert_int_equal(get(ROOT, SOURCECFG(10)), DELEGATED);
	assert_int_equal(harts[0].pins, 0);
	assert_int_equal(get(ROOT, TARGET(10)), 0);
	assert_int_equal(get(ROOT, SETIE), 0);
	enable(CHILD, 10, LEVEL_HIGH, 0, 1);
	set_line(10, true);
	assert_int_equal(harts[0].pins, 1 << SEI);
	assert_int_equal(get(ROOT, SETIP), 0);
	/* The last of them cannot delegate. */
	put(CHILD, SOURCECFG(10), DELEGATED | LEVEL_HIGH);
	assert_int_equal(get(CHILD, SOURCECFG(10)), 0);
	assert_int_equal(harts[0].pins, 0);
	enable(CHILD, 10, LEVEL_HIGH, 0, 1);
	put(ROOT, SOURCECFG(10), LEVEL_HIGH);
	assert_int_equal(get(CHILD, SOURCECFG(10)), 0);
	assert_int_equal(get(CHILD, SETIE), 0);
	assert_int_equal(harts[0].pins, 0); /* not enabled here */
	put(ROOT, SETIENUM, 10);
	assert_int_equal(harts[0].pins, 1 << MEI);
}

static void test_values_that_are_not_there(void **state)
{
	put(ROOT, SOURCECFG(3), 2);
	assert_int_equal(get(ROOT, SOURCECFG(3)), 0);
	put(ROOT, SOURCECFG(3), 0xfffff800 | LEVEL_LOW);
	assert_int_equal(get(ROOT, SOURCECFG(3)), LEVEL_LOW);
	assert_int_equal(get(ROOT, TARGET(3)), 1);
	put(ROOT, TARGET(3), 1 << 18 | 0x3ff00);
	assert_int_equal(get(ROOT, TARGET(3)), 1 << 18 | 1);
	put(ROOT, TARGET(3), NR_HARTS << 18 | 4);
	assert_int_equal(get(ROOT, TARGET(3)), 1 << 18 | 4);
	for (uint32_t number = APLIC_SOURCES; number != 0; number *= 2) {
		put(ROOT, SETIENUM, number);
		put(ROOT, SETIPNUM, number);
		set_line(number, true);
	}
	put(ROOT, SETIENUM, 0);
	set_line(0, true);
	put(ROOT, SETIE, UINT32_MAX);
	assert_int_equal(get(ROOT, SETIE), 1 << 3);
	assert_int_equal(get(ROOT, SETIE + 4 * APLIC_WORDS), 0);
	assert_int_equal(get(ROOT, SOURCECFG(APLIC_SOURCES)), 0);
	assert_int_equal(get(ROOT, TARGET(0)), 0);
	io_write(&aplic.domains[ROOT].io, DOMAINCFG, 8, IE);
	io_write(&aplic.domains[ROOT].io, DOMAINCFG + 1, 1, 1);
	assert_int_equal(get(ROOT, DOMAINCFG), 0x80000000);
	assert_int_equal(io_read(&aplic.domains[ROOT].io, DOMAINCFG, 8), 0);
	assert_int_equal(io_read(&aplic.domains[ROOT].io, DOMAINCFG + 2, 4), 0);
}

/* What is to hold for all that is written: see aplic.c. */
static void check(void)
{
	for (unsigned d = 0; d < 2; d++) {
		for (unsigned n = 1; n < APLIC_SOURCES; n++) {
			uint32_t mode = get(d, SOURCECFG(n));

			if (mode == 0 || mode == DELEGATED) {
				assert_int_equal(get(d, TARGET(n)), 0);
				assert_false(is_pending(d, n));
				assert_false(get(d, SETIE + n / 32 * 4) >> n % 32 & 1);
			} else {
				assert_true(get(d, TARGET(n)) >> 18 < NR_HARTS);
				assert_int_not_equal(get(d, TARGET(n)) & 0xff, 0);
			}
			if (d == CHILD && mode)
				assert_int_equal(get(ROOT, SOURCECFG(n)), DELEGATED);
		}
		for (unsigned i = 0; i < NR_HARTS; i++)
			assert_int_equal(harts[i].pins >> (d == ROOT ? MEI : SEI) & 1,
				get(d, DOMAINCFG) & IE && get(d, IDELIVERY(i)) &&
					(get(d, IFORCE(i)) || get(d, TOPI(i))));
	}
}

static void test_nonsense(void **state)
{
	static const unsigned starts[] = { 0, SETIP, IN_CLRIP, SETIE, CLRIE, SETIPNUM_LE, TARGET(0),
		IDELIVERY(0) };
	struct error err = { 0 };
	unsigned seed = 1;

	for (unsigned i = 0; i < 20000; i++) {
		unsigned start = starts[(unsigned)rand_r(&seed) % ARRAY_SIZE(starts)];
		uint64_t offset = start + 4 * ((unsigned)rand_r(&seed) % (APLIC_SOURCES + 8));
		uint32_t value = (uint32_t)rand_r(&seed) << (unsigned)rand_r(&seed) % 32;

		put(i % 2, offset, rand_r(&seed) % 2 ? value : value % 128);
		set_line((unsigned)rand_r(&seed) % (APLIC_SOURCES + 4), rand_r(&seed) % 2);
		get(i % 2, start + value % 1024);
		if (i % 64 == 0)
			check();
	}
	for (uint64_t offset = 0; offset < APLIC_BYTES; offset += 4)
		put(CHILD, offset, (uint32_t)offset), get(ROOT, offset);
	check();
	/* And all of it could be in a snapshot. */
	assert_int_equal(aplic.saved.restore(&aplic.saved, &err), 0);
	check();
}

static void test_reset(void **state)
{
	open_domain(ROOT);
	enable(ROOT, 3, LEVEL_HIGH, 0, 1);
	set_line(3, true);
	aplic_reset(&aplic);
	assert_false(is_interrupted(0));
	assert_int_equal(get(ROOT, DOMAINCFG), 0x80000000);
	assert_int_equal(get(ROOT, SOURCECFG(3)), 0);
	/* The line is still what it was. */
	open_domain(ROOT);
	enable(ROOT, 3, LEVEL_HIGH, 0, 1);
	assert_true(is_interrupted(0));
}

static void test_restore(void **state)
{
	struct error err = { 0 };
	struct aplic_state kept;

	open_domain(ROOT);
	open_domain(CHILD);
	put(ROOT, SOURCECFG(3), DELEGATED);
	enable(CHILD, 3, LEVEL_HIGH, 1, 1);
	set_line(3, true);
	kept = aplic.state;
	aplic_reset(&aplic);
	assert_int_equal(harts[1].pins, 0);
	aplic.state = kept;
	assert_int_equal(aplic.saved.restore(&aplic.saved, &err), 0);
	assert_int_equal(harts[1].pins, 1 << SEI);

	aplic.state.domains[CHILD].target[3] = NR_HARTS << 18 | 1;
	assert_int_equal(aplic.saved.restore(&aplic.saved, &err), -EBADMSG);
	aplic.state = kept;
	aplic.state.domains[CHILD].sourcecfg[3] = DELEGATED;
	assert_int_equal(aplic.saved.restore(&aplic.saved, &err), -EBADMSG);
	aplic.state = kept;
	aplic.state.domains[ROOT].sourcecfg[3] = LEVEL_HIGH;
	assert_int_equal(aplic.saved.restore(&aplic.saved, &err), -EBADMSG);
	aplic.state = kept;
	aplic.state.domains[ROOT].pending[2] = 1;
	assert_int_equal(aplic.saved.restore(&aplic.saved, &err), -EBADMSG);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_level),
		TEST(test_edge),
		TEST(test_detached),
		TEST(test_order_and_threshold),
		TEST(test_masked),
		TEST(test_forced),
		TEST(test_delegated),
		TEST(test_values_that_are_not_there),
		TEST(test_nonsense),
		TEST(test_reset),
		TEST(test_restore),
	};

	return cmocka_run_group_tests_name("device/aplic", tests, NULL, NULL);
}
