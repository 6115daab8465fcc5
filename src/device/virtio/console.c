/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console.c - a terminal for the guest (virtio 1.2 §5.3).
 *
 * What the guest writes is copied to the console's ring on the vcpu's thread. When that is full,
 * the chain stays with us, and is gone on with when the ring has drained. What is typed is copied
 * to what the guest has put there to read into, on the loop's thread; where there is nothing, it
 * stays with the console.
 */
#include "device/virtio/console.h"

#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "device/virtio/doorbell.h"

#define QUEUE_SIZE 64
#define NR_AT_ONCE 64 /* chains that are worked on without a look at other things */
#define QUEUE_IN   0
#define QUEUE_OUT  1

struct virtio_console {
	struct virtio_device device;
	struct virtio_console_config config;
	struct console_guest guest;
	struct console *console;
	struct virtio_doorbell bell; /* more was put into QUEUE_OUT than one notification writes */
	struct virtio_chain in, out;
	bool has_out; /* `out` is a chain that was not wholly written */
	struct {
		uint32_t nr_written; /* of it, or of the first in the queue */
		uint16_t columns, rows; /* that the guest was told before a snapshot */
	} state;
	struct vm_saved saved;
};

static struct virtio_console *of_device(struct virtio_device *device)
{
	return container_of(device, struct virtio_console, device);
}

static struct virtio_console *of_guest(struct console_guest *guest)
{
	return container_of(guest, struct virtio_console, guest);
}

/* --- from the guest -------------------------------------------------------------------------- */

/* true: all of the chain. */
static bool write_chain(struct virtio_console *vc)
{
	uint8_t bytes[1024];
	size_t n, taken;

	do {
		n = virtio_chain_read(&vc->out, vc->state.nr_written, bytes, sizeof(bytes));
		taken = console_write(vc->console, bytes, n);
		vc->state.nr_written += (uint32_t)taken;
	} while (n && taken == n);
	return !n;
}

static bool take_out(struct virtio_console *vc)
{
	vc->has_out = vc->has_out || virtio_queue_pop(&vc->device.queues[QUEUE_OUT], &vc->out);
	return vc->has_out;
}

/* With the lock held. */
static void write_out(struct virtio_device *device)
{
	struct virtio_console *vc = of_device(device);
	struct virtio_queue *queue = &device->queues[QUEUE_OUT];
	unsigned nr = 0;

	do {
		for (; nr < NR_AT_ONCE && take_out(vc) && write_chain(vc); nr++) {
			virtio_queue_push(queue, &vc->out, 0);
			vc->has_out = false;
			vc->state.nr_written = 0;
		}
	} while (nr < NR_AT_ONCE && !vc->has_out && virtio_queue_listen(queue, true));
	virtio_queue_signal(queue);
	if (nr == NR_AT_ONCE)
		virtio_doorbell_ring(&vc->bell);
}

static void drained(struct console_guest *guest)
{
	struct virtio_console *vc = of_guest(guest);

	pthread_mutex_lock(&vc->device.lock);
	if (vc->device.started)
		write_out(&vc->device);
	pthread_mutex_unlock(&vc->device.lock);
}

/* One character before there are queues (§5.3.4, emerg_wr). */
static void config_write(
	struct virtio_device *device, uint32_t offset, const void *from, uint32_t size)
{
	if (offset == offsetof(struct virtio_console_config, emerg_wr))
		console_write(of_device(device)->console, from, 1);
}

/* --- to the guest ---------------------------------------------------------------------------- */

static size_t input(struct console_guest *guest, const uint8_t *bytes, size_t size)
{
	struct virtio_console *vc = of_guest(guest);
	struct virtio_queue *queue = &vc->device.queues[QUEUE_IN];
	unsigned nr = 0;
	size_t done = 0;

	pthread_mutex_lock(&vc->device.lock);
	for (; vc->device.started && done < size && nr < NR_AT_ONCE; nr++) {
		size_t n;

		if (!virtio_queue_pop(queue, &vc->in))
			break;
		n = virtio_chain_write(&vc->in, 0, bytes + done, size - done);
		virtio_queue_push(queue, &vc->in, (uint32_t)n);
		done += n;
	}
	/* notify() or start() asks for the rest. */
	if (vc->device.started && done < size && virtio_queue_listen(queue, true))
		console_has_room(vc->console);
	virtio_queue_signal(queue);
	pthread_mutex_unlock(&vc->device.lock);
	return done;
}

