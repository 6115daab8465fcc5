/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - what the files of jit/ share: the cache, and what a guest and a host provide.
 */
#pragma once

#include "jit/ir.h"
#include "jit/jit.h"
#include "jit/tlb.h"

#define JIT_SLOTS_MAX	    (IR_FIRST_VECTOR + 32)
#define JIT_LOOKUP_SIZE	    4096 /* entries at first; a power of two */
#define JIT_LOOKUP_SIZE_MAX 32768
#define JIT_SHADOW_BYTES    (64u << 10)
#define JIT_CODE_ALIGN	    64 /* of code that is moved as a whole: a cache line */
#define JIT_NO_PC	    UINT64_C(1) /* guest code is at even addresses */
/* Code without groups is in tables by a pc that is odd, in the place of a neighbour. */
#define JIT_CAREFUL_PC	   UINT64_C(1)
#define JIT_CAREFUL_PLACE  UINT64_C(2)
#define JIT_COUNTERS_FIRST 64 /* whose offset takes more than a byte */
#define JIT_LOOP_HOT	   1000 /* turns after which a loop is translated again, as a whole */

/* In `interrupt`: not for the one who runs us, but for us. */
#define JIT_INTERRUPT_OWN 2u

/* Why translated code was left, beyond enum jit_stop. */
enum jit_leave {
	JIT_LEAVE_LINK = 64, /* by frame.exit, whose target is not known yet */
	JIT_LEAVE_MISS, /* to pc, which is not in the lookup table */
	JIT_LEAVE_HOT, /* the loop at pc */
	JIT_LEAVE_INTERPRET, /* what only the interpreter can do, from pc on */
	JIT_LEAVE_NO_CODE, /* nothing that could be executed is at pc */
	/* Only a helper says so, and code is not left for it: on at pc, in another mode. */
	JIT_LEAVE_SWITCHED,
	JIT_LEAVE_FOUND, /* likewise: on at frame.target */
	JIT_LEAVE_CAREFUL, /* to pc, in code without groups */
};

/* --- the guest: riscv/ ---------------------------------------------------------------------- */

struct jit_lift_options {
	uint64_t end; /* of what may be read */
	int64_t offset; /* the instruction at pc is read from our address pc + offset */
	uint32_t mode; /* of a machine's hart; 0 otherwise */
	bool is_machine; /* the guest's memory may need its helper */
	/* Not 0: the whole loop from the block's pc to here, with the jumps inside it; else a line
	 * of code with ways out. */
	uint64_t loop_end;
	/* The guest that is about to run this: what may be expected of it, and must be looked at
	 * by the code that is made. NULL: nothing is known. */
	const void *state;
};

/* In a machine's context: made without groups of accesses (x86/emit-pages.c); only jit_reach() goes
 * there. Behind the bits of any mode. */
#define JIT_CONTEXT_CAREFUL (UINT64_C(1) << 11)

/* Code of a guest, from pc on. */
struct jit_source {
	uint64_t pc;
	/* What else its translation depends on. Of a machine the page that it lies on, physically,
	 * and in the lower bits the hart's mode; else 0. */
	uint64_t context;
	int64_t offset; /* it is read from our address pc + offset */
	uint64_t end; /* of what may be read of it; of a machine the end of the page */
	bool is_global; /* whatever the address space */
	const void *state; /* as in struct jit_lift_options */
};

/* What a machine's guest has beside; offsets are from the state's start. */
struct jit_guest_machine {
	uint32_t mode, address_space; /* 32 bits each */
	uint32_t tlb; /* struct jit_tlb for each regime */
	uint32_t nr_regimes, regime_mask; /* which bits of mode are the regime */
	uint32_t shared_regimes; /* bit by regime: those that hold what is_global mostly */
	uint32_t may_interrupt; /* 32 bits; 0: no interrupt waits for a bit of the status */
	/* Code of a mode with this bit counts what it has executed (64 bits), and is left where the
	 * count has come to `retired_limit` or gone beyond, by those jumps that look whether the
	 * thread shall stop. Helpers find the count exact. */
	uint32_t counting_mode, retired, retired_limit;
	/* Where to read code at pc from. false: a fault, of which the state tells. */
	bool (*find_code)(void *state, uint64_t pc, struct jit_source *ret);
};

/* A guest: where its state keeps what, and how its code is read. Offsets are from the state's
 * start; slots from first_float on are floating point, those from IR_FIRST_VECTOR on vectors. */
