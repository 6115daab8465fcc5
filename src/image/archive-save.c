/* SPDX-License-Identifier: Apache-2.0 */
/*
 * archive-save.c - images go out into files.
 *
 * There is one content and three wrappings: an OCI layout (oci-layout, index.json, blobs/) as a
 * folder, as a tar, and as a tar with Docker's manifest.json beside it, whose paths point at the
 * same blobs. docker load and podman load read the last by its manifest.json, everything newer by
 * its index.json; layers stay compressed as they are, which all of them understand.
 *
 * The same images give the same bytes. A tar appears under its name only when it is whole.
 */
#include "image/archive-file.h"

#include <sys/stat.h>

#include "base/clock.h"
#include "base/io.h"

#define CONTAINERD_NAME "io.containerd.image.name"

/* What is to be written: descriptors for index.json and the blobs below them. */
struct save_plan {
	const struct image_store *store;
	json_t *manifests; /* elements of the new index.json */
	json_t *docker; /* elements of manifest.json */
	char **blobs; /* digests, without repetition */
	struct archive_progress progress;
};

/* --- planning ------------------------------------------------------------------------------- */

static int need_blob(struct save_plan *plan, const char *digest, struct error *err)
{
	if (strv_contains(plan->blobs, digest))
		return 0;
	return strv_push(&plan->blobs, digest) < 0 ? error_oom(err) : 0;
}

static bool is_stored(const struct image_store *store, const char *digest)
{
	char path[80];

	image_blob_path(digest, path);
	return faccessat(store->images_fd, path, R_OK, 0) == 0;
}

static int need_manifest(
	struct save_plan *plan, const struct image_descriptor *descriptor, struct error *err)
{
	struct image_manifest manifest;
	int r = image_manifest_read(plan->store, descriptor, &manifest, err);

	if (r < 0)
		return r;
	r = need_blob(plan, descriptor->digest, err);
	if (r == 0)
		r = need_blob(plan, manifest.config.digest, err);
	for (size_t i = 0; i < manifest.nr_layers && r == 0; i++)
		r = need_blob(plan, manifest.layers[i].digest, err);
	image_manifest_free(&manifest);
	return r;
}

/* A whole index: 1; 0 when some platform of it is not stored here, so that it cannot be saved. */
static int need_index(
	struct save_plan *plan, const struct image_descriptor *descriptor, struct error *err)
{
	_cleanup_json_ json_t *document = NULL, *inner = json_array();
	struct image_descriptor child;
	json_t *manifests, *item;
	size_t i;
	int r = inner
		? image_index_leaves(plan->store, descriptor, &document, &manifests, inner, err)
		: error_oom(err);

	if (r < 0)
		return r;
	json_array_foreach (manifests, i, item) {
		r = image_descriptor_parse(item, &child, "an index", err);
		if (r < 0)
			return r;
		if (child.kind != IMAGE_KIND_MANIFEST || !is_stored(plan->store, child.digest))
			return 0;
	}
	r = need_blob(plan, descriptor->digest, err);
	json_array_foreach (inner, i, item) {
		if (r == 0)
			r = image_descriptor_parse(item, &child, "an index", err);
		if (r == 0)
			r = need_blob(plan, child.digest, err);
	}
	json_array_foreach (manifests, i, item) {
		if (r == 0)
			r = image_descriptor_parse(item, &child, "an index", err);
		if (r == 0)
			r = need_manifest(plan, &child, err);
	}
	return r < 0 ? r : 1;
}

