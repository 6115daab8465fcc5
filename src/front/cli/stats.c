/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats.c - `stats`: what instances use, once or again and again.
 *
 * CPU use is what was used between two samples: 100 % is one whole CPU, as in Docker. A sample of
 * an instance that has ended meanwhile shows dashes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "front/cli/each.h"
#include "front/cli/table.h"
#include "front/cli/verbs.h"
#include "isolation/isolation.h"

#define REFRESH_NS	INT64_C(1000000000) /* of the live table */
#define FIRST_SAMPLE_NS INT64_C(500000000) /* between the two samples of the first table */
#define CLEAR_SCREEN	"\033[H\033[2J"

struct stats_options {
	bool all, no_stream, no_trunc;
	const char *format;
};

static const struct option option_table[] = {
	{ OPTION_FLAG, 'a', "all", offsetof(struct stats_options, all), NULL,
		"Those that do not run, too" },
	{ OPTION_FLAG, 0, "no-stream", offsetof(struct stats_options, no_stream), NULL,
		"Show one table and end" },
	TABLE_NO_TRUNC_OPTION(struct stats_options, no_trunc),
	TABLE_FORMAT_OPTION(struct stats_options, format),
	{ OPTION_END },
};

static const struct table_column columns[] = {
	{ "ID", "CONTAINER ID" },
	{ "Name", "NAME" },
	{ "CPUPerc", "CPU %" },
	{ "MemUsage", "MEM USAGE / LIMIT" },
	{ "MemPerc", "MEM %" },
	{ "BlockIO", "BLOCK I/O" },
	{ "PIDs", "PIDS" },
	{ "Container", "CONTAINER", .hidden = true },
};

/* One instance that is watched. */
struct watch {
	char *name; /* as given, or the instance's ID */
	struct instance instance;
	struct cgroup_stats last;
	int64_t last_ns; /* CLOCK_MONOTONIC; 0 = not sampled yet */
	double cpu_percent;
	bool valid;
};

struct watches {
	struct watch *list;
	size_t count;
};

static void cleanup_watches(struct watches *w)
{
	for (size_t i = 0; i < w->count; i++) {
		free(w->list[i].name);
		instance_close(&w->list[i].instance);
	}
	free(w->list);
}

/* Powers of 1024 with four digits, as Docker shows memory. */
static void format_binary(char *buf, size_t size, uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double v = (double)bytes;
	size_t i = 0;

	while (v >= 1024 && i + 1 < ARRAY_SIZE(units)) {
		v /= 1024;
		i++;
	}
	snprintf(buf, size, "%.4g%s", v, units[i]);
}

static int take_sample(struct watch *w, struct error *err)
{
	const struct isolation_ops *isolation;
	struct cgroup_stats now_stats;
	int64_t now;
	int r;

	w->valid = false;
	r = instance_refresh(&w->instance, err);
	if (r < 0)
		return r;
	if (w->instance.state.status != INSTANCE_RUNNING &&
		w->instance.state.status != INSTANCE_PAUSED) {
		w->last_ns = 0;
		return 0;
	}
	isolation = isolation_find(w->instance.spec.isolation, err);
	if (!isolation)
		return err->code ? -err->code : -EINVAL;
	if (!isolation->stats)
		return error_set(err, ENOTSUP, "isolation %s has no accounting", isolation->name);
	if (!w->instance.has_config && (r = instance_load_config(&w->instance, err)) < 0)
		return r;
	r = isolation->stats(&w->instance.config, &now_stats, err);
	if (r < 0)
		return r;
	now = clock_monotonic_ns();
	if (w->last_ns && now > w->last_ns && now_stats.cpu_usage_ns >= w->last.cpu_usage_ns)
		w->cpu_percent = (double)(now_stats.cpu_usage_ns - w->last.cpu_usage_ns) * 100 /
			(double)(now - w->last_ns);
	w->last = now_stats;
	w->last_ns = now;
	w->valid = true;
	return 0;
}

/* Between looking and reading, an instance may end or be removed: that is no failure here. */
static void sample_all(struct watches *watches)
{
	for (size_t i = 0; i < watches->count; i++) {
		struct error ignored = { 0 };

		take_sample(&watches->list[i], &ignored);
	}
}

static int add_row(
	struct table *t, const struct stats_options *o, const struct watch *w, struct error *err)
{
	char id[80], cpu[32] = "--", memory[80] = "-- / --", percent[32] = "--", io[80] = "-- / --",
		     pids[32] = "--", a[32], b[32];

	if (w->valid) {
		snprintf(cpu, sizeof(cpu), "%.2f%%", w->cpu_percent);
		format_binary(a, sizeof(a), w->last.memory_bytes);
		format_binary(b, sizeof(b), w->last.memory_limit_bytes);
		snprintf(memory, sizeof(memory), "%s / %s", a, b);
		if (w->last.memory_limit_bytes)
			snprintf(percent, sizeof(percent), "%.2f%%",
				(double)w->last.memory_bytes * 100 /
					(double)w->last.memory_limit_bytes);
		format_size(a, sizeof(a), w->last.read_bytes);
		format_size(b, sizeof(b), w->last.written_bytes);
		snprintf(io, sizeof(io), "%s / %s", a, b);
		snprintf(pids, sizeof(pids), "%" PRIu64, w->last.pids);
	}
	return table_row(t,
		(const char *const[]){ table_format_id(id, sizeof(id), w->instance.id, o->no_trunc),
			w->instance.spec.name, cpu, memory, percent, io, pids, w->name },
		err);
}

