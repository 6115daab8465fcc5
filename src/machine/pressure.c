/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pressure.c - looks at the host each PERIOD, and asks the guest of a host that is short, or has
 * been, how much memory it can spare. A guest whose host has enough is not asked anything.
 *
 * All of it is the event loop's thread's, but for opening.
 */
#include "machine/pressure.h"

#include <assert.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "device/virtio/balloon.h"
#include "machine/virtio.h"

#define PERIOD_NS  (INT64_C(5) * 1000000000)
#define NR_AT_REST 3 /* periods at the beginning, in which a guest boots */
#define TOLD_NS                                                                                    \
	(2 * PERIOD_NS + PERIOD_NS / 2) /* what a guest told before that is not true now           \
					 */
#define TEXT_BYTES 4096

enum { STALLED, AVAILABLE };
static const char *const files[] = {
	[STALLED] = "/proc/pressure/memory",
	[AVAILABLE] = "/proc/meminfo",
};
static_assert(ARRAY_SIZE(files) == MACHINE_PRESSURE_FILES, "a descriptor for each");

static bool read_file(int fd, char text[TEXT_BYTES])
{
	ssize_t n = fd >= 0 ? pread(fd, text, TEXT_BYTES - 1, 0) : -1;

	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static struct pressure_host look_at_host(const struct machine *m)
{
	struct pressure_host host = { 0 };
	char text[TEXT_BYTES];

	if (read_file(m->pressure.fds[STALLED], text))
		pressure_parse_stalled(text, &host);
	if (read_file(m->pressure.fds[AVAILABLE], text))
		pressure_parse_available(text, &host);
	return host;
}

/* What it has told; it is asked again. */
static uint64_t ask_guest(struct virtio_balloon *balloon)
{
	struct virtio_balloon_stats stats;

	virtio_balloon_stats(balloon, &stats);
	return stats.time_ns && clock_monotonic_ns() - stats.time_ns <= TOLD_NS
		? stats.values[VIRTIO_BALLOON_S_AVAIL]
		: PRESSURE_NOT_TOLD;
}

static void set_balloon(struct machine *m, struct virtio_balloon *balloon)
{
	virtio_balloon_set_target(balloon, m->pressure.asked_bytes + m->pressure.state.taken_bytes);
}

static void look(struct loop_timer *timer)
{
	struct machine *m = container_of(timer, struct machine, pressure.timer);
	struct machine_pressure *p = &m->pressure;
	struct virtio_balloon *balloon = machine_virtio_find(m, &machine_virtio_balloon);
	const uint64_t before = p->state.taken_bytes;
	struct pressure_host host = look_at_host(m);

	loop_timer_start(&m->loop, timer, PERIOD_NS);
	if (p->nr_at_rest < NR_AT_REST) {
		p->nr_at_rest++;
		return;
	}
	if (!balloon || (!before && !pressure_is_short(&host)))
		return;
	pressure_decide(
		&p->state, &host, ask_guest(balloon), m->config.memory_bytes - p->asked_bytes);
	if (p->state.taken_bytes != before)
		set_balloon(m, balloon);
}

void machine_open_pressure(struct machine *m)
{
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		m->pressure.fds[i] = open(files[i], O_RDONLY | O_CLOEXEC);
}

void machine_close_pressure(struct machine *m)
{
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		cleanup_close(&m->pressure.fds[i]);
}

/* What a snapshot's balloon was asked for is what its owner wanted: a host's need is not saved
 * before the first periods have passed. */
void machine_watch_pressure(struct machine *m)
{
	struct virtio_balloon *balloon = machine_virtio_find(m, &machine_virtio_balloon);

	if (balloon)
		m->pressure.asked_bytes = virtio_balloon_target(balloon);
	m->pressure.timer.expired = look;
	loop_timer_start(&m->loop, &m->pressure.timer, PERIOD_NS);
}

void machine_ask_balloon(struct machine *m, uint64_t bytes)
{
	struct virtio_balloon *balloon = machine_virtio_find(m, &machine_virtio_balloon);
	const uint64_t left = m->config.memory_bytes - bytes;

	m->pressure.asked_bytes = bytes;
	if (m->pressure.state.taken_bytes > left)
		m->pressure.state.taken_bytes = left;
	set_balloon(m, balloon);
}
