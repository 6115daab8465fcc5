/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit-vector.c - vectors: their type and length, where they are, which elements count.
 *
 * The main path is for the length that an operation was made for. Another length is a cold part
 * that does the same and puts only what counts into the destination; what has no such part leaves
 * it to the helper.
 */
#include "jit/x86/emit-vector.h"

/* --- operands -------------------------------------------------------------------------------- */

struct x86_operand vector_where(const struct emitter *e, unsigned slot, unsigned n)
{
	return where(e, slot + n);
}

uint8_t vector_in(struct emitter *e, struct x86_operand operand, uint8_t scratch)
{
	if (!operand.is_memory)
		return operand.reg;
	vector_0f(e, OP_LOAD, scratch, 0, operand);
	return scratch;
}

void vector_move(struct emitter *e, uint8_t to, struct x86_operand from)
{
	if (from.is_memory || from.reg != to)
		x86_vex(&e->code, false, X86_PP_F3, X86_MAP_0F, OP_LOAD, to, 0, from); /* vmovdqu */
}

static void store(struct emitter *e, unsigned slot, uint8_t from)
{
	struct x86_operand to = where(e, slot);

	if (to.is_memory)
		vector_0f(e, OP_STORE, from, 0, to);
	else
		vector_move(e, to.reg, x86_r(from));
}

void vector_spread(struct emitter *e, const struct ir *ir)
{
	static const uint64_t ones[] = { 0x0101010101010101, 0x0001000100010001, 0x100000001, 1 };
	static const uint8_t broadcasts[] = { 0x78, 0x79, 0x58, 0x59 };
	unsigned width = vector_width(ir);
	uint64_t value = (uint64_t)ir->imm;

	if (ir->flags & IR_IMMEDIATE) {
		if (!value) {
			vector_0f(e, OP_XOR, XMM1, XMM1, x86_r(XMM1));
			return;
		}
		value = (value & UINT64_MAX >> (64 - 8 * ir->size)) * ones[width];
		x86_constant(&e->code, RAX, value);
		x86_vex(&e->code, true, X86_PP_66, X86_MAP_0F, 0x6e, XMM1, 0, x86_r(RAX));
		vector_38(e, broadcasts[3], XMM1, 0, x86_r(XMM1));
		return;
	}
	if (ir->flags & IR_NARROW_B) {
		x86_extend(&e->code, ir->size / 2u, ir->flags & IR_SIGNED_B, RAX, where(e, ir->b));
		x86_vex(&e->code, true, X86_PP_66, X86_MAP_0F, 0x6e, XMM1, 0, x86_r(RAX));
		vector_38(e, broadcasts[width], XMM1, 0, x86_r(XMM1));
		return;
	}
	if (is_float_slot(e, ir->b) || e->map[ir->b] < 0) {
		vector_38(e, broadcasts[width], XMM1, 0, where(e, ir->b));
		return;
	}
	x86_vex(&e->code, true, X86_PP_66, X86_MAP_0F, 0x6e, XMM1, 0, where(e, ir->b));
	vector_38(e, broadcasts[width], XMM1, 0, x86_r(XMM1));
}

/* --- what counts ----------------------------------------------------------------------------- */

void vector_spread_mask(struct emitter *e, const struct ir *ir, unsigned n)
{
	struct x86_operand mask = slot_memory(e, ir->c);
	unsigned width = vector_width(ir), elements = PIECE_BYTES >> width;
	struct x86_operand bits;

	mask.disp += (int32_t)(n * elements / 8);
	if (width == 0) {
		vector_38(e, 0x79, XMM1, 0, mask); /* vpbroadcastw, vpshufb */
		vector_38(e, 0x00, XMM1, XMM1, constant_memory(e, CONSTANT_SPREAD_BITS));
		bits = constant_memory(e, CONSTANT_BITS_8);
	} else {
		vector_38(e, 0x78, XMM1, 0, mask); /* vpbroadcastb */
		bits = constant_memory(e,
			width == 1	     ? CONSTANT_BITS_16
				: width == 2 ? CONSTANT_BITS_32 + n % 2
					     : CONSTANT_BITS_64 + n % 4);
	}
	vector_0f(e, OP_AND, XMM1, XMM1, bits);
	if (width == 3)
		vector_38(e, 0x29, XMM1, XMM1, bits);
	else
		vector_0f(e, (uint8_t)(0x74 + width), XMM1, XMM1, bits);
}

