/* SPDX-License-Identifier: Apache-2.0 */
/*
 * matmul.c - the product of two matrices of 512 x 512 doubles. The elements are small integers, so
 * that every sum is exact and a CPU with fused multiply-add has the same result as one without.
 */
#include "program.h"

#define SIDE 512

static double a[SIDE][SIDE], b[SIDE][SIDE], c[SIDE][SIDE];

static void multiply(void)
{
	for (int i = 0; i < SIDE; i++) {
		for (int j = 0; j < SIDE; j++)
			c[i][j] = 0;
		for (int k = 0; k < SIDE; k++)
			for (int j = 0; j < SIDE; j++)
				c[i][j] += a[i][k] * b[k][j];
	}
}

int main(int argc, char **argv)
{
	unsigned count = program_count(argc, argv, 4);
	uint64_t sum = PROGRAM_SUM_START;

	for (int i = 0; i < SIDE; i++)
		for (int j = 0; j < SIDE; j++) {
			a[i][j] = (i * 3 + j) % 17 - 8;
			b[i][j] = (i + j * 5) % 19 - 9;
		}
	for (unsigned turn = 0; turn < count; turn++) {
		multiply();
		for (int i = 0; i < SIDE; i++)
			sum = program_sum(sum, (uint64_t)(int64_t)c[i][(i * 7 + turn) % SIDE]);
		a[turn % SIDE][0] += 1;
	}
	return program_end("matmul", sum);
}
