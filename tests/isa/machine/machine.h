/* SPDX-License-Identifier: Apache-2.0 */
/*
 * machine.h - for the programs of this folder: numbers, and how they end.
 *
 * A program is one .S file. It begins at _start in machine mode, checks what it expects by CHECK,
 * and ends by PASS; the first check that fails ends it with its number as the exit status. It runs
 * on any machine with QEMU's finisher, so that its expectations can be held against QEMU.
 */
#pragma once

#define FINISHER 0x100000
#define MSIP	 0x2000000

#define MSTATUS_SIE  0x2
#define MSTATUS_MIE  0x8
#define MSTATUS_SPIE 0x20
#define MSTATUS_MPIE 0x80
#define MSTATUS_SPP  0x100
#define MSTATUS_MPP  0x1800
#define MSTATUS_MPRV 0x20000
#define MSTATUS_SUM  0x40000
#define MSTATUS_MXR  0x80000
#define MSTATUS_TVM  0x100000
#define MSTATUS_TW   0x200000
#define MSTATUS_TSR  0x400000
#define MPP_S	     0x800

#define PTE_V 0x1
#define PTE_R 0x2
#define PTE_W 0x4
#define PTE_X 0x8
#define PTE_U 0x10
#define PTE_G 0x20
#define PTE_A 0x40
#define PTE_D 0x80

/* By number: what the assembler does not know yet. */
#define MENVCFG	     0x30a
#define SENVCFG	     0x10a
#define STIMECMP     0x14d
#define SCOUNTOVF    0xda0
#define MSTATEEN0    0x30c
#define SSTATEEN0    0x10c

/* End with status `number` (an immediate). */
.macro FINISH number
	li t5, FINISHER
	li t6, (\number << 16) | 0x3333
	sw t6, 0(t5)
99:	j 99b
.endm

.macro PASS
	li t5, FINISHER
	li t6, 0x5555
	sw t6, 0(t5)
99:	j 99b
.endm

/* \reg has to be \value. */
.macro CHECK number, reg, value
	li t6, \value
	beq \reg, t6, 98f
	FINISH \number
98:
.endm

/* All of memory to every mode. */
.macro OPEN_PMP
	li t5, -1
	csrw pmpaddr0, t5
	li t5, 0x1f
	csrw pmpcfg0, t5
.endm

/* On in another mode at \label: MPP_S, or 0 for user mode. */
.macro ENTER mode, label
	li t5, MSTATUS_MPP
	csrc mstatus, t5
	li t5, \mode
	csrs mstatus, t5
	la t5, \label
	csrw mepc, t5
	mret
.endm

/*
 * A handler of machine mode that notes cause, pc and value in s1, s2 and s3, and goes on at s0 in
 * machine mode: `la s0, next` stands before what traps.
 */
.macro NOTING_HANDLER name
	.balign 4
\name:
	csrr s1, mcause
	csrr s2, mepc
	csrr s3, mtval
	csrr s4, mstatus
	jr s0
.endm

/* Execute what follows up to EXPECTED, which has to trap like that. */
.macro TRAPS
	la s0, 97f
	li s1, -1
.endm

.macro EXPECTED number, cause
	FINISH \number
	.balign 4
97:	CHECK \number, s1, \cause
.endm
