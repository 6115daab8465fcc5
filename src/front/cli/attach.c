/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attach.c - `attach`: connect this terminal to an instance that runs.
 */
#include "front/cli/finish.h"
#include "front/cli/verbs.h"

struct attach_options {
	bool no_stdin, signal_proxy;
	const char *detach_keys;
};

static const struct attach_options defaults = { .signal_proxy = true };

static const struct option option_table[] = {
	{ OPTION_STRING, 0, "detach-keys", offsetof(struct attach_options, detach_keys), "KEYS",
		"Keys that leave it running (ctrl-p,ctrl-q)" },
	{ OPTION_FLAG, 0, "no-stdin", offsetof(struct attach_options, no_stdin), NULL,
		"Do not pass our standard input on" },
	{ OPTION_FLAG, 0, "sig-proxy", offsetof(struct attach_options, signal_proxy), NULL,
		"Pass signals on to the command (true)" },
	{ OPTION_END },
};

static int attach_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct attach_options *o = options;
	const struct instance_roots roots = { cli->root, cli->run_root, cli->rootless };
	_cleanup_instance_ struct instance instance = { .dir_fd = -1 };
	struct instance_attach_options attach = { .stdout_open = true, .stderr_open = true };
	enum instance_attach_end end = INSTANCE_ATTACH_EXITED;
	int exit_code = EXIT_STRATA, r = instance_check_detach_keys(o->detach_keys, err);

	if (r == 0)
		r = instance_load(&roots, argv[0], &instance, err);
	if (r < 0)
		return r;
	if (instance.state.status == INSTANCE_PAUSED)
		return error_set(err, EBUSY, "cannot attach to a paused instance: unpause %s first",
			argv[0]);
	if (instance.state.status != INSTANCE_RUNNING)
		return error_set(err, EINVAL, "cannot attach to a stopped instance: start %s first",
			argv[0]);
	attach.stdin_open = !o->no_stdin && instance.spec.open_stdin;
	attach.terminal = instance.spec.terminal;
	attach.signal_proxy = o->signal_proxy && !attach.terminal;
	attach.detach_keys = o->detach_keys;
	if (attach.terminal && attach.stdin_open && !isatty(STDIN_FILENO))
		return error_set(err, ENOTTY, "the input device is not a TTY");
	r = instance_attach(&instance, &attach, &end, &exit_code, err);
	return finish_attached(cli, instance.id, r, end, exit_code, err);
}

const struct verb verb_attach = {
	.name = "attach",
	.group = "Run",
	.usage = "[OPTIONS] INSTANCE",
	.summary = "Connect standard input, output and error to a running instance",
	.help = "Ends with the command's exit status, or with 0 when the detach keys were typed.\n"
		"\n"
		"Example:\n"
		"  strata run -dit --name shell debian:12 bash && strata attach shell",
	.options = option_table,
	.options_size = sizeof(struct attach_options),
	.defaults = &defaults,
	.min_operands = 1,
	.max_operands = 1,
	.operand = COMPLETE_RUNNING,
	.run = attach_main,
};
