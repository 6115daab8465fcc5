/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy.c - the recursive copier: modes, owners, times, xattrs, hard links, holes.
 *
 * Hard links are kept within one copy: the first name of a file with several is remembered by
 * device and inode, later ones link to its copy. What file systems may refuse (xattrs, owners of a
 * file system without them) is tried and let go; content, names and modes are not.
 */
#include "front/cli/copy.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "base/io.h"

#define LINKS_MAX  (1u << 20) /* files with several names that are remembered */
#define XATTR_MAX  65536 /* XATTR_LIST_MAX, XATTR_SIZE_MAX of Linux */
#define CHUNK_SIZE (64u << 10)

struct link {
	dev_t device;
	ino_t inode;
	char *target; /* of its first copy, below struct copy.target_fd */
};

struct copy {
	const struct copy_options *options;
	int target_fd; /* top of the copy */
	struct str path; /* where in the tree we are, for messages and links */
	struct link *links;
	size_t nr_links;
	int depth;
};

static int fail(const struct copy *c, int code, const char *what, struct error *err)
{
	return error_errno(err, code, "cannot %s %s", what, c->path.len ? c->path.data : "/");
}

/* --- metadata --- */

static void copy_xattrs(int from, int to)
{
	_cleanup_free_ char *names = malloc(XATTR_MAX), *value = malloc(XATTR_MAX);
	ssize_t len = names && value ? flistxattr(from, names, XATTR_MAX) : -1;

	for (const char *name = names; len > 0 && name < names + len; name += strlen(name) + 1) {
		ssize_t n;

		/* An overlay's notes about its own layers mean something else elsewhere. */
		if (str_after_prefix(name, "trusted.overlay.") ||
			str_after_prefix(name, "user.overlay."))
			continue;
		n = fgetxattr(from, name, value, XATTR_MAX);
		if (n >= 0)
			(void)fsetxattr(to, name, value, (size_t)n, 0);
	}
}

/* chown clears set-id bits and capabilities, so owner first, then mode, then xattrs. */
static int copy_metadata(
	const struct copy *c, int from, int to, const struct stat *st, struct error *err)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (c->options->owners && fchown(to, st->st_uid, st->st_gid) < 0 && errno != EPERM &&
		errno != EINVAL)
		return fail(c, errno, "change the owner of", err);
	if (fchmod(to, st->st_mode & 07777) < 0)
		return fail(c, errno, "change the mode of", err);
	copy_xattrs(from, to);
	futimens(to, times);
	return 0;
}

/* --- content --- */

/* One stretch of data; the kernel's own copy where it can, ours elsewhere. */
static int copy_range(int from, int to, off_t at, off_t end)
{
	_cleanup_free_ char *chunk = NULL;
	off_t out = at;

	while (at < end) {
		ssize_t n = copy_file_range(from, &at, to, &out, (size_t)(end - at), 0);

		if (n == 0)
			return 0; /* shortened meanwhile */
		if (n > 0 || errno == EINTR)
			continue;
		if (errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS &&
			errno != EPERM && errno != EBADF)
			return -errno;
		chunk = chunk ? chunk : malloc(CHUNK_SIZE);
		if (!chunk)
			return -ENOMEM;
		n = pread(from, chunk, CHUNK_SIZE, at);
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		if (lseek(to, out, SEEK_SET) < 0)
			return -errno;
		if (io_write_full(to, chunk, (size_t)n) < 0)
			return -errno;
		at += n;
		out += n;
	}
	return 0;
}

/* Files of /proc and the like have no size and are read to their end. */
static int copy_stream(int from, int to)
{
	_cleanup_free_ char *chunk = malloc(CHUNK_SIZE);

	if (!chunk)
		return -ENOMEM;
	for (;;) {
		ssize_t n = read(from, chunk, CHUNK_SIZE);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		r = io_write_full(to, chunk, (size_t)n);
		if (r < 0)
			return r;
	}
}

static int copy_data(int from, int to, off_t size)
{
	off_t at = 0;

	if (size == 0)
		return copy_stream(from, to);
	while (at < size) {
		off_t data = lseek(from, at, SEEK_DATA), hole;
		int r;

		if (data < 0 && errno == ENXIO)
			break;
		if (data < 0)
			data = at;
		hole = lseek(from, data, SEEK_HOLE);
		if (hole < 0 || hole > size)
			hole = size;
		if (hole <= data)
			break;
		r = copy_range(from, to, data, hole);
		if (r < 0)
			return r;
		at = hole;
	}
	return ftruncate(to, size) < 0 ? -errno : 0;
}

