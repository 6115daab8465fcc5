/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layer.h - tar streams to unpacked layers and back (OCI image-spec, layer.md).
 *
 * The unpacker trusts nothing: every name is resolved below the layer's own directory with
 * openat2(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS) semantics, parents that are links are never
 * followed out, sizes and counts are bounded. Whiteouts become what overlayfs wants: `.wh.NAME` a
 * character device 0:0 (a `trusted.overlay.whiteout`-less 0:0 node; as an ordinary user in a user
 * namespace the kernel allows that very mknod), `.wh..wh..opq` the xattr trusted.overlay.opaque=y
 * (user.overlay.opaque when rootless).
 */
#pragma once

#include "image/image.h"

/*
 * Feeds bytes to the unpacker: returns the count, 0 at the end, or a negative errno; the bytes stay
 * valid until the next call. Called from one thread at a time, which is not the caller's: it
 * overlaps with unpacking. When the transfer behind it is given up it must return an error rather
 * than wait for ever.
 */
typedef ssize_t (*image_layer_read_fn)(void *context, const void **ret_bytes);

struct image_layer_limits {
	uint64_t max_bytes; /* uncompressed; what exceeds it is refused as a bomb */
	uint64_t max_entries;
};
/* NULL limits: nearly all of the disk's free space, ten million entries. */

struct image_unpacked {
	char diff_id[IMAGE_DIGEST_LEN + 1]; /* sha256 of the uncompressed tar stream */
	uint64_t bytes; /* of file content */
	uint64_t entries;
};

/*
 * Unpack one layer stream (tar; plain, gzip or zstd, found out by its magic) into ROOT/layers/HEX
 * of `expected_diff_id` (NULL: of whatever it turns out to be). The stream is hashed while it
 * unpacks; a mismatch is -EBADMSG and leaves nothing. A layer that is already there is success
 * without reading. Two processes may unpack the same layer at once: the first rename wins.
 */
int image_layer_unpack(const struct image_store *store, const char *expected_diff_id,
	image_layer_read_fn read_fn, void *context, const struct image_layer_limits *limits,
	struct image_unpacked *ret, struct error *err);

/* Read a layer stream to its end and see that it is what it should be, without unpacking. */
int image_layer_check(const char *expected_diff_id, image_layer_read_fn read_fn, void *context,
	const struct image_layer_limits *limits, struct error *err);

/* Unpack the stored blob `digest`; what `pull` and a repair use. */
int image_layer_unpack_blob(const struct image_store *store, const char *blob_digest,
	const char *expected_diff_id, struct error *err);

/* Unpack all the stored layers of an image, several at a time; both arrays are as long as the
 * configuration's diff_ids. Layers that are there already cost nothing. */
int image_layers_unpack(const struct image_store *store, const char *const *blob_digests,
	char *const *diff_ids, struct error *err);

/* Make ROOT/layers/HEX.squashfs of the stored blob, unless it is there. Needs sqfstar(1). */
int image_layer_squash_blob(const struct image_store *store, const char *blob_digest,
	const char *expected_diff_id, struct error *err);

/*
 * Unpacked files are not synced one by one. A layer unpacked in an earlier boot that was never
 * known to have reached the disk is suspect: `image verify` says so, and a repair removes and
 * unpacks it again. image_layers_settle() syncs the file system and clears the suspicion for
 * layers of this boot: for those older than a minute (then it is cheap), or `all`.
 */
bool image_layer_is_suspect(const struct image_store *store, const char *diff_id);
int image_layers_settle(const struct image_store *store, bool all, struct error *err);

/* Unpack a tar stream (compressed or not) from in_fd into an open, empty directory, with the ids of
 * the caller's user namespace. Nothing is hashed or kept. */
int image_tree_unpack(int dir_fd, int in_fd, struct error *err);

enum {
	IMAGE_PACK_LAYER = 1, /* overlay whiteouts become `.wh.` files again */
	/* Holes stay holes (GNU tar's sparse files). Where they are depends on the file system, so
	 * the same content no longer gives the same bytes. */
	IMAGE_PACK_HOLES = 2,
};

/* Write a directory tree as an uncompressed, reproducible tar (sorted, pax) to fd. */
int image_layer_pack(int tree_fd, unsigned flags, int out_fd, struct error *err);
