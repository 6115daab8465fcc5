/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit-vector-integer.c - computation on vectors of integers, by AVX2.
 */
#include "jit/x86/emit-vector.h"

/* One instruction: its map and opcode for each width; opcode 0: there is none. */
struct simple {
	uint8_t map[4], opcode[4];
	bool is_commutative;
};

#define ALL(a, b, c, d)                                                                            \
	{ X86_MAP_0F, X86_MAP_0F, X86_MAP_0F, X86_MAP_0F },                                        \
	{                                                                                          \
		a, b, c, d                                                                         \
	}
#define FIRST IR_VECTOR_ADD

static const struct simple simples[] = {
	[IR_VECTOR_ADD - FIRST] = { ALL(0xfc, 0xfd, 0xfe, 0xd4), true },
	[IR_VECTOR_SUB - FIRST] = { ALL(0xf8, 0xf9, 0xfa, 0xfb) },
	[IR_VECTOR_SUB_REVERSE - FIRST] = { ALL(0xf8, 0xf9, 0xfa, 0xfb) },
	[IR_VECTOR_AND - FIRST] = { ALL(0xdb, 0xdb, 0xdb, 0xdb), true },
	[IR_VECTOR_OR - FIRST] = { ALL(0xeb, 0xeb, 0xeb, 0xeb), true },
	[IR_VECTOR_XOR - FIRST] = { ALL(0xef, 0xef, 0xef, 0xef), true },
	[IR_VECTOR_AND_NOT - FIRST] = { ALL(0xdf, 0xdf, 0xdf, 0xdf) },
	[IR_VECTOR_MINIMUM -
		FIRST] = { { X86_MAP_0F38, X86_MAP_0F, X86_MAP_0F38 }, { 0x38, 0xea, 0x39 }, true },
	[IR_VECTOR_MAXIMUM -
		FIRST] = { { X86_MAP_0F38, X86_MAP_0F, X86_MAP_0F38 }, { 0x3c, 0xee, 0x3d }, true },
	[IR_VECTOR_MINIMUM_UNSIGNED -
		FIRST] = { { X86_MAP_0F, X86_MAP_0F38, X86_MAP_0F38 }, { 0xda, 0x3a, 0x3b }, true },
	[IR_VECTOR_MAXIMUM_UNSIGNED -
		FIRST] = { { X86_MAP_0F, X86_MAP_0F38, X86_MAP_0F38 }, { 0xde, 0x3e, 0x3f }, true },
	[IR_VECTOR_MULTIPLY - FIRST] = { { 0, X86_MAP_0F, X86_MAP_0F38 }, { 0, 0xd5, 0x40 }, true },
	[IR_VECTOR_MULTIPLY_HIGH - FIRST] = { { 0, X86_MAP_0F }, { 0, 0xe5 }, true },
	[IR_VECTOR_MULTIPLY_HIGH_UNSIGNED - FIRST] = { { 0, X86_MAP_0F }, { 0, 0xe4 }, true },
};

bool vector_is_simple(enum ir_op op, unsigned width)
{
	return op >= FIRST && op - FIRST < sizeof(simples) / sizeof(simples[0]) &&
		simples[op - FIRST].opcode[width];
}

void vector_simple(struct emitter *e, enum ir_op op, unsigned width, uint8_t to, uint8_t a,
	struct x86_operand b)
{
	const struct simple *simple = &simples[op - FIRST];

	vector_op(e, simple->map[width], simple->opcode[width], to, a, b);
}

static void emit_simple(struct emitter *e, const struct ir *ir, const struct vector_piece *p)
{
	const struct simple *simple = &simples[ir->op - FIRST];
	unsigned width = vector_width(ir);
	struct x86_operand a = p->a, b = p->b;

	if (ir->op == IR_VECTOR_SUB_REVERSE || ir->op == IR_VECTOR_AND_NOT ||
		(simple->is_commutative && a.is_memory && !b.is_memory))
		a = p->b, b = p->a;
	vector_op(e, simple->map[width], simple->opcode[width], p->to, vector_in(e, a, XMM0), b);
}

