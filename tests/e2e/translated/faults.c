/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faults.c - what a handler learns of a fault, and that it can go on behind it.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "check.h"

static volatile siginfo_t got;
static uint64_t got_pc;
static volatile int handled;

/* Go on behind the instruction. */
static void skip(int signo, siginfo_t *info, void *argument)
{
	ucontext_t *context = argument;
	uint64_t pc = context->uc_mcontext.__gregs[0];

	got = *info;
	got_pc = pc;
	handled++;
	context->uc_mcontext.__gregs[0] = pc + ((*(uint16_t *)pc & 3) == 3 ? 4 : 2);
	context->uc_mcontext.__gregs[10] = 4711; /* a0 */
}

static void set(int signo, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };

	CHECK(sigaction(signo, &action, NULL) == 0);
}

#define AT(instruction, address, value)                                                            \
	({                                                                                         \
		register uint64_t a0 __asm__("a0") = (uint64_t)(value);                            \
		register uint64_t a1 __asm__("a1") = (uint64_t)(address);                          \
		__asm__ volatile("la t0, 1f\n\tsd t0, %2\n1:\t" instruction                        \
				 : "+r"(a0)                                                        \
				 : "r"(a1), "m"(expected_pc)                                       \
				 : "t0", "t1", "memory");                                          \
		a0;                                                                                \
	})

static uint64_t expected_pc;

static void memory(void)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FILE *file = tmpfile();
	char *beyond;

	set(SIGSEGV, skip, 0);
	set(SIGBUS, skip, 0);
	CHECK(AT("lw a0, 0(a1)", 0x10, 1) == 4711);
	CHECK(got.si_signo == SIGSEGV && got.si_code == SEGV_MAPERR && got.si_addr == (void *)0x10);
	CHECK(got_pc == expected_pc);
	CHECK(mprotect(page, 4096, PROT_READ) == 0);
	AT("sd a0, 8(a1)", page, 1);
	CHECK(got.si_code == SEGV_ACCERR && got.si_addr == page + 8 && got_pc == expected_pc);
	CHECK(mprotect(page, 4096, PROT_NONE) == 0);
	AT("fld ft0, 16(a1)", page, 1);
	CHECK(got.si_code == SEGV_ACCERR && got.si_addr == page + 16 && got_pc == expected_pc);
	AT("amoadd.d t1, a0, (a1)", page + 32, 1);
	CHECK(got.si_code == SEGV_ACCERR && got.si_addr == page + 32 && got_pc == expected_pc);
	CHECK(munmap(page, 4096) == 0);
	AT("c.lw a0, 4(a1)", page, 1);
	CHECK(got.si_code == SEGV_MAPERR && got.si_addr == page + 4 && got_pc == expected_pc);
	CHECK(handled == 5);
	beyond = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fileno(file), 0);
	CHECK(beyond != MAP_FAILED);
	AT("lbu a0, 0(a1)", beyond, 1);
	CHECK(got.si_signo == SIGBUS && got.si_code == BUS_ADRERR && got.si_addr == beyond);
	AT("lr.d a0, (a1)", page + 4096 + 3, 1);
	CHECK(got.si_signo == SIGBUS && got.si_code == BUS_ADRALN);
	CHECK((uint64_t)got.si_addr == expected_pc && got_pc == expected_pc);
	DONE("memory");
}

static void instructions(void)
{
	set(SIGILL, skip, 0);
	set(SIGTRAP, skip, 0);
	AT(".4byte 0xffffffff", 0, 1);
	CHECK(got.si_signo == SIGILL && got.si_code == ILL_ILLOPC);
	CHECK((uint64_t)got.si_addr == expected_pc && got_pc == expected_pc);
	AT(".2byte 0", 0, 1);
	CHECK(got.si_signo == SIGILL && (uint64_t)got.si_addr == expected_pc);
	AT("ebreak", 0, 1);
	CHECK(got.si_signo == SIGTRAP && got.si_code == TRAP_BRKPT && got_pc == expected_pc);
	DONE("instructions");
}

static sigjmp_buf back;

static void leave(int signo, siginfo_t *info, void *argument)
{
	got = *info;
	got_pc = ((ucontext_t *)argument)->uc_mcontext.__gregs[0];
	siglongjmp(back, 1);
}

static void jump_to(const void *code)
{
	if (sigsetjmp(back, 1) == 0)
		((void (*)(void))(uintptr_t)code)();
}

