/* SPDX-License-Identifier: Apache-2.0 */
/*
 * optimize.c - what can be known while a block is translated: constants, results that are sign
 * extended already, shifts that are extensions or rotations, writes that nobody sees.
 *
 * One pass down, one up; both linear. Nothing is known behind a label, a call or a helper. Every
 * operation that may fault or leave sees all slots, so only what lies between two of those goes.
 */
#include "jit/ir.h"

#include <string.h>

#define NR_SLOTS 64

struct facts {
	bool moves; /* the code may be kept for another address */
	bool is_known[NR_SLOTS];
	bool is_relative[NR_SLOTS]; /* a known one that moves with the code */
	int64_t value[NR_SLOTS];
	bool is_word[NR_SLOTS]; /* equals its lower half, sign extended */
	int16_t made_by[NR_SLOTS]; /* the operation, or -1 */
	uint32_t version[NR_SLOTS]; /* counts writes */
};

/* --- what operations are like ------------------------------------------------------------------
 */

/* d = f(operands), and nothing else happens. */
static bool is_pure(const struct ir *ir)
{
	if (ir->op <= IR_AES_INVERT)
		return true;
	return ir->op == IR_FLOAT_TO_BITS || ir->op == IR_FLOAT_FROM_BITS ||
		(ir->op == IR_FLOAT_SIGN && ir->size == 8);
}

static bool forgets_everything(enum ir_op op)
{
	return op == IR_LABEL || op == IR_CALL || op == IR_CALL_REGISTER || op == IR_HELPER;
}

static bool fits(int64_t value)
{
	return value == (int32_t)value;
}

static bool takes_immediate(enum ir_op op)
{
	switch (op) {
	case IR_ADD:
	case IR_SUB:
	case IR_AND:
	case IR_OR:
	case IR_XOR:
	case IR_SHIFT_LEFT:
	case IR_SHIFT_RIGHT:
	case IR_SHIFT_ARITHMETIC:
	case IR_ROTATE_RIGHT:
	case IR_ROTATE_LEFT:
	case IR_SET:
	case IR_BIT_CLEAR:
	case IR_BIT_SET:
	case IR_BIT_INVERT:
	case IR_BIT_EXTRACT:
		return true;
	default:
		return false;
	}
}

static bool is_commutative(enum ir_op op)
{
	return op == IR_ADD || op == IR_AND || op == IR_OR || op == IR_XOR || op == IR_MULTIPLY;
}

/* --- constants -----------------------------------------------------------------------------------
 */

static bool known(const struct facts *f, unsigned slot, int64_t *ret)
{
	if (slot == IR_ZERO) {
		*ret = 0;
		return true;
	}
	if (slot >= NR_SLOTS || !f->is_known[slot])
		return false;
	*ret = f->value[slot];
	return true;
}

static bool is_relative(const struct facts *f, unsigned slot)
{
	return slot < NR_SLOTS && f->is_known[slot] && f->is_relative[slot];
}

static bool compute(const struct ir *ir, int64_t a, int64_t b, int64_t *ret)
{
	bool is_word = ir->flags & IR_WORD;
	unsigned count = (unsigned)b & (is_word ? 31 : 63);
	uint64_t ua = (uint64_t)a, result;

	switch (ir->op) {
	case IR_MOVE:
		result = ua;
		break;
	case IR_ADD:
		result = ua + (uint64_t)b;
		break;
	case IR_SUB:
		result = ua - (uint64_t)b;
		break;
	case IR_AND:
		result = ua & (uint64_t)b;
		break;
	case IR_OR:
		result = ua | (uint64_t)b;
		break;
	case IR_XOR:
		result = ua ^ (uint64_t)b;
		break;
	case IR_SHIFT_LEFT:
		result = ua << count;
		break;
	case IR_SHIFT_RIGHT:
		result = (is_word ? (uint32_t)ua : ua) >> count;
		break;
	case IR_SHIFT_ARITHMETIC:
		result = (uint64_t)((is_word ? (int32_t)a : a) >> count);
		break;
	default:
		return false;
	}
	*ret = is_word ? (int32_t)result : (int64_t)result;
	return true;
}

