/* SPDX-License-Identifier: Apache-2.0 */
/*
 * offload.c - the work that one side of a port left undone, done in software: segments of TCP
 * (RFC 9293, RFC 8200, with the header of virtio 1.2 §5.1.6.2) and their checksums. What the
 * frame says of itself is held against its length before anything is read or written by it.
 */
#include "net/offload.h"

#include <string.h>

enum {
	TYPE = 12, /* in the frame */
	IP4_BYTES = 20,
	IP4_LENGTH = 2, /* in IPv4's header */
	IP4_ID = 4,
	IP4_PROTOCOL = 9,
	IP4_CHECKSUM = 10,
	IP4_ADDRESSES = 12,
	IP6_BYTES = 40,
	IP6_LENGTH = 4, /* in IPv6's header */
	IP6_ADDRESSES = 8,
	TCP_BYTES = 20,
	TCP_SEQUENCE = 4, /* in TCP's header */
	TCP_OFFSET = 12,
	TCP_FLAGS = 13,
	TCP_CHECKSUM = 16,
};

#define TCP_FIN 0x01
#define TCP_PSH 0x08
#define TCP_CWR 0x80

#define TYPE_IP4  0x0800
#define TYPE_IP6  0x86dd
#define TYPE_VLAN 0x8100

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

/* --- what is to be done ----------------------------------------------------------------------- */

/* Where IP begins, and what it is: 0 if that is not to be seen. */
static unsigned find_ip(const uint8_t *frame, size_t length, unsigned *ret_type)
{
	unsigned at = NET_HEADER_BYTES;

	if (length < NET_HEADER_BYTES + 4)
		return 0;
	*ret_type = get16(frame + TYPE);
	if (*ret_type == TYPE_VLAN) {
		*ret_type = get16(frame + at + 2);
		at += 4;
	}
	return at;
}

/* The headers of a segment: where TCP begins has to be where the checksum does. */
static int find_headers(struct net_segments *s, const struct virtio_net_hdr *offload)
{
	unsigned type = 0, ip = find_ip(s->frame, s->length, &type), tcp = offload->csum_start;
	bool wants_ip6 = (offload->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) == VIRTIO_NET_HDR_GSO_TCPV6;
	unsigned ip_bytes = wants_ip6 ? IP6_BYTES : IP4_BYTES;

	if (!ip || type != (wants_ip6 ? TYPE_IP6 : TYPE_IP4) || ip + ip_bytes > s->length)
		return -EINVAL;
	if (!wants_ip6) {
		ip_bytes = (s->frame[ip] & 15) * 4u;
		if (s->frame[ip] >> 4 != 4 || ip_bytes < IP4_BYTES ||
			s->frame[ip + IP4_PROTOCOL] != IPPROTO_TCP)
			return -EINVAL;
	} else if (s->frame[ip] >> 4 != 6) {
		return -EINVAL;
	}
	/* Behind IPv6 there may be extension headers, which every segment gets. */
	if (wants_ip6 ? tcp < ip + ip_bytes : tcp != ip + ip_bytes)
		return -EINVAL;
	if (tcp + TCP_BYTES > s->length || offload->csum_offset != TCP_CHECKSUM)
		return -EINVAL;
	s->header_bytes = tcp + (s->frame[tcp + TCP_OFFSET] >> 4) * 4u;
	if (s->header_bytes < tcp + TCP_BYTES || s->header_bytes > NET_SEGMENT_HEADER_MAX)
		return -EINVAL;
	s->ip = ip;
	s->tcp = tcp;
	s->is_ip6 = wants_ip6;
	return 0;
}

