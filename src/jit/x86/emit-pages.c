/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit-pages.c - memory of a machine: the TLB, which is looked up once for all accesses of a block
 * that lie on one page, most likely.
 *
 * Those are loads or stores by the same register, which is not written between them, no further
 * apart than half a page: a group. Its first access looks up the page and checks that all of the
 * group is on it; how far that is from the guest's addresses goes to the frame, and the others are
 * done without a check. When the page is not in the TLB the helper does the first access, and it is
 * looked up again. When the group is on two pages after all, or the page is none that the TLB may
 * have, the guest goes on in code that was made without groups (JIT_CONTEXT_CAREFUL).
 *
 * Groups end where code may come in or other code may run.
 *
 * A place in a loop looks first at what it has found the last time (jit_tlb_recent), which takes
 * two instructions less, and far less time until the address is known.
 */
#include "jit/x86/emit.h"

#include <assert.h>

#define SPREAD_MAX ((int32_t)JIT_PAGE_BYTES / 2) /* of a group */

/* --- which accesses are a group --------------------------------------------------------------- */

struct plan {
	struct emitter *e;
	unsigned nr;
	/* For each slot that an address is in, of loads and of stores: 1 + the open one; 0: none.
	 */
	uint8_t open[JIT_SLOTS_MAX][2];
};

static bool ends_groups(const struct ir *ir)
{
	return ir->op == IR_LABEL || ir->op >= IR_JUMP;
}

static bool is_groupable(const struct emitter *e, const struct ir *ir)
{
	return (ir->op == IR_LOAD || ir->op == IR_STORE) && ir->a != IR_ZERO &&
		e->map[ir->a] >= 0 && ir->imm > -SPREAD_MAX && ir->imm < SPREAD_MAX;
}

static bool extend(struct page_group *group, const struct ir *ir, unsigned at)
{
	int32_t first = (int32_t)ir->imm, end = first + ir->size;

	first = first < group->first ? first : group->first;
	end = end > group->end ? end : group->end;
	if (end - first > SPREAD_MAX)
		return false;
	group->first = first;
	group->end = end;
	group->last_op = (uint16_t)at;
	group->nr++;
	return true;
}

static bool join_open(struct plan *plan, const struct ir *ir, unsigned at, bool is_write)
{
	unsigned open = plan->open[ir->a][is_write];

	if (!open || !extend(&plan->e->groups[open - 1], ir, at))
		return false;
	plan->e->group_of[at] = (uint8_t)open;
	return true;
}

/* To a group that there is (what may be written may be read), or to a new one. */
static void join(struct plan *plan, const struct ir *ir, unsigned at)
{
	bool is_store = ir->op == IR_STORE;

	if (join_open(plan, ir, at, true) || (!is_store && join_open(plan, ir, at, false)))
		return;
	if (plan->nr == PAGE_GROUPS_MAX)
		return;
	plan->e->groups[plan->nr++] = (struct page_group){ .first = (int32_t)ir->imm,
		.end = (int32_t)ir->imm + ir->size,
		.first_op = (uint16_t)at,
		.last_op = (uint16_t)at,
		.nr = 1,
		.is_write = is_store };
	plan->open[ir->a][is_store] = (uint8_t)plan->nr;
	plan->e->group_of[at] = (uint8_t)plan->nr;
}

/* Places in the frame: none for groups of one, nor when all are taken. */
static void give_places(struct plan *plan)
{
	uint16_t taken_to[JIT_FRAME_PAGES] = { 0 };

	for (unsigned i = 0; i < plan->nr; i++) {
		struct page_group *group = &plan->e->groups[i];

		group->place = NO_PLACE;
		if (group->nr < 2)
			continue;
		for (unsigned n = 0; n < JIT_FRAME_PAGES; n++) {
			if (taken_to[n] > group->first_op)
				continue;
			group->place = (uint8_t)n;
			taken_to[n] = (uint16_t)(group->last_op + 1);
			break;
		}
	}
}

void plan_pages(struct emitter *e)
{
	struct plan plan = { .e = e };

	memset(e->group_of, 0, e->in->nr);
	if (!is_machine(e) || e->out->context & JIT_CONTEXT_CAREFUL)
		return;
	for (unsigned i = 0; i < e->in->nr; i++) {
		const struct ir *ir = &e->in->ops[i];

		if (ends_groups(ir))
			memset(plan.open, 0, sizeof(plan.open));
		if (is_groupable(e, ir))
			join(&plan, ir, i);
		if (ir->d < JIT_SLOTS_MAX)
			plan.open[ir->d][0] = plan.open[ir->d][1] = 0;
	}
	give_places(&plan);
}

