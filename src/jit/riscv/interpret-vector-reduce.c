/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interpret-vector-reduce.c - vectors to one element (RISC-V Unprivileged ISA, chapter "V", "Vector
 * Reduction Operations").
 *
 * Every sum is one in order, starting with vs1, also where any order would do.
 */
#include "jit/riscv/interpret-vector.h"

static uint64_t combine(enum riscv_op op, uint64_t sum, uint64_t a, unsigned w)
{
	int64_t signed_sum = riscv_vector_extend(sum, w), sa = riscv_vector_extend(a, w);

	switch (op) {
	case RISCV_VREDAND_VS:
		return sum & a;
	case RISCV_VREDOR_VS:
		return sum | a;
	case RISCV_VREDXOR_VS:
		return sum ^ a;
	case RISCV_VREDMINU_VS:
		return sum < a ? sum : a;
	case RISCV_VREDMIN_VS:
		return signed_sum < sa ? sum : a;
	case RISCV_VREDMAXU_VS:
		return sum > a ? sum : a;
	case RISCV_VREDMAX_VS:
		return signed_sum > sa ? sum : a;
	case RISCV_VWREDSUM_VS:
		return sum + (uint64_t)sa;
	default: /* VREDSUM, VWREDSUMU */
		return sum + a;
	}
}

/* `w` is the width of the elements of vs2, f the format of the sum. */
static uint64_t combine_float(enum riscv_op op, const struct float_format *f, uint64_t sum,
	uint64_t a, unsigned w, struct float_status *s)
{
	switch (op) {
	case RISCV_VFREDMIN_VS:
		return float_minimum(f, sum, a, false, s);
	case RISCV_VFREDMAX_VS:
		return float_maximum(f, sum, a, false, s);
	case RISCV_VFWREDUSUM_VS:
	case RISCV_VFWREDOSUM_VS:
		a = float_convert(riscv_vector_formats[w], f, a, s);
		return float_add(f, sum, a, s);
	default: /* VFREDUSUM, VFREDOSUM */
		return float_add(f, sum, a, s);
	}
}

static bool is_wide(enum riscv_op op)
{
	return op == RISCV_VWREDSUMU_VS || op == RISCV_VWREDSUM_VS || op == RISCV_VFWREDUSUM_VS ||
		op == RISCV_VFWREDOSUM_VS;
}

void riscv_execute_vector_reduction(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	struct float_status status = { .rounding = (enum float_rounding)(cpu->fcsr >> 5) };
	unsigned w = riscv_vector_sew(cpu), sum_width = w + is_wide(insn->op);
	uint64_t sum = riscv_vector_get(cpu, insn->rs1, 0, sum_width);

	if (!cpu->vl)
		return;
	for (unsigned i = 0; i < cpu->vl; i++) {
		uint64_t a = riscv_vector_get(cpu, insn->rs2, i, w);

		if (!riscv_vector_is_active(cpu, insn, i))
			continue;
		if (insn->op >= RISCV_VFREDUSUM_VS)
			sum = combine_float(
				insn->op, riscv_vector_formats[sum_width], sum, a, w, &status);
		else
			sum = riscv_vector_truncate(combine(insn->op, sum, a, w), sum_width);
	}
	riscv_vector_set(cpu, insn->rd, 0, sum_width, sum);
	cpu->fcsr |= status.flags;
}
