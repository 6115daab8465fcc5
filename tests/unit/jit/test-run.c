/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-run.c - translated code leaves at faults, interrupts and rounding modes with the state that
 * the interpreter has there. (What instructions compute tests/isa holds against QEMU.)
 */
#include "unit/jit/guest.h"

#include <pthread.h>

enum { CSR_FFLAGS = 1, CSR_FRM = 2, CSR_FCSR = 3, HOT = 5000 };

static struct riscv_cpu cpu, other;

/* Interpret and translate what is at CODE, from the state of cpu; both stop alike. */
static enum jit_stop run_both(void)
{
	static uint8_t memory[DATA_BYTES], after[DATA_BYTES];
	struct jit *jit = open_jit(0, NULL);
	enum jit_stop expected, stop;

	memcpy(memory, (void *)DATA, DATA_BYTES);
	riscv_cpu_copy(&other, &cpu);
	expected = run(NULL, &other);
	memcpy(after, (void *)DATA, DATA_BYTES);
	memcpy((void *)DATA, memory, DATA_BYTES);
	stop = run(jit, &cpu);
	assert_memory_equal((void *)DATA, after, DATA_BYTES);
	assert_int_equal(stop, expected);
	assert_same_state(&cpu, &other);
	if (stop == JIT_STOP_FAULT) {
		assert_int_equal(cpu.fault_address, other.fault_address);
		assert_int_equal(cpu.fault_signal, other.fault_signal);
		assert_int_equal(cpu.fault_code, other.fault_code);
	}
	riscv_cpu_release(&cpu);
	jit_free(jit);
	return stop;
}

static void a_load_faults_in_the_middle_of_a_block(void **state)
{
	PROGRAM(addi(A0, A0, 1), lui(A1, 0x12345), addi(A1, A1, 1), ld(A1, A2, 8), addi(A0, A0, 1),
		addi(A1, ZERO, 7), EBREAK);
	begin(&cpu);
	cpu.x[A2] = DATA_END;
	assert_int_equal(run_both(), JIT_STOP_FAULT);
	assert_int_equal(cpu.pc, CODE + 12);
	assert_int_equal(cpu.x[A0], 1);
	assert_int_equal(cpu.x[A1], 0x12345001);
	assert_int_equal(cpu.fault_address, DATA_END + 8);
}

/* The loop has become a region by then, whose registers are others than a line's. */
static void a_store_faults_in_a_hot_loop(void **state)
{
	PROGRAM(addi(S2, S2, 1), s_type(0x23, 0, A2, S2, 0), addi(A2, A2, 1), add(GP, GP, S2),
		add(TP, TP, GP), branch(1, S2, S3, -20), EBREAK);
	begin(&cpu);
	cpu.x[A2] = DATA;
	cpu.x[S3] = 2 * DATA_BYTES;
	assert_int_equal(run_both(), JIT_STOP_FAULT);
	assert_int_equal(cpu.pc, CODE + 4);
	assert_int_equal(cpu.x[S2], DATA_BYTES + 1);
	assert_int_equal(cpu.fault_address, DATA_END);
}

static void an_atomic_faults(void **state)
{
	PROGRAM(addi(A0, A0, 5), 0x00c5b5af /* amoadd.d a1, a2, (a1) */, EBREAK);
	begin(&cpu);
	cpu.x[A1] = DATA_END;
	assert_int_equal(run_both(), JIT_STOP_FAULT);
	assert_int_equal(cpu.x[A1], DATA_END);
	begin(&cpu);
	cpu.x[A1] = DATA + 4;
	assert_int_equal(run_both(), JIT_STOP_MISALIGNED);
	assert_int_equal(cpu.pc, CODE + 4);
}

