/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint.h - the processes of a container as files, and back: through the program criu(8).
 *
 * criu needs real root, and a kernel it knows. What it writes is its own format with two small
 * files of ours beside it: which standard streams there were (descriptors.json, as runc and crun
 * write and read it) and which mounts came from the host (strata-mounts.json).
 */
#pragma once

#include "container/container.h"

struct checkpoint_options {
	const char *image_path; /* a dump makes it */
	const char *work_path; /* criu's log and statistics; NULL: with the images */
	const char *cgroups_mode; /* "soft", "full", "strict" or "ignore"; NULL: soft */
	bool tcp_established; /* TCP connections are kept */
	bool ext_unix_sk; /* sockets may be connected to outside */
	bool shell_job; /* the session leader may be outside */
	bool file_locks;
	bool auto_dedup; /* memory that is in newer images is cut out of older ones */
	bool lazy_pages; /* memory stays behind and is fetched when it is used */
};

struct container_dump_options {
	struct checkpoint_options common;
	const char *parent_path; /* of the dump before, relative to image_path; NULL: a whole one */
	const char *page_server; /* ADDRESS:PORT that memory is sent to; NULL: into files */
	bool pre_dump; /* memory only; the container runs on */
	bool leave_running;
	bool tcp_skip_in_flight; /* connections that are being made are left out */
	bool link_remap; /* deleted files that are open get a name */
	int status_fd; /* gets a zero byte once lazy pages can be fetched; -1 = none */
};

/*
 * Write the container whose first process is `init_pid` to files. Its processes are gone after a
 * success, except with leave_running and pre_dump; they run on after a failure.
 */
int container_checkpoint(const struct container_config *config, pid_t init_pid,
	const struct container_dump_options *options, struct error *err);

struct container_restore_options {
	struct checkpoint_options common;
	const char *lsm_profile; /* TYPE:NAME instead of the one it had; NULL */
	const char *lsm_mount_context; /* of its mounts, likewise */
	bool adopt_cgroup; /* as container_spawn_options has it */
	int stdio[3]; /* take the place of the streams it had; -1 = /dev/null */
	/* A directory of the caller's that the root file system is mounted on, in a mount namespace
	 * that nobody else is in. */
	const char *scratch_dir;
	/* Called when its namespaces are there and nothing is in them; may be NULL. */
	int (*created)(void *context, pid_t pid, struct error *err);
	/* Called with the master of its terminal, which is closed afterwards. */
	int (*terminal)(void *context, int master_fd, struct error *err);
	void *context;
};

/*
 * Bring it back: its cgroup is made with the limits of the configuration, its first process becomes
 * our child and runs. Nothing of it is left after a failure.
 */
int container_restore(const struct container_config *config,
	const struct container_restore_options *options, struct container_handle *ret,
	struct error *err);
