/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jail.c - stages in which the process of a machine gives up what it needs no more.
 *
 * 1. No new privileges, and no capabilities. The event loop keeps two in some cases
 * (kept_rights()); no other thread has one.
 * 2. A list of system calls that no thread makes, for all threads: no program is executed, no
 *    process made or looked into, nothing mounted, no user or namespace changed. Who tries is
 *    killed, with the whole machine.
 */
#include "machine/jail.h"

#include <assert.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <netinet/in.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/rights.h"
#include "base/str.h"

/* --- 1: capabilities -------------------------------------------------------------------------- */

/* A path in whose folder others may have files; one that cannot be looked at may be such. */
static bool is_in_others_folder(const char *path)
{
	_cleanup_free_ char *folder = strf("%s", path);
	struct stat st;
	char *slash = folder ? strrchr(folder, '/') : NULL;

	if (slash)
		slash[slash == folder] = '\0';
	if (!folder || stat(slash ? folder : ".", &st) < 0)
		return true;
	return st.st_uid != geteuid() || st.st_mode & (S_IWGRP | S_IWOTH);
}

/* Files that are made, connected to or removed by name while the machine runs. What the monitor is
 * asked to save goes where its user may write without more rights than that. */
static bool needs_others_files(const struct machine_config *config)
{
	return config->snapshot || (config->monitor && is_in_others_folder(config->monitor)) ||
		(config->gdb && strchr(config->gdb, '/') && is_in_others_folder(config->gdb)) ||
		(config->vsock_path && is_in_others_folder(config->vsock_path));
}

/* libslirp sends a guest's ping through a socket for just that, where the host allows those
 * (net.ipv4.ping_group_range), else through a raw one. */
static bool needs_raw_sockets(const struct machine_config *config)
{
	bool is_user_mode = false;
	int fd;

	for (unsigned i = 0; i < config->nr_nets; i++)
		is_user_mode = is_user_mode || (!config->nets[i].tap && !config->nets[i].cable);
	if (!is_user_mode)
		return false;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP);
	if (fd < 0)
		return true;
	close(fd);
	return false;
}

static uint64_t kept_rights(const struct machine_config *config)
{
	return (needs_others_files(config) ? UINT64_C(1) << CAP_DAC_OVERRIDE : 0) |
		(needs_raw_sockets(config) ? UINT64_C(1) << CAP_NET_RAW : 0);
}

/* --- 2: system calls -------------------------------------------------------------------------- */

/* A search for leaks at the end stops all threads from a process of its own, by ptrace(2). */
#if defined(__SANITIZE_ADDRESS__)
#define SEEKS_LEAKS
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SEEKS_LEAKS
#endif
#endif

static const unsigned forbidden_calls[] = {
	/* programs and processes */
	SYS_execve,
	SYS_execveat,
#ifdef SYS_fork
	SYS_fork,
	SYS_vfork,
#endif
	SYS_process_vm_readv,
	SYS_process_vm_writev,
	SYS_kcmp,
	SYS_pidfd_getfd,
#ifndef SEEKS_LEAKS
	SYS_ptrace,
#endif
	/* namespaces and mounts */
	SYS_unshare,
	SYS_setns,
	SYS_chroot,
	SYS_pivot_root,
	SYS_mount,
	SYS_umount2,
	SYS_open_tree,
	SYS_move_mount,
	SYS_fsopen,
	SYS_fsconfig,
	SYS_fsmount,
	SYS_fspick,
	SYS_mount_setattr,
	SYS_open_by_handle_at,
	/* users */
	SYS_setuid,
	SYS_setgid,
	SYS_setreuid,
	SYS_setregid,
	SYS_setresuid,
	SYS_setresgid,
	SYS_setfsuid,
	SYS_setfsgid,
	SYS_setgroups,
	/* the host's kernel */
	SYS_bpf,
	SYS_perf_event_open,
	SYS_init_module,
	SYS_finit_module,
	SYS_delete_module,
	SYS_kexec_load,
	SYS_reboot,
	SYS_swapon,
	SYS_swapoff,
	SYS_acct,
	SYS_quotactl,
	SYS_syslog,
	SYS_personality,
#ifdef SYS_iopl
	SYS_iopl,
	SYS_ioperm,
#endif
	SYS_add_key,
	SYS_request_key,
	SYS_keyctl,
	/* what all others see */
	SYS_sethostname,
	SYS_setdomainname,
	SYS_settimeofday,
	SYS_clock_settime,
	SYS_adjtimex,
	SYS_clock_adjtime,
};