/* x86 does not say what address it was. */
static void addresses_that_the_host_has_none_of(void **state)
{
	static const uint32_t accesses[] = {
		0x00853583 /* ld a1, 8(a0) */,
		0x00b53423 /* sd a1, 8(a0) */,
		0x00853587 /* fld fa1, 8(a0) */,
	};

	for (unsigned i = 0; i < sizeof(accesses) / sizeof(accesses[0]); i++) {
		PROGRAM(addi(A2, A2, 1), accesses[i], EBREAK);
		begin(&cpu);
		cpu.x[A0] = UINT64_C(0x123456789abcdef0);
		assert_int_equal(run_both(), JIT_STOP_FAULT);
		assert_int_equal(cpu.fault_address, UINT64_C(0x123456789abcdef8));
		assert_int_equal(cpu.pc, CODE + 4);
	}
	PROGRAM(addi(A2, A2, 1), 0x00c535af /* amoadd.d a1, a2, (a0) */, EBREAK);
	begin(&cpu);
	cpu.x[A0] = UINT64_C(0x123456789abcdef0);
	assert_int_equal(run_both(), JIT_STOP_FAULT);
	assert_int_equal(cpu.fault_address, UINT64_C(0x123456789abcdef0));
}

/* In a helper: what was done before must be in the state. */
static void a_vector_load_faults(void **state)
{
	PROGRAM(addi(A0, A0, 5), 0x0d007057 /* vsetvli zero, zero, e32, m1 */, addi(A3, A0, 1),
		0x02056407 /* vle32.v v8, (a0) */, EBREAK);
	begin(&cpu);
	cpu.vtype = 2 << 3;
	cpu.vl = 4;
	cpu.x[A0] = DATA_END - 8 - 5;
	assert_int_equal(run_both(), JIT_STOP_FAULT);
	assert_int_equal(cpu.pc, CODE + 12);
	assert_int_equal(cpu.vstart, 2);
	assert_int_equal(cpu.x[A3], DATA_END - 7);
}

/* A group of two, made by one operation; the first accesses are done when a later one faults. */
static void a_vector_store_faults_in_the_middle(void **state)
{
	for (unsigned bytes = 0; bytes < 40; bytes++) {
		PROGRAM(addi(A0, A0, 5), 0xc1147057 /* vsetivli zero, 8, e32, m2 */,
			addi(A3, A0, 1), 0x02056427 /* vse32.v v8, (a0) */, EBREAK);
		begin(&cpu);
		memset(cpu.v, 0x5a, sizeof(cpu.v));
		cpu.x[A0] = DATA_END - bytes - 5;
		if (bytes < 32) {
			assert_int_equal(run_both(), JIT_STOP_FAULT);
			assert_int_equal(cpu.pc, CODE + 12);
			assert_int_equal(cpu.vstart, bytes / 4);
		} else {
			assert_int_equal(run_both(), JIT_STOP_BREAKPOINT);
		}
	}
}

/* Code that was made for one type and length meets others. */
static void vector_types_change(void **state)
{
	static const struct {
		uint64_t type, length;
		uint32_t start;
	} seen[] = { { 0x10, 4, 0 }, { 0x10, 3, 0 }, { 0x10, 4, 2 }, { 0x08, 8, 0 },
		{ 0x12, 16, 0 }, { 0x10, 0, 0 }, { RISCV_VILL, 0, 0 }, { 0x10, 4, 0 } };
	struct jit *jit = open_jit(0, NULL);

	PROGRAM(0x030c0457 /* vadd.vv v8, v16, v24 */, 0x030424d7 /* vredsum.vs v9, v16, v8 */,
		addi(A0, A0, 1), EBREAK);
	for (unsigned i = 0; i < sizeof(seen) / sizeof(seen[0]); i++) {
		begin(&cpu);
		for (unsigned n = 0; n < sizeof(cpu.v); n++)
			cpu.v[n] = (uint8_t)(n * 7);
		cpu.vtype = seen[i].type;
		cpu.vl = seen[i].length;
		cpu.vstart = seen[i].start;
		riscv_cpu_copy(&other, &cpu);
		assert_int_equal(run(jit, &cpu), run(NULL, &other));
		assert_same_state(&cpu, &other);
		riscv_cpu_release(&cpu);
	}
	jit_free(jit);
}

