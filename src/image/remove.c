/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remove.c - tag and rmi: what names an image in index.json, and what does no longer.
 *
 * Both change index.json under its lock and nothing else. Content goes afterwards, through the
 * collector, and only when nobody is using the store; otherwise it stays for the next collection.
 */
#include "image/internal.h"

#include <fcntl.h>
#include <time.h>

#include "base/log.h"

/* How long `rmi` waits for running transfers before it leaves the content to a later collection. */
#define COLLECT_ATTEMPTS 10
#define COLLECT_PAUSE_MS 50

/* --- tag --- */

static int parse_target(const char *target, char **ret_full, struct error *err)
{
	struct image_reference ref;
	int r = image_reference_parse(target, &ref, err);

	if (r < 0)
		return r;
	if (ref.digest)
		r = error_set(
			err, EINVAL, "cannot tag as %s: a tag does not contain a digest", target);
	else if (!(*ret_full = image_reference_full(&ref)))
		r = error_oom(err);
	image_reference_free(&ref);
	return r;
}

int image_tag(
	const struct image_store *store, const char *source, const char *target, struct error *err)
{
	_cleanup_(image_match_free) struct image_match match = { 0 };
	_cleanup_json_ json_t *document = NULL, *descriptor = NULL;
	_cleanup_free_ char *full = NULL;
	_cleanup_close_ int lock = -1;
	json_t *manifests;
	int r;

	r = parse_target(target, &full, err);
	if (r < 0)
		return r;
	lock = image_store_lock_index(store, err);
	if (lock < 0)
		return lock;
	r = image_index_read(store, &document, &manifests, err);
	if (r == 0)
		r = image_match_find(store, manifests, source, &match, err);
	if (r < 0)
		return r;
	descriptor = json_deep_copy(
		match.descriptor ? match.descriptor : json_array_get(manifests, match.entries[0]));
	if (!descriptor || image_index_set(manifests, full, descriptor) < 0)
		return error_oom(err);
	return image_index_write(store, document, err);
}

/* --- rmi --- */

struct removal {
	const json_t *manifests;
	const struct image_match *match;
	char *const *pinned;
	const char *in_use; /* the pinned digest that is reached by what is to go */
	char **ids; /* configuration digests of what is to go */
};

static bool is_matched(const struct image_match *match, size_t entry)
{
	for (size_t i = 0; i < match->nr_entries; i++)
		if (match->entries[i] == entry)
			return true;
	return false;
}

static int removal_visit(void *context, const struct image_visit *visit, struct error *err)
{
	struct removal *removal = context;

	if (!is_matched(removal->match, visit->entry))
		return 0;
	strv_for_each (digest, removal->pinned) {
		if (streq(*digest, visit->target->digest) ||
			(visit->descriptor && streq(*digest, visit->descriptor->digest)))
			removal->in_use = *digest;
	}
	if (visit->manifest && !strv_contains(removal->ids, visit->manifest->config.digest) &&
		strv_push(&removal->ids, visit->manifest->config.digest) < 0)
		return error_oom(err);
	return 0;
}

/* Does an entry that stays have the same target as the one named? Then a name goes, no more. */
static bool target_is_kept(const json_t *manifests, const struct image_match *match)
{
	const char *digest = image_entry_digest(json_array_get(manifests, match->entries[0]));
	json_t *entry;
	size_t i;

	json_array_foreach (manifests, i, entry) {
		if (!is_matched(match, i) && streq(image_entry_digest(entry), digest))
			return true;
	}
	return false;
}

static int check_names(const json_t *manifests, const struct image_match *match, const char *text,
	bool force, struct error *err)
{
	_cleanup_str_ struct str names = { 0 };
	size_t count = 0;

	for (size_t i = 0; i < match->nr_entries; i++) {
		const char *name = image_entry_name(json_array_get(manifests, match->entries[i]));
		_cleanup_free_ char *familiar = name ? image_familiar_name(name) : NULL;

		if (!familiar)
			continue;
		str_appendf(&names, "%s%s", count++ ? ", " : "", familiar);
	}
	if (match->by_name || force || count < 2)
		return 0;
	return error_set(err, EBUSY,
		"image %s has several names (%s): remove them one by one, or use force", text,
		names.data);
}

