/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-str.c - sizes, durations and vectors parse and print as documented.
 */
#include "unit/test.h"

#include <errno.h>

#include "base/str.h"

static void sizes_parse_with_dockers_units(void **state)
{
	uint64_t v;

	assert_int_equal(parse_size_bytes("1", &v), 0);
	assert_int_equal(v, 1);
	assert_int_equal(parse_size_bytes("1.5k", &v), 0);
	assert_int_equal(v, 1536);
	assert_int_equal(parse_size_bytes("64MiB", &v), 0);
	assert_int_equal(v, 64u << 20);
	assert_int_equal(parse_size_bytes("2g", &v), 0);
	assert_true(v == UINT64_C(2) << 30);
	assert_int_equal(parse_size_bytes("", &v), -EINVAL);
	assert_int_equal(parse_size_bytes("12q", &v), -EINVAL);
	assert_int_equal(parse_size_bytes("-1", &v), -EINVAL);
	assert_int_equal(parse_size_bytes("99999999999p", &v), -ERANGE);
}

static void durations_parse_as_in_go(void **state)
{
	int64_t ns;

	assert_int_equal(parse_duration_ns("1h30m", &ns), 0);
	assert_true(ns == INT64_C(5400000000000));
	assert_int_equal(parse_duration_ns("500ms", &ns), 0);
	assert_true(ns == INT64_C(500000000));
	assert_int_equal(parse_duration_ns("0", &ns), 0);
	assert_int_equal(parse_duration_ns("5", &ns), -EINVAL);
	assert_int_equal(parse_duration_ns("5 parsecs", &ns), -EINVAL);
}

static void vectors_grow_and_split(void **state)
{
	char **v = NULL;

	for (int i = 0; i < 100; i++)
		assert_int_equal(strv_pushf(&v, "%d", i), 0);
	assert_int_equal(strv_length(v), 100);
	assert_string_equal(v[99], "99");
	v = strv_free(v);
	v = strv_split("a,,b", ',');
	assert_int_equal(strv_length(v), 3);
	assert_string_equal(v[1], "");
	strv_free(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_parse_with_dockers_units),
		cmocka_unit_test(durations_parse_as_in_go),
		cmocka_unit_test(vectors_grow_and_split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