struct jit_guest {
	const char *name;
	const char *const *slot_names;
	unsigned nr_slots, first_float;
	uint16_t slot_offsets[JIT_SLOTS_MAX];
	uint16_t pc, interrupt, frame, reserved_address, reserved_value;
	uint16_t float_flags; /* 32 bits, of which the lower five are flags */
	/* 64 bits each, but for vector_start, which has 32: how vectors are seen, how many elements
	 * of them count, and from which on; the last is 0 but for an instruction that is done for
	 * the rest. */
	uint16_t vector_type, vector_length, vector_start;
	/* Slots in the order in which they want to be in registers of the host. */
	uint8_t hot[JIT_SLOTS_MAX];
	const struct jit_guest_machine *machine; /* NULL: the guest is a program */
	/* Fill `block` (empty but for pc). */
	void (*lift)(struct ir_block *block, const struct jit_lift_options *options);
	/* Execute what `data` says, with the state whole: 0 to go on behind it, or why not. */
	int (*helper)(void *state, const void *data);
	/* Such `data`, of IR_HELPER_BYTES, for what is kept in ir_block.words. */
	void (*unpack)(uint32_t word, void *data);
};

/* --- translated code ------------------------------------------------------------------------ */

struct jit_entry {
	uint64_t pc;
	const uint8_t *code;
};

/* A way out of a block to code that may or may not be there. Places are offsets in the cache. Of
 * code that moves the target is counted from the start of the block's page on. */
struct jit_exit {
	uint64_t target, context;
	uint32_t place; /* of the distance of the jump that is to be set */
};

/* Where a call comes back to. */
struct jit_landing {
	uint64_t pc;
	uint32_t code;
};

/* From `code` (an offset from the block's start) on, what faults is the instruction at pc (one from
 * the block's lowest address). Only those that can fault are there. */
struct jit_place {
	uint32_t code, pc;
};

/* Of code that moves (jit_moves()), pc is where it was when it was made. */
struct jit_block {
	uint64_t pc, context, lowest;
	uint32_t next_on_page; /* of a machine: 1 + the number of another block, or 0 */
	uint32_t code, code_end;
	uint32_t first_landing, nr_landings, first_place, nr_places, first_segment;
	uint32_t map; /* which of jit->maps */
	uint32_t loop_bytes; /* of a region; 0: it is a line */
	uint8_t nr_segments;
	bool is_dead, is_restored;
	bool is_of_state; /* of the guest that was about to run it: no other process makes it */
};

#define JIT_SPANS 12 /* bytes that a group may have, rounded up */

/* Slot to register of the host; -1: in memory. */
struct jit_map {
	int8_t host[JIT_SLOTS_MAX];
};

/* What must be changed in a block's code when it is at another place, or its guest code is. */
enum jit_relocation_kind {
	JIT_MOVES_GUEST, /* 8 bytes: an address of the guest's */
	JIT_MOVES_STUB, /* 4 bytes: the distance to something at the start of the cache */
	JIT_MOVES_EXIT, /* 4 bytes: the number of an exit */
	JIT_MOVES_COUNTER, /* 4 bytes: the number of a counter */
	JIT_MOVES_COUNTER_BYTES, /* 4 bytes: four times that */
};

struct jit_relocation {
	uint32_t place; /* an offset in the cache */
	uint32_t kind;
};

struct jit_slot {
	uint64_t key; /* a hash: who looks for another block need not look at this one */
	uint32_t block; /* 1 + its number; 0: the slot is empty */
};

/* Address space is taken for `limit` items at once, so that they never move; memory as they come.
 */
struct jit_array {
	void *items;
	size_t item_bytes, nr, limit;
	size_t mapped_bytes; /* of a file, that it begins with (mapped.c) */
};

/* A page of a machine's memory that code was translated from. */
struct jit_page {
	uint64_t physical;
	const uint8_t *host; /* NULL: the slot is empty */
	uint32_t first_block; /* 1 + its number, or 0 */
	bool is_marked; /* writes to it are told */
};

/* Pages that have been marked, the newest last: who had one open for writes may have written to it
 * since, unseen (pages.c). */
#define JIT_MARKS 1024 /* a power of two */

struct jit_mark {
	const uint8_t *host;
	uint64_t physical;
};

