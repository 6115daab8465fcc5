/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layer-squash.c - a layer as a squashfs file, which machines mount: ROOT/layers/HEX.squashfs.
 *
 * squashfs-tools' sqfstar(1) makes it from a tar that we write from the layer's, so that owners,
 * devices, file capabilities and overlayfs' own attributes get in as any user, and nothing hostile
 * gets to it. It is not compressed: machines share it through the page cache, and decompressing is
 * dear in an emulated one.
 *
 * The stream is read twice. The first pass collects names and checks the digest; the second writes.
 * For sqfstar the first entry of a name counts, in a layer the last one: only that is written. A
 * whiteout becomes a character device 0:0; an opaque mark becomes the attribute of its directory,
 * and of the root, which has none in such a tar, a whiteout called IMAGE_SQUASH_OPAQUE_ROOT, which
 * no overlay shows (guest/init/boot.c looks for it).
 */
#include "image/layer-unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/process.h"
#include "image/internal.h"
#include "image/layer-stream.h"

#define WHITEOUT_PREFIX	     ".wh."
#define WHITEOUT_META_PREFIX ".wh..wh."
#define WHITEOUT_OPAQUE	     ".wh..wh..opq"
#define READ_SIZE	     (256u << 10)
#define WRITE_SIZE	     (256u << 10)
#define NAMES_MAX	     10000000u
#define ROOT_MODE	     "0755" /* nobody sees it: an instance has its own */

extern char **environ;

/* What a name of the layer's archive is about. */
enum kind {
	KIND_ENTRY, /* itself */
	KIND_WHITEOUT, /* what it hides */
	KIND_OPAQUE, /* the directory that it is in */
	KIND_NOTHING, /* other programs' notes */
};

struct name {
	char *text; /* cleaned; "" is the root */
	enum kind kind;
	size_t index; /* of the entry in the archive */
};

struct names {
	struct name *list; /* sorted by text, kind and index after the first pass */
	size_t count, capacity;
};

static void names_free(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->list[i].text);
	free(names->list);
}

/* --- names --------------------------------------------------------------------------------------
 */

/* `buf` becomes the name that the entry is about. */
static int classify(const struct tar_entry *entry, char buf[TAR_NAME_MAX + 1], enum kind *ret,
	struct error *err)
{
	char *slash, *leaf;
	int r = layer_clean_name(entry->name, buf, err);

	if (r < 0)
		return r;
	slash = strrchr(buf, '/');
	leaf = slash ? slash + 1 : buf;
	*ret = KIND_ENTRY;
	if (streq(leaf, WHITEOUT_OPAQUE)) {
		*ret = KIND_OPAQUE;
		*(slash ? slash : buf) = '\0';
	} else if (str_after_prefix(leaf, WHITEOUT_META_PREFIX)) {
		*ret = KIND_NOTHING;
	} else if (str_after_prefix(leaf, WHITEOUT_PREFIX)) {
		const char *hidden = leaf + strlen(WHITEOUT_PREFIX);

		if (!*hidden || streq(hidden, ".") || streq(hidden, ".."))
			return error_set(err, EBADMSG, "the layer has an impossible whiteout: /%s",
				entry->name);
		*ret = KIND_WHITEOUT;
		memmove(leaf, hidden, strlen(hidden) + 1);
	}
	return 0;
}

static int add_name(
	struct names *names, const char *text, enum kind kind, size_t index, struct error *err)
{
	if (names->count == NAMES_MAX)
		return error_set(err, E2BIG, "the layer has more than %u entries", NAMES_MAX);
	if (names->count == names->capacity) {
		size_t capacity = names->capacity ? 2 * names->capacity : 1024;
		struct name *grown = reallocarray(names->list, capacity, sizeof(*grown));

		if (!grown)
			return error_oom(err);
		names->list = grown;
		names->capacity = capacity;
	}
	names->list[names->count] = (struct name){ strdup(text), kind, index };
	return names->list[names->count].text ? (names->count++, 0) : error_oom(err);
}

