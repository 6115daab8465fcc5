/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.c - the image store on disk: making and opening it, its two locks, and index.json.
 *
 * ROOT/locks/images guards the content. Whoever relies on content that index.json does not reach
 * yet (a transfer) or that no instance pins yet (a create) holds it shared; the collector, alone,
 * exclusively. ROOT/locks/index guards index.json against lost updates: exclusive from reading to
 * replacing it, for milliseconds. Readers of index.json need neither: it is replaced atomically.
 * Order: images before index.
 *
 * The layout's files are made in a folder of another name that is renamed in place, so ROOT/images
 * either is a complete layout or is not there.
 */
#include "image/internal.h"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <linux/fs.h>

#include "base/io.h"

/* Programs in the layers may be set-uid: other users of the host must not reach them. */
#define ROOT_MODE   0710
#define LAYERS_MODE 0710
#define IMAGES_MODE 0755

#define LAYOUT_FILE "oci-layout"
#define LAYOUT_TEXT "{\"imageLayoutVersion\":\"1.0.0\"}\n"
#define INDEX_FILE  "index.json"
#define INDEX_INITIAL                                                                              \
	"{\"schemaVersion\":2,\"mediaType\":\"" IMAGE_TYPE_OCI_INDEX "\",\"manifests\":[]}\n"

/* --- making and opening --- */

static int make_layout(int root_fd, const char *root, struct error *err)
{
	char name[32], random[9];
	_cleanup_close_ int fd = -1;
	int r;

	io_random_hex(random, 4);
	snprintf(name, sizeof(name), ".new-images-%s", random);
	r = io_make_dirs(root_fd, name, IMAGES_MODE, err);
	if (r < 0)
		return r;
	fd = io_open_dir(root_fd, name);
	if (fd < 0)
		r = error_errno(err, fd, "cannot open %s/%s", root, name);
	if (r == 0)
		r = io_make_dirs(fd, "blobs/sha256", IMAGES_MODE, err);
	if (r == 0)
		r = io_replace_file(
			fd, LAYOUT_FILE, 0644, LAYOUT_TEXT, strlen(LAYOUT_TEXT), IO_DURABLE, err);
	if (r == 0)
		r = io_replace_file(fd, INDEX_FILE, 0644, INDEX_INITIAL, strlen(INDEX_INITIAL),
			IO_DURABLE, err);
	if (r == 0 &&
		syscall(SYS_renameat2, root_fd, name, root_fd, "images", RENAME_NOREPLACE) < 0 &&
		errno != EEXIST)
		r = error_errno(err, errno, "cannot create %s/images", root);
	/* Gone after the rename; still there when we failed or another process was first. */
	io_remove_tree(root_fd, name, NULL);
	return r;
}

/* Made under a name of its own and renamed, so that nobody sees half of it. */
static int make_skeleton(int layers_fd, const char *root, struct error *err)
{
	static const char *const dirs[] = { "", "/dev", "/etc", "/proc", "/sys" };
	static const char *const files[] = { "/etc/hostname", "/etc/hosts", "/etc/resolv.conf" };
	char temporary[] = IMAGE_TEMPORARY_PREFIX IMAGE_SKELETON "-0123456789ab", path[64];
	int r = 0;

	io_random_hex(strrchr(temporary, '-') + 1, 6);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), "%s%s", temporary, dirs[i]);
		if (mkdirat(layers_fd, path, 0755) < 0 || fchmodat(layers_fd, path, 0755, 0) < 0)
			r = -errno;
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(files); i++) {
		_cleanup_close_ int fd = -1;

		snprintf(path, sizeof(path), "%s%s", temporary, files[i]);
		fd = openat(layers_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd < 0 || fchmod(fd, 0644) < 0)
			r = -errno;
	}
	if (r == 0 && renameat(layers_fd, temporary, layers_fd, IMAGE_SKELETON) < 0)
		r = errno == EEXIST || errno == ENOTEMPTY ? 0 : -errno;
	/* Gone after the rename; else somebody was quicker, or we failed. */
	io_remove_tree(layers_fd, temporary, NULL);
	return r < 0 ? error_errno(err, r, "cannot make %s/layers/" IMAGE_SKELETON, root) : 0;
}

