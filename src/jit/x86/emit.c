/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit.c - from IR to machine code: which slots live in registers, and one operation after another.
 */
#include "jit/x86/emit.h"

#include <assert.h>
#include <errno.h>

const uint8_t x86_integer_registers[NR_INTEGER_REGISTERS] = { RBX, RSI, RDI, R8, R9, R10, R11, R12,
	R13, R14, R15, RDX };

/* jmp to code just behind it. */
static void emit_label(struct emitter *e, const struct ir *ir)
{
	if (e->nr_labels == LABELS_MAX) {
		e->failed = true;
		return;
	}
	e->labels[e->nr_labels].pc = ir->pc;
	e->labels[e->nr_labels++].code = e->code.p;
	e->boxed = 0;
	for (unsigned i = 0; i < e->nr_jumps; i++)
		if (e->jumps[i].pc == ir->pc && e->jumps[i].place) {
			x86_set_target(e->jumps[i].place, e->code.p);
			e->jumps[i].place = NULL;
		}
}

static emit_function *const emitters[] = {
	[IR_CONSTANT] = emit_constant,
	[IR_MOVE] = emit_move,
	[IR_ADD] = emit_binary,
	[IR_SUB] = emit_binary,
	[IR_AND] = emit_binary,
	[IR_OR] = emit_binary,
	[IR_XOR] = emit_binary,
	[IR_AND_NOT] = emit_and_not,
	[IR_OR_NOT] = emit_and_not,
	[IR_XOR_NOT] = emit_and_not,
	[IR_SHIFT_LEFT] = emit_shift,
	[IR_SHIFT_RIGHT] = emit_shift,
	[IR_SHIFT_ARITHMETIC] = emit_shift,
	[IR_ROTATE_RIGHT] = emit_shift,
	[IR_ROTATE_LEFT] = emit_shift,
	[IR_MULTIPLY] = emit_multiply,
	[IR_MULTIPLY_HIGH] = emit_multiply_high,
	[IR_MULTIPLY_HIGH_UNSIGNED] = emit_multiply_high,
	[IR_DIVIDE] = emit_divide,
	[IR_DIVIDE_UNSIGNED] = emit_divide,
	[IR_REMAINDER] = emit_divide,
	[IR_REMAINDER_UNSIGNED] = emit_divide,
	[IR_MINIMUM] = emit_pick,
	[IR_MAXIMUM] = emit_pick,
	[IR_MINIMUM_UNSIGNED] = emit_pick,
	[IR_MAXIMUM_UNSIGNED] = emit_pick,
	[IR_SHIFT_ADD] = emit_shift_add,
	[IR_SET] = emit_set,
	[IR_ZERO_IF] = emit_zero_if,
	[IR_BIT_CLEAR] = emit_bit,
	[IR_BIT_SET] = emit_bit,
	[IR_BIT_INVERT] = emit_bit,
	[IR_BIT_EXTRACT] = emit_bit,
	[IR_EXTEND] = emit_extend,
	[IR_COUNT_LEADING] = emit_count,
	[IR_COUNT_TRAILING] = emit_count,
	[IR_COUNT_ONES] = emit_count,
	[IR_REVERSE_BYTES] = emit_reverse_bytes,
	[IR_ROTATE_SUM] = emit_rotate_sum,
	[IR_AES_ROUND] = emit_aes_round,
	[IR_AES_INVERT] = emit_aes_invert,
	[IR_LOAD] = emit_load,
	[IR_STORE] = emit_store,
	[IR_ZERO_BLOCK] = emit_zero_block,
	[IR_FENCE] = emit_fence,
	[IR_ATOMIC_SWAP] = emit_atomic,
	[IR_ATOMIC_ADD] = emit_atomic,
	[IR_ATOMIC_AND] = emit_atomic,
	[IR_ATOMIC_OR] = emit_atomic,
	[IR_ATOMIC_XOR] = emit_atomic,
	[IR_LOAD_RESERVED] = emit_load_reserved,
	[IR_STORE_CONDITIONAL] = emit_store_conditional,
	[IR_FLOAT_ADD] = emit_float_binary,
	[IR_FLOAT_SUBTRACT] = emit_float_binary,
	[IR_FLOAT_MULTIPLY] = emit_float_binary,
	[IR_FLOAT_DIVIDE] = emit_float_binary,
	[IR_FLOAT_SQUARE_ROOT] = emit_float_square_root,
	[IR_FLOAT_FUSED] = emit_float_fused,
	[IR_FLOAT_MINIMUM] = emit_float_pick,
	[IR_FLOAT_MAXIMUM] = emit_float_pick,
	[IR_FLOAT_SIGN] = emit_float_sign,
	[IR_FLOAT_SET] = emit_float_set,
	[IR_FLOAT_TO_INTEGER] = emit_float_to_integer,
	[IR_FLOAT_FROM_INTEGER] = emit_float_from_integer,
	[IR_FLOAT_CONVERT] = emit_float_convert,
	[IR_FLOAT_TO_BITS] = emit_float_to_bits,
	[IR_FLOAT_FROM_BITS] = emit_float_from_bits,
	[IR_FLOAT_READ_FLAGS] = emit_float_read_flags,
	[IR_FLOAT_WRITE_FLAGS] = emit_float_write_flags,
	[IR_STATE_READ] = emit_state_read,
	[IR_STATE_WRITE] = emit_state_write,
	[IR_STATUS_READ] = emit_status_read,
	[IR_STATUS_SET] = emit_status_change,
	[IR_STATUS_CLEAR] = emit_status_change,
	[IR_VECTOR_EXPECT] = emit_vector_expect,
	[IR_VECTOR_CONFIGURE] = emit_vector_configure,
	[IR_VECTOR_READ_LENGTH] = emit_vector_read_length,
	[IR_VECTOR_LOAD] = emit_vector_load,
	[IR_VECTOR_STORE] = emit_vector_store,
	[IR_VECTOR_LOAD_FIELDS] = emit_vector_fields,
	[IR_VECTOR_STORE_FIELDS] = emit_vector_fields,
	[IR_VECTOR_LOAD_INDEXED] = emit_vector_indexed,
	[IR_VECTOR_STORE_INDEXED] = emit_vector_indexed,
	[IR_VECTOR_MOVE... IR_VECTOR_NARROW] = emit_vector_elements,
	[IR_VECTOR_GATHER] = emit_vector_gather,
	[IR_VECTOR_SLIDE_DOWN... IR_VECTOR_SHIFT_IN] = emit_vector_elements,
	[IR_VECTOR_SIGN] = emit_vector_elements,
	[IR_VECTOR_SET] = emit_vector_set,
	[IR_VECTOR_MASK] = emit_vector_mask,
	[IR_VECTOR_MARK] = emit_vector_mask,
	[IR_VECTOR_COUNT] = emit_vector_count,
	[IR_VECTOR_FIND] = emit_vector_find,
	[IR_VECTOR_INSERT] = emit_vector_insert,
	[IR_VECTOR_EXTRACT] = emit_vector_extract,
	[IR_VECTOR_REDUCE] = emit_vector_reduce,
	[IR_VECTOR_AES] = emit_vector_aes,
	[IR_VECTOR_SHA256] = emit_vector_sha256,
	[IR_VECTOR_GHASH] = emit_vector_ghash,
	[IR_VECTOR_FLOAT_ADD... IR_VECTOR_FLOAT_CONVERT] = emit_vector_float,
	[IR_VECTOR_FLOAT_SET] = emit_vector_set,
	[IR_VECTOR_FLOAT_SUM] = emit_vector_float_sum,
	[IR_LABEL] = emit_label,
	[IR_BRANCH] = emit_branch,
	[IR_JUMP] = emit_jump,
	[IR_CALL] = emit_call,
	[IR_JUMP_REGISTER] = emit_jump_register,
	[IR_CALL_REGISTER] = emit_call_register,
	[IR_RETURN] = emit_return,
	[IR_STOP] = emit_stop,
	[IR_HELPER] = emit_helper,
};
static_assert(sizeof(emitters) / sizeof(emitters[0]) == IR_OP_COUNT, "a function for each");

