/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuse.c - an ordinary user's root where the kernel refuses an overlay in a user namespace.
 *
 * First choice is fuse-overlayfs, started by the parent in the child's user and mount namespaces
 * but not in its pid namespace, where the container could see it; it ends when the mount goes.
 * Without it the layers are copied into the upper directory once, bottom first.
 */
#include "container/rootfs.h"
#include "container/spawn.h"

#include <limits.h>
#include <sched.h>
#include <sys/mount.h>
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

/* The parent's answer: 0, or why fuse-overlayfs did not do it. */
static int ask_parent(struct child *child, const char *target, struct error *err)
{
	_cleanup_free_ char *options = fuse_options(&child->config->rootfs);
	struct sync_message message = { .type = SYNC_FUSE };
	int r;

	if (!options)
		return error_oom(err);
	if (snprintf(message.error.message, sizeof(message.error.message), "%s\n%s", options,
		    target) >= (int)sizeof(message.error.message))
		return error_set(err, E2BIG, "the image has too many layers for fuse-overlayfs");
	r = sync_send(child->sync_fd, &message, -1);
	if (r == 0 && sync_receive(child->sync_fd, &message, NULL) != 1)
		r = -EPIPE;
	if (r < 0)
		return error_errno(err, r, "cannot ask for fuse-overlayfs");
	if (message.error.code)
		return error_set(err, message.error.code, "%s", message.error.message);
	return 0;
}

static int copy_layers(const struct container_rootfs *rootfs, struct error *err)
{
	_cleanup_free_ char *mark = NULL;
	_cleanup_close_ int to = io_open_dir(AT_FDCWD, rootfs->upper);

	if (to < 0)
		return error_errno(err, to, "cannot open %s", rootfs->upper);
	mark = strf("%s/" COPIED_MARK, rootfs->work);
	if (!mark)
		return error_oom(err);
	if (access(mark, F_OK) == 0)
		return 0;
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
	struct error fuse_error = { 0 };
	int r;

	r = child_await_prepared(child, err);
	if (r < 0)
		return r;
	if (ask_parent(child, target, &fuse_error) == 0) {
		sync_warn(child->sync_fd,
			"the kernel refuses an overlay here (%s): using fuse-overlayfs",
			strerror(cause));
		return 0;
	}
	if (!rootfs->upper)
		return error_set(err, cause, "cannot mount the image's layers: %s; and %s",
			strerror(cause), fuse_error.message);
	sync_warn(child->sync_fd,
		"the kernel refuses an overlay here (%s) and %s: copying the image instead",
		strerror(cause), fuse_error.message);
	r = copy_layers(rootfs, err);
	if (r < 0)
		return r;
	if (mount(rootfs->upper, target, NULL, MS_BIND, NULL) < 0)
		return error_errno(err, errno, "cannot bind %s on %s", rootfs->upper, target);
	return 0;
}

/* In a fork of the parent: become root of the child's namespaces and run the program there. */
static int run_in_namespaces(int pidfd, char *options, char *target)
{
	char program[] = "fuse-overlayfs", flag[] = "-o";
	char *const argv[] = { program, flag, options, target, NULL };
	struct error error = { 0 };
	int r;

	if (setns(pidfd, CLONE_NEWUSER | CLONE_NEWNS) < 0 || setresgid(0, 0, 0) < 0 ||
		setresuid(0, 0, 0) < 0)
		return errno;
	r = process_run(argv, NULL, NULL, &error);
	return r == -ENOENT ? ENOENT : r ? EIO : 0;
}

int spawn_mount_fuse(int pidfd, const char *arguments, struct error *err)
{
	_cleanup_free_ char *copy = strdup(arguments);
	char *target = copy, *options;
	int status;
	pid_t pid;

	if (!copy)
		return error_oom(err);
	options = strsep(&target, "\n");
	if (!target)
		return error_set(err, EPROTO, "the container's process speaks nonsense");
	pid = fork();
	if (pid < 0)
		return error_errno(err, errno, "cannot fork");
	if (pid == 0)
		_exit(run_in_namespaces(pidfd, options, target));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == ENOENT)
		return error_set(err, ENOENT, "fuse-overlayfs is not installed");
	return error_set(err, EIO, "fuse-overlayfs failed");
}
