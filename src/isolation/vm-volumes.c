/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm-volumes.c - volumes that the guest fills with what the image has in their place, because they
 * are empty.
 *
 * As for containers, a lock on the volume's folder is held until it is filled: of two instances
 * that start with the same new volume one copies, and the other waits and finds it full. A machine
 * holds several of these locks at once, so they are taken in the order of their paths.
 */
#include "isolation/vm.h"

#include "base/io.h"

static int compare_paths(const void *a, const void *b)
{
	return strcmp(((const struct vm_volume *)a)->path, ((const struct vm_volume *)b)->path);
}

/* -1 in volume->fd: it has something in it. */
static int lock_volume(struct vm_volume *volume, struct error *err)
{
	_cleanup_close_ int fd = io_open_dir(AT_FDCWD, volume->path);
	int r = 0;

	if (fd < 0)
		return error_errno(err, fd, "cannot open %s", volume->path);
	if (!io_dir_is_empty(fd))
		return 0;
	r = io_lock(fd, true);
	if (r < 0)
		return error_errno(err, r, "cannot lock %s", volume->path);
	if (io_dir_is_empty(fd))
		volume->fd = steal_fd(&fd);
	return 0;
}

int vm_volumes_lock(
	const struct container_config *config, struct vm_volumes *volumes, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < config->nr_mounts && volumes->count < VM_SHARES_MAX; i++) {
		const struct container_mount *mount = &config->mounts[i];

		if (mount->source && vm_mount_is_share(mount) &&
			strv_contains(config->machine->fill, mount->destination))
			volumes->list[volumes->count++] = (struct vm_volume){ mount->source, -1 };
	}
	qsort(volumes->list, volumes->count, sizeof(volumes->list[0]), compare_paths);
	for (size_t i = 0; i < volumes->count && r == 0; i++)
		/* One may be in several places. */
		if (i == 0 || !streq(volumes->list[i].path, volumes->list[i - 1].path))
			r = lock_volume(&volumes->list[i], err);
	return r;
}

bool vm_volumes_is_new(const struct vm_volumes *volumes, const char *path)
{
	for (size_t i = 0; i < volumes->count; i++)
		if (volumes->list[i].fd >= 0 && streq(volumes->list[i].path, path))
			return true;
	return false;
}

void vm_volumes_unlock(struct vm_volumes *volumes)
{
	for (size_t i = 0; i < volumes->count; i++)
		cleanup_close(&volumes->list[i].fd);
	volumes->count = 0;
}
