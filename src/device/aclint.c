/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aclint.c - MSWI, MTIMER and SSWI (RISC-V Advanced Core Local Interruptor 1.0, chapters 2 to 4).
 *
 * A timer's pin is high while mtime has reached its compare register. Whoever writes one looks at
 * once, and the event loop's timer looks when the next is due. mtime itself cannot be written: it
 * is the same for all harts and everything that counts it.
 */
#include "device/aclint.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#define COMPARE_START 0x4000u
#define TIME_START    0xbff8u

#define PIN_SUPERVISOR_SOFTWARE 1
#define PIN_MACHINE_SOFTWARE	3
#define PIN_MACHINE_TIMER	7

/* --- timers ---------------------------------------------------------------------------------- */

static uint64_t now(const struct aclint *aclint)
{
	return aclint->time.read(aclint->time.context);
}

/* From the counter's ticks: as much as a timer takes at once, when it is more. */
static void set_timer(struct aclint *aclint, uint64_t ticks)
{
	const uint64_t hz = aclint->time.frequency_hz, longest = 3600;
	struct itimerspec spec = { 0 };

	if (ticks / hz >= longest) {
		spec.it_value.tv_sec = (time_t)longest;
	} else {
		spec.it_value.tv_sec = (time_t)(ticks / hz);
		spec.it_value.tv_nsec = (long)((ticks % hz * 1000000000 + hz - 1) / hz);
		if (spec.it_value.tv_nsec >= 1000000000) {
			spec.it_value.tv_nsec -= 1000000000;
			spec.it_value.tv_sec++;
		}
		if (ticks == 0)
			spec.it_value.tv_nsec = 1;
	}
	timerfd_settime(aclint->timer.fd, 0, &spec, NULL);
}

/* All pins as they have to be now, and the timer for when that will change. */
static void update_timers(struct aclint *aclint)
{
	uint64_t time = now(aclint), next = UINT64_MAX;

	for (unsigned i = 0; i < aclint->nr_vcpus; i++) {
		uint64_t compare = aclint->state.compare[i];
		struct vm_vcpu *vcpu = aclint->vcpus[i];

		vcpu->ops->set_pin(vcpu, PIN_MACHINE_TIMER, compare <= time);
		if (compare > time && compare - time < next)
			next = compare - time;
	}
	if (next != UINT64_MAX)
		set_timer(aclint, next);
}

static void timer_ready(struct loop_source *source, uint32_t events)
{
	struct aclint *aclint = container_of(source, struct aclint, timer);
	uint64_t count;

	(void)!read(source->fd, &count, sizeof(count));
	pthread_mutex_lock(&aclint->lock);
	update_timers(aclint);
	pthread_mutex_unlock(&aclint->lock);
}

/* --- registers ------------------------------------------------------------------------------- */

/* Words and, of the timers, doublewords: part of one is `size` bytes from `offset` on. */
static uint64_t part(uint64_t value, uint64_t offset, unsigned size)
{
	value >>= offset % 8 * 8;
	return size == 8 ? value : value & UINT32_MAX;
}

static uint64_t replace_part(uint64_t old, uint64_t offset, unsigned size, uint64_t value)
{
	unsigned shift = offset % 8 * 8;
	uint64_t mask = size == 8 ? UINT64_MAX : (uint64_t)UINT32_MAX << shift;

	return (old & ~mask) | (value << shift & mask);
}

static bool is_whole(uint64_t offset, unsigned size)
{
	return (size == 4 || size == 8) && offset % size == 0;
}

static uint64_t read_aclint(struct vm_io *io, uint64_t offset, unsigned size)
{
	struct aclint *aclint = container_of(io, struct aclint, io);
	uint64_t value = 0, timer = (offset - COMPARE_START) / 8;

	if (!is_whole(offset, size))
		return 0;
	if (offset >= TIME_START)
		return part(offset < TIME_START + 8 ? now(aclint) : 0, offset, size);
	pthread_mutex_lock(&aclint->lock);
	if (offset < COMPARE_START && size == 4 && offset / 4 < aclint->nr_vcpus)
		value = aclint->state.software[offset / 4];
	else if (offset >= COMPARE_START && timer < aclint->nr_vcpus)
		value = part(aclint->state.compare[timer], offset, size);
	pthread_mutex_unlock(&aclint->lock);
	return value;
}

