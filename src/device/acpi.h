/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acpi.h - power, reset and events of a machine whose ACPI is hardware-reduced (ACPI 6.5 §4.8.3.7,
 * §4.8.3.6, §5.6.9), and the ways out for kernels without ACPI: the reset line of a keyboard
 * controller, and a port that ends the machine with a status.
 */
#pragma once

#include <pthread.h>

#include "vm/vm.h"

#define ACPI_BYTES	8
#define ACPI_KEYS_BYTES 1
#define ACPI_EXIT_BYTES 4

/* Registers, in bytes from the start. */
#define ACPI_SLEEP_CONTROL 0
#define ACPI_SLEEP_STATUS  1
#define ACPI_RESET	   2
#define ACPI_EVENTS	   4 /* 4 bytes: what has happened; reading forgets it */

#define ACPI_RESET_VALUE 1 /* what resets */
#define ACPI_SLEEP_OFF	 5 /* the type of the state S5 */

enum acpi_event {
	ACPI_EVENT_POWER_BUTTON = 1,
	ACPI_EVENT_GENERATION = 2, /* the machine's generation ID is another */
};

/* What the guest can see. */
struct acpi_state {
	uint32_t events;
};

struct acpi {
	struct vm_io io, keys, exit; /* `start`s are filled in by the board */
	struct vm_irq irq;
	struct vm_power *power;
	struct vm_saved saved;
	pthread_mutex_t lock;
	struct acpi_state state;
};

void acpi_init(struct acpi *acpi, const struct vm_irq *irq, struct vm_power *power);
void acpi_reset(struct acpi *acpi);
void acpi_destroy(struct acpi *acpi);
/* From any thread. */
void acpi_raise(struct acpi *acpi, enum acpi_event event);
