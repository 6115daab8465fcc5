/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tar-builder.h - tar archives made by hand, right or wrong, for the tests of those who read them.
 */
#pragma once

#include <stdio.h>
#include <string.h>

#include "base/str.h"

struct tar_block {
	char type;
	const char *name, *link;
	unsigned mode, uid, gid, major, minor;
	long mtime;
	const char *content;
	size_t size; /* 0 = strlen(content) */
};

static inline void tar_pad(struct str *out)
{
	static const char zeros[512];

	str_append_n(out, zeros, -out->len & 511);
}

static inline void tar_octal(void *field, int digits, unsigned long value)
{
	for (char *at = (char *)field + digits; digits--; value >>= 3)
		*--at = (char)('0' + (value & 7));
}

static inline void tar_seal(unsigned char header[512])
{
	unsigned sum = 0;

	memset(header + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += header[i];
	tar_octal(header + 148, 6, sum);
	header[154] = '\0';
}

/* A ustar header and its content. */
static inline void tar_add(struct str *out, struct tar_block b)
{
	unsigned char header[512] = { 0 };
	char *h = (char *)header;
	size_t size = b.size ? b.size : b.content ? strlen(b.content) : 0;

	memcpy(h, b.name, strnlen(b.name, 100));
	tar_octal(h + 100, 7, b.mode ? b.mode : b.type == '5' ? 0755 : 0644);
	tar_octal(h + 108, 7, b.uid);
	tar_octal(h + 116, 7, b.gid);
	tar_octal(h + 124, 11, size);
	tar_octal(h + 136, 11, (unsigned long)b.mtime);
	h[156] = b.type;
	if (b.link)
		memcpy(h + 157, b.link, strnlen(b.link, 100));
	memcpy(h + 257,
		"ustar\0"
		"00",
		8);
	tar_octal(h + 329, 7, b.major);
	tar_octal(h + 337, 7, b.minor);
	tar_seal(header);
	str_append_n(out, header, sizeof(header));
	if (b.content)
		str_append_n(out, b.content, size);
	tar_pad(out);
}

/* One pax record, its length worked out. */
static inline void pax_record(struct str *out, const char *keyword, const void *value, size_t size)
{
	size_t body = 1 + strlen(keyword) + 1 + size + 1, len = body + 1;
	char digits[24];

	while ((size_t)snprintf(digits, sizeof(digits), "%zu", len) + body != len)
		len = (size_t)snprintf(digits, sizeof(digits), "%zu", len) + body;
	str_appendf(out, "%zu %s=", len, keyword);
	str_append_n(out, value, size);
	str_append_char(out, '\n');
}

static inline void tar_add_pax(struct str *out, const struct str *records)
{
	tar_add(out,
		(struct tar_block){ .type = 'x',
			.name = "PaxHeaders/x",
			.content = records->data,
			.size = records->len });
}

static inline void tar_end(struct str *out)
{
	static const char zeros[1024];

	str_append_n(out, zeros, sizeof(zeros));
}
