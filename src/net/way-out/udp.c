/* SPDX-License-Identifier: Apache-2.0 */
/*
 * udp.c - a guest's datagrams. Each pair of addresses and ports is a flow with a connected socket,
 * so that the host's kernel takes answers of the far end only, and tells of its errors, which go to
 * the guest as ICMP. A flow is forgotten when nothing has passed for a while (RFC 4787 §4.3: two
 * minutes at least), one that asks a name server sooner.
 *
 * What comes to a published port is read by its listener (listen.c), and answered through it.
 *
 * Answers are read into the guest's buffers when it has some. What is larger than the MTU is not:
 * it is read behind the frame's end, and cut up.
 */
#include "net/way-out/way.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/parts.h"

#define IDLE_NS	    (180 * WAY_SECOND)
#define DNS_IDLE_NS (20 * WAY_SECOND)
#define EVENTS	    (EPOLLIN | (uint32_t)EPOLLET)
#define SUM_PLACE   6

static const struct way_flow_ops udp_ops;

static void heard(struct way_flow *flow)
{
	way_flow_touch(flow);
	way_flow_set_timer(flow, flow->udp.is_dns ? DNS_IDLE_NS : IDLE_NS);
}

static void put_udp(uint8_t *udp, const struct way_key *key, size_t bytes)
{
	way_put16(udp, key->far_port);
	way_put16(udp + 2, key->guest_port);
	way_put16(udp + 4, (uint16_t)bytes);
	way_put16(udp + SUM_PLACE, 0);
}

/* --- to guests -------------------------------------------------------------------------------- */

static uint8_t *place_of_datagram(struct way *way)
{
	return way->datagram + WAY_HEADERS_MAX + WAY_UDP_BYTES;
}

/* `size` bytes are in their place. */
static void answer_datagram(struct way_flow *flow, size_t size)
{
	struct way *way = flow->way;
	uint8_t *udp = way->datagram + WAY_HEADERS_MAX;

	put_udp(udp, &flow->key, WAY_UDP_BYTES + size);
	way_answer_packet(way, flow->mac, &flow->key.far, &flow->key.guest, IPPROTO_UDP, udp,
		WAY_UDP_BYTES + size, SUM_PLACE);
}

static size_t header_bytes(const struct way_flow *flow)
{
	return NET_HEADER_BYTES + (way_is_ip4(&flow->key.far) ? WAY_IP4_BYTES : WAY_IP6_BYTES) +
		WAY_UDP_BYTES;
}

static size_t udp_next_length(const struct way_flow *flow)
{
	return NET_HEADER_BYTES + flow->way->port.mtu;
}

static void put_headers(struct way_flow *flow, struct net_frame *frame, size_t size)
{
	uint8_t head[NET_HEADER_BYTES + WAY_IP6_BYTES + WAY_UDP_BYTES];
	size_t headers = header_bytes(flow), l4 = headers - WAY_UDP_BYTES;

	way_put_headers(flow->way, head, flow->mac, &flow->key.far, &flow->key.guest, IPPROTO_UDP,
		WAY_UDP_BYTES + size);
	put_udp(head + l4, &flow->key, WAY_UDP_BYTES + size);
	way_finish_sum(
		flow->way, frame, &flow->key, head, l4, headers, WAY_UDP_BYTES + size, SUM_PLACE);
	way_scatter(head, headers, frame);
	frame->length = (uint32_t)(headers + size);
}

/* An error of the far end, or of the way there, in place of an answer. */
static void tell_error(struct way_flow *flow, int error)
{
	if (error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH)
		way_icmp_flow_error(flow, way_error_of(error), htonl(WAY_UDP_BYTES << 16));
}

static bool udp_fill(struct way_flow *flow, struct net_frame *frame)
{
	struct iovec parts[NET_PARTS_MAX + 1];
	struct msghdr message = { .msg_iov = parts };
	uint8_t *place = place_of_datagram(flow->way);
	size_t headers = header_bytes(flow), room;
	unsigned nr = parts_slice(frame->parts,
		frame->nr_parts < NET_PARTS_MAX ? frame->nr_parts : NET_PARTS_MAX - 1, headers,
		flow->way->port.mtu + NET_HEADER_BYTES - headers, parts, &room);
	ssize_t n;

	/* What does not fit goes to where it would be if all of it were there. */
	parts[nr++] = (struct iovec){ place + room, NET_FRAME_MAX - WAY_UDP_BYTES - room };
	message.msg_iovlen = nr;
	n = recvmsg(flow->source.fd, &message, MSG_DONTWAIT);
	if (n < 0) {
		if (errno != EAGAIN)
			tell_error(flow, errno);
		return false;
	}
	way_flow_queue(flow);
	heard(flow);
	if ((size_t)n <= room && way_room(frame) >= headers) {
		put_headers(flow, frame, (size_t)n);
		return true;
	}
	for (unsigned i = 0, at = 0; i < nr - 1; at += (unsigned)parts[i++].iov_len)
		memcpy(place + at, parts[i].iov_base, parts[i].iov_len);
	answer_datagram(flow, (size_t)n);
	return false;
}

