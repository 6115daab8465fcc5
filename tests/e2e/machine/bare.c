/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bare.c - a program that is a whole machine's software: in machine mode, on every hart, it counts
 * for ever. Built without a C library, for a debugger to look at.
 */
__asm__(".text\n"
	".global _start\n"
	"_start: csrr a0, mhartid\n"
	"	slli t0, a0, 12\n"
	"	lla sp, stacks + 4096\n"
	"	add sp, sp, t0\n"
	"	csrw mscratch, a0\n"
	"	call count\n");

char stacks[16 * 4096] __attribute__((aligned(16)));
volatile unsigned long counts[16];

void work(unsigned long hart, unsigned long step);
void count(unsigned long hart);

__attribute__((noinline)) void work(unsigned long hart, unsigned long step)
{
	counts[hart] += step;
}

void count(unsigned long hart)
{
	for (;;)
		work(hart, hart + 1);
}
