/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translate.c - `translate`: run one program of another CPU, with no image.
 */
#include "debug/debug.h"
#include "front/cli/cli.h"
#include "front/cli/verbs.h"
#include "translate/translate.h"

struct translate_verb_options {
	const char *prefix, *argv0, *gdb, *code;
	char **set, **unset;
	bool strace;
};

#define AT(member) offsetof(struct translate_verb_options, member)

static const struct option translate_table[] = {
	{ OPTION_STRING, 'L', "prefix", AT(prefix), "DIR",
		"Look for loaders and libraries in DIR first", COMPLETE_DIRECTORY },
	{ OPTION_LIST, 'E', "set-env", AT(set), "VAR=VALUE", "Set a variable for the program" },
	{ OPTION_LIST, 'U', "unset-env", AT(unset), "VAR", "Leave a variable out" },
	{ OPTION_STRING, '0', "argv0", AT(argv0), "ARGV0",
		"What the program is told that it was called by" },
	{ OPTION_STRING, 'g', "gdb", AT(gdb), "PORT",
		"Wait for gdb on 127.0.0.1:PORT, or on a socket at a path" },
	{ OPTION_STRING, 0, "code-cache", AT(code), "DIR|none",
		"Where translated code is kept for the next time [~/.cache/strata/translations]",
		COMPLETE_DIRECTORY },
	{ OPTION_FLAG, 0, "strace", AT(strace), NULL,
		"Print the program's system calls (or STRATA_DEBUG=calls)" },
	{ OPTION_END },
};

/* Is `variable` ("NAME" or "NAME=...") the one that `name`, up to a '=', names? */
static bool names(const char *variable, const char *name)
{
	size_t length = strcspn(name, "=");

	return strncmp(variable, name, length) == 0 &&
		(variable[length] == '=' || !variable[length]);
}

static bool is_named(const char *variable, char *const *list)
{
	strv_for_each (name, list)
		if (names(variable, *name))
			return true;
	return false;
}

/* Ours, changed as the options say. */
static char **make_environment(const struct translate_verb_options *o)
{
	_cleanup_strv_ char **result = calloc(1, sizeof(*result));

	if (!result)
		return NULL;
	strv_for_each (variable, environ) {
		if (is_named(*variable, o->set) || is_named(*variable, o->unset))
			continue;
		if (strv_push(&result, *variable) < 0)
			return NULL;
	}
	strv_for_each (variable, o->set)
		if (strv_push(&result, *variable) < 0)
			return NULL;
	return steal_ptr(&result);
}

/* An absolute path; NULL for none, or when there is no home to be had. */
static char *find_code_dir(const char *option)
{
	const char *home = getenv("HOME"), *cache = getenv("XDG_CACHE_HOME");
	_cleanup_free_ char *here = NULL;

	if (option && streq(option, "none"))
		return NULL;
	if (option && option[0] == '/')
		return strf("%s", option);
	if (option) {
		here = getcwd(NULL, 0);
		return here ? strf("%s/%s", here, option) : NULL;
	}
	if (cache && cache[0] == '/')
		return strf("%s/strata/translations", cache);
	return home && home[0] == '/' ? strf("%s/.cache/strata/translations", home) : NULL;
}

static bool is_debugged(const char *what)
{
	const char *words = getenv("STRATA_DEBUG");

	return words && strstr(words, what);
}

/* Who waits has to be told where. */
static int wait_for_gdb(const char *where, int *ret_fd, struct error *err)
{
	char address[DEBUG_ADDRESS_MAX];
	int r = debug_listen(where, ret_fd, address, err);

	if (r >= 0)
		fprintf(stderr, "strata: waiting for gdb: target remote %s\n", address);
	return r;
}

static int translate_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct translate_verb_options *o = options;
	struct translate_options t = { .program = argv[0],
		.argv = argv,
		.prefix = o->prefix,
		.program_fd = -1,
		.filter_fd = -1,
		.code_fd = -1,
		.list_fd = -1,
		.open_fd = -1,
		.debug_fd = -1,
		.is_traced = o->strace || is_debugged("calls") };
	_cleanup_free_ char *code_dir = find_code_dir(o->code);
	int r;

	/* A debugger writes to code, and looks at it as it is. */
	if (o->gdb && o->code && !streq(o->code, "none"))
		return error_set(err, EINVAL,
			"-g: nothing that is debugged is kept; leave out --code-cache");
	t.code_dir = o->gdb ? NULL : code_dir;
	if (o->code && t.code_dir) {
		r = translate_check_code_dir(code_dir, err);
		if (r < 0)
			return r;
	}
	strv_for_each (variable, o->set)
		if (!strchr(*variable, '='))
			return error_set(err, EINVAL, "-E wants VAR=VALUE, not %s", *variable);
	t.envp = make_environment(o);
	if (!t.envp)
		return error_oom(err);
	if (o->argv0)
		argv[0] = (char *)(uintptr_t)o->argv0;
	if (o->gdb && wait_for_gdb(o->gdb, &t.debug_fd, err) < 0)
		return -err->code;
	r = translate_run(&t, err);
	cli_print_error(cli, err);
	return r == -ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

const struct verb verb_translate = {
	.name = "translate",
	.group = "Run",
	.usage = "[OPTIONS] PROGRAM [ARG...]",
	.summary = "Run a program for another CPU (riscv64), with no image",
	.help = "PROGRAM is a path: an ELF file for riscv64, or a script. What it executes in turn runs\n"
		"the same way; programs for this machine's CPU run as they are.",
	.options = translate_table,
	.options_size = sizeof(struct translate_verb_options),
	.min_operands = 1,
	.max_operands = -1,
	.operand = COMPLETE_FILE,
	.stop_at_operand = true,
	.runs_command = true,
	.stateless = true,
	.run = translate_main,
};
