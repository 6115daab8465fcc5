/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doorbell.c - an eventfd that is written to when nobody has done so since it was last read.
 */
#include "device/virtio/doorbell.h"

#include <linux/virtio_config.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "base/cleanup.h"

static void doorbell_ready(struct loop_source *source, uint32_t events)
{
	struct virtio_doorbell *bell = container_of(source, struct virtio_doorbell, source);
	eventfd_t count;
	uint8_t status;

	if (eventfd_read(source->fd, &count) < 0)
		return;
	/* Before the work, so that what comes during it is not missed. */
	__atomic_store_n(&bell->is_pending, false, __ATOMIC_SEQ_CST);
	pthread_mutex_lock(&bell->device->lock);
	status = __atomic_load_n(&bell->device->state.status, __ATOMIC_ACQUIRE);
	/* A broken device's queues are empty, whatever their rings say. */
	if (bell->device->started && !(status & VIRTIO_CONFIG_S_NEEDS_RESET))
		bell->rung(bell->device);
	pthread_mutex_unlock(&bell->device->lock);
}

int virtio_doorbell_init(struct virtio_doorbell *bell, struct loop *loop,
	struct virtio_device *device, void (*rung)(struct virtio_device *), struct error *err)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int r;

	if (fd < 0)
		return error_errno(err, errno, "cannot create an event descriptor");
	*bell = (struct virtio_doorbell){
		.loop = loop,
		.source = { .ready = doorbell_ready, .fd = fd },
		.device = device,
		.rung = rung,
	};
	r = loop_add(loop, &bell->source, EPOLLIN);
	if (r < 0) {
		close(fd);
		*bell = (struct virtio_doorbell){ 0 };
		return error_errno(err, r, "cannot watch an event descriptor");
	}
	return 0;
}

void virtio_doorbell_destroy(struct virtio_doorbell *bell)
{
	if (!bell->loop)
		return;
	loop_remove(bell->loop, &bell->source);
	close(bell->source.fd);
	bell->loop = NULL;
}

void virtio_doorbell_ring(struct virtio_doorbell *bell)
{
	if (!__atomic_exchange_n(&bell->is_pending, true, __ATOMIC_SEQ_CST))
		eventfd_write(bell->source.fd, 1);
}
