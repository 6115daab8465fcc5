/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events.c - `events`: what a container uses, every few seconds or once, and that it ran out of
 * memory, when that happens.
 *
 * cgroup v1 tells before the kernel kills, v2 tells of more than kills: what counts is how many
 * kills there were, looked at a few times after each word. The stream ends with the container.
 */
#include <poll.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/process.h"
#include "front/runtime/events_json.h"
#include "front/runtime/record.h"

#define INTERVAL_DEFAULT_NS INT64_C(5000000000)
#define RECHECK_MS	    20
#define RECHECKS_MAX	    10

struct events_options {
	int64_t interval_ns;
	bool stats;
};

static const struct events_options defaults = { .interval_ns = INTERVAL_DEFAULT_NS };

static const struct option events_table[] = {
	{ OPTION_DURATION, 0, "interval", offsetof(struct events_options, interval_ns), "TIME",
		"Time between two statistics (default 5s)" },
	{ OPTION_FLAG, 0, "stats", offsetof(struct events_options, stats), NULL,
		"Show the statistics once and end" },
	{ OPTION_END },
};

struct stream {
	const struct record *record;
	bool kill_disabled; /* nobody is killed: each word counts */
	int64_t next_ns; /* of the statistics */
	uint64_t kills; /* that were told */
	int rechecks; /* to come */
};

/* One line, at once: readers follow us through a pipe. Takes text over. */
static int print_line(char *text, struct error *err)
{
	int r = 0;

	if (!text)
		return error_oom(err);
	if (printf("%s\n", text) < 0 || fflush(stdout) != 0)
		r = error_errno(err, errno, "cannot write to standard output");
	free(text);
	return r;
}

static int print_stats(const struct record *record, struct error *err)
{
	struct cgroup_full_stats stats = { 0 };
	int r = cgroup_read_full_stats(record->cgroup, &stats, err);

	if (r < 0)
		return r;
	r = print_line(events_format_stats(record->id, &stats), err);
	cgroup_full_stats_free(&stats);
	return r;
}

/* --- the stream ------------------------------------------------------------------------------ */

static int look_for_kills(struct stream *s, struct error *err)
{
	uint64_t kills = cgroup_read_oom_kills(s->record->cgroup);

	if (s->rechecks > 0)
		s->rechecks--;
	if (kills <= s->kills)
		return 0;
	s->kills = kills;
	s->rechecks = 0;
	return print_line(events_format_oom(s->record->id), err);
}

static int memory_ran_out(struct stream *s, int oom_fd, struct error *err)
{
	char buf[4096];

	while (read(oom_fd, buf, sizeof(buf)) > 0)
		;
	if (s->kill_disabled)
		return print_line(events_format_oom(s->record->id), err);
	s->rechecks = RECHECKS_MAX;
	return look_for_kills(s, err);
}

/* Until the next statistics or the next look; never more than poll(2) takes. */
static int time_left_ms(const struct stream *s)
{
	int64_t left = (s->next_ns - clock_monotonic_ns() + 999999) / 1000000;

	if (s->rechecks > 0 && left > RECHECK_MS)
		return RECHECK_MS;
	return left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left;
}

static int follow(struct stream *s, int64_t interval_ns, int pidfd, int oom_fd, struct error *err)
{
	int r = 0;

	s->kills = cgroup_read_oom_kills(s->record->cgroup);
	s->next_ns = clock_monotonic_ns() + interval_ns;
	while (r == 0) {
		struct pollfd fds[] = {
			{ .fd = pidfd, .events = POLLIN },
			{ .fd = oom_fd, .events = POLLIN },
		};

		if (poll(fds, ARRAY_SIZE(fds), time_left_ms(s)) < 0 && errno != EINTR)
			return error_errno(err, errno, "cannot wait for events");
		if (fds[1].revents)
			r = memory_ran_out(s, oom_fd, err);
		else if (s->rechecks > 0)
			r = look_for_kills(s, err);
		/* It may have been the one that was killed. */
		if (r == 0 && fds[0].revents)
			return look_for_kills(s, err);
		if (r == 0 && clock_monotonic_ns() >= s->next_ns) {
			r = print_stats(s->record, err);
			s->next_ns += interval_ns;
		}
	}
	return r;
}

static int stream(const struct record *record, int64_t interval_ns, struct error *err)
{
	_cleanup_close_ int pidfd = process_open(record->pid, record->start_ticks);
	_cleanup_close_ int oom_fd = -1;
	struct stream s = { .record = record };
	struct container_config config;
	int r;

	if (pidfd < 0)
		return error_errno(err, pidfd, "its first process is gone");
	r = record_load_config(record, &config, err);
	if (r < 0)
		return r;
	s.kill_disabled = config.limits.oom_kill_disable;
	container_config_free(&config);
	/* Without (-ENOTSUP) there are statistics all the same. */
	oom_fd = cgroup_open_oom_events(record->cgroup);
	if (oom_fd < 0 && oom_fd != -ENOTSUP)
		return error_errno(err, oom_fd, "cannot watch its memory");
	return follow(&s, interval_ns, pidfd, oom_fd, err);
}

static int events(
	struct cli *cli, const struct events_options *o, const char *id, struct error *err)
{
	_cleanup_record_ struct record record = RECORD_INIT;
	int r;

	if (o->interval_ns <= 0)
		return error_set(err, EINVAL, "duration interval must be greater than 0");
	r = record_open(runtime_of(cli), id, &record, err);
	if (r < 0)
		return r;
	if (record_status(&record) == RECORD_STOPPED)
		return error_set(err, ESRCH, "container with id %s is not running", id);
	if (!record.cgroup)
		return error_set(
			err, ENOTSUP, "statistics are its cgroup's, and this container has none");
	return o->stats ? print_stats(&record, err) : stream(&record, o->interval_ns, err);
}

static int events_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	int r = events(cli, options, argv[0], err);

	return r < 0 ? error_prefix(err, "no events of container %s", argv[0]) : 0;
}

const struct verb runtime_verb_events = {
	.name = "events",
	.usage = "[OPTIONS] ID",
	.summary = "Show what a container uses, and when it runs out of memory",
	.help = "One JSON object a line: {\"type\":\"stats\",...} every few seconds, {\"type\":\"oom\",...} when a\n"
		"process was killed for want of memory. It ends with the container.\n"
		"\n"
		"Examples:\n"
		"  strata-runtime events --stats web\n"
		"  strata-runtime events --interval 1s web",
	.options = events_table,
	.options_size = sizeof(struct events_options),
	.defaults = &defaults,
	.min_operands = 1,
	.max_operands = 1,
	.run = events_main,
};
