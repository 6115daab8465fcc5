/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup-v1-limits.c - limits on v1: which controllers they need, whether the host has those, and
 * the files they are written to.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "container/cgroup-v1.h"
#include "container/cgroup-v2.h"

/* Limits that are one number in one file. */
static const struct v1_setting {
	enum v1_controller controller;
	const char *file;
	const char *option;
	size_t offset;
	bool zero_means_unset; /* Docker's "0: the kernel's default" */
	const char *unlimited; /* what is written for CGROUP_UNLIMITED */
} v1_settings[] = {
#define ROW(c, file, option, member, zero, unlimited)                                              \
	{                                                                                          \
		c, file, option, offsetof(struct cgroup_limits, member), zero, unlimited           \
	}
	ROW(V1_MEMORY, "memory.soft_limit_in_bytes", "--memory-reservation",
		memory_reservation_bytes, true, "-1"),
	ROW(V1_MEMORY, "memory.swappiness", "memory.swappiness", memory_swappiness, false, "60"),
	/* 0 is no limit to Docker, and no process at all to the kernel. */
	ROW(V1_PIDS, "pids.max", "--pids-limit", pids, false, "max"),
	ROW(V1_NET_CLS, "net_cls.classid", "network.classID", net_class_id, true, "0"),
#undef ROW
};

static bool setting_value(
	const struct v1_setting *s, const struct cgroup_limits *limits, int64_t *ret)
{
	*ret = *(const int64_t *)(const void *)((const char *)limits + s->offset);
	if (s->controller == V1_PIDS && *ret == 0)
		*ret = CGROUP_UNLIMITED;
	return *ret != CGROUP_UNSET && !(*ret == 0 && s->zero_means_unset);
}

/* Do the limits of huge pages go to the v2 hierarchy of a hybrid host? */
static bool hugetlb_is_unified(const struct cgroup_host *host)
{
	return !v1_mounted(host, V1_HUGETLB) && v1_mounted(host, V1_UNIFIED);
}

unsigned v1_needed(const struct cgroup_host *host, const struct cgroup_limits *l)
{
	unsigned mask = 0;
	int64_t value;

	for (size_t i = 0; i < ARRAY_SIZE(v1_settings); i++)
		if (setting_value(&v1_settings[i], l, &value))
			mask |= V1_BIT(v1_settings[i].controller);
	if (cgroup_is_set(l->memory_bytes) || cgroup_is_set(l->memory_swap_bytes) ||
		cgroup_is_set(l->memory_kernel_bytes) ||
		cgroup_is_set(l->memory_kernel_tcp_bytes) || l->memory_use_hierarchy ||
		l->oom_kill_disable)
		mask |= V1_BIT(V1_MEMORY);
	if (cgroup_is_set(l->cpu_shares) || cgroup_is_set(l->cpu_quota_us) ||
		cgroup_is_set(l->cpu_period_us) || l->cpu_burst_us != CGROUP_UNSET ||
		l->cpu_idle != CGROUP_UNSET || cgroup_is_set(l->cpu_realtime_runtime_us) ||
		cgroup_is_set(l->cpu_realtime_period_us))
		mask |= V1_BIT(V1_CPU);
	if (cgroup_has_text(l->cpuset_cpus) || cgroup_has_text(l->cpuset_mems))
		mask |= V1_BIT(V1_CPUSET);
	if (cgroup_is_set(l->blkio_weight) || cgroup_is_set(l->blkio_leaf_weight) ||
		l->nr_device_weights || l->nr_throttles)
		mask |= V1_BIT(V1_BLKIO);
	if (l->nr_device_rules)
		mask |= V1_BIT(V1_DEVICES);
	if (l->nr_hugepage_limits)
		mask |= hugetlb_is_unified(host) ? V1_BIT(V1_UNIFIED) : V1_BIT(V1_HUGETLB);
	if (l->nr_net_priorities)
		mask |= V1_BIT(V1_NET_PRIO);
	if (l->nr_rdma_limits)
		mask |= V1_BIT(V1_RDMA);
	if (l->unified && l->unified[0])
		mask |= V1_BIT(V1_UNIFIED);
	return mask;
}

