/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup-unit.c - the systemd driver: a container's cgroup is a transient scope that systemd makes,
 * and that it moves the first process into.
 *
 * systemd is spoken to by the helper program strata-scope, for this program has no libsystemd. It
 * is told the limits it has words for as properties of the scope: it would otherwise put its own
 * ideas in their place at its next reload. The files are then written by us all the same (the scope
 * is delegated), so that limits systemd has no word for hold as well, and so that both drivers give
 * the same numbers.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/process.h"
#include "base/str.h"
#include "container/cgroup-ops.h"

#define HELPER	   "strata-scope"
#define ANNOTATION "org.systemd.property."
/* Words of a helper's command line beside the properties. */
#define HELPER_WORDS_MAX 12

void cgroup_unit_free(struct cgroup_unit *unit)
{
	if (!unit)
		return;
	free(unit->name);
	free(unit->slice);
	strv_free(unit->properties);
	*unit = (struct cgroup_unit){ 0 };
}

/* --- names and paths ----------------------------------------------------------------------- */

/* "a-b.slice" -> "/a.slice/a-b.slice", "-.slice" -> "" (systemd.slice(5)). */
int cgroup_unit_expand_slice(const char *slice, char **ret, struct error *err)
{
	_cleanup_str_ struct str path = { 0 };
	const size_t len = strlen(slice) - (str_has_suffix(slice, ".slice") ? 6 : 0);

	str_append(&path, "");
	if (len == strlen(slice) || len == 0 || strchr(slice, '/'))
		return error_set(err, EINVAL, "'%s' is not the name of a slice", slice);
	for (size_t end = 0; end < len && !(len == 1 && *slice == '-'); end++) {
		const size_t start = end;

		end += strcspn(slice + end, "-");
		if (end > len)
			end = len;
		if (end == start || (end == len - 1 && slice[end] == '-'))
			return error_set(err, EINVAL,
				"'%s' is not the name of a slice: a '-' stands between two names",
				slice);
		str_appendf(&path, "/%.*s.slice", (int)end, slice);
	}
	*ret = str_finish(&path);
	return *ret ? 0 : error_oom(err);
}

/* Who we are to the machine, be it that we are root in a user namespace. */
static uid_t outer_uid(void)
{
	unsigned inside, outside, count;
	char map[256];

	if (cgroup_read_text("/proc/self/uid_map", map, sizeof(map)) > 0 &&
		sscanf(map, "%u %u %u", &inside, &outside, &count) == 3 &&
		geteuid() - inside < count)
		return outside + (geteuid() - inside);
	return geteuid();
}

/* Below which cgroup the manager has its slices: "" for the system's, unless it is in a container
 * itself. *ret is malloc'd. */
static int manager_path(bool user, char **ret, struct error *err)
{
	static const char unit[] = "/user@";
	char text[PATH_MAX], *end;
	_cleanup_free_ char *path = NULL;

	if (!user) {
		if (cgroup_read_text("/proc/1/cgroup", text, sizeof(text)) <= 0 ||
			cgroup_parse_systemd(text, &path) < 0 ||
			!str_has_suffix(path, "/init.scope"))
			path = strdup("");
		else
			path[strlen(path) - strlen("/init.scope")] = '\0';
	} else if (cgroup_read_text("/proc/self/cgroup", text, sizeof(text)) > 0 &&
		cgroup_parse_systemd(text, &path) == 0 && (end = strstr(path, unit))) {
		end[1 + strcspn(end + 1, "/")] = '\0';
	} else {
		free(path);
		path = strf("/user.slice/user-%u.slice/user@%u.service", outer_uid(), outer_uid());
	}
	if (!path)
		return error_oom(err);
	*ret = steal_ptr(&path);
	return 0;
}

static int unit_path(const struct cgroup_unit *unit, char **ret, struct error *err)
{
	_cleanup_free_ char *slice = NULL, *manager = NULL;
	int r = cgroup_unit_expand_slice(unit->slice, &slice, err);

	if (r == 0)
		r = manager_path(unit->user, &manager, err);
	if (r < 0)
		return r;
	*ret = strf("%s%s/%s", manager, slice, unit->name);
	return *ret ? 0 : error_oom(err);
}

/* "SLICE:PREFIX:NAME" -> the slice and "PREFIX-NAME.scope". */
static int parse_unit(
	const char *cgroups_path, const char *id, struct cgroup_unit *unit, struct error *err)
{
	_cleanup_strv_ char **parts = cgroups_path && *cgroups_path ? strv_split(cgroups_path, ':')
								    : strv_split("::", ':');

	if (!parts)
		return error_oom(err);
	if (strv_length(parts) != 3)
		return error_set(err, EINVAL,
			"cgroupsPath: the systemd cgroup driver wants SLICE:PREFIX:NAME, not '%s'",
			cgroups_path);
	if (strchr(cgroups_path ? cgroups_path : "", '/') || str_has_suffix(parts[2], ".slice"))
		return error_set(err, EINVAL,
			"cgroupsPath '%s' is not that of a scope, which a container is to the systemd "
			"cgroup driver",
			cgroups_path);
	unit->slice = *parts[0] ? strdup(parts[0])
				: strdup(unit->user ? "user.slice" : "system.slice");
	if (!*parts[2])
		unit->name = strf("strata-%s.scope", id);
	else
		unit->name = strf("%s%s%s.scope", parts[1], *parts[1] ? "-" : "", parts[2]);
	return unit->slice && unit->name ? 0 : error_oom(err);
}

