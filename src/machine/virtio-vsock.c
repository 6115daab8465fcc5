/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-vsock.c - sockets between the host and the guest. Those of the host are reached through
 * the porter.
 */
#include "device/virtio/vsock.h"
#include "machine/porter.h"
#include "machine/virtio.h"

struct vsock {
	struct virtio_vsock_door door;
	struct virtio_vsock *vsock;
	struct machine *machine;
};

static unsigned count(const struct machine_config *config)
{
	return config->vsock_path ? 1 : 0;
}

static int connect_port(struct virtio_vsock_door *door, uint32_t port)
{
	return porter_connect(container_of(door, struct vsock, door)->machine->porter, port);
}

static void remove_path(struct virtio_vsock_door *door)
{
	porter_remove(container_of(door, struct vsock, door)->machine->porter, PORTER_VSOCK);
}

static int open_vsock(struct machine *m, unsigned index, void **ret, struct error *err)
{
	struct vsock *v = calloc(1, sizeof(*v));
	const struct virtio_vsock_options options = { .guest_cid = VIRTIO_VSOCK_GUEST_CID,
		.path = m->config.vsock_path,
		.door = v ? &v->door : NULL };
	int r;

	if (!v)
		return error_oom(err);
	v->door = (struct virtio_vsock_door){ .connect = connect_port, .remove = remove_path };
	v->machine = m;
	r = virtio_vsock_new(&m->loop, &m->memory, &options, &v->vsock, err);
	if (r == 0)
		*ret = v;
	else
		free(v);
	return r;
}

static struct virtio_device *device(void *self)
{
	return virtio_vsock_device(((struct vsock *)self)->vsock);
}

static void close_vsock(void *self)
{
	struct vsock *v = self;

	virtio_vsock_free(v->vsock);
	free(v);
}

static struct vm_saved *saved(void *self)
{
	return virtio_vsock_saved(((struct vsock *)self)->vsock);
}

const struct machine_virtio machine_virtio_vsock = {
	.name = "virtio-vsock",
	.count = count,
	.open = open_vsock,
	.device = device,
	.close = close_vsock,
	.saved = saved,
};
