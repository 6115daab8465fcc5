/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ptrace-tracee.c - a thread that another translated program traces: it comes to a place where its
 * registers are whole, stops for its tracer, and does what that has said.
 *
 * What the tracer has written is true only after the trap: before, none may be there any more. Then
 * the trap is a SIGTRAP of ours, and the thread goes on as one that is not traced.
 *
 * Stops at system calls are those of Linux 6.12: at their entry pc is behind the ecall and a0 still
 * the argument, which cannot be changed there; a number of -1 skips the call.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "translate/debugger.h"
#include "translate/ptrace.h"
#include "translate/signal.h"

#define BIT(signal)   (UINT64_C(1) << ((signal)-1))
#define UNBLOCKABLE   (BIT(SIGKILL) | BIT(SIGSTOP))
#define ERESTARTSYS   512 /* include/linux/errno.h: what tracers know it by */
#define ALL_BUT_TRAP  (~(BIT(SIGTRAP) | BIT(SIGSEGV) | BIT(SIGBUS)))
#define SYSCALL_GOOD  0x80 /* PTRACE_O_TRACESYSGOOD */
#define MESSAGE_ENTRY 1 /* PTRACE_EVENTMSG_SYSCALL_* */
#define MESSAGE_EXIT  2
#define WORD_FORMAT   "%" PRIx32 ",%" PRIx32 ",%" PRIx32 ",%x,%" PRIx64 ",%" PRIx64

/* --- the stop -------------------------------------------------------------------------------- */

static void send_again(const struct thread *t, int signal, const uint8_t info[128])
{
	host_call(SYS_rt_tgsigqueueinfo, t->process->pid, t->tid, signal, info);
}

/* Stop. All signals are blocked, before and after. */
static void present(struct thread *t, enum trace_stop stop, int signal, uint64_t message)
{
	struct tracee *tracee = &t->tracee;
	const uint64_t mask = ALL_BUT_TRAP;

	tracee->signal = signal;
	tracee->message = message;
	tracee->has_early = tracee->is_gone = 0;
	tracee->is_presenting = 1;
	__atomic_store_n(&tracee->stop, stop, __ATOMIC_SEQ_CST);
	host_call(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
	host_trap();
	signal_block();
	__atomic_store_n(&tracee->stop, TRACE_RUNNING, __ATOMIC_SEQ_CST);
	tracee->is_presenting = 0;
	if (tracee->has_early)
		send_again(t, SIGTRAP, tracee->early_info);
	if (tracee->is_gone) {
		tracee->is_on = 0;
		tracee->has_news = 1;
		if (stop != TRACE_SIGNAL)
			tracee->signal = 0;
	}
	t->cpu.reserved_address = RISCV_NO_RESERVATION;
	trace_take_notes(t->process);
}

int tracee_signal(struct thread *t, int signal, uint8_t info[128], bool is_fault)
{
	struct tracee *tracee = &t->tracee;
	uint64_t mask = t->is_suspended ? t->suspended_mask : t->mask;
	int chosen;

	memcpy(tracee->info, info, sizeof(tracee->info));
	present(t, TRACE_SIGNAL, signal, 0);
	memcpy(info, tracee->info, sizeof(tracee->info));
	chosen = tracee->signal;
	/* Another one may be blocked: it waits. */
	if (!is_fault && chosen && mask & BIT(chosen) & ~UNBLOCKABLE) {
		send_again(t, chosen, info);
		return 0;
	}
	return chosen;
}

static int code_of(const struct thread *t, enum trace_stop stop)
{
	switch (stop) {
	case TRACE_EXEC:
		return SIGTRAP | PTRACE_EVENT_EXEC << 8;
	case TRACE_SECCOMP:
		return SIGTRAP | PTRACE_EVENT_SECCOMP << 8;
	default:
		return t->tracee.options & PTRACE_O_TRACESYSGOOD ? SIGTRAP | SYSCALL_GOOD : SIGTRAP;
	}
}

void tracee_stop(struct thread *t, enum trace_stop stop, uint64_t message)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = SIGTRAP;
	info.si_code = code_of(t, stop);
	info.si_pid = t->tid;
	info.si_uid = (uid_t)host_call(SYS_getuid);
	memcpy(t->tracee.info, &info, sizeof(t->tracee.info));
	signal_block();
	present(t, stop, 0, message);
	signal_unblock(t);
}

