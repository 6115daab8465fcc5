/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container.h - one process tree isolated by the host's kernel: the contract of the folder.
 *
 * A container is described by `struct container_config`, which mirrors the OCI runtime-spec's
 * config.json for Linux (config.c reads and writes that document), and started in two phases, as
 * the runtime-spec wants:
 *   container_spawn()    everything but the command: namespaces, mounts, cgroup, devices, ids,
 *                        capabilities; the process then waits.
 *   container_release()  the process executes its command.
 * Nothing here is daemon, log, restart or name: that is instance/.
 *
 * Nothing of a container is visible outside it: its mounts live in its own mount namespace and die
 * with it, so a killed strata leaves at most cgroup directories, which container_cleanup() removes
 * by path alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/json.h"
#include "base/userns.h"
#include "container/cgroup.h"
#include "container/seccomp.h"

/* The runtime-spec that config.json is read and written by. */
#define CONTAINER_SPEC_VERSION "1.2.0"

enum container_namespace {
	CONTAINER_NS_MOUNT,
	CONTAINER_NS_PID,
	CONTAINER_NS_NETWORK,
	CONTAINER_NS_IPC,
	CONTAINER_NS_UTS,
	CONTAINER_NS_USER,
	CONTAINER_NS_CGROUP,
	CONTAINER_NS_TIME,
	CONTAINER_NS_COUNT,
};

/* "net", "pid": what they are called below /proc/PID/ns. */
extern const char *const container_namespace_files[CONTAINER_NS_COUNT];

struct container_namespace_config {
	bool wanted; /* false: share the caller's */
	char *path; /* join this one instead of making a new one */
};

/* runtime-spec config.md "mounts"; options are mount(8) words ("rbind", "ro", "mode=755"). */
struct container_mount {
	char *destination;
	char *type; /* "bind", "proc", "tmpfs", ... NULL with a bind option */
	char *source;
	char **options;
	/* Of an id-mapped mount. The words "idmap" and "ridmap" (with everything below) among the
	 * options ask for one too, with the container's maps where these are empty. */
	struct userns_maps id_maps;
};

struct container_rlimit {
	int resource; /* RLIMIT_* */
	uint64_t soft, hard;
};

