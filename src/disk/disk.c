/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk.c - what all kinds of disks have in common: which requests are let through to them.
 */
#include "disk/internal.h"

static int check(const struct disk *disk, const struct disk_request *request)
{
	if (request->operation == DISK_FLUSH)
		return 0;
	if (request->operation != DISK_READ && disk->is_read_only)
		return -EROFS;
	if ((request->offset | request->bytes) % DISK_SECTOR_BYTES ||
		request->nr_parts > DISK_PARTS_MAX)
		return -EINVAL;
	if (request->offset > disk->bytes || request->bytes > disk->bytes - request->offset)
		return -ERANGE;
	return 0;
}

void disk_submit(struct disk *disk, struct disk_request *request)
{
	int r = check(disk, request);

	request->disk = disk;
	if (r < 0)
		request->done(request, r);
	else if (request->operation != DISK_FLUSH && !request->bytes)
		request->done(request, 0);
	else
		disk->ops->submit(disk, request);
}

/* --- waiting --------------------------------------------------------------------------------- */

struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_done;
	int result;
};

/* A request with its waiter behind it. */
struct waited {
	struct disk_request request;
	struct waiter waiter;
};

static void waited_done(struct disk_request *request, int result)
{
	struct waiter *w = &container_of(request, struct waited, request)->waiter;

	pthread_mutex_lock(&w->lock);
	w->result = result;
	w->is_done = true;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

int disk_perform(struct disk *disk, struct disk_request *request)
{
	struct waited waited = { .request = *request };
	struct waiter *w = &waited.waiter;

	waited.request.done = waited_done;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	disk_submit(disk, &waited.request);
	pthread_mutex_lock(&w->lock);
	while (!w->is_done)
		pthread_cond_wait(&w->changed, &w->lock);
	pthread_mutex_unlock(&w->lock);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	return w->result;
}

void disk_hurry(struct disk *disk)
{
	if (disk->ops->hurry)
		disk->ops->hurry(disk);
}

int disk_measure(struct disk *disk, struct error *err)
{
	return disk->ops->measure ? disk->ops->measure(disk, err) : 0;
}

struct disk *disk_close(struct disk *disk)
{
	if (disk)
		disk->ops->close(disk);
	return NULL;
}
