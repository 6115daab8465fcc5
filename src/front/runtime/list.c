/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list.c - `list`: the containers below --root.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "front/cli/table.h"
#include "front/runtime/record.h"

struct list_options {
	const char *format;
	bool quiet;
};

static const struct list_options list_defaults = { .format = "table" };

static const struct option list_options_table[] = {
	{ OPTION_STRING, 'f', "format", offsetof(struct list_options, format), "FORMAT",
		"table (default) or json", COMPLETE_CHOICES, "table|json" },
	{ OPTION_FLAG, 'q', "quiet", offsetof(struct list_options, quiet), NULL,
		"Only print the IDs" },
	{ OPTION_END },
};

static const struct table_column columns[] = {
	{ "ID", "ID" },
	{ "PID", "PID" },
	{ "Status", "STATUS" },
	{ "Bundle", "BUNDLE" },
	{ "Created", "CREATED" },
	{ "Owner", "OWNER" },
};

static int add_row(struct table *table, const struct record *record, struct error *err)
{
	enum record_status status = record_status(record);
	_cleanup_free_ char *owner = userns_user_name(record->owner);
	char created[CLOCK_TEXT_MAX], pid[16];

	clock_format(created, record->created_ns);
	snprintf(pid, sizeof(pid), "%d", status == RECORD_STOPPED ? 0 : (int)record->pid);
	return table_row(table,
		(const char *const[]){ record->id, pid, record_status_name(status), record->bundle,
			created, owner },
		err);
}

static int add_json(struct json_writer *w, const struct record *record, struct error *err)
{
	_cleanup_free_ char *text = record_describe(record);

	if (!text)
		return error_oom(err);
	json_write_raw(w, NULL, text);
	return 0;
}

static int list_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct list_options *o = options;
	bool json = streq(o->format, "json") && !o->quiet;
	_cleanup_table_ struct table table = { 0 };
	_cleanup_strv_ char **ids = NULL;
	_cleanup_free_ char *text = NULL;
	struct json_writer w = { 0 };
	int r;

	r = table_open(&table, columns, ARRAY_SIZE(columns), NULL, o->quiet, err);
	if (r == 0)
		r = record_list(runtime_of(cli), &ids, err);
	json_begin_array(&w, NULL);
	strv_for_each (id, ids) {
		_cleanup_record_ struct record record = RECORD_INIT;

		/* One that was deleted meanwhile, or is damaged, hides no other. */
		if (r < 0 || record_open(runtime_of(cli), *id, &record, NULL) < 0)
			continue;
		r = json ? add_json(&w, &record, err) : add_row(&table, &record, err);
	}
	json_end_array(&w);
	text = json_writer_finish(&w);
	if (r < 0)
		return r;
	if (!json)
		return table_print(&table, stdout, err);
	/* On one line, as runc's. */
	return text && puts(text) >= 0 ? 0 : error_set(err, EIO, "cannot write to standard output");
}

const struct verb runtime_verb_list = {
	.name = "list",
	.usage = "[OPTIONS]",
	.summary = "List the containers",
	.options = list_options_table,
	.options_size = sizeof(struct list_options),
	.defaults = &list_defaults,
	.run = list_main,
};
