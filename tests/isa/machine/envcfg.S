/* SPDX-License-Identifier: Apache-2.0 */
/* envcfg.S - what less privileged modes may do: cache blocks, Smstateen, floating point, vectors. */
#include "machine.inc"

#define FS_INITIAL 0x2000
#define FS_DIRTY   0x6000
#define VS_INITIAL 0x200
#define VS_DIRTY   0x600
#define SE	   (1 << 63)
#define ENVCFG	   (1 << 62)
#define CBZE	   0x80
#define CBCFE	   0x40
#define CBIE	   0x30

	.text
	.global _start
_start:
	la t0, handler
	csrw mtvec, t0
	OPEN_PMP
	la s5, block
	/* cbo.zero: everywhere in machine mode, else by menvcfg and senvcfg. */
	li t0, -1
	sd t0, 8(s5)
	csrw MENVCFG, x0
	addi t0, s5, 9
	cbo.zero (t0)
	ld a0, 8(s5)
	CHECK 1, a0, 0
	la s0, 97f
	ENTER MPP_S, first
first:	cbo.zero (s5)
	EXPECTED 2, 2
	li t0, CBZE
	csrw MENVCFG, t0
	la s0, 97f
	ENTER MPP_S, second
second:	cbo.zero (s5)
	cbo.clean (s5)
	EXPECTED 3, 2
	la s0, 97f
	ENTER 0, third
third:	cbo.zero (s5)
	EXPECTED 4, 2
	li t0, CBZE | CBCFE | CBIE
	csrw MENVCFG, t0
	csrw SENVCFG, t0
	la s0, 97f
	ENTER 0, fourth
fourth:	cbo.zero (s5)
	cbo.clean (s5)
	cbo.flush (s5)
	cbo.inval (s5)
	ecall
	EXPECTED 5, 8
	/* senvcfg and sstateen are behind mstateen. */
	csrw MSTATEEN0, x0
	la s0, 97f
	ENTER MPP_S, fifth
fifth:	csrr a0, SENVCFG
	EXPECTED 7, 2
	la s0, 97f
	ENTER MPP_S, sixth
sixth:	csrr a0, SSTATEEN0
	EXPECTED 8, 2
	li t0, SE | ENVCFG
	csrw MSTATEEN0, t0
	la s0, 97f
	ENTER MPP_S, seventh
seventh:
	csrr a0, SENVCFG
	csrr a1, SSTATEEN0
	ecall
	EXPECTED 9, 9
	CHECK 10, a0, CBZE | CBCFE | CBIE
	CHECK 11, a1, 0
	/* Off, floating point is illegal, its registers too; then it becomes dirty. */
	li t0, FS_DIRTY | VS_DIRTY
	csrc mstatus, t0
	TRAPS
	fadd.d fa0, fa0, fa0
	EXPECTED 12, 2
	TRAPS
	fsd fa0, (s5)
	EXPECTED 13, 2
	TRAPS
	csrr a0, fcsr
	EXPECTED 14, 2
	TRAPS
	vsetvli a0, x0, e8, m1, ta, ma
	EXPECTED 15, 2
	TRAPS
	csrr a0, vl
	EXPECTED 16, 2
	li t0, FS_INITIAL
	csrs mstatus, t0
	csrr a0, fcsr
	csrr t0, mstatus
	li t1, FS_DIRTY
	and t0, t0, t1
	CHECK 17, t0, FS_INITIAL
	csrwi fcsr, 1
	csrr t0, mstatus
	and t0, t0, t1
	CHECK 18, t0, FS_DIRTY
	csrr t0, mstatus
	srli t0, t0, 63
	CHECK 19, t0, 1
	li t0, VS_INITIAL
	csrs mstatus, t0
	vsetvli a0, x0, e8, m1, ta, ma
	CHECK 20, a0, 16
	csrr t0, mstatus
	li t1, VS_DIRTY
	and t0, t0, t1
	CHECK 21, t0, VS_DIRTY
	/* Vectors that compute with floats want both. */
	li t0, FS_DIRTY
	csrc mstatus, t0
	vadd.vi v0, v0, 1
	vsetvli a0, x0, e32, m1, ta, ma
	TRAPS
	vfadd.vv v0, v0, v0
	EXPECTED 22, 2
	/* A vector store that faults in the middle says where. */
	la t0, last
	addi t0, t0, -8
	li t1, 0x80000
	vsetvli a0, x0, e32, m1, ta, ma
	csrwi vstart, 0
	li a1, 0x81000000 - 8
	TRAPS
	vse32.v v0, (a1)
	EXPECTED 23, 7
	csrr t0, vstart
	CHECK 24, t0, 2
	CHECK 25, s3, 0x81000000
	/* Of a load that may fall short, it is the length. */
	csrwi vstart, 0
	vle32ff.v v4, (a1)
	csrr t0, vl
	CHECK 26, t0, 2
	PASS
	NOTING_HANDLER handler

	.data
	.balign 64
block:	.space 64
last:
