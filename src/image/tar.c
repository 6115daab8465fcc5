/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tar.c - reading tar streams.
 *
 * The reader never seeks backwards, allocates only for names, xattrs and sparse maps, and keeps
 * that memory from entry to entry; file content is handed out where the source put it. Everything
 * in a header is hostile: numbers are range-checked, lengths are bounded by tar.h's limits, and
 * what the format does not allow is -EBADMSG with the byte offset in the sentence.
 *
 * Layouts: POSIX.1-2017 pax(1) "ustar Interchange Format" and "pax Header Block"; GNU tar manual,
 * appendix "Tar Internals" (old GNU header, sparse formats); Go's archive/tar for what to do where
 * those disagree.
 */
#include "image/tar.h"

#include <inttypes.h>
#include <limits.h>

/* Byte offsets of the header block's fields. */
enum {
	AT_NAME = 0,
	AT_MODE = 100,
	AT_UID = 108,
	AT_GID = 116,
	AT_SIZE = 124,
	AT_MTIME = 136,
	AT_CHECKSUM = 148,
	AT_TYPE = 156,
	AT_LINK = 157,
	AT_MAGIC = 257,
	AT_MAJOR = 329,
	AT_MINOR = 337,
	AT_PREFIX = 345,
	AT_GNU_SPARSE = 386, /* four pairs of 12 digits */
	AT_GNU_EXTENDED = 482,
	AT_GNU_REAL_SIZE = 483,
	AT_STAR_TRAILER = 508,
	AT_SPARSE_MORE = 504, /* in a continuation block, after 21 pairs */
};

#define SPARSE_PAIRS_HEADER 4
#define SPARSE_PAIRS_BLOCK  21

enum flavour {
	FLAVOUR_V7,
	FLAVOUR_USTAR,
	FLAVOUR_STAR,
	FLAVOUR_GNU,
};

void tar_reader_init(struct tar_reader *reader, struct tar_source *source)
{
	*reader = (struct tar_reader){ .source = source };
}

void tar_clear_xattrs(struct tar_reader *reader)
{
	for (size_t i = 0; i < reader->nr_xattrs; i++) {
		free(reader->xattrs[i].name);
		free(reader->xattrs[i].value);
	}
	reader->nr_xattrs = 0;
}

void tar_reader_free(struct tar_reader *reader)
{
	tar_clear_xattrs(reader);
	free(reader->xattrs);
	free(reader->extents);
	str_free(&reader->name);
	str_free(&reader->link);
	str_free(&reader->extended);
	*reader = (struct tar_reader){ 0 };
}

/* --- bytes ---------------------------------------------------------------------------------- */

/* Have something in ->piece: 1, 0 at the end of the stream, -errno. */
static int fill(struct tar_reader *reader, struct error *err)
{
	const void *bytes;
	ssize_t n;

	if (reader->piece_left)
		return 1;
	n = reader->source->read(reader->source, &bytes, err);
	if (n <= 0)
		return (int)n;
	reader->piece = bytes;
	reader->piece_left = (size_t)n;
	return 1;
}

static void consume(struct tar_reader *reader, size_t n)
{
	reader->piece += n;
	reader->piece_left -= n;
	reader->offset += n;
}

static int truncated(const struct tar_reader *reader, struct error *err)
{
	return error_set(err, EBADMSG,
		"the tar archive ends in the middle of an entry, at byte %" PRIu64, reader->offset);
}

/* Exactly `size` bytes; returns how many there were before the end of the stream, or -errno. */
static ssize_t read_bytes(struct tar_reader *reader, void *buf, size_t size, struct error *err)
{
	size_t got = 0;

	while (got < size) {
		int r = fill(reader, err);
		size_t n;

		if (r < 0)
			return r;
		if (r == 0)
			break;
		n = size - got < reader->piece_left ? size - got : reader->piece_left;
		memcpy((char *)buf + got, reader->piece, n);
		consume(reader, n);
		got += n;
	}
	return (ssize_t)got;
}

