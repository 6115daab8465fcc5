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
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/io.h"
#include "base/str.h"
#include "container/cgroup-ops.h"

/* The leaf that takes the processes of a delegated cgroup. */
#define V2_SUPERVISE "/supervise"

/* Enabled for every container: accounting. The others when a limit names them. */
#define V2_ALWAYS (V2_BIT(V2_MEMORY) | V2_BIT(V2_CPU) | V2_BIT(V2_PIDS) | V2_BIT(V2_IO))

enum v2_controller {
	V2_MEMORY,
	V2_CPU,
	V2_PIDS,
	V2_IO,
	V2_CPUSET,
	V2_HUGETLB,
	V2_RDMA,
	V2_MISC,
	V2_COUNT,
};

#define V2_BIT(c) (1u << (c))

static const char *const controller_names[] = {
	[V2_MEMORY] = "memory",
	[V2_CPU] = "cpu",
	[V2_PIDS] = "pids",
	[V2_IO] = "io",
	[V2_CPUSET] = "cpuset",
	[V2_HUGETLB] = "hugetlb",
	[V2_RDMA] = "rdma",
	[V2_MISC] = "misc",
};
static_assert(ARRAY_SIZE(controller_names) == V2_COUNT, "a controller has no name");

static int v2_path(
	char buf[PATH_MAX], const struct cgroup_host *host, const char *path, const char *file)
{
	return cgroup_path_of(buf, host->root, path, file ? "/" : "", file ? file : "");
}

static int v2_write(
	const struct cgroup_host *host, const char *path, const char *file, const char *text)
{
	char full[PATH_MAX];
	int r = v2_path(full, host, path, file);

	return r < 0 ? r : io_write_kernel_file(AT_FDCWD, full, text);
}

static int v2_read(
	const struct cgroup_host *host, const char *path, const char *file, char *buf, size_t size)
{
	char full[PATH_MAX];
	int r = v2_path(full, host, path, file);

	return r < 0 ? r : cgroup_read_text(full, buf, size);
}

static int v2_read_number(
	const struct cgroup_host *host, const char *path, const char *file, uint64_t *ret)
{
	char full[PATH_MAX];
	int r = v2_path(full, host, path, file);

	return r < 0 ? r : cgroup_read_number(full, ret);
}

static bool v2_has_file(const struct cgroup_host *host, const char *path, const char *file)
{
	char full[PATH_MAX];

	return v2_path(full, host, path, file) == 0 && access(full, F_OK) == 0;
}

static enum v2_controller controller_from_name(const char *name, size_t len)
{
	enum v2_controller c = 0;

	while (c < V2_COUNT &&
		!(strlen(controller_names[c]) == len &&
			memcmp(controller_names[c], name, len) == 0))
		c++;
	return c;
}

/* "cpuset cpu io memory\n" -> bits; what we do not know is left out. */
static unsigned parse_controllers(const char *text)
{
	unsigned mask = 0;

	while (*text) {
		size_t n = strcspn(text, " \n");
		enum v2_controller c = controller_from_name(text, n);

		if (c < V2_COUNT)
			mask |= V2_BIT(c);
		text += n;
		text += strspn(text, " \n");
	}
	return mask;
}

static unsigned v2_controllers(const struct cgroup_host *host, const char *path)
{
	char text[512];

	if (v2_read(host, path, "cgroup.controllers", text, sizeof(text)) < 0)
		return 0;
	return parse_controllers(text);
}

/* Which controllers the limits need. */
static unsigned v2_needed(const struct cgroup_limits *l)
{
	unsigned mask = 0;

	if (l->memory_bytes != CGROUP_UNSET || l->memory_swap_bytes != CGROUP_UNSET ||
		l->memory_reservation_bytes != CGROUP_UNSET)
		mask |= V2_BIT(V2_MEMORY);
	if (l->cpu_shares != CGROUP_UNSET || l->cpu_quota_us != CGROUP_UNSET ||
		l->cpu_period_us != CGROUP_UNSET)
		mask |= V2_BIT(V2_CPU);
	if (l->cpuset_cpus || l->cpuset_mems)
		mask |= V2_BIT(V2_CPUSET);
	if (l->pids != CGROUP_UNSET)
		mask |= V2_BIT(V2_PIDS);
	if ((l->blkio_weight != CGROUP_UNSET && l->blkio_weight) || l->nr_throttles)
		mask |= V2_BIT(V2_IO);
	strv_for_each (setting, l->unified) {
		enum v2_controller c = controller_from_name(*setting, strcspn(*setting, ".="));

		if (c < V2_COUNT)
			mask |= V2_BIT(c);
	}
	return mask;
}

