/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signal.c - signals of the host become the guest's.
 *
 * A signal that the guest ignores or leaves to its default is ignored or left by the host: the
 * kernel does what is to be done, and the parent sees it. For one that the guest handles, a handler
 * of ours is installed. It keeps the signal in the thread, blocks all others in the context that it
 * returns to, and makes guest code stop; the guest's frame is made by signal_deliver() between two
 * instructions, which opens the host's mask again. So one place for one signal is enough, and what
 * has not been taken yet waits in the kernel, where sigpending(2), signalfd(2) and sigtimedwait(2)
 * find it.
 *
 * The host's mask is the guest's without SIGSEGV and SIGBUS, which the guest's memory accesses and
 * our copies need. When somebody sends one of these two while the guest blocks it, it is held here
 * (`held`) until the guest unblocks it.
 *
 * Of a process that is traced, all signals come to us, for its tracer to be asked first (ptrace.h).
 *
 * Everything that opens the host's mask must make sure first that no signal is kept: it goes
 * through host_call_blocking(), which does nothing when there is one, or blocks all before it
 * looks.
 */
#include "translate/signal.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#include "translate/debugger.h"
#include "translate/host.h"
#include "translate/ptrace.h"

#define ACTION_DEFAULT 0
#define ACTION_IGNORE  1
#define SA_RESTORER_   0x04000000u
#define AUTODISARM     (1u << 31) /* of sigaltstack(2) */
#define MIN_STACK      2048 /* MINSIGSTKSZ of asm-generic */

#define BIT(signal) (UINT64_C(1) << ((signal)-1))
#define FAULTS	    (BIT(SIGSEGV) | BIT(SIGBUS))
#define UNBLOCKABLE (BIT(SIGKILL) | BIT(SIGSTOP))
/* What does nothing by default, or stops and continues: never an end. */
#define HARMLESS (BIT(SIGCHLD) | BIT(SIGURG) | BIT(SIGWINCH) | BIT(SIGCONT))
#define STOPS	 (BIT(SIGTSTP) | BIT(SIGTTIN) | BIT(SIGTTOU))

/* What rt_sigaction(2) of the host takes. */
struct host_action {
	uint64_t handler, flags;
	void (*restorer)(void);
	uint64_t mask;
};

