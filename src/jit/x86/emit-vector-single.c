/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit-vector-single.c - the first element of a vector: from a number, to one, and what all
 * elements come to.
 */
#include "jit/x86/emit-vector.h"

/* --- moves ------------------------------------------------------------------------------------ */

/* rax = the number in the place of b. */
static void load_number(struct emitter *e, const struct ir *ir, struct cold **slow)
{
	uint8_t reg;

	if (ir->flags & IR_IMMEDIATE) {
		x86_constant(&e->code, RAX, (uint64_t)ir->imm);
	} else if (is_float_slot(e, ir->b)) {
		reg = float_in(e, ir->b, XMM0);
		check_boxed(e, ir, slow, ir->b, ir->size, reg);
		x86_vex(&e->code, true, X86_PP_66, X86_MAP_0F, 0x7e, reg, 0,
			x86_r(RAX)); /* vmovq */
	} else {
		x86_load(&e->code, 8, RAX, where(e, ir->b));
	}
}

void vector_insert(struct emitter *e, unsigned width, uint8_t reg, unsigned index)
{
	static const uint8_t maps[] = { X86_MAP_0F3A, X86_MAP_0F, X86_MAP_0F3A, X86_MAP_0F3A },
			     opcodes[] = { 0x20, 0xc4, 0x22, 0x22 };

	x86_vex(&e->code, width == 3, X86_PP_66, maps[width], opcodes[width], reg, reg, x86_r(RAX));
	x86_byte(&e->code, (uint8_t)index);
}

/* Any length will do but none. */
void emit_vector_insert(struct emitter *e, const struct ir *ir)
{
	struct x86_operand d = vector_where(e, ir->d, 0);
	struct cold *slow = NULL;
	uint8_t *over = NULL;

	load_number(e, ir, &slow);
	if (ir->flags & IR_CHECK_LENGTH) {
		x86_arithmetic_immediate(&e->code, 4, X86_CMP, vector_length(e), 0);
		over = x86_jump_short_if(&e->code, X86_E);
	}
	if (d.is_memory)
		x86_store(&e->code, ir->size, d, RAX);
	else
		vector_insert(e, vector_width(ir), d.reg, 0);
	if (over)
		x86_set_short_target(&e->code, over);
	resume_here(e, slow);
}

static void extract_float(struct emitter *e, const struct ir *ir, struct x86_operand a)
{
	uint8_t reg = float_target(e, ir->d, XMM0);

	if (ir->size == 8) { /* vmovq */
		x86_vex(&e->code, false, X86_PP_F3, X86_MAP_0F, 0x7e, reg, 0, a);
	} else { /* a box, and vpblendd of the lowest word */
		x86_vex(&e->code, false, X86_PP_F3, X86_MAP_0F, 0x7e, XMM0, 0,
			constant_memory(e, CONSTANT_BOX_SINGLE));
		vector_3a(e, 0x02, reg, XMM0, a, 1);
	}
	float_out(e, ir->d, reg);
	note_width(e, ir->d, ir->size);
}

void emit_vector_extract(struct emitter *e, const struct ir *ir)
{
	struct x86_operand a = vector_where(e, ir->a, 0);
	uint8_t reg;

	if (is_float_slot(e, ir->d)) {
		extract_float(e, ir, a);
		return;
	}
	reg = target(e, ir->d, RAX);
	if (!a.is_memory) {
		x86_vex(&e->code, true, X86_PP_66, X86_MAP_0F, 0x7e, a.reg, 0, x86_r(RAX));
		a = x86_r(RAX);
	}
	x86_extend(&e->code, ir->size, true, reg, a);
	out(e, ir->d, reg);
}

/* --- all of them ------------------------------------------------------------------------------ */

/* xmm0 = the pieces, one over the other */
static void fold_pieces(struct emitter *e, const struct ir *ir, bool is_partial)
{
	unsigned width = vector_width(ir);

	for (unsigned n = 0; n < vector_pieces(ir); n++) {
		struct x86_operand a = x86_r(n ? XMM1 : XMM0);

		if (ir->flags & IR_NARROW_A)
			vector_extend(e, ir->a, n, width - 1, width, ir->flags & IR_SIGNED, a.reg);
		else
			a = vector_where(e, ir->a, n);
		if (is_partial) {
			vector_counting(e, ir, n, true);
			vector_0f(e, OP_AND, n ? XMM1 : XMM0, XMM1, a);
			a = x86_r(n ? XMM1 : XMM0);
		}
		if (n)
			vector_simple(e, (enum ir_op)ir->kind, width, XMM0, XMM0, a);
		else
			vector_move(e, XMM0, a);
	}
}

/* xmm0's elements, then b's first, to d's. */
static void fold(struct emitter *e, const struct ir *ir)
{
	unsigned width = vector_width(ir), bytes = vector_bytes(ir);
	struct ir put = *ir;

	for (unsigned half = (bytes < PIECE_BYTES ? bytes : PIECE_BYTES) / 2; half >= ir->size;
		half /= 2) {
		vector_shift(e, 3, 3, XMM1, XMM0, (uint8_t)half); /* vpsrldq */
		vector_simple(e, (enum ir_op)ir->kind, width, XMM0, XMM0, x86_r(XMM1));
	}
	vector_simple(e, (enum ir_op)ir->kind, width, XMM0, XMM0, vector_where(e, ir->b, 0));
	put.count = 1;
	vector_put(e, &put, 0, XMM0, false);
}

/* Of what has 0 for its neutral element, some may count. */
void emit_vector_reduce_partial(struct emitter *e, const struct cold *cold)
{
	const struct ir *ir = cold->ir;

	if ((ir->kind != IR_VECTOR_ADD && ir->kind != IR_VECTOR_OR && ir->kind != IR_VECTOR_XOR &&
		    ir->kind != IR_VECTOR_MAXIMUM_UNSIGNED) ||
		ir->flags & IR_NARROW_A) {
		vector_to_helper(e, ir);
		return;
	}
	x86_arithmetic_immediate(&e->code, 4, X86_CMP, vector_length(e), 0);
	x86_jump_if(&e->code, X86_E, cold->resume);
	fold_pieces(e, ir, true);
	fold(e, ir);
}

void emit_vector_reduce(struct emitter *e, const struct ir *ir)
{
	unsigned width = vector_width(ir), bytes = vector_bytes(ir);
	struct cold *cold;

	if (ir->c != IR_ZERO || !vector_is_simple((enum ir_op)ir->kind, width) ||
		(bytes >= PIECE_BYTES ? bytes % PIECE_BYTES : bytes & (bytes - 1))) {
		vector_to_helper(e, ir);
		return;
	}
	cold = vector_check_length(e, ir);
	fold_pieces(e, ir, false);
	fold(e, ir);
	resume_here(e, cold);
}
