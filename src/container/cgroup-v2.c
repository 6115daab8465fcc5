/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup-v2.c - the unified hierarchy (Linux Documentation/admin-guide/cgroup-v2.rst).
 *
 * A controller works in a cgroup when every ancestor's cgroup.subtree_control names it, and a
 * cgroup (other than the root) that hands controllers down may hold no processes itself. So:
 *   - as root, a container's cgroup is a child of the root;
 *   - in a subtree delegated to us (a systemd scope with Delegate=yes, ours or one of the user's),
 *     the processes found in its top move into a leaf "supervise", and the container's cgroup
 *     becomes that leaf's sibling.
 * Controllers are enabled only where the new cgroup lacks them: usually nothing is written.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/io.h"
#include "base/str.h"
#include "container/cgroup-v2.h"

int v2_path(char buf[PATH_MAX], const struct cgroup_host *host, const char *path, const char *file)
{
	return cgroup_path_of(buf, host->root, path, file ? "/" : "", file ? file : "");
}

int v2_write(const struct cgroup_host *host, const char *path, const char *file, const char *text)
{
	char full[PATH_MAX];
	int r = v2_path(full, host, path, file);

	return r < 0 ? r : io_write_kernel_file(AT_FDCWD, full, text);
}

int v2_read(
	const struct cgroup_host *host, const char *path, const char *file, char *buf, size_t size)
{
	char full[PATH_MAX];
	int r = v2_path(full, host, path, file);

	return r < 0 ? r : cgroup_read_text(full, buf, size);
}

int v2_read_number(
	const struct cgroup_host *host, const char *path, const char *file, uint64_t *ret)
{
	char full[PATH_MAX];
	int r = v2_path(full, host, path, file);

	return r < 0 ? r : cgroup_read_number(full, ret);
}

bool v2_has_file(const struct cgroup_host *host, const char *path, const char *file)
{
	char full[PATH_MAX];

	return v2_path(full, host, path, file) == 0 && access(full, F_OK) == 0;
}

static int v2_remove(const struct cgroup_host *host, const char *path)
{
	char dir[PATH_MAX];
	int r = v2_path(dir, host, path, NULL);

	return r < 0 ? r : cgroup_remove_dirs(dir);
}

/* The files a container's root needs to divide its cgroup (cgroup-v2.rst, "Model of Delegation"),
 * for kernels that do not list them in /sys/kernel/cgroup/delegate (before Linux 4.15). */
static const char delegated_files[] = "cgroup.procs\ncgroup.threads\ncgroup.subtree_control\n";

static int delegate(const char *dir, uid_t owner, struct error *err)
{
	char text[1024], file[PATH_MAX];

	if (cgroup_read_text("/sys/kernel/cgroup/delegate", text, sizeof(text)) <= 0)
		memcpy(text, delegated_files, sizeof(delegated_files));
	if (chown(dir, owner, (gid_t)-1) < 0)
		return error_errno(err, errno, "cannot hand cgroup %s to user %u", dir, owner);
	for (char *name = text, *end; *name; name = end + 1) {
		end = name + strcspn(name, "\n");
		if (!*end)
			break;
		*end = '\0';
		/* memory.reclaim and others are listed whether the controller is here or not. */
		if (cgroup_path_of(file, dir, "/", name) < 0 ||
			(chown(file, owner, (gid_t)-1) < 0 && errno != ENOENT))
			return error_errno(err, errno, "cannot hand %s of cgroup %s to user %u",
				name, dir, owner);
	}
	return 0;
}

/* The process is moved first, by us: once the cgroup is its root's, it may not yet be that root. */
static int move_and_delegate(const struct cgroup_host *host, const char *path,
	const struct cgroup_creation *how, struct error *err)
{
	char dir[PATH_MAX], pid[16];
	int r = v2_path(dir, host, path, NULL);

	snprintf(pid, sizeof(pid), "%d", (int)how->pid);
	if (r == 0 && how->pid > 0)
		r = v2_write(host, path, "cgroup.procs", pid);
	if (r < 0)
		return error_errno(err, r, "cannot move process %s to cgroup %s", pid, path);
	return delegate(dir, how->owner, err);
}

static int v2_create(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, const struct cgroup_creation *how, struct error *err)
{
	char dir[PATH_MAX];
	int r = v2_path(dir, host, path, NULL);

	if (r == 0)
		r = cgroup_make_dir(dir, strlen(host->root), how->existing);
	if (r == -EEXIST)
		return error_set(err, r, "cgroup %s is in use", path);
	if (r < 0)
		return error_errno(err, r, "cannot make cgroup %s", path);
	r = v2_enable_controllers(host, path, v2_needed(limits), err);
	if (r == 0)
		r = v2_apply(host, path, limits, err);
	if (r == 0 && how->delegate)
		r = move_and_delegate(host, path, how, err);
	if (r < 0)
		v2_remove(host, path);
	return r;
}

/* Are we there already, moved by systemd or by whoever made it? */
static bool is_inside(const char *path)
{
	_cleanup_free_ char *own = NULL;
	char text[PATH_MAX];

	return cgroup_read_text("/proc/self/cgroup", text, sizeof(text)) > 0 &&
		cgroup_v2_parse_self(text, &own) == 0 && streq(own, path);
}

static int v2_enter(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	int r = v2_write(host, path, "cgroup.procs", "0");

	(void)limits; /* one hierarchy */
	if (r == -EACCES && is_inside(path))
		return 0;
	if (r < 0)
		return error_errno(err, r, "cannot enter cgroup %s", path);
	return 0;
}

static int v2_update(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	int r;

	if (!v2_has_file(host, path, "cgroup.procs"))
		return error_set(err, ENOENT, "cgroup %s does not exist", path);
	r = v2_enable_controllers(host, path, v2_needed(limits), err);
	return r < 0 ? r : v2_apply(host, path, limits, err);
}

static int v2_freeze(
	const struct cgroup_host *host, const char *path, bool frozen, struct error *err)
{
	int r = v2_write(host, path, "cgroup.freeze", frozen ? "1" : "0");

	if (r < 0)
		return error_errno(err, r, "cannot %s cgroup %s", frozen ? "freeze" : "thaw", path);
	return 0;
}

static int v2_is_frozen(const struct cgroup_host *host, const char *path)
{
	char text[256];
	uint64_t frozen = 0;
	int r = v2_read(host, path, "cgroup.events", text, sizeof(text));

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	cgroup_parse_keyed(text, "frozen", &frozen);
	return frozen == 1;
}

static int v2_pids(const struct cgroup_host *host, const char *path, pid_t **ret, size_t *ret_count,
	struct error *err)
{
	_cleanup_pid_list_ struct cgroup_pid_list list = { .file = "cgroup.procs" };
	char dir[PATH_MAX];
	int r = v2_path(dir, host, path, NULL);

	if (r == 0)
		r = cgroup_collect_pids(dir, &list);
	if (r < 0)
		return error_errno(err, r, "cannot list the processes of cgroup %s", path);
	*ret_count = list.count;
	*ret = steal_ptr(&list.pids);
	return 0;
}

static int v2_kill(const struct cgroup_host *host, const char *path, struct error *err)
{
	_cleanup_free_ pid_t *pids = NULL;
	size_t count = 0;
	int r;

	/* Linux 5.14: the kernel does it, forks included, frozen or not. */
	if (v2_write(host, path, "cgroup.kill", "1") == 0)
		return 0;
	(void)v2_write(host, path, "cgroup.freeze", "1");
	r = v2_pids(host, path, &pids, &count, err);
	for (size_t i = 0; i < count; i++)
		kill(pids[i], SIGKILL);
	(void)v2_write(host, path, "cgroup.freeze", "0");
	return r;
}

static void v2_read_memory(
	const struct cgroup_host *host, const char *path, struct cgroup_stats *stats)
{
	uint64_t usage = 0, inactive = 0, limit = UINT64_MAX, memory = cgroup_host_memory();
	char text[CGROUP_TEXT_MAX];

	v2_read_number(host, path, "memory.current", &usage);
	v2_read_number(host, path, "memory.peak", &stats->memory_peak_bytes);
	v2_read_number(host, path, "memory.max", &limit);
	if (v2_read(host, path, "memory.stat", text, sizeof(text)) > 0)
		cgroup_parse_keyed(text, "inactive_file", &inactive);
	stats->memory_bytes = usage > inactive ? usage - inactive : usage;
	stats->memory_limit_bytes = limit < memory ? limit : memory;
	if (v2_read(host, path, "memory.events", text, sizeof(text)) > 0)
		cgroup_parse_keyed(text, "oom_kill", &stats->oom_kills);
}

static int v2_read_stats(const struct cgroup_host *host, const char *path, struct cgroup_stats *ret,
	struct error *err)
{
	char text[CGROUP_TEXT_MAX];
	uint64_t limit = UINT64_MAX;
	int r = v2_read(host, path, "cpu.stat", text, sizeof(text));

	if (r < 0)
		return error_errno(err, r, "cannot read the use of cgroup %s", path);
	cgroup_parse_keyed(text, "usage_usec", &ret->cpu_usage_ns);
	cgroup_parse_keyed(text, "user_usec", &ret->cpu_user_ns);
	cgroup_parse_keyed(text, "system_usec", &ret->cpu_system_ns);
	cgroup_parse_keyed(text, "throttled_usec", &ret->throttled_ns);
	cgroup_parse_keyed(text, "nr_throttled", &ret->throttled_periods);
	ret->cpu_usage_ns *= 1000;
	ret->cpu_user_ns *= 1000;
	ret->cpu_system_ns *= 1000;
	ret->throttled_ns *= 1000;
	v2_read_memory(host, path, ret);
	if (v2_read_number(host, path, "pids.current", &ret->pids) < 0) {
		_cleanup_pid_list_ struct cgroup_pid_list tasks = { .file = "cgroup.threads" };
		char dir[PATH_MAX];

		if (v2_path(dir, host, path, NULL) == 0)
			cgroup_collect_pids(dir, &tasks);
		ret->pids = tasks.count;
	}
	v2_read_number(host, path, "pids.max", &limit);
	ret->pids_limit = limit == UINT64_MAX ? 0 : limit;
	if (v2_read(host, path, "io.stat", text, sizeof(text)) >= 0) {
		cgroup_parse_io_v2(text, &ret->read_bytes, &ret->written_bytes);
	} else {
		_cleanup_free_ pid_t *pids = NULL;
		size_t count = 0;

		if (v2_pids(host, path, &pids, &count, NULL) == 0)
			cgroup_sum_process_io(pids, count, &ret->read_bytes, &ret->written_bytes);
	}
	return 0;
}

static uint64_t v2_read_oom_kills(const struct cgroup_host *host, const char *path)
{
	char text[256];
	uint64_t kills = 0;

	if (v2_read(host, path, "memory.events", text, sizeof(text)) > 0)
		cgroup_parse_keyed(text, "oom_kill", &kills);
	return kills;
}

static int v2_open_oom_events(const struct cgroup_host *host, const char *path)
{
	_cleanup_close_ int fd = -1;
	char file[PATH_MAX];
	int r = v2_path(file, host, path, "memory.events");

	if (r < 0)
		return r;
	fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (inotify_add_watch(fd, file, IN_MODIFY) < 0)
		return errno == ENOENT ? -ENOTSUP : -errno;
	return steal_fd(&fd);
}

/* Every kernel that has a memory controller of v2 (cgroup-v2.rst, memory.swap.max). */
static bool v2_counts_swap(const struct cgroup_host *host)
{
	return true;
}

const struct cgroup_ops cgroup_v2_ops = {
	.name = "v2",
	.counts_swap = v2_counts_swap,
	.check = v2_check,
	.create = v2_create,
	.enter = v2_enter,
	.update = v2_update,
	.freeze = v2_freeze,
	.is_frozen = v2_is_frozen,
	.pids = v2_pids,
	.kill = v2_kill,
	.read_stats = v2_read_stats,
	.read_full_stats = v2_read_full_stats,
	.read_oom_kills = v2_read_oom_kills,
	.open_oom_events = v2_open_oom_events,
	.remove = v2_remove,
};
