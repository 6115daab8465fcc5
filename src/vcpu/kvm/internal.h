/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - what the files of the KVM back-end share: what an architecture has to have.
 */
#pragma once

#include "vcpu/kvm/kvm.h"

/* ioctl(2) that is done again when a signal came; -errno. */
int kvm_ioctl(int fd, unsigned long request, void *argument);

/* The real-time signal that lets a vcpu leave the kernel; its handler does nothing. */
int kvm_kick_signal(void);
int kvm_handle_kicks(struct error *err);

/* vm.c: "/dev/kvm cannot do X" unless the machine has the extension. */
int kvm_require(const struct kvm_vm *vm, int extension, const char *what, struct error *err);

/* exits.c: what KVM_RUN has come back with, which was no signal. VM_STOP_KICKED stands for: run
 * again. */
enum vm_stop kvm_exit(struct kvm_vcpu *vcpu, struct error *err);

/* --- of an architecture ---------------------------------------------------------------------- */

/* The machine has neither memory nor vcpus yet: the kernel's interrupt controllers, and vm->arch
 * and vm->saved. */
int kvm_arch_open(struct kvm_vm *vm, struct error *err);
void kvm_arch_close(struct kvm_vm *vm);
/* The vcpu has a descriptor and `run`: what it can do, its first state, and vcpu->saved. */
int kvm_arch_init_vcpu(struct kvm_vcpu *vcpu, struct error *err);
/* KVM_EXIT_DEBUG: VM_STOP_BREAKPOINT; VM_STOP_KICKED: it was the guest's own, run again. */
enum vm_stop kvm_arch_debugged(struct kvm_vcpu *vcpu, struct error *err);
/* Where it is, for a sentence: ", at 0x...". */
void kvm_arch_where(const struct kvm_vcpu *vcpu, char *text, size_t size);

/* x86-64-cpuid.c: what the vcpu says it is; *ret is all of that in one number. */
int kvm_x86_set_cpuid(struct kvm_vcpu *vcpu, uint64_t *ret, struct error *err);
/* x86-64-state.c */
int kvm_x86_init_state(struct kvm_vcpu *vcpu, uint64_t cpuid, struct error *err);
