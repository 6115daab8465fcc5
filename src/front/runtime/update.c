/* SPDX-License-Identifier: Apache-2.0 */
/*
 * update.c - `update`: other limits for a container that runs.
 *
 * From options, or from a document ("linux.resources" of config.json): then the options are left
 * aside, as runc does. What is not named stays as it is.
 */
#include <stdio.h>

#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "front/runtime/record.h"

struct update_options {
	const char *resources; /* a file, "-" = standard input */
	const char *l3_cache_schema, *memory_bandwidth_schema;
	int64_t memory, memory_reservation, memory_swap, kernel_memory, kernel_memory_tcp;
	int64_t cpu_period, cpu_quota, cpu_burst, cpu_share, cpu_realtime_period,
		cpu_realtime_runtime, cpu_idle;
	int64_t pids_limit, blkio_weight;
	const char *cpuset_cpus, *cpuset_mems;
};

#define AT(member) offsetof(struct update_options, member)

static const struct update_options defaults = {
	.memory = CGROUP_UNSET,
	.memory_reservation = CGROUP_UNSET,
	.memory_swap = CGROUP_UNSET,
	.kernel_memory = CGROUP_UNSET,
	.kernel_memory_tcp = CGROUP_UNSET,
	.cpu_period = CGROUP_UNSET,
	.cpu_quota = CGROUP_UNSET,
	.cpu_burst = CGROUP_UNSET,
	.cpu_share = CGROUP_UNSET,
	.cpu_realtime_period = CGROUP_UNSET,
	.cpu_realtime_runtime = CGROUP_UNSET,
	.cpu_idle = CGROUP_UNSET,
	.pids_limit = CGROUP_UNSET,
	.blkio_weight = CGROUP_UNSET,
};

static const struct option update_table[] = {
	{ OPTION_STRING, 'r', "resources", AT(resources), "FILE",
		"Read the limits from FILE (-: standard input): \"linux.resources\" of config.json",
		COMPLETE_FILE },
	{ OPTION_HEADING, .help = "Memory (bytes, or with k, m, g; -1: none)" },
	{ OPTION_SIZE, 0, "memory", AT(memory), "BYTES", "Limit" },
	{ OPTION_SIZE, 0, "memory-reservation", AT(memory_reservation), "BYTES",
		"What is left to it when memory is short" },
	{ OPTION_SIZE, 0, "memory-swap", AT(memory_swap), "BYTES",
		"Limit of memory and swap together" },
	{ OPTION_SIZE, 0, "kernel-memory", AT(kernel_memory), "BYTES",
		"No longer a limit of the kernel's", .hidden = true },
	{ OPTION_SIZE, 0, "kernel-memory-tcp", AT(kernel_memory_tcp), "BYTES",
		"No longer a limit of the kernel's", .hidden = true },
	{ OPTION_HEADING, .help = "CPU (times in microseconds)" },
	{ OPTION_INT, 0, "cpu-period", AT(cpu_period), "TIME", "Length of a period" },
	{ OPTION_INT, 0, "cpu-quota", AT(cpu_quota), "TIME", "CPU time in a period (-1: any)" },
	{ OPTION_INT, 0, "cpu-burst", AT(cpu_burst), "TIME",
		"Unused time that may be spent later" },
	{ OPTION_INT, 0, "cpu-share", AT(cpu_share), "N", "Weight against others (1024)" },
	{ OPTION_INT, 0, "cpu-idle", AT(cpu_idle), "0|1", "1: only what nobody else wants" },
	{ OPTION_INT, 0, "cpu-rt-period", AT(cpu_realtime_period), "TIME",
		"Length of a period of realtime processes" },
	{ OPTION_INT, 0, "cpu-rt-runtime", AT(cpu_realtime_runtime), "TIME",
		"Time they have in it" },
	{ OPTION_STRING, 0, "cpuset-cpus", AT(cpuset_cpus), "LIST", "CPUs to run on (0-3,7)" },
	{ OPTION_STRING, 0, "cpuset-mems", AT(cpuset_mems), "LIST",
		"Memory nodes to allocate from" },
	{ OPTION_HEADING, .help = "Other" },
	{ OPTION_INT, 0, "pids-limit", AT(pids_limit), "N", "Number of processes (-1: any)" },
	{ OPTION_INT, 0, "blkio-weight", AT(blkio_weight), "N", "Weight of I/O, 10 to 1000" },
	{ OPTION_STRING, 0, "l3-cache-schema", AT(l3_cache_schema), "SCHEMA",
		"Cache of the CPU (resctrl)" },
	{ OPTION_STRING, 0, "mem-bw-schema", AT(memory_bandwidth_schema), "SCHEMA",
		"Memory bandwidth (resctrl)" },
	{ OPTION_END },
};

/* An empty list is one that was not given. */
static int take_text(char **to, const char *text, struct error *err)
{
	if (!text || !*text)
		return 0;
	*to = strdup(text);
	return *to ? 0 : error_oom(err);
}

