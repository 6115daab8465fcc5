/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-scope.c - what strata-scope asks of systemd, and what it makes of the answers.
 *
 * A child plays the manager on a socket: it checks the request and answers as systemd does. (The
 * real one is met in the virtual machine of tests/vm.)
 */
#include "unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "base/str.h"
#include "front/scope/scope.h"

#define JOB	  "/org/freedesktop/systemd1/job/42"
#define OTHER_JOB "/org/freedesktop/systemd1/job/41"

struct manager {
	char folder[32], socket[64], address[80];
	pid_t pid;
	const char *result; /* of the job; NULL: refuse the request */
};

/* What a request must hold, as one string. */
static int check_request(sd_bus_message *m)
{
	static const char *const wanted[] = { "PIDs=4321", "Delegate=1", "Description=a test",
		"TasksMax=18446744073709551615", "CollectMode=inactive-or-failed",
		"Slice=strata.slice" };
	const char *name, *mode, *key, *text, *contents;
	size_t found = 0;

	if (sd_bus_message_read(m, "ss", &name, &mode) < 0 || !streq(name, "strata-x.scope") ||
		!streq(mode, "fail") || sd_bus_message_enter_container(m, 'a', "(sv)") < 0)
		return -EINVAL;
	while (sd_bus_message_enter_container(m, 'r', "sv") > 0) {
		char line[128] = "";
		char type;

		if (sd_bus_message_read(m, "s", &key) < 0 ||
			sd_bus_message_peek_type(m, &type, &contents) < 0 ||
			sd_bus_message_enter_container(m, 'v', contents) < 0)
			return -EINVAL;
		if (streq(contents, "s") && sd_bus_message_read(m, "s", &text) >= 0) {
			snprintf(line, sizeof(line), "%s=%s", key, text);
		} else if (streq(contents, "b")) {
			int b;

			sd_bus_message_read(m, "b", &b);
			snprintf(line, sizeof(line), "%s=%d", key, b);
		} else if (streq(contents, "t")) {
			uint64_t t;

			sd_bus_message_read(m, "t", &t);
			snprintf(line, sizeof(line), "%s=%llu", key, (unsigned long long)t);
		} else if (streq(contents, "au")) {
			const uint32_t *pids;
			size_t size;

			sd_bus_message_read_array(m, 'u', (const void **)&pids, &size);
			snprintf(line, sizeof(line), "%s=%u", key, size == 4 ? pids[0] : 0);
		}
		found += found < ARRAY_SIZE(wanted) && streq(line, wanted[found]);
		sd_bus_message_exit_container(m);
		sd_bus_message_exit_container(m);
	}
	return found == ARRAY_SIZE(wanted) ? 0 : -EINVAL;
}

static int on_start(sd_bus_message *m, void *context, sd_bus_error *error)
{
	struct manager *manager = context;
	sd_bus *bus = sd_bus_message_get_bus(m);
	int r = check_request(m);

	if (r < 0)
		return sd_bus_error_setf(
			error, SD_BUS_ERROR_INVALID_ARGS, "not the request expected");
	if (!manager->result)
		return sd_bus_error_setf(error, "org.freedesktop.systemd1.UnitExists",
			"Unit strata-x.scope already exists.");
	/* Another's job first, and ours before the answer that names it. */
	sd_bus_emit_signal(bus, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
		"JobRemoved", "uoss", 41, OTHER_JOB, "other.scope", "failed");
	sd_bus_emit_signal(bus, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
		"JobRemoved", "uoss", 42, JOB, "strata-x.scope", manager->result);
	return sd_bus_reply_method_return(m, "o", JOB);
}

static int on_subscribe(sd_bus_message *m, void *context, sd_bus_error *error)
{
	(void)context;
	(void)error;
	return sd_bus_reply_method_return(m, "");
}

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("StartTransientUnit", "ssa(sv)a(sa(sv))", "o", on_start,
		SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Subscribe", "", "", on_subscribe, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

/* Serve one connection, then end. */
static int serve(struct manager *manager, int listener)
{
	int fd = accept(listener, NULL, NULL);
	sd_id128_t id = { .bytes = { 1 } };
	sd_bus *bus = NULL;

	if (fd < 0 || sd_bus_new(&bus) < 0 || sd_bus_set_fd(bus, fd, fd) < 0 ||
		sd_bus_set_server(bus, 1, id) < 0 || sd_bus_set_anonymous(bus, 1) < 0 ||
		sd_bus_start(bus) < 0 ||
		sd_bus_add_object_vtable(bus, NULL, "/org/freedesktop/systemd1",
			"org.freedesktop.systemd1.Manager", vtable, manager) < 0)
		return 1;
	for (;;) {
		int r = sd_bus_process(bus, NULL);

		if (r == 0)
			r = sd_bus_wait(bus, UINT64_MAX);
		if (r < 0)
			break;
	}
	sd_bus_unref(bus);
	return 0;
}

static void start_manager(struct manager *manager, const char *result)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(manager->folder, "/tmp/strata-scope-XXXXXX");
	assert_non_null(mkdtemp(manager->folder));
	snprintf(manager->socket, sizeof(manager->socket), "%s/private", manager->folder);
	snprintf(manager->address, sizeof(manager->address), "unix:path=%s", manager->socket);
	manager->result = result;
	strcpy(address.sun_path, manager->socket);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	manager->pid = fork();
	if (manager->pid == 0)
		_exit(serve(manager, listener));
	close(listener);
}

static void stop_manager(struct manager *manager)
{
	int status;

	assert_int_equal(waitpid(manager->pid, &status, 0), manager->pid);
	unlink(manager->socket);
	rmdir(manager->folder);
}

static int ask(const struct manager *manager, struct error *err)
{
	const struct scope_request request = {
		.name = "strata-x.scope",
		.description = "a test",
		.slice = "strata.slice",
		.pid = 4321,
		.address = manager->address,
	};

	return scope_start(&request, err);
}

static void the_request_is_complete_and_its_job_awaited(void **state)
{
	struct manager manager;
	struct error err = { 0 };
	int r;

	start_manager(&manager, "done");
	r = ask(&manager, &err);
	stop_manager(&manager);
	if (r < 0)
		fail_msg("%s", err.message);
}

static void a_job_that_fails_is_a_failure(void **state)
{
	struct manager manager;
	struct error err = { 0 };
	int r;

	start_manager(&manager, "timeout");
	r = ask(&manager, &err);
	stop_manager(&manager);
	assert_int_equal(r, -EIO);
	assert_non_null(strstr(err.message, "'timeout'"));
}

static void a_refusal_says_why(void **state)
{
	struct manager manager;
	struct error err = { 0 };
	int r;

	start_manager(&manager, NULL);
	r = ask(&manager, &err);
	stop_manager(&manager);
	assert_true(r < 0);
	assert_non_null(strstr(err.message, "already exists"));
}

static void nobody_there_is_said(void **state)
{
	const struct manager manager = { .address = "unix:path=/nonexistent/private" };
	struct error err = { 0 };

	assert_true(ask(&manager, &err) < 0);
	assert_non_null(strstr(err.message, "cannot connect to unix:path=/nonexistent/private"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_request_is_complete_and_its_job_awaited),
		cmocka_unit_test(a_job_that_fails_is_a_failure),
		cmocka_unit_test(a_refusal_says_why),
		cmocka_unit_test(nobody_there_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
