/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-monitor.c - runs, restarts, stops and crashes, with an isolation that isolates nothing.
 */
#include "unit/test.h"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "fake.h"
#include "instance/monitor.h"

static const struct instance_attach_options attach_output = { .stdout_open = true,
	.stderr_open = true };

static void nap_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static void create(struct fake_roots *fake, struct instance_spec *spec,
	struct container_config *config, struct instance *ret)
{
	struct error err = { 0 };

	if (instance_create(&fake->roots, spec, config, ret, &err) < 0)
		fail_msg("create: %s", err.message);
}

static void start(struct instance *instance)
{
	struct error err = { 0 };
	enum instance_attach_end end;
	int code;

	if (instance_start(instance, NULL, &end, &code, &err) < 0)
		fail_msg("start: %s", err.message);
	assert_int_equal(code, 0);
}

static void wait_status(struct instance *instance, enum instance_status status)
{
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(instance_refresh(instance, NULL), 0);
		if (instance->state.status == status)
			return;
		nap_ms(10);
	}
	fail_msg("still %s", instance_status_name(instance->state.status));
}

/* Run in the foreground with our stdout and stderr in files; what it printed is in `out`. */
static int run_captured(struct instance *instance, const struct instance_attach_options *options,
	const char *input, char *out, size_t size, enum instance_attach_end *ret_end,
	struct error *err)
{
	int saved[3], file, code, r;
	int pipefd[2];
	ssize_t n;

	file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	assert_true(file >= 0);
	assert_int_equal(pipe2(pipefd, O_CLOEXEC), 0);
	if (input)
		assert_int_equal(io_write_full(pipefd[1], input, strlen(input)), 0);
	close(pipefd[1]);
	fflush(NULL);
	for (int i = 0; i < 3; i++)
		saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 10);
	dup2(pipefd[0], 0);
	dup2(file, 1);
	dup2(file, 2);
	r = instance_start(instance, options, ret_end, &code, err);
	for (int i = 0; i < 3; i++) {
		dup2(saved[i], i);
		close(saved[i]);
	}
	close(pipefd[0]);
	n = pread(file, out, size - 1, 0);
	out[n < 0 ? 0 : n] = '\0';
	close(file);
	return r < 0 ? r : code;
}

static void a_foreground_run_gives_output_and_exit_code(void **state)
{
	struct fake_roots *fake = *state;
	enum instance_attach_end end = INSTANCE_ATTACH_LOST;
	struct container_config config;
	struct instance_spec spec;
	struct instance instance;
	struct error err = { 0 };
	char out[4096], *text;

	fake_instance(&spec, &config, "fg", "echo out; echo err >&2; exit 7");
	create(fake, &spec, &config, &instance);
	assert_int_equal(
		run_captured(&instance, &attach_output, NULL, out, sizeof(out), &end, &err), 7);
	assert_int_equal(end, INSTANCE_ATTACH_EXITED);
	assert_non_null(strstr(out, "out\n"));
	assert_non_null(strstr(out, "err\n"));
	assert_int_equal(instance_refresh(&instance, &err), 0);
	assert_int_equal(instance.state.status, INSTANCE_EXITED);
	assert_int_equal(instance.state.exit_code, 7);
	assert_int_equal(io_read_file(instance.dir_fd, "log.json", 4096, &text, NULL, &err), 0);
	assert_non_null(strstr(text, "{\"log\":\"out\\n\",\"stream\":\"stdout\",\"time\":\""));
	free(text);
	instance_close(&instance);
}

static void stdin_is_forwarded_and_ends(void **state)
{
	struct fake_roots *fake = *state;
	struct instance_attach_options options = attach_output;
	enum instance_attach_end end;
	struct container_config config;
	struct instance_spec spec;
	struct instance instance;
	struct error err = { 0 };
	char out[4096];

	options.stdin_open = true;
	fake_instance(&spec, &config, "in", "tr a-z A-Z");
	spec.open_stdin = true;
	spec.auto_remove = true;
	create(fake, &spec, &config, &instance);
	assert_int_equal(
		run_captured(&instance, &options, "hello\n", out, sizeof(out), &end, &err), 0);
	assert_string_equal(out, "HELLO\n");
	instance_close(&instance);
}

