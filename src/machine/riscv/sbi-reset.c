/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sbi-reset.c - power off and reset (SBI 3.0, chapter 10).
 */
#include "machine/riscv/sbi.h"

enum {
	TYPE_SHUTDOWN,
	TYPE_COLD_REBOOT,
	TYPE_WARM_REBOOT,
};

enum {
	REASON_NONE,
	REASON_SYSTEM_FAILURE,
	REASONS,
};

#define RESERVED_REASON_MIN UINT32_C(0xe0000000) /* above: of implementations and vendors */

static enum sbi_error reset(struct sbi_call *call)
{
	struct vm_power *power = &call->machine->power;
	uint32_t type = (uint32_t)call->a[0], reason = (uint32_t)call->a[1];

	if (type > TYPE_WARM_REBOOT || (reason >= REASONS && reason < RESERVED_REASON_MIN))
		return SBI_INVALID_PARAM;
	if (type == TYPE_SHUTDOWN)
		power->ops->off(power, reason == REASON_NONE ? 0 : 1);
	else
		power->ops->reset(power);
	/* It does not come back: the machine stops this vcpu, too, before it goes on. */
	riscv_hart_off(call->hart);
	return SBI_SUCCESS;
}

static const sbi_function functions[] = { reset };

const struct sbi_extension sbi_reset = { "SRST", 0x53525354, functions, ARRAY_SIZE(functions) };
