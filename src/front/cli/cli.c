/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli.c - from argv to a verb and from its result to the exit status.
 *
 * Everything the user is told about a failure is printed here, once: "strata: SENTENCE". A verb of
 * a helper program is not looked into at all: the helper replaces this process and parses the same
 * command line with the same code (and so has its own --help and completion).
 */
#include "front/cli/cli.h"

#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/wait.h>

#include "base/json.h"
#include "base/log.h"
#include "base/process.h"
#include "front/cli/help.h"

#define SYSTEM_ROOT	"/var/lib/strata"
#define SYSTEM_RUN_ROOT "/run/strata"

struct global_values {
	const char *root;
	bool debug, version, help;
};

const struct option cli_global_options[] = {
	{ OPTION_STRING, 0, "root", offsetof(struct global_values, root), "DIR",
		"Keep all state below DIR (STRATA_ROOT; default /var/lib/strata)",
		COMPLETE_DIRECTORY },
	{ OPTION_FLAG, 'D', "debug", offsetof(struct global_values, debug), NULL,
		"Say on stderr what is being done" },
	{ OPTION_FLAG, 'v', "version", offsetof(struct global_values, version), NULL,
		"Print the version and quit" },
	{ OPTION_FLAG, 'h', "help", offsetof(struct global_values, help), NULL,
		"Print this help and quit" },
	{ OPTION_END },
};

/* --- where state lives --- */

char *cli_absolute_path(const char *path)
{
	char cwd[PATH_MAX];

	if (*path == '/')
		return strdup(path);
	return getcwd(cwd, sizeof(cwd)) ? strf("%s/%s", cwd, path) : NULL;
}

