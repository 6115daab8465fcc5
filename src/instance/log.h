/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h - the writer of log.json, private to instance/.
 *
 * One line of Docker's json-file format per line of output:
 *   {"log":"text\n","stream":"stdout","time":"2006-01-02T15:04:05.999999999Z"}
 * A line longer than LOG_LINE_MAX is split; its parts but the last have no newline in "log".
 * The file is opened with the first byte that belongs into it, so that a silent run has none.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"

#define LOG_LINE_MAX   16384 /* bytes of one line's text, as Docker splits them */
#define LOG_BUFFER_MAX 32768 /* bytes gathered before a write(2) */
#define LOG_TAIL_MAX   96 /* bytes of a line after its text: stream, time, newline */

struct log_writer {
	int dir_fd; /* borrowed: the instance's directory */
	bool enabled; /* false: driver "none" */
	int64_t max_size; /* bytes; 0 = no rotation */
	int64_t max_files; /* at least 1 */
	int fd;
	int64_t size; /* of the file, what is in `out` not included */
	int failure; /* errno of the last write that failed; the output is dropped, the run goes on
		      */
	char tail[2][LOG_TAIL_MAX]; /* what follows the text of a line: stream and time */
	size_t tail_len[2];
	size_t out_len;
	size_t carry_len[2]; /* an unfinished line of stdout and of stderr */
	char *carry[2]; /* LOG_LINE_MAX bytes each, when there ever was one */
	char out[LOG_BUFFER_MAX];
};

/* `writer` is zeroed memory; fd becomes -1. */
void log_writer_open(
	struct log_writer *writer, int dir_fd, bool enabled, int64_t max_size, int64_t max_files);
/* Output of stream 1 or 2, as it came. */
void log_writer_append(struct log_writer *writer, int stream, const char *bytes, size_t len);
/* Write unfinished lines, and whatever is buffered. The writer can be used on. */
void log_writer_flush(struct log_writer *writer);
void log_writer_close(struct log_writer *writer);
