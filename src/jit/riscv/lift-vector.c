/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lift-vector.c - vector instructions to IR, for the vector type there is.
 *
 * What an instruction of V does depends on vtype, vl and vstart. A vset{i}vl{i} says what they are
 * for those behind it. Where there was none, the type that the running guest has is expected
 * (IR_VECTOR_EXPECT), and so is vl in a loop that does not set it; elsewhere each operation looks
 * whether vl is all there is room for. What is illegal with the type, or has no operation, is the
 * interpreter's.
 */
#include "jit/riscv/interpret-vector.h"
#include "jit/riscv/lift.h"
#include "jit/riscv/system.h"

enum { CSR_VSTART = 0x008, CSR_VL = 0xc20, CSR_VLENB = 0xc22 };

enum shape {
	SHAPE_HELPER, /* no row */
	SHAPE_ELEMENTS, /* vd, vs2, and vs1 or what is in its place; all of SEW */
	SHAPE_ONE, /* vd, vs2 */
	SHAPE_NUMBERS, /* vd */
	SHAPE_WIDE, /* vd of twice SEW */
	SHAPE_NARROW, /* vs2 of twice SEW, and a number to shift by */
	SHAPE_EXTEND, /* vs2 of a fraction of SEW */
	SHAPE_GATHER,
	SHAPE_SLIDE,
	SHAPE_SET, /* vd is a mask */
	SHAPE_MASKS, /* all are masks */
	SHAPE_FROM_MASK, /* rd */
	SHAPE_INSERT, /* vd[0] */
	SHAPE_EXTRACT, /* vs2[0] */
	SHAPE_REDUCE,
	SHAPE_CRYPTO, /* groups of four words */
	SHAPE_FLOAT, /* as the ones above */
	SHAPE_FLOAT_ONE,
	SHAPE_FLOAT_BITS, /* nothing is computed */
	SHAPE_FLOAT_WIDE,
	SHAPE_FLOAT_SET,
};

struct row {
	uint8_t shape, op, kind, flags;
};

