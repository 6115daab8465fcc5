/* SPDX-License-Identifier: Apache-2.0 */
/*
 * system.h - a hart of a machine, as the interpreter and translated code see it: what a user's
 * program does not have. vcpu/riscv fulfils it.
 *
 * struct riscv_cpu comes first in struct riscv_system_cpu; cpu->is_system is set, and then
 *
 *  - an address is virtual, and reached through the table of the regime (tlb.h), else through ops;
 *  - a fault (JIT_STOP_FAULT) has the exception code of the privileged specification (Privileged
 *    1.13, table 14: 0 to 7, 12, 13, 15) in fault_code, and what stval gets in fault_address;
 *  - instructions that are not the user's (CSRs, xRET, WFI, fences of address spaces) are ops'.
 *
 * Translated code is made for one `mode`: privilege, and whether floating point and vectors may be
 * used without more ado. Who changes any of these sets mode, before the next instruction.
 */
#pragma once

#include "jit/riscv/cpu.h"
#include "jit/riscv/decode.h"
#include "jit/tlb.h"

/* Ways to look at memory; each has a table. */
enum riscv_regime {
	RISCV_REGIME_USER,
	RISCV_REGIME_SUPERVISOR, /* sstatus.SUM is 0 */
	RISCV_REGIME_SUPERVISOR_USER, /* sstatus.SUM is 1 */
	RISCV_REGIME_MACHINE, /* mstatus.MPRV is 0 */
	RISCV_REGIMES,
	/* MPRV: what it looks at depends. Only interpreted, and without a table. */
	RISCV_REGIME_OTHER = RISCV_REGIMES,
};

/* Bits of `mode`. */
enum {
	RISCV_MODE_REGIME = 7, /* enum riscv_regime */
	RISCV_MODE_FLOAT = 1 << 3, /* mstatus.FS is Dirty: nothing is left to note */
	RISCV_MODE_VECTOR = 1 << 4, /* mstatus.VS is Dirty */
	RISCV_MODE_STEP = 1 << 5, /* a debugger wants every instruction: only interpreted */
	RISCV_MODE_ZERO = 1 << 6, /* cbo.zero may be executed */
	RISCV_MODE_COUNT = 1 << 7, /* cpu.retired is exact, and held against retired_limit */
};

enum riscv_access {
	RISCV_ACCESS_READ,
	RISCV_ACCESS_WRITE,
	RISCV_ACCESS_EXECUTE,
};

/* An atomic that writes reads as well, be it what it compares; a block is only written. */
static inline unsigned riscv_reach_does(unsigned size, enum riscv_access access)
{
	if (access == RISCV_ACCESS_READ)
		return RISCV_READS;
	return size > sizeof(uint64_t) ? RISCV_WRITES : RISCV_READS | RISCV_WRITES;
}

struct riscv_system_cpu;

/* Of a page of code. */
struct riscv_code_page {
	const uint8_t *host; /* its first byte */
	uint64_t physical; /* likewise, in the guest */
	bool is_global; /* it is there in every address space */
};

/* A register that is no more than 64 bits in the state. */
struct riscv_plain_csr {
	uint32_t offset; /* from the start of the hart */
	bool is_even; /* its lowest bit is 0 */
};

