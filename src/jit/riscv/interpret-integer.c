/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interpret-integer.c - I, M and Zicond without memory and jumps (RISC-V Unprivileged ISA 20240411,
 * chapters 2, 4, 12 and 13).
 */
#include "jit/riscv/interpret.h"

typedef unsigned __int128 u128;
typedef __int128 i128;

static uint64_t sign_extend_word(uint64_t value)
{
	return (uint64_t)(int64_t)(int32_t)value;
}

/* Division never traps: by zero it gives all ones and the dividend, and it may overflow. */
static uint64_t divide(int64_t a, int64_t b)
{
	if (b == 0)
		return UINT64_MAX;
	return b == -1 ? -(uint64_t)a : (uint64_t)(a / b);
}

static uint64_t remainder_of(int64_t a, int64_t b)
{
	if (b == 0)
		return (uint64_t)a;
	return b == -1 ? 0 : (uint64_t)(a % b);
}

static uint64_t multiply_or_divide(enum riscv_op op, uint64_t a, uint64_t b)
{
	switch (op) {
	case RISCV_MUL:
		return a * b;
	case RISCV_MULH:
		return (uint64_t)((i128)(int64_t)a * (int64_t)b >> 64);
	case RISCV_MULHSU:
		return (uint64_t)((i128)(int64_t)a * (i128)(u128)b >> 64);
	case RISCV_MULHU:
		return (uint64_t)((u128)a * b >> 64);
	case RISCV_DIV:
		return divide((int64_t)a, (int64_t)b);
	case RISCV_DIVU:
		return b ? a / b : UINT64_MAX;
	case RISCV_REM:
		return remainder_of((int64_t)a, (int64_t)b);
	case RISCV_REMU:
		return b ? a % b : a;
	case RISCV_MULW:
		return sign_extend_word(a * b);
	case RISCV_DIVW:
		return sign_extend_word(divide((int32_t)a, (int32_t)b));
	case RISCV_DIVUW:
		return sign_extend_word((uint32_t)b ? (uint32_t)a / (uint32_t)b : UINT32_MAX);
	case RISCV_REMW:
		return sign_extend_word(remainder_of((int32_t)a, (int32_t)b));
	default: /* REMUW */
		return sign_extend_word((uint32_t)b ? (uint32_t)a % (uint32_t)b : a);
	}
}

uint64_t riscv_compute(enum riscv_op op, uint64_t a, uint64_t b, uint64_t pc)
{
	switch (op) {
	case RISCV_ADDI:
	case RISCV_ADD:
		return a + b;
	case RISCV_SUB:
		return a - b;
	case RISCV_SLTI:
	case RISCV_SLT:
		return (int64_t)a < (int64_t)b;
	case RISCV_SLTIU:
	case RISCV_SLTU:
		return a < b;
	case RISCV_XORI:
	case RISCV_XOR:
		return a ^ b;
	case RISCV_ORI:
	case RISCV_OR:
		return a | b;
	case RISCV_ANDI:
	case RISCV_AND:
		return a & b;
	case RISCV_SLLI:
	case RISCV_SLL:
		return a << (b & 63);
	case RISCV_SRLI:
	case RISCV_SRL:
		return a >> (b & 63);
	case RISCV_SRAI:
	case RISCV_SRA:
		return (uint64_t)((int64_t)a >> (b & 63));
	case RISCV_ADDIW:
	case RISCV_ADDW:
		return sign_extend_word(a + b);
	case RISCV_SUBW:
		return sign_extend_word(a - b);
	case RISCV_SLLIW:
	case RISCV_SLLW:
		return sign_extend_word(a << (b & 31));
	case RISCV_SRLIW:
	case RISCV_SRLW:
		return sign_extend_word((uint32_t)a >> (b & 31));
	case RISCV_SRAIW:
	case RISCV_SRAW:
		return (uint64_t)(int64_t)((int32_t)a >> (b & 31));
	case RISCV_LUI:
		return b;
	case RISCV_AUIPC:
		return pc + b;
	case RISCV_CZERO_EQZ:
		return b ? a : 0;
	case RISCV_CZERO_NEZ:
		return b ? 0 : a;
	default:
		return multiply_or_divide(op, a, b);
	}
}
