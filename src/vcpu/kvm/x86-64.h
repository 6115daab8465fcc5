/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x86-64.h - what the files of x86-64 share.
 */
#pragma once

#include "vcpu/kvm/internal.h"

#define KVM_X86_CPUID_MAX   256
#define KVM_X86_MSRS_MAX    256
#define KVM_X86_XSAVE_BYTES 4096 /* all that vcpus have: no tiles (AMX) */

/* Of leaf 1, ecx: what KVM can do whatever it says of itself. */
#define KVM_X86_ECX_X2APIC     (UINT32_C(1) << 21)
#define KVM_X86_ECX_DEADLINE   (UINT32_C(1) << 24) /* with KVM_CAP_TSC_DEADLINE_TIMER */
#define KVM_X86_ECX_HYPERVISOR (UINT32_C(1) << 31)

/* The registers that a snapshot keeps beside those with an ioctl of their own. */
struct kvm_x86_msr {
	uint32_t index, unused;
	uint64_t value;
};

struct kvm_vcpu_state {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_xcrs xcrs;
	struct kvm_debugregs debug;
	struct kvm_lapic_state lapic;
	struct kvm_vcpu_events events;
	struct kvm_mp_state run_state;
	uint64_t cpuid; /* what it is able to do, as one number */
	uint32_t tsc_khz; /* how fast its TSC counts; 0: KVM does not say */
	uint32_t nr_msrs;
	struct kvm_x86_msr msrs[KVM_X86_MSRS_MAX];
	uint8_t xsave[KVM_X86_XSAVE_BYTES];
};

/* What the guest can see of the machine, beside vcpus: both PICs, the IO-APIC, kvmclock. */
struct kvm_vm_state {
	struct kvm_irqchip chips[KVM_NR_IRQCHIPS];
	uint64_t clock_ns;
};

/* A CPU that is not the host's, but one of those that many hosts can be. */
struct kvm_x86_model {
	const char *name;
	unsigned level; /* the psABI's, 1 to 4 */
	unsigned address_bits; /* of memory */
};

/* x86-64-breaks.c */
struct kvm_x86_breaks {
	struct vm_memory *memory;
	struct kvm_x86_break {
		uint64_t address, physical;
		uint8_t original; /* what is there in place of int3 */
	} at[KVM_X86_BREAKS_MAX];
	unsigned nr;
};

/* x86-64-slots.c */
#define KVM_X86_SLOTS 4

struct kvm_x86_slots {
	struct kvm_x86_slot {
		struct kvm_x86_point point; /* that it is for... */
		uint64_t address; /* ...and the part that it watches */
		unsigned bytes; /* 0: it is free */
	} at[KVM_X86_SLOTS];
};

/* Of a vcpu, for x86-64-debug.c. */
struct kvm_vcpu_debug {
	uint32_t control; /* what KVM was told */
	bool has_met; /* when it was stopped last */
	struct kvm_x86_point met;
};

struct kvm_arch {
	const struct kvm_x86_model *model; /* NULL: all that the host can do */
	struct kvm_cpuid2 *host; /* that; NULL: not asked yet */
	struct kvm_x86_breaks breaks;
	struct kvm_x86_slots slots;
	bool has_quiet_steps; /* KVM can hold back interrupts while a step is done */
	struct kvm_vm_state state; /* for the machine's `saved` */
	struct kvm_vm_state first; /* as it was made */
	uint32_t msrs[KVM_X86_MSRS_MAX]; /* that this kernel has */
	unsigned nr_msrs;
};

/* One vcpu of a machine, for what it is to say of itself. */
struct kvm_x86_cpu {
	const struct kvm_x86_model *model;
	unsigned id, count;
	bool has_deadline; /* KVM_CAP_TSC_DEADLINE_TIMER */
	uint64_t memory_end;
};

/* x86-64-cpuid.c: from what KVM supports on this host to what a guest is told, *ret, which has room
 * for KVM_X86_CPUID_MAX. Looks at nothing else. -ENOTSUP: the host lacks what the model has. */
int kvm_x86_make_cpuid(const struct kvm_cpuid2 *host, const struct kvm_x86_cpu *cpu,
	struct kvm_cpuid2 *ret, struct error *err);

/* x86-64-models.c: NULL: there is no such model. */
const struct kvm_x86_model *kvm_x86_model_find(const char *name);
/* The same as kvm_x86_make_cpuid(), but for the topology. */
int kvm_x86_model_cpuid(const struct kvm_x86_model *model, const struct kvm_cpuid2 *host,
	const struct kvm_x86_cpu *cpu, struct kvm_cpuid2 *ret, struct error *err);
/* Parts of the area of XSAVE that a guest can use. */
uint64_t kvm_x86_model_xcr0(const struct kvm_x86_model *model);
/* The register of machines of models, and its value at the beginning if that is not 0; NULL: they
 * have no such register. */
const struct kvm_x86_msr *kvm_x86_model_register(uint32_t index);

/* x86-64-breaks.c: software breakpoints at an address that is mapped to `physical`; is one there;
 * memory as if there were none; take all out of memory, and put them in again. */
int kvm_x86_breaks_add(struct kvm_x86_breaks *breaks, uint64_t address, uint64_t physical);
void kvm_x86_breaks_remove(struct kvm_x86_breaks *breaks, uint64_t address);
bool kvm_x86_breaks_has(const struct kvm_x86_breaks *breaks, uint64_t physical);
int kvm_x86_breaks_read(const struct kvm_x86_breaks *breaks, uint64_t start, void *to, size_t size);
int kvm_x86_breaks_write(
	struct kvm_x86_breaks *breaks, uint64_t start, const void *from, size_t size);
void kvm_x86_breaks_lift(struct kvm_x86_breaks *breaks);
void kvm_x86_breaks_put(struct kvm_x86_breaks *breaks);

/* x86-64-slots.c: what the debug registers watch; DR7; what one of DR6's reasons was. */
int kvm_x86_slots_add(struct kvm_x86_slots *slots, const struct kvm_x86_point *point);
void kvm_x86_slots_remove(struct kvm_x86_slots *slots, const struct kvm_x86_point *point);
uint64_t kvm_x86_slots_control(const struct kvm_x86_slots *slots);
const struct kvm_x86_point *kvm_x86_slots_met(const struct kvm_x86_slots *slots, uint64_t dr6);

/* x86-64-debug.c: what this kernel can do for a debugger. */
void kvm_x86_debug_open(struct kvm_vm *vm);