static int compare(const void *a, const void *b)
{
	const struct name *x = a, *y = b;
	int order = strcmp(x->text, y->text);

	if (order == 0)
		order = (x->kind > y->kind) - (x->kind < y->kind);
	return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* The last entry of that name and kind, or NULL. */
static const struct name *find_last(const struct names *names, const char *text, enum kind kind)
{
	struct name after = { (char *)text, kind, SIZE_MAX };
	size_t low = 0, high = names->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(&names->list[middle], &after) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || names->list[low - 1].kind != kind ||
		!streq(names->list[low - 1].text, text))
		return NULL;
	return &names->list[low - 1];
}

/* --- a pass over the layer
 * ------------------------------------------------------------------------ */

struct source {
	int fd;
	char buf[READ_SIZE];
};

static ssize_t read_blob(void *context, const void **ret_bytes)
{
	struct source *source = context;
	ssize_t n;

	do {
		n = read(source->fd, source->buf, sizeof(source->buf));
	} while (n < 0 && errno == EINTR);
	*ret_bytes = source->buf;
	return n < 0 ? -errno : n;
}

struct squash {
	struct names names;
	struct tar_reader reader;
	struct tar_writer writer;
	int out_fd;
	char *out;
	size_t out_len;
};

typedef int (*entry_fn)(
	struct squash *s, const struct tar_entry *entry, size_t index, struct error *err);