static int open_or_make(const char *root, struct image_store *store, struct error *err)
{
	int r;

	store->root_fd = io_open_dir(AT_FDCWD, root);
	if (store->root_fd == -ENOENT) {
		r = io_make_dirs(AT_FDCWD, root, ROOT_MODE, err);
		if (r < 0)
			return r;
		store->root_fd = io_open_dir(AT_FDCWD, root);
	}
	if (store->root_fd < 0)
		return error_errno(err, store->root_fd, "cannot open the state root %s", root);
	store->images_fd = io_open_dir(store->root_fd, "images");
	if (store->images_fd == -ENOENT) {
		r = make_layout(store->root_fd, root, err);
		if (r < 0)
			return r;
		store->images_fd = io_open_dir(store->root_fd, "images");
	}
	if (store->images_fd < 0)
		return error_errno(err, store->images_fd, "cannot open %s/images", root);
	store->layers_fd = io_open_dir(store->root_fd, "layers");
	if (store->layers_fd == -ENOENT) {
		r = io_make_dirs(store->root_fd, "layers", LAYERS_MODE, err);
		if (r < 0)
			return r;
		store->layers_fd = io_open_dir(store->root_fd, "layers");
	}
	if (store->layers_fd < 0)
		return error_errno(err, store->layers_fd, "cannot open %s/layers", root);
	if (faccessat(store->layers_fd, IMAGE_SKELETON, F_OK, 0) == 0)
		return 0;
	return make_skeleton(store->layers_fd, root, err);
}

int image_store_open(const char *root, struct image_store *ret, struct error *err)
{
	struct image_store store = { .root_fd = -1, .images_fd = -1, .layers_fd = -1 };
	int r;

	store.root = strdup(root);
	if (!store.root)
		return error_oom(err);
	r = open_or_make(root, &store, err);
	if (r < 0) {
		image_store_close(&store);
		return r;
	}
	*ret = store;
	return 0;
}

void image_store_close(struct image_store *store)
{
	cleanup_close(&store->root_fd);
	cleanup_close(&store->images_fd);
	cleanup_close(&store->layers_fd);
	free(store->root);
	*store = (struct image_store){ .root_fd = -1, .images_fd = -1, .layers_fd = -1 };
}

/* --- locks --- */

