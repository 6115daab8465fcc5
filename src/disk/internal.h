/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - between disks and engines.
 *
 * A disk fills in request->work and ->worked and calls engine_submit(); worked() is called with the
 * result when nothing of the work is left, or it cannot be done.
 */
#pragma once

#include <pthread.h>

#include "disk/disk.h"

/* What may be copied from or to the page cache while others wait. */
#define ENGINE_INLINE_BYTES (256u << 10)

struct disk_engine_ops {
	const char *name;
	int (*open)(struct disk_engine **ret, struct error *err);
	/* Its threads. */
	int (*start)(struct disk_engine *engine, struct error *err);
	void (*submit)(struct disk_engine *engine, struct disk_request *request);
	void (*close)(struct disk_engine *engine);
};

/* Embedded in an engine. */
struct disk_engine {
	const struct disk_engine_ops *ops;
	const struct confine_list *more_calls; /* of its threads; NULL: all */
};

extern const struct disk_engine_ops disk_engine_uring, disk_engine_threads;

/* Requests in the order of their arrival. */
struct request_list {
	struct disk_request *first, **end;
};

void request_list_init(struct request_list *list);
void request_list_add(struct request_list *list, struct disk_request *request);
struct disk_request *request_list_take(struct request_list *list);
/* All of them, linked; the list is empty then. */
struct disk_request *request_list_take_all(struct request_list *list);

void engine_submit(struct disk_engine *engine, struct disk_request *request);
/* The first `bytes` of its work are done. */
void engine_advance(struct disk_request *request, uint64_t bytes);
/* Do all that is left of the work, and wait for it: 0 or -errno. A read behind the end of the file
 * is -ENODATA; what is left tells where that is. */
int engine_perform(struct disk_request *request);
/* What fallocate(2) is to do for a discard, or for zeroes. */
int engine_fallocate_mode(const struct disk_request *request);
/* What a thread of an engine does first; `own` are calls of that kind of engine (or NULL). */
int engine_confine(const struct disk_engine *engine, const struct confine_list *own);
/* A thread of an engine: no signal is for it. 0 or -errno. */
int engine_start_thread(pthread_t *ret, void *(*run)(void *argument), void *argument);

/* The sum that a GPT is checked by (CRC-32 of IEEE 802.3). */
uint32_t disk_crc32(const void *bytes, size_t size);

/* The size of what is opened. */
int disk_file_measure(int fd, const char *path, uint64_t *ret_bytes, struct error *err);
/* A descriptor, locked; -errno. */
int disk_file_open(const char *path, bool is_read_only, uint64_t *ret_bytes, struct error *err);

/* --- concat.c ----------------------------------------------------------------------------------
 */

#define CONCAT_ALIGN_BYTES (UINT64_C(1) << 20) /* where its files begin */

static inline uint64_t disk_align(uint64_t bytes, uint64_t to)
{
	return (bytes + to - 1) & ~(to - 1);
}

/* --- gpt.c: a partition table (UEFI 2.10 §5) ------------------------------------------------- */

#define GPT_HEAD_SECTORS 34u /* protective MBR, header, entries */
#define GPT_TAIL_SECTORS 33u /* entries, header */

struct gpt_partition {
	const char *name;
	uint64_t first_sector, nr_sectors;
};

struct gpt {
	uint8_t head[GPT_HEAD_SECTORS * DISK_SECTOR_BYTES];
	uint8_t tail[GPT_TAIL_SECTORS * DISK_SECTOR_BYTES];
};

/* Of a disk of `nr_sectors` in all, its tables included. At most DISK_FILES_MAX. */
void gpt_make(struct gpt *gpt, const struct gpt_partition *partitions, unsigned nr_partitions,
	uint64_t nr_sectors);
