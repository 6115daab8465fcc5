/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session-data.c - registers, memory, breakpoints: g G p P m M X Z z.
 *
 * A register that cannot be read is "xx" to the debugger, and zero in G it is what it was.
 */
#include <errno.h>
#include <string.h>

#include "debug/internal.h"

/* --- registers ------------------------------------------------------------------------------- */

static size_t register_size(const struct debug_session *s, unsigned number)
{
	return s->architecture->registers[number].bits / 8;
}

void data_read_registers(struct debug_session *s, struct cursor *c)
{
	uint64_t thread = session_thread(s);
	uint8_t value[DEBUG_REGISTER_BYTES_MAX];

	for (unsigned i = 0; i < s->architecture->nr_registers; i++) {
		size_t size = register_size(s, i);

		if (s->ops->read_register(s->target, thread, i, value) == 0)
			reply_hex(&s->reply, value, size);
		else
			for (size_t n = 0; n < size; n++)
				reply_text(&s->reply, "xx");
	}
}

void data_write_registers(struct debug_session *s, struct cursor *c)
{
	uint64_t thread = session_thread(s);
	uint8_t value[DEBUG_REGISTER_BYTES_MAX];
	int r = 0;

	if (!s->ops->write_register)
		return;
	for (unsigned i = 0; r == 0 && i < s->architecture->nr_registers; i++) {
		size_t size = register_size(s, i);
		struct cursor unknown = *c;

		if (cursor_skip_text(&unknown, "xx")) {
			if ((size_t)(c->end - c->at) < 2 * size) {
				r = -EINVAL;
				break;
			}
			c->at += 2 * size;
			continue;
		}
		if (!cursor_bytes(c, value, size))
			r = -EINVAL;
		else
			r = s->ops->write_register(s->target, thread, i, value);
	}
	reply_result(s, r);
}

static bool read_number(const struct debug_session *s, struct cursor *c, unsigned *ret)
{
	uint64_t number;

	if (!cursor_number(c, &number) || number >= s->architecture->nr_registers)
		return false;
	*ret = (unsigned)number;
	return true;
}

void data_read_register(struct debug_session *s, struct cursor *c)
{
	uint8_t value[DEBUG_REGISTER_BYTES_MAX];
	unsigned number;
	int r = -EINVAL;

	if (read_number(s, c, &number) && cursor_is_at_end(c))
		r = s->ops->read_register(s->target, session_thread(s), number, value);
	if (r < 0)
		reply_error(s, r);
	else
		reply_hex(&s->reply, value, register_size(s, number));
}

void data_write_register(struct debug_session *s, struct cursor *c)
{
	uint8_t value[DEBUG_REGISTER_BYTES_MAX];
	unsigned number;
	int r = -EINVAL;

	if (!s->ops->write_register)
		return;
	if (read_number(s, c, &number) && cursor_skip(c, '=') &&
		cursor_bytes(c, value, register_size(s, number)) && cursor_is_at_end(c))
		r = s->ops->write_register(s->target, session_thread(s), number, value);
	reply_result(s, r);
}

/* --- memory ---------------------------------------------------------------------------------- */

/* "ADDRESS,SIZE" */
static bool read_range(struct cursor *c, uint64_t *ret_address, uint64_t *ret_size)
{
	return cursor_number(c, ret_address) && cursor_skip(c, ',') && cursor_number(c, ret_size);
}

/* With the eyes of the thread that is asked about. */
static void look(struct debug_session *s)
{
	if (s->ops->look_from)
		s->ops->look_from(s->target, session_thread(s));
}

void data_read_memory(struct debug_session *s, struct cursor *c)
{
	uint8_t bytes[PACKET_MAX / 2];
	uint64_t address, size;
	int64_t r = -EINVAL;

	if (read_range(c, &address, &size) && cursor_is_at_end(c)) {
		if (size > sizeof(bytes))
			size = sizeof(bytes);
		look(s);
		r = size ? s->ops->read_memory(s->target, address, bytes, size) : 0;
	}
	if (r < 0)
		reply_error(s, (int)r);
	else if ((uint64_t)r <= size)
		reply_hex(&s->reply, bytes, (size_t)r);
}

/* The bytes of M and X are as many as their size says, neither more nor fewer. */
static void write_memory(
	struct debug_session *s, uint64_t address, const uint8_t *bytes, uint64_t size)
{
	look(s);
	/* X with nothing is how a debugger asks for X itself. */
	reply_result(s, size ? s->ops->write_memory(s->target, address, bytes, size) : 0);
}

void data_write_memory(struct debug_session *s, struct cursor *c)
{
	uint8_t bytes[PACKET_MAX / 2];
	uint64_t address, size;

	if (!s->ops->write_memory)
		return;
	if (read_range(c, &address, &size) && cursor_skip(c, ':') && size <= sizeof(bytes) &&
		cursor_bytes(c, bytes, size) && cursor_is_at_end(c))
		write_memory(s, address, bytes, size);
	else
		reply_error(s, -EINVAL);
}

void data_write_memory_binary(struct debug_session *s, struct cursor *c)
{
	uint64_t address, size;

	if (!s->ops->write_memory)
		return;
	if (read_range(c, &address, &size) && cursor_skip(c, ':') &&
		size == (uint64_t)(c->end - c->at))
		write_memory(s, address, c->at, size);
	else
		reply_error(s, -EINVAL);
}

/* --- breakpoints ----------------------------------------------------------------------------- */

/* "TYPE,ADDRESS,KIND"; conditions may follow only when we had said that we know them. */
static void change_breakpoint(struct debug_session *s, struct cursor *c,
	int (*change)(struct debug_target *target, enum debug_breakpoint_type type,
		uint64_t address, uint64_t kind))
{
	uint64_t type, address, kind;
	int r;

	if (!change)
		return;
	if (!cursor_number(c, &type) || !cursor_skip(c, ',') || !read_range(c, &address, &kind) ||
		!cursor_is_at_end(c)) {
		reply_error(s, -EINVAL);
		return;
	}
	if (type >= DEBUG_BREAKPOINT_TYPES)
		return;
	look(s);
	r = change(s->target, (enum debug_breakpoint_type)type, address, kind);
	if (r == -ENOSPC)
		reply_text(
			&s->reply, "E.no room for one more breakpoint or watchpoint of this kind");
	else if (r != -EOPNOTSUPP)
		reply_result(s, r);
}

void data_insert_breakpoint(struct debug_session *s, struct cursor *c)
{
	change_breakpoint(s, c, s->ops->insert_breakpoint);
}

void data_remove_breakpoint(struct debug_session *s, struct cursor *c)
{
	change_breakpoint(s, c, s->ops->remove_breakpoint);
}
