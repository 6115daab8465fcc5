/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pages.c - code of a machine: where a virtual address is found in translated code, and what
 * happens when a page of code is written.
 *
 * Translated code belongs to a physical page, a virtual address (but see jit_moves()) and a mode,
 * and jumps directly only within its page. Everything else goes through the thread's table of the
 * mode and the address space that it is in. There are several, so that a guest that goes to and fro
 * finds what it has left; a fence makes them empty.
 *
 * What is predicted of returns belongs to one table, too. A thread that changes to another begins
 * above a pair that no return matches, and finds its own returns again when it comes back.
 *
 * From a page that is `is_marked` something was translated: its writes are told (jit_invalidate),
 * because no thread's TLB lets one pass unseen. A thread that had the page open for writes when it
 * was marked closes it the next time it enters translated code, and counts it as written. RISC-V
 * and Arm both want a fence between writing code and running it: jit_wait_for_marks() there waits
 * for those that have not come by yet.
 */
#include <sched.h>
#include <string.h>

#include "jit/internal.h"

#define TABLES	   16
#define BLOOM_BITS 4096
#define FILLED_MAX 512
#define NESTED_MAX 8
#define NO_KEY	   UINT64_MAX

struct jit_tables {
	struct table {
		uint64_t key; /* mode, address space; NO_KEY: not in use */
		bool is_mixed; /* of all address spaces, but not all of its code is in all of them
				*/
		uint32_t address_space; /* if is_mixed */
		uint64_t used; /* when it was last chosen */
		/* Of pages that have entries, by a few bits of their addresses. */
		uint64_t bloom[BLOOM_BITS / 64];
		unsigned size; /* entries: as many as are used */
		/* Which entries are not empty, unless they are more. */
		unsigned nr_filled;
		uint16_t filled[FILLED_MAX];
	} tables[TABLES];
	struct table *current;
	uint64_t time, marks_seen;
	bool is_stale; /* the shadow stack and `current` are not to be used any more */
	/* Whose returns lie below those of `current` on the shadow stack, and how far they go. */
	struct {
		struct table *table;
		uint64_t *shadow;
	} below[NESTED_MAX];
	unsigned nr_below;
	_Alignas(64) struct jit_entry entries[TABLES][JIT_LOOKUP_SIZE_MAX];
};

static uint32_t word_at(const void *state, uint32_t offset)
{
	return *(const uint32_t *)((const char *)state + offset);
}

/* --- sources ---------------------------------------------------------------------------------- */

int jit_locate(const struct jit *jit, void *state, uint64_t pc, struct jit_source *ret)
{
	const struct jit_guest_machine *machine = jit->guest->machine;

	if (machine)
		return machine->find_code(state, pc, ret) ? 0 : JIT_STOP_FAULT;
	*ret = (struct jit_source){ .pc = pc, .state = state };
	return 0;
}

/* --- pages of code -----------------------------------------------------------------------------
 */

/* The table of n slots lies behind those of n/2, n/4, … slots: it grows without moving anything
 * that is looked at, and needs memory as there are pages, however far apart they are. */
static struct jit_page *page_table(const struct jit *jit)
{
	return (struct jit_page *)jit->pages.items + jit->pages.nr;
}

static struct jit_page *page_slot(struct jit *jit, uint64_t physical)
{
	struct jit_page *pages = page_table(jit);
	uint64_t hash = (physical / JIT_PAGE_BYTES) * UINT64_C(0x9e3779b97f4a7c15) >> 40;

	for (;; hash++) {
		struct jit_page *page = &pages[hash % jit->pages.nr];

		if (!page->host || page->physical == physical)
			return page;
	}
}

/* Twice the slots; false: there are no more. */
static bool grow_pages(struct jit *jit)
{
	const struct jit_page *old = page_table(jit);
	size_t nr = jit->pages.nr;

	if (4 * nr > jit->pages.limit)
		return false;
	jit->pages.nr = 2 * nr;
	for (size_t i = 0; i < nr; i++)
		if (old[i].host)
			*page_slot(jit, old[i].physical) = old[i];
	return true;
}

struct jit_page *jit_find_page(struct jit *jit, uint64_t physical)
{
	struct jit_page *page = page_slot(jit, physical & -JIT_PAGE_BYTES);

	return page->host ? page : NULL;
}

void jit_each_page(
	struct jit *jit, void (*each)(void *context, const struct jit_page *page), void *context)
{
	const struct jit_page *pages = page_table(jit);

	for (size_t i = 0; i < jit->pages.nr; i++)
		if (pages[i].host)
			each(context, &pages[i]);
}

