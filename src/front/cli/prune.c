/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prune.c - `container prune`, `image prune`, `volume prune`, and `system prune`, which is all of
 * them, kept translations and kept machines: what nobody uses goes, and how much that was is said.
 */
#include <ctype.h>
#include <stdio.h>

#include "base/io.h"
#include "front/cli/cli.h"
#include "front/cli/each.h"
#include "front/cli/filter.h"
#include "front/cli/show.h"
#include "front/cli/verbs.h"
#include "image/image.h"
#include "instance/translations.h"
#include "instance/volume.h"
#include "isolation/machines.h"

struct prune_options {
	bool all, force, volumes;
	char **filters;
};

/* What is gone so far. */
struct pruned {
	uint64_t bytes;
	bool any;
	int status; /* EXIT_FAILURE: something could not be removed, which was said */
};

#define FORCE_OPTION                                                                               \
	{                                                                                          \
		OPTION_FLAG, 'f', "force", offsetof(struct prune_options, force), NULL,            \
			"Do not ask"                                                               \
	}

/* The first of a kind has a heading. */
static void say(struct pruned *pruned, const char *heading, size_t already, const char *what)
{
	if (!already)
		printf("%s%s:\n", pruned->any ? "\n" : "", heading);
	pruned->any = true;
	printf("%s\n", what);
}

static int finish(const struct pruned *pruned)
{
	char size[32];

	format_size(size, sizeof(size), pruned->bytes);
	printf("%sTotal reclaimed space: %s\n", pruned->any ? "\n" : "", size);
	return pruned->status;
}

/* --- container prune --- */

static bool is_stopped(const struct instance *instance)
{
	return instance->state.status == INSTANCE_CREATED ||
		instance->state.status == INSTANCE_EXITED ||
		instance->state.status == INSTANCE_DEAD;
}

/* One at a time: another that cannot be removed keeps nobody from going. */
static void remove_stopped(struct cli *cli, char *const *filters, int64_t until_ns,
	struct instance *list, size_t count, struct pruned *pruned)
{
	struct error err = { 0 };
	uint64_t bytes;
	size_t removed = 0;

	for (size_t i = 0; i < count; i++) {
		if (!is_stopped(&list[i]) || (until_ns && list[i].spec.created_ns > until_ns) ||
			!filter_accepts_labels(filters, "label", list[i].spec.labels))
			continue;
		if (io_tree_size(list[i].dir_fd, "upper", &bytes) < 0)
			bytes = 0;
		if (instance_remove(&list[i], false, false, &err) < 0) {
			cli_print_error(cli, &err);
			error_clear(&err);
			pruned->status = EXIT_FAILURE;
			continue;
		}
		say(pruned, "Deleted Containers", removed++, list[i].id);
		pruned->bytes += bytes;
	}
}

static int prune_instances(struct cli *cli, char *const *filters, int64_t until_ns,
	struct pruned *pruned, struct error *err)
{
	struct instance_roots roots = cli_roots(cli);
	struct instance *list;
	size_t count;
	int r = instance_list(&roots, &list, &count, err);

	if (r < 0)
		return r;
	remove_stopped(cli, filters, until_ns, list, count, pruned);
	instance_list_free(list, count);
	return 0;
}

static const struct option container_table[] = {
	FORCE_OPTION,
	{ OPTION_LIST, 0, "filter", offsetof(struct prune_options, filters), "KEY=VALUE",
		"Only what matches (label, until)" },
	{ OPTION_END },
};

static int container_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct prune_options *o = options;
	struct pruned pruned = { 0 };
	int64_t until_ns = 0;
	int r;

	r = filter_check(o->filters, "label|until", err);
	if (r == 0 && filter_value(o->filters, "until"))
		r = show_parse_time(filter_value(o->filters, "until"), &until_ns, err);
	if (r < 0)
		return r;
	if (!o->force && !show_confirm("WARNING! This will remove all stopped instances."))
		return error_set(err, ECANCELED, "container prune has been cancelled");
	r = prune_instances(cli, o->filters, until_ns, &pruned, err);
	return r < 0 ? r : finish(&pruned);
}

