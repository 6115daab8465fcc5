/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transfer-pull.c - an image from a registry: manifests, configurations, layers, name.
 *
 * Order: what the reference names (a manifest or an index), the manifests of the wanted platforms,
 * their configurations, then all layers at once, and the name last. Every document is stored once
 * its digest was right. ROOT/locks/images is held shared all the time, so that no collector takes
 * away what nothing reaches yet.
 */
#include <strings.h>

#include "image/blob.h"
#include "image/transfer-internal.h"

/* Everything we can make use of; registries choose by it. */
static const char accept_header[] = "Accept: " IMAGE_TYPE_OCI_INDEX ", " IMAGE_TYPE_DOCKER_LIST
				    ", " IMAGE_TYPE_OCI_MANIFEST ", " IMAGE_TYPE_DOCKER_MANIFEST;

#define INNER_INDEXES_MAX 32 /* of one image */

struct pull {
	const struct image_store *store;
	const struct image_transfer_options *options;
	const struct image_reference *reference;
	struct registry *registry;
	struct registry_client client;
	char *name; /* as users write it */
	struct image_platform platform;
	struct transfer_layers layers;
	bool fetched; /* some document was not here */
	unsigned manifests; /* that were pulled */
};

/* A document and what it is. */
struct document {
	json_t *json;
	char digest[IMAGE_DIGEST_LEN + 1];
	const char *media_type; /* a constant, or borrowed from json */
	enum image_kind kind;
	size_t size;
};

static void document_free(struct document *d)
{
	json_decref(d->json);
	*d = (struct document){ 0 };
}

/* --- what kind of document ----------------------------------------------------------------- */

static bool type_is(const char *content_type, const char *type)
{
	size_t len = content_type ? strcspn(content_type, "; \t") : 0;

	return len == strlen(type) && strncasecmp(content_type, type, len) == 0;
}

int transfer_classify_manifest(const json_t *document, const char *content_type,
	const char **ret_media_type, const char *what, struct error *err)
{
	static const char *const types[] = { IMAGE_TYPE_OCI_INDEX, IMAGE_TYPE_DOCKER_LIST,
		IMAGE_TYPE_OCI_MANIFEST, IMAGE_TYPE_DOCKER_MANIFEST };
	bool index = json_object_get(document, "manifests"),
	     manifest = json_object_get(document, "layers");
	const char *type = NULL;
	int64_t version = 2;
	int r = json_get_int(document, "schemaVersion", &version, what, err);

	if (r == 0)
		r = json_get_string(document, "mediaType", &type, what, err);
	if (r < 0)
		return r;
	if (version == 1 || json_object_get(document, "fsLayers"))
		return error_set(err, EPROTONOSUPPORT,
			"%s is in Docker's old schema 1 format, which is not supported: push it again "
			"with a newer Docker",
			what);
	/* What could be read both ways is read by nobody (CVE-2021-41190). */
	if (index == manifest)
		return error_set(err, EBADMSG, "%s is neither a manifest nor an index", what);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (type ? !streq(type, types[i]) : !type_is(content_type, types[i]))
			continue;
		if (index != (i < 2))
			return error_set(err, EBADMSG, "%s is not the %s that it says it is", what,
				types[i]);
		*ret_media_type = types[i];
		return 0;
	}
	if (type)
		return error_set(
			err, EPROTONOSUPPORT, "%s is a %.200s, which is not supported", what, type);
	*ret_media_type = index ? IMAGE_TYPE_OCI_INDEX : IMAGE_TYPE_OCI_MANIFEST;
	return 0;
}

/* --- documents ------------------------------------------------------------------------------ */

/* Take a document apart; it is not stored yet. */
static int read_document(struct pull *pull, const char *text, size_t len, const char *content_type,
	struct document *ret, struct error *err)
{
	struct document d = { .size = len };
	_cleanup_json_ json_t *json = NULL;
	int r = image_digest_of(text, len, d.digest, err);

