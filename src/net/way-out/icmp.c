/* SPDX-License-Identifier: Apache-2.0 */
/*
 * icmp.c - pings of guests, and why their packets were not delivered (RFC 792, RFC 4443).
 *
 * The router answers its own pings. Others go on through ping sockets, where the host lets this
 * user have them (net.ipv4.ping_group_range), or through raw ones, where it has the right; else the
 * guest is told that it is forbidden. In the host's world a ping has another identifier, so that
 * those of several guests are told apart.
 */
#include "net/way-out/way.h"

#include <assert.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define IDLE_NS	     (30 * WAY_SECOND)
#define EVENTS	     (EPOLLIN | (uint32_t)EPOLLET)
#define SUM_PLACE    2
#define ID_PLACE     4
#define READ_AT_ONCE 16

static const struct way_flow_ops ping_ops;

/* --- errors ----------------------------------------------------------------------------------- */

/* Type and code by family: IPv4, IPv6. */
static const struct {
	uint8_t type, code;
} error_codes[][2] = {
	[WAY_ERROR_PORT] = { { ICMP_UNREACH, ICMP_UNREACH_PORT },
		{ ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOPORT } },
	[WAY_ERROR_HOST] = { { ICMP_UNREACH, ICMP_UNREACH_HOST },
		{ ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADDR } },
	[WAY_ERROR_FORBIDDEN] = { { ICMP_UNREACH, ICMP_UNREACH_FILTER_PROHIB },
		{ ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADMIN } },
};

static_assert(ARRAY_SIZE(error_codes) == WAY_ERROR_COUNT, "each error has its codes");

enum way_error way_error_of(int error_number)
{
	switch (error_number) {
	case ECONNREFUSED:
		return WAY_ERROR_PORT;
	case EACCES:
	case EPERM:
		return WAY_ERROR_FORBIDDEN;
	default:
		return WAY_ERROR_HOST;
	}
}

/* `icmp` has the start of a packet from `guest` to `far` behind its header. */
static void send_error(struct way *way, const uint8_t mac[NET_MAC_BYTES],
	const struct in6_addr *far, const struct in6_addr *guest, enum way_error error,
	uint8_t *icmp, size_t quoted)
{
	bool is_ip6 = !way_is_ip4(far);
	struct in6_addr router = way_router(way, far);

	memset(icmp, 0, WAY_ICMP_BYTES);
	icmp[0] = error_codes[error][is_ip6].type;
	icmp[1] = error_codes[error][is_ip6].code;
	/* That nobody listens is what the far end itself would say. */
	way_answer_packet(way, mac, error == WAY_ERROR_PORT ? far : &router, guest,
		is_ip6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, icmp, WAY_ICMP_BYTES + quoted, SUM_PLACE);
}

void way_icmp_error(struct way *way, const struct way_packet *packet, enum way_error error)
{
	uint8_t buffer[WAY_HEADERS_MAX + WAY_ICMP_BYTES + sizeof(packet->head)];
	uint8_t *icmp = buffer + WAY_HEADERS_MAX;
	size_t quoted = packet->head_bytes - NET_HEADER_BYTES;

	if (quoted > packet->l3_bytes)
		quoted = packet->l3_bytes;
	memcpy(icmp + WAY_ICMP_BYTES, packet->l3, quoted);
	send_error(way, packet->mac, &packet->to, &packet->from, error, icmp, quoted);
}

void way_icmp_flow_error(struct way_flow *flow, enum way_error error, uint32_t second_word)
{
	uint8_t buffer[WAY_HEADERS_MAX + WAY_ICMP_BYTES + WAY_IP6_BYTES + WAY_UDP_BYTES];
	uint8_t *icmp = buffer + WAY_HEADERS_MAX, *l3 = icmp + WAY_ICMP_BYTES, *l4;
	const struct way_key *key = &flow->key;

	l4 = l3 +
		way_put_ip(flow->way, l3, &key->guest, &key->far, (uint8_t)key->protocol,
			key->protocol == IPPROTO_TCP ? WAY_TCP_BYTES : WAY_UDP_BYTES);
	way_put16(l4, key->guest_port);
	way_put16(l4 + 2, key->far_port);
	way_put32(l4 + 4, second_word);
	send_error(flow->way, flow->mac, &key->far, &key->guest, error, icmp,
		(size_t)(l4 - l3) + WAY_UDP_BYTES);
}

/* --- pings ------------------------------------------------------------------------------------ */

static uint8_t reply_type(bool is_ip6)
{
	return is_ip6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY;
}

/* A message in way->datagram, behind the place of headers, goes to the guest as an answer. */
static void answer_ping(struct way *way, const uint8_t mac[NET_MAC_BYTES],
	const struct in6_addr *far, const struct in6_addr *guest, uint8_t *icmp, size_t size)
{
	bool is_ip6 = !way_is_ip4(far);

	icmp[0] = reply_type(is_ip6);
	way_answer_packet(way, mac, far, guest, is_ip6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, icmp, size,
		SUM_PLACE);
}

/* Where ICMP begins in what was read: a raw socket of IPv4 gives IP's header, too. 0 and size 0: it
 * is no answer to this flow. */
static size_t find_answer(const struct way_flow *flow, const uint8_t *bytes, size_t *size)
{
	bool is_ip6 = !way_is_ip4(&flow->key.far);
	size_t skip = flow->ping.is_raw && !is_ip6 && *size ? (bytes[0] & 15) * 4u : 0;

	if (*size < skip + WAY_ICMP_BYTES || bytes[skip] != reply_type(is_ip6) ||
		way_get16(bytes + skip + ID_PLACE) != flow->ping.host_id) {
		*size = 0;
		return 0;
	}
	*size -= skip;
	return skip;
}

