/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify.c - the store held against its own promises.
 *
 * Holds ROOT/locks/images shared, so that the collector does not take away what is being looked at;
 * transfers may go on meanwhile. A wrong blob cannot be repaired from here: it is deleted, and a
 * pull of the same image fetches that one blob again.
 */
#include "image/verify.h"

#include <stdarg.h>
#include <sys/stat.h>

#include "base/io.h"
#include "image/digest.h"
#include "image/internal.h"
#include "image/layer.h"

#define LAYOUT_MAX 4096 /* bytes of oci-layout */

struct verifier {
	const struct image_store *store;
	const struct image_verify_options *options;
	struct image_verify_result result;
	char **seen_layers; /* diff IDs that were looked at */
};

static void say(struct verifier *v, uint64_t *counter, const char *fmt, ...) _printf_(3, 4);

static void say(struct verifier *v, uint64_t *counter, const char *fmt, ...)
{
	char sentence[ERROR_MESSAGE_MAX + 256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	(*counter)++;
	if (v->options->report)
		v->options->report(v->options->context, sentence);
}

#define problem(v, ...)	 say((v), &(v)->result.problems, __VA_ARGS__)
#define repaired(v, ...) say((v), &(v)->result.repaired, __VA_ARGS__)

/* --- the layout's own files --- */

static void check_layout(struct verifier *v)
{
	_cleanup_json_ json_t *document = NULL;
	struct error why = { 0 };
	const char *version = NULL;
	int r;

	r = json_read_file(v->store->images_fd, "oci-layout", LAYOUT_MAX, &document, &why);
	if (r == 0)
		r = json_get_string(document, "imageLayoutVersion", &version, "oci-layout", &why);
	if (r < 0)
		problem(v, "%s/images: %s", v->store->root, why.message);
	else if (!version || !streq(version, "1.0.0"))
		problem(v, "%s/images/oci-layout: version \"%s\" is not 1.0.0", v->store->root,
			version ? version : "");
}

/* --- blobs --- */

static void delete_wrong_blob(struct verifier *v, int dir_fd, const char *name)
{
	if (!v->options->repair)
		return;
	if (unlinkat(dir_fd, name, 0) < 0)
		problem(v, "cannot delete blob sha256:%s: %s", name, strerror(errno));
	else
		repaired(v, "deleted blob sha256:%s: pull its image again", name);
}

static int check_blob(struct verifier *v, struct image_digester *digester, int dir_fd,
	const char *name, struct error *err)
{
	_cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
	char digest[IMAGE_DIGEST_LEN + 1];
	struct error why = { 0 };
	uint64_t bytes = 0;
	struct stat st;
	int r;

	v->result.blobs++;
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		problem(v, "blob sha256:%s cannot be read: %s", name,
			fd < 0 ? strerror(errno) : "it is not a file");
		return 0;
	}
	r = image_digester_reset(digester, err);
	if (r < 0)
		return r;
	r = image_digester_update_fd(digester, fd, 0, &bytes, &why);
	if (r < 0) {
		problem(v, "blob sha256:%s: %s", name, why.message);
		return 0;
	}
	v->result.blob_bytes += bytes;
	r = image_digester_finish(digester, digest, err);
	if (r < 0 || streq(image_digest_hex(digest), name))
		return r;
	problem(v, "%s/images/blobs/sha256/%s is damaged: its content has the digest %s",
		v->store->root, name, digest);
	delete_wrong_blob(v, dir_fd, name);
	return 0;
}

