/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translate.c - the loop around translated code: it is made when it is first wanted, its jumps are
 * set when they are first taken, and a loop that turns often is made again as a whole.
 *
 * Two tiers. A line is a piece of straight code, made quickly, in which the guest's hottest
 * registers have fixed places in the host's. A region is a loop with all its blocks, where those
 * slots have registers that it uses most.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "jit/internal.h"

typedef int enter_function(void *state, const uint8_t *code);

static uint64_t *pc_of(const struct jit *jit, void *state)
{
	return (void *)((char *)state + jit->guest->pc);
}

static struct jit_frame *frame_of(const struct jit *jit, void *state)
{
	return (void *)((char *)state + jit->guest->frame);
}

/* --- making blocks -----------------------------------------------------------------------------
 */

/* In pieces: a call for each byte would take minutes of a kernel's code. */
static void print_code(const struct jit *jit, const struct jit_block *block)
{
	char line[3 * 64 + 1];

	dprintf(STDERR_FILENO, "code %#llx at %#x:", (unsigned long long)block->pc, block->code);
	for (uint32_t i = block->code; i < block->code_end;) {
		int used = 0;

		for (; i < block->code_end && used < 3 * 64; i++)
			used += snprintf(line + used, 4, " %02x", jit->writable[i]);
		dprintf(STDERR_FILENO, "%s", line);
	}
	dprintf(STDERR_FILENO, "\n");
}

static void print(struct jit *jit, const struct jit_block *block)
{
	if (jit->print_ir) {
		dprintf(STDERR_FILENO, "%s %#llx: %u instructions\n",
			block->loop_bytes ? "region" : "line", (unsigned long long)block->pc,
			jit->ir.nr_guest);
		ir_print(&jit->ir, jit->guest->slot_names, STDERR_FILENO);
	}
	if (jit->print_asm)
		print_code(jit, block);
	if (jit->perf_fd >= 0)
		dprintf(jit->perf_fd, "%llx %x %s_%llx\n",
			(unsigned long long)(uintptr_t)(jit->executable + block->code),
			block->code_end - block->code, block->loop_bytes ? "region" : "line",
			(unsigned long long)block->pc);
}

/* What it was made from: of a machine where that lies physically. */
static int note_guest_code(
	struct jit *jit, struct jit_block *block, const struct jit_source *source)
{
	uint64_t lowest = UINT64_MAX;

	block->first_segment = (uint32_t)jit->segments.nr;
	block->nr_segments = (uint8_t)jit->ir.nr_segments;
	for (unsigned i = 0; i < block->nr_segments; i++) {
		struct ir_segment *segment = jit_append(&jit->segments, 1);

		if (!segment)
			return -ENOSPC;
		*segment = jit->ir.segments[i];
		jit->stats.guest_bytes += segment->end - segment->start;
		if (segment->start < lowest)
			lowest = segment->start;
		if (jit->guest->machine) {
			uint64_t page = source->context & -JIT_PAGE_BYTES,
				 bytes = segment->end - segment->start;

			segment->start = page + segment->start % JIT_PAGE_BYTES;
			segment->end = segment->start + bytes;
			continue;
		}
		if (!jit->highest || segment->start < jit->lowest)
			jit->lowest = segment->start;
		if (segment->end > jit->highest)
			jit->highest = segment->end;
	}
	block->lowest = lowest;
	return 0;
}

/* Of a program what may be read is asked for only when it is. */
static uint64_t end_of(const struct jit *jit, const struct jit_source *source)
{
	if (jit->guest->machine)
		return source->end;
	if (jit->options.code_end)
		return jit->options.code_end(jit->options.context, source->pc);
	return UINT64_MAX;
}

int jit_make(
	struct jit *jit, const struct jit_source *source, uint64_t loop_end, struct jit_block **ret)
{
	struct jit_lift_options lift = { .end = end_of(jit, source),
		.offset = source->offset,
		.is_machine = jit->guest->machine,
		.mode = (uint32_t)(source->context % JIT_PAGE_BYTES),
		.loop_end = loop_end,
		.state = source->state };
	struct jit_block *block = (struct jit_block *)jit->blocks.items + jit->blocks.nr;
	uint64_t pc = source->pc;
	int r;

