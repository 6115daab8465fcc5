/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ptrace.c - one process traces another: what stops it, what is told of that, and what it makes of
 * what the tracer wants.
 */
#include <elf.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/ptrace.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "show.h"

#define SPINS_MAX 10000000000
#define PTRACE(request, pid, address, data)                                                        \
	syscall(SYS_ptrace, (long)(request), (long)(pid), (long)(address), (long)(data))

static volatile long counter;
static volatile int go_on, handled;

static pid_t child_of(void (*what)(void))
{
	const struct rlimit none = { 0 };
	pid_t pid;

	fflush(stdout);
	counter = go_on = 0;
	pid = fork();
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &none);
		what();
		_exit(42);
	}
	return pid;
}

/* --- what is seen of a stop ------------------------------------------------------------------ */

static void show_status(int status)
{
	if (WIFEXITED(status))
		printf("  exited with %d\n", WEXITSTATUS(status));
	else if (WIFSIGNALED(status))
		printf("  killed by %s\n", sigabbrev_np(WTERMSIG(status)));
	else if (WIFSTOPPED(status))
		printf("  stopped by %d, event %d\n", WSTOPSIG(status), status >> 16);
}

static int await(pid_t pid)
{
	int status = 0;
	pid_t r = waitpid(pid, &status, __WALL);

	if (r != pid)
		printf("  waitpid: %s\n", r < 0 ? strerrorname_np(errno) : "another one");
	show_status(status);
	fflush(stdout);
	return status;
}

static void show_info(pid_t pid)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	if (PTRACE(PTRACE_GETSIGINFO, pid, 0, &info) < 0)
		printf("  no info: %s\n", strerrorname_np(errno));
	else
		printf("  info: signal %d code %d by itself %d\n", info.si_signo, info.si_code,
			info.si_code <= SI_USER || info.si_code > 100 ? info.si_pid == pid : -1);
}

static const char *name_of(long nr)
{
	static const struct {
		long nr;
		const char *name;
	} names[] = { { SYS_getppid, "getppid" }, { SYS_close, "close" },
		{ SYS_exit_group, "exit" }, { SYS_execve, "execve" }, { SYS_tgkill, "tgkill" },
		{ SYS_gettid, "gettid" }, { SYS_getpid, "getpid" },
		{ SYS_rt_sigprocmask, "rt_sigprocmask" }, { SYS_rt_sigreturn, "rt_sigreturn" },
		{ SYS_kill, "kill" } };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].nr == nr)
			return names[i].name;
	return "another call";
}

static void show_call(pid_t pid)
{
	struct ptrace_syscall_info info;
	unsigned long message = 0;
	long r;

	memset(&info, 0, sizeof(info));
	r = PTRACE(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info);
	PTRACE(PTRACE_GETEVENTMSG, pid, 0, &message);
	printf("  call: op %d size %d message %lu", info.op, r > 0, message);
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
		printf(" %s %d", name_of((long)info.entry.nr),
			info.entry.nr == SYS_close ? (int)info.entry.args[0] : 0);
	if (info.op == PTRACE_SYSCALL_INFO_EXIT && info.exit.is_error)
		printf(" error %d", (int)info.exit.rval);
	printf("\n");
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	await(pid);
}

/* --- signals --------------------------------------------------------------------------------- */

static void handle(int signal)
{
	handled += signal;
}

static void raises(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	signal(SIGUSR1, handle);
	signal(SIGUSR2, handle);
	sigaction(SIGWINCH, &ignore, NULL);
	sigaction(SIGHUP, &ignore, NULL);
	PTRACE(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	raise(SIGUSR1); /* passed */
	raise(SIGUSR1); /* dropped */
	raise(SIGUSR1); /* becomes USR2 */
	raise(SIGHUP); /* ignored */
	raise(SIGCHLD); /* does nothing */
	_exit(handled);
}

static void signals(void)
{
	static const int wanted[] = { 0, SIGUSR1, 0, SIGUSR2, SIGHUP, SIGCHLD };
	pid_t pid = child_of(raises);

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		await(pid);
		show_info(pid);
		SHOW(PTRACE(PTRACE_CONT, pid, 0, wanted[i]));
	}
	await(pid);
}

static void faults(void)
{
	PTRACE(PTRACE_TRACEME, 0, 0, 0);
	*(volatile int *)16 = 1;
}

