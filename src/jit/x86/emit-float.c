/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit-float.c - floating point on SSE2, AVX and FMA.
 *
 * Rounding mode and sticky flags live in MXCSR while translated code runs. What differs between x86
 * and the guest (RISC-V Unprivileged ISA 20240411, 20.3 and 20.6 to 20.8; Intel SDM volume
 * 1, 4.8.3, 11.5) goes to the helper, before anything was written: results that are NaN (their
 * payload), conversions out of range, singles that are not NaN-boxed. Flags that x86 has raised by
 * then are raised by the helper as well.
 */
#include "jit/x86/emit.h"

uint8_t float_in(struct emitter *e, unsigned slot, uint8_t scratch)
{
	if (e->map[slot] >= 0)
		return (uint8_t)e->map[slot];
	/* vmovsd */
	x86_vex(&e->code, false, X86_PP_F2, X86_MAP_0F, 0x10, scratch, 0, slot_memory(e, slot));
	return scratch;
}

uint8_t float_target(const struct emitter *e, unsigned slot, uint8_t scratch)
{
	return e->map[slot] >= 0 ? (uint8_t)e->map[slot] : scratch;
}

void float_out(struct emitter *e, unsigned slot, uint8_t reg)
{
	if (e->map[slot] < 0) /* vmovsd */
		x86_vex(&e->code, false, X86_PP_F2, X86_MAP_0F, 0x11, reg, 0, slot_memory(e, slot));
	else if (e->map[slot] != reg) /* vmovaps */
		x86_vex(&e->code, false, X86_PP_NONE, X86_MAP_0F, 0x28, (uint8_t)e->map[slot], 0,
			x86_r(reg));
}

/* The scalar prefix of a width. */
static unsigned scalar(unsigned size)
{
	return size == 8 ? X86_PP_F2 : X86_PP_F3;
}

/* The packed one, of comparisons. */
static unsigned packed(unsigned size)
{
	return size == 8 ? X86_PP_66 : X86_PP_NONE;
}

static uint64_t bit(unsigned slot)
{
	return UINT64_C(1) << (slot & 63);
}

/* The helper does it, for this reason or another. */
static void slow_if(
	struct emitter *e, const struct ir *ir, struct cold **slow, enum x86_condition condition)
{
	if (*slow)
		also_if(e, *slow, condition);
	else
		*slow = helper_if(e, ir, condition);
}

void check_boxed(struct emitter *e, const struct ir *ir, struct cold **slow, unsigned slot,
	unsigned size, uint8_t reg)
{
	if (size != 4 || e->boxed & bit(slot))
		return;
	/* vpextrd ecx, reg, 1; cmp ecx, -1 */
	x86_vex(&e->code, false, X86_PP_66, X86_MAP_0F3A, 0x16, reg, 0, x86_r(RCX));
	x86_byte(&e->code, 1);
	x86_arithmetic_immediate(&e->code, 4, X86_CMP, x86_r(RCX), -1);
	slow_if(e, ir, slow, X86_NE);
	/* Behind the helper it is as it was: an unboxed one stays unboxed. */
}

void note_width(struct emitter *e, unsigned slot, unsigned size)
{
	if (size == 4)
		e->boxed |= bit(slot);
	else
		e->boxed &= ~bit(slot);
}

/* Where to compute: the helper wants the operands as they were, so only in a place that is none. */
static uint8_t result_register(const struct emitter *e, const struct ir *ir)
{
	return ir->d == ir->a || ir->d == ir->b || ir->d == ir->c ? XMM0
								  : float_target(e, ir->d, XMM0);
}

/* The result is in reg: the helper when it is NaN, else to its place. */
static void finish(struct emitter *e, const struct ir *ir, struct cold *slow, uint8_t reg)
{
	/* vucomiss, vucomisd */
	x86_vex(&e->code, false, packed(ir->size), X86_MAP_0F, 0x2e, reg, 0, x86_r(reg));
	slow_if(e, ir, &slow, X86_P);
	float_out(e, ir->d, reg);
	resume_here(e, slow);
	note_width(e, ir->d, ir->size);
}