static const char *option_of(enum v2_controller c)
{
	static const char *const options[] = {
		[V2_MEMORY] = "--memory",
		[V2_CPU] = "--cpus and --cpu-shares",
		[V2_PIDS] = "--pids-limit",
		[V2_IO] = "a block I/O limit",
		[V2_CPUSET] = "--cpuset-cpus and --cpuset-mems",
		[V2_HUGETLB] = "a hugetlb setting",
		[V2_RDMA] = "an rdma setting",
		[V2_MISC] = "a misc setting",
	};
	static_assert(ARRAY_SIZE(options) == V2_COUNT, "a controller has no option");

	return options[c];
}

static int refuse_missing(unsigned missing, const char *where, struct error *err)
{
	for (enum v2_controller c = 0; c < V2_COUNT; c++)
		if (missing & V2_BIT(c))
			return error_set(err, ENOTSUP,
				"%s: the cgroup controller '%s' is not available in %s",
				option_of(c), controller_names[c], where);
	return 0;
}

static int v2_check(
	const struct cgroup_host *host, const struct cgroup_limits *limits, struct error *err)
{
	_cleanup_free_ char *base = NULL;
	const char *where = "";
	unsigned needed = v2_needed(limits);
	int64_t swap;
	int r;

	if (limits->oom_kill_disable)
		return error_set(err, ENOTSUP,
			"--oom-kill-disable exists on cgroup v1 only; this host has v2");
	if (limits->memory_bytes != CGROUP_UNSET) {
		r = cgroup_swap_from_total(
			limits->memory_bytes, limits->memory_swap_bytes, &swap, err);
		if (r < 0)
			return r;
	}
	/* A user has what was delegated; root has what the kernel has. */
	if (needed && geteuid() != 0 && cgroup_v2_delegated(host->root, &base) == 0)
		where = base;
	return refuse_missing(
		needed & ~v2_controllers(host, where), *where ? where : "this host", err);
}

/* Ask `path` to hand controllers down; all in one write, or, if one is refused, one by one. */
static void enable_in(const struct cgroup_host *host, const char *path, unsigned mask)
{
	_cleanup_str_ struct str all = { 0 };
	char one[32];

	for (enum v2_controller c = 0; c < V2_COUNT; c++)
		if (mask & V2_BIT(c))
			str_appendf(&all, "%s+%s", all.len ? " " : "", controller_names[c]);
	if (!all.data || all.failed ||
		v2_write(host, path, "cgroup.subtree_control", all.data) == 0)
		return;
	for (enum v2_controller c = 0; c < V2_COUNT; c++) {
		if (!(mask & V2_BIT(c)))
			continue;
		snprintf(one, sizeof(one), "+%s", controller_names[c]);
		(void)v2_write(host, path, "cgroup.subtree_control", one);
	}
}

/* Enable the wanted controllers from the root down to path's parent, where they are missing. */
static int enable_controllers(
	const struct cgroup_host *host, const char *path, unsigned needed, struct error *err)
{
	unsigned wanted = needed | V2_ALWAYS;
	unsigned missing = wanted & ~v2_controllers(host, path);

	if (!missing)
		return 0;
	for (const char *p = path; p; p = strchr(p + 1, '/')) {
		char ancestor[PATH_MAX];
		unsigned here;

		memcpy(ancestor, path, (size_t)(p - path));
		ancestor[p - path] = '\0';
		here = missing & v2_controllers(host, ancestor);
		if (here)
			enable_in(host, ancestor, here);
	}
	return refuse_missing(needed & ~v2_controllers(host, path), path, err);
}

static int write_limit(const struct cgroup_host *host, const char *path, const char *file,
	const char *option, int64_t value, struct error *err)
{
	char text[32];
	int r;

	snprintf(text, sizeof(text), "%lld", (long long)value);
	r = v2_write(host, path, file, value < 0 ? "max" : text);
	if (r < 0)
		return error_errno(err, r, "%s: cannot write %s of cgroup %s", option, file, path);
	return 0;
}

/*
 * memory.max below the present use makes the kernel kill until it fits, where v1 answers EBUSY.
 * A limit lowered under a running container should not be a death sentence: reclaim first
 * (memory.reclaim, Linux 5.19), and refuse if that was not enough.
 */
