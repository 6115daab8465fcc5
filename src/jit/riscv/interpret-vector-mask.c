/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interpret-vector-mask.c - masks (RISC-V Unprivileged ISA, chapter "V", "Vector Mask
 * Instructions").
 */
#include "jit/riscv/interpret-vector.h"

/* Masks are two words of 64 bits. */
#define WORDS	  (RISCV_VLEN_BYTES / 8)
#define WORD_BITS 64u

static uint64_t combine(enum riscv_op op, uint64_t a, uint64_t b)
{
	switch (op) {
	case RISCV_VMANDN_MM:
		return a & ~b;
	case RISCV_VMAND_MM:
		return a & b;
	case RISCV_VMOR_MM:
		return a | b;
	case RISCV_VMXOR_MM:
		return a ^ b;
	case RISCV_VMORN_MM:
		return a | ~b;
	case RISCV_VMNAND_MM:
		return ~(a & b);
	case RISCV_VMNOR_MM:
		return ~(a | b);
	default: /* VMXNOR */
		return ~(a ^ b);
	}
}

/* The bits of a word whose elements are before `end`. */
static uint64_t bits_before(uint64_t end, unsigned word)
{
	uint64_t first = word * WORD_BITS;

	if (end <= first)
		return 0;
	return end - first >= WORD_BITS ? UINT64_MAX : (UINT64_C(1) << (end - first)) - 1;
}

static void combine_masks(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	for (unsigned word = 0; word < WORDS; word++) {
		uint64_t body = bits_before(cpu->vl, word) & ~bits_before(cpu->vstart, word);
		uint64_t result = combine(insn->op, riscv_vector_get(cpu, insn->rs2, word, 3),
			riscv_vector_get(cpu, insn->rs1, word, 3));
		uint64_t old = riscv_vector_get(cpu, insn->rd, word, 3);

		riscv_vector_set(cpu, insn->rd, word, 3, (old & ~body) | (result & body));
	}
}

/* The active elements of a word that are set. */
static uint64_t set_bits(const struct riscv_cpu *cpu, const struct riscv_insn *insn, unsigned word)
{
	uint64_t active = insn->vm ? UINT64_MAX : riscv_vector_get(cpu, 0, word, 3);

	return riscv_vector_get(cpu, insn->rs2, word, 3) & active & bits_before(cpu->vl, word);
}

static uint64_t count(const struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	uint64_t found = 0;

	for (unsigned word = 0; word < WORDS; word++)
		found += (uint64_t)__builtin_popcountll(set_bits(cpu, insn, word));
	return found;
}

/* vl when there is none. */
static uint64_t find_first(const struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	for (unsigned word = 0; word < WORDS; word++) {
		uint64_t bits = set_bits(cpu, insn, word);

		if (bits)
			return word * WORD_BITS + (unsigned)__builtin_ctzll(bits);
	}
	return cpu->vl;
}

static void mark_first(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	uint64_t first = find_first(cpu, insn);

	for (unsigned i = 0; i < cpu->vl; i++) {
		bool value;

		if (!riscv_vector_is_active(cpu, insn, i))
			continue;
		if (insn->op == RISCV_VMSBF_M)
			value = i < first;
		else if (insn->op == RISCV_VMSIF_M)
			value = i <= first;
		else /* VMSOF */
			value = i == first;
		riscv_vector_set_bit(cpu, insn->rd, i, value);
	}
}

/* viota: how many are set before each element. */
static void number_set(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	uint64_t found = 0;

	for (unsigned i = 0; i < cpu->vl; i++) {
		if (!riscv_vector_is_active(cpu, insn, i))
			continue;
		riscv_vector_set(cpu, insn->rd, i, riscv_vector_sew(cpu), found);
		found += riscv_vector_get_bit(cpu, insn->rs2, i);
	}
}

/* vid: the index of each element. */
static void number_all(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	for (unsigned i = cpu->vstart; i < cpu->vl; i++)
		if (riscv_vector_is_active(cpu, insn, i))
			riscv_vector_set(cpu, insn->rd, i, riscv_vector_sew(cpu), i);
}

void riscv_execute_vector_mask(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	uint64_t first;

	switch (insn->op) {
	case RISCV_VCPOP_M:
		cpu->x[insn->rd] = count(cpu, insn);
		break;
	case RISCV_VFIRST_M:
		first = find_first(cpu, insn);
		cpu->x[insn->rd] = first < cpu->vl ? first : UINT64_MAX;
		break;
	case RISCV_VMSBF_M ... RISCV_VMSIF_M:
		mark_first(cpu, insn);
		break;
	case RISCV_VIOTA_M:
		number_set(cpu, insn);
		break;
	case RISCV_VID_V:
		number_all(cpu, insn);
		break;
	default:
		combine_masks(cpu, insn);
		break;
	}
}
