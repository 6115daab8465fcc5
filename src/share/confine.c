/* SPDX-License-Identifier: Apache-2.0 */
/*
 * confine.c - what the server's process can reach: the shares, and nothing else.
 *
 * 1. Each share is a copy of its mount, below which ".." leads nowhere: without devices and set-id
 *    bits, and read-only where that was asked for. The kernel keeps these, not the server.
 * 2. A small tree in memory has them as its folders, and is made read-only.
 * 3. It becomes the root, and the host's tree is taken away.
 * 4. Of the capabilities, those stay that an owner of all the files would need. The threads that
 *    serve are started behind that, and have no others.
 * 5. A list of system calls. There is none in it that makes a process, a socket or executable
 * memory.
 */
#include "share/internal.h"

#include <assert.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/confine.h"

/* --- 1 and 2: the tree ------------------------------------------------------------------------ */

static int copy_mount(const struct share *share, struct error *err)
{
	struct mount_attr attributes = {
		.attr_set = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID |
			(share->is_readonly ? MOUNT_ATTR_RDONLY : 0),
	};
	int fd = open_tree(
		AT_FDCWD, share->path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	int e;

	if (fd < 0)
		return error_errno(err, errno, "cannot share %s", share->path);
	if (mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof(attributes)) <
		0) {
		e = errno;
		close(fd);
		return error_errno(err, e, "cannot confine the share %s", share->path);
	}
	return fd;
}

/* A file system in memory, mounted nowhere yet. */
static int make_memory(struct error *err)
{
	_cleanup_close_ int context = fsopen("tmpfs", FSOPEN_CLOEXEC);
	int fd;

	if (context < 0 || fsconfig(context, FSCONFIG_SET_STRING, "mode", "0755", 0) < 0 ||
		fsconfig(context, FSCONFIG_SET_STRING, "size", "1m", 0) < 0 ||
		fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return error_errno(err, errno, "cannot make the root of shared folders");
	fd = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID);
	if (fd < 0)
		return error_errno(err, errno, "cannot make the root of shared folders");
	return fd;
}

