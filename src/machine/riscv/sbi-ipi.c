/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sbi-ipi.c - interrupts from hart to hart (SBI 3.0, chapter 7).
 */
#include "machine/riscv/sbi.h"

#define PIN_SUPERVISOR_SOFTWARE 1

static void interrupt(struct sbi_call *call, struct riscv_hart *hart)
{
	hart->vcpu.ops->set_pin(&hart->vcpu, PIN_SUPERVISOR_SOFTWARE, true);
}

static enum sbi_error send_ipi(struct sbi_call *call)
{
	return sbi_for_each_hart(call, call->a[0], call->a[1], interrupt);
}

static const sbi_function functions[] = { send_ipi };

const struct sbi_extension sbi_ipi = { "IPI", 0x735049, functions, ARRAY_SIZE(functions) };
