/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-hart.c - what a board and a debugger do with a hart: run, kick, interrupt, fence, stop, look
 * at and save it. What instructions do is tests/isa's.
 */
#include "unit/test.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "vcpu/riscv/hart.h"

#define MEMORY_START UINT64_C(0x80000000)
#define MEMORY_BYTES UINT64_C(0x100000)
#define HANDLER	     (MEMORY_START + 0x1000)
#define TABLE	     (MEMORY_START + 0x2000)
#define VIRTUAL	     UINT64_C(0x40000000)
#define FREQUENCY_HZ 1000000
#define HARTS	     2

enum {
	INSN_ECALL = 0x00000073,
	INSN_WFI = 0x10500073,
	INSN_LOOP = 0x0000006f, /* to itself */
	INSN_NOP = 0x00000013,
	INSN_NEXT = 0x00150513, /* addi a0, a0, 1 */
	INSN_STORE = 0x00a5b023, /* sd a0, 0(a1) */
	INSN_LOAD = 0x0005b603, /* ld a2, 0(a1) */
};

enum {
	CSR_SSTATUS = 0x100,
	CSR_SIE = 0x104,
	CSR_STVEC = 0x105,
	CSR_SEPC = 0x141,
	CSR_SCAUSE = 0x142,
	CSR_SATP = 0x180,
	CSR_MSTATUS = 0x300,
	CSR_MHARTID = 0xf14,
	CSR_NONE = 0x7c0
};

static struct machine {
	struct vm_memory memory;
	struct vm_bus bus;
	struct riscv_clock clock;
	struct riscv_hart *harts[HARTS];
	uint64_t call; /* a7 of the last SBI call */
} machine;

/* Every call stops the hart, and gives back 5. */
static void answer(
	struct riscv_hart *hart, const uint64_t arguments[8], struct riscv_sbi_result *ret)
{
	machine.call = arguments[7];
	ret->value = 5;
	riscv_hart_off(hart);
}

static int set_up(void **state)
{
	struct error err = { 0 };

	memset(&machine, 0, sizeof(machine));
	vm_memory_init(&machine.memory);
	if (vm_memory_add(&machine.memory, MEMORY_START, MEMORY_BYTES, &err) < 0 ||
		riscv_clock_init(&machine.clock, FREQUENCY_HZ, &err) < 0 ||
		riscv_clock_start(&machine.clock, &err) < 0)
		return -1;
	for (unsigned i = 0; i < HARTS; i++) {
		const struct riscv_hart_config config = { .index = i,
			.memory = &machine.memory,
			.bus = &machine.bus,
			.clock = &machine.clock,
			.sbi = answer };

		machine.harts[i] = aligned_alloc(64, (sizeof(struct riscv_hart) + 63) / 64 * 64);
		if (!machine.harts[i] || riscv_hart_init(machine.harts[i], &config, &err) < 0)
			return -1;
	}
	return 0;
}

static int tear_down(void **state)
{
	for (unsigned i = 0; i < HARTS; i++) {
		riscv_hart_destroy(machine.harts[i]);
		free(machine.harts[i]);
	}
	riscv_clock_destroy(&machine.clock);
	vm_memory_destroy(&machine.memory);
	return 0;
}

static void put(uint64_t address, uint32_t word)
{
	assert_int_equal(vm_memory_write(&machine.memory, address, &word, sizeof(word)), 0);
}

static uint64_t csr(struct riscv_hart *hart, unsigned number)
{
	uint64_t value = 0;

	assert_int_equal(riscv_hart_read_csr(hart, number, &value), 0);
	return value;
}

static enum vm_stop run(struct riscv_hart *hart)
{
	struct error err = { 0 };

	return hart->vcpu.ops->run(&hart->vcpu, &err);
}

static void *run_thread(void *hart)
{
	return (void *)(uintptr_t)run(hart);
}

static pthread_t start_thread(struct riscv_hart *hart)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, run_thread, hart), 0);
	return thread;
}

static enum vm_stop join(pthread_t thread)
{
	void *stop;

	assert_int_equal(pthread_join(thread, &stop), 0);
	return (enum vm_stop)(uintptr_t)stop;
}

