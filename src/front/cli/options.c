/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.c - the parser over tables of options, and their part of --help.
 *
 * Sentences follow those of spf13/pflag, which Docker's users know. Operands are moved to the
 * front of argv in place, so that a command line costs no allocation but that of its lists.
 */
#include "front/cli/options.h"

#include <inttypes.h>
#include <stdio.h>

/* Where the help column starts at the latest; longer options get a line of their own. */
#define HELP_COLUMN_MAX 34

static void *value_at(void *values, const struct option *option)
{
	return (char *)values + option->offset;
}

/* "-m, --memory" or "--name", as the sentences name an option. */
static void display_name(const struct option *option, char *buf, size_t size)
{
	if (option->letter && option->name)
		snprintf(buf, size, "-%c, --%s", option->letter, option->name);
	else if (option->name)
		snprintf(buf, size, "--%s", option->name);
	else
		snprintf(buf, size, "-%c", option->letter);
}

static int refuse(
	const struct option *option, const char *value, const char *why, struct error *err)
{
	char name[80];

	display_name(option, name, sizeof(name));
	return error_set(err, EINVAL, "invalid argument \"%s\" for %s: %s", value, name, why);
}

static bool is_choice(const char *choices, const char *value)
{
	size_t len = strlen(value);

	while (*choices) {
		size_t n = (size_t)(strchrnul(choices, '|') - choices);

		if (n == len && memcmp(choices, value, n) == 0)
			return true;
		choices += n + (choices[n] == '|');
	}
	return false;
}

static int parse_flag(const struct option *option, const char *value, bool *ret, struct error *err)
{
	static const char *const yes[] = { "true", "1", "t", "T", "TRUE", "True" };
	static const char *const no[] = { "false", "0", "f", "F", "FALSE", "False" };

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		if (streq(value, yes[i]) || streq(value, no[i])) {
			*ret = streq(value, yes[i]);
			return 0;
		}
	}
	return refuse(option, value, "must be true or false", err);
}

static int parse_switch(const struct option *option, const char *value, int *ret, struct error *err)
{
	bool flag;
	int r = parse_flag(option, value, &flag, err);

	if (r == 0)
		*ret = flag;
	return r;
}

static int parse_int(
	const struct option *option, const char *value, int64_t *ret, struct error *err)
{
	bool negative = *value == '-';
	uint64_t n;

	if (parse_u64(value + (negative || *value == '+'), INT64_MAX, &n) < 0)
		return refuse(option, value, "must be a whole number", err);
	*ret = negative ? -(int64_t)n : (int64_t)n;
	return 0;
}

static int parse_size(
	const struct option *option, const char *value, int64_t *ret, struct error *err)
{
	uint64_t n;

	if (streq(value, "-1")) {
		*ret = -1;
		return 0;
	}
	if (parse_size_bytes(value, &n) < 0 || n > INT64_MAX)
		return refuse(option, value, "must be a size such as 512m or 2g", err);
	*ret = (int64_t)n;
	return 0;
}

static int store_value(
	const struct option *option, void *values, const char *value, struct error *err)
{
	void *p = value_at(values, option);
	char why[256];

	if (option->completion == COMPLETE_CHOICES && !is_choice(option->choices, value)) {
		snprintf(why, sizeof(why), "must be one of %s", option->choices);
		return refuse(option, value, why, err);
	}
	switch (option->kind) {
	case OPTION_FLAG:
		return parse_flag(option, value, p, err);
	case OPTION_SWITCH:
		return parse_switch(option, value, p, err);
	case OPTION_STRING:
		*(const char **)p = value;
		return 0;
	case OPTION_LIST:
		return strv_push(p, value) < 0 ? error_oom(err) : 0;
	case OPTION_INT:
		return parse_int(option, value, p, err);
	case OPTION_SIZE:
		return parse_size(option, value, p, err);
	case OPTION_DURATION:
		if (parse_duration_ns(value, p) < 0)
			return refuse(option, value,
				"must be a duration such as 500ms, 30s or 1m30s", err);
		return 0;
	case OPTION_CUSTOM:
		return option->parse(values, option, value, err);
	case OPTION_END:
	case OPTION_HEADING:
		break;
	}
	return error_set(err, EINVAL, "--%s takes no value", option->name);
}

bool options_takes_value(const struct option *option)
{
	return option->kind != OPTION_FLAG && option->kind != OPTION_SWITCH &&
		(option->kind != OPTION_CUSTOM || option->argument);
}

/* The option was given without a value, and needs none. */
static int store_flag(const struct option *option, void *values, struct error *err)
{
	if (option->kind == OPTION_CUSTOM)
		return option->parse(values, option, NULL, err);
	return store_value(option, values, "true", err);
}

const struct option *options_find(const struct option *options, const char *name, size_t len)
{
	for (const struct option *o = options; o && o->kind != OPTION_END; o++)
		if (o->kind != OPTION_HEADING && o->name && strlen(o->name) == len &&
			memcmp(o->name, name, len) == 0)
			return o;
	return NULL;
}

