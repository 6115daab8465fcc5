/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit-vector-mask.c - masks: comparisons that make them, what they are combined to and asked for.
 *
 * Masks are always in the state's memory, and are moved through registers of 64 bits. So many bits
 * as that may be as many as the guest's vector length says; more must be all.
 */
#include "jit/x86/emit-vector.h"

#define WORD_BITS 64u

/* --- comparisons -------------------------------------------------------------------------------
 */

/* xmm0 = a > b, or b > a */
static void compare_greater(
	struct emitter *e, unsigned width, const struct vector_piece *p, bool is_reverse)
{
	static const uint8_t maps[] = { X86_MAP_0F, X86_MAP_0F, X86_MAP_0F, X86_MAP_0F38 },
			     opcodes[] = { 0x64, 0x65, 0x66, 0x37 };
	struct x86_operand b = is_reverse ? p->a : p->b;
	uint8_t a = is_reverse ? vector_in(e, p->b, XMM1) : vector_in(e, p->a, XMM0);

	vector_op(e, maps[width], opcodes[width], XMM0, a, b);
}

static void compare_equal(
	struct emitter *e, unsigned width, struct x86_operand a, struct x86_operand b)
{
	static const uint8_t maps[] = { X86_MAP_0F, X86_MAP_0F, X86_MAP_0F, X86_MAP_0F38 },
			     opcodes[] = { 0x74, 0x75, 0x76, 0x29 };

	if (a.is_memory && !b.is_memory)
		vector_op(e, maps[width], opcodes[width], XMM0, b.reg, a);
	else
		vector_op(e, maps[width], opcodes[width], XMM0, vector_in(e, a, XMM0), b);
}

/* As a is its own minimum or maximum with b; those of 64 bits with their signs turned. */
static void compare_unsigned(
	struct emitter *e, unsigned width, struct vector_piece *p, bool is_less)
{
	struct x86_operand sign = constant_memory(e, CONSTANT_SIGN_DOUBLES);

	if (width < 3) {
		vector_simple(e, is_less ? IR_VECTOR_MAXIMUM_UNSIGNED : IR_VECTOR_MINIMUM_UNSIGNED,
			width, XMM0, vector_in(e, p->a, XMM0), p->b);
		compare_equal(e, width, x86_r(XMM0), p->a);
		return;
	}
	vector_0f(e, OP_XOR, XMM0, vector_in(e, p->a, XMM0), sign);
	vector_0f(e, OP_XOR, XMM1, vector_in(e, p->b, XMM1), sign);
	p->a = x86_r(XMM0);
	p->b = x86_r(XMM1);
	compare_greater(e, width, p, is_less);
}

/* xmm0 = the elements for which it holds, or (true) for which it does not. */
static bool compare(struct emitter *e, const struct ir *ir, struct vector_piece *p)
{
	unsigned width = vector_width(ir);

	if (ir->op == IR_VECTOR_FLOAT_SET) {
		vector_compare_floats(e, ir, p);
		return false;
	}
	switch (ir->condition) {
	case IR_EQUAL:
	case IR_NOT_EQUAL:
		compare_equal(e, width, p->a, p->b);
		return ir->condition == IR_NOT_EQUAL;
	case IR_LESS:
	case IR_GREATER_OR_EQUAL:
		compare_greater(e, width, p, true);
		return ir->condition == IR_GREATER_OR_EQUAL;
	case IR_GREATER:
	case IR_LESS_OR_EQUAL:
		compare_greater(e, width, p, false);
		return ir->condition == IR_LESS_OR_EQUAL;
	case IR_LESS_UNSIGNED:
		compare_unsigned(e, width, p, true);
		return width < 3;
	case IR_GREATER_UNSIGNED:
		compare_unsigned(e, width, p, false);
		return width < 3;
	default: /* LESS_OR_EQUAL_UNSIGNED */
		compare_unsigned(e, width, p, false);
		return width == 3;
	}
}

/* eax = a bit for each element of xmm0. */
static void gather_bits(struct emitter *e, unsigned width)
{
	switch (width) {
	case 0: /* vpmovmskb */
		vector_0f(e, 0xd7, RAX, 0, x86_r(XMM0));
		break;
	case 1: /* vpacksswb */
		vector_0f(e, 0x63, XMM0, XMM0, x86_r(XMM0));
		vector_0f(e, 0xd7, RAX, 0, x86_r(XMM0));
		x86_extend(&e->code, 1, false, RAX, x86_r(RAX));
		break;
	default: /* vmovmskps, vmovmskpd */
		x86_vex(&e->code, false, width == 3 ? X86_PP_66 : X86_PP_NONE, X86_MAP_0F, 0x50,
			RAX, 0, x86_r(XMM0));
		break;
	}
}

