/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot.h - a machine that stands to a folder, and back.
 */
#pragma once

#include "machine/internal.h"

/* To a folder that is not there yet; all vcpus stand, and it is the event loop's thread. The
 * machine can go on behind it, whether it has worked or not. */
int machine_save(struct machine *machine, const char *folder, struct error *err);
/* Before any vcpu runs, in place of the board's load(): a machine with the same options. */
int machine_restore(struct machine *machine, const char *folder, struct error *err);
