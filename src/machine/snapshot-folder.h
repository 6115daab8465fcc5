/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot-folder.h - the folder of a snapshot (snapshot.c), for whoever wants a machine to be
 * saved. The process of a machine can reach no folder: it gets the files, and fills them.
 *
 * A folder is whole or not there: it is made as FOLDER.new, and gets its name at the end.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define SNAPSHOT_MEMORIES_MAX 4 /* regions of memory; boards have no more */
/* "state"; "memory-0" and so on; "changes-0" and so on */
#define SNAPSHOT_FILES_MAX  (1 + 2 * SNAPSHOT_MEMORIES_MAX)
#define SNAPSHOT_ID_SIZE    33 /* hexadecimal digits and a NUL */
#define SNAPSHOT_BOARD_SIZE 32

/* What "state" begins with. */
struct snapshot_header {
	uint64_t magic;
	char version[32];
	char board[SNAPSHOT_BOARD_SIZE];
	uint32_t nr_regions, nr_parts;
	char id[SNAPSHOT_ID_SIZE], base[SNAPSHOT_ID_SIZE]; /* "": it has none */
	uint32_t depth; /* how many snapshots are below it */
};

struct snapshot_folder {
	char *path; /* the real one of what will be there */
	int fds[SNAPSHOT_FILES_MAX];
};

/* -EEXIST when there is something. *ret is for snapshot_folder_close(). */
int snapshot_folder_make(const char *path, struct snapshot_folder *ret, struct error *err);
/* Is the snapshot at `base` the one with this number? Else -ESTALE. */
int snapshot_folder_check(const char *base, const char *id, struct error *err);
/* The files are whole: the folder gets its name, and leads to `base` (NULL: it is none of a
 * difference). Else it is removed. */
int snapshot_folder_finish(const char *path, const char *base, bool is_whole, struct error *err);
void snapshot_folder_close(struct snapshot_folder *folder);

/* Ask the machine at the other end of its monitor's socket (monitor.h) to fill them; with what a
 * difference, or all. */
int snapshot_folder_ask(int monitor_fd, const struct snapshot_folder *folder, bool is_difference,
	struct error *err);
