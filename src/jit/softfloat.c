/* SPDX-License-Identifier: Apache-2.0 */
/*
 * softfloat.c - IEEE 754-2019 arithmetic in integers.
 *
 * Finite values are unpacked to significand * 2^exponent with an integer significand. Operations
 * compute exactly, or with enough bits and a lowest one that is sticky (set when anything below it
 * was lost), and round once, in round_and_pack(). 128 bits are enough for all of them: a product of
 * two doubles has 106.
 */
#include "jit/softfloat.h"

typedef unsigned __int128 u128;

const struct float_format float_half = { 5, 10 }, float_single = { 8, 23 },
			  float_double = { 11, 52 };

enum kind {
	ZERO,
	FINITE,
	INFINITE,
	NAN_QUIET,
	NAN_SIGNALING,
};

struct number {
	enum kind kind;
	bool negative;
	int exponent;
	u128 significand; /* of FINITE: not 0 */
};

/* --- formats --- */

static int bias(const struct float_format *f)
{
	return (1 << (f->exponent_bits - 1)) - 1;
}

static uint64_t exponent_mask(const struct float_format *f)
{
	return (UINT64_C(1) << f->exponent_bits) - 1;
}

static uint64_t fraction_mask(const struct float_format *f)
{
	return (UINT64_C(1) << f->fraction_bits) - 1;
}

static uint64_t pack(
	const struct float_format *f, bool negative, uint64_t exponent, uint64_t fraction)
{
	return (uint64_t)negative << (f->exponent_bits + f->fraction_bits) |
		exponent << f->fraction_bits | fraction;
}

static uint64_t infinity(const struct float_format *f, bool negative)
{
	return pack(f, negative, exponent_mask(f), 0);
}

static uint64_t zero(const struct float_format *f, bool negative)
{
	return pack(f, negative, 0, 0);
}

uint64_t float_canonical_nan(const struct float_format *f)
{
	return pack(f, false, exponent_mask(f), UINT64_C(1) << (f->fraction_bits - 1));
}

static struct number unpack(const struct float_format *f, uint64_t bits)
{
	uint64_t exponent = bits >> f->fraction_bits & exponent_mask(f);
	uint64_t fraction = bits & fraction_mask(f);
	struct number n = {
		.negative = bits >> (f->exponent_bits + f->fraction_bits) & 1,
		.kind = FINITE,
		.exponent = 1 - bias(f) - f->fraction_bits,
		.significand = fraction,
	};

	if (exponent == exponent_mask(f)) {
		n.kind = !fraction				 ? INFINITE
			: fraction >> (f->fraction_bits - 1) & 1 ? NAN_QUIET
								 : NAN_SIGNALING;
	} else if (exponent) {
		n.exponent += (int)exponent - 1;
		n.significand |= UINT64_C(1) << f->fraction_bits;
	} else if (!fraction) {
		n.kind = ZERO;
	}
	return n;
}

static bool is_nan(const struct number *n)
{
	return n->kind >= NAN_QUIET;
}

/* The result of an operation with a NaN among its operands. */
static uint64_t propagate_nan(const struct float_format *f, const struct number *a,
	const struct number *b, struct float_status *s)
{
	if (a->kind == NAN_SIGNALING || b->kind == NAN_SIGNALING)
		s->flags |= FLOAT_INVALID;
	return float_canonical_nan(f);
}

static uint64_t invalid(const struct float_format *f, struct float_status *s)
{
	s->flags |= FLOAT_INVALID;
	return float_canonical_nan(f);
}

/* --- rounding --- */

/* Position of the highest set bit. */
static int top_bit(u128 value)
{
	uint64_t high = (uint64_t)(value >> 64);

	return high ? 127 - __builtin_clzll(high) : 63 - __builtin_clzll((uint64_t)value);
}

/* value >> count, what is lost kept in the lowest bit. */
static u128 shift_right_sticky(u128 value, int count)
{
	if (count <= 0)
		return value;
	if (count > 127)
		return value != 0;
	return value >> count | ((value & (((u128)1 << count) - 1)) != 0);
}

