/* SPDX-License-Identifier: Apache-2.0 */
/*
 * comparisons.c - numbers compared as compilers do it where no flag is to be raised: flags read,
 * compared, flags written back. What was read is seen where it should be, whatever the numbers are.
 */
#include <stdint.h>

#include "check.h"

/* Enough for a loop to be translated as a whole. */
#define ROUNDS 1500

struct result {
	uint64_t is_so, read, end;
};

/* Behind the comparison the register is seen on the way out, and written over on the way on. */
#define COMPARISON(name, compare, move)                                                            \
	static __attribute__((noinline)) struct result name(                                       \
		uint64_t a, uint64_t b, uint64_t flags, const uint64_t *memory)                    \
	{                                                                                          \
		struct result result;                                                              \
		uint64_t ignored;                                                                  \
                                                                                                   \
		asm volatile("fsflags %[flags]\n\t" move " ft0, %[a]\n\t" move " ft1, %[b]\n\t"    \
			     "fmv.d.x ft3, zero\n\t"                                               \
			     "li t2, 77\n\t"                                                       \
			     "frflags t2\n\t" compare " %[is_so], ft0, ft1\n\t"                    \
			     "fsflags t2\n\t"                                                      \
			     "bnez %[is_so], 1f\n\t"                                               \
			     "fmul.d ft2, ft3, ft3\n\t"                                            \
			     "ld %[ignored], 0(%[memory])\n\t"                                     \
			     "li t2, 5\n\t"                                                        \
			     "frflags t2\n"                                                        \
			     "1:\n\t"                                                              \
			     "mv %[read], t2\n\t"                                                  \
			     "frflags %[end]\n"                                                    \
			     : [is_so] "=&r"(result.is_so), [read] "=&r"(result.read),             \
			     [end] "=&r"(result.end), [ignored] "=&r"(ignored)                     \
			     : [a] "r"(a), [b] "r"(b), [flags] "r"(flags), [memory] "r"(memory)    \
			     : "t2", "ft0", "ft1", "ft2", "ft3", "memory");                        \
		return result;                                                                     \
	}

COMPARISON(less, "flt.d", "fmv.d.x")
COMPARISON(less_or_equal, "fle.d", "fmv.d.x")
COMPARISON(less_single, "flt.s", "fmv.w.x")
COMPARISON(less_or_equal_single, "fle.s", "fmv.w.x")

/* In order, but that the first two are equal; then what is no number: quiet ones, signaling ones.
 */
static const struct {
	uint64_t bits;
	uint32_t single;
	int place;
} numbers[] = {
	{ UINT64_C(0x8000000000000000), 0x80000000, 0 },
	{ 0, 0, 0 },
	{ 1, 1, 1 },
	{ UINT64_C(0x3ff0000000000000), 0x3f800000, 2 },
	{ UINT64_C(0x7ff0000000000000), 0x7f800000, 3 },
	{ UINT64_C(0x8000000000000001), 0x80000001, -1 },
	{ UINT64_C(0xfff0000000000000), 0xff800000, -2 },
	{ UINT64_C(0x7ff8000000000000), 0x7fc00000, 9 },
	{ UINT64_C(0xfff8000000000001), 0xffc00001, 9 },
	{ UINT64_C(0x7ff0000000000001), 0x7f800001, 9 },
	{ UINT64_C(0xfff4000000000000), 0xffa00000, 9 },
};

static const struct comparison {
	const char *name;
	struct result (*compare)(uint64_t, uint64_t, uint64_t, const uint64_t *);
	int is_single, or_equal;
} comparisons[] = {
	{ "flt.d", less, 0, 0 },
	{ "fle.d", less_or_equal, 0, 1 },
	{ "flt.s", less_single, 1, 0 },
	{ "fle.s", less_or_equal_single, 1, 1 },
};

static void compare(const struct comparison *how, unsigned i, unsigned k, uint64_t flags)
{
	static const uint64_t memory;
	uint64_t a = how->is_single ? numbers[i].single : numbers[i].bits;
	uint64_t b = how->is_single ? numbers[k].single : numbers[k].bits;
	int x = numbers[i].place, y = numbers[k].place;
	int is_so = x != 9 && y != 9 && (x < y || (how->or_equal && x == y));
	struct result result = how->compare(a, b, flags, &memory);

	CHECK(result.is_so == (uint64_t)is_so);
	CHECK(result.read == flags);
	CHECK(result.end == flags);
}

int main(void)
{
	const unsigned count = sizeof(numbers) / sizeof(numbers[0]);

	for (unsigned n = 0; n < 4; n++) {
		for (unsigned round = 0; round < ROUNDS; round++)
			for (unsigned i = 0; i < count; i++)
				compare(&comparisons[n], i, (i + round) % count, round % 32);
		DONE(comparisons[n].name);
	}
	return 0;
}
