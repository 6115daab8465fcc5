/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-rng.c - random bytes of the host: every machine has one.
 */
#include "device/virtio/rng.h"
#include "machine/virtio.h"

static int open_rng(struct machine *m, unsigned index, void **ret, struct error *err)
{
	struct virtio_rng *rng;
	int r = virtio_rng_open(&m->loop, &m->memory, &rng, err);

	if (r == 0)
		*ret = rng;
	return r;
}

static struct virtio_device *device(void *self)
{
	return virtio_rng_device(self);
}

static void close_rng(void *self)
{
	virtio_rng_close(self);
}

const struct machine_virtio machine_virtio_rng = {
	.name = "virtio-rng",
	.open = open_rng,
	.device = device,
	.close = close_rng,
};
