/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x86-64.c - a machine of x86-64: interrupt controllers in the kernel (local APICs, an IO-APIC, and
 * the PICs that come with it), no timer chip, kvmclock.
 */
#include "vcpu/kvm/x86-64.h"

#include <assert.h>
#include <string.h>

#define OWN_MAP_BYTES UINT64_C(0x1000) /* page table of real mode; three more pages for a TSS */

static const uint32_t chip_ids[] = { KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE,
	KVM_IRQCHIP_IOAPIC };
static_assert(ARRAY_SIZE(chip_ids) == KVM_NR_IRQCHIPS, "all of the kernel's");

/* --- what a snapshot keeps -------------------------------------------------------------------- */

static int get_chips(struct kvm_vm *vm, struct kvm_vm_state *state)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(chip_ids); i++) {
		state->chips[i] = (struct kvm_irqchip){ .chip_id = chip_ids[i] };
		r = kvm_ioctl(vm->fd, KVM_GET_IRQCHIP, &state->chips[i]);
	}
	return r < 0 ? r : 0;
}

static int set_chips(struct kvm_vm *vm, struct kvm_vm_state *state)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(chip_ids); i++) {
		state->chips[i].chip_id = chip_ids[i];
		r = kvm_ioctl(vm->fd, KVM_SET_IRQCHIP, &state->chips[i]);
	}
	return r < 0 ? r : 0;
}

static int get_clock(struct kvm_vm *vm, uint64_t *ret)
{
	struct kvm_clock_data data = { 0 };
	int r = kvm_ioctl(vm->fd, KVM_GET_CLOCK, &data);

	if (r == 0)
		*ret = data.clock;
	return r;
}

static int set_clock(struct kvm_vm *vm, uint64_t clock_ns)
{
	struct kvm_clock_data data = { .clock = clock_ns };

	return kvm_ioctl(vm->fd, KVM_SET_CLOCK, &data);
}

static void save(struct vm_saved *saved)
{
	struct kvm_vm *vm = container_of(saved, struct kvm_vm, saved);
	struct kvm_vm_state *state = saved->data;

	memset(state, 0, sizeof(*state));
	get_chips(vm, state);
	get_clock(vm, &state->clock_ns);
}

/* The lines are low: their devices say which are not, when they are restored. */
static int restore(struct vm_saved *saved, struct error *err)
{
	struct kvm_vm *vm = container_of(saved, struct kvm_vm, saved);
	struct kvm_vm_state *state = saved->data;
	int r = set_chips(vm, state);

	if (r == 0)
		r = set_clock(vm, state->clock_ns);
	return r < 0 ? error_errno(err, r, "KVM does not take the state of the machine") : 0;
}

/* --- life ------------------------------------------------------------------------------------- */

static int make_chips(struct kvm_vm *vm, struct error *err)
{
	uint64_t own = KVM_X86_OWN_START;
	int r = kvm_ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &own);

	if (r == 0)
		r = kvm_ioctl(vm->fd, KVM_SET_TSS_ADDR,
			(void *)(uintptr_t)(KVM_X86_OWN_START + OWN_MAP_BYTES));
	if (r == 0)
		r = kvm_ioctl(vm->fd, KVM_CREATE_IRQCHIP, NULL);
	return r < 0 ? error_errno(err, r, "KVM makes no interrupt controllers") : 0;
}

static int read_msrs(struct kvm_vm *vm, struct error *err)
{
	_cleanup_free_ struct kvm_msr_list *list = calloc(
		1, sizeof(*list) + KVM_X86_MSRS_MAX * sizeof(list->indices[0]));
	int r;

	if (!list)
		return error_oom(err);
	list->nmsrs = KVM_X86_MSRS_MAX;
	r = kvm_ioctl(vm->kvm_fd, KVM_GET_MSR_INDEX_LIST, list);
	if (r < 0)
		return error_errno(err, r, "KVM does not say which registers a vcpu has");
	for (unsigned i = 0; i < list->nmsrs; i++)
		if (!vm->arch->model || kvm_x86_model_register(list->indices[i]))
			vm->arch->msrs[vm->arch->nr_msrs++] = list->indices[i];
	return 0;
}

int kvm_arch_open(struct kvm_vm *vm, struct error *err)
{
	static const struct {
		int extension;
		const char *what;
	} needs[] = {
		{ KVM_CAP_IRQCHIP, "interrupt controllers" },
		{ KVM_CAP_SET_IDENTITY_MAP_ADDR, "room for real mode" },
		{ KVM_CAP_EXT_CPUID, "CPUID" },
		{ KVM_CAP_XSAVE, "the registers of XSAVE" },
		{ KVM_CAP_XCRS, "the registers of XSAVE" },
		{ KVM_CAP_MP_STATE, "the state of vcpus that wait" },
		{ KVM_CAP_VCPU_EVENTS, "pending exceptions" },
		{ KVM_CAP_DEBUGREGS, "debug registers" },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(needs); i++)
		r = kvm_require(vm, needs[i].extension, needs[i].what, err);
	if (r < 0)
		return r;
	vm->arch = calloc(1, sizeof(*vm->arch));
	if (!vm->arch)
		return error_oom(err);
	/* "host" is none. */
	vm->arch->model = vm->config.cpu ? kvm_x86_model_find(vm->config.cpu) : NULL;
	kvm_x86_debug_open(vm);
	r = make_chips(vm, err);
	if (r == 0)
		r = read_msrs(vm, err);
	if (r == 0 && (r = get_chips(vm, &vm->arch->first)) < 0)
		r = error_errno(err, r, "KVM does not show its interrupt controllers");
	if (r < 0)
		return r;
	vm->saved = (struct vm_saved){ .name = "kvm",
		.data = &vm->arch->state,
		.size = sizeof(vm->arch->state),
		.save = save,
		.restore = restore };
	return 0;
}

void kvm_arch_close(struct kvm_vm *vm)
{
	if (vm->arch)
		free(vm->arch->host);
	free(vm->arch);
	vm->arch = NULL;
}

int kvm_vm_reset(struct kvm_vm *vm, struct error *err)
{
	int r = set_chips(vm, &vm->arch->first);

	return r < 0 ? error_errno(err, r, "KVM does not reset its interrupt controllers") : 0;
}

void kvm_vm_skip_time(struct kvm_vm *vm, int64_t ns)
{
	uint64_t clock_ns;

	if (get_clock(vm, &clock_ns) == 0 && clock_ns >= (uint64_t)ns)
		set_clock(vm, clock_ns - (uint64_t)ns);
}

int kvm_arch_init_vcpu(struct kvm_vcpu *vcpu, struct error *err)
{
	uint64_t cpuid;
	int r = kvm_x86_set_cpuid(vcpu, &cpuid, err);

	if (r < 0)
		return r;
	vcpu->debug = calloc(1, sizeof(*vcpu->debug));
	if (!vcpu->debug)
		return error_oom(err);
	return kvm_x86_init_state(vcpu, cpuid, err);
}

void kvm_arch_where(const struct kvm_vcpu *vcpu, char *text, size_t size)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	text[0] = '\0';
	if (kvm_ioctl(vcpu->fd, KVM_GET_REGS, &regs) == 0 &&
		kvm_ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) == 0)
		snprintf(text, size, ", at %#llx:%#llx", (unsigned long long)sregs.cs.base,
			(unsigned long long)regs.rip);
}
