/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit-integer.c - computation in general registers.
 *
 * x86's two-operand forms want the destination to be the first operand; where it is the second, the
 * result is made in rax. What is 32 bits wide ends with a sign extension.
 */
#include "jit/x86/emit.h"

uint8_t in(struct emitter *e, unsigned slot, uint8_t scratch)
{
	if (slot == IR_ZERO) {
		x86_constant(&e->code, scratch, 0);
		return scratch;
	}
	if (e->map[slot] >= 0)
		return (uint8_t)e->map[slot];
	x86_load(&e->code, 8, scratch, slot_memory(e, slot));
	return scratch;
}

uint8_t target(const struct emitter *e, unsigned slot, uint8_t scratch)
{
	return slot != IR_ZERO && e->map[slot] >= 0 ? (uint8_t)e->map[slot] : scratch;
}

void out(struct emitter *e, unsigned slot, uint8_t reg)
{
	if (slot == IR_ZERO)
		return;
	if (e->map[slot] < 0)
		x86_store(&e->code, 8, slot_memory(e, slot), reg);
	else if (e->map[slot] != reg)
		x86_load(&e->code, 8, (uint8_t)e->map[slot], x86_r(reg));
}

void store_constant(struct emitter *e, struct x86_operand memory, uint64_t value)
{
	if ((int64_t)value == (int32_t)value) {
		x86_store_immediate(&e->code, 8, memory, (int32_t)value);
		return;
	}
	x86_constant(&e->code, RAX, value);
	x86_store(&e->code, 8, memory, RAX);
}

/* Copy a slot (or 0) into exactly this register. */
static void move_to(struct emitter *e, uint8_t reg, unsigned slot, unsigned size)
{
	if (slot == IR_ZERO)
		x86_constant(&e->code, reg, 0);
	else if (e->map[slot] != reg)
		x86_load(&e->code, size, reg, where(e, slot));
}

/* What is 32 bits wide ends so, unless nobody will see it. */
static void finish_word(struct emitter *e, const struct ir *ir, uint8_t reg)
{
	if (ir->flags & IR_WORD && !(ir->flags & IR_LOW_ONLY))
		x86_extend(&e->code, 4, true, reg, x86_r(reg));
}

/* Is b (a slot) kept in this register? */
static bool is_in(const struct emitter *e, unsigned slot, uint8_t reg)
{
	return slot != IR_ZERO && e->map[slot] == (int8_t)reg;
}

/* Operand b as something arithmetic takes: a register, memory, or 0 in `scratch`. */
static struct x86_operand operand_b(struct emitter *e, const struct ir *ir, uint8_t scratch)
{
	if (ir->flags & IR_IMMEDIATE) {
		x86_constant(&e->code, scratch, (uint64_t)ir->imm);
		return x86_r(scratch);
	}
	if (ir->b == IR_ZERO) {
		x86_constant(&e->code, scratch, 0);
		return x86_r(scratch);
	}
	return where(e, ir->b);
}

void emit_constant(struct emitter *e, const struct ir *ir)
{
	if (ir->flags & IR_RELATIVE) {
		if (e->map[ir->d] < 0)
			store_guest_constant(e, slot_memory(e, ir->d), (uint64_t)ir->imm);
		else
			guest_constant(e, (uint8_t)e->map[ir->d], (uint64_t)ir->imm);
		return;
	}
	if (e->map[ir->d] < 0)
		store_constant(e, slot_memory(e, ir->d), (uint64_t)ir->imm);
	else
		x86_constant(&e->code, (uint8_t)e->map[ir->d], (uint64_t)ir->imm);
}

void emit_move(struct emitter *e, const struct ir *ir)
{
	uint8_t reg = target(e, ir->d, RAX);

	if (ir->a != IR_ZERO && ir->d != IR_ZERO && e->map[ir->a] >= 0) {
		out(e, ir->d, (uint8_t)e->map[ir->a]);
		return;
	}
	move_to(e, reg, ir->a, 8);
	out(e, ir->d, reg);
}

