/* SPDX-License-Identifier: Apache-2.0 */
/*
 * paging.S - page tables with three, four and five levels: permissions, A and D, pages of all
 * sizes, what is reserved, and fences.
 *
 * Virtual 0x80000000 is physical, for supervisor mode; so are the first 2 MiB, where the finisher
 * is. 0x200000 and the pages behind it are what is tried, by the last table (`pages`).
 */
#include "machine.inc"

#define TRIED	  0x200000
#define SVADE	  (1 << 61) /* menvcfg.ADUE */
#define ALL	  (PTE_V | PTE_R | PTE_W | PTE_X | PTE_A | PTE_D)

	.text
	.global _start
_start:
	la t0, handler
	csrw mtvec, t0
	OPEN_PMP
	li s5, 8 /* Sv39 */
again:
	csrw MENVCFG, x0
	/* top -> upper -> gigabytes, of which Sv39 has the last and Sv57 all */
	la a0, top
	la a1, upper
	call point
	la a0, upper
	la a1, gigabytes
	call point
	la a0, gigabytes
	la a1, megabytes
	call point
	la a0, megabytes + 8
	la a1, pages
	call point
	la a0, gigabytes + 16
	li a1, (0x80000000 >> 2) | ALL | PTE_G
	sd a1, (a0)
	la a0, megabytes
	li a1, ALL
	sd a1, (a0)

	la t0, gigabytes
	li t1, 8
	beq s5, t1, 1f
	la t0, upper
	li t1, 9
	beq s5, t1, 1f
	la t0, top
1:	srli t0, t0, 12
	slli t1, s5, 60
	or t0, t0, t1
	csrw satp, t0
	sfence.vma
	csrr t1, satp
	sub t0, t0, t1
	CHECK 1, t0, 0

	la s6, pages
	la s7, page
	li s8, TRIED
	srli s9, s7, 2
	li t0, 0x1122334455667788
	sd t0, (s7)
	li t0, 0x00008067 /* ret */
	sd t0, 8(s7)
	fence.i

	la s0, next
	ENTER MPP_S, supervisor
