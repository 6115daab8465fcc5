/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.c - commands to a live instance: through its monitor, and, when that was killed, without
 * it. The state on disk is written by the monitor while there is one.
 */
#include "instance/internal.h"
#include "instance/network.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/process.h"
#include "instance/protocol.h"

#define CONNECT_TIMEOUT_NS INT64_C(5000000000) /* a monitor that is just starting or ending */
#define CONNECT_POLL_NS	   2000000L
#define KILL_TIMEOUT_MS	   10000 /* for the kernel to end what got SIGKILL */
#define WATCH_POLL_MS	   2000

static int not_running(const struct instance *instance, struct error *err)
{
	return error_set(err, ESRCH, "instance %s is %s, not running", instance_label(instance),
		instance_status_name(instance->state.status));
}

/*
 * A connection to the monitor of a live instance; -ENOTCONN when it lives without one. Refreshes
 * the state: afterwards the instance may turn out not to be live (-ESRCH, silent).
 */
static int connect_monitor(struct instance *instance, struct error *err)
{
	int64_t deadline = clock_monotonic_ns() + CONNECT_TIMEOUT_NS;
	struct timespec nap = { .tv_nsec = CONNECT_POLL_NS };

	for (;;) {
		int r = instance_refresh(instance, err), fd;

		if (r < 0)
			return r;
		if (!instance_is_live(instance))
			return -ESRCH;
		if (!instance_has_monitor(instance))
			return -ENOTCONN;
		fd = instance_connect(instance);
		if (fd >= 0)
			return fd;
		if (clock_monotonic_ns() > deadline)
			return error_errno(err, fd, "cannot connect to the monitor of %s",
				instance_label(instance));
		nanosleep(&nap, NULL);
	}
}

/* Receive until a frame of that type; -EPIPE when the monitor is gone before it. */
static int await_frame(
	int fd, enum frame_type type, void *buffer, struct frame *ret, struct error *err)
{
	for (;;) {
		int r = frame_receive(fd, buffer, ret, 0);

		if (r == 0)
			return -EPIPE;
		if (r < 0)
			return error_errno(err, r, "cannot hear from the monitor");
		if (ret->type == type)
			return 0;
	}
}

/* Send a request and wait for its RESULT. -EPIPE (silent) when the monitor goes meanwhile. */
static int request(int fd, enum frame_type type, uint8_t stream, const void *payload, size_t len,
	struct error *err)
{
	_cleanup_free_ void *buffer = malloc(FRAME_MAX);
	const struct frame_result *result;
	struct frame frame;
	int r;

	if (!buffer)
		return error_oom(err);
	r = frame_send(fd, type, stream, payload, len, 0);
	if (r == 0)
		r = await_frame(fd, FRAME_RESULT, buffer, &frame, err);
	if (r == -EPIPE || r == -ECONNRESET)
		return -EPIPE;
	if (r < 0)
		return r;
	result = frame.payload;
	return result->code ? error_set(err, result->code, "%s", result->message) : 0;
}

/* --- stop and kill ------------------------------------------------------------------------- */

static bool wait_pidfd(int pidfd, int64_t timeout_ms)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int64_t deadline = clock_monotonic_ns() + timeout_ms * 1000000;

	for (;;) {
		int64_t left = (deadline - clock_monotonic_ns() + 999999) / 1000000;
		int r = poll(&p, 1, timeout_ms < 0 ? -1 : left < 0 ? 0 : (int)left);

		if (r > 0)
			return true;
		if (r == 0 || errno != EINTR)
			return false;
	}
}

