/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode.h - RISC-V instruction words and what they mean.
 *
 * Decoding knows every instruction of instructions.h, whatever the machine at hand offers, and
 * nothing else: a reserved word is RISCV_ILLEGAL. Pure functions of the word; nothing is kept.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "jit/riscv/instructions.h"

enum riscv_op {
	RISCV_ILLEGAL,
#define RISCV_ENUMERATOR(name, text, format, ...) RISCV_##name,
	RISCV_INSTRUCTIONS(RISCV_ENUMERATOR)
#undef RISCV_ENUMERATOR
		RISCV_OP_COUNT,
};

/* Which fields an instruction has, and how they are written in assembly. */
enum riscv_format {
	RISCV_FORMAT_NONE,
	RISCV_FORMAT_R, /* rd, rs1, rs2 */
	RISCV_FORMAT_R1, /* rd, rs1 */
	RISCV_FORMAT_I, /* rd, rs1, imm */
	RISCV_FORMAT_SHIFT, /* rd, rs1, imm of 0..63 */
	RISCV_FORMAT_SHIFTW, /* rd, rs1, imm of 0..31 */
	RISCV_FORMAT_LOAD, /* rd, imm(rs1); jalr too */
	RISCV_FORMAT_STORE, /* rs2, imm(rs1) */
	RISCV_FORMAT_B, /* rs1, rs2, pc + imm */
	RISCV_FORMAT_U, /* rd, imm << 12 */
	RISCV_FORMAT_J, /* rd, pc + imm */
	RISCV_FORMAT_FENCE, /* predecessors, successors */
	RISCV_FORMAT_CBO, /* (rs1) */
	RISCV_FORMAT_AMO, /* rd, rs2, (rs1) */
	RISCV_FORMAT_LR, /* rd, (rs1) */
	RISCV_FORMAT_CSR, /* rd, imm = csr, rs1 */
	RISCV_FORMAT_CSRI, /* rd, imm = csr, rs1 = a number */
	RISCV_FORMAT_SFENCE, /* rs1, rs2 */
	RISCV_FORMAT_AESKS, /* rd, rs1, imm = round, 0..10 */
	RISCV_FORMAT_MOP, /* rd alone counts */
	RISCV_FORMAT_FLOAD, /* fd, imm(rs1) */
	RISCV_FORMAT_FSTORE, /* fs2, imm(rs1) */
	RISCV_FORMAT_F, /* fd, fs1, fs2 */
	RISCV_FORMAT_FR, /* fd, fs1, fs2, rm */
	RISCV_FORMAT_FR1, /* fd, fs1, rm */
	RISCV_FORMAT_R4, /* fd, fs1, fs2, fs3, rm */
	RISCV_FORMAT_FX2, /* rd, fs1, fs2 */
	RISCV_FORMAT_FX, /* rd, fs1 */
	RISCV_FORMAT_FXR, /* rd, fs1, rm */
	RISCV_FORMAT_XF, /* fd, rs1 */
	RISCV_FORMAT_XFR, /* fd, rs1, rm */
	RISCV_FORMAT_FLI, /* fd, rs1 = index of a constant */
	/* Vectors. Behind all of them, where vm is 0: v0.t */
	RISCV_FORMAT_VSETVLI, /* rd, rs1, imm = vtype */
	RISCV_FORMAT_VSETIVLI, /* rd, rs1 = a number, imm = vtype */
	RISCV_FORMAT_VLS, /* vd, (rs1) */
	RISCV_FORMAT_VLSX, /* vd, (rs1), rs2 */
	RISCV_FORMAT_VLSV, /* vd, (rs1), vs2 */
	RISCV_FORMAT_VVV, /* vd, vs2, vs1 */
	RISCV_FORMAT_VVX, /* vd, vs2, rs1 */
	RISCV_FORMAT_VVF, /* vd, vs2, fs1 */
	RISCV_FORMAT_VVI, /* vd, vs2, imm */
	RISCV_FORMAT_VVU, /* vd, vs2, imm of 0..31 */
	RISCV_FORMAT_VVU6, /* vd, vs2, imm of 0..63 */
	RISCV_FORMAT_VVVM, /* vd, vs2, vs1, v0 */
	RISCV_FORMAT_VVXM, /* vd, vs2, rs1, v0 */
	RISCV_FORMAT_VVFM, /* vd, vs2, fs1, v0 */
	RISCV_FORMAT_VVIM, /* vd, vs2, imm, v0 */
	RISCV_FORMAT_VAV, /* vd, vs1, vs2 */
	RISCV_FORMAT_VAX, /* vd, rs1, vs2 */
	RISCV_FORMAT_VAF, /* vd, fs1, vs2 */
	RISCV_FORMAT_VV, /* vd, vs2 */
	RISCV_FORMAT_V1, /* vd, vs1 */
	RISCV_FORMAT_VX, /* vd, rs1 */
	RISCV_FORMAT_VF, /* vd, fs1 */
	RISCV_FORMAT_VI, /* vd, imm */
	RISCV_FORMAT_XV, /* rd, vs2 */
	RISCV_FORMAT_FV, /* fd, vs2 */
	RISCV_FORMAT_V, /* vd */
	RISCV_FORMAT_COUNT,
};

#define RISCV_RM_DYNAMIC 7 /* the rounding mode of fcsr */

struct riscv_insn {
	enum riscv_op op;
	uint8_t length; /* bytes: 2 or 4 */
	uint8_t rd, rs1, rs2, rs3; /* x, f or v; of vector loads and stores rs3 >> 2 is nf */
	uint8_t rm;
	uint8_t vm; /* 0: masked by v0 */
	int32_t imm;
	uint32_t word; /* as it stands in memory; of a short one the lower half */
};

/* 2 or 4 by the first 16 bits of an instruction. (Longer ones do not exist yet: 4, and illegal.) */
static inline unsigned riscv_length(uint16_t first)
{
	return (first & 3) == 3 ? 4 : 2;
}

/* The instruction at `word`, whose upper half does not count when the lower is a whole one. */
struct riscv_insn riscv_decode(uint32_t word);

/* The 32-bit word that a 16-bit one stands for; 0, which is illegal, when it is none. */
uint32_t riscv_expand(uint16_t half);

/* "addi" and its format; for RISCV_ILLEGAL "illegal", RISCV_FORMAT_NONE. */
const char *riscv_mnemonic(enum riscv_op op);

extern const uint8_t riscv_formats[RISCV_OP_COUNT];

static inline enum riscv_format riscv_format(enum riscv_op op)
{
	return (enum riscv_format)riscv_formats[op];
}

/* "addi a0,a1,-1": as GNU objdump -M no-aliases writes it, targets of jumps as absolute addresses.
 * Cut to `size`. */
void riscv_disassemble(const struct riscv_insn *insn, uint64_t pc, char *text, size_t size);
