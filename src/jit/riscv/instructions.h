/* SPDX-License-Identifier: Apache-2.0 */
/*
 * instructions.h - every 32-bit RISC-V instruction there is for strata: one row each.
 *
 *   X(ENUMERATOR, "mnemonic", FORMAT, mask, match)
 *
 * A word is this instruction when (word & mask) == match. Rows with the same opcode (bits 6:2)
 * stand together, in the order of `opcode_rows` in decode.c, and the more special of two that would
 * both match comes first. Sources: RISC-V Unprivileged ISA 20240411, chapter 34 ("RV32/64G
 * Instruction Set Listings") and the listings of the chapters of each extension. 16-bit ones are
 * forms of these (compressed.c). Those of supervisors and machines: Privileged ISA 20241017,
 * chapter 16 ("RISC-V Privileged Instruction Set Listings").
 */
#pragma once

#include "jit/riscv/instructions-vector.h"

/* mask, match by the fixed fields: opcode, funct3, funct7, ... */
#define RV_OP(op)	    0x0000007f, (op)
#define RV_F3(op, f3)	    0x0000707f, ((op) | (f3) << 12)
#define RV_F7(op, f3, f7)   0xfe00707f, ((op) | (f3) << 12 | (uint32_t)(f7) << 25)
#define RV_F6(op, f3, f6)   0xfc00707f, ((op) | (f3) << 12 | (uint32_t)(f6) << 26)
#define RV_F12(op, f3, f12) 0xfff0707f, ((op) | (f3) << 12 | (uint32_t)(f12) << 20)
#define RV_ALL(word)	    0xffffffff, (word)
#define RV_SFENCE(f7)	    0xfe007fff, (0x73 | (uint32_t)(f7) << 25)
#define RV_CBO(f12)	    0xfff07fff, (0x0000200f | (uint32_t)(f12) << 20)
#define RV_AMO(f3, f5)	    0xf800707f, (0x2f | (f3) << 12 | (uint32_t)(f5) << 27)
#define RV_LR(f3)	    0xf9f0707f, (0x2f | (f3) << 12 | 0x02u << 27)
/* Floating point; `fmt` is 0 single, 1 double, 2 half. Without f3 the rounding mode is free. */
#define RV_FMA(op, fmt)	     0x0600007f, ((op) | (fmt) << 25)
#define RV_FP(f5, fmt)	     0xfe00007f, (0x53 | (fmt) << 25 | (uint32_t)(f5) << 27)
#define RV_FP3(f5, fmt, f3)  0xfe00707f, (0x53 | (f3) << 12 | (fmt) << 25 | (uint32_t)(f5) << 27)
#define RV_FP1(f5, fmt, rs2) 0xfff0007f, (0x53 | (fmt) << 25 | (rs2) << 20 | (uint32_t)(f5) << 27)
#define RV_FP13(f5, fmt, rs2, f3)                                                                  \
	0xfff0707f, (0x53 | (f3) << 12 | (fmt) << 25 | (rs2) << 20 | (uint32_t)(f5) << 27)

