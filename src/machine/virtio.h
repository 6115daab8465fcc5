/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio.h - the devices that sit behind virtio-mmio: rows of one table (virtio.c), which say what
 * differs between them.
 */
#pragma once

#include "device/virtio/virtio.h"
#include "machine/internal.h"

struct machine_virtio {
	const char *name; /* "virtio-blk" */
	/* How many the machine gets. NULL: one. */
	unsigned (*count)(const struct machine_config *config);
	/* Make number `index`; *ret is for the others. */
	int (*open)(struct machine *machine, unsigned index, void **ret, struct error *err);
	struct virtio_device *(*device)(void *self);
	void (*close)(void *self);
	/* What a snapshot keeps besides what is the same of all of them. NULL: nothing. */
	struct vm_saved *(*saved)(void *self);
};

/* In the order in which the guest finds them. NULL-ended. */
extern const struct machine_virtio *const machine_virtio[];

extern const struct machine_virtio machine_virtio_balloon, machine_virtio_blk,
	machine_virtio_console, machine_virtio_fs, machine_virtio_net, machine_virtio_rng,
	machine_virtio_vsock;

/* The machine's first device of that row, as its open() made it; NULL: it has none. */
void *machine_virtio_find(const struct machine *machine, const struct machine_virtio *row);

/* One device at the next free place; devices.c keeps it. */
int machine_virtio_open(struct machine *machine, const struct machine_virtio *row, unsigned index,
	struct machine_device *ret, struct error *err);
