/* SPDX-License-Identifier: Apache-2.0 */
/*
 * descriptors.c - the descriptors of the guest are those of the process, but for a few that are
 * ours (process.program_fd and those beside it), which have high numbers. To the guest they are not
 * open: a row of the table names the arguments that are descriptors, and the dispatcher answers
 * EBADF; what is left for this file are new descriptors in their place, ranges, and lists.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "translate/calls.h"

uint32_t descriptor_own_from(const struct process *process, uint32_t from)
{
	/* One that is not there is -1. */
	const uint32_t own[] = { (uint32_t)process->program_fd, (uint32_t)process->code_fd,
		(uint32_t)process->list_fd, (uint32_t)process->connection_fd };
	uint32_t first = OWN_NONE;

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (own[i] >= from && own[i] < first)
			first = own[i];
	return first;
}

bool descriptor_is_ours(const struct thread *t, uint64_t fd)
{
	/* The kernel looks at 32 bits of it. */
	return (uint32_t)fd != OWN_NONE &&
		descriptor_own_from(t->process, (uint32_t)fd) == (uint32_t)fd;
}

uint64_t descriptor_limit_raise(void)
{
	struct rlimit limit = { 0 }, raised;

	host_call(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit);
	raised = limit;
	raised.rlim_cur = limit.rlim_max;
	host_call(SYS_prlimit64, 0, RLIMIT_NOFILE, &raised, NULL);
	return limit.rlim_cur;
}

void descriptor_limit_restore(uint64_t soft)
{
	struct rlimit limit = { 0 };

	host_call(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit);
	limit.rlim_cur = soft;
	host_call(SYS_prlimit64, 0, RLIMIT_NOFILE, &limit, NULL);
}

int64_t call_close_range(struct thread *t, const uint64_t a[6])
{
	uint32_t first = (uint32_t)a[0], last = (uint32_t)a[1], flags = (uint32_t)a[2];
	uint32_t ours = descriptor_own_from(t->process, first);
	int64_t r;

	if (first > last || ours > last || ours == OWN_NONE)
		return host_call(SYS_close_range, first, last, flags);
	/* Of nothing: checks the flags, and unshares the table once. */
	r = host_call(SYS_close_range, UINT32_MAX, UINT32_MAX, flags);
	flags &= ~(uint32_t)CLOSE_RANGE_UNSHARE;
	for (; r == 0; first = ours + 1) {
		ours = descriptor_own_from(t->process, first);
		if (ours > first)
			r = host_call(SYS_close_range, first, ours > last ? last : ours - 1, flags);
		if (ours >= last)
			break;
	}
	return r;
}

/* --- lists ------------------------------------------------------------------------------------ */

struct directory_entry { /* getdents64(2) */
	uint64_t inode;
	int64_t offset;
	uint16_t size;
	uint8_t type;
	char name[];
};

#define ENTRY_NAME_OFFSET 19 /* of the name, in front of which nothing is padded */
#define ENTRY_SIZE_OFFSET 16
#define NUMBER_MAX	  12 /* a descriptor in digits, and a NUL */

/* Is fd a directory of proc(5) that lists this process's descriptors, or those of another one like
 * it, which has what is ours open under the same number, as a rule? */
static bool lists_descriptors(uint64_t fd, uint32_t ours, const char *name)
{
	static const char *const lists[] = { "/proc/self/fd", "/proc/self/fdinfo",
		"/proc/thread-self/fd", "/proc/thread-self/fdinfo" };
	struct statfs fs;
	struct stat this, list;

	if (host_call(SYS_fstatfs, fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC ||
		host_call(SYS_fstat, fd, &this) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		if (host_call(SYS_newfstatat, AT_FDCWD, lists[i], &list, 0) == 0 &&
			list.st_ino == this.st_ino && list.st_dev == this.st_dev)
			return true;
	return host_call(SYS_newfstatat, fd, name, &list, 0) == 0 &&
		host_call(SYS_fstat, ours, &this) == 0 && list.st_ino == this.st_ino &&
		list.st_dev == this.st_dev;
}

/* Offset of the entry that `name` has among `size` bytes of entries at `address`; -1. */
static int64_t find_entry(uint64_t address, int64_t size, const char *name, uint16_t *ret_size)
{
	int64_t at = 0;

	while (at + ENTRY_NAME_OFFSET < size) {
		char text[NUMBER_MAX] = { 0 };
		uint16_t entry;

		if (guest_copy_in(&entry, address + at + ENTRY_SIZE_OFFSET, sizeof(entry)) < 0 ||
			entry <= ENTRY_NAME_OFFSET)
			return -1;
		if (entry - ENTRY_NAME_OFFSET >= (int)strlen(name) + 1 &&
			guest_copy_in(text, address + at + ENTRY_NAME_OFFSET, strlen(name) + 1) ==
				0 &&
			memcmp(text, name, strlen(name) + 1) == 0) {
			*ret_size = entry;
			return at;
		}
		at += entry;
	}
	return -1;
}

/* Copy bytes within the guest's memory to a lower address. */
static int move_down(uint64_t to, uint64_t from, int64_t size)
{
	char part[512];

	while (size > 0) {
		size_t n = size < (int64_t)sizeof(part) ? (size_t)size : sizeof(part);

		if (guest_copy_in(part, from, n) < 0 || guest_copy_out(to, part, n) < 0)
			return -EFAULT;
		to += n;
		from += n;
		size -= (int64_t)n;
	}
	return 0;
}

static void number_text(char text[NUMBER_MAX], unsigned number)
{
	char *end = text + NUMBER_MAX - 1;

	*end = '\0';
	do
		*--end = (char)('0' + number % 10);
	while (number /= 10);
	memmove(text, end, (size_t)(text + NUMBER_MAX - end));
}

/* Without the entries of ours: how many bytes are left of `size`. */
static int64_t leave_out(const struct process *process, uint64_t fd, uint64_t address, int64_t size)
{
	char name[NUMBER_MAX];
	uint16_t entry;
	int64_t at;

	for (uint32_t ours = 0; (ours = descriptor_own_from(process, ours)) != OWN_NONE; ours++) {
		number_text(name, ours);
		at = find_entry(address, size, name, &entry);
		if (at < 0 || !lists_descriptors(fd, ours, name))
			continue;
		size -= entry;
		if (move_down(address + at, address + at + entry, size - at) < 0)
			return -EFAULT;
	}
	return size;
}

/* Leave our descriptors out of /proc/self/fd, and of /proc/PID/fd. */
int64_t call_getdents64(struct thread *t, const uint64_t a[6])
{
	int64_t r;

	do {
		r = host_call(SYS_getdents64, a[0], a[1], a[2]);
		if (r <= 0)
			return r;
		r = leave_out(t->process, a[0], a[1], r);
		/* There was nothing else: 0 would be the end. */
	} while (r == 0);
	return r;
}
