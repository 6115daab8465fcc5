/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts.c - what is mounted inside the root filesystem, in the order of the configuration; binds
 * (child).
 *
 * A bind is a detached clone that gets all its attributes before it is attached, so that it is
 * never visible without them and needs no remount (Linux 5.12). Where it goes: mount-target.c.
 */
#include "container/mounts.h"

#include <sys/mount.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/str.h"

/* --- binds ---------------------------------------------------------------------------------- */

int mounts_attach(int tree_fd, int dir_fd, const char *name, const char *target, struct error *err)
{
	if (move_mount(tree_fd, "", dir_fd, name,
		    MOVE_MOUNT_F_EMPTY_PATH | (*name ? 0 : MOVE_MOUNT_T_EMPTY_PATH)) < 0)
		return error_errno(err, errno, "cannot attach the mount on %s", target);
	return 0;
}

int mount_set_attributes(int fd, uint64_t set, uint64_t clear, uint64_t propagation, bool recursive,
	const char *target, struct error *err)
{
	struct mount_attr attributes = {
		.attr_set = set,
		.attr_clr = clear,
		.propagation = propagation,
	};

	if (!set && !clear && !propagation)
		return 0;
	if (mount_setattr(fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attributes,
		    sizeof(attributes)) < 0)
		return error_errno(err, errno,
			errno == EPERM && clear
				? "cannot take back options of the mount on %s (they are locked where the user namespace has it from)"
				: "cannot set the options of the mount on %s",
			target);
	return 0;
}

static int clone_tree(int dir_fd, const char *path, bool recursive)
{
	int fd = open_tree(dir_fd, path,
		OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (*path ? 0 : AT_EMPTY_PATH) |
			(recursive ? AT_RECURSIVE : 0));

	return fd < 0 ? -errno : fd;
}

int mount_sources_allocate(struct child *child, struct error *err)
{
	size_t count = child->config->nr_mounts;

	if (child->source_fds)
		return 0;
	child->source_fds = malloc((count + 1) * sizeof(int));
	if (!child->source_fds)
		return error_oom(err);
	for (size_t i = 0; i < count; i++)
		child->source_fds[i] = -1;
	return 0;
}

int mounts_open_sources(struct child *child, struct error *err)
{
	const struct container_config *config = child->config;
	int r = mount_sources_allocate(child, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < config->nr_mounts; i++) {
		const struct container_mount *mount = &config->mounts[i];

		if (!mount->source || mount->source[0] != '/' || child->source_fds[i] >= 0)
			continue;
		child->source_fds[i] = open(mount->source, O_PATH | O_CLOEXEC);
		/* What is missing may come with a mount before it. */
		if (child->source_fds[i] < 0 && errno != ENOENT)
			return error_errno(err, errno, "cannot bind %s on %s", mount->source,
				mount->destination);
	}
	return 0;
}

/* A detached clone of a mount's source. */
static int clone_source(
	struct child *child, const struct container_mount *mount, const struct mount_options *o)
{
	const struct container_mount *mounts = child->config->mounts;
	int fd = -1, tree;

	if (child->source_fds && mount >= mounts && mount < mounts + child->config->nr_mounts)
		fd = child->source_fds[mount - mounts];
	/* Cloned already, with its ids mapped or as a peer of the host's mount. */
	if (fd >= 0 && (!child->in_userns || o->id_mapped))
		return steal_fd(&child->source_fds[mount - mounts]);
	/* By its path it is found as earlier mounts have left it, if we may look there. */
	tree = clone_tree(AT_FDCWD, mount->source, o->recursive);
	return tree < 0 && fd >= 0 ? clone_tree(fd, "", o->recursive) : tree;
}

/* Words for this mount first, then those for all below it too, which win. */
static int apply_options(
	int fd, const struct mount_options *o, const char *target, struct error *err)
{
	int r = mount_set_attributes(fd, o->set, o->clear, 0, false, target, err);

	return r < 0 ? r
		     : mount_set_attributes(
			       fd, o->set_recursive, o->clear_recursive, 0, true, target, err);
}

static bool rootfs_shares(const struct child *child)
{
	const char *name = child->config->rootfs_propagation;

	return name && mount_propagation_from_name(name) & (MS_SHARED | MS_SLAVE);
}

int mount_bind(struct child *child, const struct container_mount *mount,
	const struct mount_options *o, struct error *err)
{
	_cleanup_close_ int tree = -1, target = -1;
	uint64_t propagation = o->propagation;
	bool made;
	int r;

	if (!mount->source)
		return error_set(err, EINVAL, "bind on %s: no source is given", mount->destination);
	/* Who shares the root's mounts shares these too; but what the parent cloned (idmap) is
	 * still a peer of the host's. */
	if (!propagation && (o->id_mapped || !rootfs_shares(child)))
		propagation = MS_PRIVATE;
	/* The clone of a private mount is private. */
	if (propagation == MS_PRIVATE && child->all_private && !o->id_mapped)
		propagation = 0;
	tree = clone_source(child, mount, o);
	if (tree < 0)
		return error_errno(
			err, tree, "cannot bind %s on %s", mount->source, mount->destination);
	r = apply_options(tree, o, mount->destination, err);
	if (r == 0)
		r = mount_set_attributes(tree, 0, 0, propagation,
			o->propagation ? o->propagation_recursive : true, mount->destination, err);
	if (r < 0)
		return r;
	target = mount_target_open(
		child, mount->destination, &(struct mount_subject){ .tree_fd = tree }, &made, err);
	if (target < 0)
		return target;
	return mounts_attach(tree, target, "", mount->destination, err);
}

