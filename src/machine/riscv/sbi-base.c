/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sbi-base.c - what there is (SBI 3.0, chapter 4).
 */
#include "machine/riscv/sbi.h"

#define SPECIFICATION_VERSION  (3u << 24)
#define IMPLEMENTATION_ID      0x73747261 /* "stra": none of the registered ones (table 4) */
#define IMPLEMENTATION_VERSION 1

#define CSR_MVENDORID 0xf11
#define CSR_MARCHID   0xf12
#define CSR_MIMPID    0xf13

static enum sbi_error get_specification(struct sbi_call *call)
{
	call->value = SPECIFICATION_VERSION;
	return SBI_SUCCESS;
}

static enum sbi_error get_implementation(struct sbi_call *call)
{
	call->value = IMPLEMENTATION_ID;
	return SBI_SUCCESS;
}

static enum sbi_error get_implementation_version(struct sbi_call *call)
{
	call->value = IMPLEMENTATION_VERSION;
	return SBI_SUCCESS;
}

static enum sbi_error probe(struct sbi_call *call)
{
	call->value = sbi_find(call->a[0]) != NULL;
	return SBI_SUCCESS;
}

static enum sbi_error read_csr(struct sbi_call *call, unsigned number)
{
	if (riscv_hart_read_csr(call->hart, number, &call->value) < 0)
		call->value = 0;
	return SBI_SUCCESS;
}

static enum sbi_error get_vendor(struct sbi_call *call)
{
	return read_csr(call, CSR_MVENDORID);
}

static enum sbi_error get_architecture(struct sbi_call *call)
{
	return read_csr(call, CSR_MARCHID);
}

static enum sbi_error get_hart_implementation(struct sbi_call *call)
{
	return read_csr(call, CSR_MIMPID);
}

static const sbi_function functions[] = {
	get_specification,
	get_implementation,
	get_implementation_version,
	probe,
	get_vendor,
	get_architecture,
	get_hart_implementation,
};

const struct sbi_extension sbi_base = { "BASE", 0x10, functions, ARRAY_SIZE(functions) };
