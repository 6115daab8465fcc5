/* SPDX-License-Identifier: Apache-2.0 */
/*
 * front.h - the front-ends a program has: command lines in the words of Docker, of runc, ...
 *
 * Each program of the build is main.c plus one file that fills in fronts[] (fronts-strata.c, ...).
 * main() takes the row that has the name the program was called by, else the first.
 */
#pragma once

#include <stdbool.h>

struct front {
	const char *name; /* base name of argv[0] */
	int (*main)(int argc, char **argv); /* returns the exit status */
	/* It runs in place of another program: what is inherited is that one's. */
	bool keeps_signals;
};

/* Ends with a row whose name is NULL; has at least one other. */
extern const struct front fronts[];
