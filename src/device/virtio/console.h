/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console.h - a terminal for the guest (virtio 1.2 §5.3): one port, with its size.
 */
#pragma once

#include "device/console.h"
#include "device/virtio/virtio.h"

struct virtio_console;

/* `console` is where the characters go and come from; it has no other guest, and is open as long as
 * the device. On its loop's thread. */
int virtio_console_open(struct console *console, struct vm_memory *memory,
	struct virtio_console **ret, struct error *err);
struct virtio_console *virtio_console_close(struct virtio_console *vc);
/* For the transport. */
struct virtio_device *virtio_console_device(struct virtio_console *vc);
/* What a snapshot keeps besides virtio_console_device()->saved, and before it. */
struct vm_saved *virtio_console_saved(struct virtio_console *vc);