/* Until the hart sleeps in wfi. */
static void wait_for_sleep(struct riscv_hart *hart)
{
	while (!__atomic_load_n(&hart->is_sleeping, __ATOMIC_SEQ_CST))
		nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
}

static void wait_for_code(struct riscv_hart *hart)
{
	while (!__atomic_load_n(&hart->is_running, __ATOMIC_SEQ_CST))
		nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
}

/* In supervisor mode at the start of memory, where `word` and a loop are; interrupts of sie lead to
 * an SBI call. */
static struct riscv_hart *begin(uint32_t word, uint64_t sie)
{
	struct riscv_hart *hart = machine.harts[0];

	put(MEMORY_START, word);
	put(MEMORY_START + 4, INSN_LOOP);
	put(HANDLER, INSN_ECALL);
	riscv_hart_start(hart, MEMORY_START, 0);
	riscv_hart_write_csr(hart, CSR_STVEC, HANDLER);
	riscv_hart_write_csr(hart, CSR_SIE, sie);
	riscv_hart_write_csr(hart, CSR_SSTATUS, 2);
	return hart;
}

static void a_kick_ends_a_loop_and_is_remembered(void **state)
{
	struct riscv_hart *hart = begin(INSN_LOOP, 0);
	pthread_t thread = start_thread(hart);

	wait_for_code(hart);
	hart->vcpu.ops->kick(&hart->vcpu);
	assert_int_equal(join(thread), VM_STOP_KICKED);
	hart->vcpu.ops->kick(&hart->vcpu);
	assert_int_equal(run(hart), VM_STOP_KICKED);
}

static void a_call_of_the_supervisor_is_the_machines(void **state)
{
	struct riscv_hart *hart = begin(INSN_ECALL, 0);

	hart->cpu.cpu.x[17] = 77;
	assert_int_equal(run(hart), VM_STOP_OFF);
	assert_int_equal(machine.call, 77);
	assert_int_equal(hart->cpu.cpu.x[10], 0);
	assert_int_equal(hart->cpu.cpu.x[11], 5);
	assert_int_equal(hart->cpu.cpu.pc, MEMORY_START + 4);
	assert_int_equal(run(hart), VM_STOP_OFF);
}

static void a_pin_wakes_a_hart_that_sleeps(void **state)
{
	struct riscv_hart *hart = begin(INSN_WFI, 1 << 9);
	pthread_t thread = start_thread(hart);

	wait_for_sleep(hart);
	/* Not enabled. */
	hart->vcpu.ops->set_pin(&hart->vcpu, 1, true);
	hart->vcpu.ops->set_pin(&hart->vcpu, 9, true);
	assert_int_equal(join(thread), VM_STOP_OFF);
	assert_int_equal(csr(hart, CSR_SCAUSE), UINT64_C(1) << 63 | 9);
	hart->vcpu.ops->set_pin(&hart->vcpu, 9, false);
	/* That bit is software's to clear. */
	hart->vcpu.ops->set_pin(&hart->vcpu, 1, false);
	assert_int_equal(csr(hart, 0x144), 2);
}

static void a_timer_wakes_and_interrupts(void **state)
{
	static const uint32_t words[] = { INSN_WFI, INSN_LOOP };

	for (size_t i = 0; i < 2; i++) {
		struct riscv_hart *hart = begin(words[i], 1 << 5);
		uint64_t due = riscv_clock_read(&machine.clock) + FREQUENCY_HZ / 100;

		riscv_hart_set_timer(hart, due);
		assert_int_equal(run(hart), VM_STOP_OFF);
		assert_int_equal(csr(hart, CSR_SCAUSE), UINT64_C(1) << 63 | 5);
		assert_true(riscv_clock_read(&machine.clock) >= due);
	}
}

