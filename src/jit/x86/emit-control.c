/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit-control.c - ways out of a block, calls and returns.
 *
 * A jump to a block that exists leads there; one that does not leads to a stub of its own, which
 * has the target translated and the jump set (host_link). Calls use the host's: below the address
 * the host returns to lies the one the guest will return to, and a return whose target is not that
 * one looks its target up. Whatever code could go round by for ever looks whether somebody wants
 * the thread to stop: jumps and calls backward or by a register, and returns that are looked up.
 * Backward jumps outside of regions count, so that what turns often is translated as a region.
 */
#include "jit/x86/emit.h"

/* --- what moves ------------------------------------------------------------------------------ */

void moves(struct emitter *e, unsigned bytes, enum jit_relocation_kind kind)
{
	struct jit_relocation *relocation;

	if (!e->jit->relocations.items || x86_is_full(&e->code))
		return;
	relocation = jit_append(&e->jit->relocations, 1);
	if (!relocation)
		no_room(e);
	else
		*relocation = (struct jit_relocation){
			(uint32_t)(e->code.p - e->jit->writable) - bytes, kind
		};
}

int64_t place_of(const struct emitter *e, uint64_t address)
{
	return (int64_t)(address - (e->in->pc & -JIT_PAGE_BYTES));
}

/* Of code that moves: so far from where its page is mapped now. */
static void page_constant(struct emitter *e, uint8_t reg, uint64_t address)
{
	struct x86_operand page = frame_memory(e->jit, offsetof(struct jit_frame, page));
	int64_t distance = place_of(e, address);

	if (distance == (int32_t)distance) {
		x86_load(&e->code, 8, reg, page);
		x86_lea(&e->code, 8, reg, x86_m(reg, (int32_t)distance));
	} else {
		x86_constant(&e->code, reg, (uint64_t)distance);
		x86_arithmetic(&e->code, 8, X86_ADD, reg, page);
	}
}

/* Does an address of the guest's take no more than 32 bits, and stay what it is? */
static bool is_short(const struct emitter *e, uint64_t address)
{
	return !moves_by_page(e) && (int64_t)address == (int32_t)address;
}

/* A program's code below 2 GiB stays where it is (modules.h): only what takes 64 bits moves. */
void guest_constant(struct emitter *e, uint8_t reg, uint64_t address)
{
	if (moves_by_page(e)) {
		page_constant(e, reg, address);
		return;
	}
	x86_constant(&e->code, reg, address);
	if (address != (uint32_t)address)
		moves(e, 8, JIT_MOVES_GUEST);
}

void store_guest_constant(struct emitter *e, struct x86_operand memory, uint64_t address)
{
	if (is_short(e, address)) {
		x86_store_immediate(&e->code, 8, memory, (int32_t)address);
		return;
	}
	guest_constant(e, RAX, address);
	x86_store(&e->code, 8, memory, RAX);
}

void call_stub(struct emitter *e, const uint8_t *stub)
{
	x86_call(&e->code, stub);
	moves(e, 4, JIT_MOVES_STUB);
}

void add_data(struct emitter *e, const void *data, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		x86_byte(&e->code, ((const uint8_t *)data)[i]);
}

void jump_to_stub(struct emitter *e, const uint8_t *stub)
{
	x86_jump(&e->code, stub);
	moves(e, 4, JIT_MOVES_STUB);
}

/* --- cold parts ------------------------------------------------------------------------------ */

struct cold *cold_part(struct emitter *e, int kind, const struct ir *ir)
{
	struct cold *cold = &e->cold[e->nr_cold];

	if (e->nr_cold == COLD_MAX - 1)
		e->failed = true;
	else
		e->nr_cold++;
	*cold = (struct cold){ .ir = ir, .counted = e->counted };
	cold->kind = (unsigned)kind;
	return cold;
}

void also_if(struct emitter *e, struct cold *cold, enum x86_condition condition)
{
	for (unsigned i = 0; i < 4; i++) {
		if (cold->places[i])
			continue;
		cold->places[i] = x86_jump_if(&e->code, condition, NULL);
		return;
	}
	e->failed = true;
}

struct cold *helper_if(struct emitter *e, const struct ir *ir, enum x86_condition condition)
{
	struct cold *cold = cold_part(e, COLD_HELPER, ir);

