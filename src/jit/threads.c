/* SPDX-License-Identifier: Apache-2.0 */
/*
 * threads.c - what each thread has of its own to run translated code: the shadow stack, which ends
 * in a page that cannot be touched, and the table that indirect jumps look targets up in. Only the
 * thread itself writes to them.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "jit/internal.h"

#define GUARD_BYTES  4096u
#define LOOKUP_BYTES (JIT_LOOKUP_SIZE * sizeof(struct jit_entry))

void *jit_shadow_bottom(const struct jit_frame *frame)
{
	return (char *)frame->memory + GUARD_BYTES + JIT_SHADOW_BYTES - 64;
}

bool jit_is_shadow_guard(const struct jit_frame *frame, uint64_t address)
{
	return frame->memory && address - (uint64_t)(uintptr_t)frame->memory < GUARD_BYTES;
}

/* There a return finds what it looks for only when the guest wants to go to JIT_NO_PC. */
void jit_end_shadow(struct jit_frame *frame)
{
	uint64_t *end = frame->shadow_stack;

	end[0] = (uint64_t)(uintptr_t)frame->jit->stubs.bottom;
	end[1] = JIT_NO_PC;
}

void jit_empty_shadow(struct jit_frame *frame)
{
	jit_forget_shadows(frame);
	frame->shadow_stack = jit_shadow_bottom(frame);
	jit_end_shadow(frame);
}

static void add(struct jit *jit, struct jit_frame *frame)
{
	struct jit_frame **place = &jit->frames;

	while (*place && *place != frame)
		place = &(*place)->next;
	if (!*place) {
		frame->next = jit->frames;
		jit->frames = frame;
	}
}

void jit_empty_lookup(struct jit_entry *entries, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		entries[i].pc = JIT_NO_PC;
}

void jit_refresh(struct jit *jit, struct jit_frame *frame)
{
	add(jit, frame);
	jit_empty_shadow(frame);
	if (frame->tables)
		jit_forget_addresses(frame, JIT_ALL_ADDRESSES);
	else
		jit_empty_lookup((struct jit_entry *)frame->lookup, JIT_LOOKUP_SIZE);
	frame->epoch = jit->epoch;
}

/* Shadow stack, and what targets are looked up in. */
static size_t memory_bytes(const struct jit *jit)
{
	return GUARD_BYTES + JIT_SHADOW_BYTES +
		(jit->guest->machine ? jit_tables_bytes(jit) : LOOKUP_BYTES);
}

int jit_prepare(struct jit *jit, struct jit_frame *frame)
{
	char *memory;

	if (frame->memory)
		return 0;
	memory = mmap(NULL, memory_bytes(jit), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		-1, 0);
	if (memory == MAP_FAILED)
		return -errno;
	if (mprotect(memory, GUARD_BYTES, PROT_NONE) < 0) {
		munmap(memory, memory_bytes(jit));
		return -errno;
	}
	frame->memory = memory;
	frame->jit = jit;
	frame->lookup_mask = jit_lookup_mask(JIT_LOOKUP_SIZE);
	if (jit->guest->machine)
		jit_init_tables(frame, memory + GUARD_BYTES + JIT_SHADOW_BYTES);
	else
		frame->lookup = memory + GUARD_BYTES + JIT_SHADOW_BYTES;
	frame->counters = jit->counters.items;
	frame->helper = (void *)(uintptr_t)jit->guest->helper;
	frame->reach = (void *)(uintptr_t)jit_reach;
	host_prepare(frame);
	return 0;
}

void jit_release(struct jit_frame *frame)
{
	struct jit_frame **place;

	if (!frame->memory)
		return;
	jit_lock(frame->jit, NULL);
	for (place = &frame->jit->frames; *place; place = &(*place)->next) {
		if (*place != frame)
			continue;
		*place = frame->next;
		break;
	}
	jit_unlock(frame->jit, NULL);
	munmap(frame->memory, memory_bytes(frame->jit));
	*frame = (struct jit_frame){ 0 };
}
