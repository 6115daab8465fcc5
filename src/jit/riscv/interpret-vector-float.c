/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interpret-vector-float.c - floating point, element by element (RISC-V Unprivileged ISA, chapter
 * "V", "Vector Floating-Point Instructions"; Zvfh), computed in integers (softfloat.h),
 * and what programs compute most by the host (float-blocks.h).
 *
 * As with integers: a is an element of vs2, b what stands in the place of vs1, d an element of vd.
 */
#include "jit/float-blocks.h"
#include "jit/riscv/interpret-vector.h"

#define BLOCK_BYTES RISCV_VECTOR_BLOCK_BYTES
#define GROUP_BYTES RISCV_VECTOR_GROUP_BYTES

static uint64_t sign_bit(unsigned w)
{
	return UINT64_C(1) << ((8u << w) - 1);
}

static uint64_t compute(
	enum riscv_op op, uint64_t a, uint64_t b, unsigned w, struct float_status *s)
{
	const struct float_format *f = riscv_vector_formats[w];
	uint64_t sign = sign_bit(w);

	switch (op) {
	case RISCV_VFADD_VV ... RISCV_VFADD_VF:
		return float_add(f, a, b, s);
	case RISCV_VFSUB_VV ... RISCV_VFSUB_VF:
		return float_subtract(f, a, b, s);
	case RISCV_VFRSUB_VF:
		return float_subtract(f, b, a, s);
	case RISCV_VFMUL_VV ... RISCV_VFMUL_VF:
		return float_multiply(f, a, b, s);
	case RISCV_VFDIV_VV ... RISCV_VFDIV_VF:
		return float_divide(f, a, b, s);
	case RISCV_VFRDIV_VF:
		return float_divide(f, b, a, s);
	case RISCV_VFMIN_VV ... RISCV_VFMIN_VF:
		return float_minimum(f, a, b, false, s);
	case RISCV_VFMAX_VV ... RISCV_VFMAX_VF:
		return float_maximum(f, a, b, false, s);
	case RISCV_VFSGNJ_VV ... RISCV_VFSGNJ_VF:
		return (a & ~sign) | (b & sign);
	case RISCV_VFSGNJN_VV ... RISCV_VFSGNJN_VF:
		return (a & ~sign) | (~b & sign);
	case RISCV_VFSGNJX_VV ... RISCV_VFSGNJX_VF:
		return a ^ (b & sign);
	case RISCV_VFSQRT_V:
		return float_square_root(f, a, s);
	case RISCV_VFRSQRT7_V:
		return float_estimate_reciprocal_square_root(f, a, s);
	case RISCV_VFREC7_V:
		return float_estimate_reciprocal(f, a, s);
	default: /* VFCLASS */
		return UINT64_C(1) << float_classify(f, a);
	}
}

static bool compare(enum riscv_op op, uint64_t a, uint64_t b, unsigned w, struct float_status *s)
{
	const struct float_format *f = riscv_vector_formats[w];

	switch (op) {
	case RISCV_VMFEQ_VV ... RISCV_VMFEQ_VF:
		return float_equal(f, a, b, s);
	case RISCV_VMFNE_VV ... RISCV_VMFNE_VF:
		return !float_equal(f, a, b, s);
	case RISCV_VMFLE_VV ... RISCV_VMFLE_VF:
		return float_less_or_equal(f, a, b, false, s);
	case RISCV_VMFLT_VV ... RISCV_VMFLT_VF:
		return float_less(f, a, b, false, s);
	case RISCV_VMFGT_VF:
		return float_less(f, b, a, false, s);
	default: /* VMFGE */
		return float_less_or_equal(f, b, a, false, s);
	}
}

/*
 * x * y + z of one width. The forms come as pairs (.vv, .vf) in an order whose bits say what they
 * negate: macc, nmacc, msac, nmsac.
 */
static uint64_t fuse(
	unsigned form, uint64_t x, uint64_t y, uint64_t z, unsigned w, struct float_status *s)
{
	bool negative_product = form & 1, negative_addend = form == 1 || form == 2;

	return float_fused_multiply_add(riscv_vector_formats[w],
		negative_product ? x ^ sign_bit(w) : x, y, negative_addend ? z ^ sign_bit(w) : z,
		s);
}

static uint64_t multiply_and_add(
	enum riscv_op op, uint64_t a, uint64_t b, uint64_t d, unsigned w, struct float_status *s)
{
	if (op < RISCV_VFMADD_VV)
		return fuse((op - RISCV_VFMACC_VV) / 2, a, b, d, w, s);
	return fuse((op - RISCV_VFMADD_VV) / 2, d, b, a, w, s);
}

