/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calls-memory.c - the calls that change the guest's map: their arguments for memory.c.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "translate/internal.h"
#include "translate/memory.h"

int64_t call_mmap(struct thread *t, const uint64_t a[6])
{
	if (a[5] % GUEST_PAGE)
		return -EINVAL;
	if (!(a[3] & MAP_ANONYMOUS) && descriptor_is_ours(t, a[4]))
		return -EBADF;
	return memory_map(t->process->memory, a[0], a[1], (uint32_t)a[2], (uint32_t)a[3],
		(int32_t)a[4], a[5]);
}

int64_t call_munmap(struct thread *t, const uint64_t a[6])
{
	return memory_unmap(t->process->memory, a[0], a[1]);
}

int64_t call_mprotect(struct thread *t, const uint64_t a[6])
{
	return memory_protect(t->process->memory, a[0], a[1], (uint32_t)a[2]);
}

int64_t call_mremap(struct thread *t, const uint64_t a[6])
{
	return memory_remap(t->process->memory, a[0], a[1], a[2], (uint32_t)a[3], a[4]);
}

int64_t call_brk(struct thread *t, const uint64_t a[6])
{
	return memory_brk(t->process->memory, a[0]);
}

int64_t call_shmat(struct thread *t, const uint64_t a[6])
{
	return memory_attach(t->process->memory, (int)a[0], a[1], (uint32_t)a[2]);
}

int64_t call_shmdt(struct thread *t, const uint64_t a[6])
{
	return memory_detach(t->process->memory, a[0]);
}

int64_t call_madvise(struct thread *t, const uint64_t a[6])
{
	int64_t r = host_call(SYS_madvise, a[0], a[1], a[2]);

	/* Advice that throws content away. */
	if (r == 0 &&
		(a[2] == MADV_DONTNEED || a[2] == MADV_REMOVE || a[2] == MADV_FREE ||
			a[2] == MADV_DONTNEED_LOCKED))
		memory_changed(t->process->memory, a[0], a[1]);
	return r;
}

/* Only the guest's memory: ours would count against its RLIMIT_MEMLOCK. */
int64_t call_mlockall(struct thread *t, const uint64_t a[6])
{
	const uint64_t known = MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT;

	if (!a[0] || (a[0] & ~known) || a[0] == MCL_ONFAULT)
		return -EINVAL;
	return memory_lock_all(t->process->memory, (uint32_t)a[0]);
}

int64_t call_munlockall(struct thread *t, const uint64_t a[6])
{
	return memory_lock_all(t->process->memory, 0);
}

int64_t call_riscv_flush_icache(struct thread *t, const uint64_t a[6])
{
	const uint64_t is_local = 1;

	if (a[2] & ~is_local)
		return -EINVAL;
	/* The kernel flushes everything whatever the range; nobody is known to rely on it. */
	if (a[0] < a[1])
		memory_changed(t->process->memory, a[0], a[1] - a[0]);
	else
		memory_code_written(t->process->memory, 0, GUEST_END);
	return 0;
}
