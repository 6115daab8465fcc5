/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log-read.c - `strata logs`: the last lines, those of a time span, and what is still to come.
 *
 * The files are read oldest first: log.json.N, ..., log.json.1, log.json. For --tail their ends are
 * read backwards in blocks until enough newlines were seen, so a log of gigabytes costs what its
 * tail costs. A line without newline is not there yet (its writer is in the middle of it); a line
 * that is no JSON (torn by a crash) is skipped.
 *
 * Following: inotify on the directory tells of growth, of rotation (the rest of the old file is
 * read first) and of a new state.json, upon which it is looked whether the instance still lives.
 * The monitor's pidfd tells of a monitor that was killed.
 */
#include "instance/internal.h"

#include <limits.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/process.h"
#include "instance/log.h"

#define LOG_FILES_MAX	 1000 /* rotated files looked for */
#define LOG_RAW_LINE_MAX (6u * LOG_LINE_MAX + 512) /* bytes of a JSON line: all escaped */
#define READ_BLOCK	 65536u
#define STATE_POLL_MS	 2000 /* of a followed instance whose directory says nothing */

struct log_reader {
	int dir_fd;
	int fd; /* of the file being read, or -1 */
	struct instance_log_options options;
	instance_log_fn fn;
	void *context;
	struct str partial;
	char *text; /* an unescaped line; LOG_RAW_LINE_MAX bytes */
};

static void file_name(char buf[32], int64_t index)
{
	if (index)
		snprintf(buf, 32, INSTANCE_LOG_FILE ".%lld", (long long)index);
	else
		snprintf(buf, 32, INSTANCE_LOG_FILE);
}

