/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit-leave.c - leaving translated code, for a while or for good: the guest's helpers, slow paths,
 * and the parts that are not in the straight line of a block, which stand behind it (struct cold).
 */
#include "jit/x86/emit.h"

/* --- leaving -----------------------------------------------------------------------------------
 */

/* With the global map. */
static void leave_at(struct emitter *e, uint64_t pc, int reason)
{
	int64_t place = place_of(e, pc);
	struct jit_way_out way = { (int16_t)place, (uint8_t)reason };

	if (moves_by_page(e) && place == way.place) {
		call_stub(e, e->jit->stubs.leave_at);
		add_data(e, &way, sizeof(way));
		return;
	}
	store_guest_constant(e, state_memory(e->jit->guest->pc), pc);
	x86_constant(&e->code, RAX, (uint64_t)reason);
	jump_to_stub(e, e->jit->stubs.leave);
}

static void emit_leave(struct emitter *e, uint64_t pc, int reason)
{
	map_to_global(e);
	leave_at(e, pc, reason);
}

void emit_stop(struct emitter *e, const struct ir *ir)
{
	count_on_way_out(e, done_before(ir)); /* whether its own is done, who is told knows */
	emit_leave(e, ir->pc + (uint64_t)ir->imm, ir->size);
}

/* `data` is found when the block is done (emit_helper_data). */
void call_helper(struct emitter *e, const struct ir *ir, int helper)
{
	struct cold *cold = cold_part(e, COLD_HELPER, NULL);
	int uncounted = (int)done_before(ir) - e->counted;

	add_retired(e, uncounted);
	map_to_global(e);
	store_guest_constant(e, state_memory(e->jit->guest->pc), ir->pc);
	x86_byte(&e->code, 0x48); /* lea rax, [rip + data] */
	x86_byte(&e->code, 0x8d);
	x86_byte(&e->code, 0x05);
	cold->data = e->code.p;
	cold->counter = helper;
	x86_dword(&e->code, 0);
	x86_call(&e->code, e->jit->stubs.helper);
	moves(e, 4, JIT_MOVES_STUB);
	map_from_global(e);
	add_retired(e, -uncounted);
}

/* What this access alone would be seen by. */
static void emit_owed(struct emitter *e, const struct ir *ir)
{
	for (unsigned i = 0; i < e->in->nr_owed; i++)
		if (&e->in->ops[e->in->owed[i].at] == ir)
			emit_operation(e, &e->in->owed[i].op);
}

/* The slow path of a machine's access: jit_reach(), and back. */
void call_reach(struct emitter *e, const struct cold *cold, struct jit_slow *slow)
{
	const struct ir *ir = cold->ir;
	bool is_at = moves_by_page(e);
	int uncounted = (int)done_before(ir) - e->counted;
	uint8_t *back;

	emit_owed(e, ir);
	add_retired(e, uncounted);
	slow->word = e->in->words[ir->helper];
	slow->place |= (uint16_t)(ir->pc % JIT_PAGE_BYTES);
	if (!is_at)
		store_guest_constant(e, state_memory(e->jit->guest->pc), ir->pc);
	if (e->reach)
		x86_call(&e->code, e->reach);
	else
		call_stub(e, is_at ? e->jit->stubs.reach_at : e->jit->stubs.reach);
	back = x86_jump(&e->code, cold->resume);
	add_data(e, slow, slow->place & JIT_SLOW_GROUP ? sizeof(*slow) : JIT_SLOW_LONE_BYTES);
	if (!e->counts || !uncounted || x86_is_full(&e->code))
		return;
	x86_set_target(back, e->code.p);
	add_retired(e, -uncounted);
	x86_jump(&e->code, cold->resume);
}

/* A region's own way there, of all its slow paths, with the map changed. */
static void emit_reach(struct emitter *e)
{
	e->reach = e->code.p;
	map_to_global(e);
	call_stub(e, moves_by_page(e) ? e->jit->stubs.reach_nested_at : e->jit->stubs.reach_nested);
	map_from_global(e);
	x86_byte(&e->code, 0xc3);
}

void emit_helper(struct emitter *e, const struct ir *ir)
{
	call_helper(e, ir, (int)ir->imm);
	e->boxed = 0;
}

void emit_helper_data(struct emitter *e)
{
	for (unsigned i = 0; i < e->nr_cold; i++) {
		const struct cold *cold = &e->cold[i];

		if (!cold->data)
			continue;
		while ((uintptr_t)e->code.p & 3 && !x86_is_full(&e->code))
			x86_byte(&e->code, 0xcc);
		if (e->code.end - e->code.p < IR_HELPER_BYTES + X86_INSN_MAX) {
			e->code.p = e->code.end; /* full */
			return;
		}
		x86_set_target(cold->data, e->code.p);
		memcpy(e->code.p, e->in->helpers[cold->counter], IR_HELPER_BYTES);
		e->code.p += IR_HELPER_BYTES;
	}
}

