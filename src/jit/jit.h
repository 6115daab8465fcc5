/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jit.h - guest code on a host that does not speak it: the contract of the folder.
 *
 * A guest is one instruction set (riscv/); its state is a struct that the interpreter and
 * translated code share, so that either can go on where the other has stopped. They run until
 * something comes up that is not theirs to do, and say what it was.
 *
 * A `struct jit` is the translated code of one guest address space, or of a machine (is_machine),
 * whose address spaces share what lies on the same page of its memory. Its threads share it: each
 * has a state of its own and calls riscv_run() (riscv/cpu.h) with it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

#include "base/error.h"

enum jit_stop {
	JIT_STOP_LIMIT, /* as many instructions as were asked for */
	JIT_STOP_SYSTEM_CALL, /* pc is at the instruction */
	JIT_STOP_BREAKPOINT, /* likewise */
	JIT_STOP_ILLEGAL, /* likewise */
	JIT_STOP_MISALIGNED, /* likewise; fault_address says where */
	JIT_STOP_NEW_CODE, /* code may have been written (fence.i); pc is behind it */
	JIT_STOP_FAULT, /* memory not there, or not for that: fault_*; pc is at the instruction */
	JIT_STOP_INTERRUPT, /* `interrupt` was set; pc is between two instructions */
	/* Only of a machine's hart: */
	JIT_STOP_WAIT, /* for an interrupt (wfi); pc is behind the instruction */
	JIT_STOP_MODE, /* privilege or what else translated code depends on may have changed */
	JIT_STOP_AGAIN, /* all is done for what has come up; pc is where it goes on */
};

/*
 * Where a user-mode guest's memory lies in ours: guest address A is host address offset + A, for
 * every A. Nothing is checked; an access to what is not mapped is a SIGSEGV of ours, which
 * jit_fault() makes the guest's. Translated code wants an offset of 0.
 */
struct jit_memory {
	uint64_t offset;
};

#define JIT_FRAME_PAGES 16

/*
 * What translated code keeps beside the registers of a guest: part of the guest's state, all zero
 * to begin with, and jit/'s own. Never copied from one state to another.
 */
struct jit_frame {
	_Alignas(16)
		uint64_t constants[104][2]; /* operands of 16 bytes for the host's instructions */
	void *host_stack; /* of the one who runs us */
	void *shadow_stack; /* pairs of where a call returns to, in host and in guest code */
	const void *lookup; /* guest to host code, of this thread: struct jit_entry[] */
	uint32_t lookup_mask; /* of offsets in it */
	void *helper, *reach;
	const void *target; /* code that is about to run */
	uint32_t *counters; /* how often loops may still run before they are worth more */
	uint32_t float_control, host_float_control;
	uint8_t float_flags[64]; /* the host's, to the guest's */
	/* Of a machine, if the code that runs moves (jit_moves()): where the page begins that it
	 * was made from, in the guest's address space. */
	uint64_t page;
	/* From a guest's addresses to ours, of pages that a block of a machine's code uses. */
	uint64_t pages[JIT_FRAME_PAGES];
	_Alignas(16) uint64_t spare[16]; /* of one operation */
	uint32_t exit; /* which one was taken */
	uint64_t hot; /* the loop that was */
	bool in_code; /* translated code or a helper runs */
	bool holds_lock;
	uint32_t epoch; /* of the code cache when this was last in it */
	struct jit *jit;
	void *memory; /* of shadow_stack and lookup */
	struct jit_tables *tables; /* of a machine: all the tables that `lookup` is one of */
	struct jit_frame *next; /* of the same cache */
};

#define JIT_CACHE_BYTES_MIN (16u << 10)
#define JIT_CACHE_BYTES_MAX (1u << 30) /* jumps reach 2 GiB */

struct jit_options {
	/* How far code may be fetched from pc: an end behind pc, or pc itself where nothing is
	 * executable. Called while a block is translated, by any thread. NULL: everywhere. */
	uint64_t (*code_end)(void *context, uint64_t pc);
	void *context;
	bool is_saving; /* nothing is executed: the code is for jit_save() */
	/* The states are those of a machine's harts (riscv/system.h); code_end is not asked. */
	bool is_machine;
	/* Something was translated from this page of a machine's memory (its guest-physical
	 * address), or all of it has been forgotten: from now on jit_invalidate() must be told of
	 * writes to it, or need not be. Any thread; not to call jit/ again. */
	void (*has_code)(void *context, uint64_t page, bool has_code);
	/* Where that page is in our memory, for code that is kept; NULL: there is none. */
	const uint8_t *(*find_page)(void *context, uint64_t page);
	size_t cache_bytes; /* bound of the code cache, from _MIN to _MAX; 0: the default */
	const char *debug; /* words of STRATA_JIT: "trace,ir,asm,stats,interpret"; NULL: none */
};

