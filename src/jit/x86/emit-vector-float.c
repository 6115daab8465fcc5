/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit-vector-float.c - floating point on vectors, exact as emit-float.c has it: what x86 may do
 * otherwise than the guest goes to the helper before it is written. Here that is all from the piece
 * on in which it is found (vector_start), since those before it are done.
 */
#include "jit/x86/emit-vector.h"

struct slow_parts {
	unsigned nr;
	struct cold *parts[8];
};

static unsigned prefix(const struct ir *ir)
{
	return ir->size == 8 ? X86_PP_66 : X86_PP_NONE;
}

/* Of the map 0F: ps or pd. */
static void float_op(struct emitter *e, const struct ir *ir, uint8_t opcode, uint8_t to, uint8_t a,
	struct x86_operand b)
{
	x86_vex(&e->code, false, prefix(ir), X86_MAP_0F, opcode, to, a, b);
}

/* The helper does this piece and what is behind it when any bit of xmm1's elements is set. */
static void slow_if_any(struct emitter *e, const struct ir *ir, unsigned n, struct slow_parts *slow)
{
	struct cold *cold;

	float_op(e, ir, 0x50, RCX, 0, x86_r(XMM1)); /* vmovmskps */
	x86_test(&e->code, 4, RCX, RCX);
	cold = cold_part(e, COLD_VECTOR_REST, ir);
	cold->counter = (int)(n * PIECE_BYTES / ir->size);
	also_if(e, cold, X86_NE);
	slow->parts[slow->nr++] = cold;
}

static void slow_if_unordered(struct emitter *e, const struct ir *ir, unsigned n,
	struct slow_parts *slow, uint8_t a, struct x86_operand b)
{
	enum { UNORDERED_QUIET = 3 };

	float_op(e, ir, 0xc2, XMM1, a, b);
	x86_byte(&e->code, UNORDERED_QUIET);
	slow_if_any(e, ir, n, slow);
}

/* --- operands -------------------------------------------------------------------------------- */

/* vcvtps2pd: two singles of a group to two doubles. */
static void widen(
	struct emitter *e, unsigned slot, unsigned n, uint8_t opcode, unsigned pp, uint8_t to)
{
	struct x86_operand from = where(e, slot + n / 2);

	if (from.is_memory) {
		from.disp += (int32_t)(n % 2 * 8);
	} else if (n % 2) {
		vector_shift(e, 3, 3, to, from.reg, 8); /* vpsrldq */
		from = x86_r(to);
	}
	x86_vex(&e->code, false, pp, X86_MAP_0F, opcode, to, 0, from);
}

/* Do all elements of piece n count? Others must not raise flags: in their place there is 0, and 1
 * where it is divided by. */
static bool is_whole(const struct ir *ir, unsigned n, bool is_partial)
{
	return !is_partial && ir->c == IR_ZERO && vector_bytes(ir) - n * PIECE_BYTES >= PIECE_BYTES;
}

enum { SPARE_A, SPARE_B, SPARE_D, SPARE_COUNTS };

/* spare = all ones in the elements that count. */
static void find_counting(struct emitter *e, const struct ir *ir, unsigned n, bool is_partial)
{
	vector_counting(e, ir, n, is_partial);
	vector_0f(e, OP_STORE, XMM1, 0, spare_memory(e, SPARE_COUNTS));
}

/* The operand, or what is harmless; by way of xmm0. */
static struct x86_operand harmless(
	struct emitter *e, const struct ir *ir, struct x86_operand operand, unsigned spare)
{
	bool is_divisor = (ir->op == IR_VECTOR_FLOAT_DIVIDE && spare == SPARE_B) ||
		(ir->op == IR_VECTOR_FLOAT_DIVIDE_REVERSE && spare == SPARE_A);
	struct x86_operand copy = spare_memory(e, spare);

	vector_move(e, XMM0, spare_memory(e, SPARE_COUNTS));
	if (is_divisor) { /* where nothing counts it is 1 */
		vector_0f(e, OP_AND_NOT, XMM0, XMM0,
			constant_memory(e, CONSTANT_ONE_SINGLES + (ir->size == 8)));
		vector_0f(e, OP_STORE, XMM0, 0, copy);
		vector_move(e, XMM0, spare_memory(e, SPARE_COUNTS));
	}
	vector_0f(e, OP_AND, XMM0, XMM0, operand);
	if (is_divisor)
		vector_0f(e, OP_OR, XMM0, XMM0, copy);
	vector_0f(e, OP_STORE, XMM0, 0, copy);
	return copy;
}

