/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup-v2-limits.c - limits on v2: which controllers they need, how those are enabled, and the
 * files they are written to (Linux Documentation/admin-guide/cgroup-v2.rst).
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "container/cgroup-v2.h"

/* Enabled for every container: accounting. The others when a limit names them. */
#define V2_ALWAYS (V2_BIT(V2_MEMORY) | V2_BIT(V2_CPU) | V2_BIT(V2_PIDS) | V2_BIT(V2_IO))

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

unsigned v2_needed(const struct cgroup_limits *l)
{
	unsigned mask = 0;

	if (cgroup_is_set(l->memory_bytes) || cgroup_is_set(l->memory_swap_bytes) ||
		cgroup_is_set(l->memory_reservation_bytes))
		mask |= V2_BIT(V2_MEMORY);
	if (cgroup_is_set(l->cpu_shares) || cgroup_is_set(l->cpu_quota_us) ||
		cgroup_is_set(l->cpu_period_us) || l->cpu_burst_us != CGROUP_UNSET ||
		l->cpu_idle != CGROUP_UNSET)
		mask |= V2_BIT(V2_CPU);
	if (cgroup_has_text(l->cpuset_cpus) || cgroup_has_text(l->cpuset_mems))
		mask |= V2_BIT(V2_CPUSET);
	if (l->pids != CGROUP_UNSET)
		mask |= V2_BIT(V2_PIDS);
	if (cgroup_is_set(l->blkio_weight) || l->nr_device_weights || l->nr_throttles)
		mask |= V2_BIT(V2_IO);
	if (l->nr_hugepage_limits)
		mask |= V2_BIT(V2_HUGETLB);
	if (l->nr_rdma_limits)
		mask |= V2_BIT(V2_RDMA);
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
		[V2_HUGETLB] = "a limit of huge pages",
		[V2_RDMA] = "an rdma limit",
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

/* What only v1 has; zero asks for nothing. */
static int refuse_v1(const struct cgroup_limits *l, struct error *err)
{
	const struct {
		bool asked;
		const char *name;
	} rows[] = {
		{ l->oom_kill_disable, "--oom-kill-disable" },
		{ cgroup_is_set(l->memory_kernel_bytes), "memory.kernel" },
		{ cgroup_is_set(l->memory_kernel_tcp_bytes), "memory.kernelTCP" },
		{ l->memory_swappiness != CGROUP_UNSET, "memory.swappiness" },
		{ cgroup_is_set(l->cpu_realtime_runtime_us), "cpu.realtimeRuntime" },
		{ cgroup_is_set(l->cpu_realtime_period_us), "cpu.realtimePeriod" },
		{ cgroup_is_set(l->blkio_leaf_weight), "blockIO.leafWeight" },
		{ cgroup_is_set(l->net_class_id), "network.classID" },
		{ l->nr_net_priorities > 0, "network.priorities" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].asked)
			return error_set(err, ENOTSUP,
				"%s exists on cgroup v1 only; this host has v2", rows[i].name);
	for (size_t i = 0; i < l->nr_device_weights; i++)
		if (cgroup_is_set(l->device_weights[i].leaf_weight))
			return error_set(err, ENOTSUP,
				"blockIO.weightDevice: leafWeight exists on cgroup v1 only; this host "
				"has v2");
	return 0;
}

int v2_check(const struct cgroup_host *host, const struct cgroup_limits *limits, struct error *err)
{
	_cleanup_free_ char *base = NULL;
	const char *where = "";
	unsigned needed = v2_needed(limits);
	int64_t swap;
	int r = refuse_v1(limits, err);

	if (r < 0)
		return r;
	if (cgroup_is_set(limits->memory_bytes)) {
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

/* Ask `path` to hand controllers down; all in one write, or, if one is refused, one by one. -EBUSY:
 * it has processes of its own. */
static int enable_in(const struct cgroup_host *host, const char *path, unsigned mask)
{
	_cleanup_str_ struct str all = { 0 };
	char one[32];
	int r = 0;

	for (enum v2_controller c = 0; c < V2_COUNT; c++)
		if (mask & V2_BIT(c))
			str_appendf(&all, "%s+%s", all.len ? " " : "", controller_names[c]);
	if (!all.data || all.failed ||
		v2_write(host, path, "cgroup.subtree_control", all.data) == 0)
		return 0;
	for (enum v2_controller c = 0; c < V2_COUNT; c++) {
		if (!(mask & V2_BIT(c)))
			continue;
		snprintf(one, sizeof(one), "+%s", controller_names[c]);
		if (v2_write(host, path, "cgroup.subtree_control", one) == -EBUSY)
			r = -EBUSY;
	}
	return r;
}

/* Enable the wanted controllers from the root down to path's parent, where they are missing. */
int v2_enable_controllers(
	const struct cgroup_host *host, const char *path, unsigned needed, struct error *err)
{
	unsigned wanted = needed | V2_ALWAYS;
	unsigned missing = wanted & ~v2_controllers(host, path);
	char busy[PATH_MAX] = "";

	if (!missing)
		return 0;
	for (const char *p = path; p; p = strchr(p + 1, '/')) {
		char ancestor[PATH_MAX];
		unsigned here;

		memcpy(ancestor, path, (size_t)(p - path));
		ancestor[p - path] = '\0';
		here = missing & v2_controllers(host, ancestor);
		if (here && enable_in(host, ancestor, here) == -EBUSY)
			memcpy(busy, ancestor, sizeof(busy));
	}
	missing = needed & ~v2_controllers(host, path);
	if (missing && *busy)
		return error_set(err, EBUSY,
			"%s: cgroup %s has processes of its own, so it cannot limit those below",
			option_of((enum v2_controller)__builtin_ctz(missing)), busy);
	return refuse_missing(missing, path, err);
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
static int make_room(const struct cgroup_host *host, const char *path, int64_t limit,
	bool may_reclaim, struct error *err)
{
	uint64_t current;
	char text[32];

	if (limit < 0 || v2_read_number(host, path, "memory.current", &current) < 0 ||
		current <= (uint64_t)limit)
		return 0;
	if (!may_reclaim)
		return error_set(err, EBUSY,
			"--memory: %llu bytes are in use in cgroup %s, more than the new limit of "
			"%lld (checkBeforeUpdate)",
			(unsigned long long)current, path, (long long)limit);
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

	if (cgroup_is_set(limits->memory_bytes)) {
		r = make_room(
			host, path, limits->memory_bytes, !limits->memory_check_before_update, err);
		if (r == 0)
			r = write_limit(
				host, path, "memory.max", "--memory", limits->memory_bytes, err);
	}
	if (r == 0 && cgroup_is_set(limits->memory_swap_bytes))
		r = apply_swap(host, path, limits, err);
	/* As on v1: without a limit of memory there is none of both together. */
	else if (r == 0 && limits->memory_bytes == CGROUP_UNLIMITED &&
		v2_has_file(host, path, "memory.swap.max"))
		r = write_limit(host, path, "memory.swap.max", "--memory", CGROUP_UNLIMITED, err);
	/* runtime-spec config-linux.md: the reservation is a soft guarantee: memory.low. */
	if (r == 0 && cgroup_is_set(limits->memory_reservation_bytes))
		r = write_limit(host, path, "memory.low", "--memory-reservation",
			limits->memory_reservation_bytes, err);
	return r;
}

/* cpu.max holds both numbers: the half that was not given stays as it is. */
static int write_cpu_max(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	int64_t quota = limits->cpu_quota_us, period = limits->cpu_period_us;
	char text[64], old[64];
	int r;

	if (!cgroup_is_set(quota) && !cgroup_is_set(period))
		return 0;
	if (v2_read(host, path, "cpu.max", old, sizeof(old)) < 0 || !strchr(old, ' '))
		snprintf(old, sizeof(old), "max 100000");
	old[strcspn(old, "\n")] = '\0';
	if (!cgroup_is_set(quota))
		snprintf(text, sizeof(text), "%.*s", (int)strcspn(old, " "), old);
	else if (quota < 0)
		snprintf(text, sizeof(text), "max");
	else
		snprintf(text, sizeof(text), "%lld", (long long)quota);
	if (!cgroup_is_set(period))
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

/* The kernel takes no burst above the quota: a growing one must wait for it, a shrinking one must
 * come before it. */
static int apply_cpu_max(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	char burst[24];
	int r, r_burst = 0;

	if (limits->cpu_burst_us != CGROUP_UNSET) {
		snprintf(burst, sizeof(burst), "%lld", (long long)limits->cpu_burst_us);
		r_burst = v2_write(host, path, "cpu.max.burst", burst);
	}
	r = write_cpu_max(host, path, limits, err);
	if (r == 0 && r_burst == -EINVAL)
		r_burst = v2_write(host, path, "cpu.max.burst", burst);
	if (r == 0 && r_burst < 0)
		r = error_errno(err, r_burst,
			"cpu.burst: cannot write %s to cpu.max.burst of cgroup %s", burst, path);
	return r;
}

static int write_shares(
	const struct cgroup_host *host, const char *path, int64_t shares, struct error *err)
{
	if (!cgroup_is_set(shares))
		return 0;
	return write_limit(host, path, "cpu.weight", "--cpu-shares",
		(int64_t)cgroup_weight_from_shares(shares < 0 ? 1024 : (uint64_t)shares), err);
}

/* A cgroup that only gets idle CPUs takes no weight: the weight is set while it is none. */
static int apply_cpu(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	uint64_t idle = 0;
	int r = 0;

	(void)v2_read_number(host, path, "cpu.idle", &idle);
	if (limits->cpu_idle == 0 && idle)
		r = write_limit(host, path, "cpu.idle", "cpu.idle", 0, err);
	if (r == 0 && !(limits->cpu_idle == 1 && idle))
		r = write_shares(host, path, limits->cpu_shares, err);
	if (r == 0 && limits->cpu_idle == 1)
		r = write_limit(host, path, "cpu.idle", "cpu.idle", 1, err);
	return r < 0 ? r : apply_cpu_max(host, path, limits, err);
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

/* One weight, of all devices or of one ("MAJOR:MINOR"), to both schedulers that may be asked: BFQ
 * with blkio's own scale, and the cost model with cgroup's. */
static int write_weight(const struct cgroup_host *host, const char *path, const char *device,
	int64_t weight, struct error *err)
{
	char cost[64], bfq[64];
	int r_cost, r_bfq;

	snprintf(cost, sizeof(cost), "%s %llu", device,
		(unsigned long long)cgroup_io_weight_from_blkio((uint64_t)weight));
	snprintf(bfq, sizeof(bfq), "%s %lld", device, (long long)weight);
	r_cost = v2_write(host, path, "io.weight", cost);
	r_bfq = v2_write(host, path, "io.bfq.weight", bfq);
	if (r_cost == -ENOENT && r_bfq == -ENOENT)
		return error_set(err, ENOTSUP,
			"--blkio-weight: this kernel has no proportional I/O control (neither "
			"io.weight nor io.bfq.weight)");
	if (r_cost < 0 && r_bfq < 0)
		return error_errno(err, r_bfq == -ENOENT ? r_cost : r_bfq,
			"--blkio-weight: cannot write '%s'", r_bfq == -ENOENT ? cost : bfq);
	return 0;
}

static int apply_weights(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	char device[32];
	int r = 0;

	if (cgroup_is_set(limits->blkio_weight))
		r = write_weight(host, path, "default", limits->blkio_weight, err);
	for (size_t i = 0; i < limits->nr_device_weights && r == 0; i++) {
		const struct cgroup_device_weight *w = &limits->device_weights[i];

		snprintf(device, sizeof(device), "%u:%u", w->major, w->minor);
		if (cgroup_is_set(w->weight))
			r = write_weight(host, path, device, w->weight, err);
	}
	return r;
}

static int apply_io(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	int r = apply_weights(host, path, limits, err);

	if (r < 0)
		return r;
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

int v2_apply_hugetlb(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	for (size_t i = 0; i < limits->nr_hugepage_limits; i++) {
		const struct cgroup_hugepage_limit *limit = &limits->hugepage_limits[i];
		char file[64], text[24];
		int r;

		snprintf(text, sizeof(text), "%llu", (unsigned long long)limit->bytes);
		snprintf(file, sizeof(file), "hugetlb.%s.max", limit->page_size);
		r = v2_write(host, path, file, text);
		if (r == -ENOENT)
			return error_set(err, ENOTSUP,
				"hugepageLimits: this kernel has no huge pages of %s",
				limit->page_size);
		if (r == 0) {
			/* Reservations of them: counted apart since Linux 5.7. */
			snprintf(file, sizeof(file), "hugetlb.%s.rsvd.max", limit->page_size);
			r = v2_write(host, path, file, text);
		}
		if (r < 0 && r != -ENOENT)
			return error_errno(
				err, r, "hugepageLimits: cannot write %s of cgroup %s", file, path);
	}
	return 0;
}

static int apply_rdma(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	for (size_t i = 0; i < limits->nr_rdma_limits; i++) {
		_cleanup_free_ char *line = cgroup_rdma_line(&limits->rdma_limits[i]);
		int r = line ? v2_write(host, path, "rdma.max", line) : -ENOMEM;

		if (r < 0)
			return error_errno(err, r, "rdma: cannot limit the device %s",
				limits->rdma_limits[i].device);
	}
	return 0;
}

int v2_apply_unified(const struct cgroup_host *host, const char *path,
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

	if (cgroup_has_text(limits->cpuset_cpus)) {
		r = v2_write(host, path, "cpuset.cpus", limits->cpuset_cpus);
		if (r < 0)
			return error_errno(err, r, "--cpuset-cpus %s", limits->cpuset_cpus);
	}
	if (cgroup_has_text(limits->cpuset_mems)) {
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

int v2_apply(const struct cgroup_host *host, const char *path, const struct cgroup_limits *limits,
	struct error *err)
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
		r = v2_apply_hugetlb(host, path, limits, err);
	if (r == 0)
		r = apply_rdma(host, path, limits, err);
	if (r == 0)
		r = v2_apply_unified(host, path, limits, err);
	if (r == 0)
		r = apply_devices(host, path, limits, err);
	return r;
}
