/* SPDX-License-Identifier: Apache-2.0 */
/*
 * context.c - what a signal handler sees of an x86-64 thread, how it sends it elsewhere; and the
 * floating-point environment.
 */
#include "jit/x86/emit.h"

#include <immintrin.h>

#define RED_ZONE_BYTES 128 /* System V ABI, x86-64, 3.2.2 */

static const uint8_t context_registers[] = { [RAX] = REG_RAX,
	[RCX] = REG_RCX,
	[RDX] = REG_RDX,
	[RBX] = REG_RBX,
	[RSP] = REG_RSP,
	[RBP] = REG_RBP,
	[RSI] = REG_RSI,
	[RDI] = REG_RDI,
	[R8] = REG_R8,
	[R9] = REG_R9,
	[R10] = REG_R10,
	[R11] = REG_R11,
	[R12] = REG_R12,
	[R13] = REG_R13,
	[R14] = REG_R14,
	[R15] = REG_R15 };

void host_divert(ucontext_t *context, void (*leave)(void *argument), void *argument)
{
	greg_t *regs = context->uc_mcontext.gregs;

	/* As behind a call: 8 below a multiple of 16. */
	regs[REG_RSP] = ((regs[REG_RSP] - RED_ZONE_BYTES) & ~15) - 8;
	regs[REG_RDI] = (greg_t)(uintptr_t)argument;
	regs[REG_RIP] = (greg_t)(uintptr_t)leave;
	regs[REG_EFL] &= ~0x400; /* the direction flag */
}

uint64_t host_pc(const ucontext_t *context)
{
	return (uint64_t)context->uc_mcontext.gregs[REG_RIP];
}

void host_recover(
	struct jit *jit, const struct jit_block *block, void *state, const ucontext_t *context)
{
	const struct jit_guest *guest = jit->guest;
	const struct jit_map *map = (struct jit_map *)jit->maps.items + block->map;

	for (unsigned slot = 0; slot < guest->nr_slots; slot++) {
		int8_t reg = map->host[slot];
		uint64_t *value = (void *)((char *)state + guest->slot_offsets[slot]);

		if (reg < 0)
			continue;
		if (slot >= IR_FIRST_VECTOR)
			memcpy(value, &context->uc_mcontext.fpregs->_xmm[reg], 16);
		else if (slot >= guest->first_float)
			memcpy(value, &context->uc_mcontext.fpregs->_xmm[reg], sizeof(*value));
		else
			*value = (uint64_t)context->uc_mcontext.gregs[context_registers[reg]];
	}
}

void host_leave(struct jit *jit, struct jit_frame *frame, void *state, ucontext_t *context,
	int reason, bool in_helper)
{
	greg_t *regs = context->uc_mcontext.gregs;

	if (in_helper)
		regs[REG_RSP] = (greg_t)(uintptr_t)frame->shadow_stack;
	regs[REG_RBP] = (greg_t)(uintptr_t)state + STATE_BIAS;
	regs[REG_RAX] = reason;
	regs[REG_RIP] = (greg_t)(uintptr_t)(jit->executable +
		(jit->stubs.leave_spilled - jit->writable));
	regs[REG_EFL] &= ~0x400;
}

void host_reset_shadow(ucontext_t *context, void *bottom)
{
	context->uc_mcontext.gregs[REG_RSP] = (greg_t)(uintptr_t)bottom;
}

/* RISC-V's rm and flags against MXCSR's: SDM volume 1, 10.2.3. */
uint32_t host_float_control(unsigned rounding)
{
	static const uint8_t modes[] = { 0, 3, 1, 2 };

	return MXCSR_MASKS | (uint32_t)modes[rounding & 3] << 13;
}

uint32_t host_float_flags(uint32_t control)
{
	/* invalid, denormal (no such flag), divided by zero, overflow, underflow, inexact */
	return (control & 1) << 4 | (control >> 2 & 1) << 3 | (control >> 3 & 1) << 2 |
		(control >> 4 & 1) << 1 | (control >> 5 & 1);
}

uint32_t host_read_float_control(void)
{
	return _mm_getcsr();
}

void host_write_float_control(uint32_t control)
{
	_mm_setcsr(control);
}
