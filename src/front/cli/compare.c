/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compare.c - `compare`: the ways there are, in which order they are measured, and the table.
 *
 * The first run of each way only tells whether it is possible here, and makes what later runs
 * find (unpacked layers, kept translations, a machine that has booted). The runs that count go
 * round all ways, so that what else this host does hits them alike.
 */
#include "front/cli/compare.h"

#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/io.h"
#include "front/cli/table.h"
#include "front/cli/verbs.h"

#define TRANSFER_MIB	64 /* over disk and network */
#define ROUNDS_DEFAULT	5
#define TIMEOUT_DEFAULT (INT64_C(60) * 1000000000)

static const struct compare_way ways[] = {
	{ .title = "container",
		.isolation = "container",
		.host_address = "127.0.0.1",
		.lost = "the host",
		.colour = "#3b7dd8" },
	{ .title = "translated",
		.architecture = "riscv64",
		.isolation = "container",
		.host_address = "127.0.0.1",
		.lost = "the host",
		.colour = "#2fa084" },
	{ .title = "virtual machine",
		.isolation = "vm",
		.host_address = "10.0.2.2",
		.lost = "the instance",
		.colour = "#c9772b" },
	{ .title = "emulated machine",
		.architecture = "riscv64",
		.isolation = "vm",
		.host_address = "10.0.2.2",
		.lost = "the instance",
		.colour = "#8a5cc2" },
};

struct compare_options {
	int64_t rounds, timeout_ns;
	bool disk, net;
	const char *format, *svg;
};

static const struct compare_options compare_defaults = { .rounds = ROUNDS_DEFAULT,
	.timeout_ns = TIMEOUT_DEFAULT };

static const struct option option_table[] = {
	{ OPTION_INT, 'n', "rounds", offsetof(struct compare_options, rounds), "N",
		"Start the command so often each way, and take the median (5)" },
	{ OPTION_DURATION, 0, "timeout", offsetof(struct compare_options, timeout_ns), "DURATION",
		"Wait so long for the command's first output (1m)" },
	{ OPTION_FLAG, 0, "disk", offsetof(struct compare_options, disk), NULL,
		"Write and read a file of 64 MiB in the root directory, too" },
	{ OPTION_FLAG, 0, "net", offsetof(struct compare_options, net), NULL,
		"Send and receive 64 MiB over TCP to this host, too" },
	{ OPTION_STRING, 0, "svg", offsetof(struct compare_options, svg), "FILE",
		"Draw the table as bars into FILE", COMPLETE_FILE },
	TABLE_FORMAT_OPTION(struct compare_options, format),
	{ OPTION_END },
};

static volatile sig_atomic_t interrupted;

static void note_interrupt(int signo)
{
	(void)signo;
	interrupted = 1;
}

bool compare_interrupted(void)
{
	return interrupted;
}

/* --- the table -------------------------------------------------------------------------------- */

enum column {
	COLUMN_WAY,
	COLUMN_PLATFORM,
	COLUMN_ISOLATION,
	COLUMN_CPU,
	COLUMN_KERNEL,
	COLUMN_FIRST_OUTPUT,
	COLUMN_END,
	COLUMN_EXIT_CODE,
	COLUMN_MEMORY,
	COLUMN_INTEGER,
	COLUMN_FLOAT,
	COLUMN_CALLS,
	COLUMN_DISK_WRITE,
	COLUMN_DISK_READ,
	COLUMN_NET_SEND,
	COLUMN_NET_RECEIVE,
	COLUMN_PROCESSES,
	COLUMN_LOST,
	COLUMN_FIRST_OUTPUT_MS,
	COLUMN_END_MS,
	COLUMN_MEMORY_BYTES,
	COLUMN_CALLS_PER_SECOND,
	COLUMN_DISK_WRITE_BYTES,
	COLUMN_DISK_READ_BYTES,
	COLUMN_NET_SEND_BYTES,
	COLUMN_NET_RECEIVE_BYTES,
	COLUMN_REASON,
	COLUMN_COUNT,
};

