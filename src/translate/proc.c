/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc.c - files of proc(5) that describe the translator where the guest expects itself.
 *
 * A process's command line, environment and auxiliary vector are the guest's in the kernel's own
 * eyes (exec.c tells it where they lie), for everybody. What is left is answered here, for the
 * process that asks about itself: its program, its map, its CPU. A path is taken for such a file by
 * its text, links other than self and thread-self not followed: whoever takes detours finds what
 * the host has.
 */
#include "translate/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/cleanup.h"

#define DIRECTORY "/proc/"

/* --- which file ------------------------------------------------------------------------------- */

/* The first component of *path, which goes behind it; its length. */
static size_t next_component(const char **path, const char **ret)
{
	size_t length;

	while (**path == '/')
		++*path;
	*ret = *path;
	length = strcspn(*path, "/");
	*path += length;
	return length;
}

static bool component_is(const char *component, size_t length, const char *name)
{
	return length == strlen(name) && memcmp(component, name, length) == 0;
}

/* A decimal number without leading zeros, or -1. */
static int64_t component_number(const char *component, size_t length)
{
	int64_t number = 0;

	if (length == 0 || length > 9 || (component[0] == '0' && length > 1))
		return -1;
	for (size_t i = 0; i < length; i++) {
		if (component[i] < '0' || component[i] > '9')
			return -1;
		number = 10 * number + component[i] - '0';
	}
	return number;
}

static bool component_is_number_of_ours(
	const struct thread *t, const char *component, size_t length)
{
	int64_t number = component_number(component, length);

	return number >= 0 && descriptor_is_ours(t, (uint64_t)number);
}

static const struct {
	const char *name;
	enum proc_file file;
} process_files[] = {
	{ "exe", PROC_PROGRAM },
	{ "maps", PROC_MAPS },
	{ "smaps", PROC_SMAPS },
	{ "status", PROC_STATUS },
};

/* Could the path end in a file of ours? So that nearly all are done with at once. */
static bool may_be_ours(const struct thread *t, const char *path)
{
	const char *slash = strrchr(path, '/'), *last = slash ? slash + 1 : path;

	if (strcmp(last, "cpuinfo") == 0 || strcmp(last, "arch") == 0)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(process_files); i++)
		if (strcmp(last, process_files[i].name) == 0)
			return true;
	return component_is_number_of_ours(t, last, strlen(last));
}

/* Only that of the first thread, when it looks itself: of the others, the host's will do. */
static bool is_status_ours(const struct thread *t, int64_t thread)
{
	return t->tid == t->process->pid && (!thread || thread == t->tid);
}

/* What is below /proc/PID/, for this process. */
static enum proc_file find_in_process(const struct thread *t, const char *path)
{
	int64_t thread = 0;
	const char *name;
	size_t length = next_component(&path, &name);

	if (component_is(name, length, "task")) {
		length = next_component(&path, &name);
		thread = component_number(name, length);
		if (thread < 0)
			return PROC_OTHER;
		length = next_component(&path, &name);
	}
	if (component_is(name, length, "fd") || component_is(name, length, "fdinfo")) {
		length = next_component(&path, &name);
		return component_is_number_of_ours(t, name, length) ? PROC_HIDDEN : PROC_OTHER;
	}
	for (size_t i = 0; i < ARRAY_SIZE(process_files); i++)
		if (component_is(name, length, process_files[i].name) && *path == '\0')
			return process_files[i].file == PROC_STATUS && !is_status_ours(t, thread)
				? PROC_OTHER
				: process_files[i].file;
	return PROC_OTHER;
}

/* The same for another process. */
static enum proc_file find_in_other(const char *path)
{
	for (size_t i = 0; path[0] == '/' && i < ARRAY_SIZE(process_files); i++)
		if (strcmp(path + 1, process_files[i].name) == 0 &&
			process_files[i].file != PROC_STATUS)
			return process_files[i].file;
	return PROC_OTHER;
}

