/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resources.c - from --memory, --cpus and their like to the limits of a cgroup.
 *
 * The rules are those of Docker's daemon (daemon/daemon_unix.go, verifyPlatformContainerResources),
 * so that a command line either works in both or in neither.
 */
#include "front/cli/resources.h"

#include <inttypes.h>

#define NANO	       INT64_C(1000000000)
#define CPU_QUOTA_MIN  1000 /* the kernel's: sched/core.c, min_cfs_quota_period */
#define CPU_SHARES_MIN 2
#define CPU_SHARES_MAX 262144
#define BLKIO_MIN      10
#define BLKIO_MAX      1000

int resources_parse_cpus(
	void *options, const struct option *option, const char *value, struct error *err)
{
	const char *dot = strchrnul(value, '.');
	uint64_t whole = 0, fraction = 0, unit = (uint64_t)NANO;
	char digits[24];

	if (dot - value >= (ptrdiff_t)sizeof(digits))
		goto refuse;
	memcpy(digits, value, (size_t)(dot - value));
	digits[dot - value] = '\0';
	if (*digits && parse_u64(digits, 1000000, &whole) < 0)
		goto refuse;
	if (*dot) {
		size_t n = strlen(dot + 1);

		if (n > 9 || (n && parse_u64(dot + 1, (uint64_t)NANO, &fraction) < 0))
			goto refuse;
		for (size_t i = 0; i < n; i++)
			unit /= 10;
		fraction *= unit;
	}
	if (!*digits && !(*dot && dot[1]))
		goto refuse;
	*(int64_t *)(void *)((char *)options + option->offset) = (int64_t)(whole * (uint64_t)NANO +
		fraction);
	return 0;
refuse:
	return error_set(err, EINVAL,
		"invalid argument \"%s\" for --cpus: must be a number of CPUs such as 0.5 or 2",
		value);
}

static int apply_memory(
	const struct resource_options *o, struct cgroup_limits *limits, struct error *err)
{
	int64_t memory = o->memory > 0 ? o->memory : CGROUP_UNSET;
	int64_t reservation = o->memory_reservation > 0 ? o->memory_reservation : CGROUP_UNSET;

	if (o->memory == -1 || o->memory_reservation == -1)
		return error_set(
			err, EINVAL, "invalid memory limit -1: leave --memory out for no limit");
	if (memory != CGROUP_UNSET && memory < RESOURCES_MEMORY_MIN)
		return error_set(err, EINVAL,
			"minimum memory limit allowed is 6MB: --memory %" PRId64, memory);
	if (reservation != CGROUP_UNSET && reservation < RESOURCES_MEMORY_MIN)
		return error_set(err, EINVAL,
			"minimum memory reservation allowed is 6MB: --memory-reservation %" PRId64,
			reservation);
	if (memory != CGROUP_UNSET && reservation != CGROUP_UNSET && memory < reservation)
		return error_set(err, EINVAL,
			"--memory can not be less than --memory-reservation: %" PRId64
			" < %" PRId64,
			memory, reservation);
	if (memory != CGROUP_UNSET)
		limits->memory_bytes = memory;
	if (reservation != CGROUP_UNSET)
		limits->memory_reservation_bytes = reservation;
	if (o->memory_swap == CGROUP_UNSET || o->memory_swap == 0)
		return 0;
	/* `update` may raise the swap limit of an instance that has a memory limit already. */
	if (limits->memory_bytes == CGROUP_UNSET && o->memory_swap > 0)
		return error_set(err, EINVAL,
			"--memory-swap counts memory and swap together: it needs --memory");
	if (o->memory_swap > 0 && o->memory_swap < limits->memory_bytes)
		return error_set(err, EINVAL,
			"--memory-swap counts memory and swap together: %" PRId64
			" is less than --memory %" PRId64,
			o->memory_swap, limits->memory_bytes);
	limits->memory_swap_bytes = o->memory_swap;
	return 0;
}

