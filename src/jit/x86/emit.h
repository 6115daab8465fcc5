/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit.h - what the files that turn IR into x86-64 share.
 *
 * In translated code rbp points into the guest's state (STATE_BIAS behind its start, so that the
 * hottest slots have displacements of one byte), rsp is the shadow stack, rax, rcx, xmm0 and xmm1
 * are scratch. All other registers hold slots, by a map: between blocks the global one (the same
 * for a guest for ever), in a region one of its own. A slot without a register is used in memory.
 */
#pragma once

#include <stddef.h>

#include "jit/internal.h"
#include "jit/x86/assemble.h"

#define STATE_BIAS 128
#define XMM0	   0
#define XMM1	   1

#define NR_INTEGER_REGISTERS 12
#define NR_FLOAT_REGISTERS   14
extern const uint8_t x86_integer_registers[NR_INTEGER_REGISTERS];
#define FIRST_FLOAT_REGISTER 2

/* struct jit_frame's constants. */
enum {
	CONSTANT_BOX_SINGLE, /* all bits of a slot above a single */
	CONSTANT_SIGN_SINGLE,
	CONSTANT_SIGN_DOUBLE,
	CONSTANT_ABSOLUTE_SINGLE, /* everything but the sign, in 64 bits */
	CONSTANT_ABSOLUTE_DOUBLE,
	/* all elements of 16 bytes */
	CONSTANT_SIGN_SINGLES, /* and what a conversion without a result gives */
	CONSTANT_SIGN_DOUBLES,
	CONSTANT_ABSOLUTE_SINGLES,
	CONSTANT_ABSOLUTE_DOUBLES,
	CONSTANT_ONE_SINGLES,
	CONSTANT_ONE_DOUBLES,
	/* For vectors: bytes to bits and back; widths less 1 in each element, and in 64 bits; bytes
	 * in the reverse order; rotated by 8, 16, 24; the low bits of bytes; 128 ones, 128 zeros;
	 * elements that are numbered, of all widths; the lower half of each; 0x70 in bytes. */
	CONSTANT_SPREAD_BITS,
	CONSTANT_BITS_8,
	CONSTANT_BITS_16,
	CONSTANT_BITS_32,
	CONSTANT_BITS_64 = CONSTANT_BITS_32 + 2,
	CONSTANT_WIDTHS = CONSTANT_BITS_64 + 4,
	CONSTANT_WIDTH = CONSTANT_WIDTHS + 4,
	CONSTANT_REVERSE = CONSTANT_WIDTH + 4,
	CONSTANT_ROTATE = CONSTANT_REVERSE + 4,
	CONSTANT_LOW = CONSTANT_ROTATE + 4,
	CONSTANT_TAIL = CONSTANT_LOW + 8,
	CONSTANT_NUMBERS = CONSTANT_TAIL + 16,
	CONSTANT_LOW_HALVES = CONSTANT_NUMBERS + 4 * 8,
	CONSTANT_BEYOND = CONSTANT_LOW_HALVES + 4,
	CONSTANTS = CONSTANT_BEYOND + 1,
};

#define MXCSR_MASKS 0x1f80u
#define MXCSR_FLAGS 0x3f
#define FLOAT_FLAGS 0x1f /* the guest's */

/* A part out of the straight line, made after it. */
struct cold {
	enum {
		COLD_HELPER,
		COLD_EXIT,
		COLD_FAR,
		COLD_GROUP,
		COLD_RECENT,
		COLD_INTERRUPT,
		COLD_STOP,
		COLD_HOT,
		COLD_MISS,
		COLD_CALL_MISS,
		COLD_INTERPRET, /* what is at pc, and look again for code */
		COLD_VECTOR, /* another length of vectors */
		COLD_VECTOR_REST /* the helper, from element `counter` on */
	} kind;
	const struct ir *ir;
	uint8_t *places[4]; /* jumps to it */
	uint8_t *resume; /* where it comes back to */
	uint8_t *found; /* or there: where the page has been found */
	uint8_t *data; /* its address is wanted here */
	uint64_t target;
	int counter;
	uint16_t counted; /* struct emitter's, where it was left */
};

/* Accesses on one page (emit-pages.c). */
struct page_group {
	int32_t first, end; /* bytes from what the register holds */
	uint16_t first_op, last_op;
	uint16_t nr; /* accesses */
	bool is_write;
	uint8_t place; /* in jit_frame.pages, or NO_PLACE */
	uint8_t recent; /* number of its jit_tlb_recent, or NO_PLACE */
	/* Registers that hold that one's members, or X86_NO_REG. */
	uint8_t negated, distance;
};

