/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jail.c - stages in which the process of a machine gives up what it needs no more. What it holds
 * by a descriptor it keeps (disks, memory, /dev/kvm, sockets that listen); what has to be done by
 * path is the porter's (porter.h).
 *
 * 1. Descriptors that we were started with, which may lead anywhere, but for standard input, output
 *    and error; and limits: no core, which would have the guest's memory in it, and no more
 *    descriptors.
 * 2. Namespaces of its own: mounts, IPC, names, cgroups, and a network without an interface, but
 *    for a user-mode network, which is made of the host's sockets. An ordinary user gets them with
 *    a user namespace, in which there is no id but the user's. None of processes: that takes a
 *    process more, and no list below has a signal for others in it.
 * 3. An empty root: a file system in memory that cannot be written.
 * 4. A user of its own, if root has started it: nobody else's files, processes and limits are
 *    that user's.
 * 5. No new privileges, and no capabilities, with one exception (kept_rights()).
 * 6. A list of system calls that no thread makes: no program is executed, no process made or looked
 *    into, nothing mounted, no user or namespace changed. Who tries is killed, with the whole
 *    machine. Behind that, each thread gives itself a list of those that it does make, written
 *    beside its code (base/confine.h).
 *
 * Where the host does not let us have 2 and 3 (a kernel without user namespaces, a container), the
 * others hold all the same; --debug says so.
 */
#include "machine/jail.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <netinet/in.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/confine.h"
#include "base/io.h"
#include "base/log.h"
#include "base/rights.h"
#include "base/str.h"
#include "base/userns.h"
#include "machine/internal.h"

/* A search for leaks at the end stops all threads from a process of its own, by ptrace(2). */
#if defined(__SANITIZE_ADDRESS__)
#define SEEKS_LEAKS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SEEKS_LEAKS 1
#endif
#endif
#ifndef SEEKS_LEAKS
#define SEEKS_LEAKS 0
#endif

/* --- 1: descriptors and limits ---------------------------------------------------------------- */

/* All of our own are close-on-exec. */
static int close_inherited(void)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc/self/fd");
	uint64_t fd;

	if (!dir)
		return -errno;
	for (struct dirent *entry; (entry = readdir(dir));)
		if (parse_u64(entry->d_name, INT32_MAX, &fd) == 0 && fd > STDERR_FILENO &&
			fcntl((int)fd, F_GETFD) == 0)
			close((int)fd);
	return 0;
}

static int set_limits(void)
{
	const struct rlimit none = { 0 };
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	limit.rlim_max = limit.rlim_cur;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
		return -errno;
	return 0;
}

/* --- 2: namespaces ---------------------------------------------------------------------------- */

/* An id of the parent namespace is the same in ours. */
static int keep_ids(uid_t uid, gid_t gid, struct error *err)
{
	struct userns_map uids = { uid, uid, 1 }, gids = { gid, gid, 1 };
	const struct userns_maps maps = { &uids, &gids, 1, 1, true };

	return userns_write_maps(getpid(), &maps, err);
}

/* 1: they are there; 0: the host does not let us. In a user namespace, what rights there were
 * before are worth nothing. */
static int enter_namespaces(const struct machine_config *config, uint64_t *kept, struct error *err)
{
	const int flags = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP |
		(machine_has_net(config, MACHINE_NET_USER) ? 0 : CLONE_NEWNET);
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int r;

	if (unshare(flags) == 0)
		return 1;
	if (errno == EPERM && unshare(CLONE_NEWUSER | flags) == 0) {
		*kept = 0;
		r = keep_ids(uid, gid, err);
		return r < 0 ? r : 1;
	}
	log_debug("the machine has no namespaces of its own: %s", strerror(errno));
	return 0;
}

/* --- 3: an empty root ------------------------------------------------------------------------- */

#define ROOT_OPTIONS  "size=64k,nr_inodes=8,mode=0555"
#define ROOT_FLAGS    (MS_NODEV | MS_NOSUID | MS_NOEXEC)
#define ROOT_PLACE    "/proc" /* for a moment */
#define RESOLVER_FILE "etc/resolv.conf"
#define RESOLVER_MAX  (32u << 10)

/* libslirp looks again and again at who answers the host's questions for names. Its file is what it
 * was when the machine was started. */
static int make_resolver(const char *text, size_t size)
{
	_cleanup_close_ int fd = -1;

	if (mkdir("etc", 0755) < 0)
		return -errno;
	fd = open(RESOLVER_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 || fchmod(fd, 0444) < 0 || chmod("etc", 0555) < 0)
		return -errno;
	return io_write_full(fd, text, size);
}

