/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.c - what a debugger wants, one packet at a time.
 *
 * The session is stopped (every packet is answered at once), running (the answer to what has
 * resumed the target is the next stop), or over:
 *
 *	stopped -> running	vCont, c, s, C, S
 *	running -> stopped	debug_session_stopped()
 *	either  -> over		D, k, vKill, the target's end, a connection that is lost
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "debug/internal.h"

/* --- answers --------------------------------------------------------------------------------- */

void reply_ok(struct debug_session *s)
{
	reply_text(&s->reply, "OK");
}

void reply_error(struct debug_session *s, int r)
{
	s->reply.size = 0;
	reply_printf(&s->reply, "E%02x", -r & 0xff);
}

void reply_result(struct debug_session *s, int r)
{
	if (r < 0)
		reply_error(s, r);
	else
		reply_ok(s);
}

static void send_bytes(struct debug_session *s, const void *bytes, size_t size)
{
	if (s->state != SESSION_OVER && s->ops->send(s->target, bytes, size) < 0)
		debug_session_lost(s);
}

void session_send(struct debug_session *s)
{
	if (s->reply.is_full)
		reply_error(s, -EMSGSIZE);
	s->frame_size = reply_frame(&s->reply, s->frame);
	send_bytes(s, s->frame, s->frame_size);
}

static void clear_reply(struct debug_session *s)
{
	s->reply.size = 0;
	s->reply.is_full = false;
}

/* --- threads --------------------------------------------------------------------------------- */

bool session_has_thread(const struct debug_session *s, uint64_t thread)
{
	return thread && thread != DEBUG_ALL_THREADS &&
		s->ops->next_thread(s->target, thread - 1) == thread;
}

uint64_t session_thread(const struct debug_session *s)
{
	if (session_has_thread(s, s->general_thread))
		return s->general_thread;
	if (session_has_thread(s, s->stop.thread))
		return s->stop.thread;
	return s->ops->next_thread(s->target, 0);
}

/* Hg, Hc */
static void select_thread(struct debug_session *s, struct cursor *c)
{
	bool is_general = cursor_skip(c, 'g');
	uint64_t thread;

	if ((!is_general && !cursor_skip(c, 'c')) || !cursor_thread(c, &thread)) {
		reply_error(s, -EINVAL);
		return;
	}
	if (thread && thread != DEBUG_ALL_THREADS && !session_has_thread(s, thread)) {
		reply_error(s, -ESRCH);
		return;
	}
	if (is_general)
		s->general_thread = thread;
	else
		s->run_thread = thread;
	reply_ok(s);
}

static void ask_thread(struct debug_session *s, struct cursor *c)
{
	uint64_t thread;

	if (cursor_thread(c, &thread) && session_has_thread(s, thread))
		reply_ok(s);
	else
		reply_error(s, -ESRCH);
}

/* --- stops ----------------------------------------------------------------------------------- */

static void tell_program(struct debug_session *s)
{
	const char *path = s->ops->executable ? s->ops->executable(s->target) : "";

	reply_text(&s->reply, "exec:");
	reply_hex(&s->reply, (const uint8_t *)path, strlen(path));
	reply_byte(&s->reply, ';');
}

static void tell_registers(struct debug_session *s)
{
	const struct debug_architecture *a = s->architecture;
	uint8_t value[DEBUG_REGISTER_BYTES_MAX];

	for (unsigned i = 0; i < a->nr_expedited; i++) {
		unsigned number = a->expedited[i];

		if (s->ops->read_register(s->target, s->stop.thread, number, value) < 0)
			continue;
		reply_printf(&s->reply, "%02x:", number);
		reply_hex(&s->reply, value, a->registers[number].bits / 8);
		reply_byte(&s->reply, ';');
	}
}

static const char *watchpoint_name(enum debug_breakpoint_type type)
{
	return type == DEBUG_WATCHPOINT_READ	  ? "rwatch"
		: type == DEBUG_WATCHPOINT_ACCESS ? "awatch"
						  : "watch";
}

