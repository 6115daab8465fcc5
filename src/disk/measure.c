/* SPDX-License-Identifier: Apache-2.0 */
/*
 * measure.c - how large concat.c makes a disk, for who opens none.
 */
#include <sys/stat.h>

#include "disk/internal.h"

int disk_concat_measure(const char *const *paths, uint64_t *ret_bytes, struct error *err)
{
	const struct gpt *gpt = NULL;
	uint64_t bytes = sizeof(gpt->head);

	for (; *paths; paths++) {
		struct stat st;

		if (stat(*paths, &st) < 0)
			return error_errno(err, errno, "cannot find %s", *paths);
		bytes = disk_align(bytes, CONCAT_ALIGN_BYTES) +
			disk_align((uint64_t)st.st_size, DISK_SECTOR_BYTES);
	}
	*ret_bytes = disk_align(bytes, CONCAT_ALIGN_BYTES) + sizeof(gpt->tail);
	return 0;
}