static size_t count_entries(const char *root, const char *dir)
{
	char path[128];
	size_t n = 0;
	DIR *d;
	struct dirent *entry;

	snprintf(path, sizeof(path), "%s/%s", root, dir);
	d = opendir(path);
	while (d && (entry = readdir(d)))
		n += !streq(entry->d_name, ".") && !streq(entry->d_name, "..");
	if (d)
		closedir(d);
	return n;
}

static void rm_leaves_nothing(void **state)
{
	struct fake_roots *fake = *state;
	enum instance_attach_end end;
	struct container_config config;
	struct instance_spec spec;
	struct instance instance, other;
	struct error err = { 0 };
	char out[64];

	fake_instance(&spec, &config, "gone", "echo x");
	spec.auto_remove = true;
	create(fake, &spec, &config, &instance);
	assert_int_equal(
		run_captured(&instance, &attach_output, NULL, out, sizeof(out), &end, &err), 0);
	/* Invisible at once; deleted a moment later. */
	assert_int_equal(instance_load(&fake->roots, "gone", &other, &err), -ENOENT);
	assert_int_equal(instance_load(&fake->roots, instance.id, &other, &err), -ENOENT);
	assert_int_equal(count_entries(fake->root, "names"), 0);
	for (int i = 0; i < 200 && count_entries(fake->root, "instances"); i++)
		nap_ms(10);
	assert_int_equal(count_entries(fake->root, "instances"), 0);
	assert_int_equal(count_entries(fake->root, "run"), 1); /* events.json */
	instance_close(&instance);
}

static void failures_to_start_have_dockers_codes(void **state)
{
	static const struct {
		const char *program, *hostname;
		int code;
	} rows[] = { { "/nonexistent", NULL, 127 }, { "/etc/passwd", NULL, 126 },
		{ "/bin/true", "fail-create", 125 } };
	struct fake_roots *fake = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		enum instance_attach_end end;
		struct container_config config;
		struct instance_spec spec;
		struct instance instance;
		struct error err = { 0 };
		int code;

		fake_instance(&spec, &config, NULL, "true");
		strv_free(config.process.args);
		config.process.args = NULL;
		strv_push(&config.process.args, rows[i].program);
		config.hostname = rows[i].hostname ? strdup(rows[i].hostname) : NULL;
		create(fake, &spec, &config, &instance);
		assert_true(instance_start(&instance, NULL, &end, &code, &err) < 0);
		assert_int_equal(code, rows[i].code);
		assert_true(strlen(err.message) > 0);
		assert_int_equal(instance_refresh(&instance, NULL), 0);
		assert_int_equal(instance.state.status, INSTANCE_CREATED);
		assert_int_equal(instance.state.exit_code, rows[i].code);
		assert_string_equal(instance.state.error, err.message);
		instance_close(&instance);
	}
}

static void on_failure_restarts_as_often_as_asked(void **state)
{
	struct fake_roots *fake = *state;
	struct container_config config;
	struct instance_spec spec;
	struct instance instance;
	struct error err = { 0 };
	int code;

	fake_instance(&spec, &config, "flaky", "echo run; exit 3");
	spec.restart = INSTANCE_RESTART_ON_FAILURE;
	spec.restart_max = 2;
	create(fake, &spec, &config, &instance);
	start(&instance);
	assert_int_equal(instance_wait(&instance, INSTANCE_WAIT_NOT_RUNNING, &code, &err), 0);
	assert_int_equal(code, 3);
	assert_int_equal(instance_refresh(&instance, &err), 0);
	assert_int_equal(instance.state.status, INSTANCE_EXITED);
	assert_int_equal(instance.state.restart_count, 2);
	instance_close(&instance);
}

static void stop_ends_a_restarting_one_for_good(void **state)
{
	struct fake_roots *fake = *state;
	struct container_config config;
	struct instance_spec spec;
	struct instance instance;
	struct error err = { 0 };

	fake_instance(&spec, &config, "again", "exit 1");
	spec.restart = INSTANCE_RESTART_ALWAYS;
	create(fake, &spec, &config, &instance);
	start(&instance);
	while (instance.state.restart_count < 3) {
		nap_ms(10);
		assert_int_equal(instance_refresh(&instance, &err), 0);
		assert_true(instance_is_live(&instance));
	}
	assert_int_equal(instance_stop(&instance, 0, -1, &err), 0);
	assert_int_equal(instance_refresh(&instance, &err), 0);
	assert_int_equal(instance.state.status, INSTANCE_EXITED);
	assert_true(instance.state.stopped_by_user);
	instance_close(&instance);
}

