/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ptrace-stops.c - what a wait tells of threads that the guest traces, before the guest sees it.
 *
 * The host's stops are sorted: presented by the tracee; true, because the thread is whole; or to be
 * undone, so that the tracee presents one. How a stop by a signal is undone depends on whether the
 * tracee's translator gets the signal at all: if not, or for SIGSTOP, it is told in `wants`, and
 * kicked by a SIGBUS of ours.
 */
#include <errno.h>
#include <linux/ptrace.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "translate/ptrace.h"

#define BIT(signal)   (UINT64_C(1) << ((signal)-1))
#define FAULTS	      (BIT(SIGSEGV) | BIT(SIGBUS))
#define SYSCALL_GOOD  0x80 /* PTRACE_O_TRACESYSGOOD */
#define ACTION_IGNORE 1

#define STARTING_WAIT_NS 500000 /* a part of what a program needs to start */

/* One stop as it is looked at. */
struct sight {
	struct thread *t;
	struct peer *peer;
	int event, signal; /* PTRACE_EVENT_* or 0; WSTOPSIG() */
	bool has_info; /* a stop by a signal, or with an event: no stop of the group */
	siginfo_t info;
	int *status;
};

enum verdict {
	GUESTS, /* to be told as *status says */
	UNDONE, /* the thread goes on */
};

uint64_t trace_own_id(const struct thread *t)
{
	return (uint64_t)(uint32_t)t->tid << 32 | (uint32_t)(uintptr_t)t;
}

uint64_t trace_host_options(uint64_t options)
{
	return options | PTRACE_O_TRACEEXEC;
}

void trace_adopt(struct thread *t, struct peer *p, uint64_t options)
{
	uint64_t own = trace_own_id(t);
	bool is_begun_by_itself = p->state.is_on && !p->state.tracer;

	if (p->state.is_on && p->state.tracer == own)
		return;
	if (is_begun_by_itself) {
		peer_ptrace(p, PTRACE_SETOPTIONS, 0, trace_host_options(p->state.options));
	} else {
		peer_set(p, options, (uint32_t)options);
		peer_set(p, wants_calls, 0);
		peer_set(p, is_seized, 0);
		peer_set(p, is_told, 0);
		peer_set(p, wants, 0);
	}
	peer_set(p, tracer, own);
	peer_set(p, has_news, 1);
	peer_set(p, is_on, 1);
}

static enum verdict go_on(const struct sight *s, int signal)
{
	peer_resume(s->peer, PTRACE_CONT, signal);
	return UNDONE;
}

static enum verdict tell(struct sight *s, enum trace_stop stop)
{
	peer_set(s->peer, stop, stop);
	return GUESTS;
}

/* --- kicks ----------------------------------------------------------------------------------- */

int64_t trace_kick(struct peer *p, int wants)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = SIGBUS;
	info.si_code = TRACE_KICK;
	peer_set(p, wants, wants);
	peer_set(p, has_news, 1);
	peer_ptrace(p, PTRACE_SETSIGINFO, 0, &info);
	return peer_resume(p, PTRACE_CONT, SIGBUS);
}

int64_t trace_kick_signal(struct peer *p, int signal, const siginfo_t *info)
{
	peer_write(p->tid, p->thread + offsetof(struct thread, tracee.wanted_info), info,
		sizeof(*info));
	return trace_kick(p, signal);
}

/* Only a stop by a signal can become a kick: this makes one. */
int64_t trace_kick_later(struct peer *p, int wants)
{
	peer_set(p, wants, wants);
	peer_set(p, has_news, 1);
	host_call(SYS_tkill, p->tid, SIGBUS);
	return peer_resume(p, PTRACE_CONT, 0);
}

/* The SIGBUS of trace_kick_later(). */
static bool is_own_kick(const struct sight *s)
{
	return s->signal == SIGBUS && s->has_info && s->info.si_code == SI_TKILL &&
		s->info.si_pid == (pid_t)host_call(SYS_getpid) && s->peer->state.wants;
}

/* --- a process that has just begun ----------------------------------------------------------- */

/* The SIGTRAP of execve(2) for tracers that have not asked for the event: what it was executed by
 * tells the tracee itself. */
static bool is_exec_signal(const struct sight *s)
{
	return s->signal == SIGTRAP && s->has_info && s->info.si_code == SI_USER &&
		s->info.si_pid == s->peer->tid;
}

/* It has no place yet for what we would write: what has stopped it comes again, after a while. */
static enum verdict see_starting(struct sight *s)
{
	static const struct timespec wait = { .tv_nsec = STARTING_WAIT_NS };
	int tid = s->peer->tid;

	if (s->event == PTRACE_EVENT_EXIT)
		return GUESTS;
	if (!s->event && is_exec_signal(s)) {
		peer_ptrace(s->peer, PTRACE_SETOPTIONS, 0, trace_host_options(0));
		return go_on(s, 0);
	}
	go_on(s, 0);
	if (s->event && s->event != PTRACE_EVENT_STOP)
		return UNDONE;
	host_call(SYS_nanosleep, &wait, NULL);
	if (s->event)
		host_call(SYS_ptrace, PTRACE_INTERRUPT, tid, 0, 0);
	else
		host_call(SYS_tkill, tid, s->signal);
	return UNDONE;
}