/* value >> count, rounded; *inexact is set when it lost something. count may be negative. */
static u128 shift_right_rounded(
	u128 value, int count, bool negative, enum float_rounding rounding, bool *inexact)
{
	u128 kept, rest, half;
	bool up = false;

	if (count <= 0)
		return value << -count;
	if (count > 126) {
		/* All of it is less than a half. */
		value = value != 0;
		count = 2;
	}
	kept = value >> count;
	rest = value & (((u128)1 << count) - 1);
	half = (u128)1 << (count - 1);
	*inexact = rest != 0;
	switch (rounding) {
	case FLOAT_NEAREST_EVEN:
		up = rest > half || (rest == half && kept & 1);
		break;
	case FLOAT_NEAREST_AWAY:
		up = rest >= half;
		break;
	case FLOAT_TO_ZERO:
		break;
	case FLOAT_DOWN:
		up = negative && rest;
		break;
	case FLOAT_UP:
		up = !negative && rest;
		break;
	case FLOAT_TO_ODD:
		up = rest && !(kept & 1);
		break;
	}
	return kept + up;
}

static uint64_t overflow(const struct float_format *f, bool negative, struct float_status *s)
{
	bool away = s->rounding == FLOAT_NEAREST_EVEN || s->rounding == FLOAT_NEAREST_AWAY ||
		s->rounding == (negative ? FLOAT_DOWN : FLOAT_UP);

	s->flags |= FLOAT_OVERFLOW | FLOAT_INEXACT;
	return away ? infinity(f, negative)
		    : pack(f, negative, exponent_mask(f) - 1, fraction_mask(f));
}

/* (-1)^negative * significand * 2^exponent; the significand is not 0 and has a bit or more to
 * spare below the precision, or is exact. */
static uint64_t round_and_pack(const struct float_format *f, bool negative, int exponent,
	u128 significand, struct float_status *s)
{
	int least = 1 - bias(f), leading = exponent + top_bit(significand);
	/* The exponent of the last place of the result. */
	int place = (leading < least ? least : leading) - f->fraction_bits;
	bool inexact = false, ignored;
	bool tiny = leading < least;
	u128 rounded = shift_right_rounded(
		significand, place - exponent, negative, s->rounding, &inexact);

	/* After rounding as if exponents had no end it may not be tiny any more. */
	if (tiny && leading == least - 1)
		tiny = shift_right_rounded(significand, leading - f->fraction_bits - exponent,
			       negative, s->rounding, &ignored) >>
				(f->fraction_bits + 1) ==
			0;
	if (inexact)
		s->flags |= FLOAT_INEXACT | (tiny ? FLOAT_UNDERFLOW : 0);
	if (rounded >> (f->fraction_bits + 1)) {
		rounded >>= 1;
		place++;
	}
	if (!(rounded >> f->fraction_bits))
		return pack(f, negative, 0, (uint64_t)rounded);
	place += f->fraction_bits + bias(f);
	if (place >= (int)exponent_mask(f))
		return overflow(f, negative, s);
	return pack(f, negative, (uint64_t)place, (uint64_t)rounded & fraction_mask(f));
}

/* --- sums and products --- */

/* Moved so that the highest bit stands at `position`. Bits are only lost where the caller has none
 * there. */
static void normalize(struct number *n, int position)
{
	int shift = position - top_bit(n->significand);

	n->significand = shift >= 0 ? n->significand << shift : n->significand >> -shift;
	n->exponent -= shift;
}

/*
 * a + b for finite numbers of at most 106 bits. Both get their highest bit to position 125; the
 * smaller is then shifted to the exponent of the larger, and loses bits only when that is so far
 * away that no more than one leading bit can cancel.
 */
static uint64_t add_finite(
	const struct float_format *f, struct number a, struct number b, struct float_status *s)
{
	normalize(&a, 125);
	normalize(&b, 125);
	if (a.exponent < b.exponent ||
		(a.exponent == b.exponent && a.significand < b.significand)) {
		struct number swap = a;

		a = b;
		b = swap;
	}
	b.significand = shift_right_sticky(b.significand, a.exponent - b.exponent);
	if (a.negative == b.negative)
		a.significand += b.significand;
	else
		a.significand -= b.significand;
	if (a.significand == 0)
		return zero(f, s->rounding == FLOAT_DOWN);
	return round_and_pack(f, a.negative, a.exponent, a.significand, s);
}

