/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices.c - a machine's devices, from the rows of the tables.
 */
#include "machine/virtio.h"

/* Where the next one is kept. */
static int next(struct machine *m, struct machine_device **ret, struct error *err)
{
	if (m->nr_devices == MACHINE_SLOTS_MAX)
		return error_set(err, ENOSPC, "more than %d devices", MACHINE_SLOTS_MAX);
	*ret = &m->devices[m->nr_devices];
	return 0;
}

static int open_slot(
	struct machine *m, const struct machine_slot *slot, unsigned index, struct error *err)
{
	struct machine_device *device = NULL, new = { .slot = slot, .place = slot->place };
	int r = next(m, &device, err);

	if (r < 0)
		return r;
	r = slot->open(m, index, &new.place, &new.device, err);
	if (r == 0) {
		*device = new;
		m->nr_devices++;
	} else if (new.device) {
		slot->close(new.device);
	}
	return r;
}

static int open_virtio(
	struct machine *m, const struct machine_virtio *row, unsigned index, struct error *err)
{
	struct machine_device *device = NULL;
	int r = next(m, &device, err);

	if (r == 0)
		r = machine_virtio_open(m, row, index, device, err);
	if (r == 0)
		m->nr_devices++;
	return r;
}

int machine_open_devices(struct machine *m, struct error *err)
{
	int r = 0;

	for (const struct machine_slot *const *slot = m->board->slots; *slot; slot++) {
		unsigned count = (*slot)->count ? (*slot)->count(&m->config) : 1;

		for (unsigned i = 0; r == 0 && i < count; i++)
			r = open_slot(m, *slot, i, err);
	}
	for (const struct machine_virtio *const *row = machine_virtio; *row; row++) {
		unsigned count = (*row)->count ? (*row)->count(&m->config) : 1;

		for (unsigned i = 0; r == 0 && i < count; i++)
			r = open_virtio(m, *row, i, err);
	}
	return r;
}

void machine_reset_devices(struct machine *m)
{
	for (unsigned i = m->nr_devices; i-- > 0;)
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
