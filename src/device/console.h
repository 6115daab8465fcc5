/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console.h - where the characters of a guest's serial line come from and go to: descriptors of
 * ours, a terminal among them.
 *
 * A device (uart.c) is the other end, the guest's. Neither waits for the other: what a device
 * writes is kept, up to a limit, and written by the event loop, at once when there was quiet and
 * in larger pieces while there is much; what is typed stays here until the device has room for it.
 *
 * Locks: a device may call everything here with its own lock held. Its operations are called on
 * the event loop's thread, without a lock.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <termios.h>

#include "base/loop.h"

#define CONSOLE_OUTPUT_BYTES 65536
#define CONSOLE_INPUT_BYTES  256
#define CONSOLE_NONE	     (-1)

struct console_guest;

struct console_guest_ops {
	const char *name; /* "uart" */
	/* Typed for the guest: how many bytes it takes. When it did not take all, it calls
	 * console_has_room() once it has room again. */
	size_t (*input)(struct console_guest *guest, const uint8_t *bytes, size_t size);
	/* console_write() had not taken all, and would take more now. NULL: it does not care. */
	void (*drained)(struct console_guest *guest);
	/* Somebody has sent a break (Ctrl-A b). NULL: there is no such thing. */
	void (*send_break)(struct console_guest *guest);
	/* The terminal has another size now. NULL: it does not care. */
	void (*resized)(struct console_guest *guest, unsigned columns, unsigned rows);
};

/* Embedded in the device. */
struct console_guest {
	const struct console_guest_ops *ops;
};

struct console_config {
	int in_fd, out_fd; /* the caller's; CONSOLE_NONE: there is nothing, and nobody listens */
	bool has_keys; /* Ctrl-A is for us: x leaves, b sends a break, h helps */
	/* Ctrl-A and this letter, which is none of ours: on the loop's thread. */
	void (*key)(void *context, char letter);
	void *context;
};

struct console {
	struct console_config config;
	struct loop *loop;
	int in_fd, out_fd; /* copies of our own */
	struct loop_source in, out, wake;
	struct loop_timer pause; /* until more output is written */
	struct termios saved; /* of the terminal, if... */
	bool is_raw; /* ...it was changed */
	struct console_guest *guest;

	/* The loop's own: what was read, and the device had no room for. */
	uint8_t input[CONSOLE_INPUT_BYTES];
	size_t nr_input;
	bool is_key; /* Ctrl-A was the last */
	bool is_file; /* in_fd is always ready */

	pthread_mutex_t lock;
	uint8_t output[CONSOLE_OUTPUT_BYTES]; /* a ring */
	size_t output_start, nr_output;
	bool is_awake; /* the loop knows that there is output, and comes back for more */
	bool was_full; /* console_write() has not taken all */
	bool has_room; /* console_has_room() was called */
};

int console_open(struct console *console, const struct console_config *config, struct loop *loop,
	struct error *err);
/* Writes what is left, if that is possible without waiting for long. */
void console_close(struct console *console);
/* The device at the other end, before the loop runs. */
void console_attach(struct console *console, struct console_guest *guest);

/* From any thread. How many bytes were taken: all, unless nobody reads what was written before. */
size_t console_write(struct console *console, const void *bytes, size_t size);
void console_has_room(struct console *console);
/* The terminal has changed its size, a signal says. */
void console_resized(struct console *console);
