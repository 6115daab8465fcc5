/* SPDX-License-Identifier: Apache-2.0 */
/*
 * archive-file.c - a docker-archive, oci-archive or layout folder as files by name.
 *
 * A tar is indexed once and then read by offset, so it must be plain and seekable. One that is not
 * (stdin, compressed) is first copied into an unnamed file of the store: its content is going there
 * anyway. What a tar is shows in its names: those two formats hold nothing but JSON documents,
 * folders named by digests, and blobs/; the first other name makes it a root filesystem, which is
 * not read any further here.
 */
#include "image/archive-file.h"

#include <sys/stat.h>

#include "base/io.h"

static bool is_hex64(const char *s, size_t len)
{
	return len == 64 && strspn(s, "0123456789abcdef") >= 64;
}

/* Could a docker-archive or an oci-archive hold this? */
static bool is_archive_name(const char *name)
{
	static const char *const documents[] = {
		"manifest.json",
		"repositories",
		"oci-layout",
		"index.json",
		"blobs",
	};
	size_t len = strcspn(name, "/.");

	for (size_t i = 0; i < ARRAY_SIZE(documents); i++) {
		if (streq(name, documents[i]))
			return true;
	}
	return str_after_prefix(name, "blobs/") || is_hex64(name, len);
}

/* Without "./" in front and "/" at the end. NULL when memory ran out. */
static char *clean(const char *name)
{
	size_t len;

	while (name[0] == '.' && name[1] == '/')
		name += 2 + strspn(name + 2, "/");
	len = strlen(name);
	while (len && name[len - 1] == '/')
		len--;
	return strndup(name, len);
}

/* What a link inside an archive points to, as a cleaned name. */
static char *clean_target(const char *name, const struct tar_entry *entry)
{
	const char *slash = strrchr(name, '/'), *target = entry->link;
	size_t dir = slash ? (size_t)(slash - name) : 0;

	if (entry->type == TAR_HARDLINK)
		return clean(target);
	/* skopeo and podman write "../HEX.tar" in HEX/layer.tar. */
	while (str_after_prefix(target, "../")) {
		target += 3;
		while (dir && name[--dir] != '/')
			;
	}
	return dir ? strf("%.*s/%s", (int)dir, name, target) : clean(target);
}

static int add_entry(struct archive_file *file, const struct tar_entry *entry, char *name,
	uint64_t offset, struct error *err)
{
	struct archive_entry_info *info;

	if (file->nr_entries == file->capacity) {
		size_t capacity = file->capacity ? file->capacity * 2 : 64;

		if (capacity > ARCHIVE_ENTRIES_MAX)
			return error_set(err, E2BIG, "%s has more than %d entries", file->path,
				ARCHIVE_ENTRIES_MAX);
		info = reallocarray(file->entries, capacity, sizeof(*info));
		if (!info)
			return error_oom(err);
		file->entries = info;
		file->capacity = capacity;
	}
	info = &file->entries[file->nr_entries];
	*info = (struct archive_entry_info){ .offset = offset, .size = entry->size };
	if (entry->type == TAR_SYMLINK || entry->type == TAR_HARDLINK) {
		info->link = clean_target(name, entry);
		if (!info->link)
			return error_oom(err);
	}
	info->name = strdup(name);
	if (!info->name) {
		free(info->link);
		return error_oom(err);
	}
	file->nr_entries++;
	return 0;
}

static int compare_entries(const void *a, const void *b)
{
	return strcmp(((const struct archive_entry_info *)a)->name,
		((const struct archive_entry_info *)b)->name);
}

static const struct archive_entry_info *find_entry(
	const struct archive_file *file, const char *name)
{
	const struct archive_entry_info key = { .name = (char *)name };

	if (!file->nr_entries)
		return NULL;
	return bsearch(&key, file->entries, file->nr_entries, sizeof(key), compare_entries);
}

/* 1: the tar was indexed; 0: it is a root filesystem. */
static int index_tar(
	struct archive_file *file, bool decide, struct tar_reader *reader, struct error *err)
{
	struct tar_entry entry;
	int r;

