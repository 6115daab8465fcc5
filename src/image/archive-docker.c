/* SPDX-License-Identifier: Apache-2.0 */
/*
 * archive-docker.c - docker-archive tars (moby image/spec v1.2, "Combined Image JSON + Filesystem
 * Changeset Format"): manifest.json is an array of { Config, RepoTags, Layers }, whose paths are
 * entries of the same tar. Every writer since Docker 1.10 makes that file: docker, podman, skopeo,
 * kaniko, bazel; the "repositories" file of before is not looked at.
 *
 * The configuration is kept byte for byte, so the image ID stays what Docker showed; layers get a
 * blob of their own, and an OCI manifest is written over them.
 */
#include "image/archive-file.h"

/* One element of manifest.json; strings are borrowed. */
struct docker_image {
	const char *config;
	char **tags, **layers;
};

static void free_docker_image(struct docker_image *image)
{
	strv_free(image->tags);
	strv_free(image->layers);
}

static int add_layers(const struct image_store *store, const struct archive_file *file,
	const struct image_import_options *options, const struct docker_image *image,
	const struct image_config *config, struct archive_descriptor *layers, struct error *err)
{
	size_t count = strv_length(image->layers);

	if (count != strv_length(config->diff_ids))
		return error_set(err, EBADMSG,
			"its manifest.json names %zu layers, its configuration %zu", count,
			strv_length(config->diff_ids));
	if (count > IMAGE_LAYERS_MAX)
		return error_set(err, E2BIG, "it has more than %d layers", IMAGE_LAYERS_MAX);
	for (size_t i = 0; i < count; i++) {
		char diff_id[IMAGE_DIGEST_LEN + 1];
		struct archive_region region;
		int r = archive_file_find(file, image->layers[i], &region, err);

		if (r < 0)
			return r;
		r = archive_add_layer(store, &region, options->compression, config->diff_ids[i],
			&file->progress, &layers[i], diff_id, err);
		close(region.fd);
		if (r < 0)
			return r;
	}
	return 0;
}

static int set_names(const struct image_store *store, const struct image_import_options *options,
	const struct docker_image *image, const json_t *descriptor, const char *config_digest,
	char ***names, struct error *err)
{
	char *const chosen[] = { (char *)options->name, NULL };
	char *const *tags = options->name ? chosen : image->tags;

	if (!tags || !*tags)
		return archive_set_name(store, NULL, descriptor, config_digest, names, err);
	strv_for_each (tag, tags) {
		_cleanup_free_ char *full = NULL;
		int r = archive_full_name(*tag, &full, err);

		if (r == 0)
			r = archive_set_name(store, full, descriptor, config_digest, names, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int import_image(const struct image_store *store, const struct archive_file *file,
	const struct image_import_options *options, const struct docker_image *image, char ***names,
	struct error *err)
{
	_cleanup_free_ struct archive_descriptor *layers = NULL;
	struct archive_descriptor config_descriptor, manifest;
	_cleanup_json_ json_t *descriptor = NULL;
	_cleanup_free_ char *text = NULL;
	struct image_config config;
	size_t len;
	int r;

	r = archive_file_read(file, image->config, IMAGE_CONFIG_MAX, &text, &len, err);
	if (r == 0)
		r = image_config_parse(text, len, image->config, &config, err);
	if (r < 0)
		return r;
	layers = calloc(strv_length(image->layers) + 1, sizeof(*layers));
	if (!layers)
		r = error_oom(err);
	if (r == 0)
		r = add_layers(store, file, options, image, &config, layers, err);
	if (r == 0)
		r = archive_add_document(
			store, IMAGE_TYPE_OCI_CONFIG, text, &config_descriptor, err);
	if (r == 0)
		r = archive_add_manifest(store, &config_descriptor, layers,
			strv_length(image->layers), &manifest, err);
	if (r == 0) {
		descriptor = archive_descriptor_json(&manifest, &config.platform);
		r = descriptor ? set_names(store, options, image, descriptor,
					 config_descriptor.digest, names, err)
			       : error_oom(err);
	}
	image_config_free(&config);
	return r;
}

static int read_image(const json_t *item, struct docker_image *ret, struct error *err)
{
	struct docker_image image = { 0 };
	int r = json_get_string(item, "Config", &image.config, "manifest.json", err);

	if (r == 0)
		r = json_get_strv(item, "RepoTags", &image.tags, "manifest.json", err);
	if (r == 0)
		r = json_get_strv(item, "Layers", &image.layers, "manifest.json", err);
	if (r == 0 && !image.config)
		r = error_set(err, EBADMSG, "its manifest.json has an image without Config");
	if (r < 0)
		free_docker_image(&image);
	else
		*ret = image;
	return r;
}

int archive_import_docker(const struct image_store *store, const struct archive_file *file,
	const struct image_import_options *options, char ***names, struct error *err)
{
	_cleanup_json_ json_t *document = NULL;
	_cleanup_free_ char *text = NULL;
	json_t *item;
	size_t len, i;
	int r;

	r = archive_file_read(file, "manifest.json", IMAGE_MANIFEST_MAX, &text, &len, err);
	if (r == 0)
		r = json_parse(text, len, "manifest.json", &document, err);
	if (r < 0)
		return r;
	if (!json_is_array(document) || json_array_size(document) == 0)
		return error_set(err, EBADMSG, "its manifest.json names no image");
	if (options->name && json_array_size(document) > 1)
		return error_set(err, EINVAL, "it holds %zu images: they cannot all be called %s",
			json_array_size(document), options->name);
	json_array_foreach (document, i, item) {
		struct docker_image image;

		r = read_image(item, &image, err);
		if (r < 0)
			return r;
		r = import_image(store, file, options, &image, names, err);
		free_docker_image(&image);
		if (r < 0)
			return r;
	}
	return 0;
}
