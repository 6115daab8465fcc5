/* SPDX-License-Identifier: Apache-2.0 */
/*
 * harts.S - several harts (as many as begin): each is woken from wfi by the one before, adds to a
 * number under a lock of lr and sc, and by an atomic; the last wakes the first.
 */
#include "machine.inc"

#define HARTS 3
#define TURNS 20000

	.text
	.global _start
_start:
	csrr s0, mhartid
	li t0, HARTS
	bgeu s0, t0, sleep
	li t0, 8
	csrw mie, t0
	la s1, number
	beqz s0, go
wait:	wfi
	csrr t0, mip
	andi t0, t0, 8
	beqz t0, wait
go:	/* The interrupt is done, and the next hart's turn. */
	li t0, MSIP
	slli t1, s0, 2
	add t1, t1, t0
	sw x0, (t1)
	addi t2, s0, 1
	li t3, HARTS
	beq t2, t3, work
	li t3, 1
	sw t3, 4(t1)
work:	li s2, TURNS
1:	la t0, lock
	li t2, 1
2:	lr.w.aq t1, (t0)
	bnez t1, 2b
	sc.w.rl t1, t2, (t0)
	bnez t1, 2b
	ld t1, (s1)
	addi t1, t1, 1
	sd t1, (s1)
	fence rw, w
	sw x0, (t0)
	la t0, atomic
	li t1, 1
	amoadd.d x0, t1, (t0)
	addi s2, s2, -1
	bnez s2, 1b
	la t0, done
	li t1, 1
	amoadd.w.aqrl t1, t1, (t0)
	bnez s0, sleep
3:	lw t1, (t0)
	li t2, HARTS
	bne t1, t2, 3b
	fence
	ld t0, (s1)
	CHECK 1, t0, HARTS * TURNS
	la t0, atomic
	ld t0, (t0)
	CHECK 2, t0, HARTS * TURNS
	PASS
sleep:	csrw mie, x0
4:	wfi
	j 4b

	.data
	.balign 64
number:	.dword 0
	.balign 64
atomic:	.dword 0
	.balign 64
lock:	.dword 0
	.balign 64
done:	.dword 0
