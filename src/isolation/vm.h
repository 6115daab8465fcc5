/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm.h - what the files of the isolation "vm" share. Private to isolation/.
 *
 * An instance with a kernel of its own is two processes on the host. The *machine*
 * (strata-machine) is the guest's hardware. The *session*, its parent, is what stands for the
 * instance's command: it holds the command's streams, passes signals on, and ends as the command
 * ends. The machine is killed by the kernel when the session dies (PR_SET_PDEATHSIG), so that
 * whoever kills the session, or any process above, kills all of it. A process of `exec` is another
 * session, without a machine.
 *
 * machine.folder has what they meet at: the sockets "vsock" and "vsock_1024"
 * (device/virtio/vsock.h), and "monitor" (machine/monitor.h). What the guest's kernel says goes to
 * the session, which keeps the end of it: a guest may say as much as it likes.
 */
#pragma once

#include "container/container.h"
#include "isolation/architectures.h"
#include "isolation/isolation.h"
#include "kernel/kernel.h"
#include "lib/agent.h"

#define VM_SOCKET	   "vsock"
#define VM_MONITOR	   "monitor"
#define VM_MACHINE_PROGRAM "strata-machine"
#define VM_CONSOLE_TAIL	   16384 /* bytes of it that are kept */
#define VM_SHARES_TAG	   "strata" /* machine/machine.h */
#define VM_SHARES	   "/shares" /* where the guest has them, beside its root filesystem */
#define VM_BOOT_TIMEOUT_MS 600000 /* an emulated machine on a busy host is slow */
#define VM_TALK_TIMEOUT_MS 120000
#define VM_MEMORY_DEFAULT  (INT64_C(1) << 30)
#define VM_MEMORY_MIN	   (INT64_C(64) << 20)
#define VM_CPUS_MAX	   16
#define VM_SHARES_MAX	   32 /* share/share.h */

/* SIGKILL as a session gets it: this signal with this value (sigqueue(3)). The command is killed in
 * the guest, so that what it has written is not lost with the machine. */
#define VM_KILL_SIGNAL SIGPWR
#define VM_KILL_VALUE  0x6b696c6c

/* --- vm-link.c: a connection with the guest's agent --------------------------------------------
 */

struct vm_link {
	int fd;
	uint8_t *in;
	size_t in_len, in_used; /* of which the last frame's */
};

#define VM_LINK_INIT                                                                               \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/* `fd` is the link's from now on; exchanges HELLO. */
int vm_link_open(int fd, struct vm_link *ret, struct error *err);
void vm_link_close(struct vm_link *link);
/* The same, and the guest has heard of it. */
void vm_link_hang_up(struct vm_link *link);
#define _cleanup_vm_link_ _cleanup_(vm_link_close)

/* Connect with the agent of a machine that runs. */
int vm_link_connect(
	const struct container_machine *machine, struct vm_link *ret, struct error *err);

/* -EPIPE: the machine is gone. */
int vm_link_send(const struct vm_link *link, enum agent_type type, const void *payload, size_t len);
/* The next frame, checked; it lies in the link until the next call. 0: it is not all here (only
 * with timeout_ms 0). -EPIPE: the machine is gone; -ETIMEDOUT; -EPROTO: it speaks nonsense. */
int vm_link_receive(
	struct vm_link *link, int timeout_ms, struct agent_frame *ret, struct error *err);
/* Send, and wait for the RESULT. */
int vm_link_request(struct vm_link *link, enum agent_type type, const void *payload, size_t len,
	struct error *err);
/* The error that a RESULT or FAILED tells. */
int vm_link_result(const struct agent_frame *frame, struct error *err);
/* Words that a guest may have chosen, so that nothing of them speaks to a terminal. */
void vm_clean(char *to, size_t size, const char *from, size_t len);

/* --- vm-machine.c: the machine itself -----------------------------------------------------------
 */

/* Can a machine do what the configuration asks for? */
int vm_check(const struct container_config *config, struct error *err);
int vm_check_memory(const struct cgroup_limits *limits, struct error *err);
/* Is it a folder or file of the host, and not one of those that we provide? */
bool vm_mount_is_share(const struct container_mount *mount);
/* What it takes on disk: the kernel with its first filesystem, and the instance's own disk. */
int vm_prepare(const struct container_config *config, struct kernel *ret_kernel, struct error *err);
/* How large it is. */
int64_t vm_memory_bytes(const struct cgroup_limits *limits);
unsigned vm_nr_cpus(const struct cgroup_limits *limits);
/* Start it as a child that dies with us; `golden` is what it goes on from instead of booting
 * (NULL: nothing), folder_fd is machine.folder, console_fd the end of a pipe for what its kernel
 * says. */
int vm_machine_start(const struct container_config *config, const struct kernel *kernel,
	const char *golden, int folder_fd, int console_fd, pid_t *ret_pid, struct error *err);
