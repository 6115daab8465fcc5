/* SPDX-License-Identifier: Apache-2.0 */
/*
 * saved-code.c - the guest's side of saved-code.h: nothing is allocated once the guest runs, and no
 * descriptor stays open.
 */
#include "translate/saved-code.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/translator.h"
#include "jit/jit.h"
#include "translate/host.h"
#include "translate/memory.h"
#include "translate/saved-code-internal.h"
#include "translate/translate.h"

#define NEW_PART_MIN 16 /* nor when it is less than a sixteenth of what there is */

struct saved_code {
	char dir[PATH_MAX]; /* empty: it is open as dir_fd, in a container */
	int dir_fd, list_fd;
	uint32_t lock;
	unsigned nr_modules;
	struct saved_module modules[SAVED_MODULES_MAX];
	bool tells_use[SAVED_MODULES_MAX];
};

bool saved_code_is_safe(const struct stat *st)
{
	return S_ISDIR(st->st_mode) && st->st_uid == geteuid() &&
		!(st->st_mode & (S_IWGRP | S_IWOTH));
}

struct saved_code *saved_code_open(const char *dir)
{
	struct saved_code *saved;
	struct stat st;

	if (strlen(dir) >= PATH_MAX || (stat(dir, &st) == 0 && !saved_code_is_safe(&st)))
		return NULL;
	saved = calloc(1, sizeof(*saved));
	if (saved) {
		strcpy(saved->dir, dir);
		saved->dir_fd = saved->list_fd = -1;
	}
	return saved;
}

struct saved_code *saved_code_open_contained(int dir_fd, int list_fd)
{
	struct saved_code *saved = calloc(1, sizeof(*saved));

	if (saved) {
		saved->dir_fd = dir_fd;
		saved->list_fd = list_fd;
	}
	return saved;
}

const char *saved_code_dir(const struct saved_code *saved)
{
	return saved && saved->dir_fd < 0 ? saved->dir : NULL;
}

/* --- the guest maps a file ---------------------------------------------------------------------
 */

static struct saved_module *add_module(struct saved_code *saved, uint64_t start)
{
	for (unsigned i = 0; i < saved->nr_modules; i++)
		if (saved->modules[i].start == start)
			return &saved->modules[i];
	return saved->nr_modules < SAVED_MODULES_MAX ? &saved->modules[saved->nr_modules++] : NULL;
}

static bool find_path(int fd, char path[static PATH_MAX])
{
	char link[32];
	int64_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = host_call(SYS_readlink, link, path, PATH_MAX - 1);
	if (n <= 0 || path[0] != '/')
		return false;
	path[n] = '\0';
	return true;
}

static void restore(struct saved_code *saved, struct jit *jit, const struct saved_module *m)
{
	char path[PATH_MAX + SAVED_NAME_BYTES];
	const struct jit_origin origin = { .start = m->start, .size = m->size };
	struct timespec now = { 0 };
	struct stat st;
	int64_t fd;

	snprintf(path, sizeof(path), "%s/%s", saved->dir_fd < 0 ? saved->dir : ".", m->name);
	fd = host_call(SYS_openat, saved->dir_fd < 0 ? AT_FDCWD : saved->dir_fd, path,
		O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);
	if (fd < 0)
		return;
	/* What does not fit is made again when we end. */
	if (jit_restore(jit, (int)fd, &origin) == 0 && host_call(SYS_fstat, fd, &st) == 0) {
		host_call(SYS_clock_gettime, CLOCK_REALTIME, &now);
		saved->tells_use[m - saved->modules] = now.tv_sec - st.st_mtim.tv_sec >
			SAVED_USE_SECONDS;
	}
	host_call(SYS_close, fd);
}

