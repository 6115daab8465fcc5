/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-virtqueue.c - a driver that does as it likes. An input is a row of steps of 16 bytes, which
 * write registers of virtio-mmio and guest memory, the rings in the first place; the device copies
 * what it may read to where it may write, and gives every chain back, some only later.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <stdlib.h>
#include <string.h>

#include "device/virtio/virtio.h"

#define START  0x10000u
#define BYTES  0x10000u
#define SIZE   8
#define WINDOW 0x1000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The steps: what comes first, and what its other bytes mean. */
enum step_kind {
	STEP_REGISTER, /* offset, value */
	STEP_READ, /* offset */
	STEP_MEMORY, /* where, value */
	STEP_DRIVE, /* features, as a good driver does it, with rings at `where` */
	STEP_DEVICE, /* the device works; `value` says how */
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
static struct virtio_device device;
static struct virtio_mmio mmio;
static struct virtio_chain chains[SIZE];
static unsigned nr_chains;

static void check(bool is_true)
{
	if (!is_true)
		abort();
}

static void copy(struct virtio_queue *queue, const struct virtio_chain *chain)
{
	uint8_t bytes[512];
	size_t n = virtio_chain_read(chain, 0, bytes, sizeof(bytes));

	check(n == (chain->out_bytes < sizeof(bytes) ? chain->out_bytes : sizeof(bytes)));
	n = virtio_chain_write(chain, chain->out_bytes % 7, bytes, n);
	check(n <= chain->in_bytes);
	virtio_queue_put(queue, chain, (uint32_t)n);
}

static void work(unsigned q, uint64_t how)
{
	struct virtio_queue *queue = &device.queues[q];

	if (q)
		return;
	if (how & 4)
		virtio_queue_listen(queue, how & 8);
	while (nr_chains < SIZE && virtio_queue_pop(queue, &chains[nr_chains])) {
		check(chains[nr_chains].head < SIZE);
		check(chains[nr_chains].nr_out + chains[nr_chains].nr_in <= VIRTIO_PARTS_MAX);
		nr_chains++;
	}
	if (how & 1 && nr_chains)
		virtio_queue_unpop(queue, 1), nr_chains--;
	while (how & 2 && nr_chains)
		copy(queue, &chains[--nr_chains]);
	virtio_queue_publish(queue);
	virtio_queue_signal(queue);
}

static void start(struct virtio_device *d)
{
	work(0, 6);
}

static void stop(struct virtio_device *d)
{
	for (; nr_chains; nr_chains--)
		copy(&device.queues[0], &chains[nr_chains - 1]);
	virtio_queue_publish(&device.queues[0]);
}

static void notify(struct virtio_device *d, unsigned queue)
{
	work(queue, 2);
}

static const struct virtio_device_ops ops = {
	.name = "fuzz", .id = 1, .start = start, .stop = stop, .notify = notify
};

static void set(uint64_t offset, uint32_t value)
{
	check(vm_bus_write(&bus, offset, 4, value));
}

static void drive(const struct step *step)
{
	uint32_t rings = START + (step->where & ~15u);

	set(VIRTIO_MMIO_STATUS, 0);
	set(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_DRIVER);
	set(VIRTIO_MMIO_DRIVER_FEATURES, step->more);
	set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	set(VIRTIO_MMIO_DRIVER_FEATURES, 1);
	set(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_FEATURES_OK);
	set(VIRTIO_MMIO_QUEUE_NUM, SIZE);
	set(VIRTIO_MMIO_QUEUE_DESC_LOW, rings);
	set(VIRTIO_MMIO_QUEUE_AVAIL_LOW, rings + SIZE * 16);
	set(VIRTIO_MMIO_QUEUE_USED_LOW, rings + SIZE * 18 + 8);
	set(VIRTIO_MMIO_QUEUE_READY, 1);
	set(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_DRIVER_OK);
}

static size_t snapshot(const uint8_t *data, size_t size)
{
	size = size < device.saved.size ? size : device.saved.size;
	device.saved.save(&device.saved);
	memcpy(device.saved.data, data, size);
	if (device.saved.restore(&device.saved, NULL) < 0)
		set(VIRTIO_MMIO_STATUS, 0);
	else
		device.saved.resume(&device.saved);
	return size;
}

/* How many of the bytes behind it were its own. */
static size_t take(const struct step *step, const uint8_t *data, size_t size)
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
		drive(step);
		break;
	case STEP_DEVICE:
		if (device.started)
			work(0, value);
		break;
	case STEP_SNAPSHOT:
		return snapshot(data, size);
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t config[10];
	struct step step;

	vm_memory_init(&memory);
	check(vm_memory_add(&memory, START, BYTES, NULL) == 0);
	bus = (struct vm_bus){};
	nr_chains = 0;
	device = (struct virtio_device){
		.ops = &ops,
		.nr_queues = 2,
		.queues = { { .size_max = SIZE }, { .size_max = VIRTIO_QUEUE_SIZE_MAX } },
		.config = config,
		.config_bytes = sizeof(config),
	};
	virtio_device_init(&device, &memory);
	virtio_mmio_init(&mmio, &device, &(struct vm_irq){});
	check(vm_bus_add(&bus, &mmio.io, NULL) == 0);
	while (size >= sizeof(step)) {
		size_t own;

		memcpy(&step, data, sizeof(step));
		own = sizeof(step) + take(&step, data + sizeof(step), size - sizeof(step));
		data += own;
		size -= own;
	}
	virtio_device_destroy(&device);
	virtio_mmio_destroy(&mmio);
	vm_memory_destroy(&memory);
	return 0;
}
