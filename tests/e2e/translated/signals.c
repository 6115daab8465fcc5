/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signals.c - handlers, masks, restarts, alternate stacks, timers, queues: what POSIX and Linux
 * say.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

static volatile sig_atomic_t seen, order[8], depth;
static volatile int seen_value, seen_code;
static volatile pid_t seen_pid;

static void count(int signo)
{
	seen++;
}

static void take(int signo, siginfo_t *info, void *context)
{
	order[seen++] = signo;
	seen_code = info->si_code;
	seen_value = info->si_value.sival_int;
	seen_pid = info->si_pid;
}

static void set(int signo, void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

	CHECK(sigaction(signo, &action, NULL) == 0);
}

static void set_info(int signo, int flags)
{
	struct sigaction action = { .sa_sigaction = take, .sa_flags = flags | SA_SIGINFO };

	CHECK(sigaction(signo, &action, NULL) == 0);
}

static void one_by_one(void)
{
	sigset_t mask, old, pending;

	set_info(SIGUSR1, 0);
	set_info(SIGUSR2, 0);
	CHECK(raise(SIGUSR1) == 0 && seen == 1 && order[0] == SIGUSR1);
	CHECK(seen_pid == getpid());
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	sigaddset(&mask, SIGUSR2);
	CHECK(sigprocmask(SIG_BLOCK, &mask, &old) == 0);
	seen = 0;
	kill(getpid(), SIGUSR2);
	kill(getpid(), SIGUSR1);
	CHECK(seen == 0);
	CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1) &&
		sigismember(&pending, SIGUSR2) && !sigismember(&pending, SIGINT));
	CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
	CHECK(seen == 2);
	DONE("masks");
}

static void queued(void)
{
	sigset_t mask, old;
	union sigval value;
	siginfo_t info;
	struct timespec none = { 0 };

	set_info(SIGRTMIN + 3, 0);
	sigemptyset(&mask);
	sigaddset(&mask, SIGRTMIN + 3);
	sigprocmask(SIG_BLOCK, &mask, &old);
	for (int i = 0; i < 5; i++) {
		value.sival_int = 100 + i;
		CHECK(sigqueue(getpid(), SIGRTMIN + 3, value) == 0);
	}
	CHECK(sigtimedwait(&mask, &info, &none) == SIGRTMIN + 3);
	CHECK(info.si_value.sival_int == 100 && info.si_code == SI_QUEUE);
	seen = 0;
	sigprocmask(SIG_SETMASK, &old, NULL);
	CHECK(seen == 4 && seen_value == 104 && seen_code == SI_QUEUE);
	CHECK(sigtimedwait(&mask, &info, &none) == -1 && errno == EAGAIN);
	DONE("queues");
}

static void nested(int signo)
{
	depth++;
	if (depth < 3)
		raise(signo);
	depth += 10;
}

