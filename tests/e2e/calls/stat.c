/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stat.c - everything that stat(2) and its relatives say about files.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/time.h>

#include "show.h"

static void show_stat(const char *what, const struct stat *s)
{
	printf("%s: mode %o nlink %lu uid %u gid %u size %ld blksize %ld blocks %ld\n", what,
		s->st_mode, (unsigned long)s->st_nlink, s->st_uid, s->st_gid, (long)s->st_size,
		(long)s->st_blksize, (long)s->st_blocks);
	printf("  atime %ld.%09ld mtime %ld.%09ld\n", s->st_atim.tv_sec, s->st_atim.tv_nsec,
		s->st_mtim.tv_sec, s->st_mtim.tv_nsec);
}

static void compare(const char *path)
{
	struct statx x;
	struct stat s;
	struct timeval now;

	SHOW(statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &x));
	SHOW(lstat(path, &s));
	gettimeofday(&now, NULL);
	VALUE(s.st_ino == x.stx_ino);
	VALUE(s.st_dev == makedev(x.stx_dev_major, x.stx_dev_minor));
	VALUE(s.st_rdev == makedev(x.stx_rdev_major, x.stx_rdev_minor));
	VALUE(s.st_mode == x.stx_mode && s.st_nlink == x.stx_nlink);
	VALUE(s.st_size == (off_t)x.stx_size && s.st_blocks == (blkcnt_t)x.stx_blocks);
	VALUE(s.st_ctim.tv_sec == x.stx_ctime.tv_sec && s.st_ctim.tv_nsec == x.stx_ctime.tv_nsec);
	VALUE(s.st_mtim.tv_nsec == x.stx_mtime.tv_nsec);
}

int main(void)
{
	const struct timespec times[2] = { { 1, 2 }, { 4000000000, 999999999 } };
	struct stat s;
	struct statfs fs, same;
	int fd;

	fd = open("file", O_CREAT | O_RDWR, 0640);
	SHOW(write(fd, "hello", 5));
	SHOW(pwrite(fd, "end", 3, 100000));
	SHOW(futimens(fd, times));
	SHOW(fstat(fd, &s));
	show_stat("file", &s);
	compare("file");
	SHOW(link("file", "second"));
	SHOW(stat("second", &s));
	show_stat("second", &s);
	SHOW(symlink("file", "link"));
	SHOW(lstat("link", &s));
	VALUE(S_ISLNK(s.st_mode));
	VALUE(s.st_size);
	SHOW(stat("link", &s));
	VALUE(s.st_size);
	SHOW(fstatat(fd, "", &s, AT_EMPTY_PATH));
	VALUE(s.st_nlink);
	SHOW(fstatat(AT_FDCWD, "", &s, 0));
	SHOW(stat("missing", &s));
	SHOW(stat("file/below", &s));
	SHOW(stat((char *)1, &s));
	SHOW(fstat(999, &s));
	SHOW(fstat(fd, (struct stat *)8));
	SHOW(stat("/dev/null", &s));
	VALUE(major(s.st_rdev));
	VALUE(minor(s.st_rdev));
	VALUE(S_ISCHR(s.st_mode));
	compare("/dev/null");
	SHOW(mkfifo("fifo", 0600));
	compare("fifo");
	SHOW(mkdir("directory", 0751));
	compare("directory");
	SHOW(statfs(".", &fs));
	SHOW(fstatfs(fd, &same));
	VALUE(fs.f_type == same.f_type && fs.f_bsize == same.f_bsize);
	VALUE(fs.f_blocks == same.f_blocks && fs.f_files == same.f_files);
	VALUE(fs.f_namelen);
	VALUE(fs.f_frsize == fs.f_bsize);
	SHOW(faccessat(AT_FDCWD, "file", R_OK, 0));
	SHOW(faccessat(AT_FDCWD, "missing", R_OK, AT_EACCESS));
	SHOW(truncate("file", 3));
	SHOW(fstat(fd, &s));
	VALUE(s.st_size);
	return 0;
}
