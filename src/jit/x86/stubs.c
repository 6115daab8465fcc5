/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stubs.c - the ways into translated code and out of it.
 *
 *   enter(state, code)  from C: the host's callee-saved registers are put away, the guest's loaded
 *   leave               the guest's registers to its state, back to C; eax says why
 *   leave_spilled       likewise, when they are in the state already
 *   link, miss          leave because of a jump that is not set, or a target (rax) not in the table
 *   unknown             likewise, without a look at the table
 *   far                 to code of another page, eax bytes behind the start of this one
 *   bottom              a return to the odd address at the shadow stack's bottom: a miss
 *   helper              a C function with the state whole; rax is what it is told
 *   reach               likewise, jit_reach()
 *   turn                of the loop with the counter eax; carry: it is hot, or shall be left
 *   leave_at, hot_at    leave, with pc and more to be found behind the call
 */
#include "jit/x86/emit.h"

#include <cpuid.h>

#define JUMP_BYTES 5

static const uint8_t saved[] = { RBX, RBP, R12, R13, R14, R15 };

static void push(struct x86_code *c, uint8_t reg)
{
	if (reg & 8)
		x86_byte(c, 0x41);
	x86_byte(c, 0x50 | (reg & 7));
}

static void pop(struct x86_code *c, uint8_t reg)
{
	if (reg & 8)
		x86_byte(c, 0x41);
	x86_byte(c, 0x58 | (reg & 7));
}

static void move_all(struct emitter *e, bool is_store)
{
	const int8_t *map = x86_global_map(e->jit->guest);

	for (unsigned slot = 0; slot < e->jit->guest->nr_slots; slot++) {
		uint8_t reg = (uint8_t)map[slot];

		if (map[slot] < 0)
			continue;
		if (is_float_slot(e, slot))
			x86_vex(&e->code, false, X86_PP_F2, X86_MAP_0F, is_store ? 0x11 : 0x10, reg,
				0, slot_memory(e, slot));
		else if (is_store)
			x86_store(&e->code, 8, slot_memory(e, slot), reg);
		else
			x86_load(&e->code, 8, reg, slot_memory(e, slot));
	}
}

/* ldmxcsr (2) or stmxcsr (3) */
static void float_control(struct emitter *e, uint8_t digit, size_t member)
{
	x86_legacy(&e->code, 4, X86_PP_NONE, X86_MAP_0F, 0xae, digit, frame_memory(e->jit, member));
}

static void emit_enter(struct emitter *e)
{
	struct x86_code *c = &e->code;

	for (unsigned i = 0; i < sizeof(saved); i++)
		push(c, saved[i]);
	x86_arithmetic_immediate(c, 8, X86_SUB, x86_r(RSP), 8); /* a multiple of 16 */
	x86_lea(c, 8, RBP, x86_m(RDI, STATE_BIAS));
	x86_load(c, 8, RAX, x86_r(RSI));
	float_control(e, 3, offsetof(struct jit_frame, host_float_control));
	float_control(e, 2, offsetof(struct jit_frame, float_control));
	x86_store(c, 8, frame_memory(e->jit, offsetof(struct jit_frame, host_stack)), RSP);
	x86_load(c, 8, RSP, frame_memory(e->jit, offsetof(struct jit_frame, shadow_stack)));
	move_all(e, false);
	x86_legacy(c, 4, X86_PP_NONE, X86_MAP_ONE, 0xff, 4, x86_r(RAX)); /* jmp rax */
}

static void emit_leave_spilled(struct emitter *e)
{
	struct x86_code *c = &e->code;

	x86_store(c, 8, frame_memory(e->jit, offsetof(struct jit_frame, shadow_stack)), RSP);
	x86_load(c, 8, RSP, frame_memory(e->jit, offsetof(struct jit_frame, host_stack)));
	float_control(e, 3, offsetof(struct jit_frame, float_control));
	float_control(e, 2, offsetof(struct jit_frame, host_float_control));
	x86_arithmetic_immediate(c, 8, X86_ADD, x86_r(RSP), 8);
	for (unsigned i = sizeof(saved); i-- > 0;)
		pop(c, saved[i]);
	x86_byte(c, 0xc3);
}

/* Of a C function that is called with the slots in the state and rdi and rsi set, `calls` of the
 * guest's code deep: back, or what its result says. */