static const struct table_column columns[] = {
	[COLUMN_WAY] = { "Way", "WAY" },
	[COLUMN_PLATFORM] = { "Platform", "PLATFORM", .hidden = true },
	[COLUMN_ISOLATION] = { "Isolation", "ISOLATION", .hidden = true },
	[COLUMN_CPU] = { "CPU", "CPU" },
	[COLUMN_KERNEL] = { "Kernel", "KERNEL" },
	[COLUMN_FIRST_OUTPUT] = { "FirstOutput", "FIRST OUTPUT" },
	[COLUMN_END] = { "End", "END" },
	[COLUMN_EXIT_CODE] = { "ExitCode", "EXIT CODE", .hidden = true, .number = true },
	[COLUMN_MEMORY] = { "Memory", "MEMORY" },
	[COLUMN_INTEGER] = { "Integer", "INTEGER", .number = true },
	[COLUMN_FLOAT] = { "Float", "FLOAT", .number = true },
	[COLUMN_CALLS] = { "Calls", "CALLS/S" },
	[COLUMN_DISK_WRITE] = { "DiskWrite", "DISK WRITE" },
	[COLUMN_DISK_READ] = { "DiskRead", "DISK READ" },
	[COLUMN_NET_SEND] = { "NetSend", "NET SEND" },
	[COLUMN_NET_RECEIVE] = { "NetReceive", "NET RECEIVE" },
	[COLUMN_PROCESSES] = { "Processes", "PROCESSES", .number = true },
	[COLUMN_LOST] = { "Lost", "A CRASH TAKES" },
	[COLUMN_FIRST_OUTPUT_MS] = { "FirstOutputMs", "", .hidden = true, .number = true },
	[COLUMN_END_MS] = { "EndMs", "", .hidden = true, .number = true },
	[COLUMN_MEMORY_BYTES] = { "MemoryBytes", "", .hidden = true, .number = true },
	[COLUMN_CALLS_PER_SECOND] = { "CallsPerSecond", "", .hidden = true, .number = true },
	[COLUMN_DISK_WRITE_BYTES] = { "DiskWriteBytes", "", .hidden = true, .number = true },
	[COLUMN_DISK_READ_BYTES] = { "DiskReadBytes", "", .hidden = true, .number = true },
	[COLUMN_NET_SEND_BYTES] = { "NetSendBytes", "", .hidden = true, .number = true },
	[COLUMN_NET_RECEIVE_BYTES] = { "NetReceiveBytes", "", .hidden = true, .number = true },
	[COLUMN_REASON] = { "Reason", "REASON", .hidden = true },
};
static_assert(ARRAY_SIZE(columns) == COLUMN_COUNT, "a heading for each column");
static_assert(COLUMN_COUNT <= TABLE_COLUMNS_MAX, "a table has room for them");

#define CELL_MAX 80

void compare_format_time(char *buf, size_t size, int64_t ns)
{
	double ms = (double)ns / 1e6;

	if (ns < 0)
		snprintf(buf, size, "-");
	else if (ms < 1000)
		snprintf(buf, size, "%.1f ms", ms);
	else
		snprintf(buf, size, "%.2f s", ms / 1000);
}

static void format_rate(char cells[][CELL_MAX], enum column text, enum column number, uint64_t rate)
{
	if (!rate)
		return;
	snprintf(cells[text], CELL_MAX, "%.0f MB/s", (double)rate / 1e6);
	snprintf(cells[number], CELL_MAX, "%" PRIu64, rate);
}

static void format_ms(char cell[CELL_MAX], int64_t ns)
{
	if (ns >= 0)
		snprintf(cell, CELL_MAX, "%.3f", (double)ns / 1e6);
}