/* --- presented ------------------------------------------------------------------------------- */

static int status_of(const struct peer *p)
{
	int event = 0, signal = SIGTRAP;

	switch (p->state.stop) {
	case TRACE_SIGNAL:
		signal = p->state.signal;
		break;
	case TRACE_EXEC:
		event = PTRACE_EVENT_EXEC;
		break;
	case TRACE_SECCOMP:
		event = PTRACE_EVENT_SECCOMP;
		break;
	default:
		if (p->state.options & PTRACE_O_TRACESYSGOOD)
			signal |= SYSCALL_GOOD;
	}
	return event << 16 | signal << 8 | 0x7f;
}

static enum verdict see_presented(struct sight *s)
{
	struct peer *p = s->peer;

	if (p->state.stop != TRACE_QUIET) {
		*s->status = status_of(p);
		return GUESTS;
	}
	/* Now that it is whole, stop it again as it was. */
	peer_set(p, stop, TRACE_OTHER);
	if (p->state.is_seized)
		peer_ptrace(p, PTRACE_INTERRUPT, 0, 0);
	else
		host_call(SYS_tkill, p->tid, SIGSTOP);
	return go_on(s, 0);
}

/* --- the host's ------------------------------------------------------------------------------ */

/* Who gets this signal when the thread goes on with it? */
enum taker {
	THE_KERNEL,
	THE_TRANSLATOR,
	A_HANDLER, /* of the guest's, by way of the translator */
};

static enum taker taker_of(const struct peer *p, int signal)
{
	uint64_t process = 0, handler = 0;
	bool has_tracee = false;

	if (signal == SIGKILL || signal == SIGSTOP ||
		peer_read(p->tid, p->thread + offsetof(struct thread, process), &process,
			sizeof(process)) < 0)
		return THE_KERNEL;
	peer_read(p->tid, process + offsetof(struct process, has_tracee), &has_tracee,
		sizeof(has_tracee));
	peer_read(p->tid,
		process + offsetof(struct process, actions) +
			(uint64_t)signal * sizeof(struct signal_action),
		&handler, sizeof(handler));
	if (handler > ACTION_IGNORE)
		return A_HANDLER;
	return has_tracee || BIT(signal) & FAULTS ? THE_TRANSLATOR : THE_KERNEL;
}

bool trace_is_taken(const struct peer *p, int signal)
{
	return taker_of(p, signal) != THE_KERNEL;
}

static enum verdict see_signal(struct sight *s)
{
	struct peer *p = s->peer;
	enum taker taker = taker_of(p, s->signal);

	if (p->state.passing == s->signal) {
		peer_set(p, passing, 0);
		return go_on(s, s->signal);
	}
	if (is_own_kick(s)) {
		trace_kick(p, p->state.wants);
		return UNDONE;
	}
	if (s->signal == SIGBUS && s->info.si_code == TRACE_KICK)
		return go_on(s, s->signal);
	if (p->state.is_told)
		peer_set(p, is_told, 0);
	if (peer_is_whole(p) && taker != A_HANDLER)
		return tell(s, TRACE_DIRECT);
	if (taker != THE_KERNEL)
		return go_on(s, s->signal);
	trace_kick_signal(p, s->signal, &s->info);
	return UNDONE;
}

/* Of the group, or because the tracer has asked for it. */
static enum verdict see_other(struct sight *s)
{
	if (peer_is_whole(s->peer))
		return tell(s, TRACE_OTHER);
	trace_kick_later(s->peer, TRACE_WANTS_QUIET);
	return UNDONE;
}

static bool is_of_clone(int event)
{
	return event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK ||
		event == PTRACE_EVENT_CLONE || event == PTRACE_EVENT_VFORK_DONE;
}

static enum verdict see(struct sight *s)
{
	struct peer *p = s->peer;

	if (p->kind == PEER_FOREIGN)
		return GUESTS;
	/* In the middle of a fork(2), it is the parent that has an event. */
	if (p->state.is_forking && is_of_clone(s->event))
		return tell(s, TRACE_EVENT);
	if (p->kind == PEER_CHILD)
		return go_on(s, 0);
	if (p->kind == PEER_STARTING)
		return see_starting(s);
	trace_adopt(s->t, p, 0);
	if (!s->event && peer_presents(p, s->signal))
		return see_presented(s);
	if (s->event == PTRACE_EVENT_EXEC)
		return go_on(s, 0);
	if (s->event && s->event != PTRACE_EVENT_STOP)
		return tell(s, TRACE_EVENT);
	if (s->event || !s->has_info)
		return see_other(s);
	return see_signal(s);
}

bool trace_see_stop(struct thread *t, int tid, int *status)
{
	struct sight s = { .t = t, .status = status };

	if (!WIFSTOPPED(*status) || peer_look(tid, &s.peer) < 0)
		return true;
	s.event = *status >> 16;
	s.signal = WSTOPSIG(*status);
	memset(&s.info, 0, sizeof(s.info));
	s.has_info = peer_ptrace(s.peer, PTRACE_GETSIGINFO, 0, &s.info) == 0;
	return see(&s) == GUESTS;
}
