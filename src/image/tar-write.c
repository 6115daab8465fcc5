/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tar-write.c - writing tar streams: ustar headers, with a pax extended header (POSIX.1-2017
 * pax(1)) in front of an entry only where ustar cannot say it. The same entries give the same
 * bytes. Files with holes are in GNU tar's format 1.0 (its manual, appendix "Sparse Formats").
 */
#include "image/tar.h"

#include <inttypes.h>

#define USTAR_NAME_MAX 100
#define USTAR_ID_MAX   07777777u
#define USTAR_SIZE_MAX 077777777777u

static int put(struct tar_writer *writer, const void *bytes, size_t size, struct error *err)
{
	int r = writer->write(writer, bytes, size);

	if (r < 0)
		return error_errno(err, r, "cannot write the archive");
	writer->offset += size;
	return 0;
}

static int put_padding(struct tar_writer *writer, struct error *err)
{
	static const char zeros[TAR_BLOCK_SIZE];

	return put(writer, zeros, -writer->offset & (TAR_BLOCK_SIZE - 1), err);
}

static void put_octal(unsigned char *field, int digits, uint64_t value)
{
	for (unsigned char *at = field + digits; digits--; value >>= 3)
		*--at = (unsigned char)('0' + (value & 7));
}

static void fill_header(unsigned char header[TAR_BLOCK_SIZE], const struct tar_entry *entry,
	char type, const char *name, const char *link, uint64_t size)
{
	uint64_t mtime = entry->mtime.tv_sec < 0 ? 0 : (uint64_t)entry->mtime.tv_sec;
	unsigned sum = 0;

	memset(header, 0, TAR_BLOCK_SIZE);
	memcpy(header, name, strnlen(name, USTAR_NAME_MAX));
	put_octal(header + 100, 7, entry->mode & 07777);
	put_octal(header + 108, 7, entry->uid > USTAR_ID_MAX ? 0 : entry->uid);
	put_octal(header + 116, 7, entry->gid > USTAR_ID_MAX ? 0 : entry->gid);
	put_octal(header + 124, 11, size > USTAR_SIZE_MAX ? 0 : size);
	put_octal(header + 136, 11, mtime > USTAR_SIZE_MAX ? 0 : mtime);
	header[156] = (unsigned char)type;
	memcpy(header + 157, link, strnlen(link, USTAR_NAME_MAX));
	memcpy(header + 257, "ustar\00000", 8);
	put_octal(header + 329, 7, entry->major);
	put_octal(header + 337, 7, entry->minor);
	memset(header + 148, ' ', 8);
	for (size_t i = 0; i < TAR_BLOCK_SIZE; i++)
		sum += header[i];
	put_octal(header + 148, 6, sum);
	header[154] = '\0';
}

/* "LENGTH KEYWORD=VALUE\n", where LENGTH counts itself. */
static void add_record(struct str *out, const char *keyword, const void *value, size_t size)
{
	size_t body = strlen(keyword) + size + 3, len = body, before;

	/* Adding its digits may add a digit: at most twice. */
	do {
		before = len;
		len = body + (size_t)snprintf(NULL, 0, "%zu", len);
	} while (len != before);
	str_appendf(out, "%zu %s=", len, keyword);
	str_append_n(out, value, size);
	str_append_char(out, '\n');
}

static void add_number(struct str *out, const char *keyword, uint64_t value)
{
	char text[24];

	add_record(out, keyword, text, (size_t)snprintf(text, sizeof(text), "%" PRIu64, value));
}

static void add_time(struct str *out, const struct timespec *t)
{
	int64_t seconds = t->tv_sec;
	long ns = t->tv_nsec;
	char text[48];

	/* -1.25 is -2 s + 0.75 s in a timespec. */
	if (seconds < 0 && ns) {
		seconds++;
		ns = 1000000000 - ns;
	}
	snprintf(text, sizeof(text), "%s%" PRIu64 ".%09ld", t->tv_sec < 0 ? "-" : "",
		(uint64_t)(seconds < 0 ? -seconds : seconds), ns);
	for (size_t len = strlen(text); text[len - 1] == '0' || text[len - 1] == '.'; len--) {
		bool dot = text[len - 1] == '.';

		text[len - 1] = '\0';
		if (dot)
			break;
	}
	add_record(out, "mtime", text, strlen(text));
}

