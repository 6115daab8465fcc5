/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debugger-serve.c - our thread beside the guest's, which talks to the debugger.
 *
 * It shares the guest's memory, but not its descriptors: what it has open, the guest can neither
 * see nor close, and it keeps nothing of the guest's open. All signals are blocked in it but for
 * SIGBUS while it waits: that is how a guest thread says that there is an event.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "translate/debugger.h"
#include "translate/signal.h"
#include "translate/thread.h"

#define NAME "strata-gdb"

static const uint64_t all_signals = ~UINT64_C(0);
static const uint64_t all_but_bus = ~(UINT64_C(1) << (SIGBUS - 1));

/* Is there something that the debugger does not know yet? */
static bool take_event(struct debugger *d, struct debug_stop *ret, struct thread **ret_reporter)
{
	bool is_new;

	lock_take(&d->lock);
	is_new = d->has_event && !d->is_told;
	if (is_new) {
		d->is_told = true;
		*ret = d->event;
		*ret_reporter = d->reporter;
	}
	lock_release(&d->lock);
	return is_new;
}

/* False: the session is over. */
static bool tell_event(struct debugger *d, const struct debug_stop *stop, struct thread *reporter)
{
	bool goes_on;

	debugger_stop_all(d);
	goes_on = debug_session_stopped(d->session, stop);
	/* It ends for good, now that this is known. */
	if (reporter && (stop->kind == DEBUG_STOP_EXITED || stop->kind == DEBUG_STOP_KILLED))
		debugger_release(reporter);
	return goes_on;
}

/* False: the session is over. */
static bool read_input(struct debugger *d)
{
	char buffer[4096];
	int64_t n = host_call(SYS_read, d->connection, buffer, sizeof(buffer));

	if (n == -EINTR || n == -EAGAIN)
		return true;
	if (n > 0)
		return debug_session_input(d->session, buffer, (size_t)n);
	debug_session_lost(d->session);
	return false;
}

static bool serve_once(struct debugger *d)
{
	struct pollfd connection = { .fd = d->connection, .events = POLLIN };
	struct debug_stop stop;
	struct thread *reporter;

	if (take_event(d, &stop, &reporter))
		return tell_event(d, &stop, reporter);
	if (host_call(SYS_ppoll, &connection, 1, NULL, &all_but_bus, sizeof(all_but_bus)) > 0)
		return read_input(d);
	return true;
}

static void close_all_but(int fd)
{
	if (fd > 0)
		host_call(SYS_close_range, 0, fd - 1, 0);
	host_call(SYS_close_range, fd + 1, ~0u, 0);
}

static void serve(void *argument)
{
	struct debugger *d = argument;

	host_call(SYS_rt_sigprocmask, SIG_SETMASK, &all_signals, NULL, sizeof(all_signals));
	host_call(SYS_prctl, PR_SET_NAME, NAME);
	close_all_but(d->connection);
	d->memory_fd = (int)host_call(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDWR | O_CLOEXEC);
	while (serve_once(d))
		;
	/* The guest's table holds it open, too. */
	host_call(SYS_shutdown, d->connection, SHUT_RDWR);
	host_call(SYS_close, d->connection);
	host_call(SYS_close, d->memory_fd);
}

/* The session's memory is allocated here, where malloc() still may be used, and never given back:
 * a thread of the guest may be about to look at it. */
static struct debugger *make(
	struct process *process, struct thread *t, enum debug_stop_kind kind, struct error *err)
{
	const struct debug_stop stop = {
		.kind = kind, .thread = (uint64_t)t->tid, .signal = SIGTRAP
	};
	struct debugger *d = calloc(1, sizeof(*d));

	if (!d) {
		error_oom(err);
		return NULL;
	}
	d->target.ops = &debugger_ops;
	d->process = process;
	d->pid = process->pid;
	d->has_event = true;
	d->is_partial = true;
	d->event = stop;
	d->reporter = t;
	if (debug_session_open(&debug_riscv64, &d->target, &stop, &d->session, err) < 0) {
		free(d);
		return NULL;
	}
	return d;
}

/* `t` waits for it, and our thread begins. */
static int start(
	struct debugger *d, struct thread *t, uint64_t auxv, uint64_t auxv_size, struct error *err)
{
	struct process *process = d->process;
	int r;

	d->connection = process->connection_fd;
	d->auxv = auxv;
	d->auxv_size = auxv_size;
	t->debug.is_known = true;
	t->debug.hold = 1;
	process->debugger = d;
	signal_install_again(process, ~UINT64_C(0));
	r = thread_start_own(process, serve, d, &d->tid);
	return r < 0 ? error_errno(err, r, "cannot make a thread for gdb") : 0;
}

/* Out of the guest's way, where it does not find it. */
static int move_up(const struct process *process, int fd)
{
	uint64_t limit = descriptor_limit_raise();
	int high = fcntl(fd, F_DUPFD_CLOEXEC, process->program_fd);

	descriptor_limit_restore(limit);
	if (high < 0)
		return fd;
	close(fd);
	return high;
}

int debugger_start(struct process *process, struct thread *t, int listen_fd, uint64_t auxv,
	uint64_t auxv_size, struct error *err)
{
	struct debugger *d = make(process, t, DEBUG_STOP_SIGNAL, err);
	int r, connection;

	if (!d)
		return -ENOMEM;
	if (access("/proc/self/mem", R_OK | W_OK) < 0)
		return error_errno(err, errno, "gdb needs /proc/self/mem");
	r = debug_accept(listen_fd, &connection, err);
	if (r < 0)
		return r;
	process->connection_fd = move_up(process, connection);
	d->is_told = true; /* it asks */
	return start(d, t, auxv, auxv_size, err);
}

int debugger_continue(struct process *process, struct thread *t, const char *word, uint64_t auxv,
	uint64_t auxv_size, struct error *err)
{
	struct debugger *d = make(process, t, DEBUG_STOP_EXECUTED, err);
	unsigned saved;
	int n = 0;

	if (!d)
		return -ENOMEM;
	if (sscanf(word, DEBUGGER_WORD_READ "%n", &process->connection_fd, &saved,
		    &d->passed_signals, &n) != 3 ||
		word[n])
		return error_set(err, EINVAL, "cannot go on with the debugger");
	fcntl(process->connection_fd, F_SETFD, FD_CLOEXEC);
	debug_session_continue(d->session, saved);
	return start(d, t, auxv, auxv_size, err);
}
