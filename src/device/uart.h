/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uart.h - a serial port: NS16550A, with both FIFOs, interrupts and modem lines.
 */
#pragma once

#include <pthread.h>

#include "device/console.h"
#include "vm/vm.h"

#define UART_BYTES	0x100
#define UART_CLOCK_HZ	3686400 /* said in the device tree; nothing here takes time */
#define UART_FIFO_BYTES 16

/* What the guest can see. */
struct uart_state {
	uint8_t interrupt_enable, fifo_control, line_control, modem_control, scratch;
	uint8_t divisor_low, divisor_high;
	uint8_t line_errors; /* overrun and break, until LSR is read */
	uint8_t modem_changes; /* the lower half of MSR */
	uint8_t transmitter_empty_pending; /* an interrupt that was not taken yet */
	uint8_t received[UART_FIFO_BYTES]; /* the oldest first */
	uint8_t nr_received;
	uint8_t has_byte, byte; /* written by the guest, and not taken by the console yet */
};

struct uart {
	struct vm_io io; /* `start` is filled in by the board */
	struct vm_irq irq;
	struct console_guest guest;
	struct console *console;
	struct vm_saved saved;
	pthread_mutex_t lock;
	struct uart_state state;
	bool was_full; /* input() was refused something */
	bool level; /* of the line */
};

void uart_init(struct uart *uart, const struct vm_irq *irq, struct console *console);
/* What has been received goes to somebody else, up to so many bytes, as if the guest had read it.
 * Returns how many there were. From any thread. */
size_t uart_take(struct uart *uart, void *bytes, size_t size);
void uart_reset(struct uart *uart);
void uart_destroy(struct uart *uart);
