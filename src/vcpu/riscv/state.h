/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state.h - what there is of a hart beside the user's registers, in plain structs: what the guest
 * sees, and what a snapshot keeps.
 */
#pragma once

#include "jit/riscv/cpu.h"

#define RISCV_PMP_ENTRIES    16
#define RISCV_FIRST_EVENT    3 /* counter */
#define RISCV_EVENT_COUNTERS 16
#define RISCV_COUNTERS	     (RISCV_FIRST_EVENT + RISCV_EVENT_COUNTERS)
#define RISCV_STATEENS	     4

#define RISCV_IMSIC_FILES 2 /* machine mode's, supervisor mode's */
#define RISCV_IMSIC_IDS	  256 /* 0 is none */

enum riscv_privilege {
	RISCV_USER = 0,
	RISCV_SUPERVISOR = 1,
	RISCV_MACHINE = 3,
};

/* By name. Only the bits of `mip` that software sets are here. */
struct riscv_csrs {
	uint64_t mstatus, medeleg, mideleg, mie, mip, mtvec, mcounteren, mcountinhibit, menvcfg;
	uint64_t mscratch, mepc, mcause, mtval;
	uint64_t mstateen[RISCV_STATEENS];
	uint64_t stvec, scounteren, senvcfg, sscratch, sepc, scause, stval, stimecmp, satp;
	uint64_t miselect, siselect;
	uint64_t pmpaddr[RISCV_PMP_ENTRIES];
	uint8_t pmpcfg[RISCV_PMP_ENTRIES];
};

/* What an mhpmevent may say is counted: SBI PMU's numbers (SBI 3.0, 11.1 and 11.2), which a device
 * tree can then map one to one. */
enum riscv_event {
	RISCV_EVENT_CYCLES = 1,
	RISCV_EVENT_INSTRUCTIONS = 2,
	RISCV_EVENT_READ_MISSES = 0x10019, /* of the data TLB */
	RISCV_EVENT_WRITE_MISSES = 0x1001b,
	RISCV_EVENT_FETCH_MISSES = 0x10021, /* of the instruction TLB */
};

/* Counter 0 is cycle, 2 instret, the others are mhpmcounter; 1, which would be time, is unused. */
struct riscv_counters {
	uint64_t values[RISCV_COUNTERS]; /* as of `since` */
	uint64_t events[RISCV_COUNTERS]; /* mhpmevent */
	uint64_t since[RISCV_COUNTERS]; /* of what it counts; counts do not go on while stopped */
	uint64_t happened[3]; /* misses of the table of pages: enum riscv_miss */
	/* Instructions are counted one by one, since the guest has first asked for that. */
	bool is_exact;
	/* Bits of counters: that do not count in every mode, whose mhpmevent is not 0. */
	uint32_t by_privilege, with_event;
};

/* An interrupt file: bits of identities, and the registers beside them. */
struct riscv_imsic_file {
	uint64_t eip[RISCV_IMSIC_IDS / 64], eie[RISCV_IMSIC_IDS / 64];
	uint32_t eidelivery, eithreshold;
};

/* What the SBI implementation keeps of a hart, until it begins anew. */
struct riscv_sbi_state {
	uint64_t
		counters_memory; /* guest-physical: of the counters' snapshot; or RISCV_NO_MEMORY */
	uint32_t locked; /* bits of features (FWFT) that stay as they are */
	uint32_t unused;
};
#define RISCV_NO_MEMORY UINT64_MAX

/* A snapshot's, without holes. */
struct riscv_hart_state {
	uint64_t x[32], f[32], pc;
	uint8_t v[32 * RISCV_VLEN_BYTES];
	uint64_t vl, vtype;
	uint32_t fcsr, vstart, vxrm, vxsat;
	struct riscv_csrs csrs;
	uint64_t counters[RISCV_COUNTERS], events[RISCV_COUNTERS];
	struct riscv_imsic_file imsic[RISCV_IMSIC_FILES];
	struct riscv_sbi_state sbi;
	uint64_t pins;
	uint32_t privilege, is_waiting, is_off, is_exact;
};