static int add_share(int tree_fd, const struct share *share, int share_fd, struct error *err)
{
	struct stat st;
	int e;

	if (fstat(share_fd, &st) < 0)
		return error_errno(err, errno, "cannot look at %s", share->path);
	if (S_ISDIR(st.st_mode))
		e = mkdirat(tree_fd, share->name, 0755);
	else
		e = mknodat(tree_fd, share->name, S_IFREG | 0644, 0);
	if (e < 0 || move_mount(share_fd, "", tree_fd, share->name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return error_errno(err, errno, "cannot mount the share %s", share->name);
	return 0;
}

static int make_tree(const struct share *shares, size_t nr, int *ret, struct error *err)
{
	/* Attached somewhere, so that others can be in it; that is hidden soon. */
	static const char place[] = "/proc";
	_cleanup_close_ int tree_fd = -1;
	int share_fds[SHARES_MAX];
	size_t nr_open = 0;
	int r = 0;

	/* Before the tree hides what is there. */
	for (; nr_open < nr; nr_open++) {
		share_fds[nr_open] = r = copy_mount(&shares[nr_open], err);
		if (r < 0)
			break;
	}
	if (r >= 0)
		tree_fd = r = make_memory(err);
	if (r >= 0 && move_mount(tree_fd, "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		r = error_errno(err, errno, "cannot mount the root of shared folders");
	for (size_t i = 0; i < nr && r >= 0; i++)
		r = add_share(tree_fd, &shares[i], share_fds[i], err);
	for (size_t i = 0; i < nr_open; i++)
		close(share_fds[i]);
	if (r >= 0)
		*ret = steal_fd(&tree_fd);
	return r < 0 ? r : 0;
}

/* --- 3: the root ------------------------------------------------------------------------------ */

int confine_to_shares(const struct share *shares, size_t nr, int *ret_root_fd, int *ret_proc_fd,
	struct error *err)
{
	struct mount_attr readonly = { .attr_set = MOUNT_ATTR_RDONLY };
	_cleanup_close_ int tree_fd = -1, root_fd = -1, proc_fd = -1;
	int r;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_errno(err, errno, "cannot make mounts private");
	/* A copy of this folder alone, through which no other process is seen. */
	proc_fd = open_tree(AT_FDCWD, "/proc/self/fd", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (proc_fd < 0)
		return error_errno(err, errno, "cannot open /proc/self/fd");
	r = make_tree(shares, nr, &tree_fd, err);
	if (r < 0)
		return r;
	if (fchdir(tree_fd) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
		umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return error_errno(err, errno, "cannot enter the root of shared folders");
	if (mount_setattr(tree_fd, "", AT_EMPTY_PATH, &readonly, sizeof(readonly)) < 0)
		return error_errno(err, errno, "cannot make the root of shared folders read-only");
	root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return error_errno(err, errno, "cannot open the root of shared folders");
	*ret_root_fd = steal_fd(&root_fd);
	*ret_proc_fd = steal_fd(&proc_fd);
	return 0;
}

/* --- 4: capabilities -------------------------------------------------------------------------- */

static int drop_capabilities(void)
{
	static const unsigned kept[] = { CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH,
		CAP_FOWNER, CAP_FSETID, CAP_SETFCAP };
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		data[kept[i] / 32].effective |= 1u << kept[i] % 32;
	for (size_t i = 0; i < 2; i++)
		data[i].permitted = data[i].effective;
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/* --- 5: system calls -------------------------------------------------------------------------- */

static const unsigned allowed_calls[] = {
	/* for each request */
	SYS_recvfrom,
	SYS_sendto,
	SYS_fstat,
	SYS_newfstatat,
	SYS_openat,
	SYS_close,
	SYS_preadv,
	SYS_preadv2,
	SYS_pwritev2,
	SYS_getdents64,
	SYS_lseek,
	SYS_readlinkat,
	/* names */
	SYS_symlinkat,
	SYS_mknodat,
	SYS_mkdirat,
	SYS_unlinkat,
	SYS_linkat,
	SYS_renameat2,
	/* attributes */
	SYS_fchmod,
	SYS_fchmodat,
	SYS_fchownat,
	SYS_ftruncate,
	SYS_utimensat,
	SYS_fstatfs,
	SYS_setxattr,
	SYS_getxattr,
	SYS_listxattr,
	SYS_removexattr,
	/* files */
	SYS_fsync,
	SYS_fdatasync,
	SYS_syncfs,
	SYS_fallocate,
	SYS_copy_file_range,
	SYS_fcntl,
	/* the C library: memory for the table of nodes, its end */
	SYS_brk,
	SYS_munmap,
	SYS_mremap,
	SYS_getrandom,
	SYS_prlimit64,
	SYS_futex,
	SYS_exit_group,
	SYS_rt_sigreturn,
	SYS_write, /* base/confine.c, why it has ended */
	SYS_restart_syscall,
};

#if defined(__x86_64__)
#define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv)
#define THIS_ARCH AUDIT_ARCH_RISCV64
#endif

#define HEAD_STEPS 6 /* before the list... */
#define TAIL_STEPS 2 /* ...and behind it */
#define NR_ALLOWED ARRAY_SIZE(allowed_calls)
#define NR_STEPS   (HEAD_STEPS + NR_ALLOWED + TAIL_STEPS)

#define LOAD(member)                                                                               \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, member))
#define JUMP(test, value, yes, no)                                                                 \
	BPF_JUMP(BPF_JMP | (test) | BPF_K, (uint32_t)(value), (uint8_t)(yes), (uint8_t)(no))

static_assert(NR_STEPS < 256, "jumps have eight bits");

static int install_filter(void)
{
	/* Another architecture's numbers mean other calls; memory is never executable. */
	const struct sock_filter head[HEAD_STEPS] = {
		LOAD(arch),
		JUMP(BPF_JEQ, THIS_ARCH, 0, HEAD_STEPS - 2 + NR_ALLOWED),
		LOAD(nr),
		JUMP(BPF_JEQ, SYS_mmap, 0, 2),
		LOAD(args[2]),
		JUMP(BPF_JSET, PROT_EXEC, NR_ALLOWED, NR_ALLOWED + 1),
	};
	const struct sock_filter tail[TAIL_STEPS] = {
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_filter steps[NR_STEPS];
	struct sock_fprog program = { .len = NR_STEPS, .filter = steps };
	long r;

	for (size_t i = 0; i < HEAD_STEPS; i++)
		steps[i] = head[i];
	for (size_t i = 0; i < NR_ALLOWED; i++)
		steps[HEAD_STEPS + i] = (struct sock_filter)JUMP(
			BPF_JEQ, allowed_calls[i], NR_ALLOWED - i, 0);
	for (size_t i = 0; i < TAIL_STEPS; i++)
		steps[HEAD_STEPS + NR_ALLOWED + i] = tail[i];
	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);

	return r < 0 ? -errno : r > 0 ? -EBUSY : 0; /* a thread with a list of its own */
}

int confine_rights(struct error *err)
{
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_errno(err, errno, "cannot give up rights");
	r = drop_capabilities();
	/* A change of rights forgets this. Had the maker ended before, the socket would tell. */
	if (r == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		r = -errno;
	return r < 0 ? error_errno(err, r, "cannot give up rights") : 0;
}

int confine_calls(struct error *err)
{
	int r = confine_report();

	confine_name_thread("shares");
	if (r == 0)
		r = install_filter();

	return r < 0 ? error_errno(err, r, "cannot give up system calls") : 0;
}
