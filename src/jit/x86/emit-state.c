/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit-state.c - registers of a machine's CPU that are no slots: a kernel reads and writes some of
 * them at every trap, and its status around everything that an interrupt must not come between.
 */
#include "jit/x86/emit.h"

#define HIGHEST UINT64_C(0x8000000000000000)

void emit_state_read(struct emitter *e, const struct ir *ir)
{
	uint8_t reg = target(e, ir->d, RAX);

	x86_load(&e->code, 8, reg, state_memory((size_t)ir->imm));
	out(e, ir->d, reg);
}

/* d and a may be the same. */
void emit_state_write(struct emitter *e, const struct ir *ir)
{
	struct x86_operand memory = state_memory((size_t)ir->imm);
	uint8_t value = RAX;

	if (ir->a == IR_ZERO)
		x86_constant(&e->code, RAX, 0);
	else if (ir->flags & IR_EVEN)
		x86_load(&e->code, 8, RAX, where(e, ir->a));
	else
		value = in(e, ir->a, RAX);
	if (ir->flags & IR_EVEN)
		x86_arithmetic_immediate(&e->code, 8, X86_AND, x86_r(RAX), -2);
	if (ir->d != IR_ZERO)
		x86_load(&e->code, 8, RCX, memory);
	x86_store(&e->code, 8, memory, value);
	if (ir->d != IR_ZERO)
		out(e, ir->d, RCX);
}

static struct x86_operand status_memory(const struct ir *ir)
{
	return state_memory((uint32_t)ir->imm);
}

static int32_t status_bits(const struct ir *ir)
{
	return (int32_t)(ir->imm >> 32);
}

void emit_status_read(struct emitter *e, const struct ir *ir)
{
	uint8_t reg = target(e, ir->d, RCX);

	x86_load(&e->code, 4, RAX, status_memory(ir));
	x86_arithmetic_immediate(&e->code, 4, X86_AND, x86_r(RAX), status_bits(ir));
	x86_constant(
		&e->code, reg, UINT64_C(1) << ir->kind | (ir->flags & IR_SIGNED ? HIGHEST : 0));
	x86_arithmetic(&e->code, 8, X86_OR, reg, x86_r(RAX));
	out(e, ir->d, reg);
}

/* Does an interrupt wait for what is about to be set? */
static void check_waiting(struct emitter *e, struct cold *slow)
{
	x86_arithmetic_immediate(
		&e->code, 4, X86_CMP, state_memory(e->jit->guest->machine->may_interrupt), 0);
	also_if(e, slow, X86_NE);
}

static void change_constant(struct emitter *e, const struct ir *ir)
{
	bool sets = ir->op == IR_STATUS_SET;
	struct cold *slow = NULL;

	if (sets) {
		slow = cold_part(e, COLD_HELPER, ir);
		check_waiting(e, slow);
	}
	x86_arithmetic_immediate(&e->code, 4, sets ? X86_OR : X86_AND, status_memory(ir),
		sets ? status_bits(ir) : ~status_bits(ir));
	resume_here(e, slow);
}

void emit_status_change(struct emitter *e, const struct ir *ir)
{
	bool sets = ir->op == IR_STATUS_SET;
	struct cold *slow;
	uint8_t *nothing;

	if (ir->flags & IR_IMMEDIATE) {
		change_constant(e, ir);
		return;
	}
	x86_load(&e->code, 8, RAX, where(e, ir->a));
	x86_constant(&e->code, RCX, (uint64_t)(int64_t)~status_bits(ir));
	x86_test(&e->code, 8, RCX, RAX);
	slow = helper_if(e, ir, X86_NE);
	x86_test(&e->code, 4, RAX, RAX);
	nothing = x86_jump_short_if(&e->code, X86_E);
	if (sets) {
		check_waiting(e, slow);
		x86_arithmetic_store(&e->code, 4, X86_OR, status_memory(ir), RAX);
	} else {
		x86_legacy(&e->code, 4, X86_PP_NONE, X86_MAP_ONE, 0xf7, 2, x86_r(RAX)); /* not */
		x86_arithmetic_store(&e->code, 4, X86_AND, status_memory(ir), RAX);
	}
	x86_set_short_target(&e->code, nothing);
	resume_here(e, slow);
}
