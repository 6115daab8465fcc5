/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup-v1.c - one hierarchy for each controller, and hybrid hosts.
 *
 * Each hierarchy a task enters costs (measured on Linux 6.18, microseconds: mkdir + enter + rmdir):
 *   memory 56+42+37, cpuacct 22+38+19, cpu 26+44+20, cpuset 24+40+21, blkio 27+38+24,
 *   devices 16+36+14, freezer 16+37+14, pids 17+37+15, unified 26+45+22.
 * All of them would be 0.85 ms of a start. So at creation there are only those that cannot be added
 * later without losing what they count (memory, cpuacct), and those that a limit names (devices has
 * rules in nearly every run), or that a program looks for to learn of its limits. The others are
 * made when first needed - freezer at the first pause, cpu or pids by an update - and every task is
 * moved in then. Block I/O is accounted by the processes' own counters where there is no blkio
 * cgroup.
 *
 * Moving is safe against fork: a child is born where its parent is, so a pass that finds nobody
 * left to move is the last. It is safe against `exec`: who enters, enters the anchor (the first
 * controller of the table that exists) first, and looks for the others after that.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/str.h"
#include "container/cgroup-v1.h"

/* Made for every container. */
#define V1_ALWAYS   (V1_BIT(V1_MEMORY) | V1_BIT(V1_CPUACCT))
#define V1_COUNTING (V1_BIT(V1_PIDS) | V1_BIT(V1_BLKIO))
/* Programs that size themselves by their limits, Java for one, believe none of them unless they
 * find all four hierarchies. */
#define V1_SIZING (V1_BIT(V1_MEMORY) | V1_BIT(V1_CPU) | V1_BIT(V1_CPUACCT) | V1_BIT(V1_CPUSET))
#define V1_ALL	  (V1_BIT(V1_COUNT) - 1)

const char *const cgroup_v1_names[] = {
	[V1_MEMORY] = "memory",
	[V1_CPUACCT] = "cpuacct",
	[V1_DEVICES] = "devices",
	[V1_PIDS] = "pids",
	[V1_CPU] = "cpu",
	[V1_CPUSET] = "cpuset",
	[V1_BLKIO] = "blkio",
	[V1_FREEZER] = "freezer",
	[V1_HUGETLB] = "hugetlb",
	[V1_NET_CLS] = "net_cls",
	[V1_NET_PRIO] = "net_prio",
	[V1_RDMA] = "rdma",
	[V1_UNIFIED] = "unified",
};
static_assert(ARRAY_SIZE(cgroup_v1_names) == V1_COUNT, "a controller has no name");

int v1_path(char buf[PATH_MAX], const struct cgroup_host *host, enum v1_controller c,
	const char *path, const char *file)
{
	return cgroup_path_of(
		buf, host->root, "/", cgroup_v1_names[c], path, file ? "/" : "", file ? file : "");
}

bool v1_exists(const struct cgroup_host *host, enum v1_controller c, const char *path)
{
	char dir[PATH_MAX];

	return v1_path(dir, host, c, path, NULL) == 0 && access(dir, F_OK) == 0;
}

bool v1_mounted(const struct cgroup_host *host, enum v1_controller c)
{
	return v1_exists(host, c, "/cgroup.procs");
}

int v1_write(const struct cgroup_host *host, enum v1_controller c, const char *path,
	const char *file, const char *text)
{
	char full[PATH_MAX];
	int r = v1_path(full, host, c, path, file);

	return r < 0 ? r : io_write_kernel_file(AT_FDCWD, full, text);
}

int v1_read(const struct cgroup_host *host, enum v1_controller c, const char *path,
	const char *file, char *buf, size_t size)
{
	char full[PATH_MAX];
	int r = v1_path(full, host, c, path, file);

	return r < 0 ? r : cgroup_read_text(full, buf, size);
}

static int v1_read_number(const struct cgroup_host *host, enum v1_controller c, const char *path,
	const char *file, uint64_t *ret)
{
	char full[PATH_MAX];
	int r = v1_path(full, host, c, path, file);

	return r < 0 ? r : cgroup_read_number(full, ret);
}

