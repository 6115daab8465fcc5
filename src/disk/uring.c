/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uring.c - the engine by io_uring(7): one ring, and one thread that fills it, waits for it, and
 * says what is done.
 *
 * Requests come through a list. The thread sleeps in the kernel, in one call that submits what it
 * has and waits; a read of an eventfd is always under way in the ring, by which others wake it. It
 * is written to only when the thread sleeps, so a busy ring costs no further calls.
 */
#include "disk/internal.h"

#include <liburing.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#define NR_ENTRIES 256
/* What is in the ring at once, besides the read of the eventfd: so there is always a free entry,
 * and the other ring, which has twice as many, never overflows. */
#define NR_UNDER_WAY_MAX (NR_ENTRIES - 1)

struct uring {
	struct disk_engine engine;
	pthread_t thread;
	int wake_fd;
	/* The thread's: */
	struct io_uring ring;
	uint64_t woken; /* where the eventfd is read to */
	struct request_list waiting; /* for a place in the ring */
	unsigned nr_under_way;

	pthread_mutex_t lock;
	struct request_list list;
	bool is_asleep, is_closing, is_started;
};

static struct uring *of_engine(struct disk_engine *engine)
{
	return container_of(engine, struct uring, engine);
}

/* --- the thread ------------------------------------------------------------------------------ */

static void put_request(struct uring *u, struct disk_request *request)
{
	struct io_uring_sqe *entry = io_uring_get_sqe(&u->ring);
	const struct disk_work *w = &request->work;

	switch (request->operation) {
	case DISK_READ:
		io_uring_prep_readv(entry, w->fd, w->parts, w->nr_parts, w->offset);
		break;
	case DISK_WRITE:
		io_uring_prep_writev(entry, w->fd, w->parts, w->nr_parts, w->offset);
		break;
	case DISK_FLUSH:
		io_uring_prep_fsync(entry, w->fd, IORING_FSYNC_DATASYNC);
		break;
	default:
		io_uring_prep_fallocate(entry, w->fd, engine_fallocate_mode(request),
			(off_t)w->offset, (off_t)w->bytes);
		break;
	}
	io_uring_sqe_set_data(entry, request);
}

static void listen_for_wake(struct uring *u)
{
	struct io_uring_sqe *entry = io_uring_get_sqe(&u->ring);

	io_uring_prep_read(entry, u->wake_fd, &u->woken, sizeof(u->woken), 0);
	io_uring_sqe_set_data(entry, NULL);
}

static void finish(struct uring *u, struct disk_request *request, int result)
{
	u->nr_under_way--;
	request->worked(request, result);
}

static void completed(struct uring *u, struct disk_request *request, int result)
{
	bool is_transfer = request->operation <= DISK_WRITE;

	if (result > 0 && is_transfer)
		engine_advance(request, (uint64_t)result);
	if (result == -EINTR || result == -EAGAIN || (result > 0 && request->work.bytes))
		put_request(u, request);
	else if (result == 0 && is_transfer && request->work.bytes)
		finish(u, request, request->operation == DISK_READ ? -ENODATA : -EIO);
	else if (result < 0 && request->operation >= DISK_DISCARD)
		/* Seldom: file systems without holes. */
		finish(u, request, engine_perform(request));
	else
		finish(u, request, result < 0 ? result : 0);
}

static void take_completions(struct uring *u)
{
	struct io_uring_cqe *cqe;

	while (io_uring_peek_cqe(&u->ring, &cqe) == 0) {
		struct disk_request *request = io_uring_cqe_get_data(cqe);
		int result = cqe->res;

		io_uring_cqe_seen(&u->ring, cqe);
		if (request)
			completed(u, request, result);
		else
			listen_for_wake(u);
	}
}

/* A write into the page cache is a copy, which takes less time than to have the kernel's own
 * threads do it; that is what io_uring does on the file systems that cannot promise not to wait. */
static bool is_copied(const struct disk_request *request)
{
	return request->operation == DISK_WRITE && request->work.is_cached &&
		request->work.bytes <= ENGINE_INLINE_BYTES;
}

