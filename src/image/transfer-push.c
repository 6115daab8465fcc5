/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transfer-push.c - which documents and blobs a push consists of, and their order: blobs first,
 * then manifests by digest, what the name stands for last. So a reader of the registry sees the old
 * image or the whole new one.
 */
#include "image/digest.h"
#include "image/transfer-push.h"

/* One document to PUT. */
struct push_document {
	char *text;
	size_t len;
	char media_type[128];
	char digest[IMAGE_DIGEST_LEN + 1];
};

struct push {
	const struct image_store *store;
	const struct image_transfer_options *options;
	struct image_reference *reference;
	char *name;
	struct registry *registry;
	struct registry_client client;
	struct push_blobs blobs;
	struct push_document *documents; /* the last is what the tag will mean */
	size_t nr_documents;
};

/* --- documents ----------------------------------------------------------------------------- */

/* Takes `text`. */
static int add_document(struct push *push, char *text, size_t len, const char *media_type,
	const char *digest, struct error *err)
{
	struct push_document *grown = reallocarray(
		push->documents, push->nr_documents + 1, sizeof(*grown));

	if (!grown) {
		free(text);
		return error_oom(err);
	}
	push->documents = grown;
	grown += push->nr_documents++;
	*grown = (struct push_document){ .text = text, .len = len };
	snprintf(grown->media_type, sizeof(grown->media_type), "%s", media_type);
	snprintf(grown->digest, sizeof(grown->digest), "%s", digest);
	return 0;
}

static int add_stored_document(
	struct push *push, const struct image_descriptor *descriptor, struct error *err)
{
	char *text;
	size_t len;
	int r = image_blob_read(push->store, descriptor->digest, descriptor->size,
		IMAGE_MANIFEST_MAX, &text, &len, err);

	return r < 0
		? r
		: add_document(push, text, len, descriptor->media_type, descriptor->digest, err);
}

/* A manifest with everything it points to. -ENOENT: it is not stored. */
static int add_manifest(
	struct push *push, const struct image_descriptor *descriptor, struct error *err)
{
	struct image_manifest manifest = { 0 };
	int r = image_manifest_read(push->store, descriptor, &manifest, err);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < manifest.nr_layers; i++)
		r = push_blobs_add(
			&push->blobs, manifest.layers[i].digest, manifest.layers[i].size, err);
	if (r == 0)
		r = push_blobs_add(&push->blobs, manifest.config.digest, manifest.config.size, err);
	image_manifest_free(&manifest);
	return r == 0 ? add_stored_document(push, descriptor, err) : r;
}

/* --- indexes ------------------------------------------------------------------------------- */

struct push_index {
	json_t *document;
	json_t *manifests; /* borrowed from document */
	json_t *inner; /* descriptors of the indexes inside it, each after those inside that */
	struct image_descriptor *list;
	bool *stored;
	size_t count, nr_stored;
};

static void push_index_free(struct push_index *index)
{
	json_decref(index->document);
	json_decref(index->inner);
	free(index->list);
	free(index->stored);
}

static bool is_stored(const struct push *push, const struct image_descriptor *descriptor)
{
	char path[80];

	image_blob_path(descriptor->digest, path);
	return faccessat(push->store->images_fd, path, F_OK, 0) == 0;
}

static int read_index(struct push *push, const struct image_descriptor *descriptor,
	struct push_index *ret, struct error *err)
{
	int r;

	ret->inner = json_array();
	if (!ret->inner)
		return error_oom(err);
	r = image_index_leaves(
		push->store, descriptor, &ret->document, &ret->manifests, ret->inner, err);
	if (r < 0)
		return r;
	ret->count = json_array_size(ret->manifests);
	ret->list = calloc(ret->count + 1, sizeof(*ret->list));
	ret->stored = calloc(ret->count + 1, sizeof(*ret->stored));
	if (!ret->list || !ret->stored)
		return error_oom(err);
	for (size_t i = 0; i < ret->count; i++) {
		r = image_descriptor_parse(
			json_array_get(ret->manifests, i), &ret->list[i], push->name, err);
		if (r < 0)
			return r;
		ret->stored[i] = ret->list[i].kind == IMAGE_KIND_MANIFEST &&
			is_stored(push, &ret->list[i]);
		ret->nr_stored += ret->stored[i];
	}
	return 0;
}

static int remote_has_manifest(struct push *push, const char *digest, struct error *err)
{
	_cleanup_http_response_ struct http_response response = { 0 };
	_cleanup_free_ char *path = registry_path(
		push->reference->repository, "manifests/%s", digest);
	char accept[] = "Accept: " IMAGE_TYPE_OCI_MANIFEST ", " IMAGE_TYPE_DOCKER_MANIFEST
			", " IMAGE_TYPE_OCI_INDEX ", " IMAGE_TYPE_DOCKER_LIST;
	char *headers[] = { accept, NULL };
	const struct http_request request = { .method = "HEAD", .url = path, .headers = headers };
	int r = path ? registry_perform(&push->client, &request, &response, err) : error_oom(err);

	return r < 0 ? r : response.status == 200;
}

