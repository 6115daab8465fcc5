/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup.c - the host's kind of cgroup, found once per call, and what every kind does alike:
 * checking paths, waiting for a freeze, and removing a cgroup with whatever still lives in it.
 *
 * Nothing is kept between calls: which kind a host has costs one statfs(2), and a process that has
 * lost its memory can do all of this from the path alone.
 */
#include "container/cgroup.h"

#include <errno.h>
#include <linux/magic.h>
#include <signal.h>
#include <string.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "container/cgroup-ops.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

/* Waiting for the kernel: first pause, longest pause, and when to give up. */
#define WAIT_FIRST_US	  100
#define WAIT_LONGEST_US	  20000
#define FREEZE_TIMEOUT_NS INT64_C(10000000000)
#define REMOVE_TIMEOUT_NS INT64_C(10000000000)

enum cgroup_kind cgroup_mounted_kind(void)
{
	struct statfs st;

	if (statfs(CGROUP_ROOT, &st) < 0)
		return CGROUP_NONE;
	if (st.f_type == CGROUP2_SUPER_MAGIC)
		return CGROUP_V2;
	/* v1 and hybrid: a tmpfs with one mount for each controller. */
	if (st.f_type == TMPFS_MAGIC || st.f_type == CGROUP_SUPER_MAGIC)
		return CGROUP_V1;
	return CGROUP_NONE;
}

static const struct cgroup_ops *ops_of(enum cgroup_kind kind)
{
	switch (kind) {
	case CGROUP_V1:
		return &cgroup_v1_ops;
	case CGROUP_V2:
		return &cgroup_v2_ops;
	case CGROUP_NONE:
		break;
	}
	return NULL;
}

/* May we make cgroups here? Root may where the tree is writable; a user only in a delegated one. */
static bool usable(enum cgroup_kind kind)
{
	_cleanup_free_ char *base = NULL;

	if (kind == CGROUP_V1)
		return access(CGROUP_ROOT "/memory", W_OK) == 0 ||
			access(CGROUP_ROOT "/pids", W_OK) == 0;
	if (kind == CGROUP_V2)
		return access(CGROUP_ROOT "/cgroup.procs", W_OK) == 0 ||
			cgroup_v2_delegated(CGROUP_ROOT, &base) == 0;
	return false;
}

enum cgroup_kind cgroup_host_kind(void)
{
	enum cgroup_kind kind = cgroup_mounted_kind();

	return usable(kind) ? kind : CGROUP_NONE;
}

static int refuse_without_cgroup(
	enum cgroup_kind mounted, const struct cgroup_limits *limits, struct error *err)
{
	const char *limit = cgroup_first_limit(limits);

	if (!limit)
		return 0;
	if (mounted == CGROUP_NONE)
		return error_set(err, ENOTSUP, "%s needs cgroups; none are mounted at %s", limit,
			CGROUP_ROOT);
	if (geteuid() == 0)
		return error_set(
			err, EROFS, "%s needs cgroups; %s is read-only here", limit, CGROUP_ROOT);
	if (mounted == CGROUP_V1)
		return error_set(err, EPERM,
			"%s needs a cgroup v2 tree delegated to this user; this host has v1 controllers: "
			"run as root, or boot it with systemd.unified_cgroup_hierarchy=1",
			limit);
	return error_set(err, EPERM,
		"%s needs a cgroup v2 tree delegated to this user; this process is not in one: log in "
		"through systemd (systemd-run --user --scope -p Delegate=yes ...), or run as root",
		limit);
}

int cgroup_check_limits(const struct cgroup_limits *limits, struct error *err)
{
	enum cgroup_kind mounted = cgroup_mounted_kind();
	const struct cgroup_host host = { ops_of(mounted), CGROUP_ROOT };
	int r = cgroup_check_ranges(limits, err);

	if (r < 0)
		return r;
	/* The common run asks for nothing and pays for nothing. */
	if (!cgroup_first_limit(limits))
		return 0;
	if (!usable(mounted)) {
		/* The monitor will ask the user's systemd for a scope; what that has is known then.
		 */
		if (mounted == CGROUP_V2 && cgroup_v2_user_manager())
			return 0;
		return refuse_without_cgroup(mounted, limits, err);
	}
	return host.ops->check(&host, limits, err);
}

