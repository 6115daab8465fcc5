/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit-pages.c - memory of a machine: the TLB, which is looked up once for all accesses of a block
 * that lie on one page, most likely.
 *
 * Those are loads or stores by the same register, which is not written between them, no further
 * apart than half a page: a group. Its first access looks up the page and checks that all of the
 * group is on it; how far that is from the guest's addresses goes to the frame, and the others are
 * done without a check. When the page is not in the TLB jit_reach() does the first access, and
 * looks again. When the group is on two pages after all, or the page is none that the TLB may have,
 * the guest goes on in code that was made without groups (JIT_CONTEXT_CAREFUL).
 *
 * Groups end where code may come in or other code may run.
 *
 * Where programs have very much code, little of it runs often, and that is made again as regions.
 * So their lines call stubs for the TLB from there on (DENSE_FROM), which takes half the room.
 */
#include "jit/x86/emit.h"

#include <assert.h>

#define SPREAD_MAX ((int32_t)JIT_PAGE_BYTES / 2) /* of a group */
#define DENSE_FROM ((size_t)32 << 20) /* twice what a kernel and small programs take */

/* --- which accesses are a group --------------------------------------------------------------- */

struct plan {
	struct emitter *e;
	/* For each slot that an address is in, of loads and of stores: 1 + the open one; 0: none.
	 */
	uint8_t open[JIT_SLOTS_MAX][2];
	unsigned behind_branch; /* the first operation behind the last way out */
};

static bool ends_groups(const struct ir *ir)
{
	return ir->op == IR_LABEL || ir->op >= IR_JUMP;
}