static void emit_move_piece(struct emitter *e, const struct ir *ir, const struct vector_piece *p)
{
	vector_move(e, p->to, p->b);
}

static void emit_copy_piece(struct emitter *e, const struct ir *ir, const struct vector_piece *p)
{
	vector_move(e, p->to, p->a);
}

/* Minima and maxima of 64 bits: b, and a where that is the one. */
static void emit_pick_long(struct emitter *e, const struct ir *ir, const struct vector_piece *p)
{
	bool is_minimum = ir->op == IR_VECTOR_MINIMUM || ir->op == IR_VECTOR_MINIMUM_UNSIGNED;
	uint8_t b = vector_in(e, p->b, XMM1);

	if (is_minimum)
		vector_38(e, 0x37, XMM0, b, p->a); /* vpcmpgtq */
	else
		vector_38(e, 0x37, XMM0, vector_in(e, p->a, XMM0), x86_r(b));
	vector_3a(e, 0x4c, p->to, b, p->a, XMM0 << 4);
}

static void emit_pick_long_unsigned(
	struct emitter *e, const struct ir *ir, const struct vector_piece *p)
{
	bool is_minimum = ir->op == IR_VECTOR_MINIMUM_UNSIGNED;
	struct x86_operand sign = constant_memory(e, CONSTANT_SIGN_DOUBLES);

	vector_0f(e, OP_XOR, XMM1, vector_in(e, p->b, XMM1), sign);
	vector_0f(e, OP_XOR, XMM0, vector_in(e, p->a, XMM0), sign);
	if (is_minimum)
		vector_38(e, 0x37, XMM0, XMM1, x86_r(XMM0));
	else
		vector_38(e, 0x37, XMM0, XMM0, x86_r(XMM1));
	vector_0f(e, OP_XOR, XMM1, XMM1, sign);
	vector_3a(e, 0x4c, p->to, XMM1, p->a, XMM0 << 4);
}

/* --- products ---------------------------------------------------------------------------------
 */

/* Of the lower halves of 64 bits. */
static void emit_multiply_halves(
	struct emitter *e, const struct ir *ir, const struct vector_piece *p)
{
	uint8_t b = vector_in(e, p->b, XMM1);

	if (ir->flags & IR_SIGNED)
		vector_38(e, 0x28, p->to, b, p->a);
	else
		vector_0f(e, 0xf4, p->to, b, p->a);
}

/* The lower halves, and crosswise what goes to the upper half. */
static void emit_multiply_long(struct emitter *e, const struct ir *ir, const struct vector_piece *p)
{
	uint8_t b = vector_in(e, p->b, XMM1);

	vector_0f(e, 0x70, XMM0, 0, x86_r(b)); /* vpshufd: halves exchanged */
	x86_byte(&e->code, 0xb1);
	vector_38(e, 0x40, XMM0, XMM0, p->a);
	vector_38(e, 0x02, XMM0, XMM0, x86_r(XMM0)); /* vphaddd */
	vector_38(e, 0x35, XMM0, 0, x86_r(XMM0)); /* vpmovzxdq */
	vector_shift(e, 3, 6, XMM0, XMM0, 32);
	vector_0f(e, 0xf4, XMM1, b, p->a);
	vector_0f(e, 0xd4, p->to, XMM0, x86_r(XMM1));
}

/* vpclmulqdq, of the lower and the upper elements */
static void emit_carryless(struct emitter *e, const struct ir *ir, const struct vector_piece *p)
{
	bool is_high = ir->op == IR_VECTOR_MULTIPLY_CARRYLESS_HIGH;
	uint8_t b = vector_in(e, p->b, XMM1);

	vector_3a(e, 0x44, XMM0, b, p->a, 0x00);
	vector_3a(e, 0x44, XMM1, b, p->a, 0x11);
	vector_0f(e, is_high ? 0x6d : 0x6c, p->to, XMM0, x86_r(XMM1)); /* vpunpck?qdq */
}

