/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-imsic.c - what is written to a hart's page becomes a message to it, and nothing else does.
 */
#include "unit/device/messages.h"

#include "device/imsic.h"

#define SEI	 9
#define NR_HARTS 3

static struct message_vcpu harts[NR_HARTS];
static struct imsic imsic;

static int setup(void **state)
{
	struct vm_vcpu *vcpus[NR_HARTS];

	for (unsigned i = 0; i < NR_HARTS; i++) {
		harts[i] = (struct message_vcpu){ .vcpu = { &message_vcpu_ops, i } };
		vcpus[i] = &harts[i].vcpu;
	}
	imsic_init(&imsic, 0x28000000, SEI, vcpus, NR_HARTS);
	return 0;
}

static void test_each_hart_has_a_page(void **state)
{
	assert_int_equal(imsic.io.size, NR_HARTS * IMSIC_PAGE_BYTES);
	for (unsigned i = 0; i < NR_HARTS; i++)
		io_write(&imsic.io, i * IMSIC_PAGE_BYTES, 4, 10 + i);
	for (unsigned i = 0; i < NR_HARTS; i++) {
		assert_int_equal(harts[i].nr_messages, 1);
		assert_int_equal(harts[i].pin, SEI);
		assert_int_equal(harts[i].number, 10 + i);
	}
}

static void test_nonsense(void **state)
{
	for (uint64_t offset = 0; offset < imsic.io.size; offset++) {
		for (unsigned size = 1; size <= 8; size *= 2) {
			if (offset + size > imsic.io.size)
				continue;
			assert_int_equal(io_read(&imsic.io, offset, size), 0);
			if (offset % IMSIC_PAGE_BYTES != 0 || size != 4)
				io_write(&imsic.io, offset, size, UINT64_MAX);
		}
	}
	for (unsigned i = 0; i < NR_HARTS; i++)
		assert_int_equal(harts[i].nr_messages, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_each_hart_has_a_page, setup),
		cmocka_unit_test_setup(test_nonsense, setup),
	};

	return cmocka_run_group_tests_name("device/imsic", tests, NULL, NULL);
}
