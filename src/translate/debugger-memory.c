/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debugger-memory.c - the guest's memory, and the breakpoints in it.
 *
 * Memory is read and written as a debugger of the host would (/proc/self/mem): also what the guest
 * may not write, and what is not there is an error. A breakpoint is an ebreak in the guest's
 * memory, of the instruction's size; the debugger never sees it there.
 */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

#include "translate/debugger.h"

static bool is_inside(uint64_t address, size_t size)
{
	return address < GUEST_END && size <= GUEST_END - address;
}

/* Where a breakpoint and [address, + size) have bytes in common. */
static bool overlap(const struct debugger_breakpoint *b, uint64_t address, size_t size,
	uint64_t *ret_start, uint64_t *ret_end)
{
	uint64_t end = address + size, b_end = b->address + b->size;

	*ret_start = b->address > address ? b->address : address;
	*ret_end = b_end < end ? b_end : end;
	return *ret_start < *ret_end;
}

int64_t debugger_read_memory(
	struct debug_target *target, uint64_t address, void *buffer, size_t size)
{
	struct debugger *d = debugger_of(target);
	uint64_t start, end;
	int64_t n;

	if (address >= GUEST_END)
		return -EFAULT;
	if (size > GUEST_END - address)
		size = GUEST_END - address;
	n = host_call(SYS_pread64, d->memory_fd, buffer, size, address);
	if (n <= 0)
		return n == 0 || n == -EIO ? -EFAULT : n;
	for (size_t i = 0; i < d->nr_breakpoints; i++) {
		const struct debugger_breakpoint *b = &d->breakpoints[i];

		if (overlap(b, address, (size_t)n, &start, &end))
			memcpy((uint8_t *)buffer + (start - address),
				b->original + (start - b->address), end - start);
	}
	return n;
}

static int write_raw(struct debugger *d, uint64_t address, const void *bytes, size_t size)
{
	int64_t n = host_call(SYS_pwrite64, d->memory_fd, bytes, size, address);

	if (n > 0)
		jit_invalidate(d->process->jit, address, (uint64_t)n);
	return n == (int64_t)size ? 0 : n >= 0 || n == -EIO ? -EFAULT : (int)n;
}

static void instruction_of(const struct debugger_breakpoint *b, uint8_t bytes[4])
{
	static const uint8_t ebreak[] = { 0x73, 0x00, 0x10, 0x00 }, c_ebreak[] = { 0x02, 0x90 };

	memcpy(bytes, b->size == 2 ? c_ebreak : ebreak, b->size);
}

int debugger_write_memory(
	struct debug_target *target, uint64_t address, const void *bytes, size_t size)
{
	struct debugger *d = debugger_of(target);
	uint64_t start, end;
	int r;