/* Is swap counted, or is there none to count? */
bool v1_counts_swap(const struct cgroup_host *host)
{
	char file[PATH_MAX], swaps[256];

	if (v1_path(file, host, V1_MEMORY, "", "memory.memsw.limit_in_bytes") == 0 &&
		access(file, F_OK) == 0)
		return true;
	/* The first line is a heading. */
	return cgroup_read_text("/proc/swaps", swaps, sizeof(swaps)) > 0 &&
		cgroup_count_lines(swaps) <= 1;
}

/* Hybrid: v2 settings are possible for the controllers that live in the unified hierarchy. */
static int v1_check_unified(
	const struct cgroup_host *host, const struct cgroup_limits *limits, struct error *err)
{
	char controllers[512], key[128];

	if (v1_read(host, V1_UNIFIED, "", "cgroup.controllers", controllers, sizeof(controllers)) <
		0)
		controllers[0] = '\0';
	if (limits->nr_hugepage_limits && hugetlb_is_unified(host) &&
		!strstr(controllers, "hugetlb"))
		return error_set(err, ENOTSUP,
			"hugepageLimits: this host has no cgroup controller 'hugetlb'");
	strv_for_each (setting, limits->unified) {
		_cleanup_strv_ char **words = NULL;
		const char *value;
		int r = cgroup_split_unified(*setting, key, sizeof(key), &value, err);

		if (r < 0)
			return r;
		*strchr(key, '.') = '\0';
		controllers[strcspn(controllers, "\n")] = '\0';
		words = strv_split(controllers, ' ');
		if (!words)
			return error_oom(err);
		if (!streq(key, "cgroup") && !strv_contains(words, key))
			return error_set(err, ENOTSUP,
				"'%s' is a setting of cgroup v2; on this host the %s controller is v1's",
				*setting, key);
	}
	return 0;
}

/* What asks for a controller, for sentences. */
static const char *option_of(enum v1_controller c)
{
	static const char *const options[] = {
		[V1_MEMORY] = "--memory and its like",
		[V1_CPUACCT] = "CPU accounting",
		[V1_DEVICES] = "a device rule",
		[V1_PIDS] = "--pids-limit",
		[V1_CPU] = "--cpus, --cpu-shares and their like",
		[V1_CPUSET] = "--cpuset-cpus and --cpuset-mems",
		[V1_BLKIO] = "a block I/O limit",
		[V1_FREEZER] = "pause",
		[V1_HUGETLB] = "hugepageLimits",
		[V1_NET_CLS] = "network.classID",
		[V1_NET_PRIO] = "network.priorities",
		[V1_RDMA] = "an rdma limit",
		[V1_UNIFIED] = "a setting of cgroup v2",
	};
	static_assert(ARRAY_SIZE(options) == V1_COUNT, "a controller has no option");

	return options[c];
}

int v1_check(const struct cgroup_host *host, const struct cgroup_limits *limits, struct error *err)
{
	unsigned needed = v1_needed(host, limits);
	int64_t swap;
	int r;

	for (enum v1_controller c = 0; c < V1_COUNT; c++)
		if ((needed & V1_BIT(c)) && !v1_mounted(host, c))
			return error_set(err, ENOTSUP,
				"%s: this host has no cgroup controller '%s'", option_of(c),
				cgroup_v1_names[c]);
	r = cgroup_swap_from_total(limits->memory_bytes, limits->memory_swap_bytes, &swap, err);
	/* An update may change the total alone: then the kernel compares. */
	if (r < 0 && cgroup_is_set(limits->memory_bytes))
		return r;
	error_clear(err);
	if (cgroup_is_set(limits->memory_swap_bytes) && !v1_counts_swap(host))
		return error_set(err, ENOTSUP,
			"--memory-swap: this kernel does not count swap (boot it with swapaccount=1)");
	return v1_check_unified(host, limits, err);
}

