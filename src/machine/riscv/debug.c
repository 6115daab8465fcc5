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

static void remove_breakpoint(struct machine *m, uint64_t address)
{
	for (unsigned i = 0; i < riscv_board(m)->nr_harts; i++)
		riscv_hart_remove_breakpoint(hart_of(m, i), address);
}

static int add_breakpoint(struct machine *m, uint64_t address)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < riscv_board(m)->nr_harts; i++)
		r = riscv_hart_add_breakpoint(hart_of(m, i), address);
	if (r < 0)
		remove_breakpoint(m, address);
	return r;
}

static void set_step(struct machine *m, unsigned index, bool step)
{
	hart_of(m, index)->wants_step = step;
}

const struct machine_debug_ops riscv_debug_ops = {
	.name = "riscv",
	.read_register = read_register,
	.write_register = write_register,
	.read_memory = read_memory,
	.write_memory = write_memory,
	.add_breakpoint = add_breakpoint,
	.remove_breakpoint = remove_breakpoint,
	.set_step = set_step,
};