/* All that was submitted; who submits from now on wakes us. false: that was all for ever. */
static bool take_requests(struct uring *u)
{
	struct disk_request *request, *next;
	bool goes_on;

	pthread_mutex_lock(&u->lock);
	request = request_list_take_all(&u->list);
	u->is_asleep = true;
	goes_on = !u->is_closing || request || u->waiting.first || u->nr_under_way;
	pthread_mutex_unlock(&u->lock);
	for (; request; request = next) {
		next = request->next;
		request_list_add(&u->waiting, request);
	}
	while (u->waiting.first && u->nr_under_way < NR_UNDER_WAY_MAX) {
		request = request_list_take(&u->waiting);
		u->nr_under_way++;
		if (is_copied(request))
			finish(u, request, engine_perform(request));
		else
			put_request(u, request);
	}
	return goes_on;
}

static const struct confine_call thread_calls[] = { ALLOW(SYS_io_uring_enter) };
static const struct confine_list thread_list = CONFINE_LIST(thread_calls);

static void *run(void *argument)
{
	struct uring *u = argument;

	engine_confine(&u->engine, &thread_list);
	listen_for_wake(u);
	while (take_requests(u)) {
		io_uring_submit_and_wait(&u->ring, 1);
		pthread_mutex_lock(&u->lock);
		u->is_asleep = false;
		pthread_mutex_unlock(&u->lock);
		take_completions(u);
	}
	return NULL;
}

/* --- from other threads ---------------------------------------------------------------------- */

static void wake(struct uring *u)
{
	uint64_t one = 1;

	(void)!write(u->wake_fd, &one, sizeof(one));
}

static void uring_submit(struct disk_engine *engine, struct disk_request *request)
{
	struct uring *u = of_engine(engine);
	bool was_asleep;

	pthread_mutex_lock(&u->lock);
	request_list_add(&u->list, request);
	was_asleep = u->is_asleep;
	u->is_asleep = false;
	pthread_mutex_unlock(&u->lock);
	if (was_asleep)
		wake(u);
}

static void uring_close(struct disk_engine *engine)
{
	struct uring *u = of_engine(engine);

	pthread_mutex_lock(&u->lock);
	u->is_closing = true;
	pthread_mutex_unlock(&u->lock);
	wake(u);
	if (u->is_started)
		pthread_join(u->thread, NULL);
	io_uring_queue_exit(&u->ring);
	close(u->wake_fd);
	pthread_mutex_destroy(&u->lock);
	free(u);
}

static int uring_start(struct disk_engine *engine, struct error *err)
{
	struct uring *u = of_engine(engine);
	int r = engine_start_thread(&u->thread, run, u);

	if (r < 0)
		return error_errno(err, r, "cannot start a thread for disks");
	u->is_started = true;
	return 0;
}

static int open_ring(struct uring *u, struct error *err)
{
	_cleanup_close_ int wake_fd = eventfd(0, EFD_CLOEXEC);
	int r;

	if (wake_fd < 0)
		return error_errno(err, errno, "cannot make an eventfd");
	r = io_uring_queue_init(NR_ENTRIES, &u->ring, 0);
	if (r < 0)
		return error_errno(err, r, "cannot use io_uring");
	pthread_mutex_init(&u->lock, NULL);
	u->wake_fd = steal_fd(&wake_fd);
	return 0;
}

static int uring_open(struct disk_engine **ret, struct error *err)
{
	_cleanup_free_ struct uring *u = calloc(1, sizeof(*u));
	int r;

	if (!u)
		return error_oom(err);
	u->engine.ops = &disk_engine_uring;
	request_list_init(&u->list);
	request_list_init(&u->waiting);
	r = open_ring(u, err);
	if (r < 0)
		return r;
	*ret = &u->engine;
	steal_ptr(&u);
	return 0;
}

const struct disk_engine_ops disk_engine_uring = {
	.name = "io_uring",
	.open = uring_open,
	.start = uring_start,
	.submit = uring_submit,
	.close = uring_close,
};
