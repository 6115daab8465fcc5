/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interpret-memory.c - loads, stores, atomics and cache blocks (RISC-V Unprivileged ISA 20240411,
 * chapters 2.6, 14 "A" and 19 "CMOs").
 *
 * Loads and stores may be misaligned, as Linux promises user programs (Zicclsm); atomics may not.
 * Atomics are sequentially consistent, whatever aq and rl say: x86 has nothing cheaper. sc succeeds
 * when memory still holds what lr has read, as QEMU does it; a value that came back in between is
 * not seen.
 */
#include "jit/riscv/interpret.h"

#define CACHE_BLOCK_BYTES 64

static bool load(struct riscv_cpu *cpu, const struct riscv_insn *insn, uint64_t address)
{
	uint64_t *rd = &cpu->x[insn->rd], *fd = &cpu->f[insn->rd], value;

#define LOAD(size, to, as)                                                                         \
	if (!riscv_load(cpu, address, size, &value))                                               \
		return false;                                                                      \
	*(to) = (as);                                                                              \
	return true
	switch (insn->op) {
	case RISCV_LB:
		LOAD(1, rd, (uint64_t)(int64_t)(int8_t)value);
	case RISCV_LH:
		LOAD(2, rd, (uint64_t)(int64_t)(int16_t)value);
	case RISCV_LW:
		LOAD(4, rd, (uint64_t)(int64_t)(int32_t)value);
	case RISCV_LD:
		LOAD(8, rd, value);
	case RISCV_LBU:
		LOAD(1, rd, value);
	case RISCV_LHU:
		LOAD(2, rd, value);
	case RISCV_LWU:
		LOAD(4, rd, value);
	case RISCV_FLH:
		LOAD(2, fd, value | UINT64_C(0xffffffffffff0000));
	case RISCV_FLW:
		LOAD(4, fd, value | UINT64_C(0xffffffff00000000));
	default: /* FLD */
		LOAD(8, fd, value);
	}
#undef LOAD
}

static bool zero_block(struct riscv_cpu *cpu, uint64_t address)
{
	void *block = riscv_reach(cpu, address & ~(uint64_t)(CACHE_BLOCK_BYTES - 1),
		CACHE_BLOCK_BYTES, RISCV_ACCESS_WRITE);

	if (!block)
		return false;
	memset(block, 0, CACHE_BLOCK_BYTES);
	return true;
}

bool riscv_execute_memory(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	uint64_t address = cpu->x[insn->rs1] + (uint64_t)(int64_t)insn->imm;

	switch (insn->op) {
	case RISCV_SB:
		return riscv_store(cpu, address, 1, cpu->x[insn->rs2]);
	case RISCV_SH:
		return riscv_store(cpu, address, 2, cpu->x[insn->rs2]);
	case RISCV_SW:
		return riscv_store(cpu, address, 4, cpu->x[insn->rs2]);
	case RISCV_SD:
		return riscv_store(cpu, address, 8, cpu->x[insn->rs2]);
	case RISCV_FSH:
		return riscv_store(cpu, address, 2, cpu->f[insn->rs2]);
	case RISCV_FSW:
		return riscv_store(cpu, address, 4, cpu->f[insn->rs2]);
	case RISCV_FSD:
		return riscv_store(cpu, address, 8, cpu->f[insn->rs2]);
	case RISCV_CBO_ZERO:
		return zero_block(cpu, address);
	case RISCV_CBO_INVAL ... RISCV_CBO_FLUSH:
		return true; /* what is done to caches has no effect on what is read */
	default:
		return load(cpu, insn, address);
	}
}

/* --- atomics -------------------------------------------------------------------------------- */

/* The operations, named by those of words. */
static uint64_t combine(enum riscv_op op, uint64_t memory, uint64_t operand)
{
	switch (op) {
	case RISCV_AMOSWAP_W:
		return operand;
	case RISCV_AMOADD_W:
		return memory + operand;
	case RISCV_AMOXOR_W:
		return memory ^ operand;
	case RISCV_AMOAND_W:
		return memory & operand;
	case RISCV_AMOOR_W:
		return memory | operand;
	case RISCV_AMOMIN_W:
		return (int64_t)memory < (int64_t)operand ? memory : operand;
	case RISCV_AMOMAX_W:
		return (int64_t)memory < (int64_t)operand ? operand : memory;
	case RISCV_AMOMINU_W:
		return memory < operand ? memory : operand;
	default: /* AMOMAXU */
		return memory < operand ? operand : memory;
	}
}

