/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sbi-suspend.c - the whole machine sleeps (SBI 3.0, chapter 13): the last hart that runs waits for
 * an interrupt, and then begins where it has said.
 */
#include "machine/riscv/sbi.h"

#define SUSPEND_TO_RAM 0u
#define CSR_SIE	       0x104
#define CSR_MENVCFG    0x30a

static bool is_alone(struct sbi_call *call)
{
	struct machine *m = call->machine;
	unsigned nr_on = 0;

	pthread_mutex_lock(&m->lock);
	for (unsigned i = 0; i < call->board->nr_harts; i++)
		nr_on += !m->vcpus[i].is_off;
	pthread_mutex_unlock(&m->lock);
	return nr_on == 1;
}

static enum sbi_error suspend(struct sbi_call *call)
{
	struct riscv_hart *hart = call->hart;
	const struct riscv_sbi_state kept = hart->sbi;
	uint64_t enabled = 0, features = 0;

	if ((uint32_t)call->a[0] != SUSPEND_TO_RAM)
		return SBI_INVALID_PARAM;
	if (!vm_memory_at(&call->machine->memory, call->a[1], 2))
		return SBI_INVALID_ADDRESS;
	if (!is_alone(call))
		return SBI_DENIED;
	/* What may wake it is what it had enabled. */
	riscv_hart_read_csr(hart, CSR_SIE, &enabled);
	riscv_hart_read_csr(hart, CSR_MENVCFG, &features);
	riscv_hart_start(hart, call->a[1], call->a[2]);
	riscv_hart_write_csr(hart, CSR_SIE, enabled);
	/* What FWFT has set stays (chapter 18). */
	riscv_hart_write_csr(hart, CSR_MENVCFG, features);
	hart->sbi = kept;
	hart->is_waiting = true;
	/* a0 and a1, as they are to be where it begins again. */
	call->value = call->a[2];
	return (enum sbi_error)hart->config.index;
}

static const sbi_function functions[] = { suspend };

const struct sbi_extension sbi_suspend = { "SUSP", 0x53555350, functions, ARRAY_SIZE(functions) };