	if (lift.end <= pc)
		return -EFAULT;
	if (jit->guest->machine && loop_end > lift.end)
		return -E2BIG;
	if (jit->blocks.nr == jit->blocks.limit)
		return -ENOSPC;
	/* Before it is read: from here on what changes it is told. */
	if (jit->guest->machine && !jit_mark_page(jit, source))
		return -ENOSPC;
	jit->ir.pc = pc;
	jit->ir.nr = jit->ir.nr_helpers = jit->ir.nr_segments = jit->ir.nr_guest = 0;
	jit->ir.wants_state = false;
	jit->ir.moves = jit_moves(jit, source->context) || pc > UINT32_MAX;
	jit->guest->lift(&jit->ir, &lift);
	if (!jit->ir.nr)
		return loop_end ? -E2BIG : -EFAULT;
	/* Whoever runs it makes better code. */
	if (jit->ir.wants_state && jit->options.is_saving)
		return -EFAULT;
	jit->ir.has_slow_paths = jit->guest->machine;
	ir_optimize(&jit->ir);
	ir_owe(&jit->ir);
	*block = (struct jit_block){ .pc = pc,
		.context = source->context,
		.loop_bytes = loop_end ? (uint32_t)(loop_end - pc) : 0,
		.is_of_state = jit->ir.wants_state };
	r = note_guest_code(jit, block, source);
	if (r >= 0)
		r = host_emit(jit, block);
	if (r < 0)
		return r;
	if (jit->guest->machine)
		jit_add_to_page(jit, block);
	__atomic_store_n(&jit->blocks.nr, jit->blocks.nr + 1, __ATOMIC_RELEASE);
	jit_index(jit, block);
	if (block->loop_bytes)
		jit->stats.regions++;
	else
		jit->stats.blocks++;
	jit->stats.guest_instructions += jit->ir.nr_guest;
	jit->stats.host_bytes += block->code_end - block->code;
	print(jit, block);
	*ret = block;
	return 0;
}

/* The block for a source, made when there is none; everything is forgotten when that takes it. */
static int find_or_make(struct jit *jit, struct jit_frame *frame, const struct jit_source *source,
	struct jit_block **ret)
{
	int r;

	if (jit->wants_flush)
		jit_flush(jit, frame);
	*ret = jit_find(jit, source->pc, source->context);
	if (*ret)
		return 0;
	r = jit_make(jit, source, 0, ret);
	if (r == -ENOSPC) {
		jit_flush(jit, frame);
		r = jit_make(jit, source, 0, ret);
	}
	return r;
}

/* --- running -----------------------------------------------------------------------------------
 */

static void refresh_if_old(struct jit *jit, struct jit_frame *frame)
{
	if (frame->epoch != __atomic_load_n(&jit->epoch, __ATOMIC_SEQ_CST))
		jit_refresh(jit, frame);
}

static void enter_in_table(const struct jit *jit, struct jit_frame *frame,
	const struct jit_source *source, const uint8_t *code)
{
	bool is_careful = source->context & JIT_CONTEXT_CAREFUL;
	uint64_t place = is_careful ? source->pc ^ JIT_CAREFUL_PLACE : source->pc;
	uint64_t key = is_careful ? source->pc | JIT_CAREFUL_PC : source->pc;

	*jit_lookup_entry(frame, place) = (struct jit_entry){ key, code };
	if (jit->guest->machine)
		jit_note_lookup(frame, place, source->is_global);
}

static int leave_for(int r)
{
	return r == -EFAULT ? JIT_LEAVE_NO_CODE : r < 0 ? JIT_LEAVE_INTERPRET : 0;
}

