/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay.c - the overlay of a root's container as a detached mount, made by the parent.
 *
 * Mounting an overlay with an upper directory costs 0.15 to 0.25 ms (it tries out what the upper
 * file system can do), about what the child needs for its network namespace: so the parent does it
 * meanwhile, on another core, and passes the mount on.
 *
 * This takes the mount API's "lowerdir+" (Linux 6.8), one call for each layer: one "lowerdir" of
 * fsconfig(2) holds no more than 256 bytes. Wherever anything about it does not work, the answer is
 * "not made", and the child mounts the overlay in rootfs.c, which also knows how to complain.
 */
#include "container/rootfs.h"

#include <linux/mount.h>
#include <sys/mount.h>

#include "base/str.h"

static bool set(int context, const char *key, const char *value)
{
	return fsconfig(context, FSCONFIG_SET_STRING, key, value, 0) == 0;
}

int overlay_open(const struct container_rootfs *rootfs)
{
	_cleanup_close_ int context = -1;

	if (!rootfs->layers || !rootfs->upper)
		return -1;
	context = fsopen("overlay", FSOPEN_CLOEXEC);
	if (context < 0)
		return -1;
	if (!set(context, "source", "overlay"))
		return -1;
	strv_for_each (layer, rootfs->layers)
		if (!set(context, "lowerdir+", *layer))
			return -1;
	if (!set(context, "upperdir", rootfs->upper) || !set(context, "workdir", rootfs->work))
		return -1;
	if (rootfs->ephemeral && fsconfig(context, FSCONFIG_SET_FLAG, "volatile", NULL, 0) < 0)
		return -1;
	if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	return fsmount(context, FSMOUNT_CLOEXEC, 0);
}