void emit_operation(struct emitter *e, const struct ir *ir)
{
	emitters[ir->op](e, ir);
}

/* --- which slot lives where ------------------------------------------------------------------ */

/* The first slots of `order` get registers, each the one it has in `preferred` if that is free. */
static void assign(
	const struct jit_guest *guest, const uint8_t *order, const int8_t *preferred, int8_t *map)
{
	const uint8_t *chosen[2][16];
	unsigned nr[2] = { 0 }, limits[2] = { NR_INTEGER_REGISTERS, NR_FLOAT_REGISTERS };
	uint32_t taken[2] = { 0 };

	memset(map, -1, JIT_SLOTS_MAX);
	for (unsigned i = 0; i < guest->nr_slots; i++) {
		unsigned kind = order[i] >= guest->first_float;

		/* Vectors are in the floating-point registers that are left. */
		if (!preferred && order[i] >= IR_FIRST_VECTOR)
			continue;

		if (nr[kind] < limits[kind])
			chosen[kind][nr[kind]++] = &order[i];
	}
	for (unsigned kind = 0; kind < 2; kind++) {
		for (unsigned i = 0; preferred && i < nr[kind]; i++) {
			int8_t reg = preferred[*chosen[kind][i]];

			map[*chosen[kind][i]] = reg;
			if (reg >= 0)
				taken[kind] |= 1u << reg;
		}
		for (unsigned i = 0, next = 0; i < nr[kind]; i++) {
			uint8_t reg;

			if (map[*chosen[kind][i]] >= 0)
				continue;
			do {
				reg = kind ? (uint8_t)(FIRST_FLOAT_REGISTER + next)
					   : x86_integer_registers[next];
				next++;
			} while (taken[kind] >> reg & 1);
			map[*chosen[kind][i]] = (int8_t)reg;
		}
	}
}

