/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transfer-blobs.c - blobs from the store to a registry (distribution-spec "Pushing blobs").
 *
 * A blob is asked for first (HEAD), then mounted from another repository where one is known to have
 * it, then sent: POST opens an upload, PATCH streams the bytes, PUT names the digest.
 *
 * At first one PATCH brings everything, which every registry takes. When that fails, the registry
 * is asked what it has, and the rest is sent in parts.
 */
#include <sys/stat.h>
#include <time.h>

#include "base/io.h"
#include "base/log.h"
#include "image/transfer-push.h"

#define UPLOAD_ATTEMPTS	    4
#define UPLOAD_DELAY_NS	    (300 * 1000 * 1000L)
#define PROGRESS_STEP_BYTES (256u << 10)
#define PART_BYTES	    (16u << 20) /* of a blob that did not arrive in one piece */

int push_blobs_add(struct push_blobs *blobs, const char *digest, uint64_t size, struct error *err)
{
	struct push_blob *grown;

	for (size_t i = 0; i < blobs->count; i++)
		if (streq(blobs->items[i].digest, digest))
			return 0;
	grown = reallocarray(blobs->items, blobs->count + 1, sizeof(*grown));
	if (!grown)
		return error_oom(err);
	blobs->items = grown;
	grown += blobs->count++;
	*grown = (struct push_blob){ .size = size };
	snprintf(grown->digest, sizeof(grown->digest), "%s", digest);
	return 0;
}

void push_blobs_free(struct push_blobs *blobs)
{
	for (size_t i = 0; i < blobs->nr_mounts; i++)
		free(blobs->mounts[i].repository);
	free(blobs->mounts);
	free(blobs->items);
	*blobs = (struct push_blobs){ 0 };
}

/* --- mounts --------------------------------------------------------------------------------- */

struct mount_search {
	const struct image_reference *reference;
	struct push_blobs *blobs;
};

static int add_mount(
	struct push_blobs *blobs, const char *digest, const char *repository, struct error *err)
{
	struct push_mount *grown = reallocarray(
		blobs->mounts, blobs->nr_mounts + 1, sizeof(*grown));

	if (!grown)
		return error_oom(err);
	blobs->mounts = grown;
	grown += blobs->nr_mounts;
	grown->repository = strdup(repository);
	if (!grown->repository)
		return error_oom(err);
	snprintf(grown->digest, sizeof(grown->digest), "%s", digest);
	blobs->nr_mounts++;
	return 0;
}

/* image_visit_fn */
static int note_mounts(void *context, const struct image_visit *visit, struct error *err)
{
	const struct mount_search *search = context;
	struct image_reference ref = { 0 };
	int r = 0;

	if (!visit->manifest || !visit->target->name ||
		image_reference_parse(visit->target->name, &ref, NULL) < 0)
		return 0;
	if (streq(ref.registry, search->reference->registry) &&
		!streq(ref.repository, search->reference->repository)) {
		for (size_t i = 0; r == 0 && i < visit->manifest->nr_layers; i++)
			r = add_mount(search->blobs, visit->manifest->layers[i].digest,
				ref.repository, err);
	}
	image_reference_free(&ref);
	return r;
}

int push_find_mounts(const struct image_store *store, const json_t *manifests,
	const struct image_reference *reference, struct push_blobs *blobs, struct error *err)
{
	struct mount_search search = { reference, blobs };

	return image_walk(store, manifests, note_mounts, &search, err);
}

static const char *mount_of(const struct push_blobs *blobs, const char *digest)
{
	for (size_t i = 0; i < blobs->nr_mounts; i++)
		if (streq(blobs->mounts[i].digest, digest))
			return blobs->mounts[i].repository;
	return NULL;
}

/* Tell the session which other repositories its tokens must allow to read. */
static int ask_for_mounts(
	struct registry *registry, const struct push_blobs *blobs, struct error *err)
{
	_cleanup_strv_ char **from = NULL;

	for (size_t i = 0; i < blobs->count; i++) {
		const char *repository = mount_of(blobs, blobs->items[i].digest);

		if (repository && !strv_contains(from, repository) &&
			strv_length(from) < REGISTRY_MOUNTS_MAX && strv_push(&from, repository) < 0)
			return error_oom(err);
	}
	if (!from)
		return 0;
	pthread_mutex_lock(&registry->lock);
	registry->mount_from = steal_ptr(&from);
	/* The token that is there was made for less. */
	if (registry->challenge.bearer) {
		free(registry->authorization);
		registry->authorization = NULL;
	}
	pthread_mutex_unlock(&registry->lock);
	return 0;
}

/* --- one blob ------------------------------------------------------------------------------- */

struct upload {
	struct transfer_pool *pool;
	const struct push_blob *blob;
	const char *mount; /* repository, or NULL */
	int fd;
	char *location; /* where it goes on, NULL before it is begun */
	uint64_t done; /* bytes that are there */
	bool in_parts, refuses_parts;
};

