/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handoff.h - what a runtime gives to the engine that called it, beside its exit status.
 */
#pragma once

#include <sys/types.h>

#include "base/error.h"

/* Connect to the stream socket `path` and send one descriptor, with `name` as the text it comes
 * with: what runc's callers expect. */
int handoff_send_descriptor(const char *path, const char *name, int fd, struct error *err);

/* --console-socket: the master of a pseudo-terminal, by the name of its other end. */
int handoff_send_terminal(const char *path, int master, struct error *err);

/* --pid-file: replaced as a whole, so that nobody reads half a number. */
int handoff_write_pid(const char *path, pid_t pid, struct error *err);
