/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transfer-push.h - the blobs of a push (transfer-blobs.c), for transfer-push.c.
 */
#pragma once

#include "image/transfer-internal.h"

struct push_blob {
	char digest[IMAGE_DIGEST_LEN + 1];
	uint64_t size;
};

/* A blob that another repository of the same registry is known to have. */
struct push_mount {
	char digest[IMAGE_DIGEST_LEN + 1];
	char *repository;
};

struct push_blobs {
	struct push_blob *items;
	size_t count;
	struct push_mount *mounts;
	size_t nr_mounts;
};

/* Each digest once. */
int push_blobs_add(struct push_blobs *blobs, const char *digest, uint64_t size, struct error *err);
void push_blobs_free(struct push_blobs *blobs);

/* Note which blobs other names of the same registry have: it can link them instead of being sent
 * them again. `manifests` is index.json's array. */
int push_find_mounts(const struct image_store *store, const json_t *manifests,
	const struct image_reference *reference, struct push_blobs *blobs, struct error *err);

/* Make sure that the repository has them all; several at once. */
int push_blobs_send(const struct image_store *store, struct registry *registry,
	const struct push_blobs *blobs, struct error *err);
