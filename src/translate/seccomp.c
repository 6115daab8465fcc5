/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp.c - the guest's seccomp filters, evaluated on the guest's own calls: riscv64's numbers,
 * AUDIT_ARCH_RISCV64, its program counter (seccomp(2); Linux kernel/seccomp.c for the order in
 * which arguments are looked at and answers weighed).
 *
 * Evaluating takes no lock: with TSYNC another thread may replace our filters, but only by one
 * behind which ours still are. The container's own profile is a filter like any other, the oldest.
 *
 * What is not there: user notification (NEW_LISTENER is an unknown flag, as on a kernel before
 * 5.0).
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "translate/calls.h"
#include "translate/ptrace.h"
#include "translate/seccomp-bpf.h"
#include "translate/seccomp-filters.h"
#include "translate/signal.h"

#define ERRNO_MAX    4095 /* of SECCOMP_RET_ERRNO */
#define ECALL_SIZE   4 /* what the guest and its filters see is the pc behind it */
#define CODE_SECCOMP 1 /* SYS_SECCOMP of siginfo_t; glibc has it not */

#define FLAGS                                                                                      \
	(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW |    \
		SECCOMP_FILTER_FLAG_TSYNC_ESRCH)

/* --- installing ------------------------------------------------------------------------------- */

static bool may_install(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (host_call(SYS_prctl, PR_GET_NO_NEW_PRIVS) == 1)
		return true;
	return host_call(SYS_capget, &header, data) == 0 &&
		(data[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective & CAP_TO_MASK(CAP_SYS_ADMIN));
}

/* Copy the program of a struct sock_fprog in, which is the same on both sides. */
static int filter_from_guest(uint64_t address, struct filter **ret)
{
	struct sock_fprog f;
	struct filter *filter;
	int r;

	if (guest_copy_in(&f, address, sizeof(f)) < 0)
		return -EFAULT;
	if (f.len == 0 || f.len > BPF_MAXINSNS)
		return -EINVAL;
	if (!may_install())
		return -EACCES;
	filter = filter_allocate(f.len);
	if (!filter)
		return -ENOMEM;
	r = guest_copy_in(filter->program.instructions, (uintptr_t)f.filter,
		f.len * sizeof(struct sock_filter));
	if (r == 0)
		r = seccomp_bpf_check(filter->program.instructions, f.len);
	if (r < 0) {
		filter_drop(filter);
		return r;
	}
	*ret = filter;
	return 0;
}

static bool is_ancestor(const struct filter *old, const struct filter *new)
{
	if (!old)
		return true;
	while (new &&new != old)
		new = new->previous;
	return new == old;
}

/* TSYNC: 0, or the thread that has filters which are not ours. */
static int64_t unsynchronizable(struct thread *t)
{
	for (struct thread *other = t->process->threads; other; other = other->next_thread) {
		if (other == t || other->seccomp_mode == SECCOMP_MODE_DISABLED)
			continue;
		if (other->seccomp_mode != SECCOMP_MODE_FILTER ||
			!is_ancestor(other->filters, t->filters))
			return other->tid;
	}
	return 0;
}

static void synchronize(struct thread *t)
{
	/* The kernel gives no_new_privs to all threads with this, and only with this. */
	static const struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	const struct sock_fprog f = { .len = 1, .filter = (struct sock_filter *)&allow };

	for (struct thread *other = t->process->threads; other; other = other->next_thread) {
		struct filter *old = other->filters;

		if (other == t)
			continue;
		__atomic_store_n(&other->filters, filter_hold(t->filters), __ATOMIC_RELEASE);
		__atomic_store_n(&other->seccomp_mode, SECCOMP_MODE_FILTER, __ATOMIC_RELEASE);
		filter_drop(old);
	}
	if (host_call(SYS_prctl, PR_GET_NO_NEW_PRIVS) == 1)
		host_call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &f);
}

