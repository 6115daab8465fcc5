/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device-bpf.h - the assembler of device-bpf.c, for its tests.
 */
#pragma once

#include <linux/bpf.h>
#include <stddef.h>

#include "container/cgroup.h"

/* Write at most `capacity` instructions to out; returns how many there are. */
size_t cgroup_device_assemble(const struct cgroup_device_rule *rules, size_t count,
	struct bpf_insn *out, size_t capacity);
