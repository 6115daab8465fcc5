/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp-compile.c - seccomp rules to classic BPF (Linux Documentation/userspace-api/
 * seccomp_filter.rst).
 *
 * libseccomp tests the system call number against each allowed number, in a tree at best, and takes
 * 10 ms for a profile like Docker's. Here neighbouring numbers with the same outcome are one range,
 * and a binary search over the bounds of the ranges finds the outcome: a third of the instructions,
 * about ten of them run for a system call, and compiling takes well under a millisecond, so that
 * nothing needs to be cached. tests/unit/container/test-seccomp*.c hold the result against
 * libseccomp's.
 *
 *   load arch; for each table: if equal, its tree
 *   tree:  load nr; binary search
 *   leaf:  return ACTION, or the tests of the arguments
 *
 * BPF jumps go forward only, and conditional ones at most 255 instructions. So code is emitted from
 * its end to its start: every target exists when a jump to it is emitted, and is repeated (a
 * return) or reached through an unconditional jump where it is too far. A label is the position of
 * an instruction counted from the end, 1 for the last.
 */
#include "base/seccomp-compile.h"

#include <assert.h>
#include <errno.h>
#include <linux/bpf_common.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define X32_BIT		   0x40000000u
#define JUMP_MAX	   255
#define REMEMBERED_RETURNS 16

static_assert(BPF_MAXINSNS == 4096, "the sentence below names it");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the low word of an argument comes first");

/* A run of numbers with one outcome, up to the start of the next. */
struct range {
	uint32_t start;
	/* Rules for exactly one number, or none: then `action` alone. */
	const struct seccomp_rule *rules;
	size_t nr_rules;
	uint32_t action;
};

struct emitter {
	struct sock_filter code[BPF_MAXINSNS]; /* filled from the end */
	size_t count;
	bool full;
	uint32_t default_action;
	bool wide;
	/* The latest return of each action, to share. */
	struct {
		uint32_t action;
		size_t label;
	} returns[REMEMBERED_RETURNS];
	size_t next_return;
};

static size_t emit(struct emitter *e, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	if (e->count == BPF_MAXINSNS) {
		e->full = true;
		return e->count;
	}
	e->code[BPF_MAXINSNS - ++e->count] = (struct sock_filter){
		.code = code, .jt = jt, .jf = jf, .k = k
	};
	return e->count;
}

/* A return of `action` that a jump emitted next but `margin` can reach. */
static size_t return_label(struct emitter *e, uint32_t action, size_t margin)
{
	size_t label;

	for (size_t i = 0; i < REMEMBERED_RETURNS; i++)
		if (e->returns[i].label && e->returns[i].action == action &&
			e->count + margin - e->returns[i].label <= JUMP_MAX)
			return e->returns[i].label;
	label = emit(e, BPF_RET | BPF_K, 0, 0, action);
	e->returns[e->next_return].action = action;
	e->returns[e->next_return].label = label;
	e->next_return = (e->next_return + 1) % REMEMBERED_RETURNS;
	return label;
}

/* The same target, within reach of a jump emitted next but `margin`. */
static size_t near(struct emitter *e, size_t label, size_t margin)
{
	const struct sock_filter *target = &e->code[BPF_MAXINSNS - label];

	if (e->count + margin - label <= JUMP_MAX)
		return label;
	if (BPF_CLASS(target->code) == BPF_RET)
		return return_label(e, target->k, margin);
	return emit(e, BPF_JMP | BPF_JA, 0, 0, (uint32_t)(e->count - label));
}

/* if (A op k) goto yes; else goto no */
static size_t jump(struct emitter *e, uint16_t op, uint32_t k, size_t yes, size_t no)
{
	/* Making `no` near may take an instruction, hence the margin for `yes`. */
	yes = near(e, yes, 1);
	no = near(e, no, 0);
	return emit(
		e, BPF_JMP | op | BPF_K, (uint8_t)(e->count - yes), (uint8_t)(e->count - no), k);
}