static int make_room(
	const struct cgroup_host *host, const char *path, int64_t limit, struct error *err)
{
	uint64_t current;
	char text[32];

	if (limit < 0 || v2_read_number(host, path, "memory.current", &current) < 0 ||
		current <= (uint64_t)limit)
		return 0;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)(current - (uint64_t)limit));
	(void)v2_write(host, path, "memory.reclaim", text);
	if (v2_read_number(host, path, "memory.current", &current) < 0 ||
		current <= (uint64_t)limit)
		return 0;
	return error_set(err, EBUSY,
		"--memory: more than %lld bytes are in use in cgroup %s and cannot be reclaimed",
		(long long)limit, path);
}

static int apply_swap(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	int64_t memory = limits->memory_bytes, swap;
	uint64_t current;
	char swaps[256];
	int r;

	/* An update of the total alone: the memory limit is the one in force. */
	if (memory == CGROUP_UNSET && v2_read_number(host, path, "memory.max", &current) == 0)
		memory = current > INT64_MAX ? CGROUP_UNLIMITED : (int64_t)current;
	r = cgroup_swap_from_total(memory, limits->memory_swap_bytes, &swap, err);
	if (r < 0 || swap == CGROUP_UNSET)
		return r;
	if (!v2_has_file(host, path, "memory.swap.max")) {
		/* The first line is a heading: no swap, nothing to limit. A kernel that knows no
		 * swap has no such file. */
		if (cgroup_read_text("/proc/swaps", swaps, sizeof(swaps)) <= 0 ||
			cgroup_count_lines(swaps) <= 1)
			return 0;
		return error_set(err, ENOTSUP, "--memory-swap: this kernel does not count swap");
	}
	return write_limit(host, path, "memory.swap.max", "--memory-swap", swap, err);
}

static int apply_memory(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	int r = 0;

	if (limits->memory_bytes != CGROUP_UNSET && limits->memory_bytes != 0) {
		r = make_room(host, path, limits->memory_bytes, err);
		if (r == 0)
			r = write_limit(
				host, path, "memory.max", "--memory", limits->memory_bytes, err);
	}
	if (r == 0 && limits->memory_swap_bytes != CGROUP_UNSET && limits->memory_swap_bytes != 0)
		r = apply_swap(host, path, limits, err);
	/* runtime-spec config-linux.md: the reservation is a soft guarantee: memory.low. */
	if (r == 0 && limits->memory_reservation_bytes != CGROUP_UNSET &&
		limits->memory_reservation_bytes != 0)
		r = write_limit(host, path, "memory.low", "--memory-reservation",
			limits->memory_reservation_bytes, err);
	return r;
}

static int apply_cpu(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	int64_t quota = limits->cpu_quota_us, period = limits->cpu_period_us;
	char text[64], old[64] = "max 100000";
	int r;

	if (limits->cpu_shares != CGROUP_UNSET && limits->cpu_shares != 0) {
		r = write_limit(host, path, "cpu.weight", "--cpu-shares",
			(int64_t)cgroup_weight_from_shares(
				limits->cpu_shares < 0 ? 1024 : (uint64_t)limits->cpu_shares),
			err);
		if (r < 0)
			return r;
	}
	if (quota == CGROUP_UNSET && period == CGROUP_UNSET)
		return 0;
	/* One file holds both: the half that was not given stays as it is. */
	if (v2_read(host, path, "cpu.max", old, sizeof(old)) < 0 || !strchr(old, ' '))
		snprintf(old, sizeof(old), "max 100000");
	old[strcspn(old, "\n")] = '\0';
	if (quota == CGROUP_UNSET || quota == 0)
		snprintf(text, sizeof(text), "%.*s", (int)strcspn(old, " "), old);
	else if (quota < 0)
		snprintf(text, sizeof(text), "max");
	else
		snprintf(text, sizeof(text), "%lld", (long long)quota);
	if (period == CGROUP_UNSET || period == 0)
		strncat(text, old + strcspn(old, " "), sizeof(text) - strlen(text) - 1);
	else
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " %lld",
			(long long)period);
	r = v2_write(host, path, "cpu.max", text);
	if (r < 0)
		return error_errno(
			err, r, "--cpus: cannot write '%s' to cpu.max of cgroup %s", text, path);
	return 0;
}

/* " rbps=123", " wiops=max"; nothing when it was not asked for. */
static void append_rate(struct str *s, const char *name, int64_t value)
{
	if (value == CGROUP_UNSET)
		return;
	if (value <= 0)
		str_appendf(s, " %s=max", name);
	else
		str_appendf(s, " %s=%lld", name, (long long)value);
}