/* Into the thread's table. 0, or why there is no code. `careful`: 0, or JIT_CONTEXT_CAREFUL. */
static int look_up(struct jit *jit, struct jit_frame *frame, void *state, uint64_t pc,
	uint64_t careful, const uint8_t **ret)
{
	struct jit_source source;
	struct jit_block *block;
	int r = jit_locate(jit, state, pc, &source);
	uint64_t marks;

	if (r)
		return r;
	source.context |= careful;
	jit_lock(jit, frame);
	marks = jit->nr_marks;
	r = find_or_make(jit, frame, &source, &block);
	refresh_if_old(jit, frame);
	if (jit->guest->machine) {
		jit_close_marked(jit, frame, state, marks);
		jit_choose_table(jit, frame, state);
	}
	if (r >= 0) {
		*ret = jit->executable + block->code;
		enter_in_table(jit, frame, &source, *ret);
	}
	jit_unlock(jit, frame);
	return leave_for(r);
}

static int miss(
	struct jit *jit, struct jit_frame *frame, void *state, uint64_t pc, const uint8_t **ret)
{
	__atomic_fetch_add(&jit->stats.misses, 1, __ATOMIC_RELAXED);
	return look_up(jit, frame, state, pc, 0, ret);
}

/* An exit was taken that leads nowhere yet. *ret: where it leads now, or NULL. */
static int link_exit(struct jit *jit, struct jit_frame *frame, void *state,
	const struct jit_exit *exit, const uint8_t **ret)
{
	struct jit_source source;
	struct jit_block *block;
	int r = jit_locate(jit, state, exit->target, &source);
	uint64_t marks;

	if (r)
		return r;
	jit_lock(jit, frame);
	marks = jit->nr_marks;
	r = find_or_make(jit, frame, &source, &block);
	/* Code that moves does not jump from page to page, even if both are the same one. */
	if (r >= 0 && frame->epoch == jit->epoch && exit->context == source.context &&
		(!jit_moves(jit, exit->context) || exit->target - frame->page < JIT_PAGE_BYTES)) {
		host_link(jit, exit->place, block->code);
		jit->stats.links++;
		*ret = jit->executable + block->code;
	}
	refresh_if_old(jit, frame);
	if (jit->guest->machine)
		jit_close_marked(jit, frame, state, marks);
	jit_unlock(jit, frame);
	return leave_for(r);
}

/* Several lines may have the jump that closes a loop, and each counts for itself. */
static bool is_region_to(const struct jit_block *block, uint64_t bytes)
{
	return block && block->loop_bytes && bytes <= block->loop_bytes;
}

/* The loop from frame->hot to the jump at pc has turned often. */
static void promote(struct jit *jit, struct jit_frame *frame, void *state, uint64_t pc)
{
	uint32_t *counter = (uint32_t *)jit->counters.items + frame->exit;
	struct jit_source source;
	struct jit_block *old, *block;
	uint64_t marks;

	if (jit_locate(jit, state, frame->hot, &source) != 0)
		return; /* nor will it be executed: what the state says of a fault is not asked */
	jit_lock(jit, frame);
	marks = jit->nr_marks;
	if (frame->epoch == jit->epoch) {
		*counter = INT32_MAX;
		old = jit_find(jit, source.pc, source.context);
		if (!is_region_to(old, pc + 1 - source.pc) &&
			jit_make(jit, &source, pc + 1, &block) >= 0 && old)
			host_replace(jit, old->code, block->code);
	}
	if (jit->guest->machine)
		jit_close_marked(jit, frame, state, marks);
	jit_unlock(jit, frame);
}

static uint64_t count_at(const void *state, uint32_t offset)
{
	return *(const uint64_t *)((const char *)state + offset);
}

/* Has it executed as much as it is to? */
static bool is_at_limit(const struct jit *jit, const void *state)
{
	const struct jit_guest_machine *machine = jit->guest->machine;

	return machine &&
		*(const uint32_t *)((const char *)state + machine->mode) & machine->counting_mode &&
		count_at(state, machine->retired) >= count_at(state, machine->retired_limit);
}