static void stop_sends_the_signal_then_kills(void **state)
{
	struct fake_roots *fake = *state;
	struct container_config config;
	struct instance_spec spec;
	struct instance instance;
	struct error err = { 0 };

	fake_instance(&spec, &config, "polite", "trap 'exit 5' TERM; while :; do sleep 0.02; done");
	create(fake, &spec, &config, &instance);
	start(&instance);
	nap_ms(150);
	assert_int_equal(instance_stop(&instance, 0, 5, &err), 0);
	assert_int_equal(instance_refresh(&instance, &err), 0);
	assert_int_equal(instance.state.exit_code, 5);
	instance_close(&instance);

	fake_instance(&spec, &config, "deaf", "trap '' TERM; while :; do sleep 0.02; done");
	create(fake, &spec, &config, &instance);
	start(&instance);
	nap_ms(150);
	assert_int_equal(instance_stop(&instance, 0, 1, &err), 0);
	assert_int_equal(instance_refresh(&instance, &err), 0);
	assert_int_equal(instance.state.exit_code, 137);
	/* Twice is no mistake. */
	assert_int_equal(instance_stop(&instance, 0, 1, &err), 0);
	assert_int_equal(instance_kill(&instance, SIGKILL, &err), -ESRCH);
	instance_close(&instance);
}

static void a_live_one_is_removed_only_by_force(void **state)
{
	struct fake_roots *fake = *state;
	struct container_config config;
	struct instance_spec spec;
	struct instance instance, other;
	struct error err = { 0 };

	fake_instance(&spec, &config, "busy", "exec sleep 60");
	create(fake, &spec, &config, &instance);
	start(&instance);
	assert_int_equal(instance_remove(&instance, false, false, &err), -EBUSY);
	assert_int_equal(instance_load(&fake->roots, "busy", &other, &err), 0);
	instance_close(&other);
	assert_int_equal(instance_remove(&instance, true, false, &err), 0);
	assert_int_equal(instance_load(&fake->roots, "busy", &other, &err), -ENOENT);
	assert_int_equal(count_entries(fake->root, "instances"), 0);
	instance_close(&instance);
}

static void pause_and_wait_go_through_the_monitor(void **state)
{
	struct fake_roots *fake = *state;
	struct container_config config;
	struct instance_spec spec;
	struct instance instance;
	struct error err = { 0 };
	int code = -1;

	fake_instance(&spec, &config, "paused", "trap 'exit 9' USR1; while :; do sleep 0.02; done");
	create(fake, &spec, &config, &instance);
	start(&instance);
	nap_ms(150);
	assert_int_equal(instance_pause(&instance, true, &err), 0);
	assert_int_equal(instance_refresh(&instance, &err), 0);
	assert_int_equal(instance.state.status, INSTANCE_PAUSED);
	assert_int_equal(instance_pause(&instance, true, &err), -EALREADY);
	assert_int_equal(instance_pause(&instance, false, &err), 0);
	assert_int_equal(instance_kill(&instance, SIGUSR1, &err), 0);
	assert_int_equal(instance_wait(&instance, INSTANCE_WAIT_NOT_RUNNING, &code, &err), 0);
	assert_int_equal(code, 9);
	instance_close(&instance);
}