/* --- entries --- */

/* Make way for a new non-directory. -EBUSY: it is a mount point and must be written in place. */
static int clear_way(const struct copy *c, int target_fd, const char *name, struct error *err)
{
	if (unlinkat(target_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno == EBUSY)
		return -EBUSY;
	if (errno == EISDIR)
		return error_set(
			err, EISDIR, "cannot overwrite folder %s with a file", c->path.data);
	return fail(c, errno, "replace", err);
}

static int copy_file(struct copy *c, int source_fd, const char *source, int target_fd,
	const char *target, struct error *err)
{
	_cleanup_close_ int from = -1, to = -1;
	struct stat st;
	int r;

	/* O_NONBLOCK: it may have become a FIFO since we looked. */
	from = openat(source_fd, source, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (from < 0 || fstat(from, &st) < 0)
		return fail(c, errno, "read", err);
	if (!S_ISREG(st.st_mode))
		return fail(c, EAGAIN, "copy", err);
	r = clear_way(c, target_fd, target, err);
	if (r < 0 && r != -EBUSY)
		return r;
	to = openat(target_fd, target,
		O_WRONLY | O_NOFOLLOW | O_CLOEXEC | (r == -EBUSY ? O_TRUNC : O_CREAT | O_EXCL),
		0600);
	if (to < 0)
		return fail(c, errno, "create", err);
	r = copy_data(from, to, st.st_size);
	if (r < 0)
		return fail(c, r, "copy", err);
	return copy_metadata(c, from, to, &st, err);
}

static int copy_symlink(struct copy *c, int source_fd, const char *source, int target_fd,
	const char *target, const struct stat *st, struct error *err)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	char text[PATH_MAX];
	ssize_t n = readlinkat(source_fd, source, text, sizeof(text) - 1);
	int r;

	if (n < 0)
		return fail(c, errno, "read link", err);
	text[n] = '\0';
	r = clear_way(c, target_fd, target, err);
	if (r < 0)
		return r == -EBUSY ? fail(c, EBUSY, "replace", err) : r;
	if (symlinkat(text, target_fd, target) < 0)
		return fail(c, errno, "create link", err);
	if (c->options->owners)
		(void)!fchownat(target_fd, target, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW);
	utimensat(target_fd, target, times, AT_SYMLINK_NOFOLLOW);
	return 0;
}

/* FIFOs, sockets and devices; a device needs the right to make one. */
static int copy_node(
	struct copy *c, int target_fd, const char *target, const struct stat *st, struct error *err)
{
	int r = clear_way(c, target_fd, target, err);

	if (r < 0)
		return r == -EBUSY ? fail(c, EBUSY, "replace", err) : r;
	if (mknodat(target_fd, target, st->st_mode, st->st_rdev) < 0)
		return fail(c, errno, "create node", err);
	if (c->options->owners)
		(void)!fchownat(target_fd, target, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW);
	/* mknod applies the umask; the name is ours since a moment ago and may be swapped for a
	 * link by a hostile instance, so it is not followed. */
	(void)!fchmodat(target_fd, target, st->st_mode & 07777, AT_SYMLINK_NOFOLLOW);
	return 0;
}

/* --- hard links --- */

static struct link *find_link(const struct copy *c, const struct stat *st)
{
	for (size_t i = 0; i < c->nr_links; i++)
		if (c->links[i].device == st->st_dev && c->links[i].inode == st->st_ino)
			return &c->links[i];
	return NULL;
}

static int remember_link(struct copy *c, const struct stat *st, struct error *err)
{
	struct link *grown;

	/* Beyond the limit, or when the kernel copies faster than we look: a copy of its own. */
	if (c->nr_links >= LINKS_MAX)
		return 0;
	if ((c->nr_links & (c->nr_links - 1)) == 0) {
		grown = realloc(c->links, (c->nr_links ? c->nr_links * 2 : 1) * sizeof(*grown));
		if (!grown)
			return error_oom(err);
		c->links = grown;
	}
	c->links[c->nr_links] = (struct link){ st->st_dev, st->st_ino, strdup(c->path.data) };
	if (!c->links[c->nr_links].target)
		return error_oom(err);
	c->nr_links++;
	return 0;
}

/* Returns 1 when the link was made, 0 when the file is to be copied. */
static int make_link(struct copy *c, const struct link *link, int target_fd, const char *target,
	struct error *err)
{
	_cleanup_close_ int fd = -1;
	char proc[40];
	int r;

	fd = io_open_in_root(c->target_fd, link->target, O_PATH | O_NOFOLLOW, 0);
	if (fd < 0)
		return 0;
	r = clear_way(c, target_fd, target, err);
	if (r < 0)
		return r == -EBUSY ? 0 : r;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, proc, target_fd, target, AT_SYMLINK_FOLLOW) == 0;
}

