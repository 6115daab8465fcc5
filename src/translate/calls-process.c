/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calls-process.c - what a process is told about itself and its machine: uname(2), prctl(2).
 */
#include <errno.h>
#include <linux/prctl.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "base/cleanup.h"
#include "translate/calls.h"
#include "translate/hwprobe.h"

int64_t call_uname(struct thread *t, const uint64_t a[6])
{
	struct utsname names;
	int64_t r = host_call(SYS_uname, &names);

	if (r < 0)
		return r;
	memset(names.machine, 0, sizeof(names.machine));
	memcpy(names.machine, "riscv64", sizeof("riscv64"));
	return guest_copy_out(a[0], &names, sizeof(names));
}

/* --- prctl ------------------------------------------------------------------------------------ */

/* Options that mean the same to the host's kernel; those newer than our headers by number. */
static const uint32_t passed_options[] = {
	PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_DUMPABLE, PR_GET_KEEPCAPS,
	PR_SET_KEEPCAPS, PR_GET_TIMING, PR_SET_TIMING, PR_SET_NAME, PR_GET_NAME, PR_CAPBSET_READ,
	PR_CAPBSET_DROP, PR_GET_SECUREBITS, PR_SET_SECUREBITS, PR_SET_TIMERSLACK, PR_GET_TIMERSLACK,
	PR_TASK_PERF_EVENTS_DISABLE, PR_TASK_PERF_EVENTS_ENABLE, PR_MCE_KILL, PR_MCE_KILL_GET,
	PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS,
	PR_GET_TID_ADDRESS, PR_SET_THP_DISABLE, PR_GET_THP_DISABLE, PR_CAP_AMBIENT,
	PR_SET_IO_FLUSHER, PR_GET_IO_FLUSHER, PR_SCHED_CORE, PR_SET_PTRACER, PR_SET_VMA,
	67 /* PR_SET_MEMORY_MERGE */, 68 /* PR_GET_MEMORY_MERGE */,
	77 /* PR_TIMER_CREATE_RESTORE_IDS */, 78 /* PR_FUTEX_HASH */
};

/* Linux Documentation/arch/riscv/vector.rst; uapi/linux/prctl.h. */
#define VECTOR_SET_CONTROL	69
#define VECTOR_GET_CONTROL	70
#define VECTOR_DEFAULT		0u
#define VECTOR_OFF		1u
#define VECTOR_ON		2u
#define VECTOR_CURRENT(control) ((control)&3u)
#define VECTOR_NEXT(control)	((control) >> 2 & 3u)
#define VECTOR_CONTROL_MASK	0x1fu

/* Documentation/arch/riscv/cmodx.rst */
#define ICACHE_SET_CONTEXT  71
#define ICACHE_CONTEXT_OFF  1
#define ICACHE_SCOPE_THREAD 1

/* Programs that are told of V have it always, and so do those that they execute: all else is
 * refused. Without it there is nothing to control. */
static bool has_vector(void)
{
	return hwprobe_capabilities() >> ('v' - 'a') & 1;
}

static int64_t vector_set_control(uint64_t control)
{
	if (!has_vector() || control & ~(uint64_t)VECTOR_CONTROL_MASK ||
		VECTOR_CURRENT(control) > VECTOR_ON || VECTOR_NEXT(control) > VECTOR_ON)
		return -EINVAL;
	if (VECTOR_CURRENT(control) == VECTOR_OFF)
		return -EPERM; /* what Linux says of a thread that has it */
	if (VECTOR_NEXT(control) == VECTOR_OFF) {
		debug_line("prctl: programs without the vector extension are not supported");
		return -EINVAL;
	}
	return 0;
}

/* fence.i of a guest holds for every thread, whoever asks for it. */
static int64_t icache_set_context(uint64_t context, uint64_t scope)
{
	return context > ICACHE_CONTEXT_OFF || scope > ICACHE_SCOPE_THREAD ? -EINVAL : 0;
}

int64_t call_prctl(struct thread *t, const uint64_t a[6])
{
	uint32_t option = (uint32_t)a[0];

	switch (option) {
	case PR_SET_SECCOMP:
		return seccomp_prctl(t, a[1], a[2]);
	case PR_GET_SECCOMP:
		return t->seccomp_mode;
	case VECTOR_SET_CONTROL:
		return vector_set_control(a[1]);
	case VECTOR_GET_CONTROL:
		return has_vector() ? (int64_t)VECTOR_ON : -EINVAL;
	case ICACHE_SET_CONTEXT:
		return icache_set_context(a[1], a[2]);
	case PR_SET_MM: /* the host's map is not what the guest describes */
		return -EPERM;
	}
	for (size_t i = 0; i < ARRAY_SIZE(passed_options); i++)
		if (option == passed_options[i])
			return host_call(SYS_prctl, a[0], a[1], a[2], a[3], a[4]);
	debug_line("prctl: option %u is not supported", option);
	return -EINVAL;
}

/* Only the kernel makes this call, and not for ours. */
int64_t call_restart_syscall(struct thread *t, const uint64_t a[6])
{
	return -EINTR;
}
