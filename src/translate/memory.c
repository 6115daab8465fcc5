/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.c - the guest's memory is mapped where the guest sees it, without PROT_EXEC.
 *
 * The map's lock is held from the look for a place until the host has mapped it and the map says
 * so. The code cache is told after the lock is released: it asks the map (memory_code_end()) with
 * its own lock held. A thread that runs what another unmaps at that moment races in the guest, too.
 */
#include "translate/saved-code.h"
#include "translate/memory.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#define PROT_KNOWN     (PROT_READ | PROT_WRITE | PROT_EXEC)
#define MAP_32BIT_     0x40u /* x86-64's; no flag of riscv64's */
#define MAP_NO_REPLACE 0x100000u
#define MAP_TYPE_      0x0fu
#define MS_NOEXEC_     8 /* f_flags of statfs(2) */
#define FOREIGN_TRIES  64 /* maps of the host's that may be in the way of one of ours */

int memory_init(struct memory *memory, uint64_t top)
{
	size_t size = REGIONS_MAX * sizeof(struct region);
	int64_t r = host_call(SYS_mmap, 0, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (r < 0 && r > -4096)
		return (int)r;
	*memory = (struct memory){ .map = { .regions = guest_pointer((uint64_t)r),
					   .capacity = REGIONS_MAX },
		.top = top };
	return 0;
}

static uint64_t page_up(uint64_t value)
{
	return (value + GUEST_PAGE - 1) & ~(GUEST_PAGE - 1);
}

static bool is_aligned(uint64_t value)
{
	return value % GUEST_PAGE == 0;
}

static bool is_error(int64_t r)
{
	return r < 0 && r > -4096;
}

/* Can the guest have these addresses at all? (Not on overflow.) */
static bool is_inside(uint64_t address, uint64_t size)
{
	return address >= GUEST_START && size && size <= GUEST_END && address <= GUEST_END - size;
}

/* Code is read by us, never executed. */
static uint32_t host_prot(uint32_t prot)
{
	return (prot & (PROT_READ | PROT_WRITE)) | (prot & PROT_EXEC ? PROT_READ : 0);
}

uint64_t memory_code_end(void *context, uint64_t pc)
{
	struct memory *memory = context;
	uint64_t end;

	lock_take(&memory->lock);
	end = region_code_end(&memory->map, pc);
	lock_release(&memory->lock);
	return end;
}

bool memory_region_at(struct memory *memory, uint64_t address, struct region *ret)
{
	size_t i;
	bool found;

	lock_take(&memory->lock);
	i = region_find(&memory->map, address);
	found = i < memory->map.count;
	if (found)
		*ret = memory->map.regions[i];
	lock_release(&memory->lock);
	return found;
}

void memory_changed(struct memory *memory, uint64_t address, uint64_t size)
{
	if (address >= GUEST_END)
		return;
	if (size > GUEST_END - address)
		size = GUEST_END - address;
	if (memory->jit && size)
		jit_invalidate(memory->jit, address, size);
}

void memory_code_written(struct memory *memory, uint64_t start, uint64_t end)
{
	struct region region;

	for (uint64_t at = start; at < end; at = region.end) {
		if (!memory_region_at(memory, at, &region) || region.start >= end)
			return;
		/* A program's own text that was never writable is as it was. */
		if ((region.prot & PROT_EXEC) &&
			(region.was_writable || region.is_shared || !region.is_file))
			memory_changed(memory, region.start, region.end - region.start);
	}
}

/* --- mmap ------------------------------------------------------------------------------------ */

struct request {
	uint64_t address, size;
	uint32_t prot, flags;
	int64_t fd;
	uint64_t offset;
	enum region_kind kind;
};

static uint64_t find_place(const struct memory *memory, const struct request *request)
{
	uint64_t hint = request->address & ~(GUEST_PAGE - 1), place;
	/* What may be backed by huge pages is wanted at their boundaries; hugetlb needs it. */
	uint64_t align = request->flags & MAP_HUGETLB ? UINT64_C(2) << 20 : GUEST_PAGE;

	if (hint % align == 0 && is_inside(hint, request->size) &&
		region_is_free(&memory->map, hint, hint + request->size))
		return hint;
	place = region_find_free(&memory->map, request->size, align, GUEST_START, memory->top);
	/* Between the stack and the end, and then in what only hints reach otherwise. */
	return place ? place
		     : region_find_free(
			       &memory->map, request->size, align, GUEST_START, GUEST_SHORT_END);
}

/* A mount without exec refuses PROT_EXEC, which the host does not see. */
static int check_executable(const struct request *request)
{
	struct statfs status;

	if (!(request->prot & PROT_EXEC) || (request->flags & MAP_ANONYMOUS))
		return 0;
	if (host_call(SYS_fstatfs, request->fd, &status) == 0 && (status.f_flags & MS_NOEXEC_))
		return -EPERM;
	return 0;
}

static struct region describe(const struct request *request, uint64_t start)
{
	uint32_t type = request->flags & MAP_TYPE_;

	return (struct region){
		.start = start,
		.end = start + request->size,
		.prot = request->prot & PROT_KNOWN,
		.kind = (uint8_t)request->kind,
		.is_file = !(request->flags & MAP_ANONYMOUS),
		.is_shared = type == MAP_SHARED || type == MAP_SHARED_VALIDATE,
		.was_writable = (request->prot & PROT_WRITE) != 0,
	};
}

/* Map at a place that the guest has named and that may hold something; lock held. */
static int64_t map_fixed(struct memory *memory, const struct request *request)
{
	struct region region = describe(request, request->address);
	int64_t r;

	if (memory->map.count + 2 > memory->map.capacity)
		return -ENOMEM;
	r = host_call(SYS_mmap, request->address, request->size, host_prot(request->prot),
		request->flags | MAP_FIXED, request->fd, request->offset);
	if (!is_error(r))
		region_insert(&memory->map, &region);
	return r;
}

/* Some files (io_uring's rings) are mapped where the kernel wants or not at all. Below 2 GiB that
 * is inside what the guest can have. Lock held. */
static int64_t map_anywhere(struct memory *memory, const struct request *request)
{
	int64_t r = host_call(SYS_mmap, 0, request->size, host_prot(request->prot),
		request->flags | MAP_32BIT_, request->fd, request->offset);
	struct region region;

	if (is_error(r))
		return r;
	region = describe(request, (uint64_t)r);
	region_insert(&memory->map, &region);
	return r;
}

/* Are maps to be locked as they are made? MCL_* of mlockall(2). */
static uint32_t future_locks(const struct memory *memory)
{
	if (!memory->lock_future || memory->lock_pid != (int)host_call(SYS_getpid))
		return 0;
	return memory->lock_future;
}

/* Map where there is room; lock held. */
static int64_t map_free(struct memory *memory, const struct request *request)
{
	uint32_t flags = request->flags | MAP_NO_REPLACE;

	for (int i = 0; i < FOREIGN_TRIES; i++) {
		uint64_t place = find_place(memory, request);
		struct region region;
		int64_t r;

		if (!place || memory->map.count + 2 > memory->map.capacity)
			return -ENOMEM;
		region = describe(request, place);
		r = host_call(SYS_mmap, place, request->size, host_prot(request->prot), flags,
			request->fd, request->offset);
		if (r == -EINVAL && !request->address && !(request->flags & MAP_ANONYMOUS))
			return map_anywhere(memory, request);
		if (r != -EEXIST) {
			if (!is_error(r))
				region_insert(&memory->map, &region);
			return r;
		}
		/* Something that the host has put there: never to be looked at again. */
		region.kind = REGION_FOREIGN;
		region.prot = 0;
		region_insert(&memory->map, &region);
	}
	return -ENOMEM;
}

static int64_t map_at_last(struct memory *memory, const struct request *request)
{
	uint32_t flags = request->flags;
	bool is_fixed = (flags & (MAP_FIXED | MAP_NO_REPLACE)) != 0;

	if (!is_fixed)
		return map_free(memory, request);
	if (request->size > GUEST_END || request->address > GUEST_END - request->size)
		return -ENOMEM;
	if (request->address < GUEST_START)
		return -EPERM;
	if ((flags & MAP_NO_REPLACE) &&
		!region_is_free(&memory->map, request->address, request->address + request->size))
		return -EEXIST;
	return map_fixed(memory, request);
}

/* Lock held. */
static int64_t map_locked(struct memory *memory, struct request *request)
{
	uint32_t locks = future_locks(memory);
	int64_t r;

	if (locks && !(locks & MCL_ONFAULT))
		request->flags |= MAP_LOCKED;
	r = map_at_last(memory, request);
	if (!is_error(r) && locks & MCL_ONFAULT)
		host_call(SYS_mlock2, r, request->size, MLOCK_ONFAULT);
	return r;
}

static int64_t map(struct memory *memory, struct request *request)
{
	bool is_fixed = (request->flags & MAP_FIXED) != 0;
	bool had_code;
	int64_t r;

	request->flags &= ~(MAP_32BIT_ | MAP_GROWSDOWN);
	if (!request->size) /* an error, and whose the kernel says: EBADF comes first */
		return host_call(SYS_mmap, 0, 0, 0, request->flags, request->fd, 0);
	if (request->address % GUEST_PAGE && is_fixed)
		return -EINVAL;
	if (request->size > GUEST_END)
		return -ENOMEM;
	/* Of huge pages only whole ones; the kernel says which size. */
	request->size = page_up(request->size);
	if (request->flags & MAP_HUGETLB)
		request->size = (request->size + (2 << 20) - 1) & ~(uint64_t)((2 << 20) - 1);
	r = check_executable(request);
	if (r < 0)
		return r;
	lock_take(&memory->lock);
	had_code = is_fixed &&
		region_has_code(&memory->map, request->address, request->address + request->size);
	r = map_locked(memory, request);
	lock_release(&memory->lock);
	if (!is_error(r) && had_code)
		memory_changed(memory, request->address, request->size);
	if (!is_error(r) && request->fd >= 0 && !(request->flags & (MAP_ANONYMOUS | MAP_SHARED)) &&
		(request->prot & (PROT_EXEC | PROT_WRITE)) == PROT_EXEC)
		saved_code_mapped(memory->saved, memory, (int)request->fd, (uint64_t)r,
			request->size, request->offset);
	return r;
}

int64_t memory_map(struct memory *memory, uint64_t address, uint64_t size, uint32_t prot,
	uint32_t flags, int64_t fd, uint64_t offset)
{
	struct request request = { address, size, prot, flags, fd, offset, REGION_PLAIN };

	return map(memory, &request);
}

int64_t memory_map_kind(struct memory *memory, uint64_t address, uint64_t size, uint32_t prot,
	uint32_t flags, enum region_kind kind)
{
	struct request request = { address, size, prot, flags | MAP_ANONYMOUS, -1, 0, kind };

	return map(memory, &request);
}

/* --- munmap, mprotect ------------------------------------------------------------------------ */

int64_t memory_unmap(struct memory *memory, uint64_t address, uint64_t size)
{
	bool had_code;
	int64_t r;

	size = page_up(size);
	if (!is_aligned(address) || !size || size > GUEST_END || address > GUEST_END - size)
		return -EINVAL;
	lock_take(&memory->lock);
	had_code = region_has_code(&memory->map, address, address + size);
	if (memory->map.count + 1 > memory->map.capacity) {
		r = -ENOMEM;
	} else {
		r = host_call(SYS_munmap, address, size);
		if (!r)
			region_remove(&memory->map, address, address + size);
	}
	lock_release(&memory->lock);
	if (!r && had_code)
		memory_changed(memory, address, size);
	return r;
}

/* PROT_GROWSDOWN is for stacks: from their beginning. */
static int grow_down(const struct memory *memory, uint64_t *address, uint64_t *size)
{
	size_t i = region_find(&memory->map, *address);
	const struct region *region = &memory->map.regions[i];

	if (i == memory->map.count || region->start > *address || region->kind != REGION_STACK)
		return -EINVAL;
	*size += *address - region->start;
	*address = region->start;
	return 0;
}

int64_t memory_protect(struct memory *memory, uint64_t address, uint64_t size, uint32_t prot)
{
	const uint32_t semaphores = 8; /* PROT_SEM */
	bool had_code;
	int64_t r = 0;

	if (!is_aligned(address) || (prot & ~(PROT_KNOWN | semaphores | PROT_GROWSDOWN)) != 0)
		return -EINVAL;
	if (!size)
		return 0;
	size = page_up(size);
	if (!size || size > GUEST_END || address > GUEST_END - size)
		return -ENOMEM;
	lock_take(&memory->lock);
	if (prot & PROT_GROWSDOWN)
		r = grow_down(memory, &address, &size);
	had_code = region_has_code(&memory->map, address, address + size);
	if (!r && memory->map.count + 2 > memory->map.capacity)
		r = -ENOMEM;
	if (!r) {
		int r2;

		/* What lies before a hole is changed, as the kernel does it. */
		r = host_call(SYS_mprotect, address, size, host_prot(prot));
		if (!r || r == -ENOMEM) {
			r2 = region_protect(
				&memory->map, address, address + size, prot & PROT_KNOWN);
			r = r ? r : r2;
		}
	}
	lock_release(&memory->lock);
	if (had_code)
		memory_changed(memory, address, size);
	return r;
}

/* --- mremap ---------------------------------------------------------------------------------- */

/* Lock held. Where the regions of [address, + old_size) are to go; 0: stay. */
static int64_t choose_target(const struct memory *memory, uint64_t address, uint64_t old_size,
	uint64_t new_size, uint32_t flags, uint64_t new_address)
{
	uint64_t place;

	if (flags & MREMAP_FIXED) {
		if (!is_aligned(new_address) || new_size > GUEST_END ||
			new_address > GUEST_END - new_size)
			return -EINVAL;
		if (new_address < GUEST_START)
			return -EPERM;
		if (address + old_size > new_address && new_address + new_size > address)
			return -EINVAL;
		return (int64_t)new_address;
	}
	if (!(flags & MREMAP_DONTUNMAP) &&
		(new_size <= old_size ||
			(address + new_size <= GUEST_END && address + new_size > address &&
				region_is_free(
					&memory->map, address + old_size, address + new_size))))
		return 0;
	if (!(flags & MREMAP_MAYMOVE))
		return -ENOMEM;
	place = region_find_free(&memory->map, new_size, GUEST_PAGE, GUEST_START, memory->top);
	return place ? (int64_t)place : -ENOMEM;
}

static int64_t remap_locked(struct memory *memory, uint64_t address, uint64_t old_size,
	uint64_t new_size, uint32_t flags, uint64_t new_address)
{
	size_t i = region_find(&memory->map, address);
	struct region region;
	int64_t target, r;

	if (i == memory->map.count || memory->map.regions[i].start > address ||
		(old_size && memory->map.regions[i].end < address + old_size))
		return -EFAULT;
	if (memory->map.count + 4 > memory->map.capacity)
		return -ENOMEM;
	region = memory->map.regions[i];
	target = choose_target(memory, address, old_size, new_size, flags, new_address);
	if (target < 0)
		return target;
	if (target)
		r = host_call(SYS_mremap, address, old_size, new_size,
			flags | MREMAP_MAYMOVE | MREMAP_FIXED, target);
	else
		r = host_call(SYS_mremap, address, old_size, new_size, 0);
	if (is_error(r))
		return r;
	if (!(flags & MREMAP_DONTUNMAP) && old_size)
		region_remove(&memory->map, address, address + old_size);
	region.start = (uint64_t)r;
	region.end = region.start + new_size;
	region_insert(&memory->map, &region);
	return r;
}

int64_t memory_remap(struct memory *memory, uint64_t address, uint64_t old_size, uint64_t new_size,
	uint32_t flags, uint64_t new_address)
{
	int64_t r;

	old_size = page_up(old_size);
	new_size = page_up(new_size);
	if ((flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)) || !is_aligned(address) ||
		!new_size || ((flags & MREMAP_FIXED) && !(flags & MREMAP_MAYMOVE)) ||
		((flags & MREMAP_DONTUNMAP) && (!(flags & MREMAP_MAYMOVE) || old_size != new_size)))
		return -EINVAL;
	if (old_size > GUEST_END || new_size > GUEST_END || address > GUEST_END - old_size)
		return new_size > GUEST_END ? -ENOMEM : -EFAULT;
	lock_take(&memory->lock);
	r = remap_locked(memory, address, old_size, new_size, flags, new_address);
	lock_release(&memory->lock);
	if (!is_error(r)) {
		memory_changed(memory, address, old_size);
		memory_changed(memory, (uint64_t)r, new_size);
	}
	return r;
}

