/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interpret.h - what the files of the interpreter share: one function for each group of
 * instructions.
 *
 * A group's function executes insn, all of it, and leaves pc alone; the loop moves on behind the
 * instruction unless the group is one that jumps or stops.
 *
 * A user's program reaches its memory directly, and what is not there is a fault of ours. For a
 * machine's hart each access can fail: then fault_code and fault_address are set, and the
 * instruction has done nothing.
 */
#pragma once

#include "jit/riscv/cpu.h"
#include "jit/riscv/decode.h"
#include "jit/riscv/system.h"
#include "jit/softfloat.h"

#include <string.h>

static inline void *riscv_host(const struct riscv_cpu *cpu, uint64_t address)
{
	return (void *)(uintptr_t)(cpu->memory.offset + address);
}

/* Likewise, for an instruction's access. */
static inline void *riscv_access_host(
	struct riscv_cpu *cpu, uint64_t address, uint64_t size, unsigned what)
{
	if (cpu->note_access)
		cpu->note_access(cpu, address, size, what);
	return riscv_host(cpu, address);
}

#define RISCV_LAST_HOST_ROUNDING 3 /* nearest even, to zero, down, up */

/* Does the host have the rounding mode in fcsr? */
static inline bool riscv_rounds_as_host(const struct riscv_cpu *cpu)
{
	return (cpu->fcsr >> 5 & 7) <= RISCV_LAST_HOST_ROUNDING;
}

/* At least one instruction, and on until the host has the rounding mode in fcsr. */
enum jit_stop riscv_interpret_rounding(struct riscv_cpu *cpu);

static inline struct riscv_system_cpu *riscv_system(struct riscv_cpu *cpu)
{
	return (struct riscv_system_cpu *)cpu;
}

/* Where the hart's table has [address, address + size), or NULL. */
static inline void *riscv_look_up(
	struct riscv_cpu *cpu, uint64_t address, unsigned size, enum riscv_access access)
{
	struct riscv_system_cpu *system = riscv_system(cpu);
	unsigned regime = system->mode & RISCV_MODE_REGIME;

	if (regime >= RISCV_REGIMES)
		return NULL;
	return jit_tlb_find(access == RISCV_ACCESS_WRITE ? &system->tlb[regime].write
							 : &system->tlb[regime].read,
		address, size);
}

/* `size` bytes, zero-extended. */
static inline bool riscv_load(struct riscv_cpu *cpu, uint64_t address, unsigned size, uint64_t *ret)
{
	const void *host;

	if (cpu->is_system) {
		host = riscv_look_up(cpu, address, size, RISCV_ACCESS_READ);
		if (!host)
			return riscv_system(cpu)->ops->access(
				riscv_system(cpu), address, size, RISCV_ACCESS_READ, ret);
	} else {
		host = riscv_access_host(cpu, address, size, RISCV_READS);
	}
	*ret = 0;
	memcpy(ret, host, size);
	return true;
}

static inline bool riscv_store(
	struct riscv_cpu *cpu, uint64_t address, unsigned size, uint64_t value)
{
	void *host;

	if (cpu->is_system) {
		host = riscv_look_up(cpu, address, size, RISCV_ACCESS_WRITE);
		if (!host)
			return riscv_system(cpu)->ops->access(
				riscv_system(cpu), address, size, RISCV_ACCESS_WRITE, &value);
	} else {
		host = riscv_access_host(cpu, address, size, RISCV_WRITES);
	}
	memcpy(host, &value, size);
	return true;
}

/* Memory for an atomic or a block, on one page; NULL: a fault. */
static inline void *riscv_reach(
	struct riscv_cpu *cpu, uint64_t address, unsigned size, enum riscv_access access)
{
	void *host;

	if (!cpu->is_system)
		return riscv_access_host(cpu, address, size, riscv_reach_does(size, access));
	host = riscv_look_up(cpu, address, size, access);
	return host ? host
		    : riscv_system(cpu)->ops->reach(riscv_system(cpu), address, size, access);
}

/* May a floating point (vector) instruction be executed? It is noted that it is. */
static inline bool riscv_use_float(struct riscv_cpu *cpu)
{
	return !cpu->is_system || riscv_system(cpu)->mode & RISCV_MODE_FLOAT ||
		riscv_system(cpu)->ops->use_float(riscv_system(cpu));
}

static inline bool riscv_use_vector(struct riscv_cpu *cpu)
{
	return !cpu->is_system || riscv_system(cpu)->mode & RISCV_MODE_VECTOR ||
		riscv_system(cpu)->ops->use_vector(riscv_system(cpu));
}

/* interpret.c: the instruction at pc, as riscv_decode() wants it; false: a fault. */
bool riscv_fetch(struct riscv_cpu *cpu, uint32_t *ret);
/* One instruction, whose pc is cpu's. JIT_STOP_LIMIT: go on at *next, which is behind
 * it unless it has jumped. x[0] may have been written. */
enum jit_stop riscv_execute(struct riscv_cpu *cpu, const struct riscv_insn *insn, uint64_t *next);
/* interpret-integer.c: I, M, Zicond: registers and immediates. */
uint64_t riscv_compute(enum riscv_op op, uint64_t a, uint64_t b, uint64_t pc);
/* interpret-bits.c: Zba, Zbb, Zbc, Zbs, Zbkb, Zbkx. */
uint64_t riscv_compute_bits(enum riscv_op op, uint64_t a, uint64_t b);
/* interpret-crypto.c: Zknd, Zkne, Zknh. */
uint64_t riscv_compute_crypto(enum riscv_op op, uint64_t a, uint64_t b);
/* interpret-memory.c: loads, stores, cache blocks; false: a fault. */
bool riscv_execute_memory(struct riscv_cpu *cpu, const struct riscv_insn *insn);
/* JIT_STOP_LIMIT, or why it is not done. */
enum jit_stop riscv_execute_atomic(struct riscv_cpu *cpu, const struct riscv_insn *insn);
/* interpret-float.c: F, D, Zfh, Zfa; false when the rounding mode in fcsr is none. */
bool riscv_execute_float(struct riscv_cpu *cpu, const struct riscv_insn *insn);
/* An f register as a number of the format, the canonical NaN where it is none. */
uint64_t riscv_get_float(const struct riscv_cpu *cpu, unsigned reg, const struct float_format *f);
void riscv_set_float(
	struct riscv_cpu *cpu, unsigned reg, const struct float_format *f, uint64_t bits);
/* interpret-vector.c: V, Zvfh, Zvbb, Zvbc, Zvkned, Zvknhb, Zvkg: JIT_STOP_LIMIT, or why it is not
 * done. */
enum jit_stop riscv_execute_vector(struct riscv_cpu *cpu, const struct riscv_insn *insn);
/* interpret-csr.c: false when there is no such register, or it cannot be written. */
bool riscv_execute_csr(struct riscv_cpu *cpu, const struct riscv_insn *insn);
