/* SPDX-License-Identifier: Apache-2.0 */
/*
 * poll.c - waiting for descriptors while signals come: what is interrupted, what goes on, and under
 * which mask a handler runs.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "show.h"

static int handled, usr2_blocked = -1;
static int pipes[2];

static void note(int signal)
{
	sigset_t now;

	sigprocmask(SIG_BLOCK, NULL, &now);
	usr2_blocked = sigismember(&now, SIGUSR2);
	handled++;
}

static void handle(int flags)
{
	struct sigaction action = { .sa_handler = note, .sa_flags = flags };

	sigaction(SIGALRM, &action, NULL);
	handled = 0;
}

static void alarm_in_ms(int ms)
{
	const struct itimerval timer = { .it_value.tv_usec = ms * 1000 };

	setitimer(ITIMER_REAL, &timer, NULL);
}

static void *write_later(void *argument)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	usleep(700000);
	if (write(pipes[1], "late", 4) < 0)
		perror("write");
	return NULL;
}

static void reads(int flags)
{
	char buffer[8];
	pthread_t thread;

	handle(flags);
	pthread_create(&thread, NULL, write_later, NULL);
	alarm_in_ms(50);
	SHOW(read(pipes[0], buffer, sizeof(buffer)));
	VALUE(handled);
	pthread_join(thread, NULL);
	if (!flags)
		SHOW(read(pipes[0], buffer, sizeof(buffer)));
}

static void polls(void)
{
	struct pollfd polled[3] = { { pipes[0], POLLIN, 77 }, { 999, POLLIN, 0 },
		{ pipes[1], POLLOUT, 0 } };
	struct timespec patience = { 2, 0 };
	sigset_t mask;

	handle(SA_RESTART);
	alarm_in_ms(30);
	SHOW(poll(polled, 1, 2000));
	VALUE(handled);
	SHOW(poll(polled, 3, 1000));
	for (int i = 0; i < 3; i++)
		VALUE(polled[i].revents);
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR2);
	sigaddset(&mask, SIGALRM);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	alarm_in_ms(1);
	usleep(20000);
	SHOW(ppoll(polled, 1, &(struct timespec){ 0 }, NULL));
	sigemptyset(&mask);
	VALUE(handled);
	SHOW(ppoll(polled, 1, &patience, &mask));
	VALUE(handled);
	VALUE(usr2_blocked);
	sigprocmask(SIG_BLOCK, NULL, &mask);
	VALUE(sigismember(&mask, SIGUSR2) + sigismember(&mask, SIGALRM));
	sigemptyset(&mask);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	SHOW(poll((void *)16, 1, 0));
	SHOW(poll(NULL, 0, 5));
}

static void selects(void)
{
	struct timeval patience = { 0, 30000 };
	struct timespec longer = { 2, 0 };
	fd_set reads, writes;
	sigset_t mask;

	FD_ZERO(&reads);
	FD_ZERO(&writes);
	FD_SET(pipes[0], &reads);
	FD_SET(pipes[1], &writes);
	SHOW(select(pipes[1] + 1, &reads, &writes, NULL, NULL));
	VALUE(FD_ISSET(pipes[0], &reads) * 2 + FD_ISSET(pipes[1], &writes));
	FD_SET(pipes[0], &reads);
	SHOW(select(pipes[1] + 1, &reads, NULL, NULL, &patience));
	VALUE(patience.tv_sec == 0 && patience.tv_usec == 0);
	FD_ZERO(&reads);
	FD_SET(50, &reads);
	SHOW(select(51, &reads, NULL, NULL, &patience));
	SHOW(select(-1, &reads, NULL, NULL, &patience));
	handle(SA_RESTART);
	alarm_in_ms(30);
	FD_ZERO(&reads);
	FD_SET(pipes[0], &reads);
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR2);
	SHOW(pselect(pipes[1] + 1, &reads, NULL, NULL, &longer, &mask));
	VALUE(handled);
	VALUE(usr2_blocked);
	sigprocmask(SIG_BLOCK, NULL, &mask);
	VALUE(sigismember(&mask, SIGUSR2));
}

int main(void)
{
	int status;

	SHOW(pipe(pipes));
	reads(0);
	reads(SA_RESTART);
	polls();
	selects();
	handle(0);
	if (fork() == 0) {
		usleep(700000);
		_exit(9);
	}
	alarm_in_ms(50);
	SHOW(wait(&status));
	DO(wait(&status));
	VALUE(WEXITSTATUS(status));
	return 0;
}
