/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compress.c - gzip (RFC 1952) and zstd (RFC 8878) writers. The same input gives the same bytes:
 * no time and no name in the gzip header.
 */
#include "image/compress.h"

#include <assert.h>

#include <isa-l/igzip_lib.h>
#include <limits.h>
#include <zstd.h>

#define COMPRESSED_SIZE (128u << 10)
#define ZSTD_LEVEL	3 /* zstd's default */

struct compressor_ops {
	const char *media_type;
	int (*open)(struct compressor *c, struct error *err);
	int (*write)(
		struct compressor *c, const void *bytes, size_t size, bool last, struct error *err);
	void (*free)(struct compressor *c);
};

/* --- gzip --- */

struct gzip_writer {
	struct isal_zstream z;
	uint8_t level_buffer[ISAL_DEF_LVL1_DEFAULT];
	char out[COMPRESSED_SIZE];
};

static int gzip_open(struct compressor *c, struct error *err)
{
	struct gzip_writer *w = malloc(sizeof(*w));

	if (!w)
		return error_oom(err);
	isal_deflate_init(&w->z);
	w->z.gzip_flag = IGZIP_GZIP;
	w->z.level = 1;
	w->z.level_buf = w->level_buffer;
	w->z.level_buf_size = sizeof(w->level_buffer);
	c->state = w;
	return 0;
}

static int gzip_write(
	struct compressor *c, const void *bytes, size_t size, bool last, struct error *err)
{
	struct gzip_writer *w = c->state;
	int r;

	/* Callers write pieces of a few hundred KiB. */
	if (size > UINT32_MAX)
		return error_set(err, E2BIG, "too much at once for gzip");
	w->z.next_in = (uint8_t *)bytes;
	w->z.avail_in = (uint32_t)size;
	w->z.end_of_stream = last;
	do {
		w->z.next_out = (uint8_t *)w->out;
		w->z.avail_out = sizeof(w->out);
		if (isal_deflate(&w->z) != COMP_OK)
			return error_set(err, EIO, "cannot compress with gzip");
		r = c->write(c->context, w->out, sizeof(w->out) - w->z.avail_out, err);
		if (r < 0)
			return r;
	} while (w->z.avail_out == 0 || w->z.avail_in);
	return 0;
}

static void free_state(struct compressor *c)
{
	free(c->state);
}

/* --- zstd --- */

struct zstd_writer {
	ZSTD_CCtx *context;
	char out[COMPRESSED_SIZE];
};

static int zstd_open(struct compressor *c, struct error *err)
{
	struct zstd_writer *w = malloc(sizeof(*w));

	if (!w)
		return error_oom(err);
	w->context = ZSTD_createCCtx();
	c->state = w;
	if (!w->context)
		return error_oom(err);
	ZSTD_CCtx_setParameter(w->context, ZSTD_c_compressionLevel, ZSTD_LEVEL);
	ZSTD_CCtx_setParameter(w->context, ZSTD_c_checksumFlag, 1);
	return 0;
}

static int zstd_write(
	struct compressor *c, const void *bytes, size_t size, bool last, struct error *err)
{
	struct zstd_writer *w = c->state;
	ZSTD_inBuffer in = { .src = bytes, .size = size };
	size_t left;

	do {
		ZSTD_outBuffer out = { .dst = w->out, .size = sizeof(w->out) };
		int r;

		left = ZSTD_compressStream2(
			w->context, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
		if (ZSTD_isError(left))
			return error_set(
				err, EIO, "cannot compress with zstd: %s", ZSTD_getErrorName(left));
		r = c->write(c->context, w->out, out.pos, err);
		if (r < 0)
			return r;
	} while (last ? left != 0 : in.pos < in.size);
	return 0;
}

static void zstd_free(struct compressor *c)
{
	struct zstd_writer *w = c->state;

	if (w)
		ZSTD_freeCCtx(w->context);
	free(w);
}

/* --- none --- */

static int plain_open(struct compressor *c, struct error *err)
{
	return 0;
}

static int plain_write(
	struct compressor *c, const void *bytes, size_t size, bool last, struct error *err)
{
	return c->write(c->context, bytes, size, err);
}

static const struct compressor_ops formats[] = {
	[IMAGE_COMPRESSION_GZIP] = { IMAGE_TYPE_OCI_LAYER_GZIP, gzip_open, gzip_write, free_state },
	[IMAGE_COMPRESSION_ZSTD] = { IMAGE_TYPE_OCI_LAYER_ZSTD, zstd_open, zstd_write, zstd_free },
	[IMAGE_COMPRESSION_NONE] = { IMAGE_TYPE_OCI_LAYER, plain_open, plain_write, free_state },
};
static_assert(ARRAY_SIZE(formats) == IMAGE_COMPRESSION_COUNT, "a row for every format");

const char *image_compression_layer_type(enum image_compression compression)
{
	return formats[compression].media_type;
}

int compressor_open(struct compressor *c, enum image_compression compression,
	int (*write)(void *context, const void *bytes, size_t size, struct error *err),
	void *context, struct error *err)
{
	*c = (struct compressor){
		.ops = &formats[compression],
		.write = write,
		.context = context,
	};
	return c->ops->open(c, err);
}

int compressor_write(struct compressor *c, const void *bytes, size_t size, struct error *err)
{
	return c->ops->write(c, bytes, size, false, err);
}

int compressor_finish(struct compressor *c, struct error *err)
{
	return c->ops->write(c, NULL, 0, true, err);
}

void compressor_free(struct compressor *c)
{
	if (c->ops)
		c->ops->free(c);
	*c = (struct compressor){ 0 };
}
