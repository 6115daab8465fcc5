/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-sbi.c - the hypercalls of a kernel in supervisor mode (SBI 3.0), called as an ecall calls
 * them, on a machine of three harts that does not run.
 */
#include "unit/test.h"

#include <fcntl.h>
#include <string.h>

#include "machine/riscv/sbi.h"

#define MEMORY	 LAYOUT_MEMORY_START
#define NR_HARTS 3

#define BASE 0x10
#define TIME 0x54494d45
#define IPI  0x735049
#define RFNC 0x52464e43
#define HSM  0x48534d
#define SRST 0x53525354
#define PMU  0x504d55
#define DBCN 0x4442434e
#define SUSP 0x53555350
#define FWFT 0x46574654

static struct machine *m;
static struct riscv_board *board;
static char path[] = "/tmp/strata-test-sbi-XXXXXX";
static int shown; /* what the guest writes */

static int setup(void **state)
{
	static uint8_t image[64] = { 0x6f, 0, 0, 0 }; /* j . */
	struct machine_config config = { .memory_bytes = UINT64_C(64) << 20,
		.nr_vcpus = NR_HARTS,
		.kernel = path,
		.console_in = MACHINE_CONSOLE_NONE };
	struct error err = { 0 };
	int fd, out[2];

	strcpy(path + strlen(path) - 6, "XXXXXX");
	fd = mkostemp(path, O_CLOEXEC);
	memcpy(image + 0x38, "RSC\x05", 4);
	if (fd < 0 || write(fd, image, sizeof(image)) != sizeof(image) || pipe2(out, O_CLOEXEC) < 0)
		return -1;
	close(fd);
	config.console_out = out[1];
	shown = out[0];
	if (machine_open(&config, &m, &err) < 0 || m->board->load(m, &err) < 0) {
		print_error("%s\n", err.message);
		return -1;
	}
	close(out[1]);
	board = riscv_board(m);
	return 0;
}

static int teardown(void **state)
{
	m = machine_free(m);
	close(shown);
	return unlink(path);
}

static struct riscv_sbi_result call(
	unsigned hart, uint64_t id, uint64_t function, uint64_t a0, uint64_t a1, uint64_t a2)
{
	uint64_t arguments[8] = { a0, a1, a2, 0, 0, 0, function, id };
	struct riscv_sbi_result result = { 99, 99 };

	riscv_sbi_call(&board->harts[hart], arguments, &result);
	return result;
}

static int64_t error_of(uint64_t id, uint64_t function, uint64_t a0, uint64_t a1, uint64_t a2)
{
	return call(0, id, function, a0, a1, a2).error;
}

static void test_base(void **state)
{
	static const uint64_t there[] = { BASE, TIME, IPI, RFNC, HSM, SRST, PMU, DBCN, SUSP, FWFT };

	assert_int_equal(call(0, BASE, 0, 0, 0, 0).value, 3 << 24);
	for (size_t i = 0; i < ARRAY_SIZE(there); i++)
		assert_int_equal(call(0, BASE, 3, there[i], 0, 0).value, 1);
	for (uint64_t legacy = 0; legacy < 0x10; legacy++)
		assert_int_equal(call(0, BASE, 3, legacy, 0, 0).value, 0);
	assert_int_equal(call(0, BASE, 3, UINT64_MAX, 0, 0).value, 0);
	assert_int_equal(error_of(BASE, 7, 0, 0, 0), SBI_NOT_SUPPORTED);
	assert_int_equal(error_of(BASE, UINT64_MAX, 0, 0, 0), SBI_NOT_SUPPORTED);
	assert_int_equal(error_of(1, 0, 'x', 0, 0), SBI_NOT_SUPPORTED);
	assert_int_equal(error_of(UINT64_MAX, 0, 0, 0, 0), SBI_NOT_SUPPORTED);
}

static bool is_interrupted(unsigned hart)
{
	uint64_t mip = 0;

	assert_int_equal(riscv_hart_read_csr(&board->harts[hart], 0x344, &mip), 0);
	return mip >> 1 & 1;
}