static int write_failed(
	struct error *err, int r, const char *option, const char *path, const char *file)
{
	return error_errno(err, r, "%s: cannot write %s of cgroup %s", option, file, path);
}

/*
 * The two memory limits, of which the total may never be the smaller one: growing needs the total
 * first, shrinking the memory first. The kernel says EINVAL to the wrong order.
 */
static int v1_apply_memory(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	static const char memory_file[] = "memory.limit_in_bytes";
	static const char total_file[] = "memory.memsw.limit_in_bytes";
	char memory[32], total[32];
	bool has_total = limits->memory_swap_bytes != CGROUP_UNSET &&
		limits->memory_swap_bytes != 0 && v1_exists(host, V1_MEMORY, path);
	int r = 0;

	snprintf(memory, sizeof(memory), "%lld", (long long)limits->memory_bytes);
	snprintf(total, sizeof(total), "%lld", (long long)limits->memory_swap_bytes);
	/* No limit of memory, and nothing said about the total: that cannot be the smaller one. */
	if (limits->memory_bytes == CGROUP_UNLIMITED && !has_total) {
		snprintf(total, sizeof(total), "-1");
		has_total = true;
	}
	if (cgroup_is_set(limits->memory_bytes)) {
		r = v1_write(host, V1_MEMORY, path, memory_file, memory);
		if (r == -EINVAL && has_total) {
			r = v1_write(host, V1_MEMORY, path, total_file, total);
			if (r == 0)
				r = v1_write(host, V1_MEMORY, path, memory_file, memory);
			has_total = false;
		}
		if (r == -EBUSY)
			return error_set(err, r,
				"--memory: more than %s bytes are in use in cgroup %s and cannot be reclaimed",
				memory, path);
		if (r == -EINVAL)
			return error_set(err, r,
				"--memory: %s bytes is more than the --memory-swap of cgroup %s; give both",
				memory, path);
		if (r < 0)
			return write_failed(err, r, "--memory", path, memory_file);
	}
	if (!has_total)
		return 0;
	r = v1_write(host, V1_MEMORY, path, total_file, total);
	/* No such file and no swap: there is nothing to limit (v1_check() has looked). */
	if (r < 0 && r != -ENOENT)
		return write_failed(err, r, "--memory-swap", path, total_file);
	return 0;
}

/* Kernels since 5.16 take kmem limits and forget them: what was written must be there. */
static int v1_apply_kernel_memory(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	const struct {
		const char *file, *option;
		int64_t value;
	} rows[] = {
		{ "memory.kmem.limit_in_bytes", "memory.kernel", limits->memory_kernel_bytes },
		{ "memory.kmem.tcp.limit_in_bytes", "memory.kernelTCP",
			limits->memory_kernel_tcp_bytes },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[32];
		uint64_t now = UINT64_MAX;
		int r;

		if (!cgroup_is_set(rows[i].value))
			continue;
		snprintf(text, sizeof(text), "%lld", (long long)rows[i].value);
		r = v1_write(host, V1_MEMORY, path, rows[i].file, text);
		if (r == 0 && v1_read(host, V1_MEMORY, path, rows[i].file, text, sizeof(text)) > 0)
			(void)cgroup_parse_number(text, &now);
		if (r == -ENOENT || r == -EOPNOTSUPP ||
			(r == 0 && rows[i].value > 0 && now > (uint64_t)rows[i].value))
			return error_set(err, ENOTSUP,
				"%s: this kernel does not limit its own memory any more (%s)",
				rows[i].option, rows[i].file);
		if (r < 0)
			return write_failed(err, r, rows[i].option, path, rows[i].file);
	}
	return 0;
}

