/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtc.h - the wall clock with an alarm: Goldfish RTC.
 */
#pragma once

#include <pthread.h>

#include "base/loop.h"
#include "vm/vm.h"

#define RTC_BYTES 0x1000

/* What the guest can see, beside the time. */
struct rtc_state {
	int64_t offset_ns; /* of the guest's time from the host's */
	uint64_t alarm_ns; /* in the guest's time */
	uint32_t time_high; /* when the lower half was read, or for when it will be written */
	uint8_t has_alarm, interrupt_enabled, interrupt_pending;
};

struct rtc {
	struct vm_io io; /* `start` is filled in by the board */
	struct vm_irq irq;
	struct vm_saved saved;
	struct loop *loop;
	struct loop_source timer; /* a timerfd */
	pthread_mutex_t lock;
	struct rtc_state state;
};

/* Errors: of timerfd_create(2) and epoll_ctl(2). */
int rtc_init(struct rtc *rtc, const struct vm_irq *irq, struct loop *loop, struct error *err);
void rtc_reset(struct rtc *rtc);
void rtc_destroy(struct rtc *rtc);