/* Code that turns interrupts on and off, and looks for none itself, is told of one that comes. */
static void an_interrupt_comes_between_two_instructions(void **state)
{
	struct riscv_hart *hart = begin(INSN_NEXT, 1 << 9);
	struct error err = { 0 };
	struct jit *jit;
	pthread_t thread;

	assert_int_equal(riscv_code_open(&machine.memory, 0, NULL, &jit, &err), 0);
	hart->config.jit = jit;
	put(MEMORY_START + 4, 0x10016073); /* csrsi sstatus, SIE */
	put(MEMORY_START + 8, 0x10017073); /* csrci sstatus, SIE */
	put(MEMORY_START + 12, 0xff5ff06f); /* back to the start */
	riscv_hart_write_csr(hart, CSR_SSTATUS, 0);
	thread = start_thread(hart);
	wait_for_code(hart);
	hart->vcpu.ops->set_pin(&hart->vcpu, 9, true);
	assert_int_equal(join(thread), VM_STOP_OFF);
	assert_int_equal(csr(hart, CSR_SCAUSE), UINT64_C(1) << 63 | 9);
	assert_int_equal(csr(hart, CSR_SEPC), MEMORY_START + 8);
	riscv_hart_destroy(hart);
	riscv_code_close(&machine.memory, jit);
}

/* As the board makes up for a pause: what the counters have counted of it has not been. */
static void counters_stand_while_the_machine_does(void **state)
{
	const int64_t pause_ns = INT64_C(1000000000000000);
	struct riscv_hart *hart = machine.harts[0];
	struct error err = { 0 };
	struct jit *jit;

	assert_int_equal(riscv_code_open(&machine.memory, 0, NULL, &jit, &err), 0);
	hart->config.jit = jit;
	riscv_hart_start(hart, MEMORY_START, 0);
	for (unsigned number = 0xb00; number <= 0xb02; number += 2) {
		uint64_t before = csr(hart, number);

		machine.clock.start_ns -= pause_ns;
		assert_true(csr(hart, number) >= before + (uint64_t)pause_ns);
		machine.clock.start_ns += pause_ns;
		assert_true(csr(hart, number) < before + (uint64_t)pause_ns);
	}
	riscv_hart_destroy(hart);
	riscv_code_close(&machine.memory, jit);
}

static void fences_are_answered_whatever_a_hart_does(void **state)
{
	struct riscv_hart *hart = begin(INSN_LOOP, 0);
	pthread_t thread = start_thread(hart);

	wait_for_code(hart);
	for (unsigned i = 0; i < 100; i++)
		riscv_hart_fence(hart, machine.harts[1]);
	hart->vcpu.ops->kick(&hart->vcpu);
	join(thread);
	riscv_hart_fence(hart, NULL);

	hart = begin(INSN_WFI, 0);
	thread = start_thread(hart);
	wait_for_sleep(hart);
	riscv_hart_fence(hart, NULL);
	hart->vcpu.ops->kick(&hart->vcpu);
	assert_int_equal(join(thread), VM_STOP_KICKED);
	riscv_hart_fence(hart, hart);
}

static void breakpoints_and_steps(void **state)
{
	struct riscv_hart *hart = begin(INSN_NEXT, 0);

	put(MEMORY_START + 4, INSN_NEXT);
	put(MEMORY_START + 8, INSN_NEXT);
	assert_int_equal(riscv_hart_add_breakpoint(hart, MEMORY_START + 8), 0);
	assert_int_equal(run(hart), VM_STOP_BREAKPOINT);
	assert_int_equal(hart->cpu.cpu.pc, MEMORY_START + 8);
	assert_int_equal(hart->cpu.cpu.x[10], 2);
	assert_int_equal(riscv_hart_remove_breakpoint(hart, MEMORY_START + 8), 0);
	assert_int_equal(riscv_hart_remove_breakpoint(hart, MEMORY_START + 8), -ENOENT);
	hart->wants_step = true;
	assert_int_equal(run(hart), VM_STOP_BREAKPOINT);
	assert_int_equal(hart->cpu.cpu.pc, MEMORY_START + 12);
	for (unsigned i = 0; i < RISCV_BREAKPOINTS_MAX; i++)
		assert_int_equal(riscv_hart_add_breakpoint(hart, i), 0);
	assert_int_equal(riscv_hart_add_breakpoint(hart, 0), -ENOSPC);
}

