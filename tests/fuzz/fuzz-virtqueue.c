/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-virtqueue.c - queues of a driver that does as it likes (virtio-steps.h): the device copies
 * what it may read to where it may write, and gives every chain back, some only later.
 */
#include "fuzz/virtio-steps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct virtio_device device;
static struct virtio_chain chains[SIZE];
static unsigned nr_chains;

static void copy(struct virtio_queue *queue, const struct virtio_chain *chain)
{
	uint8_t bytes[512];
	size_t n = virtio_chain_read(chain, 0, bytes, sizeof(bytes));

	check(n == (chain->out_bytes < sizeof(bytes) ? chain->out_bytes : sizeof(bytes)));
	n = virtio_chain_write(chain, chain->out_bytes % 7, bytes, n);
	check(n <= chain->in_bytes);
	virtio_queue_put(queue, chain, (uint32_t)n);
}

static void work(uint64_t how)
{
	struct virtio_queue *queue = &device.queues[0];

	if (!device.started)
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
	work(6);
}

static void stop(struct virtio_device *d)
{
	for (; nr_chains; nr_chains--)
		copy(&device.queues[0], &chains[nr_chains - 1]);
	virtio_queue_publish(&device.queues[0]);
}

static void notify(struct virtio_device *d, unsigned queue)
{
	work(queue ? 0 : 2);
}

static const struct virtio_device_ops ops = {
	.name = "fuzz", .id = 1, .start = start, .stop = stop, .notify = notify
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t config[10];

	steps_open_memory();
	nr_chains = 0;
	device = (struct virtio_device){
		.ops = &ops,
		.nr_queues = 2,
		.queues = { { .size_max = SIZE }, { .size_max = VIRTIO_QUEUE_SIZE_MAX } },
		.config = config,
		.config_bytes = sizeof(config),
	};
	virtio_device_init(&device, &memory);
	steps_attach(&device);
	steps_run(data, size, work);
	virtio_device_destroy(&device);
	steps_close();
	return 0;
}
