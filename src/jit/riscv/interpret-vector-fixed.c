/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interpret-vector-fixed.c - fixed-point arithmetic (RISC-V Unprivileged ISA, chapter "V", "Vector
 * Fixed-Point Arithmetic Instructions" and "Vector Fixed-Point Rounding Mode Register").
 */
#include "jit/riscv/interpret-vector.h"

typedef __int128 s128;

/* The encoding of vxrm. */
enum {
	NEAREST_UP,
	NEAREST_EVEN,
	DOWN,
	TO_ODD,
};

/* value / 2^shift, rounded; shift is less than 64. */
static s128 round_off(s128 value, unsigned shift, unsigned vxrm)
{
	s128 kept = value >> shift, lost = value & (((s128)1 << shift) - 1), half;

	if (!shift)
		return value;
	half = (s128)1 << (shift - 1);
	switch (vxrm) {
	case NEAREST_UP:
		return kept + (lost >= half);
	case NEAREST_EVEN:
		return kept + (lost > half || (lost == half && kept & 1));
	case DOWN:
		return kept;
	default: /* TO_ODD */
		return kept | (lost != 0);
	}
}

/* The number of 8 << w bits that is nearest, and vxsat when it is another. */
static uint64_t clip(struct riscv_cpu *cpu, s128 value, s128 least, s128 most)
{
	if (value >= least && value <= most)
		return (uint64_t)value;
	cpu->vxsat = 1;
	return (uint64_t)(value < least ? least : most);
}

static uint64_t clip_signed(struct riscv_cpu *cpu, s128 value, unsigned w)
{
	s128 limit = (s128)1 << ((8u << w) - 1);

	return clip(cpu, value, -limit, limit - 1);
}

static uint64_t clip_unsigned(struct riscv_cpu *cpu, s128 value, unsigned w)
{
	return clip(cpu, value, 0, ((s128)1 << (8u << w)) - 1);
}

uint64_t riscv_vector_compute_fixed(
	struct riscv_cpu *cpu, enum riscv_op op, uint64_t a, uint64_t b, unsigned w)
{
	s128 ua = a, ub = b, sa = riscv_vector_extend(a, w), sb = riscv_vector_extend(b, w);
	unsigned bits = 8u << w, shift = b % bits, wide_shift = b % (2 * bits);

	switch (op) {
	case RISCV_VSADDU_VV ... RISCV_VSADDU_VI:
		return clip_unsigned(cpu, ua + ub, w);
	case RISCV_VSADD_VV ... RISCV_VSADD_VI:
		return clip_signed(cpu, sa + sb, w);
	case RISCV_VSSUBU_VV ... RISCV_VSSUBU_VX:
		return clip_unsigned(cpu, ua - ub, w);
	case RISCV_VSSUB_VV ... RISCV_VSSUB_VX:
		return clip_signed(cpu, sa - sb, w);
	case RISCV_VAADDU_VV ... RISCV_VAADDU_VX:
		return (uint64_t)round_off(ua + ub, 1, cpu->vxrm);
	case RISCV_VAADD_VV ... RISCV_VAADD_VX:
		return (uint64_t)round_off(sa + sb, 1, cpu->vxrm);
	case RISCV_VASUBU_VV ... RISCV_VASUBU_VX:
		return (uint64_t)round_off(ua - ub, 1, cpu->vxrm);
	case RISCV_VASUB_VV ... RISCV_VASUB_VX:
		return (uint64_t)round_off(sa - sb, 1, cpu->vxrm);
	case RISCV_VSMUL_VV ... RISCV_VSMUL_VX:
		return clip_signed(cpu, round_off(sa * sb, bits - 1, cpu->vxrm), w);
	case RISCV_VSSRL_VV ... RISCV_VSSRL_VI:
		return (uint64_t)round_off(ua, shift, cpu->vxrm);
	case RISCV_VSSRA_VV ... RISCV_VSSRA_VI:
		return (uint64_t)round_off(sa, shift, cpu->vxrm);
	case RISCV_VNCLIPU_WV ... RISCV_VNCLIPU_WI:
		return clip_unsigned(cpu, round_off(ua, wide_shift, cpu->vxrm), w);
	default: /* VNCLIP */
		sa = riscv_vector_extend(a, w + 1);
		return clip_signed(cpu, round_off(sa, wide_shift, cpu->vxrm), w);
	}
}
