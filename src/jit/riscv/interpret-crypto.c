/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interpret-crypto.c - Zknd, Zkne and Zknh (RISC-V Unprivileged ISA 20240411, chapter 32; FIPS 197
 * and 180-4). The host does AES where it can; elsewhere the S-box is computed, so that no data
 * decides what is in a cache.
 */
#include "jit/aes.h"
#include "jit/riscv/interpret.h"

/* --- AES -------------------------------------------------------------------------------------- */

/* Multiplication in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1. */
static uint8_t multiply(uint8_t a, uint8_t b)
{
	uint8_t product = 0;

	for (unsigned i = 0; i < 8; i++) {
		product ^= (uint8_t)(a & -(b >> i & 1));
		a = (uint8_t)(a << 1 ^ (0x1b & -(a >> 7)));
	}
	return product;
}

/* a^254 = 1/a, and 0 for 0. */
static uint8_t inverse(uint8_t a)
{
	uint8_t result = 1;

	for (unsigned i = 0; i < 7; i++) {
		a = multiply(a, a);
		result = multiply(result, a);
	}
	return result;
}

static uint8_t rotate_left(uint8_t a, unsigned count)
{
	return (uint8_t)(a << count | a >> (8 - count));
}

static uint8_t substitute(uint8_t a)
{
	a = inverse(a);
	return a ^ rotate_left(a, 1) ^ rotate_left(a, 2) ^ rotate_left(a, 3) ^ rotate_left(a, 4) ^
		0x63;
}

static uint8_t substitute_back(uint8_t a)
{
	return inverse(rotate_left(a, 1) ^ rotate_left(a, 3) ^ rotate_left(a, 6) ^ 0x05);
}

static uint64_t substitute_each(uint64_t value, uint8_t (*substitution)(uint8_t))
{
	uint64_t result = 0;

	for (unsigned i = 0; i < 64; i += 8)
		result |= (uint64_t)substitution((uint8_t)(value >> i)) << i;
	return result;
}

/* A column times the polynomial whose coefficients are `factors`, lowest first. */
static uint32_t mix_column(uint32_t column, const uint8_t factors[4])
{
	uint32_t result = 0;

	for (unsigned to = 0; to < 4; to++)
		for (unsigned from = 0; from < 4; from++)
			result ^= (uint32_t)multiply(
					  (uint8_t)(column >> 8 * from), factors[(to - from) & 3])
				<< 8 * to;
	return result;
}

static uint64_t mix_columns(uint64_t value, const uint8_t factors[4])
{
	return mix_column((uint32_t)value, factors) |
		(uint64_t)mix_column((uint32_t)(value >> 32), factors) << 32;
}

static const uint8_t forward_factors[4] = { 2, 1, 1, 3 }, backward_factors[4] = { 14, 9, 13, 11 };

/* Eight bytes of the sixteen that `high`:`low` are, by their numbers, lowest first. */
static uint64_t pick_bytes(uint64_t low, uint64_t high, const uint8_t numbers[8])
{
	uint64_t result = 0;

	for (unsigned i = 0; i < 8; i++) {
		uint64_t half = numbers[i] < 8 ? low : high;

		result |= (half >> 8 * (numbers[i] & 7) & 0xff) << 8 * i;
	}
	return result;
}

static const uint8_t shift_rows[8] = { 0, 5, 10, 15, 4, 9, 14, 3 };
static const uint8_t shift_rows_back[8] = { 0, 13, 10, 7, 4, 1, 14, 11 };

static uint64_t key_schedule_1(uint64_t a, uint64_t round)
{
	static const uint8_t constants[11] = { 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1b,
		0x36, 0x00 };
	uint32_t word = (uint32_t)(a >> 32);
	uint64_t block[2] = { 0 };

	if (round != 10)
		word = word >> 8 | word << 24;
	block[0] = word;
	if (host_aes(HOST_AES_SUBSTITUTE, block))
		word = (uint32_t)block[0];
	else
		word = (uint32_t)substitute_each(word, substitute);
	word ^= constants[round];
	return word | (uint64_t)word << 32;
}

