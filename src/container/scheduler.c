/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scheduler.c - how the kernel schedules a process: policy, priority for disks, CPUs, and the kind
 * of machine it is told of (child; runtime-spec config.md "scheduler", "ioPriority",
 * "execCPUAffinity", config-linux.md "Personality").
 *
 * All of it is inherited by what the process starts. It is set by the process itself, in its cgroup
 * already: a realtime policy counts against the budget of that, and a cpuset narrows the CPUs.
 */
#include "container/internal.h"

#include <assert.h>
#include <linux/ioprio.h>
#include <sys/personality.h>
#include <sys/syscall.h>

#include "base/str.h"
#include "container/config-fields.h"

/* struct sched_attr: <linux/sched/types.h> and <sched.h> cannot be included together. */
struct scheduler_attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime_ns, deadline_ns, period_ns;
	uint32_t utilization_min, utilization_max;
};
static_assert(sizeof(struct scheduler_attributes) == 56, "SCHED_ATTR_SIZE_VER1");

static int set_scheduler(const struct child *child, struct error *err)
{
	const struct container_scheduler *wanted = &child->process->scheduler;
	const struct scheduler_attributes attr = {
		.size = sizeof(attr),
		.policy = wanted->policy,
		.flags = wanted->flags,
		.nice = wanted->nice,
		.priority = wanted->priority,
		.runtime_ns = wanted->runtime_ns,
		.deadline_ns = wanted->deadline_ns,
		.period_ns = wanted->period_ns,
	};

	if (!wanted->wanted || syscall(SYS_sched_setattr, 0, &attr, 0) == 0)
		return 0;
	return error_errno(err, errno, "process.scheduler: cannot set %s, nice %d, priority %u%s",
		config_word_of(
			config_scheduler_policies, CONFIG_SCHEDULER_POLICIES, wanted->policy),
		wanted->nice, wanted->priority,
		errno == EPERM && child->in_userns
			? " (a user namespace has no rights over the host's scheduler)"
			: "");
}

static int set_io_priority(const struct child *child, struct error *err)
{
	const struct container_io_priority *wanted = &child->process->io_priority;

	if (!wanted->wanted ||
		syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
			IOPRIO_PRIO_VALUE(wanted->io_class, wanted->level)) == 0)
		return 0;
	return error_errno(err, errno, "process.ioPriority: cannot set %s, priority %d",
		config_word_of(config_io_classes, CONFIG_IO_CLASSES, wanted->io_class),
		wanted->level);
}

static int set_personality(const struct child *child, struct error *err)
{
	if (!child->config->has_personality || personality(child->config->personality) >= 0)
		return 0;
	return error_errno(err, errno, "cannot set linux.personality");
}

/* "3" or "0-3" */
static int parse_range(char *range, uint64_t *ret_first, uint64_t *ret_last)
{
	char *dash = strchr(range, '-');
	int r;

	if (dash)
		*dash = '\0';
	r = parse_u64(range, CPU_LIST_BYTES * 8 - 1, ret_first);
	*ret_last = *ret_first;
	if (r == 0 && dash)
		r = parse_u64(dash + 1, CPU_LIST_BYTES * 8 - 1, ret_last);
	return r < 0 ? r : *ret_last < *ret_first ? -EINVAL : 0;
}

int cpu_list_parse(const char *list, uint8_t ret[CPU_LIST_BYTES])
{
	_cleanup_strv_ char **ranges = strv_split(list, ',');

	if (!ranges)
		return -ENOMEM;
	memset(ret, 0, CPU_LIST_BYTES);
	strv_for_each (range, ranges) {
		uint64_t first = 0, last;
		int r = parse_range(*range, &first, &last);

		if (r < 0)
			return r;
		for (; first <= last; first++)
			ret[first / 8] |= (uint8_t)(1u << first % 8);
	}
	return 0;
}

int scheduler_set_cpus(const char *list, const char *field, struct error *err)
{
	uint8_t mask[CPU_LIST_BYTES] __attribute__((aligned(sizeof(long))));
	int r;

	if (!list || !*list)
		return 0;
	r = cpu_list_parse(list, mask);
	if (r == 0 && syscall(SYS_sched_setaffinity, 0, sizeof(mask), mask) < 0)
		r = -errno;
	return r < 0
		? error_errno(err, r, "process.execCPUAffinity: cannot run on %s (%s)", list, field)
		: 0;
}

/* Those of the cpuset cgroup, that is: the kernel leaves out what it does not allow. */
static void use_all_cpus(void)
{
	uint8_t mask[CPU_LIST_BYTES];

	memset(mask, 0xff, sizeof(mask));
	/* A kernel that refuses leaves us with the caller's. */
	syscall(SYS_sched_setaffinity, 0, sizeof(mask), mask);
}

int scheduler_apply(const struct child *child, struct error *err)
{
	const struct container_process *process = child->process;
	bool has_initial = !child->is_first && process->cpus_initial && *process->cpus_initial;
	int r;

	/* After execCPUAffinity's `initial` it is the kernel that decides (config.md). */
	if (child->options->all_cpus && !has_initial)
		use_all_cpus();
	/* Not of the first process. */
	r = child->is_first ? 0 : scheduler_set_cpus(process->cpus_final, "final", err);
	if (r == 0)
		r = set_scheduler(child, err);
	if (r == 0)
		r = set_io_priority(child, err);
	return r < 0 ? r : set_personality(child, err);
}
