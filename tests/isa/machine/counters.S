/* SPDX-License-Identifier: Apache-2.0 */
/* counters.S - who may read counters, which stand, and what an overflow does. */
#include "machine.inc"

#define EVENT_CYCLES 1
#define OVERFLOWED   (1 << 63)
#define NOT_IN_M     (1 << 62)
#define LCOFI	     0x2000

	.text
	.global _start
_start:
	la t0, handler
	csrw mtvec, t0
	OPEN_PMP
	/* Not before mcounteren and scounteren allow it. */
	csrw mcounteren, x0
	la s0, 97f
	ENTER MPP_S, first
first:	rdcycle t0
	EXPECTED 1, 2
	li t0, 1
	csrw mcounteren, t0
	la s0, 97f
	ENTER MPP_S, second
second:	rdcycle t0
	rdtime t0
	EXPECTED 2, 2
	la s0, 97f
	ENTER 0, third
third:	rdcycle t0
	EXPECTED 3, 2
	csrwi scounteren, 1
	la s0, 97f
	ENTER 0, fourth
fourth:	rdcycle t0
	ecall
	EXPECTED 4, 8
	/* Time goes on, cycles too, until they are told not to. */
	rdtime t0
1:	rdtime t1
	beq t0, t1, 1b
	csrr t0, mcycle
	nop
	csrr t1, mcycle
	sltu t0, t0, t1
	CHECK 5, t0, 1
	csrwi mcountinhibit, 5
	csrr t0, mcycle
	csrr t2, minstret
	nop
	csrr t1, mcycle
	sub t0, t0, t1
	CHECK 6, t0, 0
	csrr t1, minstret
	sub t0, t1, t2
	CHECK 7, t0, 0
	li t0, 0x1234
	csrw mcycle, t0
	csrr t0, mcycle
	CHECK 8, t0, 0x1234
	csrwi mcountinhibit, 0
	/* An event counter that overflows says so once, and interrupts. */
	csrw mcounteren, x0
	li t0, EVENT_CYCLES
	csrw mhpmevent3, t0
	li t0, -2000
	csrw mhpmcounter3, t0
	li t0, LCOFI
	csrs mie, t0
	la s0, overflowed
	csrsi mstatus, MSTATUS_MIE
2:	j 2b
	.balign 4
overflowed:
	slli t0, s1, 1
	srli t0, t0, 1
	CHECK 9, t0, 13
	csrr t0, mhpmevent3
	srli t0, t0, 63
	CHECK 10, t0, 1
	csrr t0, SCOUNTOVF
	CHECK 11, t0, 8
	li t0, LCOFI
	csrc mip, t0
	csrr t1, mip
	and t0, t0, t1
	CHECK 12, t0, 0
	/* One that does not count here stands still. */
	li t0, NOT_IN_M | EVENT_CYCLES
	csrw mhpmevent3, t0
	csrr t0, mhpmcounter3
	nop
	csrr t1, mhpmcounter3
	sub t0, t0, t1
	CHECK 13, t0, 0
	PASS
	NOTING_HANDLER handler
