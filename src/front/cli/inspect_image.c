/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect_image.c - `image inspect` and `image history`: an image's configuration as Docker tells
 * it, and how it was made.
 */
#include <stdio.h>

#include "base/clock.h"
#include "front/cli/inspect.h"
#include "front/cli/show.h"
#include "front/cli/table.h"
#include "front/cli/verbs.h"
#include "image/image.h"

/* Found for the platform asked for; without one for the host's, or else for any. */
static int find(const struct image_store *store, const char *name, const char *platform_text,
	struct image *ret, struct error *err)
{
	struct image_platform platform = { 0 };
	int r;

	r = image_platform_parse(platform_text, &platform, err);
	if (r == 0)
		r = image_resolve(store, name, &platform, ret, err);
	if (r == -ENOEXEC && !platform_text) {
		error_clear(err);
		platform = (struct image_platform){ 0 };
		r = image_resolve(store, name, &platform, ret, err);
	}
	return r;
}

/* --- inspect --- */

/* Members of Config that Docker always writes. */
static const char *const config_strings[] = { "User", "WorkingDir" };
static const char *const config_nulls[] = { "Env", "Cmd", "Entrypoint", "Volumes", "ExposedPorts",
	"Labels" };

static json_t *docker_config(const json_t *document)
{
	json_t *config = json_object_get(document, "config");

	config = json_is_object(config) ? json_deep_copy(config) : json_object();
	for (size_t i = 0; config && i < ARRAY_SIZE(config_strings); i++)
		if (!json_object_get(config, config_strings[i]))
			json_object_set_new(config, config_strings[i], json_string(""));
	for (size_t i = 0; config && i < ARRAY_SIZE(config_nulls); i++)
		if (!json_object_get(config, config_nulls[i]))
			json_object_set_new(config, config_nulls[i], json_null());
	return config;
}

/* All names of the image, and "repository@digest" of each. */
static int collect_names(const struct image_store *store, const struct image *image, json_t *tags,
	json_t *digests, struct error *err)
{
	struct image_summary *list;
	size_t count;
	int r = image_list(store, &list, &count, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		_cleanup_free_ char *familiar = NULL, *digest = NULL;
		struct image_reference ref;

		if (!list[i].name || !streq(list[i].manifest_digest, image->manifest_digest) ||
			image_reference_parse(list[i].name, &ref, NULL) < 0)
			continue;
		familiar = image_reference_familiar(&ref);
		if (ref.tag && !ref.digest)
			json_array_append_new(tags, json_string(familiar ? familiar : ""));
		free(ref.tag);
		free(ref.digest);
		ref.tag = NULL;
		ref.digest = strdup(list[i].target_digest);
		digest = image_reference_familiar(&ref);
		json_array_append_new(digests, json_string(digest ? digest : ""));
		image_reference_free(&ref);
	}
	image_list_free(list, count);
	return 0;
}

static json_t *string_or_empty(const char *s)
{
	return json_string(s ? s : "");
}

static int describe(
	const struct image_store *store, const struct image *image, json_t **ret, struct error *err)
{
	_cleanup_json_ json_t *document = NULL, *object = json_object(), *tags = json_array(),
			      *digests = json_array();
	int r;

	r = image_blob_read_json(
		store, image->config_digest, UINT64_MAX, IMAGE_CONFIG_MAX, &document, err);
	if (r == 0)
		r = collect_names(store, image, tags, digests, err);
	if (r < 0)
		return r;
	json_object_set_new(object, "Id", json_string(image->config_digest));
	json_object_set(object, "RepoTags", tags);
	json_object_set(object, "RepoDigests", digests);
	json_object_set_new(object, "Parent", json_string(""));
	json_object_set_new(object, "Comment",
		string_or_empty(json_string_value(json_object_get(document, "comment"))));
	json_object_set_new(object, "Created", string_or_empty(image->config.created));
	json_object_set_new(object, "Author", string_or_empty(image->config.author));
	json_object_set_new(object, "Config", docker_config(document));
	json_object_set_new(
		object, "Architecture", json_string(image->config.platform.architecture));
	json_object_set_new(object, "Variant", json_string(image->config.platform.variant));
	json_object_set_new(object, "Os", json_string(image->config.platform.os));
	json_object_set_new(object, "Size", json_integer((json_int_t)image->size_bytes));
	json_object_set_new(object, "RootFS",
		json_pack("{s:s, s:o}", "Type", "layers", "Layers",
			show_json_strv(image->config.diff_ids)));
	/* What Docker does not have. */
	json_object_set_new(object, "ManifestDigest", json_string(image->manifest_digest));
	json_object_set_new(object, "TargetDigest", json_string(image->target_digest));
	json_object_set_new(object, "Unpacked", json_boolean(image_is_unpacked(store, image) == 1));
	*ret = steal_ptr(&object);
	return 0;
}

static int inspect_platform(
	struct cli *cli, const char *name, const char *platform, json_t **ret, struct error *err)
{
	_cleanup_image_ struct image image = { 0 };
	struct image_store store;
	int r = image_store_open(cli->root, &store, err);

	if (r < 0)
		return r;
	r = find(&store, name, platform, &image, err);
	if (r == 0)
		r = describe(&store, &image, ret, err);
	image_store_close(&store);
	return r;
}

