/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transfer-layers.c - blobs from the registry into the store, and unpacked on the way.
 *
 * The blob's partial file is the buffer between two threads. The thread of the pool receives,
 * hashes the compressed bytes and appends them (blob.h); a second thread reads them back from the
 * page cache as they appear, decompresses, hashes and writes the files (layer.h). So a slow disk
 * never stalls the download, memory stays bounded, and resuming costs nothing: what an interrupted
 * pull left is simply there at once.
 *
 * The end of the stream is only told to the unpacker once the blob's digest was right; a wrong one
 * makes its read fail, and it removes what it had unpacked.
 *
 * Two processes that pull the same image take turns per blob by the partial file's lock. It stays
 * locked until the layer is unpacked (the unpacker's descriptor shares the lock), so the second
 * process finds both done.
 */
#include <limits.h>
#include <sys/stat.h>
#include <time.h>

#include "base/io.h"
#include "base/log.h"
#include "image/blob.h"
#include "image/layer.h"
#include "image/transfer-internal.h"

#define RECEIVE_CHUNK_BYTES (256u << 10) /* hashed, written and made visible at once */
#define UNPACK_CHUNK_BYTES  (256u << 10)
#define LOCK_POLL_NS	    (50 * 1000 * 1000L)

int transfer_layers_add(struct transfer_layers *layers, const char *digest, uint64_t size,
	const char *diff_id, struct error *err)
{
	struct transfer_layer *grown, *item;

	for (size_t i = 0; i < layers->count; i++) {
		item = &layers->items[i];
		if (!streq(item->digest, digest))
			continue;
		if (item->size != size ||
			(diff_id && *item->diff_id && !streq(item->diff_id, diff_id)))
			return error_set(
				err, EBADMSG, "the manifest describes %s in two ways", digest);
		if (diff_id)
			strcpy(item->diff_id, diff_id);
		return 0;
	}
	grown = reallocarray(layers->items, layers->count + 1, sizeof(*grown));
	if (!grown)
		return error_oom(err);
	layers->items = grown;
	item = &grown[layers->count++];
	*item = (struct transfer_layer){ .size = size };
	snprintf(item->digest, sizeof(item->digest), "%s", digest);
	snprintf(item->diff_id, sizeof(item->diff_id), "%s", diff_id ? diff_id : "");
	return 0;
}

/* --- the stream between the two threads ---------------------------------------------------- */

struct stream {
	struct transfer_pool *pool;
	const struct image_store *store;
	const struct transfer_layer *layer;
	int fd; /* of the blob, for reading */
	pthread_mutex_t lock; /* guards the next four */
	pthread_cond_t grown;
	uint64_t available; /* bytes in the file that are there for good */
	bool ended; /* no more will come; whether that is well says `failed` */
	bool failed; /* of the download */
	bool unpack_ended; /* nobody reads any more */

	/* The unpacking thread's own until it is joined. */
	uint64_t position;
	char *buffer;
	int result;
	struct error error;
	bool downloaded_told;
	pthread_t thread;
	bool running;
};

static void stream_publish(struct stream *s, uint64_t available)
{
	pthread_mutex_lock(&s->lock);
	s->available = available;
	pthread_cond_signal(&s->grown);
	pthread_mutex_unlock(&s->lock);
}

static void stream_end(struct stream *s, bool failed)
{
	pthread_mutex_lock(&s->lock);
	s->ended = true;
	s->failed = failed;
	pthread_cond_signal(&s->grown);
	pthread_mutex_unlock(&s->lock);
}

/* Is the rest of no use? Not when the content is wrong: only its end tells whether the image is bad
 * or the registry sends something else. */
static bool stream_is_hopeless(struct stream *s)
{
	bool hopeless;

	pthread_mutex_lock(&s->lock);
	hopeless = s->unpack_ended && s->result < 0 && s->result != -EBADMSG;
	pthread_mutex_unlock(&s->lock);
	return hopeless;
}

/* image_layer_read_fn */
static ssize_t stream_read(void *context, const void **ret_bytes)
{
	struct stream *s = context;
	uint64_t available;
	bool ended, failed;
	ssize_t n;

	pthread_mutex_lock(&s->lock);
	while (s->available <= s->position && !s->ended)
		pthread_cond_wait(&s->grown, &s->lock);
	available = s->available;
	ended = s->ended;
	failed = s->failed;
	pthread_mutex_unlock(&s->lock);
	if (failed)
		return -ECANCELED;
	if (available == s->position)
		return 0;
	if (ended)
		transfer_pool_progress(
			s->pool, s->layer->digest, "Extracting", s->position, s->layer->size);
	available -= s->position;
	n = pread(s->fd, s->buffer,
		available < UNPACK_CHUNK_BYTES ? (size_t)available : UNPACK_CHUNK_BYTES,
		(off_t)s->position);
	if (n <= 0)
		return n ? -errno : -EIO;
	s->position += (uint64_t)n;
	*ret_bytes = s->buffer;
	return n;
}

static void *unpack_main(void *context)
{
	struct stream *s = context;
	struct image_unpacked unpacked;
	int r = image_layer_unpack(
		s->store, s->layer->diff_id, stream_read, s, NULL, &unpacked, &s->error);

	pthread_mutex_lock(&s->lock);
	s->result = r;
	s->unpack_ended = true;
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static int stream_start(struct stream *s, const struct image_blob_writer *writer, struct error *err)
{
	int r;

	s->fd = fcntl(writer->fd, F_DUPFD_CLOEXEC, 0);
	s->buffer = malloc(UNPACK_CHUNK_BYTES);
	if (s->fd < 0 || !s->buffer)
		return error_errno(
			err, s->fd < 0 ? errno : ENOMEM, "cannot unpack %s", s->layer->digest);
	s->available = writer->offset;
	r = pthread_create(&s->thread, NULL, unpack_main, s);
	if (r)
		return error_errno(err, r, "cannot start a thread");
	s->running = true;
	return 0;
}

/* Wait for the unpacker. Its failure counts unless the download's is the cause, as it is when the
 * registry sent something else than the layer. */
static int stream_finish(struct stream *s, int r, struct error *err)
{
	stream_end(s, r < 0);
	if (s->running) {
		pthread_join(s->thread, NULL);
		if (s->result < 0 && (r == 0 || (r != -EBADMSG && s->result != -ECANCELED))) {
			if (err)
				*err = s->error;
			r = s->result;
		}
	}
	cleanup_close(&s->fd);
	free(s->buffer);
	return r;
}

/* --- download ------------------------------------------------------------------------------ */

struct download {
	const char *registry; /* its name */
	struct stream *stream;
	struct image_blob_writer *writer;
	char *chunk; /* libcurl hands over 16 KiB at most */
	size_t used;
};

static int download_flush(struct download *d, struct error *err)
{
	struct stream *s = d->stream;
	int r;

	if (!d->used)
		return 0;
	r = image_blob_writer_write(d->writer, d->chunk, d->used, err);
	if (r < 0)
		return r;
	d->used = 0;
	stream_publish(s, d->writer->offset);
	transfer_pool_progress(
		s->pool, s->layer->digest, "Downloading", d->writer->offset, s->layer->size);
	return 0;
}

/* Of http_request */
static int download_write(void *context, const void *bytes, size_t len, struct error *err)
{
	struct download *d = context;
	const char *p = bytes;

	/* More than was promised is told at once, not after it filled the disk. */
	if (len > d->stream->layer->size - d->writer->offset - d->used)
		return error_set(err, EBADMSG,
			"%s lies about layer %s: it is longer than the %llu bytes promised",
			d->registry, d->stream->layer->digest,
			(unsigned long long)d->stream->layer->size);
	while (len) {
		size_t n = RECEIVE_CHUNK_BYTES - d->used;
		int r;

		n = n < len ? n : len;
		memcpy(d->chunk + d->used, p, n);
		d->used += n;
		p += n;
		len -= n;
		if (d->used < RECEIVE_CHUNK_BYTES)
			continue;
		r = download_flush(d, err);
		if (r < 0)
			return r;
		if (stream_is_hopeless(d->stream))
			return error_set(err, ECANCELED, "unpacking has failed");
	}
	return 0;
}

/* Get the missing bytes. Nothing is asked for when there are none. */
static int download(struct registry_client *client, struct download *d, struct error *err)
{
	const struct transfer_layer *layer = d->stream->layer;
	_cleanup_http_response_ struct http_response response = { 0 };
	_cleanup_free_ char *path = registry_path(
		client->registry->repository, "blobs/%s", layer->digest);
	struct http_request request = {
		.method = "GET",
		.url = path,
		.write_body = download_write,
		.context = d,
		.resume_from = d->writer->offset,
	};
	int r, flushed;

	if (!path)
		return error_oom(err);
	if (layer->size == d->writer->offset)
		return 0;
	r = registry_perform(client, &request, &response, err);
	/* What has arrived is kept even after a failure: the next pull goes on behind it. */
	flushed = download_flush(d, r < 0 ? NULL : err);
	if (r < 0)
		return r;
	if (response.status < 200 || response.status > 299)
		return registry_refused(
			client->registry, &response, err, "cannot fetch layer %s", layer->digest);
	return flushed;
}

static int receive(struct registry_client *client, struct stream *s,
	struct image_blob_writer *writer, struct error *err)
{
	_cleanup_free_ char *chunk = malloc(RECEIVE_CHUNK_BYTES);
	struct download d = {
		.registry = client->registry->name,
		.stream = s,
		.writer = writer,
		.chunk = chunk,
	};
	int r;

	if (!chunk)
		return error_oom(err);
	transfer_pool_progress(
		s->pool, s->layer->digest, "Downloading", writer->offset, s->layer->size);
	r = download(client, &d, err);
	if (r < 0)
		return r;
	r = image_blob_writer_commit(writer, NULL, err);
	if (r == -EBADMSG)
		return error_prefix(err, "%s lies about layer", client->registry->name);
	if (r == 0)
		transfer_pool_progress(s->pool, s->layer->digest, "Download complete",
			s->layer->size, s->layer->size);
	return r;
}

/* --- one layer ----------------------------------------------------------------------------- */

struct fetch {
	const struct image_store *store;
	const struct transfer_layers *layers;
	size_t *order; /* largest first */
	size_t fetched; /* atomic */
};

/* As image_blob_writer_open(), but gives up waiting for another process when the pull has failed.
 */
static int open_writer(struct transfer_pool *pool, const struct fetch *fetch,
	const struct transfer_layer *layer, unsigned flags, struct image_blob_writer *ret,
	struct error *err)
{
	const struct timespec pause = { 0, LOCK_POLL_NS };

	for (bool told = false;; told = true) {
		int r = image_blob_writer_open(fetch->store, layer->digest, layer->size,
			flags | IMAGE_BLOB_NO_WAIT, ret, err);

		if (r != -EWOULDBLOCK)
			return r;
		if (transfer_pool_cancelled(pool))
			return error_set(err, ECANCELED, "the pull has failed");
		if (!told)
			transfer_pool_progress(
				pool, layer->digest, "Waiting for another pull", 0, layer->size);
		error_clear(err);
		nanosleep(&pause, NULL);
	}
}

static bool is_unpacked(const struct image_store *store, const struct transfer_layer *layer)
{
	return !*layer->diff_id ||
		faccessat(store->layers_fd, image_digest_hex(layer->diff_id), F_OK, 0) == 0;
}

/* The blob is stored; unpack it unless that is done, or being done by another process. */
static int unpack_stored(struct transfer_pool *pool, const struct fetch *fetch,
	const struct transfer_layer *layer, struct error *err)
{
	const struct timespec pause = { 0, LOCK_POLL_NS };
	_cleanup_close_ int fd = -1;
	char path[80];
	int r;

	image_blob_path(layer->digest, path);
	fd = openat(fetch->store->images_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return error_errno(
			err, errno, "cannot open %s/images/%s", fetch->store->root, path);
	while (!is_unpacked(fetch->store, layer)) {
		r = io_try_lock(fd, true);
		if (r == -EWOULDBLOCK) {
			if (transfer_pool_cancelled(pool))
				return error_set(err, ECANCELED, "the pull has failed");
			nanosleep(&pause, NULL);
			continue;
		}
		if (r < 0)
			return error_errno(err, r, "cannot lock %s", path);
		transfer_pool_progress(pool, layer->digest, "Extracting", 0, layer->size);
		r = image_layer_unpack_blob(fetch->store, layer->digest, layer->diff_id, err);
		if (r < 0)
			return r;
		transfer_pool_progress(
			pool, layer->digest, "Pull complete", layer->size, layer->size);
		return 0;
	}
	transfer_pool_progress(pool, layer->digest, "Already exists", layer->size, layer->size);
	return 0;
}

/* Fetch one layer into an opened writer. *ret_suspect: if what was there before is wrong, this is
 * how it would look. */
static int fetch_into(struct transfer_pool *pool, const struct fetch *fetch,
	const struct transfer_layer *layer, struct registry_client *client,
	struct image_blob_writer *writer, bool *ret_suspect, struct error *err)
{
	struct stream stream = {
		.pool = pool,
		.store = fetch->store,
		.layer = layer,
		.fd = -1,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.grown = PTHREAD_COND_INITIALIZER,
	};
	int r = 0;

	if (!is_unpacked(fetch->store, layer))
		r = stream_start(&stream, writer, err);
	if (r == 0)
		r = receive(client, &stream, writer, err);
	r = stream_finish(&stream, r, err);
	*ret_suspect = r == -EBADMSG || r == -EINVAL;
	return r;
}

/* transfer_work_fn */
static int fetch_layer(struct transfer_pool *pool, void *context, struct registry_client *client,
	size_t i, struct error *err)
{
	struct fetch *fetch = context;
	const struct transfer_layer *layer = &fetch->layers->items[fetch->order[i]];
	unsigned flags = 0;

	for (;;) {
		_cleanup_blob_writer_ struct image_blob_writer writer = IMAGE_BLOB_WRITER_INIT;
		bool suspect, resumed;
		int r = open_writer(pool, fetch, layer, flags, &writer, err);

		if (r > 0)
			return unpack_stored(pool, fetch, layer, err);
		if (r < 0)
			return r;
		resumed = writer.offset;
		if (resumed)
			log_debug("layer %s: going on at byte %llu", layer->digest,
				(unsigned long long)writer.offset);
		r = fetch_into(pool, fetch, layer, client, &writer, &suspect, err);
		if (r == 0) {
			__atomic_fetch_add(&fetch->fetched, 1, __ATOMIC_RELAXED);
			transfer_pool_progress(
				pool, layer->digest, "Pull complete", layer->size, layer->size);
			return 0;
		}
		/* The part that an interrupted pull left may be what is wrong: once more, whole. */
		if (!resumed || !suspect || transfer_pool_cancelled(pool))
			return r;
		log_info("%s; fetching it again from the start", err->message);
		error_clear(err);
		flags = IMAGE_BLOB_NO_RESUME;
	}
}

static int by_size(const void *a, const void *b, void *context)
{
	const struct transfer_layer *items = context;
	uint64_t x = items[*(const size_t *)a].size, y = items[*(const size_t *)b].size;

	return x < y ? 1 : x > y ? -1 : 0;
}

int transfer_fetch_layers(const struct image_store *store, struct registry *registry,
	const struct transfer_layers *layers, size_t *ret_fetched, struct error *err)
{
	_cleanup_free_ size_t *order = calloc(layers->count + 1, sizeof(*order));
	struct fetch fetch = { .store = store, .layers = layers, .order = order };
	struct image_progress *progress = registry->options->progress;
	int r;

	if (!order)
		return error_oom(err);
	for (size_t i = 0; i < layers->count; i++) {
		order[i] = i;
		if (progress && progress->update)
			progress->update(progress, layers->items[i].digest, "Waiting", 0,
				layers->items[i].size);
	}
	/* The largest first: otherwise it is the last one, alone on one of the processors. */
	qsort_r(order, layers->count, sizeof(*order), by_size, layers->items);
	r = transfer_pool_run(
		registry, registry->options->parallel, layers->count, fetch_layer, &fetch, err);
	if (r == 0)
		*ret_fetched = fetch.fetched;
	return r;
}
