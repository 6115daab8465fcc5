/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packet.c - IP packets of guests, read with care, and those that are written for them.
 *
 * A packet's headers are copied once and then only looked at in the copy. Its lengths are checked
 * against the frame here: what is behind this file may rely on l4_bytes bytes being there.
 * Sums are of 16-bit words in memory order, which makes them the same on all hosts (RFC 1071 §2).
 */
#include "net/way-out/way.h"

#include <net/ethernet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>

#include "base/parts.h"

#define DEFAULT_HOPS  64
#define FRAGMENT_BITS 0x3fff /* more follow, or it is not the first */
#define PSEUDO_IP4    12
#define PSEUDO_IP6    40

/* --- sums ------------------------------------------------------------------------------------- */

uint16_t way_fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

uint64_t way_sum(const void *bytes, size_t length)
{
	const uint8_t *at = bytes;
	uint64_t sums[4] = { 0 };
	uint32_t words[4];

	/* Four at a time, which compilers make vectors of. Frames are too short to overflow. */
	for (; length >= sizeof(words); at += sizeof(words), length -= sizeof(words)) {
		memcpy(words, at, sizeof(words));
		for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
			sums[i] += words[i];
	}
	memset(words, 0, sizeof(words));
	memcpy(words, at, length);
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		sums[0] += words[i];
	return sums[0] + sums[1] + sums[2] + sums[3];
}

/* What begins at an odd place counts with its halves exchanged. */
static uint64_t at_place(uint64_t sum, size_t place)
{
	uint16_t folded = way_fold(sum);

	return place & 1 ? (uint16_t)(folded << 8 | folded >> 8) : folded;
}

uint64_t way_sum_parts(const struct iovec *parts, unsigned nr, size_t skip, size_t size)
{
	uint64_t sum = 0;
	size_t place = 0;

	for (unsigned i = 0; i < nr && place < size; i++) {
		size_t length = parts[i].iov_len;

		if (skip >= length) {
			skip -= length;
			continue;
		}
		length -= skip;
		if (length > size - place)
			length = size - place;
		sum += at_place(way_sum((uint8_t *)parts[i].iov_base + skip, length), place);
		place += length;
		skip = 0;
	}
	return sum;
}

uint64_t way_sum_pseudo(
	const struct in6_addr *from, const struct in6_addr *to, uint8_t protocol, size_t bytes)
{
	uint8_t pseudo[PSEUDO_IP6] = { 0 };

	if (way_is_ip4(from)) {
		memcpy(pseudo, &from->s6_addr[12], 4);
		memcpy(pseudo + 4, &to->s6_addr[12], 4);
		pseudo[9] = protocol;
		way_put16(pseudo + 10, (uint16_t)bytes);
		return way_sum(pseudo, PSEUDO_IP4);
	}
	memcpy(pseudo, from, sizeof(*from));
	memcpy(pseudo + 16, to, sizeof(*to));
	way_put32(pseudo + 32, (uint32_t)bytes);
	pseudo[39] = protocol;
	return way_sum(pseudo, PSEUDO_IP6);
}

/* --- reading ---------------------------------------------------------------------------------- */

static size_t copy_head(const struct net_frame *frame, uint8_t *to, size_t size)
{
	size_t done = 0;

	for (unsigned i = 0; i < frame->nr_parts && done < size; i++) {
		size_t n = frame->parts[i].iov_len;

		n = n < size - done ? n : size - done;
		memcpy(to + done, frame->parts[i].iov_base, n);
		done += n;
	}
	return done;
}

