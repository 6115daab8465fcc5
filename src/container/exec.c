/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec.c - another process in a running container (the parent's side).
 *
 * A pid namespace takes effect for children only, so somebody has to enter it and fork. As root
 * that is ourselves, for the moment of the clone. Where there is a user namespace it is a helper
 * (clone.c): from the container's there is no way back, nor from its pid namespace for root of
 * ours.
 */
#include "container/intel-rdt.h"
#include "container/spawn.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/sched.h>

#include "base/io.h"

/* criu(8) restores into a time namespace, so that clocks go on from where they stood. */
static bool has_own_time(pid_t init_pid)
{
	struct stat own, theirs;
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/ns/time", (int)init_pid);
	return stat("/proc/self/ns/time", &own) == 0 && stat(path, &theirs) == 0 &&
		own.st_ino != theirs.st_ino;
}

/* What the new process joins: everything the container does not share with us. */
static int namespaces_to_join(const struct container_config *config, pid_t init_pid)
{
	int flags = has_own_time(init_pid) ? CLONE_NEWTIME : 0;

	for (int i = 0; i < CONTAINER_NS_COUNT; i++)
		if (config->namespaces[i].wanted)
			flags |= namespace_flags[i];
	return flags;
}

/* clone in the pid namespace of pidfd's process: we enter it and come back. */
static pid_t clone_through_ourselves(int pidfd, bool join_pid, int *ret_pidfd, struct error *err)
{
	_cleanup_close_ int own = -1;
	pid_t pid;

	if (join_pid) {
		own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
		if (own < 0 || setns(pidfd, CLONE_NEWPID) < 0)
			return error_errno(err, errno, "cannot join the container's pid namespace");
	}
	pid = spawn_clone(0, ret_pidfd);
	if (pid < 0)
		error_errno(err, errno, "cannot fork");
	if (pid != 0 && own >= 0 && setns(own, CLONE_NEWPID) < 0) {
		if (pid > 0)
			kill(pid, SIGKILL);
		return error_errno(err, errno, "cannot return to our own pid namespace");
	}
	return pid;
}

/* In the helper: the cgroup first, which belongs to who we are outside. */
static int enter_running(struct child *child, int pidfd)
{
	int r = scheduler_set_cpus(child->process->cpus_initial, "initial", NULL),
	    flags = namespaces_to_join(child->config, child->first_pid) &
		(CLONE_NEWUSER | CLONE_NEWPID);

	if (r == 0 && child->has_cgroup && child->in_userns)
		r = cgroup_enter_unit(
			child->config->cgroup_path, &child->config->cgroup_unit, NULL);
	if (r < 0)
		return r;
	return setns(pidfd, flags) < 0 ? -errno : 0;
}

static int start_exec(
	struct child *child, int pidfd, struct container_handle *handle, struct error *err)
{
	int flags = namespaces_to_join(child->config, child->first_pid), pair[2], new_pidfd = -1;
	_cleanup_close_ int child_end = -1;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, errno, "cannot make a socket pair");
	handle->sync_fd = pair[0];
	child_end = child->sync_fd = pair[1];
	if (child->in_userns || (flags & CLONE_NEWPID && !cgroup_is_real_root()))
		pid = spawn_clone_by_helper(enter_running, child, pidfd, 0, &new_pidfd, err);
	else
		pid = clone_through_ourselves(pidfd, flags & CLONE_NEWPID, &new_pidfd, err);
	if (pid < 0)
		return pid;
	if (pid == 0) {
		close(handle->sync_fd);
		child_exec_main(child, pidfd,
			flags & ~(CLONE_NEWPID | (child->in_userns ? CLONE_NEWUSER : 0)));
	}
	handle->pid = pid;
	handle->pidfd = new_pidfd;
	return 0;
}

int container_exec(const struct container_config *config, pid_t init_pid,
	const struct container_process *process, const struct container_spawn_options *options,
	struct container_handle *ret, struct error *err)
{
	struct container_handle handle = CONTAINER_HANDLE_INIT;
	struct container_config own = *config;
	struct child child = SPAWN_CHILD_INIT;
	_cleanup_free_ char *cgroup_path = NULL;
	_cleanup_close_ int pidfd = -1;
	int r;

	if (!process->args || !process->args[0])
		return error_set(err, EINVAL, "there is no command to run");
	r = labels_check(process, err);
	if (r < 0)
		return r;
	r = exec_choose_cgroup(config, init_pid, options->sub_cgroups, &cgroup_path, err);
	if (r < 0)
		return r;
	own.cgroup_path = cgroup_path;
	child.config = &own;
	child.shares_mounts = namespaces_share_mounts(config);
	child.process = process;
	child.first_pid = init_pid;
	child.options = options;
	child.rootless = geteuid() != 0;
	child.in_userns = config->namespaces[CONTAINER_NS_USER].wanted;
	child.has_cgroup = cgroup_path;
	pidfd = (int)syscall(SYS_pidfd_open, container_member(config, init_pid), 0);
	if (pidfd < 0)
		return error_errno(err, errno, "the container's first process is gone");
	r = translation_prepare(&child, err);
	if (r < 0)
		return r;
	r = rootfs_open_running(&child, init_pid, err);
	if (r == 0)
		r = start_exec(&child, pidfd, &handle, err);
	cleanup_close(&child.root_fd);
	translation_close(&child);
	if (r == 0 && config->intel_rdt.wanted && options->identity)
		r = intel_rdt_join(
			INTEL_RDT_ROOT, &config->intel_rdt, options->identity->id, handle.pid, err);
	if (r == 0)
		r = spawn_await_ready(&child, &handle, err);
	if (r == 0)
		r = exec_move_to_cgroups(config, options->sub_cgroups, handle.pid, err);
	if (r < 0) {
		spawn_kill(&handle);
		return r;
	}
	*ret = handle;
	return 0;
}
