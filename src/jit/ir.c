/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir.c - IR for people.
 */
#include "jit/ir.h"

#include <stdio.h>

static const char *const names[] = {
#define NAME(name, text) [IR_##name] = text,
	IR_OPERATIONS(NAME)
#undef NAME
};

static const char *const condition_names[] = {
	[IR_EQUAL] = "==",
	[IR_NOT_EQUAL] = "!=",
	[IR_LESS] = "<",
	[IR_GREATER_OR_EQUAL] = ">=",
	[IR_LESS_UNSIGNED] = "<u",
	[IR_GREATER_OR_EQUAL_UNSIGNED] = ">=u",
	[IR_LESS_OR_EQUAL] = "<=",
	[IR_GREATER] = ">",
	[IR_LESS_OR_EQUAL_UNSIGNED] = "<=u",
	[IR_GREATER_UNSIGNED] = ">u",
};

const char *ir_name(enum ir_op op)
{
	return names[op];
}

static const char *slot_name(unsigned slot, const char *const *slot_names)
{
	return slot == IR_ZERO ? "0" : slot_names[slot];
}

void ir_print(const struct ir_block *block, const char *const *slot_names, int fd)
{
	for (unsigned i = 0; i < block->nr; i++) {
		const struct ir *ir = &block->ops[i];

		dprintf(fd, "  %llx: %s", (unsigned long long)ir->pc, ir_name((enum ir_op)ir->op));
		if (ir->flags & IR_WORD)
			dprintf(fd, ".word");
		if (ir->size)
			dprintf(fd, ".%u", ir->size);
		if (ir->flags & ~(IR_WORD | IR_IMMEDIATE))
			dprintf(fd, ".flags%x", ir->flags & ~(unsigned)(IR_WORD | IR_IMMEDIATE));
		if (ir->count)
			dprintf(fd, ".count%u.kind%u", ir->count, ir->kind);
		dprintf(fd, " %s, %s %s %s, %s, %#llx\n", slot_name(ir->d, slot_names),
			slot_name(ir->a, slot_names), condition_names[ir->condition],
			ir->flags & IR_IMMEDIATE ? "imm" : slot_name(ir->b, slot_names),
			slot_name(ir->c, slot_names), (unsigned long long)ir->imm);
	}
}
