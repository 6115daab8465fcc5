/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interpret-bits.c - Zba, Zbb, Zbc, Zbs, Zbkb and Zbkx (RISC-V Unprivileged ISA 20240411,
 * chapters 28 "B" and 32 "Zk").
 */
#include "jit/riscv/interpret.h"

static uint64_t sign_extend_word(uint64_t value)
{
	return (uint64_t)(int64_t)(int32_t)value;
}

static uint64_t rotate_right(uint64_t value, unsigned count)
{
	return value >> (count & 63) | value << (-count & 63);
}

static uint64_t rotate_word_right(uint32_t value, unsigned count)
{
	return sign_extend_word(value >> (count & 31) | value << (-count & 31));
}

/* Each byte becomes 0xff unless it is 0. */
static uint64_t or_combine(uint64_t a)
{
	uint64_t result = 0;

	for (unsigned i = 0; i < 64; i += 8)
		if (a >> i & 0xff)
			result |= UINT64_C(0xff) << i;
	return result;
}

static uint64_t reverse_bits_in_bytes(uint64_t a)
{
	a = (a >> 1 & 0x5555555555555555) | (a & 0x5555555555555555) << 1;
	a = (a >> 2 & 0x3333333333333333) | (a & 0x3333333333333333) << 2;
	return (a >> 4 & 0x0f0f0f0f0f0f0f0f) | (a & 0x0f0f0f0f0f0f0f0f) << 4;
}

/* The carry-less product of 127 bits, shifted right. */
static uint64_t carry_less_product(uint64_t a, uint64_t b, unsigned shift)
{
	unsigned __int128 product = 0;

	for (unsigned i = 0; i < 64; i++)
		if (b >> i & 1)
			product ^= (unsigned __int128)a << i;
	return (uint64_t)(product >> shift);
}

/* Elements of a, chosen by those of b; what is out of range is 0. */
static uint64_t permute(uint64_t a, uint64_t b, unsigned width)
{
	uint64_t mask = (UINT64_C(1) << width) - 1, result = 0;

	for (unsigned i = 0; i < 64; i += width) {
		uint64_t from = (b >> i & mask) * width;

		if (from < 64)
			result |= (a >> from & mask) << i;
	}
	return result;
}

static uint64_t count_bits(enum riscv_op op, uint64_t a)
{
	uint32_t word = (uint32_t)a;

	switch (op) {
	case RISCV_CLZ:
		return a ? (uint64_t)__builtin_clzll(a) : 64;
	case RISCV_CTZ:
		return a ? (uint64_t)__builtin_ctzll(a) : 64;
	case RISCV_CPOP:
		return (uint64_t)__builtin_popcountll(a);
	case RISCV_CLZW:
		return word ? (uint64_t)__builtin_clz(word) : 32;
	case RISCV_CTZW:
		return word ? (uint64_t)__builtin_ctz(word) : 32;
	default: /* CPOPW */
		return (uint64_t)__builtin_popcount(word);
	}
}

static uint64_t single_bit(enum riscv_op op, uint64_t a, uint64_t b)
{
	uint64_t bit = UINT64_C(1) << (b & 63);

	switch (op) {
	case RISCV_BCLR:
	case RISCV_BCLRI:
		return a & ~bit;
	case RISCV_BEXT:
	case RISCV_BEXTI:
		return (a & bit) != 0;
	case RISCV_BINV:
	case RISCV_BINVI:
		return a ^ bit;
	default: /* BSET, BSETI */
		return a | bit;
	}
}

static uint64_t rearrange(enum riscv_op op, uint64_t a, uint64_t b)
{
	switch (op) {
	case RISCV_ROL:
		return rotate_right(a, -(unsigned)b);
	case RISCV_ROR:
	case RISCV_RORI:
		return rotate_right(a, (unsigned)b);
	case RISCV_ROLW:
		return rotate_word_right((uint32_t)a, -(unsigned)b);
	case RISCV_RORW:
	case RISCV_RORIW:
		return rotate_word_right((uint32_t)a, (unsigned)b);
	case RISCV_ORC_B:
		return or_combine(a);
	case RISCV_REV8:
		return __builtin_bswap64(a);
	case RISCV_BREV8:
		return reverse_bits_in_bytes(a);
	case RISCV_PACK:
		return (uint32_t)a | b << 32;
	case RISCV_PACKH:
		return (a & 0xff) | (b & 0xff) << 8;
	case RISCV_PACKW:
		return sign_extend_word((a & 0xffff) | (b & 0xffff) << 16);
	case RISCV_CLMUL:
		return carry_less_product(a, b, 0);
	case RISCV_CLMULR:
		return carry_less_product(a, b, 63);
	case RISCV_CLMULH:
		return carry_less_product(a, b, 64);
	case RISCV_XPERM4:
		return permute(a, b, 4);
	case RISCV_XPERM8:
		return permute(a, b, 8);
	case RISCV_CLZ:
	case RISCV_CTZ:
	case RISCV_CPOP:
	case RISCV_CLZW:
	case RISCV_CTZW:
	case RISCV_CPOPW:
		return count_bits(op, a);
	default:
		return single_bit(op, a, b);
	}
}

uint64_t riscv_compute_bits(enum riscv_op op, uint64_t a, uint64_t b)
{
	switch (op) {
	case RISCV_SH1ADD:
		return (a << 1) + b;
	case RISCV_SH2ADD:
		return (a << 2) + b;
	case RISCV_SH3ADD:
		return (a << 3) + b;
	case RISCV_ADD_UW:
		return (uint32_t)a + b;
	case RISCV_SH1ADD_UW:
		return ((uint64_t)(uint32_t)a << 1) + b;
	case RISCV_SH2ADD_UW:
		return ((uint64_t)(uint32_t)a << 2) + b;
	case RISCV_SH3ADD_UW:
		return ((uint64_t)(uint32_t)a << 3) + b;
	case RISCV_SLLI_UW:
		return (uint64_t)(uint32_t)a << (b & 63);
	case RISCV_ANDN:
		return a & ~b;
	case RISCV_ORN:
		return a | ~b;
	case RISCV_XNOR:
		return ~(a ^ b);
	case RISCV_MIN:
		return (int64_t)a < (int64_t)b ? a : b;
	case RISCV_MINU:
		return a < b ? a : b;
	case RISCV_MAX:
		return (int64_t)a < (int64_t)b ? b : a;
	case RISCV_MAXU:
		return a < b ? b : a;
	case RISCV_SEXT_B:
		return (uint64_t)(int64_t)(int8_t)a;
	case RISCV_SEXT_H:
		return (uint64_t)(int64_t)(int16_t)a;
	case RISCV_ZEXT_H:
		return (uint16_t)a;
	default:
		return rearrange(op, a, b);
	}
}
