/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x86-64-cpuid.c - what a vcpu says it is: what the host's kernel can give, without what a machine
 * could not take along (Intel SDM 2A, CPUID; AMD APM 3, appendix E; Linux,
 * Documentation/virt/kvm/x86/cpuid.rst). With a model's name it is what the model has, and that
 * alone: x86-64-models.c.
 *
 * Left out are nested virtualization and tiles, whose state we do not save; performance counters,
 * processor trace, cache allocation and SGX, which are the host's own; and the promise that the TSC
 * never stops, because a machine that is paused or restored does stop, so that guests count time by
 * kvmclock. The topology is ours: one package, each vcpu a core.
 */
#include "vcpu/kvm/x86-64.h"

#include <string.h>

#define BIT(n) (UINT32_C(1) << (n))

/* --- what is left out ------------------------------------------------------------------------- */

/* Bits of one leaf that the guest does not see. */
static const struct {
	uint32_t function, index;
	uint32_t eax, ebx, ecx, edx;
} hidden[] = {
	/* DTES64, VMX, PDCM */
	{ 0x1, 0, 0, 0, BIT(2) | BIT(5) | BIT(15), 0 },
	/* SGX, RDT-M, RDT-A, PT; SGX_LC; AMX */
	{ 0x7, 0, 0, BIT(2) | BIT(12) | BIT(15) | BIT(25), BIT(30), BIT(22) | BIT(24) | BIT(25) },
	{ 0x7, 1, BIT(21), 0, 0, 0 }, /* AMX's half floats */
	{ 0xd, 0, BIT(17) | BIT(18), 0, 0, 0 }, /* the tiles' part of XSAVE */
	/* SVM, IBS, counters */
	{ 0x80000001, 0, 0, 0, BIT(2) | BIT(10) | BIT(23) | BIT(24) | BIT(28), 0 },
	{ 0x80000007, 0, 0, 0, 0, BIT(8) }, /* the TSC never stops */
};

/* Whole leaves that the guest sees as 0. */
static const uint32_t empty[] = {
	0x5, /* MONITOR */
	0xa, /* counters */
	0xf, 0x10, /* cache monitoring and allocation */
	0x12, /* SGX */
	0x14, /* processor trace */
	0x1d, 0x1e, /* tiles */
	0x8000000a, /* SVM */
	0x8000001b, /* IBS */
	0x8000001f, /* memory encryption */
	0x80000022, /* counters */
};

static void hide(struct kvm_cpuid_entry2 *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(empty); i++)
		if (e->function == empty[i])
			e->eax = e->ebx = e->ecx = e->edx = 0;
	for (size_t i = 0; i < ARRAY_SIZE(hidden); i++)
		if (e->function == hidden[i].function && e->index == hidden[i].index) {
			e->eax &= ~hidden[i].eax;
			e->ebx &= ~hidden[i].ebx;
			e->ecx &= ~hidden[i].ecx;
			e->edx &= ~hidden[i].edx;
		}
}

/* What older kernels can do, but leave to us to say: the local APIC's other mode, that this is a
 * machine, and the timer that counts the TSC, without which a guest would have to measure the
 * other one, for which there is no clock. */
static void show(const struct kvm_x86_cpu *cpu, struct kvm_cpuid_entry2 *e)
{
	if (e->function != 0x1)
		return;
	e->ecx |= KVM_X86_ECX_X2APIC | KVM_X86_ECX_HYPERVISOR;
	if (cpu->has_deadline)
		e->ecx |= KVM_X86_ECX_DEADLINE;
}

/* --- topology --------------------------------------------------------------------------------- */

/* As many bits as number this many. */
static unsigned bits_for(unsigned count)
{
	unsigned bits = 0;

	while ((1u << bits) < count)
		bits++;
	return bits;
}

static void set_topology(struct kvm_cpuid_entry2 *e, unsigned id, unsigned count)
{
	uint32_t last = (1u << bits_for(count)) - 1;

	switch (e->function) {
	case 0x1: /* its number, how many numbers a package has, and whether that is several */
		e->ebx = (e->ebx & 0xffff) | id << 24 | (last + 1) << 16;
		e->edx = count > 1 ? e->edx | BIT(28) : e->edx & ~BIT(28);
		break;
	case 0x4: /* Intel's caches: the last one is the package's, the others a core's */
		if (e->eax & 0x1f)
			e->eax = (e->eax & 0x3fff) | last << 26 |
				((e->eax >> 5 & 7) == 3 ? last << 14 : 0);
		break;
	case 0x80000008:
		e->ecx = (e->ecx & ~UINT32_C(0xf0ff)) | bits_for(count) << 12 | (count - 1);
		break;
	case 0x8000001d: /* AMD's */
		if (e->eax & 0x1f)
			e->eax = (e->eax & 0x3fff) |
				((e->eax >> 5 & 7) == 3 ? (count - 1) << 14 : 0);
		break;
	case 0x8000001e:
		e->eax = e->ebx = id;
		e->ecx = 0;
		break;
	}
}

