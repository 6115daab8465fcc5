/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc.c - what a process finds about itself in /proc: its program, its map, its arguments.
 */
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "show.h"

static char data[100000];

/* All of a file; its length. */
static long slurp(const char *path, char *buffer, size_t size)
{
	int fd = open(path, O_RDONLY);
	long n, all = 0;

	while (fd >= 0 && (n = read(fd, buffer + all, size - 1 - all)) > 0)
		all += n;
	buffer[all] = '\0';
	close(fd);
	return fd < 0 ? -1 : all;
}

static void program(const char *self, char *const argv[])
{
	static const char *const names[] = { "/proc/self/exe", "/proc/thread-self/exe",
		"/proc//self/exe", NULL, NULL };
	char path[PATH_MAX], link[PATH_MAX], own[64], task[64];
	Elf64_Ehdr ehdr;
	struct stat a, b;
	int dir = open("/proc/self", O_PATH | O_DIRECTORY);

	snprintf(own, sizeof(own), "/proc/%d/exe", getpid());
	snprintf(task, sizeof(task), "/proc/self/task/%d/exe", getpid());
	if (!realpath(argv[0], path))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *name = names[i] ? names[i] : i == 3 ? own : task;
		ssize_t n = readlink(name, link, sizeof(link) - 1);
		int fd = open(name, O_RDONLY);

		if (n > 0)
			link[n] = '\0';
		VALUE(n > 0 && strcmp(link, path) == 0);
		VALUE(read(fd, &ehdr, sizeof(ehdr)) == sizeof(ehdr));
		VALUE(ehdr.e_machine == ((const Elf64_Ehdr *)self)->e_machine);
		VALUE(stat(name, &a) == 0 && stat(path, &b) == 0 && a.st_ino == b.st_ino);
		close(fd);
	}
	memset(link, 0, sizeof(link));
	VALUE(readlinkat(dir, "exe", link, sizeof(link)) == (ssize_t)strlen(path));
	SHOW(readlink("/proc/self/exe", link, 0));
	VALUE(readlink("/proc/self/exe", link, 3));
	VALUE(lstat("/proc/self/exe", &a) == 0 && S_ISLNK(a.st_mode));
	SHOW(faccessat(AT_FDCWD, "/proc/self/exe", X_OK, 0));
	VALUE(open("/proc/self/exe", O_RDONLY | O_NOFOLLOW));
	VALUE(openat(dir, "exe", O_RDONLY) >= 0);
}

/* The line of the map that holds an address, without what differs. */
static void show_map(const char *what, const void *address)
{
	unsigned long start, end, offset, place = (unsigned long)address;
	char permissions[8], name[PATH_MAX];

	slurp("/proc/self/maps", data, sizeof(data));
	for (char *line = strtok(data, "\n"); line; line = strtok(NULL, "\n")) {
		name[0] = '\0';
		if (sscanf(line, "%lx-%lx %7s %lx %*s %*s %s", &start, &end, permissions, &offset,
			    name) < 4 ||
			place < start || place >= end)
			continue;
		printf("%s: %s offset %lx %s\n", what, permissions, offset,
			strrchr(name, '/') ? strrchr(name, '/') + 1 : name);
		return;
	}
	printf("%s: nowhere\n", what);
}

