/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.c - make an instance and run it in one go: its maker becomes its monitor.
 *
 * `start` forks the monitor of an instance that is there. `run` forks before there is one: the new
 * process, the maker, makes the instance and goes on as its monitor, with few pages to copy and no
 * further fork, and the old one, the foreground, has time on another CPU for what else the start
 * needs.
 *
 *   MAKING   the maker is what the user waits for: the foreground's death ends it, and so does a
 *            signal that ends the foreground
 *   MONITOR  from instance_run_become_monitor() on it is one like any other, see monitor.c
 *
 * The foreground cannot tell these two apart, and need not: a monitor blocks END_MAKER for ever.
 */
#include "instance/client.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "base/io.h"
#include "instance/monitor.h"

/* Its default is to end a process; no terminal sends it, and nobody who ignores it would mind. */
#define END_MAKER SIGUSR2

/* --- the maker ------------------------------------------------------------------------------ */

static void become_maker(struct instance_run *run, bool attached, pid_t foreground)
{
	cpus_roam(&run->cpus);
	if (attached) {
		close(steal_fd(&run->signal_fd));
		sigprocmask(SIG_SETMASK, &run->old_mask, NULL);
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != foreground)
		_exit(INSTANCE_EXIT_STRATA);
}

void instance_run_become_monitor(struct instance_run *run, struct instance *instance,
	const struct instance_attach_options *attach)
{
	struct container_process *process = &instance->config.process;
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	prctl(PR_SET_PDEATHSIG, 0);
	if (attach && attach->terminal)
		terminal_size(&process->rows, &process->columns);
	monitor_run(instance, run->fd, attach);
}

void instance_run_give_up(struct instance_run *run, const struct error *why)
{
	client_send_failed(run->fd, INSTANCE_EXIT_STRATA, why);
	_exit(INSTANCE_EXIT_STRATA);
}

/* --- the foreground ------------------------------------------------------------------------- */

/* Is there, among those that are blocked, one that ends us when it no longer is? */
static bool ending_signal_waits(void)
{
	sigset_t pending;

	sigpending(&pending);
	for (int signo = 1; signo <= SIGSYS; signo++) {
		struct sigaction action;

		if (sigismember(&pending, signo) == 1 && signo != SIGWINCH && signo != SIGPIPE &&
			sigaction(signo, NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			return true;
	}
	return false;
}

/* Until there is something to hear of the maker. Signals stay in signal_fd, for client_run(), or to
 * end us when the maker has ended of them. */
static void await_maker(const struct instance_run *run)
{
	struct pollfd fds[2] = { { .fd = run->fd, .events = POLLIN },
		{ .fd = run->signal_fd, .events = POLLIN } };

	for (;;) {
		struct signalfd_siginfo resized;

		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			return;
		if (fds[0].revents)
			return;
		if (!fds[1].revents)
			continue;
		if (ending_signal_waits()) {
			kill(run->maker, END_MAKER);
			fds[1].fd = -1;
		} else if (read(run->signal_fd, &resized, sizeof(resized)) < 0) {
			fds[1].fd = -1;
		}
	}
}

int instance_run_fork(
	struct instance_run *run, const struct instance_attach_options *attach, struct error *err)
{
	pid_t self = getpid();
	int fds[2], r = 0;

	*run = (struct instance_run){ .fd = -1, .signal_fd = -1 };
	io_random_hex(run->id, INSTANCE_ID_LEN / 2);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return error_errno(err, errno, "cannot make a socket to the monitor");
	/* Before the fork, so that no signal finds us between the two. */
	if (attach)
		run->signal_fd = client_signals(attach, &run->old_mask);
	if (attach && run->signal_fd < 0)
		r = error_errno(err, run->signal_fd, "cannot watch signals");
	cpus_stay(&run->cpus);
	if (r == 0)
		run->maker = fork();
	if (run->maker < 0)
		r = error_errno(err, errno, "cannot fork the monitor");
	if (r == 0 && run->maker == 0) {
		close(fds[0]);
		run->fd = fds[1];
		become_maker(run, attach, self);
		return 0;
	}
	close(fds[1]);
	run->fd = fds[0];
	return r;
}

int instance_run_follow(struct instance_run *run, const struct instance_attach_options *attach,
	enum instance_attach_end *ret_end, int *ret_exit_code, struct error *err)
{
	int r;

	*ret_end = INSTANCE_ATTACH_DETACHED;
	cpus_roam(&run->cpus);
	if (attach)
		await_maker(run);
	r = client_await_start(run->fd, ret_exit_code, err);
	if (r == 0 && attach)
		r = client_run(run->fd, attach, run->signal_fd, ret_end, ret_exit_code, err);
	cleanup_close(&run->fd);
	cleanup_close(&run->signal_fd);
	if (attach)
		sigprocmask(SIG_SETMASK, &run->old_mask, NULL);
	return r;
}
