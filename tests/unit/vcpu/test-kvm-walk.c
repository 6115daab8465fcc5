/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-kvm-walk.c - the way through page tables of every kind that x86-64 has: tables are written
 * into memory, and no KVM is needed.
 */
#include "unit/test.h"

#include <string.h>

#include "vcpu/kvm/kvm.h"

#define MEMORY_BYTES UINT64_C(0x100000)
#define ROOT	     UINT64_C(0x1000)

enum {
	P = 1,
	W = 2,
	U = 4,
	LARGE = 0x80,
};

#define NX   (UINT64_C(1) << 63)
#define PG   (UINT64_C(1) << 31 | 1)
#define PSE  UINT64_C(0x10)
#define PAE  UINT64_C(0x20)
#define LA57 UINT64_C(0x1000)
#define LMA  UINT64_C(0x400)
#define NXE  UINT64_C(0x800)

static struct vm_memory memory;
static struct kvm_x86_walk walk;

static const struct kvm_x86_paging none = { .cr0 = 1, .cr3 = ROOT },
				   two = { .cr0 = PG, .cr3 = ROOT, .cr4 = PSE },
				   three = { .cr0 = PG, .cr3 = ROOT | 0x20, .cr4 = PAE },
				   four = { PG, ROOT, PAE, LMA | NXE },
				   five = { PG, ROOT, PAE | LA57, LMA | NXE };

static int open_memory(void **state)
{
	memset(&walk, 0xee, sizeof(walk));
	vm_memory_init(&memory);
	return vm_memory_add(&memory, 0, MEMORY_BYTES, NULL);
}

static int close_memory(void **state)
{
	vm_memory_destroy(&memory);
	return 0;
}

static void put8(uint64_t table, unsigned index, uint64_t entry)
{
	assert_int_equal(vm_memory_write(&memory, table + 8 * index, &entry, 8), 0);
}

static void put4(uint64_t table, unsigned index, uint32_t entry)
{
	assert_int_equal(vm_memory_write(&memory, table + 4 * index, &entry, 4), 0);
}

static void assert_mapped(
	const struct kvm_x86_paging *paging, uint64_t address, uint64_t physical, uint64_t bytes)
{
	assert_true(kvm_x86_walk(paging, &memory, address, &walk));
	assert_true(walk.is_mapped && walk.is_canonical);
	assert_int_equal(walk.physical, physical);
	assert_int_equal(walk.page_bytes, bytes);
}

static void assert_rights(bool writable, bool user, bool executable)
{
	assert_int_equal(walk.is_writable, writable);
	assert_int_equal(walk.is_user, user);
	assert_int_equal(walk.is_executable, executable);
}

/* Not mapped: the last of the entries that were looked at is this one. */
static void assert_ends_at(const struct kvm_x86_paging *paging, uint64_t address, unsigned nr,
	uint64_t at, uint64_t entry)
{
	assert_false(kvm_x86_walk(paging, &memory, address, &walk));
	assert_false(walk.is_mapped);
	assert_int_equal(walk.nr_levels, nr);
	assert_int_equal(walk.levels[nr - 1].at, at);
	assert_int_equal(walk.levels[nr - 1].entry, entry);
}

/* The kernel's half of four levels: 0xffff800000000000 + 3 << 30 + 5 << 21 + 7 << 12. */
#define KERNEL (UINT64_C(0xffff800000000000) + (UINT64_C(3) << 30) + (5 << 21) + (7 << 12))

