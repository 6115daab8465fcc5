/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layer-stream.c - decompression in a thread beside the one that hashes and writes files.
 *
 * Inflating (about 1.2 ms per MB), SHA-256 (0.7 with the CPU's instructions for it) and making
 * files cost about the same; two threads with a small ring between them keep two cores busy, and
 * several layers at once do the rest. The ring's buffers are handed over, never copied.
 */
#include "image/layer-stream.h"

#include <inttypes.h>

static char *buffer_of(const struct layer_stream *stream, unsigned number)
{
	return stream->memory + (size_t)(number % LAYER_STREAM_BUFFERS) * LAYER_STREAM_BUFFER_SIZE;
}

/* Wait for a free buffer; false when the reader has given up. */
static bool wait_for_room(struct layer_stream *stream)
{
	bool go;

	pthread_mutex_lock(&stream->lock);
	while (!stream->stopped && stream->filled - stream->taken == LAYER_STREAM_BUFFERS)
		pthread_cond_wait(&stream->changed, &stream->lock);
	go = !stream->stopped;
	pthread_mutex_unlock(&stream->lock);
	return go;
}

/* Hand over a filled buffer (size > 0), or say that there are no more. */
static void hand_over(struct layer_stream *stream, size_t size, bool at_end)
{
	pthread_mutex_lock(&stream->lock);
	if (size) {
		stream->sizes[stream->filled % LAYER_STREAM_BUFFERS] = size;
		stream->filled++;
	}
	stream->at_end = at_end;
	pthread_cond_signal(&stream->changed);
	pthread_mutex_unlock(&stream->lock);
}

static void *decompress_all(void *context)
{
	struct layer_stream *stream = context;

	while (wait_for_room(stream)) {
		/* ->filled is written by this thread only. */
		ssize_t n = decompressor_read(&stream->decompressor,
			buffer_of(stream, stream->filled), LAYER_STREAM_BUFFER_SIZE,
			&stream->error);

		if (n > 0 && (stream->bytes += (uint64_t)n) > stream->max_bytes)
			n = error_set(&stream->error, EFBIG,
				"it is larger than the %" PRIu64
				" bytes that are allowed or free for it when uncompressed",
				stream->max_bytes);
		hand_over(stream, n > 0 ? (size_t)n : 0, n < (ssize_t)LAYER_STREAM_BUFFER_SIZE);
		if (n < (ssize_t)LAYER_STREAM_BUFFER_SIZE)
			break;
	}
	return NULL;
}

static ssize_t read_stream(struct tar_source *source, const void **ret_bytes, struct error *err)
{
	struct layer_stream *stream = container_of(source, struct layer_stream, source);
	size_t size = 0;

	pthread_mutex_lock(&stream->lock);
	if (stream->holding) {
		stream->taken++;
		stream->holding = false;
		pthread_cond_signal(&stream->changed);
	}
	while (stream->taken == stream->filled && !stream->at_end)
		pthread_cond_wait(&stream->changed, &stream->lock);
	if (stream->taken != stream->filled) {
		stream->holding = true;
		size = stream->sizes[stream->taken % LAYER_STREAM_BUFFERS];
	}
	pthread_mutex_unlock(&stream->lock);
	if (!size) /* the thread is done: its error may be read */
		return stream->error.code
			? error_set(err, stream->error.code, "%s", stream->error.message)
			: 0;
	*ret_bytes = buffer_of(stream, stream->taken);
	image_digester_update(&stream->digester, *ret_bytes, size);
	return (ssize_t)size;
}

int layer_stream_start(struct layer_stream *stream, decompressor_read_fn read_fn, void *context,
	uint64_t max_bytes, struct error *err)
{
	int r;

	*stream = (struct layer_stream){ .source.read = read_stream, .max_bytes = max_bytes };
	pthread_mutex_init(&stream->lock, NULL);
	pthread_cond_init(&stream->changed, NULL);
	decompressor_init(&stream->decompressor, read_fn, context);
	stream->memory = malloc((size_t)LAYER_STREAM_BUFFERS * LAYER_STREAM_BUFFER_SIZE);
	r = stream->memory ? image_digester_open(&stream->digester, err) : error_oom(err);
	if (r < 0) {
		layer_stream_close(stream);
		return r;
	}
	r = pthread_create(&stream->thread, NULL, decompress_all, stream);
	if (r != 0) {
		layer_stream_close(stream);
		return error_errno(err, r, "cannot start a thread");
	}
	stream->started = true;
	return 0;
}

int layer_stream_digest(
	struct layer_stream *stream, char ret[IMAGE_DIGEST_LEN + 1], struct error *err)
{
	return image_digester_finish(&stream->digester, ret, err);
}

void layer_stream_close(struct layer_stream *stream)
{
	if (stream->started) {
		pthread_mutex_lock(&stream->lock);
		stream->stopped = true;
		pthread_cond_signal(&stream->changed);
		pthread_mutex_unlock(&stream->lock);
		pthread_join(stream->thread, NULL);
	}
	decompressor_free(&stream->decompressor);
	image_digester_free(&stream->digester);
	free(stream->memory);
	pthread_mutex_destroy(&stream->lock);
	pthread_cond_destroy(&stream->changed);
	*stream = (struct layer_stream){ 0 };
}
