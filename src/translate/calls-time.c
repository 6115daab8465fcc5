/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calls-time.c - sleeping. The kernel never restarts these behind a handler; so when a signal has
 * come before the call began, the handler runs and the whole time is slept, whatever the action
 * says: what is left of it would otherwise not be written.
 */
#include <errno.h>
#include <sys/syscall.h>

#include "translate/calls.h"

static int64_t sleep_result(int64_t r)
{
	return r == RESTART_CALL ? RETRY_CALL : r;
}

int64_t call_nanosleep(struct thread *t, const uint64_t a[6])
{
	return sleep_result(host_call_blocking(t, SYS_nanosleep, a[0], a[1]));
}

int64_t call_clock_nanosleep(struct thread *t, const uint64_t a[6])
{
	return sleep_result(host_call_blocking(t, SYS_clock_nanosleep, a[0], a[1], a[2], a[3]));
}

/* Only the kernel makes this call, and not for ours. */
int64_t call_restart_syscall(struct thread *t, const uint64_t a[6])
{
	return -EINTR;
}