static void set_host_mask(uint64_t mask)
{
	mask &= ~FAULTS;
	host_call(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
}

void signal_block(void)
{
	set_host_mask(~UINT64_C(0));
}

void signal_unblock(struct thread *t)
{
	if (!t->is_pending)
		set_host_mask(t->mask);
}

/* --- our handler ----------------------------------------------------------------------------- */

static uint64_t *context_mask(ucontext_t *context)
{
	return (uint64_t *)(void *)&context->uc_sigmask;
}

/* A fault in our own code, or one the guest must not survive: let it happen again without us. */
static void give_up(int signal)
{
	const struct host_action action = { .handler = ACTION_DEFAULT };

	host_call(SYS_rt_sigaction, signal, &action, NULL, sizeof(action.mask));
}

static void hold(struct thread *t, int signal, const siginfo_t *info)
{
	int which = signal == SIGBUS;

	memcpy(t->held_info[which], info, sizeof(t->held_info[which]));
	t->held |= BIT(signal);
	if (t->tracee.is_told)
		t->held_told |= BIT(signal);
	t->tracee.is_told = 0;
	if (t->mask & BIT(signal))
		return;
	t->is_pending = 1;
	t->cpu.interrupt = 1;
}

/* Of the debugger's or a tracer's: whatever the thread does, it is to come where it can be held. */
static void leave_call(struct thread *t, ucontext_t *context)
{
	if (!t)
		return;
	t->is_pending = 1;
	t->cpu.interrupt = 1;
	host_interrupt_call(context);
}

static bool is_kick(const siginfo_t *info)
{
	return info->si_code == DEBUGGER_KICK || info->si_code == TRACE_KICK;
}

static bool is_own_fault(const struct thread *t, int signal, const siginfo_t *info)
{
	return info->si_code > 0 && info->si_code != SI_KERNEL && !t->tracee.is_told &&
		(signal == SIGILL || signal == SIGFPE || signal == SIGTRAP);
}

/* A trap of tracee_stop()'s, or what has come in beside it; else nothing has been done. */
static bool is_of_stop(struct thread *t, int signal, siginfo_t *info, const ucontext_t *context)
{
	struct tracee *tracee = &t->tracee;

	if (signal != SIGTRAP || !tracee->is_presenting)
		return false;
	if (host_is_trap(context) && info->si_code == SI_KERNEL) {
		tracee->is_gone = 1;
		return true;
	}
	memcpy(tracee->early_info, info, sizeof(tracee->early_info));
	tracee->has_early = 1;
	return true;
}

static void keep(struct thread *t, int signal, const siginfo_t *info)
{
	memcpy(t->pending_info, info, sizeof(t->pending_info));
	t->pending_signal = signal;
	t->pending_is_told = t->tracee.is_told;
	t->tracee.is_told = 0;
	t->is_pending = 1;
	t->cpu.interrupt = 1;
}

static void handle(int signal, siginfo_t *info, void *argument)
{
	struct thread *t = thread_current();
	ucontext_t *context = argument;

	if (BIT(signal) & FAULTS) {
		if (is_kick(info)) {
			leave_call(t, context);
			return;
		}
		if (info->si_code > 0) {
			if (!host_end_copy(context) && !(t && riscv_fault(&t->cpu, info, context)))
				give_up(signal);
			return;
		}
		if (t)
			hold(t, signal, info);
	} else {
		if (!t || is_of_stop(t, signal, info, context))
			return;
		/* A fault of our own code in the guise of one of the guest's. */
		if (is_own_fault(t, signal, info)) {
			give_up(signal);
			return;
		}
		keep(t, signal, info);
	}
	if (t && t->is_pending) {
		*context_mask(context) = ~FAULTS;
		host_interrupt_call(context);
	}
}

/* Would the signal end the process, and is there a debugger to see it first? Or a tracer, which
 * sees all. */
static bool is_watched(
	const struct process *process, int signal, const struct signal_action *action)
{
	if (process->has_tracee)
		return true;
	return action->handler == ACTION_DEFAULT &&
		!(BIT(signal) & (HARMLESS | STOPS | UNBLOCKABLE)) &&
		debugger_wants(process, signal);
}

/* Make the host's action what the guest's needs. */
static int64_t install(
	const struct process *process, int signal, const struct signal_action *action)
{
	struct host_action host = { .handler = action->handler,
		.flags = (action->flags & (SA_NOCLDSTOP | SA_NOCLDWAIT)) | SA_RESTORER_,
		.restorer = host_signal_return,
		.mask = ~FAULTS };

	if (action->handler > ACTION_IGNORE || (BIT(signal) & FAULTS) ||
		is_watched(process, signal, action)) {
		/* Who ignores SIGCHLD has no zombies. */
		if (signal == SIGCHLD && action->handler == ACTION_IGNORE)
			host.flags |= SA_NOCLDWAIT;
		host.handler = (uint64_t)(uintptr_t)handle;
		host.flags |= SA_SIGINFO | SA_ONSTACK | SA_RESTART;
	}
	return host_call(SYS_rt_sigaction, signal, &host, NULL, sizeof(host.mask));
}

/* What this process was started with is asked for when it is first of interest: only a call of the
 * guest's changes it. Lock held. */
static struct signal_action *action_of(struct process *process, int signal)
{
	struct signal_action *action = &process->actions[signal];
	struct host_action host = { 0 };

	if (!(process->known_actions & BIT(signal)) &&
		host_call(SYS_rt_sigaction, signal, NULL, &host, sizeof(host.mask)) == 0 &&
		host.handler == ACTION_IGNORE)
		action->handler = ACTION_IGNORE;
	process->known_actions |= BIT(signal);
	return action;
}

void signal_init(struct process *process)
{
	install(process, SIGBUS, action_of(process, SIGBUS));
	install(process, SIGSEGV, action_of(process, SIGSEGV));
}

void signal_install_again(struct process *process, uint64_t signals)
{
	lock_take(&process->actions_lock);
	for (int signal = 1; signal <= SIGNALS; signal++)
		if (signals & BIT(signal))
			install(process, signal, action_of(process, signal));
	lock_release(&process->actions_lock);
}

void signal_init_thread(struct thread *t, void *stack, size_t size)
{
	const stack_t alternate = { .ss_sp = stack, .ss_size = size };

	host_call(SYS_sigaltstack, &alternate, NULL);
}

/* Signals whose action of the host tells nothing of the guest's. */
static uint64_t taken_over(const struct process *process)
{
	return process->has_tracee ? ~UNBLOCKABLE : FAULTS;
}

void signal_before_exec(struct thread *t)
{
	uint64_t signals = taken_over(t->process);

	if (t->process->has_tracee)
		signal_block();
	for (int signal = 1; signal <= SIGNALS; signal++) {
		const struct host_action action = {
			.handler = t->process->actions[signal].handler == ACTION_IGNORE
		};

		if (signals & BIT(signal))
			host_call(SYS_rt_sigaction, signal, &action, NULL, sizeof(action.mask));
	}
}

void signal_after_failed_exec(struct thread *t)
{
	signal_install_again(t->process, taken_over(t->process));
	if (t->process->has_tracee)
		signal_unblock(t);
}

/* --- delivery -------------------------------------------------------------------------------- */

void signal_die(int signal)
{
	uint64_t mask = ~BIT(signal);
	struct thread *t = thread_current();

	if (t && t->process->debugger)
		debugger_die(t, signal);
	if (t)
		t->tracee.passing = signal;
	give_up(signal);
	host_call(SYS_tgkill, host_call(SYS_getpid), host_call(SYS_gettid), signal);
	host_call(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
	for (;;)
		host_call(SYS_exit_group, 128 + signal);
}

/* Be stopped by the kernel as by this signal, and go on when it is continued. All are blocked. */
static void stop_process(struct thread *t, int signal)
{
	uint64_t mask = ~(FAULTS | BIT(signal));

	t->tracee.passing = signal;
	t->tracee.is_still = 1;
	if (signal != SIGSTOP)
		give_up(signal);
	host_call(SYS_tgkill, host_call(SYS_getpid), host_call(SYS_gettid), signal);
	host_call(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
	signal_block();
	t->tracee.is_still = 0;
	t->tracee.passing = 0;
	if (signal != SIGSTOP)
		signal_install_again(t->process, BIT(signal));
}

void signal_set_suspended(struct thread *t, uint64_t mask)
{
	t->is_suspended = true;
	t->suspended_mask = mask & ~UNBLOCKABLE;
}

bool signal_is_on_alternate(const struct thread *t)
{
	uint64_t sp = t->cpu.x[2];

	return !(t->alternate_flags & (SS_DISABLE | AUTODISARM)) && sp > t->alternate_stack &&
		sp - t->alternate_stack <= t->alternate_size;
}

/* An interrupted call is over, or done again behind the handler. */
static void settle_call(struct thread *t, uint64_t flags)
{
	if (t->is_restarting && !(flags & SA_RESTART)) {
		t->cpu.x[10] = (uint64_t)-EINTR;
		t->cpu.pc += 4;
	}
	t->is_restarting = false;
}

/* Run the guest's handler; all signals are blocked. */
static int push(struct thread *t, int signal, const uint8_t *info, const struct signal_action *act)
{
	uint64_t top = t->cpu.x[2], old = t->mask;
	int r;

	settle_call(t, act->flags);
	if ((act->flags & SA_ONSTACK) && !(t->alternate_flags & SS_DISABLE) &&
		!signal_is_on_alternate(t))
		top = t->alternate_stack + t->alternate_size;
	r = signal_frame_push(t, top, signal, info, old, act->handler);
	if (r < 0)
		return r;
	t->mask = (t->is_suspended ? t->suspended_mask : old) | act->mask;
	if (!(act->flags & SA_NODEFER))
		t->mask |= BIT(signal);
	t->mask &= ~UNBLOCKABLE;
	t->is_suspended = false;
	if (t->alternate_flags & AUTODISARM) {
		t->alternate_stack = t->alternate_size = 0;
		t->alternate_flags = SS_DISABLE;
	}
	return 0;
}

/* The action, taken: one of SA_RESETHAND is gone. */
static struct signal_action take_action(struct process *process, int signal)
{
	struct signal_action *action, taken;

	lock_take(&process->actions_lock);
	action = action_of(process, signal);
	taken = *action;
	if (taken.handler > ACTION_IGNORE && (taken.flags & SA_RESETHAND)) {
		action->handler = ACTION_DEFAULT;
		install(process, signal, action);
	}
	lock_release(&process->actions_lock);
	return taken;
}

/* The debugger may want another signal in its place, or none: 0. */
static int ask_debugger(struct thread *t, int signal, uint8_t info[128], bool is_fault)
{
	int chosen = debugger_signal(t, signal, info, is_fault);

	if (chosen != signal) {
		memset(info, 0, 128);
		memcpy(info, &chosen, sizeof(chosen)); /* si_signo */
	}
	return chosen;
}

static void deliver(struct thread *t, int signal, uint8_t info[128], bool is_told)
{
	struct signal_action action;

	if (t->tracee.is_on && !is_told)
		signal = tracee_signal(t, signal, info, false);
	else if (t->process->debugger)
		signal = ask_debugger(t, signal, info, false);
	if (!signal)
		return;
	action = take_action(t->process, signal);
	if (action.handler == ACTION_IGNORE ||
		(action.handler == ACTION_DEFAULT && (BIT(signal) & HARMLESS)))
		return;
	if (action.handler == ACTION_DEFAULT) {
		/* Its action has changed since it came, or a tracer wants it. */
		if (BIT(signal) & (STOPS | BIT(SIGSTOP)))
			stop_process(t, signal);
		else
			signal_die(signal);
		return;
	}
	if (push(t, signal, info, &action) < 0)
		signal_fault(t, SIGSEGV, SI_KERNEL, 0);
}

/* What a tracer has taken in the kernel's place, to be seen by it once we are here. */
static void deliver_wanted(struct thread *t)
{
	int wanted = __atomic_exchange_n(&t->tracee.wants, 0, __ATOMIC_SEQ_CST);
	uint8_t info[128];

	if (wanted == TRACE_WANTS_QUIET) {
		tracee_stop(t, TRACE_QUIET, 0);
		signal_block();
	} else if (wanted > 0) {
		memcpy(info, t->tracee.wanted_info, sizeof(info));
		deliver(t, wanted, info, false);
	}
}

void signal_deliver(struct thread *t)
{
	uint8_t info[128];
	int signal;

	signal_block();
	t->is_pending = 0;
	t->cpu.interrupt = 0;
	if (t->tracee.has_news)
		tracee_attend(t);
	signal = t->pending_signal;
	if (signal) {
		memcpy(info, t->pending_info, sizeof(info));
		t->pending_signal = 0;
		deliver(t, signal, info, t->pending_is_told);
	}
	if (t->tracee.wants)
		deliver_wanted(t);
	for (signal = SIGBUS; signal <= SIGSEGV; signal += SIGSEGV - SIGBUS) {
		if (!(t->held & BIT(signal) & ~t->mask))
			continue;
		memcpy(info, t->held_info[signal == SIGBUS], sizeof(info));
		t->held &= ~BIT(signal);
		deliver(t, signal, info, (t->held_told & BIT(signal)) != 0);
		t->held_told &= ~BIT(signal);
	}
	t->is_restarting = false;
	signal_unblock(t);
}

void signal_fault(struct thread *t, int signal, int code, uint64_t address)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = signal;
	info.si_code = code;
	info.si_addr = guest_pointer(address);
	signal_force(t, &info);
}

void signal_force(struct thread *t, const siginfo_t *info)
{
	struct signal_action action;
	int signal = info->si_signo;
	uint8_t bytes[128];

	signal_block();
	memcpy(bytes, info, sizeof(bytes));
	if (t->tracee.is_on)
		signal = tracee_signal(t, signal, bytes, true);
	else if (t->process->debugger)
		signal = ask_debugger(t, signal, bytes, true);
	if (signal && signal != info->si_signo) {
		deliver(t, signal, bytes, true);
	} else if (signal) {
		action = take_action(t->process, signal);
		if (action.handler <= ACTION_IGNORE || (t->mask & BIT(signal)) ||
			push(t, signal, bytes, &action) < 0)
			signal_die(signal);
	}
	signal_unblock(t);
}

/* --- system calls ---------------------------------------------------------------------------- */

static int64_t change_action(struct process *process, int signal, const struct signal_action *new,
	struct signal_action *ret_old)
{
	struct signal_action *action;
	int64_t r = 0;

	lock_take(&process->actions_lock);
	action = action_of(process, signal);
	*ret_old = *action;
	if (new) {
		r = install(process, signal, new);
		if (r == 0) {
			*action = *new;
			action->mask &= ~UNBLOCKABLE;
		}
	}
	lock_release(&process->actions_lock);
	return r;
}

int64_t call_rt_sigaction(struct thread *t, const uint64_t a[6])
{
	struct signal_action new, old;
	int signal = (int)a[0];
	int64_t r;

	if (a[3] != sizeof(uint64_t) || signal < 1 || signal > SIGNALS ||
		(a[1] && (BIT(signal) & UNBLOCKABLE)))
		return -EINVAL;
	if (a[1] && guest_copy_in(&new, a[1], sizeof(new)) < 0)
		return -EFAULT;
	r = change_action(t->process, signal, a[1] ? &new : NULL, &old);
	if (r == 0 && a[2])
		r = guest_copy_out(a[2], &old, sizeof(old));
	return r;
}

/* What the host cannot know: pending faults that have become unblocked. */
static void look_at_held(struct thread *t)
{
	if (t->held & ~t->mask) {
		t->is_pending = 1;
		t->cpu.interrupt = 1;
	}
}

/* Change both masks unless a signal is kept, which comes first: RETRY_CALL. */
static int64_t change_mask(struct thread *t, uint64_t mask)
{
	uint64_t host = mask & ~FAULTS;
	int64_t r = host_call_blocking(
		t, SYS_rt_sigprocmask, SIG_SETMASK, &host, NULL, sizeof(host));

	if (r == RETRY_CALL)
		return r;
	t->mask = mask & ~UNBLOCKABLE;
	look_at_held(t);
	return 0;
}

int64_t call_rt_sigprocmask(struct thread *t, const uint64_t a[6])
{
	uint64_t set, old = t->mask, new;
	int64_t r;

	if (a[3] != sizeof(set))
		return -EINVAL;
	if (a[1]) {
		if (guest_copy_in(&set, a[1], sizeof(set)) < 0)
			return -EFAULT;
		switch ((int)a[0]) {
		case SIG_BLOCK:
			new = old | set;
			break;
		case SIG_UNBLOCK:
			new = old & ~set;
			break;
		case SIG_SETMASK:
			new = set;
			break;
		default:
			return -EINVAL;
		}
		r = change_mask(t, new);
		if (r < 0)
			return r;
	}
	return a[2] ? guest_copy_out(a[2], &old, sizeof(old)) : 0;
}

int64_t call_rt_sigreturn(struct thread *t, const uint64_t a[6])
{
	struct riscv_cpu cpu = t->cpu;
	uint64_t mask, stack[3];
	int64_t r;

	if (signal_frame_pop(t, &cpu, &mask, stack) < 0) {
		signal_fault(t, SIGSEGV, SI_KERNEL, 0);
		return NO_RESULT;
	}
	r = change_mask(t, mask);
	if (r < 0)
		return r;
	cpu.interrupt = t->cpu.interrupt;
	t->cpu = cpu;
	/* A signal that has come in between has set it in what was overwritten. */
	if (t->is_pending)
		t->cpu.interrupt = 1;
	signal_set_alternate(t, stack);
	return NO_RESULT;
}

int64_t call_rt_sigsuspend(struct thread *t, const uint64_t a[6])
{
	uint64_t mask;
	int64_t r;

	if (a[1] != sizeof(mask))
		return -EINVAL;
	if (guest_copy_in(&mask, a[0], sizeof(mask)) < 0)
		return -EFAULT;
	if (t->held & ~mask) {
		t->is_pending = 1;
		signal_set_suspended(t, mask);
		return -EINTR;
	}
	r = host_call_blocking(t, SYS_rt_sigsuspend, &mask, sizeof(mask));
	if (r == RETRY_CALL)
		return r;
	signal_set_suspended(t, mask);
	return r;
}

int64_t call_rt_sigpending(struct thread *t, const uint64_t a[6])
{
	uint64_t pending = 0;
	int64_t r;

	if (a[1] > sizeof(pending))
		return -EINVAL;
	r = host_call(SYS_rt_sigpending, &pending, sizeof(pending));
	pending |= t->held & t->mask;
	return r < 0 ? r : guest_copy_out(a[0], &pending, a[1]);
}

int64_t signal_set_alternate(struct thread *t, const uint64_t stack[3])
{
	uint32_t flags = (uint32_t)stack[1], mode = flags & ~AUTODISARM;

	if (signal_is_on_alternate(t))
		return -EPERM;
	if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
		return -EINVAL;
	if (mode == SS_DISABLE) {
		t->alternate_stack = t->alternate_size = 0;
		t->alternate_flags = (flags & AUTODISARM) | SS_DISABLE;
		return 0;
	}
	if (stack[2] < MIN_STACK)
		return -ENOMEM;
	t->alternate_stack = stack[0];
	t->alternate_size = stack[2];
	t->alternate_flags = flags & AUTODISARM;
	return 0;
}

int64_t call_sigaltstack(struct thread *t, const uint64_t a[6])
{
	uint64_t new[3];
	const uint64_t old[3] = { t->alternate_stack,
		signal_is_on_alternate(t) ? (t->alternate_flags & AUTODISARM) | SS_ONSTACK
					  : t->alternate_flags,
		t->alternate_size };
	int64_t r = 0;

	if (a[0]) {
		if (guest_copy_in(new, a[0], sizeof(new)) < 0)
			return -EFAULT;
		r = signal_set_alternate(t, new);
	}
	if (r == 0 && a[1])
		r = guest_copy_out(a[1], old, sizeof(old));
	return r;
}