/* --- other widths ----------------------------------------------------------------------------- */

static uint64_t widen(uint64_t a, unsigned w, struct float_status *s)
{
	return float_convert(riscv_vector_formats[w], riscv_vector_formats[w + 1], a, s);
}

/* a and b of SEW, d and the result twice as wide. */
static uint64_t compute_wide(
	enum riscv_op op, uint64_t a, uint64_t b, uint64_t d, unsigned w, struct float_status *s)
{
	const struct float_format *f = riscv_vector_formats[w + 1];

	a = widen(a, w, s);
	b = widen(b, w, s);
	switch (op) {
	case RISCV_VFWADD_VV ... RISCV_VFWADD_VF:
		return float_add(f, a, b, s);
	case RISCV_VFWSUB_VV ... RISCV_VFWSUB_VF:
		return float_subtract(f, a, b, s);
	case RISCV_VFWMUL_VV ... RISCV_VFWMUL_VF:
		return float_multiply(f, a, b, s);
	default:
		return fuse((op - RISCV_VFWMACC_VV) / 2, a, b, d, w + 1, s);
	}
}

/* a twice as wide as b, as is the result. */
static uint64_t compute_wide_first(
	enum riscv_op op, uint64_t a, uint64_t b, unsigned w, struct float_status *s)
{
	const struct float_format *f = riscv_vector_formats[w + 1];

	b = widen(b, w, s);
	return op <= RISCV_VFWADD_WF ? float_add(f, a, b, s) : float_subtract(f, a, b, s);
}

/* --- conversions ------------------------------------------------------------------------------ */

enum type {
	UNSIGNED,
	SIGNED,
	FLOATING,
};

/* From and to, and the rounding mode where it is not that of frm. */
struct conversion {
	enum riscv_op op;
	enum type from, to;
	int rounding; /* -1: frm */
};

static const struct conversion conversions[] = {
	{ RISCV_VFCVT_XU_F_V, FLOATING, UNSIGNED, -1 },
	{ RISCV_VFCVT_X_F_V, FLOATING, SIGNED, -1 },
	{ RISCV_VFCVT_F_XU_V, UNSIGNED, FLOATING, -1 },
	{ RISCV_VFCVT_F_X_V, SIGNED, FLOATING, -1 },
	{ RISCV_VFCVT_RTZ_XU_F_V, FLOATING, UNSIGNED, FLOAT_TO_ZERO },
	{ RISCV_VFCVT_RTZ_X_F_V, FLOATING, SIGNED, FLOAT_TO_ZERO },
	{ RISCV_VFWCVT_XU_F_V, FLOATING, UNSIGNED, -1 },
	{ RISCV_VFWCVT_X_F_V, FLOATING, SIGNED, -1 },
	{ RISCV_VFWCVT_F_F_V, FLOATING, FLOATING, -1 },
	{ RISCV_VFWCVT_RTZ_XU_F_V, FLOATING, UNSIGNED, FLOAT_TO_ZERO },
	{ RISCV_VFWCVT_RTZ_X_F_V, FLOATING, SIGNED, FLOAT_TO_ZERO },
	{ RISCV_VFWCVT_F_XU_V, UNSIGNED, FLOATING, -1 },
	{ RISCV_VFWCVT_F_X_V, SIGNED, FLOATING, -1 },
	{ RISCV_VFNCVT_F_XU_W, UNSIGNED, FLOATING, -1 },
	{ RISCV_VFNCVT_F_X_W, SIGNED, FLOATING, -1 },
	{ RISCV_VFNCVT_F_F_W, FLOATING, FLOATING, -1 },
	{ RISCV_VFNCVT_ROD_F_F_W, FLOATING, FLOATING, FLOAT_TO_ODD },
	{ RISCV_VFNCVT_XU_F_W, FLOATING, UNSIGNED, -1 },
	{ RISCV_VFNCVT_X_F_W, FLOATING, SIGNED, -1 },
	{ RISCV_VFNCVT_RTZ_XU_F_W, FLOATING, UNSIGNED, FLOAT_TO_ZERO },
	{ RISCV_VFNCVT_RTZ_X_F_W, FLOATING, SIGNED, FLOAT_TO_ZERO },
};

static const struct conversion *find_conversion(enum riscv_op op)
{
	for (size_t i = 0; i < sizeof(conversions) / sizeof(conversions[0]); i++)
		if (conversions[i].op == op)
			return &conversions[i];
	return NULL;
}

