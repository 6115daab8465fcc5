/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-jail.c - what a machine's process can still do, tried in processes that have given up the
 * rest.
 */
#include "unit/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "machine/jail.h"

#define INHERITED_FD 200

/* Of a process that calls it in the jail: as waitpid(2) has it. */
static int status_of(int (*act)(void), const struct machine_config *config)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		struct error err = { 0 };

		dup2(STDIN_FILENO, INHERITED_FD);
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

static bool has_rights(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		return true;
	for (int i = 0; i < 2; i++)
		if (data[i].permitted || data[i].effective || data[i].inheritable)
			return true;
	return false;
}

/* 0: a thread works, and nothing is left of rights. */
static int work(void)
{
	struct rlimit core;
	pthread_t thread;
	void *ret = NULL;

	if (pthread_create(&thread, NULL, return_itself, &core) != 0 ||
		pthread_join(thread, &ret) != 0 || ret != &core)
		return 1;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || has_rights())
		return 2;
	if (getrlimit(RLIMIT_CORE, &core) < 0 || core.rlim_max != 0)
		return 3;
	return fcntl(INHERITED_FD, F_GETFD) < 0 && fcntl(STDERR_FILENO, F_GETFD) >= 0 ? 0 : 4;
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

/* 0: a room with nothing in it, that nothing can be brought into, and another user in it. */
static int look_around(void)
{
	DIR *dir = opendir("/");
	unsigned nr_names = 0;

	if (!dir)
		return 1;
	for (struct dirent *entry; (entry = readdir(dir));)
		nr_names += entry->d_name[0] != '.';
	if (nr_names > 0 || access("/etc/passwd", F_OK) == 0 || access("..", W_OK) == 0)
		return 2;
	if (open("/file", O_WRONLY | O_CREAT, 0600) >= 0)
		return 3;
	return getuid() && getuid() == geteuid() && getgroups(0, NULL) == 0 ? 0 : 4;
}

static void test_empty_root(void **state)
{
	const struct machine_config config = { 0 };
	int status;

	if (geteuid() != 0) {
		print_message("skipped: only root has a mount namespace and a user to give away\n");
		skip();
	}
	status = status_of(look_around, &config);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_works),
		cmocka_unit_test(test_kills),
		cmocka_unit_test(test_empty_root),
	};

	return cmocka_run_group_tests_name("machine/jail", tests, NULL, NULL);
}
