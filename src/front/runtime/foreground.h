/* SPDX-License-Identifier: Apache-2.0 */
/*
 * foreground.h - staying with a process until it ends, for `run`, `exec` and `restore` without
 * --detach: its terminal is ours, signals sent to us go to it, its exit status is ours.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>
#include <termios.h>

#include "base/error.h"

struct foreground {
	int signal_fd; /* -1 = not begun */
	sigset_t old_mask;
	bool raw; /* standard input is a terminal of ours in raw mode */
	struct termios saved;
};

#define FOREGROUND_INIT                                                                            \
	{                                                                                          \
		.signal_fd = -1                                                                    \
	}

/* Hold signals back from now on, before the process runs, so that none is lost. `terminal_fd` is
 * the master of its terminal, or -1. */
int foreground_begin(struct foreground *foreground, int terminal_fd, struct error *err);

/*
 * Serve it until it ends: exit code, or 128 + signal. Other children of ours (with a subreaper:
 * its orphans) are reaped.
 */
int foreground_wait(struct foreground *foreground, pid_t pid, int terminal_fd);

/* Undo what begin and wait did to signals and terminal. */
void foreground_end(struct foreground *foreground);
#define _cleanup_foreground_ _cleanup_(foreground_end)