void session_tell_stop(struct debug_session *s)
{
	const struct debug_stop *stop = &s->stop;

	switch (stop->kind) {
	case DEBUG_STOP_EXITED:
		reply_printf(&s->reply, "W%02x", stop->status & 0xff);
		return;
	case DEBUG_STOP_KILLED:
		reply_printf(&s->reply, "X%02x", signal_to_gdb(stop->signal));
		return;
	case DEBUG_STOP_BREAKPOINT:
	case DEBUG_STOP_HARDWARE_BREAKPOINT:
	case DEBUG_STOP_WATCHPOINT:
	case DEBUG_STOP_EXECUTED:
	case DEBUG_STOP_SIGNAL:
		break;
	}
	reply_printf(&s->reply, "T%02xthread:%llx;", signal_to_gdb(stop->signal),
		(unsigned long long)stop->thread);
	if (stop->kind == DEBUG_STOP_BREAKPOINT && s->knows_swbreak)
		reply_text(&s->reply, "swbreak:;");
	if (stop->kind == DEBUG_STOP_HARDWARE_BREAKPOINT && s->knows_hwbreak)
		reply_text(&s->reply, "hwbreak:;");
	if (stop->kind == DEBUG_STOP_WATCHPOINT)
		reply_printf(&s->reply, "%s:%llx;", watchpoint_name(stop->watchpoint),
			(unsigned long long)stop->address);
	if (stop->kind == DEBUG_STOP_EXECUTED && s->knows_exec)
		tell_program(s);
	tell_registers(s);
}

static void ask_stop(struct debug_session *s, struct cursor *c)
{
	session_tell_stop(s);
}

/* --- ends ------------------------------------------------------------------------------------ */

static void detach(struct debug_session *s, struct cursor *c)
{
	reply_ok(s);
	session_send(s);
	clear_reply(s);
	debug_session_lost(s);
}

static void end(struct debug_session *s)
{
	s->state = SESSION_OVER;
	s->ops->kill(s->target);
}

/* k has no answer, vKill has one. */
static void kill_target(struct debug_session *s, struct cursor *c)
{
	if (s->ops->kill)
		end(s);
}

static void kill_process(struct debug_session *s, struct cursor *c)
{
	if (!s->ops->kill)
		return;
	reply_ok(s);
	session_send(s);
	clear_reply(s);
	if (s->state != SESSION_OVER)
		end(s);
}

static void stop_acks(struct debug_session *s, struct cursor *c)
{
	reply_ok(s);
	session_send(s);
	clear_reply(s);
	s->is_without_acks = true;
}

/* --- commands -------------------------------------------------------------------------------- */

enum {
	WHOLE = 1, /* nothing may follow the name */
	SILENT = 2, /* an empty reply is none; not that there is no such command */
	ALWAYS = 4, /* also while the target runs */
};

/* Of rows that begin the same, the longer name comes first. */
static const struct command {
	const char *name;
	command_handler *handle;
	unsigned flags;
} commands[] = {
	{ "?", ask_stop, WHOLE },
	{ "D", detach, SILENT },
	{ "G", data_write_registers, 0 },
	{ "H", select_thread, 0 },
	{ "M", data_write_memory, 0 },
	{ "P", data_write_register, 0 },
	{ "QPassSignals:", query_pass_signals, 0 },
	{ "Qqemu.PhyMemMode:", query_set_physical_memory, 0 },
	{ "QStartNoAckMode", stop_acks, WHOLE | SILENT },
	{ "T", ask_thread, 0 },
	{ "X", data_write_memory_binary, 0 },
	{ "Z", data_insert_breakpoint, 0 },
	{ "c", run_continue, SILENT },
	{ "C", run_continue_with, SILENT },
	{ "g", data_read_registers, WHOLE },
	{ "k", kill_target, WHOLE | SILENT | ALWAYS },
	{ "m", data_read_memory, 0 },
	{ "p", data_read_register, 0 },
	{ "qAttached", query_attached, 0 },
	{ "qC", query_current_thread, WHOLE },
	{ "qRcmd,", query_command, 0 },
	{ "qSupported", query_supported, 0 },
	{ "qXfer:", query_transfer, 0 },
	{ "qqemu.PhyMemMode", query_physical_memory, WHOLE },
	{ "qfThreadInfo", query_first_threads, WHOLE },
	{ "qsThreadInfo", query_next_threads, WHOLE },
	{ "s", run_step, SILENT },
	{ "S", run_step_with, SILENT },
	{ "vCont?", run_list_actions, WHOLE },
	{ "vCont;", run_actions, SILENT },
	{ "vFile:close:", file_close, 0 },
	{ "vFile:fstat:", file_stat, 0 },
	{ "vFile:open:", file_open, 0 },
	{ "vFile:pread:", file_read, 0 },
	{ "vFile:readlink:", file_read_link, 0 },
	{ "vKill", kill_process, SILENT | ALWAYS },
	{ "z", data_remove_breakpoint, 0 },
};

static const struct command *find_command(struct cursor *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		struct cursor rest = *c;

		if (!cursor_skip_text(&rest, commands[i].name))
			continue;
		if ((commands[i].flags & WHOLE) && !cursor_is_at_end(&rest))
			continue;
		*c = rest;
		return &commands[i];
	}
	return NULL;
}

/*
 * A debugger that had to wait long for the acknowledgement sends a packet again: what then comes
 * twice is not meant twice.
 */
