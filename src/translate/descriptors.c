/* SPDX-License-Identifier: Apache-2.0 */
/*
 * descriptors.c - the descriptors that are ours are none to the guest.
 */
#include "translate/internal.h"

bool descriptor_is_ours(const struct thread *t, uint64_t fd)
{
	const struct process *process = t->process;

	/* The kernel looks at 32 bits of it. */
	return (int32_t)fd >= 0 &&
		((int32_t)fd == process->program_fd || (int32_t)fd == process->filter_fd);
}
