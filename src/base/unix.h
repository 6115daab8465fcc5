/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unix.h - Unix sockets by paths of any length: an address has room for 107 bytes, and the paths of
 * instances are longer.
 */
#pragma once

#include <sys/types.h>

/* A stream socket that is connected to the one at `path`, or -errno. */
int unix_connect(const char *path);

/* One that listens at `path`, which is made with these permissions; or -errno. The process's umask
 * is another one for a moment. */
int unix_listen(const char *path, mode_t mode, int backlog);