static void jumps_to_what_is_not_there_fault_there(void **state)
{
	static const uint32_t ways[] = { 0x00058067 /* jr a1 */, 0x000580e7 /* jalr a1 */ };
	struct jit *jit = open_jit(0, NULL);

	for (unsigned i = 0; i < 2; i++) {
		PROGRAM(addi(A0, A0, 1), ways[i]);
		jit_invalidate(jit, CODE, PAGE);
		begin(&cpu);
		cpu.x[A1] = DATA;
		assert_int_equal(run(jit, &cpu), JIT_STOP_FAULT);
		assert_int_equal(cpu.pc, DATA);
		assert_int_equal(cpu.fault_address, DATA);
		assert_int_equal(cpu.x[A0], 1);
		riscv_cpu_release(&cpu);
	}
	jit_free(jit);
}

/* The lowest bit of a target does not count; 1 is what the shadow stack has at its bottom. */
static void returns_go_anywhere(void **state)
{
	struct jit *jit = open_jit(0, NULL);

	PROGRAM(addi(A0, A0, 1), RET);
	begin(&cpu);
	cpu.x[RA] = 1;
	assert_int_equal(run(jit, &cpu), JIT_STOP_FAULT);
	assert_int_equal(cpu.pc, 0);
	assert_int_equal(cpu.x[A0], 1);
	riscv_cpu_release(&cpu);
	PROGRAM(RET, NOP, EBREAK);
	jit_invalidate(jit, CODE, PAGE);
	begin(&cpu);
	cpu.x[RA] = CODE + 9;
	assert_int_equal(run(jit, &cpu), JIT_STOP_BREAKPOINT);
	assert_int_equal(cpu.pc, CODE + 8);
	riscv_cpu_release(&cpu);
	jit_free(jit);
}

/* --- rounding ----------------------------------------------------------------------------------
 */

/* fa0 += fa1 in a hot loop, with a mode that the host has, has not, or nobody has. */
static void every_rounding_mode_in_a_loop(void **state)
{
	for (uint32_t mode = 0; mode < 8; mode++) {
		PROGRAM(csrrw(ZERO, CSR_FRM, A2), 0x02b57553 /* fadd.d fa0, fa0, fa1 */,
			0x1ab57653 /* fdiv.d fa2, fa0, fa1 */, addi(A0, A0, -1),
			branch(1, A0, ZERO, -12), csrrs(A3, CSR_FCSR, ZERO),
			csrrw(A4, CSR_FFLAGS, ZERO), EBREAK);
		begin(&cpu);
		cpu.x[A0] = HOT;
		cpu.x[A2] = mode;
		cpu.f[10] = UINT64_C(0x3ff0000000000001);
		cpu.f[11] = UINT64_C(0x3c90000000000123);
		assert_int_equal(run_both(), mode < 5 ? JIT_STOP_BREAKPOINT : JIT_STOP_ILLEGAL);
		if (mode < 5)
			assert_int_equal(cpu.x[A3], mode << 5 | 1);
	}
}

/* --- interrupts --------------------------------------------------------------------------------
 */

