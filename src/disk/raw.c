/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raw.c - a disk whose bytes are those of a file or a block device.
 *
 * Past the page cache, the kernel wants offsets and memory aligned. A guest is told so by the
 * disk's block size, but may ask for something else; such requests go through a second descriptor,
 * which uses the page cache (the kernel keeps the two apart well enough: it writes back and drops
 * what is there before it goes past it).
 */
#include "disk/internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DIRECT_BLOCK_BYTES 4096u

struct raw {
	struct disk disk;
	char *path; /* for messages */
	int fd, direct_fd; /* the second or -1 */
	uint64_t file_bytes; /* need not be whole sectors */
};

static struct raw *of_disk(struct disk *disk)
{
	return container_of(disk, struct raw, disk);
}

/* What a file has not of its last sector is read as 0. */
static int read_tail(struct disk_request *request)
{
	const struct disk_work *w = &request->work;

	if (w->offset < of_disk(request->disk)->file_bytes)
		return -EIO; /* it has become shorter */
	for (unsigned i = 0; i < w->nr_parts; i++)
		memset(w->parts[i].iov_base, 0, w->parts[i].iov_len);
	return 0;
}

static void raw_worked(struct disk_request *request, int result)
{
	request->done(request, result == -ENODATA ? read_tail(request) : result);
}

static bool is_aligned(const struct disk_request *request)
{
	uint64_t all = request->offset | request->bytes;

	for (unsigned i = 0; i < request->nr_parts; i++)
		all |= (uintptr_t)request->parts[i].iov_base | request->parts[i].iov_len;
	return !(all % DIRECT_BLOCK_BYTES);
}

static void raw_submit(struct disk *disk, struct disk_request *request)
{
	struct raw *raw = of_disk(disk);
	bool is_direct = raw->direct_fd >= 0 && request->operation <= DISK_WRITE &&
		is_aligned(request);

	request->worked = raw_worked;
	request->work = (struct disk_work){
		.fd = is_direct ? raw->direct_fd : raw->fd,
		.is_cached = !is_direct,
		.offset = request->offset,
		.bytes = request->bytes,
		.parts = request->parts,
		.nr_parts = request->nr_parts,
	};
	engine_submit(disk->engine, request);
}

static int raw_measure(struct disk *disk, struct error *err)
{
	struct raw *raw = of_disk(disk);
	int r = disk_file_measure(raw->fd, raw->path, &raw->file_bytes, err);

	if (r < 0)
		return r;
	disk->bytes = (raw->file_bytes + DISK_SECTOR_BYTES - 1) &
		~(uint64_t)(DISK_SECTOR_BYTES - 1);
	return 0;
}

static void raw_close(struct disk *disk)
{
	struct raw *raw = of_disk(disk);

	cleanup_close(&raw->direct_fd);
	cleanup_close(&raw->fd);
	free(raw->path);
	free(raw);
}

static const struct disk_ops raw_ops = {
	.name = "raw",
	.submit = raw_submit,
	.measure = raw_measure,
	.close = raw_close,
};

/* The same file again. */
static int open_direct(struct raw *raw, struct error *err)
{
	char path[32];
	int flags = raw->disk.is_read_only ? O_RDONLY : O_RDWR;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", raw->fd);
	raw->direct_fd = open(path, flags | O_CLOEXEC | O_DIRECT);
	if (raw->direct_fd < 0)
		return error_errno(
			err, errno, "cannot read and write %s past the page cache", raw->path);
	raw->disk.block_bytes = DIRECT_BLOCK_BYTES;
	return 0;
}

int disk_raw_open(struct disk_engine *engine, const struct disk_raw_options *options,
	struct disk **ret, struct error *err)
{
	_cleanup_disk_ struct disk *disk = NULL;
	struct raw *raw = calloc(1, sizeof(*raw));
	int r;

	if (!raw)
		return error_oom(err);
	raw->fd = raw->direct_fd = -1;
	disk = &raw->disk;
	*disk = (struct disk){
		.ops = &raw_ops,
		.engine = engine,
		.is_read_only = options->is_read_only,
		.block_bytes = DISK_SECTOR_BYTES,
	};
	raw->path = strdup(options->path);
	if (!raw->path)
		return error_oom(err);
	raw->fd = disk_file_open(options->path, options->is_read_only, &raw->file_bytes, err);
	if (raw->fd < 0)
		return raw->fd;
	r = raw_measure(disk, err);
	if (r == 0 && options->is_direct)
		r = open_direct(raw, err);
	if (r < 0)
		return r;
	*ret = steal_ptr(&disk);
	return 0;
}
