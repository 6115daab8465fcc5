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

enum shape {
	SHAPE_HELPER, /* no row */
	SHAPE_ELEMENTS, /* vd, vs2, and vs1 or what is in its place; all of SEW */
};

struct row {
	uint8_t shape, op, condition;
};

#define ROWS(FIRST, LAST, ...)                                                                     \
	[RISCV_##FIRST - RISCV_VADD_VV... RISCV_##LAST - RISCV_VADD_VV] = { __VA_ARGS__ }
#define VX(NAME, ...)  ROWS(NAME##_VV, NAME##_VX, SHAPE_ELEMENTS, __VA_ARGS__)
#define VXI(NAME, ...) ROWS(NAME##_VV, NAME##_VI, SHAPE_ELEMENTS, __VA_ARGS__)

static const struct row rows[] = {
	VXI(VADD, IR_VECTOR_ADD), VX(VSUB, IR_VECTOR_SUB),
	ROWS(VRSUB_VX, VRSUB_VI, SHAPE_ELEMENTS, IR_VECTOR_SUB_REVERSE),
	VX(VMINU, IR_VECTOR_MINIMUM_UNSIGNED), VX(VMIN, IR_VECTOR_MINIMUM),
	VX(VMAXU, IR_VECTOR_MAXIMUM_UNSIGNED), VX(VMAX, IR_VECTOR_MAXIMUM),
	VXI(VAND, IR_VECTOR_AND), VXI(VOR, IR_VECTOR_OR), VXI(VXOR, IR_VECTOR_XOR),
	VXI(VSLL, IR_VECTOR_SHIFT_LEFT), VXI(VSRL, IR_VECTOR_SHIFT_RIGHT),
	VXI(VSRA, IR_VECTOR_SHIFT_ARITHMETIC), VX(VANDN, IR_VECTOR_AND_NOT),
	VX(VROL, IR_VECTOR_ROTATE_LEFT),
	ROWS(VROR_VV, VROR_VI, SHAPE_ELEMENTS, IR_VECTOR_ROTATE_RIGHT),
	VX(VMUL, IR_VECTOR_MULTIPLY), ROWS(VMV_V_V, VMV_V_I, SHAPE_ELEMENTS, IR_VECTOR_MOVE),
	[RISCV_VFWREDOSUM_VS - RISCV_VADD_VV] = { SHAPE_HELPER }, /* the last */
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
	v->is_off = state && state->is_system;
	v->model.fcsr = v->model.vstart = 0;
	v->model.vl = 0;
	v->model.vtype = state ? state->vtype : RISCV_VILL;
	v->guesses_type = !(v->model.vtype & RISCV_VILL);
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

static bool lift_row(struct riscv_lift_vector *v, struct ir_block *block,
	const struct riscv_insn *insn, uint64_t pc, const struct row *row)
{
	struct ir *ir;

	if (row->shape == SHAPE_HELPER || !v->model.vl)
		return false;
	expect(v, block, insn, pc);
	ir = add(v, block, (enum ir_op)row->op, insn, pc, riscv_vector_sew(&v->model));
	ir->condition = row->condition;
	ir->d = vector_slot(insn->rd);
	if (row->op != IR_VECTOR_MOVE)
		ir->a = vector_slot(insn->rs2);
	set_first_operand(ir, insn);
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

/* Unit-stride ones of one field. */
static bool lift_memory(struct riscv_lift_vector *v, struct ir_block *block,
	const struct riscv_insn *insn, uint64_t pc)
{
	unsigned width = riscv_vector_memory_width(insn);
	bool is_store = insn->op >= RISCV_VSE8_V, is_whole = false;
	struct ir *ir;

	switch (insn->op) {
	case RISCV_VL1RE8_V ... RISCV_VL8RE64_V:
	case RISCV_VS1R_V ... RISCV_VS8R_V:
		is_whole = true;
		break;
	case RISCV_VLE8_V ... RISCV_VLEFF64_V:
	case RISCV_VSE8_V ... RISCV_VSE64_V:
		if (insn->rs3 >> 2 || !v->model.vl)
			return false;
		break;
	default:
		return false;
	}
	if (!insn->rs1 || !insn->vm)
		return false;
	expect(v, block, insn, pc);
	ir = add(v, block, is_store ? IR_VECTOR_STORE : IR_VECTOR_LOAD, insn, pc, width);
	ir->d = vector_slot(insn->rd);
	ir->a = insn->rs1;
	if (is_whole) {
		ir->size = 1;
		ir->count = (uint8_t)(RISCV_VLEN_BYTES * (1 + (insn->rs3 >> 2)));
		ir->flags = 0;
	} else if (insn->op >= RISCV_VLEFF8_V && insn->op <= RISCV_VLEFF64_V) {
		ir->flags |= IR_ONLY_FIRST;
		forget_length(v);
	}
	return true;
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
	v->guesses_type = v->guesses_length = false;
	v->knows_length = ir->flags == IR_IMMEDIATE;
	return true;
}

bool riscv_lift_vector(struct riscv_lift_vector *v, struct ir_block *block,
	const struct riscv_insn *insn, uint64_t pc)
{
	bool is_done = false;

	if (insn->op >= RISCV_CSRRW && insn->op <= RISCV_CSRRCI)
		riscv_lift_vector_forget(v);
	if (!is_vector(insn->op) || v->is_off)
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
		else if (insn->op <= RISCV_VFWREDOSUM_VS)
			is_done = lift_row(v, block, insn, pc, &rows[insn->op - RISCV_VADD_VV]);
	}
	if (!is_done && riscv_sets_vector_length(insn->op))
		forget_length(v);
	return is_done;
}
