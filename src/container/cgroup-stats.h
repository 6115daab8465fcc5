/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup-stats.h - everything a cgroup counts, for those who ask for it whole (`events --stats`).
 * cgroup_read_stats() in cgroup.h is the short one.
 *
 * The same members on v1 and v2; what the host does not count is zero or an empty list. On v1 a
 * container is in few hierarchies (cgroup.h): what the others would have counted is missing too.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Pressure stall information (Linux Documentation/accounting/psi.rst). */
struct cgroup_psi_line {
	double avg10, avg60, avg300; /* percent */
	uint64_t total_us;
};

struct cgroup_psi {
	bool present;
	struct cgroup_psi_line some, full;
};

struct cgroup_cpu_stats {
	uint64_t total_ns, kernel_ns, user_ns;
	uint64_t *percpu_ns, *percpu_kernel_ns, *percpu_user_ns; /* NULL: not told apart (v2) */
	size_t nr_percpu, nr_percpu_split; /* of the first, of the other two */
	uint64_t periods, throttled_periods, throttled_ns, bursts, burst_ns;
	struct cgroup_psi psi;
};

/* The files cpuset.* */
struct cgroup_cpuset_stats {
	uint16_t *cpus, *mems;
	size_t nr_cpus, nr_mems;
	/* v1 only. */
	uint64_t cpu_exclusive, mem_hardwall, mem_exclusive, memory_migrate, memory_spread_page,
		memory_spread_slab, memory_pressure, sched_load_balance;
	int64_t sched_relax_domain_level;
};

struct cgroup_memory_use {
	uint64_t limit; /* UINT64_MAX: none */
	uint64_t usage, max, failcnt;
};

struct cgroup_named_number {
	char *name;
	uint64_t value;
};

struct cgroup_memory_stats {
	uint64_t cache;
	struct cgroup_memory_use use, swap /* memory and swap together */, kernel, kernel_tcp;
	struct cgroup_named_number *raw; /* memory.stat */
	size_t nr_raw;
	struct cgroup_psi psi;
};

enum cgroup_io_table {
	CGROUP_IO_SERVICE_BYTES,
	CGROUP_IO_SERVICED,
	CGROUP_IO_QUEUED,
	CGROUP_IO_SERVICE_TIME,
	CGROUP_IO_WAIT_TIME,
	CGROUP_IO_MERGED,
	CGROUP_IO_TIME,
	CGROUP_IO_SECTORS,
	CGROUP_IO_TABLES,
};

struct cgroup_io_entry {
	uint64_t major, minor;
	char op[16]; /* "Read", "Write", ...; "" where there is one number for each device */
	uint64_t value;
};

struct cgroup_io_list {
	struct cgroup_io_entry *entries;
	size_t count;
};

struct cgroup_hugetlb_stats {
	char size[16]; /* "2MB" */
	uint64_t usage, max, failcnt;
};

struct cgroup_rdma_stats {
	char *device;
	uint64_t handles, objects;
};

struct cgroup_full_stats {
	struct cgroup_cpu_stats cpu;
	struct cgroup_cpuset_stats cpuset;
	struct cgroup_memory_stats memory;
	uint64_t pids, pids_limit; /* limit 0 = none */
	struct cgroup_io_list io[CGROUP_IO_TABLES];
	struct cgroup_psi io_psi;
	struct cgroup_hugetlb_stats *hugetlb;
	size_t nr_hugetlb;
	struct cgroup_rdma_stats *rdma;
	size_t nr_rdma;
};

/* *ret is written on success; cgroup_full_stats_free() it. -ENOENT: there is no such cgroup. */
int cgroup_read_full_stats(const char *path, struct cgroup_full_stats *ret, struct error *err);
void cgroup_full_stats_free(struct cgroup_full_stats *stats);
