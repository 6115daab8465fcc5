/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show.h - for programs that are run on two CPUs and must print the same: every call is shown with
 * its result, or the name of its error.
 */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static inline long show(const char *what, long result)
{
	if (result < 0)
		printf("%s: %s\n", what, strerrorname_np(errno));
	else
		printf("%s: %ld\n", what, result);
	fflush(stdout);
	return result;
}

/* A call whose result is the same everywhere. */
#define SHOW(call) show(#call, (long)(call))
/* One that returns a number of the moment: only whether it failed. */
#define DO(call)                                                                                   \
	({                                                                                         \
		long _r = (long)(call);                                                            \
		show(#call, _r < 0 ? _r : 0);                                                      \
		_r;                                                                                \
	})
/* A value, not a result: -1 is a number. */
#define VALUE(expression) (printf("%s = %ld\n", #expression, (long)(expression)), fflush(stdout))
