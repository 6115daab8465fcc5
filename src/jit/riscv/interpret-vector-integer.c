/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interpret-vector-integer.c - integer arithmetic, element by element (RISC-V Unprivileged ISA,
 * chapter "V", "Vector Integer Arithmetic Instructions" and "Vector Fixed-Point Arithmetic
 * Instructions"; Zvbb, Zvbc).
 *
 * An operation is a function of the elements of vs2 (a), of what stands in the place of vs1 (b) and
 * of vd (d), zero-extended. What its result has above the element's width does not count. What Zvkt
 * lists neither branches on elements nor looks them up.
 */
#include "jit/riscv/interpret-vector.h"

typedef __int128 s128;
typedef unsigned __int128 u128;

/* --- SEW op SEW is SEW ------------------------------------------------------------------------ */

static uint64_t divide(int64_t a, int64_t b)
{
	if (!b)
		return UINT64_MAX;
	/* The quotient of the least number by -1 overflows to itself. */
	return b == -1 ? -(uint64_t)a : (uint64_t)(a / b);
}

static uint64_t remainder_of(int64_t a, int64_t b)
{
	if (!b)
		return (uint64_t)a;
	return b == -1 ? 0 : (uint64_t)(a % b);
}

static uint64_t rotate_left(uint64_t a, unsigned count, unsigned w)
{
	unsigned bits = 8u << w;

	count %= bits;
	return count ? a << count | a >> (bits - count) : a;
}

static u128 carryless_product(uint64_t a, uint64_t b)
{
	u128 product = 0;

	for (unsigned i = 0; i < 64; i++)
		product ^= (u128)(a & -(b >> i & 1)) << i;
	return product;
}

static uint64_t multiply(enum riscv_op op, uint64_t a, uint64_t b, unsigned w)
{
	int64_t sa = riscv_vector_extend(a, w), sb = riscv_vector_extend(b, w);
	unsigned bits = 8u << w;

	switch (op) {
	case RISCV_VMUL_VV ... RISCV_VMUL_VX:
		return a * b;
	case RISCV_VMULH_VV ... RISCV_VMULH_VX:
		return (uint64_t)((s128)sa * sb >> bits);
	case RISCV_VMULHU_VV ... RISCV_VMULHU_VX:
		return (uint64_t)((u128)a * b >> bits);
	case RISCV_VMULHSU_VV ... RISCV_VMULHSU_VX:
		return (uint64_t)((s128)sa * (s128)b >> bits);
	case RISCV_VDIVU_VV ... RISCV_VDIVU_VX:
		return b ? a / b : UINT64_MAX;
	case RISCV_VDIV_VV ... RISCV_VDIV_VX:
		return divide(sa, sb);
	case RISCV_VREMU_VV ... RISCV_VREMU_VX:
		return b ? a % b : a;
	case RISCV_VREM_VV ... RISCV_VREM_VX:
		return remainder_of(sa, sb);
	case RISCV_VCLMUL_VV ... RISCV_VCLMUL_VX:
		return (uint64_t)carryless_product(a, b);
	default: /* VCLMULH */
		return (uint64_t)(carryless_product(a, b) >> 64);
	}
}

static uint64_t compute(enum riscv_op op, uint64_t a, uint64_t b, unsigned w)
{
	int64_t sa = riscv_vector_extend(a, w), sb = riscv_vector_extend(b, w);
	unsigned bits = 8u << w, shift = b % bits;

	switch (op) {
	case RISCV_VADD_VV ... RISCV_VADD_VI:
		return a + b;
	case RISCV_VSUB_VV ... RISCV_VSUB_VX:
		return a - b;
	case RISCV_VRSUB_VX ... RISCV_VRSUB_VI:
		return b - a;
	case RISCV_VMINU_VV ... RISCV_VMINU_VX:
		return a < b ? a : b;
	case RISCV_VMIN_VV ... RISCV_VMIN_VX:
		return sa < sb ? a : b;
	case RISCV_VMAXU_VV ... RISCV_VMAXU_VX:
		return a > b ? a : b;
	case RISCV_VMAX_VV ... RISCV_VMAX_VX:
		return sa > sb ? a : b;
	case RISCV_VAND_VV ... RISCV_VAND_VI:
		return a & b;
	case RISCV_VOR_VV ... RISCV_VOR_VI:
		return a | b;
	case RISCV_VXOR_VV ... RISCV_VXOR_VI:
		return a ^ b;
	case RISCV_VSLL_VV ... RISCV_VSLL_VI:
		return a << shift;
	case RISCV_VSRL_VV ... RISCV_VSRL_VI:
		return a >> shift;
	case RISCV_VSRA_VV ... RISCV_VSRA_VI:
		return (uint64_t)(sa >> shift);
	case RISCV_VANDN_VV ... RISCV_VANDN_VX:
		return a & ~b;
	case RISCV_VROL_VV ... RISCV_VROL_VX:
		return rotate_left(a, shift, w);
	case RISCV_VROR_VV ... RISCV_VROR_VI:
		return rotate_left(a, bits - shift, w);
	default:
		return multiply(op, a, b, w);
	}
}

/* Bits of each byte the other way round. */
static uint64_t reverse_in_bytes(uint64_t a)
{
	a = (a >> 1 & 0x5555555555555555) | (a & 0x5555555555555555) << 1;
	a = (a >> 2 & 0x3333333333333333) | (a & 0x3333333333333333) << 2;
	return (a >> 4 & 0x0f0f0f0f0f0f0f0f) | (a & 0x0f0f0f0f0f0f0f0f) << 4;
}

static uint64_t count_bits(uint64_t a)
{
	a -= a >> 1 & 0x5555555555555555;
	a = (a & 0x3333333333333333) + (a >> 2 & 0x3333333333333333);
	a = (a + (a >> 4)) & 0x0f0f0f0f0f0f0f0f;
	return a * 0x0101010101010101 >> 56;
}

/* All bits below the highest that is set, and it. */
static uint64_t fill_down(uint64_t a)
{
	for (unsigned i = 1; i < 64; i *= 2)
		a |= a >> i;
	return a;
}

static uint64_t compute_unary(enum riscv_op op, uint64_t a, unsigned w)
{
	unsigned bits = 8u << w;

	switch (op) {
	case RISCV_VBREV8_V:
		return reverse_in_bytes(a);
	case RISCV_VREV8_V:
		return __builtin_bswap64(a) >> (64 - bits);
	case RISCV_VBREV_V:
		return __builtin_bswap64(reverse_in_bytes(a)) >> (64 - bits);
	case RISCV_VCLZ_V:
		return bits - count_bits(fill_down(a));
	case RISCV_VCTZ_V:
		return count_bits(riscv_vector_truncate(~a & (a - 1), w));
	default: /* VCPOP */
		return count_bits(a);
	}
}

static uint64_t multiply_and_add(enum riscv_op op, uint64_t a, uint64_t b, uint64_t d)
{
	switch (op) {
	case RISCV_VMACC_VV ... RISCV_VMACC_VX:
		return d + b * a;
	case RISCV_VNMSAC_VV ... RISCV_VNMSAC_VX:
		return d - b * a;
	case RISCV_VMADD_VV ... RISCV_VMADD_VX:
		return a + b * d;
	default: /* VNMSUB */
		return a - b * d;
	}
}

/* --- other widths ----------------------------------------------------------------------------- */

/* a and b of SEW, the result twice as wide. */
static uint64_t compute_wide(enum riscv_op op, uint64_t a, uint64_t b, uint64_t d, unsigned w)
{
	uint64_t sa = (uint64_t)riscv_vector_extend(a, w), sb = (uint64_t)riscv_vector_extend(b, w);

	switch (op) {
	case RISCV_VWADDU_VV ... RISCV_VWADDU_VX:
		return a + b;
	case RISCV_VWADD_VV ... RISCV_VWADD_VX:
		return sa + sb;
	case RISCV_VWSUBU_VV ... RISCV_VWSUBU_VX:
		return a - b;
	case RISCV_VWSUB_VV ... RISCV_VWSUB_VX:
		return sa - sb;
	case RISCV_VWMULU_VV ... RISCV_VWMULU_VX:
		return a * b;
	case RISCV_VWMULSU_VV ... RISCV_VWMULSU_VX:
		return sa * b;
	case RISCV_VWMUL_VV ... RISCV_VWMUL_VX:
		return sa * sb;
	case RISCV_VWSLL_VV ... RISCV_VWSLL_VI:
		return a << b % (16u << w);
	case RISCV_VWMACCU_VV ... RISCV_VWMACCU_VX:
		return d + a * b;
	case RISCV_VWMACC_VV ... RISCV_VWMACC_VX:
		return d + sa * sb;
	case RISCV_VWMACCSU_VV ... RISCV_VWMACCSU_VX:
		return d + a * sb;
	default: /* VWMACCUS */
		return d + sa * b;
	}
}

/* a twice as wide as b, as is the result. */
static uint64_t compute_wide_first(enum riscv_op op, uint64_t a, uint64_t b, unsigned w)
{
	uint64_t sb = (uint64_t)riscv_vector_extend(b, w);

	switch (op) {
	case RISCV_VWADDU_WV ... RISCV_VWADDU_WX:
		return a + b;
	case RISCV_VWADD_WV ... RISCV_VWADD_WX:
		return a + sb;
	case RISCV_VWSUBU_WV ... RISCV_VWSUBU_WX:
		return a - b;
	default: /* VWSUB */
		return a - sb;
	}
}

/* a twice as wide as b and the result. */
static uint64_t compute_narrow(
	struct riscv_cpu *cpu, enum riscv_op op, uint64_t a, uint64_t b, unsigned w)
{
	unsigned shift = b % (16u << w);

	switch (op) {
	case RISCV_VNSRL_WV ... RISCV_VNSRL_WI:
		return a >> shift;
	case RISCV_VNSRA_WV ... RISCV_VNSRA_WI:
		return (uint64_t)(riscv_vector_extend(a, w + 1) >> shift);
	default:
		return riscv_vector_compute_fixed(cpu, op, a, b, w);
	}
}

/* Of vzext and vsext: how much narrower the source is. */
static unsigned narrower(enum riscv_op op)
{
	return 1 + (op - RISCV_VZEXT_VF2) / 2;
}

static uint64_t extend(enum riscv_op op, uint64_t a, unsigned w)
{
	bool is_signed = (op - RISCV_VZEXT_VF2) % 2;

	return is_signed ? (uint64_t)riscv_vector_extend(a, w) : a;
}

/* --- masks as operands and results ------------------------------------------------------------ */

static uint64_t compute_with_mask(enum riscv_op op, uint64_t a, uint64_t b, bool mask)
{
	switch (op) {
	case RISCV_VADC_VVM ... RISCV_VADC_VIM:
		return a + b + mask;
	case RISCV_VSBC_VVM ... RISCV_VSBC_VXM:
		return a - b - mask;
	default: /* VMERGE */
		return a ^ ((a ^ b) & -(uint64_t)mask);
	}
}

static bool compare(enum riscv_op op, uint64_t a, uint64_t b, bool mask, unsigned w)
{
	int64_t sa = riscv_vector_extend(a, w), sb = riscv_vector_extend(b, w);

	switch (op) {
	case RISCV_VMADC_VVM ... RISCV_VMADC_VIM:
		return ((u128)a + b + mask) >> (8u << w);
	case RISCV_VMADC_VV ... RISCV_VMADC_VI:
		return ((u128)a + b) >> (8u << w);
	case RISCV_VMSBC_VVM ... RISCV_VMSBC_VXM:
		return a < (u128)b + mask;
	case RISCV_VMSBC_VV ... RISCV_VMSBC_VX:
	case RISCV_VMSLTU_VV ... RISCV_VMSLTU_VX:
		return a < b;
	case RISCV_VMSEQ_VV ... RISCV_VMSEQ_VI:
		return a == b;
	case RISCV_VMSNE_VV ... RISCV_VMSNE_VI:
		return a != b;
	case RISCV_VMSLT_VV ... RISCV_VMSLT_VX:
		return sa < sb;
	case RISCV_VMSLEU_VV ... RISCV_VMSLEU_VI:
		return a <= b;
	case RISCV_VMSLE_VV ... RISCV_VMSLE_VI:
		return sa <= sb;
	case RISCV_VMSGTU_VX ... RISCV_VMSGTU_VI:
		return a > b;
	default: /* VMSGT */
		return sa > sb;
	}
}

/* vm is 0 for those that have the mask as an operand: every element is active. */
static void execute_with_mask(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	unsigned w = riscv_vector_sew(cpu);
	struct riscv_vector_operand first = riscv_vector_first_operand(cpu, insn, w);
	bool to_mask = insn->op >= RISCV_VMADC_VVM;

	for (unsigned i = cpu->vstart; i < cpu->vl; i++) {
		uint64_t a = riscv_vector_get(cpu, insn->rs2, i, w);
		uint64_t b = riscv_vector_get_operand(cpu, &first, i, w);
		bool mask = riscv_vector_get_bit(cpu, 0, i);

		if (to_mask)
			riscv_vector_set_bit(cpu, insn->rd, i, compare(insn->op, a, b, mask, w));
		else
			riscv_vector_set(
				cpu, insn->rd, i, w, compute_with_mask(insn->op, a, b, mask));
	}
}

static void execute_comparison(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	unsigned w = riscv_vector_sew(cpu);
	struct riscv_vector_operand first = riscv_vector_first_operand(cpu, insn, w);

	for (unsigned i = cpu->vstart; i < cpu->vl; i++) {
		uint64_t a, b;

		if (!riscv_vector_is_active(cpu, insn, i))
			continue;
		a = riscv_vector_get(cpu, insn->rs2, i, w);
		b = riscv_vector_get_operand(cpu, &first, i, w);
		riscv_vector_set_bit(cpu, insn->rd, i, compare(insn->op, a, b, false, w));
	}
}

/* --- groups ----------------------------------------------------------------------------------- */

/* The widths of vd and vs2; vs1 has SEW. */
static void find_widths(const struct riscv_insn *insn, unsigned sew, unsigned *d, unsigned *a)
{
	*d = *a = sew;
	switch (insn->op) {
	case RISCV_VZEXT_VF2 ... RISCV_VSEXT_VF8:
		*a = sew - narrower(insn->op);
		break;
	case RISCV_VWADDU_VV ... RISCV_VWMACCUS_VX:
		*d = sew + 1;
		break;
	case RISCV_VWADDU_WV ... RISCV_VWSUB_WX:
		*d = *a = sew + 1;
		break;
	case RISCV_VNSRL_WV ... RISCV_VNCLIP_WI:
		*a = sew + 1;
		break;
	default:
		break;
	}
}

static uint64_t compute_any(
	struct riscv_cpu *cpu, enum riscv_op op, uint64_t a, uint64_t b, uint64_t d, unsigned sew)
{
	switch (op) {
	case RISCV_VADD_VV ... RISCV_VCLMULH_VX:
		return compute(op, a, b, sew);
	case RISCV_VSADDU_VV ... RISCV_VSSRA_VI:
		return riscv_vector_compute_fixed(cpu, op, a, b, sew);
	case RISCV_VBREV8_V ... RISCV_VCPOP_V:
		return compute_unary(op, a, sew);
	case RISCV_VMACC_VV ... RISCV_VNMSUB_VX:
		return multiply_and_add(op, a, b, d);
	case RISCV_VZEXT_VF2 ... RISCV_VSEXT_VF8:
		return extend(op, a, sew - narrower(op));
	case RISCV_VWADDU_VV ... RISCV_VWMACCUS_VX:
		return compute_wide(op, a, b, d, sew);
	case RISCV_VWADDU_WV ... RISCV_VWSUB_WX:
		return compute_wide_first(op, a, b, sew);
	case RISCV_VNSRL_WV ... RISCV_VNCLIP_WI:
		return compute_narrow(cpu, op, a, b, sew);
	default: /* VMV_V */
		return b;
	}
}

static void execute_elements(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	unsigned sew = riscv_vector_sew(cpu), d_width, a_width;
	struct riscv_vector_operand first = riscv_vector_first_operand(cpu, insn, sew);

	find_widths(insn, sew, &d_width, &a_width);
	for (unsigned i = cpu->vstart; i < cpu->vl; i++) {
		uint64_t a, b, d;

		if (!riscv_vector_is_active(cpu, insn, i))
			continue;
		a = riscv_vector_get(cpu, insn->rs2, i, a_width);
		b = riscv_vector_get_operand(cpu, &first, i, sew);
		d = riscv_vector_get(cpu, insn->rd, i, d_width);
		riscv_vector_set(
			cpu, insn->rd, i, d_width, compute_any(cpu, insn->op, a, b, d, sew));
	}
}

void riscv_execute_vector_integer(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	if (riscv_execute_vector_blocks(cpu, insn))
		return;
	switch (insn->op) {
	case RISCV_VADC_VVM ... RISCV_VMSBC_VXM:
		execute_with_mask(cpu, insn);
		break;
	case RISCV_VMADC_VV ... RISCV_VMSGT_VI:
		execute_comparison(cpu, insn);
		break;
	default:
		execute_elements(cpu, insn);
		break;
	}
}
