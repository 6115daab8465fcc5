/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.c - output of an instance as Docker's json-file lines, and their rotation.
 *
 * This is on the path of every byte a container writes, so plain text is copied in runs: eight
 * bytes are looked at together, and only a run's end (quote, backslash, control character, byte of
 * a multi-byte character) is looked at on its own. Bytes that are not UTF-8 (RFC 3629) become
 * U+FFFD, as in Docker; JSON cannot carry them. Lines of one read share one time stamp.
 */
#include "instance/log.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"

#define LOG_FILE     "log.json"
#define LOG_NAME_MAX 32
#define ESCAPE_MAX   6 /* bytes that one byte becomes at most */

void log_writer_open(
	struct log_writer *writer, int dir_fd, bool enabled, int64_t max_size, int64_t max_files)
{
	writer->dir_fd = dir_fd;
	writer->enabled = enabled;
	writer->max_size = max_size;
	writer->max_files = max_files < 1 ? 1 : max_files;
	writer->fd = -1;
}

static void open_file(struct log_writer *writer)
{
	struct stat st;

	writer->fd = openat(
		writer->dir_fd, LOG_FILE, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	if (writer->fd < 0) {
		writer->failure = errno;
		return;
	}
	writer->size = fstat(writer->fd, &st) == 0 ? st.st_size : 0;
}

/* log.json -> log.json.1 -> ... -> log.json.(max_files - 1) -> gone */
static void rotate(struct log_writer *writer)
{
	char from[LOG_NAME_MAX], to[LOG_NAME_MAX];

	for (int64_t i = writer->max_files - 1; i > 0; i--) {
		snprintf(to, sizeof(to), LOG_FILE ".%lld", (long long)i);
		if (i > 1)
			snprintf(from, sizeof(from), LOG_FILE ".%lld", (long long)(i - 1));
		else
			snprintf(from, sizeof(from), LOG_FILE);
		renameat(writer->dir_fd, from, writer->dir_fd, to);
	}
	if (writer->max_files == 1)
		unlinkat(writer->dir_fd, LOG_FILE, 0);
	cleanup_close(&writer->fd);
	writer->fd = -1;
}

static void write_out(struct log_writer *writer)
{
	int r;

	if (!writer->out_len)
		return;
	if (writer->fd < 0)
		open_file(writer);
	if (writer->fd >= 0) {
		r = io_write_full(writer->fd, writer->out, writer->out_len);
		if (r < 0)
			writer->failure = -r;
		else
			writer->size += (int64_t)writer->out_len;
	}
	writer->out_len = 0;
}

/* 1 for bytes that go out as they are. */
static const bool plain[256] = {
	[0x20 ... 0x21] = true,
	[0x23 ... 0x5b] = true,
	[0x5d ... 0x7e] = true,
};

#define ONES UINT64_C(0x0101010101010101)
#define TOPS UINT64_C(0x8080808080808080)

/* Does any of eight bytes need a closer look? (Carries may say yes too often, never too seldom.) */
static bool has_special(uint64_t v)
{
	uint64_t quote = v ^ (ONES * '"'), slash = v ^ (ONES * '\\');
	uint64_t found = v; /* >= 0x80 */

	found |= v - ONES * 0x20; /* < 0x20 */
	found |= quote - ONES;
	found |= slash - ONES;
	found |= v + ONES; /* 0x7f */
	return found & TOPS;
}

static size_t plain_run(const unsigned char *s, size_t len)
{
	size_t i = 0;

	while (i + 8 <= len) {
		uint64_t v;

		memcpy(&v, s + i, sizeof(v));
		if (has_special(v))
			break;
		i += 8;
	}
	while (i < len && plain[s[i]])
		i++;
	return i;
}

/* Length of the valid UTF-8 sequence at s, 0 when there is none (RFC 3629, section 4). */
static size_t utf8_length(const unsigned char *s, size_t len)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t n;

	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (n > len)
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	return n;
}

static void put(struct log_writer *writer, const void *bytes, size_t len)
{
	memcpy(writer->out + writer->out_len, bytes, len);
	writer->out_len += len;
}