static void test_ipi(void **state)
{
	assert_int_equal(error_of(IPI, 0, 1, 2, 0), SBI_SUCCESS);
	assert_false(is_interrupted(0) || is_interrupted(1));
	assert_true(is_interrupted(2));
	assert_int_equal(error_of(IPI, 0, 0, UINT64_MAX, 0), SBI_SUCCESS);
	assert_true(is_interrupted(0) && is_interrupted(1));
	/* None, and some that are not there. */
	assert_int_equal(error_of(IPI, 0, 0, 77, 0), SBI_SUCCESS);
	assert_int_equal(error_of(IPI, 0, 1, 3, 0), SBI_INVALID_PARAM);
	assert_int_equal(error_of(IPI, 0, 8, 0, 0), SBI_INVALID_PARAM);
	assert_int_equal(error_of(IPI, 0, UINT64_MAX, 0, 0), SBI_INVALID_PARAM);
	assert_int_equal(error_of(IPI, 0, 1, UINT64_MAX - 1, 0), SBI_INVALID_PARAM);
}

static void test_rfence(void **state)
{
	for (unsigned function = 0; function < 3; function++) {
		assert_int_equal(error_of(RFNC, function, 7, 0, 0), SBI_SUCCESS);
		assert_int_equal(error_of(RFNC, function, 8, 0, 0), SBI_INVALID_PARAM);
	}
	assert_int_equal(error_of(RFNC, 3, 1, 0, 0), SBI_NOT_SUPPORTED);
}

static void test_hsm(void **state)
{
	assert_int_equal(call(0, HSM, 2, 0, 0, 0).value, 0);
	assert_int_equal(call(0, HSM, 2, 1, 0, 0).value, 1);
	assert_int_equal(error_of(HSM, 2, NR_HARTS, 0, 0), SBI_INVALID_PARAM);
	assert_int_equal(error_of(HSM, 0, 0, MEMORY, 0), SBI_ALREADY_AVAILABLE);
	assert_int_equal(error_of(HSM, 0, UINT64_MAX, MEMORY, 0), SBI_INVALID_PARAM);
	assert_int_equal(error_of(HSM, 0, 1, 0x10, 0), SBI_INVALID_ADDRESS);
	assert_int_equal(error_of(HSM, 0, 1, UINT64_MAX, 0), SBI_INVALID_ADDRESS);
	assert_int_equal(error_of(HSM, 0, 1, MEMORY + 0x1000, 0x1234), SBI_SUCCESS);
	assert_int_equal(call(0, HSM, 2, 1, 0, 0).value, 0);
	assert_int_equal(error_of(HSM, 0, 1, MEMORY, 0), SBI_ALREADY_AVAILABLE);
	assert_int_equal(board->harts[1].cpu.cpu.pc, MEMORY + 0x1000);
	assert_int_equal(board->harts[1].cpu.cpu.x[10], 1);
	assert_int_equal(board->harts[1].cpu.cpu.x[11], 0x1234);
	assert_int_equal(error_of(HSM, 3, 0, 0, 0), SBI_SUCCESS);
	assert_int_equal(error_of(HSM, 3, 0x80000000, MEMORY, 0), SBI_NOT_SUPPORTED);
}

static void test_reset(void **state)
{
	assert_int_equal(error_of(SRST, 0, 3, 0, 0), SBI_INVALID_PARAM);
	assert_int_equal(error_of(SRST, 0, 0, 2, 0), SBI_INVALID_PARAM);
	assert_int_equal(m->wish, MACHINE_GOES_ON);
	assert_int_equal(error_of(SRST, 0, 1, 0, 0), SBI_SUCCESS);
	assert_int_equal(m->wish, MACHINE_IS_RESET);
	assert_int_equal(error_of(SRST, 0, 0, 1, 0), SBI_SUCCESS);
	assert_int_equal(m->wish, MACHINE_ENDS);
	assert_int_equal(m->end.status, 1);
}

