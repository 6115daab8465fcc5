/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop.c - epoll, one event at a time: a callback that removes another source can therefore never
 * leave a stale event behind it in a batch.
 */
#include "base/loop.h"

#include <sys/epoll.h>

#include "base/clock.h"

int loop_open(struct loop *loop, struct error *err)
{
	*loop = (struct loop){ .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
	if (loop->epoll_fd < 0)
		return error_errno(err, errno, "cannot create an epoll descriptor");
	return 0;
}

void loop_close(struct loop *loop)
{
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	loop->epoll_fd = -1;
}

int loop_add(struct loop *loop, struct loop_source *source, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = source };

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, source->fd, &e) < 0)
		return -errno;
	source->active = true;
	source->events = events;
	return 0;
}

int loop_change(struct loop *loop, struct loop_source *source, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = source };

	if (!source->active)
		return events ? loop_add(loop, source, events) : 0;
	if (source->events == events)
		return 0;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &e) < 0)
		return -errno;
	source->events = events;
	return 0;
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
	if (!source->active)
		return;
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	source->active = false;
	source->events = 0;
}

void loop_timer_cancel(struct loop *loop, struct loop_timer *timer)
{
	struct loop_timer **p = &loop->timers;

	while (*p && *p != timer)
		p = &(*p)->next;
	if (*p)
		*p = timer->next;
	timer->next = NULL;
	timer->deadline_ns = 0;
}

void loop_timer_start(struct loop *loop, struct loop_timer *timer, int64_t delay_ns)
{
	loop_timer_cancel(loop, timer);
	timer->deadline_ns = clock_monotonic_ns() + (delay_ns > 0 ? delay_ns : 0);
	timer->next = loop->timers;
	loop->timers = timer;
}

static struct loop_timer *earliest_timer(struct loop *loop)
{
	struct loop_timer *first = loop->timers;

	for (struct loop_timer *t = first; t; t = t->next)
		if (t->deadline_ns < first->deadline_ns)
			first = t;
	return first;
}

/* Milliseconds until the deadline, rounded up, so that a timer is never polled for early. */
static int wait_ms(const struct loop_timer *timer)
{
	int64_t left;

	if (!timer)
		return -1;
	left = timer->deadline_ns - clock_monotonic_ns();
	if (left <= 0)
		return 0;
	left = (left + 999999) / 1000000;
	return left > 3600000 ? 3600000 : (int)left;
}

int loop_run(struct loop *loop)
{
	loop->stop = false;
	while (!loop->stop) {
		struct loop_timer *timer = earliest_timer(loop);
		struct epoll_event e;
		int n = epoll_wait(loop->epoll_fd, &e, 1, wait_ms(timer));

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 1) {
			struct loop_source *source = e.data.ptr;

			source->ready(source, e.events);
		}
		timer = earliest_timer(loop); /* the callback may have removed the one we knew */
		if (timer && timer->deadline_ns <= clock_monotonic_ns()) {
			loop_timer_cancel(loop, timer);
			timer->expired(timer);
		}
	}
	return 0;
}
