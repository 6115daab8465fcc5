/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot-memory.c - what memory is on the disk.
 *
 *   memory-N   of a whole snapshot: region N from its first byte on; pages of zeros are holes
 *   changes-N  of a difference: struct run after struct run, by ascending pages
 *   memory-N   of a difference: the pages of its runs, one behind the other, without those of zeros
 *
 * A difference has no holes that mean something, because programs that copy files make and fill
 * holes as they like.
 *
 * Each run is a mapping of its own when the machine is restored, and a process may have 65,530
 * (vm.max_map_count). So there are at most RUNS_MAX for a region, each of which can cut another
 * mapping in two, and SNAPSHOT_CHAIN_MAX differences; runs that are near each other become one,
 * with the pages between them.
 */
#include "machine/snapshot-memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

#define ZEROS_BYTES (UINT64_C(1) << 20) /* that are looked at for zeros before they are written */
#define RUNS_MAX    2048

struct run {
	uint64_t page; /* from the region's first on */
	uint32_t nr_pages;
	uint32_t is_zero;
};

struct runs {
	struct run *runs;
	size_t nr, room;
};

static void free_runs(struct runs *runs)
{
	free(runs->runs);
}

static int open_file(int folder_fd, const char *kind, unsigned number)
{
	char name[32];
	int fd;

	snprintf(name, sizeof(name), "%s-%u", kind, number);
	fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

static bool is_zero(const uint8_t *page)
{
	return page[0] == 0 && memcmp(page, page + 1, VM_PAGE_BYTES - 1) == 0;
}

static int write_at(int fd, const uint8_t *bytes, uint64_t size, uint64_t at)
{
	while (size > 0) {
		ssize_t n = pwrite(fd, bytes, size, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		bytes += n;
		at += (uint64_t)n;
		size -= (uint64_t)n;
	}
	return 0;
}

/* --- whole regions ---------------------------------------------------------------------------- */

/* What is not zero of [from, end). */
static int write_extent(const struct vm_region *region, int fd, uint64_t from, uint64_t end)
{
	for (uint64_t at = from; at < end; at += VM_PAGE_BYTES) {
		uint64_t start = at;
		int r;

		while (at < end && at - start < ZEROS_BYTES && !is_zero(region->host + at))
			at += VM_PAGE_BYTES;
		if (at == start)
			continue;
		r = write_at(fd, region->host + start, at - start, start);
		if (r < 0)
			return r;
		at -= VM_PAGE_BYTES; /* the loop's step */
	}
	return 0;
}

/* Of a region that is a file of its own, only what was ever touched is looked at. */
int snapshot_write_memory(const struct vm_region *region, int fd)
{
	uint64_t end = 0;
	int r = ftruncate(fd, (off_t)region->size) < 0 ? -errno : 0;

	while (r == 0 && end < region->size) {
		off_t start = region->fd < 0 ? (off_t)end
					     : lseek(region->fd, (off_t)end, SEEK_DATA);

		if (start < 0)
			break; /* nothing but a hole */
		end = region->fd < 0 ? region->size : (uint64_t)lseek(region->fd, start, SEEK_HOLE);
		r = write_extent(region, fd, (uint64_t)start, end);
	}
	return r < 0 ? r : fsync(fd) < 0 ? -errno : 0;
}

int snapshot_restore_memory(
	struct vm_memory *memory, unsigned number, int folder_fd, bool is_shared)
{
	_cleanup_close_ int fd = open_file(folder_fd, "memory", number);

	if (fd < 0)
		return fd;
	return is_shared ? vm_memory_load(memory, number, fd)
			 : vm_memory_restore(memory, number, fd);
}

/* --- finding what has changed ----------------------------------------------------------------- */

/* The last piece of the region's own file that has bytes in it: what is in no such piece must not
 * be looked at, because that would put memory there. */
struct extent {
	uint64_t start, end;
};

static bool is_empty(const struct vm_region *region, struct extent *extent, uint64_t offset)
{
	if (region->fd >= 0 && offset >= extent->end) {
		off_t start = lseek(region->fd, (off_t)offset, SEEK_DATA);

		extent->start = start < 0 ? region->size : (uint64_t)start;
		extent->end = start < 0 ? region->size
					: (uint64_t)lseek(region->fd, start, SEEK_HOLE);
	}
	return (region->fd >= 0 && offset < extent->start) || is_zero(region->host + offset);
}

static int add_page(struct runs *runs, uint64_t page, bool is_zero_page)
{
	struct run *last = runs->nr ? &runs->runs[runs->nr - 1] : NULL;

	if (last && last->page + last->nr_pages == page && last->is_zero == is_zero_page &&
		last->nr_pages < UINT32_MAX) {
		last->nr_pages++;
		return 0;
	}
	if (runs->nr == runs->room) {
		size_t room = runs->room ? 2 * runs->room : 256;
		struct run *more = realloc(runs->runs, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		runs->runs = more;
		runs->room = room;
	}
	runs->runs[runs->nr++] = (struct run){ page, 1, is_zero_page };
	return 0;
}

static int find_runs(const struct vm_region *region, struct runs *ret)
{
	struct extent extent = { 0 };
	int r = 0;

	for (uint64_t page = 0; page < region->size / VM_PAGE_BYTES && r == 0; page++)
		if (region->pages[page] & VM_PAGE_DIRTY)
			r = add_page(ret, page, is_empty(region, &extent, page * VM_PAGE_BYTES));
	return r;
}

/* Those with at most `gap` pages between them become one. */
static void join_runs(struct runs *runs, uint64_t gap)
{
	size_t nr = 0;

	for (size_t i = 1; i < runs->nr; i++) {
		struct run *last = &runs->runs[nr], *next = &runs->runs[i];
		uint64_t pages = next->page + next->nr_pages - last->page;

		if (next->page - last->page - last->nr_pages > gap || pages > UINT32_MAX) {
			runs->runs[++nr] = *next;
			continue;
		}
		last->nr_pages = (uint32_t)pages;
		last->is_zero = false;
	}
	runs->nr = nr + 1;
}

static int write_runs(const struct vm_region *region, const struct runs *runs, int fd)
{
	uint64_t at = 0;
	int r = 0;

	for (size_t i = 0; i < runs->nr && r == 0; i++) {
		const struct run *run = &runs->runs[i];
		uint64_t size = (uint64_t)run->nr_pages * VM_PAGE_BYTES;

		if (run->is_zero)
			continue;
		r = write_at(fd, region->host + run->page * VM_PAGE_BYTES, size, at);
		at += size;
	}
	return r;
}

int snapshot_write_changes(const struct vm_region *region, int memory_fd, int changes_fd)
{
	_cleanup_(free_runs) struct runs runs = { 0 };
	int r = find_runs(region, &runs);

	for (uint64_t gap = 1; runs.nr > RUNS_MAX; gap *= 2)
		join_runs(&runs, gap);
	if (r == 0)
		r = write_runs(region, &runs, memory_fd);
	if (r == 0)
		r = io_write_full(changes_fd, runs.runs, runs.nr * sizeof(*runs.runs));
	if (r == 0 && (fsync(memory_fd) < 0 || fsync(changes_fd) < 0))
		r = -errno;
	return r;
}

/* --- and back --------------------------------------------------------------------------------- */

static int read_runs(int fd, struct runs *ret)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < 0 || st.st_size % (off_t)sizeof(struct run) ||
		st.st_size / (off_t)sizeof(struct run) > RUNS_MAX)
		return -EINVAL;
	ret->nr = (size_t)st.st_size / sizeof(struct run);
	ret->runs = calloc(ret->nr + 1, sizeof(struct run));
	if (!ret->runs)
		return -ENOMEM;
	return io_read_full(fd, ret->runs, ret->nr * sizeof(struct run)) == 0 ? 0 : -EINVAL;
}

/* In their order, in the region (vm_memory_patch() looks at their ends), and just what the other
 * file has. */
static int check_runs(const struct vm_region *region, const struct runs *runs, int memory_fd)
{
	uint64_t free_page = 0, nr_pages = 0;
	struct stat st;

	for (size_t i = 0; i < runs->nr; i++) {
		const struct run *run = &runs->runs[i];

		if (run->page < free_page || run->page >= region->size / VM_PAGE_BYTES)
			return -EINVAL;
		free_page = run->page + run->nr_pages;
		nr_pages += run->is_zero ? 0 : run->nr_pages;
	}
	if (fstat(memory_fd, &st) < 0)
		return -errno;
	return (uint64_t)st.st_size == nr_pages * VM_PAGE_BYTES ? 0 : -EINVAL;
}

int snapshot_restore_changes(struct vm_memory *memory, unsigned number, int folder_fd)
{
	_cleanup_(free_runs) struct runs runs = { 0 };
	_cleanup_close_ int memory_fd = open_file(folder_fd, "memory", number);
	_cleanup_close_ int changes_fd = open_file(folder_fd, "changes", number);
	uint64_t at = 0;
	int r = memory_fd < 0	 ? memory_fd
		: changes_fd < 0 ? changes_fd
				 : read_runs(changes_fd, &runs);

	if (r == 0)
		r = check_runs(&memory->regions[number], &runs, memory_fd);
	for (size_t i = 0; i < runs.nr && r == 0; i++) {
		const struct run *run = &runs.runs[i];
		uint64_t size = (uint64_t)run->nr_pages * VM_PAGE_BYTES;

		r = vm_memory_patch(memory, number, run->page * VM_PAGE_BYTES, size,
			run->is_zero ? -1 : memory_fd, at);
		at += run->is_zero ? 0 : size;
	}
	return r;
}
