/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mmio.c - the transport virtio-mmio, version 2 (virtio 1.2 §4.2): a page of registers for each
 * device, and one interrupt line.
 *
 * Registers are read and written by aligned 32-bit accesses only (§4.2.2.2); the configuration
 * behind them in any of its fields' sizes. The line is high as long as a bit of the interrupt
 * status is set; reading and clearing these bits does not wait for the device, which may be at work
 * for another CPU. There are no shared memory regions, and no queue is reset alone.
 */
#include "device/virtio/virtio.h"

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <string.h>

#include "base/cleanup.h"

#define MAGIC	  0x74726976 /* "virt" */
#define VENDOR	  0x554d4551 /* "QEMU": xv6 wants no other */
#define NO_MEMORY UINT32_MAX /* the length and base of a region that is not there (§4.2.2) */

static struct virtio_mmio *of_io(struct vm_io *io)
{
	return container_of(io, struct virtio_mmio, io);
}

/* --- the interrupt --------------------------------------------------------------------------- */

static void change_interrupts(struct virtio_mmio *mmio, uint8_t clear, uint8_t set)
{
	uint8_t *interrupts = &mmio->device->state.interrupts;

	pthread_mutex_lock(&mmio->interrupt_lock);
	*interrupts = (*interrupts & ~clear) | set;
	vm_irq_set(&mmio->irq, *interrupts != 0);
	pthread_mutex_unlock(&mmio->interrupt_lock);
}

static uint8_t read_interrupts(struct virtio_mmio *mmio)
{
	uint8_t interrupts;

	pthread_mutex_lock(&mmio->interrupt_lock);
	interrupts = mmio->device->state.interrupts;
	pthread_mutex_unlock(&mmio->interrupt_lock);
	return interrupts;
}

static void queue_used(struct virtio_transport *transport, unsigned queue)
{
	change_interrupts(
		container_of(transport, struct virtio_mmio, transport), 0, VIRTIO_MMIO_INT_VRING);
}

static void config_changed(struct virtio_transport *transport)
{
	change_interrupts(
		container_of(transport, struct virtio_mmio, transport), 0, VIRTIO_MMIO_INT_CONFIG);
}

static void restored(struct virtio_transport *transport)
{
	change_interrupts(container_of(transport, struct virtio_mmio, transport), 0, 0);
}

static const struct virtio_transport_ops transport_ops = {
	.name = "virtio-mmio",
	.queue_used = queue_used,
	.config_changed = config_changed,
	.restored = restored,
};

/* --- registers ------------------------------------------------------------------------------- */

/* Half of a feature set, as the driver has selected it. */
static uint32_t half(uint64_t features, uint32_t select)
{
	return select < 2 ? (uint32_t)(features >> 32 * select) : 0;
}

static void set_half(uint64_t *value, unsigned which, uint32_t to)
{
	unsigned shift = 32 * which;

	*value = (*value & ~((uint64_t)UINT32_MAX << shift)) | (uint64_t)to << shift;
}

/* The one that is selected, or NULL. */
static struct virtio_queue *selected(struct virtio_device *device)
{
	uint32_t select = device->state.queue_select;

	return select < device->nr_queues ? &device->queues[select] : NULL;
}

static uint32_t read_register(struct virtio_mmio *mmio, uint64_t offset)
{
	struct virtio_device *device = mmio->device;
	struct virtio_state *state = &device->state;
	struct virtio_queue *queue = selected(device);

	switch (offset) {
	case VIRTIO_MMIO_DEVICE_ID:
		return device->ops->id;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return half(virtio_device_features(device), state->device_features_select);
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return queue ? queue->size_max : 0;
	case VIRTIO_MMIO_QUEUE_READY:
		return queue ? queue->state->ready : 0;
	case VIRTIO_MMIO_STATUS:
		return __atomic_load_n(&state->status, __ATOMIC_ACQUIRE);
	case VIRTIO_MMIO_SHM_LEN_LOW:
	case VIRTIO_MMIO_SHM_LEN_HIGH:
	case VIRTIO_MMIO_SHM_BASE_LOW:
	case VIRTIO_MMIO_SHM_BASE_HIGH:
		return NO_MEMORY;
	case VIRTIO_MMIO_CONFIG_GENERATION:
		return __atomic_load_n(&state->config_generation, __ATOMIC_ACQUIRE);
	default:
		return 0;
	}
}

static void write_driver_features(struct virtio_state *state, uint32_t value)
{
	if (!(state->status & VIRTIO_CONFIG_S_FEATURES_OK) && state->driver_features_select < 2)
		set_half(&state->driver_features, state->driver_features_select, value);
}

