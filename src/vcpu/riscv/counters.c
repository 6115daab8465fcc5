/* SPDX-License-Identifier: Apache-2.0 */
/*
 * counters.c - cycles, instructions, and what else can be counted (RISC-V Privileged ISA, 3.1.10,
 * "Sscofpmf").
 *
 * A counter that runs is its value plus what has happened `since`; nothing is done while it does.
 *
 * Instructions are counted one by one when the guest asks: once it reads or writes instret, or an
 * event counter that runs is to count them (riscv_hart_count(); Linux tries all events that there
 * are when it starts, but lets none run). Translated code is then other code, which counts
 * (RISCV_MODE_COUNT); before that, what nobody has looked at passes for a nanosecond of the
 * machine's clock each. Cycles always are such nanoseconds in translated code. Interpreted, one
 * cycle is one instruction, and both are exact.
 *
 * An overflow is noted when a counter that has passed it is looked at: by the hart's loop, which
 * comes by soon, because cpu.retired_limit (of instructions) or the timer (of time) stops what it
 * runs; and before anything changes that makes counters stand.
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

#define ALWAYS_ACTIVE (UINT32_C(1) << CYCLE | UINT32_C(1) << INSTRET)

#define FOR_EACH_COUNTER(i, bits)                                                                  \
	for (uint32_t left_ = (bits), i; left_ && (i = (uint32_t)__builtin_ctz(left_), true);      \
		left_ &= left_ - 1)

static bool is_event_counter(unsigned i)
{
	return i >= RISCV_FIRST_EVENT && i < RISCV_COUNTERS;
}

/* Those that may count anything. */
static uint32_t active(const struct riscv_hart *hart)
{
	return hart->counters.with_event | ALWAYS_ACTIVE;
}

static uint64_t event_of(const struct riscv_hart *hart, unsigned i)
{
	static const uint64_t fixed[] = {
		[CYCLE] = RISCV_EVENT_CYCLES, [INSTRET] = RISCV_EVENT_INSTRUCTIONS
	};

	return i < RISCV_FIRST_EVENT ? fixed[i] : hart->counters.events[i] & EVENT_OF;
}

static bool is_exact(const struct riscv_hart *hart)
{
	return hart->counters.is_exact || !hart->config.jit;
}

/* Does it count instructions that are counted, or time? */
static bool counts_retired(const struct riscv_hart *hart, unsigned i)
{
	uint64_t event = event_of(hart, i);

	return (event == RISCV_EVENT_INSTRUCTIONS && is_exact(hart)) ||
		(event == RISCV_EVENT_CYCLES && !hart->config.jit);
}

static bool counts_time(const struct riscv_hart *hart, unsigned i)
{
	uint64_t event = event_of(hart, i);

	return (event == RISCV_EVENT_INSTRUCTIONS || event == RISCV_EVENT_CYCLES) &&
		!counts_retired(hart, i);
}

static uint64_t nanoseconds(const struct riscv_hart *hart)
{
	return (uint64_t)(clock_monotonic_ns() - hart->config.clock->start_ns);
}