/* Bools of the memory controller. */
static int v1_apply_memory_modes(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	int r = 0;

	if (limits->memory_use_hierarchy) {
		r = v1_write(host, V1_MEMORY, path, "memory.use_hierarchy", "1");
		if (r < 0)
			return write_failed(
				err, r, "memory.useHierarchy", path, "memory.use_hierarchy");
	}
	if (limits->oom_kill_disable) {
		r = v1_write(host, V1_MEMORY, path, "memory.oom_control", "1");
		if (r < 0)
			return write_failed(
				err, r, "--oom-kill-disable", path, "memory.oom_control");
	}
	return 0;
}

static int v1_write_cpu(
	const struct cgroup_host *host, const char *path, const char *file, int64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	return v1_write(host, V1_CPU, path, file, text);
}

static int v1_apply_shares(
	const struct cgroup_host *host, const char *path, int64_t shares, struct error *err)
{
	int r;

	if (!cgroup_is_set(shares))
		return 0;
	/* The kernel would take the nearest end, silently. */
	if (shares > 0 && (shares < 2 || shares > 262144))
		return error_set(err, EINVAL, "--cpu-shares is between 2 and 262144, not %lld",
			(long long)shares);
	r = v1_write_cpu(host, path, "cpu.shares", shares < 0 ? 1024 : shares);
	return r < 0 ? write_failed(err, r, "--cpu-shares", path, "cpu.shares") : 0;
}

/* A cgroup that only gets idle CPUs takes no shares: they are set while it is none. */
static int v1_apply_idle(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	char text[16] = "";
	bool idle = limits->cpu_idle != CGROUP_UNSET &&
		v1_read(host, V1_CPU, path, "cpu.idle", text, sizeof(text)) > 0 && *text == '1';
	int r = 0;

	if (limits->cpu_idle == 0 && idle)
		r = v1_write_cpu(host, path, "cpu.idle", 0);
	if (r == 0 && !(limits->cpu_idle == 1 && idle)) {
		r = v1_apply_shares(host, path, limits->cpu_shares, err);
		if (r < 0)
			return r;
	}
	if (limits->cpu_idle == 1)
		r = v1_write_cpu(host, path, "cpu.idle", 1);
	if (r == -ENOENT)
		return error_set(
			err, ENOTSUP, "cpu.idle: this kernel has no cpu.idle (Linux 5.15 has)");
	return r < 0 ? write_failed(err, r, "cpu.idle", path, "cpu.idle") : 0;
}

/*
 * Numbers that the kernel checks against each other (period and quota against the parent's share,
 * burst against the quota; realtime period and runtime likewise): what is refused in the first
 * round may be right after the others have changed.
 */
struct cpu_number {
	const char *file, *option;
	int64_t value;
	bool done;
};

static int v1_apply_numbers(const struct cgroup_host *host, const char *path,
	struct cpu_number *numbers, size_t count, struct error *err)
{
	int r = 0;

	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < count; i++) {
			struct cpu_number *n = &numbers[i];

			if (n->done)
				continue;
			r = v1_write_cpu(host, path, n->file, n->value);
			n->done = r == 0;
			if (r == -ENOENT)
				return error_set(err, ENOTSUP, "%s: this kernel has no %s",
					n->option, n->file);
			if (r < 0 && (r != -EINVAL || round > 0))
				return write_failed(err, r, n->option, path, n->file);
		}
	}
	return 0;
}

