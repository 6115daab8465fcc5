/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup-v1-io.c - block I/O limits of v1 (Linux Documentation/admin-guide/cgroup-v1/
 * blkio-controller.rst; BFQ's files: Documentation/block/bfq-iosched.rst).
 */
#include <errno.h>
#include <stdio.h>

#include "base/str.h"
#include "container/cgroup-v1.h"

/* A weight to the scheduler that is there: CFQ's file is gone since Linux 5.0, BFQ has its own.
 * `device` is "" or "MAJOR:MINOR ". */
static int write_weight(const struct cgroup_host *host, const char *path,
	const char *const files[2], const char *device, int64_t weight, const char *option,
	struct error *err)
{
	char text[64];
	int r = -ENOENT;

	snprintf(text, sizeof(text), "%s%lld", device, (long long)weight);
	for (size_t i = 0; i < 2 && files[i] && r == -ENOENT; i++)
		r = v1_write(host, V1_BLKIO, path, files[i], text);
	if (r == -ENOENT)
		return error_set(err, ENOTSUP,
			"%s: this kernel has no proportional I/O scheduler (no %s%s%s)", option,
			files[0], files[1] ? " and no " : "", files[1] ? files[1] : "");
	if (r < 0)
		return error_errno(err, r, "%s: cannot set '%s' in cgroup %s", option, text, path);
	return 0;
}

static const char *const weight_files[] = { "blkio.weight", "blkio.bfq.weight" };
static const char *const device_files[] = { "blkio.weight_device", "blkio.bfq.weight_device" };
static const char *const leaf_files[] = { "blkio.leaf_weight", NULL };
static const char *const leaf_device_files[] = { "blkio.leaf_weight_device", NULL };

static int apply_weights(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *l, struct error *err)
{
	int r = 0;

	if (cgroup_is_set(l->blkio_weight))
		r = write_weight(
			host, path, weight_files, "", l->blkio_weight, "--blkio-weight", err);
	if (r == 0 && cgroup_is_set(l->blkio_leaf_weight))
		r = write_weight(host, path, leaf_files, "", l->blkio_leaf_weight,
			"blockIO.leafWeight", err);
	for (size_t i = 0; i < l->nr_device_weights && r == 0; i++) {
		const struct cgroup_device_weight *w = &l->device_weights[i];
		char device[32];

		snprintf(device, sizeof(device), "%u:%u ", w->major, w->minor);
		if (cgroup_is_set(w->weight))
			r = write_weight(host, path, device_files, device, w->weight,
				"blockIO.weightDevice", err);
		if (r == 0 && cgroup_is_set(w->leaf_weight))
			r = write_weight(host, path, leaf_device_files, device, w->leaf_weight,
				"blockIO.weightDevice", err);
	}
	return r;
}

int v1_apply_blkio(const struct cgroup_host *host, const char *path,
	const struct cgroup_limits *limits, struct error *err)
{
	char text[64];
	int r = apply_weights(host, path, limits, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < limits->nr_throttles; i++) {
		const struct cgroup_throttle *t = &limits->throttles[i];
		const struct {
			const char *file;
			int64_t value;
		} rows[] = {
			{ "blkio.throttle.read_bps_device", t->read_bps },
			{ "blkio.throttle.write_bps_device", t->write_bps },
			{ "blkio.throttle.read_iops_device", t->read_iops },
			{ "blkio.throttle.write_iops_device", t->write_iops },
		};

		for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
			if (rows[k].value == CGROUP_UNSET)
				continue;
			snprintf(text, sizeof(text), "%u:%u %lld", t->major, t->minor,
				rows[k].value < 0 ? 0 : (long long)rows[k].value);
			r = v1_write(host, V1_BLKIO, path, rows[k].file, text);
			if (r < 0)
				return error_errno(err, r, "cannot limit block device %u:%u (%s)",
					t->major, t->minor, rows[k].file);
		}
	}
	return 0;
}
