/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-sbi.c - the hypercalls of a kernel in supervisor mode (SBI 2.0), called as an ecall calls
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
	static const uint64_t there[] = { BASE, TIME, IPI, RFNC, HSM, SRST, PMU, DBCN, SUSP };

	assert_int_equal(call(0, BASE, 0, 0, 0, 0).value, 2 << 24);
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
	assert_int_equal(error_of(PMU, 5, 0, 0, 0), SBI_NOT_SUPPORTED);
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
	static const uint64_t ids[] = { BASE, TIME, IPI, RFNC, HSM, PMU, DBCN };
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
		TEST(test_suspend),
		TEST(test_nonsense),
	};

	return cmocka_run_group_tests_name("machine/sbi", tests, NULL, NULL);
}
