/* SPDX-License-Identifier: Apache-2.0 */
/* traps.S - exceptions of machine mode, what they leave in mstatus, and mret. */
#include "machine.inc"

	.text
	.global _start
_start:
	la t0, handler
	csrw mtvec, t0
	csrsi mstatus, MSTATUS_MIE

	TRAPS
here:	ecall
	EXPECTED 1, 11
	la t0, here
	sub s2, s2, t0
	CHECK 2, s2, 0
	CHECK 3, s3, 0
	/* MIE went to MPIE, and MPP says machine mode. */
	li t0, MSTATUS_MIE | MSTATUS_MPIE | MSTATUS_MPP
	and s4, s4, t0
	CHECK 4, s4, MSTATUS_MPIE | MSTATUS_MPP

	TRAPS
	.word 0x0000707f
	EXPECTED 5, 2
	CHECK 6, s3, 0x0000707f
	TRAPS
	.half 0x0000
	.balign 4
	EXPECTED 7, 2
	CHECK 8, s3, 0
	TRAPS
	ebreak
	EXPECTED 9, 3
	/* No memory and no device. */
	li a0, 0x18000000
	TRAPS
	lw a1, 8(a0)
	EXPECTED 10, 5
	CHECK 11, s3, 0x18000008
	TRAPS
	sd a1, 16(a0)
	EXPECTED 12, 7
	CHECK 13, s3, 0x18000010
	TRAPS
	jr a0
	EXPECTED 14, 1
	CHECK 15, s3, 0x18000000
	/* Atomics want their alignment, loads and stores do not. */
	la a0, data
	addi a1, a0, 14 /* across 16 bytes: Zama16b has the others */
	TRAPS
	amoadd.w a2, a2, (a1)
	EXPECTED 16, 6
	sub s3, s3, a1
	CHECK 17, s3, 0
	TRAPS
	lr.w a2, (a1)
	EXPECTED 18, 4
	ld a2, 3(a0)
	CHECK 19, a2, 0x0b0a090807060504
	li a2, -1
	sd a2, 3(a0)
	ld a2, 8(a0)
	CHECK 20, a2, 0x100f0e0d0cffffff
	/* A CSR that there is not, and one that is only read. */
	TRAPS
	csrr a0, 0x5c0
	EXPECTED 21, 2
	TRAPS
	csrw mhartid, x0
	EXPECTED 22, 2
	csrr a0, mhartid
	CHECK 23, a0, 0

	/* mret: MIE from MPIE, MPIE 1, MPP user mode, MPRV off. */
	li t0, MSTATUS_MPP | MSTATUS_MPIE | MSTATUS_MIE
	csrc mstatus, t0
	li t0, MPP_S | MSTATUS_MPRV
	csrs mstatus, t0
	OPEN_PMP
	la t0, supervisor
	csrw mepc, t0
	mret
	FINISH 24
	.balign 4
supervisor:
	TRAPS
	ecall
	EXPECTED 25, 9
	li t0, MSTATUS_MIE | MSTATUS_MPIE | MSTATUS_MPP | MSTATUS_MPRV
	and s4, s4, t0
	CHECK 26, s4, MPP_S
	/* MPP has no 2. */
	li t0, MSTATUS_MPP
	csrc mstatus, t0
	li t0, 0x1000
	csrs mstatus, t0
	csrr t0, mstatus
	li t1, MSTATUS_MPP
	and t0, t0, t1
	CHECK 27, t0, 0
	PASS
	NOTING_HANDLER handler

	.data
	.balign 16
data:	.byte 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16
