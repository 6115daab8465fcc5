/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor-oom.c - told by the kernel that memory ran out inside.
 *
 * Watched only where a memory limit is set: nothing else makes a cgroup of its own run out, and
 * the descriptor costs a run some system calls. cgroup v1 tells before it kills, v2 tells of more
 * than kills; so what counts is how many kills there were, asked for a few times after each word.
 */
#include "instance/monitor.h"

#include <sys/epoll.h>

#include "base/io.h"

#define RECHECK_NS   INT64_C(20000000)
#define RECHECKS_MAX 10

static void tell(struct monitor *monitor)
{
	struct instance_event_item item = { "oom", NULL, NULL };

	instance_events_append(monitor->instance, &item, 1);
}

/* Whether there were kills that nobody was told of yet. */
static bool look(struct monitor *monitor)
{
	struct monitor_oom *oom = &monitor->oom;
	uint64_t kills = monitor->ops->oom_kills(&monitor->instance->config);

	if (kills <= oom->kills)
		return false;
	oom->kills = kills;
	monitor->instance->state.oom_killed = true;
	tell(monitor);
	return true;
}

static void recheck(struct monitor *monitor)
{
	struct monitor_oom *oom = &monitor->oom;

	if (look(monitor))
		monitor_save_state(monitor, false);
	else if (oom->rechecks++ < RECHECKS_MAX)
		loop_timer_start(&monitor->loop, &oom->timer, RECHECK_NS);
}

static void recheck_expired(struct loop_timer *timer)
{
	struct monitor_oom *oom = container_of(timer, struct monitor_oom, timer);

	recheck(container_of(oom, struct monitor, oom));
}

static void memory_ran_out(struct loop_source *source, uint32_t events)
{
	struct monitor_oom *oom = container_of(source, struct monitor_oom, source);
	struct monitor *monitor = container_of(oom, struct monitor, oom);
	char buf[4096];

	while (read(source->fd, buf, sizeof(buf)) > 0)
		;
	/* Nobody is killed then, and somebody outside should know: as Docker has it. */
	if (monitor->instance->config.limits.oom_kill_disable) {
		tell(monitor);
		return;
	}
	oom->rechecks = 0;
	recheck(monitor);
}

void monitor_oom_watch(struct monitor *monitor)
{
	struct monitor_oom *oom = &monitor->oom;
	int fd;

	if (oom->watched || monitor->instance->config.limits.memory_bytes <= 0 ||
		!monitor->ops->open_oom_events || !monitor->ops->oom_kills)
		return;
	fd = monitor->ops->open_oom_events(&monitor->instance->config);
	/* Then it is found out at the end. */
	if (fd < 0)
		return;
	oom->watched = true;
	oom->source = (struct loop_source){ .ready = memory_ran_out, .fd = fd };
	oom->timer.expired = recheck_expired;
	loop_add(&monitor->loop, &oom->source, EPOLLIN);
}

void monitor_oom_end(struct monitor *monitor)
{
	struct monitor_oom *oom = &monitor->oom;
	const struct instance *instance = monitor->instance;

	if (oom->watched) {
		loop_timer_cancel(&monitor->loop, &oom->timer);
		loop_remove(&monitor->loop, &oom->source);
		close(oom->source.fd);
	}
	/* One of its children may have been killed while the command itself ended well. Without a
	 * limit of its own only something that was killed makes it worth to ask. */
	if (monitor->ops->oom_kills && (oom->watched || instance->state.exit_code != 0))
		look(monitor);
	*oom = (struct monitor_oom){ 0 };
}
