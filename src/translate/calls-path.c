/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calls-path.c - calls that look at a path which may not mean to the guest what it means to the
 * host: files of /proc that describe the translator (proc.c), and what -L PREFIX holds.
 *
 * The path is copied in once, so that what was looked at is what is used.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "translate/calls.h"
#include "translate/proc.h"
#include "translate/ptrace.h"

struct path_argument {
	const char *text; /* to give to the host; NULL when the guest has given NULL */
	char guest[PATH_MAX], host[PATH_MAX];
};

/* Read the path at `address`. 0 or a negative errno. */
static int path_read(const struct thread *t, uint64_t address, struct path_argument *path)
{
	int64_t r;

	path->text = NULL;
	if (!address) /* statx(2) and others take it with AT_EMPTY_PATH */
		return 0;
	r = guest_string(address, path->guest, sizeof(path->guest));
	if (r < 0)
		return (int)r;
	path->text = path_for_host(t, path->guest, path->host);
	return 0;
}

/* The same for a call that may follow links: /proc/PID/exe is the guest's program. */
static int path_read_by_flags(const struct thread *t, uint64_t dir, uint64_t address,
	uint64_t flags, struct path_argument *path)
{
	int r = path_read(t, address, path);
	enum proc_file file;
	const char *program;
	int pid;

	if (r < 0 || !path->text)
		return r;
	file = proc_find(t, (int)dir, path->guest, &pid);
	if (file == PROC_HIDDEN)
		return -ENOENT;
	if (file != PROC_PROGRAM || flags & AT_SYMLINK_NOFOLLOW)
		return 0;
	program = proc_program(t, pid, path->host);
	if (program)
		path->text = program;
	return 0;
}

int64_t call_openat(struct thread *t, const uint64_t a[6])
{
	struct path_argument path;
	int64_t r = path_read(t, a[1], &path);

	if (r < 0)
		return r;
	if (path.text) {
		r = proc_open(t, (int)a[0], path.guest, a[2]);
		if (r != PROC_NOT_OURS)
			return r;
	}
	r = host_call_blocking(t, SYS_openat, a[0], path.text, a[2], a[3]);
	if (path.text)
		trace_opened(t, (int)r, path.text, a[2]);
	return r;
}

int64_t call_openat2(struct thread *t, const uint64_t a[6])
{
	struct path_argument path;
	struct open_how how = { 0 };
	int64_t r = path_read(t, a[1], &path);

	if (r < 0)
		return r;
	/* Only what could be ours is looked at; what is wrong with it the kernel says. */
	if (path.text && a[3] >= sizeof(how) && guest_copy_in(&how, a[2], sizeof(how)) == 0 &&
		!how.resolve) {
		r = proc_open(t, (int)a[0], path.guest, how.flags);
		if (r != PROC_NOT_OURS)
			return r;
	}
	/* With RESOLVE_* the path is to be taken as it is. */
	r = host_call_blocking(
		t, SYS_openat2, a[0], how.resolve ? path.guest : path.text, a[2], a[3]);
	if (path.text)
		trace_opened(t, (int)r, path.text, how.flags);
	return r;
}

int64_t call_readlinkat(struct thread *t, const uint64_t a[6])
{
	struct path_argument path;
	int64_t r = path_read(t, a[1], &path);

	if (r < 0)
		return r;
	if (path.text) {
		r = proc_read_link(t, (int)a[0], path.guest, a[2], a[3]);
		if (r != PROC_NOT_OURS)
			return r;
	}
	return host_call(SYS_readlinkat, a[0], path.text, a[2], a[3]);
}

int64_t call_faccessat(struct thread *t, const uint64_t a[6])
{
	struct path_argument path;
	int64_t r = path_read_by_flags(t, a[0], a[1], 0, &path);

	return r < 0 ? r : host_call(SYS_faccessat, a[0], path.text, a[2]);
}

int64_t call_faccessat2(struct thread *t, const uint64_t a[6])
{
	struct path_argument path;
	int64_t r = path_read_by_flags(t, a[0], a[1], a[3], &path);

	return r < 0 ? r : host_call(CALL_faccessat2, a[0], path.text, a[2], a[3]);
}

int64_t call_newfstatat(struct thread *t, const uint64_t a[6])
{
	struct path_argument path;
	struct stat s;
	int64_t r = path_read_by_flags(t, a[0], a[1], a[3], &path);

	if (r < 0)
		return r;
	r = host_call(SYS_newfstatat, a[0], path.text, &s, a[3]);
	return r < 0 ? r : stat_to_guest(a[2], &s);
}

int64_t call_statx(struct thread *t, const uint64_t a[6])
{
	struct path_argument path;
	int64_t r = path_read_by_flags(t, a[0], a[1], a[2], &path);

	return r < 0 ? r : host_call(SYS_statx, a[0], path.text, a[2], a[3], a[4]);
}

int64_t call_statfs(struct thread *t, const uint64_t a[6])
{
	struct path_argument path;
	int64_t r = path_read_by_flags(t, (uint64_t)AT_FDCWD, a[0], 0, &path);

	return r < 0 ? r : host_call(SYS_statfs, path.text, a[1]);
}