static bool parse_ip4(struct way_packet *p, size_t room, size_t bytes)
{
	const struct iphdr *ip = (const void *)p->l3;
	struct in_addr address;
	size_t size, header;

	if (room < sizeof(*ip) || ip->version != 4)
		return false;
	header = ip->ihl * 4u;
	size = ntohs(ip->tot_len);
	if (header < sizeof(*ip) || header > room || size < header || size > bytes ||
		way_fold(way_sum(ip, header)) != 0xffff)
		return false;
	p->id = ntohs(ip->id);
	p->fragment = ntohs(ip->frag_off) & FRAGMENT_BITS;
	memcpy(&address, &ip->saddr, sizeof(address));
	p->from = way_map(address);
	memcpy(&address, &ip->daddr, sizeof(address));
	p->to = way_map(address);
	p->protocol = ip->protocol;
	p->hops = ip->ttl;
	p->l3_bytes = size;
	p->l4 = p->l3 + header;
	p->l4_bytes = size - header;
	return true;
}

static bool parse_ip6(struct way_packet *p, size_t room, size_t bytes)
{
	const struct ip6_hdr *ip = (const void *)p->l3;
	size_t size;

	if (room < sizeof(*ip) || p->l3[0] >> 4 != 6)
		return false;
	size = ntohs(ip->ip6_plen);
	if (sizeof(*ip) + size > bytes)
		return false;
	memcpy(&p->from, &ip->ip6_src, sizeof(p->from));
	memcpy(&p->to, &ip->ip6_dst, sizeof(p->to));
	/* On the wire they are nobody's, and for us IPv4's (RFC 4942 §2.2). */
	if (way_is_ip4(&p->from) || way_is_ip4(&p->to))
		return false;
	/* No extension headers: what needs them is not for us (RFC 8200 §4). */
	p->protocol = ip->ip6_nxt;
	p->hops = ip->ip6_hlim;
	p->l3_bytes = sizeof(*ip) + size;
	p->l4 = p->l3 + sizeof(*ip);
	p->l4_bytes = size;
	p->is_ip6 = true;
	return true;
}

bool way_packet_parse(const struct net_frame *frame, struct way_packet *p)
{
	size_t bytes = 0;
	uint16_t type;

	for (unsigned i = 0; i < frame->nr_parts; i++)
		bytes += frame->parts[i].iov_len;
	p->frame = frame;
	p->is_ip6 = false;
	p->fragment = 0;
	p->head_bytes = copy_head(frame, p->head, sizeof(p->head));
	p->l3 = p->head + NET_HEADER_BYTES;
	type = way_get16(p->head + NET_HEADER_BYTES - 2);
	memcpy(p->mac, p->head + NET_MAC_BYTES, sizeof(p->mac));
	if (type == ETHERTYPE_IP)
		return parse_ip4(p, p->head_bytes - NET_HEADER_BYTES, bytes - NET_HEADER_BYTES);
	return type == ETHERTYPE_IPV6 &&
		parse_ip6(p, p->head_bytes - NET_HEADER_BYTES, bytes - NET_HEADER_BYTES);
}

unsigned way_packet_parts(const struct way_packet *packet, size_t skip, size_t size,
	struct iovec parts[NET_PARTS_MAX])
{
	return parts_slice(packet->frame->parts, packet->frame->nr_parts,
		(size_t)(packet->l4 - packet->head) + skip, size, parts, NULL);
}

void way_packet_copy(const struct way_packet *packet, size_t skip, void *to, size_t size)
{
	struct iovec parts[NET_PARTS_MAX];
	struct net_frame rest = { .parts = parts };

	rest.nr_parts = way_packet_parts(packet, skip, size, parts);
	copy_head(&rest, to, size);
}

bool way_packet_sum_is_right(const struct way_packet *p)
{
	bool is_there = p->protocol != IPPROTO_ICMP;
	uint64_t sum = 0;

	if (p->frame->offload.flags & (VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID))
		return true;
	/* UDP over IPv4 need not have one. */
	if (p->protocol == IPPROTO_UDP && !p->is_ip6 && p->l4_bytes >= WAY_UDP_BYTES &&
		!way_get16(p->l4 + 6))
		return true;
	if (is_there)
		sum = way_sum_pseudo(&p->from, &p->to, p->protocol, p->l4_bytes);
	sum += way_sum_parts(
		p->frame->parts, p->frame->nr_parts, (size_t)(p->l4 - p->head), p->l4_bytes);
	return way_fold(sum) == 0xffff;
}

