/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debugger-target.c - the guest as a target of debug/: its threads, going on, and what it is.
 *
 * All of this is called by our thread while no guest code runs (debugger.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "translate/debugger.h"
#include "translate/signal.h"

#define BIT(signal) (UINT64_C(1) << ((signal)-1))

struct debugger *debugger_of(struct debug_target *target)
{
	return container_of(target, struct debugger, target);
}

static int send_bytes(struct debug_target *target, const void *bytes, size_t size)
{
	const char *at = bytes;

	while (size) {
		int64_t n = host_call(
			SYS_sendto, debugger_of(target)->connection, at, size, MSG_NOSIGNAL);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return n ? (int)n : -EPIPE;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

/* --- threads --------------------------------------------------------------------------------- */

static uint64_t next_thread(struct debug_target *target, uint64_t previous)
{
	struct process *process = debugger_of(target)->process;
	uint64_t next = 0;

	lock_take(&process->threads_lock);
	for (struct thread *t = process->threads; t; t = t->next_thread) {
		uint64_t id = (uint64_t)t->tid;

		if (id > previous && (!next || id < next))
			next = id;
	}
	lock_release(&process->threads_lock);
	return next;
}

static int name_thread(struct debug_target *target, uint64_t thread, char *buffer, size_t size)
{
	char path[64];
	int64_t fd, n;

	snprintf(path, sizeof(path), "/proc/self/task/%lu/comm", (unsigned long)thread);
	fd = host_call(SYS_openat, AT_FDCWD, path, 0);
	if (fd < 0)
		return (int)fd;
	n = host_call(SYS_read, fd, buffer, size - 1);
	host_call(SYS_close, fd);
	if (n <= 0)
		return -ENOENT;
	buffer[n] = '\0';
	buffer[strcspn(buffer, "\n")] = '\0';
	return 0;
}

/* --- going on -------------------------------------------------------------------------------- */

static const struct debug_resume *find_resume(
	const struct thread *t, const struct debug_resume *resumes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (resumes[i].thread == DEBUG_ALL_THREADS || resumes[i].thread == (uint64_t)t->tid)
			return &resumes[i];
	return NULL;
}

static void resume_thread(struct debugger *d, struct thread *t, const struct debug_resume *resume)
{
	bool is_in_call = !__atomic_load_n(&t->debug.is_parked, __ATOMIC_SEQ_CST);

	t->debug.is_known = true;
	t->debug.step = resume->step;
	t->debug.range_start = resume->range_start;
	t->debug.range_end = resume->range_end;
	/* The system call is the instruction that is executed. */
	t->debug.step_done = resume->step && is_in_call;
	if (t->debug.in_signal) {
		t->debug.signal = resume->signal;
	} else if (resume->signal) {
		t->debug.injected |= BIT(resume->signal);
		host_call(SYS_tgkill, d->pid, t->tid, resume->signal);
	}
	debugger_release(t);
}

static void resume(struct debug_target *target, const struct debug_resume *resumes, size_t count)
{
	struct debugger *d = debugger_of(target);
	bool is_partial = false;

	debugger_refresh_watchpoints(d);
	lock_take(&d->lock);
	d->has_event = false;
	d->reporter = NULL;
	lock_take(&d->process->threads_lock);
	for (struct thread *t = d->process->threads; t; t = t->next_thread)
		is_partial |= !find_resume(t, resumes, count);
	__atomic_store_n(&d->is_partial, is_partial, __ATOMIC_SEQ_CST);
	for (struct thread *t = d->process->threads; t; t = t->next_thread) {
		const struct debug_resume *found = find_resume(t, resumes, count);

		if (found)
			resume_thread(d, t, found);
	}
	if (d->last)
		debugger_release(d->last);
	lock_release(&d->process->threads_lock);
	lock_release(&d->lock);
}

/* The debugger thinks of the one that it was told about last, if that one is there. */
static void interrupt(struct debug_target *target)
{
	struct debugger *d = debugger_of(target);
	uint64_t last = d->event.thread;

	if (!last || next_thread(target, last - 1) != last)
		last = next_thread(target, 0);
	lock_take(&d->lock);
	if (!d->has_event) {
		d->has_event = true;
		d->is_told = false;
		d->event = (struct debug_stop){
			.kind = DEBUG_STOP_SIGNAL, .thread = last, .signal = SIGINT
		};
		d->reporter = NULL;
	}
	lock_release(&d->lock);
}

static void pass_signals(struct debug_target *target, uint64_t signals)
{
	struct debugger *d = debugger_of(target);
	uint64_t changed = d->passed_signals ^ signals;

	d->passed_signals = signals;
	signal_install_again(d->process, changed);
}

static void detach(struct debug_target *target)
{
	struct debugger *d = debugger_of(target);

	debugger_stop_all(d);
	debugger_remove_breakpoints(d);
	__atomic_store_n(&d->process->debugger, NULL, __ATOMIC_SEQ_CST);
	signal_install_again(d->process, ~UINT64_C(0));
	lock_take(&d->lock);
	lock_take(&d->process->threads_lock);
	for (struct thread *t = d->process->threads; t; t = t->next_thread)
		debugger_release(t);
	if (d->last)
		debugger_release(d->last);
	lock_release(&d->process->threads_lock);
	lock_release(&d->lock);
}

static void kill_process(struct debug_target *target)
{
	for (;;)
		host_call(SYS_kill, debugger_of(target)->pid, SIGKILL);
}

/* --- what programs have ---------------------------------------------------------------------- */

static int64_t read_part(
	const void *from, size_t size, uint64_t offset, void *buffer, size_t wanted)
{
	if (offset >= size)
		return 0;
	if (wanted > size - offset)
		wanted = size - offset;
	memcpy(buffer, (const char *)from + offset, wanted);
	return (int64_t)wanted;
}

static int64_t read_auxv(struct debug_target *target, uint64_t offset, void *buffer, size_t size)
{
	const struct debugger *d = debugger_of(target);

	if (offset >= d->auxv_size)
		return 0;
	if (size > d->auxv_size - offset)
		size = d->auxv_size - offset;
	return debugger_read_memory(target, d->auxv + offset, buffer, size);
}

static int64_t read_siginfo(
	struct debug_target *target, uint64_t thread, uint64_t offset, void *buffer, size_t size)
{
	const struct thread *t = debugger_lock_thread(debugger_of(target), thread);
	int64_t n = -EINVAL;

	if (!t)
		return -ESRCH;
	if (t->debug.has_info)
		n = read_part(t->debug.info, sizeof(t->debug.info), offset, buffer, size);
	debugger_unlock_threads(debugger_of(target));
	return n;
}

static const char *executable(struct debug_target *target)
{
	return debugger_of(target)->process->executable;
}

const struct debug_target_ops debugger_ops = {
	.name = "translated process",
	.osabi = "GNU/Linux",
	.send = send_bytes,
	.next_thread = next_thread,
	.name_thread = name_thread,
	.read_register = debugger_read_register,
	.write_register = debugger_write_register,
	.read_memory = debugger_read_memory,
	.write_memory = debugger_write_memory,
	.insert_breakpoint = debugger_insert_breakpoint,
	.remove_breakpoint = debugger_remove_breakpoint,
	.resume = resume,
	.interrupt = interrupt,
	.pass_signals = pass_signals,
	.read_auxv = read_auxv,
	.read_siginfo = read_siginfo,
	.executable = executable,
	.open_file = debugger_open_file,
	.close_file = debugger_close_file,
	.read_file = debugger_read_file,
	.stat_file = debugger_stat_file,
	.read_link = debugger_read_link,
	.detach = detach,
	.kill = kill_process,
};
