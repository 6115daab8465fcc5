/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hart.h - a RISC-V hart of a machine: RV64GCV with M, S and U mode, RVA23S64 without the
 * hypervisor extension (RISC-V Privileged ISA 20241017, "Machine ISA 1.13",
 * "Supervisor ISA 1.13").
 *
 * What it has beside the user's instructions: Sv39, Sv48, Sv57, Svade and Svadu, Svinval, Svnapot,
 * Svpbmt, Svvptc, Sstc, Sscofpmf, Smnpm and Ssnpm (pointer masking), Smstateen, Zicbom, Zicboz, 16
 * PMP entries, 16 event counters; and, where the board wants them, Smaia and Ssaia.
 *
 * A board fills in a struct riscv_hart_config, calls riscv_hart_init(), says where the hart begins
 * (riscv_hart_reset() or riscv_hart_start()), and calls vcpu.ops->run() on the hart's own thread.
 * All else here is for that thread, or for any while the hart stands (run() has returned and is not
 * called again), unless it says otherwise.
 */
#pragma once

#include <pthread.h>

#include "jit/riscv/system.h"
#include "vcpu/riscv/state.h"
#include "vm/vm.h"

struct riscv_hart;
struct riscv_tlb; /* internal.h */

/* --- time --------------------------------------------------------------------------------------
 */

/*
 * mtime, of all harts of a machine, and the thread that wakes those whose timer is due while they
 * execute. start_ns may be changed while all harts stand: so time goes on as if they had not.
 */
struct riscv_clock {
	uint64_t frequency_hz; /* 1 to 1,000,000,000 */
	int64_t start_ns; /* clock_monotonic_ns() when mtime was 0 */
	struct riscv_clock_thread *thread; /* timer.c */
};

/* mtime is 0 now. */
int riscv_clock_init(struct riscv_clock *clock, uint64_t frequency_hz, struct error *err);
/* Start the thread, once, before a hart executes. Errors: of pthread_create(3). */
int riscv_clock_start(struct riscv_clock *clock, struct error *err);
/* No hart uses it any more. */
void riscv_clock_destroy(struct riscv_clock *clock);
/* While all harts stand: it goes on from there. */
void riscv_clock_set(struct riscv_clock *clock, uint64_t mtime);
/* mtime. From any thread. */
uint64_t riscv_clock_read(const struct riscv_clock *clock);

/* --- the machine's side ------------------------------------------------------------------------
 */

/* What an environment call of supervisor mode gives back in a0 and a1. */
struct riscv_sbi_result {
	int64_t error;
	uint64_t value;
};

struct riscv_hart_config {
	unsigned index; /* mhartid */
	struct vm_memory *memory;
	struct vm_bus *bus;
	struct riscv_clock *clock;
	bool has_imsic; /* and the CSRs of Smaia and Ssaia */
	struct jit *jit; /* of the machine; NULL: everything is interpreted */
	/*
	 * The machine is the SBI implementation: an ecall of supervisor mode comes here, on the
	 * hart's thread, with a0 to a7; machine mode is never entered. NULL: it is what the
	 * hardware does, a trap to whatever firmware runs in machine mode.
	 */
	void (*sbi)(
		struct riscv_hart *hart, const uint64_t arguments[8], struct riscv_sbi_result *ret);
	void *sbi_context;
};

/* The translated code of a machine, for riscv_hart_config.jit of all its harts; `cache_bytes` and
 * `debug` as in struct jit_options. Before anything runs. Errors: jit_open()'s. */
int riscv_code_open(struct vm_memory *memory, size_t cache_bytes, const char *debug,
	struct jit **ret, struct error *err);
/* No hart uses it any more. Returns NULL. */
struct jit *riscv_code_close(struct vm_memory *memory, struct jit *jit);

/*
 * Code that is kept (jit_restore()). The list is of places that were translated from pages that
 * nobody has written to since the last vm_memory_clean(), or since they were there; all harts
 * stand. riscv_code_make() is for a process in which no guest has ever run: translate what lies at
 * these places, which may be any, in this memory, and write it to fd. -errno.
 */
void riscv_code_list(const struct vm_memory *memory, struct jit *jit,
	void (*each)(void *context, const struct jit_machine_place *place), void *context);
int riscv_code_make(struct vm_memory *memory, const struct jit_machine_place *places, size_t nr,
	const struct jit_origin *origin, int fd, struct error *err);

#define RISCV_BREAKPOINTS_MAX 64
#define RISCV_WATCHPOINTS_MAX 64
#define RISCV_TRAPS_MAX	      64

/* One that was taken, for who wonders how a guest came where it is. */
struct riscv_trap {
	uint64_t cause, value, pc; /* as xcause, xtval and xepc say it */
	enum riscv_privilege from, to;
};

/* Of a debugger: virtual addresses in any address space, and what is done there. */
struct riscv_watchpoint {
	uint64_t address, size; /* which may not be 0 */
	bool is_read, is_write; /* tells of these */
};

struct riscv_hart {
	struct riscv_system_cpu cpu; /* first: see internal.h */
	struct vm_vcpu vcpu;
	struct riscv_hart_config config;
	struct riscv_csrs csrs;
	struct riscv_sbi_state sbi; /* config.sbi's */
	enum riscv_privilege privilege;

	/* Of other threads, atomic. cpu.cpu.interrupt makes the hart look at them. */
	uint64_t pins; /* by number, as in mip */
	uint32_t wants; /* enum riscv_want (internal.h) */
	uint32_t fences_asked, fences_done; /* counts of riscv_hart_fence() */
	bool is_sleeping; /* in wfi, on cpu.cpu.interrupt as a futex */
	bool is_running; /* in run() */
	uint64_t deadline; /* mtime at which to be woken; UINT64_MAX: never */

