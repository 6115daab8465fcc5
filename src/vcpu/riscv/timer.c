/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timer.c - mtime, and who wakes a hart when its time has come.
 *
 * A hart that sleeps in wfi wakes by itself. One that executes has left its deadline where the
 * clock's thread sees it, which sleeps until the next of all deadlines. A hart sets its own and
 * then looks at what the thread sleeps for; the thread says that it sleeps for nothing (NEVER) and
 * then looks at the deadlines: so one of the two sees the other.
 */
#include "vcpu/riscv/internal.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/confine.h"
#include "base/log.h"
#include "base/rights.h"
#include "base/thread.h"

#define NEVER	  UINT64_MAX
#define SECOND_NS 1000000000
/* So that no sum overflows, and a clock that was set back is seen some time. */
#define SLEEP_NS_MAX (INT64_C(3600) * SECOND_NS)

struct riscv_clock_thread {
	pthread_t id;
	pthread_mutex_t lock; /* of harts */
	struct riscv_hart *harts[VM_VCPUS_MAX];
	uint64_t next; /* what it sleeps for */
	uint32_t word; /* a futex; counts what should wake it */
	bool ends, is_started;
};

/* --- the clock ---------------------------------------------------------------------------------
 */

uint64_t riscv_clock_read(const struct riscv_clock *clock)
{
	uint64_t ns = (uint64_t)(clock_monotonic_ns() - clock->start_ns);

	return (uint64_t)((__uint128_t)ns * clock->frequency_hz / SECOND_NS);
}

void riscv_clock_set(struct riscv_clock *clock, uint64_t mtime)
{
	int64_t ns = (int64_t)((__uint128_t)mtime * SECOND_NS / clock->frequency_hz);

	clock->start_ns = clock_monotonic_ns() - ns;
}

static long futex(uint32_t *word, int operation, uint32_t value, const struct timespec *timeout)
{
	return syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, timeout, NULL, 0);
}

/* While *word is `value`, and `mtime` is not over. */
static void sleep_on(
	const struct riscv_clock *clock, uint32_t *word, uint32_t value, uint64_t mtime)
{
	uint64_t now = riscv_clock_read(clock);
	__uint128_t left_ns = SLEEP_NS_MAX;
	struct timespec timeout;

	if (mtime <= now)
		return;
	if (mtime != NEVER)
		left_ns = (__uint128_t)(mtime - now) * SECOND_NS / clock->frequency_hz + 1;
	if (left_ns > SLEEP_NS_MAX)
		left_ns = SLEEP_NS_MAX;
	timeout = (struct timespec){ (time_t)(left_ns / SECOND_NS), (long)(left_ns % SECOND_NS) };
	futex(word, FUTEX_WAIT, value, &timeout);
}

/* --- the thread --------------------------------------------------------------------------------
 */

