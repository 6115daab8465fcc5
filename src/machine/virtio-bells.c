/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-bells.c - an eventfd for each queue of a device, and what is done when it was written to.
 *
 * The device's operation runs on the event loop's thread, with its lock, instead of a vcpu's. What
 * is still in an eventfd when the device is reset or the machine saved may be lost or late: a
 * device that is started looks into its queues anyway.
 */
#include "machine/virtio-bells.h"

#include <linux/virtio_mmio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

struct bell {
	struct loop_source source;
	struct virtio_device *device;
	unsigned queue;
};

struct machine_bells {
	struct machine *machine;
	uint64_t address; /* where the driver writes a queue's number */
	unsigned nr;
	struct bell bells[VIRTIO_QUEUES_MAX];
};

static void bell_ready(struct loop_source *source, uint32_t events)
{
	struct bell *bell = container_of(source, struct bell, source);
	eventfd_t count;

	if (eventfd_read(source->fd, &count) < 0)
		return;
	pthread_mutex_lock(&bell->device->lock);
	virtio_device_notify(bell->device, bell->queue);
	pthread_mutex_unlock(&bell->device->lock);
}

static int add(struct machine_bells *bells, struct virtio_device *device, struct error *err)
{
	struct machine *m = bells->machine;
	struct bell *bell = &bells->bells[bells->nr];
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), r;

	if (fd < 0)
		return error_errno(err, errno, "cannot create an event descriptor");
	*bell = (struct bell){
		.source = { .ready = bell_ready, .fd = fd },
		.device = device,
		.queue = bells->nr,
	};
	r = loop_add(&m->loop, &bell->source, EPOLLIN);
	if (r < 0) {
		close(fd);
		return error_errno(err, r, "cannot watch an event descriptor");
	}
	r = m->board->add_bell(m, bells->address, bell->queue, fd);
	if (r < 0) {
		loop_remove(&m->loop, &bell->source);
		close(fd);
		return error_errno(err, r, "cannot make notifications of a device cheap");
	}
	bells->nr++;
	return 0;
}

int machine_bells_open(struct machine *m, struct virtio_device *device, uint64_t address,
	struct machine_bells **ret, struct error *err)
{
	struct machine_bells *bells;
	int r = 0;

	if (!m->board->add_bell)
		return 0;
	bells = calloc(1, sizeof(*bells));
	if (!bells)
		return error_oom(err);
	bells->machine = m;
	bells->address = address + VIRTIO_MMIO_QUEUE_NOTIFY;
	while (r == 0 && bells->nr < device->nr_queues)
		r = add(bells, device, err);
	if (r < 0)
		machine_bells_close(bells);
	else
		*ret = bells;
	return r;
}

struct machine_bells *machine_bells_close(struct machine_bells *bells)
{
	if (!bells)
		return NULL;
	while (bells->nr > 0) {
		struct bell *bell = &bells->bells[--bells->nr];
		struct machine *m = bells->machine;

		loop_remove(&m->loop, &bell->source);
		close(bell->source.fd);
	}
	free(bells);
	return NULL;
}
