/* SPDX-License-Identifier: Apache-2.0 */
/*
 * archive-source.c - a part of a file as plain bytes, however it was compressed.
 *
 * gzip and zstd go through decompress.c. xz, bzip2, lz4 and lzma, in which distributions publish
 * root filesystems but which no registry serves, go through libarchive's filters.
 */
#include "image/archive-file.h"

#include <sys/stat.h>

#include "base/io.h"

uint64_t archive_region_size(const struct archive_region *region)
{
	struct stat st;

	if (region->size != UINT64_MAX)
		return region->size;
	if (fstat(region->fd, &st) < 0 || (uint64_t)st.st_size < region->offset)
		return 0;
	return (uint64_t)st.st_size - region->offset;
}

/* The next raw bytes of the region into `in`. */
static ssize_t read_region(struct archive_source *s)
{
	size_t want = sizeof(s->in);
	ssize_t n;

	if (s->region.size < want)
		want = (size_t)s->region.size;
	do {
		n = pread(s->region.fd, s->in, want, (off_t)s->region.offset);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	s->region.offset += (uint64_t)n;
	if (s->region.size != UINT64_MAX)
		s->region.size -= (uint64_t)n;
	if (s->step)
		archive_step_advance(s->step, (uint64_t)n);
	return n;
}

/* image_layer_read_fn for the decompressor. */
static ssize_t read_raw(void *context, const void **ret_bytes)
{
	struct archive_source *s = context;

	*ret_bytes = s->in;
	return read_region(s);
}

static ssize_t read_plain(struct tar_source *source, const void **ret_bytes, struct error *err)
{
	struct archive_source *s = container_of(source, struct archive_source, source);
	ssize_t n = read_region(s);

	*ret_bytes = s->in;
	return n < 0 ? error_errno(err, (int)n, "cannot read the archive") : n;
}

static int skip_plain(struct tar_source *source, uint64_t bytes, struct error *err)
{
	struct archive_source *s = container_of(source, struct archive_source, source);
	if (bytes > archive_region_size(&s->region))
		return error_set(err, EBADMSG, "the archive is cut short");
	if (s->region.size != UINT64_MAX)
		s->region.size -= bytes;
	s->region.offset += bytes;
	return 0;
}

static ssize_t read_decompressed(
	struct tar_source *source, const void **ret_bytes, struct error *err)
{
	struct archive_source *s = container_of(source, struct archive_source, source);

	*ret_bytes = s->out;
	return decompressor_read(&s->decompressor, s->out, sizeof(s->out), err);
}

static ssize_t read_filtered(struct tar_source *source, const void **ret_bytes, struct error *err)
{
	struct archive_source *s = container_of(source, struct archive_source, source);
	la_ssize_t n = archive_read_data(s->filter, s->out, sizeof(s->out));

	*ret_bytes = s->out;
	if (n < 0)
		return error_set(err, EBADMSG, "cannot decompress the archive: %s",
			archive_error_string(s->filter));
	return n;
}

/* libarchive's callback. */
static la_ssize_t feed_filter(struct archive *filter, void *context, const void **ret_bytes)
{
	struct archive_source *s = context;
	ssize_t n = read_region(s);

	*ret_bytes = s->in;
	if (n < 0)
		archive_set_error(filter, (int)-n, "%s", strerror((int)-n));
	return n < 0 ? ARCHIVE_FATAL : n;
}

/* *ret_packed: a filter was found. */
static int open_filter(struct archive_source *s, bool *ret_packed, struct error *err)
{
	struct archive_entry *entry;
	int r;

	s->filter = archive_read_new();
	if (!s->filter)
		return error_oom(err);
	archive_read_support_filter_bzip2(s->filter);
	archive_read_support_filter_xz(s->filter);
	archive_read_support_filter_lzma(s->filter);
	archive_read_support_filter_lz4(s->filter);
	archive_read_support_format_raw(s->filter);
	archive_read_support_format_empty(s->filter);
	r = archive_read_open(s->filter, s, NULL, feed_filter, NULL);
	if (r == ARCHIVE_OK)
		r = archive_read_next_header(s->filter, &entry);
	if (r != ARCHIVE_OK && r != ARCHIVE_EOF)
		return error_set(err, EBADMSG, "cannot decompress the archive: %s",
			archive_error_string(s->filter));
	*ret_packed = archive_filter_count(s->filter) > 1;
	return 0;
}

int archive_find_packing(
	const struct archive_region *region, enum archive_packing *ret, struct error *err)
{
	_cleanup_archive_source_ struct archive_source *s = calloc(1, sizeof(*s));
	const unsigned char *magic;
	bool packed = false;
	ssize_t n;
	int r;

	if (!s)
		return error_oom(err);
	s->region = *region;
	n = read_region(s);
	if (n < 0)
		return error_errno(err, (int)n, "cannot read the archive");
	magic = (const unsigned char *)s->in;
	if (n >= 2 && magic[0] == 0x1f && magic[1] == 0x8b) {
		*ret = ARCHIVE_GZIP;
	} else if (n >= 4 && memcmp(magic, "\x28\xb5\x2f\xfd", 4) == 0) {
		*ret = ARCHIVE_ZSTD;
	} else if (n >= 262 && memcmp(magic + 257, "ustar", 5) == 0) {
		*ret = ARCHIVE_PLAIN;
	} else {
		s->region = *region;
		r = open_filter(s, &packed, err);
		if (r < 0)
			return r;
		*ret = packed ? ARCHIVE_OTHER : ARCHIVE_PLAIN;
	}
	return 0;
}

int archive_source_open(const struct archive_region *region, bool raw, struct archive_source **ret,
	struct error *err)
{
	_cleanup_archive_source_ struct archive_source *s = calloc(1, sizeof(*s));
	bool packed;
	int r = 0;

	if (!s)
		return error_oom(err);
	s->packing = ARCHIVE_PLAIN;
	if (!raw)
		r = archive_find_packing(region, &s->packing, err);
	if (r < 0)
		return r;
	s->region = *region;
	switch (s->packing) {
	case ARCHIVE_PLAIN:
		s->source = (struct tar_source){ .read = read_plain, .skip = skip_plain };
		break;
	case ARCHIVE_GZIP:
	case ARCHIVE_ZSTD:
		decompressor_init(&s->decompressor, read_raw, s);
		s->source.read = read_decompressed;
		break;
	case ARCHIVE_OTHER:
		r = open_filter(s, &packed, err);
		if (r < 0)
			return r;
		s->source.read = read_filtered;
		break;
	}
	*ret = steal_ptr(&s);
	return 0;
}

struct archive_source *archive_source_free(struct archive_source *source)
{
	if (!source)
		return NULL;
	decompressor_free(&source->decompressor);
	if (source->filter)
		archive_read_free(source->filter);
	free(source);
	return NULL;
}