/* --- add, sub, and, or, xor ------------------------------------------------------------------- */

static bool is_commutative(enum ir_op op)
{
	return op != IR_SUB;
}

static enum x86_arithmetic arithmetic_of(enum ir_op op)
{
	static const uint8_t codes[] = { [IR_ADD] = X86_ADD,
		[IR_SUB] = X86_SUB,
		[IR_AND] = X86_AND,
		[IR_OR] = X86_OR,
		[IR_XOR] = X86_XOR };

	return (enum x86_arithmetic)codes[op];
}

static bool fits(int64_t imm)
{
	return imm == (int32_t)imm;
}

/* In memory, in place: add [slot], x. */
static bool emit_in_memory(struct emitter *e, const struct ir *ir)
{
	enum x86_arithmetic op = arithmetic_of((enum ir_op)ir->op);

	if (ir->flags & IR_WORD || ir->d != ir->a || e->map[ir->d] >= 0)
		return false;
	if (ir->flags & IR_IMMEDIATE) {
		if (!fits(ir->imm))
			return false;
		x86_arithmetic_immediate(&e->code, 8, op, slot_memory(e, ir->d), (int32_t)ir->imm);
	} else {
		x86_arithmetic_store(&e->code, 8, op, slot_memory(e, ir->d), in(e, ir->b, RCX));
	}
	return true;
}

/* Three operands: lea. */
static bool emit_lea(struct emitter *e, const struct ir *ir, unsigned size, uint8_t reg)
{
	int64_t imm = ir->op == IR_SUB ? -ir->imm : ir->imm;
	struct x86_operand memory;

	if ((ir->op != IR_ADD && ir->op != IR_SUB) || ir->a == IR_ZERO || e->map[ir->a] < 0)
		return false;
	if (ir->flags & IR_IMMEDIATE) {
		if (!fits(imm) || e->map[ir->a] == reg)
			return false;
		memory = x86_m((uint8_t)e->map[ir->a], (int32_t)imm);
	} else {
		if (ir->op == IR_SUB || ir->b == IR_ZERO || e->map[ir->b] < 0 ||
			e->map[ir->a] == reg || e->map[ir->b] == reg)
			return false;
		memory = (struct x86_operand){ true, (uint8_t)e->map[ir->a], (uint8_t)e->map[ir->b],
			0, 0 };
	}
	x86_lea(&e->code, size, reg, memory);
	return true;
}

/* 0 - b */
static void emit_negate(struct emitter *e, const struct ir *ir, unsigned size)
{
	uint8_t reg = target(e, ir->d, RAX);

	move_to(e, reg, ir->b, size);
	x86_legacy(&e->code, size, X86_PP_NONE, X86_MAP_ONE, 0xf7, 3, x86_r(reg));
	finish_word(e, ir, reg);
	out(e, ir->d, reg);
}

void emit_binary(struct emitter *e, const struct ir *ir)
{
	enum x86_arithmetic op = arithmetic_of((enum ir_op)ir->op);
	unsigned size = ir->flags & IR_WORD ? 4 : 8;
	uint8_t reg = target(e, ir->d, RAX);
	unsigned a = ir->a, b = ir->b;

	if (emit_in_memory(e, ir))
		return;
	if (ir->op == IR_SUB && ir->a == IR_ZERO && !(ir->flags & IR_IMMEDIATE)) {
		emit_negate(e, ir, size);
		return;
	}
	if (!emit_lea(e, ir, size, reg)) {
		if (!(ir->flags & IR_IMMEDIATE) && is_in(e, b, reg) && a != b) {
			if (is_commutative((enum ir_op)ir->op)) {
				unsigned swapped = a;

				a = b;
				b = swapped;
			} else {
				reg = RAX;
			}
		}
		move_to(e, reg, a, size);
		if (ir->flags & IR_IMMEDIATE && fits(ir->imm)) {
			x86_arithmetic_immediate(&e->code, size, op, x86_r(reg), (int32_t)ir->imm);
		} else if (ir->flags & IR_IMMEDIATE || b != IR_ZERO) {
			struct ir swapped = *ir;

			swapped.b = (uint8_t)b;
			x86_arithmetic(&e->code, size, op, reg, operand_b(e, &swapped, RCX));
		} else if (op == X86_AND) {
			x86_constant(&e->code, reg, 0);
		}
	}
	finish_word(e, ir, reg);
	out(e, ir->d, reg);
}

