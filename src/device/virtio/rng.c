/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rng.c - random bytes of the host for the guest (virtio 1.2 §5.4).
 *
 * They come from getrandom(2), which never runs dry, but takes the host's time: a guest that asks
 * all the time gets PERIOD_BYTES in each period, and waits.
 */
#include "device/virtio/rng.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "device/virtio/doorbell.h"

#define QUEUE_SIZE   16
#define PERIOD_NS    INT64_C(10000000)
#define PERIOD_BYTES (64u << 10)

struct virtio_rng {
	struct virtio_device device;
	struct loop *loop;
	struct virtio_doorbell bell;
	struct loop_timer period; /* runs while something of this one's bytes is used up */
	uint32_t left; /* of them */
	struct virtio_chain chain;
};

static struct virtio_rng *of_device(struct virtio_device *device)
{
	return container_of(device, struct virtio_rng, device);
}

/* How many bytes of the part are random now. */
static size_t fill(const struct iovec *part, size_t most)
{
	size_t size = part->iov_len < most ? part->iov_len : most, done = 0;

	while (done < size) {
		ssize_t n = getrandom((uint8_t *)part->iov_base + done, size - done, 0);

		if (n < 0 && errno != EINTR)
			break;
		done += n > 0 ? (size_t)n : 0;
	}
	return done;
}

/* Fewer bytes than there is room for are fine (§5.4.6.1). */
static uint32_t fill_chain(struct virtio_rng *rng)
{
	const struct iovec *in = virtio_chain_in(&rng->chain);
	uint32_t done = 0;

	for (unsigned i = 0; i < rng->chain.nr_in && done < rng->left; i++)
		done += (uint32_t)fill(&in[i], rng->left - done);
	rng->left -= done;
	return done;
}

/* On the loop's thread, with the lock held. Every chain costs something, so a row of empty ones
 * ends, too. */
static void work(struct virtio_device *device)
{
	struct virtio_rng *rng = of_device(device);
	struct virtio_queue *queue = &device->queues[0];

	do {
		while (rng->left && virtio_queue_pop(queue, &rng->chain)) {
			virtio_queue_push(queue, &rng->chain, fill_chain(rng));
			rng->left -= rng->left > 0;
		}
	} while (rng->left && virtio_queue_listen(queue, true));
	virtio_queue_signal(queue);
	if (rng->left < PERIOD_BYTES && !rng->period.deadline_ns)
		loop_timer_start(rng->loop, &rng->period, PERIOD_NS);
}

static void period_ended(struct loop_timer *timer)
{
	struct virtio_rng *rng = container_of(timer, struct virtio_rng, period);
	bool was_used_up = !rng->left;

	rng->left = PERIOD_BYTES;
	if (was_used_up)
		virtio_doorbell_ring(&rng->bell);
}

static void rng_start(struct virtio_device *device)
{
	virtio_doorbell_ring(&of_device(device)->bell);
}

static void rng_notify(struct virtio_device *device, unsigned queue)
{
	virtio_doorbell_ring(&of_device(device)->bell);
}

static const struct virtio_device_ops rng_ops = {
	.name = "virtio-rng", .id = VIRTIO_ID_RNG, .start = rng_start, .notify = rng_notify
};

struct virtio_device *virtio_rng_device(struct virtio_rng *rng)
{
	return &rng->device;
}

struct virtio_rng *virtio_rng_close(struct virtio_rng *rng)
{
	if (!rng)
		return NULL;
	virtio_device_destroy(&rng->device);
	loop_timer_cancel(rng->loop, &rng->period);
	virtio_doorbell_destroy(&rng->bell);
	free(rng);
	return NULL;
}

int virtio_rng_open(
	struct loop *loop, struct vm_memory *memory, struct virtio_rng **ret, struct error *err)
{
	struct virtio_rng *rng = calloc(1, sizeof(*rng));
	int r;

	if (!rng)
		return error_oom(err);
	rng->device.ops = &rng_ops;
	rng->device.nr_queues = 1;
	rng->device.queues[0].size_max = QUEUE_SIZE;
	rng->loop = loop;
	rng->left = PERIOD_BYTES;
	rng->period.expired = period_ended;
	virtio_device_init(&rng->device, memory);
	r = virtio_doorbell_init(&rng->bell, loop, &rng->device, work, err);
	if (r < 0) {
		virtio_rng_close(rng);
		return r;
	}
	*ret = rng;
	return 0;
}
