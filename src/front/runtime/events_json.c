/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events_json.c - the statistics of a cgroup as runc's `events` tells them.
 *
 * Engines read this, so the names are runc's to the letter, among them two spellings ("percpu_user"
 * beside "throttledTime") and an "ioQueueRecursive". Like runc we leave out most numbers that are
 * zero; those that it always writes are written.
 */
#include "front/runtime/events_json.h"

#include "base/json.h"

/* Zero says nothing. */
static void write_nonzero(struct json_writer *w, const char *key, uint64_t value)
{
	if (value)
		json_write_uint(w, key, value);
}

static void write_numbers(
	struct json_writer *w, const char *key, const uint64_t *numbers, size_t count)
{
	if (!count)
		return;
	json_begin_array(w, key);
	for (size_t i = 0; i < count; i++)
		json_write_uint(w, NULL, numbers[i]);
	json_end_array(w);
}

static void write_set(struct json_writer *w, const char *key, const uint16_t *numbers, size_t count)
{
	if (!count)
		return;
	json_begin_array(w, key);
	for (size_t i = 0; i < count; i++)
		json_write_uint(w, NULL, numbers[i]);
	json_end_array(w);
}

/* The kernel gives two decimals. */
static void write_percent(struct json_writer *w, const char *key, double value)
{
	char text[32];

	snprintf(text, sizeof(text), "%.6g", value);
	json_write_raw(w, key, text);
}

static void write_psi_line(
	struct json_writer *w, const char *key, const struct cgroup_psi_line *line)
{
	json_begin_object(w, key);
	write_percent(w, "avg10", line->avg10);
	write_percent(w, "avg60", line->avg60);
	write_percent(w, "avg300", line->avg300);
	json_write_uint(w, "total", line->total_us);
	json_end_object(w);
}

static void write_psi(struct json_writer *w, const struct cgroup_psi *psi)
{
	if (!psi->present)
		return;
	json_begin_object(w, "psi");
	write_psi_line(w, "some", &psi->some);
	write_psi_line(w, "full", &psi->full);
	json_end_object(w);
}

static void write_cpu(struct json_writer *w, const struct cgroup_cpu_stats *cpu)
{
	json_begin_object(w, "cpu");
	json_begin_object(w, "usage");
	write_nonzero(w, "total", cpu->total_ns);
	write_numbers(w, "percpu", cpu->percpu_ns, cpu->nr_percpu);
	write_numbers(w, "percpu_kernel", cpu->percpu_kernel_ns, cpu->nr_percpu_split);
	write_numbers(w, "percpu_user", cpu->percpu_user_ns, cpu->nr_percpu_split);
	json_write_uint(w, "kernel", cpu->kernel_ns);
	json_write_uint(w, "user", cpu->user_ns);
	json_end_object(w);
	json_begin_object(w, "throttling");
	write_nonzero(w, "periods", cpu->periods);
	write_nonzero(w, "throttledPeriods", cpu->throttled_periods);
	write_nonzero(w, "throttledTime", cpu->throttled_ns);
	json_end_object(w);
	write_psi(w, &cpu->psi);
	json_end_object(w);
}

static void write_cpuset(struct json_writer *w, const struct cgroup_cpuset_stats *cpuset)
{
	json_begin_object(w, "cpuset");
	write_set(w, "cpus", cpuset->cpus, cpuset->nr_cpus);
	json_write_uint(w, "cpu_exclusive", cpuset->cpu_exclusive);
	write_set(w, "mems", cpuset->mems, cpuset->nr_mems);
	json_write_uint(w, "mem_hardwall", cpuset->mem_hardwall);
	json_write_uint(w, "mem_exclusive", cpuset->mem_exclusive);
	json_write_uint(w, "memory_migrate", cpuset->memory_migrate);
	json_write_uint(w, "memory_spread_page", cpuset->memory_spread_page);
	json_write_uint(w, "memory_spread_slab", cpuset->memory_spread_slab);
	json_write_uint(w, "memory_pressure", cpuset->memory_pressure);
	json_write_uint(w, "sched_load_balance", cpuset->sched_load_balance);
	json_write_int(w, "sched_relax_domain_level", cpuset->sched_relax_domain_level);
	json_end_object(w);
}

