/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events.c - descriptors that tell of something: eventfd, timerfd, signalfd, inotify, pidfd.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include "show.h"

static void events(void)
{
	eventfd_t value = 0;
	int fd = eventfd(3, EFD_NONBLOCK | EFD_SEMAPHORE);

	SHOW(eventfd_read(fd, &value));
	VALUE(value);
	SHOW(eventfd_write(fd, UINT64_MAX - 1));
	SHOW(eventfd_read(fd, &value));
	SHOW(read(fd, &value, 4));
	SHOW(eventfd(0, 12345));
}

static void timers(void)
{
	const struct itimerspec soon = { .it_value.tv_nsec = 10000000,
		.it_interval.tv_nsec = 10000000 };
	struct itimerspec left;
	uint64_t count = 0;
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	SHOW(timerfd_settime(fd, 0, &soon, NULL));
	SHOW(read(fd, &count, sizeof(count)));
	VALUE(count >= 1);
	usleep(35000);
	SHOW(read(fd, &count, sizeof(count)));
	VALUE(count >= 2);
	SHOW(timerfd_gettime(fd, &left));
	VALUE(left.it_interval.tv_nsec);
	VALUE(left.it_value.tv_sec);
	SHOW(timerfd_settime(fd, TFD_TIMER_ABSTIME, &(struct itimerspec){ 0 }, &left));
	VALUE(left.it_interval.tv_nsec);
	SHOW(timerfd_create(77, 0));
}

static void signals(void)
{
	struct signalfd_siginfo info;
	union sigval value = { .sival_int = 4711 };
	sigset_t set;
	int fd, status;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN + 2);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_NONBLOCK);
	SHOW(read(fd, &info, sizeof(info)));
	kill(getpid(), SIGUSR1);
	SHOW(read(fd, &info, sizeof(info)));
	VALUE(info.ssi_signo);
	VALUE(info.ssi_code);
	VALUE(info.ssi_pid == (unsigned)getpid());
	sigqueue(getpid(), SIGRTMIN + 2, value);
	SHOW(read(fd, &info, sizeof(info)));
	VALUE(info.ssi_int);
	VALUE(info.ssi_code);
	if (fork() == 0)
		_exit(3);
	SHOW(poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, 10000));
	SHOW(read(fd, &info, sizeof(info)));
	VALUE(info.ssi_status);
	VALUE(info.ssi_code);
	wait(&status);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void watches(void)
{
	char buffer[4096];
	int fd = inotify_init1(IN_NONBLOCK), file;
	ssize_t n;

	SHOW(mkdir("watched", 0700));
	SHOW(inotify_add_watch(fd, "watched", IN_ALL_EVENTS));
	SHOW(inotify_add_watch(fd, "missing", IN_ALL_EVENTS));
	file = open("watched/a", O_CREAT | O_WRONLY, 0600);
	SHOW(write(file, "x", 1));
	close(file);
	SHOW(rename("watched/a", "watched/b"));
	SHOW(unlink("watched/b"));
	SHOW(rmdir("watched"));
	n = read(fd, buffer, sizeof(buffer));
	for (char *at = buffer; at < buffer + n;) {
		struct inotify_event *event = (void *)at;

		printf("%d %x %d %s\n", event->wd, event->mask, event->cookie != 0,
			event->len ? event->name : "");
		at += sizeof(*event) + event->len;
	}
	SHOW(inotify_rm_watch(fd, 1));
}

static void pidfds(void)
{
	struct pollfd polled = { .events = POLLIN };
	siginfo_t info = { 0 };
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	polled.fd = (int)syscall(SYS_pidfd_open, pid, 0L);
	SHOW(poll(&polled, 1, 20));
	SHOW(syscall(SYS_pidfd_send_signal, polled.fd, (long)SIGTERM, NULL, 0L));
	SHOW(poll(&polled, 1, 5000));
	SHOW(waitid(3 /* P_PIDFD */, polled.fd, &info, WEXITED));
	VALUE(info.si_status);
	SHOW(syscall(SYS_pidfd_open, -1L, 0L));
}

int main(void)
{
	events();
	timers();
	signals();
	watches();
	pidfds();
	return 0;
}
