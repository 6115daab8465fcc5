/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec_process.h - what `exec` runs: the process of a file, or the container's own with changes
 * from the command line.
 */
#pragma once

#include "container/container.h"

struct exec_options {
	const char *process_file, *cwd, *user, *apparmor, *process_label;
	const char *console_socket, *pidfd_socket, *pid_file;
	char **env, **additional_gids, **capabilities, **cgroups;
	bool terminal, detach, ignore_paused;
	int no_new_privileges; /* -1: as the container's */
	int64_t preserve_fds;
};

/* *ret is the caller's, container_process_free(); the configuration's own process goes into it.
 * `args` are the command's, NULL-ended. */
int exec_build_process(const struct exec_options *options, struct container_config *config,
	char *const *args, struct container_process *ret, struct error *err);
