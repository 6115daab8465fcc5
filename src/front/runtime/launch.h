/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch.h - what `create` and `run` have in common: from a bundle to a process that waits.
 */
#pragma once

#include "front/runtime/foreground.h"
#include "front/runtime/record.h"

struct launch_options {
	const char *bundle, *console_socket, *pidfd_socket, *pid_file;
	bool no_pivot, no_new_keyring;
	int64_t preserve_fds;
};

/* Rows of an options table; `type` is a struct whose member `launch` is the struct above. */
#define LAUNCH_OPTIONS(type)                                                                       \
	{ OPTION_STRING, 'b', "bundle", offsetof(type, launch.bundle), "DIR",                      \
		"The bundle: a directory with config.json (default: the working directory)",       \
		COMPLETE_DIRECTORY },                                                              \
		{ OPTION_STRING, 0, "console-socket", offsetof(type, launch.console_socket),       \
			"SOCKET", "Send the terminal's master there", COMPLETE_FILE },             \
		{ OPTION_STRING, 0, "pidfd-socket", offsetof(type, launch.pidfd_socket), "SOCKET", \
			"Send a pidfd of the first process there", COMPLETE_FILE },                \
		{ OPTION_STRING, 0, "pid-file", offsetof(type, launch.pid_file), "FILE",           \
			"Write the first process's pid to FILE", COMPLETE_FILE },                  \
		{ OPTION_FLAG, 0, "no-pivot", offsetof(type, launch.no_pivot), NULL,               \
			"Change the root without pivot_root(2): for bundles on an initramfs" },    \
		{ OPTION_FLAG, 0, "no-new-keyring", offsetof(type, launch.no_new_keyring), NULL,   \
			"Leave the command in the session keyring of the caller" },                \
	{                                                                                          \
		OPTION_INT, 0, "preserve-fds", offsetof(type, launch.preserve_fds), "N",           \
			"Pass descriptors 3 to N+2 on, too"                                        \
	}

/* Descriptors from 3 on that the command gets: sockets of whoever has started us
 * (sd_listen_fds(3)), then those of --preserve-fds. */
struct launch_fds {
	int sockets, total;
};

/* Are they there? To be asked before anything is opened: numbers that are free would be taken by
 * descriptors of ours. */
int launch_count_fds(int64_t preserve_fds, struct launch_fds *ret, struct error *err);
/* Say so in the command's environment. Its pid is 1 as a rule; nothing else can be known. */
int launch_tell_fds(
	const struct launch_fds *fds, struct container_process *process, struct error *err);

/* A container that is about to be: known and locked, without a process. */
struct launch {
	struct record record;
	bool has_config;
	struct container_config config;
	char *config_text; /* as it stands in the bundle */
	bool adopt_cgroup; /* as container_spawn_options has it */
};

#define LAUNCH_INIT                                                                                \
	{                                                                                          \
		.record = RECORD_INIT                                                              \
	}

void launch_free(struct launch *launch);
#define _cleanup_launch_ _cleanup_(launch_free)

/* The first half of launch(): read the bundle, make the record. Nothing is left after a failure. */
int launch_prepare(struct runtime *runtime, const char *id, const struct launch_options *options,
	bool detached, struct launch *ret, struct error *err);

/* Its first process is there: write that down, and the configuration. */
int launch_make_known(struct launch *launch, pid_t pid, struct error *err);

/*
 * Make the container. On success its process waits for its command: with `detached` at the record's
 * socket, without us; else for container_release(handle). *record is locked. On failure nothing is
 * left.
 */
int launch(struct runtime *runtime, const char *id, const struct launch_options *options,
	bool detached, struct record *ret_record, struct container_config *ret_config,
	struct container_handle *ret_handle, struct error *err);

/* Stay with it until it ends, others may change it meanwhile; then remove it unless it is to be
 * kept. Its exit status. */
int launch_follow(struct runtime *runtime, struct record *record, struct foreground *foreground,
	int terminal_fd, bool keep, struct error *err);

/* Undo a launch: the process, the cgroup, the record. For one that failed half-way, too. */
void launch_undo(struct runtime *runtime, struct record *record, struct container_handle *handle);