	also_if(e, cold, condition);
	return cold;
}

/* --- the two maps ---------------------------------------------------------------------------- */

bool map_is_global(const struct emitter *e)
{
	return e->map == x86_global_map(e->jit->guest);
}

static void move_slot(struct emitter *e, unsigned slot, uint8_t reg, bool is_store)
{
	if (is_vector_slot(slot)) /* vmovdqa */
		x86_vex(&e->code, false, X86_PP_66, X86_MAP_0F, is_store ? 0x7f : 0x6f, reg, 0,
			slot_memory(e, slot));
	else if (is_float_slot(e, slot)) /* vmovsd */
		x86_vex(&e->code, false, X86_PP_F2, X86_MAP_0F, is_store ? 0x11 : 0x10, reg, 0,
			slot_memory(e, slot));
	else if (is_store)
		x86_store(&e->code, 8, slot_memory(e, slot), reg);
	else
		x86_load(&e->code, 8, reg, slot_memory(e, slot));
}

/* What lies elsewhere in the other map goes through memory. */
static void change_map(struct emitter *e, const int8_t *from, const int8_t *to)
{
	for (unsigned slot = 0; slot < e->jit->guest->nr_slots; slot++)
		if (from[slot] >= 0 && from[slot] != to[slot])
			move_slot(e, slot, (uint8_t)from[slot], true);
	for (unsigned slot = 0; slot < e->jit->guest->nr_slots; slot++)
		if (to[slot] >= 0 && from[slot] != to[slot])
			move_slot(e, slot, (uint8_t)to[slot], false);
}

void map_to_global(struct emitter *e)
{
	if (!map_is_global(e))
		change_map(e, e->map, x86_global_map(e->jit->guest));
}

void map_from_global(struct emitter *e)
{
	if (map_is_global(e))
		return;
	change_map(e, x86_global_map(e->jit->guest), e->map);
	load_pins(e);
}

/* --- going elsewhere ------------------------------------------------------------------------- */

static uint8_t *label(const struct emitter *e, uint64_t pc)
{
	for (unsigned i = 0; i < e->nr_labels; i++)
		if (e->labels[i].pc == pc)
			return e->labels[i].code;
	return NULL;
}

static bool is_label(const struct emitter *e, uint64_t pc)
{
	if (label(e, pc))
		return true;
	for (unsigned i = 0; i < e->in->nr; i++)
		if (e->in->ops[i].op == IR_LABEL && e->in->ops[i].pc == pc)
			return true;
	return false;
}

uint64_t context_of(const struct emitter *e)
{
	return e->out->context & ~JIT_CONTEXT_CAREFUL;
}

uint8_t *code_of(const struct emitter *e, uint64_t pc)
{
	const struct jit_block *block = jit_find(e->jit, pc, context_of(e));

	return block ? e->jit->writable + block->code : NULL;
}

static uint32_t add_exit(struct emitter *e, uint64_t pc, uint64_t context, const uint8_t *place)
{
	struct jit_exit *exit = jit_append(&e->jit->exits, 1);

	if (!exit) {
		no_room(e);
		return 0;
	}
	if (moves_by_page(e))
		pc -= e->in->pc & -JIT_PAGE_BYTES;
	*exit = (struct jit_exit){ pc, context, (uint32_t)(place - e->jit->writable) };
	return (uint32_t)(e->jit->exits.nr - 1);
}

void emit_link_stub(struct emitter *e, uint64_t pc, uint64_t context, uint8_t *place)
{
	uint32_t exit = add_exit(e, pc, context, place);

	x86_set_target(place, e->code.p);
	call_stub(e, e->jit->stubs.link);
	x86_dword(&e->code, exit);
	moves(e, 4, JIT_MOVES_EXIT);
}

static void pad(struct emitter *e, unsigned bytes)
{
	while (bytes--)
		x86_byte(&e->code, 0x90);
}

uint8_t *jump_out(struct emitter *e)
{
	pad(e, x86_padding(&e->code, 1));
	return x86_jump(&e->code, NULL);
}

bool reads_flags(const struct ir *ir)
{
	return ir && ir->op == IR_BRANCH && ir->d != IR_ZERO;
}