/* A path is "/name/...": absolute, canonical, and short enough for every file below it. */
static int check_path(const char *path, struct error *err)
{
	if (!path || path[0] != '/' || !path[1])
		return error_set(
			err, EINVAL, "cgroup path '%s' is not below the root", path ? path : "");
	if (strlen(path) > PATH_MAX / 2)
		return error_set(err, ENAMETOOLONG, "cgroup path is too long");
	for (const char *p = path; *p;) {
		size_t n = strcspn(p + 1, "/");

		if (n == 0 || strncmp(p + 1, ".", n) == 0 || (n == 2 && p[1] == '.' && p[2] == '.'))
			return error_set(err, EINVAL,
				"cgroup path '%s' has an empty, '.' or '..' part", path);
		p += 1 + n;
	}
	return 0;
}

bool cgroup_v1_takes_part(const struct cgroup_limits *limits, const char *name)
{
	const struct cgroup_host host = { &cgroup_v1_ops, CGROUP_ROOT };

	return v1_takes_part(&host, limits, name);
}

static int host_of(const char *path, struct cgroup_host *ret, struct error *err)
{
	ret->ops = ops_of(cgroup_mounted_kind());
	ret->root = CGROUP_ROOT;
	return check_path(path, err);
}

/* The same for those that have nothing to do without cgroups. */
static int mounted_host_of(const char *path, struct cgroup_host *ret, struct error *err)
{
	int r = host_of(path, ret, err);

	if (r < 0 || ret->ops)
		return r;
	return error_set(err, ENOTSUP, "no cgroups are mounted at %s", CGROUP_ROOT);
}

int cgroup_path_for(
	const char *id, const struct cgroup_limits *limits, char **ret, struct error *err)
{
	enum cgroup_kind mounted = cgroup_mounted_kind();
	char *path;
	int r;

	if (!usable(mounted)) {
		r = refuse_without_cgroup(mounted, limits, err);
		if (r == 0)
			*ret = NULL;
		return r;
	}
	if (mounted == CGROUP_V2)
		return cgroup_v2_path_for(CGROUP_ROOT, id, ret, err);
	path = strf("/strata-%s", id);
	if (!path)
		return error_oom(err);
	*ret = path;
	return 0;
}

/* Lexically: no empty part, no ".", and ".." takes the part before it away, never the root. */
static char *clean_path(const char *path)
{
	char *clean = malloc(strlen(path) + 2), *end = clean;

	if (!clean)
		return NULL;
	while (*path) {
		const size_t n = strcspn(path, "/");

		if (n == 2 && path[0] == '.' && path[1] == '.') {
			while (end > clean && *--end != '/')
				;
		} else if (n != 0 && !(n == 1 && *path == '.')) {
			*end++ = '/';
			end = (char *)mempcpy(end, path, n);
		}
		path += n + (path[n] != '\0');
	}
	*end = '\0';
	return clean;
}

/* A path that is asked for must be made, limit or not. */
static int refuse_path(enum cgroup_kind mounted, const char *path, struct error *err)
{
	if (mounted == CGROUP_NONE)
		return error_set(err, ENOTSUP, "cgroupsPath '%s': no cgroups are mounted at %s",
			path, CGROUP_ROOT);
	return error_set(err, geteuid() == 0 ? EROFS : EPERM,
		"cgroupsPath '%s': the cgroups of this host are not ours to make", path);
}

int cgroup_place(const char *cgroups_path, const char *id, bool systemd, char **ret_path,
	struct cgroup_unit *ret_unit, struct error *err)
{
	_cleanup_free_ char *clean = NULL, *base = NULL;
	enum cgroup_kind mounted = cgroup_mounted_kind();
	struct cgroup_limits none;
	int r;

	*ret_unit = (struct cgroup_unit){ 0 };
	if (systemd)
		return cgroup_unit_place(cgroups_path, id, ret_path, ret_unit, err);
	cgroup_limits_init(&none);
	if (!cgroups_path || !*cgroups_path)
		return cgroup_path_for(id, &none, ret_path, err);
	if (!usable(mounted))
		return refuse_path(mounted, cgroups_path, err);
	clean = clean_path(cgroups_path);
	if (!clean)
		return error_oom(err);
	if (*cgroups_path != '/' && mounted == CGROUP_V2) {
		r = cgroup_v2_base(CGROUP_ROOT, &base, err);
		if (r < 0)
			return r;
	}
	*ret_path = strf("%s%s", base ? base : "", clean);
	if (!*ret_path)
		return error_oom(err);
	r = check_path(*ret_path, err);
	if (r < 0) {
		free(*ret_path);
		*ret_path = NULL;
	}
	return r;
}

