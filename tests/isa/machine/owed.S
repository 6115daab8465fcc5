/* SPDX-License-Identifier: Apache-2.0 */
/*
 * owed.S - registers that are written over before anybody reads them, but for a fault between: it
 * finds them as they have to be, in loops that have been hot for long.
 *
 * Each loop goes TURNS times, down to 1 in s7; in the last turn its pointer t3 is to nowhere.
 */
#include "machine.inc"

#define TURNS	3000
#define NOWHERE 0x70000000

/* t3 = \good, or with s7 = 1 s6. */
.macro POINTER good
	addi t4, s7, -1
	snez t4, t4
	neg t4, t4
	xor t5, \good, s6
	and t5, t5, t4
	xor t3, t5, s6
.endm

.macro TURN label
	addi s7, s7, -1
	bnez s7, \label
	FINISH 99 /* it has not trapped */
	.balign 4
.endm

	.text
	.global _start
_start:
	la t0, handler
	csrw mtvec, t0
	OPEN_PMP
	la s5, page
	li s6, NOWHERE
	li s8, 0x55aa

	/* Several of them, to one load and to the second of its group. */
	la s0, 1f
	li s7, TURNS
	li a0, 0
0:	POINTER s5
	slliw t1, s7, 3
	xor t2, s7, s8
	addi a3, s7, 100
	lw a0, 0(t3)
	lw a1, 8(t3)
	addi t1, a0, 1
	addi t2, a0, 2
	addi a3, a1, 3
	TURN 0b
1:	CHECK 1, s1, 5
	CHECK 2, s7, 1
	CHECK 3, t1, 8
	CHECK 4, t2, 0x55ab
	CHECK 5, a3, 101

	/* An operand that the load writes over, and one that is written over between two accesses. */
	la s0, 3f
	li s7, TURNS
2:	POINTER s5
	mv a0, s7
	mv a4, s7
	slli t1, a0, 4
	slli t2, a4, 5
	mv a5, s7
	addi a5, a5, 9
	lw a0, 16(s5)
	addi a4, a4, 7
	sw a4, 0(t3)
	mv t1, a0
	mv t2, a4
	mv a5, a4
	TURN 2b
3:	CHECK 6, s1, 7
	CHECK 7, t1, 16
	CHECK 8, t2, 32
	CHECK 9, a4, 8
	CHECK 14, a5, 10

	/* Both of two accesses, the second of which faults; and one of which the other is made. */
	la s0, 5f
	li s7, TURNS
4:	POINTER s5
	addi t1, s7, 20
	slli t2, t1, 1
	lw a0, 0(s5)
	sw a0, 0(t3)
	mv t1, a0
	mv t2, a0
	TURN 4b
5:	CHECK 10, s1, 7
	CHECK 11, t1, 21
	CHECK 12, t2, 42

	/* A group that is on two pages, or not aligned: no fault, and nothing is lost by it. */
	li s7, TURNS
	la s9, page + 4088
	li s10, 0
6:	addi t1, s7, 1
	sd s7, 0(s9)
	ld a0, 8(s9)
	ld a1, 2(s9)
	add s10, s10, t1
	mv t1, a0
	xori s9, s9, 0x40
	addi s7, s7, -1
	bnez s7, 6b
	li t0, TURNS * (TURNS + 3) / 2
	sub t0, t0, s10
	CHECK 13, t0, 0
	PASS
	NOTING_HANDLER handler

	.data
	.balign 4096
page:	.space 8192
