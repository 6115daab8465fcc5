/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blk.c - a disk for the guest (virtio 1.2 §5.2): requests come out of the queues, go to a struct
 * disk, and back when they are done, in whatever order.
 *
 * A queue has as many requests as the driver can have under way, made at the start and taken from a
 * stack, so that a queue that is little used touches little memory. Its lock guards that stack, the
 * queue itself, and what is counted; it is not held while the disk is called, which may do a
 * request at once.
 *
 * Interrupts: a request that is done while the queue is emptied is told at the end of that, with
 * all others (`is_emptied`); one that is done later at once, which the driver's own mark
 * (used_event) turns into one interrupt for many.
 */
#include "device/virtio/blk.h"

#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/parts.h"
#include "device/virtio/doorbell.h"

#define QUEUE_SIZE 256
#define NR_AT_ONCE (4 * QUEUE_SIZE) /* requests that one notification begins */
/* One more, so that there is always a free one to pop the next chain into: that the driver has more
 * under way than it may is then for the queue to find. */
#define NR_REQUESTS	  (QUEUE_SIZE + 1)
#define SECTORS_MAX	  (UINT32_C(1) << 22) /* 2 GiB for one discard, or zeroes */
#define SEGMENTS_MAX	  (VIRTIO_PARTS_MAX - 2) /* besides header and status */
#define TO_BYTES(sectors) ((sectors) * (uint64_t)DISK_SECTOR_BYTES)

struct blk_queue;

struct blk_request {
	struct blk_queue *queue;
	struct disk_request disk;
	bool then_flush; /* a write for a driver that knows of no flush */
	struct virtio_chain chain;
	struct iovec data[VIRTIO_PARTS_MAX]; /* where header or status share a part with it */
	struct iovec scratch[VIRTIO_PARTS_MAX];
};

struct blk_queue {
	struct virtio_blk *blk;
	struct virtio_queue *queue;
	pthread_mutex_t lock;
	pthread_cond_t is_quiet; /* nothing is under way */
	struct blk_request *requests;
	uint16_t free[NR_REQUESTS]; /* numbers of those that nobody has */
	unsigned nr_free;
	bool is_emptied; /* by notify() */
};

struct virtio_blk {
	struct virtio_device device;
	struct virtio_blk_config config;
	struct disk *disk;
	struct virtio_doorbell bell; /* there was more than NR_AT_ONCE */
	char serial[VIRTIO_BLK_SERIAL_MAX];
	struct blk_queue queues[VIRTIO_BLK_QUEUES_MAX];
	struct vm_saved saved;
	uint64_t saved_capacity; /* in sectors */
};

static struct virtio_blk *of_device(struct virtio_device *device)
{
	return container_of(device, struct virtio_blk, device);
}

/* --- the end of a request -------------------------------------------------------------------- */

static uint8_t to_status(int result)
{
	switch (result) {
	case 0:
		return VIRTIO_BLK_S_OK;
	case -EOPNOTSUPP:
		return VIRTIO_BLK_S_UNSUPP;
	default:
		return VIRTIO_BLK_S_IOERR;
	}
}

static void finish(struct blk_request *request, int result)
{
	struct blk_queue *q = request->queue;
	const struct virtio_chain *chain = &request->chain;
	uint8_t status = to_status(result);

	/* The status stands behind all else (§5.2.6); so all counts as written. */
	virtio_chain_write(chain, chain->in_bytes - 1, &status, 1);
	pthread_mutex_lock(&q->lock);
	virtio_queue_push(q->queue, chain, chain->in_bytes);
	q->free[q->nr_free++] = (uint16_t)(request - q->requests);
	if (!q->is_emptied)
		virtio_queue_signal(q->queue);
	if (q->nr_free == NR_REQUESTS)
		pthread_cond_signal(&q->is_quiet);
	pthread_mutex_unlock(&q->lock);
}

static void disk_done(struct disk_request *disk, int result)
{
	struct blk_request *request = container_of(disk, struct blk_request, disk);

	if (result < 0)
		log_debug("virtio-blk: %s at byte %llu: %s",
			disk->operation == DISK_READ ? "read" : "write or flush",
			(unsigned long long)disk->offset, strerror(-result));
	if (result == 0 && request->then_flush) {
		request->then_flush = false;
		disk->operation = DISK_FLUSH;
		disk_submit(request->queue->blk->disk, disk);
		return;
	}
	finish(request, result);
}

