/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start.c - `start`: run a created or ended instance (again).
 */
#include <stdio.h>

#include "front/cli/cli.h"
#include "front/cli/finish.h"
#include "front/cli/verbs.h"

struct start_options {
	bool attach, interactive, signal_proxy;
	const char *detach_keys;
};

static const struct start_options defaults = { .signal_proxy = true };

static const struct option option_table[] = {
	{ OPTION_FLAG, 'a', "attach", offsetof(struct start_options, attach), NULL,
		"Show its output, pass signals on, and end with its exit status" },
	{ OPTION_FLAG, 'i', "interactive", offsetof(struct start_options, interactive), NULL,
		"Attach our standard input as well" },
	{ OPTION_FLAG, 0, "sig-proxy", offsetof(struct start_options, signal_proxy), NULL,
		"Pass signals on to the command (true)" },
	{ OPTION_STRING, 0, "detach-keys", offsetof(struct start_options, detach_keys), "KEYS",
		"Keys that leave it running (ctrl-p,ctrl-q)" },
	{ OPTION_END },
};

static int start_attached(
	const struct cli *cli, const struct start_options *o, const char *name, struct error *err)
{
	const struct instance_roots roots = { cli->root, cli->run_root, cli->rootless };
	_cleanup_instance_ struct instance instance = { .dir_fd = -1 };
	enum instance_attach_end end = INSTANCE_ATTACH_EXITED;
	struct instance_attach_options attach = { .stdout_open = true, .stderr_open = true };
	int exit_code = EXIT_STRATA, r = instance_check_detach_keys(o->detach_keys, err);

	if (r == 0)
		r = instance_load(&roots, name, &instance, err);
	if (r < 0)
		return r;
	attach.stdin_open = o->interactive && instance.spec.open_stdin;
	attach.terminal = instance.spec.terminal;
	attach.signal_proxy = o->signal_proxy && !attach.terminal;
	attach.detach_keys = o->detach_keys;
	if (attach.terminal && attach.stdin_open && !isatty(STDIN_FILENO))
		return error_set(err, ENOTTY, "the input device is not a TTY");
	r = instance_start(&instance, &attach, &end, &exit_code, err);
	return finish_attached(cli, instance.id, r, end, exit_code, err);
}

static int start_one(const struct cli *cli, const char *name, int *ret_exit_code, struct error *err)
{
	const struct instance_roots roots = { cli->root, cli->run_root, cli->rootless };
	_cleanup_instance_ struct instance instance = { .dir_fd = -1 };
	enum instance_attach_end end;
	int r = instance_load(&roots, name, &instance, err);

	if (r < 0)
		return r;
	/* One that runs already is what was asked for. */
	if (instance.state.status != INSTANCE_RUNNING)
		r = instance_start(&instance, NULL, &end, ret_exit_code, err);
	if (r == 0)
		printf("%s\n", name);
	return r;
}

static int start_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct start_options *o = options;
	int status = 0;

	if (o->attach || o->interactive) {
		if (argc > 1)
			return error_set(err, EINVAL,
				"you cannot start and attach multiple instances at once");
		return start_attached(cli, o, argv[0], err);
	}
	for (int i = 0; i < argc; i++) {
		int exit_code = EXIT_FAILURE, r = start_one(cli, argv[i], &exit_code, err);

		if (r < 0) {
			cli_print_error(cli, err);
			error_clear(err);
			status = EXIT_FAILURE;
		}
	}
	return status;
}

const struct verb verb_start = {
	.name = "start",
	.group = "Run",
	.usage = "[OPTIONS] INSTANCE [INSTANCE...]",
	.summary = "Start instances that are created or have ended",
	.help = "Prints the name of each one that runs. With --attach the exit status is the command's.\n"
		"\n"
		"Examples:\n"
		"  strata start web db\n"
		"  strata start -ai shell",
	.options = option_table,
	.options_size = sizeof(struct start_options),
	.defaults = &defaults,
	.min_operands = 1,
	.max_operands = -1,
	.operand = COMPLETE_STOPPED,
	.run = start_main,
};