static struct vector_recipe multiply_recipe(const struct ir *ir)
{
	bool is_narrow = ir->flags & IR_NARROW_A && ir->flags & IR_NARROW_B;

	if (vector_width(ir) < 3)
		return (struct vector_recipe){ vector_width(ir) ? emit_simple : NULL };
	if (!is_narrow)
		return (struct vector_recipe){ emit_multiply_long, .spoils_number = true };
	if (!(ir->flags & IR_SIGNED) != !(ir->flags & IR_SIGNED_B))
		return (struct vector_recipe){ 0 };
	return (struct vector_recipe){ emit_multiply_halves };
}

/* d and a product: of a and b, or of d and b with a added. */
static void emit_product(struct emitter *e, const struct ir *ir, const struct vector_piece *p)
{
	bool scales = ir->op == IR_VECTOR_SCALE_ADD || ir->op == IR_VECTOR_SCALE_SUB;
	bool subtracts = ir->op == IR_VECTOR_SUB_PRODUCT || ir->op == IR_VECTOR_SCALE_SUB;
	const struct simple *sum = &simples[(subtracts ? IR_VECTOR_SUB : IR_VECTOR_ADD) - FIRST];
	struct vector_piece product = *p;
	struct ir multiply = *ir;
	struct x86_operand addend = p->d;

	if (scales) {
		addend = p->a;
		product.a = p->d;
	}
	multiply.op = IR_VECTOR_MULTIPLY;
	product.to = XMM0;
	multiply_recipe(&multiply).piece(e, &multiply, &product);
	if (subtracts)
		vector_0f(e, sum->opcode[vector_width(ir)], p->to, vector_in(e, addend, XMM1),
			x86_r(XMM0));
	else
		vector_0f(e, sum->opcode[vector_width(ir)], p->to, XMM0, addend);
}

static struct vector_recipe product_recipe(const struct ir *ir)
{
	struct vector_recipe multiply = multiply_recipe(ir);

	return (struct vector_recipe){ multiply.piece ? emit_product : NULL,
		.spoils_number = true };
}

/* --- moves ------------------------------------------------------------------------------------ */

static void emit_reverse_piece(struct emitter *e, const struct ir *ir, const struct vector_piece *p)
{
	vector_38(e, 0x00, p->to, vector_in(e, p->a, XMM0),
		constant_memory(e, CONSTANT_REVERSE + vector_width(ir)));
}

static void emit_numbers_piece(struct emitter *e, const struct ir *ir, const struct vector_piece *p)
{
	vector_move(
		e, p->to, constant_memory(e, CONSTANT_NUMBERS + 8 * vector_width(ir) + p->number));
}

static void emit_select_piece(struct emitter *e, const struct ir *ir, const struct vector_piece *p)
{
	vector_move(e, XMM0, p->b);
	vector_spread_mask(e, ir, p->number);
	if (!p->a.is_memory) {
		vector_3a(e, 0x4c, p->to, p->a.reg, x86_r(XMM0), XMM1 << 4); /* vpblendvb */
		return;
	}
	vector_0f(e, OP_AND, XMM0, XMM0, x86_r(XMM1));
	vector_0f(e, OP_AND_NOT, XMM1, XMM1, p->a);
	vector_0f(e, OP_OR, p->to, XMM0, x86_r(XMM1));
}

static void emit_extend_piece(struct emitter *e, const struct ir *ir, const struct vector_piece *p)
{
	vector_extend(e, ir->a, p->number, (unsigned)__builtin_ctz(ir->kind), vector_width(ir),
		ir->flags & IR_SIGNED, p->to);
}

