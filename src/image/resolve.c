/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolve.c - from what the user typed to one platform's image.
 *
 * By name (the hot path of every `run`): index.json, the index it names, the manifest and the
 * configuration are read once each. By digest or ID, everything stored is looked through.
 */
#include "image/internal.h"

/* Docker's shortest unambiguous prefix that counts as an ID here. */
#define ID_PREFIX_MIN 4

/* --- what in index.json is meant --- */

static int add_entry(struct image_match *match, size_t entry)
{
	size_t n = match->nr_entries;
	size_t *grown;

	if (n && match->entries[n - 1] == entry)
		return 0;
	grown = realloc(match->entries, (n + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	grown[n] = entry;
	match->entries = grown;
	match->nr_entries = n + 1;
	return 0;
}

void image_match_free(struct image_match *match)
{
	free(match->entries);
	json_decref(match->descriptor);
	*match = (struct image_match){ 0 };
}

static int match_name(const json_t *manifests, const struct image_reference *ref,
	struct image_match *match, struct error *err)
{
	_cleanup_free_ char *full = image_reference_full(ref);
	json_t *entry;
	size_t i;

	if (!full)
		return error_oom(err);
	json_array_foreach (manifests, i, entry) {
		const char *name = image_entry_name(entry);

		if (name && streq(name, full) && add_entry(match, i) < 0)
			return error_oom(err);
	}
	match->by_name = match->nr_entries > 0;
	return 0;
}

struct search {
	struct image_match *match;
	const char *hex; /* prefix of the ID, or a whole digest's digits */
	size_t hex_len;
	const char *repository; /* only entries named REPOSITORY:... count; NULL = all */
	char found[IMAGE_DIGEST_LEN + 1]; /* configuration digest of the first hit */
	bool ambiguous;
};

static bool has_prefix(const struct search *s, const char *digest)
{
	return image_digest_is_valid(digest) &&
		strncmp(image_digest_hex(digest), s->hex, s->hex_len) == 0;
}

static bool name_in_repository(const char *name, const char *repository)
{
	const char *rest = name ? str_after_prefix(name, repository) : NULL;

	return rest && (*rest == ':' || *rest == '@');
}

/* A hit on the entry's own digest means the entry; on a manifest or a configuration below an
 * index, exactly that one. */
static int search_visit(void *context, const struct image_visit *visit, struct error *err)
{
	struct search *s = context;
	const char *id = visit->manifest ? visit->manifest->config.digest : visit->target->digest;
	bool target_hit = has_prefix(s, visit->target->digest), exact_hit;

	if (s->repository && !name_in_repository(visit->target->name, s->repository))
		return 0;
	exact_hit = visit->manifest &&
		(has_prefix(s, visit->descriptor->digest) || has_prefix(s, id));
	if (!target_hit && !exact_hit)
		return 0;
	if (target_hit)
		id = visit->target->digest;
	if (*s->found && !streq(s->found, id) && s->hex_len < IMAGE_HEX_LEN)
		s->ambiguous = true;
	snprintf(s->found, sizeof(s->found), "%s", id);
	if (add_entry(s->match, visit->entry) < 0)
		return error_oom(err);
	if (!target_hit && !s->match->descriptor)
		s->match->descriptor = json_incref((json_t *)visit->descriptor_json);
	return 0;
}

static int match_id(const struct image_store *store, const json_t *manifests, const char *hex,
	const char *repository, struct image_match *match, struct error *err)
{
	struct search s = {
		.match = match,
		.hex = hex,
		.hex_len = strlen(hex),
		.repository = repository,
	};
	int r;

	if (s.hex_len < ID_PREFIX_MIN || s.hex_len > IMAGE_HEX_LEN ||
		strspn(hex, "0123456789abcdef") != s.hex_len)
		return 0;
	r = image_walk(store, manifests, search_visit, &s, err);
	if (r == 0 && s.ambiguous)
		return error_set(
			err, ENOTUNIQ, "more than one image has an ID that starts with %s", hex);
	return r;
}

static int find(const struct image_store *store, const json_t *manifests, const char *text,
	struct image_match *match, struct error *err)
{
	struct image_reference ref = { 0 };
	const char *digits = str_after_prefix(text, "sha256:");
	struct error why = { 0 };
	int parsed, r = 0;

	parsed = image_reference_parse(text, &ref, &why);
	if (parsed == 0)
		r = match_name(manifests, &ref, match, err);
	if (r == 0 && !match->nr_entries && parsed == 0 && ref.digest) {
		_cleanup_free_ char *repository = strf("%s/%s", ref.registry, ref.repository);

		r = repository ? match_id(store, manifests, image_digest_hex(ref.digest),
					 repository, match, err)
			       : error_oom(err);
	} else if (r == 0 && !match->nr_entries) {
		r = match_id(store, manifests, digits ? digits : text, NULL, match, err);
	}
	image_reference_free(&ref);
	if (r < 0 || match->nr_entries)
		return r;
	/* 64 digits are no name, but may be the ID of nothing; anything else that does not parse
	 * is the user's mistake. */
	if (parsed < 0 && (!*text || strspn(text, "0123456789abcdef") != strlen(text))) {
		if (err)
			*err = why;
		return parsed;
	}
	return error_set(err, ENOENT, "no such image: %s", text);
}

int image_match_find(const struct image_store *store, const json_t *manifests, const char *text,
	struct image_match *ret, struct error *err)
{
	struct image_match match = { 0 };
	int r = find(store, manifests, text, &match, err);

	if (r < 0) {
		image_match_free(&match);
		return r;
	}
	*ret = match;
	return 0;
}

/* --- the image itself --- */

static int wrong_platform(
	const struct image_platform *want, const char *text, struct str *have, struct error *err)
{
	char wanted[80];

	image_platform_format(want, wanted, sizeof(wanted));
	return error_set(err, ENOEXEC, "image %s is not stored for %s, only for %s", text, wanted,
		have->len ? have->data : "no platform at all");
}

static void add_platform(struct str *list, const struct image_platform *platform)
{
	char buf[80];

	image_platform_format(platform, buf, sizeof(buf));
	str_appendf(list, "%s%s", list->len ? ", " : "", buf);
}

static int load_manifest(const struct image_store *store, const struct image_descriptor *d,
	const char *text, const struct image_platform *want, struct image *image, struct error *err)
{
	_cleanup_(image_manifest_free) struct image_manifest m = { 0 };
	_cleanup_str_ struct str have = { 0 };
	int r;

	r = image_manifest_read(store, d, &m, err);
	if (r < 0)
		return r;
	if (!m.is_image)
		return error_set(err, ENOEXEC, "%s is not an image but an artifact of type %s",
			text, m.config.media_type);
	r = image_config_read(store, &m.config, &image->config, err);
	if (r < 0)
		return r;
	if (!image_platform_matches(want, &image->config.platform)) {
		add_platform(&have, &image->config.platform);
		return wrong_platform(want, text, &have, err);
	}
	if (strv_length(image->config.diff_ids) != m.nr_layers)
		return error_set(err, EBADMSG,
			"%s/images is damaged: manifest %s has %zu layers, its configuration %zu",
			store->root, d->digest, m.nr_layers, strv_length(image->config.diff_ids));
	image->manifest_digest = strdup(d->digest);
	image->config_digest = strdup(m.config.digest);
	image->size_bytes = m.size_bytes;
	return image->manifest_digest && image->config_digest ? 0 : error_oom(err);
}

static bool blob_is_stored(const struct image_store *store, const char *digest)
{
	char path[80];

	image_blob_path(digest, path);
	return faccessat(store->images_fd, path, F_OK, 0) == 0;
}

/* The index's manifest that serves `want` best. Names the platforms that are stored when none. */
static int pick_manifest(const struct image_store *store, const struct image_descriptor *index,
	const json_t *manifests, const char *text, const struct image_platform *want,
	struct image_descriptor *ret, struct error *err)
{
	_cleanup_str_ struct str have = { 0 };
	struct image_descriptor d;
	int best = 0, r;
	json_t *json;
	size_t i;

	json_array_foreach (manifests, i, json) {
		int rank;

		r = image_descriptor_parse(json, &d, index->digest, err);
		if (r < 0) {
			error_prefix(err, "%s/images is damaged", store->root);
			return error_code(err, EBADMSG);
		}
		if (d.kind != IMAGE_KIND_MANIFEST)
			continue;
		/* Without a stated platform the configuration decides, once it is read. */
		rank = d.has_platform ? image_platform_rank(want, &d.platform) : 1;
		if (rank <= best || !blob_is_stored(store, d.digest)) {
			if (d.has_platform && rank <= best && blob_is_stored(store, d.digest))
				add_platform(&have, &d.platform);
			continue;
		}
		best = rank;
		*ret = d;
	}
	return best ? 0 : wrong_platform(want, text, &have, err);
}

static int load(const struct image_store *store, const json_t *descriptor, const char *text,
	const struct image_platform *want, struct image *image, struct error *err)
{
	_cleanup_json_ json_t *document = NULL;
	struct image_descriptor d, target;
	json_t *manifests;
	int r;

	r = image_descriptor_parse(descriptor, &target, "index.json", err);
	if (r < 0) {
		error_prefix(err, "%s/images is damaged", store->root);
		return error_code(err, EBADMSG);
	}
	d = target;
	if (target.kind == IMAGE_KIND_INDEX) {
		r = image_index_leaves(store, &target, &document, &manifests, NULL, err);
		if (r == 0)
			r = pick_manifest(store, &target, manifests, text, want, &d, err);
	} else if (target.kind == IMAGE_KIND_OTHER) {
		r = error_set(err, ENOEXEC, "%s is not an image but of type \"%.100s\"", text,
			target.media_type);
	}
	if (r == 0)
		r = load_manifest(store, &d, text, want, image, err);
	/* The store said it has it: what is missing now is damage. */
	return r == -ENOENT ? error_code(err, EBADMSG) : r;
}

/* Several entries of one name (other tools write one per platform): the first that serves. */
static int load_match(const struct image_store *store, const json_t *manifests,
	const struct image_match *match, const char *text, const struct image_platform *want,
	struct image *image, struct error *err)
{
	int r = -ENOENT;

	for (size_t i = 0; i < match->nr_entries; i++) {
		const json_t *entry = json_array_get(manifests, match->entries[i]);

		image_free(image);
		r = load(store, match->descriptor ? match->descriptor : entry, text, want, image,
			err);
		if (r == -ENOEXEC && i + 1 < match->nr_entries)
			continue;
		if (r < 0)
			return r;
		image->target_digest = strdup(image_entry_digest(entry));
		if (!image->target_digest)
			return error_oom(err);
		if (!match->by_name)
			return 0;
		image->name = strdup(image_entry_name(entry));
		return image->name ? 0 : error_oom(err);
	}
	return r;
}

int image_resolve(const struct image_store *store, const char *text,
	const struct image_platform *platform, struct image *ret, struct error *err)
{
	_cleanup_(image_match_free) struct image_match match = { 0 };
	_cleanup_json_ json_t *document = NULL;
	_cleanup_image_ struct image image = { 0 };
	struct image_platform host;
	json_t *manifests;
	int r = 0;

	if (!platform) {
		r = image_platform_parse(NULL, &host, err);
		platform = &host;
	}
	if (r == 0)
		r = image_index_read(store, &document, &manifests, err);
	if (r == 0)
		r = image_match_find(store, manifests, text, &match, err);
	if (r == 0)
		r = load_match(store, manifests, &match, text, platform, &image, err);
	if (r < 0)
		return r;
	*ret = image;
	image = (struct image){ 0 };
	return 0;
}

void image_free(struct image *image)
{
	free(image->name);
	free(image->manifest_digest);
	free(image->config_digest);
	free(image->target_digest);
	image_config_free(&image->config);
	*image = (struct image){ 0 };
}
