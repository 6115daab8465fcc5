/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record.h - what is kept of a container between two calls of the runtime: one directory ROOT/ID.
 *
 *   state.json    struct record, replaced as a whole
 *   config.json   the bundle's, as it was when the container was made
 *   start.sock    there until `start`: the first process waits at it (container_listen())
 *
 * The directory is there before anything else of the container and gone after everything else, so
 * whatever was killed in between, `delete --force ID` finds what is to be cleaned up. Who changes
 * something holds the directory's lock; what is told of a container is checked against the kernel.
 */
#pragma once

#include "container/container.h"
#include "front/runtime/runtime.h"

#define RECORD_CONFIG "config.json"
#define RECORD_SOCKET "start.sock"
/* Its name until the container is whole. */
#define RECORD_NEW_SOCKET "new.sock"

/* runtime-spec runtime.md "State"; paused is runc's. */
enum record_status {
	RECORD_CREATING,
	RECORD_CREATED,
	RECORD_RUNNING,
	RECORD_PAUSED,
	RECORD_STOPPED,
	RECORD_STATUS_COUNT,
};

struct record {
	char *id;
	int dir_fd;
	bool locked; /* by us, or by record_create() */
	/* state.json: */
	pid_t pid; /* of the first process; 0 before it is known */
	uint64_t start_ticks;
	char boot_id[37];
	char *bundle, *rootfs; /* absolute */
	char *cgroup; /* NULL = none */
	struct cgroup_unit unit; /* of systemd, which the cgroup belongs to; zeroed = none */
	bool shares_mounts; /* with the host: the root is to be unmounted */
	bool shares_pids; /* no pid namespace of its own: its processes do not end with the first */
	bool has_class; /* linux.intelRdt: to be given back */
	bool has_late_hooks; /* poststart or poststop: the configuration has to be read for them */
	int64_t created_ns;
	uid_t owner;
	char **annotations; /* KEY=VALUE */
};

#define RECORD_INIT                                                                                \
	{                                                                                          \
		.dir_fd = -1                                                                       \
	}

/* Make the directory, locked. -EEXIST where there is one. */
int record_create(struct runtime *runtime, const char *id, struct record *ret, struct error *err);

/* Read one; -ENOENT, "container ID does not exist". A directory without state.json is one whose
 * maker did not get far. */
int record_open(struct runtime *runtime, const char *id, struct record *ret, struct error *err);

/* Lock it, then read it; waits for whoever holds it, up to a bound. */
int record_open_locked(
	struct runtime *runtime, const char *id, struct record *ret, struct error *err);

/* Let others change it, while we wait for its end. */
void record_unlock(struct record *record);

int record_save(const struct record *record, struct error *err);

/* Take over the cgroup that was chosen for it; and remove that, with every process in it. */
int record_set_cgroup(
	struct record *record, const struct container_config *config, struct error *err);
int record_remove_cgroup(const struct record *record, struct error *err);

/* The configuration it was made with, paths and cgroup resolved as they were then. */
int record_load_config(
	const struct record *record, struct container_config *ret, struct error *err);

/* Run its poststart hooks. A container with one that fails is to be removed. */
int record_run_poststart(const struct record *record, struct error *err);

/* By the kernel's word. */
enum record_status record_status(const struct record *record);
const char *record_status_name(enum record_status status);

/* Kill the first process and wait until it is gone; with its pid namespace go all others. */
int record_kill(const struct record *record, struct error *err);

/* Remove the directory, then run the poststop hooks: the last act. */
int record_remove(struct runtime *runtime, struct record *record, struct error *err);

void record_close(struct record *record);
#define _cleanup_record_ _cleanup_(record_close)

/* The IDs below ROOT in order as a fresh strv, NULL when there are none. */
int record_list(struct runtime *runtime, char ***ret, struct error *err);

/* The document `state` prints (runc's), owned by the caller; as a member of an array too. */
char *record_describe(const struct record *record);