static void call_function(struct emitter *e, size_t function, int32_t calls)
{
	struct x86_code *c = &e->code;
	struct x86_operand shadow = frame_memory(e->jit, offsetof(struct jit_frame, shadow_stack));
	uint8_t *stops, *switches;

	x86_lea(c, 8, RCX, x86_m(RSP, 8 * calls)); /* as before them */
	x86_store(c, 8, shadow, RCX);
	x86_load(c, 8, RSP, frame_memory(e->jit, offsetof(struct jit_frame, host_stack)));
	x86_legacy(c, 4, X86_PP_NONE, X86_MAP_ONE, 0xff, 2, frame_memory(e->jit, function));
	x86_load(c, 8, RSP, shadow);
	x86_test(c, 4, RAX, RAX);
	stops = x86_jump_if(c, X86_NE, NULL);
	move_all(e, false);
	x86_lea(c, 8, RSP, x86_m(RSP, -8 * calls));
	x86_byte(c, 0xc3);
	x86_set_target(stops, c->p);
	x86_arithmetic_immediate(c, 4, X86_CMP, x86_r(RAX), JIT_LEAVE_SWITCHED);
	switches = x86_jump_if(c, X86_E, NULL);
	x86_arithmetic_immediate(c, 4, X86_CMP, x86_r(RAX), JIT_LEAVE_FOUND);
	x86_jump_if(c, X86_NE, e->jit->stubs.leave_spilled);
	move_all(e, false);
	x86_legacy(c, 4, X86_PP_NONE, X86_MAP_ONE, 0xff, 4,
		frame_memory(e->jit, offsetof(struct jit_frame, target)));
	x86_set_target(switches, c->p);
	move_all(e, false);
	x86_load(c, 8, RAX, state_memory(e->jit->guest->pc));
	x86_jump(c, e->jit->stubs.miss);
}

static void emit_helper_stub(struct emitter *e)
{
	struct x86_code *c = &e->code;

	move_all(e, true);
	x86_lea(c, 8, RDI, x86_m(RBP, -STATE_BIAS));
	x86_load(c, 8, RSI, x86_r(RAX));
	call_function(e, offsetof(struct jit_frame, helper), 1);
}

/* Behind the outermost of the calls there is a jump, and then what is told. */
static void emit_reach(struct emitter *e, bool is_at, int32_t calls)
{
	struct x86_code *c = &e->code;

	move_all(e, true);
	x86_load(c, 8, RSI, x86_m(RSP, 8 * (calls - 1)));
	x86_arithmetic_immediate(c, 8, X86_ADD, x86_r(RSI), JUMP_BYTES);
	if (is_at) {
		x86_extend(c, 2, false, RAX, x86_m(RSI, offsetof(struct jit_slow, place)));
		x86_arithmetic_immediate(c, 4, X86_AND, x86_r(RAX), JIT_SLOW_PLACE);
		x86_arithmetic(
			c, 8, X86_ADD, RAX, frame_memory(e->jit, offsetof(struct jit_frame, page)));
		x86_store(c, 8, state_memory(e->jit->guest->pc), RAX);
	}
	x86_lea(c, 8, RDI, frame_memory(e->jit, 0));
	call_function(e, offsetof(struct jit_frame, reach), calls);
}

/* rcx = what lies behind the call that has led here, which is taken back. */
static void take_data(struct x86_code *c)
{
	x86_load(c, 8, RCX, x86_m(RSP, 0));
	x86_lea(c, 8, RSP, x86_m(RSP, 8));
}

/* memory = the guest's address of a place (16 bits) that is told at rcx */
static void store_place(struct emitter *e, size_t member, struct x86_operand memory)
{
	struct x86_code *c = &e->code;

	x86_extend(c, 2, true, RAX, x86_m(RCX, (int32_t)member));
	x86_arithmetic(c, 8, X86_ADD, RAX, frame_memory(e->jit, offsetof(struct jit_frame, page)));
	x86_store(c, 8, memory, RAX);
}

static void emit_leave_at(struct emitter *e)
{
	take_data(&e->code);
	store_place(e, offsetof(struct jit_way_out, place), state_memory(e->jit->guest->pc));
	x86_extend(&e->code, 1, false, RAX, x86_m(RCX, offsetof(struct jit_way_out, reason)));
	x86_jump(&e->code, e->jit->stubs.leave);
}

