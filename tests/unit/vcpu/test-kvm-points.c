/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-kvm-points.c - where a debugger wants vcpus of KVM to stop: int3 in memory, and what debug
 * registers are given. No KVM is needed.
 */
#include "unit/test.h"

#include <errno.h>
#include <string.h>

#include "vcpu/kvm/x86-64.h"

#define MEMORY_BYTES 0x4000
#define INT3	     0xcc

static struct vm_memory memory;
static struct kvm_x86_breaks breaks;
static struct kvm_x86_slots slots;

static int open_memory(void **state)
{
	uint8_t byte;

	memset(&slots, 0, sizeof(slots));
	breaks = (struct kvm_x86_breaks){ .memory = &memory };
	vm_memory_init(&memory);
	if (vm_memory_add(&memory, 0, MEMORY_BYTES, NULL) < 0)
		return -1;
	for (unsigned i = 0; i < MEMORY_BYTES; i++) {
		byte = (uint8_t)(i & 0x7f);
		vm_memory_write(&memory, i, &byte, 1);
	}
	return 0;
}

static int close_memory(void **state)
{
	vm_memory_destroy(&memory);
	return 0;
}

static uint8_t at(uint64_t physical)
{
	uint8_t byte;

	assert_int_equal(vm_memory_read(&memory, physical, &byte, 1), 0);
	return byte;
}

static uint8_t seen(uint64_t physical)
{
	uint8_t byte;

	assert_int_equal(kvm_x86_breaks_read(&breaks, physical, &byte, 1), 0);
	return byte;
}

/* --- int3 ------------------------------------------------------------------------------------- */

static void breaks_are_in_memory_and_not_seen(void **state)
{
	uint8_t bytes[16];

	assert_int_equal(kvm_x86_breaks_add(&breaks, 0xffff0010, 0x10), 0);
	assert_int_equal(kvm_x86_breaks_add(&breaks, 0xffff0020, 0x20), 0);
	assert_int_equal(at(0x10), INT3);
	assert_int_equal(at(0x20), INT3);
	assert_true(kvm_x86_breaks_has(&breaks, 0x10));
	assert_false(kvm_x86_breaks_has(&breaks, 0x11));
	assert_int_equal(kvm_x86_breaks_read(&breaks, 0x8, bytes, sizeof(bytes)), 0);
	for (unsigned i = 0; i < sizeof(bytes); i++)
		assert_int_equal(bytes[i], 0x8 + i);
	kvm_x86_breaks_remove(&breaks, 0xffff0010);
	assert_int_equal(at(0x10), 0x10);
	assert_int_equal(at(0x20), INT3);
	assert_false(kvm_x86_breaks_has(&breaks, 0x10));
}

/* One place of memory through two addresses: it is free when both are. */
static void two_at_one_place(void **state)
{
	assert_int_equal(kvm_x86_breaks_add(&breaks, 0xffff0010, 0x10), 0);
	assert_int_equal(kvm_x86_breaks_add(&breaks, 0x7fff0010, 0x10), 0);
	assert_int_equal(seen(0x10), 0x10);
	kvm_x86_breaks_remove(&breaks, 0xffff0010);
	assert_int_equal(at(0x10), INT3);
	assert_int_equal(seen(0x10), 0x10);
	kvm_x86_breaks_remove(&breaks, 0x7fff0010);
	assert_int_equal(at(0x10), 0x10);
}

static void what_is_written_is_below(void **state)
{
	const uint8_t bytes[4] = { 0xa0, 0xa1, 0xa2, 0xa3 };

	kvm_x86_breaks_add(&breaks, 0x12, 0x12);
	assert_int_equal(kvm_x86_breaks_write(&breaks, 0x10, bytes, sizeof(bytes)), 0);
	assert_int_equal(at(0x11), 0xa1);
	assert_int_equal(at(0x12), INT3);
	assert_int_equal(seen(0x12), 0xa2);
	kvm_x86_breaks_remove(&breaks, 0x12);
	assert_int_equal(at(0x12), 0xa2);
}

/* The guest has other code there now. */
static void what_the_guest_has_written_stays(void **state)
{
	const uint8_t other = 0x99;

	kvm_x86_breaks_add(&breaks, 0x12, 0x12);
	vm_memory_write(&memory, 0x12, &other, 1);
	assert_int_equal(seen(0x12), 0x99);
	kvm_x86_breaks_remove(&breaks, 0x12);
	assert_int_equal(at(0x12), 0x99);
}

static void breaks_can_be_lifted(void **state)
{
	const uint8_t other = 0x77;

	kvm_x86_breaks_add(&breaks, 0x10, 0x10);
	kvm_x86_breaks_add(&breaks, 0x20, 0x20);
	kvm_x86_breaks_lift(&breaks);
	assert_int_equal(at(0x10), 0x10);
	assert_int_equal(at(0x20), 0x20);
	vm_memory_write(&memory, 0x20, &other, 1); /* a reset, say */
	kvm_x86_breaks_put(&breaks);
	assert_int_equal(at(0x10), INT3);
	assert_int_equal(at(0x20), INT3);
	kvm_x86_breaks_put(&breaks);
	assert_int_equal(seen(0x20), 0x77);
	kvm_x86_breaks_remove(&breaks, 0x10);
	kvm_x86_breaks_remove(&breaks, 0x20);
	assert_int_equal(at(0x10), 0x10);
	assert_int_equal(at(0x20), 0x77);
}

