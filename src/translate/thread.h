/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread.h - the guest's threads are the host's, made without the C library.
 */
#pragma once

#include "translate/internal.h"

/* The first thread, which runs on the stack of main(). NULL without memory. */
struct thread *thread_make_first(struct process *process);

/* Run guest code on this thread until it ends. */
_Noreturn void thread_run(struct thread *t);

/* Give back a thread that does not run (any more). */
void thread_free(struct thread *t);