/* An instruction whose second half is in a page that cannot be executed. */
static void halves(void)
{
	char *code = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const uint32_t addi = 0x00150513;

	CHECK(code != MAP_FAILED);
	memcpy(code + 4094, &addi, sizeof(addi));
	CHECK(mprotect(code, 4096, PROT_READ | PROT_EXEC) == 0);
	CHECK(mprotect(code + 4096, 4096, PROT_NONE) == 0);
	set(SIGSEGV, leave, 0);
	jump_to(code + 4094);
	CHECK(got.si_code == SEGV_ACCERR && got.si_addr == code + 4096);
	CHECK(got_pc == (uint64_t)code + 4094);
	CHECK(munmap(code + 4096, 4096) == 0);
	jump_to(code + 4094);
	CHECK(got.si_code == SEGV_MAPERR && got.si_addr == code + 4096);
	jump_to(code + 4096);
	CHECK(got.si_code == SEGV_MAPERR && got.si_addr == code + 4096);
	DONE("halves");
}

/* All registers are in the context, and come from there. */
static void registers(int signo, siginfo_t *info, void *argument)
{
	ucontext_t *context = argument;
	uint64_t *x = (uint64_t *)context->uc_mcontext.__gregs;
	uint64_t *f = (uint64_t *)context->uc_mcontext.__fpregs.__d.__f;

	for (int i = 5; i < 32; i++) {
		CHECK(x[i] == (i == 11 ? 0x10 : 0x1000u + i));
		x[i] += 1;
	}
	for (int i = 0; i < 32; i++) {
		double value;

		memcpy(&value, &f[i], sizeof(value));
		CHECK(value == i);
		value = -i;
		memcpy(&f[i], &value, sizeof(value));
	}
	CHECK(context->uc_mcontext.__fpregs.__d.__fcsr == 0x61);
	context->uc_mcontext.__fpregs.__d.__fcsr = 0x42;
	handled = 1;
	x[0] += 4;
}

extern uint64_t load_all(uint64_t *x, double *f);
__asm__(".text\n.globl load_all\nload_all:\n"
	"addi sp, sp, -240\n"
	"sd ra, 0(sp)\nsd s0, 8(sp)\nsd s1, 16(sp)\nsd s2, 24(sp)\nsd s3, 32(sp)\nsd s4, 40(sp)\n"
	"sd s5, 48(sp)\nsd s6, 56(sp)\nsd s7, 64(sp)\nsd s8, 72(sp)\nsd s9, 80(sp)\nsd s10, 88(sp)\n"
	"sd s11, 96(sp)\nfsd fs0, 104(sp)\nfsd fs1, 112(sp)\nfsd fs2, 120(sp)\nfsd fs3, 128(sp)\n"
	"fsd fs4, 136(sp)\nfsd fs5, 144(sp)\nfsd fs6, 152(sp)\nfsd fs7, 160(sp)\nfsd fs8, 168(sp)\n"
	"fsd fs9, 176(sp)\nfsd fs10, 184(sp)\nfsd fs11, 192(sp)\nsd a0, 200(sp)\nsd a1, 208(sp)\n"
	".macro lx n\nli x\\n, 0x1000 + \\n\n.endm\n"
	".macro lf n\nli t0, \\n\nfcvt.d.l f\\n, t0\n.endm\n"
	".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
	"lf \\n\n.endr\n"
	"li t0, 0x61\nfscsr t0\n"
	".irp n, 5,6,7,8,9,10,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
	"lx \\n\n.endr\n"
	"li a1, 0x10\n"
	".option push\n.option norvc\nlw a0, 0(a1)\n.option pop\n"
	/* what came back: x5..x31 and f0..f31 into the arrays */
	"sd t0, 216(sp)\nld t0, 200(sp)\n"
	".macro sx n\nsd x\\n, 8*\\n(t0)\n.endm\n"
	".irp n, 6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
	"sx \\n\n.endr\n"
	"ld t1, 216(sp)\nsd t1, 40(t0)\n"
	"ld t0, 208(sp)\n"
	".macro sf n\nfsd f\\n, 8*\\n(t0)\n.endm\n"
	".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
	"sf \\n\n.endr\n"
	"frcsr a0\nfscsr zero\n"
	"ld ra, 0(sp)\nld s0, 8(sp)\nld s1, 16(sp)\nld s2, 24(sp)\nld s3, 32(sp)\nld s4, 40(sp)\n"
	"ld s5, 48(sp)\nld s6, 56(sp)\nld s7, 64(sp)\nld s8, 72(sp)\nld s9, 80(sp)\nld s10, 88(sp)\n"
	"ld s11, 96(sp)\nfld fs0, 104(sp)\nfld fs1, 112(sp)\nfld fs2, 120(sp)\nfld fs3, 128(sp)\n"
	"fld fs4, 136(sp)\nfld fs5, 144(sp)\nfld fs6, 152(sp)\nfld fs7, 160(sp)\nfld fs8, 168(sp)\n"
	"fld fs9, 176(sp)\nfld fs10, 184(sp)\nfld fs11, 192(sp)\n"
	"addi sp, sp, 240\nret\n");

