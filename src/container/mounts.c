/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts.c - what is mounted inside the root filesystem, and what of it is hidden (child).
 *
 * Every target is a descriptor that openat2(2) resolved inside the root, so that no link of the
 * image leads a mount, or a directory made for one, to the host. A new file system is mounted with
 * one mount(2) on "." after fchdir(2) to its target; a bind is a detached clone that gets all its
 * attributes before it is attached, so that it is never visible without them and needs no remount
 * (Linux 5.12).
 */
#include "container/internal.h"

#include <libgen.h>
#include <limits.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/str.h"
#include "container/mount-options.h"

/* --- targets -------------------------------------------------------------------------------- */

/* Make the last part of `path` in the directory of the rest, which exists. */
static int make_last_part(int root_fd, char *path, bool directory)
{
	_cleanup_close_ int parent = -1, file = -1;
	char *slash = strrchr(path, '/');
	const char *name = slash + 1;
	int r = 0;

	*slash = '\0';
	parent = io_open_in_root(root_fd, *path ? path : "/", O_PATH | O_DIRECTORY, 0);
	*slash = '/';
	if (parent < 0)
		return parent;
	if (directory)
		r = mkdirat(parent, name, 0755) < 0 && errno != EEXIST ? -errno : 0;
	else if ((file = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			  0644)) < 0)
		r = errno == EEXIST ? 0 : -errno;
	return r;
}

static int make_target(int root_fd, const char *path, bool directory)
{
	char copy[PATH_MAX];
	int r;

	/* One leading slash, none at the end. */
	if (snprintf(copy, sizeof(copy), "%s%s", path[0] == '/' ? "" : "/", path) >=
		(int)sizeof(copy))
		return -ENAMETOOLONG;
	for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--)
		copy[n - 1] = '\0';
	/* Nearly always only the last part is missing. */
	r = make_last_part(root_fd, copy, directory);
	if (r != -ENOENT)
		return r;
	for (char *p = copy + 1; *p; p++) {
		_cleanup_close_ int fd = -1;

		if (*p != '/' || p[-1] == '/')
			continue;
		*p = '\0';
		fd = io_open_in_root(root_fd, copy, O_PATH, 0);
		r = fd == -ENOENT ? make_last_part(root_fd, copy, true) : 0;
		*p = '/';
		if (r < 0)
			return r;
	}
	return make_last_part(root_fd, copy, directory);
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

/* --- binds ---------------------------------------------------------------------------------- */

