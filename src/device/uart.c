/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uart.c - NS16550A (TI PC16550D data sheet, SNLS378C; section numbers are from there).
 *
 * Bytes take no time: what is transmitted is with the console at once, and the "timeout" of the
 * receiver (§8.6.4: bytes below the trigger level) is over at once, too. While the console takes
 * nothing more, the transmitter is busy with one byte.
 *
 * The state changes under `lock`; the line follows it before the lock is given back.
 */
#include "device/uart.h"

#include <string.h>

enum {
	REG_DATA, /* RBR, THR; with DLAB the divisor's lower half */
	REG_INTERRUPT_ENABLE, /* with DLAB the upper half */
	REG_INTERRUPT_ID, /* written: FCR */
	REG_LINE_CONTROL,
	REG_MODEM_CONTROL,
	REG_LINE_STATUS,
	REG_MODEM_STATUS,
	REG_SCRATCH,
};

enum {
	IER_RECEIVED = 1,
	IER_TRANSMITTER_EMPTY = 2,
	IER_LINE_STATUS = 4,
	IER_MODEM_STATUS = 8,
	IER_ALL = 15,

	IIR_MODEM_STATUS = 0,
	IIR_NONE = 1,
	IIR_TRANSMITTER_EMPTY = 2,
	IIR_RECEIVED = 4,
	IIR_LINE_STATUS = 6,
	IIR_TIMEOUT = 12,
	IIR_FIFOS = 0xc0,

	FCR_ENABLE = 1,
	FCR_CLEAR_RECEIVER = 2,
	FCR_CLEAR_TRANSMITTER = 4,
	FCR_KEPT = 0xc9, /* enable, DMA mode, trigger level */

	LCR_BREAK = 0x40,
	LCR_DIVISOR = 0x80,

	MCR_DTR = 1,
	MCR_RTS = 2,
	MCR_OUT1 = 4,
	MCR_OUT2 = 8,
	MCR_LOOP = 16,
	MCR_ALL = 31,

	LSR_DATA = 1,
	LSR_OVERRUN = 2,
	LSR_BREAK = 16,
	LSR_HOLDING_EMPTY = 32,
	LSR_TRANSMITTER_EMPTY = 64,

	MSR_CTS = 16,
	MSR_DSR = 32,
	MSR_RI = 64,
	MSR_DCD = 128,
};

/* --- the interrupt, and the status that makes it --------------------------------------------- */

static bool has_fifos(const struct uart_state *s)
{
	return s->fifo_control & FCR_ENABLE;
}

static unsigned receiver_bytes(const struct uart_state *s)
{
	return has_fifos(s) ? UART_FIFO_BYTES : 1;
}

static unsigned trigger_level(const struct uart_state *s)
{
	static const uint8_t levels[] = { 1, 4, 8, 14 };

	return has_fifos(s) ? levels[s->fifo_control >> 6] : 1;
}

static uint8_t modem_lines(const struct uart_state *s)
{
	uint8_t mcr = s->modem_control;

	if (!(mcr & MCR_LOOP)) /* the other end is always there, and ready */
		return MSR_CTS | MSR_DSR | MSR_DCD;
	return (mcr & MCR_RTS ? MSR_CTS : 0) | (mcr & MCR_DTR ? MSR_DSR : 0) |
		(mcr & MCR_OUT1 ? MSR_RI : 0) | (mcr & MCR_OUT2 ? MSR_DCD : 0);
}

static uint8_t line_status(const struct uart_state *s)
{
	uint8_t empty = s->has_byte ? 0 : LSR_HOLDING_EMPTY | LSR_TRANSMITTER_EMPTY;

	return empty | (s->nr_received ? LSR_DATA : 0) | s->line_errors;
}

/* The one with the highest priority (§8.6.3, table 3). */
static uint8_t interrupt_id(const struct uart_state *s)
{
	uint8_t enabled = s->interrupt_enable;

	if ((enabled & IER_LINE_STATUS) && s->line_errors)
		return IIR_LINE_STATUS;
	if ((enabled & IER_RECEIVED) && s->nr_received)
		return s->nr_received >= trigger_level(s) ? IIR_RECEIVED : IIR_TIMEOUT;
	if ((enabled & IER_TRANSMITTER_EMPTY) && s->transmitter_empty_pending)
		return IIR_TRANSMITTER_EMPTY;
	if ((enabled & IER_MODEM_STATUS) && s->modem_changes)
		return IIR_MODEM_STATUS;
	return IIR_NONE;
}

