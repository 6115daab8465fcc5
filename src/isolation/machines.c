/* SPDX-License-Identifier: Apache-2.0 */
/*
 * machines.c - what ROOT/machines takes: snapshots (golden-*) and blank disks, with those that were
 * not finished; and away with it.
 */
#include "isolation/machines.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/str.h"

/* Files are full of holes: what counts is what the disk has of them. */
static uint64_t size_of(int folder_fd, const char *name)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct stat st;
	uint64_t bytes;
	int fd;

	if (fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	bytes = (uint64_t)st.st_blocks * 512;
	fd = S_ISDIR(st.st_mode) ? openat(folder_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	dir = fd >= 0 ? fdopendir(fd) : NULL;
	for (struct dirent *entry; dir && (entry = readdir(dir));)
		if (*entry->d_name != '.' &&
			fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			bytes += (uint64_t)st.st_blocks * 512;
	return bytes;
}

static int go_through(const char *root, bool remove, struct machines_usage *ret, struct error *err)
{
	_cleanup_free_ char *path = strf("%s/machines", root);
	_cleanup_closedir_ DIR *dir = path ? opendir(path) : NULL;
	int r = 0;

	*ret = (struct machines_usage){ 0 };
	if (!path)
		return error_oom(err);
	if (!dir)
		return errno == ENOENT ? 0 : error_errno(err, errno, "cannot open %s", path);
	for (struct dirent *entry; (entry = readdir(dir));) {
		uint64_t bytes;

		if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
			continue;
		bytes = size_of(dirfd(dir), entry->d_name);
		if (remove && (r = io_remove_tree(dirfd(dir), entry->d_name, err)) < 0)
			break;
		ret->bytes += bytes;
		ret->snapshots += str_after_prefix(entry->d_name, "golden-") != NULL;
	}
	return r;
}

int machines_measure(const char *root, struct machines_usage *ret, struct error *err)
{
	return go_through(root, false, ret, err);
}

int machines_remove_all(const char *root, struct machines_usage *ret, struct error *err)
{
	return go_through(root, true, ret, err);
}
