/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-start.c - a static program that our own start has started finds all that glibc's would give.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <unistd.h>

#define COPY_MAX ((size_t)3 << 20) /* beyond what is copied around the cache */

static int nr_tests, nr_failed, constructed_argc;
static int end_pipe[2];

static void check(bool ok, const char *name)
{
	printf("%sok %d - %s\n", ok ? "" : "not ", ++nr_tests, name);
	nr_failed += !ok;
}

__attribute__((constructor)) static void construct(int argc, char **argv, char **env)
{
	constructed_argc = argc;
}

__attribute__((destructor)) static void destruct(void)
{
	if (end_pipe[1] && write(end_pipe[1], "d", 1) != 1)
		_exit(1);
}

static void at_exit(void)
{
	if (write(end_pipe[1], "a", 1) != 1)
		_exit(1);
}

static void *in_thread(void *main_errno)
{
	errno = ENOENT;
	return &errno == main_errno ? NULL : main_errno;
}

static bool threads_have_their_own_errno(void)
{
	pthread_t thread;
	void *result = NULL;

	errno = EPERM;
	return pthread_create(&thread, NULL, in_thread, &errno) == 0 &&
		pthread_join(thread, &result) == 0 && result && errno == EPERM;
}

static bool copies_are_right(void)
{
	unsigned char *from = malloc(COPY_MAX + 64), *to = malloc(COPY_MAX + 64);
	bool ok = from && to;

	for (size_t i = 0; ok && i < COPY_MAX + 64; i++)
		from[i] = (unsigned char)(i * 7 + i / 251);
	for (size_t len = 0; ok && len <= COPY_MAX; len = len < 300 ? len + 1 : len * 3 + 1)
		for (size_t at = 0; ok && at < 17; at += 5) {
			memset(to, 0xee, len + 40);
			memcpy(to + at, from + 16 - at, len);
			ok = memcmp(to + at, from + 16 - at, len) == 0 && to[at + len] == 0xee;
			memmove(to + at + 3, to + at, len);
			ok = ok && memcmp(to + at + 3, from + 16 - at, len) == 0;
		}
	free(from);
	free(to);
	return ok;
}

static bool strings_are_right(void)
{
	char buffer[300], number[32];

	for (size_t len = 0; len < 280; len++) {
		memset(buffer, 'x', len);
		buffer[len] = '\0';
		if (strlen(buffer) != len || strchr(buffer, 'y') || strcmp(buffer, buffer) != 0 ||
			strnlen(buffer, 100) != (len < 100 ? len : 100))
			return false;
	}
	snprintf(number, sizeof(number), "%.3f %zu", 2.5, sizeof(buffer));
	return strcmp(number, "2.500 300") == 0;
}

static uintptr_t stack_guard(void)
{
	uintptr_t guard;

	__asm__("mov %%fs:0x28, %0" : "=r"(guard));
	return guard;
}

/* What a child writes on its way out, in order. */
static bool handlers_run_at_the_end(void)
{
	char out[4] = { 0 };
	int status;
	pid_t pid;

	fflush(stdout);
	if (pipe(end_pipe) < 0)
		return false;
	pid = fork();
	if (pid == 0) {
		atexit(at_exit);
		exit(5);
	}
	close(end_pipe[1]);
	end_pipe[1] = 0;
	return waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 5 &&
		read(end_pipe[0], out, 3) == 2 && strcmp(out, "ad") == 0;
}

int main(int argc, char **argv)
{
	const char *variable = getenv("STRATA_TEST_START");

	check(argc == 3 && strcmp(argv[1], "one") == 0 && strcmp(argv[2], "two") == 0, "arguments");
	check(variable && strcmp(variable, "here") == 0, "environment");
	check(constructed_argc == argc, "constructors");
	check(getauxval(AT_RANDOM) != 0 && sysconf(_SC_PAGESIZE) == 4096, "auxiliary vector");
	check(stack_guard() != 0 && (stack_guard() & 0xff) == 0, "stack guard");
	check(threads_have_their_own_errno(), "threads");
	check(copies_are_right(), "memory functions");
	check(strings_are_right(), "string functions");
	check(sysconf(_SC_LEVEL1_DCACHE_SIZE) >= 0, "caches of unknown size");
	check(handlers_run_at_the_end(), "exit handlers");
	printf("1..%d\n", nr_tests);
	return nr_failed != 0;
}
