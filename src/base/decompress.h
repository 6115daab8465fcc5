/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decompress.h - a stream of bytes that may be compressed, read as what it was before.
 *
 * gzip through ISA-L's igzip, which inflates a Debian layer at 860 MB/s where zlib reaches 300 (one
 * core of the machine this was measured on): inflating is the largest single cost of a pull. zstd
 * through libzstd. What is neither is handed through.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

/* The next bytes of what may be compressed: how many, 0 at the end, or a negative errno. They stay
 * valid until the next call. */
typedef ssize_t (*decompressor_read_fn)(void *context, const void **ret_bytes);

struct decompressor_ops;

struct decompressor {
	const struct decompressor_ops *ops; /* NULL until the first bytes have been seen */
	void *state; /* of ops */
	decompressor_read_fn read_fn;
	void *context;
	const unsigned char *in;
	size_t in_left;
	bool at_end; /* the source has said so */
	unsigned char head[8]; /* what the format is told by, when it came in smaller pieces */
	size_t head_len;
	bool complete; /* the compressed data may end here */
};

void decompressor_init(struct decompressor *d, decompressor_read_fn read_fn, void *context);
void decompressor_free(struct decompressor *d);

/* Fill buf as far as the stream goes: less than `size` only at the end. -EBADMSG with a sentence
 * for damaged data; what read_fn returned when it failed. */
ssize_t decompressor_read(struct decompressor *d, void *buf, size_t size, struct error *err);

/* "gzip", "zstd" or "plain"; NULL before the first read. */
const char *decompressor_format(const struct decompressor *d);
