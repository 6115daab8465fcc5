/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debugger-registers.c - the guest's registers as a debugger numbers them (debug/debug.h).
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "translate/debugger.h"

#define KICK_TRIES   1000
#define KICK_WAIT_NS 1000000

static struct debug_riscv_user user_of(struct riscv_cpu *cpu)
{
	return (struct debug_riscv_user){ .x = cpu->x,
		.f = cpu->f,
		.pc = &cpu->pc,
		.fcsr = &cpu->fcsr,
		.v = cpu->v,
		.vl = &cpu->vl,
		.vtype = &cpu->vtype,
		.vstart = &cpu->vstart,
		.vxrm = &cpu->vxrm,
		.vxsat = &cpu->vxsat };
}

int debugger_read_register(
	struct debug_target *target, uint64_t thread, unsigned number, uint8_t *value)
{
	struct thread *t = debugger_lock_thread(debugger_of(target), thread);
	struct debug_riscv_user user;

	if (!t)
		return -ESRCH;
	user = user_of(&t->cpu);
	debug_riscv_read(&user, number, value);
	debugger_unlock_threads(debugger_of(target));
	return 0;
}

/* A thread in a system call would write its result over what we write: it must leave the call. */
static bool is_parked(struct debugger *d, struct thread *t)
{
	siginfo_t info;

	if (__atomic_load_n(&t->debug.is_parked, __ATOMIC_SEQ_CST))
		return true;
	memset(&info, 0, sizeof(info));
	info.si_signo = SIGBUS;
	info.si_code = DEBUGGER_KICK;
	host_call(SYS_rt_tgsigqueueinfo, d->pid, t->tid, SIGBUS, &info);
	return false;
}

int debugger_write_register(
	struct debug_target *target, uint64_t thread, unsigned number, const uint8_t *value)
{
	const struct timespec wait = { .tv_nsec = KICK_WAIT_NS };
	struct debugger *d = debugger_of(target);

	for (int i = 0; i < KICK_TRIES; i++) {
		struct thread *t = debugger_lock_thread(d, thread);
		struct debug_riscv_user user;
		int r = -EAGAIN;

		if (!t)
			return -ESRCH;
		user = user_of(&t->cpu);
		if (is_parked(d, t))
			r = debug_riscv_write(&user, number, value);
		debugger_unlock_threads(d);
		if (r != -EAGAIN)
			return r;
		host_call(SYS_nanosleep, &wait, NULL);
	}
	return -EBUSY;
}
