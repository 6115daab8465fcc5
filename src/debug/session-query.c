/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session-query.c - questions: what we can do, which threads there are, and documents (qXfer).
 */
#include <errno.h>
#include <string.h>

#include "debug/internal.h"

#define THREAD_NAME_MAX 64
#define COMMAND_MAX	255
#define ANSWER_MAX	(PACKET_MAX / 2 - 1)
/* A thread's number with its comma; more than fit come with the next question. */
#define THREAD_TEXT_MAX 17

/* --- what we can do -------------------------------------------------------------------------- */

static void read_features(struct debug_session *s, struct cursor *c)
{
	if (!cursor_skip(c, ':'))
		return;
	while (!cursor_is_at_end(c)) {
		if (cursor_skip_text(c, "swbreak+"))
			s->knows_swbreak = true;
		else if (cursor_skip_text(c, "hwbreak+"))
			s->knows_hwbreak = true;
		else if (cursor_skip_text(c, "exec-events+"))
			s->knows_exec = true;
		while (!cursor_is_at_end(c) && !cursor_skip(c, ';'))
			c->at++;
	}
}

void query_supported(struct debug_session *s, struct cursor *c)
{
	const struct debug_target_ops *ops = s->ops;

	read_features(s, c);
	reply_printf(&s->reply,
		"PacketSize=%x;QStartNoAckMode+;vContSupported+;qXfer:features:read+", PACKET_MAX);
	reply_text(&s->reply, ";qXfer:threads:read+");
	if (ops->insert_breakpoint)
		reply_text(&s->reply, ";swbreak+;hwbreak+");
	if (ops->read_auxv)
		reply_text(&s->reply, ";qXfer:auxv:read+");
	if (ops->executable)
		reply_text(&s->reply, ";qXfer:exec-file:read+;exec-events+");
	if (ops->read_siginfo)
		reply_text(&s->reply, ";qXfer:siginfo:read+");
	if (ops->pass_signals)
		reply_text(&s->reply, ";QPassSignals+");
	if (ops->physical_memory)
		reply_text(&s->reply, ";PhyMemMode+");
}

/* QEMU's packets (its documentation, "GDB usage"): "0", "1", and to set it. */
void query_physical_memory(struct debug_session *s, struct cursor *c)
{
	if (s->ops->physical_memory)
		reply_text(&s->reply, s->ops->physical_memory(s->target, -1) ? "1" : "0");
}

void query_set_physical_memory(struct debug_session *s, struct cursor *c)
{
	uint64_t on;

	if (!s->ops->physical_memory)
		return;
	if (!cursor_number(c, &on) || !cursor_is_at_end(c)) {
		reply_error(s, -EINVAL);
		return;
	}
	s->ops->physical_memory(s->target, on != 0);
	reply_ok(s);
}

/* "monitor TEXT", two digits for each character; so is the answer. */
void query_command(struct debug_session *s, struct cursor *c)
{
	char text[COMMAND_MAX + 1] = "", answer[ANSWER_MAX];
	size_t size = (size_t)(c->end - c->at) / 2;
	int64_t n = -EINVAL;

	if (!s->ops->command)
		return;
	if (size <= COMMAND_MAX && cursor_bytes(c, (uint8_t *)text, size) && cursor_is_at_end(c))
		n = s->ops->command(s->target, text, answer, sizeof(answer));
	if (n < 0)
		reply_error(s, (int)n);
	else if (n == 0)
		reply_ok(s);
	else
		reply_hex(&s->reply, (const uint8_t *)answer, (size_t)n);
}

/* Ours: whether to kill or to let go when the debugger leaves. */
void query_attached(struct debug_session *s, struct cursor *c)
{
	reply_text(&s->reply, s->ops->is_attached ? "1" : "0");
}

/* "SIGNAL;SIGNAL;...", all that were passed before are not any more. */
void query_pass_signals(struct debug_session *s, struct cursor *c)
{
	uint64_t signals = 0, number;

	if (!s->ops->pass_signals)
		return;
	while (cursor_number(c, &number)) {
		int signal = signal_from_gdb(number);

		if (signal)
			signals |= UINT64_C(1) << (signal - 1);
		if (!cursor_skip(c, ';'))
			break;
	}
	if (!cursor_is_at_end(c)) {
		reply_error(s, -EINVAL);
		return;
	}
	s->ops->pass_signals(s->target, signals);
	reply_ok(s);
}

/* --- threads --------------------------------------------------------------------------------- */

void query_current_thread(struct debug_session *s, struct cursor *c)
{
	reply_printf(&s->reply, "QC%llx", (unsigned long long)session_thread(s));
}

