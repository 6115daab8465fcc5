/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sbi-pmu.c - performance counters (SBI 3.0, chapter 11). A counter's index here is its CSR's
 * distance from `cycle`, so the kernel reads it by itself. What can be counted is what the hart's
 * mhpmevent registers know, by the numbers that SBI has for it; there are no counters of firmware.
 */
#include "machine/riscv/sbi.h"

#define CSR_CYCLE	  0xc00
#define CSR_MCYCLE	  0xb00
#define CSR_MCOUNTINHIBIT 0x320
#define CSR_MHPMEVENT	  0x320 /* + the counter's index */
#define CSR_SCOUNTOVF	  0xda0

#define COUNTER_TIME	 1u /* has a number, and is none */
#define COUNTER_INSTRET	 2u
#define COUNTER_BITS	 64u
#define INFO_WIDTH_SHIFT 12

enum {
	CONFIGURE_SKIP_MATCH = 1 << 0,
	CONFIGURE_CLEAR_VALUE = 1 << 1,
	CONFIGURE_AUTO_START = 1 << 2,
	CONFIGURE_NOT_IN_U = 1 << 5,
	CONFIGURE_NOT_IN_S = 1 << 6,
	CONFIGURE_NOT_IN_M = 1 << 7,
	CONFIGURE_ALL = (1 << 8) - 1,

	START_SET_VALUE = 1 << 0,
	START_FROM_SNAPSHOT = 1 << 1,
	START_ALL = START_SET_VALUE | START_FROM_SNAPSHOT,
	STOP_RESET = 1 << 0,
	STOP_TO_SNAPSHOT = 1 << 1,
	STOP_ALL = STOP_RESET | STOP_TO_SNAPSHOT,
};

/* Of mhpmevent ("Sscofpmf"). */
#define EVENT_OVERFLOWED (UINT64_C(1) << 63)
#define EVENT_NOT_IN_M	 (UINT64_C(1) << 62)
#define EVENT_NOT_IN_S	 (UINT64_C(1) << 61)
#define EVENT_NOT_IN_U	 (UINT64_C(1) << 60)

/* The counters' snapshot (11.13). */
#define SNAPSHOT_BYTES 4096u
struct snapshot {
	uint64_t overflows;
	uint64_t values[64];
};

/* Linux 6.10 to 6.12, at least, starts all its counters by a snapshot behind an overflow, and gives
 * a number that its loop has ended with, times 64, for their base (drivers/perf/riscv_pmu_sbi.c,
 * pmu_sbi_start_ovf_ctrs_snapshot). No counter is there, so it can mean but one thing. */
#define LINUX_BASE (UINT64_C(64) * 64)

/* An event that is asked for (11.14). */
#define EVENTS_MAX 4096u /* at once */
#define EVENT_BITS 20
struct event_info {
	uint32_t event, is_known;
	uint64_t data;
};

/* Event numbers that both sides know (11.1 and 11.2). */
const struct sbi_event sbi_events[SBI_EVENTS] = {
	{ RISCV_EVENT_CYCLES, 0 },
	{ RISCV_EVENT_INSTRUCTIONS, COUNTER_INSTRET },
	{ RISCV_EVENT_READ_MISSES, -1 },
	{ RISCV_EVENT_WRITE_MISSES, -1 },
	{ RISCV_EVENT_FETCH_MISSES, -1 },
};

static const struct sbi_event *find_event(uint64_t number)
{
	for (size_t i = 0; i < SBI_EVENTS; i++)
		if (sbi_events[i].number == number)
			return &sbi_events[i];
	return NULL;
}

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

static void start_counter(struct sbi_call *call, unsigned counter)
{
	/* A new overflow is a new one. */
	if (is_programmable(counter))
		riscv_hart_write_csr(call->hart, CSR_MHPMEVENT + counter,
			read_csr(call, CSR_MHPMEVENT + counter) & ~EVENT_OVERFLOWED);
	else if (counter == COUNTER_INSTRET)
		riscv_hart_count(call->hart);
	set_running(call, counter, true);
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

	if (!find_counters(call->a[0], call->a[1], &counters) || flags & ~(uint64_t)CONFIGURE_ALL)
		return SBI_INVALID_PARAM;
	if (flags & CONFIGURE_SKIP_MATCH) {
		if (!counters)
			return SBI_INVALID_PARAM;
		counter = __builtin_ctzll(counters);
	} else {
		const struct sbi_event *known = find_event(event);

		if (known)
			counter = choose(call, counters, known->fixed);
		if (counter < 0)
			return SBI_NOT_SUPPORTED;
		configure(call, (unsigned)counter, (uint32_t)event, flags);
	}
	if (flags & CONFIGURE_CLEAR_VALUE)
		riscv_hart_write_csr(call->hart, CSR_MCYCLE + (unsigned)counter, 0);
	if (flags & CONFIGURE_AUTO_START)
		start_counter(call, (unsigned)counter);
	call->value = (uint64_t)counter;
	return SBI_SUCCESS;
}