static void test_console(void **state)
{
	char text[32] = "";

	assert_int_equal(vm_memory_write(&m->memory, MEMORY, "hello", 5), 0);
	assert_int_equal(call(0, DBCN, 0, 5, MEMORY, 0).value, 5);
	assert_int_equal(error_of(DBCN, 2, '!', 0, 0), SBI_SUCCESS);
	assert_int_equal(error_of(DBCN, 0, 5, MEMORY, 1), SBI_INVALID_PARAM);
	assert_int_equal(error_of(DBCN, 0, 5, 0, 0), SBI_INVALID_PARAM);
	assert_int_equal(
		error_of(DBCN, 0, UINT64_MAX, MEMORY + (64 << 20) - 8, 0), SBI_INVALID_PARAM);
	assert_int_equal(call(0, DBCN, 1, 16, MEMORY, 0).value, 0);
	/* What was typed, with the port's FIFO on. */
	vm_bus_write(&m->bus, LAYOUT_UART_START + 2, 1, 1);
	assert_int_equal(
		m->console.guest->ops->input(m->console.guest, (const void *)"typed", 5), 5);
	assert_int_equal(call(0, DBCN, 1, 3, MEMORY + 0x100, 0).value, 3);
	assert_int_equal(call(0, DBCN, 1, 16, MEMORY + 0x103, 0).value, 2);
	assert_int_equal(vm_memory_read(&m->memory, MEMORY + 0x100, text, 6), 0);
	assert_string_equal(text, "typed");
	assert_int_equal(call(0, DBCN, 1, 16, MEMORY, 0).value, 0);
	assert_int_equal(error_of(DBCN, 1, UINT64_MAX, MEMORY, 0), SBI_INVALID_PARAM);
	console_close(&m->console);
	assert_int_equal(read(shown, text, sizeof(text)), 6);
	assert_string_equal(text, "hello!");
}

static void test_counters(void **state)
{
	struct riscv_sbi_result result;
	uint64_t all = call(0, PMU, 0, 0, 0, 0).value;

	assert_int_equal(all, RISCV_COUNTERS);
	assert_int_equal(call(0, PMU, 1, 0, 0, 0).value, 0xc00 | 63 << 12);
	assert_int_equal(error_of(PMU, 1, 1, 0, 0), SBI_INVALID_PARAM);
	assert_int_equal(error_of(PMU, 1, all, 0, 0), SBI_INVALID_PARAM);
	/* Cycles, by any of the first eight; then by the fixed one alone. */
	for (unsigned i = 0; i < 2; i++) {
		uint64_t arguments[8] = { 0, i ? 1 : 0xff, 1 << 1, 1, 0, 0, 2, PMU };

		riscv_sbi_call(&board->harts[0], arguments, &result);
		assert_int_equal(result.error, SBI_SUCCESS);
		assert_int_equal(result.value, i ? 0 : 3);
	}
	assert_int_equal(error_of(PMU, 3, 3, 1, 0), SBI_SUCCESS);
	assert_int_equal(error_of(PMU, 3, 3, 1, 0), SBI_ALREADY_STARTED);
	assert_int_equal(error_of(PMU, 4, 3, 1, 1), SBI_SUCCESS);
	assert_int_equal(error_of(PMU, 4, 3, 1, 0), SBI_ALREADY_STOPPED);
	assert_int_equal(error_of(PMU, 3, all, 1, 0), SBI_INVALID_PARAM);
	assert_int_equal(error_of(PMU, 3, 0, UINT64_MAX, 0), SBI_INVALID_PARAM);
	assert_int_equal(error_of(PMU, 4, UINT64_MAX, 1, 0), SBI_INVALID_PARAM);
	assert_int_equal(error_of(PMU, 2, 3, 1, 0), SBI_NOT_SUPPORTED); /* event 0 is none */
	/* What is reserved is refused. */
	assert_int_equal(error_of(PMU, 2, 3, 1, 1 << 8), SBI_INVALID_PARAM);
	assert_int_equal(error_of(PMU, 3, 3, 1, 3), SBI_INVALID_PARAM);
	assert_int_equal(error_of(PMU, 3, 3, 1, 4), SBI_INVALID_PARAM);
	assert_int_equal(error_of(PMU, 4, 3, 1, 4), SBI_INVALID_PARAM);
	/* No counter is firmware's. */
	assert_int_equal(error_of(PMU, 5, 0, 0, 0), SBI_INVALID_PARAM);
	assert_int_equal(error_of(PMU, 6, 3, 0, 0), SBI_INVALID_PARAM);
}

