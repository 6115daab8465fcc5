/* SPDX-License-Identifier: Apache-2.0 */
/*
 * passing.h - messages with descriptors in them, over unix sockets (unix(7), SCM_RIGHTS).
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#define PASSING_FDS_MAX 16 /* in one message */

/* Send `size` bytes, and copies of `nr` descriptors. 0 or -errno. */
int passing_send(int socket_fd, const void *bytes, size_t size, const int *fds, unsigned nr);

/*
 * Receive at most `size` bytes in one piece, and at most *nr descriptors, which are the caller's;
 * *nr is how many came. Those that there is no room for are closed. How many bytes, 0 at the end,
 * or -errno; `flags` as recvmsg(2) has them.
 */
ssize_t passing_receive(int socket_fd, void *bytes, size_t size, int *fds, unsigned *nr, int flags);
