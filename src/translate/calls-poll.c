/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calls-poll.c - waiting for descriptors: select, poll and epoll.
 *
 * struct epoll_event is packed on x86-64 and is not on riscv64. Events are received in the guest's
 * own array, which is larger, and spread from its end.
 *
 * The masks of signals that these calls wait with pass; when a handler has come in between, it is
 * told which mask that was (signal.h).
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "translate/calls.h"
#include "translate/signal.h"

struct guest_epoll_event {
	uint32_t events;
	uint64_t data;
};

static_assert(sizeof(struct guest_epoll_event) == 16, "without EPOLL_PACKED");
static_assert(sizeof(struct epoll_event) == 12, "x86-64's EPOLL_PACKED");

#define EVENTS_AT_ONCE 32

/* The end of a call that has waited with the mask at `address` (0: with the thread's own). */
static int64_t waited_with_mask(struct thread *t, int64_t r, uint64_t address)
{
	uint64_t mask;

	if (r == -EINTR && address && guest_copy_in(&mask, address, sizeof(mask)) == 0)
		signal_set_suspended(t, mask);
	return r;
}

/* --- epoll ------------------------------------------------------------------------------------ */

int64_t call_epoll_ctl(struct thread *t, const uint64_t a[6])
{
	struct guest_epoll_event guest;
	struct epoll_event host;

	if (descriptor_is_ours(t, a[2]))
		return -EBADF;
	if ((int)a[1] == EPOLL_CTL_DEL)
		return host_call(SYS_epoll_ctl, a[0], a[1], a[2], 0);
	if (guest_copy_in(&guest, a[3], sizeof(guest)) < 0)
		return -EFAULT;
	host.events = guest.events;
	host.data.u64 = guest.data;
	return host_call(SYS_epoll_ctl, a[0], a[1], a[2], &host);
}

/* `count` packed events at `address` become as many of the guest's. */
static int spread_events(uint64_t address, size_t count)
{
	while (count > 0) {
		struct epoll_event host[EVENTS_AT_ONCE];
		struct guest_epoll_event guest[EVENTS_AT_ONCE];
		size_t n = count < EVENTS_AT_ONCE ? count : EVENTS_AT_ONCE;

		count -= n;
		if (guest_copy_in(host, address + count * sizeof(host[0]), n * sizeof(host[0])) < 0)
			return -EFAULT;
		memset(guest, 0, sizeof(guest));
		for (size_t i = 0; i < n; i++) {
			guest[i].events = host[i].events;
			guest[i].data = host[i].data.u64;
		}
		if (guest_copy_out(
			    address + count * sizeof(guest[0]), guest, n * sizeof(guest[0])) < 0)
			return -EFAULT;
	}
	return 0;
}

static int64_t epoll_wait_with(struct thread *t, long number, const uint64_t a[6])
{
	int64_t r = host_call_blocking(t, number, a[0], a[1], a[2], a[3], a[4], a[5]);

	if (r > 0)
		return spread_events(a[1], (size_t)r) < 0 ? -EFAULT : r;
	return waited_with_mask(t, r, a[4]);
}

int64_t call_epoll_pwait(struct thread *t, const uint64_t a[6])
{
	return epoll_wait_with(t, SYS_epoll_pwait, a);
}

int64_t call_epoll_pwait2(struct thread *t, const uint64_t a[6])
{
	return epoll_wait_with(t, SYS_epoll_pwait2, a);
}

/* --- poll and select -------------------------------------------------------------------------- */

#define POLLED_AT_ONCE 64

/* Where in the array our own descriptor is; -1. */
static int64_t find_ours(const struct thread *t, uint64_t address, uint64_t count)
{
	struct pollfd polled[POLLED_AT_ONCE];

	for (uint64_t i = 0; i < count; i += POLLED_AT_ONCE) {
		size_t n = count - i < POLLED_AT_ONCE ? count - i : POLLED_AT_ONCE;

		if (guest_copy_in(polled, address + i * sizeof(polled[0]), n * sizeof(polled[0])) <
			0)
			return -1;
		for (size_t j = 0; j < n; j++)
			if (polled[j].fd >= 0 && descriptor_is_ours(t, (uint32_t)polled[j].fd))
				return (int64_t)(i + j);
	}
	return -1;
}

/* A descriptor that is not open is POLLNVAL at once, and all others are looked at. */
static int64_t poll_with_ours(const uint64_t a[6], int64_t which)
{
	static const struct timespec at_once;
	uint64_t address = a[0] + (uint64_t)which * sizeof(struct pollfd);
	struct pollfd ours, hidden;
	int64_t r;

	if (guest_copy_in(&ours, address, sizeof(ours)) < 0)
		return -EFAULT;
	hidden = ours;
	hidden.fd = -1;
	ours.revents = POLLNVAL;
	if (guest_copy_out(address, &hidden, sizeof(hidden)) < 0)
		return -EFAULT;
	r = host_call(SYS_ppoll, a[0], a[1], &at_once);
	if (guest_copy_out(address, &ours, sizeof(ours)) < 0)
		return -EFAULT;
	return r < 0 ? r : r + 1;
}

int64_t call_ppoll(struct thread *t, const uint64_t a[6])
{
	int64_t ours = find_ours(t, a[0], (uint32_t)a[1]);

	if (ours >= 0)
		return poll_with_ours(a, ours);
	return waited_with_mask(
		t, host_call_blocking(t, SYS_ppoll, a[0], a[1], a[2], a[3], a[4]), a[3]);
}

/* Is one of our own descriptors in one of the three sets? */
static bool selects_ours(const struct thread *t, const uint64_t a[6])
{
	uint32_t ours = 0;
	uint8_t byte;

	for (; (ours = descriptor_own_from(t->process, ours)) != OWN_NONE; ours++) {
		if ((int64_t)(int)a[0] <= ours)
			return false;
		for (int i = 1; i <= 3; i++)
			if (a[i] && guest_copy_in(&byte, a[i] + ours / 8, 1) == 0 &&
				byte >> ours % 8 & 1)
				return true;
	}
	return false;
}

int64_t call_pselect6(struct thread *t, const uint64_t a[6])
{
	uint64_t mask[2] = { 0 }; /* address and size */

	if (selects_ours(t, a))
		return -EBADF;
	if (a[5] && guest_copy_in(mask, a[5], sizeof(mask)) < 0)
		return -EFAULT;
	return waited_with_mask(t,
		host_call_blocking(t, SYS_pselect6, a[0], a[1], a[2], a[3], a[4], a[5]), mask[0]);
}

/* Not of descriptors, but with the same mask. */
int64_t call_io_pgetevents(struct thread *t, const uint64_t a[6])
{
	uint64_t mask[2] = { 0 };

	if (a[5] && guest_copy_in(mask, a[5], sizeof(mask)) < 0)
		return -EFAULT;
	return waited_with_mask(t,
		host_call_blocking(t, SYS_io_pgetevents, a[0], a[1], a[2], a[3], a[4], a[5]),
		mask[0]);
}
