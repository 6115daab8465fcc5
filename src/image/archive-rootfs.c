/* SPDX-License-Identifier: Apache-2.0 */
/*
 * archive-rootfs.c - a root filesystem tar becomes an image of one layer, or one more platform of
 * an image that is there already.
 */
#include "image/archive-file.h"

/* index.json's entry called `full_name`, as a new reference; NULL when there is none. */
static int find_named(
	const struct image_store *store, const char *full_name, json_t **ret, struct error *err)
{
	_cleanup_json_ json_t *document = NULL;
	json_t *manifests, *item;
	size_t i;
	int r = image_index_read(store, &document, &manifests, err);

	if (r < 0)
		return r;
	*ret = NULL;
	json_array_foreach (manifests, i, item) {
		const char *name = json_string_value(json_object_get(
			json_object_get(item, "annotations"), IMAGE_ANNOTATION_NAME));

		if (name && streq(name, full_name)) {
			*ret = json_deep_copy(item);
			return *ret ? 0 : error_oom(err);
		}
	}
	return 0;
}

/* A single manifest as an element of an index: its platform is in its configuration. */
static int manifest_element(const struct image_store *store, const json_t *item,
	const struct image_descriptor *descriptor, json_t **ret, struct error *err)
{
	struct archive_descriptor plain = { .size = descriptor->size };
	struct image_manifest manifest;
	struct image_config config;
	int r = image_manifest_read(store, descriptor, &manifest, err);

	if (r < 0)
		return r;
	r = image_config_read(store, &manifest.config, &config, err);
	image_manifest_free(&manifest);
	if (r < 0)
		return r;
	snprintf(plain.media_type, sizeof(plain.media_type), "%s", descriptor->media_type);
	memcpy(plain.digest, descriptor->digest, sizeof(plain.digest));
	*ret = archive_descriptor_json(&plain, &config.platform);
	image_config_free(&config);
	return *ret ? 0 : error_oom(err);
}

/* The platforms that `full_name` has now, in a fresh array. */
static int present_platforms(
	const struct image_store *store, const char *full_name, json_t **ret, struct error *err)
{
	_cleanup_json_ json_t *named = NULL, *document = NULL, *element = NULL;
	struct image_descriptor descriptor;
	json_t *manifests;
	int r = find_named(store, full_name, &named, err);

	if (r == 0 && named)
		r = image_descriptor_parse(named, &descriptor, "index.json", err);
	if (r < 0)
		return r;
	if (named && descriptor.kind == IMAGE_KIND_INDEX) {
		r = image_index_leaves(store, &descriptor, &document, &manifests, NULL, err);
		if (r < 0)
			return r;
		*ret = json_deep_copy(manifests);
	} else {
		*ret = json_array();
		if (named && *ret) {
			r = manifest_element(store, named, &descriptor, &element, err);
			if (r < 0 || json_array_append(*ret, element) < 0) {
				json_decref(*ret);
				return r < 0 ? r : error_oom(err);
			}
		}
	}
	return *ret ? 0 : error_oom(err);
}

static bool same_platform(const struct image_platform *a, const struct image_platform *b)
{
	return streq(a->os, b->os) && streq(a->architecture, b->architecture) &&
		streq(a->variant, b->variant);
}

/* Replace the element of that platform, or append it. */
static int put_platform(json_t *manifests, const struct image_platform *platform, json_t *element,
	struct error *err)
{
	struct image_descriptor old;
	json_t *item;
	size_t i;
	int r;

	json_array_foreach (manifests, i, item) {
		r = image_descriptor_parse(item, &old, "an index", err);
		if (r < 0)
			return r;
		if (old.has_platform && same_platform(&old.platform, platform))
			return json_array_set(manifests, i, element) < 0 ? error_oom(err) : 0;
	}
	return json_array_append(manifests, element) < 0 ? error_oom(err) : 0;
}

/* Store an index of what full_name has and the new element; *ret is its descriptor. */
static int add_to_index(const struct image_store *store, const char *full_name,
	const struct image_platform *platform, json_t *element, json_t **ret, struct error *err)
{
	_cleanup_json_ json_t *manifests = NULL, *index = NULL;
	struct archive_descriptor descriptor;
	_cleanup_free_ char *text = NULL;
	int r = present_platforms(store, full_name, &manifests, err);

	if (r == 0)
		r = put_platform(manifests, platform, element, err);
	if (r < 0)
		return r;
	index = json_pack("{s:i, s:s, s:O}", "schemaVersion", 2, "mediaType", IMAGE_TYPE_OCI_INDEX,
		"manifests", manifests);
	text = index ? json_dumps(index, JSON_COMPACT) : NULL;
	if (!text)
		return error_oom(err);
	r = archive_add_document(store, IMAGE_TYPE_OCI_INDEX, text, &descriptor, err);
	if (r < 0)
		return r;
	*ret = archive_descriptor_json(&descriptor, NULL);
	return *ret ? 0 : error_oom(err);
}

int archive_import_rootfs(const struct image_store *store, const struct archive_file *file,
	const struct image_import_options *options, char ***names, struct error *err)
{
	const struct archive_region all = { .fd = file->fd, .size = UINT64_MAX };
	struct archive_descriptor layer, config, manifest;
	_cleanup_json_ json_t *element = NULL, *target = NULL;
	_cleanup_free_ char *full_name = NULL, *text = NULL;
	char diff_id[IMAGE_DIGEST_LEN + 1];
	struct image_platform platform;
	int r;

	if (options->add_platform && !options->name)
		return error_set(err, EINVAL, "a platform can only be added to a named image");
	r = image_platform_parse(options->platform, &platform, err);
	if (r == 0 && options->name)
		r = archive_full_name(options->name, &full_name, err);
	/* What is wrong with --change is said before the long part. */
	if (r == 0)
		r = archive_make_config(&platform, "", options->changes, NULL, &text, err);
	if (r == 0)
		r = archive_add_layer(store, &all, options->compression, NULL, &file->progress,
			&layer, diff_id, err);
	if (r < 0)
		return r;
	free(steal_ptr(&text));
	r = archive_make_config(&platform, diff_id, options->changes, options->message, &text, err);
	if (r == 0)
		r = archive_add_document(store, IMAGE_TYPE_OCI_CONFIG, text, &config, err);
	if (r == 0)
		r = archive_add_manifest(store, &config, &layer, 1, &manifest, err);
	if (r < 0)
		return r;
	element = archive_descriptor_json(&manifest, &platform);
	if (!element)
		return error_oom(err);
	if (options->add_platform)
		r = add_to_index(store, full_name, &platform, element, &target, err);
	else
		target = json_incref(element);
	return r < 0 ? r : archive_set_name(store, full_name, target, config.digest, names, err);
}
