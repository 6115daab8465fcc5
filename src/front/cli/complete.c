/* SPDX-License-Identifier: Apache-2.0 */
/*
 * complete.c - completion from the tables that parsing and help read.
 */
#include "front/cli/complete.h"

#include <stdio.h>

#include "front/cli/cli.h"

static const char *const kind_lines[] = {
	[COMPLETE_NOTHING] = NULL,
	[COMPLETE_FILE] = ":file",
	[COMPLETE_DIRECTORY] = ":directory",
	[COMPLETE_IMAGE] = ":image",
	[COMPLETE_INSTANCE] = ":instance",
	[COMPLETE_RUNNING] = ":running",
	[COMPLETE_STOPPED] = ":stopped",
	[COMPLETE_VOLUME] = ":volume",
	[COMPLETE_NETWORK] = ":network",
	[COMPLETE_JOINED] = ":network",
	[COMPLETE_CHOICES] = NULL,
	[COMPLETE_SUGGESTIONS] = NULL,
	[COMPLETE_NAMESPACE] = ":running",
};

static void offer(
	struct str *out, const char *prefix, const char *word, size_t len, const char *typed)
{
	size_t typed_len = strlen(typed);

	if (len < typed_len || memcmp(word, typed, typed_len) != 0)
		return;
	str_append(out, prefix);
	str_append_n(out, word, len);
	str_append_char(out, '\n');
}

/* Candidates for the value of an option; `prefix` is "--name=" when it is typed that way. */
static void complete_value(
	const struct option *option, const char *prefix, const char *typed, struct str *out)
{
	const char *line = kind_lines[option->completion];

	if (option->completion == COMPLETE_NAMESPACE)
		str_appendf(out, "%s %scontainer:\n", line, prefix);
	else if (option->completion == COMPLETE_JOINED)
		str_appendf(out, "%s %s\n:running %scontainer:\n", line, prefix, prefix);
	else if (line)
		str_appendf(out, "%s\n", line);
	for (const char *p = option->choices; p && *p;) {
		size_t n = (size_t)(strchrnul(p, '|') - p);

		offer(out, prefix, p, n, typed);
		p += n + (p[n] == '|');
	}
}

static void complete_option(const struct option *options, const char *typed, struct str *out)
{
	char name[80];

	for (const struct option *o = options; o && o->kind != OPTION_END; o++) {
		if (o->hidden || o->kind == OPTION_HEADING || !o->name)
			continue;
		snprintf(name, sizeof(name), "--%s", o->name);
		offer(out, "", name, strlen(name), typed);
	}
	offer(out, "", "--help", 6, typed);
}

/* The option whose value the next word is, when `word` leaves one open; else NULL. */
static const struct option *pending_option(const struct option *options, const char *word)
{
	const struct option *o;

	if (word[0] != '-' || !word[1])
		return NULL;
	if (word[1] == '-') {
		if (strchr(word, '='))
			return NULL;
		o = options_find(options, word + 2, strlen(word + 2));
		return o && o->argument ? o : NULL;
	}
	for (const char *p = word + 1; *p; p++) {
		o = options_find_letter(options, *p);
		if (o && o->argument)
			return p[1] ? NULL : o;
	}
	return NULL;
}

/* How many of the words before the last are operands, and whether the last may be an option. */
struct position {
	const struct option *pending;
	int operands;
	bool options_ended;
};

static struct position find_position(
	const struct option *options, bool stop_at_operand, int argc, char *const *argv)
{
	struct position at = { 0 };

	for (int i = 0; i + 1 < argc; i++) {
		if (at.pending) {
			at.pending = NULL;
			continue;
		}
		if (at.options_ended || argv[i][0] != '-' || !argv[i][1]) {
			at.operands++;
			at.options_ended |= stop_at_operand;
		} else if (streq(argv[i], "--")) {
			at.options_ended = true;
		} else {
			at.pending = pending_option(options, argv[i]);
		}
	}
	return at;
}