/* --- system calls ---------------------------------------------------------------------------- */

/* What the tracer has left of a call. False: it is not to be done. */
static bool read_call(struct thread *t, uint64_t *number, uint64_t a[6], int64_t *ret)
{
	const uint64_t *x = t->cpu.x;

	*number = x[17];
	a[0] = t->tracee.first_argument;
	memcpy(a + 1, x + 11, 5 * sizeof(*a));
	if ((int)*number != -1)
		return true;
	*ret = (int64_t)x[10];
	return false;
}

bool tracee_call_begins(struct thread *t, uint64_t *number, uint64_t a[6], int64_t *ret)
{
	t->tracee.in_call = 1;
	t->tracee.first_argument = a[0];
	if (!t->tracee.wants_calls)
		return true;
	tracee_stop(t, TRACE_ENTRY, MESSAGE_ENTRY);
	return read_call(t, number, a, ret);
}

bool tracee_seccomp(struct thread *t, uint32_t data, uint64_t *number, uint64_t a[6], int64_t *ret)
{
	tracee_stop(t, TRACE_SECCOMP, data);
	/* It has gone: as if it had not been there. */
	if (!t->tracee.is_on) {
		*ret = -ENOSYS;
		return false;
	}
	return read_call(t, number, a, ret);
}

void tracee_call_ends(struct thread *t, int64_t result)
{
	struct riscv_cpu *cpu = &t->cpu;
	bool is_restarting = result == RESTART_CALL || result == RETRY_CALL;

	t->tracee.in_call = 0;
	if (is_restarting)
		cpu->x[10] = t->tracee.first_argument;
	if (!t->tracee.is_on || !t->tracee.wants_calls)
		return;
	if (is_restarting) {
		const uint64_t result_seen = (uint64_t)-ERESTARTSYS, pc = cpu->pc + 4;

		cpu->x[10] = result_seen;
		cpu->pc = pc;
		tracee_stop(t, TRACE_EXIT, MESSAGE_EXIT);
		if (cpu->pc == pc)
			cpu->pc -= 4;
		if (cpu->x[10] == result_seen)
			cpu->x[10] = t->tracee.first_argument;
	} else {
		tracee_stop(t, TRACE_EXIT, MESSAGE_EXIT);
	}
}

/* --- beginning and ending -------------------------------------------------------------------- */

static void take_signals(struct process *process, bool has_tracee)
{
	process->has_tracee = has_tracee;
	signal_install_again(process, ~UNBLOCKABLE);
}

int64_t tracee_begin(struct thread *t)
{
	const struct debugger *debugger = t->process->debugger;
	int64_t r;

	if (debugger && debugger->pid == t->process->pid)
		return -EPERM;
	r = host_call(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0);
	if (r < 0)
		return r;
	t->tracee = (struct tracee){ .is_on = 1 };
	take_signals(t->process, true);
	return 0;
}

static bool is_any_traced(struct process *process)
{
	bool is_any = false;

	lock_take(&process->threads_lock);
	for (const struct thread *t = process->threads; t; t = t->next_thread)
		is_any |= t->tracee.is_on != 0;
	lock_release(&process->threads_lock);
	return is_any;
}

void tracee_attend(struct thread *t)
{
	struct process *process = t->process;

	t->tracee.has_news = 0;
	if (t->tracee.is_on && !process->has_tracee)
		take_signals(process, true);
	else if (!t->tracee.is_on && process->has_tracee && !is_any_traced(process))
		take_signals(process, false);
}