static void fill_cells(
	const struct compare *c, const struct compare_result *result, char cells[][CELL_MAX])
{
	const struct compare_speed *speed = &result->speed, *host = &c->host;
	double calls;

	snprintf(cells[COLUMN_WAY], CELL_MAX, "%s", result->way->title);
	snprintf(cells[COLUMN_PLATFORM], CELL_MAX, "%s", result->platform);
	snprintf(cells[COLUMN_ISOLATION], CELL_MAX, "%s", result->way->isolation);
	snprintf(cells[COLUMN_LOST], CELL_MAX, "%s", result->way->lost);
	if (result->reason || !speed->integer_ns || !speed->float_ns || !speed->calls_ns)
		return;
	calls = (double)speed->calls_result * 1e9 / (double)speed->calls_ns;
	snprintf(cells[COLUMN_CPU], CELL_MAX, "%s", speed->machine);
	snprintf(cells[COLUMN_KERNEL], CELL_MAX, "%s", speed->kernel);
	compare_format_time(cells[COLUMN_FIRST_OUTPUT], CELL_MAX, result->first_output_ns);
	format_ms(cells[COLUMN_FIRST_OUTPUT_MS], result->first_output_ns);
	compare_format_time(cells[COLUMN_END], CELL_MAX, result->end_ns);
	format_ms(cells[COLUMN_END_MS], result->end_ns);
	if (result->exit_code >= 0)
		snprintf(cells[COLUMN_EXIT_CODE], CELL_MAX, "%d", result->exit_code);
	snprintf(cells[COLUMN_MEMORY], CELL_MAX, "%.1f MiB", (double)result->memory_bytes / 0x1p20);
	snprintf(cells[COLUMN_MEMORY_BYTES], CELL_MAX, "%" PRIu64, result->memory_bytes);
	snprintf(cells[COLUMN_INTEGER], CELL_MAX, "%.2f",
		(double)speed->integer_ns / (double)host->integer_ns);
	snprintf(cells[COLUMN_FLOAT], CELL_MAX, "%.2f",
		(double)speed->float_ns / (double)host->float_ns);
	snprintf(cells[COLUMN_CALLS], CELL_MAX, "%.2f M", calls / 1e6);
	snprintf(cells[COLUMN_CALLS_PER_SECOND], CELL_MAX, "%.0f", calls);
	format_rate(cells, COLUMN_DISK_WRITE, COLUMN_DISK_WRITE_BYTES, speed->disk_write);
	format_rate(cells, COLUMN_DISK_READ, COLUMN_DISK_READ_BYTES, speed->disk_read);
	format_rate(cells, COLUMN_NET_SEND, COLUMN_NET_SEND_BYTES, speed->net_send);
	format_rate(cells, COLUMN_NET_RECEIVE, COLUMN_NET_RECEIVE_BYTES, speed->net_receive);
	snprintf(cells[COLUMN_PROCESSES], CELL_MAX, "%" PRIu64, speed->processes);
}

static int add_row(struct table *t, const struct compare *c, const struct compare_result *result,
	struct error *err)
{
	char cells[COLUMN_COUNT][CELL_MAX] = { 0 };
	const char *values[COLUMN_COUNT];

	fill_cells(c, result, cells);
	for (size_t i = 0; i < COLUMN_COUNT; i++)
		values[i] = cells[i];
	values[COLUMN_REASON] = result->reason;
	return table_row(t, values, err);
}

static bool is_any_measured(const struct compare_result *results, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!results[i].reason)
			return true;
	return false;
}

static bool has_any_failed(const struct compare_result *results, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!results[i].reason && results[i].exit_code > 0)
			return true;
	return false;
}

/* The columns of what was not asked for, and of what went well, are not shown. */
static int print_table(const struct compare *c, const struct compare_options *o,
	const struct compare_result *results, size_t count, struct error *err)
{
	_cleanup_table_ struct table t = { 0 };
	struct table_column shown[COLUMN_COUNT];
	const bool plain = !o->format || !*o->format || streq(o->format, "table");
	int r;

	memcpy(shown, columns, sizeof(shown));
	shown[COLUMN_DISK_WRITE].hidden = shown[COLUMN_DISK_READ].hidden = !o->disk;
	shown[COLUMN_NET_SEND].hidden = shown[COLUMN_NET_RECEIVE].hidden = !o->net;
	shown[COLUMN_EXIT_CODE].hidden = !has_any_failed(results, count);
	r = table_open(&t, shown, ARRAY_SIZE(shown), o->format, false, err);
	for (size_t i = 0; r == 0 && i < count; i++)
		if (!plain || !results[i].reason)
			r = add_row(&t, c, &results[i], err);
	if (r == 0 && (!plain || is_any_measured(results, count)))
		r = table_print(&t, stdout, err);
	for (size_t i = 0; r == 0 && plain && i < count; i++)
		if (results[i].reason)
			printf("%s: not here: %s\n", results[i].way->title, results[i].reason);
	return r;
}

/* --- measuring -------------------------------------------------------------------------------- */

static void show_progress(const char *title, const char *what)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K%s%s%s", title, *what ? ": " : "", what);
}

