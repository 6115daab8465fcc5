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

static void put(uint8_t *value, uint64_t number, size_t size)
{
	memcpy(value, &number, size);
}

static uint64_t get(const uint8_t *value, size_t size)
{
	uint64_t number = 0;

	memcpy(&number, value, size);
	return number;
}

static void get_register(const struct riscv_cpu *cpu, unsigned number, uint8_t *value)
{
	switch (number) {
	case DEBUG_RISCV_X0 ... DEBUG_RISCV_X0 + 31:
		put(value, cpu->x[number], 8);
		break;
	case DEBUG_RISCV_PC:
		put(value, cpu->pc, 8);
		break;
	case DEBUG_RISCV_F0 ... DEBUG_RISCV_F0 + 31:
		put(value, cpu->f[number - DEBUG_RISCV_F0], 8);
		break;
	case DEBUG_RISCV_FFLAGS:
		put(value, cpu->fcsr & 31, 4);
		break;
	case DEBUG_RISCV_FRM:
		put(value, cpu->fcsr >> 5 & 7, 4);
		break;
	case DEBUG_RISCV_FCSR:
		put(value, cpu->fcsr, 4);
		break;
	case DEBUG_RISCV_V0 ... DEBUG_RISCV_V0 + 31:
		memcpy(value, cpu->v + (number - DEBUG_RISCV_V0) * RISCV_VLEN_BYTES,
			RISCV_VLEN_BYTES);
		break;
	case DEBUG_RISCV_VSTART:
		put(value, cpu->vstart, 8);
		break;
	case DEBUG_RISCV_VXSAT:
		put(value, cpu->vxsat, 8);
		break;
	case DEBUG_RISCV_VXRM:
		put(value, cpu->vxrm, 8);
		break;
	case DEBUG_RISCV_VCSR:
		put(value, (uint64_t)cpu->vxrm << 1 | cpu->vxsat, 8);
		break;
	case DEBUG_RISCV_VL:
		put(value, cpu->vl, 8);
		break;
	case DEBUG_RISCV_VTYPE:
		put(value, cpu->vtype, 8);
		break;
	default: /* VLENB */
		put(value, RISCV_VLEN_BYTES, 8);
	}
}

/* What only vsetvl may change stays; the rest is cut to what the register holds. */
static int set_register(struct riscv_cpu *cpu, unsigned number, const uint8_t *value)
{
	switch (number) {
	case DEBUG_RISCV_X0:
		return 0;
	case DEBUG_RISCV_X0 + 1 ... DEBUG_RISCV_X0 + 31:
		cpu->x[number] = get(value, 8);
		return 0;
	case DEBUG_RISCV_PC:
		cpu->pc = get(value, 8) & ~UINT64_C(1);
		return 0;
	case DEBUG_RISCV_F0 ... DEBUG_RISCV_F0 + 31:
		cpu->f[number - DEBUG_RISCV_F0] = get(value, 8);
		return 0;
	case DEBUG_RISCV_FFLAGS:
		cpu->fcsr = (cpu->fcsr & ~31u) | (uint32_t)(get(value, 4) & 31);
		return 0;
	case DEBUG_RISCV_FRM:
		cpu->fcsr = (cpu->fcsr & 31) | (uint32_t)(get(value, 4) & 7) << 5;
		return 0;
	case DEBUG_RISCV_FCSR:
		cpu->fcsr = (uint32_t)get(value, 4) & 255;
		return 0;
	case DEBUG_RISCV_V0 ... DEBUG_RISCV_V0 + 31:
		memcpy(cpu->v + (number - DEBUG_RISCV_V0) * RISCV_VLEN_BYTES, value,
			RISCV_VLEN_BYTES);
		return 0;
	case DEBUG_RISCV_VXSAT:
		cpu->vxsat = (uint8_t)(get(value, 8) & 1);
		return 0;
	case DEBUG_RISCV_VXRM:
		cpu->vxrm = (uint8_t)(get(value, 8) & 3);
		return 0;
	case DEBUG_RISCV_VCSR:
		cpu->vxsat = (uint8_t)(get(value, 8) & 1);
		cpu->vxrm = (uint8_t)(get(value, 8) >> 1 & 3);
		return 0;
	default:
		return -EPERM;
	}
}

int debugger_read_register(
	struct debug_target *target, uint64_t thread, unsigned number, uint8_t *value)
{
	const struct thread *t = debugger_lock_thread(debugger_of(target), thread);

	if (!t)
		return -ESRCH;
	get_register(&t->cpu, number, value);
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
		int r = -EAGAIN;

		if (!t)
			return -ESRCH;
		if (is_parked(d, t))
			r = set_register(&t->cpu, number, value);
		debugger_unlock_threads(d);
		if (r != -EAGAIN)
			return r;
		host_call(SYS_nanosleep, &wait, NULL);
	}
	return -EBUSY;
}
