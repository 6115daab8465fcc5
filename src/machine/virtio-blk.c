/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-blk.c - the machine's disks, all on one engine.
 */
#include <stdio.h>

#include "base/str.h"
#include "device/virtio/blk.h"
#include "machine/virtio.h"

struct blk {
	struct disk *disk;
	struct virtio_blk *blk;
	struct machine *machine;
};

static unsigned count(const struct machine_config *config)
{
	return config->nr_disks;
}

static int open_engine(struct machine *m, struct error *err)
{
	return m->disk_engine ? 0 : disk_engine_open(DISK_ENGINE_ANY, &m->disk_engine, err);
}

static void close_blk(void *self)
{
	struct blk *b = self;

	virtio_blk_close(b->blk);
	disk_close(b->disk);
	free(b);
}

static int open_disk(struct blk *b, const struct machine_disk_config *config, struct error *err)
{
	struct machine *m = b->machine;
	const struct disk_raw_options raw = {
		.path = config->path,
		.is_read_only = config->is_readonly,
		.is_direct = config->is_direct,
	};
	bool has_limits = config->limits.requests_per_second || config->limits.bytes_per_second;
	int r = open_engine(m, err);

	if (r == 0 && config->nr_parts)
		r = disk_concat_open(
			m->disk_engine, config->parts, config->nr_parts, &b->disk, err);
	else if (r == 0)
		r = disk_raw_open(m->disk_engine, &raw, &b->disk, err);
	return r < 0 || !has_limits ? r : disk_limit(&b->disk, &config->limits, &m->loop, err);
}

static int open_device(struct blk *b, unsigned index, struct error *err)
{
	struct machine *m = b->machine;
	struct virtio_blk_options options = { .nr_queues = m->config.nr_vcpus };
	char serial[VIRTIO_BLK_SERIAL_MAX + 1];
	int r = open_disk(b, &m->config.disks[index], err);

	if (r < 0)
		return r;
	snprintf(serial, sizeof(serial), "strata-disk%u", index);
	options.disk = b->disk;
	options.serial = serial;
	return virtio_blk_open(&m->loop, &m->memory, &options, &b->blk, err);
}

static int open_blk(struct machine *m, unsigned index, void **ret, struct error *err)
{
	struct blk *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return error_oom(err);
	b->machine = m;
	r = open_device(b, index, err);
	if (r < 0)
		close_blk(b);
	else
		*ret = b;
	return r;
}

static struct virtio_device *device(void *self)
{
	return virtio_blk_device(((struct blk *)self)->blk);
}

static struct vm_saved *saved(void *self)
{
	return virtio_blk_saved(((struct blk *)self)->blk);
}

const struct machine_virtio machine_virtio_blk = {
	.name = "virtio-blk",
	.count = count,
	.open = open_blk,
	.device = device,
	.close = close_blk,
	.saved = saved,
};
