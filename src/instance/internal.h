/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - what the files of instance/ share with each other and nobody else.
 *
 * Locks: whoever makes, runs or removes an instance holds flock(LOCK_EX) on its directory: the
 * creator until it has a monitor, the monitor (which inherits the very same open file description)
 * for as long as it lives, the remover until the directory is gone. So a .new-ID or .gone-ID, or an
 * ID with neither instance.json nor state.json, that nobody has locked is a left-over, and two
 * `start`s can never both win.
 */
#pragma once

#include "base/json.h"
#include "instance/instance.h"
#include "isolation/isolation.h"

#define INSTANCE_NEW_PREFIX	 ".new-"
#define INSTANCE_GONE_PREFIX	 ".gone-"
#define INSTANCE_CONFIG_FILE	 "config.json"
#define INSTANCE_SPEC_FILE	 "instance.json"
#define INSTANCE_STATE_FILE	 "state.json"
#define INSTANCE_LOG_FILE	 "log.json"
#define INSTANCE_HEALTH_FILE	 "health.json"
#define INSTANCE_SPEC_MAX	 (1u << 20) /* bytes of instance.json */
#define INSTANCE_STATE_MAX	 (64u << 10) /* bytes of state.json */
#define INSTANCE_LOCK_TIMEOUT_NS INT64_C(15000000000) /* a monitor that is just ending */
#define INSTANCE_EXIT_UNKNOWN	 255 /* nobody saw how it ended; Docker's number for it */
#define INSTANCE_EXIT_STRATA	 125 /* strata itself failed; Docker's number for it */
#define INSTANCE_STOP_TIMEOUT_S	 10 /* Docker's default */

/* --- names.c --- */

/* A random "adjective_noun", or with `attempt` > 0 one with a number behind it. */
void instance_name_random(char *buf, size_t size, unsigned attempt);
/* ROOT/names/NAME -> ID, exclusively. -EEXIST names the holder. A dangling link is taken over. */
int instance_name_take(
	const struct instance_roots *roots, const char *name, const char *id, struct error *err);
/* Remove the names that killed creates left behind. */
void instance_names_sweep(const struct instance_roots *roots);
/* Drop the name if it still is this instance's. */
void instance_name_drop(const struct instance_roots *roots, const char *name, const char *id);
/* The ID that a name stands for; -ENOENT. */
int instance_name_resolve(
	const struct instance_roots *roots, const char *name, char ret_id[INSTANCE_ID_LEN + 1]);
bool instance_id_is_valid(const char *id);

/* --- spec.c, state.c --- */

char *instance_spec_write(const struct instance_spec *spec);
int instance_spec_parse(const json_t *document, struct instance_spec *ret, struct error *err);
int instance_spec_save(const struct instance *instance, struct error *err);
const char *instance_restart_name(enum instance_restart restart);
const char *instance_health_name(enum instance_health health);

char *instance_state_write(const struct instance_state *state);
int instance_state_parse(const json_t *document, struct instance_state *ret, struct error *err);
void instance_state_free(struct instance_state *state);
/* Read state.json; a missing one means "created, never started". */
int instance_state_load(int dir_fd, struct instance_state *ret, struct error *err);
int instance_state_save(
	int dir_fd, const struct instance_state *state, bool durable, struct error *err);

/* --- create.c --- */

/* What is still due of an instance that was made to be started at once: its name, config.json and
 * instance.json. Without the last it is not there: nobody lists it, and whoever finds it unlocked
 * sweeps it. Nothing for any other. */
int instance_complete(struct instance *instance, struct error *err);

/* --- load.c --- */

/* ROOT/instances/[PREFIX]ID[/FILE] */
int instance_path(const struct instance_roots *roots, char *buf, size_t size, const char *prefix,
	const char *id, const char *file);
int instance_open(const struct instance_roots *roots, const char *id, struct instance *ret,
	struct error *err);
/* Fill in what follows from where the instance lies: layers, upper, work, cgroup, bind sources. */
int instance_derive_config(struct instance *instance, struct error *err);
/* The cgroup of the last run as the state has it, for a config: NULL when there was none. */
int instance_get_cgroup(const struct instance *instance, char **ret, struct error *err);
/* Choose the cgroup of the next run; for the monitor, which is in its scope by then. */
int instance_choose_cgroup(struct instance *instance, struct error *err);
/* Is a monitor there (by its pid and start time)? Only meaningful after a refresh. */
static inline bool instance_has_monitor(const struct instance *instance)
{
	return instance->state.monitor_pid > 0;
}
static inline bool instance_is_live(const struct instance *instance)
{
	return instance->state.status == INSTANCE_RUNNING ||
		instance->state.status == INSTANCE_PAUSED ||
		instance->state.status == INSTANCE_RESTARTING;
}
/* flock the directory: timeout_ns 0 = one try. -EBUSY when somebody else has it. */
int instance_lock(const struct instance *instance, int64_t timeout_ns, struct error *err);
void instance_unlock(const struct instance *instance);
const struct isolation_ops *instance_isolation(const struct instance *instance, struct error *err);
/* "my_name", or the short ID of a nameless one; for sentences. */
const char *instance_label(const struct instance *instance);

/* --- start.c --- */

/*
 * The lock first, the look second: between the two nobody else can start it. -EALREADY: it runs
 * and has a monitor. One that is just ending is waited for.
 */
int instance_lock_idle(struct instance *instance, struct error *err);
/* Load config.json of a locked instance, and take away what a crash left on the host. */
int instance_prepare_start(struct instance *instance, struct error *err);

/* --- etc.c --- */

/* Write hostname, hosts and resolv.conf and bind-mount them, unless the user mounts their own. */
int instance_etc_create(int dir_fd, const char *final_path, const struct instance_spec *spec,
	struct container_config *config, struct error *err);

/* --- remove.c --- */

/*
 * Make a locked, dead instance invisible: name link dropped, directory renamed to .gone-ID. After
 * it, instance_discard_tree() deletes it.
 */
int instance_discard(struct instance *instance, struct error *err);
int instance_discard_tree(
	const struct instance_roots *roots, int dir_fd, const char *id, struct error *err);
void instance_remove_volumes(const struct instance *instance);
/* Delete a directory that nobody has locked: a .new- or .gone- one, or one that was never filled.
 * False where it is none of these. */
bool instance_sweep(const struct instance_roots *roots, const char *entry);
/* Bring a crashed instance (status corrected to exited, nobody alive) to rest: cgroup removed,
 * state on disk corrected, or removed when it was --rm. Returns 1 when it is gone. */
int instance_settle(struct instance *instance, struct error *err);

/* --- events.c --- */

/* One or several events in one write. */
struct instance_event_item {
	const char *action;
	const char *key, *value; /* one more attribute, or NULL */
};
void instance_events_append(
	const struct instance *instance, const struct instance_event_item *items, size_t count);

/* --- control.c --- */

/* Its documents were written: its monitor, if it has one, reads them. */
int instance_tell_reload(struct instance *instance, struct error *err);
/* Connect to the monitor: a descriptor, -ENOENT / -ECONNREFUSED when there is none. */
int instance_connect(const struct instance *instance);
/* RUN_ROOT/ID.sock through a descriptor of RUN_ROOT, however long that path is. */
int instance_socket_address(const struct instance_roots *roots, const char *id, int *ret_dir_fd,
	void *ret_sockaddr_un, struct error *err);
/* Stop it without the help of a monitor and write down how it ended. */
int instance_stop_directly(
	struct instance *instance, int signo, int64_t timeout_s, struct error *err);
