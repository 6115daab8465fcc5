/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-owed.c - which writes ir_owe() takes out of the straight line, and to which accesses they
 * go. (That faults find all registers right is for tests/isa/machine/owed.S.)
 */
#include "unit/test.h"

#include <string.h>

#include "jit/ir.h"

enum { D = 10, A, B, C, E };

static struct ir_block block;

static struct ir *add_op(enum ir_op op, uint8_t d, uint8_t a, uint8_t b)
{
	struct ir *ir = &block.ops[block.nr++];

	*ir = (struct ir){ .op = (uint8_t)op, .d = d, .a = a, .b = b, .c = IR_ZERO, .size = 8 };
	return ir;
}

static void begin(void)
{
	memset(&block, 0, sizeof(block));
	block.has_slow_paths = true;
}

/* The first operation of the block stays, or is owed to so many accesses. */
static void assert_owed(unsigned nr)
{
	unsigned before = block.nr;
	struct ir first = block.ops[0];

	ir_owe(&block);
	assert_int_equal(block.nr, before - (nr > 0));
	assert_int_equal(block.nr_owed, nr);
	for (unsigned i = 0; i < nr; i++) {
		const struct ir *access = &block.ops[block.owed[i].at];

		assert_memory_equal(&block.owed[i].op, &first, sizeof(first));
		assert_true(access->op == IR_LOAD || access->op == IR_STORE);
	}
}

static void what_is_written_over_is_owed(void **state)
{
	begin();
	add_op(IR_ADD, D, A, B);
	add_op(IR_LOAD, C, E, IR_ZERO);
	add_op(IR_STORE, IR_ZERO, E, C);
	add_op(IR_MOVE, D, C, IR_ZERO);
	assert_owed(2);
	assert_int_equal(block.owed[0].at, 0);
	assert_int_equal(block.owed[1].at, 1);
	/* By a load itself, which may write over an operand, too. */
	begin();
	add_op(IR_ADD, D, A, B);
	add_op(IR_LOAD, A, E, IR_ZERO);
	add_op(IR_MOVE, D, C, IR_ZERO);
	assert_owed(1);
	begin();
	add_op(IR_ADD, D, A, B);
	add_op(IR_LOAD, D, E, IR_ZERO);
	assert_owed(1);
	/* Both, each where it belongs. */
	begin();
	add_op(IR_ADD, D, A, B);
	add_op(IR_SUB, C, A, B);
	add_op(IR_LOAD, D, E, IR_ZERO);
	add_op(IR_LOAD, C, E, IR_ZERO);
	ir_owe(&block);
	assert_int_equal(block.nr, 2);
	assert_int_equal(block.nr_owed, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(block.owed[i].op.op, i ? IR_SUB : IR_ADD);
	assert_int_equal(block.owed[1].at, 0);
	assert_int_equal(block.owed[2].at, 1);
}

static void what_is_seen_stays(void **state)
{
	/* Read by the access, by what stands behind it, by nobody until the end. */
	begin();
	add_op(IR_ADD, D, A, B);
	add_op(IR_LOAD, C, D, IR_ZERO);
	add_op(IR_MOVE, D, C, IR_ZERO);
	assert_owed(0);
	begin();
	add_op(IR_ADD, D, A, B);
	add_op(IR_LOAD, C, E, IR_ZERO);
	add_op(IR_ADD, D, D, C);
	assert_owed(0);
	begin();
	add_op(IR_ADD, D, A, B);
	add_op(IR_LOAD, C, E, IR_ZERO);
	assert_owed(0);
	/* By what it is not known of, or where others come in. */
	for (unsigned i = 0; i < 3; i++) {
		static const enum ir_op others[] = { IR_LABEL, IR_BRANCH, IR_HELPER };

		begin();
		add_op(IR_ADD, D, A, B);
		add_op(IR_LOAD, C, E, IR_ZERO);
		add_op(others[i], IR_ZERO, IR_ZERO, IR_ZERO);
		add_op(IR_MOVE, D, C, IR_ZERO);
		assert_owed(0);
	}
	/* By something that is owed. */
	begin();
	add_op(IR_ADD, D, A, B);
	add_op(IR_SUB, C, D, B);
	add_op(IR_LOAD, E, E, IR_ZERO);
	add_op(IR_MOVE, C, E, IR_ZERO);
	add_op(IR_MOVE, D, E, IR_ZERO);
	ir_owe(&block);
	assert_int_equal(block.nr, 4);
	assert_int_equal(block.ops[0].op, IR_ADD);
	assert_int_equal(block.nr_owed, 1);
	assert_int_equal(block.owed[0].at, 1);
}

static void what_cannot_be_made_later_stays(void **state)
{
	/* An operand is another one, or its own. */
	begin();
	add_op(IR_ADD, D, A, B);
	add_op(IR_MOVE, A, B, IR_ZERO);
	add_op(IR_LOAD, C, E, IR_ZERO);
	add_op(IR_MOVE, D, C, IR_ZERO);
	assert_owed(0);
	begin();
	add_op(IR_ADD, D, A, B);
	add_op(IR_LOAD, A, E, IR_ZERO);
	add_op(IR_LOAD, C, E, IR_ZERO);
	add_op(IR_MOVE, D, C, IR_ZERO);
	assert_owed(0);
	/* In too many places, or with no slow path to make it. */
	begin();
	add_op(IR_ADD, D, A, B);
	for (unsigned i = 0; i < 4; i++)
		add_op(IR_LOAD, C, E, IR_ZERO);
	add_op(IR_MOVE, D, C, IR_ZERO);
	assert_owed(0);
	begin();
	block.has_slow_paths = false;
	add_op(IR_ADD, D, A, B);
	add_op(IR_LOAD, C, E, IR_ZERO);
	add_op(IR_MOVE, D, C, IR_ZERO);
	assert_owed(0);
}

static void an_operand_of_its_own_is_made_once(void **state)
{
	/* d = d + 1 twice, as slow paths may be taken, would be another number. */
	begin();
	add_op(IR_ADD, D, D, B);
	add_op(IR_LOAD, C, E, IR_ZERO);
	add_op(IR_LOAD, C, E, IR_ZERO);
	add_op(IR_MOVE, D, C, IR_ZERO);
	assert_owed(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_over_is_owed),
		cmocka_unit_test(what_is_seen_stays),
		cmocka_unit_test(what_cannot_be_made_later_stays),
		cmocka_unit_test(an_operand_of_its_own_is_made_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
