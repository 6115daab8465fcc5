/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-jail.c - what a machine's process can still do, tried in processes that have given up the
 * rest.
 */
#include "unit/test.h"

#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "machine/jail.h"

/* Of a process that calls it in the jail: as waitpid(2) has it. */
static int status_of(int (*act)(void), const struct machine_config *config)
{
	const struct rlimit no_core = { 0 };
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		struct error err = { 0 };

		setrlimit(RLIMIT_CORE, &no_core);
		if (machine_jail(config, &err) < 0)
			_exit(99);
		_exit(act());
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void *return_itself(void *argument)
{
	return argument;
}

/* 0: a thread works, as do files, and nothing is left of rights. */
static int work(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	pthread_t thread;
	void *ret = NULL;

	if (pthread_create(&thread, NULL, return_itself, data) != 0 ||
		pthread_join(thread, &ret) != 0 || ret != data)
		return 1;
	if (access("/", F_OK) < 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 2;
	if (syscall(SYS_capget, &header, data) < 0)
		return 3;
	for (int i = 0; i < 2; i++)
		if (data[i].permitted || data[i].effective || data[i].inheritable)
			return 4;
	return 0;
}

static void test_works(void **state)
{
	const struct machine_config config = { 0 };
	int status = status_of(work, &config);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int execute(void)
{
	return execl("/bin/true", "true", NULL);
}

static int start_process(void)
{
	return (int)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0) == 0 ? 0 : 1;
}

static int enter_namespace(void)
{
	return unshare(CLONE_NEWUSER);
}

static int become_root(void)
{
	return (int)syscall(SYS_setresuid, 0, 0, 0);
}

static int look_into_another(void)
{
	return (int)syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0);
}

static int use_foreign_number(void)
{
	return (int)syscall(0x40000000 | SYS_getpid);
}

static void test_kills(void **state)
{
	static int (*const acts[])(void) = { execute, start_process, enter_namespace, become_root,
		look_into_another, use_foreign_number };
	const struct machine_config config = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(acts); i++) {
		int status = status_of(acts[i], &config);

		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGSYS);
	}
}

static int has_one_right(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		return 1;
	return data[0].effective == 1u << CAP_DAC_OVERRIDE && !data[1].effective ? 0 : 2;
}

static void test_keeps(void **state)
{
	const struct machine_config config = { .snapshot = "/tmp/saved" };
	int status;

	if (geteuid() != 0) {
		print_message("skipped: only root has capabilities to keep\n");
		skip();
	}
	status = status_of(has_one_right, &config);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_works),
		cmocka_unit_test(test_kills),
		cmocka_unit_test(test_keeps),
	};

	return cmocka_run_group_tests_name("machine/jail", tests, NULL, NULL);
}
