/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpus.h - two CPUs at once for the two processes of a fork.
 *
 * A scheduler that likes to fill one CPU before it wakes another puts a new process into its
 * maker's queue, where it begins when the maker first sleeps: 0.3 ms later where the two have
 * something to do for each other. So the maker makes room: the new process begins where it was
 * made, at once, and the old one goes on elsewhere as soon as that CPU is awake. With one CPU, on a
 * busy machine, or where we may not ask for any, all of this does nothing.
 */
#pragma once

#include <sched.h>
#include <stdbool.h>

struct cpus {
	cpu_set_t allowed; /* before all this */
	bool divided;
};

/* Before the fork: what is made now begins on the CPU that we are on. */
void cpus_stay(struct cpus *ret);
/* After it, in the old process: go to another CPU. */
void cpus_make_room(const struct cpus *cpus);
/* In either process, when that has served its purpose: be where the scheduler likes. */
void cpus_roam(const struct cpus *cpus);
