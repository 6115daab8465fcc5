/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program.c - what test_gdb.py looks at with a debugger. The argument says what it does.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct point {
	int x, y;
};

struct point origin = { 3, 4 };
int counter;
volatile long turns;
static volatile sig_atomic_t handled;

static int add(int a, int b)
{
	int sum = a + b;

	counter++;
	return sum;
}

static int factorial(int n)
{
	if (n <= 1)
		return 1;
	return n * factorial(n - 1);
}

static void handle(int number)
{
	handled += number;
}

static void crash(int *where)
{
	*where = 1;
}

static void spin(void)
{
	for (;;)
		turns++;
}

static int fork_and_add(void)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0)
		_exit(add(20, 3));
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void ask(void)
{
	char line[64] = "";

	if (read(STDIN_FILENO, line, sizeof(line) - 1) > 0)
		printf("line %s", line);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	double half = 0.5;
	int total = 0;

	for (int i = 0; i < 1000; i++)
		total = add(total, i);
	printf("total %d half %g\n", total, half);
	printf("factorial %d\n", factorial(5));
	fflush(stdout);
	if (strcmp(what, "crash") == 0)
		crash(NULL);
	if (strcmp(what, "spin") == 0)
		spin();
	if (strcmp(what, "fork") == 0)
		printf("child %d\n", fork_and_add());
	if (strcmp(what, "ask") == 0)
		ask();
	if (strcmp(what, "signal") == 0) {
		signal(SIGUSR1, handle);
		raise(SIGUSR1);
		printf("handled %d\n", (int)handled);
	}
	if (strcmp(what, "abort") == 0)
		abort();
	printf("turns %ld counter %d\n", turns, counter);
	return 7;
}
