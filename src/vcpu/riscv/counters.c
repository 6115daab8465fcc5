/* SPDX-License-Identifier: Apache-2.0 */
/*
 * counters.c - cycles, instructions, and what else can be counted (RISC-V Privileged ISA, 3.1.10,
 * "Sscofpmf").
 *
 * A counter that runs is its value plus what has happened `since`; nothing is done while it does.
 * One cycle is one instruction. Translated code does not count them: there both are nanoseconds, of
 * the machine's clock, which stands while the machine does.
 */
#include "vcpu/riscv/internal.h"

#include "base/clock.h"

#define EVENT_OF	 UINT64_C(0xffffffff)
#define EVENT_OVERFLOWED (UINT64_C(1) << 63)
#define EVENT_NOT_IN_M	 (UINT64_C(1) << 62)
#define EVENT_NOT_IN_S	 (UINT64_C(1) << 61)
#define EVENT_NOT_IN_U	 (UINT64_C(1) << 60)
#define EVENT_MODES	 (EVENT_NOT_IN_M | EVENT_NOT_IN_S | EVENT_NOT_IN_U)

enum { CYCLE = 0, INSTRET = 2 };

/* Of mhpmevent: SBI PMU's numbers, which a device tree can then map one to one. */
enum {
	EVENT_CYCLES = 1,
	EVENT_INSTRUCTIONS = 2,
	EVENT_READ_MISSES = 0x10019, /* of the data TLB */
	EVENT_WRITE_MISSES = 0x1001b,
	EVENT_FETCH_MISSES = 0x10021,
};

static bool is_event_counter(unsigned i)
{
	return i >= RISCV_FIRST_EVENT && i < RISCV_COUNTERS;
}

/* Cycles and instructions are the same. */
static bool counts_instructions(const struct riscv_hart *hart, unsigned i)
{
	uint64_t event = hart->counters.events[i] & EVENT_OF;

	return !is_event_counter(i) || event == EVENT_CYCLES || event == EVENT_INSTRUCTIONS;
}

static uint64_t nanoseconds(const struct riscv_hart *hart)
{
	return (uint64_t)(clock_monotonic_ns() - hart->config.clock->start_ns);
}

/* What it counts, since ever. */
static uint64_t source(const struct riscv_hart *hart, unsigned i)
{
	if (counts_instructions(hart, i))
		return hart->config.jit ? nanoseconds(hart) : hart->cpu.cpu.retired;
	switch (hart->counters.events[i] & EVENT_OF) {
	case EVENT_READ_MISSES:
		return hart->counters.happened[RISCV_MISS_READ];
	case EVENT_WRITE_MISSES:
		return hart->counters.happened[RISCV_MISS_WRITE];
	case EVENT_FETCH_MISSES:
		return hart->counters.happened[RISCV_MISS_EXECUTE];
	default:
		return 0;
	}
}

static bool runs(const struct riscv_hart *hart, unsigned i)
{
	uint64_t stops = hart->privilege == RISCV_MACHINE ? EVENT_NOT_IN_M
		: hart->privilege == RISCV_SUPERVISOR	  ? EVENT_NOT_IN_S
							  : EVENT_NOT_IN_U;

	return !(hart->csrs.mcountinhibit >> i & 1) && !(hart->counters.events[i] & stops);
}

uint64_t riscv_counter_read(struct riscv_hart *hart, unsigned i)
{
	const struct riscv_counters *counters = &hart->counters;

	if (i >= RISCV_COUNTERS)
		return 0;
	return runs(hart, i) ? counters->values[i] + (source(hart, i) - counters->since[i])
			     : counters->values[i];
}

/* When the next overflow comes has changed: who executes is to ask again. */
static void look_again(struct riscv_hart *hart)
{
	if (hart->counters.has_events && !hart->config.jit)
		__atomic_fetch_or(&hart->cpu.cpu.interrupt, 1, __ATOMIC_SEQ_CST);
	riscv_timer_arm(hart);
}

