/* SPDX-License-Identifier: Apache-2.0 */
/*
 * confine.h - the list of system calls that a thread may make (seccomp(2)). Lists are written
 * beside the code that makes the calls; a thread's is made of several.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "base/error.h"

enum confine_test {
	CONFINE_ANY, /* whatever its arguments are */
	CONFINE_EQUAL, /* one argument is this */
	CONFINE_WITHOUT, /* one argument has none of these bits */
	CONFINE_SELF, /* one argument is this process's id */
};

/* A call may be in a list several times: one that fits is enough. */
struct confine_call {
	uint32_t nr; /* SYS_* */
	uint8_t test, arg; /* enum confine_test, of argument 0 to 5 */
	uint64_t value;
};

#define ALLOW(nr)                                                                                  \
	{                                                                                          \
		(nr), CONFINE_ANY, 0, 0                                                            \
	}
#define ALLOW_EQUAL(nr, arg, value)                                                                \
	{                                                                                          \
		(nr), CONFINE_EQUAL, (arg), (value)                                                \
	}
#define ALLOW_WITHOUT(nr, arg, bits)                                                               \
	{                                                                                          \
		(nr), CONFINE_WITHOUT, (arg), (bits)                                               \
	}
#define ALLOW_SELF(nr, arg)                                                                        \
	{                                                                                          \
		(nr), CONFINE_SELF, (arg), 0                                                       \
	}

struct confine_list {
	const struct confine_call *calls;
	size_t nr;
};

#define CONFINE_LIST(calls)                                                                        \
	{                                                                                          \
		(calls), sizeof(calls) / sizeof((calls)[0])                                        \
	}

/* What the C library does in any thread of ours: locks, memory, its end; part of every list. */
extern const struct confine_list confine_common;

/*
 * From now on the calling thread makes the calls of these lists (NULL: not there) and of
 * confine_common, and no others; so do those that it starts. It has given up new privileges
 * before. Another call is not made, and raises SIGSYS (confine_report()). No error where the kernel
 * has no seccomp.
 */
int confine_thread(
	const char *name, const struct confine_list *const *lists, size_t nr, struct error *err);

/* What a thread is called in that sentence, and in ps(1); stays the caller's. Part of the above. */
void confine_name_thread(const char *name);

/* Before any of that: what such a call ends with is a sentence on standard error that names it and
 * the thread, and the end of the process by SIGSYS. */
int confine_report(void);

/* NULL: it has none. tools/gen-call-names.c */
const char *confine_call_name(unsigned call);