static int end_process(struct instance *instance, const struct isolation_ops *ops, int signo,
	int64_t timeout_s, bool *ret_killed, struct error *err)
{
	const struct instance_state *state = &instance->state;
	_cleanup_close_ int pidfd = process_open(state->pid, state->start_ticks);
	int r;

	*ret_killed = false;
	if (pidfd < 0)
		return pidfd == -ESRCH ? 0 : error_errno(err, pidfd, "cannot watch %d", state->pid);
	if (signo != SIGKILL) {
		r = ops->signal(state->pid, state->start_ticks, signo, err);
		if (r < 0 && r != -ESRCH)
			return r;
		if (state->status == INSTANCE_PAUSED && ops->pause)
			ops->pause(&instance->config, false, NULL);
		if (wait_pidfd(pidfd,
			    timeout_s < 0 || timeout_s > INT_MAX / 1000 ? -1 : timeout_s * 1000))
			return 0;
	}
	*ret_killed = true;
	r = ops->signal(state->pid, state->start_ticks, SIGKILL, err);
	if (r < 0 && r != -ESRCH)
		return r;
	if (state->status == INSTANCE_PAUSED && ops->pause)
		ops->pause(&instance->config, false, NULL);
	if (!wait_pidfd(pidfd, KILL_TIMEOUT_MS))
		return error_set(err, ETIMEDOUT,
			"process %d of instance %s does not end after SIGKILL", state->pid,
			instance_label(instance));
	return 0;
}

int instance_stop_directly(
	struct instance *instance, int signo, int64_t timeout_s, struct error *err)
{
	const struct isolation_ops *ops = instance_isolation(instance, err);
	struct instance_state *state = &instance->state;
	bool killed = false;
	char code[16];
	int r;

	if (!ops)
		return -err->code;
	if (!ops->signal)
		return error_set(err, ENOTSUP, "the isolation %s knows no signals", ops->name);
	r = instance_load_config(instance, err);
	if (r == 0)
		r = end_process(instance, ops, signo, timeout_s, &killed, err);
	if (r == 0 && ops->cleanup)
		r = ops->cleanup(&instance->config, err);
	if (r == 0)
		r = instance_lock(instance, INSTANCE_LOCK_TIMEOUT_NS, err);
	if (r < 0)
		return r;
	/* Nobody was its parent: how it ended by itself, nobody knows. */
	state->exit_code = killed ? 128 + SIGKILL : INSTANCE_EXIT_UNKNOWN;
	state->status = INSTANCE_EXITED;
	state->pid = 0;
	state->finished_ns = clock_realtime_ns();
	state->stopped_by_user = true;
	r = instance_state_save(instance->dir_fd, state, true, err);
	instance_unlock(instance);
	snprintf(code, sizeof(code), "%d", state->exit_code);
	instance_events_append(
		instance, &(struct instance_event_item){ "die", "exitCode", code }, 1);
	if (r == 0 && instance->spec.auto_remove)
		r = instance_remove(instance, false, true, err);
	return r;
}

static void resolve_stop(const struct instance *instance, int *signo, int64_t *timeout_s)
{
	if (*signo == 0)
		*signo = instance->spec.stop_signal ? instance->spec.stop_signal : SIGTERM;
	if (*timeout_s < 0)
		*timeout_s = instance->spec.stop_timeout_s;
	if (*timeout_s == 0)
		*signo = SIGKILL;
}

int instance_stop(struct instance *instance, int signo, int64_t timeout_s, struct error *err)
{
	struct frame_stop stop = { .signo = signo, .timeout_s = timeout_s };

	/* Twice: a monitor that is killed while it stops leaves the rest to us. */
	for (int attempt = 0;; attempt++) {
		_cleanup_close_ int fd = connect_monitor(instance, err);
		int r;

		if (fd == -ESRCH)
			return 0;
		if (fd == -ENOTCONN) {
			resolve_stop(instance, &signo, &timeout_s);
			return instance_stop_directly(instance, signo, timeout_s, err);
		}
		if (fd < 0)
			return fd;
		r = request(fd, FRAME_STOP, 0, &stop, sizeof(stop), err);
		if (r == 0) {
			/* It has ended, and so may its directory have (--rm). */
			instance_refresh(instance, NULL);
			return 0;
		}
		if (r != -EPIPE || attempt == 1)
			return r == -EPIPE ? error_set(err, EPIPE,
						     "the monitor of %s was lost while it stopped",
						     instance_label(instance))
					   : r;
	}
}