/* The jump at `place` goes to guest code at pc, in this block or elsewhere. */
static void lead(struct emitter *e, const struct ir *ir, uint8_t *place, uint64_t pc)
{
	uint8_t *code = label(e, pc);
	struct cold *cold;

	if (!code && is_label(e, pc)) {
		if (e->nr_jumps == JUMPS_MAX) {
			e->failed = true;
			return;
		}
		e->jumps[e->nr_jumps].pc = pc;
		e->jumps[e->nr_jumps++].place = place;
		return;
	}
	if (!code && map_is_global(e) && !is_far(e, pc) && !reads_flags(ir))
		code = code_of(e, pc);
	if (code && !x86_is_full(&e->code)) {
		x86_set_target(place, code);
		return;
	}
	cold = cold_part(e, is_far(e, pc) ? COLD_FAR : COLD_EXIT, ir);
	cold->places[0] = place;
	cold->target = pc;
}

/* Do the stubs by which code goes that moves look whether the thread shall stop? They do not know
 * how much it may execute. */
static bool looks_in_stubs(const struct emitter *e)
{
	return moves_by_page(e) && !e->counts;
}

/* Before a backward jump; the state is that before the instruction. */
static void check_interrupt(struct emitter *e, const struct ir *ir)
{
	stop_if_wanted(e, cold_part(e, COLD_INTERRUPT, ir));
}

/* A loop's turn; true: that has also looked whether the thread shall stop. */
static bool count_turn(struct emitter *e, const struct ir *ir)
{
	uint32_t *counter, number;
	struct cold *cold;

	if (e->out->loop_bytes || e->jit->no_regions)
		return false;
	counter = jit_append(&e->jit->counters, 1);
	if (!counter)
		return false;
	*counter = JIT_LOOP_HOT;
	number = (uint32_t)(counter - (uint32_t *)e->jit->counters.items);
	cold = cold_part(e, COLD_HOT, ir);
	cold->counter = (int)number;
	if (looks_in_stubs(e)) {
		x86_constant(&e->code, RAX, number);
		moves(e, 4, JIT_MOVES_COUNTER);
		call_stub(e, e->jit->stubs.turn);
		also_if(e, cold, X86_B);
		return true;
	}
	x86_load(&e->code, 8, RCX, frame_memory(e->jit, offsetof(struct jit_frame, counters)));
	x86_arithmetic_immediate(&e->code, 4, X86_SUB, x86_m(RCX, (int32_t)(4 * number)), 1);
	moves(e, 5, JIT_MOVES_COUNTER_BYTES);
	also_if(e, cold, X86_S);
	return false;
}

/* Backward jumps can be taken for ever: look whether the thread shall stop. One that leaves a
 * region does so on its way out (emit_exit_part). */
static void before_jump(struct emitter *e, const struct ir *ir)
{
	if ((uint64_t)ir->imm > ir->pc || (!map_is_global(e) && !is_label(e, (uint64_t)ir->imm)))
		return;
	if (is_far(e, (uint64_t)ir->imm)) { /* no region has two pages */
		if (looks_in_stubs(e))
			return;
	} else if (count_turn(e, ir)) {
		return;
	}
	check_interrupt(e, ir);
}

/* rcx = the entry for rax in the thread's table; flags: is it? */
static void look_up(struct emitter *e)
{
	x86_lea(&e->code, 4, RCX, (struct x86_operand){ true, X86_NO_REG, RAX, 3, 0 });
	x86_arithmetic(&e->code, 4, X86_AND, RCX,
		frame_memory(e->jit, offsetof(struct jit_frame, lookup_mask)));
	x86_arithmetic(&e->code, 8, X86_ADD, RCX,
		frame_memory(e->jit, offsetof(struct jit_frame, lookup)));
	x86_arithmetic_store(&e->code, 8, X86_CMP, x86_m(RCX, offsetof(struct jit_entry, pc)), RAX);
}

/* jmp (4) or call (2) through the entry */
static void go(struct emitter *e, uint8_t digit)
{
	x86_legacy(&e->code, 4, X86_PP_NONE, X86_MAP_ONE, 0xff, digit,
		x86_m(RCX, offsetof(struct jit_entry, code)));
}

