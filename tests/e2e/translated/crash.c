/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crash.c - something for gdb to look at: a chain of calls with a known value in each frame.
 */
#include <stdio.h>

struct point {
	int x, y;
};

__attribute__((noinline)) static int triangle(int n)
{
	return n == 0 ? 0 : n + triangle(n - 1);
}

int main(void)
{
	struct point p = { 3, 4 };
	int sum = triangle(p.x + p.y);

	printf("%d\n", sum);
	return 0;
}
