/* SPDX-License-Identifier: Apache-2.0 */
/*
 * files.c - newer ways to make, find, copy and seal files.
 */
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "show.h"

static long openat2(int dir, const char *path, unsigned long flags, unsigned long resolve)
{
	const struct open_how how = { .flags = flags, .resolve = resolve };
	long fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));

	return fd < 0 ? fd : close((int)fd);
}

static void opening(void)
{
	struct open_how how = { 0 };
	char bytes[64] = { 0 };
	int dir;

	SHOW(mkdir("d", 0755));
	SHOW(symlink("/etc", "d/out"));
	SHOW(symlink("..", "d/up"));
	close(open("d/file", O_CREAT | O_WRONLY, 0600));
	dir = open("d", O_PATH | O_DIRECTORY);
	SHOW(openat2(dir, "file", O_RDONLY, 0));
	SHOW(openat2(dir, "out/passwd", O_RDONLY, RESOLVE_BENEATH));
	SHOW(openat2(dir, "out/passwd", O_RDONLY, RESOLVE_IN_ROOT));
	SHOW(openat2(dir, "up/d/file", O_RDONLY, RESOLVE_BENEATH));
	SHOW(openat2(dir, "up/file", O_RDONLY, RESOLVE_IN_ROOT));
	SHOW(openat2(dir, "up", O_PATH | O_NOFOLLOW, RESOLVE_NO_SYMLINKS));
	SHOW(openat2(dir, "up/d", O_RDONLY, RESOLVE_NO_SYMLINKS));
	SHOW(openat2(AT_FDCWD, "/proc/self/exe", O_RDONLY, RESOLVE_NO_MAGICLINKS));
	SHOW(openat2(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0));
	SHOW(openat2(dir, "file", O_RDONLY, 0x8000));
	SHOW(openat2(dir, "file", ~0ul, 0));
	SHOW(syscall(SYS_openat2, dir, "file", &how, 3L));
	memcpy(bytes, &how, sizeof(how));
	SHOW(syscall(SYS_openat2, dir, "file", bytes, 64L) < 0 ? -1 : 0);
	bytes[60] = 1;
	SHOW(syscall(SYS_openat2, dir, "file", bytes, 64L));
	SHOW(openat(dir, "new", O_CREAT | O_EXCL | O_WRONLY, 0600) >= 0 ? 0 : -1);
	SHOW(openat(dir, "new", O_CREAT | O_EXCL | O_WRONLY, 0600));
	SHOW(open("d", O_WRONLY));
	SHOW(open("d/file", O_DIRECTORY));
	SHOW(open("d/up", O_NOFOLLOW));
}

