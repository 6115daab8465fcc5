/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debug.c - the log of the guest's calls (-strace, STRATA_DEBUG=calls), on standard error.
 *
 * A line is written at once, so that those of several threads do not mix; a call's line is written
 * when it has returned, and one that does not return before it begins.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
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

/* --- one call --------------------------------------------------------------------------------- */

#define TEXT_SHOWN 64 /* bytes of a string */

struct line {
	size_t used;
	char text[LINE_MAX_BYTES];
};

static void print(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void print(struct line *line, const char *format, ...)
{
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(line->text + line->used, sizeof(line->text) - line->used, format, arguments);
	va_end(arguments);
	line->used += n > 0 ? (size_t)n : 0;
	if (line->used > sizeof(line->text) - 1)
		line->used = sizeof(line->text) - 1;
}

/* What begins at that address, quoted, and cut when it is long. */
static void print_bytes(struct line *line, uint64_t address, size_t size, bool is_string)
{
	char c;

	if (guest_copy_in(&c, address, size > 0) < 0) {
		print(line, "0x%" PRIx64, address);
		return;
	}
	print(line, "\"");
	for (size_t i = 0; i < size && i < TEXT_SHOWN; i++) {
		if (guest_copy_in(&c, address + i, 1) < 0 || (is_string && !c))
			break;
		if (c == '\n')
			print(line, "\\n");
		else if (c == '"' || c == '\\')
			print(line, "\\%c", c);
		else if (c < ' ' || c == 0x7f)
			print(line, "\\x%02x", (uint8_t)c);
		else
			print(line, "%c", c);
	}
	print(line, "\"%s", size > TEXT_SHOWN && !is_string ? "..." : "");
}

static void print_argument(struct line *line, char letter, const uint64_t *a)
{
	switch (letter) {
	case 'f':
		if ((int32_t)a[0] == AT_FDCWD)
			print(line, "AT_FDCWD");
		else
			print(line, "%" PRId32, (int32_t)a[0]);
		return;
	case 's':
		print_bytes(line, a[0], PATH_MAX, true);
		return;
	case 'b':
		print_bytes(line, a[0], a[1], false);
		return;
	case 'd':
		print(line, "%" PRId64, (int64_t)a[0]);
		return;
	case 'u':
		print(line, "%" PRIu64, a[0]);
		return;
	case 'o':
		print(line, "0%" PRIo64, a[0]);
		return;
	default:
		print(line, a[0] ? "0x%" PRIx64 : "%" PRIx64, a[0]);
	}
}

static void print_call(
	struct line *line, const struct system_call_row *row, uint64_t number, const uint64_t a[6])
{
	if (row->name)
		print(line, "%s(", row->name);
	else
		print(line, "unknown call %" PRIu64 "(", number);
	for (size_t i = 0; row->arguments[i]; i++) {
		print(line, "%s", i ? ", " : "");
		print_argument(line, row->arguments[i], &a[i]);
	}
	print(line, ")");
}

void debug_call(const struct thread *t, const struct system_call_row *row, uint64_t number,
	const uint64_t a[6])
{
	struct line line = { 0 };

	if (number != CALL_exit && number != CALL_exit_group && number != CALL_execve &&
		number != CALL_execveat && number != CALL_rt_sigreturn)
		return;
	print_call(&line, row, number, a);
	debug_line("%s ...", line.text);
}

void debug_result(const struct thread *t, const struct system_call_row *row, uint64_t number,
	const uint64_t a[6], int64_t result)
{
	struct line line = { 0 };

	if (result == NO_RESULT)
		return;
	print_call(&line, row, number, a);
	if (result == RESTART_CALL || result == RETRY_CALL)
		debug_line("%s interrupted", line.text);
	else if (result < 0 && result > -4096 && strerrorname_np((int)-result))
		debug_line("%s = -1 %s", line.text, strerrorname_np((int)-result));
	else if (result > INT32_MAX)
		debug_line("%s = 0x%" PRIx64, line.text, (uint64_t)result);
	else
		debug_line("%s = %" PRId64, line.text, result);
}