static void map(void)
{
	long page = sysconf(_SC_PAGESIZE);
	int fd = open("mapped", O_CREAT | O_RDWR, 0600), local;
	char *p, *q;

	SHOW(ftruncate(fd, 10 * page));
	p = mmap(NULL, 4 * page, PROT_READ, MAP_SHARED, fd, 3 * page);
	show_map("file", p);
	SHOW(mprotect(p + page, page, PROT_READ | PROT_WRITE));
	show_map("file, changed", p + page);
	show_map("file, behind", p + 2 * page);
	q = mmap(NULL, page, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	show_map("nothing's", q);
	SHOW(munmap(q, page));
	show_map("gone", q);
	show_map("stack", &local);
	show_map("heap", sbrk(0) - 8);
	slurp("/proc/self/maps", data, sizeof(data));
	VALUE(strstr(data, " r-xp ") != NULL);
	VALUE(slurp("/proc/self/smaps", data, sizeof(data)) > 500);
	VALUE(strstr(data, "\nRss:") != NULL && strstr(data, "[stack]") != NULL);
	VALUE(strstr(data, "strata") == NULL);
	slurp("/proc/self/maps", data, sizeof(data));
	VALUE(strstr(data, "strata") == NULL);
}

static void arguments(void)
{
	unsigned long *vector = (void *)data;
	unsigned long found = 0;
	long n = slurp("/proc/self/cmdline", data, sizeof(data));

	VALUE(n > 0 && strcmp(data + strlen(data) + 1, "an argument") == 0);
	n = slurp("/proc/self/environ", data, sizeof(data));
	VALUE(memmem(data, n, "STRATA", 6) == NULL);
	n = slurp("/proc/self/auxv", data, sizeof(data));
	for (long i = 0; i + 1 < n / 8 && vector[i]; i += 2) {
		unsigned long value = getauxval(vector[i]);

		found += value == vector[i + 1] && vector[i] == AT_PHDR;
		found += value == vector[i + 1] && vector[i] == AT_RANDOM;
	}
	VALUE(found);
	slurp("/proc/self/comm", data, sizeof(data));
	VALUE(strlen(data) > 2);
}

static void machine(void)
{
	struct utsname names;
	long n;

	uname(&names);
	slurp("/proc/sys/kernel/arch", data, sizeof(data));
	data[strcspn(data, "\n")] = '\0';
	VALUE(strcmp(data, names.machine));
	n = slurp("/proc/cpuinfo", data, sizeof(data));
	VALUE(n > 50 && strncmp(data, "processor\t: 0\n", 14) == 0);
	SHOW(open("/proc/cpuinfo", O_RDONLY | O_DIRECTORY));
	SHOW(write(open("/proc/cpuinfo", O_RDONLY | O_TRUNC), "x", 1));
	SHOW(fcntl(open("/proc/self/maps", O_RDONLY | O_CLOEXEC), F_GETFD));
	SHOW(access("/proc/self/fd/1024", F_OK));
	SHOW(open("/proc/self/fd/1024", O_RDONLY));
	SHOW(readlink("/proc/self/fd/1024", data, 10));
	SHOW(fcntl(1024, F_GETFD));
	SHOW(close(1024));
	SHOW(dup2(1024, 5));
	SHOW(dup2(0, 1024));
	SHOW(dup2(0, 20));
	SHOW(syscall(SYS_close_range, 15L, 2000L, 0L));
	SHOW(fcntl(20, F_GETFD));
	SHOW(syscall(SYS_close_range, 1024L, 1024L, 0L));
	SHOW(syscall(SYS_close_range, 1024L, 10L, 0L));
	SHOW(syscall(SYS_close_range, 10L, 2000L, 77L));
}

/* The same of a child that runs this program, too. */
static void others(const char *self)
{
	char path[64], link[PATH_MAX] = { 0 }, expected[PATH_MAX];
	struct stat a, b;
	int pipes[2];
	pid_t pid;

	SHOW(pipe(pipes));
	pid = fork();
	if (pid == 0) {
		close(pipes[1]);
		if (read(pipes[0], link, 1) < 0)
			_exit(1);
		_exit(0);
	}
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	VALUE(readlink(path, link, sizeof(link) - 1) > 0);
	VALUE(strcmp(link, realpath(self, expected)));
	VALUE(stat(path, &a) == 0 && stat(self, &b) == 0 && a.st_ino == b.st_ino);
	VALUE(open(path, O_RDONLY) >= 0);
	SHOW(close(pipes[1]));
	SHOW(waitpid(pid, NULL, 0) == pid);
	SHOW(readlink(path, link, sizeof(link) - 1));
}

extern const char __ehdr_start[];

int main(int argc, char **argv)
{
	if (argc == 1) {
		/* A translator keeps its own descriptor just beyond. */
		const struct rlimit limit = { 1024, 4096 };

		SHOW(setrlimit(RLIMIT_NOFILE, &limit));
		execl(argv[0], argv[0], "an argument", NULL);
		return 1;
	}
	program(__ehdr_start, argv);
	map();
	arguments();
	machine();
	others(argv[0]);
	return 0;
}
