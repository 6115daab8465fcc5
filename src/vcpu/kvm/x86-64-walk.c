/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x86-64-walk.c - the way from a virtual address to memory through a guest's page tables, as its
 * processor goes it (SDM 3A, chapter 4), but that nothing is written: no entry becomes accessed.
 *
 * Tables are what the guest has made of them: what they point to is looked at only where memory is,
 * and there are never more entries than levels.
 */
#include <string.h>

#include "vcpu/kvm/kvm.h"

#define CR0_PG	  (UINT64_C(1) << 31)
#define CR4_PSE	  (UINT64_C(1) << 4)
#define CR4_PAE	  (UINT64_C(1) << 5)
#define CR4_LA57  (UINT64_C(1) << 12)
#define EFER_LMA  (UINT64_C(1) << 10)
#define EFER_NXE  (UINT64_C(1) << 11)
#define PAGE_BITS 12

enum {
	ENTRY_PRESENT = 1 << 0,
	ENTRY_WRITABLE = 1 << 1,
	ENTRY_USER = 1 << 2,
	ENTRY_LARGE = 1 << 7,
};

#define ENTRY_NO_EXECUTE (UINT64_C(1) << 63)
#define ENTRY_ADDRESS	 UINT64_C(0x000ffffffffff000)

/* A kind of tables: 4.1.1. */
struct paging {
	unsigned nr_levels, entry_bytes, level_bits;
	unsigned top_bits; /* of an address that the root tells apart */
	unsigned large_max; /* the highest level that has pages; 1: of the smallest size alone */
	uint64_t root; /* which bits of CR3 */
	bool has_rights_at_top, is_long;
};

static struct paging paging_of(const struct kvm_x86_paging *p)
{
	if (p->efer & EFER_LMA)
		return (struct paging){ .nr_levels = p->cr4 & CR4_LA57 ? 5 : 4,
			.entry_bytes = 8,
			.level_bits = 9,
			.top_bits = 9,
			.large_max = 3,
			.root = ENTRY_ADDRESS,
			.has_rights_at_top = true,
			.is_long = true };
	/* The four entries of the root have no rights. */
	if (p->cr4 & CR4_PAE)
		return (struct paging){ .nr_levels = 3,
			.entry_bytes = 8,
			.level_bits = 9,
			.top_bits = 2,
			.large_max = 2,
			.root = UINT64_C(0xffffffe0) };
	return (struct paging){ .nr_levels = 2,
		.entry_bytes = 4,
		.level_bits = 10,
		.top_bits = 10,
		.large_max = p->cr4 & CR4_PSE ? 2 : 1,
		.root = UINT64_C(0xfffff000),
		.has_rights_at_top = true };
}

/* All bits above those that the tables tell apart are the highest of these. */
static bool is_canonical(const struct paging *paging, uint64_t address)
{
	unsigned shift = 64 - (PAGE_BITS + paging->nr_levels * paging->level_bits);

	return (uint64_t)((int64_t)(address << shift) >> shift) == address;
}

/* Where a page of this level begins. Pages of 4 MiB have eight more bits of it elsewhere: 4.3. */
static uint64_t page_of(const struct paging *paging, uint64_t entry, uint64_t page_bytes)
{
	uint64_t page = entry & ENTRY_ADDRESS & ~(page_bytes - 1);

	return paging->entry_bytes == 4 && page_bytes > VM_PAGE_BYTES
		? page | (entry >> 13 & 0xff) << 32
		: page;
}

static void add_rights(const struct kvm_x86_paging *p, uint64_t entry, struct kvm_x86_walk *walk)
{
	walk->is_writable = walk->is_writable && entry & ENTRY_WRITABLE;
	walk->is_user = walk->is_user && entry & ENTRY_USER;
	if (p->efer & EFER_NXE && entry & ENTRY_NO_EXECUTE)
		walk->is_executable = false;
}

/* One entry of the table at *table; true: the walk goes on at *table. */
static bool look_up(const struct kvm_x86_paging *p, const struct paging *paging,
	const struct vm_memory *memory, unsigned level, uint64_t *table, struct kvm_x86_walk *walk)
{
	unsigned shift = PAGE_BITS + (level - 1) * paging->level_bits;
	unsigned bits = level == paging->nr_levels ? paging->top_bits : paging->level_bits;
	uint64_t index = walk->address >> shift & ((UINT64_C(1) << bits) - 1);
	struct kvm_x86_level *at = &walk->levels[walk->nr_levels++];

	*at = (struct kvm_x86_level){ .level = level, .at = *table + index * paging->entry_bytes };
	if (vm_memory_read(memory, at->at, &at->entry, paging->entry_bytes) < 0) {
		at->is_outside = true;
		return false;
	}
	if (!(at->entry & ENTRY_PRESENT))
		return false;
	if (level < paging->nr_levels || paging->has_rights_at_top)
		add_rights(p, at->entry, walk);
	*table = at->entry & ENTRY_ADDRESS;
	if (level > 1 && (level > paging->large_max || !(at->entry & ENTRY_LARGE)))
		return true;
	walk->page_bytes = UINT64_C(1) << shift;
	walk->physical = page_of(paging, at->entry, walk->page_bytes) |
		(walk->address & (walk->page_bytes - 1));
	walk->is_mapped = true;
	return false;
}

bool kvm_x86_walk(const struct kvm_x86_paging *p, const struct vm_memory *memory, uint64_t address,
	struct kvm_x86_walk *ret)
{
	const struct paging paging = paging_of(p);
	uint64_t table = p->cr3 & paging.root;
	unsigned level = paging.nr_levels;

	*ret = (struct kvm_x86_walk){ .address = paging.is_long ? address : (uint32_t)address,
		.is_canonical = true,
		.is_writable = true,
		.is_user = true,
		.is_executable = true };
	if (!(p->cr0 & CR0_PG)) {
		ret->is_mapped = true;
		ret->physical = ret->address;
		ret->page_bytes = VM_PAGE_BYTES;
		return true;
	}
	if (paging.is_long && !is_canonical(&paging, address)) {
		ret->is_canonical = false;
		return false;
	}
	while (look_up(p, &paging, memory, level, &table, ret))
		level--;
	return ret->is_mapped;
}
