/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.h - the programs that test_translate.py runs on both sides: what is expected, or the end.
 */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			printf("%s:%d: %s (errno %d: %s)\n", __FILE__, __LINE__, #condition,       \
				errno, strerror(errno));                                           \
			fflush(stdout);                                                            \
			_exit(99);                                                                 \
		}                                                                                  \
	} while (0)

#define DONE(what)                                                                                 \
	do {                                                                                       \
		printf("ok %s\n", what);                                                           \
		fflush(stdout);                                                                    \
	} while (0)