void saved_code_mapped(struct saved_code *saved, struct memory *memory, int fd, uint64_t start,
	uint64_t size, uint64_t offset)
{
	struct saved_module *m;
	struct stat st;

	if (!saved || host_call(SYS_fstat, fd, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	lock_take(&saved->lock);
	m = add_module(saved, start);
	if (m) {
		*m = (struct saved_module){ .start = start, .size = size, .offset = offset };
		saved->tells_use[m - saved->modules] = false;
		if (saved->dir_fd >= 0)
			st.st_dev = SAVED_CODE_ANY_DEVICE;
		saved_code_name(m->name, &st, offset, size);
		if (find_path(fd, m->path))
			restore(saved, memory->jit, m);
		else
			m->size = 0;
	}
	lock_release(&saved->lock);
}

/* Whoever held the lock is not there. What they were writing was a file's name, which then is that
 * of no file. */
void saved_code_after_fork(struct saved_code *saved)
{
	if (saved)
		saved->lock = 0;
}

void saved_code_break_lock(struct saved_code *saved, uint32_t thread)
{
	lock_break(&saved->lock, thread);
}

/* --- the process ends --------------------------------------------------------------------------
 */

struct writer {
	struct memory *memory;
	uint64_t start;
	struct region region; /* the last one looked at */
	struct saved_place *places;
	uint64_t nr;
};

/* Only what is the file's still. */
static void add_place(void *context, uint64_t offset, uint32_t loop_bytes)
{
	struct writer *w = context;
	uint64_t pc = w->start + offset;

	if (pc < w->region.start || pc >= w->region.end)
		if (!memory_region_at(w->memory, pc, &w->region))
			w->region = (struct region){ 0 };
	if (pc < w->region.start || !w->region.is_file || w->region.is_shared ||
		w->region.was_writable || w->nr == SAVED_PLACES_MAX)
		return;
	w->places[w->nr++] = (struct saved_place){ offset, loop_bytes, 0 };
}

static bool write_list(
	int list, const struct process *process, const struct saved_module *m, bool tells_use)
{
	struct saved_module head = *m;
	struct writer w = { .memory = process->memory, .start = m->start };
	size_t bytes = SAVED_PLACES_MAX * sizeof(*w.places), nr_new;
	int64_t places = host_call(SYS_mmap, 0, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	bool is_worth_it;

	if (places < 0 && places > -4096)
		return false;
	w.places = (void *)(uintptr_t)places;
	nr_new = jit_list(process->jit, m->start, m->size, add_place, &w);
	is_worth_it = w.nr && nr_new >= SAVED_PLACES_WORTH && nr_new >= w.nr / NEW_PART_MIN;
	if (is_worth_it || tells_use) {
		const struct iovec parts[] = { { &head, sizeof(head) },
			{ w.places, w.nr * sizeof(*w.places) } };

		head.nr_places = is_worth_it ? w.nr : 0;
		host_call(SYS_writev, list, parts, is_worth_it ? 2 : 1);
	}
	host_call(SYS_munmap, places, bytes);
	return is_worth_it || tells_use;
}

/* Nobody's child, with no descriptor but the list, of low priority. */
static _Noreturn void execute_maker(
	const struct saved_code *saved, const struct process *process, int list)
{
	char dir[PATH_MAX];
	const char *argv[] = { TRANSLATOR_PROGRAM, SAVED_CODE_MAKE, dir, NULL }, *envp[] = { NULL };
	int null, ends[2];
	bool has_ends;
	char byte;
	uint64_t no_signals = 0;

	strcpy(dir, saved->dir);
	host_call(SYS_setsid);
	/* Who waits for us goes on when the guest's memory, descriptors and locks are given up.
	 * What closes on exec does so after the old memory has gone. */
	has_ends = host_call(SYS_pipe2, ends, O_CLOEXEC) == 0;
	if (host_call(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0) != 0) {
		if (has_ends) {
			host_call(SYS_close, ends[1]);
			host_call(SYS_read, ends[0], &byte, 1);
		}
		host_call(SYS_exit_group, 0);
	}
	host_call(SYS_setpriority, PRIO_PROCESS, 0, 19);
	null = (int)host_call(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC, 0);
	for (int fd = 0; fd <= 2; fd++)
		host_call(SYS_dup3, null, fd, 0);
	/* It may be this number already, and dup3(2) does not like that. */
	if (list == SAVED_CODE_LIST_FD)
		host_call(SYS_fcntl, list, F_SETFD, 0);
	else
		host_call(SYS_dup3, list, SAVED_CODE_LIST_FD, 0);
	host_call(SYS_close_range, SAVED_CODE_LIST_FD + 1, ~0u, CLOSE_RANGE_CLOEXEC);
	host_call(SYS_chdir, "/");
	host_call(SYS_rt_sigprocmask, SIG_SETMASK, &no_signals, NULL, sizeof(no_signals));
	host_call(SYS_execveat, process->program_fd, "", argv, envp, AT_EMPTY_PATH);
	for (;;)
		host_call(SYS_exit_group, 1);
}

/* Behind the numbers that execute_maker() gives to others: the guest may have closed them. */
static int64_t make_list(void)
{
	int64_t list = host_call(SYS_memfd_create, "strata-list", MFD_CLOEXEC), high;

	if (list < 0 || list >= SAVED_CODE_LIST_FD)
		return list;
	high = host_call(SYS_fcntl, list, F_DUPFD_CLOEXEC, SAVED_CODE_LIST_FD);
	host_call(SYS_close, list);
	return high;
}

void saved_code_finish(const struct saved_code *saved, const struct process *process)
{
	bool is_worth_it = false;
	int64_t list, child;

	if (!saved || !saved->nr_modules)
		return;
	list = saved->dir_fd < 0 ? make_list() : saved->list_fd;
	if (list < 0)
		return;
	for (unsigned i = 0; i < saved->nr_modules; i++)
		if (saved->modules[i].size)
			is_worth_it |= write_list(
				(int)list, process, &saved->modules[i], saved->tells_use[i]);
	if (saved->dir_fd >= 0) /* it goes on with the container's other processes */
		return;
	if (is_worth_it) {
		child = host_call(SYS_clone, CLONE_UNTRACED, 0, 0, 0, 0);
		if (child == 0)
			execute_maker(saved, process, (int)list);
		if (child > 0)
			host_call(SYS_wait4, child, 0, __WALL, 0);
	}
	host_call(SYS_close, list);
}
