/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disassemble.c - instructions as text, for traces and tests.
 */
#include "jit/riscv/decode.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const x_names[32] = { "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0",
	"s1", "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7",
	"s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6" };
static const char *const f_names[32] = { "ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6", "ft7",
	"fs0", "fs1", "fa0", "fa1", "fa2", "fa3", "fa4", "fa5", "fa6", "fa7", "fs2", "fs3", "fs4",
	"fs5", "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11" };
static const char *const v_names[32] = { "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9",
	"v10", "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22",
	"v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31" };
static const char *const rm_names[8] = { ",rne", ",rtz", ",rdn", ",rup", ",rmm", "", "", "" };

/* "e8,m1,ta,ma"; a reserved type as the number it is. */
static void write_vector_type(uint32_t type, char *text, size_t size)
{
	static const char *const multipliers[8] = { "m1", "m2", "m4", "m8", NULL, "mf8", "mf4",
		"mf2" };
	unsigned width = type >> 3 & 7;

	if (type >> 8 || width > 3 || !multipliers[type & 7])
		snprintf(text, size, "%" PRIu32, type);
	else
		snprintf(text, size, "e%u,%s,%s,%s", 8u << width, multipliers[type & 7],
			type >> 6 & 1 ? "ta" : "tu", type >> 7 & 1 ? "ma" : "mu");
}

/* Of a load or store: with more than one field "seg" and their number stand before the width. */
static void write_vector_memory_name(const struct riscv_insn *insn, char *text, size_t size)
{
	const char *name = riscv_mnemonic(insn->op);
	int kind = (int)strcspn(name, "e");
	unsigned fields = 1u + (insn->rs3 >> 2);

	if (fields == 1 || name[kind - 1] == 'r' || !name[kind]) /* vl8re8.v, vs8r.v */
		snprintf(text, size, "%s", name);
	else
		snprintf(text, size, "%.*sseg%u%s", kind, name, fields, name + kind);
}

static void disassemble_vector_memory(const struct riscv_insn *insn, char *text, size_t size)
{
	const char *vd = v_names[insn->rd & 31], *rs1 = x_names[insn->rs1 & 31];
	const char *mask = insn->vm ? "" : ",v0.t";
	char name[32];

	write_vector_memory_name(insn, name, sizeof(name));
	switch (riscv_format(insn->op)) {
	case RISCV_FORMAT_VLSX:
		snprintf(text, size, "%s %s,(%s),%s%s", name, vd, rs1, x_names[insn->rs2 & 31],
			mask);
		break;
	case RISCV_FORMAT_VLSV:
		snprintf(text, size, "%s %s,(%s),%s%s", name, vd, rs1, v_names[insn->rs2 & 31],
			mask);
		break;
	default: /* VLS */
		snprintf(text, size, "%s %s,(%s)%s", name, vd, rs1, mask);
		break;
	}
}

static void disassemble_vector(const struct riscv_insn *insn, char *text, size_t size)
{
	const char *name = riscv_mnemonic(insn->op), *mask = insn->vm ? "" : ",v0.t";
	const char *rd = x_names[insn->rd & 31], *rs1 = x_names[insn->rs1 & 31];
	const char *fd = f_names[insn->rd & 31], *fs1 = f_names[insn->rs1 & 31];
	const char *vd = v_names[insn->rd & 31], *vs1 = v_names[insn->rs1 & 31],
		   *vs2 = v_names[insn->rs2 & 31];
	char type[16];

#define WRITE(...) snprintf(text, size, __VA_ARGS__)
	switch (riscv_format(insn->op)) {
	case RISCV_FORMAT_VSETVLI:
		write_vector_type((uint32_t)insn->imm, type, sizeof(type));
		WRITE("%s %s,%s,%s", name, rd, rs1, type);
		break;
	case RISCV_FORMAT_VSETIVLI:
		write_vector_type((uint32_t)insn->imm, type, sizeof(type));
		WRITE("%s %s,%u,%s", name, rd, insn->rs1, type);
		break;
	case RISCV_FORMAT_VLS:
	case RISCV_FORMAT_VLSX:
	case RISCV_FORMAT_VLSV:
		disassemble_vector_memory(insn, text, size);
		break;
	case RISCV_FORMAT_VVV:
		WRITE("%s %s,%s,%s%s", name, vd, vs2, vs1, mask);
		break;
	case RISCV_FORMAT_VVX:
		WRITE("%s %s,%s,%s%s", name, vd, vs2, rs1, mask);
		break;
	case RISCV_FORMAT_VVF:
		WRITE("%s %s,%s,%s%s", name, vd, vs2, fs1, mask);
		break;
	case RISCV_FORMAT_VVI:
	case RISCV_FORMAT_VVU:
	case RISCV_FORMAT_VVU6:
		WRITE("%s %s,%s,%d%s", name, vd, vs2, insn->imm, mask);
		break;
	case RISCV_FORMAT_VVVM:
		WRITE("%s %s,%s,%s,v0", name, vd, vs2, vs1);
		break;
	case RISCV_FORMAT_VVXM:
		WRITE("%s %s,%s,%s,v0", name, vd, vs2, rs1);
		break;
	case RISCV_FORMAT_VVFM:
		WRITE("%s %s,%s,%s,v0", name, vd, vs2, fs1);
		break;
	case RISCV_FORMAT_VVIM:
		WRITE("%s %s,%s,%d,v0", name, vd, vs2, insn->imm);
		break;
	case RISCV_FORMAT_VAV:
		WRITE("%s %s,%s,%s%s", name, vd, vs1, vs2, mask);
		break;
	case RISCV_FORMAT_VAX:
		WRITE("%s %s,%s,%s%s", name, vd, rs1, vs2, mask);
		break;
	case RISCV_FORMAT_VAF:
		WRITE("%s %s,%s,%s%s", name, vd, fs1, vs2, mask);
		break;
	case RISCV_FORMAT_VV:
		WRITE("%s %s,%s%s", name, vd, vs2, mask);
		break;
	case RISCV_FORMAT_V1:
		WRITE("%s %s,%s", name, vd, vs1);
		break;
	case RISCV_FORMAT_VX:
		WRITE("%s %s,%s", name, vd, rs1);
		break;
	case RISCV_FORMAT_VF:
		WRITE("%s %s,%s", name, vd, fs1);
		break;
	case RISCV_FORMAT_VI:
		WRITE("%s %s,%d", name, vd, insn->imm);
		break;
	case RISCV_FORMAT_XV:
		WRITE("%s %s,%s%s", name, rd, vs2, mask);
		break;
	case RISCV_FORMAT_FV:
		WRITE("%s %s,%s", name, fd, vs2);
		break;
	default: /* V */
		WRITE("%s %s%s", name, vd, mask);
		break;
	}
#undef WRITE
}

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
	case RISCV_FORMAT_SFENCE:
		WRITE("%s %s,%s", name, rs1, rs2);
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
	case RISCV_FORMAT_VSETVLI ... RISCV_FORMAT_V:
		disassemble_vector(insn, text, size);
		break;
	}
#undef WRITE
}
