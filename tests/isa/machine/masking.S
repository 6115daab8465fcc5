/* SPDX-License-Identifier: Apache-2.0 */
/* masking.S - addresses whose upper bits are not looked at (Smnpm, Ssnpm). */
#include "machine.inc"

#define PMM_7	 (2 << 32)
#define PMM_16	 (3 << 32)
#define TAG	 (0x55 << 57)
#define VIRTUAL	 0x200000
#define ALL	 (PTE_V | PTE_R | PTE_W | PTE_A | PTE_D)

	.text
	.global _start
_start:
	la t0, handler
	csrw mtvec, t0
	OPEN_PMP
	la s5, page
	li s6, TAG
	li t0, 0x77
	sd t0, 8(s5)
	/* Bare: the upper bits become 0. In machine mode nothing is masked. */
	li t0, PMM_7
	csrw MENVCFG, t0
	or s7, s5, s6
	TRAPS
	ld a0, 8(s7)
	EXPECTED 1, 5
	la s0, 97f
	ENTER MPP_S, bare
bare:	ld a0, 8(s7)
	ecall
	EXPECTED 2, 9
	CHECK 3, a0, 0x77
	/* 1 is no value. */
	li t0, 1 << 32
	csrw MENVCFG, t0
	csrr t0, MENVCFG
	li t1, PMM_16
	and t0, t0, t1
	CHECK 4, t0, PMM_7
	/* Sv39 with a page at VIRTUAL for user mode; code stays where it is. */
	la t0, gigabytes
	la t1, megabytes
	srli t1, t1, 2
	ori t1, t1, PTE_V
	sd t1, (t0)
	li t1, (0x80000000 >> 2) | ALL | PTE_X
	sd t1, 16(t0)
	srli t1, s5, 2
	la t2, pages
	ori t1, t1, ALL | PTE_U
	sd t1, (t2)
	la t1, megabytes
	srli t2, t2, 2
	ori t2, t2, PTE_V
	sd t2, 8(t1)
	srli t0, t0, 12
	li t1, 8 << 60
	or t0, t0, t1
	csrw satp, t0
	sfence.vma
	li t0, MSTATUS_SUM
	csrs mstatus, t0
	li s7, VIRTUAL
	or s8, s7, s6
	la s0, 97f
	ENTER MPP_S, paged
paged:	ld a0, 8(s7)
	ld a1, 8(s8)
	li a2, 0x88
	sd a2, 8(s8)
	addi t0, s8, 8
	amoadd.d a3, a2, (t0)
	ld a4, 8(s7)
	ecall
	EXPECTED 5, 9
	CHECK 6, a0, 0x77
	CHECK 7, a1, 0x77
	CHECK 8, a3, 0x88
	CHECK 9, a4, 0x110
	/* What stval gets has been masked. */
	la s0, 97f
	ENTER MPP_S, faulting
faulting:
	li t0, 0x1000
	add s9, s8, t0
	ld a0, (s9)
	EXPECTED 10, 13
	CHECK 11, s3, VIRTUAL + 0x1000
	la s0, 97f
	ENTER MPP_S, misaligned
misaligned:
	addi s9, s8, 3
	amoadd.d a3, a2, (s9)
	EXPECTED 12, 6
	CHECK 13, s3, VIRTUAL + 3
	/* With MXR as it is. */
	li t0, MSTATUS_MXR
	csrs mstatus, t0
	la s0, 97f
	ENTER MPP_S, executable
executable:
	ld a0, 8(s8)
	EXPECTED 14, 13
	sub s3, s3, s8
	CHECK 15, s3, 8
	li t0, MSTATUS_MXR
	csrc mstatus, t0
	/* User mode has a length of its own: 16 bits, by MPRV. */
	csrw MENVCFG, x0
	li t0, PMM_16
	csrw SENVCFG, t0
	li t0, 0xabcd << 48
	or s9, s7, t0
	li t0, MSTATUS_MPP
	csrc mstatus, t0
	li t0, MSTATUS_MPRV
	csrs mstatus, t0
	ld a0, 8(s9)
	csrc mstatus, t0
	CHECK 16, a0, 0x110
	csrw SENVCFG, x0
	li t0, MSTATUS_MPRV
	csrs mstatus, t0
	TRAPS
	ld a0, 8(s9)
	EXPECTED 17, 13
	PASS
	NOTING_HANDLER handler

	.data
	.balign 4096
gigabytes:
	.space 4096
megabytes:
	.space 4096
pages:	.space 4096
page:	.space 4096
