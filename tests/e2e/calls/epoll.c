/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epoll.c - epoll, whose events lie differently in memory on the two CPUs.
 */
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>

#include "show.h"

#define FILES 100

static int handled;

static void note(int signal)
{
	handled++;
}

static void show_events(const struct epoll_event *events, long n)
{
	unsigned long long sum = 0;

	for (long i = 0; i < n; i++)
		sum += events[i].data.u64 * 31 + events[i].events;
	printf("%ld events, sum %llx\n", n, sum);
}

static void masks(int set)
{
	struct epoll_event events[2];
	const struct timespec patience = { 1, 0 };
	sigset_t blocked, open;

	signal(SIGUSR1, note);
	sigemptyset(&open);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	raise(SIGUSR1);
	VALUE(handled);
	SHOW(epoll_pwait(set, events, 2, 0, &blocked));
	VALUE(handled);
	SHOW(epoll_pwait(set, events, 2, 1000, &open));
	VALUE(handled);
	raise(SIGUSR1);
	SHOW(syscall(SYS_epoll_pwait2, set, events, 2L, &patience, &open, 8L));
	VALUE(handled);
	sigprocmask(SIG_BLOCK, NULL, &open);
	VALUE(sigismember(&open, SIGUSR1));
}

int main(void)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = 0x1122334455667788 };
	static struct epoll_event events[FILES + 5];
	int set = epoll_create1(EPOLL_CLOEXEC), files[FILES], pipes[2];

	memset(events, 0xff, sizeof(events));
	for (int i = 0; i < FILES; i++) {
		files[i] = eventfd(0, 0);
		event.data.u64 = 0x1122334455667788 + i;
		if (epoll_ctl(set, EPOLL_CTL_ADD, files[i], &event) < 0)
			return 1;
	}
	SHOW(epoll_wait(set, events, FILES, 0));
	for (int i = 0; i < FILES; i += 3)
		eventfd_write(files[i], 1);
	show_events(events, SHOW(epoll_wait(set, events, 5, 0)));
	for (int i = 0; i < FILES; i += 3)
		eventfd_write(files[i], 1);
	show_events(events, SHOW(epoll_wait(set, events, FILES, -1)));
	VALUE(events[FILES].data.u64 == 0xffffffffffffffff);
	event.data.u64 = 5;
	SHOW(epoll_ctl(set, EPOLL_CTL_ADD, files[0], &event));
	SHOW(epoll_ctl(set, EPOLL_CTL_ADD, 999, &event));
	SHOW(epoll_ctl(set, EPOLL_CTL_ADD, set, &event));
	SHOW(epoll_ctl(999, EPOLL_CTL_ADD, files[0], &event));
	SHOW(epoll_ctl(set, EPOLL_CTL_MOD, files[0], NULL));
	SHOW(epoll_ctl(set, 77, files[0], &event));
	for (int i = 0; i < FILES; i++)
		if (epoll_ctl(set, EPOLL_CTL_DEL, files[i], NULL) < 0)
			return 1;
	SHOW(epoll_ctl(set, EPOLL_CTL_DEL, files[0], NULL));
	SHOW(pipe(pipes));
	event.events = EPOLLIN | EPOLLET | EPOLLRDHUP;
	event.data.ptr = events;
	SHOW(epoll_ctl(set, EPOLL_CTL_ADD, pipes[0], &event));
	SHOW(write(pipes[1], "x", 1));
	SHOW(epoll_wait(set, (void *)16, 10, 0));
	SHOW(epoll_wait(set, events, 10, 100));
	VALUE(events[0].data.ptr == events);
	SHOW(epoll_wait(set, events, 10, 10));
	SHOW(close(pipes[1]));
	SHOW(epoll_wait(set, events, 10, 100));
	VALUE(events[0].events);
	SHOW(epoll_wait(set, events, 0, 0));
	SHOW(epoll_wait(set, events, -5, 0));
	SHOW(epoll_wait(pipes[0], events, 1, 0));
	masks(set);
	return 0;
}
