/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show.c - a hart that stands, as JSON: its registers, and how it gets from an address to memory.
 */
#include <jansson.h>
#include <stdio.h>

#include "machine/riscv/board.h"

#define CAUSE_INTERRUPT (UINT64_C(1) << 63)
#define CSR_SATP	0x180
#define CSRS		4096
#define CSR_NAME_MAX	24
#define SATP_MODE_SHIFT 60
#define SATP_SV39	8 /* and the next two have a level more each */
#define SATP_SV57	10
#define SATP_ROOT	((UINT64_C(1) << 44) - 1)
#define PTE_V		1
#define PTE_LEAF	(2 | 4 | 8) /* R, W or X */
#define PTE_PAGE_SHIFT	10
#define PTE_PAGE	((UINT64_C(1) << 44) - 1)
#define LEVEL_BITS	9
#define PAGE_BITS	12

static json_t *hex(uint64_t value)
{
	char text[20];

	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)value);
	return json_string(text);
}

static json_t *show_csrs(struct riscv_hart *hart)
{
	json_t *csrs = json_object();

	for (unsigned i = 0; i < CSRS; i++) {
		char name[CSR_NAME_MAX];
		uint64_t value;

		if (riscv_csr_name(i, name, sizeof(name)) &&
			riscv_hart_read_csr(hart, i, &value) == 0)
			json_object_set_new(csrs, name, hex(value));
	}
	return csrs;
}

static const char *name_of(enum riscv_privilege privilege)
{
	return privilege == RISCV_MACHINE ? "machine"
		: privilege == RISCV_USER ? "user"
					  : "supervisor";
}

static const char *mode_of(const struct riscv_hart *hart)
{
	return name_of(hart->privilege);
}

json_t *riscv_show_registers(struct machine *m, unsigned index, struct error *err)
{
	struct riscv_hart *hart = &riscv_board(m)->harts[index];
	json_t *x = json_array(), *f = json_array(), *result;

	for (unsigned i = 0; i < 32; i++) {
		json_array_append_new(x, hex(hart->cpu.cpu.x[i]));
		json_array_append_new(f, hex(hart->cpu.cpu.f[i]));
	}
	result = json_pack("{s:i, s:s, s:b, s:b, s:o, s:o, s:o, s:o}", "hart", (int)index, "mode",
		mode_of(hart), "off", m->vcpus[index].is_off, "waiting", hart->is_waiting, "pc",
		hex(hart->cpu.cpu.pc), "x", x, "f", f, "csr", show_csrs(hart));
	if (!result)
		error_oom(err);
	return result;
}

/* --- traps ----------------------------------------------------------------------------------- */

/* Privileged ISA, 3.1.15, table 14. */
static const char *const exceptions[] = {
	"misaligned fetch",
	"fetch access fault",
	"illegal instruction",
	"breakpoint",
	"misaligned load",
	"load access fault",
	"misaligned store",
	"store access fault",
	"call from user",
	"call from supervisor",
	NULL,
	"call from machine",
	"fetch page fault",
	"load page fault",
	NULL,
	"store page fault",
};
static const char *const interrupts[] = {
	[1] = "supervisor software interrupt",
	[3] = "machine software interrupt",
	[5] = "supervisor timer interrupt",
	[7] = "machine timer interrupt",
	[9] = "supervisor external interrupt",
	[11] = "machine external interrupt",
	[13] = "counter overflow interrupt",
};

static const char *cause_of(const struct riscv_trap *trap)
{
	uint64_t number = trap->cause & ~CAUSE_INTERRUPT;
	const char *name = NULL;

	if (trap->cause & CAUSE_INTERRUPT)
		name = number < ARRAY_SIZE(interrupts) ? interrupts[number] : NULL;
	else
		name = number < ARRAY_SIZE(exceptions) ? exceptions[number] : NULL;
	return name ? name : "reserved";
}

