/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io.h - files, directories and descriptors.
 *
 * Everything takes a directory descriptor first (AT_FDCWD is allowed) and opens with O_CLOEXEC.
 * Functions that may meet hostile input name their limit. Writes that must survive a crash are
 * "temporary file, (fsync,) rename".
 */
#pragma once

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/str.h"

/* Read all of fd or exactly `size` bytes, past EINTR and short reads. io_read_full returns -EIO at
 * an early end of file. */
int io_read_full(int fd, void *buf, size_t size);
int io_write_full(int fd, const void *buf, size_t size);

/*
 * Read a whole file of at most max_bytes into a fresh NUL-terminated buffer (*ret, caller frees;
 * *ret_len may be NULL). -EFBIG when it is larger. Works on /proc and /sys files.
 */
int io_read_file(int dir_fd, const char *path, size_t max_bytes, char **ret, size_t *ret_len,
	struct error *err);
int io_read_fd(int fd, size_t max_bytes, char **ret, size_t *ret_len);

/* Write `len` bytes to an existing kernel file (cgroup, /proc) in one write(2). */
int io_write_kernel_file(int dir_fd, const char *path, const char *text);

enum io_durability {
	IO_VOLATILE, /* rename only: for what can be rebuilt, or dies with the boot */
	IO_DURABLE, /* fsync before the rename and of the directory after it */
};

/* Replace `path` atomically with the given bytes. A crash leaves the old file or the new one. */
int io_replace_file(int dir_fd, const char *path, mode_t mode, const void *bytes, size_t len,
	enum io_durability durability, struct error *err);

/* mkdir -p; existing directories are fine. `path` must be ours (it is not confined to dir_fd). */
int io_make_dirs(int dir_fd, const char *path, mode_t mode, struct error *err);

/* Open a directory O_PATH-less, O_DIRECTORY. Negative errno on failure. */
int io_open_dir(int dir_fd, const char *path);
/* Open one of a store's directories, and with `make` have it made (0711). -ENOENT without `make`,
 * silently: there is none yet. */
int io_open_store_dir(const char *path, bool make, struct error *err);
/* Of an open one; false, too, when it cannot be read. */
bool io_dir_is_empty(int dir_fd);

/*
 * Remove a tree without following links or crossing into other file systems; a missing tree is
 * fine. Directories without write permission are opened up first, for rootless stores.
 */
int io_remove_tree(int dir_fd, const char *path, struct error *err);

/* Apparent size of a tree in bytes (hard links counted once per name). */
int io_tree_size(int dir_fd, const char *path, uint64_t *ret_bytes);

/* n random bytes as 2n lower-case hexadecimal digits and a NUL; buf holds 2n + 1 bytes. */
void io_random_hex(char *buf, size_t n);

/* Close all descriptors but these; those below 0 do not count. The list is sorted. */
void io_keep_only(int *fds, size_t count);

/* Take an exclusive or shared flock(2) on fd, waiting for it. */
int io_lock(int fd, bool exclusive);
/* The same, but -EWOULDBLOCK instead of waiting. */
int io_try_lock(int fd, bool exclusive);

/* Resolve `path` inside the root directory as the container would (openat2 RESOLVE_IN_ROOT). */
int io_open_in_root(int root_fd, const char *path, int flags, mode_t mode);
/* The same where no part of the path may be a link (-ELOOP) and, unless cross_mounts, none a mount
 * point (-EXDEV). */
int io_open_without_links(int root_fd, const char *path, int flags, bool cross_mounts);