/* --- brk ------------------------------------------------------------------------------------- */

/* Lock held. */
static bool move_brk(struct memory *memory, uint64_t end)
{
	struct request request = { memory->brk_end, 0, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NO_REPLACE, -1, 0, REGION_HEAP };

	if (end > memory->brk_end) {
		request.size = end - memory->brk_end;
		return is_inside(request.address, request.size) &&
			!is_error(map_locked(memory, &request));
	}
	if (end < memory->brk_end) {
		if (host_call(SYS_munmap, end, memory->brk_end - end) < 0)
			return false;
		region_remove(&memory->map, end, memory->brk_end);
	}
	return true;
}

int64_t memory_brk(struct memory *memory, uint64_t address)
{
	uint64_t end = page_up(address), old_end;
	int64_t r;

	lock_take(&memory->lock);
	old_end = memory->brk_end;
	if (address >= memory->brk_start && address < GUEST_END && move_brk(memory, end)) {
		memory->brk = address;
		memory->brk_end = end;
	}
	r = (int64_t)memory->brk;
	lock_release(&memory->lock);
	if (end < old_end && r == (int64_t)address)
		memory_changed(memory, end, old_end - end);
	return r;
}

/* --- mlockall -------------------------------------------------------------------------------- */

/* Pages that cannot be there (of PROT_NONE, behind a file's end) are no reason to fail. */
static int64_t lock_region(const struct region *region, uint32_t flags)
{
	uint64_t size = region->end - region->start;
	int64_t r;

	if (region->kind == REGION_FOREIGN)
		return 0;
	if (!(flags & MCL_CURRENT))
		return host_call(SYS_munlock, region->start, size);
	r = host_call(SYS_mlock2, region->start, size, flags & MCL_ONFAULT ? MLOCK_ONFAULT : 0);
	return r == -ENOMEM ? host_call(SYS_mlock2, region->start, size, MLOCK_ONFAULT) : r;
}

