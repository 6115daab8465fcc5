/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debug.c - the log of the guest's calls (-strace, STRATA_DEBUG=calls), on standard error.
 *
 * A line is written at once, so that those of several threads do not mix; a call's line is written
 * when it has returned, and one that does not return before it begins.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "translate/internal.h"

#define LINE_MAX_BYTES 512

void debug_line(const char *format, ...)
{
	struct thread *t = thread_current();
	char line[LINE_MAX_BYTES];
	va_list arguments;
	int n;

	if (!t || !t->process->is_traced)
		return;
	n = snprintf(line, sizeof(line), "%d ", t->tid);
	va_start(arguments, format);
	n += vsnprintf(line + n, sizeof(line) - 1 - (size_t)n, format, arguments);
	va_end(arguments);
	if (n > (int)sizeof(line) - 2)
		n = (int)sizeof(line) - 2;
	line[n++] = '\n';
	host_call(SYS_write, 2, line, n);
}

static void name_call(const struct system_call_row *row, uint64_t number, char name[32])
{
	if (row->name)
		snprintf(name, 32, "%s", row->name);
	else
		snprintf(name, 32, "unknown call %" PRIu64, number);
}

void debug_call(const struct thread *t, const struct system_call_row *row, uint64_t number,
	const uint64_t a[6])
{
	char name[32];

	if (number != CALL_exit && number != CALL_exit_group && number != CALL_execve &&
		number != CALL_execveat && number != CALL_rt_sigreturn)
		return;
	name_call(row, number, name);
	debug_line("%s(0x%" PRIx64 ",0x%" PRIx64 ",0x%" PRIx64 ") ...", name, a[0], a[1], a[2]);
}

void debug_result(const struct thread *t, const struct system_call_row *row, uint64_t number,
	const uint64_t a[6], int64_t result)
{
	char name[32];

	name_call(row, number, name);
	if (result == RESTART_CALL || result == RETRY_CALL)
		debug_line("%s(0x%" PRIx64 ",0x%" PRIx64 ",0x%" PRIx64 ") interrupted", name, a[0],
			a[1], a[2]);
	else if (result != NO_RESULT)
		debug_line("%s(0x%" PRIx64 ",0x%" PRIx64 ",0x%" PRIx64 ",0x%" PRIx64 ",0x%" PRIx64
			   ",0x%" PRIx64 ") = %" PRId64,
			name, a[0], a[1], a[2], a[3], a[4], a[5], result);
}