/* With the global map, the jump to pc being taken. */
void stop_if_interrupted(struct emitter *e, const struct ir *ir, uint64_t pc)
{
	struct cold *cold = cold_part(e, COLD_STOP, ir);

	cold->target = pc;
	stop_if_wanted(e, cold);
}

/* Of code that moves: rax = how far the target, on another page, is behind the start of this one;
 * the rest, a look whether the thread shall stop among it, is the stub's. */
static bool load_far_place(struct emitter *e, uint64_t pc)
{
	int64_t place = place_of(e, pc);

	if (!moves_by_page(e) || place != (int32_t)place)
		return false;
	x86_constant(&e->code, RAX, (uint32_t)place);
	return true;
}

/* To code of another page, from the state before or (in a region) after the jump. */
void emit_far_jump(struct emitter *e, const struct ir *ir, uint64_t pc)
{
	bool is_global = map_is_global(e);

	map_to_global(e);
	if (!is_global && pc <= ir->pc && !looks_in_stubs(e))
		stop_if_interrupted(e, ir, pc);
	if (load_far_place(e, pc)) {
		jump_to_stub(e, e->jit->stubs.far);
		return;
	}
	guest_constant(e, RAX, pc);
	look_up(e);
	x86_jump_if(&e->code, X86_NE, e->jit->stubs.unknown);
	enter_page(e);
	go(e, 4);
}

/* cmp and jcc want to stand together; what is to be aligned is so before both. */
void emit_branch(struct emitter *e, const struct ir *ir)
{
	struct ir compare = *ir;
	enum x86_condition condition;
	uint8_t *start;
	unsigned padding;

	before_jump(e, ir);
	count_up_to(e, ir->done);
	compare.flags &= (uint8_t)~IR_IMMEDIATE; /* imm is the target */
	start = e->code.p;
	condition = emit_compare(e, &compare);
	padding = is_label(e, (uint64_t)ir->imm) ? 0 : x86_padding(&e->code, 2);
	if (padding) {
		e->code.p = start;
		pad(e, padding);
		emit_compare(e, &compare);
	}
	lead(e, ir, x86_jump_if(&e->code, condition, NULL), (uint64_t)ir->imm);
}

void emit_jump(struct emitter *e, const struct ir *ir)
{
	before_jump(e, ir);
	count_up_to(e, ir->done);
	if (is_far(e, (uint64_t)ir->imm)) /* nothing to be set later: it need not be out of line */
		emit_far_jump(e, ir, (uint64_t)ir->imm);
	else
		lead(e, ir, jump_out(e), (uint64_t)ir->imm);
}

/* --- calls and returns -------------------------------------------------------------------------
 */

static uint64_t behind(const struct ir *ir)
{
	return ir->pc + ir->length;
}

/* To the guest's register, and onto the shadow stack: where the guest comes back to. */
static void leave_way_back(struct emitter *e, const struct ir *ir)
{
	uint64_t pc = behind(ir);

	if (!is_short(e, pc)) {
		guest_constant(e, RCX, pc);
		out(e, ir->d, RCX);
		map_to_global(e);
		x86_byte(&e->code, 0x51); /* push rcx */
		return;
	}
	if (ir->d != IR_ZERO && e->map[ir->d] >= 0)
		x86_constant(&e->code, (uint8_t)e->map[ir->d], pc);
	else if (ir->d != IR_ZERO)
		x86_store_immediate(&e->code, 8, slot_memory(e, ir->d), (int32_t)pc);
	map_to_global(e);
	x86_byte(&e->code, 0x68); /* push */
	x86_dword(&e->code, (uint32_t)pc);
}

/* Space so that what comes behind a call of `bytes` can be replaced by one write of 8 bytes. */
static void align_landing(struct emitter *e, unsigned bytes)
{
	while ((((uintptr_t)(e->code.p + bytes) & 7) > 3 || x86_padding(&e->code, bytes - 4)) &&
		!x86_is_full(&e->code))
		pad(e, 1);
}

