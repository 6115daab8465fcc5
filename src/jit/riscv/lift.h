/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lift.h - what turns RISC-V instructions into IR: one instruction, and blocks of them.
 *
 * Slots are x1 to x31 by number, and 32 + n for fn.
 */
#pragma once

#include "jit/internal.h"
#include "jit/riscv/decode.h"

#define RISCV_FIRST_FLOAT_SLOT 32
#define RISCV_LABELS_MAX       128
#define RISCV_CSR_FFLAGS       1

struct lift {
	struct ir_block *block;
	struct riscv_insn insn;
	uint64_t pc; /* of insn */
	bool is_over; /* it does not go on behind insn */
	uint64_t jump; /* where it goes on instead, or 0 */
	unsigned nr_labels;
	uint64_t labels[RISCV_LABELS_MAX];
};

struct ir *riscv_lift_add(struct lift *lift, enum ir_op op);
/* The operations of lift->insn. */
void riscv_lift_one(struct lift *lift);
/* See struct jit_guest. */
void riscv_lift(struct ir_block *block, const struct jit_lift_options *options);
