/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health.c - the health check of a running instance, by Docker's rules: the check is a process
 * beside the command; exit code 0 is healthy; `retries` failures in a row are unhealthy, those
 * within the start period not counted until there was a success. The last results stand in
 * health.json.
 */
#include "instance/monitor.h"

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/process.h"

#define SECOND_NS	    INT64_C(1000000000)
#define DEFAULT_INTERVAL_NS (30 * SECOND_NS)
#define DEFAULT_TIMEOUT_NS  (30 * SECOND_NS)
#define DEFAULT_RETRIES	    3
#define HEALTH_START_FAILED 125

static bool is_configured(const struct image_healthcheck *check)
{
	return check->test && check->test[0] && !streq(check->test[0], "NONE") && check->test[1];
}

static int64_t or_default(int64_t value, int64_t fallback)
{
	return value > 0 ? value : fallback;
}

static struct monitor_health_result *current_result(struct monitor_health *health)
{
	return &health->results[health->nr_results % HEALTH_RESULTS_MAX];
}

static void write_results(struct monitor *monitor)
{
	struct monitor_health *health = &monitor->health;
	const struct instance_state *state = &monitor->instance->state;
	size_t first = health->nr_results > HEALTH_RESULTS_MAX
		? health->nr_results - HEALTH_RESULTS_MAX
		: 0;
	struct json_writer w = { 0 };
	_cleanup_free_ char *text = NULL;

	json_begin_object(&w, NULL);
	json_write_string(&w, "Status", instance_health_name(state->health));
	json_write_int(&w, "FailingStreak", state->health_failing_streak);
	json_begin_array(&w, "Log");
	for (size_t i = first; i < health->nr_results; i++) {
		struct monitor_health_result *result = &health->results[i % HEALTH_RESULTS_MAX];
		char stamp[CLOCK_TEXT_MAX];

		json_begin_object(&w, NULL);
		clock_format(stamp, result->start_ns);
		json_write_string(&w, "Start", stamp);
		clock_format(stamp, result->end_ns);
		json_write_string(&w, "End", stamp);
		json_write_int(&w, "ExitCode", result->exit_code);
		json_write_string(&w, "Output", result->output);
		json_end_object(&w);
	}
	json_end_array(&w);
	json_end_object(&w);
	text = json_writer_finish(&w);
	if (text)
		io_replace_file(monitor->instance->dir_fd, INSTANCE_HEALTH_FILE, 0640, text,
			strlen(text), IO_VOLATILE, NULL);
}

static void set_health(struct monitor *monitor, enum instance_health value)
{
	struct instance_state *state = &monitor->instance->state;
	struct instance_event_item item = { 0 };
	char action[40];

	if (state->health == value)
		return;
	state->health = value;
	snprintf(action, sizeof(action), "health_status: %s", instance_health_name(value));
	item.action = action;
	instance_events_append(monitor->instance, &item, 1);
}

static void judge(struct monitor *monitor, int exit_code)
{
	const struct image_healthcheck *check = &monitor->instance->spec.health;
	struct instance_state *state = &monitor->instance->state;
	bool starting = state->health == INSTANCE_HEALTH_STARTING &&
		clock_monotonic_ns() - monitor->health.started_ns < check->start_period_ns;

	if (exit_code == 0) {
		state->health_failing_streak = 0;
		set_health(monitor, INSTANCE_HEALTH_HEALTHY);
	} else if (!starting) {
		state->health_failing_streak++;
		if (state->health_failing_streak >= or_default(check->retries, DEFAULT_RETRIES))
			set_health(monitor, INSTANCE_HEALTH_UNHEALTHY);
	}
	monitor_save_state(monitor, false);
}

/* JSON carries text: what a check prints beyond ASCII is shown as '?'. */
static void collect_output(struct monitor_health *health)
{
	struct monitor_health_result *result = current_result(health);
	char bytes[1024];
	ssize_t n = read(health->output.fd, bytes, sizeof(bytes));

	for (ssize_t i = 0; i < n && result->len + 1 < HEALTH_OUTPUT_MAX; i++) {
		unsigned char c = (unsigned char)bytes[i];

		result->output[result->len++] = (c >= 0x20 && c < 0x7f) || c == '\n' || c == '\t'
			? bytes[i]
			: '?';
	}
	result->output[result->len] = '\0';
}

static void release(struct monitor *monitor)
{
	struct monitor_health *health = &monitor->health;

	loop_timer_cancel(&monitor->loop, &health->timeout);
	loop_remove(&monitor->loop, &health->exited);
	loop_remove(&monitor->loop, &health->output);
	cleanup_close(&health->output.fd);
	health->output.fd = -1;
	container_handle_close(&health->process.handle);
	health->running = false;
}

static void record(struct monitor *monitor, int exit_code)
{
	struct monitor_health *health = &monitor->health;
	struct monitor_health_result *result = current_result(health);

	result->end_ns = clock_realtime_ns();
	result->exit_code = exit_code;
	health->nr_results++;
	judge(monitor, exit_code);
	write_results(monitor);
	loop_timer_start(&monitor->loop, &health->next,
		or_default(monitor->instance->spec.health.interval_ns, DEFAULT_INTERVAL_NS));
}