/* As vector_prepare(), but it is floating point that is made wider. */
static void prepare(
	struct emitter *e, const struct ir *ir, unsigned n, bool is_partial, struct vector_piece *p)
{
	bool whole = is_whole(ir, n, is_partial);

	if (!whole)
		find_counting(e, ir, n, is_partial);
	*p = (struct vector_piece){ .number = n, .to = XMM0, .b = x86_r(XMM1) };
	p->d = vector_where(e, ir->d, n);
	p->a = x86_r(XMM0);
	if (ir->flags & IR_NARROW_A)
		widen(e, ir->a, n, 0x5a, X86_PP_NONE, XMM0);
	else
		p->a = vector_where(e, ir->a, n);
	if (is_vector_slot(ir->b)) {
		if (ir->flags & IR_NARROW_B)
			widen(e, ir->b, n, 0x5a, X86_PP_NONE, XMM1);
		else
			p->b = vector_where(e, ir->b, n);
	} else if (ir->b != IR_ZERO && ir->flags & IR_NARROW_B) {
		x86_vex(&e->code, false, X86_PP_F3, X86_MAP_0F, 0x5a, XMM1, XMM1,
			where(e, ir->b)); /* vcvtss2sd, vpbroadcastq */
		vector_38(e, 0x59, XMM1, 0, x86_r(XMM1));
	} else if (ir->b != IR_ZERO) {
		vector_spread(e, ir);
	}
	if (whole)
		return;
	p->a = harmless(e, ir, p->a, SPARE_A);
	p->d = harmless(e, ir, p->d, SPARE_D);
	if (ir->b != IR_ZERO)
		p->b = harmless(e, ir, p->b, SPARE_B);
}

/* --- operations: the result in xmm0 ----------------------------------------------------------- */

static void compute_binary(struct emitter *e, const struct ir *ir, const struct vector_piece *p)
{
	static const uint8_t opcodes[] = { 0x58, 0x5c, 0x5c, 0x59, 0x5e, 0x5e };
	bool is_reverse = ir->op == IR_VECTOR_FLOAT_SUBTRACT_REVERSE ||
		ir->op == IR_VECTOR_FLOAT_DIVIDE_REVERSE;
	uint8_t opcode = opcodes[ir->op - IR_VECTOR_FLOAT_ADD];

	if (is_reverse)
		float_op(e, ir, opcode, XMM0, vector_in(e, p->b, XMM1), p->a);
	else
		float_op(e, ir, opcode, XMM0, vector_in(e, p->a, XMM0), p->b);
}

/* vfmadd231: += the product of the other two; vfmadd213: times the second, += the third. */
static void compute_fused(struct emitter *e, const struct ir *ir, const struct vector_piece *p)
{
	static const uint8_t opcodes[] = { 0xb8, 0xba, 0xbc, 0xbe };
	uint8_t opcode = opcodes[ir->kind];
	enum { FORM_213 = -0x10 };
	struct x86_operand third = p->a;
	uint8_t second;

	if (ir->flags & IR_NARROW_A) { /* xmm0 = xmm0 * xmm1 + d */
		second = XMM1;
		third = p->d;
		opcode = (uint8_t)(opcode + FORM_213);
	} else {
		if (ir->op == IR_VECTOR_FLOAT_SCALE)
			opcode = (uint8_t)(opcode + FORM_213);
		second = vector_in(e, p->b, XMM1);
		vector_move(e, XMM0, p->d);
	}
	x86_vex(&e->code, ir->size == 8, X86_PP_66, X86_MAP_0F38, opcode, XMM0, second, third);
}

/* Of what is not NaN; both ways round, which differ in the sign of 0 alone. */
static void compute_pick(struct emitter *e, const struct ir *ir, const struct vector_piece *p)
{
	bool is_minimum = ir->op == IR_VECTOR_FLOAT_MINIMUM;
	uint8_t opcode = is_minimum ? 0x5d : 0x5f, b = vector_in(e, p->b, XMM1);

	float_op(e, ir, opcode, XMM0, vector_in(e, p->a, XMM0), x86_r(b));
	float_op(e, ir, opcode, XMM1, b, p->a);
	vector_0f(e, is_minimum ? OP_OR : OP_AND, XMM0, XMM0, x86_r(XMM1));
}

