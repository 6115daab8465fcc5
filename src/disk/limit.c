/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limit.c - a disk in front of another one, which lets so many requests and bytes a second through.
 *
 * Each request takes its share of a second, the larger of what its number and its bytes cost;
 * `next` is when all shares are used up that were taken. A request may begin up to BURST_NS before
 * that, so that a disk which was idle is quick at first; else it waits in a list, for a timer. (The
 * generic cell rate algorithm, ITU-T I.371 annex A, as a virtual schedule.)
 */
#include "disk/internal.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "base/clock.h"

#define SECOND_NS INT64_C(1000000000)
#define BURST_NS  (SECOND_NS / 10)
#define SHARE_MAX (3600 * SECOND_NS) /* of one request, however small the limit is */

struct limit {
	struct disk disk;
	struct disk *below;
	struct disk_limits limits;
	struct loop *loop;
	struct loop_source timer;
	pthread_mutex_t lock;
	struct request_list waiting;
	int64_t next_ns; /* CLOCK_MONOTONIC */
};

static struct limit *of_disk(struct disk *disk)
{
	return container_of(disk, struct limit, disk);
}

static int64_t share_ns(const struct limit *l, const struct disk_request *request)
{
	int64_t ns = 0, by_bytes = 0;

	if (l->limits.requests_per_second)
		ns = SECOND_NS / (int64_t)l->limits.requests_per_second;
	/* What is discarded or zeroed costs next to nothing. */
	if (l->limits.bytes_per_second && request->operation <= DISK_WRITE)
		by_bytes = (int64_t)((double)request->bytes * (double)SECOND_NS /
			(double)l->limits.bytes_per_second);
	ns = by_bytes > ns ? by_bytes : ns;
	return ns < SHARE_MAX ? ns : SHARE_MAX;
}

/* It takes its share, if it may begin now. */
static bool may_begin(struct limit *l, const struct disk_request *request)
{
	int64_t now = clock_monotonic_ns();

	if (now < l->next_ns - BURST_NS)
		return false;
	if (l->next_ns < now)
		l->next_ns = now;
	l->next_ns += share_ns(l, request);
	return true;
}

/* For the first that waits, with the lock held. */
static void set_timer(struct limit *l)
{
	int64_t at = l->next_ns - BURST_NS;
	const struct itimerspec when = { .it_value = { .tv_sec = at / SECOND_NS,
						 .tv_nsec = at % SECOND_NS } };

	timerfd_settime(l->timer.fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void limit_submit(struct disk *disk, struct disk_request *request)
{
	struct limit *l = of_disk(disk);
	bool begins;

	pthread_mutex_lock(&l->lock);
	begins = !l->waiting.first && may_begin(l, request);
	if (!begins) {
		request_list_add(&l->waiting, request);
		if (l->waiting.first == request)
			set_timer(l);
	}
	pthread_mutex_unlock(&l->lock);
	if (begins)
		disk_submit(l->below, request);
}

static void timer_ready(struct loop_source *source, uint32_t events)
{
	struct limit *l = container_of(source, struct limit, timer);
	struct disk_request *request;
	uint64_t count;

	(void)!read(source->fd, &count, sizeof(count));
	do {
		pthread_mutex_lock(&l->lock);
		request = NULL;
		if (l->waiting.first && may_begin(l, l->waiting.first))
			request = request_list_take(&l->waiting);
		else if (l->waiting.first)
			set_timer(l);
		pthread_mutex_unlock(&l->lock);
		if (request)
			disk_submit(l->below, request);
	} while (request);
}

static void limit_hurry(struct disk *disk)
{
	struct limit *l = of_disk(disk);
	struct disk_request *request, *next;

	pthread_mutex_lock(&l->lock);
	request = request_list_take_all(&l->waiting);
	pthread_mutex_unlock(&l->lock);
	for (; request; request = next) {
		next = request->next;
		disk_submit(l->below, request);
	}
}

static int limit_measure(struct disk *disk, struct error *err)
{
	struct limit *l = of_disk(disk);
	int r = disk_measure(l->below, err);

	disk->bytes = l->below->bytes;
	return r;
}

static void limit_close(struct disk *disk)
{
	struct limit *l = of_disk(disk);

	loop_remove(l->loop, &l->timer);
	cleanup_close(&l->timer.fd);
	pthread_mutex_destroy(&l->lock);
	disk_close(l->below);
	free(l);
}

static const struct disk_ops limit_ops = {
	.name = "limit",
	.submit = limit_submit,
	.hurry = limit_hurry,
	.measure = limit_measure,
	.close = limit_close,
};

int disk_limit(
	struct disk **disk, const struct disk_limits *limits, struct loop *loop, struct error *err)
{
	struct limit *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return error_oom(err);
	l->timer = (struct loop_source){
		.ready = timer_ready,
		.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
	};
	r = l->timer.fd < 0 ? -errno : loop_add(loop, &l->timer, EPOLLIN);
	if (r < 0) {
		cleanup_close(&l->timer.fd);
		free(l);
		return error_errno(err, r, "cannot make a timer for a disk's limits");
	}
	pthread_mutex_init(&l->lock, NULL);
	request_list_init(&l->waiting);
	l->loop = loop;
	l->limits = *limits;
	l->below = *disk;
	l->disk = **disk;
	l->disk.ops = &limit_ops;
	*disk = &l->disk;
	return 0;
}
