/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x86-64-models.c - CPUs that are the same on every host that has what they need: the levels of the
 * psABI (System V ABI, AMD64 supplement, table "Micro-Architecture Levels").
 *
 * A model is made of constants, and of nothing that the host says: the features of its level and of
 * those below, what every CPU of 64 bits has and kernels want, what KVM does in software, caches,
 * a name. The host is only asked whether it has all of that. So a machine goes on wherever that is
 * true, and does not see the difference. The one exception is where AVX-512's registers are in the
 * area of XSAVE, which Intel's and AMD's CPUs do not agree on: a machine of x86-64-v4 goes on where
 * they are as they were, which the number that snapshots have of CPUID tells.
 *
 * It calls itself one of Intel's on all hosts. KVM makes the two instructions work that differ
 * there (SYSENTER and SYSCALL in programs of 32 bits), and Linux then does what is safe on both: a
 * name that it does not know would be an error on its console, and AMD's would leave out what old
 * CPUs of Intel need (page table isolation). What microcode adds for such defences is in no level,
 * so a model is without. Hypercalls, which differ as well, are only of use with features that are
 * left out here.
 */
#include "vcpu/kvm/x86-64.h"

#include <assert.h>
#include <string.h>

#include "base/str.h"

#define NR_LEVELS 4

static const struct kvm_x86_model models[NR_LEVELS] = {
	{ "x86-64-v1", 1, 36 },
	{ "x86-64-v2", 2, 36 },
	{ "x86-64-v3", 3, 39 },
	{ "x86-64-v4", 4, 39 },
};

/* --- features --------------------------------------------------------------------------------- */

enum word { EAX, EBX, ECX, EDX };

/* Intel SDM 2A, CPUID; AMD APM 3, appendix E; KVM's: Linux, Documentation/virt/kvm/x86/cpuid.rst.
 * Names are the psABI's where it has them. */
