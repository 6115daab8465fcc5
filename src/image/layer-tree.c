/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layer-tree.c - a tar stream that is nobody's layer: what `cp -` brings along.
 */
#include "image/layer.h"

#include <errno.h>
#include <stdio.h>
#include <sys/statvfs.h>

#include "image/layer-stream.h"
#include "image/layer-unpack.h"

#define TREE_MAX_ENTRIES     10000000
#define TREE_FREE_SPACE_PART 95 /* per cent of the free disk space that one stream may take */
#define READ_SIZE	     (64u << 10)

struct input {
	int fd;
	char chunk[READ_SIZE];
};

static ssize_t read_input(void *context, const void **ret_bytes)
{
	struct input *input = context;
	ssize_t n;

	do {
		n = read(input->fd, input->chunk, sizeof(input->chunk));
	} while (n < 0 && errno == EINTR);
	*ret_bytes = input->chunk;
	return n < 0 ? -errno : n;
}

/* How many ids there are in our user namespace: all of them, a range, or one. */
static uint64_t count_ids(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/uid_map", "re");
	unsigned long inside, outside, count;
	uint64_t total = 0;

	while (f && fscanf(f, "%lu %lu %lu", &inside, &outside, &count) == 3)
		total += count;
	return total;
}

int image_tree_unpack(int dir_fd, int in_fd, struct error *err)
{
	uint64_t ids = count_ids(), max_bytes = UINT64_MAX;
	const struct layer_unpack_options options = {
		.max_entries = TREE_MAX_ENTRIES,
		.rootless = ids < UINT32_MAX,
		.single_id = ids == 1,
	};
	_cleanup_free_ struct layer_unpack *u = malloc(sizeof(*u));
	_cleanup_free_ struct layer_stream *stream = malloc(sizeof(*stream));
	_cleanup_free_ struct input *input = malloc(sizeof(*input));
	struct statvfs fs;
	int r;

	if (!u || !stream || !input)
		return error_oom(err);
	if (fstatvfs(dir_fd, &fs) == 0)
		max_bytes = (uint64_t)fs.f_bavail * fs.f_frsize / 100 * TREE_FREE_SPACE_PART;
	input->fd = in_fd;
	r = layer_stream_start(stream, read_input, input, max_bytes, err);
	if (r < 0)
		return r;
	r = layer_unpack_tree(u, &stream->source, dir_fd, &options, err);
	layer_stream_close(stream);
	return r;
}
