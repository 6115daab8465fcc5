/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup-v1-stats.c - cgroup_read_full_stats() on v1 (Linux Documentation/admin-guide/cgroup-v1).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "container/cgroup-stats.h"
#include "container/cgroup-v1.h"

/* The files of one of the tables, of several I/O controllers, best first: throttling sees every
 * request, the schedulers (BFQ; CFQ until Linux 5.0) only those of their own devices. */
#define IO_SOURCES 3
static const char *const io_files[CGROUP_IO_TABLES][IO_SOURCES] = {
	[CGROUP_IO_SERVICE_BYTES] = { "blkio.throttle.io_service_bytes_recursive",
		"blkio.bfq.io_service_bytes_recursive", "blkio.io_service_bytes_recursive" },
	[CGROUP_IO_SERVICED] = { "blkio.throttle.io_serviced_recursive",
		"blkio.bfq.io_serviced_recursive", "blkio.io_serviced_recursive" },
	[CGROUP_IO_QUEUED] = { "blkio.bfq.io_queued_recursive", "blkio.io_queued_recursive" },
	[CGROUP_IO_SERVICE_TIME] = { "blkio.bfq.io_service_time_recursive",
		"blkio.io_service_time_recursive" },
	[CGROUP_IO_WAIT_TIME] = { "blkio.bfq.io_wait_time_recursive",
		"blkio.io_wait_time_recursive" },
	[CGROUP_IO_MERGED] = { "blkio.bfq.io_merged_recursive", "blkio.io_merged_recursive" },
	[CGROUP_IO_TIME] = { "blkio.bfq.time_recursive", "blkio.time_recursive" },
	[CGROUP_IO_SECTORS] = { "blkio.bfq.sectors_recursive", "blkio.sectors_recursive" },
};

/* "8:0 Read 4096" or "8:0 4096"; the last line, "Total 4096", has no device. */
static int parse_io(const char *text, struct cgroup_io_list *list)
{
	for (const char *line = text; *line; line += *line == '\n') {
		unsigned long long major, minor, value;
		char op[16] = "";
		int r = 0;

		if (sscanf(line, "%llu:%llu %llu", &major, &minor, &value) == 3 ||
			sscanf(line, "%llu:%llu %15s %llu", &major, &minor, op, &value) == 4)
			r = cgroup_push_io(list, major, minor, op, value);
		if (r < 0)
			return r;
		line += strcspn(line, "\n");
	}
	return 0;
}

static int read_io(const char *dir, struct cgroup_full_stats *stats)
{
	for (size_t t = 0; t < CGROUP_IO_TABLES; t++) {
		for (size_t i = 0; i < IO_SOURCES && io_files[t][i]; i++) {
			_cleanup_free_ char *text = NULL;
			int r = cgroup_read_stats_text(dir, io_files[t][i], &text);

			if (r < 0)
				continue;
			r = parse_io(text, &stats->io[t]);
			if (r < 0)
				return r;
			break;
		}
	}
	return 0;
}

/* A heading, then "CPU USER SYSTEM" in nanoseconds. */
static int parse_usage_all(const char *text, struct cgroup_cpu_stats *cpu)
{
	_cleanup_free_ uint64_t *numbers = NULL;
	size_t count = 0, nr_cpus;
	int r;

	text += strcspn(text, "\n");
	r = cgroup_parse_numbers(text, &numbers, &count);
	nr_cpus = count / 3;
	if (r < 0 || nr_cpus == 0)
		return r;
	cpu->percpu_user_ns = calloc(nr_cpus, sizeof(uint64_t));
	cpu->percpu_kernel_ns = calloc(nr_cpus, sizeof(uint64_t));
	if (!cpu->percpu_user_ns || !cpu->percpu_kernel_ns)
		return -ENOMEM;
	for (size_t i = 0; i < nr_cpus; i++) {
		cpu->percpu_user_ns[i] = numbers[3 * i + 1];
		cpu->percpu_kernel_ns[i] = numbers[3 * i + 2];
	}
	cpu->nr_percpu_split = nr_cpus;
	return 0;
}

static int read_cpuacct(const char *dir, struct cgroup_cpu_stats *cpu)
{
	_cleanup_free_ char *percpu = NULL, *all = NULL, *stat = NULL;
	uint64_t tick_ns = UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK);
	int r = 0;

	cgroup_read_stats_number(dir, "cpuacct.usage", &cpu->total_ns);
	if (cgroup_read_stats_text(dir, "cpuacct.usage_percpu", &percpu) == 0)
		r = cgroup_parse_numbers(percpu, &cpu->percpu_ns, &cpu->nr_percpu);
	if (r == 0 && cgroup_read_stats_text(dir, "cpuacct.usage_all", &all) == 0)
		r = parse_usage_all(all, cpu);
	if (cgroup_read_stats_text(dir, "cpuacct.stat", &stat) == 0) {
		cgroup_parse_keyed(stat, "user", &cpu->user_ns);
		cgroup_parse_keyed(stat, "system", &cpu->kernel_ns);
		cpu->user_ns *= tick_ns;
		cpu->kernel_ns *= tick_ns;
	}
	return r;
}

