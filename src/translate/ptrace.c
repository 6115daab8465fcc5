/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ptrace.c - ptrace(2), as the tracer's translator makes it. ptrace.h says how it works.
 *
 * As Linux on riscv64, there is no single step (EIO: debuggers set breakpoints), no PTRACE_PEEKUSER
 * and no PTRACE_GETREGS. A thread that is no program of ours (PEER_FOREIGN) can be traced, but has
 * no registers.
 */
#include <errno.h>
#include <linux/ptrace.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "translate/calls.h"
#include "translate/ptrace.h"

#define WORD	    sizeof(uint64_t)
#define OPTIONS	    (UINT64_C(0xff) | PTRACE_O_EXITKILL | PTRACE_O_SUSPEND_SECCOMP)
#define UNBLOCKABLE (UINT64_C(1) << (SIGKILL - 1) | UINT64_C(1) << (SIGSTOP - 1))
#define OUR_SIGNALS (UINT64_C(1) << (SIGSEGV - 1) | UINT64_C(1) << (SIGBUS - 1))

struct ask {
	struct thread *t;
	struct peer *peer;
	uint64_t request, address, data;
};

static bool is_presented(const struct peer *p)
{
	return peer_presents(p, SIGTRAP);
}

/* --- attaching ------------------------------------------------------------------------------- */

static int check_options(uint64_t options)
{
	if (options & ~OPTIONS)
		return -EINVAL;
	/* The guest's filters are none that the kernel could suspend. */
	return options & PTRACE_O_SUSPEND_SECCOMP ? -EPERM : 0;
}

static int64_t attach(struct thread *t, int tid)
{
	if (!peer_is_ours(t, tid))
		return -EPERM;
	return host_call(SYS_ptrace, PTRACE_ATTACH, tid, 0, 0);
}

/* The next stop of that thread, taken; false: it ends. */
static bool take_stop(int tid, int *ret_status)
{
	siginfo_t info;
	int64_t r;

	do {
		memset(&info, 0, sizeof(info));
		r = host_call(
			SYS_waitid, P_PID, tid, &info, WSTOPPED | WEXITED | __WALL | WNOWAIT, NULL);
	} while (r == -EINTR);
	if (r < 0 || (info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED))
		return false;
	return host_call(SYS_wait4, tid, ret_status, __WALL | WNOHANG, NULL) == tid;
}

/* It is stopped for the first time: what it must know is written. True: that was it. */
static bool settle(struct thread *t, int tid, int status, uint64_t options)
{
	int event = status >> 16, signal = WSTOPSIG(status);
	struct peer *p;
	siginfo_t info;

	if (peer_look(tid, &p) < 0)
		return true;
	if (p->kind == PEER_STARTING || p->kind == PEER_CHILD)
		return !trace_see_stop(t, tid, &status) && false;
	if (p->kind == PEER_OURS) {
		trace_adopt(t, p, options);
		peer_set(p, is_seized, 1);
	}
	if (event != PTRACE_EVENT_STOP) {
		if (p->kind == PEER_OURS && peer_ptrace(p, PTRACE_GETSIGINFO, 0, &info) == 0)
			trace_kick_signal(p, signal, &info);
		else
			peer_resume(p, PTRACE_CONT, signal);
		return false;
	}
	if (signal != SIGTRAP)
		peer_resume(p, PTRACE_LISTEN, 0);
	else if (p->kind == PEER_OURS && !peer_is_whole(p))
		trace_kick_later(p, TRACE_WANTS_NEWS);
	else
		peer_resume(p, PTRACE_CONT, 0);
	return true;
}

/* It does not stop for its tracer, but for us: it must know that it is traced. */
static int64_t seize(struct thread *t, int tid, uint64_t address, uint64_t options)
{
	int status, r = check_options(options);
	int64_t n;

	if (address || r == -EINVAL)
		return -EIO;
	if (r < 0)
		return r;
	if (!peer_is_ours(t, tid))
		return -EPERM;
	n = host_call(SYS_ptrace, PTRACE_SEIZE, tid, 0, trace_host_options(options));
	if (n < 0)
		return n;
	host_call(SYS_ptrace, PTRACE_INTERRUPT, tid, 0, 0);
	while (take_stop(tid, &status) && !settle(t, tid, status, options))
		;
	return 0;
}

