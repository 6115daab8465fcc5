/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faults.c - faults of ours while a hart executes.
 *
 * A machine's memory is checked before it is used, so the only fault that is meant to happen is
 * that of the shadow stack of translated code, which ends in a page that cannot be touched: a guest
 * may call deeper than that, or switch stacks for ever. Any other fault is a defect, and ends us as
 * if nobody had looked.
 */
#include "vcpu/riscv/internal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

#define STACK_BYTES (64u << 10)

static __thread struct riscv_cpu *running;
static __thread _Alignas(16) char stack[STACK_BYTES];

static void on_fault(int signal_number, siginfo_t *info, void *context)
{
	if (!running || !riscv_fault(running, info, context))
		signal(signal_number, SIG_DFL);
}

static void install(void)
{
	const struct sigaction action = { .sa_sigaction = on_fault,
		.sa_flags = SA_SIGINFO | SA_ONSTACK };

	sigaction(SIGSEGV, &action, NULL);
}

int riscv_catch_faults(struct riscv_hart *hart, stack_t *ret_before)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };

	pthread_once(&once, install);
	if (sigaltstack(&alternate, ret_before) < 0)
		return -errno;
	running = &hart->cpu.cpu;
	return 0;
}

void riscv_leave_faults(const stack_t *before)
{
	running = NULL;
	sigaltstack(before, NULL);
}
