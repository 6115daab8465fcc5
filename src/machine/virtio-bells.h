/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-bells.h - notifications of a driver that make no vcpu leave the guest, where the board can
 * do that: whoever runs the guest writes to an eventfd, one for each queue, and the event loop
 * tells the device.
 */
#pragma once

#include "device/virtio/virtio.h"
#include "machine/internal.h"

struct machine_bells;

/* For the device whose registers are at `address`. *ret is NULL where the board has nothing for it;
 * it is closed on the event loop's thread, before the device. */
int machine_bells_open(struct machine *machine, struct virtio_device *device, uint64_t address,
	struct machine_bells **ret, struct error *err);
struct machine_bells *machine_bells_close(struct machine_bells *bells);
