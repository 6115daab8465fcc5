/* SPDX-License-Identifier: Apache-2.0 */
/* pmp.S - physical memory protection: ranges, priorities, locks. */
#include "machine.inc"

	.text
	.global _start
_start:
	la t0, handler
	csrw mtvec, t0
	la s5, page
	li t0, 0x77
	sd t0, (s5)

	/* Without any entry supervisor mode has nothing, not even code. */
	la s0, 97f
	li s1, -1
	ENTER MPP_S, nowhere
nowhere:
	nop
	EXPECTED 1, 1
	/* Machine mode has everything. */
	ld a0, (s5)
	CHECK 2, a0, 0x77

	/* Entry 1: all; entry 0: a page that is not readable. */
	li t0, -1
	csrw pmpaddr1, t0
	srli t0, s5, 2
	li t1, 0x1ff
	or t0, t0, t1
	csrw pmpaddr0, t0
	li t0, 0x1f18
	csrw pmpcfg0, t0
	la s0, 97f
	ENTER MPP_S, denied
denied:	ld a0, (s5)
	EXPECTED 3, 5
	sub s3, s3, s5
	CHECK 4, s3, 0
	ld a0, (s5)
	CHECK 5, a0, 0x77
	/* The pages beside are the next entry's. */
	la s0, 97f
	ENTER MPP_S, beside
beside:	li t0, 4096
	add t0, t0, s5
	ld a0, (t0)
	sub t0, s5, t0
	ld a0, -8(s5)
	ecall
	EXPECTED 6, 9
	/* Readable, not writable; a write is an access fault. */
	li t0, 0x1f19
	csrw pmpcfg0, t0
	la s0, 97f
	ENTER MPP_S, reader
reader:	ld a0, (s5)
	sd a0, (s5)
	EXPECTED 7, 7
	CHECK 8, a0, 0x77
	/* From a to b: TOR. */
	srli t0, s5, 2
	csrw pmpaddr0, t0
	addi t0, t0, 0x400
	csrw pmpaddr1, t0
	li t0, -1
	csrw pmpaddr2, t0
	li t0, 0x1f0800 /* 0 is off, 1 TOR without rights, 2 all */
	csrw pmpcfg0, t0
	la s0, 97f
	ENTER MPP_S, between
between:
	ld a0, -8(s5)
	li t0, 4096
	add t0, t0, s5
	ld a0, (t0)
	ld a0, 8(s5)
	EXPECTED 9, 5
	/* Writable alone is reserved. */
	li t0, 0x1f1a00
	csrw pmpcfg0, t0
	csrr t0, pmpcfg0
	srli t0, t0, 8
	andi t0, t0, 3
	addi t0, t0, -2
	snez t0, t0
	CHECK 10, t0, 1
	/* Locked: machine mode, too, and for good. */
	li t0, 0x1f8800
	csrw pmpcfg0, t0
	TRAPS
	ld a0, (s5)
	EXPECTED 11, 5
	csrw pmpcfg0, x0
	csrr t0, pmpcfg0
	srli t0, t0, 8
	andi t0, t0, 0xff
	CHECK 12, t0, 0x88
	csrr t1, pmpaddr1
	csrw pmpaddr1, x0
	csrr t0, pmpaddr1
	sub t0, t0, t1
	CHECK 13, t0, 0
	/* The start of a locked range is locked, too. */
	csrr t1, pmpaddr0
	csrw pmpaddr0, x0
	csrr t0, pmpaddr0
	sub t0, t0, t1
	CHECK 14, t0, 0
	PASS
	NOTING_HANDLER handler

	.data
	.balign 4096
	.space 4096
page:	.space 8192
