/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collect.c - garbage collection of blobs and unpacked layers: mark what index.json and the
 * instances reach, then sweep the rest.
 *
 * It runs alone: ROOT/locks/images exclusively, so no transfer is writing and no instance is being
 * made; -EWOULDBLOCK when that cannot be had at once. Then a name that starts with ".tmp-" belongs
 * to a dead process. What was fetched of a blob (".partial-HEX") is kept a week for its download to
 * go on, unless a prune was asked for.
 *
 * When in doubt it keeps: a reachable document that cannot be read means that what it needs is
 * unknown, and then nothing is deleted at all; a pinned manifest that is gone keeps every layer.
 * Digests reached through media types of the future are kept, not looked into.
 */
#include "image/internal.h"

#include <sys/stat.h>
#include <time.h>

#include "base/io.h"
#include "base/log.h"
#include "base/userns.h"

/* index.json > index > manifest > configuration is 4 deep; nobody needs more. */
#define DEPTH_MAX	    8
#define REACHABLE_MAX	    (1u << 20)
#define PARTIAL_KEEP_S	    (7 * 24 * 3600)
#define LAYER_DOOMED_PREFIX IMAGE_TEMPORARY_PREFIX "gone-"

/* --- a set of digests: open addressing, at most half full --- */

struct digest_set {
	char (*hex)[IMAGE_HEX_SIZE]; /* "" = free */
	size_t count, capacity;
};

