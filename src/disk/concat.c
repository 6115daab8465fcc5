/* SPDX-License-Identifier: Apache-2.0 */
/*
 * concat.c - read-only files as the partitions of one disk, whose table is in our memory: the
 * layers of an image are one device of the machine, however many they are.
 *
 * The disk is a row of extents: the table, the files, each at a multiple of 1 MiB (see measure.c,
 * too), the table's copy. What is between them reads as 0. A request is done extent by extent; few
 * cross one, since a file system reads its own partition only.
 */
#include "disk/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/parts.h"

#define NR_EXTENTS (DISK_FILES_MAX + 2)

struct extent {
	uint64_t start, bytes; /* whole sectors */
	const uint8_t *memory; /* or NULL: */
	int fd;
	uint64_t file_bytes;
};

struct concat {
	struct disk disk;
	struct gpt gpt;
	struct extent extents[NR_EXTENTS]; /* by start */
	unsigned nr_extents;
};

static struct concat *of_disk(struct disk *disk)
{
	return container_of(disk, struct concat, disk);
}

/* --- reading -----------------------------------------------------------------------------------
 *
 * Piece by piece: of request->piece bytes is the one under way, request->position are in front of
 * it.
 */

/* The one that `offset` is in, or else the next one; or NULL. */
static const struct extent *find_extent(const struct concat *c, uint64_t offset)
{
	unsigned low = 0, high = c->nr_extents;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (c->extents[middle].start + c->extents[middle].bytes <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low < c->nr_extents ? &c->extents[low] : NULL;
}

/* What is there to read at once at `offset`, of at most `bytes`: *ret_extent, or nothing (NULL). */
static uint64_t find_piece(
	const struct concat *c, uint64_t offset, uint64_t bytes, const struct extent **ret_extent)
{
	const struct extent *e = find_extent(c, offset);
	uint64_t there = bytes;

	*ret_extent = NULL;
	if (e && e->start <= offset) {
		*ret_extent = e;
		there = e->start + e->bytes - offset;
	} else if (e) {
		there = e->start - offset;
	}
	return there < bytes ? there : bytes;
}

/* `from` is NULL: zeroes. */
static void fill(const struct iovec *parts, unsigned nr, const uint8_t *from)
{
	for (unsigned i = 0; i < nr; i++) {
		if (from)
			memcpy(parts[i].iov_base, from, parts[i].iov_len);
		else
			memset(parts[i].iov_base, 0, parts[i].iov_len);
		from = from ? from + parts[i].iov_len : NULL;
	}
}

static void concat_worked(struct disk_request *request, int result);

/* Until all is done, or the engine has something to do. */
static void go_on(struct disk_request *request)
{
	struct concat *c = of_disk(request->disk);
	const struct extent *e;

	for (; request->position < request->bytes; request->position += request->piece) {
		uint64_t offset = request->offset + request->position;
		unsigned nr;

		request->piece = find_piece(c, offset, request->bytes - request->position, &e);
		nr = parts_slice(request->parts, request->nr_parts, request->position,
			request->piece, request->scratch, NULL);
		if (!e || e->memory) {
			fill(request->scratch, nr, e ? e->memory + (offset - e->start) : NULL);
			continue;
		}
		request->work = (struct disk_work){
			.fd = e->fd,
			.is_cached = true,
			.offset = offset - e->start,
			.bytes = request->piece,
			.parts = request->scratch,
			.nr_parts = nr,
		};
		engine_submit(c->disk.engine, request);
		return;
	}
	request->done(request, 0);
}

/* A file's last sector is filled up with 0. */
static int read_tail(const struct disk_request *request)
{
	const struct disk_work *w = &request->work;
	const struct extent *e = find_extent(
		of_disk(request->disk), request->offset + request->position);

	if (w->offset < e->file_bytes)
		return -EIO; /* it has become shorter */
	fill(w->parts, w->nr_parts, NULL);
	return 0;
}

static void concat_worked(struct disk_request *request, int result)
{
	if (result == -ENODATA)
		result = read_tail(request);
	if (result < 0) {
		request->done(request, result);
		return;
	}
	request->position += request->piece;
	go_on(request);
}

static void concat_submit(struct disk *disk, struct disk_request *request)
{
	if (request->operation == DISK_FLUSH) {
		request->done(request, 0);
		return;
	}
	request->position = 0;
	request->worked = concat_worked;
	go_on(request);
}

/* --- opening --------------------------------------------------------------------------------- */

static void concat_close(struct disk *disk)
{
	struct concat *c = of_disk(disk);

	for (unsigned i = 0; i < c->nr_extents; i++)
		if (!c->extents[i].memory)
			close(c->extents[i].fd);
	free(c);
}

static const struct disk_ops concat_ops = {
	.name = "concat",
	.submit = concat_submit,
	.close = concat_close,
};

static void add_extent(struct concat *c, struct extent extent)
{
	c->extents[c->nr_extents++] = extent;
	c->disk.bytes = extent.start + extent.bytes;
}

static int add_file(struct concat *c, const struct disk_file *file, struct error *err)
{
	struct extent e = { .start = disk_align(c->disk.bytes, CONCAT_ALIGN_BYTES) };

	if (strlen(file->name) > DISK_NAME_MAX)
		return error_set(err, EINVAL,
			"\"%s\" is too long for a partition's name, which has at most %d characters",
			file->name, DISK_NAME_MAX);
	e.fd = disk_file_open(file->path, true, &e.file_bytes, err);
	if (e.fd < 0)
		return e.fd;
	e.bytes = disk_align(e.file_bytes, DISK_SECTOR_BYTES);
	if (e.bytes > INT64_MAX / 2 - e.start) {
		close(e.fd);
		return error_set(err, EFBIG, "%s is too large for a partition", file->path);
	}
	add_extent(c, e);
	return 0;
}

static void add_table(struct concat *c, const struct disk_file *files, unsigned nr_files)
{
	struct gpt_partition partitions[DISK_FILES_MAX];

	for (unsigned i = 0; i < nr_files; i++) {
		const struct extent *e = &c->extents[i + 1];

		partitions[i] = (struct gpt_partition){
			.name = files[i].name,
			.first_sector = e->start / DISK_SECTOR_BYTES,
			.nr_sectors = e->bytes / DISK_SECTOR_BYTES,
		};
	}
	add_extent(c,
		(struct extent){
			.start = disk_align(c->disk.bytes, CONCAT_ALIGN_BYTES),
			.bytes = sizeof(c->gpt.tail),
			.memory = c->gpt.tail,
		});
	gpt_make(&c->gpt, partitions, nr_files, c->disk.bytes / DISK_SECTOR_BYTES);
}

int disk_concat_open(struct disk_engine *engine, const struct disk_file *files, unsigned nr_files,
	struct disk **ret, struct error *err)
{
	_cleanup_disk_ struct disk *disk = NULL;
	struct concat *c;

	if (nr_files > DISK_FILES_MAX)
		return error_set(err, E2BIG,
			"%u files are too many for one disk, which has at most %d", nr_files,
			DISK_FILES_MAX);
	c = calloc(1, sizeof(*c));
	if (!c)
		return error_oom(err);
	disk = &c->disk;
	*disk = (struct disk){
		.ops = &concat_ops,
		.engine = engine,
		.is_read_only = true,
		.block_bytes = DISK_SECTOR_BYTES,
	};
	add_extent(c, (struct extent){ .bytes = sizeof(c->gpt.head), .memory = c->gpt.head });
	for (unsigned i = 0; i < nr_files; i++) {
		int r = add_file(c, &files[i], err);

		if (r < 0)
			return r;
	}
	add_table(c, files, nr_files);
	*ret = steal_ptr(&disk);
	return 0;
}