/* The slot `back` before the piece's and the next one, as one long one; before the first is 0. */
static void shift_up(struct emitter *e, const struct ir *ir, const struct vector_piece *p,
	unsigned back, unsigned bytes)
{
	unsigned slot = p->number - back;

	if (slot == 0)
		vector_shift(e, 3, 7, XMM0, vector_in(e, vector_where(e, ir->a, 0), XMM0),
			(uint8_t)bytes); /* vpslldq */
	else if (bytes)
		vector_3a(e, 0x0f, XMM0, vector_in(e, vector_where(e, ir->a, slot), XMM0),
			vector_where(e, ir->a, slot - 1), (uint8_t)(PIECE_BYTES - bytes));
	else
		vector_move(e, XMM0, vector_where(e, ir->a, slot));
}

static void emit_slide_up_piece(
	struct emitter *e, const struct ir *ir, const struct vector_piece *p)
{
	unsigned bytes = (unsigned)ir->imm * ir->size, back = bytes / PIECE_BYTES;

	if (p->number < back) {
		vector_move(e, p->to, p->d);
		return;
	}
	shift_up(e, ir, p, back, bytes % PIECE_BYTES);
	if (p->number == back && bytes % PIECE_BYTES) { /* the lower ones are d's */
		vector_move(e, XMM1, vector_first_bytes(e, bytes % PIECE_BYTES));
		vector_0f(e, OP_AND, XMM1, XMM1, p->d);
		vector_0f(e, OP_OR, XMM0, XMM0, x86_r(XMM1));
	}
	vector_move(e, p->to, x86_r(XMM0));
}

static void load_number(struct emitter *e, const struct ir *ir)
{
	if (ir->flags & IR_IMMEDIATE)
		x86_constant(&e->code, RAX, (uint64_t)ir->imm);
	else
		x86_load(&e->code, 8, RAX, where(e, ir->b));
}

static void emit_push_piece(struct emitter *e, const struct ir *ir, const struct vector_piece *p)
{
	shift_up(e, ir, p, 0, ir->size);
	if (p->number == 0) {
		load_number(e, ir);
		vector_insert(e, vector_width(ir), XMM0, 0);
	}
	vector_move(e, p->to, x86_r(XMM0));
}

static void emit_shift_in_piece(
	struct emitter *e, const struct ir *ir, const struct vector_piece *p)
{
	unsigned last = ir->count - 1u, elements = PIECE_BYTES / ir->size;
	struct x86_operand a = p->a;

	if (p->number < last / elements) {
		struct x86_operand next = vector_where(e, ir->a, p->number + 1);

		vector_3a(e, 0x0f, p->to, vector_in(e, next, XMM0), a, ir->size);
		return;
	}
	vector_shift(e, 3, 3, XMM0, vector_in(e, a, XMM0), ir->size); /* vpsrldq */
	load_number(e, ir);
	vector_insert(e, vector_width(ir), XMM0, last % elements);
	vector_move(e, p->to, x86_r(XMM0));
}

static void emit_sign_piece(struct emitter *e, const struct ir *ir, const struct vector_piece *p)
{
	bool is_double = ir->size == 8;
	struct x86_operand sign = constant_memory(e, CONSTANT_SIGN_SINGLES + is_double);
	struct x86_operand absolute = constant_memory(e, CONSTANT_ABSOLUTE_SINGLES + is_double);
	uint8_t a;

	vector_0f(e, ir->kind == IR_SIGN_NOT_OF ? OP_AND_NOT : OP_AND, XMM1,
		vector_in(e, p->b, XMM1), sign);
	a = vector_in(e, p->a, XMM0);
	if (ir->kind != IR_SIGN_XOR) {
		vector_0f(e, OP_AND, XMM0, a, absolute);
		a = XMM0;
	}
	vector_0f(e, OP_XOR, p->to, a, x86_r(XMM1));
}

