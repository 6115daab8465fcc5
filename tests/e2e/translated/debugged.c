/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debugged.c - what gdb is to look at from beside it, and strace: calls, threads, children.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int total, value;
static volatile int go_on = 1;
static volatile long turns;

static int add(int n)
{
	total += n;
	return total;
}

static int twice(int n)
{
	int r = add(n);

	return r + add(n);
}

static void meet(int x)
{
	value = x;
}

static void handle(int signal)
{
	meet(signal);
}

static void *spin(void *argument)
{
	while (go_on)
		turns++;
	return argument;
}

static void *nap(void *argument)
{
	while (go_on)
		usleep(1000);
	return argument;
}

static void run_threads(void)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, i & 1 ? nap : spin, NULL);
	usleep(50000);
	meet(4);
	go_on = 0;
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

static int run_child(void)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		meet(5);
		_exit(value + 1);
	}
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "calls";

	signal(SIGUSR1, handle);
	if (!strcmp(what, "threads"))
		run_threads();
	else if (!strcmp(what, "fork"))
		printf("child %d\n", run_child());
	else if (!strcmp(what, "crash"))
		*(volatile int *)0x1238 = twice(3);
	else if (!strcmp(what, "exec"))
		execl("/proc/self/exe", argv[0], "calls", NULL);
	else if (!strcmp(what, "spin"))
		spin(NULL), printf("went on with %d\n", go_on);
	else if (!strcmp(what, "signal"))
		raise(SIGUSR1), printf("value %d\n", value);
	for (int i = 0; i < 3; i++)
		printf("%d %d\n", i, twice(i));
	return 7;
}