struct x86_operand vector_first_bytes(const struct emitter *e, unsigned bytes)
{
	struct x86_operand tail = constant_memory(e, CONSTANT_TAIL);

	tail.disp += (int32_t)(8 * PIECE_BYTES - bytes);
	return tail;
}

/* All ones in those of piece n that are below the guest's length. Uses rcx. */
static struct x86_operand below_length(struct emitter *e, const struct ir *ir, unsigned n)
{
	struct x86_operand tail = constant_memory(e, CONSTANT_TAIL);

	x86_load(&e->code, 4, RCX, vector_length(e));
	if (vector_width(ir))
		x86_shift_immediate(&e->code, 4, X86_SHL, RCX, (uint8_t)vector_width(ir));
	/* neg */
	x86_legacy(&e->code, 8, X86_PP_NONE, X86_MAP_ONE, 0xf7, 3, x86_r(RCX));
	tail.index = RCX;
	tail.disp += (int32_t)((8 + n) * PIECE_BYTES);
	return tail;
}

/* d = xmm1 ? from : d */
static void choose(struct emitter *e, unsigned slot, uint8_t from)
{
	struct x86_operand old = where(e, slot);

	if (!old.is_memory) {
		vector_3a(e, 0x4c, old.reg, old.reg, x86_r(from), XMM1 << 4); /* vpblendvb */
		return;
	}
	vector_0f(e, OP_AND, from, from, x86_r(XMM1));
	vector_0f(e, OP_AND_NOT, XMM1, XMM1, old);
	vector_0f(e, OP_OR, from, from, x86_r(XMM1));
	vector_0f(e, OP_STORE, from, 0, old);
}

void vector_counting(struct emitter *e, const struct ir *ir, unsigned n, bool is_partial)
{
	unsigned bytes = vector_bytes(ir) - n * PIECE_BYTES;

	if (ir->c != IR_ZERO) {
		vector_spread_mask(e, ir, n);
		if (is_partial)
			vector_0f(e, OP_AND, XMM1, XMM1, below_length(e, ir, n));
		else if (bytes < PIECE_BYTES)
			vector_0f(e, OP_AND, XMM1, XMM1, vector_first_bytes(e, bytes));
	} else {
		vector_move(e, XMM1,
			is_partial ? below_length(e, ir, n) : vector_first_bytes(e, bytes));
	}
}

void vector_put(struct emitter *e, const struct ir *ir, unsigned n, uint8_t from, bool is_partial)
{
	unsigned bytes = vector_bytes(ir) - n * PIECE_BYTES, slot = ir->d + n;

	if (ir->c == IR_ZERO && !is_partial && bytes >= PIECE_BYTES) {
		store(e, slot, from);
		return;
	}
	if (ir->c == IR_ZERO && !is_partial && bytes % 2 == 0) {
		struct x86_operand old = where(e, slot);

		vector_3a(e, 0x0e, old.is_memory ? from : old.reg, from, old,
			(uint8_t)(0xff << bytes / 2)); /* vpblendw */
		if (old.is_memory)
			vector_0f(e, OP_STORE, from, 0, old);
		return;
	}
	vector_counting(e, ir, n, is_partial);
	choose(e, slot, from);
}

struct cold *vector_check_length(struct emitter *e, const struct ir *ir)
{
	struct cold *cold;

	if (!(ir->flags & IR_CHECK_LENGTH))
		return NULL;
	x86_arithmetic_immediate(&e->code, 4, X86_CMP, vector_length(e), ir->count);
	cold = cold_part(e, COLD_VECTOR, ir);
	also_if(e, cold, X86_NE);
	return cold;
}

/* --- operations ------------------------------------------------------------------------------ */

struct cold *vector_check_number(struct emitter *e, const struct ir *ir)
{
	struct cold *slow = NULL;
	unsigned size = ir->flags & IR_NARROW_B ? ir->size / 2u : ir->size;

	if (ir->b != IR_ZERO && is_float_slot(e, ir->b))
		check_boxed(e, ir, &slow, ir->b, size, float_in(e, ir->b, XMM1));
	return slow;
}

void vector_to_helper(struct emitter *e, const struct ir *ir)
{
	struct ir helper = *ir;

	helper.imm = ir->helper;
	emit_helper(e, &helper);
}

/* vpmovzx, vpmovsx: elements of 1 << from bytes to 1 << to. */
static uint8_t extension(unsigned from, unsigned to, bool is_signed)
{
	static const uint8_t first[] = { 0, 3, 5 };

	return (uint8_t)((is_signed ? 0x20 : 0x30) + first[from] + to - from - 1);
}