/* --- masks and masks -------------------------------------------------------------------------- */

static struct x86_operand word(const struct emitter *e, unsigned slot, unsigned n)
{
	struct x86_operand memory = slot_memory(e, slot);

	memory.disp += (int32_t)(8 * n);
	return memory;
}

/* Does it matter how many bits count, and cannot be told from one word? */
static struct cold *check_many(struct emitter *e, const struct ir *ir)
{
	return ir->count > WORD_BITS ? vector_check_length(e, ir) : NULL;
}

/* bzhi: the bits of rax that count, of word n. Uses rcx. */
static void keep_counting(struct emitter *e, const struct ir *ir, unsigned n)
{
	unsigned count = ir->count - n * WORD_BITS;

	if (ir->flags & IR_CHECK_LENGTH && ir->count <= WORD_BITS)
		x86_load(&e->code, 4, RCX, vector_length(e));
	else if (count >= WORD_BITS)
		return;
	else
		x86_constant(&e->code, RCX, count);
	x86_vex(&e->code, true, X86_PP_NONE, X86_MAP_0F38, 0xf5, RAX, RCX, x86_r(RAX));
}

static void invert(struct emitter *e)
{
	x86_legacy(&e->code, 8, X86_PP_NONE, X86_MAP_ONE, 0xf7, 2, x86_r(RAX));
}

static void combine(struct emitter *e, const struct ir *ir, unsigned n)
{
	static const uint8_t ops[] = { [IR_MASK_AND_NOT] = X86_AND,
		[IR_MASK_AND] = X86_AND,
		[IR_MASK_OR] = X86_OR,
		[IR_MASK_XOR] = X86_XOR,
		[IR_MASK_OR_NOT] = X86_OR,
		[IR_MASK_NOT_AND] = X86_AND,
		[IR_MASK_NOT_OR] = X86_OR,
		[IR_MASK_NOT_XOR] = X86_XOR };

	x86_load(&e->code, 8, RAX, word(e, ir->b, n));
	if (ir->kind == IR_MASK_AND_NOT || ir->kind == IR_MASK_OR_NOT)
		invert(e);
	x86_arithmetic(&e->code, 8, (enum x86_arithmetic)ops[ir->kind], RAX, word(e, ir->a, n));
	if (ir->kind >= IR_MASK_NOT_AND)
		invert(e);
}

/* Those of rax that count, of word n, to d. Uses rcx. */
static void put_word(struct emitter *e, const struct ir *ir, unsigned n)
{
	struct x86_operand d = word(e, ir->d, n);

	if (ir->c == IR_ZERO && ir->count >= (n + 1) * WORD_BITS &&
		(ir->count > WORD_BITS || !(ir->flags & IR_CHECK_LENGTH))) {
		x86_store(&e->code, 8, d, RAX);
		return;
	}
	x86_arithmetic(&e->code, 8, X86_XOR, RAX, d);
	if (ir->c != IR_ZERO)
		x86_arithmetic(&e->code, 8, X86_AND, RAX, word(e, ir->c, n));
	keep_counting(e, ir, n);
	x86_arithmetic_store(&e->code, 8, X86_XOR, d, RAX);
}

/* Of the bits in rax that count: blsmsk and blsi (VEX.0F38 F3 /2, /3); those before the first are
 * what is below it. */
static void mark(struct emitter *e, const struct ir *ir)
{
	bool is_at = ir->kind == IR_MASK_AT;

	x86_load(&e->code, 8, RAX, word(e, ir->a, 0));
	keep_counting(e, ir, 0);
	if (ir->kind == IR_MASK_BEFORE) { /* not a, and a - 1 */
		x86_lea(&e->code, 8, RCX, x86_m(RAX, -1));
		x86_vex(&e->code, true, X86_PP_NONE, X86_MAP_0F38, 0xf2, RAX, RAX, x86_r(RCX));
		return;
	}
	x86_vex(&e->code, true, X86_PP_NONE, X86_MAP_0F38, 0xf3, is_at ? 3 : 2, RAX, x86_r(RAX));
}

