/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts.h - what the files that mount share with each other (child). What they offer to the
 * stages is in internal.h.
 */
#pragma once

#include "container/internal.h"
#include "container/mount-options.h"

/* --- mount-target.c: where a mount goes ------------------------------------------------------- */

/* What is to be mounted. */
struct mount_subject {
	const char *type; /* of a new file system, NULL for a bind */
	int tree_fd; /* the tree to bind, else -1 */
	bool on_mount; /* a hint: its place is below another mount */
};

/*
 * O_PATH of the place for a mount on `path`; a missing one is made, a directory or an empty file as
 * the tree is. Refused are the root itself, what must not be covered inside a procfs, and links in
 * the path to a procfs, sysfs or cgroup mount. *ret_made: it was missing.
 */
int mount_target_open(const struct child *child, const char *path,
	const struct mount_subject *subject, bool *ret_made, struct error *err);

/* Is `path` the same as `wanted`, as far as that shows without looking at any file? */
bool mount_target_is(const char *path, const char *wanted);

/* --- mounts.c --------------------------------------------------------------------------------- */

/* mount_setattr(2) on the mount `fd` is on; `target` for the error. */
int mount_set_attributes(int fd, uint64_t set, uint64_t clear, uint64_t propagation, bool recursive,
	const char *target, struct error *err);
int mount_bind(struct child *child, const struct container_mount *mount,
	const struct mount_options *o, struct error *err);
/* Room for child->source_fds, once. */
int mount_sources_allocate(struct child *child, struct error *err);

/* mount-filesystem.c */
/* Read-only only once everything is in it: mounts_seal(). */
bool mount_is_sealed_later(const struct container_mount *mount, const struct mount_options *o);
int mount_filesystem(struct child *child, const struct container_mount *mount,
	const struct mount_options *o, struct error *err);

/* mount-cgroup.c */
int mount_cgroup(struct child *child, const struct container_mount *mount,
	const struct mount_options *o, struct error *err);