/* Of http_request; `offset` counts from upload->done. */
static ssize_t read_blob(void *context, uint64_t offset, void *buf, size_t size)
{
	const struct upload *upload = context;
	ssize_t n;

	offset += upload->done;
	n = pread(upload->fd, buf, size, (off_t)offset);

	if (n > 0 && (offset / PROGRESS_STEP_BYTES != (offset + (uint64_t)n) / PROGRESS_STEP_BYTES))
		transfer_pool_progress(upload->pool, upload->blob->digest, "Pushing",
			offset + (uint64_t)n, upload->blob->size);
	return n < 0 ? -errno : n;
}

/* HEAD: 1 = it is there. */
static int is_there(struct registry_client *client, const struct upload *upload, struct error *err)
{
	const struct registry *registry = client->registry;
	_cleanup_http_response_ struct http_response response = { 0 };
	_cleanup_free_ char *path = registry_path(
		registry->repository, "blobs/%s", upload->blob->digest);
	const struct http_request request = { .method = "HEAD", .url = path };
	int r = path ? registry_perform(client, &request, &response, err) : error_oom(err);

	if (r < 0)
		return r;
	if (response.status == 200)
		return 1;
	if (response.status == 401 || response.status == 403)
		return registry_refused(
			registry, &response, err, "cannot push to %s", registry->repository);
	return 0;
}

/* POST. Returns 1 when the registry mounted it, else *ret_location is where to send it. */
static int begin_upload(struct registry_client *client, const struct upload *upload,
	char **ret_location, struct error *err)
{
	const struct registry *registry = client->registry;
	_cleanup_http_response_ struct http_response response = { 0 };
	_cleanup_free_ char *path = registry_path(registry->repository, "blobs/uploads/"),
			    *url = NULL;
	struct str text = { 0 };
	struct http_request request = { .method = "POST", .body_max = HTTP_ERROR_BODY_MAX };
	const char *location;
	int r;

	if (!path)
		return error_oom(err);
	str_append(&text, path);
	if (upload->mount) {
		http_url_add_query(&text, "mount", upload->blob->digest);
		http_url_add_query(&text, "from", upload->mount);
	}
	url = str_finish(&text);
	if (!url)
		return error_oom(err);
	request.url = url;
	r = registry_perform(client, &request, &response, err);
	if (r < 0)
		return r;
	if (response.status == 201)
		return 1;
	location = http_response_header(&response, "location");
	if (response.status != 202 || !location)
		return registry_refused(
			registry, &response, err, "cannot push to %s", registry->repository);
	*ret_location = http_url_resolve(response.url, location);
	return *ret_location
		? 0
		: error_set(err, EPROTO, "%s names no place to upload to", registry->name);
}

/* PATCH the next `len` bytes. The place may change with every answer. */
static int send_part(
	struct registry_client *client, struct upload *upload, uint64_t len, struct error *err)
{
	const struct registry *registry = client->registry;
	_cleanup_http_response_ struct http_response sent = { 0 };
	char type[] = "Content-Type: application/octet-stream", range[80];
	bool whole = len == upload->blob->size;
	char *headers[] = { type, whole ? NULL : range, NULL };
	const struct http_request request = {
		.method = "PATCH",
		.url = upload->location,
		.headers = headers,
		.read_body = read_blob,
		.body_size = len,
		.body_max = HTTP_ERROR_BODY_MAX,
		.context = upload,
		.attempts = 1,
	};
	const char *place;
	char *next;
	int r;

	snprintf(range, sizeof(range), "Content-Range: %llu-%llu", (unsigned long long)upload->done,
		(unsigned long long)(upload->done + len - 1));
	r = registry_perform(client, &request, &sent, err);
	if (r < 0)
		return error_prefix(err, "cannot upload %s", upload->blob->digest);
	if (sent.status != 202 && sent.status != 201 && sent.status != 204) {
		upload->refuses_parts |= !whole;
		return registry_refused(
			registry, &sent, err, "cannot upload %s", upload->blob->digest);
	}
	place = http_response_header(&sent, "location");
	next = http_url_resolve(sent.url, place ? place : upload->location);
	if (!next)
		return error_set(err, EPROTO, "%s names no place to upload to", registry->name);
	free(upload->location);
	upload->location = next;
	upload->done += len;
	return 0;
}

/* What is there has the digest. */
static int close_upload(
	struct registry_client *client, const struct upload *upload, struct error *err)
{
	_cleanup_http_response_ struct http_response closed = { 0 };
	_cleanup_free_ char *url = NULL;
	struct http_request request = {
		.method = "PUT",
		.body = "",
		.body_max = HTTP_ERROR_BODY_MAX,
		.attempts = 1,
	};
	struct str text = { 0 };
	int r;

	str_append(&text, upload->location);
	http_url_add_query(&text, "digest", upload->blob->digest);
	url = str_finish(&text);
	if (!url)
		return error_oom(err);
	request.url = url;
	r = registry_perform(client, &request, &closed, err);
	if (r < 0)
		return error_prefix(err, "cannot upload %s", upload->blob->digest);
	if (closed.status < 200 || closed.status > 299)
		return registry_refused(
			client->registry, &closed, err, "cannot upload %s", upload->blob->digest);
	return 0;
}