supervisor:
	/* Nothing there. */
	sd x0, (s6)
	sfence.vma
	TRAPS
	ld a0, (s8)
	EXPECTED 10, 13
	sub s3, s3, s8
	CHECK 11, s3, 0
	call back_to_supervisor
	TRAPS
	sd a0, 16(s8)
	EXPECTED 12, 15
	call back_to_supervisor
	TRAPS
	jr s8
	EXPECTED 13, 12
	call back_to_supervisor

	/* What was not there is, without a fence (Svvptc): executable, then read-only. */
	ori t0, s9, ALL
	sd t0, (s6)
	addi t0, s8, 8
	jalr t0
	ori t0, s9, PTE_V | PTE_R | PTE_A
	sd t0, (s6)
	sfence.vma s8, x0
	ld a0, (s8)
	CHECK 14, a0, 0x1122334455667788
	TRAPS
	sd a0, (s8)
	EXPECTED 15, 15
	call back_to_supervisor
	TRAPS
	jr s8
	EXPECTED 16, 12
	call back_to_supervisor
	/* Execute only: readable with MXR. */
	ori t0, s9, PTE_V | PTE_X | PTE_A
	sd t0, (s6)
	sfence.vma
	TRAPS
	ld a0, (s8)
	EXPECTED 17, 13
	call back_to_supervisor
	li t0, MSTATUS_MXR
	csrs sstatus, t0
	ld a0, (s8)
	li t0, MSTATUS_MXR
	csrc sstatus, t0
	CHECK 18, a0, 0x1122334455667788
	addi t0, s8, 8
	jalr t0
	/* Writable and not readable is reserved. */
	ori t0, s9, PTE_V | PTE_W | PTE_X | PTE_A | PTE_D
	sd t0, (s6)
	sfence.vma
	TRAPS
	ld a0, (s8)
	EXPECTED 19, 13
	call back_to_supervisor
	/* A user's page: with SUM, and never to be executed. */
	ori t0, s9, ALL | PTE_U
	sd t0, (s6)
	sfence.vma
	TRAPS
	ld a0, (s8)
	EXPECTED 20, 13
	call back_to_supervisor
	li t0, MSTATUS_SUM
	csrs sstatus, t0
	ld a0, (s8)
	CHECK 21, a0, 0x1122334455667788
	TRAPS
	addi t0, s8, 8
	jalr t0
	EXPECTED 22, 12
	call back_to_supervisor
	li t0, MSTATUS_SUM
	csrc sstatus, t0
	/* A and D: a fault each, or set by the hardware. */
	ori t0, s9, PTE_V | PTE_R | PTE_W
	sd t0, (s6)
	sfence.vma
	TRAPS
	ld a0, (s8)
	EXPECTED 23, 13
	call back_to_supervisor
	ori t0, s9, PTE_V | PTE_R | PTE_W | PTE_A
	sd t0, (s6)
	sfence.vma
	ld a0, (s8)
	TRAPS
	sd a0, (s8)
	EXPECTED 24, 15
	li t0, 1 << 61
	csrs MENVCFG, t0
	call back_to_supervisor
	ori t0, s9, PTE_V | PTE_R | PTE_W
	sd t0, (s6)
	sfence.vma
	ld a0, (s8)
	ld t0, (s6)
	andi t0, t0, PTE_A | PTE_D
	CHECK 25, t0, PTE_A
	sd a0, (s8)
	ld t0, (s6)
	andi t0, t0, PTE_A | PTE_D
	CHECK 26, t0, PTE_A | PTE_D
	/* A block that PMP does not let anybody reach: no page's fault, and nothing was written to. */
	TRAPS
	ecall
	EXPECTED 60, 9
	srli t0, s7, 2
	ori t0, t0, 0x1ff
	li t1, -1
	csrw pmpaddr1, t1
	csrw pmpaddr0, t0
	li t0, 0x1f18
	csrw pmpcfg0, t0
	li t0, 1 << 6 /* CBCFE */
	csrs MENVCFG, t0
	call back_to_supervisor
	ori t0, s9, PTE_V | PTE_R | PTE_W | PTE_A
	sd t0, (s6)
	sfence.vma
	TRAPS
	cbo.clean (s8)
	EXPECTED 61, 7
	ld t1, (s6)
	andi t1, t1, PTE_A | PTE_D
	CHECK 62, t1, PTE_A
	OPEN_PMP
	sfence.vma
	call back_to_supervisor
	cbo.flush (s8)
	/* Reserved bits, N of a strange size, PBMT that is not enabled. */
	li t1, 1 << 60
	or t0, s9, t1
	ori t0, t0, ALL
	sd t0, (s6)
	sfence.vma
	TRAPS
	ld a0, (s8)
	EXPECTED 27, 13
	call back_to_supervisor
	li t1, 1 << 63
	or t0, s9, t1
	ori t0, t0, ALL
	sd t0, (s6)
	sfence.vma
	TRAPS
	ld a0, (s8)
	EXPECTED 28, 13
	call back_to_supervisor
	li t1, 1 << 61
	or t0, s9, t1
	ori t0, t0, ALL
	sd t0, (s6)
	sfence.vma
	TRAPS
	ld a0, (s8)
	EXPECTED 29, 13
	li t0, 1 << 62
	csrs MENVCFG, t0
	call back_to_supervisor
	sfence.vma
	ld a0, (s8)
	CHECK 30, a0, 0x1122334455667788
	/* 64 KiB: the page's place within it is the address's. */
	la t0, big
	srli t0, t0, 2
	li t1, (1 << 63) | (8 << 10) | ALL
	or t0, t0, t1
	li t2, 16
	mv t1, s6
