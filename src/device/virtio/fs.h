/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs.h - folders of the host in the guest (virtio 1.2 §5.11): the queues on one side, the server
 * process of share/ on the other.
 *
 * A snapshot keeps what the guest's kernel knows of files, and which it has open: by their names.
 * When the machine is restored, those that are not there any more are ESTALE for the guest.
 */
#pragma once

#include "base/error.h"
#include "base/loop.h"
#include "device/virtio/virtio.h"
#include "share/share.h"

#define VIRTIO_FS_TAG_MAX 36

struct virtio_fs;

/*
 * Starts the server, so the caller has one thread still, and `memory` has all of its regions. `tag`
 * is what the guest mounts; below it is a folder (or file) for each share. On the loop's thread.
 */
int virtio_fs_new(struct loop *loop, struct vm_memory *memory, const char *tag,
	const struct share *shares, size_t nr, struct virtio_fs **ret, struct error *err);
/* NULL is fine. Returns NULL. */
struct virtio_fs *virtio_fs_free(struct virtio_fs *fs);
/* For a transport. */
struct virtio_device *virtio_fs_device(struct virtio_fs *fs);
/* What a snapshot keeps besides virtio_fs_device()->saved. */
struct vm_saved *virtio_fs_saved(struct virtio_fs *fs);