/* The hart stands at this word of its program, behind an access to the watchpoint, or nothing. */
static void expect_met(struct riscv_hart *hart, const struct riscv_watchpoint *point, unsigned word)
{
	const struct riscv_watchpoint *met;

	assert_int_equal(run(hart), VM_STOP_BREAKPOINT);
	met = riscv_hart_met_watchpoint(hart);
	assert_int_equal(hart->cpu.cpu.pc, MEMORY_START + 4 * word);
	assert_int_equal(met != NULL, point != NULL);
	if (point)
		assert_int_equal(met->address, point->address);
}

static void watchpoints_stop_behind_an_access(void **state)
{
	const struct riscv_watchpoint bytes = {
		.address = MEMORY_START + 0x4002, .size = 2, .is_write = true
	};
	const struct riscv_watchpoint word = {
		.address = MEMORY_START + 0x4000, .size = 8, .is_read = true
	};
	struct riscv_hart *hart = begin(INSN_STORE, 0);
	uint64_t value = 1;

	put(MEMORY_START + 4, INSN_LOAD);
	put(MEMORY_START + 8, INSN_LOOP);
	assert_int_equal(riscv_hart_add_watchpoint(hart, &bytes), 0);
	assert_int_equal(riscv_hart_add_watchpoint(hart, &word), 0);
	hart->cpu.cpu.x[10] = 7;
	hart->cpu.cpu.x[11] = MEMORY_START + 0x3ffc; /* its last bytes are watched */
	expect_met(hart, &bytes, 1);
	vm_memory_read(&machine.memory, MEMORY_START + 0x3ffc, &value, sizeof(value));
	assert_int_equal(value, 7);
	expect_met(hart, &word, 2);
	assert_int_equal(hart->cpu.cpu.x[12], 7);

	/* Behind it; and what faults has met nothing. */
	hart->cpu.cpu.pc = MEMORY_START;
	hart->cpu.cpu.x[11] = MEMORY_START + 0x4008;
	assert_int_equal(riscv_hart_add_breakpoint(hart, MEMORY_START + 8), 0);
	expect_met(hart, NULL, 2);
	hart->cpu.cpu.pc = MEMORY_START + 4;
	hart->cpu.cpu.x[11] = MEMORY_START - 4;
	assert_int_equal(riscv_hart_remove_breakpoint(hart, MEMORY_START + 8), 0);
	assert_int_equal(riscv_hart_remove_watchpoint(hart, &word), 0);
	assert_int_equal(riscv_hart_remove_watchpoint(hart, &word), -ENOENT);
	assert_int_equal(riscv_hart_add_watchpoint(hart,
				 &(struct riscv_watchpoint){
					 .address = 0, .size = UINT64_MAX, .is_read = true }),
		0);
	assert_int_equal(run(hart), VM_STOP_OFF); /* in the handler */
	assert_null(riscv_hart_met_watchpoint(hart));
	assert_int_equal(csr(hart, CSR_SCAUSE), 5);
}

static void a_debugger_sees_what_is_mapped_and_leaves_it_alone(void **state)
{
	struct riscv_hart *hart = begin(INSN_LOOP, 0);
	/* 1 GiB, for user mode, not accessed yet, whose physical start is that of memory. */
	uint64_t pte = MEMORY_START >> 2 | 0x13, value = 0, physical;

	vm_memory_write(&machine.memory, TABLE + 8, &pte, sizeof(pte));
	riscv_hart_write_csr(hart, CSR_SATP, UINT64_C(8) << 60 | TABLE >> 12);
	assert_int_equal(riscv_hart_translate(hart, VIRTUAL + 0x1234, &physical), 0);
	assert_int_equal(physical, MEMORY_START + 0x1234);
	assert_int_equal(riscv_hart_translate(hart, 2 * VIRTUAL, &physical), -EFAULT);
	value = 0x1122334455667788;
	assert_int_equal(riscv_hart_write(hart, VIRTUAL + 0xffc, &value, sizeof(value)), 0);
	value = 0;
	assert_int_equal(riscv_hart_read(hart, VIRTUAL + 0xffc, &value, sizeof(value)), 0);
	assert_int_equal(value, 0x1122334455667788);
	assert_int_equal(
		riscv_hart_read(hart, VIRTUAL + MEMORY_BYTES - 4, &value, sizeof(value)), -EFAULT);
	vm_memory_read(&machine.memory, TABLE + 8, &value, sizeof(value));
	assert_int_equal(value, pte);
}

