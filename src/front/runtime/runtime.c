/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime.c - from argv to a verb of the OCI runtime, and from its result to what an engine reads:
 * one sentence as the last line of stderr and as the last line of --log, and the exit status.
 *
 * The grammar is runc's, whose parser also takes long options with a single dash; engines write
 * two, people and tests do not always.
 */
#include "front/runtime/runtime.h"

#include <stdio.h>
#include <fcntl.h>
#include <sys/ioctl.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "container/container.h"
#include "front/cli/cli.h"
#include "front/cli/verbs.h"

#define PROGRAM	    "strata-runtime"
#define SYSTEM_ROOT "/run/strata-runtime"

/* runc's, for a verb whose other statuses are a command's. */
#define EXIT_EXEC_FAILED 255

struct global_values {
	const char *root, *log, *log_format, *cgroup_manager, *rootless, *criu;
	bool debug, systemd_cgroup, version, help;
};

static const struct option global_options[] = {
	{ OPTION_STRING, 0, "root", offsetof(struct global_values, root), "DIR",
		"Keep the state of containers below DIR (default /run/strata-runtime, or $XDG_RUNTIME_DIR/strata-runtime)",
		COMPLETE_DIRECTORY },
	{ OPTION_STRING, 0, "log", offsetof(struct global_values, log), "FILE",
		"Append errors and warnings to FILE", COMPLETE_FILE },
	{ OPTION_STRING, 0, "log-format", offsetof(struct global_values, log_format), "FORMAT",
		"How they are written: text (default) or json", COMPLETE_CHOICES, "text|json" },
	{ OPTION_FLAG, 0, "debug", offsetof(struct global_values, debug), NULL,
		"Log what is being done, too" },
	{ OPTION_FLAG, 0, "systemd-cgroup", offsetof(struct global_values, systemd_cgroup), NULL,
		"Have systemd make the cgroups: cgroupsPath is SLICE:PREFIX:NAME" },
	{ OPTION_STRING, 0, "cgroup-manager", offsetof(struct global_values, cgroup_manager),
		"MANAGER", "Who makes the cgroups: cgroupfs (default), systemd or disabled",
		COMPLETE_CHOICES, "cgroupfs|systemd|disabled" },
	{ OPTION_STRING, 0, "rootless", offsetof(struct global_values, rootless), "WHEN",
		"Accepted as runc does: whether this is rootless is found out (true, false, auto)",
		COMPLETE_CHOICES, "true|false|auto" },
	{ OPTION_STRING, 0, "criu", offsetof(struct global_values, criu), "PATH",
		"Accepted as runc does: criu is looked up in PATH", .hidden = true },
	{ OPTION_FLAG, 'v', "version", offsetof(struct global_values, version), NULL,
		"Print the version and quit" },
	{ OPTION_FLAG, 'h', "help", offsetof(struct global_values, help), NULL,
		"Print this help and quit" },
	{ OPTION_END },
};

/* --- the log ------------------------------------------------------------------------------- */

/* The options of the log, and the file once it is open; stderr until then. */
static int log_fd = STDERR_FILENO;
static bool log_json;

/* One line, one write(2), as logrus writes it: engines parse the last one. */
static void write_log(const char *level, const char *text)
{
	char now[CLOCK_TEXT_MAX];
	struct json_writer w = { 0 };
	_cleanup_free_ char *quoted = NULL, *line = NULL;

	clock_format(now, clock_realtime_ns());
	if (log_json) {
		json_begin_object(&w, NULL);
		json_write_string(&w, "level", level);
		json_write_string(&w, "msg", text);
		json_write_string(&w, "time", now);
		json_end_object(&w);
		quoted = json_writer_finish(&w);
		line = quoted ? strf("%s\n", quoted) : NULL;
	} else if (log_fd == STDERR_FILENO) {
		line = strf(PROGRAM ": %s%s%s\n", streq(level, "error") ? "" : level,
			streq(level, "error") ? "" : ": ", text);
	} else {
		json_write_string(&w, NULL, text);
		quoted = json_writer_finish(&w);
		line = quoted ? strf("time=\"%s\" level=%s msg=%s\n", now, level, quoted) : NULL;
	}
	if (!line || write(log_fd, line, strlen(line)) < 0) {
		/* Nobody is left to tell. */
	}
}