static int hex4(const char *s, const char *end, unsigned *ret)
{
	unsigned v = 0;

	if (end - s < 4)
		return -EINVAL;
	for (int i = 0; i < 4; i++) {
		char c = s[i];

		v <<= 4;
		if (c >= '0' && c <= '9')
			v |= (unsigned)(c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			v |= (unsigned)((c | 32) - 'a' + 10);
		else
			return -EINVAL;
	}
	*ret = v;
	return 0;
}

static size_t put_utf8(char *out, unsigned c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* "\uXXXX" with surrogate pairs; *s stands after the 'u'. A lone surrogate becomes U+FFFD. */
static int unescape_unicode(const char **s, const char *end, char *out, size_t *len)
{
	unsigned c, low;

	if (hex4(*s, end, &c) < 0)
		return -EINVAL;
	*s += 4;
	if (c >= 0xd800 && c <= 0xdbff && end - *s >= 6 && (*s)[0] == '\\' && (*s)[1] == 'u' &&
		hex4(*s + 2, end, &low) == 0 && low >= 0xdc00 && low <= 0xdfff) {
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		*s += 6;
	} else if (c >= 0xd800 && c <= 0xdfff) {
		c = 0xfffd;
	}
	*len += put_utf8(out + *len, c);
	return 0;
}

/*
 * A JSON string's inside, from *s (after its quote) to after its closing quote. The result is
 * never longer than what it was made from. -EINVAL when it is none.
 */
static int unescape(const char **s, const char *end, char *out, size_t *ret_len)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	size_t len = 0;

	while (*s < end) {
		const char *p = *s, *known;

		while (p < end && *p != '"' && *p != '\\')
			p++;
		memcpy(out + len, *s, (size_t)(p - *s));
		len += (size_t)(p - *s);
		*s = p + 1;
		if (p == end)
			return -EINVAL;
		if (*p == '"') {
			*ret_len = len;
			return 0;
		}
		if (*s == end)
			return -EINVAL;
		p = (*s)++;
		if (*p == 'u') {
			if (unescape_unicode(s, end, out, &len) < 0)
				return -EINVAL;
			continue;
		}
		known = memchr(from, *p, sizeof(from) - 1);
		if (!known)
			return -EINVAL;
		out[len++] = to[known - from];
	}
	return -EINVAL;
}

static const char *skip(const char *s, const char *end, const char *what)
{
	size_t n = strlen(what);

	return (size_t)(end - s) >= n && memcmp(s, what, n) == 0 ? s + n : NULL;
}

/* Exactly the lines that log.c writes; anything else is skipped by the caller. */
static int parse_line(const char *s, const char *end, char *text, struct instance_log_line *ret)
{
	char stamp[CLOCK_TEXT_MAX];
	const char *quote;

	s = skip(s, end, "{\"log\":\"");
	if (!s || unescape(&s, end, text, &ret->len) < 0)
		return -EINVAL;
	s = skip(s, end, ",\"stream\":\"std");
	if (!s)
		return -EINVAL;
	if (skip(s, end, "out\"")) {
		ret->stream = 1;
		s += 4;
	} else if (skip(s, end, "err\"")) {
		ret->stream = 2;
		s += 4;
	} else {
		return -EINVAL;
	}
	s = skip(s, end, ",\"time\":\"");
	quote = s ? memchr(s, '"', (size_t)(end - s)) : NULL;
	if (!quote || (size_t)(quote - s) >= sizeof(stamp))
		return -EINVAL;
	memcpy(stamp, s, (size_t)(quote - s));
	stamp[quote - s] = '\0';
	ret->text = text;
	return clock_parse(stamp, &ret->time_ns);
}

/* Returns what fn said; 1 when no later line can be wanted. */
static int emit(struct log_reader *reader, const char *raw, size_t len)
{
	struct instance_log_line line;

	if (len > LOG_RAW_LINE_MAX || parse_line(raw, raw + len, reader->text, &line) < 0)
		return 0;
	if (reader->options.until_ns && line.time_ns > reader->options.until_ns)
		return 1;
	if (line.time_ns < reader->options.since_ns)
		return 0;
	return reader->fn(reader->context, &line);
}

/* All whole lines from the current offset to the end of the file. */
static int drain(struct log_reader *reader)
{
	struct str *partial = &reader->partial;
	_cleanup_free_ char *block = malloc(READ_BLOCK);

	if (!block)
		return -ENOMEM;
	for (;;) {
		ssize_t n = read(reader->fd, block, READ_BLOCK);
		char *line, *newline;
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		for (line = block; (newline = memchr(line, '\n', (size_t)(block + n - line)));
			line = newline + 1) {
			if (partial->len) {
				str_append_n(partial, line, (size_t)(newline - line));
				r = partial->failed ? -ENOMEM
						    : emit(reader, partial->data, partial->len);
				str_reset(partial);
			} else {
				r = emit(reader, line, (size_t)(newline - line));
			}
			if (r != 0)
				return r;
		}
		/* What is longer than any line of ours is no line of ours: it is not kept. */
		if (partial->len <= LOG_RAW_LINE_MAX)
			str_append_n(partial, line, (size_t)(block + n - line));
	}
}

/*
 * Offset of the beginning of the last *wanted lines of a file; *wanted becomes what is missing.
 * The newline that ends the last line does not count as a beginning.
 */
static int tail_offset(int fd, int64_t *wanted, off_t *ret)
{
	_cleanup_free_ char *block = malloc(READ_BLOCK);
	off_t end = lseek(fd, 0, SEEK_END), at = end;

	if (!block)
		return -ENOMEM;
	if (end < 0)
		return -errno;
	while (at > 0) {
		size_t part = at < (off_t)READ_BLOCK ? (size_t)at : READ_BLOCK;
		ssize_t n = pread(fd, block, part, at - (off_t)part);

		if (n != (ssize_t)part)
			return n < 0 ? -errno : -EIO;
		at -= (off_t)part;
		for (size_t i = part; i > 0; i--) {
			if (block[i - 1] != '\n' || at + (off_t)i == end)
				continue;
			if (--*wanted == 0) {
				*ret = at + (off_t)i;
				return 0;
			}
		}
	}
	if (end > 0)
		--*wanted;
	*ret = 0;
	return 0;
}

static int open_log(struct log_reader *reader, int64_t index)
{
	char name[32];

	file_name(name, index);
	cleanup_close(&reader->fd);
	reader->fd = openat(reader->dir_fd, name, O_RDONLY | O_CLOEXEC);
	str_reset(&reader->partial);
	return reader->fd < 0 ? -errno : 0;
}

/* The oldest file to read and the offset in it. */
static int find_start(struct log_reader *reader, int64_t *ret_index, off_t *ret_offset)
{
	int64_t wanted = reader->options.tail, index;
	off_t offset = 0;
	int r;

	for (index = 0; index < LOG_FILES_MAX; index++) {
		r = open_log(reader, index);
		if (r == -ENOENT && index == 0)
			continue; /* rotated just now, or nothing written yet */
		if (r == -ENOENT)
			break;
		if (r < 0)
			return r;
		if (reader->options.tail < 0)
			continue;
		r = tail_offset(reader->fd, &wanted, &offset);
		if (r < 0)
			return r;
		if (wanted <= 0) {
			*ret_index = index;
			*ret_offset = offset;
			return 0;
		}
	}
	*ret_index = index - 1;
	*ret_offset = 0;
	return 0;
}

static int read_existing(struct log_reader *reader)
{
	int64_t index;
	off_t offset;
	int r;

	if (reader->options.tail == 0) {
		r = open_log(reader, 0);
		if (r == 0 && lseek(reader->fd, 0, SEEK_END) < 0)
			r = -errno;
		return r == -ENOENT ? 0 : r;
	}
	r = find_start(reader, &index, &offset);
	if (r < 0)
		return r;
	for (; index >= 0; index--, offset = 0) {
		r = open_log(reader, index);
		if (r == -ENOENT)
			continue;
		if (r == 0 && offset > 0 && lseek(reader->fd, offset, SEEK_SET) < 0)
			r = -errno;
		if (r == 0)
			r = drain(reader);
		if (r != 0)
			return r;
	}
	return 0;
}

/* Read on; when the file was rotated away, the rest of it and then the new one. */
static int read_more(struct log_reader *reader)
{
	struct stat ours, current;
	int r = reader->fd >= 0 ? drain(reader) : 0;

	if (r != 0)
		return r;
	if (reader->fd >= 0 &&
		(fstatat(reader->dir_fd, INSTANCE_LOG_FILE, &current, 0) < 0 ||
			fstat(reader->fd, &ours) < 0 || ours.st_ino == current.st_ino))
		return 0;
	if (reader->fd >= 0) {
		r = drain(reader); /* what was written between the two looks */
		if (r != 0)
			return r;
	}
	r = open_log(reader, 0);
	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : drain(reader);
}

static bool is_over(struct instance *instance)
{
	return instance_refresh(instance, NULL) < 0 || !instance_is_live(instance);
}

/* Sleep until the directory changes, the monitor dies, `until` passes, or a while is over. */
static void wait_for_change(const struct log_reader *reader, int watch_fd, int monitor_fd)
{
	struct pollfd fds[2] = { { watch_fd, POLLIN, 0 }, { monitor_fd, POLLIN, 0 } };
	char buffer[4096] __attribute__((aligned(8)));
	int64_t timeout = STATE_POLL_MS;

	if (reader->options.until_ns) {
		int64_t left = (reader->options.until_ns - clock_realtime_ns()) / 1000000 + 1;

		if (left < timeout)
			timeout = left < 0 ? 0 : left;
	}
	if (poll(fds, monitor_fd >= 0 ? 2 : 1, (int)timeout) > 0 && fds[0].revents)
		(void)!read(watch_fd, buffer, sizeof(buffer));
}

static int follow_log(struct log_reader *reader, struct instance *instance, int watch_fd)
{
	for (;;) {
		_cleanup_close_ int monitor_fd = process_open(
			instance->state.monitor_pid, instance->state.monitor_ticks);
		/* Its end is looked at before the last read: nothing is written after it. */
		bool over = is_over(instance);
		int r = read_more(reader);

		if (r != 0 || over)
			return r;
		if (reader->options.until_ns && clock_realtime_ns() > reader->options.until_ns)
			return 0;
		wait_for_change(reader, watch_fd, monitor_fd);
	}
}

int instance_logs(struct instance *instance, const struct instance_log_options *options,
	instance_log_fn fn, void *context, struct error *err)
{
	struct log_reader reader = { .dir_fd = instance->dir_fd,
		.fd = -1,
		.options = *options,
		.fn = fn,
		.context = context };
	_cleanup_close_ int watch_fd = -1;
	char path[40];
	int r;

	if (!streq_ptr(instance->spec.log_driver, "json-file"))
		return error_set(err, ENOTSUP,
			"instance %s keeps no logs: it runs with the log driver \"%s\"",
			instance_label(instance),
			instance->spec.log_driver ? instance->spec.log_driver : "none");
	reader.text = malloc(LOG_RAW_LINE_MAX);
	if (!reader.text)
		return error_oom(err);
	if (options->follow) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", instance->dir_fd);
		watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
		if (watch_fd < 0 ||
			inotify_add_watch(watch_fd, path,
				IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVE_SELF) <
				0) {
			free(reader.text);
			return error_errno(
				err, errno, "cannot watch instance %s", instance_label(instance));
		}
	}
	r = read_existing(&reader);
	if (r == 0 && options->follow)
		r = follow_log(&reader, instance, watch_fd);
	cleanup_close(&reader.fd);
	str_free(&reader.partial);
	free(reader.text);
	return r < 0 ? error_errno(err, r, "cannot read the logs of %s", instance_label(instance))
		     : 0;
}
