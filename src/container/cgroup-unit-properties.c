/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup-unit-properties.c - limits in the words that systemd has for them, as NAME=VALUE with
 * GLib's text of variants (org.freedesktop.systemd1(5), systemd.resource-control(5)).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "container/cgroup-ops.h"

#define DEFAULT_PERIOD_US  100000
#define SYSTEMD_QUOTA_STEP 10000 /* systemd keeps whole percents: 10 ms of a second */
#define INFINITY_TEXT	   "uint64 18446744073709551615"

struct property {
	const char *name, *v1_name; /* v1_name: of the version of cgroups; NULL: the same */
	size_t offset;
	bool zero_means_unset;
	int64_t least; /* systemd takes no less */
	uint64_t (*convert)(uint64_t value); /* for v2 */
};

#define LIMIT(member) offsetof(struct cgroup_limits, member)
static const struct property properties[] = {
	{ "MemoryMax", "MemoryLimit", LIMIT(memory_bytes), true, 1, NULL },
	{ "CPUWeight", "CPUShares", LIMIT(cpu_shares), true, 2, cgroup_weight_from_shares },
	{ "TasksMax", NULL, LIMIT(pids), false, 1, NULL },
};

static int push_number(char ***list, const char *name, int64_t value)
{
	if (value < 0)
		return strv_pushf(list, "%s=" INFINITY_TEXT, name);
	return strv_pushf(list, "%s=uint64 %lld", name, (long long)value);
}

/* systemd has a share of a second in whole percents, more rather than less. */
static int push_quota(char ***list, const struct cgroup_limits *l)
{
	int64_t period = l->cpu_period_us > 0 ? l->cpu_period_us : DEFAULT_PERIOD_US;
	int64_t per_second = -1;
	int r = 0;

	if (l->cpu_period_us > 0)
		r = push_number(list, "CPUQuotaPeriodUSec", period);
	if (r < 0 || l->cpu_quota_us == CGROUP_UNSET || l->cpu_quota_us == 0)
		return r;
	if (l->cpu_quota_us > 0) {
		per_second = (int64_t)((double)l->cpu_quota_us * 1e6 / (double)period);
		per_second = (per_second + SYSTEMD_QUOTA_STEP - 1) / SYSTEMD_QUOTA_STEP *
			SYSTEMD_QUOTA_STEP;
	}
	return push_number(list, "CPUQuotaPerSecUSec", per_second);
}

/* "0-2,8" -> "[byte 7, 1]": bit n of byte n / 8. */
static int push_set(char ***list, const char *name, const char *set, struct error *err)
{
	uint8_t bits[CGROUP_SET_MAX / 8] = { 0 };
	_cleanup_str_ struct str text = { 0 };
	size_t used = 1;

	if (!set || !*set)
		return 0;
	if (cgroup_parse_set(set, bits, sizeof(bits)) < 0)
		return error_set(err, EINVAL, "'%s' is not a list of CPUs or memory nodes", set);
	for (size_t i = 0; i < sizeof(bits); i++)
		if (bits[i])
			used = i + 1;
	for (size_t i = 0; i < used; i++)
		str_appendf(&text, "%s%u", i ? ", " : "byte ", bits[i]);
	if (text.failed || strv_pushf(list, "%s=[%s]", name, text.data) < 0)
		return error_oom(err);
	return 0;
}

static int push_v2_memory(char ***list, const struct cgroup_limits *l, struct error *err)
{
	int64_t swap = CGROUP_UNSET;
	int r = 0;

	if (l->memory_reservation_bytes != CGROUP_UNSET && l->memory_reservation_bytes != 0)
		r = push_number(list, "MemoryLow", l->memory_reservation_bytes);
	/* An update of the total alone is left to the file: it needs the limit in force. */
	if (r == 0 && l->memory_bytes > 0 && l->memory_swap_bytes != 0) {
		r = cgroup_swap_from_total(l->memory_bytes, l->memory_swap_bytes, &swap, err);
		if (r < 0)
			return r;
	}
	if (r == 0 && swap != CGROUP_UNSET)
		r = push_number(list, "MemorySwapMax", swap);
	return r < 0 ? error_oom(err) : 0;
}

/* Files of v2 that are one number or "max", and systemd's words for them. */
static const struct {
	const char *file, *name;
} unified_numbers[] = {
	{ "memory.min", "MemoryMin" },
	{ "memory.low", "MemoryLow" },
	{ "memory.high", "MemoryHigh" },
	{ "memory.max", "MemoryMax" },
	{ "memory.swap.max", "MemorySwapMax" },
	{ "cpu.weight", "CPUWeight" },
	{ "pids.max", "TasksMax" },
};

/* "QUOTA [PERIOD]" of cpu.max. */
static int push_cpu_max(char ***list, const char *value)
{
	struct cgroup_limits part;
	long long quota = CGROUP_UNLIMITED, period = DEFAULT_PERIOD_US;

	if (strncmp(value, "max", 3) == 0)
		(void)sscanf(value, "max %lld", &period);
	else if (sscanf(value, "%lld %lld", &quota, &period) < 1)
		return 0;
	cgroup_limits_init(&part);
	part.cpu_quota_us = quota;
	part.cpu_period_us = period;
	return push_quota(list, &part);
}

