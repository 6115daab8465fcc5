/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel.S - what a kernel does all the time, again and again: registers of supervisor mode, system
 * calls from the depth of calls, access to user memory, interrupts on and off, blocks of zeros.
 */
#include "machine.inc"

#define SIP_SSIP   0x2
#define FS_DIRTY   0x6000
#define SD	   (1 << 63)
#define CBZE	   0x80
#define TURNS	   300
#define SOFTWARE   ((1 << 63) | 1)

/* A call of a function whose return goes by ra, which is kept in \keep meanwhile. */
.macro NEST keep, label
	mv \keep, ra
	call \label
	mv ra, \keep
.endm

	.text
	.global _start
_start:
	la t0, handler
	csrw mtvec, t0
	OPEN_PMP
	li t0, 1 << 8
	csrw medeleg, t0
	li t0, SIP_SSIP
	csrw mideleg, t0
	csrw mie, t0
	li t0, CBZE
	csrw MENVCFG, t0
	ENTER MPP_S, kernel

	.balign 4
kernel:
	la t0, trap
	csrw stvec, t0
	li s11, TURNS
again:
	/* Plain registers: what was there, and what is. */
	li t0, 0x1122334455667788
	csrw sscratch, t0
	csrr t1, sscratch
	li t2, 0x1122334455667788
	bne t1, t2, fail_1
	li t1, -3
	csrrw t1, sscratch, t1 /* the same register */
	bne t1, t2, fail_2
	csrrw t1, sscratch, x0
	CHECK 3, t1, -3
	csrr t1, sscratch
	CHECK 4, t1, 0
	li t1, -1
	csrw sepc, t1
	csrr t1, sepc
	CHECK 5, t1, -2
	csrrs t1, scause, x0
	csrw stval, s11
	csrr t1, stval
	bne t1, s11, fail_6
	csrs stval, t2 /* neither read nor written as a whole */
	csrr t1, stval
	or t3, t2, s11
	bne t1, t3, fail_7
	csrwi sscratch, 21
	csrr t1, sscratch
	CHECK 8, t1, 21

	/* Interrupts on and off while none waits. */
	csrci sstatus, MSTATUS_SIE
	csrrsi t0, sstatus, MSTATUS_SIE
	andi t0, t0, MSTATUS_SIE
	CHECK 10, t0, 0
	csrrci t0, sstatus, MSTATUS_SIE
	andi t0, t0, MSTATUS_SIE
	CHECK 11, t0, MSTATUS_SIE
	csrr t0, sstatus
	andi t0, t0, MSTATUS_SIE
	CHECK 12, t0, 0
	li t1, MSTATUS_SIE
	csrs sstatus, t1
	csrr t0, sstatus
	andi t0, t0, MSTATUS_SIE
	CHECK 13, t0, MSTATUS_SIE
	csrc sstatus, t1
	csrs sstatus, x0
	csrr t0, sstatus
	andi t0, t0, MSTATUS_SIE
	CHECK 14, t0, 0
	li t1, MSTATUS_SIE | MSTATUS_SPIE
	csrs sstatus, t1
	csrrc t0, sstatus, t1
	and t0, t0, t1
	CHECK 15, t0, MSTATUS_SIE | MSTATUS_SPIE
	csrrs t1, sstatus, t1 /* the same register */
	andi t1, t1, MSTATUS_SIE | MSTATUS_SPIE
	CHECK 16, t1, 0
	csrci sstatus, MSTATUS_SIE

	/* SD, and the width of user mode. */
	li t1, FS_DIRTY
	csrc sstatus, t1
	csrr t0, sstatus
	bltz t0, fail_17
	csrs sstatus, t1
	csrr t0, sstatus
	bgez t0, fail_17
	srli t0, t0, 32
	andi t0, t0, 3
	CHECK 18, t0, 2

	/* One that waits comes with the bit that lets it in, whatever sets it. */
	la t0, stack_end
	csrw sscratch, t0
	la s10, first
	csrsi sip, SIP_SSIP
	csrsi sstatus, MSTATUS_SIE
first:	CHECK 20, s9, SOFTWARE
	la s10, second
	li t1, MSTATUS_SIE
	csrsi sip, SIP_SSIP
	csrs sstatus, t1
second:	CHECK 21, s9, SOFTWARE
	csrsi sstatus, MSTATUS_SIE
	la s10, third
	csrsi sip, SIP_SSIP
