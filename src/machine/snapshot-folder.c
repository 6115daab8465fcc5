/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot-folder.c - the folder of a snapshot is made, and gets its name. What is in its files was
 * written by a machine, and is trusted no more than its guest.
 */
#include "machine/snapshot-folder.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/passing.h"

static const char *const names[SNAPSHOT_FILES_MAX] = { "state", "memory-0", "memory-1", "memory-2",
	"memory-3", "changes-0", "changes-1", "changes-2", "changes-3" };

static int failed(struct error *err, int r, const char *path)
{
	return r < 0 ? error_errno(err, r, "cannot save the machine to %s", path) : 0;
}

static int make_files(const char *path, int fds[SNAPSHOT_FILES_MAX])
{
	_cleanup_close_ int folder_fd = io_open_dir(AT_FDCWD, path);

	for (unsigned i = 0; i < SNAPSHOT_FILES_MAX && folder_fd >= 0; i++) {
		fds[i] = openat(folder_fd, names[i], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fds[i] < 0)
			return -errno;
	}
	return folder_fd < 0 ? folder_fd : 0;
}

/* Of what is not there, in a folder that is. */
static char *real_path(const char *path)
{
	_cleanup_free_ char *copy = strf("%s", path);
	_cleanup_free_ char *parent = copy ? realpath(dirname(copy), NULL) : NULL;
	const char *slash = strrchr(path, '/');

	return parent ? strf("%s/%s", streq(parent, "/") ? "" : parent, slash ? slash + 1 : path)
		      : NULL;
}

int snapshot_folder_make(const char *path, struct snapshot_folder *ret, struct error *err)
{
	_cleanup_free_ char *new = strf("%s.new", path);
	struct snapshot_folder folder = { .path = real_path(path) };
	int r;

	for (unsigned i = 0; i < SNAPSHOT_FILES_MAX; i++)
		folder.fds[i] = -1;
	if (!new || !folder.path) {
		r = failed(err, -errno, path);
		snapshot_folder_close(&folder);
		return r;
	}
	r = access(path, F_OK) == 0 ? -EEXIST : 0;
	if (r == 0) {
		io_remove_tree(AT_FDCWD, new, NULL); /* of one who did not come to the end */
		r = mkdir(new, 0700) < 0 ? -errno : make_files(new, folder.fds);
		if (r < 0)
			io_remove_tree(AT_FDCWD, new, NULL);
	}
	if (r < 0)
		snapshot_folder_close(&folder);
	else
		*ret = folder;
	return failed(err, r, path);
}

static int read_header(int folder_fd, struct snapshot_header *ret)
{
	_cleanup_close_ int fd = openat(
		folder_fd, "state", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	return fd < 0 ? -errno : io_read_full(fd, ret, sizeof(*ret));
}

int snapshot_folder_check(const char *base, const char *id, struct error *err)
{
	_cleanup_close_ int fd = io_open_dir(AT_FDCWD, base);
	struct snapshot_header header;

	if (fd < 0 || read_header(fd, &header) != 0 ||
		strnlen(id, SNAPSHOT_ID_SIZE) != SNAPSHOT_ID_SIZE - 1 ||
		memcmp(header.id, id, SNAPSHOT_ID_SIZE) != 0)
		return error_set(err, ESTALE,
			"%s, which this would be a difference to, is not there any more", base);
	return 0;
}

/* Where the link leads: beside the folder if both are, so that they can be moved together. */
static int link_base(const char *base, const char *path, int folder_fd)
{
	_cleanup_free_ char *real = real_path(path);
	_cleanup_free_ char *beside = NULL;
	const char *name = strrchr(base, '/');
	const char *own = real ? strrchr(real, '/') : NULL;

	if (!own || !name)
		return -EINVAL;
	if (own - real == name - base && strncmp(real, base, (size_t)(own - real)) == 0)
		beside = strf("..%s", name);
	return symlinkat(beside ? beside : base, folder_fd, "base") < 0 ? -errno : 0;
}

/* The files that there is no use for go, and the names of the others are to stay. */
static int settle(const char *path, const char *new, const char *base)
{
	_cleanup_close_ int folder_fd = io_open_dir(AT_FDCWD, new);
	struct snapshot_header header;
	int r = folder_fd < 0 ? folder_fd : read_header(folder_fd, &header);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < SNAPSHOT_MEMORIES_MAX; i++) {
		if (i >= header.nr_regions)
			unlinkat(folder_fd, names[1 + i], 0);
		if (i >= header.nr_regions || !base)
			unlinkat(folder_fd, names[1 + SNAPSHOT_MEMORIES_MAX + i], 0);
	}
	if (base)
		r = link_base(base, path, folder_fd);
	return r == 0 && fsync(folder_fd) < 0 ? -errno : r;
}

int snapshot_folder_finish(const char *path, const char *base, bool is_whole, struct error *err)
{
	_cleanup_free_ char *new = strf("%s.new", path);
	int r = new ? 0 : -ENOMEM;

	if (r == 0 && is_whole)
		r = settle(path, new, base);
	if (r == 0 && is_whole && rename(new, path) < 0)
		r = -errno;
	if (new && (r < 0 || !is_whole))
		io_remove_tree(AT_FDCWD, new, NULL);
	return failed(err, r, path);
}

int snapshot_folder_ask(
	int monitor_fd, const struct snapshot_folder *folder, bool is_difference, struct error *err)
{
	_cleanup_free_ char *line = strf(
		"%s %s\n", is_difference ? "save-diff" : "save", folder->path);
	int r = line ? passing_send(monitor_fd, line, strlen(line), folder->fds, SNAPSHOT_FILES_MAX)
		     : -ENOMEM;

	return r < 0 ? error_errno(err, r, "cannot talk to the machine's monitor") : 0;
}

void snapshot_folder_close(struct snapshot_folder *folder)
{
	for (unsigned i = 0; i < SNAPSHOT_FILES_MAX; i++) {
		cleanup_close(&folder->fds[i]);
		folder->fds[i] = -1;
	}
	free(folder->path);
	folder->path = NULL;
}