/* --- going on -------------------------------------------------------------------------------- */

/* The signal that the tracer wants: what is known of it is not true for another one. */
static void choose_signal(struct peer *p, int signal)
{
	uint64_t at = p->thread + offsetof(struct thread, tracee.info);
	int known = 0;
	siginfo_t info;

	peer_read(p->tid, at + offsetof(siginfo_t, si_signo), &known, sizeof(known));
	if (signal && signal != known) {
		memset(&info, 0, sizeof(info));
		info.si_signo = signal;
		info.si_pid = (pid_t)host_call(SYS_getpid);
		info.si_uid = (uid_t)host_call(SYS_getuid);
		peer_write(p->tid, at, &info, sizeof(info));
	}
	peer_set(p, signal, signal);
}

static int64_t leave_presented(const struct ask *ask, uint64_t request)
{
	struct peer *p = ask->peer;

	if (p->state.stop == TRACE_SIGNAL)
		choose_signal(p, (int)ask->data);
	else if (ask->data)
		host_call(SYS_tkill, p->tid, ask->data);
	peer_set(p, stop, TRACE_RUNNING);
	return peer_resume(p, request, 0);
}

/* In a system call that waits, and that it must leave: registers were changed, or the tracer wants
 * to see it begin again, as the kernel's does. */
static bool must_leave_call(const struct ask *ask)
{
	const struct peer *p = ask->peer;

	return p->host.pc == p->page.call_end && !ask->data &&
		(p->state.is_changed || (ask->request == PTRACE_SYSCALL && p->host.is_repeatable));
}

static int64_t leave_call(struct peer *p, uint64_t request, bool is_direct)
{
	siginfo_t info;

	if (!is_direct)
		return trace_kick_later(p, TRACE_WANTS_NEWS);
	if (request != PTRACE_DETACH)
		return trace_kick(p, TRACE_WANTS_NEWS);
	memset(&info, 0, sizeof(info));
	info.si_signo = SIGBUS;
	info.si_code = TRACE_KICK;
	peer_ptrace(p, PTRACE_SETSIGINFO, 0, &info);
	return peer_resume(p, PTRACE_DETACH, SIGBUS);
}

static int64_t resume(const struct ask *ask)
{
	/* Stops at system calls are the tracee's own. */
	uint64_t request = ask->request == PTRACE_DETACH ? PTRACE_DETACH : PTRACE_CONT;
	struct peer *p = ask->peer;
	bool is_direct = p->state.stop == TRACE_DIRECT;

	if (ask->data > SIGNALS)
		return -EIO;
	peer_set(p, wants_calls, ask->request == PTRACE_SYSCALL);
	if (request == PTRACE_DETACH) {
		peer_set(p, has_news, 1);
		peer_set(p, is_on, 0);
	}
	if (is_presented(p))
		return leave_presented(ask, request);
	peer_set(p, stop, TRACE_RUNNING);
	if (is_direct && ask->data && trace_is_taken(p, (int)ask->data))
		peer_set(p, is_told, 1);
	if (must_leave_call(ask))
		return leave_call(p, request, is_direct);
	return peer_resume(p, request, ask->data);
}

/* --- memory ---------------------------------------------------------------------------------- */

static int64_t peek(const struct ask *ask)
{
	uint64_t word;
	int64_t r = -EIO;

	if (ask->address <= GUEST_END - WORD)
		r = peer_ptrace(ask->peer, PTRACE_PEEKDATA, ask->address, &word);
	return r < 0 ? r : guest_copy_out(ask->data, &word, sizeof(word));
}

static int64_t poke(const struct ask *ask)
{
	int64_t r = -EIO;

	if (ask->address <= GUEST_END - WORD)
		r = peer_ptrace(ask->peer, PTRACE_POKEDATA, ask->address, ask->data);
	if (r == 0)
		peer_wrote(ask->peer->tid, ask->address, WORD);
	return r;
}