/* Each entry in turn; *ret_diff_id is what was read. */
static int pass(struct squash *s, struct source *source, entry_fn fn,
	char ret_diff_id[IMAGE_DIGEST_LEN + 1], struct error *err)
{
	struct layer_stream stream;
	struct tar_entry entry;
	size_t index = 0;
	int r;

	if (lseek(source->fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "cannot read the layer");
	r = layer_stream_start(&stream, read_blob, source, UINT64_MAX, err);
	if (r < 0)
		return r;
	tar_reader_init(&s->reader, &stream.source);
	while ((r = tar_reader_next(&s->reader, &entry, err)) > 0) {
		r = fn(s, &entry, index++, err);
		if (r < 0)
			break;
	}
	if (r == 0)
		r = tar_reader_drain(&s->reader, err);
	if (r == 0)
		r = layer_stream_digest(&stream, ret_diff_id, err);
	tar_reader_free(&s->reader);
	layer_stream_close(&stream);
	return r;
}

static int collect(struct squash *s, const struct tar_entry *entry, size_t index, struct error *err)
{
	char name[TAR_NAME_MAX + 1];
	enum kind kind;
	int r = classify(entry, name, &kind, err);

	if (r < 0 || kind == KIND_NOTHING)
		return r;
	return add_name(&s->names, name, kind, index, err);
}

/* --- writing -------------------------------------------------------------------------------------
 */

static int flush(struct squash *s)
{
	int r = io_write_full(s->out_fd, s->out, s->out_len);

	s->out_len = 0;
	return r;
}

static int write_bytes(struct tar_writer *writer, const void *bytes, size_t size)
{
	struct squash *s = container_of(writer, struct squash, writer);

	while (size > 0) {
		size_t n = size < WRITE_SIZE - s->out_len ? size : WRITE_SIZE - s->out_len;

		memcpy(s->out + s->out_len, bytes, n);
		s->out_len += n;
		bytes = (const char *)bytes + n;
		size -= n;
		if (s->out_len == WRITE_SIZE) {
			int r = flush(s);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int write_whiteout(struct squash *s, const char *name, struct error *err)
{
	const struct tar_entry entry = { .type = TAR_CHAR, .name = name, .link = "" };

	return tar_writer_entry(&s->writer, &entry, err);
}

static bool is_host_xattr(const char *name)
{
	return str_after_prefix(name, "trusted.overlay.") ||
		str_after_prefix(name, "user.overlay.") || streq(name, "security.selinux");
}

static int write_data(struct squash *s, const struct tar_entry *entry, struct error *err)
{
	static const char zeros[4096];
	const void *piece;
	uint64_t offset, at = 0;
	ssize_t n;

	while ((n = tar_reader_data(&s->reader, &piece, &offset, err)) > 0) {
		int r = 0;

		/* A sparse file's holes. */
		while (r == 0 && entry->sparse && at < offset) {
			size_t hole = offset - at < sizeof(zeros) ? offset - at : sizeof(zeros);

			r = tar_writer_data(&s->writer, zeros, hole, err);
			at += hole;
		}
		if (r == 0)
			r = tar_writer_data(&s->writer, piece, (size_t)n, err);
		if (r < 0)
			return r;
		at += (uint64_t)n;
	}
	while (n == 0 && at < entry->size) {
		size_t hole = entry->size - at < sizeof(zeros) ? entry->size - at : sizeof(zeros);

		n = tar_writer_data(&s->writer, zeros, hole, err);
		at += hole;
	}
	return (int)n;
}

/* Is what lies below hidden: by a mark in it, or because the same layer has removed it first? */
static bool is_opaque(const struct squash *s, const char *name)
{
	return find_last(&s->names, name, KIND_OPAQUE) || find_last(&s->names, name, KIND_WHITEOUT);
}

static int write_entry(
	struct squash *s, const struct tar_entry *entry, const char *name, struct error *err)
{
	struct tar_xattr *xattrs = calloc(entry->nr_xattrs + 1, sizeof(*xattrs));
	char link[TAR_NAME_MAX + 1], opaque[] = LAYER_XATTR_OPAQUE, yes[] = "y";
	struct tar_entry copy = *entry;
	int r = 0;

	if (!xattrs)
		return error_oom(err);
	copy.name = name;
	copy.nr_xattrs = 0;
	for (size_t i = 0; i < entry->nr_xattrs; i++)
		if (!is_host_xattr(entry->xattrs[i].name))
			xattrs[copy.nr_xattrs++] = entry->xattrs[i];
	if (entry->type == TAR_DIRECTORY && is_opaque(s, name))
		xattrs[copy.nr_xattrs++] = (struct tar_xattr){ opaque, yes, 1 };
	copy.xattrs = xattrs;
	copy.sparse = false;
	if (entry->type == TAR_HARDLINK) {
		r = layer_clean_name(entry->link, link, err);
		copy.link = link;
	}
	if (r == 0)
		r = tar_writer_entry(&s->writer, &copy, err);
	if (r == 0 && entry->type == TAR_FILE)
		r = write_data(s, entry, err);
	free(xattrs);
	return r;
}

static int translate(
	struct squash *s, const struct tar_entry *entry, size_t index, struct error *err)
{
	char name[TAR_NAME_MAX + 1];
	const struct name *last;
	enum kind kind;
	int r = classify(entry, name, &kind, err);

	if (r < 0 || kind == KIND_NOTHING || kind == KIND_OPAQUE || !*name)
		return r;
	last = find_last(&s->names, name, kind);
	if (!last || last->index != index)
		return 0;
	if (kind == KIND_ENTRY)
		return write_entry(s, entry, name, err);
	/* What is there again hides what was there anyway. */
	return find_last(&s->names, name, KIND_ENTRY) ? 0 : write_whiteout(s, name, err);
}

/* Directories that are only known by the mark in them. */
static int write_bare_opaques(struct squash *s, struct error *err)
{
	char opaque[] = LAYER_XATTR_OPAQUE, yes[] = "y";
	struct tar_xattr mark = { opaque, yes, 1 };
	int r = 0;

	for (size_t i = 0; i < s->names.count && r == 0; i++) {
		const struct name *name = &s->names.list[i];
		struct tar_entry entry = { .type = TAR_DIRECTORY,
			.name = name->text,
			.link = "",
			.mode = 0755,
			.xattrs = &mark,
			.nr_xattrs = 1 };

		if (name->kind != KIND_OPAQUE ||
			find_last(&s->names, name->text, KIND_OPAQUE) != name)
			continue;
		if (!*name->text)
			r = write_whiteout(s, IMAGE_SQUASH_OPAQUE_ROOT, err);
		else if (!find_last(&s->names, name->text, KIND_ENTRY))
			r = tar_writer_entry(&s->writer, &entry, err);
	}
	return r;
}

/* --- sqfstar -------------------------------------------------------------------------------------
 */

static int start_sqfstar(
	const char *path, int *ret_fd, int *ret_err_fd, pid_t *ret, struct error *err)
{
	const char *argv[] = { "sqfstar", "-quiet", "-no-progress", "-noI", "-noD", "-noF", "-noX",
		"-root-mode", ROOT_MODE, path, NULL };
	posix_spawn_file_actions_t actions;
	int in[2], errors[2], r;

	if (pipe2(in, O_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot run sqfstar");
	if (pipe2(errors, O_CLOEXEC) < 0) {
		close(in[0]), close(in[1]);
		return error_errno(err, errno, "cannot run sqfstar");
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in[0], 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, errors[1], 2);
	r = posix_spawnp(ret, argv[0], &actions, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(in[0]), close(errors[1]);
	if (r != 0) {
		close(in[1]), close(errors[0]);
		return error_set(err, r,
			"cannot run sqfstar: %s (machines need the package squashfs-tools)",
			strerror(r));
	}
	*ret_fd = in[1];
	*ret_err_fd = errors[0];
	return 0;
}

/* Its last words, if it did not like what it got. */
static int end_sqfstar(pid_t pid, int err_fd, int r, struct error *err)
{
	_cleanup_free_ char *words = NULL;
	size_t len = 0;
	int status = 0;

	if (io_read_fd(err_fd, 1 << 16, &words, &len) < 0)
		len = 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (process_exit_code(status) == 0 || (r < 0 && r != -EPIPE))
		return r;
	while (len > 0 && words[len - 1] == '\n')
		words[--len] = '\0';
	return error_set(err, EIO, "sqfstar ended with status %d%s%s", process_exit_code(status),
		len ? ": " : "", len ? words : "");
}

static int write_all(struct squash *s, struct source *source, const char *path, struct error *err)
{
	char diff_id[IMAGE_DIGEST_LEN + 1];
	_cleanup_close_ int err_fd = -1;
	pid_t pid;
	int r = start_sqfstar(path, &s->out_fd, &err_fd, &pid, err);

	if (r < 0)
		return r;
	s->writer.write = write_bytes;
	r = write_bare_opaques(s, err);
	if (r == 0)
		r = pass(s, source, translate, diff_id, err);
	if (r == 0)
		r = tar_writer_finish(&s->writer, err);
	if (r == 0 && (r = flush(s)) < 0)
		error_errno(err, r, "cannot write to sqfstar");
	close(s->out_fd);
	return end_sqfstar(pid, err_fd, r, err);
}

/* --- the whole
 * ------------------------------------------------------------------------------------ */

static int squash(struct squash *s, struct source *source, const char *expected_diff_id,
	const char *path, struct error *err)
{
	char diff_id[IMAGE_DIGEST_LEN + 1];
	int r = pass(s, source, collect, diff_id, err);

	if (r == 0 && !streq(diff_id, expected_diff_id))
		r = error_set(
			err, EBADMSG, "it is %s, and was to be %s", diff_id, expected_diff_id);
	if (r < 0)
		return r;
	if (s->names.count)
		qsort(s->names.list, s->names.count, sizeof(*s->names.list), compare);
	return write_all(s, source, path, err);
}

int image_layer_squash_blob(const struct image_store *store, const char *blob_digest,
	const char *expected_diff_id, struct error *err)
{
	_cleanup_free_ struct source *source = calloc(1, sizeof(*source));
	_cleanup_free_ char *temporary = NULL, *path = NULL, *out = malloc(WRITE_SIZE);
	_cleanup_close_ int fd = -1;
	struct squash s = { .out = out };
	char blob[80], random[17];
	int r;

	path = image_squash_path(store->root, expected_diff_id);
	io_random_hex(random, 8);
	temporary = strf("%s/layers/" IMAGE_TEMPORARY_PREFIX "%s", store->root, random);
	if (!source || !out || !path || !temporary)
		return error_oom(err);
	if (access(path, F_OK) == 0)
		return 0;
	image_blob_path(blob_digest, blob);
	fd = source->fd = openat(store->images_fd, blob, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(
			err, errno, "cannot open the layer %s/images/%s", store->root, blob);
	r = squash(&s, source, expected_diff_id, temporary, err);
	names_free(&s.names);
	if (r == 0 && rename(temporary, path) < 0)
		r = error_errno(err, errno, "cannot rename %s", temporary);
	if (r < 0) {
		unlink(temporary);
		return error_prefix(err, "cannot make a squashfs of layer %.19s", expected_diff_id);
	}
	return 0;
}