/* The descriptor with this digest: an entry of index.json, or of the index that one names. */
static int find_descriptor(const struct image_store *store, const struct image *image,
	const char *digest, json_t **ret, struct error *err)
{
	_cleanup_json_ json_t *document = NULL, *nested = NULL;
	json_t *manifests, *children, *item, *child;
	struct image_descriptor descriptor;
	size_t i, k;
	int r = image_index_read(store, &document, &manifests, err);

	if (r < 0)
		return r;
	json_array_foreach (manifests, i, item) {
		r = image_descriptor_parse(item, &descriptor, "index.json", err);
		if (r < 0)
			return r;
		if (streq(descriptor.digest, digest)) {
			*ret = json_deep_copy(item);
			return *ret ? 0 : error_oom(err);
		}
		if (!streq(descriptor.digest, image->target_digest))
			continue;
		r = image_index_leaves(store, &descriptor, &nested, &children, NULL, err);
		if (r < 0)
			return r;
		json_array_foreach (children, k, child) {
			const char *d = json_string_value(json_object_get(child, "digest"));

			if (d && streq(d, digest)) {
				*ret = json_deep_copy(child);
				return *ret ? 0 : error_oom(err);
			}
		}
		break;
	}
	return error_set(err, ENOENT, "the store's index.json does not name %s any more", digest);
}

static int add_docker_entry(struct save_plan *plan, const struct image *image,
	const struct image_descriptor *descriptor, struct error *err)
{
	_cleanup_json_ json_t *entry = NULL, *tags = json_array(), *layers = json_array();
	struct image_reference reference;
	struct image_manifest manifest;
	char path[80];
	int r = image_manifest_read(plan->store, descriptor, &manifest, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < manifest.nr_layers; i++) {
		image_blob_path(manifest.layers[i].digest, path);
		json_array_append_new(layers, json_string(path));
	}
	image_blob_path(manifest.config.digest, path);
	image_manifest_free(&manifest);
	if (image->name && image_reference_parse(image->name, &reference, NULL) == 0) {
		_cleanup_free_ char *familiar = image_reference_familiar(&reference);

		if (reference.tag && !reference.digest && familiar)
			json_array_append_new(tags, json_string(familiar));
		image_reference_free(&reference);
	}
	entry = json_pack("{s:s, s:O, s:O}", "Config", path, "RepoTags",
		json_array_size(tags) ? tags : json_null(), "Layers", layers);
	if (!entry || json_array_append(plan->docker, entry) < 0)
		return error_oom(err);
	return 0;
}

static int add_index_entry(
	struct save_plan *plan, json_t *descriptor, const char *name, struct error *err)
{
	_cleanup_json_ json_t *annotations = NULL;

	json_object_del(descriptor, "annotations");
	if (name) {
		annotations = json_pack(
			"{s:s, s:s}", IMAGE_ANNOTATION_NAME, name, CONTAINERD_NAME, name);
		if (!annotations || json_object_set(descriptor, "annotations", annotations) < 0)
			return error_oom(err);
	}
	return json_array_append(plan->manifests, descriptor) < 0 ? error_oom(err) : 0;
}

/* All platforms where that is possible and nobody asked for one; Docker's format has but one. */
static int plan_descriptor(struct save_plan *plan, const struct image *image, bool one_platform,
	bool docker, struct error *err)
{
	_cleanup_json_ json_t *whole = NULL, *single = NULL;
	struct image_descriptor target, manifest;
	int r = find_descriptor(plan->store, image, image->target_digest, &whole, err);

	if (r == 0)
		r = find_descriptor(plan->store, image, image->manifest_digest, &single, err);
	if (r == 0)
		r = image_descriptor_parse(whole, &target, "index.json", err);
	if (r == 0)
		r = image_descriptor_parse(single, &manifest, "an index", err);
	if (r < 0)
		return r;
	if (!one_platform && !docker && target.kind == IMAGE_KIND_INDEX) {
		r = need_index(plan, &target, err);
		if (r < 0)
			return r;
		if (r > 0)
			return add_index_entry(plan, whole, image->name, err);
	}
	r = need_manifest(plan, &manifest, err);
	if (r == 0 && docker)
		r = add_docker_entry(plan, image, &manifest, err);
	return r < 0 ? r : add_index_entry(plan, single, image->name, err);
}

