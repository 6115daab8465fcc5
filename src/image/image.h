/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image.h - OCI images in the local store: the contract of the folder.
 *
 * On disk (ROOT is the state root):
 *   ROOT/images/          an OCI image layout (oci-layout, index.json, blobs/sha256/HEX), read in
 *                         place by skopeo and umoci. index.json names images by the annotation
 *                         org.opencontainers.image.ref.name = the full reference
 *                         ("docker.io/library/debian:12"); an image without a name has none.
 *   ROOT/layers/HEX/      one unpacked layer per diff ID (sha256 of the uncompressed tar), with
 *                         whiteouts as overlayfs wants them. Complete once it has this name:
 *                         unpacking happens in ROOT/layers/.tmp-* and ends with a rename.
 *   ROOT/layers/HEX.squashfs  the same layer as machines mount it, where one has: made and renamed
 *                         likewise.
 *   ROOT/layers/skeleton/ what a container's own mounts are put on (/proc, /etc/hosts, ...), empty:
 *                         the bottom of every instance's overlay. An image that lacks them would
 *                         otherwise have them copied into each instance's writable layer, at 0.2
 *                         ms a start.
 *   ROOT/locks/images     flock(2) that guards the content: shared while an instance is being
 *                         created from an image or a transfer adds blobs (until its name is set),
 *                         exclusive to collect garbage.
 *   ROOT/locks/index      flock(2) that guards index.json's read-change-replace; internal, taken
 *                         after ROOT/locks/images, so who holds that shared may still set names.
 *
 * Invariants: a blob file under its final name has been verified against its digest; index.json
 * is replaced atomically and never names a blob that is not there, except manifests of other
 * platforms inside an index that was pulled for one platform only. Digests are checked to be
 * "sha256:" + 64 lower-case hex digits before they become part of a path.
 *
 * This header is what the small program needs (resolve, list, tag, remove, collect). Transfers are
 * in image/transfer.h, archives in image/archive.h, unpacking in image/layer.h; those are linked
 * into the helper program strata-image only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"

#define IMAGE_DIGEST_LEN    71 /* "sha256:" + 64 */
#define IMAGE_LAYERS_MAX    256 /* per image */
#define IMAGE_MANIFEST_MAX  (4u << 20) /* bytes, as distribution-spec asks registries to accept */
#define IMAGE_CONFIG_MAX    (8u << 20) /* bytes */
#define IMAGE_INDEX_MAX	    (64u << 20) /* bytes of the store's index.json */
#define IMAGE_REFERENCE_MAX 512 /* bytes of a reference as typed */

/* Media types of OCI image-spec 1.1 and Docker schema 2. */
#define IMAGE_TYPE_OCI_INDEX	   "application/vnd.oci.image.index.v1+json"
#define IMAGE_TYPE_OCI_MANIFEST	   "application/vnd.oci.image.manifest.v1+json"
#define IMAGE_TYPE_OCI_CONFIG	   "application/vnd.oci.image.config.v1+json"
#define IMAGE_TYPE_OCI_LAYER	   "application/vnd.oci.image.layer.v1.tar"
#define IMAGE_TYPE_OCI_LAYER_GZIP  "application/vnd.oci.image.layer.v1.tar+gzip"
#define IMAGE_TYPE_OCI_LAYER_ZSTD  "application/vnd.oci.image.layer.v1.tar+zstd"
#define IMAGE_TYPE_DOCKER_LIST	   "application/vnd.docker.distribution.manifest.list.v2+json"
#define IMAGE_TYPE_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define IMAGE_TYPE_DOCKER_CONFIG   "application/vnd.docker.container.image.v1+json"
#define IMAGE_TYPE_DOCKER_LAYER	   "application/vnd.docker.image.rootfs.diff.tar.gzip"

#define IMAGE_ANNOTATION_NAME "org.opencontainers.image.ref.name"

/* --- references (reference.c) -------------------------------------------------------------- */

/* What `docker.io/library/debian:12@sha256:...` says. Strings are owned; tag or digest may be NULL
 * but not both after parsing ("latest" is filled in when neither was written). */
struct image_reference {
	char *registry; /* "docker.io", "localhost:5000" */
	char *repository; /* "library/debian" */
	char *tag;
	char *digest;
};