static const struct feature {
	uint32_t function;
	enum word word;
	uint8_t bit, level;
	bool is_ours; /* KVM does it in software, even where it does not say so */
	const char *name;
} features[] = {
	/* The baseline, and what is on every such CPU that kernels look for. */
	{ 0x1, EDX, 0, 1, false, "FPU" },
	{ 0x1, EDX, 2, 1, false, "DE" },
	{ 0x1, EDX, 3, 1, false, "PSE" },
	{ 0x1, EDX, 4, 1, false, "TSC" },
	{ 0x1, EDX, 5, 1, false, "MSR" },
	{ 0x1, EDX, 6, 1, false, "PAE" },
	{ 0x1, EDX, 7, 1, false, "MCE" },
	{ 0x1, EDX, 8, 1, false, "CX8" },
	{ 0x1, EDX, 9, 1, false, "APIC" },
	{ 0x1, EDX, 11, 1, false, "SEP" },
	{ 0x1, EDX, 12, 1, false, "MTRR" },
	{ 0x1, EDX, 13, 1, false, "PGE" },
	{ 0x1, EDX, 14, 1, false, "MCA" },
	{ 0x1, EDX, 15, 1, false, "CMOV" },
	{ 0x1, EDX, 16, 1, false, "PAT" },
	{ 0x1, EDX, 17, 1, false, "PSE36" },
	{ 0x1, EDX, 19, 1, false, "CLFSH" },
	{ 0x1, EDX, 23, 1, false, "MMX" },
	{ 0x1, EDX, 24, 1, false, "FXSR" },
	{ 0x1, EDX, 25, 1, false, "SSE" },
	{ 0x1, EDX, 26, 1, false, "SSE2" },
	{ 0x80000001, EDX, 11, 1, false, "SCE" },
	{ 0x80000001, EDX, 20, 1, false, "NX" },
	{ 0x80000001, EDX, 29, 1, false, "LM" },
	/* What KVM does, on any CPU. */
	{ 0x1, ECX, 21, 1, true, "X2APIC" },
	{ 0x1, ECX, 24, 1, true, "TSC-DEADLINE" },
	{ 0x1, ECX, 31, 1, true, "HYPERVISOR" },
	{ 0x6, EAX, 2, 1, true, "ARAT" },
	{ 0x40000001, EAX, 0, 1, false, "KVM_FEATURE_CLOCKSOURCE" },
	{ 0x40000001, EAX, 1, 1, false, "KVM_FEATURE_NOP_IO_DELAY" },
	{ 0x40000001, EAX, 3, 1, false, "KVM_FEATURE_CLOCKSOURCE2" },
	{ 0x40000001, EAX, 6, 1, false, "KVM_FEATURE_PV_EOI" },
	{ 0x40000001, EAX, 24, 1, false, "KVM_FEATURE_CLOCKSOURCE_STABLE_BIT" },

	{ 0x1, ECX, 0, 2, false, "SSE3" },
	{ 0x1, ECX, 9, 2, false, "SSSE3" },
	{ 0x1, ECX, 13, 2, false, "CMPXCHG16B" },
	{ 0x1, ECX, 19, 2, false, "SSE4_1" },
	{ 0x1, ECX, 20, 2, false, "SSE4_2" },
	{ 0x1, ECX, 23, 2, false, "POPCNT" },
	{ 0x80000001, ECX, 0, 2, false, "LAHF-SAHF" },

	{ 0x1, ECX, 12, 3, false, "FMA" },
	{ 0x1, ECX, 22, 3, false, "MOVBE" },
	{ 0x1, ECX, 26, 3, false, "XSAVE" }, /* OSXSAVE is what the guest makes of it */
	{ 0x1, ECX, 28, 3, false, "AVX" },
	{ 0x1, ECX, 29, 3, false, "F16C" },
	{ 0x7, EBX, 3, 3, false, "BMI1" },
	{ 0x7, EBX, 5, 3, false, "AVX2" },
	{ 0x7, EBX, 8, 3, false, "BMI2" },
	{ 0x80000001, ECX, 5, 3, false, "LZCNT" },

	{ 0x7, EBX, 16, 4, false, "AVX512F" },
	{ 0x7, EBX, 17, 4, false, "AVX512DQ" },
	{ 0x7, EBX, 28, 4, false, "AVX512CD" },
	{ 0x7, EBX, 30, 4, false, "AVX512BW" },
	{ 0x7, EBX, 31, 4, false, "AVX512VL" },
};

/* --- what does not depend on the level -------------------------------------------------------- */

#define INDEXED KVM_CPUID_FLAG_SIGNIFCANT_INDEX

/* Family 6, model 23, for which Linux knows no quirk that matters; lines of 64 bytes to flush. */
#define SIGNATURE 0x00010670
#define FLUSHES	  0x0800

/* By function and index. Words that features, addresses and topology fill in are 0. */
static const struct kvm_cpuid_entry2 fixed[] = {
	{ .function = 0x0, .eax = 0xd, .ebx = 0x756e6547, .ecx = 0x6c65746e, .edx = 0x49656e69 },
	{ .function = 0x1, .eax = SIGNATURE, .ebx = FLUSHES },
	{ .function = 0x2, .eax = 0xff01 }, /* see leaf 4 */
	/* Data and instructions 32 KiB, then 512 KiB, then 16 MiB for all: in the middle of what
	 * there is, because C libraries choose by it how to copy. */
	{ .function = 0x4, .flags = INDEXED, .eax = 0x121, .ebx = 0x01c0003f, .ecx = 0x3f },
	{ .function = 0x4,
		.index = 1,
		.flags = INDEXED,
		.eax = 0x122,
		.ebx = 0x01c0003f,
		.ecx = 0x3f },
	{ .function = 0x4,
		.index = 2,
		.flags = INDEXED,
		.eax = 0x143,
		.ebx = 0x01c0003f,
		.ecx = 0x3ff },
	{ .function = 0x4,
		.index = 3,
		.flags = INDEXED,
		.eax = 0x163,
		.ebx = 0x03c0003f,
		.ecx = 0x3fff },
	{ .function = 0x4, .index = 4, .flags = INDEXED },
	{ .function = 0x6 },
	{ .function = 0x7, .flags = INDEXED },
	/* "KVMKVMKVM" */
	{ .function = 0x40000000,
		.eax = 0x40000001,
		.ebx = 0x4b4d564b,
		.ecx = 0x564b4d56,
		.edx = 0x4d },
	{ .function = 0x40000001 },
	{ .function = 0x80000000, .eax = 0x80000008 },
	{ .function = 0x80000001 },
	{ .function = 0x80000006, .ecx = 0x02006040 }, /* the 512 KiB once more */
	{ .function = 0x80000008 },
};