static int plan_image(struct save_plan *plan, const char *name, const char *platform_text,
	bool docker, struct error *err)
{
	struct image_platform platform;
	struct image image;
	int r = image_platform_parse(platform_text, &platform, err);

	if (r == 0)
		r = image_resolve(plan->store, name, &platform, &image, err);
	if (r < 0)
		return r;
	r = plan_descriptor(plan, &image, platform_text != NULL, docker, err);
	image_free(&image);
	return r;
}

/* --- writing -------------------------------------------------------------------------------- */

struct save_output;

/* One file of the layout: `text`, or what fd holds. */
typedef int (*save_put_fn)(struct save_output *out, const char *path, const char *text, int fd,
	uint64_t size, struct error *err);

struct save_output {
	save_put_fn put;
	struct archive_step step; /* the blob being written */
	int fd; /* of the folder, or of the tar */
	struct tar_writer writer;
	char buffer[ARCHIVE_BUFFER_SIZE];
};

static int write_tar(struct tar_writer *writer, const void *bytes, size_t size)
{
	struct save_output *out = container_of(writer, struct save_output, writer);

	return io_write_full(out->fd, bytes, size);
}

static int put_in_tar(struct save_output *out, const char *path, const char *text, int fd,
	uint64_t size, struct error *err)
{
	const struct tar_entry entry = {
		.type = TAR_FILE,
		.name = path,
		.link = "",
		.mode = 0644,
		.size = size,
	};
	int r = tar_writer_entry(&out->writer, &entry, err);

	if (r < 0 || text)
		return r < 0 ? r : tar_writer_data(&out->writer, text, size, err);
	while (size) {
		size_t want = size < sizeof(out->buffer) ? (size_t)size : sizeof(out->buffer);

		r = io_read_full(fd, out->buffer, want);
		if (r < 0)
			return error_errno(err, r, "cannot read %s", path);
		r = tar_writer_data(&out->writer, out->buffer, want, err);
		if (r < 0)
			return r;
		archive_step_advance(&out->step, want);
		size -= want;
	}
	return 0;
}

/* Shares the blocks where the file system can. */
static int copy_bytes(int from, int to, uint64_t size, char *buffer)
{
	while (size) {
		ssize_t n = copy_file_range(from, NULL, to, NULL, size, 0);
		int r;

		if (n <= 0) { /* not between these two */
			n = size < ARCHIVE_BUFFER_SIZE ? (ssize_t)size : ARCHIVE_BUFFER_SIZE;
			r = io_read_full(from, buffer, (size_t)n);
			if (r == 0)
				r = io_write_full(to, buffer, (size_t)n);
			if (r < 0)
				return r;
		}
		size -= (uint64_t)n;
	}
	return 0;
}

static int put_in_folder(struct save_output *out, const char *path, const char *text, int fd,
	uint64_t size, struct error *err)
{
	_cleanup_close_ int to = openat(
		out->fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	int r = 0;

	if (to < 0)
		return error_errno(err, errno, "cannot create %s", path);
	if (text)
		r = io_write_full(to, text, size);
	else
		r = copy_bytes(fd, to, size, out->buffer);
	return r < 0 ? error_errno(err, r, "cannot write %s", path) : 0;
}

static int put_document(
	struct save_output *out, const char *path, const json_t *document, struct error *err)
{
	_cleanup_free_ char *text = json_dumps(document, JSON_COMPACT);

	return text ? out->put(out, path, text, -1, strlen(text), err) : error_oom(err);
}

static int put_blob(const struct save_plan *plan, struct save_output *out, const char *digest,
	struct error *err)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	char path[80];
	int r;

	image_blob_path(digest, path);
	fd = openat(plan->store->images_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, errno, "cannot open %s/images/%s", plan->store->root, path);
	out->step = (struct archive_step){
		.progress = &plan->progress,
		.name = digest,
		.phase = "Writing",
		.total = (uint64_t)st.st_size,
	};
	r = out->put(out, path, NULL, fd, (uint64_t)st.st_size, err);
	if (r == 0)
		archive_step_end(&out->step, "Saved");
	return r;
}

