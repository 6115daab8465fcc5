/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calls-time.c - clocks, read as the host's programs read them: by the C library out of the host's
 * vDSO, without a system call. What that cannot do or refuses, the kernel is asked for.
 */
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "translate/calls.h"

int64_t call_clock_gettime(struct thread *t, const uint64_t a[6])
{
	struct timespec now;

	if (clock_gettime((clockid_t)a[0], &now) < 0)
		return host_call(SYS_clock_gettime, a[0], a[1]);
	return guest_copy_out(a[1], &now, sizeof(now));
}

int64_t call_gettimeofday(struct thread *t, const uint64_t a[6])
{
	struct timeval now;

	if (a[1] || gettimeofday(&now, NULL) < 0)
		return host_call(SYS_gettimeofday, a[0], a[1]);
	return a[0] ? guest_copy_out(a[0], &now, sizeof(now)) : 0;
}