int inspect_image(struct cli *cli, const char *name, json_t **ret, struct error *err)
{
	return inspect_platform(cli, name, NULL, ret, err);
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

	return inspect_print(cli, argc, argv, inspect_image, o->format, err);
}

const struct verb verb_image_inspect = {
	.name = "image inspect",
	.group = "Images",
	.usage = "[OPTIONS] IMAGE [IMAGE...]",
	.summary = "Show everything about images as JSON",
	.help = "Of an image with several platforms the host's is shown, or else the first stored;\n"
		"an ID shows that very one.\n"
		"\n"
		"Example:\n"
		"  strata image inspect --format '{{.Os}}/{{.Architecture}} {{.Size}}' debian",
	.options = inspect_table,
	.options_size = sizeof(struct inspect_options),
	.min_operands = 1,
	.max_operands = -1,
	.operand = COMPLETE_IMAGE,
	.run = inspect_main,
};

/* --- history --- */

struct history_options {
	bool quiet, no_trunc;
	const char *format, *platform;
};

static const struct option history_table[] = {
	TABLE_QUIET_OPTION(struct history_options, quiet),
	TABLE_NO_TRUNC_OPTION(struct history_options, no_trunc),
	TABLE_FORMAT_OPTION(struct history_options, format),
	{ OPTION_STRING, 0, "platform", offsetof(struct history_options, platform), "OS/ARCH",
		"Of this platform's image" },
	{ OPTION_END },
};

static const struct table_column history_columns[] = {
	{ "ID", "IMAGE" },
	{ "CreatedSince", "CREATED" },
	{ "CreatedAt", "CREATED AT", .hidden = true },
	{ "CreatedBy", "CREATED BY" },
	{ "Size", "SIZE" },
	{ "Comment", "COMMENT" },
};

#define CREATED_BY_MAX 45 /* columns, as Docker */

static int history_row(struct table *t, const struct history_options *o, const json_t *entry,
	const char *id, uint64_t size, struct error *err)
{
	char short_id[80], age[SHOW_TIME_MAX], at[SHOW_TIME_MAX], bytes[32];
	const char *created = "", *created_by = "", *comment = "";
	_cleanup_free_ char *command = NULL;
	int64_t created_ns = 0;
	int r;

	r = json_get_string(entry, "created", &created, "history", err);
	if (r == 0)
		r = json_get_string(entry, "created_by", &created_by, "history", err);
	if (r == 0)
		r = json_get_string(entry, "comment", &comment, "history", err);
	if (r < 0)
		return r;
	if (clock_parse(created, &created_ns) < 0)
		created_ns = 0;
	command = table_format_text(created_by, CREATED_BY_MAX, false, o->no_trunc);
	if (!command)
		return error_oom(err);
	format_size(bytes, sizeof(bytes), size);
	return table_row(t,
		(const char *const[]){ id
				? table_format_id(short_id, sizeof(short_id), id, o->no_trunc)
				: "<missing>",
			show_age(age, created_ns), show_time(at, created_ns), command, bytes,
			comment },
		err);
}

/* The newest first: the image's ID stands at the top, layer sizes at the entries that made one. */
static int fill_history(struct table *t, const struct history_options *o,
	const struct image_store *store, const struct image *image, struct error *err)
{
	_cleanup_json_ json_t *config = NULL, *manifest = NULL;
	json_t *history, *layers;
	size_t layer, i;
	int r;

	r = image_blob_read_json(
		store, image->config_digest, UINT64_MAX, IMAGE_CONFIG_MAX, &config, err);
	if (r == 0)
		r = image_blob_read_json(store, image->manifest_digest, UINT64_MAX,
			IMAGE_MANIFEST_MAX, &manifest, err);
	if (r < 0)
		return r;
	history = json_object_get(config, "history");
	layers = json_object_get(manifest, "layers");
	layer = json_array_size(layers);
	for (i = json_array_size(history); r == 0 && i-- > 0;) {
		const json_t *entry = json_array_get(history, i);
		bool empty = json_is_true(json_object_get(entry, "empty_layer"));
		uint64_t size = 0;

		if (!empty && layer > 0)
			size = (uint64_t)json_integer_value(
				json_object_get(json_array_get(layers, --layer), "size"));
		r = history_row(t, o, entry,
			i + 1 == json_array_size(history) ? image->config_digest : NULL, size, err);
	}
	return r;
}

static int history_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct history_options *o = options;
	_cleanup_image_ struct image image = { 0 };
	_cleanup_table_ struct table t = { 0 };
	struct image_store store;
	int r = image_store_open(cli->root, &store, err);

	if (r < 0)
		return r;
	r = find(&store, argv[0], o->platform, &image, err);
	if (r == 0)
		r = table_open(
			&t, history_columns, ARRAY_SIZE(history_columns), o->format, o->quiet, err);
	if (r == 0)
		r = fill_history(&t, o, &store, &image, err);
	if (r == 0)
		r = table_print(&t, stdout, err);
	image_store_close(&store);
	return r;
}

const struct verb verb_image_history = {
	.name = "image history",
	.group = "Images",
	.usage = "[OPTIONS] IMAGE",
	.summary = "Show how an image was made",
	.help = "The newest step first; SIZE is that of the compressed layer it made, 0B for none.",
	.options = history_table,
	.options_size = sizeof(struct history_options),
	.min_operands = 1,
	.max_operands = 1,
	.operand = COMPLETE_IMAGE,
	.run = history_main,
};