/* The instruction that writes does not count any more. */
void riscv_counter_write(struct riscv_hart *hart, unsigned i, uint64_t value)
{
	if (i >= RISCV_COUNTERS)
		return;
	hart->counters.values[i] = value;
	hart->counters.since[i] = source(hart, i);
	if (!hart->config.jit && counts_instructions(hart, i))
		hart->counters.since[i]++;
	look_again(hart);
}

void riscv_counters_stop(struct riscv_hart *hart)
{
	riscv_counters_check(hart);
	for (unsigned i = 0; i < RISCV_COUNTERS; i++)
		hart->counters.values[i] = riscv_counter_read(hart, i);
}

void riscv_counters_start(struct riscv_hart *hart)
{
	for (unsigned i = 0; i < RISCV_COUNTERS; i++)
		hart->counters.since[i] = source(hart, i);
	look_again(hart);
}

void riscv_counter_write_event(struct riscv_hart *hart, unsigned i, uint64_t value)
{
	struct riscv_counters *counters = &hart->counters;

	if (!is_event_counter(i))
		return;
	riscv_counters_stop(hart);
	counters->events[i] = value & (EVENT_OVERFLOWED | EVENT_MODES | EVENT_OF);
	counters->depend_on_privilege = counters->has_events = false;
	for (i = RISCV_FIRST_EVENT; i < RISCV_COUNTERS; i++) {
		counters->depend_on_privilege |= (counters->events[i] & EVENT_MODES) != 0;
		counters->has_events |= (counters->events[i] & EVENT_OF) != 0;
	}
	riscv_counters_start(hart);
}

/* --- overflows ---------------------------------------------------------------------------------
 */

uint32_t riscv_counters_overflowed(const struct riscv_hart *hart)
{
	uint32_t bits = 0;

	for (unsigned i = RISCV_FIRST_EVENT; i < RISCV_COUNTERS; i++)
		if (hart->counters.events[i] & EVENT_OVERFLOWED)
			bits |= UINT32_C(1) << i;
	return bits;
}

/* A counter that has passed 2^64 says so once. */
static void check(struct riscv_hart *hart, unsigned i)
{
	struct riscv_counters *counters = &hart->counters;
	uint64_t now = source(hart, i), passed = now - counters->since[i];
	bool is_over = counters->values[i] + passed < counters->values[i] &&
		(int64_t)passed > 0; /* behind riscv_counter_write() it may be -1 */

	if (!is_over)
		return;
	counters->values[i] += passed;
	counters->since[i] = now;
	if (counters->events[i] & EVENT_OVERFLOWED)
		return;
	counters->events[i] |= EVENT_OVERFLOWED;
	__atomic_fetch_or(&hart->pins, IRQ_BIT(RISCV_IRQ_LCOFI), __ATOMIC_SEQ_CST);
}

/* How far the next overflow that somebody is told of is away, of those that count instructions. */
static uint64_t distance(struct riscv_hart *hart)
{
	uint64_t least = UINT64_MAX;

	for (unsigned i = RISCV_FIRST_EVENT; i < RISCV_COUNTERS; i++) {
		uint64_t left = -riscv_counter_read(hart, i);

		if ((hart->counters.events[i] & EVENT_OF) && counts_instructions(hart, i) &&
			!(hart->counters.events[i] & EVENT_OVERFLOWED) && runs(hart, i) &&
			left - 1 < least)
			least = left - 1;
	}
	return least == UINT64_MAX ? least : least + 1;
}

uint64_t riscv_counters_check(struct riscv_hart *hart)
{
	if (!hart->counters.has_events)
		return UINT64_MAX;
	for (unsigned i = RISCV_FIRST_EVENT; i < RISCV_COUNTERS; i++)
		if (runs(hart, i))
			check(hart, i);
	return distance(hart);
}

uint64_t riscv_counters_deadline(struct riscv_hart *hart)
{
	uint64_t now = riscv_clock_read(hart->config.clock), left_ns;

	if (!hart->counters.has_events || !hart->config.jit)
		return UINT64_MAX;
	left_ns = distance(hart);
	if (left_ns > INT64_MAX)
		return UINT64_MAX;
	return now +
		(uint64_t)((__uint128_t)left_ns * hart->config.clock->frequency_hz / 1000000000) +
		1;
}
