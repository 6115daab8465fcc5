/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tlb.c - what is remembered of page tables, in two levels.
 *
 * The first are the tables of jit/tlb.h, one for each regime, which hold pages as they can be
 * accessed in the current address space. Filling them again after a switch of address spaces must
 * not cost a walk: so behind them stand the leaves of page tables, of many address spaces,
 * permissions as the table has them. They are found by address alone and compared with the ASID:
 * sfence.vma of an address has one place to look, whatever the ASID.
 *
 * Leaves of more than 4 KiB have a table of their own. The first level, and translated code, know
 * their pages one by one: when one of them is flushed all pages are. That one had to make room for
 * another is remembered by a few bits of its address.
 *
 * A flush of everything, or of an address space, stamps: entries that are older do not count.
 *
 * Linux flushes the address of each page that it has just mapped. Translated code has to be told
 * only of those that were executed, which is noted.
 */
#include "vcpu/riscv/internal.h"

#include <stdlib.h>
#include <string.h>

#define SETS	    2048u
#define WAYS	    4u
#define LARGE	    1024u
#define LOST_BITS   4096u
#define ASID_STAMPS 256u /* ASIDs that are equal modulo this are flushed together */
#define SPACES	    256u
#define NO_PAGE	    UINT64_C(1)
#define PTE_GLOBAL  0x20

struct entry {
	uint64_t page; /* its first address, of what the leaf maps; NO_PAGE: none */
	uint64_t physical; /* likewise */
	uint32_t stamp;
	uint16_t asid;
	uint8_t flags;
	uint8_t shift : 7, was_executed : 1;
};

struct set {
	struct entry ways[WAYS];
	uint32_t next; /* to be replaced */
	uint32_t lost_code; /* code_stamp: one that was executed has made room since */
};

struct riscv_tlb {
	uint32_t stamp, all_stamp, asid_stamps[ASID_STAMPS];
	uint32_t code_stamp; /* counts when all code was forgotten; not 0 */
	struct set sets[SETS];
	struct entry large[LARGE];
	uint64_t large_shifts; /* bit by shift: there may be some */
	/* Of large pages that had to make room for others, by a few bits of their addresses: the
	 * first level may still know them. */
	uint64_t lost[LOST_BITS / 64];
	bool has_lost;
	bool has_local[RISCV_REGIMES]; /* the first level has pages of one address space only */
	/* Numbers for cpu.address_space. */
	struct {
		uint64_t satp;
		uint32_t number;
	} spaces[SPACES];
	uint32_t next_space;
};

/* --- the second level --------------------------------------------------------------------------
 */

static void empty(struct riscv_tlb *tlb)
{
	for (unsigned i = 0; i < SETS; i++)
		for (unsigned way = 0; way < WAYS; way++)
			tlb->sets[i].ways[way].page = NO_PAGE;
	for (unsigned i = 0; i < LARGE; i++)
		tlb->large[i].page = NO_PAGE;
	tlb->large_shifts = 0;
	tlb->stamp = tlb->code_stamp = 1;
	tlb->all_stamp = 0;
	memset(tlb->asid_stamps, 0, sizeof(tlb->asid_stamps));
}

struct riscv_tlb *riscv_tlb_new(void)
{
	struct riscv_tlb *tlb = calloc(1, sizeof(*tlb));

	if (tlb)
		empty(tlb);
	return tlb;
}

struct riscv_tlb *riscv_tlb_free(struct riscv_tlb *tlb)
{
	free(tlb);
	return NULL;
}

static bool is_valid(const struct riscv_tlb *tlb, const struct entry *entry)
{
	return entry->stamp >= tlb->all_stamp &&
		(entry->flags & PTE_GLOBAL ||
			entry->stamp >= tlb->asid_stamps[entry->asid % ASID_STAMPS]);
}

static bool matches(
	const struct riscv_tlb *tlb, const struct entry *entry, uint64_t page, unsigned asid)
{
	return entry->page == page && (entry->asid == asid || entry->flags & PTE_GLOBAL) &&
		is_valid(tlb, entry);
}

static struct set *set_of(struct riscv_tlb *tlb, uint64_t address)
{
	uint64_t page = address >> 12;

	return &tlb->sets[(page ^ page >> 11) % SETS];
}

static struct entry *large_of(struct riscv_tlb *tlb, uint64_t address, unsigned shift)
{
	uint64_t page = address >> shift;

	return &tlb->large[(page ^ page >> 8 ^ shift << 2) % LARGE];
}

static uint64_t page_at(uint64_t address, unsigned shift)
{
	return address >> shift << shift;
}

static void give(const struct entry *entry, uint64_t address, struct riscv_leaf *ret)
{
	uint64_t offset = (address - entry->page) & ~(uint64_t)(VM_PAGE_BYTES - 1);

	*ret = (struct riscv_leaf){ entry->physical + offset, entry->flags, entry->shift };
}