static void flags(void)
{
	struct sigaction action;

	set(SIGUSR1, nested, SA_NODEFER);
	depth = 0;
	raise(SIGUSR1);
	CHECK(depth == 33);
	set(SIGUSR1, nested, 0);
	depth = 0;
	raise(SIGUSR1);
	CHECK(depth == 22);
	set(SIGUSR1, count, SA_RESETHAND);
	seen = 0;
	raise(SIGUSR1);
	CHECK(seen == 1 && sigaction(SIGUSR1, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
	CHECK(sigaction(SIGKILL, &action, NULL) == -1 && errno == EINVAL);
	CHECK(sigaction(65, NULL, &action) == -1 && errno == EINVAL);
	DONE("flags");
}

static void alarm_in_us(int us)
{
	struct itimerval timer = { .it_value.tv_usec = us };

	CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

static void restarts(void)
{
	int fds[2];
	char c;
	pid_t child;
	int status;

	CHECK(pipe(fds) == 0);
	set(SIGALRM, count, 0);
	seen = 0;
	alarm_in_us(20000);
	CHECK(read(fds[0], &c, 1) == -1 && errno == EINTR && seen == 1);
	set(SIGALRM, count, SA_RESTART);
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		usleep(100000);
		_exit(write(fds[1], "x", 1) == 1 ? 0 : 1);
	}
	alarm_in_us(20000);
	CHECK(read(fds[0], &c, 1) == 1 && c == 'x' && seen == 2);
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	/* poll never restarts */
	alarm_in_us(20000);
	CHECK(poll(NULL, 0, 2000) == -1 && errno == EINTR && seen == 3);
	DONE("restarts");
}

static void sleeps(void)
{
	struct timespec want = { .tv_sec = 2 }, left = { 0 };

	set(SIGALRM, count, SA_RESTART);
	alarm_in_us(50000);
	CHECK(nanosleep(&want, &left) == -1 && errno == EINTR);
	CHECK(left.tv_sec == 1 && left.tv_nsec > 0);
	DONE("sleeps");
}

static void suspends(void)
{
	sigset_t mask, old, now;

	set(SIGALRM, count, 0);
	sigemptyset(&mask);
	sigaddset(&mask, SIGALRM);
	sigprocmask(SIG_BLOCK, &mask, &old);
	seen = 0;
	alarm_in_us(20000);
	usleep(60000);
	CHECK(seen == 0);
	sigfillset(&mask);
	sigdelset(&mask, SIGALRM);
	CHECK(sigsuspend(&mask) == -1 && errno == EINTR && seen == 1);
	CHECK(sigprocmask(SIG_SETMASK, NULL, &now) == 0 && sigismember(&now, SIGALRM) &&
		!sigismember(&now, SIGUSR2));
	alarm_in_us(20000);
	CHECK(ppoll(NULL, 0, NULL, &mask) == -1 && errno == EINTR && seen == 2);
	sigprocmask(SIG_SETMASK, &old, NULL);
	DONE("suspends");
}

static char alternate[65536];
static volatile int was_on_it;

static void on_alternate(int signo)
{
	char here;
	stack_t stack;

	was_on_it = &here >= alternate && &here < alternate + sizeof(alternate);
	CHECK(sigaltstack(NULL, &stack) == 0 && stack.ss_flags == SS_ONSTACK);
	stack.ss_flags = 0;
	CHECK(sigaltstack(&stack, NULL) == -1 && errno == EPERM);
}

static void alternate_stack(void)
{
	stack_t stack = { .ss_sp = alternate, .ss_size = sizeof(alternate) }, old;

	CHECK(sigaltstack(NULL, &old) == 0 && old.ss_flags == SS_DISABLE);
	CHECK(sigaltstack(&stack, NULL) == 0);
	set(SIGUSR1, on_alternate, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK(was_on_it);
	CHECK(sigaltstack(NULL, &old) == 0 && old.ss_flags == 0 && old.ss_sp == alternate);
	stack.ss_size = 100;
	CHECK(sigaltstack(&stack, NULL) == -1 && errno == ENOMEM);
	stack.ss_flags = SS_DISABLE;
	CHECK(sigaltstack(&stack, NULL) == 0);
	DONE("alternate stack");
}

static void descriptors(void)
{
	sigset_t mask, old;
	struct signalfd_siginfo info;
	int fd;

	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR2);
	sigprocmask(SIG_BLOCK, &mask, &old);
	fd = signalfd(-1, &mask, SFD_CLOEXEC);
	CHECK(fd >= 0);
	kill(getpid(), SIGUSR2);
	CHECK(read(fd, &info, sizeof(info)) == sizeof(info) && info.ssi_signo == SIGUSR2 &&
		info.ssi_pid == (uint32_t)getpid());
	close(fd);
	sigprocmask(SIG_SETMASK, &old, NULL);
	DONE("signalfd");
}

static void timers(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1 };
	struct itimerspec when = { .it_value.tv_nsec = 5000000, .it_interval.tv_nsec = 5000000 };
	timer_t timer;

	event.sigev_value.sival_int = 77;
	set_info(SIGRTMIN + 1, 0);
	seen = 0;
	CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
	CHECK(timer_settime(timer, 0, &when, NULL) == 0);
	while (seen < 3) /* only guest code: nothing to interrupt but that */
		;
	CHECK(seen_code == SI_TIMER && seen_value == 77);
	CHECK(timer_delete(timer) == 0);
	DONE("timers");
}

static void children(void)
{
	int status;
	pid_t child;

	set_info(SIGCHLD, 0);
	seen = 0;
	child = fork();
	if (!child)
		_exit(7);
	while (!seen)
		usleep(1000);
	CHECK(seen_pid == child && seen_code == CLD_EXITED);
	CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7);
	set(SIGCHLD, SIG_IGN, 0);
	child = fork();
	if (!child)
		_exit(0);
	CHECK(waitpid(child, &status, 0) == -1 && errno == ECHILD);
	set(SIGCHLD, SIG_DFL, 0);
	for (int signo = 1; signo < 32; signo++) {
		if (signo == SIGCHLD || signo == SIGURG || signo == SIGWINCH || signo == SIGCONT ||
			signo == SIGSTOP || signo == SIGTSTP || signo == SIGTTIN ||
			signo == SIGTTOU)
			continue;
		child = fork();
		if (!child) {
			signal(signo, SIG_DFL);
			raise(signo);
			_exit(0);
		}
		CHECK(waitpid(child, &status, 0) == child);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == signo);
	}
	child = fork();
	if (!child) {
		raise(SIGSTOP);
		_exit(5);
	}
	CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status) &&
		WSTOPSIG(status) == SIGSTOP);
	kill(child, SIGCONT);
	CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 5);
	DONE("children");
}