struct jit {
	struct jit_options options;
	const struct jit_guest *guest;
	bool host_has_aes, host_has_sha, host_has_products; /* of polynomials: pclmulqdq */
	bool print_ir, print_asm, print_stats, interpret, perf, no_regions, trace, is_dense;
	uint32_t lock; /* a futex; all below is under it */
	uint8_t *writable, *executable; /* the same memory, twice */
	void *fork_copy; /* of it, while a fork(2) goes on */
	size_t fork_bytes;
	int fd; /* of it */
	size_t size, used, stubs_end;
	struct host_stubs {
		const uint8_t *enter, *leave, *leave_spilled, *link, *miss, *unknown, *bottom,
			*helper;
		/* Of a machine: struct jit_slow lies behind the jump that is behind the call; it is
		 * told where pc is, or pc is written already; called by code that was called. */
		const uint8_t *reach, *reach_at, *reach_nested, *reach_nested_at;
		/* Of code that moves: to another page; out, struct jit_way_out (jit_hot_loop) being
		 * behind the call. */
		const uint8_t *far, *turn, *leave_at, *hot_at;
		/* For such code's accesses to find their page: reads and writes, of 1 << n bytes
		 * and of groups (x86/emit-pages.c). */
		const uint8_t *page[2][4], *group[2][JIT_SPANS];
	} stubs; /* enter and bottom in the executable view, the others in the writable one */
	struct jit_array blocks, exits, landings, places;
	struct jit_array segments; /* struct ir_segment */
	struct jit_array maps; /* struct jit_map; the first is the global one */
	struct jit_array relocations; /* kept when the code is to be saved: items is not NULL */
	struct jit_array
		index; /* struct jit_slot: open addressing by pc; nr, a power of two, of them */
	size_t nr_indexed;
	struct jit_array counters; /* uint32_t */
	struct jit_frame *frames;
	uint32_t epoch;
	bool wants_flush;
	uint64_t lowest, highest; /* guest code that was translated; not of a machine */
	struct jit_mapped {
		size_t start, end; /* of code that is a file's (mapped.c) */
		uint8_t *shared; /* the executable view, without the file in it */
		uint8_t *is_own; /* by page: code that was a file's, and is in both views again */
		size_t nr_own;
	} mapped;
	struct jit_array pages; /* of a machine: struct jit_page, a table of nr slots (pages.c) */
	size_t nr_pages; /* in it */
	struct jit_mark marks[JIT_MARKS];
	uint64_t nr_marks;
	struct jit_stats stats;
	int perf_fd;
	struct ir_block ir; /* of the block that is being translated */
	struct jit_array emitter; /* the host's, of host_emitter_bytes() */
};

/* cache.c: room, and what is where. */
int jit_open_guest(const struct jit_options *options, const struct jit_guest *guest,
	struct jit **ret, struct error *err);
void jit_lock(struct jit *jit, struct jit_frame *frame);
void jit_unlock(struct jit *jit, struct jit_frame *frame);
/* Is code of this context the same wherever its page is mapped? A machine's programs' is: libraries
 * are at another address in each process. A kernel's is not, so that it costs nothing there. */
static inline bool jit_moves(const struct jit *jit, uint64_t context)
{
	const struct jit_guest_machine *machine = jit->guest->machine;

	return machine && !(machine->shared_regimes >> (context & machine->regime_mask) & 1);
}

/* The state that a frame is part of. */
static inline void *jit_state_of(const struct jit *jit, const struct jit_frame *frame)
{
	return (char *)(uintptr_t)frame - jit->guest->frame;
}

/* The block that begins at pc, or NULL. */
struct jit_block *jit_find(struct jit *jit, uint64_t pc, uint64_t context);
/* From now on jit_find() gives this one for its pc and context. */
void jit_index(struct jit *jit, struct jit_block *block);
/* The block whose code this address (of the executable view) is in, or NULL. Any thread, no lock.
 */
const struct jit_block *jit_block_at(const struct jit *jit, uint64_t host_pc);
/* The guest's pc for an address in a block's code. */
uint64_t jit_guest_pc(const struct jit *jit, const struct jit_block *block, uint64_t host_pc);
/* Forget everything. The owner of frame is in no translated code; the others are waited for, with
 * the lock let go. */
void jit_flush(struct jit *jit, struct jit_frame *frame);
/* Out of translated code at its next jump, and in again. */
void jit_send_out(struct jit *jit, struct jit_frame *frame);
/* Room for one more at the end, all zero; NULL when there is none. */
void *jit_append(struct jit_array *array, size_t nr);