#define NAME_LEAF   0x80000002 /* and the next two: 48 bytes */
#define NAME_LEAVES 3
#define NAME_BYTES  (NAME_LEAVES * 16)

static const struct kvm_cpuid_entry2 *find(
	const struct kvm_cpuid2 *c, uint32_t function, uint32_t index)
{
	for (unsigned i = 0; i < c->nent; i++)
		if (c->entries[i].function == function && c->entries[i].index == index)
			return &c->entries[i];
	return NULL;
}

static uint32_t *word_of(struct kvm_cpuid_entry2 *e, enum word word)
{
	uint32_t *const words[] = { &e->eax, &e->ebx, &e->ecx, &e->edx };

	return words[word];
}

static bool has_feature(const struct kvm_cpuid2 *host, const struct feature *f)
{
	const struct kvm_cpuid_entry2 *e = find(host, f->function, 0);
	struct kvm_cpuid_entry2 copy;

	if (!e)
		return false;
	copy = *e;
	return *word_of(&copy, f->word) >> f->bit & 1;
}

static struct kvm_cpuid_entry2 *add(struct kvm_cpuid2 *c, const struct kvm_cpuid_entry2 *entry)
{
	struct kvm_cpuid_entry2 *e = &c->entries[c->nent++];

	*e = *entry;
	return e;
}

static void add_features(struct kvm_cpuid_entry2 *e, unsigned level)
{
	for (size_t i = 0; i < ARRAY_SIZE(features); i++)
		if (features[i].function == e->function && e->index == 0 &&
			features[i].level <= level)
			*word_of(e, features[i].word) |= UINT32_C(1) << features[i].bit;
}

static void add_name(struct kvm_cpuid2 *c, const char *name)
{
	char text[NAME_BYTES] = "strata ";

	strncat(text, name, sizeof(text) - strlen(text) - 1);
	for (unsigned i = 0; i < NAME_LEAVES; i++) {
		struct kvm_cpuid_entry2 e = { .function = NAME_LEAF + i };

		memcpy(&e.eax, text + 16 * i, 4);
		memcpy(&e.ebx, text + 16 * i + 4, 4);
		memcpy(&e.ecx, text + 16 * i + 8, 4);
		memcpy(&e.edx, text + 16 * i + 12, 4);
		add(c, &e);
	}
}

/* --- the area of XSAVE (Intel SDM 1, §13.4) --------------------------------------------------- */

#define XSAVE_LEAF	0xd
#define XSAVE_HEAD	576 /* x87, SSE, and the header */
#define XSAVE_AVX_BYTES 256
#define XSAVE_LEGACY	UINT64_C(0x3)
#define XSAVE_AVX	UINT64_C(0x7)
#define XSAVE_AVX512	UINT64_C(0xe7)

/* Its parts from AVX-512's first on, and how large they are. */
#define AVX512_FIRST 5
static const uint32_t avx512_bytes[] = { 64, 512, 1024 };

