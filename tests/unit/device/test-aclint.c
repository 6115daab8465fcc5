/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-aclint.c - timers are due when the clock says so, and harts interrupt each other.
 */
#include "unit/device/parts.h"

#include "device/aclint.h"

#define SSI 1
#define MSI 3
#define MTI 7

#define MSIP(hart)    (4u * (hart))
#define COMPARE(hart) (0x4000u + 8u * (hart))
#define TIME	      0xbff8u
#define NR_HARTS      3

static struct fake_vcpu harts[NR_HARTS];
static struct vm_vcpu *vcpus[NR_HARTS];
static struct aclint aclint;
static struct loop loop;
static uint64_t now;

static uint64_t read_now(void *context)
{
	return now;
}

static int setup(void **state)
{
	const struct aclint_time time = { read_now, NULL, 10000000 };

	for (unsigned i = 0; i < NR_HARTS; i++) {
		harts[i] = (struct fake_vcpu){ .vcpu = { &fake_vcpu_ops, i } };
		vcpus[i] = &harts[i].vcpu;
	}
	now = 1000;
	if (loop_open(&loop, NULL) < 0)
		return -1;
	return aclint_init(&aclint, vcpus, NR_HARTS, &time, &loop, NULL);
}

static int teardown(void **state)
{
	aclint_destroy(&aclint);
	loop_close(&loop);
	return 0;
}

static bool is_high(unsigned hart, unsigned pin)
{
	return harts[hart].pins >> pin & 1;
}

static void test_timer(void **state)
{
	assert_int_equal(io_read(&aclint.io, COMPARE(1), 8), UINT64_MAX);
	io_write(&aclint.io, COMPARE(1), 8, 1000);
	assert_true(is_high(1, MTI));
	assert_false(is_high(0, MTI) || is_high(2, MTI));
	io_write(&aclint.io, COMPARE(1), 8, 1001);
	assert_false(is_high(1, MTI));
	io_write(&aclint.io, COMPARE(2), 8, 2000);
	now = 2000;
	run_loop(&loop, 50);
	assert_true(is_high(1, MTI) && is_high(2, MTI));
	assert_false(is_high(0, MTI));
	io_write(&aclint.io, COMPARE(2), 8, UINT64_MAX);
	assert_false(is_high(2, MTI));
}

static void test_words(void **state)
{
	now = UINT64_C(0x123456789abcdef0);
	assert_int_equal(io_read(&aclint.io, TIME, 8), now);
	assert_int_equal(io_read(&aclint.io, TIME, 4), 0x9abcdef0);
	assert_int_equal(io_read(&aclint.io, TIME + 4, 4), 0x12345678);
	io_write(&aclint.io, COMPARE(0), 4, 5);
	assert_int_equal(io_read(&aclint.io, COMPARE(0), 8), UINT64_C(0xffffffff00000005));
	io_write(&aclint.io, COMPARE(0) + 4, 4, 1);
	assert_int_equal(io_read(&aclint.io, COMPARE(0), 8), UINT64_C(0x100000005));
	assert_int_equal(io_read(&aclint.io, COMPARE(0) + 4, 4), 1);
	assert_true(is_high(0, MTI));
}

static void test_software(void **state)
{
	io_write(&aclint.io, MSIP(2), 4, UINT32_MAX);
	assert_int_equal(io_read(&aclint.io, MSIP(2), 4), 1);
	assert_true(is_high(2, MSI));
	assert_false(is_high(0, MSI) || is_high(1, MSI));
	io_write(&aclint.io, MSIP(2), 4, 0);
	assert_false(is_high(2, MSI));
	io_write(&aclint.sswi, MSIP(1), 4, 1);
	assert_true(is_high(1, SSI));
	assert_int_equal(io_read(&aclint.sswi, MSIP(1), 4), 0);
	io_write(&aclint.sswi, MSIP(0), 4, 0);
	assert_false(is_high(0, SSI));
}

static void test_nonsense(void **state)
{
	for (uint64_t offset = 0; offset < ACLINT_BYTES; offset += 2) {
		for (unsigned size = 1; size <= 8; size *= 2) {
			if (offset + size > ACLINT_BYTES)
				continue;
			io_read(&aclint.io, offset, size);
			io_write(&aclint.io, offset, size, UINT64_MAX - offset);
		}
	}
	for (uint64_t offset = 0; offset < ACLINT_SSWI_BYTES; offset += 4)
		io_write(&aclint.sswi, offset, 4, UINT64_MAX);
	assert_int_equal(io_read(&aclint.io, MSIP(NR_HARTS), 4), 0);
	assert_int_equal(io_read(&aclint.io, COMPARE(NR_HARTS), 8), 0);
	assert_int_equal(io_read(&aclint.io, TIME, 8), 1000);
}

static void test_reset(void **state)
{
	io_write(&aclint.io, MSIP(0), 4, 1);
	io_write(&aclint.io, COMPARE(0), 8, 0);
	assert_true(is_high(0, MSI) && is_high(0, MTI));
	aclint_reset(&aclint);
	assert_false(is_high(0, MSI) || is_high(0, MTI));
	io_write(&aclint.io, COMPARE(0), 8, 500);
	harts[0].pins = 0;
	assert_int_equal(aclint.saved.restore(&aclint.saved, NULL), 0);
	assert_true(is_high(0, MTI));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_timer),
		TEST(test_words),
		TEST(test_software),
		TEST(test_nonsense),
		TEST(test_reset),
	};

	return cmocka_run_group_tests_name("device/aclint", tests, NULL, NULL);
}