static void kill_9_of_the_monitor_is_told_truly(void **state)
{
	struct fake_roots *fake = *state;
	struct container_config config;
	struct instance_spec spec;
	struct instance instance;
	struct error err = { 0 };
	pid_t monitor;

	fake_instance(&spec, &config, "orphan", "exec sleep 60");
	create(fake, &spec, &config, &instance);
	start(&instance);
	assert_int_equal(instance_refresh(&instance, &err), 0);
	monitor = instance.state.monitor_pid;
	assert_true(monitor > 0);
	kill(monitor, SIGKILL);
	waitpid(monitor, NULL, 0); /* it was forked by this very process */
	assert_int_equal(instance_refresh(&instance, &err), 0);
	assert_int_equal(instance.state.status, INSTANCE_RUNNING);
	assert_int_equal(instance.state.monitor_pid, 0);
	assert_true(instance.state.pid > 0);
	/* And stop works from there. */
	assert_int_equal(instance_stop(&instance, SIGTERM, 5, &err), 0);
	assert_int_equal(instance_refresh(&instance, &err), 0);
	assert_int_equal(instance.state.status, INSTANCE_EXITED);
	assert_int_equal(instance.state.pid, 0);
	/* So does start. */
	start(&instance);
	assert_int_equal(instance_remove(&instance, true, false, &err), 0);
	instance_close(&instance);
}

static void a_crash_of_everything_is_exited_255(void **state)
{
	struct fake_roots *fake = *state;
	struct container_config config;
	struct instance_spec spec;
	struct instance instance;
	struct instance *list;
	struct error err = { 0 };
	size_t count;
	pid_t monitor, init;

	fake_instance(&spec, &config, "crashed", "exec sleep 60");
	create(fake, &spec, &config, &instance);
	start(&instance);
	assert_int_equal(instance_refresh(&instance, &err), 0);
	monitor = instance.state.monitor_pid;
	init = instance.state.pid;
	kill(monitor, SIGKILL);
	waitpid(monitor, NULL, 0);
	kill(init, SIGKILL);
	waitpid(init, NULL, 0); /* we are its subreaper */
	wait_status(&instance, INSTANCE_EXITED);
	assert_int_equal(instance.state.exit_code, 255);
	instance_close(&instance);
	/* A listing brings it to rest: the state on disk is then right by itself. */
	assert_int_equal(instance_list(&fake->roots, &list, &count, &err), 0);
	assert_int_equal(count, 1);
	{
		struct instance_state written;

		assert_int_equal(instance_state_load(list[0].dir_fd, &written, &err), 0);
		assert_int_equal(written.status, INSTANCE_EXITED);
		assert_int_equal(written.exit_code, 255);
		instance_state_free(&written);
	}
	instance_list_free(list, count);
}

static void another_boot_makes_pids_mean_nothing(void **state)
{
	struct fake_roots *fake = *state;
	struct container_config config;
	struct instance_spec spec;
	struct instance instance;
	struct instance_state written = { .status = INSTANCE_RUNNING, .started_ns = 5 };
	struct error err = { 0 };
	char **started = NULL;

	fake_instance(&spec, &config, "rebooted", "exec sleep 60");
	spec.restart = INSTANCE_RESTART_UNLESS_STOPPED;
	create(fake, &spec, &config, &instance);
	/* As if this very process had been both of its processes, in an earlier boot. */
	written.pid = written.monitor_pid = getpid();
	process_start_time(getpid(), &written.start_ticks);
	written.monitor_ticks = written.start_ticks;
	memcpy(written.boot_id, "00000000-0000-0000-0000-000000000000", 37);
	assert_int_equal(instance_state_save(instance.dir_fd, &written, false, &err), 0);
	assert_int_equal(instance_refresh(&instance, &err), 0);
	assert_int_equal(instance.state.status, INSTANCE_EXITED);
	assert_int_equal(instance.state.exit_code, 255);
	instance_unlock(&instance);
	assert_int_equal(instance_boot(&fake->roots, &started, &err), 0);
	assert_int_equal(strv_length(started), 1);
	assert_string_equal(started[0], "rebooted");
	strv_free(started);
	wait_status(&instance, INSTANCE_RUNNING);
	/* What the user stopped stays stopped. */
	assert_int_equal(instance_stop(&instance, SIGKILL, 0, &err), 0);
	started = NULL;
	assert_int_equal(instance_boot(&fake->roots, &started, &err), 0);
	assert_int_equal(strv_length(started), 0);
	instance_close(&instance);
}

