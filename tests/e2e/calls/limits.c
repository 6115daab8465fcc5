/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits.c - resource limits: what they are, who inherits them, and what happens at them.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "show.h"

static volatile int handled;

static void note(int signal)
{
	handled = signal;
}

static void show_limits(void)
{
	struct rlimit limit;

	for (int i = 0; i < RLIM_NLIMITS; i++) {
		SHOW(getrlimit(i, &limit));
		printf("%d: %ld %ld\n", i, (long)limit.rlim_cur, (long)limit.rlim_max);
	}
	SHOW(getrlimit(99, &limit));
	SHOW(getrlimit(0, (void *)16));
}

static int set(int resource, long soft)
{
	struct rlimit limit;

	getrlimit(resource, &limit);
	limit.rlim_cur = (rlim_t)soft;
	return setrlimit(resource, &limit);
}

static void at_limits(void)
{
	int fd = open("file", O_CREAT | O_RDWR, 0600);
	struct rlimit old;
	void *p;

	SHOW(set(RLIMIT_NOFILE, 10));
	while (fd >= 0 && fd < 9)
		fd = dup(0);
	VALUE(fd);
	SHOW(dup(0));
	SHOW(open("/dev/null", O_RDONLY));
	SHOW(dup2(0, 10));
	SHOW(fcntl(0, F_DUPFD, 10));
	SHOW(close(9));
	SHOW(dup(0));
	signal(SIGXFSZ, note);
	SHOW(set(RLIMIT_FSIZE, 4));
	SHOW(write(3, "123456", 6));
	SHOW(write(3, "123456", 6));
	VALUE(handled);
	SHOW(ftruncate(3, 100));
	SHOW(set(RLIMIT_MEMLOCK, 0));
	SHOW(prlimit(0, RLIMIT_STACK, NULL, &old));
	VALUE(old.rlim_cur > 100000);
	p = mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	VALUE(p != MAP_FAILED);
	SHOW(set(RLIMIT_NOFILE, -1));
	SHOW(set(99, 5));
}

static void too_much_time(void)
{
	int status;

	fflush(stdout);
	if (fork() == 0) {
		signal(SIGXCPU, note);
		set(RLIMIT_CPU, 1);
		set(RLIMIT_CORE, 0);
		while (handled != SIGXCPU)
			;
		puts("out of time");
		fflush(stdout);
		signal(SIGXCPU, SIG_DFL);
		for (;;)
			;
	}
	wait(&status);
	VALUE(WTERMSIG(status));
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		show_limits();
		return 0;
	}
	show_limits();
	too_much_time();
	at_limits();
	SHOW(set(RLIMIT_FSIZE, 100000000));
	fflush(stdout);
	execl("/proc/self/exe", "limits", "again", NULL);
	return 1;
}
