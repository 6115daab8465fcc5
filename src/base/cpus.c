/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpus.c - two CPUs at once for the two processes of a fork.
 */
#include "base/cpus.h"

#include <sys/sysinfo.h>

/* So many want to run for each CPU that another CPU is a queue to stand in, where a start takes
 * half as long again: the load of the last minute. */
#define BUSY_LOAD 2ul

static bool are_busy(int count)
{
	struct sysinfo info;

	return sysinfo(&info) < 0 ||
		info.loads[0] >> SI_LOAD_SHIFT >= BUSY_LOAD * (unsigned long)count;
}

void cpus_stay(struct cpus *ret)
{
	cpu_set_t here;
	int cpu = sched_getcpu();

	ret->divided = false;
	if (cpu < 0 || cpu >= CPU_SETSIZE ||
		sched_getaffinity(0, sizeof(ret->allowed), &ret->allowed) < 0 ||
		CPU_COUNT(&ret->allowed) < 2 || !CPU_ISSET((size_t)cpu, &ret->allowed) ||
		are_busy(CPU_COUNT(&ret->allowed)))
		return;
	CPU_ZERO(&here);
	CPU_SET((size_t)cpu, &here);
	ret->divided = sched_setaffinity(0, sizeof(here), &here) == 0;
}

void cpus_make_room(const struct cpus *cpus)
{
	cpu_set_t others = cpus->allowed;
	int cpu = sched_getcpu();

	if (!cpus->divided || cpu < 0)
		return;
	CPU_CLR((size_t)cpu, &others);
	sched_setaffinity(0, sizeof(others), &others);
}

void cpus_roam(const struct cpus *cpus)
{
	if (cpus->divided)
		sched_setaffinity(0, sizeof(cpus->allowed), &cpus->allowed);
}
