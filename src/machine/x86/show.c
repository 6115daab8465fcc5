/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show.c - a vcpu that stands, as JSON: its registers, how often it has left the guest, and how it
 * gets from an address to memory.
 */
#include <jansson.h>
#include <stdio.h>

#include "machine/x86/board.h"

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
		{ "efer", s->efer },
		{ "cs", s->cs.selector },
		{ "ss", s->ss.selector },
		{ "fs_base", s->fs.base },
		{ "gs_base", s->gs.base },
		{ "gdt", s->gdt.base },
		{ "idt", s->idt.base },
		{ "tr", s->tr.base },
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

json_t *x86_show_registers(struct machine *m, unsigned index, struct error *err)
{
	struct kvm_vcpu *vcpu = &x86_board(m)->vcpus[index];
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	json_t *result;

	if (kvm_x86_read_registers(vcpu, &regs, &sregs, err) < 0)
		return NULL;
	result = json_pack("{s:i, s:o, s:o, s:o}", "hart", (int)index, "registers",
		show_general(&regs), "control", show_control(&sregs), "exits",
		show_counts(&vcpu->counts));
	if (!result)
		error_oom(err);
	return result;
}

json_t *x86_show_walk(struct machine *m, unsigned index, uint64_t address, struct error *err)
{
	uint64_t physical = 0;
	bool is_mapped = false;
	json_t *result;

	if (kvm_x86_translate(&x86_board(m)->vcpus[index], address, &physical, &is_mapped, err) < 0)
		return NULL;
	result = is_mapped
		? json_pack("{s:o, s:o}", "address", hex(address), "physical", hex(physical))
		: json_pack("{s:o, s:s}", "address", hex(address), "fault", "not mapped");
	if (!result)
		error_oom(err);
	return result;
}