/* All of it relative to the folder where we are. */
static int enter_root(void)
{
	if (mount(NULL, ".", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | ROOT_FLAGS, NULL) < 0 ||
		syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
		chdir("/") < 0)
		return -errno;
	return 0;
}

static int make_root(const struct machine_config *config)
{
	_cleanup_free_ char *resolver = NULL;
	size_t size = 0;
	int r = 0;

	if (machine_has_net(config, MACHINE_NET_USER))
		(void)io_read_file(
			AT_FDCWD, "/" RESOLVER_FILE, RESOLVER_MAX, &resolver, &size, NULL);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("tmpfs", ROOT_PLACE, "tmpfs", ROOT_FLAGS, ROOT_OPTIONS) < 0 ||
		chdir(ROOT_PLACE) < 0)
		return -errno;
	if (resolver)
		r = make_resolver(resolver, size);
	return r == 0 ? enter_root() : r;
}

/* --- 4: a user of its own --------------------------------------------------------------------- */

/* Above what useradd(8), containers and systemd (UIDS-GIDS) hand out, below 2^31. A process id is
 * below 2^22 (PID_MAX_LIMIT), and nobody else's while the machine runs. */
#define FIRST_ID UINT32_C(0x70000000)
#define NOBODY	 UINT32_C(65534)

static int become(uint32_t id)
{
	if (setgroups(0, NULL) < 0 || setresgid(id, id, id) < 0 || setresuid(id, id, id) < 0)
		return -errno;
	return 0;
}

/* In a user namespace, most ids are of nobody. */
static int change_user(void)
{
	int r;

	if (geteuid() != 0)
		return 0;
	/* What of rights goes is said in stage 5 alone. */
	prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP);
	r = become(FIRST_ID + (uint32_t)getpid());
	if (r == -EINVAL)
		r = become(NOBODY);
	if (r == -EPERM || r == -EINVAL) {
		log_debug("the machine has no user of its own: %s", strerror(-r));
		return 0;
	}
	return r;
}

/* --- 5: rights -------------------------------------------------------------------------------- */

/* libslirp sends a guest's ping through a socket for just that, where the host allows those
 * (net.ipv4.ping_group_range), else through a raw one. */
static uint64_t kept_rights(const struct machine_config *config)
{
	int fd;

	if (!machine_has_net(config, MACHINE_NET_USER))
		return 0;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP);
	if (fd < 0)
		return UINT64_C(1) << CAP_NET_RAW;
	close(fd);
	return 0;
}

/* Who kills us when our maker ends is forgotten with a change of the user. */
static int give_up_rights(uint64_t kept, int signal, pid_t maker)
{
	int r = rights_drop(kept);

	if (r == 0 && !SEEKS_LEAKS && prctl(PR_SET_DUMPABLE, 0) < 0)
		r = -errno;
	if (r == 0 && prctl(PR_SET_PDEATHSIG, signal) < 0)
		r = -errno;
	return r == 0 && signal && getppid() != maker ? -ESRCH : r;
}

/* --- 6: system calls -------------------------------------------------------------------------- */

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
#if !SEEKS_LEAKS
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

#if SEEKS_LEAKS
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
	steps[AT_KILL] = (struct sock_filter)RETURN(SECCOMP_RET_TRAP);
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
	const pid_t maker = getppid();
	uint64_t kept = kept_rights(config);
	int signal = 0, r;

	prctl(PR_GET_PDEATHSIG, &signal);
	r = close_inherited();
	if (r == 0)
		r = set_limits();
	if (r < 0)
		return error_errno(err, r, "cannot limit the machine");
	r = enter_namespaces(config, &kept, err);
	if (r < 0)
		return r;
	r = r > 0 ? make_root(config) : 0;
	if (r == -EPERM || r == -EACCES) /* a host whose user namespaces have no rights */
		log_debug("the machine has no root of its own: %s", strerror(-r));
	else if (r < 0)
		return error_errno(err, r, "cannot make an empty root for the machine");
	r = change_user();
	if (r < 0)
		return error_errno(err, r, "cannot make a user for the machine");
	r = give_up_rights(kept, signal, maker);
	if (r == 0)
		r = confine_report();
	return r < 0 ? error_errno(err, r, "cannot give up rights") : install_filter(err);
}
