/* SPDX-License-Identifier: Apache-2.0 */
/*
 * progress.h - how far along a transfer is, on standard error: a line with a bar per layer on a
 * terminal, a line per finished layer elsewhere.
 *
 *   _cleanup_(progress_close) struct progress progress;
 *   progress_open(&progress, STDERR_FILENO, quiet);
 *   options.progress = &progress.image;
 *
 * Phases are Docker's words. "Downloading", "Extracting", "Pushing", "Reading" and "Writing" have a
 * bar; those and "Waiting...", "Preparing" and "Download complete" are on the way to others; every
 * other phase ends its line.
 */
#pragma once

#include "base/str.h"
#include "image/transfer.h"

#define PROGRESS_FRAME_NS (80 * 1000 * 1000) /* between two frames */

struct progress_row {
	char digest[72];
	char phase[40];
	uint64_t done_bytes, total_bytes;
	bool ended;
};

struct progress {
	struct image_progress image; /* what transfers are given */
	int fd;
	bool terminal, quiet;
	struct progress_row *rows;
	size_t count;
	int64_t drawn_ns;
	size_t *drawn_lengths; /* of the lines on the screen, in columns */
	size_t drawn, drawn_capacity;
	struct str frame;
};

void progress_open(struct progress *progress, int fd, bool quiet);
/* Draw the last frame and leave the cursor below it. */
void progress_close(struct progress *progress);

/* One line as it stands on a terminal of `columns` columns, without a line end. */
void progress_format_row(struct str *out, const struct progress_row *row, size_t columns);
