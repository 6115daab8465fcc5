/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor.c - the life of a monitor.
 *
 * A monitor is forked by `start` or `run`, leads a session of its own, and owns the command's
 * stdio, log, exit status, restart policy, health check and control socket until it is over. It
 * writes state.json before anybody is told what it says.
 *
 *   STARTING -> RUNNING      the command runs
 *   STARTING -> BACKOFF      it could not be started again, and the policy goes on trying
 *   STARTING -> ENDED        it could not be started
 *   RUNNING  -> DRAINING     it ended; its last output is being taken by the clients
 *   DRAINING -> BACKOFF      the policy wants it again
 *   DRAINING -> ENDED
 *   BACKOFF  -> STARTING     the delay is over
 *   BACKOFF  -> ENDED        somebody asked for the end meanwhile
 *
 * All signals stay blocked: SIGTERM arrives through a signalfd and means "stop the instance", the
 * terminal's and SIGPIPE mean nothing to us. A write to a broken pipe fails with EPIPE all the
 * same.
 */
#include "instance/monitor.h"

#include <assert.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/process.h"
#include "instance/client.h"
#include "instance/join.h"

#define EXIT_CODE_NOT_EXECUTABLE 126
#define EXIT_CODE_NOT_FOUND	 127

extern char **environ;

static const uint8_t legal[MONITOR_PHASE_COUNT] = {
	[MONITOR_STARTING] = 1 << MONITOR_RUNNING | 1 << MONITOR_BACKOFF | 1 << MONITOR_ENDED,
	[MONITOR_RUNNING] = 1 << MONITOR_DRAINING,
	[MONITOR_DRAINING] = 1 << MONITOR_BACKOFF | 1 << MONITOR_ENDED,
	[MONITOR_BACKOFF] = 1 << MONITOR_STARTING | 1 << MONITOR_ENDED,
};

static void enter(struct monitor *monitor, enum monitor_phase phase)
{
	assert(legal[monitor->phase] & 1 << phase);
	monitor->phase = phase;
}

bool monitor_should_restart(const struct instance_spec *spec, const struct instance_state *state,
	int exit_code, bool stopping)
{
	if (stopping)
		return false;
	switch (spec->restart) {
	case INSTANCE_RESTART_NO:
		return false;
	case INSTANCE_RESTART_ON_FAILURE:
		return exit_code != 0 &&
			(spec->restart_max == 0 || state->restart_count < spec->restart_max);
	case INSTANCE_RESTART_UNLESS_STOPPED:
	case INSTANCE_RESTART_ALWAYS:
		return true;
	}
	return false;
}

int64_t monitor_next_backoff(int64_t last_ns, int64_t ran_ns)
{
	if (last_ns == 0 || ran_ns >= MONITOR_BACKOFF_RESET_NS)
		return MONITOR_BACKOFF_MIN_NS;
	return last_ns >= MONITOR_BACKOFF_MAX_NS / 2 ? MONITOR_BACKOFF_MAX_NS : 2 * last_ns;
}

void monitor_save_state(struct monitor *monitor, bool durable)
{
	struct error why = { 0 };

	/* A full disk must not end a run: readers then see the older state and our pid alive. */
	if (instance_state_save(
		    monitor->instance->dir_fd, &monitor->instance->state, durable, &why) < 0)
		log_debug("%s", why.message);
}

void monitor_protect(struct monitor *monitor, bool protect)
{
	if (protect == monitor->protected)
		return;
	if (io_write_kernel_file(AT_FDCWD, "/proc/self/oom_score_adj", protect ? "-999" : "0") == 0)
		monitor->protected = protect;
}

static void event(struct monitor *monitor, const char *action, const char *key, const char *value)
{
	struct instance_event_item item = { action, key, value };

	instance_events_append(monitor->instance, &item, 1);
}

/* --- the scope of systemd ------------------------------------------------------------------ */

/*
 * Where systemd runs, a login's processes may be killed with it: the monitor asks for a scope of
 * its own. The helper talks to D-Bus; nobody waits for it before they have to.
 */
