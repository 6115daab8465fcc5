/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-fs.c - folders of the host: one device whose tree has all of them.
 */
#include "device/virtio/fs.h"
#include "machine/virtio.h"

static unsigned count(const struct machine_config *config)
{
	return config->nr_shares ? 1 : 0;
}

static int open_fs(struct machine *m, unsigned index, void **ret, struct error *err)
{
	struct virtio_fs *fs;
	int r = virtio_fs_new(&m->loop, &m->memory, MACHINE_SHARES_TAG, m->config.shares,
		m->config.nr_shares, &fs, err);

	if (r == 0)
		*ret = fs;
	return r;
}

static struct virtio_device *device(void *self)
{
	return virtio_fs_device(self);
}

static void close_fs(void *self)
{
	virtio_fs_free(self);
}

static struct vm_saved *saved(void *self)
{
	return virtio_fs_saved(self);
}

const struct machine_virtio machine_virtio_fs = {
	.name = "virtio-fs",
	.count = count,
	.open = open_fs,
	.device = device,
	.close = close_fs,
	.saved = saved,
};