static int64_t attach(struct thread *t, struct filter *filter, uint64_t flags)
{
	int64_t r = 0;

	if (t->seccomp_mode == SECCOMP_MODE_STRICT)
		return -EINVAL;
	if (flags & SECCOMP_FILTER_FLAG_TSYNC)
		r = unsynchronizable(t);
	if (r > 0)
		return flags & SECCOMP_FILTER_FLAG_TSYNC_ESRCH ? -ESRCH : r;
	r = filter_push(t, filter);
	if (r == 0 && flags & SECCOMP_FILTER_FLAG_TSYNC)
		synchronize(t);
	return r;
}

static int64_t set_mode_filter(struct thread *t, uint64_t flags, uint64_t address)
{
	struct filter *filter;
	int64_t r;

	if (flags & ~(uint64_t)FLAGS) {
		debug_line("seccomp: flags 0x%lx are not supported", flags & ~(uint64_t)FLAGS);
		return -EINVAL;
	}
	r = filter_from_guest(address, &filter);
	if (r < 0)
		return r;
	filter->program.flags = flags & SECCOMP_FILTER_FLAG_LOG;
	lock_take(&t->process->threads_lock);
	r = attach(t, filter, flags);
	lock_release(&t->process->threads_lock);
	if (r != 0)
		filter_drop(filter);
	return r;
}

static int64_t set_mode_strict(struct thread *t)
{
	if (t->seccomp_mode == SECCOMP_MODE_FILTER)
		return -EINVAL;
	t->seccomp_mode = SECCOMP_MODE_STRICT;
	return 0;
}