/* --- folders --- */

static int copy_children(struct copy *c, int source_fd, int target_fd, struct error *err);

/* A running instance's /proc and /sys are no files of its own: their folder stays empty, as it is
 * in the image. */
static bool is_kernel_interface(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 &&
		(fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC ||
			fs.f_type == CGROUP_SUPER_MAGIC || fs.f_type == CGROUP2_SUPER_MAGIC);
}

static int copy_folder(struct copy *c, int source_fd, const char *source, int target_fd,
	const char *target, const struct stat *st, struct error *err)
{
	_cleanup_close_ int from = -1, to = -1;
	int r;

	if (c->depth >= COPY_DEPTH_MAX)
		return error_set(err, ELOOP, "%s is more than %d folders deep", c->path.data,
			COPY_DEPTH_MAX);
	from = openat(source_fd, source, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0)
		return fail(c, errno, "read", err);
	if (mkdirat(target_fd, target, 0700) < 0 && errno != EEXIST)
		return fail(c, errno, "create", err);
	to = openat(target_fd, target, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (to < 0 && (errno == ENOTDIR || errno == ELOOP))
		return error_set(
			err, ENOTDIR, "cannot overwrite file %s with a folder", c->path.data);
	if (to < 0)
		return fail(c, errno, "open", err);
	c->depth++;
	r = is_kernel_interface(from) ? 0 : copy_children(c, from, to, err);
	c->depth--;
	return r < 0 ? r : copy_metadata(c, from, to, st, err);
}

static int copy_one(struct copy *c, int source_fd, const char *source, int target_fd,
	const char *target, struct error *err)
{
	const struct link *link;
	struct stat st;
	int r;

	if (fstatat(source_fd, source, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(c, errno, "find", err);
	if (S_ISDIR(st.st_mode))
		return copy_folder(c, source_fd, source, target_fd, target, &st, err);
	if (st.st_nlink > 1) {
		link = find_link(c, &st);
		r = link ? make_link(c, link, target_fd, target, err) : remember_link(c, &st, err);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	if (S_ISREG(st.st_mode))
		return copy_file(c, source_fd, source, target_fd, target, err);
	if (S_ISLNK(st.st_mode))
		return copy_symlink(c, source_fd, source, target_fd, target, &st, err);
	return copy_node(c, target_fd, target, &st, err);
}

static int copy_children(struct copy *c, int source_fd, int target_fd, struct error *err)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int copy = io_open_dir(source_fd, "."), r = 0;

	if (copy < 0)
		return fail(c, copy, "read", err);
	dir = fdopendir(copy);
	if (!dir) {
		close(copy);
		return fail(c, errno, "read", err);
	}
	while (r == 0 && (errno = 0, entry = readdir(dir))) {
		size_t len = c->path.len;

		if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
			continue;
		str_append_char(&c->path, '/');
		str_append(&c->path, entry->d_name);
		r = c->path.failed
			? error_oom(err)
			: copy_one(c, source_fd, entry->d_name, target_fd, entry->d_name, err);
		if (!c->path.failed) {
			c->path.len = len;
			c->path.data[len] = '\0';
		}
	}
	if (r == 0 && errno)
		r = fail(c, errno, "read", err);
	return r;
}

static void copy_end(struct copy *c)
{
	for (size_t i = 0; i < c->nr_links; i++)
		free(c->links[i].target);
	free(c->links);
	str_free(&c->path);
}

int copy_entry(int source_fd, const char *source, int target_fd, const char *target,
	const struct copy_options *options, struct error *err)
{
	struct copy c = { .options = options, .target_fd = target_fd };
	int r;

	str_append(&c.path, target);
	r = c.path.failed ? error_oom(err)
			  : copy_one(&c, source_fd, source, target_fd, target, err);
	copy_end(&c);
	return r;
}

int copy_directory_content(
	int source_fd, int target_fd, const struct copy_options *options, struct error *err)
{
	struct copy c = { .options = options, .target_fd = target_fd };
	struct stat st;
	int r;

	str_append(&c.path, "");
	if (fstat(source_fd, &st) < 0)
		return fail(&c, errno, "read", err);
	r = copy_children(&c, source_fd, target_fd, err);
	if (r == 0 && !options->keep_folder)
		r = copy_metadata(&c, source_fd, target_fd, &st, err);
	copy_end(&c);
	return r;
}
