/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container.c - adapts container/ to the isolation contract.
 */
#include "isolation/isolation.h"

#include <signal.h>
#include <sys/syscall.h>

#include "base/process.h"

static int container_create(const struct container_config *config,
	const struct container_spawn_options *options, struct isolation_process *ret,
	struct error *err)
{
	int r = container_check_propagation(config, err);

	return r < 0 ? r : container_spawn(config, options, &ret->handle, err);
}

static int container_start(struct isolation_process *process, struct error *err)
{
	return container_release(&process->handle, err);
}

static int container_run_exec(const struct container_config *config, pid_t init_pid,
	const struct container_process *what, const struct container_spawn_options *options,
	struct isolation_process *ret, struct error *err)
{
	return container_exec(config, init_pid, what, options, &ret->handle, err);
}

static int container_signal(pid_t init_pid, uint64_t start_ticks, int signo, struct error *err)
{
	_cleanup_close_ int pidfd = process_open(init_pid, start_ticks);

	if (pidfd < 0)
		return error_errno(err, pidfd, "cannot find the container's first process");
	if (syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0) < 0)
		return error_errno(err, errno, "cannot send signal %s", process_signal_name(signo));
	return 0;
}

static int no_cgroup(const char *what, struct error *err)
{
	return error_set(err, ENOTSUP,
		"%s needs a cgroup, and this container has none: an ordinary user needs a delegated cgroup v2 tree",
		what);
}

static int container_pause(const struct container_config *config, bool paused, struct error *err)
{
	if (!config->cgroup_path)
		return no_cgroup("pausing", err);
	return cgroup_freeze(config->cgroup_path, paused, err);
}

static int container_update(const struct container_config *config,
	const struct cgroup_limits *limits, struct error *err)
{
	if (!config->cgroup_path)
		return no_cgroup("changing limits", err);
	return cgroup_update(config->cgroup_path, limits, err);
}

static int container_stats(
	const struct container_config *config, struct cgroup_stats *ret, struct error *err)
{
	if (!config->cgroup_path)
		return no_cgroup("reading statistics", err);
	return cgroup_read_stats(config->cgroup_path, ret, err);
}

static int container_open_oom_events(const struct container_config *config)
{
	return config->cgroup_path ? cgroup_open_oom_events(config->cgroup_path) : -ENOTSUP;
}

static uint64_t container_oom_kills(const struct container_config *config)
{
	return config->cgroup_path ? cgroup_read_oom_kills(config->cgroup_path) : 0;
}

static int container_pids(
	const struct container_config *config, pid_t **ret, size_t *ret_count, struct error *err)
{
	if (!config->cgroup_path)
		return no_cgroup("listing processes", err);
	return cgroup_pids(config->cgroup_path, ret, ret_count, err);
}

static int container_remove_traces(const struct container_config *config, struct error *err)
{
	return container_cleanup(config->cgroup_path, err);
}

const struct isolation_ops isolation_container = {
	.name = "container",
	.create = container_create,
	.start = container_start,
	.exec = container_run_exec,
	.signal = container_signal,
	.pause = container_pause,
	.update = container_update,
	.stats = container_stats,
	.open_oom_events = container_open_oom_events,
	.oom_kills = container_oom_kills,
	.pids = container_pids,
	.cleanup = container_remove_traces,
};
