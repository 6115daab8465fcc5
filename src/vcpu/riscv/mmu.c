/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mmu.c - from virtual addresses to memory and devices (RISC-V Privileged ISA, 3.1.6.3, 3.7, 12.3
 * to 12.5, "Svnapot", "Svpbmt", "Svade", "Svadu").
 *
 * An access that the hart's table does not have comes here: it is translated, by what is remembered
 * or by a walk, checked, and done; a page of plain memory then enters the table. Page tables are
 * the guest's, who may write anything into them at any time: an entry is read once, and a walk has
 * as many steps as levels.
 *
 * Writes to pages that code was translated from stay out of the table, so that all of them come
 * by here and are told; so do all accesses to pages that a debugger watches (watch.c).
 */
#include "vcpu/riscv/internal.h"

#define PTE_V	      1u
#define PTE_R	      2u
#define PTE_W	      4u
#define PTE_X	      8u
#define PTE_U	      0x10u
#define PTE_G	      0x20u
#define PTE_A	      0x40u
#define PTE_D	      0x80u
#define PTE_FLAGS     0xffu
#define PTE_RESERVED  (UINT64_C(0x7f) << 54)
#define PTE_PBMT      (UINT64_C(3) << 61)
#define PTE_N	      (UINT64_C(1) << 63)
#define PTE_PPN_SHIFT 10
#define PTE_PPN_BITS  44
#define NAPOT_SHIFT   16 /* the one size that Svnapot has: 64 KiB */
#define NAPOT_PPN     8u

#define PAGE_SHIFT    12
#define LEVEL_BITS    9
#define PHYSICAL_BITS 56
#define UPDATES_MAX   100 /* of one entry that others write to at the same time */

#define SATP_MODE_SHIFT 60
#define SATP_ASID_SHIFT 44
#define SATP_PPN	((UINT64_C(1) << 44) - 1)

enum fault { FAULT_NONE, FAULT_PAGE, FAULT_ACCESS };

/* How the hart looks at memory for one access. */
struct view {
	enum riscv_privilege privilege;
	enum riscv_access access;
	bool is_probe; /* of a debugger: nothing is checked or set */
};

/* Where a virtual address is. */
struct place {
	uint64_t physical;
	uint8_t *host; /* NULL: no memory */
	uint8_t *page; /* of enum vm_page, where there is memory */
	bool is_global;
};

static struct view view_of(const struct riscv_hart *hart, enum riscv_access access)
{
	struct view view = { hart->privilege, access, false };

	if (access != RISCV_ACCESS_EXECUTE && hart->csrs.mstatus & MSTATUS_MPRV)
		view.privilege = (enum riscv_privilege)(
			(hart->csrs.mstatus & MSTATUS_MPP) >> MSTATUS_MPP_SHIFT);
	return view;
}

/* Privileged ISA, "Pointer Masking Extensions": of the mode that the access is made in. */
uint64_t riscv_mmu_mask(const struct riscv_hart *hart, enum riscv_access access, uint64_t address)
{
	struct view view = view_of(hart, access);
	uint64_t config = view.privilege == RISCV_USER ? hart->csrs.senvcfg
		: view.privilege == RISCV_SUPERVISOR   ? hart->csrs.menvcfg
						       : 0;
	unsigned length;

	if (!(config & ENVCFG_PMM) || hart->csrs.mstatus & MSTATUS_MXR)
		return address;
	length = (config & ENVCFG_PMM) == ENVCFG_PMM ? 16 : 7;
	address <<= length;
	return hart->csrs.satp >> SATP_MODE_SHIFT ? (uint64_t)((int64_t)address >> length)
						  : address >> length;
}

/* --- walks ------------------------------------------------------------------------------------
 */

/* 0 for no translation, else the levels of the tables. */
static unsigned levels_of(uint64_t satp)
{
	unsigned mode = (unsigned)(satp >> SATP_MODE_SHIFT);

	return mode ? mode - 5 : 0; /* 8: Sv39 has 3, 9: Sv48, 10: Sv57 */
}

static bool is_canonical(uint64_t address, unsigned levels)
{
	unsigned above = 64 - (PAGE_SHIFT + LEVEL_BITS * levels);

	return (uint64_t)((int64_t)(address << above) >> above) == address;
}

