/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tar-extended.c - what pax extended headers say: POSIX.1-2017 pax(1) "pax Extended Header", star's
 * SCHILY.xattr and GNU tar's GNU.sparse keywords. Unknown keywords are passed over, as POSIX asks.
 *
 * A record is "LENGTH KEYWORD=VALUE\n", LENGTH in decimal counting itself and the newline. Values
 * may hold any byte; only those that become names must be free of NUL.
 */
#include "image/tar.h"

#include <inttypes.h>

static int bad_record(const char *keyword, struct error *err)
{
	return error_set(err, EBADMSG,
		"the tar archive has an invalid extended header record \"%.64s\"", keyword);
}

/* "1350244992.023960108", "-1.5": seconds and at most nine digits that count. */
static bool parse_time(const char *text, struct timespec *ret)
{
	bool negative = *text == '-';
	uint64_t seconds = 0;
	long ns = 0, unit = 100000000;
	const char *p = text + negative;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (seconds > INT64_MAX / 16)
			return false;
		seconds = seconds * 10 + (unsigned)(*p - '0');
	}
	if (*p == '.') {
		for (p++; *p >= '0' && *p <= '9'; p++, unit /= 10)
			ns += (*p - '0') * unit;
	}
	if (*p)
		return false;
	ret->tv_sec = negative ? -(time_t)seconds : (time_t)seconds;
	ret->tv_nsec = ns;
	if (negative && ns) {
		ret->tv_sec--;
		ret->tv_nsec = 1000000000 - ns;
	}
	return true;
}

int tar_add_extent(struct tar_reader *reader, uint64_t offset, uint64_t size, struct error *err)
{
	if (reader->nr_extents == TAR_EXTENTS_MAX)
		return error_set(err, EBADMSG,
			"the tar archive has a sparse file of more than %u pieces",
			TAR_EXTENTS_MAX);
	if (reader->nr_extents == reader->extents_capacity) {
		size_t capacity = reader->extents_capacity ? reader->extents_capacity * 2 : 16;
		struct tar_extent *grown = reallocarray(reader->extents, capacity, sizeof(*grown));

		if (!grown)
			return error_oom(err);
		reader->extents = grown;
		reader->extents_capacity = capacity;
	}
	reader->extents[reader->nr_extents++] = (struct tar_extent){ .offset = offset,
		.size = size };
	return 0;
}

int tar_check_extents(const struct tar_reader *reader, uint64_t size, struct error *err)
{
	uint64_t end = 0;

	for (size_t i = 0; i < reader->nr_extents; i++) {
		const struct tar_extent *e = &reader->extents[i];

		if (size > INT64_MAX || e->offset < end || e->offset > size ||
			e->size > size - e->offset)
			return error_set(err, EBADMSG,
				"the tar archive has a sparse file with an impossible map");
		end = e->offset + e->size;
	}
	return 0;
}

static int add_xattr(struct tar_reader *reader, const char *name, const char *value, size_t size,
	struct error *err)
{
	struct tar_xattr *x;

	/* A later record of the same name replaces the earlier one. */
	for (size_t i = 0; i < reader->nr_xattrs; i++) {
		if (streq(reader->xattrs[i].name, name)) {
			void *copy = malloc(size + 1);

			if (!copy)
				return error_oom(err);
			memcpy(copy, value, size);
			free(reader->xattrs[i].value);
			reader->xattrs[i].value = copy;
			reader->xattrs[i].size = size;
			return 0;
		}
	}
	if (reader->nr_xattrs == TAR_XATTRS_MAX)
		return error_set(err, EBADMSG,
			"the tar archive has a file with more than %d extended attributes",
			TAR_XATTRS_MAX);
	if (!reader->xattrs) {
		reader->xattrs = calloc(TAR_XATTRS_MAX, sizeof(*reader->xattrs));
		if (!reader->xattrs)
			return error_oom(err);
	}
	x = &reader->xattrs[reader->nr_xattrs];
	x->name = strdup(name);
	x->value = malloc(size + 1);
	if (!x->name || !x->value) {
		free(x->name);
		free(x->value);
		return error_oom(err);
	}
	memcpy(x->value, value, size);
	x->size = size;
	reader->nr_xattrs++;
	return 0;
}