static uint64_t sign_extend_word(uint64_t value)
{
	return (uint64_t)(int64_t)(int32_t)value;
}

/* Both operands sign extended compare as words do, signed and unsigned. */
static uint64_t modify_word(uint32_t *memory, enum riscv_op op, uint64_t operand)
{
	uint32_t old = __atomic_load_n(memory, __ATOMIC_SEQ_CST), new;

	do {
		new = (uint32_t)combine(op, sign_extend_word(old), sign_extend_word(operand));
	} while (!__atomic_compare_exchange_n(
		memory, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	return sign_extend_word(old);
}

static uint64_t modify_double(uint64_t *memory, enum riscv_op op, uint64_t operand)
{
	uint64_t old = __atomic_load_n(memory, __ATOMIC_SEQ_CST), new;

	do {
		new = combine(op, old, operand);
	} while (!__atomic_compare_exchange_n(
		memory, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	return old;
}

/* 0 when memory was what lr had read and is now `value`, else 1. */
static uint64_t store_conditional(
	struct riscv_cpu *cpu, void *memory, uint64_t value, bool is_double)
{
	uint64_t expected = cpu->reserved_value;
	uint32_t expected_word = (uint32_t)expected;
	bool stored = is_double
		? __atomic_compare_exchange_n((uint64_t *)memory, &expected, value, false,
			  __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
		: __atomic_compare_exchange_n((uint32_t *)memory, &expected_word, (uint32_t)value,
			  false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);

	cpu->reserved_address = RISCV_NO_RESERVATION;
	return !stored;
}

/* Exception codes: Privileged ISA, table 14. */
static enum jit_stop misaligned(struct riscv_cpu *cpu, uint64_t address, bool is_load)
{
	cpu->fault_address = address;
	if (!cpu->is_system)
		return JIT_STOP_MISALIGNED;
	cpu->fault_code = is_load ? 4 : 6;
	return JIT_STOP_FAULT;
}

enum jit_stop riscv_execute_atomic(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	bool is_double = insn->op >= RISCV_LR_D;
	/* The rows of words come first, those of doubles follow in the same order. */
	enum riscv_op op = is_double ? (enum riscv_op)(insn->op - RISCV_LR_D + RISCV_LR_W)
				     : insn->op;
	uint64_t address = cpu->x[insn->rs1], operand = cpu->x[insn->rs2], old;
	void *memory;

	if (address & (is_double ? 7 : 3))
		return misaligned(cpu, address, op == RISCV_LR_W);
	/* Without a reservation memory is not looked at, as in translated code. */
	if (op == RISCV_SC_W && cpu->reserved_address != address) {
		cpu->reserved_address = RISCV_NO_RESERVATION;
		cpu->x[insn->rd] = 1;
		return JIT_STOP_LIMIT;
	}
	memory = riscv_reach(cpu, address, is_double ? 8 : 4,
		op == RISCV_LR_W ? RISCV_ACCESS_READ : RISCV_ACCESS_WRITE);
	if (!memory)
		return JIT_STOP_FAULT;
	if (op == RISCV_LR_W) {
		old = is_double
			? __atomic_load_n((uint64_t *)memory, __ATOMIC_SEQ_CST)
			: sign_extend_word(__atomic_load_n((uint32_t *)memory, __ATOMIC_SEQ_CST));
		cpu->reserved_address = address;
		cpu->reserved_value = old;
	} else if (op == RISCV_SC_W) {
		old = store_conditional(cpu, memory, operand, is_double);
	} else {
		old = is_double ? modify_double(memory, op, operand)
				: modify_word(memory, op, operand);
	}
	cpu->x[insn->rd] = old;
	return JIT_STOP_LIMIT;
}
