/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mapped.c - what was kept (saved-machine.c), in its place without being copied: pages of a file,
 * which all machines that go on from the same snapshot share, and of which only those that are
 * used are touched.
 *
 * Items of arrays become the process's own when they are written (MAP_PRIVATE). Code is in the
 * executable view alone; before a jump in it is changed, its page is copied to the writable view,
 * and that page takes the file's place in the other. Threads may be in the middle of it: they find
 * the same bytes before and after, and the kernel makes them wait in between.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "jit/internal.h"

#define OWN_MAX 4096 /* pages that are mapped one by one: a process may have 65530 mappings */

static size_t whole_pages(size_t bytes)
{
	return (bytes + JIT_PAGE_BYTES - 1) & ~(size_t)(JIT_PAGE_BYTES - 1);
}

static int map_file(int fd, size_t from, size_t bytes, void *to, int protection)
{
	void *at = mmap(
		to, bytes, protection, MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED, fd, (off_t)from);

	return at == MAP_FAILED ? -errno : 0;
}

/* --- arrays ------------------------------------------------------------------------------------
 */

int jit_map_array(struct jit_array *array, int fd, size_t from, size_t nr)
{
	size_t bytes = whole_pages(nr * array->item_bytes);
	int r = bytes ? map_file(fd, from, bytes, array->items, PROT_READ | PROT_WRITE) : 0;

	if (r < 0)
		return r;
	array->mapped_bytes = bytes;
	array->nr = nr;
	return 0;
}

void jit_unmap_array(struct jit_array *array)
{
	size_t bytes = array->item_bytes * array->limit;

	if (mmap(array->items, bytes, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
		memset(array->items, 0, array->mapped_bytes);
	madvise(array->items, bytes, MADV_DONTDUMP);
	array->mapped_bytes = 0;
}

/* --- code --------------------------------------------------------------------------------------
 */

/* The pages of the writable view are in the executable one, too. */
static bool share(struct jit *jit, size_t at, size_t bytes)
{
	/* With an old size of 0 another mapping of the same pages is made (mremap(2)). */
	return mremap(jit->mapped.shared + at, 0, bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
		       jit->executable + at) != MAP_FAILED;
}

int jit_map_code(struct jit *jit, int fd, size_t from, size_t bytes)
{
	struct jit_mapped *mapped = &jit->mapped;
	void *shared = mremap(jit->executable, 0, jit->size, MREMAP_MAYMOVE);

	if (shared == MAP_FAILED)
		return -errno;
	mapped->shared = shared;
	madvise(shared, jit->size, MADV_DONTDUMP);
	mapped->is_own = calloc(bytes / JIT_PAGE_BYTES, 1);
	if (!mapped->is_own)
		return -ENOMEM;
	mapped->start = jit->used;
	mapped->end = jit->used + bytes;
	mapped->nr_own = 0;
	return map_file(fd, from, bytes, jit->executable + jit->used, PROT_READ | PROT_EXEC);
}

void jit_unmap_code(struct jit *jit)
{
	struct jit_mapped *mapped = &jit->mapped;

	if (!share(jit, mapped->start, mapped->end - mapped->start))
		return;
	munmap(mapped->shared, jit->size);
	free(mapped->is_own);
	*mapped = (struct jit_mapped){ 0 };
}

static bool own_page(struct jit *jit, size_t page)
{
	memcpy(jit->writable + page, jit->executable + page, JIT_PAGE_BYTES);
	return share(jit, page, JIT_PAGE_BYTES);
}

/* One mapping instead of thousands. */
static bool own_all(struct jit *jit)
{
	struct jit_mapped *mapped = &jit->mapped;

	for (size_t at = mapped->start; at < mapped->end; at += JIT_PAGE_BYTES)
		if (!mapped->is_own[(at - mapped->start) / JIT_PAGE_BYTES])
			memcpy(jit->writable + at, jit->executable + at, JIT_PAGE_BYTES);
	if (!share(jit, mapped->start, mapped->end - mapped->start))
		return false;
	memset(mapped->is_own, 1, (mapped->end - mapped->start) / JIT_PAGE_BYTES);
	return true;
}

bool jit_own_code(struct jit *jit, size_t at)
{
	struct jit_mapped *mapped = &jit->mapped;
	size_t page = at & ~(size_t)(JIT_PAGE_BYTES - 1);
	uint8_t *is_own;

	if (at < mapped->start || at >= mapped->end)
		return true;
	is_own = &mapped->is_own[(page - mapped->start) / JIT_PAGE_BYTES];
	if (*is_own)
		return true;
	if (mapped->nr_own++ == OWN_MAX)
		return own_all(jit);
	*is_own = own_page(jit, page);
	return *is_own;
}