int mounts_attach(int tree_fd, int target_fd, const char *target, struct error *err)
{
	if (move_mount(tree_fd, "", target_fd, "",
		    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return error_errno(err, errno, "cannot attach the mount on %s", target);
	return 0;
}

static int set_attributes(int tree_fd, uint64_t set, uint64_t clear, uint64_t propagation,
	bool recursive, const char *target, struct error *err)
{
	struct mount_attr attributes = {
		.attr_set = set,
		.attr_clr = clear,
		.propagation = propagation,
	};

	if (!set && !clear && !propagation)
		return 0;
	if (mount_setattr(tree_fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attributes,
		    sizeof(attributes)) < 0)
		return error_errno(err, errno, "cannot set the options of the mount on %s", target);
	return 0;
}

static int clone_tree(int dir_fd, const char *path, bool recursive)
{
	int fd = open_tree(dir_fd, path,
		OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (*path ? 0 : AT_EMPTY_PATH) |
			(recursive ? AT_RECURSIVE : 0));

	return fd < 0 ? -errno : fd;
}

int mounts_open_sources(struct child *child, struct error *err)
{
	const struct container_config *config = child->config;

	child->source_fds = calloc(config->nr_mounts + 1, sizeof(int));
	if (!child->source_fds)
		return error_oom(err);
	for (size_t i = 0; i < config->nr_mounts; i++) {
		const struct container_mount *mount = &config->mounts[i];

		child->source_fds[i] = -1;
		if (!mount->source || mount->source[0] != '/')
			continue;
		child->source_fds[i] = open(mount->source, O_PATH | O_CLOEXEC);
		if (child->source_fds[i] < 0)
			return error_errno(err, errno, "cannot bind %s on %s", mount->source,
				mount->destination);
	}
	return 0;
}

/* A detached clone of a mount's source. */
static int clone_source(struct child *child, const struct container_mount *mount, bool recursive)
{
	const struct container_mount *mounts = child->config->mounts;
	int fd = -1;

	if (child->source_fds && mount >= mounts && mount < mounts + child->config->nr_mounts)
		fd = child->source_fds[mount - mounts];
	/* Cloned already, as a peer of the host's mount. */
	if (fd >= 0 && !child->in_userns)
		return steal_fd(&child->source_fds[mount - mounts]);
	return fd >= 0 ? clone_tree(fd, "", recursive)
		       : clone_tree(AT_FDCWD, mount->source, recursive);
}

static int mount_bind(struct child *child, const struct container_mount *mount,
	const struct mount_options *o, struct error *err)
{
	_cleanup_close_ int tree = -1, target = -1;
	uint64_t propagation = o->propagation ? o->propagation : MS_PRIVATE;
	struct stat st;
	int r;

	if (!mount->source)
		return error_set(err, EINVAL, "bind on %s: no source is given", mount->destination);
	tree = clone_source(child, mount, o->recursive);
	if (tree < 0 || fstat(tree, &st) < 0)
		return error_errno(err, tree < 0 ? tree : errno, "cannot bind %s on %s",
			mount->source, mount->destination);
	r = set_attributes(
		tree, o->set_recursive, o->clear_recursive, 0, true, mount->destination, err);
	if (r == 0)
		r = set_attributes(tree, o->set, o->clear, 0, false, mount->destination, err);
	if (r == 0)
		r = set_attributes(tree, 0, 0, propagation,
			o->propagation ? o->propagation_recursive : true, mount->destination, err);
	if (r < 0)
		return r;
	target = mounts_open_target(child->root_fd, mount->destination, S_ISDIR(st.st_mode), err);
	if (target < 0)
		return target;
	return mounts_attach(tree, target, mount->destination, err);
}

int mounts_bind_file(struct child *child, const char *source, const char *path, struct error *err)
{
	_cleanup_close_ int tree = clone_tree(AT_FDCWD, source, false), target = -1;

	if (tree < 0)
		return error_errno(err, tree, "cannot bind %s on %s", source, path);
	target = mounts_open_target(child->root_fd, path, false, err);
	return target < 0 ? target : mounts_attach(tree, target, path, err);
}

/* --- file systems --------------------------------------------------------------------------- */

/*
 * What an ordinary user may not mount because the namespace behind it is the host's: the host's own
 * mount is shown instead, with its flags, read-only.
 */
static const struct {
	const char *type, *host_path;
	enum container_namespace ns;
} substitutes[] = {
	{ "sysfs", "/sys", CONTAINER_NS_NETWORK },
	{ "proc", "/proc", CONTAINER_NS_PID },
	{ "mqueue", "/dev/mqueue", CONTAINER_NS_IPC },
};

static int mount_substitute(struct child *child, const struct container_mount *entry,
	const struct mount_options *o, int cause, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(substitutes); i++) {
		struct container_mount bind = { .destination = entry->destination,
			.source = (char *)(uintptr_t)substitutes[i].host_path };
		struct mount_options options = *o;

		if (!child->in_userns || cause != EPERM || !streq(substitutes[i].type, entry->type))
			continue;
		if (child->config->namespaces[substitutes[i].ns].wanted)
			continue;
		options.recursive = true;
		options.set |= MOUNT_ATTR_NOSUID;
		return mount_bind(child, &bind, &options, err);
	}
	return error_errno(err, cause, "cannot mount %s on %s", entry->type, entry->destination);
}

/* Options naming groups that the user namespace has no number for are dropped: "gid=5". */
static char *usable_data(const struct child *child, const char *data)
{
	_cleanup_str_ struct str out = { 0 };
	_cleanup_free_ char *copy = strdup(data);
	char *cursor = copy, *word;

	while (cursor && (word = strsep(&cursor, ","))) {
		if (child->single_mapping &&
			(str_after_prefix(word, "gid=") || str_after_prefix(word, "uid=")) &&
			!str_has_suffix(word, "=0"))
			continue;
		if (out.len)
			str_append_char(&out, ',');
		str_append(&out, word);
	}
	return copy ? str_finish(&out) : NULL;
}

static int mount_filesystem(struct child *child, const struct container_mount *entry,
	const struct mount_options *o, struct error *err)
{
	_cleanup_close_ int target = -1, hidden = -1, top = -1;
	_cleanup_free_ char *data = NULL;
	const char *source = entry->source ? entry->source : entry->type;
	unsigned long flags = o->flags;
	int r;

	target = mounts_open_target(child->root_fd, entry->destination, true, err);
	if (target < 0)
		return target;
	if (o->data.len && !(data = usable_data(child, o->data.data)))
		return error_oom(err);
	if (o->copy_up) {
		hidden = io_open_in_root(
			child->root_fd, entry->destination, O_RDONLY | O_DIRECTORY, 0);
		if (hidden < 0)
			return error_errno(err, hidden, "cannot open %s", entry->destination);
		flags &= ~(unsigned long)MS_RDONLY;
	}
	if (fchdir(target) < 0)
		return error_errno(err, errno, "cannot enter %s", entry->destination);
	if (mount(source, ".", entry->type, flags, data) < 0)
		return mount_substitute(child, entry, o, errno, err);
	if (!o->copy_up && !o->propagation)
		return 0;
	top = io_open_in_root(child->root_fd, entry->destination, O_RDONLY | O_DIRECTORY, 0);
	if (top < 0)
		return error_errno(err, top, "cannot open %s", entry->destination);
	r = o->copy_up ? copy_tree(hidden, top, err) : 0;
	if (r == 0)
		r = set_attributes(top, o->flags & MS_RDONLY ? MOUNT_ATTR_RDONLY : 0, 0,
			o->propagation, false, entry->destination, err);
	return r;
}

static int mount_one(struct child *child, const struct container_mount *mount, struct error *err)
{
	_cleanup_(mount_options_free) struct mount_options options = { 0 };
	int r;

	r = mount_options_parse(mount, &options, err);
	if (r < 0)
		return r;
	if (options.bind)
		return mount_bind(child, mount, &options, err);
	if (streq(mount->type, "cgroup") || streq(mount->type, "cgroup2"))
		return mounts_cgroup(child, mount, &options, err);
	return mount_filesystem(child, mount, &options, err);
}

int mounts_make(struct child *child, struct error *err)
{
	for (size_t i = 0; i < child->config->nr_mounts; i++) {
		int r = mount_one(child, &child->config->mounts[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* --- hidden and read-only paths --------------------------------------------------------------- */

/* Missing ones and those a user mounted something strange over need no hiding. */
static int open_to_hide(
	struct child *child, const char *path, struct stat *st, int *ret_fd, struct error *err)
{
	int fd = io_open_in_root(child->root_fd, path, O_PATH, 0);

	if (fd == -ENOENT || fd == -ENOTDIR) {
		*ret_fd = -1;
		return 0;
	}
	if (fd < 0 || fstat(fd, st) < 0)
		return error_errno(err, fd < 0 ? fd : errno, "cannot hide %s", path);
	*ret_fd = fd;
	return 0;
}

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

static int hide_path(struct child *child, const char *path, int *empty_fd, struct error *err)
{
	_cleanup_close_ int target = -1, tree = -1;
	struct stat st;
	int r;

	r = open_to_hide(child, path, &st, &target, err);
	if (r < 0 || target < 0)
		return r;
	if (S_ISDIR(st.st_mode) && *empty_fd < 0) {
		/* The first directory takes the mount itself and not a clone: a detached mount that
		 * is closed costs an RCU grace period. */
		*empty_fd = make_empty_directory();
		if (*empty_fd < 0)
			return error_errno(err, *empty_fd, "cannot hide %s", path);
		return mounts_attach(*empty_fd, target, path, err);
	}
	tree = clone_tree(S_ISDIR(st.st_mode) ? *empty_fd : child->null_fd, "", false);
	if (tree < 0)
		return error_errno(err, tree, "cannot hide %s", path);
	return mounts_attach(tree, target, path, err);
}

static int protect_path(struct child *child, const char *path, struct error *err)
{
	_cleanup_close_ int target = -1, tree = -1;
	struct stat st;
	int r;

	r = open_to_hide(child, path, &st, &target, err);
	if (r < 0 || target < 0)
		return r;
	tree = clone_tree(target, "", true);
	if (tree < 0)
		return error_errno(err, tree, "cannot make %s read-only", path);
	r = set_attributes(tree, MOUNT_ATTR_RDONLY, 0, 0, true, path, err);
	return r < 0 ? r : mounts_attach(tree, target, path, err);
}

int mounts_hide_paths(struct child *child, struct error *err)
{
	_cleanup_close_ int empty = -1;
	int r;

	strv_for_each (path, child->config->readonly_paths) {
		r = protect_path(child, *path, err);
		if (r < 0)
			return r;
	}
	strv_for_each (path, child->config->masked_paths) {
		r = hide_path(child, *path, &empty, err);
		if (r < 0)
			return r;
	}
	return 0;
}
