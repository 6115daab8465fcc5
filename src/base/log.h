/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h - diagnostics for the curious (`strata --debug`), never part of a command's result.
 *
 * Libraries below front/ report failures through struct error; a log line tells of something that
 * was handled (a fallback taken, a retry) and goes to stderr of the process that meets it.
 */
#pragma once

#include "base/cleanup.h"

enum log_level {
	LOG_LEVEL_WARNING, /* shown always: the user should know */
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/* The mutable globals beside the options of front/: what is shown, and where. Default: warnings. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* Where lines go instead of stderr: an OCI runtime's log file. NULL = back to stderr. */
void log_set_sink(void (*sink)(enum log_level level, const char *text));

void log_message(enum log_level level, const char *fmt, ...) _printf_(2, 3);

#define log_warning(...) log_message(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)	 log_message(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	 log_message(LOG_LEVEL_DEBUG, __VA_ARGS__)
