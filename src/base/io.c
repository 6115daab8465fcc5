/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io.c - files, directories and descriptors.
 */
#include "base/io.h"

#include <errno.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>

int io_read_full(int fd, void *buf, size_t size)
{
	char *p = buf;

	while (size) {
		ssize_t n = read(fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

int io_write_full(int fd, const void *buf, size_t size)
{
	const char *p = buf;

	while (size) {
		ssize_t n = write(fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

int io_read_fd(int fd, size_t max_bytes, char **ret, size_t *ret_len)
{
	_cleanup_free_ char *buf = NULL;
	size_t used = 0, capacity = 0;
	struct stat st;

	/* A regular file says how long it is; one byte more makes its end visible in one read. */
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISREG(st.st_mode) && st.st_size > 0) {
		if ((uint64_t)st.st_size > max_bytes)
			return -EFBIG;
		capacity = (size_t)st.st_size + 1;
	} else {
		capacity = max_bytes < 4096 ? max_bytes + 1 : 4096;
	}
	buf = malloc(capacity + 1);
	if (!buf)
		return -ENOMEM;
	for (;;) {
		ssize_t n = read(fd, buf + used, capacity - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		used += (size_t)n;
		if (used > max_bytes)
			return -EFBIG;
		/* As long as it said, and the extra byte did not come: that was its end. */
		if (S_ISREG(st.st_mode) && st.st_size > 0 && used == (size_t)st.st_size)
			break;
		if (used == capacity) {
			char *grown;

			capacity *= 2;
			grown = realloc(buf, capacity + 1);
			if (!grown)
				return -ENOMEM;
			buf = grown;
		}
	}
	buf[used] = '\0';
	*ret = steal_ptr(&buf);
	if (ret_len)
		*ret_len = used;
	return 0;
}

int io_read_file(int dir_fd, const char *path, size_t max_bytes, char **ret, size_t *ret_len,
	struct error *err)
{
	_cleanup_close_ int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int r;

	if (fd < 0)
		return error_errno(err, errno, "cannot open %s", path);
	r = io_read_fd(fd, max_bytes, ret, ret_len);
	if (r == -EFBIG)
		return error_set(err, EFBIG, "%s is larger than the %zu bytes allowed here", path,
			max_bytes);
	if (r < 0)
		return error_errno(err, r, "cannot read %s", path);
	return 0;
}

int io_write_kernel_file(int dir_fd, const char *path, const char *text)
{
	_cleanup_close_ int fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	size_t len = strlen(text);
	ssize_t n;

	if (fd < 0)
		return -errno;
	do {
		n = write(fd, text, len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

/* fsync the directory that holds `path`, so that the rename into it is on disk. */
static int sync_parent(int dir_fd, const char *path)
{
	_cleanup_free_ char *parent = strdup(path);
	_cleanup_close_ int fd = -1;
	char *slash;

	if (!parent)
		return -ENOMEM;
	slash = strrchr(parent, '/');
	if (slash)
		slash[slash == parent ? 1 : 0] = '\0';
	fd = io_open_dir(dir_fd, slash ? parent : ".");
	if (fd < 0)
		return fd;
	return fsync(fd) < 0 ? -errno : 0;
}

int io_replace_file(int dir_fd, const char *path, mode_t mode, const void *bytes, size_t len,
	enum io_durability durability, struct error *err)
{
	char temporary[PATH_MAX], random[13];
	_cleanup_close_ int fd = -1;
	int r;

	io_random_hex(random, 6);
	if (snprintf(temporary, sizeof(temporary), "%s.tmp-%s", path, random) >=
		(int)sizeof(temporary))
		return error_errno(err, ENAMETOOLONG, "cannot write %s", path);
	fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return error_errno(err, errno, "cannot create %s", temporary);
	r = io_write_full(fd, bytes, len);
	if (r == 0 && durability == IO_DURABLE && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && renameat(dir_fd, temporary, dir_fd, path) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(dir_fd, temporary, 0);
		return error_errno(err, r, "cannot write %s", path);
	}
	if (durability == IO_DURABLE) {
		r = sync_parent(dir_fd, path);
		if (r < 0)
			return error_errno(err, r, "cannot sync the directory of %s", path);
	}
	return 0;
}

int io_make_dirs(int dir_fd, const char *path, mode_t mode, struct error *err)
{
	_cleanup_free_ char *partial = NULL;

	/* The common case: it is there, or only its last part is missing. */
	if (mkdirat(dir_fd, path, mode) == 0 || errno == EEXIST)
		return 0;
	if (errno != ENOENT)
		return error_errno(err, errno, "cannot create directory %s", path);
	partial = strdup(path);
	if (!partial)
		return error_oom(err);
	for (char *p = partial + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdirat(dir_fd, partial, mode) < 0 && errno != EEXIST)
			return error_errno(err, errno, "cannot create directory %s", partial);
		*p = '/';
	}
	if (mkdirat(dir_fd, path, mode) < 0 && errno != EEXIST)
		return error_errno(err, errno, "cannot create directory %s", path);
	return 0;
}

int io_open_dir(int dir_fd, const char *path)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int io_open_store_dir(const char *path, bool make, struct error *err)
{
	int fd = io_open_dir(AT_FDCWD, path), r;

	if (fd == -ENOENT && make) {
		r = io_make_dirs(AT_FDCWD, path, 0711, err);
		if (r < 0)
			return r;
		fd = io_open_dir(AT_FDCWD, path);
	}
	if (fd < 0 && (fd != -ENOENT || make))
		return error_errno(err, fd, "cannot open %s", path);
	return fd;
}

bool io_dir_is_empty(int dir_fd)
{
	int copy = io_open_dir(dir_fd, ".");
	_cleanup_closedir_ DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (!streq(entry->d_name, ".") && !streq(entry->d_name, ".."))
			return false;
	return dir != NULL;
}

/*
 * How deep the walk below descends at once; a level holds two descriptors. What lies deeper is
 * moved up beside the top's children and met there later: a tree that was made by following links
 * into links may be deeper than there are descriptors, or than a path can say.
 */
#define REMOVE_DEPTH_MAX 100

static int open_for_removal(int dir_fd, const char *name)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(dir_fd, name, flags);

	if (fd < 0 && errno == EACCES && fchmodat(dir_fd, name, 0700, 0) == 0)
		fd = openat(dir_fd, name, flags);
	return fd < 0 ? -errno : fd;
}

static int move_up(int top_fd, int dir_fd, const char *name)
{
	char random[33];

	io_random_hex(random, 16);
	/* Its ".." changes, so it must be writable itself. */
	if (renameat(dir_fd, name, top_fd, random) < 0 &&
		(errno != EACCES || fchmodat(dir_fd, name, 0700, 0) < 0 ||
			renameat(dir_fd, name, top_fd, random) < 0))
		return -errno;
	return 0;
}

static int remove_children(int top_fd, int dir_fd, dev_t device, int depth, bool *moved);

/* A directory of dir_fd with what is in it. */
static int remove_directory(
	int top_fd, int dir_fd, const char *name, dev_t device, int depth, bool *moved)
{
	_cleanup_close_ int child = -1;
	struct stat st;
	int r;

	if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0)
		return 0;
	if (errno == EBUSY) /* something is mounted there: that is not ours to empty */
		return -EBUSY;
	if (depth == REMOVE_DEPTH_MAX) {
		*moved = true;
		return move_up(top_fd, dir_fd, name);
	}
	child = open_for_removal(dir_fd, name);
	if (child < 0)
		return child;
	if (fstat(child, &st) < 0)
		return -errno;
	if (st.st_dev != device)
		return -EXDEV;
	if ((st.st_mode & 0700) != 0700)
		fchmod(child, 0700);
	r = remove_children(top_fd, child, device, depth + 1, moved);
	if (r == 0 && unlinkat(dir_fd, name, AT_REMOVEDIR) < 0)
		r = -errno;
	return r;
}

/* What cannot be removed does not keep the rest from going; the first failure is reported. */
static int remove_children(int top_fd, int dir_fd, dev_t device, int depth, bool *moved)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int copy, failed = 0;

	copy = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return -errno;
	dir = fdopendir(copy);
	if (!dir) {
		close(copy);
		return -errno;
	}
	while ((errno = 0, entry = readdir(dir))) {
		int r = 0;

		if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
			continue;
		if (unlinkat(dir_fd, entry->d_name, 0) == 0 || errno == ENOENT)
			continue;
		r = -errno;
		if (r == -EISDIR || r == -EPERM || r == -EACCES)
			r = remove_directory(top_fd, dir_fd, entry->d_name, device, depth, moved);
		failed = failed ? failed : r;
	}
	return failed ? failed : -errno;
}

int io_remove_tree(int dir_fd, const char *path, struct error *err)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	bool moved;
	int r;

	if (unlinkat(dir_fd, path, 0) == 0 || errno == ENOENT)
		return 0;
	/* An empty directory, the most common tree of all, needs no walk. */
	if (unlinkat(dir_fd, path, AT_REMOVEDIR) == 0)
		return 0;
	fd = open_for_removal(dir_fd, path);
	if (fd < 0)
		return error_errno(err, fd, "cannot remove %s", path);
	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "cannot remove %s", path);
	if ((st.st_mode & 0700) != 0700)
		fchmod(fd, 0700);
	do {
		moved = false;
		if (lseek(fd, 0, SEEK_SET) < 0)
			return error_errno(err, errno, "cannot remove %s", path);
		r = remove_children(fd, fd, st.st_dev, 0, &moved);
	} while (r == 0 && moved);
	if (r == 0 && unlinkat(dir_fd, path, AT_REMOVEDIR) < 0)
		r = -errno;
	return r < 0 ? error_errno(err, r, "cannot remove %s", path) : 0;
}

int io_tree_size(int dir_fd, const char *path, uint64_t *ret_bytes)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	uint64_t total = 0;
	int fd;

	fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -errno;
	}
	while ((entry = readdir(dir))) {
		struct stat st;
		uint64_t below = 0;

		if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
			continue;
		if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISDIR(st.st_mode) && io_tree_size(fd, entry->d_name, &below) == 0)
			total += below;
		else if (S_ISREG(st.st_mode))
			total += (uint64_t)st.st_size;
	}
	*ret_bytes = total;
	return 0;
}

