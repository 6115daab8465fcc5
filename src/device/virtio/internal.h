/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - between device.c and queue.c.
 */
#pragma once

#include "device/virtio/virtio.h"

/* Find the rings of a queue, whose state is set, in memory. false: they are wrong, and the device
 * is broken. Only while the device is stopped. */
bool virtio_queue_open(struct virtio_queue *queue);
