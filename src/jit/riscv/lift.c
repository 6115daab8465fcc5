/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lift.c - RISC-V instructions to IR.
 *
 * Most are rows of a table. What has no row is done by the guest's helper, which is the interpreter
 * (run.c), so that every instruction works and the common ones are fast.
 */
#include "jit/riscv/lift.h"

#include <assert.h>
#include <string.h>

#include "jit/riscv/system.h"

#define LABELS_MAX  128
#define CSR_FFLAGS  1
#define LINE_MAX    24 /* guest instructions; what lies behind jumps into a line is made twice */
#define REGION_MAX  320
#define OPS_RESERVE 8 /* operations that one instruction and the end of a block may take */

struct lift {
	struct ir_block *block;
	const struct jit_lift_options *options;
	struct riscv_insn insn;
	uint64_t pc; /* of insn */
	bool is_over; /* it does not go on behind insn */
	uint64_t jump; /* where it goes on instead, or 0 */
	struct riscv_lift_vector vector;
	bool sets_length; /* of vectors; a region */
	unsigned nr_labels;
	uint64_t labels[LABELS_MAX];
};

enum shape {
	SHAPE_HELPER, /* no row */
	SHAPE_R, /* d, a, b */
	SHAPE_I, /* d, a, imm */
	SHAPE_UNARY, /* d, a */
	SHAPE_LOAD,
	SHAPE_STORE,
	SHAPE_ATOMIC,
	SHAPE_AES, /* d, a, b, and a helper */
	SHAPE_BRANCH,
	SHAPE_F, /* floating point d, a, b */
	SHAPE_F1,
	SHAPE_F4,
	SHAPE_FX2, /* integer d, floating point a, b */
	SHAPE_FX, /* integer d, floating point a */
	SHAPE_XF,
};

struct row {
	uint8_t shape, op, size, flags, condition;
	int8_t imm;
	bool any_rounding; /* exact, or always to zero: what rm says does not matter */
};

