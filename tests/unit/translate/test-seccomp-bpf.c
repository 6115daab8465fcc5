/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-seccomp-bpf.c - check and interpreter of filters, held against the running kernel's on
 * random programs.
 */
#include <errno.h>
#include <linux/audit.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "translate/seccomp-bpf.h"
#include "unit/test.h"

#define PROGRAMS      100
#define LENGTH_MAX    24
#define CALLS	      40 /* per program */
#define TESTED_CALL   SYS_getppid
#define DATA_WORDS    (sizeof(struct seccomp_data) / 4)
#define ANSWER_MASK   0xfffu /* what ERRNO can carry */
#define IP_WORD_FIRST 2
#define IP_WORD_LAST  3

static uint64_t random_state = 20261127;

/* xorshift64: the same programs in every run. */
static uint32_t random_below(uint32_t bound)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 20) % bound;
}

static uint32_t random_word(void)
{
	static const uint32_t edges[] = { 0, 1, 2, 31, 32, 0x7fffffff, 0x80000000, 0xffffffff };

	return random_below(2) ? edges[random_below(ARRAY_SIZE(edges))]
			       : (random_below(1u << 16) << 16 | random_below(1u << 16));
}

static uint32_t readable_offset(void)
{
	uint32_t word;

	do
		word = random_below(DATA_WORDS);
	while (word >= IP_WORD_FIRST && word <= IP_WORD_LAST);
	return 4 * word;
}

/* One instruction that is right in its place, `left` instructions before the end. */
static struct sock_filter random_instruction(uint32_t left)
{
	static const uint16_t operations[] = {
		BPF_LD | BPF_W | BPF_ABS,
		BPF_LD | BPF_W | BPF_ABS,
		BPF_LD | BPF_W | BPF_LEN,
		BPF_LDX | BPF_W | BPF_LEN,
		BPF_LD | BPF_IMM,
		BPF_LDX | BPF_IMM,
		BPF_LD | BPF_MEM,
		BPF_LDX | BPF_MEM,
		BPF_ST,
		BPF_STX,
		BPF_ST,
		BPF_MISC | BPF_TAX,
		BPF_MISC | BPF_TXA,
		BPF_ALU | BPF_ADD | BPF_K,
		BPF_ALU | BPF_ADD | BPF_X,
		BPF_ALU | BPF_SUB | BPF_K,
		BPF_ALU | BPF_SUB | BPF_X,
		BPF_ALU | BPF_MUL | BPF_K,
		BPF_ALU | BPF_MUL | BPF_X,
		BPF_ALU | BPF_DIV | BPF_K,
		BPF_ALU | BPF_DIV | BPF_X,
		BPF_ALU | BPF_AND | BPF_K,
		BPF_ALU | BPF_AND | BPF_X,
		BPF_ALU | BPF_OR | BPF_K,
		BPF_ALU | BPF_OR | BPF_X,
		BPF_ALU | BPF_XOR | BPF_K,
		BPF_ALU | BPF_XOR | BPF_X,
		BPF_ALU | BPF_LSH | BPF_K,
		BPF_ALU | BPF_LSH | BPF_X,
		BPF_ALU | BPF_RSH | BPF_K,
		BPF_ALU | BPF_RSH | BPF_X,
		BPF_ALU | BPF_NEG,
		BPF_JMP | BPF_JA,
		BPF_JMP | BPF_JEQ | BPF_K,
		BPF_JMP | BPF_JEQ | BPF_X,
		BPF_JMP | BPF_JGE | BPF_K,
		BPF_JMP | BPF_JGE | BPF_X,
		BPF_JMP | BPF_JGT | BPF_K,
		BPF_JMP | BPF_JGT | BPF_X,
		BPF_JMP | BPF_JSET | BPF_K,
		BPF_JMP | BPF_JSET | BPF_X,
	};
	struct sock_filter op = { .code = operations[random_below(ARRAY_SIZE(operations))],
		.k = random_word() };