uint64_t kvm_x86_model_xcr0(const struct kvm_x86_model *model)
{
	return model->level >= 4 ? XSAVE_AVX512 : model->level == 3 ? XSAVE_AVX : XSAVE_LEGACY;
}

/* A part is there, of this size; *ret_end is where it ends on this host. */
static bool has_part(
	const struct kvm_cpuid2 *host, unsigned number, uint32_t bytes, uint32_t *ret_end)
{
	const struct kvm_cpuid_entry2 *all = find(host, XSAVE_LEAF, 0);
	const struct kvm_cpuid_entry2 *e = find(host, XSAVE_LEAF, number);

	if (!all || !(all->eax >> number & 1) || !e || e->eax != bytes)
		return false;
	*ret_end = e->ebx + e->eax;
	return true;
}

static bool has_xsave(const struct kvm_cpuid2 *host, unsigned level)
{
	uint32_t end;

	if (level >= 3 &&
		(!has_part(host, 2, XSAVE_AVX_BYTES, &end) || end != XSAVE_HEAD + XSAVE_AVX_BYTES))
		return false;
	for (unsigned i = 0; level >= 4 && i < ARRAY_SIZE(avx512_bytes); i++)
		if (!has_part(host, AVX512_FIRST + i, avx512_bytes[i], &end))
			return false;
	return true;
}

static void add_xsave(
	struct kvm_cpuid2 *c, const struct kvm_cpuid2 *host, const struct kvm_x86_model *model)
{
	struct kvm_cpuid_entry2 e = { .function = XSAVE_LEAF, .flags = INDEXED }, *all, *part;
	uint32_t end = XSAVE_HEAD + XSAVE_AVX_BYTES;

	all = add(c, &e);
	if (model->level < 3)
		return;
	e = (struct kvm_cpuid_entry2){ .function = XSAVE_LEAF,
		.index = 2,
		.flags = INDEXED,
		.eax = XSAVE_AVX_BYTES,
		.ebx = XSAVE_HEAD };
	add(c, &e);
	for (unsigned i = 0; model->level >= 4 && i < ARRAY_SIZE(avx512_bytes); i++) {
		uint32_t part_end = 0;

		has_part(host, AVX512_FIRST + i, avx512_bytes[i], &part_end);
		part = add(c, &e);
		part->index = AVX512_FIRST + i;
		part->eax = avx512_bytes[i];
		part->ebx = part_end - avx512_bytes[i];
		end = part_end > end ? part_end : end;
	}
	all->eax = (uint32_t)kvm_x86_model_xcr0(model);
	all->ebx = all->ecx = end;
}

/* --- asking the host -------------------------------------------------------------------------- */

#define ADDRESS_LEAF 0x80000008

static unsigned address_bits(const struct kvm_cpuid2 *host)
{
	const struct kvm_cpuid_entry2 *e = find(host, ADDRESS_LEAF, 0);

	return e ? e->eax & 0xff : 36;
}

/* What the host is without, as words; NULL: out of memory, "": nothing. */
static char *missing(const struct kvm_cpuid2 *host, const struct kvm_x86_cpu *cpu,
	const struct kvm_x86_model *model)
{
	struct str list = { 0 };

	str_append(&list, "");
	for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
		const struct feature *f = &features[i];

		if (f->level <= model->level && !f->is_ours && !has_feature(host, f))
			str_appendf(&list, "%s%s", list.len ? ", " : "", f->name);
	}
	if (!cpu->has_deadline)
		str_appendf(&list, "%sTSC-DEADLINE", list.len ? ", " : "");
	if (address_bits(host) < model->address_bits)
		str_appendf(
			&list, "%saddresses of %u bits", list.len ? ", " : "", model->address_bits);
	if (!list.len && !has_xsave(host, model->level))
		str_append(&list, "registers of AVX where they should be");
	return str_finish(&list);
}

