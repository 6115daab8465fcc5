/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exercise.c - what programs expect of a file system, tried in the folder that is the only
 * argument. It runs in a guest on a shared folder, and on the host to see that it is right. Says
 * "ok NAME" or "not ok NAME: LINE" for each, and ends with the number of those that were not.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define PAGE	      4096
#define MUST(x)                                                                                    \
	do {                                                                                       \
		if (!(x))                                                                          \
			return __LINE__;                                                           \
	} while (0)

static int put(const char *name, const char *text)
{
	int fd = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0644);
	ssize_t n = write(fd, text, strlen(text));

	close(fd);
	return n == (ssize_t)strlen(text);
}

static int has(const char *name, const char *text)
{
	char got[4096] = "";
	int fd = open(name, O_RDONLY);
	ssize_t n = read(fd, got, sizeof(got) - 1);

	close(fd);
	return n == (ssize_t)strlen(text) && !strcmp(got, text);
}

static int exit_of(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* --- names ------------------------------------------------------------------------------------ */

static int unlinked_while_open(void)
{
	char got[16] = "";
	struct stat st;
	int fd;

	MUST(put("u", "still here"));
	fd = open("u", O_RDWR);
	MUST(fd >= 0 && unlink("u") == 0);
	MUST(access("u", F_OK) < 0 && errno == ENOENT);
	MUST(put("u", "another"));
	MUST(read(fd, got, 15) == 10 && !strcmp(got, "still here"));
	MUST(pwrite(fd, "STILL", 5, 0) == 5 && ftruncate(fd, 5) == 0);
	MUST(fstat(fd, &st) == 0 && st.st_nlink == 0 && st.st_size == 5);
	MUST(fchmod(fd, 0600) == 0);
	close(fd);
	return has("u", "another") ? 0 : __LINE__;
}

static int renames(void)
{
	char got[8] = "";
	int fd;

	MUST(put("a", "one") && put("b", "two"));
	fd = open("b", O_RDONLY);
	MUST(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE) < 0 && errno == EEXIST);
	MUST(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE) == 0);
	MUST(has("a", "two") && has("b", "one"));
	MUST(rename("b", "a") == 0 && access("b", F_OK) < 0 && has("a", "one"));
	MUST(read(fd, got, 7) == 3 && !strcmp(got, "two"));
	close(fd);
	MUST(mkdir("d", 0755) == 0 && mkdir("e", 0755) == 0 && rename("a", "d/a") == 0);
	MUST(rename("d", "e/d") == 0 && has("e/d/a", "one"));
	MUST(rename("e", "e/d/e") < 0 && errno == EINVAL);
	MUST(rmdir("e/d") < 0 && errno == ENOTEMPTY);
	MUST(unlink("e/d/a") == 0 && rmdir("e/d") == 0 && rmdir("e") == 0);
	return 0;
}

static int links(void)
{
	char got[64] = "";
	struct stat st;

	MUST(put("f", "x") && link("f", "g") == 0 && stat("f", &st) == 0 && st.st_nlink == 2);
	MUST(symlink("f", "s") == 0 && readlink("s", got, sizeof(got)) == 1 && !strcmp(got, "f"));
	MUST(has("s", "x") && lstat("s", &st) == 0 && S_ISLNK(st.st_mode));
	MUST(link("s", "t") == 0 && lstat("t", &st) == 0 && S_ISLNK(st.st_mode));
	MUST(symlink("nowhere/at/all", "dangling") == 0 && open("dangling", O_RDONLY) < 0);
	MUST(open("f", O_CREAT | O_EXCL | O_RDWR, 0600) < 0 && errno == EEXIST);
	MUST(open("s", O_RDONLY | O_NOFOLLOW) < 0 && errno == ELOOP);
	return 0;
}

static int unnamed(void)
{
	char path[64];
	int fd = open(".", O_TMPFILE | O_RDWR, 0644);

	/* A kernel or a file system that has none says so. */
	if (fd < 0)
		return errno == EOPNOTSUPP ? 0 : __LINE__;
	MUST(write(fd, "named", 5) == 5);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	MUST(linkat(AT_FDCWD, path, AT_FDCWD, "tmp", AT_SYMLINK_FOLLOW) == 0);
	close(fd);
	return has("tmp", "named") ? 0 : __LINE__;
}

#define MANY 1500

static int count_and_remove(const char *folder, int *ret_nr)
{
	DIR *dir = opendir(folder);
	struct dirent *d;
	char path[300];

	*ret_nr = 0;
	MUST(dir != NULL);
	while ((d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, d->d_name);
		MUST(unlink(path) == 0);
		++*ret_nr;
	}
	closedir(dir);
	return 0;
}