/* Leaf 0xb is made of levels: threads of a core (one), cores of the package. */
static int add_levels(struct kvm_cpuid2 *c, unsigned id, unsigned count)
{
	const struct kvm_cpuid_entry2 levels[] = {
		{ .function = 0xb, .index = 0, .eax = 0, .ebx = 1, .ecx = 0x100, .edx = id },
		{ .function = 0xb,
			.index = 1,
			.eax = bits_for(count),
			.ebx = count,
			.ecx = 0x201,
			.edx = id },
		{ .function = 0xb, .index = 2, .ecx = 2, .edx = id },
	};

	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		if (c->nent == KVM_X86_CPUID_MAX)
			return -E2BIG;
		c->entries[c->nent] = levels[i];
		c->entries[c->nent++].flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	}
	return 0;
}

static bool is_level(const struct kvm_cpuid_entry2 *e)
{
	return e->function == 0xb || e->function == 0x1f;
}

/* --- all of it -------------------------------------------------------------------------------- */

static void filter(
	const struct kvm_cpuid2 *host, const struct kvm_x86_cpu *cpu, struct kvm_cpuid2 *ret)
{
	ret->nent = 0;
	for (unsigned i = 0; i < host->nent; i++) {
		struct kvm_cpuid_entry2 *e = &ret->entries[ret->nent];

		if (is_level(&host->entries[i]))
			continue;
		*e = host->entries[i];
		hide(e);
		show(cpu, e);
		ret->nent++;
	}
}

int kvm_x86_make_cpuid(const struct kvm_cpuid2 *host, const struct kvm_x86_cpu *cpu,
	struct kvm_cpuid2 *ret, struct error *err)
{
	int r = 0;

	if (cpu->model)
		r = kvm_x86_model_cpuid(cpu->model, host, cpu, ret, err);
	else
		filter(host, cpu, ret);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < ret->nent; i++)
		set_topology(&ret->entries[i], cpu->id, cpu->count);
	r = add_levels(ret, cpu->id, cpu->count);
	return r < 0 ? error_errno(err, r, "there is no room for what a vcpu can do") : 0;
}

/* FNV-1a over what is said, and not over what the kernel may leave in between. */
static uint64_t digest(const struct kvm_cpuid2 *c)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (unsigned i = 0; i < c->nent; i++) {
		const struct kvm_cpuid_entry2 *e = &c->entries[i];
		const uint32_t words[] = { e->function, e->index, e->eax, e->ebx, e->ecx, e->edx };

		for (size_t k = 0; k < ARRAY_SIZE(words); k++)
			hash = (hash ^ words[k]) * UINT64_C(0x100000001b3);
	}
	return hash;
}

static struct kvm_cpuid2 *make_room(void)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + KVM_X86_CPUID_MAX * sizeof(c->entries[0]));

	if (c)
		c->nent = KVM_X86_CPUID_MAX;
	return c;
}

/* Once for a machine: where the host is a machine itself, each leaf is an exit of it. */
static int ask_host(const struct kvm_vm *vm, struct error *err)
{
	int r;

	if (vm->arch->host)
		return 0;
	vm->arch->host = make_room();
	if (!vm->arch->host)
		return error_oom(err);
	r = kvm_ioctl(vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, vm->arch->host);
	return r < 0 ? error_errno(err, r, "KVM does not say what its vcpus can do") : 0;
}

int kvm_x86_set_cpuid(struct kvm_vcpu *vcpu, uint64_t *ret, struct error *err)
{
	const struct kvm_vm *vm = vcpu->vm;
	_cleanup_free_ struct kvm_cpuid2 *guest = make_room();
	const struct kvm_x86_cpu cpu = {
		.model = vm->arch->model,
		.id = vcpu->vcpu.index,
		.count = vm->config.nr_vcpus,
		.has_deadline = kvm_require(vm, KVM_CAP_TSC_DEADLINE_TIMER, "", NULL) == 0,
		.memory_end = vm_memory_end(vm->config.memory),
	};
	int r = guest ? ask_host(vm, err) : error_oom(err);

	if (r == 0)
		r = kvm_x86_make_cpuid(vm->arch->host, &cpu, guest, err);
	if (r < 0)
		return r;
	r = kvm_ioctl(vcpu->fd, KVM_SET_CPUID2, guest);
	*ret = digest(guest);
	return r < 0
		? error_errno(err, r, "KVM does not take what vcpu %u is to be able to do", cpu.id)
		: 0;
}
