/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sbi-time.c - the timer of a kernel that does not know Sstc (SBI 3.0, chapter 6).
 */
#include "machine/riscv/sbi.h"

static enum sbi_error set_timer(struct sbi_call *call)
{
	riscv_hart_set_timer(call->hart, call->a[0]);
	return SBI_SUCCESS;
}

static const sbi_function functions[] = { set_timer };

const struct sbi_extension sbi_time = { "TIME", 0x54494d45, functions, ARRAY_SIZE(functions) };