/* For singles the bits above come from the first operand, so that a box stays one. */
void emit_float_binary(struct emitter *e, const struct ir *ir)
{
	static const uint8_t opcodes[] = { [IR_FLOAT_ADD] = 0x58,
		[IR_FLOAT_SUBTRACT] = 0x5c,
		[IR_FLOAT_MULTIPLY] = 0x59,
		[IR_FLOAT_DIVIDE] = 0x5e };
	struct cold *slow = NULL;
	uint8_t a = float_in(e, ir->a, XMM0), b, reg = result_register(e, ir);

	check_boxed(e, ir, &slow, ir->a, ir->size, a);
	b = float_in(e, ir->b, XMM1);
	check_boxed(e, ir, &slow, ir->b, ir->size, b);
	x86_vex(&e->code, false, scalar(ir->size), X86_MAP_0F, opcodes[ir->op], reg, a, x86_r(b));
	finish(e, ir, slow, reg);
}

void emit_float_square_root(struct emitter *e, const struct ir *ir)
{
	struct cold *slow = NULL;
	uint8_t a = float_in(e, ir->a, XMM1), reg = result_register(e, ir);

	check_boxed(e, ir, &slow, ir->a, ir->size, a);
	x86_vex(&e->code, false, scalar(ir->size), X86_MAP_0F, 0x51, reg, a, x86_r(a));
	finish(e, ir, slow, reg);
}

/* vfmadd231 and its kin: reg = +-(a * b) +- reg. */
void emit_float_fused(struct emitter *e, const struct ir *ir)
{
	bool product = ir->flags & IR_NEGATE_PRODUCT, addend = ir->flags & IR_NEGATE_ADDEND;
	uint8_t opcode = product ? (addend ? 0xbf : 0xbd) : (addend ? 0xbb : 0xb9);
	struct cold *slow = NULL;
	uint8_t a = float_in(e, ir->a, XMM0), c, reg = result_register(e, ir);
	struct x86_operand b;

	check_boxed(e, ir, &slow, ir->a, ir->size, a);
	c = float_in(e, ir->b, XMM1);
	check_boxed(e, ir, &slow, ir->b, ir->size, c);
	if (a == XMM0 && e->map[ir->b] < 0) {
		b = slot_memory(e, ir->b);
	} else {
		b = x86_r(c);
	}
	/* The addend may want xmm0: a, if it is there, moves to xmm1, which b then leaves. */
	if (a == XMM0) {
		x86_vex(&e->code, false, X86_PP_NONE, X86_MAP_0F, 0x28, XMM1, 0, x86_r(XMM0));
		a = XMM1;
	}
	c = float_in(e, ir->c, XMM0);
	check_boxed(e, ir, &slow, ir->c, ir->size, c);
	if (c != reg)
		x86_vex(&e->code, false, X86_PP_NONE, X86_MAP_0F, 0x28, reg, 0, x86_r(c));
	x86_vex(&e->code, ir->size == 8, X86_PP_66, X86_MAP_0F38, opcode, reg, a, b);
	finish(e, ir, slow, reg);
}

/* Equal ones differ at most in the sign of 0: the minimum has it if either does. */
void emit_float_pick(struct emitter *e, const struct ir *ir)
{
	bool is_minimum = ir->op == IR_FLOAT_MINIMUM;
	struct cold *slow = NULL;
	uint8_t a = float_in(e, ir->a, XMM0), b, *differ, *done;

	check_boxed(e, ir, &slow, ir->a, ir->size, a);
	b = float_in(e, ir->b, XMM1);
	check_boxed(e, ir, &slow, ir->b, ir->size, b);
	x86_vex(&e->code, false, packed(ir->size), X86_MAP_0F, 0x2e, a, 0, x86_r(b));
	slow_if(e, ir, &slow, X86_P);
	differ = x86_jump_short_if(&e->code, X86_NE);
	/* vorps, vandps */
	x86_vex(&e->code, false, X86_PP_NONE, X86_MAP_0F, is_minimum ? 0x56 : 0x54, XMM0, a,
		x86_r(b));
	done = x86_jump_short(&e->code);
	x86_set_short_target(&e->code, differ);
	x86_vex(&e->code, false, scalar(ir->size), X86_MAP_0F, is_minimum ? 0x5d : 0x5f, XMM0, a,
		x86_r(b));
	x86_set_short_target(&e->code, done);
	float_out(e, ir->d, XMM0);
	resume_here(e, slow);
	note_width(e, ir->d, ir->size);
}

