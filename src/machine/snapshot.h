/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot.h - a machine that stands to a folder, and back.
 */
#pragma once

#include "machine/internal.h"
#include "machine/snapshot-folder.h"

#define SNAPSHOT_CHAIN_MAX 8 /* differences on top of each other */

/* To the files of a folder that is being made, whose real path will be `folder`; all vcpus stand,
 * and it is the event loop's thread. The machine can go on behind it, whether it has worked or not.
 * A difference: only what was written since the last snapshot, which must stay where it is. */
int machine_save(struct machine *machine, const int fds[SNAPSHOT_FILES_MAX], const char *folder,
	bool is_difference, struct error *err);
/* Does it know of a snapshot that another can be a difference to (machine->base)? */
int machine_check_base(const struct machine *machine, struct error *err);
/* It did not become one. */
void machine_forget_base(struct machine *machine);
/* Which board it is of, by its name. */
int machine_peek_snapshot(const char *folder, char ret[SNAPSHOT_BOARD_SIZE], struct error *err);
/* Before any vcpu runs, in place of the board's load(): a machine with the same options. */
int machine_restore(struct machine *machine, const char *folder, struct error *err);
