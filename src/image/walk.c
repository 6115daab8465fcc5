/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk.c - everything that index.json reaches, for those who must see it all: list, search by ID,
 * removal. (The collector walks on its own: it must not overlook what this one does not know.)
 *
 * The depth is bounded: index.json, an index and those inside it (leaves.c), manifests.
 */
#include "image/internal.h"

struct walk {
	const struct image_store *store;
	image_visit_fn fn;
	void *context;
	struct image_visit visit;
};

static int report(struct walk *w, const struct error *problem, struct error *err)
{
	w->visit.problem = problem;
	return w->fn(w->context, &w->visit, err);
}

static int visit_manifest(
	struct walk *w, const json_t *json, const struct image_descriptor *d, struct error *err)
{
	struct image_manifest manifest = { 0 };
	struct error problem = { 0 };
	int r;

	w->visit.descriptor_json = json;
	w->visit.descriptor = d;
	r = image_manifest_read(w->store, d, &manifest, &problem);
	if (r == -ENOENT)
		return report(w, NULL, err);
	if (r < 0)
		return report(w, &problem, err);
	w->visit.manifest = &manifest;
	r = report(w, NULL, err);
	w->visit.manifest = NULL;
	image_manifest_free(&manifest);
	return r;
}

static int visit_index(struct walk *w, const struct image_descriptor *index, struct error *err)
{
	_cleanup_json_ json_t *document = NULL;
	struct error problem = { 0 };
	json_t *manifests, *json;
	size_t i;
	int r;

	r = image_index_leaves(w->store, index, &document, &manifests, NULL, &problem);
	if (r == -ENOMEM)
		return error_oom(err);
	if (r < 0)
		return report(w, &problem, err);
	json_array_foreach (manifests, i, json) {
		struct image_descriptor d;

		w->visit.descriptor = NULL;
		if (image_descriptor_parse(json, &d, index->digest, &problem) < 0)
			r = report(w, &problem, err);
		else if (d.kind == IMAGE_KIND_MANIFEST)
			r = visit_manifest(w, json, &d, err);
		if (r != 0)
			return r;
	}
	return 0;
}

int image_walk(const struct image_store *store, const json_t *manifests, image_visit_fn fn,
	void *context, struct error *err)
{
	struct walk w = { .store = store, .fn = fn, .context = context };
	json_t *json;
	size_t i;
	int r = 0;

	json_array_foreach (manifests, i, json) {
		struct image_descriptor target = { 0 };
		struct error problem = { 0 };

		w.visit = (struct image_visit){ .entry = i, .target = &target };
		if (image_descriptor_parse(json, &target, "index.json", &problem) < 0) {
			target.digest = image_entry_digest(json);
			target.name = image_entry_name(json);
			r = report(&w, &problem, err);
		} else if (target.kind == IMAGE_KIND_INDEX) {
			r = visit_index(&w, &target, err);
		} else if (target.kind == IMAGE_KIND_MANIFEST) {
			r = visit_manifest(&w, json, &target, err);
		}
		if (r != 0)
			return r;
	}
	return 0;
}