static void emit_computation(struct emitter *e, const struct ir *ir, unsigned n, bool is_partial,
	struct slow_parts *slow)
{
	struct vector_piece p;

	prepare(e, ir, n, is_partial, &p);
	switch (ir->op) {
	case IR_VECTOR_FLOAT_SQUARE_ROOT:
		float_op(e, ir, 0x51, XMM0, 0, p.a);
		break;
	case IR_VECTOR_FLOAT_MINIMUM:
	case IR_VECTOR_FLOAT_MAXIMUM:
		slow_if_unordered(e, ir, n, slow, vector_in(e, p.a, XMM0), p.b);
		if (!is_vector_slot(ir->b) && is_whole(ir, n, is_partial))
			vector_spread(e, ir);
		compute_pick(e, ir, &p);
		vector_put(e, ir, n, XMM0, is_partial);
		return;
	case IR_VECTOR_FLOAT_FUSE:
	case IR_VECTOR_FLOAT_SCALE:
		compute_fused(e, ir, &p);
		break;
	default:
		compute_binary(e, ir, &p);
		break;
	}
	slow_if_unordered(e, ir, n, slow, XMM0, x86_r(XMM0));
	vector_put(e, ir, n, XMM0, is_partial);
}

/* --- conversions -------------------------------------------------------------------------------
 */

/* Two pieces of doubles to one of what has half the size; or one, to its lower half. */
static void emit_narrow(
	struct emitter *e, const struct ir *ir, unsigned n, unsigned pp, uint8_t opcode)
{
	x86_vex(&e->code, false, pp, X86_MAP_0F, opcode, XMM0, 0, vector_where(e, ir->a, 2 * n));
	if (vector_bytes(ir) - n * PIECE_BYTES <= PIECE_BYTES / 2)
		return;
	x86_vex(&e->code, false, pp, X86_MAP_0F, opcode, XMM1, 0,
		vector_where(e, ir->a, 2 * n + 1));
	vector_0f(e, 0x6c, XMM0, XMM0, x86_r(XMM1)); /* vpunpcklqdq */
}

static void emit_conversion(struct emitter *e, const struct ir *ir, unsigned n, bool is_partial,
	struct slow_parts *slow)
{
	bool to_word = true;
	struct x86_operand a = vector_where(e, ir->a, ir->kind <= IR_WORD_TO_SINGLE ? n : 0);

	if (ir->kind <= IR_WORD_TO_SINGLE && !is_whole(ir, n, is_partial)) {
		find_counting(e, ir, n, is_partial);
		a = harmless(e, ir, a, SPARE_A);
	}
	switch ((enum ir_conversion)ir->kind) {
	case IR_SINGLE_TO_WORD: /* vcvtps2dq, vcvttps2dq, vcvtdq2ps */
		x86_vex(&e->code, false, X86_PP_66, X86_MAP_0F, 0x5b, XMM0, 0, a);
		break;
	case IR_SINGLE_TO_WORD_TO_ZERO:
		x86_vex(&e->code, false, X86_PP_F3, X86_MAP_0F, 0x5b, XMM0, 0, a);
		break;
	case IR_WORD_TO_SINGLE:
		x86_vex(&e->code, false, X86_PP_NONE, X86_MAP_0F, 0x5b, XMM0, 0, a);
		vector_put(e, ir, n, XMM0, is_partial);
		return;
	case IR_WORD_TO_DOUBLE: /* vcvtdq2pd */
		widen(e, ir->a, n, 0xe6, X86_PP_F3, XMM0);
		vector_put(e, ir, n, XMM0, is_partial);
		return;
	case IR_SINGLE_TO_DOUBLE:
		widen(e, ir->a, n, 0x5a, X86_PP_NONE, XMM0);
		to_word = false;
		break;
	case IR_DOUBLE_TO_SINGLE: /* vcvtpd2ps, vcvtpd2dq, vcvttpd2dq */
		emit_narrow(e, ir, n, X86_PP_66, 0x5a);
		to_word = false;
		break;
	case IR_DOUBLE_TO_WORD:
		emit_narrow(e, ir, n, X86_PP_F2, 0xe6);
		break;
	case IR_DOUBLE_TO_WORD_TO_ZERO:
		emit_narrow(e, ir, n, X86_PP_66, 0xe6);
		break;
	}
	if (to_word) {
		vector_0f(e, 0x76, XMM1, XMM0, constant_memory(e, CONSTANT_SIGN_SINGLES));
		slow_if_any(e, ir, n, slow);
	} else {
		slow_if_unordered(e, ir, n, slow, XMM0, x86_r(XMM0));
	}
	vector_put(e, ir, n, XMM0, is_partial);
}

