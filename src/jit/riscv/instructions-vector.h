/* SPDX-License-Identifier: Apache-2.0 */
/*
 * instructions-vector.h - the rows of instructions.h for the vector extension: V 1.0 with Zvfh,
 * Zvbb, Zvbc, Zvkned, Zvknhb and Zvkg.
 *
 * One list for each major opcode. The rows of OP-V stand in groups whose operands have the same
 * widths: interpret-vector-legal.c and the interpreter name a group by its first and last row. The
 * forms of one operation stand together, .vv before .vx before .vi. Sources: RISC-V Unprivileged
 * ISA, chapters "V" (with its table of funct6) and "Vector Cryptography".
 */
#pragma once

/* Loads and stores: nf and vm are free. mop 0: lumop or sumop; else a register is in its place. */
#define RV_VU(op, width, how) 0x1df0707f, ((op) | (width) << 12 | (how) << 20)
#define RV_VM(op, width, mop) 0x1c00707f, ((op) | (width) << 12 | (mop) << 26)
#define RV_VN(op, width, how, nf)                                                                  \
	0xfff0707f, ((op) | (width) << 12 | (how) << 20 | 1u << 25 | (uint32_t)(nf) << 29)
/* OP-V: funct6 and funct3 (0 OPIVV, 1 OPFVV, 2 OPMVV, 3 OPIVI, 4 OPIVX, 5 OPFVF, 6 OPMVX), and vm,
 * vs1 or vs2 where they are fixed. */
#define RV_V(f6, f3)	   0xfc00707f, (0x57 | (f3) << 12 | (uint32_t)(f6) << 26)
#define RV_VV(f6, f3, vm)  0xfe00707f, (0x57 | (f3) << 12 | (vm) << 25 | (uint32_t)(f6) << 26)
#define RV_V1(f6, f3, vs1) 0xfc0ff07f, (0x57 | (f3) << 12 | (vs1) << 15 | (uint32_t)(f6) << 26)
#define RV_V1U(f6, f3, vs1)                                                                        \
	0xfe0ff07f, (0x57 | (f3) << 12 | (vs1) << 15 | 1u << 25 | (uint32_t)(f6) << 26)
/* OP-VE, always OPMVV and not masked. */
#define RV_VE(f6)	0xfe00707f, (0x77 | 2 << 12 | 1u << 25 | (uint32_t)(f6) << 26)
#define RV_VE1(f6, vs1) 0xfe0ff07f, (0x77 | 2 << 12 | (vs1) << 15 | 1u << 25 | (uint32_t)(f6) << 26)
#define RV_V2U(f6, f3)	0xfff0707f, (0x57 | (f3) << 12 | 1u << 25 | (uint32_t)(f6) << 26)

/* --- the forms of an operation ------------------------------------------------------------- */

