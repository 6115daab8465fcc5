/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-cpuid.c - what vcpus of x86-64 say of themselves, from what made-up hosts can do: a model is
 * the same on all that have its level, and has nothing of them.
 */
#include "unit/test.h"

#include <string.h>

#include "base/str.h"
#include "vcpu/kvm/x86-64.h"
#include "vcpu/models.h"

#define BIT(n) (UINT32_C(1) << (n))

union table {
	struct kvm_cpuid2 head;
	uint8_t room[sizeof(struct kvm_cpuid2) +
		KVM_X86_CPUID_MAX * sizeof(struct kvm_cpuid_entry2)];
};

static union table host, guest, other;

static struct kvm_cpuid_entry2 *find(union table *t, uint32_t function, uint32_t index)
{
	for (unsigned i = 0; i < t->head.nent; i++)
		if (t->head.entries[i].function == function && t->head.entries[i].index == index)
			return &t->head.entries[i];
	fail_msg("there is no leaf %#x.%u", function, index);
	return NULL;
}

static void add(
	uint32_t function, uint32_t index, uint32_t eax, uint32_t ebx, uint32_t ecx, uint32_t edx)
{
	host.head.entries[host.head.nent++] = (struct kvm_cpuid_entry2){
		.function = function, .index = index, .eax = eax, .ebx = ebx, .ecx = ecx, .edx = edx
	};
}

/* All that the highest level needs, and everything else that a leaf has bits for. */
static void make_host(const char *vendor, uint32_t avx512_start)
{
	uint32_t name[3];

	memset(&host, 0, sizeof(host));
	memcpy(name, vendor, sizeof(name));
	add(0x0, 0, 0x20, name[0], name[2], name[1]);
	add(0x1, 0, 0x000506e3, 0x12345678, UINT32_MAX, UINT32_MAX);
	add(0x4, 0, 0x1c004121, 1, 2, 3);
	add(0x6, 0, UINT32_MAX, UINT32_MAX, UINT32_MAX, 0);
	add(0x7, 0, 2, UINT32_MAX, UINT32_MAX, UINT32_MAX);
	add(0x7, 1, UINT32_MAX, 0, 0, 0);
	add(0xb, 0, 1, 2, 0x100, 99);
	add(0xd, 0, 0x602ff, 2696, 2696, 0);
	add(0xd, 1, 0xf, 0, 0, 0);
	add(0xd, 2, 256, 576, 0, 0);
	add(0xd, 5, 64, avx512_start, 0, 0);
	add(0xd, 6, 512, avx512_start + 64, 0, 0);
	add(0xd, 7, 1024, avx512_start + 576, 0, 0);
	add(0x15, 0, 2, 200, 24000000, 0);
	add(0x40000000, 0, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d);
	add(0x40000001, 0, UINT32_MAX, 0, 0, 0);
	add(0x80000000, 0, 0x80000021, name[0], name[2], name[1]);
	add(0x80000001, 0, 0x000506e3, 0, UINT32_MAX, UINT32_MAX);
	add(0x80000002, 0, 0x6574656c, 0, 0, 0);
	add(0x80000007, 0, 0, 0, 0, BIT(8));
	add(0x80000008, 0, 0x3030, UINT32_MAX, 0x7fff, 0);
}

static void make_intel(void)
{
	make_host("GenuineIntel", 1088);
}

static void make_amd(void)
{
	make_host("AuthenticAMD", 832);
}

static int make(union table *ret, const char *model, unsigned id, unsigned count, struct error *err)
{
	const struct kvm_x86_cpu cpu = { .model = kvm_x86_model_find(model),
		.id = id,
		.count = count,
		.has_deadline = true,
		.memory_end = UINT64_C(1) << 32 };

	memset(ret, 0, sizeof(*ret));
	return kvm_x86_make_cpuid(&host.head, &cpu, &ret->head, err);
}

static void refused(const char *model, const char *sentence)
{
	struct error err = { 0 };

	assert_int_equal(make(&guest, model, 0, 1, &err), -ENOTSUP);
	assert_string_equal(err.message, sentence);
}

/* --- models ----------------------------------------------------------------------------------- */

