/* SPDX-License-Identifier: Apache-2.0 */
/*
 * instret.S - instructions are counted one by one: of straight code and hot loops, across traps,
 * returns, wfi and interrupts, by mode; and an overflow says so soon behind it.
 */
#include "machine.inc"

#define EVENT_INSTRUCTIONS 2
#define MSIE		   8
#define NOT_IN_M	   (1 << 62)
#define NOT_IN_S	   (1 << 61)
#define NOT_IN_U	   (1 << 60)
#define LCOFI		   0x2000
#define OVERFLOW_SKID	   2000
#define TURNS		   100000
#define HANDLED		   5 /* instructions of the handler */

/* Those since `csrr s5, minstret`, itself included, have to be as many. */
.macro COUNTED number, counter, expected
	csrr s6, \counter
	sub s6, s6, s5
	CHECK \number, s6, \expected
.endm

	.text
	.global _start
_start:
	la t0, handler
	csrw mtvec, t0
	OPEN_PMP
	/* What is written holds from the next instruction on. */
	csrwi minstret, 7
	csrr s6, minstret
	CHECK 1, s6, 7
	csrr s5, minstret
	nop
	c.nop
	COUNTED 2, minstret, 3
	/* A loop that is hot, with a branch inside that is taken every other time. */
	li t0, TURNS
	csrr s5, minstret
1:	andi t1, t0, 1
	beqz t1, 2f
	addi t2, t2, 1
2:	addi t0, t0, -1
	bnez t0, 1b
	COUNTED 3, minstret, 1 + 4 * TURNS + TURNS / 2
	/* One with a call and loads and stores, another within it. */
	la t3, place
	li t0, 3000
	csrr s5, minstret
3:	jal leaf
	li t1, 3
4:	ld t2, (t3)
	sd t2, 8(t3)
	addi t1, t1, -1
	bgtz t1, 4b
	addi t0, t0, -1
	bnez t0, 3b
	COUNTED 4, minstret, 1 + 3000 * (1 + 2 + 1 + 3 * 4 + 2)
	/* What traps is not counted, its handler is. */
	la s0, 5f
	csrr s5, minstret
	nop
	ebreak
	nop
5:	COUNTED 5, minstret, 2 + HANDLED
	la s0, 6f
	li t0, 0x70000000
	csrr s5, minstret
	ld t1, (t0)
	nop
6:	COUNTED 6, minstret, 1 + HANDLED
	/* Loops that trap in the middle. */
	li t0, 2000
	li t2, 0x70000000
	la s0, 8f
	csrr s5, minstret
7:	addi t1, t1, 1
	ld t1, (t2)
	nop
8:	addi t0, t0, -1
	bnez t0, 7b
	COUNTED 7, minstret, 1 + 2000 * (1 + HANDLED + 2)
	/* wfi, and what interrupts. */
	li t0, MSIE
	csrw mie, x0
	li t1, MSIP
	li t2, 1
	csrs mie, t0
	csrr s5, minstret
	sw t2, (t1)
	wfi
	COUNTED 8, minstret, 3
	la s0, 9f
	csrr s5, minstret
	csrsi mstatus, MSTATUS_MIE
	j 99f
9:	COUNTED 9, minstret, 2 + HANDLED
	sw x0, (t1)
	csrw mie, x0
	/* Of an inhibited one, only what came before. */
	csrr s5, minstret
	csrwi mcountinhibit, 4
	nop
	nop
	COUNTED 10, minstret, 2
	csrwi mcountinhibit, 0
	COUNTED 11, minstret, 2
	/* Nobody else's: supervisor mode's alone, from its first to its last. */
	li t0, EVENT_INSTRUCTIONS | NOT_IN_M | NOT_IN_U
	csrw mhpmevent3, t0
	li t0, EVENT_INSTRUCTIONS | NOT_IN_M | NOT_IN_S
	csrw mhpmevent4, t0
	csrw mhpmcounter3, x0
	csrw mhpmcounter4, x0
	la t0, user
	csrw sepc, t0
	la s0, 10f
	ENTER MPP_S, supervisor
supervisor:
	nop
	li t0, MSTATUS_SPP
	csrc sstatus, t0
	sret
user:	li t0, TURNS
11:	addi t0, t0, -1
	bnez t0, 11b
	ecall
10:	csrr s6, mhpmcounter3
	CHECK 12, s6, 4
	csrr s6, mhpmcounter4
	CHECK 13, s6, 2 + 2 * TURNS
	/* An overflow: of a loop, and from the counter's own value on. */
	csrw mhpmevent4, x0
	li t0, EVENT_INSTRUCTIONS
	csrw mhpmevent3, t0
	li t0, -TURNS
	csrw mhpmcounter3, t0
	li t0, LCOFI
	csrs mie, t0
	la s0, 12f
	csrsi mstatus, MSTATUS_MIE
13:	addi t1, t1, 1
	j 13b
12:	csrr s6, mhpmcounter3
	csrci mstatus, MSTATUS_MIE
	sltiu t0, s6, OVERFLOW_SKID
	CHECK 14, t0, 1
	slli t0, s1, 1
	srli t0, t0, 1
	CHECK 15, t0, 13
	csrr t0, SCOUNTOVF
	CHECK 16, t0, 8
	PASS
99:	FINISH 99

leaf:	addi t2, t2, 1
	ret
	NOTING_HANDLER handler
	.data
	.balign 16
place:	.dword 5, 0
