/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session-run.c - let the target go on: vCont, and c, s, C, S, which it replaces.
 */
#include <errno.h>

#include "debug/internal.h"

void run_list_actions(struct debug_session *s, struct cursor *c)
{
	reply_text(&s->reply, "vCont;c;C;s;S;t;r");
}

static void resume(struct debug_session *s, const struct debug_resume *resumes, size_t count)
{
	s->state = SESSION_RUNNING;
	s->ops->resume(s->target, resumes, count);
}

/* Two digits. 0: none. */
static bool read_signal(struct cursor *c, int *ret)
{
	uint64_t number;

	if (!cursor_number(c, &number))
		return false;
	*ret = signal_from_gdb(number);
	return number == 0 || *ret != 0;
}

/* "c", "Cxx", "s", "Sxx", "rSTART,END". "t" is for targets whose threads stop one by one. */
static bool read_action(struct cursor *c, struct debug_resume *ret)
{
	if (cursor_skip(c, 'c'))
		return true;
	if (cursor_skip(c, 'C'))
		return read_signal(c, &ret->signal);
	ret->step = true;
	if (cursor_skip(c, 's'))
		return true;
	if (cursor_skip(c, 'S'))
		return read_signal(c, &ret->signal);
	return cursor_skip(c, 'r') && cursor_number(c, &ret->range_start) && cursor_skip(c, ',') &&
		cursor_number(c, &ret->range_end);
}

/* 0: any, which is the one that would be asked about. */
static uint64_t which_thread(const struct debug_session *s, uint64_t thread)
{
	return thread ? thread : session_thread(s);
}

void run_actions(struct debug_session *s, struct cursor *c)
{
	struct debug_resume resumes[DEBUG_RESUMES_MAX];
	size_t count = 0;
	bool stops = false;

	do {
		struct debug_resume *next = &resumes[count];
		bool stop = cursor_skip(c, 't');

		if (count == DEBUG_RESUMES_MAX) {
			reply_error(s, -E2BIG);
			return;
		}
		*next = (struct debug_resume){ .thread = DEBUG_ALL_THREADS };
		if ((!stop && !read_action(c, next)) ||
			(cursor_skip(c, ':') && !cursor_thread(c, &next->thread))) {
			reply_error(s, -EINVAL);
			return;
		}
		next->thread = which_thread(s, next->thread);
		stops |= stop;
		if (!stop)
			count++;
	} while (cursor_skip(c, ';'));
	if (!cursor_is_at_end(c) || (!count && !stops)) {
		reply_error(s, -EINVAL);
		return;
	}
	/* All are stopped already: those that are to stop stay so. */
	if (!count)
		session_tell_stop(s);
	else
		resume(s, resumes, count);
}

/* "[;ADDRESS]" or "[ADDRESS]": where to go on. */
static void run_old(struct debug_session *s, struct cursor *c, bool step, bool has_signal)
{
	struct debug_resume resumes[2] = { { .thread = which_thread(s, s->run_thread),
						   .step = step },
		{ .thread = DEBUG_ALL_THREADS } };
	uint64_t address;
	int r = 0;

	if (has_signal && !read_signal(c, &resumes[0].signal))
		r = -EINVAL;
	if (r == 0 && !cursor_is_at_end(c)) {
		uint8_t value[8];

		if (has_signal && !cursor_skip(c, ';'))
			r = -EINVAL;
		else if (!cursor_number(c, &address) || !cursor_is_at_end(c) ||
			!s->ops->write_register)
			r = -EINVAL;
		for (unsigned i = 0; i < sizeof(value); i++)
			value[i] = (uint8_t)(r ? 0 : address >> 8 * i);
		if (r == 0)
			r = s->ops->write_register(
				s->target, session_thread(s), s->architecture->pc, value);
	}
	if (r < 0)
		reply_error(s, r);
	else
		resume(s, resumes, 2);
}

void run_continue(struct debug_session *s, struct cursor *c)
{
	run_old(s, c, false, false);
}

void run_continue_with(struct debug_session *s, struct cursor *c)
{
	run_old(s, c, false, true);
}

void run_step(struct debug_session *s, struct cursor *c)
{
	run_old(s, c, true, false);
}

void run_step_with(struct debug_session *s, struct cursor *c)
{
	run_old(s, c, true, true);
}
