/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop.h - the event loop of the monitor and of every other process that waits for several things.
 *
 * One thread, level-triggered epoll. A source is embedded in its owner and lives in the loop from
 * add to remove; callbacks may remove any source, their own included. Nothing is allocated.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct loop_source {
	/* `events` is the epoll mask that fired. */
	void (*ready)(struct loop_source *source, uint32_t events);
	int fd;
	bool active;
	uint32_t events; /* what is asked for now */
};

/* A one-shot timer: it fires once at `deadline_ns` (CLOCK_MONOTONIC), then is idle. */
struct loop_timer {
	void (*expired)(struct loop_timer *timer);
	int64_t deadline_ns; /* 0 = idle */
	struct loop_timer *next;
};

struct loop {
	int epoll_fd;
	bool stop;
	struct loop_timer *timers; /* linked through next, unsorted: there are a handful */
};

int loop_open(struct loop *loop, struct error *err);
void loop_close(struct loop *loop);

/* Watch source->fd for `events` (EPOLLIN, ...). The descriptor stays the caller's. */
int loop_add(struct loop *loop, struct loop_source *source, uint32_t events);
/* Change what is asked for; no system call when nothing changes. 0 = keep it but ask nothing. */
int loop_change(struct loop *loop, struct loop_source *source, uint32_t events);
void loop_remove(struct loop *loop, struct loop_source *source);

/* Arm (again) `delay_ns` from now; the timer must outlive its deadline or be cancelled. */
void loop_timer_start(struct loop *loop, struct loop_timer *timer, int64_t delay_ns);
void loop_timer_cancel(struct loop *loop, struct loop_timer *timer);

/* Dispatch until loop_stop(). Returns 0 or -errno of epoll. */
int loop_run(struct loop *loop);
static inline void loop_stop(struct loop *loop)
{
	loop->stop = true;
}
