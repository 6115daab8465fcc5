/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x86-64-state.c - all of a vcpu as one plain struct, and back: for snapshots, and to begin anew.
 *
 * What comes back may be any bytes; the kernel checks them. The order is the kernel's
 * (Documentation/virt/kvm/api.rst): special registers before the local APIC, whose address they
 * hold; the local APIC before the MSRs, of which one is its timer's; what is pending last.
 */
#include "vcpu/kvm/x86-64.h"

#include <string.h>
#include <sys/ioctl.h>

enum {
	MSR_TSC = 0x10,
	MSR_MISC_ENABLE = 0x1a0,
	MSR_MTRR_DEFAULT = 0x2ff,
};

#define FAST_STRINGS	1u
#define XSTATE_IN_USE	512 /* where the area of XSAVE says which parts of it are not as at first */
#define MTRR_WRITE_BACK (1u << 11 | 6) /* in use, and all memory is cached */

/* --- registers by number ---------------------------------------------------------------------- */

/* The kernel's struct with room for one. */
union one_msr {
	struct kvm_msrs head;
	uint8_t room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
};

static union one_msr one_msr(uint32_t index, uint64_t value)
{
	union one_msr one = { .head.nmsrs = 1 };
	const struct kvm_msr_entry entry = { .index = index, .data = value };

	memcpy(one.room + sizeof(one.head), &entry, sizeof(entry));
	return one;
}

int kvm_x86_read_msr(const struct kvm_vcpu *vcpu, uint32_t index, uint64_t *ret)
{
	union one_msr one = one_msr(index, 0);
	struct kvm_msr_entry entry;

	if (kvm_ioctl(vcpu->fd, KVM_GET_MSRS, &one) != 1)
		return -EINVAL;
	memcpy(&entry, one.room + sizeof(one.head), sizeof(entry));
	*ret = entry.data;
	return 0;
}

int kvm_x86_write_msr(const struct kvm_vcpu *vcpu, uint32_t index, uint64_t value)
{
	union one_msr one = one_msr(index, value);

	return kvm_ioctl(vcpu->fd, KVM_SET_MSRS, &one) == 1 ? 0 : -EINVAL;
}

static struct kvm_msrs *make_msrs(unsigned count)
{
	struct kvm_msrs *msrs = calloc(1, sizeof(*msrs) + count * sizeof(msrs->entries[0]));

	if (msrs)
		msrs->nmsrs = count;
	return msrs;
}

/* All that can be read: the kernel stops at one that cannot, and goes on behind it. */
static int get_msrs(const struct kvm_vcpu *vcpu, struct kvm_vcpu_state *state)
{
	const struct kvm_arch *arch = vcpu->vm->arch;

	state->nr_msrs = 0;
	for (unsigned i = 0; i < arch->nr_msrs; i++) {
		_cleanup_free_ struct kvm_msrs *msrs = make_msrs(arch->nr_msrs - i);
		int done;

		if (!msrs)
			return -ENOMEM;
		for (unsigned k = 0; k < msrs->nmsrs; k++)
			msrs->entries[k].index = arch->msrs[i + k];
		done = kvm_ioctl(vcpu->fd, KVM_GET_MSRS, msrs);
		if (done < 0)
			return done;
		for (int k = 0; k < done; k++)
			state->msrs[state->nr_msrs++] = (struct kvm_x86_msr){
				.index = msrs->entries[k].index, .value = msrs->entries[k].data
			};
		i += (unsigned)done;
	}
	return 0;
}

static bool has_msr(const struct kvm_arch *arch, uint32_t index)
{
	for (unsigned i = 0; i < arch->nr_msrs; i++)
		if (arch->msrs[i] == index)
			return true;
	return false;
}

/* One that cannot be written has to be as it is. */
static int check_msr(const struct kvm_vcpu *vcpu, const struct kvm_x86_msr *msr, struct error *err)
{
	uint64_t now;

	if (kvm_x86_read_msr(vcpu, msr->index, &now) == 0 && now == msr->value)
		return 0;
	return error_set(err, EINVAL, "vcpu %u: KVM does not take %#llx for MSR %#x",
		vcpu->vcpu.index, (unsigned long long)msr->value, msr->index);
}

/* All; one that the kernel stops at is looked at by itself. */
static int set_msrs(const struct kvm_vcpu *vcpu, const struct kvm_vcpu_state *state, bool with_tsc,
	struct error *err)
{
	_cleanup_free_ struct kvm_msrs *msrs = make_msrs(state->nr_msrs);
	struct kvm_x86_msr failed;
	unsigned nr = 0;
	int done, r;

