/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - what the files of container/ share: the child's state, its stages' functions, and
 * the channel between child and parent.
 *
 * Everything marked "child" runs in the single-threaded process that becomes the container's
 * command; it may not print, and it exits only through child.c.
 */
#pragma once

#include "base/cpus.h"
#include "container/container.h"

/* --- sync.c: the channel -------------------------------------------------------------------- */

enum sync_type {
	SYNC_NETWORK, /* a thread: here is the network namespace made ahead */
	SYNC_PREPARED, /* parent: the cgroup exists, the id maps are written */
	SYNC_WARNING, /* child: something was handled, tell the user */
	SYNC_FUSE, /* child: mount the root with fuse-overlayfs for me; `text` holds options */
	SYNC_HOOKS, /* child: run the hooks of the runtime; parent: they have run */
	SYNC_READY, /* child: all is set up; may carry the terminal's master */
	SYNC_DETACH, /* parent: wait for another to say SYNC_GO, at options->start_fd */
	SYNC_GO, /* parent: execute */
	SYNC_FAILED, /* child: `error` says why */
};

struct sync_message {
	enum sync_type type;
	bool command_failed;
	struct error error; /* its message is also the text of warnings */
};

/* One packet; `fd` (-1 = none) travels with it. 0 or -errno. */
int sync_send(int sync_fd, const struct sync_message *message, int fd);
int sync_send_type(int sync_fd, enum sync_type type, int fd);
/* 1 with a message, 0 when the other end is gone, -errno. *ret_fd may be NULL. */
int sync_receive(int sync_fd, struct sync_message *ret, int *ret_fd);
/* In the child: the next connection by the user at the other end of sync_fd. Descriptor or -errno.
 */
int sync_accept(int listen_fd, int sync_fd);
/* A warning for the user; never fails. */
void sync_warn(int sync_fd, const char *fmt, ...) _printf_(2, 3);

/* --- user.c: who -------------------------------------------------------------------------- */

struct container_user {
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	size_t nr_groups;
	char *home; /* NULL when /etc/passwd does not know the user */
};

void container_user_free(struct container_user *user);

/*
 * "name|uid[:group|gid]" as Docker reads it, in the /etc/passwd and /etc/group below root_fd
 * (which are hostile: their size is bounded, they must be regular files). `more_groups`: names or
 * numbers.
 */
int user_resolve(int root_fd, const char *spec, char *const *more_groups,
	struct container_user *ret, struct error *err);

/* --- the child ------------------------------------------------------------------------------ */

struct child {
	const struct container_config *config;
	const struct container_process *process;
	const struct container_spawn_options *options;
	struct seccomp_program seccomp;
	int sync_fd;
	bool in_userns; /* not the parent's user namespace: no mknod, no real root */
	bool single_mapping; /* that namespace knows one id only */
	bool rootless; /* the parent is no root either */
	bool is_first; /* not one of `exec` */
	struct cpus cpus; /* the first begins where it was made, and the parent makes room */
	bool prepared; /* SYNC_PREPARED has come */
	bool released, detached; /* SYNC_GO or SYNC_DETACH has come, maybe before its time */
	bool network_due; /* its network namespace is not entered yet */
	bool has_cgroup; /* none where the host gives us none and no limit asks for one */
	bool in_cgroup;
	bool shares_mounts; /* the mount namespace is the host's or another container's */
	int namespace_fds[CONTAINER_NS_COUNT]; /* to join, or -1 */
	dev_t own_device; /* our program's file, see command.c */
	ino_t own_inode;
	int layer_root_fd; /* the root file system, mounted by the parent, or -1 */
	int null_fd; /* the host's /dev/null */
	/* Root's container in a user namespace: what it could not reach once it is the namespace's
	 * root, opened before. place_fd: where the root is mounted; source_fds: one for each mount
	 * of the configuration, -1 where it is not a path. Detached clones in source_fds: those
	 * whose ids the parent has mapped, and outside of user namespaces what shares its mounts
	 * with the host. Mostly NULL. */
	int place_fd; /* -1 = none */
	int *source_fds;
	int apparmor_fd, selinux_fd, selinux_key_fd; /* see labels.c; or -1 */
	int agent_fd, own_fds_fd, agent_socket; /* see seccomp-listener.c; or -1 */
	/* see translation.c; or -1 */
	int translator_fd, guest_filter_fd, translations_fd, translations_list_fd;
	char *agent_text;
	pid_t outer_pid, first_pid; /* our number outside; the container's first process's */
	int nodes_fd; /* a detached tmpfs with the nodes of config->devices, named by index, or -1
		       */
	int root_fd; /* O_PATH, the root filesystem */
	int dev_fd; /* O_PATH, the fresh tmpfs that we mounted on /dev, or -1 */
	bool dev_is_bound; /* /dev came from outside: it is not ours to fill */
	bool all_private; /* no mount we see is shared with the host or its slave */
	int terminal_fd, terminal_master_fd; /* or -1 */
	struct container_user user;
	char **env; /* the process's, HOME included */
	bool command_failed; /* what fails now is the command's fault */
};

