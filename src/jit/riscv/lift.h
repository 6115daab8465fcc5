/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lift.h - turns RISC-V code into IR.
 *
 * Slots are x1 to x31 by number, 32 + n for fn, and IR_FIRST_VECTOR + n for vn.
 */
#pragma once

#include "jit/internal.h"
#include "jit/riscv/cpu.h"
#include "jit/riscv/decode.h"

#define RISCV_FIRST_FLOAT_SLOT 32

/* What is known of the registers that describe vectors, from one instruction to the next. */
struct riscv_lift_vector {
	/* Only what vector instructions are decoded by: vtype, vl, and zeros. vl is the largest
	 * that there is where it is not known. */
	struct riscv_cpu model;
	bool knows_type, knows_length; /* and that vstart is 0 */
	bool guesses_type, guesses_length; /* the model's, but nobody has looked yet */
	bool is_of_state; /* the guess */
	bool keeps_length; /* the whole block does */
	/* A machine's hart: its kernel may have turned vectors off, or floating point, or wants to
	 * know that they are used. */
	bool is_off, is_float_off;
};

/* lift.c: an operation for the instruction; the instruction for the interpreter, by its number. */
struct ir *riscv_lift_add(
	struct ir_block *block, enum ir_op op, const struct riscv_insn *insn, uint64_t pc);
int16_t riscv_lift_keep(struct ir_block *block, const struct riscv_insn *insn);

/* lift-vector.c. Before a block of which nothing but `state` (or NULL) is known. */
void riscv_lift_vector_begin(
	struct riscv_lift_vector *v, const struct riscv_cpu *state, bool keeps_length);
/* Does it make vl something else? */
bool riscv_sets_vector_length(enum riscv_op op);
/* Anything may have become of vectors. */
void riscv_lift_vector_forget(struct riscv_lift_vector *v);
/* csrr of vl and vlenb; false for all else. */
bool riscv_lift_vector_csr(const struct riscv_lift_vector *v, struct ir_block *block,
	const struct riscv_insn *insn, uint64_t pc);
/* False for what the interpreter is to do; that it will is taken note of. */
bool riscv_lift_vector(struct riscv_lift_vector *v, struct ir_block *block,
	const struct riscv_insn *insn, uint64_t pc);

/* lift-system.c. What only a machine's hart has; false for what the interpreter is to do. */
bool riscv_lift_system(struct ir_block *block, const struct jit_lift_options *options,
	const struct riscv_insn *insn, uint64_t pc);

/* See struct jit_guest. */
void riscv_lift(struct ir_block *block, const struct jit_lift_options *options);
