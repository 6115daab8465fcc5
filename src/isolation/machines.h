/* SPDX-License-Identifier: Apache-2.0 */
/*
 * machines.h - what is kept for machines below a state root, all of which can be made again.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct machines_usage {
	size_t snapshots; /* vm-golden.c */
	uint64_t bytes; /* on the disk, of these and of blank disks */
};

/* What is kept in the store at root. */
int machines_measure(const char *root, struct machines_usage *ret, struct error *err);
/* Remove it; *ret is what is gone, also when not all of it is. Machines that run keep theirs. */
int machines_remove_all(const char *root, struct machines_usage *ret, struct error *err);