static void emit_turn(struct emitter *e)
{
	struct x86_code *c = &e->code;
	uint8_t *hot, *interrupted;

	x86_load(c, 8, RCX, frame_memory(e->jit, offsetof(struct jit_frame, counters)));
	x86_arithmetic_immediate(c, 4, X86_SUB, (struct x86_operand){ true, RCX, RAX, 2, 0 }, 1);
	hot = x86_jump_short_if(c, X86_S);
	x86_arithmetic_immediate(c, 4, X86_CMP, state_memory(e->jit->guest->interrupt), 0);
	interrupted = x86_jump_short_if(c, X86_NE);
	x86_byte(c, 0xc3); /* nothing is below 0: no carry */
	x86_set_short_target(c, hot);
	x86_set_short_target(c, interrupted);
	x86_byte(c, 0xf9); /* stc */
	x86_byte(c, 0xc3);
}

/* What a turn has said; it was not told which. */
static void emit_hot_at(struct emitter *e)
{
	uint8_t *interrupted;

	take_data(&e->code);
	store_place(e, offsetof(struct jit_hot_loop, place), state_memory(e->jit->guest->pc));
	store_place(e, offsetof(struct jit_hot_loop, target),
		frame_memory(e->jit, offsetof(struct jit_frame, hot)));
	x86_load(&e->code, 4, RAX, x86_m(RCX, offsetof(struct jit_hot_loop, counter)));
	x86_store(&e->code, 4, frame_memory(e->jit, offsetof(struct jit_frame, exit)), RAX);
	x86_constant(&e->code, RAX, JIT_LEAVE_HOT);
	x86_arithmetic_immediate(&e->code, 4, X86_CMP, state_memory(e->jit->guest->interrupt), 0);
	interrupted = x86_jump_short_if(&e->code, X86_E);
	x86_constant(&e->code, RAX, JIT_STOP_INTERRUPT);
	x86_set_short_target(&e->code, interrupted);
	x86_jump(&e->code, e->jit->stubs.leave);
}

/* Behind the call is the exit's number. */
static void emit_link(struct emitter *e)
{
	take_data(&e->code);
	x86_load(&e->code, 4, RAX, x86_m(RCX, 0));
	x86_store(&e->code, 4, frame_memory(e->jit, offsetof(struct jit_frame, exit)), RAX);
	x86_constant(&e->code, RAX, JIT_LEAVE_LINK);
	x86_jump(&e->code, e->jit->stubs.leave);
}

static void emit_miss(struct emitter *e)
{
	struct x86_code *c = &e->code;
	uint8_t *unknown, *interrupted;

	x86_arithmetic_immediate(c, 4, X86_CMP, state_memory(e->jit->guest->interrupt), 0);
	interrupted = x86_jump_short_if(c, X86_NE);
	x86_lea(c, 4, RCX, (struct x86_operand){ true, X86_NO_REG, RAX, 3, 0 });
	x86_arithmetic(
		c, 4, X86_AND, RCX, frame_memory(e->jit, offsetof(struct jit_frame, lookup_mask)));
	x86_arithmetic(
		c, 8, X86_ADD, RCX, frame_memory(e->jit, offsetof(struct jit_frame, lookup)));
	x86_arithmetic_store(c, 8, X86_CMP, x86_m(RCX, offsetof(struct jit_entry, pc)), RAX);
	unknown = x86_jump_short_if(c, X86_NE);
	if (e->jit->guest->machine)
		x86_enter_page(c, e->jit);
	x86_legacy(c, 4, X86_PP_NONE, X86_MAP_ONE, 0xff, 4,
		x86_m(RCX, offsetof(struct jit_entry, code)));
	x86_set_short_target(c, unknown);
	e->jit->stubs.unknown = c->p;
	x86_store(c, 8, state_memory(e->jit->guest->pc), RAX);
	x86_constant(c, RAX, JIT_LEAVE_MISS);
	x86_jump(c, e->jit->stubs.leave);
	x86_set_short_target(c, interrupted);
	x86_store(c, 8, state_memory(e->jit->guest->pc), RAX);
	x86_constant(c, RAX, JIT_STOP_INTERRUPT);
	x86_jump(c, e->jit->stubs.leave);
}

static void emit_far(struct emitter *e)
{
	x86_extend(&e->code, 4, true, RAX, x86_r(RAX));
	x86_arithmetic(
		&e->code, 8, X86_ADD, RAX, frame_memory(e->jit, offsetof(struct jit_frame, page)));
}

/* Where the code that comes next will be, as translated code jumps to it: distances do not differ
 * between the two views. */
