/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify.h - is the store what it says it is? Hashes every blob, so only the helper program
 * strata-image links it.
 */
#pragma once

#include "image/image.h"

struct image_verify_options {
	bool repair; /* unpack layers again from their blobs, delete blobs that are wrong */
	/* Called with one sentence per problem, and one per repair. */
	void (*report)(void *context, const char *sentence);
	void *context;
};

struct image_verify_result {
	uint64_t blobs, blob_bytes; /* hashed */
	uint64_t images, layers; /* looked at */
	uint64_t problems, repaired;
};

/*
 * Check the layout's own files, the digest of every blob, that what index.json names is there
 * whole, and that every layer of a stored image is unpacked and trusted. Problems are counted and
 * reported, they are no failure: that is when the checking itself could not be done.
 */
int image_verify(const struct image_store *store, const struct image_verify_options *options,
	struct image_verify_result *ret, struct error *err);