void io_random_hex(char *buf, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[64];

	while (n) {
		size_t part = n < sizeof(bytes) ? n : sizeof(bytes);

		/* 256 bytes or fewer are never cut short once the pool is ready. */
		while (getrandom(bytes, part, 0) != (ssize_t)part)
			;
		for (size_t i = 0; i < part; i++) {
			*buf++ = digits[bytes[i] >> 4];
			*buf++ = digits[bytes[i] & 15];
		}
		n -= part;
	}
	*buf = '\0';
}

static int compare_fds(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

void io_keep_only(int *fds, size_t count)
{
	unsigned from = 0;

	qsort(fds, count, sizeof(*fds), compare_fds);
	for (size_t i = 0; i < count; i++) {
		if (fds[i] < 0)
			continue;
		if ((unsigned)fds[i] > from)
			syscall(SYS_close_range, from, (unsigned)fds[i] - 1, 0);
		from = (unsigned)fds[i] + 1;
	}
	syscall(SYS_close_range, from, ~0u, 0);
}

int io_lock(int fd, bool exclusive)
{
	while (flock(fd, exclusive ? LOCK_EX : LOCK_SH) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

int io_try_lock(int fd, bool exclusive)
{
	while (flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static int open_resolved(int root_fd, const char *path, int flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.mode = mode,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve,
	};
	long fd;

	do {
		fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
	} while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	return fd < 0 ? -errno : (int)fd;
}

int io_open_in_root(int root_fd, const char *path, int flags, mode_t mode)
{
	return open_resolved(root_fd, path, flags, mode, 0);
}

int io_open_without_links(int root_fd, const char *path, int flags, bool cross_mounts)
{
	return open_resolved(root_fd, path, flags, 0,
		RESOLVE_NO_SYMLINKS | (cross_mounts ? 0 : RESOLVE_NO_XDEV));
}
