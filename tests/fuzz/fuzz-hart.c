/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-hart.c - any state, any page tables, any code: a hart executes it.
 *
 * Input: the start of a snapshot of the hart, then what lies in 64 KiB of memory, again and again.
 * Whatever it is, each step ends, x0 stays 0, and nothing but the machine's memory is touched
 * (which AddressSanitizer sees where its pages are ours).
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vcpu/riscv/hart.h"

#define MEMORY_START UINT64_C(0x80000000)
#define MEMORY_BYTES UINT64_C(0x10000)
#define STEPS	     300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fill(struct vm_memory *memory, const uint8_t *data, size_t size)
{
	uint8_t *host = memory->regions[0].host;

	memset(host, 0, MEMORY_BYTES);
	for (size_t at = 0; size && at < MEMORY_BYTES; at += size)
		memcpy(host + at, data, size < MEMORY_BYTES - at ? size : MEMORY_BYTES - at);
}

static void execute(struct riscv_hart *hart)
{
	struct error err = { 0 };

	hart->wants_step = true;
	for (unsigned i = 0; i < STEPS; i++) {
		/* One that sleeps is not waited for. */
		if (hart->is_waiting || hart->is_off)
			break;
		if (hart->vcpu.ops->run(&hart->vcpu, &err) != VM_STOP_BREAKPOINT)
			abort();
		if (hart->cpu.cpu.x[0])
			abort();
		if (i == STEPS / 2)
			riscv_hart_fence(hart, hart);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vm_memory memory;
	static struct vm_bus bus;
	static struct riscv_clock hart_clock;
	static struct riscv_hart *hart;
	struct error err = { 0 };
	size_t head = size < sizeof(hart->state) ? size : sizeof(hart->state);

	if (!hart) {
		const struct riscv_hart_config config = {
			.memory = &memory, .bus = &bus, .clock = &hart_clock
		};

		vm_memory_init(&memory);
		hart = aligned_alloc(64, (sizeof(*hart) + 63) / 64 * 64);
		if (!hart || vm_memory_add(&memory, MEMORY_START, MEMORY_BYTES, &err) < 0 ||
			riscv_clock_init(&hart_clock, 10000000, &err) < 0 ||
			riscv_clock_start(&hart_clock, &err) < 0 ||
			riscv_hart_init(hart, &config, &err) < 0)
			abort();
	}
	memset(&hart->state, 0, sizeof(hart->state));
	memcpy(&hart->state, data, head);
	/* In memory, and in a mode that there is; else most inputs would do nothing. */
	hart->state.pc = MEMORY_START + hart->state.pc % MEMORY_BYTES;
	hart->state.privilege = hart->state.privilege % 4 == 2 ? 1 : hart->state.privilege % 4;
	hart->state.is_off = hart->state.is_waiting = 0;
	hart->state.csrs.satp = (hart->state.csrs.satp & ~((UINT64_C(1) << 44) - 1)) |
		((MEMORY_START >> 12) + hart->state.csrs.satp % (MEMORY_BYTES / 4096));
	fill(&memory, data + head, size - head);
	if (hart->saved.restore(&hart->saved, &err) < 0)
		abort();
	execute(hart);
	return 0;
}