static void registers_have_numbers_and_names(void **state)
{
	struct riscv_hart *hart = begin(INSN_LOOP, 0);
	uint64_t value;
	char name[16];

	assert_true(riscv_csr_name(CSR_MSTATUS, name, sizeof(name)));
	assert_string_equal(name, "mstatus");
	assert_true(riscv_csr_name(0x3b7, name, sizeof(name)));
	assert_string_equal(name, "pmpaddr7");
	assert_true(riscv_csr_name(0xb1f, name, sizeof(name)));
	assert_string_equal(name, "mhpmcounter31");
	assert_false(riscv_csr_name(CSR_NONE, name, sizeof(name)));
	assert_int_equal(riscv_hart_read_csr(hart, CSR_NONE, &value), -ENOENT);
	assert_int_equal(riscv_hart_write_csr(hart, CSR_MHARTID, 1), -EACCES);
	/* None but one that the table has is found, and each by its first and last number; all
	 * are there of a hart with an IMSIC. */
	hart->config.has_imsic = true;
	for (unsigned number = 0; number < 4096; number++)
		assert_int_equal(riscv_hart_read_csr(hart, number, &value) == 0,
			riscv_csr_name(number, name, sizeof(name)));
}

static void what_is_saved_is_what_comes_back(void **state)
{
	struct riscv_hart *from = begin(INSN_LOOP, 0x222), *to = machine.harts[1];
	struct error err = { 0 };

	for (unsigned i = 1; i < 32; i++)
		from->cpu.cpu.x[i] = i * UINT64_C(0x0123456789abcdef);
	riscv_hart_write_csr(from, 0x140, 99);
	riscv_hart_write_csr(from, 0x323, 0x10019); /* an event that does not happen meanwhile */
	riscv_hart_write_csr(from, 0x320, 7); /* cycles stand */
	riscv_set_vector_type(&from->cpu.cpu, 0x08, 5);
	from->vcpu.ops->set_pin(&from->vcpu, 9, true);
	from->saved.save(&from->saved);
	to->state = from->state;
	assert_int_equal(to->saved.restore(&to->saved, &err), 0);
	memset(&to->state, 0xee, sizeof(to->state));
	to->saved.save(&to->saved);
	assert_memory_equal(&to->state, &from->state, sizeof(to->state));
}

/* A snapshot may hold any bytes. */
static void any_bytes_make_a_hart_or_are_refused(void **state)
{
	struct riscv_hart *hart = machine.harts[0];
	uint32_t random = 1;

	for (unsigned round = 0; round < 200; round++) {
		uint8_t *bytes = (uint8_t *)&hart->state;
		struct error err = { 0 };

		for (size_t i = 0; i < sizeof(hart->state); i++) {
			random = random * 1664525 + 1013904223;
			bytes[i] = (uint8_t)(random >> 24);
		}
		hart->state.privilege %= 5;
		hart->state.pc = MEMORY_START + hart->state.pc % MEMORY_BYTES;
		hart->state.is_off = hart->state.is_waiting = 0;
		if (hart->saved.restore(&hart->saved, &err) < 0) {
			assert_true(hart->state.privilege == 2 || hart->state.privilege > 3);
			continue;
		}
		hart->wants_step = true;
		assert_int_equal(run(hart), VM_STOP_BREAKPOINT);
		assert_int_equal(hart->cpu.cpu.x[0], 0);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_kick_ends_a_loop_and_is_remembered),
		TEST(a_call_of_the_supervisor_is_the_machines),
		TEST(a_pin_wakes_a_hart_that_sleeps),
		TEST(a_timer_wakes_and_interrupts),
		TEST(an_interrupt_comes_between_two_instructions),
		TEST(counters_stand_while_the_machine_does),
		TEST(fences_are_answered_whatever_a_hart_does),
		TEST(breakpoints_and_steps),
		TEST(watchpoints_stop_behind_an_access),
		TEST(a_debugger_sees_what_is_mapped_and_leaves_it_alone),
		TEST(registers_have_numbers_and_names),
		TEST(what_is_saved_is_what_comes_back),
		TEST(any_bytes_make_a_hart_or_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