static bool is_access(const struct ir *ir)
{
	return (ir->op == IR_LOAD || ir->op == IR_STORE) && ir->a != IR_ZERO &&
		ir->imm > -SPREAD_MAX && ir->imm < SPREAD_MAX;
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

/* A store may join a group that only reads if nothing leads out between: then that looks for a page
 * that may be written from its start. */
static bool may_become_write(const struct plan *plan, unsigned open)
{
	return open && plan->e->groups[open - 1].first_op >= plan->behind_branch;
}

static bool join_open(struct plan *plan, const struct ir *ir, unsigned at, bool is_write)
{
	unsigned open = plan->open[ir->a][is_write];

	if (!open || !extend(&plan->e->groups[open - 1], ir, at))
		return false;
	plan->e->group_of[at] = (uint8_t)open;
	return true;
}

/* To a group that there is (what may be written may be read), or to a new one, which is open for
 * others if its address is in a register. */
static void join(struct plan *plan, const struct ir *ir, unsigned at)
{
	struct emitter *e = plan->e;
	bool is_store = ir->op == IR_STORE;

	if (join_open(plan, ir, at, true) || (!is_store && join_open(plan, ir, at, false)))
		return;
	if (is_store && may_become_write(plan, plan->open[ir->a][false]) &&
		join_open(plan, ir, at, false)) {
		e->groups[plan->open[ir->a][false] - 1].is_write = true;
		plan->open[ir->a][true] = plan->open[ir->a][false];
		return;
	}
	if (e->nr_groups == PAGE_GROUPS_MAX)
		return;
	e->groups[e->nr_groups++] = (struct page_group){ .first = (int32_t)ir->imm,
		.end = (int32_t)ir->imm + ir->size,
		.first_op = (uint16_t)at,
		.last_op = (uint16_t)at,
		.nr = 1,
		.is_write = is_store,
		.place = NO_PLACE,
		.recent = NO_PLACE,
		.negated = X86_NO_REG,
		.distance = X86_NO_REG };
	if (e->map[ir->a] >= 0)
		plan->open[ir->a][is_store] = (uint8_t)e->nr_groups;
	e->group_of[at] = (uint8_t)e->nr_groups;
}

/* Places in the frame: none for groups of one, for those that have another, nor when all are taken.
 */
static void give_places(struct emitter *e)
{
	uint16_t taken_to[JIT_FRAME_PAGES] = { 0 };

	for (unsigned i = 0; i < e->nr_groups; i++) {
		struct page_group *group = &e->groups[i];

		if (group->nr < 2 || group->recent != NO_PLACE)
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

/* --- what regions keep ------------------------------------------------------------------------ */

/* Each a recent entry of the TLB of its own, those in the innermost loops first. Which ones the
 * region begins with depends on where it is: neighbours shall not take each other's. */
static void give_recent(struct emitter *e)
{
	unsigned first = (unsigned)(e->in->pc >> 1) * 5, nr = 0;

	for (int depth = 3; depth >= 0; depth--)
		for (unsigned i = 0; i < e->nr_groups && nr < JIT_TLB_RECENT; i++) {
			struct page_group *group = &e->groups[i];

			if (e->depth[group->first_op] == depth &&
				(group->nr == 1 || group->end - group->first <= JIT_TLB_SPREAD))
				group->recent = (uint8_t)((first + nr++) % JIT_TLB_RECENT);
		}
}

/* Slots that must stay in registers: addresses of groups, and what has no code without one. */
static uint64_t slots_to_keep(const struct emitter *e)
{
	uint64_t kept = 0;

	static_assert(IR_FIRST_VECTOR <= 64, "a bit for each");
	for (unsigned i = 0; i < e->nr_groups; i++)
		kept |= UINT64_C(1) << e->in->ops[e->groups[i].first_op].a;
	for (unsigned i = 0; i < e->in->nr; i++)
		if (e->in->ops[i].op == IR_STORE_CONDITIONAL && e->in->ops[i].b != IR_ZERO)
			kept |= UINT64_C(1) << e->in->ops[i].b;
	return kept;
}

/* The slot in an integer register that is used least and may leave it, but for `other`; -1: none.
 */
static int least_used(const struct emitter *e, uint64_t kept, int other)
{
	int found = -1;

	for (int slot = 0; slot < (int)e->jit->guest->first_float; slot++)
		if (e->map[slot] >= 0 && slot != other && !(kept >> slot & 1) &&
			(found < 0 || e->weights[slot] < e->weights[found]))
			found = slot;
	return found;
}

static uint32_t group_weight(const struct emitter *e, const struct page_group *group)
{
	return weight_of(e->depth[group->first_op]) * group->nr;
}

/* The one in a loop that is worth most and has none. */
static int best_unpinned(const struct emitter *e)
{
	int found = -1;

	for (unsigned i = 0; i < e->nr_groups; i++) {
		const struct page_group *group = &e->groups[i];

		if (group->recent == NO_PLACE || group->negated != X86_NO_REG ||
			!e->depth[group->first_op] || e->map[e->in->ops[group->first_op].a] < 0)
			continue;
		if (found < 0 || group_weight(e, group) > group_weight(e, &e->groups[found]))
			found = (int)i;
	}
	return found;
}

/* Registers for what is looked at most, if the slots that have them are used less. */
static void pin_groups(struct emitter *e)
{
	uint64_t kept = slots_to_keep(e);

	while (e->nr_pins < PINS_MAX) {
		int best = best_unpinned(e), first = least_used(e, kept, -1),
		    second = least_used(e, kept, first);
		struct page_group *group = best < 0 ? NULL : &e->groups[best];
		int8_t *map;

		if (!group || first < 0 || second < 0 ||
			e->weights[first] + e->weights[second] > group_weight(e, group))
			return;
		map = own_map(e);
		if (!map)
			return;
		group->negated = (uint8_t)map[first];
		group->distance = (uint8_t)map[second];
		map[first] = map[second] = -1;
		e->pins[e->nr_pins++] = (uint8_t)best;
	}
}

void plan_pages(struct emitter *e)
{
	struct plan plan = { .e = e };

	memset(e->group_of, 0, e->in->nr);
	e->nr_groups = e->nr_pins = 0;
	if (!is_machine(e) || e->out->context & JIT_CONTEXT_CAREFUL)
		return;
	for (unsigned i = 0; i < e->in->nr; i++) {
		const struct ir *ir = &e->in->ops[i];

		if (ends_groups(ir))
			memset(plan.open, 0, sizeof(plan.open));
		if (ir->op == IR_BRANCH)
			plan.behind_branch = i + 1;
		if (is_access(ir))
			join(&plan, ir, i);
		if (ir->d < JIT_SLOTS_MAX)
			plan.open[ir->d][0] = plan.open[ir->d][1] = 0;
	}
	if (e->out->loop_bytes) {
		give_recent(e);
		pin_groups(e);
	}
	give_places(e);
}

static const struct page_group *group_of(const struct emitter *e, const struct ir *ir)
{
	unsigned group = e->group_of[ir - e->in->ops];

	return group ? &e->groups[group - 1] : NULL;
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

const uint16_t x86_spans[JIT_SPANS] = { 16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024,
	SPREAD_MAX };

static bool calls_stubs(const struct emitter *e)
{
	const struct jit_guest_machine *machine = e->jit->guest->machine;

	return (e->jit->is_dense || e->jit->used > DENSE_FROM) && !e->out->loop_bytes &&
		moves_by_page(e) &&
		(e->out->context & machine->regime_mask) == moving_regime(machine);
}

static void address_to_rax(struct emitter *e, const struct ir *ir)
{
	uint8_t address = address_in(e, ir);

	if (address != RAX)
		x86_load(&e->code, 8, RAX, x86_r(address));
}

static struct cold *call_page_stub(
	struct emitter *e, const struct ir *ir, size_t table, unsigned bytes)
{
	address_to_rax(e, ir);
	call_stub(e, e->jit->stubs.page[table == e->tlb.write][__builtin_ctz(bytes)]);
	return helper_if(e, ir, X86_A);
}

/* The flags that the comparison has set stay, for those that have called. */
void emit_page_stub(struct emitter *e, size_t table, unsigned bytes)
{
	compare_page(e, RAX, table, (int32_t)bytes);
	x86_load(&e->code, 8, RCX, host_memory(table));
	x86_byte(&e->code, 0xc3);
}

/* rax = how far the guest's addresses are from ours. */
void emit_group_stub(struct emitter *e, size_t table, unsigned bytes)
{
	compare_page(e, RAX, table, (int32_t)bytes);
	x86_load(&e->code, 8, RAX, host_memory(table));
	x86_load(&e->code, 8, RCX, page_memory(table));
	x86_legacy(&e->code, 8, X86_PP_NONE, X86_MAP_ONE, 0xf7, 2, x86_r(RCX)); /* not */
	x86_lea(&e->code, 8, RAX, (struct x86_operand){ true, RAX, RCX, 0, 1 });
	x86_byte(&e->code, 0xc3);
}

struct cold *look_up_page(struct emitter *e, const struct ir *ir, size_t table, unsigned bytes)
{
	struct cold *slow;

	if (calls_stubs(e) && bytes <= 8)
		return call_page_stub(e, ir, table, bytes);
	compare_page(e, address_in(e, ir), table, (int32_t)bytes);
	slow = helper_if(e, ir, X86_A);
	x86_load(&e->code, 8, RCX, host_memory(table));
	return slow;
}

/* --- what a place has found last ---------------------------------------------------------------
 */

static size_t table_of(const struct emitter *e, const struct page_group *group)
{
	return group->is_write ? e->tlb.write : e->tlb.read;
}

static struct x86_operand recent_memory(
	const struct emitter *e, const struct page_group *group, size_t member)
{
	return state_memory(table_of(e, group) + offsetof(struct jit_tlb_table, recent) +
		group->recent * sizeof(struct jit_tlb_recent) + member);
}

#define RECENT(e, group, member) recent_memory(e, group, offsetof(struct jit_tlb_recent, member))

void load_pins(struct emitter *e)
{
	for (unsigned i = 0; i < e->nr_pins; i++) {
		const struct page_group *group = &e->groups[e->pins[i]];

		x86_load(&e->code, 8, group->negated, RECENT(e, group, negated));
		x86_load(&e->code, 8, group->distance, RECENT(e, group, distance));
	}
}

static void compare_group(struct emitter *e, const struct ir *ir, const struct page_group *group)
{
	struct ir first = *ir;

	first.imm = group->first;
	compare_page(e, address_in(e, &first), table_of(e, group), group->end - group->first);
}

static bool has_register(const struct emitter *e, const struct ir *ir)
{
	return e->map[ir->a] >= 0;
}

/* Where an access of the group is, `distance` being in a register. */
static struct x86_operand at_distance(
	const struct emitter *e, const struct ir *ir, uint8_t distance)
{
	return (struct x86_operand){ true, distance, (uint8_t)e->map[ir->a], 0, (int32_t)ir->imm };
}

/* rax = the place on the page of the group's first byte, if it is there. */
static void subtract_page(struct emitter *e, const struct ir *ir, const struct page_group *group)
{
	if (group->negated != X86_NO_REG) {
		x86_lea(&e->code, 8, RAX, at_distance(e, ir, group->negated));
		return;
	}
	x86_load(&e->code, 8, RAX, RECENT(e, group, negated));
	if (has_register(e, ir) && ir->imm) {
		x86_lea(&e->code, 8, RAX, at_distance(e, ir, RAX));
		return;
	}
	x86_arithmetic(&e->code, 8, X86_ADD, RAX, where(e, ir->a));
	if (ir->imm)
		x86_arithmetic_immediate(&e->code, 8, X86_ADD, x86_r(RAX), (int32_t)ir->imm);
}

/* The first access of a group: `memory` is where. */
static struct cold *look_at_recent(struct emitter *e, const struct ir *ir,
	const struct page_group *group, struct reached *reached)
{
	struct ir first = *ir;
	struct cold *slow;

	first.imm = group->first;
	subtract_page(e, &first, group);
	x86_arithmetic(&e->code, 8, X86_CMP, RAX,
		group->nr == 1 ? RECENT(e, group, limit) : RECENT(e, group, group_limit));
	slow = cold_part(e, COLD_RECENT, ir);
	also_if(e, slow, X86_AE);
	reached->scratch = RAX;
	if (!has_register(e, ir)) {
		x86_load(&e->code, 8, RCX, RECENT(e, group, host));
		reached->memory = (struct x86_operand){ true, RCX, RAX, 0, 0 };
		reached->scratch = X86_NO_REG;
	} else if (group->distance != X86_NO_REG) {
		reached->memory = at_distance(e, ir, group->distance);
	} else {
		x86_load(&e->code, 8, RCX, RECENT(e, group, distance));
		reached->memory = at_distance(e, ir, RCX);
	}
	slow->found = e->code.p;
	return slow;
}

/* One of the others. */
static void reach_by_recent(struct emitter *e, const struct ir *ir, const struct page_group *group,
	struct reached *reached)
{
	uint8_t distance = group->distance;

	if (distance == X86_NO_REG) {
		x86_load(&e->code, 8, RCX, RECENT(e, group, distance));
		distance = RCX;
	}
	reached->memory = at_distance(e, ir, distance);
	reached->scratch = RAX;
}

/* From the entry at rcx, to be found the next time; rax and rcx become what look_at_recent() has
 * found. */
static void fill_recent(struct emitter *e, const struct ir *ir, const struct page_group *group)
{
	size_t table = table_of(e, group);
	struct x86_operand kept = frame_memory(e->jit, offsetof(struct jit_frame, spare));

	if (!has_register(e, ir))
		x86_store(&e->code, 8, kept, RAX);
	x86_load(&e->code, 8, RAX, page_memory(table));
	x86_load(&e->code, 8, RCX, host_memory(table));
	x86_store(&e->code, 8, RECENT(e, group, host), RCX);
	x86_arithmetic(&e->code, 8, X86_SUB, RCX, x86_r(RAX));
	x86_store(&e->code, 8, RECENT(e, group, distance), RCX);
	x86_legacy(&e->code, 8, X86_PP_NONE, X86_MAP_ONE, 0xf7, 3, x86_r(RAX)); /* neg */
	x86_store(&e->code, 8, RECENT(e, group, negated), RAX);
	x86_store_immediate(&e->code, 8, RECENT(e, group, limit), JIT_TLB_LIMIT);
	x86_store_immediate(&e->code, 8, RECENT(e, group, group_limit), JIT_TLB_GROUP_LIMIT);
	if (group->distance != X86_NO_REG) {
		x86_load(&e->code, 8, group->negated, x86_r(RAX));
		x86_load(&e->code, 8, group->distance, x86_r(RCX));
	}
	if (!has_register(e, ir)) {
		x86_load(&e->code, 8, RAX, kept);
		x86_load(&e->code, 8, RCX, RECENT(e, group, host));
	}
}

static void emit_lone_recent_part(
	struct emitter *e, const struct cold *cold, const struct page_group *group)
{
	const struct ir *ir = cold->ir;
	uint8_t *fails;

	compare_group(e, ir, group);
	fails = x86_jump_if(&e->code, X86_A, NULL);
	fill_recent(e, ir, group);
	x86_jump(&e->code, cold->found);
	if (x86_is_full(&e->code))
		return;
	x86_set_target(fails, e->code.p);
	call_reach(e, cold, &(struct jit_slow){ 0 });
}

/* --- groups ----------------------------------------------------------------------------------- */

static struct x86_operand place_memory(const struct emitter *e, const struct page_group *group)
{
	return frame_memory(
		e->jit, offsetof(struct jit_frame, pages) + sizeof(uint64_t) * group->place);
}

static unsigned span_of(const struct page_group *group)
{
	unsigned span = 0;

	while (x86_spans[span] < group->end - group->first)
		span++;
	return span;
}

/* rax = how far the guest's addresses are from ours; the flags say whether that holds. */
static void find_group(struct emitter *e, const struct ir *ir, const struct page_group *group)
{
	struct ir first = *ir;

	first.imm = group->first;
	address_to_rax(e, &first);
	call_stub(e, e->jit->stubs.group[group->is_write][span_of(group)]);
}

/* The first access of a group in a line. */
static struct cold *look_up_group(
	struct emitter *e, const struct ir *ir, const struct page_group *group)
{
	bool calls = calls_stubs(e);
	struct cold *slow = cold_part(e, COLD_GROUP, ir);

	if (calls)
		find_group(e, ir, group);
	else
		compare_group(e, ir, group);
	also_if(e, slow, X86_A);
	if (!calls) {
		x86_load(&e->code, 8, RAX, host_memory(table_of(e, group)));
		x86_arithmetic(&e->code, 8, X86_SUB, RAX, page_memory(table_of(e, group)));
	}
	x86_store(&e->code, 8, place_memory(e, group), RAX);
	return slow;
}

struct reached reach(struct emitter *e, const struct ir *ir, bool is_write)
{
	const struct page_group *group = is_machine(e) ? group_of(e, ir) : NULL;
	bool is_first = group && e->in->ops + group->first_op == ir;
	struct reached reached = { .scratch = RCX };

	if (!is_machine(e)) {
		reached.memory = guest_memory(e, ir, RAX);
	} else if (group && group->recent != NO_PLACE) {
		if (is_first)
			reached.slow = look_at_recent(e, ir, group, &reached);
		else
			reach_by_recent(e, ir, group, &reached);
	} else if (!group || group->place == NO_PLACE) {
		reached.slow = look_up_page(e, ir, is_write ? e->tlb.write : e->tlb.read, ir->size);
		reached.memory = (struct x86_operand){ true, RCX, RAX, 0, 0 };
		reached.scratch = X86_NO_REG;
	} else if (is_first) {
		reached.slow = look_up_group(e, ir, group);
		reached.memory = at_distance(e, ir, RAX);
	} else {
		x86_load(&e->code, 8, RCX, place_memory(e, group));
		reached.memory = at_distance(e, ir, RCX);
		reached.scratch = RAX;
	}
	return reached;
}

void emit_group_part(struct emitter *e, const struct cold *cold)
{
	const struct page_group *group = group_of(e, cold->ir);
	bool is_recent = group->recent != NO_PLACE;
	struct jit_slow slow = { .place = JIT_SLOW_GROUP,
		.first = (int16_t)group->first,
		.bytes = calls_stubs(e) ? x86_spans[span_of(group)]
					: (uint16_t)(group->end - group->first),
		.slot = cold->ir->a,
		.kept = is_recent ? group->recent : group->place };

	if (group->is_write)
		slow.place |= JIT_SLOW_WRITE;
	if (is_recent)
		slow.place |= JIT_SLOW_RECENT;
	if (cold->ir->length == 2)
		slow.place |= JIT_SLOW_HALF;
	call_reach(e, cold, &slow);
}

/* It is another page, or near its end. */
void emit_recent_part(struct emitter *e, const struct cold *cold)
{
	const struct page_group *group = group_of(e, cold->ir);
	uint8_t *fails;

	if (group->nr == 1) {
		emit_lone_recent_part(e, cold, group);
		return;
	}
	compare_group(e, cold->ir, group);
	fails = x86_jump_if(&e->code, X86_A, NULL);
	fill_recent(e, cold->ir, group);
	x86_jump(&e->code, cold->found);
	if (x86_is_full(&e->code))
		return;
	x86_set_target(fails, e->code.p);
	emit_group_part(e, cold);
}