/* In alphabetical order, so that the result does not depend on ours. */
static void add_records(struct str *out, const struct tar_entry *entry, uint64_t size)
{
	if (entry->sparse) {
		add_number(out, "GNU.sparse.major", 1);
		add_number(out, "GNU.sparse.minor", 0);
		add_record(out, "GNU.sparse.name", entry->name, strlen(entry->name));
		add_number(out, "GNU.sparse.realsize", entry->size);
	}
	for (size_t i = 0; i < entry->nr_xattrs; i++) {
		_cleanup_free_ char *keyword = strf("SCHILY.xattr.%s", entry->xattrs[i].name);

		if (!keyword) {
			out->failed = true;
			return;
		}
		add_record(out, keyword, entry->xattrs[i].value, entry->xattrs[i].size);
	}
	if (entry->gid > USTAR_ID_MAX)
		add_number(out, "gid", entry->gid);
	if (strlen(entry->link) > USTAR_NAME_MAX)
		add_record(out, "linkpath", entry->link, strlen(entry->link));
	if (entry->mtime.tv_nsec || entry->mtime.tv_sec < 0 ||
		entry->mtime.tv_sec > (time_t)USTAR_SIZE_MAX)
		add_time(out, &entry->mtime);
	if (strlen(entry->name) > USTAR_NAME_MAX)
		add_record(out, "path", entry->name, strlen(entry->name));
	if (size > USTAR_SIZE_MAX)
		add_number(out, "size", size);
	if (entry->uid > USTAR_ID_MAX)
		add_number(out, "uid", entry->uid);
}

static int put_extended(
	struct tar_writer *writer, const struct tar_entry *entry, uint64_t size, struct error *err)
{
	static const struct tar_entry plain = { .mode = 0644 };
	_cleanup_str_ struct str records = { 0 };
	unsigned char header[TAR_BLOCK_SIZE];
	int r;

	add_records(&records, entry, size);
	if (records.failed)
		return error_oom(err);
	if (!records.len)
		return 0;
	fill_header(header, &plain, 'x', "PaxHeaders/entry", "", records.len);
	r = put(writer, header, sizeof(header), err);
	if (r == 0)
		r = put(writer, records.data, records.len, err);
	return r == 0 ? put_padding(writer, err) : r;
}

/* `size` is what is stored of it. */
static int put_entry(
	struct tar_writer *writer, const struct tar_entry *entry, uint64_t size, struct error *err)
{
	static const char flags[] = {
		[TAR_FILE] = '0',
		[TAR_HARDLINK] = '1',
		[TAR_SYMLINK] = '2',
		[TAR_CHAR] = '3',
		[TAR_BLOCK] = '4',
		[TAR_DIRECTORY] = '5',
		[TAR_FIFO] = '6',
	};
	unsigned char header[TAR_BLOCK_SIZE];
	int r = put_padding(writer, err);

	if (r == 0)
		r = put_extended(writer, entry, size, err);
	if (r < 0)
		return r;
	fill_header(header, entry, flags[entry->type], entry->name, entry->link, size);
	writer->data_left = size;
	return put(writer, header, sizeof(header), err);
}

int tar_writer_entry(struct tar_writer *writer, const struct tar_entry *entry, struct error *err)
{
	return put_entry(writer, entry, entry->type == TAR_FILE ? entry->size : 0, err);
}

/* The map stands in front of the data, and fills blocks. */
int tar_writer_sparse(struct tar_writer *writer, const struct tar_entry *entry,
	const struct tar_extent *extents, size_t nr_extents, struct error *err)
{
	struct tar_entry sparse = *entry;
	_cleanup_str_ struct str map = { 0 };
	uint64_t size = 0;
	int r;

	str_appendf(&map, "%zu\n", nr_extents);
	for (size_t i = 0; i < nr_extents; i++) {
		str_appendf(&map, "%" PRIu64 "\n%" PRIu64 "\n", extents[i].offset, extents[i].size);
		size += extents[i].size;
	}
	while (!map.failed && map.len % TAR_BLOCK_SIZE)
		str_append_char(&map, '\0');
	if (map.failed)
		return error_oom(err);
	sparse.sparse = true;
	r = put_entry(writer, &sparse, map.len + size, err);
	return r == 0 ? tar_writer_data(writer, map.data, map.len, err) : r;
}

int tar_writer_data(struct tar_writer *writer, const void *bytes, size_t size, struct error *err)
{
	if (size > writer->data_left)
		return error_set(err, EINVAL, "a file grew while it was being archived");
	writer->data_left -= size;
	return put(writer, bytes, size, err);
}

int tar_writer_finish(struct tar_writer *writer, struct error *err)
{
	static const char end[2 * TAR_BLOCK_SIZE];
	int r = put_padding(writer, err);

	return r == 0 ? put(writer, end, sizeof(end), err) : r;
}