/* What each level adds, as the ABI's table has it. */
static const struct {
	uint32_t function;
	int word; /* 0: eax, ... */
	unsigned bit, level;
} samples[] = {
	{ 0x1, 3, 15, 1 },
	{ 0x1, 3, 26, 1 },
	{ 0x80000001, 3, 11, 1 }, /* CMOV, SSE2, SCE */
	{ 0x1, 2, 0, 2 },
	{ 0x1, 2, 9, 2 },
	{ 0x1, 2, 13, 2 }, /* SSE3, SSSE3, CMPXCHG16B */
	{ 0x1, 2, 19, 2 },
	{ 0x1, 2, 20, 2 },
	{ 0x1, 2, 23, 2 }, /* SSE4.1, SSE4.2, POPCNT */
	{ 0x80000001, 2, 0, 2 }, /* LAHF-SAHF */
	{ 0x1, 2, 28, 3 },
	{ 0x7, 1, 5, 3 },
	{ 0x7, 1, 3, 3 }, /* AVX, AVX2, BMI1 */
	{ 0x7, 1, 8, 3 },
	{ 0x1, 2, 29, 3 },
	{ 0x1, 2, 12, 3 }, /* BMI2, F16C, FMA */
	{ 0x80000001, 2, 5, 3 },
	{ 0x1, 2, 22, 3 },
	{ 0x1, 2, 26, 3 }, /* LZCNT, MOVBE, XSAVE */
	{ 0x7, 1, 16, 4 },
	{ 0x7, 1, 30, 4 },
	{ 0x7, 1, 28, 4 }, /* AVX512F, BW, CD */
	{ 0x7, 1, 17, 4 },
	{ 0x7, 1, 31, 4 }, /* DQ, VL */
	/* AES, RDRAND, RDTSCP, VMX, SVM, and defences that microcode has brought. */
	{ 0x1, 2, 25, 9 },
	{ 0x1, 2, 30, 9 },
	{ 0x80000001, 3, 27, 9 },
	{ 0x1, 2, 5, 9 },
	{ 0x80000001, 2, 2, 9 },
	{ 0x7, 3, 26, 9 },
	{ 0x7, 3, 29, 9 },
	{ 0x40000001, 0, 7, 9 },
};

static void a_level_is_its_features(void **state)
{
	static const char *const names[] = { "x86-64-v1", "x86-64-v2", "x86-64-v3", "x86-64-v4" };

	make_intel();
	for (unsigned level = 1; level <= ARRAY_SIZE(names); level++) {
		assert_int_equal(make(&guest, names[level - 1], 0, 1, NULL), 0);
		for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
			const struct kvm_cpuid_entry2 *e = find(&guest, samples[i].function, 0);
			const uint32_t words[] = { e->eax, e->ebx, e->ecx, e->edx };
			bool is_set = words[samples[i].word] >> samples[i].bit & 1;

			if (is_set != (samples[i].level <= level))
				fail_msg("%s: leaf %#x, word %d, bit %u is %d", names[level - 1],
					samples[i].function, samples[i].word, samples[i].bit,
					is_set);
		}
	}
}

static void a_model_is_the_same_everywhere(void **state)
{
	static const char *const names[] = { "x86-64-v1", "x86-64-v2", "x86-64-v3" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		make_intel();
		assert_int_equal(make(&guest, names[i], 1, 3, NULL), 0);
		make_amd();
		find(&host, 0x80000008, 0)->eax = 0x3034;
		assert_int_equal(make(&other, names[i], 1, 3, NULL), 0);
		assert_memory_equal(&guest, &other, sizeof(guest));
	}
}

static void a_model_has_a_name_and_a_topology(void **state)
{
	char name[48];

	make_amd();
	assert_int_equal(make(&guest, "x86-64-v3", 2, 3, NULL), 0);
	for (unsigned i = 0; i < 3; i++)
		memcpy(name + 16 * i, &find(&guest, 0x80000002 + i, 0)->eax, 16);
	assert_string_equal(name, "strata x86-64-v3");
	assert_int_equal(find(&guest, 0, 0)->ebx, 0x756e6547);
	assert_int_equal(find(&guest, 0x1, 0)->ebx, 2 << 24 | 4 << 16 | 0x0800);
	assert_int_equal(find(&guest, 0xb, 1)->ebx, 3);
	assert_int_equal(find(&guest, 0xb, 1)->edx, 2);
	assert_int_equal(find(&guest, 0x80000008, 0)->eax, 0x3027);
	assert_int_equal(find(&guest, 0xd, 0)->eax, 7);
	assert_int_equal(find(&guest, 0xd, 0)->ecx, 832);
}

/* Where AVX-512's registers are, and how much all takes, is the host's. */
static void avx512_is_where_the_host_has_it(void **state)
{
	make_intel();
	assert_int_equal(make(&guest, "x86-64-v4", 0, 1, NULL), 0);
	assert_int_equal(find(&guest, 0xd, 0)->eax, 0xe7);
	assert_int_equal(find(&guest, 0xd, 0)->ebx, 2688);
	assert_int_equal(find(&guest, 0xd, 5)->ebx, 1088);
	make_amd();
	assert_int_equal(make(&other, "x86-64-v4", 0, 1, NULL), 0);
	assert_int_equal(find(&other, 0xd, 0)->ebx, 2432);
	assert_int_equal(find(&other, 0xd, 7)->ebx, 1408);
}

/* --- hosts that have not all of it ------------------------------------------------------------ */

static void what_is_missing_is_named(void **state)
{
	make_intel();
	find(&host, 0x7, 0)->ebx &= ~(BIT(16) | BIT(5) | BIT(8));
	refused("x86-64-v4",
		"--cpu x86-64-v4: this host's CPU and KVM are without AVX2, BMI2, AVX512F; the highest level that they have is x86-64-v2");
	refused("x86-64-v3",
		"--cpu x86-64-v3: this host's CPU and KVM are without AVX2, BMI2; the highest level that they have is x86-64-v2");
	assert_int_equal(make(&guest, "x86-64-v2", 0, 1, NULL), 0);

	make_intel();
	find(&host, 0x40000001, 0)->eax = 0;
	find(&host, 0x1, 0)->edx &= ~BIT(12);
	refused("x86-64-v1",
		"--cpu x86-64-v1: this host's CPU and KVM are without MTRR, KVM_FEATURE_CLOCKSOURCE, KVM_FEATURE_NOP_IO_DELAY, KVM_FEATURE_CLOCKSOURCE2, KVM_FEATURE_PV_EOI, KVM_FEATURE_CLOCKSOURCE_STABLE_BIT; the highest level that they have is none");
}