void emit_float_sign(struct emitter *e, const struct ir *ir)
{
	unsigned sign = ir->size == 8 ? CONSTANT_SIGN_DOUBLE : CONSTANT_SIGN_SINGLE;
	unsigned absolute = ir->size == 8 ? CONSTANT_ABSOLUTE_DOUBLE : CONSTANT_ABSOLUTE_SINGLE;
	struct cold *slow = NULL;
	uint8_t a = float_in(e, ir->a, XMM0), b;

	check_boxed(e, ir, &slow, ir->a, ir->size, a);
	if (ir->a == ir->b) { /* move, negation, absolute value */
		uint8_t reg = float_target(e, ir->d, XMM0);

		if (ir->flags & IR_NEGATE_SIGN) /* vxorps */
			x86_vex(&e->code, false, X86_PP_NONE, X86_MAP_0F, 0x57, reg, a,
				constant_memory(e, sign));
		else if (ir->flags & IR_XOR_SIGN) /* vandps */
			x86_vex(&e->code, false, X86_PP_NONE, X86_MAP_0F, 0x54, reg, a,
				constant_memory(e, absolute));
		else
			reg = a;
		float_out(e, ir->d, reg);
	} else {
		b = float_in(e, ir->b, XMM1);
		check_boxed(e, ir, &slow, ir->b, ir->size, b);
		/* xmm1 = the sign wanted, or what it is to be turned by */
		if (ir->flags & IR_NEGATE_SIGN) /* vandnps: not b, and the sign bit */
			x86_vex(&e->code, false, X86_PP_NONE, X86_MAP_0F, 0x55, XMM1, b,
				constant_memory(e, sign));
		else
			x86_vex(&e->code, false, X86_PP_NONE, X86_MAP_0F, 0x54, XMM1, b,
				constant_memory(e, sign));
		if (ir->flags & IR_XOR_SIGN) {
			x86_vex(&e->code, false, X86_PP_NONE, X86_MAP_0F, 0x57, XMM0, a,
				x86_r(XMM1));
		} else {
			x86_vex(&e->code, false, X86_PP_NONE, X86_MAP_0F, 0x54, XMM0, a,
				constant_memory(e, absolute));
			x86_vex(&e->code, false, X86_PP_NONE, X86_MAP_0F, 0x56, XMM0, XMM0,
				x86_r(XMM1));
		}
		float_out(e, ir->d, XMM0);
	}
	resume_here(e, slow);
	note_width(e, ir->d, ir->size);
}

/* By its bits: looking at a signaling NaN as a number raises a flag. */
static void check_nan(struct emitter *e, const struct ir *ir, struct cold **slow, uint8_t reg)
{
	uint64_t infinity = ir->size == 8 ? UINT64_C(0xffe0) << 48 : 0xff000000;

	/* vmovd, vmovq */
	x86_vex(&e->code, ir->size == 8, X86_PP_66, X86_MAP_0F, 0x7e, reg, 0, x86_r(RAX));
	x86_arithmetic(&e->code, ir->size, X86_ADD, RAX, x86_r(RAX)); /* the sign goes */
	x86_constant(&e->code, RCX, infinity);
	x86_arithmetic(&e->code, ir->size, X86_CMP, RAX, x86_r(RCX));
	slow_if(e, ir, slow, X86_A);
}

/* ucomis of a register with itself tells NaN; comis raises invalid for quiet ones, too. */
void emit_float_set(struct emitter *e, const struct ir *ir)
{
	struct cold *slow = NULL;
	uint8_t a = float_in(e, ir->a, XMM0), b, reg = target(e, ir->d, RAX);

	check_boxed(e, ir, &slow, ir->a, ir->size, a);
	b = float_in(e, ir->b, XMM1);
	check_boxed(e, ir, &slow, ir->b, ir->size, b);
	if (ir->condition == IR_EQUAL) {
		x86_vex(&e->code, false, packed(ir->size), X86_MAP_0F, 0x2e, a, 0, x86_r(b));
		x86_set(&e->code, X86_NP, RCX);
		x86_set(&e->code, X86_E, RAX);
		x86_arithmetic(&e->code, 4, X86_AND, RAX, x86_r(RCX));
	} else if (ir->flags & IR_KEEPS_FLAGS) {
		if (ir->c != IR_ZERO) {
			check_nan(e, ir, &slow, a);
			check_nan(e, ir, &slow, b);
		}
		x86_vex(&e->code, false, packed(ir->size), X86_MAP_0F, 0x2e, b, 0, x86_r(a));
		if (ir->c == IR_ZERO)
			slow_if(e, ir, &slow, X86_P);
		x86_set(&e->code, ir->condition == IR_LESS ? X86_A : X86_AE, RAX);
	} else { /* b above a, or not below */
		x86_vex(&e->code, false, packed(ir->size), X86_MAP_0F, 0x2f, b, 0, x86_r(a));
		x86_set(&e->code, ir->condition == IR_LESS ? X86_A : X86_AE, RAX);
	}
	x86_extend(&e->code, 1, false, reg, x86_r(RAX));
	out(e, ir->d, reg);
	resume_here(e, slow);
}

