/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interpret-vector-crypto.c - Zvkned, Zvknhb and Zvkg (RISC-V Unprivileged ISA, chapter "Vector
 * Cryptography"; FIPS 197 and 180-4, SP 800-38D): four elements at a time, by what the scalar
 * instructions compute.
 */
#include "jit/riscv/interpret-vector.h"

#define GROUP_ELEMENTS 4u

/* --- AES -------------------------------------------------------------------------------------- */

/* 16 bytes, the first the lowest of `low`. */
struct block {
	uint64_t low, high;
};

static struct block get_block(const struct riscv_cpu *cpu, unsigned reg, unsigned group)
{
	return (struct block){ riscv_vector_get(cpu, reg, 2 * group, 3),
		riscv_vector_get(cpu, reg, 2 * group + 1, 3) };
}

static void set_block(struct riscv_cpu *cpu, unsigned reg, unsigned group, struct block value)
{
	riscv_vector_set(cpu, reg, 2 * group, 3, value.low);
	riscv_vector_set(cpu, reg, 2 * group + 1, 3, value.high);
}

static struct block add(struct block a, struct block b)
{
	return (struct block){ a.low ^ b.low, a.high ^ b.high };
}

static struct block substitute(enum riscv_op scalar, struct block a)
{
	return (struct block){ riscv_compute_crypto(scalar, a.low, a.high),
		riscv_compute_crypto(scalar, a.high, a.low) };
}

static struct block aes_round(enum riscv_op op, struct block state, struct block key)
{
	switch (op) {
	case RISCV_VAESEM_VV:
	case RISCV_VAESEM_VS:
		return add(substitute(RISCV_AES64ESM, state), key);
	case RISCV_VAESEF_VV:
	case RISCV_VAESEF_VS:
		return add(substitute(RISCV_AES64ES, state), key);
	case RISCV_VAESDM_VV:
	case RISCV_VAESDM_VS:
		state = add(substitute(RISCV_AES64DS, state), key);
		return (struct block){ riscv_compute_crypto(RISCV_AES64IM, state.low, 0),
			riscv_compute_crypto(RISCV_AES64IM, state.high, 0) };
	case RISCV_VAESDF_VV:
	case RISCV_VAESDF_VS:
		return add(substitute(RISCV_AES64DS, state), key);
	default: /* VAESZ */
		return add(state, key);
	}
}

/* A round number out of range has its bit 3 the other way round. */
static unsigned round_number(unsigned immediate, unsigned least, unsigned most)
{
	immediate &= 15;
	return immediate < least || immediate > most ? immediate ^ 8 : immediate;
}

/* The next key from the one before it and, of 256 bits, the one before that. */
static struct block next_key(
	enum riscv_op op, struct block current, struct block previous, int32_t imm)
{
	enum { NO_ROTATION = 10 };
	unsigned round, constant;
	uint64_t word;

	if (op == RISCV_VAESKF1_VI) {
		constant = round_number((unsigned)imm, 1, 10) - 1;
		previous = current;
	} else {
		round = round_number((unsigned)imm, 2, 14);
		constant = round % 2 ? NO_ROTATION : round / 2 - 1;
	}
	word = riscv_compute_crypto(RISCV_AES64KS1I, current.high, constant);
	current.low = riscv_compute_crypto(RISCV_AES64KS2, word, previous.low);
	current.high = riscv_compute_crypto(RISCV_AES64KS2, current.low, previous.high);
	return current;
}

/* --- GHASH ------------------------------------------------------------------------------------ */

static struct block reverse_in_bytes(struct block a)
{
	return (struct block){ riscv_compute_bits(RISCV_BREV8, a.low, 0),
		riscv_compute_bits(RISCV_BREV8, a.high, 0) };
}

/* In GF(2^128) modulo x^128 + x^7 + x^2 + x + 1, bits of bytes in the order of GCM. */
static struct block multiply(struct block a, struct block b)
{
	struct block product = { 0, 0 };

	a = reverse_in_bytes(a);
	b = reverse_in_bytes(b);
	for (unsigned i = 0; i < 128; i++) {
		uint64_t bit = -((i < 64 ? a.low : a.high) >> i % 64 & 1), carry = -(b.high >> 63);

		product = add(product, (struct block){ b.low & bit, b.high & bit });
		b.high = b.high << 1 | b.low >> 63;
		b.low = b.low << 1 ^ (carry & 0x87);
	}
	return reverse_in_bytes(product);
}

/* --- SHA-2 ------------------------------------------------------------------------------------ */

enum sigma {
	SUM0,
	SUM1,
	SIG0,
	SIG1,
};

static uint64_t sigma(enum sigma which, uint64_t a, unsigned w)
{
	static const enum riscv_op words[] = { RISCV_SHA256SUM0, RISCV_SHA256SUM1, RISCV_SHA256SIG0,
		RISCV_SHA256SIG1 };
	static const enum riscv_op doubles[] = { RISCV_SHA512SUM0, RISCV_SHA512SUM1,
		RISCV_SHA512SIG0, RISCV_SHA512SIG1 };

	return riscv_compute_crypto(
		w == 3 ? doubles[which] : words[which], riscv_vector_truncate(a, w), 0);
}

/* Words 16 to 19 of the schedule, from 0 to 3 (vd), 4 and 9 to 11 (vs2), 12 to 15 (vs1). */
static void schedule(
	struct riscv_cpu *cpu, const struct riscv_insn *insn, unsigned group, unsigned w)
{
	uint64_t words[20] = { 0 };
	unsigned first = group * GROUP_ELEMENTS;

	for (unsigned i = 0; i < GROUP_ELEMENTS; i++) {
		words[i] = riscv_vector_get(cpu, insn->rd, first + i, w);
		words[i ? 8 + i : 4] = riscv_vector_get(cpu, insn->rs2, first + i, w);
		words[12 + i] = riscv_vector_get(cpu, insn->rs1, first + i, w);
	}
	for (unsigned i = 0; i < GROUP_ELEMENTS; i++) {
		words[16 + i] = sigma(SIG1, words[14 + i], w) + words[9 + i] +
			sigma(SIG0, words[1 + i], w) + words[i];
		riscv_vector_set(cpu, insn->rd, first + i, w, words[16 + i]);
	}
}

/* Two rounds; vs2 has f, e, b, a and vd has h, g, d, c, vs1 words of the schedule with the
 * constants added, of which one instruction takes the lower two and the other the upper two. */
static void compress(
	struct riscv_cpu *cpu, const struct riscv_insn *insn, unsigned group, unsigned w)
{
	unsigned first = group * GROUP_ELEMENTS, word = insn->op == RISCV_VSHA2CH_VV ? 2 : 0;
	uint64_t f = riscv_vector_get(cpu, insn->rs2, first, w),
		 e = riscv_vector_get(cpu, insn->rs2, first + 1, w),
		 b = riscv_vector_get(cpu, insn->rs2, first + 2, w),
		 a = riscv_vector_get(cpu, insn->rs2, first + 3, w),
		 h = riscv_vector_get(cpu, insn->rd, first, w),
		 g = riscv_vector_get(cpu, insn->rd, first + 1, w),
		 d = riscv_vector_get(cpu, insn->rd, first + 2, w),
		 c = riscv_vector_get(cpu, insn->rd, first + 3, w);

	for (unsigned i = 0; i < 2; i++) {
		uint64_t t1 = h + sigma(SUM1, e, w) + ((e & f) ^ (~e & g)) +
			riscv_vector_get(cpu, insn->rs1, first + word + i, w);
		uint64_t t2 = sigma(SUM0, a, w) + ((a & b) ^ (a & c) ^ (b & c));

		h = g;
		g = f;
		f = e;
		e = d + t1;
		d = c;
		c = b;
		b = a;
		a = t1 + t2;
	}
	riscv_vector_set(cpu, insn->rd, first, w, f);
	riscv_vector_set(cpu, insn->rd, first + 1, w, e);
	riscv_vector_set(cpu, insn->rd, first + 2, w, b);
	riscv_vector_set(cpu, insn->rd, first + 3, w, a);
}

/* --- groups ----------------------------------------------------------------------------------- */

static void execute_group(struct riscv_cpu *cpu, const struct riscv_insn *insn, unsigned group)
{
	unsigned w = riscv_vector_sew(cpu);
	bool scalar_key = insn->op >= RISCV_VAESDM_VS && insn->op <= RISCV_VAESZ_VS;
	struct block d, a;

	if (insn->op == RISCV_VSHA2MS_VV) {
		schedule(cpu, insn, group, w);
		return;
	}
	if (insn->op == RISCV_VSHA2CH_VV || insn->op == RISCV_VSHA2CL_VV) {
		compress(cpu, insn, group, w);
		return;
	}
	d = get_block(cpu, insn->rd, group);
	a = get_block(cpu, insn->rs2, scalar_key ? 0 : group);
	switch (insn->op) {
	case RISCV_VAESKF1_VI:
	case RISCV_VAESKF2_VI:
		d = next_key(insn->op, a, d, insn->imm);
		break;
	case RISCV_VGHSH_VV:
		d = multiply(add(d, get_block(cpu, insn->rs1, group)), a);
		break;
	case RISCV_VGMUL_VV:
		d = multiply(d, a);
		break;
	default:
		d = aes_round(insn->op, d, a);
		break;
	}
	set_block(cpu, insn->rd, group, d);
}

void riscv_execute_vector_crypto(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	for (unsigned i = cpu->vstart; i < cpu->vl; i += GROUP_ELEMENTS)
		execute_group(cpu, insn, i / GROUP_ELEMENTS);
}