	if (r == 0)
		r = json_parse(text, len, pull->name, &json, err);
	if (r == 0 && !json_is_object(json))
		r = error_set(err, EBADMSG, "the manifest of %s is not a JSON object", pull->name);
	if (r == 0)
		r = transfer_classify_manifest(json, content_type, &d.media_type, pull->name, err);
	if (r < 0)
		return r;
	d.kind = json_object_get(json, "manifests") ? IMAGE_KIND_INDEX : IMAGE_KIND_MANIFEST;
	d.json = steal_ptr(&json);
	*ret = d;
	return 0;
}

/* Is the answer what was asked for, and what the registry itself says it is? */
static int check_digest(struct pull *pull, const struct http_response *response,
	const char *expected, struct error *err)
{
	const char *claimed = http_response_header(response, "docker-content-digest");
	char digest[IMAGE_DIGEST_LEN + 1];
	int r = image_digest_of(
		response->body.data ? response->body.data : "", response->body.len, digest, err);

	if (r < 0)
		return r;
	if (expected && !streq(expected, digest))
		return error_set(err, EBADMSG,
			"%s lies about %s: it sends a document with digest %s",
			pull->registry->name, expected, digest);
	if (claimed && str_after_prefix(claimed, "sha256:") && !streq(claimed, digest))
		return error_set(err, EBADMSG,
			"%s lies about the digest of %s: it says %.80s, but it is %s",
			pull->registry->name, pull->name, claimed, digest);
	return 0;
}

/* GET a manifest or index by tag or digest and store it. `size` is UINT64_MAX when unknown. */
static int fetch_document(struct pull *pull, const char *tag_or_digest, uint64_t size,
	struct document *ret, struct error *err)
{
	_cleanup_(document_free) struct document d = { 0 };
	_cleanup_http_response_ struct http_response response = { 0 };
	_cleanup_free_ char *path = registry_path(
		pull->reference->repository, "manifests/%s", tag_or_digest);
	char accept[sizeof(accept_header)], *headers[] = { accept, NULL };
	const struct http_request request = {
		.method = "GET",
		.url = path,
		.headers = headers,
		.body_max = IMAGE_MANIFEST_MAX,
	};
	bool by_digest = image_digest_is_valid(tag_or_digest);
	int r;

	if (!path)
		return error_oom(err);
	memcpy(accept, accept_header, sizeof(accept));
	r = registry_perform(&pull->client, &request, &response, err);
	if (r < 0)
		return error_prefix(err, "cannot pull %s", pull->name);
	if (response.status != 200)
		return registry_refused(
			pull->registry, &response, err, "cannot pull %s", pull->name);
	r = check_digest(pull, &response, by_digest ? tag_or_digest : NULL, err);
	if (r < 0)
		return r;
	if (size != UINT64_MAX && response.body.len != size)
		return error_set(err, EBADMSG, "%s has %zu bytes instead of the %llu promised",
			tag_or_digest, response.body.len, (unsigned long long)size);
	r = read_document(pull, response.body.data ? response.body.data : "", response.body.len,
		http_response_header(&response, "content-type"), &d, err);
	if (r == 0)
		r = image_blob_put(
			pull->store, response.body.data, response.body.len, d.digest, err);
	if (r < 0)
		return r;
	*ret = d;
	d = (struct document){ 0 };
	return 0;
}

/* The same, from the store when it is there. */
static int get_document(struct pull *pull, const struct image_descriptor *descriptor,
	struct document *ret, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r;

	if (descriptor->size > IMAGE_MANIFEST_MAX)
		return error_set(err, EFBIG, "%s: a manifest of %llu bytes is too large",
			pull->name, (unsigned long long)descriptor->size);
	r = image_blob_read(pull->store, descriptor->digest, descriptor->size, IMAGE_MANIFEST_MAX,
		&text, &len, err);
	if (r == 0) {
		r = read_document(pull, text, len, descriptor->media_type, ret, err);
		if (r == 0 && streq(ret->digest, descriptor->digest))
			return 0;
		if (r == 0)
			document_free(ret);
	}
	error_clear(err);
	pull->fetched = true;
	return fetch_document(pull, descriptor->digest, descriptor->size, ret, err);
}