bool jit_mark_page(struct jit *jit, const struct jit_source *source)
{
	uint64_t physical = source->context & -JIT_PAGE_BYTES;
	struct jit_page *page = page_slot(jit, physical);

	if (!page->host) {
		if (jit->nr_pages == jit->pages.nr / 2) {
			if (!grow_pages(jit))
				return false;
			page = page_slot(jit, physical);
		}
		jit->nr_pages++;
		page->physical = physical;
		page->host = (const uint8_t *)(uintptr_t)((source->pc & -JIT_PAGE_BYTES) +
			(uint64_t)source->offset);
	}
	if (page->is_marked)
		return true;
	page->is_marked = true;
	/* First those that look later, then those that have looked before. */
	jit->options.has_code(jit->options.context, physical, true);
	jit->marks[jit->nr_marks % JIT_MARKS] = (struct jit_mark){ page->host, physical };
	__atomic_add_fetch(&jit->nr_marks, 1, __ATOMIC_SEQ_CST);
	return true;
}

void jit_add_to_page(struct jit *jit, struct jit_block *block)
{
	struct jit_page *page = page_slot(jit, block->context & -JIT_PAGE_BYTES);

	block->next_on_page = page->first_block;
	page->first_block = (uint32_t)(block - (struct jit_block *)jit->blocks.items) + 1;
}

void jit_unmark_pages(struct jit *jit)
{
	const struct jit_page *pages = page_table(jit);

	for (size_t i = 0; i < jit->pages.nr; i++)
		if (pages[i].is_marked)
			jit->options.has_code(jit->options.context, pages[i].physical, false);
}

/* --- writes that were not told -----------------------------------------------------------------
 */

static bool close_in_table(struct jit_tlb_table *table, const uint8_t *host)
{
	bool was_open = false;

	for (unsigned i = 0; i < jit_tlb_size(table); i++) {
		struct jit_tlb_entry *entry = &table->entries[i];

		if (entry->host != host || entry->page == jit_tlb_empty(i))
			continue;
		entry->page = jit_tlb_empty(i);
		was_open = true;
	}
	for (unsigned i = 0; i < JIT_TLB_RECENT; i++) {
		struct jit_tlb_recent *recent = &table->recent[i];

		if (recent->host != host || !recent->limit)
			continue;
		jit_tlb_forget_recent(recent);
		was_open = true;
	}
	return was_open;
}

/* Close the page for writes of this state; was it open? */
static bool close_page(const struct jit *jit, void *state, const uint8_t *host)
{
	const struct jit_guest_machine *machine = jit->guest->machine;
	struct jit_tlb *tlb = (void *)((char *)state + machine->tlb);
	bool was_open = false;

	for (unsigned n = 0; n < machine->nr_regimes; n++)
		was_open |= close_in_table(&tlb[n].write, host);
	return was_open;
}

static void close_all(const struct jit *jit, void *state)
{
	struct jit_tlb *tlb = (void *)((char *)state + jit->guest->machine->tlb);

	for (unsigned n = 0; n < jit->guest->machine->nr_regimes; n++)
		jit_tlb_clear(&tlb[n]);
}

void jit_close_marked(struct jit *jit, struct jit_frame *frame, void *state, uint64_t first)
{
	for (uint64_t i = first; i < jit->nr_marks; i++)
		close_page(jit, state, jit->marks[i % JIT_MARKS].host);
	if (frame->tables->marks_seen == first)
		__atomic_store_n(&frame->tables->marks_seen, jit->nr_marks, __ATOMIC_SEQ_CST);
}

/* Of other threads' marks: what this one had open it may have written to. */
static void see_marks(struct jit *jit, struct jit_frame *frame, void *state)
{
	uint64_t end = __atomic_load_n(&jit->nr_marks, __ATOMIC_SEQ_CST);
	uint64_t i = frame->tables->marks_seen;

	if (end - i > JIT_MARKS / 2) {
		/* Which ones they were is not known any more. */
		close_all(jit, state);
		__atomic_store_n(&jit->wants_flush, true, __ATOMIC_RELAXED);
		__atomic_add_fetch(&jit->epoch, 1, __ATOMIC_SEQ_CST);
		i = end;
	}
	for (; i < end; i++) {
		const struct jit_mark *mark = &jit->marks[i % JIT_MARKS];

		if (close_page(jit, state, mark->host))
			jit_invalidate(jit, mark->physical, JIT_PAGE_BYTES);
	}
	__atomic_store_n(&frame->tables->marks_seen, end, __ATOMIC_SEQ_CST);
}

