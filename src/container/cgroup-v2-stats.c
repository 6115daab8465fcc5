/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup-v2-stats.c - cgroup_read_full_stats() on v2 (Linux Documentation/admin-guide/
 * cgroup-v2.rst), in the words of v1 that the readers of such statistics know.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "container/cgroup-ops.h"
#include "container/cgroup-stats.h"

static const struct {
	const char *key;
	enum cgroup_io_table table;
	const char *op;
} io_keys[] = {
	{ "rbytes=", CGROUP_IO_SERVICE_BYTES, "Read" },
	{ "wbytes=", CGROUP_IO_SERVICE_BYTES, "Write" },
	{ "dbytes=", CGROUP_IO_SERVICE_BYTES, "Discard" },
	{ "rios=", CGROUP_IO_SERVICED, "Read" },
	{ "wios=", CGROUP_IO_SERVICED, "Write" },
	{ "dios=", CGROUP_IO_SERVICED, "Discard" },
};

/* "8:0 rbytes=1 wbytes=2 rios=3 ...", a line for each device. */
static int parse_io(const char *text, struct cgroup_full_stats *stats)
{
	unsigned long long major = 0, minor = 0;
	bool known = false;

	for (const char *word = text; *word; word += strspn(word, " ")) {
		const size_t n = strcspn(word, " \n");

		if (memchr(word, ':', n))
			known = sscanf(word, "%llu:%llu", &major, &minor) == 2;
		for (size_t i = 0; i < ARRAY_SIZE(io_keys) && known; i++) {
			const char *number = str_after_prefix(word, io_keys[i].key);

			if (number &&
				cgroup_push_io(&stats->io[io_keys[i].table], major, minor,
					io_keys[i].op, strtoull(number, NULL, 10)) < 0)
				return -ENOMEM;
		}
		word += n;
		word += *word == '\n';
	}
	return 0;
}

static void read_cpu(const char *dir, struct cgroup_cpu_stats *cpu)
{
	const struct {
		const char *key;
		uint64_t *number;
		unsigned factor;
	} keys[] = {
		{ "usage_usec", &cpu->total_ns, 1000 },
		{ "user_usec", &cpu->user_ns, 1000 },
		{ "system_usec", &cpu->kernel_ns, 1000 },
		{ "nr_periods", &cpu->periods, 1 },
		{ "nr_throttled", &cpu->throttled_periods, 1 },
		{ "throttled_usec", &cpu->throttled_ns, 1000 },
		{ "nr_bursts", &cpu->bursts, 1 },
		{ "burst_usec", &cpu->burst_ns, 1000 },
	};
	_cleanup_free_ char *text = NULL;

	cgroup_read_psi(dir, "cpu.pressure", &cpu->psi);
	if (cgroup_read_stats_text(dir, "cpu.stat", &text) < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		cgroup_parse_keyed(text, keys[i].key, keys[i].number);
		*keys[i].number *= keys[i].factor;
	}
}

static int read_cpuset(const char *dir, struct cgroup_cpuset_stats *set)
{
	_cleanup_free_ char *cpus = NULL, *mems = NULL;
	int r = 0;

	if (cgroup_read_stats_text(dir, "cpuset.cpus.effective", &cpus) == 0)
		r = cgroup_parse_members(cpus, &set->cpus, &set->nr_cpus);
	if (r == 0 && cgroup_read_stats_text(dir, "cpuset.mems.effective", &mems) == 0)
		r = cgroup_parse_members(mems, &set->mems, &set->nr_mems);
	return r;
}

static uint64_t add_limits(uint64_t a, uint64_t b)
{
	return a == UINT64_MAX || b == UINT64_MAX ? UINT64_MAX : a + b;
}

static int read_memory(const char *dir, struct cgroup_memory_stats *memory)
{
	_cleanup_free_ char *events = NULL, *text = NULL;
	uint64_t swap = 0, swap_limit = UINT64_MAX;

	memory->use.limit = UINT64_MAX;
	cgroup_read_stats_number(dir, "memory.max", &memory->use.limit);
	cgroup_read_stats_number(dir, "memory.current", &memory->use.usage);
	cgroup_read_stats_number(dir, "memory.peak", &memory->use.max);
	cgroup_read_stats_number(dir, "memory.swap.current", &swap);
	cgroup_read_stats_number(dir, "memory.swap.max", &swap_limit);
	/* v1's "memsw" is both together. */
	memory->swap.usage = memory->use.usage + swap;
	memory->swap.limit = add_limits(memory->use.limit, swap_limit);
	if (cgroup_read_stats_text(dir, "memory.events", &events) == 0)
		cgroup_parse_keyed(events, "max", &memory->use.failcnt);
	cgroup_read_psi(dir, "memory.pressure", &memory->psi);
	if (cgroup_read_stats_text(dir, "memory.stat", &text) < 0)
		return 0;
	cgroup_parse_keyed(text, "file", &memory->cache);
	cgroup_parse_keyed(text, "kernel", &memory->kernel.usage);
	cgroup_parse_keyed(text, "sock", &memory->kernel_tcp.usage);
	return cgroup_parse_raw(text, &memory->raw, &memory->nr_raw);
}

int v2_read_full_stats_extra(const char *dir, struct cgroup_full_stats *stats)
{
	int r = cgroup_read_hugetlb(dir, "current", NULL, stats);

	if (r == 0)
		r = cgroup_read_rdma(dir, stats);
	if (!stats->cpu.psi.present)
		cgroup_read_psi(dir, "cpu.pressure", &stats->cpu.psi);
	if (!stats->memory.psi.present)
		cgroup_read_psi(dir, "memory.pressure", &stats->memory.psi);
	cgroup_read_psi(dir, "io.pressure", &stats->io_psi);
	return r;
}

int v2_read_full_stats(
	const struct cgroup_host *host, const char *path, struct cgroup_full_stats *stats)
{
	_cleanup_free_ char *io = NULL, *type = NULL;
	uint64_t limit = UINT64_MAX;
	char dir[PATH_MAX];
	int r = cgroup_path_of(dir, host->root, path);

	if (r == 0)
		r = cgroup_read_stats_text(dir, "cgroup.procs", &type);
	/* -EOPNOTSUPP: a threaded one. */
	if (r < 0 && r != -EOPNOTSUPP)
		return r;
	read_cpu(dir, &stats->cpu);
	r = read_cpuset(dir, &stats->cpuset);
	if (r == 0)
		r = read_memory(dir, &stats->memory);
	cgroup_read_stats_number(dir, "pids.current", &stats->pids);
	cgroup_read_stats_number(dir, "pids.max", &limit);
	stats->pids_limit = limit == UINT64_MAX ? 0 : limit;
	if (r == 0 && cgroup_read_stats_text(dir, "io.stat", &io) == 0)
		r = parse_io(io, stats);
	return r < 0 ? r : v2_read_full_stats_extra(dir, stats);
}