/* The last line of what a command said before it failed, without our name. */
static char *last_sentence(char *said)
{
	size_t len = said ? strlen(said) : 0;
	const char *line, *rest;

	while (len && said[len - 1] == '\n')
		said[--len] = '\0';
	if (!len)
		return NULL;
	line = strrchr(said, '\n');
	line = line ? line + 1 : said;
	rest = str_after_prefix(line, "strata: ");
	return strdup(rest ? rest : line);
}

/* Is it possible at all? Of a command that does not end, later runs are stopped early. */
static int try_way(struct compare *c, struct compare_result *result, struct error *err)
{
	struct compare_start start;
	int r = compare_start(c, result, true, &start, err);

	if (r == 0 && start.exit_code >= EXIT_STRATA && start.exit_code <= EXIT_NOT_FOUND &&
		start.first_output_ns < 0) {
		result->reason = last_sentence(start.said);
		if (!result->reason)
			result->reason = strf("it ends with status %d", start.exit_code);
	} else if (r == 0 && start.first_output_ns < 0 && start.end_ns < 0 && !interrupted) {
		result->reason = strdup("the command neither printed anything nor ended in time");
	}
	result->end_ns = start.end_ns;
	result->exit_code = start.exit_code;
	free(start.said);
	return r;
}

static int compare_numbers(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int64_t median(int64_t *numbers, size_t count)
{
	qsort(numbers, count, sizeof(*numbers), compare_numbers);
	return count % 2 ? numbers[count / 2] : (numbers[count / 2 - 1] + numbers[count / 2]) / 2;
}

/* The times of one way, a round after the other. */
struct times {
	int64_t first[COMPARE_ROUNDS_MAX], end[COMPARE_ROUNDS_MAX];
};

static int run_rounds(struct compare *c, struct compare_result *results, size_t count,
	int64_t rounds, struct times *times, struct error *err)
{
	char what[64];

	for (int64_t round = 0; round < rounds; round++) {
		for (size_t i = 0; i < count; i++) {
			bool ends = results[i].end_ns >= 0;
			struct compare_start start;
			int r;

			if (results[i].reason)
				continue;
			snprintf(what, sizeof(what), "start %" PRId64 " of %" PRId64, round + 1,
				rounds);
			show_progress(results[i].way->title, what);
			r = compare_start(c, &results[i], ends, &start, err);
			free(start.said);
			if (r < 0 || interrupted)
				return r < 0 ? r : -EINTR;
			times[i].end[round] = start.end_ns;
			times[i].first[round] = start.first_output_ns >= 0 ? start.first_output_ns
									   : start.end_ns;
		}
	}
	for (size_t i = 0; i < count; i++) {
		if (results[i].reason)
			continue;
		results[i].first_output_ns = median(times[i].first, (size_t)rounds);
		if (results[i].end_ns >= 0)
			results[i].end_ns = median(times[i].end, (size_t)rounds);
	}
	return 0;
}

static int measure_all(struct compare *c, struct compare_result *results, size_t count,
	int64_t rounds, struct error *err)
{
	_cleanup_free_ struct times *times = calloc(count, sizeof(*times));
	int r = times ? 0 : error_oom(err);

	if (r == 0)
		r = compare_measure_host(c, err);
	for (size_t i = 0; r == 0 && i < count; i++) {
		show_progress(results[i].way->title, "is it possible here?");
		r = try_way(c, &results[i], err);
		if (r == 0 && interrupted)
			r = -EINTR;
	}
	if (r == 0)
		r = run_rounds(c, results, count, rounds, times, err);
	for (size_t i = 0; r == 0 && i < count; i++) {
		struct error why = { 0 };

		if (results[i].reason)
			continue;
		show_progress(results[i].way->title, "memory, CPU, system calls");
		r = compare_measure(c, &results[i], &why);
		if (r == 0)
			r = compare_measure_host(c, &why);
		if (interrupted) {
			r = -EINTR;
		} else if (r < 0) {
			results[i].reason = strdup(why.message);
			r = results[i].reason ? 0 : error_oom(err);
		}
	}
	show_progress("", "");
	return r;
}

/* --- the verb --------------------------------------------------------------------------------- */

static int describe_ways(struct compare_result *results, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct image_platform platform;
		int r = image_platform_parse(NULL, &platform, err);

		if (r < 0)
			return r;
		if (ways[i].architecture) {
			snprintf(platform.architecture, sizeof(platform.architecture), "%s",
				ways[i].architecture);
			*platform.variant = '\0';
		}
		results[i] = (struct compare_result){ .way = &ways[i] };
		image_platform_format(&platform, results[i].platform, sizeof(results[i].platform));
	}
	return 0;
}

