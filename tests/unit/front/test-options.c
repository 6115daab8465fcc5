/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-options.c - command lines parse as documented, or are refused with the documented sentence.
 */
#include "unit/test.h"

#include <errno.h>

#include "front/cli/options.h"

struct values {
	bool flag, other, proxy;
	const char *name, *choice;
	char **list;
	int64_t number, size, time;
	int custom_calls;
};

static int count_call(
	void *options, const struct option *option, const char *value, struct error *err)
{
	struct values *v = options;

	v->custom_calls++;
	return value && streq(value, "bad") ? error_set(err, EINVAL, "custom says no") : 0;
}

#define AT(member) offsetof(struct values, member)

static const struct option table[] = {
	{ OPTION_HEADING, .help = "Group" },
	{ OPTION_FLAG, 'f', "flag", AT(flag), NULL, "A flag" },
	{ OPTION_FLAG, 'o', "other", AT(other), NULL, "Another" },
	{ OPTION_FLAG, 0, "proxy", AT(proxy), NULL, "True at first" },
	{ OPTION_STRING, 'n', "name", AT(name), "NAME", "A name" },
	{ OPTION_STRING, 0, "choice", AT(choice), "X", "One of", COMPLETE_CHOICES, "a|bc|d" },
	{ OPTION_LIST, 'l', "list", AT(list), "X", "Many" },
	{ OPTION_INT, 'i', "int", AT(number), "N", "A number" },
	{ OPTION_SIZE, 'm', "size", AT(size), "BYTES", "A size" },
	{ OPTION_DURATION, 0, "time", AT(time), "TIME", "A time" },
	{ OPTION_CUSTOM, 0, "custom", 0, "X", "Own", .parse = count_call },
	{ OPTION_CUSTOM, 'c', "call", 0, NULL, "Own flag", .parse = count_call },
	{ OPTION_END },
};

#define WORDS_MAX 16

struct result {
	struct values values;
	struct error err;
	char *words[WORDS_MAX];
	char **operands;
	int count, r;
};

/* A fresh parse of "verb" + the NULL-ended words. */
static void parse(struct result *result, bool stop, const char *const *words)
{
	int argc = 1;

	memset(result, 0, sizeof(*result));
	result->values.proxy = true;
	result->words[0] = (char *)"verb";
	for (; words[argc - 1]; argc++)
		result->words[argc] = (char *)words[argc - 1];
	result->r = options_parse(table, &result->values, argc, result->words, stop,
		&result->operands, &result->count, &result->err);
}

#define PARSE(result, stop, ...) parse(result, stop, (const char *const[]){ __VA_ARGS__, NULL })

static void every_spelling_of_a_value_is_read(void **state)
{
	static const char *const spellings[][3] = {
		{ "--name=x" },
		{ "--name", "x" },
		{ "-nx" },
		{ "-n=x" },
		{ "-n", "x" },
		{ "-fnx" },
		{ "-fon=x" },
	};
	struct result r;

	for (size_t i = 0; i < ARRAY_SIZE(spellings); i++) {
		parse(&r, false, spellings[i]);
		assert_int_equal(r.r, 0);
		assert_string_equal(r.values.name, "x");
		assert_int_equal(r.count, 0);
		assert_int_equal(r.values.flag, i >= 5);
	}
}

static void kinds_convert(void **state)
{
	struct result r;

	PARSE(&r, false, "-i", "-5", "--size=1.5k", "--time", "1m30s", "--proxy=false", "-l", "a",
		"--list=b", "--choice", "bc", "-c", "--custom=x");
	assert_int_equal(r.r, 0);
	assert_true(r.values.number == -5);
	assert_true(r.values.size == 1536);
	assert_true(r.values.time == INT64_C(90000000000));
	assert_false(r.values.proxy);
	assert_string_equal(r.values.choice, "bc");
	assert_int_equal(strv_length(r.values.list), 2);
	assert_string_equal(r.values.list[1], "b");
	assert_int_equal(r.values.custom_calls, 2);
	options_free(table, &r.values);
	assert_null(r.values.list);
	PARSE(&r, false, "--size", "-1");
	assert_true(r.values.size == -1);
}

static void operands_mix_with_options(void **state)
{
	struct result r;

	PARSE(&r, false, "a", "-f", "b", "-n", "x", "c", "--", "-o", "d");
	assert_int_equal(r.r, 0);
	assert_int_equal(r.count, 5);
	assert_string_equal(r.operands[0], "a");
	assert_string_equal(r.operands[2], "c");
	assert_string_equal(r.operands[3], "-o");
	assert_string_equal(r.operands[4], "d");
	assert_true(r.values.flag);
	assert_false(r.values.other);
	PARSE(&r, false, "-", "x");
	assert_int_equal(r.count, 2);
	assert_string_equal(r.operands[0], "-");
}

static void the_first_operand_may_end_options(void **state)
{
	struct result r;

	PARSE(&r, true, "-f", "image", "ls", "-o", "--unknown");
	assert_int_equal(r.r, 0);
	assert_int_equal(r.count, 4);
	assert_string_equal(r.operands[0], "image");
	assert_string_equal(r.operands[3], "--unknown");
	assert_false(r.values.other);
	PARSE(&r, true, "-f", "--", "-o");
	assert_int_equal(r.count, 1);
	assert_string_equal(r.operands[0], "-o");
}

static void mistakes_are_named(void **state)
{
	static const struct {
		const char *words[3];
		const char *sentence;
	} cases[] = {
		{ { "--nope" }, "unknown flag: --nope" },
		{ { "--nope=3" }, "unknown flag: --nope" },
		{ { "-fz" }, "unknown shorthand flag: 'z' in -fz" },
		{ { "--name" }, "flag needs an argument: --name" },
		{ { "-fn" }, "flag needs an argument: 'n' in -fn" },
		{ { "--int=x" }, "invalid argument \"x\" for -i, --int: must be a whole number" },
		{ { "--int", "99999999999999999999" },
			"invalid argument \"99999999999999999999\" for -i, --int: must be a whole number" },
		{ { "-m", "12q" },
			"invalid argument \"12q\" for -m, --size: must be a size such as 512m or 2g" },
		{ { "--time=5" },
			"invalid argument \"5\" for --time: must be a duration such as 500ms, 30s or 1m30s" },
		{ { "--flag=maybe" },
			"invalid argument \"maybe\" for -f, --flag: must be true or false" },
		{ { "--choice", "b" },
			"invalid argument \"b\" for --choice: must be one of a|bc|d" },
		{ { "--custom", "bad" }, "custom says no" },
		{ { "--call=x" }, "--call takes no value" },
	};
	struct result r;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		parse(&r, false, cases[i].words);
		assert_int_equal(r.r, -EINVAL);
		assert_string_equal(r.err.message, cases[i].sentence);
		options_free(table, &r.values);
	}
}

static void help_is_its_own_answer(void **state)
{
	struct result r;

	PARSE(&r, false, "--help");
	assert_int_equal(r.r, -ECANCELED);
	PARSE(&r, false, "-fh");
	assert_int_equal(r.r, -ECANCELED);
	PARSE(&r, true, "image", "--help");
	assert_int_equal(r.r, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_spelling_of_a_value_is_read),
		cmocka_unit_test(kinds_convert),
		cmocka_unit_test(operands_mix_with_options),
		cmocka_unit_test(the_first_operand_may_end_options),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(help_is_its_own_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