bool riscv_tlb_find(struct riscv_tlb *tlb, uint64_t address, unsigned asid, bool is_executed,
	struct riscv_leaf *ret)
{
	struct set *set = set_of(tlb, address);

	for (unsigned way = 0; way < WAYS; way++) {
		if (matches(tlb, &set->ways[way], page_at(address, 12), asid)) {
			set->ways[way].was_executed |= is_executed;
			give(&set->ways[way], address, ret);
			return true;
		}
	}
	for (uint64_t shifts = tlb->large_shifts; shifts; shifts &= shifts - 1) {
		unsigned shift = (unsigned)__builtin_ctzll(shifts);
		const struct entry *entry = large_of(tlb, address, shift);

		if (entry->shift == shift && matches(tlb, entry, page_at(address, shift), asid)) {
			give(entry, address, ret);
			return true;
		}
	}
	return false;
}

/* --- the first level ---------------------------------------------------------------------------
 */

static void clear(struct riscv_hart *hart, unsigned regime)
{
	jit_tlb_clear(&hart->cpu.tlb[regime]);
	hart->tlb->has_local[regime] = false;
}

/* What page tables say. Machine mode has none. */
static void clear_translated(struct riscv_hart *hart)
{
	clear(hart, RISCV_REGIME_USER);
	clear(hart, RISCV_REGIME_SUPERVISOR);
	clear(hart, RISCV_REGIME_SUPERVISOR_USER);
}

void riscv_tlb_fill(struct riscv_hart *hart, uint64_t address, void *host, enum riscv_access access,
	bool is_global)
{
	unsigned regime = hart->cpu.mode & RISCV_MODE_REGIME;

	if (regime >= RISCV_REGIMES)
		return;
	if (!is_global)
		hart->tlb->has_local[regime] = true;
	jit_tlb_set(access == RISCV_ACCESS_WRITE ? &hart->cpu.tlb[regime].write
						 : &hart->cpu.tlb[regime].read,
		address, host);
}

static unsigned lost_bit(uint64_t address, unsigned shift)
{
	return (unsigned)((address >> shift ^ shift) * UINT64_C(0x9e3779b97f4a7c15) >> 52);
}

static void note_lost(struct riscv_tlb *tlb, const struct entry *entry)
{
	unsigned bit = lost_bit(entry->page, entry->shift);

	tlb->lost[bit / 64] |= UINT64_C(1) << bit % 64;
	tlb->has_lost = true;
}

static bool is_lost(const struct riscv_tlb *tlb, uint64_t address, unsigned shift)
{
	unsigned bit = lost_bit(address, shift);

	return tlb->has_lost && tlb->lost[bit / 64] >> bit % 64 & 1;
}

void riscv_tlb_clear_page(struct riscv_hart *hart, uint64_t address)
{
	unsigned regime = hart->cpu.mode & RISCV_MODE_REGIME;

	if (regime < RISCV_REGIMES)
		jit_tlb_clear_page(&hart->cpu.tlb[regime], address);
}

void riscv_tlb_add(struct riscv_hart *hart, uint64_t address, unsigned asid, bool is_executed,
	const struct riscv_leaf *leaf)
{
	struct riscv_tlb *tlb = hart->tlb;
	uint64_t page = page_at(address, leaf->shift);
	struct entry *entry = NULL;
	struct set *set;

	if (leaf->shift > 12) {
		entry = large_of(tlb, address, leaf->shift);
		if (entry->page != NO_PAGE && (entry->page != page || entry->shift != leaf->shift))
			note_lost(tlb, entry);
		tlb->large_shifts |= UINT64_C(1) << leaf->shift;
	} else {
		set = set_of(tlb, address);
		for (unsigned way = 0; way < WAYS; way++)
			if (matches(tlb, &set->ways[way], page, asid))
				entry = &set->ways[way];
		if (!entry)
			entry = &set->ways[set->next++ % WAYS];
		if (entry->page != NO_PAGE && entry->was_executed)
			set->lost_code = tlb->code_stamp;
	}
	*entry = (struct entry){ .page = page,
		.physical = page_at(leaf->physical, leaf->shift),
		.stamp = tlb->stamp,
		.asid = (uint16_t)asid,
		.flags = leaf->flags,
		.shift = leaf->shift & 0x7f,
		.was_executed = is_executed };
}

/* What translated code has looked up. */
static void forget_code(struct riscv_hart *hart, uint64_t address)
{
	hart->has_forgotten = true;
	if (address == RISCV_ALL_ADDRESSES && ++hart->tlb->code_stamp == 0)
		hart->tlb->code_stamp = 1;
	riscv_forget_code(&hart->cpu, address);
}

/* --- switches ----------------------------------------------------------------------------------
 */

static unsigned asid_of(uint64_t satp)
{
	return (uint16_t)(satp >> 44);
}