static const uint8_t *begin(struct emitter *e)
{
	while ((uintptr_t)e->code.p & 15)
		x86_byte(&e->code, 0xcc);
	return e->code.p;
}

static void emit_machine_stubs(struct emitter *e)
{
	struct host_stubs *stubs = &e->jit->stubs;
	const struct jit_guest_machine *machine = e->jit->guest->machine;

	stubs->reach = begin(e);
	emit_reach(e, false, 1);
	stubs->reach_at = begin(e);
	emit_reach(e, true, 1);
	stubs->reach_nested = begin(e);
	emit_reach(e, false, 2);
	stubs->reach_nested_at = begin(e);
	emit_reach(e, true, 2);
	stubs->turn = begin(e);
	emit_turn(e);
	for (unsigned is_write = 0; is_write < 2; is_write++) {
		size_t table = tlb_of(machine, moving_regime(machine)) +
			(is_write ? offsetof(struct jit_tlb, write)
				  : offsetof(struct jit_tlb, read));

		for (unsigned n = 0; n < 4; n++) {
			stubs->page[is_write][n] = begin(e);
			emit_page_stub(e, table, 1u << n);
		}
		for (unsigned n = 0; n < JIT_SPANS; n++) {
			stubs->group[is_write][n] = begin(e);
			emit_group_stub(e, table, x86_spans[n]);
		}
	}
	stubs->leave_at = begin(e);
	emit_leave_at(e);
	stubs->hot_at = begin(e);
	emit_hot_at(e);
}

void host_emit_stubs(struct jit *jit)
{
	struct emitter *e = jit->emitter.items;

	memset(e, 0, offsetof(struct emitter, cold));
	e->jit = jit;
	e->map = x86_global_map(jit->guest);
	e->code = (struct x86_code){ jit->writable, jit->writable, jit->writable + jit->size };
	jit->stubs.enter = jit->executable + (begin(e) - jit->writable);
	emit_enter(e);
	jit->stubs.leave = begin(e);
	move_all(e, true);
	jit->stubs.leave_spilled = begin(e);
	emit_leave_spilled(e);
	jit->stubs.link = begin(e);
	emit_link(e);
	jit->stubs.far = begin(e);
	if (jit->guest->machine)
		emit_far(e); /* on with: */
	jit->stubs.miss = e->code.p;
	emit_miss(e);
	jit->stubs.bottom = jit->executable + (begin(e) - jit->writable);
	x86_lea(&e->code, 8, RSP, x86_m(RSP, -8));
	x86_arithmetic_immediate(&e->code, 8, X86_AND, x86_r(RAX), -2);
	x86_jump(&e->code, jit->stubs.miss);
	jit->stubs.helper = begin(e);
	emit_helper_stub(e);
	if (jit->guest->machine)
		emit_machine_stubs(e);
	jit->used = jit->stubs_end = (size_t)(e->code.p - jit->writable);
}