/* The whole of a started child; never returns. */
void child_spawn_main(struct child *child) __attribute__((noreturn));
void child_exec_main(struct child *child, int pidfd, int namespaces) __attribute__((noreturn));
/* Wait for SYNC_PREPARED. */
int child_await_prepared(struct child *child, struct error *err);
/* What the parent says to a message of ours. 0 or -errno. */
int child_receive_answer(struct child *child, struct sync_message *ret, int *ret_fd);

/* network-ahead.c: the namespace from the receiver of container_network_open(); *ret_fd is -1 when
 * it could not be made. */
int network_receive(int channel, int *ret_fd, struct error *err);

/* namespaces.c */
extern const int namespace_flags[CONTAINER_NS_COUNT]; /* CLONE_NEW* */
/* Is it ours, neither made nor joined, or joined by a path that leads to ours? */
bool namespaces_is_shared(const struct container_config *config, enum container_namespace which);
/* CLONE_NEW* of the namespaces this config makes anew. */
int namespaces_new(const struct container_config *config);
bool namespaces_share_mounts(const struct container_config *config);
int namespaces_open_paths(
	const struct container_config *config, int fds[CONTAINER_NS_COUNT], struct error *err);
void namespaces_close(int fds[CONTAINER_NS_COUNT]);
/* Any thread: a new network namespace has its loopback interface down; Docker's `none` has it up.
 */
int namespaces_raise_loopback(struct error *err);
int namespaces_join(struct child *child, struct error *err);
/* The new network namespace, where namespaces_join() has left it for later: needed by what looks at
 * it, and by the time that others see the container. Twice is once. */
int namespaces_join_network(struct child *child, struct error *err);
/* Of those it joins: is there any? And join, before it has entered a user namespace, those that we
 * may; the others are left to it. */
bool namespaces_joins_any(const struct child *child);
void namespaces_join_ours(struct child *child);
/* Not sooner than we have written what we write to /proc: another's may be a fake or covered, and
 * lead the write to another file (CVE-2025-52881). */
int namespaces_join_mounts(struct child *child, struct error *err);
int namespaces_become_root(struct child *child, struct error *err);
int namespaces_set_names(struct child *child, struct error *err);
/* Enter the cgroup and its namespace, once. */
int namespaces_enter_cgroup(struct child *child, struct error *err);
/* runtime-spec timeOffsets, in the form of /proc/PID/timens_offsets. */
int namespaces_write_time_offsets(const struct container_config *config, struct error *err);

/* rootfs.c */
int rootfs_isolate_mounts(struct child *child, struct error *err);
/* See child->place_fd. */
int rootfs_open_place(struct child *child, struct error *err);
int rootfs_mount(struct child *child, struct error *err);
int rootfs_enter(struct child *child, struct error *err);
/* The root that exec's process gets with a shared mount namespace: that of `pid`. Then
 * rootfs_enter_running() once the namespaces are joined; both do nothing otherwise. */
int rootfs_open_running(struct child *child, pid_t pid, struct error *err);
int rootfs_enter_running(struct child *child, struct error *err);
/* After a failure: take the root out of a shared mount namespace. */
void rootfs_unmount_shared(struct child *child);
int rootfs_protect(struct child *child, struct error *err); /* a read-only root becomes so */

/* mounts.c */
/* See child->source_fds. */
int mounts_open_sources(struct child *child, struct error *err);
int mounts_make(struct child *child, struct error *err);
/* Make read-only what had to be filled first: a tmpfs, /dev. */
int mounts_seal(struct child *child, struct error *err);
/* Attach a detached mount on `name` in dir_fd, "": on dir_fd; never through a link. */
int mounts_attach(int tree_fd, int dir_fd, const char *name, const char *target, struct error *err);
/* Bind one file or device that we can see in dir_fd onto `path` of the root. */
int mounts_bind_file(
	struct child *child, int dir_fd, const char *source, const char *path, struct error *err);

/* mount-target.c */
/* O_PATH of `path` in the root; a missing one is made, as a directory or an empty file. */
int mounts_open_target(int root_fd, const char *path, bool directory, struct error *err);
/* Make `path`, a directory or a file (S_IFDIR, S_IFREG), when it stands directly in our fresh /dev
 * and is not there yet: its name in child->dev_fd, which nobody can have replaced by a link. NULL:
 * it takes mounts_open_target(). */
const char *mounts_make_in_dev(const struct child *child, const char *path, mode_t type);

/* mount-hide.c */
int mounts_hide_paths(struct child *child, struct error *err);

