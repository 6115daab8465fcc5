/* SPDX-License-Identifier: Apache-2.0 */
/*
 * killed.c - children of vfork() that are killed while they execute new code all the time: what
 * they held in that moment does not hold up their parent.
 */
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

#define CHILDREN  400
#define FUNCTIONS 16
#define RET	  0x00008067u

static volatile pid_t *victim;
static uint32_t *code;

/* Functions that return numbers, written and called: their sum. */
static int run_new_code(unsigned n)
{
	int sum = 0;

	for (unsigned i = 0; i < FUNCTIONS; i++) {
		code[4 * i] = 0x00000513u | (n + i) % 2000 << 20; /* li a0, ... */
		code[4 * i + 1] = RET;
	}
	__builtin___clear_cache((char *)code, (char *)(code + 4 * FUNCTIONS));
	for (unsigned i = 0; i < FUNCTIONS; i++)
		sum += ((int (*)(void))(uintptr_t)(code + 4 * i))();
	return sum;
}

static void kill_for_ever(void)
{
	struct timespec wait = { 0 };
	unsigned seed = 1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		pid_t pid = *victim;

		if (!pid) {
			sched_yield();
			continue;
		}
		wait.tv_nsec = rand_r(&seed) % 2000000;
		nanosleep(&wait, NULL);
		*victim = 0;
		kill(pid, SIGKILL);
	}
}

int main(void)
{
	pid_t killer, child;
	int status;

	victim = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	code = mmap(
		NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(victim != MAP_FAILED && code != MAP_FAILED);
	killer = fork();
	if (killer == 0)
		kill_for_ever();
	for (unsigned i = 0; i < CHILDREN; i++) {
		child = vfork();
		if (child == 0) {
			*victim = (pid_t)syscall(SYS_getpid);
			for (unsigned j = 0;; j++)
				run_new_code(j);
		}
		CHECK(waitpid(child, &status, 0) == child);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		CHECK(run_new_code(i) > 0);
	}
	kill(killer, SIGKILL);
	DONE("killed");
	return 0;
}
