/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-optimize.c - what ir_optimize() makes of small blocks: that what it knows, it uses, and that
 * it knows nothing that is not so. (That results stay the same tests/isa holds against QEMU.)
 */
#include "unit/test.h"

#include <string.h>

#include "jit/ir.h"

enum { D = 10, A, B, C, E };

static struct ir_block block;

static struct ir *add_op(enum ir_op op, uint8_t d, uint8_t a, uint8_t b)
{
	struct ir *ir = &block.ops[block.nr];

	*ir = (struct ir){ .op = (uint8_t)op,
		.d = d,
		.a = a,
		.b = b,
		.c = IR_ZERO,
		.helper = -1,
		.length = 4,
		.pc = 0x1000 + 4 * block.nr };
	block.nr++;
	return ir;
}

static void add_immediate(enum ir_op op, uint8_t d, uint8_t a, int64_t imm, uint8_t flags)
{
	struct ir *ir = add_op(op, d, a, IR_ZERO);

	ir->imm = imm;
	ir->flags = flags | IR_IMMEDIATE;
}

static void add_constant(uint8_t d, int64_t imm)
{
	add_op(IR_CONSTANT, d, IR_ZERO, IR_ZERO)->imm = imm;
}

/* A way out: sees all slots. */
static void finish(void)
{
	add_op(IR_STOP, IR_ZERO, IR_ZERO, IR_ZERO);
	ir_optimize(&block);
}

static void begin(void)
{
	memset(&block, 0, sizeof(block));
	block.pc = 0x1000;
}

static void assert_op(unsigned i, enum ir_op op, uint8_t d, int64_t imm)
{
	assert_true(i < block.nr);
	assert_string_equal(ir_name((enum ir_op)block.ops[i].op), ir_name(op));
	assert_int_equal(block.ops[i].d, d);
	assert_int_equal(block.ops[i].imm, imm);
}

static void constants_are_folded(void **state)
{
	begin();
	add_constant(D, 0x12345000);
	add_immediate(IR_ADD, D, D, 0x678, IR_WORD);
	add_immediate(IR_SHIFT_LEFT, D, D, 12, 0);
	add_immediate(IR_ADD, D, D, -1, 0);
	finish();
	assert_int_equal(block.nr, 2);
	assert_op(0, IR_CONSTANT, D, (INT64_C(0x12345678) << 12) - 1);
	/* A word's result is sign extended. */
	begin();
	add_constant(D, 0x7fffffff);
	add_immediate(IR_ADD, D, D, 1, IR_WORD);
	finish();
	assert_op(0, IR_CONSTANT, D, INT32_MIN);
}

static void known_addresses_overflow_into_nothing(void **state)
{
	begin();
	add_constant(A, INT64_MAX);
	add_op(IR_LOAD, D, A, IR_ZERO)->imm = 1;
	block.ops[1].size = 8;
	finish();
	assert_op(1, IR_LOAD, D, 1);
	assert_int_equal(block.ops[1].a, A);
	begin();
	add_constant(A, 0x20000000);
	add_op(IR_LOAD, D, A, IR_ZERO)->imm = 16;
	finish();
	assert_op(1, IR_LOAD, D, 0x20000010);
	assert_int_equal(block.ops[1].a, IR_ZERO);
}

static void writes_that_nobody_sees_are_removed(void **state)
{
	begin();
	add_op(IR_MULTIPLY, D, A, B);
	add_op(IR_MULTIPLY, D, A, A);
	finish();
	assert_int_equal(block.nr, 2);
	assert_int_equal(block.ops[0].b, A);
	/* A load may fault: what was before it is seen. */
	begin();
	add_op(IR_MULTIPLY, D, A, B);
	add_op(IR_LOAD, C, A, IR_ZERO)->size = 8;
	add_op(IR_MULTIPLY, D, A, A);
	finish();
	assert_int_equal(block.nr, 4);
}

static void nothing_is_known_behind_labels_and_helpers(void **state)
{
	static const enum ir_op ops[] = { IR_LABEL, IR_HELPER, IR_CALL };

	for (unsigned i = 0; i < 3; i++) {
		begin();
		add_constant(A, 5);
		add_op(ops[i], IR_ZERO, IR_ZERO, IR_ZERO);
		add_op(IR_ADD, D, A, B);
		finish();
		assert_op(2, IR_ADD, D, 0);
		assert_int_equal(block.ops[2].flags & IR_IMMEDIATE, 0);
	}
}

