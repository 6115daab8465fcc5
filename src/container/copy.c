/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy.c - a directory tree into another, for tmpcopyup and for roots without an overlay (child).
 *
 * Nothing is followed: every entry is opened with O_NOFOLLOW from its parent's descriptor. What is
 * there already is replaced (a later layer wins), overlay whiteouts remove, opaque directories
 * empty what was below them (Documentation/filesystems/overlayfs.rst). Hard links become files of
 * their own.
 */
#include "container/internal.h"

#include <limits.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/io.h"
#include "base/str.h"

/* Directories in directories: one descriptor pair each. */
#define DEPTH_MAX 1000

static int copy_directory(int from_fd, int to_fd, int depth);

static int copy_bytes(int from_fd, int to_fd)
{
	for (;;) {
		ssize_t n = copy_file_range(from_fd, NULL, to_fd, NULL, SSIZE_MAX & ~4095, 0);

		if (n < 0 &&
			(errno == EXDEV || errno == EINVAL || errno == ENOSYS ||
				errno == EOPNOTSUPP))
			n = sendfile(to_fd, from_fd, NULL, 1 << 30);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return 0;
	}
}

/* Attributes of an opened file or directory; those we may not set, or that are the overlay's own,
 * stay behind. */
static void copy_xattrs(int from_fd, int to_fd)
{
	_cleanup_free_ char *names = malloc(XATTR_LIST_MAX), *value = malloc(XATTR_LIST_MAX);
	ssize_t len = names && value ? flistxattr(from_fd, names, XATTR_LIST_MAX) : 0;

	for (char *name = names; len > 0 && name < names + len; name += strlen(name) + 1) {
		ssize_t size = fgetxattr(from_fd, name, value, XATTR_LIST_MAX);

		if (size >= 0 && !strstr(name, ".overlay."))
			(void)!fsetxattr(to_fd, name, value, (size_t)size, 0);
	}
}

static int copy_attributes(int from_fd, int to_fd, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	/* Owners outside the user namespace cannot be given. */
	if (fchown(to_fd, st->st_uid, st->st_gid) < 0 && errno != EPERM && errno != EINVAL)
		return -errno;
	if (fchmod(to_fd, st->st_mode & 07777) < 0)
		return -errno;
	copy_xattrs(from_fd, to_fd);
	return futimens(to_fd, times) < 0 ? -errno : 0;
}

static int copy_link(int from_dir, int to_dir, const char *name, const struct stat *st)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from_dir, name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	if (symlinkat(target, to_dir, name) < 0)
		return -errno;
	(void)!fchownat(to_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW);
	return 0;
}

static int copy_file(int from_dir, int to_dir, const char *name, const struct stat *st)
{
	_cleanup_close_ int from = openat(
		from_dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	_cleanup_close_ int to = -1;
	int r;

	if (from < 0)
		return -errno;
	to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return -errno;
	r = copy_bytes(from, to);
	return r < 0 ? r : copy_attributes(from, to, st);
}

static bool is_opaque(int fd)
{
	char value;

	return (fgetxattr(fd, "trusted.overlay.opaque", &value, 1) == 1 && value == 'y') ||
		(fgetxattr(fd, "user.overlay.opaque", &value, 1) == 1 && value == 'y');
}

static int copy_subdirectory(
	int from_dir, int to_dir, const char *name, const struct stat *st, int depth)
{
	_cleanup_close_ int from = openat(
		from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_close_ int to = -1;
	struct stat there;
	int r;

	if (from < 0)
		return -errno;
	if (fstatat(to_dir, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
		(!S_ISDIR(there.st_mode) || is_opaque(from))) {
		r = io_remove_tree(to_dir, name, NULL);
		if (r < 0)
			return r;
	}
	if (mkdirat(to_dir, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	to = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (to < 0)
		return -errno;
	r = copy_directory(from, to, depth + 1);
	return r < 0 ? r : copy_attributes(from, to, st);
}

static int copy_entry(int from_dir, int to_dir, const char *name, int depth)
{
	struct stat st;
	int r;

	if (fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return copy_subdirectory(from_dir, to_dir, name, &st, depth);
	r = io_remove_tree(to_dir, name, NULL);
	if (r < 0)
		return r;
	if (S_ISREG(st.st_mode))
		return copy_file(from_dir, to_dir, name, &st);
	if (S_ISLNK(st.st_mode))
		return copy_link(from_dir, to_dir, name, &st);
	/* A whiteout has done its work; nodes an ordinary user may not make stay behind. */
	if (S_ISCHR(st.st_mode) && st.st_rdev == 0)
		return 0;
	if (mknodat(to_dir, name, st.st_mode, st.st_rdev) < 0 && errno != EPERM)
		return -errno;
	return 0;
}

static int copy_directory(int from_fd, int to_fd, int depth)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int copy, r;

	if (depth > DEPTH_MAX)
		return -ELOOP;
	copy = openat(from_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (copy < 0)
		return -errno;
	dir = fdopendir(copy);
	if (!dir) {
		close(copy);
		return -errno;
	}
	while ((errno = 0, entry = readdir(dir))) {
		if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
			continue;
		r = copy_entry(from_fd, to_fd, entry->d_name, depth);
		if (r < 0)
			return r;
	}
	return -errno;
}

int copy_tree(int from_fd, int to_fd, struct error *err)
{
	struct stat st;
	int r = copy_directory(from_fd, to_fd, 0);

	if (r == 0 && fstat(from_fd, &st) == 0)
		r = copy_attributes(from_fd, to_fd, &st);
	return r < 0 ? error_errno(err, r, "cannot copy a directory tree") : 0;
}