/* A node to make in /dev. */
struct container_device {
	char *path;
	char type; /* 'c', 'b', 'p' */
	uint32_t major, minor;
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

struct container_key_value {
	char *key, *value;
};

#define CONTAINER_CAPABILITY_COUNT 64

/* sched_setattr(2) */
struct container_scheduler {
	bool wanted;
	uint32_t policy; /* SCHED_* */
	uint32_t priority;
	int32_t nice;
	uint64_t flags; /* SCHED_FLAG_* */
	uint64_t runtime_ns, deadline_ns, period_ns;
};

/* ioprio_set(2) */
struct container_io_priority {
	bool wanted;
	int io_class; /* IOPRIO_CLASS_* */
	int level; /* 0..7 */
};

/* What runs inside: the first process, or one of `exec`. */
struct container_process {
	char **args;
	char **env;
	char *cwd;
	/*
	 * Who it runs as: either numbers, or `user` = "name|uid[:group|gid]", which the child looks
	 * up in the container's own /etc/passwd and /etc/group (then uid, gid and groups below are
	 * ignored, HOME is set if it was not, supplementary groups come from /etc/group).
	 */
	char *user;
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	size_t nr_groups;
	char **group_names; /* --group-add: names or numbers, looked up likewise */
	int umask; /* -1: keep 0022 */
	bool terminal;
	uint16_t rows, columns; /* of the terminal at the start; 0 = unknown */
	uint64_t cap_bounding, cap_effective, cap_inheritable, cap_permitted, cap_ambient;
	struct container_rlimit *rlimits;
	size_t nr_rlimits;
	bool no_new_privileges;
	bool has_oom_score_adj;
	int oom_score_adj;
	struct container_scheduler scheduler;
	struct container_io_priority io_priority;
	/* CPU lists ("0-3,7") of an `exec`: until it has entered the cgroup, and from then on. */
	char *cpus_initial, *cpus_final;
	char *apparmor_profile, *selinux_label;
};

/*
 * The root filesystem. With `layers` (absolute paths of unpacked directories, TOP first) it is an
 * overlay mounted inside the container's own mount namespace with `upper` and `work`; without, the
 * directory `path` itself.
 */
struct container_rootfs {
	char *path;
	char **layers;
	char *upper, *work;
	bool read_only;
	bool ephemeral; /* upper is thrown away after the run (--rm): never flush it to disk */
};

/* runtime-spec config.md, "POSIX-platform Hooks": a program of the host's, but for
 * START_CONTAINER's, which is the container's. */
struct container_hook {
	char *path; /* absolute */
	char **args; /* NULL: the path alone */
	char **env;
	bool inherits_env; /* "env" is not there: ours, or the command's for START_CONTAINER */
	int timeout_s; /* 0 = none */
};

struct container_hooks {
	struct container_hook *hooks;
	size_t count;
};

enum container_hook_kind {
	CONTAINER_HOOK_PRESTART,
	CONTAINER_HOOK_CREATE_RUNTIME,
	CONTAINER_HOOK_CREATE_CONTAINER,
	CONTAINER_HOOK_START_CONTAINER,
	CONTAINER_HOOK_POSTSTART,
	CONTAINER_HOOK_POSTSTOP,
	CONTAINER_HOOK_COUNT,
};

/* runtime-spec config-linux.md, "IntelRdt" */
struct container_intel_rdt {
	bool wanted;
	char *clos_id; /* NULL: the container's id */
	char *l3_cache_schema, *memory_bandwidth_schema;
	char **schemata;
	bool monitoring;
};

/*
 * The machine that an instance with a kernel of its own runs on (isolation/vm.c). Derived from what
 * instance/ knows, never part of config.json; container/ only carries it. Paths are absolute.
 */
struct container_machine_network {
	char tap[16]; /* an interface of the host's, for this machine alone; "": a cable */
	int cable_fd; /* its end of it (net/net.h) */
	uint8_t mac[6];
	uint32_t address, gateway; /* IPv4 in network byte order; gateway 0: no way out */
	uint32_t prefix_bits, mtu;
};

struct container_machine {
	char *root; /* the state root: kernels and blank disks */
	char *folder; /* of the running machine, made and removed with it */
	char *architecture; /* Go's name */
	char *kernel; /* NULL: the default one */
	char *cpu; /* of vcpu/models.h; NULL: the architecture's first */
	char **layers; /* squashfs files, the lowest first */
	char *disk; /* its own; made of disk_bytes when it is missing */
	uint64_t disk_bytes;
	bool has_network; /* of the host's sockets */
	struct container_machine_network *networks; /* or these, as long as it runs */
	size_t nr_networks;
	bool boots; /* rather than to go on from a snapshot */
	char **ports; /* of the host that lead into it, as net/net.h reads them */
	char **fill; /* destinations of volumes that get what the image has there, while empty */
};

struct container_machine *container_machine_free(struct container_machine *machine);

struct container_config {
	char *hostname, *domainname;
	struct container_rootfs rootfs;
	struct container_process process;
	struct container_mount *mounts;
	size_t nr_mounts;
	struct container_namespace_config namespaces[CONTAINER_NS_COUNT];
	struct userns_maps id_maps; /* of a new user namespace */
	struct container_device *devices;
	size_t nr_devices;
	char *cgroup_path; /* of cgroup_path_for() or cgroup_place(); NULL: none */
	struct cgroup_unit cgroup_unit; /* of cgroup_place() */
	struct cgroup_limits limits;
	struct seccomp_choice seccomp;
	char **masked_paths, **readonly_paths;
	struct container_key_value *sysctls;
	size_t nr_sysctls;
	char *rootfs_propagation; /* "rprivate" when NULL */
	bool init; /* --init: a small init of ours is pid 1 and reaps */
	/* Programs are for this architecture (Go's name, one of container_translated()) and are
	 * executed by strata-translate; NULL: they are this machine's own. */
	char *translate;
	bool has_time_offsets;
	int64_t monotonic_offset_s, boottime_offset_s;
	uint32_t monotonic_offset_ns, boottime_offset_ns;
	bool has_personality;
	unsigned long personality; /* PER_*, of personality(2) */
	char *mount_label; /* SELinux */
	struct container_intel_rdt intel_rdt;
	/* Interfaces of the host's to be moved inside, and their names there ("" = the same). */
	struct container_key_value *net_devices;
	size_t nr_net_devices;
	struct container_hooks hooks[CONTAINER_HOOK_COUNT];
	char **annotations; /* KEY=VALUE */
	struct container_machine *machine; /* NULL: the host's kernel is the command's */
};

/* config.json in and out (runtime-spec 1.2). What we do not implement is an error naming the
 * field. The writer's text is owned by the caller; NULL when memory ran out. What the spec has no
 * word for (layers, user by name, --init) stands in the top-level object "strata". */
int container_config_parse(const json_t *document, struct container_config *ret, struct error *err);
/* "linux.resources" alone, as `update --resources` gets it. */
int container_limits_parse(const json_t *resources, struct cgroup_limits *ret, struct error *err);
char *container_config_write(const struct container_config *config);
/* The object "process" alone, as `exec --process` gets it. */
int container_process_parse(
	const json_t *process, struct container_process *ret, struct error *err);
/* What the spec asks between the members of a configuration that others wrote: strata's own may
 * keep a host name for a namespace it shares. */
int container_config_check(const struct container_config *config, struct error *err);
void container_config_free(struct container_config *config);
void container_process_free(struct container_process *process);

/* The words that config.json may use here, for engines that ask. */
enum container_feature {
	CONTAINER_FEATURE_HOOKS,
	CONTAINER_FEATURE_NAMESPACES,
	CONTAINER_FEATURE_CAPABILITIES,
	CONTAINER_FEATURE_MOUNT_OPTIONS,
	CONTAINER_FEATURE_SECCOMP_ACTIONS,
	CONTAINER_FEATURE_SECCOMP_OPERATORS,
	CONTAINER_FEATURE_SECCOMP_ARCHS,
	CONTAINER_FEATURE_SECCOMP_FLAGS,
};

/* A fresh strv, in the order of the tables. */
int container_feature_words(enum container_feature feature, char ***ret, struct error *err);

/* Docker's defaults: namespaces, /proc /dev /sys mounts, masked and read-only paths, capability
 * set, seccomp profile, /dev/shm of shm_size_bytes. Everything is owned by ret. */
int container_config_defaults(
	struct container_config *ret, uint64_t shm_size_bytes, struct error *err);

/* Rules of a document plus what every container may use: making nodes, and the devices that
 * runtime-spec config-linux.md "Default Devices" promises. No rules at all refuse the rest. */
int container_config_allow_default_devices(struct container_config *config, struct error *err);

int container_config_add_mount(struct container_config *config, const char *type,
	const char *source, const char *destination, const char *comma_options, struct error *err);

/* "CAP_NET_RAW", "net_raw" -> bit number; "ALL" is the caller's business. -EINVAL. */
int container_capability_from_name(const char *name);
const char *container_capability_name(int capability);
/* Docker's fourteen. */
uint64_t container_capabilities_default(void);
/* All the running kernel knows and we hold in our bounding set. */
uint64_t container_capabilities_all(void);

/* The architectures that `translate` may name: the first, the second, ...; then NULL. */
const char *container_translated(size_t index);
/* The one of them that a file which begins with these bytes is a program for, or NULL. */
const char *container_translated_file(const void *head, size_t len);

/* --- life ---------------------------------------------------------------------------------- */

/* How its engine calls a container: what hooks are told. */
struct container_identity {
	const char *id, *bundle;
};

/*
 * Can mounts reach what the configuration binds as slave, and spread from what it binds as shared?
 * The kernel would not say when they cannot. In the mount namespace of the caller.
 */
int container_check_propagation(const struct container_config *config, struct error *err);

#define CONTAINER_TRANSLATIONS_CODE "code"
#define CONTAINER_TRANSLATIONS_NONE "none"

struct container_spawn_options {
	int stdio[3]; /* become 0, 1, 2; -1 = /dev/null; ignored with a terminal */
	bool new_session; /* setsid without a terminal too */
	int listen_fds; /* --preserve-fds N: keep 3 .. 3+N-1 */
	/* container_exec(): existing cgroups below the container's to enter, as an strv: "SUB", or
	 * on v1 "CONTROLLER[,CONTROLLER...]:SUB". NULL: the container's own. */
	char *const *sub_cgroups;
	/* Translated code that may be taken (NULL: none): this folder's
	 * CONTAINER_TRANSLATIONS_CODE, which the container sees in a way it cannot write to,
	 * CONTAINER_TRANSLATIONS_NONE beside it being empty. What else was translated is written to
	 * translations_list; 0, -1 = none.
	 */
	const char *translations;
	int translations_list;
	/* A lock of ours, not to be held by a child that hangs when we are gone; 0 = none. */
	int lock_fd;
	bool adopt_cgroup; /* somebody has chosen its path: one that is there and empty is theirs */
	bool no_pivot; /* change the root by moving it to "/": for a host whose root is rootfs */
	bool all_cpus; /* the caller, an engine's, may be bound to some: the container is not */
	bool keep_keyring; /* stay in the session keyring of the caller */
	/* NULL: it has no hooks, no seccomp agent and no class of service. */
	const struct container_identity *identity;
	/* The receiver of container_network_open(), for a config that wants a network namespace of
	 * its own; 0 (never a channel): the child makes it. */
	int network_fd;
	/* Hand it over once the child has made one: network_fd of the handle. Of what is in a user
	 * namespace, nobody else can open it. */
	bool wants_network;
	/*
	 * A socket of container_listen(): once `meanwhile` has succeeded the first process lives on
	 * without us, and waits there for container_connect(). 0 = none.
	 */
	int start_fd;
	/*
	 * Called once by container_spawn() (not by container_exec()) when the child has begun its
	 * work and there is nothing left for us but to wait for it: what the caller has to do
	 * between clone and release costs no time here. A failure ends the child. NULL = nothing.
	 */
	int (*meanwhile)(void *context, pid_t pid, struct error *err);
	void *meanwhile_context;
	/* The caller would release it as soon as it is ready (after `meanwhile`): the child need
	 * not stop for that, which saves waking two processes. container_release() is still due. */
	bool release_at_once;
};

/*
 * A network namespace with its loopback up, made by one process while another does something else:
 * `receiver_fd` is for container_spawn_options, in the process that spawns, which closes the other
 * one; `sender_fd` for container_network_make() in the one that makes it. Zeroed: none.
 */
struct container_network_ahead {
	int receiver_fd, sender_fd;
};
/* Fails where none can be made ahead. */
int container_network_open(struct container_network_ahead *ret);
void container_network_close(struct container_network_ahead *ahead);
/* Make it, send it, and return to the namespace that `neighbour`, a child of ours, is in. The
 * caller has one thread. A failure is found by whoever waits for it, when sender_fd is closed. */
void container_network_make(int sender_fd, pid_t neighbour);
/*
 * For who has something to do in the namespace before the container has it: take what
 * container_network_make() has sent, or make one here (receiver_fd 0, or nothing came), *ret_fd;
 * and send it on, to the receiver of another container_network_open().
 */
int container_network_take(int receiver_fd, int *ret_fd, struct error *err);
int container_network_send(int sender_fd, int namespace_fd, struct error *err);

/* A process that was started and is ours to wait for. */
struct container_handle {
	pid_t pid;
	int pidfd;
	int terminal_fd; /* the pty's master, or -1 */
	/* Keeps its mounts alive, so that taking them down, which may flush a disk, waits for
	 * container_handle_close() and not for the last process's exit; -1 where we may not. */
	int mount_ns_fd;
	int network_fd; /* its network namespace, if that was wanted */
	int sync_fd; /* private: the release channel */
	bool released; /* private: it has the word to execute already */
	bool command_failed; /* after a failed release: the command (126/127), not us (125) */
};

#define CONTAINER_HANDLE_INIT                                                                      \
	{                                                                                          \
		.pid = -1, .pidfd = -1, .terminal_fd = -1, .mount_ns_fd = -1, .sync_fd = -1,       \
		.network_fd = -1                                                                   \
	}

/*
 * Make the container; on success its first process waits before its execve. On failure nothing is
 * left: no process, no mount, no cgroup.
 */
int container_spawn(const struct container_config *config,
	const struct container_spawn_options *options, struct container_handle *ret,
	struct error *err);

/* Let it execute. Success means execve succeeded. -ENOENT: the command is not there (exit code
 * 127); other failures with command_failed set: it cannot be executed (126). The process is gone
 * after a failure; the caller still reaps it and cleans up. */
int container_release(struct container_handle *handle, struct error *err);

/*
 * The two phases in two programs, as the OCI runtime's `create` and `start`: the first listens at
 * the socket NAME of the directory for the process it spawns, the second connects to it. Only
 * processes of the same user as ours may.
 */
int container_listen(int dir_fd, const char *name, int *ret_fd, struct error *err);
/* Make a handle for container_release() that has no process of ours (pid -1). */
int container_connect(
	int dir_fd, const char *name, struct container_handle *ret, struct error *err);

/*
 * Run the hooks of one kind, in order: CONTAINER_HOOK_POSTSTART after container_release(),
 * CONTAINER_HOOK_POSTSTOP after everything else; the others run where they belong. `status` is the
 * runtime-spec's word, `pid` is 0 where there is none. A failure of POSTSTOP is a warning.
 */
int container_run_hooks(const struct container_config *config, enum container_hook_kind kind,
	const struct container_identity *identity, const char *status, pid_t pid,
	struct error *err);

/* The document of runtime-spec runtime.md "State" that hooks get; NULL when memory ran out. */
char *container_state_write(const struct container_config *config,
	const struct container_identity *identity, const char *status, pid_t pid);

/* Close the handle's descriptors; the process itself is not touched. */
void container_handle_close(struct container_handle *handle);

/*
 * Whose namespaces to join. Our own init never executes anything, so it stays hidden
 * (process_hide() in child.c) from everybody without rights over the host, be it the user who owns
 * it or a process that has just entered its user namespace: the first of its children is in the
 * same namespaces.
 */
pid_t container_member(const struct container_config *config, pid_t init_pid);

/*
 * Run another process in a running container (`init_pid` is its first process). It joins every
 * namespace, the cgroup, the root, and drops to `process`'s rights under the same seccomp filter.
 * Same two phases. The new process is our child.
 */
int container_exec(const struct container_config *config, pid_t init_pid,
	const struct container_process *process, const struct container_spawn_options *options,
	struct container_handle *ret, struct error *err);

/* Give back the class of service that was made for container `id` (linux.intelRdt). */
void container_leave_class(const struct container_config *config, const char *id);

/* Kill what is left in its cgroup and remove the cgroup. Safe to call for one that never ran. */
int container_cleanup(const char *cgroup_path, struct error *err);

/*
 * Mount the root filesystem in a private mount namespace of a helper process and hand back a
 * descriptor of it (open_tree clone), for `cp` with a stopped instance. Nothing is left when it is
 * closed. *ret_userns_fd is the user namespace it was mounted in, for userns_call_in(): what
 * fuse-overlayfs shows, nobody outside may look at. It is -1 for real root.
 */
int container_open_rootfs(const struct container_config *config, int *ret_root_fd,
	int *ret_userns_fd, struct error *err);
