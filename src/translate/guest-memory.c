/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guest-memory.c - copies from and to where the guest has said, which may be anywhere; locks.
 */
#include <errno.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>

#include "translate/host.h"
#include "translate/internal.h"

static bool is_the_guests(uint64_t address, size_t size)
{
	return address < GUEST_END && size <= GUEST_END - address;
}

int guest_copy_in(void *to, uint64_t from, size_t size)
{
	return is_the_guests(from, size) && !host_copy(to, guest_pointer(from), size) ? 0 : -EFAULT;
}

int guest_copy_out(uint64_t to, const void *from, size_t size)
{
	return is_the_guests(to, size) && !host_copy(guest_pointer(to), from, size) ? 0 : -EFAULT;
}

int64_t guest_string(uint64_t address, char *buffer, size_t size)
{
	size_t done = 0;

	while (done < size) {
		/* Up to the end of a page: the next one need not be there. */
		size_t part = GUEST_PAGE - (address + done) % GUEST_PAGE;
		const char *end;

		if (part > size - done)
			part = size - done;
		if (guest_copy_in(buffer + done, address + done, part) < 0)
			return -EFAULT;
		end = memchr(buffer + done, '\0', part);
		if (end)
			return end - buffer;
		done += part;
	}
	return -ENAMETOOLONG;
}

int64_t host_call_blocking_raw(struct thread *t, long number, uint64_t a, uint64_t b, uint64_t c,
	uint64_t d, uint64_t e, uint64_t f)
{
	return host_call_checked(&t->is_pending, number, a, b, c, d, e, f);
}

/* 0: free; 1: taken; 2: taken, and somebody may wait. */
void lock_take(uint32_t *lock)
{
	uint32_t state = 0;

	if (__atomic_compare_exchange_n(lock, &state, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return;
	while (__atomic_exchange_n(lock, 2, __ATOMIC_ACQUIRE))
		host_call(SYS_futex, lock, FUTEX_WAIT_PRIVATE, 2, 0);
}

void lock_release(uint32_t *lock)
{
	if (__atomic_exchange_n(lock, 0, __ATOMIC_RELEASE) == 2)
		host_call(SYS_futex, lock, FUTEX_WAKE_PRIVATE, 1);
}
