/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuse.c - an ordinary user's root where the kernel refuses an overlay in a user namespace.
 *
 * First choice is fuse-overlayfs, started by the parent in the child's user namespace but not in
 * its pid namespace, where the container could see it; it ends when the container's mount goes.
 * Without it the layers are copied into the upper directory once, bottom first.
 */
#include "container/rootfs.h"
#include "container/spawn.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/process.h"
#include "base/str.h"

/* Marks an upper directory that holds a whole copy. */
#define COPIED_MARK ".strata-copied"

/* "lowerdir=...,upperdir=...,workdir=..." with absolute names. */
static char *fuse_options(const struct container_rootfs *rootfs)
{
	_cleanup_str_ struct str data = { 0 };

	str_append(&data, "lowerdir=");
	strv_for_each (layer, rootfs->layers) {
		if (layer != rootfs->layers)
			str_append_char(&data, ':');
		str_append(&data, *layer);
	}
	if (rootfs->upper)
		str_appendf(&data, ",upperdir=%s,workdir=%s", rootfs->upper, rootfs->work);
	return str_finish(&data);
}

/* Get the mount from the parent, or why there is none. */
static int ask_parent(struct child *child, int *ret_tree, struct error *err)
{
	_cleanup_free_ char *options = fuse_options(&child->config->rootfs);
	struct sync_message message = { .type = SYNC_FUSE };
	int r;

	if (!options)
		return error_oom(err);
	if (snprintf(message.error.message, sizeof(message.error.message), "%s", options) >=
		(int)sizeof(message.error.message))
		return error_set(err, E2BIG, "the image has too many layers for fuse-overlayfs");
	/* The parent can enter our namespace only while we are not hidden (child.c). In a pid
	 * namespace of our own nobody else is there to take advantage. */
	if (child->config->namespaces[CONTAINER_NS_PID].path)
		return error_set(err, EPERM, "a shared pid namespace forbids fuse-overlayfs");
	if (prctl(PR_SET_DUMPABLE, 1) < 0)
		return error_errno(err, errno, "cannot make the process dumpable");
	r = sync_send(child->sync_fd, &message, -1);
	if (r == 0)
		r = child_receive_answer(child, &message, ret_tree);
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return error_errno(err, errno, "cannot make the process undumpable");
	if (r < 0)
		return error_errno(err, r, "cannot ask for fuse-overlayfs");
	if (message.error.code)
		return error_set(err, message.error.code, "%s", message.error.message);
	return 0;
}

static int attach_root(int tree, const char *target, struct error *err)
{
	_cleanup_close_ int place = open(target, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (place < 0)
		return error_errno(err, errno, "cannot open %s", target);
	return mounts_attach(tree, place, "", target, err);
}

static int copy_layers(const struct container_rootfs *rootfs, const char *mark, struct error *err)
{
	_cleanup_close_ int to = io_open_dir(AT_FDCWD, rootfs->upper);

	if (to < 0)
		return error_errno(err, to, "cannot open %s", rootfs->upper);
	for (size_t n = strv_length(rootfs->layers); n > 0; n--) {
		_cleanup_close_ int from = io_open_dir(AT_FDCWD, rootfs->layers[n - 1]);
		int r = from < 0
			? error_errno(err, from, "cannot open the layer %s", rootfs->layers[n - 1])
			: copy_tree(from, to, err);

		if (r < 0)
			return r;
	}
	return io_replace_file(AT_FDCWD, mark, 0600, "", 0, IO_VOLATILE, err);
}

int rootfs_mount_without_overlay(
	struct child *child, const char *target, int cause, struct error *err)
{
	const struct container_rootfs *rootfs = &child->config->rootfs;
	_cleanup_close_ int tree = -1;
	struct error fuse_error = { 0 };
	_cleanup_free_ char *mark = rootfs->work ? strf("%s/" COPIED_MARK, rootfs->work) : NULL;
	bool copied = mark && access(mark, F_OK) == 0;
	int r;

	r = child_await_prepared(child, err);
	if (r < 0)
		return r;
	if (!copied && ask_parent(child, &tree, &fuse_error) == 0) {
		sync_warn(child->sync_fd,
			"the kernel refuses an overlay here (%s): using fuse-overlayfs",
			strerror(cause));
		return attach_root(tree, target, err);
	}
	if (!mark)
		return error_set(err, cause, "cannot mount the image's layers: %s; and %s",
			strerror(cause), fuse_error.message);
	if (!copied) {
		sync_warn(child->sync_fd,
			"the kernel refuses an overlay here (%s) and %s: copying the image instead",
			strerror(cause), fuse_error.message);
		r = copy_layers(rootfs, mark, err);
		if (r < 0)
			return r;
	}
	if (mount(rootfs->upper, target, NULL, MS_BIND, NULL) < 0)
		return error_errno(err, errno, "cannot bind %s on %s", rootfs->upper, target);
	return 0;
}

/*
 * In a fork of the parent: root of the child's user namespace, in a mount namespace of its own. The
 * daemon keeps that namespace alive, so the mount must not stay there: only the detached clone
 * does, and when the container's last process is gone with it, the daemon ends.
 */
static int mount_here(int pidfd, char *options, int *ret_tree, struct error *err)
{
	char program[] = "fuse-overlayfs", flag[] = "-o", place[] = "/sys";
	char *const argv[] = { program, flag, options, place, NULL };
	int r;

	if (setns(pidfd, CLONE_NEWUSER) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 ||
		unshare(CLONE_NEWNS) < 0)
		return error_errno(err, errno, "fuse-overlayfs cannot be started");
	r = process_run(argv, NULL, NULL, err);
	if (r == -ENOENT)
		return error_set(err, ENOENT, "fuse-overlayfs is not installed");
	if (r != 0)
		return r < 0 ? r : -EIO;
	*ret_tree = open_tree(AT_FDCWD, place, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (*ret_tree < 0)
		return error_errno(err, errno, "fuse-overlayfs cannot be mounted");
	umount2(place, MNT_DETACH);
	return 0;
}

int spawn_mount_fuse(int pidfd, char *options, int *ret_tree, struct error *err)
{
	struct sync_message message = { .type = SYNC_FUSE };
	int pair[2], tree = -1, r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, errno, "cannot make a socket pair");
	pid = fork();
	if (pid == 0) {
		mount_here(pidfd, options, &tree, &message.error);
		_exit(sync_send(pair[1], &message, tree) < 0);
	}
	close(pair[1]);
	r = pid < 0 ? error_errno(err, errno, "cannot fork")
		    : sync_receive(pair[0], &message, ret_tree);
	close(pair[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (pid < 0)
		return r;
	if (r != 1)
		return error_set(err, EIO, "fuse-overlayfs failed");
	return message.error.code ? error_set(err, message.error.code, "%s", message.error.message)
				  : 0;
}
