/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state.c - state.json: what happened last. Written by whoever holds the directory's lock, read by
 * anybody; replaced as a whole. That there is none yet means "created, never started".
 */
#include "instance/internal.h"

#include <assert.h>
#include <sys/stat.h>

#include "base/io.h"

#define STATE_BLOCK 4096 /* no file system we know allocates less */

static const char *const health_names[] = {
	[INSTANCE_HEALTH_NONE] = "none",
	[INSTANCE_HEALTH_STARTING] = "starting",
	[INSTANCE_HEALTH_HEALTHY] = "healthy",
	[INSTANCE_HEALTH_UNHEALTHY] = "unhealthy",
};
static_assert(ARRAY_SIZE(health_names) == INSTANCE_HEALTH_UNHEALTHY + 1, "every health has a name");

const char *instance_health_name(enum instance_health health)
{
	return health_names[health];
}

void instance_state_free(struct instance_state *state)
{
	free(state->error);
	free(state->cgroup);
	*state = (struct instance_state){ 0 };
}

char *instance_state_write(const struct instance_state *state)
{
	struct json_writer w = { 0 };

	json_begin_object(&w, NULL);
	json_write_string(&w, "status", instance_status_name(state->status));
	json_write_int(&w, "pid", state->pid);
	json_write_uint(&w, "start_ticks", state->start_ticks);
	json_write_int(&w, "monitor_pid", state->monitor_pid);
	json_write_uint(&w, "monitor_ticks", state->monitor_ticks);
	json_write_string(&w, "boot_id", state->boot_id);
	json_write_int(&w, "exit_code", state->exit_code);
	json_write_bool(&w, "oom_killed", state->oom_killed);
	json_write_string(&w, "error", state->error);
	json_write_string(&w, "cgroup", state->cgroup);
	json_write_int(&w, "started_ns", state->started_ns);
	json_write_int(&w, "finished_ns", state->finished_ns);
	json_write_int(&w, "restart_count", state->restart_count);
	json_write_bool(&w, "stopped_by_user", state->stopped_by_user);
	json_write_string(&w, "health", health_names[state->health]);
	json_write_int(&w, "health_failing_streak", state->health_failing_streak);
	json_end_object(&w);
	return json_writer_finish(&w);
}

static int find_name(const json_t *document, const char *field, int count,
	const char *(*name_of)(int), int *ret, struct error *err)
{
	const char *text = NULL;
	int r = json_get_string(document, field, &text, INSTANCE_STATE_FILE, err);

	if (r < 0)
		return r;
	for (int i = 0; text && i < count; i++)
		if (streq(name_of(i), text)) {
			*ret = i;
			return 0;
		}
	return error_set(err, EINVAL, INSTANCE_STATE_FILE ": %s is missing or unknown", field);
}

static const char *status_name(int i)
{
	return instance_status_name((enum instance_status)i);
}

static const char *health_name(int i)
{
	return health_names[i];
}

static int get_in_range(const json_t *document, const char *field, int64_t min, int64_t max,
	int64_t *ret, struct error *err)
{
	int r = json_get_int(document, field, ret, INSTANCE_STATE_FILE, err);

	if (r == 0 && (*ret < min || *ret > max))
		return error_set(err, EINVAL, INSTANCE_STATE_FILE ": %s is out of range", field);
	return r;
}

static int parse_numbers(const json_t *document, struct instance_state *state, struct error *err)
{
	int64_t pid = 0, monitor = 0, code = 0, ticks = 0, monitor_ticks = 0;
	int r;

	r = get_in_range(document, "pid", 0, INT32_MAX, &pid, err);
	if (r == 0)
		r = get_in_range(document, "monitor_pid", 0, INT32_MAX, &monitor, err);
	if (r == 0)
		r = get_in_range(document, "exit_code", 0, 255, &code, err);
	if (r == 0)
		r = get_in_range(document, "start_ticks", 0, INT64_MAX, &ticks, err);
	if (r == 0)
		r = get_in_range(document, "monitor_ticks", 0, INT64_MAX, &monitor_ticks, err);
	if (r == 0)
		r = get_in_range(document, "started_ns", 0, INT64_MAX, &state->started_ns, err);
	if (r == 0)
		r = get_in_range(document, "finished_ns", 0, INT64_MAX, &state->finished_ns, err);
	if (r == 0)
		r = get_in_range(
			document, "restart_count", 0, INT64_MAX, &state->restart_count, err);
	if (r == 0)
		r = get_in_range(document, "health_failing_streak", 0, INT64_MAX,
			&state->health_failing_streak, err);
	state->pid = (pid_t)pid;
	state->monitor_pid = (pid_t)monitor;
	state->exit_code = (int)code;
	state->start_ticks = (uint64_t)ticks;
	state->monitor_ticks = (uint64_t)monitor_ticks;
	return r;
}

