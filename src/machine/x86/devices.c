/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices.c - the devices that every x86-64 machine has, one row each, and how ACPI shows them.
 * Those of virtio are in ../virtio.c; interrupt controllers and timers are KVM's.
 */
#include <string.h>
#include <sys/random.h>

#include "device/uart.h"
#include "machine/aml.h"
#include "machine/x86/board.h"
#include "machine/x86/slots.h"

/* --- power, reset, events ----------------------------------------------------------------------
 */

static int open_acpi(struct machine *m, unsigned index, const struct machine_place *place,
	void **ret, struct error *err)
{
	const struct vm_irq irq = { m->irqchip, place->irq };
	struct acpi *acpi = malloc(sizeof(*acpi));
	int r;

	if (!acpi)
		return error_oom(err);
	*ret = acpi;
	acpi_init(acpi, &irq, &m->power);
	acpi->io.start = place->start;
	acpi->keys.start = LAYOUT_KEYS_PORT;
	acpi->exit.start = LAYOUT_EXIT_PORT;
	x86_board(m)->acpi = acpi;
	r = vm_bus_add(&m->ports, &acpi->io, err);
	if (r == 0)
		r = vm_bus_add(&m->ports, &acpi->keys, err);
	return r < 0 ? r : vm_bus_add(&m->ports, &acpi->exit, err);
}

static void reset_acpi(void *device)
{
	acpi_reset(device);
}

static void close_acpi(void *device)
{
	acpi_destroy(device);
	free(device);
}

static struct vm_saved *saved_acpi(void *device)
{
	return &((struct acpi *)device)->saved;
}

/* Events come as one interrupt, and a method tells whom they are for. */
static void describe_acpi(
	struct machine *m, void *device, const struct machine_place *place, struct aml *aml)
{
	struct aml_resources resources = { 0 };

	aml_device(aml, "PWRB");
	aml_name(aml, "_HID");
	aml_eisa_id(aml, "PNP0C0C");
	aml_end(aml);

	aml_device(aml, "GED_");
	aml_name(aml, "_HID");
	aml_string(aml, "ACPI0013");
	aml_name(aml, "_UID");
	aml_integer(aml, 0);
	aml_resource_irq(&resources, place->irq, false);
	aml_crs(aml, &resources);
	aml_port_field(aml, "EREG", "EVTS", (uint16_t)(place->start + ACPI_EVENTS));
	aml_method(aml, "_EVT", 1);
	aml_load_local0(aml, "EVTS");
	aml_notify_if(aml, ACPI_EVENT_POWER_BUTTON, "PWRB", 0x80);
	aml_notify_if(aml, ACPI_EVENT_GENERATION, "VGEN", 0x80);
	aml_end(aml);
	aml_end(aml);
}

const struct machine_slot x86_slot_acpi = {
	.name = "acpi",
	.place = { LAYOUT_ACPI_PORT, ACPI_BYTES, LAYOUT_ACPI_IRQ },
	.open = open_acpi,
	.reset = reset_acpi,
	.close = close_acpi,
	.saved = saved_acpi,
	.describe_acpi = describe_acpi,
};

/* --- generation ID ------------------------------------------------------------------------------
 *
 * (Microsoft, "Virtual Machine Generation ID"): 16 bytes in memory that are others when the machine
 * goes on from a state that may go on elsewhere as well, so that the guest's kernel makes new
 * random numbers.
 */

struct generation {
	struct machine *machine;
	struct vm_saved saved;
};

static void make_generation(struct x86_board *board)
{
	if (getrandom(board->generation, sizeof(board->generation), 0) != sizeof(board->generation))
		memset(board->generation, 0, sizeof(board->generation));
}

static int restore_generation(struct vm_saved *saved, struct error *err)
{
	struct generation *generation = container_of(saved, struct generation, saved);
	struct x86_board *board = x86_board(generation->machine);

	make_generation(board);
	vm_memory_write(&generation->machine->memory, LAYOUT_GENERATION, board->generation,
		sizeof(board->generation));
	acpi_raise(board->acpi, ACPI_EVENT_GENERATION);
	return 0;
}

static int open_generation(struct machine *m, unsigned index, const struct machine_place *place,
	void **ret, struct error *err)
{
	struct generation *generation = malloc(sizeof(*generation));

	if (!generation)
		return error_oom(err);
	*generation = (struct generation){
		.machine = m,
		.saved = { .name = "generation",
			.data = x86_board(m)->generation,
			.size = X86_GENERATION_BYTES,
			.restore = restore_generation },
	};
	make_generation(x86_board(m));
	*ret = generation;
	return 0;
}

static struct vm_saved *saved_generation(void *device)
{
	return &((struct generation *)device)->saved;
}

static void describe_generation(
	struct machine *m, void *device, const struct machine_place *place, struct aml *aml)
{
	aml_device(aml, "VGEN");
	aml_name(aml, "_HID");
	aml_string(aml, "STRA0001");
	aml_name(aml, "_CID");
	aml_string(aml, "VM_Gen_Counter");
	aml_name(aml, "_DDN");
	aml_string(aml, "VM_Gen_Counter");
	aml_name(aml, "ADDR");
	aml_package(aml, 2);
	aml_integer(aml, place->start & UINT32_MAX);
	aml_integer(aml, place->start >> 32);
	aml_end(aml);
	aml_end(aml);
}

const struct machine_slot x86_slot_generation = {
	.name = "generation",
	.place = { LAYOUT_GENERATION, X86_GENERATION_BYTES, 0 },
	.open = open_generation,
	.close = free,
	.saved = saved_generation,
	.describe_acpi = describe_generation,
};

/* --- serial port -------------------------------------------------------------------------------
 */

#define UART_PORTS 8

static int open_uart(struct machine *m, unsigned index, const struct machine_place *place,
	void **ret, struct error *err)
{
	const struct vm_irq irq = { m->irqchip, place->irq };
	struct uart *uart = malloc(sizeof(*uart));

	if (!uart)
		return error_oom(err);
	uart_init(uart, &irq, &m->console);
	uart->io.start = place->start;
	uart->io.size = place->size;
	*ret = uart;
	return vm_bus_add(&m->ports, &uart->io, err);
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

static struct vm_saved *saved_uart(void *device)
{
	return &((struct uart *)device)->saved;
}

static void describe_uart(
	struct machine *m, void *device, const struct machine_place *place, struct aml *aml)
{
	struct aml_resources resources = { 0 };

	aml_device(aml, "COM1");
	aml_name(aml, "_HID");
	aml_eisa_id(aml, "PNP0501");
	aml_name(aml, "_UID");
	aml_integer(aml, 0);
	aml_resource_ports(&resources, (uint16_t)place->start, (uint8_t)place->size);
	aml_resource_irq(&resources, place->irq, true);
	aml_crs(aml, &resources);
	aml_end(aml);
}

const struct machine_slot x86_slot_uart = {
	.name = "uart",
	.place = { LAYOUT_UART_PORT, UART_PORTS, LAYOUT_UART_IRQ },
	.open = open_uart,
	.reset = reset_uart,
	.close = close_uart,
	.saved = saved_uart,
	.describe_acpi = describe_uart,
};
