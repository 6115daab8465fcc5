/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-imsic.c - messages to a hart: which is first, what holds it back, what claims it, who may
 * look, and what a snapshot keeps.
 */
#include "unit/test.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "vcpu/riscv/hart.h"

#define MEMORY_START UINT64_C(0x80000000)
#define MEMORY_BYTES UINT64_C(0x10000)
#define HANDLER	     (MEMORY_START + 0x1000)
#define FREQUENCY_HZ 1000000
#define SEI	     9
#define MEI	     11
#define BIT(n)	     (UINT64_C(1) << (n))

enum {
	INSN_ECALL = 0x00000073,
	CSRRW = 1,
	CSRRS = 2,
	T0 = 5,
	T1 = 6,
};

enum {
	CSR_SSTATUS = 0x100,
	CSR_SIE = 0x104,
	CSR_STVEC = 0x105,
	CSR_SCAUSE = 0x142,
	CSR_SIP = 0x144,
	CSR_SISELECT = 0x150,
	CSR_SIREG = 0x151,
	CSR_STOPEI = 0x15c,
	CSR_MIDELEG = 0x303,
	CSR_MIE = 0x304,
	CSR_MVIEN = 0x308,
	CSR_MVIP = 0x309,
	CSR_MSTATEEN0 = 0x30c,
	CSR_MIP = 0x344,
	CSR_MISELECT = 0x350,
	CSR_MIREG = 0x351,
	CSR_MTOPEI = 0x35c,
	CSR_STOPI = 0xdb0,
	CSR_MTOPI = 0xfb0,
};

enum { EIDELIVERY = 0x70, EITHRESHOLD = 0x72, EIP = 0x80, EIE = 0xc0 };

static struct vm_memory memory;
static struct vm_bus bus;
static struct riscv_clock clock_;
static struct riscv_hart *hart;
static bool has_imsic = true;

static void answer(struct riscv_hart *h, const uint64_t arguments[8], struct riscv_sbi_result *ret)
{
	riscv_hart_off(h);
}

static int set_up(void **state)
{
	const struct riscv_hart_config config = { .memory = &memory,
		.bus = &bus,
		.clock = &clock_,
		.has_imsic = has_imsic,
		.sbi = answer };
	struct error err = { 0 };

	vm_memory_init(&memory);
	hart = aligned_alloc(64, (sizeof(*hart) + 63) / 64 * 64);
	if (!hart || vm_memory_add(&memory, MEMORY_START, MEMORY_BYTES, &err) < 0 ||
		riscv_clock_init(&clock_, FREQUENCY_HZ, &err) < 0 ||
		riscv_clock_start(&clock_, &err) < 0 || riscv_hart_init(hart, &config, &err) < 0)
		return -1;
	riscv_hart_start(hart, MEMORY_START, 0);
	return 0;
}

static int set_up_without(void **state)
{
	has_imsic = false;
	return set_up(state);
}

static int tear_down(void **state)
{
	riscv_hart_destroy(hart);
	free(hart);
	riscv_clock_destroy(&clock_);
	vm_memory_destroy(&memory);
	has_imsic = true;
	return 0;
}

static uint64_t get(unsigned number)
{
	uint64_t value = 0;

	assert_int_equal(riscv_hart_read_csr(hart, number, &value), 0);
	return value;
}

static void put(unsigned number, uint64_t value)
{
	assert_int_equal(riscv_hart_write_csr(hart, number, value), 0);
}

static uint64_t get_selected(unsigned select)
{
	put(CSR_SISELECT, select);
	return get(CSR_SIREG);
}

static void put_selected(unsigned select, uint64_t value)
{
	put(CSR_SISELECT, select);
	put(CSR_SIREG, value);
}

static void message(unsigned pin, uint32_t number)
{
	hart->vcpu.ops->message(&hart->vcpu, pin, number);
}

static uint64_t top(unsigned id)
{
	return (uint64_t)id << 16 | id;
}

/* Of these and no others, with delivery. */
static void enable(unsigned first, unsigned second)
{
	put_selected(EIDELIVERY, 1);
	for (unsigned w = 0; w < 4; w++)
		put_selected(EIE + 2 * w,
			(first / 64 == w ? BIT(first % 64) : 0) |
				(second / 64 == w ? BIT(second % 64) : 0));
}

