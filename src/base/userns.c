/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userns.c - user namespaces for an ordinary user (user_namespaces(7), subuid(5)).
 *
 * The small program is static, so there is no NSS here: the user's name comes from /etc/passwd as
 * it stands, and a user who is known only to a directory service is found in /etc/subuid by
 * number. newuidmap(1) checks ranges again with its own rights; what is parsed here only says what
 * to ask it for.
 */
#include "base/userns.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/process.h"
#include "base/str.h"

/* The kernel takes at most this many lines in a map (UID_GID_MAP_MAX_EXTENTS). */
#define MAPS_MAX 340
/* Account files beyond this are not looked at. */
#define ACCOUNT_FILE_MAX (8u << 20)

struct map_list {
	struct userns_map *maps;
	size_t count;
};

static int add_map(struct map_list *list, uint32_t inside, uint32_t outside, uint32_t count)
{
	struct userns_map *grown;

	if (list->count >= MAPS_MAX)
		return -E2BIG;
	grown = reallocarray(list->maps, list->count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	grown[list->count++] = (struct userns_map){ inside, outside, count };
	list->maps = grown;
	return 0;
}

static void free_list(struct map_list *list)
{
	free(list->maps);
}

char *userns_user_name(uid_t uid)
{
	_cleanup_free_ char *text = NULL;
	char *cursor, *line;
	uint64_t n;

	if (io_read_file(AT_FDCWD, "/etc/passwd", ACCOUNT_FILE_MAX, &text, NULL, NULL) < 0)
		return NULL;
	cursor = text;
	while ((line = strsep(&cursor, "\n"))) {
		char *name = strsep(&line, ":"), *number;

		strsep(&line, ":");
		number = strsep(&line, ":");
		if (number && *name && parse_u64(number, UINT32_MAX, &n) == 0 && n == uid)
			return strdup(name);
	}
	return NULL;
}

/* Lines are OWNER:START:COUNT; what does not parse is not for us to complain about. */
static int add_ranges(struct map_list *list, char *text, const char *user, uid_t uid, uint64_t next)
{
	char *cursor = text, *line;
	int r;

	while ((line = strsep(&cursor, "\n"))) {
		char *owner = strsep(&line, ":"), *start_text = strsep(&line, ":"),
		     *count_text = strsep(&line, ":");
		uint64_t start, count, n;

		if (!count_text || parse_u64(start_text, UINT32_MAX - 1, &start) < 0 ||
			parse_u64(count_text, UINT32_MAX - 1, &count) < 0 || count == 0)
			continue;
		if (!(user && streq(owner, user)) &&
			!(uid != USERNS_NO_ID && parse_u64(owner, UINT32_MAX, &n) == 0 && n == uid))
			continue;
		if (start + count > UINT32_MAX || next + count > UINT32_MAX)
			continue;
		r = add_map(list, (uint32_t)next, (uint32_t)start, (uint32_t)count);
		if (r < 0)
			return r;
		next += count;
	}
	return 0;
}

int userns_parse_ranges(const char *text, const char *user, uid_t uid, uint32_t first_inside,
	struct userns_map **ret, size_t *ret_count)
{
	_cleanup_(free_list) struct map_list list = { 0 };
	_cleanup_free_ char *copy = strdup(text);
	int r = copy ? add_ranges(&list, copy, user, uid, first_inside) : -ENOMEM;

	if (r < 0)
		return r;
	*ret_count = list.count;
	*ret = steal_ptr(&list.maps);
	return 0;
}

/* What a subuid(5) file gives to the user; no file gives nothing. */
static int add_subordinate_ranges(
	struct map_list *list, const char *path, const char *user, uid_t uid, uint32_t first_inside)
{
	_cleanup_free_ char *text = NULL;
	int r;

	r = io_read_file(AT_FDCWD, path, ACCOUNT_FILE_MAX, &text, NULL, NULL);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return add_ranges(list, text, user, uid, first_inside);
}

/* Every id of the namespace we are in, mapped to itself. */
static int add_identity(struct map_list *list, const char *path)
{
	_cleanup_free_ char *text = NULL;
	char *cursor, *line;
	int r;

	r = io_read_file(AT_FDCWD, path, 64u << 10, &text, NULL, NULL);
	if (r < 0)
		return r;
	cursor = text;
	while ((line = strsep(&cursor, "\n"))) {
		unsigned inside, count;

		if (sscanf(line, "%u %*u %u", &inside, &count) != 2)
			continue;
		r = add_map(list, inside, inside, count);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool program_exists(const char *name)
{
	const char *path = getenv("PATH");
	char *cursor, *dir;
	_cleanup_free_ char *copy = NULL;

	cursor = copy = strdup(path ? path : "/usr/bin:/bin");
	while (cursor && (dir = strsep(&cursor, ":"))) {
		_cleanup_free_ char *candidate = strf("%s/%s", dir, name);

		if (candidate && access(candidate, X_OK) == 0)
			return true;
	}
	return false;
}

/* uid and gid maps of an ordinary user. */
static int ordinary_maps(struct map_list *uid, struct map_list *gid, bool *ret_single)
{
	_cleanup_free_ char *user = NULL;
	int r;

	if ((r = add_map(uid, 0, geteuid(), 1)) < 0 || (r = add_map(gid, 0, getegid(), 1)) < 0)
		return r;
	if (program_exists("newuidmap") && program_exists("newgidmap")) {
		user = userns_user_name(geteuid());
		r = add_subordinate_ranges(uid, "/etc/subuid", user, geteuid(), 1);
		if (r == 0)
			r = add_subordinate_ranges(gid, "/etc/subgid", user, geteuid(), 1);
		if (r < 0)
			return r;
	}
	*ret_single = uid->count == 1 || gid->count == 1;
	if (*ret_single)
		uid->count = gid->count = 1;
	return 0;
}

int userns_maps_of_caller(struct userns_maps *ret, struct error *err)
{
	_cleanup_(free_list) struct map_list uid = { 0 }, gid = { 0 };
	bool single = false;
	int r;

	if (geteuid() == 0) {
		r = add_identity(&uid, "/proc/self/uid_map");
		if (r == 0)
			r = add_identity(&gid, "/proc/self/gid_map");
	} else {
		r = ordinary_maps(&uid, &gid, &single);
	}
	if (r < 0)
		return error_errno(err, r, "cannot find out which user ids may be mapped");
	*ret = (struct userns_maps){
		.nr_uid = uid.count,
		.uid = steal_ptr(&uid.maps),
		.nr_gid = gid.count,
		.gid = steal_ptr(&gid.maps),
		.single = single,
	};
	return 0;
}

/* Are these ids of the host ours to map? Root of a container may have few. */
static bool is_within(const struct map_list *range, const char *path)
{
	_cleanup_(free_list) struct map_list own = { 0 };

	if (add_identity(&own, path) < 0)
		return false;
	for (size_t i = 0; i < range->count; i++) {
		uint64_t first = range->maps[i].outside, end = first + range->maps[i].count;
		bool found = false;

		for (size_t j = 0; j < own.count && !found; j++)
			found = first >= own.maps[j].inside &&
				end <= (uint64_t)own.maps[j].inside + own.maps[j].count;
		if (!found)
			return false;
	}
	return true;
}

int userns_maps_private(struct userns_maps *ret, struct error *err)
{
	static const struct {
		const char *name;
		uid_t uid;
	} owners[] = { { "root", 0 }, { "strata", USERNS_NO_ID }, { "containers", USERNS_NO_ID } };
	_cleanup_(free_list) struct map_list uid = { 0 }, gid = { 0 };
	int r = 0;

	if (geteuid() != 0)
		return userns_maps_of_caller(ret, err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(owners) && !(uid.count && gid.count); i++) {
		uid.count = gid.count = 0;
		r = add_subordinate_ranges(&uid, "/etc/subuid", owners[i].name, owners[i].uid, 0);
		if (r == 0)
			r = add_subordinate_ranges(
				&gid, "/etc/subgid", owners[i].name, owners[i].uid, 0);
	}
	if (r == 0 && !(uid.count && gid.count)) {
		uid.count = gid.count = 0;
		r = add_map(&uid, 0, USERNS_PRIVATE_FIRST, USERNS_PRIVATE_COUNT);
		if (r == 0)
			r = add_map(&gid, 0, USERNS_PRIVATE_FIRST, USERNS_PRIVATE_COUNT);
	}
	if (r < 0)
		return error_errno(err, r, "cannot find out which user ids may be mapped");
	if (!is_within(&uid, "/proc/self/uid_map") || !is_within(&gid, "/proc/self/gid_map"))
		return error_set(err, EPERM,
			"cannot map ids from %u on: this root has no such ids itself; give it a range it has in /etc/subuid and /etc/subgid",
			uid.maps[0].outside);
	*ret = (struct userns_maps){
		.nr_uid = uid.count,
		.uid = steal_ptr(&uid.maps),
		.nr_gid = gid.count,
		.gid = steal_ptr(&gid.maps),
	};
	return 0;
}

void userns_maps_free(struct userns_maps *maps)
{
	free(maps->uid);
	free(maps->gid);
	*maps = (struct userns_maps){ 0 };
}

static int write_map_file(
	pid_t pid, const char *file, const struct userns_map *maps, size_t count, struct error *err)
{
	_cleanup_str_ struct str text = { 0 };
	char path[48];
	int r;

	for (size_t i = 0; i < count; i++)
		str_appendf(&text, "%u %u %u\n", maps[i].inside, maps[i].outside, maps[i].count);
	if (text.failed)
		return error_oom(err);
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	r = io_write_kernel_file(AT_FDCWD, path, text.data ? text.data : "");
	if (r < 0)
		return error_errno(err, r, "cannot write the user namespace's %s", file);
	return 0;
}

/* newuidmap PID INSIDE OUTSIDE COUNT ... */
static int run_map_program(const char *program, pid_t pid, const struct userns_map *maps,
	size_t count, struct error *err)
{
	_cleanup_strv_ char **argv = NULL;
	int r = 0;

	if (strv_push(&argv, program) < 0 || strv_pushf(&argv, "%d", (int)pid) < 0)
		return error_oom(err);
	for (size_t i = 0; i < count && r == 0; i++) {
		r = strv_pushf(&argv, "%u", maps[i].inside);
		if (r == 0)
			r = strv_pushf(&argv, "%u", maps[i].outside);
		if (r == 0)
			r = strv_pushf(&argv, "%u", maps[i].count);
	}
	if (r < 0)
		return error_oom(err);
	r = process_run(argv, NULL, NULL, err);
	if (r > 0)
		r = -EPERM;
	return r < 0 ? error_prefix(err, "cannot map user ids") : 0;
}

int userns_write_maps(pid_t pid, const struct userns_maps *maps, struct error *err)
{
	char path[48];
	int r;

	if (geteuid() != 0 && !maps->single) {
		r = run_map_program("newuidmap", pid, maps->uid, maps->nr_uid, err);
		if (r < 0)
			return r;
		return run_map_program("newgidmap", pid, maps->gid, maps->nr_gid, err);
	}
	/* Without CAP_SETGID outside, a group map is accepted only where setgroups(2) cannot be
	 * used to shed a group that denies something (user_namespaces(7), CVE-2014-8989). */
	if (geteuid() != 0) {
		snprintf(path, sizeof(path), "/proc/%d/setgroups", (int)pid);
		r = io_write_kernel_file(AT_FDCWD, path, "deny");
		if (r < 0)
			return error_errno(err, r, "cannot deny setgroups in the user namespace");
	}
	r = write_map_file(pid, "uid_map", maps->uid, maps->nr_uid, err);
	if (r < 0)
		return r;
	return write_map_file(pid, "gid_map", maps->gid, maps->nr_gid, err);
}

/* --- one piece of work as the namespace's root ------------------------------------------------ */

struct call_result {
	int value;
	struct error error;
};

/* Whoever is root of a namespace that is joined may trace those in it, but not what cannot be
 * dumped. */
static int enter_namespaces(int userns_fd)
{
	if (userns_fd < 0)
		return unshare(CLONE_NEWUSER | CLONE_NEWNS);
	if (prctl(PR_SET_DUMPABLE, 0) < 0 || setns(userns_fd, CLONE_NEWUSER) < 0)
		return -1;
	return unshare(CLONE_NEWNS);
}

/* The child of userns_call(). `mapped` says one byte when the maps are written. */
static void call_child(int userns_fd, int (*fn)(void *context, struct error *err), void *context,
	int entered, int mapped, int result_fd)
{
	struct call_result result = { 0 };
	char byte = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (enter_namespaces(userns_fd) < 0)
		result.value = error_errno(&result.error, errno, "cannot %s a user namespace",
			userns_fd < 0 ? "make" : "enter");
	else if (io_write_full(entered, &byte, 1) < 0 || io_read_full(mapped, &byte, 1) < 0)
		_exit(1); /* the parent has the reason */
	else if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		result.value = error_errno(
			&result.error, errno, "cannot become root of the user namespace");
	else
		result.value = fn(context, &result.error);
	_exit(io_write_full(result_fd, &result, sizeof(result)) < 0);
}

/* The parent's half: maps when the child has entered its namespace, then its result. */
static int call_parent(
	pid_t pid, bool is_new, int entered, int mapped, int result_fd, struct error *err)
{
	struct userns_maps maps = { 0 };
	struct call_result result;
	char byte = 0;
	int r = 0;

	if (io_read_full(entered, &byte, 1) == 0) {
		if (is_new)
			r = userns_maps_of_caller(&maps, err);
		if (r == 0 && is_new)
			r = userns_write_maps(pid, &maps, err);
		userns_maps_free(&maps);
		if (r < 0) {
			kill(pid, SIGKILL);
			return r;
		}
		io_write_full(mapped, &byte, 1);
	}
	if (io_read_full(result_fd, &result, sizeof(result)) < 0)
		return error_set(err, EIO, "the helper process in the user namespace died");
	if (result.error.code)
		error_set(err, result.error.code, "%s", result.error.message);
	return result.value;
}

int userns_call(int (*fn)(void *context, struct error *err), void *context, struct error *err)
{
	return userns_call_in(-1, fn, context, err);
}

int userns_call_in(int userns_fd, int (*fn)(void *context, struct error *err), void *context,
	struct error *err)
{
	_cleanup_close_ int entered_read = -1, entered_write = -1, mapped_read = -1,
			    mapped_write = -1, result_read = -1, result_write = -1;
	int p[2], r;
	pid_t pid;

	if (geteuid() == 0)
		return fn(context, err);
	if (pipe2(p, O_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot make a pipe");
	entered_read = p[0], entered_write = p[1];
	if (pipe2(p, O_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot make a pipe");
	mapped_read = p[0], mapped_write = p[1];
	if (pipe2(p, O_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot make a pipe");
	result_read = p[0], result_write = p[1];
	pid = fork();
	if (pid < 0)
		return error_errno(err, errno, "cannot fork");
	if (pid == 0) {
		/* Our copy of the parent's end would keep us waiting for ourselves. */
		close(steal_fd(&mapped_write));
		call_child(userns_fd, fn, context, entered_write, mapped_read, result_write);
	}
	close(steal_fd(&entered_write));
	close(steal_fd(&mapped_read));
	close(steal_fd(&result_write));
	r = call_parent(pid, userns_fd < 0, entered_read, mapped_write, result_read, err);
	close(steal_fd(&mapped_write));
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return r;
}
