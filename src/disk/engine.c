/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.c - what all engines have in common: the choice of one, reads that the page cache can
 * answer at once, and work that is done while somebody waits for it.
 *
 * Most reads of a machine are of what the page cache has. They cost a copy, while handing them to
 * another thread costs two switches; so they are tried where they come up (RWF_NOWAIT), and only
 * what would wait goes to the engine.
 */
#include "disk/internal.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "base/parts.h"
#include "base/rights.h"
#include "base/thread.h"

/* --- lists ----------------------------------------------------------------------------------- */

void request_list_init(struct request_list *list)
{
	list->first = NULL;
	list->end = &list->first;
}

void request_list_add(struct request_list *list, struct disk_request *request)
{
	request->next = NULL;
	*list->end = request;
	list->end = &request->next;
}

struct disk_request *request_list_take(struct request_list *list)
{
	struct disk_request *first = list->first;

	if (first) {
		list->first = first->next;
		if (!list->first)
			list->end = &list->first;
	}
	return first;
}

struct disk_request *request_list_take_all(struct request_list *list)
{
	struct disk_request *first = list->first;

	request_list_init(list);
	return first;
}

/* --- pieces ---------------------------------------------------------------------------------- */

void engine_advance(struct disk_request *request, uint64_t bytes)
{
	struct disk_work *w = &request->work;

	w->offset += bytes;
	w->bytes -= bytes;
	if (!w->bytes || !w->nr_parts || !bytes)
		return;
	w->nr_parts = parts_slice(w->parts, w->nr_parts, bytes, w->bytes, request->scratch, NULL);
	w->parts = request->scratch;
}

/* --- work that somebody waits for ------------------------------------------------------------ */

int engine_fallocate_mode(const struct disk_request *request)
{
	if (request->operation == DISK_WRITE_ZEROES && !request->may_unmap)
		return FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
	return FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
}

static int write_zeroes(const struct disk_work *w)
{
	static const uint8_t zeroes[64 << 10];
	uint64_t done = 0;

	while (done < w->bytes) {
		size_t n = w->bytes - done < sizeof(zeroes) ? w->bytes - done : sizeof(zeroes);
		ssize_t r = pwrite(w->fd, zeroes, n, (off_t)(w->offset + done));

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		done += (uint64_t)r;
	}
	return 0;
}

static int change_holes(const struct disk_request *request)
{
	const struct disk_work *w = &request->work;
	int r;

	do
		r = fallocate(
			w->fd, engine_fallocate_mode(request), (off_t)w->offset, (off_t)w->bytes);
	while (r < 0 && errno == EINTR);
	if (r == 0 || (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL))
		return r < 0 ? -errno : 0;
	/* Not on this file system: a hint is dropped, zeroes are written. */
	return request->operation == DISK_DISCARD ? 0 : write_zeroes(w);
}

static int transfer(struct disk_request *request)
{
	struct disk_work *w = &request->work;

	while (w->bytes) {
		int nr = (int)w->nr_parts;
		ssize_t r = request->operation == DISK_READ
			? preadv(w->fd, w->parts, nr, (off_t)w->offset)
			: pwritev(w->fd, w->parts, nr, (off_t)w->offset);

		if (r < 0 && errno != EINTR)
			return -errno;
		if (r == 0)
			return request->operation == DISK_READ ? -ENODATA : -EIO;
		if (r > 0)
			engine_advance(request, (uint64_t)r);
	}
	return 0;
}

int engine_perform(struct disk_request *request)
{
	switch (request->operation) {
	case DISK_READ:
	case DISK_WRITE:
		return transfer(request);
	case DISK_FLUSH:
		return fdatasync(request->work.fd) < 0 ? -errno : 0;
	default:
		return change_holes(request);
	}
}

/* What engine_perform() and limits do. */
static const struct confine_call work_calls[] = {
	ALLOW(SYS_preadv),
	ALLOW(SYS_pwritev),
	ALLOW(SYS_fdatasync),
	ALLOW(SYS_fallocate),
	ALLOW(SYS_timerfd_settime),
};

static const struct confine_list work_list = CONFINE_LIST(work_calls);

int engine_confine(const struct disk_engine *engine, const struct confine_list *own)
{
	const struct confine_list *const lists[] = { &work_list, engine->more_calls, own };
	struct error err = { 0 };
	int r = rights_drop(0);

	if (r < 0)
		error_errno(&err, r, "cannot give up rights");
	else if (engine->more_calls)
		r = confine_thread("disks", lists, ARRAY_SIZE(lists), &err);
	if (r < 0)
		log_warning("a thread of the disks: %s", err.message);
	return r;
}

/* --- engines --------------------------------------------------------------------------------- */

/* true: nothing is left. */
static bool is_in_cache(struct disk_request *request)
{
	struct disk_work *w = &request->work;
	ssize_t r;

	if (request->operation != DISK_READ || !w->is_cached || w->bytes > ENGINE_INLINE_BYTES)
		return false;
	r = preadv2(w->fd, w->parts, (int)w->nr_parts, (off_t)w->offset, RWF_NOWAIT);
	if (r > 0)
		engine_advance(request, (uint64_t)r);
	return !w->bytes;
}

void engine_submit(struct disk_engine *engine, struct disk_request *request)
{
	if (is_in_cache(request))
		request->worked(request, 0);
	else
		engine->ops->submit(engine, request);
}

int engine_start_thread(pthread_t *ret, void *(*run)(void *argument), void *argument)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	sigdelset(&all, SIGSYS); /* base/confine.h */
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = thread_start(ret, run, argument);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r;
}

int disk_engine_open(enum disk_engine_kind kind, struct disk_engine **ret, struct error *err)
{
	struct error why = {};

	if (kind == DISK_ENGINE_THREADS)
		return disk_engine_threads.open(ret, err);
	if (disk_engine_uring.open(ret, &why) == 0)
		return 0;
	if (kind == DISK_ENGINE_URING)
		return error_set(err, why.code, "%s", why.message);
	log_debug("disks are read and written by threads: %s", why.message);
	return disk_engine_threads.open(ret, err);
}

int disk_engine_start(
	struct disk_engine *engine, const struct confine_list *more, struct error *err)
{
	engine->more_calls = more;
	return engine->ops->start(engine, err);
}

struct disk_engine *disk_engine_close(struct disk_engine *engine)
{
	if (engine)
		engine->ops->close(engine);
	return NULL;
}

const char *disk_engine_name(const struct disk_engine *engine)
{
	return engine->ops->name;
}