/* From two pieces of a, or from one where the second would be beyond it. */
static void emit_narrow_piece(struct emitter *e, const struct ir *ir, const struct vector_piece *p)
{
	static const uint8_t packs[] = { 0x67, 0x2b }; /* vpackuswb, vpackusdw */
	unsigned width = vector_width(ir), n = 2 * p->number;
	bool is_half = vector_bytes(ir) - p->number * PIECE_BYTES <= PIECE_BYTES / 2;
	uint8_t count = (uint8_t)ir->imm;
	struct x86_operand low = constant_memory(e, CONSTANT_LOW_HALVES + width + 1);

	for (unsigned i = 0; i < 2; i++) {
		uint8_t reg = i ? XMM1 : XMM0,
			from = vector_in(e, vector_where(e, ir->a, is_half ? n : n + i), reg);

		if (count)
			vector_shift(e, width + 1, 2, reg, from, count);
		if (width < 2)
			vector_0f(e, OP_AND, reg, count ? reg : from, low);
		else if (!count)
			vector_move(e, reg, x86_r(from));
	}
	if (width == 2) { /* vshufps */
		x86_vex(&e->code, false, X86_PP_NONE, X86_MAP_0F, 0xc6, p->to, XMM0, x86_r(XMM1));
		x86_byte(&e->code, 0x88);
	} else {
		vector_op(e, width ? X86_MAP_0F38 : X86_MAP_0F, packs[width], p->to, XMM0,
			x86_r(XMM1));
	}
}

/* Of bytes, by bytes: an index beyond the end gets its highest bit. */
static void emit_gather_piece(struct emitter *e, const struct ir *ir, const struct vector_piece *p)
{
	vector_0f(e, 0xdc, XMM1, vector_in(e, p->b, XMM1), constant_memory(e, CONSTANT_BEYOND));
	vector_38(e, 0x00, p->to, vector_in(e, p->a, XMM0), x86_r(XMM1));
}

/* Of the `kind` slots of a two neighbours, as one long one (vpalignr), or the last. */
static void emit_slide_piece(struct emitter *e, const struct ir *ir, const struct vector_piece *p)
{
	unsigned bytes = (unsigned)ir->imm * ir->size, rest = bytes % PIECE_BYTES;
	unsigned slot = p->number + bytes / PIECE_BYTES;

	if (slot >= ir->kind)
		vector_0f(e, OP_XOR, p->to, XMM0, x86_r(XMM0));
	else if (slot + 1 < ir->kind && rest)
		vector_3a(e, 0x0f, p->to, vector_in(e, vector_where(e, ir->a, slot + 1), XMM0),
			vector_where(e, ir->a, slot), (uint8_t)rest);
	else if (rest)
		vector_shift(e, 3, 3, p->to, vector_in(e, vector_where(e, ir->a, slot), XMM0),
			(uint8_t)rest);
	else
		vector_move(e, p->to, vector_where(e, ir->a, slot));
}

/* --- shifts ------------------------------------------------------------------------------------
 */

enum { DIGIT_RIGHT = 2, DIGIT_ARITHMETIC = 4, DIGIT_LEFT = 6 };

static uint8_t digit(const struct ir *ir)
{
	return ir->op == IR_VECTOR_SHIFT_LEFT	  ? DIGIT_LEFT
		: ir->op == IR_VECTOR_SHIFT_RIGHT ? DIGIT_RIGHT
						  : DIGIT_ARITHMETIC;
}

static uint8_t count_of(const struct ir *ir)
{
	return (uint8_t)((unsigned)ir->imm & (8u * ir->size - 1));
}

static void emit_shift_immediate(
	struct emitter *e, const struct ir *ir, const struct vector_piece *p)
{
	vector_shift(e, vector_width(ir), digit(ir), p->to, vector_in(e, p->a, XMM0), count_of(ir));
}