static bool is_pending(unsigned pin)
{
	return get(CSR_MIP) >> pin & 1;
}

/* One CSR instruction in supervisor mode; false: it was illegal. */
static bool execute(unsigned number, unsigned funct, uint64_t *t0, uint64_t t1)
{
	uint32_t from = t1 ? T1 : 0; /* csrrs of x0 writes nothing */
	const uint32_t code[] = {
		(uint32_t)number << 20 | from << 15 | funct << 12 | T0 << 7 | 0x73, INSN_ECALL
	};
	const uint32_t ecall = INSN_ECALL;
	uint64_t mstateen0 = get(CSR_MSTATEEN0), siselect = hart->csrs.siselect;
	struct error err = { 0 };

	assert_int_equal(vm_memory_write(&memory, MEMORY_START, code, sizeof(code)), 0);
	assert_int_equal(vm_memory_write(&memory, HANDLER, &ecall, sizeof(ecall)), 0);
	riscv_hart_start(hart, MEMORY_START, 0);
	hart->csrs.siselect = siselect;
	put(CSR_MSTATEEN0, mstateen0);
	put(CSR_STVEC, HANDLER);
	hart->cpu.cpu.x[T1] = t1;
	assert_int_equal(hart->vcpu.ops->run(&hart->vcpu, &err), VM_STOP_OFF);
	*t0 = hart->cpu.cpu.x[T0];
	assert_true(get(CSR_SCAUSE) == 0 || get(CSR_SCAUSE) == 2);
	return get(CSR_SCAUSE) == 0;
}

static void test_order(void **state)
{
	enable(7, 200);
	message(SEI, 200);
	assert_true(is_pending(SEI));
	assert_false(is_pending(MEI));
	assert_int_equal(get(CSR_STOPEI), top(200));
	message(SEI, 7);
	message(SEI, 3); /* not enabled */
	assert_int_equal(get(CSR_STOPEI), top(7));
	put(CSR_STOPEI, 0);
	assert_int_equal(get(CSR_STOPEI), top(200));
	put(CSR_STOPEI, 1234);
	assert_int_equal(get(CSR_STOPEI), 0);
	assert_false(is_pending(SEI));
	assert_int_equal(get_selected(EIP), BIT(3));
}

static void test_held_back(void **state)
{
	enable(7, 9);
	message(SEI, 9);
	put_selected(EITHRESHOLD, 9);
	assert_false(is_pending(SEI));
	assert_int_equal(get(CSR_STOPEI), 0);
	put_selected(EITHRESHOLD, 10);
	assert_true(is_pending(SEI));
	put_selected(EIDELIVERY, 0);
	assert_false(is_pending(SEI));
	assert_int_equal(get(CSR_STOPEI), top(9));
	put_selected(EIDELIVERY, 2); /* there is no such */
	assert_int_equal(get_selected(EIDELIVERY), 0);
	put_selected(EIDELIVERY, 1);
	assert_true(is_pending(SEI));
	put_selected(EIE, BIT(7));
	assert_false(is_pending(SEI));
	put_selected(EIP, BIT(7));
	assert_int_equal(get(CSR_STOPEI), top(7));
}

/* The files of both modes, and what is in none. */
static void test_files(void **state)
{
	put(CSR_MISELECT, EIDELIVERY);
	put(CSR_MIREG, 1);
	put(CSR_MISELECT, EIE + 6);
	put(CSR_MIREG, BIT(63));
	message(MEI, 255);
	assert_true(is_pending(MEI));
	assert_false(is_pending(SEI));
	assert_int_equal(get(CSR_MTOPEI), top(255));
	assert_int_equal(get(CSR_STOPEI), 0);
	enable(0, 0);
	for (uint64_t number = 256; number <= UINT32_MAX; number *= 2)
		message(SEI, (uint32_t)number);
	message(SEI, 0);
	message(3, 1);
	message(64, 1);
	for (unsigned select = EIP; select < 0x100; select += 2) {
		assert_int_equal(get_selected(select), 0);
		put_selected(select, UINT64_MAX);
	}
	assert_int_equal(get_selected(EIP), ~BIT(0));
	assert_int_equal(get_selected(EIE + 6), UINT64_MAX);
	assert_int_equal(get_selected(EIE + 8), 0);
	put_selected(EITHRESHOLD, UINT64_MAX);
	assert_int_equal(get_selected(EITHRESHOLD), 255);
}

