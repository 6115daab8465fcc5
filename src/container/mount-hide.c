/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount-hide.c - the paths that are hidden or read-only inside (child; runtime-spec config-linux.md
 * "maskedPaths", "readonlyPaths").
 *
 * Nearly all of them stand directly in /proc, and many do not exist. Once what the container sees
 * at /proc was found to be a procfs, such a path is a plain name relative to it: the entries at the
 * top of a procfs are the kernel's, and the few that are links are known. A look and one mount(2)
 * each; all other paths are resolved inside the root like a mount's target. A missing path, and one
 * that a user mounted something strange over, needs no hiding.
 *
 * Files are hidden by the host's /dev/null, never the container's, which an image or a racing
 * process may have replaced (CVE-2025-31133).
 */
#include "container/internal.h"

#include <ctype.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/io.h"
#include "base/str.h"

struct hider {
	struct child *child;
	bool in_procfs; /* the working directory is the container's procfs */
	int empty_fd; /* the empty directory that hides directories, -1 before the first */
};

/* The links at the top of a procfs. */
static const char *const proc_links[] = { "self", "thread-self", "mounts", "net", "device-tree" };

/* "kcore" of "/proc/kcore" when it may be named relative to the procfs we are in, else NULL. */
static const char *name_in_procfs(const struct hider *hider, const char *path)
{
	const char *name = hider->in_procfs ? str_after_prefix(path, "/proc/") : NULL;

	/* A process or one of ".", "..". */
	if (!name || isdigit((unsigned char)name[0]) || name[0] == '.' || strchr(name, '/'))
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(proc_links); i++)
		if (streq(proc_links[i], name))
			return NULL;
	return *name ? name : NULL;
}

static int enter_procfs(struct hider *hider)
{
	_cleanup_close_ int fd = io_open_in_root(
		hider->child->root_fd, "/proc", O_PATH | O_DIRECTORY, 0);
	struct statfs fs;

	if (fd < 0 || fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
		return 0;
	if (fchdir(fd) < 0)
		return -errno;
	hider->in_procfs = true;
	return 0;
}

/* The path for the careful way; *ret_fd is -1 when there is nothing. */
static int open_path(
	struct hider *hider, const char *path, struct stat *st, int *ret_fd, struct error *err)
{
	int fd = io_open_in_root(hider->child->root_fd, path, O_PATH, 0);

	if (fd == -ENOENT || fd == -ENOTDIR) {
		*ret_fd = -1;
		return 0;
	}
	if (fd < 0 || fstat(fd, st) < 0)
		return error_errno(err, fd < 0 ? fd : errno, "cannot hide %s", path);
	*ret_fd = fd;
	return 0;
}

/* --- hidden ----------------------------------------------------------------------------------- */

/* An empty, read-only tmpfs, detached; clones of it hide directories. */
static int make_empty_directory(void)
{
	_cleanup_close_ int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0555", 0) < 0 ||
		fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = fsmount(fs, FSMOUNT_CLOEXEC,
		MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Attach a clone of `fd` on `name` in dir_fd ("": on dir_fd itself). */
static int cover(int fd, int dir_fd, const char *name, const char *path, struct error *err)
{
	_cleanup_close_ int tree = open_tree(
		fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (tree < 0)
		return error_errno(err, errno, "cannot hide %s", path);
	return mounts_attach(tree, dir_fd, name, path, err);
}

static int hide_directory(
	struct hider *hider, int dir_fd, const char *name, const char *path, struct error *err)
{
	if (hider->empty_fd >= 0)
		return cover(hider->empty_fd, dir_fd, name, path, err);
	/* The first one takes the mount itself and not a clone: a detached mount that is closed
	 * costs an RCU grace period. */
	hider->empty_fd = make_empty_directory();
	if (hider->empty_fd < 0)
		return error_errno(err, hider->empty_fd, "cannot hide %s", path);
	return mounts_attach(hider->empty_fd, dir_fd, name, path, err);
}

static int hide_path(struct hider *hider, const char *path, struct error *err)
{
	const char *name = name_in_procfs(hider, path);
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	if (name) {
		/* Looked at first: a mount that is refused costs an RCU grace period. */
		if (fstatat(AT_FDCWD, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return errno == ENOENT ? 0
					       : error_errno(err, errno, "cannot hide %s", path);
		if (S_ISDIR(st.st_mode))
			return hide_directory(hider, AT_FDCWD, name, path, err);
		if (mount("/dev/null", name, NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
			return error_errno(err, errno, "cannot hide %s", path);
		return 0;
	}
	r = open_path(hider, path, &st, &fd, err);
	if (r < 0 || fd < 0)
		return r;
	return S_ISDIR(st.st_mode) ? hide_directory(hider, fd, "", path, err)
				   : cover(hider->child->null_fd, fd, "", path, err);
}

/* --- read-only -------------------------------------------------------------------------------- */

/* A clone of it on itself, which is then made read-only with all that is mounted below. */
static int protect_path(struct hider *hider, const char *path, struct error *err)
{
	const char *name = name_in_procfs(hider, path);
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
	_cleanup_close_ int fd = -1, tree = -1;
	struct stat st;
	int r;

	if (name) {
		if (mount(name, name, NULL, MS_BIND | MS_REC, NULL) < 0)
			return errno == ENOENT
				? 0
				: error_errno(err, errno, "cannot make %s read-only", path);
		r = mount_setattr(AT_FDCWD, name, AT_RECURSIVE, &read_only, sizeof(read_only));
		return r < 0 ? error_errno(err, errno, "cannot make %s read-only", path) : 0;
	}
	r = open_path(hider, path, &st, &fd, err);
	if (r < 0 || fd < 0)
		return r;
	tree = open_tree(
		fd, "", AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0 ||
		mount_setattr(
			tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &read_only, sizeof(read_only)) < 0)
		return error_errno(err, errno, "cannot make %s read-only", path);
	return mounts_attach(tree, fd, "", path, err);
}

static int hide_all(struct hider *hider, struct error *err)
{
	const struct container_config *config = hider->child->config;
	int r = enter_procfs(hider);

	if (r < 0)
		return error_errno(err, r, "cannot enter /proc of the container");
	strv_for_each (path, config->readonly_paths) {
		r = protect_path(hider, *path, err);
		if (r < 0)
			return r;
	}
	strv_for_each (path, config->masked_paths) {
		r = hide_path(hider, *path, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int mounts_hide_paths(struct child *child, struct error *err)
{
	struct hider hider = { .child = child, .empty_fd = -1 };
	int r;

	if (!child->config->readonly_paths && !child->config->masked_paths)
		return 0;
	r = hide_all(&hider, err);
	cleanup_close(&hider.empty_fd);
	return r;
}