static void health_turns_with_the_check(void **state)
{
	struct fake_roots *fake = *state;
	struct container_config config;
	struct instance_spec spec;
	struct instance instance;
	struct error err = { 0 };
	char script[160], *text;

	snprintf(script, sizeof(script), "echo probe; test -e %s/well", fake->root);
	fake_instance(&spec, &config, "health", "exec sleep 60");
	strv_push(&spec.health.test, "CMD-SHELL");
	strv_push(&spec.health.test, script);
	spec.health.interval_ns = 20 * 1000 * 1000;
	spec.health.retries = 2;
	create(fake, &spec, &config, &instance);
	start(&instance);
	while (instance.state.health != INSTANCE_HEALTH_UNHEALTHY) {
		nap_ms(10);
		assert_int_equal(instance_refresh(&instance, &err), 0);
		assert_int_equal(instance.state.status, INSTANCE_RUNNING);
	}
	assert_true(instance.state.health_failing_streak >= 2);
	snprintf(script, sizeof(script), "%s/well", fake->root);
	close(open(script, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	while (instance.state.health != INSTANCE_HEALTH_HEALTHY) {
		nap_ms(10);
		assert_int_equal(instance_refresh(&instance, &err), 0);
	}
	assert_int_equal(instance.state.health_failing_streak, 0);
	assert_int_equal(io_read_file(instance.dir_fd, "health.json", 65536, &text, NULL, &err), 0);
	assert_non_null(strstr(text, "\"Output\":\"probe\\n\""));
	free(text);
	assert_int_equal(instance_remove(&instance, true, false, &err), 0);
	instance_close(&instance);
}

static void backoff_doubles_and_is_forgiven(void **state)
{
	int64_t delay = 0;

	delay = monitor_next_backoff(delay, 0);
	assert_int_equal(delay, MONITOR_BACKOFF_MIN_NS);
	delay = monitor_next_backoff(delay, 0);
	assert_int_equal(delay, 2 * MONITOR_BACKOFF_MIN_NS);
	for (int i = 0; i < 100; i++) {
		int64_t next = monitor_next_backoff(delay, MONITOR_BACKOFF_RESET_NS - 1);

		assert_true(next >= delay && next <= MONITOR_BACKOFF_MAX_NS);
		delay = next;
	}
	assert_int_equal(delay, MONITOR_BACKOFF_MAX_NS);
	assert_int_equal(
		monitor_next_backoff(delay, MONITOR_BACKOFF_RESET_NS), MONITOR_BACKOFF_MIN_NS);
}

static void policies_decide_as_dockers(void **state)
{
	struct instance_spec spec = { .restart = INSTANCE_RESTART_NO };
	struct instance_state s = { 0 };

	assert_false(monitor_should_restart(&spec, &s, 1, false));
	spec.restart = INSTANCE_RESTART_ALWAYS;
	assert_true(monitor_should_restart(&spec, &s, 0, false));
	assert_false(monitor_should_restart(&spec, &s, 1, true));
	spec.restart = INSTANCE_RESTART_ON_FAILURE;
	assert_false(monitor_should_restart(&spec, &s, 0, false));
	assert_true(monitor_should_restart(&spec, &s, 1, false));
	spec.restart_max = 2;
	s.restart_count = 1;
	assert_true(monitor_should_restart(&spec, &s, 1, false));
	s.restart_count = 2;
	assert_false(monitor_should_restart(&spec, &s, 1, false));
}

struct seen {
	char actions[512];
};

static int note_event(void *context, const json_t *event)
{
	struct seen *seen = context;
	const char *action = "?";

	json_get_string(event, "Action", &action, "event", NULL);
	strncat(seen->actions, action, sizeof(seen->actions) - strlen(seen->actions) - 1);
	strncat(seen->actions, " ", sizeof(seen->actions) - strlen(seen->actions) - 1);
	return 0;
}

static void events_tell_the_story(void **state)
{
	struct fake_roots *fake = *state;
	enum instance_attach_end end;
	struct container_config config;
	struct instance_spec spec;
	struct instance instance;
	struct error err = { 0 };
	struct seen seen = { "" };
	char out[64];

	fake_instance(&spec, &config, "story", "exit 2");
	spec.auto_remove = true;
	create(fake, &spec, &config, &instance);
	assert_int_equal(
		run_captured(&instance, &attach_output, NULL, out, sizeof(out), &end, &err), 2);
	assert_int_equal(instance_events(&fake->roots, 0, 0, false, note_event, &seen, &err), 0);
	assert_string_equal(seen.actions, "create attach start die destroy ");
	seen.actions[0] = '\0';
	assert_int_equal(instance_events(&fake->roots, clock_realtime_ns(), 0, false, note_event,
				 &seen, &err),
		0);
	assert_string_equal(seen.actions, "");
	instance_close(&instance);
}

static void much_output_arrives_whole(void **state)
{
	struct fake_roots *fake = *state;
	enum instance_attach_end end;
	struct container_config config;
	struct instance_spec spec;
	struct instance instance;
	struct error err = { 0 };
	size_t size = 3 << 20;
	char *out = malloc(size);

	fake_instance(&spec, &config, "much", "seq 1 300000");
	create(fake, &spec, &config, &instance);
	assert_int_equal(run_captured(&instance, &attach_output, NULL, out, size, &end, &err), 0);
	assert_int_equal(strlen(out), 1988895); /* `seq 1 300000 | wc -c` */
	assert_string_equal(out + strlen(out) - 7, "300000\n");
	free(out);
	assert_int_equal(instance_remove(&instance, false, false, &err), 0);
	instance_close(&instance);
}

/* A connection to the control socket, as a client of another program would make it. */
static int dial(struct instance *instance)
{
	int fd = instance_connect(instance);

	assert_true(fd >= 0);
	return fd;
}

static char frame_buffer[FRAME_MAX] __attribute__((aligned(8)));

static void hostile_clients_are_dropped(void **state)
{
	struct fake_roots *fake = *state;
	struct container_config config;
	struct instance_spec spec;
	struct instance instance;
	struct error err = { 0 };
	struct frame frame;
	char *big = calloc(1, FRAME_MAX + 100);
	int fd;

	fake_instance(&spec, &config, "hostile", "exec sleep 60");
	create(fake, &spec, &config, &instance);
	start(&instance);
	/* No frame, a frame that only a monitor sends, one that is too long, a signal 999. */
	fd = dial(&instance);
	assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), 1);
	assert_int_equal(frame_receive(fd, frame_buffer, &frame, 0), 0);
	close(fd);
	fd = dial(&instance);
	assert_int_equal(frame_send_i32(fd, FRAME_EXIT, 0, 0), 0);
	assert_int_equal(frame_receive(fd, frame_buffer, &frame, 0), 0);
	close(fd);
	fd = dial(&instance);
	assert_true(send(fd, big, FRAME_MAX + 100, MSG_NOSIGNAL) > 0);
	assert_int_equal(frame_receive(fd, frame_buffer, &frame, 0), 0);
	close(fd);
	fd = dial(&instance);
	assert_int_equal(frame_send(fd, FRAME_SIGNAL, 1, &(int32_t){ 999 }, 4, 0), 0);
	assert_int_equal(frame_receive(fd, frame_buffer, &frame, 0), 1);
	assert_int_equal(((const struct frame_result *)frame.payload)->code, EINVAL);
	close(fd);
	assert_int_equal(instance_refresh(&instance, &err), 0);
	assert_int_equal(instance.state.status, INSTANCE_RUNNING);
	assert_true(instance_has_monitor(&instance));
	assert_int_equal(instance_remove(&instance, true, false, &err), 0);
	instance_close(&instance);
	free(big);
}