	switch (op.code) {
	case BPF_LD | BPF_W | BPF_ABS:
		op.k = readable_offset();
		break;
	case BPF_LD | BPF_MEM:
	case BPF_LDX | BPF_MEM:
	case BPF_ST:
	case BPF_STX:
		op.k = random_below(4);
		break;
	case BPF_ALU | BPF_LSH | BPF_K:
	case BPF_ALU | BPF_RSH | BPF_K:
		op.k = random_below(32);
		break;
	case BPF_ALU | BPF_DIV | BPF_K:
		op.k = op.k ? op.k : 7;
		break;
	case BPF_JMP | BPF_JA:
		op.k = random_below(left);
		break;
	default:
		op.jt = (uint8_t)random_below(left);
		op.jf = (uint8_t)random_below(left);
	}
	return op;
}

/*
 * A program that allows every call but the tested one, and answers that with an error number made
 * of all that it has computed. Some of them read scratch words that were not written.
 */
static size_t random_program(struct sock_filter *program)
{
	static const struct sock_filter first[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TESTED_CALL, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	static const struct sock_filter last[] = {
		BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, ANSWER_MASK),
		BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	size_t length = 1 + random_below(LENGTH_MAX), n = ARRAY_SIZE(first);

	memcpy(program, first, sizeof(first));
	for (size_t i = 0; i < length; i++)
		program[n++] = random_instruction((uint32_t)(length - i));
	memcpy(&program[n], last, sizeof(last));
	return n + ARRAY_SIZE(last);
}

/* Break one instruction, perhaps. */
static void spoil(struct sock_filter *program, size_t count)
{
	struct sock_filter *op = &program[random_below((uint32_t)count)];

	switch (random_below(5)) {
	case 0:
		op->code = (uint16_t)random_below(0x120);
		break;
	case 1:
		op->k = random_below(80);
		break;
	case 2:
		op->jt = (uint8_t)random_below(256);
		break;
	case 3:
		op->jf = (uint8_t)random_below(256);
		break;
	default:
		op->k = random_word();
	}
}

struct outcome {
	int installed; /* 0 or errno */
	long answers[CALLS];
};

static void try_natively(const struct sock_filter *program, size_t count,
	const uint64_t args[CALLS][6], struct outcome *shared)
{
	const struct sock_fprog f = { .len = (unsigned short)count,
		.filter = (struct sock_filter *)program };

	/* A filter may deny even the end: the instruction behind it kills, if nobody handles that.
	 */
	signal(SIGSEGV, SIG_DFL);
	alarm(5);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &f, 0, 0) < 0) {
		shared->installed = errno;
		_exit(0);
	}
	shared->installed = 0;
	for (size_t i = 0; i < CALLS; i++) {
		long n = syscall(TESTED_CALL, args[i][0], args[i][1], args[i][2], args[i][3],
			args[i][4], args[i][5]);

		shared->answers[i] = n < 0 ? -errno : n;
	}
	_exit(0);
}