/* and_not: BMI1's andn has the first operand inverted; or_not and xor_not: not, then the rest. */
void emit_and_not(struct emitter *e, const struct ir *ir)
{
	uint8_t b = in(e, ir->b, RCX), reg;

	if (ir->op == IR_AND_NOT) {
		reg = target(e, ir->d, RAX);
		x86_vex(&e->code, true, X86_PP_NONE, X86_MAP_0F38, 0xf2, reg, b,
			ir->a == IR_ZERO ? x86_r(in(e, ir->a, RAX)) : where(e, ir->a));
		out(e, ir->d, reg);
		return;
	}
	x86_load(&e->code, 8, RAX, x86_r(b));
	x86_legacy(&e->code, 8, X86_PP_NONE, X86_MAP_ONE, 0xf7, 2, x86_r(RAX)); /* not */
	if (ir->a != IR_ZERO)
		x86_arithmetic(
			&e->code, 8, ir->op == IR_OR_NOT ? X86_OR : X86_XOR, RAX, where(e, ir->a));
	out(e, ir->d, RAX);
}

/* --- shifts ------------------------------------------------------------------------------------
 */

static void emit_shift_by_number(struct emitter *e, const struct ir *ir)
{
	static const uint8_t codes[] = { [IR_SHIFT_LEFT] = X86_SHL,
		[IR_SHIFT_RIGHT] = X86_SHR,
		[IR_SHIFT_ARITHMETIC] = X86_SAR,
		[IR_ROTATE_RIGHT] = X86_ROR,
		[IR_ROTATE_LEFT] = X86_ROL };
	unsigned size = ir->flags & IR_WORD ? 4 : 8;
	uint8_t reg = target(e, ir->d, RAX), count = (uint8_t)ir->imm & (size * 8 - 1);
	bool is_rotation = ir->op == IR_ROTATE_RIGHT || ir->op == IR_ROTATE_LEFT;

	if (is_rotation && count && ir->a != IR_ZERO && !is_in(e, ir->a, reg)) {
		/* rorx */
		x86_vex(&e->code, size == 8, X86_PP_F2, X86_MAP_0F3A, 0xf0, reg, 0,
			where(e, ir->a));
		x86_byte(&e->code, ir->op == IR_ROTATE_LEFT ? (uint8_t)(size * 8 - count) : count);
	} else {
		move_to(e, reg, ir->a, size);
		if (count)
			x86_shift_immediate(
				&e->code, size, (enum x86_shift)codes[ir->op], reg, count);
	}
	/* What has zeros above is extended. */
	if (ir->op != IR_SHIFT_RIGHT || !count)
		finish_word(e, ir, reg);
	out(e, ir->d, reg);
}

/* BMI2's shlx, shrx and sarx take the count from any register, modulo the width as RISC-V does. */
void emit_shift(struct emitter *e, const struct ir *ir)
{
	static const uint8_t prefixes[] = { [IR_SHIFT_LEFT] = X86_PP_66,
		[IR_SHIFT_RIGHT] = X86_PP_F2,
		[IR_SHIFT_ARITHMETIC] = X86_PP_F3 };
	bool is_word = ir->flags & IR_WORD;
	uint8_t reg = target(e, ir->d, RAX);

	if (ir->flags & IR_IMMEDIATE) {
		emit_shift_by_number(e, ir);
		return;
	}
	if (ir->op == IR_ROTATE_RIGHT || ir->op == IR_ROTATE_LEFT) {
		/* Only by cl, which is scratch. */
		move_to(e, RCX, ir->b, 4);
		move_to(e, RAX, ir->a, 8);
		x86_legacy(&e->code, is_word ? 4 : 8, X86_PP_NONE, X86_MAP_ONE, 0xd3,
			ir->op == IR_ROTATE_RIGHT ? X86_ROR : X86_ROL, x86_r(RAX));
		reg = RAX;
	} else {
		uint8_t count = in(e, ir->b, RCX);

		x86_vex(&e->code, !is_word, prefixes[ir->op], X86_MAP_0F38, 0xf7, reg, count,
			ir->a == IR_ZERO ? x86_r(in(e, ir->a, RAX)) : where(e, ir->a));
	}
	finish_word(e, ir, reg);
	out(e, ir->d, reg);
}

