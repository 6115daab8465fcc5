/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp-default.c - the default profile: what a container may ask of the kernel.
 *
 * As tight as Docker's: which calls are allowed under which condition are the facts of moby's
 * seccomp/default.json (2026-06), ordered here by what the calls are for. Everything not named is
 * answered with EPERM; what is newer than this table with ENOSYS.
 *
 * The same table makes the programs that are built in (tools/gen-seccomp.c, at build time) and
 * those for other capability sets (at run time).
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <stdlib.h>

#include "base/str.h"
#include "container/seccomp-profile.h"

#define ALLOW	 SECCOMP_RET_ALLOW
#define ERRNO(e) (SECCOMP_RET_ERRNO | (e))
#define BIT(c)	 (UINT64_C(1) << (c))

/* One group: names (separated by spaces) that share action and condition. */
struct group {
	const char *names;
	uint64_t with; /* only for who holds this capability */
	uint64_t without; /* only for who does not */
	uint32_t action;
	struct seccomp_condition conditions[1];
	size_t nr_conditions;
};

/* CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET: a new namespace is a new attack
 * surface, and a user namespace even brings capabilities. */
#define CLONE_NAMESPACES 0x7e020000

#define ANY(text)                                                                                  \
	{                                                                                          \
		.action = ALLOW, .names = text                                                     \
	}
#define HOLDER(cap, text)                                                                          \
	{                                                                                          \
		.action = ALLOW, .with = BIT(cap), .names = text                                   \
	}
