/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup-v2.h - what cgroup-v2.c (making, entering, freezing, reading, removing) and
 * cgroup-v2-limits.c share, and what a hybrid host's v2 hierarchy takes from them.
 */
#pragma once

#include "container/cgroup-ops.h"

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

/* ROOT/PATH[/FILE] */
int v2_path(char buf[PATH_MAX], const struct cgroup_host *host, const char *path, const char *file);
int v2_write(const struct cgroup_host *host, const char *path, const char *file, const char *text);
int v2_read(
	const struct cgroup_host *host, const char *path, const char *file, char *buf, size_t size);
int v2_read_number(
	const struct cgroup_host *host, const char *path, const char *file, uint64_t *ret);
bool v2_has_file(const struct cgroup_host *host, const char *path, const char *file);

/* Which controllers the limits need, as V2_BIT()s. */
unsigned v2_needed(const struct cgroup_limits *limits);
/* cgroup_ops.check */
int v2_check(const struct cgroup_host *host, const struct cgroup_limits *limits, struct error *err);
/* Enable the wanted controllers (`needed` and those that count) from the root down to path's
 * parent, where they are missing. */
int v2_enable_controllers(
	const struct cgroup_host *host, const char *path, unsigned needed, struct error *err);
/* Write the limits; v2_enable_controllers() was called. */
int v2_apply(const struct cgroup_host *host, const char *path, const struct cgroup_limits *limits,
	struct error *err);
/* Of those, what can be a hybrid host's. */
int v2_apply_hugetlb(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err);
int v2_apply_unified(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err);