/* --- configurations ------------------------------------------------------------------------- */

static int fetch_config(struct pull *pull, const struct image_descriptor *descriptor, char **ret,
	size_t *ret_len, struct error *err)
{
	_cleanup_http_response_ struct http_response response = { 0 };
	_cleanup_free_ char *path = registry_path(
		pull->reference->repository, "blobs/%s", descriptor->digest);
	const struct http_request request = {
		.method = "GET",
		.url = path,
		.body_max = IMAGE_CONFIG_MAX,
	};
	char digest[IMAGE_DIGEST_LEN + 1];
	int r;

	if (!path)
		return error_oom(err);
	r = registry_perform(&pull->client, &request, &response, err);
	if (r < 0)
		return error_prefix(err, "cannot fetch the configuration of %s", pull->name);
	if (response.status != 200)
		return registry_refused(pull->registry, &response, err,
			"cannot fetch the configuration of %s", pull->name);
	str_append(&response.body, "");
	if (response.body.failed)
		return error_oom(err);
	r = image_digest_of(response.body.data, response.body.len, digest, err);
	if (r < 0)
		return r;
	if (!streq(digest, descriptor->digest) || response.body.len != descriptor->size)
		return error_set(err, EBADMSG,
			"%s lies about the configuration %s of %s: it sends %zu bytes with digest %s",
			pull->registry->name, descriptor->digest, pull->name, response.body.len,
			digest);
	*ret_len = response.body.len;
	*ret = str_finish(&response.body);
	return image_blob_put(pull->store, *ret, *ret_len, digest, err);
}

static int get_config(struct pull *pull, const struct image_descriptor *descriptor,
	struct image_config *ret, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	char digest[IMAGE_DIGEST_LEN + 1];
	size_t len = 0;
	int r;

	if (descriptor->size > IMAGE_CONFIG_MAX)
		return error_set(err, EFBIG, "%s: a configuration of %llu bytes is too large",
			pull->name, (unsigned long long)descriptor->size);
	r = image_blob_read(pull->store, descriptor->digest, descriptor->size, IMAGE_CONFIG_MAX,
		&text, &len, err);
	if (r == 0)
		r = image_digest_of(text, len, digest, err);
	if (r < 0 || !streq(digest, descriptor->digest)) {
		error_clear(err);
		free(steal_ptr(&text));
		pull->fetched = true;
		r = fetch_config(pull, descriptor, &text, &len, err);
		if (r < 0)
			return r;
	}
	return image_config_parse(text, len, pull->name, ret, err);
}

/* --- manifests ------------------------------------------------------------------------------ */

static int add_layers(struct pull *pull, const struct image_manifest *manifest,
	const struct image_config *config, struct error *err)
{
	if (strv_length(config->diff_ids) != manifest->nr_layers)
		return error_set(err, EBADMSG,
			"%s has %zu layers, but its configuration speaks of %zu", pull->name,
			manifest->nr_layers, strv_length(config->diff_ids));
	for (size_t i = 0; i < manifest->nr_layers; i++) {
		const struct image_descriptor *layer = &manifest->layers[i];
		int r;

		if (strstr(layer->media_type, "foreign"))
			return error_set(err, EPROTONOSUPPORT,
				"%s has a foreign layer, which registries do not hold", pull->name);
		r = transfer_layers_add(
			&pull->layers, layer->digest, layer->size, config->diff_ids[i], err);
		if (r < 0)
			return error_prefix(err, "%s", pull->name);
	}
	return 0;
}