/* Read OUTPUT until EXIT; returns the bytes. */
static size_t drink(int fd, int *ret_code)
{
	struct frame frame;
	size_t total = 0;

	for (;;) {
		assert_int_equal(frame_receive(fd, frame_buffer, &frame, 0), 1);
		if (frame.type == FRAME_OUTPUT)
			total += frame.len;
		if (frame.type == FRAME_EXIT) {
			*ret_code = frame_i32(&frame);
			return total;
		}
	}
}

/* Nobody loses a byte when one of two readers is slow, and the monitor holds one chunk at most. */
static void slow_readers_slow_the_command(void **state)
{
	struct fake_roots *fake = *state;
	struct container_config config;
	struct instance_spec spec;
	struct instance instance;
	uint8_t mask = 1 << 1;
	int slow, quick, code = -1;
	pid_t helper;

	fake_instance(&spec, &config, "slow", "sleep 0.3; head -c 8000000 /dev/zero; exit 4");
	free(spec.log_driver);
	spec.log_driver = strdup("none");
	create(fake, &spec, &config, &instance);
	start(&instance);
	slow = dial(&instance);
	quick = dial(&instance);
	assert_int_equal(frame_send(slow, FRAME_ATTACH, 0, &mask, 1, 0), 0);
	assert_int_equal(frame_send(quick, FRAME_ATTACH, 0, &mask, 1, 0), 0);
	helper = fork();
	if (helper == 0)
		_exit(drink(quick, &code) == 8000000 && code == 4 ? 0 : 1);
	nap_ms(600);
	/* Nothing was taken from the slow one: the command still is at it. */
	assert_int_equal(instance_refresh(&instance, NULL), 0);
	assert_int_equal(instance.state.status, INSTANCE_RUNNING);
	assert_int_equal(drink(slow, &code), 8000000);
	assert_int_equal(code, 4);
	assert_int_equal(waitpid(helper, &code, 0), helper);
	assert_int_equal(code, 0);
	close(slow);
	close(quick);
	wait_status(&instance, INSTANCE_EXITED);
	instance_close(&instance);
}

