/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch.c - a debugger's watchpoints: who accesses memory at a virtual address.
 *
 * A page with one is never in a table of the hart's, so that all accesses to it, and to no other,
 * come to mmu.c, translated code goes on being executed, and each is compared with what is watched.
 * One that is to be told of stops its instruction as a fault would, before anything is done; that
 * instruction alone is then executed again, without being stopped, and what it has done is noted.
 * So the hart stands behind it, as debuggers expect, and one that faults was none.
 */
#include "vcpu/riscv/internal.h"

#include <errno.h>

/* --- accesses ----------------------------------------------------------------------------------
 */

/* Addresses may wrap around. */
static bool overlaps(const struct riscv_watchpoint *point, uint64_t address, uint64_t size)
{
	return point->address - address < size || address - point->address < point->size;
}

static const struct riscv_watchpoint *find(
	const struct riscv_hart *hart, uint64_t address, unsigned size, unsigned what)
{
	for (unsigned i = 0; i < hart->watch.nr_points; i++) {
		const struct riscv_watchpoint *point = &hart->watch.points[i];

		if (((point->is_read && what & RISCV_READS) ||
			    (point->is_write && what & RISCV_WRITES)) &&
			overlaps(point, address, size))
			return point;
	}
	return NULL;
}

bool riscv_watch_stops(struct riscv_hart *hart, uint64_t address, unsigned size, unsigned what)
{
	if (hart->watch.is_passing || !find(hart, address, size, what))
		return false;
	hart->cpu.cpu.fault_code = RISCV_WATCHED;
	hart->cpu.cpu.fault_address = address;
	return true;
}

void riscv_watch_note(struct riscv_hart *hart, uint64_t address, unsigned size, unsigned what)
{
	const struct riscv_watchpoint *point = find(hart, address, size, what);

	if (!point || hart->watch.has_met)
		return;
	hart->watch.has_met = true;
	hart->watch.met = *point;
}

bool riscv_watch_has_page(const struct riscv_hart *hart, uint64_t address)
{
	uint64_t page = address & ~(uint64_t)(VM_PAGE_BYTES - 1);

	for (unsigned i = 0; i < hart->watch.nr_points; i++)
		if (overlaps(&hart->watch.points[i], page, VM_PAGE_BYTES))
			return true;
	return false;
}

enum jit_stop riscv_watch_pass(struct riscv_hart *hart)
{
	enum jit_stop stop;

	hart->watch.is_passing = true;
	stop = riscv_interpret(&hart->cpu.cpu, 1);
	hart->watch.is_passing = false;
	return stop;
}

/* --- the debugger's side -----------------------------------------------------------------------
 */

static bool is_same(const struct riscv_watchpoint *a, const struct riscv_watchpoint *b)
{
	return a->address == b->address && a->size == b->size && a->is_read == b->is_read &&
		a->is_write == b->is_write;
}

int riscv_hart_add_watchpoint(struct riscv_hart *hart, const struct riscv_watchpoint *point)
{
	if (hart->watch.nr_points == RISCV_WATCHPOINTS_MAX)
		return -ENOSPC;
	hart->watch.points[hart->watch.nr_points++] = *point;
	riscv_hart_forget_writes(hart);
	return 0;
}

int riscv_hart_remove_watchpoint(struct riscv_hart *hart, const struct riscv_watchpoint *point)
{
	struct riscv_watch *watch = &hart->watch;

	for (unsigned i = 0; i < watch->nr_points; i++) {
		if (is_same(&watch->points[i], point)) {
			watch->points[i] = watch->points[--watch->nr_points];
			return 0;
		}
	}
	return -ENOENT;
}

const struct riscv_watchpoint *riscv_hart_met_watchpoint(const struct riscv_hart *hart)
{
	return hart->watch.has_met ? &hart->watch.met : NULL;
}