/* One byte (or one multi-byte character) that is not plain. Returns how many bytes it was. */
static size_t put_special(struct log_writer *writer, const unsigned char *s, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	char escape[ESCAPE_MAX + 1] = "\\u00";
	size_t n;

	if (s[0] >= 0x80) {
		n = utf8_length(s, len);
		if (n)
			put(writer, s, n);
		else
			put(writer, "\\ufffd", 6);
		return n ? n : 1;
	}
	switch (s[0]) {
	case '"':
		put(writer, "\\\"", 2);
		break;
	case '\\':
		put(writer, "\\\\", 2);
		break;
	case '\n':
		put(writer, "\\n", 2);
		break;
	case '\r':
		put(writer, "\\r", 2);
		break;
	case '\t':
		put(writer, "\\t", 2);
		break;
	default:
		escape[4] = digits[s[0] >> 4];
		escape[5] = digits[s[0] & 15];
		put(writer, escape, ESCAPE_MAX);
	}
	return 1;
}

static void put_escaped(struct log_writer *writer, const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;

	while (len) {
		size_t room = sizeof(writer->out) - writer->out_len, n;

		if (room < 256) {
			write_out(writer);
			room = sizeof(writer->out);
		}
		n = plain_run(s, len < room ? len : room);
		if (n)
			put(writer, s, n);
		else
			n = put_special(writer, s, len);
		s += n;
		len -= n;
	}
}

/* Made once for all lines that are given together. */
static void stamp(struct log_writer *writer, int stream)
{
	char time[CLOCK_TEXT_MAX];

	clock_format(time, clock_realtime_ns());
	writer->tail_len[stream - 1] = (size_t)snprintf(writer->tail[stream - 1], LOG_TAIL_MAX,
		"\",\"stream\":\"%s\",\"time\":\"%s\"}\n", stream == 2 ? "stderr" : "stdout", time);
}

/* One line of the file. Only here, between lines, is a file ever full. */
static void put_line(struct log_writer *writer, int stream, const char *text, size_t len)
{
	if (writer->max_size && writer->size + (int64_t)writer->out_len >= writer->max_size) {
		write_out(writer);
		rotate(writer);
	}
	/* Where it fits, a line is not torn over two writes: followers rarely see half of one. */
	if (sizeof(writer->out) - writer->out_len < len + len / 8 + 2 * LOG_TAIL_MAX)
		write_out(writer);
	put(writer, "{\"log\":\"", 8);
	put_escaped(writer, text, len);
	if (sizeof(writer->out) - writer->out_len < LOG_TAIL_MAX)
		write_out(writer);
	put(writer, writer->tail[stream - 1], writer->tail_len[stream - 1]);
}

/* Keep the beginning of a line until its end arrives. */
static void keep(struct log_writer *writer, int stream, const char *bytes, size_t len)
{
	char **carry = &writer->carry[stream - 1];
	size_t *used = &writer->carry_len[stream - 1];

	if (!*carry)
		*carry = malloc(LOG_LINE_MAX);
	if (!*carry) {
		put_line(writer, stream, bytes, len);
		return;
	}
	memcpy(*carry + *used, bytes, len);
	*used += len;
}

void log_writer_append(struct log_writer *writer, int stream, const char *bytes, size_t len)
{
	size_t *carried = &writer->carry_len[stream - 1];

	if (!writer->enabled || !len)
		return;
	stamp(writer, stream);
	while (len) {
		size_t limit = LOG_LINE_MAX - *carried, n;
		const char *newline = memchr(bytes, '\n', len < limit ? len : limit);

		n = newline ? (size_t)(newline - bytes) + 1 : len < limit ? len : limit;
		if (!newline && n < limit) {
			keep(writer, stream, bytes, n);
			break;
		}
		if (*carried) {
			keep(writer, stream, bytes, n);
			put_line(writer, stream, writer->carry[stream - 1], *carried);
			*carried = 0;
		} else {
			put_line(writer, stream, bytes, n);
		}
		bytes += n;
		len -= n;
	}
	write_out(writer);
}

void log_writer_flush(struct log_writer *writer)
{
	for (int stream = 1; stream <= 2; stream++) {
		size_t *carried = &writer->carry_len[stream - 1];

		if (!*carried)
			continue;
		stamp(writer, stream);
		put_line(writer, stream, writer->carry[stream - 1], *carried);
		*carried = 0;
	}
	write_out(writer);
}

void log_writer_close(struct log_writer *writer)
{
	log_writer_flush(writer);
	cleanup_close(&writer->fd);
	writer->fd = -1;
	for (int i = 0; i < 2; i++)
		free(steal_ptr(&writer->carry[i]));
}