/* threads.c: what a thread needs to run translated code, made once; -ENOMEM. */
int jit_prepare(struct jit *jit, struct jit_frame *frame);
/* The code cache has been emptied since the frame was last in it: nothing it knows is true. */
void jit_refresh(struct jit *jit, struct jit_frame *frame);
void jit_release(struct jit_frame *frame);
void jit_empty_shadow(struct jit_frame *frame);
/* No return goes beyond what is on the shadow stack's top now, a pair that is free. */
void jit_end_shadow(struct jit_frame *frame);
void jit_empty_lookup(struct jit_entry *entries, unsigned size);
/* What `lookup` has so many entries of is, as translated code wants it. */
static inline uint32_t jit_lookup_mask(unsigned size)
{
	return (uint32_t)((size - 1) * sizeof(struct jit_entry));
}
static inline struct jit_entry *jit_lookup_entry(const struct jit_frame *frame, uint64_t pc)
{
	uint64_t offset = (pc >> 1) * sizeof(struct jit_entry) & frame->lookup_mask;

	return (struct jit_entry *)((char *)(uintptr_t)frame->lookup + offset);
}
/* Is this address in the page that ends the shadow stack? */
bool jit_is_shadow_guard(const struct jit_frame *frame, uint64_t address);
void *jit_shadow_bottom(const struct jit_frame *frame);

/* pages.c: code of machines. */
#define JIT_PAGE_BYTES UINT64_C(4096)
/* Where is code at pc read from? 0, or JIT_STOP_FAULT. Of a program, without `end`. */
int jit_locate(const struct jit *jit, void *state, uint64_t pc, struct jit_source *ret);
/* The page of this address, if something was translated from it since it was last forgotten. */
struct jit_page *jit_find_page(struct jit *jit, uint64_t physical);
/* Each of them. */
void jit_each_page(
	struct jit *jit, void (*each)(void *context, const struct jit_page *page), void *context);
/* Writes to the source's page are told from now on; false: there is no room to remember it. */
bool jit_mark_page(struct jit *jit, const struct jit_source *source);
/* The block, which is about to be counted, was made from its page. */
void jit_add_to_page(struct jit *jit, struct jit_block *block);
/* Writes to no page are told any more: all that was translated is about to be forgotten. */
void jit_unmark_pages(struct jit *jit);
/* The thread itself has marked pages, from number `first` on: it writes to them no more, unseen.
 * Under the lock. */
void jit_close_marked(struct jit *jit, struct jit_frame *frame, void *state, uint64_t first);
/* The state is about to enter translated code: pages that others have marked are written by it no
 * more, and it has the table for its mode. Not under the lock. */
void jit_enter_mode(struct jit *jit, struct jit_frame *frame, void *state);
/* The latter only. */
void jit_choose_table(struct jit *jit, struct jit_frame *frame, const void *state);
/* In a helper, behind which the state is in another mode: may it go on in translated code, by way
 * of the table that it now has? */
bool jit_switch(struct jit_frame *frame, const void *state);
/* The shadow stack is empty: other modes have nothing on it, either. */
void jit_forget_shadows(struct jit_frame *frame);
/* The current table has an entry in the place of this pc. */
void jit_note_lookup(struct jit_frame *frame, uint64_t pc, bool is_global);
/* Every write from before to a page that was marked has been told (fence.i). */
void jit_wait_for_marks(struct jit *jit, struct jit_frame *frame);
/* See riscv_forget_code(): one page's, all, or what is not in all address spaces. */
#define JIT_ALL_ADDRESSES   UINT64_MAX
#define JIT_LOCAL_ADDRESSES (UINT64_MAX - 1)
void jit_forget_addresses(struct jit_frame *frame, uint64_t address);
/* The tables, empty, in memory of jit_tables_bytes(). */
size_t jit_tables_bytes(const struct jit *jit);
void jit_init_tables(struct jit_frame *frame, void *memory);

/* reach.c: an access of a machine's code has not found its page. What the code tells of it lies in
 * the code, as close as it can. */
struct jit_slow {
	uint32_t word; /* of ir_block.words */
	uint16_t place; /* of the instruction on its page; and JIT_SLOW_... */
	/* Of a group: all its bytes, from what the slot holds. */
	int16_t first;
	uint16_t bytes;
	uint8_t slot;
	uint8_t kept; /* where the page is to be noted: in frame.pages, or (_RECENT) which entry */
} __attribute__((packed));
#define JIT_SLOW_PLACE	    (JIT_PAGE_BYTES - 1)
#define JIT_SLOW_GROUP	    0x1000
#define JIT_SLOW_WRITE	    0x2000
#define JIT_SLOW_RECENT	    0x4000
#define JIT_SLOW_HALF	    0x8000 /* an instruction of 2 bytes, not of 4 */
#define JIT_SLOW_LONE_BYTES offsetof(struct jit_slow, first)
/* The guest's helper does it, and finds the page for the others of the group. */
int jit_reach(struct jit_frame *frame, const struct jit_slow *slow);
/* The entry of the thread's table for code at pc that has no groups: of an odd pc. */
static inline struct jit_entry *jit_careful_entry(const struct jit_frame *frame, uint64_t pc)
{
	return jit_lookup_entry(frame, pc ^ JIT_CAREFUL_PLACE);
}

