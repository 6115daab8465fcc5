/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interpret-vector.h - what the files that execute vector instructions share.
 *
 * riscv_execute_vector() has found an instruction legal for the vector type before a group's
 * function sees it: register groups lie within the 32 registers, widths exist, and what overlaps
 * may be computed one element after the other, upwards from vstart. Elements that are masked off or
 * beyond vl stay as they are, whatever the type says of agnostic ones; so do the bits of a mask.
 *
 * A width is a number w: elements have 8 << w bits, 1 << w bytes. SEW is cpu's own.
 */
#pragma once

#include <string.h>

#include "jit/riscv/interpret.h"

#define RISCV_VECTOR_GROUP_BYTES (8u * RISCV_VLEN_BYTES) /* the largest */
#define RISCV_VECTOR_BLOCK_BYTES 16u /* what is computed at once; registers are whole blocks */

/* Of vtype. */
static inline unsigned riscv_vector_sew(const struct riscv_cpu *cpu)
{
	return cpu->vtype >> 3 & 3;
}

/* log2 of LMUL: -3 to 3. */
static inline int riscv_vector_lmul(const struct riscv_cpu *cpu)
{
	return (int)((cpu->vtype & 7) ^ 4) - 4;
}

/* Elements of a register group, whatever vl is. */
static inline unsigned riscv_vector_length_max(const struct riscv_cpu *cpu)
{
	return (8u * RISCV_VLEN_BYTES << (riscv_vector_lmul(cpu) + 3)) >>
		(riscv_vector_sew(cpu) + 6);
}

/* Element i of the group at `reg`, zero-extended. */
static inline uint64_t riscv_vector_get(
	const struct riscv_cpu *cpu, unsigned reg, unsigned i, unsigned w)
{
	const uint8_t *element = cpu->v + reg * RISCV_VLEN_BYTES + ((size_t)i << w);
	uint16_t half;
	uint32_t word;
	uint64_t value;

	switch (w) {
	case 0:
		return *element;
	case 1:
		memcpy(&half, element, sizeof(half));
		return half;
	case 2:
		memcpy(&word, element, sizeof(word));
		return word;
	default:
		memcpy(&value, element, sizeof(value));
		return value;
	}
}

/* The low bits of `value`. */
static inline void riscv_vector_set(
	struct riscv_cpu *cpu, unsigned reg, unsigned i, unsigned w, uint64_t value)
{
	uint8_t *element = cpu->v + reg * RISCV_VLEN_BYTES + ((size_t)i << w);

	switch (w) {
	case 0:
		*element = (uint8_t)value;
		break;
	case 1:
		memcpy(element, &value, 2);
		break;
	case 2:
		memcpy(element, &value, 4);
		break;
	default:
		memcpy(element, &value, 8);
		break;
	}
}

static inline bool riscv_vector_get_bit(const struct riscv_cpu *cpu, unsigned reg, unsigned i)
{
	return cpu->v[reg * RISCV_VLEN_BYTES + i / 8] >> i % 8 & 1;
}

static inline void riscv_vector_set_bit(struct riscv_cpu *cpu, unsigned reg, unsigned i, bool value)
{
	uint8_t *byte = &cpu->v[reg * RISCV_VLEN_BYTES + i / 8];

	*byte = (uint8_t)((*byte & ~(1u << i % 8)) | (unsigned)value << i % 8);
}

/* Not masked off. */
static inline bool riscv_vector_is_active(
	const struct riscv_cpu *cpu, const struct riscv_insn *insn, unsigned i)
{
	return insn->vm || riscv_vector_get_bit(cpu, 0, i);
}

/* The low 8 << w bits, zero- and sign-extended. */
static inline uint64_t riscv_vector_truncate(uint64_t value, unsigned w)
{
	return value & UINT64_MAX >> (64 - (8u << w));
}

static inline int64_t riscv_vector_extend(uint64_t value, unsigned w)
{
	unsigned above = 64 - (8u << w);

	return (int64_t)(value << above) >> above;
}

