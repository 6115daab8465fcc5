/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup-delegate.c - where on a v2 host a new container's cgroup may go.
 *
 * Root uses the root of the tree, scope or not: its monitors need not wait for systemd then, and a
 * container does not get the SIGTERM that ends its monitor's scope at a shutdown, but what its
 * monitor makes of it. A user may divide the cgroup we are in when it belongs to that user: the
 * scope that strata-scope made for this monitor, or one that somebody else has prepared.
 *
 * A cgroup that hands controllers down may hold no processes (cgroup-v2.rst, "No Internal Process
 * Constraint"), so whoever is in such a place is first moved to its leaf "supervise".
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/str.h"
#include "container/cgroup-ops.h"

#define SUPERVISE "supervise"

/* The path on the line that begins with `hierarchy`, "" for the root: "0::/a/b\n" -> "/a/b". */
static int parse_line(const char *text, const char *hierarchy, char **ret)
{
	for (const char *line = text; line && *line;) {
		const char *path = str_after_prefix(line, hierarchy);

		if (path) {
			size_t n = strcspn(path, "\n");

			/* Deleted under us, or outside our cgroup namespace: nobody's to divide. */
			if (n == 0 || path[0] != '/' || strncmp(path, "/..", 3) == 0 ||
				(n > 10 && strncmp(path + n - 10, " (deleted)", 10) == 0))
				return -ENOTSUP;
			*ret = strndup(path, n == 1 ? 0 : n);
			return *ret ? 0 : -ENOMEM;
		}
		line = strchr(line, '\n');
		if (line)
			line++;
	}
	return -ENOTSUP;
}

int cgroup_v2_parse_self(const char *text, char **ret)
{
	return parse_line(text, "0::", ret);
}

/* v1's line is "NUMBER:name=systemd:PATH"; without one it is v2. */
int cgroup_parse_systemd(const char *text, char **ret)
{
	const char *line = strstr(text, ":name=systemd:");

	return line ? parse_line(line, ":name=systemd:", ret) : cgroup_v2_parse_self(text, ret);
}

/* "0 0 4294967295" is the map of the machine's own user namespace. */
bool cgroup_is_real_root(void)
{
	char map[256];
	unsigned inside, outside, count;

	return geteuid() == 0 && cgroup_read_text("/proc/self/uid_map", map, sizeof(map)) > 0 &&
		sscanf(map, "%u %u %u", &inside, &outside, &count) == 3 && inside == 0 &&
		outside == 0 && count == UINT32_MAX;
}

/* Our own cgroup, or its parent where an earlier strata has moved us to the leaf. */
static int own_cgroup(char **ret)
{
	char text[PATH_MAX];
	int r = cgroup_read_text("/proc/self/cgroup", text, sizeof(text));

	if (r == 0)
		r = -ENOTSUP;
	if (r > 0)
		r = cgroup_v2_parse_self(text, ret);
	if (r == 0 && str_has_suffix(*ret, "/" SUPERVISE))
		*strrchr(*ret, '/') = '\0';
	return r;
}

static bool may_write(const char *root, const char *path)
{
	static const char *const files[] = { "", "/cgroup.procs", "/cgroup.subtree_control" };
	char full[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (cgroup_path_of(full, root, path, files[i]) < 0 || access(full, W_OK) < 0)
			return false;
	return true;
}

int cgroup_v2_delegated(const char *root, char **ret)
{
	_cleanup_free_ char *own = NULL;
	int r = own_cgroup(&own);

	if (r < 0)
		return r;
	if (!*own || !may_write(root, own))
		return -ENOTSUP;
	*ret = steal_ptr(&own);
	return 0;
}

/* Empty `base` of processes. New ones can only come from those in it, which the loop sees. */
#define SUPERVISE_PASSES 64

static int supervise(const char *root, const char *base, struct error *err)
{
	char dir[PATH_MAX], leaf[PATH_MAX], procs[PATH_MAX], text[24];
	int r = cgroup_path_of(dir, root, base);

	if (r == 0)
		r = cgroup_path_of(leaf, root, base, "/" SUPERVISE);
	if (r == 0)
		r = cgroup_path_of(procs, root, base, "/" SUPERVISE "/cgroup.procs");
	for (int pass = 0; r == 0 && pass < SUPERVISE_PASSES; pass++) {
		_cleanup_pid_list_ struct cgroup_pid_list list = { .file = "cgroup.procs" };
		size_t moved = 0;

		r = cgroup_list_pids(dir, &list);
		if (r < 0 || list.count == 0)
			break;
		if (mkdir(leaf, 0755) < 0 && errno != EEXIST)
			return error_errno(err, errno, "cannot make cgroup %s", leaf);
		for (size_t i = 0; i < list.count && r == 0; i++) {
			snprintf(text, sizeof(text), "%d", list.pids[i]);
			r = io_write_kernel_file(AT_FDCWD, procs, text);
			moved += r == 0;
			if (r == -ESRCH)
				r = 0;
		}
		if (r == 0 && !moved)
			break;
	}
	if (r < 0)
		return error_errno(
			err, r, "cannot move the processes of cgroup %s to %s", base, leaf);
	return 0;
}

bool cgroup_v2_user_manager(void)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char path[PATH_MAX];

	if (runtime && cgroup_path_of(path, runtime, "/systemd/private") == 0 &&
		access(path, F_OK) == 0)
		return true;
	snprintf(path, sizeof(path), "/run/user/%u/systemd/private", geteuid());
	return access(path, F_OK) == 0;
}

/* The root of what we see is a real cgroup, not the machine's root: we are in a container. */
static bool root_is_confined(const char *root)
{
	char path[PATH_MAX];

	return cgroup_path_of(path, root, "/cgroup.type") == 0 && access(path, F_OK) == 0;
}

int cgroup_v2_base(const char *root, char **ret, struct error *err)
{
	_cleanup_free_ char *base = NULL;
	char procs[PATH_MAX];
	int r = 0;

	/* An ordinary user, and who is root in a user namespace of theirs. */
	if (cgroup_path_of(procs, root, "/cgroup.procs") < 0 || access(procs, W_OK) < 0) {
		r = cgroup_v2_delegated(root, &base);
		if (r < 0)
			return error_set(err, ENOTSUP, "no cgroup is delegated to this user");
	}
	if (base || root_is_confined(root))
		r = supervise(root, base ? base : "", err);
	if (r < 0)
		return r;
	*ret = base ? steal_ptr(&base) : strdup("");
	return *ret ? 0 : error_oom(err);
}

int cgroup_v2_path_for(const char *root, const char *id, char **ret, struct error *err)
{
	_cleanup_free_ char *base = NULL;
	char *path;
	int r = cgroup_v2_base(root, &base, err);

	if (r < 0)
		return r;
	path = strf("%s/strata-%s", base, id);
	if (!path)
		return error_oom(err);
	*ret = path;
	return 0;
}
