/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acpi.c - the registers that hardware-reduced ACPI has, a keyboard controller of which only the
 * reset line is there, and a port that ends the machine.
 *
 * The line is high while there are events; the guest's event method reads them all at once.
 */
#include "device/acpi.h"

#include "base/cleanup.h"

#define SLEEP_ENABLE	 0x20
#define SLEEP_TYPE(byte) ((byte) >> 2 & 7)
#define KEYS_RESET	 0xfe /* pulse of the controller's output 0 */

static void set_events(struct acpi *acpi, uint32_t events)
{
	acpi->state.events = events;
	vm_irq_set(&acpi->irq, events != 0);
}

void acpi_raise(struct acpi *acpi, enum acpi_event event)
{
	pthread_mutex_lock(&acpi->lock);
	set_events(acpi, acpi->state.events | event);
	pthread_mutex_unlock(&acpi->lock);
}

/* --- registers ------------------------------------------------------------------------------- */

static uint64_t read_acpi(struct vm_io *io, uint64_t offset, unsigned size)
{
	struct acpi *acpi = container_of(io, struct acpi, io);
	uint64_t value;

	if (offset != ACPI_EVENTS || size != sizeof(acpi->state.events))
		return 0;
	pthread_mutex_lock(&acpi->lock);
	value = acpi->state.events;
	set_events(acpi, 0);
	pthread_mutex_unlock(&acpi->lock);
	return value;
}

static void write_acpi(struct vm_io *io, uint64_t offset, unsigned size, uint64_t value)
{
	struct vm_power *power = container_of(io, struct acpi, io)->power;

	if (size != 1)
		return;
	if (offset == ACPI_SLEEP_CONTROL && (value & SLEEP_ENABLE) &&
		SLEEP_TYPE(value) == ACPI_SLEEP_OFF)
		power->ops->off(power, 0);
	else if (offset == ACPI_RESET && value == ACPI_RESET_VALUE)
		power->ops->reset(power);
}

static const struct vm_io_ops io_ops = {
	.name = "acpi",
	.read = read_acpi,
	.write = write_acpi,
};

/* Its status: nothing to be read, room for what is written. */
static uint64_t read_keys(struct vm_io *io, uint64_t offset, unsigned size)
{
	return 0;
}

static void write_keys(struct vm_io *io, uint64_t offset, unsigned size, uint64_t value)
{
	struct vm_power *power = container_of(io, struct acpi, keys)->power;

	if (value == KEYS_RESET)
		power->ops->reset(power);
}

static const struct vm_io_ops keys_ops = {
	.name = "keyboard",
	.read = read_keys,
	.write = write_keys,
};

static uint64_t read_exit(struct vm_io *io, uint64_t offset, unsigned size)
{
	return 0;
}

static void write_exit(struct vm_io *io, uint64_t offset, unsigned size, uint64_t value)
{
	struct vm_power *power = container_of(io, struct acpi, exit)->power;

	if (offset == 0)
		power->ops->off(power, (int)(value & INT32_MAX));
}

static const struct vm_io_ops exit_ops = {
	.name = "exit",
	.read = read_exit,
	.write = write_exit,
};

/* --- life ------------------------------------------------------------------------------------ */

static int restore(struct vm_saved *saved, struct error *err)
{
	struct acpi *acpi = container_of(saved, struct acpi, saved);

	set_events(acpi, acpi->state.events & (ACPI_EVENT_POWER_BUTTON | ACPI_EVENT_GENERATION));
	return 0;
}

void acpi_init(struct acpi *acpi, const struct vm_irq *irq, struct vm_power *power)
{
	*acpi = (struct acpi){
		.io = { .ops = &io_ops, .size = ACPI_BYTES },
		.keys = { .ops = &keys_ops, .size = ACPI_KEYS_BYTES },
		.exit = { .ops = &exit_ops, .size = ACPI_EXIT_BYTES },
		.irq = *irq,
		.power = power,
	};
	acpi->saved = (struct vm_saved){ .name = "acpi",
		.data = &acpi->state,
		.size = sizeof(acpi->state),
		.restore = restore };
	pthread_mutex_init(&acpi->lock, NULL);
}

void acpi_reset(struct acpi *acpi)
{
	pthread_mutex_lock(&acpi->lock);
	set_events(acpi, 0);
	pthread_mutex_unlock(&acpi->lock);
}

void acpi_destroy(struct acpi *acpi)
{
	pthread_mutex_destroy(&acpi->lock);
}
