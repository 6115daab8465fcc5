/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reach.c - accesses of a machine's translated code that have not found their page.
 *
 * The guest's helper does the access, and fills the TLB, if the page is plain memory. For a group
 * (x86/emit-pages.c) where the page is must be noted then, because the other accesses do not look.
 * If it is none for that, or if the group lies on two, the guest goes on in code without groups.
 * That is found in the thread's table, by an odd pc; so it goes whenever other code goes.
 */
#include "jit/internal.h"

static int help(struct jit_frame *frame, const struct jit_slow *slow)
{
	const struct jit_guest *guest = frame->jit->guest;
	_Alignas(8) uint8_t data[IR_HELPER_BYTES];

	guest->unpack(slow->word, data);
	return guest->helper(jit_state_of(frame->jit, frame), data);
}

static int go_carefully(struct jit_frame *frame, uint64_t pc)
{
	const struct jit_guest *guest = frame->jit->guest;
	const struct jit_entry *entry = jit_careful_entry(frame, pc);
	uint64_t key = pc | JIT_CAREFUL_PC;

	*(uint64_t *)((char *)jit_state_of(frame->jit, frame) + guest->pc) = pc;
	if (entry->pc != key || key == JIT_NO_PC)
		return JIT_LEAVE_CAREFUL;
	frame->target = entry->code;
	return JIT_LEAVE_FOUND;
}

static void note_page(struct jit_frame *frame, struct jit_tlb_table *table,
	const struct jit_slow *slow, const struct jit_tlb_entry *entry)
{
	uint64_t distance = (uint64_t)(uintptr_t)entry->host - entry->page;

	if (!(slow->place & JIT_SLOW_RECENT))
		frame->pages[slow->kept] = distance;
	else
		table->recent[slow->kept] = (struct jit_tlb_recent){ -entry->page, entry->host,
			distance, JIT_TLB_LIMIT, JIT_TLB_GROUP_LIMIT };
}

static int reach_group(struct jit_frame *frame, const struct jit_slow *slow)
{
	const struct jit_guest *guest = frame->jit->guest;
	char *state = jit_state_of(frame->jit, frame);
	uint64_t pc = *(const uint64_t *)(state + guest->pc);
	uint64_t address = *(const uint64_t *)(state + guest->slot_offsets[slow->slot]) +
		(uint64_t)(int64_t)slow->first;
	uint32_t regime = *(const uint32_t *)(state + guest->machine->mode) &
		guest->machine->regime_mask;
	struct jit_tlb *tlb = (struct jit_tlb *)(uintptr_t)(state + guest->machine->tlb) + regime;
	struct jit_tlb_table *table = slow->place & JIT_SLOW_WRITE ? &tlb->write : &tlb->read;
	int r;

	if (address % JIT_PAGE_BYTES + slow->bytes > JIT_PAGE_BYTES)
		return go_carefully(frame, pc);
	r = help(frame, slow);
	if (r)
		return r;
	if (!jit_tlb_find(table, address, slow->bytes)) {
		++*(uint64_t *)(state + guest->machine->retired); /* this one is done */
		return go_carefully(frame, pc + (slow->place & JIT_SLOW_HALF ? 2 : 4));
	}
	note_page(frame, table, slow, &table->entries[jit_tlb_index(table, address)]);
	return 0;
}

int jit_reach(struct jit_frame *frame, const struct jit_slow *slow)
{
	return slow->place & JIT_SLOW_GROUP ? reach_group(frame, slow) : help(frame, slow);
}
