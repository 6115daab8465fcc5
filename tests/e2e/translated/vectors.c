/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vectors.c - the vector extension as a program sees it: kept and shown by signals, gone on with
 * behind a fault.
 */
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "check.h"

enum { VLENB = 16, REGISTERS = 32, ELEMENTS = 8, PAGE = 4096 };

/* struct __riscv_ctx_hdr and what it announces (uapi/asm/sigcontext.h, ptrace.h). */
#define HEADER_OFFSET 520 /* in sc_fpregs */
#define MAGIC	      0x53465457u

struct header {
	uint32_t magic, size;
};

struct vector_state {
	uint64_t vstart, vl, vtype, vcsr, vlenb;
	uint8_t *data;
};

struct registers {
	uint8_t v[REGISTERS][VLENB];
	uint64_t vl, vtype, vcsr;
};

static struct registers expected;
static volatile sig_atomic_t nr_signals;
static uint8_t *page;
static uint64_t fault_vstart;

/* e32, m2, tail and mask agnostic; vl 5; vxrm 2, vxsat 1. */
static void take_over(const struct registers *from)
{
	__asm__ volatile(
		".option push\n.option arch, +v\n"
		"csrwi vcsr, 5\n"
		"mv t0, %0\n"
		"vl8re8.v v0, (t0)\naddi t0, t0, 128\nvl8re8.v v8, (t0)\naddi t0, t0, 128\n"
		"vl8re8.v v16, (t0)\naddi t0, t0, 128\nvl8re8.v v24, (t0)\n"
		"vsetivli zero, 5, e32, m2, ta, ma\n"
		".option pop\n"
		:
		: "r"(from)
		: "t0", "memory");
}

static void look(struct registers *to)
{
	__asm__ volatile(".option push\n.option arch, +v\n"
			 "csrr %0, vl\ncsrr %1, vtype\ncsrr %2, vcsr\n"
			 "mv t0, %3\n"
			 "vs8r.v v0, (t0)\naddi t0, t0, 128\nvs8r.v v8, (t0)\naddi t0, t0, 128\n"
			 "vs8r.v v16, (t0)\naddi t0, t0, 128\nvs8r.v v24, (t0)\n"
			 ".option pop\n"
			 : "=&r"(to->vl), "=&r"(to->vtype), "=&r"(to->vcsr)
			 : "r"(to->v)
			 : "t0", "memory");
}

static struct vector_state *find_state(ucontext_t *context)
{
	uint8_t *floats = (uint8_t *)&context->uc_mcontext.__fpregs;
	struct header *header = (struct header *)(floats + HEADER_OFFSET);
	struct header *end = (struct header *)((uint8_t *)header + header->size);

	CHECK(header->magic == MAGIC);
	CHECK(end->magic == 0 && end->size == 0);
	return (struct vector_state *)(header + 1);
}

static void on_trap(int signal, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	struct vector_state *state = find_state(uc);
	struct registers others;

	CHECK(state->vl == 5 && state->vcsr == 5 && state->vlenb == VLENB && state->vstart == 0);
	CHECK(state->vtype == (2 << 3 | 1 | 3 << 6));
	CHECK(memcmp(state->data, expected.v, sizeof(expected.v)) == 0);
	/* What stands in the frame is what comes back, not what the handler leaves. */
	state->data[7 * VLENB] ^= 0xff;
	expected.v[7][0] ^= 0xff;
	state->vl = 3;
	memset(&others, 0x77, sizeof(others));
	take_over(&others);
	uc->uc_mcontext.__gregs[REG_PC] += 4;
	nr_signals++;
}

static void a_signal_keeps_vectors(void)
{
	struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };
	struct registers found;

	CHECK(sigaction(SIGTRAP, &action, NULL) == 0);
	for (unsigned i = 0; i < sizeof(expected.v); i++)
		((uint8_t *)expected.v)[i] = (uint8_t)(i * 13 + 1);
	take_over(&expected);
	__asm__ volatile(".option push\n.option norvc\nebreak\n.option pop" ::: "memory");
	look(&found);
	CHECK(nr_signals == 1);
	CHECK(memcmp(found.v, expected.v, sizeof(found.v)) == 0);
	CHECK(found.vl == 3 && found.vtype == (2 << 3 | 1 | 3 << 6) && found.vcsr == 5);
	DONE("a signal keeps vectors");
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
	fault_vstart = find_state(context)->vstart;
	CHECK(info->si_addr == page + PAGE);
	CHECK(mprotect(page + PAGE, PAGE, PROT_READ | PROT_WRITE) == 0);
	nr_signals++;
}

static void a_store_goes_on_behind_a_fault(void)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	uint32_t values[ELEMENTS], *to;

	page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(page != MAP_FAILED && mprotect(page + PAGE, PAGE, PROT_NONE) == 0);
	CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
	for (unsigned i = 0; i < ELEMENTS; i++)
		values[i] = 0x01010101 * (i + 1);
	to = (uint32_t *)(page + PAGE) - 3;
	__asm__ volatile(".option push\n.option arch, +v\n"
			 "vsetivli zero, 8, e32, m2, ta, ma\n"
			 "vle32.v v8, (%0)\nvse32.v v8, (%1)\n"
			 ".option pop\n"
			 :
			 : "r"(values), "r"(to)
			 : "memory");
	CHECK(nr_signals == 2 && fault_vstart == 3);
	CHECK(memcmp(to, values, sizeof(values)) == 0);
	DONE("a store goes on behind a fault");
}

static void a_load_ends_at_a_hole(void)
{
	uint64_t length;

	CHECK(mprotect(page + PAGE, PAGE, PROT_NONE) == 0);
	__asm__ volatile(".option push\n.option arch, +v\n"
			 "vsetivli zero, 8, e32, m2, ta, ma\n"
			 "vle32ff.v v8, (%1)\ncsrr %0, vl\n"
			 ".option pop\n"
			 : "=r"(length)
			 : "r"(page + PAGE - 20)
			 : "memory");
	CHECK(length == 5 && nr_signals == 2);
	DONE("a load ends at a hole");
}

static void a_frame_needs_room(void)
{
	CHECK(getauxval(51) >= 1088 + 568); /* AT_MINSIGSTKSZ */
	DONE("a frame needs room");
}

int main(void)
{
	a_signal_keeps_vectors();
	a_store_goes_on_behind_a_fault();
	a_load_ends_at_a_hole();
	a_frame_needs_room();
	return 0;
}
