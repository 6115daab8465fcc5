/* SPDX-License-Identifier: Apache-2.0 */
/*
 * system-calls.c - from the guest's registers to a row of the table (system-call-table.c) and back.
 */
#include <errno.h>
#include <sys/syscall.h>

#include "translate/ptrace.h"

static int64_t not_there(struct thread *t, const uint64_t a[6])
{
	debug_line("call %lu is not known", t->cpu.x[17]);
	return -ENOSYS;
}

/* Is one of the descriptors ours? To the guest it is not open. */
static bool names_ours(
	const struct thread *t, const struct system_call_row *row, const uint64_t a[6])
{
	for (size_t i = 0; row->arguments[i]; i++)
		if (row->arguments[i] == 'f' && descriptor_is_ours(t, a[i]))
			return true;
	return false;
}

static int64_t call(struct thread *t, const struct system_call_row *row, const uint64_t a[6])
{
	if (names_ours(t, row, a))
		return -EBADF;
	if (row->handle)
		return row->handle(t, a);
	if (row->blocks)
		return host_call_blocking(t, row->host, a[0], a[1], a[2], a[3], a[4], a[5]);
	return host_call(row->host, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static void finish(struct thread *t, int64_t result)
{
	if (t->tracee.is_changed) {
		t->tracee.is_changed = 0;
		return;
	}
	switch (result) {
	case RESTART_CALL:
		t->is_restarting = true;
		return;
	case RETRY_CALL:
	case NO_RESULT:
		return;
	default:
		t->cpu.x[10] = (uint64_t)result;
		t->cpu.pc += 4;
	}
}

static const struct system_call_row *row_of(uint64_t number)
{
	static const struct system_call_row unknown = { NULL, not_there, 0, false, "xxxxxx" };

	return number < SYSTEM_CALLS && system_calls[number].name ? &system_calls[number]
								  : &unknown;
}

static int64_t carry_out(struct thread *t, uint64_t number, uint64_t a[6])
{
	int64_t result;

	if (t->process->is_traced)
		debug_call(t, row_of(number), number, a);
	if (!t->seccomp_mode || seccomp_permit(t, &number, a, &result))
		result = call(t, row_of(number), a);
	if (t->process->is_traced)
		debug_result(t, row_of(number), number, a, result);
	return result;
}

void system_call_dispatch(struct thread *t)
{
	const uint64_t *x = t->cpu.x;
	uint64_t number = x[17], a[6] = { x[10], x[11], x[12], x[13], x[14], x[15] };
	int64_t result;

	if (!t->tracee.is_on || tracee_call_begins(t, &number, a, &result))
		result = carry_out(t, number, a);
	finish(t, result);
	if (t->tracee.in_call)
		tracee_call_ends(t, result);
}