static void set_software(struct aclint *aclint, uint64_t index, bool level)
{
	struct vm_vcpu *vcpu = aclint->vcpus[index];

	aclint->state.software[index] = level;
	vcpu->ops->set_pin(vcpu, PIN_MACHINE_SOFTWARE, level);
}

static void write_aclint(struct vm_io *io, uint64_t offset, unsigned size, uint64_t value)
{
	struct aclint *aclint = container_of(io, struct aclint, io);
	uint64_t timer = (offset - COMPARE_START) / 8;

	if (!is_whole(offset, size))
		return;
	pthread_mutex_lock(&aclint->lock);
	if (offset < COMPARE_START && size == 4 && offset / 4 < aclint->nr_vcpus) {
		set_software(aclint, offset / 4, value & 1);
	} else if (offset >= COMPARE_START && timer < aclint->nr_vcpus) {
		aclint->state.compare[timer] = replace_part(
			aclint->state.compare[timer], offset, size, value);
		update_timers(aclint);
	}
	pthread_mutex_unlock(&aclint->lock);
}

static const struct vm_io_ops io_ops = {
	.name = "aclint",
	.read = read_aclint,
	.write = write_aclint,
};

/* SETSSIP reads as 0; writing 1 sets the bit, which the hart's own software clears (§4.2). */
static uint64_t read_sswi(struct vm_io *io, uint64_t offset, unsigned size)
{
	return 0;
}

static void write_sswi(struct vm_io *io, uint64_t offset, unsigned size, uint64_t value)
{
	struct aclint *aclint = container_of(io, struct aclint, sswi);

	if (size == 4 && offset % 4 == 0 && offset / 4 < aclint->nr_vcpus && (value & 1))
		aclint->vcpus[offset / 4]->ops->set_pin(
			aclint->vcpus[offset / 4], PIN_SUPERVISOR_SOFTWARE, true);
}

static const struct vm_io_ops sswi_ops = {
	.name = "aclint-sswi",
	.read = read_sswi,
	.write = write_sswi,
};

/* --- life ------------------------------------------------------------------------------------ */

static void follow_state(struct aclint *aclint)
{
	for (unsigned i = 0; i < aclint->nr_vcpus; i++)
		set_software(aclint, i, aclint->state.software[i] & 1);
	update_timers(aclint);
}

static int restore(struct vm_saved *saved, struct error *err)
{
	follow_state(container_of(saved, struct aclint, saved));
	return 0;
}

int aclint_init(struct aclint *aclint, struct vm_vcpu *const *vcpus, unsigned nr_vcpus,
	const struct aclint_time *time, struct loop *loop, struct error *err)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), r;

	*aclint = (struct aclint){ .io = { .ops = &io_ops, .size = ACLINT_BYTES },
		.sswi = { .ops = &sswi_ops, .size = ACLINT_SSWI_BYTES },
		.time = *time,
		.vcpus = vcpus,
		.nr_vcpus = nr_vcpus,
		.loop = loop,
		.timer = { .ready = timer_ready, .fd = fd } };
	memset(aclint->state.compare, 0xff, sizeof(aclint->state.compare));
	aclint->saved = (struct vm_saved){ .name = "aclint",
		.data = &aclint->state,
		.size = sizeof(aclint->state),
		.restore = restore };
	pthread_mutex_init(&aclint->lock, NULL);
	r = fd < 0 ? -errno : loop_add(loop, &aclint->timer, EPOLLIN);
	return r < 0 ? error_errno(err, r, "cannot make a timer for the harts") : 0;
}

void aclint_reset(struct aclint *aclint)
{
	pthread_mutex_lock(&aclint->lock);
	memset(aclint->state.software, 0, sizeof(aclint->state.software));
	memset(aclint->state.compare, 0xff, sizeof(aclint->state.compare));
	follow_state(aclint);
	pthread_mutex_unlock(&aclint->lock);
}

void aclint_destroy(struct aclint *aclint)
{
	loop_remove(aclint->loop, &aclint->timer);
	cleanup_close(&aclint->timer.fd);
	pthread_mutex_destroy(&aclint->lock);
}
