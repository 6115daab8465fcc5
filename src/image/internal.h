/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - what the files of image/ share and nobody else sees.
 */
#pragma once

#include "image/image.h"

/* Length of a digest's hexadecimal part, and of the buffer that holds it. */
#define IMAGE_HEX_LEN  64
#define IMAGE_HEX_SIZE (IMAGE_HEX_LEN + 1)

/* Names of files that are being written below images/blobs/sha256 and layers. */
#define IMAGE_TEMPORARY_PREFIX ".tmp-"
#define IMAGE_PARTIAL_PREFIX   ".partial-"
/* layers/.unsynced-HEX: that layer may not be on disk yet (layer.c). */
#define IMAGE_UNSYNCED_PREFIX ".unsynced-"

/* --- platform.c --- */

/* How well content made for `have` serves `want`: 0 = not at all, more is better. */
int image_platform_rank(const struct image_platform *want, const struct image_platform *have);
/* The "platform" object of a descriptor, or the top of an image configuration. */
int image_platform_from_json(
	const json_t *object, struct image_platform *ret, const char *what, struct error *err);

/* --- store.c --- */

/* ROOT/locks/index, exclusive: held while index.json is read, changed and replaced. Always taken
 * after ROOT/locks/images when both are needed. */
int image_store_lock_index(const struct image_store *store, struct error *err);
/* As image_store_lock(store, true), but -EWOULDBLOCK when somebody is using the content. */
int image_store_try_lock_exclusive(const struct image_store *store, struct error *err);

/* index.json's document and its "manifests" array (borrowed from the document). */
int image_index_read(const struct image_store *store, json_t **ret_document, json_t **ret_manifests,
	struct error *err);
int image_index_write(const struct image_store *store, const json_t *document, struct error *err);

/* Put `descriptor` into the array under `name` (NULL: none), with image_store_set_name()'s rules. 0
 * or -ENOMEM. */
int image_index_set(json_t *manifests, const char *name, const json_t *descriptor);

/* Parse `text` as the document that lies at images/PATH; failures are -EBADMSG naming the file. */
int image_document_parse(const struct image_store *store, const char *path, const char *text,
	size_t len, json_t **ret, struct error *err);

/* --- manifest.c --- */

enum image_kind {
	IMAGE_KIND_OTHER, /* an artifact or something of the future: kept, never looked into */
	IMAGE_KIND_INDEX,
	IMAGE_KIND_MANIFEST,
};

/* One checked descriptor (image-spec descriptor.md). Strings are borrowed from its document. */
struct image_descriptor {
	const char *media_type;
	const char *digest;
	uint64_t size;
	const char *name; /* the annotation, NULL when there is none */
	bool has_platform;
	struct image_platform platform;
	enum image_kind kind;
};

int image_descriptor_parse(
	const json_t *object, struct image_descriptor *ret, const char *what, struct error *err);

/* A manifest document, checked: every digest in it is valid. */
struct image_manifest {
	json_t *document;
	struct image_descriptor config;
	struct image_descriptor *layers;
	size_t nr_layers;
	bool is_image; /* the configuration is one that image_config_parse() reads */
	uint64_t size_bytes; /* config + layers */
};

int image_manifest_parse(
	json_t *document, struct image_manifest *ret, const char *what, struct error *err);
void image_manifest_free(struct image_manifest *manifest);

/* Read and check the blob; -ENOENT when it is not stored. */
int image_manifest_read(const struct image_store *store, const struct image_descriptor *descriptor,
	struct image_manifest *ret, struct error *err);

/* An index's document and its "manifests" array; -ENOENT when it is not stored. */
int image_nested_index_read(const struct image_store *store,
	const struct image_descriptor *descriptor, json_t **ret_document, json_t **ret_manifests,
	struct error *err);

int image_config_read(const struct image_store *store, const struct image_descriptor *descriptor,
	struct image_config *ret, struct error *err);

/* --- leaves.c --- */

#define IMAGE_INDEX_DEPTH_MAX 4 /* indexes inside indexes */

/* Likewise, but with the indexes inside it replaced by what they hold, as far as they are stored.
 * `inner` (NULL: not wanted) is an array that gets their descriptors, each after those inside it.
 */
int image_index_leaves(const struct image_store *store, const struct image_descriptor *descriptor,
	json_t **ret_document, json_t **ret_leaves, json_t *inner, struct error *err);

/* --- walk.c --- */

/* One manifest that an entry of index.json reaches, directly or through indexes. */
struct image_visit {
	size_t entry; /* position in index.json */
	const struct image_descriptor *target; /* the entry itself */
	const json_t *descriptor_json; /* of the manifest */
	const struct image_descriptor *descriptor; /* likewise; NULL when it cannot be read */
	const struct image_manifest *manifest; /* NULL when it is not stored, or damaged */
	const struct error *problem; /* what is damaged, NULL when nothing is */
};

/* A non-zero return value ends the walk and is handed through. */
typedef int (*image_visit_fn)(void *context, const struct image_visit *visit, struct error *err);

/* Visit everything below `manifests`, index.json's array. Damage is reported through the visits and
 * does not end the walk. */
int image_walk(const struct image_store *store, const json_t *manifests, image_visit_fn fn,
	void *context, struct error *err);

/* --- resolve.c --- */

/* What the user's text named in index.json. */
struct image_match {
	bool by_name;
	size_t *entries; /* positions: of that name, or those that reach the ID */
	size_t nr_entries;
	/* By ID: the exact manifest's descriptor (owned), or NULL when an entry itself was meant.
	 */
	json_t *descriptor;
};

/* -ENOENT: "no such image: TEXT". -ENOTUNIQ: a prefix of several IDs. */
int image_match_find(const struct image_store *store, const json_t *manifests, const char *text,
	struct image_match *ret, struct error *err);
void image_match_free(struct image_match *match);

/* Of one entry: its name, NULL when it has none; its digest, "" when it has none. Borrowed. */
const char *image_entry_name(const json_t *entry);
const char *image_entry_digest(const json_t *entry);

/* --- collect.c --- */

/* Remove one unpacked layer (64 digits) or left-over below ROOT/layers. Whoever calls it sees to it
 * that nobody needs it. */
int image_layer_discard(const struct image_store *store, const char *name, struct error *err);
