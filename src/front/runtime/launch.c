/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch.c - from a bundle to a process that waits for its command.
 *
 * Whenever we are killed, `delete --force` must find everything:
 *   1. the record's directory, locked by us
 *   2. state.json names the cgroup
 *   3. the process; it ends by itself when we do
 *   4. state.json names the process
 *   5. the process is told to live without us
 *   6. the name of its socket says that it is whole
 */
#include "front/runtime/launch.h"

#include <limits.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/process.h"
#include "front/cli/cli.h"
#include "front/runtime/bundle.h"
#include "front/runtime/handoff.h"

#define PRESERVE_FDS_MAX 4096

/* sd_listen_fds(3): those that our own starter has left us; 0 when the variables are not for us. */
static int count_sockets(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	uint64_t n, owner;

	if (!pid || !fds || parse_u64(pid, INT32_MAX, &owner) < 0 || (pid_t)owner != getpid() ||
		parse_u64(fds, PRESERVE_FDS_MAX, &n) < 0)
		return 0;
	return (int)n;
}

int launch_count_fds(int64_t preserve_fds, struct launch_fds *ret, struct error *err)
{
	struct launch_fds fds = { .sockets = count_sockets() };

	if (preserve_fds < 0 || preserve_fds > PRESERVE_FDS_MAX)
		return error_set(
			err, EINVAL, "--preserve-fds must be between 0 and %d", PRESERVE_FDS_MAX);
	fds.total = fds.sockets + (int)preserve_fds;
	for (int fd = 3; fd < 3 + fds.total; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			return error_set(err, EBADF, "%s: descriptor %d is not open",
				fd < 3 + fds.sockets ? "LISTEN_FDS" : "--preserve-fds", fd);
	*ret = fds;
	return 0;
}

int launch_tell_fds(
	const struct launch_fds *fds, struct container_process *process, struct error *err)
{
	if (!fds->sockets)
		return 0;
	if (strv_pushf(&process->env, "LISTEN_FDS=%d", fds->sockets) < 0 ||
		strv_push(&process->env, "LISTEN_PID=1") < 0)
		return error_oom(err);
	return 0;
}

static int open_bundle(const char *option, char ret_path[PATH_MAX], struct error *err)
{
	const char *path = option ? option : ".";
	int fd;

	if (!realpath(path, ret_path))
		return error_errno(err, errno, "cannot find the bundle %s", path);
	fd = io_open_dir(AT_FDCWD, ret_path);
	return fd < 0 ? error_errno(err, fd, "cannot open the bundle %s", path) : fd;
}

static int check_terminal(const struct container_config *config,
	const struct launch_options *options, bool detached, struct error *err)
{
	if (config->process.terminal && detached && !options->console_socket)
		return error_set(err, EINVAL,
			"process.terminal is set: a detached container needs --console-socket");
	if (!config->process.terminal && options->console_socket)
		return error_set(
			err, EINVAL, "--console-socket is given, but process.terminal is not set");
	return 0;
}

/* The record as it is known before there is a process. */
static int fill_record(struct record *record, const struct container_config *config,
	const char *bundle, struct error *err)
{
	const struct container_namespace_config *pids = &config->namespaces[CONTAINER_NS_PID];

	record->bundle = strdup(bundle);
	record->rootfs = strdup(config->rootfs.path ? config->rootfs.path : "");
	record->annotations = strv_copy(config->annotations);
	if (!record->bundle || !record->rootfs || (config->annotations && !record->annotations))
		return error_oom(err);
	record->shares_mounts = !config->namespaces[CONTAINER_NS_MOUNT].wanted;
	record->shares_pids = !pids->wanted || pids->path;
	record->has_class = config->intel_rdt.wanted;
	record->has_late_hooks = config->hooks[CONTAINER_HOOK_POSTSTART].count ||
		config->hooks[CONTAINER_HOOK_POSTSTOP].count;
	record->created_ns = clock_realtime_ns();
	process_boot_id(record->boot_id);
	return record_set_cgroup(record, config, err);
}

static int write_config(const struct record *record, const char *text, struct error *err)
{
	_cleanup_close_ int fd = openat(
		record->dir_fd, RECORD_CONFIG, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : io_write_full(fd, text, strlen(text));

	return r < 0 ? error_errno(err, r, "cannot write " RECORD_CONFIG) : 0;
}

int launch_make_known(struct launch *launch, pid_t pid, struct error *err)
{
	struct record *record = &launch->record;
	int r;

	record->pid = pid;
	r = process_start_time(pid, &record->start_ticks);
	if (r < 0)
		return error_errno(err, r, "the container's first process is gone");
	r = record_save(record, err);
	return r < 0 ? r : write_config(record, launch->config_text, err);
}

/* While the process makes itself ready, and before it may live without us. */
static int write_record(void *context, pid_t pid, struct error *err)
{
	return launch_make_known(context, pid, err);
}

/* What the engine has asked for. */
static int hand_off(const struct launch_options *options, const struct container_handle *handle,
	struct error *err)
{
	int r = 0;

	if (options->console_socket)
		r = handoff_send_terminal(options->console_socket, handle->terminal_fd, err);
	if (r == 0 && options->pidfd_socket)
		r = handoff_send_descriptor(options->pidfd_socket, "pidfd", handle->pidfd, err);
	if (r == 0 && options->pid_file)
		r = handoff_write_pid(options->pid_file, handle->pid, err);
	return r;
}

static int start_process(const struct container_config *config,
	const struct launch_options *options, struct container_spawn_options *spawn, bool detached,
	struct record *record, struct container_handle *handle, struct error *err)
{
	const struct container_identity identity = { record->id, record->bundle };
	_cleanup_close_ int start_fd = -1;
	int r = 0;

	spawn->identity = &identity;
	spawn->lock_fd = record->dir_fd;
	if (detached) {
		r = container_listen(record->dir_fd, RECORD_NEW_SOCKET, &start_fd, err);
		spawn->start_fd = start_fd;
	}
	if (r == 0)
		r = container_spawn(config, spawn, handle, err);
	if (r == 0)
		r = hand_off(options, handle, err);
	if (r == 0 && detached &&
		renameat(record->dir_fd, RECORD_NEW_SOCKET, record->dir_fd, RECORD_SOCKET) < 0)
		r = error_errno(err, errno, "cannot rename " RECORD_NEW_SOCKET);
	return r;
}

void launch_undo(struct runtime *runtime, struct record *record, struct container_handle *handle)
{
	if (handle->pid > 0) {
		kill(handle->pid, SIGKILL);
		while (waitpid(handle->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	container_handle_close(handle);
	/* One that was not made by us may be somebody else's. */
	if (handle->pid > 0)
		record_remove_cgroup(record, NULL);
	record_remove(runtime, record, NULL);
}

void launch_free(struct launch *launch)
{
	if (launch->has_config)
		container_config_free(&launch->config);
	free(launch->config_text);
	record_close(&launch->record);
	*launch = (struct launch)LAUNCH_INIT;
}

int launch_prepare(struct runtime *runtime, const char *id, const struct launch_options *options,
	bool detached, struct launch *ret, struct error *err)
{
	_cleanup_launch_ struct launch launch = LAUNCH_INIT;
	_cleanup_close_ int bundle_fd = -1;
	char bundle[PATH_MAX];
	int r = bundle_fd = open_bundle(options->bundle, bundle, err);

	if (r >= 0)
		r = bundle_load(bundle_fd, bundle, &launch.config, &launch.config_text, err);
	if (r < 0)
		return r;
	launch.has_config = true;
	r = check_terminal(&launch.config, options, detached, err);
	if (r == 0)
		r = record_create(runtime, id, &launch.record, err);
	if (r < 0)
		return r;
	r = bundle_choose_cgroup(runtime, id, &launch.config, &launch.adopt_cgroup, err);
	if (r == 0)
		r = fill_record(&launch.record, &launch.config, bundle, err);
	if (r == 0)
		r = record_save(&launch.record, err);
	if (r < 0) {
		record_remove(runtime, &launch.record, NULL);
		return r;
	}
	*ret = launch;
	launch = (struct launch)LAUNCH_INIT;
	return 0;
}

/* Is the container of this name still the one that `record` was? It may have been checkpointed or
 * deleted since, and another have taken its place. */
static bool is_the_same(const struct record *record, const struct record *now)
{
	return record->pid == now->pid && record->start_ticks == now->start_ticks &&
		streq(record->boot_id, now->boot_id);
}

int launch_follow(struct runtime *runtime, struct record *record, struct foreground *foreground,
	int terminal_fd, bool keep, struct error *err)
{
	_cleanup_record_ struct record now = RECORD_INIT;
	int status, r;

	record_unlock(record);
	status = foreground_wait(foreground, record->pid, terminal_fd);
	if (keep)
		return status;
	r = record_open_locked(runtime, record->id, &now, err);
	if (r == -ENOENT || (r == 0 && !is_the_same(record, &now))) {
		error_clear(err);
		return status;
	}
	if (r == 0)
		r = record_remove_cgroup(&now, err);
	if (r == 0)
		r = record_remove(runtime, &now, err);
	return r < 0 ? r : status;
}

int launch(struct runtime *runtime, const char *id, const struct launch_options *options,
	bool detached, struct record *ret_record, struct container_config *ret_config,
	struct container_handle *ret_handle, struct error *err)
{
	_cleanup_launch_ struct launch launch = LAUNCH_INIT;
	struct container_handle handle = CONTAINER_HANDLE_INIT;
	struct container_spawn_options spawn = {
		.stdio = { 0, 1, 2 },
		.new_session = true,
		.no_pivot = options->no_pivot,
		.all_cpus = true,
		.keep_keyring = options->no_new_keyring,
		.meanwhile = write_record,
		.meanwhile_context = &launch,
	};
	struct launch_fds fds;
	int r = launch_count_fds(options->preserve_fds, &fds, err);

	if (r == 0)
		r = launch_prepare(runtime, id, options, detached, &launch, err);
	if (r < 0)
		return r;
	spawn.listen_fds = fds.total;
	spawn.adopt_cgroup = launch.adopt_cgroup;
	r = launch_tell_fds(&fds, &launch.config.process, err);
	if (r == 0)
		r = start_process(
			&launch.config, options, &spawn, detached, &launch.record, &handle, err);
	if (r == 0)
		log_debug("container %s: process %d in cgroup %s waits for its command", id,
			(int)handle.pid, launch.record.cgroup ? launch.record.cgroup : "(none)");
	if (r < 0) {
		launch_undo(runtime, &launch.record, &handle);
		return r;
	}
	*ret_record = launch.record;
	launch.record = (struct record)RECORD_INIT;
	*ret_config = launch.config;
	launch.has_config = false;
	*ret_handle = handle;
	return 0;
}
