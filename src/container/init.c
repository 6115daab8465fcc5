/* SPDX-License-Identifier: Apache-2.0 */
/*
 * init.c - --init: a pid 1 that forwards signals, reaps orphans and ends as its child does (child).
 *
 * It is the container's first process itself, which forks the command after all rights are dropped
 * and the filter stands. It blocks every signal and takes them one by one with sigwaitinfo(2); a
 * blocked signal reaches pid 1 although it has no handler. The command gets a process group of its
 * own, and the terminal with it, so that the terminal's signals reach it once and not twice.
 */
#include "container/internal.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

#include "base/process.h"

static void init_loop(pid_t command, const sigset_t *all) __attribute__((noreturn));

static void init_loop(pid_t command, const sigset_t *all)
{
	for (;;) {
		siginfo_t info;
		int signo = sigwaitinfo(all, &info), status;
		pid_t pid;

		if (signo < 0)
			continue;
		if (signo != SIGCHLD) {
			kill(command, signo);
			continue;
		}
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			if (pid == command)
				_exit(process_exit_code(status));
	}
}

int init_fork(struct child *child, struct error *err)
{
	bool terminal = child->terminal_fd >= 0;
	sigset_t all, none;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	pid = fork();
	if (pid < 0)
		return error_errno(err, errno, "cannot fork the command");
	if (pid > 0) {
		/* Ours must not keep the parent from seeing the command's execve. */
		close(child->sync_fd);
		cleanup_close(&child->terminal_fd);
		/* Nothing is read or written here any more. */
		for (int fd = 0; fd < 3 + child->options->listen_fds; fd++)
			close(fd);
		init_loop(pid, &all);
	}
	setpgid(0, 0);
	/* SIGTTOU is blocked still: a background group may take the terminal. */
	if (terminal)
		tcsetpgrp(0, getpgrp());
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	return 0;
}