static int skip_bytes(struct tar_reader *reader, uint64_t size, struct error *err)
{
	while (size) {
		size_t n;
		int r;

		if (!reader->piece_left && reader->source->skip) {
			r = reader->source->skip(reader->source, size, err);
			if (r < 0)
				return r;
			reader->offset += size;
			return 0;
		}
		r = fill(reader, err);
		if (r < 0)
			return r;
		if (r == 0)
			return truncated(reader, err);
		n = size < reader->piece_left ? (size_t)size : reader->piece_left;
		consume(reader, n);
		size -= n;
	}
	return 0;
}

int tar_reader_drain(struct tar_reader *reader, struct error *err)
{
	int r;

	while ((r = fill(reader, err)) > 0)
		consume(reader, reader->piece_left);
	return r;
}

/* --- header fields -------------------------------------------------------------------------- */

/* Octal digits framed by spaces and NULs, or base-256 with the top bit set (GNU, star). */
static bool parse_number(const unsigned char *field, size_t size, int64_t *ret)
{
	uint64_t value = 0;
	size_t i = 0;

	if (field[0] & 0x80) {
		bool negative = field[0] & 0x40;

		for (; i < size; i++) {
			unsigned char byte = field[i];

			if (i == 0)
				byte = negative ? byte | 0x80 : byte & 0x7f;
			/* All but the low 63 bits must repeat the sign. */
			if (size - i > 8 && byte != (negative ? 0xff : 0))
				return false;
			value = value << 8 | byte;
		}
		*ret = (int64_t)value;
		return (*ret < 0) == negative;
	}
	while (i < size && (field[i] == ' ' || field[i] == '\0'))
		i++;
	for (; i < size && field[i] >= '0' && field[i] <= '7'; i++) {
		if (value >> 60)
			return false;
		value = value << 3 | (unsigned)(field[i] - '0');
	}
	while (i < size && (field[i] == ' ' || field[i] == '\0'))
		i++;
	*ret = (int64_t)value;
	return i == size;
}

static int bad_field(const struct tar_reader *reader, const char *what, struct error *err)
{
	return error_set(err, EBADMSG,
		"the tar archive has an invalid %s in the header before byte %" PRIu64, what,
		reader->offset);
}

/* POSIX sums bytes as unsigned; some old writers used signed ones. */
static bool checksum_matches(const unsigned char *block)
{
	int64_t want, sum = 0, signed_sum = 0;

	if (!parse_number(block + AT_CHECKSUM, 8, &want))
		return false;
	for (size_t i = 0; i < TAR_BLOCK_SIZE; i++) {
		unsigned char byte = i >= AT_CHECKSUM && i < AT_CHECKSUM + 8 ? ' ' : block[i];

		sum += byte;
		signed_sum += (signed char)byte;
	}
	return want == sum || want == signed_sum;
}

static bool is_zero(const unsigned char *block)
{
	for (size_t i = 0; i < TAR_BLOCK_SIZE; i++) {
		if (block[i])
			return false;
	}
	return true;
}

/* A header block: 1, 0 at the end of the archive. */
static int read_header(struct tar_reader *reader, unsigned char *block, struct error *err)
{
	ssize_t n = read_bytes(reader, block, TAR_BLOCK_SIZE, err);

	if (n <= 0)
		return (int)n;
	if (n < TAR_BLOCK_SIZE)
		return truncated(reader, err);
	if (is_zero(block)) {
		n = read_bytes(reader, block, TAR_BLOCK_SIZE, err);
		if (n < 0)
			return (int)n;
		if (n == TAR_BLOCK_SIZE && !is_zero(block))
			return bad_field(reader, "block", err);
		return 0;
	}
	if (!checksum_matches(block))
		return bad_field(reader, "checksum", err);
	return 1;
}

