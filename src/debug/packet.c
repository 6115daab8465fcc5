/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packet.c - packets of the remote protocol (GDB manual E.1, "Overview"): "$DATA#SUM", where SUM is
 * that of DATA's bytes as they are sent, modulo 256.
 *
 * In what comes from a debugger, '}' stands for the byte behind it with bit 5 changed. In what goes
 * to it, "C*N" stands for C and N - 29 more of them, too; and of bytes that may be any, those with
 * a meaning are escaped.
 *
 * All buffers are bounded by PACKET_MAX. A packet that is longer is read to its end, and dropped.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "debug/internal.h"

#define ESCAPE	     '}'
#define ESCAPE_BIT   0x20
#define INTERRUPT    0x03
#define RUN_OFFSET   29 /* of a run's length, as a character */
#define RUN_MIN	     3
#define RUN_MAX	     97 /* '~' */
#define LINE_MAXIMUM 256 /* of what is formatted at once */

static const char digits[] = "0123456789abcdef";

static int digit_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* --- in -------------------------------------------------------------------------------------- */

static enum packet_event read_outside(struct packet_reader *reader, uint8_t byte)
{
	switch (byte) {
	case '$':
		reader->state = PACKET_DATA;
		reader->sum = 0;
		reader->size = 0;
		reader->is_too_long = reader->has_bad_sum = false;
		return PACKET_NOTHING;
	case '+':
		return PACKET_RECEIVED;
	case '-':
		return PACKET_AGAIN;
	case INTERRUPT:
		return PACKET_INTERRUPT;
	default: /* noise */
		return PACKET_NOTHING;
	}
}

static void add(struct packet_reader *reader, uint8_t byte)
{
	if (reader->size == sizeof(reader->data))
		reader->is_too_long = true;
	else
		reader->data[reader->size++] = byte;
}

static void read_data(struct packet_reader *reader, uint8_t byte)
{
	bool is_escaped = reader->state == PACKET_ESCAPED;

	if (byte == '#' && !is_escaped) {
		reader->state = PACKET_SUM_HIGH;
		return;
	}
	reader->sum += byte;
	reader->state = byte == ESCAPE && !is_escaped ? PACKET_ESCAPED : PACKET_DATA;
	if (reader->state == PACKET_DATA)
		add(reader, is_escaped ? byte ^ ESCAPE_BIT : byte);
}

static enum packet_event read_sum(struct packet_reader *reader, uint8_t byte)
{
	int value = digit_value(byte);

	reader->has_bad_sum |= value < 0;
	value &= 15;
	if (reader->state == PACKET_SUM_HIGH) {
		reader->sent_sum = (uint8_t)(value << 4);
		reader->state = PACKET_SUM_LOW;
		return PACKET_NOTHING;
	}
	reader->state = PACKET_OUTSIDE;
	if (reader->has_bad_sum || (uint8_t)(reader->sent_sum | value) != reader->sum)
		return PACKET_DAMAGED;
	return reader->is_too_long ? PACKET_TOO_LONG : PACKET_WHOLE;
}

enum packet_event packet_read(struct packet_reader *reader, uint8_t byte)
{
	/* A '$' is escaped inside a packet: the one before has lost its end. */
	if (byte == '$' && reader->state != PACKET_ESCAPED)
		reader->state = PACKET_OUTSIDE;
	switch (reader->state) {
	case PACKET_DATA:
	case PACKET_ESCAPED:
		read_data(reader, byte);
		return PACKET_NOTHING;
	case PACKET_SUM_HIGH:
	case PACKET_SUM_LOW:
		return read_sum(reader, byte);
	default:
		return read_outside(reader, byte);
	}
}

/* --- reading a packet ------------------------------------------------------------------------ */

bool cursor_is_at_end(const struct cursor *c)
{
	return c->at == c->end;
}

bool cursor_skip(struct cursor *c, char byte)
{
	if (c->at == c->end || *c->at != (uint8_t)byte)
		return false;
	c->at++;
	return true;
}

bool cursor_skip_text(struct cursor *c, const char *text)
{
	size_t size = strlen(text);

	if ((size_t)(c->end - c->at) < size || memcmp(c->at, text, size) != 0)
		return false;
	c->at += size;
	return true;
}

