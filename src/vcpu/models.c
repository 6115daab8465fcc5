/* SPDX-License-Identifier: Apache-2.0 */
/*
 * models.c - the table of names. What x86-64's mean is in kvm/x86-64-models.c.
 */
#include "vcpu/models.h"

#include "base/str.h"

static const struct vcpu_model models[] = {
	{ "x86_64", "host", "all that this host's CPU has and KVM can give; for hosts like this" },
	{ "x86_64", "x86-64-v1", "SSE2: every CPU of 64 bits" },
	{ "x86_64", "x86-64-v2", "SSE4.2 and POPCNT: CPUs since 2009" },
	{ "x86_64", "x86-64-v3", "AVX2, BMI2 and FMA: CPUs since 2013" },
	{ "x86_64", "x86-64-v4", "AVX-512: some CPUs since 2017" },
	{ "riscv64", "rv64", "all that strata emulates" },
};

const struct vcpu_model *vcpu_model_at(size_t index)
{
	return index < ARRAY_SIZE(models) ? &models[index] : NULL;
}

int vcpu_model_check(const char *machine, const char *name, struct error *err)
{
	_cleanup_str_ struct str list = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
		if (!streq(models[i].machine, machine))
			continue;
		if (streq(models[i].name, name))
			return 0;
		str_appendf(&list, "%s%s", list.len ? ", " : "", models[i].name);
	}
	if (list.failed)
		return error_oom(err);
	return error_set(err, EINVAL, "--cpu: a machine for %s has no \"%s\", but %s", machine,
		name, list.data ? list.data : "none");
}
