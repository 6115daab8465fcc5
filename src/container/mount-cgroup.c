/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount-cgroup.c - /sys/fs/cgroup as the container sees it (child).
 *
 *   v2      cgroup2 in our own cgroup namespace; where mounting is refused, a bind of our own
 *           cgroup. Without such a namespace, whose paths begin at the host's root, all of them.
 *   v1      a tmpfs with one directory per hierarchy, each a bind of our own cgroup there: what a
 *           mount in a cgroup namespace would show, without the kernel's global cgroup lock, which
 *           waits for every cgroup that is just dying.
 */
#include "container/mounts.h"

#include <limits.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/str.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

/* Clone host directory `path`, attributes set, onto the target. */
static int bind_directory(
	const char *path, int target_fd, const char *target, uint64_t attributes, struct error *err)
{
	_cleanup_close_ int tree = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	struct mount_attr attr = { .attr_set = attributes, .propagation = MS_PRIVATE };

	if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return error_errno(err, errno, "cannot mount the cgroup %s on %s", path, target);
	return mounts_attach(tree, target_fd, "", target, err);
}

/* "cpu,cpuacct" is reached as "cpu" and "cpuacct" too. */
static int link_controllers(int dir_fd, const char *controllers)
{
	_cleanup_free_ char *copy = strdup(controllers);
	char *cursor = copy, *name;

	if (!copy)
		return -ENOMEM;
	if (!strchr(controllers, ','))
		return 0;
	while ((name = strsep(&cursor, ",")))
		if (symlinkat(controllers, dir_fd, name) < 0 && errno != EEXIST)
			return -errno;
	return 0;
}

/* One line of /proc/self/cgroup: "ID:CONTROLLERS:PATH". top_fd is the working directory. */
static int mount_hierarchy(
	int top_fd, char *line, const struct container_config *config, struct error *err)
{
	char *id = strsep(&line, ":"), *controllers = strsep(&line, ":"), *path = line;
	char host[PATH_MAX];
	const char *name;

	if (!path)
		return 0;
	/* The empty list is cgroup2, which hybrid hosts have beside the others. */
	name = streq(id, "0") ? "unified" : controllers;
	if (str_after_prefix(name, "name="))
		name += strlen("name=");
	if (config->cgroup_path) {
		if (!cgroup_v1_takes_part(&config->limits, name))
			return 0;
		path = config->cgroup_path;
	}
	if (snprintf(host, sizeof(host), CGROUP_ROOT "/%s%s", name, path) >= (int)sizeof(host))
		return 0;
	if (mkdirat(top_fd, name, 0755) < 0)
		return error_errno(err, errno, "cannot make a directory for the cgroup %s", name);
	if (mount(host, name, NULL, MS_BIND, NULL) < 0) {
		/* A hierarchy that is not mounted here, or has no part in our limits. */
		if (errno == ENOENT && unlinkat(top_fd, name, AT_REMOVEDIR) == 0)
			return 0;
		return error_errno(err, errno, "cannot mount the cgroup %s", host);
	}
	if (link_controllers(top_fd, name) < 0)
		return error_set(err, EIO, "cannot link the controllers of %s", name);
	return 0;
}

static int mount_v1(struct child *child, const struct container_mount *mount_config,
	const struct mount_options *o, int target, struct error *err)
{
	_cleanup_free_ char *lines = NULL;
	_cleanup_close_ int top = -1;
	struct mount_attr attributes = { .attr_set = o->set, .propagation = MS_PRIVATE };
	char *cursor, *line;
	int r;

	r = io_read_file(AT_FDCWD, "/proc/self/cgroup", 64u << 10, &lines, NULL, err);
	if (r < 0)
		return r;
	if (fchdir(target) < 0 ||
		mount("cgroup", ".", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755") < 0)
		return error_errno(
			err, errno, "cannot mount a tmpfs on %s", mount_config->destination);
	top = io_open_without_links(
		child->root_fd, mount_config->destination, O_RDONLY | O_DIRECTORY, true);
	if (top < 0 || fchdir(top) < 0)
		return error_errno(
			err, top < 0 ? top : errno, "cannot open %s", mount_config->destination);
	cursor = lines;
	while ((line = strsep(&cursor, "\n"))) {
		r = mount_hierarchy(top, line, child->config, err);
		if (r < 0)
			return r;
	}
	if (mount_setattr(top, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof(attributes)) <
		0)
		return error_errno(err, errno, "cannot set the options of the mount on %s",
			mount_config->destination);
	return 0;
}

static int mount_v2(struct child *child, const struct container_mount *mount_config,
	const struct mount_options *o, int target, struct error *err)
{
	bool private_view = child->config->namespaces[CONTAINER_NS_CGROUP].wanted;
	const char *own = private_view ? child->config->cgroup_path : NULL;
	char host[PATH_MAX];

	if (private_view) {
		if (fchdir(target) == 0 && mount("cgroup", ".", "cgroup2", o->flags, NULL) == 0)
			return 0;
		if (errno != EPERM && errno != EBUSY)
			return error_errno(err, errno, "cannot mount cgroup2 on %s",
				mount_config->destination);
	}
	snprintf(host, sizeof(host), CGROUP_ROOT "%s", own ? own : "");
	return bind_directory(host, target, mount_config->destination, o->set, err);
}

int mount_cgroup(struct child *child, const struct container_mount *mount_config,
	const struct mount_options *options, struct error *err)
{
	const struct mount_subject subject = { .type = "cgroup", .tree_fd = -1, .on_mount = true };
	_cleanup_close_ int target = -1;
	bool made;
	/* Not cgroup_host_kind(): with a cgroup of our own we need no right to make another one. */
	enum cgroup_kind kind = cgroup_mounted_kind();
	int r;

	/* An ordinary user on a v1 host has no cgroup of their own to look at. */
	if (!child->has_cgroup && cgroup_host_kind() == CGROUP_NONE)
		return 0;
	r = namespaces_enter_cgroup(child, err);
	if (r < 0)
		return r;
	target = mount_target_open(child, mount_config->destination, &subject, &made, err);
	if (target < 0)
		return target;
	return kind == CGROUP_V1 ? mount_v1(child, mount_config, options, target, err)
				 : mount_v2(child, mount_config, options, target, err);
}