static int large_folder(void)
{
	char path[64];
	int nr, r;

	MUST(mkdir("many", 0755) == 0);
	for (int i = 0; i < MANY; i++) {
		snprintf(path, sizeof(path), "many/a-rather-long-name-of-file-%d", i);
		MUST(close(open(path, O_CREAT | O_WRONLY, 0644)) == 0);
	}
	r = count_and_remove("many", &nr);
	MUST(r == 0 && nr == MANY);
	MUST(rmdir("many") == 0);
	return 0;
}

static int special_files(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = "sock" };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char got[8] = "";
	pid_t pid;

	MUST(mkfifo("fifo", 0600) == 0);
	pid = fork();
	if (!pid)
		_exit(write(open("fifo", O_WRONLY), "through", 7) != 7);
	MUST(read(open("fifo", O_RDONLY), got, 7) == 7 && !strcmp(got, "through"));
	MUST(exit_of(pid) == 0);
	MUST(bind(fd, (void *)&at, sizeof(at)) == 0 && listen(fd, 1) == 0);
	MUST(connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&at, sizeof(at)) == 0);
	close(fd);
	return 0;
}

/* --- attributes ------------------------------------------------------------------------------- */

static int attributes(void)
{
	const struct timespec times[] = { { 1000000000, 5 }, { 1100000000, 7 } };
	struct stat st;

	MUST(put("f", "x") && chmod("f", 04751) == 0 && stat("f", &st) == 0);
	MUST((st.st_mode & 07777) == 04751);
	MUST(utimensat(AT_FDCWD, "f", times, 0) == 0 && stat("f", &st) == 0);
	MUST(st.st_mtim.tv_sec == 1100000000 && st.st_mtim.tv_nsec == 7);
	MUST(st.st_atim.tv_sec == 1000000000);
	/* A write takes the set-id bit, and changes the time. */
	MUST(put("f", "y") && stat("f", &st) == 0 && st.st_mtim.tv_sec > 1100000000);
	MUST(symlink("f", "s") == 0);
	MUST(utimensat(AT_FDCWD, "s", times, AT_SYMLINK_NOFOLLOW) == 0 && lstat("s", &st) == 0);
	MUST(st.st_mtim.tv_sec == 1100000000);
	if (geteuid() != 0)
		return 0;
	MUST(chown("f", 1000, 2000) == 0 && stat("f", &st) == 0);
	MUST(st.st_uid == 1000 && st.st_gid == 2000);
	MUST(lchown("s", 7, 8) == 0 && lstat("s", &st) == 0 && st.st_uid == 7);
	return 0;
}

static int owners(void)
{
	struct stat st;
	pid_t pid;

	if (geteuid() != 0)
		return 0;
	MUST(chmod(".", 0777) == 0);
	pid = fork();
	if (!pid)
		_exit(setgid(3000) || setuid(3001) || !put("mine", "x") || mkdir("my", 0700) ||
			access("other", R_OK) == 0);
	MUST(exit_of(pid) == 0);
	MUST(stat("mine", &st) == 0 && st.st_uid == 3001 && st.st_gid == 3000);
	MUST(stat("my", &st) == 0 && st.st_uid == 3001);
	/* What others may not read, they do not. */
	MUST(put("other", "secret") && chmod("other", 0600) == 0);
	pid = fork();
	if (!pid)
		_exit(setuid(3001) || open("other", O_RDONLY) >= 0 || errno != EACCES);
	return exit_of(pid) == 0 ? 0 : __LINE__;
}

static int extended(void)
{
	char got[64] = "";

	MUST(put("f", ""));
	if (setxattr("f", "user.a", "value", 5, 0) < 0)
		return errno == EOPNOTSUPP ? 0 : __LINE__;
	MUST(getxattr("f", "user.a", got, sizeof(got)) == 5 && !strcmp(got, "value"));
	MUST(getxattr("f", "user.a", NULL, 0) == 5);
	MUST(getxattr("f", "user.a", got, 2) < 0 && errno == ERANGE);
	MUST(setxattr("f", "user.a", "v", 1, XATTR_CREATE) < 0 && errno == EEXIST);
	MUST(listxattr("f", got, sizeof(got)) >= 7);
	MUST(removexattr("f", "user.a") == 0);
	MUST(getxattr("f", "user.a", got, sizeof(got)) < 0 && errno == ENODATA);
	return 0;
}