/* Is everything that is not stored here already there? */
static int remote_has_rest(struct push *push, const struct push_index *index, struct error *err)
{
	for (size_t i = 0; i < index->count; i++) {
		int r = index->stored[i] ? 1
					 : remote_has_manifest(push, index->list[i].digest, err);

		if (r <= 0)
			return r;
	}
	return 1;
}

static void tell(struct push *push, const char *text)
{
	struct image_progress *progress = push->options->progress;

	if (progress && progress->message)
		progress->message(progress, text);
}

/* The index without what is neither here nor there. */
static int add_reduced_index(struct push *push, const struct image_descriptor *descriptor,
	const struct push_index *index, struct error *err)
{
	_cleanup_json_ json_t *copy = json_copy(index->document);
	_cleanup_json_ json_t *kept = json_array();
	char digest[IMAGE_DIGEST_LEN + 1];
	char *text;
	int r;

	for (size_t i = 0; i < index->count; i++)
		if (index->stored[i] &&
			json_array_append(kept, json_array_get(index->manifests, i)) < 0)
			return error_oom(err);
	if (!copy || json_object_set(copy, "manifests", kept) < 0)
		return error_oom(err);
	text = json_dumps(copy, JSON_COMPACT);
	if (!text)
		return error_oom(err);
	r = image_digest_of(text, strlen(text), digest, err);
	if (r < 0) {
		free(text);
		return r;
	}
	tell(push,
		"Not all platforms of this image are stored here: pushing an index of those that are");
	return add_document(push, text, strlen(text), descriptor->media_type, digest, err);
}

static int add_index_documents(struct push *push, const struct image_descriptor *descriptor,
	const struct push_index *index, struct error *err)
{
	json_t *json;
	size_t i;

	json_array_foreach (index->inner, i, json) {
		struct image_descriptor inner;
		int r = image_descriptor_parse(json, &inner, push->name, err);

		if (r == 0)
			r = add_stored_document(push, &inner, err);
		if (r < 0)
			return r;
	}
	return add_stored_document(push, descriptor, err);
}

static int add_whole_index(struct push *push, const struct image_descriptor *descriptor,
	const struct push_index *index, struct error *err)
{
	int r;

	if (!index->nr_stored)
		return error_set(err, ENOENT, "no platform of %s is stored here", push->name);
	for (size_t i = 0; i < index->count; i++) {
		r = index->stored[i] ? add_manifest(push, &index->list[i], err) : 0;
		if (r < 0)
			return r;
	}
	r = remote_has_rest(push, index, err);
	if (r < 0)
		return r;
	if (r > 0)
		return add_index_documents(push, descriptor, index, err);
	if (index->nr_stored > 1)
		return add_reduced_index(push, descriptor, index, err);
	tell(push, "Only one platform of this image is stored here: pushing that alone");
	return 0;
}

static int wrong_platform(struct push *push, struct error *err)
{
	return error_set(err, ENOEXEC, "%s is not stored for the platform %s", push->name,
		push->options->platform);
}

static int add_platform_of_index(
	struct push *push, const struct push_index *index, struct error *err)
{
	const struct image_descriptor *best = NULL;
	struct image_platform want;
	int best_rank = 0, r = image_platform_parse(push->options->platform, &want, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < index->count; i++) {
		int rank = index->stored[i] && index->list[i].has_platform
			? image_platform_rank(&want, &index->list[i].platform)
			: 0;

		if (rank > best_rank) {
			best_rank = rank;
			best = &index->list[i];
		}
	}
	return best ? add_manifest(push, best, err) : wrong_platform(push, err);
}

static int check_manifest_platform(
	struct push *push, const struct image_descriptor *descriptor, struct error *err)
{
	struct image_manifest manifest = { 0 };
	struct image_config config = { 0 };
	struct image_platform want;
	int r = image_platform_parse(push->options->platform, &want, err);

	if (r == 0)
		r = image_manifest_read(push->store, descriptor, &manifest, err);
	if (r == 0)
		r = image_config_read(push->store, &manifest.config, &config, err);
	if (r == 0 && !image_platform_matches(&want, &config.platform))
		r = wrong_platform(push, err);
	image_config_free(&config);
	image_manifest_free(&manifest);
	return r;
}

/* --- what the name means --------------------------------------------------------------------- */

/* The entry of index.json with our name; *ret_document owns it. */
static int find_entry(
	struct push *push, json_t **ret_document, const json_t **ret_entry, struct error *err)
{
	_cleanup_free_ char *full = image_reference_full(push->reference);
	_cleanup_json_ json_t *document = NULL;
	json_t *manifests, *entry;
	size_t i;
	int r;