/* A thread that has not seen all marks, and may write just now. */
static bool send_out_late(struct jit *jit, struct jit_frame *frame, uint64_t marks)
{
	bool found = false;

	jit_lock(jit, frame);
	for (struct jit_frame *other = jit->frames; other; other = other->next) {
		if (other == frame || !__atomic_load_n(&other->in_code, __ATOMIC_SEQ_CST) ||
			__atomic_load_n(&other->tables->marks_seen, __ATOMIC_SEQ_CST) >= marks)
			continue;
		jit_send_out(jit, other);
		found = true;
	}
	jit_unlock(jit, frame);
	return found;
}

void jit_wait_for_marks(struct jit *jit, struct jit_frame *frame)
{
	uint64_t marks = __atomic_load_n(&jit->nr_marks, __ATOMIC_SEQ_CST);

	while (send_out_late(jit, frame, marks))
		sched_yield();
}

/* --- tables ------------------------------------------------------------------------------------
 */

size_t jit_tables_bytes(const struct jit *jit)
{
	(void)jit;
	return sizeof(struct jit_tables);
}

void jit_init_tables(struct jit_frame *frame, void *memory)
{
	frame->tables = memory;
	frame->tables->marks_seen = __atomic_load_n(&frame->jit->nr_marks, __ATOMIC_SEQ_CST);
	frame->tables->current = &frame->tables->tables[0];
	frame->tables->is_stale = true;
	frame->lookup = frame->tables->entries[0];
	for (unsigned i = 0; i < TABLES; i++) {
		frame->tables->tables[i].key = NO_KEY;
		frame->tables->tables[i].size = JIT_LOOKUP_SIZE;
		jit_empty_lookup(frame->tables->entries[i], JIT_LOOKUP_SIZE);
	}
}

static unsigned bloom_bit(uint64_t pc)
{
	return (unsigned)((pc / JIT_PAGE_BYTES) * UINT64_C(0x9e3779b97f4a7c15) >> 52);
}

/* Twice the entries; what is in one stays there, or goes to the one so many further on. */
static void grow(struct jit_entry *entries, struct table *table)
{
	unsigned size = table->size;

	jit_empty_lookup(entries + size, size);
	for (unsigned i = 0; i < size; i++) {
		uint64_t pc = entries[i].pc;
		uint64_t place = pc & JIT_CAREFUL_PC ? pc ^ JIT_CAREFUL_PLACE : pc;

		if (pc == JIT_NO_PC || !(place >> 1 & size))
			continue;
		entries[i + size] = entries[i];
		entries[i].pc = JIT_NO_PC;
	}
	table->size *= 2;
}

void jit_note_lookup(struct jit_frame *frame, uint64_t pc, bool is_global)
{
	struct table *table = frame->tables->current;
	unsigned bit = bloom_bit(pc);

	table->bloom[bit / 64] |= UINT64_C(1) << bit % 64;
	if (table->nr_filled < FILLED_MAX)
		table->filled[table->nr_filled] = (uint16_t)(pc >> 1 & (table->size - 1));
	table->nr_filled++;
	if (!is_global)
		table->is_mixed = true;
	if (table->nr_filled > 2 * table->size && table->size < JIT_LOOKUP_SIZE_MAX) {
		grow(frame->tables->entries[table - frame->tables->tables], table);
		frame->lookup_mask = jit_lookup_mask(table->size);
	}
}

/* A table that few have been put into is emptied at little cost: fork and exec do it all the time.
 */
static void empty_table(struct jit_tables *tables, struct table *table, uint64_t key)
{
	struct jit_entry *entries = tables->entries[table - tables->tables];

	while (table->size > JIT_LOOKUP_SIZE && table->nr_filled < table->size / 2)
		table->size /= 2;
	if (table->nr_filled > FILLED_MAX)
		jit_empty_lookup(entries, table->size);
	else
		for (unsigned i = 0; i < table->nr_filled; i++)
			entries[table->filled[i]].pc = JIT_NO_PC;
	table->nr_filled = 0;
	memset(table->bloom, 0, sizeof(table->bloom));
	table->key = key;
	table->is_mixed = false;
}

/* The table for a key, the one that was not used for longest when there is none. */
static struct table *find_table(struct jit_tables *tables, uint64_t key)
{
	struct table *oldest = &tables->tables[0];

	for (unsigned i = 0; i < TABLES; i++) {
		struct table *table = &tables->tables[i];

		if (table->key == key)
			return table;
		if (table->key == NO_KEY || (oldest->key != NO_KEY && table->used < oldest->used))
			oldest = table;
	}
	empty_table(tables, oldest, key);
	tables->is_stale = true; /* it may have been among `below` */
	return oldest;
}

void jit_forget_shadows(struct jit_frame *frame)
{
	if (frame->tables)
		frame->tables->nr_below = 0;
}

