/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virt.c - the riscv64 board: its devices, one row each.
 */
#include "device/finisher.h"
#include "device/uart.h"
#include "machine/internal.h"
#include "machine/riscv/layout.h"

/* --- serial port ----------------------------------------------------------------------------- */

static int open_uart(struct machine *m, unsigned index, const struct machine_place *place,
	void **ret, struct error *err)
{
	const struct vm_irq irq = { m->irqchip, place->irq };
	struct uart *uart = malloc(sizeof(*uart));
	int r;

	if (!uart)
		return error_oom(err);
	uart_init(uart, &irq, &m->console);
	uart->io.start = place->start;
	r = vm_bus_add(&m->bus, &uart->io, err);
	*ret = uart;
	return r;
}

static void reset_uart(void *device)
{
	uart_reset(device);
}

static void close_uart(void *device)
{
	uart_destroy(device);
	free(device);
}

static const struct machine_slot uart = {
	.name = "uart",
	.place = { LAYOUT_UART_START, UART_BYTES, LAYOUT_UART_IRQ },
	.open = open_uart,
	.reset = reset_uart,
	.close = close_uart,
};

/* --- power off and reset --------------------------------------------------------------------- */

static int open_finisher(struct machine *m, unsigned index, const struct machine_place *place,
	void **ret, struct error *err)
{
	struct finisher *finisher = malloc(sizeof(*finisher));

	if (!finisher)
		return error_oom(err);
	finisher_init(finisher, &m->power);
	finisher->io.start = place->start;
	*ret = finisher;
	return vm_bus_add(&m->bus, &finisher->io, err);
}

static const struct machine_slot finisher = {
	.name = "finisher",
	.place = { LAYOUT_FINISHER_START, FINISHER_BYTES, 0 },
	.open = open_finisher,
	.close = free,
};

/* --- the board ------------------------------------------------------------------------------- */

static const struct machine_slot *const slots[] = {
	&finisher,
	&uart,
	NULL,
};

static unsigned virtio_irq(unsigned index)
{
	return index < 8 ? LAYOUT_VIRTIO_IRQ + index : LAYOUT_VIRTIO_IRQ2 + index - 8;
}

static int open_vcpus(struct machine *m, struct error *err)
{
	return error_set(err, ENOSYS, "this build has no riscv64 CPU for a machine yet");
}

static void close_vcpus(struct machine *m)
{
}

static int load(struct machine *m, struct error *err)
{
	return error_set(err, ENOSYS, "this build cannot load a kernel yet");
}

const struct machine_board machine_board_riscv = {
	.name = "riscv64 virt",
	.slots = slots,
	.virtio = { LAYOUT_VIRTIO_START, LAYOUT_VIRTIO_BYTES, 0 },
	.nr_virtio = LAYOUT_VIRTIO_PLACES,
	.virtio_irq = virtio_irq,
	.memory_start = LAYOUT_MEMORY_START,
	.open_vcpus = open_vcpus,
	.close_vcpus = close_vcpus,
	.load = load,
};
