/* SPDX-License-Identifier: Apache-2.0 */
/*
 * code.c - the translated code of a machine, which all its harts share: what it was made from is
 * noted in the machine's memory, and what is written there told to it.
 */
#include "vcpu/riscv/internal.h"

#include <unistd.h>

static void note(void *context, uint64_t page, bool has_code)
{
	const struct vm_memory *memory = context;
	const struct vm_region *region = vm_memory_region(memory, page, VM_PAGE_BYTES);

	if (!region)
		return;
	if (has_code)
		vm_page_mark(vm_page(region, page), VM_PAGE_HAS_CODE);
	else
		vm_page_clear(vm_page(region, page), VM_PAGE_HAS_CODE);
}

static const uint8_t *find_page(void *context, uint64_t page)
{
	return vm_memory_at(context, page, VM_PAGE_BYTES);
}

static void forget(void *context, uint64_t start, uint64_t size)
{
	jit_invalidate(context, start, size);
}

int riscv_code_open(struct vm_memory *memory, size_t cache_bytes, const char *debug,
	struct jit **ret, struct error *err)
{
	const struct jit_options options = {
		.is_machine = true,
		.has_code = note,
		.find_page = find_page,
		.context = memory,
		.cache_bytes = cache_bytes,
		.debug = debug,
	};
	int r = jit_open(&options, ret, err);

	if (r < 0)
		return r;
	memory->context = *ret;
	memory->code_changed = forget;
	return 0;
}

struct jit *riscv_code_close(struct vm_memory *memory, struct jit *jit)
{
	memory->code_changed = NULL;
	if (jit)
		jit_print_stats(jit, STDERR_FILENO); /* when STRATA_JIT asks for it */
	return jit_free(jit);
}
