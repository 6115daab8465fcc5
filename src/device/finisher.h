/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finisher.h - how a guest turns its machine off, or restarts it: SiFive's test finisher, which is
 * a syscon for the device tree.
 */
#pragma once

#include "vm/vm.h"

#define FINISHER_BYTES 0x1000

/* What the guest writes to the word at 0. */
#define FINISHER_FAIL  0x3333 /* with a status in the upper half */
#define FINISHER_PASS  0x5555
#define FINISHER_RESET 0x7777

struct finisher {
	struct vm_io io; /* `start` is filled in by the board */
	struct vm_power *power;
};

void finisher_init(struct finisher *finisher, struct vm_power *power);
