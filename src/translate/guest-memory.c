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

/* 0: free; else the number of the thread that has it, and whether somebody may wait. */
#define LOCK_HELD    0x40000000u
#define LOCK_AWAITED 0x80000000u

static uint32_t own_number(void)
{
	const struct thread *t = thread_current();

	return LOCK_HELD | (t ? t->number : 0);
}

void lock_take(uint32_t *lock)
{
	uint32_t state = 0, held = own_number();

	while (!__atomic_compare_exchange_n(
		lock, &state, held, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
		if (state &&
			((state & LOCK_AWAITED) ||
				__atomic_compare_exchange_n(lock, &state, state | LOCK_AWAITED,
					false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)))
			host_call(SYS_futex, lock, FUTEX_WAIT_PRIVATE, state | LOCK_AWAITED, 0);
		held |= LOCK_AWAITED;
		state = 0;
	}
}

void lock_release(uint32_t *lock)
{
	if (__atomic_exchange_n(lock, 0, __ATOMIC_RELEASE) & LOCK_AWAITED)
		host_call(SYS_futex, lock, FUTEX_WAKE_PRIVATE, 1);
}

void lock_break(uint32_t *lock, uint32_t number)
{
	uint32_t state = __atomic_load_n(lock, __ATOMIC_ACQUIRE);

	if ((state & ~LOCK_AWAITED) == (LOCK_HELD | number))
		lock_release(lock);
}