	if (!msrs)
		return error_oom(err);
	for (unsigned i = 0; i < state->nr_msrs; i++) {
		if (!has_msr(vcpu->vm->arch, state->msrs[i].index))
			return error_set(err, EINVAL, "vcpu %u: KVM has no MSR %#x",
				vcpu->vcpu.index, state->msrs[i].index);
		if (with_tsc || state->msrs[i].index != MSR_TSC)
			msrs->entries[nr++] = (struct kvm_msr_entry){ .index = state->msrs[i].index,
				.data = state->msrs[i].value };
	}
	while (nr > 0) {
		msrs->nmsrs = nr;
		done = kvm_ioctl(vcpu->fd, KVM_SET_MSRS, msrs);
		if (done < 0)
			return error_errno(
				err, done, "KVM takes no MSRs of vcpu %u", vcpu->vcpu.index);
		if ((unsigned)done >= nr)
			break;
		failed = (struct kvm_x86_msr){ .index = msrs->entries[done].index,
			.value = msrs->entries[done].data };
		r = check_msr(vcpu, &failed, err);
		if (r < 0)
			return r;
		nr -= (unsigned)done + 1;
		memmove(msrs->entries, msrs->entries + done + 1, nr * sizeof(msrs->entries[0]));
	}
	return 0;
}

/* --- all -------------------------------------------------------------------------------------- */

/* Where a model has no such parts, nothing says that the host does. */
static void clear_parts(const struct kvm_vcpu *vcpu, struct kvm_vcpu_state *state)
{
	const struct kvm_x86_model *model = vcpu->vm->arch->model;
	uint64_t in_use;

	if (!model)
		return;
	memcpy(&in_use, state->xsave + XSTATE_IN_USE, sizeof(in_use));
	in_use &= kvm_x86_model_xcr0(model);
	memcpy(state->xsave + XSTATE_IN_USE, &in_use, sizeof(in_use));
}

/* A TSC that counts faster or slower than the guest believes would let its timers ring at the wrong
 * time; KVM allows for 250 parts in a million of what it calls the same. */
static int set_tsc_rate(const struct kvm_vcpu *vcpu, uint32_t khz, struct error *err)
{
	int now = ioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0);
	int64_t apart = (int64_t)khz - now;

	if (now <= 0 || khz == 0 || (apart < 0 ? -apart : apart) * 4000 <= now ||
		ioctl(vcpu->fd, KVM_SET_TSC_KHZ, (unsigned long)khz) == 0)
		return 0;
	return error_set(err, EXDEV,
		"it was saved where the TSC counts with %u MHz, here it counts with %d, and KVM cannot make up for that on this processor",
		khz / 1000, now / 1000);
}

static int get_state(const struct kvm_vcpu *vcpu, struct kvm_vcpu_state *state)
{
	/* Taken first: it lets the kernel look at what has come for a vcpu that waits. */
	int r = kvm_ioctl(vcpu->fd, KVM_GET_MP_STATE, &state->run_state);

	if (r == 0)
		r = kvm_ioctl(vcpu->fd, KVM_GET_REGS, &state->regs);
	if (r == 0)
		r = kvm_ioctl(vcpu->fd, KVM_GET_SREGS, &state->sregs);
	if (r == 0)
		r = kvm_ioctl(vcpu->fd, KVM_GET_XSAVE, state->xsave);
	if (r == 0)
		r = kvm_ioctl(vcpu->fd, KVM_GET_XCRS, &state->xcrs);
	if (r == 0)
		r = kvm_ioctl(vcpu->fd, KVM_GET_DEBUGREGS, &state->debug);
	if (r == 0)
		r = kvm_ioctl(vcpu->fd, KVM_GET_LAPIC, &state->lapic);
	if (r == 0)
		r = get_msrs(vcpu, state);
	if (r == 0)
		r = kvm_ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &state->events);
	return r;
}

static int set_registers(const struct kvm_vcpu *vcpu, struct kvm_vcpu_state *state)
{
	int r = kvm_ioctl(vcpu->fd, KVM_SET_REGS, &state->regs);

	if (r == 0)
		r = kvm_ioctl(vcpu->fd, KVM_SET_SREGS, &state->sregs);
	if (r == 0)
		r = kvm_ioctl(vcpu->fd, KVM_SET_XCRS, &state->xcrs);
	if (r == 0)
		r = kvm_ioctl(vcpu->fd, KVM_SET_XSAVE, state->xsave);
	if (r == 0)
		r = kvm_ioctl(vcpu->fd, KVM_SET_DEBUGREGS, &state->debug);
	if (r == 0)
		r = kvm_ioctl(vcpu->fd, KVM_SET_LAPIC, &state->lapic);
	return r;
}

/* A new beginning keeps counting the TSC: so it stays the same on all vcpus. */
static int set_state(
	const struct kvm_vcpu *vcpu, struct kvm_vcpu_state *state, bool with_tsc, struct error *err)
{
	int r = set_registers(vcpu, state);

	if (r == 0) {
		r = set_msrs(vcpu, state, with_tsc, err);
		if (r < 0)
			return r;
	}
	if (r == 0)
		r = kvm_ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &state->events);
	if (r == 0)
		r = kvm_ioctl(vcpu->fd, KVM_SET_MP_STATE, &state->run_state);
	return r < 0
		? error_errno(err, r, "KVM does not take the state of vcpu %u", vcpu->vcpu.index)
		: 0;
}