extern const uint16_t x86_spans[JIT_SPANS];

#define PAGE_GROUPS_MAX 255
#define NO_PLACE	0xff
#define PINS_MAX	(NR_INTEGER_REGISTERS / 2)

#define COLD_MAX   1024
#define LABELS_MAX 512
#define JUMPS_MAX  1024

struct emitter {
	struct x86_code code;
	struct jit *jit;
	struct jit_block *out;
	const struct ir_block *in;
	const int8_t *map;
	/* Of a machine's block: where in the state the tables of its regime are. */
	struct {
		size_t read, write;
	} tlb;
	bool counts; /* instructions; how many of them have been added to the state's */
	uint16_t counted;
	uint64_t boxed; /* floating-point slots that are known to hold a boxed single */
	const uint8_t *reach; /* the region's way to jit_reach(), if it has one */
	bool failed; /* too much of something */
	unsigned nr_cold, nr_labels, nr_jumps;
	struct cold cold[COLD_MAX];
	struct {
		uint64_t pc;
		uint8_t *code;
	} labels[LABELS_MAX];
	struct {
		uint64_t pc;
		uint8_t *place;
	} jumps[JUMPS_MAX]; /* to labels that are still to come */
	uint8_t group_of[IR_BLOCK_MAX]; /* for each operation 1 + its group's number, or 0 */
	struct page_group groups[PAGE_GROUPS_MAX];
	unsigned nr_groups, nr_pins;
	uint8_t pins[PINS_MAX]; /* groups that have registers */
	/* Of a region: how much slots are used, and how deep in loops operations are. */
	uint32_t weights[JIT_SLOTS_MAX];
	uint8_t depth[IR_BLOCK_MAX];
};

typedef void emit_function(struct emitter *e, const struct ir *ir);
/* The one for what it is. */
emit_function emit_operation;

/* --- operands -------------------------------------------------------------------------------- */

static inline struct x86_operand slot_memory(const struct emitter *e, unsigned slot)
{
	return x86_m(RBP, (int32_t)e->jit->guest->slot_offsets[slot] - STATE_BIAS);
}

static inline struct x86_operand state_memory(size_t offset)
{
	return x86_m(RBP, (int32_t)offset - STATE_BIAS);
}

static inline struct x86_operand frame_memory(const struct jit *jit, size_t offset)
{
	return state_memory(jit->guest->frame + offset);
}

static inline struct x86_operand constant_memory(const struct emitter *e, unsigned n)
{
	return frame_memory(e->jit, offsetof(struct jit_frame, constants) + 16 * n);
}

static inline bool is_float_slot(const struct emitter *e, unsigned slot)
{
	return slot < IR_FIRST_VECTOR && slot >= e->jit->guest->first_float;
}

static inline bool is_vector_slot(unsigned slot)
{
	return slot >= IR_FIRST_VECTOR && slot != IR_ZERO;
}

/* Register or memory, wherever the slot is; not for IR_ZERO. */
static inline struct x86_operand where(const struct emitter *e, unsigned slot)
{
	return e->map[slot] >= 0 ? x86_r((uint8_t)e->map[slot]) : slot_memory(e, slot);
}

/* A register that holds the slot; `scratch` is loaded with it when it has none. */
uint8_t in(struct emitter *e, unsigned slot, uint8_t scratch);
/* The register to compute d in: its own, or `scratch`; out() puts it where it belongs. */
uint8_t target(const struct emitter *e, unsigned slot, uint8_t scratch);
void out(struct emitter *e, unsigned slot, uint8_t reg);
uint8_t float_in(struct emitter *e, unsigned slot, uint8_t scratch);
uint8_t float_target(const struct emitter *e, unsigned slot, uint8_t scratch);
void float_out(struct emitter *e, unsigned slot, uint8_t reg);
/* Some table of the cache is full: as if the cache were. */
static inline void no_room(struct emitter *e)
{
	e->code.end = e->code.p;
}
/* The slot has been given a value of this width. */
void note_width(struct emitter *e, unsigned slot, unsigned size);
/* A single in `reg` must be boxed, or the helper sees to it. Uses rcx. */
void check_boxed(struct emitter *e, const struct ir *ir, struct cold **slow, unsigned slot,
	unsigned size, uint8_t reg);
