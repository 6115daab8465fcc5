/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fragment.c - datagrams of guests that come in fragments (RFC 791 §3.2), as they do where the MTU
 * is small. Only those of IPv4; those of IPv6 have a header that we do not read.
 *
 * There are a few places to put them together in. A new datagram takes a free one, one whose
 * datagram has not come together in time, or the oldest: guests can lose each other's fragments,
 * and nothing else. A fragment that lies over another one ends its datagram (RFC 1858, RFC 5722 for
 * IPv6).
 */
#include "net/way-out/way.h"

#include <net/ethernet.h>
#include <netinet/ip.h>

#define TIME_NS (5 * WAY_SECOND)

static struct way_assembly *find(struct way *way, const struct way_packet *p)
{
	struct way_assembly *place = &way->assemblies[0];

	for (size_t i = 0; i < WAY_ASSEMBLIES; i++) {
		struct way_assembly *a = &way->assemblies[i];

		if (a->is_in_use && way->now_ns - a->begun_ns > TIME_NS)
			a->is_in_use = false;
		if (a->is_in_use && a->id == p->id && a->protocol == p->protocol &&
			way_is_same(&a->from, &p->from) && way_is_same(&a->to, &p->to))
			return a;
		if (place->is_in_use && (!a->is_in_use || a->begun_ns < place->begun_ns))
			place = a;
	}
	place->from = p->from;
	place->to = p->to;
	place->id = p->id;
	place->protocol = p->protocol;
	place->is_in_use = true;
	place->bytes = place->nr_blocks = place->highest = 0;
	place->begun_ns = way->now_ns;
	memset(place->blocks, 0, sizeof(place->blocks));
	return place;
}

/* false: some of them are there already. */
static bool mark(struct way_assembly *a, size_t first, size_t nr)
{
	for (size_t i = first; i < first + nr; i++) {
		uint64_t bit = UINT64_C(1) << i % 64;

		if (a->blocks[i / 64] & bit)
			return false;
		a->blocks[i / 64] |= bit;
	}
	a->nr_blocks += nr;
	return true;
}

/* A frame as if it had come at once. */
static void finish(struct way *way, struct way_assembly *a, const struct way_packet *p)
{
	uint8_t *ip = a->frame + NET_HEADER_BYTES;
	uint16_t sum;

	memcpy(a->frame, p->head, NET_HEADER_BYTES);
	way_put_ip(way, ip, &a->from, &a->to, a->protocol, a->bytes);
	/* A guest's packet may go no further than it has said. */
	ip[8] = p->hops;
	way_put16(ip + 10, 0);
	sum = (uint16_t)~way_fold(way_sum(ip, WAY_IP4_BYTES));
	memcpy(ip + 10, &sum, sizeof(sum));
}

bool way_fragment_input(struct way *way, const struct way_packet *p, struct iovec *ret)
{
	size_t offset = (p->fragment & IP_OFFMASK) * (size_t)WAY_BLOCK_BYTES;
	bool is_last = !(p->fragment & IP_MF);
	size_t end = offset + p->l4_bytes;
	size_t nr = (p->l4_bytes + WAY_BLOCK_BYTES - 1) / WAY_BLOCK_BYTES;
	struct way_assembly *a;

	if (!p->l4_bytes || end > UINT16_MAX - WAY_IP4_BYTES ||
		(!is_last && p->l4_bytes % WAY_BLOCK_BYTES))
		return false;
	a = find(way, p);
	/* Nothing lies behind the end, or places would be counted that do not fill it. */
	if ((is_last && (a->bytes || end < a->highest)) || (a->bytes && end > a->bytes) ||
		!mark(a, offset / WAY_BLOCK_BYTES, nr)) {
		a->is_in_use = false;
		return false;
	}
	if (end > a->highest)
		a->highest = end;
	if (is_last)
		a->bytes = end;
	way_packet_copy(p, 0, a->frame + NET_HEADER_BYTES + WAY_IP4_BYTES + offset, p->l4_bytes);
	if (!a->bytes || a->nr_blocks * WAY_BLOCK_BYTES < a->bytes)
		return false;
	a->is_in_use = false;
	finish(way, a, p);
	*ret = (struct iovec){ a->frame, NET_HEADER_BYTES + WAY_IP4_BYTES + a->bytes };
	return true;
}
