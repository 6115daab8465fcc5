/* SPDX-License-Identifier: Apache-2.0 */
/*
 * saved-machine.c - translated code of a machine that is kept: which places, and whose pages.
 *
 * What was translated from one state of the machine's memory is true of any machine that begins
 * with that state, and nothing else is kept: the file says which state it was (jit_origin), and
 * writes to its pages are told from the moment on that it is taken in, which is before anything
 * runs. It is found by page, address and mode as if it had been made here, so a list of places that
 * is nonsense is code that nobody asks for.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jit/saved.h"

static struct jit_machine_place place_of(const struct jit_block *block)
{
	return (struct jit_machine_place){ .pc = block->pc,
		.page = block->context & -JIT_PAGE_BYTES,
		.mode = (uint32_t)(block->context % JIT_PAGE_BYTES),
		.loop_bytes = block->loop_bytes };
}

/* Of a line that was replaced by a region only the latter. */
void jit_list_places(struct jit *jit,
	void (*each)(void *context, const struct jit_machine_place *place), void *context)
{
	const struct jit_block *blocks = jit->blocks.items;

	jit_lock(jit, NULL);
	for (size_t i = 0; i < jit->blocks.nr; i++) {
		const struct jit_machine_place place = place_of(&blocks[i]);

		if (!blocks[i].is_of_state &&
			jit_find(jit, blocks[i].pc, blocks[i].context) == &blocks[i])
			each(context, &place);
	}
	jit_unlock(jit, NULL);
}

/* The code of the block or place, where this process has it. */
static bool find_source(
	const struct jit *jit, uint64_t pc, uint64_t context, void *state, struct jit_source *ret)
{
	uint64_t page = pc & -JIT_PAGE_BYTES;
	const uint8_t *host = jit->options.find_page(
		jit->options.context, context & -JIT_PAGE_BYTES);

	if (!host ||
		(context & jit->guest->machine->regime_mask) >= jit->guest->machine->nr_regimes)
		return false;
	*ret = (struct jit_source){ .pc = pc,
		.context = context,
		.offset = (int64_t)((uint64_t)(uintptr_t)host - page),
		.end = page + JIT_PAGE_BYTES,
		.state = state };
	return true;
}

int jit_precompile_place(struct jit *jit, void *state, const struct jit_machine_place *place)
{
	uint64_t context = place->page | place->mode;
	struct jit_source source;

	if (place->page % JIT_PAGE_BYTES || place->mode >= JIT_PAGE_BYTES || place->pc % 2 ||
		place->loop_bytes > JIT_PAGE_BYTES - place->pc % JIT_PAGE_BYTES ||
		!find_source(jit, place->pc, context, state, &source))
		return -EFAULT;
	return jit_precompile_source(jit, &source, place->loop_bytes);
}

/* --- the file ----------------------------------------------------------------------------------
 *
 * Each part begins on a page of the file, so that it can be mapped where it belongs: the header,
 * the arrays as they are, the index, the pages, and the code, which stays where it is in the cache.
 */

/* A page that blocks were made from. */
struct saved_page {
	uint64_t physical, first_block; /* as in struct jit_page */
};

static size_t whole_pages(uint64_t bytes)
{
	return (bytes + JIT_PAGE_BYTES - 1) & -JIT_PAGE_BYTES;
}

static int write_part(int fd, const void *data, size_t size, struct error *err)
{
	static const char zeros[JIT_PAGE_BYTES];
	int r = jit_saved_write(fd, data, size, err);

	return r < 0 ? r : jit_saved_write(fd, zeros, whole_pages(size) - size, err);
}

struct pages {
	struct saved_page *pages;
	size_t nr;
};

static void add_page(void *context, const struct jit_page *page)
{
	struct pages *pages = context;

	if (page->first_block)
		pages->pages[pages->nr++] = (struct saved_page){ page->physical,
			page->first_block };
}

static int write_pages(struct jit *jit, int fd, struct jit_saved *header, struct error *err)
{
	struct pages pages = { .pages = calloc(jit->nr_pages + 1, sizeof(*pages.pages)) };
	int r;

	if (!pages.pages)
		return error_oom(err);
	jit_each_page(jit, add_page, &pages);
	header->nr_pages = pages.nr;
	r = write_part(fd, pages.pages, pages.nr * sizeof(*pages.pages), err);
	free(pages.pages);
	return r;
}