/* Has somebody else than ourselves asked for it? */
static bool is_interrupted(const struct jit *jit, void *state)
{
	uint32_t *interrupt = (void *)((char *)state + jit->guest->interrupt);
	bool is_asked = __atomic_exchange_n(interrupt, 0, __ATOMIC_SEQ_CST) & ~JIT_INTERRUPT_OWN;

	return is_asked || is_at_limit(jit, state);
}

/* `exit` is read while the table of exits cannot be emptied yet. */
static int enter(struct jit *jit, struct jit_frame *frame, void *state, const uint8_t *code,
	struct jit_exit *exit)
{
	int reason = 0;

	if (jit->guest->machine)
		frame->page = *pc_of(jit, state) & -JIT_PAGE_BYTES;
	__atomic_store_n(&frame->in_code, true, __ATOMIC_SEQ_CST);
	if (frame->epoch == __atomic_load_n(&jit->epoch, __ATOMIC_SEQ_CST))
		reason = ((enter_function *)(uintptr_t)jit->stubs.enter)(state, code);
	if (reason == JIT_LEAVE_LINK) {
		*exit = ((struct jit_exit *)jit->exits.items)[frame->exit];
		if (jit_moves(jit, exit->context))
			exit->target += frame->page;
		*pc_of(jit, state) = exit->target;
	}
	__atomic_store_n(&frame->in_code, false, __ATOMIC_RELEASE);
	return reason;
}

/* The run loop enters code that no translated code has led to. */
static void trace_entry(const struct jit *jit, uint64_t pc, int reason)
{
	static const char *const names[] = { [JIT_LEAVE_LINK] = "link",
		[JIT_LEAVE_MISS] = "miss",
		[JIT_LEAVE_HOT] = "hot",
		[JIT_LEAVE_CAREFUL] = "careful" };
	const char *name = reason == JIT_STOP_INTERRUPT ? "interrupt"
		: reason				? names[reason]
							: "run";

	if (jit->trace)
		dprintf(STDERR_FILENO, "enter %#llx %s\n", (unsigned long long)pc, name);
}

/* Where to go on: in the thread's table, unless *code says it. */
static int choose(
	struct jit *jit, struct jit_frame *frame, void *state, uint64_t pc, const uint8_t **code)
{
	const struct jit_entry *entry;

	if (jit->guest->machine)
		jit_enter_mode(jit, frame, state);
	if (*code)
		return 0;
	entry = jit_lookup_entry(frame, pc);
	if (frame->epoch != __atomic_load_n(&jit->epoch, __ATOMIC_SEQ_CST) || entry->pc != pc)
		return look_up(jit, frame, state, pc, 0, code);
	*code = entry->code;
	return 0;
}

int jit_execute(struct jit *jit, void *state)
{
	struct jit_frame *frame = frame_of(jit, state);
	uint64_t *pc = pc_of(jit, state);
	int reason = jit_prepare(jit, frame), last = 0;
	const uint8_t *code = NULL;
	struct jit_exit exit;

	if (reason < 0)
		return JIT_LEAVE_INTERPRET;
	for (;;) {
		reason = choose(jit, frame, state, *pc, &code);
		if (reason)
			return reason;
		trace_entry(jit, *pc, last);
		last = reason = enter(jit, frame, state, code, &exit);
		code = NULL;
		if (reason == JIT_LEAVE_LINK)
			reason = link_exit(jit, frame, state, &exit, &code);
		else if (reason == JIT_LEAVE_MISS) /* or the entry's block has been forgotten */
			reason = miss(jit, frame, state, *pc, &code);
		else if (reason == JIT_LEAVE_CAREFUL)
			reason = look_up(jit, frame, state, *pc, JIT_CONTEXT_CAREFUL, &code);
		else if (reason == JIT_LEAVE_HOT)
			promote(jit, frame, state, *pc), reason = 0;
		if (reason == JIT_STOP_INTERRUPT && !is_interrupted(jit, state))
			reason = 0;
		if (reason)
			return reason;
	}
}
