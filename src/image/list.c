/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list.c - every image of the store, for `strata images` and completion.
 */
#include "image/internal.h"

#include "base/clock.h"
#include "base/log.h"

struct list {
	const struct image_store *store;
	struct image_summary *rows;
	size_t count, capacity;
};

static void free_row(struct image_summary *row)
{
	free(row->name);
	free(row->target_digest);
	free(row->manifest_digest);
	free(row->config_digest);
	strv_free(row->labels);
}

static int add_row(struct list *list, const struct image_summary *row)
{
	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : 16;
		struct image_summary *grown = reallocarray(list->rows, capacity, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		list->rows = grown;
		list->capacity = capacity;
	}
	list->rows[list->count++] = *row;
	return 0;
}

/* What the configuration adds: 1 when it is not stored. */
static int read_config(struct list *list, const struct image_manifest *manifest,
	struct image_summary *row, struct error *err)
{
	struct image_config config = { 0 };
	int r = image_config_read(list->store, &manifest->config, &config, err);

	if (r == -ENOENT)
		return 1;
	if (r < 0)
		return r;
	row->platform = config.platform;
	if (config.created && clock_parse(config.created, &row->created_ns) < 0)
		row->created_ns = 0;
	row->labels = steal_ptr(&config.labels);
	image_config_free(&config);
	return 0;
}

static int list_visit(void *context, const struct image_visit *visit, struct error *err)
{
	struct list *list = context;
	struct image_summary row = { 0 };
	struct error problem = { 0 };
	int r = 0;

	if (visit->problem) {
		log_warning("image %s: %s",
			visit->target->name ? visit->target->name : "without a name",
			visit->problem->message);
		return 0;
	}
	/* Artifacts (kernels, signatures, attestations) are no images. */
	if (visit->manifest && !visit->manifest->is_image)
		return 0;
	if (visit->descriptor->has_platform) {
		row.platform = visit->descriptor->platform;
		if (streq(row.platform.os, "unknown"))
			return 0;
	}
	if (visit->manifest) {
		row.size_bytes = visit->manifest->size_bytes;
		r = read_config(list, visit->manifest, &row, &problem);
		if (r < 0) {
			log_warning("image %s: %s",
				visit->target->name ? visit->target->name : "without a name",
				problem.message);
			return r == -ENOMEM ? error_oom(err) : 0;
		}
		row.present = r == 0;
		row.config_digest = strdup(visit->manifest->config.digest);
	}
	row.name = visit->target->name ? strdup(visit->target->name) : NULL;
	row.target_digest = strdup(visit->target->digest);
	row.manifest_digest = strdup(visit->descriptor->digest);
	if ((visit->target->name && !row.name) || !row.target_digest || !row.manifest_digest ||
		(visit->manifest && !row.config_digest) || add_row(list, &row) < 0) {
		free_row(&row);
		return error_oom(err);
	}
	return 0;
}

int image_list(const struct image_store *store, struct image_summary **ret, size_t *ret_count,
	struct error *err)
{
	_cleanup_json_ json_t *document = NULL;
	struct list list = { .store = store };
	json_t *manifests;
	int r;

	r = image_index_read(store, &document, &manifests, err);
	if (r == 0)
		r = image_walk(store, manifests, list_visit, &list, err);
	if (r < 0) {
		image_list_free(list.rows, list.count);
		return r;
	}
	*ret = list.rows;
	*ret_count = list.count;
	return 0;
}

void image_list_free(struct image_summary *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free_row(&list[i]);
	free(list);
}
