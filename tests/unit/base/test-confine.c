/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-confine.c - a thread makes the calls of its lists, with those arguments; another call ends
 * the process, which says so.
 */
#include "unit/test.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/confine.h"

/* Calls that no build has need of. */
static const struct confine_call some_calls[] = {
	ALLOW(SYS_getppid),
	ALLOW_EQUAL(SYS_umask, 0, 022),
	ALLOW_WITHOUT(SYS_inotify_init1, 0, IN_NONBLOCK),
};
static const struct confine_call other_calls[] = { ALLOW_SELF(SYS_getsid, 0) };
static const struct confine_list some = CONFINE_LIST(some_calls), other = CONFINE_LIST(other_calls);

static int confine(void)
{
	const struct confine_list *const lists[] = { &some, NULL, &other };
	struct error err = { 0 };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || confine_report() < 0)
		return -1;
	return confine_thread("tester", lists, ARRAY_SIZE(lists), &err);
}

/* How a process ends that makes a call behind its lists, and what it says. */
static int status_of(long call, long argument, char *said, size_t size)
{
	int pipe_fds[2], status = -1;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(pipe_fds), 0);
	pid = fork();
	if (pid == 0) {
		dup2(pipe_fds[1], STDERR_FILENO);
		if (confine() < 0)
			_exit(99);
		syscall(call, argument);
		_exit(0);
	}
	close(pipe_fds[1]);
	n = read(pipe_fds[0], said, size - 1);
	said[n > 0 ? n : 0] = '\0';
	close(pipe_fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void assert_let_through(long call, long argument)
{
	char said[256];

	assert_int_equal(status_of(call, argument, said, sizeof(said)), 0);
	assert_string_equal(said, "");
}

static void assert_ends(long call, long argument, const char *name)
{
	char said[256], wanted[256];
	int status = status_of(call, argument, said, sizeof(said));

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
	snprintf(wanted, sizeof(wanted),
		"strata: the thread \"tester\" has made the system call %s, which it has no need of: "
		"its process is ended\n",
		name);
	assert_string_equal(said, wanted);
}

static void calls_of_all_lists_are_made(void **state)
{
	assert_let_through(SYS_getppid, 0);
	assert_let_through(SYS_sched_yield, 0); /* of the list that is part of all */
}

static void another_call_is_told(void **state)
{
	assert_ends(SYS_mount, 0, "mount");
	assert_ends(SYS_execve, 0, "execve");
	assert_ends(1 << 20, 0, "1048576");
}

static void arguments_are_looked_at(void **state)
{
	assert_let_through(SYS_umask, 022);
	assert_ends(SYS_umask, 0, "umask");
	assert_let_through(SYS_inotify_init1, 0);
	assert_ends(SYS_inotify_init1, IN_NONBLOCK, "inotify_init1");
	assert_ends(SYS_getsid, 0, "getsid");
}

static void *run_confined(void *argument)
{
	return confine() == 0 ? argument : NULL;
}

/* 0: the thread that was not confined makes all calls. */
static int use_two_threads(void)
{
	pthread_t thread;
	void *ret = NULL;
	int mark;

	if (pthread_create(&thread, NULL, run_confined, &mark) != 0 ||
		pthread_join(thread, &ret) != 0 || ret != &mark)
		return 1;
	umask(0);
	return getsid(0) >= 0 ? 0 : 2;
}

static void other_threads_have_their_own(void **state)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(use_two_threads());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_of_all_lists_are_made),
		cmocka_unit_test(another_call_is_told),
		cmocka_unit_test(arguments_are_looked_at),
		cmocka_unit_test(other_threads_have_their_own),
	};

	return cmocka_run_group_tests_name("base/confine", tests, NULL, NULL);
}
