/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio.c - which virtio devices there are, and what is the same for all of them: a place on the
 * bus, a line, a node of the device tree or an object of ACPI.
 */
#include "machine/virtio.h"

#include <stdio.h>

#include "machine/aml.h"
#include "machine/tree.h"
#include "machine/virtio-bells.h"

const struct machine_virtio *const machine_virtio[] = {
	&machine_virtio_blk,
	&machine_virtio_net,
	&machine_virtio_rng,
	&machine_virtio_balloon,
	&machine_virtio_console,
	&machine_virtio_vsock,
	&machine_virtio_fs,
	NULL,
};

struct placed {
	const struct machine_virtio *row;
	void *self;
	struct virtio_mmio mmio;
	struct machine_bells *bells; /* or NULL */
};

static void reset_virtio(void *device)
{
	struct placed *placed = device;

	virtio_mmio_reset(&placed->mmio);
}

static void close_virtio(void *device)
{
	struct placed *placed = device;

	machine_bells_close(placed->bells);
	virtio_mmio_destroy(&placed->mmio);
	placed->row->close(placed->self);
	free(placed);
}

static struct vm_saved *saved_virtio(void *device)
{
	const struct placed *placed = device;

	return &placed->row->device(placed->self)->saved;
}

static struct vm_saved *saved_of_row(void *device)
{
	const struct placed *placed = device;

	return placed->row->saved ? placed->row->saved(placed->self) : NULL;
}

static void describe_virtio(struct machine *m, void *device, const struct machine_place *place,
	struct machine_tree *tree)
{
	tree_node_at(tree, "virtio", place->start);
	tree_string(tree, "compatible", "virtio,mmio");
	tree_reg(tree, place->start, place->size);
	tree_flag(tree, "dma-coherent");
	m->board->describe_irq(m, tree, place->irq);
	tree_end(tree);
}

/* The name that Linux knows it by (drivers/virtio/virtio_mmio.c), as on other machines. */
static void describe_virtio_acpi(
	struct machine *m, void *device, const struct machine_place *place, struct aml *aml)
{
	unsigned index = (unsigned)((place->start - m->board->virtio.start) / place->size);
	struct aml_resources resources = { 0 };
	char name[8];

	snprintf(name, sizeof(name), "VR%02X", index & 0xff);
	aml_device(aml, name);
	aml_name(aml, "_HID");
	aml_string(aml, "LNRO0005");
	aml_name(aml, "_UID");
	aml_integer(aml, index);
	aml_name(aml, "_CCA");
	aml_integer(aml, 1);
	aml_resource_memory(&resources, (uint32_t)place->start, (uint32_t)place->size);
	aml_resource_irq(&resources, place->irq, false);
	aml_crs(aml, &resources);
	aml_end(aml);
}

static const struct machine_slot slot = {
	.name = "virtio",
	.reset = reset_virtio,
	.close = close_virtio,
	.saved = saved_virtio,
	.saved_too = saved_of_row,
	.describe_tree = describe_virtio,
	.describe_acpi = describe_virtio_acpi,
};

void *machine_virtio_find(const struct machine *m, const struct machine_virtio *row)
{
	for (unsigned i = 0; i < m->nr_devices; i++) {
		const struct placed *placed = m->devices[i].device;

		if (m->devices[i].slot == &slot && placed->row == row)
			return placed->self;
	}
	return NULL;
}

/* The next free place: one page after the other. */
static int find_place(struct machine *m, struct machine_place *ret, struct error *err)
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

int machine_virtio_open(struct machine *m, const struct machine_virtio *row, unsigned index,
	struct machine_device *ret, struct error *err)
{
	struct machine_device device = { .slot = &slot };
	struct placed *placed;
	struct vm_irq irq;
	int r = find_place(m, &device.place, err);

	if (r < 0)
		return r;
	placed = calloc(1, sizeof(*placed));
	if (!placed)
		return error_oom(err);
	placed->row = row;
	r = row->open(m, index, &placed->self, err);
	if (r < 0) {
		free(placed);
		return r;
	}
	irq = (struct vm_irq){ m->irqchip, device.place.irq };
	virtio_mmio_init(&placed->mmio, row->device(placed->self), &irq);
	placed->mmio.io.start = device.place.start;
	placed->mmio.io.size = device.place.size;
	device.device = placed;
	r = vm_bus_add(&m->bus, &placed->mmio.io, err);
	if (r == 0)
		r = machine_bells_open(
			m, placed->mmio.device, device.place.start, &placed->bells, err);
	if (r < 0)
		close_virtio(placed);
	else
		*ret = device;
	return r;
}