static void emit_landing(struct emitter *e, const struct ir *ir)
{
	struct jit_landing *landing = jit_append(&e->jit->landings, 1);

	if (!landing) {
		no_room(e);
		return;
	}
	landing->pc = behind(ir);
	landing->code = (uint32_t)(e->code.p - e->jit->writable);
	e->out->nr_landings++;
	x86_lea(&e->code, 8, RSP, x86_m(RSP, 8));
	/* rax is where the return has gone: behind the call, if that be on the next page. */
	if (moves_by_page(e) && is_far(e, landing->pc))
		x86_lea(&e->code, 8, RAX, x86_m(RAX, -(int32_t)JIT_PAGE_BYTES));
	enter_page(e);
	map_from_global(e);
	e->boxed = 0;
}

static void call_and_land(struct emitter *e, const struct ir *ir, const uint8_t *stub)
{
	align_landing(e, 5);
	call_stub(e, stub);
	emit_landing(e, ir);
}

/* rax is the target, which is looked up. */
static void call_by_table(struct emitter *e, const struct ir *ir)
{
	struct cold *cold;

	look_up(e);
	cold = cold_part(e, COLD_CALL_MISS, ir);
	also_if(e, cold, X86_NE);
	enter_page(e);
	align_landing(e, 3);
	go(e, 2);
	cold->resume = e->code.p;
	emit_landing(e, ir);
}

void emit_call(struct emitter *e, const struct ir *ir)
{
	bool is_far_call = is_far(e, (uint64_t)ir->imm);

	if ((uint64_t)ir->imm <= ir->pc && !(is_far_call && looks_in_stubs(e)))
		check_interrupt(e, ir); /* a recursion, perhaps */
	count_up_to(e, ir->done);
	leave_way_back(e, ir);
	if (is_far_call && load_far_place(e, (uint64_t)ir->imm)) {
		call_and_land(e, ir, e->jit->stubs.far);
		return;
	}
	if (is_far_call) {
		guest_constant(e, RAX, (uint64_t)ir->imm);
		call_by_table(e, ir);
		return;
	}
	align_landing(e, 5);
	{
		uint8_t *place = x86_call(&e->code, NULL), *code = code_of(e, (uint64_t)ir->imm);

		if (code && !x86_is_full(&e->code)) {
			x86_set_target(place, code);
		} else {
			struct cold *cold = cold_part(e, COLD_EXIT, NULL);

			cold->places[0] = place;
			cold->target = (uint64_t)ir->imm;
		}
	}
	emit_landing(e, ir);
}

/* rax = (a + imm) & ~1 */
static void load_target(struct emitter *e, const struct ir *ir)
{
	if (ir->a == IR_ZERO)
		x86_constant(&e->code, RAX, (uint64_t)ir->imm);
	else
		x86_load(&e->code, 8, RAX, where(e, ir->a));
	if (ir->imm && ir->a != IR_ZERO)
		x86_arithmetic_immediate(&e->code, 8, X86_ADD, x86_r(RAX), (int32_t)ir->imm);
	x86_arithmetic_immediate(&e->code, 8, X86_AND, x86_r(RAX), -2);
}

void emit_jump_register(struct emitter *e, const struct ir *ir)
{
	check_interrupt(e, ir);
	count_up_to(e, ir->done);
	load_target(e, ir);
	if (ir->d != IR_ZERO) {
		guest_constant(e, RCX, behind(ir));
		out(e, ir->d, RCX);
	}
	map_to_global(e);
	look_up(e);
	also_if(e, cold_part(e, COLD_MISS, ir), X86_NE);
	enter_page(e);
	go(e, 4);
}

void emit_call_register(struct emitter *e, const struct ir *ir)
{
	if (!looks_in_stubs(e))
		check_interrupt(e, ir);
	count_up_to(e, ir->done);
	load_target(e, ir);
	leave_way_back(e, ir);
	if (moves_by_page(e))
		call_and_land(e, ir, e->jit->stubs.miss);
	else
		call_by_table(e, ir);
}

void emit_return(struct emitter *e, const struct ir *ir)
{
	struct cold *cold;

	count_up_to(e, ir->done);
	x86_load(&e->code, 8, RAX, where(e, ir->a));
	map_to_global(e);
	x86_arithmetic(&e->code, 8, X86_CMP, RAX, x86_m(RSP, 8));
	cold = cold_part(e, COLD_MISS, ir);
	also_if(e, cold, X86_NE);
	x86_byte(&e->code, 0xc3);
}
