/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache.c - the translated code of one guest address space: its memory, and what is where in it.
 *
 * Code is written through one view and executed through another of the same memory, so that no page
 * is ever both. It only grows; when it is full it is emptied as a whole, once no thread is in it
 * (jit_flush). A block that is not valid any more stays, with its entry and the places that calls
 * return to turned into jumps that look for what is there now.
 *
 * Everything here is under jit->lock, but for jit_block_at(), which signal handlers call: blocks
 * lie in the order of their code, and one counts only once it is whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "jit/internal.h"

#define CACHE_BYTES	(128u << 20)
#define INDEX_SIZE	(1u << 20) /* a power of two, four times the blocks there may be */
#define INDEX_FIRST	(1u << 12)
#define BLOCKS_MAX	(1u << 18) /* of which the Go compiler takes a fifth to a half */
#define EXITS_MAX	(1u << 21)
#define LANDINGS_MAX	(1u << 20)
#define PLACES_MAX	(1u << 23)
#define COUNTERS_MAX	(1u << 18)
#define SEGMENTS_MAX	(1u << 19)
#define RELOCATIONS_MAX (1u << 22)
#define MAPS_MAX	(1u << 14)
#define PAGES_MAX	(1u << 19) /* slots of all tables together: a power of two */
#define PAGES_FIRST	(1u << 8)
/* Of a machine, whose kernel and all programs are in one cache: all of the above so many times, for
 * each piece of cache that has begun. A block takes some 900 bytes of it. */
#define MACHINE_SCALE	    2
#define MACHINE_PIECE_BYTES ((size_t)256 << 20)

/* --- lock and arrays ---------------------------------------------------------------------------
 */

/* 0: free; else who holds it, and whether somebody waits (as mutex 2 of Drepper, "Futexes Are
 * Tricky", with a name in it). */
#define LOCK_HELD    0x40000000u
#define LOCK_AWAITED 0x80000000u

static __thread uint32_t own_number;

void jit_set_thread(uint32_t number)
{
	own_number = number & ~(LOCK_HELD | LOCK_AWAITED);
}