/* --- what a stop is about -------------------------------------------------------------------- */

static int64_t set_options(const struct ask *ask)
{
	int r = check_options(ask->data);
	int64_t n = r < 0
		? r
		: peer_ptrace(ask->peer, PTRACE_SETOPTIONS, 0, trace_host_options(ask->data));

	if (n == 0)
		peer_set(ask->peer, options, (uint32_t)ask->data);
	return n;
}

static int64_t get_message(const struct ask *ask)
{
	uint64_t message = ask->peer->state.message;
	int64_t r = 0;

	if (!is_presented(ask->peer) || ask->peer->state.stop == TRACE_SIGNAL)
		r = peer_ptrace(ask->peer, PTRACE_GETEVENTMSG, 0, &message);
	return r < 0 ? r : guest_copy_out(ask->data, &message, sizeof(message));
}

static int64_t get_info(const struct ask *ask)
{
	const struct peer *p = ask->peer;
	uint8_t info[128];
	int64_t r;

	if (is_presented(p))
		r = peer_read(p->tid, p->thread + offsetof(struct thread, tracee.info), info,
			sizeof(info));
	else
		r = peer_ptrace(p, PTRACE_GETSIGINFO, 0, info);
	return r < 0 ? r : guest_copy_out(ask->data, info, sizeof(info));
}

static int64_t set_info(const struct ask *ask)
{
	const struct peer *p = ask->peer;
	uint8_t info[128];

	if (guest_copy_in(info, ask->data, sizeof(info)) < 0)
		return -EFAULT;
	if (!is_presented(p))
		return peer_ptrace(p, PTRACE_SETSIGINFO, 0, info);
	return peer_write(
		p->tid, p->thread + offsetof(struct thread, tracee.info), info, sizeof(info));
}

static int64_t get_mask(const struct ask *ask)
{
	const struct peer *p = ask->peer;
	uint64_t mask;
	int r;

	if (ask->address != sizeof(mask))
		return -EINVAL;
	r = peer_read(p->tid, p->thread + offsetof(struct thread, mask), &mask, sizeof(mask));
	return r < 0 ? r : guest_copy_out(ask->data, &mask, sizeof(mask));
}

static int64_t set_mask(const struct ask *ask)
{
	const struct peer *p = ask->peer;
	uint64_t mask, host;
	int r;

	if (ask->address != sizeof(mask))
		return -EINVAL;
	if (guest_copy_in(&mask, ask->data, sizeof(mask)) < 0)
		return -EFAULT;
	mask &= ~UNBLOCKABLE;
	host = mask & ~OUR_SIGNALS;
	r = peer_write(p->tid, p->thread + offsetof(struct thread, mask), &mask, sizeof(mask));
	if (r < 0 || is_presented(p))
		return r;
	return peer_ptrace(p, PTRACE_SETSIGMASK, sizeof(host), &host);
}

static int64_t get_registers(const struct ask *ask)
{
	return trace_get_registers(ask->peer, ask->address, ask->data);
}

static int64_t set_registers(const struct ask *ask)
{
	return trace_set_registers(ask->peer, ask->address, ask->data);
}

static int64_t get_call(const struct ask *ask)
{
	return trace_get_call(ask->peer, ask->address, ask->data);
}

/* Of one that is no program of ours, or not yet: the host's calls would be none of the guest's. */
static int64_t resume_foreign(const struct ask *ask)
{
	return peer_resume(ask->peer, PTRACE_CONT, ask->data);
}

static int64_t pass_and_let_go(const struct ask *ask)
{
	return peer_resume(ask->peer, ask->request, ask->data);
}

static int64_t pass(const struct ask *ask)
{
	return peer_ptrace(ask->peer, ask->request, ask->address, ask->data);
}

/* --- requests -------------------------------------------------------------------------------- */

