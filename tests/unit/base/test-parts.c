/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-parts.c - a slice of memory in parts is the bytes that were asked for, in place too.
 */
#include "unit/test.h"

#include "base/parts.h"

static uint8_t memory[32];

static void test_middle(void **state)
{
	const struct iovec parts[] = { { memory, 4 }, { memory + 8, 0 }, { memory + 8, 8 },
		{ memory, 2 } };
	struct iovec to[4];
	size_t bytes;

	assert_int_equal(parts_slice(parts, 4, 5, 8, to, &bytes), 2);
	assert_int_equal(bytes, 8);
	assert_ptr_equal(to[0].iov_base, memory + 9);
	assert_int_equal(to[0].iov_len, 7);
	assert_ptr_equal(to[1].iov_base, memory);
	assert_int_equal(to[1].iov_len, 1);
}

static void test_end(void **state)
{
	const struct iovec parts[] = { { memory, 4 }, { memory + 8, 4 } };
	struct iovec to[2];
	size_t bytes;

	assert_int_equal(parts_slice(parts, 2, 8, 8, to, &bytes), 0);
	assert_int_equal(bytes, 0);
	assert_int_equal(parts_slice(parts, 2, 7, 8, to, &bytes), 1);
	assert_int_equal(bytes, 1);
	assert_int_equal(parts_slice(parts, 2, 0, 0, to, NULL), 0);
}

static void test_in_place(void **state)
{
	struct iovec parts[] = { { memory, 4 }, { memory + 8, 8 }, { memory + 20, 2 } };

	assert_int_equal(parts_slice(parts, 3, 6, 7, parts, NULL), 2);
	assert_ptr_equal(parts[0].iov_base, memory + 10);
	assert_int_equal(parts[0].iov_len, 6);
	assert_ptr_equal(parts[1].iov_base, memory + 20);
	assert_int_equal(parts[1].iov_len, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_middle),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_in_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
