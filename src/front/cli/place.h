/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place.h - the two sides of `cp`: a path of the host, or a path inside an instance.
 *
 * A place is a root and a path that is resolved below it and never leaves it (openat2,
 * RESOLVE_IN_ROOT): the host's "/", a running instance's /proc/PID/root, a stopped instance's
 * mounted root filesystem, or the source of one of its mounts.
 */
#pragma once

#include <limits.h>

#include "front/cli/verb.h"
#include "instance/instance.h"

struct place {
	int root_fd;
	int userns_fd; /* whose processes alone can look into it, for userns_call_in(); or -1 */
	char *path; /* absolute, as typed otherwise: a trailing "/" or "/." means something */
	char *typed; /* for sentences */
};

/* "NAME:PATH" with a name that cannot be the start of a path; *ret_name is NULL for the host. */
int place_split(const char *typed, char **ret_name, const char **ret_path, struct error *err);

/* On failure nothing is held. */
int place_open(const struct cli *cli, const char *typed, struct place *ret, struct error *err);
int place_open_host(const char *path, struct place *ret, struct error *err);
void place_close(struct place *place);
#define _cleanup_place_ _cleanup_(place_close)

/* Where a path ends. */
struct place_entry {
	int parent_fd; /* the folder it is in */
	char name[NAME_MAX + 1]; /* "." for a root */
	int dir_fd; /* itself, when it is a folder; else -1 */
	bool exists;
	bool content; /* the path ended in "/.": what is in it is meant */
	bool wants_folder; /* ... in "/" */
};

void place_entry_close(struct place_entry *entry);
#define _cleanup_place_entry_ _cleanup_(place_entry_close)

/* `follow`: if the last name is a symbolic link, take what it leads to. -ENOENT when the folder it
 * would be in is not there; a missing last name is no error but !exists. */
int place_resolve(
	const struct place *place, bool follow, struct place_entry *ret, struct error *err);
