/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifest.c - descriptors, manifests and nested indexes (OCI image-spec 1.1 descriptor.md,
 * manifest.md, image-index.md; Docker image manifest v2 schema 2).
 *
 * Everything here came from somebody else: types, digests, sizes and counts are checked once, by
 * the parsers of this file, and what they hand out can be relied on.
 */
#include "image/internal.h"

#include "base/io.h"

static const struct {
	const char *media_type;
	enum image_kind kind;
} kinds[] = {
	{ IMAGE_TYPE_OCI_MANIFEST, IMAGE_KIND_MANIFEST },
	{ IMAGE_TYPE_DOCKER_MANIFEST, IMAGE_KIND_MANIFEST },
	{ IMAGE_TYPE_OCI_INDEX, IMAGE_KIND_INDEX },
	{ IMAGE_TYPE_DOCKER_LIST, IMAGE_KIND_INDEX },
};

static enum image_kind kind_of(const char *media_type)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (streq(kinds[i].media_type, media_type))
			return kinds[i].kind;
	return IMAGE_KIND_OTHER;
}

int image_descriptor_parse(
	const json_t *object, struct image_descriptor *ret, const char *what, struct error *err)
{
	struct image_descriptor d = { .media_type = "" };
	json_t *annotations = NULL, *platform = NULL;
	int64_t size = -1;
	int r;

	r = json_get_string(object, "mediaType", &d.media_type, what, err);
	if (r == 0)
		r = json_get_string(object, "digest", &d.digest, what, err);
	if (r == 0)
		r = json_get_int(object, "size", &size, what, err);
	if (r == 0)
		r = json_get_object(object, "annotations", &annotations, what, err);
	if (r == 0)
		r = json_get_object(object, "platform", &platform, what, err);
	if (r == 0 && annotations)
		r = json_get_string(annotations, IMAGE_ANNOTATION_NAME, &d.name, what, err);
	if (r < 0)
		return r;
	if (!d.digest || !image_digest_is_valid(d.digest))
		return error_set(err, EINVAL, "%s: digest \"%.100s\" is not a sha256 digest", what,
			d.digest ? d.digest : "");
	if (size < 0)
		return error_set(
			err, EINVAL, "%s: size of %s is missing or negative", what, d.digest);
	d.size = (uint64_t)size;
	d.kind = kind_of(d.media_type);
	if (platform) {
		r = image_platform_from_json(platform, &d.platform, what, err);
		if (r < 0)
			return r;
		d.has_platform = true;
	}
	*ret = d;
	return 0;
}

static int parse_layers(
	json_t *array, struct image_manifest *manifest, const char *what, struct error *err)
{
	size_t count = json_array_size(array);

	if (count > IMAGE_LAYERS_MAX)
		return error_set(err, EINVAL, "%s: %zu layers are more than the %d allowed", what,
			count, IMAGE_LAYERS_MAX);
	manifest->layers = calloc(count ? count : 1, sizeof(*manifest->layers));
	if (!manifest->layers)
		return error_oom(err);
	for (size_t i = 0; i < count; i++) {
		struct image_descriptor *layer = &manifest->layers[i];
		int r = image_descriptor_parse(json_array_get(array, i), layer, what, err);

		if (r < 0)
			return r;
		if (__builtin_add_overflow(
			    manifest->size_bytes, layer->size, &manifest->size_bytes))
			return error_set(err, EINVAL, "%s: layer sizes are absurd", what);
	}
	manifest->nr_layers = count;
	return 0;
}

static int parse_manifest(
	json_t *document, struct image_manifest *m, const char *what, struct error *err)
{
	json_t *config = NULL, *layers = NULL;
	int64_t version = 0;
	int r;

	r = json_get_int(document, "schemaVersion", &version, what, err);
	if (r == 0 && version != 2)
		r = error_set(err, EINVAL, "%s: manifest schema version %lld is not supported",
			what, (long long)version);
	if (r == 0)
		r = json_get_object(document, "config", &config, what, err);
	if (r == 0 && !config)
		r = error_set(err, EINVAL, "%s: config is missing", what);
	if (r == 0)
		r = image_descriptor_parse(config, &m->config, what, err);
	if (r == 0)
		r = json_get_array(document, "layers", &layers, what, err);
	if (r < 0)
		return r;
	m->size_bytes = m->config.size;
	m->is_image = streq(m->config.media_type, IMAGE_TYPE_OCI_CONFIG) ||
		streq(m->config.media_type, IMAGE_TYPE_DOCKER_CONFIG);
	return parse_layers(layers, m, what, err);
}

int image_manifest_parse(
	json_t *document, struct image_manifest *ret, const char *what, struct error *err)
{
	struct image_manifest m = { .document = json_incref(document) };
	int r = parse_manifest(document, &m, what, err);

	if (r < 0) {
		image_manifest_free(&m);
		return r;
	}
	*ret = m;
	return 0;
}

void image_manifest_free(struct image_manifest *manifest)
{
	json_decref(manifest->document);
	free(manifest->layers);
	*manifest = (struct image_manifest){ 0 };
}

/* What a parser found wrong with a stored blob is damage of the store. */
static int damaged(const struct image_store *store, struct error *err)
{
	error_prefix(err, "%s/images is damaged", store->root);
	return error_code(err, EBADMSG);
}

int image_manifest_read(const struct image_store *store, const struct image_descriptor *descriptor,
	struct image_manifest *ret, struct error *err)
{
	_cleanup_json_ json_t *document = NULL;
	char path[80];
	int r;

	r = image_blob_read_json(
		store, descriptor->digest, descriptor->size, IMAGE_MANIFEST_MAX, &document, err);
	if (r < 0)
		return r;
	image_blob_path(descriptor->digest, path);
	r = image_manifest_parse(document, ret, path, err);
	return r == -EINVAL ? damaged(store, err) : r;
}

int image_nested_index_read(const struct image_store *store,
	const struct image_descriptor *descriptor, json_t **ret_document, json_t **ret_manifests,
	struct error *err)
{
	_cleanup_json_ json_t *document = NULL;
	json_t *manifests = NULL;
	char path[80];
	int r;

	r = image_blob_read_json(
		store, descriptor->digest, descriptor->size, IMAGE_MANIFEST_MAX, &document, err);
	if (r < 0)
		return r;
	image_blob_path(descriptor->digest, path);
	r = json_get_array(document, "manifests", &manifests, path, err);
	if (r == 0 && !manifests)
		r = error_set(err, EINVAL, "%s: manifests is missing", path);
	if (r < 0)
		return r == -EINVAL ? damaged(store, err) : r;
	*ret_document = steal_ptr(&document);
	*ret_manifests = manifests;
	return 0;
}

int image_config_read(const struct image_store *store, const struct image_descriptor *descriptor,
	struct image_config *ret, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	char path[80];
	size_t len;
	int r;

	r = image_blob_read(
		store, descriptor->digest, descriptor->size, IMAGE_CONFIG_MAX, &text, &len, err);
	if (r < 0)
		return r;
	image_blob_path(descriptor->digest, path);
	r = image_config_parse(text, len, path, ret, err);
	return r == -EINVAL ? damaged(store, err) : r;
}
