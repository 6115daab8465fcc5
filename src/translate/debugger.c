/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debugger.c - the guest's threads under a debugger: they stop, report, wait, and go on.
 */
#include "translate/debugger.h"

#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#define EXEC_WAIT_NS 1000000

#define BIT(signal) (UINT64_C(1) << ((signal)-1))

static bool is_debugged(const struct thread *t, const struct debugger *d)
{
	return t->process->pid == d->pid;
}

/* --- waiting --------------------------------------------------------------------------------- */

static uint32_t load(const uint32_t *value)
{
	return __atomic_load_n(value, __ATOMIC_SEQ_CST);
}

static void store(uint32_t *value, uint32_t new)
{
	__atomic_store_n(value, new, __ATOMIC_SEQ_CST);
}

/* Something that debugger_stop_all() or our thread may wait for. */
static void tell_change(struct debugger *d)
{
	__atomic_add_fetch(&d->changes, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&d->is_stopping, __ATOMIC_SEQ_CST))
		host_call(SYS_futex, &d->changes, FUTEX_WAKE_PRIVATE, 1);
}

static void park(struct debugger *d, struct thread *t)
{
	store(&t->debug.is_parked, 1);
	tell_change(d);
	while (load(&t->debug.hold))
		host_call(SYS_futex, &t->debug.hold, FUTEX_WAIT_PRIVATE, 1, 0);
	store(&t->debug.is_parked, 0);
}

void debugger_release(struct thread *t)
{
	store(&t->debug.hold, 0);
	host_call(SYS_futex, &t->debug.hold, FUTEX_WAKE_PRIVATE, INT_MAX);
}

/* Only one event at a time: false when there is another one. The caller waits in either case. */
static bool claim_event(struct debugger *d, struct thread *t, const struct debug_stop *stop)
{
	bool is_first;

	lock_take(&d->lock);
	is_first = !d->has_event && !load(&t->debug.hold);
	if (is_first) {
		d->has_event = true;
		d->is_told = false;
		d->event = *stop;
		d->reporter = t;
	}
	store(&t->debug.hold, 1);
	lock_release(&d->lock);
	if (is_first)
		host_call(SYS_tgkill, d->pid, d->tid, SIGBUS);
	return is_first;
}

/* Tell the debugger, and wait until it lets us go on: again, while others come first. False: it has
 * gone without an answer. */
static bool report(struct debugger *d, struct thread *t, const struct debug_stop *stop)
{
	bool is_told = false;

	while (!is_told && __atomic_load_n(&t->process->debugger, __ATOMIC_SEQ_CST)) {
		is_told = claim_event(d, t, stop);
		/* It may have gone in between, and has let go whom it has seen. */
		if (!__atomic_load_n(&t->process->debugger, __ATOMIC_SEQ_CST))
			break;
		park(d, t);
	}
	return __atomic_load_n(&t->process->debugger, __ATOMIC_SEQ_CST) != NULL;
}

/* --- guest code ------------------------------------------------------------------------------ */

struct debugger_breakpoint *debugger_find_breakpoint(struct debugger *d, uint64_t address)
{
	for (size_t i = 0; i < d->nr_breakpoints; i++)
		if (d->breakpoints[i].address == address)
			return &d->breakpoints[i];
	return NULL;
}

static bool copy_breakpoint(struct debugger *d, uint64_t address, struct debugger_breakpoint *ret)
{
	const struct debugger_breakpoint *found;

	lock_take(&d->lock);
	found = debugger_find_breakpoint(d, address);
	if (found)
		*ret = *found;
	lock_release(&d->lock);
	return found != NULL;
}

/* Another process with breakpoints that are not its own. */
static enum jit_stop run_beside(struct debugger *d, struct thread *t)
{
	struct debugger_breakpoint breakpoint;
	enum jit_stop stop;

	do {
		uint32_t word;

		stop = riscv_run(t->process->jit, &t->cpu);
		if (stop != JIT_STOP_BREAKPOINT || !copy_breakpoint(d, t->cpu.pc, &breakpoint))
			return stop;
		memcpy(&word, breakpoint.original, sizeof(word));
		stop = riscv_step(t->process->jit, &t->cpu, &word);
	} while (stop == JIT_STOP_LIMIT && !t->is_pending);
	return stop;
}

static bool is_in_range(const struct thread *t)
{
	return t->cpu.pc >= t->debug.range_start && t->cpu.pc < t->debug.range_end;
}

/* The first watchpoint that wants to know of writes and whose value is not what it was when it was
 * last looked at. */