static void update_line(struct uart *uart)
{
	bool level = interrupt_id(&uart->state) != IIR_NONE;

	if (level != uart->level) {
		uart->level = level;
		vm_irq_set(&uart->irq, level);
	}
}

/* --- bytes ----------------------------------------------------------------------------------- */

static void receive(struct uart_state *s, uint8_t byte)
{
	if (s->nr_received == receiver_bytes(s))
		s->line_errors |= LSR_OVERRUN;
	else
		s->received[s->nr_received++] = byte;
}

static uint8_t take_received(struct uart *uart)
{
	struct uart_state *s = &uart->state;
	uint8_t byte = s->received[0];

	if (s->nr_received == 0)
		return 0;
	memmove(s->received, s->received + 1, --s->nr_received);
	if (uart->was_full) {
		uart->was_full = false;
		console_has_room(uart->console);
	}
	return byte;
}

size_t uart_take(struct uart *uart, void *bytes, size_t size)
{
	size_t n = 0;

	pthread_mutex_lock(&uart->lock);
	while (n < size && uart->state.nr_received)
		((uint8_t *)bytes)[n++] = take_received(uart);
	update_line(uart);
	pthread_mutex_unlock(&uart->lock);
	return n;
}

static void transmit(struct uart *uart, uint8_t byte)
{
	struct uart_state *s = &uart->state;

	s->transmitter_empty_pending = true;
	if (s->modem_control & MCR_LOOP) {
		receive(s, byte);
	} else if (s->has_byte || console_write(uart->console, &byte, 1) == 0) {
		s->has_byte = true; /* what was there is overwritten */
		s->byte = byte;
		s->transmitter_empty_pending = false;
	}
}

static size_t input(struct console_guest *guest, const uint8_t *bytes, size_t size)
{
	struct uart *uart = container_of(guest, struct uart, guest);
	struct uart_state *s = &uart->state;
	size_t n = 0;

	pthread_mutex_lock(&uart->lock);
	if (!(s->modem_control & MCR_LOOP))
		while (n < size && s->nr_received < receiver_bytes(s))
			receive(s, bytes[n++]);
	uart->was_full = n < size;
	update_line(uart);
	pthread_mutex_unlock(&uart->lock);
	return n;
}

static void drained(struct console_guest *guest)
{
	struct uart *uart = container_of(guest, struct uart, guest);
	struct uart_state *s = &uart->state;

	pthread_mutex_lock(&uart->lock);
	if (s->has_byte && console_write(uart->console, &s->byte, 1) == 1) {
		s->has_byte = false;
		s->transmitter_empty_pending = true;
	}
	update_line(uart);
	pthread_mutex_unlock(&uart->lock);
}

static void send_break(struct console_guest *guest)
{
	struct uart *uart = container_of(guest, struct uart, guest);

	pthread_mutex_lock(&uart->lock);
	receive(&uart->state, 0);
	uart->state.line_errors |= LSR_BREAK;
	update_line(uart);
	pthread_mutex_unlock(&uart->lock);
}

static const struct console_guest_ops guest_ops = {
	.name = "uart",
	.input = input,
	.drained = drained,
	.send_break = send_break,
};

/* --- registers ------------------------------------------------------------------------------- */

static uint8_t read_register(struct uart *uart, uint64_t offset)
{
	struct uart_state *s = &uart->state;
	bool is_divisor = s->line_control & LCR_DIVISOR;
	uint8_t value;

	switch (offset) {
	case REG_DATA:
		return is_divisor ? s->divisor_low : take_received(uart);
	case REG_INTERRUPT_ENABLE:
		return is_divisor ? s->divisor_high : s->interrupt_enable;
	case REG_INTERRUPT_ID:
		value = interrupt_id(s);
		if (value == IIR_TRANSMITTER_EMPTY)
			s->transmitter_empty_pending = false;
		return value | (has_fifos(s) ? IIR_FIFOS : 0);
	case REG_LINE_CONTROL:
		return s->line_control;
	case REG_MODEM_CONTROL:
		return s->modem_control;
	case REG_LINE_STATUS:
		value = line_status(s);
		s->line_errors = 0;
		return value;
	case REG_MODEM_STATUS:
		value = modem_lines(s) | s->modem_changes;
		s->modem_changes = 0;
		return value;
	case REG_SCRATCH:
		return s->scratch;
	}
	return 0;
}

static void set_fifo_control(struct uart *uart, uint8_t value)
{
	struct uart_state *s = &uart->state;

	/* Both FIFOs are emptied when they come into use, or go out of it (§8.4). */
	if ((value ^ s->fifo_control) & FCR_ENABLE)
		value |= FCR_CLEAR_RECEIVER;
	if (value & FCR_CLEAR_RECEIVER) {
		s->nr_received = 0;
		if (uart->was_full)
			console_has_room(uart->console);
		uart->was_full = false;
	}
	s->fifo_control = value & FCR_ENABLE ? value & FCR_KEPT : 0;
}

