/* SPDX-License-Identifier: Apache-2.0 */
/*
 * top.c - `top`: the processes of a running instance, as `ps -ef` shows them on the host.
 *
 * Which they are says the isolation (its cgroup); what they are, /proc does (proc(5)). A process
 * may end between the two: its row is left out.
 */
#include <ctype.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "base/clock.h"
#include "base/io.h"
#include "front/cli/each.h"
#include "front/cli/table.h"
#include "front/cli/verbs.h"
#include "isolation/isolation.h"

#define STAT_MAX    4096 /* bytes of /proc/PID/stat */
#define COMMAND_MAX 4096 /* bytes of /proc/PID/cmdline that are shown */
#define PASSWD_MAX  (1u << 20)
#define PTS_MAJOR   136 /* ... 143: Unix98 terminals */
#define TTY_MAJOR   4

static const struct table_column columns[] = {
	{ "UID", "UID" },
	{ "PID", "PID" },
	{ "PPID", "PPID" },
	{ "C", "C" },
	{ "STIME", "STIME" },
	{ "TTY", "TTY" },
	{ "TIME", "TIME" },
	{ "CMD", "CMD" },
};

struct host {
	char *passwd; /* /etc/passwd; NULL when it cannot be read */
	int64_t boot_ns; /* wall clock at boot */
	long ticks_per_s;
};

struct process {
	int ppid, tty;
	uint64_t cpu_ticks, start_ticks;
	char name[32];
};

/* After the name in parentheses: state ppid pgrp session tty ... utime(14) stime ... start(22). */
static int parse_stat(const char *text, struct process *ret)
{
	const char *open = strchr(text, '('), *close = strrchr(text, ')');
	unsigned long long user, system, start;
	struct process p = { 0 };

	if (!open || !close || close < open ||
		sscanf(close + 1,
			" %*c %d %*d %*d %d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %llu",
			&p.ppid, &p.tty, &user, &system, &start) != 5)
		return -EINVAL;
	p.cpu_ticks = user + system;
	p.start_ticks = start;
	snprintf(p.name, sizeof(p.name), "%.*s", (int)(close - open - 1), open + 1);
	*ret = p;
	return 0;
}

/* The arguments with blanks between them, control characters shown as '?'; a kernel thread or a
 * zombie has none: its name in brackets. */
static void read_command(int proc_fd, const struct process *p, char *buf, size_t size)
{
	_cleanup_close_ int fd = openat(proc_fd, "cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	if (n <= 0) {
		snprintf(buf, size, "[%s]", p->name);
		return;
	}
	while (n > 0 && buf[n - 1] == '\0')
		n--;
	for (ssize_t i = 0; i < n; i++) {
		if (buf[i] == '\0')
			buf[i] = ' ';
		else if (iscntrl((unsigned char)buf[i]))
			buf[i] = '?';
	}
	buf[n] = '\0';
}

/* The name of a host user, or the number. getpwuid(3) would need shared libraries. */
static void format_user(const struct host *host, uid_t uid, char *buf, size_t size)
{
	const char *line = host->passwd;

	while (line && *line) {
		const char *end = strchrnul(line, '\n'), *colon = strchr(line, ':');
		unsigned int number;

		if (colon && colon < end && sscanf(colon, ":%*[^:]:%u:", &number) == 1 &&
			number == uid && (size_t)(colon - line) < size) {
			snprintf(buf, size, "%.*s", (int)(colon - line), line);
			return;
		}
		line = *end ? end + 1 : end;
	}
	snprintf(buf, size, "%u", uid);
}

static void format_tty(int device, char *buf, size_t size)
{
	unsigned int major_ = major((dev_t)device), minor_ = minor((dev_t)device);

	if (major_ >= PTS_MAJOR && major_ < PTS_MAJOR + 8)
		snprintf(buf, size, "pts/%u", (major_ - PTS_MAJOR) * 256 + minor_);
	else if (major_ == TTY_MAJOR)
		snprintf(buf, size, "tty%u", minor_);
	else
		snprintf(buf, size, "?");
}