static void complete_verb(const struct verb *verb, int argc, char *const *argv, struct str *out)
{
	struct position at = find_position(verb->options, verb->stop_at_operand, argc, argv);
	const char *typed = argv[argc - 1], *equals = strchr(typed, '=');
	const struct option *o;

	if (at.pending) {
		complete_value(at.pending, "", typed, out);
		return;
	}
	if (typed[0] == '-' && !at.options_ended) {
		char prefix[80];

		if (!equals) {
			complete_option(verb->options, typed, out);
			return;
		}
		o = options_find(verb->options, typed + 2, (size_t)(equals - typed - 2));
		snprintf(prefix, sizeof(prefix), "%.*s=", (int)(equals - typed), typed);
		if (typed[1] == '-' && o)
			complete_value(o, prefix, equals + 1, out);
		return;
	}
	/* After the first operand of run and exec comes a command of the instance's. */
	if (at.operands > 0 && verb->stop_at_operand)
		return;
	if (verb->max_operands >= 0 && at.operands >= verb->max_operands)
		return;
	if (kind_lines[verb->operand])
		str_appendf(out, "%s\n", kind_lines[verb->operand]);
}

/* The next word of every verb that starts with the words typed so far, each once. */
static void complete_name(
	const struct verb *const *verbs, int argc, char *const *argv, struct str *out)
{
	_cleanup_str_ struct str before = { 0 };

	for (int i = 0; i + 1 < argc; i++)
		str_appendf(&before, "%s ", argv[i]);
	for (size_t i = 0; verbs[i]; i++) {
		const char *rest = str_after_prefix(verbs[i]->name, before.data ? before.data : "");
		size_t n, len = out->len;

		if (!rest || verbs[i]->hidden)
			continue;
		n = strcspn(rest, " ");
		offer(out, "", rest, n, argv[argc - 1]);
		/* Members of a group stand together or not: look at all that was offered. */
		if (out->len > len) {
			_cleanup_free_ char *line = strndup(out->data + len, out->len - len);
			const char *first = line ? strstr(out->data, line) : NULL;

			if (first && first < out->data + len &&
				(first == out->data || first[-1] == '\n')) {
				out->len = len;
				out->data[len] = '\0';
			}
		}
	}
}

void complete_words(const struct verb *const *verbs, int argc, char *const *argv, struct str *out,
	const char **ret_helper)
{
	struct position at = find_position(cli_global_options, true, argc, argv);
	const struct verb *verb;
	int words;

	*ret_helper = NULL;
	if (argc < 1)
		return;
	if (at.operands == 0) {
		if (at.pending)
			complete_value(at.pending, "", argv[argc - 1], out);
		else if (argv[argc - 1][0] == '-')
			complete_option(cli_global_options, argv[argc - 1], out);
		else
			complete_name(verbs, 1, argv + argc - 1, out);
		return;
	}
	argv += argc - 1 - at.operands;
	argc = at.operands + 1;
	verb = cli_find_verb(verbs, argc - 1, argv, &words);
	if (!verb)
		complete_name(verbs, argc, argv, out);
	else if (verb->helper)
		*ret_helper = verb->helper;
	else
		complete_verb(verb, argc - words, argv + words, out);
}

static int main_(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	_cleanup_str_ struct str out = { 0 };
	const char *helper;

	complete_words(cli->verbs, argc, argv, &out, &helper);
	if (out.failed)
		return error_oom(err);
	fputs(out.data ? out.data : "", stdout);
	return 0;
}

static const struct option no_options[] = { { OPTION_END } };

const struct verb verb_complete_words = {
	.name = "__complete",
	.usage = "WORD...",
	.summary = "What could stand at the end of a command line",
	.options = no_options,
	.stop_at_operand = true,
	.max_operands = -1,
	.hidden = true,
	.run = main_,
};