/* What is below /proc/. */
static enum proc_file find_in_proc(const struct thread *t, const char *path, int *ret_pid)
{
	const char *name;
	size_t length = next_component(&path, &name);
	int64_t number = component_number(name, length);

	if (component_is(name, length, "cpuinfo") && *path == '\0')
		return PROC_CPUINFO;
	if (component_is(name, length, "sys"))
		return strcmp(path, "/kernel/arch") == 0 ? PROC_ARCH : PROC_OTHER;
	if (component_is(name, length, "self") || component_is(name, length, "thread-self") ||
		number == t->process->pid || number == t->tid)
		return find_in_process(t, path);
	if (number <= 0)
		return PROC_OTHER;
	*ret_pid = (int)number;
	return find_in_other(path);
}

/* Put the path of the directory that `dir` names in front: 0 or a negative errno. */
static int make_absolute(int dir, const char *path, char *buffer, size_t size)
{
	char link[64];
	int64_t length;

	snprintf(link, sizeof(link), dir == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", dir);
	length = host_call(SYS_readlinkat, AT_FDCWD, link, buffer, size);
	if (length < 0)
		return (int)length;
	if ((size_t)length + 1 + strlen(path) >= size)
		return -ENAMETOOLONG;
	buffer[length] = '/';
	memcpy(buffer + length + 1, path, strlen(path) + 1);
	return 0;
}

enum proc_file proc_find(const struct thread *t, int dir, const char *path, int *ret_pid)
{
	char absolute[PATH_MAX + 64];

	*ret_pid = 0;
	if (!may_be_ours(t, path))
		return PROC_OTHER;
	if (path[0] != '/') {
		if (make_absolute(dir, path, absolute, sizeof(absolute)) < 0)
			return PROC_OTHER;
		path = absolute;
	}
	if (strncmp(path, DIRECTORY, strlen(DIRECTORY)) != 0)
		return PROC_OTHER;
	return find_in_proc(t, path + strlen(DIRECTORY), ret_pid);
}

bool proc_is_program(const struct thread *t, int dir, const char *path)
{
	int pid;

	return proc_find(t, dir, path, &pid) == PROC_PROGRAM && !pid;
}

/* To the host, the program of another process like this one is the translator, too. What it has
 * mapped lowest is its program, as a rule: those that can move are put below all else. */
const char *proc_program(const struct thread *t, int pid, char *buffer)
{
	struct stat ours, theirs;
	char link[32];

	if (!pid)
		return t->process->executable;
	snprintf(link, sizeof(link), DIRECTORY "%d/exe", pid);
	if (host_call(SYS_fstat, t->process->program_fd, &ours) < 0 ||
		host_call(SYS_newfstatat, AT_FDCWD, link, &theirs, 0) < 0 ||
		ours.st_ino != theirs.st_ino || ours.st_dev != theirs.st_dev)
		return NULL;
	return proc_first_file(pid, buffer) > 0 ? buffer : NULL;
}

/* --- content ---------------------------------------------------------------------------------- */

static void flush(struct proc_text *text)
{
	size_t done = 0;

	while (done < text->used && !text->error) {
		int64_t n = host_call(SYS_write, text->fd, text->buffer + done, text->used - done);

		if (n < 0)
			text->error = (int)n;
		else
			done += (size_t)n;
	}
	text->used = 0;
}

void proc_write(struct proc_text *text, const char *bytes, size_t size)
{
	while (size > 0) {
		size_t part = sizeof(text->buffer) - text->used;

		part = size < part ? size : part;
		memcpy(text->buffer + text->used, bytes, part);
		text->used += part;
		bytes += part;
		size -= part;
		if (text->used == sizeof(text->buffer))
			flush(text);
	}
}

void proc_print(struct proc_text *text, const char *format, ...)
{
	char line[256];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (n > 0)
		proc_write(text, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

/* Make a descriptor one that can only be read from, at the start, with these flags. */
static int64_t make_readable_only(int fd, uint64_t flags)
{
	uint64_t limit = descriptor_limit_raise();
	char link[32];
	int64_t readable, r;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	readable = host_call(SYS_openat, AT_FDCWD, link, (flags & O_NONBLOCK) | O_CLOEXEC);
	r = readable;
	if (readable >= 0) {
		/* The number is the lowest that was free, as it must be. */
		r = host_call(SYS_dup3, readable, fd, flags & O_CLOEXEC);
		host_call(SYS_close, readable);
	}
	descriptor_limit_restore(limit);
	return r;
}

/* A descriptor to read the file from. */
static int64_t open_content(struct thread *t, enum proc_file file, int pid, uint64_t flags)
{
	struct proc_text text = { 0 };
	int64_t fd = host_call(SYS_memfd_create, "proc", MFD_CLOEXEC), r;

	if (fd < 0)
		return fd;
	text.fd = (int)fd;
	if (file == PROC_CPUINFO)
		proc_write_cpuinfo(&text);
	else if (file == PROC_ARCH)
		proc_print(&text, "riscv64\n");
	else if (file == PROC_STATUS)
		proc_write_status(t, &text);
	else
		proc_write_maps(t, &text, pid, file == PROC_SMAPS);
	flush(&text);
	r = text.error ? text.error : make_readable_only((int)fd, flags);
	if (r < 0)
		host_call(SYS_close, fd);
	return r;
}

static int64_t open_program(const struct thread *t, int pid, uint64_t flags)
{
	char buffer[PATH_MAX];
	const char *program = flags & O_NOFOLLOW ? NULL : proc_program(t, pid, buffer);

	return program
		? host_call(SYS_openat, AT_FDCWD, program, flags & ~(uint64_t)(O_CREAT | O_EXCL), 0)
		: PROC_NOT_OURS;
}

int64_t proc_open(struct thread *t, int dir, const char *path, uint64_t flags)
{
	int pid;
	enum proc_file file = proc_find(t, dir, path, &pid);

	if (file == PROC_OTHER)
		return PROC_NOT_OURS;
	if (file == PROC_HIDDEN)
		return -ENOENT;
	if (file == PROC_PROGRAM)
		return open_program(t, pid, flags);
	/* To write to, a directory, or only to be named: what the kernel says of its own. */
	if ((flags & O_ACCMODE) != O_RDONLY || flags & (O_DIRECTORY | O_PATH | O_EXCL))
		return PROC_NOT_OURS;
	return open_content(t, file, pid, flags);
}

int64_t proc_read_link(struct thread *t, int dir, const char *path, uint64_t buffer, uint64_t size)
{
	char name[PATH_MAX];
	int pid;
	enum proc_file file = proc_find(t, dir, path, &pid);
	const char *program = file == PROC_PROGRAM ? proc_program(t, pid, name) : NULL;
	size_t length;

	if (file == PROC_HIDDEN)
		return -ENOENT;
	if (!program)
		return PROC_NOT_OURS;
	if ((int)size <= 0)
		return -EINVAL;
	length = strlen(program);
	if (length > (uint32_t)size)
		length = (uint32_t)size;
	return guest_copy_out(buffer, program, length) < 0 ? -EFAULT : (int64_t)length;
}

/* --- -L -------------------------------------------------------------------------------------- */

const char *path_with_prefix(const struct process *process, const char *path, char *buffer)
{
	size_t prefix = process->prefix ? strlen(process->prefix) : 0, size = strlen(path) + 1;

	/* The root directory is everybody's. */
	if (!prefix || path[0] != '/' || !path[strspn(path, "/")] || prefix + size > PATH_MAX)
		return path;
	memcpy(buffer, process->prefix, prefix);
	memcpy(buffer + prefix, path, size);
	return host_call(SYS_faccessat, AT_FDCWD, buffer, F_OK) == 0 ? buffer : path;
}

const char *path_for_host(const struct thread *t, const char *path, char *buffer)
{
	return path_with_prefix(t->process, path, buffer);
}
