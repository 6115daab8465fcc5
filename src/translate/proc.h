/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc.h - files of proc(5) as the guest must see them: which there are, and what they hold.
 * Private to translate/proc*.c.
 */
#pragma once

#include <linux/limits.h>

#include "translate/internal.h"

enum proc_file {
	PROC_OTHER, /* the host's will do, or it is no such file */
	PROC_PROGRAM, /* PID/exe, of any process */
	PROC_MAPS, /* PID/maps */
	PROC_SMAPS, /* PID/smaps */
	PROC_STATUS, /* PID/status, of this process */
	PROC_CPUINFO,
	PROC_ARCH, /* sys/kernel/arch */
	PROC_HIDDEN, /* PID/fd/N and its like of our own descriptor */
};

/* Which one does this path name, looked at from `dir`? Of other processes than this one only the
 * program is of interest: *ret_pid; else it is 0. */
enum proc_file proc_find(const struct thread *t, int dir, const char *path, int *ret_pid);

/* The path of that process's program, in `buffer` (PATH_MAX) or where it is; NULL when the host's
 * idea of it is right. */
const char *proc_program(const struct thread *t, int pid, char *buffer);

/* Text for a guest, collected in a memfd. */
struct proc_text {
	int fd;
	int error; /* the first failure, negative */
	size_t used;
	char buffer[4096];
};

void proc_print(struct proc_text *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void proc_write(struct proc_text *text, const char *bytes, size_t size);

/* proc-maps.c, proc-status.c, proc-cpuinfo.c: the whole content; of another process, unless pid is
 * 0: its error is PROC_NOT_OURS when that is none like this one. */
void proc_write_maps(struct thread *t, struct proc_text *text, int pid, bool with_statistics);
void proc_write_status(struct thread *t, struct proc_text *text);
void proc_write_cpuinfo(struct proc_text *text);

/* proc-maps.c: the name of the first file that a process has mapped where guests are. Its length,
 * or a negative errno. */
int proc_first_file(int pid, char buffer[PATH_MAX]);