/* --- the beginning --------------------------------------------------------------------------- */

/* What is to be written: all behind the header, which mostly has a part of its own. */
static void set_out_data(struct blk_request *request, size_t header_bytes)
{
	const struct virtio_chain *chain = &request->chain;
	const struct iovec *out = virtio_chain_out(chain);
	struct disk_request *disk = &request->disk;

	disk->bytes = chain->out_bytes - header_bytes;
	if (out[0].iov_len == header_bytes) {
		disk->parts = out + 1;
		disk->nr_parts = chain->nr_out - 1u;
	} else {
		disk->parts = request->data;
		disk->nr_parts = parts_slice(
			out, chain->nr_out, header_bytes, disk->bytes, request->data, NULL);
	}
}

/* What is to be read: all before the status. */
static void set_in_data(struct blk_request *request)
{
	const struct virtio_chain *chain = &request->chain;
	const struct iovec *in = virtio_chain_in(chain);
	struct disk_request *disk = &request->disk;

	disk->bytes = chain->in_bytes - 1;
	if (in[chain->nr_in - 1].iov_len == 1) {
		disk->parts = in;
		disk->nr_parts = chain->nr_in - 1u;
	} else {
		disk->parts = request->data;
		disk->nr_parts = parts_slice(in, chain->nr_in, 0, disk->bytes, request->data, NULL);
	}
}

/* Discard or write zeroes: one range (§5.2.6.2). */
static int set_range(struct blk_request *request, size_t header_bytes)
{
	const struct virtio_chain *chain = &request->chain;
	struct virtio_blk_discard_write_zeroes range;
	struct disk_request *disk = &request->disk;

	if (chain->out_bytes != header_bytes + sizeof(range))
		return -EINVAL;
	virtio_chain_read(chain, header_bytes, &range, sizeof(range));
	disk->may_unmap = range.flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	if (range.flags &
		~(disk->operation == DISK_DISCARD ? 0u : VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP))
		return -EOPNOTSUPP;
	if (range.num_sectors > SECTORS_MAX || range.sector > UINT64_MAX / DISK_SECTOR_BYTES)
		return -EINVAL;
	disk->offset = TO_BYTES(range.sector);
	disk->bytes = TO_BYTES(range.num_sectors);
	return 0;
}

static int tell_serial(struct blk_request *request)
{
	const struct virtio_chain *chain = &request->chain;
	size_t room = chain->in_bytes - 1;

	virtio_chain_write(chain, 0, request->queue->blk->serial,
		room < VIRTIO_BLK_SERIAL_MAX ? room : VIRTIO_BLK_SERIAL_MAX);
	return 0;
}

/* 1: the disk shall do it; else the result. */
static int understand(struct blk_request *request, const struct virtio_blk_outhdr *header)
{
	struct disk_request *disk = &request->disk;
	int r;

	if (header->sector > UINT64_MAX / DISK_SECTOR_BYTES)
		return -ERANGE;
	disk->offset = TO_BYTES(header->sector);
	switch (header->type) {
	case VIRTIO_BLK_T_IN:
		disk->operation = DISK_READ;
		set_in_data(request);
		return 1;
	case VIRTIO_BLK_T_OUT:
		disk->operation = DISK_WRITE;
		request->then_flush = !virtio_device_has(
			&request->queue->blk->device, VIRTIO_BLK_F_FLUSH);
		set_out_data(request, sizeof(*header));
		return 1;
	case VIRTIO_BLK_T_FLUSH:
		disk->operation = DISK_FLUSH;
		return 1;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		disk->operation = header->type == VIRTIO_BLK_T_DISCARD ? DISK_DISCARD
								       : DISK_WRITE_ZEROES;
		r = set_range(request, sizeof(*header));
		return r < 0 ? r : 1;
	case VIRTIO_BLK_T_GET_ID:
		return tell_serial(request);
	default:
		return -EOPNOTSUPP;
	}
}

static void begin(struct blk_request *request)
{
	struct virtio_blk *blk = request->queue->blk;
	struct virtio_blk_outhdr header;
	int r;

	request->then_flush = false;
	request->disk = (struct disk_request){ .scratch = request->scratch, .done = disk_done };
	virtio_chain_read(&request->chain, 0, &header, sizeof(header));
	r = understand(request, &header);
	if (r == 1)
		disk_submit(blk->disk, &request->disk);
	else
		finish(request, r);
}