/* What enters a cgroup below a frozen one stops before it has run a line of ours. */
static int refuse_frozen(const struct cgroup_host *host, const char *path, struct error *err)
{
	char above[PATH_MAX];

	for (const char *end = path + strlen(path); end > path;) {
		memcpy(above, path, (size_t)(end - path));
		above[end - path] = '\0';
		if (host->ops->is_frozen(host, above) == 1)
			return error_set(err, EBUSY, "cgroup %s is frozen", above);
		while (end > path && *--end != '/')
			;
	}
	return 0;
}

int cgroup_create(const char *path, const struct cgroup_limits *limits,
	const struct cgroup_creation *how, struct error *err)
{
	enum cgroup_kind mounted = cgroup_mounted_kind();
	const struct cgroup_host host = { ops_of(mounted), CGROUP_ROOT };
	struct cgroup_creation plan = how ? *how : (struct cgroup_creation){ 0 };
	const bool has_unit = plan.unit && plan.unit->name;
	int r = check_path(path, err);

	if (r < 0)
		return r;
	if (!host.ops)
		return refuse_without_cgroup(mounted, limits, err);
	/* The common run asks for nothing and pays for nothing. */
	if (cgroup_first_limit(limits)) {
		r = cgroup_check_ranges(limits, err);
		if (r == 0)
			r = host.ops->check(&host, limits, err);
		if (r < 0)
			return r;
	}
	if (has_unit) {
		plan.existing = CGROUP_JOIN;
		r = cgroup_unit_start(plan.unit, plan.pid, limits, mounted == CGROUP_V2, err);
		if (r < 0)
			return r;
	}
	/* The usual path is one level below the root, which nobody freezes. */
	if (plan.existing != CGROUP_REPLACE || strchr(path + 1, '/'))
		r = refuse_frozen(&host, path, err);
	if (r == 0)
		r = host.ops->create(&host, path, limits, &plan, err);
	if (r < 0 && has_unit)
		cgroup_unit_stop(plan.unit, NULL);
	if (r < 0 && !has_unit && !usable(mounted)) {
		error_clear(err);
		return refuse_without_cgroup(mounted, limits, err);
	}
	return r;
}

int cgroup_unit_update(
	const struct cgroup_unit *unit, const struct cgroup_limits *limits, struct error *err)
{
	return unit->name ? cgroup_unit_set(unit, limits, cgroup_mounted_kind() == CGROUP_V2, err)
			  : 0;
}

int cgroup_enter_new(const char *path, const struct cgroup_limits *limits, struct error *err)
{
	struct cgroup_host host;
	int r = host_of(path, &host, err);

	if (r < 0 || !host.ops)
		return r;
	return host.ops->enter(&host, path, limits, err);
}

int cgroup_enter(const char *path, struct error *err)
{
	return cgroup_enter_new(path, NULL, err);
}

int cgroup_enter_unit(const char *path, const struct cgroup_unit *unit, struct error *err)
{
	int r = cgroup_enter(path, err);

	if (r != -EACCES || !unit->name || !unit->user)
		return r;
	error_clear(err);
	return cgroup_unit_attach(unit, getpid(), err);
}

int cgroup_update(const char *path, const struct cgroup_limits *limits, struct error *err)
{
	enum cgroup_kind mounted = cgroup_mounted_kind();
	const struct cgroup_host host = { ops_of(mounted), CGROUP_ROOT };
	int r = check_path(path, err);

	if (r < 0)
		return r;
	if (!usable(mounted))
		return refuse_without_cgroup(mounted, limits, err);
	r = cgroup_check_limits(limits, err);
	if (r < 0)
		return r;
	return host.ops->update(&host, path, limits, err);
}

/* Sleep between two looks; each sleep is twice the last, up to WAIT_LONGEST_US. */
static void back_off(long *us)
{
	struct timespec ts = { .tv_nsec = *us * 1000 };

	nanosleep(&ts, NULL);
	*us = *us * 2 > WAIT_LONGEST_US ? WAIT_LONGEST_US : *us * 2;
}