static void become_constant(struct ir *ir, int64_t value)
{
	ir->op = IR_CONSTANT;
	ir->flags = 0;
	ir->a = ir->b = IR_ZERO;
	ir->imm = value;
}

static void become_move(struct ir *ir, uint8_t from)
{
	ir->op = IR_MOVE;
	ir->flags = 0;
	ir->a = from;
	ir->b = IR_ZERO;
	ir->imm = 0;
}

/* A known b becomes a number, and a known a changes places with b where that is the same. */
static void use_immediate(const struct facts *f, struct ir *ir)
{
	int64_t value;

	if (ir->flags & IR_IMMEDIATE || !takes_immediate((enum ir_op)ir->op))
		return;
	if (known(f, ir->a, &value) && fits(value) && !is_relative(f, ir->a) &&
		is_commutative((enum ir_op)ir->op)) {
		uint8_t a = ir->a;

		ir->a = ir->b;
		ir->b = a;
	}
	if (!known(f, ir->b, &value) || !fits(value) || is_relative(f, ir->b))
		return;
	ir->b = IR_ZERO;
	ir->imm = value;
	ir->flags |= IR_IMMEDIATE;
	if (ir->op >= IR_SHIFT_LEFT && ir->op <= IR_ROTATE_LEFT)
		ir->imm &= ir->flags & IR_WORD ? 31 : 63;
}

static void fold(const struct facts *f, struct ir *ir)
{
	int64_t a, b = ir->imm, result;
	bool is_unary = ir->op == IR_MOVE, relative;

	use_immediate(f, ir);
	if (!known(f, ir->a, &a))
		return;
	if (!is_unary && !(ir->flags & IR_IMMEDIATE) && !known(f, ir->b, &b))
		return;
	if (ir->flags & IR_IMMEDIATE)
		b = ir->imm;
	/* What moves with the code stays so when it is copied or added to. */
	relative = is_relative(f, ir->a);
	if (relative && !is_unary &&
		(ir->op != IR_ADD || !(ir->flags & IR_IMMEDIATE) || ir->flags & IR_WORD))
		return;
	if (!is_unary && !(ir->flags & IR_IMMEDIATE) && is_relative(f, ir->b))
		return;
	if (ir->op <= IR_SHIFT_ARITHMETIC && ir->op != IR_CONSTANT && compute(ir, a, b, &result)) {
		become_constant(ir, result);
		ir->flags = relative ? IR_RELATIVE : 0;
	}
}

/* Addresses and targets. */
static void fold_address(const struct facts *f, struct ir *ir)
{
	int64_t a, sum;

	/* Targets move with the code; those that would not are left alone where it does. */
	if (!known(f, ir->a, &a) || (f->moves && !is_relative(f, ir->a)))
		return;
	sum = (int64_t)((uint64_t)a + (uint64_t)ir->imm);
	switch (ir->op) {
	case IR_LOAD:
	case IR_STORE:
		if (!fits(sum) || sum < 0 || f->moves)
			return;
		ir->imm = sum;
		ir->a = IR_ZERO;
		break;
	case IR_CALL_REGISTER:
		ir->op = IR_CALL;
		ir->imm = sum & ~INT64_C(1);
		ir->a = IR_ZERO;
		break;
	case IR_JUMP_REGISTER:
		if (ir->d != IR_ZERO)
			return;
		ir->op = IR_JUMP;
		ir->imm = sum & ~INT64_C(1);
		ir->a = IR_ZERO;
		break;
	}
}

/* --- idioms --------------------------------------------------------------------------------------
 */

/* The operation that made a slot, if its own operand a still has the value it had then. */
static const struct ir *maker(const struct facts *f, const struct ir_block *block, unsigned slot)
{
	const struct ir *made;

	if (slot >= NR_SLOTS || f->made_by[slot] < 0)
		return NULL;
	made = &block->ops[f->made_by[slot]];
	if (made->a >= NR_SLOTS || f->version[made->a] != made->version)
		return NULL;
	return made;
}