/* One platform's manifest. `check_platform`: nothing but the configuration tells its platform. */
static int take_manifest(
	struct pull *pull, const struct document *document, bool check_platform, struct error *err)
{
	struct image_manifest manifest = { 0 };
	struct image_config config = { 0 };
	char have[80];
	int r = image_manifest_parse(document->json, &manifest, pull->name, err);

	if (r < 0)
		return r;
	if (!manifest.is_image)
		r = error_set(err, EPROTONOSUPPORT, "%s is no image but an artifact of type %.100s",
			pull->name, manifest.config.media_type);
	if (r == 0)
		r = get_config(pull, &manifest.config, &config, err);
	if (r == 0 && check_platform &&
		!image_platform_matches(&pull->platform, &config.platform)) {
		image_platform_format(&config.platform, have, sizeof(have));
		r = error_set(err, ENOEXEC, "%s is an image for %s, not for %s", pull->name, have,
			pull->options->platform);
	}
	if (r == 0)
		r = add_layers(pull, &manifest, &config, err);
	if (r == 0)
		pull->manifests++;
	image_config_free(&config);
	image_manifest_free(&manifest);
	return r;
}

static int take_descriptor(
	struct pull *pull, const struct image_descriptor *descriptor, struct error *err)
{
	_cleanup_(document_free) struct document document = { 0 };
	int r = get_document(pull, descriptor, &document, err);

	if (r < 0)
		return r;
	if (document.kind != IMAGE_KIND_MANIFEST)
		return error_set(err, EBADMSG, "%s: %s is not the manifest that its index names",
			pull->name, descriptor->digest);
	return take_manifest(pull, &document, false, err);
}

/* Attestations and the like have the platform unknown/unknown; they are no images. */
static bool is_runnable(const struct image_descriptor *d)
{
	return d->kind == IMAGE_KIND_MANIFEST &&
		!(d->has_platform && streq(d->platform.os, "unknown"));
}

static int no_such_platform(
	struct pull *pull, const struct image_descriptor *list, size_t count, struct error *err)
{
	struct str have = { 0 };
	_cleanup_free_ char *text = NULL;
	char want[80], one[80];

	str_append(&have, "");
	for (size_t i = 0; i < count; i++) {
		if (!is_runnable(&list[i]) || !list[i].has_platform)
			continue;
		image_platform_format(&list[i].platform, one, sizeof(one));
		str_appendf(&have, "%s%s", have.len ? ", " : "", one);
	}
	text = str_finish(&have);
	image_platform_format(&pull->platform, want, sizeof(want));
	return error_set(err, ENOEXEC, "%s has no image for %s; it has %s", pull->name, want,
		text && *text ? text : "none at all");
}

/* The best for the wanted platform; an only one without a platform is what there is. */
static const struct image_descriptor *choose(
	const struct pull *pull, const struct image_descriptor *list, size_t count)
{
	const struct image_descriptor *best = NULL;
	int best_rank = 0;

	for (size_t i = 0; i < count; i++) {
		int rank = is_runnable(&list[i]) && list[i].has_platform
			? image_platform_rank(&pull->platform, &list[i].platform)
			: 0;

		if (rank > best_rank) {
			best_rank = rank;
			best = &list[i];
		}
	}
	if (!best && count == 1 && is_runnable(&list[0]) && !list[0].has_platform)
		best = &list[0];
	return best;
}

/* What an index and those inside it name. The documents own the strings of the descriptors. */
struct leaves {
	struct image_descriptor *list;
	size_t count;
	struct document inner[INNER_INDEXES_MAX];
	size_t nr_inner;
};

static void leaves_free(struct leaves *leaves)
{
	free(leaves->list);
	for (size_t i = 0; i < leaves->nr_inner; i++)
		document_free(&leaves->inner[i]);
}

static int add_leaves(struct pull *pull, struct leaves *leaves, const struct document *index,
	unsigned depth, struct error *err);