int instance_kill(struct instance *instance, int signo, struct error *err)
{
	_cleanup_close_ int fd = -1;
	const struct isolation_ops *ops;
	int32_t number = signo;
	int r;

	fd = connect_monitor(instance, err);
	if (fd == -ESRCH || (fd >= 0 && instance->state.status == INSTANCE_RESTARTING))
		return not_running(instance, err);
	if (signo == SIGKILL)
		/* As with Docker it is dead when this returns. */
		return instance_stop(instance, SIGKILL, 0, err);
	if (fd == -ENOTCONN) {
		ops = instance_isolation(instance, err);
		if (!ops)
			return -err->code;
		return ops->signal(instance->state.pid, instance->state.start_ticks, signo, err);
	}
	if (fd < 0)
		return fd;
	r = request(fd, FRAME_SIGNAL, 1, &number, sizeof(number), err);
	return r == -EPIPE ? not_running(instance, err) : r;
}

/* --- pause, resize, update, rename --------------------------------------------------------- */

static int pause_directly(struct instance *instance, bool paused, struct error *err)
{
	const struct isolation_ops *ops = instance_isolation(instance, err);
	int r;

	if (!ops)
		return -err->code;
	if (!ops->pause)
		return error_set(err, ENOTSUP, "the isolation %s cannot pause", ops->name);
	if ((instance->state.status == INSTANCE_PAUSED) == paused)
		return error_set(err, EALREADY, "instance %s is %s", instance_label(instance),
			paused ? "already paused" : "not paused");
	r = instance_load_config(instance, err);
	if (r == 0)
		r = ops->pause(&instance->config, paused, err);
	if (r < 0)
		return r;
	instance->state.status = paused ? INSTANCE_PAUSED : INSTANCE_RUNNING;
	instance_event(instance, paused ? "pause" : "unpause", NULL);
	return instance_state_save(instance->dir_fd, &instance->state, false, err);
}

int instance_pause(struct instance *instance, bool paused, struct error *err)
{
	_cleanup_close_ int fd = connect_monitor(instance, err);
	uint8_t value = paused;
	int r;

	if (fd == -ESRCH)
		return not_running(instance, err);
	if (fd == -ENOTCONN)
		return pause_directly(instance, paused, err);
	if (fd < 0)
		return fd;
	r = request(fd, FRAME_PAUSE, 0, &value, sizeof(value), err);
	return r == -EPIPE ? not_running(instance, err) : r;
}

int instance_resize(struct instance *instance, uint16_t rows, uint16_t columns, struct error *err)
{
	struct frame_resize size = { .rows = rows, .columns = columns };
	_cleanup_close_ int fd = connect_monitor(instance, err);
	int r;

	if (fd == -ESRCH || fd == -ENOTCONN)
		return not_running(instance, err);
	if (fd < 0)
		return fd;
	r = frame_send(fd, FRAME_RESIZE, 0, &size, sizeof(size), 0);
	return r < 0 ? error_errno(err, r, "cannot resize %s", instance_label(instance)) : 0;
}

/* Tell the monitor that its documents changed; without one there is nobody to tell. */
int instance_tell_reload(struct instance *instance, struct error *err)
{
	_cleanup_close_ int fd = connect_monitor(instance, err);
	int r;

	if (fd == -ESRCH || fd == -ENOTCONN)
		return 0;
	if (fd < 0)
		return fd;
	r = request(fd, FRAME_RELOAD, 0, NULL, 0, err);
	return r == -EPIPE ? 0 : r;
}

static int merge_text(char **target, const char *value, struct error *err)
{
	char *copy;

	if (!value)
		return 0;
	copy = strdup(value);
	if (!copy)
		return error_oom(err);
	free(*target);
	*target = copy;
	return 0;
}

