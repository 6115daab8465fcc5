/* SPDX-License-Identifier: Apache-2.0 */
/*
 * archive-import.c - images come in from files: which format, under which names; and the OCI
 * formats (image-spec image-layout.md), a folder or the tar of one.
 *
 * An OCI layout is copied blob by blob, each verified against its digest on the way in. Of an
 * index, the platforms that the layout holds are taken; others stay names without content, as in an
 * index pulled for one platform.
 */
#include "image/archive-file.h"

#include "base/clock.h"
#include "image/layer.h"

#define CONTAINERD_NAME "io.containerd.image.name"

int archive_full_name(const char *text, char **ret, struct error *err)
{
	struct image_reference reference;
	int r = image_reference_parse(text, &reference, err);

	if (r < 0)
		return r;
	*ret = image_reference_full(&reference);
	image_reference_free(&reference);
	return *ret ? 0 : error_oom(err);
}

int archive_set_name(const struct image_store *store, const char *full_name,
	const json_t *descriptor, const char *config_digest, char ***names, struct error *err)
{
	const char *name = full_name ? full_name : config_digest;
	int r = image_store_set_name(store, full_name, descriptor, err);

	if (r < 0)
		return r;
	if (!strv_contains(*names, name) && strv_push(names, name) < 0)
		return error_oom(err);
	return 0;
}

/* --- OCI layouts ---------------------------------------------------------------------------- */

struct oci_import {
	const struct image_store *store;
	const struct archive_file *file;
	const struct image_import_options *options;
	bool any_platform; /* unpack whatever it is for */
	struct image_platform platform; /* unpack this one */
	/* What was found for the last name: whether anything could be run, and its image ID. */
	bool found;
	char config_digest[IMAGE_DIGEST_LEN + 1];
};

/* Copy one blob, checking it. -ENOENT when the layout does not have it. */
static int copy_blob(
	struct oci_import *import, const struct image_descriptor *descriptor, struct error *err)
{
	_cleanup_blob_writer_ struct image_blob_writer writer = IMAGE_BLOB_WRITER_INIT;
	_cleanup_archive_source_ struct archive_source *source = NULL;
	struct archive_step step = {
		.progress = &import->file->progress,
		.name = descriptor->digest,
		.phase = "Reading",
		.total = descriptor->size,
	};
	struct archive_region region;
	char name[80];
	const void *bytes;
	ssize_t n;
	int r;

	image_blob_path(descriptor->digest, name);
	r = archive_file_find(import->file, name, &region, err);
	if (r < 0)
		return r;
	r = image_blob_writer_open(import->store, descriptor->digest, descriptor->size,
		IMAGE_BLOB_NO_RESUME, &writer, err);
	if (r == 0)
		r = archive_source_open(&region, true, &source, err);
	if (source) {
		source->step = &step;
		while ((n = source->source.read(&source->source, &bytes, err)) > 0 && r == 0)
			r = image_blob_writer_write(&writer, bytes, (size_t)n, err);
		r = n < 0 ? (int)n : r;
		if (r == 0)
			r = image_blob_writer_commit(&writer, NULL, err);
		if (r == 0)
			archive_step_end(&step, "Import complete");
	}
	close(region.fd);
	return r < 0 ? r : 0;
}

static int unpack_layers(struct oci_import *import, const struct image_manifest *manifest,
	const struct image_config *config, struct error *err)
{
	_cleanup_free_ const char **digests = NULL;

	if (strv_length(config->diff_ids) != manifest->nr_layers)
		return error_set(err, EBADMSG, "its manifest and configuration disagree on layers");
	digests = calloc(manifest->nr_layers + 1, sizeof(*digests));
	if (!digests)
		return error_oom(err);
	for (size_t i = 0; i < manifest->nr_layers; i++)
		digests[i] = manifest->layers[i].digest;
	return image_layers_unpack(import->store, digests, config->diff_ids, err);
}

