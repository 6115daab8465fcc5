/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread.h - threads of a process that is there once for each machine.
 */
#pragma once

#include <pthread.h>

/* As pthread_create(3), with a stack that costs what is used of it; -errno. */
int thread_start(pthread_t *ret, void *(*run)(void *argument), void *argument);