static struct riscv_sbi_result call5(
	uint64_t id, uint64_t function, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
	uint64_t arguments[8] = { a0, a1, a2, a3, 0, 0, function, id };
	struct riscv_sbi_result result = { 99, 99 };

	riscv_sbi_call(&board->harts[0], arguments, &result);
	return result;
}

/* Linux asks so at its start which events there are: that costs nothing later. */
static void test_events_are_tried(void **state)
{
	const struct riscv_hart *hart = &board->harts[0];

	for (uint64_t event = 1; event <= 2; event++) {
		assert_int_equal(call5(PMU, 2, 0, 0xff, 0, event).value, 3);
		error_of(PMU, 4, 3, 1, 1);
		assert_false(hart->counters.is_exact);
	}
	/* One that is started counts each. */
	assert_int_equal(call5(PMU, 2, 0, 0xff, 0, 2).value, 3);
	assert_false(hart->counters.is_exact);
	assert_int_equal(error_of(PMU, 3, 3, 1, 0), SBI_SUCCESS);
	assert_true(hart->counters.is_exact);
}

static void test_snapshot(void **state)
{
	const uint64_t at = MEMORY + 0x2000, never = UINT64_C(-1);
	uint64_t memory[1 + 64] = { 0, 1000, 2000 }, event = 0;

	assert_int_equal(error_of(PMU, 3, 3, 1, 2), SBI_NO_SHARED_MEMORY);
	assert_int_equal(error_of(PMU, 4, 3, 1, 2), SBI_NO_SHARED_MEMORY);
	assert_int_equal(error_of(PMU, 7, at + 8, 0, 0), SBI_INVALID_PARAM);
	assert_int_equal(error_of(PMU, 7, at, 0, 1), SBI_INVALID_PARAM);
	assert_int_equal(error_of(PMU, 7, at, 1, 0), SBI_INVALID_ADDRESS);
	assert_int_equal(error_of(PMU, 7, 0x1000000, 0, 0), SBI_INVALID_ADDRESS);
	assert_int_equal(error_of(PMU, 7, MEMORY + (64 << 20), 0, 0), SBI_INVALID_ADDRESS);
	assert_int_equal(error_of(PMU, 7, at, 0, 0), SBI_SUCCESS);
	/* Two counters of TLB misses, which do not go on by themselves: 3, and 4 behind it. */
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(call5(PMU, 2, 0, 0xff, 0, 0x10019).value, 3 + i);
	assert_int_equal(vm_memory_write(&m->memory, at, memory, sizeof(memory)), 0);
	assert_int_equal(error_of(PMU, 3, 3, 3, 2), SBI_SUCCESS);
	assert_int_equal(
		riscv_hart_write_csr(&board->harts[0], 0x324, UINT64_C(1) << 63 | 0x10019), 0);
	memset(memory, 0x55, sizeof(memory));
	assert_int_equal(vm_memory_write(&m->memory, at, memory, sizeof(memory)), 0);
	assert_int_equal(error_of(PMU, 4, 3, 3, 2), SBI_SUCCESS);
	assert_int_equal(vm_memory_read(&m->memory, at, memory, sizeof(memory)), 0);
	assert_int_equal(memory[0], 2); /* counter 4, behind the base */
	assert_int_equal(memory[1], 1000);
	assert_int_equal(memory[2], 2000);
	assert_int_equal(memory[3], UINT64_C(0x5555555555555555));
	assert_int_equal(error_of(PMU, 3, 64 * 64, 8, 2), SBI_SUCCESS); /* Linux' */
	assert_int_equal(error_of(PMU, 3, 64 * 64, 8, 0), SBI_INVALID_PARAM);
	/* One that begins again has not overflowed. */
	assert_int_equal(error_of(PMU, 3, 4, 1, 0), SBI_SUCCESS);
	assert_int_equal(riscv_hart_read_csr(&board->harts[0], 0x324, &event), 0);
	assert_int_equal(event, 0x10019);
	assert_int_equal(error_of(PMU, 7, never, never, 0), SBI_SUCCESS);
	assert_int_equal(error_of(PMU, 4, 4, 1, 2), SBI_NO_SHARED_MEMORY);
}