static int check_blobs(struct verifier *v, struct error *err)
{
	_cleanup_digester_ struct image_digester digester = { 0 };
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int fd, r;

	r = image_digester_open(&digester, err);
	if (r < 0)
		return r;
	fd = io_open_dir(v->store->images_fd, "blobs/sha256");
	if (fd < 0)
		return error_errno(err, fd, "cannot open %s/images/blobs/sha256", v->store->root);
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return error_oom(err);
	}
	while ((entry = readdir(dir))) {
		/* What is being written has other names; what has no right name is nobody's. */
		if (strlen(entry->d_name) != IMAGE_HEX_LEN ||
			strspn(entry->d_name, "0123456789abcdef") != IMAGE_HEX_LEN)
			continue;
		r = check_blob(v, &digester, dirfd(dir), entry->d_name, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- images --- */

/* The blob is there with the size its descriptor says; whether it is right, its digest told. */
static bool check_descriptor(
	struct verifier *v, const struct image_descriptor *d, const char *kind, const char *image)
{
	char path[80];
	struct stat st;

	image_blob_path(d->digest, path);
	if (fstatat(v->store->images_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		problem(v, "image %s: %s %s is missing: pull it again", image, kind, d->digest);
		return false;
	}
	if ((uint64_t)st.st_size != d->size) {
		problem(v, "image %s: %s %s has %lld bytes instead of %llu", image, kind, d->digest,
			(long long)st.st_size, (unsigned long long)d->size);
		return false;
	}
	return true;
}

static void repair_layer(struct verifier *v, const char *diff_id, const char *blob, bool is_there)
{
	struct error why = { 0 };
	int r = 0;

	if (!v->options->repair)
		return;
	if (is_there)
		r = image_layer_discard(v->store, image_digest_hex(diff_id), &why);
	if (r == 0)
		r = image_layer_unpack_blob(v->store, blob, diff_id, &why);
	if (r < 0)
		problem(v, "layer %s cannot be unpacked again: %s", diff_id, why.message);
	else
		repaired(v, "unpacked layer %s again", diff_id);
}

static int check_layer(struct verifier *v, const char *diff_id, const char *blob,
	bool blob_is_there, const char *image, struct error *err)
{
	bool is_there;

	if (strv_contains(v->seen_layers, diff_id))
		return 0;
	if (strv_push(&v->seen_layers, diff_id) < 0)
		return error_oom(err);
	v->result.layers++;
	is_there = faccessat(v->store->layers_fd, image_digest_hex(diff_id), F_OK, 0) == 0;
	if (is_there && !image_layer_is_suspect(v->store, diff_id))
		return 0;
	if (is_there)
		problem(v, "image %s: layer %s may not have reached the disk before the last crash",
			image, diff_id);
	else
		problem(v, "image %s: layer %s is not unpacked", image, diff_id);
	if (blob_is_there)
		repair_layer(v, diff_id, blob, is_there);
	return 0;
}

static int verify_visit(void *context, const struct image_visit *visit, struct error *err)
{
	struct verifier *v = context;
	const struct image_manifest *m = visit->manifest;
	const char *name = visit->target->name ? visit->target->name : visit->target->digest;
	struct image_config config = { 0 };
	struct error why = { 0 };
	int r = 0;

	if (visit->problem) {
		problem(v, "image %s: %s", name, visit->problem->message);
		return 0;
	}
	/* A manifest of an index that was pulled for another platform. The entry's own must be. */
	if (!m) {
		if (streq(visit->descriptor->digest, visit->target->digest))
			problem(v, "image %s: manifest %s is missing: pull it again", name,
				visit->target->digest);
		return 0;
	}
	v->result.images++;
	check_descriptor(v, &m->config, "configuration", name);
	if (m->is_image && image_config_read(v->store, &m->config, &config, &why) < 0 &&
		why.code != ENOENT)
		problem(v, "image %s: %s", name, why.message);
	if (config.diff_ids && strv_length(config.diff_ids) != m->nr_layers)
		problem(v, "image %s: the manifest has %zu layers, the configuration %zu", name,
			m->nr_layers, strv_length(config.diff_ids));
	for (size_t i = 0; r == 0 && i < m->nr_layers; i++) {
		bool there = check_descriptor(v, &m->layers[i], "layer", name);

		if (config.diff_ids && i < strv_length(config.diff_ids))
			r = check_layer(
				v, config.diff_ids[i], m->layers[i].digest, there, name, err);
	}
	image_config_free(&config);
	return r;
}

static int verify(struct verifier *v, struct error *err)
{
	_cleanup_close_ int lock = image_store_lock(v->store, false, err);
	_cleanup_json_ json_t *document = NULL;
	struct error why = { 0 };
	json_t *manifests;
	int r;

	if (lock < 0)
		return lock;
	check_layout(v);
	r = check_blobs(v, err);
	if (r < 0)
		return r;
	r = image_index_read(v->store, &document, &manifests, &why);
	if (r < 0) {
		problem(v, "%s", why.message);
		return 0;
	}
	return image_walk(v->store, manifests, verify_visit, v, err);
}

int image_verify(const struct image_store *store, const struct image_verify_options *options,
	struct image_verify_result *ret, struct error *err)
{
	struct verifier v = { .store = store, .options = options };
	int r = verify(&v, err);

	strv_free(v.seen_layers);
	if (r == 0)
		*ret = v.result;
	return r;
}