third:	CHECK 22, s9, SOFTWARE

	/* Access to user memory, three calls deep, with calls inside. */
	li a0, 0
	call copy_1
	CHECK 23, a0, 6

	/* Zeros from where the address is, down to the block's start. */
	la t0, block
	li t1, -1
	sd t1, 56(t0)
	sd t1, 64(t0)
	sd t1, 120(t0)
	sd t1, 128(t0)
	addi t2, t0, 100
	cbo.zero (t2)
	ld t2, 56(t0)
	CHECK 24, t2, -1
	ld t2, 64(t0)
	CHECK 25, t2, 0
	ld t2, 120(t0)
	CHECK 26, t2, 0
	ld t2, 128(t0)
	CHECK 27, t2, -1

	/* A program that calls the kernel from the depth of its calls. */
	la sp, stack_end
	csrw sscratch, sp
	la t0, program
	csrw sepc, t0
	li t0, MSTATUS_SPP | MSTATUS_SIE
	csrc sstatus, t0
	sret

fail_1:	FINISH 1
fail_2:	FINISH 2
fail_6:	FINISH 6
fail_7:	FINISH 7
fail_17: FINISH 17

copy_1:	NEST s1, copy_2
	addi a0, a0, 1
	ret
copy_2:	mv s2, ra
	li t1, MSTATUS_SUM
	csrs sstatus, t1
	call copy_3
	li t1, MSTATUS_SUM
	csrc sstatus, t1
	mv ra, s2
	call copy_4
	mv ra, s2
	addi a0, a0, 1
	ret
copy_3:	NEST s3, copy_4
	addi a0, a0, 1
	ret
copy_4:	csrr t0, sstatus
	srli t0, t0, 18
	andi t0, t0, 1
	add a0, a0, t0
	addi a0, a0, 1
	ret

/* s9: the cause of an interrupt, which comes before s10, and is software's. */
	.balign 4
trap:
	csrrw sp, sscratch, sp
	sd t0, -8(sp)
	csrr t0, scause
	bltz t0, interrupt
	addi t0, t0, -8
	bnez t0, fail_40
	sd ra, -16(sp)
	call answer_1
	csrr t0, sepc
	addi t0, t0, 4
	csrw sepc, t0
	ld ra, -16(sp)
	ld t0, -8(sp)
	bnez a7, done
	csrrw sp, sscratch, sp
	sret
interrupt:
	csrr s9, scause
	csrci sip, SIP_SSIP
	csrr t0, sepc
	bne t0, s10, fail_41
	csrr t0, sstatus
	andi t0, t0, MSTATUS_SIE | MSTATUS_SPIE
	addi t0, t0, -MSTATUS_SPIE
	bnez t0, fail_42
	li t0, MSTATUS_SPIE
	csrc sstatus, t0
	ld t0, -8(sp)
	csrrw sp, sscratch, sp
	sret
fail_40: FINISH 40
fail_41: FINISH 41
fail_42: FINISH 42
answer_1:
	sd ra, -24(sp)
	call answer_2
	ld ra, -24(sp)
	ret
answer_2:
	addi a0, a0, 1
	ret
done:
	CHECK 43, a0, 63
	CHECK 44, a1, 63
	addi s11, s11, -1
	bnez s11, again
	/* What a program may not read, at a place that the kernel has run. */
	la t0, forbidden
	csrw sepc, t0
	li t0, MSTATUS_SPP
	csrs sstatus, t0
	la s0, 97f
	jal forbidden
	li t0, MSTATUS_SPP
	csrc sstatus, t0
	la t0, forbidden
	csrw sepc, t0
	li s1, -1
	sret
	EXPECTED 45, 2
	PASS
forbidden:
	csrrw t0, sscratch, x0
	ret

/* Calls in two branches, six deep, each with a call of the kernel before and behind the others. */
program:
	li a0, 0
	li a1, 0
	li a2, 6
	la sp, user_stack_end
	call tree
	li a7, 1
	addi a0, a0, -1
	ecall
tree:
	beqz a2, leaf
	addi sp, sp, -16
	sd ra, 0(sp)
	addi a2, a2, -1
	call tree
	li a7, 0
	ecall
	addi a1, a1, 1
	call tree
	addi a2, a2, 1
	ld ra, 0(sp)
	addi sp, sp, 16
leaf:	ret
	NOTING_HANDLER handler

	.data
	.balign 64
block:	.space 192
	.space 256
stack_end:
	.space 256
user_stack_end:
