/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rootfs.h - what rootfs.c shares with fuse.c.
 */
#pragma once

#include "container/internal.h"

/* An ordinary user's root where the kernel refused an overlay with errno value `cause`:
 * fuse-overlayfs, else a copy of the layers. One warning says which. */
int rootfs_mount_without_overlay(
	struct child *child, const char *target, int cause, struct error *err);