json_t *riscv_show_traps(struct machine *m, unsigned index, struct error *err)
{
	const struct riscv_hart *hart = &riscv_board(m)->harts[index];
	uint64_t end = hart->nr_traps;
	json_t *traps = json_array(), *result;

	for (uint64_t n = end > RISCV_TRAPS_MAX ? end - RISCV_TRAPS_MAX : 0; n < end; n++) {
		const struct riscv_trap *trap = &hart->traps[n % RISCV_TRAPS_MAX];

		json_array_append_new(traps,
			json_pack("{s:I, s:s, s:o, s:o, s:s, s:s}", "number", (json_int_t)n,
				"cause", cause_of(trap), "value", hex(trap->value), "pc",
				hex(trap->pc), "from", name_of(trap->from), "to",
				name_of(trap->to)));
	}
	result = json_pack("{s:i, s:o}", "hart", (int)index, "traps", traps);
	if (!result)
		error_oom(err);
	return result;
}

/* --- page tables (Privileged ISA, 12.3 to 12.6) ---------------------------------------------- */

static void append_flags(char text[9], uint64_t entry)
{
	static const char names[] = "VRWXUGAD";

	for (unsigned i = 0; i < 8; i++)
		text[i] = entry >> i & 1 ? names[i] : '-';
	text[8] = '\0';
}

/* One entry; true: the walk goes on at *table. */
static bool show_level(struct machine *m, json_t *levels, unsigned level, uint64_t address,
	uint64_t *table, bool *ret_found)
{
	uint64_t at = *table + (address >> (PAGE_BITS + level * LEVEL_BITS) & 511) * 8, entry;
	char flags[9];

	*ret_found = false;
	if (vm_memory_read(&m->memory, at, &entry, sizeof(entry)) < 0) {
		json_array_append_new(levels,
			json_pack("{s:i, s:o, s:s}", "level", (int)level, "at", hex(at), "flags",
				"outside memory"));
		return false;
	}
	append_flags(flags, entry);
	json_array_append_new(levels,
		json_pack("{s:i, s:o, s:o, s:s}", "level", (int)level, "at", hex(at), "entry",
			hex(entry), "flags", flags));
	*table = (entry >> PTE_PAGE_SHIFT & PTE_PAGE) << PAGE_BITS;
	*ret_found = (entry & PTE_V) && (entry & PTE_LEAF);
	return (entry & PTE_V) && !(entry & PTE_LEAF);
}

/* All entries from the root on; the page's address in *ret when there is one. */
static bool show_levels(
	struct machine *m, json_t *levels, uint64_t satp, uint64_t address, uint64_t *ret)
{
	uint64_t table = (satp & SATP_ROOT) << PAGE_BITS;
	unsigned level = 3 + (unsigned)(satp >> SATP_MODE_SHIFT) - SATP_SV39;
	bool found = false;

	while (level-- > 0) {
		uint64_t mask = (UINT64_C(1) << (PAGE_BITS + level * LEVEL_BITS)) - 1;

		if (show_level(m, levels, level, address, &table, &found))
			continue;
		*ret = (table & ~mask) | (address & mask);
		return found;
	}
	return false;
}

json_t *riscv_show_walk(struct machine *m, unsigned index, uint64_t address, struct error *err)
{
	struct riscv_hart *hart = &riscv_board(m)->harts[index];
	json_t *levels = json_array(), *result;
	uint64_t satp = 0, mode, physical = address;
	bool found = true;

	riscv_hart_read_csr(hart, CSR_SATP, &satp);
	mode = satp >> SATP_MODE_SHIFT;
	if (hart->privilege != RISCV_MACHINE && mode >= SATP_SV39 && mode <= SATP_SV57)
		found = show_levels(m, levels, satp, address, &physical);
	result = json_pack("{s:o, s:s, s:o, s:o}", "address", hex(address), "mode", mode_of(hart),
		"levels", levels, "physical", found ? hex(physical) : json_null());
	if (!result)
		error_oom(err);
	return result;
}
