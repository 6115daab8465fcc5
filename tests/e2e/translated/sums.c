/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sums.c - compiled and run inside the image: a thread for each argument, and a fault that its
 * handler mends, told by its address.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static sigjmp_buf back;
static void *volatile fault_address;

static void on_fault(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	fault_address = info->si_addr;
	siglongjmp(back, 1);
}

static void *sum(void *argument)
{
	long n = strtol(argument, NULL, 10), total = 0;

	for (long i = 1; i <= n; i++)
		total += i;
	return (void *)total;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	pthread_t threads[8];
	void *result;

	for (int i = 1; i < argc && i <= 8; i++)
		if (pthread_create(&threads[i - 1], NULL, sum, argv[i]) != 0)
			return 1;
	for (int i = 1; i < argc && i <= 8; i++) {
		pthread_join(threads[i - 1], &result);
		printf("%ld ", (long)result);
	}
	sigaction(SIGSEGV, &action, NULL);
	if (sigsetjmp(back, 1) == 0)
		*(volatile int *)0x1238 = 1;
	printf("fault at %p\n", fault_address);
	return 0;
}