int cgroup_freeze(const char *path, bool frozen, struct error *err)
{
	int64_t deadline = clock_monotonic_ns() + FREEZE_TIMEOUT_NS;
	struct cgroup_host host;
	long pause_us = WAIT_FIRST_US;
	int r = host_of(path, &host, err);

	if (r < 0)
		return r;
	if (!host.ops)
		return error_set(
			err, ENOTSUP, "pause needs cgroups; none are mounted at %s", CGROUP_ROOT);
	for (;;) {
		/* v1 may stay FREEZING on account of one process that forked meanwhile: asking
		 * again makes it look again. */
		r = host.ops->freeze(&host, path, frozen, err);
		if (r < 0)
			return r;
		r = host.ops->is_frozen(&host, path);
		if (r < 0)
			return error_errno(
				err, r, "cannot read the frozen state of cgroup %s", path);
		if (r == frozen)
			return 0;
		if (clock_monotonic_ns() > deadline)
			break;
		back_off(&pause_us);
	}
	/* Half frozen is worse than running. */
	if (frozen)
		host.ops->freeze(&host, path, false, NULL);
	return error_set(err, ETIMEDOUT, "cgroup %s did not %s within 10 seconds", path,
		frozen ? "freeze" : "thaw");
}

bool cgroup_is_frozen(const char *path)
{
	struct cgroup_host host;

	if (host_of(path, &host, NULL) < 0 || !host.ops)
		return false;
	return host.ops->is_frozen(&host, path) == 1;
}

int cgroup_pids(const char *path, pid_t **ret, size_t *ret_count, struct error *err)
{
	struct cgroup_host host;
	int r = mounted_host_of(path, &host, err);

	if (r < 0)
		return r;
	return host.ops->pids(&host, path, ret, ret_count, err);
}

int cgroup_signal_all(const char *path, int signo, struct error *err)
{
	_cleanup_free_ pid_t *pids = NULL;
	size_t count = 0;
	int r = cgroup_pids(path, &pids, &count, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++)
		if (kill(pids[i], signo) < 0 && errno != ESRCH)
			return error_errno(err, errno, "cannot signal process %d", pids[i]);
	return 0;
}

int cgroup_read_stats(const char *path, struct cgroup_stats *ret, struct error *err)
{
	struct cgroup_stats stats = { 0 };
	struct cgroup_host host;
	int r = mounted_host_of(path, &host, err);

	if (r < 0)
		return r;
	r = host.ops->read_stats(&host, path, &stats, err);
	if (r < 0)
		return r;
	*ret = stats;
	return 0;
}

int cgroup_read_full_stats(const char *path, struct cgroup_full_stats *ret, struct error *err)
{
	struct cgroup_full_stats stats = { 0 };
	struct cgroup_host host;
	int r = mounted_host_of(path, &host, err);

	if (r < 0)
		return r;
	r = host.ops->read_full_stats(&host, path, &stats);
	if (r < 0) {
		cgroup_full_stats_free(&stats);
		return error_errno(err, r, "cannot read the use of cgroup %s", path);
	}
	*ret = stats;
	return 0;
}

bool cgroup_counts_swap(void)
{
	struct cgroup_host host = { .ops = ops_of(cgroup_mounted_kind()), .root = CGROUP_ROOT };

	return host.ops && host.ops->counts_swap(&host);
}

uint64_t cgroup_read_oom_kills(const char *path)
{
	struct cgroup_host host;

	if (host_of(path, &host, NULL) < 0 || !host.ops)
		return 0;
	return host.ops->read_oom_kills(&host, path);
}

int cgroup_open_oom_events(const char *path)
{
	struct cgroup_host host;
	int r = host_of(path, &host, NULL);

	if (r < 0)
		return r;
	return host.ops ? host.ops->open_oom_events(&host, path) : -ENOTSUP;
}

int cgroup_remove(const char *path, struct error *err)
{
	int64_t deadline = clock_monotonic_ns() + REMOVE_TIMEOUT_NS;
	struct cgroup_host host;
	long pause_us = WAIT_FIRST_US;
	int r = host_of(path, &host, err);

	if (r < 0 || !host.ops)
		return r;
	for (;;) {
		r = host.ops->remove(&host, path);
		if (r != -EBUSY)
			break;
		if (clock_monotonic_ns() > deadline)
			return error_set(err, EBUSY,
				"cgroup %s still has processes 10 seconds after they were killed",
				path);
		r = host.ops->kill(&host, path, err);
		if (r < 0)
			return r;
		back_off(&pause_us);
	}
	if (r < 0)
		return error_errno(err, r, "cannot remove cgroup %s", path);
	return 0;
}
