/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount-idmap.c - binds whose ids are mapped (the parent's side; mount_setattr(2), "ID-mapped
 * mounts").
 *
 * Only who has rights over the file system's own user namespace may map the ids of a mount, so the
 * trees are made before the clone and the child, which may have given those rights up, attaches
 * them. The kernel takes the maps from a user namespace: nobody lives in the ones we make, the
 * mount keeps them.
 */
#include "container/mounts.h"
#include "container/spawn.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/str.h"

static int make_user_namespace(const struct userns_maps *maps, int *ret_fd, struct error *err)
{
	pid_t pid = spawn_clone(CLONE_NEWUSER, NULL);
	char path[40];
	int r;

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	if (pid < 0)
		return error_errno(err, errno, "cannot make a user namespace");
	r = userns_write_maps(pid, maps, err);
	if (r == 0) {
		snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
		*ret_fd = open(path, O_RDONLY | O_CLOEXEC);
		if (*ret_fd < 0)
			r = error_errno(err, errno, "cannot open the new user namespace");
	}
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return r;
}

/* Its own maps, else the container's. */
static int open_maps(const struct child *child, const struct container_mount *mount, int *ret_fd,
	struct error *err)
{
	const struct container_config *config = child->config;
	int joined = child->namespace_fds[CONTAINER_NS_USER];

	if (!mount->id_maps.nr_uid != !mount->id_maps.nr_gid)
		return error_set(err, EINVAL, "uidMappings and gidMappings go together");
	if (mount->id_maps.nr_uid)
		return make_user_namespace(&mount->id_maps, ret_fd, err);
	if (joined >= 0) {
		*ret_fd = fcntl(joined, F_DUPFD_CLOEXEC, 0);
		return *ret_fd < 0 ? error_errno(err, errno, "cannot open its maps") : 0;
	}
	if (!config->namespaces[CONTAINER_NS_USER].wanted)
		return error_set(
			err, EINVAL, "\"idmap\" needs maps, or the container a user namespace");
	return make_user_namespace(&config->id_maps, ret_fd, err);
}

static int map_ids(struct child *child, size_t i, const struct mount_options *o, struct error *err)
{
	const struct container_mount *mount = &child->config->mounts[i];
	struct mount_attr attributes = { .attr_set = MOUNT_ATTR_IDMAP };
	_cleanup_close_ int maps = -1, tree = -1;
	int r = open_maps(child, mount, &maps, err);

	if (r == 0)
		r = mount_sources_allocate(child, err);
	if (r < 0)
		return r;
	tree = open_tree(AT_FDCWD, mount->source ? mount->source : "",
		OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (o->recursive ? AT_RECURSIVE : 0));
	if (tree < 0)
		return error_errno(err, errno, "cannot bind %s", mount->source);
	attributes.userns_fd = (uint64_t)maps;
	if (mount_setattr(tree, "", AT_EMPTY_PATH | (o->id_mapped_recursive ? AT_RECURSIVE : 0),
		    &attributes, sizeof(attributes)) < 0)
		return error_errno(err, errno,
			errno == EPERM
				? "only the host's root can map the ids of %s"
				: "cannot map the ids of %s (its file system may not allow it)",
			mount->source);
	child->source_fds[i] = steal_fd(&tree);
	return 0;
}

int mounts_map_ids(struct child *child, struct error *err)
{
	for (size_t i = 0; i < child->config->nr_mounts; i++) {
		const struct container_mount *mount = &child->config->mounts[i];
		_cleanup_(mount_options_free) struct mount_options options = { 0 };
		int r;

		if (!mount->id_maps.nr_uid && !mount->id_maps.nr_gid &&
			!strv_contains(mount->options, "idmap") &&
			!strv_contains(mount->options, "ridmap"))
			continue;
		r = mount_options_parse(mount, &options, err);
		if (r < 0)
			return r;
		r = map_ids(child, i, &options, err);
		if (r < 0)
			return error_prefix(err, "mount on %s", mount->destination);
	}
	return 0;
}

void mounts_close_sources(struct child *child)
{
	for (size_t i = 0; child->source_fds && i < child->config->nr_mounts; i++)
		cleanup_close(&child->source_fds[i]);
	free(child->source_fds);
	child->source_fds = NULL;
}
