/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit-memory.c - loads, stores and atomics.
 *
 * A program's addresses are host addresses; a machine's are looked up (emit-pages.c).
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
	struct reached reached = reach(e, ir, false);
	uint8_t reg;

	if (is_float_slot(e, ir->d)) {
		emit_float_load(e, ir, reached.memory);
	} else {
		reg = target(e, ir->d, RAX);
		x86_extend(&e->code, ir->size, ir->flags & IR_SIGNED, reg, reached.memory);
		out(e, ir->d, reg);
	}
	resume_here(e, reached.slow);
}

/* The value has no register, and the address takes both scratch registers. */
static void store_from_memory(struct emitter *e, const struct ir *ir)
{
	x86_arithmetic(&e->code, 8, X86_ADD, RCX, x86_r(RAX));
	x86_store(&e->code, ir->size, x86_m(RCX, 0), in(e, ir->b, RAX));
}

void emit_store(struct emitter *e, const struct ir *ir)
{
	struct reached reached = reach(e, ir, true);

	if (ir->b == IR_ZERO)
		x86_store_immediate(&e->code, ir->size, reached.memory, 0);
	else if (is_float_slot(e, ir->b)) /* vmovsd, vmovss */
		x86_vex(&e->code, false, ir->size == 8 ? X86_PP_F2 : X86_PP_F3, X86_MAP_0F, 0x11,
			float_in(e, ir->b, XMM0), 0, reached.memory);
	else if (e->map[ir->b] < 0 && reached.scratch == X86_NO_REG)
		store_from_memory(e, ir);
	else
		x86_store(&e->code, ir->size, reached.memory, in(e, ir->b, reached.scratch));
	resume_here(e, reached.slow);
}