static void test_event_info(void **state)
{
	const uint64_t at = MEMORY + 0x3000;
	uint32_t entries[3][4] = { { 2, 77, 0, 0 }, { 3, 77, 0, 0 }, { 0x10021, 77, 0, 0 } };

	assert_int_equal(vm_memory_write(&m->memory, at, entries, sizeof(entries)), 0);
	assert_int_equal(call5(PMU, 8, at, 0, 3, 0).error, SBI_SUCCESS);
	assert_int_equal(vm_memory_read(&m->memory, at, entries, sizeof(entries)), 0);
	assert_int_equal(entries[0][1], 1);
	assert_int_equal(entries[1][1], 0);
	assert_int_equal(entries[2][1], 1);
	assert_int_equal(call5(PMU, 8, at + 8, 0, 1, 0).error, SBI_INVALID_PARAM);
	assert_int_equal(call5(PMU, 8, at, 0, 1, 1).error, SBI_INVALID_PARAM);
	assert_int_equal(call5(PMU, 8, at, 1, 1, 0).error, SBI_INVALID_ADDRESS);
	assert_int_equal(call5(PMU, 8, 0, 0, 1, 0).error, SBI_INVALID_ADDRESS);
	assert_int_equal(call5(PMU, 8, at, 0, UINT64_MAX, 0).error, SBI_FAILED);
	entries[1][0] = 1 << 20;
	assert_int_equal(vm_memory_write(&m->memory, at, entries, sizeof(entries)), 0);
	assert_int_equal(call5(PMU, 8, at, 0, 3, 0).error, SBI_INVALID_PARAM);
}

static uint64_t menvcfg(void)
{
	uint64_t value = 0;

	assert_int_equal(riscv_hart_read_csr(&board->harts[0], 0x30a, &value), 0);
	return value;
}

