/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boards.c - which machines there are, and which one a configuration wants.
 */
#include <assert.h>

#include "base/str.h"
#include "machine/internal.h"
#include "machine/kernel.h"
#include "machine/snapshot.h"

/* NULL: not on this host. */
static const struct machine_board *const boards[] = {
	[MACHINE_ARCH_RISCV64] = &machine_board_riscv,
	[MACHINE_ARCH_X86_64] = &machine_board_x86,
};
static_assert(ARRAY_SIZE(boards) == MACHINE_ARCH_COUNT, "one for each architecture");

static int find_saved(const char *folder, enum machine_arch *ret, struct error *err)
{
	char name[SNAPSHOT_BOARD_SIZE];
	int r = machine_peek_snapshot(folder, name, err);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < ARRAY_SIZE(boards); i++)
		if (boards[i] && streq(boards[i]->name, name)) {
			*ret = (enum machine_arch)i;
			return 0;
		}
	return error_set(err, ENOTSUP, "%s is a machine \"%s\", which this host does not have",
		folder, name);
}

int machine_find_board(
	const struct machine_config *config, const struct machine_board **ret, struct error *err)
{
	enum machine_arch arch = config->arch;
	int r = 0;

	if (arch == MACHINE_ARCH_OF_KERNEL && config->restore)
		r = find_saved(config->restore, &arch, err);
	else if (arch == MACHINE_ARCH_OF_KERNEL && config->kernel && !config->firmware)
		r = kernel_peek(config->kernel, &arch, err);
	if (arch == MACHINE_ARCH_OF_KERNEL)
		arch = MACHINE_ARCH_RISCV64;
	if (r < 0)
		return r;
	*ret = boards[arch];
	return *ret ? 0
		    : error_set(err, ENOTSUP, "this host has no machine for %s",
			      machine_arch_name(arch));
}