bool cursor_number(struct cursor *c, uint64_t *ret)
{
	const uint8_t *start = c->at;
	uint64_t value = 0;
	int digit;

	while (c->at < c->end && (digit = digit_value(*c->at)) >= 0) {
		if (value >> 60)
			return false;
		value = value << 4 | (uint64_t)digit;
		c->at++;
	}
	*ret = value;
	return c->at > start;
}

bool cursor_bytes(struct cursor *c, uint8_t *to, size_t size)
{
	if ((size_t)(c->end - c->at) / 2 < size)
		return false;
	for (size_t i = 0; i < size; i++, c->at += 2) {
		int high = digit_value(c->at[0]), low = digit_value(c->at[1]);

		if (high < 0 || low < 0)
			return false;
		to[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

bool cursor_thread(struct cursor *c, uint64_t *ret)
{
	if (cursor_skip_text(c, "-1")) {
		*ret = DEBUG_ALL_THREADS;
		return true;
	}
	return cursor_number(c, ret) && *ret != DEBUG_ALL_THREADS;
}

/* --- out ------------------------------------------------------------------------------------- */

void reply_byte(struct reply *reply, uint8_t byte)
{
	if (reply->size == sizeof(reply->data))
		reply->is_full = true;
	else
		reply->data[reply->size++] = byte;
}

void reply_text(struct reply *reply, const char *text)
{
	for (; *text; text++)
		reply_byte(reply, (uint8_t)*text);
}

void reply_printf(struct reply *reply, const char *format, ...)
{
	char line[LINE_MAXIMUM];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	reply_text(reply, line);
}

void reply_hex(struct reply *reply, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		reply_byte(reply, (uint8_t)digits[bytes[i] >> 4]);
		reply_byte(reply, (uint8_t)digits[bytes[i] & 15]);
	}
}

bool reply_binary(struct reply *reply, uint8_t byte)
{
	bool is_special = byte == '#' || byte == '$' || byte == '*' || byte == ESCAPE;

	if (sizeof(reply->data) - reply->size < 2)
		return false;
	if (is_special)
		reply_byte(reply, ESCAPE);
	reply_byte(reply, is_special ? byte ^ ESCAPE_BIT : byte);
	return true;
}

/* How often the byte at `at` comes, as a run that can be told: '#' and '$' are no lengths. */
static size_t run_length(const struct reply *reply, size_t at)
{
	size_t n = 1;

	while (n <= RUN_MAX && at + n < reply->size && reply->data[at + n] == reply->data[at])
		n++;
	if (n - 1 + RUN_OFFSET == '#' || n - 1 + RUN_OFFSET == '$')
		n = '#' - RUN_OFFSET;
	return n;
}

size_t reply_frame(const struct reply *reply, uint8_t frame[FRAME_MAX])
{
	size_t size = 0;
	uint8_t sum = 0;

	frame[size++] = '$';
	for (size_t at = 0; at < reply->size;) {
		size_t run = run_length(reply, at);

		frame[size++] = reply->data[at];
		if (run > RUN_MIN) {
			frame[size++] = '*';
			frame[size++] = (uint8_t)(run - 1 + RUN_OFFSET);
			at += run;
		} else {
			at++;
		}
	}
	for (size_t i = 1; i < size; i++)
		sum += frame[i];
	frame[size++] = '#';
	frame[size++] = (uint8_t)digits[sum >> 4];
	frame[size++] = (uint8_t)digits[sum & 15];
	return size;
}

/* --- documents ------------------------------------------------------------------------------- */

void window_byte(struct window *w, uint8_t byte)
{
	uint64_t at = w->at++;

	if (at < w->start || w->is_cut)
		return;
	if (at >= w->end || !reply_binary(w->reply, byte))
		w->is_cut = true;
}

void window_text(struct window *w, const char *text)
{
	for (; *text; text++)
		window_byte(w, (uint8_t)*text);
}

void window_printf(struct window *w, const char *format, ...)
{
	char line[LINE_MAXIMUM];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	window_text(w, line);
}

void window_escaped(struct window *w, const char *text)
{
	for (; *text; text++) {
		uint8_t c = (uint8_t)*text;

		if (c < 0x20 || c > 0x7e || strchr("<>&\"'", c))
			window_printf(w, "&#%u;", c < 0x20 ? '?' : c);
		else
			window_byte(w, c);
	}
}
