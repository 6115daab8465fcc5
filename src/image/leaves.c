/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leaves.c - what an index comes to in the end: its manifests, and those of the indexes inside it
 * (image-spec image-index.md lets a descriptor of an index name another index).
 *
 * An inner index that is not stored stays in the list as what it is, like a manifest that is not.
 */
#include "image/internal.h"

#define LEAVES_MAX 4096 /* descriptors of one index, inner ones counted */

struct flattening {
	const struct image_store *store;
	json_t *leaves, *inner; /* inner may be NULL */
	unsigned count;
};

static bool is_index(const json_t *json)
{
	struct image_descriptor d;

	return image_descriptor_parse(json, &d, "", NULL) == 0 && d.kind == IMAGE_KIND_INDEX;
}

static int flatten(
	struct flattening *f, const json_t *manifests, unsigned depth, struct error *err);

/* 1: it is not stored. */
static int flatten_inner(struct flattening *f, json_t *json, unsigned depth, struct error *err)
{
	_cleanup_json_ json_t *document = NULL;
	struct image_descriptor d;
	json_t *manifests;
	int r = image_descriptor_parse(json, &d, "an index", err);

	if (r == 0 && depth > IMAGE_INDEX_DEPTH_MAX)
		r = error_set(err, EBADMSG, "%s: indexes are nested more than %d deep", d.digest,
			IMAGE_INDEX_DEPTH_MAX);
	if (r == 0)
		r = image_nested_index_read(f->store, &d, &document, &manifests, err);
	if (r == -ENOENT) {
		error_clear(err);
		return 1;
	}
	if (r == 0)
		r = flatten(f, manifests, depth + 1, err);
	if (r == 0 && f->inner && json_array_append(f->inner, json) < 0)
		r = error_oom(err);
	return r;
}

static int flatten(struct flattening *f, const json_t *manifests, unsigned depth, struct error *err)
{
	json_t *json;
	size_t i;

	json_array_foreach (manifests, i, json) {
		int r = 1;

		if (++f->count > LEAVES_MAX)
			return error_set(
				err, EBADMSG, "an index has more than %d manifests", LEAVES_MAX);
		if (is_index(json))
			r = flatten_inner(f, json, depth, err);
		if (r > 0)
			r = json_array_append(f->leaves, json) < 0 ? error_oom(err) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

static bool has_inner(const json_t *manifests)
{
	json_t *json;
	size_t i;

	json_array_foreach (manifests, i, json)
		if (is_index(json))
			return true;
	return false;
}

int image_index_leaves(const struct image_store *store, const struct image_descriptor *descriptor,
	json_t **ret_document, json_t **ret_leaves, json_t *inner, struct error *err)
{
	_cleanup_json_ json_t *document = NULL, *whole = NULL;
	struct flattening f = { .store = store, .inner = inner };
	json_t *manifests;
	int r = image_nested_index_read(store, descriptor, &document, &manifests, err);

	if (r < 0)
		return r;
	if (has_inner(manifests)) {
		whole = json_copy(document);
		f.leaves = json_array();
		if (!whole || !f.leaves || json_object_set_new(whole, "manifests", f.leaves) < 0)
			return error_oom(err);
		r = flatten(&f, manifests, 1, err);
		if (r < 0)
			return r;
		*ret_document = steal_ptr(&whole);
		*ret_leaves = f.leaves;
		return 0;
	}
	*ret_document = steal_ptr(&document);
	*ret_leaves = manifests;
	return 0;
}