/* One guest so far, as a program and as a machine, which agree; a second one makes this a table. */
const int8_t *x86_global_map(const struct jit_guest *guest)
{
	static int8_t map[JIT_SLOTS_MAX];
	static const char *const *made_for;

	if (__atomic_load_n(&made_for, __ATOMIC_ACQUIRE) != guest->slot_names) {
		assign(guest, guest->hot, NULL, map);
		__atomic_store_n(&made_for, guest->slot_names, __ATOMIC_RELEASE);
	}
	return map;
}

void host_global_map(const struct jit *jit, struct jit_map *map)
{
	memcpy(map->host, x86_global_map(jit->guest), JIT_SLOTS_MAX);
}

/* Groups of them; the mask is used in memory. */
static void weigh_vectors(const struct ir *ir, uint32_t weight, uint32_t *weights)
{
	const uint8_t used[] = { ir->d, ir->a, ir->b };
	unsigned registers = ((unsigned)ir->count * ir->size + 15) / 16;

	for (unsigned n = 0; n < sizeof(used); n++) {
		if (used[n] < IR_FIRST_VECTOR || used[n] == IR_ZERO)
			continue;
		for (unsigned i = used[n]; i < used[n] + registers && i < JIT_SLOTS_MAX; i++)
			weights[i] += weight;
	}
}

static void forget_weights(unsigned slot, unsigned nr, uint32_t *weights)
{
	if (!is_vector_slot(slot))
		return;
	for (unsigned i = slot; i < slot + nr && i < JIT_SLOTS_MAX; i++)
		weights[i] = 0;
}

/* Masks, and what is moved by parts of a slot. */
static void leave_in_memory(const struct ir *ir, uint32_t *weights)
{
	forget_weights(ir->c, 1, weights);
	if ((ir->op >= IR_VECTOR_SET && ir->op <= IR_VECTOR_FIND) || ir->op == IR_VECTOR_FLOAT_SET)
		forget_weights(ir->d, 1, weights);
	if (ir->op == IR_VECTOR_LOAD_INDEXED || ir->op == IR_VECTOR_STORE_INDEXED ||
		(ir->op == IR_VECTOR_GATHER && !vector_is_shuffle(ir))) {
		forget_weights(ir->d, 8, weights);
		forget_weights(ir->a, 8, weights);
		forget_weights(ir->b, 8, weights);
	}
	if (ir->op >= IR_VECTOR_MASK && ir->op <= IR_VECTOR_FIND) {
		forget_weights(ir->a, 1, weights);
		forget_weights(ir->b, 1, weights);
	}
	if (ir->op == IR_VECTOR_LOAD_FIELDS || ir->op == IR_VECTOR_STORE_FIELDS)
		forget_weights(ir->d, ir->kind * (unsigned)ir->imm, weights);
}

/* A turn of a loop counts eight times. */
uint32_t weight_of(unsigned depth)
{
	static const uint32_t of_depth[] = { 1, 8, 64, 512 };

	return of_depth[depth];
}