static void resized(struct console_guest *guest, unsigned columns, unsigned rows)
{
	struct virtio_console *vc = of_guest(guest);
	bool is_news;

	pthread_mutex_lock(&vc->device.lock);
	is_news = vc->config.cols != columns || vc->config.rows != rows;
	vc->config.cols = (uint16_t)columns;
	vc->config.rows = (uint16_t)rows;
	pthread_mutex_unlock(&vc->device.lock);
	if (is_news)
		virtio_config_changed(&vc->device);
}

static const struct console_guest_ops guest_ops = {
	.name = "virtio-console",
	.input = input,
	.drained = drained,
	.resized = resized,
};

/* --- the device ------------------------------------------------------------------------------ */

static void console_start(struct virtio_device *device)
{
	write_out(device);
	console_has_room(of_device(device)->console);
}

static void console_stop(struct virtio_device *device)
{
	struct virtio_console *vc = of_device(device);

	if (vc->has_out)
		virtio_queue_unpop(&device->queues[QUEUE_OUT], 1);
	vc->has_out = false;
}

static void console_reset(struct virtio_device *device)
{
	of_device(device)->state.nr_written = 0;
}

static void console_notify(struct virtio_device *device, unsigned queue)
{
	if (queue == QUEUE_OUT)
		write_out(device);
	else
		console_has_room(of_device(device)->console);
}

static const struct virtio_device_ops console_ops = {
	.name = "virtio-console",
	.id = VIRTIO_ID_CONSOLE,
	.start = console_start,
	.stop = console_stop,
	.reset = console_reset,
	.notify = console_notify,
	.config_write = config_write,
};

/* --- what a snapshot keeps ------------------------------------------------------------------- */

static void save_size(struct vm_saved *saved)
{
	struct virtio_console *vc = container_of(saved, struct virtio_console, saved);

	vc->state.columns = vc->config.cols;
	vc->state.rows = vc->config.rows;
}

/* The terminal here may have another one. */
static void resume_size(struct vm_saved *saved)
{
	struct virtio_console *vc = container_of(saved, struct virtio_console, saved);

	if (vc->state.columns != vc->config.cols || vc->state.rows != vc->config.rows)
		virtio_config_changed(&vc->device);
}

struct vm_saved *virtio_console_saved(struct virtio_console *vc)
{
	return &vc->saved;
}

/* --- life ------------------------------------------------------------------------------------ */

struct virtio_device *virtio_console_device(struct virtio_console *vc)
{
	return &vc->device;
}

struct virtio_console *virtio_console_close(struct virtio_console *vc)
{
	if (!vc)
		return NULL;
	vc->console->guest = NULL;
	virtio_device_destroy(&vc->device);
	virtio_doorbell_destroy(&vc->bell);
	free(vc);
	return NULL;
}

int virtio_console_open(struct console *console, struct vm_memory *memory,
	struct virtio_console **ret, struct error *err)
{
	struct virtio_console *vc = calloc(1, sizeof(*vc));
	int r;

	if (!vc)
		return error_oom(err);
	vc->console = console;
	vc->guest.ops = &guest_ops;
	vc->config.max_nr_ports = 1;
	vc->saved = (struct vm_saved){
		.name = "virtio-console-state",
		.data = &vc->state,
		.size = sizeof(vc->state),
		.save = save_size,
		.resume = resume_size,
	};
	vc->device.ops = &console_ops;
	vc->device.features = 1ull << VIRTIO_CONSOLE_F_SIZE | 1ull << VIRTIO_CONSOLE_F_EMERG_WRITE;
	vc->device.nr_queues = 2;
	vc->device.queues[QUEUE_IN].size_max = vc->device.queues[QUEUE_OUT].size_max = QUEUE_SIZE;
	vc->device.config = &vc->config;
	vc->device.config_bytes = sizeof(vc->config);
	virtio_device_init(&vc->device, memory);
	r = virtio_doorbell_init(&vc->bell, console->loop, &vc->device, write_out, err);
	if (r < 0) {
		virtio_console_close(vc);
		return r;
	}
	console_attach(console, &vc->guest);
	*ret = vc;
	return 0;
}