/* mount-idmap.c (parent): sources whose ids are mapped, in child->source_fds; and close them. */
int mounts_map_ids(struct child *child, struct error *err);
void mounts_close_sources(struct child *child);

/* propagation.c: before rootfs_isolate_mounts(); see child->source_fds. */
int mounts_keep_peers(struct child *child, struct error *err);

/* devices.c, terminal.c */
int devices_make(struct child *child, struct error *err);
/* In the parent: see child->nodes_fd. */
int devices_make_outside(struct child *child, struct error *err);
int terminal_open(struct child *child, struct error *err);
/* /dev/console is the terminal; after it was opened and while mounts may still be made. */
int terminal_make_console(struct child *child, struct error *err);
int terminal_take(struct child *child, struct error *err);

/* sysctl.c: the parent's check; to be set in the namespaces, while /proc is the host's. */
int sysctl_check(const struct container_config *config, struct error *err);
int sysctl_apply(struct child *child, struct error *err);

/* scheduler.c: in the cgroup already. */
int scheduler_apply(const struct child *child, struct error *err);
/* `field` of execCPUAffinity; nothing when the list is NULL or empty. */
int scheduler_set_cpus(const char *list, const char *field, struct error *err);
/* "0-3,7" as a mask of bits, the lowest CPU first: 0, -EINVAL, -ERANGE, -ENOMEM. */
#define CPU_LIST_BYTES 1024
int cpu_list_parse(const char *list, uint8_t ret[CPU_LIST_BYTES]);

/* net-devices.c, the parent's: before anything is made; into the namespace that `pid` is in. */
int net_devices_check(const struct container_config *config, struct error *err);
int net_devices_move(const struct container_config *config, pid_t pid, struct error *err);

/* labels.c: the parent's checks; while /proc is the host's; around making a keyring; at last. */
int labels_check(const struct container_process *process, struct error *err);
int labels_check_mounts(const struct container_config *config, struct error *err);
int labels_open(struct child *child, struct error *err);
int labels_set_key(struct child *child, bool wanted, struct error *err);
int labels_apply(struct child *child, struct error *err);

/* seccomp-listener.c: while the host's files can be seen; before rights are dropped; in place of
 * seccomp_install(). The first two do nothing for a program without a listener. */
int seccomp_listener_open(struct child *child, struct error *err);
int seccomp_listener_connect(struct child *child, struct error *err);
int seccomp_listener_install(struct child *child, struct error *err);

/* process.c */
/* Before process_hide(), which takes the right from an ordinary user. */
int process_set_oom_score(struct child *child, struct error *err);
int process_prepare(struct child *child, struct error *err);
int process_execute(struct child *child, struct error *err);
/* Is there such a command? As the container's root, while nothing of the process is set up: what
 * only its user may not execute is found by process_execute(). */
int process_check_command(struct child *child, struct error *err);

/* exec-cgroup.c: the cgroup that a process of `exec` enters, NULL for none; and, on v1, where it is
 * moved from there. `subs`: see container_spawn_options. */
int exec_choose_cgroup(const struct container_config *config, pid_t init_pid, char *const *subs,
	char **ret, struct error *err);
int exec_move_to_cgroups(
	const struct container_config *config, char *const *subs, pid_t pid, struct error *err);

/* hooks.c: before the root is changed (the parent's too), and before the command is executed. */
int hooks_create(struct child *child, struct error *err);
int hooks_start(struct child *child, struct error *err);

/* command.c: is this path our own program, or a script that it would interpret? -EACCES. */
int command_refuse_ourselves(const struct child *child, const char *command, struct error *err);
/* The file that args[0] names, checked; *ret is its path inside the root. */
int command_find(struct child *child, char **ret, struct error *err);

/* translation.c; for programs of this machine all but the first two do nothing. */
/* The parent's: child->seccomp, and with it what translated programs need; and close it again. */
int translation_prepare(struct child *child, struct error *err);
void translation_close(struct child *child);
/* Out of the command's way, before limits are set. */
int translation_keep(struct child *child, struct error *err);
/* The child: what only it can open. */
int translation_open(struct child *child, struct error *err);
/* The same in a process that is about to join these namespaces of a running container. */
int translation_join(struct child *child, int namespaces, struct error *err);
/* Of config->translate: would execve(2) take the file, which is no script? It was found as
 * `command`. */
int translation_check(const struct child *child, int fd, const char *command, struct error *err);
/* Before the filter: child->env for the command that was found at `path`. */
int translation_make_environment(struct child *child, const char *path, struct error *err);
/* In place of execve(2); only where child->translator_fd is one. Returns with errno. */
void translation_execute(const struct child *child);

/* init.c: fork; the child returns 0, the parent stays as pid 1 and never returns. */
int init_fork(struct child *child, struct error *err);

/* copy.c: everything below one directory into another, owners, modes, times and xattrs kept. */
int copy_tree(int from_fd, int to_fd, struct error *err);