void host_prepare(struct jit_frame *frame)
{
	static const uint64_t constants[][2] = {
		[CONSTANT_BOX_SINGLE] = { UINT64_C(0xffffffff00000000) },
		[CONSTANT_SIGN_SINGLE] = { UINT64_C(0x80000000) },
		[CONSTANT_SIGN_DOUBLE] = { UINT64_C(1) << 63 },
		[CONSTANT_ABSOLUTE_SINGLE] = { ~UINT64_C(0x80000000) },
		[CONSTANT_ABSOLUTE_DOUBLE] = { ~(UINT64_C(1) << 63) },
		[CONSTANT_SIGN_SINGLES] = { 0x8000000080000000, 0x8000000080000000 },
		[CONSTANT_ABSOLUTE_SINGLES] = { 0x7fffffff7fffffff, 0x7fffffff7fffffff },
		[CONSTANT_ABSOLUTE_DOUBLES] = { 0x7fffffffffffffff, 0x7fffffffffffffff },
		[CONSTANT_ONE_SINGLES] = { 0x3f8000003f800000, 0x3f8000003f800000 },
		[CONSTANT_ONE_DOUBLES] = { 0x3ff0000000000000, 0x3ff0000000000000 },
		[CONSTANT_SIGN_DOUBLES] = { UINT64_C(1) << 63, UINT64_C(1) << 63 },
		[CONSTANT_SPREAD_BITS] = { 0, UINT64_C(0x0101010101010101) },
		[CONSTANT_BITS_8] = { 0x8040201008040201, 0x8040201008040201 },
		[CONSTANT_BITS_16] = { 0x0008000400020001, 0x0080004000200010 },
		[CONSTANT_BITS_32] = { 0x0000000200000001, 0x0000000800000004 },
		[CONSTANT_BITS_32 + 1] = { 0x0000002000000010, 0x0000008000000040 },
		[CONSTANT_BITS_64] = { 1, 2 },
		[CONSTANT_BITS_64 + 1] = { 4, 8 },
		[CONSTANT_BITS_64 + 2] = { 16, 32 },
		[CONSTANT_BITS_64 + 3] = { 64, 128 },
		[CONSTANT_WIDTHS] = { 0x0707070707070707, 0x0707070707070707 },
		[CONSTANT_WIDTHS + 1] = { 0x000f000f000f000f, 0x000f000f000f000f },
		[CONSTANT_WIDTHS + 2] = { 0x0000001f0000001f, 0x0000001f0000001f },
		[CONSTANT_WIDTHS + 3] = { 63, 63 },
		[CONSTANT_WIDTH] = { 7 },
		[CONSTANT_WIDTH + 1] = { 15 },
		[CONSTANT_WIDTH + 2] = { 31 },
		[CONSTANT_WIDTH + 3] = { 63 },
		[CONSTANT_REVERSE] = { 0x08090a0b0c0d0e0f, 0x0001020304050607 },
		[CONSTANT_REVERSE + 1] = { 0x0607040502030001, 0x0e0f0c0d0a0b0809 },
		[CONSTANT_REVERSE + 2] = { 0x0405060700010203, 0x0c0d0e0f08090a0b },
		[CONSTANT_REVERSE + 3] = { 0x0001020304050607, 0x08090a0b0c0d0e0f },
		[CONSTANT_LOW_HALVES + 1] = { 0x00ff00ff00ff00ff, 0x00ff00ff00ff00ff },
		[CONSTANT_LOW_HALVES + 2] = { 0x0000ffff0000ffff, 0x0000ffff0000ffff },
		[CONSTANT_ROTATE + 1] = { 0x0407060500030201, 0x0c0f0e0d080b0a09 },
		[CONSTANT_ROTATE + 2] = { 0x0504070601000302, 0x0d0c0f0e09080b0a },
		[CONSTANT_ROTATE + 3] = { 0x0605040702010003, 0x0e0d0c0f0a09080b },
	};

	_Static_assert(CONSTANTS <= sizeof(frame->constants) / sizeof(frame->constants[0]), "fit");
	memcpy(frame->constants, constants, sizeof(constants));
	for (unsigned i = 0; i < 8; i++)
		memset(frame->constants[CONSTANT_LOW + i], (1 << i) - 1, 16);
	memset(frame->constants[CONSTANT_TAIL], 0xff, 8 * 16);
	memset(frame->constants[CONSTANT_BEYOND], 0x70, 16);
	for (unsigned width = 0; width < 4; width++)
		for (uint64_t i = 0; i < 128u >> width; i++)
			memcpy((uint8_t *)frame->constants[CONSTANT_NUMBERS + 8 * width] +
					(i << width),
				&i, (size_t)1 << width);
	for (unsigned i = 0; i < sizeof(frame->float_flags); i++)
		frame->float_flags[i] = (uint8_t)host_float_flags(i);
}

/* clang 14's __builtin_cpu_supports() does not know it. */
static bool has_lzcnt(void)
{
	const unsigned leaf = 0x80000001, in_ecx = 1u << 5; /* APM volume 3, E.4.2: ABM */
	unsigned eax, ebx, ecx, edx;

	return __get_cpuid(leaf, &eax, &ebx, &ecx, &edx) && ecx & in_ecx;
}

bool host_has_aes(void)
{
	return __builtin_cpu_supports("aes");
}

bool host_has_products(void)
{
	return __builtin_cpu_supports("pclmul");
}

/* Nor this one. */
bool host_has_sha(void)
{
	const unsigned leaf = 7, in_ebx = 1u << 29; /* SDM volume 2, CPUID: SHA */
	unsigned eax, ebx, ecx, edx;

	return __get_cpuid_count(leaf, 0, &eax, &ebx, &ecx, &edx) && ebx & in_ebx;
}

/* x86-64-v3, as far as emit-*.c use it; popcnt and lzcnt are in it. */
bool host_is_supported(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
		__builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma") &&
		__builtin_cpu_supports("popcnt") && has_lzcnt();
}
