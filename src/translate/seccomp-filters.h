/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp-filters.h - the filters that threads hold: made, shared, and handed on.
 * Private to translate/seccomp*.c.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/translator.h"
#include "translate/numbers.h"

struct thread;

#define FILTER_CALL_WORDS ((SYSTEM_CALLS + 63) / 64)

struct filter {
	struct filter *previous;
	uint32_t references; /* threads that hold it, and filters behind it */
	uint32_t chain; /* instructions of it and all before it, and their overhead */
	/* A bit per call that all of these let pass, whatever the arguments. */
	uint64_t allowed[FILTER_CALL_WORDS];
	struct translator_filter program; /* as in the file */
};

/* Room for a program of that length, with one reference; NULL. */
struct filter *filter_allocate(uint32_t count);
struct filter *filter_hold(struct filter *filter);
void filter_drop(struct filter *filter);

/* Put a checked one behind the thread's filters; the caller's reference and that of what was the
 * latest go over. -ENOMEM when there would be more than the kernel takes. */
int filter_push(struct thread *t, struct filter *filter);
