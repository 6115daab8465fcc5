/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host-stop.c - x86-64: where a thread is that was stopped by ptrace(2).
 */
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>

#include "translate/host.h"
#include "translate/internal.h"

/* include/linux/errno.h: what is in rax until the kernel has decided about the call. */
#define ERESTARTSYS	      512
#define ERESTARTNOINTR	      513
#define ERESTARTNOHAND	      514
#define ERESTART_RESTARTBLOCK 516

int host_read_stop(int tid, struct host_stop *ret)
{
	struct user_regs_struct registers;
	int64_t r = host_call(SYS_ptrace, PTRACE_GETREGS, tid, 0, &registers);
	int64_t result;

	if (r < 0)
		return (int)r;
	result = (int64_t)registers.rax;
	ret->pc = registers.rip;
	ret->thread_pointer = registers.fs_base;
	ret->is_repeatable = (int64_t)registers.orig_rax >= 0 &&
		(result == -ERESTARTSYS || result == -ERESTARTNOINTR);
	ret->is_waiting = ret->is_repeatable ||
		((int64_t)registers.orig_rax >= 0 &&
			(result == -ERESTARTNOHAND || result == -ERESTART_RESTARTBLOCK));
	return 0;
}
