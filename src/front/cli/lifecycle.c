/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lifecycle.c - the short verbs that change an instance's state: stop, kill, restart, pause,
 * unpause, wait, rename, rm. Each is a few lines over instance/instance.h.
 */
#include <stdio.h>

#include "base/process.h"
#include "front/cli/cli.h"
#include "front/cli/each.h"
#include "front/cli/verbs.h"

/* "TERM", "SIGTERM" or "15"; NULL is 0: the instance's own. */
static int parse_signal(const char *text, int *ret, struct error *err)
{
	int signo = text ? process_signal_from_name(text) : 0;

	if (signo < 0)
		return error_set(err, EINVAL, "invalid signal: %s", text);
	*ret = signo;
	return 0;
}

/* --- stop, restart --- */

struct stop_options {
	const char *signal;
	int64_t timeout; /* seconds; -1 = the instance's own */
};

static const struct stop_options stop_defaults = { .timeout = -1 };

static const struct option stop_table[] = {
	{ OPTION_STRING, 's', "signal", offsetof(struct stop_options, signal), "SIGNAL",
		"Signal to send first (the image's stop signal, or TERM)" },
	{ OPTION_INT, 't', "timeout", offsetof(struct stop_options, timeout), "SECONDS",
		"Time to end on its own before it is killed (10)" },
	{ OPTION_INT, 0, "time", offsetof(struct stop_options, timeout), "SECONDS",
		"The same as --timeout", .hidden = true },
	{ OPTION_END },
};

static int stop_one(struct instance *instance, const void *options, struct error *err)
{
	const struct stop_options *o = options;
	int signo = 0, r = parse_signal(o->signal, &signo, err);

	return r < 0 ? r : instance_stop(instance, signo, o->timeout, err);
}

static int stop_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	return each_instance(cli, argc, argv, stop_one, options, err);
}

const struct verb verb_stop = {
	.name = "stop",
	.group = "Instances",
	.usage = "[OPTIONS] INSTANCE [INSTANCE...]",
	.summary = "Stop running instances",
	.help = "Asks with the stop signal, and kills what has not ended when the time is over.\n"
		"\n"
		"Example:\n"
		"  strata stop -t 30 db",
	.options = stop_table,
	.options_size = sizeof(struct stop_options),
	.defaults = &stop_defaults,
	.min_operands = 1,
	.max_operands = -1,
	.operand = COMPLETE_RUNNING,
	.run = stop_main,
};

static int restart_one(struct instance *instance, const void *options, struct error *err)
{
	enum instance_attach_end end;
	int exit_code, r = stop_one(instance, options, err);

	if (r == 0)
		r = instance_refresh(instance, err);
	if (r == 0)
		r = instance_start(instance, NULL, &end, &exit_code, err);
	return r;
}

static int restart_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	return each_instance(cli, argc, argv, restart_one, options, err);
}

const struct verb verb_restart = {
	.name = "restart",
	.group = "Instances",
	.usage = "[OPTIONS] INSTANCE [INSTANCE...]",
	.summary = "Stop instances and start them again",
	.help = "One that does not run is started.",
	.options = stop_table,
	.options_size = sizeof(struct stop_options),
	.defaults = &stop_defaults,
	.min_operands = 1,
	.max_operands = -1,
	.operand = COMPLETE_INSTANCE,
	.run = restart_main,
};

/* --- kill --- */

struct kill_options {
	const char *signal;
};

static const struct kill_options kill_defaults = { .signal = "KILL" };

static const struct option kill_table[] = {
	{ OPTION_STRING, 's', "signal", offsetof(struct kill_options, signal), "SIGNAL",
		"Signal to send (KILL)" },
	{ OPTION_END },
};

static int kill_one(struct instance *instance, const void *options, struct error *err)
{
	const struct kill_options *o = options;
	int signo = 0, r = parse_signal(o->signal, &signo, err);

	return r < 0 ? r : instance_kill(instance, signo, err);
}

static int kill_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	return each_instance(cli, argc, argv, kill_one, options, err);
}

const struct verb verb_kill = {
	.name = "kill",
	.group = "Instances",
	.usage = "[OPTIONS] INSTANCE [INSTANCE...]",
	.summary = "Send a signal to the command of running instances",
	.help = "Example:\n"
		"  strata kill -s HUP web",
	.options = kill_table,
	.options_size = sizeof(struct kill_options),
	.defaults = &kill_defaults,
	.min_operands = 1,
	.max_operands = -1,
	.operand = COMPLETE_RUNNING,
	.run = kill_main,
};

/* --- pause, unpause --- */

static const struct option no_options[] = { { OPTION_END } };

static int pause_one(struct instance *instance, const void *options, struct error *err)
{
	return instance_pause(instance, true, err);
}

