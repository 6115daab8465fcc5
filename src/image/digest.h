/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest.h - SHA-256 as the image formats write it. Needs libcrypto, so only the helper program
 * strata-image links it.
 */
#pragma once

#include "image/image.h"

/* A running digest. A zeroed one is not open; image_digester_free() of it is fine. */
struct image_digester {
	void *context; /* EVP_MD_CTX */
	bool failed;
};

int image_digester_open(struct image_digester *ret, struct error *err);
/* A failure inside libcrypto is kept and reported by image_digester_finish(). */
void image_digester_update(struct image_digester *digester, const void *bytes, size_t len);
/* Hash fd from `offset` until its end; *ret_len (may be NULL) is how much that was. */
int image_digester_update_fd(struct image_digester *digester, int fd, off_t offset,
	uint64_t *ret_len, struct error *err);
/* "sha256:HEX". The digester is used up: image_digester_reset() or free it. */
int image_digester_finish(
	struct image_digester *digester, char ret[IMAGE_DIGEST_LEN + 1], struct error *err);
int image_digester_reset(struct image_digester *digester, struct error *err);
void image_digester_free(struct image_digester *digester);
#define _cleanup_digester_ _cleanup_(image_digester_free)

/* The digest of a buffer at once. */
int image_digest_of(
	const void *bytes, size_t len, char ret[IMAGE_DIGEST_LEN + 1], struct error *err);
