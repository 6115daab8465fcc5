/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events.c - what happened to instances, one JSON line each, as Docker's API words it.
 *
 * RUN_ROOT/events.json is written with O_APPEND and one write(2) per call, so lines of several
 * processes never mix. At EVENTS_MAX it becomes events.json.1; a reader that follows notices the
 * rename through inotify and reads the rest of the old file before it opens the new one.
 */
#include "instance/internal.h"

#include <limits.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/io.h"

#define EVENTS_FILE	"events.json"
#define EVENTS_OLD_FILE "events.json.1"
#define EVENTS_MAX	(1 << 20) /* bytes before rotation */
#define EVENT_LINE_MAX	(64u << 10) /* bytes; a longer line is skipped */

static int events_path(const struct instance_roots *roots, const char *file, char *buf, size_t size)
{
	int n = snprintf(buf, size, "%s/%s", roots->run_root, file);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static void write_attributes(struct json_writer *w, const struct instance *instance,
	char *const *attributes, const struct instance_event_item *item)
{
	json_begin_object(w, "Attributes");
	json_write_string(w, "image", instance->spec.image_name);
	json_write_string(w, "name", instance->spec.name);
	if (item && item->key)
		json_write_string(w, item->key, item->value);
	for (int list = 0; list < 2; list++) {
		strv_for_each (pair, list == 0 ? attributes : instance->spec.labels) {
			const char *equals = strchr(*pair, '=');
			_cleanup_free_ char *key = NULL;

			if (!equals)
				continue;
			key = strndup(*pair, (size_t)(equals - *pair));
			if (key)
				json_write_string(w, key, equals + 1);
		}
	}
	json_end_object(w);
}

static void write_event(struct json_writer *w, const struct instance *instance, const char *action,
	char *const *attributes, const struct instance_event_item *item)
{
	int64_t now = clock_realtime_ns();

	w->need_comma = false;
	json_begin_object(w, NULL);
	json_write_string(w, "status", action);
	json_write_string(w, "id", instance->id);
	json_write_string(w, "from", instance->spec.image_name);
	json_write_string(w, "Type", "container");
	json_write_string(w, "Action", action);
	json_begin_object(w, "Actor");
	json_write_string(w, "ID", instance->id);
	write_attributes(w, instance, attributes, item);
	json_end_object(w);
	json_write_string(w, "scope", "local");
	json_write_int(w, "time", now / 1000000000);
	json_write_int(w, "timeNano", now);
	json_end_object(w);
	str_append_char(&w->out, '\n');
}

/* Only one of several writers that find the file too large may rename it. */
static void rotate(int fd, const char *path, const char *old_path)
{
	struct stat ours, current;

	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return;
	if (fstat(fd, &ours) == 0 && stat(path, &current) == 0 && ours.st_ino == current.st_ino &&
		ours.st_size >= EVENTS_MAX)
		rename(path, old_path);
}

static void append(const struct instance_roots *roots, struct str *text)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX], old_path[PATH_MAX];
	ssize_t n;

	if (text->failed || !text->len || events_path(roots, EVENTS_FILE, path, sizeof(path)) < 0)
		return;
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 && errno == ENOENT && io_make_dirs(AT_FDCWD, roots->run_root, 0711, NULL) == 0)
		fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	n = write(fd, text->data, text->len);
	/* After an appending write the file position is the size of the file. */
	if (n > 0 && lseek(fd, 0, SEEK_CUR) >= EVENTS_MAX &&
		events_path(roots, EVENTS_OLD_FILE, old_path, sizeof(old_path)) == 0)
		rotate(fd, path, old_path);
}

void instance_event(const struct instance *instance, const char *action, char *const *attributes)
{
	struct json_writer w = { 0 };

	write_event(&w, instance, action, attributes, NULL);
	append(&instance->roots, &w.out);
	str_free(&w.out);
}

void instance_events_append(
	const struct instance *instance, const struct instance_event_item *items, size_t count)
{
	struct json_writer w = { 0 };

	for (size_t i = 0; i < count; i++)
		write_event(&w, instance, items[i].action, NULL, &items[i]);
	append(&instance->roots, &w.out);
	str_free(&w.out);
}

/* --- reading --- */

struct events_reader {
	const struct instance_roots *roots;
	int64_t since_ns, until_ns;
	instance_event_fn fn;
	void *context;
	int fd;
	struct str partial;
};

