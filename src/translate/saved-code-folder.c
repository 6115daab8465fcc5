/* SPDX-License-Identifier: Apache-2.0 */
/*
 * saved-code-folder.c - the names in the folder of saved code, and what is too much in it.
 *
 * Nothing is removed but what has a name that we give: the folder may be anybody's who has named
 * the wrong one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "translate/saved-code-internal.h"

#define FOLDER_BYTES                                                                               \
	(UINT64_C(512) << 20) /* what was not used for longest goes when there is more */
#define FILES_MAX	    8192
#define TEMPORARY	    "new." /* and a process's number, a point, the name it is to have */
#define TEMPORARY_SECONDS   600 /* who has not finished by then has been killed */
#define NAME_HYPHENS	    6
#define NAME_POINTS	    2
#define TEMPORARY_MAX_BYTES (SAVED_NAME_BYTES + 20)

void saved_code_name(
	char name[static SAVED_NAME_BYTES], const struct stat *st, uint64_t offset, uint64_t size)
{
	snprintf(name, SAVED_NAME_BYTES, "%lx-%lx-%lx-%lx.%lx-%lx.%lx-%lx-%lx", (long)st->st_dev,
		(long)st->st_ino, (long)st->st_size, (long)st->st_mtim.tv_sec,
		(long)st->st_mtim.tv_nsec, (long)st->st_ctim.tv_sec, (long)st->st_ctim.tv_nsec,
		(long)offset, (long)size);
}

char *saved_code_temporary_name(const char *name)
{
	return strf(TEMPORARY "%d.%s", (int)getpid(), name);
}

static bool is_name(const char *name)
{
	unsigned hyphens = 0, points = 0;

	if (name[strspn(name, "0123456789abcdef-.")])
		return false;
	for (; *name; name++) {
		hyphens += *name == '-';
		points += *name == '.';
	}
	return hyphens == NAME_HYPHENS && points == NAME_POINTS;
}

static bool is_temporary(const char *name)
{
	const char *rest = str_after_prefix(name, TEMPORARY);

	if (!rest)
		return false;
	rest += strspn(rest, "0123456789");
	return *rest == '.' && is_name(rest + 1);
}

struct file {
	char name[TEMPORARY_MAX_BYTES];
	uint64_t bytes;
	int64_t used; /* its time says when (saved_code_used()) */
};

static int compare_use(const void *a, const void *b)
{
	const struct file *x = a, *y = b;

	return x->used < y->used ? 1 : x->used > y->used ? -1 : 0;
}

/* Those that are ours. What a killed process has left goes at once. */
static size_t list_files(int dir_fd, DIR *dir, struct file *files)
{
	time_t now = time(NULL);
	size_t nr = 0;
	struct stat st;

	for (struct dirent *entry; nr < FILES_MAX && (entry = readdir(dir));) {
		const char *name = entry->d_name;

		if (strlen(name) >= sizeof(files->name) ||
			(!is_name(name) && !is_temporary(name)) ||
			fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		if (is_temporary(name) && now - st.st_mtim.tv_sec > TEMPORARY_SECONDS) {
			unlinkat(dir_fd, name, 0);
			continue;
		}
		strcpy(files[nr].name, name);
		files[nr].bytes = (uint64_t)st.st_size;
		files[nr++].used = st.st_mtim.tv_sec;
	}
	return nr;
}

void saved_code_used(int dir_fd, const char *name)
{
	utimensat(dir_fd, name, NULL, AT_SYMLINK_NOFOLLOW);
}

void saved_code_collect(int dir_fd)
{
	_cleanup_free_ struct file *files = calloc(FILES_MAX, sizeof(*files));
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	uint64_t bytes = 0;
	size_t nr;

	if (files && dir) {
		nr = list_files(dir_fd, dir, files);
		qsort(files, nr, sizeof(*files), compare_use);
		for (size_t i = 0; i < nr; i++) {
			bytes += files[i].bytes;
			if (bytes > FOLDER_BYTES)
				unlinkat(dir_fd, files[i].name, 0);
		}
	}
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
}