const struct option *options_find_letter(const struct option *options, char letter)
{
	for (const struct option *o = options; o && o->kind != OPTION_END; o++)
		if (o->kind != OPTION_HEADING && o->letter && o->letter == letter)
			return o;
	return NULL;
}

struct cursor {
	const struct option *options;
	void *values;
	int argc, at;
	char **argv;
};

/* --name, --name=value, --name value */
static int parse_long(struct cursor *c, struct error *err)
{
	const char *word = c->argv[c->at] + 2, *equals = strchrnul(word, '=');
	const struct option *o = options_find(c->options, word, (size_t)(equals - word));

	if (!o && streq(word, "help"))
		return -ECANCELED;
	if (!o)
		return error_set(err, EINVAL, "unknown flag: --%.*s", (int)(equals - word), word);
	if (*equals) {
		if (o->kind == OPTION_CUSTOM && !o->argument)
			return error_set(err, EINVAL, "--%s takes no value", o->name);
		return store_value(o, c->values, equals + 1, err);
	}
	if (!options_takes_value(o))
		return store_flag(o, c->values, err);
	if (c->at + 1 >= c->argc)
		return error_set(err, EINVAL, "flag needs an argument: --%s", o->name);
	return store_value(o, c->values, c->argv[++c->at], err);
}

/* -abc, -w80, -w=80, -w 80 */
static int parse_letters(struct cursor *c, struct error *err)
{
	const char *word = c->argv[c->at];

	for (const char *p = word + 1; *p; p++) {
		const struct option *o = options_find_letter(c->options, *p);
		int r;

		if (!o && *p == 'h')
			return -ECANCELED;
		if (!o)
			return error_set(
				err, EINVAL, "unknown shorthand flag: '%c' in %s", *p, word);
		if (!options_takes_value(o)) {
			if (p[1] == '=' && o->kind != OPTION_CUSTOM)
				return store_value(o, c->values, p + 2, err);
			r = store_flag(o, c->values, err);
			if (r < 0)
				return r;
			continue;
		}
		if (p[1])
			return store_value(o, c->values, p + 1 + (p[1] == '='), err);
		if (c->at + 1 >= c->argc)
			return error_set(
				err, EINVAL, "flag needs an argument: '%c' in %s", *p, word);
		return store_value(o, c->values, c->argv[++c->at], err);
	}
	return 0;
}

int options_parse(const struct option *options, void *values, int argc, char **argv,
	bool stop_at_operand, char ***ret_operands, int *ret_count, struct error *err)
{
	struct cursor c = { options, values, argc, 1, argv };
	int kept = 1, r;

	for (; c.at < argc; c.at++) {
		char *word = argv[c.at];

		if (word[0] != '-' || !word[1]) {
			if (stop_at_operand)
				break;
			argv[kept++] = word;
			continue;
		}
		if (streq(word, "--")) {
			c.at++;
			break;
		}
		r = word[1] == '-' ? parse_long(&c, err) : parse_letters(&c, err);
		if (r < 0)
			return r;
	}
	/* kept never overtakes at, so this moves words down, or not at all. */
	if (kept == 1) {
		*ret_operands = argv + c.at;
		*ret_count = argc > c.at ? argc - c.at : 0;
		return 0;
	}
	while (c.at < argc)
		argv[kept++] = argv[c.at++];
	if (kept < argc)
		argv[kept] = NULL;
	*ret_operands = argv + 1;
	*ret_count = kept - 1;
	return 0;
}

void options_free(const struct option *options, void *values)
{
	for (const struct option *o = options; o && o->kind != OPTION_END; o++) {
		if (o->kind == OPTION_LIST) {
			char ***list = value_at(values, o);

			*list = strv_free(*list);
		}
	}
}

/* "  -m, --memory BYTES" */
void options_format_row(const struct option *option, char *buf, size_t size)
{
	char letter[6] = "    ";
	const char *argument = option->argument;

	if (option->letter)
		snprintf(letter, sizeof(letter), "-%c%s", option->letter, option->name ? ", " : "");
	snprintf(buf, size, "%s%s%s%s%s", letter, option->name ? "--" : "",
		option->name ? option->name : "", argument ? " " : "", argument ? argument : "");
}

void options_print_help(const struct option *options)
{
	char row[160];
	int column = 0;

	for (const struct option *o = options; o && o->kind != OPTION_END; o++) {
		int width;

		if (o->hidden || o->kind == OPTION_HEADING)
			continue;
		options_format_row(o, row, sizeof(row));
		width = (int)strlen(row);
		if (width > column && width <= HELP_COLUMN_MAX)
			column = width;
	}
	for (const struct option *o = options; o && o->kind != OPTION_END; o++) {
		if (o->hidden)
			continue;
		if (o->kind == OPTION_HEADING) {
			printf("\n%s:\n", o->help);
			continue;
		}
		options_format_row(o, row, sizeof(row));
		if ((int)strlen(row) > column)
			printf("  %s\n  %*s   %s\n", row, column, "", o->help);
		else
			printf("  %-*s   %s\n", column, row, o->help);
	}
}
