/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storm.c - threads that compute, map, fault, fork and allocate, while signals come to all of them
 * and others come and go: none may notice.
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

#define THREADS	   6
#define DURATION_S 3

static _Atomic int signals, faults, forks;
static volatile int stop;

static void count(int signo)
{
	signals++;
}

/* Make the page that was hit writable, and go on. */
static void open_page(int signo, siginfo_t *info, void *context)
{
	faults++;
	CHECK(mprotect((void *)((uintptr_t)info->si_addr & ~4095ul), 4096,
		      PROT_READ | PROT_WRITE) == 0);
}

static uint64_t compute(uint64_t seed)
{
	uint64_t s = seed;
	double d = 1;

	for (unsigned i = 1; i < 3000; i++) {
		s = s * 6364136223846793005u + i;
		d += 1.0 / (double)(s >> 40 | 1);
	}
	return s ^ (uint64_t)(d * 1e6);
}

static void fork_one(uint64_t expected, uint64_t seed)
{
	int status;
	pid_t child = fork();

	CHECK(child >= 0);
	if (!child)
		_exit(compute(seed) == expected ? 5 : 6);
	while (waitpid(child, &status, 0) < 0)
		CHECK(errno == EINTR);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 5);
	forks++;
}

static void *work(void *argument)
{
	uint64_t seed = (uintptr_t)argument, expected = compute(seed);

	for (unsigned round = 0; !stop; round++) {
		char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		char *block = malloc(round % 5000 + 1);

		CHECK(compute(seed) == expected);
		page[5] = 1;
		CHECK(page[5] == 1 && munmap(page, 4096) == 0);
		memset(block, 7, round % 5000 + 1);
		free(block);
		if (round % 50 == seed)
			fork_one(expected, seed);
	}
	return NULL;
}

static void *nothing(void *argument)
{
	return argument;
}

int main(void)
{
	struct itimerval timer = { .it_value.tv_usec = 900, .it_interval.tv_usec = 900 };
	struct sigaction action = { .sa_handler = count, .sa_flags = SA_RESTART };
	pthread_t threads[THREADS], other;
	time_t end = time(NULL) + DURATION_S;

	sigaction(SIGALRM, &action, NULL);
	action = (struct sigaction){ .sa_sigaction = open_page, .sa_flags = SA_SIGINFO };
	sigaction(SIGSEGV, &action, NULL);
	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
	setitimer(ITIMER_REAL, &timer, NULL);
	while (time(NULL) <= end) {
		CHECK(pthread_create(&other, NULL, nothing, NULL) == 0);
		CHECK(pthread_join(other, NULL) == 0);
		for (int i = 0; i < THREADS; i++)
			CHECK(pthread_kill(threads[i], SIGALRM) == 0);
		usleep(2000);
	}
	stop = 1;
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	CHECK(signals > 100 && faults > 20 && forks > 5);
	DONE("storm");
	return 0;
}