#define ARG0(text, operation, number)                                                              \
	{                                                                                          \
		.action = ALLOW, .names = text, .nr_conditions = 1,                                \
		.conditions = { { .op = SECCOMP_OP_##operation, .value = (number) } },             \
	}

static const struct group groups[] = {
	/* Files: open, read, write, position. */
	ANY("close close_range copy_file_range creat dup dup2 dup3 fadvise64 fadvise64_64 "
	    "fallocate fcntl fcntl64 fdatasync flock fsync ftruncate ftruncate64 ioctl _llseek "
	    "lseek open openat openat2 pipe pipe2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 "
	    "read readahead readv sendfile sendfile64 splice sync sync_file_range syncfs tee "
	    "truncate truncate64 vmsplice write writev cachestat"),
	/* Names and directories. */
	ANY("chdir fchdir getcwd getdents getdents64 link linkat mkdir mkdirat mknod mknodat "
	    "name_to_handle_at readlink readlinkat rename renameat renameat2 rmdir symlink "
	    "symlinkat umask unlink unlinkat"),
	/* What is known of a file, and its owner, mode, times and extended attributes. */
	ANY("access chmod chown chown32 faccessat faccessat2 fchmod fchmodat fchmodat2 fchown "
	    "fchown32 fchownat fgetxattr flistxattr fremovexattr fsetxattr fstat fstat64 "
	    "fstatat64 fstatfs fstatfs64 futimesat getxattr getxattrat lchown lchown32 lgetxattr "
	    "listxattr listxattrat llistxattr lremovexattr lsetxattr lstat lstat64 newfstatat "
	    "removexattr removexattrat setxattr setxattrat stat stat64 statfs statfs64 statx utime "
	    "utimensat utimensat_time64 utimes listmount statmount"),
	/* Waiting for descriptors, and events. */
	ANY("epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 "
	    "epoll_wait epoll_wait_old eventfd eventfd2 fanotify_mark inotify_add_watch "
	    "inotify_init inotify_init1 inotify_rm_watch _newselect poll ppoll ppoll_time64 "
	    "pselect6 pselect6_time64 select signalfd signalfd4"),
	/* Asynchronous I/O; not io_uring, whose operations no filter sees. */
	ANY("io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup "
	    "io_submit ioprio_get ioprio_set"),
	/* Memory. */
	ANY("brk madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock "
	    "mlock2 mlockall mmap mmap2 mprotect mremap mseal msync munlock munlockall munmap "
	    "pkey_alloc pkey_free pkey_mprotect process_mrelease remap_file_pages"),
	/* Processes and threads. */
	ANY("execve execveat exit exit_group fork getcpu getpgid getpgrp getpid getppid "
	    "get_robust_list getsid get_thread_area gettid kill pidfd_open pidfd_send_signal prctl "
	    "restart_syscall rseq setpgid set_robust_list setsid set_thread_area set_tid_address "
	    "tgkill tkill uretprobe vfork wait4 waitid waitpid"),
	ANY("futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake"),
	/* Signals. */
	ANY("pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn "
	    "rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack "
	    "sigprocmask sigreturn"),
	/* Time, read and waited for; adjtimex only reads without CAP_SYS_TIME. */
	ANY("adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 "
	    "clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 getitimer "
	    "gettimeofday nanosleep setitimer time timer_create timer_delete timer_getoverrun "
	    "timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create "
	    "timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times"),
	/* Scheduling and limits: the kernel checks CAP_SYS_NICE and CAP_SYS_RESOURCE itself. */
	ANY("getpriority getrlimit getrusage prlimit64 sched_getaffinity sched_getattr "
	    "sched_getparam sched_get_priority_max sched_get_priority_min sched_getscheduler "
	    "sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr "
	    "sched_setparam sched_setscheduler sched_yield setpriority setrlimit ugetrlimit"),
	/* Identity. */
	ANY("capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups "
	    "getgroups32 getresgid getresgid32 getresuid getresuid32 getuid getuid32 setfsgid "
	    "setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setregid "
	    "setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setuid "
	    "setuid32"),
	/* More of what only tightens or tells. */
	ANY("getrandom landlock_add_rule landlock_create_ruleset landlock_restrict_self "
	    "riscv_hwprobe seccomp sysinfo uname"),
	/* IPC of System V and POSIX: the ipc namespace is the container's own. */
	ANY("ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 "
	    "mq_timedsend mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl semget "
	    "semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget"),
	/* Sockets. socketcall (32-bit) hides its arguments behind a pointer. */
	ANY("accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom "
	    "recvmmsg recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown "
	    "socketcall socketpair"),
	/* No AF_ALG (38: the kernel's crypto, much code for no need) and no AF_VSOCK (40: reaches
	 * the hypervisor past the network namespace). */
	ARG0("socket", LT, 38),
	ARG0("socket", EQ, 39),
	ARG0("socket", GT, 40),
	/* Since Linux 4.8 a tracer cannot get its tracee past a filter. */
	ANY("process_vm_readv process_vm_writev ptrace"),
	/* PER_LINUX, PER_LINUX32, each with UNAME26, and the question. Not the bits that switch off
	 * address space randomisation or make data executable. */
	ARG0("personality", EQ, 0x0),
	ARG0("personality", EQ, 0x8),
	ARG0("personality", EQ, 0x20000),
	ARG0("personality", EQ, 0x20008),
	ARG0("personality", EQ, 0xffffffff),
	/* Those of the architecture alone. */
	ANY(NULL),
	/* New namespaces: who may make them is CAP_SYS_ADMIN's question alone. clone3 has its flags
	 * behind a pointer; with ENOSYS libraries fall back on clone. */
	{
		.action = ALLOW,
		.without = BIT(CAP_SYS_ADMIN),
		.names = "clone",
		.nr_conditions = 1,
		.conditions = { { .op = SECCOMP_OP_MASKED_EQ, .value = CLONE_NAMESPACES } },
	},
	{ .action = ERRNO(ENOSYS), .without = BIT(CAP_SYS_ADMIN), .names = "clone3" },
	HOLDER(CAP_SYS_ADMIN,
		"bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie "
		"lsm_get_self_attr lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount "
		"open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog "
		"umount umount2 unshare"),
	/* The rest of what needs a capability: denied here too, so that a bug in the kernel's own
	 * check is out of reach. */
	HOLDER(CAP_BPF, "bpf"),
	HOLDER(CAP_DAC_READ_SEARCH, "open_by_handle_at"),
	HOLDER(CAP_PERFMON, "perf_event_open"),
	HOLDER(CAP_SYSLOG, "syslog"),
	HOLDER(CAP_SYS_BOOT, "reboot"),
	HOLDER(CAP_SYS_CHROOT, "chroot"),
	HOLDER(CAP_SYS_MODULE, "delete_module init_module finit_module"),
	HOLDER(CAP_SYS_NICE, "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"),
	HOLDER(CAP_SYS_PACCT, "acct"),
	HOLDER(CAP_SYS_PTRACE,
		"kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace"),
	HOLDER(CAP_SYS_RAWIO, "iopl ioperm"),
	HOLDER(CAP_SYS_TIME, "settimeofday stime clock_settime clock_settime64"),
	HOLDER(CAP_SYS_TTY_CONFIG, "vhangup"),
};

uint64_t seccomp_default_relevant(void)
{
	uint64_t relevant = 0;

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		relevant |= groups[i].with | groups[i].without;
	return relevant;
}

static bool applies(const struct group *group, uint64_t capabilities)
{
	return (group->with & ~capabilities) == 0 && (group->without & capabilities) == 0;
}

static char **names_of(const struct group *group, const struct seccomp_target *target)
{
	return strv_split(group->names ? group->names : target->names, ' ');
}

int seccomp_default_compile(const struct seccomp_target *target, uint64_t capabilities,
	struct sock_filter **ret, size_t *ret_count, struct error *err)
{
	struct seccomp_profile profile = {
		.target = target, .default_action = ERRNO(EPERM), .arches = { true, true, true }
	};
	int r = seccomp_profile_begin(&profile, err);

	for (size_t i = 0; i < ARRAY_SIZE(groups) && r == 0; i++) {
		const struct group *g = &groups[i];
		_cleanup_strv_ char **names = NULL;

		if (!applies(g, capabilities))
			continue;
		names = names_of(g, target);
		if (!names)
			r = error_oom(err);
		for (size_t k = 0; names && names[k] && r == 0; k++)
			r = seccomp_profile_add(&profile, names[k], g->action, g->conditions,
				g->nr_conditions, err);
	}
	if (r < 0) {
		seccomp_profile_free(&profile);
		return r;
	}
	return seccomp_profile_compile(&profile, ret, ret_count, err);
}

static void write_group(struct json_writer *w, const struct group *g)
{
	static const char *const ops[] = { "SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE",
		"SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ" };
	_cleanup_strv_ char **names = names_of(g, &seccomp_native);

	json_begin_object(w, NULL);
	json_write_strv(w, "names", names);
	json_write_string(w, "action", g->action == ALLOW ? "SCMP_ACT_ALLOW" : "SCMP_ACT_ERRNO");
	if (g->action != ALLOW)
		json_write_int(w, "errnoRet", g->action & SECCOMP_RET_DATA);
	if (g->nr_conditions) {
		json_begin_array(w, "args");
		for (size_t i = 0; i < g->nr_conditions; i++) {
			const struct seccomp_condition *c = &g->conditions[i];

			json_begin_object(w, NULL);
			json_write_int(w, "index", c->arg);
			json_write_uint(w, "value", c->value);
			if (c->op == SECCOMP_OP_MASKED_EQ)
				json_write_uint(w, "valueTwo", c->value_two);
			json_write_string(w, "op", ops[c->op]);
			json_end_object(w);
		}
		json_end_array(w);
	}
	json_end_object(w);
}

char *seccomp_default_write(uint64_t capabilities)
{
	struct json_writer w = { 0 };

	json_begin_object(&w, NULL);
	json_write_string(&w, "defaultAction", "SCMP_ACT_ERRNO");
	json_write_int(&w, "defaultErrnoRet", EPERM);
	json_begin_array(&w, "architectures");
	for (size_t i = 0; seccomp_native_arches[i].name; i++)
		json_write_string(&w, NULL, seccomp_native_arches[i].name);
	json_end_array(&w);
	json_begin_array(&w, "syscalls");
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (applies(&groups[i], capabilities))
			write_group(&w, &groups[i]);
	json_end_array(&w);
	json_end_object(&w);
	return json_writer_finish(&w);
}