/* a + imm as an operand; may use `scratch`. */
struct x86_operand guest_memory(struct emitter *e, const struct ir *ir, uint8_t scratch);
/* Is the guest a machine, whose memory is reached through the TLB? */
static inline bool is_machine(const struct emitter *e)
{
	return e->jit->guest->machine;
}
/* pc is where code of the block's page is not: it is found through the table. */
static inline bool is_far(const struct emitter *e, uint64_t pc)
{
	return is_machine(e) && (pc ^ e->in->pc) >= JIT_PAGE_BYTES;
}
/* mov qword at memory, any value; may use rax. */
void store_constant(struct emitter *e, struct x86_operand memory, uint64_t value);
/* An address of the guest's in a register, or at memory; may use rax. */
void guest_constant(struct emitter *e, uint8_t reg, uint64_t address);
void store_guest_constant(struct emitter *e, struct x86_operand memory, uint64_t address);
/* Code that is to be saved: what lies `bytes` before here moves. */
void moves(struct emitter *e, unsigned bytes, enum jit_relocation_kind kind);
void jump_to_stub(struct emitter *e, const uint8_t *stub);
void call_stub(struct emitter *e, const uint8_t *stub);
/* What a stub finds behind the call. */
void add_data(struct emitter *e, const void *data, size_t bytes);

/* --- ways out (emit-control.c) ---------------------------------------------------------------- */

/* How far an address is behind the start of the block's page. */
int64_t place_of(const struct emitter *e, uint64_t address);
/* Of code that this block's leads to, and where there is some; NULL: nowhere yet. */
uint64_t context_of(const struct emitter *e);
uint8_t *code_of(const struct emitter *e, uint64_t pc);
/* A way out on which the flags are read (IR_BRANCH). */
bool reads_flags(const struct ir *ir);
/* jmp whose distance may be set at any time; and the stub that it leads to until it is linked. */
uint8_t *jump_out(struct emitter *e);
void emit_link_stub(struct emitter *e, uint64_t pc, uint64_t context, uint8_t *place);
void emit_far_jump(struct emitter *e, const struct ir *ir, uint64_t pc);
void stop_if_interrupted(struct emitter *e, const struct ir *ir, uint64_t pc);

/* Where an operand in memory is, until rax and rcx are written but for `scratch`, which is free (or
 * X86_NO_REG). What goes the slow way comes back at resume_here(slow). */
struct reached {
	struct x86_operand memory;
	struct cold *slow;
	uint8_t scratch;
};
struct reached reach(struct emitter *e, const struct ir *ir, bool is_write);
/* Of a machine, in a table of the TLB: rcx = the page in our memory, rax = the place on it, which
 * has so many bytes. */
struct cold *look_up_page(struct emitter *e, const struct ir *ir, size_t table, unsigned bytes);
/* The stubs that do so for lines of code that moves: of a lone access, of a group. */
void emit_page_stub(struct emitter *e, size_t table, unsigned bytes);
void emit_group_stub(struct emitter *e, size_t table, unsigned bytes);
/* Where in the state a regime's tables are. */
static inline size_t tlb_of(const struct jit_guest_machine *machine, unsigned regime)
{
	return machine->tlb + regime * sizeof(struct jit_tlb);
}
void plan_pages(struct emitter *e);
/* The registers of groups have what is in memory. Flags and scratch registers stay. */
void load_pins(struct emitter *e);

/* Is the block's code the same wherever its page is mapped? */
static inline bool moves_by_page(const struct emitter *e)
{
	return jit_moves(e->jit, e->out->context);
}
/* The first regime whose code moves. */
static inline unsigned moving_regime(const struct jit_guest_machine *machine)
{
	unsigned regime = 0;

	while (machine->shared_regimes >> regime & 1)
		regime++;
	return regime;
}
/* That is where rax is, guest code that is about to run; rax is written. */
static inline void x86_enter_page(struct x86_code *c, const struct jit *jit)
{
	x86_arithmetic_immediate(c, 8, X86_AND, x86_r(RAX), -(int32_t)JIT_PAGE_BYTES);
	x86_store(c, 8, frame_memory(jit, offsetof(struct jit_frame, page)), RAX);
}
static inline void enter_page(struct emitter *e)
{
	if (moves_by_page(e))
		x86_enter_page(&e->code, e->jit);
}

/* --- cold parts ------------------------------------------------------------------------------ */

