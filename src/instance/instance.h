/* SPDX-License-Identifier: Apache-2.0 */
/*
 * instance.h - environments, stopped or running: the contract of the folder.
 *
 * On disk, ROOT/instances/ID/ (ID: 64 hex digits):
 *   config.json    the OCI bundle's configuration (container/config.c)
 *   instance.json  what strata adds: name, image, layers, restart policy, log and health options
 *   state.json     what happened last (struct instance_state); replaced atomically
 *   log.json       Docker's json-file lines; log.json.1, .2 after rotation
 *   upper/, work/  the writable overlay, or
 *   disk.ext4      the disk that has it, of an instance with a kernel of its own
 *   hostname, hosts, resolv.conf   bind-mounted into the container
 * ROOT/names/NAME is a symbolic link to ID, made exclusively: it is what reserves a name.
 * RUN_ROOT/ID.sock  the monitor's socket while there is a monitor
 * RUN_ROOT/ID.machine/  where a machine is met while it runs (isolation/vm.h)
 * RUN_ROOT/events.json      one line per event, appended, rotated at 1 MiB
 *
 * A directory that is being made is called .new-ID until it is complete, one that is being removed
 * .gone-ID; both are swept by any later command.
 *
 * Truth: state.json says what was last known. If its boot ID is not this boot's, or its monitor
 * (pid + start time) is gone, instance_load() corrects the status to what it really is (exited,
 * exit code 255 when nobody saw it; still running without a monitor is possible after kill -9 of
 * the monitor and is told as such), and `rm -f`, `stop`, `kill` and `start` work from there.
 *
 *   created -> running <-> paused -> exited -> running ...
 *              running -> restarting -> running | exited
 *   any -> removing -> gone
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cpus.h"
#include "base/error.h"
#include "container/container.h"
#include "image/image.h"

#define INSTANCE_ID_LEN	  64
#define INSTANCE_NAME_MAX 128

enum instance_status {
	INSTANCE_CREATED,
	INSTANCE_RUNNING,
	INSTANCE_PAUSED,
	INSTANCE_RESTARTING,
	INSTANCE_REMOVING,
	INSTANCE_EXITED,
	INSTANCE_DEAD,
	INSTANCE_STATUS_COUNT,
};

const char *instance_status_name(enum instance_status status);

enum instance_restart {
	INSTANCE_RESTART_NO,
	INSTANCE_RESTART_ON_FAILURE,
	INSTANCE_RESTART_UNLESS_STOPPED,
	INSTANCE_RESTART_ALWAYS,
};

enum instance_health {
	INSTANCE_HEALTH_NONE, /* no check configured */
	INSTANCE_HEALTH_STARTING,
	INSTANCE_HEALTH_HEALTHY,
	INSTANCE_HEALTH_UNHEALTHY,
};

/* Where the strata of this user keeps things. Strings are borrowed from front/'s struct cli. */
struct instance_roots {
	const char *root;
	const char *run_root;
	bool rootless;
};

/* What `create` decides once; instance.json. Strings are owned. */
struct instance_spec {
	char *name;
	char *isolation; /* "container" */
	char *image_name; /* as the user typed it */
	char *image_digest; /* config digest (image ID) */
	char *manifest_digest;
	char **layers; /* diff IDs, bottom first */
	char *platform; /* "linux/amd64" */
	/* Of one with a kernel of its own: which (NULL: the default), on which model of CPU (NULL
	 * likewise), how large its disk is, which
	 * ports of the host lead into it ("[IP:]HOST:GUEST[/PROTOCOL]"), and where volumes are
	 * mounted that get what the image has there. */
	char *kernel, *cpu;
	int64_t disk_bytes;
	char **ports, **fill;
	/* The networks it joins, in the order of its interfaces (network_request_format()), and
	 * whether its name servers are its own (--dns) and not theirs. */
	char **networks;
	bool own_name_servers;
	char **labels; /* KEY=VALUE */
	int64_t created_ns;
	char *command_line; /* entrypoint + command, for `ps` */
	int64_t entrypoint_count; /* how many of the first words of it are the entrypoint */
	enum instance_restart restart;
	int64_t restart_max; /* on-failure:N; 0 = any number */
	bool auto_remove; /* --rm */
	bool no_snapshot; /* a machine always boots */
	bool open_stdin; /* -i */
	bool terminal; /* -t */
	int stop_signal;
	int64_t stop_timeout_s;
	char *log_driver; /* "json-file" or "none" */
	int64_t log_max_size; /* bytes; 0 = no rotation */
	int64_t log_max_files; /* at least 1 */
	struct image_healthcheck health;
	char **anonymous_volumes; /* names of volumes to remove with -v / --rm */
	/*
	 * Only for instance_create(), not kept: the contents of the files of these names in the
	 * instance's directory, which it bind-mounts over /etc/... of the container (unless the
	 * config already mounts something there). NULL = none. /etc/hostname is made always, from
	 * config->hostname, which is the ID's first 12 digits when the caller left it NULL.
	 */
	char *hosts, *resolv_conf;
	const char *id; /* likewise, and borrowed: its ID; NULL = a random one */
	/*
	 * Likewise: it is started at once. The name and the documents of a --rm instance, which
	 * nobody else needs before it runs, are then left to its monitor, which sees to them while
	 * the container's first process does its own work.
	 */
	bool starts_at_once;
};