void jit_lock(struct jit *jit, struct jit_frame *frame)
{
	uint32_t value = 0, held = LOCK_HELD | own_number;

	while (!__atomic_compare_exchange_n(
		&jit->lock, &value, held, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
		/* From now on whoever lets it go wakes somebody; so do we, if we get it. */
		if (value &&
			((value & LOCK_AWAITED) ||
				__atomic_compare_exchange_n(&jit->lock, &value,
					value | LOCK_AWAITED, false, __ATOMIC_RELAXED,
					__ATOMIC_RELAXED)))
			syscall(SYS_futex, &jit->lock, FUTEX_WAIT_PRIVATE, value | LOCK_AWAITED,
				NULL, NULL, 0);
		held |= LOCK_AWAITED;
		value = 0;
	}
	if (frame)
		frame->holds_lock = true;
}

void jit_unlock(struct jit *jit, struct jit_frame *frame)
{
	if (frame)
		frame->holds_lock = false;
	if (__atomic_exchange_n(&jit->lock, 0, __ATOMIC_RELEASE) & LOCK_AWAITED)
		syscall(SYS_futex, &jit->lock, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void jit_thread_is_gone(struct jit *jit, struct jit_frame *frame, uint32_t number)
{
	uint32_t held = __atomic_load_n(&jit->lock, __ATOMIC_ACQUIRE);

	__atomic_store_n(&frame->in_code, false, __ATOMIC_SEQ_CST);
	if ((held & ~LOCK_AWAITED) != (LOCK_HELD | number))
		return;
	/* What it was about to write is of no use: all is forgotten. */
	jit->wants_flush = true;
	__atomic_add_fetch(&jit->epoch, 1, __ATOMIC_SEQ_CST);
	jit_unlock(jit, frame);
}

static int reserve(struct jit_array *array, size_t item_bytes, size_t limit)
{
	void *items = mmap(NULL, item_bytes * limit, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (items == MAP_FAILED)
		return -errno;
	madvise(items, item_bytes * limit, MADV_DONTDUMP);
	*array = (struct jit_array){ .items = items, .item_bytes = item_bytes, .limit = limit };
	return 0;
}

static void give_back(struct jit_array *array)
{
	if (array->items)
		munmap(array->items, array->item_bytes * array->limit);
}

static void empty(struct jit_array *array)
{
	if (array->mapped_bytes)
		jit_unmap_array(array);
	else
		madvise(array->items, array->item_bytes * array->limit, MADV_DONTNEED);
	array->nr = 0;
}

void *jit_append(struct jit_array *array, size_t nr)
{
	void *item = (char *)array->items + array->nr * array->item_bytes;

	if (array->nr + nr > array->limit)
		return NULL;
	array->nr += nr;
	return item;
}

/* An empty cache: no code but the stubs, no map but the global one. */
static void begin(struct jit *jit)
{
	/* As saved code wants it (saved.c, saved-machine.c). */
	size_t align = jit->guest->machine ? JIT_PAGE_BYTES : JIT_CODE_ALIGN;

	jit->used = (jit->stubs_end + align - 1) & ~(align - 1);
	if (jit->mapped.end)
		jit->used = jit->mapped.end;
	host_global_map(jit, jit_append(&jit->maps, 1));
	jit->index.nr = INDEX_FIRST;
	jit->nr_indexed = 0;
	jit->nr_pages = 0;
	jit->pages.nr = jit->guest->machine ? PAGES_FIRST : 0;
	jit_append(&jit->counters, JIT_COUNTERS_FIRST);
}

/* --- open and close -------------------------------------------------------------------------- */

struct word {
	const char *name;
	size_t offset;
};

static const struct word words[] = {
	{ "ir", offsetof(struct jit, print_ir) },
	{ "asm", offsetof(struct jit, print_asm) },
	{ "stats", offsetof(struct jit, print_stats) },
	{ "trace", offsetof(struct jit, trace) },
	{ "perf", offsetof(struct jit, perf) },
	{ "interpret", offsetof(struct jit, interpret) },
	{ "noregions", offsetof(struct jit, no_regions) },
	{ "dense", offsetof(struct jit, is_dense) },
};

static int parse_debug(struct jit *jit, const char *text, struct error *err)
{
	while (text && *text) {
		size_t len = strcspn(text, ","), i;

		for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			if (strlen(words[i].name) == len && memcmp(words[i].name, text, len) == 0) {
				*(bool *)((char *)jit + words[i].offset) = true;
				break;
			}
		}
		if (i == sizeof(words) / sizeof(words[0]))
			return error_set(err, EINVAL,
				"STRATA_JIT: \"%.*s\" is none of ir, asm, stats, trace, perf, "
				"interpret, noregions, dense",
				(int)len, text);
		text += len + (text[len] == ',');
	}
	return 0;
}

/* Both views, at addresses of the kernel's choice or in place of those there are: memory that is
 * shared with nobody but its second mapping. There is no file, so no limit of the guest's on files
 * and their size is in the way. */
static int make_views(struct jit *jit)
{
	int fixed = jit->writable ? MAP_FIXED : 0;
	void *writable = mmap(jit->writable, jit->size, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE | fixed, -1, 0);
	void *executable;

	if (writable == MAP_FAILED)
		return -errno;
	jit->writable = writable;
	/* With an old size of 0 another mapping of the same pages is made (mremap(2)). */
	executable = mremap(writable, 0, jit->size, MREMAP_MAYMOVE | (fixed ? MREMAP_FIXED : 0),
		jit->executable);
	if (executable == MAP_FAILED)
		return -errno;
	jit->executable = executable;
	/* A core of the guest's has the guest's memory: ours would make it many times larger. */
	madvise(writable, jit->size, MADV_DONTDUMP);
	madvise(executable, jit->size, MADV_DONTDUMP);
	return mprotect(executable, jit->size, PROT_READ | PROT_EXEC) < 0 ? -errno : 0;
}

static void perf_open(struct jit *jit)
{
	char path[64];

	if (!jit->perf)
		return;
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
	jit->perf_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
}

/* How many times the arrays of a program of ours it takes; a power of two. */
static size_t scale_of(const struct jit *jit)
{
	size_t scale = MACHINE_SCALE;

	if (!jit->guest->machine)
		return 1;
	while (scale / MACHINE_SCALE * MACHINE_PIECE_BYTES < jit->size)
		scale *= 2;
	return scale;
}

int jit_open_guest(const struct jit_options *options, const struct jit_guest *guest,
	struct jit **ret, struct error *err)
{
	struct jit *jit = mmap(
		NULL, sizeof(*jit), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t scale;
	int r;

	if (jit == MAP_FAILED)
		return error_oom(err);
	jit->options = *options;
	jit->guest = guest;
	jit->perf_fd = -1;
	jit->epoch = 1;
	jit->size = options->cache_bytes ? options->cache_bytes : CACHE_BYTES;
	r = parse_debug(jit, options->debug, err);
	if (r == 0 && (jit->size < JIT_CACHE_BYTES_MIN || jit->size > JIT_CACHE_BYTES_MAX))
		r = error_set(err, EINVAL, "a code cache has %u to %u bytes, not %zu",
			JIT_CACHE_BYTES_MIN, JIT_CACHE_BYTES_MAX, jit->size);
	if (r < 0) {
		jit_free(jit);
		return r;
	}
	scale = scale_of(jit);
	jit->host_has_aes = host_has_aes();
	jit->host_has_sha = host_has_sha();
	jit->host_has_products = host_has_products();
	if (!host_is_supported())
		jit->interpret = true;
	if ((r = make_views(jit)) < 0 ||
		(r = reserve(&jit->blocks, sizeof(struct jit_block), scale * BLOCKS_MAX)) < 0 ||
		(r = reserve(&jit->exits, sizeof(struct jit_exit), scale * EXITS_MAX)) < 0 ||
		(r = reserve(&jit->landings, sizeof(struct jit_landing), scale * LANDINGS_MAX)) <
			0 ||
		(r = reserve(&jit->segments, sizeof(struct ir_segment), scale * SEGMENTS_MAX)) <
			0 ||
		(r = reserve(&jit->maps, sizeof(struct jit_map), MAPS_MAX)) < 0 ||
		(r = reserve(&jit->places, sizeof(struct jit_place), scale * PLACES_MAX)) < 0 ||
		(r = reserve(&jit->counters, sizeof(uint32_t), scale * COUNTERS_MAX)) < 0 ||
		(r = reserve(&jit->index, sizeof(struct jit_slot), scale * INDEX_SIZE)) < 0 ||
		(guest->machine &&
			(r = reserve(&jit->pages, sizeof(struct jit_page), scale * PAGES_MAX)) <
				0) ||
		(options->is_saving &&
			(r = reserve(&jit->relocations, sizeof(struct jit_relocation),
				 RELOCATIONS_MAX)) < 0) ||
		(r = reserve(&jit->emitter, host_emitter_bytes(), 1)) < 0) {
		error_errno(err, r, "no memory for a code cache of %zu bytes", jit->size);
		jit_free(jit);
		return r;
	}
	host_emit_stubs(jit);
	begin(jit);
	perf_open(jit);
	*ret = jit;
	return 0;
}

struct jit *jit_free(struct jit *jit)
{
	if (!jit)
		return NULL;
	if (jit->writable)
		munmap(jit->writable, jit->size);
	if (jit->executable)
		munmap(jit->executable, jit->size);
	give_back(&jit->blocks);
	give_back(&jit->exits);
	give_back(&jit->landings);
	give_back(&jit->segments);
	give_back(&jit->maps);
	give_back(&jit->places);
	give_back(&jit->relocations);
	give_back(&jit->counters);
	give_back(&jit->pages);
	give_back(&jit->index);
	give_back(&jit->emitter);
	if (jit->mapped.shared)
		munmap(jit->mapped.shared, jit->size);
	free(jit->mapped.is_own);
	if (jit->perf_fd >= 0)
		close(jit->perf_fd);
	munmap(jit, sizeof(*jit));
	return NULL;
}

/* --- blocks ------------------------------------------------------------------------------------
 */

/* What a block is found by, beside its context, which has the page if that moves. */
static uint64_t place_of(const struct jit *jit, uint64_t pc, uint64_t context)
{
	return jit_moves(jit, context) ? pc % JIT_PAGE_BYTES : pc;
}

static uint64_t key_of(const struct jit *jit, uint64_t pc, uint64_t context)
{
	return ((place_of(jit, pc, context) >> 1) ^ context) * UINT64_C(0x9e3779b97f4a7c15);
}

/* Where it is, or would be. */
static struct jit_slot *slot_of(struct jit *jit, uint64_t pc, uint64_t context)
{
	struct jit_slot *index = jit->index.items;
	const struct jit_block *blocks = jit->blocks.items;
	uint64_t key = key_of(jit, pc, context), hash = key >> 40;

	for (;; hash++) {
		struct jit_slot *slot = &index[hash % jit->index.nr];

		if (!slot->block ||
			(slot->key == key && blocks[slot->block - 1].context == context &&
				place_of(jit, blocks[slot->block - 1].pc, context) ==
					place_of(jit, pc, context)))
			return slot;
	}
}

struct jit_block *jit_find(struct jit *jit, uint64_t pc, uint64_t context)
{
	struct jit_block *blocks = jit->blocks.items;
	uint32_t number = slot_of(jit, pc, context)->block;

	return number && !blocks[number - 1].is_dead ? &blocks[number - 1] : NULL;
}

/* Twice the slots. It is small to begin with: what is looked up at random is memory that is used.
 */
static void grow_index(struct jit *jit)
{
	struct jit_block *blocks = jit->blocks.items;
	size_t nr = jit->index.nr * 2;

	memset(jit->index.items, 0, jit->index.nr * sizeof(struct jit_slot));
	jit->index.nr = nr;
	jit->nr_indexed = 0;
	for (size_t i = 0; i < jit->blocks.nr; i++)
		jit_index(jit, &blocks[i]);
}

void jit_index(struct jit *jit, struct jit_block *block)
{
	struct jit_slot *slot = slot_of(jit, block->pc, block->context);

	if (!slot->block && ++jit->nr_indexed > jit->index.nr / 2 &&
		jit->index.nr < jit->index.limit) {
		grow_index(jit);
		slot = slot_of(jit, block->pc, block->context);
		jit->nr_indexed += !slot->block;
	}
	*slot = (struct jit_slot){ key_of(jit, block->pc, block->context),
		(uint32_t)(block - (struct jit_block *)jit->blocks.items) + 1 };
}

const struct jit_block *jit_block_at(const struct jit *jit, uint64_t host_pc)
{
	const struct jit_block *blocks = jit->blocks.items;
	uint64_t offset = host_pc - (uint64_t)(uintptr_t)jit->executable;
	size_t low = 0, high = __atomic_load_n(&jit->blocks.nr, __ATOMIC_ACQUIRE);

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (blocks[middle].code_end <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == __atomic_load_n(&jit->blocks.nr, __ATOMIC_ACQUIRE))
		return NULL;
	return offset >= blocks[low].code && offset < blocks[low].code_end ? &blocks[low] : NULL;
}

uint64_t jit_guest_pc(const struct jit *jit, const struct jit_block *block, uint64_t host_pc)
{
	const struct jit_place *places = (struct jit_place *)jit->places.items + block->first_place;
	uint64_t offset = host_pc - (uint64_t)(uintptr_t)jit->executable - block->code;
	size_t low = 0, high = block->nr_places;

	/* The last place that begins at or before the address. */
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (places[middle].code <= offset)
			low = middle;
		else
			high = middle;
	}
	return block->lowest + places[low].pc;
}

/* --- forgetting --------------------------------------------------------------------------------
 */

void jit_send_out(struct jit *jit, struct jit_frame *frame)
{
	uint32_t *interrupt = (void *)((char *)jit_state_of(jit, frame) + jit->guest->interrupt);

	__atomic_or_fetch(interrupt, JIT_INTERRUPT_OWN, __ATOMIC_SEQ_CST);
}

/* Is anybody in translated code, or in a helper that it has called? They are sent out. */
static bool send_others_out(struct jit *jit, const struct jit_frame *frame)
{
	bool found = false;

	for (struct jit_frame *other = jit->frames; other; other = other->next) {
		if (other == frame || !__atomic_load_n(&other->in_code, __ATOMIC_SEQ_CST))
			continue;
		jit_send_out(jit, other);
		found = true;
	}
	return found;
}

void jit_empty(struct jit *jit)
{
	if (jit->guest->machine)
		jit_unmark_pages(jit);
	if (jit->mapped.end)
		jit_unmap_code(jit);
	empty(&jit->blocks);
	empty(&jit->exits);
	empty(&jit->landings);
	empty(&jit->segments);
	empty(&jit->maps);
	empty(&jit->places);
	empty(&jit->counters);
	empty(&jit->index);
	if (jit->guest->machine)
		empty(&jit->pages);
	begin(jit);
	jit->lowest = jit->highest = 0;
	jit->wants_flush = false;
	jit->stats.flushes++;
}

/* The lock is let go while others are waited for: one of them may be in a helper that has written
 * to code, and wants it. Whoever has made something in the meantime has to look again, too. */
void jit_flush(struct jit *jit, struct jit_frame *frame)
{
	__atomic_add_fetch(&jit->epoch, 1, __ATOMIC_SEQ_CST);
	while (send_others_out(jit, frame)) {
		jit_unlock(jit, frame);
		sched_yield();
		jit_lock(jit, frame);
		__atomic_add_fetch(&jit->epoch, 1, __ATOMIC_SEQ_CST);
	}
	jit_empty(jit);
}

/* The code from here to `end`, of which there is none any more, in both views: they are one file's.
 */
static void give_back_code(struct jit *jit, size_t end)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), start = (jit->used + page - 1) & ~(page - 1);

	if (start < end)
		madvise(jit->writable + start, end - start, MADV_REMOVE);
}

bool jit_shrink(struct jit *jit, size_t keep_bytes)
{
	size_t end;
	bool is_done = true;

	jit_lock(jit, NULL);
	end = jit->used;
	/* What is a file's costs nothing. */
	if (end - (jit->mapped.end - jit->mapped.start) > keep_bytes && !jit->interpret) {
		__atomic_add_fetch(&jit->epoch, 1, __ATOMIC_SEQ_CST);
		is_done = !send_others_out(jit, NULL);
		if (is_done) {
			jit_empty(jit);
			give_back_code(jit, end);
		}
	}
	jit_unlock(jit, NULL);
	return is_done;
}

static bool overlaps(
	const struct jit *jit, const struct jit_block *block, uint64_t start, uint64_t end)
{
	const struct ir_segment *segments = (struct ir_segment *)jit->segments.items +
		block->first_segment;

	for (unsigned i = 0; i < block->nr_segments; i++)
		if (segments[i].start < end && start < segments[i].end)
			return true;
	return false;
}

/* -ENOSPC: the cache has no room for the jumps. */
static int forget(struct jit *jit, struct jit_block *block)
{
	const struct jit_landing *landings = jit->landings.items;
	int r = host_redirect(jit, block, block->code, block->pc, false);

	for (unsigned i = 0; i < block->nr_landings && r >= 0; i++) {
		const struct jit_landing *landing = &landings[block->first_landing + i];

		r = host_redirect(jit, block, landing->code, landing->pc, true);
	}
	block->is_dead = true;
	jit->stats.invalidated++;
	return r;
}

/* What came of code that has changed. */
struct forgotten {
	bool is_full, in_loops;
};

static void forget_if_there(struct jit *jit, struct jit_block *block, uint64_t start, uint64_t end,
	struct forgotten *forgotten)
{
	if (block->is_dead || !overlaps(jit, block, start, end))
		return;
	forgotten->is_full |= forget(jit, block) < 0;
	forgotten->in_loops |= block->loop_bytes != 0;
}

/* Only what is left on a page stays in its list; when that is nothing, writes need not be told. */
static void forget_on_page(struct jit *jit, struct jit_page *page, uint64_t start, uint64_t end,
	struct forgotten *forgotten)
{
	struct jit_block *blocks = jit->blocks.items;
	uint32_t *place = &page->first_block;

	while (*place) {
		struct jit_block *block = &blocks[*place - 1];

		forget_if_there(jit, block, start, end, forgotten);
		if (block->is_dead)
			*place = block->next_on_page;
		else
			place = &block->next_on_page;
	}
	if (!page->first_block && page->is_marked) {
		page->is_marked = false;
		jit->options.has_code(jit->options.context, page->physical, false);
	}
}

static void forget_in_machine(
	struct jit *jit, uint64_t start, uint64_t end, struct forgotten *forgotten)
{
	for (uint64_t at = start & -JIT_PAGE_BYTES; at < end; at += JIT_PAGE_BYTES) {
		struct jit_page *page = jit_find_page(jit, at);

		if (page)
			forget_on_page(jit, page, start, end, forgotten);
	}
}

static void forget_in_program(
	struct jit *jit, uint64_t start, uint64_t end, struct forgotten *forgotten)
{
	struct jit_block *blocks = jit->blocks.items;

	if (start >= jit->highest || end <= jit->lowest)
		return;
	for (size_t i = 0; i < jit->blocks.nr; i++)
		forget_if_there(jit, &blocks[i], start, end, forgotten);
}

void jit_invalidate(struct jit *jit, uint64_t start, uint64_t size)
{
	uint64_t end = start + size < start ? UINT64_MAX : start + size;
	struct forgotten forgotten = { 0 };

	if (!size || jit->interpret)
		return;
	jit_lock(jit, NULL);
	if (jit->guest->machine)
		forget_in_machine(jit, start, end, &forgotten);
	else
		forget_in_program(jit, start, end, &forgotten);
	/* Something of the old code can still be entered: nobody goes in again before it is all
	 * gone. */
	if (forgotten.is_full) {
		jit->wants_flush = true;
		__atomic_add_fetch(&jit->epoch, 1, __ATOMIC_SEQ_CST);
	}
	/* The jumps of a region do not pass by its entry. */
	if (forgotten.is_full || forgotten.in_loops)
		for (struct jit_frame *frame = jit->frames; frame; frame = frame->next)
			jit_send_out(jit, frame);
	jit_unlock(jit, NULL);
}

/* --- fork --------------------------------------------------------------------------------------
 */

/* What the child begins with is copied by the parent, while nobody changes it: the views are shared
 * memory, and the parent goes on with them at once. */
void jit_before_fork(struct jit *jit)
{
	void *copy;

	jit_lock(jit, NULL);
	if (jit->interpret)
		return;
	copy = mmap(NULL, jit->used, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	jit->fork_bytes = jit->used;
	jit->fork_copy = copy == MAP_FAILED ? NULL : copy;
	if (jit->fork_copy)
		memcpy(jit->fork_copy, jit->writable, jit->used);
}

/* The threads that are not there any more are forgotten. */
static int enter_child(struct jit *jit)
{
	int r;

	/* The other threads are not here, though their states are: nobody waits for them. */
	for (struct jit_frame *frame = jit->frames; frame; frame = frame->next)
		frame->in_code = false;
	if (jit->interpret)
		return 0;
	if (!jit->fork_copy)
		return -ENOMEM;
	r = make_views(jit);
	if (r < 0)
		return r;
	/* All of it at once is much cheaper than page by page. */
	madvise(jit->writable, jit->used, MADV_POPULATE_WRITE);
	memcpy(jit->writable, jit->fork_copy, jit->used);
	madvise(jit->executable, jit->used, MADV_POPULATE_READ);
	return 0;
}

int jit_after_fork(struct jit *jit, bool is_child)
{
	int r = is_child ? enter_child(jit) : 0;

	if (jit->fork_copy)
		munmap(jit->fork_copy, jit->fork_bytes);
	jit->fork_copy = NULL;
	jit_unlock(jit, NULL);
	return r;
}

struct jit_stats jit_get_stats(struct jit *jit)
{
	struct jit_stats stats;

	jit_lock(jit, NULL);
	stats = jit->stats;
	jit_unlock(jit, NULL);
	return stats;
}

void jit_print_stats(struct jit *jit, int fd)
{
	const struct jit_stats *s = &jit->stats;

	if (!jit->print_stats)
		return;
	dprintf(fd,
		"blocks %llu\nregions %llu\nrestored %llu\nguest_instructions %llu\nguest_bytes %llu\n"
		"host_bytes %llu\nlinks %llu\nmisses %llu\nflushes %llu\ninvalidated %llu\n",
		(unsigned long long)s->blocks, (unsigned long long)s->regions,
		(unsigned long long)s->restored, (unsigned long long)s->guest_instructions,
		(unsigned long long)s->guest_bytes, (unsigned long long)s->host_bytes,
		(unsigned long long)s->links, (unsigned long long)s->misses,
		(unsigned long long)s->flushes, (unsigned long long)s->invalidated);
}