static int limits_of_options(
	const struct update_options *o, struct cgroup_limits *limits, struct error *err)
{
	int r;

	cgroup_limits_init(limits);
	limits->memory_bytes = o->memory;
	limits->memory_reservation_bytes = o->memory_reservation;
	limits->memory_swap_bytes = o->memory_swap;
	limits->memory_kernel_bytes = o->kernel_memory;
	limits->memory_kernel_tcp_bytes = o->kernel_memory_tcp;
	limits->cpu_period_us = o->cpu_period;
	limits->cpu_quota_us = o->cpu_quota;
	limits->cpu_burst_us = o->cpu_burst;
	limits->cpu_shares = o->cpu_share;
	limits->cpu_realtime_period_us = o->cpu_realtime_period;
	limits->cpu_realtime_runtime_us = o->cpu_realtime_runtime;
	limits->cpu_idle = o->cpu_idle;
	limits->pids = o->pids_limit;
	/* runc's word for not given. */
	limits->blkio_weight = o->blkio_weight ? o->blkio_weight : CGROUP_UNSET;
	r = take_text(&limits->cpuset_cpus, o->cpuset_cpus, err);
	return r < 0 ? r : take_text(&limits->cpuset_mems, o->cpuset_mems, err);
}

static int limits_of_file(const char *path, struct cgroup_limits *limits, struct error *err)
{
	_cleanup_json_ json_t *document = NULL;
	_cleanup_free_ char *text = NULL;
	const char *name = streq(path, "-") ? "standard input" : path;
	size_t len;
	int r;

	if (name != path) {
		r = io_read_fd(STDIN_FILENO, JSON_DOCUMENT_MAX, &text, &len);
		if (r < 0)
			return error_errno(err, r, "cannot read the limits from standard input");
	} else {
		r = io_read_file(AT_FDCWD, path, JSON_DOCUMENT_MAX, &text, &len, err);
		if (r < 0)
			return r;
	}
	r = json_parse(text, len, name, &document, err);
	if (r < 0)
		return r;
	r = container_limits_parse(document, limits, err);
	return r < 0 ? error_prefix(err, "%s", name) : 0;
}

/* What runc means by it where the kernel would want another word. */
static void complete(struct cgroup_limits *limits)
{
	/* No limit of memory is none of memory and swap either. */
	if (limits->memory_bytes == CGROUP_UNLIMITED && limits->memory_swap_bytes == CGROUP_UNSET &&
		cgroup_counts_swap())
		limits->memory_swap_bytes = CGROUP_UNLIMITED;
	if (limits->memory_kernel_bytes != CGROUP_UNSET ||
		limits->memory_kernel_tcp_bytes != CGROUP_UNSET)
		log_warning(
			"kernel memory cannot be limited on its own: those limits are left out");
	limits->memory_kernel_bytes = limits->memory_kernel_tcp_bytes = CGROUP_UNSET;
}

static int refuse_resctrl(const struct update_options *o, struct error *err)
{
	const char *option = o->l3_cache_schema ? "--l3-cache-schema"
		: o->memory_bandwidth_schema	? "--mem-bw-schema"
						: NULL;

	if (!option)
		return 0;
	return error_set(err, ENOTSUP, "%s: %s", option,
		access("/sys/fs/resctrl/info", F_OK) < 0
			? "this host has no resctrl file system to divide cache and memory bandwidth with"
			: "the container has no resctrl group of its own");
}

static int apply(const struct record *record, const struct cgroup_limits *limits, struct error *err)
{
	int r;

	if (record_status(record) == RECORD_STOPPED)
		return error_set(err, ESRCH, "container not running");
	if (!record->cgroup)
		return error_set(err, ENOTSUP, "limits are a cgroup's, and it has none");
	r = cgroup_update(record->cgroup, limits, err);
	return r < 0 ? r : cgroup_unit_update(&record->unit, limits, err);
}

static int update(
	struct cli *cli, const struct update_options *o, const char *id, struct error *err)
{
	_cleanup_(cgroup_limits_free) struct cgroup_limits limits = { 0 };
	_cleanup_record_ struct record record = RECORD_INIT;
	int r = refuse_resctrl(o, err);

	if (r == 0)
		r = o->resources && *o->resources ? limits_of_file(o->resources, &limits, err)
						  : limits_of_options(o, &limits, err);
	if (r == 0)
		r = record_open_locked(runtime_of(cli), id, &record, err);
	if (r < 0)
		return r;
	complete(&limits);
	return apply(&record, &limits, err);
}

static int update_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	int r = update(cli, options, argv[0], err);

	return r < 0 ? error_prefix(err, "cannot update container %s", argv[0]) : 0;
}

const struct verb runtime_verb_update = {
	.name = "update",
	.usage = "[OPTIONS] ID",
	.summary = "Change the limits of a container",
	.help = "What is not named stays as it is. With --resources all other limits are taken from FILE:\n"
		"\n"
		"  {\"memory\": {\"limit\": 67108864, \"reservation\": 0, \"swap\": -1},\n"
		"   \"cpu\": {\"shares\": 512, \"quota\": 50000, \"period\": 100000, \"cpus\": \"0-1\"},\n"
		"   \"pids\": {\"limit\": 100}, \"blockIO\": {\"weight\": 100}}\n"
		"\n"
		"Examples:\n"
		"  strata-runtime update --memory 64m --pids-limit 100 web\n"
		"  echo '{\"cpu\": {\"quota\": 50000}}' | strata-runtime update -r - web",
	.options = update_table,
	.options_size = sizeof(struct update_options),
	.defaults = &defaults,
	.min_operands = 1,
	.max_operands = 1,
	.run = update_main,
};