static void write_use(struct json_writer *w, const char *key, const struct cgroup_memory_use *use)
{
	json_begin_object(w, key);
	json_write_uint(w, "limit", use->limit);
	write_nonzero(w, "usage", use->usage);
	write_nonzero(w, "max", use->max);
	json_write_uint(w, "failcnt", use->failcnt);
	json_end_object(w);
}

static void write_memory(struct json_writer *w, const struct cgroup_memory_stats *memory)
{
	json_begin_object(w, "memory");
	write_nonzero(w, "cache", memory->cache);
	write_use(w, "usage", &memory->use);
	write_use(w, "swap", &memory->swap);
	write_use(w, "kernel", &memory->kernel);
	write_use(w, "kernelTCP", &memory->kernel_tcp);
	if (memory->nr_raw) {
		json_begin_object(w, "raw");
		for (size_t i = 0; i < memory->nr_raw; i++)
			json_write_uint(w, memory->raw[i].name, memory->raw[i].value);
		json_end_object(w);
	}
	write_psi(w, &memory->psi);
	json_end_object(w);
}

static void write_io_list(struct json_writer *w, const char *key, const struct cgroup_io_list *list)
{
	if (!list->count)
		return;
	json_begin_array(w, key);
	for (size_t i = 0; i < list->count; i++) {
		const struct cgroup_io_entry *entry = &list->entries[i];

		json_begin_object(w, NULL);
		write_nonzero(w, "major", entry->major);
		write_nonzero(w, "minor", entry->minor);
		if (entry->op[0])
			json_write_string(w, "op", entry->op);
		write_nonzero(w, "value", entry->value);
		json_end_object(w);
	}
	json_end_array(w);
}

static void write_io(struct json_writer *w, const struct cgroup_full_stats *stats)
{
	static const char *const names[] = {
		[CGROUP_IO_SERVICE_BYTES] = "ioServiceBytesRecursive",
		[CGROUP_IO_SERVICED] = "ioServicedRecursive",
		[CGROUP_IO_QUEUED] = "ioQueueRecursive",
		[CGROUP_IO_SERVICE_TIME] = "ioServiceTimeRecursive",
		[CGROUP_IO_WAIT_TIME] = "ioWaitTimeRecursive",
		[CGROUP_IO_MERGED] = "ioMergedRecursive",
		[CGROUP_IO_TIME] = "ioTimeRecursive",
		[CGROUP_IO_SECTORS] = "sectorsRecursive",
	};

	_Static_assert(ARRAY_SIZE(names) == CGROUP_IO_TABLES, "a name for every table");
	json_begin_object(w, "blkio");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		write_io_list(w, names[i], &stats->io[i]);
	write_psi(w, &stats->io_psi);
	json_end_object(w);
}

static void write_hugetlb(struct json_writer *w, const struct cgroup_full_stats *stats)
{
	json_begin_object(w, "hugetlb");
	for (size_t i = 0; i < stats->nr_hugetlb; i++) {
		const struct cgroup_hugetlb_stats *page = &stats->hugetlb[i];

		json_begin_object(w, page->size);
		write_nonzero(w, "usage", page->usage);
		write_nonzero(w, "max", page->max);
		json_write_uint(w, "failcnt", page->failcnt);
		json_end_object(w);
	}
	json_end_object(w);
}

char *events_format_stats(const char *id, const struct cgroup_full_stats *stats)
{
	struct json_writer w = { 0 };

	json_begin_object(&w, NULL);
	json_write_string(&w, "type", "stats");
	json_write_string(&w, "id", id);
	json_begin_object(&w, "data");
	write_cpu(&w, &stats->cpu);
	write_cpuset(&w, &stats->cpuset);
	write_memory(&w, &stats->memory);
	json_begin_object(&w, "pids");
	write_nonzero(&w, "current", stats->pids);
	write_nonzero(&w, "limit", stats->pids_limit);
	json_end_object(&w);
	write_io(&w, stats);
	write_hugetlb(&w, stats);
	/* Cache and bandwidth control (resctrl) and links are not the runtime's. */
	json_write_raw(&w, "intel_rdt", "{}");
	json_write_raw(&w, "network_interfaces", "null");
	json_end_object(&w);
	json_end_object(&w);
	return json_writer_finish(&w);
}

char *events_format_oom(const char *id)
{
	struct json_writer w = { 0 };

	json_begin_object(&w, NULL);
	json_write_string(&w, "type", "oom");
	json_write_string(&w, "id", id);
	json_end_object(&w);
	return json_writer_finish(&w);
}