/* The sum of two numbers of which none is NaN. */
static uint64_t add_numbers(const struct float_format *f, const struct number *a,
	const struct number *b, struct float_status *s)
{
	if (a->kind == INFINITE && b->kind == INFINITE && a->negative != b->negative)
		return invalid(f, s);
	if (a->kind == INFINITE || b->kind == INFINITE)
		return infinity(f, a->kind == INFINITE ? a->negative : b->negative);
	if (a->kind == ZERO && b->kind == ZERO)
		return zero(
			f, a->negative == b->negative ? a->negative : s->rounding == FLOAT_DOWN);
	if (a->kind == ZERO)
		return round_and_pack(f, b->negative, b->exponent, b->significand, s);
	if (b->kind == ZERO)
		return round_and_pack(f, a->negative, a->exponent, a->significand, s);
	return add_finite(f, *a, *b, s);
}

uint64_t float_add(const struct float_format *f, uint64_t a, uint64_t b, struct float_status *s)
{
	struct number x = unpack(f, a), y = unpack(f, b);

	return is_nan(&x) || is_nan(&y) ? propagate_nan(f, &x, &y, s) : add_numbers(f, &x, &y, s);
}

uint64_t float_subtract(
	const struct float_format *f, uint64_t a, uint64_t b, struct float_status *s)
{
	return float_add(f, a, b ^ pack(f, true, 0, 0), s);
}

/* The exact product of two numbers of which none is NaN, nor one infinite and one zero. */
static struct number product(const struct number *a, const struct number *b)
{
	struct number n = { .negative = a->negative != b->negative, .kind = FINITE };

	if (a->kind == INFINITE || b->kind == INFINITE) {
		n.kind = INFINITE;
	} else if (a->kind == ZERO || b->kind == ZERO) {
		n.kind = ZERO;
	} else {
		n.exponent = a->exponent + b->exponent;
		n.significand = a->significand * b->significand;
	}
	return n;
}

static bool is_infinity_times_zero(const struct number *a, const struct number *b)
{
	return (a->kind == INFINITE && b->kind == ZERO) || (a->kind == ZERO && b->kind == INFINITE);
}

uint64_t float_multiply(
	const struct float_format *f, uint64_t a, uint64_t b, struct float_status *s)
{
	struct number x = unpack(f, a), y = unpack(f, b), n;

	if (is_nan(&x) || is_nan(&y))
		return propagate_nan(f, &x, &y, s);
	if (is_infinity_times_zero(&x, &y))
		return invalid(f, s);
	n = product(&x, &y);
	if (n.kind == INFINITE)
		return infinity(f, n.negative);
	if (n.kind == ZERO)
		return zero(f, n.negative);
	return round_and_pack(f, n.negative, n.exponent, n.significand, s);
}

uint64_t float_fused_multiply_add(
	const struct float_format *f, uint64_t a, uint64_t b, uint64_t c, struct float_status *s)
{
	struct number x = unpack(f, a), y = unpack(f, b), z = unpack(f, c), n;

	/* Invalid even when c is a quiet NaN. */
	if (is_infinity_times_zero(&x, &y))
		return invalid(f, s);
	if (is_nan(&x) || is_nan(&y) || is_nan(&z)) {
		if (z.kind == NAN_SIGNALING)
			s->flags |= FLOAT_INVALID;
		return propagate_nan(f, &x, &y, s);
	}
	n = product(&x, &y);
	return add_numbers(f, &n, &z, s);
}

