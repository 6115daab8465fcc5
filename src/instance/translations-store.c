/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translations-store.c - what ROOT/translations takes, and away with it.
 *
 * Whoever makes a file has it under another name until it is whole, and takes one away that is left
 * over; such names stay.
 */
#include <sys/stat.h>

#include "base/io.h"
#include "instance/instance.h"
#include "instance/translations.h"

#define UNFINISHED "new." /* translate/saved-code-folder.c */

/* NULL with *ret_error 0: nothing was ever kept. */
static DIR *open_folder(const char *root, int *ret_error, struct error *err)
{
	_cleanup_free_ char *path = strf("%s/translations/" CONTAINER_TRANSLATIONS_CODE, root);
	int fd = path ? io_open_dir(AT_FDCWD, path) : -ENOMEM;
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	*ret_error = 0;
	if (dir)
		return dir;
	if (fd >= 0) {
		*ret_error = -errno;
		close(fd);
		fd = *ret_error;
	}
	if (fd != -ENOENT)
		*ret_error = error_errno(err, fd, "cannot open %s/translations", root);
	return NULL;
}

static int go_through(
	const char *root, bool remove, struct translations_usage *ret, struct error *err)
{
	int r;
	_cleanup_closedir_ DIR *dir = open_folder(root, &r, err);

	*ret = (struct translations_usage){ 0 };
	for (struct dirent *entry; dir && (entry = readdir(dir));) {
		struct stat st;

		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			!S_ISREG(st.st_mode) || str_after_prefix(entry->d_name, UNFINISHED))
			continue;
		if (remove && unlinkat(dirfd(dir), entry->d_name, 0) < 0) {
			r = error_errno(err, errno, "cannot remove %s/translations/%s/%s", root,
				CONTAINER_TRANSLATIONS_CODE, entry->d_name);
			continue;
		}
		ret->files++;
		ret->bytes += (uint64_t)st.st_size;
	}
	return r;
}

int translations_measure(const char *root, struct translations_usage *ret, struct error *err)
{
	return go_through(root, false, ret, err);
}

int translations_remove_all(const char *root, struct translations_usage *ret, struct error *err)
{
	return go_through(root, true, ret, err);
}
