/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.c - one line, one write(2): lines of several processes never mix.
 */
#include "base/log.h"

#include <stdarg.h>
#include <string.h>

static enum log_level shown = LOG_LEVEL_WARNING;
static void (*log_sink)(enum log_level level, const char *text);

void log_set_level(enum log_level level)
{
	shown = level;
}

enum log_level log_get_level(void)
{
	return shown;
}

void log_set_sink(void (*sink)(enum log_level level, const char *text))
{
	log_sink = sink;
}

static void write_line(enum log_level level, const char *text)
{
	static const char *const names[] = { "warning", "info", "debug" };
	char line[2048];
	size_t len;

	snprintf(line, sizeof(line) - 1, "strata: %s: %s", names[level], text);
	len = strlen(line);
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0) {
		/* Nobody is left to tell. */
	}
}

void log_message(enum log_level level, const char *fmt, ...)
{
	char text[2048];
	va_list ap;
	int saved = errno;

	if (level > shown)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(log_sink ? log_sink : write_line)(level, text);
	errno = saved;
}
