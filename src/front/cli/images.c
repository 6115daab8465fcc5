/* SPDX-License-Identifier: Apache-2.0 */
/*
 * images.c - `images`: what is stored, one row per name and platform.
 */
#include <fnmatch.h>

#include "front/cli/filter.h"
#include "front/cli/show.h"
#include "front/cli/table.h"
#include "front/cli/verbs.h"
#include "image/image.h"

#define FILTERS "dangling|reference|label"

struct images_options {
	bool all, quiet, digests, no_trunc;
	const char *format;
	char **filters;
};

static const struct option option_table[] = {
	{ OPTION_FLAG, 'a', "all", offsetof(struct images_options, all), NULL,
		"Also list platforms of an image that are not stored here" },
	TABLE_QUIET_OPTION(struct images_options, quiet),
	{ OPTION_FLAG, 0, "digests", offsetof(struct images_options, digests), NULL,
		"Show the digests images are pulled by" },
	TABLE_NO_TRUNC_OPTION(struct images_options, no_trunc),
	TABLE_FORMAT_OPTION(struct images_options, format),
	FILTER_OPTION(struct images_options, filters, "dangling, reference, label"),
	{ OPTION_END },
};

/* A row's name in the parts that are columns. */
struct parts {
	char *repository, *tag;
};

static void cleanup_parts(struct parts *p)
{
	free(p->repository);
	free(p->tag);
}

static int split_name(const char *name, struct parts *ret)
{
	struct image_reference ref = { 0 };

	if (name && image_reference_parse(name, &ref, NULL) < 0) {
		/* A name some other tool gave: it is all there is. */
		ret->repository = strdup(name);
	} else if (name) {
		free(ref.digest);
		ref.digest = NULL;
		ret->tag = steal_ptr(&ref.tag);
		ret->repository = image_reference_familiar(&ref);
		image_reference_free(&ref);
	}
	if (!ret->repository)
		ret->repository = strdup("<none>");
	if (!ret->tag)
		ret->tag = strdup("<none>");
	return ret->repository && ret->tag ? 0 : -ENOMEM;
}

/* --- which rows --- */

struct match_context {
	const struct image_summary *image;
	const struct parts *parts;
};

static bool match_reference(const char *pattern, const void *context)
{
	const struct match_context *c = context;
	_cleanup_free_ char *with_tag = strf("%s:%s", c->parts->repository, c->parts->tag);

	return (with_tag && fnmatch(pattern, with_tag, FNM_PATHNAME) == 0) ||
		fnmatch(pattern, c->parts->repository, FNM_PATHNAME) == 0;
}

/* `images debian`, `images debian:12`: a repository as it is listed, or any way to write it. */
static bool match_operand(const char *operand, const struct match_context *c)
{
	_cleanup_free_ char *full = NULL;
	struct image_reference ref;
	bool tagged, same;

	if (strpbrk(operand, "*?["))
		return match_reference(operand, c);
	if (!c->image->name || image_reference_parse(operand, &ref, NULL) < 0)
		return false;
	tagged = str_has_suffix(operand, ref.tag ? ref.tag : "") &&
		strchr(strrchr(operand, '/') ? strrchr(operand, '/') : operand, ':');
	if (!tagged && !ref.digest) {
		free(ref.tag);
		ref.tag = NULL;
	}
	full = image_reference_full(&ref);
	image_reference_free(&ref);
	if (!full)
		return false;
	if (tagged)
		return streq(c->image->name, full);
	same = str_after_prefix(c->image->name, full) != NULL;
	return same && strchr(":@", c->image->name[strlen(full)]);
}

static bool is_wanted(const struct images_options *o, const char *operand, bool dangling_given,
	bool dangling, const struct match_context *c)
{
	if (!c->image->present && !o->all)
		return false;
	if (dangling_given && dangling != !c->image->name)
		return false;
	if (operand && !match_operand(operand, c))
		return false;
	return filter_accepts(o->filters, "reference", match_reference, c) &&
		filter_accepts_labels(o->filters, "label", c->image->labels);
}

/* --- rows --- */

enum {
	COL_REPOSITORY,
	COL_TAG,
	COL_DIGEST,
	COL_ID,
	COL_PLATFORM,
	COL_CREATED,
	COL_CREATED_AT,
	COL_SIZE,
	COL_COUNT
};

static const struct table_column all_columns[COL_COUNT] = {
	[COL_REPOSITORY] = { "Repository", "REPOSITORY" },
	[COL_TAG] = { "Tag", "TAG" },
	[COL_DIGEST] = { "Digest", "DIGEST", .hidden = true },
	[COL_ID] = { "ID", "IMAGE ID" },
	[COL_PLATFORM] = { "Platform", "PLATFORM", .hidden = true },
	[COL_CREATED] = { "CreatedSince", "CREATED" },
	[COL_CREATED_AT] = { "CreatedAt", "CREATED AT", .hidden = true },
	[COL_SIZE] = { "Size", "SIZE" },
};

