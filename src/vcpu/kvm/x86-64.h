/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x86-64.h - what the files of x86-64 share.
 */
#pragma once

#include "vcpu/kvm/internal.h"

#define KVM_X86_MSRS_MAX    256
#define KVM_X86_XSAVE_BYTES 4096 /* all that vcpus have: no tiles (AMX) */

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
	uint32_t nr_msrs;
	struct kvm_x86_msr msrs[KVM_X86_MSRS_MAX];
	uint8_t xsave[KVM_X86_XSAVE_BYTES];
};

/* What the guest can see of the machine, beside vcpus: both PICs, the IO-APIC, kvmclock. */
struct kvm_vm_state {
	struct kvm_irqchip chips[KVM_NR_IRQCHIPS];
	uint64_t clock_ns;
};

struct kvm_arch {
	struct kvm_vm_state state; /* for the machine's `saved` */
	struct kvm_vm_state first; /* as it was made */
	uint32_t msrs[KVM_X86_MSRS_MAX]; /* that this kernel has */
	unsigned nr_msrs;
};

/* x86-64-state.c: one MSR, or -EINVAL. */
int kvm_x86_read_msr(const struct kvm_vcpu *vcpu, uint32_t index, uint64_t *ret);
int kvm_x86_write_msr(const struct kvm_vcpu *vcpu, uint32_t index, uint64_t value);