static uint32_t number_of_space(struct riscv_hart *hart, uint64_t satp)
{
	struct riscv_tlb *tlb = hart->tlb;
	unsigned i = (unsigned)(satp ^ satp >> 8 ^ satp >> 44) % SPACES;

	if (tlb->spaces[i].satp == satp && tlb->spaces[i].number)
		return tlb->spaces[i].number;
	if (++tlb->next_space == 0) {
		/* All numbers have been used: none of before may be met again. */
		memset(tlb->spaces, 0, sizeof(tlb->spaces));
		forget_code(hart, RISCV_ALL_ADDRESSES);
		tlb->next_space = 1;
	}
	tlb->spaces[i].satp = satp;
	tlb->spaces[i].number = tlb->next_space;
	return tlb->next_space;
}

/* What is not global. */
static void clear_local(struct riscv_hart *hart)
{
	for (unsigned regime = RISCV_REGIME_USER; regime <= RISCV_REGIME_SUPERVISOR_USER; regime++)
		if (hart->tlb->has_local[regime])
			clear(hart, regime);
}

void riscv_tlb_switch(struct riscv_hart *hart)
{
	clear_local(hart);
	hart->cpu.address_space = number_of_space(hart, hart->csrs.satp);
}

/* All pages but machine mode's. */
static void forget_pages(struct riscv_hart *hart)
{
	clear_translated(hart);
	if (hart->tlb->has_lost)
		memset(hart->tlb->lost, 0, sizeof(hart->tlb->lost));
	hart->tlb->has_lost = false;
	forget_code(hart, RISCV_ALL_ADDRESSES);
}

void riscv_forget_accesses(struct riscv_hart *hart)
{
	clear_translated(hart);
}

void riscv_forget_checks(struct riscv_hart *hart)
{
	clear(hart, RISCV_REGIME_MACHINE);
	forget_pages(hart);
}

/* --- fences ------------------------------------------------------------------------------------
 */

static uint32_t next_stamp(struct riscv_tlb *tlb)
{
	if (tlb->stamp == UINT32_MAX)
		empty(tlb);
	return ++tlb->stamp;
}

void riscv_forget_all(struct riscv_hart *hart)
{
	uint32_t stamp = next_stamp(hart->tlb);

	hart->tlb->all_stamp = stamp;
	hart->tlb->large_shifts = 0;
	riscv_forget_checks(hart);
}

/* What is global stays. Its address spaces get other numbers, so that translated code does not meet
 * again what it has looked up in them, and forgets nothing of others. */
static void forget_asid(struct riscv_hart *hart, unsigned asid)
{
	struct riscv_tlb *tlb = hart->tlb;
	uint32_t stamp = next_stamp(tlb);

	tlb->asid_stamps[asid % ASID_STAMPS] = stamp;
	for (unsigned i = 0; i < SPACES; i++)
		if (asid_of(tlb->spaces[i].satp) == asid)
			tlb->spaces[i].number = 0;
	if (asid_of(hart->csrs.satp) == asid)
		riscv_tlb_switch(hart);
}

static bool is_meant(const struct entry *entry, uint64_t page, const uint64_t *asid)
{
	return entry->page == page &&
		(!asid || (entry->asid == (uint16_t)*asid && !(entry->flags & PTE_GLOBAL)));
}

static void forget_address(struct riscv_hart *hart, uint64_t address, const uint64_t *asid)
{
	struct riscv_tlb *tlb = hart->tlb;
	struct set *set = set_of(tlb, address);
	bool was_executed = set->lost_code == tlb->code_stamp;
	bool is_large = false;

	for (unsigned way = 0; way < WAYS; way++) {
		if (!is_meant(&set->ways[way], page_at(address, 12), asid))
			continue;
		was_executed |= set->ways[way].was_executed;
		set->ways[way].page = NO_PAGE;
	}
	for (uint64_t shifts = tlb->large_shifts; shifts; shifts &= shifts - 1) {
		unsigned shift = (unsigned)__builtin_ctzll(shifts);
		struct entry *entry = large_of(tlb, address, shift);

		if (entry->shift == shift && is_meant(entry, page_at(address, shift), asid)) {
			entry->page = NO_PAGE;
			is_large = true;
		}
		is_large |= is_lost(tlb, address, shift);
	}
	if (is_large) {
		forget_pages(hart);
		return;
	}
	for (unsigned regime = RISCV_REGIME_USER; regime <= RISCV_REGIME_SUPERVISOR_USER; regime++)
		jit_tlb_clear_page(&hart->cpu.tlb[regime], address);
	if (was_executed)
		forget_code(hart, address);
}

void riscv_forget(struct riscv_hart *hart, const uint64_t *address, const uint64_t *asid)
{
	if (address)
		forget_address(hart, *address, asid);
	else if (asid)
		forget_asid(hart, (uint16_t)*asid);
	else
		riscv_forget_all(hart);
}
