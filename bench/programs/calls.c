/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calls.c - calls and returns: Fibonacci's numbers by naive recursion, and functions chosen by a
 * table of pointers as an interpreter or a class hierarchy would.
 */
#include "program.h"

#define NR_OPERATIONS 8
#define NOT_INLINED   __attribute__((noinline))

typedef uint64_t operation_fn(uint64_t x, uint64_t i);

NOT_INLINED static unsigned fib(unsigned n)
{
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static uint64_t add(uint64_t x, uint64_t i)
{
	return x + i;
}

static uint64_t subtract(uint64_t x, uint64_t i)
{
	return x - i * 3;
}

static uint64_t mix(uint64_t x, uint64_t i)
{
	return x ^ (i << 7);
}

static uint64_t rotate(uint64_t x, uint64_t i)
{
	return (x << 13 | x >> 51) + i;
}

static uint64_t multiply(uint64_t x, uint64_t i)
{
	return x * 5 + i;
}

static uint64_t invert(uint64_t x, uint64_t i)
{
	return ~x ^ i;
}

static uint64_t choose(uint64_t x, uint64_t i)
{
	return x & 1 ? x >> 1 : x + i;
}

static uint64_t keep(uint64_t x, uint64_t i)
{
	return x + (i & 1);
}

/* Not constant to the compiler, so that it must call. */
static operation_fn *volatile table_source[NR_OPERATIONS] = {
	add,
	subtract,
	mix,
	rotate,
	multiply,
	invert,
	choose,
	keep,
};

int main(int argc, char **argv)
{
	unsigned count = program_count(argc, argv, 150000000);
	uint64_t sum = PROGRAM_SUM_START, x = 1;
	operation_fn *table[NR_OPERATIONS];

	for (int i = 0; i < NR_OPERATIONS; i++)
		table[i] = table_source[i];
	for (unsigned i = 0; i < count; i++)
		x = table[(i ^ i >> 3) % NR_OPERATIONS](x, i);
	sum = program_sum(sum, x);
	for (unsigned left = count; left >= 1000000; left -= 10000000) {
		sum = program_sum(sum, fib(30));
		if (left < 10000000)
			break;
	}
	return program_end("calls", sum);
}