static int v1_apply_cpu(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *l, struct error *err)
{
	struct cpu_number bandwidth[] = {
		{ "cpu.cfs_period_us", "--cpu-period",
			l->cpu_period_us < 0 ? 100000 : l->cpu_period_us,
			!cgroup_is_set(l->cpu_period_us) },
		{ "cpu.cfs_burst_us", "cpu.burst", l->cpu_burst_us,
			l->cpu_burst_us == CGROUP_UNSET },
		{ "cpu.cfs_quota_us", "--cpus", l->cpu_quota_us, !cgroup_is_set(l->cpu_quota_us) },
	};
	struct cpu_number realtime[] = {
		{ "cpu.rt_period_us", "cpu.realtimePeriod", l->cpu_realtime_period_us,
			!cgroup_is_set(l->cpu_realtime_period_us) },
		{ "cpu.rt_runtime_us", "cpu.realtimeRuntime", l->cpu_realtime_runtime_us,
			!cgroup_is_set(l->cpu_realtime_runtime_us) },
	};
	int r = v1_apply_idle(host, path, l, err);

	if (r == 0)
		r = v1_apply_numbers(host, path, bandwidth, ARRAY_SIZE(bandwidth), err);
	if (r == 0)
		r = v1_apply_numbers(host, path, realtime, ARRAY_SIZE(realtime), err);
	return r;
}

static int v1_apply_cpuset(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	int r;

	if (cgroup_has_text(limits->cpuset_cpus)) {
		r = v1_write(host, V1_CPUSET, path, "cpuset.cpus", limits->cpuset_cpus);
		if (r < 0)
			return error_errno(err, r, "--cpuset-cpus %s", limits->cpuset_cpus);
	}
	if (cgroup_has_text(limits->cpuset_mems)) {
		r = v1_write(host, V1_CPUSET, path, "cpuset.mems", limits->cpuset_mems);
		if (r < 0)
			return error_errno(err, r, "--cpuset-mems %s", limits->cpuset_mems);
	}
	return 0;
}

int v1_inherit_cpuset(const struct cgroup_host *host, const char *path, struct error *err)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
	char level[PATH_MAX] = "", parent_text[1024], text[1024];
	const char *next = path;
	int r;

	while (*next) {
		char parent[PATH_MAX];
		size_t n = (size_t)(next - path) + 1 + strcspn(next + 1, "/");

		memcpy(parent, path, (size_t)(next - path));
		parent[next - path] = '\0';
		memcpy(level, path, n);
		level[n] = '\0';
		for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
			r = v1_read(host, V1_CPUSET, level, files[i], text, sizeof(text));
			if (r >= 0 && text[strspn(text, "\n")])
				continue;
			r = v1_read(host, V1_CPUSET, parent, files[i], parent_text,
				sizeof(parent_text));
			if (r >= 0)
				r = v1_write(host, V1_CPUSET, level, files[i], parent_text);
			if (r < 0)
				return error_errno(
					err, r, "cannot set up %s of cgroup %s", files[i], level);
		}
		next = path + n;
	}
	return 0;
}

static int v1_apply_hugetlb(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	for (size_t i = 0; i < limits->nr_hugepage_limits; i++) {
		const struct cgroup_hugepage_limit *limit = &limits->hugepage_limits[i];
		char file[64], text[24];
		int r;

		snprintf(text, sizeof(text), "%llu", (unsigned long long)limit->bytes);
		snprintf(file, sizeof(file), "hugetlb.%s.limit_in_bytes", limit->page_size);
		r = v1_write(host, V1_HUGETLB, path, file, text);
		if (r == -ENOENT)
			return error_set(err, ENOTSUP,
				"hugepageLimits: this kernel has no huge pages of %s",
				limit->page_size);
		if (r == 0) {
			/* Reservations of them: counted apart since Linux 5.7. */
			snprintf(file, sizeof(file), "hugetlb.%s.rsvd.limit_in_bytes",
				limit->page_size);
			r = v1_write(host, V1_HUGETLB, path, file, text);
		}
		if (r < 0 && r != -ENOENT)
			return write_failed(err, r, "hugepageLimits", path, file);
	}
	return 0;
}