static int add_process(struct table *t, const struct host *host, pid_t pid, struct error *err)
{
	char path[32], user[64], pid_text[16], ppid[16], c[16], stime[16], tty[16], cpu[24];
	_cleanup_close_ int proc_fd = -1;
	_cleanup_free_ char *stat_text = NULL;
	char command[COMMAND_MAX];
	int64_t started_ns, age_ns, now = clock_realtime_ns();
	uint64_t cpu_s;
	struct process p;
	struct stat st;
	struct tm tm;
	time_t start;

	snprintf(path, sizeof(path), "/proc/%d", pid);
	proc_fd = io_open_dir(AT_FDCWD, path);
	if (proc_fd < 0 || fstat(proc_fd, &st) < 0 ||
		io_read_file(proc_fd, "stat", STAT_MAX, &stat_text, NULL, NULL) < 0 ||
		parse_stat(stat_text, &p) < 0)
		return 0;
	read_command(proc_fd, &p, command, sizeof(command));
	started_ns = host->boot_ns +
		(int64_t)(p.start_ticks * (1000000000 / (uint64_t)host->ticks_per_s));
	age_ns = now - started_ns > 0 ? now - started_ns : 1;
	start = (time_t)(started_ns / 1000000000);
	cpu_s = p.cpu_ticks / (uint64_t)host->ticks_per_s;
	format_user(host, st.st_uid, user, sizeof(user));
	format_tty(p.tty, tty, sizeof(tty));
	snprintf(pid_text, sizeof(pid_text), "%d", pid);
	snprintf(ppid, sizeof(ppid), "%d", p.ppid);
	/* Share of its life on the CPU, in percent. */
	snprintf(c, sizeof(c), "%lld",
		(long long)(p.cpu_ticks * (1000000000 / (uint64_t)host->ticks_per_s) * 100 /
			(uint64_t)age_ns));
	localtime_r(&start, &tm);
	strftime(
		stime, sizeof(stime), age_ns < 86400 * INT64_C(1000000000) ? "%H:%M" : "%b%d", &tm);
	snprintf(cpu, sizeof(cpu), "%02u:%02u:%02u", (unsigned)(cpu_s / 3600),
		(unsigned)(cpu_s / 60 % 60), (unsigned)(cpu_s % 60));
	return table_row(
		t, (const char *const[]){ user, pid_text, ppid, c, stime, tty, cpu, command }, err);
}

static int by_number(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return x < y ? -1 : x > y;
}

static int fill(struct table *t, struct instance *instance, struct error *err)
{
	const struct isolation_ops *isolation = isolation_find(instance->spec.isolation, err);
	struct host host = { .ticks_per_s = sysconf(_SC_CLK_TCK) };
	struct timespec uptime;
	pid_t *pids = NULL;
	size_t count = 0;
	int r;

	if (!isolation)
		return err->code ? -err->code : -EINVAL;
	if (!isolation->pids)
		return error_set(
			err, ENOTSUP, "isolation %s has no list of processes", isolation->name);
	r = isolation->pids(&instance->config, &pids, &count, err);
	if (r < 0)
		return r;
	qsort(pids, count, sizeof(*pids), by_number);
	clock_gettime(CLOCK_BOOTTIME, &uptime);
	host.boot_ns = clock_realtime_ns() - (uptime.tv_sec * INT64_C(1000000000) + uptime.tv_nsec);
	io_read_file(AT_FDCWD, "/etc/passwd", PASSWD_MAX, &host.passwd, NULL, NULL);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = add_process(t, &host, pids[i], err);
	free(host.passwd);
	free(pids);
	return r;
}

struct top_options {
	const char *format;
};

static const struct option option_table[] = {
	TABLE_FORMAT_OPTION(struct top_options, format),
	{ OPTION_END },
};

static int top_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	_cleanup_instance_ struct instance instance = { .dir_fd = -1 };
	struct instance_roots roots = cli_roots(cli);
	const struct top_options *o = options;
	_cleanup_table_ struct table t = { 0 };
	int r = instance_load(&roots, argv[0], &instance, err);

	if (r == 0 && instance.state.status != INSTANCE_RUNNING &&
		instance.state.status != INSTANCE_PAUSED)
		r = error_set(err, ESRCH, "instance %s is not running", argv[0]);
	if (r == 0)
		r = instance_load_config(&instance, err);
	if (r == 0)
		r = table_open(&t, columns, ARRAY_SIZE(columns), o->format, false, err);
	if (r == 0)
		r = fill(&t, &instance, err);
	return r < 0 ? r : table_print(&t, stdout, err);
}

const struct verb verb_top = {
	.name = "top",
	.group = "Instances",
	.usage = "[OPTIONS] INSTANCE",
	.summary = "Show the processes of an instance",
	.help = "With the pids and users of the host, in the columns of `ps -ef`.",
	.options = option_table,
	.options_size = sizeof(struct top_options),
	.min_operands = 1,
	.max_operands = 1,
	.operand = COMPLETE_RUNNING,
	.run = top_main,
};
