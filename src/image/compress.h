/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compress.h - new layers: gzip (what everybody reads), zstd or nothing. Private to image/.
 *
 * gzip is ISA-L's level 1: about 400 MB/s a core, and 12 % larger than gzip -6 at 30 MB/s.
 */
#pragma once

#include "image/archive.h"

struct compressor_ops;

struct compressor {
	const struct compressor_ops *ops;
	void *state; /* of ops */
	/* Where the compressed bytes go. */
	int (*write)(void *context, const void *bytes, size_t size, struct error *err);
	void *context;
};

int compressor_open(struct compressor *c, enum image_compression compression,
	int (*write)(void *context, const void *bytes, size_t size, struct error *err),
	void *context, struct error *err);
int compressor_write(struct compressor *c, const void *bytes, size_t size, struct error *err);
/* Write what is left. */
int compressor_finish(struct compressor *c, struct error *err);
void compressor_free(struct compressor *c);

/* The media type of a layer made with it. */
const char *image_compression_layer_type(enum image_compression compression);