static void *interrupt_soon(void *argument)
{
	usleep(20000);
	__atomic_store_n(&cpu.interrupt, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void be_interrupted(void)
{
	struct jit *jit = open_jit(0, NULL);
	pthread_t thread;

	alarm(20); /* what cannot be interrupted is killed */
	begin(&cpu);
	cpu.x[SP] = DATA_END;
	assert_int_equal(pthread_create(&thread, NULL, interrupt_soon, NULL), 0);
	assert_int_equal(run(jit, &cpu), JIT_STOP_INTERRUPT);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_in_range(cpu.pc, CODE, CODE + PAGE);
	assert_int_equal(cpu.interrupt, 0);
	alarm(0);
	riscv_cpu_release(&cpu);
	jit_free(jit);
}

static void loops_are_interrupted(void **state)
{
	PROGRAM(addi(A0, A0, 1), jal(ZERO, -4));
	be_interrupted();
	PROGRAM(addi(A0, A0, 1), addi(A1, A0, 1), branch(1, A0, ZERO, -8), EBREAK);
	be_interrupted();
	PROGRAM(0x00000517 /* auipc a0, 0 */, jalr(ZERO, A0, 0));
	be_interrupted();
}

static void recursions_are_interrupted(void **state)
{
	/* For ever down. */
	PROGRAM(addi(A0, A0, 1), jal(RA, -4));
	be_interrupted();
	PROGRAM(0x00000517 /* auipc a0, 0 */, jalr(RA, A0, 0));
	be_interrupted();
	/* Down and up, as in the numbers of Fibonacci: no jump goes backward. */
	PROGRAM(addi(A0, ZERO, 60), jal(RA, 8), EBREAK, addi(A1, ZERO, 2), branch(4, A0, A1, 60),
		addi(SP, SP, -24), sd(RA, SP, 0), sd(A0, SP, 8), addi(A0, A0, -1), jal(RA, -24),
		sd(A0, SP, 16), ld(A0, SP, 8), addi(A0, A0, -2), jal(RA, -40), ld(A1, SP, 16),
		add(A0, A0, A1), ld(RA, SP, 0), addi(SP, SP, 24), RET, RET);
	be_interrupted();
}

static void returns_that_go_round_are_interrupted(void **state)
{
	PROGRAM(0x00000097 /* auipc ra, 0 */, addi(A0, A0, 1), RET);
	be_interrupted();
}

/* Deeper than the shadow stack, and up again. */
static void a_deep_recursion_comes_back(void **state)
{
	PROGRAM(jal(RA, 8), EBREAK, addi(A0, A0, -1), branch(0, A0, ZERO, 16),
		add(S2, RA, ZERO) /* not a frame of its own: one way back for all */, jal(RA, -12),
		add(RA, S2, ZERO), addi(A1, A1, 1), RET);
	begin(&cpu);
	cpu.x[A0] = 1;
	assert_int_equal(run_both(), JIT_STOP_BREAKPOINT);
	PROGRAM(jal(RA, 8), EBREAK, addi(SP, SP, 8), sd(RA, SP, -8), addi(A0, A0, -1),
		branch(5, ZERO, A0, 12), jal(RA, -16), addi(A1, A1, 1), ld(RA, SP, -8),
		addi(SP, SP, -8), RET);
	begin(&cpu);
	cpu.x[A0] = DATA_BYTES / 8;
	cpu.x[SP] = DATA;
	assert_int_equal(run_both(), JIT_STOP_BREAKPOINT);
	assert_int_equal(cpu.x[A1], DATA_BYTES / 8 - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_load_faults_in_the_middle_of_a_block),
		cmocka_unit_test(a_store_faults_in_a_hot_loop),
		cmocka_unit_test(an_atomic_faults),
		cmocka_unit_test(addresses_that_the_host_has_none_of),
		cmocka_unit_test(a_vector_load_faults),
		cmocka_unit_test(a_vector_store_faults_in_the_middle),
		cmocka_unit_test(vector_types_change),
		cmocka_unit_test(jumps_to_what_is_not_there_fault_there),
		cmocka_unit_test(returns_go_anywhere),
		cmocka_unit_test(every_rounding_mode_in_a_loop),
		cmocka_unit_test(loops_are_interrupted),
		cmocka_unit_test(recursions_are_interrupted),
		cmocka_unit_test(returns_that_go_round_are_interrupted),
		cmocka_unit_test(a_deep_recursion_comes_back),
	};

	return cmocka_run_group_tests(tests, map_guest, NULL);
}
