/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-machine.c - translated code of a machine: memory through the TLB, jumps between pages, code
 * that is written, address spaces and modes. The machine is a few pages, mapped as each test wants
 * it; what the hart's own functions do is counted.
 */
#include "unit/jit/guest.h"

#include <pthread.h>

#include "jit/internal.h"
#include "jit/riscv/system.h"

enum {
	HOT = 5000,
	PAGES = 16, /* of memory */
	VIRTUAL_PAGES = 32,
	UNMAPPED = -1,
	DEVICE = -2,
	CAUSE_STORE_MISALIGNED = 6,
	CAUSE_CODE = 12,
	CAUSE_LOAD = 13,
	CAUSE_STORE = 15,
	/* What CSRs do here when they are written. */
	CSR_SPACE = 0x800, /* the address space is this one */
	CSR_FORGET = 0x801, /* this address, or all */
	CSR_REGIME = 0x802,
};
#define VIRTUAL UINT64_C(0x7f0000000)

static struct machine {
	struct riscv_system_cpu hart;
	uint8_t *memory;
	int8_t map[2][VIRTUAL_PAGES]; /* for each address space: the page, or what there is */
	bool has_code[PAGES];
	unsigned slow, told;
	uint64_t device;
	void (*on_device)(uint64_t value); /* it has been written */
	struct jit *jit;
} m;

static int page_of(uint64_t address)
{
	uint64_t page = (address - VIRTUAL) / PAGE;

	return page < VIRTUAL_PAGES ? m.map[m.hart.address_space][page] : UNMAPPED;
}

static uint8_t *host_of(int page)
{
	return m.memory + (size_t)page * PAGE;
}

static bool fault(struct riscv_system_cpu *cpu, uint64_t address, int cause)
{
	cpu->cpu.fault_address = address;
	cpu->cpu.fault_code = cause;
	return false;
}

static bool access_byte(
	struct riscv_system_cpu *cpu, uint64_t address, bool is_write, uint8_t *byte)
{
	int page = page_of(address);

	if (page == UNMAPPED)
		return fault(cpu, address, is_write ? CAUSE_STORE : CAUSE_LOAD);
	if (is_write)
		host_of(page)[address % PAGE] = *byte;
	else
		*byte = host_of(page)[address % PAGE];
	if (is_write && m.has_code[page]) {
		m.told++;
		jit_invalidate(m.jit, (uint64_t)page * PAGE + address % PAGE, 1);
	}
	return true;
}

static bool slow_access(struct riscv_system_cpu *cpu, uint64_t address, unsigned size,
	enum riscv_access access, uint64_t *value)
{
	bool is_write = access == RISCV_ACCESS_WRITE;
	int page = page_of(address);
	struct jit_tlb *tlb = &cpu->tlb[cpu->mode & RISCV_MODE_REGIME];

	m.slow++;
	if (page == DEVICE) {
		if (!is_write)
			*value = m.device;
		else
			m.device = *value;
		if (is_write && m.on_device)
			m.on_device(*value);
		return true;
	}
	if (page_of(address + size - 1) == UNMAPPED && page != UNMAPPED)
		return fault(
			cpu, (address + size - 1) & -PAGE, is_write ? CAUSE_STORE : CAUSE_LOAD);
	if (!is_write)
		*value = 0;
	for (unsigned i = 0; i < size; i++)
		if (!access_byte(cpu, address + i, is_write, (uint8_t *)value + i))
			return false;
	if (!is_write)
		jit_tlb_set(&tlb->read, address, host_of(page));
	else if (!m.has_code[page])
		jit_tlb_set(&tlb->write, address, host_of(page));
	return true;
}

static void *reach(
	struct riscv_system_cpu *cpu, uint64_t address, unsigned size, enum riscv_access access)
{
	int page = page_of(address);

	m.slow++;
	if (page < 0) {
		fault(cpu, address, access == RISCV_ACCESS_WRITE ? CAUSE_STORE : CAUSE_LOAD);
		return NULL;
	}
	if (access == RISCV_ACCESS_WRITE && !m.has_code[page])
		jit_tlb_set(&cpu->tlb[cpu->mode & RISCV_MODE_REGIME].write, address, host_of(page));
	return host_of(page) + address % PAGE;
}

static bool find_code(struct riscv_system_cpu *cpu, uint64_t pc, struct riscv_code_page *ret)
{
	int page = page_of(pc);

	if (page < 0)
		return fault(cpu, pc, CAUSE_CODE);
	*ret = (struct riscv_code_page){ host_of(page), (uint64_t)page * PAGE, false };
	return true;
}

static enum jit_stop execute(
	struct riscv_system_cpu *cpu, const struct riscv_insn *insn, uint64_t *next)
{
	uint64_t value = cpu->cpu.x[insn->rs1];

	for (unsigned i = 0; i < RISCV_REGIMES; i++)
		jit_tlb_clear(&cpu->tlb[i]);
	switch (insn->imm & 0xfff) {
	case CSR_SPACE:
		cpu->address_space = (uint32_t)value;
		break;
	case CSR_FORGET:
		riscv_forget_code(cpu, value);
		break;
	case CSR_REGIME:
		cpu->mode = (uint32_t)value | RISCV_MODE_FLOAT;
		break;
	default:
		return JIT_STOP_ILLEGAL;
	}
	cpu->cpu.pc = *next;
	return JIT_STOP_MODE;
}

static bool use(struct riscv_system_cpu *cpu)
{
	cpu->mode |= RISCV_MODE_FLOAT;
	return true;
}

static const struct riscv_system_ops ops = { slow_access, reach, find_code, execute, use, use };

static void note_code(void *context, uint64_t page, bool has_code)
{
	m.has_code[page / PAGE] = has_code;
}