/* What the kernel makes of it, in a child that may not survive it. */
static void ask_kernel(const struct sock_filter *program, size_t count,
	const uint64_t args[CALLS][6], struct outcome *shared)
{
	pid_t pid;

	memset(shared, 0xff, sizeof(*shared));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		try_natively(program, count, args, shared);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static struct outcome *shared_outcome(void)
{
	void *p = mmap(NULL, sizeof(struct outcome), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

static void fill_arguments(uint64_t args[CALLS][6])
{
	for (size_t i = 0; i < CALLS; i++)
		for (size_t j = 0; j < 6; j++)
			args[i][j] = (uint64_t)random_word() << 32 | random_word();
}

static void programs_are_refused_as_the_kernel_does(void **state)
{
	struct outcome *shared = shared_outcome();
	static uint64_t args[CALLS][6];
	size_t refused = 0;

	for (size_t i = 0; i < PROGRAMS; i++) {
		struct sock_filter program[LENGTH_MAX + 8];
		size_t count = random_program(program);
		int expected;

		spoil(program, count);
		ask_kernel(program, count, args, shared);
		/* A broken one may kill before it can tell: then it was taken. */
		expected = shared->installed == EINVAL ? -EINVAL : 0;
		refused += expected != 0;
		if (seccomp_bpf_check(program, count) != expected)
			fail_msg("program %zu: the kernel says %d", i, expected);
	}
	/* Both answers have been seen often. */
	assert_true(refused > PROGRAMS / 4 && refused < PROGRAMS * 9 / 10);
	munmap(shared, sizeof(*shared));
}

/* The kernel's answer as the interpreter should give it: a division by zero kills. */
static void compare_calls(size_t which, const struct sock_filter *program,
	const uint64_t args[CALLS][6], const struct outcome *shared)
{
	for (size_t i = 0; i < CALLS; i++) {
		struct seccomp_data data = { .nr = TESTED_CALL, .arch = AUDIT_ARCH_X86_64 };
		uint32_t got;

		memcpy(data.args, args[i], sizeof(data.args));
		got = seccomp_bpf_run(program, &data);
		if (got == SECCOMP_RET_KILL_THREAD) {
			assert_int_equal(shared->answers[i], -1); /* untouched */
			return;
		}
		if ((got & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_ERRNO ||
			(long)(got & SECCOMP_RET_DATA) != -shared->answers[i])
			fail_msg("program %zu, call %zu: 0x%x, the kernel's answer is %ld", which,
				i, got, shared->answers[i]);
	}
}

static void programs_compute_what_the_kernel_does(void **state)
{
	struct outcome *shared = shared_outcome();
	static uint64_t args[CALLS][6];
	size_t run = 0;

	for (size_t i = 0; i < PROGRAMS; i++) {
		struct sock_filter program[LENGTH_MAX + 8];
		size_t count = random_program(program);

		fill_arguments(args);
		ask_kernel(program, count, args, shared);
		assert_int_equal(-shared->installed, seccomp_bpf_check(program, count));
		if (shared->installed != 0)
			continue;
		run++;
		compare_calls(i, program, args, shared);
	}
	assert_true(run > PROGRAMS / 4);
	munmap(shared, sizeof(*shared));
}

static void lengths_and_ends_are_checked(void **state)
{
	static struct sock_filter program[BPF_MAXINSNS + 1];

	for (size_t i = 0; i < ARRAY_SIZE(program); i++)
		program[i] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	assert_int_equal(seccomp_bpf_check(program, 0), -EINVAL);
	assert_int_equal(seccomp_bpf_check(program, 1), 0);
	assert_int_equal(seccomp_bpf_check(program, BPF_MAXINSNS), 0);
	assert_int_equal(seccomp_bpf_check(program, BPF_MAXINSNS + 1), -EINVAL);
	program[1] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, 0);
	assert_int_equal(seccomp_bpf_check(program, 2), -EINVAL);
}

static void constant_answers_are_recognized(void **state)
{
	const struct sock_filter program[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_RISCV64, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 63, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 64, 0, 1),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	assert_int_equal(seccomp_bpf_check(program, ARRAY_SIZE(program)), 0);
	assert_true(seccomp_bpf_always_allows(program, AUDIT_ARCH_RISCV64, 63));
	assert_false(seccomp_bpf_always_allows(program, AUDIT_ARCH_RISCV64, 64));
	assert_false(seccomp_bpf_always_allows(program, AUDIT_ARCH_RISCV64, 65));
	assert_false(seccomp_bpf_always_allows(program, AUDIT_ARCH_X86_64, 63));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_are_refused_as_the_kernel_does),
		cmocka_unit_test(programs_compute_what_the_kernel_does),
		cmocka_unit_test(lengths_and_ends_are_checked),
		cmocka_unit_test(constant_answers_are_recognized),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
