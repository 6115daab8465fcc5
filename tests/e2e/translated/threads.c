/* SPDX-License-Identifier: Apache-2.0 */
/*
 * threads.c - threads that meet on mutexes, conditions, barriers, thread-local storage and atomics;
 * one that dies with a robust mutex; cancellation; many that come and go.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

#define THREADS 8
#define ROUNDS	20000

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static _Atomic long counted;
static long guarded;
static _Thread_local long own = 5;
static _Atomic short half;
static _Atomic unsigned char byte;

static void *count(void *argument)
{
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < ROUNDS; i++) {
		atomic_fetch_add(&counted, 1);
		atomic_fetch_add(&half, 1);
		atomic_fetch_xor(&byte, 1);
		own++;
		if (i % 16 == 0) {
			pthread_mutex_lock(&mutex);
			guarded++;
			pthread_mutex_unlock(&mutex);
		}
	}
	return (void *)own;
}

static void counting(void)
{
	pthread_t threads[THREADS];
	void *result;

	pthread_barrier_init(&barrier, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, count, NULL) == 0);
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_join(threads[i], &result) == 0 && (long)result == ROUNDS + 5);
	CHECK(counted == THREADS * ROUNDS && guarded == THREADS * ROUNDS / 16 && own == 5);
	CHECK(half == (short)(THREADS * ROUNDS) && byte == 0);
	DONE("counting");
}

static int turn;

static void *take_turns(void *argument)
{
	int me = (int)(intptr_t)argument;

	for (int i = 0; i < 500; i++) {
		pthread_mutex_lock(&mutex);
		while (turn % 2 != me)
			pthread_cond_wait(&condition, &mutex);
		turn++;
		pthread_cond_broadcast(&condition);
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static void turns(void)
{
	pthread_t a, b;

	CHECK(pthread_create(&a, NULL, take_turns, (void *)0) == 0);
	CHECK(pthread_create(&b, NULL, take_turns, (void *)1) == 0);
	pthread_join(a, NULL);
	pthread_join(b, NULL);
	CHECK(turn == 1000);
	DONE("turns");
}

static void *nothing(void *argument)
{
	return argument;
}

static void come_and_go(void)
{
	pthread_attr_t detached;
	pthread_t thread;
	void *result;

	for (intptr_t i = 0; i < 500; i++) {
		CHECK(pthread_create(&thread, NULL, nothing, (void *)i) == 0);
		CHECK(pthread_join(thread, &result) == 0 && result == (void *)i);
	}
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	for (int i = 0; i < 200; i++)
		while (pthread_create(&thread, &detached, nothing, NULL) != 0)
			sched_yield();
	DONE("come and go");
}

static void *hold_and_die(void *argument)
{
	pthread_mutex_lock(argument);
	return NULL;
}

static void robust(void)
{
	pthread_mutexattr_t attributes;
	pthread_mutex_t *shared = mmap(
		NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_t thread;
	pid_t child;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(shared, &attributes);
	CHECK(pthread_create(&thread, NULL, hold_and_die, shared) == 0);
	pthread_join(thread, NULL);
	CHECK(pthread_mutex_lock(shared) == EOWNERDEAD);
	CHECK(pthread_mutex_consistent(shared) == 0 && pthread_mutex_unlock(shared) == 0);
	child = fork();
	if (!child) {
		pthread_mutex_lock(shared);
		kill(getpid(), SIGKILL);
	}
	CHECK(waitpid(child, NULL, 0) == child);
	CHECK(pthread_mutex_lock(shared) == EOWNERDEAD);
	CHECK(pthread_mutex_consistent(shared) == 0 && pthread_mutex_unlock(shared) == 0);
	DONE("robust");
}

static void clean(void *argument)
{
	*(int *)argument = 1;
}

static void *sleep_forever(void *argument)
{
	pthread_cleanup_push(clean, argument);
	for (;;)
		sleep(100);
	pthread_cleanup_pop(0);
	return NULL;
}

static void cancel(void)
{
	pthread_t thread;
	void *result;
	int cleaned = 0;

	CHECK(pthread_create(&thread, NULL, sleep_forever, &cleaned) == 0);
	usleep(20000);
	CHECK(pthread_cancel(thread) == 0);
	CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED && cleaned);
	DONE("cancel");
}

static void *fork_and_wait(void *argument)
{
	int status;
	pid_t child = fork();

	if (!child)
		_exit(own == 5 ? 11 : 12);
	CHECK(waitpid(child, &status, 0) == child);
	return (void *)(intptr_t)WEXITSTATUS(status);
}

static void forks(void)
{
	pthread_t threads[4];
	void *result;

	for (int i = 0; i < 4; i++)
		CHECK(pthread_create(&threads[i], NULL, fork_and_wait, NULL) == 0);
	for (int i = 0; i < 4; i++)
		CHECK(pthread_join(threads[i], &result) == 0 && (intptr_t)result == 11);
	DONE("forks");
}

static void *exit_soon(void *argument)
{
	usleep(10000);
	exit(42);
}

static void ends(void)
{
	int status;
	pid_t child = fork();

	if (!child) {
		pthread_t thread;

		pthread_create(&thread, NULL, exit_soon, NULL);
		pthread_exit(NULL); /* the first thread ends before the process */
	}
	CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 42);
	child = fork();
	if (!child) {
		pthread_t thread;

		pthread_create(&thread, NULL, nothing, NULL);
		pthread_create(&thread, NULL, nothing, NULL);
		syscall(SYS_exit_group, 9);
	}
	CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 9);
	DONE("ends");
}

int main(void)
{
	counting();
	turns();
	come_and_go();
	robust();
	cancel();
	forks();
	ends();
	return 0;
}
