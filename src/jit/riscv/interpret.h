/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interpret.h - what the files of the interpreter share: one function for each group of
 * instructions.
 *
 * A group's function executes insn, all of it, and leaves pc alone; the loop moves on behind the
 * instruction unless the group is one that jumps or stops.
 */
#pragma once

#include "jit/riscv/cpu.h"
#include "jit/riscv/decode.h"
#include "jit/softfloat.h"

static inline void *riscv_host(const struct riscv_cpu *cpu, uint64_t address)
{
	return (void *)(uintptr_t)(cpu->memory.offset + address);
}

/* interpret.c: the instruction at pc, as riscv_decode() wants it. */
uint32_t riscv_fetch(const struct riscv_cpu *cpu);
/* One instruction, whose pc is cpu's. JIT_STOP_LIMIT: go on at *next, which is behind
 * it unless it has jumped. x[0] may have been written. */
enum jit_stop riscv_execute(struct riscv_cpu *cpu, const struct riscv_insn *insn, uint64_t *next);
/* interpret-integer.c: I, M, Zicond: registers and immediates. */
uint64_t riscv_compute(enum riscv_op op, uint64_t a, uint64_t b, uint64_t pc);
/* interpret-bits.c: Zba, Zbb, Zbc, Zbs, Zbkb, Zbkx. */
uint64_t riscv_compute_bits(enum riscv_op op, uint64_t a, uint64_t b);
/* interpret-crypto.c: Zknd, Zkne, Zknh. */
uint64_t riscv_compute_crypto(enum riscv_op op, uint64_t a, uint64_t b);
/* interpret-memory.c: loads, stores, cache blocks; false for a misaligned atomic. */
void riscv_execute_memory(struct riscv_cpu *cpu, const struct riscv_insn *insn);
bool riscv_execute_atomic(struct riscv_cpu *cpu, const struct riscv_insn *insn);
/* interpret-float.c: F, D, Zfh, Zfa; false when the rounding mode in fcsr is none. */
bool riscv_execute_float(struct riscv_cpu *cpu, const struct riscv_insn *insn);
/* An f register as a number of the format, the canonical NaN where it is none. */
uint64_t riscv_get_float(const struct riscv_cpu *cpu, unsigned reg, const struct float_format *f);
void riscv_set_float(
	struct riscv_cpu *cpu, unsigned reg, const struct float_format *f, uint64_t bits);
/* interpret-vector.c: V, Zvfh, Zvbb, Zvbc, Zvkned, Zvknhb, Zvkg; false for what is reserved. */
bool riscv_execute_vector(struct riscv_cpu *cpu, const struct riscv_insn *insn);
/* interpret-csr.c: false when there is no such register, or it cannot be written. */
bool riscv_execute_csr(struct riscv_cpu *cpu, const struct riscv_insn *insn);
