/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup-v1-limits.c - limits on v1: which controllers they need, whether the host has those, and
 * the files they are written to.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "container/cgroup-v1.h"

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
	ROW(V1_PIDS, "pids.max", "--pids-limit", pids, false, "max"),
	ROW(V1_CPU, "cpu.shares", "--cpu-shares", cpu_shares, true, "1024"),
	ROW(V1_CPU, "cpu.cfs_period_us", "--cpu-period", cpu_period_us, true, "100000"),
	ROW(V1_CPU, "cpu.cfs_quota_us", "--cpus", cpu_quota_us, true, "-1"),
#undef ROW
};

static bool setting_value(
	const struct v1_setting *s, const struct cgroup_limits *limits, int64_t *ret)
{
	*ret = *(const int64_t *)(const void *)((const char *)limits + s->offset);
	return *ret != CGROUP_UNSET && !(*ret == 0 && s->zero_means_unset);
}

unsigned v1_needed(const struct cgroup_limits *limits)
{
	unsigned mask = 0;
	int64_t value;

	for (size_t i = 0; i < ARRAY_SIZE(v1_settings); i++)
		if (setting_value(&v1_settings[i], limits, &value))
			mask |= V1_BIT(v1_settings[i].controller);
	if (limits->memory_bytes != CGROUP_UNSET || limits->memory_swap_bytes != CGROUP_UNSET ||
		limits->oom_kill_disable)
		mask |= V1_BIT(V1_MEMORY);
	if (limits->cpuset_cpus || limits->cpuset_mems)
		mask |= V1_BIT(V1_CPUSET);
	if ((limits->blkio_weight != CGROUP_UNSET && limits->blkio_weight) || limits->nr_throttles)
		mask |= V1_BIT(V1_BLKIO);
	if (limits->nr_device_rules)
		mask |= V1_BIT(V1_DEVICES);
	if (limits->unified && limits->unified[0])
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

int v1_check(const struct cgroup_host *host, const struct cgroup_limits *limits, struct error *err)
{
	unsigned needed = v1_needed(limits);
	int64_t swap;
	int r;

	for (enum v1_controller c = 0; c < V1_COUNT; c++)
		if ((needed & V1_BIT(c)) && !v1_exists(host, c, ""))
			return error_set(err, ENOTSUP,
				"this host has no cgroup controller '%s', which a limit asked for needs",
				cgroup_v1_names[c]);
	r = cgroup_swap_from_total(limits->memory_bytes, limits->memory_swap_bytes, &swap, err);
	/* An update may change the total alone: then the kernel compares. */
	if (r < 0 && limits->memory_bytes != CGROUP_UNSET)
		return r;
	error_clear(err);
	if (limits->memory_swap_bytes != CGROUP_UNSET && !v1_counts_swap(host))
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
	if (limits->memory_bytes != CGROUP_UNSET && limits->memory_bytes != 0) {
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

static int v1_apply_cpuset(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	int r;

	if (limits->cpuset_cpus) {
		r = v1_write(host, V1_CPUSET, path, "cpuset.cpus", limits->cpuset_cpus);
		if (r < 0)
			return error_errno(err, r, "--cpuset-cpus %s", limits->cpuset_cpus);
	}
	if (limits->cpuset_mems) {
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

static int v1_apply_blkio(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	char text[64];
	int r;

	if (limits->blkio_weight != CGROUP_UNSET && limits->blkio_weight) {
		snprintf(text, sizeof(text), "%lld", (long long)limits->blkio_weight);
		r = v1_write(host, V1_BLKIO, path, "blkio.weight", text);
		if (r == -ENOENT) /* CFQ is gone since Linux 5.0; BFQ has its own file */
			r = v1_write(host, V1_BLKIO, path, "blkio.bfq.weight", text);
		if (r == -ENOENT)
			return error_set(err, ENOTSUP,
				"--blkio-weight: this kernel has no proportional I/O scheduler (neither "
				"blkio.weight nor blkio.bfq.weight)");
		if (r < 0)
			return error_errno(err, r, "--blkio-weight %s", text);
	}
	for (size_t i = 0; i < limits->nr_throttles; i++) {
		const struct cgroup_throttle *t = &limits->throttles[i];
		const struct {
			const char *file;
			int64_t value;
		} rows[] = {
			{ "blkio.throttle.read_bps_device", t->read_bps },
			{ "blkio.throttle.write_bps_device", t->write_bps },
			{ "blkio.throttle.read_iops_device", t->read_iops },
			{ "blkio.throttle.write_iops_device", t->write_iops },
		};

		for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
			if (rows[k].value == CGROUP_UNSET)
				continue;
			snprintf(text, sizeof(text), "%u:%u %lld", t->major, t->minor,
				rows[k].value < 0 ? 0 : (long long)rows[k].value);
			r = v1_write(host, V1_BLKIO, path, rows[k].file, text);
			if (r < 0)
				return error_errno(err, r, "cannot limit block device %u:%u (%s)",
					t->major, t->minor, rows[k].file);
		}
	}
	return 0;
}

/* "c 1:3 rwm" */
static void format_exception(char *buf, size_t size, const struct cgroup_device_exception *e)
{
	char major[24] = "*", minor[24] = "*";

	if (e->major >= 0)
		snprintf(major, sizeof(major), "%lld", (long long)e->major);
	if (e->minor >= 0)
		snprintf(minor, sizeof(minor), "%lld", (long long)e->minor);
	snprintf(buf, size, "%c %s:%s %s%s%s", e->type, major, minor,
		e->access & CGROUP_ACCESS_READ ? "r" : "",
		e->access & CGROUP_ACCESS_WRITE ? "w" : "",
		e->access & CGROUP_ACCESS_MKNOD ? "m" : "");
}

/* The default is one write, each exception one more on a descriptor held open. */
static int v1_apply_devices(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	struct cgroup_device_policy policy;
	_cleanup_free_ struct cgroup_device_exception *exceptions = NULL;
	_cleanup_close_ int fd = -1;
	char file[PATH_MAX], text[80];
	int r = cgroup_device_policy(limits->device_rules, limits->nr_device_rules, &policy, err);

	if (r < 0)
		return r;
	exceptions = policy.exceptions;
	r = v1_write(host, V1_DEVICES, path,
		policy.allow_by_default ? "devices.allow" : "devices.deny", "a");
	if (r < 0)
		return error_errno(err, r, "cannot set the device policy of cgroup %s", path);
	if (policy.count == 0)
		return 0;
	r = v1_path(file, host, V1_DEVICES, path,
		policy.allow_by_default ? "devices.deny" : "devices.allow");
	if (r < 0)
		return error_errno(err, r, "cgroup %s", path);
	fd = open(file, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "cannot open %s", file);
	for (size_t i = 0; i < policy.count; i++) {
		format_exception(text, sizeof(text), &exceptions[i]);
		if (write(fd, text, strlen(text)) < 0)
			return error_errno(
				err, errno, "cannot write device rule '%s' to %s", text, file);
	}
	return 0;
}

static int v1_apply_unified(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	char key[128];
	int r;

	strv_for_each (setting, limits->unified) {
		const char *value;

		r = cgroup_split_unified(*setting, key, sizeof(key), &value, err);
		if (r < 0)
			return r;
		r = v1_write(host, V1_UNIFIED, path, key, value);
		if (r < 0)
			return error_errno(err, r, "cannot set '%s' in cgroup %s", *setting, path);
	}
	return 0;
}

int v1_apply(const struct cgroup_host *host, const char *path, const struct cgroup_limits *limits,
	unsigned needed, struct error *err)
{
	char text[32];
	int64_t value;
	int r = 0;

	if (needed & V1_BIT(V1_MEMORY))
		r = v1_apply_memory(host, path, limits, err);
	for (size_t i = 0; i < ARRAY_SIZE(v1_settings) && r == 0; i++) {
		const struct v1_setting *s = &v1_settings[i];

		if (!setting_value(s, limits, &value))
			continue;
		snprintf(text, sizeof(text), "%lld", (long long)value);
		r = v1_write(host, s->controller, path, s->file, value < 0 ? s->unlimited : text);
		if (r < 0)
			return write_failed(err, r, s->option, path, s->file);
	}
	if (r == 0 && limits->oom_kill_disable) {
		r = v1_write(host, V1_MEMORY, path, "memory.oom_control", "1");
		if (r < 0)
			return write_failed(
				err, r, "--oom-kill-disable", path, "memory.oom_control");
	}
	if (r == 0 && (needed & V1_BIT(V1_CPUSET)))
		r = v1_apply_cpuset(host, path, limits, err);
	if (r == 0 && (needed & V1_BIT(V1_BLKIO)))
		r = v1_apply_blkio(host, path, limits, err);
	if (r == 0 && (needed & V1_BIT(V1_DEVICES)))
		r = v1_apply_devices(host, path, limits, err);
	if (r == 0 && (needed & V1_BIT(V1_UNIFIED)))
		r = v1_apply_unified(host, path, limits, err);
	return r;
}