static void find_depths(const struct ir_block *block, uint8_t *depth)
{
	memset(depth, 0, block->nr);
	for (unsigned i = 0; i < block->nr; i++) {
		const struct ir *ir = &block->ops[i];

		if ((ir->op != IR_BRANCH && ir->op != IR_JUMP) || (uint64_t)ir->imm > ir->pc)
			continue;
		for (unsigned n = i + 1; n-- > 0;) {
			if (block->ops[n].pc < (uint64_t)ir->imm)
				break;
			if (depth[n] < 3)
				depth[n]++;
		}
	}
}

/* How often each slot is used. */
static void weigh(const struct ir_block *block, const uint8_t *depth, uint32_t *weights)
{
	for (unsigned i = 0; i < block->nr; i++) {
		const struct ir *ir = &block->ops[i];
		const uint8_t used[] = { ir->d, ir->a, ir->b, ir->c };

		if (ir->op == IR_LABEL)
			continue;
		for (unsigned n = 0; n < sizeof(used); n++)
			if (used[n] < IR_FIRST_VECTOR)
				weights[used[n]] += weight_of(depth[i]);
		weigh_vectors(ir, weight_of(depth[i]), weights);
	}
}

int8_t *own_map(struct emitter *e)
{
	struct jit_map *maps = e->jit->maps.items, *map;

	if (!map_is_global(e))
		return maps[e->out->map].host;
	map = jit_append(&e->jit->maps, 1);
	if (!map) {
		e->failed = true;
		return NULL;
	}
	memcpy(map->host, e->map, JIT_SLOTS_MAX);
	e->out->map = (uint32_t)(map - maps);
	e->map = map->host;
	return map->host;
}

static void choose_map(struct emitter *e)
{
	const struct jit_guest *guest = e->jit->guest;
	uint32_t *weights = e->weights;
	uint8_t order[JIT_SLOTS_MAX];
	int8_t map[JIT_SLOTS_MAX], *own;

	e->map = x86_global_map(guest);
	if (!e->out->loop_bytes)
		return;
	memset(weights, 0, sizeof(e->weights));
	find_depths(e->in, e->depth);
	weigh(e->in, e->depth, weights);
	for (unsigned i = 0; i < e->in->nr; i++)
		leave_in_memory(&e->in->ops[i], weights);
	/* Equal ones stay where they are. */
	memcpy(order, guest->hot, guest->nr_slots);
	for (unsigned i = 1; i < guest->nr_slots; i++) {
		uint8_t slot = order[i];
		unsigned n = i;

		for (; n > 0 && weights[order[n - 1]] < weights[slot]; n--)
			order[n] = order[n - 1];
		order[n] = slot;
	}
	assign(guest, order, x86_global_map(guest), map);
	if (memcmp(map, e->map, JIT_SLOTS_MAX) == 0)
		return;
	own = own_map(e);
	if (own)
		memcpy(own, map, JIT_SLOTS_MAX);
}

/* --- a block --------------------------------------------------------------------------------- */

void note_place(struct emitter *e, const struct ir *ir)
{
	struct jit_place *place = jit_append(&e->jit->places, 1);

	if (!place) {
		no_room(e);
		return;
	}
	place->code = (uint32_t)(e->code.p - e->code.start);
	place->pc = (uint32_t)(ir->pc - e->out->lowest);
	e->out->nr_places++;
}

/* host_replace() puts a jump of 5 bytes here while others run: none may be in the middle of it, so
 * these are one instruction (nop). */
static void emit_entry(struct emitter *e)
{
	static const uint8_t nop[] = { 0x0f, 0x1f, 0x44, 0x00, 0x00 };

	for (unsigned i = 0; i < sizeof(nop); i++)
		x86_byte(&e->code, nop[i]);
}

/* The label of a line is its entry, so that its own jumps notice when it is replaced. */
static void emit_all(struct emitter *e)
{
	uint8_t *entry = e->code.p;

	emit_entry(e);
	map_from_global(e);
	e->labels[0].pc = e->in->pc;
	e->labels[0].code = e->out->loop_bytes ? e->code.p : entry;
	e->nr_labels = 1;
	for (unsigned i = 0; i < e->in->nr && !e->failed && !x86_is_full(&e->code); i++) {
		const struct ir *ir = &e->in->ops[i];

		if (((ir->op >= IR_LOAD && ir->op <= IR_STORE_CONDITIONAL) ||
			    (ir->op >= IR_VECTOR_LOAD && ir->op <= IR_VECTOR_STORE_INDEXED)) &&
			!is_machine(e))
			note_place(e, ir);
		if (ir->op == IR_LABEL)
			count_up_to(e, ir->done);
		emit_operation(e, ir);
	}
	for (unsigned i = 0; i < e->nr_jumps; i++)
		if (e->jumps[i].place)
			e->failed = true; /* a label in the middle of an instruction */
	emit_cold_parts(e);
	emit_helper_data(e);
}

