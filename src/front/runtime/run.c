/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.c - `run`: create and start in one; without --detach also wait, delete, and end with the
 * status of the command.
 */
#include <sys/prctl.h>

#include "front/runtime/launch.h"

struct run_options {
	struct launch_options launch;
	bool detach, keep, no_subreaper;
};

static const struct option run_table[] = {
	LAUNCH_OPTIONS(struct run_options),
	{ OPTION_FLAG, 'd', "detach", offsetof(struct run_options, detach), NULL,
		"Do not wait for the command to end" },
	{ OPTION_FLAG, 0, "keep", offsetof(struct run_options, keep), NULL,
		"Do not delete the container when its command has ended" },
	{ OPTION_FLAG, 0, "no-subreaper", offsetof(struct run_options, no_subreaper), NULL,
		"Do not adopt processes whose parent in the container has ended" },
	{ OPTION_END },
};

static int run(
	struct runtime *runtime, const char *id, const struct run_options *o, struct error *err)
{
	_cleanup_foreground_ struct foreground foreground = FOREGROUND_INIT;
	_cleanup_record_ struct record record = RECORD_INIT;
	struct container_handle handle;
	struct container_config config;
	int r;

	r = launch(runtime, id, &o->launch, false, &record, &config, &handle, err);
	if (r < 0)
		return r;
	if (!o->detach) {
		r = foreground_begin(&foreground, handle.terminal_fd, err);
		if (!o->no_subreaper)
			prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	}
	if (r == 0)
		r = container_release(&handle, err);
	if (r == 0)
		r = record_run_poststart(&record, err);
	if (r < 0)
		launch_undo(runtime, &record, &handle);
	else if (!o->detach)
		r = launch_follow(runtime, &record, &foreground, handle.terminal_fd, o->keep, err);
	container_handle_close(&handle);
	container_config_free(&config);
	return r;
}

static int run_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	int r = run(runtime_of(cli), argv[0], options, err);

	return r < 0 ? error_prefix(err, "cannot run container %s", argv[0]) : r;
}

const struct verb runtime_verb_run = {
	.name = "run",
	.usage = "[OPTIONS] ID",
	.summary = "Create a container, start it and wait for its end",
	.options = run_table,
	.options_size = sizeof(struct run_options),
	.min_operands = 1,
	.max_operands = 1,
	.run = run_main,
};
