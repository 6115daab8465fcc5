/* SPDX-License-Identifier: Apache-2.0 */
/* delegation.S - traps and interrupts that go to supervisor mode, vectored, and what may not. */
#include "machine.inc"

	.text
	.global _start
_start:
	la t0, handler
	csrw mtvec, t0
	OPEN_PMP
	/* Only what can be delegated. */
	li t0, -1
	csrw medeleg, t0
	csrr t0, medeleg
	andi t0, t0, 0x3ff
	CHECK 2, t0, 0x3ff
	li t0, -1
	csrw mideleg, t0
	csrr t0, mideleg
	li t1, 0xaaa
	and t0, t0, t1
	CHECK 3, t0, 0x222
	li t0, 0x100 | 0x8 | 0x4 /* ecall of user mode, ebreak, illegal */
	csrw medeleg, t0

	la t0, vectors
	ori t0, t0, 1
	csrw stvec, t0

	/* From user mode to supervisor mode. */
	la s0, after_user
	ENTER 0, user
user:
	ecall
	FINISH 4
	.balign 4
after_user: /* by `exceptions`, in supervisor mode */
	CHECK 5, s1, 8
	andi s4, s4, MSTATUS_SPP | MSTATUS_SIE
	CHECK 6, s4, 0

	/* In supervisor mode, not delegated: to machine mode. */
	TRAPS
	ecall
	EXPECTED 7, 9
	/* Machine mode's own are never delegated. */
	TRAPS
	ebreak
	EXPECTED 8, 3
	li t0, MSTATUS_MPP
	and s4, s4, t0
	CHECK 9, s4, MSTATUS_MPP

	/* A delegated software interrupt does not disturb machine mode... */
	csrsi mip, 2
	csrsi mie, 2
	csrsi mstatus, MSTATUS_MIE | MSTATUS_SIE
	nop
	csrci mstatus, MSTATUS_SIE
	/* ... nor supervisor mode while SIE is 0, */
	la s0, after_software
	ENTER MPP_S, quiet
quiet:
	li s1, -1
	csrr a0, sip
	CHECK 10, a0, 2
	csrr a0, sie
	CHECK 11, a0, 2
	CHECK 12, s1, -1
	/* and comes by its vector then. */
	csrsi sstatus, MSTATUS_SIE
	nop
	FINISH 13
	.balign 4
after_software:
	CHECK 14, s1, 1
	srli s2, s2, 63
	CHECK 15, s2, 1
	li t0, MSTATUS_SPP | MSTATUS_SPIE
	and s4, s4, t0
	CHECK 16, s4, MSTATUS_SPP | MSTATUS_SPIE
	/* One that is not delegated comes to machine mode, whatever is enabled. */
	la s0, after_machine
	csrsi sip, 2
	TRAPS
	ecall
	EXPECTED 17, 9
	csrw mideleg, x0
	la s0, after_machine
	ENTER 0, loop
loop:	j loop
	.balign 4
after_machine:
	slli t0, s1, 1
	srli t0, t0, 1
	CHECK 18, t0, 1
	bltz s1, 1f
	FINISH 19
1:	/* sip shows only what is delegated. */
	csrr t0, sip
	CHECK 20, t0, 0
	/* mtvec and stvec keep their mode when there is no such. */
	csrr a0, mtvec
	ori t0, a0, 2
	csrw mtvec, t0
	csrr a1, mtvec
	sub a0, a0, a1
	CHECK 21, a0, 0
	PASS
	NOTING_HANDLER handler

	.balign 256
	.option push
	.option norvc
vectors:
	j exceptions
	j software
	.rept 12
	j wrong
	.endr
	.option pop
exceptions:
	csrr s1, scause
	csrr s2, sepc
	csrr s3, stval
	csrr s4, sstatus
	jr s0
software:
	li s1, 1
	csrr s2, scause
	csrr s4, sstatus
	csrci sip, 2
	jr s0
wrong:
	FINISH 22