/* The highest level that it has all of; NULL: none. */
static const struct kvm_x86_model *find_highest(
	const struct kvm_cpuid2 *host, const struct kvm_x86_cpu *cpu)
{
	const struct kvm_x86_model *highest = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
		_cleanup_free_ char *without = missing(host, cpu, &models[i]);

		if (without && !*without)
			highest = &models[i];
	}
	return highest;
}

static int check_host(const struct kvm_x86_model *model, const struct kvm_cpuid2 *host,
	const struct kvm_x86_cpu *cpu, struct error *err)
{
	_cleanup_free_ char *without = missing(host, cpu, model);
	const struct kvm_x86_model *highest;

	if (!without)
		return error_oom(err);
	if (*without) {
		highest = find_highest(host, cpu);
		return error_set(err, ENOTSUP,
			"--cpu %s: this host's CPU and KVM are without %s; the highest level that they have is %s",
			model->name, without, highest ? highest->name : "none");
	}
	if (cpu->memory_end > UINT64_C(1) << model->address_bits)
		return error_set(err, EINVAL, "--cpu %s: such a machine has room for %llu GiB",
			model->name, (unsigned long long)(1ULL << (model->address_bits - 30)) - 1);
	return 0;
}

const struct kvm_x86_model *kvm_x86_model_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(models); i++)
		if (streq(models[i].name, name))
			return &models[i];
	return NULL;
}

static_assert(ARRAY_SIZE(fixed) + NAME_LEAVES + 2 + ARRAY_SIZE(avx512_bytes) < KVM_X86_CPUID_MAX,
	"room for a model");

int kvm_x86_model_cpuid(const struct kvm_x86_model *model, const struct kvm_cpuid2 *host,
	const struct kvm_x86_cpu *cpu, struct kvm_cpuid2 *ret, struct error *err)
{
	int r = check_host(model, host, cpu, err);

	if (r < 0)
		return r;
	ret->nent = 0;
	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++) {
		struct kvm_cpuid_entry2 *e = add(ret, &fixed[i]);

		add_features(e, model->level);
		if (e->function == ADDRESS_LEAF)
			e->eax = 48 << 8 | model->address_bits; /* virtual, physical */
	}
	add_name(ret, model->name);
	add_xsave(ret, host, model);
	return 0;
}

/* --- registers -------------------------------------------------------------------------------- */

/* By number: those that a machine of a model has, all of which every KVM keeps. */
static const struct kvm_x86_msr registers[] = {
	{ .index = 0x10 }, /* TSC */
	{ .index = 0x11 }, { .index = 0x12 }, /* kvmclock's first numbers */
	{ .index = 0x3b }, /* TSC_ADJUST */
	{ .index = 0x8b, .value = UINT64_C(1) << 32 }, /* microcode */
	{ .index = 0x174 }, { .index = 0x175 }, { .index = 0x176 }, /* SYSENTER */
	{ .index = 0x17a }, { .index = 0x17b }, /* MCG_STATUS, MCG_CTL */
	{ .index = 0x1a0, .value = 0x1801 }, /* MISC_ENABLE: fast strings, no BTS, no PEBS */
	{ .index = 0x277 }, /* PAT */
	{ .index = 0x6e0 }, /* TSC_DEADLINE */
	{ .index = 0x4b564d00 }, { .index = 0x4b564d01 }, /* kvmclock */
	{ .index = 0x4b564d04 }, /* PV_EOI */
	{ .index = 0xc0000081 }, { .index = 0xc0000082 }, { .index = 0xc0000083 }, /* SYSCALL */
	{ .index = 0xc0000084 }, { .index = 0xc0000102 }, /* KERNEL_GS_BASE */
};

const struct kvm_x86_msr *kvm_x86_model_register(uint32_t index)
{
	for (size_t i = 0; i < ARRAY_SIZE(registers); i++)
		if (registers[i].index == index)
			return &registers[i];
	return NULL;
}
