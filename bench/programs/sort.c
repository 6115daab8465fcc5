/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sort.c - the same numbers sorted by the C library's qsort with a callback, and by a quicksort of
 * our own; the results must be equal.
 */
#include <string.h>
#include "program.h"

#define NR_VALUES 200000
#define SMALL	  12

static uint32_t values[NR_VALUES], by_library[NR_VALUES], by_us[NR_VALUES];

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void insertion_sort(uint32_t *v, ptrdiff_t count)
{
	for (ptrdiff_t i = 1; i < count; i++) {
		uint32_t value = v[i];
		ptrdiff_t j = i;

		for (; j > 0 && v[j - 1] > value; j--)
			v[j] = v[j - 1];
		v[j] = value;
	}
}

static void swap(uint32_t *a, uint32_t *b)
{
	uint32_t t = *a;

	*a = *b;
	*b = t;
}

static void quicksort(uint32_t *v, ptrdiff_t count)
{
	while (count > SMALL) {
		ptrdiff_t i = -1, j = count, middle = count / 2;
		uint32_t pivot;

		if (v[middle] < v[0])
			swap(&v[middle], &v[0]);
		if (v[count - 1] < v[0])
			swap(&v[count - 1], &v[0]);
		if (v[count - 1] < v[middle])
			swap(&v[count - 1], &v[middle]);
		pivot = v[middle];
		for (;;) {
			do
				i++;
			while (v[i] < pivot);
			do
				j--;
			while (v[j] > pivot);
			if (i >= j)
				break;
			swap(&v[i], &v[j]);
		}
		quicksort(v, j + 1);
		v += j + 1;
		count -= j + 1;
	}
	insertion_sort(v, count);
}

int main(int argc, char **argv)
{
	unsigned count = program_count(argc, argv, 10);
	uint64_t sum = PROGRAM_SUM_START, state = 7;

	for (unsigned turn = 0; turn < count; turn++) {
		for (int i = 0; i < NR_VALUES; i++)
			values[i] = (uint32_t)(program_random(&state) >> (turn % 3 * 12));
		memcpy(by_library, values, sizeof(values));
		memcpy(by_us, values, sizeof(values));
		qsort(by_library, NR_VALUES, sizeof(by_library[0]), compare);
		quicksort(by_us, NR_VALUES);
		if (memcmp(by_library, by_us, sizeof(by_us)) != 0) {
			fprintf(stderr, "sort: the two orders differ\n");
			return 1;
		}
		for (int i = 0; i < NR_VALUES; i += 97)
			sum = program_sum(sum, by_us[i]);
	}
	return program_end("sort", sum);
}