/* The same operations for one width of floating point. */
#define RISCV_FLOAT_ROWS(X, W, w, fmt)                                                             \
	X(FADD_##W, "fadd." w, FR, RV_FP(0x00, fmt))                                               \
	X(FSUB_##W, "fsub." w, FR, RV_FP(0x01, fmt))                                               \
	X(FMUL_##W, "fmul." w, FR, RV_FP(0x02, fmt))                                               \
	X(FDIV_##W, "fdiv." w, FR, RV_FP(0x03, fmt))                                               \
	X(FSQRT_##W, "fsqrt." w, FR1, RV_FP1(0x0b, fmt, 0))                                        \
	X(FSGNJ_##W, "fsgnj." w, F, RV_FP3(0x04, fmt, 0))                                          \
	X(FSGNJN_##W, "fsgnjn." w, F, RV_FP3(0x04, fmt, 1))                                        \
	X(FSGNJX_##W, "fsgnjx." w, F, RV_FP3(0x04, fmt, 2))                                        \
	X(FMIN_##W, "fmin." w, F, RV_FP3(0x05, fmt, 0))                                            \
	X(FMAX_##W, "fmax." w, F, RV_FP3(0x05, fmt, 1))                                            \
	X(FMINM_##W, "fminm." w, F, RV_FP3(0x05, fmt, 2))                                          \
	X(FMAXM_##W, "fmaxm." w, F, RV_FP3(0x05, fmt, 3))                                          \
	X(FROUND_##W, "fround." w, FR1, RV_FP1(0x08, fmt, 4))                                      \
	X(FROUNDNX_##W, "froundnx." w, FR1, RV_FP1(0x08, fmt, 5))                                  \
	X(FLE_##W, "fle." w, FX2, RV_FP3(0x14, fmt, 0))                                            \
	X(FLT_##W, "flt." w, FX2, RV_FP3(0x14, fmt, 1))                                            \
	X(FEQ_##W, "feq." w, FX2, RV_FP3(0x14, fmt, 2))                                            \
	X(FLEQ_##W, "fleq." w, FX2, RV_FP3(0x14, fmt, 4))                                          \
	X(FLTQ_##W, "fltq." w, FX2, RV_FP3(0x14, fmt, 5))                                          \
	X(FCVT_W_##W, "fcvt.w." w, FXR, RV_FP1(0x18, fmt, 0))                                      \
	X(FCVT_WU_##W, "fcvt.wu." w, FXR, RV_FP1(0x18, fmt, 1))                                    \
	X(FCVT_L_##W, "fcvt.l." w, FXR, RV_FP1(0x18, fmt, 2))                                      \
	X(FCVT_LU_##W, "fcvt.lu." w, FXR, RV_FP1(0x18, fmt, 3))                                    \
	X(FCVT_##W##_W, "fcvt." w ".w", XFR, RV_FP1(0x1a, fmt, 0))                                 \
	X(FCVT_##W##_WU, "fcvt." w ".wu", XFR, RV_FP1(0x1a, fmt, 1))                               \
	X(FCVT_##W##_L, "fcvt." w ".l", XFR, RV_FP1(0x1a, fmt, 2))                                 \
	X(FCVT_##W##_LU, "fcvt." w ".lu", XFR, RV_FP1(0x1a, fmt, 3))                               \
	X(FCLASS_##W, "fclass." w, FX, RV_FP13(0x1c, fmt, 0, 1))                                   \
	X(FLI_##W, "fli." w, FLI, RV_FP13(0x1e, fmt, 1, 0))

#define RISCV_FUSED_ROWS(X, NAME, name, op)                                                        \
	X(NAME##_S, name ".s", R4, RV_FMA(op, 0))                                                  \
	X(NAME##_D, name ".d", R4, RV_FMA(op, 1))                                                  \
	X(NAME##_H, name ".h", R4, RV_FMA(op, 2))

#define RISCV_ATOMIC_ROWS(X, W, w, f3)                                                             \
	X(LR_##W, "lr." w, LR, RV_LR(f3))                                                          \
	X(SC_##W, "sc." w, AMO, RV_AMO(f3, 0x03))                                                  \
	X(AMOSWAP_##W, "amoswap." w, AMO, RV_AMO(f3, 0x01))                                        \
	X(AMOADD_##W, "amoadd." w, AMO, RV_AMO(f3, 0x00))                                          \
	X(AMOXOR_##W, "amoxor." w, AMO, RV_AMO(f3, 0x04))                                          \
	X(AMOAND_##W, "amoand." w, AMO, RV_AMO(f3, 0x0c))                                          \
	X(AMOOR_##W, "amoor." w, AMO, RV_AMO(f3, 0x08))                                            \
	X(AMOMIN_##W, "amomin." w, AMO, RV_AMO(f3, 0x10))                                          \
	X(AMOMAX_##W, "amomax." w, AMO, RV_AMO(f3, 0x14))                                          \
	X(AMOMINU_##W, "amominu." w, AMO, RV_AMO(f3, 0x18))                                        \
	X(AMOMAXU_##W, "amomaxu." w, AMO, RV_AMO(f3, 0x1c))

#define RISCV_INSTRUCTIONS(X)                                                                      \
	/* LOAD */                                                                                 \
	X(LB, "lb", LOAD, RV_F3(0x03, 0))                                                          \
	X(LH, "lh", LOAD, RV_F3(0x03, 1))                                                          \
	X(LW, "lw", LOAD, RV_F3(0x03, 2))                                                          \
	X(LD, "ld", LOAD, RV_F3(0x03, 3))                                                          \
	X(LBU, "lbu", LOAD, RV_F3(0x03, 4))                                                        \
	X(LHU, "lhu", LOAD, RV_F3(0x03, 5))                                                        \
	X(LWU, "lwu", LOAD, RV_F3(0x03, 6))                                                        \
	/* LOAD-FP */                                                                              \
	X(FLH, "flh", FLOAD, RV_F3(0x07, 1))                                                       \
	X(FLW, "flw", FLOAD, RV_F3(0x07, 2))                                                       \
	X(FLD, "fld", FLOAD, RV_F3(0x07, 3))                                                       \
	RISCV_VECTOR_LOADS(X)                                                                      \
	/* MISC-MEM */                                                                             \
	X(FENCE, "fence", FENCE, RV_F3(0x0f, 0))                                                   \
	X(FENCE_I, "fence.i", NONE, RV_F3(0x0f, 1))                                                \
	X(CBO_INVAL, "cbo.inval", CBO, RV_CBO(0))                                                  \
	X(CBO_CLEAN, "cbo.clean", CBO, RV_CBO(1))                                                  \
	X(CBO_FLUSH, "cbo.flush", CBO, RV_CBO(2))                                                  \
	X(CBO_ZERO, "cbo.zero", CBO, RV_CBO(4))                                                    \
	/* OP-IMM */                                                                               \
	X(ADDI, "addi", I, RV_F3(0x13, 0))                                                         \
	X(SLTI, "slti", I, RV_F3(0x13, 2))                                                         \
	X(SLTIU, "sltiu", I, RV_F3(0x13, 3))                                                       \
	X(XORI, "xori", I, RV_F3(0x13, 4))                                                         \
	X(ORI, "ori", I, RV_F3(0x13, 6))                                                           \
	X(ANDI, "andi", I, RV_F3(0x13, 7))                                                         \
	X(SLLI, "slli", SHIFT, RV_F6(0x13, 1, 0x00))                                               \
	X(SRLI, "srli", SHIFT, RV_F6(0x13, 5, 0x00))                                               \
	X(SRAI, "srai", SHIFT, RV_F6(0x13, 5, 0x10))                                               \
	X(CLZ, "clz", R1, RV_F12(0x13, 1, 0x600))                                                  \
	X(CTZ, "ctz", R1, RV_F12(0x13, 1, 0x601))                                                  \
	X(CPOP, "cpop", R1, RV_F12(0x13, 1, 0x602))                                                \
	X(SEXT_B, "sext.b", R1, RV_F12(0x13, 1, 0x604))                                            \
	X(SEXT_H, "sext.h", R1, RV_F12(0x13, 1, 0x605))                                            \
	X(ORC_B, "orc.b", R1, RV_F12(0x13, 5, 0x287))                                              \
	X(REV8, "rev8", R1, RV_F12(0x13, 5, 0x6b8))                                                \
	X(BREV8, "brev8", R1, RV_F12(0x13, 5, 0x687))                                              \
	X(RORI, "rori", SHIFT, RV_F6(0x13, 5, 0x18))                                               \
	X(BCLRI, "bclri", SHIFT, RV_F6(0x13, 1, 0x12))                                             \
	X(BEXTI, "bexti", SHIFT, RV_F6(0x13, 5, 0x12))                                             \
	X(BINVI, "binvi", SHIFT, RV_F6(0x13, 1, 0x1a))                                             \
	X(BSETI, "bseti", SHIFT, RV_F6(0x13, 1, 0x0a))                                             \
	X(SHA256SUM0, "sha256sum0", R1, RV_F12(0x13, 1, 0x100))                                    \
	X(SHA256SUM1, "sha256sum1", R1, RV_F12(0x13, 1, 0x101))                                    \
	X(SHA256SIG0, "sha256sig0", R1, RV_F12(0x13, 1, 0x102))                                    \
	X(SHA256SIG1, "sha256sig1", R1, RV_F12(0x13, 1, 0x103))                                    \
	X(SHA512SUM0, "sha512sum0", R1, RV_F12(0x13, 1, 0x104))                                    \
	X(SHA512SUM1, "sha512sum1", R1, RV_F12(0x13, 1, 0x105))                                    \
	X(SHA512SIG0, "sha512sig0", R1, RV_F12(0x13, 1, 0x106))                                    \
	X(SHA512SIG1, "sha512sig1", R1, RV_F12(0x13, 1, 0x107))                                    \
	X(AES64IM, "aes64im", R1, RV_F12(0x13, 1, 0x300))                                          \
	X(AES64KS1I, "aes64ks1i", AESKS, 0xff00707f, 0x31001013)                                   \
	/* AUIPC */                                                                                \
	X(AUIPC, "auipc", U, RV_OP(0x17))                                                          \
	/* OP-IMM-32 */                                                                            \
	X(ADDIW, "addiw", I, RV_F3(0x1b, 0))                                                       \
	X(SLLIW, "slliw", SHIFTW, RV_F7(0x1b, 1, 0x00))                                            \
	X(SRLIW, "srliw", SHIFTW, RV_F7(0x1b, 5, 0x00))                                            \
	X(SRAIW, "sraiw", SHIFTW, RV_F7(0x1b, 5, 0x20))                                            \
	X(SLLI_UW, "slli.uw", SHIFT, RV_F6(0x1b, 1, 0x02))                                         \
	X(CLZW, "clzw", R1, RV_F12(0x1b, 1, 0x600))                                                \
	X(CTZW, "ctzw", R1, RV_F12(0x1b, 1, 0x601))                                                \
	X(CPOPW, "cpopw", R1, RV_F12(0x1b, 1, 0x602))                                              \
	X(RORIW, "roriw", SHIFTW, RV_F7(0x1b, 5, 0x30))                                            \
	/* STORE */                                                                                \
	X(SB, "sb", STORE, RV_F3(0x23, 0))                                                         \
	X(SH, "sh", STORE, RV_F3(0x23, 1))                                                         \
	X(SW, "sw", STORE, RV_F3(0x23, 2))                                                         \
	X(SD, "sd", STORE, RV_F3(0x23, 3))                                                         \
	/* STORE-FP */                                                                             \
	X(FSH, "fsh", FSTORE, RV_F3(0x27, 1))                                                      \
	X(FSW, "fsw", FSTORE, RV_F3(0x27, 2))                                                      \
	X(FSD, "fsd", FSTORE, RV_F3(0x27, 3))                                                      \
	RISCV_VECTOR_STORES(X)                                                                     \
	/* AMO */                                                                                  \
	RISCV_ATOMIC_ROWS(X, W, "w", 2)                                                            \
	RISCV_ATOMIC_ROWS(X, D, "d", 3)                                                            \
	/* OP */                                                                                   \
	X(ADD, "add", R, RV_F7(0x33, 0, 0x00))                                                     \
	X(SUB, "sub", R, RV_F7(0x33, 0, 0x20))                                                     \
	X(SLL, "sll", R, RV_F7(0x33, 1, 0x00))                                                     \
	X(SLT, "slt", R, RV_F7(0x33, 2, 0x00))                                                     \
	X(SLTU, "sltu", R, RV_F7(0x33, 3, 0x00))                                                   \
	X(XOR, "xor", R, RV_F7(0x33, 4, 0x00))                                                     \
	X(SRL, "srl", R, RV_F7(0x33, 5, 0x00))                                                     \
	X(SRA, "sra", R, RV_F7(0x33, 5, 0x20))                                                     \
	X(OR, "or", R, RV_F7(0x33, 6, 0x00))                                                       \
	X(AND, "and", R, RV_F7(0x33, 7, 0x00))                                                     \
	X(MUL, "mul", R, RV_F7(0x33, 0, 0x01))                                                     \
	X(MULH, "mulh", R, RV_F7(0x33, 1, 0x01))                                                   \
	X(MULHSU, "mulhsu", R, RV_F7(0x33, 2, 0x01))                                               \
	X(MULHU, "mulhu", R, RV_F7(0x33, 3, 0x01))                                                 \
	X(DIV, "div", R, RV_F7(0x33, 4, 0x01))                                                     \
	X(DIVU, "divu", R, RV_F7(0x33, 5, 0x01))                                                   \
	X(REM, "rem", R, RV_F7(0x33, 6, 0x01))                                                     \
	X(REMU, "remu", R, RV_F7(0x33, 7, 0x01))                                                   \
	X(SH1ADD, "sh1add", R, RV_F7(0x33, 2, 0x10))                                               \
	X(SH2ADD, "sh2add", R, RV_F7(0x33, 4, 0x10))                                               \
	X(SH3ADD, "sh3add", R, RV_F7(0x33, 6, 0x10))                                               \
	X(ANDN, "andn", R, RV_F7(0x33, 7, 0x20))                                                   \
	X(ORN, "orn", R, RV_F7(0x33, 6, 0x20))                                                     \
	X(XNOR, "xnor", R, RV_F7(0x33, 4, 0x20))                                                   \
	X(MIN, "min", R, RV_F7(0x33, 4, 0x05))                                                     \
	X(MINU, "minu", R, RV_F7(0x33, 5, 0x05))                                                   \
	X(MAX, "max", R, RV_F7(0x33, 6, 0x05))                                                     \
	X(MAXU, "maxu", R, RV_F7(0x33, 7, 0x05))                                                   \
	X(ROL, "rol", R, RV_F7(0x33, 1, 0x30))                                                     \
	X(ROR, "ror", R, RV_F7(0x33, 5, 0x30))                                                     \
	X(CLMUL, "clmul", R, RV_F7(0x33, 1, 0x05))                                                 \
	X(CLMULR, "clmulr", R, RV_F7(0x33, 2, 0x05))                                               \
	X(CLMULH, "clmulh", R, RV_F7(0x33, 3, 0x05))                                               \
	X(BCLR, "bclr", R, RV_F7(0x33, 1, 0x24))                                                   \
	X(BEXT, "bext", R, RV_F7(0x33, 5, 0x24))                                                   \
	X(BINV, "binv", R, RV_F7(0x33, 1, 0x34))                                                   \
	X(BSET, "bset", R, RV_F7(0x33, 1, 0x14))                                                   \
	X(CZERO_EQZ, "czero.eqz", R, RV_F7(0x33, 5, 0x07))                                         \
	X(CZERO_NEZ, "czero.nez", R, RV_F7(0x33, 7, 0x07))                                         \
	X(PACK, "pack", R, RV_F7(0x33, 4, 0x04))                                                   \
	X(PACKH, "packh", R, RV_F7(0x33, 7, 0x04))                                                 \
	X(XPERM4, "xperm4", R, RV_F7(0x33, 2, 0x14))                                               \
	X(XPERM8, "xperm8", R, RV_F7(0x33, 4, 0x14))                                               \
	X(AES64ES, "aes64es", R, RV_F7(0x33, 0, 0x19))                                             \
	X(AES64ESM, "aes64esm", R, RV_F7(0x33, 0, 0x1b))                                           \
	X(AES64DS, "aes64ds", R, RV_F7(0x33, 0, 0x1d))                                             \
	X(AES64DSM, "aes64dsm", R, RV_F7(0x33, 0, 0x1f))                                           \
	X(AES64KS2, "aes64ks2", R, RV_F7(0x33, 0, 0x3f))                                           \
	/* LUI */                                                                                  \
	X(LUI, "lui", U, RV_OP(0x37))                                                              \
	/* OP-32 */                                                                                \
	X(ADDW, "addw", R, RV_F7(0x3b, 0, 0x00))                                                   \
	X(SUBW, "subw", R, RV_F7(0x3b, 0, 0x20))                                                   \
	X(SLLW, "sllw", R, RV_F7(0x3b, 1, 0x00))                                                   \
	X(SRLW, "srlw", R, RV_F7(0x3b, 5, 0x00))                                                   \
	X(SRAW, "sraw", R, RV_F7(0x3b, 5, 0x20))                                                   \
	X(MULW, "mulw", R, RV_F7(0x3b, 0, 0x01))                                                   \
	X(DIVW, "divw", R, RV_F7(0x3b, 4, 0x01))                                                   \
	X(DIVUW, "divuw", R, RV_F7(0x3b, 5, 0x01))                                                 \
	X(REMW, "remw", R, RV_F7(0x3b, 6, 0x01))                                                   \
	X(REMUW, "remuw", R, RV_F7(0x3b, 7, 0x01))                                                 \
	X(ADD_UW, "add.uw", R, RV_F7(0x3b, 0, 0x04))                                               \
	X(SH1ADD_UW, "sh1add.uw", R, RV_F7(0x3b, 2, 0x10))                                         \
	X(SH2ADD_UW, "sh2add.uw", R, RV_F7(0x3b, 4, 0x10))                                         \
	X(SH3ADD_UW, "sh3add.uw", R, RV_F7(0x3b, 6, 0x10))                                         \
	X(ROLW, "rolw", R, RV_F7(0x3b, 1, 0x30))                                                   \
	X(RORW, "rorw", R, RV_F7(0x3b, 5, 0x30))                                                   \
	X(ZEXT_H, "zext.h", R1, RV_F12(0x3b, 4, 0x080))                                            \
	X(PACKW, "packw", R, RV_F7(0x3b, 4, 0x04))                                                 \
	/* MADD, MSUB, NMSUB, NMADD */                                                             \
	RISCV_FUSED_ROWS(X, FMADD, "fmadd", 0x43)                                                  \
	RISCV_FUSED_ROWS(X, FMSUB, "fmsub", 0x47)                                                  \
	RISCV_FUSED_ROWS(X, FNMSUB, "fnmsub", 0x4b)                                                \
	RISCV_FUSED_ROWS(X, FNMADD, "fnmadd", 0x4f)                                                \
	/* OP-FP */                                                                                \
	RISCV_FLOAT_ROWS(X, S, "s", 0)                                                             \
	RISCV_FLOAT_ROWS(X, D, "d", 1)                                                             \
	RISCV_FLOAT_ROWS(X, H, "h", 2)                                                             \
	X(FCVT_S_D, "fcvt.s.d", FR1, RV_FP1(0x08, 0, 1))                                           \
	X(FCVT_S_H, "fcvt.s.h", FR1, RV_FP1(0x08, 0, 2))                                           \
	X(FCVT_D_S, "fcvt.d.s", FR1, RV_FP1(0x08, 1, 0))                                           \
	X(FCVT_D_H, "fcvt.d.h", FR1, RV_FP1(0x08, 1, 2))                                           \
	X(FCVT_H_S, "fcvt.h.s", FR1, RV_FP1(0x08, 2, 0))                                           \
	X(FCVT_H_D, "fcvt.h.d", FR1, RV_FP1(0x08, 2, 1))                                           \
	X(FCVTMOD_W_D, "fcvtmod.w.d", FXR, RV_FP13(0x18, 1, 8, 1))                                 \
	X(FMV_X_W, "fmv.x.w", FX, RV_FP13(0x1c, 0, 0, 0))                                          \
	X(FMV_X_D, "fmv.x.d", FX, RV_FP13(0x1c, 1, 0, 0))                                          \
	X(FMV_X_H, "fmv.x.h", FX, RV_FP13(0x1c, 2, 0, 0))                                          \
	X(FMV_W_X, "fmv.w.x", XF, RV_FP13(0x1e, 0, 0, 0))                                          \
	X(FMV_D_X, "fmv.d.x", XF, RV_FP13(0x1e, 1, 0, 0))                                          \
	X(FMV_H_X, "fmv.h.x", XF, RV_FP13(0x1e, 2, 0, 0))                                          \
	/* OP-V */                                                                                 \
	RISCV_VECTOR_OPERATIONS(X)                                                                 \
	/* BRANCH */                                                                               \
	X(BEQ, "beq", B, RV_F3(0x63, 0))                                                           \
	X(BNE, "bne", B, RV_F3(0x63, 1))                                                           \
	X(BLT, "blt", B, RV_F3(0x63, 4))                                                           \
	X(BGE, "bge", B, RV_F3(0x63, 5))                                                           \
	X(BLTU, "bltu", B, RV_F3(0x63, 6))                                                         \
	X(BGEU, "bgeu", B, RV_F3(0x63, 7))                                                         \
	/* JALR, JAL */                                                                            \
	X(JALR, "jalr", LOAD, RV_F3(0x67, 0))                                                      \
	X(JAL, "jal", J, RV_OP(0x6f))                                                              \
	/* SYSTEM */                                                                               \
	X(ECALL, "ecall", NONE, RV_ALL(0x00000073))                                                \
	X(EBREAK, "ebreak", NONE, RV_ALL(0x00100073))                                              \
	X(WRS_NTO, "wrs.nto", NONE, RV_ALL(0x00d00073))                                            \
	X(WRS_STO, "wrs.sto", NONE, RV_ALL(0x01d00073))                                            \
	X(SRET, "sret", NONE, RV_ALL(0x10200073))                                                  \
	X(MRET, "mret", NONE, RV_ALL(0x30200073))                                                  \
	X(WFI, "wfi", NONE, RV_ALL(0x10500073))                                                    \
	X(SFENCE_VMA, "sfence.vma", SFENCE, RV_SFENCE(0x09))                                       \
	X(SINVAL_VMA, "sinval.vma", SFENCE, RV_SFENCE(0x0b))                                       \
	X(SFENCE_W_INVAL, "sfence.w.inval", NONE, RV_ALL(0x18000073))                              \
	X(SFENCE_INVAL_IR, "sfence.inval.ir", NONE, RV_ALL(0x18100073))                            \
	X(CSRRW, "csrrw", CSR, RV_F3(0x73, 1))                                                     \
	X(CSRRS, "csrrs", CSR, RV_F3(0x73, 2))                                                     \
	X(CSRRC, "csrrc", CSR, RV_F3(0x73, 3))                                                     \
	X(CSRRWI, "csrrwi", CSRI, RV_F3(0x73, 5))                                                  \
	X(CSRRSI, "csrrsi", CSRI, RV_F3(0x73, 6))                                                  \
	X(CSRRCI, "csrrci", CSRI, RV_F3(0x73, 7))                                                  \
	X(MOP_R, "mop.r", MOP, 0xb3c0707f, 0x81c04073)                                             \
	X(MOP_RR, "mop.rr", MOP, 0xb200707f, 0x82004073)                                           \
	/* OP-VE */                                                                                \
	RISCV_VECTOR_CRYPTO(X)
