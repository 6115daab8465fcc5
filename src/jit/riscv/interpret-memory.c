/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interpret-memory.c - loads, stores, atomics and cache blocks (RISC-V Unprivileged ISA 20240411,
 * chapters 2.6, 14 "A" and 19 "CMOs").
 *
 * Loads and stores may be misaligned, as Linux promises user programs; atomics may not. Atomics are
 * sequentially consistent, whatever aq and rl say: x86 has nothing cheaper. sc succeeds when memory
 * still holds what lr has read, as QEMU does it; a value that came back in between is not seen.
 */
#include "jit/riscv/interpret.h"

#include <string.h>

#define CACHE_BLOCK_BYTES 64

static uint64_t load(const struct riscv_cpu *cpu, uint64_t address, size_t size)
{
	uint64_t value = 0;

	memcpy(&value, riscv_host(cpu, address), size);
	return value;
}

static void store(const struct riscv_cpu *cpu, uint64_t address, uint64_t value, size_t size)
{
	memcpy(riscv_host(cpu, address), &value, size);
}

void riscv_execute_memory(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	uint64_t address = cpu->x[insn->rs1] + (uint64_t)(int64_t)insn->imm;
	uint64_t *rd = &cpu->x[insn->rd], *fd = &cpu->f[insn->rd];

	switch (insn->op) {
	case RISCV_LB:
		*rd = (uint64_t)(int64_t)(int8_t)load(cpu, address, 1);
		break;
	case RISCV_LH:
		*rd = (uint64_t)(int64_t)(int16_t)load(cpu, address, 2);
		break;
	case RISCV_LW:
		*rd = (uint64_t)(int64_t)(int32_t)load(cpu, address, 4);
		break;
	case RISCV_LD:
		*rd = load(cpu, address, 8);
		break;
	case RISCV_LBU:
		*rd = load(cpu, address, 1);
		break;
	case RISCV_LHU:
		*rd = load(cpu, address, 2);
		break;
	case RISCV_LWU:
		*rd = load(cpu, address, 4);
		break;
	case RISCV_FLH:
		*fd = load(cpu, address, 2) | UINT64_C(0xffffffffffff0000);
		break;
	case RISCV_FLW:
		*fd = load(cpu, address, 4) | UINT64_C(0xffffffff00000000);
		break;
	case RISCV_FLD:
		*fd = load(cpu, address, 8);
		break;
	case RISCV_SB:
		store(cpu, address, cpu->x[insn->rs2], 1);
		break;
	case RISCV_SH:
		store(cpu, address, cpu->x[insn->rs2], 2);
		break;
	case RISCV_SW:
		store(cpu, address, cpu->x[insn->rs2], 4);
		break;
	case RISCV_SD:
		store(cpu, address, cpu->x[insn->rs2], 8);
		break;
	case RISCV_FSH:
		store(cpu, address, cpu->f[insn->rs2], 2);
		break;
	case RISCV_FSW:
		store(cpu, address, cpu->f[insn->rs2], 4);
		break;
	case RISCV_FSD:
		store(cpu, address, cpu->f[insn->rs2], 8);
		break;
	case RISCV_CBO_ZERO:
		memset(riscv_host(cpu, address & ~(uint64_t)(CACHE_BLOCK_BYTES - 1)), 0,
			CACHE_BLOCK_BYTES);
		break;
	default: /* what is done to caches has no effect on what is read */
		break;
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
	struct riscv_cpu *cpu, uint64_t address, uint64_t value, bool is_double)
{
	void *memory = riscv_host(cpu, address);
	uint64_t expected = cpu->reserved_value;
	uint32_t expected_word = (uint32_t)expected;
	bool stored = false;

	if (cpu->reserved_address == address)
		stored = is_double
			? __atomic_compare_exchange_n((uint64_t *)memory, &expected, value, false,
				  __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
			: __atomic_compare_exchange_n((uint32_t *)memory, &expected_word,
				  (uint32_t)value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	cpu->reserved_address = RISCV_NO_RESERVATION;
	return !stored;
}

bool riscv_execute_atomic(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	bool is_double = insn->op >= RISCV_LR_D;
	/* The rows of words come first, those of doubles follow in the same order. */
	enum riscv_op op = is_double ? (enum riscv_op)(insn->op - RISCV_LR_D + RISCV_LR_W)
				     : insn->op;
	uint64_t address = cpu->x[insn->rs1], operand = cpu->x[insn->rs2], old;
	void *memory = riscv_host(cpu, address);

	if (address & (is_double ? 7 : 3)) {
		cpu->fault_address = address;
		return false;
	}
	if (op == RISCV_LR_W) {
		old = is_double
			? __atomic_load_n((uint64_t *)memory, __ATOMIC_SEQ_CST)
			: sign_extend_word(__atomic_load_n((uint32_t *)memory, __ATOMIC_SEQ_CST));
		cpu->reserved_address = address;
		cpu->reserved_value = old;
	} else if (op == RISCV_SC_W) {
		old = store_conditional(cpu, address, operand, is_double);
	} else {
		old = is_double ? modify_double(memory, op, operand)
				: modify_word(memory, op, operand);
	}
	cpu->x[insn->rd] = old;
	return true;
}
