/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_volumes.c - make the volumes of a plan, and fill new ones with what the image has there.
 *
 * A volume is filled while it is empty, as in Docker, under a lock on its directory: of two
 * instances that start with the same new volume one copies and the other waits and finds it full.
 * The copy is made as root of the caller's user namespace, so that owners come out right.
 */
#include "front/cli/run_options.h"

#include <sys/stat.h>

#include "base/io.h"
#include "base/userns.h"
#include "container/container.h"
#include "front/cli/copy.h"
#include "instance/volume.h"

int run_plan_make_volumes(const struct cli *cli, struct run_plan *plan, struct error *err)
{
	/* What an ordinary user has is in their own ids anyway, and cannot be mapped again. */
	bool mapped = plan->config.namespaces[CONTAINER_NS_USER].wanted && !cli->rootless;

	strv_for_each (path, plan->host_directories) {
		int r = io_make_dirs(AT_FDCWD, *path, 0755, err);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < plan->nr_volumes; i++) {
		struct run_volume *planned = &plan->volumes[i];
		struct container_mount *mount = &plan->config.mounts[planned->mount];
		_cleanup_volume_ struct volume volume = { 0 };
		int r = volume_create(cli->root, planned->name, NULL, &volume, err);

		if (r < 0)
			return r;
		if (planned->anonymous) {
			planned->name = strdup(volume.name);
			if (!planned->name ||
				strv_push(&plan->spec.anonymous_volumes, volume.name) < 0)
				return error_oom(err);
		}
		free(mount->source);
		mount->source = steal_ptr(&volume.path);
		/* On disk a volume has the ids of the image, as layers do, whoever mounts it. */
		if (mapped && strv_push(&mount->options, "idmap") < 0)
			return error_oom(err);
	}
	return 0;
}

struct fill {
	int root_fd, volume_fd;
	const char *destination;
};

static int fill(void *context, struct error *err)
{
	const struct fill *f = context;
	_cleanup_close_ int source = -1;
	const struct copy_options options = { .owners = true };

	source = io_open_in_root(f->root_fd, f->destination, O_RDONLY | O_DIRECTORY, 0);
	/* Nothing to copy where the image has nothing, or a file. */
	if (source == -ENOENT || source == -ENOTDIR)
		return 0;
	if (source < 0)
		return error_errno(err, source, "cannot open %s of the image", f->destination);
	return copy_directory_content(source, f->volume_fd, &options, err);
}

int run_plan_fill_volumes(const struct cli *cli, struct run_plan *plan,
	struct container_config *config, struct error *err)
{
	_cleanup_close_ int root_fd = -1, userns_fd = -1;

	for (size_t i = 0; i < plan->nr_volumes; i++) {
		const struct run_volume *v = &plan->volumes[i];
		_cleanup_free_ char *path = strf("%s/volumes/%s/_data", cli->root, v->name);
		_cleanup_close_ int volume_fd = -1;
		struct fill context;
		int r;

		if (!path)
			return error_oom(err);
		if (!v->copy)
			continue;
		volume_fd = io_open_dir(AT_FDCWD, path);
		if (volume_fd < 0)
			return error_errno(err, volume_fd, "cannot open volume %s", v->name);
		r = io_lock(volume_fd, true);
		if (r < 0)
			return error_errno(err, r, "cannot lock volume %s", v->name);
		if (!io_dir_is_empty(volume_fd))
			continue;
		if (root_fd < 0)
			r = container_open_rootfs(config, &root_fd, &userns_fd, err);
		context = (struct fill){ root_fd, volume_fd, v->destination };
		if (r == 0)
			r = userns_call_in(userns_fd, fill, &context, err);
		if (r < 0)
			return error_prefix(err, "cannot fill volume %s", v->name);
	}
	return 0;
}
