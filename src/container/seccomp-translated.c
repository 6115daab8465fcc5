/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp-translated.c - profiles where the programs are of another CPU and every system call of
 * theirs is made by strata-translate.
 *
 * There are two lines. The guest's own calls are decided by the profile, compiled for its
 * architecture, which strata-translate evaluates as the kernel would. But the translator is no
 * boundary: who has broken out of the guest's instructions makes native calls. So beneath it the
 * kernel has a filter that allows, under the same conditions, what the profile allows: only calls
 * that the guest's architecture has, only as native 64-bit ones, and beside them what the
 * translator needs for itself. tests/e2e/test_run_translated.py finds out when something is
 * missing.
 */
#include <linux/audit.h>
#include <seccomp.h>

#include "base/str.h"
#include "container/seccomp-profile.h"

static const struct seccomp_arch riscv64_arches[] = {
	{ "SCMP_ARCH_RISCV64", SCMP_ARCH_RISCV64, AUDIT_ARCH_RISCV64, true, false },
	{ 0 },
};

/* What strata-translate needs whatever the profile says. */
static const char translator_needs[] =
	/* the start of a static program of the C library's */
	"arch_prctl brk set_tid_address set_robust_list rseq prlimit64 readlink getrandom "
	/* memory of the guest, and its translated code, which is mapped twice */
	"mmap munmap mprotect mremap madvise memfd_create ftruncate "
	/* the guest's program and loader; what /proc says of ourselves */
	"openat read pread64 write lseek close fstat newfstatat readlinkat getcwd fcntl "
	"faccessat faccessat2 fstatfs dup3 "
	/* what the guest's program is told at its start */
	"getuid geteuid getgid getegid sched_getaffinity uname "
	/* the guest's own filters, handed on in a file */
	"capget pwrite64 "
	/* faults of the guest's, and locks between its threads */
	"rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack futex gettid getpid tgkill "
	/* the guest's execve(2), its name, its end */
	"execve execveat prctl exit exit_group "
	/* the list of what was translated */
	"writev "
	/* programs that are traced: what they and their tracers say to each other beside ptrace(2)
	 */
	"rt_sigtimedwait rt_tgsigqueueinfo tkill nanosleep waitid wait4";

const struct seccomp_target seccomp_riscv64 = {
	.arches = riscv64_arches,
	.docker_arch = "riscv64",
	.names = "riscv_flush_icache",
	/* An engine that resolved its profile for this machine left out what only riscv64 has; both
	 * tell or do nothing outside of the program. */
	.needed = "riscv_flush_icache riscv_hwprobe",
};

const struct seccomp_target seccomp_beneath_riscv64 = {
	.arches = seccomp_native_first,
	.docker_arch = seccomp_native_docker_arch,
	.names = "",
	.namesakes = riscv64_arches,
	.needed = translator_needs,
};

const struct seccomp_target *seccomp_target_translated(const char *architecture)
{
	return streq(architecture, seccomp_riscv64.docker_arch) ? &seccomp_riscv64 : NULL;
}

const struct seccomp_target *seccomp_target_beneath(const char *architecture)
{
	return streq(architecture, seccomp_riscv64.docker_arch) ? &seccomp_beneath_riscv64 : NULL;
}