/* The controller by which the tasks of a cgroup are listed; V1_COUNT when there is none. */
static enum v1_controller v1_anchor(const struct cgroup_host *host, const char *path)
{
	enum v1_controller c = 0;

	while (c < V1_COUNT && !v1_exists(host, c, path))
		c++;
	return c;
}

/* mkdir in one hierarchy. -ENOENT: the host has no such controller. */
static int v1_make(const struct cgroup_host *host, enum v1_controller c, const char *path,
	enum cgroup_existing existing)
{
	char dir[PATH_MAX];
	int r = v1_path(dir, host, c, path, NULL);

	if (r < 0)
		return r;
	return cgroup_make_dir(dir, strlen(dir) - strlen(path), existing);
}

static int v1_remove(const struct cgroup_host *host, const char *path)
{
	char dir[PATH_MAX];
	int r, failed = 0;

	for (enum v1_controller c = 0; c < V1_COUNT; c++) {
		r = v1_path(dir, host, c, path, NULL);
		if (r == 0)
			r = cgroup_remove_dirs(dir);
		if (r < 0)
			failed = r;
	}
	return failed;
}

/* The hierarchies a new cgroup is in, so far as the host has them. */
static unsigned v1_wanted(const struct cgroup_host *host, const struct cgroup_limits *limits)
{
	unsigned needed = v1_needed(host, limits), wanted = needed | V1_ALWAYS;

	if (limits->count_all)
		wanted |= V1_COUNTING;
	if ((limits->count_all || needed & V1_SIZING) && !limits->realtime)
		wanted |= V1_SIZING;
	return wanted;
}

static int v1_create(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, const struct cgroup_creation *how, struct error *err)
{
	unsigned needed = v1_needed(host, limits), wanted = v1_wanted(host, limits), made = 0;
	int r = 0;

	for (enum v1_controller c = 0; c < V1_COUNT; c++) {
		if (!(wanted & V1_BIT(c)))
			continue;
		r = v1_make(host, c, path, how->existing);
		if (r == -ENOENT && !(needed & V1_BIT(c))) {
			r = 0;
			continue;
		}
		if (r == -EEXIST) {
			error_set(err, r, "cgroup %s is in use (%s hierarchy)", path,
				cgroup_v1_names[c]);
			/* Take back ours only: the others belong to whoever is in it. */
			while (c-- > 0) {
				char dir[PATH_MAX];

				if ((made & V1_BIT(c)) && v1_path(dir, host, c, path, NULL) == 0)
					rmdir(dir);
			}
			return r;
		}
		if (r < 0) {
			error_errno(err, r, "cannot make cgroup %s (%s)", path, cgroup_v1_names[c]);
			break;
		}
		made |= V1_BIT(c);
	}
	/* A host without memory and cpuacct: something must hold the tasks together. */
	for (enum v1_controller c = 0; c < V1_COUNT && r == 0 && !made; c++)
		if (v1_make(host, c, path, how->existing) == 0)
			made |= V1_BIT(c);
	if (r == 0 && (made & V1_BIT(V1_CPUSET)))
		r = v1_inherit_cpuset(host, path, err);
	if (r == 0)
		r = v1_apply(host, path, limits, needed, true, err);
	if (r < 0)
		v1_remove(host, path);
	return r;
}

bool v1_takes_part(
	const struct cgroup_host *host, const struct cgroup_limits *limits, const char *name)
{
	unsigned mask = v1_wanted(host, limits);

	for (enum v1_controller c = 0; c < V1_COUNT; c++)
		if ((mask & V1_BIT(c)) && streq(cgroup_v1_names[c], name))
			return true;
	/* "cpu,cpuacct" mounted as one, and hierarchies we have no controller for. */
	return strchr(name, ',') != NULL;
}

