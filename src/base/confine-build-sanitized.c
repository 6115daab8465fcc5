/* SPDX-License-Identifier: Apache-2.0 */
/*
 * confine-build-sanitized.c - what AddressSanitizer and UndefinedBehaviorSanitizer do in any
 * thread: stacks of their own, maps of memory, sentences with the names of functions; and at the
 * end a search for leaks, which stops all threads from a process of its own, by ptrace(2). It is no
 * protection, and need not be one.
 */
#include "base/confine-build.h"

#include <unistd.h>

static const struct confine_call calls[] = {
	ALLOW(SYS_mmap),
	ALLOW(SYS_mprotect),
	ALLOW(SYS_sigaltstack),
	ALLOW(SYS_rt_sigaction),
	ALLOW(SYS_set_robust_list),
	ALLOW(SYS_sched_getparam),
	ALLOW(SYS_sched_getscheduler),
	ALLOW(SYS_prlimit64),
	ALLOW(SYS_openat),
	ALLOW(SYS_read),
	ALLOW(SYS_close),
	ALLOW(SYS_newfstatat),
	ALLOW(SYS_fstat),
	ALLOW(SYS_readlinkat),
	ALLOW(SYS_getdents64),
	ALLOW(SYS_getppid),
	ALLOW(SYS_getuid),
	ALLOW(SYS_prctl),
	ALLOW(SYS_clone),
	ALLOW(SYS_wait4),
	ALLOW(SYS_ptrace),
	ALLOW(SYS_process_vm_readv),
	ALLOW(SYS_ioctl),
	ALLOW(SYS_nanosleep),
	ALLOW(SYS_clock_nanosleep),
#ifdef SYS_readlink
	ALLOW(SYS_readlink),
#endif
#ifdef SYS_open
	ALLOW(SYS_open),
#endif
#ifdef SYS_stat
	ALLOW(SYS_stat),
#endif
#ifdef SYS_access
	ALLOW(SYS_access),
#endif
	ALLOW(SYS_faccessat),
#ifdef SYS_arch_prctl
	ALLOW(SYS_arch_prctl),
#endif
};

const struct confine_list confine_build = CONFINE_LIST(calls);

/* <sanitizer/lsan_interface.h>: asked before the search, which finds no thread without /proc. */
int __lsan_is_turned_off(void);

int __lsan_is_turned_off(void)
{
	return access("/proc/self/task", F_OK) < 0;
}