void vector_extend(struct emitter *e, unsigned slot, unsigned n, unsigned from, unsigned to,
	bool is_signed, uint8_t reg)
{
	unsigned at = n * (PIECE_BYTES >> (to - from));
	struct x86_operand operand = where(e, slot + at / PIECE_BYTES);

	at %= PIECE_BYTES;
	if (operand.is_memory) {
		operand.disp += (int32_t)at;
	} else if (at) {
		vector_shift(e, 3, 3, reg, operand.reg, (uint8_t)at); /* vpsrldq */
		operand = x86_r(reg);
	}
	vector_38(e, extension(from, to, is_signed), reg, 0, operand);
}

void vector_prepare(struct emitter *e, const struct ir *ir, unsigned n, struct vector_piece *p)
{
	unsigned width = vector_width(ir);

	*p = (struct vector_piece){ .number = n, .to = XMM0, .b = x86_r(XMM1) };
	if (ir->op != IR_VECTOR_SET && ir->op != IR_VECTOR_FLOAT_SET)
		p->d = vector_where(e, ir->d, n);
	if (ir->flags & IR_NARROW_A) {
		vector_extend(e, ir->a, n, width - 1, width, ir->flags & IR_SIGNED, XMM0);
		p->a = x86_r(XMM0);
	} else if (is_vector_slot(ir->a)) {
		p->a = vector_where(e, ir->a, n);
	}
	if (!is_vector_slot(ir->b))
		return;
	if (ir->flags & IR_NARROW_B)
		vector_extend(e, ir->b, n, width - 1, width, ir->flags & IR_SIGNED_B, XMM1);
	else
		p->b = vector_where(e, ir->b, n);
}

/* Piece after piece. */
static void emit_pieces(struct emitter *e, const struct ir *ir, bool is_partial)
{
	struct vector_recipe recipe = vector_integer_recipe(e, ir);
	bool is_plain = ir->c == IR_ZERO && !is_partial;
	bool has_number = !is_vector_slot(ir->b) && !recipe.has_no_b &&
		!(recipe.takes_immediate && ir->flags & IR_IMMEDIATE);
	struct ir put = *ir;

	if (ir->op == IR_VECTOR_SELECT) /* its mask has been used up */
		put.c = IR_ZERO;
	for (unsigned n = 0; n < vector_pieces(ir); n++) {
		bool is_whole = is_plain && vector_bytes(ir) - n * PIECE_BYTES >= PIECE_BYTES;
		struct vector_piece p;

		if (has_number && (n == 0 || !is_plain || recipe.spoils_number))
			vector_spread(e, ir);
		vector_prepare(e, ir, n, &p);
		if (is_whole && !p.d.is_memory)
			p.to = p.d.reg;
		recipe.piece(e, ir, &p);
		vector_put(e, &put, n, p.to, is_partial);
	}
}

bool vector_is_shuffle(const struct ir *ir)
{
	return ir->size == 1 && ir->kind == 1 && ir->imm == (int64_t)PIECE_BYTES;
}

/* Elements of anywhere in a group, one after the other. */
static void gather(struct emitter *e, const struct ir *ir)
{
	struct x86_operand from = slot_memory(e, ir->a);

	from.index = RCX;
	from.scale = (uint8_t)vector_width(ir);
	for (unsigned i = 0; i < ir->count; i++) {
		struct x86_operand d = slot_memory(e, ir->d), index = slot_memory(e, ir->b);
		uint8_t *beyond;

		d.disp += (int32_t)(i * ir->size);
		index.disp += (int32_t)(i * ir->kind);
		x86_extend(&e->code, ir->kind, false, RCX, index);
		x86_constant(&e->code, RAX, 0);
		x86_arithmetic_immediate(&e->code, 8, X86_CMP, x86_r(RCX), (int32_t)ir->imm);
		beyond = x86_jump_short_if(&e->code, X86_AE);
		x86_load(&e->code, ir->size, RAX, from);
		x86_set_short_target(&e->code, beyond);
		x86_store(&e->code, ir->size, d, RAX);
	}
}

void emit_vector_gather(struct emitter *e, const struct ir *ir)
{
	struct cold *cold;

	if (vector_is_shuffle(ir)) {
		emit_vector_elements(e, ir);
		return;
	}
	if (ir->c != IR_ZERO || ir->count > ELEMENTS_MAX) {
		vector_to_helper(e, ir);
		return;
	}
	cold = vector_check_length(e, ir);
	gather(e, ir);
	resume_here(e, cold);
}