/* What it says of its end: of `console`, a panic or what our own init said; else what the program
 * itself has to say, or nothing. */
void vm_machine_last_words(int folder_fd, const char *console, char *buf, size_t size);

/* --- vm-golden.c: machines that have booted, to go on from
 * ----------------------------------------
 */

/* Where one is, or would be, that does for this configuration: *ret is the caller's. */
int vm_golden_path(const struct container_config *config, const struct kernel *kernel, char **ret,
	struct error *err);
/* Is it there? It counts as used now. */
bool vm_golden_use(const char *path);
/* Make it of the machine at machine_fd (machine.folder), whose agent waits and nobody is connected
 * with. Nothing depends on it: what goes wrong is for --debug. false: it is not that one. */
bool vm_golden_save(int machine_fd, const struct container_machine *machine, const char *path);
void vm_golden_remove(const char *path);

/* --- vm-monitor.c: what the machine itself is asked; machine_fd is machine.folder ----------------
 */

/* Save a snapshot to `path`. */
int vm_monitor_save(int machine_fd, const char *path, struct error *err);
/* Which code has been translated: to out_fd, up to max_bytes of what it answers, as it is. */
int vm_monitor_code(int machine_fd, int out_fd, size_t max_bytes, struct error *err);
/* How much memory it was started with. */
int vm_monitor_memory(int machine_fd, uint64_t *ret_bytes, struct error *err);
/* The guest is to give up `bytes` of it in all. It does so after this, as far as it can. */
int vm_monitor_balloon(int machine_fd, uint64_t bytes, struct error *err);

/* --- vm-code.c: translated code of machines that have booted -------------------------------------
 */

#define VM_CODE_PREFIX "code-" /* in place of golden-*'s */

/* Of the machine at `golden`: the caller's; NULL: out of memory. */
char *vm_code_path(const char *golden);
/* Have it made of what the machine at machine_fd has translated since it was at `golden`, if it is
 * not there; nobody waits for that. What goes wrong is for --debug. */
void vm_code_keep(int machine_fd, const char *golden);

/* --- vm-volumes.c --------------------------------------------------------------------------------
 */

struct vm_volume {
	const char *path; /* the configuration's */
	int fd; /* locked; -1: it is not to be filled */
};
struct vm_volumes {
	struct vm_volume list[VM_SHARES_MAX];
	size_t count;
};

/* Those of machine.fill that are empty: nobody else fills them until vm_volumes_unlock(), which is
 * due after a failure, too. */
int vm_volumes_lock(
	const struct container_config *config, struct vm_volumes *volumes, struct error *err);
bool vm_volumes_is_new(const struct vm_volumes *volumes, const char *path);
void vm_volumes_unlock(struct vm_volumes *volumes);

/* --- vm-process.c: what the guest is told --------------------------------------------------------
 */

/* Everything before the command: time, names, network, files, mounts, limits. */
int vm_set_up_guest(struct vm_link *link, const struct container_config *config,
	const struct vm_volumes *volumes, struct error *err);
/* Ask for the process; `flags` are AGENT_EXEC_* besides those that the process says. */
int vm_send_process(struct vm_link *link, const struct container_process *process, uint32_t flags,
	struct error *err);
/* All but that of memory, which is what the machine has less balloon_bytes (struct agent_limits).
 */
int vm_set_limits(struct vm_link *link, const struct cgroup_limits *limits, uint64_t balloon_bytes,
	struct error *err);

/* --- vm-files.c ----------------------------------------------------------------------------------
 */

int vm_look(const struct container_config *config, const char *path, enum isolation_file *ret,
	struct error *err);
int vm_get(const struct container_config *config, const char *path, int out_fd, struct error *err);
int vm_put(const struct container_config *config, const char *path, int in_fd, struct error *err);

/* --- vm-list.c -----------------------------------------------------------------------------------
 */

int vm_list(const struct container_config *config,
	int (*each)(void *context, const struct isolation_seen *seen, struct error *err),
	void *context, struct error *err);

/* --- vm-session.c
 * --------------------------------------------------------------------------------- */

struct vm_session {
	const struct container_config *config;
	const struct container_process *process; /* NULL: the machine is for its files alone */
	const struct kernel *kernel; /* NULL: of `exec`, into a machine that runs */
	int stdio[3]; /* -1: none */
	int terminal_fd; /* the pty's other end, or -1 */
	int sync_fd; /* where the parent hears of success (its end; for files alone one byte, and
		      * the parent's end is the end of it all) or failure */
	int lock_fd; /* to be kept open; -1: none */
};

/* What the parent hears of a failure. */
struct vm_failure {
	int32_t code;
	uint32_t command_failed;
	char message[ERROR_MESSAGE_MAX];
};

/* In a forked child: until the command ends. */
void vm_session_run(struct vm_session *session) __attribute__((noreturn));
