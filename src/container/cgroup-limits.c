/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup-limits.c - struct cgroup_limits, whatever kind of host they are for.
 */
#include <errno.h>

#include "base/str.h"
#include "container/cgroup-ops.h"

void cgroup_limits_init(struct cgroup_limits *limits)
{
	*limits = (struct cgroup_limits){
		.memory_bytes = CGROUP_UNSET,
		.memory_swap_bytes = CGROUP_UNSET,
		.memory_reservation_bytes = CGROUP_UNSET,
		.memory_kernel_bytes = CGROUP_UNSET,
		.memory_kernel_tcp_bytes = CGROUP_UNSET,
		.memory_swappiness = CGROUP_UNSET,
		.cpu_shares = CGROUP_UNSET,
		.cpu_quota_us = CGROUP_UNSET,
		.cpu_period_us = CGROUP_UNSET,
		.cpu_burst_us = CGROUP_UNSET,
		.cpu_realtime_runtime_us = CGROUP_UNSET,
		.cpu_realtime_period_us = CGROUP_UNSET,
		.cpu_idle = CGROUP_UNSET,
		.pids = CGROUP_UNSET,
		.blkio_weight = CGROUP_UNSET,
		.blkio_leaf_weight = CGROUP_UNSET,
		.net_class_id = CGROUP_UNSET,
	};
}

void cgroup_limits_free(struct cgroup_limits *limits)
{
	if (!limits)
		return;
	free(limits->cpuset_cpus);
	free(limits->cpuset_mems);
	free(limits->device_weights);
	free(limits->throttles);
	for (size_t i = 0; i < limits->nr_hugepage_limits; i++)
		free(limits->hugepage_limits[i].page_size);
	free(limits->hugepage_limits);
	for (size_t i = 0; i < limits->nr_net_priorities; i++)
		free(limits->net_priorities[i].interface);
	free(limits->net_priorities);
	for (size_t i = 0; i < limits->nr_rdma_limits; i++)
		free(limits->rdma_limits[i].device);
	free(limits->rdma_limits);
	free(limits->device_rules);
	strv_free(limits->unified);
	cgroup_limits_init(limits);
}

const char *cgroup_first_limit(const struct cgroup_limits *l)
{
	const struct {
		bool set;
		const char *name;
	} table[] = {
		{ cgroup_is_set(l->memory_bytes), "--memory" },
		{ cgroup_is_set(l->memory_swap_bytes), "--memory-swap" },
		{ cgroup_is_set(l->memory_reservation_bytes), "--memory-reservation" },
		{ cgroup_is_set(l->cpu_quota_us), "--cpus" },
		{ cgroup_is_set(l->cpu_period_us), "--cpu-period" },
		{ cgroup_is_set(l->cpu_shares), "--cpu-shares" },
		{ cgroup_has_text(l->cpuset_cpus), "--cpuset-cpus" },
		{ cgroup_has_text(l->cpuset_mems), "--cpuset-mems" },
		{ cgroup_is_set(l->pids), "--pids-limit" },
		{ cgroup_is_set(l->blkio_weight), "--blkio-weight" },
		{ l->nr_throttles != 0, "a block device's rate limit" },
		{ l->oom_kill_disable, "--oom-kill-disable" },
		{ cgroup_is_set(l->memory_kernel_bytes), "memory.kernel" },
		{ cgroup_is_set(l->memory_kernel_tcp_bytes), "memory.kernelTCP" },
		{ l->memory_swappiness != CGROUP_UNSET, "memory.swappiness" },
		{ l->cpu_burst_us != CGROUP_UNSET, "cpu.burst" },
		{ l->cpu_idle != CGROUP_UNSET, "cpu.idle" },
		{ cgroup_is_set(l->cpu_realtime_runtime_us), "cpu.realtimeRuntime" },
		{ cgroup_is_set(l->cpu_realtime_period_us), "cpu.realtimePeriod" },
		{ cgroup_is_set(l->blkio_leaf_weight), "blockIO.leafWeight" },
		{ l->nr_device_weights != 0, "a block device's weight" },
		{ l->nr_hugepage_limits != 0, "hugepageLimits" },
		{ cgroup_is_set(l->net_class_id), "network.classID" },
		{ l->nr_net_priorities != 0, "network.priorities" },
		{ l->nr_rdma_limits != 0, "an rdma limit" },
		{ l->unified && l->unified[0], "a setting of cgroup v2" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].set)
			return table[i].name;
	return NULL;
}

int cgroup_check_ranges(const struct cgroup_limits *l, struct error *err)
{
	if (l->memory_bytes != CGROUP_UNSET && l->memory_bytes < CGROUP_UNLIMITED)
		return error_set(err, EINVAL, "--memory cannot be negative");
	if (cgroup_is_set(l->cpu_period_us) &&
		(l->cpu_period_us < 1000 || l->cpu_period_us > 1000000))
		return error_set(err, EINVAL,
			"--cpu-period is between 1000 and 1000000 microseconds, not %lld",
			(long long)l->cpu_period_us);
	if (l->cpu_quota_us != CGROUP_UNSET && l->cpu_quota_us > 0 && l->cpu_quota_us < 1000)
		return error_set(err, EINVAL, "--cpu-quota is at least 1000 microseconds, not %lld",
			(long long)l->cpu_quota_us);
	if (cgroup_is_set(l->blkio_weight) && (l->blkio_weight < 10 || l->blkio_weight > 1000))
		return error_set(err, EINVAL, "--blkio-weight is between 10 and 1000, not %lld",
			(long long)l->blkio_weight);
	if (l->cpu_idle != CGROUP_UNSET && l->cpu_idle != 0 && l->cpu_idle != 1)
		return error_set(
			err, EINVAL, "cpu.idle is 0 or 1, not %lld", (long long)l->cpu_idle);
	if (l->memory_swappiness != CGROUP_UNSET &&
		(l->memory_swappiness < 0 || l->memory_swappiness > 100))
		return error_set(err, EINVAL, "memory.swappiness is between 0 and 100, not %lld",
			(long long)l->memory_swappiness);
	return 0;
}
