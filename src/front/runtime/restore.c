/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore.c - `restore`: a container from the files of `checkpoint`, in a bundle like the one it
 * had. It has a record of its own from then on, like one that `run` has made.
 */
#include <fcntl.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "front/runtime/checkpoint_options.h"
#include "front/runtime/handoff.h"
#include "front/runtime/launch.h"

#define AT(member) offsetof(struct verb_options, member)

struct verb_options {
	struct checkpoint_options common;
	char **empty_namespaces;
	const char *bundle, *console_socket, *pid_file, *lsm_profile, *lsm_mount_context;
	bool detach, no_subreaper, no_pivot;
};

static const struct option restore_table[] = {
	{ OPTION_STRING, 'b', "bundle", AT(bundle), "DIR",
		"The bundle: a directory with config.json (default: the working directory)",
		COMPLETE_DIRECTORY },
	{ OPTION_FLAG, 'd', "detach", AT(detach), NULL, "Do not wait for the container to end" },
	{ OPTION_STRING, 0, "pid-file", AT(pid_file), "FILE",
		"Write the first process's pid to FILE", COMPLETE_FILE },
	{ OPTION_STRING, 0, "console-socket", AT(console_socket), "SOCKET",
		"Send the terminal's master there", COMPLETE_FILE },
	CHECKPOINT_OPTIONS(struct verb_options),
	{ OPTION_FLAG, 0, "no-subreaper", AT(no_subreaper), NULL,
		"Do not adopt processes whose parent in the container has ended" },
	{ OPTION_FLAG, 0, "no-pivot", AT(no_pivot), NULL,
		"Without effect: criu changes the root in its own way" },
	{ OPTION_STRING, 0, "lsm-profile", AT(lsm_profile), "TYPE:NAME",
		"Another profile: apparmor:NAME or selinux:LABEL" },
	{ OPTION_STRING, 0, "lsm-mount-context", AT(lsm_mount_context), "CONTEXT",
		"Another SELinux context of its mounts" },
	{ OPTION_END },
};

struct restoring {
	const struct verb_options *options;
	const struct launch *launch;
	int terminal_fd; /* of a container in the foreground, or -1 */
};

/* Its namespaces are there: hooks may furnish them. */
static int run_hooks(void *context, pid_t pid, struct error *err)
{
	const struct restoring *restoring = context;
	const struct record *record = &restoring->launch->record;
	const struct container_identity identity = { record->id, record->bundle };
	int r;

	r = container_run_hooks(&restoring->launch->config, CONTAINER_HOOK_PRESTART, &identity,
		"creating", pid, err);
	if (r == 0)
		r = container_run_hooks(&restoring->launch->config, CONTAINER_HOOK_CREATE_RUNTIME,
			&identity, "creating", pid, err);
	return r;
}

static int take_terminal(void *context, int master_fd, struct error *err)
{
	struct restoring *restoring = context;

	if (restoring->options->console_socket)
		return handoff_send_terminal(restoring->options->console_socket, master_fd, err);
	restoring->terminal_fd = fcntl(master_fd, F_DUPFD_CLOEXEC, 3);
	return restoring->terminal_fd < 0 ? error_errno(err, errno, "cannot keep the terminal") : 0;
}

static int bring_back(struct runtime *runtime, struct restoring *restoring,
	struct container_handle *handle, struct error *err)
{
	const struct verb_options *o = restoring->options;
	const struct launch *launch = restoring->launch;
	_cleanup_free_ char *scratch = strf("%s/%s", runtime->cli.root, launch->record.id);
	const struct container_restore_options options = {
		.common = o->common,
		.lsm_profile = o->lsm_profile,
		.lsm_mount_context = o->lsm_mount_context,
		.adopt_cgroup = launch->adopt_cgroup,
		.stdio = { 0, 1, 2 },
		.scratch_dir = scratch,
		.created = run_hooks,
		.terminal = take_terminal,
		.context = restoring,
	};

	if (!scratch)
		return error_oom(err);
	return container_restore(&launch->config, &options, handle, err);
}

static int restore(struct runtime *runtime, const struct verb_options *o, struct launch *launch,
	struct error *err)
{
	_cleanup_foreground_ struct foreground foreground = FOREGROUND_INIT;
	struct container_handle handle = CONTAINER_HANDLE_INIT;
	struct restoring restoring = { o, launch, -1 };
	int r = 0;

	if (!o->detach && !o->no_subreaper)
		prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	r = bring_back(runtime, &restoring, &handle, err);
	if (r == 0)
		r = launch_make_known(launch, handle.pid, err);
	if (r == 0 && o->pid_file)
		r = handoff_write_pid(o->pid_file, handle.pid, err);
	if (r == 0 && !o->detach)
		r = foreground_begin(&foreground, restoring.terminal_fd, err);
	if (r < 0)
		launch_undo(runtime, &launch->record, &handle);
	else if (!o->detach)
		r = launch_follow(
			runtime, &launch->record, &foreground, restoring.terminal_fd, false, err);
	container_handle_close(&handle);
	cleanup_close(&restoring.terminal_fd);
	return r;
}

static int restore_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	_cleanup_launch_ struct launch launch = LAUNCH_INIT;
	struct verb_options *o = options;
	const struct launch_options prepare = {
		.bundle = o->bundle,
		.console_socket = o->console_socket,
	};
	int r;

	checkpoint_complete_options(&o->common);
	if (o->no_pivot)
		log_warning(
			"restore: criu changes the root in its own way, --no-pivot is without effect");
	r = launch_prepare(runtime_of(cli), argv[0], &prepare, o->detach, &launch, err);
	if (r == 0)
		r = restore(runtime_of(cli), o, &launch, err);
	return r < 0 ? error_prefix(err, "cannot restore container %s", argv[0]) : r;
}

const struct verb runtime_verb_restore = {
	.name = "restore",
	.usage = "[OPTIONS] ID",
	.summary = "Bring a container back from the files of a checkpoint",
	.help = "The bundle must be like the one it had: the same root file system, mounts at the same places.\n"
		"Its network namespace has what hooks put into it; links are not restored.\n"
		"\n"
		"Example:\n"
		"  strata-runtime restore --detach --bundle /srv/web --image-path /var/tmp/web web",
	.options = restore_table,
	.options_size = sizeof(struct verb_options),
	.min_operands = 1,
	.max_operands = 1,
	.run = restore_main,
};
