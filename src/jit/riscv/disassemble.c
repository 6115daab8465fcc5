/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disassemble.c - instructions as text, for traces and tests.
 */
#include "jit/riscv/decode.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const x_names[32] = { "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0",
	"s1", "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7",
	"s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6" };
static const char *const f_names[32] = { "ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6", "ft7",
	"fs0", "fs1", "fa0", "fa1", "fa2", "fa3", "fa4", "fa5", "fa6", "fa7", "fs2", "fs3", "fs4",
	"fs5", "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11" };
static const char *const rm_names[8] = { ",rne", ",rtz", ",rdn", ",rup", ",rmm", "", "", "" };

void riscv_disassemble(const struct riscv_insn *insn, uint64_t pc, char *text, size_t size)
{
	const char *name = riscv_mnemonic(insn->op), *rm = rm_names[insn->rm & 7];
	const char *rd = x_names[insn->rd & 31], *rs1 = x_names[insn->rs1 & 31],
		   *rs2 = x_names[insn->rs2 & 31];
	const char *fd = f_names[insn->rd & 31], *fs1 = f_names[insn->rs1 & 31],
		   *fs2 = f_names[insn->rs2 & 31], *fs3 = f_names[insn->rs3 & 31];
	uint64_t target = pc + (uint64_t)(int64_t)insn->imm;

#define WRITE(...) snprintf(text, size, __VA_ARGS__)
	switch (riscv_format(insn->op)) {
	case RISCV_FORMAT_R:
		WRITE("%s %s,%s,%s", name, rd, rs1, rs2);
		break;
	case RISCV_FORMAT_R1:
		WRITE("%s %s,%s", name, rd, rs1);
		break;
	case RISCV_FORMAT_I:
		WRITE("%s %s,%s,%d", name, rd, rs1, insn->imm);
		break;
	case RISCV_FORMAT_SHIFT:
	case RISCV_FORMAT_SHIFTW:
	case RISCV_FORMAT_AESKS:
		WRITE("%s %s,%s,0x%x", name, rd, rs1, (unsigned)insn->imm);
		break;
	case RISCV_FORMAT_LOAD:
		WRITE("%s %s,%d(%s)", name, rd, insn->imm, rs1);
		break;
	case RISCV_FORMAT_STORE:
		WRITE("%s %s,%d(%s)", name, rs2, insn->imm, rs1);
		break;
	case RISCV_FORMAT_B:
		WRITE("%s %s,%s,%" PRIx64, name, rs1, rs2, target);
		break;
	case RISCV_FORMAT_U:
		WRITE("%s %s,0x%x", name, rd, (uint32_t)insn->imm >> 12);
		break;
	case RISCV_FORMAT_J:
		WRITE("%s %s,%" PRIx64, name, rd, target);
		break;
	case RISCV_FORMAT_CBO:
		WRITE("%s (%s)", name, rs1);
		break;
	case RISCV_FORMAT_LR:
		WRITE("%s %s,(%s)", name, rd, rs1);
		break;
	case RISCV_FORMAT_AMO:
		WRITE("%s %s,%s,(%s)", name, rd, rs2, rs1);
		break;
	case RISCV_FORMAT_CSR:
		WRITE("%s %s,0x%x,%s", name, rd, (unsigned)insn->imm, rs1);
		break;
	case RISCV_FORMAT_CSRI:
		WRITE("%s %s,0x%x,%u", name, rd, (unsigned)insn->imm, insn->rs1);
		break;
	case RISCV_FORMAT_FLOAD:
		WRITE("%s %s,%d(%s)", name, fd, insn->imm, rs1);
		break;
	case RISCV_FORMAT_FSTORE:
		WRITE("%s %s,%d(%s)", name, fs2, insn->imm, rs1);
		break;
	case RISCV_FORMAT_F:
		WRITE("%s %s,%s,%s", name, fd, fs1, fs2);
		break;
	case RISCV_FORMAT_FR:
		WRITE("%s %s,%s,%s%s", name, fd, fs1, fs2, rm);
		break;
	case RISCV_FORMAT_FR1:
		WRITE("%s %s,%s%s", name, fd, fs1, rm);
		break;
	case RISCV_FORMAT_R4:
		WRITE("%s %s,%s,%s,%s%s", name, fd, fs1, fs2, fs3, rm);
		break;
	case RISCV_FORMAT_FX2:
		WRITE("%s %s,%s,%s", name, rd, fs1, fs2);
		break;
	case RISCV_FORMAT_FX:
		WRITE("%s %s,%s", name, rd, fs1);
		break;
	case RISCV_FORMAT_FXR:
		WRITE("%s %s,%s%s", name, rd, fs1, rm);
		break;
	case RISCV_FORMAT_XF:
		WRITE("%s %s,%s", name, fd, rs1);
		break;
	case RISCV_FORMAT_XFR:
		WRITE("%s %s,%s%s", name, fd, rs1, rm);
		break;
	case RISCV_FORMAT_FLI:
		WRITE("%s %s,#%u", name, fd, insn->rs1);
		break;
	case RISCV_FORMAT_MOP:
		WRITE("%s %s", name, rd);
		break;
	case RISCV_FORMAT_NONE:
	case RISCV_FORMAT_FENCE:
	case RISCV_FORMAT_COUNT:
		WRITE("%s", name);
		break;
	}
#undef WRITE
}
