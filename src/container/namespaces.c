/* SPDX-License-Identifier: Apache-2.0 */
/*
 * namespaces.c - which namespaces are made or joined, and what is set inside them: ids, names,
 * kernel values, clocks, the loopback interface.
 */
#include "container/internal.h"

#include <assert.h>
#include <grp.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/stat.h>
#include <linux/sched.h>

#include "base/io.h"
#include "base/str.h"

const int namespace_flags[] = {
	[CONTAINER_NS_MOUNT] = CLONE_NEWNS,
	[CONTAINER_NS_PID] = CLONE_NEWPID,
	[CONTAINER_NS_NETWORK] = CLONE_NEWNET,
	[CONTAINER_NS_IPC] = CLONE_NEWIPC,
	[CONTAINER_NS_UTS] = CLONE_NEWUTS,
	[CONTAINER_NS_USER] = CLONE_NEWUSER,
	[CONTAINER_NS_CGROUP] = CLONE_NEWCGROUP,
	[CONTAINER_NS_TIME] = CLONE_NEWTIME,
};
static_assert(ARRAY_SIZE(namespace_flags) == CONTAINER_NS_COUNT, "a flag per namespace");

const char *const container_namespace_files[] = {
	[CONTAINER_NS_MOUNT] = "mnt",
	[CONTAINER_NS_PID] = "pid",
	[CONTAINER_NS_NETWORK] = "net",
	[CONTAINER_NS_IPC] = "ipc",
	[CONTAINER_NS_UTS] = "uts",
	[CONTAINER_NS_USER] = "user",
	[CONTAINER_NS_CGROUP] = "cgroup",
	[CONTAINER_NS_TIME] = "time",
};
static_assert(ARRAY_SIZE(container_namespace_files) == CONTAINER_NS_COUNT, "a file per namespace");

bool namespaces_is_shared(const struct container_config *config, enum container_namespace which)
{
	const struct container_namespace_config *ns = &config->namespaces[which];
	struct stat joined, own;
	char file[32];

	if (!ns->wanted || !ns->path)
		return !ns->wanted;
	snprintf(file, sizeof(file), "/proc/self/ns/%s", container_namespace_files[which]);
	return stat(ns->path, &joined) == 0 && stat(file, &own) == 0 &&
		joined.st_dev == own.st_dev && joined.st_ino == own.st_ino;
}

int namespaces_new(const struct container_config *config)
{
	int flags = 0;

	for (int i = 0; i < CONTAINER_NS_COUNT; i++)
		if (config->namespaces[i].wanted && !config->namespaces[i].path)
			flags |= namespace_flags[i];
	return flags;
}

bool namespaces_share_mounts(const struct container_config *config)
{
	const struct container_namespace_config *mounts = &config->namespaces[CONTAINER_NS_MOUNT];

	return !mounts->wanted || mounts->path;
}

int namespaces_open_paths(
	const struct container_config *config, int fds[CONTAINER_NS_COUNT], struct error *err)
{
	for (int i = 0; i < CONTAINER_NS_COUNT; i++)
		fds[i] = -1;
	for (int i = 0; i < CONTAINER_NS_COUNT; i++) {
		const char *path = config->namespaces[i].path;

		if (!config->namespaces[i].wanted || !path)
			continue;
		fds[i] = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (fds[i] < 0) {
			int saved = errno;

			namespaces_close(fds);
			return error_errno(err, saved, "cannot open the namespace %s", path);
		}
	}
	return 0;
}

void namespaces_close(int fds[CONTAINER_NS_COUNT])
{
	for (int i = 0; i < CONTAINER_NS_COUNT; i++)
		cleanup_close(&fds[i]);
}

int namespaces_raise_loopback(struct error *err)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return error_errno(err, errno, "cannot raise the loopback interface");
	return 0;
}

static int hand_over_network(const struct child *child, struct error *err)
{
	_cleanup_close_ int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : sync_send_type(child->sync_fd, SYNC_NETWORK, fd);

	return r < 0 ? error_errno(err, r, "cannot hand the network namespace over") : 0;
}

int namespaces_join_network(struct child *child, struct error *err)
{
	_cleanup_close_ int ahead = -1;
	int r = 0;

	if (!child->network_due)
		return 0;
	child->network_due = false;
	if (child->options->network_fd > 0 && !child->in_userns)
		r = network_receive(child->options->network_fd, &ahead, err);
	if (r < 0)
		return r;
	if (ahead >= 0)
		return setns(ahead, CLONE_NEWNET) < 0
			? error_errno(err, errno, "cannot join the network namespace")
			: 0;
	/* Not made ahead: the dearest namespace of all, made here and not by clone(2), so that the
	 * parent makes the cgroup on another CPU meanwhile. */
	if (unshare(CLONE_NEWNET) < 0)
		return error_errno(err, errno, "cannot make a network namespace");
	r = namespaces_raise_loopback(err);
	return r == 0 && child->options->wants_network ? hand_over_network(child, err) : r;
}

