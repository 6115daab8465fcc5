/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blk.h - a disk for the guest (virtio 1.2 §5.2).
 */
#pragma once

#include "base/loop.h"
#include "device/virtio/virtio.h"
#include "disk/disk.h"

#define VIRTIO_BLK_QUEUES_MAX 16
#define VIRTIO_BLK_SERIAL_MAX 20 /* characters; §5.2.6 */

struct virtio_blk_options {
	struct disk *disk; /* stays the caller's, and open as long as the device */
	const char *serial; /* what the guest sees as its name; may be NULL */
	unsigned nr_queues; /* at most VIRTIO_BLK_QUEUES_MAX; the guest uses one for each of its
			       CPUs */
};

struct virtio_blk;

/* On the loop's thread. */
int virtio_blk_open(struct loop *loop, struct vm_memory *memory,
	const struct virtio_blk_options *options, struct virtio_blk **ret, struct error *err);
struct virtio_blk *virtio_blk_close(struct virtio_blk *blk);
/* For the transport. */
struct virtio_device *virtio_blk_device(struct virtio_blk *blk);
/* What a snapshot keeps besides virtio_blk_device()->saved: how large the guest believes the disk
 * to be. It is told when that is another one where it goes on. */
struct vm_saved *virtio_blk_saved(struct virtio_blk *blk);
/* The disk may have another size now: measure it, and tell the guest. */
int virtio_blk_resize(struct virtio_blk *blk, struct error *err);