static void scope_start(struct monitor *monitor)
{
	char helper[512], pid[16], name[48], start[] = "start", user[] = "--user";
	char *argv[6] = { helper, start };
	size_t argc = 2;
	posix_spawnattr_t attributes;
	sigset_t none;

	if (access("/run/systemd/system", F_OK) < 0 ||
		process_helper_path("strata-scope", helper, sizeof(helper), NULL) < 0)
		return;
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	snprintf(name, sizeof(name), "strata-%.12s.scope", monitor->instance->id);
	if (monitor->instance->roots.rootless)
		argv[argc++] = user;
	argv[argc++] = name;
	argv[argc++] = pid;
	sigemptyset(&none);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	if (posix_spawn(&monitor->scope_helper, helper, NULL, &attributes, argv, environ) != 0)
		monitor->scope_helper = 0;
	posix_spawnattr_destroy(&attributes);
}

static void scope_wait(struct monitor *monitor)
{
	int status;

	if (monitor->scope_helper <= 0)
		return;
	while (waitpid(monitor->scope_helper, &status, 0) < 0 && errno == EINTR)
		;
	monitor->scope_helper = 0;
}

/* --- the loop -------------------------------------------------------------------------------- */

static void signal_arrived(struct loop_source *source, uint32_t events)
{
	struct monitor *monitor = container_of(source, struct monitor, signals);
	struct signalfd_siginfo info;

	if (read(source->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		monitor_stop(monitor, 0, -1, false);
}

static int set_up(struct monitor *monitor, struct error *err)
{
	sigset_t term;
	int r = loop_open(&monitor->loop, err);

	if (r < 0)
		return r;
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	monitor->signals = (struct loop_source){
		.ready = signal_arrived,
		.fd = signalfd(-1, &term, SFD_CLOEXEC | SFD_NONBLOCK),
	};
	if (monitor->signals.fd >= 0)
		loop_add(&monitor->loop, &monitor->signals, EPOLLIN);
	return monitor_listen(monitor, err);
}

/* --- starting ------------------------------------------------------------------------------ */

static void reap(pid_t pid, int *ret_exit_code)
{
	int status = 0;
	pid_t r;

	do {
		r = waitpid(pid, &status, 0);
	} while (r < 0 && errno == EINTR);
	*ret_exit_code = r == pid ? process_exit_code(status) : INSTANCE_EXIT_UNKNOWN;
}

/* The command could not be executed: its process, its pipes and its cgroup go. */
static int abandon_start(struct monitor *monitor, int r)
{
	bool command_failed = monitor->process.handle.command_failed;
	int ignored;

	reap(monitor->process.handle.pid, &ignored);
	monitor_close_stdio(monitor);
	container_handle_close(&monitor->process.handle);
	if (monitor->ops->cleanup)
		monitor->ops->cleanup(&monitor->instance->config, NULL);
	if (!command_failed)
		return INSTANCE_EXIT_STRATA;
	return r == -ENOENT ? EXIT_CODE_NOT_FOUND : EXIT_CODE_NOT_EXECUTABLE;
}

static void fill_running_state(struct monitor *monitor, pid_t pid)
{
	struct instance_state *state = &monitor->instance->state;

	if (!state->monitor_ticks) {
		process_start_time(state->monitor_pid, &state->monitor_ticks);
		process_boot_id(state->boot_id);
	}
	state->status = INSTANCE_RUNNING;
	state->pid = pid;
	state->start_ticks = 0;
	process_start_time(pid, &state->start_ticks);
	state->exit_code = 0;
	state->oom_killed = false;
	free(steal_ptr(&state->error));
	state->started_ns = clock_realtime_ns();
	state->health = INSTANCE_HEALTH_NONE;
	state->health_failing_streak = 0;
}

/*
 * What has to be before the first instruction, done while the child makes its namespaces and
 * mounts: the state is on disk, so that whoever finds us killed knows what to look for, and the
 * control socket answers.
 */
static int complete(struct instance *instance, struct error *err)
{
	int r = instance_complete(instance, err);

	if (instance->image_lock_fd > 0)
		close(instance->image_lock_fd);
	instance->image_lock_fd = 0;
	return r;
}

/*
 * Its interfaces, in a network namespace that nobody is in yet: it is handed over when they are
 * there. A container in a user namespace makes one of its own, which is entered when it is ready.
 */
static int network_get_ready(struct monitor *monitor, struct error *err)
{
	struct instance *instance = monitor->instance;
	_cleanup_close_ int fd = -1;
	int r;

	if (!instance->spec.networks || monitor->ops->has_kernel)
		return 0;
	r = instance_networks_join(instance, &monitor->networks, err);
	if (r < 0 || monitor->network.sender_fd <= 0)
		return r;
	r = container_network_take(instance->network_fd, &fd, err);
	if (r == 0)
		r = instance_networks_attach(&monitor->networks, fd, err);
	return r == 0 ? container_network_send(monitor->network.sender_fd, fd, err) : r;
}

/* The same where the container has made its own. */
static int network_enter(struct monitor *monitor, struct error *err)
{
	if (!monitor->instance->spec.networks || monitor->ops->has_kernel ||
		monitor->network.sender_fd > 0)
		return 0;
	return instance_networks_attach(
		&monitor->networks, monitor->process.handle.network_fd, err);
}

static int get_ready(void *context, pid_t pid, struct error *err)
{
	struct monitor *monitor = context;
	int r = complete(monitor->instance, err);

	if (r < 0)
		return r;
	monitor->ready_for = pid;
	fill_running_state(monitor, pid);
	monitor_save_state(monitor, false);
	if (monitor->loop.epoll_fd < 0)
		r = set_up(monitor, err);
	return r == 0 ? network_get_ready(monitor, err) : r;
}

/* Before there is anything to join them with: a machine opens its taps when it begins. */
static int network_prepare(
	struct monitor *monitor, struct container_spawn_options *options, struct error *err)
{
	struct instance *instance = monitor->instance;
	const struct container_config *config = &instance->config;
	int r;

	if (!instance->spec.networks)
		return 0;
	if (monitor->ops->has_kernel) {
		r = instance_networks_join(instance, &monitor->networks, err);
		if (r == 0)
			r = instance_networks_attach_machine(&monitor->networks, err);
		if (r == 0)
			r = instance_networks_tell_machine(
				&monitor->networks, config->machine, err);
		return r;
	}
	if (config->namespaces[CONTAINER_NS_USER].wanted) {
		options->release_at_once = false;
		options->wants_network = true;
		return 0;
	}
	r = container_network_open(&monitor->network);
	if (r < 0)
		return error_errno(err, r, "cannot prepare its network");
	options->network_fd = monitor->network.receiver_fd;
	return 0;
}

static int try_to_start(struct monitor *monitor, struct error *err)
{
	struct instance *instance = monitor->instance;
	struct container_spawn_options options = { .stdio = { -1, -1, -1 },
		.network_fd = instance->network_fd,
		.meanwhile = get_ready,
		.meanwhile_context = monitor,
		.release_at_once = true };
	int r;

	monitor_protect(monitor, false);
	translations_open(instance, &monitor->translations);
	translations_offer(&monitor->translations, &options);
	r = instance_refresh_joins(instance, err);
	if (r == 0)
		r = network_prepare(monitor, &options, err);
	if (r == 0 && !monitor->ops->has_kernel)
		r = instance_choose_cgroup(instance, err);
	if (r == 0)
		r = monitor_open_stdio(monitor, options.stdio, err);
	if (r < 0)
		return INSTANCE_EXIT_STRATA;
	r = monitor->ops->create(&instance->config, &options, &monitor->process, err);
	for (int i = 0; i < 3; i++)
		cleanup_close(&options.stdio[i]);
	if (instance->network_fd > 0)
		close(instance->network_fd);
	instance->network_fd = 0; /* a restart gets one of its own */
	if (r < 0) {
		monitor_close_stdio(monitor);
		return INSTANCE_EXIT_STRATA;
	}
	/* An isolation may have no such moment. */
	if ((monitor->ready_for != monitor->process.handle.pid &&
		    get_ready(monitor, monitor->process.handle.pid, err) < 0) ||
		network_enter(monitor, err) < 0) {
		monitor->ops->signal(
			instance->state.pid, instance->state.start_ticks, SIGKILL, NULL);
		return abandon_start(monitor, -EIO);
	}
	r = monitor->ops->start(&monitor->process, err);
	if (r < 0)
		return abandon_start(monitor, r);
	if (monitor->ops->has_kernel) {
		/* A machine has booted since. */
		instance->state.started_ns = clock_realtime_ns();
		monitor_save_state(monitor, false);
	}
	return 0;
}

/* Returns 0, or the exit code (125, 126, 127) that stands for the failure. */
static int start_command(struct monitor *monitor, struct error *err)
{
	int code = try_to_start(monitor, err);

	container_network_close(&monitor->network);
	if (code != 0 && monitor->instance->spec.networks)
		instance_networks_leave(monitor->instance, &monitor->networks);
	return code;
}

static void command_exited(struct loop_source *source, uint32_t events)
{
	struct monitor *monitor = container_of(source, struct monitor, exited);
	struct instance_state *state = &monitor->instance->state;

	loop_remove(&monitor->loop, source);
	reap(monitor->process.handle.pid, &state->exit_code);
	state->finished_ns = clock_realtime_ns();
	enter(monitor, MONITOR_DRAINING);
	monitor_health_stop(monitor);
	loop_timer_start(&monitor->loop, &monitor->stuck_timer, MONITOR_STUCK_CLIENT_NS);
	monitor_drain(monitor);
}

/* Clients that still have not taken the last output are not waited for any longer. */
static void stuck_expired(struct loop_timer *timer)
{
	struct monitor *monitor = container_of(timer, struct monitor, stuck_timer);

	for (size_t i = 0; i < MONITOR_CLIENTS_MAX; i++)
		if (monitor->clients[i].source.fd >= 0 && monitor->clients[i].behind)
			monitor_client_drop(&monitor->clients[i]);
	monitor_drain(monitor);
}

static void command_runs(struct monitor *monitor)
{
	enter(monitor, MONITOR_RUNNING);
	monitor->run_started_ns = clock_monotonic_ns();
	monitor->exited = (struct loop_source){
		.ready = command_exited,
		.fd = monitor->process.handle.pidfd,
	};
	loop_add(&monitor->loop, &monitor->exited, EPOLLIN);
	monitor_watch_stdio(monitor);
	monitor_protect(monitor, true);
	monitor_oom_watch(monitor);
	monitor_health_start(monitor);
}

/* --- the end of a run ---------------------------------------------------------------------- */

static void reply_to_stoppers(struct monitor *monitor)
{
	struct frame_result result = { 0 };

	for (size_t i = 0; i < MONITOR_CLIENTS_MAX; i++)
		if (monitor->clients[i].source.fd >= 0 && monitor->clients[i].wants_stop_result)
			monitor_client_send(
				&monitor->clients[i], FRAME_RESULT, &result, sizeof(result));
}

static void write_end_events(struct monitor *monitor, bool removed)
{
	struct instance_event_item items[3];
	char code[16];
	size_t count = 0;

	snprintf(code, sizeof(code), "%d", monitor->instance->state.exit_code);
	items[count++] = (struct instance_event_item){ "die", "exitCode", code };
	if (monitor->stopping)
		items[count++] = (struct instance_event_item){ "stop", NULL, NULL };
	if (removed)
		items[count++] = (struct instance_event_item){ "destroy", NULL, NULL };
	instance_events_append(monitor->instance, items, count);
}

/* Its cgroup, and the last hold on its mounts: taking an overlay down may take the kernel its time,
 * so nobody waits for it. */
static void release_host(struct monitor *monitor)
{
	if (monitor->instance->spec.networks)
		instance_networks_leave(monitor->instance, &monitor->networks);
	if (monitor->ops->cleanup)
		monitor->ops->cleanup(&monitor->instance->config, NULL);
	container_handle_close(&monitor->process.handle);
}

/* The next run begins a list of its own. */
static void keep_translations(struct monitor *monitor)
{
	monitor_protect(monitor, false); /* whoever makes them inherits that */
	translations_keep(monitor->instance, &monitor->translations);
	translations_close(&monitor->translations);
}

/*
 * The last thing a monitor does. With --rm the instance first becomes invisible, then everybody is
 * told, and what is left of it is deleted while they already go on.
 */
static void end(struct monitor *monitor)
{
	struct instance *instance = monitor->instance;
	bool remove = instance->spec.auto_remove;
	struct error why = { 0 };

	enter(monitor, MONITOR_ENDED);
	loop_stop(&monitor->loop);
	instance->state.status = INSTANCE_EXITED;
	instance->state.pid = 0;
	instance->state.monitor_pid = 0;
	if (remove && instance_discard(instance, &why) < 0)
		remove = false;
	if (!remove) {
		monitor_unlisten(monitor);
		monitor_save_state(monitor, false);
	}
	write_end_events(monitor, remove);
	monitor_clients_tell_exit(monitor, instance->state.exit_code, true);
	reply_to_stoppers(monitor);
	monitor_unlisten(monitor); /* of what is invisible nobody looks for the socket */
	release_host(monitor);
	keep_translations(monitor);
	scope_wait(monitor);
	if (!remove) {
		monitor_save_state(monitor, true);
		return;
	}
	instance_remove_volumes(instance);
	if (instance_discard_tree(&instance->roots, instance->dir_fd, instance->id, &why) < 0)
		log_debug("%s", why.message);
}

static void back_off(struct monitor *monitor, int64_t ran_ns)
{
	struct instance_state *state = &monitor->instance->state;

	enter(monitor, MONITOR_BACKOFF);
	state->status = INSTANCE_RESTARTING;
	state->pid = 0;
	state->restart_count++;
	monitor->backoff_ns = monitor_next_backoff(monitor->backoff_ns, ran_ns);
	monitor_save_state(monitor, false);
	loop_timer_start(&monitor->loop, &monitor->restart_timer, monitor->backoff_ns);
}

static void run_ended(struct monitor *monitor)
{
	struct instance *instance = monitor->instance;
	char code[16];

	loop_timer_cancel(&monitor->loop, &monitor->stuck_timer);
	loop_timer_cancel(&monitor->loop, &monitor->kill_timer);
	log_writer_flush(&monitor->log);
	monitor_oom_end(monitor);
	monitor_close_stdio(monitor);
	if (!monitor_should_restart(&instance->spec, &instance->state, instance->state.exit_code,
		    monitor->stopping)) {
		end(monitor);
		return;
	}
	snprintf(code, sizeof(code), "%d", instance->state.exit_code);
	event(monitor, "die", "exitCode", code);
	back_off(monitor, clock_monotonic_ns() - monitor->run_started_ns);
	monitor_clients_tell_exit(monitor, instance->state.exit_code, false);
	release_host(monitor);
	keep_translations(monitor);
}

void monitor_drain(struct monitor *monitor)
{
	if (monitor->phase == MONITOR_DRAINING && monitor_read_rest(monitor))
		run_ended(monitor);
}

static void restart_expired(struct loop_timer *timer)
{
	struct monitor *monitor = container_of(timer, struct monitor, restart_timer);
	struct instance *instance = monitor->instance;
	struct error why = { 0 };
	int code;

	enter(monitor, MONITOR_STARTING);
	code = start_command(monitor, &why);
	if (code == 0) {
		event(monitor, "start", NULL, NULL);
		command_runs(monitor);
		return;
	}
	free(instance->state.error);
	instance->state.error = strdup(why.message);
	instance->state.exit_code = code;
	instance->state.finished_ns = clock_realtime_ns();
	if (monitor_should_restart(&instance->spec, &instance->state, code, monitor->stopping))
		back_off(monitor, 0);
	else
		end(monitor);
}

/* --- what others ask for ------------------------------------------------------------------- */

int monitor_signal(struct monitor *monitor, int signo, struct error *err)
{
	struct instance *instance = monitor->instance;

	if (monitor->phase != MONITOR_RUNNING)
		return error_set(
			err, ESRCH, "instance %s is not running", instance_label(instance));
	if (!monitor->ops->signal)
		return error_set(
			err, ENOTSUP, "the isolation %s knows no signals", monitor->ops->name);
	return monitor->ops->signal(instance->state.pid, instance->state.start_ticks, signo, err);
}

static void kill_expired(struct loop_timer *timer)
{
	struct monitor *monitor = container_of(timer, struct monitor, kill_timer);

	event(monitor, "kill", "signal", "9");
	monitor_signal(monitor, SIGKILL, NULL);
}

void monitor_stop(struct monitor *monitor, int signo, int64_t timeout_s, bool by_user)
{
	struct instance *instance = monitor->instance;
	char number[16];

	monitor->stopping = true;
	if (by_user)
		instance->state.stopped_by_user = true;
	if (monitor->phase == MONITOR_BACKOFF) {
		loop_timer_cancel(&monitor->loop, &monitor->restart_timer);
		end(monitor);
		return;
	}
	if (monitor->phase != MONITOR_RUNNING)
		return;
	if (signo == 0)
		signo = instance->spec.stop_signal ? instance->spec.stop_signal : SIGTERM;
	if (timeout_s < 0)
		timeout_s = instance->spec.stop_timeout_s;
	if (timeout_s == 0)
		signo = SIGKILL;
	/* The signal first: it is there when the frozen processes go on. */
	snprintf(number, sizeof(number), "%d", signo);
	event(monitor, "kill", "signal", number);
	monitor_signal(monitor, signo, NULL);
	if (instance->state.status == INSTANCE_PAUSED)
		monitor_pause(monitor, false, NULL);
	/* A negative time of the instance's own means: wait for ever. */
	if (timeout_s > 0 && signo != SIGKILL && timeout_s < INT64_MAX / 1000000000)
		loop_timer_start(&monitor->loop, &monitor->kill_timer, timeout_s * 1000000000);
}

int monitor_pause(struct monitor *monitor, bool paused, struct error *err)
{
	struct instance *instance = monitor->instance;
	enum instance_status wanted = paused ? INSTANCE_PAUSED : INSTANCE_RUNNING;
	int r;

	if (monitor->phase != MONITOR_RUNNING)
		return error_set(
			err, ESRCH, "instance %s is not running", instance_label(instance));
	if (instance->state.status == wanted)
		return error_set(err, EALREADY, "instance %s is %s", instance_label(instance),
			paused ? "already paused" : "not paused");
	if (!monitor->ops->pause)
		return error_set(err, ENOTSUP, "the isolation %s cannot pause", monitor->ops->name);
	r = monitor->ops->pause(&instance->config, paused, err);
	if (r < 0)
		return r;
	instance->state.status = wanted;
	monitor_save_state(monitor, false);
	event(monitor, paused ? "pause" : "unpause", NULL, NULL);
	return 0;
}

/* instance.json or config.json were rewritten: take what they say now. */
int monitor_reload(struct monitor *monitor, struct error *err)
{
	struct instance *instance = monitor->instance;
	_cleanup_instance_ struct instance fresh = { .dir_fd = -1 };
	int r;

	r = instance_open(&instance->roots, instance->id, &fresh, err);
	if (r == 0)
		r = instance_load_config(&fresh, err);
	if (r < 0)
		return r;
	instance_spec_free(&instance->spec);
	instance->spec = fresh.spec;
	fresh.spec = (struct instance_spec){ 0 };
	container_config_free(&instance->config);
	instance->config = fresh.config;
	fresh.has_config = false;
	/* It may have got its first memory limit. */
	if (monitor->phase == MONITOR_RUNNING)
		monitor_oom_watch(monitor);
	return 0;
}

/* --- becoming a monitor -------------------------------------------------------------------- */

static int compare_fds(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Only the descriptors that are ours stay open: what the starter had open (locks of the image store
 * among it) must not live as long as we do. */
static void close_others(int *keep, size_t count)
{
	int next = 3;

	qsort(keep, count, sizeof(*keep), compare_fds);
	for (size_t i = 0; i < count; i++) {
		if (keep[i] > next)
			close_range((unsigned)next, (unsigned)keep[i] - 1, 0);
		if (keep[i] >= next)
			next = keep[i] + 1;
	}
	close_range((unsigned)next, ~0u, 0);
}

/* Where the log goes until the command runs; -1 = nowhere. A log line knows no monitor. */
static int warned_fd = -1;

static void warn_starter(enum log_level level, const char *text)
{
	size_t len = strnlen(text, FRAME_MESSAGE_MAX);

	if (warned_fd >= 0 && len > 0)
		frame_send(warned_fd, FRAME_WARNING, (uint8_t)level, text, len, MSG_DONTWAIT);
}

static void redirect_stdio(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; null >= 0 && i < 3; i++)
		dup2(null, i);
	if (null > 2)
		close(null);
}

static void identify(struct monitor *monitor)
{
	struct instance_state *state = &monitor->instance->state;

	state->monitor_pid = getpid();
	state->monitor_ticks = 0;
	state->restart_count = 0;
	state->stopped_by_user = false;
}

static void tell_starter(struct monitor *monitor, int exit_code, const struct error *why)
{
	if (exit_code == 0)
		frame_send_i32(monitor->starter, FRAME_STARTED, monitor->process.handle.pid, 0);
	else
		client_send_failed(monitor->starter, exit_code, why);
}

/* The first start failed: the instance stays as it was created, and says why. */
static void first_start_failed(struct monitor *monitor, int exit_code, const struct error *why)
{
	struct instance *instance = monitor->instance;
	struct error ignored = { 0 };
	bool removed = false;

	monitor_unlisten(monitor);
	instance->state.status = instance->state.finished_ns ? INSTANCE_EXITED : INSTANCE_CREATED;
	if (instance->state.status == INSTANCE_CREATED)
		instance->state.started_ns = 0;
	instance->state.pid = 0;
	instance->state.monitor_pid = 0;
	instance->state.exit_code = exit_code;
	free(instance->state.error);
	instance->state.error = strdup(why->message);
	if (instance->spec.auto_remove)
		removed = instance_discard(instance, &ignored) == 0;
	if (!removed)
		monitor_save_state(monitor, false);
	tell_starter(monitor, exit_code, why);
	if (!removed)
		return;
	/* Of what was never whole nobody has heard. */
	if (!instance->documents_due)
		instance_event(instance, "destroy", NULL);
	instance_remove_volumes(instance);
	instance_discard_tree(&instance->roots, instance->dir_fd, instance->id, &ignored);
}

static void init(struct monitor *monitor, struct instance *instance, int starter,
	const struct instance_attach_options *foreground)
{
	const struct instance_spec *spec = &instance->spec;

	monitor->instance = instance;
	monitor->starter = starter;
	monitor->foreground = foreground != NULL;
	monitor->stdin_once = foreground && foreground->stdin_open;
	monitor->loop.epoll_fd = -1;
	monitor->listener.fd = monitor->signals.fd = monitor->exited.fd = -1;
	monitor->restart_timer.expired = restart_expired;
	monitor->kill_timer.expired = kill_expired;
	monitor->stuck_timer.expired = stuck_expired;
	monitor->input.source.fd = -1;
	monitor->input.taker = -1;
	for (int i = 0; i < 2; i++)
		monitor->streams[i] = (struct monitor_stream){
			.source = { .fd = -1 }, .monitor = monitor, .number = i + 1
		};
	for (size_t i = 0; i < MONITOR_CLIENTS_MAX; i++)
		monitor->clients[i].source.fd = -1;
	log_writer_open(&monitor->log, instance->dir_fd, streq_ptr(spec->log_driver, "json-file"),
		spec->log_max_size, spec->log_max_files);
}

static void begin(struct monitor *monitor, const struct instance_attach_options *foreground)
{
	struct instance_event_item items[2] = { { foreground ? "attach" : "start", NULL, NULL },
		{ "start", NULL, NULL } };
	struct error why = { 0 };
	uint8_t streams = 0;
	int code = INSTANCE_EXIT_STRATA;

	monitor->ops = instance_isolation(monitor->instance, &why);
	if (monitor->ops && instance_load_config(monitor->instance, &why) == 0) {
		identify(monitor);
		scope_start(monitor);
		if (monitor->instance->roots.rootless)
			scope_wait(monitor); /* its cgroups are made below the scope */
		code = start_command(monitor, &why);
	}
	if (code != 0) {
		first_start_failed(monitor, code, &why);
		return;
	}
	/* From here on the command runs beside us. */
	warned_fd = -1;
	command_runs(monitor);
	if (foreground)
		streams = (uint8_t)(foreground->stdin_open << 0 | foreground->stdout_open << 1 |
			foreground->stderr_open << 2);
	else
		scope_wait(monitor);
	tell_starter(monitor, 0, NULL);
	if (foreground)
		monitor_client_add(monitor, monitor->starter, streams);
	else
		close(monitor->starter);
	monitor->starter = -1;
	instance_events_append(monitor->instance, items, foreground ? 2 : 1);
	loop_run(&monitor->loop);
}

void monitor_run(
	struct instance *instance, int starter, const struct instance_attach_options *foreground)
{
	struct monitor *monitor;
	struct error why = { 0 };
	int keep[] = { instance->dir_fd, starter, instance->network_fd, instance->image_lock_fd };

	setsid();
	close_others(keep, ARRAY_SIZE(keep));
	redirect_stdio();
	warned_fd = starter;
	log_set_sink(warn_starter);
	monitor = mmap(
		NULL, sizeof(*monitor), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (monitor == MAP_FAILED) {
		error_oom(&why);
		client_send_failed(starter, INSTANCE_EXIT_STRATA, &why);
		_exit(INSTANCE_EXIT_STRATA);
	}
	init(monitor, instance, starter, foreground);
	begin(monitor, foreground);
	_exit(0);
}