/* --- writing ---------------------------------------------------------------------------------- */

size_t way_scatter(const void *bytes, size_t length, const struct net_frame *frame)
{
	size_t done = 0;

	for (unsigned i = 0; i < frame->nr_parts && done < length; i++) {
		size_t size = frame->parts[i].iov_len;

		if (size > length - done)
			size = length - done;
		memcpy(frame->parts[i].iov_base, (const uint8_t *)bytes + done, size);
		done += size;
	}
	return done;
}

size_t way_room(const struct net_frame *frame)
{
	size_t room = 0;

	for (unsigned i = 0; i < frame->nr_parts; i++)
		room += frame->parts[i].iov_len;
	return room;
}

static void put_ip4(struct way *way, uint8_t *at, const struct in6_addr *from,
	const struct in6_addr *to, uint8_t protocol, size_t bytes)
{
	struct iphdr ip = { .version = 4, .ihl = 5, .ttl = DEFAULT_HOPS, .protocol = protocol };

	ip.tot_len = htons((uint16_t)(sizeof(ip) + bytes));
	ip.id = htons(way->ip_id++);
	ip.frag_off = htons(IP_DF);
	ip.saddr = way_unmap(from).s_addr;
	ip.daddr = way_unmap(to).s_addr;
	ip.check = (uint16_t)~way_fold(way_sum(&ip, sizeof(ip)));
	memcpy(at, &ip, sizeof(ip));
}

static void put_ip6(uint8_t *at, const struct in6_addr *from, const struct in6_addr *to,
	uint8_t protocol, size_t bytes)
{
	struct ip6_hdr ip = { .ip6_nxt = protocol };

	ip.ip6_vfc = 0x60;
	ip.ip6_plen = htons((uint16_t)bytes);
	/* Neighbours speak with the most hops only (RFC 4861 §7.1). */
	ip.ip6_hlim = protocol == IPPROTO_ICMPV6 ? 255 : DEFAULT_HOPS;
	ip.ip6_src = *from;
	ip.ip6_dst = *to;
	memcpy(at, &ip, sizeof(ip));
}

size_t way_put_ip(struct way *way, uint8_t *to, const struct in6_addr *from,
	const struct in6_addr *dest, uint8_t protocol, size_t bytes)
{
	if (way_is_ip4(from)) {
		put_ip4(way, to, from, dest, protocol, bytes);
		return WAY_IP4_BYTES;
	}
	put_ip6(to, from, dest, protocol, bytes);
	return WAY_IP6_BYTES;
}

static void put_ethernet(
	struct way *way, uint8_t *to, const uint8_t mac[NET_MAC_BYTES], bool is_ip4)
{
	memcpy(to, mac, NET_MAC_BYTES);
	memcpy(to + NET_MAC_BYTES, way->mac, NET_MAC_BYTES);
	way_put16(to + NET_HEADER_BYTES - 2, is_ip4 ? ETHERTYPE_IP : ETHERTYPE_IPV6);
}

size_t way_put_headers(struct way *way, uint8_t *to, const uint8_t mac[NET_MAC_BYTES],
	const struct in6_addr *far, const struct in6_addr *guest, uint8_t protocol, size_t bytes)
{
	put_ethernet(way, to, mac, way_is_ip4(far));
	return NET_HEADER_BYTES +
		way_put_ip(way, to + NET_HEADER_BYTES, far, guest, protocol, bytes);
}

void way_answer(struct way *way, const void *frame, size_t length)
{
	net_ring_push(&way->ring, frame, length);
}

/*
 * One fragment: `size` bytes at `data`, which are `offset` bytes behind the start of the packet's
 * payload. The headers overwrite what is in front of it, which has been sent.
 */