/* The width that a load or store has encoded. */
static inline unsigned riscv_vector_memory_width(const struct riscv_insn *insn)
{
	return insn->rm ? insn->rm - 4u : 0;
}

/* Is vs1 a vector? */
static inline bool riscv_vector_has_vs1(const struct riscv_insn *insn)
{
	enum riscv_format format = riscv_format(insn->op);

	return format == RISCV_FORMAT_VVV || format == RISCV_FORMAT_VVVM ||
		format == RISCV_FORMAT_VAV || format == RISCV_FORMAT_V1;
}

/* The operand in the place of vs1: a group, or the same number for every element. */
struct riscv_vector_operand {
	bool is_group;
	uint8_t reg;
	uint64_t scalar;
};

/* The formats of the widths; NULL where there is none. */
extern const struct float_format *const riscv_vector_formats[4];

/* Does it compute with floating point, or have an f register? */
bool riscv_vector_is_float(enum riscv_op op);

struct riscv_vector_operand riscv_vector_first_operand(
	const struct riscv_cpu *cpu, const struct riscv_insn *insn, unsigned w);

static inline uint64_t riscv_vector_get_operand(const struct riscv_cpu *cpu,
	const struct riscv_vector_operand *operand, unsigned i, unsigned w)
{
	return operand->is_group ? riscv_vector_get(cpu, operand->reg, i, w) : operand->scalar;
}

/* interpret-vector-legal.c: may this one execute, with the type, vstart and rounding there are? */
bool riscv_vector_is_legal(const struct riscv_cpu *cpu, const struct riscv_insn *insn);

/* interpret-vector-memory.c: loads and stores. vstart is the element at a time that may fault;
 * false: it did. */
bool riscv_execute_vector_memory(struct riscv_cpu *cpu, const struct riscv_insn *insn);
/* interpret-vector-integer.c: RISCV_VECTOR_INTEGER but for what the two below have. */
void riscv_execute_vector_integer(struct riscv_cpu *cpu, const struct riscv_insn *insn);
/* interpret-vector-blocks.c: many of them, when vstart is 0; false for the others. */
bool riscv_execute_vector_blocks(struct riscv_cpu *cpu, const struct riscv_insn *insn);
/* The active elements of `from`, vl of them, to vd. */
void riscv_vector_move_active(
	struct riscv_cpu *cpu, const struct riscv_insn *insn, const void *from, unsigned w);
/* The operand as blocks of 16 bytes: its group, or `block`, filled with the number. */
const void *riscv_vector_spread(const struct riscv_cpu *cpu,
	const struct riscv_vector_operand *operand, unsigned w, void *block, size_t *ret_step);
/* interpret-vector-fixed.c: vsaddu ... vssra and vnclip of one element; may set vxsat. `a` is an
 * element of vs2 (of vnclip twice as wide), b of vs1, both zero-extended. */
uint64_t riscv_vector_compute_fixed(
	struct riscv_cpu *cpu, enum riscv_op op, uint64_t a, uint64_t b, unsigned w);
/* interpret-vector-reduce.c */
void riscv_execute_vector_reduction(struct riscv_cpu *cpu, const struct riscv_insn *insn);
/* interpret-vector-mask.c: RISCV_VECTOR_MASK. */
void riscv_execute_vector_mask(struct riscv_cpu *cpu, const struct riscv_insn *insn);
/* interpret-vector-permute.c: RISCV_VECTOR_PERMUTATION, and moves and slides of others. */
void riscv_execute_vector_permutation(struct riscv_cpu *cpu, const struct riscv_insn *insn);
/* interpret-vector-crypto.c: RISCV_VECTOR_CRYPTO. */
void riscv_execute_vector_crypto(struct riscv_cpu *cpu, const struct riscv_insn *insn);
/* interpret-vector-float.c: RISCV_VECTOR_FLOAT but for moves and slides. */
void riscv_execute_vector_float(struct riscv_cpu *cpu, const struct riscv_insn *insn);
