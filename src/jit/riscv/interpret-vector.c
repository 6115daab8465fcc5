/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interpret-vector.c - V 1.0, Zvfh, Zvbb, Zvbc and Zvkng (RISC-V Unprivileged ISA, chapters "V" and
 * "Vector Cryptography"): the way to the groups, and what sets the vector type.
 *
 * VLEN is 128, ELEN 64. Where the type leaves us the choice, elements are left undisturbed.
 */
#include "jit/riscv/interpret-vector.h"

const struct float_format *const riscv_vector_formats[4] = { NULL, &float_half, &float_single,
	&float_double };

#define TYPE_BITS 0xffu /* vma, vta, vsew, vlmul */

/* A group has one element or more; those of more than 64 * LMUL bits we could refuse. */
static bool is_type(uint64_t type)
{
	unsigned width_bits = 8u << (type >> 3 & 7), multiplier = type & 7;

	if (type & ~(uint64_t)TYPE_BITS || multiplier == 4 || width_bits > 64)
		return false;
	return multiplier < 4 || width_bits <= 8u * RISCV_VLEN_BYTES >> (8 - multiplier);
}

void riscv_set_vector_type(struct riscv_cpu *cpu, uint64_t type, uint64_t length)
{
	uint64_t longest;

	if (!is_type(type)) {
		cpu->vtype = RISCV_VILL;
		cpu->vl = 0;
		return;
	}
	cpu->vtype = type;
	longest = riscv_vector_length_max(cpu);
	cpu->vl = length < longest ? length : longest;
}

static void set_type(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	uint64_t type = insn->op == RISCV_VSETVL ? cpu->x[insn->rs2] : (uint64_t)insn->imm;
	uint64_t length = UINT64_MAX;

	if (insn->op == RISCV_VSETIVLI)
		length = insn->rs1;
	else if (insn->rs1)
		length = cpu->x[insn->rs1];
	else if (!insn->rd)
		length = cpu->vl;
	riscv_set_vector_type(cpu, type, length);
	cpu->x[insn->rd] = cpu->vl;
}

struct riscv_vector_operand riscv_vector_first_operand(
	const struct riscv_cpu *cpu, const struct riscv_insn *insn, unsigned w)
{
	struct riscv_vector_operand operand = { .reg = insn->rs1 };

	switch (riscv_format(insn->op)) {
	case RISCV_FORMAT_VVX:
	case RISCV_FORMAT_VVXM:
	case RISCV_FORMAT_VAX:
	case RISCV_FORMAT_VX:
		operand.scalar = riscv_vector_truncate(cpu->x[insn->rs1], w);
		break;
	case RISCV_FORMAT_VVF:
	case RISCV_FORMAT_VVFM:
	case RISCV_FORMAT_VAF:
	case RISCV_FORMAT_VF:
		operand.scalar = riscv_get_float(cpu, insn->rs1, riscv_vector_formats[w]);
		break;
	case RISCV_FORMAT_VVI:
	case RISCV_FORMAT_VVU:
	case RISCV_FORMAT_VVU6:
	case RISCV_FORMAT_VVIM:
	case RISCV_FORMAT_VI:
		operand.scalar = riscv_vector_truncate((uint64_t)(int64_t)insn->imm, w);
		break;
	default:
		operand.is_group = riscv_vector_has_vs1(insn);
		break;
	}
	return operand;
}

/* false: memory has faulted. */
static bool execute_group(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	switch (insn->op) {
	case RISCV_VSETVLI ... RISCV_VSETVL:
		set_type(cpu, insn);
		break;
	case RISCV_VADD_VV ... RISCV_VMSGT_VI:
	case RISCV_VMV_V_V ... RISCV_VMV_V_I:
		riscv_execute_vector_integer(cpu, insn);
		break;
	case RISCV_VREDSUM_VS ... RISCV_VWREDSUM_VS:
	case RISCV_VFREDUSUM_VS ... RISCV_VFWREDOSUM_VS:
		riscv_execute_vector_reduction(cpu, insn);
		break;
	case RISCV_VMANDN_MM ... RISCV_VID_V:
		riscv_execute_vector_mask(cpu, insn);
		break;
	case RISCV_VMV_S_X ... RISCV_VMV_X_S:
	case RISCV_VSLIDEUP_VX ... RISCV_VMV8R_V:
	case RISCV_VFMERGE_VFM ... RISCV_VFSLIDE1DOWN_VF:
		riscv_execute_vector_permutation(cpu, insn);
		break;
	case RISCV_VFADD_VV ... RISCV_VMFGE_VF:
	case RISCV_VFWADD_VV ... RISCV_VFNCVT_RTZ_X_F_W:
		riscv_execute_vector_float(cpu, insn);
		break;
	case RISCV_VAESDM_VV ... RISCV_VSHA2CL_VV:
		riscv_execute_vector_crypto(cpu, insn);
		break;
	default:
		return riscv_execute_vector_memory(cpu, insn);
	}
	return true;
}

bool riscv_vector_is_float(enum riscv_op op)
{
	return op >= RISCV_VFADD_VV && op <= RISCV_VFWREDOSUM_VS;
}

enum jit_stop riscv_execute_vector(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	if (!riscv_use_vector(cpu) || (riscv_vector_is_float(insn->op) && !riscv_use_float(cpu)) ||
		!riscv_vector_is_legal(cpu, insn))
		return JIT_STOP_ILLEGAL;
	if (!execute_group(cpu, insn))
		return JIT_STOP_FAULT;
	cpu->vstart = 0;
	return JIT_STOP_LIMIT;
}
