/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit-memory.c - loads, stores and atomics. Guest addresses are host addresses.
 *
 * x86 keeps every order but that of a store and a later load, so only FENCE and the atomics, which
 * are locked, cost anything. Misaligned atomics are the helper's, and so are the few whose operands
 * find no register.
 */
#include "jit/x86/emit.h"

struct x86_operand guest_memory(struct emitter *e, const struct ir *ir, uint8_t scratch)
{
	if (ir->a != IR_ZERO && ir->imm == (int32_t)ir->imm)
		return x86_m(in(e, ir->a, scratch), (int32_t)ir->imm);
	if (ir->a == IR_ZERO && ir->imm == (int32_t)ir->imm)
		return x86_m(X86_NO_REG, (int32_t)ir->imm);
	x86_constant(&e->code, scratch, (uint64_t)ir->imm);
	if (ir->a != IR_ZERO)
		x86_arithmetic(&e->code, 8, X86_ADD, scratch, where(e, ir->a));
	return x86_m(scratch, 0);
}

static void emit_float_load(struct emitter *e, const struct ir *ir, struct x86_operand memory)
{
	uint8_t reg = float_target(e, ir->d, XMM0);

	if (ir->size == 8) {
		/* vmovsd */
		x86_vex(&e->code, false, X86_PP_F2, X86_MAP_0F, 0x10, reg, 0, memory);
	} else {
		/* vmovss, vpor */
		x86_vex(&e->code, false, X86_PP_F3, X86_MAP_0F, 0x10, XMM0, 0, memory);
		x86_vex(&e->code, false, X86_PP_66, X86_MAP_0F, 0xeb, reg, XMM0,
			constant_memory(e, CONSTANT_BOX_SINGLE));
	}
	float_out(e, ir->d, reg);
	note_width(e, ir->d, ir->size);
}

void emit_load(struct emitter *e, const struct ir *ir)
{
	struct x86_operand memory = guest_memory(e, ir, RAX);
	uint8_t reg;

	if (is_float_slot(e, ir->d)) {
		emit_float_load(e, ir, memory);
		return;
	}
	reg = target(e, ir->d, RAX);
	x86_extend(&e->code, ir->size, ir->flags & IR_SIGNED, reg, memory);
	out(e, ir->d, reg);
}

void emit_store(struct emitter *e, const struct ir *ir)
{
	struct x86_operand memory = guest_memory(e, ir, RAX);

	if (ir->b == IR_ZERO)
		x86_store_immediate(&e->code, ir->size, memory, 0);
	else if (!is_float_slot(e, ir->b))
		x86_store(&e->code, ir->size, memory, in(e, ir->b, RCX));
	else /* vmovsd, vmovss */
		x86_vex(&e->code, false, ir->size == 8 ? X86_PP_F2 : X86_PP_F3, X86_MAP_0F, 0x11,
			float_in(e, ir->b, XMM0), 0, memory);
}

/* A locked instruction orders as mfence does, and costs less. */
void emit_fence(struct emitter *e, const struct ir *ir)
{
	x86_byte(&e->code, 0xf0);
	x86_arithmetic_immediate(
		&e->code, 4, X86_OR, frame_memory(e->jit, offsetof(struct jit_frame, exit)), 0);
}

/* --- atomics -----------------------------------------------------------------------------------
 */

/* The helper does it, always. */
static void leave_to_helper(struct emitter *e, const struct ir *ir)
{
	struct ir helper = *ir;

	helper.imm = ir->helper;
	emit_helper(e, &helper);
}

static struct cold *check_alignment(struct emitter *e, const struct ir *ir, uint8_t base)
{
	x86_legacy(&e->code, 1, X86_PP_NONE, X86_MAP_ONE, 0xf6, 0, x86_r(base)); /* test */
	x86_byte(&e->code, (uint8_t)(ir->size - 1));
	return helper_if(e, ir, X86_NE);
}

static void finish(struct emitter *e, const struct ir *ir)
{
	if (ir->d == IR_ZERO)
		return;
	if (ir->size == 4)
		x86_extend(&e->code, 4, true, RAX, x86_r(RAX));
	out(e, ir->d, RAX);
}