/* kernel/fork.c, kernel_clone(). */
void tracee_child(
	struct tracee *child, const struct tracee *parent, uint64_t flags, int exit_signal)
{
	uint32_t event = flags & CLONE_VFORK ? PTRACE_O_TRACEVFORK
		: exit_signal != SIGCHLD     ? PTRACE_O_TRACECLONE
					     : PTRACE_O_TRACEFORK;
	bool is_traced = parent->is_on && !(flags & CLONE_UNTRACED) &&
		((parent->options & event) || (flags & CLONE_PTRACE));

	*child = (struct tracee){ .has_news = parent->is_on };
	if (!is_traced)
		return;
	child->is_on = 1;
	/* What the kernel does at once, the child does when its registers are in order. */
	child->wants = parent->is_seized ? TRACE_WANTS_QUIET : SIGSTOP;
	memcpy(child->wanted_info, &(const siginfo_t){ .si_signo = SIGSTOP },
		sizeof(child->wanted_info));
	child->options = parent->options;
	child->is_seized = parent->is_seized;
	child->tracer = parent->tracer;
}

/* --- execve ---------------------------------------------------------------------------------- */

size_t tracee_describe(const struct thread *t, char word[TRACEE_WORD_MAX])
{
	const struct tracee *tracee = &t->tracee;

	if (!tracee->is_on)
		return 0;
	return (size_t)snprintf(word, TRACEE_WORD_MAX, WORD_FORMAT, tracee->options,
		tracee->is_seized, tracee->wants_calls, (unsigned)t->tid, t->mask, tracee->tracer);
}

/* The kernel's SIGTRAP of execve(2), which waits because all signals are blocked, would be one of
 * the translator: tracee_executed() makes the guest's. */
static void drop_exec_signal(const struct thread *t)
{
	const uint64_t trap = BIT(SIGTRAP);
	const struct timespec at_once = { 0 };
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	if (host_call(SYS_rt_sigtimedwait, &trap, &info, &at_once, sizeof(trap)) == SIGTRAP &&
		(info.si_code != SI_USER || info.si_pid != t->process->pid))
		send_again(t, SIGTRAP, (const uint8_t *)&info);
}

int tracee_restore(struct thread *t, const char *word)
{
	uint64_t values[6] = { 0 };
	char *end;

	for (size_t i = 0; i < 6; i++) {
		values[i] = strtoull(word, &end, 16);
		if (end == word || *end != (i < 5 ? ',' : '\0'))
			return -EINVAL;
		word = end + 1;
	}
	t->mask = values[4] & ~UNBLOCKABLE;
	t->tracee = (struct tracee){
		.is_on = 1,
		.options = (uint32_t)values[0],
		.is_seized = (uint32_t)values[1],
		.wants_calls = (uint32_t)values[2],
		.message = values[3],
		.tracer = values[5],
	};
	drop_exec_signal(t);
	take_signals(t->process, true);
	return 0;
}

static void report_as_signal(struct thread *t)
{
	siginfo_t info;
	uint8_t bytes[128] = { 0 };
	int chosen;

	memset(&info, 0, sizeof(info));
	info.si_signo = SIGTRAP;
	info.si_pid = t->tid;
	info.si_uid = (uid_t)host_call(SYS_getuid);
	memcpy(bytes, &info, sizeof(info) < sizeof(bytes) ? sizeof(info) : sizeof(bytes));
	signal_block();
	chosen = tracee_signal(t, SIGTRAP, bytes, false);
	if (chosen)
		send_again(t, chosen, bytes);
	signal_unblock(t);
}

/* fs/exec.c, exec_binprm(): the event, the end of the call, and where nobody has asked for the
 * event, a signal. */
void tracee_executed(struct thread *t)
{
	struct tracee *tracee = &t->tracee;
	bool is_event = (tracee->options & PTRACE_O_TRACEEXEC) != 0;

	if (!tracee->is_on)
		return;
	if (is_event)
		tracee_stop(t, TRACE_EXEC, tracee->message);
	if (tracee->is_on && tracee->wants_calls)
		tracee_stop(t, TRACE_EXIT, MESSAGE_EXIT);
	if (tracee->is_on && !is_event && !tracee->is_seized)
		report_as_signal(t);
	else
		signal_unblock(t);
}
