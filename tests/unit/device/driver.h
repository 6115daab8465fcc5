/* SPDX-License-Identifier: Apache-2.0 */
/*
 * driver.h - a guest with one virtio device on virtio-mmio, and the driver in it, for tests: rings
 * and indirect tables at fixed places, buffers wherever the test wants them.
 */
#pragma once

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "device/virtio/virtio.h"

#define RAM_START  UINT64_C(0x80000000)
#define RAM_BYTES  (UINT64_C(16) << 20)
#define IO_START   UINT64_C(0x10001000)
#define QUEUE_SIZE 16
/* For queue q, all below BUFFERS. */
#define DESCRIPTORS(q) (RAM_START + 0x10000 * (q))
#define AVAILABLE(q)   (DESCRIPTORS(q) + 0x4000)
#define USED(q)	       (DESCRIPTORS(q) + 0x8000)
#define INDIRECT(q)    (DESCRIPTORS(q) + 0xc000)
#define BUFFERS	       (RAM_START + (UINT64_C(8) << 20))
#define COMMON	       (1ull << VIRTIO_F_VERSION_1)

struct driver {
	struct vm_memory memory;
	struct vm_bus bus;
	struct virtio_mmio mmio;
	struct vm_irqchip chip;
	bool line;
	unsigned nr_interrupts; /* times that the line went up */
	struct {
		uint16_t size, next_free, available, seen_used;
	} queues[VIRTIO_QUEUES_MAX];
};

static inline void driver_set_line(struct vm_irqchip *chip, unsigned number, bool level)
{
	struct driver *d = container_of(chip, struct driver, chip);

	d->nr_interrupts += level && !d->line;
	d->line = level;
}

static const struct vm_irqchip_ops driver_chip_ops = { .name = "test", .set = driver_set_line };

static inline void driver_init(struct driver *d)
{
	*d = (struct driver){ .chip.ops = &driver_chip_ops };
	vm_memory_init(&d->memory);
	if (vm_memory_add(&d->memory, RAM_START, RAM_BYTES, NULL) < 0)
		abort();
}

/* The device is connected, not yet driven. It was initialized with d->memory. */
static inline void driver_attach(struct driver *d, struct virtio_device *device)
{
	const struct vm_irq irq = { .chip = &d->chip, .number = 1 };

	virtio_mmio_init(&d->mmio, device, &irq);
	d->mmio.io.start = IO_START;
	if (vm_bus_add(&d->bus, &d->mmio.io, NULL) < 0)
		abort();
}

static inline void driver_destroy(struct driver *d)
{
	virtio_mmio_destroy(&d->mmio);
	vm_memory_destroy(&d->memory);
}

static inline uint32_t driver_read(struct driver *d, uint64_t offset)
{
	uint64_t value;

	if (!vm_bus_read(&d->bus, IO_START + offset, 4, &value))
		abort();
	return (uint32_t)value;
}

static inline void driver_write(struct driver *d, uint64_t offset, uint32_t value)
{
	if (!vm_bus_write(&d->bus, IO_START + offset, 4, value))
		abort();
}

static inline uint64_t driver_config(struct driver *d, uint64_t offset, unsigned size)
{
	uint64_t value;

	if (!vm_bus_read(&d->bus, IO_START + VIRTIO_MMIO_CONFIG + offset, size, &value))
		abort();
	return value;
}

/* Guest memory, wherever it is ours to know. */
static inline void *driver_at(struct driver *d, uint64_t address, uint64_t size)
{
	void *at = vm_memory_at(&d->memory, address, size);

	if (!at)
		abort();
	return at;
}

