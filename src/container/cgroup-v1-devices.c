/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup-v1-devices.c - the device policy of v1 (Linux Documentation/admin-guide/cgroup-v1/
 * devices.rst): a default, and exceptions to it that the kernel takes one by one.
 *
 * The default can only be changed while the cgroup has no children, and between two defaults a
 * process would see the wrong policy: a running container that denies by default is changed by the
 * exceptions that differ.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/str.h"
#include "container/cgroup-v1.h"

/* "c 1:3 rwm" */
static void format_exception(char *buf, size_t size, const struct cgroup_device_exception *e)
{
	char major[24] = "*", minor[24] = "*";

	if (e->major >= 0)
		snprintf(major, sizeof(major), "%lld", (long long)e->major);
	if (e->minor >= 0)
		snprintf(minor, sizeof(minor), "%lld", (long long)e->minor);
	snprintf(buf, size, "%c %s:%s %s%s%s", e->type, major, minor,
		e->access & CGROUP_ACCESS_READ ? "r" : "",
		e->access & CGROUP_ACCESS_WRITE ? "w" : "",
		e->access & CGROUP_ACCESS_MKNOD ? "m" : "");
}

static int write_rule(int fd, const char *file, const struct cgroup_device_exception *e,
	unsigned access, struct error *err)
{
	struct cgroup_device_exception part = *e;
	char text[80];

	part.access = access;
	if (access == 0)
		return 0;
	format_exception(text, sizeof(text), &part);
	if (write(fd, text, strlen(text)) < 0)
		return error_errno(err, errno, "cannot write device rule '%s' to %s", text, file);
	return 0;
}

static int open_file(
	const struct cgroup_host *host, const char *path, const char *name, struct error *err)
{
	char file[PATH_MAX];
	int fd, r = v1_path(file, host, V1_DEVICES, path, name);

	if (r < 0)
		return error_errno(err, r, "cgroup %s", path);
	fd = open(file, O_WRONLY | O_CLOEXEC);
	return fd < 0 ? error_errno(err, errno, "cannot open %s", file) : fd;
}

/* The default is one write, each exception one more on a descriptor held open. */
static int set_policy(const struct cgroup_host *host, const char *path,
	const struct cgroup_device_policy *policy, struct error *err)
{
	const char *exceptions = policy->allow_by_default ? "devices.deny" : "devices.allow";
	_cleanup_close_ int fd = -1;
	int r = v1_write(host, V1_DEVICES, path,
		policy->allow_by_default ? "devices.allow" : "devices.deny", "a");

	if (r < 0)
		return error_errno(err, r, "cannot set the device policy of cgroup %s", path);
	if (policy->count == 0)
		return 0;
	fd = open_file(host, path, exceptions, err);
	r = fd < 0 ? fd : 0;
	for (size_t i = 0; i < policy->count && r == 0; i++)
		r = write_rule(
			fd, exceptions, &policy->exceptions[i], policy->exceptions[i].access, err);
	return r;
}

/* A line of devices.list as a rule that allows; false for "a *:* rwm", which says that the default
 * is to allow and hides the exceptions. */
static bool parse_line(const char *line, struct cgroup_device_rule *ret)
{
	char type, major[16], minor[16], access[4];

	if (sscanf(line, "%c %15[0-9*]:%15[0-9*] %3[rwm]", &type, major, minor, access) != 4 ||
		type == 'a')
		return false;
	*ret = (struct cgroup_device_rule){ .allow = true,
		.type = type,
		.major = *major == '*' ? -1 : strtoll(major, NULL, 10),
		.minor = *minor == '*' ? -1 : strtoll(minor, NULL, 10) };
	memcpy(ret->access, access, strlen(access) + 1);
	return true;
}

/* What is allowed now where the default is to deny: 1 with *ret (free its exceptions), 0 where the
 * default is another, negative errno. */
static int read_policy(const struct cgroup_host *host, const char *path,
	struct cgroup_device_policy *ret, struct error *err)
{
	_cleanup_free_ struct cgroup_device_rule *rules = NULL;
	_cleanup_free_ char *text = NULL;
	char file[PATH_MAX];
	size_t count = 1;
	int r = v1_path(file, host, V1_DEVICES, path, "devices.list");

	if (r == 0)
		r = io_read_file(AT_FDCWD, file, CGROUP_PROCS_MAX, &text, NULL, NULL);
	if (r < 0)
		return error_errno(err, r, "cannot read the device policy of cgroup %s", path);
	rules = calloc(cgroup_count_lines(text) + 1, sizeof(*rules));
	if (!rules)
		return error_oom(err);
	rules[0] = (struct cgroup_device_rule){
		.type = 'a', .major = -1, .minor = -1, .access = "rwm"
	};
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (!parse_line(line, &rules[count++]))
			return 0;
	r = cgroup_device_policy(rules, count, ret, err);
	return r < 0 ? r : 1;
}

/* The access that `policy` has for exactly the devices of e. */
static unsigned access_of(
	const struct cgroup_device_policy *policy, const struct cgroup_device_exception *e)
{
	for (size_t i = 0; i < policy->count; i++) {
		const struct cgroup_device_exception *other = &policy->exceptions[i];

		if (other->type == e->type && other->major == e->major && other->minor == e->minor)
			return other->access;
	}
	return 0;
}

/* What is new is allowed before anything is taken away. */
static int change_policy(const struct cgroup_host *host, const char *path,
	const struct cgroup_device_policy *from, const struct cgroup_device_policy *to,
	struct error *err)
{
	_cleanup_close_ int allow = open_file(host, path, "devices.allow", err);
	_cleanup_close_ int deny = allow < 0 ? -1 : open_file(host, path, "devices.deny", err);
	int r = 0;

	if (allow < 0 || deny < 0)
		return -err->code;
	for (size_t i = 0; i < to->count && r == 0; i++) {
		const struct cgroup_device_exception *e = &to->exceptions[i];

		r = write_rule(allow, "devices.allow", e, e->access & ~access_of(from, e), err);
	}
	for (size_t i = 0; i < from->count && r == 0; i++) {
		const struct cgroup_device_exception *e = &from->exceptions[i];

		r = write_rule(deny, "devices.deny", e, e->access & ~access_of(to, e), err);
	}
	return r;
}

static int apply_policy(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, bool fresh, struct error *err)
{
	struct cgroup_device_policy wanted, old = { 0 };
	_cleanup_free_ struct cgroup_device_exception *exceptions = NULL, *old_exceptions = NULL;
	int r = cgroup_device_policy(limits->device_rules, limits->nr_device_rules, &wanted, err);

	if (r < 0)
		return r;
	exceptions = wanted.exceptions;
	if (fresh || wanted.allow_by_default)
		return set_policy(host, path, &wanted, err);
	r = read_policy(host, path, &old, err);
	old_exceptions = old.exceptions;
	if (r <= 0)
		return r < 0 ? r : set_policy(host, path, &wanted, err);
	return change_policy(host, path, &old, &wanted, err);
}

int v1_apply_devices(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, bool fresh, struct error *err)
{
	int r = apply_policy(host, path, limits, fresh, err);

	/* Only the machine's root may; others need not: in a user namespace nobody can make a
	 * device node, and the host's nodes keep their permissions. */
	if (r == -EPERM && !cgroup_is_real_root()) {
		error_clear(err);
		r = 0;
	}
	return r;
}