static void write_queue(struct virtio_queue *queue, uint64_t offset, uint32_t value)
{
	struct virtio_queue_state *state = queue->state;

	if (offset == VIRTIO_MMIO_QUEUE_READY) {
		virtio_queue_set_ready(queue, value & 1);
		return;
	}
	if (state->ready)
		return;
	switch (offset) {
	case VIRTIO_MMIO_QUEUE_NUM:
		state->size = value <= queue->size_max ? (uint16_t)value : 0;
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_half(&state->descriptors, offset != VIRTIO_MMIO_QUEUE_DESC_LOW, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_half(&state->available, offset != VIRTIO_MMIO_QUEUE_AVAIL_LOW, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		set_half(&state->used, offset != VIRTIO_MMIO_QUEUE_USED_LOW, value);
		break;
	}
}

static void set_status(struct virtio_mmio *mmio, uint8_t status)
{
	virtio_device_set_status(mmio->device, status);
	if (!status)
		change_interrupts(mmio, UINT8_MAX, 0);
}

static void write_register(struct virtio_mmio *mmio, uint64_t offset, uint32_t value)
{
	struct virtio_device *device = mmio->device;
	struct virtio_state *state = &device->state;
	struct virtio_queue *queue = selected(device);

	switch (offset) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		state->device_features_select = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		write_driver_features(state, value);
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		state->driver_features_select = value;
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		state->queue_select = value;
		break;
	case VIRTIO_MMIO_QUEUE_NOTIFY:
		virtio_device_notify(device, value);
		break;
	case VIRTIO_MMIO_STATUS:
		set_status(mmio, (uint8_t)value);
		break;
	default:
		if (queue)
			write_queue(queue, offset, value);
		break;
	}
}

/* --- the configuration ----------------------------------------------------------------------- */

static bool has_config(const struct virtio_device *device, uint64_t offset, unsigned size)
{
	return size <= device->config_bytes && offset <= device->config_bytes - size;
}

static uint64_t read_config(struct virtio_device *device, uint64_t offset, unsigned size)
{
	uint64_t value = 0;

	if (has_config(device, offset, size))
		memcpy(&value, (const uint8_t *)device->config + offset, size);
	return value;
}

static void write_config(
	struct virtio_device *device, uint64_t offset, unsigned size, uint64_t value)
{
	if (has_config(device, offset, size) && device->ops->config_write)
		device->ops->config_write(device, (uint32_t)offset, &value, size);
}

/* --- the window ------------------------------------------------------------------------------ */

/* What is the same for a slot with nothing in it, and needs no lock. */
static bool read_constant(uint64_t offset, uint64_t *ret)
{
	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		*ret = MAGIC;
		return true;
	case VIRTIO_MMIO_VERSION:
		*ret = 2;
		return true;
	case VIRTIO_MMIO_VENDOR_ID:
		*ret = VENDOR;
		return true;
	default:
		return false;
	}
}

static bool is_register(uint64_t offset, unsigned size)
{
	return offset < VIRTIO_MMIO_CONFIG && size == sizeof(uint32_t) && !(offset % size);
}

static uint64_t io_read(struct vm_io *io, uint64_t offset, unsigned size)
{
	struct virtio_mmio *mmio = of_io(io);
	uint64_t value = 0;

	if ((is_register(offset, size) && read_constant(offset, &value)) || !mmio->device)
		return value;
	if (is_register(offset, size) && offset == VIRTIO_MMIO_INTERRUPT_STATUS)
		return read_interrupts(mmio);
	pthread_mutex_lock(&mmio->device->lock);
	if (is_register(offset, size))
		value = read_register(mmio, offset);
	else if (offset >= VIRTIO_MMIO_CONFIG)
		value = read_config(mmio->device, offset - VIRTIO_MMIO_CONFIG, size);
	pthread_mutex_unlock(&mmio->device->lock);
	return value;
}

static void io_write(struct vm_io *io, uint64_t offset, unsigned size, uint64_t value)
{
	struct virtio_mmio *mmio = of_io(io);

	if (!mmio->device)
		return;
	if (is_register(offset, size) && offset == VIRTIO_MMIO_INTERRUPT_ACK) {
		change_interrupts(mmio, (uint8_t)value, 0);
		return;
	}
	pthread_mutex_lock(&mmio->device->lock);
	if (is_register(offset, size))
		write_register(mmio, offset, (uint32_t)value);
	else if (offset >= VIRTIO_MMIO_CONFIG)
		write_config(mmio->device, offset - VIRTIO_MMIO_CONFIG, size, value);
	pthread_mutex_unlock(&mmio->device->lock);
}

static const struct vm_io_ops io_ops = {
	.name = "virtio-mmio",
	.read = io_read,
	.write = io_write,
};

void virtio_mmio_init(
	struct virtio_mmio *mmio, struct virtio_device *device, const struct vm_irq *irq)
{
	*mmio = (struct virtio_mmio){
		.transport.ops = &transport_ops,
		.io = { .ops = &io_ops, .size = VIRTIO_MMIO_BYTES },
		.irq = *irq,
		.device = device,
	};
	pthread_mutex_init(&mmio->interrupt_lock, NULL);
	if (device)
		device->transport = &mmio->transport;
}

void virtio_mmio_reset(struct virtio_mmio *mmio)
{
	if (!mmio->device)
		return;
	pthread_mutex_lock(&mmio->device->lock);
	set_status(mmio, 0);
	pthread_mutex_unlock(&mmio->device->lock);
}

void virtio_mmio_destroy(struct virtio_mmio *mmio)
{
	pthread_mutex_destroy(&mmio->interrupt_lock);
}