/* A table's entry in our memory, which the hart as a supervisor may access so. */
static uint64_t *entry_at(
	const struct riscv_hart *hart, uint64_t physical, enum riscv_access access)
{
	if (!riscv_pmp_allows(hart, physical, access, RISCV_SUPERVISOR))
		return NULL;
	return vm_memory_at(hart->config.memory, physical, sizeof(uint64_t));
}

/* May the leaf be used so? */
static bool allows(const struct riscv_hart *hart, const struct view *view, uint64_t flags)
{
	uint64_t mstatus = hart->csrs.mstatus;

	if (view->is_probe)
		return true;
	if (flags & PTE_U) {
		if (view->privilege != RISCV_USER &&
			(view->access == RISCV_ACCESS_EXECUTE || !(mstatus & MSTATUS_SUM)))
			return false;
	} else if (view->privilege == RISCV_USER) {
		return false;
	}
	switch (view->access) {
	case RISCV_ACCESS_READ:
		return flags & PTE_R || (flags & PTE_X && mstatus & MSTATUS_MXR);
	case RISCV_ACCESS_WRITE:
		return flags & PTE_W;
	default:
		return flags & PTE_X;
	}
}

/* A and D for this access. */
static uint64_t wanted_bits(const struct view *view)
{
	if (view->is_probe)
		return 0;
	return view->access == RISCV_ACCESS_WRITE ? PTE_A | PTE_D : PTE_A;
}

static bool is_legal(const struct riscv_hart *hart, uint64_t pte)
{
	bool has_memory_types = hart->csrs.menvcfg & ENVCFG_PBMTE;

	if (!(pte & PTE_V) || pte & PTE_RESERVED || (pte & (PTE_R | PTE_W)) == PTE_W)
		return false;
	if (pte & PTE_PBMT && (!has_memory_types || (pte & PTE_PBMT) == PTE_PBMT))
		return false;
	return pte & (PTE_R | PTE_X) || !(pte & (PTE_A | PTE_D | PTE_U | PTE_PBMT | PTE_N));
}

/* The leaf at `level`; false: it is misaligned, or of a size that there is not. */
static bool read_leaf(uint64_t pte, unsigned level, uint64_t address, struct riscv_leaf *ret)
{
	uint64_t physical = (pte >> PTE_PPN_SHIFT & SATP_PPN) << PAGE_SHIFT;
	unsigned shift = PAGE_SHIFT + LEVEL_BITS * level;

	if (pte & PTE_N) {
		if (level || (pte >> PTE_PPN_SHIFT & 0xf) != NAPOT_PPN)
			return false;
		shift = NAPOT_SHIFT;
		physical &= ~(UINT64_C(0xf) << PAGE_SHIFT);
	}
	if (physical & ((UINT64_C(1) << shift) - 1))
		return false;
	physical |= address & ((UINT64_C(1) << shift) - 1) & ~(uint64_t)(VM_PAGE_BYTES - 1);
	*ret = (struct riscv_leaf){ physical, (uint8_t)(pte & PTE_FLAGS), (uint8_t)shift };
	return true;
}

/* The leaf for an access that it allows, with A and D as they must be: 1 when it has them or has
 * got them, 0 when it has changed in between, or -1: a fault. */
