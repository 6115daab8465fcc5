/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp-bpf.c - classic BPF as seccomp(2) knows it.
 *
 * A program is checked once (the rules are those of Linux: Documentation/networking/filter.rst for
 * the instructions, Documentation/userspace-api/seccomp_filter.rst for the ones of them that a
 * filter of system calls may use) and trusted afterwards: jumps go forward only, stay inside, and
 * the last instruction returns. tests/unit/translate/test-seccomp-bpf.c holds check and
 * interpreter against the running kernel's on random programs.
 *
 * Accumulator and index register are 32 bits and start as 0; a division by a zero in X ends the
 * program with 0, which is SECCOMP_RET_KILL_THREAD.
 */
#include "translate/seccomp-bpf.h"

#include <assert.h>
#include <errno.h>
#include <linux/bpf_common.h>
#include <string.h>

#include "base/cleanup.h"

#define WORD_BITS 32

/* --- the check -------------------------------------------------------------------------------- */

static bool operation_known(uint16_t code)
{
	static const uint16_t known[] = {
		BPF_LD | BPF_W | BPF_ABS,
		BPF_LD | BPF_W | BPF_LEN,
		BPF_LDX | BPF_W | BPF_LEN,
		BPF_LD | BPF_IMM,
		BPF_LDX | BPF_IMM,
		BPF_LD | BPF_MEM,
		BPF_LDX | BPF_MEM,
		BPF_ST,
		BPF_STX,
		BPF_MISC | BPF_TAX,
		BPF_MISC | BPF_TXA,
		BPF_RET | BPF_K,
		BPF_RET | BPF_A,
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

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (code == known[i])
			return true;
	return false;
}

/* Its constant, and where it can go. `left` instructions follow. */
static bool operands_fit(const struct sock_filter *op, size_t left)
{
	switch (op->code) {
	case BPF_LD | BPF_W | BPF_ABS:
		return op->k < sizeof(struct seccomp_data) && op->k % sizeof(uint32_t) == 0;
	case BPF_LD | BPF_MEM:
	case BPF_LDX | BPF_MEM:
	case BPF_ST:
	case BPF_STX:
		return op->k < BPF_MEMWORDS;
	case BPF_ALU | BPF_DIV | BPF_K:
		return op->k != 0;
	case BPF_ALU | BPF_LSH | BPF_K:
	case BPF_ALU | BPF_RSH | BPF_K:
		return op->k < WORD_BITS;
	case BPF_JMP | BPF_JA:
		return op->k < left;
	}
	if (BPF_CLASS(op->code) == BPF_JMP)
		return op->jt < left && op->jf < left;
	return true;
}

/*
 * Is every scratch word written before it is read, on every way to the reader? reached[i] are the
 * words that hold something on all ways to instruction i that were seen so far; as jumps go
 * forward, all of them were seen when i is looked at.
 */
static bool words_are_written(const struct sock_filter *program, size_t count, uint16_t *reached)
{
	uint16_t written = 0;

	memset(reached, 0xff, count * sizeof(*reached));
	for (size_t i = 0; i < count; i++) {
		const struct sock_filter *op = &program[i];

		written &= reached[i];
		switch (op->code) {
		case BPF_ST:
		case BPF_STX:
			written |= (uint16_t)(1u << op->k);
			break;
		case BPF_LD | BPF_MEM:
		case BPF_LDX | BPF_MEM:
			if (!(written & (1u << op->k)))
				return false;
			break;
		case BPF_JMP | BPF_JA:
			reached[i + 1 + op->k] &= written;
			written = UINT16_MAX;
			break;
		default:
			if (BPF_CLASS(op->code) != BPF_JMP)
				break;
			reached[i + 1 + op->jt] &= written;
			reached[i + 1 + op->jf] &= written;
			written = UINT16_MAX;
		}
	}
	return true;
}

int seccomp_bpf_check(const struct sock_filter *program, size_t count)
{
	uint16_t reached[BPF_MAXINSNS];

	static_assert(BPF_MEMWORDS == 8 * sizeof(reached[0]), "a bit per scratch word");
	if (count == 0 || count > BPF_MAXINSNS)
		return -EINVAL;
	for (size_t i = 0; i < count; i++)
		if (!operation_known(program[i].code) || !operands_fit(&program[i], count - i - 1))
			return -EINVAL;
	if (BPF_CLASS(program[count - 1].code) != BPF_RET)
		return -EINVAL;
	return words_are_written(program, count, reached) ? 0 : -EINVAL;
}

/* --- the interpreter -------------------------------------------------------------------------- */

static uint32_t arithmetic(uint16_t code, uint32_t a, uint32_t b)
{
	switch (BPF_OP(code)) {
	case BPF_ADD:
		return a + b;
	case BPF_SUB:
		return a - b;
	case BPF_MUL:
		return a * b;
	case BPF_DIV:
		return a / b;
	case BPF_AND:
		return a & b;
	case BPF_OR:
		return a | b;
	case BPF_XOR:
		return a ^ b;
	case BPF_LSH:
		return a << (b % WORD_BITS);
	case BPF_RSH:
		return a >> (b % WORD_BITS);
	default: /* BPF_NEG */
		return -a;
	}
}

static bool condition(uint16_t code, uint32_t a, uint32_t b)
{
	switch (BPF_OP(code)) {
	case BPF_JEQ:
		return a == b;
	case BPF_JGE:
		return a >= b;
	case BPF_JGT:
		return a > b;
	default: /* BPF_JSET */
		return (a & b) != 0;
	}
}

struct machine {
	uint32_t a, x, words[BPF_MEMWORDS];
};

/* Everything but loads from the data and returns. The next instruction; NULL: divided by zero. */
static const struct sock_filter *step(struct machine *m, const struct sock_filter *op)
{
	uint32_t operand = BPF_SRC(op->code) == BPF_X ? m->x : op->k;

	switch (op->code) {
	case BPF_LD | BPF_W | BPF_LEN:
		m->a = sizeof(struct seccomp_data);
		return op + 1;
	case BPF_LDX | BPF_W | BPF_LEN:
		m->x = sizeof(struct seccomp_data);
		return op + 1;
	case BPF_LD | BPF_IMM:
		m->a = op->k;
		return op + 1;
	case BPF_LDX | BPF_IMM:
		m->x = op->k;
		return op + 1;
	case BPF_LD | BPF_MEM:
		m->a = m->words[op->k];
		return op + 1;
	case BPF_LDX | BPF_MEM:
		m->x = m->words[op->k];
		return op + 1;
	case BPF_ST:
		m->words[op->k] = m->a;
		return op + 1;
	case BPF_STX:
		m->words[op->k] = m->x;
		return op + 1;
	case BPF_MISC | BPF_TAX:
		m->x = m->a;
		return op + 1;
	case BPF_MISC | BPF_TXA:
		m->a = m->x;
		return op + 1;
	case BPF_JMP | BPF_JA:
		return op + 1 + op->k;
	case BPF_ALU | BPF_DIV | BPF_X:
		if (m->x == 0)
			return NULL;
	}
	if (BPF_CLASS(op->code) == BPF_JMP)
		return op + 1 + (condition(op->code, m->a, operand) ? op->jt : op->jf);
	m->a = arithmetic(op->code, m->a, operand);
	return op + 1;
}

uint32_t seccomp_bpf_run(const struct sock_filter *program, const struct seccomp_data *data)
{
	struct machine m = { 0 };

	for (const struct sock_filter *op = program; op;) {
		switch (op->code) {
		case BPF_RET | BPF_K:
			return op->k;
		case BPF_RET | BPF_A:
			return m.a;
		case BPF_LD | BPF_W | BPF_ABS:
			memcpy(&m.a, (const char *)data + op->k, sizeof(m.a));
			op++;
			break;
		default:
			op = step(&m, op);
		}
	}
	return SECCOMP_RET_KILL_THREAD;
}

bool seccomp_bpf_always_allows(const struct sock_filter *program, uint32_t arch, int nr)
{
	struct machine m = { 0 };

	for (const struct sock_filter *op = program; op;) {
		switch (op->code) {
		case BPF_RET | BPF_K:
			return op->k == SECCOMP_RET_ALLOW;
		case BPF_RET | BPF_A:
			return m.a == SECCOMP_RET_ALLOW;
		case BPF_LD | BPF_W | BPF_ABS:
			if (op->k == offsetof(struct seccomp_data, nr))
				m.a = (uint32_t)nr;
			else if (op->k == offsetof(struct seccomp_data, arch))
				m.a = arch;
			else
				return false;
			op++;
			break;
		default:
			op = step(&m, op);
		}
	}
	return false;
}
