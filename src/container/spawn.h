/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn.h - the parent's tools that spawn.c shares with exec.c and fuse.c.
 */
#pragma once

#include "container/internal.h"

#define SPAWN_CHILD_INIT                                                                           \
	{                                                                                          \
		.sync_fd = -1, .namespace_fds = { -1, -1, -1, -1, -1, -1, -1, -1 },                \
		.layer_root_fd = -1, .place_fd = -1, .null_fd = -1, .root_fd = -1, .dev_fd = -1,   \
		.nodes_fd = -1, .terminal_fd = -1, .terminal_master_fd = -1, .apparmor_fd = -1,    \
		.selinux_fd = -1, .selinux_key_fd = -1, .agent_fd = -1, .own_fds_fd = -1,          \
		.agent_socket = -1, .translator_fd = -1, .guest_filter_fd = -1,                    \
		.translations_fd = -1, .translations_list_fd = -1,                                 \
	}

/* clone3(2) as fork(2), signal handlers reset in the child. Returns like fork(). */
pid_t spawn_clone(uint64_t flags, int *ret_pidfd);

/* 0 or -errno, in the helper: enter the namespaces. */
typedef int (*spawn_enter_fn)(struct child *child, int pidfd);

/* The same by a helper that runs `enter` first; the new process is our child all the same. */
pid_t spawn_clone_by_helper(spawn_enter_fn enter, struct child *child, int pidfd, uint64_t flags,
	int *ret_pidfd, struct error *err);

/* Until SYNC_READY: passes warnings on, serves SYNC_FUSE and SYNC_HOOKS. */
int spawn_await_ready(
	const struct child *child, struct container_handle *handle, struct error *err);

/* End a half-made child, reap it, close the handle. */
void spawn_kill(struct container_handle *handle);

/* Have fuse-overlayfs mount with these options in the user namespace of the child: a detached
 * mount. */
int spawn_mount_fuse(int pidfd, char *options, int *ret_tree, struct error *err);
