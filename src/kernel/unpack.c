/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unpack.c - kernels and modules that are compressed, in whichever way their distribution likes:
 * libarchive knows them all.
 */
#include "kernel/internal.h"

#include <archive.h>
#include <archive_entry.h>

#include "base/io.h"

static void cleanup_archive(struct archive **a)
{
	archive_read_free(*a);
}

/* Does it begin as something compressed does? What does not is not copied. */
static bool is_packed(const unsigned char *bytes, size_t len)
{
	static const struct {
		unsigned char magic[6];
		size_t size;
	} known[] = {
		{ { 0x1f, 0x8b }, 2 },
		{ { 0xfd, '7', 'z', 'X', 'Z', 0 }, 6 },
		{ { 0x28, 0xb5, 0x2f, 0xfd }, 4 },
		{ { 'B', 'Z', 'h' }, 3 },
		{ { 0x04, 0x22, 0x4d, 0x18 }, 4 },
		{ { 0x02, 0x21, 0x4c, 0x18 }, 4 },
		{ { 0x5d, 0, 0 }, 3 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (len >= known[i].size && memcmp(bytes, known[i].magic, known[i].size) == 0)
			return true;
	return false;
}

static int failed(struct archive *a, struct error *err)
{
	return error_set(err, EBADMSG, "cannot decompress it: %s", archive_error_string(a));
}

static int read_all(struct archive *a, size_t max, struct str *text, struct error *err)
{
	_cleanup_free_ char *piece = malloc(1 << 16);
	la_ssize_t n;

	if (!piece)
		return error_oom(err);
	while ((n = archive_read_data(a, piece, 1 << 16)) > 0) {
		if ((size_t)n > max - text->len)
			return error_set(err, EFBIG,
				"it has more than %zu bytes when it is not compressed", max);
		str_append_n(text, piece, (size_t)n);
	}
	return n < 0 ? failed(a, err) : 0;
}

int kernel_unpack(
	const void *bytes, size_t len, size_t max, char **ret, size_t *ret_len, struct error *err)
{
	_cleanup_(cleanup_archive) struct archive *a = archive_read_new();
	_cleanup_str_ struct str text = { 0 };
	struct archive_entry *entry;
	int r;

	if (!a)
		return error_oom(err);
	if (!is_packed(bytes, len)) {
		str_append_n(&text, bytes, len);
	} else {
		archive_read_support_filter_all(a);
		archive_read_support_format_raw(a);
		if (archive_read_open_memory(a, bytes, len) != ARCHIVE_OK ||
			archive_read_next_header(a, &entry) != ARCHIVE_OK)
			return failed(a, err);
		r = read_all(a, max, &text, err);
		if (r < 0)
			return r;
	}
	*ret_len = text.len;
	*ret = str_finish(&text);
	return *ret ? 0 : error_oom(err);
}

int kernel_unpack_file(
	int dir_fd, const char *path, size_t max, char **ret, size_t *ret_len, struct error *err)
{
	_cleanup_free_ char *bytes = NULL;
	size_t len;
	int r = io_read_file(dir_fd, path, max, &bytes, &len, err);

	if (r == 0 && !is_packed((const unsigned char *)bytes, len)) {
		*ret = steal_ptr(&bytes);
		*ret_len = len;
		return 0;
	}
	if (r == 0)
		r = kernel_unpack(bytes, len, max, ret, ret_len, err);
	return r < 0 ? error_prefix(err, "%s", path) : 0;
}
