/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ptrace-page.c - the page by which other processes find their way in this one, and the notes that
 * they leave there: what they have written to may have been translated.
 *
 * A note is added by one process, and acted on by any thread of the other: it stays until the code
 * is forgotten, so that a second thread that sees none has nothing to do.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "translate/calls.h"
#include "translate/memory.h"
#include "translate/ptrace.h"

#define NAME_MAX_BYTES 64 /* of /proc/PID/task/TID/mem, and more than enough */

extern const char __executable_start[];

/* Two programs with the same one have the same structures, as good as surely. */
static uint64_t own_build(void)
{
	uint64_t start = (uintptr_t)__executable_start;

	return (host_trap_address() - start) ^ ((uintptr_t)system_calls - start) << 20 ^
		sizeof(struct thread) << 40 ^ sizeof(struct process) << 52;
}

int trace_page_make(const struct memory *memory)
{
	int64_t r = host_call(SYS_mmap, TRACE_PAGE, GUEST_PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	struct trace_page *page = trace_page();

	if (r != (int64_t)TRACE_PAGE)
		return r < 0 ? (int)r : -EEXIST;
	page->build = own_build();
	page->current_offset = thread_current_offset();
	page->memory = (uintptr_t)memory;
	page->trap = host_trap_address();
	page->call_end = host_call_address();
	page->magic = TRACE_PAGE_MAGIC;
	return 0;
}

void trace_take_notes(struct process *process)
{
	struct trace_page *page = trace_page();
	uint32_t nr = __atomic_load_n(&page->nr_written, __ATOMIC_ACQUIRE);

	do {
		uint32_t known = nr < TRACE_WRITTEN ? nr : TRACE_WRITTEN;

		for (uint32_t i = 0; i < known; i++)
			memory_changed(process->memory, page->written[i].start,
				page->written[i].end - page->written[i].start);
		if (nr > TRACE_WRITTEN)
			memory_changed(process->memory, 0, GUEST_END);
	} while (!__atomic_compare_exchange_n(
		&page->nr_written, &nr, 0, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
}

/* --- writing to another one's memory --------------------------------------------------------- */

/* How its memory is reached. */
struct access {
	int64_t (*read)(int which, uint64_t address, void *buffer, size_t size);
	int64_t (*write)(int which, uint64_t address, const void *bytes, size_t size);
};

/* The note first, then how many there are. */
static void leave_note(const struct access *access, int which, uint64_t address, uint64_t size)
{
	const struct trace_range range = { address, address + size };
	struct trace_page head;
	uint32_t nr;

	if (access->read(which, TRACE_PAGE, &head, offsetof(struct trace_page, written)) < 0 ||
		head.magic != TRACE_PAGE_MAGIC || head.build != trace_page()->build)
		return;
	nr = head.nr_written < TRACE_WRITTEN ? head.nr_written : TRACE_WRITTEN;
	if (nr < TRACE_WRITTEN)
		access->write(which,
			TRACE_PAGE + offsetof(struct trace_page, written) + nr * sizeof(range),
			&range, sizeof(range));
	nr++;
	access->write(which, TRACE_PAGE + offsetof(struct trace_page, nr_written), &nr, sizeof(nr));
}

static int64_t read_peer(int tid, uint64_t address, void *buffer, size_t size)
{
	return peer_read(tid, address, buffer, size);
}

static int64_t write_peer(int tid, uint64_t address, const void *bytes, size_t size)
{
	return peer_write(tid, address, bytes, size);
}

void peer_wrote(int tid, uint64_t address, size_t size)
{
	static const struct access by_ptrace = { read_peer, write_peer };

	leave_note(&by_ptrace, tid, address, size);
}

static int64_t read_file(int fd, uint64_t address, void *buffer, size_t size)
{
	return host_call(SYS_pread64, fd, buffer, size, address) == (int64_t)size ? 0 : -EIO;
}

static int64_t write_file(int fd, uint64_t address, const void *bytes, size_t size)
{
	return host_call(SYS_pwrite64, fd, bytes, size, address) == (int64_t)size ? 0 : -EIO;
}

void trace_free_regions(struct region_map *map)
{
	if (map->capacity)
		host_call(SYS_munmap, map->regions, map->capacity * sizeof(struct region));
	map->capacity = 0;
}

static bool read_regions(int fd, struct region_map *ret)
{
	struct trace_page page;
	struct memory memory;
	int64_t r;

	if (read_file(fd, TRACE_PAGE, &page, offsetof(struct trace_page, written)) < 0 ||
		page.magic != TRACE_PAGE_MAGIC || page.build != trace_page()->build ||
		read_file(fd, page.memory, &memory, sizeof(memory)) < 0 || !memory.map.count ||
		memory.map.count > REGIONS_MAX)
		return false;
	r = host_call(SYS_mmap, 0, memory.map.count * sizeof(struct region), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (r < 0 && r > -4096)
		return false;
	*ret = (struct region_map){ guest_pointer((uint64_t)r), memory.map.count,
		memory.map.count };
	if (read_file(fd, (uintptr_t)memory.map.regions, ret->regions,
		    ret->count * sizeof(struct region)) == 0)
		return true;
	trace_free_regions(ret);
	return false;
}

bool trace_read_regions(int pid, struct region_map *ret)
{
	char name[32];
	int64_t fd;
	bool is_read;

	snprintf(name, sizeof(name), "/proc/%d/mem", pid);
	fd = host_call(SYS_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC);
	is_read = fd >= 0 && read_regions((int)fd, ret);
	if (fd >= 0)
		host_call(SYS_close, fd);
	return is_read;
}

/* Is this descriptor a process's memory? */
static bool is_memory(int fd)
{
	char link[32], name[NAME_MAX_BYTES];
	int64_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = host_call(SYS_readlinkat, AT_FDCWD, link, name, sizeof(name) - 1);
	if (n < 4 || n == sizeof(name) - 1)
		return false;
	name[n] = '\0';
	return name[0] == '/' && strcmp(name + n - 4, "/mem") == 0;
}

void trace_opened(struct thread *t, int fd, const char *path, uint64_t flags)
{
	size_t length = strlen(path);

	if (fd >= 0 && (flags & O_ACCMODE) != O_RDONLY && length >= 3 &&
		strcmp(path + length - 3, "mem") == 0 && is_memory(fd))
		t->process->writes_memory = true;
}

/* What write(2) and its like have done: r bytes at that address, if it was a memory. */
static int64_t written(struct thread *t, int fd, uint64_t address, int64_t r)
{
	static const struct access by_file = { read_file, write_file };

	if (r > 0 && address < GUEST_END && is_memory(fd))
		leave_note(&by_file, fd, address, (uint64_t)r);
	return r;
}

static int64_t written_here(struct thread *t, int fd, int64_t r)
{
	return written(t, fd, (uint64_t)(host_call(SYS_lseek, fd, 0, SEEK_CUR) - r), r);
}

int64_t call_write(struct thread *t, const uint64_t a[6])
{
	int64_t r = host_call_blocking(t, SYS_write, a[0], a[1], a[2]);

	return t->process->writes_memory && r > 0 ? written_here(t, (int)a[0], r) : r;
}

int64_t call_writev(struct thread *t, const uint64_t a[6])
{
	int64_t r = host_call_blocking(t, SYS_writev, a[0], a[1], a[2]);

	return t->process->writes_memory && r > 0 ? written_here(t, (int)a[0], r) : r;
}

int64_t call_pwrite64(struct thread *t, const uint64_t a[6])
{
	int64_t r = host_call_blocking(t, SYS_pwrite64, a[0], a[1], a[2], a[3]);

	return t->process->writes_memory ? written(t, (int)a[0], a[3], r) : r;
}

int64_t call_pwritev(struct thread *t, const uint64_t a[6])
{
	int64_t r = host_call_blocking(t, SYS_pwritev, a[0], a[1], a[2], a[3], a[4]);

	return t->process->writes_memory ? written(t, (int)a[0], a[3], r) : r;
}
