/* SPDX-License-Identifier: Apache-2.0 */
/*
 * init.c - the first process of a machine that is measured: it says that it is there, runs what
 * /commands lists, one command line a line, and tells of each how long it took by the machine's
 * clock, how it ended, and a hash of what it has printed; then the machine is switched off.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORDS_MAX 32

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static uint32_t hash_all(int fd)
{
	uint32_t hash = 2166136261u; /* FNV-1a */
	unsigned char bytes[4096];
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		for (ssize_t i = 0; i < n; i++)
			hash = (hash ^ bytes[i]) * 16777619u;
	return hash;
}

static void run(char *line)
{
	char *words[WORDS_MAX] = { 0 }, *rest = line;
	double start_ms = now_ms(), end_ms;
	int ends[2], status = -1;
	uint32_t hash;
	pid_t child;

	for (unsigned i = 0; i + 1 < WORDS_MAX && rest; i++)
		words[i] = strsep(&rest, " ");
	if (pipe(ends) < 0)
		return;
	child = fork();
	if (child == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		execv(words[0], words);
		_exit(127);
	}
	close(ends[1]);
	hash = hash_all(ends[0]);
	close(ends[0]);
	waitpid(child, &status, 0);
	end_ms = now_ms();
	printf("bench: %s %.2f %d %08x\n", words[0], end_ms - start_ms, status, hash);
	fflush(stdout);
}

int main(void)
{
	static char line[4096];
	FILE *commands;

	mkdir("/proc", 0755);
	mkdir("/tmp", 0755);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("tmp", "/tmp", "tmpfs", 0, NULL);
	printf("bench: ready\n");
	fflush(stdout);
	commands = fopen("/commands", "re");
	while (commands && fgets(line, sizeof(line), commands)) {
		line[strcspn(line, "\n")] = '\0';
		run(line);
	}
	printf("bench: end\n");
	fflush(stdout);
	sync();
	reboot(RB_POWER_OFF);
	return 1;
}
