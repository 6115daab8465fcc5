/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unimplemented.c - what config.json can say and nothing here does yet: refused by name where it
 * would be applied, never ignored. A row goes when its back end comes.
 */
#include "container/cgroup-ops.h"
#include "container/internal.h"

#include "base/str.h"

static int refuse(const char *name, struct error *err)
{
	return error_set(err, ENOTSUP, "config.json: strata does not implement \"%s\"", name);
}

int limits_refuse_unimplemented(const struct cgroup_limits *l, struct error *err)
{
	const struct {
		bool asked;
		const char *name;
	} rows[] = {
		{ l->memory_kernel_bytes != CGROUP_UNSET, "memory.kernel" },
		{ l->memory_kernel_tcp_bytes != CGROUP_UNSET, "memory.kernelTCP" },
		{ l->memory_swappiness != CGROUP_UNSET, "memory.swappiness" },
		{ l->memory_use_hierarchy, "memory.useHierarchy" },
		{ l->memory_check_before_update, "memory.checkBeforeUpdate" },
		{ l->cpu_burst_us != CGROUP_UNSET, "cpu.burst" },
		{ l->cpu_realtime_runtime_us != CGROUP_UNSET, "cpu.realtimeRuntime" },
		{ l->cpu_realtime_period_us != CGROUP_UNSET, "cpu.realtimePeriod" },
		{ l->cpu_idle != CGROUP_UNSET, "cpu.idle" },
		{ l->blkio_leaf_weight != CGROUP_UNSET, "blockIO.leafWeight" },
		{ l->nr_device_weights > 0, "blockIO.weightDevice" },
		{ l->nr_hugepage_limits > 0, "hugepageLimits" },
		{ l->net_class_id != CGROUP_UNSET, "network.classID" },
		{ l->nr_net_priorities > 0, "network.priorities" },
		{ l->nr_rdma_limits > 0, "rdma" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].asked)
			return refuse(rows[i].name, err);
	return 0;
}

static bool has_text(const char *text)
{
	return text && *text;
}

int process_refuse_unimplemented(const struct container_process *p, struct error *err)
{
	const struct {
		bool asked;
		const char *name;
	} rows[] = {
		{ has_text(p->apparmor_profile), "process.apparmorProfile" },
		{ has_text(p->selinux_label), "process.selinuxLabel" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].asked)
			return refuse(rows[i].name, err);
	return 0;
}

static bool has_mapped_mounts(const struct container_config *c)
{
	for (size_t i = 0; i < c->nr_mounts; i++)
		if (c->mounts[i].id_maps.nr_uid)
			return true;
	return false;
}

int config_refuse_unimplemented(const struct container_config *c, struct error *err)
{
	const struct {
		bool asked;
		const char *name;
	} rows[] = {
		{ has_mapped_mounts(c), "uidMappings of a mount" },
		{ has_text(c->mount_label), "linux.mountLabel" },
		{ c->intel_rdt.wanted, "linux.intelRdt" },
		{ c->nr_net_devices > 0, "linux.netDevices" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].asked)
			return refuse(rows[i].name, err);
	return limits_refuse_unimplemented(&c->limits, err);
}