static void check_exited(struct loop_source *source, uint32_t events)
{
	struct monitor_health *health = container_of(source, struct monitor_health, exited);
	struct monitor *monitor = container_of(health, struct monitor, health);
	struct pollfd p = { .fd = health->output.fd, .events = POLLIN };
	int status = 0;

	if (waitpid(health->process.handle.pid, &status, 0) < 0)
		status = HEALTH_START_FAILED << 8;
	for (int i = 0; i < 8 && health->output.fd >= 0 && poll(&p, 1, 0) > 0; i++)
		collect_output(health);
	if (health->timed_out) {
		struct monitor_health_result *result = current_result(health);

		result->len = (size_t)snprintf(result->output, HEALTH_OUTPUT_MAX,
			"Health check exceeded timeout (%lld ms)",
			(long long)(or_default(monitor->instance->spec.health.timeout_ns,
					    DEFAULT_TIMEOUT_NS) /
				1000000));
	}
	translations_keep(monitor->instance, &monitor->translations);
	release(monitor);
	record(monitor, health->timed_out ? -1 : process_exit_code(status));
}

static void output_ready(struct loop_source *source, uint32_t events)
{
	struct monitor_health *health = container_of(source, struct monitor_health, output);
	struct monitor *monitor = container_of(health, struct monitor, health);

	if (!(events & EPOLLIN)) {
		loop_remove(&monitor->loop, source);
		return;
	}
	collect_output(health);
}

static void check_timed_out(struct loop_timer *timer)
{
	struct monitor_health *health = container_of(timer, struct monitor_health, timeout);

	health->timed_out = true;
	syscall(SYS_pidfd_send_signal, health->process.handle.pidfd, SIGKILL, NULL, 0);
}

static int spawn_check(struct monitor *monitor, struct error *err)
{
	static char shell[] = "/bin/sh", shell_option[] = "-c";
	struct instance *instance = monitor->instance;
	struct monitor_health *health = &monitor->health;
	char *const *test = instance->spec.health.test;
	char *shell_args[] = { shell, shell_option, test[1], NULL };
	struct container_process process = instance->config.process;
	struct container_spawn_options options = { .stdio = { -1, -1, -1 } };
	int fds[2], r;

	process.args = streq(test[0], "CMD-SHELL") ? shell_args : (char **)test + 1;
	process.terminal = false;
	if (!monitor->ops->exec)
		return error_set(err, ENOTSUP, "the isolation %s cannot run a health check",
			monitor->ops->name);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot make a pipe");
	options.stdio[1] = options.stdio[2] = fds[1];
	translations_offer(&monitor->translations, &options);
	monitor_protect(monitor, false);
	r = monitor->ops->exec(
		&instance->config, instance->state.pid, &process, &options, &health->process, err);
	close(fds[1]);
	if (r == 0) {
		r = monitor->ops->start(&health->process, err);
		if (r < 0) {
			waitpid(health->process.handle.pid, NULL, 0);
			container_handle_close(&health->process.handle);
		}
	}
	monitor_protect(monitor, true);
	if (r < 0)
		close(fds[0]);
	else
		health->output.fd = fds[0];
	return r;
}

static void next_check(struct loop_timer *timer)
{
	struct monitor_health *health = container_of(timer, struct monitor_health, next);
	struct monitor *monitor = container_of(health, struct monitor, health);
	struct monitor_health_result *result = current_result(health);
	struct error why = { 0 };

	result->start_ns = clock_realtime_ns();
	result->len = 0;
	result->output[0] = '\0';
	health->timed_out = false;
	if (spawn_check(monitor, &why) < 0) {
		result->len = (size_t)snprintf(
			result->output, HEALTH_OUTPUT_MAX, "%s", why.message);
		record(monitor, HEALTH_START_FAILED);
		return;
	}
	health->running = true;
	health->exited.fd = health->process.handle.pidfd;
	loop_add(&monitor->loop, &health->exited, EPOLLIN);
	loop_add(&monitor->loop, &health->output, EPOLLIN);
	loop_timer_start(&monitor->loop, &health->timeout,
		or_default(monitor->instance->spec.health.timeout_ns, DEFAULT_TIMEOUT_NS));
}

void monitor_health_start(struct monitor *monitor)
{
	struct monitor_health *health = &monitor->health;
	const struct image_healthcheck *check = &monitor->instance->spec.health;

	if (!is_configured(check))
		return;
	if (!health->results)
		health->results = calloc(HEALTH_RESULTS_MAX, sizeof(*health->results));
	if (!health->results)
		return;
	health->next.expired = next_check;
	health->timeout.expired = check_timed_out;
	health->exited.ready = check_exited;
	health->output.ready = output_ready;
	health->output.fd = -1;
	health->started_ns = clock_monotonic_ns();
	monitor->instance->state.health = INSTANCE_HEALTH_STARTING;
	monitor_save_state(monitor, false);
	loop_timer_start(
		&monitor->loop, &health->next, or_default(check->interval_ns, DEFAULT_INTERVAL_NS));
}

/* The command ended, and with it every process beside it. */
void monitor_health_stop(struct monitor *monitor)
{
	struct monitor_health *health = &monitor->health;

	loop_timer_cancel(&monitor->loop, &health->next);
	if (!health->running)
		return;
	syscall(SYS_pidfd_send_signal, health->process.handle.pidfd, SIGKILL, NULL, 0);
	waitpid(health->process.handle.pid, NULL, 0);
	release(monitor);
}