const struct verb verb_container_prune = {
	.name = "container prune",
	.group = "Instances",
	.usage = "[OPTIONS]",
	.summary = "Remove all instances that do not run",
	.help = "Example:\n"
		"  strata container prune -f --filter until=24h",
	.options = container_table,
	.options_size = sizeof(struct prune_options),
	.run = container_main,
};

/* --- image prune --- */

static int prune_images(struct cli *cli, bool all, struct pruned *pruned, struct error *err)
{
	_cleanup_strv_ char **pinned = NULL, **log = NULL;
	struct instance_roots roots = cli_roots(cli);
	struct image_collect_options collect = { .unnamed_too = true, .all = all };
	struct image_store store;
	uint64_t freed = 0;
	size_t said = 0;
	int r = image_store_open(cli->root, &store, err);

	if (r < 0)
		return r;
	r = instance_pinned_images(&roots, &pinned, err);
	collect.pinned = pinned;
	if (r == 0)
		r = image_collect(&store, &collect, &log, &freed, err);
	image_store_close(&store);
	if (r < 0)
		return r;
	strv_for_each (line, log) {
		**line = (char)tolower((unsigned char)**line);
		say(pruned, "Deleted Images", said++, *line);
	}
	pruned->bytes += freed;
	return 0;
}

static const struct option image_table[] = {
	{ OPTION_FLAG, 'a', "all", offsetof(struct prune_options, all), NULL,
		"Remove every image that no instance uses, named or not" },
	FORCE_OPTION,
	{ OPTION_END },
};

static int image_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct prune_options *o = options;
	struct pruned pruned = { 0 };
	int r;

	if (!o->force &&
		!show_confirm(o->all ? "WARNING! This will remove all images that no instance uses."
				     : "WARNING! This will remove all images without a name."))
		return error_set(err, ECANCELED, "image prune has been cancelled");
	r = prune_images(cli, o->all, &pruned, err);
	return r < 0 ? r : finish(&pruned);
}

const struct verb verb_image_prune = {
	.name = "image prune",
	.group = "Images",
	.usage = "[OPTIONS]",
	.summary = "Remove images without a name, and all content nobody needs",
	.help = "What an instance uses always stays. Left-overs of interrupted pulls go, too.\n"
		"\n"
		"Example:\n"
		"  strata image prune -af",
	.options = image_table,
	.options_size = sizeof(struct prune_options),
	.run = image_main,
};

/* --- volume prune --- */

static int prune_volume(struct cli *cli, const struct volume *volume, size_t *removed,
	struct pruned *pruned, struct error *err)
{
	_cleanup_strv_ char **users = NULL;
	struct instance_roots roots = cli_roots(cli);
	uint64_t bytes = 0;
	int r = volume_users(&roots, volume->name, &users, err);

	if (r < 0 || users)
		return r;
	if (io_tree_size(AT_FDCWD, volume->path, &bytes) < 0)
		bytes = 0;
	r = volume_remove(cli->root, volume->name, err);
	if (r < 0)
		return r;
	say(pruned, "Deleted Volumes", (*removed)++, volume->name);
	pruned->bytes += bytes;
	return 0;
}

static int prune_volumes(
	struct cli *cli, bool all, char *const *filters, struct pruned *pruned, struct error *err)
{
	struct volume *list = NULL;
	size_t count = 0, removed = 0;
	int r = volume_list(cli->root, &list, &count, err);

	for (size_t i = 0; r == 0 && i < count; i++) {
		if ((list[i].anonymous || all) &&
			filter_accepts_labels(filters, "label", list[i].labels))
			r = prune_volume(cli, &list[i], &removed, pruned, err);
	}
	volume_list_free(list, count);
	return r;
}

static const struct option volume_table[] = {
	{ OPTION_FLAG, 'a', "all", offsetof(struct prune_options, all), NULL,
		"Those with a name, too" },
	FORCE_OPTION,
	{ OPTION_LIST, 0, "filter", offsetof(struct prune_options, filters), "KEY=VALUE",
		"Only what matches (label)" },
	{ OPTION_END },
};