static int v1_apply_network(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	for (size_t i = 0; i < limits->nr_net_priorities; i++) {
		const struct cgroup_net_priority *p = &limits->net_priorities[i];
		_cleanup_free_ char *line = strf("%s %u", p->interface, p->priority);
		int r = line ? v1_write(host, V1_NET_PRIO, path, "net_prio.ifpriomap", line)
			     : -ENOMEM;

		if (r < 0)
			return error_errno(err, r,
				"network.priorities: cannot set the priority of interface %s",
				p->interface);
	}
	return 0;
}

static int v1_apply_rdma(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	for (size_t i = 0; i < limits->nr_rdma_limits; i++) {
		_cleanup_free_ char *line = cgroup_rdma_line(&limits->rdma_limits[i]);
		int r = line ? v1_write(host, V1_RDMA, path, "rdma.max", line) : -ENOMEM;

		if (r < 0)
			return error_errno(err, r, "rdma: cannot limit the device %s",
				limits->rdma_limits[i].device);
	}
	return 0;
}

/* What lives in the v2 hierarchy of a hybrid host. */
static int v1_apply_unified(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, unsigned needed, struct error *err)
{
	char root[PATH_MAX];
	struct cgroup_host unified = { &cgroup_v2_ops, root };
	struct cgroup_limits part;
	int r = v1_path(root, host, V1_UNIFIED, "", NULL);

	if (r < 0)
		return error_errno(err, r, "cgroup %s", path);
	cgroup_limits_init(&part);
	part.unified = limits->unified;
	if (!(needed & V1_BIT(V1_HUGETLB))) {
		part.hugepage_limits = limits->hugepage_limits;
		part.nr_hugepage_limits = limits->nr_hugepage_limits;
	}
	r = v2_enable_controllers(&unified, path, v2_needed(&part), err);
	if (r == 0)
		r = v2_apply_hugetlb(&unified, path, &part, err);
	return r < 0 ? r : v2_apply_unified(&unified, path, &part, err);
}

static int v1_apply_settings(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	char text[32];
	int64_t value;

	for (size_t i = 0; i < ARRAY_SIZE(v1_settings); i++) {
		const struct v1_setting *s = &v1_settings[i];
		int r;

		if (!setting_value(s, limits, &value))
			continue;
		snprintf(text, sizeof(text), "%lld", (long long)value);
		r = v1_write(host, s->controller, path, s->file, value < 0 ? s->unlimited : text);
		if (r < 0)
			return write_failed(err, r, s->option, path, s->file);
	}
	return 0;
}

int v1_apply(const struct cgroup_host *host, const char *path, const struct cgroup_limits *limits,
	unsigned needed, bool fresh_devices, struct error *err)
{
	static const struct {
		enum v1_controller controller;
		int (*apply)(const struct cgroup_host *host, const char *path,
			const struct cgroup_limits *limits, struct error *err);
	} steps[] = {
		{ V1_MEMORY, v1_apply_memory },
		{ V1_MEMORY, v1_apply_kernel_memory },
		{ V1_MEMORY, v1_apply_memory_modes },
		{ V1_CPU, v1_apply_cpu },
		{ V1_CPUSET, v1_apply_cpuset },
		{ V1_BLKIO, v1_apply_blkio },
		{ V1_HUGETLB, v1_apply_hugetlb },
		{ V1_NET_PRIO, v1_apply_network },
		{ V1_RDMA, v1_apply_rdma },
	};
	int r = v1_apply_settings(host, path, limits, err);

	for (size_t i = 0; i < ARRAY_SIZE(steps) && r == 0; i++)
		if (needed & V1_BIT(steps[i].controller))
			r = steps[i].apply(host, path, limits, err);
	if (r == 0 && (needed & V1_BIT(V1_DEVICES)))
		r = v1_apply_devices(host, path, limits, fresh_devices, err);
	if (r == 0 && (needed & V1_BIT(V1_UNIFIED)))
		r = v1_apply_unified(host, path, limits, needed, err);
	return r;
}
