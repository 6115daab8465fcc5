/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-complete.c - verbs are found, mistyped ones guessed, unfinished ones completed.
 */
#include "unit/test.h"

#include "front/cli/cli.h"
#include "front/cli/complete.h"
#include "front/cli/help.h"

static const struct option run_options[] = {
	{ OPTION_HEADING, .help = "Group" },
	{ OPTION_FLAG, 'd', "detach", 0, NULL, "A flag" },
	{ OPTION_STRING, 'n', "name", 0, "NAME", "A value nothing is known about" },
	{ OPTION_STRING, 0, "pull", 0, "WHEN", "A choice", COMPLETE_CHOICES,
		"always|missing|never" },
	{ OPTION_STRING, 0, "env-file", 0, "FILE", "A file", COMPLETE_FILE },
	{ OPTION_STRING, 0, "pid", 0, "MODE", "A choice or more", COMPLETE_NAMESPACE, "host|own" },
	{ OPTION_STRING, 0, "restart", 0, "X", "Any", COMPLETE_SUGGESTIONS, "no|always" },
	{ OPTION_STRING, 0, "secret", 0, "X", "Not offered", .hidden = true },
	{ OPTION_END },
};

static const struct option no_options[] = { { OPTION_END } };

#define VERB(...)                                                                                  \
	&(const struct verb)                                                                       \
	{                                                                                          \
		__VA_ARGS__                                                                        \
	}

static const struct verb *const some_verbs[] = {
	VERB(.name = "run", .options = run_options, .stop_at_operand = true, .min_operands = 1,
		.max_operands = -1, .operand = COMPLETE_IMAGE),
	VERB(.name = "rm", .options = no_options, .max_operands = -1, .operand = COMPLETE_STOPPED),
	VERB(.name = "rename", .options = no_options, .min_operands = 2, .max_operands = 2,
		.operand = COMPLETE_INSTANCE),
	VERB(.name = "image ls", .options = no_options),
	VERB(.name = "image inspect", .options = no_options, .max_operands = -1,
		.operand = COMPLETE_IMAGE),
	VERB(.name = "images", .alias_of = "image ls"),
	VERB(.name = "container rm", .alias_of = "rm"),
	VERB(.name = "pull", .helper = "strata-image"),
	VERB(.name = "__hidden", .options = no_options, .hidden = true),
	NULL,
};

static void verbs_are_found_by_their_words(void **state)
{
	static const struct {
		const char *words[4];
		const char *name; /* NULL = none */
		int count;
	} cases[] = {
		{ { "run", "image", "ls" }, "run", 1 },
		{ { "image", "inspect", "x" }, "image inspect", 2 },
		{ { "images" }, "image ls", 1 },
		{ { "container", "rm", "x" }, "rm", 2 },
		{ { "image" }, NULL, 0 },
		{ { "image", "nope" }, NULL, 0 },
		{ { "ru" }, NULL, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct verb *verb;
		int argc = 0, count;

		while (cases[i].words[argc])
			argc++;
		verb = cli_find_verb(some_verbs, argc, (char *const *)cases[i].words, &count);
		assert_int_equal(count, cases[i].count);
		if (cases[i].name)
			assert_string_equal(verb->name, cases[i].name);
		else
			assert_null(verb);
	}
	assert_true(cli_is_group(some_verbs, "image"));
	assert_false(cli_is_group(some_verbs, "images"));
	assert_false(cli_is_group(some_verbs, "run"));
}

static void slips_are_guessed(void **state)
{
	assert_string_equal(help_suggest(some_verbs, "runn"), "run");
	assert_string_equal(help_suggest(some_verbs, "imags"), "images");
	assert_string_equal(help_suggest(some_verbs, "image inspct"), "image inspect");
	assert_null(help_suggest(some_verbs, "xy"));
	assert_null(help_suggest(some_verbs, "frobnicate"));
	assert_null(help_suggest(some_verbs, "__hiden"));
}

static void words_are_completed(void **state)
{
	static const struct {
		const char *words[6];
		const char *offered, *helper;
	} cases[] = {
		{ { "r" }, "run\nrm\nrename\n" },
		{ { "i" }, "image\nimages\n" },
		{ { "" }, "run\nrm\nrename\nimage\nimages\ncontainer\npull\n" },
		{ { "--ro" }, "--root\n" },
		{ { "--root", "" }, ":directory\n" },
		{ { "--root", "/x", "ru" }, "run\n" },
		{ { "image", "" }, "ls\ninspect\n" },
		{ { "image", "in" }, "inspect\n" },
		{ { "run", "" }, ":image\n" },
		{ { "run", "--" },
			"--detach\n--name\n--pull\n--env-file\n--pid\n--restart\n--help\n" },
		{ { "run", "--pu" }, "--pull\n" },
		{ { "run", "--pull", "" }, "always\nmissing\nnever\n" },
		{ { "run", "--pull=m" }, "--pull=missing\n" },
		{ { "run", "--env-file", "x" }, ":file\n" },
		{ { "run", "--pid", "" }, ":running container:\nhost\nown\n" },
		{ { "run", "--pid=h" }, ":running --pid=container:\n--pid=host\n" },
		{ { "run", "--restart", "a" }, "always\n" },
		{ { "run", "-dn", "" }, "" },
		{ { "run", "-d", "-nx", "" }, ":image\n" },
		{ { "run", "--name", "x", "" }, ":image\n" },
		{ { "run", "img", "-" }, "" },
		{ { "rm", "x", "" }, ":stopped\n" },
		{ { "container", "rm", "" }, ":stopped\n" },
		{ { "rename", "a", "b", "" }, "" },
		{ { "image", "inspect", "" }, ":image\n" },
		{ { "pull", "" }, "", "strata-image" },
		{ { "nope", "" }, "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_str_ struct str out = { 0 };
		const char *helper;
		int argc = 0;

		while (cases[i].words[argc])
			argc++;
		complete_words(some_verbs, argc, (char *const *)cases[i].words, &out, &helper);
		assert_string_equal(out.data ? out.data : "", cases[i].offered);
		assert_true(streq_ptr(helper, cases[i].helper));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verbs_are_found_by_their_words),
		cmocka_unit_test(slips_are_guessed),
		cmocka_unit_test(words_are_completed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