static int put_all(const struct save_plan *plan, struct save_output *out, struct error *err)
{
	static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
	_cleanup_json_ json_t *index = json_pack("{s:i, s:s, s:O}", "schemaVersion", 2, "mediaType",
		IMAGE_TYPE_OCI_INDEX, "manifests", plan->manifests);
	int r;

	if (!index)
		return error_oom(err);
	r = out->put(out, "oci-layout", layout, -1, strlen(layout), err);
	if (r == 0)
		r = put_document(out, "index.json", index, err);
	if (r == 0 && json_array_size(plan->docker))
		r = put_document(out, "manifest.json", plan->docker, err);
	strv_for_each (digest, plan->blobs) {
		if (r == 0)
			r = put_blob(plan, out, *digest, err);
	}
	return r;
}

static int save_folder(const struct save_plan *plan, const char *path, struct error *err)
{
	_cleanup_free_ struct save_output *out = calloc(1, sizeof(*out));
	int r;

	if (!out)
		return error_oom(err);
	if (mkdir(path, 0755) < 0)
		return error_errno(err, errno, "cannot make folder %s", path);
	out->put = put_in_folder;
	out->fd = io_open_dir(AT_FDCWD, path);
	r = out->fd < 0 ? error_errno(err, out->fd, "cannot open %s", path)
			: io_make_dirs(out->fd, "blobs/sha256", 0755, err);
	if (r == 0)
		r = put_all(plan, out, err);
	if (out->fd >= 0)
		close(out->fd);
	if (r < 0)
		io_remove_tree(AT_FDCWD, path, NULL);
	return r;
}

static int write_archive(const struct save_plan *plan, int fd, struct error *err)
{
	_cleanup_free_ struct save_output *out = calloc(1, sizeof(*out));
	int r;

	if (!out)
		return error_oom(err);
	out->put = put_in_tar;
	out->fd = fd;
	out->writer.write = write_tar;
	r = put_all(plan, out, err);
	return r < 0 ? r : tar_writer_finish(&out->writer, err);
}

static int save_archive(const struct save_plan *plan, const char *path, struct error *err)
{
	_cleanup_free_ char *temporary = NULL;
	_cleanup_close_ int fd = -1;
	char random[13];
	struct stat st;
	int r;

	if (streq(path, "-"))
		return write_archive(plan, 1, err);
	/* A device or a pipe is written to, never replaced. */
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		fd = open(path, O_WRONLY | O_CLOEXEC);
		return fd < 0 ? error_errno(err, errno, "cannot open %s", path)
			      : write_archive(plan, fd, err);
	}
	io_random_hex(random, 6);
	temporary = strf("%s.tmp-%s", path, random);
	if (!temporary)
		return error_oom(err);
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return error_errno(err, errno, "cannot create %s", temporary);
	r = write_archive(plan, fd, err);
	if (r == 0 && rename(temporary, path) < 0)
		r = error_errno(err, errno, "cannot create %s", path);
	if (r < 0)
		unlink(temporary);
	return r;
}

int image_save(const struct image_store *store, char *const *names, const char *path,
	enum image_archive_format format, const char *platform, struct image_progress *progress,
	struct error *err)
{
	struct save_plan plan = {
		.progress = { progress, clock_monotonic_ns() },
		.store = store,
		.manifests = json_array(),
		.docker = json_array(),
	};
	int lock, r = 0;

	lock = image_store_lock(store, false, err);
	if (lock < 0)
		r = lock;
	else if (!plan.manifests || !plan.docker)
		r = error_oom(err);
	strv_for_each (name, names) {
		if (r == 0)
			r = plan_image(&plan, *name, platform, format == IMAGE_ARCHIVE_DOCKER, err);
	}
	if (r == 0)
		r = format == IMAGE_ARCHIVE_OCI_DIR ? save_folder(&plan, path, err)
						    : save_archive(&plan, path, err);
	if (lock >= 0)
		close(lock);
	json_decref(plan.manifests);
	json_decref(plan.docker);
	strv_free(plan.blobs);
	return r;
}
