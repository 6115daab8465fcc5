/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmgenid.h - the number that tells a guest that it goes on as another one than it was (Microsoft,
 * "Virtual Machine Generation ID"; Linux, devicetree/bindings/rng/microsoft,vmgenid.yaml).
 *
 * It is random, and another one each time that a snapshot is restored, which an interrupt says.
 * Linux then makes its random numbers anew, so that no two machines from one snapshot have the
 * same.
 */
#pragma once

#include "vm/vm.h"

#define VMGENID_BYTES	     0x1000 /* of the window; the number is at its beginning */
#define VMGENID_NUMBER_BYTES 16

struct vmgenid {
	struct vm_io io; /* `start` is filled in by the board */
	struct vm_irq irq; /* up from a restore until the number is read */
	struct vm_saved saved;
	uint8_t number[VMGENID_NUMBER_BYTES];
	bool has_changed; /* and the guest has not read it; atomic */
};

void vmgenid_init(struct vmgenid *vmgenid, const struct vm_irq *irq);