/* Bytes, in pairs: what would come from the other one is taken away. */
static void emit_shift_bytes(struct emitter *e, const struct ir *ir, const struct vector_piece *p)
{
	struct x86_operand low = constant_memory(e, CONSTANT_LOW + 8 - count_of(ir));
	uint8_t a = vector_in(e, p->a, XMM0);

	if (ir->op == IR_VECTOR_SHIFT_LEFT) {
		vector_0f(e, OP_AND, p->to, a, low);
		vector_shift(e, 1, DIGIT_LEFT, p->to, p->to, count_of(ir));
	} else {
		vector_shift(e, 1, DIGIT_RIGHT, p->to, a, count_of(ir));
		vector_0f(e, OP_AND, p->to, p->to, low);
	}
}

/* By the same number, whose higher bits do not count. */
static void emit_shift_number(struct emitter *e, const struct ir *ir, const struct vector_piece *p)
{
	unsigned width = vector_width(ir);
	uint8_t opcode = ir->op == IR_VECTOR_SHIFT_LEFT ? 0xf0
		: ir->op == IR_VECTOR_SHIFT_RIGHT	? 0xd0
							: 0xe0;

	vector_0f(e, OP_AND, XMM1, XMM1, constant_memory(e, CONSTANT_WIDTH + width));
	vector_0f(e, (uint8_t)(opcode + width), p->to, vector_in(e, p->a, XMM0), x86_r(XMM1));
}

/* By its own number each: vpsllvd and its kin. */
static void emit_shift_each(struct emitter *e, const struct ir *ir, const struct vector_piece *p)
{
	unsigned width = vector_width(ir);
	uint8_t opcode = ir->op == IR_VECTOR_SHIFT_LEFT ? 0x47
		: ir->op == IR_VECTOR_SHIFT_RIGHT	? 0x45
							: 0x46;

	vector_0f(e, OP_AND, XMM1, vector_in(e, p->b, XMM1),
		constant_memory(e, CONSTANT_WIDTHS + width));
	x86_vex(&e->code, width == 3, X86_PP_66, X86_MAP_0F38, opcode, p->to,
		vector_in(e, p->a, XMM0), x86_r(XMM1));
}

/* Of 64 bits: the sign comes in from above. */
static void emit_shift_long(struct emitter *e, const struct ir *ir, const struct vector_piece *p)
{
	vector_0f(e, OP_XOR, XMM1, XMM1, x86_r(XMM1));
	vector_38(e, 0x37, XMM1, XMM1, p->a); /* vpcmpgtq */
	vector_shift(e, 3, DIGIT_LEFT, XMM1, XMM1, (uint8_t)(64 - count_of(ir)));
	vector_shift(e, 3, DIGIT_RIGHT, p->to, vector_in(e, p->a, XMM0), count_of(ir));
	vector_0f(e, OP_OR, p->to, p->to, x86_r(XMM1));
}

static struct vector_recipe shift_recipe(const struct ir *ir)
{
	unsigned width = vector_width(ir);
	bool is_arithmetic = ir->op == IR_VECTOR_SHIFT_ARITHMETIC;

	if (is_arithmetic && width == 3 && ir->flags & IR_IMMEDIATE)
		return (struct vector_recipe){ emit_shift_long, true };
	if (is_arithmetic && (width == 0 || width == 3))
		return (struct vector_recipe){ 0 };
	if (ir->flags & IR_IMMEDIATE)
		return (struct vector_recipe){ width ? emit_shift_immediate
				: count_of(ir)	     ? emit_shift_bytes
						     : NULL,
			true };
	if (!is_vector_slot(ir->b))
		return (struct vector_recipe){ width ? emit_shift_number : NULL };
	return (struct vector_recipe){ width >= 2 ? emit_shift_each : NULL };
}

static void emit_rotate_immediate(
	struct emitter *e, const struct ir *ir, const struct vector_piece *p)
{
	unsigned width = vector_width(ir), bits = 8u * ir->size;
	uint8_t count = count_of(ir), a;

