/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interpret-vector-legal.c - which vector instructions are reserved (RISC-V Unprivileged ISA,
 * chapter "V", "Vector Operands", "Vector Masking" and the sections of the instructions).
 *
 * What a group of instructions has for operands is a row of `shapes`; the rules about alignment,
 * masks and overlap then are the same for all of them. Reserved is illegal here.
 */
#include "jit/riscv/interpret-vector.h"

enum operand {
	NONE, /* or not a vector */
	MASK,
	SEW,
	WIDE, /* twice SEW */
	HALF,
	QUARTER,
	EIGHTH,
	BITS16,
	FOUR, /* of SEW, in one register for all groups of four */
	ELEMENT, /* the first of one register, of SEW */
	WIDE_ELEMENT,
	REGISTERS, /* as many as the instruction's name says */
};

enum {
	VD_IS_SOURCE = 1 << 0,
	NO_OVERLAP = 1 << 1, /* of vd with a source */
	ANY_OVERLAP = 1 << 2,
	FROM_START = 1 << 3, /* vstart must be 0 */
	MASK_APART = 1 << 4, /* vd is a mask, but not v0 when that masks */
	FLOAT = 1 << 5, /* SEW, and what is twice as wide, are widths of floating point */
	FLOAT_WIDE = 1 << 6, /* only what is twice SEW is */
	ONLY_32 = 1 << 7, /* of SEW */
	ONLY_64 = 1 << 8,
	BY_FOUR = 1 << 9, /* whole groups of four elements, of 32 bits or more */
};

struct shape {
	uint8_t vd, vs2, vs1; /* enum operand; vs1 where it is a vector */
	uint16_t flags;
};

