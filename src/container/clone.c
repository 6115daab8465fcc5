/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clone.c - new processes: in namespaces of their own, or in those of somebody else.
 *
 * A pid namespace takes effect for children only, and from a user namespace there is no way back:
 * to put a process of ours into somebody's user namespace a helper enters it and clones with
 * CLONE_PARENT, so that the new process is our child and not the helper's.
 */
#include "container/spawn.h"

#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/io.h"

pid_t spawn_clone(uint64_t flags, int *ret_pidfd)
{
	struct clone_args args = {
		.flags = flags | CLONE_CLEAR_SIGHAND | (ret_pidfd ? CLONE_PIDFD : 0),
		.pidfd = (uint64_t)(uintptr_t)ret_pidfd,
		/* With CLONE_PARENT the helper's own signal is inherited. */
		.exit_signal = flags & CLONE_PARENT ? 0 : SIGCHLD,
	};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

/* In the helper. The new process's pid goes through the pipe, an errno as a negative number.
 * Returns 0 in the new process only. */
static int helper_main(
	spawn_enter_fn enter, struct child *child, int pidfd, uint64_t flags, int pipe_fd)
{
	pid_t pid = enter(child, pidfd);

	if (pid == 0) {
		pid = spawn_clone(flags | CLONE_PARENT, NULL);
		if (pid == 0)
			return 0;
		if (pid < 0)
			pid = -errno;
	}
	io_write_full(pipe_fd, &pid, sizeof(pid));
	_exit(0);
}

pid_t spawn_clone_by_helper(spawn_enter_fn enter, struct child *child, int pidfd, uint64_t flags,
	int *ret_pidfd, struct error *err)
{
	_cleanup_close_ int read_end = -1, write_end = -1;
	int p[2];
	pid_t helper, pid = -EIO;

	if (pipe2(p, O_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot make a pipe");
	read_end = p[0], write_end = p[1];
	helper = spawn_clone(0, NULL);
	if (helper < 0)
		return error_errno(err, errno, "cannot fork");
	if (helper == 0)
		return helper_main(enter, child, pidfd, flags, write_end);
	close(steal_fd(&write_end));
	if (io_read_full(read_end, &pid, sizeof(pid)) < 0)
		pid = -EIO;
	while (waitpid(helper, NULL, 0) < 0 && errno == EINTR)
		;
	if (pid < 0)
		return error_errno(err, pid, "cannot join the container's namespaces");
	*ret_pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (*ret_pidfd < 0) {
		error_errno(err, errno, "cannot open the new process");
		kill(pid, SIGKILL);
		return -EIO;
	}
	return pid;
}