	if (!is_inside(address, size))
		return -EFAULT;
	r = write_raw(d, address, bytes, size);
	if (r < 0)
		return r;
	/* Breakpoints stay, over what is there now. */
	for (size_t i = 0; i < d->nr_breakpoints; i++) {
		struct debugger_breakpoint *b = &d->breakpoints[i];
		uint8_t instruction[4];

		if (!overlap(b, address, size, &start, &end))
			continue;
		memcpy(b->original + (start - b->address),
			(const uint8_t *)bytes + (start - address), end - start);
		instruction_of(b, instruction);
		r = write_raw(d, b->address, instruction, b->size);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- breakpoints ----------------------------------------------------------------------------- */

static int add_breakpoint(struct debugger *d, const struct debugger_breakpoint *new)
{
	int r = -ENOSPC;

	lock_take(&d->lock);
	if (d->nr_breakpoints < DEBUGGER_BREAKPOINTS_MAX) {
		d->breakpoints[d->nr_breakpoints++] = *new;
		r = 0;
	}
	lock_release(&d->lock);
	return r;
}

static void drop_breakpoint(struct debugger *d, struct debugger_breakpoint *b)
{
	lock_take(&d->lock);
	*b = d->breakpoints[--d->nr_breakpoints];
	lock_release(&d->lock);
}

/* Our thread blocks the signals by which guest_copy_in() would end at a fault. */
static bool read_raw(struct debugger *d, uint64_t address, void *buffer, size_t size)
{
	return host_call(SYS_pread64, d->memory_fd, buffer, size, address) == (int64_t)size;
}

void debugger_refresh_watchpoints(struct debugger *d)
{
	for (size_t i = 0; i < d->nr_watchpoints; i++)
		read_raw(d, d->watchpoints[i].address, d->watchpoints[i].value,
			d->watchpoints[i].size);
}

static int insert_watchpoint(
	struct debugger *d, enum debug_breakpoint_type type, uint64_t address, uint64_t size)
{
	struct debugger_watchpoint new = { .type = type, .address = address, .size = size };

	if (!size || size > sizeof(new.value) || d->nr_watchpoints == DEBUGGER_WATCHPOINTS_MAX)
		return -ENOSPC;
	if (!is_inside(address, size) || !read_raw(d, address, new.value, size))
		return -EFAULT;
	lock_take(&d->lock);
	d->watchpoints[d->nr_watchpoints++] = new;
	lock_release(&d->lock);
	return 0;
}

static void remove_watchpoint(
	struct debugger *d, enum debug_breakpoint_type type, uint64_t address, uint64_t size)
{
	lock_take(&d->lock);
	for (size_t i = 0; i < d->nr_watchpoints; i++) {
		const struct debugger_watchpoint *w = &d->watchpoints[i];

		if (w->type != type || w->address != address || w->size != size)
			continue;
		d->watchpoints[i] = d->watchpoints[--d->nr_watchpoints];
		break;
	}
	lock_release(&d->lock);
}

int debugger_insert_breakpoint(struct debug_target *target, enum debug_breakpoint_type type,
	uint64_t address, uint64_t kind)
{
	struct debugger *d = debugger_of(target);
	struct debugger_breakpoint *found = debugger_find_breakpoint(d, address), new = { 0 };
	uint8_t instruction[4];
	int r;

	if (type > DEBUG_BREAKPOINT_HARDWARE)
		return insert_watchpoint(d, type, address, kind);
	if (found) {
		found->users |= (uint8_t)(1 << type);
		return 0;
	}
	if ((kind != 2 && kind != 4) || address % 2 || !is_inside(address, kind))
		return -EINVAL;
	new = (struct debugger_breakpoint){
		.address = address, .size = (uint8_t)kind, .users = (uint8_t)(1 << type)
	};
	/* All four bytes, if they are there: for those who step over it. */
	if (debugger_read_memory(target, address, new.original, 4) < (int64_t)kind)
		return -EFAULT;
	r = add_breakpoint(d, &new);
	if (r < 0)
		return r;
	instruction_of(&new, instruction);
	r = write_raw(d, address, instruction, kind);
	if (r < 0)
		drop_breakpoint(d, debugger_find_breakpoint(d, address));
	return r;
}

/* Put back what was there, unless something else has been mapped in its place. */
static void take_out(struct debugger *d, struct debugger_breakpoint *b)
{
	uint8_t instruction[4], there[4];

	instruction_of(b, instruction);
	if (read_raw(d, b->address, there, b->size) && memcmp(there, instruction, b->size) == 0)
		write_raw(d, b->address, b->original, b->size);
	drop_breakpoint(d, b);
}

int debugger_remove_breakpoint(struct debug_target *target, enum debug_breakpoint_type type,
	uint64_t address, uint64_t kind)
{
	struct debugger_breakpoint *b = debugger_find_breakpoint(debugger_of(target), address);

	if (type > DEBUG_BREAKPOINT_HARDWARE)
		remove_watchpoint(debugger_of(target), type, address, kind);
	if (!b || type > DEBUG_BREAKPOINT_HARDWARE)
		return 0;
	b->users &= (uint8_t) ~(1 << type);
	if (!b->users)
		take_out(debugger_of(target), b);
	return 0;
}

void debugger_remove_breakpoints(struct debugger *d)
{
	while (d->nr_breakpoints)
		take_out(d, &d->breakpoints[0]);
	lock_take(&d->lock);
	d->nr_watchpoints = 0;
	lock_release(&d->lock);
}
