/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program.h - what the programs of bench/translate share: the count from the command line, numbers
 * that are the same on every CPU, and the checksum that each prints as its only output.
 *
 * A wrong result shows as another checksum. None of it depends on time, addresses or the C library.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* How often to do the work: argv[1], or what takes a few tenths of a second on a CPU of today. */
static inline unsigned program_count(int argc, char **argv, unsigned normal)
{
	return argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : normal;
}

/* xorshift64 (Marsaglia, "Xorshift RNGs", 2003). The state must not be 0. */
static inline uint64_t program_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return *state = x;
}

/* FNV-1a, a word at a time. */
#define PROGRAM_SUM_START 0xcbf29ce484222325ULL

static inline uint64_t program_sum(uint64_t sum, uint64_t value)
{
	return (sum ^ value) * 0x100000001b3ULL;
}

static inline int program_end(const char *name, uint64_t sum)
{
	return printf("%s %016llx\n", name, (unsigned long long)sum) < 0;
}
