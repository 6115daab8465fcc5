/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interpret-vector-permute.c - elements to other places (RISC-V Unprivileged ISA, chapter "V",
 * "Vector Integer Permutation Instructions" and "Vector Floating-Point Permutation Instructions"),
 * and floating-point merge and moves, which compute nothing either.
 */
#include "jit/riscv/interpret-vector.h"

/* x[rs1], or the immediate: an offset or an index, not cut to SEW. */
static uint64_t distance(const struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	return riscv_format(insn->op) == RISCV_FORMAT_VVU ? (uint64_t)insn->imm : cpu->x[insn->rs1];
}

static void slide_up(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	unsigned w = riscv_vector_sew(cpu);
	uint64_t offset = distance(cpu, insn);

	for (uint64_t i = cpu->vstart > offset ? cpu->vstart : offset; i < cpu->vl; i++)
		if (riscv_vector_is_active(cpu, insn, (unsigned)i))
			riscv_vector_set(cpu, insn->rd, (unsigned)i, w,
				riscv_vector_get(cpu, insn->rs2, (unsigned)(i - offset), w));
}

/* vs2[index], 0 beyond its end. */
static uint64_t pick(
	const struct riscv_cpu *cpu, const struct riscv_insn *insn, uint64_t index, unsigned w)
{
	return index < riscv_vector_length_max(cpu)
		? riscv_vector_get(cpu, insn->rs2, (unsigned)index, w)
		: 0;
}

static void slide_down(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	unsigned w = riscv_vector_sew(cpu);
	uint64_t offset = distance(cpu, insn);

	if (offset > riscv_vector_length_max(cpu))
		offset = riscv_vector_length_max(cpu);
	for (unsigned i = cpu->vstart; i < cpu->vl; i++)
		if (riscv_vector_is_active(cpu, insn, i))
			riscv_vector_set(cpu, insn->rd, i, w, pick(cpu, insn, i + offset, w));
}

/* By one, with the scalar in the place that becomes free. */
static void slide_one(struct riscv_cpu *cpu, const struct riscv_insn *insn, bool up)
{
	unsigned w = riscv_vector_sew(cpu);
	uint64_t scalar = riscv_vector_first_operand(cpu, insn, w).scalar, value;

	for (unsigned i = cpu->vstart; i < cpu->vl; i++) {
		if (!riscv_vector_is_active(cpu, insn, i))
			continue;
		if (up)
			value = i ? riscv_vector_get(cpu, insn->rs2, i - 1, w) : scalar;
		else
			value = i + 1 < cpu->vl ? riscv_vector_get(cpu, insn->rs2, i + 1, w)
						: scalar;
		riscv_vector_set(cpu, insn->rd, i, w, value);
	}
}

static void gather(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	unsigned w = riscv_vector_sew(cpu);
	unsigned index_width = insn->op == RISCV_VRGATHEREI16_VV ? 1 : w;
	bool is_vector = riscv_vector_has_vs1(insn);

	for (unsigned i = cpu->vstart; i < cpu->vl; i++) {
		uint64_t index;

		if (!riscv_vector_is_active(cpu, insn, i))
			continue;
		index = is_vector ? riscv_vector_get(cpu, insn->rs1, i, index_width)
				  : distance(cpu, insn);
		riscv_vector_set(cpu, insn->rd, i, w, pick(cpu, insn, index, w));
	}
}

static void compress(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	unsigned w = riscv_vector_sew(cpu), to = 0;

	for (unsigned i = 0; i < cpu->vl; i++)
		if (riscv_vector_get_bit(cpu, insn->rs1, i))
			riscv_vector_set(
				cpu, insn->rd, to++, w, riscv_vector_get(cpu, insn->rs2, i, w));
}

/* vmv1r ... vmv8r: from element vstart on, of as many as the registers have. */
static void move_registers(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	size_t bytes = (insn->rs1 + 1u) * RISCV_VLEN_BYTES;
	size_t done = (size_t)cpu->vstart << riscv_vector_sew(cpu);

	if (done < bytes)
		memmove(cpu->v + insn->rd * RISCV_VLEN_BYTES + done,
			cpu->v + insn->rs2 * RISCV_VLEN_BYTES + done, bytes - done);
}

/* vfmv.v.f, and vfmerge where it is masked. */
static void splat_float(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	unsigned w = riscv_vector_sew(cpu);
	uint64_t scalar = riscv_vector_first_operand(cpu, insn, w).scalar;

	for (unsigned i = cpu->vstart; i < cpu->vl; i++)
		riscv_vector_set(cpu, insn->rd, i, w,
			riscv_vector_is_active(cpu, insn, i)
				? scalar
				: riscv_vector_get(cpu, insn->rs2, i, w));
}

/* Element 0 to and from x and f. */
static void move_element(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	unsigned w = riscv_vector_sew(cpu);
	uint64_t element = riscv_vector_get(cpu, insn->rs2, 0, w);

	switch (insn->op) {
	case RISCV_VMV_X_S:
		cpu->x[insn->rd] = (uint64_t)riscv_vector_extend(element, w);
		break;
	case RISCV_VFMV_F_S:
		riscv_set_float(cpu, insn->rd, riscv_vector_formats[w], element);
		break;
	default: /* VMV_S_X, VFMV_S_F */
		if (cpu->vstart < cpu->vl)
			riscv_vector_set(cpu, insn->rd, 0, w,
				riscv_vector_first_operand(cpu, insn, w).scalar);
		break;
	}
}

void riscv_execute_vector_permutation(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	switch (insn->op) {
	case RISCV_VSLIDEUP_VX ... RISCV_VSLIDEUP_VI:
		slide_up(cpu, insn);
		break;
	case RISCV_VSLIDEDOWN_VX ... RISCV_VSLIDEDOWN_VI:
		slide_down(cpu, insn);
		break;
	case RISCV_VSLIDE1UP_VX:
	case RISCV_VFSLIDE1UP_VF:
		slide_one(cpu, insn, true);
		break;
	case RISCV_VSLIDE1DOWN_VX:
	case RISCV_VFSLIDE1DOWN_VF:
		slide_one(cpu, insn, false);
		break;
	case RISCV_VRGATHER_VV ... RISCV_VRGATHEREI16_VV:
		gather(cpu, insn);
		break;
	case RISCV_VCOMPRESS_VM:
		compress(cpu, insn);
		break;
	case RISCV_VMV1R_V ... RISCV_VMV8R_V:
		move_registers(cpu, insn);
		break;
	case RISCV_VFMERGE_VFM ... RISCV_VFMV_V_F:
		splat_float(cpu, insn);
		break;
	default:
		move_element(cpu, insn);
		break;
	}
}