static enum flavour find_flavour(const unsigned char *block)
{
	if (memcmp(block + AT_MAGIC, "ustar\0", 6) == 0)
		return memcmp(block + AT_STAR_TRAILER, "tar\0", 4) == 0 ? FLAVOUR_STAR
									: FLAVOUR_USTAR;
	return memcmp(block + AT_MAGIC, "ustar  \0", 8) == 0 ? FLAVOUR_GNU : FLAVOUR_V7;
}

static void append_field(struct str *s, const unsigned char *field, size_t size)
{
	str_append_n(s, field, strnlen((const char *)field, size));
}

static void take_names(
	struct tar_reader *reader, const unsigned char *block, const struct tar_extended *ext)
{
	enum flavour flavour = find_flavour(block);
	size_t prefix = flavour == FLAVOUR_USTAR ? 155 : flavour == FLAVOUR_STAR ? 131 : 0;

	if (!ext->has_path) {
		str_reset(&reader->name);
		if (prefix && block[AT_PREFIX]) {
			append_field(&reader->name, block + AT_PREFIX, prefix);
			str_append_char(&reader->name, '/');
		}
		append_field(&reader->name, block + AT_NAME, 100);
	}
	if (!ext->has_link) {
		str_reset(&reader->link);
		append_field(&reader->link, block + AT_LINK, 100);
	}
}

static int take_id(struct tar_reader *reader, const unsigned char *field, bool given,
	uint64_t override, uint32_t *ret, const char *what, struct error *err)
{
	int64_t value = (int64_t) override;

	if (!given && !parse_number(field, 8, &value))
		return bad_field(reader, what, err);
	/* (uint32_t)-1 means "do not change" to chown(2). */
	if (value < 0 || value >= UINT32_MAX)
		return bad_field(reader, what, err);
	*ret = (uint32_t)value;
	return 0;
}

static int take_device(struct tar_reader *reader, const unsigned char *block,
	struct tar_entry *entry, struct error *err)
{
	int64_t major, minor;

	if (entry->type != TAR_CHAR && entry->type != TAR_BLOCK)
		return 0;
	if (find_flavour(block) == FLAVOUR_V7 || !parse_number(block + AT_MAJOR, 8, &major) ||
		!parse_number(block + AT_MINOR, 8, &minor) || major < 0 || major > 0xfff ||
		minor < 0 || minor > 0xfffff)
		return bad_field(reader, "device number", err);
	entry->major = (uint32_t)major;
	entry->minor = (uint32_t)minor;
	return 0;
}

/* Mode, owner, times and size; *ret_stored is how many bytes follow in the archive. */
static int take_numbers(struct tar_reader *reader, const unsigned char *block,
	const struct tar_extended *ext, struct tar_entry *entry, uint64_t *ret_stored,
	struct error *err)
{
	int64_t mode, size, mtime;
	int r;

	if (!parse_number(block + AT_MODE, 8, &mode) || mode < 0)
		return bad_field(reader, "mode", err);
	if (!parse_number(block + AT_SIZE, 12, &size) || size < 0)
		return bad_field(reader, "size", err);
	if (!parse_number(block + AT_MTIME, 12, &mtime))
		return bad_field(reader, "time", err);
	r = take_id(reader, block + AT_UID, ext->has_uid, ext->uid, &entry->uid, "user id", err);
	if (r == 0)
		r = take_id(reader, block + AT_GID, ext->has_gid, ext->gid, &entry->gid, "group id",
			err);
	if (r == 0)
		r = take_device(reader, block, entry, err);
	if (r < 0)
		return r;
	entry->mode = (mode_t)(mode & 07777);
	entry->mtime = ext->has_mtime ? ext->mtime : (struct timespec){ .tv_sec = mtime };
	entry->atime = ext->has_atime ? ext->atime : entry->mtime;
	*ret_stored = ext->has_size ? ext->size : (uint64_t)size;
	if (*ret_stored > INT64_MAX - TAR_BLOCK_SIZE)
		return bad_field(reader, "size", err);
	return 0;
}