static bool find_change(struct debugger *d, struct debugger_watchpoint *ret)
{
	uint8_t value[DEBUGGER_WATCHED_MAX];
	bool found = false;

	lock_take(&d->lock);
	for (size_t i = 0; i < d->nr_watchpoints; i++) {
		struct debugger_watchpoint *w = &d->watchpoints[i];

		if (w->type == DEBUG_WATCHPOINT_READ ||
			guest_copy_in(value, w->address, w->size) < 0 ||
			memcmp(value, w->value, w->size) == 0)
			continue;
		memcpy(w->value, value, w->size);
		if (!found)
			*ret = *w;
		found = true;
	}
	lock_release(&d->lock);
	return found;
}

/* Watchpoints come and go only while no guest code runs. Writes that change nothing are of no
 * interest to DEBUG_WATCHPOINT_WRITE. */
static void note_access(struct riscv_cpu *cpu, uint64_t address, uint64_t size, unsigned what)
{
	struct thread *t = container_of(cpu, struct thread, cpu);
	const struct debugger *d = t->process->debugger;

	for (size_t i = 0; d && !t->debug.accessed && i < d->nr_watchpoints; i++) {
		const struct debugger_watchpoint *w = &d->watchpoints[i];
		bool is_meant = w->type == DEBUG_WATCHPOINT_ACCESS ||
			(w->type == DEBUG_WATCHPOINT_READ && what & RISCV_READS);

		if (is_meant && address < w->address + w->size && w->address < address + size)
			t->debug.accessed = w;
	}
}

/* How guest code was left. */
struct outcome {
	enum jit_stop stop;
	bool is_watched; /* `met` has been */
	struct debugger_watchpoint met;
	struct debugger_breakpoint breakpoint; /* without users: none */
};

static void step_watched(struct debugger *d, struct thread *t, struct outcome *ret)
{
	t->debug.accessed = NULL;
	ret->stop = riscv_step(t->process->jit, &t->cpu, NULL);
	ret->is_watched = find_change(d, &ret->met);
	/* What faults has done nothing, or does it again. */
	if (ret->is_watched || !t->debug.accessed || ret->stop != JIT_STOP_LIMIT)
		return;
	ret->is_watched = true;
	ret->met = *t->debug.accessed;
}

static void run_watched(struct debugger *d, struct thread *t, struct outcome *ret)
{
	t->cpu.note_access = note_access;
	do {
		step_watched(d, t, ret);
	} while (ret->stop == JIT_STOP_LIMIT && !ret->is_watched && !t->debug.step &&
		!load(&t->debug.hold) && !t->is_pending);
	t->cpu.note_access = NULL;
}

static void run_guest(struct debugger *d, struct thread *t, struct outcome *ret)
{
	if (d->nr_watchpoints)
		run_watched(d, t, ret);
	else if (t->debug.step)
		ret->stop = riscv_step(t->process->jit, &t->cpu, NULL);
	else
		ret->stop = riscv_run(t->process->jit, &t->cpu);
	/* A debugger that calls a function lets it return to a breakpoint on the stack, which the
	 * guest cannot execute. */
	if (ret->stop == JIT_STOP_BREAKPOINT ||
		(ret->stop == JIT_STOP_FAULT && t->cpu.fault_address == t->cpu.pc))
		copy_breakpoint(d, t->cpu.pc, &ret->breakpoint);
}

/*
 * Run guest code unless the thread is held: then false. A breakpoint is looked up before the thread
 * counts as stopped: it may be removed from then on.
 */
static bool run_unless_held(struct debugger *d, struct thread *t, struct outcome *ret)
{
	bool is_held;

	*ret = (struct outcome){ 0 };
	store(&t->debug.is_running, 1);
	is_held = load(&t->debug.hold) != 0;
	if (!is_held)
		run_guest(d, t, ret);
	store(&t->debug.is_running, 0);
	tell_change(d);
	return !is_held;
}

/* When another event is first, this one happens again, if it still does. */
static void report_once(struct debugger *d, struct thread *t, enum debug_stop_kind kind)
{
	const struct debug_stop stop = {
		.kind = kind, .thread = (uint64_t)t->tid, .signal = SIGTRAP
	};

	claim_event(d, t, &stop);
	if (__atomic_load_n(&t->process->debugger, __ATOMIC_SEQ_CST))
		park(d, t);
}

static void report_watchpoint(
	struct debugger *d, struct thread *t, const struct debugger_watchpoint *met)
{
	const struct debug_stop stop = { .kind = DEBUG_STOP_WATCHPOINT,
		.thread = (uint64_t)t->tid,
		.signal = SIGTRAP,
		.watchpoint = met->type,
		.address = met->address };

	report(d, t, &stop);
}

