/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-steps.h - a driver that does as it likes, for fuzz targets. An input is a row of steps of
 * 16 bytes, which write registers of virtio-mmio and guest memory, the rings in the first place.
 */
#pragma once

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <stdlib.h>
#include <string.h>

#include "device/virtio/virtio.h"

/* Guest memory, and the descriptors of each queue that a good driver sets up. */
#define START	     0x10000u
#define BYTES	     0x10000u
#define SIZE	     8
#define QUEUE_STRIDE 0x200u
#define WINDOW	     0x1000u

/* The steps: what comes first, and what its other bytes mean. */
enum step_kind {
	STEP_REGISTER, /* offset, value */
	STEP_READ, /* offset */
	STEP_MEMORY, /* where, value */
	STEP_DRIVE, /* features, as a good driver does it, with rings from `where` on */
	STEP_DEVICE, /* the device works, or what is behind it; `value` says how */
	STEP_SNAPSHOT, /* and the bytes that follow are the state */
	STEP_NR,
};

struct step {
	uint8_t kind, size_log2;
	uint16_t where;
	uint32_t more;
	uint64_t value;
};

static struct vm_memory memory;
static struct vm_bus bus;
static struct virtio_mmio mmio;

static inline void check(bool is_true)
{
	if (!is_true)
		abort();
}

static inline void steps_open_memory(void)
{
	vm_memory_init(&memory);
	check(vm_memory_add(&memory, START, BYTES, NULL) == 0);
	bus = (struct vm_bus){};
}

static inline void steps_attach(struct virtio_device *device)
{
	virtio_mmio_init(&mmio, device, &(struct vm_irq){});
	check(vm_bus_add(&bus, &mmio.io, NULL) == 0);
}

static inline void steps_close(void)
{
	virtio_mmio_destroy(&mmio);
	vm_memory_destroy(&memory);
}

static inline void steps_set(uint64_t offset, uint32_t value)
{
	check(vm_bus_write(&bus, offset, 4, value));
}

static inline void steps_drive(const struct step *step)
{
	uint32_t rings = START + (step->where & ~15u);

	steps_set(VIRTIO_MMIO_STATUS, 0);
	steps_set(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_DRIVER);
	steps_set(VIRTIO_MMIO_DRIVER_FEATURES, step->more);
	steps_set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	steps_set(VIRTIO_MMIO_DRIVER_FEATURES, 1);
	steps_set(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_FEATURES_OK);
	for (unsigned q = 0; q < mmio.device->nr_queues; q++, rings += QUEUE_STRIDE) {
		steps_set(VIRTIO_MMIO_QUEUE_SEL, q);
		steps_set(VIRTIO_MMIO_QUEUE_NUM, SIZE);
		steps_set(VIRTIO_MMIO_QUEUE_DESC_LOW, rings);
		steps_set(VIRTIO_MMIO_QUEUE_AVAIL_LOW, rings + SIZE * 16);
		steps_set(VIRTIO_MMIO_QUEUE_USED_LOW, rings + SIZE * 18 + 8);
		steps_set(VIRTIO_MMIO_QUEUE_READY, 1);
	}
	steps_set(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_DRIVER_OK);
}

static inline size_t steps_snapshot(const uint8_t *data, size_t size)
{
	struct vm_saved *saved = &mmio.device->saved;

	size = size < saved->size ? size : saved->size;
	saved->save(saved);
	memcpy(saved->data, data, size);
	if (saved->restore(saved, NULL) < 0)
		steps_set(VIRTIO_MMIO_STATUS, 0);
	else
		saved->resume(saved);
	return size;
}

/* How many of the bytes behind it were its own. */
static inline size_t steps_take(
	const struct step *step, const uint8_t *data, size_t size, void (*work)(uint64_t how))
{
	unsigned bytes = 1u << (step->size_log2 & 3);
	uint64_t value = step->value;

	switch (step->kind % STEP_NR) {
	case STEP_REGISTER:
		vm_bus_write(&bus, step->where % WINDOW, bytes, value);
		break;
	case STEP_READ:
		vm_bus_read(&bus, step->where % WINDOW, bytes, &value);
		break;
	case STEP_MEMORY:
		vm_memory_write(&memory, START + step->where, &value, sizeof(value));
		break;
	case STEP_DRIVE:
		steps_drive(step);
		break;
	case STEP_DEVICE:
		work(value);
		break;
	case STEP_SNAPSHOT:
		return steps_snapshot(data, size);
	}
	return 0;
}

static inline void steps_run(const uint8_t *data, size_t size, void (*work)(uint64_t how))
{
	struct step step;

	while (size >= sizeof(step)) {
		size_t own;

		memcpy(&step, data, sizeof(step));
		own = sizeof(step) +
			steps_take(&step, data + sizeof(step), size - sizeof(step), work);
		data += own;
		size -= own;
	}
}
