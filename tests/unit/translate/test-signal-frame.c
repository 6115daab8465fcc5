/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-signal-frame.c - what a handler finds lies where the C library of riscv64 looks for it, and
 * what it leaves there comes back. (That it is right as a whole, tests/e2e/test_translate.py sees.)
 */
#include "unit/test.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "translate/signal.h"

/* Offsets in struct rt_sigframe (Linux arch/riscv/kernel/signal.c, uapi/asm/ucontext.h). */
#define INFO	0
#define CONTEXT 128
#define STACK	(CONTEXT + 16)
#define MASK	(CONTEXT + 40)
#define MACHINE (CONTEXT + 176)
#define FLOATS	(MACHINE + 256)
#define FCSR	(FLOATS + 256)
#define MAGIC	(FLOATS + 520)
#define FRAME	(128 + 960)

#define STACK_BYTES 65536

static uint8_t *stack;
static struct process process = { .signal_return = 0x7000 };

static int map_stack(void **state)
{
	/* Below GUEST_END, as all of the guest's memory. */
	stack = mmap((void *)0x200000000000, STACK_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	return stack == MAP_FAILED;
}

static struct thread make_thread(void)
{
	struct thread t = { .process = &process,
		.alternate_stack = 0x1000,
		.alternate_size = 0x2000,
		.alternate_flags = 2 };

	for (unsigned i = 1; i < 32; i++)
		t.cpu.x[i] = 0x1111111100000000 + i;
	for (unsigned i = 0; i < 32; i++)
		t.cpu.f[i] = 0x2222222200000000 + i;
	t.cpu.pc = 0x12344;
	t.cpu.fcsr = 0x61;
	return t;
}

static uint64_t word(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static void the_layout(void **state)
{
	struct thread t = make_thread();
	uint8_t info[128];
	uint64_t top = (uint64_t)(uintptr_t)stack + STACK_BYTES - 5;
	const uint8_t *frame;

	memset(info, 0x5a, sizeof(info));
	assert_int_equal(signal_frame_push(&t, top, 11, info, 0xabcd, 0x6000), 0);
	assert_int_equal(t.cpu.pc, 0x6000);
	assert_int_equal(t.cpu.x[1], 0x7000);
	assert_int_equal(t.cpu.x[2] % 16, 0);
	assert_true(t.cpu.x[2] + FRAME <= top && t.cpu.x[2] + signal_frame_size() > top - 32);
	assert_int_equal(t.cpu.x[10], 11);
	assert_int_equal(t.cpu.x[11], t.cpu.x[2] + INFO);
	assert_int_equal(t.cpu.x[12], t.cpu.x[2] + CONTEXT);
	frame = guest_pointer(t.cpu.x[2]);
	assert_memory_equal(frame + INFO, info, sizeof(info));
	assert_int_equal(word(frame + STACK), 0x1000);
	assert_int_equal(word(frame + STACK + 8), 2);
	assert_int_equal(word(frame + STACK + 16), 0x2000);
	assert_int_equal(word(frame + MASK), 0xabcd);
	assert_int_equal(word(frame + MACHINE), 0x12344);
	for (unsigned i = 1; i < 32; i++)
		assert_int_equal(word(frame + MACHINE + 8 * i), 0x1111111100000000 + i);
	for (unsigned i = 0; i < 32; i++)
		assert_int_equal(word(frame + FLOATS + 8 * i), 0x2222222200000000 + i);
	assert_int_equal((uint32_t)word(frame + FCSR), 0x61);
}

static void what_comes_back(void **state)
{
	struct thread t = make_thread();
	struct riscv_cpu cpu = { 0 };
	uint8_t info[128] = { 0 }, *frame;
	uint64_t mask, alternate[3];
	uint64_t new_pc = 0x777770;

	signal_frame_push(&t, (uint64_t)(uintptr_t)stack + STACK_BYTES, 11, info, 0xabcd, 0x6000);
	frame = guest_pointer(t.cpu.x[2]);
	memcpy(frame + MACHINE, &new_pc, sizeof(new_pc));
	memcpy(frame + FLOATS + 8, &new_pc, sizeof(new_pc));
	assert_int_equal(signal_frame_pop(&t, &cpu, &mask, alternate), 0);
	assert_int_equal(cpu.pc, new_pc);
	assert_int_equal(cpu.x[0], 0);
	assert_int_equal(cpu.x[31], 0x1111111100000000 + 31);
	assert_int_equal(cpu.f[1], new_pc);
	assert_int_equal(cpu.fcsr, 0x61);
	assert_int_equal(mask, 0xabcd);
	assert_int_equal(alternate[2], 0x2000);
	assert_int_equal(cpu.reserved_address, RISCV_NO_RESERVATION);
}

/* Vector registers are there when the program has set a type, and only then. */
static void vectors(void **state)
{
	struct thread t = make_thread();
	struct riscv_cpu cpu = { 0 };
	uint8_t info[128] = { 0 }, *frame;
	uint64_t mask, alternate[3], length = 1000;
	uint32_t magic, bytes;

	t.cpu.vtype = RISCV_VILL;
	signal_frame_push(&t, (uint64_t)(uintptr_t)stack + STACK_BYTES, 11, info, 0, 0x6000);
	assert_int_equal(word(guest_pointer(t.cpu.x[2] + MAGIC)), 0);

	t = make_thread();
	riscv_set_vector_type(&t.cpu, 2 << 3 | 1, 5);
	memset(t.cpu.v, 0x3c, sizeof(t.cpu.v));
	t.cpu.vstart = 4;
	t.cpu.vxrm = 2;
	signal_frame_push(&t, (uint64_t)(uintptr_t)stack + STACK_BYTES, 11, info, 0, 0x6000);
	frame = guest_pointer(t.cpu.x[2]);
	memcpy(&magic, frame + MAGIC, sizeof(magic));
	memcpy(&bytes, frame + MAGIC + 4, sizeof(bytes));
	assert_int_equal(magic, 0x53465457);
	assert_int_equal(bytes, 8 + 48 + 512);
	assert_int_equal(word(frame + FRAME + 40), t.cpu.x[2] + FRAME + 48);
	assert_memory_equal(frame + FRAME + 48, t.cpu.v, sizeof(t.cpu.v));
	assert_int_equal(word(frame + MAGIC + bytes), 0);
	/* A vl that the type has no room for does not come back. */
	memcpy(frame + FRAME + 8, &length, sizeof(length));
	assert_int_equal(signal_frame_pop(&t, &cpu, &mask, alternate), 0);
	assert_int_equal(cpu.vl, 8);
	assert_int_equal(cpu.vstart, 4);
	assert_int_equal(cpu.vxrm, 2);
	assert_memory_equal(cpu.v, t.cpu.v, sizeof(cpu.v));
	/* Nor does a frame with another record. */
	frame[MAGIC] ^= 1;
	assert_int_equal(signal_frame_pop(&t, &cpu, &mask, alternate), -EFAULT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_layout),
		cmocka_unit_test(what_comes_back),
		cmocka_unit_test(vectors),
	};

	return cmocka_run_group_tests(tests, map_stack, NULL);
}
