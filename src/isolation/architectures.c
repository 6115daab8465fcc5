/* SPDX-License-Identifier: Apache-2.0 */
/*
 * architectures.c - the table of CPUs that machines have.
 */
#include "isolation/architectures.h"

#include <stdio.h>

#include "base/str.h"
#include "image/image.h"
#include "vcpu/kvm/host.h"

/* A kernel that panics restarts (panic=-1), which ends the machine. There is no PCI to be looked
 * for. */
static const struct machine_architecture architectures[] = {
	{ "amd64", "x86_64", "console=ttyS0 quiet panic=-1 audit=0 pci=off", false },
	{ "riscv64", "riscv64", "console=ttyS0 quiet panic=-1 audit=0", true },
};

const struct machine_architecture *machine_architecture_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(architectures); i++)
		if (streq(architectures[i].name, name))
			return &architectures[i];
	return NULL;
}

const char *machine_architecture_emulated(size_t index)
{
	for (size_t i = 0; i < ARRAY_SIZE(architectures); i++)
		if (architectures[i].is_emulated && index-- == 0)
			return architectures[i].name;
	return NULL;
}

static bool is_of_host(const char *name)
{
	struct image_platform host;

	return image_platform_parse(NULL, &host, NULL) == 0 && streq(host.architecture, name);
}

static int no_machines(const char *name, struct error *err)
{
	_cleanup_str_ struct str list = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(architectures); i++)
		str_appendf(&list, "%slinux/%s", i ? " and " : "", architectures[i].name);
	if (list.failed)
		return error_oom(err);
	return error_set(err, ENOTSUP,
		"isolation vm has machines for %s only: this image is for linux/%s", list.data,
		name);
}

int machine_architecture_check(const char *name, struct error *err)
{
	const struct machine_architecture *it = machine_architecture_find(name);
	struct error why = { 0 };

	if (!it)
		return no_machines(name, err);
	if (it->is_emulated)
		return 0;
	if (!is_of_host(name))
		return error_set(err, ENOTSUP,
			"machines of linux/%s run on a host of that CPU only; containers work without, and emulated machines (--platform linux/%s)",
			name, machine_architecture_emulated(0));
	if (kvm_host_check(&why) == 0)
		return 0;
	return error_set(err, ENOTSUP,
		"a machine of linux/%s needs KVM, and %s; containers work without, and emulated machines (--platform linux/%s)",
		name, why.message, machine_architecture_emulated(0));
}

const char *machine_architecture_default(struct error *ret_why)
{
	struct error why = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(architectures); i++)
		if (is_of_host(architectures[i].name) &&
			(architectures[i].is_emulated || kvm_host_check(&why) == 0))
			return architectures[i].name;
	if (ret_why)
		*ret_why = why;
	return machine_architecture_emulated(0);
}

void machine_architecture_cpu(const char *name, const char *model, char ret[MACHINE_CPU_MAX])
{
	const struct machine_architecture *it = machine_architecture_find(name);
	char host[KVM_MODEL_MAX] = "";

	if (it && it->is_emulated)
		model = NULL; /* there is one only */
	else if (it && (!model || streq(model, "host"))) {
		kvm_host_model(host);
		model = host;
	}
	snprintf(ret, MACHINE_CPU_MAX, "%s%s%s", name, model ? "-" : "", model ? model : "");
}
