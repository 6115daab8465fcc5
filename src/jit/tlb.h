/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tlb.h - where a guest's virtual pages lie in our memory, as translated code looks them up.
 *
 * A machine's guest has page tables of its own, and more than one way to look at memory: by
 * privilege and what that may see. Each of them, a regime, has a table for reads and one for
 * writes. An entry says that the page is memory and may be accessed so; all else (devices, faults,
 * pages whose writes must be seen) is not in the table, and goes the slow way. It may be forgotten
 * at any time, by the thread that runs the hart only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define JIT_TLB_BITS_MIN   8
#define JIT_TLB_BITS_MAX   13
#define JIT_TLB_ENTRY_BITS 4
#define JIT_TLB_RECENT	   32
#define JIT_TLB_PAGE_BITS  12
#define JIT_TLB_PAGE_BYTES (UINT64_C(1) << JIT_TLB_PAGE_BITS)

struct jit_tlb_entry {
	uint64_t page; /* its first address in the guest */
	uint8_t *host; /* where that is in our memory */
};

/* What one place in translated code has looked up last, and most likely will again. */
struct jit_tlb_recent {
	uint64_t negated; /* the page's address, so that adding it to another gives the offset */
	uint8_t *host;
	uint64_t distance; /* from an address of the guest's to ours */
	/* Offsets below this are on the page, all of an access included, or of a group of accesses
	 * (JIT_TLB_SPREAD bytes); 0: there is no page, whatever the other members say. */
	uint64_t limit, group_limit;
};
#define JIT_TLB_LIMIT	    (JIT_TLB_PAGE_BYTES - 7)
#define JIT_TLB_SPREAD	    256
#define JIT_TLB_GROUP_LIMIT (JIT_TLB_PAGE_BYTES - JIT_TLB_SPREAD + 1)

/* As large as it is used: emptying it must not cost a guest that needs few pages, nor the lack of
 * room one that needs many. */
struct jit_tlb_table {
	uint32_t mask; /* bytes of the last entry's place: one less than a power of two entries */
	uint32_t nr_filled; /* since it was emptied */
	struct jit_tlb_recent recent[JIT_TLB_RECENT];
	struct jit_tlb_entry entries[1 << JIT_TLB_BITS_MAX];
};

struct jit_tlb {
	struct jit_tlb_table read, write;
};

static inline unsigned jit_tlb_size(const struct jit_tlb_table *table)
{
	return (table->mask >> JIT_TLB_ENTRY_BITS) + 1;
}

static inline unsigned jit_tlb_index(const struct jit_tlb_table *table, uint64_t address)
{
	return (unsigned)(address >> JIT_TLB_PAGE_BITS) & table->mask >> JIT_TLB_ENTRY_BITS;
}

/* A page that belongs to another entry: no address that is looked up here is on it. (A number that
 * is no page's would not do: there are always addresses within a page of it.) */
static inline uint64_t jit_tlb_empty(unsigned index)
{
	return (uint64_t)(index ^ 1) << JIT_TLB_PAGE_BITS;
}

/* Where [address, address + size) is in our memory, all on one page; NULL: not in the table. */
static inline void *jit_tlb_find(const struct jit_tlb_table *table, uint64_t address, unsigned size)
{
	const struct jit_tlb_entry *entry = &table->entries[jit_tlb_index(table, address)];

	if ((address ^ entry->page) > JIT_TLB_PAGE_BYTES - size)
		return NULL;
	return entry->host + (address ^ entry->page);
}

static inline void jit_tlb_forget_recent(struct jit_tlb_recent *recent)
{
	recent->limit = recent->group_limit = 0;
}

static inline void jit_tlb_clear_recent(struct jit_tlb_table *table)
{
	for (unsigned i = 0; i < JIT_TLB_RECENT; i++)
		jit_tlb_forget_recent(&table->recent[i]);
}

static inline void jit_tlb_resize(struct jit_tlb_table *table, unsigned size)
{
	table->mask = (size - 1) << JIT_TLB_ENTRY_BITS;
	table->nr_filled = 0;
	jit_tlb_clear_recent(table);
	for (unsigned i = 0; i < size; i++)
		table->entries[i].page = jit_tlb_empty(i);
}

/* `host`: where the page that the address is on begins. */
static inline void jit_tlb_set(struct jit_tlb_table *table, uint64_t address, void *host)
{
	unsigned size = jit_tlb_size(table);

	if (++table->nr_filled > 2 * size && size < 1u << JIT_TLB_BITS_MAX)
		jit_tlb_resize(table, 2 * size);
	table->entries[jit_tlb_index(table, address)] = (struct jit_tlb_entry){
		address & ~(JIT_TLB_PAGE_BYTES - 1), host
	};
}

static inline void jit_tlb_clear_table(struct jit_tlb_table *table)
{
	unsigned size = jit_tlb_size(table);

	if (!table->mask) /* as it was made */
		size = 1u << JIT_TLB_BITS_MIN;
	else if (!table->nr_filled)
		return;
	else if (table->nr_filled < size / 8 && size > 1u << JIT_TLB_BITS_MIN)
		size /= 2;
	jit_tlb_resize(table, size);
}

/* Also makes a TLB of zeros one. */
static inline void jit_tlb_clear(struct jit_tlb *tlb)
{
	jit_tlb_clear_table(&tlb->read);
	jit_tlb_clear_table(&tlb->write);
}

static inline void jit_tlb_clear_entry(struct jit_tlb_table *table, uint64_t address)
{
	unsigned i = jit_tlb_index(table, address);

	table->entries[i].page = jit_tlb_empty(i);
	jit_tlb_clear_recent(table);
}

static inline void jit_tlb_clear_page(struct jit_tlb *tlb, uint64_t address)
{
	jit_tlb_clear_entry(&tlb->read, address);
	jit_tlb_clear_entry(&tlb->write, address);
}