static void a_fault(void)
{
	pid_t pid = child_of(faults);
	siginfo_t info;

	await(pid);
	SHOW(PTRACE(PTRACE_GETSIGINFO, pid, 0, &info));
	printf("  %d %d at %p\n", info.si_signo, info.si_code, info.si_addr);
	SHOW(PTRACE(PTRACE_CONT, pid, 0, SIGSEGV));
	await(pid);
}

static void is_told(void)
{
	siginfo_t info;
	sigset_t set;

	PTRACE(PTRACE_TRACEME, 0, 0, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	sigwaitinfo(&set, &info);
	_exit(info.si_value.sival_int);
}

static void signal_data(void)
{
	pid_t pid = child_of(is_told);
	uint64_t mask;
	siginfo_t info;

	await(pid);
	SHOW(PTRACE(PTRACE_GETSIGMASK, pid, sizeof(mask), &mask));
	printf("  mask %lx\n", (unsigned long)mask);
	SHOW(PTRACE(PTRACE_GETSIGMASK, pid, 3, &mask));
	SHOW(PTRACE(PTRACE_GETSIGINFO, pid, 0, &info));
	info.si_signo = SIGUSR2;
	info.si_code = SI_QUEUE;
	info.si_value.sival_int = 77;
	SHOW(PTRACE(PTRACE_SETSIGINFO, pid, 0, &info));
	SHOW(PTRACE(PTRACE_CONT, pid, 0, SIGUSR2)); /* blocked: it waits */
	await(pid);
}

static void stops_itself(void)
{
	PTRACE(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGTSTP);
	_exit(3);
}

static void group_stops(void)
{
	pid_t pid = child_of(stops_itself);

	setpgid(pid, pid);
	await(pid);
	show_info(pid);
	SHOW(PTRACE(PTRACE_CONT, pid, 0, SIGTSTP));
	await(pid);
	show_info(pid);
	SHOW(kill(pid, SIGCONT));
	SHOW(PTRACE(PTRACE_CONT, pid, 0, 0));
	await(pid);
	SHOW(PTRACE(PTRACE_CONT, pid, 0, SIGCONT));
	await(pid);
}

/* --- system calls ---------------------------------------------------------------------------- */

static void calls(void)
{
	PTRACE(PTRACE_TRACEME, 0, 0, 0);
	syscall(SYS_tgkill, getpid(), getpid(), SIGSTOP);
	syscall(SYS_getppid);
	syscall(SYS_close, -1);
	syscall(SYS_exit_group, 9);
}

static void call_stops(unsigned long options)
{
	pid_t pid = child_of(calls);
	int status = await(pid);

	SHOW(PTRACE(PTRACE_SETOPTIONS, pid, 0, options));
	while (WIFSTOPPED(status)) {
		PTRACE(PTRACE_SYSCALL, pid, 0, 0);
		status = await(pid);
		if (!WIFSTOPPED(status))
			break;
		show_info(pid);
		show_call(pid);
	}
}

/* --- events ---------------------------------------------------------------------------------- */

static int leave(void *argument)
{
	_exit((int)(intptr_t)argument);
}

static void clones(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	pid_t pid;

	PTRACE(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	pid = fork();
	if (pid == 0)
		_exit(1);
	waitpid(pid, NULL, 0);
	pid = vfork();
	if (pid == 0)
		_exit(2);
	waitpid(pid, NULL, 0);
	pid = clone(leave, stack + sizeof(stack), CLONE_VM, (void *)3);
	waitpid(pid, NULL, __WCLONE);
	_exit(4);
}

static void follow(pid_t pid, pid_t child)
{
	show_info(child);
	SHOW(PTRACE(PTRACE_CONT, child, 0, 0));
	await(child);
}

static void events_of_clone(void)
{
	pid_t pid = child_of(clones);
	int status = await(pid);
	unsigned long child;

	SHOW(PTRACE(PTRACE_SETOPTIONS, pid, 0,
		PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
			PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACEEXIT));
	PTRACE(PTRACE_CONT, pid, 0, 0);
	for (;;) {
		status = await(pid);
		if (!WIFSTOPPED(status))
			break;
		show_info(pid);
		child = 0;
		SHOW(PTRACE(PTRACE_GETEVENTMSG, pid, 0, &child));
		switch (status >> 16) {
		case PTRACE_EVENT_FORK:
		case PTRACE_EVENT_VFORK:
		case PTRACE_EVENT_CLONE:
			await((pid_t)child);
			PTRACE(PTRACE_CONT, pid, 0, 0);
			follow(pid, (pid_t)child); /* to its own exit event */
			PTRACE(PTRACE_CONT, child, 0, 0);
			await((pid_t)child);
			continue;
		case PTRACE_EVENT_EXIT:
			printf("  leaves with %lx\n", child);
		}
		PTRACE(PTRACE_CONT, pid, 0, status >> 16 ? 0 : WSTOPSIG(status));
	}
}

static void executes(void)
{
	PTRACE(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	execl("/proc/self/exe", "ptrace", "again", NULL);
}

static void exec_stops(unsigned long options, long request)
{
	pid_t pid = child_of(executes);
	unsigned long old = 0;
	int status = await(pid);

	SHOW(PTRACE(PTRACE_SETOPTIONS, pid, 0, options));
	for (int i = 0; i < 5 && WIFSTOPPED(status); i++) {
		PTRACE(request, pid, 0, 0);
		status = await(pid);
		show_info(pid);
		if (status >> 16 == PTRACE_EVENT_EXEC && !PTRACE(PTRACE_GETEVENTMSG, pid, 0, &old))
			printf("  was the same: %d\n", (pid_t)old == pid);
		if (request == PTRACE_SYSCALL && !(status >> 16))
			show_call(pid);
	}
	if (WIFSTOPPED(status))
		end(pid);
}

static void filters(void)
{
	static struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | 55),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { ARRAY_SIZE(code), code };

	PTRACE(PTRACE_TRACEME, 0, 0, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
	if (syscall(SYS_getppid) != -1 || errno != ENOSYS)
		_exit(1);
	raise(SIGSTOP);
	_exit(syscall(SYS_getppid) > 0 ? 17 : 18);
}

static void events_of_seccomp(void)
{
	struct ptrace_syscall_info info;
	unsigned long message = 0;
	pid_t pid = child_of(filters);

	await(pid);
	SHOW(PTRACE(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESECCOMP));
	PTRACE(PTRACE_CONT, pid, 0, 0);
	await(pid);
	show_info(pid);
	SHOW(PTRACE(PTRACE_GETEVENTMSG, pid, 0, &message));
	VALUE(message);
	memset(&info, 0, sizeof(info));
	DO(PTRACE(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info));
	printf("  op %d %s %u\n", info.op, name_of((long)info.seccomp.nr), info.seccomp.ret_data);
	PTRACE(PTRACE_CONT, pid, 0, 0);
	await(pid);
}

/* --- attaching ------------------------------------------------------------------------------- */

static void sleeps(void)
{
	const struct timespec time = { .tv_sec = 2 };

	counter = 5;
	_exit(nanosleep(&time, NULL) == 0 ? 6 : 7);
}

static void spins(void)
{
	while (!go_on && counter < SPINS_MAX)
		counter++;
	_exit(go_on);
}

static void wait_until_started(pid_t pid)
{
	char path[64], text[256] = "";
	int fd, n;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	do {
		usleep(20000);
		fd = open(path, O_RDONLY);
		n = (int)read(fd, text, sizeof(text) - 1);
		close(fd);
	} while (n <= 0);
}

static void poke_int(pid_t pid, volatile int *where, int value)
{
	union {
		long word;
		int halves[2];
	} both;
	uintptr_t at = (uintptr_t)where & ~7ul;

	PTRACE(PTRACE_PEEKDATA, pid, at, &both.word);
	both.halves[((uintptr_t)where & 4) != 0] = value;
	SHOW(PTRACE(PTRACE_POKEDATA, pid, at, both.word));
}

static void show_sets(pid_t pid)
{
	unsigned long registers[64], vectors[2];
	struct iovec vector = { registers, sizeof(registers) };

	SHOW(PTRACE(PTRACE_GETREGSET, pid, NT_PRSTATUS, &vector));
	SHOW(PTRACE(PTRACE_SETREGSET, pid, NT_PRSTATUS, &vector));
	vector = (struct iovec){ vectors, sizeof(vectors) };
	SHOW(PTRACE(PTRACE_GETREGSET, pid, 0x12345, &vector));
	vector.iov_len = 7;
	SHOW(PTRACE(PTRACE_GETREGSET, pid, NT_PRSTATUS, &vector));
}

static void attach(void (*what)(void))
{
	pid_t pid = child_of(what);
	long word;

	wait_until_started(pid);
	SHOW(PTRACE(PTRACE_ATTACH, pid, 0, 0));
	await(pid);
	show_info(pid);
	SHOW(PTRACE(PTRACE_PEEKDATA, pid, &counter, &word));
	VALUE(word > 0);
	if (what != sleeps) /* whose registers cannot be set without an end of the call */
		show_sets(pid);
	poke_int(pid, &go_on, 6);
	SHOW(PTRACE(PTRACE_DETACH, pid, 0, 0));
	await(pid);
}

static void detach_with_a_signal(void)
{
	pid_t pid = child_of(spins);

	wait_until_started(pid);
	PTRACE(PTRACE_ATTACH, pid, 0, 0);
	await(pid);
	SHOW(PTRACE(PTRACE_DETACH, pid, 0, SIGTERM));
	await(pid);
}

static void seize(void (*what)(void))
{
	pid_t pid = child_of(what);
	long word;

	wait_until_started(pid);
	SHOW(PTRACE(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD));
	SHOW(waitpid(pid, NULL, WNOHANG));
	SHOW(PTRACE(PTRACE_PEEKDATA, pid, &counter, &word));
	SHOW(PTRACE(PTRACE_INTERRUPT, pid, 0, 0));
	await(pid);
	show_info(pid);
	SHOW(PTRACE(PTRACE_PEEKDATA, pid, &counter, &word));
	SHOW(PTRACE(PTRACE_CONT, pid, 0, 0));
	kill(pid, SIGSTOP);
	await(pid);
	show_info(pid);
	SHOW(PTRACE(PTRACE_CONT, pid, 0, SIGSTOP));
	await(pid);
	SHOW(PTRACE(PTRACE_LISTEN, pid, 0, 0));
	kill(pid, SIGCONT);
	await(pid);
	SHOW(PTRACE(PTRACE_CONT, pid, 0, 0));
	await(pid);
	show_info(pid);
	poke_int(pid, &go_on, 6);
	SHOW(PTRACE(PTRACE_CONT, pid, 0, SIGCONT));
	await(pid);
}

/* --- code ------------------------------------------------------------------------------------ */

static int __attribute__((noinline, noclone, aligned(64))) one(void)
{
	__asm__ volatile("");
	return 1;
}

static int __attribute__((noinline, noclone, aligned(64))) two(void)
{
	__asm__ volatile("");
	return 2;
}

static int __attribute__((noinline, noclone, aligned(64))) three(void)
{
	__asm__ volatile("");
	return 3;
}

static void runs_code(void)
{
	int (*volatile function)(void) = one;

	PTRACE(PTRACE_TRACEME, 0, 0, 0);
	for (int i = 0; i < 3; i++) {
		int sum = 0;

		for (int j = 0; j < 5000; j++)
			sum += function();
		counter = sum / 5000;
		raise(SIGSTOP);
	}
}

static void code_is_changed(void)
{
	pid_t pid = child_of(runs_code);
	char path[64];
	long word;
	int fd;

	await(pid);
	PTRACE(PTRACE_PEEKDATA, pid, &counter, &word);
	VALUE(word);
	for (int i = 0; i < 16; i += 8) {
		PTRACE(PTRACE_PEEKTEXT, pid, (char *)(uintptr_t)two + i, &word);
		SHOW(PTRACE(PTRACE_POKETEXT, pid, (char *)(uintptr_t)one + i, word));
	}
	PTRACE(PTRACE_CONT, pid, 0, 0);
	await(pid);
	PTRACE(PTRACE_PEEKDATA, pid, &counter, &word);
	VALUE(word);
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR);
	SHOW(pwrite(fd, (void *)(uintptr_t)three, 16, (off_t)(uintptr_t)one));
	close(fd);
	PTRACE(PTRACE_CONT, pid, 0, 0);
	await(pid);
	PTRACE(PTRACE_PEEKDATA, pid, &counter, &word);
	VALUE(word);
	PTRACE(PTRACE_CONT, pid, 0, 0);
	await(pid);
}

/* --- ends ------------------------------------------------------------------------------------ */

static void is_left_alone(void)
{
	PTRACE(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGUSR1);
	_exit(1);
}

/* The tracer ends: its tracee goes on as it was stopped, or dies with it. */
static void tracer_ends(unsigned long options)
{
	pid_t tracer, pid = child_of(spins);

	wait_until_started(pid);
	fflush(stdout);
	tracer = fork();
	if (tracer == 0) {
		SHOW(PTRACE(PTRACE_SEIZE, pid, 0, options));
		SHOW(PTRACE(PTRACE_INTERRUPT, pid, 0, 0));
		while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
			;
		poke_int(pid, &go_on, 8);
		_exit(0);
	}
	await(tracer);
	await(pid);
}

static void waiting(void)
{
	siginfo_t info;
	pid_t pid = child_of(is_left_alone);

	memset(&info, 0, sizeof(info));
	SHOW(waitid(P_PID, pid, &info, WSTOPPED | WEXITED | WNOWAIT));
	printf("  code %d status %d\n", info.si_code, info.si_status);
	memset(&info, 0, sizeof(info));
	SHOW(waitid(P_PID, pid, &info, WSTOPPED | WEXITED));
	printf("  code %d status %d\n", info.si_code, info.si_status);
	SHOW(waitid(P_PID, pid, &info, WSTOPPED | WEXITED | WNOHANG));
	PTRACE(PTRACE_KILL, pid, 0, 0);
	await(pid);
}

static void errors(void)
{
	pid_t pid = child_of(spins);
	long word;

	SHOW(PTRACE(PTRACE_PEEKDATA, pid, &counter, &word));
	SHOW(PTRACE(PTRACE_CONT, pid, 0, 0));
	SHOW(PTRACE(PTRACE_ATTACH, getpid(), 0, 0));
	SHOW(PTRACE(PTRACE_SEIZE, pid, 1, 0));
	SHOW(PTRACE(PTRACE_SEIZE, pid, 0, 0x40000000));
	wait_until_started(pid);
	SHOW(PTRACE(PTRACE_ATTACH, pid, 0, 0));
	SHOW(PTRACE(PTRACE_ATTACH, pid, 0, 0));
	await(pid);
	SHOW(PTRACE(0x1234, pid, 0, 0));
	SHOW(PTRACE(PTRACE_PEEKDATA, pid, 8, &word));
	SHOW(PTRACE(PTRACE_CONT, pid, 0, 1000));
	SHOW(PTRACE(PTRACE_SETOPTIONS, pid, 0, 0x40000000));
	SHOW(PTRACE(PTRACE_LISTEN, pid, 0, 0));
	end(pid);
	SHOW(PTRACE(PTRACE_CONT, pid, 0, 0));
}

/* --- threads --------------------------------------------------------------------------------- */

static void *ends_soon(void *argument)
{
	return argument;
}

static void has_threads(void)
{
	pthread_t thread;

	PTRACE(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	for (int i = 0; i < 3; i++) {
		pthread_create(&thread, NULL, ends_soon, NULL);
		pthread_join(thread, NULL);
	}
	_exit(11);
}

static void threads(void)
{
	pid_t pid = child_of(has_threads), thread;
	int status, clones_seen = 0, stops_seen = 0, ends_seen = 0;

	await(pid);
	SHOW(PTRACE(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACECLONE));
	PTRACE(PTRACE_CONT, pid, 0, 0);
	for (;;) {
		thread = waitpid(-1, &status, __WALL);
		if (thread == pid && !WIFSTOPPED(status))
			break;
		if (!WIFSTOPPED(status)) {
			ends_seen++;
			continue;
		}
		clones_seen += status >> 16 == PTRACE_EVENT_CLONE;
		stops_seen += thread != pid && WSTOPSIG(status) == SIGSTOP;
		PTRACE(PTRACE_CONT, thread, 0, 0);
	}
	show_status(status);
	printf("  %d clones, %d stops, %d ends\n", clones_seen, stops_seen, ends_seen);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		syscall(SYS_getppid);
		return 23;
	}
	puts("signals"), signals();
	puts("a fault"), a_fault();
	puts("data of signals"), signal_data();
	puts("the group stops"), group_stops();
	puts("system calls"), call_stops(PTRACE_O_TRACESYSGOOD);
	puts("without an option"), call_stops(0);
	puts("clone"), events_of_clone();
	puts("exec"), exec_stops(PTRACE_O_TRACEEXEC, PTRACE_CONT);
	puts("exec without an option"), exec_stops(0, PTRACE_CONT);
	puts("exec and calls"),
		exec_stops(PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD, PTRACE_SYSCALL);
	puts("seccomp"), events_of_seccomp();
	puts("attach, asleep"), attach(sleeps);
	puts("attach, busy"), attach(spins);
	puts("detach"), detach_with_a_signal();
	puts("seize, asleep"), seize(sleeps);
	puts("seize, busy"), seize(spins);
	puts("code"), code_is_changed();
	puts("the tracer ends"), tracer_ends(0);
	puts("and kills"), tracer_ends(PTRACE_O_EXITKILL);
	puts("waiting"), waiting();
	puts("errors"), errors();
	puts("threads"), threads();
	return 0;
}
