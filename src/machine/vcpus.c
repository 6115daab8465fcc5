/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vcpus.c - the threads of the vcpus: each runs its own until the machine wishes something else.
 *
 * A thread is in vcpu->ops->run(), or parked here, waiting on `changed`. Who wishes something kicks
 * them all; the last to be parked wakes the event loop, which does what was wished while nothing
 * else runs.
 */
#include "machine/internal.h"

#include <sys/ioctl.h>

#include "base/clock.h"
#include "base/rights.h"
#include "base/thread.h"

static void wake_loop(struct machine *m)
{
	uint64_t one = 1;

	(void)!write(m->wake_fd, &one, sizeof(one));
}

static void kick_all(struct machine *m)
{
	for (unsigned i = 0; i < m->config.nr_vcpus; i++)
		if (m->vcpus[i].vcpu)
			m->vcpus[i].vcpu->ops->kick(m->vcpus[i].vcpu);
	pthread_cond_broadcast(&m->changed);
	wake_loop(m);
}

void machine_wish(struct machine *m, enum machine_wish wish)
{
	if (m->wish >= wish)
		return;
	m->wish = wish;
	kick_all(m);
}

void machine_pause(struct machine *m, struct machine_pause *pause)
{
	pthread_mutex_lock(&m->lock);
	pause->is_quiet = false;
	pause->next = m->pauses;
	m->pauses = pause;
	kick_all(m);
	pthread_mutex_unlock(&m->lock);
}

void machine_unpause(struct machine *m, struct machine_pause *pause)
{
	struct machine_pause **p = &m->pauses;

	pthread_mutex_lock(&m->lock);
	while (*p != pause)
		p = &(*p)->next;
	*p = pause->next;
	if (!m->pauses && m->stood_ns) {
		m->board->skip_time(m, clock_monotonic_ns() - m->stood_ns);
		m->stood_ns = 0;
	}
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
}

void machine_pause_again(struct machine *m, struct machine_pause *pause)
{
	pthread_mutex_lock(&m->lock);
	pause->is_quiet = false;
	wake_loop(m);
	pthread_mutex_unlock(&m->lock);
}

/* What run() has come back with; with the lock held. */
static void stopped(struct machine_vcpu *v, enum vm_stop stop, const struct error *err)
{
	struct machine *m = v->machine;

	switch (stop) {
	case VM_STOP_KICKED:
		break;
	case VM_STOP_BREAKPOINT:
		v->has_met = true;
		break;
	case VM_STOP_OFF:
		v->is_off = true;
		break;
	case VM_STOP_ERROR:
		if (!m->error.code)
			m->error = *err;
		machine_wish(m, MACHINE_ENDS);
		break;
	}
}

static bool may_run(const struct machine_vcpu *v)
{
	const struct machine *m = v->machine;

	return m->wish == MACHINE_GOES_ON && !m->pauses && !v->is_off && !v->is_held && !v->has_met;
}

/* What devices do at a driver's word, on the vcpu's own thread. */
static const struct confine_call device_calls[] = {
	ALLOW(SYS_timerfd_settime), /* clocks; limits of disks */
	ALLOW(SYS_preadv2), /* what the page cache has of a disk */
	ALLOW(SYS_epoll_ctl), /* a device that is reset, and its sockets */
	ALLOW(SYS_close), ALLOW(SYS_sendto), /* requests to the server of shared folders... */
	ALLOW(SYS_recvfrom), /* ...which a reset waits for */
	ALLOW(SYS_fallocate), /* the balloon */
	ALLOW_EQUAL(SYS_ioctl, 1, TIOCGWINSZ), /* of a console */
};

static const struct confine_list device_list = CONFINE_LIST(device_calls);

static int confine_vcpu(const struct machine_vcpu *v, struct error *err)
{
	const struct machine *m = v->machine;
	const struct confine_list *const lists[] = {
		&device_list,
		v->vcpu->ops->calls,
		m->board->line_calls,
		machine_has_net(&m->config, MACHINE_NET_TAP) ? &net_tap_calls : NULL,
		machine_has_net(&m->config, MACHINE_NET_CABLE) ? &net_cable_calls : NULL,
	};
	int r = rights_drop(0);

	if (r < 0)
		return error_errno(err, r, "a vcpu's thread cannot give up rights");
	return confine_thread("vcpu", lists, ARRAY_SIZE(lists), err);
}

static void *run_vcpu(void *argument)
{
	struct machine_vcpu *v = argument;
	struct machine *m = v->machine;
	struct error err = { 0 };
	int r = confine_vcpu(v, &err);

	pthread_mutex_lock(&m->lock);
	if (r < 0)
		stopped(v, VM_STOP_ERROR, &err);
	while (m->wish != MACHINE_ENDS) {
		enum vm_stop stop;

		if (!may_run(v)) {
			v->is_running = false;
			wake_loop(m);
			pthread_cond_wait(&m->changed, &m->lock);
			continue;
		}
		v->is_running = true;
		pthread_mutex_unlock(&m->lock);
		stop = v->vcpu->ops->run(v->vcpu, &err);
		pthread_mutex_lock(&m->lock);
		stopped(v, stop, &err);
	}
	v->is_running = false;
	wake_loop(m);
	pthread_mutex_unlock(&m->lock);
	return NULL;
}

void machine_start_vcpu(struct machine *m, unsigned index)
{
	m->vcpus[index].is_off = false;
	pthread_cond_broadcast(&m->changed);
}

static int start_vcpus(struct machine *m, struct error *err)
{
	for (unsigned i = 0; i < m->config.nr_vcpus; i++) {
		int r = thread_start(&m->vcpus[i].thread, run_vcpu, &m->vcpus[i]);

		if (r < 0)
			return error_errno(err, r, "cannot start a thread for vcpu %u", i);
		m->nr_threads++;
	}
	return 0;
}

int machine_start_threads(struct machine *m, struct error *err)
{
	/* A request that is done interrupts the guest. */
	const struct confine_list *more = m->board->line_calls ? m->board->line_calls
							       : &confine_common;
	int r = m->disk_engine ? disk_engine_start(m->disk_engine, more, err) : 0;

	if (r == 0 && m->board->start_threads)
		r = m->board->start_threads(m, err);
	return r == 0 ? start_vcpus(m, err) : r;
}

void machine_join_vcpus(struct machine *m)
{
	while (m->nr_threads > 0)
		pthread_join(m->vcpus[--m->nr_threads].thread, NULL);
}