/* --- conversions -------------------------------------------------------------------------------
 */

/* To an unsigned integer x86 knows no way, and raises flags for what is negative or too large for a
 * signed one. As numbers, the bits of those are above the bits of the limit. */
static void check_unsigned(
	struct emitter *e, const struct ir *ir, struct cold **slow, uint8_t reg, bool is_word)
{
	static const uint32_t singles[] = { 0x5f000000, 0x4f800000 }; /* 2^63, 2^32 */
	static const uint64_t doubles[] = { UINT64_C(0x43e0) << 48, UINT64_C(0x41f0) << 48 };

	/* vmovd, vmovq */
	x86_vex(&e->code, ir->size == 8, X86_PP_66, X86_MAP_0F, 0x7e, reg, 0, x86_r(RAX));
	x86_constant(&e->code, RCX, ir->size == 8 ? doubles[is_word] : singles[is_word]);
	x86_arithmetic(&e->code, ir->size, X86_CMP, RAX, x86_r(RCX));
	slow_if(e, ir, slow, X86_AE);
}

/* Towards zero. What x86 cannot represent is the most negative number: the helper looks again. */
void emit_float_to_integer(struct emitter *e, const struct ir *ir)
{
	bool is_word = ir->imm == 4, is_signed = ir->flags & IR_SIGNED;
	struct cold *slow = NULL;
	uint8_t a = float_in(e, ir->a, XMM0);

	check_boxed(e, ir, &slow, ir->a, ir->size, a);
	if (!is_signed)
		check_unsigned(e, ir, &slow, a, is_word);
	/* vcvttsd2si, vcvttss2si */
	x86_vex(&e->code, !is_word || !is_signed, scalar(ir->size), X86_MAP_0F, 0x2c, RAX, 0,
		x86_r(a));
	if (is_signed) {
		x86_arithmetic_immediate(&e->code, is_word ? 4 : 8, X86_CMP, x86_r(RAX), 1);
		slow_if(e, ir, &slow, X86_O);
	}
	if (is_word)
		x86_extend(&e->code, 4, true, RAX, x86_r(RAX));
	out(e, ir->d, RAX);
	resume_here(e, slow);
}

void emit_float_from_integer(struct emitter *e, const struct ir *ir)
{
	bool is_word = ir->imm == 4, is_signed = ir->flags & IR_SIGNED;
	struct cold *slow = NULL;
	uint8_t a = in(e, ir->a, RAX);

	if (is_word && !is_signed) {
		x86_load(&e->code, 4, RAX, x86_r(a));
		a = RAX;
	} else if (!is_signed) {
		x86_test(&e->code, 8, a, a);
		slow = helper_if(e, ir, X86_S);
	}
	/* The bits above the result: a box, or nothing that counts. vmovq, then vcvtsi2sd or -ss.
	 */
	if (ir->size == 4)
		x86_vex(&e->code, false, X86_PP_F3, X86_MAP_0F, 0x7e, XMM0, 0,
			constant_memory(e, CONSTANT_BOX_SINGLE));
	else /* vxorps: no waiting for what was there */
		x86_vex(&e->code, false, X86_PP_NONE, X86_MAP_0F, 0x57, XMM0, XMM0, x86_r(XMM0));
	x86_vex(&e->code, !(is_word && is_signed), scalar(ir->size), X86_MAP_0F, 0x2a, XMM0, XMM0,
		x86_r(a));
	float_out(e, ir->d, XMM0);
	resume_here(e, slow);
	note_width(e, ir->d, ir->size);
}

