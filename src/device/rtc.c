/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtc.c - Goldfish RTC (Android emulator, docs/GOLDFISH-VIRTUAL-HARDWARE.TXT, "Goldfish timer").
 *
 * Reading the lower half of the time keeps the upper half for the next read, so that the two are of
 * the same moment; writing the lower half of an alarm arms it with the upper half that was written
 * before. The guest sets its own time, not the host's: an offset is kept.
 */
#include "device/rtc.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "base/clock.h"

enum {
	REG_TIME_LOW = 0x00,
	REG_TIME_HIGH = 0x04,
	REG_ALARM_LOW = 0x08,
	REG_ALARM_HIGH = 0x0c,
	REG_INTERRUPT_ENABLED = 0x10,
	REG_CLEAR_ALARM = 0x14,
	REG_ALARM_STATUS = 0x18,
	REG_CLEAR_INTERRUPT = 0x1c,
};

static uint64_t guest_time(const struct rtc_state *s)
{
	return (uint64_t)clock_realtime_ns() + (uint64_t)s->offset_ns;
}

static void update_line(struct rtc *rtc)
{
	vm_irq_set(&rtc->irq, rtc->state.interrupt_pending && rtc->state.interrupt_enabled);
}

/* Let the timer fire when the alarm is due; one that is in the past fires at once. */
static void arm(struct rtc *rtc)
{
	const struct rtc_state *s = &rtc->state;
	uint64_t at = s->alarm_ns - (uint64_t)s->offset_ns;
	struct itimerspec spec = { 0 };

	if (s->has_alarm && at <= INT64_MAX) {
		spec.it_value.tv_sec = (time_t)(at / 1000000000);
		spec.it_value.tv_nsec = (long)(at % 1000000000);
		if (at == 0)
			spec.it_value.tv_nsec = 1;
	}
	timerfd_settime(rtc->timer.fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

static void alarm_ready(struct loop_source *source, uint32_t events)
{
	struct rtc *rtc = container_of(source, struct rtc, timer);
	struct rtc_state *s = &rtc->state;
	uint64_t count;

	pthread_mutex_lock(&rtc->lock);
	/* Nothing to read: it was set again in the meantime. */
	if (read(source->fd, &count, sizeof(count)) == sizeof(count) && s->has_alarm) {
		s->has_alarm = false;
		s->interrupt_pending = true;
		update_line(rtc);
	}
	pthread_mutex_unlock(&rtc->lock);
}

static uint32_t read_register(struct rtc_state *s, uint64_t offset)
{
	uint64_t now;

	switch (offset) {
	case REG_TIME_LOW:
		now = guest_time(s);
		s->time_high = (uint32_t)(now >> 32);
		return (uint32_t)now;
	case REG_TIME_HIGH:
		return s->time_high;
	case REG_ALARM_LOW:
		return (uint32_t)s->alarm_ns;
	case REG_ALARM_HIGH:
		return (uint32_t)(s->alarm_ns >> 32);
	case REG_INTERRUPT_ENABLED:
		return s->interrupt_enabled;
	case REG_ALARM_STATUS:
		return s->has_alarm;
	}
	return 0;
}

static void write_register(struct rtc *rtc, uint64_t offset, uint32_t value)
{
	struct rtc_state *s = &rtc->state;

	switch (offset) {
	case REG_TIME_HIGH:
		s->time_high = value;
		break;
	case REG_TIME_LOW:
		s->offset_ns = (int64_t)(((uint64_t)s->time_high << 32 | value) -
			(uint64_t)clock_realtime_ns());
		arm(rtc);
		break;
	case REG_ALARM_HIGH:
		s->alarm_ns = (uint64_t)value << 32 | (uint32_t)s->alarm_ns;
		break;
	case REG_ALARM_LOW:
		s->alarm_ns = (s->alarm_ns & ~(uint64_t)UINT32_MAX) | value;
		s->has_alarm = true;
		arm(rtc);
		break;
	case REG_INTERRUPT_ENABLED:
		s->interrupt_enabled = value & 1;
		break;
	case REG_CLEAR_ALARM:
		s->has_alarm = false;
		arm(rtc);
		break;
	case REG_CLEAR_INTERRUPT:
		s->interrupt_pending = false;
		break;
	}
	update_line(rtc);
}

static uint64_t read_rtc(struct vm_io *io, uint64_t offset, unsigned size)
{
	struct rtc *rtc = container_of(io, struct rtc, io);
	uint32_t value;

	if (size != 4)
		return 0;
	pthread_mutex_lock(&rtc->lock);
	value = read_register(&rtc->state, offset);
	pthread_mutex_unlock(&rtc->lock);
	return value;
}

static void write_rtc(struct vm_io *io, uint64_t offset, unsigned size, uint64_t value)
{
	struct rtc *rtc = container_of(io, struct rtc, io);

	if (size != 4)
		return;
	pthread_mutex_lock(&rtc->lock);
	write_register(rtc, offset, (uint32_t)value);
	pthread_mutex_unlock(&rtc->lock);
}

static const struct vm_io_ops ops = {
	.name = "rtc",
	.read = read_rtc,
	.write = write_rtc,
};

/* The guest's clock goes with the host's: what passed while it was away has passed. */
static int restore(struct vm_saved *saved, struct error *err)
{
	struct rtc *rtc = container_of(saved, struct rtc, saved);

	arm(rtc);
	update_line(rtc);
	return 0;
}

int rtc_init(struct rtc *rtc, const struct vm_irq *irq, struct loop *loop, struct error *err)
{
	int fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK), r;

	*rtc = (struct rtc){ .io = { .ops = &ops, .size = RTC_BYTES },
		.irq = *irq,
		.loop = loop,
		.timer = { .ready = alarm_ready, .fd = fd } };
	rtc->saved = (struct vm_saved){
		.name = "rtc", .data = &rtc->state, .size = sizeof(rtc->state), .restore = restore
	};
	pthread_mutex_init(&rtc->lock, NULL);
	r = fd < 0 ? -errno : loop_add(loop, &rtc->timer, EPOLLIN);
	return r < 0 ? error_errno(err, r, "cannot make a timer for the clock") : 0;
}

void rtc_reset(struct rtc *rtc)
{
	pthread_mutex_lock(&rtc->lock);
	/* The battery keeps the time. */
	rtc->state = (struct rtc_state){ .offset_ns = rtc->state.offset_ns };
	arm(rtc);
	update_line(rtc);
	pthread_mutex_unlock(&rtc->lock);
}

void rtc_destroy(struct rtc *rtc)
{
	loop_remove(rtc->loop, &rtc->timer);
	cleanup_close(&rtc->timer.fd);
	pthread_mutex_destroy(&rtc->lock);
}
