/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x86-64-start.c - how a vcpu begins: the modes that the boot protocols of Linux want
 * (Documentation/arch/x86/boot.rst, "64-bit boot protocol"; Xen's pvh.pandoc).
 */
#include "vcpu/kvm/x86-64.h"

#define CR0_PE	 (1u << 0)
#define CR0_ET	 (1u << 4)
#define CR0_PG	 (1u << 31)
#define CR4_PAE	 (1u << 5)
#define EFER_LME (1u << 8)
#define EFER_LMA (1u << 10)

#define RFLAGS_FIXED 2 /* the bit that is always set */

/* Of a page table: present, writable; and as large as the level allows. */
#define PAGE_TABLE   3u
#define PAGE_LARGE   0x83u
#define LARGE_BYTES  (UINT64_C(2) << 20)
#define NR_GIGABYTES 4

/* Type, present, and the mode of code; in the order of a descriptor's bits 40 to 55. */
enum {
	CODE_64 = 0xa09b,
	CODE_32 = 0xc09b,
	DATA_32 = 0xc093,
};

enum {
	SELECTOR_CODE = 0x10, /* as Linux has them */
	SELECTOR_DATA = 0x18,
};

static uint64_t descriptor(uint16_t attributes)
{
	return UINT64_C(0x000f00000000ffff) | (uint64_t)(attributes & 0xf0ff) << 40;
}

static struct kvm_segment segment(uint16_t selector, uint16_t attributes)
{
	return (struct kvm_segment){
		.limit = UINT32_MAX,
		.selector = selector,
		.type = attributes & 15,
		.s = attributes >> 4 & 1,
		.present = attributes >> 7 & 1,
		.l = attributes >> 13 & 1,
		.db = attributes >> 14 & 1,
		.g = attributes >> 15 & 1,
	};
}

static void set_segments(struct kvm_sregs *s, uint16_t code)
{
	s->cs = segment(SELECTOR_CODE, code);
	s->ds = s->es = s->fs = s->gs = s->ss = segment(SELECTOR_DATA, DATA_32);
}

/* 4 GiB in pages of 2 MiB: one table for all, one for 512 GiB, one for each GiB. */
static int write_pages(struct kvm_vcpu *vcpu, uint64_t at)
{
	uint64_t *pages = vm_memory_at(vcpu->vm->config.memory, at, KVM_X86_PAGES_ROOM);
	const unsigned words = VM_PAGE_BYTES / sizeof(*pages);

	if (!pages || at % VM_PAGE_BYTES)
		return -EFAULT;
	for (unsigned i = 0; i < KVM_X86_PAGES_ROOM / sizeof(*pages); i++)
		pages[i] = 0;
	pages[0] = (at + VM_PAGE_BYTES) | PAGE_TABLE;
	for (unsigned i = 0; i < NR_GIGABYTES; i++)
		pages[words + i] = (at + (2 + i) * VM_PAGE_BYTES) | PAGE_TABLE;
	for (unsigned i = 0; i < NR_GIGABYTES * words; i++)
		pages[2 * words + i] = i * LARGE_BYTES | PAGE_LARGE;
	vm_memory_written(vcpu->vm->config.memory, at, KVM_X86_PAGES_ROOM);
	return 0;
}

static int write_gdt(struct kvm_vcpu *vcpu, uint64_t at, uint16_t code, struct kvm_sregs *s)
{
	const uint64_t gdt[KVM_X86_GDT_WORDS] = {
		[SELECTOR_CODE / 8] = descriptor(code),
		[SELECTOR_DATA / 8] = descriptor(DATA_32),
	};

	s->gdt = (struct kvm_dtable){ .base = at, .limit = sizeof(gdt) - 1 };
	return vm_memory_write(vcpu->vm->config.memory, at, gdt, sizeof(gdt));
}

static int set_all(struct kvm_vcpu *vcpu, const struct kvm_x86_start *start, struct kvm_sregs *s,
	struct error *err)
{
	struct kvm_regs regs = {
		.rip = start->entry,
		.rsi = start->rsi,
		.rbx = start->rbx,
		.rsp = start->rsp,
		.rflags = RFLAGS_FIXED,
	};
	int r = kvm_ioctl(vcpu->fd, KVM_SET_SREGS, s);

	if (r == 0)
		r = kvm_ioctl(vcpu->fd, KVM_SET_REGS, &regs);
	return r < 0 ? error_errno(err, r, "KVM does not take the first state of vcpu %u",
			       vcpu->vcpu.index)
		     : 0;
}

static int get_sregs(struct kvm_vcpu *vcpu, struct kvm_sregs *ret, struct error *err)
{
	int r = kvm_ioctl(vcpu->fd, KVM_GET_SREGS, ret);

	return r < 0
		? error_errno(err, r, "KVM does not show the state of vcpu %u", vcpu->vcpu.index)
		: 0;
}

static int no_memory(struct error *err)
{
	return error_set(err, EFAULT, "there is no memory for a vcpu's tables");
}

int kvm_x86_start_long(struct kvm_vcpu *vcpu, const struct kvm_x86_start *start, struct error *err)
{
	struct kvm_sregs s;
	int r = get_sregs(vcpu, &s, err);

	if (r < 0)
		return r;
	if (write_gdt(vcpu, start->gdt, CODE_64, &s) < 0 || write_pages(vcpu, start->pages) < 0)
		return no_memory(err);
	set_segments(&s, CODE_64);
	s.cr0 = CR0_PE | CR0_ET | CR0_PG;
	s.cr3 = start->pages;
	s.cr4 = CR4_PAE;
	s.efer = EFER_LME | EFER_LMA;
	return set_all(vcpu, start, &s, err);
}

int kvm_x86_start_flat(struct kvm_vcpu *vcpu, const struct kvm_x86_start *start, struct error *err)
{
	struct kvm_sregs s;
	int r = get_sregs(vcpu, &s, err);

	if (r < 0)
		return r;
	if (write_gdt(vcpu, start->gdt, CODE_32, &s) < 0)
		return no_memory(err);
	set_segments(&s, CODE_32);
	s.cr0 = CR0_PE | CR0_ET;
	return set_all(vcpu, start, &s, err);
}

int kvm_x86_start_real(struct kvm_vcpu *vcpu, const struct kvm_x86_start *start, struct error *err)
{
	struct kvm_sregs s;
	int r = get_sregs(vcpu, &s, err);

	if (r < 0)
		return r;
	s.cs.base = 0;
	s.cs.selector = 0;
	return set_all(vcpu, start, &s, err);
}