static int join(struct child *child, enum container_namespace which, struct error *err)
{
	if (child->namespace_fds[which] >= 0 &&
		setns(child->namespace_fds[which], namespace_flags[which]) < 0)
		return error_errno(err, errno, "cannot join the namespace %s",
			child->config->namespaces[which].path);
	return 0;
}

/* The parent or its helper has put the child into those that are missing here. */
static const enum container_namespace joined[] = { CONTAINER_NS_NETWORK, CONTAINER_NS_IPC,
	CONTAINER_NS_UTS, CONTAINER_NS_CGROUP };

bool namespaces_joins_any(const struct child *child)
{
	for (size_t i = 0; i < ARRAY_SIZE(joined); i++)
		if (child->namespace_fds[joined[i]] >= 0)
			return true;
	return false;
}

void namespaces_join_ours(struct child *child)
{
	for (size_t i = 0; i < ARRAY_SIZE(joined); i++) {
		int *fd = &child->namespace_fds[joined[i]];

		if (*fd >= 0 && setns(*fd, namespace_flags[joined[i]]) == 0)
			close(steal_fd(fd));
	}
}

int namespaces_join(struct child *child, struct error *err)
{
	int flags = namespaces_new(child->config), r;

	for (size_t i = 0; i < ARRAY_SIZE(joined); i++) {
		r = join(child, joined[i], err);
		if (r < 0)
			return r;
	}
	child->network_due = flags & CLONE_NEWNET;
	/* One that is made ahead need not be there yet. */
	if (child->options->network_fd > 0 && !child->config->nr_sysctls)
		return 0;
	return namespaces_join_network(child, err);
}

int namespaces_join_mounts(struct child *child, struct error *err)
{
	_cleanup_close_ int null = -1;
	struct stat st;
	int r;

	if (child->namespace_fds[CONTAINER_NS_MOUNT] < 0)
		return 0;
	r = join(child, CONTAINER_NS_MOUNT, err);
	if (r < 0)
		return r;
	/* What hides files can only be mounted from the same namespace. */
	null = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (null < 0 || fstat(null, &st) < 0)
		return error_errno(err, errno, "cannot open /dev/null in the mount namespace %s",
			child->config->namespaces[CONTAINER_NS_MOUNT].path);
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return error_set(err, EINVAL,
			"/dev/null in the mount namespace %s is something else",
			child->config->namespaces[CONTAINER_NS_MOUNT].path);
	cleanup_close(&child->null_fd);
	child->null_fd = steal_fd(&null);
	return 0;
}

int namespaces_become_root(struct child *child, struct error *err)
{
	if (!child->in_userns)
		return 0;
	/* As real root, entering the cgroup and what only root may reach needs the ids we are about
	 * to give up. */
	if (!child->rootless) {
		int r = namespaces_enter_cgroup(child, err);

		if (r == 0 && child->is_first)
			r = mounts_open_sources(child, err);
		if (r == 0 && child->is_first)
			r = rootfs_open_place(child, err);
		if (r < 0)
			return r;
	} else {
		int r = child_await_prepared(child, err);

		if (r < 0)
			return r;
	}
	/* setgroups(2) is denied where the single mapping is all there is. */
	if (setgroups(0, NULL) < 0 && errno != EPERM)
		return error_errno(err, errno, "cannot drop the groups of the user namespace");
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return error_errno(err, errno, "cannot become root of the user namespace");
	return 0;
}

int namespaces_set_names(struct child *child, struct error *err)
{
	const char *host = child->config->hostname, *domain = child->config->domainname;

	if (!child->config->namespaces[CONTAINER_NS_UTS].wanted)
		return 0;
	if (host && sethostname(host, strlen(host)) < 0)
		return error_errno(err, errno, "cannot set the host name to \"%s\"", host);
	if (domain && setdomainname(domain, strlen(domain)) < 0)
		return error_errno(err, errno, "cannot set the domain name to \"%s\"", domain);
	return 0;
}

int namespaces_enter_cgroup(struct child *child, struct error *err)
{
	int r;

	if (child->in_cgroup)
		return 0;
	child->in_cgroup = true;
	r = child_await_prepared(child, err);
	if (r < 0)
		return r;
	if (child->has_cgroup) {
		r = cgroup_enter_new(child->config->cgroup_path, &child->config->limits, err);
		if (r < 0)
			return r;
	}
	if (namespaces_new(child->config) & CLONE_NEWCGROUP && unshare(CLONE_NEWCGROUP) < 0)
		return error_errno(err, errno, "cannot make a cgroup namespace");
	return 0;
}

int namespaces_write_time_offsets(const struct container_config *config, struct error *err)
{
	char text[128];
	int r;

	if (!config->has_time_offsets)
		return 0;
	snprintf(text, sizeof(text), "monotonic %lld %u\nboottime %lld %u\n",
		(long long)config->monotonic_offset_s, config->monotonic_offset_ns,
		(long long)config->boottime_offset_s, config->boottime_offset_ns);
	r = io_write_kernel_file(AT_FDCWD, "/proc/self/timens_offsets", text);
	return r < 0 ? error_errno(err, r, "cannot set the clock offsets") : 0;
}