static size_t hex_slot(const struct digest_set *set, const char *hex)
{
	uint64_t h = 14695981039346656037u;
	size_t i;

	for (const char *p = hex; *p; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211u;
	for (i = h & (set->capacity - 1); set->hex[i][0]; i = (i + 1) & (set->capacity - 1))
		if (streq(set->hex[i], hex))
			break;
	return i;
}

static bool digest_set_has(const struct digest_set *set, const char *hex)
{
	return set->capacity && set->hex[hex_slot(set, hex)][0];
}

static int digest_set_grow(struct digest_set *set)
{
	struct digest_set larger = { .count = set->count,
		.capacity = set->capacity ? 2 * set->capacity : 64 };

	larger.hex = calloc(larger.capacity, sizeof(*larger.hex));
	if (!larger.hex)
		return -ENOMEM;
	for (size_t i = 0; i < set->capacity; i++)
		if (set->hex[i][0])
			strcpy(larger.hex[hex_slot(&larger, set->hex[i])], set->hex[i]);
	free(set->hex);
	*set = larger;
	return 0;
}

/* 1: new, 0: was there already. */
static int digest_set_add(struct digest_set *set, const char *hex)
{
	if (digest_set_has(set, hex))
		return 0;
	if (set->count >= REACHABLE_MAX)
		return -E2BIG;
	if (2 * (set->count + 1) > set->capacity && digest_set_grow(set) < 0)
		return -ENOMEM;
	strcpy(set->hex[hex_slot(set, hex)], hex);
	set->count++;
	return 1;
}

/* --- mark --- */

struct collector {
	const struct image_store *store;
	const struct image_collect_options *options;
	struct digest_set blobs, layers;
	bool keep_layers; /* some image's configuration is lost: its layers are not known */
	uint64_t freed_bytes;
	char **log;
};

static int add(struct digest_set *set, const char *digest, struct error *err)
{
	int r = digest_set_add(set, image_digest_hex(digest));

	if (r == -E2BIG)
		return error_set(
			err, E2BIG, "the store reaches more than %u digests", REACHABLE_MAX);
	return r < 0 ? error_oom(err) : r;
}

static bool any_layer_is_stored(const struct collector *c, const struct image_manifest *m)
{
	char path[80];

	for (size_t i = 0; i < m->nr_layers; i++) {
		image_blob_path(m->layers[i].digest, path);
		if (faccessat(c->store->images_fd, path, F_OK, 0) == 0)
			return true;
	}
	return false;
}

static int mark_manifest(struct collector *c, const struct image_descriptor *d, struct error *err)
{
	_cleanup_(image_manifest_free) struct image_manifest m = { 0 };
	struct image_config config = { 0 };
	int r = image_manifest_read(c->store, d, &m, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < m.nr_layers; i++) {
		r = add(&c->blobs, m.layers[i].digest, err);
		if (r < 0)
			return r;
	}
	r = add(&c->blobs, m.config.digest, err);
	if (r < 0 || !m.is_image)
		return r;
	r = image_config_read(c->store, &m.config, &config, err);
	if (r == -ENOENT) {
		/* Never fetched, like its layers; or lost, and then so is what it says of them. */
		c->keep_layers |= any_layer_is_stored(c, &m);
		return r;
	}
	if (r < 0)
		return r;
	strv_for_each (id, config.diff_ids) {
		r = add(&c->layers, *id, err);
		if (r < 0)
			break;
	}
	image_config_free(&config);
	return r;
}

static int mark(
	struct collector *c, const struct image_descriptor *d, unsigned depth, struct error *err);

static int mark_index(
	struct collector *c, const struct image_descriptor *d, unsigned depth, struct error *err)
{
	_cleanup_json_ json_t *document = NULL;
	json_t *manifests, *json;
	size_t i;
	int r;

	r = image_nested_index_read(c->store, d, &document, &manifests, err);
	if (r < 0)
		return r;
	json_array_foreach (manifests, i, json) {
		struct image_descriptor child;

		r = image_descriptor_parse(json, &child, d->digest, err);
		if (r == 0)
			r = mark(c, &child, depth + 1, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * Everything below one descriptor. A manifest of another platform, or a document whose blob was
 * never fetched, is not there and needs nothing.
 */
static int mark(
	struct collector *c, const struct image_descriptor *d, unsigned depth, struct error *err)
{
	int r;

	if (depth > DEPTH_MAX)
		return error_set(err, ELOOP, "%s: indexes are nested more than %d deep", d->digest,
			DEPTH_MAX);
	r = add(&c->blobs, d->digest, err);
	if (r <= 0)
		return r;
	r = 0;
	if (d->kind == IMAGE_KIND_INDEX)
		r = mark_index(c, d, depth, err);
	else if (d->kind == IMAGE_KIND_MANIFEST)
		r = mark_manifest(c, d, err);
	if (r == -ENOENT) {
		error_clear(err);
		r = 0;
	}
	return r;
}

/* The manifest of an instance; index.json need not name it any more. */
static int mark_pinned(struct collector *c, const char *digest, struct error *err)
{
	struct image_descriptor d = {
		.digest = digest, .size = UINT64_MAX, .kind = IMAGE_KIND_MANIFEST
	};
	struct error problem = { 0 };
	int r;

	if (!image_digest_is_valid(digest))
		return 0;
	r = add(&c->blobs, digest, err);
	if (r < 0)
		return r;
	/* Marked before through index.json or not: once more costs little, and tells. */
	r = mark_manifest(c, &d, &problem);
	if (r < 0) {
		log_warning("image %s of an instance: %s; all unpacked layers are kept", digest,
			problem.message);
		c->keep_layers = true;
	}
	return 0;
}

static int mark_all(struct collector *c, const json_t *manifests, struct error *err)
{
	json_t *entry;
	size_t i;
	int r;

	json_array_foreach (manifests, i, entry) {
		struct image_descriptor d;

		r = image_descriptor_parse(entry, &d, "index.json", err);
		if (r == 0)
			r = mark(c, &d, 0, err);
		if (r < 0) {
			error_prefix(err, "nothing was deleted, because an image cannot be read");
			return r;
		}
	}
	strv_for_each (digest, c->options->pinned) {
		r = mark_pinned(c, *digest, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- sweep --- */

static bool is_hex_name(const char *name)
{
	return strlen(name) == IMAGE_HEX_LEN && strspn(name, "0123456789abcdef") == IMAGE_HEX_LEN;
}

static bool partial_is_kept(const struct collector *c, const struct stat *st)
{
	if (c->options->unnamed_too || c->options->all)
		return false;
	return time(NULL) - st->st_mtime < PARTIAL_KEEP_S;
}

static bool blob_is_garbage(const struct collector *c, const char *name, const struct stat *st)
{
	const char *hex = str_after_prefix(name, IMAGE_PARTIAL_PREFIX);

	if (str_after_prefix(name, IMAGE_TEMPORARY_PREFIX))
		return true;
	if (hex)
		return digest_set_has(&c->blobs, hex) ? false : !partial_is_kept(c, st);
	return is_hex_name(name) && !digest_set_has(&c->blobs, name);
}

/* An open directory stream of `path`; NULL with errno. */
static DIR *open_stream(int dir_fd, const char *path)
{
	int fd = io_open_dir(dir_fd, path);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (!dir) {
		int saved = fd < 0 ? -fd : errno;

		cleanup_close(&fd);
		errno = saved;
	}
	return dir;
}

static int sweep_blobs(struct collector *c, struct error *err)
{
	_cleanup_closedir_ DIR *dir = open_stream(c->store->images_fd, "blobs/sha256");
	struct dirent *entry;

	if (!dir)
		return error_errno(
			err, errno, "cannot open %s/images/blobs/sha256", c->store->root);
	while ((entry = readdir(dir))) {
		struct stat st;

		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			!S_ISREG(st.st_mode) || !blob_is_garbage(c, entry->d_name, &st))
			continue;
		if (!c->options->is_trial && unlinkat(dirfd(dir), entry->d_name, 0) < 0)
			return error_errno(err, errno, "cannot delete %s/images/blobs/sha256/%s",
				c->store->root, entry->d_name);
		c->freed_bytes += (uint64_t)st.st_size;
	}
	return 0;
}

struct layer_removal {
	int layers_fd;
	const char *name;
};

static int remove_layer_tree(void *context, struct error *err)
{
	const struct layer_removal *removal = context;

	return io_remove_tree(removal->layers_fd, removal->name, err);
}

/*
 * A layer loses its name before its files, so that what a crash leaves never looks complete. As an
 * ordinary user its files may belong to subordinate ids, which only their namespace's root removes.
 */
int image_layer_discard(const struct image_store *store, const char *name, struct error *err)
{
	char doomed[sizeof(LAYER_DOOMED_PREFIX) + IMAGE_HEX_LEN];
	char unsynced[sizeof(IMAGE_UNSYNCED_PREFIX) + IMAGE_HEX_LEN];
	struct layer_removal removal = { .layers_fd = store->layers_fd, .name = name };
	int r;

	if (is_hex_name(name)) {
		snprintf(doomed, sizeof(doomed), LAYER_DOOMED_PREFIX "%s", name);
		io_remove_tree(store->layers_fd, doomed, NULL);
		if (renameat(store->layers_fd, name, store->layers_fd, doomed) < 0)
			return error_errno(
				err, errno, "cannot remove %s/layers/%s", store->root, name);
		removal.name = doomed;
		snprintf(unsynced, sizeof(unsynced), IMAGE_UNSYNCED_PREFIX "%s", name);
		unlinkat(store->layers_fd, unsynced, 0);
	}
	r = remove_layer_tree(&removal, err);
	if ((r == -EACCES || r == -EPERM) && geteuid() != 0) {
		error_clear(err);
		r = userns_call(remove_layer_tree, &removal, err);
	}
	return r;
}

static int remove_layer(struct collector *c, const char *name, struct error *err)
{
	uint64_t bytes = 0;
	int r;

	io_tree_size(c->store->layers_fd, name, &bytes);
	r = c->options->is_trial ? 0 : image_layer_discard(c->store, name, err);
	if (r < 0)
		return r;
	c->freed_bytes += bytes;
	if (is_hex_name(name) && strv_pushf(&c->log, "Deleted: sha256:%s", name) < 0)
		return error_oom(err);
	return 0;
}

/* What belongs to a dead process, or is about a layer that is not there. */
static bool is_left_over(const struct collector *c, const char *name)
{
	const char *hex = str_after_prefix(name, IMAGE_UNSYNCED_PREFIX);

	if (hex)
		return faccessat(c->store->layers_fd, hex, F_OK, AT_SYMLINK_NOFOLLOW) < 0;
	return str_after_prefix(name, IMAGE_TEMPORARY_PREFIX) != NULL;
}

/* Of a layer, unpacked or as a squashfs, that no image has. */
static bool is_unused_layer(const struct collector *c, const char *name)
{
	char hex[IMAGE_HEX_SIZE];

	snprintf(hex, sizeof(hex), "%.*s", IMAGE_HEX_LEN, name);
	if (!is_hex_name(hex) || c->keep_layers || digest_set_has(&c->layers, hex))
		return false;
	return !name[IMAGE_HEX_LEN] || streq(name + IMAGE_HEX_LEN, IMAGE_SQUASH_SUFFIX);
}

static int sweep_layers(struct collector *c, struct error *err)
{
	_cleanup_strv_ char **garbage = NULL;
	_cleanup_closedir_ DIR *dir = open_stream(c->store->root_fd, "layers");
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return error_errno(err, errno, "cannot open %s/layers", c->store->root);
	while ((entry = readdir(dir))) {
		if (!is_left_over(c, entry->d_name) && !is_unused_layer(c, entry->d_name))
			continue;
		if (strv_push(&garbage, entry->d_name) < 0)
			return error_oom(err);
	}
	strv_for_each (name, garbage) {
		r = remove_layer(c, *name, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- which entries of index.json stay --- */

struct prune {
	const struct image_collect_options *options;
	bool *keep; /* per entry */
};

static int prune_visit(void *context, const struct image_visit *visit, struct error *err)
{
	struct prune *p = context;

	strv_for_each (digest, p->options->pinned) {
		if (streq(*digest, visit->target->digest) ||
			(visit->descriptor && streq(*digest, visit->descriptor->digest)))
			p->keep[visit->entry] = true;
	}
	/* What cannot be read is not thrown away by a prune, but by its name. */
	if (visit->problem)
		p->keep[visit->entry] = true;
	return 0;
}

static int log_dropped(struct collector *c, const char *name, const char *digest, struct error *err)
{
	_cleanup_free_ char *familiar = name ? image_familiar_name(name) : NULL;
	int r;

	if (name)
		r = familiar ? strv_pushf(&c->log, "Untagged: %s", familiar) : -ENOMEM;
	else
		r = strv_pushf(&c->log, "Deleted: %s", digest);
	return r < 0 ? error_oom(err) : 0;
}

static int prune_entries(
	struct collector *c, json_t *document, json_t *manifests, struct error *err)
{
	size_t count = json_array_size(manifests), dropped = 0;
	_cleanup_free_ bool *keep = calloc(count ? count : 1, sizeof(*keep));
	struct prune prune = { .options = c->options, .keep = keep };
	int r;

	if (!keep)
		return error_oom(err);
	r = image_walk(c->store, manifests, prune_visit, &prune, err);
	if (r < 0)
		return r;
	for (size_t i = count; i-- > 0;) {
		const json_t *entry = json_array_get(manifests, i);
		const char *name = image_entry_name(entry);

		if (keep[i] || (name && !c->options->all))
			continue;
		r = log_dropped(c, name, image_entry_digest(entry), err);
		if (r < 0)
			return r;
		json_array_remove(manifests, i);
		dropped++;
	}
	return dropped && !c->options->is_trial ? image_index_write(c->store, document, err) : 0;
}

static int collect(struct collector *c, struct error *err)
{
	_cleanup_close_ int lock = -1, index_lock = -1;
	_cleanup_json_ json_t *document = NULL;
	json_t *manifests;
	int r;

	lock = c->options->is_trial ? image_store_lock(c->store, false, err)
				    : image_store_try_lock_exclusive(c->store, err);
	if (lock < 0)
		return lock;
	index_lock = image_store_lock_index(c->store, err);
	if (index_lock < 0)
		return index_lock;
	r = image_index_read(c->store, &document, &manifests, err);
	if (r == 0 && (c->options->unnamed_too || c->options->all))
		r = prune_entries(c, document, manifests, err);
	if (r == 0)
		r = mark_all(c, manifests, err);
	if (r == 0)
		r = sweep_blobs(c, err);
	if (r == 0)
		r = sweep_layers(c, err);
	return r;
}

int image_collect(const struct image_store *store, const struct image_collect_options *options,
	char ***ret_log, uint64_t *ret_freed_bytes, struct error *err)
{
	struct collector c = { .store = store, .options = options };
	int r = collect(&c, err);

	free(c.blobs.hex);
	free(c.layers.hex);
	if (r < 0) {
		strv_free(c.log);
		return r;
	}
	*ret_log = c.log;
	*ret_freed_bytes = c.freed_bytes;
	return 0;
}
