/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec-cgroup.c - the cgroup of another process in a running container (the parent's side).
 *
 * A container may have divided its cgroup (systemd in it does). On v2 one that hands controllers
 * to its children takes no processes itself, so what joins goes where the first process is, or to
 * the sub-cgroup that the caller names. On v1 the process enters the container's cgroup in every
 * hierarchy like any other, and is moved on from there before it executes anything.
 */
#include "container/internal.h"

#include <limits.h>
#include <stdio.h>

#include "base/io.h"
#include "base/str.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

/* "sub", "/sub" or "/", without a way out. */
static int check_sub(const char *sub, struct error *err)
{
	for (const char *p = sub; *p;) {
		size_t n = strcspn(p, "/");

		if (n == 2 && p[0] == '.' && p[1] == '.')
			return error_set(
				err, EINVAL, "the sub-cgroup %s leads out of the container's", sub);
		p += n + (p[n] == '/');
	}
	return 0;
}

/* /cgroup/of/container + sub, no slash at the end. */
static char *join(const char *path, const char *sub)
{
	size_t len;

	sub += strspn(sub, "/");
	len = strlen(sub);
	while (len && sub[len - 1] == '/')
		len--;
	return len ? strf("%s/%.*s", path, (int)len, sub) : strdup(path);
}

/* --- v2 -------------------------------------------------------------------------------------- */

/* Does it hand controllers on? Then it takes no processes ("no internal process"). */
static bool is_divided(const char *path)
{
	_cleanup_free_ char *file = strf(CGROUP_ROOT "%s/cgroup.subtree_control", path);
	_cleanup_free_ char *text = NULL;

	return file && io_read_file(AT_FDCWD, file, 4096, &text, NULL, NULL) == 0 &&
		text[strspn(text, " \n")];
}

/* Where the first process is, if that is below `path`. */
static int find_first_process(const char *path, pid_t init_pid, char **ret, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	const char *found, *rest;
	char file[40];
	int r;

	snprintf(file, sizeof(file), "/proc/%d/cgroup", (int)init_pid);
	r = io_read_file(AT_FDCWD, file, 64u << 10, &text, NULL, err);
	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	found = str_after_prefix(text, "0::");
	rest = found ? str_after_prefix(found, path) : NULL;
	*ret = strdup(rest && (*rest == '/' || !*rest) ? found : path);
	return *ret ? 0 : error_oom(err);
}

static int choose_v2(const struct container_config *config, pid_t init_pid, char *const *subs,
	char **ret, struct error *err)
{
	int r;

	if (!subs || !*subs) {
		if (is_divided(config->cgroup_path))
			return find_first_process(config->cgroup_path, init_pid, ret, err);
		*ret = strdup(config->cgroup_path);
		return *ret ? 0 : error_oom(err);
	}
	if (subs[1] || strchr(*subs, ':'))
		return error_set(err, EINVAL,
			"the sub-cgroup %s: on cgroup v2 there is one, and it names no controllers",
			subs[1] ? subs[1] : *subs);
	r = check_sub(*subs, err);
	if (r < 0)
		return r;
	*ret = join(config->cgroup_path, *subs);
	return *ret ? 0 : error_oom(err);
}

int exec_choose_cgroup(const struct container_config *config, pid_t init_pid, char *const *subs,
	char **ret, struct error *err)
{
	*ret = NULL;
	/* An ordinary user's is systemd's to enter. */
	if (!config->cgroup_path ||
		(!config->cgroup_unit.name && cgroup_host_kind() == CGROUP_NONE))
		return !subs || !*subs
			? 0
			: error_set(err, ENOTSUP, "the sub-cgroup %s: this container has no cgroup",
				  *subs);
	if (cgroup_host_kind() == CGROUP_V2)
		return choose_v2(config, init_pid, subs, ret, err);
	*ret = strdup(config->cgroup_path);
	return *ret ? 0 : error_oom(err);
}

/* --- v1 -------------------------------------------------------------------------------------- */

static int move_in(const char *hierarchy, const char *path, pid_t pid, struct error *err)
{
	_cleanup_free_ char *file = strf(CGROUP_ROOT "/%s%s/cgroup.procs", hierarchy, path);
	char number[16];
	int r;

	if (!file)
		return error_oom(err);
	snprintf(number, sizeof(number), "%d", (int)pid);
	r = io_write_kernel_file(AT_FDCWD, file, number);
	return r < 0 ? error_errno(err, r, "cannot enter the cgroup %s of %s", path, hierarchy) : 0;
}

/* Every hierarchy that the container has a part in. */
static int move_in_all(const char *top, const char *path, pid_t pid, struct error *err)
{
	_cleanup_closedir_ DIR *dir = opendir(CGROUP_ROOT);
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return error_errno(err, errno, "cannot read " CGROUP_ROOT);
	while (r == 0 && (entry = readdir(dir))) {
		_cleanup_free_ char *own = strf(CGROUP_ROOT "/%s%s", entry->d_name, top);

		if (!own)
			return error_oom(err);
		/* "cpu" is a link to "cpu,cpuacct". */
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.' && access(own, F_OK) == 0)
			r = move_in(entry->d_name, path, pid, err);
	}
	return r;
}

/* "CONTROLLER[,CONTROLLER...]:SUB", or "SUB" for all of them. */
static int move_one(
	const struct container_config *config, const char *sub, pid_t pid, struct error *err)
{
	const char *colon = strchr(sub, ':'), *name = colon ? colon + 1 : sub;
	_cleanup_free_ char *path = join(config->cgroup_path, name);
	_cleanup_free_ char *controllers = strndup(sub, colon ? (size_t)(colon - sub) : 0);
	char *cursor = controllers, *controller;
	int r = check_sub(name, err);

	if (r < 0)
		return r;
	if (!path || !controllers)
		return error_oom(err);
	if (!colon)
		return move_in_all(config->cgroup_path, path, pid, err);
	while (r == 0 && (controller = strsep(&cursor, ","))) {
		_cleanup_free_ char *hierarchy = strf(CGROUP_ROOT "/%s", controller);

		if (!hierarchy)
			return error_oom(err);
		if (!*controller || strchr(controller, '/') || access(hierarchy, F_OK) < 0)
			return error_set(err, EINVAL,
				"the sub-cgroup %s: unknown controller \"%s\"", sub, controller);
		r = move_in(controller, path, pid, err);
	}
	return r;
}

int exec_move_to_cgroups(
	const struct container_config *config, char *const *subs, pid_t pid, struct error *err)
{
	int r = 0;

	if (!config->cgroup_path || cgroup_host_kind() != CGROUP_V1)
		return 0;
	strv_for_each (sub, subs)
		if (r == 0)
			r = move_one(config, *sub, pid, err);
	return r;
}
