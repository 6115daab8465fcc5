/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calls-ipc.c - semctl(2): struct semid64_ds is asm-generic/sembuf.h's on riscv64, while x86-64 has
 * a word behind each of its times. (struct ipc64_perm, msqid64_ds and shmid64_ds are the same.)
 */
#include <assert.h>
#include <linux/ipc.h>
#include <linux/sem.h>
#include <sys/syscall.h>

#include "translate/calls.h"

struct guest_semaphores {
	struct ipc64_perm permissions;
	int64_t operated, changed; /* times */
	uint64_t count, unused[2];
};

static_assert(sizeof(struct guest_semaphores) == 88, "asm-generic/sembuf.h");

int64_t call_semctl(struct thread *t, const uint64_t a[6])
{
	struct semid64_ds host = { 0 };
	struct guest_semaphores guest;
	int64_t r;

	switch ((int)a[2]) {
	case IPC_SET: /* looks at the permissions only */
		if (guest_copy_in(&host.sem_perm, a[3], sizeof(guest)) < 0)
			return -EFAULT;
		return host_call(SYS_semctl, a[0], a[1], a[2], &host);
	case IPC_STAT:
	case SEM_STAT:
	case SEM_STAT_ANY:
		r = host_call(SYS_semctl, a[0], a[1], a[2], &host);
		if (r < 0)
			return r;
		guest = (struct guest_semaphores){
			.permissions = host.sem_perm,
			.operated = host.sem_otime,
			.changed = host.sem_ctime,
			.count = host.sem_nsems,
		};
		return guest_copy_out(a[3], &guest, sizeof(guest)) < 0 ? -EFAULT : r;
	default:
		return host_call(SYS_semctl, a[0], a[1], a[2], a[3]);
	}
}
