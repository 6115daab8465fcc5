/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-softfloat.c - our arithmetic gives what the host's SSE2 gives, bit for bit and flag for
 * flag, on random operands full of corners. (x86-64 only; what SSE2 does not have, rounding to
 * nearest with ties away, halves and the RISC-V conversions, tests/isa holds against QEMU.)
 */
#include "unit/test.h"

#include <stdbool.h>
#include <xmmintrin.h>

#include "jit/softfloat.h"

#define ROUNDS 200000

/* MXCSR.RC of our rounding modes. */
static const unsigned host_rounding[] = {
	[FLOAT_NEAREST_EVEN] = 0x0000,
	[FLOAT_TO_ZERO] = 0x6000,
	[FLOAT_DOWN] = 0x2000,
	[FLOAT_UP] = 0x4000,
};
#define HOST_MASKS 0x1f80u

static uint64_t seed = 88172645463325252u;

static uint64_t random_bits(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Exponents near each other, at the ends, and anywhere; fractions of few bits, or all of them. */
static uint64_t random_number(const struct float_format *f)
{
	uint64_t top = (UINT64_C(1) << f->exponent_bits) - 1, bias = top >> 1, exponent, fraction;
	uint64_t all = (UINT64_C(1) << f->fraction_bits) - 1;
	const uint64_t exponents[] = { 0, 1, top, top - 1, bias, bias + random_bits() % 64,
		bias - random_bits() % 64, random_bits() & top, random_bits() & top };
	const uint64_t fractions[] = { 0, 1, all, UINT64_C(1) << (f->fraction_bits - 1),
		random_bits() & all, random_bits() & all,
		(random_bits() & 7) << (f->fraction_bits - 3) };

	exponent = exponents[random_bits() % (sizeof(exponents) / sizeof(exponents[0]))] & top;
	fraction = fractions[random_bits() % (sizeof(fractions) / sizeof(fractions[0]))];
	return (random_bits() & 1) << (f->exponent_bits + f->fraction_bits) |
		exponent << f->fraction_bits | fraction;
}

static void begin(enum float_rounding rounding)
{
	_mm_setcsr(HOST_MASKS | host_rounding[rounding]);
}

/* Our flags of the host's. */
static uint32_t end(void)
{
	unsigned csr = _mm_getcsr();

	_mm_setcsr(HOST_MASKS);
	return (csr & 1 ? FLOAT_INVALID : 0) | (csr & 4 ? FLOAT_DIVIDED_BY_ZERO : 0) |
		(csr & 8 ? FLOAT_OVERFLOW : 0) | (csr & 16 ? FLOAT_UNDERFLOW : 0) |
		(csr & 32 ? FLOAT_INEXACT : 0);
}

#define TWO_OPERANDS(name, type, instruction)                                                      \
	static uint64_t name(uint64_t a, uint64_t b)                                               \
	{                                                                                          \
		__asm__ volatile(instruction " %1, %0" : "+x"(*(type *)&a) : "x"(*(type *)&b));    \
		return a;                                                                          \
	}
typedef float f32 __attribute__((may_alias));
typedef double f64 __attribute__((may_alias));

static uint64_t in_single(uint64_t bits)
{
	return bits & UINT32_MAX;
}

TWO_OPERANDS(add_f32, f32, "addss")
TWO_OPERANDS(subtract_f32, f32, "subss")
TWO_OPERANDS(multiply_f32, f32, "mulss")
TWO_OPERANDS(divide_f32, f32, "divss")
TWO_OPERANDS(root_f32, f32, "sqrtss")
TWO_OPERANDS(add_f64, f64, "addsd")
TWO_OPERANDS(subtract_f64, f64, "subsd")
TWO_OPERANDS(multiply_f64, f64, "mulsd")
TWO_OPERANDS(divide_f64, f64, "divsd")
TWO_OPERANDS(root_f64, f64, "sqrtsd")

static uint64_t our_root(
	const struct float_format *f, uint64_t a, uint64_t b, struct float_status *s)
{
	return float_square_root(f, b, s); /* as sqrtsd reads its source */
}

static const struct {
	const char *name;
	const struct float_format *format;
	uint64_t (*host)(uint64_t a, uint64_t b);
	uint64_t (*ours)(
		const struct float_format *f, uint64_t a, uint64_t b, struct float_status *s);
} operations[] = {
	{ "addss", &float_single, add_f32, float_add },
	{ "subss", &float_single, subtract_f32, float_subtract },
	{ "mulss", &float_single, multiply_f32, float_multiply },
	{ "divss", &float_single, divide_f32, float_divide },
	{ "sqrtss", &float_single, root_f32, our_root },
	{ "addsd", &float_double, add_f64, float_add },
	{ "subsd", &float_double, subtract_f64, float_subtract },
	{ "mulsd", &float_double, multiply_f64, float_multiply },
	{ "divsd", &float_double, divide_f64, float_divide },
	{ "sqrtsd", &float_double, root_f64, our_root },
};

/* Any NaN of the host's is our one. */
static uint64_t canonical(const struct float_format *f, uint64_t bits)
{
	return float_classify(f, bits) >= 8 ? float_canonical_nan(f) : bits;
}

static void arithmetic_is_the_hosts(void **state)
{
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		const struct float_format *f = operations[i].format;

		for (int round = 0; round < ROUNDS; round++) {
			struct float_status s = { .rounding = (enum float_rounding)(round & 3) };
			uint64_t a = random_number(f), b = random_number(f), ours, theirs;
			uint32_t flags;

			begin(s.rounding);
			theirs = operations[i].host(a, b);
			flags = end();
			if (f == &float_single)
				theirs = in_single(theirs);
			ours = operations[i].ours(f, a, b, &s);
			if (ours != canonical(f, theirs) || s.flags != flags)
				fail_msg("%s %lx %lx, rounding %d: %lx flags %x, host %lx flags %x",
					operations[i].name, a, b, s.rounding, ours, s.flags, theirs,
					flags);
		}
	}
}