/* The shift left by an immediate that made slot a of a shift right, if what it shifted can still be
 * had: it is in its place, or was shifted where it stood just before. */
static const struct ir *shifted_left(
	const struct facts *f, const struct ir_block *block, const struct ir *ir)
{
	const struct ir *left;

	if ((ir->op != IR_SHIFT_RIGHT && ir->op != IR_SHIFT_ARITHMETIC) ||
		!(ir->flags & IR_IMMEDIATE) || ir->a >= NR_SLOTS || f->made_by[ir->a] < 0)
		return NULL;
	left = &block->ops[f->made_by[ir->a]];
	if (left->op != IR_SHIFT_LEFT || !(left->flags & IR_IMMEDIATE) || left->a >= NR_SLOTS ||
		(left->flags & IR_WORD) != (ir->flags & IR_WORD))
		return NULL;
	if (left->a != left->d)
		return f->version[left->a] == left->version ? left : NULL;
	return left == ir - 1 && ir->d == left->d ? left : NULL;
}

/* A shift left and one right by as much are an extension; a word to the upper half and partly back
 * is an unsigned word, shifted. The first stays for who else may want it. */
static void find_extension(const struct facts *f, const struct ir_block *block, struct ir *ir)
{
	unsigned width = ir->flags & IR_WORD ? 32 : 64, count = (unsigned)ir->imm & (width - 1);
	const struct ir *left = shifted_left(f, block, ir);
	unsigned left_count;

	if (!left)
		return;
	left_count = (unsigned)left->imm & (width - 1);
	if (left_count == count &&
		(width - count == 8 || width - count == 16 || (width == 64 && count == 32))) {
		ir->flags = ir->op == IR_SHIFT_ARITHMETIC ? IR_SIGNED : 0;
		ir->op = IR_EXTEND;
		ir->size = (uint8_t)((width - count) / 8);
		ir->imm = 0;
	} else if (width == 64 && left_count == 32 && count < 32 && ir->op == IR_SHIFT_RIGHT) {
		ir->op = IR_SHIFT_ADD;
		ir->flags = IR_UNSIGNED_WORD;
		ir->b = IR_ZERO;
		ir->imm = 32 - (int)count;
	} else {
		return;
	}
	ir->a = left->a;
	ir->merges_previous = left->a == left->d;
}

/* An unsigned word, shifted by 1 to 3, plus something: one operation. */
static void find_shift_add(const struct facts *f, const struct ir_block *block, struct ir *ir)
{
	const struct ir *shift;
	uint8_t other = ir->b;

	if (ir->op != IR_ADD || ir->flags & (IR_IMMEDIATE | IR_WORD) || ir->b == IR_ZERO)
		return;
	shift = maker(f, block, ir->a);
	if (!shift || shift->op != IR_SHIFT_ADD) {
		shift = maker(f, block, ir->b);
		other = ir->a;
	}
	if (!shift || shift->op != IR_SHIFT_ADD || shift->b != IR_ZERO || shift->imm > 3)
		return;
	ir->op = IR_SHIFT_ADD;
	ir->flags = shift->flags;
	ir->a = shift->a;
	ir->b = other;
	ir->imm = shift->imm;
}

/* With what is inverted. */
static void find_and_not(const struct facts *f, const struct ir_block *block, struct ir *ir)
{
	const struct ir *inverted;
	uint8_t other = ir->b;

	if (ir->op != IR_AND || ir->flags & IR_IMMEDIATE)
		return;
	inverted = maker(f, block, ir->a);
	if (!inverted || inverted->op != IR_XOR || inverted->imm != -1) {
		inverted = maker(f, block, ir->b);
		other = ir->a;
	}
	if (!inverted || inverted->op != IR_XOR || !(inverted->flags & IR_IMMEDIATE) ||
		inverted->imm != -1)
		return;
	ir->op = IR_AND_NOT;
	ir->a = other;
	ir->b = inverted->a;
}