static int v1_enter(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	unsigned mask = limits ? v1_wanted(host, limits) : V1_ALL;
	bool entered = false;
	int r;

	for (enum v1_controller c = 0; c < V1_COUNT; c++) {
		if (!(mask & V1_BIT(c)))
			continue;
		/* The unified hierarchy has no `tasks`. */
		r = v1_write(host, c, path, c == V1_UNIFIED ? "cgroup.procs" : "tasks", "0");
		if (r == -ENOENT)
			continue;
		if (r < 0)
			return error_errno(
				err, r, "cannot enter cgroup %s (%s)", path, cgroup_v1_names[c]);
		entered = true;
	}
	/* A host without memory and cpuacct: whatever holds the tasks together there. */
	if (!entered && mask != V1_ALL)
		return v1_enter(host, path, NULL, err);
	if (!entered)
		return error_set(err, ENOENT, "cannot enter cgroup %s: it does not exist", path);
	return 0;
}

static int compare_pids(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return x < y ? -1 : x > y;
}

/* Move everything the anchor lists into hierarchy `to`. How many passes a fork bomb gets: */
#define V1_MOVE_PASSES 256

static int v1_move_all(const struct cgroup_host *host, const char *path, enum v1_controller from,
	enum v1_controller to, struct error *err)
{
	char from_dir[PATH_MAX], to_dir[PATH_MAX], text[24];
	int r = v1_path(from_dir, host, from, path, NULL);

	if (r == 0)
		r = v1_path(to_dir, host, to, path, NULL);
	for (int pass = 0; r == 0 && pass < V1_MOVE_PASSES; pass++) {
		_cleanup_pid_list_ struct cgroup_pid_list all = { .file = "cgroup.procs" };
		_cleanup_pid_list_ struct cgroup_pid_list there = { .file = "cgroup.procs" };
		size_t moved = 0;

		r = cgroup_collect_pids(from_dir, &all);
		if (r == 0)
			r = cgroup_collect_pids(to_dir, &there);
		if (r < 0)
			break;
		if (there.count)
			qsort(there.pids, there.count, sizeof(pid_t), compare_pids);
		for (size_t i = 0; i < all.count && r == 0; i++) {
			if (there.count &&
				bsearch(&all.pids[i], there.pids, there.count, sizeof(pid_t),
					compare_pids))
				continue;
			snprintf(text, sizeof(text), "%d", all.pids[i]);
			r = v1_write(host, to, path, "cgroup.procs", text);
			if (r == 0)
				moved++;
			else if (r == -ESRCH)
				r = 0;
		}
		if (r == 0 && !moved)
			return 0;
	}
	if (r < 0)
		return error_errno(err, r,
			"cannot move the processes of cgroup %s into its %s hierarchy", path,
			cgroup_v1_names[to]);
	return error_set(err, EAGAIN,
		"the processes of cgroup %s multiply faster than they can be moved", path);
}

static int v1_update(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	enum v1_controller anchor = v1_anchor(host, path);
	unsigned needed = v1_needed(host, limits), made = 0;
	int r;

	if (anchor == V1_COUNT)
		return error_set(err, ENOENT, "cgroup %s does not exist", path);
	for (enum v1_controller c = 0; c < V1_COUNT; c++) {
		if (!(needed & V1_BIT(c)) || v1_exists(host, c, path))
			continue;
		r = v1_make(host, c, path, CGROUP_JOIN);
		if (r < 0)
			return error_errno(
				err, r, "cannot make cgroup %s (%s)", path, cgroup_v1_names[c]);
		made |= V1_BIT(c);
	}
	if (made & V1_BIT(V1_CPUSET)) {
		r = v1_inherit_cpuset(host, path, err);
		if (r < 0)
			return r;
	}
	r = v1_apply(host, path, limits, needed, made & V1_BIT(V1_DEVICES), err);
	for (enum v1_controller c = 0; c < V1_COUNT && r == 0; c++)
		if (made & V1_BIT(c))
			r = v1_move_all(host, path, anchor, c, err);
	return r;
}

static int v1_is_frozen(const struct cgroup_host *host, const char *path)
{
	char state[32];
	int r = v1_read(host, V1_FREEZER, path, "freezer.state", state, sizeof(state));

	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : streq(state, "FROZEN\n");
}

