/* SPDX-License-Identifier: Apache-2.0 */
/*
 * system_df.c - `system df`: what takes how much room, and how much of it nobody uses.
 */
#include <stdio.h>

#include "base/io.h"
#include "front/cli/cli.h"
#include "front/cli/each.h"
#include "front/cli/table.h"
#include "front/cli/verbs.h"
#include "image/image.h"
#include "instance/translations.h"
#include "isolation/machines.h"
#include "instance/volume.h"

struct df_options {
	const char *format;
};

static const struct option df_table[] = {
	TABLE_FORMAT_OPTION(struct df_options, format),
	{ OPTION_END },
};

struct usage {
	size_t total, active;
	uint64_t bytes, unused_bytes;
};

typedef int (*measure_fn)(struct cli *cli, struct usage *ret, struct error *err);

static uint64_t tree_size(int dir_fd, const char *path)
{
	uint64_t bytes;

	return io_tree_size(dir_fd, path, &bytes) == 0 ? bytes : 0;
}

/* --- images --- */

/* Names of one image are one; `list` is by any order. */
static bool is_first(const struct image_summary *list, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (list[k].present && streq(list[k].manifest_digest, list[i].manifest_digest))
			return false;
	return true;
}

static int count_images(
	const struct image_store *store, char *const *pinned, struct usage *ret, struct error *err)
{
	struct image_summary *list;
	size_t count;
	int r = image_list(store, &list, &count, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		if (!list[i].present || !is_first(list, i))
			continue;
		ret->total++;
		ret->active += strv_contains(pinned, list[i].manifest_digest);
	}
	image_list_free(list, count);
	return 0;
}

/* What a prune of all would give, without one. */
static int measure_images(struct cli *cli, struct usage *ret, struct error *err)
{
	struct instance_roots roots = cli_roots(cli);
	_cleanup_strv_ char **pinned = NULL, **log = NULL;
	struct image_collect_options collect = {
		.unnamed_too = true, .all = true, .is_trial = true
	};
	struct image_store store;
	int r = image_store_open(cli->root, &store, err);

	if (r < 0)
		return r;
	r = instance_pinned_images(&roots, &pinned, err);
	collect.pinned = pinned;
	if (r == 0)
		r = count_images(&store, pinned, ret, err);
	if (r == 0)
		r = image_collect(&store, &collect, &log, &ret->unused_bytes, err);
	if (r == 0)
		ret->bytes = tree_size(store.images_fd, "blobs") +
			tree_size(store.root_fd, "layers");
	image_store_close(&store);
	return r;
}

/* --- instances --- */

static int measure_instances(struct cli *cli, struct usage *ret, struct error *err)
{
	struct instance_roots roots = cli_roots(cli);
	struct instance *list;
	int r = instance_list(&roots, &list, &ret->total, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ret->total; i++) {
		enum instance_status status = list[i].state.status;
		bool is_active = status == INSTANCE_RUNNING || status == INSTANCE_PAUSED ||
			status == INSTANCE_RESTARTING;
		uint64_t bytes = tree_size(list[i].dir_fd, "upper");

		ret->active += is_active;
		ret->bytes += bytes;
		ret->unused_bytes += is_active ? 0 : bytes;
	}
	instance_list_free(list, ret->total);
	return 0;
}

/* --- volumes --- */

static int measure_volumes(struct cli *cli, struct usage *ret, struct error *err)
{
	struct instance_roots roots = cli_roots(cli);
	struct volume *list = NULL;
	int r = volume_list(cli->root, &list, &ret->total, err);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < ret->total; i++) {
		_cleanup_strv_ char **users = NULL;
		uint64_t bytes = tree_size(AT_FDCWD, list[i].path);

		r = volume_users(&roots, list[i].name, &users, err);
		ret->active += users != NULL;
		ret->bytes += bytes;
		ret->unused_bytes += users ? 0 : bytes;
	}
	volume_list_free(list, ret->total);
	return r;
}

/* --- translations: all of them can be made again --- */

static int measure_translations(struct cli *cli, struct usage *ret, struct error *err)
{
	struct translations_usage usage = { 0 };
	int r = translations_measure(cli->root, &usage, err);

	*ret = (struct usage){
		.total = usage.files, .bytes = usage.bytes, .unused_bytes = usage.bytes
	};
	return r;
}

/* --- machines that have booted, and blank disks: likewise --- */

static int measure_machines(struct cli *cli, struct usage *ret, struct error *err)
{
	struct machines_usage usage = { 0 };
	int r = machines_measure(cli->root, &usage, err);

	*ret = (struct usage){
		.total = usage.snapshots, .bytes = usage.bytes, .unused_bytes = usage.bytes
	};
	return r;
}

/* --- rows --- */

static const struct {
	const char *name;
	measure_fn measure;
} kinds[] = {
	{ "Images", measure_images },
	{ "Containers", measure_instances },
	{ "Local Volumes", measure_volumes },
	{ "Translations", measure_translations },
	{ "Machines", measure_machines },
};

static const struct table_column columns[] = {
	{ "Type", "TYPE" },
	{ "TotalCount", "TOTAL" },
	{ "Active", "ACTIVE" },
	{ "Size", "SIZE" },
	{ "Reclaimable", "RECLAIMABLE" },
};

static int add_row(struct table *t, const char *name, const struct usage *usage, struct error *err)
{
	char total[24], active[24], size[32], unused[32], reclaimable[48];
	const char *values[ARRAY_SIZE(columns)] = { name, total, active, size, reclaimable };

	snprintf(total, sizeof(total), "%zu", usage->total);
	snprintf(active, sizeof(active), "%zu", usage->active);
	format_size(size, sizeof(size), usage->bytes);
	format_size(unused, sizeof(unused), usage->unused_bytes);
	if (usage->bytes)
		snprintf(reclaimable, sizeof(reclaimable), "%s (%.0f%%)", unused,
			100.0 * (double)usage->unused_bytes / (double)usage->bytes);
	else
		snprintf(reclaimable, sizeof(reclaimable), "%s", unused);
	return table_row(t, values, err);
}

static int df_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct df_options *o = options;
	_cleanup_table_ struct table t = { 0 };
	int r = table_open(&t, columns, ARRAY_SIZE(columns), o->format, false, err);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(kinds); i++) {
		struct usage usage = { 0 };

		r = kinds[i].measure(cli, &usage, err);
		if (r == 0)
			r = add_row(&t, kinds[i].name, &usage, err);
	}
	return r < 0 ? r : table_print(&t, stdout, err);
}

const struct verb verb_system_df = {
	.name = "system df",
	.group = "System",
	.usage = "[OPTIONS]",
	.summary = "Show what takes how much room",
	.help = "Images count with their layers as they were unpacked, and once where they share\n"
		"them; instances with what they have written. Translations are those of programs\n"
		"for other CPUs. All that is reclaimable is what `system prune -a` and\n"
		"`volume prune -a` remove.",
	.options = df_table,
	.options_size = sizeof(struct df_options),
	.run = df_main,
};