/* An index inside an index is fetched unless it says that it is for another platform. */
static int add_inner_index(struct pull *pull, struct leaves *leaves,
	const struct image_descriptor *descriptor, unsigned depth, struct error *err)
{
	struct document *document = &leaves->inner[leaves->nr_inner];
	int r;

	if (descriptor->has_platform &&
		(streq(descriptor->platform.os, "unknown") ||
			(!pull->options->all_platforms &&
				!image_platform_rank(&pull->platform, &descriptor->platform))))
		return 0;
	if (depth >= IMAGE_INDEX_DEPTH_MAX || leaves->nr_inner >= INNER_INDEXES_MAX)
		return error_set(
			err, EBADMSG, "%s has too many indexes inside indexes", pull->name);
	r = get_document(pull, descriptor, document, err);
	if (r < 0)
		return r;
	leaves->nr_inner++;
	if (document->kind != IMAGE_KIND_INDEX)
		return error_set(err, EBADMSG, "%s: %s is not the index that its index names",
			pull->name, descriptor->digest);
	return add_leaves(pull, leaves, document, depth + 1, err);
}

static int add_leaves(struct pull *pull, struct leaves *leaves, const struct document *index,
	unsigned depth, struct error *err)
{
	struct image_descriptor *grown;
	json_t *manifests = NULL, *json;
	size_t i;
	int r = json_get_array(index->json, "manifests", &manifests, pull->name, err);

	if (r < 0)
		return r;
	grown = reallocarray(
		leaves->list, leaves->count + json_array_size(manifests) + 1, sizeof(*grown));
	if (!grown)
		return error_oom(err);
	leaves->list = grown;
	/* Its own manifests first: recursion may move the list. */
	json_array_foreach (manifests, i, json) {
		r = image_descriptor_parse(json, &leaves->list[leaves->count], pull->name, err);
		if (r < 0)
			return r;
		leaves->count += leaves->list[leaves->count].kind == IMAGE_KIND_MANIFEST;
	}
	json_array_foreach (manifests, i, json) {
		struct image_descriptor d;

		r = image_descriptor_parse(json, &d, pull->name, err);
		if (r == 0 && d.kind == IMAGE_KIND_INDEX)
			r = add_inner_index(pull, leaves, &d, depth, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int take_leaves(struct pull *pull, const struct leaves *leaves, struct error *err)
{
	const struct image_descriptor *best;

	if (!pull->options->all_platforms) {
		best = choose(pull, leaves->list, leaves->count);
		return best ? take_descriptor(pull, best, err)
			    : no_such_platform(pull, leaves->list, leaves->count, err);
	}
	for (size_t i = 0; i < leaves->count; i++) {
		int r = is_runnable(&leaves->list[i]) ? take_descriptor(pull, &leaves->list[i], err)
						      : 0;

		if (r < 0)
			return r;
	}
	return pull->manifests ? 0 : no_such_platform(pull, leaves->list, leaves->count, err);
}

static int take_index(struct pull *pull, const struct document *document, struct error *err)
{
	struct leaves leaves = { 0 };
	int r = add_leaves(pull, &leaves, document, 0, err);

	if (r == 0)
		r = take_leaves(pull, &leaves, err);
	leaves_free(&leaves);
	return r;
}

/* --- the whole ------------------------------------------------------------------------------ */

/* What did the name mean before? NULL: nothing. */
static char *named_digest(const struct image_store *store, const char *name)
{
	_cleanup_json_ json_t *document = NULL;
	json_t *manifests, *entry;
	size_t i;

	if (image_index_read(store, &document, &manifests, NULL) < 0)
		return NULL;
	json_array_foreach (manifests, i, entry) {
		const char *have = image_entry_name(entry);

		if (have && streq(have, name))
			return strdup(image_entry_digest(entry));
	}
	return NULL;
}

static int set_name(
	struct pull *pull, const struct document *document, bool *ret_changed, struct error *err)
{
	_cleanup_free_ char *name = image_reference_full(pull->reference), *before = NULL;
	_cleanup_json_ json_t *descriptor = json_pack("{s:s, s:s, s:I}", "mediaType",
		document->media_type, "digest", document->digest, "size",
		(json_int_t)document->size);

	if (!name || !descriptor)
		return error_oom(err);
	before = named_digest(pull->store, name);
	*ret_changed = !before || !streq(before, document->digest);
	return image_store_set_name(pull->store, name, descriptor, err);
}

static int pull_all(struct pull *pull, struct image_pulled *ret, struct error *err)
{
	const struct image_reference *ref = pull->reference;
	_cleanup_(document_free) struct document document = { 0 };
	struct image_pulled pulled = { 0 };
	size_t fetched = 0;
	int r;

	r = fetch_document(pull, ref->digest ? ref->digest : ref->tag, UINT64_MAX, &document, err);
	if (r < 0)
		return r;
	r = document.kind == IMAGE_KIND_INDEX
		? take_index(pull, &document, err)
		: take_manifest(pull, &document, pull->options->platform, err);
	if (r == 0)
		r = transfer_fetch_layers(
			pull->store, pull->registry, &pull->layers, &fetched, err);
	if (r == 0)
		r = set_name(pull, &document, &pulled.changed, err);
	if (r < 0)
		return r;
	pulled.changed |= pull->fetched || fetched;
	strcpy(pulled.digest, document.digest);
	*ret = pulled;
	return 0;
}

static int pull_open(struct pull *pull, struct error *err)
{
	int r = image_platform_parse(pull->options->platform, &pull->platform, err);

	if (r < 0)
		return r;
	pull->name = image_reference_familiar(pull->reference);
	if (!pull->name)
		return error_oom(err);
	r = registry_open(pull->reference->registry, pull->reference->repository, false,
		pull->options, NULL, &pull->registry, err);
	if (r < 0)
		return error_prefix(err, "cannot pull %s", pull->name);
	return registry_client_open(pull->registry, &pull->client, err);
}

int image_pull(const struct image_store *store, const char *reference,
	const struct image_transfer_options *options, struct image_pulled *ret, struct error *err)
{
	struct image_reference ref = { 0 };
	struct pull pull = { .store = store, .options = options, .reference = &ref };
	_cleanup_close_ int lock = -1;
	int r = image_reference_parse(reference, &ref, err);

	if (r < 0)
		return r;
	r = lock = image_store_lock(store, false, err);
	if (r >= 0)
		r = pull_open(&pull, err);
	if (r == 0)
		r = pull_all(&pull, ret, err);
	registry_client_close(&pull.client);
	registry_close(pull.registry);
	free(pull.layers.items);
	free(pull.name);
	image_reference_free(&ref);
	return r;
}

int image_remote_tags(const char *reference, const struct image_transfer_options *options,
	char ***ret_references, struct error *err)
{
	struct image_reference ref = { 0 };
	_cleanup_strv_ char **tags = NULL, **references = NULL;
	struct registry_client client = { 0 };
	struct registry *registry = NULL;
	int r = image_reference_parse(reference, &ref, err);

	if (r < 0)
		return r;
	r = registry_open(ref.registry, ref.repository, false, options, NULL, &registry, err);
	if (r == 0)
		r = registry_client_open(registry, &client, err);
	if (r == 0)
		r = registry_tags(&client, &tags, err);
	if (r == 0)
		strv_for_each (tag, tags)
			if (strv_pushf(&references, "%s/%s:%s", ref.registry, ref.repository,
				    *tag) < 0)
				r = error_oom(err);
	if (r == 0)
		*ret_references = steal_ptr(&references);
	registry_client_close(&client);
	registry_close(registry);
	image_reference_free(&ref);
	return r;
}
