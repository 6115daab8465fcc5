/* SPDX-License-Identifier: Apache-2.0 */
/*
 * balloon.c - memory that the guest gives back (virtio 1.2 §5.5).
 *
 * Pages that are in the balloon, or reported as free, go back to the host at once
 * (vm_memory_discard()); they are there again, empty, when the guest touches them. So the balloon
 * need not be told before it is deflated, and the guest may do that when it is short of memory.
 *
 * Work is done on the vcpu's thread, which the guest pays for, up to NR_AT_ONCE chains; the rest on
 * the loop's.
 */
#include "device/virtio/balloon.h"

#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "device/virtio/doorbell.h"

#define QUEUE_SIZE 128
#define NR_AT_ONCE 32 /* chains that are worked on without a look at other things */
#define PFNS_MAX   4096 /* of one chain; Linux has 256 */
#define STATS_MAX  32

static_assert(VM_PAGE_BYTES == 1u << VIRTIO_BALLOON_PFN_SHIFT, "§5.5.6");

/* The queues of a driver that knows all that we offer. One that does not know a queue has the next
 * one in its place (§5.5.2). */
enum {
	QUEUE_INFLATE,
	QUEUE_DEFLATE,
	QUEUE_STATS,
	QUEUE_REPORTING,
	QUEUE_NR,
};

struct virtio_balloon {
	struct virtio_device device;
	struct virtio_balloon_config config; /* is `saved` */
	struct vm_saved saved;
	struct virtio_doorbell bell;
	struct virtio_chain chain;
	struct virtio_chain asked; /* of the statistics: kept until we want new ones (§5.5.6.3) */
	bool has_asked;
	struct virtio_balloon_stats stats;
};

static struct virtio_balloon *of_device(struct virtio_device *device)
{
	return container_of(device, struct virtio_balloon, device);
}

/* --- pages ----------------------------------------------------------------------------------- */

/* A run of pages that is given back at once. */
struct run {
	uint64_t first, count;
};

static bool discard(struct virtio_balloon *balloon, const struct run *run)
{
	uint64_t bytes = run->count * VM_PAGE_BYTES;

	/* What fallocate(2) cannot do now is no harm. */
	if (vm_memory_discard(balloon->device.memory, run->first * VM_PAGE_BYTES, bytes) != -EFAULT)
		return true;
	virtio_device_broken(&balloon->device, "a page for the balloon is not in memory");
	return false;
}

/* Make the run longer by a page, at either end. */
static bool extend(struct run *run, uint64_t page)
{
	if (run->count && page != run->first + run->count && page + 1 != run->first)
		return false;
	if (!run->count || page < run->first)
		run->first = page;
	run->count++;
	return true;
}

static bool inflate(struct virtio_balloon *balloon)
{
	uint32_t pfns[64], total = balloon->chain.out_bytes / (uint32_t)sizeof(*pfns);
	struct run run = {};

	if (total > PFNS_MAX) {
		virtio_device_broken(&balloon->device, "too many pages for the balloon at once");
		return false;
	}
	for (uint32_t done = 0; done < total; done += ARRAY_SIZE(pfns)) {
		size_t n = virtio_chain_read(
				   &balloon->chain, done * sizeof(*pfns), pfns, sizeof(pfns)) /
			sizeof(*pfns);

		for (size_t i = 0; i < n; i++) {
			if (extend(&run, pfns[i]))
				continue;
			if (!discard(balloon, &run))
				return false;
			run = (struct run){ .first = pfns[i], .count = 1 };
		}
	}
	return !run.count || discard(balloon, &run);
}

/* Nothing to do: see above. */
static bool deflate(struct virtio_balloon *balloon)
{
	return true;
}