int net_segments_start(struct net_segments *s, const uint8_t *frame, size_t length,
	const struct virtio_net_hdr *offload)
{
	int r;

	*s = (struct net_segments){
		.frame = frame, .length = length, .segment_bytes = offload->gso_size
	};
	if (!(offload->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || !s->segment_bytes)
		return -EINVAL;
	switch (offload->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
	case VIRTIO_NET_HDR_GSO_TCPV6:
		r = find_headers(s, offload);
		break;
	default:
		r = -EINVAL;
	}
	if (r < 0)
		return r;
	if (s->header_bytes >= length ||
		(length - s->header_bytes + s->segment_bytes - 1) / s->segment_bytes >
			NET_SEGMENTS_MAX)
		return -EINVAL;
	return 0;
}

int net_offload_check(const uint8_t *frame, size_t length, const struct virtio_net_hdr *offload)
{
	struct net_segments s;
	size_t place = (size_t)offload->csum_start + offload->csum_offset;

	if (offload->gso_type != VIRTIO_NET_HDR_GSO_NONE)
		return net_segments_start(&s, frame, length, offload);
	if (!(offload->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return 0;
	return offload->csum_start >= NET_HEADER_BYTES && offload->csum_start < length &&
			place + 2 <= length
		? 0
		: -EINVAL;
}

unsigned net_offload_needs(const struct virtio_net_hdr *offload)
{
	unsigned needs = offload->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM ? NET_OFFLOAD_CHECKSUM : 0;

	if (offload->gso_type & VIRTIO_NET_HDR_GSO_ECN)
		needs |= NET_OFFLOAD_TSO_ECN;
	switch (offload->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return needs | NET_OFFLOAD_TSO4;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return needs | NET_OFFLOAD_TSO6;
	default:
		return needs;
	}
}

/* --- doing it --------------------------------------------------------------------------------- */

/* IPv4's header has a checksum of its own, and a number for each packet. */
static void finish_ip4(const struct net_segments *s, uint8_t *ip, size_t packet_bytes)
{
	unsigned sum;

	put16(ip + IP4_LENGTH, (unsigned)packet_bytes);
	put16(ip + IP4_ID, get16(ip + IP4_ID) + s->nr_done);
	memset(ip + IP4_CHECKSUM, 0, 2);
	sum = (uint16_t)~net_sum(0, ip, s->tcp - s->ip);
	memcpy(ip + IP4_CHECKSUM, &(uint16_t){ (uint16_t)sum }, 2);
}

static void finish_tcp(const struct net_segments *s, uint8_t *header, const uint8_t *bytes,
	size_t nr, bool is_last)
{
	uint8_t *tcp = header + s->tcp;
	uint8_t pseudo[4] = { 0, IPPROTO_TCP };
	uint16_t sum;

	put32(tcp + TCP_SEQUENCE, get32(tcp + TCP_SEQUENCE) + (uint32_t)s->done);
	if (!is_last)
		tcp[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	/* RFC 3168 §6.1.2: said once. */
	if (s->nr_done)
		tcp[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
	put16(pseudo + 2, (unsigned)(s->header_bytes - s->tcp + nr));
	memset(tcp + TCP_CHECKSUM, 0, 2);
	sum = net_sum(0, pseudo, sizeof(pseudo));
	sum = net_sum(sum, header + s->ip + (s->is_ip6 ? IP6_ADDRESSES : IP4_ADDRESSES),
		s->is_ip6 ? 32 : 8);
	sum = net_sum(sum, tcp, s->header_bytes - s->tcp);
	sum = (uint16_t)~net_sum(sum, bytes, nr);
	memcpy(tcp + TCP_CHECKSUM, &sum, 2);
}

size_t net_segments_next(
	struct net_segments *s, uint8_t header[NET_SEGMENT_HEADER_MAX], const uint8_t **ret_bytes)
{
	size_t left = s->length - s->header_bytes - s->done;
	size_t nr = left < s->segment_bytes ? left : s->segment_bytes;
	const uint8_t *bytes = s->frame + s->header_bytes + s->done;

	if (!nr)
		return 0;
	memcpy(header, s->frame, s->header_bytes);
	if (s->is_ip6)
		put16(header + s->ip + IP6_LENGTH,
			(unsigned)(s->header_bytes - s->ip - IP6_BYTES + nr));
	else
		finish_ip4(s, header + s->ip, s->header_bytes - s->ip + nr);
	finish_tcp(s, header, bytes, nr, nr == left);
	s->done += nr;
	s->nr_done++;
	*ret_bytes = bytes;
	return nr;
}