#define FLOAT_ROWS(W, bytes)                                                                       \
	[RISCV_FADD_##                                                                             \
		W] = { SHAPE_F, IR_FLOAT_ADD, bytes },                                             \
  [RISCV_FSUB_##W] = { SHAPE_F, IR_FLOAT_SUBTRACT, bytes },                                        \
  [RISCV_FMUL_##W] = { SHAPE_F, IR_FLOAT_MULTIPLY, bytes },                                        \
  [RISCV_FDIV_##W] = { SHAPE_F, IR_FLOAT_DIVIDE, bytes },                                          \
  [RISCV_FSQRT_##W] = { SHAPE_F1, IR_FLOAT_SQUARE_ROOT, bytes },                                   \
  [RISCV_FSGNJ_##W] = { SHAPE_F, IR_FLOAT_SIGN, bytes, .any_rounding = true },                     \
  [RISCV_FSGNJN_##W] = { SHAPE_F, IR_FLOAT_SIGN, bytes, IR_NEGATE_SIGN, .any_rounding = true },    \
  [RISCV_FSGNJX_##W] = { SHAPE_F, IR_FLOAT_SIGN, bytes, IR_XOR_SIGN, .any_rounding = true },       \
  [RISCV_FMIN_##W] = { SHAPE_F, IR_FLOAT_MINIMUM, bytes, .any_rounding = true },                   \
  [RISCV_FMAX_##W] = { SHAPE_F, IR_FLOAT_MAXIMUM, bytes, .any_rounding = true },                   \
  [RISCV_FLE_##W] = { SHAPE_FX2, IR_FLOAT_SET, bytes, 0, IR_LESS_OR_EQUAL, .any_rounding = true }, \
  [RISCV_FLT_##W] = { SHAPE_FX2, IR_FLOAT_SET, bytes, 0, IR_LESS, .any_rounding = true },          \
  [RISCV_FEQ_##W] = { SHAPE_FX2, IR_FLOAT_SET, bytes, 0, IR_EQUAL, .any_rounding = true },         \
  [RISCV_FCVT_W_##W] = { SHAPE_FX, IR_FLOAT_TO_INTEGER, bytes, IR_SIGNED, .imm = 4 },              \
  [RISCV_FCVT_WU_##W] = { SHAPE_FX, IR_FLOAT_TO_INTEGER, bytes, .imm = 4 },                        \
  [RISCV_FCVT_L_##W] = { SHAPE_FX, IR_FLOAT_TO_INTEGER, bytes, IR_SIGNED, .imm = 8 },              \
  [RISCV_FCVT_LU_##W] = { SHAPE_FX, IR_FLOAT_TO_INTEGER, bytes, .imm = 8 },                        \
  [RISCV_FCVT_##W##_W] = { SHAPE_XF, IR_FLOAT_FROM_INTEGER, bytes, IR_SIGNED, .imm = 4,            \
	  .any_rounding = (bytes) == 8 },                                                          \
  [RISCV_FCVT_##W##_WU] = { SHAPE_XF, IR_FLOAT_FROM_INTEGER, bytes, .imm = 4,                      \
	  .any_rounding = (bytes) == 8 },                                                          \
  [RISCV_FCVT_##W##_L] = { SHAPE_XF, IR_FLOAT_FROM_INTEGER, bytes, IR_SIGNED, .imm = 8 },          \
  [RISCV_FCVT_##W##_LU] = { SHAPE_XF, IR_FLOAT_FROM_INTEGER, bytes, .imm = 8 },                    \
  [RISCV_FMADD_##W] = { SHAPE_F4, IR_FLOAT_FUSED, bytes },                                         \
  [RISCV_FMSUB_##W] = { SHAPE_F4, IR_FLOAT_FUSED, bytes, IR_NEGATE_ADDEND },                       \
  [RISCV_FNMSUB_##W] = { SHAPE_F4, IR_FLOAT_FUSED, bytes, IR_NEGATE_PRODUCT },                     \
  [RISCV_FNMADD_##W] = { SHAPE_F4, IR_FLOAT_FUSED, bytes, IR_NEGATE_PRODUCT | IR_NEGATE_ADDEND }

#define ATOMIC_ROWS(W, bytes)                                                                      \
	[RISCV_LR_##W] = { SHAPE_ATOMIC, IR_LOAD_RESERVED, bytes },                                \
	[RISCV_SC_##W] = { SHAPE_ATOMIC, IR_STORE_CONDITIONAL, bytes },                            \
	[RISCV_AMOSWAP_##W] = { SHAPE_ATOMIC, IR_ATOMIC_SWAP, bytes },                             \
	[RISCV_AMOADD_##W] = { SHAPE_ATOMIC, IR_ATOMIC_ADD, bytes },                               \
	[RISCV_AMOAND_##W] = { SHAPE_ATOMIC, IR_ATOMIC_AND, bytes },                               \
	[RISCV_AMOOR_##W] = { SHAPE_ATOMIC, IR_ATOMIC_OR, bytes },                                 \
	[RISCV_AMOXOR_##W] = { SHAPE_ATOMIC, IR_ATOMIC_XOR, bytes }

static const struct row rows[RISCV_OP_COUNT] = {
	[RISCV_LB] = { SHAPE_LOAD, IR_LOAD, 1, IR_SIGNED },
	[RISCV_LH] = { SHAPE_LOAD, IR_LOAD, 2, IR_SIGNED },
	[RISCV_LW] = { SHAPE_LOAD, IR_LOAD, 4, IR_SIGNED },
	[RISCV_LD] = { SHAPE_LOAD, IR_LOAD, 8 },
	[RISCV_LBU] = { SHAPE_LOAD, IR_LOAD, 1 },
	[RISCV_LHU] = { SHAPE_LOAD, IR_LOAD, 2 },
	[RISCV_LWU] = { SHAPE_LOAD, IR_LOAD, 4 },
	[RISCV_FLW] = { SHAPE_LOAD, IR_LOAD, 4 },
	[RISCV_FLD] = { SHAPE_LOAD, IR_LOAD, 8 },
	[RISCV_SB] = { SHAPE_STORE, IR_STORE, 1 },
	[RISCV_SH] = { SHAPE_STORE, IR_STORE, 2 },
	[RISCV_SW] = { SHAPE_STORE, IR_STORE, 4 },
	[RISCV_SD] = { SHAPE_STORE, IR_STORE, 8 },
	[RISCV_FSW] = { SHAPE_STORE, IR_STORE, 4 },
	[RISCV_FSD] = { SHAPE_STORE, IR_STORE, 8 },
	ATOMIC_ROWS(W, 4),
	ATOMIC_ROWS(D, 8),
	[RISCV_ADDI] = { SHAPE_I, IR_ADD },
	[RISCV_SLTI] = { SHAPE_I, IR_SET, .condition = IR_LESS },
	[RISCV_SLTIU] = { SHAPE_I, IR_SET, .condition = IR_LESS_UNSIGNED },
	[RISCV_XORI] = { SHAPE_I, IR_XOR },
	[RISCV_ORI] = { SHAPE_I, IR_OR },
	[RISCV_ANDI] = { SHAPE_I, IR_AND },
	[RISCV_SLLI] = { SHAPE_I, IR_SHIFT_LEFT },
	[RISCV_SRLI] = { SHAPE_I, IR_SHIFT_RIGHT },
	[RISCV_SRAI] = { SHAPE_I, IR_SHIFT_ARITHMETIC },
	[RISCV_RORI] = { SHAPE_I, IR_ROTATE_RIGHT },
	[RISCV_BCLRI] = { SHAPE_I, IR_BIT_CLEAR },
	[RISCV_BEXTI] = { SHAPE_I, IR_BIT_EXTRACT },
	[RISCV_BINVI] = { SHAPE_I, IR_BIT_INVERT },
	[RISCV_BSETI] = { SHAPE_I, IR_BIT_SET },
	[RISCV_CLZ] = { SHAPE_UNARY, IR_COUNT_LEADING },
	[RISCV_CTZ] = { SHAPE_UNARY, IR_COUNT_TRAILING },
	[RISCV_CPOP] = { SHAPE_UNARY, IR_COUNT_ONES },
	[RISCV_SEXT_B] = { SHAPE_UNARY, IR_EXTEND, 1, IR_SIGNED },
	[RISCV_SEXT_H] = { SHAPE_UNARY, IR_EXTEND, 2, IR_SIGNED },
	[RISCV_ZEXT_H] = { SHAPE_UNARY, IR_EXTEND, 2 },
	[RISCV_REV8] = { SHAPE_UNARY, IR_REVERSE_BYTES },
	[RISCV_ADDIW] = { SHAPE_I, IR_ADD, 0, IR_WORD },
	[RISCV_SLLIW] = { SHAPE_I, IR_SHIFT_LEFT, 0, IR_WORD },
	[RISCV_SRLIW] = { SHAPE_I, IR_SHIFT_RIGHT, 0, IR_WORD },
	[RISCV_SRAIW] = { SHAPE_I, IR_SHIFT_ARITHMETIC, 0, IR_WORD },
	[RISCV_RORIW] = { SHAPE_I, IR_ROTATE_RIGHT, 0, IR_WORD },
	[RISCV_CLZW] = { SHAPE_UNARY, IR_COUNT_LEADING, 0, IR_WORD },
	[RISCV_CTZW] = { SHAPE_UNARY, IR_COUNT_TRAILING, 0, IR_WORD },
	[RISCV_CPOPW] = { SHAPE_UNARY, IR_COUNT_ONES, 0, IR_WORD },
	[RISCV_ADD] = { SHAPE_R, IR_ADD },
	[RISCV_SUB] = { SHAPE_R, IR_SUB },
	[RISCV_SLL] = { SHAPE_R, IR_SHIFT_LEFT },
	[RISCV_SLT] = { SHAPE_R, IR_SET, .condition = IR_LESS },
	[RISCV_SLTU] = { SHAPE_R, IR_SET, .condition = IR_LESS_UNSIGNED },
	[RISCV_XOR] = { SHAPE_R, IR_XOR },
	[RISCV_SRL] = { SHAPE_R, IR_SHIFT_RIGHT },
	[RISCV_SRA] = { SHAPE_R, IR_SHIFT_ARITHMETIC },
	[RISCV_OR] = { SHAPE_R, IR_OR },
	[RISCV_AND] = { SHAPE_R, IR_AND },
	[RISCV_MUL] = { SHAPE_R, IR_MULTIPLY },
	[RISCV_MULH] = { SHAPE_R, IR_MULTIPLY_HIGH },
	[RISCV_MULHU] = { SHAPE_R, IR_MULTIPLY_HIGH_UNSIGNED },
	[RISCV_DIV] = { SHAPE_R, IR_DIVIDE },
	[RISCV_DIVU] = { SHAPE_R, IR_DIVIDE_UNSIGNED },
	[RISCV_REM] = { SHAPE_R, IR_REMAINDER },
	[RISCV_REMU] = { SHAPE_R, IR_REMAINDER_UNSIGNED },
	[RISCV_SH1ADD] = { SHAPE_R, IR_SHIFT_ADD, .imm = 1 },
	[RISCV_SH2ADD] = { SHAPE_R, IR_SHIFT_ADD, .imm = 2 },
	[RISCV_SH3ADD] = { SHAPE_R, IR_SHIFT_ADD, .imm = 3 },
	[RISCV_ADD_UW] = { SHAPE_R, IR_SHIFT_ADD, 0, IR_UNSIGNED_WORD },
	[RISCV_SH1ADD_UW] = { SHAPE_R, IR_SHIFT_ADD, 0, IR_UNSIGNED_WORD, .imm = 1 },
	[RISCV_SH2ADD_UW] = { SHAPE_R, IR_SHIFT_ADD, 0, IR_UNSIGNED_WORD, .imm = 2 },
	[RISCV_SH3ADD_UW] = { SHAPE_R, IR_SHIFT_ADD, 0, IR_UNSIGNED_WORD, .imm = 3 },
	[RISCV_ANDN] = { SHAPE_R, IR_AND_NOT },
	[RISCV_ORN] = { SHAPE_R, IR_OR_NOT },
	[RISCV_XNOR] = { SHAPE_R, IR_XOR_NOT },
	[RISCV_MIN] = { SHAPE_R, IR_MINIMUM },
	[RISCV_MINU] = { SHAPE_R, IR_MINIMUM_UNSIGNED },
	[RISCV_MAX] = { SHAPE_R, IR_MAXIMUM },
	[RISCV_MAXU] = { SHAPE_R, IR_MAXIMUM_UNSIGNED },
	[RISCV_ROL] = { SHAPE_R, IR_ROTATE_LEFT },
	[RISCV_ROR] = { SHAPE_R, IR_ROTATE_RIGHT },
	[RISCV_BCLR] = { SHAPE_R, IR_BIT_CLEAR },
	[RISCV_BEXT] = { SHAPE_R, IR_BIT_EXTRACT },
	[RISCV_BINV] = { SHAPE_R, IR_BIT_INVERT },
	[RISCV_BSET] = { SHAPE_R, IR_BIT_SET },
	[RISCV_CZERO_EQZ] = { SHAPE_R, IR_ZERO_IF, .condition = IR_EQUAL },
	[RISCV_CZERO_NEZ] = { SHAPE_R, IR_ZERO_IF, .condition = IR_NOT_EQUAL },
	[RISCV_ADDW] = { SHAPE_R, IR_ADD, 0, IR_WORD },
	[RISCV_SUBW] = { SHAPE_R, IR_SUB, 0, IR_WORD },
	[RISCV_SLLW] = { SHAPE_R, IR_SHIFT_LEFT, 0, IR_WORD },
	[RISCV_SRLW] = { SHAPE_R, IR_SHIFT_RIGHT, 0, IR_WORD },
	[RISCV_SRAW] = { SHAPE_R, IR_SHIFT_ARITHMETIC, 0, IR_WORD },
	[RISCV_MULW] = { SHAPE_R, IR_MULTIPLY, 0, IR_WORD },
	[RISCV_DIVW] = { SHAPE_R, IR_DIVIDE, 0, IR_WORD },
	[RISCV_DIVUW] = { SHAPE_R, IR_DIVIDE_UNSIGNED, 0, IR_WORD },
	[RISCV_REMW] = { SHAPE_R, IR_REMAINDER, 0, IR_WORD },
	[RISCV_REMUW] = { SHAPE_R, IR_REMAINDER_UNSIGNED, 0, IR_WORD },
	[RISCV_ROLW] = { SHAPE_R, IR_ROTATE_LEFT, 0, IR_WORD },
	[RISCV_RORW] = { SHAPE_R, IR_ROTATE_RIGHT, 0, IR_WORD },
	FLOAT_ROWS(S, 4),
	FLOAT_ROWS(D, 8),
	[RISCV_FCVT_S_D] = { SHAPE_F1, IR_FLOAT_CONVERT, 4, .imm = 8 },
	[RISCV_FCVT_D_S] = { SHAPE_F1, IR_FLOAT_CONVERT, 8, .imm = 4, .any_rounding = true },
	[RISCV_FMV_X_W] = { SHAPE_FX, IR_FLOAT_TO_BITS, 4, .any_rounding = true },
	[RISCV_FMV_X_D] = { SHAPE_FX, IR_FLOAT_TO_BITS, 8, .any_rounding = true },
	[RISCV_FMV_W_X] = { SHAPE_XF, IR_FLOAT_FROM_BITS, 4, .any_rounding = true },
	[RISCV_FMV_D_X] = { SHAPE_XF, IR_FLOAT_FROM_BITS, 8, .any_rounding = true },
	[RISCV_AES64ES] = { SHAPE_AES, IR_AES_ROUND, IR_AES_ENCRYPT_LAST },
	[RISCV_AES64ESM] = { SHAPE_AES, IR_AES_ROUND, IR_AES_ENCRYPT },
	[RISCV_AES64DS] = { SHAPE_AES, IR_AES_ROUND, IR_AES_DECRYPT_LAST },
	[RISCV_AES64DSM] = { SHAPE_AES, IR_AES_ROUND, IR_AES_DECRYPT },
	[RISCV_AES64IM] = { SHAPE_AES, IR_AES_INVERT },
	[RISCV_BEQ] = { SHAPE_BRANCH, IR_BRANCH, .condition = IR_EQUAL },
	[RISCV_BNE] = { SHAPE_BRANCH, IR_BRANCH, .condition = IR_NOT_EQUAL },
	[RISCV_BLT] = { SHAPE_BRANCH, IR_BRANCH, .condition = IR_LESS },
	[RISCV_BGE] = { SHAPE_BRANCH, IR_BRANCH, .condition = IR_GREATER_OR_EQUAL },
	[RISCV_BLTU] = { SHAPE_BRANCH, IR_BRANCH, .condition = IR_LESS_UNSIGNED },
	[RISCV_BGEU] = { SHAPE_BRANCH, IR_BRANCH, .condition = IR_GREATER_OR_EQUAL_UNSIGNED },
};

/* --- operations --------------------------------------------------------------------------------
 */

static uint8_t integer_slot(unsigned reg)
{
	return reg ? (uint8_t)reg : IR_ZERO;
}

static uint8_t float_slot(unsigned reg)
{
	return (uint8_t)(RISCV_FIRST_FLOAT_SLOT + reg);
}

struct ir *riscv_lift_add(
	struct ir_block *block, enum ir_op op, const struct riscv_insn *insn, uint64_t pc)
{
	struct ir *ir = &block->ops[block->nr++];

	*ir = (struct ir){ .op = (uint8_t)op,
		.d = IR_ZERO,
		.a = IR_ZERO,
		.b = IR_ZERO,
		.c = IR_ZERO,
		.helper = -1,
		.length = insn->length,
		.done = (uint16_t)block->nr_guest,
		.pc = pc };
	return ir;
}

int16_t riscv_lift_keep(struct ir_block *block, const struct riscv_insn *insn)
{
	static_assert(sizeof(*insn) <= IR_HELPER_BYTES, "fits");
	memcpy(block->helpers[block->nr_helpers], insn, sizeof(*insn));
	block->words[block->nr_helpers] = insn->word;
	return (int16_t)block->nr_helpers++;
}

static struct ir *add(struct lift *lift, enum ir_op op)
{
	return riscv_lift_add(lift->block, op, &lift->insn, lift->pc);
}

static int16_t keep(struct lift *lift)
{
	return riscv_lift_keep(lift->block, &lift->insn);
}

static void lift_helper(struct lift *lift)
{
	int16_t helper = keep(lift);

	add(lift, IR_HELPER)->imm = helper;
}

static bool writes_nothing(const struct row *row, const struct riscv_insn *insn)
{
	return (row->shape == SHAPE_R || row->shape == SHAPE_AES || row->shape == SHAPE_I ||
		       row->shape == SHAPE_UNARY) &&
		insn->rd == 0;
}

/* rm must be the one that the host's control word has. */
static bool rounds_dynamically(const struct row *row, const struct riscv_insn *insn)
{
	if (row->any_rounding)
		return true;
	if (row->op == IR_FLOAT_TO_INTEGER)
		return insn->rm == 1; /* to zero */
	return insn->rm == RISCV_RM_DYNAMIC;
}

static void set_operands(struct ir *ir, const struct row *row, const struct riscv_insn *insn)
{
	bool is_float_memory = riscv_format(insn->op) == RISCV_FORMAT_FLOAD ||
		riscv_format(insn->op) == RISCV_FORMAT_FSTORE;
	bool d_is_float = row->shape == SHAPE_F || row->shape == SHAPE_F1 ||
		row->shape == SHAPE_F4 || row->shape == SHAPE_XF || is_float_memory;
	bool a_is_float = row->shape >= SHAPE_F && row->shape != SHAPE_XF;

	ir->d = d_is_float ? float_slot(insn->rd) : integer_slot(insn->rd);
	ir->a = a_is_float ? float_slot(insn->rs1) : integer_slot(insn->rs1);
	ir->b = a_is_float || (row->shape == SHAPE_STORE && is_float_memory)
		? float_slot(insn->rs2)
		: integer_slot(insn->rs2);
	if (row->shape == SHAPE_F4)
		ir->c = float_slot(insn->rs3);
	if (row->shape == SHAPE_STORE || row->shape == SHAPE_BRANCH)
		ir->d = IR_ZERO;
	if (row->shape == SHAPE_I || row->shape == SHAPE_LOAD || row->shape == SHAPE_UNARY ||
		row->shape == SHAPE_F1 || row->shape == SHAPE_FX || row->shape == SHAPE_XF ||
		row->op == IR_LOAD_RESERVED)
		ir->b = IR_ZERO;
}

/* What is not a way out. */
static void lift_row(struct lift *lift, const struct row *row)
{
	const struct riscv_insn *insn = &lift->insn;
	int16_t helper = -1;
	struct ir *ir;

	if (writes_nothing(row, insn))
		return;
	if (row->shape >= SHAPE_F && !rounds_dynamically(row, insn)) {
		lift_helper(lift);
		return;
	}
	if (row->shape == SHAPE_ATOMIC || row->shape == SHAPE_AES || row->shape >= SHAPE_F ||
		(lift->options->is_machine &&
			(row->shape == SHAPE_LOAD || row->shape == SHAPE_STORE)))
		helper = keep(lift);
	ir = add(lift, (enum ir_op)row->op);
	ir->flags = row->flags;
	ir->size = row->size;
	ir->condition = row->condition;
	ir->helper = helper;
	ir->imm = row->imm;
	set_operands(ir, row, insn);
	if (row->shape == SHAPE_I) {
		ir->flags |= IR_IMMEDIATE;
		ir->imm = insn->imm;
	} else if (row->shape == SHAPE_LOAD || row->shape == SHAPE_STORE) {
		ir->imm = insn->imm;
	} else if (row->shape == SHAPE_BRANCH) {
		ir->imm = (int64_t)(lift->pc + (uint64_t)(int64_t)insn->imm);
	}
}

static void lift_stop(struct lift *lift, enum jit_stop stop, unsigned skip)
{
	struct ir *ir = add(lift, IR_STOP);

	ir->size = (uint8_t)stop;
	ir->imm = skip;
	lift->is_over = true;
}

/* To another mode: never on behind it. */
static void lift_switch(struct lift *lift)
{
	lift_helper(lift);
	lift_stop(lift, (enum jit_stop)JIT_LEAVE_INTERPRET, lift->insn.length);
}

/* The registers that calls leave the way back in: Unprivileged ISA, 2.5.1, table 3. */
static bool is_link(unsigned reg)
{
	return reg == 1 || reg == 5;
}

static void lift_jal(struct lift *lift)
{
	uint64_t target = lift->pc + (uint64_t)(int64_t)lift->insn.imm;
	struct ir *ir;

	if (lift->insn.rd && !is_link(lift->insn.rd)) {
		ir = add(lift, IR_CONSTANT);
		ir->d = lift->insn.rd;
		ir->imm = (int64_t)(lift->pc + lift->insn.length);
		ir->flags = IR_RELATIVE;
	}
	ir = add(lift, is_link(lift->insn.rd) ? IR_CALL : IR_JUMP);
	ir->imm = (int64_t)target;
	if (ir->op == IR_CALL)
		ir->d = lift->insn.rd, riscv_lift_vector_forget(&lift->vector);
	else
		lift->jump = target, lift->is_over = true;
}

static void lift_jalr(struct lift *lift)
{
	const struct riscv_insn *insn = &lift->insn;
	bool is_return = !insn->rd && is_link(insn->rs1) && !insn->imm;
	bool is_call = is_link(insn->rd);
	struct ir *ir = add(lift,
		is_return	  ? IR_RETURN
			: is_call ? IR_CALL_REGISTER
				  : IR_JUMP_REGISTER);

	ir->d = integer_slot(insn->rd);
	ir->a = integer_slot(insn->rs1);
	ir->imm = insn->imm;
	if (!is_call)
		lift->is_over = true;
	riscv_lift_vector_forget(&lift->vector);
}

/* frflags and fsflags, as compilers have them around comparisons. */
static bool lift_float_flags(struct lift *lift)
{
	const struct riscv_insn *insn = &lift->insn;
	struct ir *ir;

	if (insn->imm != CSR_FFLAGS)
		return false;
	if (insn->op == RISCV_CSRRS && !insn->rs1) {
		add(lift, IR_FLOAT_READ_FLAGS)->d = integer_slot(insn->rd);
		return true;
	}
	if (insn->op != RISCV_CSRRW || insn->rd)
		return false;
	{
		int16_t helper = keep(lift);

		ir = add(lift, IR_FLOAT_WRITE_FLAGS);
		ir->helper = helper;
		ir->a = integer_slot(insn->rs1);
	}
	return true;
}

/* Zknh: the counts of FIPS 180-4, 4.1.2 and 4.1.3. */
#define SUM(first, second, third) ((first) | (second) << 8 | (third) << 16)

static void lift_sum(struct lift *lift, uint8_t flags, int64_t counts)
{
	struct ir *ir;

	if (!lift->insn.rd)
		return;
	ir = add(lift, IR_ROTATE_SUM);
	ir->d = integer_slot(lift->insn.rd);
	ir->a = integer_slot(lift->insn.rs1);
	ir->flags = flags;
	ir->imm = counts;
}

static bool lift_sums(struct lift *lift)
{
	switch (lift->insn.op) {
	case RISCV_SHA256SUM0:
		lift_sum(lift, IR_WORD, SUM(2, 13, 22));
		return true;
	case RISCV_SHA256SUM1:
		lift_sum(lift, IR_WORD, SUM(6, 11, 25));
		return true;
	case RISCV_SHA256SIG0:
		lift_sum(lift, IR_WORD | IR_SIGNED, SUM(7, 18, 3));
		return true;
	case RISCV_SHA256SIG1:
		lift_sum(lift, IR_WORD | IR_SIGNED, SUM(17, 19, 10));
		return true;
	case RISCV_SHA512SUM0:
		lift_sum(lift, 0, SUM(28, 34, 39));
		return true;
	case RISCV_SHA512SUM1:
		lift_sum(lift, 0, SUM(14, 18, 41));
		return true;
	case RISCV_SHA512SIG0:
		lift_sum(lift, IR_SIGNED, SUM(1, 8, 7));
		return true;
	case RISCV_SHA512SIG1:
		lift_sum(lift, IR_SIGNED, SUM(19, 61, 6));
		return true;
	default:
		return false;
	}
}

/* A machine's hart notes that it uses floating point, or may not, until it has. */
static bool may_compute(const struct lift *lift, const struct row *row)
{
	enum riscv_format format = riscv_format(lift->insn.op);

	return !lift->options->is_machine || lift->options->mode & RISCV_MODE_FLOAT ||
		(row->shape < SHAPE_F && format != RISCV_FORMAT_FLOAD &&
			format != RISCV_FORMAT_FSTORE && lift->insn.op != RISCV_CSRRW &&
			lift->insn.op != RISCV_CSRRS);
}

static void lift_one(struct lift *lift)
{
	const struct row *row = &rows[lift->insn.op];
	struct ir *ir;

	if (riscv_lift_system(lift->block, lift->options, &lift->insn, lift->pc))
		return;
	if (!may_compute(lift, row)) {
		lift_helper(lift);
		return;
	}
	switch (lift->insn.op) {
	case RISCV_LUI:
	case RISCV_AUIPC:
		if (!lift->insn.rd)
			break;
		ir = add(lift, IR_CONSTANT);
		ir->d = lift->insn.rd;
		ir->imm = lift->insn.imm;
		if (lift->insn.op == RISCV_AUIPC) {
			ir->imm += (int64_t)lift->pc;
			ir->flags = IR_RELATIVE;
		}
		break;
	case RISCV_JAL:
		lift_jal(lift);
		break;
	case RISCV_JALR:
		lift_jalr(lift);
		break;
	case RISCV_FENCE: /* of stores against loads; all else x86 keeps in order */
		if (lift->insn.imm >> 4 & 1 && lift->insn.imm >> 1 & 1)
			add(lift, IR_FENCE);
		break;
	case RISCV_ECALL:
		if (lift->options->is_machine)
			lift_switch(lift);
		else
			lift_stop(lift, JIT_STOP_SYSTEM_CALL, 0);
		break;
	case RISCV_SRET:
	case RISCV_MRET:
		lift_switch(lift);
		break;
	case RISCV_EBREAK:
		lift_stop(lift, JIT_STOP_BREAKPOINT, 0);
		break;
	case RISCV_FENCE_I:
		lift_stop(lift, JIT_STOP_NEW_CODE, lift->insn.length);
		break;
	case RISCV_ILLEGAL:
		lift_stop(lift, JIT_STOP_ILLEGAL, 0);
		break;
	case RISCV_CSRRW:
	case RISCV_CSRRS:
		if (!lift_float_flags(lift) &&
			!riscv_lift_vector_csr(&lift->vector, lift->block, &lift->insn, lift->pc)) {
			riscv_lift_vector(&lift->vector, lift->block, &lift->insn, lift->pc);
			lift_helper(lift);
		}
		break;
	default:
		if (lift_sums(lift) ||
			riscv_lift_vector(&lift->vector, lift->block, &lift->insn, lift->pc))
			break;
		if (row->shape == SHAPE_HELPER)
			lift_helper(lift);
		else
			lift_row(lift, row);
	}
}

/* --- blocks ------------------------------------------------------------------------------------
 */

/* The instruction at lift->pc; false when it is not all there. */
static bool fetch(struct lift *lift, uint64_t end)
{
	const char *code = (const char *)(uintptr_t)(lift->pc + (uint64_t)lift->options->offset);
	uint16_t low, high = 0;

	if (end - lift->pc < 2)
		return false;
	memcpy(&low, code, sizeof(low));
	if (riscv_length(low) == 4) {
		if (end - lift->pc < 4)
			return false;
		memcpy(&high, code + 2, sizeof(high));
	}
	lift->insn = riscv_decode(low | (uint32_t)high << 16);
	return true;
}

static bool is_full(const struct ir_block *block)
{
	return block->nr + OPS_RESERVE > IR_BLOCK_MAX || block->nr_helpers + 1 > IR_HELPERS_MAX;
}

static void jump_to(struct lift *lift, uint64_t target)
{
	/* As if it stood at its target: it is no backward jump. */
	struct ir *ir;

	ir = add(lift, IR_JUMP);
	ir->pc = target - 1;
	ir->imm = (int64_t)target;
}

/* Follow a jump: only forward, and only a few times. */
static bool follow(struct lift *lift)
{
	struct ir_block *block = lift->block;

	if (!lift->jump || lift->jump <= lift->pc || block->nr_segments == IR_SEGMENTS_MAX)
		return false;
	block->nr--; /* the jump */
	block->segments[block->nr_segments - 1].end = lift->pc + lift->insn.length;
	block->segments[block->nr_segments++].start = lift->jump;
	lift->pc = lift->jump;
	lift->jump = 0;
	lift->is_over = false;
	return true;
}

/* An instruction that is not wholly on its page: where it goes on is not known here. */
static void lift_straddling(struct lift *lift)
{
	lift->insn = (struct riscv_insn){ .length = 2 };
	lift_stop(lift, (enum jit_stop)JIT_LEAVE_INTERPRET, 0);
	lift->pc += lift->insn.length;
	lift->block->nr_guest = 1;
}

static void lift_line(struct lift *lift, const struct riscv_cpu *state, uint64_t end)
{
	struct ir_block *block = lift->block;

	block->segments[0].start = lift->pc;
	block->nr_segments = 1;
	riscv_lift_vector_begin(&lift->vector, state, false);
	while (!lift->is_over) {
		if (block->nr_guest >= LINE_MAX || is_full(block) || lift->pc >= end ||
			!fetch(lift, end)) {
			if (block->nr_guest)
				jump_to(lift, lift->pc);
			else if (lift->options->is_machine)
				lift_straddling(lift);
			break;
		}
		block->nr_guest++;
		lift_one(lift);
		if (lift->is_over && follow(lift))
			continue;
		lift->pc += lift->insn.length;
		if (!lift->is_over && block->nr && block->ops[block->nr - 1].op == IR_BRANCH &&
			(uint64_t)block->ops[block->nr - 1].imm < lift->pc) {
			jump_to(lift, lift->pc);
			break;
		}
	}
	block->segments[block->nr_segments - 1].end = lift->pc;
}

/* --- regions -----------------------------------------------------------------------------------
 */

/* The last instruction may reach beyond the jump's first byte, but not beyond what is there. */
static uint64_t end_of_region(const struct lift *lift, uint64_t end)
{
	return end + 3 < lift->options->end ? end + 3 : lift->options->end;
}

/* All instructions from pc to the end are looked at first, for the places that jumps go to. */
static bool find_labels(struct lift *lift, uint64_t start, uint64_t end)
{
	uint64_t readable = end_of_region(lift, end);
	unsigned nr = 0;

	lift->nr_labels = 0;
	lift->sets_length = false;
	/* What lies between is not looked at: it may not even be there. */
	if (end - start > 4 * REGION_MAX)
		return false;
	for (lift->pc = start; lift->pc < end; lift->pc += lift->insn.length) {
		uint64_t target;

		if (++nr > REGION_MAX || !fetch(lift, readable))
			return false;
		lift->sets_length = lift->sets_length || riscv_sets_vector_length(lift->insn.op);
		target = lift->pc + (uint64_t)(int64_t)lift->insn.imm;
		if (rows[lift->insn.op].shape != SHAPE_BRANCH &&
			(lift->insn.op != RISCV_JAL || lift->insn.rd))
			continue;
		if (target >= start && target < end) {
			if (lift->nr_labels == LABELS_MAX)
				return false;
			lift->labels[lift->nr_labels++] = target;
		}
	}
	return true;
}

static bool is_label(const struct lift *lift, uint64_t pc)
{
	for (unsigned i = 0; i < lift->nr_labels; i++)
		if (lift->labels[i] == pc)
			return true;
	return false;
}

static void lift_region(struct lift *lift, const struct riscv_cpu *state, uint64_t loop_end)
{
	struct ir_block *block = lift->block;
	uint64_t start = block->pc;

	if (!find_labels(lift, start, loop_end))
		return;
	riscv_lift_vector_begin(&lift->vector, state, !lift->sets_length);
	for (lift->pc = start; lift->pc < loop_end || !lift->is_over;
		lift->pc += lift->insn.length) {
		if (is_full(block)) {
			block->nr = 0;
			return;
		}
		if (lift->pc >= loop_end) {
			jump_to(lift, lift->pc);
			break;
		}
		fetch(lift, end_of_region(lift, loop_end));
		if (lift->pc != start && is_label(lift, lift->pc)) {
			add(lift, IR_LABEL);
			riscv_lift_vector_forget(&lift->vector);
			lift->is_over = false;
		}
		/* What only comes after a way out and is no label is not reached from here. */
		if (lift->is_over)
			continue;
		block->nr_guest++;
		lift_one(lift);
	}
	block->segments[0] = (struct ir_segment){ start, lift->pc };
	block->nr_segments = 1;
}

void riscv_lift(struct ir_block *block, const struct jit_lift_options *options)
{
	struct lift lift;

	lift.block = block;
	lift.options = options;
	lift.pc = block->pc;
	lift.is_over = false;
	lift.jump = 0;

	if (options->loop_end)
		lift_region(&lift, options->state, options->loop_end);
	else
		lift_line(&lift, options->state, options->end);
}
