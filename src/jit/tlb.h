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

#define JIT_TLB_BITS	   9
#define JIT_TLB_ENTRIES	   (1u << JIT_TLB_BITS)
#define JIT_TLB_PAGE_BITS  12
#define JIT_TLB_PAGE_BYTES (UINT64_C(1) << JIT_TLB_PAGE_BITS)

struct jit_tlb_entry {
	uint64_t page; /* its first address in the guest; jit_tlb_empty() of its index: none */
	uint8_t *host; /* where that is in our memory */
};

struct jit_tlb {
	struct jit_tlb_entry read[JIT_TLB_ENTRIES], write[JIT_TLB_ENTRIES];
};

static inline unsigned jit_tlb_index(uint64_t address)
{
	return (unsigned)(address >> JIT_TLB_PAGE_BITS) % JIT_TLB_ENTRIES;
}

/* A page that belongs to another entry: no address that is looked up here is on it. (A number that
 * is no page's would not do: there are always addresses within a page of it.) */
static inline uint64_t jit_tlb_empty(unsigned index)
{
	return (uint64_t)(index ^ 1) << JIT_TLB_PAGE_BITS;
}

/* Where [address, address + size) is in our memory, all on one page; NULL: not in the table. */
static inline void *jit_tlb_find(
	const struct jit_tlb_entry table[JIT_TLB_ENTRIES], uint64_t address, unsigned size)
{
	const struct jit_tlb_entry *entry = &table[jit_tlb_index(address)];

	if ((address ^ entry->page) > JIT_TLB_PAGE_BYTES - size)
		return NULL;
	return entry->host + (address ^ entry->page);
}

/* `host`: where the page that the address is on begins. */
static inline void jit_tlb_set(
	struct jit_tlb_entry table[JIT_TLB_ENTRIES], uint64_t address, void *host)
{
	uint64_t page = address & ~(JIT_TLB_PAGE_BYTES - 1);

	table[jit_tlb_index(address)] = (struct jit_tlb_entry){ page, host };
}

static inline void jit_tlb_clear(struct jit_tlb *tlb)
{
	for (unsigned i = 0; i < JIT_TLB_ENTRIES; i++)
		tlb->read[i].page = tlb->write[i].page = jit_tlb_empty(i);
}

static inline void jit_tlb_clear_page(struct jit_tlb *tlb, uint64_t address)
{
	unsigned i = jit_tlb_index(address);

	tlb->read[i].page = tlb->write[i].page = jit_tlb_empty(i);
}