static void emit_fetch_and_modify(struct emitter *e, const struct ir *ir)
{
	enum x86_arithmetic op = ir->op == IR_ATOMIC_AND ? X86_AND
		: ir->op == IR_ATOMIC_OR		 ? X86_OR
							 : X86_XOR;
	struct x86_operand memory = x86_m((uint8_t)e->map[ir->a], 0);
	uint8_t *again;

	x86_load(&e->code, ir->size, RAX, memory);
	again = e->code.p;
	x86_load(&e->code, 8, RCX, x86_r(RAX));
	if (ir->b != IR_ZERO)
		x86_arithmetic(&e->code, ir->size, op, RCX, where(e, ir->b));
	else if (op == X86_AND)
		x86_constant(&e->code, RCX, 0);
	x86_byte(&e->code, 0xf0); /* lock cmpxchg */
	x86_legacy(&e->code, ir->size, X86_PP_NONE, X86_MAP_0F, 0xb1, RCX, memory);
	x86_jump_if(&e->code, X86_NE, again);
}

void emit_atomic(struct emitter *e, const struct ir *ir)
{
	bool is_loop = ir->op != IR_ATOMIC_SWAP && ir->op != IR_ATOMIC_ADD;
	struct cold *slow;
	uint8_t base;

	if (ir->a == IR_ZERO || (is_loop && e->map[ir->a] < 0)) {
		leave_to_helper(e, ir);
		return;
	}
	base = in(e, ir->a, RCX);
	slow = check_alignment(e, ir, base);
	if (is_loop) {
		emit_fetch_and_modify(e, ir);
	} else {
		if (ir->b == IR_ZERO)
			x86_constant(&e->code, RAX, 0);
		else
			x86_load(&e->code, 8, RAX, where(e, ir->b));
		if (ir->op == IR_ATOMIC_SWAP) { /* xchg locks by itself */
			x86_legacy(&e->code, ir->size, X86_PP_NONE, X86_MAP_ONE, 0x87, RAX,
				x86_m(base, 0));
		} else { /* lock xadd */
			x86_byte(&e->code, 0xf0);
			x86_legacy(&e->code, ir->size, X86_PP_NONE, X86_MAP_0F, 0xc1, RAX,
				x86_m(base, 0));
		}
	}
	finish(e, ir);
	resume_here(e, slow);
}

void emit_load_reserved(struct emitter *e, const struct ir *ir)
{
	struct cold *slow;
	uint8_t base;

	if (ir->a == IR_ZERO) {
		leave_to_helper(e, ir);
		return;
	}
	base = in(e, ir->a, RCX);
	slow = check_alignment(e, ir, base);
	x86_extend(&e->code, ir->size, true, RAX, x86_m(base, 0));
	x86_store(&e->code, 8, state_memory(e->jit->guest->reserved_address), base);
	x86_store(&e->code, 8, state_memory(e->jit->guest->reserved_value), RAX);
	out(e, ir->d, RAX);
	resume_here(e, slow);
}

void emit_store_conditional(struct emitter *e, const struct ir *ir)
{
	struct x86_operand reserved = state_memory(e->jit->guest->reserved_address);
	struct cold *slow;
	uint8_t base, value, *lost, *done;

	if (ir->a == IR_ZERO || (e->map[ir->a] < 0 && (ir->b == IR_ZERO || e->map[ir->b] < 0))) {
		leave_to_helper(e, ir);
		return;
	}
	base = in(e, ir->a, RCX);
	slow = check_alignment(e, ir, base);
	value = in(e, ir->b, RCX);
	x86_arithmetic_store(&e->code, 8, X86_CMP, reserved, base);
	x86_store_immediate(&e->code, 8, reserved, -1);
	lost = x86_jump_short_if(&e->code, X86_NE);
	x86_load(&e->code, 8, RAX, state_memory(e->jit->guest->reserved_value));
	x86_byte(&e->code, 0xf0); /* lock cmpxchg */
	x86_legacy(&e->code, ir->size, X86_PP_NONE, X86_MAP_0F, 0xb1, value, x86_m(base, 0));
	x86_set(&e->code, X86_NE, RAX);
	x86_extend(&e->code, 1, false, RAX, x86_r(RAX));
	done = x86_jump_short(&e->code);
	x86_set_short_target(&e->code, lost);
	x86_constant(&e->code, RAX, 1);
	x86_set_short_target(&e->code, done);
	out(e, ir->d, RAX);
	resume_here(e, slow);
}