static int add_row(struct table *t, const struct images_options *o, const struct match_context *c,
	struct error *err)
{
	char id[80], platform[80], age[SHOW_TIME_MAX], at[SHOW_TIME_MAX], size[32];
	const struct image_summary *image = c->image;
	const char *values[COL_COUNT] = {
		[COL_REPOSITORY] = c->parts->repository,
		[COL_TAG] = c->parts->tag,
		[COL_DIGEST] = image->target_digest,
		[COL_ID] = "<none>",
		[COL_PLATFORM] = platform,
		[COL_CREATED] = show_age(age, image->created_ns),
		[COL_CREATED_AT] = show_time(at, image->created_ns),
		[COL_SIZE] = size,
	};

	if (image->config_digest)
		values[COL_ID] = table_format_id(id, sizeof(id), image->config_digest, o->no_trunc);
	image_platform_format(&image->platform, platform, sizeof(platform));
	format_size(size, sizeof(size), image->size_bytes);
	if (!image->present)
		strcpy(size, "not stored");
	/* -q prints the first column. */
	if (o->quiet) {
		const char *first = values[0];

		values[0] = values[COL_ID];
		values[COL_ID] = first;
	}
	return table_row(t, values, err);
}

static int newest_first(const void *a, const void *b)
{
	const struct image_summary *x = a, *y = b;

	if (x->created_ns != y->created_ns)
		return x->created_ns < y->created_ns ? 1 : -1;
	return strcmp(x->name ? x->name : "", y->name ? y->name : "");
}

static int fill(struct table *t, const struct images_options *o, const char *operand,
	const struct image_summary *images, size_t count, struct error *err)
{
	bool dangling, given = filter_value(o->filters, "dangling") != NULL;
	int r = filter_bool(o->filters, "dangling", false, &dangling, err);

	for (size_t i = 0; r == 0 && i < count; i++) {
		_cleanup_(cleanup_parts) struct parts parts = { 0 };
		struct match_context c = { &images[i], &parts };

		if (split_name(images[i].name, &parts) < 0)
			return error_oom(err);
		if (is_wanted(o, operand, given, dangling, &c))
			r = add_row(t, o, &c, err);
	}
	return r;
}

/* The platform is worth a column as soon as one of them is not the host's. */
static bool has_foreign_platform(const struct image_summary *images, size_t count)
{
	struct image_platform host;

	if (image_platform_parse(NULL, &host, NULL) < 0)
		return false;
	for (size_t i = 0; i < count; i++)
		if (images[i].present && !image_platform_matches(&host, &images[i].platform))
			return true;
	return false;
}

static int images_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	_cleanup_(image_store_close) struct image_store store = {
		.root_fd = -1, .images_fd = -1, .layers_fd = -1
	};
	struct table_column columns[COL_COUNT];
	_cleanup_table_ struct table t = { 0 };
	const struct images_options *o = options;
	struct image_summary *images = NULL;
	size_t count = 0;
	int r;

	r = filter_check(o->filters, FILTERS, err);
	if (r == 0)
		r = image_store_open(cli->root, &store, err);
	if (r == 0)
		r = image_list(&store, &images, &count, err);
	if (r < 0)
		return r;
	memcpy(columns, all_columns, sizeof(columns));
	columns[COL_DIGEST].hidden = !o->digests;
	columns[COL_PLATFORM].hidden = !o->all && !has_foreign_platform(images, count);
	if (o->quiet) {
		columns[0] = all_columns[COL_ID];
		columns[COL_ID] = all_columns[0];
	}
	if (count > 0)
		qsort(images, count, sizeof(*images), newest_first);
	r = table_open(&t, columns, COL_COUNT, o->format, o->quiet, err);
	if (r == 0)
		r = fill(&t, o, argc ? argv[0] : NULL, images, count, err);
	if (r == 0)
		r = table_print(&t, stdout, err);
	image_list_free(images, count);
	return r;
}

const struct verb verb_images = {
	.name = "images",
	.group = "Images",
	.usage = "[OPTIONS] [REPOSITORY[:TAG]]",
	.summary = "List images",
	.help = "One row for each name and each platform that is stored, the newest first. SIZE is what\n"
		"a pull of it transfers. An operand shows one repository only; it may be a pattern.\n"
		"\n"
		"Examples:\n"
		"  strata images\n"
		"  strata images --format '{{.Repository}}:{{.Tag}} {{.Size}}' debian\n"
		"  strata images -q --filter dangling=true",
	.options = option_table,
	.options_size = sizeof(struct images_options),
	.max_operands = 1,
	.operand = COMPLETE_IMAGE,
	.run = images_main,
};
