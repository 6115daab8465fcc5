/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inhibited.S - a counter of instructions that is set up while it stands counts each of them from
 * where it is let go, although nobody has asked for instret before.
 */
#include "machine.inc"

#define EVENT_INSTRUCTIONS 2
#define TURNS		   100000

	.text
	.global _start
_start:
	la t0, handler
	csrw mtvec, t0
	OPEN_PMP
	/* A loop that is hot before. */
	li t0, TURNS
1:	addi t0, t0, -1
	bnez t0, 1b
	csrwi mcountinhibit, 1 << 3
	li t0, EVENT_INSTRUCTIONS
	csrw mhpmevent3, t0
	csrwi mhpmcounter3, 7
	li t0, TURNS
2:	addi t0, t0, -1
	bnez t0, 2b
	csrr s6, mhpmcounter3
	CHECK 1, s6, 7
	csrwi mcountinhibit, 0
	li t0, TURNS
3:	addi t0, t0, -1
	bnez t0, 3b
	csrr s6, mhpmcounter3
	CHECK 2, s6, 7 + 2 + 2 * TURNS
	PASS
	NOTING_HANDLER handler