static void log_to_sink(enum log_level level, const char *text)
{
	static const char *const names[] = { "warning", "info", "debug" };

	write_log(names[level], text);
}

int runtime_print_json(const char *text, struct error *err)
{
	_cleanup_json_ json_t *document = NULL;
	int r = text ? json_parse(text, strlen(text), "output", &document, err) : error_oom(err);

	if (r == 0 && json_dumpf(document, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY) < 0)
		r = error_oom(err);
	if (r == 0)
		putchar('\n');
	return r;
}

/* Out of the way of the descriptors that --preserve-fds means, which begin at 3: one of them that
 * the caller did not open must not be found to be this. */
#define LOG_FD_MIN 512

static int open_log(const struct global_values *global, struct error *err)
{
	int fd, high;

	log_json = global->log_format && streq(global->log_format, "json");
	if (global->debug)
		log_set_level(LOG_LEVEL_DEBUG);
	log_set_sink(log_to_sink);
	if (!global->log || !*global->log)
		return 0;
	fd = open(global->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
	if (fd < 0)
		return error_errno(err, errno, "cannot open the log %s", global->log);
	high = fcntl(fd, F_DUPFD_CLOEXEC, LOG_FD_MIN);
	if (high >= 0)
		close(fd);
	log_fd = high >= 0 ? high : fd;
	return 0;
}

/* --- the command line ---------------------------------------------------------------------- */

/* The option that a word names: "--name", "--name=value", "-name", "-n"; NULL for none of ours. */
static const struct option *find_option(const struct option *options, const char *word)
{
	const char *name = word + 1 + (word[1] == '-');
	size_t len = strcspn(name, "=");

	return len == 1 && name == word + 1 ? options_find_letter(options, *name)
					    : options_find(options, name, len);
}

/* "-bundle x" as "--bundle x"; words after the first operand are left alone where they are the
 * container's own. */
static int double_dashes(struct runtime *runtime, const struct option *options, int argc,
	char **argv, bool stop_at_operand, struct error *err)
{
	for (int i = 1; i < argc && !streq(argv[i], "--"); i++) {
		const struct option *o;

		if (argv[i][0] != '-' || !argv[i][1]) {
			if (stop_at_operand)
				return 0;
			continue;
		}
		o = find_option(options, argv[i]);
		if (!o)
			continue;
		if (argv[i][1] != '-' && argv[i][2] && argv[i][2] != '=') {
			if (strv_pushf(&runtime->words, "-%s", argv[i]) < 0)
				return error_oom(err);
			argv[i] = runtime->words[strv_length(runtime->words) - 1];
		}
		if (options_takes_value(o) && !strchr(argv[i], '='))
			i++;
	}
	return 0;
}

/* Rootless engines call us as the root of their user's namespace, with that user's environment. */
static bool is_rootless(const char *run)
{
	const char *user = getenv("USER");

	if (geteuid() != 0)
		return true;
	return !cgroup_is_real_root() && run && *run && !(user && streq(user, "root"));
}

static int decide_root(struct cli *cli, const char *option, struct error *err)
{
	const char *run = getenv("XDG_RUNTIME_DIR");

	cli->rootless = is_rootless(run);
	if (option && !*option)
		return error_set(err, EINVAL, "--root needs a directory");
	if (option)
		cli->root = cli_absolute_path(option);
	else if (!cli->rootless)
		cli->root = strdup(SYSTEM_ROOT);
	else if (run && *run)
		cli->root = strf("%s/strata-runtime", run);
	else
		return error_set(err, ENOENT,
			"cannot tell where to keep state: XDG_RUNTIME_DIR is not set; give --root DIR");
	return cli->root ? 0 : error_oom(err);
}

static int decide_cgroup_manager(
	struct runtime *runtime, const struct global_values *global, struct error *err)
{
	const char *name = global->cgroup_manager;

	if (global->systemd_cgroup && name && !streq(name, "systemd"))
		return error_set(
			err, EINVAL, "--systemd-cgroup contradicts --cgroup-manager %s", name);
	if (global->systemd_cgroup || (name && streq(name, "systemd")))
		runtime->cgroup_manager = RUNTIME_SYSTEMD;
	else if (name && streq(name, "disabled"))
		runtime->cgroup_manager = RUNTIME_NO_CGROUP;
	return 0;
}

static void print_help(void)
{
	printf("Usage:  " PROGRAM " [OPTIONS] VERB [ARG...]\n\n"
	       "An OCI runtime: makes containers from bundles (a directory with config.json)\n\nVerbs:\n");
	for (size_t i = 0; runtime_verbs[i]; i++)
		if (!runtime_verbs[i]->hidden)
			printf("  %-10s   %s\n", runtime_verbs[i]->name, runtime_verbs[i]->summary);
	printf("\nOptions:\n");
	options_print_help(global_options);
	printf("\n'" PROGRAM " VERB --help' says more about a verb.\n");
}

/* argv[0] is the verb. */
static int dispatch(struct runtime *runtime, int argc, char **argv, struct error *err)
{
	const struct verb *verb;
	bool usage = false;
	int words, r;

	if (argc > 1 && streq(argv[0], "help")) {
		argv[0] = argv[1];
		argv[1] = (char *)"--help";
		argc = 2;
	}
	verb = cli_find_verb(runtime_verbs, argc, argv, &words);
	if (!verb)
		return error_set(
			err, EINVAL, "there is no verb \"%s\": see '" PROGRAM " --help'", argv[0]);
	r = double_dashes(runtime, verb->options, argc, argv, verb->stop_at_operand, err);
	if (r == 0)
		r = cli_run_verb(&runtime->cli, verb, argc, argv, &usage, err);
	if (r < 0 && usage)
		fprintf(stderr, "Usage:  " PROGRAM " %s %s\n", verb->name,
			verb->usage ? verb->usage : "");
	else if (verb->runs_command)
		runtime->failure = EXIT_EXEC_FAILED;
	return r;
}

static int run(struct runtime *runtime, int argc, char **argv, struct error *err)
{
	struct global_values global = { 0 };
	char **operands;
	int count, r;

	r = double_dashes(runtime, global_options, argc, argv, true, err);
	if (r == 0)
		r = options_parse(
			global_options, &global, argc, argv, true, &operands, &count, err);
	if (r == 0 && global.version) {
		printf(PROGRAM " version %s\nspec: %s\n", STRATA_VERSION, CONTAINER_SPEC_VERSION);
		return 0;
	}
	if (r == 0 && (global.help || count == 0 || (count == 1 && streq(operands[0], "help")))) {
		print_help();
		return count == 0 && !global.help;
	}
	if (r == 0)
		r = open_log(&global, err);
	if (r == 0)
		r = decide_root(&runtime->cli, global.root, err);
	if (r == 0)
		r = decide_cgroup_manager(runtime, &global, err);
	runtime->cli.debug = global.debug;
	return r < 0 ? r : dispatch(runtime, count, operands, err);
}

/* What is opened below must not become the container's standard streams. */
static void fill_standard_streams(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)!open("/dev/null", O_RDWR | O_NOCTTY);
}

int runtime_main(int argc, char **argv)
{
	struct runtime runtime = {
		.cli = { .program = PROGRAM, .verbs = runtime_verbs, .argv = argv },
		.failure = EXIT_FAILURE,
	};
	struct error err = { 0 };
	int r;

	fill_standard_streams();
	cli_seed_json();
	r = run(&runtime, argc, argv, &err);
	if (fflush(stdout) != 0 && r >= 0)
		r = error_errno(&err, errno, "cannot write to standard output");
	if (r < 0) {
		const char *text = err.message[0] ? err.message : strerror(-r);

		write_log("error", text);
		if (log_fd != STDERR_FILENO)
			fprintf(stderr, "%s\n", text);
	}
	free(runtime.cli.root);
	strv_free(runtime.words);
	return r < 0 ? runtime.failure : r;
}

static int verb_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	return runtime_main(argc, argv);
}

const struct verb verb_runtime = {
	.name = "runtime",
	.group = "System",
	.usage = "[OPTIONS] VERB [ARG...]",
	.summary = "Speak the command line of an OCI runtime, as strata-runtime does",
	.own_grammar = true,
	.run = verb_main,
};