static int64_t action_available(uint64_t address)
{
	uint32_t action;

	if (guest_copy_in(&action, address, sizeof(action)) < 0)
		return -EFAULT;
	switch (action) {
	case SECCOMP_RET_KILL_PROCESS:
	case SECCOMP_RET_KILL_THREAD:
	case SECCOMP_RET_TRAP:
	case SECCOMP_RET_ERRNO:
	case SECCOMP_RET_TRACE:
	case SECCOMP_RET_LOG:
	case SECCOMP_RET_ALLOW:
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

int64_t call_seccomp(struct thread *t, const uint64_t a[6])
{
	uint32_t operation = (uint32_t)a[0], flags = (uint32_t)a[1];

	switch (operation) {
	case SECCOMP_SET_MODE_STRICT:
		return flags || a[2] ? -EINVAL : set_mode_strict(t);
	case SECCOMP_SET_MODE_FILTER:
		return set_mode_filter(t, flags, a[2]);
	case SECCOMP_GET_ACTION_AVAIL:
		return flags ? -EINVAL : action_available(a[2]);
	default: /* GET_NOTIF_SIZES among them */
		return -EINVAL;
	}
}

int64_t seccomp_prctl(struct thread *t, uint64_t mode, uint64_t address)
{
	switch (mode) {
	case SECCOMP_MODE_STRICT:
		return set_mode_strict(t);
	case SECCOMP_MODE_FILTER:
		return set_mode_filter(t, 0, address);
	default:
		return -EINVAL;
	}
}

static bool permit(struct thread *t, uint64_t *number, uint64_t a[6], bool again, int64_t *ret);

/* --- evaluating ------------------------------------------------------------------------------- */

/* Lower actions, as signed numbers, win; among equals that of the latest filter. */
static uint32_t verdict(const struct filter *latest, const struct seccomp_data *data)
{
	uint32_t best = SECCOMP_RET_ALLOW;

	for (const struct filter *f = latest; f; f = f->previous) {
		uint32_t r = seccomp_bpf_run(f->program.instructions, data);

		if ((int32_t)(r & SECCOMP_RET_ACTION_FULL) <
			(int32_t)(best & SECCOMP_RET_ACTION_FULL))
			best = r;
	}
	return best;
}

static siginfo_t trap_info(const struct thread *t, uint64_t number, uint32_t data)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = SIGSYS;
	info.si_code = CODE_SECCOMP;
	info.si_errno = (int)data;
	info.si_call_addr = guest_pointer(t->cpu.pc);
	info.si_syscall = (int)number;
	info.si_arch = AUDIT_ARCH_RISCV64;
	return info;
}

static bool strict_allows(uint64_t number)
{
	return number == CALL_read || number == CALL_write || number == CALL_exit ||
		number == CALL_rt_sigreturn;
}

/* The thread dies alone, but the last takes the process with it. */
static _Noreturn void end_thread(struct thread *t, int signal)
{
	const uint64_t status[6] = { (uint64_t)signal };

	if (t->process->threads == t && !t->next_thread)
		signal_die(signal);
	for (;;)
		call_exit(t, status);
}

/* SECCOMP_RET_TRACE: the tracer, if there is one that wants to be asked, may change the call. */
static bool ask_tracer(
	struct thread *t, uint64_t *number, uint64_t a[6], uint32_t data, int64_t *ret)
{
	*ret = -ENOSYS;
	if (!t->tracee.is_on || !(t->tracee.options & PTRACE_O_TRACESECCOMP))
		return false;
	return tracee_seccomp(t, data, number, a, ret);
}

/* Is it to be carried out? Else *ret is in place of its result. */
static bool obey(struct thread *t, uint64_t *number, uint64_t a[6], uint32_t answer, bool again,
	int64_t *ret)
{
	uint32_t data = answer & SECCOMP_RET_DATA;
	siginfo_t info;

	switch (answer & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ALLOW:
		return true;
	case SECCOMP_RET_LOG:
		debug_line("seccomp: call %lu is logged", *number);
		return true;
	case SECCOMP_RET_ERRNO:
		*ret = -(int64_t)(data > ERRNO_MAX ? ERRNO_MAX : data);
		return false;
	case SECCOMP_RET_TRAP:
		t->cpu.pc += ECALL_SIZE;
		info = trap_info(t, *number, data);
		signal_force(t, &info);
		*ret = NO_RESULT;
		return false;
	case SECCOMP_RET_TRACE:
		/* What the tracer has made of it is looked at again, but it is not asked again. */
		return again ||
			(ask_tracer(t, number, a, data, ret) && permit(t, number, a, true, ret));
	case SECCOMP_RET_USER_NOTIF:
		*ret = -ENOSYS;
		return false;
	case SECCOMP_RET_KILL_THREAD:
		debug_line("seccomp: call %lu ends the thread", *number);
		end_thread(t, SIGSYS);
	default:
		debug_line("seccomp: call %lu ends the process", *number);
		signal_die(SIGSYS);
	}
}

static bool permit(struct thread *t, uint64_t *number, uint64_t a[6], bool again, int64_t *ret)
{
	const struct filter *latest = __atomic_load_n(&t->filters, __ATOMIC_ACQUIRE);
	struct seccomp_data data = {
		.nr = (int)*number,
		.arch = AUDIT_ARCH_RISCV64,
		.instruction_pointer = t->cpu.pc + ECALL_SIZE,
	};

	if (t->seccomp_mode == SECCOMP_MODE_STRICT) {
		if (!strict_allows(*number))
			end_thread(t, SIGKILL);
		return true;
	}
	if (*number < SYSTEM_CALLS && latest->allowed[*number / 64] >> *number % 64 & 1)
		return true;
	memcpy(data.args, a, sizeof(data.args));
	return obey(t, number, a, verdict(latest, &data), again, ret);
}

unsigned seccomp_count(const struct thread *t)
{
	unsigned count = 0;

	for (const struct filter *f = t->filters; f; f = f->previous)
		count++;
	return count;
}

bool seccomp_always_permits(const struct thread *t, uint64_t number)
{
	if (t->seccomp_mode != SECCOMP_MODE_FILTER)
		return t->seccomp_mode == SECCOMP_MODE_DISABLED;
	return t->filters->allowed[number / 64] >> number % 64 & 1;
}

bool seccomp_permit(struct thread *t, uint64_t *number, uint64_t a[6], int64_t *ret)
{
	return permit(t, number, a, false, ret);
}