#define RISCV_VVX_ROWS(X, NAME, name, f6)                                                          \
	X(NAME##_VV, name ".vv", VVV, RV_V(f6, 0))                                                 \
	X(NAME##_VX, name ".vx", VVX, RV_V(f6, 4))

#define RISCV_VVXI_ROWS(X, NAME, name, f6)                                                         \
	RISCV_VVX_ROWS(X, NAME, name, f6)                                                          \
	X(NAME##_VI, name ".vi", VVI, RV_V(f6, 3))

/* The immediate is unsigned. */
#define RISCV_VVXU_ROWS(X, NAME, name, f6)                                                         \
	RISCV_VVX_ROWS(X, NAME, name, f6)                                                          \
	X(NAME##_VI, name ".vi", VVU, RV_V(f6, 3))

#define RISCV_VXI_ROWS(X, NAME, name, f6)                                                          \
	X(NAME##_VX, name ".vx", VVX, RV_V(f6, 4))                                                 \
	X(NAME##_VI, name ".vi", VVI, RV_V(f6, 3))

#define RISCV_VXU_ROWS(X, NAME, name, f6)                                                          \
	X(NAME##_VX, name ".vx", VVX, RV_V(f6, 4))                                                 \
	X(NAME##_VI, name ".vi", VVU, RV_V(f6, 3))

#define RISCV_WVXU_ROWS(X, NAME, name, f6)                                                         \
	X(NAME##_WV, name ".wv", VVV, RV_V(f6, 0))                                                 \
	X(NAME##_WX, name ".wx", VVX, RV_V(f6, 4))                                                 \
	X(NAME##_WI, name ".wi", VVU, RV_V(f6, 3))

#define RISCV_MVX_ROWS(X, NAME, name, f6)                                                          \
	X(NAME##_VV, name ".vv", VVV, RV_V(f6, 2))                                                 \
	X(NAME##_VX, name ".vx", VVX, RV_V(f6, 6))

#define RISCV_MWX_ROWS(X, NAME, name, f6)                                                          \
	X(NAME##_WV, name ".wv", VVV, RV_V(f6, 2))                                                 \
	X(NAME##_WX, name ".wx", VVX, RV_V(f6, 6))

/* Multiply and add: vd, then the factor, as assembly has it. */
#define RISCV_MAX_ROWS(X, NAME, name, f6)                                                          \
	X(NAME##_VV, name ".vv", VAV, RV_V(f6, 2))                                                 \
	X(NAME##_VX, name ".vx", VAX, RV_V(f6, 6))

#define RISCV_FVF_ROWS(X, NAME, name, f6)                                                          \
	X(NAME##_VV, name ".vv", VVV, RV_V(f6, 1))                                                 \
	X(NAME##_VF, name ".vf", VVF, RV_V(f6, 5))

#define RISCV_FWF_ROWS(X, NAME, name, f6)                                                          \
	X(NAME##_WV, name ".wv", VVV, RV_V(f6, 1))                                                 \
	X(NAME##_WF, name ".wf", VVF, RV_V(f6, 5))

#define RISCV_FAF_ROWS(X, NAME, name, f6)                                                          \
	X(NAME##_VV, name ".vv", VAV, RV_V(f6, 1))                                                 \
	X(NAME##_VF, name ".vf", VAF, RV_V(f6, 5))

/* With the mask as an operand. */
#define RISCV_VXM_ROWS(X, NAME, name, f6)                                                          \
	X(NAME##_VVM, name ".vvm", VVVM, RV_VV(f6, 0, 0))                                          \
	X(NAME##_VXM, name ".vxm", VVXM, RV_VV(f6, 4, 0))

#define RISCV_VXIM_ROWS(X, NAME, name, f6)                                                         \
	RISCV_VXM_ROWS(X, NAME, name, f6)                                                          \
	X(NAME##_VIM, name ".vim", VVIM, RV_VV(f6, 3, 0))

#define RISCV_WIDTH_ROWS(X, NAME, before, after, FORMAT, ROW, op, how)                             \
	X(NAME##8_V, before "8" after, FORMAT, ROW(op, 0, how))                                    \
	X(NAME##16_V, before "16" after, FORMAT, ROW(op, 5, how))                                  \
	X(NAME##32_V, before "32" after, FORMAT, ROW(op, 6, how))                                  \
	X(NAME##64_V, before "64" after, FORMAT, ROW(op, 7, how))

#define RISCV_WHOLE_ROWS(X, N, n, nf)                                                              \
	X(VL##N##RE8_V, "vl" n "re8.v", VLS, RV_VN(0x07, 0, 8, nf))                                \
	X(VL##N##RE16_V, "vl" n "re16.v", VLS, RV_VN(0x07, 5, 8, nf))                              \
	X(VL##N##RE32_V, "vl" n "re32.v", VLS, RV_VN(0x07, 6, 8, nf))                              \
	X(VL##N##RE64_V, "vl" n "re64.v", VLS, RV_VN(0x07, 7, 8, nf))

/* --- the lists ---------------------------------------------------------------------------------
 */

#define RISCV_VECTOR_LOADS(X)                                                                      \
	RISCV_WIDTH_ROWS(X, VLE, "vle", ".v", VLS, RV_VU, 0x07, 0)                                 \
	RISCV_WIDTH_ROWS(X, VLEFF, "vle", "ff.v", VLS, RV_VU, 0x07, 16)                            \
	RISCV_WIDTH_ROWS(X, VLSE, "vlse", ".v", VLSX, RV_VM, 0x07, 2)                              \
	RISCV_WIDTH_ROWS(X, VLUXEI, "vluxei", ".v", VLSV, RV_VM, 0x07, 1)                          \
	RISCV_WIDTH_ROWS(X, VLOXEI, "vloxei", ".v", VLSV, RV_VM, 0x07, 3)                          \
	RISCV_WHOLE_ROWS(X, 1, "1", 0)                                                             \
	RISCV_WHOLE_ROWS(X, 2, "2", 1)                                                             \
	RISCV_WHOLE_ROWS(X, 4, "4", 3)                                                             \
	RISCV_WHOLE_ROWS(X, 8, "8", 7)                                                             \
	X(VLM_V, "vlm.v", VLS, RV_VN(0x07, 0, 11, 0))

#define RISCV_VECTOR_STORES(X)                                                                     \
	RISCV_WIDTH_ROWS(X, VSE, "vse", ".v", VLS, RV_VU, 0x27, 0)                                 \
	RISCV_WIDTH_ROWS(X, VSSE, "vsse", ".v", VLSX, RV_VM, 0x27, 2)                              \
	RISCV_WIDTH_ROWS(X, VSUXEI, "vsuxei", ".v", VLSV, RV_VM, 0x27, 1)                          \
	RISCV_WIDTH_ROWS(X, VSOXEI, "vsoxei", ".v", VLSV, RV_VM, 0x27, 3)                          \
	X(VS1R_V, "vs1r.v", VLS, RV_VN(0x27, 0, 8, 0))                                             \
	X(VS2R_V, "vs2r.v", VLS, RV_VN(0x27, 0, 8, 1))                                             \
	X(VS4R_V, "vs4r.v", VLS, RV_VN(0x27, 0, 8, 3))                                             \
	X(VS8R_V, "vs8r.v", VLS, RV_VN(0x27, 0, 8, 7))                                             \
	X(VSM_V, "vsm.v", VLS, RV_VN(0x27, 0, 11, 0))

#define RISCV_VECTOR_INTEGER(X)                                                                    \
	/* SEW op SEW is SEW */                                                                    \
	RISCV_VVXI_ROWS(X, VADD, "vadd", 0x00)                                                     \
	RISCV_VVX_ROWS(X, VSUB, "vsub", 0x02)                                                      \
	RISCV_VXI_ROWS(X, VRSUB, "vrsub", 0x03)                                                    \
	RISCV_VVX_ROWS(X, VMINU, "vminu", 0x04)                                                    \
	RISCV_VVX_ROWS(X, VMIN, "vmin", 0x05)                                                      \
	RISCV_VVX_ROWS(X, VMAXU, "vmaxu", 0x06)                                                    \
	RISCV_VVX_ROWS(X, VMAX, "vmax", 0x07)                                                      \
	RISCV_VVXI_ROWS(X, VAND, "vand", 0x09)                                                     \
	RISCV_VVXI_ROWS(X, VOR, "vor", 0x0a)                                                       \
	RISCV_VVXI_ROWS(X, VXOR, "vxor", 0x0b)                                                     \
	RISCV_VVXU_ROWS(X, VSLL, "vsll", 0x25)                                                     \
	RISCV_VVXU_ROWS(X, VSRL, "vsrl", 0x28)                                                     \
	RISCV_VVXU_ROWS(X, VSRA, "vsra", 0x29)                                                     \
	RISCV_VVX_ROWS(X, VANDN, "vandn", 0x01)                                                    \
	RISCV_VVX_ROWS(X, VROL, "vrol", 0x15)                                                      \
	RISCV_VVX_ROWS(X, VROR, "vror", 0x14)                                                      \
	X(VROR_VI, "vror.vi", VVU6, 0xf800707f, (0x57 | 3 << 12 | 0x14u << 26))                    \
	RISCV_MVX_ROWS(X, VMUL, "vmul", 0x25)                                                      \
	RISCV_MVX_ROWS(X, VMULH, "vmulh", 0x27)                                                    \
	RISCV_MVX_ROWS(X, VMULHU, "vmulhu", 0x24)                                                  \
	RISCV_MVX_ROWS(X, VMULHSU, "vmulhsu", 0x26)                                                \
	RISCV_MVX_ROWS(X, VDIVU, "vdivu", 0x20)                                                    \
	RISCV_MVX_ROWS(X, VDIV, "vdiv", 0x21)                                                      \
	RISCV_MVX_ROWS(X, VREMU, "vremu", 0x22)                                                    \
	RISCV_MVX_ROWS(X, VREM, "vrem", 0x23)                                                      \
	/* ... only for a SEW of 64 */                                                             \
	RISCV_MVX_ROWS(X, VCLMUL, "vclmul", 0x0c)                                                  \
	RISCV_MVX_ROWS(X, VCLMULH, "vclmulh", 0x0d)                                                \
	/* ... in fixed point */                                                                   \
	RISCV_VVXI_ROWS(X, VSADDU, "vsaddu", 0x20)                                                 \
	RISCV_VVXI_ROWS(X, VSADD, "vsadd", 0x21)                                                   \
	RISCV_VVX_ROWS(X, VSSUBU, "vssubu", 0x22)                                                  \
	RISCV_VVX_ROWS(X, VSSUB, "vssub", 0x23)                                                    \
	RISCV_MVX_ROWS(X, VAADDU, "vaaddu", 0x08)                                                  \
	RISCV_MVX_ROWS(X, VAADD, "vaadd", 0x09)                                                    \
	RISCV_MVX_ROWS(X, VASUBU, "vasubu", 0x0a)                                                  \
	RISCV_MVX_ROWS(X, VASUB, "vasub", 0x0b)                                                    \
	RISCV_VVX_ROWS(X, VSMUL, "vsmul", 0x27)                                                    \
	RISCV_VVXU_ROWS(X, VSSRL, "vssrl", 0x2a)                                                   \
	RISCV_VVXU_ROWS(X, VSSRA, "vssra", 0x2b)                                                   \
	/* ... of one operand */                                                                   \
	X(VBREV8_V, "vbrev8.v", VV, RV_V1(0x12, 2, 8))                                             \
	X(VREV8_V, "vrev8.v", VV, RV_V1(0x12, 2, 9))                                               \
	X(VBREV_V, "vbrev.v", VV, RV_V1(0x12, 2, 10))                                              \
	X(VCLZ_V, "vclz.v", VV, RV_V1(0x12, 2, 12))                                                \
	X(VCTZ_V, "vctz.v", VV, RV_V1(0x12, 2, 13))                                                \
	X(VCPOP_V, "vcpop.v", VV, RV_V1(0x12, 2, 14))                                              \
	/* ... of three, one of them vd */                                                         \
	RISCV_MAX_ROWS(X, VMACC, "vmacc", 0x2d)                                                    \
	RISCV_MAX_ROWS(X, VNMSAC, "vnmsac", 0x2f)                                                  \
	RISCV_MAX_ROWS(X, VMADD, "vmadd", 0x29)                                                    \
	RISCV_MAX_ROWS(X, VNMSUB, "vnmsub", 0x2b)                                                  \
	/* a fraction of SEW becomes SEW */                                                        \
	X(VZEXT_VF2, "vzext.vf2", VV, RV_V1(0x12, 2, 6))                                           \
	X(VSEXT_VF2, "vsext.vf2", VV, RV_V1(0x12, 2, 7))                                           \
	X(VZEXT_VF4, "vzext.vf4", VV, RV_V1(0x12, 2, 4))                                           \
	X(VSEXT_VF4, "vsext.vf4", VV, RV_V1(0x12, 2, 5))                                           \
	X(VZEXT_VF8, "vzext.vf8", VV, RV_V1(0x12, 2, 2))                                           \
	X(VSEXT_VF8, "vsext.vf8", VV, RV_V1(0x12, 2, 3))                                           \
	/* SEW op SEW is twice SEW */                                                              \
	RISCV_MVX_ROWS(X, VWADDU, "vwaddu", 0x30)                                                  \
	RISCV_MVX_ROWS(X, VWADD, "vwadd", 0x31)                                                    \
	RISCV_MVX_ROWS(X, VWSUBU, "vwsubu", 0x32)                                                  \
	RISCV_MVX_ROWS(X, VWSUB, "vwsub", 0x33)                                                    \
	RISCV_MVX_ROWS(X, VWMULU, "vwmulu", 0x38)                                                  \
	RISCV_MVX_ROWS(X, VWMULSU, "vwmulsu", 0x3a)                                                \
	RISCV_MVX_ROWS(X, VWMUL, "vwmul", 0x3b)                                                    \
	RISCV_VVXU_ROWS(X, VWSLL, "vwsll", 0x35)                                                   \
	/* ... and vd, of twice SEW, is added */                                                   \
	RISCV_MAX_ROWS(X, VWMACCU, "vwmaccu", 0x3c)                                                \
	RISCV_MAX_ROWS(X, VWMACC, "vwmacc", 0x3d)                                                  \
	RISCV_MAX_ROWS(X, VWMACCSU, "vwmaccsu", 0x3f)                                              \
	X(VWMACCUS_VX, "vwmaccus.vx", VAX, RV_V(0x3e, 6))                                          \
	/* twice SEW op SEW is twice SEW */                                                        \
	RISCV_MWX_ROWS(X, VWADDU, "vwaddu", 0x34)                                                  \
	RISCV_MWX_ROWS(X, VWADD, "vwadd", 0x35)                                                    \
	RISCV_MWX_ROWS(X, VWSUBU, "vwsubu", 0x36)                                                  \
	RISCV_MWX_ROWS(X, VWSUB, "vwsub", 0x37)                                                    \
	/* twice SEW op SEW is SEW */                                                              \
	RISCV_WVXU_ROWS(X, VNSRL, "vnsrl", 0x2c)                                                   \
	RISCV_WVXU_ROWS(X, VNSRA, "vnsra", 0x2d)                                                   \
	RISCV_WVXU_ROWS(X, VNCLIPU, "vnclipu", 0x2e)                                               \
	RISCV_WVXU_ROWS(X, VNCLIP, "vnclip", 0x2f)                                                 \
	/* SEW op SEW op mask is SEW */                                                            \
	RISCV_VXIM_ROWS(X, VADC, "vadc", 0x10)                                                     \
	RISCV_VXM_ROWS(X, VSBC, "vsbc", 0x12)                                                      \
	RISCV_VXIM_ROWS(X, VMERGE, "vmerge", 0x17)                                                 \
	/* ... is mask */                                                                          \
	RISCV_VXIM_ROWS(X, VMADC, "vmadc", 0x11)                                                   \
	RISCV_VXM_ROWS(X, VMSBC, "vmsbc", 0x13)                                                    \
	/* SEW op SEW is mask */                                                                   \
	X(VMADC_VV, "vmadc.vv", VVV, RV_VV(0x11, 0, 1))                                            \
	X(VMADC_VX, "vmadc.vx", VVX, RV_VV(0x11, 4, 1))                                            \
	X(VMADC_VI, "vmadc.vi", VVI, RV_VV(0x11, 3, 1))                                            \
	X(VMSBC_VV, "vmsbc.vv", VVV, RV_VV(0x13, 0, 1))                                            \
	X(VMSBC_VX, "vmsbc.vx", VVX, RV_VV(0x13, 4, 1))                                            \
	RISCV_VVXI_ROWS(X, VMSEQ, "vmseq", 0x18)                                                   \
	RISCV_VVXI_ROWS(X, VMSNE, "vmsne", 0x19)                                                   \
	RISCV_VVX_ROWS(X, VMSLTU, "vmsltu", 0x1a)                                                  \
	RISCV_VVX_ROWS(X, VMSLT, "vmslt", 0x1b)                                                    \
	RISCV_VVXI_ROWS(X, VMSLEU, "vmsleu", 0x1c)                                                 \
	RISCV_VVXI_ROWS(X, VMSLE, "vmsle", 0x1d)                                                   \
	RISCV_VXI_ROWS(X, VMSGTU, "vmsgtu", 0x1e)                                                  \
	RISCV_VXI_ROWS(X, VMSGT, "vmsgt", 0x1f)                                                    \
	/* moves */                                                                                \
	X(VMV_V_V, "vmv.v.v", V1, RV_V2U(0x17, 0))                                                 \
	X(VMV_V_X, "vmv.v.x", VX, RV_V2U(0x17, 4))                                                 \
	X(VMV_V_I, "vmv.v.i", VI, RV_V2U(0x17, 3))                                                 \
	X(VMV_S_X, "vmv.s.x", VX, RV_V2U(0x10, 6))                                                 \
	X(VMV_X_S, "vmv.x.s", XV, RV_V1U(0x10, 2, 0))                                              \
	/* reductions: the SEW of all and one element is an element */                             \
	X(VREDSUM_VS, "vredsum.vs", VVV, RV_V(0x00, 2))                                            \
	X(VREDAND_VS, "vredand.vs", VVV, RV_V(0x01, 2))                                            \
	X(VREDOR_VS, "vredor.vs", VVV, RV_V(0x02, 2))                                              \
	X(VREDXOR_VS, "vredxor.vs", VVV, RV_V(0x03, 2))                                            \
	X(VREDMINU_VS, "vredminu.vs", VVV, RV_V(0x04, 2))                                          \
	X(VREDMIN_VS, "vredmin.vs", VVV, RV_V(0x05, 2))                                            \
	X(VREDMAXU_VS, "vredmaxu.vs", VVV, RV_V(0x06, 2))                                          \
	X(VREDMAX_VS, "vredmax.vs", VVV, RV_V(0x07, 2))                                            \
	X(VWREDSUMU_VS, "vwredsumu.vs", VVV, RV_V(0x30, 0))                                        \
	X(VWREDSUM_VS, "vwredsum.vs", VVV, RV_V(0x31, 0))

#define RISCV_VECTOR_MASK(X)                                                                       \
	X(VMANDN_MM, "vmandn.mm", VVV, RV_VV(0x18, 2, 1))                                          \
	X(VMAND_MM, "vmand.mm", VVV, RV_VV(0x19, 2, 1))                                            \
	X(VMOR_MM, "vmor.mm", VVV, RV_VV(0x1a, 2, 1))                                              \
	X(VMXOR_MM, "vmxor.mm", VVV, RV_VV(0x1b, 2, 1))                                            \
	X(VMORN_MM, "vmorn.mm", VVV, RV_VV(0x1c, 2, 1))                                            \
	X(VMNAND_MM, "vmnand.mm", VVV, RV_VV(0x1d, 2, 1))                                          \
	X(VMNOR_MM, "vmnor.mm", VVV, RV_VV(0x1e, 2, 1))                                            \
	X(VMXNOR_MM, "vmxnor.mm", VVV, RV_VV(0x1f, 2, 1))                                          \
	X(VCPOP_M, "vcpop.m", XV, RV_V1(0x10, 2, 16))                                              \
	X(VFIRST_M, "vfirst.m", XV, RV_V1(0x10, 2, 17))                                            \
	X(VMSBF_M, "vmsbf.m", VV, RV_V1(0x14, 2, 1))                                               \
	X(VMSOF_M, "vmsof.m", VV, RV_V1(0x14, 2, 2))                                               \
	X(VMSIF_M, "vmsif.m", VV, RV_V1(0x14, 2, 3))                                               \
	X(VIOTA_M, "viota.m", VV, RV_V1(0x14, 2, 16))                                              \
	X(VID_V, "vid.v", V, 0xfdfff07f, (0x57 | 2 << 12 | 17 << 15 | 0x14u << 26))

#define RISCV_VECTOR_PERMUTATION(X)                                                                \
	RISCV_VXU_ROWS(X, VSLIDEUP, "vslideup", 0x0e)                                              \
	X(VSLIDE1UP_VX, "vslide1up.vx", VVX, RV_V(0x0e, 6))                                        \
	RISCV_VXU_ROWS(X, VSLIDEDOWN, "vslidedown", 0x0f)                                          \
	X(VSLIDE1DOWN_VX, "vslide1down.vx", VVX, RV_V(0x0f, 6))                                    \
	RISCV_VVXU_ROWS(X, VRGATHER, "vrgather", 0x0c)                                             \
	X(VRGATHEREI16_VV, "vrgatherei16.vv", VVV, RV_V(0x0e, 0))                                  \
	X(VCOMPRESS_VM, "vcompress.vm", VVV, RV_VV(0x17, 2, 1))                                    \
	X(VMV1R_V, "vmv1r.v", VV, RV_V1U(0x27, 3, 0))                                              \
	X(VMV2R_V, "vmv2r.v", VV, RV_V1U(0x27, 3, 1))                                              \
	X(VMV4R_V, "vmv4r.v", VV, RV_V1U(0x27, 3, 3))                                              \
	X(VMV8R_V, "vmv8r.v", VV, RV_V1U(0x27, 3, 7))

#define RISCV_VECTOR_FLOAT(X)                                                                      \
	/* SEW op SEW is SEW */                                                                    \
	RISCV_FVF_ROWS(X, VFADD, "vfadd", 0x00)                                                    \
	RISCV_FVF_ROWS(X, VFSUB, "vfsub", 0x02)                                                    \
	X(VFRSUB_VF, "vfrsub.vf", VVF, RV_V(0x27, 5))                                              \
	RISCV_FVF_ROWS(X, VFMUL, "vfmul", 0x24)                                                    \
	RISCV_FVF_ROWS(X, VFDIV, "vfdiv", 0x20)                                                    \
	X(VFRDIV_VF, "vfrdiv.vf", VVF, RV_V(0x21, 5))                                              \
	RISCV_FVF_ROWS(X, VFMIN, "vfmin", 0x04)                                                    \
	RISCV_FVF_ROWS(X, VFMAX, "vfmax", 0x06)                                                    \
	RISCV_FVF_ROWS(X, VFSGNJ, "vfsgnj", 0x08)                                                  \
	RISCV_FVF_ROWS(X, VFSGNJN, "vfsgnjn", 0x09)                                                \
	RISCV_FVF_ROWS(X, VFSGNJX, "vfsgnjx", 0x0a)                                                \
	/* ... of one operand */                                                                   \
	X(VFSQRT_V, "vfsqrt.v", VV, RV_V1(0x13, 1, 0))                                             \
	X(VFRSQRT7_V, "vfrsqrt7.v", VV, RV_V1(0x13, 1, 4))                                         \
	X(VFREC7_V, "vfrec7.v", VV, RV_V1(0x13, 1, 5))                                             \
	X(VFCLASS_V, "vfclass.v", VV, RV_V1(0x13, 1, 16))                                          \
	X(VFCVT_XU_F_V, "vfcvt.xu.f.v", VV, RV_V1(0x12, 1, 0))                                     \
	X(VFCVT_X_F_V, "vfcvt.x.f.v", VV, RV_V1(0x12, 1, 1))                                       \
	X(VFCVT_F_XU_V, "vfcvt.f.xu.v", VV, RV_V1(0x12, 1, 2))                                     \
	X(VFCVT_F_X_V, "vfcvt.f.x.v", VV, RV_V1(0x12, 1, 3))                                       \
	X(VFCVT_RTZ_XU_F_V, "vfcvt.rtz.xu.f.v", VV, RV_V1(0x12, 1, 6))                             \
	X(VFCVT_RTZ_X_F_V, "vfcvt.rtz.x.f.v", VV, RV_V1(0x12, 1, 7))                               \
	/* ... of three, one of them vd */                                                         \
	RISCV_FAF_ROWS(X, VFMACC, "vfmacc", 0x2c)                                                  \
	RISCV_FAF_ROWS(X, VFNMACC, "vfnmacc", 0x2d)                                                \
	RISCV_FAF_ROWS(X, VFMSAC, "vfmsac", 0x2e)                                                  \
	RISCV_FAF_ROWS(X, VFNMSAC, "vfnmsac", 0x2f)                                                \
	RISCV_FAF_ROWS(X, VFMADD, "vfmadd", 0x28)                                                  \
	RISCV_FAF_ROWS(X, VFNMADD, "vfnmadd", 0x29)                                                \
	RISCV_FAF_ROWS(X, VFMSUB, "vfmsub", 0x2a)                                                  \
	RISCV_FAF_ROWS(X, VFNMSUB, "vfnmsub", 0x2b)                                                \
	/* SEW op SEW is mask */                                                                   \
	RISCV_FVF_ROWS(X, VMFEQ, "vmfeq", 0x18)                                                    \
	RISCV_FVF_ROWS(X, VMFLE, "vmfle", 0x19)                                                    \
	RISCV_FVF_ROWS(X, VMFLT, "vmflt", 0x1b)                                                    \
	RISCV_FVF_ROWS(X, VMFNE, "vmfne", 0x1c)                                                    \
	X(VMFGT_VF, "vmfgt.vf", VVF, RV_V(0x1d, 5))                                                \
	X(VMFGE_VF, "vmfge.vf", VVF, RV_V(0x1f, 5))                                                \
	/* moves */                                                                                \
	X(VFMERGE_VFM, "vfmerge.vfm", VVFM, RV_VV(0x17, 5, 0))                                     \
	X(VFMV_V_F, "vfmv.v.f", VF, RV_V2U(0x17, 5))                                               \
	X(VFMV_S_F, "vfmv.s.f", VF, RV_V2U(0x10, 5))                                               \
	X(VFMV_F_S, "vfmv.f.s", FV, RV_V1U(0x10, 1, 0))                                            \
	X(VFSLIDE1UP_VF, "vfslide1up.vf", VVF, RV_V(0x0e, 5))                                      \
	X(VFSLIDE1DOWN_VF, "vfslide1down.vf", VVF, RV_V(0x0f, 5))                                  \
	/* SEW op SEW is twice SEW */                                                              \
	RISCV_FVF_ROWS(X, VFWADD, "vfwadd", 0x30)                                                  \
	RISCV_FVF_ROWS(X, VFWSUB, "vfwsub", 0x32)                                                  \
	RISCV_FVF_ROWS(X, VFWMUL, "vfwmul", 0x38)                                                  \
	/* ... of one operand */                                                                   \
	X(VFWCVT_XU_F_V, "vfwcvt.xu.f.v", VV, RV_V1(0x12, 1, 8))                                   \
	X(VFWCVT_X_F_V, "vfwcvt.x.f.v", VV, RV_V1(0x12, 1, 9))                                     \
	X(VFWCVT_F_F_V, "vfwcvt.f.f.v", VV, RV_V1(0x12, 1, 12))                                    \
	X(VFWCVT_RTZ_XU_F_V, "vfwcvt.rtz.xu.f.v", VV, RV_V1(0x12, 1, 14))                          \
	X(VFWCVT_RTZ_X_F_V, "vfwcvt.rtz.x.f.v", VV, RV_V1(0x12, 1, 15))                            \
	X(VFWCVT_F_XU_V, "vfwcvt.f.xu.v", VV, RV_V1(0x12, 1, 10))                                  \
	X(VFWCVT_F_X_V, "vfwcvt.f.x.v", VV, RV_V1(0x12, 1, 11))                                    \
	/* ... of three, one of them vd */                                                         \
	RISCV_FAF_ROWS(X, VFWMACC, "vfwmacc", 0x3c)                                                \
	RISCV_FAF_ROWS(X, VFWNMACC, "vfwnmacc", 0x3d)                                              \
	RISCV_FAF_ROWS(X, VFWMSAC, "vfwmsac", 0x3e)                                                \
	RISCV_FAF_ROWS(X, VFWNMSAC, "vfwnmsac", 0x3f)                                              \
	/* twice SEW op SEW is twice SEW */                                                        \
	RISCV_FWF_ROWS(X, VFWADD, "vfwadd", 0x34)                                                  \
	RISCV_FWF_ROWS(X, VFWSUB, "vfwsub", 0x36)                                                  \
	/* twice SEW is SEW */                                                                     \
	X(VFNCVT_F_XU_W, "vfncvt.f.xu.w", VV, RV_V1(0x12, 1, 18))                                  \
	X(VFNCVT_F_X_W, "vfncvt.f.x.w", VV, RV_V1(0x12, 1, 19))                                    \
	X(VFNCVT_F_F_W, "vfncvt.f.f.w", VV, RV_V1(0x12, 1, 20))                                    \
	X(VFNCVT_ROD_F_F_W, "vfncvt.rod.f.f.w", VV, RV_V1(0x12, 1, 21))                            \
	X(VFNCVT_XU_F_W, "vfncvt.xu.f.w", VV, RV_V1(0x12, 1, 16))                                  \
	X(VFNCVT_X_F_W, "vfncvt.x.f.w", VV, RV_V1(0x12, 1, 17))                                    \
	X(VFNCVT_RTZ_XU_F_W, "vfncvt.rtz.xu.f.w", VV, RV_V1(0x12, 1, 22))                          \
	X(VFNCVT_RTZ_X_F_W, "vfncvt.rtz.x.f.w", VV, RV_V1(0x12, 1, 23))                            \
	/* reductions */                                                                           \
	X(VFREDUSUM_VS, "vfredusum.vs", VVV, RV_V(0x01, 1))                                        \
	X(VFREDOSUM_VS, "vfredosum.vs", VVV, RV_V(0x03, 1))                                        \
	X(VFREDMIN_VS, "vfredmin.vs", VVV, RV_V(0x05, 1))                                          \
	X(VFREDMAX_VS, "vfredmax.vs", VVV, RV_V(0x07, 1))                                          \
	X(VFWREDUSUM_VS, "vfwredusum.vs", VVV, RV_V(0x31, 1))                                      \
	X(VFWREDOSUM_VS, "vfwredosum.vs", VVV, RV_V(0x33, 1))

#define RISCV_VECTOR_OPERATIONS(X)                                                                 \
	X(VSETVLI, "vsetvli", VSETVLI, 0x8000707f, (0x57 | 7 << 12))                               \
	X(VSETIVLI, "vsetivli", VSETIVLI, 0xc000707f, (0x57 | 7 << 12 | 3u << 30))                 \
	X(VSETVL, "vsetvl", R, 0xfe00707f, (0x57 | 7 << 12 | 1u << 31))                            \
	RISCV_VECTOR_INTEGER(X)                                                                    \
	RISCV_VECTOR_MASK(X)                                                                       \
	RISCV_VECTOR_PERMUTATION(X)                                                                \
	RISCV_VECTOR_FLOAT(X)

#define RISCV_VECTOR_CRYPTO(X)                                                                     \
	X(VAESDM_VV, "vaesdm.vv", VV, RV_VE1(0x28, 0))                                             \
	X(VAESDF_VV, "vaesdf.vv", VV, RV_VE1(0x28, 1))                                             \
	X(VAESEM_VV, "vaesem.vv", VV, RV_VE1(0x28, 2))                                             \
	X(VAESEF_VV, "vaesef.vv", VV, RV_VE1(0x28, 3))                                             \
	X(VAESKF1_VI, "vaeskf1.vi", VVU, RV_VE(0x22))                                              \
	X(VAESKF2_VI, "vaeskf2.vi", VVU, RV_VE(0x2a))                                              \
	X(VGMUL_VV, "vgmul.vv", VV, RV_VE1(0x28, 17))                                              \
	X(VGHSH_VV, "vghsh.vv", VVV, RV_VE(0x2c))                                                  \
	/* vs2 is one group of elements for all */                                                 \
	X(VAESDM_VS, "vaesdm.vs", VV, RV_VE1(0x29, 0))                                             \
	X(VAESDF_VS, "vaesdf.vs", VV, RV_VE1(0x29, 1))                                             \
	X(VAESEM_VS, "vaesem.vs", VV, RV_VE1(0x29, 2))                                             \
	X(VAESEF_VS, "vaesef.vs", VV, RV_VE1(0x29, 3))                                             \
	X(VAESZ_VS, "vaesz.vs", VV, RV_VE1(0x29, 7))                                               \
	/* of 64 bits too */                                                                       \
	X(VSHA2MS_VV, "vsha2ms.vv", VVV, RV_VE(0x2d))                                              \
	X(VSHA2CH_VV, "vsha2ch.vv", VVV, RV_VE(0x2e))                                              \
	X(VSHA2CL_VV, "vsha2cl.vv", VVV, RV_VE(0x2f))