int jit_save_machine(struct jit *jit, int fd, const struct jit_origin *origin, struct error *err)
{
	size_t code = whole_pages(jit->stubs_end);
	struct jit_block *blocks = jit->blocks.items;
	struct jit_saved header;
	int r = jit_saved_begin(jit, origin, code, &header, err);

	for (size_t i = 0; i < jit->blocks.nr; i++)
		blocks[i].is_restored = true;
	header.nr_slots = jit->index.nr;
	header.nr_indexed = jit->nr_indexed;
	for (unsigned n = 0; n < NR_MACHINE_PARTS; n++)
		header.nr[n] = jit_saved_part(jit, n)->nr;
	if (r >= 0)
		r = write_part(fd, &header, sizeof(header), err);
	for (unsigned n = 0; n < NR_MACHINE_PARTS && r >= 0; n++)
		r = write_part(fd, jit_saved_part(jit, n)->items,
			header.nr[n] * jit_saved_part(jit, n)->item_bytes, err);
	if (r >= 0)
		r = write_part(fd, jit->index.items, header.nr_slots * jit->index.item_bytes, err);
	if (r >= 0)
		r = write_pages(jit, fd, &header, err);
	if (r >= 0)
		r = write_part(fd, jit->writable + code, header.code_bytes, err);
	if (r >= 0 && pwrite(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header))
		r = error_errno(err, errno, "cannot write translated code");
	return r < 0 ? r : jit_saved_finish(fd, err);
}

/* --- taking it in ------------------------------------------------------------------------------
 */

static int check(struct jit *jit, const struct jit_saved *header, size_t size,
	const struct jit_origin *origin)
{
	size_t bytes = whole_pages(sizeof(*header)) + whole_pages(header->code_bytes);
	int r = jit_saved_check(jit, header);

	if (r < 0)
		return r;
	if (memcmp(&header->origin, origin, sizeof(*origin)) != 0)
		return -ESTALE;
	if (!header->nr_slots || header->nr_slots & (header->nr_slots - 1) ||
		header->nr_slots > jit->index.limit || header->nr_pages > header->nr[BLOCKS])
		return -EBADMSG;
	for (unsigned n = 0; n < NR_MACHINE_PARTS; n++)
		bytes += whole_pages(header->nr[n] * jit_saved_part(jit, n)->item_bytes);
	bytes += whole_pages(header->nr_slots * jit->index.item_bytes) +
		whole_pages(header->nr_pages * sizeof(struct saved_page));
	return bytes == size && jit_saved_is_whole(header, size) ? 0 : -EBADMSG;
}

/* They are in the table, and writes to them are told from now on. */
static int take_pages(struct jit *jit, const struct saved_page *pages, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		const uint8_t *host = jit->options.find_page(
			jit->options.context, pages[i].physical);
		const struct jit_source source = { .context = pages[i].physical,
			.offset = (int64_t)(uintptr_t)host };

		if (!host || pages[i].physical % JIT_PAGE_BYTES || !pages[i].first_block ||
			pages[i].first_block > jit->blocks.nr)
			return -EBADMSG;
		if (!jit_mark_page(jit, &source))
			return -ENOSPC;
		jit_find_page(jit, pages[i].physical)->first_block = (uint32_t)pages[i].first_block;
	}
	return 0;
}

/* The pages of the file are where they belong from now on. */
static int take(struct jit *jit, int fd, const struct jit_saved *header)
{
	size_t at = whole_pages(sizeof(*header));
	int r = 0;

	for (unsigned n = 0; n < NR_MACHINE_PARTS && r == 0; n++) {
		struct jit_array *array = jit_saved_part(jit, n);

		r = jit_map_array(array, fd, at, header->nr[n]);
		at += whole_pages(header->nr[n] * array->item_bytes);
	}
	if (r == 0)
		r = jit_map_array(&jit->index, fd, at, header->nr_slots);
	jit->nr_indexed = header->nr_indexed;
	at += whole_pages(header->nr_slots * jit->index.item_bytes);
	if (r == 0)
		r = take_pages(jit, (const void *)((const char *)header + at), header->nr_pages);
	at += whole_pages(header->nr_pages * sizeof(struct saved_page));
	if (r == 0)
		r = jit_map_code(jit, fd, at, whole_pages(header->code_bytes));
	jit->used = header->code + whole_pages(header->code_bytes);
	return r;
}

int jit_restore_machine(struct jit *jit, int fd, const struct jit_saved *header, size_t size,
	const struct jit_origin *origin)
{
	int r = check(jit, header, size, origin);

	/* What is there already has been told about its places. */
	if (r == 0 && (jit->blocks.nr || header->code != jit->used))
		r = -EBUSY;
	if (r < 0)
		return r;
	r = take(jit, fd, header);
	if (r < 0)
		jit_empty(jit);
	else
		jit->stats.restored += header->nr[BLOCKS];
	return r;
}
