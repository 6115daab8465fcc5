/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake.h - hand-made images in a store of the test's own: documents are put in as blobs, layers are
 * empty folders with the right name.
 */
#pragma once

#include "unit/test.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/io.h"
#include "image/blob.h"

/* A diff ID or digest of one repeated hexadecimal digit, for tests that need "some" digest. */
static inline char *fake_digest(char digit)
{
	char hex[65];

	memset(hex, digit, 64);
	hex[64] = '\0';
	return strf("sha256:%s", hex);
}

struct fake_image {
	char config[IMAGE_DIGEST_LEN + 1], manifest[IMAGE_DIGEST_LEN + 1];
	char layer_blob[IMAGE_DIGEST_LEN + 1];
	char *diff_id;
	size_t manifest_size;
};

static inline char *fake_put(const struct image_store *store, const char *text, size_t *ret_len)
{
	char digest[IMAGE_DIGEST_LEN + 1];

	assert_int_equal(image_blob_put(store, text, strlen(text), digest, NULL), 0);
	if (ret_len)
		*ret_len = strlen(text);
	return strdup(digest);
}

/* One layer, unpacked; `digit` makes it different from others. */
static inline void fake_make_image(const struct image_store *store, const char *architecture,
	char digit, struct fake_image *ret)
{
	_cleanup_free_ char *layer_text = strf("layer %c", digit);
	_cleanup_free_ char *config = NULL, *manifest = NULL;

	ret->diff_id = fake_digest(digit);
	assert_int_equal(
		image_blob_put(store, layer_text, strlen(layer_text), ret->layer_blob, NULL), 0);
	mkdirat(store->layers_fd, image_digest_hex(ret->diff_id), 0755);
	config = strf("{\"architecture\":\"%s\",\"os\":\"linux\","
		      "\"created\":\"2020-01-02T03:04:05Z\",\"config\":{\"Cmd\":[\"sh\"]},"
		      "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"%s\"]}}",
		architecture, ret->diff_id);
	assert_int_equal(image_blob_put(store, config, strlen(config), ret->config, NULL), 0);
	manifest = strf("{\"schemaVersion\":2,\"config\":{\"mediaType\":\"" IMAGE_TYPE_OCI_CONFIG
			"\",\"digest\":\"%s\",\"size\":%zu},\"layers\":[{\"mediaType\":"
			"\"" IMAGE_TYPE_OCI_LAYER "\",\"digest\":\"%s\",\"size\":%zu}]}",
		ret->config, strlen(config), ret->layer_blob, strlen(layer_text));
	assert_int_equal(image_blob_put(store, manifest, strlen(manifest), ret->manifest, NULL), 0);
	ret->manifest_size = strlen(manifest);
}

/* An index of two platforms, as JSON text. */
static inline char *fake_index_text(
	const struct fake_image *amd64, const struct fake_image *riscv64)
{
	return strf("{\"schemaVersion\":2,\"mediaType\":\"" IMAGE_TYPE_OCI_INDEX
		    "\",\"manifests\":["
		    "{\"mediaType\":\"" IMAGE_TYPE_OCI_MANIFEST "\",\"digest\":\"%s\",\"size\":%zu,"
		    "\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}},"
		    "{\"mediaType\":\"" IMAGE_TYPE_OCI_MANIFEST "\",\"digest\":\"%s\",\"size\":%zu,"
		    "\"platform\":{\"os\":\"linux\",\"architecture\":\"riscv64\"}}]}",
		amd64->manifest, amd64->manifest_size, riscv64->manifest, riscv64->manifest_size);
}

static inline void fake_name(const struct image_store *store, const char *name, const char *type,
	const char *digest, size_t size)
{
	_cleanup_json_ json_t *descriptor = json_pack(
		"{s:s, s:s, s:I}", "mediaType", type, "digest", digest, "size", (json_int_t)size);

	assert_int_equal(image_store_set_name(store, name, descriptor, NULL), 0);
}

static inline bool fake_blob_exists(const struct image_store *store, const char *digest)
{
	char path[80];

	image_blob_path(digest, path);
	return faccessat(store->images_fd, path, F_OK, 0) == 0;
}

static inline bool fake_layer_exists(const struct image_store *store, const char *diff_id)
{
	return faccessat(store->layers_fd, image_digest_hex(diff_id), F_OK, 0) == 0;
}

/* Overwrite a stored blob in place, as a disk or a careless tool would. */
static inline void fake_damage(
	const struct image_store *store, const char *digest, const char *text)
{
	_cleanup_close_ int fd = -1;
	char path[80];

	image_blob_path(digest, path);
	fd = openat(store->images_fd, path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(io_write_full(fd, text, strlen(text)), 0);
}
