/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-documents.c - instance.json and state.json come back as they were written, and damaged ones
 * are refused with the name of what is wrong.
 */
#include "unit/test.h"

#include "fake.h"

static json_t *parse(const char *text)
{
	json_t *document = NULL;
	struct error err = { 0 };

	if (json_parse(text, strlen(text), "test", &document, &err) < 0)
		fail_msg("%s", err.message);
	return document;
}

static void a_spec_comes_back(void **state)
{
	static const char layer[] =
		"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	struct instance_spec spec = { .created_ns = 1234567890123456789,
		.restart = INSTANCE_RESTART_ON_FAILURE,
		.restart_max = 7,
		.open_stdin = true,
		.terminal = true,
		.stop_signal = 3,
		.stop_timeout_s = -1,
		.log_max_size = 1 << 20,
		.log_max_files = 5 };
	struct instance_spec back;
	struct error err = { 0 };
	json_t *document;
	char *text, *again;

	spec.name = strdup("web");
	spec.isolation = strdup("container");
	spec.image_name = strdup("debian:12 \"quoted\"\n");
	spec.log_driver = strdup("json-file");
	strv_push(&spec.layers, layer);
	strv_push(&spec.labels, "a=b=c");
	strv_push(&spec.health.test, "CMD-SHELL");
	strv_push(&spec.health.test, "true");
	spec.health.interval_ns = 5;
	strv_push(&spec.anonymous_volumes, "abcdef");
	text = instance_spec_write(&spec);
	document = parse(text);
	assert_int_equal(instance_spec_parse(document, &back, &err), 0);
	assert_string_equal(back.name, "web");
	assert_string_equal(back.image_name, spec.image_name);
	assert_int_equal(back.created_ns, spec.created_ns);
	assert_int_equal(back.restart, INSTANCE_RESTART_ON_FAILURE);
	assert_int_equal(back.stop_timeout_s, -1);
	assert_string_equal(back.layers[0], layer);
	assert_string_equal(back.labels[0], "a=b=c");
	/* Every member: what is written again is the same text. */
	again = instance_spec_write(&back);
	assert_string_equal(text, again);
	free(again);
	free(text);
	json_decref(document);
	instance_spec_free(&spec);
	instance_spec_free(&back);
}

static void damaged_specs_are_refused(void **state)
{
	static const struct {
		const char *text, *said;
	} rows[] = {
		{ "{}", "the name is missing" },
		{ "[]", "must be a JSON object" },
		{ "{\"name\":\"../../etc\",\"isolation\":\"x\"}",
			"the name is missing or invalid" },
		{ "{\"name\":\"web\"}", "isolation is missing" },
		{ "{\"name\":7,\"isolation\":\"x\"}", "name must be a string" },
		{ "{\"name\":\"web\",\"isolation\":\"x\",\"layers\":[\"../x\"]}", "no digest" },
		{ "{\"name\":\"web\",\"isolation\":\"x\",\"layers\":\"y\"}", "layers" },
		{ "{\"name\":\"web\",\"isolation\":\"x\",\"restart\":\"often\"}",
			"no restart policy" },
		{ "{\"name\":\"web\",\"isolation\":\"x\",\"stop_signal\":99}", "99 is no signal" },
		{ "{\"name\":\"web\",\"isolation\":\"x\",\"anonymous_volumes\":[\"../..\"]}",
			"no name of a volume" },
		{ "{\"name\":\"web\",\"isolation\":\"x\",\"health\":3}",
			"health must be an object" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct instance_spec spec;
		struct error err = { 0 };
		json_t *document = parse(rows[i].text);

		assert_true(instance_spec_parse(document, &spec, &err) < 0);
		if (!strstr(err.message, rows[i].said))
			fail_msg("%s: said %s", rows[i].text, err.message);
		json_decref(document);
	}
}

static void a_state_comes_back(void **state)
{
	struct instance_state written = { .status = INSTANCE_PAUSED,
		.pid = 4711,
		.start_ticks = 99,
		.monitor_pid = 4710,
		.monitor_ticks = 98,
		.exit_code = 137,
		.oom_killed = true,
		.started_ns = 5,
		.finished_ns = 6,
		.restart_count = 3,
		.stopped_by_user = true,
		.health = INSTANCE_HEALTH_UNHEALTHY,
		.health_failing_streak = 4 };
	struct instance_state back;
	struct error err = { 0 };
	json_t *document;
	char *text, *again;

	memcpy(written.boot_id, "0e6d5b1e-5d5d-4cf5-8b8e-0d6cf0c9ffb1", 37);
	written.error = strdup("no \"room\"");
	text = instance_state_write(&written);
	document = parse(text);
	assert_int_equal(instance_state_parse(document, &back, &err), 0);
	assert_int_equal(back.status, INSTANCE_PAUSED);
	assert_int_equal(back.pid, 4711);
	assert_string_equal(back.error, "no \"room\"");
	again = instance_state_write(&back);
	assert_string_equal(text, again);
	free(text);
	free(again);
	json_decref(document);
	instance_state_free(&written);
	instance_state_free(&back);
}

static void damaged_states_are_refused(void **state)
{
	static const char *const rows[] = { "{}", "[]",
		"{\"status\":\"flying\",\"health\":\"none\"}", "{\"status\":\"running\"}",
		"{\"status\":\"running\",\"health\":\"none\",\"pid\":-5}",
		"{\"status\":\"running\",\"health\":\"none\",\"pid\":99999999999}",
		"{\"status\":\"running\",\"health\":\"none\",\"exit_code\":256}",
		"{\"status\":\"running\",\"health\":\"none\",\"boot_id\":\"0123456789012345678901234567890123456789\"}",
		"{\"status\":\"running\",\"health\":\"none\",\"started_ns\":-1}" };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct instance_state parsed;
		struct error err = { 0 };
		json_t *document = parse(rows[i]);

		if (instance_state_parse(document, &parsed, &err) == 0)
			fail_msg("%s was accepted", rows[i]);
		assert_non_null(strstr(err.message, "state.json"));
		json_decref(document);
	}
}