static pthread_t main_thread;
static volatile int was_main;

static void where(int signo)
{
	was_main = pthread_equal(pthread_self(), main_thread);
	seen++;
}

static void *wait_for_signal(void *argument)
{
	while (!seen)
		usleep(500);
	return (void *)(intptr_t)was_main;
}

static void threads(void)
{
	pthread_t thread;
	void *result;
	sigset_t mask, old;

	main_thread = pthread_self();
	set(SIGUSR1, where, 0);
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	seen = 0;
	CHECK(pthread_create(&thread, NULL, wait_for_signal, NULL) == 0);
	/* The process's signal goes to the thread that does not block it. */
	pthread_sigmask(SIG_BLOCK, &mask, &old);
	kill(getpid(), SIGUSR1);
	CHECK(pthread_join(thread, &result) == 0 && !result);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	seen = 0;
	CHECK(pthread_create(&thread, NULL, wait_for_signal, NULL) == 0);
	CHECK(pthread_kill(main_thread, SIGUSR1) == 0);
	CHECK(pthread_join(thread, &result) == 0 && result);
	DONE("threads");
}

/* Signals at any moment must not change what guest code computes. */
static void storm(void)
{
	struct itimerval timer = { .it_value.tv_usec = 300, .it_interval.tv_usec = 300 },
			 none = { 0 };
	unsigned long sum = 0;
	double real = 1;

	set(SIGALRM, count, SA_RESTART);
	seen = 0;
	setitimer(ITIMER_REAL, &timer, NULL);
	while (seen < 300) {
		unsigned long s = 0;
		double f = 0;

		for (unsigned long i = 1; i < 2000; i++) {
			s = s * 31 + i;
			f += 1.0 / i;
		}
		CHECK(sum == 0 || (s == sum && f == real));
		sum = s;
		real = f;
		CHECK(getppid() > 0);
	}
	setitimer(ITIMER_REAL, &none, NULL);
	DONE("storm");
}

int main(void)
{
	one_by_one();
	queued();
	flags();
	restarts();
	sleeps();
	suspends();
	alternate_stack();
	descriptors();
	timers();
	children();
	threads();
	storm();
	return 0;
}
