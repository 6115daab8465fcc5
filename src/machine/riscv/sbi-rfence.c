/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sbi-rfence.c - fences on other harts (SBI 3.0, chapter 8). Whatever range or address space is
 * named, a hart forgets all it remembers: it fills its tables again from memory in no time.
 *
 * remote_fence_i needs nothing: code that is written is noticed by the page it is on (vm.h, enum
 * vm_page), by every hart.
 */
#include "machine/riscv/sbi.h"

static void fence(struct sbi_call *call, struct riscv_hart *hart)
{
	riscv_hart_fence(hart, call->hart);
}

static void do_nothing(struct sbi_call *call, struct riscv_hart *hart)
{
}

static enum sbi_error fence_code(struct sbi_call *call)
{
	return sbi_for_each_hart(call, call->a[0], call->a[1], do_nothing);
}

static enum sbi_error fence_addresses(struct sbi_call *call)
{
	return sbi_for_each_hart(call, call->a[0], call->a[1], fence);
}

/* 3 to 6 are the hypervisor extension's. */
static const sbi_function functions[] = {
	fence_code, fence_addresses, fence_addresses, /* of one address space */
};

const struct sbi_extension sbi_rfence = { "RFENCE", 0x52464e43, functions, ARRAY_SIZE(functions) };
