/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volumes.c - `volume create`, `ls`, `inspect`, `rm`.
 */
#include <stdio.h>

#include "base/io.h"
#include "front/cli/cli.h"
#include "front/cli/each.h"
#include "front/cli/filter.h"
#include "front/cli/inspect.h"
#include "front/cli/show.h"
#include "front/cli/table.h"
#include "front/cli/verbs.h"
#include "instance/volume.h"

/* --- create --- */

struct create_options {
	char **labels;
};

static const struct option create_table[] = {
	{ OPTION_LIST, 0, "label", offsetof(struct create_options, labels), "KEY=VALUE",
		"Say something about it" },
	{ OPTION_END },
};

static int create_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct create_options *o = options;
	_cleanup_volume_ struct volume volume = { 0 };
	int r = volume_create(cli->root, argc ? argv[0] : NULL, o->labels, &volume, err);

	if (r == 0)
		printf("%s\n", volume.name);
	return r;
}

const struct verb verb_volume_create = {
	.name = "volume create",
	.group = "Volumes",
	.usage = "[OPTIONS] [VOLUME]",
	.summary = "Make a volume",
	.help = "Prints its name, a random one if none was given. One that exists stays as it is.",
	.options = create_table,
	.options_size = sizeof(struct create_options),
	.max_operands = 1,
	.run = create_main,
};

/* --- ls --- */

struct ls_options {
	bool quiet;
	const char *format;
	char **filters;
};

static const struct option ls_table[] = {
	{ OPTION_FLAG, 'q', "quiet", offsetof(struct ls_options, quiet), NULL, "Print names only" },
	TABLE_FORMAT_OPTION(struct ls_options, format),
	FILTER_OPTION(struct ls_options, filters, "name, label, dangling"),
	{ OPTION_END },
};

static const struct table_column columns[] = {
	{ "Driver", "DRIVER" },
	{ "Name", "VOLUME NAME" },
	{ "Mountpoint", "MOUNTPOINT", .hidden = true },
	{ "Labels", "LABELS", .hidden = true },
	{ "Scope", "SCOPE", .hidden = true },
};

/* -q prints the first column. */
static const struct table_column quiet_columns[] = { { "Name", "VOLUME NAME" } };

static bool match_name(const char *value, const void *context)
{
	const struct volume *volume = context;

	return strstr(volume->name, value) != NULL;
}

/* 1 or 0, or a failure. */
static int is_wanted(
	struct cli *cli, const struct ls_options *o, const struct volume *volume, struct error *err)
{
	struct instance_roots roots = cli_roots(cli);
	_cleanup_strv_ char **users = NULL;
	bool dangling;
	int r;

	if (!filter_accepts(o->filters, "name", match_name, volume) ||
		!filter_accepts_labels(o->filters, "label", volume->labels))
		return 0;
	if (!filter_value(o->filters, "dangling"))
		return 1;
	r = filter_bool(o->filters, "dangling", false, &dangling, err);
	if (r == 0)
		r = volume_users(&roots, volume->name, &users, err);
	return r < 0 ? r : dangling == !users;
}

static int ls_row(
	struct table *t, const struct ls_options *o, const struct volume *volume, struct error *err)
{
	_cleanup_free_ char *labels = show_labels(volume->labels);

	if (!labels)
		return error_oom(err);
	if (o->quiet && !o->format)
		return table_row(t, (const char *const[]){ volume->name }, err);
	return table_row(t,
		(const char *const[]){ "local", volume->name, volume->path, labels, "local" }, err);
}

static int ls_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct ls_options *o = options;
	_cleanup_table_ struct table t = { 0 };
	bool names_only = o->quiet && !o->format;
	struct volume *list = NULL;
	size_t count = 0;
	int r;

	r = filter_check(o->filters, "name|label|dangling", err);
	if (r == 0)
		r = table_open(&t, names_only ? quiet_columns : columns,
			names_only ? ARRAY_SIZE(quiet_columns) : ARRAY_SIZE(columns), o->format,
			o->quiet, err);
	if (r == 0)
		r = volume_list(cli->root, &list, &count, err);
	for (size_t i = 0; r == 0 && i < count; i++) {
		r = is_wanted(cli, o, &list[i], err);
		if (r == 1)
			r = ls_row(&t, o, &list[i], err);
	}
	if (r == 0)
		r = table_print(&t, stdout, err);
	volume_list_free(list, count);
	return r;
}

