/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decompress.c - gzip (RFC 1952, any number of members) and zstd (RFC 8878, any number of frames).
 *
 * A format is one row of `formats`: its magic and three functions. step() moves as much as it can
 * from ->in to the output and never waits for more input.
 */
#include "base/decompress.h"

#include <isa-l/igzip_lib.h>
#include <limits.h>
#include <string.h>
#include <zstd.h>

struct decompressor_ops {
	const char *name;
	unsigned char magic[4];
	size_t magic_len;
	int (*open)(struct decompressor *d, struct error *err);
	/* Returns the bytes put into out, or -errno. *ret_done: the compressed data is complete. */
	ssize_t (*step)(
		struct decompressor *d, void *out, size_t size, bool *ret_done, struct error *err);
	void (*close)(struct decompressor *d);
};

/* --- plain ---------------------------------------------------------------------------------- */

static int plain_open(struct decompressor *d, struct error *err)
{
	return 0;
}

static ssize_t plain_step(
	struct decompressor *d, void *out, size_t size, bool *ret_done, struct error *err)
{
	size_t n = d->in_left < size ? d->in_left : size;

	memcpy(out, d->in, n);
	d->in += n;
	d->in_left -= n;
	*ret_done = true; /* it may end anywhere */
	return (ssize_t)n;
}

static void plain_close(struct decompressor *d)
{
}

/* --- gzip ----------------------------------------------------------------------------------- */

struct gzip_state {
	struct inflate_state inflate;
	bool between_members, trailing;
};

static int gzip_open(struct decompressor *d, struct error *err)
{
	struct gzip_state *state = malloc(sizeof(*state));

	if (!state)
		return error_oom(err);
	isal_inflate_init(&state->inflate);
	state->inflate.crc_flag = ISAL_GZIP;
	state->between_members = state->trailing = false;
	d->state = state;
	return 0;
}

static ssize_t gzip_step(
	struct decompressor *d, void *out, size_t size, bool *ret_done, struct error *err)
{
	struct gzip_state *state = d->state;
	struct inflate_state *z = &state->inflate;
	size_t in_now = d->in_left < INT_MAX ? d->in_left : INT_MAX;
	size_t out_now = size < INT_MAX ? size : INT_MAX;
	int r;

	*ret_done = state->between_members;
	if (state->between_members && d->in_left) {
		/* Another member, or padding that gzip(1) passes over too. */
		if (state->trailing || d->in[0] != 0x1f) {
			state->trailing = true;
			d->in_left = 0;
			return 0;
		}
		isal_inflate_reset(z);
		z->crc_flag = ISAL_GZIP;
		state->between_members = false;
	}
	if (state->between_members)
		return 0;
	z->next_in = (uint8_t *)d->in;
	z->avail_in = (uint32_t)in_now;
	z->next_out = out;
	z->avail_out = (uint32_t)out_now;
	r = isal_inflate(z);
	if (r != ISAL_DECOMP_OK && r != ISAL_END_INPUT)
		return error_set(err, EBADMSG, "the gzip data is damaged");
	d->in += in_now - z->avail_in;
	d->in_left -= in_now - z->avail_in;
	state->between_members = *ret_done = z->block_state == ISAL_BLOCK_FINISH;
	return (ssize_t)(out_now - z->avail_out);
}

static void gzip_close(struct decompressor *d)
{
	free(d->state);
}

/* --- zstd ----------------------------------------------------------------------------------- */

static int zstd_open(struct decompressor *d, struct error *err)
{
	d->state = ZSTD_createDStream();
	return d->state ? 0 : error_oom(err);
}

static ssize_t zstd_step(
	struct decompressor *d, void *out, size_t size, bool *ret_done, struct error *err)
{
	ZSTD_inBuffer in = { .src = d->in, .size = d->in_left };
	ZSTD_outBuffer buffer = { .dst = out, .size = size };
	size_t r = ZSTD_decompressStream(d->state, &buffer, &in);

	if (ZSTD_isError(r))
		return error_set(
			err, EBADMSG, "the zstd data is damaged: %s", ZSTD_getErrorName(r));
	d->in += in.pos;
	d->in_left -= in.pos;
	*ret_done = r == 0;
	return (ssize_t)buffer.pos;
}

