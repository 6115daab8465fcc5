/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show.c - a vcpu that stands, as JSON: its registers, how often it has left the guest, and how it
 * gets from an address to memory.
 */
#include <jansson.h>
#include <stdio.h>

#include "machine/x86/board.h"

#define CR0_PE	 1u
#define EFER_LMA (1u << 10)

static json_t *hex(uint64_t value)
{
	char text[20];

	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)value);
	return json_string(text);
}

static json_t *show_general(const struct kvm_regs *r)
{
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{ "rip", r->rip },
		{ "rflags", r->rflags },
		{ "rax", r->rax },
		{ "rbx", r->rbx },
		{ "rcx", r->rcx },
		{ "rdx", r->rdx },
		{ "rsi", r->rsi },
		{ "rdi", r->rdi },
		{ "rsp", r->rsp },
		{ "rbp", r->rbp },
		{ "r8", r->r8 },
		{ "r9", r->r9 },
		{ "r10", r->r10 },
		{ "r11", r->r11 },
		{ "r12", r->r12 },
		{ "r13", r->r13 },
		{ "r14", r->r14 },
		{ "r15", r->r15 },
	};
	json_t *result = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		json_object_set_new(result, rows[i].name, hex(rows[i].value));
	return result;
}

static json_t *show_control(const struct kvm_sregs *s)
{
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{ "cr0", s->cr0 },
		{ "cr2", s->cr2 },
		{ "cr3", s->cr3 },
		{ "cr4", s->cr4 },
		{ "cr8", s->cr8 },
		{ "efer", s->efer },
		{ "gdt", s->gdt.base },
		{ "idt", s->idt.base },
		{ "apic", s->apic_base },
	};
	json_t *result = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		json_object_set_new(result, rows[i].name, hex(rows[i].value));
	return result;
}

static json_t *show_counts(const struct kvm_vcpu_counts *c)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "runs", (json_int_t)c->runs, "ports",
		(json_int_t)c->ports, "mmio", (json_int_t)c->mmio, "kicks", (json_int_t)c->kicks);
}

static const char *mode_of(const struct kvm_sregs *s)
{
	return !(s->cr0 & CR0_PE)	? "real"
		: !(s->efer & EFER_LMA) ? "protected"
		: s->cs.l		? "long"
					: "compatibility";
}

static json_t *show_segments(const struct kvm_sregs *s)
{
	const struct {
		const char *name;
		const struct kvm_segment *segment;
	} rows[] = {
		{ "cs", &s->cs },
		{ "ss", &s->ss },
		{ "ds", &s->ds },
		{ "es", &s->es },
		{ "fs", &s->fs },
		{ "gs", &s->gs },
		{ "tr", &s->tr },
		{ "ldt", &s->ldt },
	};
	json_t *result = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		json_object_set_new(result, rows[i].name,
			json_pack("{s:o, s:o, s:o}", "selector", hex(rows[i].segment->selector),
				"base", hex(rows[i].segment->base), "limit",
				hex(rows[i].segment->limit)));
	return result;
}

static int read_registers(struct machine *m, unsigned index, struct kvm_regs *regs,
	struct kvm_sregs *sregs, struct error *err)
{
	int r = kvm_x86_read_registers(&x86_board(m)->vcpus[index], regs, sregs);

	return r < 0 ? error_errno(err, r, "KVM does not show the state of vcpu %u", index) : 0;
}

json_t *x86_show_registers(struct machine *m, unsigned index, struct error *err)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	json_t *result;

	if (read_registers(m, index, &regs, &sregs, err) < 0)
		return NULL;
	result = json_pack("{s:i, s:s, s:i, s:o, s:o, s:o, s:o}", "hart", (int)index, "mode",
		mode_of(&sregs), "ring", (int)sregs.ss.dpl, "registers", show_general(&regs),
		"control", show_control(&sregs), "segments", show_segments(&sregs), "exits",
		show_counts(&x86_board(m)->vcpus[index].counts));
	if (!result)
		error_oom(err);
	return result;
}

/* --- page tables ------------------------------------------------------------------------------ */

/* SDM 3A, 4.5.5 (table 4-20): what is in each entry, of pages and of tables. */
static void append_flags(char text[11], uint64_t entry)
{
	static const char names[] = "PWUtcADSG";

	for (unsigned i = 0; i < 9; i++)
		text[i] = entry >> i & 1 ? names[i] : '-';
	text[9] = entry >> 63 ? 'N' : '-';
	text[10] = '\0';
}

static json_t *show_level(const struct kvm_x86_level *level)
{
	char flags[11];

	if (level->is_outside)
		return json_pack("{s:i, s:o, s:s}", "level", (int)level->level - 1, "at",
			hex(level->at), "flags", "outside memory");
	append_flags(flags, level->entry);
	return json_pack("{s:i, s:o, s:o, s:s}", "level", (int)level->level - 1, "at",
		hex(level->at), "entry", hex(level->entry), "flags", flags);
}

/* "rwxu": what all entries together allow. */
static json_t *show_rights(const struct kvm_x86_walk *walk)
{
	char text[5];

	if (!walk->is_mapped)
		return json_null();
	snprintf(text, sizeof(text), "r%c%c%c", walk->is_writable ? 'w' : '-',
		walk->is_executable ? 'x' : '-', walk->is_user ? 'u' : '-');
	return json_string(text);
}

json_t *x86_show_walk(struct machine *m, unsigned index, uint64_t address, struct error *err)
{
	json_t *levels, *result;
	struct kvm_x86_walk walk;
	struct kvm_sregs s;
	struct kvm_regs regs;

	if (read_registers(m, index, &regs, &s, err) < 0)
		return NULL;
	kvm_x86_walk(&(struct kvm_x86_paging){ s.cr0, s.cr3, s.cr4, s.efer }, &m->memory, address,
		&walk);
	levels = json_array();
	for (unsigned i = 0; i < walk.nr_levels; i++)
		json_array_append_new(levels, show_level(&walk.levels[i]));
	result = json_pack("{s:o, s:s, s:b, s:o, s:o, s:o, s:o}", "address", hex(walk.address),
		"mode", mode_of(&s), "canonical", walk.is_canonical, "levels", levels, "physical",
		walk.is_mapped ? hex(walk.physical) : json_null(), "page_bytes",
		walk.is_mapped ? json_integer((json_int_t)walk.page_bytes) : json_null(), "rights",
		show_rights(&walk));
	if (!result)
		error_oom(err);
	return result;
}