/* From one row of instructions to another, both included. */
#define SHAPE(first, last, ...)                                                                    \
	[RISCV_##first - RISCV_VADD_VV... RISCV_##last - RISCV_VADD_VV] = { __VA_ARGS__ }

/* Every row behind the configuration. */
static const struct shape shapes[] = {
	SHAPE(VADD_VV, VREM_VX, SEW, SEW, SEW, 0),
	SHAPE(VCLMUL_VV, VCLMULH_VX, SEW, SEW, SEW, ONLY_64),
	SHAPE(VSADDU_VV, VSSRA_VI, SEW, SEW, SEW, 0),
	SHAPE(VBREV8_V, VCPOP_V, SEW, SEW, NONE, 0),
	SHAPE(VMACC_VV, VNMSUB_VX, SEW, SEW, SEW, VD_IS_SOURCE),
	SHAPE(VZEXT_VF2, VSEXT_VF2, SEW, HALF, NONE, 0),
	SHAPE(VZEXT_VF4, VSEXT_VF4, SEW, QUARTER, NONE, 0),
	SHAPE(VZEXT_VF8, VSEXT_VF8, SEW, EIGHTH, NONE, 0),
	SHAPE(VWADDU_VV, VWSLL_VI, WIDE, SEW, SEW, 0),
	SHAPE(VWMACCU_VV, VWMACCUS_VX, WIDE, SEW, SEW, VD_IS_SOURCE),
	SHAPE(VWADDU_WV, VWSUB_WX, WIDE, WIDE, SEW, 0),
	SHAPE(VNSRL_WV, VNCLIP_WI, SEW, WIDE, SEW, 0),
	SHAPE(VADC_VVM, VMERGE_VIM, SEW, SEW, SEW, 0),
	SHAPE(VMADC_VVM, VMSGT_VI, MASK, SEW, SEW, 0),
	SHAPE(VMV_V_V, VMV_V_I, SEW, NONE, SEW, 0),
	SHAPE(VMV_S_X, VMV_S_X, ELEMENT, NONE, NONE, 0),
	SHAPE(VMV_X_S, VMV_X_S, NONE, ELEMENT, NONE, 0),
	SHAPE(VREDSUM_VS, VREDMAX_VS, ELEMENT, SEW, ELEMENT, FROM_START | ANY_OVERLAP),
	SHAPE(VWREDSUMU_VS, VWREDSUM_VS, WIDE_ELEMENT, SEW, WIDE_ELEMENT, FROM_START | ANY_OVERLAP),
	SHAPE(VMANDN_MM, VMXNOR_MM, MASK, MASK, MASK, 0),
	SHAPE(VCPOP_M, VFIRST_M, NONE, MASK, NONE, FROM_START),
	SHAPE(VMSBF_M, VMSIF_M, MASK, MASK, NONE, FROM_START | NO_OVERLAP | MASK_APART),
	SHAPE(VIOTA_M, VIOTA_M, SEW, MASK, NONE, FROM_START | NO_OVERLAP),
	SHAPE(VID_V, VID_V, SEW, NONE, NONE, 0),
	SHAPE(VSLIDEUP_VX, VSLIDE1UP_VX, SEW, SEW, NONE, NO_OVERLAP),
	SHAPE(VSLIDEDOWN_VX, VSLIDE1DOWN_VX, SEW, SEW, NONE, 0),
	SHAPE(VRGATHER_VV, VRGATHER_VI, SEW, SEW, SEW, NO_OVERLAP),
	SHAPE(VRGATHEREI16_VV, VRGATHEREI16_VV, SEW, SEW, BITS16, NO_OVERLAP),
	SHAPE(VCOMPRESS_VM, VCOMPRESS_VM, SEW, SEW, MASK, FROM_START | NO_OVERLAP),
	SHAPE(VMV1R_V, VMV8R_V, REGISTERS, REGISTERS, NONE, 0),
	SHAPE(VFADD_VV, VFSGNJX_VF, SEW, SEW, SEW, FLOAT),
	SHAPE(VFSQRT_V, VFCVT_RTZ_X_F_V, SEW, SEW, NONE, FLOAT),
	SHAPE(VFMACC_VV, VFNMSUB_VF, SEW, SEW, SEW, FLOAT | VD_IS_SOURCE),
	SHAPE(VMFEQ_VV, VMFGE_VF, MASK, SEW, SEW, FLOAT),
	SHAPE(VFMERGE_VFM, VFMERGE_VFM, SEW, SEW, NONE, FLOAT),
	SHAPE(VFMV_V_F, VFMV_V_F, SEW, NONE, NONE, FLOAT),
	SHAPE(VFMV_S_F, VFMV_S_F, ELEMENT, NONE, NONE, FLOAT),
	SHAPE(VFMV_F_S, VFMV_F_S, NONE, ELEMENT, NONE, FLOAT),
	SHAPE(VFSLIDE1UP_VF, VFSLIDE1UP_VF, SEW, SEW, NONE, FLOAT | NO_OVERLAP),
	SHAPE(VFSLIDE1DOWN_VF, VFSLIDE1DOWN_VF, SEW, SEW, NONE, FLOAT),
	SHAPE(VFWADD_VV, VFWMUL_VF, WIDE, SEW, SEW, FLOAT),
	SHAPE(VFWCVT_XU_F_V, VFWCVT_RTZ_X_F_V, WIDE, SEW, NONE, FLOAT),
	SHAPE(VFWCVT_F_XU_V, VFWCVT_F_X_V, WIDE, SEW, NONE, FLOAT_WIDE),
	SHAPE(VFWMACC_VV, VFWNMSAC_VF, WIDE, SEW, SEW, FLOAT | VD_IS_SOURCE),
	SHAPE(VFWADD_WV, VFWSUB_WF, WIDE, WIDE, SEW, FLOAT),
	SHAPE(VFNCVT_F_XU_W, VFNCVT_ROD_F_F_W, SEW, WIDE, NONE, FLOAT),
	SHAPE(VFNCVT_XU_F_W, VFNCVT_RTZ_X_F_W, SEW, WIDE, NONE, FLOAT_WIDE),
	SHAPE(VFREDUSUM_VS, VFREDMAX_VS, ELEMENT, SEW, ELEMENT, FLOAT | FROM_START | ANY_OVERLAP),
	SHAPE(VFWREDUSUM_VS, VFWREDOSUM_VS, WIDE_ELEMENT, SEW, WIDE_ELEMENT,
		FLOAT | FROM_START | ANY_OVERLAP),
	SHAPE(VAESDM_VV, VGHSH_VV, SEW, SEW, SEW, BY_FOUR | ONLY_32),
	SHAPE(VAESDM_VS, VAESZ_VS, SEW, FOUR, NONE, BY_FOUR | ONLY_32 | NO_OVERLAP),
	SHAPE(VSHA2MS_VV, VSHA2CL_VV, SEW, SEW, SEW, BY_FOUR | NO_OVERLAP),
};

/* The registers an operand is in. */
struct group {
	unsigned first, count; /* count 0: none */
	int width; /* log2 of the bits of an element: 0 of a mask, 3 to 6 */
	int multiplier; /* log2 of EMUL */
};

static bool overlap(const struct group *a, const struct group *b)
{
	return a->count && b->count && a->first < b->first + b->count &&
		b->first < a->first + a->count;
}

/* Elements of `width` in as many as the type has. False: there are no such groups. */
static bool find_group(
	const struct riscv_cpu *cpu, unsigned reg, int width, unsigned fields, struct group *ret)
{
	int sew = (int)riscv_vector_sew(cpu) + 3;
	int multiplier = riscv_vector_lmul(cpu) + width - sew;
	unsigned registers = multiplier > 0 ? 1u << multiplier : 1;

	*ret = (struct group){ reg, registers * fields, width, multiplier };
	return width >= 3 && width <= 6 && multiplier >= -3 && multiplier <= 3 && ret->count <= 8 &&
		reg % registers == 0 && reg + ret->count <= 32;
}

static bool find_operand(const struct riscv_cpu *cpu, const struct riscv_insn *insn,
	enum operand operand, unsigned reg, struct group *ret)
{
	int sew = (int)riscv_vector_sew(cpu) + 3;
	unsigned registers;

	*ret = (struct group){ reg, 0, 0, 0 };
	switch (operand) {
	case NONE:
		return true;
	case MASK:
		ret->count = 1;
		return true;
	case SEW:
		return find_group(cpu, reg, sew, 1, ret);
	case WIDE:
		return find_group(cpu, reg, sew + 1, 1, ret);
	case HALF:
		return find_group(cpu, reg, sew - 1, 1, ret);
	case QUARTER:
		return find_group(cpu, reg, sew - 2, 1, ret);
	case EIGHTH:
		return find_group(cpu, reg, sew - 3, 1, ret);
	case BITS16:
		return find_group(cpu, reg, 4, 1, ret);
	case FOUR:
		*ret = (struct group){ reg, 1, sew, 0 };
		return true;
	case ELEMENT:
	case WIDE_ELEMENT:
		*ret = (struct group){ reg, 1, sew + (operand == WIDE_ELEMENT), 0 };
		return ret->width <= 6;
	case REGISTERS:
		registers = 1u + insn->rs1;
		*ret = (struct group){ reg, registers, sew, 0 };
		return reg % registers == 0;
	}
	return false;
}

/* May a destination lie over a source? */
static bool may_overlap(const struct group *to, const struct group *from)
{
	if (!overlap(to, from) || to->width == from->width)
		return true;
	if (to->width < from->width)
		return to->first == from->first;
	return from->multiplier >= 0 && to->first + to->count == from->first + from->count;
}

/* The same register must not be read as elements of different widths. */
static bool may_be_read_together(const struct group *a, const struct group *b)
{
	return a->width == b->width || !overlap(a, b);
}

static bool is_float_legal(const struct riscv_cpu *cpu, unsigned flags)
{
	if (!(flags & (FLOAT | FLOAT_WIDE)))
		return true;
	/* frm counts even where nothing is rounded. */
	return cpu->fcsr >> 5 <= 4 && (flags & FLOAT_WIDE || riscv_vector_sew(cpu) > 0);
}

static bool is_width_legal(const struct riscv_cpu *cpu, unsigned flags)
{
	unsigned sew = riscv_vector_sew(cpu);

	if ((flags & ONLY_32 && sew != 2) || (flags & ONLY_64 && sew != 3))
		return false;
	return !(flags & BY_FOUR) ||
		(sew >= 2 && riscv_vector_length_max(cpu) >= 4 && cpu->vl % 4 == 0 &&
			cpu->vstart % 4 == 0);
}

/* Are all operands, but for numbers, as wide as SEW? Then they may overlap as they like. */
static bool is_plain(const struct shape *shape)
{
	return shape->vd == SEW && (shape->vs2 == SEW || shape->vs2 == NONE) &&
		(shape->vs1 == SEW || shape->vs1 == NONE) &&
		!(shape->flags & ~(FLOAT | VD_IS_SOURCE));
}

/* is_shape_legal() for these. */
static bool is_plain_legal(
	const struct riscv_cpu *cpu, const struct riscv_insn *insn, const struct shape *shape)
{
	int lmul = riscv_vector_lmul(cpu);
	unsigned registers = lmul > 0 ? 1u << lmul : 1, used = insn->rd, lowest = insn->rd;

	if (shape->vs2 == SEW) {
		used |= insn->rs2;
		lowest = insn->rs2 < lowest ? insn->rs2 : lowest;
	}
	if (shape->vs1 == SEW && riscv_vector_has_vs1(insn)) {
		used |= insn->rs1;
		lowest = insn->rs1 < lowest ? insn->rs1 : lowest;
	}
	return used % registers == 0 && (insn->vm || lowest > 0) &&
		is_float_legal(cpu, shape->flags);
}

static __attribute__((noinline)) bool is_shape_legal(
	const struct riscv_cpu *cpu, const struct riscv_insn *insn, const struct shape *shape)
{
	static const struct group v0 = { 0, 1, 0, 0 };
	enum operand vs1_operand = riscv_vector_has_vs1(insn) ? shape->vs1 : NONE;
	struct group vd, vs2, vs1;

	if ((shape->flags & FROM_START && cpu->vstart) || !is_width_legal(cpu, shape->flags) ||
		!is_float_legal(cpu, shape->flags))
		return false;
	if (!find_operand(cpu, insn, shape->vd, insn->rd, &vd) ||
		!find_operand(cpu, insn, shape->vs2, insn->rs2, &vs2) ||
		!find_operand(cpu, insn, vs1_operand, insn->rs1, &vs1))
		return false;
	if (!insn->vm) {
		bool may_be_v0 = (shape->vd == MASK && !(shape->flags & MASK_APART)) ||
			shape->flags & ANY_OVERLAP;

		if ((!may_be_v0 && overlap(&vd, &v0)) || !may_be_read_together(&vs2, &v0) ||
			!may_be_read_together(&vs1, &v0))
			return false;
	}
	if (!may_be_read_together(&vs2, &vs1))
		return false;
	if (shape->flags & VD_IS_SOURCE &&
		(!may_be_read_together(&vd, &vs2) || !may_be_read_together(&vd, &vs1)))
		return false;
	if (shape->flags & NO_OVERLAP)
		return !overlap(&vd, &vs2) && !overlap(&vd, &vs1);
	return shape->flags & ANY_OVERLAP || (may_overlap(&vd, &vs2) && may_overlap(&vd, &vs1));
}

/* --- loads and stores ------------------------------------------------------------------------- */

static bool is_whole(enum riscv_op op)
{
	return (op >= RISCV_VL1RE8_V && op <= RISCV_VL8RE64_V) ||
		(op >= RISCV_VS1R_V && op <= RISCV_VS8R_V);
}

static __attribute__((noinline)) bool is_memory_legal(
	const struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	bool is_load = insn->op <= RISCV_VLM_V;
	bool is_indexed = riscv_format(insn->op) == RISCV_FORMAT_VLSV;
	unsigned fields = 1u + (insn->rs3 >> 2);
	int sew = (int)riscv_vector_sew(cpu) + 3, width = (int)riscv_vector_memory_width(insn) + 3;
	static const struct group v0 = { 0, 1, 0, 0 };
	struct group vd, index;

	if (is_whole(insn->op))
		return insn->rd % fields == 0;
	if (cpu->vtype & RISCV_VILL)
		return false;
	if (insn->op == RISCV_VLM_V || insn->op == RISCV_VSM_V)
		return true;
	if (!find_group(cpu, insn->rd, is_indexed ? sew : width, fields, &vd))
		return false;
	if (!insn->vm && overlap(&vd, &v0))
		return false;
	if (!is_indexed)
		return true;
	if (!find_group(cpu, insn->rs2, width, 1, &index) ||
		(!insn->vm && !may_be_read_together(&index, &v0)))
		return false;
	if (!is_load)
		return may_be_read_together(&vd, &index);
	return fields > 1 ? !overlap(&vd, &index) : may_overlap(&vd, &index);
}

bool riscv_vector_is_legal(const struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	const struct shape *shape;

	if (insn->op < RISCV_VSETVLI)
		return is_memory_legal(cpu, insn);
	if (insn->op <= RISCV_VSETVL)
		return true;
	if (cpu->vtype & RISCV_VILL)
		return false;
	shape = &shapes[insn->op - RISCV_VADD_VV];
	return is_plain(shape) ? is_plain_legal(cpu, insn, shape)
			       : is_shape_legal(cpu, insn, shape);
}