/* --- products and quotients --------------------------------------------------------------------
 */

void emit_multiply(struct emitter *e, const struct ir *ir)
{
	unsigned size = ir->flags & IR_WORD ? 4 : 8;
	uint8_t reg = target(e, ir->d, RAX);

	struct ir product = *ir;

	if (is_in(e, ir->b, reg)) {
		product.a = ir->b;
		product.b = ir->a;
	}
	move_to(e, reg, product.a, size);
	x86_legacy(&e->code, size, X86_PP_NONE, X86_MAP_0F, 0xaf, reg, operand_b(e, &product, RCX));
	finish_word(e, ir, reg);
	out(e, ir->d, reg);
}

/* rdx holds a slot, but mul and div want it: it waits in xmm1. */
static void save_rdx(struct emitter *e)
{
	x86_vex(&e->code, true, X86_PP_66, X86_MAP_0F, 0x6e, XMM1, 0, x86_r(RDX));
}

static void restore_rdx(struct emitter *e)
{
	x86_vex(&e->code, true, X86_PP_66, X86_MAP_0F, 0x7e, XMM1, 0, x86_r(RDX));
}

void emit_multiply_high(struct emitter *e, const struct ir *ir)
{
	bool is_unsigned = ir->op == IR_MULTIPLY_HIGH_UNSIGNED;

	move_to(e, RAX, ir->a, 8);
	move_to(e, RCX, ir->b, 8);
	save_rdx(e);
	x86_legacy(&e->code, 8, X86_PP_NONE, X86_MAP_ONE, 0xf7, is_unsigned ? 4 : 5, x86_r(RCX));
	x86_load(&e->code, 8, RAX, x86_r(RDX));
	restore_rdx(e);
	out(e, ir->d, RAX);
}

/* The instruction itself: rax / rcx, quotient or remainder to rax. */
static void divide(struct emitter *e, unsigned size, bool is_signed, bool is_remainder)
{
	save_rdx(e);
	if (is_signed) {
		if (size == 8)
			x86_byte(&e->code, 0x48);
		x86_byte(&e->code, 0x99); /* cqo, cdq */
	} else {
		x86_arithmetic(&e->code, 4, X86_XOR, RDX, x86_r(RDX));
	}
	x86_legacy(&e->code, size, X86_PP_NONE, X86_MAP_ONE, 0xf7, is_signed ? 7 : 6, x86_r(RCX));
	if (is_remainder)
		x86_load(&e->code, 8, RAX, x86_r(RDX));
	restore_rdx(e);
}

/*
 * By 0: all ones, the dividend. By -1, signed: minus the dividend, 0; what overflows comes out
 * right, too. Anything else the host's own instruction does.
 */
