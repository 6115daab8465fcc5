/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hwprobe.h - what jit/riscv can do, as the guest is told it.
 */
#pragma once

#include <stdint.h>

/* AT_HWCAP: a bit for each letter of the ISA string. */
uint64_t hwprobe_capabilities(void);

/* The line "isa" of /proc/cpuinfo. */
const char *hwprobe_isa(void);
