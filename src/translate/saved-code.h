/* SPDX-License-Identifier: Apache-2.0 */
/*
 * saved-code.h - translated code that outlives the process: what is looked for when the guest maps
 * a file to execute from it, and what is told when it ends.
 *
 * A folder of ours holds one file for each file of code, and each place in it that is mapped
 * (jit.h, jit_save()), named by what tells one state of a file from another: device, inode, size,
 * times of its last changes. The guest's process only reads them. When it ends and has translated
 * much that was not there, it leaves a list of places, and a process of its own, which never
 * executes guest code, translates them again from the files (saved_code_make()).
 */
#pragma once

#include <stdint.h>
#include <sys/stat.h>

#include "base/error.h"
#include "translate/internal.h"

struct saved_code;

/* May code be taken from this folder? Only from one that nobody but our user writes to. */
bool saved_code_is_safe(const struct stat *st);

/* `dir` is an absolute path. NULL when it is not safe, or memory is out: nothing is kept. */
struct saved_code *saved_code_open(const char *dir);
/* A container's: the folder is open as dir_fd, the list is written to list_fd (-1: to nobody). */
struct saved_code *saved_code_open_contained(int dir_fd, int list_fd);
/* The folder, for a program that is executed; NULL. */
const char *saved_code_dir(const struct saved_code *saved);

/* [start, start + size) is now the file's content from `offset` on, to be executed and not to be
 * written. All of these take NULL for saved. */
void saved_code_mapped(struct saved_code *saved, struct memory *memory, int fd, uint64_t start,
	uint64_t size, uint64_t offset);

/* In the child, which has this one thread. */
void saved_code_after_fork(struct saved_code *saved);
/* A thread that shared our memory, with this number, has been killed. */
void saved_code_break_lock(struct saved_code *saved, uint32_t thread);

/* The process is about to end. */
void saved_code_finish(const struct saved_code *saved, const struct process *process);

/*
 * The other process: read lists from `list_fd` and make what they ask for, in `dir`. `layers`: the
 * lists are a container's, whose paths are looked for below these folders (NULL-ended, the top one
 * first); NULL: they are our own.
 */
int saved_code_make(const char *dir, char *const *layers, int list_fd, struct error *err);
