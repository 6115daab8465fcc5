/* SPDX-License-Identifier: Apache-2.0 */
/*
 * architectures.h - the CPUs that instances with a kernel of their own have: this host's, by KVM,
 * or one that is emulated. Names are Go's, as images have them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct machine_architecture {
	const char *name;
	const char *machine; /* what strata-machine calls it (--arch) */
	const char *boot_options; /* of its kernels */
	bool is_emulated; /* on any host */
};

/* NULL: there are no machines for it. */
const struct machine_architecture *machine_architecture_find(const char *name);

/* Do machines for it run here? 0, or a sentence that says what is missing and what works instead.
 */
int machine_architecture_check(const char *name, struct error *err);

/* What a machine is for when nobody says: this host's own CPU where KVM runs it, else one that is
 * emulated, and *ret_why (NULL: not wanted) says why it is not the host's. */
const char *machine_architecture_default(struct error *ret_why);

/* The first, the second, ... that is emulated; NULL after the last. */
const char *machine_architecture_emulated(size_t index);

/* What a state of such a machine, saved here, is for: letters, digits and -. */
#define MACHINE_CPU_MAX 64
/* `model` is its CPU's (vcpu/models.h), or NULL. */
void machine_architecture_cpu(const char *name, const char *model, char ret[MACHINE_CPU_MAX]);
