/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc.c - files of /proc that describe the translator where the guest must find itself.
 */
#include "translate/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "translate/hwprobe.h"
#include "translate/memory.h"

/* The rest of an absolute path behind /proc/self/, /proc/thread-self/, /proc/PID/ of ours; NULL. */
static const char *in_own_folder(const struct thread *t, const char *path)
{
	const char *rest = path;
	int64_t number = 0;

	if (strncmp(rest, "/proc/", 6) != 0)
		return NULL;
	rest += 6;
	while (*rest == '/')
		rest++;
	if (strncmp(rest, "self/", 5) == 0)
		return rest + 5;
	if (strncmp(rest, "thread-self/", 12) == 0)
		return rest + 12;
	for (; *rest >= '0' && *rest <= '9' && number < INT32_MAX; rest++)
		number = number * 10 + *rest - '0';
	return *rest == '/' && (number == t->process->pid || number == t->tid) ? rest + 1 : NULL;
}

bool proc_is_program(const struct thread *t, int dir, const char *path)
{
	const char *rest = in_own_folder(t, path);

	return rest && strcmp(rest, "exe") == 0;
}

int64_t proc_read_link(struct thread *t, int dir, const char *path, uint64_t buffer, uint64_t size)
{
	size_t length;

	if (!proc_is_program(t, dir, path))
		return PROC_NOT_OURS;
	if ((int32_t)size <= 0)
		return -EINVAL;
	length = strlen(t->process->executable);
	if (length > size)
		length = size;
	return guest_copy_out(buffer, t->process->executable, length) < 0 ? -EFAULT
									  : (int64_t)length;
}

/* --- content --------------------------------------------------------------------------------- */

static int64_t make_file(uint64_t flags)
{
	return host_call(SYS_memfd_create, "proc", flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
}

static void write_text(int64_t fd, const char *text, size_t size)
{
	while (size) {
		int64_t r = host_call(SYS_write, fd, text, size);

		if (r <= 0)
			return;
		text += r;
		size -= (size_t)r;
	}
}

static void write_cpuinfo(struct thread *t, int64_t fd)
{
	uint8_t cpus[1024] = { 0 };
	int64_t size = host_call(SYS_sched_getaffinity, 0, sizeof(cpus), cpus);
	char text[640];

	for (int64_t i = 0; i < size * 8; i++)
		if (cpus[i / 8] >> i % 8 & 1)
			write_text(fd, text,
				(size_t)snprintf(text, sizeof(text),
					"processor\t: %d\nhart\t\t: %d\nisa\t\t: %s\n"
					"mmu\t\t: sv39\nmvendorid\t: 0x0\nmarchid\t\t: 0x0\n"
					"mimpid\t\t: 0x0\nhart isa\t: %s\n\n",
					(int)i, (int)i, hwprobe_isa(), hwprobe_isa()));
}

int64_t proc_open(struct thread *t, int dir, const char *path, uint64_t flags)
{
	const char *rest = in_own_folder(t, path);
	int64_t fd;

	if (rest && strcmp(rest, "exe") == 0 && !(flags & O_NOFOLLOW))
		return host_call(SYS_openat, AT_FDCWD, t->process->executable, flags);
	if (strcmp(path, "/proc/cpuinfo") != 0 || (flags & O_ACCMODE) != O_RDONLY)
		return PROC_NOT_OURS;
	fd = make_file(flags);
	if (fd < 0)
		return fd;
	write_cpuinfo(t, fd);
	host_call(SYS_lseek, fd, 0, SEEK_SET);
	return fd;
}

/* --- -L -------------------------------------------------------------------------------------- */

const char *path_with_prefix(const struct process *process, const char *path, char *buffer)
{
	size_t prefix = process->prefix ? strlen(process->prefix) : 0, size = strlen(path) + 1;

	if (!prefix || path[0] != '/' || prefix + size > PATH_MAX)
		return path;
	memcpy(buffer, process->prefix, prefix);
	memcpy(buffer + prefix, path, size);
	return host_call(SYS_faccessat, AT_FDCWD, buffer, F_OK) == 0 ? buffer : path;
}

const char *path_for_host(const struct thread *t, const char *path, char *buffer)
{
	return path_with_prefix(t->process, path, buffer);
}
