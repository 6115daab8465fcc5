/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rng.h - random bytes of the host for the guest (virtio 1.2 §5.4).
 */
#pragma once

#include "base/loop.h"
#include "device/virtio/virtio.h"

struct virtio_rng;

/* It works on the loop's thread, on which it is opened and closed, too. */
int virtio_rng_open(
	struct loop *loop, struct vm_memory *memory, struct virtio_rng **ret, struct error *err);
struct virtio_rng *virtio_rng_close(struct virtio_rng *rng);
/* For the transport. */
struct virtio_device *virtio_rng_device(struct virtio_rng *rng);