/* POST if there is no upload yet, PATCH, PUT. Returns 1 when the registry mounted it. */
static int send_bytes(struct registry_client *client, struct upload *upload, struct error *err)
{
	uint64_t size = upload->blob->size, most = upload->in_parts ? PART_BYTES : size;
	int r = upload->location ? 0 : begin_upload(client, upload, &upload->location, err);

	while (r == 0 && upload->done < size)
		r = send_part(client, upload,
			size - upload->done < most ? size - upload->done : most, err);
	return r == 0 ? close_upload(client, upload, err) : r;
}

/* How much of a broken upload the registry has kept; nothing where it does not tell
 * (docker-registry does not, unless it was broken between two parts). */
static void find_offset(struct registry_client *client, struct upload *upload)
{
	_cleanup_http_response_ struct http_response response = { 0 };
	struct http_request request = { .method = "GET", .url = upload->location };
	const char *range, *place;
	uint64_t last = 0;

	upload->done = 0;
	if (upload->location && registry_perform(client, &request, &response, NULL) == 0 &&
		response.status >= 200 && response.status <= 204) {
		range = http_response_header(&response, "range");
		place = http_response_header(&response, "location");
		range = range ? strchr(range, '-') : NULL;
		/* "0-0" is how docker-registry says that it has none. */
		if (range && parse_u64(range + 1, upload->blob->size - 1, &last) == 0 && last > 0)
			upload->done = last + 1;
		if (place && upload->done) {
			free(upload->location);
			upload->location = http_url_resolve(response.url, place);
		}
	}
	if (!upload->done || !upload->location) {
		upload->done = 0;
		free(steal_ptr(&upload->location));
	}
}

/* Failures that another attempt may overcome. */
static bool worth_another(int r)
{
	return r == -EIO || r == -EPIPE || r == -ETIMEDOUT || r == -ECONNREFUSED || r == -EBUSY ||
		r == -ENOENT;
}

/* An attempt that got further than all before is not counted, so that a large blob comes through a
 * bad line in the end. */
static int send_blob(struct registry_client *client, struct upload *upload, struct error *err)
{
	uint64_t furthest = 0;

	for (int attempt = 1;; attempt++) {
		struct timespec pause = { 0, UPLOAD_DELAY_NS * attempt };
		bool refused = upload->refuses_parts;
		int r = send_bytes(client, upload, err);

		if (r >= 0) {
			uint64_t size = r > 0 ? 0 : upload->blob->size;

			transfer_pool_progress(upload->pool, upload->blob->digest,
				r > 0 ? "Mounted" : "Pushed", size, size);
			return 0;
		}
		if (attempt == UPLOAD_ATTEMPTS || transfer_pool_cancelled(upload->pool) ||
			(!worth_another(r) && upload->refuses_parts == refused))
			return r;
		log_info("%s; sending it again", err->message);
		error_clear(err);
		nanosleep(&pause, NULL);
		/* In parts from now on: what a part has brought there stays. */
		upload->in_parts = !upload->refuses_parts;
		find_offset(client, upload);
		if (upload->done >= furthest + PROGRESS_STEP_BYTES) {
			furthest = upload->done;
			attempt = 0;
		}
	}
}

struct sending {
	const struct image_store *store;
	const struct push_blobs *blobs;
};

/* transfer_work_fn */
static int push_blob(struct transfer_pool *pool, void *context, struct registry_client *client,
	size_t i, struct error *err)
{
	const struct sending *sending = context;
	const struct push_blob *blob = &sending->blobs->items[i];
	_cleanup_close_ int fd = -1;
	struct upload upload = { .pool = pool, .blob = blob };
	struct stat st;
	char path[80];
	int r;

	image_blob_path(blob->digest, path);
	fd = openat(sending->store->images_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(
			err, errno, "cannot open %s/images/%s", sending->store->root, path);
	if ((uint64_t)st.st_size != blob->size)
		return error_set(err, EBADMSG, "%s/images/%s is damaged: it has the wrong size",
			sending->store->root, path);
	upload.fd = fd;
	upload.mount = mount_of(sending->blobs, blob->digest);
	transfer_pool_progress(pool, blob->digest, "Preparing", 0, blob->size);
	r = is_there(client, &upload, err);
	if (r > 0) {
		transfer_pool_progress(pool, blob->digest, "Layer already exists", 0, 0);
		return 0;
	}
	r = r < 0 ? r : send_blob(client, &upload, err);
	free(upload.location);
	return r;
}

int push_blobs_send(const struct image_store *store, struct registry *registry,
	const struct push_blobs *blobs, struct error *err)
{
	struct sending sending = { store, blobs };
	int r = ask_for_mounts(registry, blobs, err);

	if (r < 0)
		return r;
	return transfer_pool_run(
		registry, registry->options->parallel, blobs->count, push_blob, &sending, err);
}
