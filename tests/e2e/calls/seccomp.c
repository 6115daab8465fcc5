/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp.c - filters of system calls, which must judge by this CPU's numbers and architecture.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "show.h"

#ifdef __riscv
#define ARCH AUDIT_ARCH_RISCV64
#else
#define ARCH AUDIT_ARCH_X86_64
#endif

#define TESTED SYS_getpgid
#define LOAD(field)                                                                                \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, field))

/* `answer` to one call, if its second argument is `argument`; everything else is allowed. */
static int install_for(unsigned flags, long call, unsigned long argument, unsigned answer)
{
	struct sock_filter code[] = {
		LOAD(arch),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		LOAD(nr),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 5),
		LOAD(args[1]),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)argument, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1]) + 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)(argument >> 32), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, answer),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog f = { ARRAY_SIZE(code), code };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return (int)syscall(SYS_seccomp, (long)SECCOMP_SET_MODE_FILTER, (long)flags, &f);
}

static int install(unsigned answer)
{
	return install_for(0, TESTED, 0, answer);
}

static long tested(unsigned long argument)
{
	return syscall(TESTED, 0L, argument) < 0 ? -1 : 0;
}

static void in_child(const char *name, void (*what)(void))
{
	int status;

	printf("--- %s\n", name);
	fflush(stdout);
	if (fork() == 0) {
		const struct rlimit none = { 0 };

		setrlimit(RLIMIT_CORE, &none);
		what();
		fflush(stdout);
		_exit(0);
	}
	wait(&status);
	printf("status %x\n", status & ~0x80);
}

static void on_trap(int signal, siginfo_t *info, void *context)
{
	printf("signal %d code %d errno %d call %d arch %d at %d\n", signal, info->si_code,
		info->si_errno, info->si_syscall == TESTED, info->si_arch == ARCH,
		info->si_call_addr != NULL);
	fflush(stdout);
}

static void errors(void)
{
	struct sock_filter bad[] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 3),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	struct sock_fprog f = { 2, bad }, empty = { 0, bad }, gone = { 2, (void *)16 };
	const unsigned actions[] = { SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD,
		SECCOMP_RET_TRAP, SECCOMP_RET_ERRNO, SECCOMP_RET_TRACE, SECCOMP_RET_LOG,
		SECCOMP_RET_ALLOW, 12345 };

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		SHOW(syscall(SYS_seccomp, (long)SECCOMP_GET_ACTION_AVAIL, 0L, &actions[i]));
	SHOW(syscall(SYS_seccomp, (long)SECCOMP_GET_ACTION_AVAIL, 1L, &actions[0]));
	SHOW(syscall(SYS_seccomp, 99L, 0L, 0L));
	SHOW(syscall(SYS_seccomp, (long)SECCOMP_SET_MODE_STRICT, 1L, 0L));
	SHOW(syscall(SYS_seccomp, (long)SECCOMP_SET_MODE_FILTER, 1L << 20, &f));
	SHOW(syscall(SYS_seccomp, (long)SECCOMP_SET_MODE_FILTER, 0L, 16L));
	SHOW(syscall(SYS_seccomp, (long)SECCOMP_SET_MODE_FILTER, 0L, &f));
	SHOW(syscall(SYS_seccomp, (long)SECCOMP_SET_MODE_FILTER, 0L, &empty));
	SHOW(syscall(SYS_seccomp, (long)SECCOMP_SET_MODE_FILTER, 0L, &gone));
	SHOW(prctl(PR_SET_SECCOMP, 7, &f));
	SHOW(prctl(PR_GET_SECCOMP));
	if (getuid() == 0)
		SHOW(setresuid(65534, 65534, 65534));
	SHOW(syscall(SYS_seccomp, (long)SECCOMP_SET_MODE_FILTER, 0L, &f));
}

static void answers(void)
{
	SHOW(install_for(0, TESTED, 7, SECCOMP_RET_ERRNO | EDOM));
	SHOW(prctl(PR_GET_SECCOMP));
	SHOW(tested(0));
	SHOW(tested(7));
	SHOW(tested(7 | 1ul << 40));
	SHOW(install_for(0, TESTED, 7ul << 40 | 8, SECCOMP_RET_ERRNO | ENOANO));
	SHOW(tested(8));
	SHOW(tested(7ul << 40 | 8));
	SHOW(install_for(0, TESTED, 7, SECCOMP_RET_ERRNO | EL2HLT));
	SHOW(tested(7));
	SHOW(install_for(0, TESTED, 7, SECCOMP_RET_LOG));
	SHOW(tested(7));
	SHOW(install_for(0, TESTED, 9, SECCOMP_RET_TRACE));
	SHOW(tested(9));
	SHOW(install_for(0, TESTED, 10, SECCOMP_RET_USER_NOTIF));
	SHOW(tested(10));
	SHOW(install_for(0, TESTED, 11, SECCOMP_RET_ERRNO | 0xffff));
	errno = 0;
	tested(11);
	VALUE(errno);
	SHOW(install_for(0, 5000, 0, SECCOMP_RET_ERRNO | EXFULL));
	SHOW(syscall(5000L, 0L, 0L));
	SHOW(syscall(5000L, 0L, 1L));
}

