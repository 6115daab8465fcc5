/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x86-64-registers.c - registers of a vcpu that stands, for those who look into it.
 */
#include "vcpu/kvm/x86-64.h"

#include <string.h>

/* The head of XSAVE's area says which of its parts are not as after a reset (SDM 1, 13.4.2): those
 * of x87 and SSE have to be taken as they are. */
#define XSAVE_PARTS   KVM_X86_FXSAVE_BYTES
#define PARTS_X87_SSE UINT64_C(3)

int kvm_x86_read_registers(
	const struct kvm_vcpu *vcpu, struct kvm_regs *ret_regs, struct kvm_sregs *ret_sregs)
{
	int r = ret_regs ? kvm_ioctl(vcpu->fd, KVM_GET_REGS, ret_regs) : 0;

	return r == 0 && ret_sregs ? kvm_ioctl(vcpu->fd, KVM_GET_SREGS, ret_sregs) : r;
}

int kvm_x86_write_general(const struct kvm_vcpu *vcpu, const struct kvm_regs *regs)
{
	struct kvm_regs copy = *regs;

	return kvm_ioctl(vcpu->fd, KVM_SET_REGS, &copy);
}

int kvm_x86_write_special(const struct kvm_vcpu *vcpu, const struct kvm_sregs *sregs)
{
	struct kvm_sregs copy = *sregs;

	return kvm_ioctl(vcpu->fd, KVM_SET_SREGS, &copy);
}

int kvm_x86_read_fpu(const struct kvm_vcpu *vcpu, uint8_t ret[KVM_X86_FXSAVE_BYTES])
{
	uint8_t area[KVM_X86_XSAVE_BYTES];
	int r = kvm_ioctl(vcpu->fd, KVM_GET_XSAVE, area);

	if (r == 0)
		memcpy(ret, area, KVM_X86_FXSAVE_BYTES);
	return r;
}

int kvm_x86_write_fpu(const struct kvm_vcpu *vcpu, const uint8_t fpu[KVM_X86_FXSAVE_BYTES])
{
	uint8_t area[KVM_X86_XSAVE_BYTES];
	int r = kvm_ioctl(vcpu->fd, KVM_GET_XSAVE, area);
	uint64_t parts;

	if (r < 0)
		return r;
	memcpy(area, fpu, KVM_X86_FXSAVE_BYTES);
	memcpy(&parts, area + XSAVE_PARTS, sizeof(parts));
	parts |= PARTS_X87_SSE;
	memcpy(area + XSAVE_PARTS, &parts, sizeof(parts));
	return kvm_ioctl(vcpu->fd, KVM_SET_XSAVE, area);
}

int kvm_x86_walk_from(const struct kvm_vcpu *vcpu, uint64_t address, struct kvm_x86_walk *ret,
	bool *ret_is_mapped)
{
	struct kvm_sregs s;
	int r = kvm_ioctl(vcpu->fd, KVM_GET_SREGS, &s);
	const struct kvm_x86_paging paging = {
		.cr0 = s.cr0, .cr3 = s.cr3, .cr4 = s.cr4, .efer = s.efer
	};

	if (r == 0)
		*ret_is_mapped = kvm_x86_walk(&paging, vcpu->vm->config.memory, address, ret);
	return r;
}