static void addresses_and_registers_are_needed(void **state)
{
	make_intel();
	find(&host, 0x80000008, 0)->eax = 0x3024;
	refused("x86-64-v3",
		"--cpu x86-64-v3: this host's CPU and KVM are without addresses of 39 bits; the highest level that they have is x86-64-v2");
	make_intel();
	find(&host, 0xd, 2)->ebx = 640;
	refused("x86-64-v3",
		"--cpu x86-64-v3: this host's CPU and KVM are without registers of AVX where they should be; the highest level that they have is x86-64-v2");
	make_intel();
	find(&host, 0xd, 0)->eax &= ~0x80u;
	refused("x86-64-v4",
		"--cpu x86-64-v4: this host's CPU and KVM are without registers of AVX where they should be; the highest level that they have is x86-64-v3");
}

static void memory_has_to_be_reached(void **state)
{
	struct kvm_x86_cpu cpu = { .model = kvm_x86_model_find("x86-64-v2"),
		.count = 1,
		.has_deadline = true,
		.memory_end = UINT64_C(64) << 30 };
	struct error err = { 0 };

	make_intel();
	assert_int_equal(kvm_x86_make_cpuid(&host.head, &cpu, &guest.head, &err), 0);
	cpu.memory_end++;
	assert_int_equal(kvm_x86_make_cpuid(&host.head, &cpu, &guest.head, &err), -EINVAL);
	assert_string_equal(err.message, "--cpu x86-64-v2: such a machine has room for 63 GiB");
	cpu.has_deadline = false;
	cpu.memory_end = 0;
	assert_int_equal(kvm_x86_make_cpuid(&host.head, &cpu, &guest.head, &err), -ENOTSUP);
}

/* --- the host's own --------------------------------------------------------------------------- */

static void the_host_is_filtered(void **state)
{
	make_intel();
	assert_int_equal(make(&guest, "host", 1, 2, NULL), 0);
	assert_int_equal(find(&guest, 0x1, 0)->ecx & (BIT(5) | BIT(15)), 0); /* VMX, PDCM */
	assert_int_not_equal(find(&guest, 0x1, 0)->ecx & BIT(25), 0); /* AES */
	assert_int_equal(find(&guest, 0x7, 0)->edx & BIT(24), 0); /* tiles */
	assert_int_equal(find(&guest, 0xd, 0)->eax, 0x2ff);
	assert_int_equal(find(&guest, 0x80000001, 0)->ecx & BIT(2), 0); /* SVM */
	assert_int_equal(find(&guest, 0x80000007, 0)->edx, 0);
	assert_int_equal(find(&guest, 0xb, 0)->edx, 1);
	assert_int_equal(find(&guest, 0x15, 0)->ecx, 24000000);
}

/* Who may be told a name and who makes the CPU agree on which there are. */
static void all_names_are_made(void **state)
{
	const struct vcpu_model *model;
	unsigned nr = 0;

	for (size_t i = 0; (model = vcpu_model_at(i)); i++)
		if (streq(model->machine, "x86_64") && !streq(model->name, "host")) {
			assert_non_null(kvm_x86_model_find(model->name));
			nr++;
		}
	assert_int_equal(nr, 4);
	assert_null(kvm_x86_model_find("host"));
}

static void other_names_are_refused(void **state)
{
	struct error err = { 0 };

	assert_int_equal(vcpu_model_check("x86_64", "x86-64-v3", &err), 0);
	assert_int_equal(vcpu_model_check("riscv64", "rv64", &err), 0);
	assert_int_equal(vcpu_model_check("riscv64", "x86-64-v3", &err), -EINVAL);
	assert_string_equal(
		err.message, "--cpu: a machine for riscv64 has no \"x86-64-v3\", but rv64");
	assert_int_equal(vcpu_model_check("x86_64", "haswell", &err), -EINVAL);
	assert_string_equal(err.message,
		"--cpu: a machine for x86_64 has no \"haswell\", but host, x86-64-v1, x86-64-v2, x86-64-v3, x86-64-v4");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_level_is_its_features),
		cmocka_unit_test(a_model_is_the_same_everywhere),
		cmocka_unit_test(a_model_has_a_name_and_a_topology),
		cmocka_unit_test(avx512_is_where_the_host_has_it),
		cmocka_unit_test(what_is_missing_is_named),
		cmocka_unit_test(addresses_and_registers_are_needed),
		cmocka_unit_test(memory_has_to_be_reached),
		cmocka_unit_test(the_host_is_filtered),
		cmocka_unit_test(all_names_are_made),
		cmocka_unit_test(other_names_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