static bool is_repeated(struct debug_session *s)
{
	const struct packet_reader *reader = &s->reader;

	if (s->awaits_ack && s->packet_size == reader->size &&
		memcmp(s->packet, reader->data, reader->size) == 0)
		return true;
	s->awaits_ack = !s->is_without_acks;
	s->packet_size = reader->size;
	memcpy(s->packet, reader->data, reader->size);
	return false;
}

static void handle_packet(struct debug_session *s)
{
	struct cursor c = { s->reader.data, s->reader.data + s->reader.size };
	const struct command *command = find_command(&c);
	unsigned flags = command ? command->flags : 0;

	/* While the target runs there is nothing to be said. */
	if (s->state == SESSION_RUNNING && !(flags & ALWAYS))
		return;
	clear_reply(s);
	if (command)
		command->handle(s, &c);
	if (s->reply.size || !(flags & SILENT))
		session_send(s);
}

static void handle_byte(struct debug_session *s, uint8_t byte)
{
	switch (packet_read(&s->reader, byte)) {
	case PACKET_WHOLE:
		if (!s->is_without_acks)
			send_bytes(s, "+", 1);
		if (s->state != SESSION_OVER && !is_repeated(s))
			handle_packet(s);
		break;
	case PACKET_RECEIVED:
		s->awaits_ack = false;
		break;
	case PACKET_TOO_LONG:
		if (!s->is_without_acks)
			send_bytes(s, "+", 1);
		if (s->state != SESSION_STOPPED)
			break;
		clear_reply(s);
		reply_error(s, -E2BIG);
		session_send(s);
		break;
	case PACKET_DAMAGED:
		if (!s->is_without_acks)
			send_bytes(s, "-", 1);
		break;
	case PACKET_AGAIN:
		if (!s->is_without_acks && s->frame_size)
			send_bytes(s, s->frame, s->frame_size);
		break;
	case PACKET_INTERRUPT:
		if (s->state == SESSION_RUNNING && s->ops->interrupt)
			s->ops->interrupt(s->target);
		break;
	case PACKET_NOTHING:
		break;
	}
}

/* --- what the owner calls -------------------------------------------------------------------- */

int debug_session_open(const struct debug_architecture *architecture, struct debug_target *target,
	const struct debug_stop *stop, struct debug_session **ret, struct error *err)
{
	struct debug_session *s = calloc(1, sizeof(*s));

	if (!s)
		return error_oom(err);
	s->architecture = architecture;
	s->target = target;
	s->ops = target->ops;
	s->stop = *stop;
	*ret = s;
	return 0;
}

struct debug_session *debug_session_close(struct debug_session *s)
{
	free(s);
	return NULL;
}

enum { SAVED_WITHOUT_ACKS = 1, SAVED_SWBREAK = 2, SAVED_HWBREAK = 4, SAVED_EXEC = 8 };

unsigned debug_session_save(const struct debug_session *s)
{
	return (s->is_without_acks ? SAVED_WITHOUT_ACKS : 0u) |
		(s->knows_swbreak ? SAVED_SWBREAK : 0u) | (s->knows_hwbreak ? SAVED_HWBREAK : 0u) |
		(s->knows_exec ? SAVED_EXEC : 0u);
}

void debug_session_continue(struct debug_session *s, unsigned saved)
{
	s->is_without_acks = saved & SAVED_WITHOUT_ACKS;
	s->knows_swbreak = saved & SAVED_SWBREAK;
	s->knows_hwbreak = saved & SAVED_HWBREAK;
	s->knows_exec = saved & SAVED_EXEC;
	s->state = SESSION_RUNNING;
}

bool debug_session_knows_exec(const struct debug_session *s)
{
	return s->knows_exec;
}

bool debug_session_input(struct debug_session *s, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < size && s->state != SESSION_OVER; i++)
		handle_byte(s, at[i]);
	return s->state != SESSION_OVER;
}

bool debug_session_stopped(struct debug_session *s, const struct debug_stop *stop)
{
	if (s->state == SESSION_OVER)
		return false;
	s->stop = *stop;
	s->state = SESSION_STOPPED;
	s->general_thread = stop->thread;
	clear_reply(s);
	session_tell_stop(s);
	session_send(s);
	if (stop->kind == DEBUG_STOP_EXITED || stop->kind == DEBUG_STOP_KILLED)
		s->state = SESSION_OVER;
	return s->state != SESSION_OVER;
}

void debug_session_lost(struct debug_session *s)
{
	if (s->state == SESSION_OVER)
		return;
	s->state = SESSION_OVER;
	if (s->ops->detach)
		s->ops->detach(s->target);
}