static void zstd_close(struct decompressor *d)
{
	ZSTD_freeDStream(d->state);
}

static const struct decompressor_ops formats[] = {
	{ "gzip", { 0x1f, 0x8b }, 2, gzip_open, gzip_step, gzip_close },
	{ "zstd", { 0x28, 0xb5, 0x2f, 0xfd }, 4, zstd_open, zstd_step, zstd_close },
	{ "plain", { 0 }, 0, plain_open, plain_step, plain_close },
};

/* --- the common part ------------------------------------------------------------------------ */

void decompressor_init(struct decompressor *d, decompressor_read_fn read_fn, void *context)
{
	*d = (struct decompressor){ .read_fn = read_fn, .context = context };
}

void decompressor_free(struct decompressor *d)
{
	if (d->ops)
		d->ops->close(d);
	*d = (struct decompressor){ 0 };
}

const char *decompressor_format(const struct decompressor *d)
{
	return d->ops ? d->ops->name : NULL;
}

/* Another piece of input when the last is used up. */
static int refill(struct decompressor *d, struct error *err)
{
	const void *bytes;
	ssize_t n;

	if (d->in_left || d->at_end)
		return 0;
	n = d->read_fn(d->context, &bytes);
	if (n < 0)
		return error_errno(err, (int)n, "cannot read the stream");
	d->in = bytes;
	d->in_left = (size_t)n;
	d->at_end = n == 0;
	return 0;
}

/* Gather enough bytes to know the format by. */
static int find_format(struct decompressor *d, struct error *err)
{
	const unsigned char *magic;
	size_t len;
	int r;

	while (!d->at_end && d->head_len < sizeof(d->head)) {
		size_t n;

		r = refill(d, err);
		if (r < 0)
			return r;
		if (d->head_len == 0 && d->in_left >= sizeof(d->head))
			break; /* the usual case: all in one piece */
		n = sizeof(d->head) - d->head_len;
		n = n < d->in_left ? n : d->in_left;
		memcpy(d->head + d->head_len, d->in, n);
		d->head_len += n;
		d->in += n;
		d->in_left -= n;
	}
	magic = d->head_len ? d->head : d->in;
	len = d->head_len ? d->head_len : d->in_left;
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		if (len < formats[i].magic_len ||
			memcmp(magic, formats[i].magic, formats[i].magic_len) != 0)
			continue;
		r = formats[i].open(d, err);
		if (r < 0)
			return r;
		d->ops = &formats[i];
		d->complete = formats[i].magic_len == 0; /* even nothing at all is a plain stream */
		return 0;
	}
	return error_set(err, EBADMSG, "the compression format is unknown"); /* not reached */
}

/* One step on the gathered head first, then on the source's own pieces. */
static ssize_t step(
	struct decompressor *d, void *out, size_t size, bool *ret_done, struct error *err)
{
	const unsigned char *in = d->in;
	size_t in_left = d->in_left;
	ssize_t n;

	if (!d->head_len)
		return d->ops->step(d, out, size, ret_done, err);
	d->in = d->head;
	d->in_left = d->head_len;
	n = d->ops->step(d, out, size, ret_done, err);
	memmove(d->head, d->in, d->in_left);
	d->head_len = d->in_left;
	d->in = in;
	d->in_left = in_left;
	return n;
}

ssize_t decompressor_read(struct decompressor *d, void *buf, size_t size, struct error *err)
{
	size_t got = 0;
	int r;

	if (!d->ops) {
		r = find_format(d, err);
		if (r < 0)
			return r;
	}
	while (got < size) {
		bool done = false;
		size_t before;
		ssize_t n;

		r = d->head_len ? 0 : refill(d, err);
		if (r < 0)
			return r;
		before = d->in_left + d->head_len;
		n = step(d, (char *)buf + got, size - got, &done, err);
		if (n < 0)
			return n;
		got += (size_t)n;
		if (n > 0 || before != d->in_left + d->head_len)
			d->complete = done;
		if (n == 0 && d->at_end && !d->in_left && !d->head_len) {
			if (!d->complete)
				return error_set(
					err, EBADMSG, "the %s data ends too early", d->ops->name);
			break;
		}
	}
	return (ssize_t)got;
}
