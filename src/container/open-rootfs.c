/* SPDX-License-Identifier: Apache-2.0 */
/*
 * open-rootfs.c - the root filesystem of a container that does not run, for `cp`.
 *
 * A helper process mounts it in a mount namespace of its own, as a child of container_spawn()
 * would, and hands back a detached clone: the mount lives as long as the descriptor.
 */
#include "container/rootfs.h"
#include "container/spawn.h"

#include <linux/securebits.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/str.h"

/* Show `path` with the ids of the user namespace, by a mount over itself. */
static int map_ids_of(const char *path, int userns_fd, struct error *err)
{
	_cleanup_close_ int tree = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC),
			    place = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct mount_attr attributes = {
		.attr_set = MOUNT_ATTR_IDMAP,
		.userns_fd = (uint64_t)userns_fd,
	};

	if (tree < 0 || place < 0)
		return error_errno(err, errno, "cannot open %s", path);
	if (mount_setattr(tree, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) < 0)
		return error_errno(err, errno,
			"cannot map the ids of %s (its file system may not allow it)", path);
	return mounts_attach(tree, place, "", path, err);
}

/*
 * On disk the layers and the writable directory keep the ids of the image; the overlay stacks
 * idmapped mounts of them. What the overlay does by itself it does as whoever mounts it: that must
 * be an id the map knows, the namespace's root, but with the capabilities of the host's root, who
 * alone may read trusted.overlay.*.
 */
static int map_ids(struct child *child, int userns_fd, struct error *err)
{
	const struct container_rootfs *rootfs = &child->config->rootfs;
	_cleanup_free_ char *parent = rootfs->upper ? strdup(rootfs->upper) : NULL;
	char *slash = parent ? strrchr(parent, '/') : NULL;
	uid_t uid = child->config->id_maps.uid[0].outside;
	gid_t gid = child->config->id_maps.gid[0].outside;
	int r;

	strv_for_each (layer, rootfs->layers) {
		r = map_ids_of(*layer, userns_fd, err);
		if (r < 0)
			return r;
	}
	/* upper and work must be on one mount: their directory's. */
	if (slash && slash != parent) {
		*slash = '\0';
		r = map_ids_of(parent, userns_fd, err);
		if (r < 0)
			return r;
	}
	if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) < 0 || setresgid(gid, gid, gid) < 0 ||
		setresuid(uid, uid, uid) < 0)
		return error_errno(err, errno, "cannot become user %u", uid);
	return 0;
}

static int mount_and_send(struct child *child, int userns_fd, struct error *err)
{
	int tree, r;

	if (child->in_userns && (r = namespaces_become_root(child, err)) < 0)
		return r;
	if ((r = rootfs_isolate_mounts(child, err)) < 0 ||
		(userns_fd >= 0 && (r = map_ids(child, userns_fd, err)) < 0) ||
		(r = rootfs_mount(child, err)) < 0)
		return r;
	tree = open_tree(child->root_fd, "",
		AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0)
		return error_errno(err, errno, "cannot clone the root's mount");
	r = sync_send_type(child->sync_fd, SYNC_READY, tree);
	return r < 0 ? error_errno(err, r, "cannot pass the root on") : 0;
}

static void helper_main(struct child *child, int userns_fd) __attribute__((noreturn));

static void helper_main(struct child *child, int userns_fd)
{
	struct sync_message message = { .type = SYNC_FAILED };

	child->in_cgroup = true;
	umask(0);
	if (mount_and_send(child, userns_fd, &message.error) < 0)
		sync_send(child->sync_fd, &message, -1);
	_exit(0);
}

static int open_user_namespace(pid_t pid, int *ret_fd, struct error *err)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	*ret_fd = open(path, O_RDONLY | O_CLOEXEC);
	return *ret_fd < 0 ? error_errno(err, errno, "cannot open the new user namespace") : 0;
}

int rootfs_open_mapped(const struct container_config *config, int userns_fd, int *ret_root_fd,
	int *ret_userns_fd, struct error *err)
{
	struct container_handle handle = CONTAINER_HANDLE_INIT;
	struct child child = SPAWN_CHILD_INIT;
	_cleanup_close_ int made = -1;
	int pair[2], r = 0;

	child.config = config;
	child.rootless = geteuid() != 0;
	/* As root the layers are readable as they are; ids are the disk's, as the caller's are. */
	child.in_userns = child.rootless;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, errno, "cannot make a socket pair");
	handle.pid = spawn_clone(
		CLONE_NEWNS | (child.in_userns ? CLONE_NEWUSER : 0), &handle.pidfd);
	if (handle.pid == 0) {
		close(pair[0]);
		child.sync_fd = pair[1];
		helper_main(&child, userns_fd);
	}
	if (handle.pid < 0)
		r = error_errno(err, errno, "cannot make a mount namespace");
	close(pair[1]);
	handle.sync_fd = pair[0];
	if (r == 0 && child.in_userns)
		r = userns_write_maps(handle.pid, &config->id_maps, err);
	if (r == 0 && child.in_userns && ret_userns_fd)
		r = open_user_namespace(handle.pid, &made, err);
	if (r == 0) {
		/* A helper that is gone already has said why: the next call reads it. */
		sync_send_type(handle.sync_fd, SYNC_PREPARED, -1);
		r = spawn_await_ready(&child, &handle, err);
	}
	if (r == 0)
		*ret_root_fd = steal_fd(&handle.terminal_fd);
	if (r == 0 && ret_userns_fd)
		*ret_userns_fd = steal_fd(&made);
	spawn_kill(&handle);
	return r;
}

int container_open_rootfs(const struct container_config *config, int *ret_root_fd,
	int *ret_userns_fd, struct error *err)
{
	return rootfs_open_mapped(config, -1, ret_root_fd, ret_userns_fd, err);
}
