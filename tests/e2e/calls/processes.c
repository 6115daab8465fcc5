/* SPDX-License-Identifier: Apache-2.0 */
/*
 * processes.c - waiting for children, groups and sessions, names, priorities, processors.
 */
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

#include "show.h"

static pid_t child(void (*what)(void))
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		what();
		fflush(stdout);
		_exit(42);
	}
	return pid;
}

static void exits(void)
{
}

static void waits(void)
{
	pause();
}

static void traps(void)
{
	const struct rlimit none = { 0 };

	setrlimit(RLIMIT_CORE, &none);
	abort();
}

static void show_info(const siginfo_t *info, pid_t pid)
{
	printf("signal %d code %d status %d child %d\n", info->si_signo, info->si_code,
		info->si_status, info->si_pid == pid);
}

static void waiting(void)
{
	siginfo_t info = { 0 };
	struct rusage usage;
	int status;
	pid_t pid = child(exits);

	SHOW(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
	show_info(&info, pid);
	VALUE(wait4(pid, &status, 0, &usage) == pid);
	VALUE(WEXITSTATUS(status));
	VALUE(usage.ru_maxrss > 100);
	pid = child(waits);
	SHOW(waitid(P_ALL, 0, &info, WEXITED | WNOHANG));
	VALUE(waitpid(pid, &status, WNOHANG));
	kill(pid, SIGSTOP);
	SHOW(waitid(P_PID, (id_t)pid, &info, WSTOPPED));
	show_info(&info, pid);
	kill(pid, SIGCONT);
	SHOW(waitid(P_PID, (id_t)pid, &info, WCONTINUED));
	show_info(&info, pid);
	kill(pid, SIGKILL);
	SHOW(waitid(P_PGID, (id_t)getpgrp(), &info, WEXITED));
	show_info(&info, pid);
	pid = child(traps);
	VALUE(waitpid(-1, &status, 0) == pid);
	VALUE(WTERMSIG(status));
	SHOW(wait(&status));
	SHOW(waitid(99, 0, &info, WEXITED));
	SHOW(waitid(P_ALL, 0, &info, 0));
	signal(SIGCHLD, SIG_IGN);
	pid = child(exits);
	SHOW(wait(&status));
	signal(SIGCHLD, SIG_DFL);
	VALUE(clock() != (clock_t)-1);
	VALUE(times(NULL) != (clock_t)-1);
}

static void in_session(void)
{
	SHOW(setsid() == getpid());
	SHOW(setsid());
	VALUE(getsid(0) == getpid() && getpgid(0) == getpid());
	SHOW(setpgid(0, 0));
}

static void groups(void)
{
	int status;
	pid_t pid = child(waits);

	SHOW(setpgid(pid, pid));
	VALUE(getpgid(pid) == pid);
	SHOW(setpgid(pid, 1));
	SHOW(kill(-pid, SIGTERM));
	waitpid(pid, &status, 0);
	VALUE(WTERMSIG(status));
	child(in_session);
	wait(&status);
	SHOW(getpgid(999999));
}

static void names(void)
{
	char name[16] = { 0 };
	struct utsname u;

	SHOW(prctl(PR_SET_NAME, "a name that is too long"));
	SHOW(prctl(PR_GET_NAME, name));
	puts(name);
	SHOW(prctl(PR_SET_NAME, 16));
	SHOW(prctl(PR_GET_DUMPABLE));
	SHOW(prctl(PR_SET_DUMPABLE, 0));
	SHOW(prctl(PR_GET_DUMPABLE));
	SHOW(prctl(PR_SET_PDEATHSIG, SIGUSR1));
	SHOW(prctl(PR_GET_PDEATHSIG, name));
	VALUE(name[0]);
	SHOW(prctl(PR_SET_CHILD_SUBREAPER, 1));
	SHOW(prctl(PR_SET_KEEPCAPS, 1));
	SHOW(prctl(PR_GET_KEEPCAPS));
	SHOW(prctl(PR_GET_TIMERSLACK) > 0);
	SHOW(prctl(PR_CAPBSET_READ, 0) >= 0 ? 0 : -1);
	SHOW(prctl(PR_CAPBSET_READ, 999));
	SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	SHOW(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	SHOW(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
	SHOW(prctl(PR_GET_FPEMU, name));
	SHOW(prctl(123456, 0, 0, 0, 0));
	SHOW(uname(&u));
	puts(u.sysname);
	puts(u.release);
	puts(u.version);
	SHOW(uname((void *)16));
}

static void processors(void)
{
	cpu_set_t set, one;
	struct sched_param parameter = { 0 };
	unsigned cpu = 9999, node;

	DO(sched_getaffinity(0, sizeof(set), &set));
	VALUE(CPU_COUNT(&set));
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	SHOW(sched_setaffinity(0, sizeof(one), &one));
	SHOW(syscall(SYS_getcpu, &cpu, &node, NULL));
	VALUE(cpu);
	CPU_ZERO(&one);
	SHOW(sched_setaffinity(0, sizeof(one), &one));
	SHOW(sched_setaffinity(0, sizeof(set), &set));
	SHOW(sched_getscheduler(0));
	SHOW(sched_setscheduler(0, SCHED_BATCH, &parameter));
	SHOW(sched_getscheduler(0));
	SHOW(sched_setscheduler(0, 99, &parameter));
	SHOW(sched_get_priority_max(SCHED_FIFO));
	SHOW(sched_yield());
	SHOW(getpriority(PRIO_PROCESS, 0) >= -20 ? 0 : -1);
	SHOW(setpriority(PRIO_PROCESS, 0, 19));
	SHOW(getpriority(PRIO_PROCESS, 0));
	SHOW(setpriority(77, 0, 0));
	SHOW(getgroups(0, NULL) >= 0 ? 0 : -1);
	SHOW(getgroups(-1, NULL));
}

static void identities(void)
{
	gid_t groups[3] = { 5, 6, 7 }, got[3] = { 0 };
	uid_t r, e, s;

	if (getuid() != 0)
		return;
	SHOW(setgroups(3, groups));
	SHOW(getgroups(3, got));
	VALUE(got[0] * 100 + got[1] * 10 + got[2]);
	SHOW(getgroups(1, got));
	SHOW(setresgid(10, 11, 12));
	SHOW(setresuid(1, 2, 3));
	SHOW(getresuid(&r, &e, &s));
	VALUE(r * 100 + e * 10 + s);
	SHOW(setuid(0));
	SHOW(setresuid(-1, 3, -1));
	VALUE(geteuid());
	SHOW(setgroups(0, NULL));
	SHOW(setfsuid(1));
	SHOW(setfsuid(-1));
	SHOW(kill(1, 0));
}

int main(void)
{
	waiting();
	groups();
	processors();
	names();
	identities();
	return 0;
}