1:	sd t0, (t1)
	addi t1, t1, 8
	addi t2, t2, -1
	bnez t2, 1b
	sfence.vma
	li t0, 0x5000
	la t1, big
	add t1, t1, t0
	sd t0, (t1)
	add t0, t0, s8
	ld a0, (t0)
	CHECK 31, a0, 0x5000
	/* An access that crosses into a page that is not there writes nothing. */
	ori t0, s9, ALL
	sd t0, (s6)
	sd x0, 8(s6)
	sfence.vma
	sd x0, 4088 - 2048(s8)
	li t1, 4092
	add t1, t1, s8
	li t2, -1
	sw x0, (t1)
	TRAPS
	sd t2, (t1)
	EXPECTED 32, 15
	li t0, TRIED + 0x1000
	sub s3, s3, t0
	CHECK 33, s3, 0
	call back_to_supervisor
	li t1, 4092
	add t1, t1, s8
	lw a0, (t1)
	CHECK 34, a0, 0
	/* Addresses whose upper bits are no extension. */
	li t1, 1 << 56
	or t1, t1, s8
	TRAPS
	ld a0, (t1)
	EXPECTED 35, 13
	call back_to_supervisor
	/* A leaf of 2 MiB that is not aligned. */
	la t0, megabytes + 16
	ori t1, s9, ALL
	sd t1, (t0)
	sfence.vma
	li t0, TRIED + 0x200000
	TRAPS
	ld a0, (t0)
	EXPECTED 36, 13
	call back_to_supervisor
	/* A pointer with A, D or U is reserved. */
	la t0, megabytes + 8
	ld a1, (t0)
	ori t1, a1, PTE_U
	sd t1, (t0)
	sfence.vma
	TRAPS
	ld a0, (s8)
	EXPECTED 37, 13
	call back_to_supervisor
	la t0, megabytes + 8
	sd a1, (t0)
	sfence.vma
	ld a0, (s8)
	CHECK 38, a0, 0x1122334455667788
	/* A page table where no memory is: an access fault, as of what wanted it. */
	la t0, megabytes + 16
	li t1, (0x18000000 >> 2) | PTE_V
	sd t1, (t0)
	sfence.vma
	li t0, TRIED + 0x200000
	TRAPS
	sd a0, (t0)
	EXPECTED 39, 7
	call back_to_supervisor
	/* A page that is replaced, and a fence for it alone. */
	la t0, other
	li t1, 0x99
	sd t1, (t0)
	srli t0, t0, 2
	ori t0, t0, ALL
	sd t0, (s6)
	sfence.vma s8
	ld a0, (s8)
	CHECK 40, a0, 0x99
	/* ASIDs: what is another's is not seen. */
	csrr s10, satp
	li t0, 7 << 44
	or t0, t0, s10
	ori t1, s9, ALL
	sd t1, (s6)
	csrw satp, t0
	ld a0, (s8)
	CHECK 41, a0, 0x1122334455667788
	csrw satp, s10
	li t0, 7
	sfence.vma x0, t0
	sfence.vma s8, x0
	ld a0, (s8)
	CHECK 42, a0, 0x1122334455667788
	/* TVM. */
	TRAPS
	ecall
	EXPECTED 43, 9
	li t0, MSTATUS_TVM
	csrs mstatus, t0
	call back_to_supervisor
	TRAPS
	csrr a0, satp
	EXPECTED 44, 2
	call back_to_supervisor
	TRAPS
	sfence.vma
	EXPECTED 45, 2
	li t0, MSTATUS_TVM
	csrc mstatus, t0

	/* In machine mode now. MPRV: as supervisor mode would see it. */
	li t0, MSTATUS_MPP
	csrc mstatus, t0
	li t0, MPP_S | MSTATUS_MPRV
	csrs mstatus, t0
	ld a0, (s8)
	li t0, MSTATUS_MPRV
	csrc mstatus, t0
	CHECK 46, a0, 0x1122334455667788
next:
	csrw satp, x0
	sfence.vma
	addi s5, s5, 1
	li t0, 11
	bne s5, t0, again
	PASS

	/* The entry at a0 points to the table at a1. */
point:
	srli a1, a1, 2
	ori a1, a1, PTE_V
	sd a1, (a0)
	ret

	/* What trapped goes on behind the EXPECTED in supervisor mode. */
back_to_supervisor:
	li t5, MSTATUS_MPP
	csrc mstatus, t5
	li t5, MPP_S
	csrs mstatus, t5
	csrw mepc, ra
	mret
	NOTING_HANDLER handler

	.data
	.balign 65536
big:	.space 65536
top:	.space 4096
upper:	.space 4096
gigabytes:
	.space 4096
megabytes:
	.space 4096
pages:	.space 4096
page:	.space 4096
other:	.space 4096
