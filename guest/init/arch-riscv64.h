/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arch-riscv64.h - how a system call is made here, and where the kernel lets us begin (RISC-V
 * calling conventions; gp is left alone, we are linked without relaxation to it).
 */
#pragma once

static inline long system_call(long number, long a, long b, long c, long d, long e, long f)
{
	register long a7 __asm__("a7") = number;
	register long a0 __asm__("a0") = a;
	register long a1 __asm__("a1") = b;
	register long a2 __asm__("a2") = c;
	register long a3 __asm__("a3") = d;
	register long a4 __asm__("a4") = e;
	register long a5 __asm__("a5") = f;

	__asm__ volatile("ecall"
			 : "+r"(a0)
			 : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5)
			 : "memory");
	return a0;
}

#define ENTRY                                                                                      \
	__asm__(".globl _start\n"                                                                  \
		".type _start, @function\n"                                                        \
		"_start:\n"                                                                        \
		"	mv a0, sp\n"                                                                     \
		"	andi sp, sp, -16\n"                                                              \
		"	call begin\n"                                                                    \
		"	unimp\n")
