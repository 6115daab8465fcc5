/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount-target.c - where a mount goes: a place inside the root, made when it is missing (child).
 *
 * The image is hostile, and so may be a process of another container that shares a volume with us
 * and swaps directories for links while we look (CVE-2021-30465). So a place is always a descriptor
 * that openat2(2) found inside the root, and what is made is made in such a descriptor; no path is
 * looked at twice. The plain case is a path without links or mount points. Any other may have led
 * to the root itself or into a procfs and is looked at: over /proc, and over what runtimes and
 * security modules trust below it, nobody mounts but with the kernel's own (CVE-2019-16884,
 * CVE-2019-19921).
 */
#include "container/mounts.h"

#include <limits.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/io.h"
#include "base/str.h"

/* PROC_ROOT_INO of linux/proc_ns.h: of the root of every procfs, and of nothing else in it. */
#define PROCFS_ROOT_INODE 1
/* As many as the kernel follows (MAXSYMLINKS). */
#define LINKS_MAX 40

/* Make the last part of `path` in the directory of the rest, which exists. 1: it is a link, to
 * `link`. */
static int make_last_part(int root_fd, char *path, bool directory, char link[PATH_MAX])
{
	_cleanup_close_ int parent = -1, file = -1;
	char *slash = strrchr(path, '/');
	const char *name = slash + 1;
	ssize_t len;

	*slash = '\0';
	parent = io_open_in_root(root_fd, *path ? path : "/", O_PATH | O_DIRECTORY, 0);
	*slash = '/';
	if (parent < 0)
		return parent;
	if (directory ? mkdirat(parent, name, 0755) == 0
		      : (file = openat(parent, name,
				 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644)) >= 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	len = readlinkat(parent, name, link, PATH_MAX - 1);
	if (len < 0)
		return 0;
	link[len] = '\0';
	return 1;
}

/* The part of `path` that ends before `rest` is a link: follow it, as far as words go. */
static int follow(char path[PATH_MAX], size_t len, const char *link)
{
	_cleanup_free_ char *whole = NULL;
	size_t parent = len;

	while (parent && path[parent - 1] != '/')
		parent--;
	whole = link[0] == '/' ? strf("%s%s", link, path + len)
			       : strf("%.*s%s%s", (int)parent, path, link, path + len);
	if (!whole)
		return -ENOMEM;
	if (strlen(whole) >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(path, whole, strlen(whole) + 1);
	return 1;
}

/* Make what is missing of `path`. 1: a part was a link to nowhere, `path` goes where it leads. */
static int make_parts(int root_fd, char path[PATH_MAX], bool directory)
{
	char link[PATH_MAX];
	int r;

	for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
		path[n - 1] = '\0';
	/* Nearly always only the last part is missing. */
	r = make_last_part(root_fd, path, directory, link);
	for (char *p = path + 1; r == -ENOENT && *p; p++) {
		_cleanup_close_ int fd = -1;

		if (*p != '/' || p[-1] == '/')
			continue;
		*p = '\0';
		fd = io_open_in_root(root_fd, path, O_PATH, 0);
		r = fd == -ENOENT ? make_last_part(root_fd, path, true, link) : -ENOENT;
		*p = '/';
		if (r == 1)
			return follow(path, (size_t)(p - path), link);
		r = r == 0 ? -ENOENT : r;
	}
	if (r == -ENOENT)
		r = make_last_part(root_fd, path, directory, link);
	return r == 1 ? follow(path, strlen(path), link) : r;
}

static int make_target(int root_fd, const char *path, bool directory)
{
	char copy[PATH_MAX];
	int r = 1;

	/* One leading slash at least. */
	if (snprintf(copy, sizeof(copy), "%s%s", path[0] == '/' ? "" : "/", path) >=
		(int)sizeof(copy))
		return -ENAMETOOLONG;
	for (int links = 0; r == 1 && links <= LINKS_MAX; links++)
		r = make_parts(root_fd, copy, directory);
	return r == 1 ? -ELOOP : r;
}

int mounts_open_target(int root_fd, const char *path, bool directory, struct error *err)
{
	int flags = O_PATH | (directory ? O_DIRECTORY : 0);
	int fd = io_open_in_root(root_fd, path, flags, 0), r;

	if (fd != -ENOENT)
		return fd < 0 ? error_errno(err, fd, "cannot open %s in the container's root", path)
			      : fd;
	r = make_target(root_fd, path, directory);
	if (r < 0)
		return error_errno(err, r, "cannot make %s in the container's root", path);
	fd = io_open_in_root(root_fd, path, flags, 0);
	return fd < 0 ? error_errno(err, fd, "cannot open %s in the container's root", path) : fd;
}

const char *mounts_make_in_dev(const struct child *child, const char *path, mode_t type)
{
	const char *name = child->dev_fd >= 0 ? str_after_prefix(path, "/dev/") : NULL;

	if (!name || strchr(name, '/') ||
		(type == S_IFDIR ? mkdirat(child->dev_fd, name, 0755)
				 : mknodat(child->dev_fd, name, type | 0644, 0)) < 0)
		return NULL;
	return name;
}

/* --- places for mounts ------------------------------------------------------------------------ */

bool mount_target_is(const char *path, const char *wanted)
{
	/* "/dev", "dev", "//dev/./" */
	for (;;) {
		while (*path == '/' || (path[0] == '.' && (path[1] == '/' || !path[1])))
			path++;
		while (*wanted == '/')
			wanted++;
		if (!*path || !*wanted)
			return !*path && !*wanted;
		while (*path && *path != '/')
			if (*path++ != *wanted++)
				return false;
		if (*wanted && *wanted != '/')
			return false;
	}
}

/* What lxcfs and the like show instead of the kernel's: no security is built on it. */
static const char *const replaceable[] = {
	"/proc/cpuinfo",
	"/proc/diskstats",
	"/proc/loadavg",
	"/proc/meminfo",
	"/proc/slabinfo",
	"/proc/stat",
	"/proc/swaps",
	"/proc/sys/crypto/fips_enabled",
	"/proc/sys/kernel/ns_last_pid",
	"/proc/uptime",
};

static bool is_replaceable(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(replaceable); i++)
		if (mount_target_is(path, replaceable[i]))
			return true;
	return false;
}

/* Nothing but a procfs over a procfs. */
static int check_procfs(const struct stat *st, const char *path,
	const struct mount_subject *subject, struct error *err)
{
	struct statfs fs;

	if (st->st_ino != PROCFS_ROOT_INODE)
		return is_replaceable(path)
			? 0
			: error_set(err, EPERM, "cannot mount on %s: it is inside a procfs", path);
	if (subject->type && streq(subject->type, "proc"))
		return 0;
	if (subject->tree_fd >= 0 && fstatfs(subject->tree_fd, &fs) == 0 &&
		fs.f_type == PROC_SUPER_MAGIC)
		return 0;
	return error_set(err, EPERM, "cannot mount on %s: only a procfs may cover a procfs", path);
}

static bool is_root(const struct child *child, int fd)
{
	struct stat root, st;

	return fstat(child->root_fd, &root) == 0 && fstat(fd, &st) == 0 &&
		root.st_dev == st.st_dev && root.st_ino == st.st_ino;
}

static int check_place(
	int fd, const char *path, const struct mount_subject *subject, struct error *err)
{
	struct stat st;
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return error_errno(err, errno, "cannot look at %s in the container's root", path);
	if (fs.f_type != PROC_SUPER_MAGIC)
		return 0;
	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "cannot look at %s in the container's root", path);
	return check_procfs(&st, path, subject, err);
}