static void shifts_become_extensions(void **state)
{
	begin();
	add_immediate(IR_SHIFT_LEFT, D, A, 48, 0);
	add_immediate(IR_SHIFT_RIGHT, D, D, 48, 0);
	finish();
	assert_op(block.nr - 2, IR_EXTEND, D, 0);
	assert_int_equal(block.ops[block.nr - 2].a, A);
	assert_int_equal(block.ops[block.nr - 2].size, 2);
	/* What was shifted has changed in between. */
	begin();
	add_immediate(IR_SHIFT_LEFT, D, A, 48, 0);
	add_op(IR_MULTIPLY, A, A, A);
	add_immediate(IR_SHIFT_RIGHT, D, D, 48, 0);
	finish();
	assert_op(2, IR_SHIFT_RIGHT, D, 48);
	/* By another count. */
	begin();
	add_immediate(IR_SHIFT_LEFT, D, A, 48, 0);
	add_immediate(IR_SHIFT_RIGHT, D, D, 47, 0);
	finish();
	assert_op(1, IR_SHIFT_RIGHT, D, 47);
}

static void rotate(int64_t left, int64_t right, enum ir_op join)
{
	begin();
	add_immediate(IR_SHIFT_LEFT, B, A, left, 0);
	add_immediate(IR_SHIFT_RIGHT, C, A, right, 0);
	add_op(join, D, B, C);
	finish();
}

static void shifts_become_rotations(void **state)
{
	static const enum ir_op joins[] = { IR_OR, IR_XOR, IR_ADD };

	for (unsigned i = 0; i < 3; i++) {
		rotate(13, 51, joins[i]);
		assert_op(block.nr - 2, IR_ROTATE_LEFT, D, 13);
		assert_int_equal(block.ops[block.nr - 2].a, A);
		rotate(13, 50, joins[i]);
		assert_op(block.nr - 2, joins[i], D, 0);
	}
}

/* Counts that come from registers count modulo the width: by 128 and by -64 is by nothing. */
static void inversions_become_part_of_conjunctions(void **state)
{
	begin();
	add_immediate(IR_XOR, D, A, -1, 0);
	add_op(IR_AND, D, D, B);
	finish();
	assert_int_equal(block.nr, 2);
	assert_op(0, IR_AND_NOT, D, 0);
	assert_int_equal(block.ops[0].a, B);
	assert_int_equal(block.ops[0].b, A);
	/* What was inverted must still be there, and all of it inverted. */
	begin();
	add_immediate(IR_XOR, D, A, -1, 0);
	add_constant(A, 5);
	add_op(IR_AND, D, D, B);
	finish();
	assert_op(2, IR_AND, D, 0);
	begin();
	add_immediate(IR_XOR, D, A, -2, 0);
	add_op(IR_AND, D, B, D);
	finish();
	assert_op(1, IR_AND, D, 0);
}

static void known_counts_are_within_the_width(void **state)
{
	begin();
	add_constant(B, 128);
	add_constant(C, -64);
	add_op(IR_SHIFT_LEFT, D, A, B);
	add_op(IR_SHIFT_RIGHT, E, A, C);
	add_op(IR_ADD, D, D, E);
	finish();
	for (unsigned i = 0; i < block.nr; i++)
		assert_int_not_equal(block.ops[i].op, IR_ROTATE_LEFT);
}

static void extensions_of_what_is_extended_are_moves(void **state)
{
	begin();
	add_op(IR_ADD, D, A, B)->flags = IR_WORD;
	add_immediate(IR_ADD, C, D, 0, IR_WORD);
	finish();
	assert_op(1, IR_MOVE, C, 0);
	begin();
	add_op(IR_ADD, D, A, B);
	add_immediate(IR_ADD, C, D, 0, IR_WORD);
	finish();
	assert_op(1, IR_EXTEND, C, 0);
	assert_int_equal(block.ops[1].size, 4);
}

