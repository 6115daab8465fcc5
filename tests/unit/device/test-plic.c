/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-plic.c - who is interrupted by what, by whom it is claimed, and when again.
 */
#include "unit/device/parts.h"

#include <errno.h>
#include <string.h>

#include "device/plic.h"

#define SEI 9
#define MEI 11

#define PRIORITY(n)	 (4u * (n))
#define PENDING(w)	 (0x1000u + 4u * (w))
#define ENABLE(c, w)	 (0x2000u + 0x80u * (c) + 4u * (w))
#define THRESHOLD(c)	 (0x200000u + 0x1000u * (c))
#define CLAIM(c)	 (0x200004u + 0x1000u * (c))
#define SUPERVISOR(hart) (2u * (hart) + 1)
#define NR_HARTS	 2
#define NR_CONTEXTS	 (2 * NR_HARTS)

static struct fake_vcpu harts[NR_HARTS];
static struct plic plic;

static int setup(void **state)
{
	struct plic_context contexts[NR_CONTEXTS];

	for (unsigned i = 0; i < NR_HARTS; i++) {
		harts[i] = (struct fake_vcpu){ .vcpu = { &fake_vcpu_ops, i } };
		contexts[2 * i] = (struct plic_context){ &harts[i].vcpu, MEI };
		contexts[2 * i + 1] = (struct plic_context){ &harts[i].vcpu, SEI };
	}
	plic_init(&plic, contexts, NR_CONTEXTS);
	return 0;
}

static int teardown(void **state)
{
	plic_destroy(&plic);
	return 0;
}

static uint32_t get(uint64_t offset)
{
	return (uint32_t)io_read(&plic.io, offset, 4);
}

static void put(uint64_t offset, uint32_t value)
{
	io_write(&plic.io, offset, 4, value);
}

static void set_line(unsigned number, bool level)
{
	plic.chip.ops->set(&plic.chip, number, level);
}

static bool is_interrupted(unsigned hart)
{
	return harts[hart].pins >> SEI & 1;
}

static void enable(unsigned number, uint32_t priority, unsigned hart)
{
	put(PRIORITY(number), priority);
	put(ENABLE(SUPERVISOR(hart), number / 32),
		get(ENABLE(SUPERVISOR(hart), number / 32)) | UINT32_C(1) << number % 32);
}

static void test_claim_and_complete(void **state)
{
	enable(10, 1, 0);
	set_line(10, true);
	assert_true(is_interrupted(0));
	assert_false(is_interrupted(1));
	assert_false(harts[0].pins >> MEI & 1);
	assert_int_equal(get(PENDING(0)), 1 << 10);
	assert_int_equal(get(CLAIM(SUPERVISOR(0))), 10);
	assert_false(is_interrupted(0));
	assert_int_equal(get(PENDING(0)), 0);
	assert_int_equal(get(CLAIM(SUPERVISOR(0))), 0);
	/* The line is still high: again, but not before it is completed. */
	set_line(10, false);
	set_line(10, true);
	assert_false(is_interrupted(0));
	put(CLAIM(SUPERVISOR(0)), 10);
	assert_true(is_interrupted(0));
	assert_int_equal(get(CLAIM(SUPERVISOR(0))), 10);
	set_line(10, false);
	put(CLAIM(SUPERVISOR(0)), 10);
	assert_false(is_interrupted(0));
}

static void test_order(void **state)
{
	enable(40, 3, 0);
	enable(7, 3, 0);
	enable(3, 2, 0);
	set_line(3, true);
	set_line(40, true);
	set_line(7, true);
	assert_int_equal(get(CLAIM(SUPERVISOR(0))), 7);
	assert_int_equal(get(CLAIM(SUPERVISOR(0))), 40);
	assert_int_equal(get(CLAIM(SUPERVISOR(0))), 3);
	assert_int_equal(get(CLAIM(SUPERVISOR(0))), 0);
}