/* Above the returns of the table that was the current one. */
static void begin_shadow(struct jit_frame *frame)
{
	struct jit_tables *tables = frame->tables;
	uint64_t *shadow = frame->shadow_stack;

	if (tables->nr_below == NESTED_MAX || jit_is_shadow_guard(frame, (uintptr_t)(shadow - 2))) {
		jit_empty_shadow(frame);
		return;
	}
	tables->below[tables->nr_below].table = tables->current;
	tables->below[tables->nr_below++].shadow = shadow;
	frame->shadow_stack = shadow - 2;
	jit_end_shadow(frame);
}

/* The table for the key is the current one, with what it has on the shadow stack. */
static void choose(struct jit_frame *frame, uint64_t key)
{
	struct jit_tables *tables = frame->tables;
	struct table *table;

	for (unsigned i = tables->nr_below; i-- > 0 && !tables->is_stale;) {
		if (tables->below[i].table->key != key)
			continue;
		frame->shadow_stack = tables->below[i].shadow;
		tables->nr_below = i;
		tables->current = tables->below[i].table;
		return;
	}
	table = find_table(tables, key);
	if (tables->is_stale)
		jit_empty_shadow(frame);
	else if (table != tables->current)
		begin_shadow(frame);
	tables->current = table;
}

void jit_choose_table(struct jit *jit, struct jit_frame *frame, const void *state)
{
	const struct jit_guest_machine *machine = jit->guest->machine;
	struct jit_tables *tables = frame->tables;
	uint32_t mode = word_at(state, machine->mode);
	uint32_t address_space = word_at(state, machine->address_space);
	bool is_shared = machine->shared_regimes >> (mode & machine->regime_mask) & 1;
	uint64_t key = mode | (is_shared ? 0 : (uint64_t)(address_space + 1) << 32);
	struct table *table = tables->current;

	if (!tables->is_stale && table->key == key &&
		(!table->is_mixed || table->address_space == address_space))
		return;
	choose(frame, key);
	table = tables->current;
	if (is_shared && table->is_mixed && table->address_space != address_space) {
		empty_table(tables, table, key);
		jit_empty_shadow(frame);
	}
	table->address_space = address_space;
	table->used = ++tables->time;
	tables->is_stale = false;
	frame->lookup = tables->entries[table - tables->tables];
	frame->lookup_mask = jit_lookup_mask(table->size);
}

bool jit_switch(struct jit_frame *frame, const void *state)
{
	struct jit *jit = frame->jit;

	if (frame->epoch != __atomic_load_n(&jit->epoch, __ATOMIC_SEQ_CST) ||
		__atomic_load_n(&jit->nr_marks, __ATOMIC_SEQ_CST) != frame->tables->marks_seen)
		return false;
	jit_choose_table(jit, frame, state);
	return true;
}

void jit_enter_mode(struct jit *jit, struct jit_frame *frame, void *state)
{
	if (__atomic_load_n(&jit->nr_marks, __ATOMIC_SEQ_CST) != frame->tables->marks_seen)
		see_marks(jit, frame, state);
	jit_choose_table(jit, frame, state);
}

/* Entries of code on the page. */
static void forget_in_table(struct jit_entry *entries, unsigned size, uint64_t page)
{
	uint64_t first = (page >> 1) % size;

	for (uint64_t i = first; i < first + JIT_PAGE_BYTES / 2; i++)
		if ((entries[i].pc & -JIT_PAGE_BYTES) == page)
			entries[i].pc = JIT_NO_PC;
}

static bool may_have(const struct table *table, uint64_t page)
{
	unsigned bit = bloom_bit(page);

	return table->bloom[bit / 64] >> bit % 64 & 1;
}

/* Does it hold code that is not there in all address spaces? */
static bool is_local(const struct table *table)
{
	return table->key >> 32 || table->is_mixed;
}

void jit_forget_addresses(struct jit_frame *frame, uint64_t address)
{
	struct jit_tables *tables = frame->tables;
	uint64_t page = address & -JIT_PAGE_BYTES;

	if (!tables)
		return; /* nothing has been translated yet */
	for (unsigned i = 0; i < TABLES; i++) {
		struct table *table = &tables->tables[i];

		if (table->key == NO_KEY)
			continue;
		if (address == JIT_ALL_ADDRESSES ||
			(address == JIT_LOCAL_ADDRESSES && is_local(table))) {
			table->key = NO_KEY;
			tables->is_stale = true;
		} else if (address != JIT_LOCAL_ADDRESSES && may_have(table, page)) {
			forget_in_table(tables->entries[i], table->size, page);
			tables->is_stale = true;
		}
	}
}
