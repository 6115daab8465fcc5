/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - what the files of debug/ share: packets on their way in and out, and the session.
 */
#pragma once

#include "debug/debug.h"

/* What a packet holds between '$' and '#', unescaped: announced as PacketSize. */
#define PACKET_MAX 16384

/* --- packet.c: in ---------------------------------------------------------------------------- */

enum packet_event {
	PACKET_NOTHING, /* go on */
	PACKET_WHOLE, /* reader.data */
	PACKET_DAMAGED, /* its sum is wrong */
	PACKET_TOO_LONG,
	PACKET_RECEIVED, /* '+': the debugger has what was sent last */
	PACKET_AGAIN, /* '-': what was sent last is wanted again */
	PACKET_INTERRUPT, /* Ctrl-C */
};

struct packet_reader {
	enum packet_state {
		PACKET_OUTSIDE,
		PACKET_DATA,
		PACKET_ESCAPED,
		PACKET_SUM_HIGH,
		PACKET_SUM_LOW,
	} state;
	uint8_t sum, sent_sum;
	bool is_too_long, has_bad_sum;
	size_t size;
	uint8_t data[PACKET_MAX];
};

/* One byte from the debugger. */
enum packet_event packet_read(struct packet_reader *reader, uint8_t byte);

/* What is left to be read of a packet. */
struct cursor {
	const uint8_t *at, *end;
};

bool cursor_is_at_end(const struct cursor *c);
/* The next byte if it is this one, or else leave it. */
bool cursor_skip(struct cursor *c, char byte);
/* The text if it comes next. */
bool cursor_skip_text(struct cursor *c, const char *text);
/* Hexadecimal digits, at least one and no more than 16. */
bool cursor_number(struct cursor *c, uint64_t *ret);
/* Exactly so many bytes as pairs of digits. */
bool cursor_bytes(struct cursor *c, uint8_t *to, size_t size);
/* A thread: a number, or -1 as DEBUG_ALL_THREADS; "0", any, stays 0. */
bool cursor_thread(struct cursor *c, uint64_t *ret);

/* --- packet.c: out --------------------------------------------------------------------------- */

/* An answer as it is made. What does not fit is not there, and is_full says so. */
struct reply {
	size_t size;
	bool is_full;
	uint8_t data[PACKET_MAX];
};

#define FRAME_MAX (PACKET_MAX + 4)

void reply_byte(struct reply *reply, uint8_t byte);
void reply_text(struct reply *reply, const char *text);
void reply_printf(struct reply *reply, const char *format, ...) _printf_(2, 3);
void reply_hex(struct reply *reply, const uint8_t *bytes, size_t size);
/* A byte that may be any, escaped; false, and nothing is added, when there is no room. */
bool reply_binary(struct reply *reply, uint8_t byte);

/* The packet for it: '$', runs shortened, '#', the sum. Its size. */
size_t reply_frame(const struct reply *reply, uint8_t frame[FRAME_MAX]);

/* --- documents: of what is written, only a part goes into the reply -------------------------- */

struct window {
	struct reply *reply;
	uint64_t at, start, end; /* wanted: [start, end) */
	bool is_cut; /* there was more */
};

void window_byte(struct window *w, uint8_t byte);
void window_text(struct window *w, const char *text);
void window_printf(struct window *w, const char *format, ...) _printf_(2, 3);
/* As an XML attribute has it. */
void window_escaped(struct window *w, const char *text);

/* --- architectures --------------------------------------------------------------------------- */

struct debug_register {
	const char *name, *type;
	uint16_t bits;
};

struct debug_feature {
	const char *name;
	const char *types; /* XML; NULL: none */
	uint16_t first, count; /* of the registers */
};

struct debug_architecture {
	const char *name; /* as gdb calls it */
	const struct debug_register *registers;
	unsigned nr_registers;
	const struct debug_feature *features;
	unsigned nr_features;
	unsigned pc;
	/* Sent with each stop, so that the debugger need not ask. */
	const uint16_t *expedited;
	unsigned nr_expedited;
};

/* target.xml: xml.c */
void describe_architecture(
	const struct debug_architecture *architecture, const char *osabi, struct window *w);

/* --- signals.c: gdb has numbers of its own --------------------------------------------------- */

int signal_to_gdb(int signal); /* 0: none, on both sides */
/* 0 also for those that Linux does not have. */
int signal_from_gdb(uint64_t signal);

/* --- the session ----------------------------------------------------------------------------- */

struct debug_session {
	const struct debug_architecture *architecture;
	struct debug_target *target;
	const struct debug_target_ops *ops;
	enum { SESSION_STOPPED, SESSION_RUNNING, SESSION_OVER } state;
	bool is_without_acks, knows_swbreak, knows_hwbreak, knows_exec;
	struct debug_stop stop; /* the last one */
	uint64_t general_thread, run_thread; /* of H packets */
	uint64_t listed_thread; /* the last one that qfThreadInfo and its like have told */
	struct packet_reader reader;
	struct reply reply;
	size_t frame_size; /* of what was sent last */
	uint8_t frame[FRAME_MAX];
	/* The last packet, as long as the debugger has not said that it has the answer. */
	bool awaits_ack;
	size_t packet_size;
	uint8_t packet[PACKET_MAX];
};

/* What handlers of commands do: read `c`, behind the command's name, and fill session.reply. An
 * empty reply says that there is no such command. */
typedef void command_handler(struct debug_session *s, struct cursor *c);

void reply_ok(struct debug_session *s);
/* `r` is a negative errno. */
void reply_error(struct debug_session *s, int r);
/* "OK" for 0. */
void reply_result(struct debug_session *s, int r);

/* The thread that g, p and their like mean. */
uint64_t session_thread(const struct debug_session *s);
bool session_has_thread(const struct debug_session *s, uint64_t thread);

/* session.c */
void session_send(struct debug_session *s);
/* The reply becomes "T05thread:...". */
void session_tell_stop(struct debug_session *s);

/* session-data.c */
command_handler data_read_registers, data_write_registers, data_read_register, data_write_register,
	data_read_memory, data_write_memory, data_write_memory_binary, data_insert_breakpoint,
	data_remove_breakpoint;

/* session-run.c */
command_handler run_list_actions, run_actions, run_continue, run_continue_with, run_step,
	run_step_with;

/* session-file.c */
command_handler file_open, file_close, file_read, file_stat, file_read_link;

/* session-query.c */
command_handler query_supported, query_first_threads, query_next_threads, query_current_thread,
	query_attached, query_transfer, query_pass_signals, query_command, query_physical_memory,
	query_set_physical_memory;