static int open_lock(const struct image_store *store, const char *path, struct error *err)
{
	int fd = openat(store->root_fd, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 && errno == ENOENT) {
		if (mkdirat(store->root_fd, "locks", 0700) < 0 && errno != EEXIST)
			return error_errno(err, errno, "cannot create %s/locks", store->root);
		fd = openat(store->root_fd, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	}
	if (fd < 0)
		return error_errno(err, errno, "cannot open %s/%s", store->root, path);
	return fd;
}

static int take_lock(
	const struct image_store *store, const char *path, bool exclusive, struct error *err)
{
	_cleanup_close_ int fd = open_lock(store, path, err);
	int r;

	if (fd < 0)
		return fd;
	r = io_lock(fd, exclusive);
	if (r < 0)
		return error_errno(err, r, "cannot lock %s/%s", store->root, path);
	return steal_fd(&fd);
}

int image_store_lock(const struct image_store *store, bool exclusive, struct error *err)
{
	return take_lock(store, "locks/images", exclusive, err);
}

int image_store_lock_index(const struct image_store *store, struct error *err)
{
	return take_lock(store, "locks/index", true, err);
}

int image_store_try_lock_exclusive(const struct image_store *store, struct error *err)
{
	_cleanup_close_ int fd = open_lock(store, "locks/images", err);
	int r;

	if (fd < 0)
		return fd;
	r = io_try_lock(fd, true);
	if (r == -EWOULDBLOCK)
		return error_set(err, EWOULDBLOCK,
			"images in %s are being transferred or used by a starting instance",
			store->root);
	if (r < 0)
		return error_errno(err, r, "cannot lock %s/locks/images", store->root);
	return steal_fd(&fd);
}

/* --- documents --- */

void image_blob_path(const char *digest, char buf[80])
{
	snprintf(buf, 80, "blobs/sha256/%.64s", image_digest_hex(digest));
}

int image_document_parse(const struct image_store *store, const char *path, const char *text,
	size_t len, json_t **ret, struct error *err)
{
	_cleanup_free_ char *what = strf("%s/images/%s", store->root, path);
	int r;

	if (!what)
		return error_oom(err);
	r = json_parse(text, len, what, ret, err);
	if (r == -EINVAL && err)
		err->code = EBADMSG;
	return r == -EINVAL ? -EBADMSG : r;
}

int image_blob_read(const struct image_store *store, const char *digest, uint64_t size,
	size_t max_bytes, char **ret, size_t *ret_len, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	char path[80];
	size_t len;
	int r;

	image_blob_path(digest, path);
	r = io_read_file(store->images_fd, path, max_bytes, &text, &len, err);
	if (r == -ENOENT)
		return error_set(err, ENOENT, "%s/images/%s is missing", store->root, path);
	if (r < 0) {
		error_prefix(err, "%s/images", store->root);
		return r;
	}
	if (size != UINT64_MAX && len != size)
		return error_set(err, EBADMSG, "%s/images/%s is damaged: %zu bytes instead of %llu",
			store->root, path, len, (unsigned long long)size);
	*ret = steal_ptr(&text);
	*ret_len = len;
	return 0;
}

int image_blob_read_json(const struct image_store *store, const char *digest, uint64_t size,
	size_t max_bytes, json_t **ret, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	char path[80];
	size_t len;
	int r = image_blob_read(store, digest, size, max_bytes, &text, &len, err);

	if (r < 0)
		return r;
	image_blob_path(digest, path);
	return image_document_parse(store, path, text, len, ret, err);
}

/* --- index.json --- */

int image_index_read(const struct image_store *store, json_t **ret_document, json_t **ret_manifests,
	struct error *err)
{
	_cleanup_json_ json_t *document = NULL;
	_cleanup_free_ char *text = NULL;
	json_t *manifests = NULL;
	size_t len;
	int r;

	r = io_read_file(store->images_fd, INDEX_FILE, IMAGE_INDEX_MAX, &text, &len, err);
	if (r < 0) {
		error_prefix(err, "%s/images", store->root);
		return r;
	}
	r = image_document_parse(store, INDEX_FILE, text, len, &document, err);
	if (r < 0)
		return r;
	r = json_get_array(document, "manifests", &manifests, INDEX_FILE, err);
	if (r == 0 && !manifests)
		r = error_set(err, EINVAL, INDEX_FILE ": manifests is missing");
	if (r < 0) {
		error_prefix(err, "%s/images is damaged", store->root);
		return error_code(err, EBADMSG);
	}
	*ret_document = steal_ptr(&document);
	*ret_manifests = manifests;
	return 0;
}

int image_index_write(const struct image_store *store, const json_t *document, struct error *err)
{
	_cleanup_free_ char *text = json_dumps(document, JSON_COMPACT);

	if (!text)
		return error_oom(err);
	if (strlen(text) > IMAGE_INDEX_MAX)
		return error_set(
			err, EFBIG, "the store %s/images has too many images", store->root);
	return io_replace_file(
		store->images_fd, INDEX_FILE, 0644, text, strlen(text), IO_DURABLE, err);
}

const char *image_entry_name(const json_t *entry)
{
	return json_string_value(
		json_object_get(json_object_get(entry, "annotations"), IMAGE_ANNOTATION_NAME));
}

const char *image_entry_digest(const json_t *entry)
{
	const char *digest = json_string_value(json_object_get(entry, "digest"));

	return digest ? digest : "";
}

/* Is there an entry of that digest, other than number `but`? */
static bool digest_has_entry(const json_t *manifests, const char *digest, size_t but)
{
	json_t *entry;
	size_t i;

	json_array_foreach (manifests, i, entry) {
		if (i != but && streq(image_entry_digest(entry), digest))
			return true;
	}
	return false;
}

/* Take the name away from entry i: it stays as an image without a name unless another entry keeps
 * it, so that content is only ever lost by `rmi` and `prune`. */
static int drop_name(json_t *manifests, size_t i)
{
	json_t *entry = json_array_get(manifests, i);

	if (digest_has_entry(manifests, image_entry_digest(entry), i))
		return json_array_remove(manifests, i);
	json_object_del(json_object_get(entry, "annotations"), IMAGE_ANNOTATION_NAME);
	return 0;
}

int image_index_set(json_t *manifests, const char *name, const json_t *descriptor)
{
	_cleanup_json_ json_t *entry = json_deep_copy(descriptor);
	json_t *annotations, *old;
	const char *digest = image_entry_digest(descriptor);
	size_t i;

	if (!entry)
		return -ENOMEM;
	annotations = json_object_get(entry, "annotations");
	if (!json_is_object(annotations)) {
		annotations = json_object();
		if (json_object_set_new(entry, "annotations", annotations) < 0)
			return -ENOMEM;
	}
	if (name ? json_object_set_new(annotations, IMAGE_ANNOTATION_NAME, json_string(name)) < 0
		 : (json_object_del(annotations, IMAGE_ANNOTATION_NAME), false))
		return -ENOMEM;
	if (!name && digest_has_entry(manifests, digest, SIZE_MAX))
		return 0;
	for (i = 0; name && i < json_array_size(manifests); i++) {
		old = json_array_get(manifests, i);
		if (!streq_ptr(image_entry_name(old), name))
			continue;
		if (streq(image_entry_digest(old), digest))
			return json_array_set(manifests, i, entry) < 0 ? -ENOMEM : 0;
		if (drop_name(manifests, i) < 0)
			return -ENOMEM;
		break;
	}
	/* The nameless entry of the same image has a name now. */
	json_array_foreach (manifests, i, old) {
		if (!image_entry_name(old) && streq(image_entry_digest(old), digest))
			return json_array_set(manifests, i, entry) < 0 ? -ENOMEM : 0;
	}
	return json_array_append(manifests, entry) < 0 ? -ENOMEM : 0;
}

int image_store_set_name(const struct image_store *store, const char *name,
	const json_t *descriptor, struct error *err)
{
	_cleanup_json_ json_t *document = NULL;
	_cleanup_close_ int lock = -1;
	struct image_descriptor checked;
	json_t *manifests;
	int r;

	r = image_descriptor_parse(descriptor, &checked, "new entry of index.json", err);
	if (r < 0)
		return r;
	lock = image_store_lock_index(store, err);
	if (lock < 0)
		return lock;
	r = image_index_read(store, &document, &manifests, err);
	if (r < 0)
		return r;
	r = image_index_set(manifests, name, descriptor);
	if (r < 0)
		return error_oom(err);
	return image_index_write(store, document, err);
}

/* --- layers --- */

int image_is_unpacked(const struct image_store *store, const struct image *image)
{
	strv_for_each (diff_id, image->config.diff_ids) {
		if (faccessat(store->layers_fd, image_digest_hex(*diff_id), F_OK, 0) == 0)
			continue;
		return errno == ENOENT ? 0 : -errno;
	}
	return 1;
}

char *image_squash_path(const char *root, const char *diff_id)
{
	return strf("%s/layers/%s" IMAGE_SQUASH_SUFFIX, root, image_digest_hex(diff_id));
}

int image_is_squashed(const struct image_store *store, const struct image *image)
{
	char name[IMAGE_HEX_SIZE + sizeof(IMAGE_SQUASH_SUFFIX)];

	strv_for_each (diff_id, image->config.diff_ids) {
		snprintf(name, sizeof(name), "%s" IMAGE_SQUASH_SUFFIX, image_digest_hex(*diff_id));
		if (faccessat(store->layers_fd, name, F_OK, 0) == 0)
			continue;
		return errno == ENOENT ? 0 : -errno;
	}
	return 1;
}

/* Trees that root unpacked have the one mark, an ordinary user's the other (layer-path.c). */
static bool hides_everything_below(const char *root, const char *diff_id)
{
	_cleanup_free_ char *path = strf("%s/layers/%s", root, image_digest_hex(diff_id));
	char value;

	return path &&
		lgetxattr(path, geteuid() == 0 ? "trusted.overlay.opaque" : "user.overlay.opaque",
			&value, 1) == 1 &&
		value == 'y';
}

char **image_visible_layers(const char *root, const struct image *image)
{
	char *const *diff_ids = image->config.diff_ids;
	size_t bottom = strv_length(diff_ids);

	bottom -= bottom > 0;
	while (bottom > 0 && !hides_everything_below(root, diff_ids[bottom]))
		bottom--;
	return strv_copy(diff_ids + bottom);
}