static void unnamed(void)
{
	char path[64];
	struct statx x;
	int fd = open(".", O_TMPFILE | O_RDWR, 0600);

	if (fd < 0) {
		puts("no unnamed files here");
		return;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	SHOW(write(fd, "text", 4));
	SHOW(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	SHOW(statx(AT_FDCWD, "named", 0, STATX_ALL, &x));
	VALUE(x.stx_size);
	VALUE(x.stx_mask & STATX_BASIC_STATS);
	SHOW(statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &x));
	VALUE(x.stx_nlink);
	SHOW(statx(fd, "", 0, STATX_SIZE, &x));
	SHOW(statx(AT_FDCWD, "named", 0x10000000, STATX_SIZE, &x));
	SHOW(renameat2(AT_FDCWD, "named", AT_FDCWD, "d", RENAME_NOREPLACE));
	SHOW(renameat2(AT_FDCWD, "named", AT_FDCWD, "d", RENAME_EXCHANGE));
	SHOW(stat("d", &(struct stat){ 0 }));
	SHOW(unlinkat(AT_FDCWD, "named", 0));
}

static void copying(void)
{
	char a[] = "first", b[] = "second", text[32] = { 0 };
	struct iovec parts[2] = { { a, 5 }, { b, 6 } };
	off_t from = 2, to = 20;
	int in = open("in", O_CREAT | O_RDWR, 0600), out = open("out", O_CREAT | O_RDWR, 0600);
	int pipes[2];

	SHOW(writev(in, parts, 2));
	SHOW(pwritev(in, parts, 2, 100));
	SHOW(preadv(in, parts, 2, 100));
	SHOW(preadv2(in, parts, 2, -1, 0));
	SHOW(preadv2(in, parts, 2, 100, RWF_HIPRI | 0x4000));
	SHOW(pwritev2(in, parts, 1, 0, RWF_APPEND));
	SHOW(lseek(in, 0, SEEK_END));
	SHOW(copy_file_range(in, &from, out, &to, 8, 0));
	VALUE(from);
	VALUE(to);
	SHOW(sendfile(out, in, &from, 4));
	SHOW(pipe(pipes));
	from = 0;
	SHOW(splice(in, &from, pipes[1], NULL, 5, 0));
	SHOW(tee(pipes[0], pipes[1], 5, 0));
	SHOW(read(pipes[0], text, 5));
	puts(text);
	SHOW(vmsplice(pipes[1], parts, 2, 0));
	SHOW(fcntl(pipes[1], F_GETPIPE_SZ));
	SHOW(fallocate(out, 0, 0, 100000));
	SHOW(fallocate(out, FALLOC_FL_KEEP_SIZE, 0, 200000));
	SHOW(lseek(out, 0, SEEK_END));
	SHOW(lseek(out, 0, SEEK_HOLE) > 0);
	SHOW(posix_fadvise(out, 0, 0, POSIX_FADV_DONTNEED));
	SHOW(posix_fadvise(pipes[0], 0, 0, POSIX_FADV_DONTNEED));
	SHOW(sync_file_range(out, 0, 100, SYNC_FILE_RANGE_WRITE));
	SHOW(readahead(in, 0, 100));
	SHOW(fsync(out) | fdatasync(out) | syncfs(out));
	SHOW(ftruncate(out, -1));
	SHOW(pread(in, text, 5, -1));
	SHOW(readv(in, parts, -1));
	SHOW(readv(in, (void *)16, 1));
}

static void sealing(void)
{
	int fd = memfd_create("sealed", MFD_ALLOW_SEALING);
	void *p;

	SHOW(fcntl(fd, F_GET_SEALS));
	SHOW(ftruncate(fd, 8192));
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	SHOW(ftruncate(fd, 4096));
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	SHOW(munmap(p, 4096));
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL));
	SHOW(write(fd, "x", 1));
	VALUE(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	SHOW(fcntl(fd, F_GET_SEALS));
	SHOW(memfd_create("bad", 0x8000));
}

static void modes(void)
{
	struct stat s;

	close(open("m", O_CREAT | O_WRONLY, 0600));
	VALUE(umask(027));
	SHOW(mknodat(AT_FDCWD, "m2", S_IFREG | 0666, 0));
	SHOW(stat("m2", &s));
	printf("%o\n", s.st_mode);
	SHOW(fchmodat(AT_FDCWD, "m", 04711, 0));
	SHOW(stat("m", &s));
	printf("%o\n", s.st_mode);
	SHOW(syscall(452L, AT_FDCWD, "m", 0600L, (long)AT_SYMLINK_NOFOLLOW));
	SHOW(fchownat(AT_FDCWD, "m", (uid_t)-1, (gid_t)-1, 0));
	SHOW(unlink("missing"));
	SHOW(rmdir("m"));
	SHOW(unlink("d"));
	SHOW(rename("m", "d/up/m3"));
	SHOW(access("m3", W_OK));
	SHOW(chdir("d"));
	SHOW(chdir("missing"));
	SHOW(syscall(SYS_getcwd, &s, 1L));
}

int main(void)
{
	opening();
	copying();
	sealing();
	modes();
	unnamed();
	return 0;
}
