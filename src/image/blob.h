/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blob.h - writing blobs into the store, so that a file under its final name is always whole and
 * right. Only the helper program strata-image links it (SHA-256).
 *
 * Who adds blobs holds image_store_lock(store, false) from before the first one until
 * image_store_set_name() has returned: only then does something reach them.
 *
 * A blob whose digest is known beforehand is written to images/blobs/sha256/.partial-HEX under an
 * exclusive flock(2) of that file. The partial file outlives its writer, killed at any byte or not,
 * and the next writer goes on where it ended; two writers of one blob take turns, and the second
 * finds it finished. A blob of unknown digest goes through .tmp-RANDOM and is never resumed.
 */
#pragma once

#include "image/digest.h"

#define IMAGE_SIZE_UNKNOWN UINT64_MAX

enum image_blob_flags {
	/* Another process is writing it: fail with -EWOULDBLOCK instead of waiting. */
	IMAGE_BLOB_NO_WAIT = 1 << 0,
	/* Do not go on with what an interrupted writer left: start at byte 0. */
	IMAGE_BLOB_NO_RESUME = 1 << 1,
};

struct image_blob_writer {
	const struct image_store *store; /* borrowed */
	int fd; /* -1 = not open */
	uint64_t offset; /* bytes there so far; after opening, where a resumed download goes on */
	uint64_t size; /* what it must come to, or IMAGE_SIZE_UNKNOWN */
	uint64_t flushed; /* writeback has been asked for up to here */
	char digest[IMAGE_DIGEST_LEN + 1]; /* expected; "" = unknown */
	char temporary[96]; /* below images_fd */
	struct image_digester digester;
};

/*
 * Open a writer for `digest` (NULL = unknown) of `size` bytes. Returns 0, or 1 when the blob is
 * stored already and *ret was not touched. After 0, ret->offset bytes are there already: fetch the
 * rest (they can be read back with pread(ret->fd, ...) from 0).
 */
int image_blob_writer_open(const struct image_store *store, const char *digest, uint64_t size,
	unsigned flags, struct image_blob_writer *ret, struct error *err);

/* Append. More than `size` bytes is -EBADMSG. */
int image_blob_writer_write(
	struct image_blob_writer *writer, const void *bytes, size_t len, struct error *err);

/* Back to byte 0: the server would not continue where we were. */
int image_blob_writer_restart(struct image_blob_writer *writer, struct error *err);

/*
 * Check size and digest, put it on disk and give it its name. -EBADMSG: it is not what was
 * promised; a wrong one is deleted, one that is too short stays to be resumed. ret_digest may be
 * NULL. The writer is closed in every case.
 */
int image_blob_writer_commit(
	struct image_blob_writer *writer, char ret_digest[IMAGE_DIGEST_LEN + 1], struct error *err);

/* Give up: what can be resumed stays, the rest is deleted. Fine on a zeroed or closed one. */
void image_blob_writer_close(struct image_blob_writer *writer);
#define _cleanup_blob_writer_ _cleanup_(image_blob_writer_close)
#define IMAGE_BLOB_WRITER_INIT                                                                     \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/* Store a whole small blob (manifest, configuration) from memory. */
int image_blob_put(const struct image_store *store, const void *bytes, size_t len,
	char ret_digest[IMAGE_DIGEST_LEN + 1], struct error *err);