	if (width == 2 && count && count % 8 == 0) { /* vpshufb */
		vector_38(e, 0x00, p->to, vector_in(e, p->a, XMM0),
			constant_memory(e, CONSTANT_ROTATE + count / 8));
		return;
	}
	a = vector_in(e, p->a, XMM0);
	vector_shift(e, width, DIGIT_LEFT, XMM1, a, (uint8_t)(bits - count));
	vector_shift(e, width, DIGIT_RIGHT, p->to, a, count);
	vector_0f(e, OP_OR, p->to, p->to, x86_r(XMM1));
}

/* --- which way -------------------------------------------------------------------------------- */

struct vector_recipe vector_integer_recipe(const struct emitter *e, const struct ir *ir)
{
	unsigned width = vector_width(ir);
	struct vector_recipe none = { 0 };

	switch (ir->op) {
	case IR_VECTOR_MOVE:
		return (struct vector_recipe){ emit_move_piece };
	case IR_VECTOR_SELECT:
		return (struct vector_recipe){ emit_select_piece, .spoils_number = true };
	case IR_VECTOR_NUMBERS:
		return (struct vector_recipe){ emit_numbers_piece, .has_no_b = true };
	case IR_VECTOR_REVERSE_BYTES:
		return (struct vector_recipe){ width ? emit_reverse_piece : emit_copy_piece,
			.has_no_b = true };
	case IR_VECTOR_EXTEND:
		return (struct vector_recipe){ emit_extend_piece, .has_no_b = true };
	case IR_VECTOR_NARROW:
		return (struct vector_recipe){ emit_narrow_piece, .has_no_b = true };
	case IR_VECTOR_GATHER:
		return (struct vector_recipe){ emit_gather_piece };
	case IR_VECTOR_SLIDE_DOWN:
		return (struct vector_recipe){ emit_slide_piece, .has_no_b = true };
	case IR_VECTOR_MULTIPLY:
		return multiply_recipe(ir);
	case IR_VECTOR_SLIDE_UP:
		return (struct vector_recipe){ emit_slide_up_piece, .has_no_b = true };
	case IR_VECTOR_PUSH:
		return (struct vector_recipe){ emit_push_piece, .has_no_b = true };
	case IR_VECTOR_SHIFT_IN:
		return (struct vector_recipe){ emit_shift_in_piece, .has_no_b = true };
	case IR_VECTOR_SIGN:
		return (struct vector_recipe){ emit_sign_piece, .spoils_number = true };
	case IR_VECTOR_MULTIPLY_CARRYLESS:
	case IR_VECTOR_MULTIPLY_CARRYLESS_HIGH:
		return (struct vector_recipe){ e->jit->host_has_products ? emit_carryless : NULL,
			.spoils_number = true };
	case IR_VECTOR_ADD_PRODUCT ... IR_VECTOR_SCALE_SUB:
		return product_recipe(ir);
	case IR_VECTOR_MINIMUM:
	case IR_VECTOR_MAXIMUM:
		if (width == 3)
			return (struct vector_recipe){ emit_pick_long };
		break;
	case IR_VECTOR_MINIMUM_UNSIGNED:
	case IR_VECTOR_MAXIMUM_UNSIGNED:
		if (width == 3)
			return (struct vector_recipe){ emit_pick_long_unsigned };
		break;
	case IR_VECTOR_SHIFT_LEFT:
	case IR_VECTOR_SHIFT_RIGHT:
	case IR_VECTOR_SHIFT_ARITHMETIC:
		return shift_recipe(ir);
	case IR_VECTOR_ROTATE_RIGHT:
		if (width && ir->flags & IR_IMMEDIATE)
			return (struct vector_recipe){ emit_rotate_immediate, true };
		return none;
	}
	return (struct vector_recipe){ vector_is_simple(ir->op, width) ? emit_simple : NULL };
}