void emit_divide(struct emitter *e, const struct ir *ir)
{
	bool is_signed = ir->op == IR_DIVIDE || ir->op == IR_REMAINDER;
	bool is_remainder = ir->op == IR_REMAINDER || ir->op == IR_REMAINDER_UNSIGNED;
	unsigned size = ir->flags & IR_WORD ? 4 : 8;
	uint8_t *by_zero, *by_minus_one = NULL, *done[2] = { 0 };

	move_to(e, RAX, ir->a, size);
	move_to(e, RCX, ir->b, size);
	x86_test(&e->code, size, RCX, RCX);
	by_zero = x86_jump_short_if(&e->code, X86_E);
	if (is_signed) {
		x86_arithmetic_immediate(&e->code, size, X86_CMP, x86_r(RCX), -1);
		by_minus_one = x86_jump_short_if(&e->code, X86_E);
	}
	divide(e, size, is_signed, is_remainder);
	done[0] = x86_jump_short(&e->code);
	if (is_signed) {
		x86_set_short_target(&e->code, by_minus_one);
		if (is_remainder)
			x86_arithmetic(&e->code, 4, X86_XOR, RAX, x86_r(RAX));
		else
			x86_legacy(&e->code, size, X86_PP_NONE, X86_MAP_ONE, 0xf7, 3, x86_r(RAX));
		done[1] = x86_jump_short(&e->code);
	}
	x86_set_short_target(&e->code, by_zero);
	if (!is_remainder)
		x86_constant(&e->code, RAX, UINT64_MAX);
	x86_set_short_target(&e->code, done[0]);
	if (done[1])
		x86_set_short_target(&e->code, done[1]);
	finish_word(e, ir, RAX);
	out(e, ir->d, RAX);
}

/* --- comparing and choosing --------------------------------------------------------------------
 */

static const uint8_t conditions[] = {
	[IR_EQUAL] = X86_E,
	[IR_NOT_EQUAL] = X86_NE,
	[IR_LESS] = X86_L,
	[IR_GREATER_OR_EQUAL] = X86_GE,
	[IR_LESS_UNSIGNED] = X86_B,
	[IR_GREATER_OR_EQUAL_UNSIGNED] = X86_AE,
	[IR_LESS_OR_EQUAL] = X86_LE,
};

/* a against 0 by test, against a number or a slot by cmp. */
enum x86_condition emit_compare(struct emitter *e, const struct ir *ir)
{
	enum x86_condition condition = (enum x86_condition)conditions[ir->condition];
	bool is_zero = ir->flags & IR_IMMEDIATE ? ir->imm == 0 : ir->b == IR_ZERO;
	uint8_t a;

	if (ir->a != IR_ZERO && e->map[ir->a] < 0 && (is_zero || (ir->flags & IR_IMMEDIATE)) &&
		(is_zero || fits(ir->imm))) {
		x86_arithmetic_immediate(&e->code, 8, X86_CMP, slot_memory(e, ir->a),
			is_zero ? 0 : (int32_t)ir->imm);
		return condition;
	}
	a = in(e, ir->a, RAX);
	if (is_zero)
		x86_test(&e->code, 8, a, a);
	else if (ir->flags & IR_IMMEDIATE && fits(ir->imm))
		x86_arithmetic_immediate(&e->code, 8, X86_CMP, x86_r(a), (int32_t)ir->imm);
	else
		x86_arithmetic(&e->code, 8, X86_CMP, a, operand_b(e, ir, RCX));
	return condition;
}

void emit_set(struct emitter *e, const struct ir *ir)
{
	enum x86_condition condition = emit_compare(e, ir);
	uint8_t reg = target(e, ir->d, RAX);

	x86_set(&e->code, condition, RAX);
	x86_extend(&e->code, 1, false, reg, x86_r(RAX));
	out(e, ir->d, reg);
}

void emit_zero_if(struct emitter *e, const struct ir *ir)
{
	uint8_t b = in(e, ir->b, RCX);

	x86_constant(&e->code, RAX, 0);
	x86_test(&e->code, 8, b, b);
	/* EQUAL: 0 when b is 0, so a when it is not. */
	if (ir->a != IR_ZERO)
		x86_move_if(&e->code, 8, ir->condition == IR_EQUAL ? X86_NE : X86_E, RAX,
			where(e, ir->a));
	out(e, ir->d, RAX);
}

void emit_pick(struct emitter *e, const struct ir *ir)
{
	static const uint8_t keep_b_if[] = { [IR_MINIMUM] = X86_L,
		[IR_MAXIMUM] = X86_G,
		[IR_MINIMUM_UNSIGNED] = X86_B,
		[IR_MAXIMUM_UNSIGNED] = X86_A };
	uint8_t b = in(e, ir->b, RCX);

	move_to(e, RAX, ir->a, 8);
	x86_arithmetic(&e->code, 8, X86_CMP, b, x86_r(RAX));
	x86_move_if(&e->code, 8, (enum x86_condition)keep_b_if[ir->op], RAX, x86_r(b));
	out(e, ir->d, RAX);
}