static int push_unified_one(char ***list, const char *key, const char *value, struct error *err)
{
	uint64_t number;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(unified_numbers) && r == 0; i++)
		if (streq(key, unified_numbers[i].file) && cgroup_parse_number(value, &number) == 0)
			r = strv_pushf(list, "%s=uint64 %llu", unified_numbers[i].name,
				(unsigned long long)number);
	if (r == 0 && streq(key, "cpu.max"))
		r = push_cpu_max(list, value);
	if (r < 0)
		return error_oom(err);
	if (streq(key, "cpuset.cpus"))
		r = push_set(list, "AllowedCPUs", value, err);
	else if (streq(key, "cpuset.mems"))
		r = push_set(list, "AllowedMemoryNodes", value, err);
	return r;
}

/* What systemd has no word for, or not this one, is left to the file, where the kernel judges it.
 */
static int push_unified(char ***list, char *const *unified, struct error *err)
{
	strv_for_each (setting, unified) {
		const char *value;
		char key[128];
		int r = cgroup_split_unified(*setting, key, sizeof(key), &value, err);

		if (r == 0)
			r = push_unified_one(list, key, value, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* "pts" for "136 pts" below "Character devices:" of /proc/devices; false when it has none. */
static bool device_group(const char *devices, char type, int64_t major, char ret[64])
{
	const char *line = strstr(devices, type == 'b' ? "Block devices:" : "Character devices:");
	long long number;
	char name[64];

	while (line && (line = strchr(line, '\n')) && *++line && *line != '\n')
		if (sscanf(line, "%lld %63s", &number, name) == 2 && number == major) {
			memcpy(ret, name, sizeof(name));
			return true;
		}
	return false;
}

/* One entry of DeviceAllow; nothing where systemd has no name for the devices. */
static void append_device(
	struct str *list, const struct cgroup_device_exception *e, const char *devices)
{
	const char *kind = e->type == 'b' ? "block" : "char";
	char group[64], name[96];

	if (e->major < 0 && e->minor < 0)
		snprintf(name, sizeof(name), "%s-*", kind);
	else if (e->major >= 0 && e->minor >= 0)
		snprintf(name, sizeof(name), "/dev/%s/%lld:%lld", kind, (long long)e->major,
			(long long)e->minor);
	else if (e->major >= 0 && device_group(devices, e->type, e->major, group))
		snprintf(name, sizeof(name), "%s-%s", kind, group);
	else
		return;
	str_appendf(list, "%s('%s', '%s%s%s')", list->len ? ", " : "", name,
		e->access & CGROUP_ACCESS_READ ? "r" : "",
		e->access & CGROUP_ACCESS_WRITE ? "w" : "",
		e->access & CGROUP_ACCESS_MKNOD ? "m" : "");
}

/* On v1 systemd opens every device to a unit without a policy whenever it looks at it again. On v2
 * it leaves one without a policy alone, and our program stays. */
static int push_devices(char ***list, const struct cgroup_limits *limits, struct error *err)
{
	_cleanup_free_ struct cgroup_device_exception *exceptions = NULL;
	_cleanup_str_ struct str text = { 0 };
	struct cgroup_device_policy policy;
	char devices[CGROUP_TEXT_MAX] = "";
	int r;

	if (limits->nr_device_rules == 0)
		return 0;
	r = cgroup_device_policy(limits->device_rules, limits->nr_device_rules, &policy, err);
	if (r < 0)
		return r;
	exceptions = policy.exceptions;
	if (policy.allow_by_default)
		return strv_push(list, "DevicePolicy='auto'") < 0 ? error_oom(err) : 0;
	(void)cgroup_read_text("/proc/devices", devices, sizeof(devices));
	for (size_t i = 0; i < policy.count; i++)
		append_device(&text, &exceptions[i], devices);
	if (text.failed || strv_push(list, "DevicePolicy='strict'") < 0 ||
		strv_pushf(list, "DeviceAllow=@a(ss) [%s]", text.data ? text.data : "") < 0)
		return error_oom(err);
	return 0;
}

int cgroup_unit_properties(
	const struct cgroup_limits *limits, bool v2, char ***list, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(properties) && r == 0; i++) {
		const struct property *p = &properties[i];
		int64_t value = *(const int64_t *)(const void *)((const char *)limits + p->offset);

		if (value == CGROUP_UNSET || (value == 0 && p->zero_means_unset))
			continue;
		/* Docker's "no limit" of processes; a share cannot be without limit. */
		if (value == 0 && !p->zero_means_unset)
			value = CGROUP_UNLIMITED;
		if (value > 0 && value < p->least)
			value = p->least;
		if (v2 && p->convert)
			value = value < 0 ? 100 : (int64_t)p->convert((uint64_t)value);
		r = push_number(list, v2 || !p->v1_name ? p->name : p->v1_name, value);
	}
	if (r == 0)
		r = push_quota(list, limits);
	if (r < 0)
		return error_oom(err);
	r = push_set(list, "AllowedCPUs", limits->cpuset_cpus, err);
	if (r == 0)
		r = push_set(list, "AllowedMemoryNodes", limits->cpuset_mems, err);
	if (r == 0 && v2)
		r = push_v2_memory(list, limits, err);
	if (r == 0 && v2)
		r = push_unified(list, limits->unified, err);
	if (r == 0 && !v2)
		r = push_devices(list, limits, err);
	return r;
}