static void test_features(void **state)
{
	enum { DELEGATION, SHADOW_STACK = 2, DIRTY = 4, MASKING };

	assert_int_equal(call(0, FWFT, 1, DELEGATION, 0, 0).value, 1);
	assert_int_equal(error_of(FWFT, 0, DELEGATION, 1, 0), SBI_SUCCESS);
	assert_int_equal(error_of(FWFT, 0, DELEGATION, 0, 0), SBI_DENIED);
	assert_int_equal(error_of(FWFT, 0, DELEGATION, 2, 0), SBI_INVALID_PARAM);
	assert_int_equal(error_of(FWFT, 0, SHADOW_STACK, 1, 0), SBI_NOT_SUPPORTED);
	assert_int_equal(error_of(FWFT, 1, SHADOW_STACK, 0, 0), SBI_NOT_SUPPORTED);
	assert_int_equal(error_of(FWFT, 1, 6, 0, 0), SBI_DENIED);
	assert_int_equal(error_of(FWFT, 0, UINT32_MAX, 0, 0), SBI_DENIED);

	assert_int_equal(call(0, FWFT, 1, MASKING, 0, 0).value, 0);
	assert_int_equal(error_of(FWFT, 0, MASKING, 7, 0), SBI_SUCCESS);
	assert_int_equal(call(0, FWFT, 1, MASKING, 0, 0).value, 7);
	assert_int_equal(menvcfg() >> 32 & 3, 2);
	assert_int_equal(error_of(FWFT, 0, MASKING, 16, 2), SBI_INVALID_PARAM);
	assert_int_equal(error_of(FWFT, 0, MASKING, 8, 0), SBI_INVALID_PARAM);
	assert_int_equal(error_of(FWFT, 0, MASKING, 16, 1), SBI_SUCCESS);
	assert_int_equal(menvcfg() >> 32 & 3, 3);
	/* Locked, it takes no other value. */
	assert_int_equal(error_of(FWFT, 0, MASKING, 16, 0), SBI_SUCCESS);
	assert_int_equal(error_of(FWFT, 0, MASKING, 0, 0), SBI_DENIED_LOCKED);
	assert_int_equal(call(1, FWFT, 1, MASKING, 0, 0).value, 0); /* a hart's own */

	/* Svadu alone: always on. */
	assert_int_equal(menvcfg() >> 61 & 1, 1);
	assert_int_equal(error_of(FWFT, 1, DIRTY, 0, 0), SBI_NOT_SUPPORTED);
	assert_int_equal(error_of(FWFT, 0, DIRTY, 0, 0), SBI_NOT_SUPPORTED);
	assert_int_equal(menvcfg() >> 61 & 1, 1);
	/* A machine that sleeps keeps them, a hart that begins does not. */
	assert_int_equal(error_of(SUSP, 0, 0, MEMORY, 0), SBI_SUCCESS);
	assert_int_equal(call(0, FWFT, 1, MASKING, 0, 0).value, 16);
	assert_int_equal(error_of(FWFT, 0, MASKING, 0, 0), SBI_DENIED_LOCKED);
	riscv_hart_start(&board->harts[0], MEMORY, 0);
	assert_int_equal(call(0, FWFT, 1, MASKING, 0, 0).value, 0);
	assert_int_equal(error_of(FWFT, 0, MASKING, 0, 0), SBI_SUCCESS);
}

static void test_suspend(void **state)
{
	struct riscv_sbi_result result;

	assert_int_equal(error_of(SUSP, 0, 1, MEMORY, 0), SBI_INVALID_PARAM);
	assert_int_equal(error_of(SUSP, 0, 0, 0, 0), SBI_INVALID_ADDRESS);
	assert_int_equal(error_of(HSM, 0, 1, MEMORY, 0), SBI_SUCCESS);
	assert_int_equal(error_of(SUSP, 0, 0, MEMORY, 0), SBI_DENIED);
	m->vcpus[1].is_off = true;
	result = call(0, SUSP, 0, 0, MEMORY + 0x100, 0x77);
	assert_int_equal(result.error, 0); /* a0: the hart */
	assert_int_equal(result.value, 0x77);
	assert_int_equal(board->harts[0].cpu.cpu.pc, MEMORY + 0x100);
	assert_true(board->harts[0].is_waiting);
}

static void test_nonsense(void **state)
{
	static const uint64_t ids[] = { BASE, TIME, IPI, RFNC, HSM, PMU, DBCN, FWFT };
	static const uint64_t values[] = { 0, 1, 0x7fffffff, MEMORY, MEMORY + (64 << 20) - 1,
		UINT64_C(1) << 63, UINT64_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		for (uint64_t function = 0; function < 9; function++)
			for (size_t n = 0; n < 7 * 7 * 7; n++)
				call(0, ids[i], function, values[n % 7], values[n / 7 % 7],
					values[n / 49]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_base),
		TEST(test_ipi),
		TEST(test_rfence),
		TEST(test_hsm),
		TEST(test_reset),
		TEST(test_console),
		TEST(test_counters),
		TEST(test_events_are_tried),
		TEST(test_snapshot),
		TEST(test_event_info),
		TEST(test_features),
		TEST(test_suspend),
		TEST(test_nonsense),
	};

	return cmocka_run_group_tests_name("machine/sbi", tests, NULL, NULL);
}
