/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signals.c - signals of a process that is a machine, in its event loop: those that ask a program
 * to end power the machine off, SIGUSR1 saves it, and a terminal says that it has another size.
 *
 * They are blocked before any thread is started, so that none takes them.
 */
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include "machine/internal.h"

#define EXIT_BY_SIGNAL 128 /* + its number, as shells say it */

static void signal_ready(struct loop_source *source, uint32_t events)
{
	struct machine *m = container_of(source, struct machine, signals);
	struct signalfd_siginfo info;

	if (read(source->fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGWINCH) {
		console_resized(&m->console);
		if (m->hvc)
			console_resized(m->hvc);
		return;
	}
	if (info.ssi_signo == SIGUSR1) {
		machine_want_snapshot(m);
		return;
	}
	machine_end(m, EXIT_BY_SIGNAL + (int)info.ssi_signo, true);
}

int machine_watch_signals(struct machine *m, struct error *err)
{
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGWINCH);
	if (m->config.snapshot)
		sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &m->old_signals);
	m->signals = (struct loop_source){ .ready = signal_ready,
		.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK) };
	r = m->signals.fd < 0 ? -errno : loop_add(&m->loop, &m->signals, EPOLLIN);
	return r < 0 ? error_errno(err, r, "cannot watch signals") : 0;
}

void machine_leave_signals(struct machine *m)
{
	if (m->signals.fd < 0)
		return;
	loop_remove(&m->loop, &m->signals);
	cleanup_close(&m->signals.fd);
	sigprocmask(SIG_SETMASK, &m->old_signals, NULL);
}
