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

/*
 * Start a thread that runs no guest code and is none of the guest's: run(argument), with all
 * signals blocked but SIGSEGV and SIGBUS, and copies of the descriptors. It ends when run()
 * returns.
 */
int thread_start_own(
	struct process *process, void (*run)(void *argument), void *argument, int *ret_tid);

/* Give back a thread that does not run (any more). */
void thread_free(struct thread *t);