static size_t load(struct emitter *e, size_t offset)
{
	return emit(e, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

static size_t load_arg(struct emitter *e, uint8_t arg, bool high)
{
	return load(e,
		offsetof(struct seccomp_data, args) + arg * sizeof(uint64_t) +
			(high ? sizeof(uint32_t) : 0));
}

/* (arg & mask) == value */
static size_t test_masked(
	struct emitter *e, const struct seccomp_condition *c, size_t yes, size_t no)
{
	uint32_t mask_high = (uint32_t)(c->value >> 32),
		 value_high = (uint32_t)(c->value_two >> 32);
	size_t label;

	jump(e, BPF_JEQ, (uint32_t)c->value_two, yes, no);
	emit(e, BPF_ALU | BPF_AND | BPF_K, 0, 0, (uint32_t)c->value);
	label = load_arg(e, c->arg, false);
	if (!e->wide || (mask_high == 0 && value_high == 0))
		return label;
	jump(e, BPF_JEQ, value_high, label, no);
	emit(e, BPF_ALU | BPF_AND | BPF_K, 0, 0, mask_high);
	return load_arg(e, c->arg, true);
}

/* Tests of one condition; the upper halves decide first. NE, LT and LE are the opposites. */
static size_t test_condition(
	struct emitter *e, const struct seccomp_condition *c, size_t yes, size_t no)
{
	uint32_t low = (uint32_t)c->value, high = (uint32_t)(c->value >> 32);
	bool opposite = c->op == SECCOMP_OP_NE || c->op == SECCOMP_OP_LT || c->op == SECCOMP_OP_LE;
	size_t met = opposite ? no : yes, unmet = opposite ? yes : no, label;
	bool equality = c->op == SECCOMP_OP_EQ || c->op == SECCOMP_OP_NE;
	uint16_t op = BPF_JEQ;

	if (c->op == SECCOMP_OP_MASKED_EQ)
		return test_masked(e, c, yes, no);
	if (c->op == SECCOMP_OP_GE || c->op == SECCOMP_OP_LT)
		op = BPF_JGE;
	if (c->op == SECCOMP_OP_GT || c->op == SECCOMP_OP_LE)
		op = BPF_JGT;
	jump(e, op, low, met, unmet);
	label = load_arg(e, c->arg, false);
	if (!e->wide)
		return label;
	label = jump(e, BPF_JEQ, high, label, unmet);
	if (!equality)
		jump(e, BPF_JGT, high, met, label);
	return load_arg(e, c->arg, true);
}

static size_t emit_leaf(struct emitter *e, const struct range *range)
{
	size_t no;

	if (!range->nr_rules)
		return return_label(e, range->action, 0);
	no = return_label(e, range->action, 0);
	for (size_t i = range->nr_rules; i-- > 0;) {
		const struct seccomp_rule *rule = &range->rules[i];
		size_t next = return_label(e, rule->action, 0);

		for (size_t k = rule->nr_conditions; k-- > 0;)
			next = test_condition(e, &rule->conditions[k], next, no);
		no = next;
	}
	return no;
}

static size_t emit_tree(struct emitter *e, const struct range *ranges, size_t count)
{
	size_t half = count / 2, left, right;

	if (count == 1)
		return emit_leaf(e, ranges);
	right = emit_tree(e, ranges + half, count - half);
	left = emit_tree(e, ranges, half);
	return jump(e, BPF_JGE, ranges[half].start, right, left);
}

/* By number; the unconditional rule of a number first, then the order of the list. */
static int compare_rules(const void *a, const void *b)
{
	const struct seccomp_rule *x = *(const struct seccomp_rule *const *)a;
	const struct seccomp_rule *y = *(const struct seccomp_rule *const *)b;

	if (x->nr != y->nr)
		return x->nr < y->nr ? -1 : 1;
	if (!x->nr_conditions != !y->nr_conditions)
		return x->nr_conditions ? 1 : -1;
	return x < y ? -1 : x > y;
}

static int sort_rules(struct seccomp_table *table)
{
	_cleanup_free_ const struct seccomp_rule **order = NULL;
	_cleanup_free_ struct seccomp_rule *sorted = NULL;

	if (table->nr_rules == 0)
		return 0;
	order = calloc(table->nr_rules, sizeof(*order));
	sorted = calloc(table->nr_rules, sizeof(*sorted));
	if (!order || !sorted)
		return -ENOMEM;
	for (size_t i = 0; i < table->nr_rules; i++)
		order[i] = &table->rules[i];
	qsort(order, table->nr_rules, sizeof(*order), compare_rules);
	for (size_t i = 0; i < table->nr_rules; i++)
		sorted[i] = *order[i];
	memcpy(table->rules, sorted, table->nr_rules * sizeof(*sorted));
	return 0;
}

/* Append a range, or let the last one go on where the outcome is the same. */
static void push_range(struct range *ranges, size_t *count, const struct range *range)
{
	struct range *last;

	if (*count && ranges[*count - 1].start == range->start)
		(*count)--;
	last = *count ? &ranges[*count - 1] : NULL;
	if (!last || last->nr_rules || range->nr_rules || last->action != range->action)
		ranges[(*count)++] = *range;
}

/* Where the numbers that nobody knew begin: from `bound` on it is `action`. */
static void push_bound(struct range *ranges, size_t *count, uint32_t bound, uint32_t action)
{
	push_range(ranges, count, &(struct range){ .start = bound, .action = action });
}

/* The table as ranges from 0 on; *ret has room for all of them. */
static int make_ranges(const struct seccomp_filter *filter, const struct seccomp_table *table,
	struct range **ret, size_t *ret_count)
{
	struct range *ranges = calloc(table->nr_rules * 2 + 8, sizeof(*ranges));
	bool in_x32 = false;
	size_t count = 0;

	if (!ranges)
		return -ENOMEM;
	push_bound(ranges, &count, 0, filter->default_action);
	for (size_t i = 0; i < table->nr_rules;) {
		const struct seccomp_rule *rule = &table->rules[i];
		struct range range = { .start = rule->nr, .action = filter->default_action };
		size_t same = 1;

		while (i + same < table->nr_rules && table->rules[i + same].nr == rule->nr)
			same++;
		if (rule->nr_conditions == 0) {
			range.action = rule->action;
		} else {
			range.rules = rule;
			range.nr_rules = same;
		}
		if (!in_x32 && table->last_x32_nr && rule->nr >= X32_BIT) {
			push_bound(ranges, &count, table->last_nr + 1, filter->beyond_action);
			push_bound(ranges, &count, X32_BIT, filter->default_action);
			in_x32 = true;
		}
		push_range(ranges, &count, &range);
		push_bound(ranges, &count, rule->nr + 1, filter->default_action);
		i += same;
	}
	if (in_x32 || table->last_nr)
		push_bound(ranges, &count, (in_x32 ? table->last_x32_nr : table->last_nr) + 1,
			filter->beyond_action);
	*ret = ranges;
	*ret_count = count;
	return 0;
}

static int emit_table(
	struct emitter *e, const struct seccomp_filter *filter, struct seccomp_table *table)
{
	_cleanup_free_ struct range *ranges = NULL;
	size_t count = 0, entry;
	int r = sort_rules(table);

	if (r == 0)
		r = make_ranges(filter, table, &ranges, &count);
	if (r < 0)
		return r;
	e->wide = table->wide;
	entry = emit_tree(e, ranges, count);
	/* A tree that is a single leaf may be a return that stands elsewhere. */
	if (entry != e->count)
		emit(e, BPF_JMP | BPF_JA, 0, 0, (uint32_t)(e->count - entry));
	load(e, offsetof(struct seccomp_data, nr));
	return 0;
}

int seccomp_compile(struct seccomp_filter *filter, struct sock_filter **ret, size_t *ret_count,
	struct error *err)
{
	_cleanup_free_ struct emitter *e = calloc(1, sizeof(*e));
	_cleanup_free_ struct sock_filter *code = NULL;
	size_t next;
	int r;

	if (!e)
		return error_oom(err);
	e->default_action = filter->default_action;
	/* An architecture that the profile does not name is no place to be. */
	next = emit(e, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS);
	for (size_t i = filter->nr_tables; i-- > 0;) {
		size_t other = next;

		r = emit_table(e, filter, &filter->tables[i]);
		if (r < 0)
			return error_oom(err);
		next = jump(e, BPF_JEQ, filter->tables[i].audit_arch, e->count, other);
	}
	load(e, offsetof(struct seccomp_data, arch));
	if (e->full)
		return error_set(err, E2BIG,
			"the seccomp profile needs more than the 4096 instructions the kernel takes");
	code = malloc(e->count * sizeof(*code));
	if (!code)
		return error_oom(err);
	memcpy(code, &e->code[BPF_MAXINSNS - e->count], e->count * sizeof(*code));
	*ret_count = e->count;
	*ret = steal_ptr(&code);
	return 0;
}

void seccomp_filter_free(struct seccomp_filter *filter)
{
	for (size_t i = 0; i < filter->nr_tables; i++)
		free(filter->tables[i].rules);
	free(filter->tables);
	*filter = (struct seccomp_filter){ 0 };
}