/* Those whose deadline is over; returns the next one. */
static uint64_t wake_due(struct riscv_clock *clock)
{
	struct riscv_clock_thread *thread = clock->thread;
	uint64_t now = riscv_clock_read(clock), next = NEVER;

	pthread_mutex_lock(&thread->lock);
	for (unsigned i = 0; i < VM_VCPUS_MAX; i++) {
		struct riscv_hart *hart = thread->harts[i];
		uint64_t deadline;

		if (!hart)
			continue;
		deadline = __atomic_load_n(&hart->deadline, __ATOMIC_SEQ_CST);
		if (deadline > now) {
			if (deadline < next)
				next = deadline;
		} else if (__atomic_compare_exchange_n(&hart->deadline, &deadline, NEVER, false,
				   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
			riscv_hart_notify(hart);
		}
	}
	pthread_mutex_unlock(&thread->lock);
	return next;
}

static void *run(void *argument)
{
	struct riscv_clock *clock = argument;
	struct riscv_clock_thread *thread = clock->thread;

	/* All it does is to wait, and to wake harts. */
	if (rights_drop(0) < 0 || confine_thread("timers", NULL, 0, NULL) < 0)
		log_warning("the thread of the guest's timers cannot give up rights");
	while (!__atomic_load_n(&thread->ends, __ATOMIC_SEQ_CST)) {
		uint32_t word = __atomic_load_n(&thread->word, __ATOMIC_SEQ_CST);
		uint64_t next;

		__atomic_store_n(&thread->next, NEVER, __ATOMIC_SEQ_CST);
		next = wake_due(clock);
		__atomic_store_n(&thread->next, next, __ATOMIC_SEQ_CST);
		sleep_on(clock, &thread->word, word, next);
	}
	return NULL;
}

static void wake(struct riscv_clock_thread *thread)
{
	__atomic_fetch_add(&thread->word, 1, __ATOMIC_SEQ_CST);
	futex(&thread->word, FUTEX_WAKE, 1, NULL);
}

int riscv_clock_init(struct riscv_clock *clock, uint64_t frequency_hz, struct error *err)
{
	struct riscv_clock_thread *thread = calloc(1, sizeof(*thread));

	if (!thread)
		return error_set(err, ENOMEM, "no memory for a clock");
	pthread_mutex_init(&thread->lock, NULL);
	*clock = (struct riscv_clock){ frequency_hz, clock_monotonic_ns(), thread };
	return 0;
}

int riscv_clock_start(struct riscv_clock *clock, struct error *err)
{
	int r = thread_start(&clock->thread->id, run, clock);

	if (r < 0)
		return error_errno(err, r, "cannot start the thread of the guest's timers");
	clock->thread->is_started = true;
	return 0;
}

void riscv_clock_destroy(struct riscv_clock *clock)
{
	if (!clock->thread)
		return;
	__atomic_store_n(&clock->thread->ends, true, __ATOMIC_SEQ_CST);
	wake(clock->thread);
	if (clock->thread->is_started)
		pthread_join(clock->thread->id, NULL);
	pthread_mutex_destroy(&clock->thread->lock);
	free(clock->thread);
	clock->thread = NULL;
}

/* --- a hart's ----------------------------------------------------------------------------------
 */

int riscv_timer_add_hart(struct riscv_hart *hart)
{
	struct riscv_clock_thread *thread = hart->config.clock->thread;
	int r = -EINVAL;

	hart->deadline = NEVER;
	pthread_mutex_lock(&thread->lock);
	if (hart->config.index < VM_VCPUS_MAX && !thread->harts[hart->config.index]) {
		thread->harts[hart->config.index] = hart;
		r = 0;
	}
	pthread_mutex_unlock(&thread->lock);
	return r;
}

void riscv_timer_remove_hart(struct riscv_hart *hart)
{
	struct riscv_clock_thread *thread = hart->config.clock->thread;

	pthread_mutex_lock(&thread->lock);
	thread->harts[hart->config.index] = NULL;
	pthread_mutex_unlock(&thread->lock);
}

static bool has_timer(const struct riscv_hart *hart)
{
	return hart->csrs.menvcfg & ENVCFG_STCE;
}

bool riscv_timer_is_due(const struct riscv_hart *hart)
{
	return hart->csrs.stimecmp != NEVER &&
		riscv_clock_read(hart->config.clock) >= hart->csrs.stimecmp;
}

bool riscv_timer_is_armed(const struct riscv_hart *hart)
{
	return __atomic_load_n(&hart->deadline, __ATOMIC_RELAXED) != NEVER;
}

void riscv_timer_arm(struct riscv_hart *hart)
{
	struct riscv_clock_thread *thread = hart->config.clock->thread;
	uint64_t deadline = has_timer(hart) ? hart->csrs.stimecmp : NEVER;
	uint64_t counters = riscv_counters_deadline(hart);

	if (counters < deadline)
		deadline = counters;
	if (deadline != NEVER && deadline <= riscv_clock_read(hart->config.clock)) {
		/* No need for anybody else. */
		__atomic_store_n(&hart->deadline, NEVER, __ATOMIC_SEQ_CST);
		__atomic_fetch_or(&hart->cpu.cpu.interrupt, 1, __ATOMIC_SEQ_CST);
		return;
	}
	__atomic_store_n(&hart->deadline, deadline, __ATOMIC_SEQ_CST);
	if (deadline < __atomic_load_n(&thread->next, __ATOMIC_SEQ_CST))
		wake(thread);
}

void riscv_timer_sleep(struct riscv_hart *hart)
{
	bool wants_timer = has_timer(hart) && hart->csrs.mie & IRQ_BIT(RISCV_IRQ_STI);

	__atomic_store_n(&hart->deadline, NEVER, __ATOMIC_SEQ_CST);
	__atomic_store_n(&hart->is_sleeping, true, __ATOMIC_SEQ_CST);
	sleep_on(hart->config.clock, &hart->cpu.cpu.interrupt, 0,
		wants_timer ? hart->csrs.stimecmp : NEVER);
	__atomic_store_n(&hart->is_sleeping, false, __ATOMIC_SEQ_CST);
	riscv_timer_arm(hart);
}

void riscv_hart_set_timer(struct riscv_hart *hart, uint64_t mtime)
{
	hart->csrs.stimecmp = mtime;
	riscv_timer_arm(hart);
}

/* Here because a sleeping hart is woken by the same means. */
void riscv_hart_notify(struct riscv_hart *hart)
{
	__atomic_fetch_or(&hart->cpu.cpu.interrupt, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&hart->is_sleeping, __ATOMIC_SEQ_CST))
		futex(&hart->cpu.cpu.interrupt, FUTEX_WAKE, 1, NULL);
}
