/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lift-system.c - instructions of a machine's hart that translated code does itself: registers that
 * are no more than memory, interrupts on and off, and blocks of zeros. A kernel has them on its
 * hottest paths; the rest is the interpreter's.
 */
#include "jit/riscv/lift.h"
#include "jit/riscv/system.h"

#define CSR_SSTATUS   0x100
#define SSTATUS_SIE   (INT64_C(1) << 1)
#define SSTATUS_UXL   33 /* bit: 64 bits */
#define LEVEL(number) ((unsigned)(number) >> 8 & 3)

/* What is being lifted. */
struct place {
	struct ir_block *block;
	const struct jit_lift_options *options;
	const struct riscv_insn *insn;
	uint64_t pc;
};

static struct ir *add(const struct place *at, enum ir_op op)
{
	return riscv_lift_add(at->block, op, at->insn, at->pc);
}

static uint8_t slot(unsigned reg)
{
	return reg ? (uint8_t)reg : IR_ZERO;
}

static bool has_level(const struct place *at, unsigned number)
{
	static const uint8_t levels[] = { [RISCV_REGIME_USER] = 0,
		[RISCV_REGIME_SUPERVISOR] = 1,
		[RISCV_REGIME_SUPERVISOR_USER] = 1,
		[RISCV_REGIME_MACHINE] = 3,
		[RISCV_REGIME_OTHER... RISCV_MODE_REGIME] = 0 };

	return levels[at->options->mode & RISCV_MODE_REGIME] >= LEVEL(number);
}

static bool lift_plain(const struct place *at, const struct riscv_system_ops *ops)
{
	const struct riscv_insn *insn = at->insn;
	struct riscv_plain_csr csr;
	struct ir *ir;

	if (!ops->plain || !ops->plain((unsigned)insn->imm, &csr))
		return false;
	if (insn->op == RISCV_CSRRW) {
		ir = add(at, IR_STATE_WRITE);
		ir->a = slot(insn->rs1);
		ir->flags = csr.is_even ? IR_EVEN : 0;
	} else if (!riscv_csr_writes(insn)) {
		if (!insn->rd)
			return true;
		ir = add(at, IR_STATE_READ);
	} else {
		return false;
	}
	ir->d = slot(insn->rd);
	ir->imm = csr.offset;
	return true;
}

static void read_status(const struct place *at, const struct riscv_system_ops *ops)
{
	struct ir *ir = add(at, IR_STATUS_READ);
	bool is_dirty = at->options->mode & (RISCV_MODE_FLOAT | RISCV_MODE_VECTOR);

	ir->d = slot(at->insn->rd);
	ir->imm = (int64_t)((uint64_t)ops->status_shown << 32 | ops->status);
	ir->kind = SSTATUS_UXL;
	ir->flags = is_dirty ? IR_SIGNED : 0; /* SD */
}

/* Bits that are set or cleared in sstatus: interrupts on and off, mostly. */
static bool lift_status(const struct place *at, const struct riscv_system_ops *ops)
{
	const struct riscv_insn *insn = at->insn;
	bool is_immediate = insn->op == RISCV_CSRRSI || insn->op == RISCV_CSRRCI;
	bool sets = insn->op == RISCV_CSRRS || insn->op == RISCV_CSRRSI;
	int16_t helper;
	struct ir *ir;

	if (!ops->status || insn->op == RISCV_CSRRW || insn->op == RISCV_CSRRWI ||
		(is_immediate && insn->rs1 && insn->rs1 != SSTATUS_SIE) ||
		(!is_immediate && insn->rd && insn->rd == insn->rs1))
		return false;
	if (insn->rd)
		read_status(at, ops);
	if (!insn->rs1)
		return true;
	helper = riscv_lift_keep(at->block, insn);
	ir = add(at, sets ? IR_STATUS_SET : IR_STATUS_CLEAR);
	ir->helper = helper;
	ir->a = is_immediate ? IR_ZERO : slot(insn->rs1);
	ir->flags = is_immediate ? IR_IMMEDIATE : 0;
	ir->imm = SSTATUS_SIE << 32 | ops->status;
	return true;
}

static bool lift_zero_block(const struct place *at)
{
	struct ir *ir;
	int16_t helper;

	if (!(at->options->mode & RISCV_MODE_ZERO) || !at->insn->rs1)
		return false;
	helper = riscv_lift_keep(at->block, at->insn);
	ir = add(at, IR_ZERO_BLOCK);
	ir->helper = helper;
	ir->a = slot(at->insn->rs1);
	return true;
}

bool riscv_lift_system(struct ir_block *block, const struct jit_lift_options *options,
	const struct riscv_insn *insn, uint64_t pc)
{
	const struct place at = { block, options, insn, pc };
	const struct riscv_system_cpu *hart = options->state;

	if (!options->is_machine || !hart)
		return false;
	if (insn->op == RISCV_CBO_ZERO)
		return lift_zero_block(&at);
	if (insn->op < RISCV_CSRRW || insn->op > RISCV_CSRRCI ||
		!has_level(&at, (unsigned)insn->imm))
		return false;
	return insn->imm == CSR_SSTATUS ? lift_status(&at, hart->ops) : lift_plain(&at, hart->ops);
}
