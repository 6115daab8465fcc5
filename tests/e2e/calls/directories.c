/* SPDX-License-Identifier: Apache-2.0 */
/*
 * directories.c - reading directories in small pieces, going back in them, and the list of this
 * process's own descriptors.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "show.h"

#define FILES 300

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list(const char *path)
{
	char *names[FILES + 32];
	size_t n = 0;
	struct dirent *entry;
	DIR *directory = opendir(path);

	while (directory && (entry = readdir(directory)) && n < ARRAY_SIZE(names)) {
		names[n] = malloc(300);
		snprintf(names[n++], 300, "%s type %d", entry->d_name, entry->d_type);
	}
	qsort(names, n, sizeof(names[0]), compare);
	printf("%s: %zu entries\n", path, n);
	for (size_t i = 0; i < n && (i < 8 || i + 4 > n); i++)
		puts(names[i]);
	if (directory)
		closedir(directory);
}

/* getdents64 itself, with a buffer that holds few entries. */
static void read_slowly(void)
{
	char buffer[128];
	int fd = open("many", O_RDONLY | O_DIRECTORY);
	long n, total = 0, calls = 0;

	while ((n = syscall(SYS_getdents64, fd, buffer, sizeof(buffer))) > 0) {
		calls++;
		for (long at = 0; at < n;) {
			struct dirent64 *entry = (void *)(buffer + at);

			total++;
			at += entry->d_reclen;
		}
	}
	VALUE(n);
	VALUE(total);
	VALUE(calls > total / 8);
	SHOW(lseek(fd, 0, SEEK_SET));
	SHOW(syscall(SYS_getdents64, fd, buffer, 10L));
	SHOW(syscall(SYS_getdents64, fd, 16L, sizeof(buffer)));
	close(fd);
	SHOW(syscall(SYS_getdents64, fd, buffer, sizeof(buffer)));
	SHOW(syscall(SYS_getdents64, 0, buffer, sizeof(buffer)));
}

static void go_back(void)
{
	DIR *directory = opendir("many");
	char first[256], again[256];
	long place;

	for (int i = 0; i < 100; i++)
		readdir(directory);
	place = telldir(directory);
	strcpy(first, readdir(directory)->d_name);
	for (int i = 0; i < 50; i++)
		readdir(directory);
	seekdir(directory, place);
	strcpy(again, readdir(directory)->d_name);
	VALUE(strcmp(first, again));
	rewinddir(directory);
	VALUE(readdir(directory) != NULL);
	closedir(directory);
}

int main(void)
{
	char name[64];

	SHOW(mkdir("many", 0755));
	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "many/%03d-%.*s", i, i % 20,
			"abcdefghijklmnopqrstuvwxyz");
		close(open(name, O_CREAT | O_WRONLY, 0600));
	}
	SHOW(symlink("x", "many/link"));
	SHOW(mkdir("many/below", 0700));
	list("many");
	read_slowly();
	go_back();
	/* From here on the descriptors are known: nothing of a translator's is among them. */
	closefrom(3);
	list("/proc/self/fd");
	list("/proc/thread-self/fdinfo");
	SHOW(open("/dev/null", O_RDONLY));
	SHOW(dup(0));
	list("/proc/self/fd");
	return 0;
}