/* (a << n) | (a >> width - n), by or, add or xor: a rotation. */
static void find_rotation(const struct facts *f, const struct ir_block *block, struct ir *ir)
{
	const struct ir *left = maker(f, block, ir->a);
	const struct ir *right = maker(f, block, ir->b);
	unsigned width;

	if ((ir->op != IR_OR && ir->op != IR_ADD && ir->op != IR_XOR) || ir->flags & IR_IMMEDIATE ||
		!left || !right)
		return;
	if (left->op == IR_SHIFT_RIGHT) {
		const struct ir *swapped = left;

		left = right;
		right = swapped;
	}
	if (left->op != IR_SHIFT_LEFT || right->op != IR_SHIFT_RIGHT || left->a != right->a ||
		!(left->flags & right->flags & IR_IMMEDIATE) ||
		(left->flags & IR_WORD) != (right->flags & IR_WORD) ||
		(ir->flags & IR_WORD && !(left->flags & IR_WORD)))
		return;
	width = left->flags & IR_WORD ? 32 : 64;
	if ((unsigned)left->imm + (unsigned)right->imm != width)
		return;
	ir->op = IR_ROTATE_LEFT;
	ir->flags = IR_IMMEDIATE | (left->flags & IR_WORD);
	ir->imm = left->imm;
	ir->a = left->a;
	ir->b = IR_ZERO;
}

/* Flags read, two numbers compared, and the flags written back, as compilers do for comparisons
 * that must not raise any: then only a NaN can have raised one, and only then they need be written.
 */
static void find_quiet_comparison(struct ir_block *block, unsigned index)
{
	struct ir *write = &block->ops[index], *set = NULL;

	if (write->op != IR_FLOAT_WRITE_FLAGS)
		return;
	for (unsigned i = index; i-- > 0;) {
		struct ir *ir = &block->ops[i];

		if (ir->op == IR_FLOAT_READ_FLAGS && set && ir->d == write->a) {
			set->flags |= IR_KEEPS_FLAGS;
			set->imm = write->helper;
			*write = (struct ir){ .op = IR_MOVE,
				.d = IR_ZERO,
				.a = IR_ZERO,
				.b = IR_ZERO,
				.c = IR_ZERO };
			return;
		}
		if ((ir->op != IR_FLOAT_SET || set || ir->condition == IR_EQUAL) &&
			!(is_pure(ir) && ir->op < IR_LOAD))
			return;
		if (ir->d == write->a)
			return;
		if (ir->op == IR_FLOAT_SET)
			set = ir;
	}
}

static bool has_label(const struct ir_block *block, uint64_t pc)
{
	for (unsigned i = 0; i < block->nr; i++)
		if (block->ops[i].op == IR_LABEL && block->ops[i].pc == pc)
			return true;
	return false;
}

/* A way out, forwards, on which there is time to read flags. */
static bool leaves(const struct ir_block *block, const struct ir *ir)
{
	return ir->op == IR_BRANCH && (uint64_t)ir->imm > ir->pc &&
		!has_label(block, (uint64_t)ir->imm);
}

static bool reads(const struct ir *ir, unsigned slot)
{
	return ir->a == slot || (ir->b == slot && !(ir->flags & IR_IMMEDIATE)) || ir->c == slot;
}

/* The operation leaves the slot, and all others, alone, but may fault or call its helper. */
static bool is_passed(const struct ir *ir)
{
	return ir->op == IR_LOAD || ir->op == IR_STORE ||
		(ir->op >= IR_FLOAT_ADD && ir->op <= IR_FLOAT_CONVERT);
}

/*
 * Reading flags waits for all floating point before it (stmxcsr). What a quiet comparison has read
 * is mostly written over soon: then it is read only where somebody can see it, by the comparison's
 * slow path and on a way out behind it while no flag can have changed. A fault before the register
 * is written over finds what was in it before.
 */
