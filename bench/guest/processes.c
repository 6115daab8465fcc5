/* SPDX-License-Identifier: Apache-2.0 */
/*
 * processes.c - what a kernel is busy with when programs are started: `processes fork N` forks and
 * waits, `processes exec N` executes itself in the child, `processes pipe N` sends a byte to and
 * fro between two processes, `processes page N` touches new memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGES 1024

static int fork_and_wait(char *program)
{
	pid_t child = fork();
	int status = -1;

	if (child == 0) {
		if (program)
			execl(program, program, "nothing", "0", (char *)NULL);
		_exit(program != NULL);
	}
	waitpid(child, &status, 0);
	return status;
}

static int ping_pong(long n)
{
	int there[2], back[2];
	char byte = 0;

	if (pipe(there) < 0 || pipe(back) < 0)
		return 1;
	if (fork() == 0) {
		close(there[1]);
		while (read(there[0], &byte, 1) == 1) {
			byte++;
			if (write(back[1], &byte, 1) != 1)
				break;
		}
		_exit(0);
	}
	for (long i = 0; i < n; i++)
		if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
			return 1;
	printf("%d\n", byte);
	return 0;
}

static int touch_pages(long n)
{
	const size_t page = 4096;

	for (long i = 0; i < n; i++) {
		char *memory = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (memory == MAP_FAILED)
			return 1;
		for (size_t at = 0; at < PAGES * page; at += page)
			memory[at] = 1;
		munmap(memory, PAGES * page);
	}
	return 0;
}

int main(int argc, char **argv)
{
	long n = argc > 2 ? atol(argv[2]) : 0;
	const char *what = argc > 1 ? argv[1] : "";
	int r = 0;

	if (strcmp(what, "pipe") == 0)
		return ping_pong(n);
	if (strcmp(what, "page") == 0)
		return touch_pages(n);
	for (long i = 0; i < n && r == 0; i++)
		r = fork_and_wait(strcmp(what, "exec") == 0 ? argv[0] : NULL);
	printf("%d\n", r);
	return r != 0;
}