static int check_options(const struct compare_options *o, struct error *err)
{
	_cleanup_table_ struct table t = { 0 };

	if (o->rounds < 1 || o->rounds > COMPARE_ROUNDS_MAX)
		return error_set(err, EINVAL, "--rounds must be from 1 to %d", COMPARE_ROUNDS_MAX);
	if (o->timeout_ns <= 0)
		return error_set(err, EINVAL, "--timeout must be more than nothing");
	/* That it cannot be printed so is better said before minutes have gone by. */
	return table_open(&t, columns, ARRAY_SIZE(columns), o->format, false, err);
}

static int prepare(struct compare *c, struct error *err)
{
	struct sigaction note = { .sa_handler = note_interrupt };
	ssize_t n = readlink("/proc/self/exe", c->program, sizeof(c->program) - 1);

	if (n < 0)
		return error_errno(err, errno, "cannot tell which program this is");
	c->program[n] = '\0';
	io_random_hex(c->mark, 4);
	sigaction(SIGINT, &note, NULL);
	sigaction(SIGTERM, &note, NULL);
	return 0;
}

static int compare_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct compare_options *o = options;
	struct compare_result results[ARRAY_SIZE(ways)] = { 0 };
	struct compare c = { .cli = cli,
		.image = argv[0],
		.command = argv + (argc > 1 && streq(argv[1], "--") ? 2 : 1),
		.timeout_ns = o->timeout_ns,
		.disk_mib = o->disk ? TRANSFER_MIB : 0,
		.net_mib = o->net ? TRANSFER_MIB : 0 };
	int server = 0, r = check_options(o, err);

	if (r == 0)
		r = describe_ways(results, err);
	if (r == 0)
		r = prepare(&c, err);
	if (r == 0)
		r = compare_find_image(&c, err);
	if (r == 0 && o->net)
		r = server = compare_server_start(&c, err);
	if (r >= 0)
		r = measure_all(&c, results, ARRAY_SIZE(results), o->rounds, err);
	compare_server_stop(server);
	if (r == -EINTR && interrupted)
		r = error_set(err, EINTR, "interrupted; nothing is left of what was begun");
	if (r == 0)
		r = print_table(&c, o, results, ARRAY_SIZE(results), err);
	if (r == 0 && o->svg)
		r = compare_draw(&c, results, ARRAY_SIZE(results), o->svg, err);
	if (r == 0 && !is_any_measured(results, ARRAY_SIZE(results)))
		r = EXIT_FAILURE;
	for (size_t i = 0; i < ARRAY_SIZE(results); i++)
		free(results[i].reason);
	return r;
}

const struct verb verb_compare = {
	.name = "compare",
	.group = "Run",
	.usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
	.summary = "Run a command in every way this host allows, and measure them",
	.help = "One row for each way: a container, a program of another CPU whose instructions and system\n"
		"calls are translated, a virtual machine, an emulated machine. Only what is stored is\n"
		"compared: `strata pull --all-platforms IMAGE` gets an image for other CPUs.\n"
		"\n"
		"  FIRST OUTPUT    from the start of `strata run` until the command prints something, or ends\n"
		"  END             until `strata run` is back; \"-\" if the command does not end by itself\n"
		"  MEMORY          that an instance has of its own on the host beyond the workload's, right\n"
		"                  after its start: monitor, translator, the guest's kernel\n"
		"  INTEGER, FLOAT  how many times as long the same work takes as without strata\n"
		"  CALLS/S         system calls a second, in millions\n"
		"  A CRASH TAKES   what a crash of the kernel that the command runs on takes with it\n"
		"\n"
		"Examples:\n"
		"  strata compare busybox echo hello\n"
		"  strata compare --disk --net --svg bars.svg debian -- python3 -c 'print(1)'",
	.options = option_table,
	.options_size = sizeof(struct compare_options),
	.defaults = &compare_defaults,
	.stop_at_operand = true,
	.min_operands = 1,
	.max_operands = -1,
	.operand = COMPLETE_IMAGE,
	.run = compare_main,
};
