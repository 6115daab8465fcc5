/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup.h - limits and accounting on cgroup v2, v1 and hybrid hosts.
 *
 * A cgroup is named by one path ("/strata-ID"), the same below every hierarchy; all functions work
 * from that path alone, so that a process that has lost its memory can still clean up. Which kind
 * of host this is, is found out by statfs(2), never by parsing mount tables on the hot path.
 *
 *   v2      /sys/fs/cgroup is cgroup2. Rootless: below the delegated subtree we are in.
 *   v1      one directory per controller below /sys/fs/cgroup.
 *   hybrid  v1 controllers, and a cgroup2 at /sys/fs/cgroup/unified with few or none of its own.
 *
 * Rootless without delegation there is no cgroup at all: CGROUP_NONE. Limits are then an error
 * that says so (cgroup_check_limits()), and accounting is empty.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

enum cgroup_kind {
	CGROUP_NONE,
	CGROUP_V1, /* hybrid included */
	CGROUP_V2,
};

#define CGROUP_UNSET	 INT64_MIN /* "not asked for" in every limit below */
#define CGROUP_UNLIMITED (-1)

struct cgroup_device_rule {
	bool allow;
	char type; /* 'a', 'b', 'c' */
	int64_t major, minor; /* -1 = any */
	char access[4]; /* of "rwm" */
};

/* blkio.throttle.* / io.max for one device. */
struct cgroup_throttle {
	uint32_t major, minor;
	int64_t read_bps, write_bps, read_iops, write_iops; /* or CGROUP_UNSET */
};

/* blkio.weight_device, blkio.leaf_weight_device for one device. */
struct cgroup_device_weight {
	uint32_t major, minor;
	int64_t weight, leaf_weight; /* or CGROUP_UNSET */
};

/* hugetlb.SIZE.limit_in_bytes, hugetlb.SIZE.max. */
struct cgroup_hugepage_limit {
	char *page_size; /* "2MB" */
	uint64_t bytes;
};

/* net_prio.ifpriomap */
struct cgroup_net_priority {
	char *interface;
	uint32_t priority;
};

/* rdma.max for one device. */
struct cgroup_rdma_limit {
	char *device;
	int64_t handles, objects; /* or CGROUP_UNSET */
};

/* cgroup_limits_init() first: zero is a real value here. The words are the runtime-spec's
 * (config-linux.md, "Control groups"); one that is not said to be something else is an int64_t or
 * CGROUP_UNSET. */
struct cgroup_limits {
	int64_t memory_bytes, memory_swap_bytes /* memory + swap, as Docker counts */,
		memory_reservation_bytes, memory_kernel_bytes, memory_kernel_tcp_bytes;
	int64_t memory_swappiness; /* 0..100 */
	bool memory_use_hierarchy;
	bool memory_check_before_update; /* refuse a limit below what is in use */
	bool oom_kill_disable;
	int64_t cpu_shares, cpu_quota_us, cpu_period_us, cpu_burst_us;
	int64_t cpu_realtime_runtime_us, cpu_realtime_period_us;
	int64_t cpu_idle; /* 1: SCHED_IDLE */
	char *cpuset_cpus, *cpuset_mems;
	int64_t pids;
	int64_t blkio_weight, blkio_leaf_weight; /* 10..1000 */
	struct cgroup_device_weight *device_weights;
	size_t nr_device_weights;
	struct cgroup_throttle *throttles;
	size_t nr_throttles;
	struct cgroup_hugepage_limit *hugepage_limits;
	size_t nr_hugepage_limits;
	int64_t net_class_id; /* uint32_t */
	struct cgroup_net_priority *net_priorities;
	size_t nr_net_priorities;
	struct cgroup_rdma_limit *rdma_limits;
	size_t nr_rdma_limits;
	struct cgroup_device_rule *device_rules; /* in order; an empty list allows everything */
	size_t nr_device_rules;
	char **unified; /* KEY=VALUE of v2 files */
	/* v1: take part in the hierarchies that engines read through /proc/PID/cgroup (pids,
	 * blkio), and programs in their container (cpu, cpuset), limit or not; else they would find
	 * the host's numbers there, or none. */
	bool count_all;
	/* v1: the process wants a real-time policy, which a cgroup of the controller cpu forbids
	 * that has no cpu.rt_runtime_us: it is made only where a limit needs it. */
	bool realtime;
};

void cgroup_limits_init(struct cgroup_limits *limits);
void cgroup_limits_free(struct cgroup_limits *limits);

struct cgroup_stats {
	uint64_t cpu_usage_ns, cpu_user_ns, cpu_system_ns;
	uint64_t throttled_periods, throttled_ns;
	uint64_t memory_bytes; /* usage less inactive file cache, as `docker stats` shows it */
	uint64_t memory_limit_bytes; /* the host's memory when there is none */
	uint64_t memory_peak_bytes;
	uint64_t oom_kills;
	uint64_t pids, pids_limit; /* limit 0 = none */
	uint64_t read_bytes, written_bytes;
};

/* What we may make cgroups of, and what is mounted, be it ours to use or not. */
enum cgroup_kind cgroup_host_kind(void);
enum cgroup_kind cgroup_mounted_kind(void);

/* Can memory and swap be limited together here (or is there no swap at all)? */
bool cgroup_counts_swap(void);

/* root of the machine, not of a user namespace */
bool cgroup_is_real_root(void);

/* Refuse limits this host cannot enforce, naming limit and reason. For a user outside a delegated
 * tree whose systemd can give one (strata-scope), cgroup_create() has the last word. */
int cgroup_check_limits(const struct cgroup_limits *limits, struct error *err);