struct cold *cold_part(struct emitter *e, int kind, const struct ir *ir);
/* What faults from here on is this one's. */
void note_place(struct emitter *e, const struct ir *ir);
/* Go to the helper for this operation when the condition holds; it comes back at resume_here(). */
struct cold *helper_if(struct emitter *e, const struct ir *ir, enum x86_condition condition);
void also_if(struct emitter *e, struct cold *cold, enum x86_condition condition);
static inline void resume_here(struct emitter *e, struct cold *cold)
{
	if (cold)
		cold->resume = e->code.p;
}
void emit_group_part(struct emitter *e, const struct cold *cold);
void emit_recent_part(struct emitter *e, const struct cold *cold);
/* Have the guest's helper do the operation's instruction. */
void call_helper(struct emitter *e, const struct ir *ir, int helper);
/* Have jit_reach() see to a machine's access, with what `slow` has of its group; then on behind it.
 */
void call_reach(struct emitter *e, const struct cold *cold, struct jit_slow *slow);
/* The helper's data, at their end. */
void emit_helper_data(struct emitter *e);
/* All of them, at the end of the block. */
void emit_cold_parts(struct emitter *e);

/* A region's map from now on, its own, to be changed; NULL: too many of them (e->failed). */
int8_t *own_map(struct emitter *e);
/* An operation's weight, by its depth in loops. */
uint32_t weight_of(unsigned depth);
/* From the block's map to the global one, and back. Flags and scratch registers stay. */
void map_to_global(struct emitter *e);
void map_from_global(struct emitter *e);
bool map_is_global(const struct emitter *e);

/* --- counting instructions --------------------------------------------------------------------
 *
 * All of it writes flags, and is nothing where the block does not count.
 */

/* The state has counted `done` instructions of the block from here on, whatever way is taken; or on
 * a way that does not come back. */
void count_up_to(struct emitter *e, unsigned done);
void count_on_way_out(struct emitter *e, unsigned done);
/* So many more have been executed than the state has counted. */
void add_retired(struct emitter *e, int nr);
/* To the cold part if somebody wants the thread to stop, or it has executed what it was to. Writes
 * rcx. */
void stop_if_wanted(struct emitter *e, struct cold *cold);
/* Of the block's instructions, those before the operation's. */
static inline unsigned done_before(const struct ir *ir)
{
	return ir->done ? ir->done - 1u : 0;
}

/* --- operations ------------------------------------------------------------------------------ */

emit_function emit_constant, emit_move, emit_binary, emit_and_not, emit_shift, emit_multiply,
	emit_multiply_high, emit_divide, emit_pick, emit_shift_add, emit_set, emit_zero_if,
	emit_bit, emit_extend, emit_count, emit_reverse_bytes;
emit_function emit_rotate_sum, emit_aes_round, emit_aes_invert;
emit_function emit_load, emit_store, emit_fence, emit_atomic, emit_load_reserved,
	emit_store_conditional;
emit_function emit_float_binary, emit_float_square_root, emit_float_fused, emit_float_pick,
	emit_float_sign, emit_float_set, emit_float_to_integer, emit_float_from_integer,
	emit_float_convert, emit_float_to_bits, emit_float_from_bits, emit_float_read_flags,
	emit_float_write_flags;
emit_function emit_zero_block, emit_state_read, emit_state_write, emit_status_read,
	emit_status_change;
emit_function emit_vector_expect, emit_vector_configure, emit_vector_read_length, emit_vector_load,
	emit_vector_fields, emit_vector_indexed, emit_vector_gather, emit_vector_store,
	emit_vector_elements, emit_vector_set, emit_vector_mask, emit_vector_count,
	emit_vector_find, emit_vector_insert, emit_vector_extract, emit_vector_reduce,
	emit_vector_aes, emit_vector_sha256, emit_vector_ghash, emit_vector_float,
	emit_vector_float_sum;
/* VECTOR_GATHER: by one shuffle of bytes. */
bool vector_is_shuffle(const struct ir *ir);
/* The cold part of one of them, for the length there is. */
void emit_vector_partial(struct emitter *e, const struct cold *cold);
emit_function emit_branch, emit_jump, emit_call, emit_jump_register, emit_call_register,
	emit_return, emit_stop, emit_helper;

/* cmp for a condition; the host's code for it. */
enum x86_condition emit_compare(struct emitter *e, const struct ir *ir);
/* The global map of a guest. */
const int8_t *x86_global_map(const struct jit_guest *guest);