/* From 8 << from_width bits to 8 << to_width. */
static uint64_t convert(const struct conversion *conversion, uint64_t a, unsigned from_width,
	unsigned to_width, struct float_status *s)
{
	const struct float_format *from = riscv_vector_formats[from_width],
				  *to = riscv_vector_formats[to_width];

	switch (conversion->from) {
	case UNSIGNED:
		return float_from_integer(to, a, false, s);
	case SIGNED:
		return float_from_integer(
			to, (uint64_t)riscv_vector_extend(a, from_width), true, s);
	default:
		if (conversion->to == FLOATING)
			return float_convert(from, to, a, s);
		return float_to_integer(from, a, 8u << to_width, conversion->to == SIGNED, s);
	}
}

/* --- groups ----------------------------------------------------------------------------------- */

static void execute_comparison(
	struct riscv_cpu *cpu, const struct riscv_insn *insn, struct float_status *s)
{
	unsigned w = riscv_vector_sew(cpu);
	struct riscv_vector_operand first = riscv_vector_first_operand(cpu, insn, w);

	for (unsigned i = cpu->vstart; i < cpu->vl; i++) {
		uint64_t a, b;

		if (!riscv_vector_is_active(cpu, insn, i))
			continue;
		a = riscv_vector_get(cpu, insn->rs2, i, w);
		b = riscv_vector_get_operand(cpu, &first, i, w);
		riscv_vector_set_bit(cpu, insn->rd, i, compare(insn->op, a, b, w, s));
	}
}

static void execute_conversion(struct riscv_cpu *cpu, const struct riscv_insn *insn,
	const struct conversion *conversion, struct float_status *s)
{
	unsigned sew = riscv_vector_sew(cpu);
	unsigned from_width = sew + (insn->op >= RISCV_VFNCVT_F_XU_W);
	unsigned to_width = sew +
		(insn->op >= RISCV_VFWCVT_XU_F_V && insn->op <= RISCV_VFWCVT_F_X_V);

	if (conversion->rounding >= 0)
		s->rounding = (enum float_rounding)conversion->rounding;
	for (unsigned i = cpu->vstart; i < cpu->vl; i++)
		if (riscv_vector_is_active(cpu, insn, i))
			riscv_vector_set(cpu, insn->rd, i, to_width,
				convert(conversion, riscv_vector_get(cpu, insn->rs2, i, from_width),
					from_width, to_width, s));
}

static uint64_t compute_any(
	enum riscv_op op, uint64_t a, uint64_t b, uint64_t d, unsigned sew, struct float_status *s)
{
	switch (op) {
	case RISCV_VFMACC_VV ... RISCV_VFNMSUB_VF:
		return multiply_and_add(op, a, b, d, sew, s);
	case RISCV_VFWADD_VV ... RISCV_VFWMUL_VF:
	case RISCV_VFWMACC_VV ... RISCV_VFWNMSAC_VF:
		return compute_wide(op, a, b, d, sew, s);
	case RISCV_VFWADD_WV ... RISCV_VFWSUB_WF:
		return compute_wide_first(op, a, b, sew, s);
	default:
		return compute(op, a, b, sew, s);
	}
}

static void execute_elements(
	struct riscv_cpu *cpu, const struct riscv_insn *insn, struct float_status *s)
{
	unsigned sew = riscv_vector_sew(cpu);
	unsigned d_width = sew + (insn->op >= RISCV_VFWADD_VV);
	unsigned a_width = sew + (insn->op >= RISCV_VFWADD_WV);
	struct riscv_vector_operand first = riscv_vector_first_operand(cpu, insn, sew);

	for (unsigned i = cpu->vstart; i < cpu->vl; i++) {
		uint64_t a, b, d;

		if (!riscv_vector_is_active(cpu, insn, i))
			continue;
		a = riscv_vector_get(cpu, insn->rs2, i, a_width);
		b = riscv_vector_get_operand(cpu, &first, i, sew);
		d = riscv_vector_get(cpu, insn->rd, i, d_width);
		riscv_vector_set(cpu, insn->rd, i, d_width, compute_any(insn->op, a, b, d, sew, s));
	}
}

/* --- by the host ------------------------------------------------------------------------------ */

/* Which of its operations, and where its operands come from. */
struct host_operation {
	enum host_float_op op;
	char operands[4]; /* of a, b, d, the letters */
};