static void all_registers(void)
{
	uint64_t x[32];
	double f[32];

	set(SIGSEGV, registers, 0);
	handled = 0;
	CHECK(load_all(x, f) == 0x42 && handled == 1);
	for (int i = 5; i < 32; i++)
		CHECK(x[i] == (i == 11 ? 0x10 : 0x1000u + i) + 1);
	for (int i = 0; i < 32; i++)
		CHECK(f[i] == -i);
	DONE("registers");
}

static sigjmp_buf back;

static void jump(int signo, siginfo_t *info, void *argument)
{
	siglongjmp(back, 1);
}

static volatile int depth;

static volatile int goes_on = 1;

__attribute__((noinline)) static int recurse(int n)
{
	volatile char room[4096];

	room[0] = (char)n;
	depth = n;
	return goes_on ? recurse(n + 1) + room[0] : 0;
}

static void overflow(void)
{
	static char stack[65536];
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };

	CHECK(sigaltstack(&alternate, NULL) == 0);
	set(SIGSEGV, jump, SA_ONSTACK);
	if (sigsetjmp(back, 1) == 0)
		recurse(0);
	CHECK(depth > 200);
	DONE("overflow");
}

static void *fault_in_thread(void *argument)
{
	return (void *)AT("lw a0, 0(a1)", argument, 1);
}

static void threads(void)
{
	pthread_t thread;
	void *result;

	set(SIGSEGV, skip, 0);
	CHECK(pthread_create(&thread, NULL, fault_in_thread, (void *)0x20) == 0);
	CHECK(pthread_join(thread, &result) == 0 && result == (void *)4711);
	CHECK(got.si_addr == (void *)0x20);
	DONE("threads");
}

static int status_of(void (*action)(void))
{
	int status;
	pid_t child = fork();

	if (!child) {
		action();
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child);
	return status;
}

static void die_of_default(void)
{
	signal(SIGSEGV, SIG_DFL);
	*(volatile int *)8 = 1;
}

static void die_though_ignored(void)
{
	signal(SIGSEGV, SIG_IGN);
	*(volatile int *)8 = 1;
}

static void die_though_blocked(void)
{
	sigset_t mask;

	sigfillset(&mask);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	*(volatile int *)8 = 1;
}

static void sent_is_held(void)
{
	sigset_t mask, pending;

	handled = 0;
	sigfillset(&mask);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	raise(SIGSEGV);
	CHECK(handled == 0 && sigpending(&pending) == 0 && sigismember(&pending, SIGSEGV));
	sigemptyset(&mask);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	CHECK(handled == 1 && got.si_code <= 0 && got.si_pid == getpid());
	_exit(3);
}

static void note(int signo, siginfo_t *info, void *argument)
{
	got = *info;
	handled++;
}

static void ends(void)
{
	CHECK(WTERMSIG(status_of(die_of_default)) == SIGSEGV);
	CHECK(WTERMSIG(status_of(die_though_ignored)) == SIGSEGV);
	CHECK(WTERMSIG(status_of(die_though_blocked)) == SIGSEGV);
	set(SIGSEGV, note, 0);
	CHECK(WEXITSTATUS(status_of(sent_is_held)) == 3);
	DONE("ends");
}

static void calls(void)
{
	char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fds[2];

	CHECK(pipe(fds) == 0);
	CHECK(write(fds[1], page, 10) == -1 && errno == EFAULT);
	CHECK(write(fds[1], "abc", 3) == 3);
	CHECK(read(fds[0], page, 10) == -1 && errno == EFAULT);
	CHECK(syscall(SYS_rt_sigaction, SIGUSR1, page, NULL, 8) == -1 && errno == EFAULT);
	CHECK(execve((void *)page, NULL, NULL) == -1 && errno == EFAULT);
	DONE("calls");
}

int main(void)
{
	memory();
	instructions();
	halves();
	all_registers();
	overflow();
	threads();
	ends();
	calls();
	return 0;
}