static void put_off_flags(struct ir_block *block, unsigned index)
{
	const unsigned slot = block->ops[index].d;
	struct ir *set = NULL, *way_out = NULL;
	bool may_have_changed = false;

	for (unsigned i = index + 1; i < block->nr; i++) {
		struct ir *ir = &block->ops[i];

		if (reads(ir, slot))
			return;
		if (!set && ir->op == IR_FLOAT_SET && ir->flags & IR_KEEPS_FLAGS && ir->d != slot) {
			set = ir;
		} else if (set && !way_out && !may_have_changed && leaves(block, ir)) {
			way_out = ir;
			continue;
		} else if (is_passed(ir)) {
			may_have_changed |= ir->op >= IR_FLOAT_ADD;
		} else if (!is_pure(ir)) {
			return;
		}
		if (ir->d != slot)
			continue;
		if (!set)
			return;
		set->c = (uint8_t)slot;
		if (way_out)
			way_out->d = (uint8_t)slot;
		block->ops[index] = (struct ir){
			.op = IR_MOVE, .d = IR_ZERO, .a = IR_ZERO, .b = IR_ZERO, .c = IR_ZERO
		};
		return;
	}
}

/* Additions of nothing, extensions of what is extended. */
static void simplify(const struct facts *f, struct ir *ir)
{
	bool adds_nothing = (ir->op == IR_ADD || ir->op == IR_SUB || ir->op == IR_OR ||
				    ir->op == IR_XOR || ir->op == IR_SHIFT_LEFT ||
				    ir->op == IR_SHIFT_RIGHT || ir->op == IR_SHIFT_ARITHMETIC) &&
		ir->flags & IR_IMMEDIATE && ir->imm == 0;

	if (adds_nothing && (!(ir->flags & IR_WORD) || ir->a == IR_ZERO || f->is_word[ir->a]))
		become_move(ir, ir->a);
	else if (adds_nothing && ir->flags & IR_WORD) {
		ir->op = IR_EXTEND;
		ir->flags = IR_SIGNED;
		ir->size = 4;
	}
}

/* --- the pass down -------------------------------------------------------------------------------
 */

static void forget(struct facts *f)
{
	memset(f->is_known, 0, sizeof(f->is_known));
	memset(f->is_word, 0, sizeof(f->is_word));
	memset(f->made_by, -1, sizeof(f->made_by));
}

static bool gives_word(const struct facts *f, const struct ir *ir)
{
	switch (ir->op) {
	case IR_CONSTANT:
		return fits(ir->imm) && !(f->moves && ir->flags & IR_RELATIVE);
	case IR_MOVE:
		return ir->a == IR_ZERO || f->is_word[ir->a];
	case IR_LOAD:
		return ir->size < 4 || (ir->size == 4 && ir->flags & IR_SIGNED);
	case IR_EXTEND:
		return ir->size < 4 || ir->flags & IR_SIGNED;
	case IR_SET:
	case IR_FLOAT_SET:
	case IR_BIT_EXTRACT:
	case IR_STORE_CONDITIONAL:
		return true;
	case IR_AND: /* of a small positive number */
		return ir->flags & IR_IMMEDIATE && ir->imm >= 0 && fits(ir->imm);
	default:
		return ir->flags & IR_WORD ||
			(ir->size == 4 &&
				((ir->op >= IR_ATOMIC_SWAP && ir->op <= IR_LOAD_RESERVED) ||
					ir->op == IR_FLOAT_TO_BITS)) ||
			(ir->op == IR_FLOAT_TO_INTEGER && ir->imm == 4);
	}
}

static void note(struct facts *f, const struct ir *ir, int index)
{
	if (ir->d >= NR_SLOTS)
		return;
	f->is_word[ir->d] = gives_word(f, ir);
	f->is_known[ir->d] = ir->op == IR_CONSTANT;
	f->is_relative[ir->d] = ir->op == IR_CONSTANT && ir->flags & IR_RELATIVE;
	f->value[ir->d] = ir->imm;
	f->version[ir->d]++;
	f->made_by[ir->d] = is_pure(ir) ? (int16_t)index : -1;
}