/*
 * The path for a new container's cgroup: "/strata-ID" where we are root; for a user on v2, below
 * the delegated cgroup we are in, which is made ready for it by moving its processes, us included,
 * to a leaf. To be kept: later calls name the cgroup by it from anywhere. *ret is NULL where there
 * are no cgroups for us; asking for a limit there is the error that says so. The name has no
 * "/strata" parent on purpose: an extra level costs a run another mkdir and rmdir in every
 * hierarchy.
 */
int cgroup_path_for(
	const char *id, const struct cgroup_limits *limits, char **ret, struct error *err);

/*
 * The unit of systemd that a container's cgroup is, where its engine wants the systemd driver
 * (runtime-spec config-linux.md, "cgroupsPath"; runc's --systemd-cgroup). Zeroed: none, and then
 * every function that takes one does nothing for it.
 */
struct cgroup_unit {
	char *name; /* "docker-ID.scope" */
	char *slice; /* "system.slice" */
	bool user; /* the user's manager, not the system's */
	char **properties; /* more of them: NAME=VALUE, the value in GLib's text of variants */
};

void cgroup_unit_free(struct cgroup_unit *unit);

/*
 * Where config.json wants the container's cgroup (`cgroups_path` may be NULL). Without systemd: an
 * absolute path is one below the root of every hierarchy, a relative one is below the place that
 * cgroup_path_for() chooses for a container of its own; *ret_path is NULL where there are no
 * cgroups for us and no path is asked for. With it: "SLICE:PREFIX:NAME".
 */
int cgroup_place(const char *cgroups_path, const char *id, bool systemd, char **ret_path,
	struct cgroup_unit *ret_unit, struct error *err);

/* The properties among a container's annotations (KEY=VALUE): org.systemd.property.NAME. */
int cgroup_unit_read_annotations(
	struct cgroup_unit *unit, char *const *annotations, struct error *err);

/* After cgroup_update(): tell systemd, which would set the old limits again at its next reload. */
int cgroup_unit_update(
	const struct cgroup_unit *unit, const struct cgroup_limits *limits, struct error *err);

/* After cgroup_remove(): until systemd has let go of it, no unit of that name can be started. */
int cgroup_unit_stop(const struct cgroup_unit *unit, struct error *err);

/* What becomes of an empty cgroup that is there already. */
enum cgroup_existing {
	CGROUP_REPLACE, /* a left-over of ours, with limits of who knows what */
	CGROUP_ADOPT, /* somebody has prepared it */
	CGROUP_JOIN, /* it need not be empty: systemd has made it, for us */
};

/* How a cgroup is made; zeroed: for us alone, without systemd. */
struct cgroup_creation {
	enum cgroup_existing existing; /* CGROUP_ADOPT for a path that somebody else has chosen */
	const struct cgroup_unit *unit; /* may be NULL */
	pid_t pid; /* whose cgroup the unit is going to be; it is moved by systemd */
	bool delegate; /* v2: the container divides it further, as `owner`, its root */
	uid_t owner;
};

/*
 * Make the cgroup and set the limits. -EEXIST when it is in use; an empty left-over is replaced.
 * Missing parents are made. Without cgroups (CGROUP_NONE) it succeeds if no limit is asked for.
 * On v1 only the controllers are used that account (memory, cpuacct) or that a limit names: each
 * costs 75 to 140 us of a run; freezing and updates add theirs when they come.
 */
int cgroup_create(const char *path, const struct cgroup_limits *limits,
	const struct cgroup_creation *how, struct error *err);

/*
 * Enter it: called by the single-threaded child itself, before it unshares its cgroup namespace.
 * On v1 writes "0" to `tasks` (`cgroup.procs` there can stall for 20 ms), on v2 to cgroup.procs.
 */
int cgroup_enter(const char *path, struct error *err);
/* Likewise; where the kernel keeps a user from moving between cgroups that are not all theirs,
 * their systemd moves us into its unit. */
int cgroup_enter_unit(const char *path, const struct cgroup_unit *unit, struct error *err);
/* Likewise, by the first to enter a cgroup that cgroup_create() has just made with these limits:
 * it knows which hierarchies there are, and looks for no others. */
int cgroup_enter_new(const char *path, const struct cgroup_limits *limits, struct error *err);

/* v1: may a new cgroup with these limits be in the hierarchy `name` ("memory")? The others need not
 * be looked for, which is dear: the kernel makes a dentry for every name that is not there. */
bool cgroup_v1_takes_part(const struct cgroup_limits *limits, const char *name);

/* Change limits of a running one; CGROUP_UNSET members stay as they are. All or nothing is not
 * promised by the kernel: the sentence says which file refused. */
int cgroup_update(const char *path, const struct cgroup_limits *limits, struct error *err);

/* Stop and go. Returns when every process is frozen (bounded wait). */
int cgroup_freeze(const char *path, bool frozen, struct error *err);
bool cgroup_is_frozen(const char *path);

/* The pids in it and below; *ret is malloc'd. */
int cgroup_pids(const char *path, pid_t **ret, size_t *ret_count, struct error *err);
int cgroup_signal_all(const char *path, int signo, struct error *err);

int cgroup_read_stats(const char *path, struct cgroup_stats *ret, struct error *err);

/* How often the kernel has killed for want of memory here; 0 where nobody counts. */
uint64_t cgroup_read_oom_kills(const char *path);

/* A non-blocking descriptor that becomes readable when memory runs out here (drain it, then ask
 * cgroup_read_oom_kills()). Negative errno; -ENOTSUP where there is none. */
int cgroup_open_oom_events(const char *path);

/* Kill what is left in it (thawed first) and remove it. A missing one is fine. */
int cgroup_remove(const char *path, struct error *err);