static int v1_freeze(
	const struct cgroup_host *host, const char *path, bool frozen, struct error *err)
{
	enum v1_controller anchor = v1_anchor(host, path);
	int r;

	if (anchor == V1_COUNT)
		return error_set(err, ENOENT, "cgroup %s does not exist", path);
	if (!v1_exists(host, V1_FREEZER, path)) {
		if (!frozen)
			return 0;
		r = v1_make(host, V1_FREEZER, path, CGROUP_REPLACE);
		if (r < 0)
			return error_errno(err, r, "cannot make cgroup %s (freezer)", path);
	}
	if (frozen && anchor != V1_FREEZER) {
		r = v1_move_all(host, path, anchor, V1_FREEZER, err);
		if (r < 0)
			return r;
	}
	r = v1_write(host, V1_FREEZER, path, "freezer.state", frozen ? "FROZEN" : "THAWED");
	if (r < 0)
		return error_errno(err, r, "cannot %s cgroup %s", frozen ? "freeze" : "thaw", path);
	return 0;
}

static int v1_pids(const struct cgroup_host *host, const char *path, pid_t **ret, size_t *ret_count,
	struct error *err)
{
	_cleanup_pid_list_ struct cgroup_pid_list list = { .file = "cgroup.procs" };
	enum v1_controller anchor = v1_anchor(host, path);
	char dir[PATH_MAX];
	int r = 0;

	if (anchor < V1_COUNT) {
		r = v1_path(dir, host, anchor, path, NULL);
		if (r == 0)
			r = cgroup_collect_pids(dir, &list);
	}
	if (r < 0)
		return error_errno(err, r, "cannot list the processes of cgroup %s", path);
	*ret_count = list.count;
	*ret = steal_ptr(&list.pids);
	return 0;
}

/* Stop them first, so that nobody forks away; then kill; then thaw, for the frozen do not die. */
static int v1_kill(const struct cgroup_host *host, const char *path, struct error *err)
{
	_cleanup_pid_list_ struct cgroup_pid_list list = { .file = "cgroup.procs" };
	char dir[PATH_MAX];
	int r = 0;

	(void)v1_freeze(host, path, true, NULL);
	/* Every hierarchy: root in a container may have moved a task within one of them. */
	for (enum v1_controller c = 0; c < V1_COUNT && r == 0; c++) {
		r = v1_path(dir, host, c, path, NULL);
		if (r == 0)
			r = cgroup_collect_pids(dir, &list);
	}
	for (size_t i = 0; i < list.count; i++)
		kill(list.pids[i], SIGKILL);
	(void)v1_freeze(host, path, false, NULL);
	if (r < 0)
		return error_errno(err, r, "cannot list the processes of cgroup %s", path);
	return 0;
}

static void v1_read_memory(
	const struct cgroup_host *host, const char *path, struct cgroup_stats *stats)
{
	char text[CGROUP_TEXT_MAX];
	uint64_t usage = 0, inactive = 0, limit = UINT64_MAX, memory = cgroup_host_memory();

	v1_read_number(host, V1_MEMORY, path, "memory.usage_in_bytes", &usage);
	v1_read_number(
		host, V1_MEMORY, path, "memory.max_usage_in_bytes", &stats->memory_peak_bytes);
	if (v1_read(host, V1_MEMORY, path, "memory.stat", text, sizeof(text)) > 0) {
		cgroup_parse_keyed(text, "total_inactive_file", &inactive);
		cgroup_parse_keyed(text, "hierarchical_memory_limit", &limit);
	}
	stats->memory_bytes = usage > inactive ? usage - inactive : usage;
	stats->memory_limit_bytes = limit < memory ? limit : memory;
	if (v1_read(host, V1_MEMORY, path, "memory.oom_control", text, sizeof(text)) > 0)
		cgroup_parse_keyed(text, "oom_kill", &stats->oom_kills);
}