/* Where the code may move, nothing is concluded from where it is now. */
static void what_moves_is_no_number(void **state)
{
	for (int moves = 0; moves < 2; moves++) {
		begin();
		block.moves = moves;
		add_constant(D, 0x1000);
		block.ops[0].flags = IR_RELATIVE;
		add_immediate(IR_ADD, C, D, 0, IR_WORD);
		add_op(IR_LOAD, E, D, IR_ZERO)->size = 8;
		finish();
		assert_int_equal(block.ops[1].op, moves ? IR_EXTEND : IR_MOVE);
		assert_int_equal(block.ops[2].a, moves ? D : IR_ZERO);
	}
}

/* Flags read into A, two numbers compared into B, and the flags written back. */
static struct ir *add_quiet_comparison(void)
{
	struct ir *set;

	begin();
	add_op(IR_FLOAT_READ_FLAGS, A, IR_ZERO, IR_ZERO);
	set = add_op(IR_FLOAT_SET, B, 40, 41);
	set->condition = IR_LESS;
	set->size = 8;
	add_op(IR_FLOAT_WRITE_FLAGS, IR_ZERO, A, IR_ZERO);
	return set;
}

static void add_branch(uint64_t target)
{
	struct ir *branch = add_op(IR_BRANCH, IR_ZERO, B, IR_ZERO);

	branch->condition = IR_NOT_EQUAL;
	branch->imm = (int64_t)target;
}

static void flags_are_read_where_they_are_seen(void **state)
{
	struct ir *set = add_quiet_comparison();

	add_branch(0x2000);
	add_op(IR_FLOAT_MULTIPLY, 40, 40, 41)->size = 8;
	add_op(IR_LOAD, C, D, IR_ZERO)->size = 8;
	add_constant(A, 5);
	finish();
	set = &block.ops[0];
	assert_int_equal(set->op, IR_FLOAT_SET);
	assert_true(set->flags & IR_KEEPS_FLAGS);
	assert_int_equal(set->c, A);
	assert_int_equal(block.ops[1].op, IR_BRANCH);
	assert_int_equal(block.ops[1].d, A);
}

static void assert_read_at_once(void)
{
	finish();
	assert_int_equal(block.ops[0].op, IR_FLOAT_READ_FLAGS);
	for (unsigned i = 1; i < block.nr; i++) {
		assert_true(block.ops[i].op != IR_BRANCH || block.ops[i].d == IR_ZERO);
		assert_true(block.ops[i].op != IR_FLOAT_SET || block.ops[i].c == IR_ZERO);
	}
}

static void flags_are_read_at_once_where_it_could_be_told(void **state)
{
	add_quiet_comparison(); /* they are not written over */
	add_branch(0x2000);
	assert_read_at_once();

	add_quiet_comparison(); /* they are used */
	add_op(IR_ADD, C, A, D);
	add_constant(A, 5);
	assert_read_at_once();

	add_quiet_comparison(); /* the way out comes behind what may raise more */
	add_op(IR_FLOAT_MULTIPLY, 40, 40, 41)->size = 8;
	add_branch(0x2000);
	add_constant(A, 5);
	assert_read_at_once();

	add_quiet_comparison(); /* a way back, which may be interrupted before it */
	add_branch(0x1000);
	add_constant(A, 5);
	assert_read_at_once();

	add_quiet_comparison(); /* two ways out */
	add_branch(0x2000);
	add_branch(0x2000);
	add_constant(A, 5);
	assert_read_at_once();

	begin(); /* no comparison */
	add_op(IR_FLOAT_READ_FLAGS, A, IR_ZERO, IR_ZERO);
	add_constant(A, 5);
	assert_read_at_once();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(constants_are_folded),
		cmocka_unit_test(known_addresses_overflow_into_nothing),
		cmocka_unit_test(writes_that_nobody_sees_are_removed),
		cmocka_unit_test(nothing_is_known_behind_labels_and_helpers),
		cmocka_unit_test(shifts_become_extensions),
		cmocka_unit_test(shifts_become_rotations),
		cmocka_unit_test(inversions_become_part_of_conjunctions),
		cmocka_unit_test(known_counts_are_within_the_width),
		cmocka_unit_test(extensions_of_what_is_extended_are_moves),
		cmocka_unit_test(what_moves_is_no_number),
		cmocka_unit_test(flags_are_read_where_they_are_seen),
		cmocka_unit_test(flags_are_read_at_once_where_it_could_be_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