int instance_state_parse(const json_t *document, struct instance_state *ret, struct error *err)
{
	_cleanup_(instance_state_free) struct instance_state state = { 0 };
	const char *boot_id = "", *error = NULL, *cgroup = NULL;
	int status = 0, health = 0, r;

	r = find_name(document, "status", INSTANCE_STATUS_COUNT, status_name, &status, err);
	if (r == 0)
		r = find_name(document, "health", (int)ARRAY_SIZE(health_names), health_name,
			&health, err);
	if (r == 0)
		r = parse_numbers(document, &state, err);
	if (r == 0)
		r = json_get_string(document, "boot_id", &boot_id, INSTANCE_STATE_FILE, err);
	if (r == 0)
		r = json_get_string(document, "error", &error, INSTANCE_STATE_FILE, err);
	if (r == 0)
		r = json_get_string(document, "cgroup", &cgroup, INSTANCE_STATE_FILE, err);
	if (r == 0)
		r = json_get_bool(
			document, "oom_killed", &state.oom_killed, INSTANCE_STATE_FILE, err);
	if (r == 0)
		r = json_get_bool(document, "stopped_by_user", &state.stopped_by_user,
			INSTANCE_STATE_FILE, err);
	if (r < 0)
		return r;
	if (strlen(boot_id) >= sizeof(state.boot_id))
		return error_set(err, EINVAL, INSTANCE_STATE_FILE ": boot_id is too long");
	memcpy(state.boot_id, boot_id, strlen(boot_id) + 1);
	state.status = (enum instance_status)status;
	state.health = (enum instance_health)health;
	if (error) {
		state.error = strdup(error);
		if (!state.error)
			return error_oom(err);
	}
	if (cgroup) {
		state.cgroup = strdup(cgroup);
		if (!state.cgroup)
			return error_oom(err);
	}
	*ret = state;
	state.error = NULL;
	state.cgroup = NULL;
	return 0;
}

int instance_state_load(int dir_fd, struct instance_state *ret, struct error *err)
{
	_cleanup_json_ json_t *document = NULL;
	struct error why = { 0 };
	int r;

	r = json_read_file(dir_fd, INSTANCE_STATE_FILE, INSTANCE_STATE_MAX, &document, &why);
	if (r == -ENOENT) {
		*ret = (struct instance_state){ .status = INSTANCE_CREATED };
		return 0;
	}
	if (r < 0)
		return error_set(err, r, "%s", why.message);
	return instance_state_parse(document, ret, err);
}

/*
 * A full disk has no room for another file, but the old state's own block is there: one write into
 * it, padded with spaces so that no truncation is needed. Only as much as fits one block, which a
 * crash of ours cannot halve; better than a state that is not true.
 */
static int overwrite_state(int dir_fd, const char *text)
{
	_cleanup_close_ int fd = openat(dir_fd, INSTANCE_STATE_FILE, O_WRONLY | O_CLOEXEC);
	char block[STATE_BLOCK];
	struct stat st;
	size_t len = strlen(text);

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (len > sizeof(block) || (size_t)st.st_size > sizeof(block))
		return -ENOSPC;
	memset(block, ' ', sizeof(block));
	memcpy(block, text, len);
	if (len < (size_t)st.st_size)
		len = (size_t)st.st_size;
	return pwrite(fd, block, len, 0) == (ssize_t)len ? 0 : -ENOSPC;
}

int instance_state_save(
	int dir_fd, const struct instance_state *state, bool durable, struct error *err)
{
	_cleanup_free_ char *text = instance_state_write(state);
	int r;

	if (!text)
		return error_oom(err);
	r = io_replace_file(dir_fd, INSTANCE_STATE_FILE, 0600, text, strlen(text),
		durable ? IO_DURABLE : IO_VOLATILE, err);
	if ((r == -ENOSPC || r == -EDQUOT) && overwrite_state(dir_fd, text) == 0) {
		error_clear(err);
		return 0;
	}
	return r;
}