int cgroup_unit_place(const char *cgroups_path, const char *id, char **ret_path,
	struct cgroup_unit *ret_unit, struct error *err)
{
	_cleanup_(cgroup_unit_free) struct cgroup_unit unit = { .user = !cgroup_is_real_root() };
	struct stat st;
	int r;

	/* sd_booted(3) */
	if (lstat("/run/systemd/system", &st) < 0 || !S_ISDIR(st.st_mode))
		return error_set(
			err, ENOTSUP, "systemd cgroup driver: systemd is not running as init");
	r = parse_unit(cgroups_path, id, &unit, err);
	if (r == 0)
		r = unit_path(&unit, ret_path, err);
	if (r < 0)
		return r;
	*ret_unit = unit;
	unit = (struct cgroup_unit){ 0 };
	return 0;
}

int cgroup_unit_read_annotations(
	struct cgroup_unit *unit, char *const *annotations, struct error *err)
{
	if (!unit->name)
		return 0;
	strv_for_each (annotation, annotations) {
		const char *setting = str_after_prefix(*annotation, ANNOTATION);

		if (setting && strv_push(&unit->properties, setting) < 0)
			return error_oom(err);
	}
	return 0;
}

/* --- the helper ---------------------------------------------------------------------------- */

/* strata-scope VERB [--user] [--slice SLICE] --property ... NAME [PID] */
static int run_helper(const struct cgroup_unit *unit, const char *verb, char *const *settings,
	pid_t pid, struct error *err)
{
	_cleanup_free_ const char **argv = NULL;
	char helper[PATH_MAX], pid_text[16];
	size_t argc = 0;
	int r = process_helper_path(HELPER, helper, sizeof(helper), err);

	if (r < 0)
		return error_prefix(err, "systemd cgroup driver");
	argv = calloc(2 * strv_length(settings) + HELPER_WORDS_MAX, sizeof(*argv));
	if (!argv)
		return error_oom(err);
	snprintf(pid_text, sizeof(pid_text), "%d", (int)pid);
	argv[argc++] = helper;
	argv[argc++] = verb;
	if (unit->user)
		argv[argc++] = "--user";
	if (streq(verb, "start")) {
		argv[argc++] = "--slice";
		argv[argc++] = unit->slice;
	}
	strv_for_each (setting, settings) {
		argv[argc++] = "--property";
		argv[argc++] = *setting;
	}
	argv[argc++] = "--";
	argv[argc++] = unit->name;
	if (pid > 0)
		argv[argc++] = pid_text;
	r = process_run((char *const *)(void *)argv, NULL, NULL, err);
	return r > 0 ? -EIO : r;
}

int cgroup_unit_start(const struct cgroup_unit *unit, pid_t pid, const struct cgroup_limits *limits,
	bool v2, struct error *err)
{
	static const char *const always[] = { "Description='strata container'",
		"DefaultDependencies=false", "MemoryAccounting=true", "CPUAccounting=true",
		"TasksAccounting=true" };
	_cleanup_strv_ char **settings = NULL;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(always) && r == 0; i++)
		r = strv_push(&settings, always[i]);
	if (r == 0)
		r = strv_push(&settings, v2 ? "IOAccounting=true" : "BlockIOAccounting=true");
	if (r < 0)
		return error_oom(err);
	r = cgroup_unit_properties(limits, v2, &settings, err);
	strv_for_each (setting, unit->properties)
		if (r == 0 && strv_push(&settings, *setting) < 0)
			r = error_oom(err);
	return r < 0 ? r : run_helper(unit, "start", settings, pid, err);
}

int cgroup_unit_set(const struct cgroup_unit *unit, const struct cgroup_limits *limits, bool v2,
	struct error *err)
{
	_cleanup_strv_ char **settings = NULL;
	int r = cgroup_unit_properties(limits, v2, &settings, err);

	return r < 0 || !settings ? r : run_helper(unit, "set", settings, 0, err);
}

int cgroup_unit_stop(const struct cgroup_unit *unit, struct error *err)
{
	return unit->name ? run_helper(unit, "stop", NULL, 0, err) : 0;
}

int cgroup_unit_attach(const struct cgroup_unit *unit, pid_t pid, struct error *err)
{
	return run_helper(unit, "attach", NULL, pid, err);
}