void emit_float_convert(struct emitter *e, const struct ir *ir)
{
	struct ir from = *ir;
	struct cold *slow = NULL;
	uint8_t a = float_in(e, ir->a, XMM1), reg = result_register(e, ir);

	from.size = (uint8_t)ir->imm;
	if (from.size == 4 && !(e->boxed & bit(ir->a))) {
		x86_vex(&e->code, false, X86_PP_66, X86_MAP_0F3A, 0x16, a, 0, x86_r(RCX));
		x86_byte(&e->code, 1);
		x86_arithmetic_immediate(&e->code, 4, X86_CMP, x86_r(RCX), -1);
		slow = helper_if(e, ir, X86_NE);
	}
	if (ir->size == 4)
		x86_vex(&e->code, false, X86_PP_F3, X86_MAP_0F, 0x7e, XMM0, 0,
			constant_memory(e, CONSTANT_BOX_SINGLE));
	/* vcvtss2sd, vcvtsd2ss */
	x86_vex(&e->code, false, scalar(from.size), X86_MAP_0F, 0x5a, reg, ir->size == 4 ? XMM0 : a,
		x86_r(a));
	finish(e, ir, slow, reg);
}

void emit_float_to_bits(struct emitter *e, const struct ir *ir)
{
	uint8_t a = float_in(e, ir->a, XMM0), reg = target(e, ir->d, RAX);

	/* vmovq, vmovd */
	x86_vex(&e->code, ir->size == 8, X86_PP_66, X86_MAP_0F, 0x7e, a, 0, x86_r(reg));
	if (ir->size == 4)
		x86_extend(&e->code, 4, true, reg, x86_r(reg));
	out(e, ir->d, reg);
}

void emit_float_from_bits(struct emitter *e, const struct ir *ir)
{
	uint8_t a = in(e, ir->a, RAX), reg = float_target(e, ir->d, XMM0);

	x86_vex(&e->code, ir->size == 8, X86_PP_66, X86_MAP_0F, 0x6e, reg, 0, x86_r(a));
	if (ir->size == 4) /* vpor */
		x86_vex(&e->code, false, X86_PP_66, X86_MAP_0F, 0xeb, reg, reg,
			constant_memory(e, CONSTANT_BOX_SINGLE));
	float_out(e, ir->d, reg);
	note_width(e, ir->d, ir->size);
}

/* --- flags -------------------------------------------------------------------------------------
 */

/* rax = what the control word has gathered, as the guest numbers it. */
static void gather_flags(struct emitter *e)
{
	struct x86_operand control = frame_memory(
		e->jit, offsetof(struct jit_frame, float_control));
	struct x86_operand table = frame_memory(e->jit, offsetof(struct jit_frame, float_flags));

	x86_legacy(&e->code, 4, X86_PP_NONE, X86_MAP_0F, 0xae, 3, control); /* stmxcsr */
	x86_load(&e->code, 4, RAX, control);
	x86_arithmetic_immediate(&e->code, 4, X86_AND, x86_r(RAX), MXCSR_FLAGS);
	table.index = RAX;
	x86_extend(&e->code, 1, false, RAX, table);
}

void emit_float_read_flags(struct emitter *e, const struct ir *ir)
{
	gather_flags(e);
	x86_arithmetic(&e->code, 4, X86_OR, RAX, state_memory(e->jit->guest->float_flags));
	x86_arithmetic_immediate(&e->code, 4, X86_AND, x86_r(RAX), FLOAT_FLAGS);
	out(e, ir->d, RAX);
}

/* The control word keeps its own while they are among those written: a program that saves and
 * restores flags around a comparison does not pay for loading it. Else the helper clears them. */
void emit_float_write_flags(struct emitter *e, const struct ir *ir)
{
	struct x86_operand flags = state_memory(e->jit->guest->float_flags);
	struct cold *slow;

	gather_flags(e);
	if (ir->a == IR_ZERO)
		x86_constant(&e->code, RCX, 0);
	else
		x86_load(&e->code, 4, RCX, where(e, ir->a));
	/* andn: what was gathered, and not written */
	x86_vex(&e->code, false, X86_PP_NONE, X86_MAP_0F38, 0xf2, RAX, RCX, x86_r(RAX));
	x86_test(&e->code, 4, RAX, RAX);
	slow = helper_if(e, ir, X86_NE);
	x86_arithmetic_immediate(&e->code, 4, X86_AND, x86_r(RCX), FLOAT_FLAGS);
	x86_arithmetic_immediate(&e->code, 4, X86_AND, flags, ~FLOAT_FLAGS);
	x86_arithmetic_store(&e->code, 4, X86_OR, flags, RCX);
	resume_here(e, slow);
}