void emit_vector_elements(struct emitter *e, const struct ir *ir)
{
	struct cold *cold, *slow;

	if (!vector_integer_recipe(e, ir).piece) {
		vector_to_helper(e, ir);
		return;
	}
	cold = vector_check_length(e, ir);
	slow = vector_check_number(e, ir);
	emit_pieces(e, ir, false);
	resume_here(e, cold);
	resume_here(e, slow);
}

void emit_vector_partial(struct emitter *e, const struct cold *cold)
{
	struct cold *slow;

	switch (cold->ir->op) {
	case IR_VECTOR_LOAD:
	case IR_VECTOR_STORE:
		if (cold->ir->c != IR_ZERO || is_machine(e)) {
			vector_to_helper(e, cold->ir);
			break;
		}
		if (cold->ir->op == IR_VECTOR_STORE)
			emit_vector_store_partial(e, cold->ir);
		else
			emit_vector_load_partial(e, cold);
		break;
	case IR_VECTOR_REDUCE:
		emit_vector_reduce_partial(e, cold);
		break;
	case IR_VECTOR_SHIFT_IN:
	case IR_VECTOR_SET:
	case IR_VECTOR_LOAD_FIELDS ... IR_VECTOR_STORE_INDEXED:
	case IR_VECTOR_MASK ... IR_VECTOR_EXTRACT:
	case IR_VECTOR_AES ... IR_VECTOR_GHASH:
	case IR_VECTOR_FLOAT_SET:
	case IR_VECTOR_FLOAT_SUM:
		vector_to_helper(e, cold->ir);
		break;
	case IR_VECTOR_FLOAT_ADD ... IR_VECTOR_FLOAT_CONVERT:
		emit_vector_float_partial(e, cold);
		break;
	case IR_VECTOR_GATHER:
		if (!vector_is_shuffle(cold->ir)) {
			vector_to_helper(e, cold->ir);
			break;
		}
		__attribute__((fallthrough));
	default:
		slow = vector_check_number(e, cold->ir);
		if (slow)
			slow->resume = cold->resume;
		emit_pieces(e, cold->ir, true);
		break;
	}
}

/* --- type and length ------------------------------------------------------------------------- */

void emit_vector_expect(struct emitter *e, const struct ir *ir)
{
	const struct jit_guest *guest = e->jit->guest;
	struct cold *cold = cold_part(e, COLD_INTERPRET, ir);

	x86_arithmetic_immediate(
		&e->code, 8, X86_CMP, state_memory(guest->vector_type), (int32_t)ir->imm);
	also_if(e, cold, X86_NE);
	x86_arithmetic_immediate(&e->code, 4, X86_CMP, state_memory(guest->vector_start), 0);
	also_if(e, cold, X86_NE);
	if (!(ir->flags & IR_CHECK_LENGTH))
		return;
	x86_arithmetic_immediate(&e->code, 4, X86_CMP, vector_length(e), ir->count);
	also_if(e, cold, X86_NE);
}

void emit_vector_configure(struct emitter *e, const struct ir *ir)
{
	const struct jit_guest *guest = e->jit->guest;
	struct x86_operand wanted = vector_length(e);

	x86_store_immediate(&e->code, 8, state_memory(guest->vector_type), (int32_t)ir->imm);
	x86_store_immediate(&e->code, 4, state_memory(guest->vector_start), 0);
	if (ir->flags & IR_IMMEDIATE) {
		x86_store_immediate(&e->code, 8, vector_length(e), ir->count);
		if (ir->d == IR_ZERO)
			return;
		x86_constant(&e->code, RAX, ir->count);
		out(e, ir->d, RAX);
		return;
	}
	if (!(ir->flags & IR_KEEPS_LENGTH))
		wanted = where(e, ir->a);
	x86_constant(&e->code, RAX, ir->count);
	x86_arithmetic(&e->code, 8, X86_CMP, RAX, wanted);
	x86_move_if(&e->code, 8, X86_A, RAX, wanted);
	x86_store(&e->code, 8, vector_length(e), RAX);
	if (ir->d != IR_ZERO)
		out(e, ir->d, RAX);
}

void emit_vector_read_length(struct emitter *e, const struct ir *ir)
{
	uint8_t reg = target(e, ir->d, RAX);

	x86_load(&e->code, 8, reg, vector_length(e));
	out(e, ir->d, reg);
}