/* Why and where code that moves is left. */
struct jit_way_out {
	int16_t place; /* from the start of the page on: may be its end */
	uint8_t reason;
} __attribute__((packed));

/* The loop between two places has turned often. */
struct jit_hot_loop {
	int16_t place, target;
	uint32_t counter;
} __attribute__((packed));
/* saved.c: as jit_precompile(). */
int jit_precompile_source(struct jit *jit, const struct jit_source *source, uint32_t loop_bytes);
/* Nobody is in translated code, nor comes in again with what it knows of it: all is forgotten. */
void jit_empty(struct jit *jit);

/* mapped.c: the first code of the cache, and the first items of an array, are those of a file from
 * here on, from a page of it on. -errno. */
int jit_map_code(struct jit *jit, int fd, size_t from, size_t bytes);
int jit_map_array(struct jit_array *array, int fd, size_t from, size_t nr);
/* They are not any more: the array is zeros; code is as it was without, unless the kernel refuses,
 * and then nobody writes to its place. */
void jit_unmap_code(struct jit *jit);
void jit_unmap_array(struct jit_array *array);
/* Before code here is written; false: it cannot be. */
bool jit_own_code(struct jit *jit, size_t at);

/* translate.c: a block for the source. -EFAULT: no code is there. -ENOSPC: flush first. -E2BIG: the
 * loop that ends at loop_end (0: none) is too large. */
int jit_make(struct jit *jit, const struct jit_source *source, uint64_t loop_end,
	struct jit_block **ret);
/* Execute with `state` until something other than links and misses comes up. */
int jit_execute(struct jit *jit, void *state);

/* --- the host: x86/ ------------------------------------------------------------------------- */

/* Can this host run what host_emit() makes? */
bool host_is_supported(void);
bool host_has_aes(void);
bool host_has_sha(void);
bool host_has_products(void);
size_t host_emitter_bytes(void);
/* The ways in and out, at the start of an empty cache. */
void host_emit_stubs(struct jit *jit);
/* Where slots are between blocks. */
void host_global_map(const struct jit *jit, struct jit_map *map);
/* Machine code for jit->ir at jit->used, told to `block`. -ENOSPC: the cache is full. */
int host_emit(struct jit *jit, struct jit_block *block);
/* Let the jump at `place` (an offset in the cache) lead to the code at offset `target`. */
void host_link(struct jit *jit, uint32_t place, uint32_t target);
/* Code of the block at the offset is not to be entered any more: go to pc by way of the lookup.
 * `is_landing`: a call returns there. Needs room in the cache; -ENOSPC. */
int host_redirect(struct jit *jit, const struct jit_block *block, uint32_t code, uint64_t pc,
	bool is_landing);
/* Code at an offset is replaced by that at another. */
void host_replace(struct jit *jit, uint32_t code, uint32_t by);
void host_prepare(struct jit_frame *frame);
/* Guest fcsr to the host's control word, and what flags that has gathered. */
uint32_t host_float_control(unsigned rounding);
uint32_t host_float_flags(uint32_t control);
/* Of the running thread. */
uint32_t host_read_float_control(void);
void host_write_float_control(uint32_t control);

/* A fault at `context`, in translated code of `block`: its registers to the state. */
void host_recover(
	struct jit *jit, const struct jit_block *block, void *state, const ucontext_t *context);
uint64_t host_pc(const ucontext_t *context);
/* Go on in the translated code's way out with this reason. `in_helper`: it was in C. */
void host_leave(struct jit *jit, struct jit_frame *frame, void *state, ucontext_t *context,
	int reason, bool in_helper);
/* The shadow stack is full: begin at its bottom again. */
void host_reset_shadow(ucontext_t *context, void *bottom);
/* Change `context` so that the handler returns into leave(argument), which must not return. */
void host_divert(ucontext_t *context, void (*leave)(void *argument), void *argument);