/* Everything a manifest (which is stored) names. */
static int copy_manifest_content(
	struct oci_import *import, const struct image_manifest *manifest, struct error *err)
{
	struct image_config config;
	int r = copy_blob(import, &manifest->config, err);

	for (size_t i = 0; i < manifest->nr_layers && r == 0; i++)
		r = copy_blob(import, &manifest->layers[i], err);
	if (r < 0 || !manifest->is_image)
		return r;
	r = image_config_read(import->store, &manifest->config, &config, err);
	if (r < 0)
		return r;
	if (import->any_platform || image_platform_matches(&import->platform, &config.platform))
		r = unpack_layers(import, manifest, &config, err);
	image_config_free(&config);
	if (r == 0) {
		import->found = true;
		memcpy(import->config_digest, manifest->config.digest, IMAGE_DIGEST_LEN + 1);
	}
	return r;
}

static int copy_target(struct oci_import *import, const struct image_descriptor *descriptor,
	int depth, struct error *err);

static int copy_index(struct oci_import *import, const struct image_descriptor *descriptor,
	int depth, struct error *err)
{
	_cleanup_json_ json_t *document = NULL;
	json_t *manifests, *item;
	size_t i;
	int r = image_nested_index_read(import->store, descriptor, &document, &manifests, err);

	if (r < 0)
		return r;
	json_array_foreach (manifests, i, item) {
		struct image_descriptor child;
		struct archive_region region;
		char name[80];

		r = image_descriptor_parse(item, &child, "an index", err);
		if (r < 0)
			return r;
		image_blob_path(child.digest, name);
		r = archive_file_find(import->file, name, &region, NULL);
		if (r == -ENOENT)
			continue; /* a platform that was not exported */
		if (r == 0) {
			close(region.fd);
			r = copy_target(import, &child, depth + 1, err);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* A manifest or an index with all that hangs from it. */
static int copy_target(struct oci_import *import, const struct image_descriptor *descriptor,
	int depth, struct error *err)
{
	struct image_manifest manifest;
	int r;

	if (depth > IMAGE_INDEX_DEPTH_MAX)
		return error_set(err, EBADMSG, "it has indexes inside indexes without end");
	if (descriptor->size > IMAGE_MANIFEST_MAX)
		return error_set(err, EFBIG, "its manifest %s is too large", descriptor->digest);
	r = copy_blob(import, descriptor, err);
	if (r < 0 || descriptor->kind == IMAGE_KIND_OTHER)
		return r;
	if (descriptor->kind == IMAGE_KIND_INDEX)
		return copy_index(import, descriptor, depth, err);
	r = image_manifest_read(import->store, descriptor, &manifest, err);
	if (r < 0)
		return r;
	r = copy_manifest_content(import, &manifest, err);
	image_manifest_free(&manifest);
	return r;
}

/* The reference an entry of index.json is to get; *ret stays NULL when it has none. A bare word in
 * the annotation is a tag (image-spec annotations.md): the file's own name goes before it. */
static int choose_name(struct oci_import *import, const json_t *item, char **ret, struct error *err)
{
	const char *name = import->options->name, *slash;
	const json_t *annotations = json_object_get(item, "annotations");
	_cleanup_free_ char *made = NULL;

	if (!name)
		name = json_string_value(json_object_get(annotations, CONTAINERD_NAME));
	if (!name)
		name = json_string_value(json_object_get(annotations, IMAGE_ANNOTATION_NAME));
	if (!name)
		return 0;
	if (!import->options->name && !strpbrk(name, ":/")) {
		slash = strrchr(import->file->path, '/');
		slash = slash && slash[1] ? slash + 1 : import->file->path;
		made = strf("%.*s:%s", (int)strcspn(slash, "."), slash, name);
		if (!made)
			return error_oom(err);
		if (archive_full_name(made, ret, NULL) == 0)
			return 0;
	}
	return archive_full_name(name, ret, err);
}

static int import_entry(
	struct oci_import *import, const json_t *item, char ***names, struct error *err)
{
	_cleanup_json_ json_t *descriptor = json_deep_copy(item);
	_cleanup_free_ char *name = NULL;
	struct image_descriptor target;
	int r;

	if (!descriptor)
		return error_oom(err);
	r = image_descriptor_parse(item, &target, "index.json", err);
	if (r == 0)
		r = choose_name(import, item, &name, err);
	if (r == 0) {
		import->found = false;
		r = copy_target(import, &target, 0, err);
	}
	if (r < 0)
		return r;
	if (!import->found && target.kind != IMAGE_KIND_OTHER)
		return error_set(
			err, EBADMSG, "it holds no platform of %s", name ? name : target.digest);
	json_object_del(descriptor, "annotations");
	return archive_set_name(import->store, name, descriptor,
		import->found ? import->config_digest : target.digest, names, err);
}

int archive_import_oci(const struct image_store *store, const struct archive_file *file,
	const struct image_import_options *options, char ***names, struct error *err)
{
	struct oci_import import = { .store = store, .file = file, .options = options };
	_cleanup_json_ json_t *document = NULL;
	_cleanup_free_ char *text = NULL;
	json_t *manifests = NULL, *item;
	size_t len, i;
	int r;

	r = archive_file_read(file, "index.json", IMAGE_INDEX_MAX, &text, &len, err);
	if (r == 0)
		r = json_parse(text, len, "index.json", &document, err);
	if (r == 0)
		r = json_get_array(document, "manifests", &manifests, "index.json", err);
	if (r == 0)
		r = image_platform_parse(options->platform, &import.platform, err);
	if (r < 0)
		return r;
	if (json_array_size(manifests) == 0)
		return error_set(err, EBADMSG, "its index.json names no image");
	if (options->name && json_array_size(manifests) > 1)
		return error_set(err, EINVAL, "it holds %zu images: they cannot all be called %s",
			json_array_size(manifests), options->name);
	import.any_platform = json_array_size(manifests) == 1 && !options->platform;
	json_array_foreach (manifests, i, item) {
		r = import_entry(&import, item, names, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- all formats ---------------------------------------------------------------------------- */

static int import_opened(const struct image_store *store, const struct archive_file *file,
	const struct image_import_options *options, char ***names, struct error *err)
{
	if (file->format == IMAGE_ARCHIVE_ROOTFS && options->images_only)
		return error_set(err, EINVAL,
			"it is neither a docker-archive nor an oci-archive; `import` makes an image of a root filesystem");
	if (file->format == IMAGE_ARCHIVE_ROOTFS)
		return archive_import_rootfs(store, file, options, names, err);
	if (options->changes || options->message || options->add_platform)
		return error_set(err, EINVAL,
			"it is an image, not a root filesystem: it cannot be changed while it is imported");
	if (file->format == IMAGE_ARCHIVE_DOCKER)
		return archive_import_docker(store, file, options, names, err);
	return archive_import_oci(store, file, options, names, err);
}

int image_import(const struct image_store *store, const char *path,
	const struct image_import_options *options, char ***ret_names, struct error *err)
{
	const int64_t started_ns = clock_monotonic_ns();
	_cleanup_strv_ char **names = NULL;
	struct archive_file file;
	int lock, r;

	/* Held until the names are set: only then does anything reach the new blobs. */
	lock = image_store_lock(store, false, err);
	if (lock < 0)
		return lock;
	r = archive_file_open(store, path, options->format, &file, err);
	if (r == 0) {
		file.progress = (struct archive_progress){ options->progress, started_ns };
		r = import_opened(store, &file, options, &names, err);
		if (r < 0)
			error_prefix(err, "cannot import %s", file.path);
		archive_file_close(&file);
	}
	close(lock);
	if (r == 0)
		r = image_layers_settle(store, false, err);
	if (r == 0)
		*ret_names = steal_ptr(&names);
	return r;
}
