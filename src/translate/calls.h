/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calls.h - the system calls whose arguments or structures need a hand: calls-*.c, for the rows of
 * system-calls.c.
 */
#pragma once

#include "translate/internal.h"

/* calls-path.c */
system_call call_openat, call_openat2, call_readlinkat, call_faccessat, call_faccessat2, call_statx,
	call_statfs, call_newfstatat;

/* descriptors.c */
system_call call_close_range, call_getdents64;

/* calls-stat.c, calls-poll.c, calls-ipc.c, calls-ioctl.c, calls-process.c */
system_call call_fstat, call_epoll_ctl, call_epoll_pwait, call_epoll_pwait2, call_ppoll,
	call_pselect6, call_semctl, call_ioctl, call_uname, call_prctl, call_io_pgetevents,
	call_restart_syscall, call_seccomp;

/* ptrace.c */
system_call call_ptrace, call_wait4, call_waitid;

/* ptrace-page.c */
system_call call_write, call_writev, call_pwrite64, call_pwritev;

/* calls-time.c */
system_call call_clock_gettime, call_gettimeofday;

/* Write struct stat of the host as the guest's. */
struct stat;
int64_t stat_to_guest(uint64_t address, const struct stat *host);
