/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-run.c - two processes make and run an instance, with an isolation that isolates nothing.
 */
#include "unit/test.h"

#include <sched.h>
#include <sys/prctl.h>

#include "fake.h"

static const struct instance_attach_options attach_output = {
	.stdout_open = true, .stderr_open = true, .signal_proxy = true
};

/* In the maker: an instance of `script`, and its monitor. */
static void make(struct fake_roots *fake, struct instance_run *run,
	const struct instance_attach_options *attach, const char *script)
{
	struct instance_spec spec;
	struct container_config config;
	struct instance instance;
	struct error err = { 0 };

	fake_instance(&spec, &config, NULL, script);
	spec.id = run->id;
	spec.auto_remove = spec.starts_at_once = attach != NULL;
	if (instance_create(&fake->roots, &spec, &config, &instance, &err) < 0)
		instance_run_give_up(run, &err);
	instance_run_become_monitor(run, &instance, attach);
}

/* The exit code, and in `out` what it printed. */
static int run_captured(struct fake_roots *fake, const char *script, char *out, size_t size)
{
	struct instance_run run;
	struct error err = { 0 };
	enum instance_attach_end end;
	int file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), saved, code;
	ssize_t n;

	assert_true(file >= 0);
	fflush(NULL);
	saved = fcntl(1, F_DUPFD_CLOEXEC, 10);
	dup2(file, 1);
	assert_int_equal(instance_run_fork(&run, &attach_output, &err), 0);
	if (run.maker == 0)
		make(fake, &run, &attach_output, script);
	assert_int_equal(instance_run_follow(&run, &attach_output, &end, &code, &err), 0);
	dup2(saved, 1);
	close(saved);
	n = pread(file, out, size - 1, 0);
	out[n < 0 ? 0 : n] = '\0';
	close(file);
	assert_int_equal(end, INSTANCE_ATTACH_EXITED);
	return code;
}

static void a_run_gives_output_and_exit_code(void **state)
{
	char out[64];

	assert_int_equal(run_captured(*state, "echo made; exit 7", out, sizeof(out)), 7);
	assert_string_equal(out, "made\n");
}

static void the_id_is_known_before_and_holds_after(void **state)
{
	struct fake_roots *fake = *state;
	struct instance_run run;
	struct instance instance;
	struct error err = { 0 };
	enum instance_attach_end end;
	int code;

	assert_int_equal(instance_run_fork(&run, NULL, &err), 0);
	if (run.maker == 0)
		make(fake, &run, NULL, "exec sleep 60");
	assert_int_equal(instance_run_follow(&run, NULL, &end, &code, &err), 0);
	assert_int_equal(end, INSTANCE_ATTACH_DETACHED);
	assert_int_equal(instance_load(&fake->roots, run.id, &instance, &err), 0);
	assert_string_equal(instance.id, run.id);
	assert_int_equal(instance.state.status, INSTANCE_RUNNING);
	assert_int_equal(instance.state.monitor_pid, run.maker);
	assert_int_equal(instance_remove(&instance, true, false, &err), 0);
	instance_close(&instance);
	waitpid(run.maker, NULL, 0);
}

static void what_cannot_be_made_says_why(void **state)
{
	struct instance_run run;
	struct error err = { 0 };
	enum instance_attach_end end;
	int code = 0;

	assert_int_equal(instance_run_fork(&run, &attach_output, &err), 0);
	if (run.maker == 0) {
		error_set(&err, ENOSPC, "no room on this shelf");
		instance_run_give_up(&run, &err);
	}
	assert_int_equal(instance_run_follow(&run, &attach_output, &end, &code, &err), -ENOSPC);
	assert_string_equal(err.message, "no room on this shelf");
	assert_int_equal(code, 125);
	waitpid(run.maker, NULL, 0);
}

/* A foreground in a process of its own, whose maker never gets ready; *ret_maker is that. */
static pid_t start_endless_making(pid_t *ret_maker)
{
	int told[2];
	pid_t foreground;

	assert_int_equal(pipe2(told, O_CLOEXEC), 0);
	foreground = fork();
	if (foreground == 0) {
		struct instance_run run;
		enum instance_attach_end end;
		int code;

		if (instance_run_fork(&run, &attach_output, NULL) < 0)
			_exit(1);
		if (run.maker == 0) {
			pid_t self = getpid();

			if (write(told[1], &self, sizeof(self)) != sizeof(self))
				_exit(1);
			for (;;)
				pause();
		}
		instance_run_follow(&run, &attach_output, &end, &code, NULL);
		_exit(code);
	}
	close(told[1]);
	assert_int_equal(read(told[0], ret_maker, sizeof(*ret_maker)), sizeof(*ret_maker));
	close(told[0]);
	return foreground;
}

static void a_signal_ends_both(void **state)
{
	pid_t maker, foreground = start_endless_making(&maker);
	int status;

	assert_int_equal(kill(foreground, SIGWINCH), 0); /* ends nobody */
	assert_int_equal(kill(foreground, SIGTERM), 0);
	assert_int_equal(waitpid(foreground, &status, 0), foreground);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGTERM);
	assert_int_equal(waitpid(maker, &status, 0), maker);
	assert_true(WIFSIGNALED(status));
}

static void the_foregrounds_death_ends_its_maker(void **state)
{
	pid_t maker, foreground = start_endless_making(&maker);
	int status;

	assert_int_equal(kill(foreground, SIGKILL), 0);
	assert_int_equal(waitpid(foreground, &status, 0), foreground);
	assert_int_equal(waitpid(maker, &status, 0), maker);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void the_command_may_use_our_cpus(void **state)
{
	cpu_set_t before, after;
	char out[512], wanted[32];

	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	assert_int_equal(run_captured(*state, "nproc", out, sizeof(out)), 0);
	snprintf(wanted, sizeof(wanted), "%d\n", CPU_COUNT(&before));
	assert_string_equal(out, wanted);
	assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
	assert_true(CPU_EQUAL(&before, &after));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_run_gives_output_and_exit_code, fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(
			the_id_is_known_before_and_holds_after, fake_setup, fake_teardown),
		cmocka_unit_test(what_cannot_be_made_says_why),
		cmocka_unit_test(a_signal_ends_both),
		cmocka_unit_test(the_foregrounds_death_ends_its_maker),
		cmocka_unit_test_setup_teardown(
			the_command_may_use_our_cpus, fake_setup, fake_teardown),
	};

	/* What their own parents leave behind is ours to wait for. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
