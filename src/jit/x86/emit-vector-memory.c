/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit-vector-memory.c - vectors from and to memory, one element behind the other.
 *
 * An access that faults has moved at most what lies before it, so the instruction can be done again
 * from its start: the guest's interpreter does, and finds the element (riscv_fault()), or where a
 * load ends of which only the first one may fault.
 */
#include "jit/x86/emit-vector.h"

#define PAGE_BYTES 4096

static struct x86_operand at(uint8_t base, unsigned n)
{
	return x86_m(base, (int32_t)(n * PIECE_BYTES));
}

/* So many bytes at memory can be moved by one instruction. */
static bool is_one_move(unsigned bytes)
{
	return bytes >= PIECE_BYTES || (bytes & (bytes - 1)) == 0;
}

/* The first bytes of xmm0; what is above is not defined. */
static void load_bytes(struct emitter *e, unsigned bytes, uint8_t to, struct x86_operand memory)
{
	if (bytes >= PIECE_BYTES) { /* vmovdqu */
		x86_vex(&e->code, false, X86_PP_F3, X86_MAP_0F, OP_LOAD, to, 0, memory);
	} else if (bytes >= 4) { /* vmovq, vmovd */
		x86_vex(&e->code, bytes == 8, X86_PP_66, X86_MAP_0F, 0x6e, to, 0, memory);
	} else {
		x86_extend(&e->code, bytes, false, RCX, memory);
		x86_vex(&e->code, false, X86_PP_66, X86_MAP_0F, 0x6e, to, 0, x86_r(RCX));
	}
}

static void store_bytes(struct emitter *e, unsigned bytes, uint8_t from, struct x86_operand memory)
{
	if (bytes >= PIECE_BYTES)
		x86_vex(&e->code, false, X86_PP_F3, X86_MAP_0F, OP_STORE, from, 0, memory);
	else if (bytes >= 4)
		x86_vex(&e->code, bytes == 8, X86_PP_66, X86_MAP_0F, 0x7e, from, 0, memory);
	else /* vpextrw, vpextrb */
		vector_3a(e, bytes == 2 ? 0x15 : 0x14, from, 0, memory, 0);
}

/* Go to the helper unless `bytes` from the address on lie in one page. Uses rcx. */
static struct cold *check_page(struct emitter *e, const struct ir *ir, uint8_t base, unsigned bytes)
{
	x86_load(&e->code, 4, RCX, x86_r(base));
	x86_arithmetic_immediate(&e->code, 4, X86_AND, x86_r(RCX), PAGE_BYTES - 1);
	x86_arithmetic_immediate(&e->code, 4, X86_CMP, x86_r(RCX), (int32_t)(PAGE_BYTES - bytes));
	return helper_if(e, ir, X86_A);
}

/* A register with the address of so many bytes: rax, or of a program perhaps the guest's own. A
 * machine's that are not all on a page which the TLB has go to the helper (*slow). */
static uint8_t vector_address(
	struct emitter *e, const struct ir *ir, size_t table, unsigned bytes, struct cold **slow)
{
	*slow = NULL;
	if (!is_machine(e))
		return in(e, ir->a, RAX);
	*slow = look_up_page(e, ir, table, bytes);
	x86_arithmetic(&e->code, 8, X86_ADD, RAX, x86_r(RCX));
	return RAX;
}

static emit_function emit_masked;

void emit_vector_load(struct emitter *e, const struct ir *ir)
{
	unsigned bytes = vector_bytes(ir);
	struct cold *cold, *slow;
	uint8_t base;

	if (ir->c != IR_ZERO) {
		emit_masked(e, ir);
		return;
	}
	if (!is_one_move(bytes % PIECE_BYTES)) {
		vector_to_helper(e, ir);
		return;
	}
	cold = vector_check_length(e, ir);
	base = vector_address(e, ir, e->tlb.read, bytes, &slow);
	for (unsigned n = 0; n < vector_pieces(ir); n++) {
		unsigned left = bytes - n * PIECE_BYTES;
		struct x86_operand d = vector_where(e, ir->d, n);
		uint8_t to = left >= PIECE_BYTES && !d.is_memory ? d.reg : XMM0;

		load_bytes(e, left, to, at(base, n));
		vector_put(e, ir, n, to, false);
	}
	resume_here(e, cold);
	resume_here(e, slow);
}

void emit_vector_store(struct emitter *e, const struct ir *ir)
{
	unsigned bytes = vector_bytes(ir);
	struct cold *cold, *slow;
	uint8_t base;

	if (ir->c != IR_ZERO) {
		emit_masked(e, ir);
		return;
	}
	if (!is_one_move(bytes % PIECE_BYTES)) {
		vector_to_helper(e, ir);
		return;
	}
	cold = vector_check_length(e, ir);
	base = vector_address(e, ir, e->tlb.write, bytes, &slow);
	for (unsigned n = 0; n < vector_pieces(ir); n++)
		store_bytes(e, bytes - n * PIECE_BYTES,
			vector_in(e, vector_where(e, ir->d, n), XMM0), at(base, n));
	resume_here(e, cold);
	resume_here(e, slow);
}

