/* SPDX-License-Identifier: Apache-2.0 */
/*
 * owed.c - results that only a fault could see are computed where there may be one.
 *
 * Where memory is reached through a TLB an access that may fault has a slow path of its own, which
 * is seldom taken. A slot that is written, read by nobody, and written again, with accesses between
 * the two, need not be written for these: it is owed to them. Their slow paths make it, from
 * operands that have not changed until there, and then nobody can tell.
 *
 * What is owed may be made more than once, and may be made although no fault comes of it: what lies
 * between the two writes does not look at the slot. Nothing that is owed is an operand of what is
 * owed, itself included.
 */
#include "jit/ir.h"

#define PLACES_MAX 3 /* accesses that one result is owed to: each takes room for it */

struct owing {
	const struct ir *ir;
	uint16_t places[PLACES_MAX];
	unsigned nr;
	bool has_changed; /* one of its operands: from here on it cannot be made */
};

enum outcome { GOES_ON, IS_OVER, IS_SEEN };

static bool reads(const struct ir *ir, unsigned slot)
{
	return ir->a == slot || (ir->b == slot && !(ir->flags & IR_IMMEDIATE)) || ir->c == slot;
}

/* Some instructions of the host, which may be executed again. */
static bool is_simple(const struct ir *ir)
{
	return ir->d != IR_ZERO && ir->op <= IR_REVERSE_BYTES &&
		!(ir->op >= IR_MULTIPLY && ir->op <= IR_MAXIMUM_UNSIGNED) && !reads(ir, ir->d);
}

static enum outcome write_over(struct owing *owing, const struct ir *ir)
{
	if (ir->d == owing->ir->d)
		return IS_OVER;
	owing->has_changed |= ir->d != IR_ZERO && reads(owing->ir, ir->d);
	return GOES_ON;
}

static enum outcome pass(struct owing *owing, const struct ir *ir, unsigned at)
{
	if (reads(ir, owing->ir->d))
		return IS_SEEN;
	if (ir->op <= IR_AES_INVERT)
		return write_over(owing, ir);
	if ((ir->op != IR_LOAD && ir->op != IR_STORE) || owing->has_changed ||
		owing->nr == PLACES_MAX)
		return IS_SEEN;
	owing->places[owing->nr++] = (uint16_t)at;
	return ir->op == IR_LOAD ? write_over(owing, ir) : GOES_ON;
}

static bool is_owed(struct ir_block *block, unsigned index)
{
	struct owing owing = { .ir = &block->ops[index] };
	enum outcome outcome = GOES_ON;

	if (!is_simple(owing.ir))
		return false;
	for (unsigned i = index + 1; i < block->nr && outcome == GOES_ON; i++)
		outcome = pass(&owing, &block->ops[i], i);
	if (outcome != IS_OVER || block->nr_owed + owing.nr > IR_OWED_MAX)
		return false;
	for (unsigned i = 0; i < owing.nr; i++)
		block->owed[block->nr_owed++] = (struct ir_owed){ owing.places[i], *owing.ir };
	return true;
}

void ir_owe(struct ir_block *block)
{
	uint16_t moved[IR_BLOCK_MAX];
	unsigned kept = 0;

	block->nr_owed = 0;
	if (!block->has_slow_paths)
		return;
	for (unsigned i = 0; i < block->nr; i++) {
		moved[i] = (uint16_t)kept;
		if (!is_owed(block, i))
			kept++;
		else
			block->ops[i].op = IR_OP_COUNT;
	}
	kept = 0;
	for (unsigned i = 0; i < block->nr; i++)
		if (block->ops[i].op != IR_OP_COUNT)
			block->ops[kept++] = block->ops[i];
	block->nr = kept;
	for (unsigned i = 0; i < block->nr_owed; i++)
		block->owed[i].at = moved[block->owed[i].at];
}