/* --- extension headers ---------------------------------------------------------------------- */

/* The content of a pax or GNU long name header, NUL-terminated, in ->extended. */
static int read_extension(
	struct tar_reader *reader, const unsigned char *block, bool keep, struct error *err)
{
	uint64_t padding;
	int64_t size;
	ssize_t n;

	if (!parse_number(block + AT_SIZE, 12, &size) || size < 0 || size > TAR_PAX_MAX)
		return bad_field(reader, "extended header size", err);
	padding = (uint64_t)(-size & (TAR_BLOCK_SIZE - 1));
	if (!keep)
		return skip_bytes(reader, (uint64_t)size + padding, err);
	str_reset(&reader->extended);
	for (int64_t left = size; left;) {
		int r = fill(reader, err);

		if (r <= 0)
			return r < 0 ? r : truncated(reader, err);
		n = left < (int64_t)reader->piece_left ? left : (int64_t)reader->piece_left;
		str_append_n(&reader->extended, reader->piece, (size_t)n);
		consume(reader, (size_t)n);
		left -= n;
	}
	str_append_n(&reader->extended, "", 0);
	if (reader->extended.failed || !reader->extended.data)
		return error_oom(err);
	return skip_bytes(reader, padding, err);
}

/* GNU 'L' and 'K': the content is the name, NUL-terminated. */
static int take_long_name(struct tar_reader *reader, struct str *target, struct error *err)
{
	str_reset(target);
	str_append(target, reader->extended.data);
	return target->failed ? error_oom(err) : 0;
}

/* Read header blocks up to the entry's own; what the others say goes into *ext. 1 or 0. */
static int read_headers(struct tar_reader *reader, unsigned char *block, struct tar_extended *ext,
	struct error *err)
{
	int prefixes = 0;

	for (;;) {
		int r = read_header(reader, block, err);

		if (r == 0 && prefixes)
			return truncated(reader, err);
		if (r <= 0)
			return r;
		switch (block[AT_TYPE]) {
		case 'x':
		case 'X': /* Solaris' name for it */
			r = read_extension(reader, block, true, err);
			if (r == 0)
				r = tar_parse_pax(reader, reader->extended.data,
					reader->extended.len, ext, err);
			break;
		case 'L':
			r = read_extension(reader, block, true, err);
			if (r == 0)
				r = take_long_name(reader, &reader->name, err);
			ext->has_path = true;
			break;
		case 'K':
			r = read_extension(reader, block, true, err);
			if (r == 0)
				r = take_long_name(reader, &reader->link, err);
			ext->has_link = true;
			break;
		case 'g': /* global records: git's comment and the like, nothing about files */
		case 'V': /* GNU volume label */
			r = read_extension(reader, block, false, err);
			prefixes--;
			break;
		default:
			return 1;
		}
		if (r < 0)
			return r;
		if (++prefixes > TAR_PREFIXES_MAX)
			return bad_field(reader, "chain of extended headers", err);
	}
}

/* --- sparse files --------------------------------------------------------------------------- */