void emit_zero_block(struct emitter *e, const struct ir *ir)
{
	struct reached reached = { .memory = { true, RCX, RAX, 0, 0 } };

	reached.slow = look_up_page(e, ir, e->tlb.write, 1);
	x86_arithmetic_immediate(&e->code, 8, X86_AND, x86_r(RAX), -64);
	/* vpxor, vmovdqu */
	x86_vex(&e->code, false, X86_PP_66, X86_MAP_0F, 0xef, XMM0, XMM0, x86_r(XMM0));
	for (int i = 0; i < 4; i++) {
		reached.memory.disp = 16 * i;
		x86_vex(&e->code, false, X86_PP_F3, X86_MAP_0F, 0x7f, XMM0, 0, reached.memory);
	}
	resume_here(e, reached.slow);
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

/* A register that holds where the operand is: rcx, or of a program perhaps the guest's own. */
static uint8_t reach_aligned(struct emitter *e, const struct ir *ir, struct cold **ret_slow)
{
	uint8_t base = is_machine(e) ? RAX : in(e, ir->a, RCX);

	if (is_machine(e))
		*ret_slow = look_up_page(e, ir, e->tlb.write, ir->size);
	x86_legacy(&e->code, 1, X86_PP_NONE, X86_MAP_ONE, 0xf6, 0, x86_r(base)); /* test */
	x86_byte(&e->code, (uint8_t)(ir->size - 1));
	if (!is_machine(e)) {
		*ret_slow = helper_if(e, ir, X86_NE);
		return base;
	}
	also_if(e, *ret_slow, X86_NE);
	x86_arithmetic(&e->code, 8, X86_ADD, RCX, x86_r(RAX));
	return RCX;
}

static void finish(struct emitter *e, const struct ir *ir)
{
	if (ir->d == IR_ZERO)
		return;
	if (ir->size == 4)
		x86_extend(&e->code, 4, true, RAX, x86_r(RAX));
	out(e, ir->d, RAX);
}

static void push_or_pop(struct emitter *e, uint8_t opcode, uint8_t reg)
{
	x86_byte(&e->code, 0x41); /* r8 and above */
	x86_byte(&e->code, opcode | (reg & 7));
}

/* rax = what was there; `scratch` may be written. */
static void emit_fetch_and_modify(
	struct emitter *e, const struct ir *ir, uint8_t base, uint8_t scratch)
{
	enum x86_arithmetic op = ir->op == IR_ATOMIC_AND ? X86_AND
		: ir->op == IR_ATOMIC_OR		 ? X86_OR
							 : X86_XOR;
	uint8_t *again;

	x86_load(&e->code, ir->size, RAX, x86_m(base, 0));
	again = e->code.p;
	x86_load(&e->code, 8, scratch, x86_r(RAX));
	if (ir->b != IR_ZERO)
		x86_arithmetic(&e->code, ir->size, op, scratch, where(e, ir->b));
	else if (op == X86_AND)
		x86_constant(&e->code, scratch, 0);
	x86_byte(&e->code, 0xf0); /* lock cmpxchg */
	x86_legacy(&e->code, ir->size, X86_PP_NONE, X86_MAP_0F, 0xb1, scratch, x86_m(base, 0));
	x86_jump_if(&e->code, X86_NE, again);
}

/* With rcx taken another register is wanted: it goes onto the shadow stack meanwhile. */
static void fetch_and_modify_at_rcx(struct emitter *e, const struct ir *ir)
{
	uint8_t scratch = ir->b != IR_ZERO && e->map[ir->b] == R15 ? R14 : R15;

	push_or_pop(e, 0x50, scratch);
	emit_fetch_and_modify(e, ir, RCX, scratch);
	push_or_pop(e, 0x58, scratch);
}

static void emit_swap_or_add(struct emitter *e, const struct ir *ir, uint8_t base)
{
	if (ir->b == IR_ZERO)
		x86_constant(&e->code, RAX, 0);
	else
		x86_load(&e->code, 8, RAX, where(e, ir->b));
	if (ir->op == IR_ATOMIC_SWAP) { /* xchg locks by itself */
		x86_legacy(&e->code, ir->size, X86_PP_NONE, X86_MAP_ONE, 0x87, RAX, x86_m(base, 0));
	} else { /* lock xadd */
		x86_byte(&e->code, 0xf0);
		x86_legacy(&e->code, ir->size, X86_PP_NONE, X86_MAP_0F, 0xc1, RAX, x86_m(base, 0));
	}
}

void emit_atomic(struct emitter *e, const struct ir *ir)
{
	bool is_loop = ir->op != IR_ATOMIC_SWAP && ir->op != IR_ATOMIC_ADD;
	struct cold *slow;
	uint8_t base;

	if (ir->a == IR_ZERO || (is_loop && !is_machine(e) && e->map[ir->a] < 0)) {
		leave_to_helper(e, ir);
		return;
	}
	base = reach_aligned(e, ir, &slow);
	if (!is_loop)
		emit_swap_or_add(e, ir, base);
	else if (base == RCX)
		fetch_and_modify_at_rcx(e, ir);
	else
		emit_fetch_and_modify(e, ir, base, RCX);
	finish(e, ir);
	resume_here(e, slow);
}

void emit_load_reserved(struct emitter *e, const struct ir *ir)
{
	struct x86_operand reserved = state_memory(e->jit->guest->reserved_address);
	struct cold *slow;
	uint8_t base;

	if (ir->a == IR_ZERO) {
		leave_to_helper(e, ir);
		return;
	}
	/* Before the address is looked up, which is the end of it. */
	if (is_machine(e))
		x86_store(&e->code, 8, reserved, in(e, ir->a, RAX));
	base = reach_aligned(e, ir, &slow);
	x86_extend(&e->code, ir->size, true, RAX, x86_m(base, 0));
	if (!is_machine(e))
		x86_store(&e->code, 8, reserved, base);
	x86_store(&e->code, 8, state_memory(e->jit->guest->reserved_value), RAX);
	out(e, ir->d, RAX);
	resume_here(e, slow);
}

/* Has it found registers for all that it takes? */
static bool may_store_conditionally(const struct emitter *e, const struct ir *ir)
{
	if (ir->a == IR_ZERO)
		return false;
	if (is_machine(e))
		return ir->b != IR_ZERO && e->map[ir->b] >= 0;
	return e->map[ir->a] >= 0 || (ir->b != IR_ZERO && e->map[ir->b] >= 0);
}

void emit_store_conditional(struct emitter *e, const struct ir *ir)
{
	struct x86_operand reserved = state_memory(e->jit->guest->reserved_address);
	struct cold *slow;
	uint8_t base, value, *lost, *done;

	if (!may_store_conditionally(e, ir)) {
		leave_to_helper(e, ir);
		return;
	}
	base = reach_aligned(e, ir, &slow);
	value = in(e, ir->b, RCX);
	x86_arithmetic_store(
		&e->code, 8, X86_CMP, reserved, is_machine(e) ? in(e, ir->a, RAX) : base);
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