static const struct {
	uint64_t request;
	int64_t (*handle)(const struct ask *ask);
	int64_t (*handle_foreign)(const struct ask *ask); /* NULL: EIO */
} requests[] = {
	{ PTRACE_PEEKTEXT, peek, peek },
	{ PTRACE_PEEKDATA, peek, peek },
	{ PTRACE_POKETEXT, poke, poke },
	{ PTRACE_POKEDATA, poke, poke },
	{ PTRACE_CONT, resume, pass_and_let_go },
	{ PTRACE_SYSCALL, resume, resume_foreign },
	{ PTRACE_DETACH, resume, pass_and_let_go },
	{ PTRACE_LISTEN, pass_and_let_go, pass_and_let_go },
	{ PTRACE_SETOPTIONS, set_options, pass },
	{ PTRACE_GETEVENTMSG, get_message, pass },
	{ PTRACE_GETSIGINFO, get_info, pass },
	{ PTRACE_SETSIGINFO, set_info, pass },
	{ PTRACE_PEEKSIGINFO, pass, pass },
	{ PTRACE_GETSIGMASK, get_mask, pass },
	{ PTRACE_SETSIGMASK, set_mask, pass },
	{ PTRACE_GETREGSET, get_registers, NULL },
	{ PTRACE_SETREGSET, set_registers, NULL },
	{ PTRACE_GET_SYSCALL_INFO, get_call, NULL },
};

static int64_t answer(const struct ask *ask)
{
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		if (requests[i].request != ask->request)
			continue;
		if (ask->peer->kind == PEER_OURS)
			return requests[i].handle(ask);
		return requests[i].handle_foreign ? requests[i].handle_foreign(ask) : -EIO;
	}
	return -EIO;
}

int64_t call_ptrace(struct thread *t, const uint64_t a[6])
{
	struct ask ask = { .t = t, .request = a[0], .address = a[2], .data = a[3] };
	int tid = (int)a[1], r;

	switch (ask.request) {
	case PTRACE_TRACEME:
		return tracee_begin(t);
	case PTRACE_ATTACH:
		return attach(t, tid);
	case PTRACE_SEIZE:
		return seize(t, tid, ask.address, ask.data);
	case PTRACE_INTERRUPT: /* of one that runs, too */
	case PTRACE_KILL:
		peer_let_go(tid);
		return host_call(SYS_ptrace, ask.request, tid, 0, 0);
	}
	r = peer_find(tid, &ask.peer);
	return r < 0 ? r : answer(&ask);
}

/* --- waiting --------------------------------------------------------------------------------- */

int64_t call_wait4(struct thread *t, const uint64_t a[6])
{
	uint8_t usage[144]; /* struct rusage */
	int status = 0;
	int64_t r;

	do {
		r = host_call_blocking(t, SYS_wait4, a[0], &status, a[2], a[3] ? usage : NULL);
	} while (r > 0 && !trace_see_stop(t, (int)r, &status));
	if (r <= 0)
		return r;
	if ((a[1] && guest_copy_out(a[1], &status, sizeof(status)) < 0) ||
		(a[3] && guest_copy_out(a[3], usage, sizeof(usage)) < 0))
		return -EFAULT;
	return r;
}

/* True: it tells of nothing that the guest must know. */
static bool hides(struct thread *t, siginfo_t *info)
{
	int status = info->si_status << 8 | 0x7f;

	if (!info->si_pid || (info->si_code != CLD_TRAPPED && info->si_code != CLD_STOPPED))
		return false;
	if (!trace_see_stop(t, info->si_pid, &status))
		return true;
	info->si_status = status >> 8;
	return false;
}

int64_t call_waitid(struct thread *t, const uint64_t a[6])
{
	uint8_t usage[144]; /* struct rusage */
	siginfo_t info;
	int64_t r;

	do {
		memset(&info, 0, sizeof(info));
		r = host_call_blocking(t, SYS_waitid, a[0], a[1], &info, a[3], a[4] ? usage : NULL);
	} while (r == 0 && hides(t, &info));
	if (r < 0)
		return r;
	if ((a[2] && guest_copy_out(a[2], &info, 3 * sizeof(uint64_t) + 8) < 0) ||
		(a[4] && info.si_pid && guest_copy_out(a[4], usage, sizeof(usage)) < 0))
		return -EFAULT;
	return r;
}