static int space(void)
{
	struct statvfs st;

	MUST(statvfs(".", &st) == 0 && st.f_blocks > 0 && st.f_namemax >= 255);
	return 0;
}

/* --- data ------------------------------------------------------------------------------------- */

static int sizes(void)
{
	char got[8] = "x";
	struct stat st;
	int fd = open("f", O_CREAT | O_RDWR, 0644);

	MUST(pwrite(fd, "end", 3, 1 << 20) == 3 && fstat(fd, &st) == 0);
	MUST(st.st_size == (1 << 20) + 3);
	MUST(pread(fd, got, 1, 5000) == 1 && !got[0]);
	MUST(truncate("f", 10) == 0 && ftruncate(fd, 20) == 0);
	MUST(pread(fd, got, 8, 15) == 5 && !got[0]);
	MUST(fallocate(fd, 0, 0, 8192) == 0 || errno == EOPNOTSUPP);
	MUST(lseek(fd, 0, SEEK_END) >= 20);
	MUST(fsync(fd) == 0 && fdatasync(fd) == 0);
	sync();
	return close(fd) == 0 ? 0 : __LINE__;
}

static int holes(void)
{
	int fd = open("h", O_CREAT | O_RDWR, 0644), to = open("c", O_CREAT | O_RDWR, 0644);
	off_t from_at = 0, to_at = 5;
	off_t data, hole;
	char got[8];

	MUST(pwrite(fd, "data", 4, 1 << 20) == 4);
	data = lseek(fd, 0, SEEK_DATA);
	hole = lseek(fd, 0, SEEK_HOLE);
	/* Where a file system keeps none, all of it is data. */
	MUST((data == 0 && hole == (1 << 20) + 4) || (data <= 1 << 20 && hole == 0));
	MUST(pwrite(fd, "01234567", 8, 0) == 8);
	MUST(copy_file_range(fd, &from_at, to, &to_at, 8, 0) == 8 && from_at == 8 && to_at == 13);
	MUST(ftruncate(fd, 0) == 0 && close(fd) == 0 && close(to) == 0);
	fd = open("c", O_RDONLY);
	MUST(pread(fd, got, 8, 5) == 8 && !memcmp(got, "01234567", 8));
	return close(fd) == 0 ? 0 : __LINE__;
}

static int appends(void)
{
	enum { LINES = 300 };
	struct stat st;
	pid_t pids[2];

	MUST(put("log", ""));
	for (int i = 0; i < 2; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			int fd = open("log", O_WRONLY | O_APPEND);

			for (int k = 0; k < LINES; k++)
				if (write(fd, "0123456789\n", 11) != 11)
					_exit(1);
			_exit(0);
		}
	}
	MUST(exit_of(pids[0]) == 0 && exit_of(pids[1]) == 0);
	MUST(stat("log", &st) == 0 && st.st_size == 2 * LINES * 11);
	return 0;
}

static int mapped(void)
{
	char got[16] = "";
	int fd = open("m", O_CREAT | O_RDWR, 0644);
	char *shared, *private;

	MUST(ftruncate(fd, 3 * PAGE) == 0);
	shared = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	private = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	MUST(shared != MAP_FAILED && private != MAP_FAILED);
	memcpy(shared + PAGE, "by mapping", 10);
	MUST(pread(fd, got, 10, PAGE) == 10 && !memcmp(got, "by mapping", 10));
	MUST(pwrite(fd, "by write", 8, 2 * PAGE) == 8 && !memcmp(shared + 2 * PAGE, "by write", 8));
	private[0] = 'p';
	MUST(!shared[0] && msync(shared, 3 * PAGE, MS_SYNC) == 0);
	MUST(munmap(shared, 3 * PAGE) == 0 && munmap(private, 3 * PAGE) == 0);
	close(fd);
	fd = open("m", O_RDONLY);
	MUST(pread(fd, got, 10, PAGE) == 10 && !memcmp(got, "by mapping", 10));
	close(fd);
	return 0;
}

static int locks(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_start = 10, .l_len = 10 };
	int fd, other;
	pid_t pid;

	MUST(put("l", "0123456789012345678901234567890"));
	fd = open("l", O_RDWR);
	MUST(fcntl(fd, F_SETLK, &lock) == 0);
	pid = fork();
	if (!pid) {
		other = open("l", O_RDWR);
		if (fcntl(other, F_SETLK, &lock) == 0 || (errno != EAGAIN && errno != EACCES))
			_exit(1);
		lock.l_start = 20;
		_exit(fcntl(other, F_SETLK, &lock) != 0);
	}
	MUST(exit_of(pid) == 0);
	MUST(flock(fd, LOCK_EX) == 0);
	other = open("l", O_RDONLY);
	MUST(flock(other, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK);
	MUST(flock(fd, LOCK_UN) == 0 && flock(other, LOCK_SH | LOCK_NB) == 0);
	close(other);
	close(fd);
	return 0;
}

