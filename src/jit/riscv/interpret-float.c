/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interpret-float.c - F, D, Zfh and Zfa (RISC-V Unprivileged ISA 20240411, chapters 20 to 22, 24
 * and 25), computed in integers (softfloat.h).
 *
 * Registers are 64 bits wide. A narrower value counts only when all bits above it are set; else it
 * is the canonical NaN.
 */
#include "jit/riscv/interpret.h"

/* A single's rows, then a double's, then a half's, each in the same order. */
#define ROWS_OF_A_WIDTH (RISCV_FADD_D - RISCV_FADD_S)

static const struct float_format *const formats[] = { &float_single, &float_double, &float_half };

static unsigned width(const struct float_format *f)
{
	return 1u + f->exponent_bits + f->fraction_bits;
}

static uint64_t sign_bit(const struct float_format *f)
{
	return UINT64_C(1) << (width(f) - 1);
}

/* The bits above a value. */
static uint64_t box(const struct float_format *f)
{
	return width(f) == 64 ? 0 : UINT64_MAX << width(f);
}

uint64_t riscv_get_float(const struct riscv_cpu *cpu, unsigned reg, const struct float_format *f)
{
	uint64_t bits = cpu->f[reg];

	return (bits & box(f)) == box(f) ? bits & ~box(f) : float_canonical_nan(f);
}

void riscv_set_float(
	struct riscv_cpu *cpu, unsigned reg, const struct float_format *f, uint64_t bits)
{
	cpu->f[reg] = bits | box(f);
}

static uint64_t sign_extend(const struct float_format *f, uint64_t bits)
{
	return bits & sign_bit(f) ? bits | box(f) : bits & ~box(f);
}

/* Zfa: the constants of fli, as doubles; the second is the least normal number of its format. */
static uint64_t constant(const struct float_format *f, unsigned index)
{
	static const double constants[32] = { -1.0, 0, 0x1p-16, 0x1p-15, 0x1p-8, 0x1p-7, 0.0625,
		0.125, 0.25, 0.3125, 0.375, 0.4375, 0.5, 0.625, 0.75, 0.875, 1.0, 1.25, 1.5, 1.75,
		2.0, 2.5, 3.0, 4.0, 8.0, 16.0, 128.0, 256.0, 0x1p15, 0x1p16, __builtin_inf(),
		__builtin_nan("") };
	struct float_status ignored = { .rounding = FLOAT_NEAREST_EVEN };
	union {
		double value;
		uint64_t bits;
	} c = { constants[index] };

	if (index == 1)
		return UINT64_C(1) << f->fraction_bits;
	return float_convert(&float_double, f, c.bits, &ignored);
}

/* --- the groups ------------------------------------------------------------------------------- */

static uint64_t fuse(const struct riscv_cpu *cpu, const struct riscv_insn *insn,
	const struct float_format *f, struct float_status *s)
{
	uint64_t a = riscv_get_float(cpu, insn->rs1, f), b = riscv_get_float(cpu, insn->rs2, f),
		 c = riscv_get_float(cpu, insn->rs3, f);
	bool negative_product = insn->op >= RISCV_FNMSUB_S;
	bool negative_addend = (insn->op >= RISCV_FMSUB_S && insn->op < RISCV_FNMSUB_S) ||
		insn->op >= RISCV_FNMADD_S;

	return float_fused_multiply_add(f, negative_product ? a ^ sign_bit(f) : a, b,
		negative_addend ? c ^ sign_bit(f) : c, s);
}

/* To a floating-point register. `op` is the row of singles. */
static uint64_t compute(enum riscv_op op, const struct float_format *f, uint64_t a, uint64_t b,
	struct float_status *s)
{
	uint64_t sign = sign_bit(f);

	switch (op) {
	case RISCV_FADD_S:
		return float_add(f, a, b, s);
	case RISCV_FSUB_S:
		return float_subtract(f, a, b, s);
	case RISCV_FMUL_S:
		return float_multiply(f, a, b, s);
	case RISCV_FDIV_S:
		return float_divide(f, a, b, s);
	case RISCV_FSQRT_S:
		return float_square_root(f, a, s);
	case RISCV_FSGNJ_S:
		return (a & ~sign) | (b & sign);
	case RISCV_FSGNJN_S:
		return (a & ~sign) | (~b & sign);
	case RISCV_FSGNJX_S:
		return a ^ (b & sign);
	case RISCV_FMIN_S:
	case RISCV_FMINM_S:
		return float_minimum(f, a, b, op == RISCV_FMINM_S, s);
	case RISCV_FMAX_S:
	case RISCV_FMAXM_S:
		return float_maximum(f, a, b, op == RISCV_FMAXM_S, s);
	default: /* FROUND, FROUNDNX */
		return float_round_to_integral(f, a, op == RISCV_FROUNDNX_S, s);
	}
}

/* To an integer register. */
static uint64_t examine(enum riscv_op op, const struct float_format *f, uint64_t a, uint64_t b,
	struct float_status *s)
{
	switch (op) {
	case RISCV_FLE_S:
	case RISCV_FLEQ_S:
		return float_less_or_equal(f, a, b, op == RISCV_FLEQ_S, s);
	case RISCV_FLT_S:
	case RISCV_FLTQ_S:
		return float_less(f, a, b, op == RISCV_FLTQ_S, s);
	case RISCV_FEQ_S:
		return float_equal(f, a, b, s);
	case RISCV_FCVT_W_S:
		return float_to_integer(f, a, 32, true, s);
	case RISCV_FCVT_WU_S:
		return float_to_integer(f, a, 32, false, s);
	case RISCV_FCVT_L_S:
		return float_to_integer(f, a, 64, true, s);
	case RISCV_FCVT_LU_S:
		return float_to_integer(f, a, 64, false, s);
	default: /* FCLASS */
		return UINT64_C(1) << float_classify(f, a);
	}
}

