/* SPDX-License-Identifier: Apache-2.0 */
/*
 * threads.c - three threads and the one that waits for them, for test_gdb.py.
 */
#include <pthread.h>
#include <stdio.h>

#define THREADS 3
#define HITS	40

static pthread_barrier_t barrier;
static long sum;

static void hit(long number)
{
	__atomic_add_fetch(&sum, number, __ATOMIC_SEQ_CST);
}

static void *leave(void)
{
	return NULL;
}

static void *work(void *argument)
{
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < HITS; i++)
		hit((long)argument);
	pthread_barrier_wait(&barrier);
	return leave();
}

int main(void)
{
	pthread_t threads[THREADS];

	pthread_barrier_init(&barrier, NULL, THREADS);
	for (long i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, work, (void *)(i + 1));
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("sum %ld\n", sum);
	return 0;
}
