/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-criu-message.c - criu's RPC messages, against bytes spelled out by hand from its
 * images/rpc.proto, and answers that lie about their lengths.
 */
#include "container/criu-message.h"

#include "test.h"

static void test_numbers_and_texts(void **state)
{
	static const unsigned char expected[] = { 0x08, 0x01, 0x12, 0x0d, 0x10, 0xac, 0x02, 0x18,
		0x01, 0x6a, 0x02, '/', 'r', 0xb0, 0x02, 0xff, 0x01 };
	_cleanup_str_ struct str options = { 0 }, request = { 0 };

	criu_put_uint(&options, CRIU_PID, 300);
	criu_put_uint(&options, CRIU_LEAVE_RUNNING, true);
	criu_put_text(&options, CRIU_ROOT, "/r");
	criu_put_text(&options, CRIU_PARENT_IMAGE, NULL);
	criu_put_uint(&options, CRIU_EMPTY_NAMESPACES, 255);
	criu_put_uint(&request, CRIU_REQUEST_TYPE, CRIU_DUMP);
	criu_put_message(&request, CRIU_REQUEST_OPTIONS, &options);
	assert_int_equal(request.len, sizeof(expected));
	assert_memory_equal(request.data, expected, sizeof(expected));
}

static void test_pairs(void **state)
{
	/* 23: { 1: "/a", 2: "/b" }, 27: { 1: "k", 2: 4 }, 25: { 1: "", 2: "/c" } */
	static const unsigned char expected[] = { 0xba, 0x01, 8, 0x0a, 2, '/', 'a', 0x12, 2, '/',
		'b', 0xda, 0x01, 5, 0x0a, 1, 'k', 0x10, 4, 0xca, 0x01, 6, 0x0a, 0, 0x12, 2, '/',
		'c' };
	_cleanup_str_ struct str options = { 0 };

	criu_put_texts(&options, CRIU_EXTERNAL_MOUNT, "/a", "/b");
	criu_put_numbered(&options, CRIU_INHERIT_FD, "k", 4);
	criu_put_texts(&options, CRIU_CGROUP_ROOT, "", "/c");
	assert_int_equal(options.len, sizeof(expected));
	assert_memory_equal(options.data, expected, sizeof(expected));
}

static void test_answers(void **state)
{
	/* type NOTIFY, success, notify { script "post-restore", pid 4711 } */
	static const unsigned char notify[] = { 0x08, 6, 0x10, 1, 0x2a, 17, 0x0a, 12, 'p', 'o', 's',
		't', '-', 'r', 'e', 's', 't', 'o', 'r', 'e', 0x10, 0xe7, 0x24 };
	/* type DUMP, failure, cr_errno 22, cr_errmsg "no" , version { 1: 3, 2: 17 } */
	static const unsigned char failure[] = { 0x08, 1, 0x10, 0, 0x38, 22, 0x4a, 2, 'n', 'o',
		0x52, 4, 0x08, 3, 0x10, 17 };
	/* type RESTORE, success, restore { pid 5 } and two fields of kinds we have no use for */
	static const unsigned char restored[] = { 0x08, 2, 0x10, 1, 0x22, 2, 0x08, 5, 0x79, 1, 2, 3,
		4, 5, 6, 7, 8, 0x7d, 1, 2, 3, 4 };
	/* type FEATURE_CHECK, success, features { mem_track true, lazy_pages false } */
	static const unsigned char features[] = { 0x08, 9, 0x10, 1, 0x42, 4, 0x08, 1, 0x10, 0 };
	struct criu_answer a;

	assert_int_equal(criu_parse_answer(notify, sizeof(notify), &a), 0);
	assert_int_equal(a.type, CRIU_NOTIFY);
	assert_true(a.success);
	assert_string_equal(a.script, "post-restore");
	assert_int_equal(a.pid, 4711);

	assert_int_equal(criu_parse_answer(failure, sizeof(failure), &a), 0);
	assert_int_equal(a.type, CRIU_DUMP);
	assert_false(a.success);
	assert_int_equal(a.errno_code, 22);
	assert_string_equal(a.message, "no");
	assert_int_equal(a.pid, 0);

	assert_int_equal(criu_parse_answer(restored, sizeof(restored), &a), 0);
	assert_int_equal(a.type, CRIU_RESTORE);
	assert_int_equal(a.pid, 5);

	assert_int_equal(criu_parse_answer(features, sizeof(features), &a), 0);
	assert_true(a.mem_track);
	assert_false(a.lazy_pages);
}

static void test_long_texts_are_cut(void **state)
{
	_cleanup_str_ struct str answer = { 0 };
	char text[2000];
	struct criu_answer a;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	criu_put_uint(&answer, 1, CRIU_DUMP);
	criu_put_text(&answer, 9, text);
	assert_int_equal(criu_parse_answer(answer.data, answer.len, &a), 0);
	assert_int_equal(strlen(a.message), sizeof(a.message) - 1);
}

static void test_broken_answers(void **state)
{
	static const struct {
		size_t len;
		unsigned char bytes[12];
	} broken[] = {
		{ 0, { 0 } }, /* nothing */
		{ 1, { 0x08 } }, /* a tag alone */
		{ 2, { 0x08, 0x81 } }, /* a number that goes on */
		{ 11, { 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
		{ 4, { 0x08, 1, 0x4a, 5 } }, /* bytes that are not there */
		{ 12, { 0x08, 1, 0x4a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f } },
		{ 5, { 0x08, 1, 0x22, 1, 0x08 } }, /* the same one level down */
		{ 3, { 0x08, 1, 0x0b } }, /* a group, which proto2 no longer has */
		{ 3, { 0x08, 1, 0x00 } }, /* field 0 */
		{ 5, { 0x08, 1, 0x7d, 1, 2 } }, /* half a number of fixed size */
	};
	struct criu_answer a;

	for (size_t i = 0; i < ARRAY_SIZE(broken); i++)
		assert_int_equal(criu_parse_answer(broken[i].bytes, broken[i].len, &a), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_and_texts),
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_long_texts_are_cut),
		cmocka_unit_test(test_broken_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