/* Returns what fn said; 1 when `until` has passed. */
static int emit(struct events_reader *reader, const char *line, size_t len)
{
	_cleanup_json_ json_t *event = NULL;
	int64_t time_ns = 0;

	if (!len || json_parse(line, len, EVENTS_FILE, &event, NULL) < 0)
		return 0; /* a line torn by a crash is no reason to show none */
	if (json_get_int(event, "timeNano", &time_ns, EVENTS_FILE, NULL) < 0)
		return 0;
	if (reader->until_ns && time_ns > reader->until_ns)
		return 1;
	if (time_ns < reader->since_ns)
		return 0;
	return reader->fn(reader->context, event);
}

/* Everything that is in the open file now. */
static int drain(struct events_reader *reader)
{
	char chunk[16384];

	for (;;) {
		ssize_t n = read(reader->fd, chunk, sizeof(chunk));
		char *line, *end;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		if (reader->partial.len > EVENT_LINE_MAX)
			str_reset(&reader->partial);
		str_append_n(&reader->partial, chunk, (size_t)n);
		if (reader->partial.failed)
			return -ENOMEM;
		line = reader->partial.data;
		while ((end = memchr(line, '\n',
				reader->partial.len - (size_t)(line - reader->partial.data)))) {
			int r = emit(reader, line, (size_t)(end - line));

			if (r != 0)
				return r;
			line = end + 1;
		}
		reader->partial.len -= (size_t)(line - reader->partial.data);
		memmove(reader->partial.data, line, reader->partial.len);
	}
}

static int read_file(struct events_reader *reader, const char *file)
{
	char path[PATH_MAX];
	int r = events_path(reader->roots, file, path, sizeof(path));

	if (r < 0)
		return r;
	cleanup_close(&reader->fd);
	reader->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (reader->fd < 0)
		return errno == ENOENT ? 0 : -errno;
	str_reset(&reader->partial);
	return drain(reader);
}

static bool was_rotated(const struct events_reader *reader)
{
	struct stat ours, current;
	char path[PATH_MAX];

	if (reader->fd < 0)
		return true;
	return events_path(reader->roots, EVENTS_FILE, path, sizeof(path)) == 0 &&
		fstat(reader->fd, &ours) == 0 && stat(path, &current) == 0 &&
		ours.st_ino != current.st_ino;
}

/* Milliseconds until `until`, bounded; -1 = for ever; 0 = it has passed. */
static int wait_ms(int64_t until_ns)
{
	int64_t left;

	if (!until_ns)
		return -1;
	left = (until_ns - clock_realtime_ns() + 999999) / 1000000;
	return left <= 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

static int follow_events(struct events_reader *reader, int watch_fd)
{
	char buffer[4096] __attribute__((aligned(8)));

	for (;;) {
		int timeout = wait_ms(reader->until_ns), r;
		struct pollfd p = { .fd = watch_fd, .events = POLLIN };

		if (timeout == 0)
			return 0;
		r = poll(&p, 1, timeout);
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r > 0 && read(watch_fd, buffer, sizeof(buffer)) < 0 && errno != EAGAIN)
			return -errno;
		r = reader->fd >= 0 ? drain(reader) : 0;
		if (r == 0 && was_rotated(reader))
			r = read_file(reader, EVENTS_FILE);
		if (r != 0)
			return r;
	}
}

int instance_events(const struct instance_roots *roots, int64_t since_ns, int64_t until_ns,
	bool follow, instance_event_fn fn, void *context, struct error *err)
{
	struct events_reader reader = { .roots = roots,
		.since_ns = since_ns,
		.until_ns = until_ns,
		.fn = fn,
		.context = context,
		.fd = -1 };
	_cleanup_close_ int watch_fd = -1;
	int r = 0;

	if (follow) {
		/* Before the first read, so that nothing falls between the two. */
		r = io_make_dirs(AT_FDCWD, roots->run_root, 0711, err);
		if (r < 0)
			return r;
		watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
		if (watch_fd < 0 ||
			inotify_add_watch(watch_fd, roots->run_root,
				IN_MODIFY | IN_CREATE | IN_MOVED_FROM) < 0)
			return error_errno(err, errno, "cannot watch %s", roots->run_root);
	}
	if (since_ns)
		r = read_file(&reader, EVENTS_OLD_FILE);
	if (r == 0)
		r = read_file(&reader, EVENTS_FILE);
	if (r == 0 && follow)
		r = follow_events(&reader, watch_fd);
	cleanup_close(&reader.fd);
	str_free(&reader.partial);
	if (r < 0)
		return error_errno(err, r, "cannot read %s/%s", roots->run_root, EVENTS_FILE);
	return 0;
}
