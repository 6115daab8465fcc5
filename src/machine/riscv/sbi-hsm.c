/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sbi-hsm.c - harts that come and go (SBI 3.0, chapter 9). Whether one is off is the machine's to
 * know (struct machine_vcpu): its thread waits until it is started.
 */
#include "machine/riscv/sbi.h"

enum hart_state {
	HART_STARTED,
	HART_STOPPED,
	HART_START_PENDING,
	HART_STOP_PENDING,
	HART_SUSPENDED,
};

#define SUSPEND_RETENTIVE 0u

static enum sbi_error start(struct sbi_call *call)
{
	struct machine *m = call->machine;
	uint64_t index = call->a[0];
	enum sbi_error error = SBI_ALREADY_AVAILABLE;

	if (index >= call->board->nr_harts)
		return SBI_INVALID_PARAM;
	if (!vm_memory_at(&m->memory, call->a[1], 2))
		return SBI_INVALID_ADDRESS;
	pthread_mutex_lock(&m->lock);
	if (m->vcpus[index].is_off) {
		riscv_hart_start(&call->board->harts[index], call->a[1], call->a[2]);
		machine_start_vcpu(m, (unsigned)index);
		error = SBI_SUCCESS;
	}
	pthread_mutex_unlock(&m->lock);
	return error;
}

/* It goes when this call returns, and not before: its thread has things to do. */
static enum sbi_error stop(struct sbi_call *call)
{
	riscv_hart_off(call->hart);
	return SBI_SUCCESS;
}

static enum sbi_error get_status(struct sbi_call *call)
{
	struct machine *m = call->machine;

	if (call->a[0] >= call->board->nr_harts)
		return SBI_INVALID_PARAM;
	pthread_mutex_lock(&m->lock);
	call->value = m->vcpus[call->a[0]].is_off ? HART_STOPPED : HART_STARTED;
	pthread_mutex_unlock(&m->lock);
	return SBI_SUCCESS;
}

/* A retentive suspension may end at any time: it ends with the next interrupt, as wfi does. */
static enum sbi_error suspend(struct sbi_call *call)
{
	if (call->a[0] != SUSPEND_RETENTIVE)
		return SBI_NOT_SUPPORTED;
	call->hart->is_waiting = true;
	return SBI_SUCCESS;
}

static const sbi_function functions[] = {
	start,
	stop,
	get_status,
	suspend,
};

const struct sbi_extension sbi_hsm = { "HSM", 0x48534d, functions, ARRAY_SIZE(functions) };
