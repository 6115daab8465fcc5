/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm-code.c - translated code beside machines that have booted: ROOT/machines/code-* for each
 * golden-* (vm-golden.c).
 *
 * The first machine that goes on from a golden one, or has just become one, tells which places it
 * has translated: when its command has ended, or has run for some time. A process that runs no
 * guest (strata-machine __keep_code) translates them again from the snapshot; those that come after
 * begin with that. It is nobody's child and has the lowest priority.
 */
#include "isolation/vm.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/log.h"
#include "base/process.h"

#define KEEP	       "__keep_code"
#define LIST_BYTES_MAX (8u << 20)

char *vm_code_path(const char *golden)
{
	const char *name = strrchr(golden, '/');

	name = name ? name + 1 : golden;
	return strf("%.*s" VM_CODE_PREFIX "%s", (int)(name - golden), golden,
		name + strcspn(name, "-") + 1);
}

/* What the machine answers, as it is: who reads it trusts it no more than we do. */
static int fetch_list(int machine_fd, struct error *err)
{
	_cleanup_close_ int fd = memfd_create("strata-places", MFD_CLOEXEC);
	int r = fd < 0 ? error_errno(err, errno, "cannot make a memfd")
		       : vm_monitor_code(machine_fd, fd, LIST_BYTES_MAX, err);

	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = error_errno(err, errno, "cannot read a list");
	return r < 0 ? r : steal_fd(&fd);
}

/* Of a child that is about to end, so that the program is nobody's. */
static void execute(const char *program, const char *golden, const char *code, int list_fd)
	__attribute__((noreturn));

static void execute(const char *program, const char *golden, const char *code, int list_fd)
{
	const char *argv[] = { program, KEEP, golden, code, NULL };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	if (fork() != 0)
		_exit(0);
	setsid();
	setpriority(PRIO_PROCESS, 0, 19);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (null < 0 || dup2(list_fd, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
		_exit(1);
	execve(program, (char *const *)argv, (char *const[]){ NULL });
	_exit(127);
}

static int start_maker(const char *golden, const char *code, int list_fd, struct error *err)
{
	char program[PATH_MAX];
	int r = process_helper_path(VM_MACHINE_PROGRAM, program, sizeof(program), err);
	pid_t pid;

	if (r < 0)
		return r;
	pid = fork();
	if (pid < 0)
		return error_errno(err, errno, "cannot fork");
	if (pid == 0)
		execute(program, golden, code, list_fd);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}

void vm_code_keep(int machine_fd, const char *golden)
{
	_cleanup_free_ char *code = vm_code_path(golden);
	_cleanup_close_ int list_fd = -1;
	struct error err = { 0 };

	if (!code || access(code, F_OK) == 0 || access(golden, F_OK) < 0)
		return;
	list_fd = fetch_list(machine_fd, &err);
	if (list_fd < 0 || start_maker(golden, code, list_fd, &err) < 0)
		log_debug("translated code is not kept: %s", err.message);
}