static void test_claim_by_an_instruction(void **state)
{
	uint64_t t0;

	enable(7, 9);
	message(SEI, 9);
	message(SEI, 7);
	assert_true(execute(CSR_STOPEI, CSRRW, &t0, 0));
	assert_int_equal(t0, top(7));
	assert_true(execute(CSR_STOPEI, CSRRW, &t0, 0));
	assert_int_equal(t0, top(9));
	assert_true(execute(CSR_STOPEI, CSRRW, &t0, 0));
	assert_int_equal(t0, 0);
	put(CSR_SISELECT, EIP);
	assert_true(execute(CSR_SIREG, CSRRS, &t0, BIT(9)));
	assert_int_equal(t0, 0);
	assert_int_equal(get(CSR_STOPEI), top(9));
}

static void test_illegal(void **state)
{
	static const struct {
		unsigned number, select, bit; /* of mstateen0; 0: none */
		bool is_legal;
	} rows[] = {
		{ CSR_SIREG, 0x2f, 0, false },
		{ CSR_SIREG, 0x30, 0, true },
		{ CSR_SIREG, 0x31, 0, false },
		{ CSR_SIREG, 0x40, 0, false },
		{ CSR_SIREG, EIDELIVERY, 0, true },
		{ CSR_SIREG, EIDELIVERY + 1, 0, false },
		{ CSR_SIREG, EITHRESHOLD, 0, true },
		{ CSR_SIREG, EIP + 1, 0, false },
		{ CSR_SIREG, EIE + 62, 0, true },
		{ CSR_MIREG, EIP, 0, false },
		{ CSR_MTOPI, 0, 0, false },
		{ CSR_STOPEI, 0, 58, false },
		{ CSR_SIREG, EIP, 58, false },
		{ CSR_SIREG, 0x30, 58, true },
		{ CSR_STOPI, 0, 59, false },
		{ CSR_SIREG, 0x30, 59, false },
		{ CSR_SIREG, EIP, 59, true },
		{ CSR_SISELECT, 0, 60, false },
		{ CSR_SIREG, EIP, 60, false },
		{ CSR_STOPEI, 0, 60, true },
		{ CSR_STOPI, 0, 60, true },
	};
	uint64_t all = get(CSR_MSTATEEN0), t0;

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		put(CSR_MSTATEEN0, rows[i].bit ? all & ~BIT(rows[i].bit) : all);
		put(CSR_SISELECT, rows[i].select);
		if (execute(rows[i].number, CSRRS, &t0, 0) != rows[i].is_legal)
			fail_msg("row %u", i);
	}
}

/* Pending and enabled, whether or not the mode can be interrupted now; by the default order. */
static void test_top_interrupt(void **state)
{
	assert_int_equal(get(CSR_STOPI), 0);
	hart->vcpu.ops->set_pin(&hart->vcpu, 1, true);
	enable(7, 7);
	message(SEI, 7);
	put(CSR_SIE, BIT(1));
	assert_int_equal(get(CSR_STOPI), 1 << 16 | 1);
	put(CSR_SIE, BIT(1) | BIT(SEI));
	assert_int_equal(get(CSR_STOPI), SEI << 16 | 1);
	assert_int_equal(get(CSR_MTOPI), 0);
	put(CSR_MIDELEG, BIT(1));
	assert_int_equal(get(CSR_STOPI), 1 << 16 | 1);
	assert_int_equal(get(CSR_MTOPI), SEI << 16 | 1);
}

static void test_virtual(void **state)
{
	put(CSR_MVIEN, UINT64_MAX);
	assert_int_equal(get(CSR_MVIEN), 0);
	put(CSR_MVIP, UINT64_MAX);
	assert_int_equal(get(CSR_MVIP), BIT(1) | BIT(SEI));
	assert_int_equal(get(CSR_MIP) & (BIT(1) | BIT(SEI)), BIT(1) | BIT(SEI));
	put(CSR_MVIP, 0);
	assert_int_equal(get(CSR_MIP) & (BIT(1) | BIT(SEI)), 0);
	/* Of SEIP, what software has set, and not what the file says. */
	enable(7, 7);
	message(SEI, 7);
	assert_int_equal(get(CSR_MVIP), 0);
	assert_true(is_pending(SEI));
}

