/* SPDX-License-Identifier: Apache-2.0 */
/*
 * help.c - help for the program, a group of verbs and one verb, all from the tables.
 */
#include "front/cli/help.h"

#include <stdio.h>

#include "front/cli/cli.h"

#define VERB_NAME_MAX	 32
#define SUGGEST_DISTANCE 2 /* edits that still look like a slip of the finger */

static bool in_prefix(const struct verb *verb, const char *prefix)
{
	const char *rest = prefix ? str_after_prefix(verb->name, prefix) : verb->name;

	return rest && (!prefix || *rest == ' ');
}

/* In the program's overview an alias would only repeat its verb; in a group's it is what exists. */
static bool is_listed(const struct verb *verb, const char *prefix)
{
	return !verb->hidden && in_prefix(verb, prefix) && (prefix || !verb->alias_of);
}

static const struct verb *resolve_alias(const struct verb *const *verbs, const struct verb *verb)
{
	for (size_t i = 0; verb->alias_of && verbs[i]; i++)
		if (streq(verbs[i]->name, verb->alias_of))
			return verbs[i];
	return verb;
}

/* Has a row before `index` already opened this group? */
static bool group_seen(const struct verb *const *verbs, size_t index, const char *prefix)
{
	const char *group = resolve_alias(verbs, verbs[index])->group;

	for (size_t i = 0; i < index; i++)
		if (is_listed(verbs[i], prefix) &&
			streq_ptr(resolve_alias(verbs, verbs[i])->group, group))
			return true;
	return false;
}

static void print_group(
	const struct verb *const *verbs, const char *group, const char *prefix, int column)
{
	printf("\n%s:\n", group ? group : "Verbs");
	for (size_t i = 0; verbs[i]; i++) {
		const struct verb *verb = resolve_alias(verbs, verbs[i]);

		if (is_listed(verbs[i], prefix) && streq_ptr(verb->group, group))
			printf("  %-*s   %s\n", column, verbs[i]->name, verb->summary);
	}
}

void help_print_program(const char *program, const struct verb *const *verbs, const char *prefix)
{
	int column = 0;

	if (prefix)
		printf("Usage:  %s %s VERB [ARG...]\n", program, prefix);
	else
		printf("Usage:  %s [OPTIONS] VERB [ARG...]\n\n"
		       "Run one image at the depth of isolation you choose\n",
			program);
	for (size_t i = 0; verbs[i]; i++)
		if (is_listed(verbs[i], prefix) && (int)strlen(verbs[i]->name) > column)
			column = (int)strlen(verbs[i]->name);
	for (size_t i = 0; verbs[i]; i++)
		if (is_listed(verbs[i], prefix) && !group_seen(verbs, i, prefix))
			print_group(verbs, resolve_alias(verbs, verbs[i])->group, prefix, column);
	if (!prefix) {
		printf("\nOptions:\n");
		options_print_help(cli_global_options);
	}
	printf("\n'%s%s%s VERB --help' says more about a verb and shows examples.\n", program,
		prefix ? " " : "", prefix ? prefix : "");
}

static void print_aliases(
	const char *program, const struct verb *const *verbs, const struct verb *verb)
{
	bool any = false;

	for (size_t i = 0; verbs[i]; i++) {
		if (!verbs[i]->alias_of || !streq(verbs[i]->alias_of, verb->name))
			continue;
		if (!any)
			printf("\nAliases:\n  %s %s", program, verb->name);
		printf(", %s %s", program, verbs[i]->name);
		any = true;
	}
	if (any)
		putchar('\n');
}

void help_print_verb(const char *program, const struct verb *const *verbs, const struct verb *verb)
{
	const struct option *first = verb->options;

	printf("Usage:  %s %s%s%s\n\n%s\n", program, verb->name,
		verb->usage && *verb->usage ? " " : "", verb->usage ? verb->usage : "",
		verb->summary);
	print_aliases(program, verbs, verb);
	if (verb->help)
		printf("\n%s\n", verb->help);
	if (!first || first->kind == OPTION_END)
		return;
	if (first->kind != OPTION_HEADING)
		printf("\nOptions:\n");
	options_print_help(first);
}

/* Levenshtein distance, of names short enough for the one row it needs. */
static size_t distance(const char *a, const char *b)
{
	size_t row[VERB_NAME_MAX + 1], len_b = strlen(b);

	if (len_b > VERB_NAME_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= len_b; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= len_b; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[len_b];
}

const char *help_suggest(const struct verb *const *verbs, const char *typed)
{
	size_t best = SUGGEST_DISTANCE + 1;
	const char *name = NULL;

	for (size_t i = 0; verbs[i]; i++) {
		size_t d = verbs[i]->hidden ? SIZE_MAX : distance(typed, verbs[i]->name);

		/* For "st", any verb of two letters is near: more must agree than differ. */
		if (d < best && d * 2 < strlen(typed) + 1) {
			best = d;
			name = verbs[i]->name;
		}
	}
	return name;
}
