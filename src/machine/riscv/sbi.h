/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sbi.h - the hypercalls of a kernel that is entered in supervisor mode: RISC-V SBI 3.0 (chapter
 * numbers are from there). One file for each extension, and one row in sbi.c.
 *
 * A call runs on the hart's own thread, while the others go on.
 */
#pragma once

#include "machine/riscv/board.h"

/* Chapter 3, table 1. */
enum sbi_error {
	SBI_SUCCESS = 0,
	SBI_FAILED = -1,
	SBI_NOT_SUPPORTED = -2,
	SBI_INVALID_PARAM = -3,
	SBI_DENIED = -4,
	SBI_INVALID_ADDRESS = -5,
	SBI_ALREADY_AVAILABLE = -6,
	SBI_ALREADY_STARTED = -7,
	SBI_ALREADY_STOPPED = -8,
	SBI_NO_SHARED_MEMORY = -9,
	SBI_DENIED_LOCKED = -14,
};

struct sbi_call {
	struct machine *machine;
	struct riscv_board *board;
	struct riscv_hart *hart;
	const uint64_t *a; /* a0 to a5 */
	uint64_t value; /* to be returned in a1 */
};

typedef enum sbi_error (*sbi_function)(struct sbi_call *call);

struct sbi_extension {
	const char *name;
	uint32_t id;
	const sbi_function *functions; /* by number; NULL: not supported */
	unsigned nr_functions;
};

extern const struct sbi_extension sbi_base, sbi_console, sbi_features, sbi_hsm, sbi_ipi, sbi_pmu,
	sbi_reset, sbi_rfence, sbi_suspend, sbi_time;

/* sbi-pmu.c: what can be counted. */
#define SBI_EVENTS 5
struct sbi_event {
	uint32_t number; /* enum riscv_event, which is SBI's, too */
	int fixed; /* the counter that counts this alone; -1: none */
};
extern const struct sbi_event sbi_events[SBI_EVENTS];

/* NULL: there is none. */
const struct sbi_extension *sbi_find(uint64_t id);

/* Harts of a mask (chapter 3, "Hart list parameter"): each is told to `each`. */
enum sbi_error sbi_for_each_hart(struct sbi_call *call, uint64_t mask, uint64_t base,
	void (*each)(struct sbi_call *call, struct riscv_hart *hart));
