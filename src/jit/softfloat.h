/* SPDX-License-Identifier: Apache-2.0 */
/*
 * softfloat.h - IEEE 754-2019 binary arithmetic in integers: every format, rounding mode and flag,
 * the same on every host.
 *
 * The reference the interpreter computes with, and what translated code falls back to where the
 * host has no equivalent (round to nearest, ties away; tininess). Values are their bit patterns,
 * in the low bits of a uint64_t. Every NaN that comes out is the canonical one, tininess is
 * detected after rounding, as RISC-V wants both (Unprivileged ISA 20240411, chapters 20 to 22).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct float_format {
	uint8_t exponent_bits, fraction_bits;
};

extern const struct float_format float_half, float_single, float_double;

/* The encoding of RISC-V's rm fields. */
enum float_rounding {
	FLOAT_NEAREST_EVEN,
	FLOAT_TO_ZERO,
	FLOAT_DOWN,
	FLOAT_UP,
	FLOAT_NEAREST_AWAY,
	FLOAT_TO_ODD, /* to the one of the two neighbours that is odd; no rm field says so */
};

/* The encoding of RISC-V's fflags. */
#define FLOAT_INEXACT	      0x01u
#define FLOAT_UNDERFLOW	      0x02u
#define FLOAT_OVERFLOW	      0x04u
#define FLOAT_DIVIDED_BY_ZERO 0x08u
#define FLOAT_INVALID	      0x10u

/* Where an operation rounds and leaves its flags (or-ed). */
struct float_status {
	enum float_rounding rounding;
	uint32_t flags;
};

uint64_t float_add(const struct float_format *f, uint64_t a, uint64_t b, struct float_status *s);
uint64_t float_subtract(
	const struct float_format *f, uint64_t a, uint64_t b, struct float_status *s);
uint64_t float_multiply(
	const struct float_format *f, uint64_t a, uint64_t b, struct float_status *s);
uint64_t float_divide(const struct float_format *f, uint64_t a, uint64_t b, struct float_status *s);
uint64_t float_square_root(const struct float_format *f, uint64_t a, struct float_status *s);
/* a * b + c, rounded once. */
uint64_t float_fused_multiply_add(
	const struct float_format *f, uint64_t a, uint64_t b, uint64_t c, struct float_status *s);

/* RISC-V vfrec7.v and vfrsqrt7.v: 1 / a and 1 / sqrt(a) to 7 bits. */
uint64_t float_estimate_reciprocal(
	const struct float_format *f, uint64_t a, struct float_status *s);
uint64_t float_estimate_reciprocal_square_root(
	const struct float_format *f, uint64_t a, struct float_status *s);

/* To an integral value in the same format; `exact`: raise inexact. */
uint64_t float_round_to_integral(
	const struct float_format *f, uint64_t a, bool exact, struct float_status *s);

/* IEEE minimumNumber and maximumNumber, or (`propagate`) minimum and maximum, whose NaN wins;
 * -0 is less than +0. */
uint64_t float_minimum(const struct float_format *f, uint64_t a, uint64_t b, bool propagate,
	struct float_status *s);
uint64_t float_maximum(const struct float_format *f, uint64_t a, uint64_t b, bool propagate,
	struct float_status *s);

/* `quiet`: only a signaling NaN is invalid. */
bool float_equal(const struct float_format *f, uint64_t a, uint64_t b, struct float_status *s);
bool float_less(
	const struct float_format *f, uint64_t a, uint64_t b, bool quiet, struct float_status *s);
bool float_less_or_equal(
	const struct float_format *f, uint64_t a, uint64_t b, bool quiet, struct float_status *s);

uint64_t float_convert(const struct float_format *from, const struct float_format *to, uint64_t a,
	struct float_status *s);
/* From an integer of 64 bits, a signed one or not. */
uint64_t float_from_integer(
	const struct float_format *f, uint64_t value, bool is_signed, struct float_status *s);
/* To an integer of `width` (8 to 64) bits. Out of range is invalid, and the nearest there is; NaN
 * is the largest. The result is extended to 64 bits by its sign bit, signed or not. */
uint64_t float_to_integer(const struct float_format *f, uint64_t a, unsigned width, bool is_signed,
	struct float_status *s);
/* RISC-V fcvtmod.w.d, ECMAScript's ToInt32: modulo 2^32, towards zero, sign extended. */
uint64_t float_to_integer_modulo(const struct float_format *f, uint64_t a, struct float_status *s);

/* The bit of fclass: 0 -inf, 1 -normal, 2 -subnormal, 3 -0, 4 +0, 5 +subnormal, 6 +normal, 7 +inf,
 * 8 signaling NaN, 9 quiet NaN. */
unsigned float_classify(const struct float_format *f, uint64_t a);
uint64_t float_canonical_nan(const struct float_format *f);