/* Free pages are what the chain itself is made of (§5.5.6.7). */
static bool report(struct virtio_balloon *balloon)
{
	const struct virtio_chain *chain = &balloon->chain;

	for (unsigned i = 0; i < chain->nr_in; i++) {
		uint64_t start = chain->starts[chain->nr_out + i];
		uint64_t first = (start + VM_PAGE_BYTES - 1) / VM_PAGE_BYTES;
		uint64_t end = (start + virtio_chain_in(chain)[i].iov_len) / VM_PAGE_BYTES;

		if (end > first)
			discard(balloon, &(struct run){ .first = first, .count = end - first });
	}
	return true;
}

/* --- statistics ------------------------------------------------------------------------------ */

static void read_stats(struct virtio_balloon *balloon)
{
	struct virtio_balloon_stat stats[STATS_MAX];
	size_t n = virtio_chain_read(&balloon->asked, 0, stats, sizeof(stats)) / sizeof(*stats);

	memset(balloon->stats.values, 0xff, sizeof(balloon->stats.values));
	for (size_t i = 0; i < n; i++)
		if (stats[i].tag < VIRTIO_BALLOON_S_NR)
			balloon->stats.values[stats[i].tag] = stats[i].val;
	balloon->stats.time_ns = clock_monotonic_ns();
}

/* The driver has one chain for them, and another one is wrong: it stays where it is. */
static void take_stats(struct virtio_balloon *balloon, struct virtio_queue *queue)
{
	if (balloon->has_asked || !virtio_queue_pop(queue, &balloon->asked))
		return;
	balloon->has_asked = true;
	read_stats(balloon);
	virtio_queue_listen(queue, true);
}

void virtio_balloon_stats(struct virtio_balloon *balloon, struct virtio_balloon_stats *ret)
{
	struct virtio_queue *queue = &balloon->device.queues[QUEUE_STATS];

	pthread_mutex_lock(&balloon->device.lock);
	*ret = balloon->stats;
	if (balloon->has_asked) {
		virtio_queue_push(queue, &balloon->asked, 0);
		virtio_queue_signal(queue);
		balloon->has_asked = false;
	}
	pthread_mutex_unlock(&balloon->device.lock);
}

/* --- queues ---------------------------------------------------------------------------------- */

/* true: there is more to do. */
static bool work_on(struct virtio_balloon *balloon, struct virtio_queue *queue,
	bool (*work)(struct virtio_balloon *balloon))
{
	unsigned nr = 0;

	do {
		for (; nr < NR_AT_ONCE && virtio_queue_pop(queue, &balloon->chain); nr++) {
			if (!work(balloon))
				return false;
			virtio_queue_push(queue, &balloon->chain, 0);
		}
	} while (nr < NR_AT_ONCE && virtio_queue_listen(queue, true));
	virtio_queue_signal(queue);
	return nr == NR_AT_ONCE;
}

static bool has_stats(const struct virtio_balloon *balloon)
{
	return virtio_device_has(&balloon->device, VIRTIO_BALLOON_F_STATS_VQ);
}

/* With the lock held. */
static void work(struct virtio_device *device)
{
	struct virtio_balloon *balloon = of_device(device);
	struct virtio_queue *queues = device->queues;
	bool has_more = work_on(balloon, &queues[QUEUE_INFLATE], inflate);

	has_more |= work_on(balloon, &queues[QUEUE_DEFLATE], deflate);
	if (has_stats(balloon))
		take_stats(balloon, &queues[QUEUE_STATS]);
	if (virtio_device_has(device, VIRTIO_BALLOON_F_REPORTING))
		has_more |= work_on(balloon,
			&queues[has_stats(balloon) ? QUEUE_REPORTING : QUEUE_STATS], report);
	if (has_more)
		virtio_doorbell_ring(&balloon->bell);
}

static void balloon_notify(struct virtio_device *device, unsigned queue)
{
	work(device);
}

static void balloon_stop(struct virtio_device *device)
{
	struct virtio_balloon *balloon = of_device(device);

	if (balloon->has_asked)
		virtio_queue_unpop(&device->queues[QUEUE_STATS], 1);
	balloon->has_asked = false;
}

