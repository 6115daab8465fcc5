/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arch.c - the names of the architectures that machines have.
 */
#include <assert.h>

#include "base/str.h"
#include "machine/machine.h"

static const struct {
	const char *name;
	const char *other; /* as OCI platforms call it, when that differs */
} names[] = {
	[MACHINE_ARCH_OF_KERNEL] = { NULL, NULL },
	[MACHINE_ARCH_RISCV64] = { "riscv64", NULL },
	[MACHINE_ARCH_X86_64] = { "x86_64", "amd64" },
};
static_assert(ARRAY_SIZE(names) == MACHINE_ARCH_COUNT, "one for each architecture");

const char *machine_arch_name(enum machine_arch arch)
{
	return names[arch].name;
}

bool machine_arch_parse(const char *name, enum machine_arch *ret)
{
	for (int i = MACHINE_ARCH_OF_KERNEL + 1; i < MACHINE_ARCH_COUNT; i++)
		if (streq(name, names[i].name) || (names[i].other && streq(name, names[i].other))) {
			*ret = (enum machine_arch)i;
			return true;
		}
	return false;
}