/* GNU.sparse.map of format 0.1: "offset,size,offset,size,...". */
static int parse_map(struct tar_reader *reader, char *text, struct error *err)
{
	char *cursor = text, *field;

	while (cursor && *cursor) {
		uint64_t offset, size;
		int r;

		field = strsep(&cursor, ",");
		if (parse_u64(field, INT64_MAX, &offset) < 0 || !cursor)
			return bad_record("GNU.sparse.map", err);
		field = strsep(&cursor, ",");
		if (parse_u64(field, INT64_MAX, &size) < 0)
			return bad_record("GNU.sparse.map", err);
		r = tar_add_extent(reader, offset, size, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int take_sparse_record(struct tar_reader *reader, const char *keyword, char *value,
	struct tar_extended *ext, struct error *err)
{
	uint64_t number;

	if (streq(keyword, "name")) {
		str_reset(&reader->name);
		str_append(&reader->name, value);
		ext->has_path = ext->has_sparse_name = true;
	} else if (streq(keyword, "map")) {
		ext->sparse_map_in_records = true;
		return parse_map(reader, value, err);
	} else if (streq(keyword, "major")) {
		ext->sparse_map_in_data = streq(value, "1");
	} else if (parse_u64(value, INT64_MAX, &number) < 0) {
		return streq(keyword, "minor") ? 0 : bad_record(keyword, err);
	} else if (streq(keyword, "size") || streq(keyword, "realsize")) {
		ext->real_size = number;
		ext->has_real_size = true;
	} else if (streq(keyword, "numblocks")) {
		ext->sparse_map_in_records = true;
	} else if (streq(keyword, "offset")) {
		ext->pending_offset = number;
		ext->has_pending_offset = true;
	} else if (streq(keyword, "numbytes")) {
		if (!ext->has_pending_offset)
			return bad_record("GNU.sparse.numbytes", err);
		ext->has_pending_offset = false;
		return tar_add_extent(reader, ext->pending_offset, number, err);
	}
	return 0;
}

static int take_record(struct tar_reader *reader, const char *keyword, char *value, size_t size,
	struct tar_extended *ext, struct error *err)
{
	const char *rest;
	bool ok = true;

	/* An empty value takes back what a global header said; those are not kept anyway. */
	if (size == 0 && !str_after_prefix(keyword, "SCHILY.xattr."))
		return 0;
	rest = str_after_prefix(keyword, "SCHILY.xattr.");
	if (rest)
		return *rest ? add_xattr(reader, rest, value, size, err) : bad_record(keyword, err);
	if (memchr(value, '\0', size))
		return bad_record(keyword, err);
	rest = str_after_prefix(keyword, "GNU.sparse.");
	if (rest)
		return take_sparse_record(reader, rest, value, ext, err);
	if (streq(keyword, "path")) {
		/* GNU tar writes a stand-in as "path" when GNU.sparse.name has the real one. */
		if (!ext->has_sparse_name) {
			str_reset(&reader->name);
			str_append_n(&reader->name, value, size);
		}
		ext->has_path = true;
	} else if (streq(keyword, "linkpath")) {
		str_reset(&reader->link);
		str_append_n(&reader->link, value, size);
		ext->has_link = true;
	} else if (streq(keyword, "size")) {
		ok = parse_u64(value, INT64_MAX, &ext->size) == 0;
		ext->has_size = true;
	} else if (streq(keyword, "uid")) {
		ok = parse_u64(value, UINT32_MAX, &ext->uid) == 0;
		ext->has_uid = true;
	} else if (streq(keyword, "gid")) {
		ok = parse_u64(value, UINT32_MAX, &ext->gid) == 0;
		ext->has_gid = true;
	} else if (streq(keyword, "mtime")) {
		ok = parse_time(value, &ext->mtime);
		ext->has_mtime = true;
	} else if (streq(keyword, "atime")) {
		ok = parse_time(value, &ext->atime);
		ext->has_atime = true;
	}
	return ok ? 0 : bad_record(keyword, err);
}

int tar_parse_pax(struct tar_reader *reader, char *text, size_t len, struct tar_extended *ext,
	struct error *err)
{
	char *end = text + len;

	while (text < end) {
		char *p = text, *equals;
		size_t size = 0;
		int r;

		while (p < end && *p >= '0' && *p <= '9' && size <= TAR_PAX_MAX)
			size = size * 10 + (size_t)(*p++ - '0');
		/* Everything must lie inside: length, space, one keyword byte at least, =, \n. */
		if (p == text || p == end || *p != ' ' || size > (size_t)(end - text) ||
			size < (size_t)(p - text) + 3 || text[size - 1] != '\n')
			return bad_record("length", err);
		p++;
		text[size - 1] = '\0';
		equals = memchr(p, '=', (size_t)(text + size - 1 - p));
		if (!equals || equals == p || memchr(p, '\0', (size_t)(equals - p)))
			return bad_record("keyword", err);
		*equals = '\0';
		r = take_record(
			reader, p, equals + 1, (size_t)(text + size - 1 - (equals + 1)), ext, err);
		if (r < 0)
			return r;
		text += size;
	}
	return 0;
}