static void balloon_reset(struct virtio_device *device)
{
	struct virtio_balloon *balloon = of_device(device);

	balloon->config.actual = 0;
	balloon->stats = (struct virtio_balloon_stats){};
}

static void config_write(
	struct virtio_device *device, uint32_t offset, const void *from, uint32_t size)
{
	struct virtio_balloon *balloon = of_device(device);

	if (offset == offsetof(struct virtio_balloon_config, actual) &&
		size == sizeof(balloon->config.actual))
		memcpy(&balloon->config.actual, from, size);
}

static const struct virtio_device_ops balloon_ops = {
	.name = "virtio-balloon",
	.id = VIRTIO_ID_BALLOON,
	.start = work,
	.stop = balloon_stop,
	.reset = balloon_reset,
	.notify = balloon_notify,
	.config_write = config_write,
};

/* --- from the host --------------------------------------------------------------------------- */

void virtio_balloon_set_target(struct virtio_balloon *balloon, uint64_t bytes)
{
	uint64_t pages = bytes / VM_PAGE_BYTES;

	pthread_mutex_lock(&balloon->device.lock);
	balloon->config.num_pages = pages < UINT32_MAX ? (uint32_t)pages : UINT32_MAX;
	pthread_mutex_unlock(&balloon->device.lock);
	virtio_config_changed(&balloon->device);
}

uint64_t virtio_balloon_target(struct virtio_balloon *balloon)
{
	uint64_t pages;

	pthread_mutex_lock(&balloon->device.lock);
	pages = balloon->config.num_pages;
	pthread_mutex_unlock(&balloon->device.lock);
	return pages * VM_PAGE_BYTES;
}

uint64_t virtio_balloon_bytes(struct virtio_balloon *balloon)
{
	uint64_t pages;

	pthread_mutex_lock(&balloon->device.lock);
	pages = balloon->config.actual;
	pthread_mutex_unlock(&balloon->device.lock);
	return pages * VM_PAGE_BYTES;
}

struct virtio_device *virtio_balloon_device(struct virtio_balloon *balloon)
{
	return &balloon->device;
}

struct vm_saved *virtio_balloon_saved(struct virtio_balloon *balloon)
{
	return &balloon->saved;
}

struct virtio_balloon *virtio_balloon_close(struct virtio_balloon *balloon)
{
	if (!balloon)
		return NULL;
	virtio_device_destroy(&balloon->device);
	virtio_doorbell_destroy(&balloon->bell);
	free(balloon);
	return NULL;
}

int virtio_balloon_open(
	struct loop *loop, struct vm_memory *memory, struct virtio_balloon **ret, struct error *err)
{
	struct virtio_balloon *balloon = calloc(1, sizeof(*balloon));
	int r;

	if (!balloon)
		return error_oom(err);
	balloon->saved = (struct vm_saved){
		.name = "virtio-balloon-pages",
		.data = &balloon->config,
		.size = sizeof(balloon->config),
	};
	balloon->device.ops = &balloon_ops;
	balloon->device.features = 1ull << VIRTIO_BALLOON_F_STATS_VQ |
		1ull << VIRTIO_BALLOON_F_DEFLATE_ON_OOM | 1ull << VIRTIO_BALLOON_F_REPORTING;
	balloon->device.nr_queues = QUEUE_NR;
	for (unsigned i = 0; i < QUEUE_NR; i++)
		balloon->device.queues[i].size_max = QUEUE_SIZE;
	balloon->device.config = &balloon->config;
	balloon->device.config_bytes = sizeof(balloon->config);
	virtio_device_init(&balloon->device, memory);
	r = virtio_doorbell_init(&balloon->bell, loop, &balloon->device, work, err);
	if (r < 0) {
		virtio_balloon_close(balloon);
		return r;
	}
	*ret = balloon;
	return 0;
}