static void put_four(uint64_t top_rights, uint64_t leaf_rights)
{
	put8(ROOT, 256, 0x2000 | top_rights);
	put8(0x2000, 3, 0x3000 | P | W | U);
	put8(0x3000, 5, 0x4000 | P | W | U);
	put8(0x4000, 7, UINT64_C(0x123456000) | leaf_rights);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void without_paging(void **state)
{
	assert_mapped(&none, 0x12345, 0x12345, 4096);
	assert_int_equal(walk.nr_levels, 0);
	assert_rights(true, true, true);
	assert_mapped(&none, UINT64_C(0x500000123), 0x123, 4096);
}

static void four_levels(void **state)
{
	put_four(P | W | U, P | W | U);
	assert_mapped(&four, KERNEL + 0xabc, UINT64_C(0x123456abc), 4096);
	assert_rights(true, true, true);
	assert_int_equal(walk.nr_levels, 4);
	assert_int_equal(walk.levels[0].level, 4);
	assert_int_equal(walk.levels[0].at, ROOT + 256 * 8);
	assert_int_equal(walk.levels[0].entry, 0x2007);
	assert_int_equal(walk.levels[3].level, 1);
	assert_int_equal(walk.levels[3].at, 0x4000 + 7 * 8);
}

/* What any level takes away is gone. */
static void rights_are_those_of_all_levels(void **state)
{
	put_four(P | W, P | U);
	assert_mapped(&four, KERNEL, UINT64_C(0x123456000), 4096);
	assert_rights(false, false, true);
	put_four(P | W | U | NX, P | W | U);
	assert_mapped(&four, KERNEL, UINT64_C(0x123456000), 4096);
	assert_rights(true, true, false);
	put_four(P | U, P | W | U | NX);
	assert_mapped(&four, KERNEL, UINT64_C(0x123456000), 4096);
	assert_rights(false, true, false);
}

static void no_execute_has_to_be_enabled(void **state)
{
	struct kvm_x86_paging without = four;

	without.efer = LMA;
	put_four(P | W | U, P | W | U | NX);
	assert_mapped(&without, KERNEL, UINT64_C(0x123456000), 4096);
	assert_rights(true, true, true);
}

static void large_pages(void **state)
{
	put8(ROOT, 0, 0x2000 | P | W);
	put8(0x2000, 1, UINT64_C(0x140000000) | P | W | LARGE);
	put8(0x2000, 2, 0x3000 | P | W);
	/* Bit 12 is the page's memory type, not its address. */
	put8(0x3000, 511, 0x600000 | 0x1000 | P | LARGE);
	assert_mapped(&four, 0x7abcdef0, UINT64_C(0x17abcdef0), 1 << 30);
	assert_int_equal(walk.nr_levels, 2);
	assert_mapped(&four, 0xbfe12345, 0x612345, 2 << 20);
	assert_int_equal(walk.nr_levels, 3);
	assert_rights(false, false, true);
}

/* The root has no pages: the bit means nothing there. */
static void the_root_has_no_pages(void **state)
{
	put8(ROOT, 0, 0x2000 | P | LARGE);
	put8(0x2000, 0, P | LARGE);
	assert_mapped(&four, 0x123, 0x123, 1 << 30);
}

static void five_levels(void **state)
{
	put8(ROOT, 511, 0x5000 | P | W);
	put8(0x5000, 256, 0x2000 | P | W);
	put8(0x2000, 3, 0x3000 | P | W);
	put8(0x3000, 5, 0x4000 | P | W);
	put8(0x4000, 7, 0x8000 | P | W);
	assert_mapped(&five, KERNEL + 1, 0x8001, 4096);
	assert_int_equal(walk.nr_levels, 5);
	assert_int_equal(walk.levels[0].level, 5);
	/* An address that four levels do not have. */
	put8(ROOT, 255, 0x5000 | P | W);
	put8(0x5000, 256, 0x2000 | P | W);
	assert_mapped(&five, UINT64_C(0x00ff8000c0a07000), 0x8000, 4096);
	assert_false(kvm_x86_walk(&four, &memory, UINT64_C(0x00ff8000c0a07000), &walk));
}

static void addresses_that_are_none(void **state)
{
	put_four(P, P);
	for (unsigned bit = 48; bit < 64; bit++) {
		assert_false(kvm_x86_walk(&four, &memory, KERNEL ^ UINT64_C(1) << bit, &walk));
		assert_false(walk.is_canonical);
		assert_int_equal(walk.nr_levels, 0);
	}
	assert_false(kvm_x86_walk(&five, &memory, UINT64_C(1) << 56, &walk));
	assert_false(walk.is_canonical);
}

static void what_is_not_there(void **state)
{
	assert_ends_at(&four, KERNEL, 1, ROOT + 256 * 8, 0);
	put_four(P, W | U);
	assert_ends_at(&four, KERNEL, 4, 0x4000 + 7 * 8, UINT64_C(0x123456006));
	put8(0x3000, 5, W);
	assert_ends_at(&four, KERNEL, 3, 0x3000 + 5 * 8, W);
}

static void tables_outside_of_memory(void **state)
{
	put8(ROOT, 256, UINT64_C(0xffffffffff000) | P);
	assert_ends_at(&four, KERNEL, 2, UINT64_C(0xffffffffff000) + 3 * 8, 0);
	assert_true(walk.levels[1].is_outside);
	assert_false(walk.levels[0].is_outside);
	put8(ROOT, 256, MEMORY_BYTES | P);
	assert_ends_at(&four, KERNEL, 2, MEMORY_BYTES + 3 * 8, 0);
}

/* The first page may be a table as any other; and a table may be its own. */
static void tables_anywhere(void **state)
{
	struct kvm_x86_paging at_zero = four;

	at_zero.cr3 = 0;
	put8(0, 0, P | W);
	put8(0, 1, 0x9000 | P | W);
	assert_mapped(&at_zero, 0x1abc, 0x9abc, 4096);
	assert_mapped(&at_zero, 0, 0, 4096);
	assert_int_equal(walk.nr_levels, 4);
}

/* Three levels, of which the root is four entries somewhere in a page, and without rights. */
static void three_levels(void **state)
{
	put8(ROOT + 0x20, 2, 0x2000 | P);
	put8(0x2000, 1, 0x3000 | P | W | U);
	put8(0x3000, 3, 0x7000 | P | W | U);
	put8(0x2000, 2, UINT64_C(0x200400000) | P | LARGE);
	assert_mapped(&three, 0x80203456, 0x7456, 4096);
	assert_rights(true, true, true);
	assert_int_equal(walk.nr_levels, 3);
	assert_int_equal(walk.levels[0].at, ROOT + 0x20 + 2 * 8);
	/* More than 32 bits of an address are not looked at. */
	assert_mapped(&three, UINT64_C(0xffffffff80454321), UINT64_C(0x200454321), 2 << 20);
	assert_int_equal(walk.address, 0x80454321);
	assert_rights(false, false, true);
}

static void two_levels(void **state)
{
	struct kvm_x86_paging small = two;

	put4(ROOT, 0x300, 0x2000 | P | W);
	put4(0x2000, 0x155, 0x8000 | P | W | U);
	assert_mapped(&two, 0xc0155678, 0x8678, 4096);
	assert_rights(true, false, true);
	/* 4 MiB at 0x5_1240_0000: address bits 32 to 39 are bits 13 to 20 of the entry. */
	put4(ROOT, 1, 0x12400000 | 5 << 13 | P | W | U | LARGE);
	assert_mapped(&two, 0x6abcde, UINT64_C(0x5126abcde), 4 << 20);
	assert_int_equal(walk.nr_levels, 1);
	/* Without PSE that is a table. */
	small.cr4 = 0;
	assert_ends_at(&small, 0x6abcde, 2, 0x1240a000 + 0x2ab * 4, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_memory, close_memory)
	const struct CMUnitTest tests[] = {
		TEST(without_paging),
		TEST(four_levels),
		TEST(rights_are_those_of_all_levels),
		TEST(no_execute_has_to_be_enabled),
		TEST(large_pages),
		TEST(the_root_has_no_pages),
		TEST(five_levels),
		TEST(addresses_that_are_none),
		TEST(what_is_not_there),
		TEST(tables_outside_of_memory),
		TEST(tables_anywhere),
		TEST(three_levels),
		TEST(two_levels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