static int pause_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	return each_instance(cli, argc, argv, pause_one, NULL, err);
}

const struct verb verb_pause = {
	.name = "pause",
	.group = "Instances",
	.usage = "INSTANCE [INSTANCE...]",
	.summary = "Freeze every process of running instances",
	.options = no_options,
	.min_operands = 1,
	.max_operands = -1,
	.operand = COMPLETE_RUNNING,
	.run = pause_main,
};

static int unpause_one(struct instance *instance, const void *options, struct error *err)
{
	return instance_pause(instance, false, err);
}

static int unpause_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	return each_instance(cli, argc, argv, unpause_one, NULL, err);
}

const struct verb verb_unpause = {
	.name = "unpause",
	.group = "Instances",
	.usage = "INSTANCE [INSTANCE...]",
	.summary = "Let paused instances go on",
	.options = no_options,
	.min_operands = 1,
	.max_operands = -1,
	.operand = COMPLETE_RUNNING,
	.run = unpause_main,
};

/* --- wait --- */

static int wait_one(struct cli *cli, const char *operand, const void *options, struct error *err)
{
	_cleanup_instance_ struct instance instance = { .dir_fd = -1 };
	struct instance_roots roots = cli_roots(cli);
	int exit_code = 0, r = instance_load(&roots, operand, &instance, err);

	if (r == 0)
		r = instance_wait(&instance, INSTANCE_WAIT_NOT_RUNNING, &exit_code, err);
	if (r == 0) {
		printf("%d\n", exit_code);
		fflush(stdout);
	}
	return r;
}

static int wait_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	return each_operand(cli, argc, argv, wait_one, NULL, err);
}

const struct verb verb_wait = {
	.name = "wait",
	.group = "Instances",
	.usage = "INSTANCE [INSTANCE...]",
	.summary = "Wait until instances have ended, and print their exit statuses",
	.options = no_options,
	.min_operands = 1,
	.max_operands = -1,
	.operand = COMPLETE_INSTANCE,
	.run = wait_main,
};

/* --- rename --- */

static int rename_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	_cleanup_instance_ struct instance instance = { .dir_fd = -1 };
	struct instance_roots roots = cli_roots(cli);
	int r = instance_load(&roots, argv[0], &instance, err);

	return r < 0 ? r : instance_rename(&instance, argv[1], err);
}

const struct verb verb_rename = {
	.name = "rename",
	.group = "Instances",
	.usage = "INSTANCE NEW_NAME",
	.summary = "Give an instance another name",
	.options = no_options,
	.min_operands = 2,
	.max_operands = 2,
	.operand = COMPLETE_INSTANCE,
	.run = rename_main,
};

/* --- rm --- */

struct rm_options {
	bool force, volumes;
};

static const struct option rm_table[] = {
	{ OPTION_FLAG, 'f', "force", offsetof(struct rm_options, force), NULL,
		"Kill it first if it runs" },
	{ OPTION_FLAG, 'v', "volumes", offsetof(struct rm_options, volumes), NULL,
		"Remove its anonymous volumes, too" },
	{ OPTION_END },
};

static int rm_one(struct cli *cli, const char *operand, const void *options, struct error *err)
{
	_cleanup_instance_ struct instance instance = { .dir_fd = -1 };
	struct instance_roots roots = cli_roots(cli);
	const struct rm_options *o = options;
	int r = instance_load(&roots, operand, &instance, err);

	if (r == 0) {
		r = instance_remove(&instance, o->force, o->volumes, err);
	} else if (r == -ENOENT && o->force) {
		/* It is gone, which is what was wanted; it is told all the same. */
		cli_print_error(cli, err);
		error_clear(err);
		return 0;
	} else if (r != -ENOENT && r != -ENOTUNIQ && o->force) {
		/* Documents nobody can read any more do not make it stay. */
		error_clear(err);
		r = instance_remove_broken(&roots, operand, err);
	}
	if (r == 0)
		printf("%s\n", operand);
	return r;
}

static int rm_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	return each_operand(cli, argc, argv, rm_one, options, err);
}

const struct verb verb_rm = {
	.name = "rm",
	.group = "Instances",
	.usage = "[OPTIONS] INSTANCE [INSTANCE...]",
	.summary = "Remove instances",
	.help = "What an instance wrote goes with it, volumes and bind mounts stay. A damaged one is\n"
		"removed with -f by its full ID.\n"
		"\n"
		"Example:\n"
		"  strata rm -fv web",
	.options = rm_table,
	.options_size = sizeof(struct rm_options),
	.min_operands = 1,
	.max_operands = -1,
	.operand = COMPLETE_INSTANCE,
	.run = rm_main,
};
