/* SPDX-License-Identifier: Apache-2.0 */
/*
 * criu-mounts.h - the mounts of a container that come from the host, which criu must be told.
 */
#pragma once

#include "container/container.h"

struct criu_mount {
	char *point; /* in the container */
	char *name; /* in the images */
	char *source; /* on the host */
	bool cgroup; /* v1: source is a hierarchy, and the container's cgroup comes behind it */
};

struct criu_mounts {
	struct criu_mount *items;
	size_t count;
};

void criu_mounts_free(struct criu_mounts *mounts);
#define _cleanup_criu_mounts_ _cleanup_(criu_mounts_free)

/* Those of a running container, by what the kernel says of both sides. */
int criu_mounts_find(const struct container_config *config, pid_t init_pid, struct criu_mounts *ret,
	struct error *err);

/* Those of a container that is to come back: its configuration's, and what the dump has noted in
 * images_fd/strata-mounts.json. */
int criu_mounts_plan(const struct container_config *config, int images_fd, struct criu_mounts *ret,
	struct error *err);

int criu_mounts_save(const struct criu_mounts *mounts, int images_fd, struct error *err);

/* Is the mount with this ID one of the process? */
int criu_mounts_has_id(pid_t pid, unsigned id, bool *ret, struct error *err);