void query_next_threads(struct debug_session *s, struct cursor *c)
{
	char separator = 'm';
	uint64_t thread;

	while (sizeof(s->reply.data) - s->reply.size > THREAD_TEXT_MAX &&
		(thread = s->ops->next_thread(s->target, s->listed_thread))) {
		reply_printf(&s->reply, "%c%llx", separator, (unsigned long long)thread);
		s->listed_thread = thread;
		separator = ',';
	}
	if (!s->reply.size)
		reply_text(&s->reply, "l");
}

void query_first_threads(struct debug_session *s, struct cursor *c)
{
	s->listed_thread = 0;
	query_next_threads(s, c);
}

/* --- documents ------------------------------------------------------------------------------- */

static int write_features(struct debug_session *s, struct cursor *annex, struct window *w)
{
	if (!cursor_skip_text(annex, "target.xml") || !cursor_is_at_end(annex))
		return -ENOENT;
	describe_architecture(s->architecture, s->ops->osabi, w);
	return 0;
}

static int write_threads(struct debug_session *s, struct cursor *annex, struct window *w)
{
	char name[THREAD_NAME_MAX];

	window_text(w, "<?xml version=\"1.0\"?>\n<threads>\n");
	for (uint64_t t = 0; !w->is_cut && (t = s->ops->next_thread(s->target, t));) {
		window_printf(w, "<thread id=\"%llx\"", (unsigned long long)t);
		if (s->ops->name_thread &&
			s->ops->name_thread(s->target, t, name, sizeof(name)) == 0) {
			window_text(w, " name=\"");
			window_escaped(w, name);
			window_text(w, "\"");
		}
		window_text(w, "/>\n");
	}
	window_text(w, "</threads>\n");
	return 0;
}

static int write_executable(struct debug_session *s, struct cursor *annex, struct window *w)
{
	const char *path = s->ops->executable ? s->ops->executable(s->target) : NULL;

	if (!path)
		return -ENOENT;
	window_text(w, path);
	return 0;
}

/* Bytes that an operation gives in parts, from the window's start on. */
static int write_parts(struct debug_session *s, struct window *w,
	int64_t (*read)(struct debug_session *s, uint64_t offset, void *buffer, size_t size))
{
	uint8_t part[512];

	w->at = w->start;
	while (!w->is_cut) {
		int64_t n = read(s, w->at, part, sizeof(part));

		if (n < 0)
			return (int)n;
		if (n == 0 || n > (int64_t)sizeof(part))
			break;
		for (int64_t i = 0; i < n; i++)
			window_byte(w, part[i]);
	}
	return 0;
}

static int64_t read_auxv(struct debug_session *s, uint64_t offset, void *buffer, size_t size)
{
	return s->ops->read_auxv(s->target, offset, buffer, size);
}

static int64_t read_siginfo(struct debug_session *s, uint64_t offset, void *buffer, size_t size)
{
	return s->ops->read_siginfo(s->target, session_thread(s), offset, buffer, size);
}

static int write_auxv(struct debug_session *s, struct cursor *annex, struct window *w)
{
	return s->ops->read_auxv ? write_parts(s, w, read_auxv) : -ENOENT;
}

static int write_siginfo(struct debug_session *s, struct cursor *annex, struct window *w)
{
	return s->ops->read_siginfo ? write_parts(s, w, read_siginfo) : -ENOENT;
}

static const struct {
	const char *name;
	int (*write)(struct debug_session *s, struct cursor *annex, struct window *w);
} documents[] = {
	{ "features:read:", write_features },
	{ "threads:read:", write_threads },
	{ "auxv:read:", write_auxv },
	{ "exec-file:read:", write_executable },
	{ "siginfo:read:", write_siginfo },
};

/* "ANNEX:OFFSET,SIZE"; the annex ends at the last colon. */
static bool split(struct cursor *c, struct cursor *ret_annex, struct window *ret)
{
	const uint8_t *colon = memrchr(c->at, ':', (size_t)(c->end - c->at));
	uint64_t size;

	if (!colon)
		return false;
	*ret_annex = (struct cursor){ c->at, colon };
	c->at = colon + 1;
	if (!cursor_number(c, &ret->start) || !cursor_skip(c, ',') || !cursor_number(c, &size) ||
		!cursor_is_at_end(c))
		return false;
	ret->end = size > UINT64_MAX - ret->start ? UINT64_MAX : ret->start + size;
	return true;
}

/* "m" and a part, or "l" and the last one. */
void query_transfer(struct debug_session *s, struct cursor *c)
{
	struct window w = { .reply = &s->reply };
	struct cursor annex;
	size_t i = 0;
	int r;

	while (i < ARRAY_SIZE(documents) && !cursor_skip_text(c, documents[i].name))
		i++;
	if (i == ARRAY_SIZE(documents))
		return;
	if (!split(c, &annex, &w)) {
		reply_error(s, -EINVAL);
		return;
	}
	reply_byte(&s->reply, 'l');
	r = documents[i].write(s, &annex, &w);
	if (r < 0)
		reply_error(s, r);
	else if (w.is_cut)
		s->reply.data[0] = 'm';
}