/* A command that never reads its stdin can still be signalled by the client that filled it. */
static void signals_overtake_a_full_stdin(void **state)
{
	static char block[FRAME_PAYLOAD_MAX];
	struct fake_roots *fake = *state;
	struct container_config config;
	struct instance_spec spec;
	struct instance instance;
	struct frame frame;
	uint8_t mask = 1 << 0 | 1 << 1;
	int32_t signo = SIGUSR1;
	int fd, taken = 0;

	fake_instance(&spec, &config, "full", "trap 'exit 8' USR1; while :; do sleep 0.02; done");
	spec.open_stdin = true;
	create(fake, &spec, &config, &instance);
	start(&instance);
	nap_ms(150);
	fd = dial(&instance);
	assert_int_equal(frame_send(fd, FRAME_ATTACH, 0, &mask, 1, 0), 0);
	/* As the client does it: the next one when the last was taken, until none is any more. */
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		assert_int_equal(frame_send(fd, FRAME_STDIN, 0, block, sizeof(block), 0), 0);
		if (poll(&p, 1, 300) == 0)
			break;
		assert_int_equal(frame_receive(fd, frame_buffer, &frame, 0), 1);
		assert_int_equal(frame.type, FRAME_STDIN_TAKEN);
		taken++;
	}
	assert_true(taken >= 1);
	assert_int_equal(frame_send(fd, FRAME_SIGNAL, 0, &signo, 4, 0), 0);
	do {
		assert_int_equal(frame_receive(fd, frame_buffer, &frame, 0), 1);
	} while (frame.type != FRAME_EXIT);
	assert_int_equal(frame_i32(&frame), 8);
	close(fd);
	instance_close(&instance);
}

int main(void)
{
#define WITH_ROOT(f) cmocka_unit_test_setup_teardown(f, fake_setup, fake_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(backoff_doubles_and_is_forgiven),
		cmocka_unit_test(policies_decide_as_dockers),
		WITH_ROOT(a_foreground_run_gives_output_and_exit_code),
		WITH_ROOT(stdin_is_forwarded_and_ends),
		WITH_ROOT(rm_leaves_nothing),
		WITH_ROOT(failures_to_start_have_dockers_codes),
		WITH_ROOT(on_failure_restarts_as_often_as_asked),
		WITH_ROOT(stop_ends_a_restarting_one_for_good),
		WITH_ROOT(stop_sends_the_signal_then_kills),
		WITH_ROOT(a_live_one_is_removed_only_by_force),
		WITH_ROOT(pause_and_wait_go_through_the_monitor),
		WITH_ROOT(kill_9_of_the_monitor_is_told_truly),
		WITH_ROOT(a_crash_of_everything_is_exited_255),
		WITH_ROOT(another_boot_makes_pids_mean_nothing),
		WITH_ROOT(health_turns_with_the_check),
		WITH_ROOT(events_tell_the_story),
		WITH_ROOT(much_output_arrives_whole),
		WITH_ROOT(hostile_clients_are_dropped),
		WITH_ROOT(slow_readers_slow_the_command),
		WITH_ROOT(signals_overtake_a_full_stdin),
	};

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
