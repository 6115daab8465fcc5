/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kept.c - translated code that outlives the machine it was made in (jit/jit.h): which places are
 * worth telling, and the process that translates them again.
 *
 * That process has a machine's memory as a snapshot has it, and a hart that never runs.
 */
#include "vcpu/riscv/internal.h"

struct lister {
	const struct vm_memory *memory;
	void (*each)(void *context, const struct jit_machine_place *place);
	void *context;
};

static void tell_unchanged(void *context, const struct jit_machine_place *place)
{
	const struct lister *lister = context;
	const struct vm_region *region = vm_memory_region(
		lister->memory, place->page, VM_PAGE_BYTES);

	if (region && !vm_page_is(vm_page(region, place->page), VM_PAGE_DIRTY))
		lister->each(lister->context, place);
}

void riscv_code_list(const struct vm_memory *memory, struct jit *jit,
	void (*each)(void *context, const struct jit_machine_place *place), void *context)
{
	struct lister lister = { memory, each, context };

	jit_list_places(jit, tell_unchanged, &lister);
}

static const uint8_t *find_page(void *context, uint64_t page)
{
	return vm_memory_at(context, page, VM_PAGE_BYTES);
}

/* Nobody writes to it. */
static void note(void *context, uint64_t page, bool has_code)
{
}

int riscv_code_make(struct vm_memory *memory, const struct jit_machine_place *places, size_t nr,
	const struct jit_origin *origin, int fd, struct error *err)
{
	const struct jit_options options = {
		.is_machine = true,
		.is_saving = true,
		.has_code = note,
		.find_page = find_page,
		.context = memory,
	};
	struct riscv_system_cpu *cpu = calloc(1, sizeof(*cpu)); /* a megabyte of tables */
	struct jit *jit = NULL;
	int r = cpu ? jit_open(&options, &jit, err) : error_oom(err);

	if (r == 0) {
		riscv_cpu_init(&cpu->cpu, (struct jit_memory){ 0 });
		cpu->cpu.is_system = true;
		cpu->ops = &riscv_system_ops;
	}
	for (size_t i = 0; i < nr && r == 0; i++)
		if (jit_precompile_place(jit, cpu, &places[i]) == -ENOSPC)
			break; /* what there is, is of use, too */
	if (r == 0)
		r = jit_save(jit, fd, origin, err);
	jit_free(jit);
	free(cpu);
	return r;
}
