/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.c - run a hart until something comes up, and make faults of ours the guest's.
 */
#include <setjmp.h>

#include "jit/internal.h"
#include "jit/riscv/cpu.h"

static void leave(void *argument)
{
	longjmp(*(jmp_buf *)argument, 1);
}

enum jit_stop riscv_run(struct jit *jit, struct riscv_cpu *cpu)
{
	jmp_buf buffer;
	enum jit_stop stop = JIT_STOP_FAULT;

	if (setjmp(buffer) == 0) {
		cpu->run = &buffer;
		stop = riscv_interpret(cpu, UINT64_MAX);
	}
	cpu->run = NULL;
	return stop;
}

bool riscv_fault(struct riscv_cpu *cpu, const siginfo_t *info, ucontext_t *context)
{
	if (!cpu->run)
		return false;
	cpu->fault_address = (uint64_t)(uintptr_t)info->si_addr - cpu->memory.offset;
	cpu->fault_signal = info->si_signo;
	cpu->fault_code = info->si_code;
	host_divert(context, leave, cpu->run);
	return true;
}