static int merge_limits(
	struct cgroup_limits *target, const struct cgroup_limits *limits, struct error *err)
{
	const int64_t from[] = { limits->memory_bytes, limits->memory_swap_bytes,
		limits->memory_reservation_bytes, limits->cpu_shares, limits->cpu_quota_us,
		limits->cpu_period_us, limits->pids, limits->blkio_weight };
	int64_t *const to[] = { &target->memory_bytes, &target->memory_swap_bytes,
		&target->memory_reservation_bytes, &target->cpu_shares, &target->cpu_quota_us,
		&target->cpu_period_us, &target->pids, &target->blkio_weight };
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(to); i++)
		if (from[i] != CGROUP_UNSET)
			*to[i] = from[i];
	r = merge_text(&target->cpuset_cpus, limits->cpuset_cpus, err);
	return r < 0 ? r : merge_text(&target->cpuset_mems, limits->cpuset_mems, err);
}

static int save_config(struct instance *instance, struct error *err)
{
	_cleanup_free_ char *text = container_config_write(&instance->config);

	if (!text)
		return error_oom(err);
	return io_replace_file(instance->dir_fd, INSTANCE_CONFIG_FILE, 0600, text, strlen(text),
		instance->spec.auto_remove ? IO_VOLATILE : IO_DURABLE, err);
}

static int update_limits(
	struct instance *instance, const struct cgroup_limits *limits, struct error *err)
{
	const struct isolation_ops *ops = instance_isolation(instance, err);
	int r;

	if (!ops)
		return -err->code;
	r = instance_load_config(instance, err);
	if (r < 0)
		return r;
	if (instance_is_live(instance) && instance->state.status != INSTANCE_RESTARTING) {
		if (!ops->update)
			return error_set(
				err, ENOTSUP, "the isolation %s cannot change limits", ops->name);
		r = ops->update(&instance->config, limits, err);
		if (r < 0)
			return r;
	}
	r = merge_limits(&instance->config.limits, limits, err);
	return r < 0 ? r : save_config(instance, err);
}

int instance_update(struct instance *instance, const struct cgroup_limits *limits,
	const enum instance_restart *restart, int64_t restart_max, struct error *err)
{
	int r = instance_refresh(instance, err);

	if (r < 0)
		return r;
	if (restart && *restart != INSTANCE_RESTART_NO && instance->spec.auto_remove)
		return error_set(err, EINVAL,
			"instance %s is removed when it ends (--rm), so it cannot have a restart policy",
			instance_label(instance));
	if (limits)
		r = update_limits(instance, limits, err);
	if (r == 0 && restart) {
		instance->spec.restart = *restart;
		instance->spec.restart_max = restart_max;
		r = instance_spec_save(instance, err);
	}
	if (r < 0)
		return r;
	instance_event(instance, "update", NULL);
	return instance_tell_reload(instance, err);
}

int instance_rename(struct instance *instance, const char *name, struct error *err)
{
	_cleanup_free_ char *old = NULL, *copy = NULL;
	struct instance_event_item item = { "rename", "oldName", NULL };
	int r;

	if (!instance_name_is_valid(name))
		return error_set(err, EINVAL,
			"\"%s\" is no name for an instance: at least two of [a-zA-Z0-9_.-], the first a letter or digit",
			name);
	if (streq(instance->spec.name, name))
		return error_set(err, EEXIST, "the instance already is called \"%s\"", name);
	copy = strdup(name);
	if (!copy)
		return error_oom(err);
	r = instance_name_take(&instance->roots, name, instance->id, err);
	if (r < 0)
		return r;
	old = instance->spec.name;
	instance->spec.name = steal_ptr(&copy);
	r = instance_spec_save(instance, err);
	if (r < 0) {
		instance_name_drop(&instance->roots, name, instance->id);
		copy = instance->spec.name;
		instance->spec.name = steal_ptr(&old);
		return r;
	}
	instance_name_drop(&instance->roots, old, instance->id);
	instance_networks_rename(instance);
	item.value = old;
	instance_events_append(instance, &item, 1);
	return instance_tell_reload(instance, err);
}

