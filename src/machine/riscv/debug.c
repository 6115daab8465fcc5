/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debug.c - what a debugger sees of a hart, and does to it, while it stands.
 */
#include <errno.h>
#include <string.h>

#include "debug/debug.h"
#include "machine/riscv/board.h"

static struct debug_riscv_user user_of(struct riscv_cpu *cpu)
{
	return (struct debug_riscv_user){ .x = cpu->x,
		.f = cpu->f,
		.pc = &cpu->pc,
		.fcsr = &cpu->fcsr,
		.v = cpu->v,
		.vl = &cpu->vl,
		.vtype = &cpu->vtype,
		.vstart = &cpu->vstart,
		.vxrm = &cpu->vxrm,
		.vxsat = &cpu->vxsat };
}

static struct riscv_hart *hart_of(struct machine *m, unsigned index)
{
	return &riscv_board(m)->harts[index];
}

static int read_register(struct machine *m, unsigned index, unsigned number, uint8_t *value)
{
	struct riscv_hart *hart = hart_of(m, index);
	struct debug_riscv_user user = user_of(&hart->cpu.cpu);
	uint64_t csr = hart->privilege;
	int r = 0;

	if (number < DEBUG_RISCV_REGISTERS) {
		debug_riscv_read(&user, number, value);
		return 0;
	}
	if (number != DEBUG_RISCV_PRIVILEGE)
		r = riscv_hart_read_csr(hart, debug_riscv_csr(number), &csr);
	memcpy(value, &csr, sizeof(csr));
	return r;
}

static int write_register(struct machine *m, unsigned index, unsigned number, const uint8_t *value)
{
	struct riscv_hart *hart = hart_of(m, index);
	struct debug_riscv_user user = user_of(&hart->cpu.cpu);
	uint64_t csr;

	if (number < DEBUG_RISCV_REGISTERS)
		return debug_riscv_write(&user, number, value);
	if (number == DEBUG_RISCV_PRIVILEGE)
		return -EPERM;
	memcpy(&csr, value, sizeof(csr));
	return riscv_hart_write_csr(hart, debug_riscv_csr(number), csr);
}

static int read_memory(struct machine *m, unsigned index, uint64_t address, void *to, size_t size)
{
	return riscv_hart_read(hart_of(m, index), address, to, size);
}

static int write_memory(
	struct machine *m, unsigned index, uint64_t address, const void *from, size_t size)
{
	return riscv_hart_write(hart_of(m, index), address, from, size);
}

static bool is_watchpoint(enum debug_breakpoint_type type)
{
	return type == DEBUG_WATCHPOINT_WRITE || type == DEBUG_WATCHPOINT_READ ||
		type == DEBUG_WATCHPOINT_ACCESS;
}

static struct riscv_watchpoint watchpoint_of(const struct machine_point *point)
{
	return (struct riscv_watchpoint){ .address = point->address,
		.size = point->size,
		.is_read = point->type != DEBUG_WATCHPOINT_WRITE,
		.is_write = point->type != DEBUG_WATCHPOINT_READ };
}

/* Breakpoints of both kinds are the hart's, and not in memory. */
static int insert_for_hart(struct riscv_hart *hart, const struct machine_point *point)
{
	const struct riscv_watchpoint watchpoint = watchpoint_of(point);

	return is_watchpoint(point->type) ? riscv_hart_add_watchpoint(hart, &watchpoint)
					  : riscv_hart_add_breakpoint(hart, point->address);
}

static void remove_point(struct machine *m, const struct machine_point *point)
{
	const struct riscv_watchpoint watchpoint = watchpoint_of(point);

	for (unsigned i = 0; i < riscv_board(m)->nr_harts; i++) {
		if (is_watchpoint(point->type))
			riscv_hart_remove_watchpoint(hart_of(m, i), &watchpoint);
		else
			riscv_hart_remove_breakpoint(hart_of(m, i), point->address);
	}
}

/* All harts have the same, so the first one that has no room is the first of all. */
static int insert_point(struct machine *m, unsigned index, const struct machine_point *point)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < riscv_board(m)->nr_harts; i++)
		r = insert_for_hart(hart_of(m, i), point);
	return r;
}

static bool find_watchpoint(struct machine *m, unsigned index, struct machine_point *ret)
{
	const struct riscv_watchpoint *met = riscv_hart_met_watchpoint(hart_of(m, index));

	if (!met)
		return false;
	*ret = (struct machine_point){ .address = met->address, .size = met->size };
	ret->type = !met->is_read ? DEBUG_WATCHPOINT_WRITE
		: !met->is_write  ? DEBUG_WATCHPOINT_READ
				  : DEBUG_WATCHPOINT_ACCESS;
	return true;
}

static void set_step(struct machine *m, unsigned index, bool step)
{
	hart_of(m, index)->wants_step = step;
}

const struct machine_debug_ops riscv_debug_ops = {
	.name = "riscv",
	.thread = "hart",
	.architecture = &debug_riscv64_machine,
	.pc = DEBUG_RISCV_PC,
	.read_register = read_register,
	.write_register = write_register,
	.read_memory = read_memory,
	.write_memory = write_memory,
	.insert = insert_point,
	.remove = remove_point,
	.find_watchpoint = find_watchpoint,
	.set_step = set_step,
};