static uint64_t host_fused(uint64_t a, uint64_t b, uint64_t c)
{
	__asm__ volatile("vfmadd213sd %2, %1, %0"
			 : "+x"(*(f64 *)&a)
			 : "x"(*(f64 *)&b), "x"(*(f64 *)&c));
	return a;
}

static void fused_multiply_add_is_the_hosts(void **state)
{
	if (!__builtin_cpu_supports("fma"))
		skip(); /* an x86-64 from before 2013 */
	for (int round = 0; round < ROUNDS; round++) {
		struct float_status s = { .rounding = (enum float_rounding)(round & 3) };
		uint64_t a = random_number(&float_double), b = random_number(&float_double);
		uint64_t c = random_number(&float_double), ours, theirs;
		uint32_t flags;

		/* Nearly cancelling sums are the hard ones. */
		if (round & 4)
			c = float_multiply(&float_double, a, b, &s) ^ UINT64_C(1) << 63;
		s.flags = 0;
		/* inf * 0 + NaN: IEEE leaves it open whether that is invalid. */
		if (float_classify(&float_double, c) >= 8)
			continue;
		begin(s.rounding);
		theirs = host_fused(a, b, c);
		flags = end();
		ours = float_fused_multiply_add(&float_double, a, b, c, &s);
		if (ours != canonical(&float_double, theirs) || s.flags != flags)
			fail_msg("%lx * %lx + %lx, rounding %d: %lx flags %x, host %lx flags %x", a,
				b, c, s.rounding, ours, s.flags, theirs, flags);
	}
}

static void conversions_are_the_hosts(void **state)
{
	for (int round = 0; round < ROUNDS; round++) {
		struct float_status s = { .rounding = (enum float_rounding)(round & 3) };
		uint64_t a = random_number(&float_double), ours, theirs = 0;
		int64_t integer;
		uint32_t flags;

		begin(s.rounding);
		__asm__ volatile("cvtsd2ss %1, %0" : "+x"(*(f32 *)&theirs) : "x"(*(f64 *)&a));
		flags = end();
		ours = float_convert(&float_double, &float_single, a, &s);
		assert_true(ours == canonical(&float_single, in_single(theirs)));
		assert_int_equal(s.flags, flags);

		s.flags = 0;
		begin(s.rounding);
		__asm__ volatile("cvtsd2si %1, %0" : "=r"(integer) : "x"(*(f64 *)&a));
		flags = end();
		ours = float_to_integer(&float_double, a, 64, true, &s);
		/* Where it is invalid each has its own result. */
		assert_int_equal(s.flags, flags);
		assert_true(flags & FLOAT_INVALID || ours == (uint64_t)integer);

		s.flags = 0;
		integer = (int64_t)(random_bits() >> (round & 63));
		begin(s.rounding);
		__asm__ volatile("cvtsi2sdq %1, %0" : "=x"(*(f64 *)&theirs) : "r"(integer));
		flags = end();
		assert_true(
			float_from_integer(&float_double, (uint64_t)integer, true, &s) == theirs);
		assert_int_equal(s.flags, flags);
	}
}

/* What the host does not have, by the examples of RISC-V's vfrec7.v and vfrsqrt7.v, and by hand. */
static void estimates_and_odd_results(void **state)
{
	struct float_status s = { .rounding = FLOAT_TO_ODD };

	assert_int_equal(float_estimate_reciprocal(&float_single, 0x00718abc, &s), 0x7e900000);
	assert_int_equal(float_estimate_reciprocal(&float_single, 0x7f765432, &s), 0x00214000);
	assert_int_equal(
		float_estimate_reciprocal_square_root(&float_single, 0x00718abc, &s), 0x5f080000);
	assert_int_equal(
		float_estimate_reciprocal_square_root(&float_single, 0x7f765432, &s), 0x1f820000);
	assert_int_equal(s.flags, 0);
	/* 1 + 2^-40 lies between 1 and the next single, which is odd; 1 + 2^-23 is that one. */
	assert_int_equal(
		float_convert(&float_double, &float_single, 0x3ff0000000001000, &s), 0x3f800001);
	assert_int_equal(s.flags, FLOAT_INEXACT);
	assert_int_equal(float_to_integer(&float_single, 0x43000000, 8, true, &s), 127);
	assert_int_equal(s.flags, FLOAT_INEXACT | FLOAT_INVALID);
	assert_int_equal(float_to_integer(&float_single, 0xc3000000, 8, true, &s), (uint64_t)-128);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arithmetic_is_the_hosts),
		cmocka_unit_test(fused_multiply_add_is_the_hosts),
		cmocka_unit_test(conversions_are_the_hosts),
		cmocka_unit_test(estimates_and_odd_results),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