static int volume_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct prune_options *o = options;
	struct pruned pruned = { 0 };
	int r = filter_check(o->filters, "label", err);

	if (r < 0)
		return r;
	if (!o->force &&
		!show_confirm(
			o->all ? "WARNING! This will remove all volumes that no instance uses."
			       : "WARNING! This will remove anonymous volumes that no instance uses."))
		return error_set(err, ECANCELED, "volume prune has been cancelled");
	r = prune_volumes(cli, o->all, o->filters, &pruned, err);
	return r < 0 ? r : finish(&pruned);
}

const struct verb verb_volume_prune = {
	.name = "volume prune",
	.group = "Volumes",
	.usage = "[OPTIONS]",
	.summary = "Remove volumes that no instance uses",
	.help = "The anonymous ones, or with -a all of them.",
	.options = volume_table,
	.options_size = sizeof(struct prune_options),
	.run = volume_main,
};

/* --- system prune --- */

static int prune_translations(struct cli *cli, struct pruned *pruned, struct error *err)
{
	struct translations_usage removed = { 0 };
	char text[64];
	int r = translations_remove_all(cli->root, &removed, err);

	if (removed.files) {
		snprintf(text, sizeof(text), "%zu files", removed.files);
		say(pruned, "Deleted Translations", 0, text);
	}
	pruned->bytes += removed.bytes;
	return r;
}

static int prune_machines(struct cli *cli, struct pruned *pruned, struct error *err)
{
	struct machines_usage removed = { 0 };
	char text[64];
	int r = machines_remove_all(cli->root, &removed, err);

	if (removed.snapshots) {
		snprintf(text, sizeof(text), "%zu snapshots", removed.snapshots);
		say(pruned, "Deleted Machines", 0, text);
	}
	pruned->bytes += removed.bytes;
	return r;
}

static bool confirm_all(const struct prune_options *o)
{
	_cleanup_free_ char *warning = strf(
		"WARNING! This will remove:\n"
		"  - all stopped instances\n%s"
		"  - all images %s\n"
		"  - all kept translations\n"
		"  - all machines that were kept when they had booted\n",
		o->volumes ? "  - all anonymous volumes that no instance uses\n" : "",
		o->all ? "that no instance uses" : "without a name");

	return warning && show_confirm(warning);
}

static const struct option system_table[] = {
	{ OPTION_FLAG, 'a', "all", offsetof(struct prune_options, all), NULL,
		"Remove every image that no instance uses, named or not" },
	FORCE_OPTION,
	{ OPTION_FLAG, 0, "volumes", offsetof(struct prune_options, volumes), NULL,
		"Remove anonymous volumes, too" },
	{ OPTION_END },
};

/* Instances first: what only they use goes with them. */
static int system_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct prune_options *o = options;
	struct pruned pruned = { 0 };
	int r;

	if (!o->force && !confirm_all(o))
		return error_set(err, ECANCELED, "system prune has been cancelled");
	r = prune_instances(cli, NULL, 0, &pruned, err);
	if (r == 0 && o->volumes)
		r = prune_volumes(cli, false, NULL, &pruned, err);
	if (r == 0)
		r = prune_images(cli, o->all, &pruned, err);
	if (r == 0)
		r = prune_translations(cli, &pruned, err);
	if (r == 0)
		r = prune_machines(cli, &pruned, err);
	return r < 0 ? r : finish(&pruned);
}

const struct verb verb_system_prune = {
	.name = "system prune",
	.group = "System",
	.usage = "[OPTIONS]",
	.summary = "Remove what nobody uses: instances, images, translations",
	.help = "Instances that do not run, images without a name, and the code that was translated\n"
		"from those for other CPUs, which is translated again when it is needed. Machines that\n"
		"were kept when they had booted go, too: the next one boots.\n"
		"\n"
		"Example:\n"
		"  strata system prune -af --volumes",
	.options = system_table,
	.options_size = sizeof(struct prune_options),
	.run = system_main,
};
