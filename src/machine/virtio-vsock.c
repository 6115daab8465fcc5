/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-vsock.c - sockets between the host and the guest.
 */
#include "device/virtio/vsock.h"
#include "machine/virtio.h"

static unsigned count(const struct machine_config *config)
{
	return config->vsock_path ? 1 : 0;
}

static int open_vsock(struct machine *m, unsigned index, void **ret, struct error *err)
{
	const struct virtio_vsock_options options = { .guest_cid = VIRTIO_VSOCK_GUEST_CID,
		.path = m->config.vsock_path };
	struct virtio_vsock *vsock;
	int r = virtio_vsock_new(&m->loop, &m->memory, &options, &vsock, err);

	if (r == 0)
		*ret = vsock;
	return r;
}

static struct virtio_device *device(void *self)
{
	return virtio_vsock_device(self);
}

static void close_vsock(void *self)
{
	virtio_vsock_free(self);
}

static struct vm_saved *saved(void *self)
{
	return virtio_vsock_saved(self);
}

const struct machine_virtio machine_virtio_vsock = {
	.name = "virtio-vsock",
	.count = count,
	.open = open_vsock,
	.device = device,
	.close = close_vsock,
	.saved = saved,
};
