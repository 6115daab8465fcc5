/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idle.c - a machine that does nothing gives back what it has for the guest's work: translated
 * code.
 *
 * The event loop looks now and then at how much processor time the vcpus' threads have used. When
 * it was next to nothing for PERIODS_IDLE looks in a row, the board is asked once to give back; and
 * again only after there was something to do in between.
 */
#include <pthread.h>
#include <time.h>

#include "machine/internal.h"

#define PERIOD_NS    (INT64_C(5) * 1000000000)
#define IDLE_NS	     (PERIOD_NS / 100) /* of all vcpus together, within one period */
#define PERIODS_IDLE 2

static int64_t used_ns(const struct machine *m)
{
	int64_t sum = 0;

	for (unsigned i = 0; i < m->nr_threads; i++) {
		struct timespec used;
		clockid_t clock;

		if (pthread_getcpuclockid(m->vcpus[i].thread, &clock) == 0 &&
			clock_gettime(clock, &used) == 0)
			sum += used.tv_sec * INT64_C(1000000000) + used.tv_nsec;
	}
	return sum;
}

static void look(struct loop_timer *timer)
{
	struct machine *m = container_of(timer, struct machine, idle.timer);
	int64_t used = used_ns(m);

	if (used - m->idle.used_ns > IDLE_NS)
		m->idle.nr_periods = 0;
	else if (m->idle.nr_periods < PERIODS_IDLE)
		m->idle.nr_periods++;
	/* One that could not just now is asked again. */
	if (m->idle.nr_periods == PERIODS_IDLE && m->board->give_back(m))
		m->idle.nr_periods++;
	m->idle.used_ns = used;
	loop_timer_start(&m->loop, timer, PERIOD_NS);
}

void machine_watch_idle(struct machine *m)
{
	if (!m->board->give_back)
		return;
	m->idle.timer.expired = look;
	loop_timer_start(&m->loop, &m->idle.timer, PERIOD_NS);
}
