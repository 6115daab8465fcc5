/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot-memory.h - regions of memory to files of a snapshot's folder, and back: whole ones, and
 * what differs from an earlier snapshot.
 */
#pragma once

#include "vm/vm.h"

/* To empty files. A negative errno, or 0; what is written is on the disk by then. */
int snapshot_write_memory(const struct vm_region *region, int fd);
/* Only pages with VM_PAGE_DIRTY, and perhaps some of their neighbours. */
int snapshot_write_changes(const struct vm_region *region, int memory_fd, int changes_fd);

/* Before anything runs. is_shared: others have mapped the region already, so it is copied. */
int snapshot_restore_memory(
	struct vm_memory *memory, unsigned number, int folder_fd, bool is_shared);
/* Behind that, for each difference in its turn. -EINVAL: the files contradict each other. */
int snapshot_restore_changes(struct vm_memory *memory, unsigned number, int folder_fd);
