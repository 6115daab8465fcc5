/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clocks.c - sleeping until a signal comes, timers and what they send, clocks, random bytes.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/sysinfo.h>
#include <time.h>

#include "show.h"

static volatile int handled, value, code;

static void note(int signal, siginfo_t *info, void *context)
{
	handled++;
	value = info->si_value.sival_int;
	code = info->si_code;
}

static void handle(int signal, int flags)
{
	struct sigaction action = { .sa_sigaction = note, .sa_flags = SA_SIGINFO | flags };

	sigaction(signal, &action, NULL);
	handled = 0;
}

static void alarm_in_ms(int ms)
{
	const struct itimerval timer = { .it_value.tv_usec = ms * 1000 };

	setitimer(ITIMER_REAL, &timer, NULL);
}

/* Something must be left of 10 s that were interrupted after some 30 ms. */
static int is_left(const struct timespec *left)
{
	return left->tv_sec >= 0 && left->tv_sec < 10 && left->tv_nsec > 0;
}

static void sleeping(int flags)
{
	struct timespec time = { 10, 0 }, left = { 77, 77 };

	handle(SIGALRM, flags);
	alarm_in_ms(30);
	SHOW(nanosleep(&time, &left));
	VALUE(is_left(&left));
	VALUE(handled);
	left.tv_sec = 77;
	alarm_in_ms(30);
	VALUE(clock_nanosleep(CLOCK_MONOTONIC, 0, &time, &left));
	VALUE(is_left(&left));
	clock_gettime(CLOCK_MONOTONIC, &time);
	time.tv_sec += 10;
	left.tv_sec = 77;
	alarm_in_ms(30);
	VALUE(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, &left));
	VALUE(left.tv_sec);
	time.tv_nsec = -1;
	SHOW(nanosleep(&time, NULL));
	SHOW(nanosleep((void *)16, NULL));
	VALUE(clock_nanosleep(77, 0, &time, NULL));
	signal(SIGALRM, SIG_IGN);
	time = (struct timespec){ 0, 60000000 };
	alarm_in_ms(20);
	SHOW(nanosleep(&time, NULL));
	handle(SIGALRM, flags);
	VALUE(sleep(0));
	alarm_in_ms(20);
	SHOW(pause());
}

/* Calls that do not wait are never interrupted, however many signals come. */
static void storm(void)
{
	const struct itimerval often = { { 0, 200 }, { 0, 200 } };
	int failed = 0;

	handle(SIGALRM, 0);
	setitimer(ITIMER_REAL, &often, NULL);
	while (handled < 500) {
		int fd = open("file", O_CREAT | O_RDWR, 0600);

		failed += fd < 0 || write(fd, "x", 1) != 1 || close(fd) < 0;
	}
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
	VALUE(failed);
}

static void timers(void)
{
	struct sigevent event = {
		.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 4711
	};
	const struct itimerspec soon = { { 0, 0 }, { 0, 10000000 } };
	struct itimerspec left;
	struct itimerval real;
	timer_t timer;

	handle(SIGUSR1, SA_RESTART);
	SHOW(timer_create(CLOCK_MONOTONIC, &event, &timer));
	SHOW(timer_settime(timer, 0, &soon, NULL));
	while (!handled)
		usleep(1000);
	VALUE(value);
	VALUE(code);
	SHOW(timer_gettime(timer, &left));
	VALUE(left.it_value.tv_nsec);
	SHOW(timer_getoverrun(timer));
	SHOW(timer_delete(timer));
	event.sigev_notify = SIGEV_THREAD_ID;
	event._sigev_un._tid = (int)syscall(SYS_gettid);
	handled = 0;
	SHOW(timer_create(CLOCK_REALTIME, &event, &timer));
	SHOW(timer_settime(timer, 0, &soon, NULL));
	while (!handled)
		usleep(1000);
	VALUE(value);
	event._sigev_un._tid = 1;
	SHOW(timer_create(CLOCK_REALTIME, &event, &timer));
	SHOW(timer_create(99, NULL, &timer));
	SHOW(setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 0 }, { 100, 0 } }, NULL));
	SHOW(getitimer(ITIMER_REAL, &real));
	VALUE(real.it_value.tv_sec >= 99);
	VALUE(alarm(0) >= 99);
	SHOW(getitimer(99, &real));
}

static void clocks(void)
{
	static const clockid_t all[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID,
		CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE,
		CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME, CLOCK_TAI, 50 };
	struct timespec a, b, resolution;
	struct timeval now;
	struct timex times = { 0 };
	struct sysinfo info;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		SHOW(clock_gettime(all[i], &a));
		SHOW(clock_getres(all[i], &resolution));
		clock_gettime(all[i], &b);
		VALUE(b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec >= a.tv_nsec));
		VALUE(resolution.tv_nsec);
	}
	SHOW(gettimeofday(&now, NULL));
	clock_gettime(CLOCK_REALTIME, &a);
	VALUE(labs(a.tv_sec - now.tv_sec) < 2);
	VALUE(time(NULL) - now.tv_sec < 2);
	SHOW(adjtimex(&times) >= 0 ? 0 : -1);
	VALUE(times.tick);
	SHOW(sysinfo(&info));
	VALUE(info.mem_unit);
	VALUE(info.totalram > 1000000);
}

static void random_bytes(void)
{
	unsigned char a[64] = { 0 }, b[64] = { 0 };

	SHOW(getrandom(a, sizeof(a), 0));
	SHOW(getrandom(b, sizeof(b), GRND_NONBLOCK));
	VALUE(memcmp(a, b, sizeof(a)) != 0);
	SHOW(getrandom(a, 5, 0x80));
	SHOW(getrandom((void *)16, 5, 0));
	SHOW(getentropy(a, 300));
}

int main(void)
{
	sleeping(0);
	sleeping(SA_RESTART);
	storm();
	timers();
	clocks();
	random_bytes();
	return 0;
}