/* Is there something to be told before guest code runs? */
static bool has_reported(struct debugger *d, struct thread *t)
{
	struct debugger_watchpoint met;

	/* A system call may have written there. */
	if (d->nr_watchpoints && find_change(d, &met)) {
		report_watchpoint(d, t, &met);
		return true;
	}
	if (!t->debug.step_done)
		return false;
	t->debug.step_done = false;
	if (is_in_range(t))
		return false;
	report_once(d, t, DEBUG_STOP_SIGNAL);
	return true;
}

/* What has happened in guest code, unless it is for the one who runs us. */
static bool has_settled(struct debugger *d, struct thread *t, const struct outcome *outcome)
{
	if (outcome->is_watched) {
		report_watchpoint(d, t, &outcome->met);
		return true;
	}
	if (outcome->breakpoint.users) {
		report_once(d, t,
			outcome->breakpoint.users & 1 << DEBUG_BREAKPOINT_SOFTWARE
				? DEBUG_STOP_BREAKPOINT
				: DEBUG_STOP_HARDWARE_BREAKPOINT);
		return true;
	}
	t->debug.step_done = t->debug.step && outcome->stop != JIT_STOP_INTERRUPT;
	return outcome->stop == JIT_STOP_LIMIT || outcome->stop == JIT_STOP_INTERRUPT;
}

static void meet(struct debugger *d, struct thread *t)
{
	if (t->debug.is_known)
		return;
	t->debug.is_known = true;
	if (d->is_partial)
		store(&t->debug.hold, 1);
}

enum jit_stop debugger_run(struct thread *t)
{
	struct debugger *d;

	while ((d = __atomic_load_n(&t->process->debugger, __ATOMIC_SEQ_CST))) {
		struct outcome outcome;

		if (!is_debugged(t, d))
			return run_beside(d, t);
		meet(d, t);
		if (load(&t->debug.hold)) {
			park(d, t);
			continue;
		}
		if (t->is_pending)
			return JIT_STOP_INTERRUPT;
		if (has_reported(d, t) || !run_unless_held(d, t, &outcome) ||
			has_settled(d, t, &outcome))
			continue;
		return outcome.stop;
	}
	return riscv_run(t->process->jit, &t->cpu);
}

/* --- signals and ends ------------------------------------------------------------------------ */

bool debugger_wants(const struct process *process, int signal)
{
	const struct debugger *d = process->debugger;

	return d && !(d->passed_signals & BIT(signal));
}

int debugger_signal(struct thread *t, int signal, const uint8_t info[128], bool is_fault)
{
	struct debugger *d = t->process->debugger;
	const struct debug_stop stop = {
		.kind = DEBUG_STOP_SIGNAL, .thread = (uint64_t)t->tid, .signal = signal
	};

	if (!d || !is_debugged(t, d))
		return signal;
	if ((t->debug.injected | d->passed_signals) & BIT(signal)) {
		t->debug.injected &= ~BIT(signal);
		return signal;
	}
	memcpy(t->debug.info, info, sizeof(t->debug.info));
	t->debug.has_info = true;
	t->debug.signal = 0;
	t->debug.in_signal = true;
	if (report(d, t, &stop))
		signal = t->debug.signal;
	else if (is_fault)
		signal = 0;
	t->debug.in_signal = false;
	t->debug.has_info = false;
	return signal;
}

static void report_end(struct thread *t, const struct debug_stop *stop)
{
	struct debugger *d = t->process->debugger;

	if (d && is_debugged(t, d))
		report(d, t, stop);
}

void debugger_exit(struct thread *t, int status)
{
	report_end(t,
		&(struct debug_stop){
			.kind = DEBUG_STOP_EXITED, .thread = (uint64_t)t->tid, .status = status });
}

void debugger_die(struct thread *t, int signal)
{
	report_end(t,
		&(struct debug_stop){
			.kind = DEBUG_STOP_KILLED, .thread = (uint64_t)t->tid, .signal = signal });
}

/* Of the threads that are left: does one go on? `lock` taken. */
static bool does_any_go_on(struct process *process, int *ret_first)
{
	bool goes_on = false;

	*ret_first = 0;
	lock_take(&process->threads_lock);
	for (const struct thread *t = process->threads; t; t = t->next_thread) {
		goes_on |= !load(&t->debug.hold);
		*ret_first = t->tid;
	}
	lock_release(&process->threads_lock);
	return goes_on;
}

/* When the debugger has let only this one go on, nothing would ever happen: tell it. False: there
 * is no other thread. */