static void answer_fragment(struct way *way, const uint8_t mac[NET_MAC_BYTES],
	const struct in6_addr *far, const struct in6_addr *guest, uint8_t protocol, uint8_t *data,
	size_t size, size_t offset, bool is_last, uint16_t id)
{
	bool is_ip4 = way_is_ip4(far);
	size_t headers = NET_HEADER_BYTES +
		(is_ip4 ? WAY_IP4_BYTES : WAY_IP6_BYTES + sizeof(struct ip6_frag));
	uint8_t *frame = data - headers, *ip = frame + NET_HEADER_BYTES;
	struct ip6_frag fragment = { .ip6f_nxt = protocol, .ip6f_ident = htonl(id) };
	uint16_t sum;

	put_ethernet(way, frame, mac, is_ip4);
	if (is_ip4) {
		put_ip4(way, ip, far, guest, protocol, size);
		way_put16(ip + 4, id);
		way_put16(ip + 6, (uint16_t)(offset / 8 | (is_last ? 0 : IP_MF)));
		way_put16(ip + 10, 0);
		sum = (uint16_t)~way_fold(way_sum(ip, WAY_IP4_BYTES));
		memcpy(ip + 10, &sum, sizeof(sum));
	} else {
		put_ip6(ip, far, guest, IPPROTO_FRAGMENT, sizeof(fragment) + size);
		ip[7] = DEFAULT_HOPS;
		fragment.ip6f_offlg = htons((uint16_t)(offset | !is_last));
		memcpy(ip + WAY_IP6_BYTES, &fragment, sizeof(fragment));
	}
	way_answer(way, frame, headers + size);
}

void way_answer_packet(struct way *way, const uint8_t mac[NET_MAC_BYTES],
	const struct in6_addr *far, const struct in6_addr *guest, uint8_t protocol, uint8_t *l4,
	size_t bytes, size_t sum_place)
{
	size_t ip_bytes = way_is_ip4(far) ? WAY_IP4_BYTES : WAY_IP6_BYTES;
	size_t most = (way->port.mtu - ip_bytes - sizeof(struct ip6_frag)) / 8 * 8;
	uint64_t sum = 0;
	uint16_t check, id;

	if (protocol != IPPROTO_ICMP)
		sum = way_sum_pseudo(far, guest, protocol, bytes);
	memset(l4 + sum_place, 0, sizeof(check));
	check = (uint16_t)~way_fold(sum + way_sum(l4, bytes));
	/* 0 means "none" in UDP; both are zero in this arithmetic. */
	check = check ? check : 0xffff;
	memcpy(l4 + sum_place, &check, sizeof(check));
	if (ip_bytes + bytes <= way->port.mtu) {
		uint8_t *frame = l4 - ip_bytes - NET_HEADER_BYTES;

		way_put_headers(way, frame, mac, far, guest, protocol, bytes);
		way_answer(way, frame, NET_HEADER_BYTES + ip_bytes + bytes);
		return;
	}
	id = way->ip_id++;
	for (size_t offset = 0; offset < bytes; offset += most) {
		size_t left = bytes - offset;

		answer_fragment(way, mac, far, guest, protocol, l4 + offset,
			left < most ? left : most, offset, left <= most, id);
	}
}

void way_finish_sum(struct way *way, struct net_frame *frame, const struct way_key *key,
	uint8_t *head, size_t l4, size_t head_bytes, size_t bytes, size_t sum_place)
{
	uint64_t sum = way_sum_pseudo(&key->far, &key->guest, (uint8_t)key->protocol, bytes);
	bool leaves_it = way->offloads & NET_OFFLOAD_CHECKSUM;
	uint16_t check;

	frame->offload = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_DATA_VALID };
	if (leaves_it) {
		frame->offload.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		frame->offload.csum_start = (uint16_t)l4;
		frame->offload.csum_offset = (uint16_t)sum_place;
		check = way_fold(sum);
	} else {
		sum += way_sum(head + l4, head_bytes - l4) +
			way_sum_parts(frame->parts, frame->nr_parts, head_bytes,
				bytes - (head_bytes - l4));
		check = (uint16_t)~way_fold(sum);
		check = check ? check : 0xffff;
	}
	memcpy(head + l4 + sum_place, &check, sizeof(check));
}