static int print_table(
	const struct watches *watches, const struct stats_options *o, bool clear, struct error *err)
{
	_cleanup_table_ struct table t = { 0 };
	int r = table_open(&t, columns, ARRAY_SIZE(columns), o->format, false, err);

	for (size_t i = 0; r == 0 && i < watches->count; i++)
		r = add_row(&t, o, &watches->list[i], err);
	if (r < 0)
		return r;
	if (clear)
		fputs(CLEAR_SCREEN, stdout);
	r = table_print(&t, stdout, err);
	if (r == 0 && fflush(stdout) != 0)
		r = error_errno(err, errno, "cannot write to standard output");
	return r;
}

/* Takes the instance over, also on failure. */
static int add_watch(
	struct watches *watches, const char *name, struct instance *instance, struct error *err)
{
	struct watch *grown = reallocarray(watches->list, watches->count + 1, sizeof(*grown));
	char *copy = strdup(name);

	if (grown)
		watches->list = grown;
	if (!grown || !copy) {
		free(copy);
		instance_close(instance);
		return error_oom(err);
	}
	grown[watches->count++] = (struct watch){ .name = copy, .instance = *instance };
	*instance = (struct instance){ .dir_fd = -1 };
	return 0;
}

static bool is_in(const struct watches *watches, const char *id)
{
	for (size_t i = 0; i < watches->count; i++)
		if (streq(watches->list[i].instance.id, id))
			return true;
	return false;
}

/* Without operands: those that run, looked up anew for every table. */
static int watch_running(
	struct cli *cli, const struct stats_options *o, struct watches *watches, struct error *err)
{
	struct instance_roots roots = cli_roots(cli);
	struct instance *list = NULL;
	size_t count = 0;
	int r = instance_list(&roots, &list, &count, err);

	for (size_t i = 0; r == 0 && i < count; i++) {
		bool runs = list[i].state.status == INSTANCE_RUNNING ||
			list[i].state.status == INSTANCE_PAUSED;

		if ((!runs && !o->all) || is_in(watches, list[i].id))
			continue;
		r = add_watch(watches, list[i].id, &list[i], err);
	}
	instance_list_free(list, count);
	return r;
}

/* One that has ended leaves the live table, unless it was asked for. */
static void drop_ended(struct watches *watches)
{
	size_t kept = 0;

	for (size_t i = 0; i < watches->count; i++) {
		struct watch *w = &watches->list[i];

		if (w->valid) {
			watches->list[kept++] = *w;
			continue;
		}
		free(w->name);
		instance_close(&w->instance);
	}
	watches->count = kept;
}

static void pause_ns(int64_t ns)
{
	struct timespec time = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	while (nanosleep(&time, &time) < 0 && errno == EINTR)
		;
}

static int stats_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	_cleanup_(cleanup_watches) struct watches watches = { 0 };
	struct instance_roots roots = cli_roots(cli);
	const struct stats_options *o = options;
	bool clear = !o->no_stream && isatty(STDOUT_FILENO) && (!o->format || !*o->format);
	int r = 0;

	for (int i = 0; r == 0 && i < argc; i++) {
		struct instance instance = { .dir_fd = -1 };

		r = instance_load(&roots, argv[i], &instance, err);
		if (r == 0)
			r = add_watch(&watches, argv[i], &instance, err);
	}
	if (r == 0 && argc == 0)
		r = watch_running(cli, o, &watches, err);
	if (r < 0)
		return r;
	sample_all(&watches);
	pause_ns(FIRST_SAMPLE_NS);
	for (;;) {
		sample_all(&watches);
		r = print_table(&watches, o, clear, err);
		if (r < 0 || o->no_stream)
			return r;
		pause_ns(REFRESH_NS);
		if (argc == 0 && !o->all)
			drop_ended(&watches);
		if (argc == 0 && (r = watch_running(cli, o, &watches, err)) < 0)
			return r;
	}
}

const struct verb verb_stats = {
	.name = "stats",
	.group = "Instances",
	.usage = "[OPTIONS] [INSTANCE...]",
	.summary = "Show what instances use of CPU, memory and disk",
	.help = "Of those named, or of all that run. A table every second until it is interrupted, or\n"
		"one with --no-stream. 100 % of CPU is one whole CPU.\n"
		"\n"
		"Examples:\n"
		"  strata stats\n"
		"  strata stats --no-stream --format '{{.Name}} {{.MemUsage}}' web",
	.options = option_table,
	.options_size = sizeof(struct stats_options),
	.max_operands = -1,
	.operand = COMPLETE_RUNNING,
	.run = stats_main,
};
