/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm_disks.h - a machine's disks as they are given on the command line.
 */
#pragma once

#include "machine/machine.h"

/* The strings stay those of the command line. */
struct vm_disks {
	struct machine_disk_config *disks;
	unsigned nr_disks;
	struct disk_file *parts; /* of the first disk, if there are any */
};

/* Of strings "FILE[,OPTION...]", one for each disk, and "NAME=FILE", one for each partition; both
 * are changed, and NULL-ended or NULL. */
int vm_disks_parse(struct vm_disks *disks, char **texts, char **parts, struct error *err);
void vm_disks_free(struct vm_disks *disks);
