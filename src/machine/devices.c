/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices.c - a board's devices, from the rows of its table.
 */
#include "machine/internal.h"

/* The next place for virtio: one page after the other. */
static int place_virtio(struct machine *m, struct machine_place *ret, struct error *err)
{
	const struct machine_board *board = m->board;

	if (m->nr_virtio == board->nr_virtio)
		return error_set(err, ENOSPC,
			"a machine has room for %u disks, networks and the like", board->nr_virtio);
	*ret = board->virtio;
	ret->start += m->nr_virtio * board->virtio.size;
	ret->irq = board->virtio_irq(m->nr_virtio);
	m->nr_virtio++;
	return 0;
}

static int open_one(
	struct machine *m, const struct machine_slot *slot, unsigned index, struct error *err)
{
	struct machine_device device = { .slot = slot, .place = slot->place };
	int r = 0;

	if (m->nr_devices == MACHINE_SLOTS_MAX)
		return error_set(err, ENOSPC, "more than %d devices", MACHINE_SLOTS_MAX);
	if (slot->place.size == 0)
		r = place_virtio(m, &device.place, err);
	if (r == 0)
		r = slot->open(m, index, &device.place, &device.device, err);
	if (r == 0)
		m->devices[m->nr_devices++] = device;
	else if (device.device)
		slot->close(device.device);
	return r;
}

int machine_open_devices(struct machine *m, struct error *err)
{
	for (const struct machine_slot *const *slot = m->board->slots; *slot; slot++) {
		unsigned count = (*slot)->count ? (*slot)->count(&m->config) : 1;

		for (unsigned i = 0; i < count; i++) {
			int r = open_one(m, *slot, i, err);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

void machine_reset_devices(struct machine *m)
{
	for (unsigned i = 0; i < m->nr_devices; i++)
		if (m->devices[i].slot->reset)
			m->devices[i].slot->reset(m->devices[i].device);
}

void machine_close_devices(struct machine *m)
{
	while (m->nr_devices > 0) {
		struct machine_device *device = &m->devices[--m->nr_devices];

		device->slot->close(device->device);
	}
}
