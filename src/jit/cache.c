/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache.c - the translated code of one guest address space.
 */
#include <errno.h>
#include <stdlib.h>

#include "jit/internal.h"

struct jit {
	struct jit_options options;
};

int jit_open(const struct jit_options *options, struct jit **ret, struct error *err)
{
	struct jit *jit = calloc(1, sizeof(*jit));

	if (!jit)
		return error_oom(err);
	jit->options = *options;
	*ret = jit;
	return 0;
}

struct jit *jit_free(struct jit *jit)
{
	free(jit);
	return NULL;
}

void jit_invalidate(struct jit *jit, uint64_t start, uint64_t size)
{
}

void jit_before_fork(struct jit *jit)
{
}

int jit_after_fork(struct jit *jit, bool is_child)
{
	return 0;
}

void jit_print_stats(struct jit *jit, int fd)
{
}
