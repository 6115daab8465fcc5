/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transfer-internal.h - shared by the files that move images to and from registries.
 */
#pragma once

#include <pthread.h>

#include "image/internal.h"
#include "image/registry.h"

/* One blob that a pull needs, each digest once. */
struct transfer_layer {
	char digest[IMAGE_DIGEST_LEN + 1];
	char diff_id[IMAGE_DIGEST_LEN + 1]; /* "" = not unpacked */
	uint64_t size;
};

struct transfer_layers {
	struct transfer_layer *items;
	size_t count;
};

/* Add a layer unless its digest is there already; a diff ID is then only filled in. */
int transfer_layers_add(struct transfer_layers *layers, const char *digest, uint64_t size,
	const char *diff_id, struct error *err);

/*
 * Fetch and unpack them all, several at once. The first failure cancels the others. *ret_fetched:
 * how many came over the network.
 */
int transfer_fetch_layers(const struct image_store *store, struct registry *registry,
	const struct transfer_layers *layers, size_t *ret_fetched, struct error *err);

/*
 * Run work(context, client, i) for i in [0, count) in up to `parallel` threads, each with its own
 * client. The first failure is returned, after the others were cancelled and all have ended.
 */
struct transfer_pool; /* of one such run */
typedef int (*transfer_work_fn)(struct transfer_pool *pool, void *context,
	struct registry_client *client, size_t i, struct error *err);
int transfer_pool_run(struct registry *registry, unsigned parallel, size_t count,
	transfer_work_fn work, void *context, struct error *err);
/* Has another piece of work failed? Work that waits for something else than HTTP asks this. */
bool transfer_pool_cancelled(struct transfer_pool *pool);
/* Tell the user; from any thread of the pool. */
void transfer_pool_progress(struct transfer_pool *pool, const char *digest, const char *phase,
	uint64_t done_bytes, uint64_t total_bytes);

/* Find out what kind of document a manifest is; refuses what is ambiguous or too old. */
int transfer_classify_manifest(const json_t *document, const char *content_type,
	const char **ret_media_type, const char *what, struct error *err);