/* Docker's rules (distribution/reference): default registry docker.io, default namespace library/.
 * -EINVAL with a sentence that shows what is wrong with the text. */
int image_reference_parse(const char *text, struct image_reference *ret, struct error *err);
void image_reference_free(struct image_reference *ref);

/* "docker.io/library/debian:12" (with @digest when there is one). NULL when memory ran out. */
char *image_reference_full(const struct image_reference *ref);
/* As Docker shows it: "debian:12". */
char *image_reference_familiar(const struct image_reference *ref);
/* The same for a name of index.json; one that is no reference (other tools' tags) stays. */
char *image_familiar_name(const char *full);

/* "sha256:" + 64 hex digits, nothing else. */
bool image_digest_is_valid(const char *digest);
/* The 64 digits of a valid digest. */
const char *image_digest_hex(const char *digest);

/* --- platforms (platform.c) ---------------------------------------------------------------- */

/* A zeroed one asks for any platform: the first that is stored. */
struct image_platform {
	char os[16];
	char architecture[32]; /* Go's names: amd64, arm64, riscv64, ... */
	char variant[16]; /* "" when there is none */
};

/* "linux/arm64/v8", "arm64", "linux/amd64": missing parts are the host's. NULL = the host's. */
int image_platform_parse(const char *text, struct image_platform *ret, struct error *err);
/* Whether content made for `have` runs where `want` is asked for (variant rules included). */
bool image_platform_matches(const struct image_platform *want, const struct image_platform *have);
void image_platform_format(const struct image_platform *platform, char *buf, size_t size);

/* --- the store (store.c) ------------------------------------------------------------------- */

struct image_store {
	char *root; /* the state root's path */
	int root_fd; /* ROOT */
	int images_fd; /* ROOT/images */
	int layers_fd; /* ROOT/layers */
};

#define IMAGE_SKELETON "skeleton" /* below ROOT/layers */

/* Open the store under `root`, made on first use. */
int image_store_open(const char *root, struct image_store *ret, struct error *err);
void image_store_close(struct image_store *store);

/* Take ROOT/locks/images; returns the descriptor that holds the lock (close it to release). */
int image_store_lock(const struct image_store *store, bool exclusive, struct error *err);

/* "sha256:HEX" -> "blobs/sha256/HEX" below images_fd. The digest must be valid. */
void image_blob_path(const char *digest, char buf[80]);

/*
 * Read a stored blob of at most max_bytes; it is not hashed again, but its length must be `size`
 * (UINT64_MAX: whatever it is). -ENOENT: not stored. -EBADMSG: damaged. Errors name the file.
 */
int image_blob_read(const struct image_store *store, const char *digest, uint64_t size,
	size_t max_bytes, char **ret, size_t *ret_len, struct error *err);
int image_blob_read_json(const struct image_store *store, const char *digest, uint64_t size,
	size_t max_bytes, json_t **ret, struct error *err);

/* --- one image ----------------------------------------------------------------------------- */

struct image_healthcheck {
	char **test; /* NULL: not set; {"NONE"}: disabled; {"CMD", ...}; {"CMD-SHELL", "..."} */
	int64_t interval_ns, timeout_ns, start_period_ns; /* 0 = default */
	int64_t retries; /* 0 = default */
};

/* The part of the OCI image configuration that running it needs. */
struct image_config {
	struct image_platform platform;
	char *created; /* RFC 3339 or NULL */
	char *author;
	char *user;
	char *working_dir;
	char *stop_signal;
	char **entrypoint, **cmd, **env, **shell;
	char **labels; /* KEY=VALUE */
	char **volumes; /* container paths */
	char **exposed_ports; /* "80/tcp" */
	struct image_healthcheck healthcheck;
	char **diff_ids; /* bottom first, valid digests */
};

struct image {
	char *name; /* full reference it was found by; NULL when found by ID only */
	char *manifest_digest; /* of the platform's own manifest */
	char *config_digest; /* Docker's "image ID" */
	char *target_digest; /* what index.json names: the index or the manifest */
	uint64_t size_bytes; /* config + compressed layers */
	struct image_config config;
};

void image_free(struct image *image);
#define _cleanup_image_ _cleanup_(image_free)