static int update(struct riscv_hart *hart, const struct view *view, uint64_t at, uint64_t *entry,
	uint64_t pte)
{
	uint64_t wanted = pte | wanted_bits(view);

	if (wanted == pte)
		return 1;
	if (!(hart->csrs.menvcfg & ENVCFG_ADUE))
		return -FAULT_PAGE;
	entry = entry_at(hart, at, RISCV_ACCESS_WRITE);
	if (!entry)
		return -FAULT_ACCESS;
	if (!__atomic_compare_exchange_n(
		    entry, &pte, wanted, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return 0;
	vm_memory_written(hart->config.memory, at, sizeof(*entry));
	return 1;
}

static enum fault use_leaf(struct riscv_hart *hart, const struct view *view, uint64_t at,
	uint64_t *entry, unsigned level, uint64_t address, struct riscv_leaf *ret)
{
	for (unsigned i = 0; i < UPDATES_MAX; i++) {
		uint64_t pte = __atomic_load_n(entry, __ATOMIC_RELAXED);
		int r;

		if (!is_legal(hart, pte) || !(pte & (PTE_R | PTE_X)) || !allows(hart, view, pte) ||
			!read_leaf(pte, level, address, ret))
			return FAULT_PAGE;
		r = update(hart, view, at, entry, pte);
		if (r < 0)
			return (enum fault) - r;
		if (r > 0) {
			ret->flags |= (uint8_t)wanted_bits(view);
			return FAULT_NONE;
		}
	}
	return FAULT_PAGE;
}

static enum fault walk(
	struct riscv_hart *hart, const struct view *view, uint64_t address, struct riscv_leaf *ret)
{
	uint64_t table = (hart->csrs.satp & SATP_PPN) << PAGE_SHIFT;
	unsigned levels = levels_of(hart->csrs.satp);

	if (!is_canonical(address, levels))
		return FAULT_PAGE;
	for (unsigned level = levels; level-- > 0;) {
		uint64_t index = address >> (PAGE_SHIFT + LEVEL_BITS * level) &
			((1u << LEVEL_BITS) - 1);
		uint64_t at = table + index * sizeof(uint64_t), pte;
		uint64_t *entry = entry_at(hart, at, RISCV_ACCESS_READ);

		if (!entry)
			return FAULT_ACCESS;
		pte = __atomic_load_n(entry, __ATOMIC_RELAXED);
		if (!is_legal(hart, pte))
			return FAULT_PAGE;
		if (pte & (PTE_R | PTE_X))
			return use_leaf(hart, view, at, entry, level, address, ret);
		table = (pte >> PTE_PPN_SHIFT & SATP_PPN) << PAGE_SHIFT;
	}
	return FAULT_PAGE;
}

/* What is remembered counts when it allows the access: else the tables may have changed. */
static enum fault find_leaf(
	struct riscv_hart *hart, const struct view *view, uint64_t address, struct riscv_leaf *ret)
{
	unsigned asid = (uint16_t)(hart->csrs.satp >> SATP_ASID_SHIFT);
	bool is_executed = view->access == RISCV_ACCESS_EXECUTE;
	uint64_t wanted = wanted_bits(view);
	enum fault fault;

	if (view->is_probe)
		return walk(hart, view, address, ret);
	if (riscv_tlb_find(hart->tlb, address, asid, is_executed, ret) &&
		allows(hart, view, ret->flags) && (ret->flags & wanted) == wanted)
		return FAULT_NONE;
	hart->counters.happened[view->access == RISCV_ACCESS_READ ? RISCV_MISS_READ
			: view->access == RISCV_ACCESS_WRITE	  ? RISCV_MISS_WRITE
								  : RISCV_MISS_EXECUTE]++;
	fault = walk(hart, view, address, ret);
	if (fault == FAULT_NONE)
		riscv_tlb_add(hart, address, asid, is_executed, ret);
	return fault;
}

/* --- places ------------------------------------------------------------------------------------
 */

static enum fault find(
	struct riscv_hart *hart, const struct view *view, uint64_t address, struct place *ret)
{
	bool is_translated = view->privilege != RISCV_MACHINE && levels_of(hart->csrs.satp);
	const struct vm_region *region;
	struct riscv_leaf leaf;
	enum fault fault;

	*ret = (struct place){ .physical = address, .is_global = !is_translated };
	if (is_translated) {
		fault = find_leaf(hart, view, address, &leaf);
		if (fault != FAULT_NONE)
			return fault;
		ret->physical = leaf.physical | (address & (VM_PAGE_BYTES - 1));
		ret->is_global = leaf.flags & PTE_G;
	}
	if (ret->physical >> PHYSICAL_BITS ||
		(!view->is_probe &&
			!riscv_pmp_allows(hart, ret->physical, view->access, view->privilege)))
		return FAULT_ACCESS;
	region = vm_memory_region(hart->config.memory, ret->physical, 1);
	if (region) {
		ret->host = region->host + (ret->physical - region->start);
		ret->page = vm_page(region, ret->physical);
	}
	return FAULT_NONE;
}

static bool fail(
	struct riscv_hart *hart, enum fault fault, enum riscv_access access, uint64_t address)
{
	static const uint8_t codes[2][3] = {
		{ RISCV_LOAD_PAGE, RISCV_STORE_PAGE, RISCV_FETCH_PAGE },
		{ RISCV_LOAD_ACCESS, RISCV_STORE_ACCESS, RISCV_FETCH_ACCESS },
	};

	hart->cpu.cpu.fault_code = codes[fault == FAULT_ACCESS][access];
	hart->cpu.cpu.fault_address = address;
	return false;
}

static bool find_or_fail(
	struct riscv_hart *hart, enum riscv_access access, uint64_t address, struct place *ret)
{
	struct view view = view_of(hart, access);
	enum fault fault = find(hart, &view, address, ret);

	return fault == FAULT_NONE || fail(hart, fault, access, address);
}

/* Into the table, from where it is not seen any more. */
static void enter(struct riscv_hart *hart, const struct place *place, uint64_t address,
	enum riscv_access access)
{
	uint8_t *page = place->host - (place->physical & (VM_PAGE_BYTES - 1));

	if (riscv_watch_has_page(hart, address))
		return;
	riscv_tlb_fill(hart, address, page, access, place->is_global);
}

/* --- accesses ----------------------------------------------------------------------------------
 */

/* What is aligned is one access of ours, too. */
static void copy(void *to, const void *from, unsigned size)
{
	switch (size) {
	case 1:
		memcpy(to, from, 1);
		break;
	case 2:
		memcpy(to, from, 2);
		break;
	case 4:
		memcpy(to, from, 4);
		break;
	case 8:
		memcpy(to, from, 8);
		break;
	default: /* a part of what crosses pages */
		memcpy(to, from, size);
		break;
	}
}

/* The place has been written to. */
static void note_write(
	struct riscv_hart *hart, const struct place *place, uint64_t address, unsigned size)
{
	if (!(__atomic_load_n(place->page, __ATOMIC_RELAXED) & VM_PAGE_DIRTY))
		vm_page_mark(place->page, VM_PAGE_DIRTY);
	enter(hart, place, address, RISCV_ACCESS_WRITE);
	/* Whoever marks it now finds the entry, or we find the mark. */
	if (!vm_page_is(place->page, VM_PAGE_HAS_CODE))
		return;
	riscv_tlb_clear_page(hart, address);
	vm_memory_written(hart->config.memory, place->physical, size);
}

static bool access_device(struct riscv_hart *hart, const struct place *place, uint64_t address,
	unsigned size, enum riscv_access access, uint64_t *value)
{
	struct vm_bus *bus = hart->config.bus;
	bool is_done = false;

	/* Devices are not asked for half a register and half another. */
	if (place->physical % size == 0)
		is_done = access == RISCV_ACCESS_WRITE
			? vm_bus_write(bus, place->physical, size, *value)
			: vm_bus_read(bus, place->physical, size, value);
	return is_done || fail(hart, FAULT_ACCESS, access, address);
}

static bool access_page(struct riscv_hart *hart, uint64_t address, unsigned size,
	enum riscv_access access, uint64_t *value)
{
	struct place place;

	if (!find_or_fail(hart, access, address, &place))
		return false;
	if (!place.host)
		return access_device(hart, &place, address, size, access, value);
	if (access == RISCV_ACCESS_WRITE) {
		copy(place.host, value, size);
		note_write(hart, &place, address, size);
	} else {
		*value = 0;
		copy(value, place.host, size);
		enter(hart, &place, address, access);
	}
	return true;
}

/* The first part is on one page, the rest on the next: both must be memory. */
static bool access_pages(struct riscv_hart *hart, uint64_t address, unsigned size,
	enum riscv_access access, uint64_t *value)
{
	unsigned first = (unsigned)(-address & (VM_PAGE_BYTES - 1));
	struct place places[2];
	uint64_t next;
	uint8_t *bytes = (uint8_t *)value;

	next = riscv_mmu_mask(hart, access, address + first);
	if (!find_or_fail(hart, access, address, &places[0]) ||
		!find_or_fail(hart, access, next, &places[1]))
		return false;
	if (!places[0].host || !places[1].host)
		return fail(hart, FAULT_ACCESS, access, places[0].host ? next : address);
	if (access == RISCV_ACCESS_WRITE) {
		copy(places[0].host, bytes, first);
		copy(places[1].host, bytes + first, size - first);
		note_write(hart, &places[0], address, first);
		note_write(hart, &places[1], next, size - first);
	} else {
		*value = 0;
		copy(bytes, places[0].host, first);
		copy(bytes + first, places[1].host, size - first);
	}
	return true;
}

bool riscv_mmu_access(struct riscv_system_cpu *cpu, uint64_t address, unsigned size,
	enum riscv_access access, uint64_t *value)
{
	unsigned what = access == RISCV_ACCESS_WRITE ? RISCV_WRITES : RISCV_READS;
	struct riscv_hart *hart = riscv_hart_of_cpu(cpu);
	bool is_done;

	address = riscv_mmu_mask(hart, access, address);
	if (riscv_watch_stops(hart, address, size, what))
		return false;
	is_done = (address & (VM_PAGE_BYTES - 1)) + size > VM_PAGE_BYTES
		? access_pages(hart, address, size, access, value)
		: access_page(hart, address, size, access, value);
	if (is_done)
		riscv_watch_note(hart, address, size, what);
	return is_done;
}

/* Code on the page is forgotten before the write: what reads it anew before that is told of by
 * nobody, as little as by a write of another hart that a fence.i does not stand behind. */
void *riscv_mmu_reach(
	struct riscv_system_cpu *cpu, uint64_t address, unsigned size, enum riscv_access access)
{
	struct riscv_hart *hart = riscv_hart_of_cpu(cpu);
	unsigned what = riscv_reach_does(size, access);
	struct place place;

	address = riscv_mmu_mask(hart, access, address);
	if (riscv_watch_stops(hart, address, size, what) ||
		!find_or_fail(hart, access, address, &place))
		return NULL;
	if (!place.host) {
		fail(hart, FAULT_ACCESS, access, address);
		return NULL;
	}
	if (access == RISCV_ACCESS_WRITE)
		note_write(hart, &place, address, size);
	else
		enter(hart, &place, address, access);
	riscv_watch_note(hart, address, size, what);
	return place.host;
}

bool riscv_mmu_code(struct riscv_system_cpu *cpu, uint64_t pc, struct riscv_code_page *ret)
{
	struct riscv_hart *hart = riscv_hart_of_cpu(cpu);
	uint64_t offset = pc & (VM_PAGE_BYTES - 1);
	struct place place;

	if (!find_or_fail(hart, RISCV_ACCESS_EXECUTE, pc, &place))
		return false;
	if (!place.host)
		return fail(hart, FAULT_ACCESS, RISCV_ACCESS_EXECUTE, pc);
	*ret = (struct riscv_code_page){ place.host - offset, place.physical - offset,
		place.is_global };
	return true;
}

bool riscv_mmu_probe_block(struct riscv_hart *hart, uint64_t address)
{
	struct view view = view_of(hart, RISCV_ACCESS_READ);
	struct place place;
	enum fault fault;

	address = riscv_mmu_mask(hart, RISCV_ACCESS_READ, address);
	fault = find(hart, &view, address, &place);
	return fault == FAULT_NONE || fail(hart, fault, RISCV_ACCESS_WRITE, address);
}

/* --- a debugger --------------------------------------------------------------------------------
 */

static int look(struct riscv_hart *hart, uint64_t address, struct place *ret)
{
	struct view view = view_of(hart, RISCV_ACCESS_READ);

	view.is_probe = true;
	return find(hart, &view, address, ret) == FAULT_NONE ? 0 : -EFAULT;
}

int riscv_hart_translate(struct riscv_hart *hart, uint64_t address, uint64_t *ret)
{
	struct place place;
	int r = look(hart, address, &place);

	if (r >= 0)
		*ret = place.physical;
	return r;
}

/* All of it is there, or nothing is done. */
static int transfer(
	struct riscv_hart *hart, uint64_t address, uint8_t *bytes, size_t size, bool is_write)
{
	for (int pass = 0; pass < 2; pass++) {
		size_t part;

		for (size_t done = 0; done < size; done += part) {
			size_t left = VM_PAGE_BYTES - ((address + done) & (VM_PAGE_BYTES - 1));
			struct place place;

			part = size - done < left ? size - done : left;
			if (look(hart, address + done, &place) < 0 || !place.host)
				return -EFAULT;
			if (pass == 0)
				continue;
			if (is_write) {
				memcpy(place.host, bytes + done, part);
				vm_memory_written(hart->config.memory, place.physical, part);
			} else {
				memcpy(bytes + done, place.host, part);
			}
		}
	}
	return 0;
}

int riscv_hart_read(struct riscv_hart *hart, uint64_t address, void *to, size_t size)
{
	return transfer(hart, address, to, size, false);
}

int riscv_hart_write(struct riscv_hart *hart, uint64_t address, const void *from, size_t size)
{
	return transfer(hart, address, (uint8_t *)(uintptr_t)from, size, true);
}