static inline uint64_t driver_offered(struct driver *d)
{
	uint64_t offered;

	driver_write(d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	offered = (uint64_t)driver_read(d, VIRTIO_MMIO_DEVICE_FEATURES) << 32;
	driver_write(d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	return offered | driver_read(d, VIRTIO_MMIO_DEVICE_FEATURES);
}

static inline void driver_set_status(struct driver *d, uint32_t bits)
{
	driver_write(d, VIRTIO_MMIO_STATUS, driver_read(d, VIRTIO_MMIO_STATUS) | bits);
}

/* Up to FEATURES_OK (§3.1.1); whether it stuck. */
static inline bool driver_negotiate(struct driver *d, uint64_t features)
{
	driver_write(d, VIRTIO_MMIO_STATUS, 0);
	driver_set_status(d, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	driver_set_status(d, VIRTIO_CONFIG_S_DRIVER);
	driver_write(d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	driver_write(d, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)features);
	driver_write(d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	driver_write(d, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(features >> 32));
	driver_set_status(d, VIRTIO_CONFIG_S_FEATURES_OK);
	return driver_read(d, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_FEATURES_OK;
}

static inline void driver_open_queue(struct driver *d, unsigned q, uint16_t size)
{
	uint16_t max;

	driver_write(d, VIRTIO_MMIO_QUEUE_SEL, q);
	max = (uint16_t)driver_read(d, VIRTIO_MMIO_QUEUE_NUM_MAX);
	size = size < max ? size : max;
	d->queues[q].size = size;
	d->queues[q].next_free = d->queues[q].available = d->queues[q].seen_used = 0;
	memset(driver_at(d, DESCRIPTORS(q), 0x10000), 0, 0x10000);
	driver_write(d, VIRTIO_MMIO_QUEUE_NUM, size);
	driver_write(d, VIRTIO_MMIO_QUEUE_DESC_LOW, (uint32_t)DESCRIPTORS(q));
	driver_write(d, VIRTIO_MMIO_QUEUE_DESC_HIGH, DESCRIPTORS(q) >> 32);
	driver_write(d, VIRTIO_MMIO_QUEUE_AVAIL_LOW, (uint32_t)AVAILABLE(q));
	driver_write(d, VIRTIO_MMIO_QUEUE_AVAIL_HIGH, AVAILABLE(q) >> 32);
	driver_write(d, VIRTIO_MMIO_QUEUE_USED_LOW, (uint32_t)USED(q));
	driver_write(d, VIRTIO_MMIO_QUEUE_USED_HIGH, USED(q) >> 32);
	driver_write(d, VIRTIO_MMIO_QUEUE_READY, 1);
}

/* All queues and DRIVER_OK. */
static inline void driver_start(struct driver *d, uint64_t features)
{
	if (!driver_negotiate(d, COMMON | features))
		abort();
	for (unsigned q = 0; q < d->mmio.device->nr_queues; q++)
		driver_open_queue(d, q, QUEUE_SIZE);
	driver_set_status(d, VIRTIO_CONFIG_S_DRIVER_OK);
}

static inline bool driver_is_broken(struct driver *d)
{
	return driver_read(d, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

struct driver_part {
	uint64_t address;
	uint32_t bytes;
	bool is_in;
};

static inline struct vring_desc *driver_descriptor(struct driver *d, unsigned q, unsigned index)
{
	return (struct vring_desc *)driver_at(d, DESCRIPTORS(q), 16) + index;
}

static inline struct vring_used *driver_used_ring(struct driver *d, unsigned q)
{
	return driver_at(d, USED(q), 2048);
}

static inline struct vring_avail *driver_available_ring(struct driver *d, unsigned q)
{
	return driver_at(d, AVAILABLE(q), 2048);
}

static inline void driver_fill(
	struct vring_desc *to, const struct driver_part *part, bool has_next, uint16_t next)
{
	*to = (struct vring_desc){
		.addr = part->address,
		.len = part->bytes,
		.flags = (part->is_in ? VRING_DESC_F_WRITE : 0) |
			(has_next ? VRING_DESC_F_NEXT : 0),
		.next = next,
	};
}

/* A descriptor's number into the available ring. */
static inline void driver_offer(struct driver *d, unsigned q, uint16_t head)
{
	struct vring_avail *available = driver_available_ring(d, q);

	available->ring[d->queues[q].available++ % d->queues[q].size] = head;
	__atomic_store_n(&available->idx, d->queues[q].available, __ATOMIC_SEQ_CST);
}

/* A chain; descriptors are taken one after the other, round and round. Its head. */
static inline uint16_t driver_add(
	struct driver *d, unsigned q, const struct driver_part *parts, unsigned nr)
{
	uint16_t size = d->queues[q].size, head = d->queues[q].next_free;

	for (unsigned i = 0; i < nr; i++) {
		uint16_t at = (uint16_t)(head + i) % size;

		driver_fill(driver_descriptor(d, q, at), &parts[i], i + 1 < nr, (at + 1) % size);
	}
	d->queues[q].next_free = (uint16_t)(head + nr) % size;
	driver_offer(d, q, head);
	return head;
}

static inline void driver_notify(struct driver *d, unsigned q)
{
	driver_write(d, VIRTIO_MMIO_QUEUE_NOTIFY, q);
}

/* The next chain that came back. */
static inline bool driver_take(
	struct driver *d, unsigned q, uint16_t *ret_head, uint32_t *ret_bytes)
{
	struct vring_used *used = driver_used_ring(d, q);
	uint16_t seen = d->queues[q].seen_used;

	if (__atomic_load_n(&used->idx, __ATOMIC_SEQ_CST) == seen)
		return false;
	*ret_head = (uint16_t)used->ring[seen % d->queues[q].size].id;
	*ret_bytes = used->ring[seen % d->queues[q].size].len;
	d->queues[q].seen_used++;
	return true;
}
