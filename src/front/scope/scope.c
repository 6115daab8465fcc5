/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scope.c - a transient scope of systemd around a running process (org.freedesktop.systemd1(5)):
 * StartTransientUnit, SetUnitProperties, StopUnit.
 *
 * A monitor outlives the login that started it: systemd ends a login's processes by its cgroup, so
 * the monitor needs a cgroup of its own, and on a systemd host those are systemd's to give. So it
 * is with a container whose engine wants the systemd driver: its scope is where its limits are.
 * A scope is delegated (Delegate=yes): below it we may divide as we like, a user as well as root.
 *
 * The manager is spoken to on its private socket, as systemctl does, which works without a D-Bus
 * daemon; where that is not there or not ours, through the bus.
 */
#include "front/scope/scope.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "front/scope/variant.h"

#define MANAGER_NAME	  "org.freedesktop.systemd1"
#define MANAGER_PATH	  "/org/freedesktop/systemd1"
#define MANAGER_INTERFACE "org.freedesktop.systemd1.Manager"

/* How long the manager may take; a busy one at boot needs a few seconds. */
#define SCOPE_TIMEOUT_US UINT64_C(15000000)

struct job {
	const char *path; /* NULL until the manager has named it */
	bool removed;
	char result[32];
};

static void cleanup_bus(sd_bus **bus)
{
	sd_bus_flush_close_unref(*bus);
}

static void cleanup_message(sd_bus_message **m)
{
	sd_bus_message_unref(*m);
}

/* A connection with the manager itself at the other end: no bus, so no names and no hello. */
static int open_address(const char *address, sd_bus **ret)
{
	_cleanup_(cleanup_bus) sd_bus *bus = NULL;
	int r = sd_bus_new(&bus);

	if (r >= 0)
		r = sd_bus_set_address(bus, address);
	if (r >= 0)
		r = sd_bus_start(bus);
	if (r < 0)
		return r;
	*ret = steal_ptr(&bus);
	return 0;
}