static void emit_exit_part(struct emitter *e, const struct cold *cold)
{
	/* With the global map the jump itself is what will be linked. */
	if (!cold->ir || (map_is_global(e) && !reads_flags(cold->ir))) {
		emit_link_stub(e, cold->target, context_of(e), cold->places[0]);
		return;
	}
	if (reads_flags(cold->ir))
		emit_float_read_flags(e, cold->ir);
	map_to_global(e);
	if (cold->target <= cold->ir->pc)
		stop_if_interrupted(e, cold->ir, cold->target);
	{
		uint8_t *place = jump_out(e), *code = code_of(e, cold->target);

		if (x86_is_full(&e->code))
			return;
		if (code)
			x86_set_target(place, code);
		else
			emit_link_stub(e, cold->target, context_of(e), place);
	}
}

/* What only a machine's accesses have, and status (emit-state.c), is short. */
static bool is_short_helper(const struct emitter *e, const struct ir *ir)
{
	return is_machine(e) && ir->op != IR_FLOAT_SET;
}

static void emit_hot_part(struct emitter *e, const struct cold *cold)
{
	int64_t place = place_of(e, cold->ir->pc), target = place_of(e, (uint64_t)cold->ir->imm);
	struct jit_hot_loop loop = { (int16_t)place, (int16_t)target, (uint32_t)cold->counter };

	count_on_way_out(e, done_before(cold->ir));
	if (moves_by_page(e) && place == loop.place && target == loop.target) {
		call_stub(e, e->jit->stubs.hot_at);
		add_data(e, &loop, sizeof(loop));
		moves(e, sizeof(loop.counter), JIT_MOVES_COUNTER);
		return;
	}
	store_guest_constant(
		e, frame_memory(e->jit, offsetof(struct jit_frame, hot)), (uint64_t)cold->ir->imm);
	x86_store_immediate(
		&e->code, 4, frame_memory(e->jit, offsetof(struct jit_frame, exit)), cold->counter);
	moves(e, 4, JIT_MOVES_COUNTER);
	emit_leave(e, cold->ir->pc, JIT_LEAVE_HOT);
}

static void emit_cold_part(struct emitter *e, struct cold *cold)
{
	switch (cold->kind) {
	case COLD_HELPER:
		if (is_short_helper(e, cold->ir)) {
			call_reach(e, cold, &(struct jit_slow){ 0 });
			break;
		}
		if (cold->ir->op == IR_FLOAT_SET && cold->ir->c != IR_ZERO)
			emit_float_read_flags(e, &(struct ir){ .d = cold->ir->c });
		call_helper(e, cold->ir, cold->ir->helper);
		if (cold->ir->op == IR_FLOAT_SET && cold->ir->flags & IR_KEEPS_FLAGS)
			call_helper(e, cold->ir, (int)cold->ir->imm);
		x86_jump(&e->code, cold->resume);
		break;
	case COLD_EXIT:
		emit_exit_part(e, cold);
		break;
	case COLD_GROUP:
		emit_group_part(e, cold);
		break;
	case COLD_RECENT:
		emit_recent_part(e, cold);
		break;
	case COLD_FAR:
		if (reads_flags(cold->ir))
			emit_float_read_flags(e, cold->ir);
		emit_far_jump(e, cold->ir, cold->target);
		break;
	case COLD_INTERRUPT:
		count_on_way_out(e, done_before(cold->ir));
		emit_leave(e, cold->ir->pc, JIT_STOP_INTERRUPT);
		break;
	case COLD_STOP: /* registers are where they belong already */
		leave_at(e, cold->target, JIT_STOP_INTERRUPT);
		break;
	case COLD_INTERPRET:
		count_on_way_out(e, done_before(cold->ir));
		emit_leave(e, cold->ir->pc, JIT_LEAVE_INTERPRET);
		break;
	case COLD_VECTOR_REST:
		x86_store_immediate(
			&e->code, 4, state_memory(e->jit->guest->vector_start), cold->counter);
		call_helper(e, cold->ir, cold->ir->helper);
		x86_jump(&e->code, cold->resume);
		break;
	case COLD_VECTOR:
		emit_vector_partial(e, cold);
		x86_jump(&e->code, cold->resume);
		break;
	case COLD_HOT:
		emit_hot_part(e, cold);
		break;
	case COLD_MISS: /* of a return: the lowest bit does not count */
		x86_arithmetic_immediate(&e->code, 8, X86_AND, x86_r(RAX), -2);
		jump_to_stub(e, e->jit->stubs.miss);
		break;
	case COLD_CALL_MISS:
		x86_byte(&e->code, 0x48); /* lea rcx, [rip + landing]; push rcx */
		x86_byte(&e->code, 0x8d);
		x86_byte(&e->code, 0x0d);
		x86_dword(&e->code, 0);
		if (!x86_is_full(&e->code))
			x86_set_target(e->code.p - 4, cold->resume);
		x86_byte(&e->code, 0x51);
		jump_to_stub(e, e->jit->stubs.miss);
		break;
	}
}

/* More may be added on the way. */
void emit_cold_parts(struct emitter *e)
{
	if (is_machine(e) && !map_is_global(e))
		emit_reach(e);
	for (unsigned i = 0; i < e->nr_cold && !e->failed && !x86_is_full(&e->code); i++) {
		struct cold *cold = &e->cold[i];

		if (cold->data && !cold->ir)
			continue; /* helper's data only */
		for (unsigned n = 0; n < 4 && cold->places[n]; n++)
			x86_set_target(cold->places[n], e->code.p);
		e->counted = cold->counted;
		emit_cold_part(e, cold);
	}
}
