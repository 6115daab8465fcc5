/* SPDX-License-Identifier: Apache-2.0 */
/*
 * models.h - what the CPUs of machines are called (--cpu), for those who take such a name and those
 * who make the CPU.
 */
#pragma once

#include <stddef.h>

#include "base/error.h"

struct vcpu_model {
	const char *machine; /* as vm.h's architectures are called: "x86_64" */
	const char *name;
	const char *what; /* in a few words */
};

/* The first, the second, ...; NULL after the last. Those of a machine stand together, and the first
 * of them is what it has when nobody says. */
const struct vcpu_model *vcpu_model_at(size_t index);

/* The machine has it: 0; else -EINVAL, and a sentence with those that it has. */
int vcpu_model_check(const char *machine, const char *name, struct error *err);