/* --- fields ------------------------------------------------------------------------------------
 */

static struct x86_operand element(
	const struct emitter *e, const struct ir *ir, unsigned field, unsigned n)
{
	struct x86_operand memory = slot_memory(e, ir->d + field * (unsigned)ir->imm);

	memory.disp += (int32_t)(n * ir->size);
	return memory;
}

static void add_step(struct emitter *e, const struct ir *ir)
{
	if (ir->flags & IR_IMMEDIATE)
		x86_arithmetic_immediate(&e->code, 8, X86_ADD, x86_r(RAX), ir->kind * ir->size);
	else
		x86_arithmetic(&e->code, 8, X86_ADD, RAX, where(e, ir->b));
}

/* Fault here if at all: rax is the first of four elements, all their fields, rcx from one to the
 * next. */
static void touch_four(struct emitter *e, const struct ir *ir)
{
	int32_t last = ir->kind * ir->size - 1;

	for (unsigned n = 0; n < 4; n++) {
		struct x86_operand at = x86_m(RAX, 0);

		if (n)
			at.index = RCX, at.scale = n > 1;
		if (n == 3)
			x86_arithmetic(&e->code, 8, X86_ADD, RAX, x86_r(RCX));
		x86_legacy(&e->code, 1, X86_PP_NONE, X86_MAP_ONE, 0x84, RAX, at); /* test */
		at.disp = last;
		x86_legacy(&e->code, 1, X86_PP_NONE, X86_MAP_ONE, 0x84, RAX, at);
	}
	x86_arithmetic(&e->code, 8, X86_SUB, RAX, x86_r(RCX));
}

/* Singles, four of each field: put together in a register, so that the whole slot can be read at
 * once behind it. */
static void load_four(struct emitter *e, const struct ir *ir)
{
	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned field = 0; field < ir->kind; field++) {
			struct x86_operand from = x86_m(RAX, (int32_t)(4 * field)),
					   slot = slot_memory(e, ir->d + field * (unsigned)ir->imm);

			from.index = RCX;
			if (pass) {
				from.scale = 1;
				vector_0f(e, OP_LOAD, XMM0, 0, slot);
				vector_3a(e, 0x22, XMM0, XMM0, from, 3); /* vpinsrd */
			} else {
				vector_0f(e, 0x6e, XMM0, 0, x86_m(RAX, from.disp));
				vector_3a(e, 0x22, XMM0, XMM0, from, 1);
				from.scale = 1;
				vector_3a(e, 0x22, XMM0, XMM0, from, 2);
			}
			vector_0f(e, OP_STORE, XMM0, 0, slot);
		}
		x86_arithmetic(&e->code, 8, X86_ADD, RAX, x86_r(RCX));
	}
}

void emit_vector_fields(struct emitter *e, const struct ir *ir)
{
	bool is_load = ir->op == IR_VECTOR_LOAD_FIELDS;
	struct cold *cold;

	if (is_machine(e) || ir->count * ir->kind > ELEMENTS_MAX) {
		vector_to_helper(e, ir);
		return;
	}
	cold = vector_check_length(e, ir);
	x86_load(&e->code, 8, RAX, where(e, ir->a));
	if (is_load && ir->size == 4 && ir->count == 4) {
		if (ir->flags & IR_IMMEDIATE)
			x86_constant(&e->code, RCX, (uint64_t)ir->kind * ir->size);
		else
			x86_load(&e->code, 8, RCX, where(e, ir->b));
		touch_four(e, ir);
		load_four(e, ir);
	} else {
		for (unsigned n = 0; n < ir->count; n++) {
			for (unsigned field = 0; field < ir->kind; field++) {
				struct x86_operand at = x86_m(RAX, (int32_t)(field * ir->size));

				x86_load(&e->code, ir->size, RCX,
					is_load ? at : element(e, ir, field, n));
				x86_store(&e->code, ir->size,
					is_load ? element(e, ir, field, n) : at, RCX);
			}
			if (n + 1u < ir->count)
				add_step(e, ir);
		}
	}
	resume_here(e, cold);
}

/* --- indexed -----------------------------------------------------------------------------------
 */

/* Does d share slots with the indices? What has been loaded is put away then: a load that faults
 * is done again from its start. */
static bool is_over_indices(const struct ir *ir)
{
	unsigned indices = ((unsigned)ir->count * ir->kind + PIECE_BYTES - 1) / PIECE_BYTES;

	return ir->op == IR_VECTOR_LOAD_INDEXED && ir->d < ir->b + indices &&
		ir->b < ir->d + vector_pieces(ir);
}