static const char *environment(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

static char *rootless_root(struct error *err)
{
	const char *data = environment("XDG_DATA_HOME"), *home = environment("HOME");

	if (!data && !home) {
		error_set(err, ENOENT,
			"cannot tell where to keep state: neither HOME nor XDG_DATA_HOME is set; give --root DIR");
		return NULL;
	}
	return data ? strf("%s/strata", data) : strf("%s/.local/share/strata", home);
}

static int decide_roots(struct cli *cli, const char *option, struct error *err)
{
	const char *chosen = option ? option : environment("STRATA_ROOT");
	const char *run = environment("XDG_RUNTIME_DIR");

	cli->rootless = geteuid() != 0;
	cli->root_given = option != NULL;
	if (option && !*option)
		return error_set(err, EINVAL, "--root needs a directory");
	if (chosen)
		cli->root = cli_absolute_path(chosen);
	else if (cli->rootless)
		cli->root = rootless_root(err);
	else
		cli->root = strdup(SYSTEM_ROOT);
	if (!cli->root)
		return err->code ? -err->code : error_oom(err);
	if (chosen || (cli->rootless && !run))
		cli->run_root = strf("%s/run", cli->root);
	else if (cli->rootless)
		cli->run_root = strf("%s/strata", run);
	else
		cli->run_root = strdup(SYSTEM_RUN_ROOT);
	return cli->run_root ? 0 : error_oom(err);
}

/* --- finding the verb --- */

bool cli_is_group(const struct verb *const *verbs, const char *name)
{
	for (size_t i = 0; verbs[i]; i++) {
		const char *rest = str_after_prefix(verbs[i]->name, name);

		if (rest && *rest == ' ' && !verbs[i]->hidden)
			return true;
	}
	return false;
}

/* Does argv begin with the words of `name`? Returns how many those are, or 0. */
static int match_words(const char *name, int argc, char *const *argv)
{
	int words = 0;

	while (*name) {
		size_t n = (size_t)(strchrnul(name, ' ') - name);

		if (words >= argc || strlen(argv[words]) != n || memcmp(argv[words], name, n) != 0)
			return 0;
		words++;
		name += n + (name[n] == ' ');
	}
	return words;
}

const struct verb *cli_find_verb(
	const struct verb *const *verbs, int argc, char *const *argv, int *ret_words)
{
	const struct verb *found = NULL;
	int best = 0;

	for (size_t i = 0; verbs[i]; i++) {
		int words = match_words(verbs[i]->name, argc, argv);

		if (words > best) {
			best = words;
			found = verbs[i];
		}
	}
	*ret_words = best;
	for (size_t i = 0; found && found->alias_of && verbs[i]; i++)
		if (streq(verbs[i]->name, found->alias_of))
			return verbs[i];
	return found;
}

int cli_exec_helper(const struct cli *cli, const char *helper, struct error *err)
{
	char path[PATH_MAX];
	int r = process_helper_path(helper, path, sizeof(path), err);

	if (r < 0)
		return r;
	execv(path, cli->argv);
	return error_errno(err, errno, "cannot run %s", path);
}

int cli_run_helper(const char *helper, const char *const *argv, struct error *err)
{
	posix_spawn_file_actions_t actions;
	char path[PATH_MAX];
	int r = process_helper_path(helper, path, sizeof(path), err), status;
	pid_t pid;

	if (r < 0)
		return r;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
	r = posix_spawn(&pid, path, &actions, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (r != 0)
		return error_errno(err, r, "cannot run %s", path);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (process_exit_code(status) == 0)
		return 0;
	if (WIFSIGNALED(status))
		return error_set(err, EIO, "%s was ended by SIG%s", path,
			process_signal_name(WTERMSIG(status)));
	return CLI_ALREADY_SAID;
}

/* --- running it --- */

static int check_count(const struct verb *verb, int count, struct error *err)
{
	const char *plural;

	if (count >= verb->min_operands && (verb->max_operands < 0 || count <= verb->max_operands))
		return 0;
	if (verb->max_operands == 0)
		return error_set(err, EINVAL, "\"%s\" accepts no arguments", verb->name);
	plural = (count < verb->min_operands ? verb->min_operands : verb->max_operands) == 1 ? ""
											     : "s";
	if (verb->min_operands == verb->max_operands)
		return error_set(err, EINVAL, "\"%s\" requires exactly %d argument%s", verb->name,
			verb->min_operands, plural);
	if (count < verb->min_operands)
		return error_set(err, EINVAL, "\"%s\" requires at least %d argument%s", verb->name,
			verb->min_operands, plural);
	return error_set(err, EINVAL, "\"%s\" accepts at most %d argument%s", verb->name,
		verb->max_operands, plural);
}

int cli_run_verb(struct cli *cli, const struct verb *verb, int argc, char **argv, bool *ret_usage,
	struct error *err)
{
	_cleanup_free_ void *values = calloc(1, verb->options_size ? verb->options_size : 1);
	char **operands;
	int count, r;

	if (!values)
		return error_oom(err);
	if (verb->own_grammar)
		return verb->run(cli, values, argc, argv, err);
	if (verb->defaults)
		memcpy(values, verb->defaults, verb->options_size);
	r = options_parse(
		verb->options, values, argc, argv, verb->stop_at_operand, &operands, &count, err);
	if (r == -ECANCELED) {
		help_print_verb(cli->program, cli->verbs, verb);
		r = 0;
	} else {
		if (r == 0)
			r = check_count(verb, count, err);
		*ret_usage = r < 0;
		if (r == 0)
			r = verb->run(cli, values, count, operands, err);
	}
	options_free(verb->options, values);
	return r;
}

static int unknown_verb(const struct cli *cli, char *const *argv, struct error *err)
{
	const struct verb *const *verbs = cli->verbs;
	_cleanup_free_ char *typed = NULL;
	const char *near;

	typed = cli_is_group(verbs, argv[0]) ? strf("%s %s", argv[0], argv[1]) : strdup(argv[0]);
	if (!typed)
		return error_oom(err);
	near = help_suggest(verbs, typed);
	if (near)
		return error_set(
			err, EINVAL, "there is no verb \"%s\": did you mean \"%s\"?", typed, near);
	return error_set(
		err, EINVAL, "there is no verb \"%s\": see '%s --help'", typed, cli->program);
}

static bool is_help_word(const char *word)
{
	return streq(word, "--help") || streq(word, "-h") || streq(word, "help");
}

/* `strata help VERB` is `strata VERB --help`; the words are turned round in place. */
static void turn_help(int argc, char **argv)
{
	for (int i = 0; i + 1 < argc; i++)
		argv[i] = argv[i + 1];
	argv[argc - 1] = (char *)"--help";
}

void cli_print_error(const struct cli *cli, const struct error *err)
{
	fprintf(stderr, "%s: %s\n", cli->program,
		err->message[0] ? err->message : strerror(err->code));
}

/* What was written earlier may have failed, too: then nobody knows why any more. */
static bool flush_output(const char **ret_why)
{
	bool flushed = fflush(stdout) == 0;

	*ret_why = flushed ? "not all of it was taken" : strerror(errno);
	return flushed && !ferror(stdout);
}

static int report(
	const struct cli *cli, const struct verb *verb, int r, bool usage, const struct error *err)
{
	const char *why;

	if (flush_output(&why) && r >= 0)
		return r;
	if (r >= 0)
		fprintf(stderr, "%s: cannot write to standard output: %s\n", cli->program, why);
	else if (err->message[0])
		cli_print_error(cli, err);
	else if (r != CLI_ALREADY_SAID)
		fprintf(stderr, "%s: %s\n", cli->program, strerror(-r));
	if (r < 0 && usage)
		fprintf(stderr, "\nUsage:  %s %s %s\n\nRun '%s %s --help' for more information\n",
			cli->program, verb->name, verb->usage ? verb->usage : "", cli->program,
			verb->name);
	return verb && verb->runs_command ? EXIT_STRATA : EXIT_FAILURE;
}

/* argv[0] is the first word after the global options. */
static int dispatch(struct cli *cli, int argc, char **argv)
{
	struct error err = { 0 };
	const struct verb *verb;
	bool usage = false;
	int words, r;

	if (argc > 1 && streq(argv[0], "help"))
		turn_help(argc, argv);
	verb = cli_find_verb(cli->verbs, argc, argv, &words);
	if (!verb && cli_is_group(cli->verbs, argv[0]) && (argc < 2 || is_help_word(argv[1]))) {
		help_print_program(cli->program, cli->verbs, argv[0]);
		return report(cli, NULL, argc < 2 ? EXIT_FAILURE : 0, false, &err);
	}
	if (!verb)
		r = unknown_verb(cli, argv, &err);
	else if (verb->helper)
		r = cli_exec_helper(cli, verb->helper, &err);
	else
		r = cli_run_verb(cli, verb, argc - words + 1, argv + words - 1, &usage, &err);
	return report(cli, verb, r, usage, &err);
}

/*
 * jansson would open /dev/urandom for the seed of its hash tables; the kernel has given every
 * process random bytes already (getauxval(3), AT_RANDOM). glibc keeps its guards in them: what is
 * taken here never leaves the process either.
 */
void cli_seed_json(void)
{
	const char *random = (const char *)getauxval(AT_RANDOM);
	size_t seed;

	if (!random)
		return;
	memcpy(&seed, random + 16 - sizeof(seed), sizeof(seed));
	json_object_seed(seed ? seed : 1);
}

static bool is_stateless(const struct cli *cli, int argc, char **argv)
{
	int words;
	const struct verb *verb = cli_find_verb(cli->verbs, argc, argv, &words);

	return verb && verb->stateless;
}

int cli_main(const char *program, const struct verb *const *verbs, int argc, char **argv)
{
	struct cli cli = { .program = program, .verbs = verbs, .argv = argv };
	struct global_values global = { 0 };
	struct error err = { 0 };
	char **operands;
	int count, r;

	cli_seed_json();
	r = options_parse(cli_global_options, &global, argc, argv, true, &operands, &count, &err);
	if (r == 0 && global.version) {
		printf("%s version %s\n", program, STRATA_VERSION);
		return report(&cli, NULL, 0, false, &err);
	}
	if (r == 0 && (global.help || count == 0 || (count == 1 && streq(operands[0], "help")))) {
		help_print_program(program, verbs, NULL);
		return report(&cli, NULL, count == 0 && !global.help, false, &err);
	}
	if (global.debug)
		log_set_level(LOG_LEVEL_DEBUG);
	cli.debug = global.debug;
	if (r == 0)
		r = decide_roots(&cli, global.root, &err);
	if (r < 0 && count > 0 && !global.root && is_stateless(&cli, count, operands)) {
		error_clear(&err);
		r = 0;
	}
	r = r == 0 ? dispatch(&cli, count, operands) : report(&cli, NULL, r, false, &err);
	free(cli.root);
	free(cli.run_root);
	return r;
}