static const struct page_group *group_of(const struct emitter *e, const struct ir *ir)
{
	unsigned group = e->group_of[ir - e->in->ops];

	return group && e->groups[group - 1].place != NO_PLACE ? &e->groups[group - 1] : NULL;
}

/* --- looking up --------------------------------------------------------------------------------
 */

/* An entry's member, rcx being 16 times its number. */
static struct x86_operand tlb_memory(size_t table, size_t member)
{
	size_t offset = table + offsetof(struct jit_tlb_table, entries) + member;

	return (struct x86_operand){ true, RBP, RCX, 0, (int32_t)offset - STATE_BIAS };
}

static struct x86_operand page_memory(size_t table)
{
	return tlb_memory(table, offsetof(struct jit_tlb_entry, page));
}

static struct x86_operand host_memory(size_t table)
{
	return tlb_memory(table, offsetof(struct jit_tlb_entry, host));
}

/* The address in a register: the guest's own, or rax. */
static uint8_t address_in(struct emitter *e, const struct ir *ir)
{
	struct x86_operand memory;

	if (ir->a != IR_ZERO && !ir->imm)
		return in(e, ir->a, RAX);
	memory = guest_memory(e, ir, RAX);
	if (memory.reg == X86_NO_REG)
		x86_constant(&e->code, RAX, (uint64_t)ir->imm);
	else if (memory.reg != RAX || memory.disp)
		x86_lea(&e->code, 8, RAX, memory);
	return RAX;
}

/* rcx = 16 times the number of the entry, rax = the address' place on that page, if it is on it;
 * flags: are `bytes` from there on? */
static void compare_page(struct emitter *e, uint8_t address, size_t table, int32_t bytes)
{
	static_assert(sizeof(struct jit_tlb_entry) == 1 << JIT_TLB_ENTRY_BITS, "shifted so far");
	/* rorx ecx, address */
	x86_vex(&e->code, false, X86_PP_F2, X86_MAP_0F3A, 0xf0, RCX, 0, x86_r(address));
	x86_byte(&e->code, JIT_TLB_PAGE_BITS - JIT_TLB_ENTRY_BITS);
	x86_arithmetic(&e->code, 4, X86_AND, RCX,
		state_memory(table + offsetof(struct jit_tlb_table, mask)));
	if (address != RAX)
		x86_load(&e->code, 8, RAX, x86_r(address));
	x86_arithmetic(&e->code, 8, X86_XOR, RAX, page_memory(table));
	x86_arithmetic_immediate(
		&e->code, 8, X86_CMP, x86_r(RAX), (int32_t)JIT_TLB_PAGE_BYTES - bytes);
}

struct cold *look_up_page(struct emitter *e, const struct ir *ir, size_t table, unsigned bytes)
{
	struct cold *slow;

	compare_page(e, address_in(e, ir), table, (int32_t)bytes);
	slow = helper_if(e, ir, X86_A);
	x86_load(&e->code, 8, RCX, host_memory(table));
	return slow;
}

/* --- what a place has found last ---------------------------------------------------------------
 */

static struct x86_operand recent_memory(size_t table, unsigned n, size_t member)
{
	return state_memory(table + offsetof(struct jit_tlb_table, recent) +
		n * sizeof(struct jit_tlb_recent) + member);
}

/* rcx = the page in our memory, rax = the place on it. */
static struct cold *look_at_recent(struct emitter *e, const struct ir *ir, size_t table)
{
	unsigned n = e->nr_recent++ % JIT_TLB_RECENT;
	struct cold *slow;
	uint8_t address = address_in(e, ir);

	if (address != RAX)
		x86_load(&e->code, 8, RAX, x86_r(address));
	x86_arithmetic(&e->code, 8, X86_XOR, RAX,
		recent_memory(table, n, offsetof(struct jit_tlb_recent, entry.page)));
	x86_arithmetic(&e->code, 8, X86_CMP, RAX,
		recent_memory(table, n, offsetof(struct jit_tlb_recent, limit)));
	slow = cold_part(e, COLD_RECENT, ir);
	slow->counter = (int)n;
	slow->target = table;
	also_if(e, slow, X86_AE);
	x86_load(&e->code, 8, RCX,
		recent_memory(table, n, offsetof(struct jit_tlb_recent, entry.host)));
	slow->found = e->code.p;
	return slow;
}