int mounts_bind_file(
	struct child *child, int dir_fd, const char *source, const char *path, struct error *err)
{
	const char *name = mounts_make_in_dev(child, path, S_IFREG);
	_cleanup_close_ int tree = clone_tree(dir_fd, source, false), target = -1;
	bool made;

	if (tree < 0)
		return error_errno(err, tree, "cannot bind %s on %s", source, path);
	if (name)
		return mounts_attach(tree, child->dev_fd, name, path, err);
	target = mount_target_open(
		child, path, &(struct mount_subject){ .tree_fd = tree }, &made, err);
	return target < 0 ? target : mounts_attach(tree, target, "", path, err);
}

/* --- all of them ------------------------------------------------------------------------------ */

/* What is mounted there already gets other options. */
static int remount(struct child *child, const struct container_mount *entry,
	const struct mount_options *o, struct error *err)
{
	_cleanup_close_ int fd = io_open_in_root(child->root_fd, entry->destination, O_PATH, 0);
	int r;

	if (fd < 0)
		return error_errno(
			err, fd, "cannot open %s in the container's root", entry->destination);
	if (!o->bind &&
		(fchdir(fd) < 0 ||
			mount(NULL, ".", entry->type, o->flags | MS_REMOUNT, o->data.data) < 0))
		return error_errno(err, errno, "cannot remount %s", entry->destination);
	r = apply_options(fd, o, entry->destination, err);
	return r < 0 ? r
		     : mount_set_attributes(fd, 0, 0, o->propagation, o->propagation_recursive,
			       entry->destination, err);
}

/* Types that never look at the network namespace they are mounted in, as sysfs does. */
static const char *const networkless[] = { "proc", "tmpfs", "devpts", "mqueue", NULL };

static int mount_by_type(struct child *child, const struct container_mount *mount,
	const struct mount_options *o, struct error *err)
{
	if (o->remount)
		return remount(child, mount, o, err);
	if (o->bind)
		return mount_bind(child, mount, o, err);
	if (streq(mount->type, "cgroup") || streq(mount->type, "cgroup2"))
		return mount_cgroup(child, mount, o, err);
	if (!strv_contains((char **)networkless, mount->type)) {
		int r = namespaces_join_network(child, err);

		if (r < 0)
			return r;
	}
	return mount_filesystem(child, mount, o, err);
}

/* A tmpfs that we have mounted on /dev is ours to fill, as long as no link led there. */
static void note_dev(struct child *child, const struct mount_options *o, const char *type)
{
	cleanup_close(&child->dev_fd);
	child->dev_fd = -1;
	child->dev_is_bound = o->bind;
	if (!o->bind && streq(type, "tmpfs"))
		child->dev_fd = io_open_without_links(
			child->root_fd, "/dev", O_PATH | O_DIRECTORY, true);
}

static int mount_one(struct child *child, const struct container_mount *mount, struct error *err)
{
	_cleanup_(mount_options_free) struct mount_options options = { 0 };
	int r;

	r = mount_options_parse(mount, &options, err);
	if (r == 0 && options.bind && options.data.len)
		sync_warn(child->sync_fd, "mount on %s: a bind has no options \"%s\", ignored",
			mount->destination, options.data.data);
	if (r == 0)
		r = mount_by_type(child, mount, &options, err);
	if (r == 0 && !options.remount && mount_target_is(mount->destination, "/dev"))
		note_dev(child, &options, mount->type);
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

static int seal(struct child *child, const struct container_mount *mount, struct error *err)
{
	_cleanup_(mount_options_free) struct mount_options options = { 0 };
	_cleanup_close_ int fd = -1;
	int r;

	r = mount_options_parse(mount, &options, err);
	if (r < 0 || !mount_is_sealed_later(mount, &options))
		return r;
	fd = io_open_in_root(child->root_fd, mount->destination, O_PATH, 0);
	if (fd < 0)
		return error_errno(
			err, fd, "cannot open %s in the container's root", mount->destination);
	return mount_set_attributes(fd, MOUNT_ATTR_RDONLY, 0, 0, false, mount->destination, err);
}

int mounts_seal(struct child *child, struct error *err)
{
	for (size_t i = 0; i < child->config->nr_mounts; i++) {
		const struct container_mount *mount = &child->config->mounts[i];
		int r = strv_contains(mount->options, "ro") ? seal(child, mount, err) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}