/* The next that is in the queue, with the lock held; NULL: none. */
static struct blk_request *take(struct blk_queue *q)
{
	struct blk_request *request;

	request = &q->requests[q->free[q->nr_free - 1]];
	if (!virtio_queue_pop(q->queue, &request->chain))
		return NULL;
	if (request->chain.out_bytes < sizeof(struct virtio_blk_outhdr) ||
		!request->chain.in_bytes) {
		virtio_device_broken(&q->blk->device, "a request without header or status");
		return NULL;
	}
	q->nr_free--;
	request->queue = q;
	return request;
}

static void empty_queue(struct blk_queue *q)
{
	struct blk_request *request;
	unsigned nr = 0;

	pthread_mutex_lock(&q->lock);
	q->is_emptied = true;
	do {
		for (; nr < NR_AT_ONCE && (request = take(q)); nr++) {
			pthread_mutex_unlock(&q->lock);
			begin(request);
			pthread_mutex_lock(&q->lock);
		}
	} while (nr < NR_AT_ONCE && virtio_queue_listen(q->queue, true));
	q->is_emptied = false;
	virtio_queue_signal(q->queue);
	pthread_mutex_unlock(&q->lock);
	/* A vcpu must come back some time, however much the others put here. */
	if (nr == NR_AT_ONCE)
		virtio_doorbell_ring(&q->blk->bell);
}

/* --- the device ------------------------------------------------------------------------------ */

static void blk_start(struct virtio_device *device)
{
	struct virtio_blk *blk = of_device(device);

	for (unsigned i = 0; i < device->nr_queues; i++)
		empty_queue(&blk->queues[i]);
}

static void blk_stop(struct virtio_device *device)
{
	struct virtio_blk *blk = of_device(device);

	disk_hurry(blk->disk);
	for (unsigned i = 0; i < device->nr_queues; i++) {
		struct blk_queue *q = &blk->queues[i];

		pthread_mutex_lock(&q->lock);
		while (q->nr_free < NR_REQUESTS)
			pthread_cond_wait(&q->is_quiet, &q->lock);
		pthread_mutex_unlock(&q->lock);
	}
}

static void blk_notify(struct virtio_device *device, unsigned queue)
{
	empty_queue(&of_device(device)->queues[queue]);
}

static const struct virtio_device_ops blk_ops = {
	.name = "virtio-blk",
	.id = VIRTIO_ID_BLOCK,
	.start = blk_start,
	.stop = blk_stop,
	.notify = blk_notify,
};

static void set_config(struct virtio_blk *blk)
{
	const struct disk *disk = blk->disk;
	unsigned exponent = 0;

	while (DISK_SECTOR_BYTES << exponent < disk->block_bytes)
		exponent++;
	blk->config = (struct virtio_blk_config){
		.capacity = disk->bytes / DISK_SECTOR_BYTES,
		.seg_max = SEGMENTS_MAX,
		/* Partition tables are made for this; larger ones are only a wish. */
		.blk_size = DISK_SECTOR_BYTES,
		.physical_block_exp = (uint8_t)exponent,
		.num_queues = (uint16_t)blk->device.nr_queues,
		.max_discard_sectors = SECTORS_MAX,
		.max_discard_seg = 1,
		.discard_sector_alignment = 1,
		.max_write_zeroes_sectors = SECTORS_MAX,
		.max_write_zeroes_seg = 1,
		.write_zeroes_may_unmap = 1,
	};
}

static uint64_t features(const struct virtio_blk *blk)
{
	uint64_t all = 1ull << VIRTIO_BLK_F_SEG_MAX | 1ull << VIRTIO_BLK_F_BLK_SIZE |
		1ull << VIRTIO_BLK_F_TOPOLOGY;

	if (blk->device.nr_queues > 1)
		all |= 1ull << VIRTIO_BLK_F_MQ;
	if (blk->disk->is_read_only)
		return all | 1ull << VIRTIO_BLK_F_RO;
	return all | 1ull << VIRTIO_BLK_F_FLUSH | 1ull << VIRTIO_BLK_F_DISCARD |
		1ull << VIRTIO_BLK_F_WRITE_ZEROES;
}

