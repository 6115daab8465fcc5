/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interpret-vector-mask.c - masks (RISC-V Unprivileged ISA, chapter "V", "Vector Mask
 * Instructions").
 */
#include "jit/riscv/interpret-vector.h"

static bool combine(enum riscv_op op, bool a, bool b)
{
	switch (op) {
	case RISCV_VMANDN_MM:
		return a && !b;
	case RISCV_VMAND_MM:
		return a && b;
	case RISCV_VMOR_MM:
		return a || b;
	case RISCV_VMXOR_MM:
		return a != b;
	case RISCV_VMORN_MM:
		return a || !b;
	case RISCV_VMNAND_MM:
		return !(a && b);
	case RISCV_VMNOR_MM:
		return !(a || b);
	default: /* VMXNOR */
		return a == b;
	}
}

static void combine_masks(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	for (unsigned i = cpu->vstart; i < cpu->vl; i++) {
		bool a = riscv_vector_get_bit(cpu, insn->rs2, i);
		bool b = riscv_vector_get_bit(cpu, insn->rs1, i);

		riscv_vector_set_bit(cpu, insn->rd, i, combine(insn->op, a, b));
	}
}

/* An active element that is set. */
static bool is_set(const struct riscv_cpu *cpu, const struct riscv_insn *insn, unsigned i)
{
	return riscv_vector_is_active(cpu, insn, i) && riscv_vector_get_bit(cpu, insn->rs2, i);
}

static uint64_t count(const struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	uint64_t found = 0;

	for (unsigned i = 0; i < cpu->vl; i++)
		found += is_set(cpu, insn, i);
	return found;
}

/* vl when there is none. */
static uint64_t find_first(const struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	unsigned i = 0;

	while (i < cpu->vl && !is_set(cpu, insn, i))
		i++;
	return i;
}

static void mark_first(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	uint64_t first = find_first(cpu, insn);

	for (unsigned i = 0; i < cpu->vl; i++) {
		bool value;

		if (!riscv_vector_is_active(cpu, insn, i))
			continue;
		if (insn->op == RISCV_VMSBF_M)
			value = i < first;
		else if (insn->op == RISCV_VMSIF_M)
			value = i <= first;
		else /* VMSOF */
			value = i == first;
		riscv_vector_set_bit(cpu, insn->rd, i, value);
	}
}

/* viota: how many are set before each element. */
static void number_set(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	uint64_t found = 0;

	for (unsigned i = 0; i < cpu->vl; i++) {
		if (!riscv_vector_is_active(cpu, insn, i))
			continue;
		riscv_vector_set(cpu, insn->rd, i, riscv_vector_sew(cpu), found);
		found += is_set(cpu, insn, i);
	}
}

/* vid: the index of each element. */
static void number_all(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	for (unsigned i = cpu->vstart; i < cpu->vl; i++)
		if (riscv_vector_is_active(cpu, insn, i))
			riscv_vector_set(cpu, insn->rd, i, riscv_vector_sew(cpu), i);
}

void riscv_execute_vector_mask(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	uint64_t first;

	switch (insn->op) {
	case RISCV_VCPOP_M:
		cpu->x[insn->rd] = count(cpu, insn);
		break;
	case RISCV_VFIRST_M:
		first = find_first(cpu, insn);
		cpu->x[insn->rd] = first < cpu->vl ? first : UINT64_MAX;
		break;
	case RISCV_VMSBF_M ... RISCV_VMSIF_M:
		mark_first(cpu, insn);
		break;
	case RISCV_VIOTA_M:
		number_set(cpu, insn);
		break;
	case RISCV_VID_V:
		number_all(cpu, insn);
		break;
	default:
		combine_masks(cpu, insn);
		break;
	}
}