static int drop_entries(
	json_t *manifests, const struct image_match *match, char ***log, struct error *err)
{
	/* From the end, so that the positions in front stay what they are. */
	for (size_t i = match->nr_entries; i-- > 0;) {
		const char *name = image_entry_name(json_array_get(manifests, match->entries[i]));
		_cleanup_free_ char *familiar = name ? image_familiar_name(name) : NULL;

		if (name && (!familiar || strv_pushf(log, "Untagged: %s", familiar) < 0))
			return error_oom(err);
		json_array_remove(manifests, match->entries[i]);
	}
	return 0;
}

/* index.json without what `text` names. *ret_ids: configurations it may have been the last of. */
static int untag(const struct image_store *store, const char *text, bool force, char *const *pinned,
	char ***log, char ***ret_ids, struct error *err)
{
	_cleanup_(image_match_free) struct image_match match = { 0 };
	_cleanup_json_ json_t *document = NULL;
	_cleanup_close_ int lock = image_store_lock_index(store, err);
	struct removal removal = { .match = &match, .pinned = pinned };
	json_t *manifests;
	int r;

	if (lock < 0)
		return lock;
	r = image_index_read(store, &document, &manifests, err);
	if (r == 0)
		r = image_match_find(store, manifests, text, &match, err);
	if (r == 0)
		r = check_names(manifests, &match, text, force, err);
	if (r == 0 && !target_is_kept(manifests, &match))
		r = image_walk(store, manifests, removal_visit, &removal, err);
	if (r == 0 && removal.in_use && !force)
		r = error_set(err, EBUSY,
			"image %s is used by an instance: remove the instance, or use force", text);
	if (r == 0)
		r = drop_entries(manifests, &match, log, err);
	if (r == 0)
		r = image_index_write(store, document, err);
	if (r < 0) {
		strv_free(removal.ids);
		return r;
	}
	*ret_ids = removal.ids;
	return 0;
}

static int collect_when_idle(
	const struct image_store *store, char *const *pinned, char ***log, struct error *err)
{
	struct image_collect_options options = { .pinned = pinned };
	const struct timespec pause = { .tv_nsec = COLLECT_PAUSE_MS * 1000000L };
	uint64_t freed;
	int r;

	for (int i = 0;; i++) {
		r = image_collect(store, &options, log, &freed, err);
		if (r != -EWOULDBLOCK)
			return r;
		error_clear(err);
		if (i + 1 == COLLECT_ATTEMPTS)
			break;
		nanosleep(&pause, NULL);
	}
	log_info("the store is in use: unused content is left for the next rmi or image prune");
	return 0;
}

int image_remove(const struct image_store *store, const char *text, bool force, char *const *pinned,
	char ***ret_log, struct error *err)
{
	_cleanup_strv_ char **log = NULL, **ids = NULL, **collected = NULL;
	int r;

	r = untag(store, text, force, pinned, &log, &ids, err);
	if (r < 0)
		return r;
	r = collect_when_idle(store, pinned, &collected, err);
	if (r < 0)
		return error_prefix(err, "%s is untagged, but its content stays", text);
	strv_for_each (id, ids) {
		char path[80];

		image_blob_path(*id, path);
		if (faccessat(store->images_fd, path, F_OK, 0) < 0 && errno == ENOENT &&
			strv_pushf(&log, "Deleted: %s", *id) < 0)
			return error_oom(err);
	}
	strv_for_each (line, collected) {
		if (strv_push(&log, *line) < 0)
			return error_oom(err);
	}
	*ret_log = steal_ptr(&log);
	return 0;
}