static void trap(void)
{
	struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };

	sigaction(SIGSYS, &action, NULL);
	SHOW(install(SECCOMP_RET_TRAP | 4711));
	tested(0);
	tested(0);
	signal(SIGSYS, SIG_IGN);
	tested(0);
	puts("not reached");
}

static void trap_blocked(void)
{
	struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };
	sigset_t set;

	sigaction(SIGSYS, &action, NULL);
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	SHOW(install(SECCOMP_RET_TRAP));
	tested(0);
}

static void kill_process(void)
{
	signal(SIGSYS, SIG_IGN);
	SHOW(install(SECCOMP_RET_KILL_PROCESS));
	tested(0);
}

static void kill_thread_alone(void)
{
	SHOW(install(SECCOMP_RET_KILL_THREAD));
	tested(0);
}

static void *call_tested(void *argument)
{
	SHOW(install(SECCOMP_RET_KILL_THREAD));
	tested(0);
	puts("not reached");
	return NULL;
}

static void kill_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, call_tested, NULL);
	pthread_join(thread, NULL);
	SHOW(tested(0));
}

static void strict(void)
{
	SHOW(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
	SHOW(write(1, "still there\n", 12));
	tested(0);
}

static void strict_end(void)
{
	fflush(stdout);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
	syscall(SYS_exit, 5L);
}

static void forked(void)
{
	SHOW(tested(0));
	SHOW(install(SECCOMP_RET_ERRNO | EREMOTE));
	SHOW(tested(0));
}

static void inherited(void)
{
	pid_t pid;

	SHOW(install_for(0, TESTED, 3, SECCOMP_RET_ERRNO | EUCLEAN));
	in_child("forked", forked);
	SHOW(tested(0));
	pid = vfork();
	if (pid == 0) {
		install(SECCOMP_RET_ERRNO | EREMOTE);
		_exit(tested(0) < 0 ? 0 : 1);
	}
	SHOW(tested(0));
	SHOW(install_for(0, TESTED, 4, SECCOMP_RET_ERRNO | ENOTNAM));
	fflush(stdout);
	execl("/proc/self/exe", "seccomp", "executed", NULL);
}

static pthread_barrier_t barrier;

static void *follow(void *argument)
{
	if (argument)
		install_for(0, TESTED, 77, SECCOMP_RET_ERRNO | ENAVAIL);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	SHOW(tested(0));
	return NULL;
}

static void synchronize(void)
{
	pthread_t thread;

	SHOW(install_for(0, TESTED, 55, SECCOMP_RET_ERRNO | ENAVAIL));
	pthread_barrier_init(&barrier, NULL, 2);
	pthread_create(&thread, NULL, follow, NULL);
	pthread_barrier_wait(&barrier);
	SHOW(install_for(SECCOMP_FILTER_FLAG_TSYNC, TESTED, 0, SECCOMP_RET_ERRNO | ECOMM));
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
	pthread_create(&thread, NULL, follow, &barrier);
	pthread_barrier_wait(&barrier);
	VALUE(install_for(SECCOMP_FILTER_FLAG_TSYNC, TESTED, 1, SECCOMP_RET_ERRNO | ECOMM) > 0);
	SHOW(install_for(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH, TESTED, 1,
		SECCOMP_RET_ERRNO | ECOMM));
	SHOW(tested(1));
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
}

/* A number that /proc/self/status has; -1: none. */
static long status_of(const char *name)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[256];
	long value = -1;

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':')
			value = atol(line + strlen(name) + 1);
	fclose(file);
	return value;
}

static void status(void)
{
	long before = status_of("Seccomp_filters");

	SHOW(install(SECCOMP_RET_ERRNO | ECOMM));
	SHOW(install(SECCOMP_RET_ERRNO | ECOMM));
	VALUE(status_of("Seccomp_filters") - before);
	VALUE(status_of("Seccomp"));
	VALUE(status_of("Threads"));
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		SHOW(prctl(PR_GET_SECCOMP));
		SHOW(tested(0));
		SHOW(tested(3));
		SHOW(tested(4));
		return 0;
	}
	in_child("errors", errors);
	in_child("answers", answers);
	in_child("trap", trap);
	in_child("trap, blocked", trap_blocked);
	in_child("kill process", kill_process);
	in_child("kill thread, alone", kill_thread_alone);
	in_child("kill thread", kill_thread);
	in_child("strict", strict);
	in_child("strict, exit", strict_end);
	in_child("inherited", inherited);
	in_child("synchronize", synchronize);
	in_child("status", status);
	return 0;
}
