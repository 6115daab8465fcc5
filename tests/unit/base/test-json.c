/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-json.c - numbers that no int64_t holds survive reading and writing.
 */
#include "unit/test.h"

#include <string.h>

#include "base/json.h"

static json_t *parse_text(const char *text)
{
	struct error error = { 0 };
	json_t *document = NULL;

	assert_int_equal(json_parse(text, strlen(text), "test", &document, &error), 0);
	return document;
}

static void large_numbers_are_read_and_written(void **state)
{
	static const char text[] =
		"{\"a\":18446744073709551615,\"b\":[true,\"18446744073709551615 \\\" 99999999999999999999\",9223372036854775808],\"c\":-9223372036854775808,\"d\":null,\"e\":1.5}";
	struct json_writer w = { 0 };
	struct error error = { 0 };
	json_t *document = parse_text(text);
	uint64_t value = 7;
	int64_t number = 7;
	char *again;

	assert_int_equal(json_get_u64(document, "a", &value, "test", &error), 0);
	assert_true(value == UINT64_MAX);
	assert_int_equal(json_get_int(document, "a", &number, "test", &error), -EINVAL);
	assert_string_equal(error.message, "test: a must be an integer");
	assert_int_equal(json_get_u64(document, "c", &value, "test", &error), -EINVAL);
	assert_string_equal(error.message, "test: c must be an integer from 0 to 2^64 - 1");
	assert_int_equal(json_get_u64(document, "missing", &value, "test", &error), 0);
	assert_true(value == UINT64_MAX);
	json_write_value(&w, NULL, document);
	again = json_writer_finish(&w);
	assert_string_equal(again, text);
	free(again);
	json_decref(document);
}

static void numbers_beyond_64_bits_are_refused(void **state)
{
	static const char *const texts[] = { "[18446744073709551616]", "[-9223372036854775809]",
		"[18446744073709551615,123456789012345678901234567890]",
		"{\"18446744073709551615\":18446744073709551615", "[99999999999999999999x]" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct error error = { 0 };
		json_t *document = NULL;

		assert_int_equal(
			json_parse(texts[i], strlen(texts[i]), "test", &document, &error), -EINVAL);
		assert_null(document);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(large_numbers_are_read_and_written),
		cmocka_unit_test(numbers_beyond_64_bits_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
