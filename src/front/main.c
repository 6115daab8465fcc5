/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - the only main(): picks a front-end by name.
 */
#include <stdio.h>

int main(int argc, char **argv)
{
	(void)argc;
	fprintf(stderr, "%s: no front-end yet\n", argv[0]);
	return 1;
}