static void choose_tables(struct emitter *e)
{
	const struct jit_guest_machine *machine = e->jit->guest->machine;
	size_t tlb;

	if (!machine)
		return;
	tlb = tlb_of(machine, (unsigned)(e->out->context & machine->regime_mask));
	e->tlb.read = tlb + offsetof(struct jit_tlb, read);
	e->tlb.write = tlb + offsetof(struct jit_tlb, write);
	e->counts = e->out->context & machine->counting_mode;
}

size_t host_emitter_bytes(void)
{
	return sizeof(struct emitter);
}

int host_emit(struct jit *jit, struct jit_block *block)
{
	struct emitter *e = jit->emitter.items;
	uint8_t *start = jit->writable + ((jit->used + 15) & ~(size_t)15);

	memset(e, 0, offsetof(struct emitter, cold));
	e->jit = jit;
	e->out = block;
	e->in = &jit->ir;
	e->code = (struct x86_code){ start, start, jit->writable + jit->size };
	block->code = (uint32_t)(start - jit->writable);
	block->first_landing = (uint32_t)jit->landings.nr;
	block->first_place = (uint32_t)jit->places.nr;
	choose_map(e);
	choose_tables(e);
	plan_pages(e);
	emit_all(e);
	if (e->failed)
		return -E2BIG;
	if (x86_is_full(&e->code))
		return -ENOSPC;
	block->code_end = (uint32_t)(e->code.p - jit->writable);
	jit->used = block->code_end;
	return 0;
}

void host_link(struct jit *jit, uint32_t place, uint32_t target)
{
	if (jit_own_code(jit, place))
		x86_set_target(jit->writable + place, jit->writable + target);
}

/* jmp over the first bytes, in one write. */
void host_replace(struct jit *jit, uint32_t code, uint32_t by)
{
	uint8_t *old = jit->writable + code;
	uint64_t *word = (uint64_t *)((uintptr_t)old & ~(uintptr_t)7), value;
	unsigned shift = (unsigned)((uintptr_t)old & 7);
	int32_t distance = (int32_t)(by - (code + 5));

	if (!jit_own_code(jit, code))
		return;
	value = *word;
	((uint8_t *)&value)[shift] = 0xe9;
	memcpy((uint8_t *)&value + shift + 1, &distance, sizeof(distance));
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

int host_redirect(
	struct jit *jit, const struct jit_block *block, uint32_t code, uint64_t pc, bool is_landing)
{
	uint8_t *start = jit->writable + jit->used;
	struct x86_code c = { start, start, jit->writable + jit->size };

	if (is_landing)
		x86_lea(&c, 8, RSP, x86_m(RSP, 8));
	if (!jit_moves(jit, block->context)) {
		x86_constant(&c, RAX, pc);
	} else if (!is_landing) { /* there rax is pc already */
		x86_load(&c, 8, RAX, frame_memory(jit, offsetof(struct jit_frame, page)));
		x86_lea(&c, 8, RAX, x86_m(RAX, (int32_t)(pc % JIT_PAGE_BYTES)));
	}
	/* The table may still lead to the code that is not to be entered; so may its entry for code
	 * without groups, which other code would only go on to again. */
	if (is_landing) {
		x86_jump(&c, jit->stubs.miss);
	} else if (!(block->context & JIT_CONTEXT_CAREFUL)) {
		x86_jump(&c, jit->stubs.unknown);
	} else {
		x86_store(&c, 8, state_memory(jit->guest->pc), RAX);
		x86_constant(&c, RAX, JIT_LEAVE_CAREFUL);
		x86_jump(&c, jit->stubs.leave);
	}
	if (x86_is_full(&c) || !jit_own_code(jit, code))
		return -ENOSPC;
	host_replace(jit, code, (uint32_t)jit->used);
	jit->used = (size_t)(c.p - jit->writable);
	return 0;
}
