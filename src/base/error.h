/* SPDX-License-Identifier: Apache-2.0 */
/*
 * error.h - how a failure travels from where it happens to the user's one sentence.
 *
 * A fallible function returns 0 (or a count) on success and exactly a negative errno on failure,
 * and takes `struct error *err` last. Whoever first sees the failure sets the sentence; callers on
 * the way up may put context in front of it. A NULL err is allowed everywhere and drops the text.
 * Nothing here prints: only front/ does.
 */
#pragma once

#include "base/cleanup.h"

#define ERROR_MESSAGE_MAX 1024

struct error {
	int code; /* positive errno value; 0 = nothing has failed */
	char message[ERROR_MESSAGE_MAX];
};

/*
 * Record a failure: `code` is a positive or negative errno value (its strerror() is NOT added; say
 * the reason in the sentence). Returns -|code|, so that `return error_set(...)` reads well.
 */
int error_set(struct error *err, int code, const char *fmt, ...) _printf_(3, 4);

/* Like error_set(), and appends ": " and strerror(code): for failed system calls. */
int error_errno(struct error *err, int code, const char *fmt, ...) _printf_(3, 4);

/* Put "context: " in front of the sentence err already holds. Returns -err->code. */
int error_prefix(struct error *err, const char *fmt, ...) _printf_(2, 3);

/* Give the failure err holds another code; its sentence stays. Returns -|code|. */
static inline int error_code(struct error *err, int code)
{
	code = code < 0 ? -code : code;
	if (err)
		err->code = code;
	return -code;
}

/* The one sentence for out-of-memory. Returns -ENOMEM. */
int error_oom(struct error *err);

/* Forget a failure that was handled. */
static inline void error_clear(struct error *err)
{
	if (err) {
		err->code = 0;
		err->message[0] = '\0';
	}
}