#ifdef SEEKS_LEAKS
#define THREAD_FLAGS (CLONE_THREAD | CLONE_UNTRACED)
#else
#define THREAD_FLAGS CLONE_THREAD
#endif

#if defined(__x86_64__)
#define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv)
#define THIS_ARCH AUDIT_ARCH_RISCV64
#endif

#define FOREIGN_CALLS 0x40000000 /* x32's numbers; no others are that large */

/* Where is what in the program. */
#define NR_FORBIDDEN ARRAY_SIZE(forbidden_calls)
#define AT_LIST	     8
#define AT_ALLOW     (AT_LIST + NR_FORBIDDEN)
#define AT_KILL	     (AT_ALLOW + 1)
#define AT_ENOSYS    (AT_ALLOW + 2)
#define NR_STEPS     (AT_ALLOW + 3)

#define LOAD(member)                                                                               \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, member))
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, (action))
/* At step `at`, to others; to `at` + 1 is on. */
#define JUMP(at, test, value, yes, no)                                                             \
	BPF_JUMP(BPF_JMP | (test) | BPF_K, (uint32_t)(value), (uint8_t)((yes) - (at)-1),           \
		(uint8_t)((no) - (at)-1))

static_assert(NR_STEPS < 256, "jumps have eight bits");

static int install_filter(struct error *err)
{
	/* What makes threads may make nothing else. clone3(2) has its flags in memory; the C
	 * library goes on with clone(2) without it. */
	const struct sock_filter head[AT_LIST] = {
		LOAD(arch),
		JUMP(1, BPF_JEQ, THIS_ARCH, 2, AT_KILL),
		LOAD(nr),
		JUMP(3, BPF_JGE, FOREIGN_CALLS, AT_KILL, 4),
		JUMP(4, BPF_JEQ, SYS_clone3, AT_ENOSYS, 5),
		JUMP(5, BPF_JEQ, SYS_clone, 6, AT_LIST),
		LOAD(args[0]),
		JUMP(7, BPF_JSET, THREAD_FLAGS, AT_ALLOW, AT_KILL),
	};
	struct sock_filter steps[NR_STEPS];
	struct sock_fprog program = { .len = NR_STEPS, .filter = steps };
	long r;

	memcpy(steps, head, sizeof(head));
	for (size_t i = AT_LIST; i < AT_ALLOW; i++)
		steps[i] = (struct sock_filter)JUMP(
			i, BPF_JEQ, forbidden_calls[i - AT_LIST], AT_KILL, i + 1);
	steps[AT_ALLOW] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
	steps[AT_KILL] = (struct sock_filter)RETURN(SECCOMP_RET_KILL_PROCESS);
	steps[AT_ENOSYS] = (struct sock_filter)RETURN(SECCOMP_RET_ERRNO | ENOSYS);
	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
	if (r > 0) /* a thread with a list of its own */
		return error_set(err, EBUSY, "cannot confine thread %ld of the machine", r);
	if (r < 0 && (errno == ENOSYS || errno == EINVAL)) {
		log_debug("this kernel has no seccomp: the machine may make all system calls");
		return 0;
	}
	return r < 0 ? error_errno(err, errno, "cannot confine the machine") : 0;
}

int machine_jail(const struct machine_config *config, struct error *err)
{
	int r = rights_drop(kept_rights(config));

	return r < 0 ? error_errno(err, r, "cannot give up rights") : install_filter(err);
}
