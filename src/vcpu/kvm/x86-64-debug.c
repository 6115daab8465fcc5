/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x86-64-debug.c - vcpus that stop where a debugger wants it: KVM_SET_GUEST_DEBUG, and what comes
 * of it (Documentation/virt/kvm/api.rst, 4.87).
 *
 * While something is inserted, or a step is done, KVM tells us of all exceptions of that kind.
 * Those that are none of ours are the guest's own, and are given back to it.
 */
#include "vcpu/kvm/x86-64.h"

#include <string.h>

enum {
	EXCEPTION_DEBUG = 1,
	EXCEPTION_BREAKPOINT = 3,
};

/* DR6: SDM 3B, 18.2.3. */
#define DR6_STEP    (UINT64_C(1) << 14)
#define DR6_REASONS (UINT64_C(0xe00f)) /* BT, BS, BD, and the four */

void kvm_x86_debug_open(struct kvm_vm *vm)
{
	int flags = kvm_ioctl(vm->fd, KVM_CHECK_EXTENSION, (void *)KVM_CAP_SET_GUEST_DEBUG2);

	vm->arch->breaks.memory = vm->config.memory;
	vm->arch->has_quiet_steps = flags > 0 && flags & KVM_GUESTDBG_BLOCKIRQ;
}

/* --- what is inserted ------------------------------------------------------------------------- */

int kvm_x86_add_point(struct kvm_vm *vm, const struct kvm_x86_point *point, uint64_t physical)
{
	return point->type == KVM_X86_BREAK
		? kvm_x86_breaks_add(&vm->arch->breaks, point->address, physical)
		: kvm_x86_slots_add(&vm->arch->slots, point);
}

void kvm_x86_remove_point(struct kvm_vm *vm, const struct kvm_x86_point *point)
{
	if (point->type == KVM_X86_BREAK)
		kvm_x86_breaks_remove(&vm->arch->breaks, point->address);
	else
		kvm_x86_slots_remove(&vm->arch->slots, point);
}

int kvm_x86_read_memory(struct kvm_vm *vm, uint64_t start, void *to, size_t size)
{
	return kvm_x86_breaks_read(&vm->arch->breaks, start, to, size);
}

int kvm_x86_write_memory(struct kvm_vm *vm, uint64_t start, const void *from, size_t size)
{
	return kvm_x86_breaks_write(&vm->arch->breaks, start, from, size);
}

void kvm_x86_lift_breaks(struct kvm_vm *vm)
{
	kvm_x86_breaks_lift(&vm->arch->breaks);
}

void kvm_x86_put_breaks(struct kvm_vm *vm)
{
	kvm_x86_breaks_put(&vm->arch->breaks);
}

/* --- of a vcpu -------------------------------------------------------------------------------- */

static int set_debug(struct kvm_vcpu *vcpu, uint32_t inject)
{
	const struct kvm_arch *arch = vcpu->vm->arch;
	struct kvm_guest_debug debug = { .control = vcpu->debug->control | inject };

	for (unsigned i = 0; i < KVM_X86_SLOTS; i++)
		debug.arch.debugreg[i] = arch->slots.at[i].address;
	debug.arch.debugreg[7] = kvm_x86_slots_control(&arch->slots);
	return kvm_ioctl(vcpu->fd, KVM_SET_GUEST_DEBUG, &debug);
}

int kvm_x86_use_points(struct kvm_vcpu *vcpu, bool step)
{
	const struct kvm_arch *arch = vcpu->vm->arch;
	uint32_t before = vcpu->debug->control, control = 0;

	if (arch->breaks.nr)
		control |= KVM_GUESTDBG_USE_SW_BP;
	if (kvm_x86_slots_control(&arch->slots))
		control |= KVM_GUESTDBG_USE_HW_BP;
	if (step)
		control |= KVM_GUESTDBG_SINGLESTEP |
			(arch->has_quiet_steps ? KVM_GUESTDBG_BLOCKIRQ : 0);
	if (control)
		control |= KVM_GUESTDBG_ENABLE;
	vcpu->debug->control = control;
	return control || before ? set_debug(vcpu, 0) : 0;
}

const struct kvm_x86_point *kvm_x86_met(const struct kvm_vcpu *vcpu)
{
	return vcpu->debug->has_met ? &vcpu->debug->met : NULL;
}

/* --- what a vcpu has met: on its own thread --------------------------------------------------- */

/* Is an int3 of ours where it is? Where nothing can be found out, it is not: the guest's own must
 * not be lost. */
static bool is_at_break(const struct kvm_vcpu *vcpu, uint64_t pc)
{
	struct kvm_x86_walk walk;
	bool is_mapped;

	return kvm_x86_walk_from(vcpu, pc, &walk, &is_mapped) == 0 && is_mapped &&
		kvm_x86_breaks_has(&vcpu->vm->arch->breaks, walk.physical);
}

static bool is_ours(struct kvm_vcpu *vcpu, const struct kvm_debug_exit_arch *debug)
{
	const struct kvm_x86_point *met;

	vcpu->debug->has_met = false;
	if (debug->exception == EXCEPTION_BREAKPOINT)
		return is_at_break(vcpu, debug->pc);
	met = kvm_x86_slots_met(&vcpu->vm->arch->slots, debug->dr6);
	if (met) {
		vcpu->debug->met = *met;
		vcpu->debug->has_met = true;
	}
	return met || (debug->dr6 & DR6_STEP && vcpu->debug->control & KVM_GUESTDBG_SINGLESTEP);
}

/* As the processor would have told it. */
static int give_back(struct kvm_vcpu *vcpu, const struct kvm_debug_exit_arch *debug)
{
	struct kvm_debugregs own;
	int r;

	if (debug->exception == EXCEPTION_BREAKPOINT)
		return set_debug(vcpu, KVM_GUESTDBG_INJECT_BP);
	r = kvm_ioctl(vcpu->fd, KVM_GET_DEBUGREGS, &own);
	own.dr6 |= debug->dr6 & DR6_REASONS;
	if (r == 0)
		r = kvm_ioctl(vcpu->fd, KVM_SET_DEBUGREGS, &own);
	return r == 0 ? set_debug(vcpu, KVM_GUESTDBG_INJECT_DB) : r;
}

enum vm_stop kvm_arch_debugged(struct kvm_vcpu *vcpu, struct error *err)
{
	const struct kvm_debug_exit_arch *debug = &vcpu->run->debug.arch;
	int r;

	if (is_ours(vcpu, debug))
		return VM_STOP_BREAKPOINT;
	r = give_back(vcpu, debug);
	if (r == 0)
		return VM_STOP_KICKED;
	error_errno(err, r, "KVM does not give vcpu %u an exception of its own", vcpu->vcpu.index);
	return VM_STOP_ERROR;
}