/* Below the threshold, with priority 0, or not enabled: no interrupt. */
static void test_masked(void **state)
{
	enable(5, 2, 0);
	put(THRESHOLD(SUPERVISOR(0)), 2);
	set_line(5, true);
	assert_false(is_interrupted(0));
	put(THRESHOLD(SUPERVISOR(0)), 1);
	assert_true(is_interrupted(0));
	put(PRIORITY(5), 0);
	assert_false(is_interrupted(0));
	assert_int_equal(get(CLAIM(SUPERVISOR(0))), 0);
	put(PRIORITY(5), 2);
	assert_true(is_interrupted(0));
	put(ENABLE(SUPERVISOR(0), 0), 0);
	assert_false(is_interrupted(0));
	enable(5, 2, 1);
	assert_true(is_interrupted(1));
	assert_int_equal(get(CLAIM(SUPERVISOR(1))), 5);
	/* Nobody completes for somebody who has it not enabled. */
	put(CLAIM(SUPERVISOR(0)), 5);
	assert_false(is_interrupted(1));
	put(CLAIM(SUPERVISOR(1)), 5);
	assert_true(is_interrupted(1));
}

/* Both are told, one gets it. */
static void test_two_harts(void **state)
{
	enable(12, 1, 0);
	enable(12, 1, 1);
	set_line(12, true);
	assert_true(is_interrupted(0) && is_interrupted(1));
	assert_int_equal(get(CLAIM(SUPERVISOR(1))), 12);
	assert_false(is_interrupted(0) || is_interrupted(1));
	assert_int_equal(get(CLAIM(SUPERVISOR(0))), 0);
}

static void test_nonsense(void **state)
{
	put(PRIORITY(0), 7);
	put(ENABLE(SUPERVISOR(0), 0), UINT32_MAX);
	assert_int_equal(get(PRIORITY(0)), 0);
	assert_int_equal(get(ENABLE(SUPERVISOR(0), 0)), UINT32_MAX - 1);
	put(PRIORITY(9), UINT32_MAX);
	assert_int_equal(get(PRIORITY(9)), PLIC_PRIORITY_MAX);
	set_line(0, true);
	set_line(PLIC_SOURCES, true);
	set_line(UINT32_MAX, true);
	assert_int_equal(get(PENDING(0)), 0);
	put(CLAIM(SUPERVISOR(0)), 0);
	put(CLAIM(SUPERVISOR(0)), PLIC_SOURCES);
	put(CLAIM(SUPERVISOR(0)), UINT32_MAX);
	/* Contexts and words that are not there, odd sizes and places. */
	put(ENABLE(NR_CONTEXTS, 0), UINT32_MAX);
	assert_int_equal(get(ENABLE(NR_CONTEXTS, 0)), 0);
	put(THRESHOLD(NR_CONTEXTS), 1);
	assert_int_equal(get(CLAIM(NR_CONTEXTS)), 0);
	assert_int_equal(get(PENDING(PLIC_WORDS)), 0);
	for (uint64_t offset = 0; offset < PLIC_BYTES; offset += 1021) {
		io_write(&plic.io, offset & ~3u, 4, offset);
		io_read(&plic.io, offset & ~3u, 4);
		io_write(&plic.io, offset, 8, UINT64_MAX);
		assert_int_equal(io_read(&plic.io, offset, 8), 0);
		assert_int_equal(io_read(&plic.io, offset, 1), 0);
	}
	io_write(&plic.io, PLIC_BYTES - 4, 4, 1);
}

static void test_reset(void **state)
{
	enable(10, 1, 0);
	set_line(10, true);
	assert_int_equal(get(CLAIM(SUPERVISOR(0))), 10);
	plic_reset(&plic);
	assert_int_equal(get(PRIORITY(10)), 0);
	assert_false(is_interrupted(0));
	enable(10, 1, 0);
	assert_true(is_interrupted(0));
}

static void test_restore(void **state)
{
	struct error err = { 0 };
	struct plic_state kept;

	enable(10, 1, 0);
	set_line(10, true);
	kept = plic.state;
	plic_reset(&plic);
	set_line(10, false);
	plic.state = kept;
	assert_int_equal(plic.saved.restore(&plic.saved, &err), 0);
	assert_true(is_interrupted(0));
	plic.state.priorities[3] = PLIC_PRIORITY_MAX + 1;
	assert_int_equal(plic.saved.restore(&plic.saved, &err), -EBADMSG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_claim_and_complete),
		TEST(test_order),
		TEST(test_masked),
		TEST(test_two_harts),
		TEST(test_nonsense),
		TEST(test_reset),
		TEST(test_restore),
	};

	return cmocka_run_group_tests_name("device/plic", tests, NULL, NULL);
}
