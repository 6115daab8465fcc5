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
#include "front/scope/variant.h"

#define JOB	  "/org/freedesktop/systemd1/job/42"
#define OTHER_JOB "/org/freedesktop/systemd1/job/41"

struct manager {
	char folder[32], socket[64], address[80];
	pid_t pid;
	const char *result; /* of the job; NULL: refuse the request */
};

/* "KEY=TYPE ITEM ITEM ..." of the lists of bytes and of pairs of strings; of others the type. */
static void read_list(sd_bus_message *m, const char *key, const char *type, char *line, size_t size)
{
	const char *a, *b;
	uint8_t byte;

	snprintf(line, size, "%s=%s", key, type);
	if (!streq(type, "ay") && !streq(type, "a(ss)")) {
		sd_bus_message_skip(m, type);
		return;
	}
	sd_bus_message_enter_container(m, 'a', type + 1);
	while (streq(type, "ay") && sd_bus_message_read(m, "y", &byte) > 0)
		snprintf(line + strlen(line), size - strlen(line), " %u", byte);
	while (streq(type, "a(ss)") && sd_bus_message_read(m, "(ss)", &a, &b) > 0)
		snprintf(line + strlen(line), size - strlen(line), " %s %s", a, b);
	sd_bus_message_exit_container(m);
}

/* What a request must hold, as one string. */
static int check_request(sd_bus_message *m)
{
	static const char *const wanted[] = { "PIDs=4321", "Delegate=1", "Description=a test",
		"TasksMax=18446744073709551615", "CollectMode=inactive-or-failed",
		"Slice=strata.slice", "MemoryMax=65536", "TimeoutStopUSec=1500000",
		"AllowedCPUs=ay 3 255", "DeviceAllow=a(ss) /dev/null rw /dev/zero r", "Markers=as",
		"SendSIGHUP=1" };
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
		} else {
			read_list(m, key, contents, line, sizeof(line));
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
	static char *properties[] = { (char *)"MemoryMax=uint64 65536",
		(char *)"TimeoutStopSec=1.5", (char *)"AllowedCPUs=[byte 3, 0xff]",
		(char *)"DeviceAllow=[('/dev/null', 'rw'), ('/dev/zero', 'r')]",
		(char *)"Markers=@as []", (char *)"SendSIGHUP=true", NULL };
	const struct scope_request request = {
		.properties = properties,
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

static void a_value_that_is_none_is_refused(void **state)
{
	static const char *const wrong[] = { "X", "=1", "Bad-Name=1", "X=", "X=uint64 -1",
		"X=byte 256", "X=int16 -32769", "X='open", "X=[1, 'two']", "X=[]", "X=(1", "X=[1",
		"X=1 2", "X=uint64 'a'", "X=nonsense", "X={'a': 1}", "X=@a{ss} []", "XSec=soon",
		"X=[[[[[1]]]]]", "X=@as 5" };
	static const char *const right[] = { "X=int16 -32768", "X=-5", "X=2.5", "X='it\\'s'",
		"X=\"a 'b'\"", "X=[[1, 2], [3]]", "X=(1, 'a', [true])", "X=@a(ss) []", "X= 7 ",
		"XUSec=uint64 5", "XSec=5" };
	struct error err = { 0 };
	sd_bus *bus = NULL;
	int pair[2];

	/* Nobody answers: the messages are written and thrown away. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_true(sd_bus_new(&bus) >= 0);
	assert_true(sd_bus_set_fd(bus, pair[0], pair[0]) >= 0);
	assert_true(sd_bus_start(bus) >= 0);
	for (size_t i = 0; i < ARRAY_SIZE(wrong) + ARRAY_SIZE(right); i++) {
		bool good = i >= ARRAY_SIZE(wrong);
		const char *text = good ? right[i - ARRAY_SIZE(wrong)] : wrong[i];
		sd_bus_message *m = NULL;

		assert_true(sd_bus_message_new_method_call(bus, &m, "a.b", "/", "a.b", "C") >= 0);
		if ((variant_append_property(m, text, &err) >= 0) != good)
			fail_msg("%s was %s", text, good ? err.message : "accepted");
		sd_bus_message_unref(m);
	}
	sd_bus_close_unref(bus);
	close(pair[1]);
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
		cmocka_unit_test(a_value_that_is_none_is_refused),
		cmocka_unit_test(nobody_there_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
