/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-riscv-vector.c - vector loads and stores that fault go on where they have stopped, and
 * fault-only-first loads end there. (What they compute tests/isa holds against QEMU.)
 */
#include "unit/test.h"

#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "jit/riscv/cpu.h"

enum { PAGE = 4096, A0 = 10, ELEMENTS = 8, WORD = 4 };
#define EBREAK 0x00100073u

static struct riscv_cpu cpu;
static uint8_t *page; /* and behind it one that cannot be accessed */

static void on_fault(int signal, siginfo_t *info, void *context)
{
	if (!riscv_fault(&cpu, info, context))
		_exit(1);
}

static int setup(void **state)
{
	static char stack[1 << 16];
	const stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };

	page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return -1;
	for (unsigned i = 0; i < 2 * PAGE; i++)
		page[i] = (uint8_t)(i * 7);
	return sigaltstack(&alternate, NULL) || mprotect(page + PAGE, PAGE, PROT_NONE);
}

/* Eight elements of 32 bits, from v8 on; a0 such that `before` of them are in front of the hole. */
static void begin(unsigned before)
{
	const struct sigaction action = { .sa_sigaction = on_fault,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };

	/* cmocka has its own at the beginning of each test. */
	assert_int_equal(sigaction(SIGSEGV, &action, NULL), 0);
	riscv_cpu_init(&cpu, (struct jit_memory){ 0 });
	cpu.vtype = 2 << 3 | 1;
	cpu.vl = ELEMENTS;
	cpu.x[A0] = (uint64_t)(uintptr_t)(page + PAGE - before * WORD);
	for (unsigned i = 0; i < ELEMENTS * WORD; i++)
		cpu.v[8 * RISCV_VLEN_BYTES + i] = (uint8_t)(0x80 + i);
}

static enum jit_stop run(uint32_t word)
{
	static uint32_t code[2];

	code[0] = word;
	code[1] = EBREAK;
	cpu.pc = (uint64_t)(uintptr_t)code;
	return riscv_run(NULL, &cpu);
}

static void a_store_goes_on_where_it_faulted(void **state)
{
	begin(3);
	assert_int_equal(run(0x02056427), JIT_STOP_FAULT); /* vse32.v v8,(a0) */
	assert_int_equal(cpu.vstart, 3);
	assert_int_equal(cpu.fault_address, (uint64_t)(uintptr_t)(page + PAGE));
	assert_memory_equal(page + PAGE - 3 * WORD, &cpu.v[8 * RISCV_VLEN_BYTES], 3 * WORD);
	/* What was stored is not stored again. */
	memset(page + PAGE - 3 * WORD, 0, 3 * WORD);
	assert_int_equal(mprotect(page + PAGE, PAGE, PROT_READ | PROT_WRITE), 0);
	assert_int_equal(run(0x02056427), JIT_STOP_BREAKPOINT);
	assert_int_equal(cpu.vstart, 0);
	assert_memory_equal(
		page + PAGE, &cpu.v[8 * RISCV_VLEN_BYTES + 3 * WORD], (ELEMENTS - 3) * WORD);
	assert_int_equal(page[PAGE - WORD], 0);
	assert_int_equal(mprotect(page + PAGE, PAGE, PROT_NONE), 0);
}

/* The indices are overwritten as the load proceeds. */
static void an_indexed_load_goes_on_over_its_own_indices(void **state)
{
	uint8_t expected[ELEMENTS * WORD];
	uint32_t index;

	begin(5);
	assert_int_equal(mprotect(page + PAGE, PAGE, PROT_READ | PROT_WRITE), 0);
	for (unsigned i = 0; i < ELEMENTS; i++) {
		index = i * WORD;
		memcpy(&cpu.v[8 * RISCV_VLEN_BYTES + i * WORD], &index, WORD);
		memcpy(&expected[i * WORD], page + PAGE - 5 * WORD + i * WORD, WORD);
	}
	assert_int_equal(mprotect(page + PAGE, PAGE, PROT_NONE), 0);
	assert_int_equal(run(0x06856407), JIT_STOP_FAULT); /* vluxei32.v v8,(a0),v8 */
	assert_int_equal(cpu.vstart, 5);
	assert_int_equal(mprotect(page + PAGE, PAGE, PROT_READ), 0);
	assert_int_equal(run(0x06856407), JIT_STOP_BREAKPOINT);
	assert_memory_equal(&cpu.v[8 * RISCV_VLEN_BYTES], expected, sizeof(expected));
	assert_int_equal(mprotect(page + PAGE, PAGE, PROT_NONE), 0);
}

static void a_fault_only_first_load_ends_where_memory_does(void **state)
{
	begin(6);
	assert_int_equal(run(0x03056407), JIT_STOP_BREAKPOINT); /* vle32ff.v v8,(a0) */
	assert_int_equal(cpu.vl, 6);
	assert_memory_equal(&cpu.v[8 * RISCV_VLEN_BYTES], page + PAGE - 6 * WORD, 6 * WORD);
	begin(0);
	assert_int_equal(run(0x03056407), JIT_STOP_FAULT);
	assert_int_equal(cpu.vl, ELEMENTS);
	assert_int_equal(cpu.vstart, 0);
	/* An element of which only the first byte is there. */
	begin(6);
	cpu.x[A0] += WORD - 1;
	assert_int_equal(run(0x03056407), JIT_STOP_BREAKPOINT);
	assert_int_equal(cpu.vl, 5);
}

static void nothing_happens_without_a_type(void **state)
{
	begin(8);
	cpu.vtype = RISCV_VILL;
	cpu.vl = 0;
	cpu.vstart = 2;
	assert_int_equal(run(0x02056407), JIT_STOP_ILLEGAL); /* vle32.v v8,(a0) */
	assert_int_equal(run(0x028404d7), JIT_STOP_ILLEGAL); /* vadd.vv v9,v8,v8 */
	assert_int_equal(cpu.vstart, 2);
	/* Whole registers have none. */
	cpu.vstart = 0;
	assert_int_equal(run(0x02850407), JIT_STOP_BREAKPOINT); /* vl1re8.v v8,(a0) */
	assert_memory_equal(&cpu.v[8 * RISCV_VLEN_BYTES], page + PAGE - 8 * WORD, RISCV_VLEN_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_store_goes_on_where_it_faulted),
		cmocka_unit_test(an_indexed_load_goes_on_over_its_own_indices),
		cmocka_unit_test(a_fault_only_first_load_ends_where_memory_does),
		cmocka_unit_test(nothing_happens_without_a_type),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