	bool is_waiting; /* wfi has been executed, and nothing has come up since */
	bool is_off; /* riscv_hart_off() */
	bool has_forgotten; /* a page, or all: translated code is to be left */
	struct riscv_counters counters;
	struct riscv_tlb *tlb;
	struct riscv_pmp {
		/* Of entry i: what it matches is [start, last]; nothing when start > last. */
		uint64_t start[RISCV_PMP_ENTRIES], last[RISCV_PMP_ENTRIES];
		bool is_open; /* one entry matches all memory before any other, and allows all */
	} pmp;

	struct riscv_imsic {
		pthread_mutex_t lock; /* of `files` */
		struct riscv_imsic_file files[RISCV_IMSIC_FILES];
		uint64_t seen; /* what was last read of one, for what is then written */
	} imsic;

	struct vm_saved saved; /* a snapshot's, complete while the hart stands */
	struct riscv_hart_state state;

	/* The last traps: number n is in traps[n % RISCV_TRAPS_MAX]. */
	struct riscv_trap traps[RISCV_TRAPS_MAX];
	uint64_t nr_traps;

	/* A debugger's. With one of these, everything is interpreted. */
	bool wants_step;
	unsigned nr_breakpoints;
	uint64_t breakpoints[RISCV_BREAKPOINTS_MAX];

	/* Likewise, and nothing is: watch.c. */
	struct riscv_watch {
		struct riscv_watchpoint points[RISCV_WATCHPOINTS_MAX];
		unsigned nr_points;
		bool is_passing; /* an instruction that meets one is executed */
		bool has_met;
		struct riscv_watchpoint met;
	} watch;
};

/* Off until it is reset or started. -ENOMEM. */
int riscv_hart_init(
	struct riscv_hart *hart, const struct riscv_hart_config *config, struct error *err);
void riscv_hart_destroy(struct riscv_hart *hart);

/* As after power-on: in machine mode at pc, with a0 the hart's number and a1 `argument`, as
 * firmware expects it (the device tree's address). */
void riscv_hart_reset(struct riscv_hart *hart, uint64_t pc, uint64_t argument);
/* As SBI's hart_start and boot leave it: in supervisor mode at pc, with a0 and a1 likewise, and all
 * that firmware would have opened: traps delegated, memory, counters, timer, cache blocks. */
void riscv_hart_start(struct riscv_hart *hart, uint64_t pc, uint64_t argument);
/* Of the hart's thread, in config.sbi: run() returns VM_STOP_OFF behind this call. */
void riscv_hart_off(struct riscv_hart *hart);
/*
 * Of the hart `from`'s thread (or another thread: NULL): all that `hart` remembers of page tables
 * is forgotten before it executes its next instruction, when this returns (SBI RFENCE).
 */
void riscv_hart_fence(struct riscv_hart *hart, struct riscv_hart *from);
/* No message-signaled interrupt is pending or enabled, as after power-on. riscv_hart_reset() does
 * so, riscv_hart_start() does not: who starts a hart may have sent it one. */
void riscv_hart_forget_messages(struct riscv_hart *hart);
/* From now on instructions are counted one by one (counters.c), until the hart begins anew. */
void riscv_hart_count(struct riscv_hart *hart);
/* stimecmp, as SBI's set_timer sets it. */
void riscv_hart_set_timer(struct riscv_hart *hart, uint64_t mtime);
/* Which pages are written is to be noted again (vm_memory_clean()). */
void riscv_hart_forget_writes(struct riscv_hart *hart);

static inline struct riscv_hart *riscv_hart_of(struct vm_vcpu *vcpu)
{
	return (struct riscv_hart *)((char *)vcpu - offsetof(struct riscv_hart, vcpu));
}

/* --- what a debugger sees ----------------------------------------------------------------------
 *
 * Nothing here has an effect on the guest: no fault is taken, no bit of a page table set, no device
 * read.
 */

/* CSRs by number, as machine mode sees them. -ENOENT: there is none; -EACCES: it is read-only. */
int riscv_hart_read_csr(struct riscv_hart *hart, unsigned number, uint64_t *ret);
int riscv_hart_write_csr(struct riscv_hart *hart, unsigned number, uint64_t value);
/* "mstatus", cut to `size`; false when there is none of that number. */
bool riscv_csr_name(unsigned number, char *text, size_t size);
/* Guest-physical, as the hart's current mode would translate it for a load. -EFAULT. */
int riscv_hart_translate(struct riscv_hart *hart, uint64_t address, uint64_t *ret);
/* Virtual memory, whatever its permissions. -EFAULT when not all of it is there and memory. */
int riscv_hart_read(struct riscv_hart *hart, uint64_t address, void *to, size_t size);
int riscv_hart_write(struct riscv_hart *hart, uint64_t address, const void *from, size_t size);
/* -ENOSPC, -ENOENT. The guest's memory is left alone. */
int riscv_hart_add_breakpoint(struct riscv_hart *hart, uint64_t pc);
int riscv_hart_remove_breakpoint(struct riscv_hart *hart, uint64_t pc);
/* run() returns behind an instruction that has done there what is watched for: likewise. What is
 * neither a load, a store nor an atomic of the hart (a page walk, a device) is not seen. */
int riscv_hart_add_watchpoint(struct riscv_hart *hart, const struct riscv_watchpoint *point);
int riscv_hart_remove_watchpoint(struct riscv_hart *hart, const struct riscv_watchpoint *point);
/* The one that run() has returned for; NULL: none. */
const struct riscv_watchpoint *riscv_hart_met_watchpoint(const struct riscv_hart *hart);
