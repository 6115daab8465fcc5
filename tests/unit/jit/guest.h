/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guest.h - small guest programs for tests: RISC-V words, a page at an address of its own to put
 * them in, and a hart that runs them.
 */
#pragma once

#include "unit/test.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "jit/riscv/cpu.h"

#define CODE	   UINT64_C(0x20000000)
#define CODE_BYTES UINT64_C(0x4000)
#define DATA	   (CODE + 0x10000)
#define DATA_BYTES 0x10000u
#define DATA_END   (DATA + DATA_BYTES) /* behind it a page that cannot be accessed */
#define PAGE	   4096u

enum { ZERO, RA, SP, GP, TP, T0, T1, T2, S0, S1, A0, A1, A2, A3, A4, A5, A6, A7, S2, S3 };

#define EBREAK	0x00100073u
#define ECALL	0x00000073u
#define FENCE_I 0x0000100fu
#define RET	0x00008067u
#define NOP	0x00000013u

static inline uint32_t i_type(unsigned op, unsigned f3, unsigned rd, unsigned rs1, int imm)
{
	return op | rd << 7 | f3 << 12 | rs1 << 15 | ((unsigned)imm & 0xfff) << 20;
}

static inline uint32_t addi(unsigned rd, unsigned rs1, int imm)
{
	return i_type(0x13, 0, rd, rs1, imm);
}

static inline uint32_t add(unsigned rd, unsigned rs1, unsigned rs2)
{
	return 0x33 | rd << 7 | rs1 << 15 | rs2 << 20;
}

static inline uint32_t lui(unsigned rd, unsigned high)
{
	return 0x37 | rd << 7 | high << 12;
}

static inline uint32_t ld(unsigned rd, unsigned rs1, int imm)
{
	return i_type(0x03, 3, rd, rs1, imm);
}

static inline uint32_t s_type(unsigned op, unsigned f3, unsigned rs1, unsigned rs2, int imm)
{
	return op | ((unsigned)imm & 31) << 7 | f3 << 12 | rs1 << 15 | rs2 << 20 |
		((unsigned)imm >> 5 & 0x7f) << 25;
}

static inline uint32_t sd(unsigned rs2, unsigned rs1, int imm)
{
	return s_type(0x23, 3, rs1, rs2, imm);
}

/* f3: 0 beq, 1 bne, 4 blt, 5 bge */
static inline uint32_t branch(unsigned f3, unsigned rs1, unsigned rs2, int by)
{
	unsigned imm = (unsigned)by;

	return 0x63 | (imm >> 11 & 1) << 7 | (imm >> 1 & 15) << 8 | f3 << 12 | rs1 << 15 |
		rs2 << 20 | (imm >> 5 & 63) << 25 | (imm >> 12 & 1) << 31;
}

static inline uint32_t jal(unsigned rd, int by)
{
	unsigned imm = (unsigned)by;

	return 0x6f | rd << 7 | (imm >> 12 & 0xff) << 12 | (imm >> 11 & 1) << 20 |
		(imm >> 1 & 0x3ff) << 21 | (imm >> 20 & 1) << 31;
}

static inline uint32_t jalr(unsigned rd, unsigned rs1, int imm)
{
	return i_type(0x67, 0, rd, rs1, imm);
}

static inline uint32_t csrrw(unsigned rd, unsigned csr, unsigned rs1)
{
	return i_type(0x73, 1, rd, rs1, (int)csr);
}

static inline uint32_t csrrs(unsigned rd, unsigned csr, unsigned rs1)
{
	return i_type(0x73, 2, rd, rs1, (int)csr);
}

/* The hart that the handler of SIGSEGV asks about; each thread has one. */
static __thread struct riscv_cpu *running;

static inline void on_fault(int signal, siginfo_t *info, void *context)
{
	if (!running || !riscv_fault(running, info, context))
		_exit(99);
}

/* Returns the one before, which a thread must have again when it ends: AddressSanitizer unmaps it.
 */
static inline stack_t use_signal_stack(void *stack, size_t size)
{
	const stack_t alternate = { .ss_sp = stack, .ss_size = size };
	stack_t before;

	assert_int_equal(sigaltstack(&alternate, &before), 0);
	return before;
}

/* cmocka has handlers of its own at the beginning of each test. */
static inline void catch_faults(void)
{
	static char stack[1 << 16];
	const struct sigaction action = { .sa_sigaction = on_fault,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };

	use_signal_stack(stack, sizeof(stack));
	assert_int_equal(sigaction(SIGSEGV, &action, NULL), 0);
	assert_int_equal(sigaction(SIGBUS, &action, NULL), 0);
}

/* The guest's memory. */
static inline int map_guest(void **state)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;

	if (mmap((void *)CODE, CODE_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0) != (void *)CODE)
		return -1;
	if (mmap((void *)DATA, DATA_BYTES + PAGE, PROT_READ | PROT_WRITE, flags, -1, 0) !=
		(void *)DATA)
		return -1;
	return mprotect((void *)DATA_END, PAGE, PROT_NONE);
}

static inline void put(uint64_t at, uint32_t word)
{
	__atomic_store_n((uint32_t *)(uintptr_t)at, word, __ATOMIC_SEQ_CST);
}

#define PROGRAM(...)                                                                               \
	put_program((const uint32_t[]){ __VA_ARGS__ },                                             \
		sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

static inline void put_program(const uint32_t *words, size_t nr)
{
	memcpy((void *)CODE, words, nr * sizeof(*words));
}

static inline uint64_t code_end(void *context, uint64_t pc)
{
	return pc >= CODE && pc < CODE + CODE_BYTES ? CODE + CODE_BYTES : pc;
}

static inline struct jit *open_jit(size_t cache_bytes, const char *debug)
{
	const struct jit_options options = {
		.code_end = code_end, .cache_bytes = cache_bytes, .debug = debug
	};
	struct error err = { 0 };
	struct jit *jit = NULL;

	catch_faults();
	assert_int_equal(jit_open(&options, &jit, &err), 0);
	return jit;
}

static inline void begin(struct riscv_cpu *cpu)
{
	riscv_cpu_init(cpu, (struct jit_memory){ 0 });
	cpu->pc = CODE;
}

static inline enum jit_stop run(struct jit *jit, struct riscv_cpu *cpu)
{
	enum jit_stop stop;

	running = cpu;
	stop = riscv_run(jit, cpu);
	running = NULL;
	return stop;
}

/* What the guest can see of its state. */
static inline void assert_same_state(const struct riscv_cpu *a, const struct riscv_cpu *b)
{
	assert_int_equal(a->pc, b->pc);
	for (unsigned i = 0; i < 32; i++) {
		assert_int_equal(a->x[i], b->x[i]);
		assert_int_equal(a->f[i], b->f[i]);
	}
	assert_int_equal(a->fcsr, b->fcsr);
	assert_memory_equal(a->v, b->v, sizeof(a->v));
	assert_int_equal(a->vl, b->vl);
	assert_int_equal(a->vtype, b->vtype);
	assert_int_equal(a->vstart, b->vstart);
}