static void go_down(struct ir_block *block)
{
	struct facts f = { .moves = block->moves };

	forget(&f);
	for (unsigned i = 0; i < block->nr; i++) {
		struct ir *ir = &block->ops[i];

		fold(&f, ir);
		fold_address(&f, ir);
		simplify(&f, ir);
		find_extension(&f, block, ir);
		find_rotation(&f, block, ir);
		find_shift_add(&f, block, ir);
		find_and_not(&f, block, ir);
		find_quiet_comparison(block, i);
		ir->version = ir->a < NR_SLOTS ? f.version[ir->a] : 0;
		note(&f, ir, (int)i);
		/* An operation that overwrites its own operand cannot be looked through. */
		if (ir->d < NR_SLOTS && ir->d == ir->a)
			ir->version = UINT32_MAX;
		if (forgets_everything((enum ir_op)ir->op))
			forget(&f);
	}
}

/* --- the pass up ---------------------------------------------------------------------------------
 */

/* How much of a slot somebody further down looks at. */
enum demand { DEMAND_NONE, DEMAND_LOW, DEMAND_ALL };

static void want(uint8_t *demand, unsigned slot, enum demand how_much)
{
	if (slot < NR_SLOTS && demand[slot] < how_much)
		demand[slot] = (uint8_t)how_much;
}

/* How much an operation looks at of its operands, when `result` is what is wanted of its own. */
static enum demand operand_demand(const struct ir *ir, enum demand result)
{
	switch (ir->op) {
	case IR_ADD:
	case IR_SUB:
	case IR_MULTIPLY:
	case IR_AND:
	case IR_OR:
	case IR_XOR:
	case IR_MOVE:
		if (result == DEMAND_LOW || ir->flags & IR_WORD)
			return DEMAND_LOW;
		return ir->op == IR_AND && ir->flags & IR_IMMEDIATE && ir->imm >= 0 ? DEMAND_LOW
										    : DEMAND_ALL;
	case IR_SHIFT_LEFT:
	case IR_SHIFT_RIGHT:
	case IR_SHIFT_ARITHMETIC:
	case IR_ROTATE_RIGHT:
	case IR_ROTATE_LEFT:
		return ir->flags & IR_WORD ? DEMAND_LOW : DEMAND_ALL;
	case IR_EXTEND:
		return DEMAND_LOW;
	default:
		return DEMAND_ALL;
	}
}

/* Sign extensions that nobody sees. */
static void drop_upper_half(struct ir *ir)
{
	if (ir->flags & IR_WORD && ir->op <= IR_MULTIPLY)
		ir->flags |= IR_LOW_ONLY;
	else if (ir->op == IR_EXTEND && ir->size == 4)
		become_move(ir, ir->a);
}

static void go_up(struct ir_block *block)
{
	uint8_t demand[NR_SLOTS];
	bool is_gone[IR_BLOCK_MAX] = { 0 };
	unsigned kept = 0;

	memset(demand, DEMAND_ALL, sizeof(demand));
	for (unsigned i = block->nr; i-- > 0;) {
		struct ir *ir = &block->ops[i];
		enum demand result, operands;

		if (!is_pure(ir)) {
			memset(demand, DEMAND_ALL, sizeof(demand));
			continue;
		}
		if (is_gone[i])
			continue;
		result = ir->d < NR_SLOTS ? (enum demand)demand[ir->d] : DEMAND_NONE;
		/* It does what the one before it did, too. */
		if (ir->merges_previous)
			is_gone[i - 1] = true;
		if (result == DEMAND_LOW)
			drop_upper_half(ir);
		if (result == DEMAND_NONE || (ir->op == IR_MOVE && ir->d == ir->a)) {
			is_gone[i] = true;
			continue;
		}
		demand[ir->d] = DEMAND_NONE;
		operands = operand_demand(ir, result);
		want(demand, ir->a, operands);
		if (!(ir->flags & IR_IMMEDIATE))
			want(demand, ir->b, operands);
		want(demand, ir->c, DEMAND_ALL);
	}
	for (unsigned i = 0; i < block->nr; i++)
		if (!is_gone[i])
			block->ops[kept++] = block->ops[i];
	block->nr = kept;
}

void ir_optimize(struct ir_block *block)
{
	go_down(block);
	for (unsigned i = 0; i < block->nr; i++)
		if (block->ops[i].op == IR_FLOAT_READ_FLAGS && block->ops[i].d != IR_ZERO)
			put_off_flags(block, i);
	go_up(block);
}