static void breaks_have_limits(void **state)
{
	uint64_t i;

	assert_int_equal(kvm_x86_breaks_add(&breaks, 0, MEMORY_BYTES), -EFAULT);
	for (i = 0; i < KVM_X86_BREAKS_MAX; i++)
		assert_int_equal(kvm_x86_breaks_add(&breaks, i, i), 0);
	assert_int_equal(kvm_x86_breaks_add(&breaks, i, i), -ENOSPC);
	assert_int_equal(at(i), i);
	kvm_x86_breaks_remove(&breaks, 1 << 20); /* is none */
	kvm_x86_breaks_remove(&breaks, 3);
	assert_int_equal(kvm_x86_breaks_add(&breaks, i, i), 0);
	for (i = 0; i <= KVM_X86_BREAKS_MAX; i++)
		assert_int_equal(seen(i), i);
}

/* --- debug registers -------------------------------------------------------------------------- */

static const struct kvm_x86_point execute = { KVM_X86_EXECUTE, 0x1001, 1 };

static void registers_say_what_and_how_much(void **state)
{
	const struct kvm_x86_point points[] = {
		execute,
		{ KVM_X86_WRITE, 0x2000, 4 },
		{ KVM_X86_ACCESS, 0x3000, 8 },
		{ KVM_X86_WRITE, 0x4002, 2 },
	};

	assert_int_equal(kvm_x86_slots_control(&slots), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(points); i++)
		assert_int_equal(kvm_x86_slots_add(&slots, &points[i]), 0);
	/* Types 0, 1, 3, 1; sizes 0, 3, 2, 1; all four are enabled. */
	assert_int_equal(kvm_x86_slots_control(&slots), 0x5bd00000 + 0x600 + 0xaa);
	assert_int_equal(slots.at[2].address, 0x3000);
	assert_int_equal(kvm_x86_slots_add(&slots, &execute), -ENOSPC);
	kvm_x86_slots_remove(&slots, &points[1]);
	assert_int_equal(kvm_x86_slots_control(&slots), 0x5b000000 + 0x600 + 0xa2);
	assert_int_equal(kvm_x86_slots_add(&slots, &points[1]), 0);
	assert_int_equal(kvm_x86_slots_control(&slots), 0x5bd00000 + 0x600 + 0xaa);
}

/* Two addresses of an instruction do not differ in how long it is. */
static void an_instruction_takes_one(void **state)
{
	const struct kvm_x86_point odd = { KVM_X86_EXECUTE, 0x1003, 7 };

	assert_int_equal(kvm_x86_slots_add(&slots, &odd), 0);
	assert_int_equal(kvm_x86_slots_control(&slots), 0x600 + 0x2);
}

static void what_is_not_aligned_takes_several(void **state)
{
	const struct kvm_x86_point odd = { KVM_X86_WRITE, 0x2001, 8 }; /* 1, 2, 4, 1 */
	const struct kvm_x86_point large = { KVM_X86_ACCESS, 0x3000, 33 };
	const struct kvm_x86_point four = { KVM_X86_ACCESS, 0x3000, 32 };

	assert_int_equal(kvm_x86_slots_add(&slots, &odd), 0);
	for (unsigned i = 0; i < KVM_X86_SLOTS; i++) {
		static const struct {
			uint64_t address;
			unsigned bytes;
		} parts[] = { { 0x2001, 1 }, { 0x2002, 2 }, { 0x2004, 4 }, { 0x2008, 1 } };

		assert_int_equal(slots.at[i].address, parts[i].address);
		assert_int_equal(slots.at[i].bytes, parts[i].bytes);
	}
	kvm_x86_slots_remove(&slots, &odd);
	assert_int_equal(kvm_x86_slots_control(&slots), 0);
	assert_int_equal(kvm_x86_slots_add(&slots, &large), -ENOSPC);
	assert_int_equal(kvm_x86_slots_control(&slots), 0);
	assert_int_equal(kvm_x86_slots_add(&slots, &four), 0);
}

/* At the end of all addresses. */
static void the_last_bytes(void **state)
{
	const struct kvm_x86_point last = { KVM_X86_WRITE, UINT64_MAX - 7, 8 };
	const struct kvm_x86_point byte = { KVM_X86_WRITE, UINT64_MAX, 1 };

	assert_int_equal(kvm_x86_slots_add(&slots, &last), 0);
	assert_int_equal(kvm_x86_slots_add(&slots, &byte), 0);
	assert_int_equal(slots.at[1].address, UINT64_MAX);
}

/* The whole point is told of, and a register that is not in use tells of nothing. */
static void what_was_met(void **state)
{
	const struct kvm_x86_point odd = { KVM_X86_WRITE, 0x2006, 4 };

	assert_null(kvm_x86_slots_met(&slots, 0xf));
	kvm_x86_slots_add(&slots, &execute);
	kvm_x86_slots_add(&slots, &odd);
	assert_null(kvm_x86_slots_met(&slots, 0xffff4ff8));
	assert_int_equal(kvm_x86_slots_met(&slots, 0xffff0ff1)->type, KVM_X86_EXECUTE);
	assert_int_equal(kvm_x86_slots_met(&slots, 0xffff0ffc)->address, 0x2006);
	assert_int_equal(kvm_x86_slots_met(&slots, 0xffff0ff4)->size, 4);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_memory, close_memory)
	const struct CMUnitTest tests[] = {
		TEST(breaks_are_in_memory_and_not_seen),
		TEST(two_at_one_place),
		TEST(what_is_written_is_below),
		TEST(what_the_guest_has_written_stays),
		TEST(breaks_can_be_lifted),
		TEST(breaks_have_limits),
		TEST(registers_say_what_and_how_much),
		TEST(an_instruction_takes_one),
		TEST(what_is_not_aligned_takes_several),
		TEST(the_last_bytes),
		TEST(what_was_met),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