const struct verb verb_volume_ls = {
	.name = "volume ls",
	.group = "Volumes",
	.usage = "[OPTIONS]",
	.summary = "List volumes",
	.help = "Example:\n"
		"  strata volume ls -q --filter dangling=true",
	.options = ls_table,
	.options_size = sizeof(struct ls_options),
	.run = ls_main,
};

/* --- inspect --- */

int inspect_volume(struct cli *cli, const char *name, json_t **ret, struct error *err)
{
	_cleanup_volume_ struct volume volume = { 0 };
	struct instance_roots roots = cli_roots(cli);
	_cleanup_strv_ char **users = NULL;
	int r;

	if (!volume_name_is_valid(name))
		return error_set(err, ENOENT, "no such volume: %s", name);
	r = volume_load(cli->root, name, &volume, err);
	if (r == 0)
		r = volume_users(&roots, name, &users, err);
	if (r < 0)
		return r;
	*ret = json_pack("{s:o, s:s, s:o, s:s, s:s, s:{}, s:s, s:b, s:o}", "CreatedAt",
		show_json_time(volume.created_ns), "Driver", "local", "Labels",
		show_json_map(volume.labels), "Mountpoint", volume.path, "Name", volume.name,
		"Options", "Scope", "local", "Anonymous", volume.anonymous, "UsedBy",
		show_json_strv(users));
	return *ret ? 0 : error_oom(err);
}

struct inspect_options {
	const char *format;
};

static const struct option inspect_table[] = {
	INSPECT_FORMAT_OPTION(struct inspect_options, format),
	{ OPTION_END },
};

static int inspect_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct inspect_options *o = options;

	return inspect_print(cli, argc, argv, inspect_volume, o->format, err);
}

const struct verb verb_volume_inspect = {
	.name = "volume inspect",
	.group = "Volumes",
	.usage = "[OPTIONS] VOLUME [VOLUME...]",
	.summary = "Show everything about volumes as JSON",
	.help = "Example:\n"
		"  strata volume inspect -f '{{.Mountpoint}}' data",
	.options = inspect_table,
	.options_size = sizeof(struct inspect_options),
	.min_operands = 1,
	.max_operands = -1,
	.operand = COMPLETE_VOLUME,
	.run = inspect_main,
};

/* --- rm --- */

struct rm_options {
	bool force;
};

static const struct option rm_table[] = {
	{ OPTION_FLAG, 'f', "force", offsetof(struct rm_options, force), NULL,
		"It is no failure when there is none of that name" },
	{ OPTION_END },
};

static int remove_unused(struct cli *cli, const char *name, struct error *err)
{
	struct instance_roots roots = cli_roots(cli);
	_cleanup_strv_ char **users = NULL;
	int r = volume_users(&roots, name, &users, err);

	if (r < 0)
		return r;
	if (users)
		return error_set(err, EBUSY, "volume %s is used by instance %s", name, users[0]);
	return volume_remove(cli->root, name, err);
}

static int rm_one(struct cli *cli, const char *operand, const void *options, struct error *err)
{
	const struct rm_options *o = options;
	int r = volume_name_is_valid(operand)
		? remove_unused(cli, operand, err)
		: error_set(err, ENOENT, "no such volume: %s", operand);

	if (r == -ENOENT && o->force) {
		error_clear(err);
		return 0;
	}
	if (r == 0)
		printf("%s\n", operand);
	return r;
}

static int rm_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	return each_operand(cli, argc, argv, rm_one, options, err);
}

const struct verb verb_volume_rm = {
	.name = "volume rm",
	.group = "Volumes",
	.usage = "[OPTIONS] VOLUME [VOLUME...]",
	.summary = "Remove volumes and what is in them",
	.help = "One that an instance mounts, running or not, is kept.",
	.options = rm_table,
	.options_size = sizeof(struct rm_options),
	.min_operands = 1,
	.max_operands = -1,
	.operand = COMPLETE_VOLUME,
	.run = rm_main,
};