void emit_vector_indexed(struct emitter *e, const struct ir *ir)
{
	bool is_apart = is_over_indices(ir);
	struct cold *cold;

	if (is_machine(e) || ir->count > ELEMENTS_MAX ||
		(is_apart && vector_bytes(ir) % PIECE_BYTES)) {
		vector_to_helper(e, ir);
		return;
	}
	cold = vector_check_length(e, ir);
	for (unsigned i = 0; i < ir->count; i++) {
		struct x86_operand d = is_apart ? spare_memory(e, 0) : slot_memory(e, ir->d);
		struct x86_operand index = slot_memory(e, ir->b);

		d.disp += (int32_t)(i * ir->size);
		index.disp += (int32_t)(i * ir->kind);
		x86_extend(&e->code, ir->kind, false, RCX, index);
		x86_arithmetic(&e->code, 8, X86_ADD, RCX, where(e, ir->a));
		if (ir->op == IR_VECTOR_LOAD_INDEXED) {
			x86_load(&e->code, ir->size, RAX, x86_m(RCX, 0));
			x86_store(&e->code, ir->size, d, RAX);
		} else {
			x86_load(&e->code, ir->size, RAX, d);
			x86_store(&e->code, ir->size, x86_m(RCX, 0), RAX);
		}
	}
	for (unsigned n = 0; is_apart && n < vector_pieces(ir); n++) {
		vector_move(e, XMM0, spare_memory(e, n));
		vector_put(e, ir, n, XMM0, false);
	}
	resume_here(e, cold);
}

/* --- masked ------------------------------------------------------------------------------------
 */

/* vpmaskmovd, vpmaskmovq: what is masked off is not touched. */
static void emit_masked(struct emitter *e, const struct ir *ir)
{
	bool is_load = ir->op == IR_VECTOR_LOAD;
	struct cold *cold;
	uint8_t base, data;

	if (is_machine(e) || ir->size < 4 || vector_bytes(ir) % PIECE_BYTES) {
		vector_to_helper(e, ir);
		return;
	}
	cold = vector_check_length(e, ir);
	base = in(e, ir->a, RAX);
	for (unsigned n = 0; n < vector_pieces(ir); n++) {
		data = is_load ? XMM0 : vector_in(e, vector_where(e, ir->d, n), XMM0);
		vector_spread_mask(e, ir, n);
		x86_vex(&e->code, ir->size == 8, X86_PP_66, X86_MAP_0F38, is_load ? 0x8c : 0x8e,
			data, XMM1, at(base, n));
		if (is_load)
			vector_put(e, ir, n, XMM0, false);
	}
	resume_here(e, cold);
}

/* --- for the length there is ------------------------------------------------------------------ */

/* ecx = bytes that count */
static void load_length(struct emitter *e, const struct ir *ir)
{
	x86_load(&e->code, 4, RCX, vector_length(e));
	if (vector_width(ir))
		x86_shift_immediate(&e->code, 4, X86_SHL, RCX, (uint8_t)vector_width(ir));
}

/* All that there could be, if it lies in one page with the first that counts. */
void emit_vector_load_partial(struct emitter *e, const struct cold *cold)
{
	const struct ir *ir = cold->ir;
	struct cold *slow;
	uint8_t base;

	x86_arithmetic_immediate(&e->code, 4, X86_CMP, vector_length(e), 0);
	x86_jump_if(&e->code, X86_E, cold->resume);
	base = in(e, ir->a, RAX);
	slow = check_page(e, ir, base, vector_pieces(ir) * PIECE_BYTES);
	slow->resume = cold->resume;
	note_place(e, ir);
	for (unsigned n = 0; n < vector_pieces(ir); n++) {
		load_bytes(e, PIECE_BYTES, XMM0, at(base, n));
		vector_put(e, ir, n, XMM0, true);
	}
}

/* rax is where, the lower bits of ecx how much of xmm0. */
static void store_rest(struct emitter *e)
{
	for (unsigned bytes = PIECE_BYTES / 2; bytes; bytes /= 2) {
		uint8_t *over;

		x86_legacy(&e->code, 1, X86_PP_NONE, X86_MAP_ONE, 0xf6, 0, x86_r(RCX)); /* test */
		x86_byte(&e->code, (uint8_t)bytes);
		over = x86_jump_short_if(&e->code, X86_E);
		store_bytes(e, bytes, XMM0, x86_m(RAX, 0));
		x86_arithmetic_immediate(&e->code, 8, X86_ADD, x86_r(RAX), (int32_t)bytes);
		vector_shift(e, 3, 3, XMM0, XMM0, (uint8_t)bytes); /* vpsrldq */
		x86_set_short_target(&e->code, over);
	}
}

void emit_vector_store_partial(struct emitter *e, const struct ir *ir)
{
	uint8_t *rest[8];
	unsigned pieces = vector_pieces(ir);

	load_length(e, ir);
	x86_load(&e->code, 8, RAX, where(e, ir->a));
	note_place(e, ir);
	for (unsigned n = 0; n < pieces; n++) {
		vector_move(e, XMM0, vector_where(e, ir->d, n));
		x86_arithmetic_immediate(&e->code, 4, X86_SUB, x86_r(RCX), PIECE_BYTES);
		rest[n] = x86_jump_if(&e->code, X86_B, NULL);
		store_bytes(e, PIECE_BYTES, XMM0, x86_m(RAX, 0));
		x86_arithmetic_immediate(&e->code, 8, X86_ADD, x86_r(RAX), PIECE_BYTES);
	}
	for (unsigned n = 0; n < pieces && !x86_is_full(&e->code); n++)
		x86_set_target(rest[n], e->code.p);
	store_rest(e);
}
