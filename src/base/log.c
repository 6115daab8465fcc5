/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.c - one line, one write(2): lines of several processes never mix.
 */
#include "base/log.h"

#include <stdarg.h>
#include <string.h>

static enum log_level shown = LOG_LEVEL_WARNING;

void log_set_level(enum log_level level)
{
	shown = level;
}

enum log_level log_get_level(void)
{
	return shown;
}

void log_message(enum log_level level, const char *fmt, ...)
{
	static const char *const names[] = { "warning", "info", "debug" };
	char line[2048];
	va_list ap;
	int n, saved = errno;
	size_t used;

	if (level > shown)
		return;
	n = snprintf(line, sizeof(line), "strata: %s: ", names[level]);
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
	va_end(ap);
	used = strlen(line);
	line[used++] = '\n';
	if (write(STDERR_FILENO, line, used) < 0) {
		/* Nobody is left to tell. */
	}
	errno = saved;
}