/* The kernel's own file systems are what masked paths and security modules rely on. */
static bool wants_no_links(const char *type)
{
	return type &&
		(streq(type, "proc") || streq(type, "sysfs") || str_after_prefix(type, "cgroup"));
}

static int make_place(const struct child *child, const char *path,
	const struct mount_subject *subject, struct error *err)
{
	struct stat st = { .st_mode = S_IFDIR };
	int r;

	if (subject->tree_fd >= 0 && fstat(subject->tree_fd, &st) < 0)
		return error_errno(err, errno, "cannot look at the source of %s", path);
	r = make_target(child->root_fd, path, S_ISDIR(st.st_mode));
	return r < 0 ? error_errno(err, r, "cannot make %s in the container's root", path) : 0;
}

static int open_place(const struct child *child, const char *path, bool no_links)
{
	return no_links ? io_open_without_links(child->root_fd, path, O_PATH, true)
			: io_open_in_root(child->root_fd, path, O_PATH, 0);
}

static int find_place(const struct child *child, const char *path,
	const struct mount_subject *subject, bool *ret_made, struct error *err)
{
	bool no_links = wants_no_links(subject->type);
	int fd = open_place(child, path, no_links), r;

	*ret_made = fd == -ENOENT;
	if (fd == -ENOENT) {
		r = make_place(child, path, subject, err);
		if (r < 0)
			return r;
		fd = open_place(child, path, no_links);
	}
	if (fd == -ELOOP && no_links)
		return error_set(err, ELOOP, "cannot mount %s on %s: there are links in the path",
			subject->type, path);
	return fd < 0 ? error_errno(err, fd, "cannot open %s in the container's root", path) : fd;
}

int mount_target_open(const struct child *child, const char *path,
	const struct mount_subject *subject, bool *ret_made, struct error *err)
{
	/* Only links and ".." lead to another place than the path says. */
	bool literal = !strstr(path, ".."), made = false;
	_cleanup_close_ int fd = -1;
	int r;

	*ret_made = false;
	if (mount_target_is(path, "/"))
		return error_set(err, EINVAL, "cannot mount on %s: it is the root itself", path);
	if (literal && !subject->on_mount)
		fd = io_open_without_links(child->root_fd, path, O_PATH, false);
	if (fd >= 0)
		return steal_fd(&fd);
	fd = find_place(child, path, subject, &made, err);
	if (fd < 0)
		return fd;
	if (!(literal && wants_no_links(subject->type)) && is_root(child, fd))
		return error_set(err, EINVAL, "cannot mount on %s: it is the root itself", path);
	r = check_place(fd, path, subject, err);
	if (r < 0)
		return r;
	*ret_made = made;
	return steal_fd(&fd);
}
