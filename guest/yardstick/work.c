/* SPDX-License-Identifier: Apache-2.0 */
/*
 * work.c - the work that is measured: some milliseconds each on a CPU of today.
 */
#include "yardstick.h"

#include <stddef.h>

#include "init/libc.h"

/* Knuth's MMIX generator: its upper bits are good enough to be sorted. */
static uint64_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 32;
}

/* --- whole numbers ---------------------------------------------------------------------------- */

#define SORTED	    8192
#define SIEVED	    (1u << 17)
#define CHECKSUMMED (1u << 18)

static uint32_t numbers[SORTED];
static uint8_t sieve[SIEVED];

static void sift_down(uint32_t *heap, size_t from, size_t count)
{
	uint32_t value = heap[from];
	size_t at = from, child;

	while ((child = 2 * at + 1) < count) {
		if (child + 1 < count && heap[child + 1] > heap[child])
			child++;
		if (heap[child] <= value)
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = value;
}

/* Sorts, and folds the order into one number. */
static uint64_t work_sort(uint64_t *random)
{
	uint64_t folded = 0;

	for (size_t i = 0; i < SORTED; i++)
		numbers[i] = (uint32_t)next_random(random);
	for (size_t i = SORTED / 2; i-- > 0;)
		sift_down(numbers, i, SORTED);
	for (size_t end = SORTED; end-- > 1;) {
		uint32_t largest = numbers[0];

		numbers[0] = numbers[end];
		numbers[end] = largest;
		sift_down(numbers, 0, end);
	}
	for (size_t i = 0; i < SORTED; i++)
		folded = folded * 31 + numbers[i];
	return folded;
}

/* How many primes there are below SIEVED. */
static uint64_t work_sieve(void)
{
	uint64_t primes = 0;

	memset(sieve, 1, sizeof(sieve));
	for (size_t i = 2; i < SIEVED; i++) {
		if (!sieve[i])
			continue;
		primes++;
		for (size_t k = i * i; k < SIEVED; k += i)
			sieve[k] = 0;
	}
	return primes;
}

/* CRC-32 of random bytes (ISO 3309, reflected). */
static uint64_t work_checksum(uint64_t *random)
{
	uint32_t table[256], crc = UINT32_MAX;

	for (uint32_t i = 0; i < 256; i++) {
		uint32_t value = i;

		for (int bit = 0; bit < 8; bit++)
			value = value & 1 ? value >> 1 ^ 0xedb88320 : value >> 1;
		table[i] = value;
	}
	for (size_t i = 0; i < CHECKSUMMED; i++)
		crc = table[(crc ^ next_random(random)) & 0xff] ^ crc >> 8;
	return ~crc;
}

uint64_t work_integer(void)
{
	uint64_t random = 1, result = 0;

	for (int round = 0; round < 4; round++) {
		result = result * 31 + work_sort(&random);
		result = result * 31 + work_sieve();
		result = result * 31 + work_checksum(&random);
	}
	return result;
}

/* --- floating point --------------------------------------------------------------------------- */

#define SIDE   96
#define BODIES 12
#define STEPS  200

static double left[SIDE][SIDE], right[SIDE][SIDE], product[SIDE][SIDE];

static double work_matrices(uint64_t *random)
{
	double trace = 0;

	for (size_t i = 0; i < SIDE; i++) {
		for (size_t k = 0; k < SIDE; k++) {
			left[i][k] = (double)next_random(random) * 0x1p-32;
			right[i][k] = (double)next_random(random) * 0x1p-32;
		}
	}
	for (size_t i = 0; i < SIDE; i++) {
		for (size_t k = 0; k < SIDE; k++) {
			double sum = 0;

			for (size_t n = 0; n < SIDE; n++)
				sum += left[i][n] * right[n][k];
			product[i][k] = sum;
		}
		trace += product[i][i];
	}
	return trace;
}

/* Points on a line that repel each other, with friction. */
static double work_bodies(uint64_t *random)
{
	double place[BODIES], speed[BODIES] = { 0 }, sum = 0;

	for (size_t i = 0; i < BODIES; i++)
		place[i] = (double)i + (double)next_random(random) * 0x1p-34;
	for (int step = 0; step < STEPS; step++) {
		for (size_t i = 0; i < BODIES; i++) {
			for (size_t k = 0; k < BODIES; k++) {
				double apart = place[i] - place[k];
				double square = apart * apart + 0.01;

				speed[i] += apart * 0.001 / (square * __builtin_sqrt(square));
			}
		}
		for (size_t i = 0; i < BODIES; i++) {
			speed[i] *= 0.99;
			place[i] += speed[i];
		}
	}
	for (size_t i = 0; i < BODIES; i++)
		sum += place[i];
	return sum;
}

uint64_t work_float(void)
{
	uint64_t random = 1, bits;
	double result = 0;

	for (int round = 0; round < 24; round++)
		result = result * 0.5 + work_matrices(&random) + work_bodies(&random);
	memcpy(&bits, &result, sizeof(bits));
	return bits;
}
