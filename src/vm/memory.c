/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.c - guest-physical memory: sealed files without a name, or memory that is private to us,
 * mapped once and never moved.
 *
 * Regions are added before anything runs and stay until all is destroyed, so they are read without
 * a lock. There are few (RAM, a ROM), which is why a search is a loop.
 */
#include "vm/vm.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define LARGE_BYTES (UINT64_C(2) << 20)

void vm_memory_init(struct vm_memory *memory)
{
	*memory = (struct vm_memory){ 0 };
}

static uint64_t nr_pages(const struct vm_region *region)
{
	return region->size / VM_PAGE_BYTES;
}

static void unmap_region(struct vm_region *region)
{
	if (region->host)
		munmap(region->host, region->size);
	if (region->pages)
		munmap(region->pages, nr_pages(region));
	if (region->fd >= 0)
		close(region->fd);
	*region = (struct vm_region){ .fd = -1 };
}

void vm_memory_destroy(struct vm_memory *memory)
{
	for (unsigned i = 0; i < memory->nr_regions; i++)
		unmap_region(&memory->regions[i]);
	memory->nr_regions = 0;
}

/* Never more than is touched: MAP_NORESERVE, and memfd's pages are not counted before either. */
static void *map_lazily(uint64_t size, int fd)
{
	int flags = MAP_NORESERVE | (fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS);
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

/* In large pages, as far as the host has some: where nested paging translates a guest's addresses,
 * each page that it touches for the first time is an exit. Host and guest begin on such a page. */
static int map_private(struct vm_region *region)
{
	uint64_t room = region->size + LARGE_BYTES;
	uint8_t *at = map_lazily(room, -1), *host;

	if (!at)
		return -errno;
	host = (uint8_t *)(((uintptr_t)at + LARGE_BYTES - 1) & ~(uintptr_t)(LARGE_BYTES - 1));
	if (host > at)
		munmap(at, (size_t)(host - at));
	munmap(host + region->size, room - (uint64_t)(host - at) - region->size);
	madvise(host, region->size, MADV_HUGEPAGE);
	region->host = host;
	region->is_anonymous = true;
	return 0;
}

static int map_shared(struct vm_region *region)
{
	region->fd = memfd_create("strata-memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (region->fd < 0 || ftruncate(region->fd, (off_t)region->size) < 0)
		return -errno;
	/* Nobody who gets the descriptor may take away what we have mapped. */
	if (fcntl(region->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		return -errno;
	region->host = map_lazily(region->size, region->fd);
	return region->host ? 0 : -errno;
}

static int map_region(const struct vm_memory *memory, struct vm_region *region)
{
	int r = memory->is_private ? map_private(region) : map_shared(region);

	if (r < 0)
		return r;
	region->pages = map_lazily(nr_pages(region), -1);
	return region->pages ? 0 : -errno;
}

static bool overlaps(const struct vm_region *region, uint64_t start, uint64_t size)
{
	return start < region->start + region->size && region->start < start + size;
}

int vm_memory_add(struct vm_memory *memory, uint64_t start, uint64_t size, struct error *err)
{
	struct vm_region *region = &memory->regions[memory->nr_regions];
	int r;

	if (size == 0 || (start | size) % VM_PAGE_BYTES || start + size < start || size > INT64_MAX)
		return error_set(err, EINVAL, "guest memory has to be whole pages");
	for (unsigned i = 0; i < memory->nr_regions; i++)
		if (overlaps(&memory->regions[i], start, size))
			return error_set(err, EEXIST, "guest memory overlaps at %#llx",
				(unsigned long long)start);
	if (memory->nr_regions == VM_REGIONS_MAX)
		return error_set(err, ENOSPC, "more than %d regions of memory", VM_REGIONS_MAX);
	*region = (struct vm_region){ .start = start, .size = size, .fd = -1 };
	r = map_region(memory, region);
	if (r < 0) {
		unmap_region(region);
		return error_errno(err, r, "cannot map %llu MiB of guest memory",
			(unsigned long long)(size >> 20));
	}
	memory->nr_regions++;
	return 0;
}

const struct vm_region *vm_memory_region(
	const struct vm_memory *memory, uint64_t start, uint64_t size)
{
	for (unsigned i = 0; i < memory->nr_regions; i++) {
		const struct vm_region *region = &memory->regions[i];
		uint64_t offset = start - region->start; /* huge when it is below */

		if (offset < region->size && size <= region->size - offset)
			return region;
	}
	return NULL;
}

uint64_t vm_memory_end(const struct vm_memory *memory)
{
	uint64_t end = 0;

	for (unsigned i = 0; i < memory->nr_regions; i++)
		if (memory->regions[i].start + memory->regions[i].size > end)
			end = memory->regions[i].start + memory->regions[i].size;
	return end;
}

void *vm_memory_at(const struct vm_memory *memory, uint64_t start, uint64_t size)
{
	const struct vm_region *region = vm_memory_region(memory, start, size);

	return region ? region->host + (start - region->start) : NULL;
}

int vm_memory_read(const struct vm_memory *memory, uint64_t start, void *to, size_t size)
{
	const void *from = vm_memory_at(memory, start, size);

	if (!from)
		return -EFAULT;
	memcpy(to, from, size);
	return 0;
}

int vm_memory_write(struct vm_memory *memory, uint64_t start, const void *from, size_t size)
{
	void *to = vm_memory_at(memory, start, size);

	if (!to)
		return -EFAULT;
	memcpy(to, from, size);
	vm_memory_written(memory, start, size);
	return 0;
}

void vm_memory_written(struct vm_memory *memory, uint64_t start, uint64_t size)
{
	const struct vm_region *region = vm_memory_region(memory, start, size);

	while (region && size > 0) {
		uint64_t left = VM_PAGE_BYTES - start % VM_PAGE_BYTES;
		uint64_t part = size < left ? size : left;
		uint8_t *page = vm_page(region, start);

		vm_page_mark(page, VM_PAGE_DIRTY);
		if (vm_page_is(page, VM_PAGE_HAS_CODE) && memory->code_changed)
			memory->code_changed(memory->context, start, part);
		start += part;
		size -= part;
	}
}

/* Behind the end of a file is no memory, but a signal. */
static int check_size(const struct vm_region *region, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_size >= 0 && (uint64_t)st.st_size == region->size ? 0 : -EINVAL;
}

static int read_at(int fd, uint8_t *to, uint64_t size, uint64_t at)
{
	while (size > 0) {
		ssize_t n = pread(fd, to, size, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		to += n;
		at += (uint64_t)n;
		size -= (uint64_t)n;
	}
	return 0;
}

/* What is not a hole of [0, size). */
int vm_memory_load(struct vm_memory *memory, unsigned number, int fd)
{
	const struct vm_region *region = &memory->regions[number];
	int r = check_size(region, fd);
	off_t at = 0, end;

	while (r == 0 && (at = lseek(fd, at, SEEK_DATA)) >= 0) {
		end = lseek(fd, at, SEEK_HOLE);
		if (end < 0 || (uint64_t)end > region->size)
			return end < 0 ? -errno : -EINVAL;
		r = read_at(fd, region->host + at, (uint64_t)(end - at), (uint64_t)at);
		at = end;
	}
	return r < 0 ? r : errno == ENXIO ? 0 : -errno;
}

int vm_memory_restore(struct vm_memory *memory, unsigned number, int fd)
{
	struct vm_region *region = &memory->regions[number];
	int r = check_size(region, fd);

	if (r < 0)
		return r;
	if (mmap(region->host, region->size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd, 0) == MAP_FAILED)
		return -errno;
	if (region->fd >= 0)
		close(region->fd);
	region->fd = -1;
	region->is_anonymous = false;
	return 0;
}

/* Of a region that is private to us: new memory in place of a file's. */
static int discard_private(const struct vm_region *region, uint64_t offset, uint64_t size)
{
	void *at;

	if (region->is_anonymous)
		return madvise(region->host + offset, size, MADV_DONTNEED) < 0 ? -errno : 0;
	at = mmap(region->host + offset, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);

	return at == MAP_FAILED ? -errno : 0;
}

/* Pages of a region to zeros. */
static int clear_pages(const struct vm_region *region, uint64_t offset, uint64_t size)
{
	if (region->fd < 0)
		return discard_private(region, offset, size);
	return fallocate(region->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
		       (off_t)size) < 0
		? -errno
		: 0;
}

int vm_memory_patch(struct vm_memory *memory, unsigned number, uint64_t offset, uint64_t size,
	int fd, uint64_t at)
{
	const struct vm_region *region = &memory->regions[number];

	if ((offset | size | at) % VM_PAGE_BYTES || !size || offset > region->size ||
		size > region->size - offset)
		return -EINVAL;
	if (fd < 0)
		return clear_pages(region, offset, size);
	if (region->fd >= 0)
		return read_at(fd, region->host + offset, size, at);
	return mmap(region->host + offset, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd, (off_t)at) == MAP_FAILED
		? -errno
		: 0;
}

int vm_memory_discard(struct vm_memory *memory, uint64_t start, uint64_t size)
{
	const struct vm_region *region = vm_memory_region(memory, start, size);
	int r = 0;

	if (!region)
		return -EFAULT;
	if ((start | size) % VM_PAGE_BYTES)
		return -EINVAL;
	if (size > 0)
		r = clear_pages(region, start - region->start, size);
	if (r < 0)
		return r;
	vm_memory_written(memory, start, size);
	return 0;
}

void vm_memory_clean(struct vm_memory *memory)
{
	for (unsigned i = 0; i < memory->nr_regions; i++) {
		const struct vm_region *region = &memory->regions[i];

		/* Bytes that were never set are not there, and are not made by looking. */
		for (uint64_t n = 0; n < nr_pages(region); n++)
			if (region->pages[n] & VM_PAGE_DIRTY)
				vm_page_clear(&region->pages[n], VM_PAGE_DIRTY);
	}
}
