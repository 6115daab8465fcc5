/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debugger-file.c - files for the debugger, as the guest would open them, in the table of our
 * thread.
 *
 * What the debugger may name are the files that it has opened, none of which has a high number: the
 * table is empty but for the connection and the memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "translate/debugger.h"

#define BIT(fd) (UINT64_C(1) << (fd))

static bool is_open(const struct debugger *d, int fd)
{
	return fd >= 0 && fd < DEBUGGER_FILES_MAX && (d->files & BIT(fd));
}

int debugger_open_file(struct debug_target *target, const char *path)
{
	struct debugger *d = debugger_of(target);
	char there[PATH_MAX];
	int64_t fd = host_call(SYS_openat, AT_FDCWD, path_with_prefix(d->process, path, there),
		O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd >= DEBUGGER_FILES_MAX) {
		host_call(SYS_close, fd);
		return -EMFILE;
	}
	if (fd >= 0)
		d->files |= BIT(fd);
	return (int)fd;
}

int debugger_close_file(struct debug_target *target, int fd)
{
	struct debugger *d = debugger_of(target);

	if (!is_open(d, fd))
		return -EBADF;
	d->files &= ~BIT(fd);
	return (int)host_call(SYS_close, fd);
}

int64_t debugger_read_file(
	struct debug_target *target, int fd, uint64_t offset, void *buffer, size_t size)
{
	if (!is_open(debugger_of(target), fd))
		return -EBADF;
	return host_call(SYS_pread64, fd, buffer, size, offset);
}

int debugger_stat_file(struct debug_target *target, int fd, struct debug_file_status *ret)
{
	struct stat st;
	int r;

	if (!is_open(debugger_of(target), fd))
		return -EBADF;
	r = (int)host_call(SYS_fstat, fd, &st);
	if (r < 0)
		return r;
	*ret = (struct debug_file_status){
		.size = (uint64_t)st.st_size,
		.inode = (uint32_t)st.st_ino,
		.mode = st.st_mode,
		.changed = (uint32_t)st.st_mtim.tv_sec,
	};
	return 0;
}

int64_t debugger_read_link(struct debug_target *target, const char *path, char *buffer, size_t size)
{
	char there[PATH_MAX];

	return host_call(SYS_readlinkat, AT_FDCWD,
		path_with_prefix(debugger_of(target)->process, path, there), buffer, size);
}