static bool leave_others(struct debugger *d, struct thread *t)
{
	bool is_new;
	int first;

	lock_take(&d->lock);
	is_new = !does_any_go_on(t->process, &first) && first && !d->has_event;
	if (is_new) {
		d->has_event = true;
		d->is_told = false;
		d->event = (struct debug_stop){ .kind = DEBUG_STOP_SIGNAL,
			.thread = (uint64_t)first };
		d->reporter = NULL;
	}
	if (!first)
		d->last = t;
	lock_release(&d->lock);
	if (is_new)
		host_call(SYS_tgkill, d->pid, d->tid, SIGBUS);
	return first != 0;
}

void debugger_thread_end(struct thread *t, int status)
{
	struct debugger *d = t->process->debugger;

	if (!d || !is_debugged(t, d))
		return;
	tell_change(d);
	if (leave_others(d, t))
		return;
	/* Our own thread would keep the process. Its status is that of the thread that ends last,
	 * as in kernels that have synchronize_group_exit() (kernel/exit.c). */
	debugger_exit(t, status);
	for (;;)
		host_call(SYS_exit_group, status);
}

/* Until what another thread has reported is over: nothing else is told from then on. */
static void claim_silence(struct debugger *d, struct thread *t)
{
	const struct timespec wait = { .tv_nsec = EXEC_WAIT_NS };

	for (;;) {
		bool is_free;

		lock_take(&d->lock);
		is_free = !d->has_event;
		if (is_free) {
			d->has_event = d->is_told = true;
			d->executing = t;
		}
		lock_release(&d->lock);
		if (is_free)
			return;
		if (load(&t->debug.hold))
			park(d, t);
		else
			host_call(SYS_nanosleep, &wait, NULL);
	}
}

size_t debugger_describe(struct thread *t, char word[DEBUGGER_WORD_MAX])
{
	struct process *process = t->process;
	struct debugger *d = process->debugger;

	if (process->connection_fd < 0)
		return 0;
	if (!d || !debug_session_knows_exec(d->session)) {
		host_call(SYS_close, process->connection_fd);
		process->connection_fd = -1;
		return 0;
	}
	claim_silence(d, t);
	return (size_t)snprintf(word, DEBUGGER_WORD_MAX, DEBUGGER_WORD_WRITE,
		process->connection_fd, debug_session_save(d->session), d->passed_signals);
}

void debugger_after_failed_exec(struct thread *t)
{
	struct debugger *d = t->process->debugger;

	if (!d || d->executing != t)
		return;
	lock_take(&d->lock);
	d->executing = NULL;
	d->has_event = false;
	/* Those that wanted to report do it now. */
	lock_take(&t->process->threads_lock);
	for (struct thread *other = t->process->threads; other && !d->is_partial;
		other = other->next_thread)
		debugger_release(other);
	lock_release(&t->process->threads_lock);
	lock_release(&d->lock);
}

void debugger_before_fork(struct process *process)
{
	if (process->debugger)
		lock_take(&process->debugger->lock);
}

void debugger_after_fork(struct process *process, bool is_child)
{
	if (process->debugger)
		lock_release(&process->debugger->lock);
	if (is_child && process->connection_fd >= 0) {
		host_call(SYS_close, process->connection_fd);
		process->connection_fd = -1;
	}
}

/* --- for our thread -------------------------------------------------------------------------- */

struct thread *debugger_lock_thread(struct debugger *d, uint64_t id)
{
	struct thread *t;

	lock_take(&d->process->threads_lock);
	for (t = d->process->threads; t; t = t->next_thread)
		if (t->tid && (uint64_t)t->tid == id)
			return t;
	lock_release(&d->process->threads_lock);
	return NULL;
}

void debugger_unlock_threads(struct debugger *d)
{
	lock_release(&d->process->threads_lock);
}

/* Hold all; how many are in guest code? */
static unsigned hold_all(struct debugger *d)
{
	unsigned nr = 0;

	lock_take(&d->process->threads_lock);
	for (struct thread *t = d->process->threads; t; t = t->next_thread) {
		t->debug.is_known = true;
		store(&t->debug.hold, 1);
		if (!load(&t->debug.is_running))
			continue;
		__atomic_fetch_or(&t->cpu.interrupt, 1, __ATOMIC_SEQ_CST);
		nr++;
	}
	lock_release(&d->process->threads_lock);
	return nr;
}

void debugger_stop_all(struct debugger *d)
{
	__atomic_store_n(&d->is_stopping, true, __ATOMIC_SEQ_CST);
	/* Those that come into being from now on hold themselves. */
	__atomic_store_n(&d->is_partial, true, __ATOMIC_SEQ_CST);
	for (;;) {
		uint32_t changes = load(&d->changes);

		if (!hold_all(d))
			break;
		host_call(SYS_futex, &d->changes, FUTEX_WAIT_PRIVATE, changes, 0);
	}
	__atomic_store_n(&d->is_stopping, false, __ATOMIC_SEQ_CST);
}