static void read_cpu(const char *dir, struct cgroup_cpu_stats *cpu)
{
	_cleanup_free_ char *text = NULL;

	if (cgroup_read_stats_text(dir, "cpu.stat", &text) < 0)
		return;
	cgroup_parse_keyed(text, "nr_periods", &cpu->periods);
	cgroup_parse_keyed(text, "nr_throttled", &cpu->throttled_periods);
	cgroup_parse_keyed(text, "throttled_time", &cpu->throttled_ns);
	cgroup_parse_keyed(text, "nr_bursts", &cpu->bursts);
	cgroup_parse_keyed(text, "burst_time", &cpu->burst_ns);
}

static int read_cpuset(const char *dir, struct cgroup_cpuset_stats *set)
{
	const struct {
		const char *file;
		uint64_t *number;
	} numbers[] = {
		{ "cpuset.cpu_exclusive", &set->cpu_exclusive },
		{ "cpuset.mem_hardwall", &set->mem_hardwall },
		{ "cpuset.mem_exclusive", &set->mem_exclusive },
		{ "cpuset.memory_migrate", &set->memory_migrate },
		{ "cpuset.memory_spread_page", &set->memory_spread_page },
		{ "cpuset.memory_spread_slab", &set->memory_spread_slab },
		{ "cpuset.memory_pressure", &set->memory_pressure },
		{ "cpuset.sched_load_balance", &set->sched_load_balance },
	};
	_cleanup_free_ char *cpus = NULL, *mems = NULL, *level = NULL;
	int r = 0;

	if (cgroup_read_stats_text(dir, "cpuset.cpus", &cpus) == 0)
		r = cgroup_parse_members(cpus, &set->cpus, &set->nr_cpus);
	if (r == 0 && cgroup_read_stats_text(dir, "cpuset.mems", &mems) == 0)
		r = cgroup_parse_members(mems, &set->mems, &set->nr_mems);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		cgroup_read_stats_number(dir, numbers[i].file, numbers[i].number);
	if (cgroup_read_stats_text(dir, "cpuset.sched_relax_domain_level", &level) == 0)
		set->sched_relax_domain_level = strtoll(level, NULL, 10);
	return r;
}

static void read_use(const char *dir, const char *kind, struct cgroup_memory_use *use)
{
	const struct {
		const char *suffix;
		uint64_t *number;
	} numbers[] = {
		{ "limit_in_bytes", &use->limit },
		{ "usage_in_bytes", &use->usage },
		{ "max_usage_in_bytes", &use->max },
		{ "failcnt", &use->failcnt },
	};
	char file[64];

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		snprintf(file, sizeof(file), "memory.%s%s", kind, numbers[i].suffix);
		cgroup_read_stats_number(dir, file, numbers[i].number);
	}
}

static int read_memory(const char *dir, struct cgroup_memory_stats *memory)
{
	_cleanup_free_ char *text = NULL;

	read_use(dir, "", &memory->use);
	read_use(dir, "memsw.", &memory->swap);
	read_use(dir, "kmem.", &memory->kernel);
	read_use(dir, "kmem.tcp.", &memory->kernel_tcp);
	if (cgroup_read_stats_text(dir, "memory.stat", &text) < 0)
		return 0;
	cgroup_parse_keyed(text, "cache", &memory->cache);
	return cgroup_parse_raw(text, &memory->raw, &memory->nr_raw);
}

static void read_pids(const char *dir, struct cgroup_full_stats *stats)
{
	uint64_t limit = UINT64_MAX;

	cgroup_read_stats_number(dir, "pids.current", &stats->pids);
	cgroup_read_stats_number(dir, "pids.max", &limit);
	stats->pids_limit = limit == UINT64_MAX ? 0 : limit;
}

int v1_read_full_stats(
	const struct cgroup_host *host, const char *path, struct cgroup_full_stats *stats)
{
	char dir[PATH_MAX];
	bool found = false;
	int r = 0;

	for (enum v1_controller c = 0; c < V1_COUNT && r == 0; c++) {
		if (!v1_exists(host, c, path))
			continue;
		found = true;
		r = v1_path(dir, host, c, path, NULL);
		if (r == 0 && c == V1_CPUACCT)
			r = read_cpuacct(dir, &stats->cpu);
		else if (r == 0 && c == V1_CPU)
			read_cpu(dir, &stats->cpu);
		else if (r == 0 && c == V1_CPUSET)
			r = read_cpuset(dir, &stats->cpuset);
		else if (r == 0 && c == V1_MEMORY)
			r = read_memory(dir, &stats->memory);
		else if (r == 0 && c == V1_PIDS)
			read_pids(dir, stats);
		else if (r == 0 && c == V1_BLKIO)
			r = read_io(dir, stats);
		else if (r == 0 && c == V1_UNIFIED)
			r = v2_read_full_stats_extra(dir, stats);
	}
	return r == 0 && !found ? -ENOENT : r;
}