static void v1_read_cpu(
	const struct cgroup_host *host, const char *path, struct cgroup_stats *stats)
{
	uint64_t tick_ns = UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK);
	char text[512];

	v1_read_number(host, V1_CPUACCT, path, "cpuacct.usage", &stats->cpu_usage_ns);
	if (v1_read(host, V1_CPUACCT, path, "cpuacct.stat", text, sizeof(text)) > 0) {
		cgroup_parse_keyed(text, "user", &stats->cpu_user_ns);
		cgroup_parse_keyed(text, "system", &stats->cpu_system_ns);
		stats->cpu_user_ns *= tick_ns;
		stats->cpu_system_ns *= tick_ns;
	}
	if (v1_read(host, V1_CPU, path, "cpu.stat", text, sizeof(text)) > 0) {
		cgroup_parse_keyed(text, "nr_throttled", &stats->throttled_periods);
		cgroup_parse_keyed(text, "throttled_time", &stats->throttled_ns);
	}
}

static int v1_read_stats(const struct cgroup_host *host, const char *path, struct cgroup_stats *ret,
	struct error *err)
{
	_cleanup_pid_list_ struct cgroup_pid_list tasks = { .file = "tasks" };
	enum v1_controller anchor = v1_anchor(host, path);
	char text[CGROUP_TEXT_MAX], dir[PATH_MAX];
	uint64_t limit = UINT64_MAX;

	if (anchor == V1_COUNT)
		return error_set(err, ENOENT, "cgroup %s does not exist", path);
	v1_read_memory(host, path, ret);
	v1_read_cpu(host, path, ret);
	if (v1_read_number(host, V1_PIDS, path, "pids.current", &ret->pids) < 0) {
		if (v1_path(dir, host, anchor, path, NULL) == 0)
			cgroup_collect_pids(dir, &tasks);
		ret->pids = tasks.count;
	}
	v1_read_number(host, V1_PIDS, path, "pids.max", &limit);
	ret->pids_limit = limit == UINT64_MAX ? 0 : limit;
	if (v1_read(host, V1_BLKIO, path, "blkio.throttle.io_service_bytes_recursive", text,
		    sizeof(text)) >= 0) {
		cgroup_parse_io_v1(text, &ret->read_bytes, &ret->written_bytes);
	} else {
		_cleanup_free_ pid_t *pids = NULL;
		size_t count = 0;

		if (v1_pids(host, path, &pids, &count, NULL) == 0)
			cgroup_sum_process_io(pids, count, &ret->read_bytes, &ret->written_bytes);
	}
	return 0;
}

static uint64_t v1_read_oom_kills(const struct cgroup_host *host, const char *path)
{
	char text[256];
	uint64_t kills = 0;

	if (v1_read(host, V1_MEMORY, path, "memory.oom_control", text, sizeof(text)) > 0)
		cgroup_parse_keyed(text, "oom_kill", &kills);
	return kills;
}

/* An eventfd that cgroup.event_control ties to memory.oom_control (cgroup-v1/memory.rst, 10). */
static int v1_open_oom_events(const struct cgroup_host *host, const char *path)
{
	_cleanup_close_ int event_fd = -1, control_fd = -1;
	char file[PATH_MAX], text[32];
	int r = v1_path(file, host, V1_MEMORY, path, "memory.oom_control");

	if (r < 0)
		return r;
	control_fd = open(file, O_RDONLY | O_CLOEXEC);
	if (control_fd < 0)
		return errno == ENOENT ? -ENOTSUP : -errno;
	event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event_fd < 0)
		return -errno;
	snprintf(text, sizeof(text), "%d %d", event_fd, control_fd);
	r = v1_write(host, V1_MEMORY, path, "cgroup.event_control", text);
	if (r < 0)
		return r;
	return steal_fd(&event_fd);
}

const struct cgroup_ops cgroup_v1_ops = {
	.name = "v1",
	.counts_swap = v1_counts_swap,
	.check = v1_check,
	.create = v1_create,
	.enter = v1_enter,
	.update = v1_update,
	.freeze = v1_freeze,
	.is_frozen = v1_is_frozen,
	.pids = v1_pids,
	.kill = v1_kill,
	.read_stats = v1_read_stats,
	.read_full_stats = v1_read_full_stats,
	.read_oom_kills = v1_read_oom_kills,
	.open_oom_events = v1_open_oom_events,
	.remove = v1_remove,
};