/*
 * Find an image by what the user typed: a reference, a digest, or an unambiguous prefix of at
 * least 4 (6 for all-digit ones is not required) hex digits of its ID. A name wins over an ID.
 * Picks the manifest of `platform` out of an index. Reads index.json, at most one index, the
 * manifest and the configuration, each once: this is on the path of every `run`.
 * -ENOENT: not stored ("no such image"). -ENOEXEC: stored, but not for that platform; the sentence
 * names the platforms there are. -EBADMSG: the store is damaged; the sentence names the file.
 */
int image_resolve(const struct image_store *store, const char *text,
	const struct image_platform *platform, struct image *ret, struct error *err);

/* Parse an image configuration document (also used by transfers). */
int image_config_parse(const char *text, size_t len, const char *what, struct image_config *ret,
	struct error *err);
void image_config_free(struct image_config *config);

/* Is every layer of the image unpacked? Returns 1, 0, or a negative errno. */
int image_is_unpacked(const struct image_store *store, const struct image *image);

/* A layer as a machine mounts it; NULL when memory ran out. */
#define IMAGE_SQUASH_SUFFIX ".squashfs"
/* A whiteout of this name in its root says that no layer below is seen. */
#define IMAGE_SQUASH_OPAQUE_ROOT ".strata-opaque"
char *image_squash_path(const char *root, const char *diff_id);
/* Are all of them there? Returns 1, 0, or a negative errno. */
int image_is_squashed(const struct image_store *store, const struct image *image);

/* The diff IDs of the layers that an instance has to mount, bottom first: those from the topmost
 * one up whose root is opaque: overlayfs heeds that mark on every directory but the layer's own
 * root. `root` is the store's; the image has diff IDs. NULL when memory ran out. */
char **image_visible_layers(const char *root, const struct image *image);

/* One row of `strata images`: one name (or none) of one platform's image. */
struct image_summary {
	char *name; /* full reference, or NULL for <none> */
	char *target_digest; /* what index.json names */
	char *manifest_digest, *config_digest;
	struct image_platform platform;
	int64_t created_ns; /* 0 = unknown */
	uint64_t size_bytes;
	char **labels; /* KEY=VALUE */
	bool present; /* false: that platform of an index is not stored here */
};

/* Every image of the store; damaged ones are skipped with a log_warning(). */
int image_list(const struct image_store *store, struct image_summary **ret, size_t *ret_count,
	struct error *err);
void image_list_free(struct image_summary *list, size_t count);

/* The descriptor that index.json is to gain or replace under `name` (NULL: no name). An image that
 * loses its last name to another stays, without a name. Takes the index lock itself; who has just
 * written the blobs still holds image_store_lock(store, false). `descriptor` is a JSON object with
 * mediaType, digest and size. */
int image_store_set_name(const struct image_store *store, const char *name,
	const json_t *descriptor, struct error *err);

/* Give `source` (as for image_resolve) another name. */
int image_tag(
	const struct image_store *store, const char *source, const char *target, struct error *err);

/*
 * Remove what the user named: a name is untagged; the last name of an image, or an ID, removes the
 * image. `pinned` (strv of manifest digests in use by instances) refuses the removal of the last
 * name with -EBUSY unless `force`. *ret_log gets lines as Docker prints: "Untagged: ...",
 * "Deleted: sha256:...". Ends with a collection.
 */
int image_remove(const struct image_store *store, const char *text, bool force, char *const *pinned,
	char ***ret_log, struct error *err);

/*
 * Delete every blob and unpacked layer that neither index.json nor a pinned manifest reaches, and
 * left-overs of interrupted transfers. With `unnamed_too`, first drop index entries that have no
 * name and are not pinned; with `all`, every entry not pinned. *ret_log gets lines as
 * image_remove()'s. Content in use by a transfer or a starting instance: -EWOULDBLOCK at once.
 */
struct image_collect_options {
	bool unnamed_too;
	bool all;
	bool is_trial; /* say what would go, and delete nothing; transfers may go on */
	char *const *pinned;
};
int image_collect(const struct image_store *store, const struct image_collect_options *options,
	char ***ret_log, uint64_t *ret_freed_bytes, struct error *err);