struct riscv_system_ops {
	/*
	 * Read or write `size` bytes (1 to 8) that the table does not have: fills it, reaches
	 * devices, and crosses pages. false: a fault, and nothing was done (of a write that crosses
	 * pages, too).
	 */
	bool (*access)(struct riscv_system_cpu *cpu, uint64_t address, unsigned size,
		enum riscv_access access, uint64_t *value);
	/* Our memory for [address, address + size), which crosses no page, for an atomic or a
	 * block; NULL: a fault, also when it is a device's. */
	void *(*reach)(struct riscv_system_cpu *cpu, uint64_t address, unsigned size,
		enum riscv_access access);
	/* The page that pc is on, to be executed in the current mode. false: a fault. */
	bool (*code)(struct riscv_system_cpu *cpu, uint64_t pc, struct riscv_code_page *ret);
	/*
	 * Execute an instruction of the CSR group, the privileged ones, or one on cache blocks:
	 * JIT_STOP_LIMIT to go on at *next, else why not: JIT_STOP_ILLEGAL and JIT_STOP_FAULT with
	 * pc at the instruction; JIT_STOP_WAIT, and JIT_STOP_MODE whenever `mode` has changed or an
	 * interrupt may have become possible, with pc where it goes on. x[0] may be written.
	 * fflags, frm and fcsr come here only when RISCV_MODE_FLOAT is not set.
	 */
	enum jit_stop (*execute)(
		struct riscv_system_cpu *cpu, const struct riscv_insn *insn, uint64_t *next);
	/* A floating point (vector) instruction is about to be executed and RISCV_MODE_FLOAT
	 * (_VECTOR) is not set: note it as used, or false: it is illegal. */
	bool (*use_float)(struct riscv_system_cpu *cpu);
	bool (*use_vector)(struct riscv_system_cpu *cpu);
	/*
	 * An instruction of translated code has stopped so. JIT_STOP_LIMIT: that has been dealt
	 * with (a trap was taken), and nothing is in the way of going on at pc, in whatever mode
	 * that is; else what is still to be done, JIT_STOP_AGAIN if only interrupts are to be
	 * looked at. NULL: JIT_STOP_MODE is nothing to stop for.
	 */
	enum jit_stop (*take)(struct riscv_system_cpu *cpu, enum jit_stop stop);
	/*
	 * What translated code may do itself, with the same result: read and write this register,
	 * in a mode whose privilege its number allows (false: only execute() can); and where
	 * mstatus is, the lower half of it, of which sstatus shows `status_shown` in supervisor
	 * mode and above. NULL: nothing.
	 */
	bool (*plain)(unsigned number, struct riscv_plain_csr *ret);
	uint32_t status, status_shown;
};

/* What user mode has (fcsr, V, counters), for execute(): false when there is no such register. Who
 * calls has asked whether FS and VS allow it. */
enum { RISCV_CSR_FFLAGS = 1, RISCV_CSR_FRM = 2, RISCV_CSR_FCSR = 3 };

bool riscv_read_user_csr(const struct riscv_cpu *cpu, int csr, uint64_t *ret);
void riscv_write_user_csr(struct riscv_cpu *cpu, int csr, uint64_t value);
/* Does this one write its register, and what does it make of the old value? */
bool riscv_csr_writes(const struct riscv_insn *insn);
uint64_t riscv_csr_combine(
	const struct riscv_cpu *cpu, const struct riscv_insn *insn, uint64_t old);

struct riscv_system_cpu {
	struct riscv_cpu cpu;
	const struct riscv_system_ops *ops;
	uint32_t mode;
	/* A number of what satp says: the same as before when that is the same. */
	uint32_t address_space;
	/* 0: no interrupt is pending and enabled by mie, so that setting a bit of mstatus does not
	 * let one in. What changes that by the hart's own thread sets it; else `interrupt` is set.
	 */
	uint32_t may_interrupt;
	/* With RISCV_MODE_COUNT: riscv_run() returns JIT_STOP_INTERRUPT soon behind the instruction
	 * with which cpu.retired comes to this. */
	uint64_t retired_limit;
	struct jit_tlb tlb[RISCV_REGIMES];
};

/*
 * Virtual addresses mean something else than before (sfence.vma, PMP): what translated code has
 * been looked up is forgotten, for the page of one address in every address space, for all of them,
 * or for what is not global. By the thread that runs the hart, which then leaves translated code
 * (JIT_STOP_MODE).
 */
#define RISCV_ALL_ADDRESSES   UINT64_MAX
#define RISCV_LOCAL_ADDRESSES (UINT64_MAX - 1)
void riscv_forget_code(struct riscv_system_cpu *cpu, uint64_t address);