static void ping_ready(struct way_flow *flow, uint32_t events)
{
	struct way *way = flow->way;
	uint8_t *bytes = way->datagram + WAY_HEADERS_MAX;

	for (unsigned i = 0; i < READ_AT_ONCE; i++) {
		ssize_t n = recv(flow->source.fd, bytes, NET_FRAME_MAX, MSG_DONTWAIT);
		size_t size = n < 0 ? 0 : (size_t)n, skip;

		if (n < 0) {
			if (errno == EHOSTUNREACH || errno == ENETUNREACH)
				way_icmp_flow_error(flow, WAY_ERROR_HOST, 0);
			return;
		}
		skip = find_answer(flow, bytes, &size);
		if (!size)
			continue;
		/* Sums that we have not changed would be right; it is cheap to do them again. */
		way_put16(bytes + skip + ID_PLACE, flow->key.guest_port);
		answer_ping(way, flow->mac, &flow->key.far, &flow->key.guest, bytes + skip, size);
	}
}

static void ping_expired(struct way_flow *flow)
{
	way_flow_free(flow);
}

static int open_socket(struct way *way, bool is_ip6, bool *ret_is_raw)
{
	int family = is_ip6 ? AF_INET6 : AF_INET;
	int protocol = is_ip6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	int fd = way_socket(way, family, SOCK_DGRAM, protocol);

	*ret_is_raw = fd < 0;
	return fd < 0 ? way_socket(way, family, SOCK_RAW, protocol) : fd;
}

/* What the kernel has chosen (it is the port of a ping socket), or what is nobody else's. */
static uint16_t choose_id(const struct way_flow *flow)
{
	struct sockaddr_storage own;
	struct in6_addr address;
	socklen_t size = sizeof(own);

	if (flow->ping.is_raw || getsockname(flow->source.fd, (void *)&own, &size) < 0)
		return (uint16_t)(flow - flow->way->flows);
	return way_from_sockaddr(&own, &address);
}

static struct way_flow *begin(
	struct way *way, const struct way_key *key, const struct way_packet *packet)
{
	struct sockaddr_storage address;
	struct in6_addr to;
	struct way_flow *flow;
	socklen_t size;
	bool is_raw;
	int fd = -1, r = way_translate(way, &key->far, 0, &to);

	if (r == 0)
		r = fd = open_socket(way, !way_is_ip4(&to), &is_raw);
	if (r < 0) {
		way_icmp_error(way, packet, way_error_of(-r));
		return NULL;
	}
	size = way_to_sockaddr(&to, 0, &address);
	if (connect(fd, (void *)&address, size) < 0) {
		way_icmp_error(way, packet, way_error_of(errno));
		close(fd);
		return NULL;
	}
	flow = way_flow_new(way, key, &ping_ops, fd, EVENTS);
	if (!flow)
		return NULL;
	flow->ping = (struct way_ping){ .is_raw = is_raw };
	flow->ping.host_id = choose_id(flow);
	memcpy(flow->mac, packet->mac, sizeof(flow->mac));
	return flow;
}

static void send_ping(struct way_flow *flow, const struct way_packet *packet, uint8_t *icmp)
{
	uint16_t sum;

	way_put16(icmp + ID_PLACE, flow->ping.host_id);
	/* The kernel does it, but for raw sockets of IPv4. */
	way_put16(icmp + SUM_PLACE, 0);
	sum = (uint16_t)~way_fold(way_sum(icmp, packet->l4_bytes));
	if (!packet->is_ip6)
		memcpy(icmp + SUM_PLACE, &sum, sizeof(sum));
	if (send(flow->source.fd, icmp, packet->l4_bytes, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
		errno != EAGAIN)
		way_icmp_error(flow->way, packet, way_error_of(errno));
}

void way_icmp_input(struct way *way, const struct way_packet *packet)
{
	struct way_key key = { .guest = packet->from, .far = packet->to };
	uint8_t *icmp = way->datagram + WAY_HEADERS_MAX;
	struct way_flow *flow;

	if (packet->protocol != (packet->is_ip6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP) ||
		packet->l4_bytes < WAY_ICMP_BYTES || packet->l4_bytes > NET_FRAME_MAX ||
		packet->l4[0] != (packet->is_ip6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO) || packet->l4[1])
		return;
	way_packet_copy(packet, 0, icmp, packet->l4_bytes);
	if (way_is_router(way, &packet->to) || way_is_name_server(way, &packet->to)) {
		answer_ping(way, packet->mac, &packet->to, &packet->from, icmp, packet->l4_bytes);
		return;
	}
	key.protocol = packet->protocol;
	key.guest_port = way_get16(packet->l4 + ID_PLACE);
	flow = way_flow_find(way, &key);
	if (flow && memcmp(flow->mac, packet->mac, sizeof(flow->mac))) {
		way_flow_free(flow);
		flow = NULL;
	}
	if (!flow)
		flow = begin(way, &key, packet);
	if (!flow)
		return;
	way_flow_touch(flow);
	way_flow_set_timer(flow, IDLE_NS);
	/* Errors on the way have used the same place. */
	way_packet_copy(packet, 0, icmp, packet->l4_bytes);
	send_ping(flow, packet, icmp);
}

static void ping_evict(struct way_flow *flow)
{
	/* An answer that is missing is what the guest is ready for. */
}

static const struct way_flow_ops ping_ops = {
	.name = "ping",
	.evict_ns = WAY_EVICT_UDP_NS,
	.ready = ping_ready,
	.expired = ping_expired,
	.evict = ping_evict,
};
