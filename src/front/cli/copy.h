/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy.h - copy trees between the host, instances and volumes.
 *
 * Both sides are reached through directory descriptors and single names with O_NOFOLLOW, so that
 * whatever an instance does to its tree meanwhile, nothing outside of it is read or written.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"

#define COPY_DEPTH_MAX 256 /* levels of folders; each holds a few descriptors */

struct copy_options {
	bool owners; /* keep user and group ids (cp -a; always for volumes) */
	bool keep_folder; /* copy_directory_content(): leave the target folder's own mode alone */
};

/* Copy the entry `source` below source_fd to `target` below target_fd. A file replaces a file, a
 * folder is merged into a folder; a folder and a file do not replace each other. */
int copy_entry(int source_fd, const char *source, int target_fd, const char *target,
	const struct copy_options *options, struct error *err);

/* Copy what is in one folder into another, and (unless keep_folder) its mode, owner and
 * times. */
int copy_directory_content(
	int source_fd, int target_fd, const struct copy_options *options, struct error *err);