static void udp_ready(struct way_flow *flow, uint32_t events)
{
	way_flow_queue(flow);
}

static void udp_expired(struct way_flow *flow)
{
	way_flow_free(flow);
}

static void udp_evict(struct way_flow *flow)
{
	/* Nobody is told: there is no connection. */
}

/* --- from guests ------------------------------------------------------------------------------ */

static struct way_flow *begin(
	struct way *way, const struct way_key *key, const struct way_packet *packet)
{
	struct sockaddr_storage address;
	struct in6_addr to;
	struct way_flow *flow;
	socklen_t size;
	int fd = -1, r = way_translate(way, &key->far, key->far_port, &to);

	if (r < 0) {
		way_icmp_error(way, packet, way_error_of(-r));
		return NULL;
	}
	fd = way_socket(way, way_is_ip4(&to) ? AF_INET : AF_INET6, SOCK_DGRAM, 0);
	if (fd < 0)
		return NULL;
	size = way_to_sockaddr(&to, key->far_port, &address);
	if (connect(fd, (void *)&address, size) < 0) {
		way_icmp_error(way, packet, way_error_of(errno));
		close(fd);
		return NULL;
	}
	flow = way_flow_new(way, key, &udp_ops, fd, EVENTS);
	if (flow) {
		flow->udp = (struct way_udp){ .is_dns = way_is_name_server(way, &key->far) };
		memcpy(flow->mac, packet->mac, sizeof(flow->mac));
	}
	return flow;
}

static void send_datagram(struct way_flow *flow, const struct way_packet *packet, size_t size)
{
	struct iovec parts[NET_PARTS_MAX];
	struct msghdr message = { .msg_iov = parts };
	struct sockaddr_storage to;
	int fd = flow->source.fd;

	if (flow->udp.listener) {
		fd = flow->udp.listener->source.fd;
		message.msg_name = &to;
		message.msg_namelen = way_to_sockaddr(&flow->udp.peer, flow->udp.peer_port, &to);
	}
	message.msg_iovlen = way_packet_parts(packet, WAY_UDP_BYTES, size, parts);
	if (sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return;
	/* It may be that of the datagram before. */
	if (errno == ECONNREFUSED || errno == EHOSTUNREACH || errno == ENETUNREACH)
		way_icmp_error(flow->way, packet, way_error_of(errno));
}

void way_udp_input(struct way *way, const struct way_packet *packet)
{
	struct way_key key = { .guest = packet->from, .far = packet->to, .protocol = IPPROTO_UDP };
	struct way_flow *flow;
	size_t size;

	if (packet->l4_bytes < WAY_UDP_BYTES)
		return;
	size = way_get16(packet->l4 + 4);
	if (size < WAY_UDP_BYTES || size > packet->l4_bytes)
		return;
	key.guest_port = way_get16(packet->l4);
	key.far_port = way_get16(packet->l4 + 2);
	flow = way_flow_find(way, &key);
	if (flow && memcmp(flow->mac, packet->mac, sizeof(flow->mac))) {
		way_flow_free(flow);
		flow = NULL;
	}
	if (!flow)
		flow = begin(way, &key, packet);
	if (!flow)
		return;
	heard(flow);
	send_datagram(flow, packet, size - WAY_UDP_BYTES);
}

/* --- from published ports --------------------------------------------------------------------- */

void way_udp_accept(struct way *way, const struct way_key *key, struct way_listener *listener,
	const struct in6_addr *peer, uint16_t peer_port, size_t size)
{
	struct way_flow *flow = way_flow_find(way, key);
	const struct way_guest *guest = way_guest_find(way, &key->guest);

	if (!guest) {
		/* It is lost; the next one may find somebody. */
		way_guest_ask(way, &key->guest);
		return;
	}
	if (!flow) {
		flow = way_flow_new(way, key, &udp_ops, -1, 0);
		if (!flow)
			return;
		flow->udp = (struct way_udp){ .listener = listener, .peer = *peer };
		flow->udp.peer_port = peer_port;
	}
	memcpy(flow->mac, guest->mac, sizeof(flow->mac));
	heard(flow);
	answer_datagram(flow, size);
}

static const struct way_flow_ops udp_ops = {
	.name = "udp",
	.evict_ns = WAY_EVICT_UDP_NS,
	.ready = udp_ready,
	.expired = udp_expired,
	.next_length = udp_next_length,
	.fill = udp_fill,
	.evict = udp_evict,
};
