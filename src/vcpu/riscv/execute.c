/* SPDX-License-Identifier: Apache-2.0 */
/*
 * execute.c - instructions that a user's program does not have, or may not use freely (RISC-V
 * Privileged ISA, 3.3, 12.2; "Svinval"; Unprivileged ISA, "CMO").
 */
#include "vcpu/riscv/internal.h"

#define BLOCK_BYTES UINT64_C(64)

/* --- registers ---------------------------------------------------------------------------------
 */

bool riscv_note_float(struct riscv_system_cpu *cpu)
{
	struct riscv_hart *hart = riscv_hart_of_cpu(cpu);

	if (!(hart->csrs.mstatus & MSTATUS_FS))
		return false;
	hart->csrs.mstatus |= MSTATUS_FS;
	riscv_update_mode(hart);
	return true;
}

bool riscv_note_vector(struct riscv_system_cpu *cpu)
{
	struct riscv_hart *hart = riscv_hart_of_cpu(cpu);

	if (!(hart->csrs.mstatus & MSTATUS_VS))
		return false;
	hart->csrs.mstatus |= MSTATUS_VS;
	riscv_update_mode(hart);
	return true;
}

/* Writes a register, and goes on within translated code if nothing that it depends on has changed.
 */
static enum jit_stop execute_csr(
	struct riscv_hart *hart, const struct riscv_insn *insn, uint64_t *next)
{
	struct riscv_system_cpu *cpu = &hart->cpu;
	uint32_t mode = cpu->mode, address_space = cpu->address_space;

	hart->has_forgotten = false;
	if (!riscv_csr_access(hart, insn))
		return JIT_STOP_ILLEGAL;
	if (!riscv_csr_writes(insn) ||
		(riscv_pending_interrupt(hart) < 0 && cpu->mode == mode &&
			cpu->address_space == address_space && !hart->has_forgotten))
		return JIT_STOP_LIMIT;
	cpu->cpu.pc = *next;
	return JIT_STOP_MODE;
}

/* --- fences of address spaces ------------------------------------------------------------------
 */

static enum jit_stop execute_fence(
	struct riscv_hart *hart, const struct riscv_insn *insn, uint64_t *next)
{
	const uint64_t *x = hart->cpu.cpu.x;

	if (hart->privilege == RISCV_USER)
		return JIT_STOP_ILLEGAL;
	if (insn->op == RISCV_SFENCE_VMA || insn->op == RISCV_SINVAL_VMA) {
		if (hart->privilege == RISCV_SUPERVISOR && hart->csrs.mstatus & MSTATUS_TVM)
			return JIT_STOP_ILLEGAL;
		riscv_forget(
			hart, insn->rs1 ? &x[insn->rs1] : NULL, insn->rs2 ? &x[insn->rs2] : NULL);
	}
	hart->cpu.cpu.pc = *next;
	return JIT_STOP_MODE;
}

/* --- cache blocks ------------------------------------------------------------------------------
 */

bool riscv_may_use_blocks(const struct riscv_hart *hart, uint64_t bits)
{
	if (hart->privilege != RISCV_MACHINE && !(hart->csrs.menvcfg & bits))
		return false;
	return hart->privilege != RISCV_USER || hart->csrs.senvcfg & bits;
}

static bool zero_block(struct riscv_hart *hart, uint64_t address)
{
	void *block = riscv_mmu_reach(&hart->cpu, address, BLOCK_BYTES, RISCV_ACCESS_WRITE);

	if (!block)
		return false;
	memset(block, 0, BLOCK_BYTES);
	return true;
}

static enum jit_stop execute_block(struct riscv_hart *hart, const struct riscv_insn *insn)
{
	uint64_t address = hart->cpu.cpu.x[insn->rs1] & ~(BLOCK_BYTES - 1), bits;
	bool is_done;

	bits = insn->op == RISCV_CBO_ZERO     ? ENVCFG_CBZE
		: insn->op == RISCV_CBO_INVAL ? ENVCFG_CBIE
					      : ENVCFG_CBCFE;
	if (!riscv_may_use_blocks(hart, bits))
		return JIT_STOP_ILLEGAL;
	is_done = insn->op == RISCV_CBO_ZERO ? zero_block(hart, address)
					     : riscv_mmu_probe_block(hart, address);
	return is_done ? JIT_STOP_LIMIT : JIT_STOP_FAULT;
}

/* --- the rest ----------------------------------------------------------------------------------
 */

static enum jit_stop execute_return(struct riscv_hart *hart, bool is_machine)
{
	bool is_trapped = hart->csrs.mstatus & MSTATUS_TSR && hart->privilege == RISCV_SUPERVISOR;

	if (is_machine ? hart->privilege != RISCV_MACHINE
		       : hart->privilege == RISCV_USER || is_trapped)
		return JIT_STOP_ILLEGAL;
	/* It counts in the mode that it leaves. */
	hart->cpu.cpu.retired++;
	if (is_machine)
		riscv_return_from_machine(hart);
	else
		riscv_return_from_supervisor(hart);
	hart->cpu.cpu.retired--;
	return JIT_STOP_MODE;
}

static enum jit_stop execute_wait(struct riscv_hart *hart, uint64_t *next)
{
	if (hart->privilege == RISCV_USER ||
		(hart->privilege == RISCV_SUPERVISOR && hart->csrs.mstatus & MSTATUS_TW))
		return JIT_STOP_ILLEGAL;
	hart->cpu.cpu.pc = *next;
	return JIT_STOP_WAIT;
}

enum jit_stop riscv_execute_system(
	struct riscv_system_cpu *cpu, const struct riscv_insn *insn, uint64_t *next)
{
	struct riscv_hart *hart = riscv_hart_of_cpu(cpu);

	switch (insn->op) {
	case RISCV_CSRRW ... RISCV_CSRRCI:
		return execute_csr(hart, insn, next);
	case RISCV_SFENCE_VMA ... RISCV_SFENCE_INVAL_IR:
		return execute_fence(hart, insn, next);
	case RISCV_CBO_INVAL ... RISCV_CBO_ZERO:
		return execute_block(hart, insn);
	case RISCV_SRET:
	case RISCV_MRET:
		return execute_return(hart, insn->op == RISCV_MRET);
	case RISCV_WFI:
		return execute_wait(hart, next);
	default:
		return JIT_STOP_ILLEGAL;
	}
}
