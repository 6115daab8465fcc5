/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount-options.h - the words of mount(8) and runtime-spec config.md "mounts", as numbers.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "container/container.h"

struct mount_options {
	unsigned long flags; /* MS_*: for a new file system, mount(2) */
	uint64_t set, clear; /* MOUNT_ATTR_*: for a bind, mount_setattr(2) */
	uint64_t set_recursive, clear_recursive; /* likewise, for the mounts below too */
	unsigned long propagation; /* MS_PRIVATE, ...; 0 = not asked for */
	bool propagation_recursive;
	bool bind, recursive; /* "rbind": the mounts below the source come along */
	bool remount; /* the mount that is there gets other options */
	bool copy_up; /* "tmpcopyup": a tmpfs starts with what it hides */
	bool id_mapped, id_mapped_recursive; /* "idmap", "ridmap", or the mount has maps */
	struct str data; /* the file system's own options, comma-separated */
};

int mount_options_parse(
	const struct container_mount *mount, struct mount_options *ret, struct error *err);
void mount_options_free(struct mount_options *options);

/* "rslave" -> MS_SLAVE | MS_REC; 0 when it is no such word. */
unsigned long mount_propagation_from_name(const char *name);

/* Append every word but a file system's own to *v. 0 or -ENOMEM. */
int mount_options_list(char ***v);