static void write_text(int dir_fd, const char *name, const char *text)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(io_write_full(fd, text, strlen(text)), 0);
	close(fd);
}

static void a_corrupt_store_names_file_and_instance(void **state)
{
	struct fake_roots *fake = *state;
	struct instance *list = NULL;
	struct container_config config;
	struct instance_spec spec;
	struct instance one, two, found;
	struct error err = { 0 };
	char **pinned = NULL;
	size_t count;

	fake_instance(&spec, &config, "bad", "true");
	spec.manifest_digest = strdup("sha256:x");
	assert_int_equal(instance_create(&fake->roots, &spec, &config, &one, &err), 0);
	fake_instance(&spec, &config, "good", "true");
	assert_int_equal(instance_create(&fake->roots, &spec, &config, &two, &err), 0);
	assert_int_equal(instance_pinned_images(&fake->roots, &pinned, &err), 0);
	assert_int_equal(strv_length(pinned), 1);
	strv_free(pinned);

	write_text(one.dir_fd, "state.json", "{\"status\":\"runn");
	assert_true(instance_load(&fake->roots, "bad", &found, &err) < 0);
	assert_non_null(strstr(err.message, "bad"));
	assert_non_null(strstr(err.message, "state.json"));
	/* The others are still there. */
	assert_int_equal(instance_list(&fake->roots, &list, &count, &err), 0);
	assert_int_equal(count, 1);
	assert_string_equal(list[0].spec.name, "good");
	instance_list_free(list, count);
	/* What it pins is not known, so nothing may be collected. */
	write_text(one.dir_fd, "instance.json", "garbage");
	pinned = NULL;
	assert_int_equal(instance_pinned_images(&fake->roots, &pinned, &err), -EBADMSG);
	assert_true(instance_load(&fake->roots, "bad", &found, &err) < 0);
	assert_non_null(strstr(err.message, "instance.json"));
	instance_close(&one);
	instance_close(&two);
}

static void left_overs_are_swept_unless_somebody_has_them(void **state)
{
	struct fake_roots *fake = *state;
	struct container_config config;
	struct instance_spec spec;
	struct instance one;
	struct instance *list = NULL;
	struct error err = { 0 };
	char stale[160], held[160];
	size_t count;
	int fd;

	fake_instance(&spec, &config, "one", "true");
	assert_int_equal(instance_create(&fake->roots, &spec, &config, &one, &err), 0);
	snprintf(stale, sizeof(stale), "%s/instances/.gone-%064d", fake->root, 1);
	snprintf(held, sizeof(held), "%s/instances/.new-%064d", fake->root, 2);
	assert_int_equal(mkdir(stale, 0700), 0);
	assert_int_equal(mkdir(held, 0700), 0);
	fd = io_open_dir(AT_FDCWD, held);
	assert_int_equal(io_lock(fd, true), 0);
	assert_int_equal(instance_list(&fake->roots, &list, &count, &err), 0);
	assert_int_equal(count, 1);
	instance_list_free(list, count);
	assert_int_equal(access(stale, F_OK), -1);
	assert_int_equal(access(held, F_OK), 0);
	close(fd);
	assert_int_equal(instance_list(&fake->roots, &list, &count, &err), 0);
	instance_list_free(list, count);
	assert_int_equal(access(held, F_OK), -1);
	instance_close(&one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_spec_comes_back),
		cmocka_unit_test(damaged_specs_are_refused),
		cmocka_unit_test(a_state_comes_back),
		cmocka_unit_test(damaged_states_are_refused),
		cmocka_unit_test_setup_teardown(
			a_corrupt_store_names_file_and_instance, fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(
			left_overs_are_swept_unless_somebody_has_them, fake_setup, fake_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
