/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resources.h - the limits of `run`, `create` and `update`: one set of options, one set of rules.
 */
#pragma once

#include "container/cgroup.h"
#include "front/cli/options.h"

#define RESOURCES_MEMORY_MIN (6 << 20) /* Docker's: less does not even start */
#define RESOURCES_CPU_PERIOD INT64_C(100000) /* microseconds; what --cpus counts in */

/* What was typed; CGROUP_UNSET where nothing was. */
struct resource_options {
	int64_t memory, memory_swap, memory_reservation;
	int64_t nano_cpus; /* --cpus in 1e-9 of a CPU */
	int64_t cpu_shares, cpu_quota, cpu_period;
	const char *cpuset_cpus, *cpuset_mems;
	int64_t pids;
	int64_t blkio_weight;
};

#define RESOURCE_DEFAULTS                                                                          \
	{                                                                                          \
		.memory = CGROUP_UNSET, .memory_swap = CGROUP_UNSET,                               \
		.memory_reservation = CGROUP_UNSET, .nano_cpus = CGROUP_UNSET,                     \
		.cpu_shares = CGROUP_UNSET, .cpu_quota = CGROUP_UNSET, .cpu_period = CGROUP_UNSET, \
		.pids = CGROUP_UNSET, .blkio_weight = CGROUP_UNSET                                 \
	}

/* OPTION_CUSTOM: "1.5" -> nano CPUs, stored at the option's offset. */
int resources_parse_cpus(
	void *options, const struct option *option, const char *value, struct error *err);

/* clang-format off */
/* The rows, for a struct `type` that has a struct resource_options called `member`. */
#define RESOURCE_OPTIONS(type, member)                                                             \
	{ OPTION_HEADING, .help = "Limits" },                                                      \
	{ OPTION_SIZE, 'm', "memory", offsetof(type, member.memory), "BYTES",                      \
		"Memory limit (512m, 2g)" },                                                       \
	{ OPTION_SIZE, 0, "memory-swap", offsetof(type, member.memory_swap), "BYTES",              \
		"Limit of memory plus swap; -1 is any amount of swap" },                           \
	{ OPTION_SIZE, 0, "memory-reservation", offsetof(type, member.memory_reservation),         \
		"BYTES", "Amount to fall back to when memory is short" },                          \
	{ OPTION_CUSTOM, 0, "cpus", offsetof(type, member.nano_cpus), "N",                         \
		"Number of CPUs (0.5, 2)", .parse = resources_parse_cpus },                        \
	{ OPTION_INT, 'c', "cpu-shares", offsetof(type, member.cpu_shares), "N",                   \
		"Weight among others that want the CPU (2..262144, usual 1024)" },                 \
	{ OPTION_INT, 0, "cpu-quota", offsetof(type, member.cpu_quota), "USEC",                    \
		"Microseconds of CPU in every period" },                                           \
	{ OPTION_INT, 0, "cpu-period", offsetof(type, member.cpu_period), "USEC",                  \
		"Length of the period (1000..1000000)" },                                          \
	{ OPTION_STRING, 0, "cpuset-cpus", offsetof(type, member.cpuset_cpus), "LIST",             \
		"CPUs it may run on (0-3, 0,1)" },                                                 \
	{ OPTION_STRING, 0, "cpuset-mems", offsetof(type, member.cpuset_mems), "LIST",             \
		"Memory nodes it may use (0-3, 0,1)" },                                            \
	{ OPTION_INT, 0, "pids-limit", offsetof(type, member.pids), "N",                           \
		"Number of processes and threads; -1 is any" },                                    \
	{ OPTION_INT, 0, "blkio-weight", offsetof(type, member.blkio_weight), "N",                 \
		"Weight of its disk transfers (10..1000)" }
/* clang-format on */

/*
 * Check them and put those that were given into `limits` (prepared by cgroup_limits_init() or
 * container_config_defaults()). The strings are copied.
 */
int resources_apply(
	const struct resource_options *options, struct cgroup_limits *limits, struct error *err);
