/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-console.c - a terminal for the guest beside the serial port (Linux: hvc0), where it is
 * wanted: a character costs no interrupt, and the guest knows its size.
 */
#include "device/virtio/console.h"
#include "machine/virtio.h"

struct hvc {
	struct machine *machine;
	struct console console;
	struct virtio_console *vc;
};

static unsigned count(const struct machine_config *config)
{
	return config->hvc ? 1 : 0;
}

static void close_hvc(void *self)
{
	struct hvc *h = self;

	virtio_console_close(h->vc);
	h->machine->hvc = NULL;
	if (h->console.loop)
		console_close(&h->console);
	free(h);
}

static int open_console(struct hvc *h, struct error *err)
{
	struct machine *m = h->machine;
	const struct console_config config = {
		.in_fd = m->config.hvc->in,
		.out_fd = m->config.hvc->out,
		.has_keys = m->config.hvc->has_keys,
		.key = machine_key_pressed,
		.context = m,
	};
	int r = console_open(&h->console, &config, &m->loop, err);

	if (r < 0)
		return r;
	m->hvc = &h->console;
	return virtio_console_open(&h->console, &m->memory, &h->vc, err);
}

static int open_hvc(struct machine *m, unsigned index, void **ret, struct error *err)
{
	struct hvc *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return error_oom(err);
	h->machine = m;
	r = open_console(h, err);
	if (r < 0)
		close_hvc(h);
	else
		*ret = h;
	return r;
}

static struct virtio_device *device(void *self)
{
	return virtio_console_device(((struct hvc *)self)->vc);
}

static struct vm_saved *saved(void *self)
{
	return virtio_console_saved(((struct hvc *)self)->vc);
}

const struct machine_virtio machine_virtio_console = {
	.name = "virtio-console",
	.count = count,
	.open = open_hvc,
	.device = device,
	.close = close_hvc,
	.saved = saved,
};