static int apply_cpu(
	const struct resource_options *o, struct cgroup_limits *limits, struct error *err)
{
	if (o->nano_cpus > 0) {
		int64_t online = sysconf(_SC_NPROCESSORS_ONLN);

		if (o->cpu_quota > 0 || o->cpu_period > 0)
			return error_set(err, EINVAL,
				"conflicting options: --cpus is a --cpu-quota in a --cpu-period; give it or them");
		if (o->nano_cpus > online * NANO || o->nano_cpus < NANO / 100)
			return error_set(err, EINVAL,
				"range of CPUs is from 0.01 to %" PRId64
				".00, as there are only %" PRId64 " CPUs available",
				online, online);
		limits->cpu_period_us = RESOURCES_CPU_PERIOD;
		limits->cpu_quota_us = o->nano_cpus / (NANO / RESOURCES_CPU_PERIOD);
	}
	if (o->cpu_period > 0) {
		if (o->cpu_period < 1000 || o->cpu_period > 1000000)
			return error_set(err, EINVAL,
				"CPU period can not be less than 1ms (1000) or more than 1s (1000000): --cpu-period %" PRId64,
				o->cpu_period);
		limits->cpu_period_us = o->cpu_period;
	}
	if (o->cpu_quota != CGROUP_UNSET && o->cpu_quota != 0) {
		if (o->cpu_quota < CPU_QUOTA_MIN && o->cpu_quota != -1)
			return error_set(err, EINVAL,
				"CPU quota can not be less than 1ms (1000): --cpu-quota %" PRId64,
				o->cpu_quota);
		limits->cpu_quota_us = o->cpu_quota;
	}
	if (o->cpu_shares != CGROUP_UNSET && o->cpu_shares != 0) {
		if (o->cpu_shares < CPU_SHARES_MIN || o->cpu_shares > CPU_SHARES_MAX)
			return error_set(err, EINVAL,
				"CPU shares must be between %d and %d: --cpu-shares %" PRId64,
				CPU_SHARES_MIN, CPU_SHARES_MAX, o->cpu_shares);
		limits->cpu_shares = o->cpu_shares;
	}
	return 0;
}

/* "0-3,5": the kernel checks the numbers, this the form. */
static int apply_set(const char *value, const char *name, char **ret, struct error *err)
{
	char *copy;

	if (!value || !*value)
		return 0;
	if (value[strspn(value, "0123456789,-")])
		return error_set(err, EINVAL,
			"invalid argument \"%s\" for --%s: must be a list such as 0-3 or 0,2",
			value, name);
	copy = strdup(value);
	if (!copy)
		return error_oom(err);
	free(*ret);
	*ret = copy;
	return 0;
}

int resources_apply(
	const struct resource_options *o, struct cgroup_limits *limits, struct error *err)
{
	int r = apply_memory(o, limits, err);

	if (r == 0)
		r = apply_cpu(o, limits, err);
	if (r == 0)
		r = apply_set(o->cpuset_cpus, "cpuset-cpus", &limits->cpuset_cpus, err);
	if (r == 0)
		r = apply_set(o->cpuset_mems, "cpuset-mems", &limits->cpuset_mems, err);
	if (r < 0)
		return r;
	if (o->pids != CGROUP_UNSET) {
		if (o->pids < -1)
			return error_set(err, EINVAL,
				"--pids-limit must be a number of processes, or -1 for any: %" PRId64,
				o->pids);
		limits->pids = o->pids > 0 ? o->pids : CGROUP_UNLIMITED;
	}
	if (o->blkio_weight != CGROUP_UNSET && o->blkio_weight != 0) {
		if (o->blkio_weight < BLKIO_MIN || o->blkio_weight > BLKIO_MAX)
			return error_set(err, EINVAL,
				"range of block I/O weight is from %d to %d: --blkio-weight %" PRId64,
				BLKIO_MIN, BLKIO_MAX, o->blkio_weight);
		limits->blkio_weight = o->blkio_weight;
	}
	return 0;
}