#define ROWS(FIRST, LAST, ...)                                                                     \
	[RISCV_##FIRST - RISCV_VADD_VV... RISCV_##LAST - RISCV_VADD_VV] = { __VA_ARGS__ }
#define VX(NAME, ...)  ROWS(NAME##_VV, NAME##_VX, __VA_ARGS__)
#define VXI(NAME, ...) ROWS(NAME##_VV, NAME##_VI, __VA_ARGS__)
#define VF(NAME, ...)  ROWS(NAME##_VV, NAME##_VF, __VA_ARGS__)
#define ONE(NAME, ...) [RISCV_##NAME - RISCV_VADD_VV] = { __VA_ARGS__ }
#define NARROW_BOTH    (IR_NARROW_A | IR_NARROW_B)
#define NEGATE_BOTH    (IR_FUSED_NEGATE_ADDEND | IR_FUSED_NEGATE_PRODUCT)
#define SIGNED_BOTH    (IR_SIGNED | IR_SIGNED_B)

static const struct row rows[] = {
	VXI(VADD, SHAPE_ELEMENTS, IR_VECTOR_ADD), VX(VSUB, SHAPE_ELEMENTS, IR_VECTOR_SUB),
	ROWS(VRSUB_VX, VRSUB_VI, SHAPE_ELEMENTS, IR_VECTOR_SUB_REVERSE),
	VX(VMINU, SHAPE_ELEMENTS, IR_VECTOR_MINIMUM_UNSIGNED),
	VX(VMIN, SHAPE_ELEMENTS, IR_VECTOR_MINIMUM),
	VX(VMAXU, SHAPE_ELEMENTS, IR_VECTOR_MAXIMUM_UNSIGNED),
	VX(VMAX, SHAPE_ELEMENTS, IR_VECTOR_MAXIMUM), VXI(VAND, SHAPE_ELEMENTS, IR_VECTOR_AND),
	VXI(VOR, SHAPE_ELEMENTS, IR_VECTOR_OR), VXI(VXOR, SHAPE_ELEMENTS, IR_VECTOR_XOR),
	VXI(VSLL, SHAPE_ELEMENTS, IR_VECTOR_SHIFT_LEFT),
	VXI(VSRL, SHAPE_ELEMENTS, IR_VECTOR_SHIFT_RIGHT),
	VXI(VSRA, SHAPE_ELEMENTS, IR_VECTOR_SHIFT_ARITHMETIC),
	VX(VANDN, SHAPE_ELEMENTS, IR_VECTOR_AND_NOT),
	VX(VROL, SHAPE_ELEMENTS, IR_VECTOR_ROTATE_LEFT),
	VXI(VROR, SHAPE_ELEMENTS, IR_VECTOR_ROTATE_RIGHT),
	VX(VMUL, SHAPE_ELEMENTS, IR_VECTOR_MULTIPLY),
	VX(VCLMUL, SHAPE_ELEMENTS, IR_VECTOR_MULTIPLY_CARRYLESS),
	VX(VCLMULH, SHAPE_ELEMENTS, IR_VECTOR_MULTIPLY_CARRYLESS_HIGH),
	VX(VMULH, SHAPE_ELEMENTS, IR_VECTOR_MULTIPLY_HIGH),
	VX(VMULHU, SHAPE_ELEMENTS, IR_VECTOR_MULTIPLY_HIGH_UNSIGNED),
	ROWS(VREV8_V, VREV8_V, SHAPE_ONE, IR_VECTOR_REVERSE_BYTES),
	VX(VMACC, SHAPE_ELEMENTS, IR_VECTOR_ADD_PRODUCT),
	VX(VNMSAC, SHAPE_ELEMENTS, IR_VECTOR_SUB_PRODUCT),
	VX(VMADD, SHAPE_ELEMENTS, IR_VECTOR_SCALE_ADD),
	VX(VNMSUB, SHAPE_ELEMENTS, IR_VECTOR_SCALE_SUB),
	ROWS(VZEXT_VF2, VZEXT_VF2, SHAPE_EXTEND, IR_VECTOR_EXTEND, 1),
	ROWS(VSEXT_VF2, VSEXT_VF2, SHAPE_EXTEND, IR_VECTOR_EXTEND, 1, IR_SIGNED),
	ROWS(VZEXT_VF4, VZEXT_VF4, SHAPE_EXTEND, IR_VECTOR_EXTEND, 2),
	ROWS(VSEXT_VF4, VSEXT_VF4, SHAPE_EXTEND, IR_VECTOR_EXTEND, 2, IR_SIGNED),
	ROWS(VZEXT_VF8, VZEXT_VF8, SHAPE_EXTEND, IR_VECTOR_EXTEND, 3),
	ROWS(VSEXT_VF8, VSEXT_VF8, SHAPE_EXTEND, IR_VECTOR_EXTEND, 3, IR_SIGNED),
	VX(VWADDU, SHAPE_WIDE, IR_VECTOR_ADD, 0, NARROW_BOTH),
	VX(VWADD, SHAPE_WIDE, IR_VECTOR_ADD, 0, NARROW_BOTH | SIGNED_BOTH),
	VX(VWSUBU, SHAPE_WIDE, IR_VECTOR_SUB, 0, NARROW_BOTH),
	VX(VWSUB, SHAPE_WIDE, IR_VECTOR_SUB, 0, NARROW_BOTH | SIGNED_BOTH),
	VX(VWMULU, SHAPE_WIDE, IR_VECTOR_MULTIPLY, 0, NARROW_BOTH),
	VX(VWMULSU, SHAPE_WIDE, IR_VECTOR_MULTIPLY, 0, NARROW_BOTH | IR_SIGNED),
	VX(VWMUL, SHAPE_WIDE, IR_VECTOR_MULTIPLY, 0, NARROW_BOTH | SIGNED_BOTH),
	VX(VWMACCU, SHAPE_WIDE, IR_VECTOR_ADD_PRODUCT, 0, NARROW_BOTH),
	VX(VWMACC, SHAPE_WIDE, IR_VECTOR_ADD_PRODUCT, 0, NARROW_BOTH | SIGNED_BOTH),
	/* vs1 is signed, vs2 is not */
	VX(VWMACCSU, SHAPE_WIDE, IR_VECTOR_ADD_PRODUCT, 0, NARROW_BOTH | IR_SIGNED_B),
	ROWS(VWMACCUS_VX, VWMACCUS_VX, SHAPE_WIDE, IR_VECTOR_ADD_PRODUCT, 0,
		NARROW_BOTH | IR_SIGNED),
	ROWS(VWADDU_WV, VWADDU_WX, SHAPE_WIDE, IR_VECTOR_ADD, 0, IR_NARROW_B),
	ROWS(VWADD_WV, VWADD_WX, SHAPE_WIDE, IR_VECTOR_ADD, 0, IR_NARROW_B | IR_SIGNED_B),
	ROWS(VWSUBU_WV, VWSUBU_WX, SHAPE_WIDE, IR_VECTOR_SUB, 0, IR_NARROW_B),
	ROWS(VWSUB_WV, VWSUB_WX, SHAPE_WIDE, IR_VECTOR_SUB, 0, IR_NARROW_B | IR_SIGNED_B),
	ROWS(VWSLL_VI, VWSLL_VI, SHAPE_WIDE, IR_VECTOR_SHIFT_LEFT, 0, IR_NARROW_A),
	ROWS(VNSRL_WX, VNSRL_WI, SHAPE_NARROW, IR_VECTOR_NARROW),
	ROWS(VNSRA_WX, VNSRA_WI, SHAPE_NARROW, IR_VECTOR_NARROW),
	ROWS(VMERGE_VVM, VMERGE_VIM, SHAPE_ELEMENTS, IR_VECTOR_SELECT),
	VXI(VMSEQ, SHAPE_SET, IR_VECTOR_SET, IR_EQUAL),
	VXI(VMSNE, SHAPE_SET, IR_VECTOR_SET, IR_NOT_EQUAL),
	VX(VMSLTU, SHAPE_SET, IR_VECTOR_SET, IR_LESS_UNSIGNED),
	VX(VMSLT, SHAPE_SET, IR_VECTOR_SET, IR_LESS),
	VXI(VMSLEU, SHAPE_SET, IR_VECTOR_SET, IR_LESS_OR_EQUAL_UNSIGNED),
	VXI(VMSLE, SHAPE_SET, IR_VECTOR_SET, IR_LESS_OR_EQUAL),
	ROWS(VMSGTU_VX, VMSGTU_VI, SHAPE_SET, IR_VECTOR_SET, IR_GREATER_UNSIGNED),
	ROWS(VMSGT_VX, VMSGT_VI, SHAPE_SET, IR_VECTOR_SET, IR_GREATER),
	ONE(VMANDN_MM, SHAPE_MASKS, IR_VECTOR_MASK, IR_MASK_AND_NOT),
	ONE(VMAND_MM, SHAPE_MASKS, IR_VECTOR_MASK, IR_MASK_AND),
	ONE(VMOR_MM, SHAPE_MASKS, IR_VECTOR_MASK, IR_MASK_OR),
	ONE(VMXOR_MM, SHAPE_MASKS, IR_VECTOR_MASK, IR_MASK_XOR),
	ONE(VMORN_MM, SHAPE_MASKS, IR_VECTOR_MASK, IR_MASK_OR_NOT),
	ONE(VMNAND_MM, SHAPE_MASKS, IR_VECTOR_MASK, IR_MASK_NOT_AND),
	ONE(VMNOR_MM, SHAPE_MASKS, IR_VECTOR_MASK, IR_MASK_NOT_OR),
	ONE(VMXNOR_MM, SHAPE_MASKS, IR_VECTOR_MASK, IR_MASK_NOT_XOR),
	ONE(VCPOP_M, SHAPE_FROM_MASK, IR_VECTOR_COUNT),
	ONE(VFIRST_M, SHAPE_FROM_MASK, IR_VECTOR_FIND),
	ONE(VMSBF_M, SHAPE_MASKS, IR_VECTOR_MARK, IR_MASK_BEFORE),
	ONE(VMSOF_M, SHAPE_MASKS, IR_VECTOR_MARK, IR_MASK_AT),
	ONE(VMSIF_M, SHAPE_MASKS, IR_VECTOR_MARK, IR_MASK_UP_TO),
	ONE(VMV_S_X, SHAPE_INSERT, IR_VECTOR_INSERT), ONE(VFMV_S_F, SHAPE_INSERT, IR_VECTOR_INSERT),
	ONE(VMV_X_S, SHAPE_EXTRACT, IR_VECTOR_EXTRACT, 0, IR_SIGNED),
	ONE(VFMV_F_S, SHAPE_EXTRACT, IR_VECTOR_EXTRACT),
	ONE(VREDSUM_VS, SHAPE_REDUCE, IR_VECTOR_REDUCE, IR_VECTOR_ADD),
	ONE(VREDAND_VS, SHAPE_REDUCE, IR_VECTOR_REDUCE, IR_VECTOR_AND),
	ONE(VREDOR_VS, SHAPE_REDUCE, IR_VECTOR_REDUCE, IR_VECTOR_OR),
	ONE(VREDXOR_VS, SHAPE_REDUCE, IR_VECTOR_REDUCE, IR_VECTOR_XOR),
	ONE(VREDMINU_VS, SHAPE_REDUCE, IR_VECTOR_REDUCE, IR_VECTOR_MINIMUM_UNSIGNED),
	ONE(VREDMIN_VS, SHAPE_REDUCE, IR_VECTOR_REDUCE, IR_VECTOR_MINIMUM),
	ONE(VREDMAXU_VS, SHAPE_REDUCE, IR_VECTOR_REDUCE, IR_VECTOR_MAXIMUM_UNSIGNED),
	ONE(VREDMAX_VS, SHAPE_REDUCE, IR_VECTOR_REDUCE, IR_VECTOR_MAXIMUM),
	ONE(VWREDSUMU_VS, SHAPE_REDUCE, IR_VECTOR_REDUCE, IR_VECTOR_ADD, IR_NARROW_A),
	ONE(VWREDSUM_VS, SHAPE_REDUCE, IR_VECTOR_REDUCE, IR_VECTOR_ADD, IR_NARROW_A | IR_SIGNED),
	ROWS(VMV_V_V, VMV_V_I, SHAPE_ELEMENTS, IR_VECTOR_MOVE),
	ROWS(VID_V, VID_V, SHAPE_NUMBERS, IR_VECTOR_NUMBERS),
	ONE(VRGATHER_VV, SHAPE_GATHER, IR_VECTOR_GATHER),
	ONE(VRGATHEREI16_VV, SHAPE_GATHER, IR_VECTOR_GATHER, 2),
	ONE(VSLIDEDOWN_VI, SHAPE_SLIDE, IR_VECTOR_SLIDE_DOWN),
	ONE(VSLIDEUP_VI, SHAPE_SLIDE, IR_VECTOR_SLIDE_UP),
	ONE(VSLIDE1UP_VX, SHAPE_ELEMENTS, IR_VECTOR_PUSH),
	ONE(VSLIDE1DOWN_VX, SHAPE_ELEMENTS, IR_VECTOR_SHIFT_IN),
	VF(VFADD, SHAPE_FLOAT, IR_VECTOR_FLOAT_ADD),
	VF(VFSUB, SHAPE_FLOAT, IR_VECTOR_FLOAT_SUBTRACT),
	ONE(VFRSUB_VF, SHAPE_FLOAT, IR_VECTOR_FLOAT_SUBTRACT_REVERSE),
	VF(VFMUL, SHAPE_FLOAT, IR_VECTOR_FLOAT_MULTIPLY),
	VF(VFDIV, SHAPE_FLOAT, IR_VECTOR_FLOAT_DIVIDE),
	ONE(VFRDIV_VF, SHAPE_FLOAT, IR_VECTOR_FLOAT_DIVIDE_REVERSE),
	ONE(VFSQRT_V, SHAPE_FLOAT_ONE, IR_VECTOR_FLOAT_SQUARE_ROOT),
	VF(VFMIN, SHAPE_FLOAT, IR_VECTOR_FLOAT_MINIMUM),
	VF(VFMAX, SHAPE_FLOAT, IR_VECTOR_FLOAT_MAXIMUM),
	VF(VFSGNJ, SHAPE_FLOAT_BITS, IR_VECTOR_SIGN, IR_SIGN_OF),
	VF(VFSGNJN, SHAPE_FLOAT_BITS, IR_VECTOR_SIGN, IR_SIGN_NOT_OF),
	VF(VFSGNJX, SHAPE_FLOAT_BITS, IR_VECTOR_SIGN, IR_SIGN_XOR),
	VF(VFMACC, SHAPE_FLOAT, IR_VECTOR_FLOAT_FUSE),
	VF(VFNMACC, SHAPE_FLOAT, IR_VECTOR_FLOAT_FUSE, NEGATE_BOTH),
	VF(VFMSAC, SHAPE_FLOAT, IR_VECTOR_FLOAT_FUSE, IR_FUSED_NEGATE_ADDEND),
	VF(VFNMSAC, SHAPE_FLOAT, IR_VECTOR_FLOAT_FUSE, IR_FUSED_NEGATE_PRODUCT),
	VF(VFMADD, SHAPE_FLOAT, IR_VECTOR_FLOAT_SCALE),
	VF(VFNMADD, SHAPE_FLOAT, IR_VECTOR_FLOAT_SCALE, NEGATE_BOTH),
	VF(VFMSUB, SHAPE_FLOAT, IR_VECTOR_FLOAT_SCALE, IR_FUSED_NEGATE_ADDEND),
	VF(VFNMSUB, SHAPE_FLOAT, IR_VECTOR_FLOAT_SCALE, IR_FUSED_NEGATE_PRODUCT),
	VF(VMFEQ, SHAPE_FLOAT_SET, IR_VECTOR_FLOAT_SET, IR_EQUAL),
	VF(VMFLE, SHAPE_FLOAT_SET, IR_VECTOR_FLOAT_SET, IR_LESS_OR_EQUAL),
	VF(VMFLT, SHAPE_FLOAT_SET, IR_VECTOR_FLOAT_SET, IR_LESS),
	VF(VMFNE, SHAPE_FLOAT_SET, IR_VECTOR_FLOAT_SET, IR_NOT_EQUAL),
	ONE(VMFGT_VF, SHAPE_FLOAT_SET, IR_VECTOR_FLOAT_SET, IR_GREATER),
	ONE(VMFGE_VF, SHAPE_FLOAT_SET, IR_VECTOR_FLOAT_SET, IR_GREATER_OR_EQUAL),
	ONE(VFMERGE_VFM, SHAPE_FLOAT_BITS, IR_VECTOR_SELECT),
	ONE(VFMV_V_F, SHAPE_FLOAT_BITS, IR_VECTOR_MOVE),
	ONE(VFCVT_X_F_V, SHAPE_FLOAT_ONE, IR_VECTOR_FLOAT_CONVERT, IR_SINGLE_TO_WORD),
	ONE(VFCVT_RTZ_X_F_V, SHAPE_FLOAT_ONE, IR_VECTOR_FLOAT_CONVERT, IR_SINGLE_TO_WORD_TO_ZERO),
	ONE(VFCVT_F_X_V, SHAPE_FLOAT_ONE, IR_VECTOR_FLOAT_CONVERT, IR_WORD_TO_SINGLE),
	VF(VFWADD, SHAPE_FLOAT_WIDE, IR_VECTOR_FLOAT_ADD, 0, NARROW_BOTH),
	VF(VFWSUB, SHAPE_FLOAT_WIDE, IR_VECTOR_FLOAT_SUBTRACT, 0, NARROW_BOTH),
	VF(VFWMUL, SHAPE_FLOAT_WIDE, IR_VECTOR_FLOAT_MULTIPLY, 0, NARROW_BOTH),
	ROWS(VFWADD_WV, VFWADD_WF, SHAPE_FLOAT_WIDE, IR_VECTOR_FLOAT_ADD, 0, IR_NARROW_B),
	ROWS(VFWSUB_WV, VFWSUB_WF, SHAPE_FLOAT_WIDE, IR_VECTOR_FLOAT_SUBTRACT, 0, IR_NARROW_B),
	VF(VFWMACC, SHAPE_FLOAT_WIDE, IR_VECTOR_FLOAT_FUSE, 0, NARROW_BOTH),
	VF(VFWNMACC, SHAPE_FLOAT_WIDE, IR_VECTOR_FLOAT_FUSE, NEGATE_BOTH, NARROW_BOTH),
	VF(VFWMSAC, SHAPE_FLOAT_WIDE, IR_VECTOR_FLOAT_FUSE, IR_FUSED_NEGATE_ADDEND, NARROW_BOTH),
	VF(VFWNMSAC, SHAPE_FLOAT_WIDE, IR_VECTOR_FLOAT_FUSE, IR_FUSED_NEGATE_PRODUCT, NARROW_BOTH),
	ONE(VFWCVT_F_F_V, SHAPE_FLOAT_WIDE, IR_VECTOR_FLOAT_CONVERT, IR_SINGLE_TO_DOUBLE),
	ONE(VFWCVT_F_X_V, SHAPE_FLOAT_WIDE, IR_VECTOR_FLOAT_CONVERT, IR_WORD_TO_DOUBLE),
	ONE(VFNCVT_F_F_W, SHAPE_FLOAT_ONE, IR_VECTOR_FLOAT_CONVERT, IR_DOUBLE_TO_SINGLE),
	ONE(VFNCVT_X_F_W, SHAPE_FLOAT_ONE, IR_VECTOR_FLOAT_CONVERT, IR_DOUBLE_TO_WORD),
	ONE(VFNCVT_RTZ_X_F_W, SHAPE_FLOAT_ONE, IR_VECTOR_FLOAT_CONVERT, IR_DOUBLE_TO_WORD_TO_ZERO),
	ONE(VFREDUSUM_VS, SHAPE_FLOAT, IR_VECTOR_FLOAT_SUM),
	ONE(VFREDOSUM_VS, SHAPE_FLOAT, IR_VECTOR_FLOAT_SUM),
	ONE(VAESDM_VV, SHAPE_CRYPTO, IR_VECTOR_AES, IR_AES_DECRYPT_KEYED),
	ONE(VAESDF_VV, SHAPE_CRYPTO, IR_VECTOR_AES, IR_AES_DECRYPT_LAST),
	ONE(VAESEM_VV, SHAPE_CRYPTO, IR_VECTOR_AES, IR_AES_ENCRYPT),
	ONE(VAESEF_VV, SHAPE_CRYPTO, IR_VECTOR_AES, IR_AES_ENCRYPT_LAST),
	ONE(VAESDM_VS, SHAPE_CRYPTO, IR_VECTOR_AES, IR_AES_DECRYPT_KEYED, IR_ONE_KEY),
	ONE(VAESDF_VS, SHAPE_CRYPTO, IR_VECTOR_AES, IR_AES_DECRYPT_LAST, IR_ONE_KEY),
	ONE(VAESEM_VS, SHAPE_CRYPTO, IR_VECTOR_AES, IR_AES_ENCRYPT, IR_ONE_KEY),
	ONE(VAESEF_VS, SHAPE_CRYPTO, IR_VECTOR_AES, IR_AES_ENCRYPT_LAST, IR_ONE_KEY),
	ONE(VAESZ_VS, SHAPE_CRYPTO, IR_VECTOR_AES, IR_AES_KEY, IR_ONE_KEY),
	ONE(VGMUL_VV, SHAPE_CRYPTO, IR_VECTOR_GHASH),
	ONE(VGHSH_VV, SHAPE_CRYPTO, IR_VECTOR_GHASH, 1),
	ONE(VSHA2MS_VV, SHAPE_CRYPTO, IR_VECTOR_SHA256, IR_SHA_SCHEDULE),
	ONE(VSHA2CH_VV, SHAPE_CRYPTO, IR_VECTOR_SHA256, IR_SHA_UPPER),
	ONE(VSHA2CL_VV, SHAPE_CRYPTO, IR_VECTOR_SHA256, IR_SHA_LOWER), /* the last */
};

/* --- what is known ------------------------------------------------------------------------------
 */

/* Behind this, vl is as large as it can be, as far as anybody knows. */
static void forget_length(struct riscv_lift_vector *v)
{
	v->knows_length = v->guesses_length = false;
	if (!(v->model.vtype & RISCV_VILL))
		v->model.vl = riscv_vector_length_max(&v->model);
}

void riscv_lift_vector_begin(
	struct riscv_lift_vector *v, const struct riscv_cpu *state, bool keeps_length)
{
	v->knows_type = v->knows_length = v->guesses_length = false;
	v->keeps_length = keeps_length;
	v->is_off = v->is_float_off = false;
	if (state && state->is_system) {
		uint32_t mode = ((const struct riscv_system_cpu *)state)->mode;

		v->is_off = !(mode & RISCV_MODE_VECTOR);
		v->is_float_off = !(mode & RISCV_MODE_FLOAT);
	}
	v->model.fcsr = v->model.vstart = 0;
	v->model.vl = 0;
	v->model.vtype = state ? state->vtype : RISCV_VILL;
	v->guesses_type = v->is_of_state = !(v->model.vtype & RISCV_VILL);
	forget_length(v);
	if (v->guesses_type && keeps_length && state->vl) {
		v->guesses_length = true;
		v->model.vl = state->vl;
	}
}

void riscv_lift_vector_forget(struct riscv_lift_vector *v)
{
	bool knows_length = v->knows_length || v->guesses_length;

	v->guesses_type = v->guesses_type || v->knows_type;
	v->knows_type = v->knows_length = false;
	if (v->keeps_length && knows_length)
		v->guesses_length = true;
	else
		forget_length(v);
}

bool riscv_sets_vector_length(enum riscv_op op)
{
	return (op >= RISCV_VLEFF8_V && op <= RISCV_VLEFF64_V) ||
		(op >= RISCV_VSETVLI && op <= RISCV_VSETVL);
}

static bool is_vector(enum riscv_op op)
{
	return (op >= RISCV_VLE8_V && op <= RISCV_VLM_V) ||
		(op >= RISCV_VSE8_V && op <= RISCV_VSM_V) ||
		(op >= RISCV_VSETVLI && op <= RISCV_VFWREDOSUM_VS) ||
		(op >= RISCV_VAESDM_VV && op <= RISCV_VSHA2CL_VV);
}

/* From here on the model is right. */
static void expect(struct riscv_lift_vector *v, struct ir_block *block,
	const struct riscv_insn *insn, uint64_t pc)
{
	struct ir *ir;

	if (v->knows_type)
		return;
	ir = riscv_lift_add(block, IR_VECTOR_EXPECT, insn, pc);
	ir->imm = (int64_t)v->model.vtype;
	block->wants_state = block->wants_state || v->is_of_state;
	if (v->guesses_length) {
		ir->flags = IR_CHECK_LENGTH;
		ir->count = (uint8_t)v->model.vl;
		v->knows_length = true;
	}
	v->knows_type = true;
}

/* --- operations --------------------------------------------------------------------------------
 */

/* What may have to be done by the interpreter: of elements of 1 << width bytes. */
static struct ir *add(const struct riscv_lift_vector *v, struct ir_block *block, enum ir_op op,
	const struct riscv_insn *insn, uint64_t pc, unsigned width)
{
	int16_t helper = riscv_lift_keep(block, insn);
	struct ir *ir = riscv_lift_add(block, op, insn, pc);

	ir->helper = helper;
	ir->size = (uint8_t)(1u << width);
	ir->count = (uint8_t)v->model.vl;
	ir->flags = v->knows_length ? 0 : IR_CHECK_LENGTH;
	if (!insn->vm)
		ir->c = IR_FIRST_VECTOR; /* v0 */
	return ir;
}

static uint8_t vector_slot(unsigned reg)
{
	return (uint8_t)(IR_FIRST_VECTOR + reg);
}

/* The operand in the place of vs1. */
static void set_first_operand(struct ir *ir, const struct riscv_insn *insn)
{
	switch (riscv_format(insn->op)) {
	case RISCV_FORMAT_VVI:
	case RISCV_FORMAT_VVU:
	case RISCV_FORMAT_VVU6:
	case RISCV_FORMAT_VVIM:
	case RISCV_FORMAT_VI:
		ir->flags |= IR_IMMEDIATE;
		ir->imm = insn->imm;
		break;
	case RISCV_FORMAT_VVX:
	case RISCV_FORMAT_VVXM:
	case RISCV_FORMAT_VAX:
	case RISCV_FORMAT_VX:
		if (insn->rs1)
			ir->b = insn->rs1;
		else
			ir->flags |= IR_IMMEDIATE;
		break;
	case RISCV_FORMAT_VVF:
	case RISCV_FORMAT_VVFM:
	case RISCV_FORMAT_VAF:
	case RISCV_FORMAT_VF:
		ir->b = (uint8_t)(RISCV_FIRST_FLOAT_SLOT + insn->rs1);
		break;
	default:
		ir->b = vector_slot(insn->rs1);
		break;
	}
}

/* Bytes of a whole group, at least a register. */
static bool is_whole(const struct riscv_lift_vector *v)
{
	return riscv_vector_lmul(&v->model) >= 0;
}

/* Can it be done for some elements of a slot only? */
static bool takes_some(const struct row *row)
{
	return row->op <= IR_VECTOR_FLOAT_SCALE ||
		(row->op == IR_VECTOR_FLOAT_CONVERT && row->kind <= IR_WORD_TO_SINGLE);
}

/* What of a group must be there, else: all of each slot, or of those that a conversion reads. */
static unsigned whole_bytes(const struct row *row)
{
	return row->op == IR_VECTOR_FLOAT_CONVERT ? RISCV_VLEN_BYTES / 2 : RISCV_VLEN_BYTES;
}

/* Conversions of 64 bits the host has none of. */
static bool is_float_width(const struct row *row, unsigned sew)
{
	return row->op != IR_VECTOR_FLOAT_CONVERT || sew == 2;
}

/* What a row asks for beyond what is legal. */
static bool has_operation(
	const struct riscv_lift_vector *v, const struct riscv_insn *insn, const struct row *row)
{
	unsigned sew = riscv_vector_sew(&v->model);

	switch ((enum shape)row->shape) {
	case SHAPE_HELPER:
		return false;
	case SHAPE_NARROW: /* the lower half: as long as it comes from the upper, signs are none */
		return riscv_format(insn->op) == RISCV_FORMAT_VVU ? (unsigned)insn->imm <= 8u << sew
								  : insn->rs1 == 0;
	case SHAPE_SLIDE:
		return is_whole(v);
	case SHAPE_EXTRACT:
		return insn->op == RISCV_VFMV_F_S ? sew >= 2 : insn->rd != 0;
	case SHAPE_INSERT:
		return insn->op != RISCV_VFMV_S_F || sew >= 2;
	case SHAPE_FROM_MASK:
		return insn->rd != 0;
	case SHAPE_CRYPTO:
		return sew == 2;
	case SHAPE_FLOAT: /* what is computed may raise flags: only what counts */
	case SHAPE_FLOAT_ONE:
	case SHAPE_FLOAT_SET:
		return sew >= 2 && is_float_width(row, sew) &&
			(takes_some(row) ||
				(insn->vm && (v->model.vl << sew) % whole_bytes(row) == 0));
	case SHAPE_FLOAT_WIDE:
		return sew == 2 && insn->vm && (v->model.vl << 3) % RISCV_VLEN_BYTES == 0;
	case SHAPE_FLOAT_BITS:
		return sew >= 2;
	default:
		return v->model.vl > 0;
	}
}

/* Of what is not vd, vs2 and vs1. */
static void set_operands(const struct riscv_lift_vector *v, struct ir *ir,
	const struct riscv_insn *insn, const struct row *row)
{
	unsigned sew = riscv_vector_sew(&v->model);

	switch ((enum shape)row->shape) {
	case SHAPE_NUMBERS:
		ir->a = IR_ZERO;
		break;
	case SHAPE_ONE:
	case SHAPE_FLOAT_ONE:
		break;
	case SHAPE_EXTEND:
		ir->kind = (uint8_t)(1u << (sew - row->kind));
		break;
	case SHAPE_SLIDE:
		ir->kind = (uint8_t)(1u << riscv_vector_lmul(&v->model));
		ir->imm = insn->imm;
		break;
	case SHAPE_NARROW:
		ir->imm = insn->imm;
		break;
	case SHAPE_SET:
	case SHAPE_FLOAT_SET:
		set_first_operand(ir, insn);
		ir->condition = row->kind;
		break;
	case SHAPE_MASKS:
		ir->size = 1;
		ir->b = vector_slot(insn->rs1);
		break;
	case SHAPE_FROM_MASK:
		ir->size = 1;
		ir->d = insn->rd;
		break;
	case SHAPE_INSERT:
		set_first_operand(ir, insn);
		ir->a = IR_ZERO;
		break;
	case SHAPE_GATHER:
		ir->b = vector_slot(insn->rs1);
		ir->kind = row->kind ? row->kind : ir->size;
		ir->imm = riscv_vector_length_max(&v->model);
		break;
	case SHAPE_CRYPTO:
		if (riscv_format(insn->op) == RISCV_FORMAT_VVV)
			ir->b = vector_slot(insn->rs1);
		break;
	case SHAPE_EXTRACT:
		ir->d = insn->op == RISCV_VFMV_F_S ? (uint8_t)(RISCV_FIRST_FLOAT_SLOT + insn->rd)
						   : insn->rd;
		ir->flags &= (uint8_t)~IR_CHECK_LENGTH;
		break;
	default:
		if (row->op != IR_VECTOR_FLOAT_CONVERT)
			set_first_operand(ir, insn);
		break;
	}
}

static bool lift_row(struct riscv_lift_vector *v, struct ir_block *block,
	const struct riscv_insn *insn, uint64_t pc, const struct row *row)
{
	unsigned sew = riscv_vector_sew(&v->model);
	bool is_wide;
	struct ir *ir;

	if (!v->model.vl || !has_operation(v, insn, row))
		return false;
	expect(v, block, insn, pc);
	is_wide = row->shape == SHAPE_WIDE || row->shape == SHAPE_FLOAT_WIDE ||
		(row->shape == SHAPE_REDUCE && row->flags & IR_NARROW_A);
	ir = add(v, block, (enum ir_op)row->op, insn, pc, sew + is_wide);
	ir->flags |= row->flags;
	ir->kind = row->kind;
	ir->d = vector_slot(insn->rd);
	if (row->op != IR_VECTOR_MOVE)
		ir->a = vector_slot(insn->rs2);
	set_operands(v, ir, insn, row);
	return true;
}

/* Whole registers, whatever the length is. */
static bool lift_whole_move(struct riscv_lift_vector *v, struct ir_block *block,
	const struct riscv_insn *insn, uint64_t pc)
{
	struct ir *ir;

	expect(v, block, insn, pc);
	ir = add(v, block, IR_VECTOR_MOVE, insn, pc, 0);
	ir->count = (uint8_t)(RISCV_VLEN_BYTES * (1 + insn->rs1));
	ir->flags = 0;
	ir->d = vector_slot(insn->rd);
	ir->b = vector_slot(insn->rs2);
	return true;
}

/* More than one, or not one element behind the other. */
static bool lift_fields(struct riscv_lift_vector *v, struct ir_block *block,
	const struct riscv_insn *insn, uint64_t pc)
{
	unsigned width = riscv_vector_memory_width(insn), fields = 1u + (insn->rs3 >> 2);
	int multiplier = riscv_vector_lmul(&v->model) + (int)width -
		(int)riscv_vector_sew(&v->model);
	bool is_store = insn->op >= RISCV_VSE8_V;
	struct ir *ir;

	expect(v, block, insn, pc);
	ir = add(v, block, is_store ? IR_VECTOR_STORE_FIELDS : IR_VECTOR_LOAD_FIELDS, insn, pc,
		width);
	ir->d = vector_slot(insn->rd);
	ir->a = insn->rs1;
	ir->kind = (uint8_t)fields;
	ir->imm = multiplier > 0 ? 1 << multiplier : 1;
	if (riscv_format(insn->op) == RISCV_FORMAT_VLSX)
		ir->b = insn->rs2;
	else
		ir->flags |= IR_IMMEDIATE;
	return true;
}

/* One field, one element behind the other. */
static bool lift_unit(struct riscv_lift_vector *v, struct ir_block *block,
	const struct riscv_insn *insn, uint64_t pc)
{
	struct ir *ir;

	expect(v, block, insn, pc);
	ir = add(v, block, insn->op >= RISCV_VSE8_V ? IR_VECTOR_STORE : IR_VECTOR_LOAD, insn, pc,
		riscv_vector_memory_width(insn));
	ir->d = vector_slot(insn->rd);
	ir->a = insn->rs1;
	if (insn->op >= RISCV_VLEFF8_V && insn->op <= RISCV_VLEFF64_V) {
		ir->flags |= IR_ONLY_FIRST;
		forget_length(v);
	}
	return true;
}

/* Whole registers, whatever the length is. */
static bool lift_whole(struct riscv_lift_vector *v, struct ir_block *block,
	const struct riscv_insn *insn, uint64_t pc)
{
	struct ir *ir;

	expect(v, block, insn, pc);
	ir = add(
		v, block, insn->op >= RISCV_VSE8_V ? IR_VECTOR_STORE : IR_VECTOR_LOAD, insn, pc, 0);
	ir->d = vector_slot(insn->rd);
	ir->a = insn->rs1;
	ir->count = (uint8_t)(RISCV_VLEN_BYTES * (1 + (insn->rs3 >> 2)));
	ir->flags = 0;
	return true;
}

static bool may_be_masked(enum riscv_op op)
{
	return (op >= RISCV_VLE8_V && op <= RISCV_VLE64_V) ||
		(op >= RISCV_VSE8_V && op <= RISCV_VSE64_V);
}

static bool lift_indexed(struct riscv_lift_vector *v, struct ir_block *block,
	const struct riscv_insn *insn, uint64_t pc)
{
	unsigned width = riscv_vector_memory_width(insn), sew = riscv_vector_sew(&v->model);
	bool is_store = insn->op >= RISCV_VSE8_V;
	struct ir *ir;

	expect(v, block, insn, pc);
	ir = add(v, block, is_store ? IR_VECTOR_STORE_INDEXED : IR_VECTOR_LOAD_INDEXED, insn, pc,
		sew);
	ir->d = vector_slot(insn->rd);
	ir->a = insn->rs1;
	ir->b = vector_slot(insn->rs2);
	ir->kind = (uint8_t)(1u << width);
	return true;
}

static bool lift_memory(struct riscv_lift_vector *v, struct ir_block *block,
	const struct riscv_insn *insn, uint64_t pc)
{
	bool has_fields = insn->rs3 >> 2;

	if (!insn->rs1 || !v->model.vl)
		return false;
	if (!insn->vm && (has_fields || !may_be_masked(insn->op)))
		return false;
	switch (insn->op) {
	case RISCV_VL1RE8_V ... RISCV_VL8RE64_V:
	case RISCV_VS1R_V ... RISCV_VS8R_V:
		return lift_whole(v, block, insn, pc);
	case RISCV_VLEFF8_V ... RISCV_VLEFF64_V:
		return !has_fields && lift_unit(v, block, insn, pc);
	case RISCV_VLE8_V ... RISCV_VLE64_V:
	case RISCV_VSE8_V ... RISCV_VSE64_V:
		return has_fields ? lift_fields(v, block, insn, pc) : lift_unit(v, block, insn, pc);
	case RISCV_VLSE8_V ... RISCV_VLSE64_V:
	case RISCV_VSSE8_V ... RISCV_VSSE64_V:
		return insn->rs2 && lift_fields(v, block, insn, pc);
	case RISCV_VLUXEI8_V ... RISCV_VLOXEI64_V:
	case RISCV_VSUXEI8_V ... RISCV_VSOXEI64_V:
		return !has_fields && lift_indexed(v, block, insn, pc);
	default:
		return false;
	}
}

/* --- the type ----------------------------------------------------------------------------------
 */

static bool lift_configuration(struct riscv_lift_vector *v, struct ir_block *block,
	const struct riscv_insn *insn, uint64_t pc)
{
	unsigned longest = v->knows_type ? riscv_vector_length_max(&v->model) : 0;
	uint64_t length = v->model.vl;
	bool keeps = insn->op == RISCV_VSETVLI && !insn->rs1 && !insn->rd;
	struct ir *ir;

	riscv_set_vector_type(&v->model, (uint64_t)insn->imm, UINT64_MAX);
	if (insn->op == RISCV_VSETVL || v->model.vtype & RISCV_VILL) {
		v->model.vtype = RISCV_VILL;
		v->knows_type = v->guesses_type = v->knows_length = v->guesses_length = false;
		return false;
	}
	ir = riscv_lift_add(block, IR_VECTOR_CONFIGURE, insn, pc);
	ir->imm = insn->imm;
	ir->count = (uint8_t)v->model.vl;
	if (insn->rd)
		ir->d = insn->rd;
	if (insn->op == RISCV_VSETIVLI) {
		riscv_set_vector_type(&v->model, (uint64_t)insn->imm, insn->rs1);
		ir->flags = IR_IMMEDIATE;
	} else if (insn->rs1) {
		ir->a = insn->rs1;
	} else if (!keeps) {
		ir->flags = IR_IMMEDIATE;
	} else if (v->knows_type && v->knows_length) {
		riscv_set_vector_type(&v->model, (uint64_t)insn->imm, length);
		ir->flags = IR_IMMEDIATE;
	} else {
		ir->flags = IR_KEEPS_LENGTH;
		/* It is at most what it could be. */
		if (longest && longest <= v->model.vl)
			v->model.vl = longest;
	}
	ir->count = (uint8_t)v->model.vl;
	v->knows_type = true;
	v->guesses_type = v->guesses_length = v->is_of_state = false;
	v->knows_length = ir->flags == IR_IMMEDIATE;
	return true;
}

bool riscv_lift_vector_csr(const struct riscv_lift_vector *v, struct ir_block *block,
	const struct riscv_insn *insn, uint64_t pc)
{
	bool is_length = insn->imm == CSR_VL, is_bytes = insn->imm == CSR_VLENB;
	struct ir *ir;

	if (v->is_off || insn->op != RISCV_CSRRS || insn->rs1 || !insn->rd ||
		(!is_length && !is_bytes))
		return false;
	ir = riscv_lift_add(block, is_length ? IR_VECTOR_READ_LENGTH : IR_CONSTANT, insn, pc);
	ir->d = insn->rd;
	ir->imm = is_bytes ? RISCV_VLEN_BYTES : 0;
	return true;
}

bool riscv_lift_vector(struct riscv_lift_vector *v, struct ir_block *block,
	const struct riscv_insn *insn, uint64_t pc)
{
	bool is_done = false;

	if (insn->op >= RISCV_CSRRW && insn->op <= RISCV_CSRRCI && insn->imm == CSR_VSTART)
		riscv_lift_vector_forget(v);
	if (!is_vector(insn->op) || v->is_off ||
		(v->is_float_off && riscv_vector_is_float(insn->op)))
		return false;
	if (insn->op >= RISCV_VSETVLI && insn->op <= RISCV_VSETVL)
		return lift_configuration(v, block, insn, pc);
	if (!v->knows_type && !v->guesses_type) {
		block->wants_state = true;
	} else if (riscv_vector_is_legal(&v->model, insn)) {
		if (insn->op < RISCV_VSETVLI)
			is_done = lift_memory(v, block, insn, pc);
		else if (insn->op >= RISCV_VMV1R_V && insn->op <= RISCV_VMV8R_V)
			is_done = lift_whole_move(v, block, insn, pc);
		else
			is_done = lift_row(v, block, insn, pc, &rows[insn->op - RISCV_VADD_VV]);
	}
	if (!is_done && riscv_sets_vector_length(insn->op))
		forget_length(v);
	return is_done;
}
