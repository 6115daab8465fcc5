/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arch-x86_64.h - how a system call is made here, and where the kernel lets us begin (System V ABI
 * AMD64, "Linux Conventions").
 */
#pragma once

static inline long system_call(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

#define ENTRY                                                                                      \
	__asm__(".globl _start\n"                                                                  \
		".type _start, @function\n"                                                        \
		"_start:\n"                                                                        \
		"	xor %ebp, %ebp\n"                                                                \
		"	mov %rsp, %rdi\n"                                                                \
		"	and $-16, %rsp\n"                                                                \
		"	call begin\n"                                                                    \
		"	hlt\n")