struct instance_state {
	enum instance_status status;
	pid_t pid; /* 0 unless running or paused */
	uint64_t start_ticks;
	pid_t monitor_pid;
	uint64_t monitor_ticks;
	char boot_id[37];
	int exit_code;
	bool oom_killed;
	char *error; /* why it could not start, or NULL */
	char *cgroup; /* where its last run was put; "": nowhere; NULL before the first */
	int64_t started_ns, finished_ns; /* 0 = never */
	int64_t restart_count;
	bool stopped_by_user; /* unless-stopped: not started again by `strata boot` */
	enum instance_health health;
	int64_t health_failing_streak;
};

struct instance {
	struct instance_roots roots;
	char id[INSTANCE_ID_LEN + 1];
	int dir_fd; /* ROOT/instances/ID */
	struct instance_spec spec;
	struct instance_state state;
	struct container_config config; /* loaded on demand by instance_load_config() */
	bool has_config;
	/* For the next start: a network namespace made ahead (container.h); 0 = none. */
	int network_fd;
	/* The monitor has yet to see to name and documents, and until then keeps this lock on the
	 * image store, which it closes (0 = none). */
	bool documents_due;
	int image_lock_fd;
};

void instance_spec_free(struct instance_spec *spec);
void instance_close(struct instance *instance);
#define _cleanup_instance_ _cleanup_(instance_close)

/* Docker's names: [a-zA-Z0-9][a-zA-Z0-9_.-]+ */
bool instance_name_is_valid(const char *name);

/*
 * Make the directory, reserve the name (a random one when spec->name is NULL) and write both
 * documents. Takes ownership of *spec and *config into ret. `image_layers` paths are derived from
 * spec->layers; cgroup_path, rootfs.upper and rootfs.work from the ID. -EEXIST: the name is in use,
 * by which instance. For `--rm` instances nothing is fsynced; see spec->starts_at_once.
 */
int instance_create(const struct instance_roots *roots, struct instance_spec *spec,
	struct container_config *config, struct instance *ret, struct error *err);

/*
 * Start what an instance that does not run, and has a kernel of its own, needs so that its files
 * can be read and written by the isolation's look, get and put. Nobody starts or removes it
 * meanwhile. -EALREADY: it runs. instance_close_files() ends that; 0: all is on its disk.
 */
struct isolation_process;
int instance_open_files(
	struct instance *instance, struct isolation_process *ret, struct error *err);
int instance_close_files(
	struct instance *instance, struct isolation_process *files, struct error *err);

/* The results of its last health checks as Docker lists them (Start, End, ExitCode, Output); an
 * empty array when there were none. NULL when out of memory. */
json_t *instance_health_log(const struct instance *instance);

/* Find by name, ID or unambiguous prefix of an ID. -ENOENT: "no such instance: X". */
int instance_load(const struct instance_roots *roots, const char *text, struct instance *ret,
	struct error *err);
int instance_load_config(struct instance *instance, struct error *err);
/* Read state.json again and correct it against reality. */
int instance_refresh(struct instance *instance, struct error *err);

/* All of them, newest first; broken directories are skipped with a log_warning(). */
int instance_list(const struct instance_roots *roots, struct instance **ret, size_t *ret_count,
	struct error *err);
void instance_list_free(struct instance *list, size_t count);

/* strv of the manifest digests that instances need (for image_collect() and image_remove()). */
int instance_pinned_images(const struct instance_roots *roots, char ***ret, struct error *err);

/* --- attaching -------------------------------------------------------------------------------- */

struct instance_attach_options {
	bool stdin_open; /* forward our stdin */
	bool stdout_open, stderr_open;
	bool signal_proxy; /* forward signals to the command */
	bool terminal; /* raw mode and resize */
	const char *detach_keys; /* "ctrl-p,ctrl-q"; "" = none */
};

/* Is this a sequence of detach keys (NULL = the default)? To be asked before anything is started.
 */
int instance_check_detach_keys(const char *keys, struct error *err);

enum instance_attach_end {
	INSTANCE_ATTACH_EXITED, /* *ret_exit_code is the command's */
	INSTANCE_ATTACH_DETACHED, /* the user typed the detach keys */
	INSTANCE_ATTACH_LOST, /* the monitor went away without a word */
};

/*
 * Start it: forks the monitor, which starts the container and outlives us. With `attach`, the
 * caller's stdio is connected before the first instruction runs and the call returns when the
 * command ended or the user detached; without, when the command runs. On failure *ret_exit_code is
 * 125, 126 or 127.
 */
