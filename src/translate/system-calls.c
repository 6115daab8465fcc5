/* SPDX-License-Identifier: Apache-2.0 */
/*
 * system-calls.c - the table: one row for each call of riscv64, by its number, and the dispatcher.
 *
 * A row without a handler passes to the host: its number there, the same arguments. One that may
 * wait for something says so, because a signal of the guest's must get it out.
 */
#include <errno.h>
#include <sys/syscall.h>

#include "translate/internal.h"

/* Ours; the host's; the host's, which may wait. */
#define OURS(call)  [CALL_##call] = { #call, call_##call, 0, false }
#define PASS(call)  [CALL_##call] = { #call, NULL, SYS_##call, false }
#define BLOCK(call) [CALL_##call] = { #call, NULL, SYS_##call, true }
/* Known, and not there: ENOSYS without a word. */
#define NONE(call) [CALL_##call] = { #call, not_there, 0, false }

static int64_t not_there(struct thread *t, const uint64_t a[6])
{
	return -ENOSYS;
}

const struct system_call_row system_calls[SYSTEM_CALLS] = {
	/* processes and threads */
	OURS(clone),
	OURS(clone3),
	OURS(execve),
	OURS(execveat),
	OURS(exit),
	OURS(exit_group),
	BLOCK(futex),
	NONE(ptrace),
	NONE(rseq),
	PASS(set_robust_list),
	PASS(set_tid_address),
	BLOCK(wait4),
	BLOCK(waitid),
	PASS(getpid),
	PASS(getppid),
	PASS(gettid),
	PASS(getuid),
	PASS(geteuid),
	PASS(getgid),
	PASS(getegid),
	PASS(getpgid),
	PASS(setpgid),
	PASS(prlimit64),

	/* memory */
	OURS(brk),
	OURS(madvise),
	OURS(mmap),
	OURS(mprotect),
	OURS(mremap),
	OURS(munmap),
	OURS(riscv_flush_icache),
	OURS(shmat),
	OURS(shmdt),

	/* signals */
	OURS(rt_sigaction),
	OURS(rt_sigpending),
	OURS(rt_sigprocmask),
	OURS(rt_sigreturn),
	OURS(rt_sigsuspend),
	BLOCK(rt_sigtimedwait),
	OURS(sigaltstack),
	PASS(kill),
	PASS(tkill),
	PASS(tgkill),

	/* files */
	PASS(close),
	PASS(dup),
	PASS(dup3),
	PASS(fcntl),
	PASS(getcwd),
	PASS(getrandom),
	PASS(lseek),
	BLOCK(openat),
	PASS(pipe2),
	PASS(ppoll),
	BLOCK(read),
	BLOCK(readv),
	PASS(readlinkat),
	BLOCK(write),
	BLOCK(writev),

	/* the machine */
	PASS(clock_gettime),
	OURS(riscv_hwprobe),
};

static int64_t call(struct thread *t, const struct system_call_row *row, const uint64_t a[6])
{
	if (row->handle)
		return row->handle(t, a);
	if (row->blocks)
		return host_call_blocking(t, row->host, a[0], a[1], a[2], a[3], a[4], a[5]);
	return host_call(row->host, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static void finish(struct thread *t, int64_t result)
{
	switch (result) {
	case RESTART_CALL:
		t->is_restarting = true;
		return;
	case RETRY_CALL:
	case NO_RESULT:
		return;
	default:
		t->cpu.x[10] = (uint64_t)result;
		t->cpu.pc += 4;
	}
}

void system_call_dispatch(struct thread *t)
{
	static const struct system_call_row unknown = { NULL, not_there, 0, false };
	uint64_t number = t->cpu.x[17];
	const struct system_call_row *row = number < SYSTEM_CALLS ? &system_calls[number]
								  : &unknown;
	const uint64_t *x = t->cpu.x;
	const uint64_t a[6] = { x[10], x[11], x[12], x[13], x[14], x[15] };
	int64_t result;

	if (!row->name)
		row = &unknown;
	if (t->process->is_traced)
		debug_call(t, row, number, a);
	result = call(t, row, a);
	if (t->process->is_traced)
		debug_result(t, row, number, a, result);
	finish(t, result);
}
