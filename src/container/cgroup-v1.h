/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup-v1.h - what cgroup-v1.c (making, entering, freezing, reading, removing) and
 * cgroup-v1-limits.c share.
 */
#pragma once

#include "container/cgroup-ops.h"

enum v1_controller {
	V1_MEMORY, /* the anchor: first */
	V1_CPUACCT,
	V1_DEVICES,
	V1_PIDS,
	V1_CPU,
	V1_CPUSET,
	V1_BLKIO,
	V1_FREEZER,
	V1_HUGETLB,
	V1_NET_CLS,
	V1_NET_PRIO,
	V1_RDMA,
	V1_UNIFIED, /* of hybrid hosts */
	V1_COUNT,
};

extern const char *const cgroup_v1_names[];

#define V1_BIT(c) (1u << (c))

/* ROOT/CONTROLLER/PATH[/FILE] */
int v1_path(char buf[PATH_MAX], const struct cgroup_host *host, enum v1_controller c,
	const char *path, const char *file);
bool v1_exists(const struct cgroup_host *host, enum v1_controller c, const char *path);
/* Is there such a hierarchy? A folder of its name proves nothing: podman makes them all. */
bool v1_mounted(const struct cgroup_host *host, enum v1_controller c);
int v1_write(const struct cgroup_host *host, enum v1_controller c, const char *path,
	const char *file, const char *text);
int v1_read(const struct cgroup_host *host, enum v1_controller c, const char *path,
	const char *file, char *buf, size_t size);

/* Which controllers the limits need, as V1_BIT()s. */
unsigned v1_needed(const struct cgroup_host *host, const struct cgroup_limits *limits);
/* cgroup_ops.counts_swap and .check */
bool v1_counts_swap(const struct cgroup_host *host);
int v1_check(const struct cgroup_host *host, const struct cgroup_limits *limits, struct error *err);
/* A v1 cpuset is born empty and takes no task before it has CPUs and memory nodes: every level
 * that has none inherits its parent's. */
int v1_inherit_cpuset(const struct cgroup_host *host, const char *path, struct error *err);
/* Write the limits; the directories of v1_needed() exist. `fresh_devices`: the devices cgroup is
 * new, nothing runs under its policy. */
int v1_apply(const struct cgroup_host *host, const char *path, const struct cgroup_limits *limits,
	unsigned needed, bool fresh_devices, struct error *err);

/* cgroup-v1-devices.c, cgroup-v1-io.c */
int v1_apply_devices(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, bool fresh, struct error *err);
int v1_apply_blkio(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err);

/* --- cgroup-v1-stats.c: cgroup_ops.read_full_stats */
int v1_read_full_stats(
	const struct cgroup_host *host, const char *path, struct cgroup_full_stats *stats);