int64_t memory_lock_all(struct memory *memory, uint32_t flags)
{
	int64_t r = 0;
	size_t i;

	lock_take(&memory->lock);
	if (!flags || flags & MCL_CURRENT) {
		for (i = 0; i < memory->map.count && r >= 0; i++)
			r = lock_region(&memory->map.regions[i], flags);
		while (r < 0 && i-- > 0)
			lock_region(&memory->map.regions[i], 0);
	}
	if (r >= 0) {
		memory->lock_future = flags & MCL_FUTURE ? flags : 0;
		memory->lock_pid = (int)host_call(SYS_getpid);
	}
	lock_release(&memory->lock);
	return r;
}

/* --- System V shared memory ------------------------------------------------------------------ */

int64_t memory_attach(struct memory *memory, int id, uint64_t address, uint32_t flags)
{
	struct shmid_ds status;
	struct request request = { .prot = PROT_READ | (flags & SHM_RDONLY ? 0 : PROT_WRITE) |
			(flags & SHM_EXEC ? PROT_EXEC : 0),
		.flags = MAP_SHARED,
		.kind = REGION_SEGMENT };
	struct region region;
	int64_t r = host_call(SYS_shmctl, id, IPC_STAT, &status);

	if (r < 0)
		return r;
	if (address % GUEST_PAGE) {
		if (!(flags & SHM_RND))
			return -EINVAL;
		address &= ~(GUEST_PAGE - 1);
	}
	request.size = page_up(status.shm_segsz);
	request.address = address;
	lock_take(&memory->lock);
	if (!address)
		address = find_place(memory, &request);
	if (!is_inside(address, request.size) || memory->map.count + 2 > memory->map.capacity)
		r = -ENOMEM;
	else if (!(flags & SHM_REMAP) &&
		!region_is_free(&memory->map, address, address + request.size))
		r = -EINVAL;
	else
		r = host_call(SYS_shmat, id, address, flags & ~(uint32_t)SHM_EXEC);
	if (!is_error(r)) {
		region = describe(&request, (uint64_t)r);
		region_insert(&memory->map, &region);
	}
	lock_release(&memory->lock);
	if (!is_error(r))
		memory_changed(memory, (uint64_t)r, request.size);
	return r;
}

int64_t memory_detach(struct memory *memory, uint64_t address)
{
	size_t i;
	uint64_t size = 0;
	int64_t r;

	lock_take(&memory->lock);
	r = host_call(SYS_shmdt, address);
	i = region_find(&memory->map, address);
	if (!r && i < memory->map.count && memory->map.regions[i].start == address) {
		size = memory->map.regions[i].end - address;
		region_remove(&memory->map, address, address + size);
	}
	lock_release(&memory->lock);
	if (size)
		memory_changed(memory, address, size);
	return r;
}