/* --- all together ----------------------------------------------------------------------------- */

/* They come back to where they have to go on. */
static void emit_floats(
	struct emitter *e, const struct ir *ir, bool is_partial, struct slow_parts *slow)
{
	for (unsigned n = 0; n < vector_pieces(ir); n++)
		if (ir->op == IR_VECTOR_FLOAT_CONVERT)
			emit_conversion(e, ir, n, is_partial, slow);
		else
			emit_computation(e, ir, n, is_partial, slow);
}

void emit_vector_float(struct emitter *e, const struct ir *ir)
{
	struct cold *cold = vector_check_length(e, ir), *unboxed = vector_check_number(e, ir);
	struct slow_parts slow = { 0 };

	emit_floats(e, ir, false, &slow);
	resume_here(e, cold);
	resume_here(e, unboxed);
	for (unsigned i = 0; i < slow.nr; i++)
		resume_here(e, slow.parts[i]);
}

void emit_vector_float_partial(struct emitter *e, const struct cold *cold)
{
	const struct ir *ir = cold->ir;
	struct slow_parts slow = { 0 };
	struct cold *unboxed;

	if (ir->flags & (IR_NARROW_A | IR_NARROW_B) ||
		(ir->op == IR_VECTOR_FLOAT_CONVERT && ir->kind > IR_WORD_TO_SINGLE)) {
		vector_to_helper(e, ir);
		return;
	}
	unboxed = vector_check_number(e, ir);
	if (unboxed)
		unboxed->resume = cold->resume;
	emit_floats(e, ir, true, &slow);
	for (unsigned i = 0; i < slow.nr; i++)
		slow.parts[i]->resume = cold->resume;
}

void vector_compare_floats(struct emitter *e, const struct ir *ir, const struct vector_piece *p)
{
	/* EQ_OQ and NEQ_UQ are quiet, LT_OS, LE_OS, GT_OS and GE_OS are not: SDM volume 2, CMPPS */
	static const uint8_t predicates[] = { [IR_EQUAL] = 0x00,
		[IR_NOT_EQUAL] = 0x04,
		[IR_LESS] = 0x01,
		[IR_LESS_OR_EQUAL] = 0x02,
		[IR_GREATER] = 0x0e,
		[IR_GREATER_OR_EQUAL] = 0x0d };

	float_op(e, ir, 0xc2, XMM0, vector_in(e, p->a, XMM0), p->b);
	x86_byte(&e->code, predicates[ir->condition]);
}

/* One after the other: vaddss, vaddsd. */
void emit_vector_float_sum(struct emitter *e, const struct ir *ir)
{
	unsigned pp = ir->size == 8 ? X86_PP_F2 : X86_PP_F3, elements = PIECE_BYTES / ir->size;
	struct cold *cold = vector_check_length(e, ir), *slow;
	struct ir put = *ir;

	vector_move(e, XMM0, vector_where(e, ir->b, 0));
	for (unsigned i = 0; i < ir->count; i++) {
		struct x86_operand a = vector_where(e, ir->a, i / elements);
		unsigned at = i % elements * ir->size;

		if (a.is_memory) {
			a.disp += (int32_t)at;
		} else if (at) {
			vector_shift(e, 3, 3, XMM1, a.reg, (uint8_t)at); /* vpsrldq */
			a = x86_r(XMM1);
		}
		x86_vex(&e->code, false, pp, X86_MAP_0F, 0x58, XMM0, XMM0, a);
	}
	x86_vex(&e->code, false, prefix(ir), X86_MAP_0F, 0x2e, XMM0, 0, x86_r(XMM0)); /* vucomiss */
	slow = helper_if(e, ir, X86_P);
	put.count = 1;
	vector_put(e, &put, 0, XMM0, false);
	resume_here(e, cold);
	resume_here(e, slow);
}