struct jit;

/* Make an empty code cache. Errors: -EINVAL for an unknown word in `debug` or a size that it cannot
 * have, -ENOMEM, or what mmap(2) and mremap(2) say. */
int jit_open(const struct jit_options *options, struct jit **ret, struct error *err);
struct jit *jit_free(struct jit *jit);

/*
 * Translated code that is kept from one process to the next (saved.c). Of a program it is one
 * file's, whose code the guest has, unchanged, at [start, start + size); where that is may differ
 * from process to process, but for what lies below 4 GiB. Of a machine (saved-machine.c) it is
 * that of all its memory, which is as it was: `memory` are numbers that no other state of it has.
 *
 * Who saves must never have executed guest code: a guest can write to all memory of its process.
 * (That of a machine cannot; but it speaks with devices, which are ours, and may have faults.) So
 * it opens a jit of its own (is_saving), has the places translated that others have told, which may
 * be any, and saves them all.
 */
struct jit_origin {
	uint64_t start, size;
	uint64_t memory[4];
};

/* The code at pc, `loop_bytes` long if it is a loop. -EFAULT, -E2BIG: there is none; go on.
 * -ENOSPC: the cache is full. */
int jit_precompile(struct jit *jit, uint64_t pc, uint32_t loop_bytes);
/* Write it to fd, which is empty. The jit is of no more use. */
int jit_save(struct jit *jit, int fd, const struct jit_origin *origin, struct error *err);
/* Take what jit_save() has written. Of a machine before anything was translated. -ESTALE: it is
 * another program's, or for other memory. -EBADMSG: it is damaged. -ENOSPC: there is no room.
 * Nothing has changed then. */
int jit_restore(struct jit *jit, int fd, const struct jit_origin *origin);
/* Each place in [start, start + size) that has been translated, by its offset, as jit_precompile()
 * takes it. Returns how many of them have not come from jit_restore(). */
size_t jit_list(struct jit *jit, uint64_t start, uint64_t size,
	void (*each)(void *context, uint64_t offset, uint32_t loop_bytes), void *context);

/* A place in a machine's code: where it was executed, the page that it lies on, physically, and
 * what else its translation depends on. */
struct jit_machine_place {
	uint64_t pc, page;
	uint32_t mode, loop_bytes;
};

/* As jit_precompile() and jit_list(), of a machine. `state` is a hart that nothing is known of. */
int jit_precompile_place(struct jit *jit, void *state, const struct jit_machine_place *place);
void jit_list_places(struct jit *jit,
	void (*each)(void *context, const struct jit_machine_place *place), void *context);

/* Code in [start, start + size) has changed or gone: forget what was translated from it. Threads
 * that are in it go on with the new code at their next jump. Of a machine: guest-physical. */
void jit_invalidate(struct jit *jit, uint64_t start, uint64_t size);

/*
 * A guest that does nothing needs no code: if there is more than keep_bytes of it, all is
 * forgotten, and its memory goes back to the host, of what is known about it as well. What the
 * guest still runs is translated again. From a thread that runs no guest; nobody is waited for:
 * false when a thread was in translated code, and nothing was forgotten.
 */
bool jit_shrink(struct jit *jit, size_t keep_bytes);

/* The calling thread's number among those of its address space, below 1 << 30: who holds a lock. */
void jit_set_thread(uint32_t number);
/* The thread with this number and frame, a process of its own that shared our memory, does not run
 * any more: it may have been killed wherever it was. */
void jit_thread_is_gone(struct jit *jit, struct jit_frame *frame, uint32_t number);

/* Around a fork(2) that does not share memory: jit_before_fork() in the parent, then
 * jit_after_fork() in both. The child gets a copy of the code of its own; -errno when it cannot. */
void jit_before_fork(struct jit *jit);
int jit_after_fork(struct jit *jit, bool is_child);

/* What has been translated since it was opened. */
struct jit_stats {
	uint64_t blocks, regions; /* lines, and loops as a whole */
	uint64_t restored; /* blocks that have come from jit_restore() */
	uint64_t guest_instructions, guest_bytes, host_bytes;
	uint64_t links, misses, flushes, invalidated;
};

struct jit_stats jit_get_stats(struct jit *jit);
/* What STRATA_JIT=stats promises, to `fd`, as lines of "name value". */
void jit_print_stats(struct jit *jit, int fd);