/* Page n of either address space is page n of memory. */
static int open_in(enum riscv_regime regime, const char *debug)
{
	const struct jit_options options = {
		.is_machine = true, .has_code = note_code, .debug = debug
	};
	struct error err = { 0 };

	memset(&m, 0, sizeof(m));
	m.memory = mmap(
		NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(m.map, UNMAPPED, sizeof(m.map));
	for (int i = 0; i < PAGES; i++)
		m.map[0][i] = m.map[1][i] = (int8_t)i;
	riscv_cpu_init(&m.hart.cpu, (struct jit_memory){ 0 });
	m.hart.cpu.is_system = true;
	m.hart.cpu.pc = VIRTUAL;
	m.hart.ops = &ops;
	m.hart.mode = regime | RISCV_MODE_FLOAT;
	for (unsigned i = 0; i < RISCV_REGIMES; i++)
		jit_tlb_clear(&m.hart.tlb[i]);
	catch_faults();
	return jit_open(&options, &m.jit, &err);
}

static int open_machine(void **state)
{
	return open_in(RISCV_REGIME_SUPERVISOR, NULL);
}

/* Whose code moves. */
static int open_program(void **state)
{
	return open_in(RISCV_REGIME_USER, NULL);
}

static int open_dense_program(void **state)
{
	return open_in(RISCV_REGIME_USER, "dense");
}

static int close_machine(void **state)
{
	riscv_cpu_release(&m.hart.cpu);
	m.jit = jit_free(m.jit);
	munmap(m.memory, PAGES * PAGE);
	return 0;
}

#define AT(offset, ...)                                                                            \
	memcpy(m.memory + (offset), (const uint32_t[]){ __VA_ARGS__ },                             \
		sizeof((const uint32_t[]){ __VA_ARGS__ }))

/* To something else than a change of mode; interpreted without a jit. */
static enum jit_stop go_on_with(struct jit *jit)
{
	enum jit_stop stop;

	do {
		stop = run(jit, &m.hart.cpu);
	} while (stop == JIT_STOP_MODE || stop == JIT_STOP_NEW_CODE);
	return stop;
}

static enum jit_stop go_on(void)
{
	return go_on_with(m.jit);
}

static void forget_pages(void)
{
	for (unsigned i = 0; i < RISCV_REGIMES; i++)
		jit_tlb_clear(&m.hart.tlb[i]);
}

/* From the same state and memory, interpreted and translated; that twice, since the second time
 * there are regions from the start. */
static void assert_same_as_interpreted(enum jit_stop wanted)
{
	static uint8_t before[PAGES * PAGE], expected[PAGES * PAGE];
	struct riscv_cpu from = m.hart.cpu, other;
	int8_t map[2][VIRTUAL_PAGES], map_after[2][VIRTUAL_PAGES];

	memcpy(before, m.memory, sizeof(before));
	memcpy(map, m.map, sizeof(map));
	for (unsigned turn = 0; turn < 3; turn++) {
		struct jit_frame frame = m.hart.cpu.frame;

		m.hart.cpu = from;
		m.hart.cpu.frame = frame;
		m.hart.cpu.interrupt = 0; /* code has been forgotten, perhaps */
		m.hart.address_space = 0;
		memcpy(m.map, map, sizeof(map));
		memcpy(m.memory, before, sizeof(before));
		forget_pages();
		assert_int_equal(go_on_with(turn ? m.jit : NULL), wanted);
		if (turn) {
			assert_same_state(&m.hart.cpu, &other);
			assert_memory_equal(m.memory, expected, sizeof(expected));
			assert_memory_equal(m.map, map_after, sizeof(map_after));
			if (wanted == JIT_STOP_FAULT)
				assert_int_equal(m.hart.cpu.fault_address, other.fault_address);
			continue;
		}
		other = m.hart.cpu;
		memcpy(expected, m.memory, sizeof(expected));
		memcpy(map_after, m.map, sizeof(map));
	}
	memcpy(m.map, map, sizeof(map));
	memcpy(m.memory, before, sizeof(before));
	m.hart.cpu.pc = from.pc;
}

static void fill_memory(void)
{
	for (unsigned i = PAGE; i < PAGES * PAGE; i++)
		m.memory[i] = (uint8_t)(i * 7 + (i >> 8));
}

static uint64_t *word(unsigned offset)
{
	return (uint64_t *)(void *)(m.memory + offset);
}

static void memory_is_reached_through_the_tlb(void **state)
{
	AT(0, ld(A0, A1, 8), addi(A0, A0, 1), sd(A0, A1, 16), sd(GP, A1, 24), ld(28, A1, 24),
		addi(A2, A2, 1), branch(1, A2, A3, -24), EBREAK);
	m.hart.cpu.x[A1] = VIRTUAL + 2 * PAGE;
	m.hart.cpu.x[A3] = HOT;
	m.hart.cpu.x[GP] = 77;
	*word(2 * PAGE + 8) = 41;
	assert_int_equal(go_on(), JIT_STOP_BREAKPOINT);
	assert_int_equal(*word(2 * PAGE + 16), 42);
	assert_int_equal(m.hart.cpu.x[28], 77);
	assert_int_equal(m.hart.cpu.pc, VIRTUAL + 28);
	assert_in_range(m.slow, 2, 8);
}

/* Each size from each place around the end of a page, against memcpy. */
static void pages_are_crossed(void **state)
{
	static const uint32_t loads[] = { 0x0005c503 /* lbu a0, (a1) */, 0x0005d503, 0x0005e503,
		0x0005b503 };
	static const uint32_t stores[] = { 0x00c58023 /* sb a2, (a1) */, 0x00c59023, 0x00c5a023,
		0x00c5b023 };

	m.map[0][3] = 7; /* what follows virtually lies elsewhere */
	for (unsigned i = 0; i < 4; i++) {
		AT(0, loads[i], EBREAK);
		AT(64, stores[i], EBREAK);
		riscv_forget_code(&m.hart, RISCV_ALL_ADDRESSES);
		jit_invalidate(m.jit, 0, PAGE);
		for (int at = -8; at <= 0; at++) {
			uint64_t expected = 0, value = UINT64_C(0x1122334455667788) + (unsigned)at;

			for (int n = 0; n < 8; n++) {
				m.memory[(at + n < 0 ? 3 * PAGE : 7 * PAGE) + (unsigned)(at + n)] =
					(uint8_t)(n + at * 3);
				if (n < 1 << i)
					expected |= (uint64_t)(uint8_t)(n + at * 3) << 8 * n;
			}
			m.hart.cpu.pc = VIRTUAL;
			m.hart.cpu.x[A1] = VIRTUAL + 3 * PAGE + (uint64_t)(int64_t)at;
			assert_int_equal(go_on(), JIT_STOP_BREAKPOINT);
			assert_int_equal(m.hart.cpu.x[A0], expected);
			m.hart.cpu.pc = VIRTUAL + 64;
			m.hart.cpu.x[A2] = value;
			assert_int_equal(go_on(), JIT_STOP_BREAKPOINT);
			for (int n = 0; n < 1 << i; n++)
				assert_int_equal(m.memory[(at + n < 0 ? 3 * PAGE : 7 * PAGE) +
							 (unsigned)(at + n)],
					(uint8_t)(value >> 8 * n));
		}
	}
}

/* Groups of accesses, wherever on the page or between two of them they lie; interpreted and
 * translated. The store in the middle is by a register of another page. */
static void groups_of_accesses_are_where_they_should(void **state)
{
	static uint8_t before[PAGES * PAGE], expected[PAGES * PAGE];
	struct riscv_cpu from, other;

	m.map[0][4] = 9;
	AT(0, ld(A0, A1, -16), ld(A2, A1, 24), add(A0, A0, A2), sd(A0, A1, 8), sd(A0, A3, 40),
		ld(A4, A1, 8), sd(A4, A1, -8), ld(A5, A3, 32), add(A0, A0, A5), sd(A0, A3, 48),
		addi(GP, GP, 1), branch(1, GP, TP, -44), EBREAK);
	for (unsigned i = 0; i < sizeof(before); i++)
		before[i] = (uint8_t)(i * 7 + (i >> 8));
	memcpy(before, m.memory, 64);
	m.hart.cpu.x[TP] = HOT;
	for (unsigned at = 0; at < 96; at += 4) {
		m.hart.cpu.pc = VIRTUAL;
		m.hart.cpu.x[GP] = 0;
		m.hart.cpu.x[A1] = VIRTUAL + 4 * PAGE - 48 + at;
		m.hart.cpu.x[A3] = VIRTUAL + 5 * PAGE - at % 60;
		from = m.hart.cpu;
		memcpy(m.memory, before, sizeof(before));
		assert_int_equal(run(NULL, &m.hart.cpu), JIT_STOP_BREAKPOINT);
		other = m.hart.cpu;
		memcpy(expected, m.memory, sizeof(before));
		m.hart.cpu = from;
		memcpy(m.memory, before, sizeof(before));
		assert_int_equal(go_on(), JIT_STOP_BREAKPOINT);
		assert_memory_equal(m.memory, expected, sizeof(before));
		assert_same_state(&m.hart.cpu, &other);
	}
}

/* Code without groups is found by an entry of its own in the thread's table, which may be older. */
static void code_without_groups_is_forgotten(void **state)
{
	AT(0, ld(A0, A1, -16), ld(A2, A1, 24), add(A0, A0, A2), EBREAK);
	m.hart.cpu.x[A1] = VIRTUAL + 4 * PAGE;
	*word(3 * PAGE + PAGE - 16) = 40;
	*word(4 * PAGE + 24) = 2;
	for (int i = 0; i < 3; i++) {
		m.hart.cpu.pc = VIRTUAL;
		assert_int_equal(go_on(), JIT_STOP_BREAKPOINT);
		assert_int_equal(m.hart.cpu.x[A0], 42 - i);
		AT(0, ld(A0, A1, -16), ld(A2, A1, 24), add(A0, A0, A2), addi(A0, A0, -1 - i),
			EBREAK);
		jit_invalidate(m.jit, 8, 16);
	}
}

/* Vectors that begin anywhere, are on two pages, and end with fewer elements. */
static void vectors_are_where_they_should(void **state)
{
	static uint8_t before[PAGES * PAGE], expected[PAGES * PAGE];
	struct riscv_cpu from, other;

	AT(0, 0x0d1572d7 /* vsetvli t0, a0, e32, m2, ta, ma */, 0x0205e107 /* vle32.v v2, (a1) */,
		0x0221b157 /* vadd.vi v2, v2, 3 */, 0x02211257 /* vfadd.vv v4, v2, v2 */,
		0x02066127 /* vse32.v v2, (a2) */, 0x02076227 /* vse32.v v4, (a4) */,
		0x40550533 /* sub a0, a0, t0 */, 0x00229313 /* slli t1, t0, 2 */, add(A1, A1, T1),
		add(A2, A2, T1), add(A4, A4, T1), branch(1, A0, ZERO, -44), EBREAK);
	m.map[0][4] = 9;
	for (unsigned i = 64; i < sizeof(before); i++)
		before[i] = (uint8_t)(i * 7 + (i >> 8));
	memcpy(before, m.memory, 64);
	for (unsigned at = 0; at < 40; at += 4) {
		m.hart.mode = RISCV_REGIME_SUPERVISOR | RISCV_MODE_FLOAT | RISCV_MODE_VECTOR;
		m.hart.cpu.pc = VIRTUAL;
		m.hart.cpu.x[A0] = HOT + at / 4;
		m.hart.cpu.x[A1] = VIRTUAL + 3 * PAGE + 8 + at;
		m.hart.cpu.x[A2] = VIRTUAL + 8 * PAGE - at;
		m.hart.cpu.x[A4] = VIRTUAL + 2 * PAGE + at;
		from = m.hart.cpu;
		for (unsigned i = 0; i < 2; i++) {
			struct jit *jit = i ? m.jit : NULL;

			m.hart.cpu = from;
			memcpy(m.memory, before, sizeof(before));
			while (run(jit, &m.hart.cpu) == JIT_STOP_MODE)
				;
			if (!i) {
				memcpy(expected, m.memory, sizeof(before));
			} else {
				assert_same_state(&m.hart.cpu, &other);
				assert_memory_equal(m.hart.cpu.v, other.v, sizeof(other.v));
			}
			other = m.hart.cpu;
			from.frame = m.hart.cpu.frame;
		}
		assert_memory_equal(m.memory, expected, sizeof(before));
	}
}

/* Up one stream and down another, over pages that lie anywhere, each step misaligned in another
 * way, until one of them comes to a page that is not there. */
static void streams_cross_pages_at_either_end(void **state)
{
	static const int8_t places[] = { 9, 3, 12, 5, 14, 4, 7, 11 };

	fill_memory();
	for (unsigned i = 0; i < sizeof(places); i++) {
		m.map[0][16 + i] = places[i];
		m.map[0][1 + i] = places[(i + 3) % sizeof(places)];
	}
	m.map[0][9] = UNMAPPED;
	m.map[0][15] = UNMAPPED;
	for (int step = 1; step <= 13; step += 3) {
		AT(0, ld(A0, A1, 0), 0x0025c703 /* lbu a4, 2(a1) */, add(A0, A0, A4), ld(T0, A5, 0),
			add(A0, A0, T0), addi(A5, A5, 1), addi(A0, A0, 1),
			s_type(0x23, 1, A2, A0, 0) /* sh a0, (a2) */,
			s_type(0x23, 3, A2, A0, 4) /* sd a0, 4(a2) */, addi(A1, A1, step),
			addi(A2, A2, 2 - 2 * step), addi(A3, A3, 1), jal(ZERO, -48));
		m.hart.cpu.x[A1] = VIRTUAL + 2 * PAGE - 100 + (unsigned)step;
		m.hart.cpu.x[A5] = VIRTUAL + 17 * PAGE - 50;
		m.hart.cpu.x[A2] = VIRTUAL + 23 * PAGE + 100;
		riscv_forget_code(&m.hart, RISCV_ALL_ADDRESSES);
		jit_invalidate(m.jit, 0, PAGE);
		assert_same_as_interpreted(JIT_STOP_FAULT);
	}
}

/* Every fourth time, so that what has been looked up is used meanwhile. */
static void move_page(uint64_t value)
{
	struct jit_tlb *tlb = &m.hart.tlb[m.hart.mode & RISCV_MODE_REGIME];

	if (value & 3)
		return;
	m.map[0][4] = value & 4 ? 9 : 4;
	m.map[0][5] = value == HOT - 48 ? UNMAPPED : 5;
	jit_tlb_clear_page(tlb, VIRTUAL + 4 * PAGE);
	jit_tlb_clear_page(tlb, VIRTUAL + 5 * PAGE);
}

/* A device in the middle of the stream, whose writes move one page about and at last take another
 * away: the loop goes on in translated code behind each of them, and must not know the old place.
 * Groups, and lone accesses. */
static void a_page_that_has_moved_is_found_where_it_is(void **state)
{
	fill_memory();
	m.map[0][6] = DEVICE;
	m.on_device = move_page;
	AT(0, ld(A0, A1, 8), add(S0, S0, A0), sd(S0, A1, 16), sd(GP, A3, 0), ld(A4, T1, 24),
		add(S0, S0, A4), sd(S0, T2, 40), ld(A4, A2, 8), addi(GP, GP, 1),
		branch(1, GP, TP, -36), EBREAK);
	m.hart.cpu.x[A1] = m.hart.cpu.x[T1] = m.hart.cpu.x[T2] = VIRTUAL + 4 * PAGE;
	m.hart.cpu.x[A2] = VIRTUAL + 5 * PAGE;
	m.hart.cpu.x[A3] = VIRTUAL + 6 * PAGE;
	m.hart.cpu.x[TP] = HOT;
	assert_same_as_interpreted(JIT_STOP_FAULT);
	assert_int_equal(m.hart.cpu.x[GP], HOT - 48);
	m.hart.cpu.x[GP] = 0;
	m.hart.cpu.x[TP] = HOT - 60;
	assert_same_as_interpreted(JIT_STOP_BREAKPOINT);
}

/* The device's function writes to what registers of the host are used for in translated code. */
static void a_group_outlasts_a_device(void **state)
{
	fill_memory();
	m.map[0][6] = DEVICE;
	AT(0, ld(A0, A1, 8), sd(A0, A3, 0), ld(A4, A1, 16), sd(GP, A1, 24), addi(GP, GP, 1),
		branch(1, GP, TP, -20), EBREAK);
	m.hart.cpu.x[A1] = VIRTUAL + 4 * PAGE;
	m.hart.cpu.x[A3] = VIRTUAL + 6 * PAGE;
	m.hart.cpu.x[TP] = HOT;
	assert_same_as_interpreted(JIT_STOP_BREAKPOINT);
}

/* Another address space in every eighth turn, in the midst of the loop. */
static void a_loop_remembers_nothing_of_another_address_space(void **state)
{
	fill_memory();
	m.map[1][4] = 9;
	AT(0, ld(A0, A1, 8), add(S0, S0, A0), sd(S0, A2, 16), addi(GP, GP, 1),
		0x0071f293 /* andi t0, gp, 7 */, branch(1, T0, ZERO, 16),
		0x0031d313 /* srli t1, gp, 3 */, 0x00137313 /* andi t1, t1, 1 */,
		csrrw(ZERO, CSR_SPACE, T1), branch(1, GP, TP, -36), EBREAK);
	m.hart.cpu.x[A1] = m.hart.cpu.x[A2] = VIRTUAL + 4 * PAGE;
	m.hart.cpu.x[TP] = HOT;
	assert_same_as_interpreted(JIT_STOP_BREAKPOINT);
}

/* What is read and then written by the same register looks for a page that may be written. One of
 * these pages has code, whose writes are told. */
static void what_is_read_before_it_is_written_is_told(void **state)
{
	fill_memory();
	AT(0, ld(A0, A1, 0), addi(A0, A0, 1), sd(A0, A1, 8), ld(A4, A2, 0), sd(A4, A2, 16),
		addi(A1, A1, 8), addi(GP, GP, 1), branch(1, GP, TP, -28), EBREAK);
	AT(3 * PAGE, NOP, EBREAK);
	m.hart.cpu.pc = VIRTUAL + 3 * PAGE;
	assert_int_equal(go_on(), JIT_STOP_BREAKPOINT);
	m.hart.cpu.pc = VIRTUAL;
	m.hart.cpu.x[A1] = VIRTUAL + 4 * PAGE;
	m.hart.cpu.x[A2] = VIRTUAL + 3 * PAGE + 512;
	m.hart.cpu.x[TP] = HOT;
	assert_true(m.has_code[3]);
	m.told = 0;
	assert_same_as_interpreted(JIT_STOP_BREAKPOINT);
	assert_int_equal(m.told, 3 * 8 * HOT); /* bytes */
}

/* More accesses, by registers that change each time, than there are entries to remember; most
 * addresses have no register of the host. */
static void a_loop_may_have_more_accesses_than_are_remembered(void **state)
{
	enum { FIRST = 8, REGISTERS = 20, EACH = 3 };
	uint32_t *at = (uint32_t *)(void *)m.memory, *start = at;

	fill_memory();
	for (unsigned n = 0; n < EACH; n++)
		for (unsigned i = FIRST; i < FIRST + REGISTERS; i++) {
			*at++ = i % 3 ? ld(A0 - 3, i, 8) : sd(A0 - 3, i, -8);
			*at++ = add(A0 - 4, A0 - 4, A0 - 3);
			*at++ = addi(i, i, i % 2 ? 8 : -16);
		}
	*at++ = addi(GP, GP, 1);
	*at = branch(1, GP, TP, (int)((start - at) * 4));
	at++;
	*at = EBREAK;
	for (unsigned i = FIRST; i < FIRST + REGISTERS; i++)
		m.hart.cpu.x[i] = VIRTUAL + (i % 2 ? 2 : 14) * PAGE + 16 * i;
	m.hart.cpu.x[TP] = 1100;
	m.hart.cpu.x[GP] = 1000;
	assert_same_as_interpreted(JIT_STOP_BREAKPOINT);
}

static void faults_come_before_anything_is_done(void **state)
{
	AT(0, addi(A0, A0, 1), sd(A0, A1, 0), ld(A1, A1, 8), EBREAK);
	m.hart.cpu.x[A1] = VIRTUAL + PAGES * PAGE - 8;
	assert_int_equal(go_on(), JIT_STOP_FAULT);
	assert_int_equal(m.hart.cpu.pc, VIRTUAL + 8);
	assert_int_equal(m.hart.cpu.fault_address, VIRTUAL + PAGES * PAGE);
	assert_int_equal(m.hart.cpu.fault_code, CAUSE_LOAD);
	assert_int_equal(m.hart.cpu.x[A1], VIRTUAL + PAGES * PAGE - 8);
	/* Where nothing can be executed, too. */
	m.hart.cpu.pc = VIRTUAL + PAGES * PAGE;
	assert_int_equal(go_on(), JIT_STOP_FAULT);
	assert_int_equal(m.hart.cpu.fault_code, CAUSE_CODE);
}

static void devices_are_always_asked(void **state)
{
	m.map[0][4] = DEVICE;
	AT(0, sd(A2, A1, 0), ld(A0, A1, 0), addi(A2, A2, 1), branch(1, A2, A3, -12), EBREAK);
	m.hart.cpu.x[A1] = VIRTUAL + 4 * PAGE;
	m.hart.cpu.x[A3] = HOT;
	assert_int_equal(go_on(), JIT_STOP_BREAKPOINT);
	assert_int_equal(m.slow, 2 * HOT);
	assert_int_equal(m.hart.cpu.x[A0], HOT - 1);
}

/* amoadd, amoor, lr and sc; an operand in a register and one in the state (x31). */
static void atomics_work_in_place(void **state)
{
	AT(0, 0x00c5b52f /* amoadd.d a0, a2, (a1) */, 0x41f5b6af /* amoor.d a3, t6, (a1) */,
		0x1005b72f /* lr.d a4, (a1) */, 0x18c5b7af /* sc.d a5, a2, (a1) */,
		0x18c5b82f /* sc.d a6, a2, (a1): no reservation */, addi(GP, GP, 1),
		branch(1, GP, TP, -24), EBREAK);
	m.hart.cpu.x[A1] = VIRTUAL + 2 * PAGE + 8;
	m.hart.cpu.x[A2] = 5;
	m.hart.cpu.x[31] = 0x100;
	m.hart.cpu.x[TP] = HOT;
	assert_int_equal(go_on(), JIT_STOP_BREAKPOINT);
	assert_int_equal(m.hart.cpu.x[A0], 5);
	assert_int_equal(m.hart.cpu.x[A3], 10);
	assert_int_equal(m.hart.cpu.x[A4], 0x10a);
	assert_int_equal(m.hart.cpu.x[A5], 0);
	assert_int_equal(m.hart.cpu.x[A6], 1);
	assert_int_equal(*word(2 * PAGE + 8), 5);
	assert_in_range(m.slow, 1, 12);
	m.hart.cpu.pc = VIRTUAL;
	m.hart.cpu.x[A1] += 4;
	assert_int_equal(go_on(), JIT_STOP_FAULT);
	assert_int_equal(m.hart.cpu.fault_code, CAUSE_STORE_MISALIGNED);
}

/* A loop over three pages with a call, and an instruction on two of them. */
static void code_goes_from_page_to_page(void **state)
{
	AT(PAGE - 6, 0x0001 /* c.nop, and what is overwritten */);
	AT(0, jal(ZERO, PAGE - 8));
	AT(PAGE - 8, jal(ZERO, 6));
	AT(PAGE - 2, addi(A0, A0, 3), jal(RA, 2 * PAGE - 2), addi(A2, A2, 1),
		branch(1, A2, A3, -18), EBREAK);
	AT(3 * PAGE, addi(A4, A4, 7), RET);
	m.hart.cpu.x[A3] = HOT;
	assert_int_equal(go_on(), JIT_STOP_BREAKPOINT);
	assert_int_equal(m.hart.cpu.x[A0], 3 * HOT);
	assert_int_equal(m.hart.cpu.x[A4], 7 * HOT);
	/* The second half of it comes from elsewhere now. */
	memcpy(m.memory + 5 * PAGE, m.memory + PAGE, PAGE);
	m.map[0][1] = 5;
	*(uint16_t *)(void *)(m.memory + 5 * PAGE) = 0x0095; /* addi a0, a0, 9 */
	m.hart.cpu.pc = VIRTUAL + PAGE - 2;
	m.hart.cpu.x[A2] = HOT - 1;
	m.hart.cpu.x[A0] = 0;
	riscv_forget_code(&m.hart, VIRTUAL + PAGE);
	assert_int_equal(go_on(), JIT_STOP_BREAKPOINT);
	assert_int_equal(m.hart.cpu.x[A0], 9);
}

static void code_that_is_written_is_new_after_a_fence(void **state)
{
	/* The page is open for writes before it is one of code. */
	AT(0, sd(A5, A1, 64), 0x00c5a023 /* sw a2, (a1) */, FENCE_I, jalr(RA, A1, 0),
		add(A3, A3, A0), addi(A2, A2, 0), add(A2, A2, A4), addi(GP, GP, 1),
		branch(1, GP, TP, -28), EBREAK);
	AT(2 * PAGE, 0, RET);
	m.hart.cpu.x[A1] = VIRTUAL + 2 * PAGE;
	m.hart.cpu.x[A2] = addi(A0, ZERO, 1);
	m.hart.cpu.x[A4] = 1 << 20; /* the next immediate */
	m.hart.cpu.x[TP] = 100;
	assert_int_equal(go_on(), JIT_STOP_BREAKPOINT);
	assert_int_equal(m.hart.cpu.x[A3], 5050);
	assert_int_equal(m.told, 99);
}

/* The same address is other code in each of two, and what was translated is found again. */
static void address_spaces_are_kept_apart(void **state)
{
	m.map[0][2] = 2;
	m.map[1][2] = 3;
	AT(2 * PAGE, addi(A0, A0, 1), RET);
	AT(3 * PAGE, addi(A0, A0, 100), RET);
	AT(0, csrrw(ZERO, CSR_SPACE, A5), jal(RA, 2 * PAGE - 4), 0x0017c793 /* xori a5, a5, 1 */,
		addi(A2, A2, 1), branch(1, A2, A3, -16), EBREAK);
	m.hart.cpu.x[A3] = 1000;
	assert_int_equal(go_on(), JIT_STOP_BREAKPOINT);
	assert_int_equal(m.hart.cpu.x[A0], 500 * 101);
}

/* A call is not returned from into what was mapped there before. */
static void a_return_goes_to_what_is_there_now(void **state)
{
	AT(0, jal(RA, 2 * PAGE), addi(A0, ZERO, 1), EBREAK);
	AT(2 * PAGE, csrrw(ZERO, CSR_SPACE, A5), RET);
	m.map[1][0] = 5;
	AT(5 * PAGE + 4, addi(A0, ZERO, 2), EBREAK);
	m.hart.cpu.x[A5] = 1;
	assert_int_equal(go_on(), JIT_STOP_BREAKPOINT);
	assert_int_equal(m.hart.cpu.x[A0], 2);
}

static void regimes_have_tables_of_their_own(void **state)
{
	struct jit_tlb *tlb = m.hart.tlb;

	AT(0, ld(A0, A1, 0), csrrw(ZERO, CSR_REGIME, A5), ld(A2, A1, 0), EBREAK);
	m.hart.cpu.x[A1] = VIRTUAL + 2 * PAGE;
	m.hart.cpu.x[A5] = RISCV_REGIME_USER;
	*word(2 * PAGE) = 1;
	assert_int_equal(go_on(), JIT_STOP_BREAKPOINT);
	*word(3 * PAGE) = 2;
	jit_tlb_set(&tlb[RISCV_REGIME_SUPERVISOR].read, VIRTUAL + 2 * PAGE, host_of(2));
	jit_tlb_set(&tlb[RISCV_REGIME_USER].read, VIRTUAL + 2 * PAGE, host_of(3));
	m.hart.cpu.pc = VIRTUAL + 8;
	assert_int_equal(go_on(), JIT_STOP_BREAKPOINT);
	assert_int_equal(m.hart.cpu.x[A2], 2);
}

/* Nothing is translated for the mode that does not know floating point to be in use. */
static void floating_point_is_noted(void **state)
{
	m.hart.mode = RISCV_REGIME_SUPERVISOR;
	AT(0, 0x02a57553 /* fadd.d fa0, fa0, fa0 */, addi(A2, A2, 1), branch(1, A2, A3, -8),
		EBREAK);
	m.hart.cpu.x[A3] = 10;
	m.hart.cpu.f[10] = UINT64_C(0x3ff0000000000000);
	assert_int_equal(go_on(), JIT_STOP_BREAKPOINT);
	assert_int_equal(m.hart.cpu.f[10], UINT64_C(0x4090000000000000)); /* 1024.0 */
	assert_true(m.hart.mode & RISCV_MODE_FLOAT);
}

/* Deeper than the shadow stack. */
static void recursion_is_as_deep_as_it_likes(void **state)
{
	AT(0, jal(RA, PAGE), EBREAK);
	AT(PAGE, addi(SP, SP, -16), sd(RA, SP, 0), addi(A0, A0, -1), branch(0, A0, ZERO, 8),
		jal(RA, -16), ld(RA, SP, 0), addi(SP, SP, 16), addi(A1, A1, 1), RET);
	m.hart.cpu.x[SP] = VIRTUAL + 15 * PAGE;
	m.hart.cpu.x[A0] = 2500;
	assert_int_equal(go_on(), JIT_STOP_BREAKPOINT);
	assert_int_equal(m.hart.cpu.x[A1], 2500);
	assert_int_equal(m.hart.cpu.x[SP], VIRTUAL + 15 * PAGE);
}

/* A change of mode does not lead out of translated code, and each mode finds its own returns again,
 * however many there are; a2 is the depth, and s0 has a mode for each. */
static void modes_are_changed_at_any_depth(void **state)
{
	enum { DEPTH = 40 };
	enum jit_stop stop;

	AT(0, jal(RA, PAGE), EBREAK);
	AT(PAGE, addi(SP, SP, -16), sd(RA, SP, 0), addi(A2, A2, -1), addi(S0, S0, 8), ld(A0, S0, 0),
		csrrw(ZERO, CSR_REGIME, A0), addi(A1, A1, 1), branch(0, A2, ZERO, 8), jal(RA, -32),
		ld(A0, S0, 0), csrrw(ZERO, CSR_REGIME, A0), addi(S0, S0, -8), add(A3, A3, A0),
		ld(RA, SP, 0), addi(SP, SP, 16), RET);
	for (unsigned i = 0; i <= DEPTH; i++)
		*word(2 * PAGE + 8 * i) = i % RISCV_REGIMES | (i / 4 & 1 ? RISCV_MODE_VECTOR : 0) |
			(i / 8 & 1 ? RISCV_MODE_ZERO : 0);
	for (unsigned turn = 0; turn < 3; turn++) {
		m.hart.cpu.pc = VIRTUAL;
		m.hart.cpu.x[SP] = VIRTUAL + 15 * PAGE;
		m.hart.cpu.x[S0] = VIRTUAL + 2 * PAGE;
		m.hart.cpu.x[A1] = m.hart.cpu.x[A3] = 0;
		m.hart.cpu.x[A2] = DEPTH;
		stop = run(m.jit, &m.hart.cpu);
		/* It may leave when another page has been translated from. */
		assert_true(stop == JIT_STOP_BREAKPOINT || turn == 0);
		if (stop != JIT_STOP_BREAKPOINT)
			assert_int_equal(go_on(), JIT_STOP_BREAKPOINT);
		assert_int_equal(m.hart.cpu.x[A1], DEPTH);
		assert_int_equal(m.hart.cpu.x[S0], VIRTUAL + 2 * PAGE);
		assert_int_equal(m.hart.cpu.x[SP], VIRTUAL + 15 * PAGE);
		assert_int_equal(m.hart.cpu.pc, VIRTUAL + 4);
	}
}

/* A program's code at another address is the same code: a loop, a call at the end of the page whose
 * return is on the next one, and addresses that are counted from there. */
static void run_at(uint64_t at, unsigned added)
{
	m.hart.cpu.pc = at;
	m.hart.cpu.x[A1] = m.hart.cpu.x[A4] = 0;
	m.hart.cpu.x[A3] = HOT;
	assert_int_equal(go_on(), JIT_STOP_BREAKPOINT);
	assert_int_equal(m.hart.cpu.x[A0], at);
	assert_int_equal(m.hart.cpu.x[A1], HOT);
	assert_int_equal(m.hart.cpu.x[A2], at + PAGE - 4 + 2 * PAGE);
	assert_int_equal(m.hart.cpu.x[A4], added);
	assert_int_equal(m.hart.cpu.x[RA], at + PAGE);
	assert_int_equal(m.hart.cpu.pc, at + PAGE + 8);
}

static void a_programs_code_runs_at_any_address(void **state)
{
	uint64_t blocks, regions;

	m.hart.mode = RISCV_REGIME_USER | RISCV_MODE_FLOAT;
	m.map[0][7] = m.map[1][9] = 1;
	m.map[0][8] = m.map[1][10] = 2;
	AT(PAGE, 0x00000517 /* auipc a0, 0 */, addi(A1, A1, 1), addi(A3, A3, -1),
		branch(1, A3, ZERO, -8), jal(ZERO, PAGE - 8 - 16));
	AT(2 * PAGE - 8, 0x00002617 /* auipc a2, 2 */, jal(RA, 64));
	AT(2 * PAGE, addi(A2, A2, 4), jal(ZERO, 4), EBREAK);
	AT(2 * PAGE + 60, addi(A4, A4, 1), RET);
	run_at(VIRTUAL + PAGE, 1);
	blocks = m.jit->stats.blocks;
	regions = m.jit->stats.regions;
	assert_true(regions);
	run_at(VIRTUAL + 7 * PAGE, 1);
	m.hart.address_space = 1;
	run_at(VIRTUAL + 9 * PAGE, 1);
	assert_int_equal(m.jit->stats.blocks, blocks);
	assert_int_equal(m.jit->stats.regions, regions);
	/* What changes, changes everywhere. */
	AT(2 * PAGE + 60, addi(A4, A4, 2));
	jit_invalidate(m.jit, 2 * PAGE + 60, 4);
	run_at(VIRTUAL + 9 * PAGE, 2);
	m.hart.address_space = 0;
	run_at(VIRTUAL + 7 * PAGE, 2);
	run_at(VIRTUAL + PAGE, 2);
}

/* --- memory of what was translated -------------------------------------------------------------
 */

static bool is_over;

static void *empty_the_cache(void *argument)
{
	while (!__atomic_load_n(&is_over, __ATOMIC_SEQ_CST)) {
		jit_lock(m.jit, NULL);
		jit_flush(m.jit, NULL);
		jit_unlock(m.jit, NULL);
		sched_yield();
	}
	return NULL;
}

/* A hart that writes beside code all the time tells of that while another thread empties the cache,
 * and waits for the hart to leave it. */
static void writes_to_code_are_told_while_the_cache_is_emptied(void **state)
{
	pthread_t thread;

	alarm(60);
	AT(0, sd(A2, A1, 0), jal(RA, PAGE - 4), addi(A2, A2, 1), branch(1, A2, A3, -12), EBREAK);
	AT(PAGE, addi(A4, A4, 7), RET);
	m.hart.cpu.x[A1] = VIRTUAL + PAGE + 64;
	m.hart.cpu.x[A3] = 20 * HOT;
	is_over = false;
	assert_int_equal(pthread_create(&thread, NULL, empty_the_cache, NULL), 0);
	assert_int_equal(go_on(), JIT_STOP_BREAKPOINT);
	__atomic_store_n(&is_over, true, __ATOMIC_SEQ_CST);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(m.hart.cpu.x[A4], 7 * 20 * HOT);
	assert_true(m.told > 0);
	alarm(0);
}

static unsigned nr_with_code;

static void count_code(void *context, uint64_t page, bool has_code)
{
	nr_with_code += has_code ? 1 : -1u;
}

static struct jit_source source_of(uint64_t i)
{
	uint64_t page = i * 0x35000; /* far apart */

	return (struct jit_source){
		.pc = VIRTUAL, .context = page | 1, .offset = (int64_t)page + 0x1000
	};
}

static void any_number_of_pages_has_code(void **state)
{
	const struct jit_options options = { .is_machine = true, .has_code = count_code };
	struct error err = { 0 };
	struct jit *jit;

	assert_int_equal(jit_open(&options, &jit, &err), 0);
	nr_with_code = 0;
	for (unsigned i = 0; i < HOT; i++) {
		const struct jit_source source = source_of(i);

		assert_true(jit_mark_page(jit, &source));
		assert_true(jit_mark_page(jit, &source));
	}
	assert_int_equal(nr_with_code, HOT);
	for (unsigned i = 0; i < HOT; i++) {
		struct jit_page *page = jit_find_page(jit, source_of(i).context + 8);

		assert_non_null(page);
		assert_int_equal(page->physical, source_of(i).context & -PAGE);
	}
	assert_null(jit_find_page(jit, source_of(HOT).context));
	assert_true(jit_shrink(jit, 0));
	assert_int_equal(nr_with_code, 0);
	assert_null(jit_find_page(jit, source_of(0).context));
	jit_free(jit);
}

static void the_table_of_pages_has_an_end(void **state)
{
	const struct jit_options options = { .is_machine = true, .has_code = count_code };
	struct error err = { 0 };
	struct jit *jit;
	uint64_t i = 0;

	assert_int_equal(jit_open(&options, &jit, &err), 0);
	nr_with_code = 0;
	for (bool has_room = true; has_room; i++) {
		const struct jit_source source = source_of(i);

		has_room = jit_mark_page(jit, &source);
	}
	assert_int_equal(nr_with_code, i - 1);
	assert_true(i > 100000);
	assert_non_null(jit_find_page(jit, source_of(i / 2).context));
	jit_free(jit);
}

/* It goes on where it is, with code that is made again. */
static void a_cache_that_was_given_back_fills_again(void **state)
{
	AT(0, addi(A0, A0, 1), jal(RA, PAGE - 4), addi(A2, A2, 1), branch(1, A2, A3, -12), EBREAK);
	AT(PAGE, addi(A4, A4, 7), RET);
	m.hart.cpu.x[A3] = HOT;
	for (unsigned i = 1; i <= 3; i++) {
		m.hart.cpu.pc = VIRTUAL;
		m.hart.cpu.x[A2] = 0;
		assert_int_equal(go_on(), JIT_STOP_BREAKPOINT);
		assert_int_equal(m.hart.cpu.x[A4], 7 * HOT * i);
		assert_true(m.has_code[0] && m.has_code[1]);
		/* Not for what there is. */
		assert_true(jit_shrink(m.jit, JIT_CACHE_BYTES_MAX));
		assert_true(m.has_code[0] && m.has_code[1]);
		assert_true(jit_shrink(m.jit, 0));
		assert_false(m.has_code[0] || m.has_code[1]);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_machine, close_machine)
#define TEST_WITH(name, how)                                                                       \
	{                                                                                          \
#name " (" #how ")", name, open_##how, close_machine, NULL                         \
	}
#define TESTS(name) TEST(name), TEST_WITH(name, program), TEST_WITH(name, dense_program)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TESTS(memory_is_reached_through_the_tlb),
		TESTS(pages_are_crossed),
		TESTS(groups_of_accesses_are_where_they_should),
		TESTS(code_without_groups_is_forgotten),
		TESTS(vectors_are_where_they_should),
		TESTS(streams_cross_pages_at_either_end),
		TESTS(a_page_that_has_moved_is_found_where_it_is),
		TESTS(a_group_outlasts_a_device),
		TESTS(a_loop_remembers_nothing_of_another_address_space),
		TESTS(what_is_read_before_it_is_written_is_told),
		TESTS(a_loop_may_have_more_accesses_than_are_remembered),
		TESTS(faults_come_before_anything_is_done),
		TESTS(devices_are_always_asked),
		TESTS(atomics_work_in_place),
		TESTS(code_goes_from_page_to_page),
		TESTS(code_that_is_written_is_new_after_a_fence),
		TEST(address_spaces_are_kept_apart),
		TESTS(a_return_goes_to_what_is_there_now),
		TEST(regimes_have_tables_of_their_own),
		TEST(floating_point_is_noted),
		TESTS(recursion_is_as_deep_as_it_likes),
		TEST(modes_are_changed_at_any_depth),
		TEST(a_programs_code_runs_at_any_address),
		TEST(writes_to_code_are_told_while_the_cache_is_emptied),
		TEST(a_cache_that_was_given_back_fills_again),
		cmocka_unit_test(any_number_of_pages_has_code),
		cmocka_unit_test(the_table_of_pages_has_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