/* --- a file in the hands of chance ------------------------------------------------------------ */

enum { RANDOM_MAX = 300000, RANDOM_STEPS = 3000 };

static uint32_t seed = 1;

static uint32_t below(uint32_t end)
{
	seed = seed * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)seed * end >> 32);
}

static char model[RANDOM_MAX], buffer[RANDOM_MAX];
static uint32_t model_size;

static int write_some(int fd, uint32_t at, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		buffer[i] = (char)below(256);
	MUST(pwrite(fd, buffer, size, at) == (ssize_t)size);
	memcpy(model + at, buffer, size);
	if (at + size > model_size)
		model_size = at + size;
	return 0;
}

static int map_some(int fd, uint32_t at, uint32_t size, int writes)
{
	uint32_t start = at / PAGE * PAGE;
	char *map;

	if (at + size > model_size)
		return 0;
	map = mmap(NULL, at + size - start, PROT_READ | PROT_WRITE, MAP_SHARED, fd, start);
	MUST(map != MAP_FAILED);
	MUST(!memcmp(map + (at - start), model + at, size));
	for (uint32_t i = 0; writes && i < size; i++)
		map[at - start + i] = model[at + i] = (char)below(256);
	return munmap(map, at + size - start) == 0 ? 0 : __LINE__;
}

static int set_size(int fd, uint32_t size)
{
	MUST(ftruncate(fd, size) == 0);
	if (size < model_size)
		memset(model + size, 0, model_size - size);
	model_size = size;
	return 0;
}

static int random_step(int *fd)
{
	uint32_t at = below(RANDOM_MAX),
		 size = below(RANDOM_MAX - at < 20000 ? RANDOM_MAX - at : 20000);
	ssize_t n;

	switch (below(12)) {
	case 0:
		return set_size(*fd, below(RANDOM_MAX));
	case 1:
		close(*fd);
		*fd = open("random", O_RDWR);
		return *fd >= 0 ? 0 : __LINE__;
	case 2:
	case 3:
		return map_some(*fd, at, size, 1);
	case 4:
		return map_some(*fd, at, size, 0);
	case 5:
	case 6:
	case 7:
	case 8:
		return write_some(*fd, at, size);
	default:
		n = pread(*fd, buffer, size, at);
		MUST(n == (at >= model_size ? 0 : model_size - at < size ? model_size - at : size));
		return memcmp(buffer, model + at, (size_t)n) ? __LINE__ : 0;
	}
}

static int chance(void)
{
	int fd = open("random", O_CREAT | O_RDWR | O_TRUNC, 0644);
	struct stat st;

	for (int i = 0; i < RANDOM_STEPS; i++) {
		int r = random_step(&fd);

		if (r)
			return r;
	}
	MUST(fstat(fd, &st) == 0 && st.st_size == model_size);
	MUST(pread(fd, buffer, RANDOM_MAX, 0) == model_size && !memcmp(buffer, model, model_size));
	close(fd);
	return 0;
}

/* --- all -------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	int (*run)(void);
} exercises[] = {
	{ "unlinked-while-open", unlinked_while_open },
	{ "renames", renames },
	{ "links", links },
	{ "unnamed", unnamed },
	{ "large-folder", large_folder },
	{ "special-files", special_files },
	{ "attributes", attributes },
	{ "owners", owners },
	{ "extended", extended },
	{ "space", space },
	{ "sizes", sizes },
	{ "holes", holes },
	{ "appends", appends },
	{ "mapped", mapped },
	{ "locks", locks },
	{ "chance", chance },
};

int main(int argc, char **argv)
{
	int failed = 0;

	umask(022);
	for (size_t i = 0; i < ARRAY_SIZE(exercises); i++) {
		int line;

		if (argc != 2 || chdir(argv[1]) < 0 || mkdir(exercises[i].name, 0755) < 0 ||
			chdir(exercises[i].name) < 0)
			return 99;
		line = exercises[i].run();
		if (line)
			printf("not ok %s: %d (%s)\n", exercises[i].name, line, strerror(errno));
		else
			printf("ok %s\n", exercises[i].name);
		fflush(stdout);
		failed += line != 0;
		if (chdir("/") < 0)
			return 99;
	}
	return failed;
}
