/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-balloon.c - memory that the guest gives back: every machine has one.
 */
#include "device/virtio/balloon.h"
#include "machine/virtio.h"

static int open_balloon(struct machine *m, unsigned index, void **ret, struct error *err)
{
	struct virtio_balloon *balloon;
	int r = virtio_balloon_open(&m->loop, &m->memory, &balloon, err);

	if (r == 0)
		*ret = balloon;
	return r;
}

static struct virtio_device *device(void *self)
{
	return virtio_balloon_device(self);
}

static void close_balloon(void *self)
{
	virtio_balloon_close(self);
}

static struct vm_saved *saved(void *self)
{
	return virtio_balloon_saved(self);
}

const struct machine_virtio machine_virtio_balloon = {
	.name = "virtio-balloon",
	.open = open_balloon,
	.device = device,
	.close = close_balloon,
	.saved = saved,
};
