/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts.c - what is mounted inside the root filesystem (child).
 *
 * Every target is a descriptor that openat2(2) resolved inside the root, so that no link of the
 * image leads a mount, or a directory made for one, to the host; or a name that we have just made
 * ourselves in our fresh /dev. A new file system is mounted with one mount(2) relative to its
 * target after fchdir(2); a bind is a detached clone that gets all its attributes before it is
 * attached, so that it is never visible without them and needs no remount (Linux 5.12).
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

const char *mounts_make_in_dev(const struct child *child, const char *path, mode_t type)
{
	const char *name = child->dev_fd >= 0 ? str_after_prefix(path, "/dev/") : NULL;

	if (!name || strchr(name, '/') ||
		(type == S_IFDIR ? mkdirat(child->dev_fd, name, 0755)
				 : mknodat(child->dev_fd, name, type | 0644, 0)) < 0)
		return NULL;
	return name;
}

/* Change to a directory from which *ret_name is the target for a file system. */
static int enter_target(
	struct child *child, const char *path, const char **ret_name, struct error *err)
{
	const char *name = mounts_make_in_dev(child, path, S_IFDIR);
	_cleanup_close_ int fd = -1;

	if (!name) {
		fd = mounts_open_target(child->root_fd, path, true, err);
		if (fd < 0)
			return fd;
	}
	if (fchdir(name ? child->dev_fd : fd) < 0)
		return error_errno(err, errno, "cannot enter %s", path);
	*ret_name = name ? name : ".";
	return 0;
}

/* --- binds ---------------------------------------------------------------------------------- */

int mounts_attach(int tree_fd, int dir_fd, const char *name, const char *target, struct error *err)
{
	if (move_mount(tree_fd, "", dir_fd, name,
		    MOVE_MOUNT_F_EMPTY_PATH | (*name ? 0 : MOVE_MOUNT_T_EMPTY_PATH)) < 0)
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

/* The target of a bind; a missing one is made of the kind that the bound tree is of. */
static int open_target_for(struct child *child, int tree_fd, const char *path, struct error *err)
{
	int fd = io_open_in_root(child->root_fd, path, O_PATH, 0);
	struct stat st;

	if (fd >= 0)
		return fd;
	if (fstat(tree_fd, &st) < 0)
		return error_errno(err, errno, "cannot look at the source of %s", path);
	return mounts_open_target(child->root_fd, path, S_ISDIR(st.st_mode), err);
}

static int mount_bind(struct child *child, const struct container_mount *mount,
	const struct mount_options *o, struct error *err)
{
	_cleanup_close_ int tree = -1, target = -1;
	/* Mounts that are private have private clones. */
	uint64_t propagation = o->propagation || child->all_private ? o->propagation : MS_PRIVATE;
	int r;

	if (!mount->source)
		return error_set(err, EINVAL, "bind on %s: no source is given", mount->destination);
	tree = clone_source(child, mount, o->recursive);
	if (tree < 0)
		return error_errno(
			err, tree, "cannot bind %s on %s", mount->source, mount->destination);
	r = set_attributes(
		tree, o->set_recursive, o->clear_recursive, 0, true, mount->destination, err);
	if (r == 0)
		r = set_attributes(tree, o->set, o->clear, 0, false, mount->destination, err);
	if (r == 0)
		r = set_attributes(tree, 0, 0, propagation,
			o->propagation ? o->propagation_recursive : true, mount->destination, err);
	if (r < 0)
		return r;
	target = open_target_for(child, tree, mount->destination, err);
	if (target < 0)
		return target;
	return mounts_attach(tree, target, "", mount->destination, err);
}

int mounts_bind_file(struct child *child, const char *source, const char *path, struct error *err)
{
	const char *name = mounts_make_in_dev(child, path, S_IFREG);
	_cleanup_close_ int tree = clone_tree(AT_FDCWD, source, false), target = -1;

	if (tree < 0)
		return error_errno(err, tree, "cannot bind %s on %s", source, path);
	if (name)
		return mounts_attach(tree, child->dev_fd, name, path, err);
	target = mounts_open_target(child->root_fd, path, false, err);
	return target < 0 ? target : mounts_attach(tree, target, "", path, err);
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
	_cleanup_close_ int hidden = -1, top = -1;
	_cleanup_free_ char *data = NULL;
	const char *source = entry->source ? entry->source : entry->type, *target;
	unsigned long flags = o->flags;
	int r;

	if (o->data.len && !(data = usable_data(child, o->data.data)))
		return error_oom(err);
	r = enter_target(child, entry->destination, &target, err);
	if (r < 0)
		return r;
	if (o->copy_up) {
		hidden = io_open_in_root(
			child->root_fd, entry->destination, O_RDONLY | O_DIRECTORY, 0);
		if (hidden < 0)
			return error_errno(err, hidden, "cannot open %s", entry->destination);
		flags &= ~(unsigned long)MS_RDONLY;
	}
	if (mount(source, target, entry->type, flags, data) < 0)
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

/* A tmpfs on /dev is ours to fill. */
static int note_dev(struct child *child, bool is_tmpfs, struct error *err)
{
	cleanup_close(&child->dev_fd);
	child->dev_fd = -1;
	if (!is_tmpfs)
		return 0;
	child->dev_fd = io_open_in_root(child->root_fd, "/dev", O_PATH | O_DIRECTORY, 0);
	return child->dev_fd < 0 ? error_errno(err, child->dev_fd, "cannot open /dev") : 0;
}

static int mount_one(struct child *child, const struct container_mount *mount, struct error *err)
{
	_cleanup_(mount_options_free) struct mount_options options = { 0 };
	int r;

	r = mount_options_parse(mount, &options, err);
	if (r < 0)
		return r;
	if (options.bind)
		r = mount_bind(child, mount, &options, err);
	else if (streq(mount->type, "cgroup") || streq(mount->type, "cgroup2"))
		r = mounts_cgroup(child, mount, &options, err);
	else
		r = mount_filesystem(child, mount, &options, err);
	if (r == 0 && streq(mount->destination, "/dev"))
		r = note_dev(child, !options.bind && streq(mount->type, "tmpfs"), err);
	return r;
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
