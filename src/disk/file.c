/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file.c - files as disks have them: opened once, measured, and locked.
 */
#include "disk/internal.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/io.h"

int disk_file_measure(int fd, const char *path, uint64_t *ret_bytes, struct error *err)
{
	struct stat st;
	uint64_t bytes;

	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "cannot look at %s", path);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return error_set(err, EINVAL, "%s is neither a file nor a block device", path);
	bytes = (uint64_t)st.st_size;
	if (S_ISBLK(st.st_mode) && ioctl(fd, BLKGETSIZE64, &bytes) < 0)
		return error_errno(err, errno, "cannot tell the size of %s", path);
	if (!bytes)
		return error_set(err, EINVAL, "%s is empty, which no disk is", path);
	if (bytes > INT64_MAX - DISK_SECTOR_BYTES)
		return error_set(err, EFBIG, "%s is too large for a disk", path);
	*ret_bytes = bytes;
	return 0;
}

int disk_file_open(const char *path, bool is_read_only, uint64_t *ret_bytes, struct error *err)
{
	/* Not to wait for whoever writes to a pipe by that name. */
	_cleanup_close_ int fd = open(
		path, (is_read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int r;

	if (fd < 0)
		return error_errno(err, errno, "cannot open the disk %s", path);
	r = disk_file_measure(fd, path, ret_bytes, err);
	if (r < 0)
		return r;
	r = io_try_lock(fd, !is_read_only);
	if (r == -EWOULDBLOCK)
		return error_set(err, EBUSY, "the disk %s is in use%s", path,
			is_read_only ? " by one who writes to it" : "");
	if (r < 0)
		return error_errno(err, r, "cannot lock the disk %s", path);
	return steal_fd(&fd);
}
