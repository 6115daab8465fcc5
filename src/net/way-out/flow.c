/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flow.c - the table of flows: who talks with whom, in which order they were last heard, who waits
 * to send to a guest, and what is to happen when.
 *
 * A flow is in use from way_flow_new() to way_flow_free(): then it is in its bucket, in the list
 * `used`, and owns its socket; besides it may be in `waiting` and in a slot of the wheel. Buckets
 * are found by a keyed hash, so that no guest can make them long.
 *
 * The wheel has WAY_SLOTS slots of 2^WAY_TICK_SHIFT ns. A flow is in the slot of its deadline, or,
 * if that is more than a turn away, in the last one before us. Making a deadline later moves
 * nothing: when the slot comes, the flow moves on. The loop's timer is armed for the next slot that
 * has somebody in it, so an idle network wakes nobody more often than every 17 s.
 */
#include "net/way-out/way.h"

#include <assert.h>
#include <sys/mman.h>
#include <sys/socket.h>

static_assert((WAY_BUCKETS & (WAY_BUCKETS - 1)) == 0, "a hash is cut by a mask");

/* --- hashes ----------------------------------------------------------------------------------- */

static inline uint64_t rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

/* Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012). */
static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

uint64_t way_hash(const uint64_t key[2], const void *bytes, size_t length)
{
	uint64_t v[4] = { key[0] ^ UINT64_C(0x736f6d6570736575),
		key[1] ^ UINT64_C(0x646f72616e646f6d), key[0] ^ UINT64_C(0x6c7967656e657261),
		key[1] ^ UINT64_C(0x7465646279746573) };
	const uint8_t *at = bytes;
	uint64_t word;

	for (size_t left = length;; at += sizeof(word), left -= sizeof(word)) {
		bool is_last = left < sizeof(word);

		word = is_last ? (uint64_t)length << 56 : 0;
		memcpy(&word, at, is_last ? left : sizeof(word));
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
		if (is_last)
			break;
	}
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* --- the wheel -------------------------------------------------------------------------------- */

static uint64_t tick_of(int64_t ns)
{
	return (uint64_t)ns >> WAY_TICK_SHIFT;
}

/* The wheel's timer goes off when `tick` is over, or earlier. */
static void arm_wheel(struct way *way, uint64_t tick)
{
	if (way->wheel_armed && way->wheel_armed <= tick)
		return;
	way->wheel_armed = tick;
	loop_timer_start(way->loop, &way->wheel_timer,
		(int64_t)((tick + 1) << WAY_TICK_SHIFT) - way->now_ns);
}

static void put_in_wheel(struct way_flow *flow)
{
	struct way *way = flow->way;
	uint64_t tick = tick_of(flow->deadline_ns);

	if (tick <= way->tick)
		tick = way->tick + 1;
	if (tick >= way->tick + WAY_SLOTS)
		tick = way->tick + WAY_SLOTS - 1;
	flow->slot_tick = tick;
	way_list_append(&way->slots[tick % WAY_SLOTS], &flow->timer);
	way->nr_timers++;
	arm_wheel(way, tick);
}

static void take_from_wheel(struct way_flow *flow)
{
	if (!flow->timer.next)
		return;
	way_list_remove(&flow->timer);
	flow->way->nr_timers--;
}

void way_flow_set_timer(struct way_flow *flow, int64_t delay_ns)
{
	flow->deadline_ns = flow->way->now_ns + delay_ns;
	if (flow->timer.next && tick_of(flow->deadline_ns) >= flow->slot_tick)
		return;
	take_from_wheel(flow);
	/* An idle wheel has stood still. */
	if (!flow->way->nr_timers)
		flow->way->tick = tick_of(flow->way->now_ns);
	put_in_wheel(flow);
}

static void turn_slot(struct way *way)
{
	struct way_link *slot = &way->slots[++way->tick % WAY_SLOTS];
	struct way_link due;

	/* What comes back into this slot waits for its next turn. */
	way_list_init(&due);
	while (!way_list_is_empty(slot)) {
		struct way_link *link = slot->next;

		way_list_remove(link);
		way_list_append(&due, link);
	}
	while (!way_list_is_empty(&due)) {
		struct way_flow *flow = container_of(due.next, struct way_flow, timer);

		take_from_wheel(flow);
		if (tick_of(flow->deadline_ns) > way->tick)
			put_in_wheel(flow);
		else
			flow->ops->expired(flow);
	}
}

static void wheel_expired(struct loop_timer *timer)
{
	struct way *way = container_of(timer, struct way, wheel_timer);

	way_look_at_clock(way);
	way->wheel_armed = 0;
	while (way->nr_timers && way->tick + 1 < tick_of(way->now_ns))
		turn_slot(way);
	for (uint64_t i = 1; way->nr_timers && i < WAY_SLOTS; i++) {
		if (way_list_is_empty(&way->slots[(way->tick + i) % WAY_SLOTS]))
			continue;
		arm_wheel(way, way->tick + i);
		break;
	}
	way_tell(way);
}

/* --- the table -------------------------------------------------------------------------------- */

static struct way_flow **bucket_of(struct way *way, uint32_t hash)
{
	return &way->buckets[hash & (WAY_BUCKETS - 1)];
}

struct way_flow *way_flow_find(struct way *way, const struct way_key *key)
{
	uint32_t hash = (uint32_t)way_hash(way->key, key, sizeof(*key));
	struct way_flow *flow = *bucket_of(way, hash);

	while (flow && (flow->hash != hash || memcmp(&flow->key, key, sizeof(*key))))
		flow = flow->next_in_bucket;
	return flow;
}

bool way_flow_evict(struct way *way, const struct way_guest *guest)
{
	enum { LOOK_AT_MAX = 64 };
	struct way_link *link = way->used.next;

	for (unsigned i = 0; i < LOOK_AT_MAX && link != &way->used; i++, link = link->next) {
		struct way_flow *flow = container_of(link, struct way_flow, used);

		if (way->now_ns - flow->used_ns < flow->ops->evict_ns ||
			(guest && flow->guest != guest))
			continue;
		flow->ops->evict(flow);
		way_flow_free(flow);
		return true;
	}
	return false;
}

static struct way_flow *take_unused(struct way *way)
{
	struct way_flow *flow = way->unused;

	if (flow)
		way->unused = flow->next_in_bucket;
	else if (way->nr_touched < WAY_FLOWS_MAX)
		flow = &way->flows[way->nr_touched++];
	return flow;
}

int way_socket(struct way *way, int family, int type, int protocol)
{
	int fd;

	do
		fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	while (fd < 0 && (errno == EMFILE || errno == ENFILE) && way_flow_evict(way, NULL));
	return fd < 0 ? -errno : fd;
}

static void flow_ready(struct loop_source *source, uint32_t events)
{
	struct way_flow *flow = way_flow_of(source);
	struct way *way = flow->way;

	way_look_at_clock(way);
	flow->ops->ready(flow, events);
	way_tell(way);
}

struct way_flow *way_flow_new(struct way *way, const struct way_key *key,
	const struct way_flow_ops *ops, int fd, uint32_t events)
{
	struct way_guest *guest = way_guest_find(way, &key->guest);
	struct way_flow *flow = NULL, **bucket;

	if (!guest || guest->nr_flows < WAY_GUEST_FLOWS || way_flow_evict(way, guest)) {
		flow = take_unused(way);
		if (!flow && way_flow_evict(way, NULL))
			flow = take_unused(way);
	}
	if (!flow) {
		cleanup_close(&fd);
		return NULL;
	}
	*flow = (struct way_flow){ .way = way, .ops = ops, .key = *key, .guest = guest };
	flow->source = (struct loop_source){ .ready = flow_ready, .fd = fd };
	flow->hash = (uint32_t)way_hash(way->key, key, sizeof(*key));
	bucket = bucket_of(way, flow->hash);
	flow->next_in_bucket = *bucket;
	*bucket = flow;
	way_list_append(&way->used, &flow->used);
	flow->used_ns = way->now_ns;
	if (guest) {
		guest->nr_flows++;
		memcpy(flow->mac, guest->mac, sizeof(flow->mac));
	}
	if (fd >= 0 && loop_add(way->loop, &flow->source, events) < 0) {
		way_flow_free(flow);
		return NULL;
	}
	return flow;
}

void way_flow_free(struct way_flow *flow)
{
	struct way *way = flow->way;
	struct way_flow **p = bucket_of(way, flow->hash);

	while (*p != flow)
		p = &(*p)->next_in_bucket;
	*p = flow->next_in_bucket;
	way_list_remove(&flow->used);
	way_list_remove(&flow->waiting);
	take_from_wheel(flow);
	loop_remove(way->loop, &flow->source);
	cleanup_close(&flow->source.fd);
	if (flow->guest)
		flow->guest->nr_flows--;
	flow->ops = NULL;
	flow->next_in_bucket = way->unused;
	way->unused = flow;
}

void way_flow_touch(struct way_flow *flow)
{
	flow->used_ns = flow->way->now_ns;
	way_list_remove(&flow->used);
	way_list_append(&flow->way->used, &flow->used);
}

void way_flow_queue(struct way_flow *flow)
{
	if (!flow->waiting.next)
		way_list_append(&flow->way->waiting, &flow->waiting);
}

/* --- all of them ------------------------------------------------------------------------------ */

int way_flows_init(struct way *way, struct error *err)
{
	way_list_init(&way->used);
	way_list_init(&way->waiting);
	for (size_t i = 0; i < WAY_SLOTS; i++)
		way_list_init(&way->slots[i]);
	way->wheel_timer.expired = wheel_expired;
	way->flows = calloc(WAY_FLOWS_MAX, sizeof(*way->flows));
	way->buckets = calloc(WAY_BUCKETS, sizeof(struct way_flow *));
	return way->flows && way->buckets ? 0 : error_oom(err);
}

void way_flows_free(struct way *way)
{
	while (way->used.next && !way_list_is_empty(&way->used))
		way_flow_free(container_of(way->used.next, struct way_flow, used));
	loop_timer_cancel(way->loop, &way->wheel_timer);
	free(way->flows);
	free(way->buckets);
}