/* By the host; false for what is not a step of a round, and where it cannot. */
static bool aes_on_host(enum riscv_op op, uint64_t a, uint64_t b, uint64_t *ret)
{
	uint64_t block[2] = { a, b };
	enum host_aes_op step;

	switch (op) {
	case RISCV_AES64ES:
		step = HOST_AES_LAST_ROUND;
		break;
	case RISCV_AES64ESM:
		step = HOST_AES_ROUND;
		break;
	case RISCV_AES64DS:
		step = HOST_AES_LAST_ROUND_BACK;
		break;
	case RISCV_AES64DSM:
		step = HOST_AES_ROUND_BACK;
		break;
	case RISCV_AES64IM:
		step = HOST_AES_MIX_BACK;
		break;
	default:
		return false;
	}
	if (!host_aes(step, block))
		return false;
	*ret = block[0];
	return true;
}

static uint64_t aes(enum riscv_op op, uint64_t a, uint64_t b)
{
	uint32_t word;
	uint64_t result;

	if (aes_on_host(op, a, b, &result))
		return result;
	switch (op) {
	case RISCV_AES64ES:
		return substitute_each(pick_bytes(a, b, shift_rows), substitute);
	case RISCV_AES64ESM:
		return mix_columns(
			substitute_each(pick_bytes(a, b, shift_rows), substitute), forward_factors);
	case RISCV_AES64DS:
		return substitute_each(pick_bytes(a, b, shift_rows_back), substitute_back);
	case RISCV_AES64DSM:
		return mix_columns(
			substitute_each(pick_bytes(a, b, shift_rows_back), substitute_back),
			backward_factors);
	case RISCV_AES64IM:
		return mix_columns(a, backward_factors);
	case RISCV_AES64KS1I:
		return key_schedule_1(a, b);
	default: /* AES64KS2 */
		word = (uint32_t)(a >> 32) ^ (uint32_t)b;
		return word | (uint64_t)(word ^ (uint32_t)(b >> 32)) << 32;
	}
}

/* --- SHA-2 ------------------------------------------------------------------------------------ */

static uint32_t right(uint32_t value, unsigned count)
{
	return value >> count | value << (32 - count);
}

static uint64_t right_double(uint64_t value, unsigned count)
{
	return value >> count | value << (64 - count);
}

static uint32_t sha256(enum riscv_op op, uint32_t a)
{
	switch (op) {
	case RISCV_SHA256SIG0:
		return right(a, 7) ^ right(a, 18) ^ a >> 3;
	case RISCV_SHA256SIG1:
		return right(a, 17) ^ right(a, 19) ^ a >> 10;
	case RISCV_SHA256SUM0:
		return right(a, 2) ^ right(a, 13) ^ right(a, 22);
	default:
		return right(a, 6) ^ right(a, 11) ^ right(a, 25);
	}
}

uint64_t riscv_compute_crypto(enum riscv_op op, uint64_t a, uint64_t b)
{
	switch (op) {
	case RISCV_SHA512SIG0:
		return right_double(a, 1) ^ right_double(a, 8) ^ a >> 7;
	case RISCV_SHA512SIG1:
		return right_double(a, 19) ^ right_double(a, 61) ^ a >> 6;
	case RISCV_SHA512SUM0:
		return right_double(a, 28) ^ right_double(a, 34) ^ right_double(a, 39);
	case RISCV_SHA512SUM1:
		return right_double(a, 14) ^ right_double(a, 18) ^ right_double(a, 41);
	case RISCV_SHA256SIG0:
	case RISCV_SHA256SIG1:
	case RISCV_SHA256SUM0:
	case RISCV_SHA256SUM1:
		return (uint64_t)(int64_t)(int32_t)sha256(op, (uint32_t)a);
	default:
		return aes(op, a, b);
	}
}
