/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread.c - threads with stacks that are not large pages.
 *
 * The C library's stacks of 8 MiB are where the kernel likes to put such a page (2 MiB) on the
 * first touch, of which a thread uses some KiB. In 1 MiB there is none.
 */
#include "base/thread.h"

#define STACK_BYTES (1u << 20)

int thread_start(pthread_t *ret, void *(*run)(void *argument), void *argument)
{
	pthread_attr_t attributes;
	int r = pthread_attr_init(&attributes);

	if (r != 0)
		return -r;
	r = pthread_attr_setstacksize(&attributes, STACK_BYTES);
	if (r == 0)
		r = pthread_create(ret, &attributes, run, argument);
	pthread_attr_destroy(&attributes);
	return -r;
}