/* false: the kernel has not said where it is. */
static bool read_snapshot(struct sbi_call *call, struct snapshot *ret)
{
	return vm_memory_read(&call->machine->memory, call->hart->sbi.counters_memory, ret,
		       sizeof(*ret)) == 0;
}

static enum sbi_error start(struct sbi_call *call)
{
	enum sbi_error error = SBI_SUCCESS;
	uint64_t base = call->a[0], flags = call->a[2], counters;
	struct snapshot snapshot;

	if (flags == START_FROM_SNAPSHOT && base == LINUX_BASE)
		base = 0;
	if (!find_counters(base, call->a[1], &counters) || flags & ~(uint64_t)START_ALL ||
		flags == START_ALL)
		return SBI_INVALID_PARAM;
	if (flags & START_FROM_SNAPSHOT && !read_snapshot(call, &snapshot))
		return SBI_NO_SHARED_MEMORY;
	for (; counters; counters &= counters - 1) {
		unsigned i = (unsigned)__builtin_ctzll(counters);

		if (is_running(call, i))
			error = SBI_ALREADY_STARTED;
		if (flags)
			riscv_hart_write_csr(call->hart, CSR_MCYCLE + i,
				flags & START_SET_VALUE ? call->a[3] : snapshot.values[i - base]);
		start_counter(call, i);
	}
	return error;
}

static enum sbi_error stop(struct sbi_call *call)
{
	enum sbi_error error = SBI_SUCCESS;
	uint64_t base = call->a[0], flags = call->a[2], counters;
	struct snapshot snapshot;

	if (!find_counters(base, call->a[1], &counters) || flags & ~(uint64_t)STOP_ALL)
		return SBI_INVALID_PARAM;
	if (flags & STOP_TO_SNAPSHOT && !read_snapshot(call, &snapshot))
		return SBI_NO_SHARED_MEMORY;
	snapshot.overflows = read_csr(call, CSR_SCOUNTOVF) >> base;
	for (; counters; counters &= counters - 1) {
		unsigned i = (unsigned)__builtin_ctzll(counters);

		if (!is_running(call, i))
			error = SBI_ALREADY_STOPPED;
		set_running(call, i, false);
		snapshot.overflows |= read_csr(call, CSR_SCOUNTOVF) >> base;
		snapshot.values[i - base] = read_csr(call, CSR_MCYCLE + i);
		if ((flags & STOP_RESET) && is_programmable(i))
			riscv_hart_write_csr(call->hart, CSR_MHPMEVENT + i, 0);
	}
	if (flags & STOP_TO_SNAPSHOT)
		vm_memory_write(&call->machine->memory, call->hart->sbi.counters_memory, &snapshot,
			sizeof(snapshot));
	return error;
}

/* Of firmware; whether of its lower or of its upper half: no counter is one. */
static enum sbi_error read_firmware(struct sbi_call *call)
{
	return SBI_INVALID_PARAM;
}

static enum sbi_error set_memory(struct sbi_call *call)
{
	uint64_t low = call->a[0], high = call->a[1];

	if (low == UINT64_MAX && high == UINT64_MAX && !call->a[2]) {
		call->hart->sbi.counters_memory = RISCV_NO_MEMORY;
		return SBI_SUCCESS;
	}
	if (low % SNAPSHOT_BYTES || call->a[2])
		return SBI_INVALID_PARAM;
	if (high || !vm_memory_at(&call->machine->memory, low, SNAPSHOT_BYTES))
		return SBI_INVALID_ADDRESS;
	call->hart->sbi.counters_memory = low;
	return SBI_SUCCESS;
}

static enum sbi_error get_event_info(struct sbi_call *call)
{
	struct vm_memory *memory = &call->machine->memory;
	uint64_t start = call->a[0], nr = call->a[2];
	struct event_info info;

	if (start % sizeof(info) || call->a[3])
		return SBI_INVALID_PARAM;
	if (nr > EVENTS_MAX)
		return SBI_FAILED;
	if (call->a[1] || !vm_memory_at(memory, start, nr * sizeof(info)))
		return SBI_INVALID_ADDRESS;
	for (uint64_t i = 0; i < nr; i++) {
		uint64_t at = start + i * sizeof(info);

		vm_memory_read(memory, at, &info, sizeof(info));
		if (info.event >> EVENT_BITS)
			return SBI_INVALID_PARAM;
		info.is_known = find_event(info.event) != NULL;
		vm_memory_write(memory, at + offsetof(struct event_info, is_known), &info.is_known,
			sizeof(info.is_known));
	}
	return SBI_SUCCESS;
}

static const sbi_function functions[] = {
	count_counters,
	get_info,
	configure_matching,
	start,
	stop,
	read_firmware,
	read_firmware,
	set_memory,
	get_event_info,
};

const struct sbi_extension sbi_pmu = { "PMU", 0x504d55, functions, ARRAY_SIZE(functions) };
