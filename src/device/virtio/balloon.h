/* SPDX-License-Identifier: Apache-2.0 */
/*
 * balloon.h - memory that the guest gives back (virtio 1.2 §5.5): pages in the balloon, as many as
 * the host wishes; free pages, as the guest reports them; and what it tells of its memory.
 */
#pragma once

#include <linux/virtio_balloon.h>

#include "base/loop.h"
#include "device/virtio/virtio.h"

struct virtio_balloon;

/* What the guest has told last. */
struct virtio_balloon_stats {
	int64_t time_ns; /* CLOCK_MONOTONIC; 0: nothing yet */
	uint64_t values[VIRTIO_BALLOON_S_NR]; /* UINT64_MAX: this one was not told */
};

/* On the loop's thread. */
int virtio_balloon_open(struct loop *loop, struct vm_memory *memory, struct virtio_balloon **ret,
	struct error *err);
struct virtio_balloon *virtio_balloon_close(struct virtio_balloon *balloon);
/* For the transport. */
struct virtio_device *virtio_balloon_device(struct virtio_balloon *balloon);
/* What a snapshot keeps besides virtio_balloon_device()->saved. */
struct vm_saved *virtio_balloon_saved(struct virtio_balloon *balloon);

/* From any thread. The guest is asked to give up so much memory in all, or to take some back. */
void virtio_balloon_set_target(struct virtio_balloon *balloon, uint64_t bytes);
/* The last one. */
uint64_t virtio_balloon_target(struct virtio_balloon *balloon);
/* What it has given up. */
uint64_t virtio_balloon_bytes(struct virtio_balloon *balloon);
/* What the guest has told; it is asked anew, which it answers soon, or never. */
void virtio_balloon_stats(struct virtio_balloon *balloon, struct virtio_balloon_stats *ret);
