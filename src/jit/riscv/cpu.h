/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpu.h - the state of one RISC-V hart as user mode sees it, and the interpreter that advances it.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "jit/jit.h"

#define RISCV_VLEN_BYTES 16
#define RISCV_VILL	 (UINT64_C(1) << 63) /* of vtype: no vector instruction may use it */

/* What an instruction does to memory. */
enum {
	RISCV_READS = 1,
	RISCV_WRITES = 2,
};

struct riscv_cpu {
	uint64_t x[32]; /* x[0] stays 0 */
	uint64_t f[32]; /* narrower values are NaN-boxed: all bits above them set */
	uint64_t pc;
	uint32_t fcsr; /* fflags 4:0, frm 7:5 */
	/* What lr has read, for sc; the address is RISCV_NO_RESERVATION without one. */
	uint64_t reserved_address, reserved_value;
	uint64_t fault_address;
	/* Of JIT_STOP_FAULT: as in siginfo_t; of a machine's hart as system.h has it. */
	int fault_signal, fault_code;
	/* Set by a signal handler of this thread, or by another thread: riscv_run() returns
	 * JIT_STOP_INTERRUPT soon, and clears it. */
	uint32_t interrupt;
	/* Instructions, for the counters; what translated code executes only if it counts
	 * (RISCV_MODE_COUNT). */
	uint64_t retired;
	struct jit_memory memory;
	/* Of a user's program: called before each access of an instruction that is interpreted, for
	 * a debugger; NULL: nobody is. */
	void (*note_access)(struct riscv_cpu *cpu, uint64_t address, uint64_t size, unsigned what);
	bool is_system; /* this is the start of a struct riscv_system_cpu (system.h) */
	/* riscv_run()'s: where a fault leaves to while the interpreter runs. */
	void *run;
	struct jit_frame frame;
	/* V. A register group is as many bytes of v, from register * RISCV_VLEN_BYTES on; elements
	 * lie in it as in memory, the lowest first. vl is at most what vtype allows for. When a
	 * vector instruction faults, vstart is the element where it goes on when it is executed
	 * again. */
	_Alignas(16) uint8_t v[32 * RISCV_VLEN_BYTES];
	uint64_t vl, vtype; /* as the registers read, RISCV_VILL included */
	uint32_t vstart;
	uint8_t vxrm, vxsat;
};

#define RISCV_NO_RESERVATION UINT64_MAX

/* What translated code has instructions of this host for; else it is the interpreter's. */
struct riscv_host_features {
	bool aes, sha256, products; /* of polynomials: vclmul, vghsh */
};
struct riscv_host_features riscv_host_features(void);

/* Every register 0, no reservation, no vector type. */
void riscv_cpu_init(struct riscv_cpu *cpu, struct jit_memory memory);

/* The state of a new thread or process: all that the guest sees of `from`. */
void riscv_cpu_copy(struct riscv_cpu *cpu, const struct riscv_cpu *from);

/* Give back what riscv_run() has acquired for a thread that ends. */
void riscv_cpu_release(struct riscv_cpu *cpu);

/* As vsetvl does it: vl is `length`, or as much of it as the type allows for. */
void riscv_set_vector_type(struct riscv_cpu *cpu, uint64_t type, uint64_t length);

/*
 * Execute up to `limit` instructions, one at a time: the reference that translated code is held
 * against. Knows RVA22's user-level extensions, V with Zvfh, Zvbb, Zvbc, Zvkng, and Zfa, Zicond,
 * Zcb, Zimop, Zcmop, Zkn.
 */
enum jit_stop riscv_interpret(struct riscv_cpu *cpu, uint64_t limit);

/*
 * Run until something other than JIT_STOP_LIMIT comes up: translated code where there is some.
 * `jit` is NULL to interpret. Only one call at a time for a cpu.
 */
enum jit_stop riscv_run(struct jit *jit, struct riscv_cpu *cpu);

/*
 * Execute the one instruction at pc: JIT_STOP_LIMIT when that is done, else why it is not, as
 * riscv_run(). `instead` is the instruction that is meant, where a breakpoint has taken its place
 * in memory; NULL: what memory holds. `interrupt` is not looked at.
 */
enum jit_stop riscv_step(struct jit *jit, struct riscv_cpu *cpu, const uint32_t *instead);

/*
 * For the handler of SIGSEGV and SIGBUS (SA_SIGINFO, on an alternate stack) of the thread that runs
 * `cpu`. When the fault is the guest's, completes the state of cpu, and changes `context` so that
 * riscv_run() returns JIT_STOP_FAULT after the handler has; else false, and nothing is changed.
 * Async-signal-safe.
 */
bool riscv_fault(struct riscv_cpu *cpu, const siginfo_t *info, ucontext_t *context);