static void set_interrupt_enable(struct uart_state *s, uint8_t value)
{
	/* Enabled while the transmitter is empty: that is an interrupt (§8.6.3). */
	if ((value & ~s->interrupt_enable & IER_TRANSMITTER_EMPTY) && !s->has_byte)
		s->transmitter_empty_pending = true;
	s->interrupt_enable = value & IER_ALL;
}

static void set_modem_control(struct uart *uart, uint8_t value)
{
	struct uart_state *s = &uart->state;
	uint8_t before = modem_lines(s), after;

	s->modem_control = value & MCR_ALL;
	after = modem_lines(s);
	/* The ring indicator tells only when ringing ends. */
	s->modem_changes |= ((before ^ after) & (MSR_CTS | MSR_DSR | MSR_DCD)) >> 4 |
		(before & ~after & MSR_RI) >> 4;
	if (uart->was_full && !(value & MCR_LOOP)) {
		uart->was_full = false;
		console_has_room(uart->console);
	}
}

static void write_register(struct uart *uart, uint64_t offset, uint8_t value)
{
	struct uart_state *s = &uart->state;
	bool is_divisor = s->line_control & LCR_DIVISOR;

	switch (offset) {
	case REG_DATA:
		if (is_divisor)
			s->divisor_low = value;
		else
			transmit(uart, value);
		break;
	case REG_INTERRUPT_ENABLE:
		if (is_divisor)
			s->divisor_high = value;
		else
			set_interrupt_enable(s, value);
		break;
	case REG_INTERRUPT_ID:
		set_fifo_control(uart, value);
		break;
	case REG_LINE_CONTROL:
		/* A break that loops back is received (§8.6.1). */
		if ((value & ~s->line_control & LCR_BREAK) && (s->modem_control & MCR_LOOP))
			s->line_errors |= LSR_BREAK;
		s->line_control = value;
		break;
	case REG_MODEM_CONTROL:
		set_modem_control(uart, value);
		break;
	case REG_SCRATCH:
		s->scratch = value;
		break;
	}
}

static uint64_t read_uart(struct vm_io *io, uint64_t offset, unsigned size)
{
	struct uart *uart = container_of(io, struct uart, io);
	uint8_t value;

	pthread_mutex_lock(&uart->lock);
	value = read_register(uart, offset);
	update_line(uart);
	pthread_mutex_unlock(&uart->lock);
	return value;
}

static void write_uart(struct vm_io *io, uint64_t offset, unsigned size, uint64_t value)
{
	struct uart *uart = container_of(io, struct uart, io);

	pthread_mutex_lock(&uart->lock);
	write_register(uart, offset, (uint8_t)value);
	update_line(uart);
	pthread_mutex_unlock(&uart->lock);
}

static const struct vm_io_ops io_ops = {
	.name = "uart",
	.read = read_uart,
	.write = write_uart,
};

/* --- life ------------------------------------------------------------------------------------ */

static int restore(struct vm_saved *saved, struct error *err)
{
	struct uart *uart = container_of(saved, struct uart, saved);

	if (uart->state.nr_received > UART_FIFO_BYTES)
		return error_set(err, EBADMSG, "uart: more bytes than its FIFO holds");
	uart->level = !(interrupt_id(&uart->state) != IIR_NONE);
	update_line(uart);
	return 0;
}

void uart_init(struct uart *uart, const struct vm_irq *irq, struct console *console)
{
	*uart = (struct uart){ .io = { .ops = &io_ops, .size = UART_BYTES },
		.irq = *irq,
		.guest = { &guest_ops },
		.console = console };
	uart->saved = (struct vm_saved){ .name = "uart",
		.data = &uart->state,
		.size = sizeof(uart->state),
		.restore = restore };
	pthread_mutex_init(&uart->lock, NULL);
	uart->state.modem_control = MCR_OUT2;
	console_attach(console, &uart->guest);
}

void uart_reset(struct uart *uart)
{
	pthread_mutex_lock(&uart->lock);
	uart->state = (struct uart_state){ .modem_control = MCR_OUT2 };
	update_line(uart);
	if (uart->was_full)
		console_has_room(uart->console);
	uart->was_full = false;
	pthread_mutex_unlock(&uart->lock);
}

void uart_destroy(struct uart *uart)
{
	pthread_mutex_destroy(&uart->lock);
}
