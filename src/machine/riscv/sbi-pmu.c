/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sbi-pmu.c - performance counters (SBI 2.0, chapter 11). A counter's index here is its CSR's
 * distance from `cycle`, so the kernel reads it by itself. What can be counted is what the hart's
 * mhpmevent registers know, by the numbers that SBI has for it; there are no counters of firmware,
 * and no snapshots.
 */
#include "machine/riscv/sbi.h"

#define CSR_CYCLE	  0xc00
#define CSR_MCYCLE	  0xb00
#define CSR_MCOUNTINHIBIT 0x320
#define CSR_MHPMEVENT	  0x320 /* + the counter's index */

#define COUNTER_TIME	 1u /* has a number, and is none */
#define COUNTER_BITS	 64u
#define INFO_WIDTH_SHIFT 12

enum {
	CONFIGURE_SKIP_MATCH = 1 << 0,
	CONFIGURE_CLEAR_VALUE = 1 << 1,
	CONFIGURE_AUTO_START = 1 << 2,
	CONFIGURE_NOT_IN_U = 1 << 5,
	CONFIGURE_NOT_IN_S = 1 << 6,
	CONFIGURE_NOT_IN_M = 1 << 7,

	START_SET_VALUE = 1 << 0,
	START_FROM_SNAPSHOT = 1 << 1,
	STOP_RESET = 1 << 0,
	STOP_TO_SNAPSHOT = 1 << 1,
};

/* Of mhpmevent ("Sscofpmf"). */
#define EVENT_NOT_IN_M (UINT64_C(1) << 62)
#define EVENT_NOT_IN_S (UINT64_C(1) << 61)
#define EVENT_NOT_IN_U (UINT64_C(1) << 60)

/* Event numbers that both sides know (SBI 2.0, 11.1 to 11.3). */
static const struct {
	uint32_t number;
	int fixed; /* the counter that counts this alone; -1: none */
} events[] = {
	{ 0x00001, 0 }, /* cycles */
	{ 0x00002, 2 }, /* instructions */
	{ 0x10019, -1 }, /* misses of the data TLB: reads */
	{ 0x1001b, -1 }, /* writes */
	{ 0x10021, -1 }, /* misses of the instruction TLB */
};

static uint64_t read_csr(struct sbi_call *call, unsigned number)
{
	uint64_t value = 0;

	riscv_hart_read_csr(call->hart, number, &value);
	return value;
}

static bool is_programmable(unsigned counter)
{
	return counter >= RISCV_FIRST_EVENT;
}

static void set_running(struct sbi_call *call, unsigned counter, bool running)
{
	uint64_t stopped = read_csr(call, CSR_MCOUNTINHIBIT), bit = UINT64_C(1) << counter;

	riscv_hart_write_csr(
		call->hart, CSR_MCOUNTINHIBIT, running ? stopped & ~bit : stopped | bit);
}

static bool is_running(struct sbi_call *call, unsigned counter)
{
	return !(read_csr(call, CSR_MCOUNTINHIBIT) >> counter & 1);
}

/* The counters of "counter_idx_base" and "_mask" as bits; false: there are others among them. */
static bool find_counters(uint64_t base, uint64_t mask, uint64_t *ret)
{
	const uint64_t all = (UINT64_C(1) << RISCV_COUNTERS) - 1;

	if (base >= RISCV_COUNTERS || mask > all >> base)
		return false;
	*ret = mask << base & ~(UINT64_C(1) << COUNTER_TIME);
	return true;
}

static enum sbi_error count_counters(struct sbi_call *call)
{
	call->value = RISCV_COUNTERS;
	return SBI_SUCCESS;
}

static enum sbi_error get_info(struct sbi_call *call)
{
	uint64_t counter = call->a[0];

	if (counter >= RISCV_COUNTERS || counter == COUNTER_TIME)
		return SBI_INVALID_PARAM;
	call->value = (CSR_CYCLE + counter) | (COUNTER_BITS - 1) << INFO_WIDTH_SHIFT;
	return SBI_SUCCESS;
}

