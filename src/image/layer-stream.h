/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layer-stream.h - a layer's bytes on their way from a blob to the tar reader: decompressed by a
 * thread of their own, hashed by whoever reads them, bounded in size. Private to image/.
 */
#pragma once

#include <pthread.h>

#include "base/decompress.h"
#include "image/digest.h"
#include "image/tar.h"

#define LAYER_STREAM_BUFFERS	 8
#define LAYER_STREAM_BUFFER_SIZE (256u << 10) /* eight of them stay in a level 2 cache */

struct layer_stream {
	struct tar_source source;
	struct decompressor decompressor;
	uint64_t max_bytes, bytes;
	struct image_digester digester;
	pthread_t thread;
	bool started;

	/* The ring: the thread fills buffers[filled % N], the reader takes buffers[taken % N]. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned filled, taken; /* ever */
	bool holding; /* the reader still uses buffers[taken % N] */
	bool at_end, stopped;
	struct error error; /* the thread's */
	size_t sizes[LAYER_STREAM_BUFFERS];
	char *memory;
};

/* Start decompressing what read_fn gives. read_fn is called by the new thread only. */
int layer_stream_start(struct layer_stream *stream, decompressor_read_fn read_fn, void *context,
	uint64_t max_bytes, struct error *err);

/* Digest of everything that was read from ->source, which must have reached its end. */
int layer_stream_digest(
	struct layer_stream *stream, char ret[IMAGE_DIGEST_LEN + 1], struct error *err);

/* Stop the thread, wherever it is, wait for it and free what it used. */
void layer_stream_close(struct layer_stream *stream);
