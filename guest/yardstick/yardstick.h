/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yardstick.h - work of a known size, which every way to run a program is measured by.
 */
#pragma once

#include <stdint.h>

/*
 * Branches, loads, multiplications: sorting, a table-driven checksum, a sieve. What it returns
 * depends on all of it, and is the same on every CPU.
 */
uint64_t work_integer(void);

/* Products of matrices, quotients and roots of doubles; the bits of the result, the same too. */
uint64_t work_float(void);