static int open_private(bool user, sd_bus **ret)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char address[256];

	if (!user)
		return open_address("unix:path=/run/systemd/private", ret);
	/* D-Bus addresses escape what is neither letter, digit nor -_/.\*; a runtime folder with
	 * such a name is left to libsystemd, below. */
	if (runtime &&
		runtime[strspn(runtime,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/.")])
		return -EINVAL;
	if (runtime)
		snprintf(address, sizeof(address), "unix:path=%.200s/systemd/private", runtime);
	else
		snprintf(address, sizeof(address), "unix:path=/run/user/%u/systemd/private",
			geteuid());
	return open_address(address, ret);
}

static int open_manager(const struct scope_request *request, sd_bus **ret, struct error *err)
{
	int r;

	if (request->address) {
		r = open_address(request->address, ret);
		if (r < 0)
			return error_errno(err, r, "cannot connect to %s", request->address);
		return 0;
	}
	if (open_private(request->user, ret) >= 0)
		return 0;
	r = request->user ? sd_bus_open_user(ret) : sd_bus_open_system(ret);
	if (r < 0)
		return error_errno(err, r, "cannot connect to %s systemd",
			request->user ? "the user's" : "the system's");
	return 0;
}

static int on_job_removed(sd_bus_message *m, void *context, sd_bus_error *error)
{
	const char *path, *unit, *result;
	struct job *job = context;
	uint32_t id;
	int r = sd_bus_message_read(m, "uoss", &id, &path, &unit, &result);

	(void)error;
	if (r >= 0 && job->path && streq(job->path, path)) {
		job->removed = true;
		snprintf(job->result, sizeof(job->result), "%s", result);
	}
	return 0;
}

static int append_given(sd_bus_message *m, const struct scope_request *request, struct error *err)
{
	int r = 0;

	strv_for_each (setting, request->properties) {
		r = variant_append_property(m, *setting, err);
		if (r < 0)
			break;
	}
	return r;
}

/* What every scope of ours has; the caller's properties come last, for the last one counts. */
static int append_common(sd_bus_message *m, const struct scope_request *request)
{
	uint32_t pid = (uint32_t)request->pid;
	int r = sd_bus_message_append(m, "(sv)", "PIDs", "au", 1, pid);

	if (r >= 0)
		r = sd_bus_message_append(m, "(sv)", "Delegate", "b", 1);
	if (r >= 0)
		r = sd_bus_message_append(m, "(sv)", "Description", "s", request->description);
	/* Limits are the container's business, not the manager's default for services. */
	if (r >= 0)
		r = sd_bus_message_append(m, "(sv)", "TasksMax", "t", UINT64_MAX);
	/* A scope that failed must not stay in the way of the next start. */
	if (r >= 0)
		r = sd_bus_message_append(m, "(sv)", "CollectMode", "s", "inactive-or-failed");
	if (r >= 0 && request->slice)
		r = sd_bus_message_append(m, "(sv)", "Slice", "s", request->slice);
	return r;
}

static int new_call(sd_bus *bus, const char *method, const struct scope_request *request,
	sd_bus_message **ret, struct error *err)
{
	int r = sd_bus_message_new_method_call(
		bus, ret, MANAGER_NAME, MANAGER_PATH, MANAGER_INTERFACE, method);

	if (r >= 0)
		r = sd_bus_message_append(*ret, "s", request->name);
	return r < 0 ? error_errno(err, r, "cannot write the request for %s", request->name) : 0;
}

static int write_start(
	sd_bus *bus, const struct scope_request *request, sd_bus_message **ret, struct error *err)
{
	int r = new_call(bus, "StartTransientUnit", request, ret, err);

	if (r < 0)
		return r;
	r = sd_bus_message_append(*ret, "s", "fail");
	if (r >= 0)
		r = sd_bus_message_open_container(*ret, 'a', "(sv)");
	if (r >= 0)
		r = append_common(*ret, request);
	if (r >= 0) {
		r = append_given(*ret, request, err);
		if (r < 0)
			return r;
		r = sd_bus_message_close_container(*ret);
	}
	/* No auxiliary units. */
	if (r >= 0)
		r = sd_bus_message_append(*ret, "a(sa(sv))", 0);
	return r < 0 ? error_errno(err, r, "cannot write the request for %s", request->name) : 0;
}

static void reset_failed(sd_bus *bus, const char *name)
{
	(void)sd_bus_call_method(bus, MANAGER_NAME, MANAGER_PATH, MANAGER_INTERFACE,
		"ResetFailedUnit", NULL, NULL, "s", name);
}

/* The reply names the job; it holds the path for as long as the caller keeps it. */
static int start_unit(sd_bus *bus, const struct scope_request *request, sd_bus_message **ret_reply,
	const char **ret_job, struct error *err)
{
	_cleanup_(sd_bus_error_free) sd_bus_error failure = SD_BUS_ERROR_NULL;
	int r = 0;

	for (int attempt = 0; attempt < 2; attempt++) {
		_cleanup_(cleanup_message) sd_bus_message *m = NULL;

		r = write_start(bus, request, &m, err);
		if (r < 0)
			return r;
		sd_bus_error_free(&failure);
		r = sd_bus_call(bus, m, SCOPE_TIMEOUT_US, &failure, ret_reply);
		if (r >= 0 ||
			!sd_bus_error_has_name(&failure, "org.freedesktop.systemd1.UnitExists"))
			break;
		/* One of that name that has failed, and that nobody has looked at. */
		reset_failed(bus, request->name);
	}
	if (r < 0)
		return error_set(err, r, "systemd does not start %s: %s", request->name,
			failure.message ? failure.message : strerror(-r));
	r = sd_bus_message_read(*ret_reply, "o", ret_job);
	if (r < 0)
		return error_errno(err, r, "cannot read systemd's answer about %s", request->name);
	return 0;
}

static int wait_for(
	sd_bus *bus, struct job *job, const char *verb, const char *name, struct error *err)
{
	int64_t deadline = clock_monotonic_ns() + (int64_t)SCOPE_TIMEOUT_US * 1000;
	int r;

	while (!job->removed) {
		int64_t left_us = (deadline - clock_monotonic_ns()) / 1000;

		r = sd_bus_process(bus, NULL);
		if (r < 0)
			return error_errno(
				err, r, "lost the connection to systemd waiting for %s", name);
		if (r > 0)
			continue;
		if (left_us <= 0)
			return error_set(
				err, ETIMEDOUT, "systemd did not %s %s in 15 seconds", verb, name);
		r = sd_bus_wait(bus, (uint64_t)left_us);
		if (r < 0 && r != -EINTR)
			return error_errno(err, r, "cannot wait for systemd");
	}
	if (!streq(job->result, "done"))
		return error_set(err, EIO, "systemd did not %s %s: the job ended as '%s'", verb,
			name, job->result);
	return 0;
}

/* Connect, and listen to the ends of jobs before one is asked for, so that no answer is missed;
 * signals queue up until wait_for(). */
static int open_listening(
	const struct scope_request *request, struct job *job, sd_bus **ret, struct error *err)
{
	int r = open_manager(request, ret, err);

	if (r < 0)
		return r;
	r = sd_bus_match_signal(*ret, NULL, NULL, MANAGER_PATH, MANAGER_INTERFACE, "JobRemoved",
		on_job_removed, job);
	if (r < 0)
		return error_errno(err, r, "cannot listen to systemd");
	/* Through a bus the manager only sends signals while somebody has asked for them. */
	(void)sd_bus_call_method(
		*ret, MANAGER_NAME, MANAGER_PATH, MANAGER_INTERFACE, "Subscribe", NULL, NULL, "");
	return 0;
}

int scope_start(const struct scope_request *request, struct error *err)
{
	_cleanup_(cleanup_bus) sd_bus *bus = NULL;
	_cleanup_(cleanup_message) sd_bus_message *reply = NULL;
	struct job job = { 0 };
	int r = open_listening(request, &job, &bus, err);

	if (r == 0)
		r = start_unit(bus, request, &reply, &job.path, err);
	return r < 0 ? r : wait_for(bus, &job, "start", request->name, err);
}

int scope_set(const struct scope_request *request, struct error *err)
{
	_cleanup_(cleanup_bus) sd_bus *bus = NULL;
	_cleanup_(cleanup_message) sd_bus_message *m = NULL;
	_cleanup_(sd_bus_error_free) sd_bus_error failure = SD_BUS_ERROR_NULL;
	int r = open_manager(request, &bus, err);

	if (r == 0)
		r = new_call(bus, "SetUnitProperties", request, &m, err);
	if (r < 0)
		return r;
	/* Until the unit is gone, not for a next one of that name. */
	r = sd_bus_message_append(m, "b", 1);
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "(sv)");
	if (r >= 0) {
		r = append_given(m, request, err);
		if (r < 0)
			return r;
		r = sd_bus_message_close_container(m);
	}
	if (r < 0)
		return error_errno(err, r, "cannot write the request for %s", request->name);
	r = sd_bus_call(bus, m, SCOPE_TIMEOUT_US, &failure, NULL);
	if (r < 0)
		return error_set(err, r, "systemd does not change %s: %s", request->name,
			failure.message ? failure.message : strerror(-r));
	return 0;
}

int scope_attach(const struct scope_request *request, struct error *err)
{
	_cleanup_(cleanup_bus) sd_bus *bus = NULL;
	_cleanup_(sd_bus_error_free) sd_bus_error failure = SD_BUS_ERROR_NULL;
	int r = open_manager(request, &bus, err);

	if (r < 0)
		return r;
	r = sd_bus_call_method(bus, MANAGER_NAME, MANAGER_PATH, MANAGER_INTERFACE,
		"AttachProcessesToUnit", &failure, NULL, "ssau", request->name, "", 1,
		(uint32_t)request->pid);
	if (r < 0)
		return error_set(err, r, "systemd does not move process %d into %s: %s",
			(int)request->pid, request->name,
			failure.message ? failure.message : strerror(-r));
	return 0;
}

int scope_stop(const struct scope_request *request, struct error *err)
{
	_cleanup_(cleanup_bus) sd_bus *bus = NULL;
	_cleanup_(cleanup_message) sd_bus_message *reply = NULL;
	_cleanup_(sd_bus_error_free) sd_bus_error failure = SD_BUS_ERROR_NULL;
	struct job job = { 0 };
	int r = open_listening(request, &job, &bus, err);

	if (r < 0)
		return r;
	r = sd_bus_call_method(bus, MANAGER_NAME, MANAGER_PATH, MANAGER_INTERFACE, "StopUnit",
		&failure, &reply, "ss", request->name, "replace");
	/* A scope ends with its last process: usually there is none any more. */
	if (r < 0 && sd_bus_error_has_name(&failure, "org.freedesktop.systemd1.NoSuchUnit"))
		return 0;
	if (r < 0)
		return error_set(err, r, "systemd does not stop %s: %s", request->name,
			failure.message ? failure.message : strerror(-r));
	r = sd_bus_message_read(reply, "o", &job.path);
	if (r < 0)
		return error_errno(err, r, "cannot read systemd's answer about %s", request->name);
	r = wait_for(bus, &job, "stop", request->name, err);
	reset_failed(bus, request->name);
	return r;
}