static void save(struct vm_saved *saved)
{
	struct kvm_vcpu *vcpu = container_of(saved, struct kvm_vcpu, saved);

	int khz = ioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0);

	memset(vcpu->state, 0, sizeof(*vcpu->state));
	get_state(vcpu, vcpu->state);
	clear_parts(vcpu, vcpu->state);
	vcpu->state->tsc_khz = khz > 0 ? (uint32_t)khz : 0;
	vcpu->state->cpuid = vcpu->first->cpuid;
}

static int restore(struct vm_saved *saved, struct error *err)
{
	struct kvm_vcpu *vcpu = container_of(saved, struct kvm_vcpu, saved);
	int r;

	if (vcpu->state->nr_msrs > KVM_X86_MSRS_MAX)
		return error_set(err, EBADMSG, "vcpu %u has more registers than there are",
			vcpu->vcpu.index);
	/* A guest's kernel looks once at what it runs on. */
	if (vcpu->state->cpuid != vcpu->first->cpuid)
		return error_set(err, EXDEV,
			"it was saved where KVM gives a vcpu other abilities: on another processor, under another kernel, or with another --cpu");
	r = set_tsc_rate(vcpu, vcpu->state->tsc_khz, err);
	return r < 0 ? r : set_state(vcpu, vcpu->state, true, err);
}

/* As firmware would leave them; a model's are the same everywhere. */
static int set_first_msrs(const struct kvm_vcpu *vcpu, struct error *err)
{
	const struct kvm_arch *arch = vcpu->vm->arch;
	uint64_t misc = 0;
	int r = kvm_x86_read_msr(vcpu, MSR_MISC_ENABLE, &misc);

	if (r == 0)
		r = kvm_x86_write_msr(vcpu, MSR_MISC_ENABLE, misc | FAST_STRINGS);
	if (r == 0)
		r = kvm_x86_write_msr(vcpu, MSR_MTRR_DEFAULT, MTRR_WRITE_BACK);
	for (unsigned i = 0; r == 0 && arch->model && i < arch->nr_msrs; i++) {
		const struct kvm_x86_msr *first = kvm_x86_model_register(arch->msrs[i]);

		if (first && first->value)
			r = kvm_x86_write_msr(vcpu, first->index, first->value);
	}
	return r < 0 ? error_set(err, ENOTSUP, "vcpu %u: KVM is without the MSRs that kernels need",
			       vcpu->vcpu.index)
		     : 0;
}

int kvm_x86_init_state(struct kvm_vcpu *vcpu, uint64_t cpuid, struct error *err)
{
	int r = set_first_msrs(vcpu, err);

	if (r < 0)
		return r;
	vcpu->state = calloc(1, sizeof(*vcpu->state));
	vcpu->first = calloc(1, sizeof(*vcpu->first));
	if (!vcpu->state || !vcpu->first)
		return error_oom(err);
	r = get_state(vcpu, vcpu->first);
	if (r < 0)
		return error_errno(
			err, r, "KVM does not show the state of vcpu %u", vcpu->vcpu.index);
	vcpu->first->cpuid = cpuid;
	vcpu->saved = (struct vm_saved){ .name = "vcpu",
		.instance = vcpu->vcpu.index,
		.data = vcpu->state,
		.size = sizeof(*vcpu->state),
		.save = save,
		.restore = restore };
	return 0;
}

/* What is done with a machine and its vcpus while they stand: all but what makes them. */
static const struct confine_call calls[] = {
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_GET_IRQCHIP),
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_SET_IRQCHIP),
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_GET_CLOCK),
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_SET_CLOCK),
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_GET_REGS),
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_SET_REGS),
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_GET_SREGS),
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_SET_SREGS),
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_GET_MSRS),
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_SET_MSRS),
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_GET_MP_STATE),
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_SET_MP_STATE),
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_GET_XSAVE),
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_SET_XSAVE),
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_GET_XCRS),
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_SET_XCRS),
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_GET_DEBUGREGS),
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_SET_DEBUGREGS),
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_GET_LAPIC),
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_SET_LAPIC),
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_GET_VCPU_EVENTS),
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_SET_VCPU_EVENTS),
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_GET_TSC_KHZ),
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_SET_TSC_KHZ),
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_SET_GUEST_DEBUG),
};
const struct confine_list kvm_arch_calls = CONFINE_LIST(calls);

int kvm_vcpu_reset(struct kvm_vcpu *vcpu, struct error *err)
{
	return set_state(vcpu, vcpu->first, false, err);
}