/* What it counts, since ever. */
static uint64_t source(const struct riscv_hart *hart, unsigned i)
{
	if (counts_retired(hart, i))
		return hart->cpu.cpu.retired;
	switch (event_of(hart, i)) {
	case RISCV_EVENT_CYCLES:
	case RISCV_EVENT_INSTRUCTIONS:
		return nanoseconds(hart);
	case RISCV_EVENT_READ_MISSES:
		return hart->counters.happened[RISCV_MISS_READ];
	case RISCV_EVENT_WRITE_MISSES:
		return hart->counters.happened[RISCV_MISS_WRITE];
	case RISCV_EVENT_FETCH_MISSES:
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
	bool is_over = counters->values[i] + passed < counters->values[i];

	if (!is_over)
		return;
	counters->values[i] += passed;
	counters->since[i] = now;
	if (counters->events[i] & EVENT_OVERFLOWED)
		return;
	counters->events[i] |= EVENT_OVERFLOWED;
	__atomic_fetch_or(&hart->pins, IRQ_BIT(RISCV_IRQ_LCOFI), __ATOMIC_SEQ_CST);
}

/* How far the next overflow that somebody is told of is away, of those that count time, or of those
 * that count instructions. UINT64_MAX: there is none. */
static uint64_t distance(struct riscv_hart *hart, bool of_time)
{
	uint64_t least = UINT64_MAX;

	FOR_EACH_COUNTER(i, hart->counters.with_event)
	{
		uint64_t left;

		if (!(of_time ? counts_time(hart, i) : counts_retired(hart, i)) || !runs(hart, i) ||
			hart->counters.events[i] & EVENT_OVERFLOWED)
			continue;
		left = -riscv_counter_read(hart, i);
		if (left - 1 < least - 1) /* 0: all of 2^64 */
			least = left;
	}
	return least;
}

/* Where translated code is left for it. Returns the distance. */
static uint64_t set_limit(struct riscv_hart *hart)
{
	uint64_t left = distance(hart, false), retired = hart->cpu.cpu.retired;

	hart->cpu.retired_limit = left > UINT64_MAX - retired ? UINT64_MAX : retired + left;
	return left;
}

uint64_t riscv_counters_check(struct riscv_hart *hart)
{
	FOR_EACH_COUNTER(i, hart->counters.with_event)
	if (runs(hart, i))
		check(hart, i);
	return set_limit(hart);
}

uint64_t riscv_counters_deadline(struct riscv_hart *hart)
{
	uint64_t now, left_ns;

	if (!hart->counters.with_event)
		return UINT64_MAX;
	left_ns = distance(hart, true);
	if (left_ns > INT64_MAX)
		return UINT64_MAX;
	now = riscv_clock_read(hart->config.clock);
	return now +
		(uint64_t)((__uint128_t)left_ns * hart->config.clock->frequency_hz / 1000000000) +
		1;
}

/* --- what changes them -------------------------------------------------------------------------
 */

/* When the next overflow comes may have changed, for these: who executes is to ask again. */
static void look_again(struct riscv_hart *hart, uint32_t counters)
{
	counters &= hart->counters.with_event;
	if (!counters)
		return;
	set_limit(hart);
	if (!hart->config.jit)
		__atomic_fetch_or(&hart->cpu.cpu.interrupt, 1, __ATOMIC_SEQ_CST);
	FOR_EACH_COUNTER(i, counters)
	{
		if (!counts_time(hart, i))
			continue;
		riscv_timer_arm(hart);
		return;
	}
}

void riscv_counter_write(struct riscv_hart *hart, unsigned i, uint64_t value)
{
	if (i >= RISCV_COUNTERS)
		return;
	hart->counters.values[i] = value;
	hart->counters.since[i] = source(hart, i);
	look_again(hart, UINT32_C(1) << i);
}

void riscv_counters_stop(struct riscv_hart *hart, uint32_t counters)
{
	FOR_EACH_COUNTER(i, counters & active(hart))
	{
		if (is_event_counter(i) && runs(hart, i))
			check(hart, i);
		hart->counters.values[i] = riscv_counter_read(hart, i);
	}
}

void riscv_counters_start(struct riscv_hart *hart, uint32_t counters)
{
	FOR_EACH_COUNTER(i, counters & active(hart))
	hart->counters.since[i] = source(hart, i);
	look_again(hart, counters);
}

static void set_event(struct riscv_hart *hart, unsigned i, uint64_t value)
{
	struct riscv_counters *counters = &hart->counters;
	uint32_t bit = UINT32_C(1) << i;

	counters->events[i] = value & (EVENT_OVERFLOWED | EVENT_MODES | EVENT_OF);
	counters->with_event = value & EVENT_OF ? counters->with_event | bit
						: counters->with_event & ~bit;
	counters->by_privilege = value & EVENT_MODES && value & EVENT_OF
		? counters->by_privilege | bit
		: counters->by_privilege & ~bit;
}

void riscv_counter_write_event(struct riscv_hart *hart, unsigned i, uint64_t value)
{
	uint32_t bit = UINT32_C(1) << i;

	if (!is_event_counter(i))
		return;
	if ((value & EVENT_OF) == RISCV_EVENT_INSTRUCTIONS && !(hart->csrs.mcountinhibit & bit))
		riscv_hart_count(hart);
	riscv_counters_stop(hart, bit);
	set_event(hart, i, value);
	riscv_counters_start(hart, bit);
}

void riscv_counters_inhibit(struct riscv_hart *hart, uint32_t inhibited)
{
	FOR_EACH_COUNTER(i, hart->counters.with_event & ~inhibited)
	if (event_of(hart, i) == RISCV_EVENT_INSTRUCTIONS)
		riscv_hart_count(hart);
	riscv_counters_stop(hart, RISCV_ALL_COUNTERS);
	hart->csrs.mcountinhibit = inhibited;
	riscv_counters_start(hart, RISCV_ALL_COUNTERS);
}

void riscv_hart_count(struct riscv_hart *hart)
{
	if (hart->counters.is_exact)
		return;
	riscv_counters_stop(hart, RISCV_ALL_COUNTERS);
	hart->counters.is_exact = true;
	riscv_counters_start(hart, RISCV_ALL_COUNTERS);
	riscv_update_mode(hart);
}