uint64_t float_divide(const struct float_format *f, uint64_t a, uint64_t b, struct float_status *s)
{
	struct number x = unpack(f, a), y = unpack(f, b);
	bool negative = x.negative != y.negative;
	u128 quotient;

	if (is_nan(&x) || is_nan(&y))
		return propagate_nan(f, &x, &y, s);
	if (x.kind == y.kind && x.kind != FINITE)
		return invalid(f, s);
	if (x.kind == INFINITE)
		return infinity(f, negative);
	if (x.kind == ZERO || y.kind == INFINITE)
		return zero(f, negative);
	if (y.kind == ZERO) {
		s->flags |= FLOAT_DIVIDED_BY_ZERO;
		return infinity(f, negative);
	}
	/* The quotient then has 63 bits or more. */
	normalize(&x, 126);
	normalize(&y, 62);
	quotient = x.significand / y.significand;
	quotient |= x.significand % y.significand != 0;
	return round_and_pack(f, negative, x.exponent - y.exponent, quotient, s);
}

/* The integer square root, what is lost in the lowest bit. */
static u128 square_root(u128 value)
{
	u128 root = 0, bit = (u128)1 << 126;

	while (bit > value)
		bit >>= 2;
	for (; bit; bit >>= 2) {
		bool fits = value >= root + bit;

		if (fits)
			value -= root + bit;
		root = root >> 1 | (fits ? bit : 0);
	}
	return root | (value != 0);
}

uint64_t float_square_root(const struct float_format *f, uint64_t a, struct float_status *s)
{
	struct number x = unpack(f, a);

	if (is_nan(&x))
		return propagate_nan(f, &x, &x, s);
	if (x.kind == ZERO)
		return zero(f, x.negative);
	if (x.negative)
		return invalid(f, s);
	if (x.kind == INFINITE)
		return infinity(f, false);
	normalize(&x, 124);
	if (x.exponent & 1) {
		x.significand <<= 1;
		x.exponent--;
	}
	return round_and_pack(f, false, x.exponent / 2, square_root(x.significand), s);
}

/* --- estimates --- */

/* The bits behind the highest one. */
static unsigned leading_fraction(const struct number *n, int count)
{
	int shift = top_bit(n->significand) - count;
	u128 bits = shift >= 0 ? n->significand >> shift : n->significand << -shift;

	return (unsigned)bits & ((1u << count) - 1);
}

/* The exponent as a format without end would have it. */
static int biased_exponent(const struct float_format *f, const struct number *n)
{
	return n->exponent + top_bit(n->significand) + bias(f);
}

static uint64_t divided_by_zero(const struct float_format *f, bool negative, struct float_status *s)
{
	s->flags |= FLOAT_DIVIDED_BY_ZERO;
	return infinity(f, negative);
}

/* What the specification gives as tables are the numbers of 8 bits that are nearest to the result
 * for the middle of the interval that the leading bits stand for. */
uint64_t float_estimate_reciprocal(const struct float_format *f, uint64_t a, struct float_status *s)
{
	struct number x = unpack(f, a);
	uint64_t middle, estimate, fraction;
	int exponent;

	if (is_nan(&x))
		return propagate_nan(f, &x, &x, s);
	if (x.kind == INFINITE)
		return zero(f, x.negative);
	if (x.kind == ZERO)
		return divided_by_zero(f, x.negative, s);
	exponent = 2 * bias(f) - 1 - biased_exponent(f, &x);
	if (exponent > 2 * bias(f))
		return overflow(f, x.negative, s);
	/* middle / 256 is in [1, 2), 256 / (middle / 256) in (128, 256]. */
	middle = 257 + 2 * leading_fraction(&x, 7);
	estimate = (2 * 65536 + middle) / (2 * middle);
	fraction = (estimate & 127) << (f->fraction_bits - 7);
	if (exponent > 0)
		return pack(f, x.negative, (uint64_t)exponent, fraction);
	fraction |= UINT64_C(1) << f->fraction_bits;
	return pack(f, x.negative, 0, fraction >> (1 - exponent));
}