static int apply_io(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	char text[64];
	int r;

	if (limits->blkio_weight != CGROUP_UNSET && limits->blkio_weight != 0) {
		snprintf(text, sizeof(text), "default %llu",
			(unsigned long long)cgroup_io_weight_from_blkio(
				(uint64_t)limits->blkio_weight));
		r = v2_write(host, path, "io.weight", text);
		/* BFQ's own file has blkio's scale. */
		if (r == -ENOENT) {
			snprintf(text, sizeof(text), "%lld", (long long)limits->blkio_weight);
			r = v2_write(host, path, "io.bfq.weight", text);
		}
		if (r == -ENOENT)
			return error_set(err, ENOTSUP,
				"--blkio-weight: this kernel has no proportional I/O control (neither "
				"io.weight nor io.bfq.weight)");
		if (r < 0)
			return error_errno(err, r, "--blkio-weight %s", text);
	}
	for (size_t i = 0; i < limits->nr_throttles; i++) {
		const struct cgroup_throttle *t = &limits->throttles[i];
		_cleanup_str_ struct str line = { 0 };

		str_appendf(&line, "%u:%u", t->major, t->minor);
		append_rate(&line, "rbps", t->read_bps);
		append_rate(&line, "wbps", t->write_bps);
		append_rate(&line, "riops", t->read_iops);
		append_rate(&line, "wiops", t->write_iops);
		if (line.failed)
			return error_oom(err);
		r = v2_write(host, path, "io.max", line.data);
		if (r < 0)
			return error_errno(
				err, r, "cannot limit block device %u:%u", t->major, t->minor);
	}
	return 0;
}

static int apply_unified(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	strv_for_each (setting, limits->unified) {
		char key[128];
		const char *value;
		int r = cgroup_split_unified(*setting, key, sizeof(key), &value, err);

		if (r < 0)
			return r;
		r = v2_write(host, path, key, value);
		if (r < 0)
			return error_errno(err, r, "cannot set '%s' in cgroup %s", *setting, path);
	}
	return 0;
}

static int apply_cpuset(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	int r = 0;

	if (limits->cpuset_cpus) {
		r = v2_write(host, path, "cpuset.cpus", limits->cpuset_cpus);
		if (r < 0)
			return error_errno(err, r, "--cpuset-cpus %s", limits->cpuset_cpus);
	}
	if (limits->cpuset_mems) {
		r = v2_write(host, path, "cpuset.mems", limits->cpuset_mems);
		if (r < 0)
			return error_errno(err, r, "--cpuset-mems %s", limits->cpuset_mems);
	}
	return 0;
}

static int apply_devices(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	_cleanup_close_ int fd = -1;
	char dir[PATH_MAX];
	int r;

	if (limits->nr_device_rules == 0)
		return 0;
	r = v2_path(dir, host, path, NULL);
	if (r < 0)
		return error_errno(err, r, "cgroup %s", path);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "cannot open %s", dir);
	r = cgroup_device_attach(fd, limits->device_rules, limits->nr_device_rules);
	/* A user may load no such program, and needs none: in a user namespace nobody can make a
	 * device node, and the host's nodes keep the user's own permissions. */
	if (r == -EPERM && !cgroup_is_real_root())
		return 0;
	if (r < 0)
		return error_errno(err, r, "cannot set the device policy of cgroup %s", path);
	return 0;
}

static int v2_apply(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	int r = apply_memory(host, path, limits, err);

	if (r == 0)
		r = apply_cpu(host, path, limits, err);
	if (r == 0 && limits->pids != CGROUP_UNSET)
		r = write_limit(host, path, "pids.max", "--pids-limit",
			limits->pids == 0 ? CGROUP_UNLIMITED : limits->pids, err);
	if (r == 0)
		r = apply_cpuset(host, path, limits, err);
	if (r == 0)
		r = apply_io(host, path, limits, err);
	if (r == 0)
		r = apply_unified(host, path, limits, err);
	if (r == 0)
		r = apply_devices(host, path, limits, err);
	return r;
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
	r = enable_controllers(host, path, v2_needed(limits), err);
	if (r == 0)
		r = v2_apply(host, path, limits, err);
	if (r == 0 && how->delegate)
		r = delegate(dir, how->owner, err);
	if (r < 0)
		v2_remove(host, path);
	return r;
}

static int v2_enter(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	int r = v2_write(host, path, "cgroup.procs", "0");

	(void)limits; /* one hierarchy */
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
	r = enable_controllers(host, path, v2_needed(limits), err);
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