	while ((r = tar_reader_next(reader, &entry, err)) > 0) {
		_cleanup_free_ char *name = clean(entry.name);

		if (!name)
			return error_oom(err);
		if (decide && *name && !streq(name, ".") && !is_archive_name(name))
			return 0;
		if (entry.type == TAR_DIRECTORY || entry.sparse)
			continue;
		r = add_entry(file, &entry, name, reader->offset, err);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	if (file->nr_entries)
		qsort(file->entries, file->nr_entries, sizeof(*file->entries), compare_entries);
	return 1;
}

/* docker save has written both documents since version 25; only manifest.json has full names. */
static enum image_archive_format found_format(const struct archive_file *file)
{
	if (find_entry(file, "manifest.json"))
		return IMAGE_ARCHIVE_DOCKER;
	if (find_entry(file, "index.json") && find_entry(file, "oci-layout"))
		return IMAGE_ARCHIVE_OCI;
	return IMAGE_ARCHIVE_ROOTFS;
}

static int unnamed_file(const struct image_store *store, struct error *err)
{
	int fd = openat(store->images_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		error_errno(err, errno, "cannot make a temporary file in %s/images", store->root);
	return fd < 0 ? -errno : fd;
}

/* Copy what the source gives into an unnamed file, which takes file->fd's place. */
static int spool(const struct image_store *store, struct archive_file *file,
	struct tar_source *source, struct error *err)
{
	_cleanup_close_ int fd = unnamed_file(store, err);
	const void *bytes;
	ssize_t n;

	if (fd < 0)
		return fd;
	while ((n = source->read(source, &bytes, err)) > 0) {
		int r = io_write_full(fd, bytes, (size_t)n);

		if (r < 0)
			return error_errno(err, r, "cannot copy %s into the store", file->path);
	}
	if (n < 0)
		return (int)n;
	close(file->fd);
	file->fd = steal_fd(&fd);
	return 0;
}

struct pipe_source {
	struct tar_source source;
	int fd;
	char buf[ARCHIVE_BUFFER_SIZE];
};

static ssize_t read_pipe(struct tar_source *source, const void **ret_bytes, struct error *err)
{
	struct pipe_source *pipe = container_of(source, struct pipe_source, source);
	ssize_t n;

	do {
		n = read(pipe->fd, pipe->buf, sizeof(pipe->buf));
	} while (n < 0 && errno == EINTR);
	*ret_bytes = pipe->buf;
	return n < 0 ? error_errno(err, errno, "cannot read the archive") : n;
}

static int make_seekable(
	const struct image_store *store, struct archive_file *file, struct error *err)
{
	_cleanup_free_ struct pipe_source *pipe = NULL;

	if (lseek(file->fd, 0, SEEK_CUR) == 0)
		return 0;
	pipe = malloc(sizeof(*pipe));
	if (!pipe)
		return error_oom(err);
	pipe->source = (struct tar_source){ .read = read_pipe };
	pipe->fd = file->fd;
	return spool(store, file, &pipe->source, err);
}

static int look_into_tar(const struct image_store *store, struct archive_file *file,
	enum image_archive_format format, struct error *err)
{
	const struct archive_region all = { .fd = file->fd, .size = UINT64_MAX };
	_cleanup_archive_source_ struct archive_source *source = NULL;
	struct tar_reader reader;
	int r = archive_source_open(&all, false, &source, err);

	if (r < 0)
		return r;
	tar_reader_init(&reader, &source->source);
	r = index_tar(file, format == IMAGE_ARCHIVE_AUTO, &reader, err);
	tar_reader_free(&reader);
	if (r < 0)
		return r;
	file->format = r == 0 ? IMAGE_ARCHIVE_ROOTFS : found_format(file);
	if (format != IMAGE_ARCHIVE_AUTO && format != file->format &&
		!(format == IMAGE_ARCHIVE_OCI && find_entry(file, "index.json")))
		return error_set(err, EINVAL, "it has no %s",
			format == IMAGE_ARCHIVE_OCI ? "index.json" : "manifest.json");
	if (format != IMAGE_ARCHIVE_AUTO)
		file->format = format;
	if (file->format == IMAGE_ARCHIVE_ROOTFS || source->packing == ARCHIVE_PLAIN)
		return 0;
	/* The index holds offsets of the plain stream: write that one down. */
	source = archive_source_free(source);
	r = archive_source_open(&all, false, &source, err);
	return r < 0 ? r : spool(store, file, &source->source, err);
}

static int look_into_folder(struct archive_file *file, struct error *err)
{
	file->folder = true;
	file->format = IMAGE_ARCHIVE_OCI;
	if (faccessat(file->fd, "oci-layout", F_OK, 0) < 0 ||
		faccessat(file->fd, "index.json", F_OK, 0) < 0)
		return error_set(err, EINVAL,
			"this folder is no OCI layout: it has no oci-layout and index.json");
	return 0;
}

int archive_file_open(const struct image_store *store, const char *path,
	enum image_archive_format format, struct archive_file *ret, struct error *err)
{
	struct archive_file file = { .fd = -1 };
	bool is_stdin = streq(path, "-");
	struct stat st;
	int r;

	file.path = strdup(is_stdin ? "standard input" : path);
	if (!file.path)
		return error_oom(err);
	file.fd = is_stdin ? fcntl(0, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC);
	if (file.fd < 0 || fstat(file.fd, &st) < 0) {
		r = error_errno(err, errno, "cannot open %s", file.path);
		archive_file_close(&file);
		return r;
	}
	if (S_ISDIR(st.st_mode)) {
		r = look_into_folder(&file, err);
	} else {
		r = make_seekable(store, &file, err);
		file.format = format;
		if (r == 0 && format != IMAGE_ARCHIVE_ROOTFS)
			r = look_into_tar(store, &file, format, err);
	}
	if (r < 0) {
		error_prefix(err, "cannot import %s", file.path);
		archive_file_close(&file);
		return r;
	}
	*ret = file;
	return 0;
}

void archive_file_close(struct archive_file *file)
{
	for (size_t i = 0; i < file->nr_entries; i++) {
		free(file->entries[i].name);
		free(file->entries[i].link);
	}
	free(file->entries);
	free(file->path);
	if (file->fd >= 0)
		close(file->fd);
	*file = (struct archive_file){ .fd = -1 };
}

static int find_in_folder(const struct archive_file *file, const char *name,
	struct archive_region *ret, struct error *err)
{
	_cleanup_close_ int fd = io_open_in_root(file->fd, name, O_RDONLY | O_NONBLOCK, 0);
	struct stat st;

	if (fd < 0)
		return error_errno(err, fd, "cannot open %s in it", name);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return error_set(err, EBADMSG, "%s in it is not a file", name);
	*ret = (struct archive_region){ .fd = steal_fd(&fd), .size = (uint64_t)st.st_size };
	return 0;
}

int archive_file_find(const struct archive_file *file, const char *name, struct archive_region *ret,
	struct error *err)
{
	const struct archive_entry_info *info;
	_cleanup_free_ char *cleaned = clean(name);
	const char *next = cleaned;
	int fd;

	if (!cleaned)
		return error_oom(err);
	if (file->folder)
		return find_in_folder(file, cleaned, ret, err);
	for (int i = 0; i < ARCHIVE_LINKS_MAX; i++) {
		info = find_entry(file, next);
		if (!info)
			return error_set(err, ENOENT, "it has no %s", next);
		if (!info->link)
			break;
		next = info->link;
	}
	if (info->link)
		return error_set(err, ELOOP, "its %s is a loop of links", name);
	fd = fcntl(file->fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return error_errno(err, errno, "cannot read the archive");
	*ret = (struct archive_region){ .fd = fd, .offset = info->offset, .size = info->size };
	return 0;
}

int archive_file_read(const struct archive_file *file, const char *name, size_t max_bytes,
	char **ret, size_t *ret_len, struct error *err)
{
	struct archive_region region;
	_cleanup_free_ char *text = NULL;
	size_t used = 0;
	int r = archive_file_find(file, name, &region, err);

	if (r < 0)
		return r;
	if (region.size > max_bytes)
		r = error_set(err, EFBIG, "its %s is larger than %zu bytes", name, max_bytes);
	else if (!(text = malloc(region.size + 1)))
		r = error_oom(err);
	while (r == 0 && used < region.size) {
		ssize_t n = pread(
			region.fd, text + used, region.size - used, (off_t)(region.offset + used));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			r = error_errno(err, n < 0 ? errno : EIO, "cannot read its %s", name);
		used += n > 0 ? (size_t)n : 0;
	}
	close(region.fd);
	if (r < 0)
		return r;
	text[used] = '\0';
	*ret = steal_ptr(&text);
	*ret_len = used;
	return 0;
}
