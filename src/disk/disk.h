/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk.h - where the bytes of a guest's disk are: files and block devices, and what is made of
 * them. The contract of the folder.
 *
 * A disk is asked by requests, many at a time, which are done in any order; a flush covers what was
 * done before it was asked for. The work is an engine's, which has a thread of its own (or several)
 * and is shared by the disks of a machine.
 *
 * Threads: disk_submit() may be called on any. A request is done on the engine's thread, or on the
 * caller's before disk_submit() returns, when the page cache has it; no locks are held then, and
 * another request may be submitted.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/confine.h"
#include "base/error.h"
#include "base/loop.h"

#define DISK_SECTOR_BYTES 512u
#define DISK_PARTS_MAX	  256 /* of one request */
#define DISK_FILES_MAX	  128 /* of disk_concat_open() */
#define DISK_NAME_MAX	  36 /* of a partition */

/* --- requests -------------------------------------------------------------------------------- */

enum disk_operation {
	DISK_READ,
	DISK_WRITE,
	DISK_FLUSH, /* what was written is on stable storage */
	DISK_DISCARD, /* nobody needs the bytes any more: a hint */
	DISK_WRITE_ZEROES,
	DISK_OPERATION_NR,
};

/* What is left of a request for the engine. */
struct disk_work {
	int fd;
	bool is_cached; /* the page cache may have it */
	uint64_t offset, bytes; /* in that file */
	const struct iovec *parts;
	unsigned nr_parts;
};

struct disk;

struct disk_request {
	/* Filled in by who asks. */
	enum disk_operation operation;
	bool may_unmap; /* DISK_WRITE_ZEROES: what reads as 0 need not have a place */
	uint64_t offset, bytes; /* whole sectors inside the disk; for a flush, nothing */
	const struct iovec *parts; /* `bytes` in all, for reads and writes; stay until it is done */
	unsigned nr_parts; /* at most DISK_PARTS_MAX */
	struct iovec *scratch; /* room for as many, which the disk uses */
	void (*done)(struct disk_request *request, int result); /* 0 or -errno */

	/* The disk's and the engine's. */
	struct disk *disk;
	struct disk_work work;
	uint64_t position, piece; /* concat.c */
	void (*worked)(struct disk_request *request, int result);
	struct disk_request *next;
};

/* --- engines --------------------------------------------------------------------------------- */

enum disk_engine_kind {
	DISK_ENGINE_ANY, /* the first that this host allows */
	DISK_ENGINE_URING, /* io_uring(7) */
	DISK_ENGINE_THREADS,
};

struct disk_engine;

int disk_engine_open(enum disk_engine_kind kind, struct disk_engine **ret, struct error *err);
/*
 * Start its threads, once; what was submitted before has waited for them. They may make the calls
 * that they need, and those of `more`, for done() of requests (base/confine.h); NULL: all.
 */
int disk_engine_start(
	struct disk_engine *engine, const struct confine_list *more, struct error *err);
/* All requests are done, all its disks closed. */
struct disk_engine *disk_engine_close(struct disk_engine *engine);
/* "io_uring" */
const char *disk_engine_name(const struct disk_engine *engine);

/* --- disks ----------------------------------------------------------------------------------- */

struct disk_ops {
	const char *name; /* "raw" */
	void (*submit)(struct disk *disk, struct disk_request *request);
	/* What waits for anything but the engine begins at once. NULL: nothing does. */
	void (*hurry)(struct disk *disk);
	/* Look again how large it is. NULL: it never changes. */
	int (*measure)(struct disk *disk, struct error *err);
	void (*close)(struct disk *disk);
};

struct disk {
	const struct disk_ops *ops;
	struct disk_engine *engine;
	uint64_t bytes; /* whole sectors */
	bool is_read_only;
	uint32_t block_bytes; /* what it is best read and written in; a power of two */
};

struct disk_raw_options {
	const char *path; /* a file, or a block device */
	bool is_read_only;
	bool is_direct; /* past the page cache (O_DIRECT) */
};

/* The bytes of a file. It is locked (flock(2)) against a second one who writes. -EBUSY: it is in
 * use; -EINVAL: it is neither a file nor a block device, or empty. */
int disk_raw_open(struct disk_engine *engine, const struct disk_raw_options *options,
	struct disk **ret, struct error *err);

struct disk_file {
	const char *path;
	const char *name; /* of its partition: ASCII, at most DISK_NAME_MAX characters */
};

/* Read-only files behind each other, with a partition table (GPT) made for them: each is a
 * partition, in this order, with a name. Files are locked against who writes to them. */
int disk_concat_open(struct disk_engine *engine, const struct disk_file *files, unsigned nr_files,
	struct disk **ret, struct error *err);

/* How large that disk is of the files at these paths, NULL-ended. */
int disk_concat_measure(const char *const *paths, uint64_t *ret_bytes, struct error *err);

struct disk_limits {
	uint64_t requests_per_second, bytes_per_second; /* 0: as many as there may be */
};

/* Put limits in front of *disk, which is replaced. Requests that must wait begin on the loop's
 * thread, on which such a disk is opened and closed, too. On failure, *disk stays as it is. */
int disk_limit(
	struct disk **disk, const struct disk_limits *limits, struct loop *loop, struct error *err);

/* NULL is fine. No request is under way. */
struct disk *disk_close(struct disk *disk);

/* Refused with -EROFS, -EINVAL or -ERANGE where it is not one that the disk can do. */
void disk_submit(struct disk *disk, struct disk_request *request);
/* Whoever waits for requests that are under way says so: none waits for a time, or a loop. */
void disk_hurry(struct disk *disk);
/* Ask and wait: for tools and tests. */
int disk_perform(struct disk *disk, struct disk_request *request);
/* The file may have another size now: `bytes` follows. */
int disk_measure(struct disk *disk, struct error *err);

static inline void cleanup_disk(struct disk **disk)
{
	disk_close(*disk);
}

static inline void cleanup_disk_engine(struct disk_engine **engine)
{
	disk_engine_close(*engine);
}
#define _cleanup_disk_	      _cleanup_(cleanup_disk)
#define _cleanup_disk_engine_ _cleanup_(cleanup_disk_engine)
