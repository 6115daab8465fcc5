/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit-vector.h - what the files that make code for vectors share.
 *
 * A vector operation goes over its operands in pieces of 16 bytes, from the lowest on. A slot is a
 * register of xmm by the block's map, or in the state's memory. Of the last piece perhaps not all
 * elements count, and with a mask, or where the guest's vector length is not what the operation was
 * made for, some of every piece: those of the destination are then put together from two.
 */
#pragma once

#include "jit/x86/emit.h"

#define PIECE_BYTES  16u
#define ELEMENTS_MAX 64u /* that are moved one by one */

/* One piece of an operation with two operands. */
struct vector_piece {
	unsigned number;
	uint8_t to; /* register to compute in; it may be an operand's, but b's alone if is xmm1 */
	struct x86_operand a, b, d;
};

typedef void emit_piece(struct emitter *e, const struct ir *ir, const struct vector_piece *piece);

static inline unsigned vector_bytes(const struct ir *ir)
{
	return (unsigned)ir->count * ir->size;
}

static inline unsigned vector_pieces(const struct ir *ir)
{
	return (vector_bytes(ir) + PIECE_BYTES - 1) / PIECE_BYTES;
}

/* log2 of the size of an element. */
static inline unsigned vector_width(const struct ir *ir)
{
	return (unsigned)__builtin_ctz(ir->size);
}

static inline struct x86_operand vector_length(const struct emitter *e)
{
	return state_memory(e->jit->guest->vector_length);
}

/* Room for 16 bytes, while an operation lasts. */
static inline struct x86_operand spare_memory(const struct emitter *e, unsigned n)
{
	return frame_memory(e->jit, offsetof(struct jit_frame, spare) + PIECE_BYTES * n);
}

/* VEX, 128 bits. */
static inline void vector_op(struct emitter *e, unsigned map, uint8_t opcode, uint8_t to, uint8_t a,
	struct x86_operand b)
{
	x86_vex(&e->code, false, X86_PP_66, map, opcode, to, a, b);
}

/* ... of the map 0F, and of 0F3A with an immediate. */
static inline void vector_0f(
	struct emitter *e, uint8_t opcode, uint8_t to, uint8_t a, struct x86_operand b)
{
	vector_op(e, X86_MAP_0F, opcode, to, a, b);
}

static inline void vector_38(
	struct emitter *e, uint8_t opcode, uint8_t to, uint8_t a, struct x86_operand b)
{
	vector_op(e, X86_MAP_0F38, opcode, to, a, b);
}

static inline void vector_3a(
	struct emitter *e, uint8_t opcode, uint8_t to, uint8_t a, struct x86_operand b, uint8_t imm)
{
	vector_op(e, X86_MAP_0F3A, opcode, to, a, b);
	x86_byte(&e->code, imm);
}

/* vpsll and its kin by an immediate; digit 2: right, 4: arithmetic, 6: left. */
static inline void vector_shift(
	struct emitter *e, unsigned width, uint8_t digit, uint8_t to, uint8_t from, uint8_t count)
{
	x86_vex(&e->code, false, X86_PP_66, X86_MAP_0F, (uint8_t)(0x70 + width), digit, to,
		x86_r(from));
	x86_byte(&e->code, count);
}

enum {
	OP_LOAD = 0x6f,
	OP_STORE = 0x7f,
	OP_AND = 0xdb,
	OP_AND_NOT = 0xdf,
	OP_OR = 0xeb,
	OP_XOR = 0xef
};

/* emit-vector.c. Piece n of an operand. */
struct x86_operand vector_where(const struct emitter *e, unsigned slot, unsigned n);
/* The operand in a register: its own, or `scratch`. */
uint8_t vector_in(struct emitter *e, struct x86_operand operand, uint8_t scratch);
void vector_move(struct emitter *e, uint8_t to, struct x86_operand from);
/* Piece n of d is `from`, as far as its elements count. Uses both scratch registers of either
 * kind, but for `from`. */
void vector_put(struct emitter *e, const struct ir *ir, unsigned n, uint8_t from, bool is_partial);
/* The number in the place of b, in each element of xmm1. Uses rax. */
void vector_spread(struct emitter *e, const struct ir *ir);
/* All ones in the elements of piece n whose bits are set in the mask: in xmm1. */
void vector_spread_mask(struct emitter *e, const struct ir *ir, unsigned n);
/* All ones in those of piece n that count at all: in xmm1. Uses rcx. */
void vector_counting(struct emitter *e, const struct ir *ir, unsigned n, bool is_partial);
/* vpinsrb, vpinsrw, vpinsrd, vpinsrq: rax to an element of the register. */
void vector_insert(struct emitter *e, unsigned width, uint8_t reg, unsigned index);
/* All ones in the first `bytes` of a piece, in memory. */
struct x86_operand vector_first_bytes(const struct emitter *e, unsigned bytes);
/* A piece of elements of 1 << to bytes from the operand at slot, where they have 1 << from. */
void vector_extend(struct emitter *e, unsigned slot, unsigned n, unsigned from, unsigned to,
	bool is_signed, uint8_t reg);
/* Go to a part that does it for the length there is. NULL: the length is what it should be. */
struct cold *vector_check_length(struct emitter *e, const struct ir *ir);
/* Go to the helper when b is to be a single and is not one. NULL: it is. */
struct cold *vector_check_number(struct emitter *e, const struct ir *ir);
void vector_to_helper(struct emitter *e, const struct ir *ir);

/* The operands of piece n; what has to be extended is in the scratch registers. */
void vector_prepare(struct emitter *e, const struct ir *ir, unsigned n, struct vector_piece *p);

/* How an operation is made, a piece at a time. */
struct vector_recipe {
	emit_piece *piece;
	bool takes_immediate; /* by itself: no need to spread it */
	bool spoils_number; /* what is spread in xmm1 */
	bool has_no_b;
};

/* emit-vector-integer.c: an empty one where there is no way here. */
struct vector_recipe vector_integer_recipe(const struct emitter *e, const struct ir *ir);
/* ... and is it a single instruction? */
bool vector_is_simple(enum ir_op op, unsigned width);
void vector_simple(struct emitter *e, enum ir_op op, unsigned width, uint8_t to, uint8_t a,
	struct x86_operand b);

/* emit-vector-float.c: xmm0 = a `condition` b, of all bits or none. */
void vector_compare_floats(struct emitter *e, const struct ir *ir, const struct vector_piece *p);

/* For the length there is. */
void emit_vector_float_partial(struct emitter *e, const struct cold *cold);

void emit_vector_reduce_partial(struct emitter *e, const struct cold *cold);

/* emit-vector-memory.c: likewise. */
void emit_vector_load_partial(struct emitter *e, const struct cold *cold);
void emit_vector_store_partial(struct emitter *e, const struct ir *ir);