/* One that is free and can raise an interrupt when it overflows; else the fixed one. */
static int choose(struct sbi_call *call, uint64_t counters, int fixed)
{
	for (unsigned i = RISCV_FIRST_EVENT; i < RISCV_COUNTERS; i++)
		if ((counters >> i & 1) && read_csr(call, CSR_MHPMEVENT + i) == 0)
			return (int)i;
	return fixed >= 0 && (counters >> fixed & 1) ? fixed : -1;
}

static void configure(struct sbi_call *call, unsigned counter, uint32_t event, uint64_t flags)
{
	uint64_t value = event | (flags & CONFIGURE_NOT_IN_M ? EVENT_NOT_IN_M : 0) |
		(flags & CONFIGURE_NOT_IN_S ? EVENT_NOT_IN_S : 0) |
		(flags & CONFIGURE_NOT_IN_U ? EVENT_NOT_IN_U : 0);

	set_running(call, counter, false);
	if (is_programmable(counter))
		riscv_hart_write_csr(call->hart, CSR_MHPMEVENT + counter, value);
}

static enum sbi_error configure_matching(struct sbi_call *call)
{
	uint64_t flags = call->a[2], event = call->a[3], counters;
	int counter = -1;

	if (!find_counters(call->a[0], call->a[1], &counters))
		return SBI_INVALID_PARAM;
	if (flags & CONFIGURE_SKIP_MATCH) {
		if (!counters)
			return SBI_INVALID_PARAM;
		counter = __builtin_ctzll(counters);
	} else {
		for (size_t i = 0; i < ARRAY_SIZE(events); i++)
			if (events[i].number == event)
				counter = choose(call, counters, events[i].fixed);
		if (counter < 0)
			return SBI_NOT_SUPPORTED;
		configure(call, (unsigned)counter, (uint32_t)event, flags);
	}
	if (flags & CONFIGURE_CLEAR_VALUE)
		riscv_hart_write_csr(call->hart, CSR_MCYCLE + (unsigned)counter, 0);
	if (flags & CONFIGURE_AUTO_START)
		set_running(call, (unsigned)counter, true);
	call->value = (uint64_t)counter;
	return SBI_SUCCESS;
}

static enum sbi_error start(struct sbi_call *call)
{
	enum sbi_error error = SBI_SUCCESS;
	uint64_t counters;

	if (!find_counters(call->a[0], call->a[1], &counters))
		return SBI_INVALID_PARAM;
	if (call->a[2] & START_FROM_SNAPSHOT)
		return SBI_NO_SHARED_MEMORY;
	for (; counters; counters &= counters - 1) {
		unsigned i = (unsigned)__builtin_ctzll(counters);

		if (is_running(call, i))
			error = SBI_ALREADY_STARTED;
		if (call->a[2] & START_SET_VALUE)
			riscv_hart_write_csr(call->hart, CSR_MCYCLE + i, call->a[3]);
		set_running(call, i, true);
	}
	return error;
}

static enum sbi_error stop(struct sbi_call *call)
{
	enum sbi_error error = SBI_SUCCESS;
	uint64_t counters;

	if (!find_counters(call->a[0], call->a[1], &counters))
		return SBI_INVALID_PARAM;
	if (call->a[2] & STOP_TO_SNAPSHOT)
		return SBI_NO_SHARED_MEMORY;
	for (; counters; counters &= counters - 1) {
		unsigned i = (unsigned)__builtin_ctzll(counters);

		if (!is_running(call, i))
			error = SBI_ALREADY_STOPPED;
		set_running(call, i, false);
		if ((call->a[2] & STOP_RESET) && is_programmable(i))
			riscv_hart_write_csr(call->hart, CSR_MHPMEVENT + i, 0);
	}
	return error;
}

/* Reading counters of firmware (5, 6) and sharing memory (7) are not there. */
static const sbi_function functions[] = {
	count_counters,
	get_info,
	configure_matching,
	start,
	stop,
};

const struct sbi_extension sbi_pmu = { "PMU", 0x504d55, functions, ARRAY_SIZE(functions) };
