/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doorbell.h - how a vcpu's thread calls a device that works on the thread of an event loop.
 *
 * All of such a device's work happens on the loop's thread with the device's lock held: callbacks
 * of its sources take it, stop() and reset() are called with it. So nothing is under way when these
 * run, and nobody waits for the other with it.
 */
#pragma once

#include "base/loop.h"
#include "device/virtio/virtio.h"

struct virtio_doorbell {
	struct loop *loop;
	struct loop_source source;
	struct virtio_device *device;
	/* On the loop's thread, with the lock held, while the device is started. */
	void (*rung)(struct virtio_device *device);
	bool is_pending;
};

int virtio_doorbell_init(struct virtio_doorbell *bell, struct loop *loop,
	struct virtio_device *device, void (*rung)(struct virtio_device *), struct error *err);
/* On the loop's thread. One that is all zero is fine. */
void virtio_doorbell_destroy(struct virtio_doorbell *bell);
/* From any thread, with or without the lock: rung() comes soon, once for all calls before it. */
void virtio_doorbell_ring(struct virtio_doorbell *bell);