	if (!full)
		return error_oom(err);
	r = image_index_read(push->store, &document, &manifests, err);
	if (r < 0)
		return r;
	json_array_foreach (manifests, i, entry) {
		const char *name = image_entry_name(entry);

		if (!name || !streq(name, full))
			continue;
		r = push_find_mounts(push->store, manifests, push->reference, &push->blobs, err);
		*ret_entry = entry;
		*ret_document = steal_ptr(&document);
		return r;
	}
	return error_set(
		err, ENOENT, "no such image: %s (give it that name with `tag` first)", push->name);
}

static int collect(struct push *push, struct error *err)
{
	_cleanup_(push_index_free) struct push_index index = { 0 };
	_cleanup_json_ json_t *document = NULL;
	const json_t *entry = NULL;
	struct image_descriptor target;
	int r = find_entry(push, &document, &entry, err);

	if (r == 0)
		r = image_descriptor_parse(entry, &target, push->name, err);
	if (r < 0)
		return r;
	if (target.kind == IMAGE_KIND_MANIFEST) {
		r = push->options->platform ? check_manifest_platform(push, &target, err) : 0;
		return r < 0 ? r : add_manifest(push, &target, err);
	}
	if (target.kind != IMAGE_KIND_INDEX)
		return error_set(err, EPROTONOSUPPORT, "%s is no image but a %.100s", push->name,
			target.media_type);
	r = read_index(push, &target, &index, err);
	if (r < 0)
		return r;
	return push->options->platform ? add_platform_of_index(push, &index, err)
				       : add_whole_index(push, &target, &index, err);
}

/* --- sending ---------------------------------------------------------------------------------- */

static int put_document(struct push *push, const struct push_document *document,
	const char *tag_or_digest, struct error *err)
{
	_cleanup_http_response_ struct http_response response = { 0 };
	_cleanup_free_ char *path = registry_path(
		push->reference->repository, "manifests/%s", tag_or_digest);
	_cleanup_strv_ char **headers = NULL;
	struct http_request request = {
		.method = "PUT",
		.url = path,
		.body = document->text,
		.body_size = document->len,
		.body_max = HTTP_ERROR_BODY_MAX,
	};
	const char *claimed;
	int r;

	if (!path || strv_pushf(&headers, "Content-Type: %s", document->media_type) < 0)
		return error_oom(err);
	request.headers = headers;
	r = registry_perform(&push->client, &request, &response, err);
	if (r < 0)
		return error_prefix(err, "cannot push %s", push->name);
	if (response.status < 200 || response.status > 299)
		return registry_refused(
			push->registry, &response, err, "cannot push %s", push->name);
	claimed = http_response_header(&response, "docker-content-digest");
	if (claimed && str_after_prefix(claimed, "sha256:") && !streq(claimed, document->digest))
		return error_set(err, EBADMSG, "%s has stored something else: it says %.80s for %s",
			push->registry->name, claimed, document->digest);
	return 0;
}

static int send_all(struct push *push, struct image_pushed *ret, struct error *err)
{
	int r = push_blobs_send(push->store, push->registry, &push->blobs, err);

	for (size_t i = 0; r == 0 && i < push->nr_documents; i++) {
		const struct push_document *document = &push->documents[i];
		bool last = i + 1 == push->nr_documents;

		r = put_document(
			push, document, last ? push->reference->tag : document->digest, err);
		if (r == 0 && last) {
			strcpy(ret->digest, document->digest);
			ret->size_bytes = document->len;
		}
	}
	return r;
}

static int push_open(struct push *push, struct error *err)
{
	int r;

	push->name = image_reference_familiar(push->reference);
	if (!push->name)
		return error_oom(err);
	if (!push->reference->tag)
		return error_set(
			err, EINVAL, "cannot push %s: a digest is no name to push to", push->name);
	r = registry_open(push->reference->registry, push->reference->repository, true,
		push->options, NULL, &push->registry, err);
	if (r < 0)
		return error_prefix(err, "cannot push %s", push->name);
	return registry_client_open(push->registry, &push->client, err);
}

int image_push(const struct image_store *store, const char *reference,
	const struct image_transfer_options *options, struct image_pushed *ret, struct error *err)
{
	struct image_reference ref = { 0 };
	struct push push = { .store = store, .options = options, .reference = &ref };
	_cleanup_close_ int lock = -1;
	int r = image_reference_parse(reference, &ref, err);

	if (r < 0)
		return r;
	r = lock = image_store_lock(store, false, err);
	if (r >= 0)
		r = push_open(&push, err);
	if (r == 0)
		r = collect(&push, err);
	if (r == 0)
		r = send_all(&push, ret, err);
	registry_client_close(&push.client);
	registry_close(push.registry);
	for (size_t i = 0; i < push.nr_documents; i++)
		free(push.documents[i].text);
	free(push.documents);
	push_blobs_free(&push.blobs);
	free(push.name);
	image_reference_free(&ref);
	return r;
}