static void test_reset(void **state)
{
	enable(7, 7);
	message(SEI, 7);
	riscv_hart_start(hart, MEMORY_START, 0);
	assert_true(is_pending(SEI));
	riscv_hart_reset(hart, MEMORY_START, 0);
	assert_false(is_pending(SEI));
	assert_int_equal(get_selected(EIE), 0);
	assert_int_equal(get_selected(EIP), 0);
	assert_int_equal(get_selected(EIDELIVERY), 0);
}

static void test_snapshot(void **state)
{
	struct riscv_hart_state kept;
	struct error err = { 0 };

	enable(7, 70);
	message(SEI, 70);
	put(CSR_SISELECT, EIE + 2);
	hart->saved.save(&hart->saved);
	kept = hart->state;
	riscv_hart_reset(hart, 0, 0);
	hart->state = kept;
	assert_int_equal(hart->saved.restore(&hart->saved, &err), 0);
	assert_int_equal(get(CSR_SISELECT), EIE + 2);
	assert_int_equal(get(CSR_STOPEI), top(70));
	assert_true(is_pending(SEI));

	memset(kept.imsic, 0xff, sizeof(kept.imsic));
	hart->state = kept;
	assert_int_equal(hart->saved.restore(&hart->saved, &err), 0);
	assert_int_equal(get_selected(EIP), ~BIT(0));
	assert_int_equal(get_selected(EIE), ~BIT(0));
	assert_int_equal(get_selected(EIDELIVERY), 1);
	assert_int_equal(get_selected(EITHRESHOLD), 255);
	assert_int_equal(get(CSR_STOPEI), top(1));
}

static void test_hart_without(void **state)
{
	static const uint16_t numbers[] = { CSR_SISELECT, CSR_SIREG, CSR_STOPEI, CSR_MVIEN,
		CSR_MVIP, CSR_MISELECT, CSR_MIREG, CSR_MTOPEI, CSR_STOPI, CSR_MTOPI };
	uint64_t value;

	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		assert_int_equal(riscv_hart_read_csr(hart, numbers[i], &value), -ENOENT);
	assert_int_equal(riscv_hart_write_csr(hart, CSR_SISELECT, 1), -ENOENT);
	assert_int_equal(get(CSR_MSTATEEN0) >> 58 & 7, 0);
	assert_false(execute(CSR_STOPEI, CSRRS, &value, 0));
	message(SEI, 7);
	assert_false(is_pending(SEI));
}

/* Two threads and a hart that claims: each message is seen, and the pin is high while one waits. */
#define ROUNDS 20000

static void *send(void *first)
{
	for (unsigned i = 0; i < ROUNDS; i++)
		message(SEI, (uint32_t)(uintptr_t)first + i % 64);
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[2];
	uint64_t value;

	put_selected(EIDELIVERY, 1);
	for (unsigned w = 0; w < 4; w++)
		put_selected(EIE + 2 * w, UINT64_MAX);
	for (uintptr_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, send, (void *)(1 + 64 * i)), 0);
	for (unsigned i = 0; i < ROUNDS; i++)
		put(CSR_STOPEI, 0);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	while ((value = get(CSR_STOPEI))) {
		assert_true(is_pending(SEI));
		put(CSR_STOPEI, value);
	}
	assert_false(is_pending(SEI));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_order),
		TEST(test_held_back),
		TEST(test_files),
		TEST(test_claim_by_an_instruction),
		TEST(test_illegal),
		TEST(test_top_interrupt),
		TEST(test_virtual),
		TEST(test_reset),
		TEST(test_snapshot),
		TEST(test_threads),
		cmocka_unit_test_setup_teardown(test_hart_without, set_up_without, tear_down),
	};

	return cmocka_run_group_tests_name("vcpu/imsic", tests, NULL, NULL);
}
