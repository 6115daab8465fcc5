/* SPDX-License-Identifier: Apache-2.0 */
/* timer.S - stimecmp, wfi, and interrupts by priority. */
#include "machine.inc"

	.text
	.global _start
_start:
	la t0, handler
	csrw mtvec, t0
	OPEN_PMP
	li t0, -1
	csrw STIMECMP, t0
	csrw mcounteren, t0
	li t0, 0x222
	csrw mideleg, t0
	la t0, supervisor_handler
	csrw stvec, t0
	li a0, 1
	slli a0, a0, 63

	/* Without menvcfg.STCE, STIP is a bit like others, and stimecmp is machine mode's. */
	csrw MENVCFG, x0
	ENTER MPP_S, first
first:	TRAPS
	csrr t0, STIMECMP
	EXPECTED 1, 2
	csrs MENVCFG, a0
	csrr t0, mip
	andi t0, t0, 0x20
	CHECK 2, t0, 0
	csrw STIMECMP, x0
	csrr t0, mip
	andi t0, t0, 0x20
	CHECK 3, t0, 0x20
	/* It cannot be cleared by hand. */
	li t0, 0x20
	csrc mip, t0
	csrr t0, mip
	andi t0, t0, 0x20
	CHECK 4, t0, 0x20

	/* A millisecond of sleep in supervisor mode: enabled, but not taken, it ends wfi. */
	csrr t0, time
	li t1, 10000
	add s5, t0, t1
	ENTER MPP_S, sleeper
sleeper:
	csrw STIMECMP, s5
	li t0, 0x20
	csrs sie, t0
1:	wfi
	csrr t0, time
	bltu t0, s5, 1b
	csrr t0, sip
	andi t0, t0, 0x20
	CHECK 5, t0, 0x20

	/* A loop that nothing else would end. */
	csrr t0, time
	li t1, 10000
	add s5, t0, t1
	csrw STIMECMP, s5
	la s0, after_loop
	csrsi sstatus, MSTATUS_SIE
2:	j 2b
	.balign 4
after_loop:
	slli t0, s1, 1
	srli t0, t0, 1
	CHECK 6, t0, 5
	csrr t0, time
	bgeu t0, s5, 3f
	FINISH 7
3:	li t0, -1
	csrw STIMECMP, t0

	/* With TW it is illegal; in user mode, too. */
	TRAPS
	ecall
	EXPECTED 8, 9
	li t0, MSTATUS_TW
	csrs mstatus, t0
	ENTER MPP_S, tired
tired:	TRAPS
	wfi
	EXPECTED 9, 2
	li t0, MSTATUS_TW
	csrc mstatus, t0
	ENTER 0, user
user:	TRAPS
	wfi
	EXPECTED 10, 2

	/* Of several the software interrupt comes before the timer, external ones before both. */
	csrw STIMECMP, x0
	li t0, 0x222
	csrs mie, t0
	li t0, 0x202
	csrs mip, t0
	la s0, external
	ENTER 0, user_loop
user_loop:
	j user_loop
	.balign 4
external:
	andi t0, s1, 0xff
	CHECK 11, t0, 9
	TRAPS
	ecall
	EXPECTED 12, 9
	li t0, 0x200
	csrc mip, t0
	la s0, software
	ENTER 0, user_loop
	.balign 4
software:
	andi t0, s1, 0xff
	CHECK 13, t0, 1
	csrci sip, 2
	TRAPS
	ecall
	EXPECTED 14, 9
	la s0, timer
	ENTER 0, user_loop
	.balign 4
timer:
	andi t0, s1, 0xff
	CHECK 15, t0, 5
	PASS
	NOTING_HANDLER handler

	.balign 4
supervisor_handler:
	csrr s1, scause
	csrr s2, sepc
	jr s0
