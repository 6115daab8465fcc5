/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logs.c - `logs`: what an instance wrote, its stdout to ours and its stderr to ours.
 */
#include <stdio.h>

#include "base/clock.h"
#include "front/cli/each.h"
#include "front/cli/show.h"
#include "front/cli/verbs.h"

struct logs_options {
	bool follow, timestamps;
	const char *tail, *since, *until;
};

static const struct option option_table[] = {
	{ OPTION_FLAG, 'f', "follow", offsetof(struct logs_options, follow), NULL,
		"Go on until the instance ends" },
	{ OPTION_STRING, 'n', "tail", offsetof(struct logs_options, tail), "N",
		"Only the last N lines, or \"all\"" },
	{ OPTION_STRING, 0, "since", offsetof(struct logs_options, since), "TIME",
		"Only lines after a time (2006-01-02T15:04:05Z) or since a while ago (10m)" },
	{ OPTION_STRING, 0, "until", offsetof(struct logs_options, until), "TIME",
		"Only lines before a time" },
	{ OPTION_FLAG, 't', "timestamps", offsetof(struct logs_options, timestamps), NULL,
		"Start each line with its time" },
	{ OPTION_END },
};

struct printer {
	bool timestamps, flush;
	/* Per stream: what came last did not end its line. */
	bool in_line[3];
};

static int print_line(void *context, const struct instance_log_line *line)
{
	struct printer *p = context;
	FILE *out = line->stream == 2 ? stderr : stdout;
	bool *in_line = &p->in_line[line->stream == 2 ? 2 : 1];

	if (p->timestamps && !*in_line) {
		char text[CLOCK_TEXT_MAX];

		clock_format(text, line->time_ns);
		fprintf(out, "%s ", text);
	}
	*in_line = line->len && line->text[line->len - 1] != '\n';
	if (fwrite(line->text, 1, line->len, out) != line->len)
		return -EIO;
	return p->flush && fflush(out) != 0 ? -EIO : 0;
}

static int parse_bounds(
	const struct logs_options *o, struct instance_log_options *log, struct error *err)
{
	uint64_t tail = 0;
	int r = 0;

	log->follow = o->follow;
	log->tail = -1;
	if (o->tail && !streq(o->tail, "all") && !streq(o->tail, "-1")) {
		if (parse_u64(o->tail, INT64_MAX, &tail) < 0)
			return error_set(err, EINVAL,
				"invalid value \"%s\" for --tail: it must be a number or \"all\"",
				o->tail);
		log->tail = (int64_t)tail;
	}
	if (o->since)
		r = show_parse_time(o->since, &log->since_ns, err);
	if (r == 0 && o->until)
		r = show_parse_time(o->until, &log->until_ns, err);
	return r;
}

static int logs_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	_cleanup_instance_ struct instance instance = { .dir_fd = -1 };
	struct instance_roots roots = cli_roots(cli);
	struct instance_log_options log = { 0 };
	const struct logs_options *o = options;
	/* Both streams may go to one place: in order only when neither is held back. */
	struct printer printer = { .timestamps = o->timestamps, .flush = true };
	int r = parse_bounds(o, &log, err);

	if (r == 0)
		r = instance_load(&roots, argv[0], &instance, err);
	if (r == 0)
		r = instance_logs(&instance, &log, print_line, &printer, err);
	return r;
}

const struct verb verb_logs = {
	.name = "logs",
	.group = "Instances",
	.usage = "[OPTIONS] INSTANCE",
	.summary = "Show what an instance wrote",
	.help = "Examples:\n"
		"  strata logs -f --tail 20 web\n"
		"  strata logs --since 10m -t web 2>errors",
	.options = option_table,
	.options_size = sizeof(struct logs_options),
	.min_operands = 1,
	.max_operands = 1,
	.operand = COMPLETE_INSTANCE,
	.run = logs_main,
};
