/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-riscv-step.c - riscv_step() executes one instruction and no other.
 */
#include "unit/test.h"

#include <signal.h>
#include <stdlib.h>

#include "jit/riscv/cpu.h"

#define ADDI_A0_1 0x00150513u /* addi a0,a0,1 */
#define ADDI_A0_7 0x00750513u
#define EBREAK	  0x00100073u
#define ECALL	  0x00000073u
#define FENCE_I	  0x0000100fu
#define LD_A0_A0  0x00053503u
#define C_ADDI	  0x0505u /* c.addi a0,1 */

static struct riscv_cpu cpu;
static uint32_t code[4];

static void begin(uint32_t first, uint32_t second)
{
	riscv_cpu_init(&cpu, (struct jit_memory){ 0 });
	code[0] = first;
	code[1] = second;
	cpu.pc = (uint64_t)(uintptr_t)code;
}

static uint64_t moved(void)
{
	return cpu.pc - (uint64_t)(uintptr_t)code;
}

static void test_one_instruction(void **state)
{
	begin(ADDI_A0_1, ADDI_A0_1);
	assert_int_equal(riscv_step(NULL, &cpu, NULL), JIT_STOP_LIMIT);
	assert_int_equal(cpu.x[10], 1);
	assert_int_equal(moved(), 4);
	begin(C_ADDI, EBREAK);
	assert_int_equal(riscv_step(NULL, &cpu, NULL), JIT_STOP_LIMIT);
	assert_int_equal(cpu.x[10], 1);
	assert_int_equal(moved(), 2);
}

static void test_interrupt_is_left_alone(void **state)
{
	begin(ADDI_A0_1, ADDI_A0_1);
	cpu.interrupt = 1;
	assert_int_equal(riscv_step(NULL, &cpu, NULL), JIT_STOP_LIMIT);
	assert_int_equal(cpu.x[10], 1);
	assert_int_equal(cpu.interrupt, 1);
}

static void test_what_a_breakpoint_has_replaced(void **state)
{
	const uint32_t original = ADDI_A0_7, compressed = EBREAK << 16 | C_ADDI;

	begin(EBREAK, ADDI_A0_1);
	assert_int_equal(riscv_step(NULL, &cpu, NULL), JIT_STOP_BREAKPOINT);
	assert_int_equal(moved(), 0);
	assert_int_equal(riscv_step(NULL, &cpu, &original), JIT_STOP_LIMIT);
	assert_int_equal(cpu.x[10], 7);
	assert_int_equal(moved(), 4);
	/* What lies behind a short one does not matter. */
	begin(EBREAK, ADDI_A0_1);
	assert_int_equal(riscv_step(NULL, &cpu, &compressed), JIT_STOP_LIMIT);
	assert_int_equal(cpu.x[10], 1);
	assert_int_equal(moved(), 2);
}

static void test_reasons(void **state)
{
	begin(ECALL, 0);
	assert_int_equal(riscv_step(NULL, &cpu, NULL), JIT_STOP_SYSTEM_CALL);
	assert_int_equal(moved(), 0);
	begin(0, 0);
	assert_int_equal(riscv_step(NULL, &cpu, NULL), JIT_STOP_ILLEGAL);
	assert_int_equal(moved(), 0);
	begin(FENCE_I, 0);
	assert_int_equal(riscv_step(NULL, &cpu, NULL), JIT_STOP_NEW_CODE);
	assert_int_equal(moved(), 4);
}

static uint64_t nowhere(void *context, uint64_t pc)
{
	return pc;
}

static void test_code_that_is_none(void **state)
{
	const struct jit_options options = { .code_end = nowhere };
	struct jit *jit;

	assert_int_equal(jit_open(&options, &jit, NULL), 0);
	begin(ADDI_A0_1, 0);
	assert_int_equal(riscv_step(jit, &cpu, NULL), JIT_STOP_FAULT);
	assert_int_equal(cpu.fault_signal, SIGSEGV);
	assert_true(cpu.fault_address == cpu.pc);
	assert_int_equal(cpu.x[10], 0);
	jit_free(jit);
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
	if (!riscv_fault(&cpu, info, context))
		abort();
}

static void test_faults(void **state)
{
	const struct sigaction action = { .sa_sigaction = on_fault,
		.sa_flags = SA_SIGINFO | SA_NODEFER };
	struct sigaction old;

	sigaction(SIGSEGV, &action, &old);
	begin(LD_A0_A0, 0);
	cpu.x[10] = 8;
	assert_int_equal(riscv_step(NULL, &cpu, NULL), JIT_STOP_FAULT);
	assert_int_equal(cpu.fault_address, 8);
	assert_int_equal(moved(), 0);
	cpu.pc = 16; /* not there either */
	assert_int_equal(riscv_step(NULL, &cpu, NULL), JIT_STOP_FAULT);
	assert_int_equal(cpu.fault_address, 16);
	sigaction(SIGSEGV, &old, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_instruction),
		cmocka_unit_test(test_interrupt_is_left_alone),
		cmocka_unit_test(test_what_a_breakpoint_has_replaced),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_code_that_is_none),
		cmocka_unit_test(test_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