static uint64_t from_integer(
	enum riscv_op op, const struct float_format *f, uint64_t value, struct float_status *s)
{
	switch (op) {
	case RISCV_FCVT_S_W:
		return float_from_integer(f, (uint64_t)(int64_t)(int32_t)value, true, s);
	case RISCV_FCVT_S_WU:
		return float_from_integer(f, (uint32_t)value, false, s);
	default: /* L, LU */
		return float_from_integer(f, value, op == RISCV_FCVT_S_L, s);
	}
}

/* An operation that exists in every width. */
static void execute_width(struct riscv_cpu *cpu, const struct riscv_insn *insn, enum riscv_op op,
	const struct float_format *f, struct float_status *s)
{
	uint64_t a = riscv_get_float(cpu, insn->rs1, f), b = riscv_get_float(cpu, insn->rs2, f);

	switch (riscv_format(insn->op)) {
	case RISCV_FORMAT_FLI:
		riscv_set_float(cpu, insn->rd, f, constant(f, insn->rs1));
		break;
	case RISCV_FORMAT_FX:
	case RISCV_FORMAT_FX2:
	case RISCV_FORMAT_FXR:
		cpu->x[insn->rd] = examine(op, f, a, b, s);
		break;
	case RISCV_FORMAT_XFR:
		riscv_set_float(cpu, insn->rd, f, from_integer(op, f, cpu->x[insn->rs1], s));
		break;
	default:
		riscv_set_float(cpu, insn->rd, f, compute(op, f, a, b, s));
		break;
	}
}

static void convert(struct riscv_cpu *cpu, const struct riscv_insn *insn,
	const struct float_format *to, const struct float_format *from, struct float_status *s)
{
	riscv_set_float(cpu, insn->rd, to,
		float_convert(from, to, riscv_get_float(cpu, insn->rs1, from), s));
}

/* Between widths, and bits as they are. */
static void execute_single_row(
	struct riscv_cpu *cpu, const struct riscv_insn *insn, struct float_status *s)
{
	uint64_t *rd = &cpu->x[insn->rd], fs = cpu->f[insn->rs1], rs = cpu->x[insn->rs1];

	switch (insn->op) {
	case RISCV_FCVT_S_D:
		convert(cpu, insn, &float_single, &float_double, s);
		break;
	case RISCV_FCVT_S_H:
		convert(cpu, insn, &float_single, &float_half, s);
		break;
	case RISCV_FCVT_D_S:
		convert(cpu, insn, &float_double, &float_single, s);
		break;
	case RISCV_FCVT_D_H:
		convert(cpu, insn, &float_double, &float_half, s);
		break;
	case RISCV_FCVT_H_S:
		convert(cpu, insn, &float_half, &float_single, s);
		break;
	case RISCV_FCVT_H_D:
		convert(cpu, insn, &float_half, &float_double, s);
		break;
	case RISCV_FCVTMOD_W_D:
		*rd = float_to_integer_modulo(&float_double, fs, s);
		break;
	case RISCV_FMV_X_W:
		*rd = sign_extend(&float_single, fs);
		break;
	case RISCV_FMV_X_D:
		*rd = fs;
		break;
	case RISCV_FMV_X_H:
		*rd = sign_extend(&float_half, fs);
		break;
	case RISCV_FMV_W_X:
		riscv_set_float(cpu, insn->rd, &float_single, rs);
		break;
	case RISCV_FMV_D_X:
		riscv_set_float(cpu, insn->rd, &float_double, rs);
		break;
	default: /* FMV_H_X */
		riscv_set_float(cpu, insn->rd, &float_half, rs);
		break;
	}
}

/* Operations that do not round have no rounding mode, and none in fcsr disturbs them. */
static bool rounds(enum riscv_format format)
{
	return format == RISCV_FORMAT_FR || format == RISCV_FORMAT_FR1 ||
		format == RISCV_FORMAT_R4 || format == RISCV_FORMAT_FXR ||
		format == RISCV_FORMAT_XFR;
}

bool riscv_execute_float(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	unsigned rm = insn->rm == RISCV_RM_DYNAMIC ? cpu->fcsr >> 5 : insn->rm;
	struct float_status status = { .rounding = (enum float_rounding)rm };
	unsigned row;

	if (rounds(riscv_format(insn->op)) && rm > FLOAT_NEAREST_AWAY)
		return false;
	if (insn->op < RISCV_FADD_S) {
		const struct float_format *f = formats[(insn->op - RISCV_FMADD_S) % 3];

		riscv_set_float(cpu, insn->rd, f, fuse(cpu, insn, f, &status));
	} else if (insn->op < RISCV_FCVT_S_D) {
		row = insn->op - RISCV_FADD_S;
		execute_width(cpu, insn, (enum riscv_op)(RISCV_FADD_S + row % ROWS_OF_A_WIDTH),
			formats[row / ROWS_OF_A_WIDTH], &status);
	} else {
		execute_single_row(cpu, insn, &status);
	}
	cpu->fcsr |= status.flags;
	return true;
}
