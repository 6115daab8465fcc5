/* SPDX-License-Identifier: Apache-2.0 */
/*
 * context.c - what a signal handler sees of an x86-64 thread, and how it sends it elsewhere.
 */
#include "jit/internal.h"

#define RED_ZONE_BYTES 128 /* System V ABI, x86-64, 3.2.2 */

void host_divert(ucontext_t *context, void (*leave)(void *argument), void *argument)
{
	greg_t *regs = context->uc_mcontext.gregs;

	/* As behind a call: 8 below a multiple of 16. */
	regs[REG_RSP] = ((regs[REG_RSP] - RED_ZONE_BYTES) & ~15) - 8;
	regs[REG_RDI] = (greg_t)(uintptr_t)argument;
	regs[REG_RIP] = (greg_t)(uintptr_t)leave;
	regs[REG_EFL] &= ~0x400; /* the direction flag */
}
