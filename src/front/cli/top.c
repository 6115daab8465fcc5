/* SPDX-License-Identifier: Apache-2.0 */
/*
 * top.c - `top`: the processes of a running instance, as `ps -ef` shows them on the host.
 *
 * Which they are says the isolation (its cgroup); what they are, /proc does (proc(5)). A process
 * may end between the two: its row is left out. In a machine, its agent says both.
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
/* USER_HZ of every architecture that there are machines for. */
#define GUEST_TICKS_PER_S 100
#define TICKS_MAX	  (UINT64_C(1) << 38) /* decades, of which the nanoseconds still fit */

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
	if (user > TICKS_MAX || system > TICKS_MAX || start > TICKS_MAX)
		return -ERANGE;
	p.cpu_ticks = user + system;
	p.start_ticks = start;
	snprintf(p.name, sizeof(p.name), "%.*s", (int)(close - open - 1), open + 1);
	*ret = p;
	return 0;
}

/* Nothing that a process chooses may speak to a terminal. */
static void clean(char *text)
{
	for (; *text; text++)
		if (iscntrl((unsigned char)*text))
			*text = '?';
}

/* The arguments with blanks between them; a kernel thread or a zombie has none: its name in
 * brackets. */
static void format_command(
	const struct process *p, const char *arguments, size_t len, char *buf, size_t size)
{
	while (len > 0 && arguments[len - 1] == '\0')
		len--;
	if (len > size - 1)
		len = size - 1;
	if (len == 0)
		snprintf(buf, size, "[%s]", p->name);
	for (size_t i = 0; i < len; i++)
		buf[i] = arguments[i] ? arguments[i] : ' ';
	if (len > 0)
		buf[len] = '\0';
	clean(buf);
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

/* A row of what a kernel says of a process: `boot_ns` is when that one booted. One that says
 * nonsense is left out. */
static int add_row(
	struct table *t, const struct isolation_seen *seen, uint64_t ticks_per_s, struct error *err)
{
	char user[64], pid_text[16], ppid[16], c[24], stime[16], tty[16], cpu[32];
	const uint64_t tick_ns = 1000000000 / ticks_per_s;
	int64_t started_ns, age_ns, now = clock_realtime_ns();
	char command[COMMAND_MAX];
	struct process p;
	struct tm tm;
	uint64_t cpu_s;
	time_t start;

	if (parse_stat(seen->stat, &p) < 0)
		return 0;
	format_command(&p, seen->command, seen->command_len, command, sizeof(command));
	started_ns = seen->boot_ns + (int64_t)(p.start_ticks * tick_ns);
	age_ns = now - started_ns > (int64_t)tick_ns ? now - started_ns : (int64_t)tick_ns;
	start = (time_t)(started_ns / 1000000000);
	cpu_s = p.cpu_ticks / ticks_per_s;
	snprintf(user, sizeof(user), "%s", seen->user);
	clean(user);
	format_tty(p.tty, tty, sizeof(tty));
	snprintf(pid_text, sizeof(pid_text), "%d", seen->pid);
	snprintf(ppid, sizeof(ppid), "%d", p.ppid);
	/* Share of its life on the CPU, in percent. */
	snprintf(c, sizeof(c), "%llu",
		(unsigned long long)(p.cpu_ticks * 100 / ((uint64_t)age_ns / tick_ns)));
	localtime_r(&start, &tm);
	strftime(
		stime, sizeof(stime), age_ns < 86400 * INT64_C(1000000000) ? "%H:%M" : "%b%d", &tm);
	snprintf(cpu, sizeof(cpu), "%02llu:%02u:%02u", (unsigned long long)(cpu_s / 3600),
		(unsigned)(cpu_s / 60 % 60), (unsigned)(cpu_s % 60));
	return table_row(
		t, (const char *const[]){ user, pid_text, ppid, c, stime, tty, cpu, command }, err);
}

/* --- of the host's kernel --- */

static int add_process(struct table *t, const struct host *host, pid_t pid, struct error *err)
{
	char path[32], user[64], arguments[COMMAND_MAX];
	_cleanup_close_ int proc_fd = -1, fd = -1;
	_cleanup_free_ char *stat_text = NULL;
	struct stat st;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d", pid);
	proc_fd = io_open_dir(AT_FDCWD, path);
	if (proc_fd < 0 || fstat(proc_fd, &st) < 0 ||
		io_read_file(proc_fd, "stat", STAT_MAX, &stat_text, NULL, NULL) < 0)
		return 0;
	fd = openat(proc_fd, "cmdline", O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, arguments, sizeof(arguments));
	format_user(host, st.st_uid, user, sizeof(user));
	return add_row(t,
		&(struct isolation_seen){ .pid = pid,
			.user = user,
			.stat = stat_text,
			.command = arguments,
			.command_len = n > 0 ? (size_t)n : 0,
			.boot_ns = host->boot_ns },
		(uint64_t)host->ticks_per_s, err);
}

static int by_number(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return x < y ? -1 : x > y;
}

static int add_all(struct table *t, const struct isolation_ops *isolation,
	const struct container_config *config, struct error *err)
{
	struct host host = { .ticks_per_s = sysconf(_SC_CLK_TCK) };
	struct timespec uptime;
	pid_t *pids = NULL;
	size_t count = 0;
	int r = isolation->pids(config, &pids, &count, err);

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

/* --- of a machine's --- */

static int add_seen(void *context, const struct isolation_seen *seen, struct error *err)
{
	return add_row(context, seen, GUEST_TICKS_PER_S, err);
}

static int fill(struct table *t, struct instance *instance, struct error *err)
{
	const struct isolation_ops *isolation = isolation_find(instance->spec.isolation, err);

	if (!isolation)
		return err->code ? -err->code : -EINVAL;
	if (isolation->list)
		return isolation->list(&instance->config, add_seen, t, err);
	if (!isolation->pids)
		return error_set(
			err, ENOTSUP, "isolation %s has no list of processes", isolation->name);
	return add_all(t, isolation, &instance->config, err);
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
	.help = "With the pids and users of the host, in the columns of `ps -ef`; in a machine, with those\n"
		"of the instance.",
	.options = option_table,
	.options_size = sizeof(struct top_options),
	.min_operands = 1,
	.max_operands = 1,
	.operand = COMPLETE_RUNNING,
	.run = top_main,
};
