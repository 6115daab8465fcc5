/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-userns.c - subuid(5) files give the ranges they say, whoever wrote them.
 */
#include "unit/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/userns.h"

struct ranges {
	struct userns_map *maps;
	size_t count;
};

static struct ranges parse(const char *text, const char *user, uid_t uid, uint32_t first)
{
	struct ranges r = { 0 };

	assert_int_equal(userns_parse_ranges(text, user, uid, first, &r.maps, &r.count), 0);
	return r;
}

static void assert_range(
	const struct ranges *r, size_t i, uint32_t inside, uint32_t outside, uint32_t count)
{
	assert_true(i < r->count);
	assert_int_equal(r->maps[i].inside, inside);
	assert_int_equal(r->maps[i].outside, outside);
	assert_int_equal(r->maps[i].count, count);
}

static void owners_are_names_or_numbers(void **state)
{
	static const char text[] = "bob:100000:65536\n1000:200000:10\nbobby:5:5\n10000:6:6\n";
	struct ranges r = parse(text, "bob", USERNS_NO_ID, 1);

	assert_int_equal(r.count, 1);
	assert_range(&r, 0, 1, 100000, 65536);
	free(r.maps);
	r = parse(text, NULL, 1000, 1);
	assert_int_equal(r.count, 1);
	assert_range(&r, 0, 1, 200000, 10);
	free(r.maps);
	r = parse(text, "eve", 4294967294u, 1);
	assert_int_equal(r.count, 0);
	free(r.maps);
	/* "No number" is not the number -1. */
	r = parse("4294967295:1:1\n", "eve", USERNS_NO_ID, 1);
	assert_int_equal(r.count, 0);
	free(r.maps);
}

static void ranges_follow_each_other_inside(void **state)
{
	struct ranges r = parse(
		"bob:100000:1000\nalice:1:1\n1000:300000:2000\nbob:200000:5", "bob", 1000, 1);

	assert_int_equal(r.count, 3);
	assert_range(&r, 0, 1, 100000, 1000);
	assert_range(&r, 1, 1001, 300000, 2000);
	assert_range(&r, 2, 3001, 200000, 5);
	free(r.maps);
	r = parse("bob:7:3\n", "bob", 1000, 0);
	assert_range(&r, 0, 0, 7, 3);
	free(r.maps);
}

static void garbage_is_passed_over(void **state)
{
	struct ranges r = parse("\n# comment\nbob\nbob:\nbob:1\nbob::5\nbob:1:\nbob:x:5\nbob:5:x\n"
				"bob:-1:5\nbob:5:-1\nbob:5:0\n:::\n bob:1:1\nbob: 1:1\nbob:9:9\n",
		"bob", 1000, 1);

	assert_int_equal(r.count, 1);
	assert_range(&r, 0, 1, 9, 9);
	free(r.maps);
	r = parse("", "bob", 1000, 1);
	assert_int_equal(r.count, 0);
	free(r.maps);
}

static void what_goes_beyond_32_bits_is_passed_over(void **state)
{
	struct ranges r = parse("bob:4294967290:65536\nbob:99999999999999999999:5\n"
				"bob:5:18446744073709551616\nbob:4294967295:1\n"
				"bob:100000:4294967290\nbob:4294960000:7295\nbob:3:4294967200\n",
		"bob", 1000, 1);

	/* The last would end beyond 32 bits inside, behind the one before it. */
	assert_int_equal(r.count, 1);
	assert_range(&r, 0, 1, 4294960000u, 7295);
	free(r.maps);
}

static void more_lines_than_the_kernel_takes_are_an_error(void **state)
{
	enum { LINES = 341 };
	_cleanup_str_ struct str text = { 0 };
	struct userns_map *maps = NULL;
	size_t count = 0;

	for (int i = 0; i < LINES; i++)
		str_appendf(&text, "bob:%d:1\n", 100000 + i);
	assert_int_equal(userns_parse_ranges(text.data, "bob", 1000, 1, &maps, &count), -E2BIG);
	assert_null(maps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(owners_are_names_or_numbers),
		cmocka_unit_test(ranges_follow_each_other_inside),
		cmocka_unit_test(garbage_is_passed_over),
		cmocka_unit_test(what_goes_beyond_32_bits_is_passed_over),
		cmocka_unit_test(more_lines_than_the_kernel_takes_are_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
