/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rootfs.h - what rootfs.c, fuse.c and open-rootfs.c share with spawn.c and each other.
 */
#pragma once

#include "container/internal.h"

/* An ordinary user's root where the kernel refused an overlay with errno value `cause`:
 * fuse-overlayfs, else a copy of the layers. One warning says which. */
int rootfs_mount_without_overlay(
	struct child *child, const char *target, int cause, struct error *err);

/* container_open_rootfs() as real root, with the layers shown in the ids of a user namespace
 * (userns_fd, -1 = as they are on disk). */
int rootfs_open_mapped(const struct container_config *config, int userns_fd, int *ret_root_fd,
	int *ret_userns_fd, struct error *err);
