/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-gdb.c - what a debugger might send. The first byte of an input says how the rest is meant:
 *
 *	r	bytes as they come
 *	otherwise packets, one a line, for which the sums are made here; "!" lets a target that runs
 *	stop, "." interrupts it
 *
 * What is sent back is a row of whole packets and acknowledgements, and a target is asked for
 * nothing while it runs (fake-target.h aborts).
 */
#include <signal.h>

#include "debug/internal.h"
#include "unit/debug/fake-target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed_packet(struct debug_session *s, const uint8_t *data, size_t size)
{
	char sum_text[4];
	uint8_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum += data[i];
	snprintf(sum_text, sizeof(sum_text), "#%02x", sum);
	debug_session_input(s, "+$", 2);
	debug_session_input(s, data, size);
	debug_session_input(s, sum_text, 3);
}

static void let_stop(struct debug_session *s, struct fake_target *fake)
{
	const struct debug_stop stop = {
		.kind = fake->was_interrupted ? DEBUG_STOP_SIGNAL : DEBUG_STOP_BREAKPOINT,
		.thread = FAKE_SECOND_THREAD,
		.signal = fake->was_interrupted ? SIGINT : SIGTRAP,
	};

	if (!fake->is_running)
		return;
	fake->is_running = fake->was_interrupted = false;
	debug_session_stopped(s, &stop);
}

static void feed_lines(
	struct debug_session *s, struct fake_target *fake, const uint8_t *data, size_t size)
{
	while (size) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t length = end ? (size_t)(end - data) : size;

		if (length == 1 && *data == '!')
			let_stop(s, fake);
		else if (length == 1 && *data == '.')
			debug_session_input(s, "\x03", 1);
		else
			feed_packet(s, data, length);
		data += length + (end != NULL);
		size -= length + (end != NULL);
	}
}

/* Of our own packets. */
static void check_sent(const struct fake_target *fake)
{
	static struct packet_reader reader;
	size_t size = fake->sent_size < FAKE_SENT_MAX ? fake->sent_size : FAKE_SENT_MAX;
	bool is_whole = fake->sent_size <= FAKE_SENT_MAX;

	reader.state = PACKET_OUTSIDE;
	for (size_t i = 0; i < size; i++) {
		uint8_t byte = (uint8_t)fake->sent[i];

		if (reader.state == PACKET_OUTSIDE && byte != '$' && byte != '+' && byte != '-')
			abort();
		switch (packet_read(&reader, byte)) {
		case PACKET_DAMAGED:
		case PACKET_TOO_LONG:
		case PACKET_INTERRUPT:
			abort();
		default:
			break;
		}
	}
	if (is_whole && reader.state != PACKET_OUTSIDE)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fake_target fake;
	const struct debug_stop stop = {
		.kind = DEBUG_STOP_SIGNAL, .thread = FAKE_FIRST_THREAD, .signal = SIGTRAP
	};
	struct debug_session *s;

	if (!size)
		return 0;
	fake_init(&fake, *data == 'P');
	if (debug_session_open(&debug_riscv64, &fake.target, &stop, &s, NULL) < 0)
		return 0;
	if (*data == 'r')
		debug_session_input(s, data + 1, size - 1);
	else
		feed_lines(s, &fake, data + 1, size - 1);
	debug_session_lost(s);
	debug_session_close(s);
	check_sent(&fake);
	return 0;
}
