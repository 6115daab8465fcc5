/* SPDX-License-Identifier: Apache-2.0 */
/*
 * man.c - the hidden verb `__man`: the man page's sections about the verbs, from their tables.
 *
 *   strata __man TEMPLATE     the hand-written page with the line @VERBS@ replaced
 *   strata-image __man VERB   one verb, as the line above asks its helper for those it lacks
 */
#include <limits.h>
#include <stdio.h>

#include "base/io.h"
#include "base/process.h"
#include "front/cli/cli.h"
#include "front/cli/verbs.h"

#define TEMPLATE_MAX (1u << 20)

/* Text for roff: no line may begin with a control character, no hyphen become a typographic one. */
static void print_text(const char *text)
{
	bool line_start = true;

	for (; *text; text++) {
		if (line_start && (*text == '.' || *text == '\''))
			fputs("\\&", stdout);
		line_start = *text == '\n';
		if (*text == '\\')
			fputs("\\e", stdout);
		else if (*text == '-')
			fputs("\\-", stdout);
		else
			putchar(*text);
	}
}

static void print_option(const struct option *o)
{
	printf(".TP\n\\fB");
	if (o->letter)
		printf("\\-%c%s", o->letter, o->name ? ", " : "");
	if (o->name) {
		fputs("\\-\\-", stdout);
		print_text(o->name);
	}
	fputs("\\fR", stdout);
	if (o->argument) {
		fputs(" \\fI", stdout);
		print_text(o->argument);
		fputs("\\fR", stdout);
	}
	putchar('\n');
	print_text(o->help);
	putchar('\n');
}

static void print_verb(const char *program, const struct verb *verb)
{
	printf(".SS %s ", program);
	print_text(verb->name);
	putchar(' ');
	print_text(verb->usage ? verb->usage : "");
	fputs("\n.PP\n", stdout);
	print_text(verb->summary);
	fputs(".\n", stdout);
	if (verb->help) {
		/* Its lines and their indentation carry the examples. */
		fputs(".PP\n.nf\n", stdout);
		print_text(verb->help);
		fputs("\n.fi\n", stdout);
	}
	for (const struct option *o = verb->options; o && o->kind != OPTION_END; o++) {
		if (o->kind == OPTION_HEADING) {
			fputs(".PP\n\\fI", stdout);
			print_text(o->help);
			fputs(":\\fR\n", stdout);
		} else if (!o->hidden) {
			print_option(o);
		}
	}
}

static int print_helper_verb(const struct verb *verb, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX];
	int r = process_helper_path(verb->helper, path, sizeof(path), err);

	if (r < 0)
		return r;
	r = process_run((char *const[]){ path, (char *)"__man", (char *)verb->name, NULL }, NULL,
		&text, err);
	if (r > 0)
		r = -EIO; /* the sentence is there */
	if (r == 0)
		fputs(text, stdout);
	return r;
}

static int print_verbs(const struct cli *cli, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && cli->verbs[i]; i++) {
		const struct verb *verb = cli->verbs[i];

		if (verb->hidden || verb->alias_of)
			continue;
		if (verb->helper)
			r = print_helper_verb(verb, err);
		else
			print_verb(cli->program, verb);
	}
	return r;
}

static int print_page(const struct cli *cli, const char *path, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	int r = io_read_file(AT_FDCWD, path, TEMPLATE_MAX, &text, NULL, err);
	char *line, *rest = text;

	while (r == 0 && (line = strsep(&rest, "\n"))) {
		if (streq(line, "@VERBS@"))
			r = print_verbs(cli, err);
		else if (streq(line, "@OPTIONS@"))
			for (const struct option *o = cli_global_options; o->kind != OPTION_END;
				o++)
				print_option(o);
		else if (rest || *line)
			printf("%s\n", line);
	}
	return r;
}

static int man_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	for (size_t i = 0; cli->verbs[i]; i++) {
		if (streq(cli->verbs[i]->name, argv[0]) && !cli->verbs[i]->helper) {
			print_verb(cli->program, cli->verbs[i]);
			return 0;
		}
	}
	return print_page(cli, argv[0], err);
}

static const struct option no_options[] = { { OPTION_END } };

const struct verb verb_man = {
	.name = "__man",
	.usage = "TEMPLATE|VERB",
	.summary = "The man page, from the tables",
	.options = no_options,
	.min_operands = 1,
	.max_operands = 1,
	.hidden = true,
	.run = man_main,
};
