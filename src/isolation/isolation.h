/* SPDX-License-Identifier: Apache-2.0 */
/*
 * isolation.h - the one contract that every way of running an instance fulfils.
 *
 * instance/ knows only this table; container.c adapts container/ to it, vm.c the program
 * strata-machine.
 * A NULL slot means "not supported by this isolation", and the caller says so by `name`.
 */
#pragma once

#include "base/error.h"
#include "container/container.h"

struct isolation_process {
	struct container_handle handle;
};

enum isolation_file {
	ISOLATION_FILE_MISSING,
	ISOLATION_FILE_FOLDER,
	ISOLATION_FILE_OTHER,
};

/* A process as a guest's kernel sees it; nothing of it is to be trusted. */
struct isolation_seen {
	pid_t pid;
	const char *user;
	const char *stat; /* proc(5), /proc/PID/stat */
	const char *command; /* arguments that end with NUL each, command_len bytes of them */
	size_t command_len;
	int64_t boot_ns; /* when its kernel booted, by our wall clock */
};

struct isolation_ops {
	const char *name; /* "container" */
	/* The command has a kernel of its own: config->machine describes what it runs on, and
	 * neither cgroups, namespaces nor the image's unpacked layers are needed here. */
	bool has_kernel;

	/* Prepare the instance whose OCI bundle is `config`; its first process waits. */
	int (*create)(const struct container_config *config,
		const struct container_spawn_options *options, struct isolation_process *ret,
		struct error *err);
	/* Let the first process execute its command. */
	int (*start)(struct isolation_process *process, struct error *err);
	int (*exec)(const struct container_config *config, pid_t init_pid,
		const struct container_process *what, const struct container_spawn_options *options,
		struct isolation_process *ret, struct error *err);
	int (*signal)(pid_t init_pid, uint64_t start_ticks, int signo, struct error *err);
	int (*pause)(const struct container_config *config, bool paused, struct error *err);
	int (*update)(const struct container_config *config, const struct cgroup_limits *limits,
		struct error *err);
	int (*stats)(
		const struct container_config *config, struct cgroup_stats *ret, struct error *err);
	/* See cgroup_open_oom_events() and cgroup_read_oom_kills(). */
	int (*open_oom_events)(const struct container_config *config);
	uint64_t (*oom_kills)(const struct container_config *config);
	int (*pids)(const struct container_config *config, pid_t **ret, size_t *ret_count,
		struct error *err);
	/* The same of a guest with a kernel of its own: what `each` returns, if not 0, ends it. */
	int (*list)(const struct container_config *config,
		int (*each)(void *context, const struct isolation_seen *seen, struct error *err),
		void *context, struct error *err);
	/*
	 * Files of a guest with a kernel of its own; others have theirs in /proc/PID/root. `look`:
	 * is the path a folder, a file, or missing? `get` writes a tar archive of it, `put` unpacks
	 * one in the folder that it is.
	 */
	int (*look)(const struct container_config *config, const char *path,
		enum isolation_file *ret, struct error *err);
	int (*get)(const struct container_config *config, const char *path, int out_fd,
		struct error *err);
	int (*put)(const struct container_config *config, const char *path, int in_fd,
		struct error *err);
	/*
	 * The same of one that does not run: start what those three need, without the command.
	 * `lock_fd` is kept open for as long as anything of it is there. `close_files` ends it; 0:
	 * what was put is on its disk.
	 */
	int (*open_files)(const struct container_config *config, int lock_fd,
		struct isolation_process *ret, struct error *err);
	int (*close_files)(struct isolation_process *files, struct error *err);
	/* Remove whatever the host still holds for it; also after a crash of ours. */
	int (*cleanup)(const struct container_config *config, struct error *err);
};

extern const struct isolation_ops isolation_container, isolation_vm;

/* By name; NULL when there is none of that name (the error names those there are). */
const struct isolation_ops *isolation_find(const char *name, struct error *err);
