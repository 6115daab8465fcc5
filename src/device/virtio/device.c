/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device.c - what all virtio devices have in common (virtio 1.2 §2, §3): features, status, reset,
 * and what a snapshot keeps.
 *
 * The status goes ACKNOWLEDGE, DRIVER, FEATURES_OK, DRIVER_OK, each bit set by the driver, and back
 * to nothing by a reset, which is possible at any time. FEATURES_OK sticks only with features that
 * we can live with, DRIVER_OK only behind it. The device is started when DRIVER_OK is set, and
 * stopped while the machine stands.
 */
#include "device/virtio/internal.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"

#define COMMON_FEATURES                                                                            \
	(1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_RING_F_INDIRECT_DESC |                        \
		1ull << VIRTIO_RING_F_EVENT_IDX)
#define DRIVER_STATUS                                                                              \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK |      \
		VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FAILED)

static bool is_ready(const struct virtio_device *device)
{
	return __atomic_load_n(&device->state.status, __ATOMIC_ACQUIRE) & VIRTIO_CONFIG_S_DRIVER_OK;
}

static void start(struct virtio_device *device)
{
	if (device->started || !is_ready(device))
		return;
	device->started = true;
	device->ops->start(device);
}

static void stop(struct virtio_device *device)
{
	if (!device->started)
		return;
	if (device->ops->stop)
		device->ops->stop(device);
	device->started = false;
}

void virtio_device_broken(struct virtio_device *device, const char *why)
{
	uint8_t old = __atomic_fetch_or(
		&device->state.status, VIRTIO_CONFIG_S_NEEDS_RESET, __ATOMIC_ACQ_REL);

	if (old & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	log_debug("%s: the driver is wrong: %s", device->ops->name, why);
	/* §2.1.2: told only to a driver that has come so far. */
	if (old & VIRTIO_CONFIG_S_DRIVER_OK && device->transport)
		device->transport->ops->config_changed(device->transport);
}

void virtio_config_changed(struct virtio_device *device)
{
	__atomic_fetch_add(&device->state.config_generation, 1, __ATOMIC_RELEASE);
	if (is_ready(device) && device->transport)
		device->transport->ops->config_changed(device->transport);
}

uint64_t virtio_device_features(const struct virtio_device *device)
{
	return device->features | COMMON_FEATURES;
}

static void reset(struct virtio_device *device)
{
	struct virtio_state *state = &device->state;

	stop(device);
	if (device->ops->reset)
		device->ops->reset(device);
	for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++)
		state->queues[i] = (struct virtio_queue_state){};
	state->driver_features = 0;
	state->device_features_select = state->driver_features_select = 0;
	state->queue_select = state->memory_select = 0;
	__atomic_store_n(&state->status, 0, __ATOMIC_RELEASE);
}

/* The bits of `status` that the driver may set now. */
static uint8_t allowed(const struct virtio_device *device, uint8_t status)
{
	uint64_t wanted = device->state.driver_features;
	uint8_t old = device->state.status;

	status &= DRIVER_STATUS;
	/* Who does not take VERSION_1 (xv6 looks at the lower half only) gets what it says all the
	 * same: there is nothing older here (§6.1). */
	if (wanted & ~virtio_device_features(device))
		status &= (uint8_t)~VIRTIO_CONFIG_S_FEATURES_OK;
	if (!((old | status) & VIRTIO_CONFIG_S_FEATURES_OK))
		status &= (uint8_t)~VIRTIO_CONFIG_S_DRIVER_OK;
	return status;
}

void virtio_device_set_status(struct virtio_device *device, uint8_t status)
{
	if (!status) {
		reset(device);
		return;
	}
	__atomic_fetch_or(&device->state.status, allowed(device, status), __ATOMIC_ACQ_REL);
	start(device);
}

void virtio_device_notify(struct virtio_device *device, unsigned queue)
{
	if (device->started && queue < device->nr_queues)
		device->ops->notify(device, queue);
}

void virtio_queue_set_ready(struct virtio_queue *queue, bool ready)
{
	struct virtio_device *device = queue->device;

	if (ready == queue->state->ready)
		return;
	/* A thread of the device may be in the queue. */
	stop(device);
	if (ready)
		virtio_queue_open(queue);
	else
		*queue->state = (struct virtio_queue_state){};
	start(device);
}

/* --- what a snapshot keeps ------------------------------------------------------------------- */

static struct virtio_device *of_saved(struct vm_saved *saved)
{
	return container_of(saved, struct virtio_device, saved);
}

static void save(struct vm_saved *saved)
{
	struct virtio_device *device = of_saved(saved);

	pthread_mutex_lock(&device->lock);
	stop(device);
	pthread_mutex_unlock(&device->lock);
}

static void resume(struct vm_saved *saved)
{
	struct virtio_device *device = of_saved(saved);

	pthread_mutex_lock(&device->lock);
	start(device);
	pthread_mutex_unlock(&device->lock);
}

/* As a device leaves its queues in stop(): it may keep chains, but nothing is half given back. */
static bool is_settled(const struct virtio_queue_state *state)
{
	return state->published == state->next_used &&
		(uint16_t)(state->next_available - state->next_used) <= state->size;
}

static int restore(struct vm_saved *saved, struct error *err)
{
	struct virtio_device *device = of_saved(saved);
	struct virtio_state *state = &device->state;

	if (state->driver_features & ~virtio_device_features(device))
		return error_set(err, EINVAL,
			"the snapshot's driver of %s has agreed on features that are not offered",
			device->ops->name);
	for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++) {
		if (!state->queues[i].ready)
			continue;
		if (i >= device->nr_queues)
			return error_set(err, EINVAL, "the snapshot's %s has more queues than ours",
				device->ops->name);
		if (!is_settled(&state->queues[i]) || !virtio_queue_open(&device->queues[i]))
			return error_set(err, EINVAL, "queue %u of the snapshot's %s is not one", i,
				device->ops->name);
	}
	if (device->transport)
		device->transport->ops->restored(device->transport);
	return 0;
}

/* --- life ------------------------------------------------------------------------------------ */

void virtio_device_init(struct virtio_device *device, struct vm_memory *memory)
{
	device->memory = memory;
	device->state = (struct virtio_state){};
	device->started = false;
	device->transport = NULL;
	pthread_mutex_init(&device->lock, NULL);
	for (unsigned i = 0; i < device->nr_queues; i++) {
		device->queues[i].device = device;
		device->queues[i].index = i;
		device->queues[i].state = &device->state.queues[i];
	}
	device->saved = (struct vm_saved){
		.name = device->ops->name,
		.data = &device->state,
		.size = sizeof(device->state),
		.save = save,
		.restore = restore,
		.resume = resume,
	};
}

void virtio_device_destroy(struct virtio_device *device)
{
	pthread_mutex_lock(&device->lock);
	stop(device);
	pthread_mutex_unlock(&device->lock);
	pthread_mutex_destroy(&device->lock);
}