uint64_t float_estimate_reciprocal_square_root(
	const struct float_format *f, uint64_t a, struct float_status *s)
{
	struct number x = unpack(f, a);
	uint64_t middle, estimate = 255;
	int exponent;

	if (is_nan(&x))
		return propagate_nan(f, &x, &x, s);
	if (x.kind == ZERO)
		return divided_by_zero(f, x.negative, s);
	if (x.negative)
		return invalid(f, s);
	if (x.kind == INFINITE)
		return zero(f, false);
	exponent = biased_exponent(f, &x);
	/* middle / 128 is in [1, 4), 256 / sqrt(middle / 128) in (128, 256). */
	middle = (129 + 2 * leading_fraction(&x, 6)) << !(exponent & 1);
	while ((2 * estimate - 1) * (2 * estimate - 1) * middle > UINT64_C(1) << 25)
		estimate--;
	exponent = (3 * bias(f) - 1 - exponent) / 2;
	return pack(f, false, (uint64_t)exponent, (estimate & 127) << (f->fraction_bits - 7));
}

uint64_t float_round_to_integral(
	const struct float_format *f, uint64_t a, bool exact, struct float_status *s)
{
	struct number x = unpack(f, a);
	bool inexact = false;
	u128 whole;

	if (is_nan(&x))
		return propagate_nan(f, &x, &x, s);
	if (x.kind != FINITE || x.exponent >= 0)
		return a;
	whole = shift_right_rounded(x.significand, -x.exponent, x.negative, s->rounding, &inexact);
	if (inexact && exact)
		s->flags |= FLOAT_INEXACT;
	return whole ? round_and_pack(f, x.negative, 0, whole, s) : zero(f, x.negative);
}

/* --- comparisons --- */

/* Of two that are no NaN: is a less than b, with -0 less than +0? */
static bool is_less(const struct float_format *f, uint64_t a, uint64_t b)
{
	uint64_t sign = pack(f, true, 0, 0);

	if ((a ^ b) & sign)
		return a & sign;
	return a & sign ? a > b : a < b;
}

static uint64_t choose(const struct float_format *f, uint64_t a, uint64_t b, bool want_less,
	bool propagate, struct float_status *s)
{
	struct number x = unpack(f, a), y = unpack(f, b);

	if (x.kind == NAN_SIGNALING || y.kind == NAN_SIGNALING)
		s->flags |= FLOAT_INVALID;
	if ((is_nan(&x) && is_nan(&y)) || (propagate && (is_nan(&x) || is_nan(&y))))
		return float_canonical_nan(f);
	if (is_nan(&x))
		return b;
	if (is_nan(&y))
		return a;
	return is_less(f, a, b) == want_less ? a : b;
}

uint64_t float_minimum(const struct float_format *f, uint64_t a, uint64_t b, bool propagate,
	struct float_status *s)
{
	return choose(f, a, b, true, propagate, s);
}

uint64_t float_maximum(const struct float_format *f, uint64_t a, uint64_t b, bool propagate,
	struct float_status *s)
{
	return choose(f, a, b, false, propagate, s);
}

/* Are both numbers? If not, `quiet` says whether that is invalid for quiet NaNs. */
static bool are_ordered(
	const struct float_format *f, uint64_t a, uint64_t b, bool quiet, struct float_status *s)
{
	struct number x = unpack(f, a), y = unpack(f, b);

	if (!is_nan(&x) && !is_nan(&y))
		return true;
	if (!quiet || x.kind == NAN_SIGNALING || y.kind == NAN_SIGNALING)
		s->flags |= FLOAT_INVALID;
	return false;
}

static bool are_zeros(const struct float_format *f, uint64_t a, uint64_t b)
{
	return ((a | b) & ~pack(f, true, 0, 0)) == 0;
}

bool float_equal(const struct float_format *f, uint64_t a, uint64_t b, struct float_status *s)
{
	return are_ordered(f, a, b, true, s) && (a == b || are_zeros(f, a, b));
}

bool float_less(
	const struct float_format *f, uint64_t a, uint64_t b, bool quiet, struct float_status *s)
{
	return are_ordered(f, a, b, quiet, s) && !are_zeros(f, a, b) && is_less(f, a, b);
}

bool float_less_or_equal(
	const struct float_format *f, uint64_t a, uint64_t b, bool quiet, struct float_status *s)
{
	return are_ordered(f, a, b, quiet, s) && (a == b || are_zeros(f, a, b) || is_less(f, a, b));
}