static bool find_host_operation(enum riscv_op op, struct host_operation *ret)
{
	switch (op) {
	case RISCV_VFADD_VV ... RISCV_VFADD_VF:
		*ret = (struct host_operation){ HOST_ADD, "aba" };
		return true;
	case RISCV_VFSUB_VV ... RISCV_VFSUB_VF:
		*ret = (struct host_operation){ HOST_SUBTRACT, "aba" };
		return true;
	case RISCV_VFRSUB_VF:
		*ret = (struct host_operation){ HOST_SUBTRACT, "baa" };
		return true;
	case RISCV_VFMUL_VV ... RISCV_VFMUL_VF:
		*ret = (struct host_operation){ HOST_MULTIPLY, "aba" };
		return true;
	case RISCV_VFDIV_VV ... RISCV_VFDIV_VF:
		*ret = (struct host_operation){ HOST_DIVIDE, "aba" };
		return true;
	case RISCV_VFRDIV_VF:
		*ret = (struct host_operation){ HOST_DIVIDE, "baa" };
		return true;
	case RISCV_VFSQRT_V:
		*ret = (struct host_operation){ HOST_SQUARE_ROOT, "aaa" };
		return true;
	case RISCV_VFMACC_VV ... RISCV_VFNMSAC_VF:
		ret->op = (enum host_float_op)(HOST_FUSE + (op - RISCV_VFMACC_VV) / 2);
		memcpy(ret->operands, "abd", sizeof(ret->operands));
		return true;
	case RISCV_VFMADD_VV ... RISCV_VFNMSUB_VF:
		ret->op = (enum host_float_op)(HOST_FUSE + (op - RISCV_VFMADD_VV) / 2);
		memcpy(ret->operands, "dba", sizeof(ret->operands));
		return true;
	default:
		return false;
	}
}

/* A copy of an operand with 1 in the place of every element that is not active: no operation on
 * ones raises a flag. */
static struct host_blocks copy_active(const struct riscv_cpu *cpu, const struct riscv_insn *insn,
	struct host_blocks from, unsigned w, uint8_t copy[GROUP_BYTES])
{
	uint64_t one = w == 2 ? 0x3f800000 : 0x3ff0000000000000;
	size_t bytes = (size_t)1 << w;

	for (unsigned i = 0; i < GROUP_BYTES >> w; i++) {
		size_t at = i * bytes;
		const uint8_t *element = (const uint8_t *)from.first +
			at / BLOCK_BYTES * from.step + at % BLOCK_BYTES;
		bool is_active = i < cpu->vl && riscv_vector_is_active(cpu, insn, i);

		memcpy(copy + at, is_active ? element : (const uint8_t *)&one, bytes);
	}
	return (struct host_blocks){ copy, BLOCK_BYTES };
}

/* Singles and doubles from element 0 on, where no NaN comes out; false: nothing was done. */
static bool execute_on_host(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	_Alignas(16) uint8_t result[GROUP_BYTES], block[BLOCK_BYTES], copies[3][GROUP_BYTES];
	unsigned w = riscv_vector_sew(cpu), rounding = cpu->fcsr >> 5;
	unsigned bytes = (unsigned)cpu->vl << w;
	struct riscv_vector_operand first;
	struct host_operation operation;
	struct host_blocks a, b, d, operands[3];
	uint32_t flags;

	if (w < 2 || cpu->vstart || rounding > FLOAT_UP ||
		!find_host_operation(insn->op, &operation))
		return false;
	first = riscv_vector_first_operand(cpu, insn, w);
	a = (struct host_blocks){ cpu->v + insn->rs2 * RISCV_VLEN_BYTES, BLOCK_BYTES };
	d = (struct host_blocks){ cpu->v + insn->rd * RISCV_VLEN_BYTES, BLOCK_BYTES };
	b.first = riscv_vector_spread(cpu, &first, w, block, &b.step);
	for (unsigned i = 0; i < 3; i++) {
		char which = operation.operands[i];

		operands[i] = which == 'a' ? a : which == 'b' ? b : d;
		if (!insn->vm || bytes % BLOCK_BYTES)
			operands[i] = copy_active(cpu, insn, operands[i], w, copies[i]);
	}
	if (!host_compute_floats(operation.op, w == 3, result, operands,
		    (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES, rounding, &flags))
		return false;
	riscv_vector_move_active(cpu, insn, result, w);
	cpu->fcsr |= flags;
	return true;
}

void riscv_execute_vector_float(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	struct float_status status = { .rounding = (enum float_rounding)(cpu->fcsr >> 5) };
	const struct conversion *conversion;

	if (execute_on_host(cpu, insn))
		return;
	conversion = find_conversion(insn->op);
	if (conversion)
		execute_conversion(cpu, insn, conversion, &status);
	else if (insn->op >= RISCV_VMFEQ_VV && insn->op <= RISCV_VMFGE_VF)
		execute_comparison(cpu, insn, &status);
	else
		execute_elements(cpu, insn, &status);
	cpu->fcsr |= status.flags;
}