void emit_vector_mask(struct emitter *e, const struct ir *ir)
{
	struct cold *cold;

	if (ir->op == IR_VECTOR_MARK && (ir->c != IR_ZERO || ir->count > WORD_BITS)) {
		vector_to_helper(e, ir);
		return;
	}
	cold = check_many(e, ir);
	for (unsigned n = 0; n * WORD_BITS < ir->count; n++) {
		if (ir->op == IR_VECTOR_MARK)
			mark(e, ir);
		else
			combine(e, ir, n);
		put_word(e, ir, n);
	}
	resume_here(e, cold);
}

/* --- from comparisons to masks ---------------------------------------------------------------- */

/* The bits of a word are gathered in rcx. */
static void emit_comparisons(struct emitter *e, const struct ir *ir)
{
	unsigned width = vector_width(ir), elements = PIECE_BYTES >> width;
	bool has_number = !is_vector_slot(ir->b);

	for (unsigned n = 0; n < vector_pieces(ir); n++) {
		unsigned at = n * elements % WORD_BITS;
		struct vector_piece p;
		bool is_inverse;

		if (has_number && (n == 0 || width == 3))
			vector_spread(e, ir);
		vector_prepare(e, ir, n, &p);
		is_inverse = compare(e, ir, &p);
		gather_bits(e, width);
		if (is_inverse)
			x86_arithmetic_immediate(
				&e->code, 4, X86_XOR, x86_r(RAX), (int32_t)((1u << elements) - 1));
		if (at) {
			x86_shift_immediate(&e->code, 8, X86_SHL, RAX, (uint8_t)at);
			x86_arithmetic(&e->code, 8, X86_OR, RAX, x86_r(RCX));
		}
		if (at + elements == WORD_BITS || n + 1 == vector_pieces(ir))
			put_word(e, ir, n * elements / WORD_BITS);
		else
			x86_load(&e->code, 8, RCX, x86_r(RAX));
	}
}

/* What is compared beyond the length does no harm, if it raises no flags. */
void emit_vector_set(struct emitter *e, const struct ir *ir)
{
	struct cold *cold = NULL, *slow;

	if (ir->op == IR_VECTOR_FLOAT_SET || ir->count > WORD_BITS)
		cold = vector_check_length(e, ir);
	slow = vector_check_number(e, ir);
	emit_comparisons(e, ir);
	resume_here(e, cold);
	resume_here(e, slow);
}

/* --- masks and numbers ------------------------------------------------------------------------ */

/* rax = what is set of word n */
static void load_set(struct emitter *e, const struct ir *ir, unsigned n)
{
	x86_load(&e->code, 8, RAX, word(e, ir->a, n));
	if (ir->c != IR_ZERO)
		x86_arithmetic(&e->code, 8, X86_AND, RAX, word(e, ir->c, n));
	keep_counting(e, ir, n);
}

/* popcnt, lzcnt, tzcnt */
static void count_bits(struct emitter *e, uint8_t opcode, uint8_t to, uint8_t from)
{
	x86_legacy(&e->code, 8, X86_PP_F3, X86_MAP_0F, opcode, to, x86_r(from));
}

void emit_vector_count(struct emitter *e, const struct ir *ir)
{
	struct cold *cold = check_many(e, ir);

	if (ir->count > WORD_BITS) {
		load_set(e, ir, 1);
		count_bits(e, 0xb8, RAX, RAX);
		x86_store(&e->code, 8, spare_memory(e, 0), RAX);
	}
	load_set(e, ir, 0);
	count_bits(e, 0xb8, RAX, RAX);
	if (ir->count > WORD_BITS)
		x86_arithmetic(&e->code, 8, X86_ADD, RAX, spare_memory(e, 0));
	out(e, ir->d, RAX);
	resume_here(e, cold);
}

/* tzcnt sets the carry when there is none. */
void emit_vector_find(struct emitter *e, const struct ir *ir)
{
	struct cold *cold = check_many(e, ir);
	uint8_t *found[2] = { NULL };

	for (unsigned n = 0; n * WORD_BITS < ir->count; n++) {
		load_set(e, ir, n);
		count_bits(e, 0xbc, RAX, RAX);
		if (n)
			x86_lea(&e->code, 8, RAX, x86_m(RAX, WORD_BITS));
		found[n] = x86_jump_short_if(&e->code, X86_AE);
	}
	x86_constant(&e->code, RAX, UINT64_MAX);
	for (unsigned n = 0; n < 2; n++)
		if (found[n])
			x86_set_short_target(&e->code, found[n]);
	out(e, ir->d, RAX);
	resume_here(e, cold);
}
