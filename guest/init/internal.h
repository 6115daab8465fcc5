/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - what the files of the first process share.
 *
 * It stays in the kernel's own first filesystem, where the image cannot put anything in its way:
 * /dev, /proc and /sys there are its own, the image's root filesystem is the mount at ROOT, and
 * processes are started with that as their root.
 */
#pragma once

#include "lib/agent.h"
#include "libc.h"

#define ROOT   "/root"
#define CGROUP "/sys/fs/cgroup/instance" /* of the main process and all that it starts */

/* --- boot.c ----------------------------------------------------------------------------------- */

/* From the kernel's first instruction of user space to where the host is waited for; -errno and a
 * word in the kernel's log when that cannot be. */
long boot_machine(void);
/* The disks are there, perhaps others than the kernel has seen: to a mounted image. */
long boot_mount_image(const uint64_t disk_sectors[2]);
/* Has another machine had this instance's disk before? */
bool boot_was_used(void);
/* Everything written; never returns where the kernel obeys. */
void boot_shut_down(uint32_t how);

/* --- users.c ---------------------------------------------------------------------------------- */

struct user {
	uint32_t uid, gid;
	uint32_t groups[AGENT_GROUPS_MAX];
	uint32_t nr_groups;
	char home[PATH_SIZE]; /* "" when nothing is known */
};

/* `spec` is "name|uid[:group|gid]", looked up in /etc/passwd and /etc/group as they are now, with
 * Docker's rules; `more` has nr_more groups behind each other. On failure *ret_why is a sentence's
 * part. */
long user_find(const char *spec, const char *more, uint32_t nr_more, struct user *ret,
	const char **ret_why);
/* The image's /etc/passwd; NULL when it cannot be read. */
const char *user_read_passwd(void);
/* What it calls the user, or the number where it does not, without NUL in at most `size` bytes; how
 * many they are. `passwd` may be NULL. */
size_t user_name(const char *passwd, uint32_t uid, char *buffer, size_t size);

/* --- process.c -------------------------------------------------------------------------------- */

struct process {
	int pid; /* 0: none */
	int report_fd; /* what went wrong before it executed; its end says that it has */
	int stdin_fd, output_fds[2]; /* ours; with a terminal the first two are duplicates */
	bool terminal, main, detached;
	bool reaped;
	int status;
};

/* What a child says through report_fd when it could not go on; a sentence follows. */
struct report {
	int32_t code;
	uint32_t of_command; /* it cannot be executed */
};

/* Fork a process for `parts`; on failure nothing is left and *ret_why is a sentence's part. */
long process_start(const struct agent_exec_parts *parts, struct process *ret, const char **ret_why);
/* Fork one that does what a LOOK, GET, PUT or LIST asks for (files.c, list.c), through its standard
 * output or input. */
long process_start_transfer(enum agent_type what, const char *path, struct process *ret);
void process_close(struct process *process);
/* The main process has executed its command: others can join its namespaces from now on... */
void process_main_executes(struct process *process);
/* ...until it is gone. */
void process_forget_main(void);
void process_exit(int status) __attribute__((noreturn));

/* --- files.c: in a child, whose root is the image's --------------------------------------------
 */

/* Say through report_fd what came of it, and end: code 0 with "folder", "file", "missing"; or why
 * not. */
void files_report(int report_fd, long code, const char *text) __attribute__((noreturn));
void files_look(const char *path, int report_fd) __attribute__((noreturn));
/* Where what follows reports; if `r` is an error, that and what it is of; that all is done. */
void files_begin(int report_fd);
void files_must(long r, const char *what);
void files_end(void) __attribute__((noreturn));

/* --- pack.c, unpack.c: in such a child ----------------------------------------------------------
 */

void files_pack(const char *path, int to, int report_fd) __attribute__((noreturn));
/* With `has_folder` what the archive says of its top is meant for the folder at `path`. */
void files_unpack(const char *path, int from, int report_fd, bool has_folder)
	__attribute__((noreturn));

/* --- fill.c ------------------------------------------------------------------------------------
 */

/* Unless the volume (a folder beside the root filesystem) has something in it, what `target` has is
 * copied there. `why` gets more words when it is known what went wrong. */
long fill_volume(int root, const char *target, const char *volume, struct text *why);

/* --- list.c: in such a child -------------------------------------------------------------------
 */

/* An agent_process for each there is to `to`. */
void list_processes(int to, int report_fd) __attribute__((noreturn));

/* --- requests.c ------------------------------------------------------------------------------- */

/* Do what a frame asks for that is answered at once; false: it is none of those. */
bool request_serve(const struct agent_frame *frame, long *ret_code, const char **ret_why);
void request_stats(struct agent_stats *ret);
/* In the mount namespace of the main process, once that is made: every MOUNT there was. */
long request_mount_all(const char **ret_why);
void request_start_loopback(void);
/* At the beginning, when nothing of the instance is there: hold it to a little less than there is.
 * There is no swap, and a kernel that has nothing left itself reads programs again and again, for
 * minutes, before it kills; one that holds a cgroup to a limit kills at once. */
void request_keep_reserve(void);

/* --- agent.c ---------------------------------------------------------------------------------- */

/* Serve sessions for ever, `fd` (-1: none) being the first; with `only` return when it is over. */
void agent_serve(int fd, bool only);