int instance_start(struct instance *instance, const struct instance_attach_options *attach,
	enum instance_attach_end *ret_end, int *ret_exit_code, struct error *err);

/*
 * The same for an instance that is yet to be made, in two processes: instance_run_fork() returns in
 * both. In the maker (run->maker == 0) the caller makes the instance, with run->id for its ID, and
 * ends with one of the two functions that do not return; in the other, the foreground, it calls
 * instance_run_follow(), which is to the maker's success what instance_start() is to that of its
 * monitor. `attach` is the same everywhere. See run.c.
 */
struct instance_run {
	pid_t maker;
	char id[INSTANCE_ID_LEN + 1];
	int fd; /* to the other process */
	int signal_fd; /* with `attach` */
	sigset_t old_mask;
	/* The maker begins on the CPU we are on: a foreground that has work of its own makes
	 * room for it before. */
	struct cpus cpus;
};
int instance_run_fork(
	struct instance_run *run, const struct instance_attach_options *attach, struct error *err);
void instance_run_become_monitor(struct instance_run *run, struct instance *instance,
	const struct instance_attach_options *attach) __attribute__((noreturn));
/* It could not be made; the foreground gets `why` as its error and 125 as the exit code. */
void instance_run_give_up(struct instance_run *run, const struct error *why)
	__attribute__((noreturn));
int instance_run_follow(struct instance_run *run, const struct instance_attach_options *attach,
	enum instance_attach_end *ret_end, int *ret_exit_code, struct error *err);

int instance_attach(struct instance *instance, const struct instance_attach_options *options,
	enum instance_attach_end *ret_end, int *ret_exit_code, struct error *err);

/* Run a process beside the first one. `detach`: return once it runs. */
struct instance_exec_options {
	struct container_process process; /* complete; see instance_exec_defaults() */
	bool detach;
	struct instance_attach_options attach;
};
/* Fill in environment, user, cwd, capabilities as the instance's own. */
int instance_exec_defaults(
	struct instance *instance, struct container_process *ret, struct error *err);
int instance_exec(struct instance *instance, const struct instance_exec_options *options,
	int *ret_exit_code, struct error *err);

/* --- commands to a live one ------------------------------------------------------------------- */

/* Stop signal, then SIGKILL after timeout_s (-1 = the instance's own, signo 0 likewise). The
 * monitor does it; without a monitor we do. A stopped one is success. */
int instance_stop(struct instance *instance, int signo, int64_t timeout_s, struct error *err);
int instance_kill(struct instance *instance, int signo, struct error *err);
int instance_pause(struct instance *instance, bool paused, struct error *err);
int instance_resize(struct instance *instance, uint16_t rows, uint16_t columns, struct error *err);
/* New limits and restart policy (restart NULL = keep), on disk and, when it runs, at once. */
int instance_update(struct instance *instance, const struct cgroup_limits *limits,
	const enum instance_restart *restart, int64_t restart_max, struct error *err);
int instance_rename(struct instance *instance, const char *name, struct error *err);

enum instance_wait_for {
	INSTANCE_WAIT_NOT_RUNNING,
	INSTANCE_WAIT_NEXT_EXIT,
	INSTANCE_WAIT_REMOVED,
};
int instance_wait(struct instance *instance, enum instance_wait_for condition, int *ret_exit_code,
	struct error *err);

/* Remove it; a live one only with `force` (-EBUSY else). With `volumes`, its anonymous ones too.
 * Works on broken directories, given by exact ID. */
int instance_remove(struct instance *instance, bool force, bool volumes, struct error *err);

/* Last resort of `rm -f`: a directory whose documents cannot be read any more. */
int instance_remove_broken(const struct instance_roots *roots, const char *id, struct error *err);

/* Start what `always` and `unless-stopped` promise; the systemd unit calls it at boot. */
int instance_boot(const struct instance_roots *roots, char ***ret_started, struct error *err);

/* --- logs ------------------------------------------------------------------------------------- */

struct instance_log_line {
	int stream; /* 1 or 2 */
	int64_t time_ns;
	const char *text; /* with its newline, if it had one */
	size_t len;
};

struct instance_log_options {
	int64_t since_ns, until_ns; /* 0 = no bound */
	int64_t tail; /* -1 = all */
	bool follow; /* until the instance ends */
};

typedef int (*instance_log_fn)(void *context, const struct instance_log_line *line);
int instance_logs(struct instance *instance, const struct instance_log_options *options,
	instance_log_fn fn, void *context, struct error *err);

/* --- events ----------------------------------------------------------------------------------- */

/* Append one: `action` as Docker's ("create", "start", "die", ...), attributes KEY=VALUE. Never
 * fails the caller. */
void instance_event(const struct instance *instance, const char *action, char *const *attributes);
/* Every line after since_ns, then (follow) as they come, until until_ns. */
typedef int (*instance_event_fn)(void *context, const json_t *event);
int instance_events(const struct instance_roots *roots, int64_t since_ns, int64_t until_ns,
	bool follow, instance_event_fn fn, void *context, struct error *err);