unsigned float_classify(const struct float_format *f, uint64_t a)
{
	struct number x = unpack(f, a);
	bool normal = a >> f->fraction_bits & exponent_mask(f);

	switch (x.kind) {
	case ZERO:
		return x.negative ? 3 : 4;
	case INFINITE:
		return x.negative ? 0 : 7;
	case NAN_SIGNALING:
		return 8;
	case NAN_QUIET:
		return 9;
	case FINITE:
		break;
	}
	return x.negative ? (normal ? 1 : 2) : (normal ? 6 : 5);
}

/* --- conversions --- */

uint64_t float_convert(const struct float_format *from, const struct float_format *to, uint64_t a,
	struct float_status *s)
{
	struct number x = unpack(from, a);

	if (is_nan(&x))
		return propagate_nan(to, &x, &x, s);
	if (x.kind == INFINITE)
		return infinity(to, x.negative);
	if (x.kind == ZERO)
		return zero(to, x.negative);
	return round_and_pack(to, x.negative, x.exponent, x.significand, s);
}

uint64_t float_from_integer(
	const struct float_format *f, uint64_t value, bool is_signed, struct float_status *s)
{
	bool negative = is_signed && (int64_t)value < 0;

	if (!value)
		return zero(f, false);
	return round_and_pack(f, negative, 0, negative ? -value : value, s);
}

/* The bounds of integers, extended to 64 bits as RISC-V registers hold them. */
static uint64_t integer_bound(unsigned width, bool is_signed, bool negative)
{
	uint64_t limit = UINT64_C(1) << (width - 1);

	if (is_signed)
		return negative ? -limit : limit - 1;
	return negative ? 0 : UINT64_MAX;
}

static bool is_in_range(u128 whole, unsigned width, bool is_signed, bool negative)
{
	u128 limit = (u128)1 << (is_signed ? width - 1 : width);

	if (!is_signed && negative)
		return whole == 0;
	return negative ? whole <= limit : whole < limit;
}

static uint64_t extend(uint64_t value, unsigned width)
{
	return (uint64_t)((int64_t)(value << (64 - width)) >> (64 - width));
}

uint64_t float_to_integer(const struct float_format *f, uint64_t a, unsigned width, bool is_signed,
	struct float_status *s)
{
	struct number x = unpack(f, a);
	bool inexact = false;
	u128 whole = 0;

	if (x.kind == ZERO)
		return 0;
	/* Beyond 2^65 the exact value does not matter. */
	if (x.kind == FINITE && x.exponent + top_bit(x.significand) < 65)
		whole = shift_right_rounded(
			x.significand, -x.exponent, x.negative, s->rounding, &inexact);
	else if (x.kind == FINITE)
		whole = (u128)1 << 65;
	if (x.kind != FINITE || !is_in_range(whole, width, is_signed, x.negative)) {
		s->flags |= FLOAT_INVALID;
		return integer_bound(width, is_signed, x.negative && !is_nan(&x));
	}
	if (inexact)
		s->flags |= FLOAT_INEXACT;
	return extend(x.negative ? -(uint64_t)whole : (uint64_t)whole, width);
}

uint64_t float_to_integer_modulo(const struct float_format *f, uint64_t a, struct float_status *s)
{
	struct number x = unpack(f, a);
	bool inexact = false;
	u128 whole = 0;

	if (x.kind == ZERO)
		return 0;
	if (x.kind != FINITE) {
		s->flags |= FLOAT_INVALID;
		return 0;
	}
	/* From 2^84 on, the lowest bit of a double is beyond the 32 that count. */
	if (x.exponent < 32)
		whole = shift_right_rounded(
			x.significand, -x.exponent, x.negative, FLOAT_TO_ZERO, &inexact);
	if (x.exponent >= 32 || !is_in_range(whole, 32, true, x.negative))
		s->flags |= FLOAT_INVALID;
	else if (inexact)
		s->flags |= FLOAT_INEXACT;
	return extend(x.negative ? -(uint64_t)whole : (uint64_t)whole, 32);
}