/* --- wait ---------------------------------------------------------------------------------- */

static bool is_removed(const struct instance *instance)
{
	char path[PATH_MAX];

	return instance_path(&instance->roots, path, sizeof(path), "", instance->id, NULL) == 0 &&
		access(path, F_OK) < 0 && errno == ENOENT;
}

/* Until the present run of a live instance ends. 1: it did, and *ret_exit_code says how. 0: look
 * again. */
static int wait_for_exit(struct instance *instance, enum instance_wait_for condition,
	int *ret_exit_code, struct error *err)
{
	_cleanup_free_ void *buffer = malloc(FRAME_MAX);
	_cleanup_close_ int fd = -1;
	uint8_t what = condition == INSTANCE_WAIT_NEXT_EXIT ? INSTANCE_WAIT_NEXT_EXIT
							    : INSTANCE_WAIT_NOT_RUNNING;
	struct frame frame;
	int r;

	if (!buffer)
		return error_oom(err);
	fd = connect_monitor(instance, err);
	if (fd == -ESRCH)
		return 0;
	if (fd == -ENOTCONN) {
		_cleanup_close_ int pidfd = process_open(
			instance->state.pid, instance->state.start_ticks);

		if (pidfd >= 0)
			wait_pidfd(pidfd, -1);
		return 0;
	}
	if (fd < 0)
		return fd;
	r = frame_send(fd, FRAME_WAIT, 0, &what, sizeof(what), 0);
	if (r == 0)
		r = await_frame(fd, FRAME_EXIT, buffer, &frame, err);
	if (r == -EPIPE || r == -ECONNRESET)
		return 0;
	if (r < 0)
		return r;
	*ret_exit_code = frame_i32(&frame) & 255;
	return 1;
}

static void sleep_until_change(int watch_fd)
{
	struct pollfd p = { .fd = watch_fd, .events = POLLIN };
	char buffer[4096] __attribute__((aligned(8)));

	if (poll(&p, 1, WATCH_POLL_MS) > 0)
		(void)!read(watch_fd, buffer, sizeof(buffer));
}

static int wait_loop(struct instance *instance, enum instance_wait_for condition, int watch_fd,
	int *ret_exit_code, struct error *err)
{
	int64_t first_finished = instance->state.finished_ns;
	bool seen = false; /* an exit code that was told to us, not read */

	for (;;) {
		int r;

		if (is_removed(instance)) {
			if (!seen)
				*ret_exit_code = instance->state.exit_code;
			return 0;
		}
		r = instance_refresh(instance, err);
		if (r < 0)
			return is_removed(instance) ? 0 : r;
		if (instance_is_live(instance)) {
			r = wait_for_exit(instance, condition, ret_exit_code, err);
			if (r < 0)
				return r;
			seen = seen || r == 1;
			if (r == 1 && condition != INSTANCE_WAIT_REMOVED)
				return 0;
			if (r == 0)
				continue;
		} else if (condition == INSTANCE_WAIT_NOT_RUNNING ||
			(condition == INSTANCE_WAIT_NEXT_EXIT &&
				instance->state.finished_ns != first_finished)) {
			*ret_exit_code = instance->state.exit_code;
			return 0;
		}
		sleep_until_change(watch_fd);
	}
}

int instance_wait(struct instance *instance, enum instance_wait_for condition, int *ret_exit_code,
	struct error *err)
{
	_cleanup_close_ int watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char path[40];
	int r;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", instance->dir_fd);
	if (watch_fd < 0 ||
		inotify_add_watch(watch_fd, path,
			IN_MOVED_TO | IN_MOVE_SELF | IN_DELETE_SELF | IN_ATTRIB) < 0)
		return error_errno(
			err, errno, "cannot watch instance %s", instance_label(instance));
	r = instance_refresh(instance, err);
	if (r < 0)
		return r;
	*ret_exit_code = instance->state.exit_code;
	return wait_loop(instance, condition, watch_fd, ret_exit_code, err);
}