static int add_sparse_pairs(
	struct tar_reader *reader, const unsigned char *at, int count, struct error *err)
{
	for (int i = 0; i < count; i++, at += 24) {
		int64_t offset, size;
		int r;

		if (at[0] == '\0') /* unused pairs are empty */
			return 0;
		if (!parse_number(at, 12, &offset) || !parse_number(at + 12, 12, &size) ||
			offset < 0 || size < 0)
			return bad_field(reader, "sparse map", err);
		r = tar_add_extent(reader, (uint64_t)offset, (uint64_t)size, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Old GNU format: pairs in the header, more of them in blocks after it. */
static int read_gnu_sparse(struct tar_reader *reader, const unsigned char *header,
	uint64_t *ret_real_size, struct error *err)
{
	unsigned char block[TAR_BLOCK_SIZE];
	bool more = header[AT_GNU_EXTENDED];
	int64_t real_size;
	int r;

	if (find_flavour(header) != FLAVOUR_GNU ||
		!parse_number(header + AT_GNU_REAL_SIZE, 12, &real_size) || real_size < 0)
		return bad_field(reader, "sparse header", err);
	r = add_sparse_pairs(reader, header + AT_GNU_SPARSE, SPARSE_PAIRS_HEADER, err);
	while (r == 0 && more) {
		ssize_t n = read_bytes(reader, block, sizeof(block), err);

		if (n < 0)
			return (int)n;
		if (n < (ssize_t)sizeof(block))
			return truncated(reader, err);
		r = add_sparse_pairs(reader, block, SPARSE_PAIRS_BLOCK, err);
		more = block[AT_SPARSE_MORE];
	}
	*ret_real_size = (uint64_t)real_size;
	return r;
}

/* One decimal line of a 1.0 map; blocks are read as they are needed. */
static int read_map_number(struct tar_reader *reader, unsigned char *block, size_t *at,
	uint64_t *ret, struct error *err)
{
	uint64_t value = 0;
	int digits = 0;

	for (;; (*at)++) {
		unsigned char c;

		if (*at == TAR_BLOCK_SIZE) {
			ssize_t n;

			if (reader->data_left < TAR_BLOCK_SIZE)
				return bad_field(reader, "sparse map", err);
			n = read_bytes(reader, block, TAR_BLOCK_SIZE, err);
			if (n < 0)
				return (int)n;
			if (n < TAR_BLOCK_SIZE)
				return truncated(reader, err);
			reader->data_left -= TAR_BLOCK_SIZE;
			*at = 0;
		}
		c = block[*at];
		if (c == '\n' && digits)
			break;
		if (c < '0' || c > '9' || ++digits > 18)
			return bad_field(reader, "sparse map", err);
		value = value * 10 + (unsigned)(c - '0');
	}
	(*at)++;
	*ret = value;
	return 0;
}

/* GNU.sparse 1.0: the map stands in front of the data, padded to a block. */
static int read_sparse_map(struct tar_reader *reader, struct error *err)
{
	unsigned char block[TAR_BLOCK_SIZE];
	size_t at = TAR_BLOCK_SIZE;
	uint64_t count, offset, size;
	int r = read_map_number(reader, block, &at, &count, err);

	if (r == 0 && count > TAR_EXTENTS_MAX)
		return bad_field(reader, "sparse map", err);
	while (r == 0 && count--) {
		r = read_map_number(reader, block, &at, &offset, err);
		if (r == 0)
			r = read_map_number(reader, block, &at, &size, err);
		if (r == 0)
			r = tar_add_extent(reader, offset, size, err);
	}
	return r;
}

static int take_sparse(struct tar_reader *reader, const unsigned char *block,
	const struct tar_extended *ext, struct tar_entry *entry, struct error *err)
{
	uint64_t real_size = ext->real_size, stored = 0;
	int r = 0;

	if (block[AT_TYPE] == 'S')
		r = read_gnu_sparse(reader, block, &real_size, err);
	else if (ext->sparse_map_in_data)
		r = read_sparse_map(reader, err);
	else if (!ext->sparse_map_in_records)
		return 0;
	if (r == 0 && block[AT_TYPE] != 'S' && !ext->has_real_size)
		r = bad_field(reader, "sparse header", err);
	if (r == 0)
		r = tar_check_extents(reader, real_size, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < reader->nr_extents; i++)
		stored += reader->extents[i].size;
	if (stored > reader->data_left)
		return bad_field(reader, "sparse map", err);
	reader->sparse = entry->sparse = true;
	entry->size = real_size;
	return 0;
}

/* --- entries -------------------------------------------------------------------------------- */

static int take_type(struct tar_reader *reader, char flag, enum tar_type *ret, struct error *err)
{
	static const enum tar_type by_digit[] = {
		TAR_FILE, TAR_HARDLINK, TAR_SYMLINK, TAR_CHAR, TAR_BLOCK, TAR_DIRECTORY, TAR_FIFO,
		TAR_FILE, /* '7', contiguous */
	};

	if (flag == '\0' || flag == 'S')
		*ret = TAR_FILE;
	else if (flag >= '0' && flag <= '7')
		*ret = by_digit[flag - '0'];
	else
		return error_set(err, EBADMSG,
			"the tar archive has an entry of the unknown type '%c' before byte %" PRIu64,
			flag > ' ' && flag < 127 ? flag : '?', reader->offset);
	/* v7 knew directories by their slash alone. */
	if (*ret == TAR_FILE && reader->name.len && str_has_suffix(reader->name.data, "/"))
		*ret = TAR_DIRECTORY;
	return 0;
}

/* Pass over what is left of the entry before. */
static int finish_entry(struct tar_reader *reader, struct error *err)
{
	int r = skip_bytes(reader, reader->data_left + reader->padding, err);

	reader->data_left = reader->padding = 0;
	reader->nr_extents = reader->extent = 0;
	reader->handed_out = 0;
	reader->sparse = false;
	tar_clear_xattrs(reader);
	return r;
}

int tar_reader_next(struct tar_reader *reader, struct tar_entry *ret, struct error *err)
{
	unsigned char block[TAR_BLOCK_SIZE];
	struct tar_extended ext = { 0 };
	struct tar_entry entry = { 0 };
	uint64_t stored = 0;
	int r;

	if (reader->at_end)
		return 0;
	r = finish_entry(reader, err);
	if (r == 0)
		r = read_headers(reader, block, &ext, err);
	if (r <= 0) {
		reader->at_end = r == 0;
		return r;
	}
	take_names(reader, block, &ext);
	if (reader->name.failed || reader->link.failed)
		return error_oom(err);
	if (reader->name.len > TAR_NAME_MAX || reader->link.len > TAR_NAME_MAX)
		return error_set(err, EBADMSG,
			"the tar archive has a name longer than %d bytes before byte %" PRIu64,
			TAR_NAME_MAX, reader->offset);
	r = take_type(reader, (char)block[AT_TYPE], &entry.type, err);
	if (r == 0)
		r = take_numbers(reader, block, &ext, &entry, &stored, err);
	if (r < 0)
		return r;
	/* Only files have content, whatever the size field says: as Go's reader has it. */
	if (entry.type == TAR_FILE) {
		entry.size = reader->data_left = stored;
		reader->padding = -stored & (TAR_BLOCK_SIZE - 1);
		r = take_sparse(reader, block, &ext, &entry, err);
		if (r < 0)
			return r;
	}
	entry.name = reader->name.data ? reader->name.data : "";
	entry.link = reader->link.data ? reader->link.data : "";
	entry.xattrs = reader->xattrs;
	entry.nr_xattrs = reader->nr_xattrs;
	*ret = entry;
	return 1;
}

ssize_t tar_reader_data(
	struct tar_reader *reader, const void **ret, uint64_t *ret_offset, struct error *err)
{
	uint64_t left = reader->data_left;
	size_t n;
	int r;

	if (reader->sparse) {
		while (reader->extent < reader->nr_extents &&
			reader->handed_out == reader->extents[reader->extent].size) {
			reader->extent++;
			reader->handed_out = 0;
		}
		if (reader->extent == reader->nr_extents)
			return 0;
		left = reader->extents[reader->extent].size - reader->handed_out;
	}
	if (left == 0)
		return 0;
	r = fill(reader, err);
	if (r <= 0)
		return r < 0 ? r : truncated(reader, err);
	n = left < reader->piece_left ? (size_t)left : reader->piece_left;
	*ret = reader->piece;
	if (reader->sparse) {
		*ret_offset = reader->extents[reader->extent].offset + reader->handed_out;
	} else {
		*ret_offset = reader->handed_out;
	}
	reader->handed_out += n;
	consume(reader, n);
	reader->data_left -= n;
	return (ssize_t)n;
}