/* It is another page: from the table, to be found here the next time. */
void emit_recent_part(struct emitter *e, const struct cold *cold)
{
	unsigned n = (unsigned)cold->counter;
	size_t table = cold->target;
	uint8_t *fails;

	compare_page(e, address_in(e, cold->ir), table, cold->ir->size);
	fails = x86_jump_if(&e->code, X86_A, NULL);
	/* vmovdqu: both members */
	x86_vex(&e->code, false, X86_PP_F3, X86_MAP_0F, 0x6f, XMM0, 0, page_memory(table));
	x86_vex(&e->code, false, X86_PP_F3, X86_MAP_0F, 0x7f, XMM0, 0,
		recent_memory(table, n, offsetof(struct jit_tlb_recent, entry)));
	x86_store_immediate(&e->code, 8,
		recent_memory(table, n, offsetof(struct jit_tlb_recent, limit)), JIT_TLB_LIMIT);
	x86_load(&e->code, 8, RCX, host_memory(table));
	x86_jump(&e->code, cold->found);
	if (x86_is_full(&e->code))
		return;
	x86_set_target(fails, e->code.p);
	call_helper(e, cold->ir->pc, cold->ir->helper);
	x86_jump(&e->code, cold->resume);
}

/* --- groups ----------------------------------------------------------------------------------- */

static struct x86_operand place_memory(const struct emitter *e, const struct page_group *group)
{
	return frame_memory(
		e->jit, offsetof(struct jit_frame, pages) + sizeof(uint64_t) * group->place);
}

static size_t table_of(const struct emitter *e, const struct page_group *group)
{
	return group->is_write ? e->tlb.write : e->tlb.read;
}

static void compare_group(struct emitter *e, const struct ir *ir, const struct page_group *group)
{
	struct ir first = *ir;

	first.imm = group->first;
	compare_page(e, address_in(e, &first), table_of(e, group), group->end - group->first);
}

/* rax = how far the guest's addresses are from ours. */
static void note_distance(struct emitter *e, const struct page_group *group)
{
	x86_load(&e->code, 8, RAX, host_memory(table_of(e, group)));
	x86_arithmetic(&e->code, 8, X86_SUB, RAX, page_memory(table_of(e, group)));
	x86_store(&e->code, 8, place_memory(e, group), RAX);
}

struct reached reach(struct emitter *e, const struct ir *ir, bool is_write)
{
	const struct page_group *group = group_of(e, ir);
	size_t table = is_write ? e->tlb.write : e->tlb.read;
	struct reached reached = { .scratch = RCX };

	if (!is_machine(e)) {
		reached.memory = guest_memory(e, ir, RAX);
	} else if (!group) {
		reached.slow = e->out->loop_bytes ? look_at_recent(e, ir, table)
						  : look_up_page(e, ir, table, ir->size);
		reached.memory = (struct x86_operand){ true, RCX, RAX, 0, 0 };
		reached.scratch = X86_NO_REG;
	} else if (e->in->ops + group->first_op == ir) {
		compare_group(e, ir, group);
		reached.slow = cold_part(e, COLD_GROUP, ir);
		also_if(e, reached.slow, X86_A);
		note_distance(e, group);
		reached.memory = (struct x86_operand){ true, RAX, (uint8_t)e->map[ir->a], 0,
			(int32_t)ir->imm };
	} else {
		x86_load(&e->code, 8, RCX, place_memory(e, group));
		reached.memory = (struct x86_operand){ true, RCX, (uint8_t)e->map[ir->a], 0,
			(int32_t)ir->imm };
		reached.scratch = RAX;
	}
	return reached;
}

void emit_group_part(struct emitter *e, const struct cold *cold)
{
	const struct ir *ir = cold->ir;
	const struct page_group *group = group_of(e, ir);
	uint8_t *crosses, *fails;

	x86_arithmetic_immediate(&e->code, 8, X86_CMP, x86_r(RAX), (int32_t)JIT_TLB_PAGE_BYTES - 1);
	crosses = x86_jump_if(&e->code, X86_BE, NULL);
	call_helper(e, ir->pc, ir->helper);
	compare_group(e, ir, group);
	fails = x86_jump_if(&e->code, X86_A, NULL);
	note_distance(e, group);
	x86_jump(&e->code, cold->resume);
	if (x86_is_full(&e->code))
		return;
	x86_set_target(crosses, e->code.p);
	go_carefully(e, ir->pc);
	if (x86_is_full(&e->code))
		return;
	x86_set_target(fails, e->code.p);
	go_carefully(e, ir->pc + ir->length);
}