/* --- the rest ----------------------------------------------------------------------------------
 */

void emit_shift_add(struct emitter *e, const struct ir *ir)
{
	uint8_t reg = target(e, ir->d, RAX), a = in(e, ir->a, RAX), b;

	if (ir->flags & IR_UNSIGNED_WORD) {
		if (ir->b == IR_ZERO && ir->d != IR_ZERO) {
			x86_load(&e->code, 4, reg, x86_r(a));
			x86_shift_immediate(&e->code, 8, X86_SHL, reg, (uint8_t)ir->imm);
			out(e, ir->d, reg);
			return;
		}
		x86_load(&e->code, 4, RAX, x86_r(a));
		a = RAX;
	}
	b = in(e, ir->b, RCX);
	x86_lea(&e->code, 8, reg, (struct x86_operand){ true, b, a, (uint8_t)ir->imm, 0 });
	out(e, ir->d, reg);
}

/* bt, bts, btr, btc: /4 to /7 with a number, 0xa3 + 8 * n with a register. */
void emit_bit(struct emitter *e, const struct ir *ir)
{
	unsigned digit = ir->op == IR_BIT_EXTRACT ? 4
		: ir->op == IR_BIT_SET		  ? 5
		: ir->op == IR_BIT_CLEAR	  ? 6
						  : 7;

	if (ir->flags & IR_IMMEDIATE) {
		move_to(e, RAX, ir->a, 8);
		x86_legacy(&e->code, 8, X86_PP_NONE, X86_MAP_0F, 0xba, (uint8_t)digit, x86_r(RAX));
		x86_byte(&e->code, (uint8_t)ir->imm & 63);
	} else {
		uint8_t b = in(e, ir->b, RCX);

		move_to(e, RAX, ir->a, 8);
		x86_legacy(&e->code, 8, X86_PP_NONE, X86_MAP_0F, (uint8_t)(0x83 + 8 * digit), b,
			x86_r(RAX));
	}
	if (ir->op == IR_BIT_EXTRACT) {
		x86_set(&e->code, X86_B, RAX);
		x86_extend(&e->code, 1, false, RAX, x86_r(RAX));
	}
	out(e, ir->d, RAX);
}

void emit_extend(struct emitter *e, const struct ir *ir)
{
	uint8_t reg = target(e, ir->d, RAX);

	if (ir->a == IR_ZERO)
		x86_constant(&e->code, reg, 0);
	else
		x86_extend(&e->code, ir->size, ir->flags & IR_SIGNED, reg, where(e, ir->a));
	out(e, ir->d, reg);
}

/* lzcnt, tzcnt, popcnt: the width for 0, as RISC-V has it. They depend on their destination on some
 * processors, which does not matter here. */
void emit_count(struct emitter *e, const struct ir *ir)
{
	uint8_t opcode = ir->op == IR_COUNT_LEADING ? 0xbd
		: ir->op == IR_COUNT_TRAILING	    ? 0xbc
						    : 0xb8;
	uint8_t reg = target(e, ir->d, RAX);

	x86_legacy(&e->code, ir->flags & IR_WORD ? 4 : 8, X86_PP_F3, X86_MAP_0F, opcode, reg,
		ir->a == IR_ZERO ? x86_r(in(e, ir->a, RAX)) : where(e, ir->a));
	out(e, ir->d, reg);
}

void emit_reverse_bytes(struct emitter *e, const struct ir *ir)
{
	uint8_t reg = target(e, ir->d, RAX);

	move_to(e, reg, ir->a, 8);
	x86_byte(&e->code, 0x48 | (reg >> 3)); /* bswap */
	x86_byte(&e->code, 0x0f);
	x86_byte(&e->code, 0xc8 | (reg & 7));
	out(e, ir->d, reg);
}