int virtio_blk_resize(struct virtio_blk *blk, struct error *err)
{
	uint64_t old = blk->disk->bytes;
	int r;

	/* Requests are held against the size while they begin, which is under this lock. */
	pthread_mutex_lock(&blk->device.lock);
	r = disk_measure(blk->disk, err);
	blk->config.capacity = blk->disk->bytes / DISK_SECTOR_BYTES;
	pthread_mutex_unlock(&blk->device.lock);
	if (r == 0 && blk->disk->bytes != old)
		virtio_config_changed(&blk->device);
	return r;
}

/* --- what a snapshot keeps ------------------------------------------------------------------- */

static void save_capacity(struct vm_saved *saved)
{
	struct virtio_blk *blk = container_of(saved, struct virtio_blk, saved);

	blk->saved_capacity = blk->config.capacity;
}

static void resume_capacity(struct vm_saved *saved)
{
	struct virtio_blk *blk = container_of(saved, struct virtio_blk, saved);

	if (blk->saved_capacity != blk->config.capacity)
		virtio_config_changed(&blk->device);
}

struct vm_saved *virtio_blk_saved(struct virtio_blk *blk)
{
	return &blk->saved;
}

/* --- life ------------------------------------------------------------------------------------ */

struct virtio_device *virtio_blk_device(struct virtio_blk *blk)
{
	return &blk->device;
}

static int open_queue(struct virtio_blk *blk, unsigned index)
{
	struct blk_queue *q = &blk->queues[index];

	/* Not touched before it is used: the kernel gives zeroed pages for something that large. */
	q->requests = calloc(NR_REQUESTS, sizeof(*q->requests));
	if (!q->requests)
		return -ENOMEM;
	q->blk = blk;
	q->queue = &blk->device.queues[index];
	q->queue->size_max = QUEUE_SIZE;
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->is_quiet, NULL);
	for (; q->nr_free < NR_REQUESTS; q->nr_free++)
		q->free[q->nr_free] = (uint16_t)(NR_REQUESTS - 1 - q->nr_free);
	return 0;
}

static void close_queue(struct blk_queue *q)
{
	if (!q->requests)
		return;
	pthread_cond_destroy(&q->is_quiet);
	pthread_mutex_destroy(&q->lock);
	free(q->requests);
}

struct virtio_blk *virtio_blk_close(struct virtio_blk *blk)
{
	if (!blk)
		return NULL;
	if (blk->device.memory)
		virtio_device_destroy(&blk->device);
	virtio_doorbell_destroy(&blk->bell);
	for (unsigned i = 0; i < VIRTIO_BLK_QUEUES_MAX; i++)
		close_queue(&blk->queues[i]);
	free(blk);
	return NULL;
}

int virtio_blk_open(struct loop *loop, struct vm_memory *memory,
	const struct virtio_blk_options *options, struct virtio_blk **ret, struct error *err)
{
	struct virtio_blk *blk;
	int r;

	if (!options->nr_queues || options->nr_queues > VIRTIO_BLK_QUEUES_MAX)
		return error_set(err, EINVAL, "a disk has 1 to %d queues, not %u",
			VIRTIO_BLK_QUEUES_MAX, options->nr_queues);
	blk = calloc(1, sizeof(*blk));
	if (!blk)
		return error_oom(err);
	blk->disk = options->disk;
	if (options->serial)
		memcpy(blk->serial, options->serial, strnlen(options->serial, sizeof(blk->serial)));
	blk->device.ops = &blk_ops;
	for (; blk->device.nr_queues < options->nr_queues; blk->device.nr_queues++)
		if (open_queue(blk, blk->device.nr_queues) < 0) {
			virtio_blk_close(blk);
			return error_oom(err);
		}
	blk->device.features = features(blk);
	blk->device.config = &blk->config;
	blk->device.config_bytes = sizeof(blk->config);
	set_config(blk);
	blk->saved = (struct vm_saved){
		.name = "virtio-blk-capacity",
		.data = &blk->saved_capacity,
		.size = sizeof(blk->saved_capacity),
		.save = save_capacity,
		.resume = resume_capacity,
	};
	virtio_device_init(&blk->device, memory);
	r = virtio_doorbell_init(&blk->bell, loop, &blk->device, blk_start, err);
	if (r < 0) {
		virtio_blk_close(blk);
		return r;
	}
	*ret = blk;
	return 0;
}
