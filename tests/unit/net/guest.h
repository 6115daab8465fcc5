/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guest.h - a guest made of a few lines, for tests of what is behind its network: frames both ways,
 * ARP, and TCP as far as a test says it.
 */
#pragma once

#include "unit/test.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>

#include "net/net.h"

#define WAIT_NS	     INT64_C(10000000000)
#define QUIET_NS     INT64_C(300000000)
#define GUEST	     0x0a00020fu /* 10.0.2.15 */
#define ROUTER	     0x0a000202u
#define TEXT	     "a line of text\n"
#define GUEST_PORT   40000
#define WINDOW	     60000
#define PSEUDO_BYTES 12
#define SPARE	     2 /* before a frame, so that its IP header is aligned */
#define RS_BYTES     (NET_HEADER_BYTES + sizeof(struct ip6_hdr) + 8)

static const uint8_t guest_mac[NET_MAC_BYTES] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };

/* Of the stack that is tested. */
static int (*open_port)(struct loop *loop, const struct net_user_options *options,
	struct net_port **ret, struct error *err);

struct guest {
	struct loop loop;
	struct loop_timer deadline;
	struct net_port *port;
	uint8_t mac[NET_MAC_BYTES]; /* its own; a test may be another guest for a while */
	uint32_t address;
	uint8_t router_mac[NET_MAC_BYTES];
	bool is_late;
	bool breaks_sums; /* of what it sends */
	_Alignas(8) uint8_t buffer[SPARE + NET_FRAME_MAX];
	uint8_t *frame; /* the last that came */
	size_t length;
};

static inline void deadline_passed(struct loop_timer *timer)
{
	struct guest *g = container_of(timer, struct guest, deadline);

	g->is_late = true;
	loop_stop(&g->loop);
}

static inline void port_ready(struct net_port *port, void *context)
{
	struct guest *g = context;

	loop_stop(&g->loop);
}

static inline void open_guest(struct guest *g, const struct net_user_options *options)
{
	struct error err = { 0 };

	memset(g, 0, sizeof(*g));
	g->frame = g->buffer + SPARE;
	g->address = GUEST;
	memcpy(g->mac, guest_mac, sizeof(g->mac));
	g->deadline.expired = deadline_passed;
	assert_int_equal(loop_open(&g->loop, &err), 0);
	if (open_port(&g->loop, options, &g->port, &err) < 0)
		fail_msg("%s", err.message);
	g->port->ready = port_ready;
	g->port->context = g;
}

static inline void close_guest(struct guest *g)
{
	g->port = net_port_close(g->port);
	loop_close(&g->loop);
}

/* The next frame into g->frame; false: none has come in that time. */
static inline bool receive_within(struct guest *g, int64_t ns)
{
	/* In two parts, the first of which ends within a header. */
	struct iovec parts[] = {
		{ g->frame, 17 },
		{ g->frame + 17, NET_FRAME_MAX - 17 },
	};
	struct net_frame frame = { .parts = parts, .nr_parts = 2 };

	g->is_late = false;
	loop_timer_start(&g->loop, &g->deadline, ns);
	while (!g->port->ops->receive(g->port, &frame, 1)) {
		if (g->is_late)
			return false;
		assert_int_equal(loop_run(&g->loop), 0);
	}
	loop_timer_cancel(&g->loop, &g->deadline);
	g->length = frame.length;
	assert_in_range(g->length, NET_HEADER_BYTES, NET_FRAME_MAX);
	return true;
}

static inline const struct iphdr *ip_of(const struct guest *g)
{
	return (const void *)(g->frame + NET_HEADER_BYTES);
}

static inline const void *behind_ip(const struct guest *g)
{
	return g->frame + NET_HEADER_BYTES + ip_of(g)->ihl * 4u;
}

/* The next IPv4 packet of that protocol; others are passed over. */
static inline void receive_ip(struct guest *g, uint8_t protocol)
{
	do {
		if (!receive_within(g, WAIT_NS))
			fail_msg("no packet of protocol %u has come", protocol);
	} while (g->frame[12] != 8 || g->frame[13] != 0 || ip_of(g)->protocol != protocol);
}

static inline void send_frame(
	struct guest *g, void *bytes, size_t length, struct virtio_net_hdr *offload)
{
	struct iovec parts[] = { { bytes, 5 }, { (uint8_t *)bytes + 5, length - 5 } };
	struct net_frame frame = { .parts = parts, .nr_parts = 2, .length = (uint32_t)length };

	if (offload)
		frame.offload = *offload;
	assert_int_equal(g->port->ops->send(g->port, &frame, 1), 1);
}

static inline uint16_t sum(const void *bytes, size_t length, uint32_t from)
{
	const uint8_t *b = bytes;

	for (size_t i = 0; i < length; i++)
		from += i & 1 ? b[i] : (uint32_t)b[i] << 8;
	while (from >> 16)
		from = (from & 0xffff) + (from >> 16);
	return (uint16_t)from;
}

static inline void put_ethernet(const struct guest *g, uint8_t *frame, uint16_t type)
{
	memcpy(frame, g->router_mac, NET_MAC_BYTES);
	memcpy(frame + NET_MAC_BYTES, g->mac, NET_MAC_BYTES);
	frame[12] = (uint8_t)(type >> 8);
	frame[13] = (uint8_t)type;
}

/* Ethernet and IPv4 in front of `size` bytes that are there already. */
static inline size_t put_ip(const struct guest *g, uint8_t *frame, uint8_t protocol, uint32_t from,
	uint32_t to, size_t size)
{
	struct iphdr ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = protocol };

	ip.saddr = htonl(from);
	ip.daddr = htonl(to);
	ip.tot_len = htons((uint16_t)(sizeof(ip) + size));
	ip.check = htons((uint16_t)~sum(&ip, sizeof(ip), 0));
	put_ethernet(g, frame, ETHERTYPE_IP);
	memcpy(frame + NET_HEADER_BYTES, &ip, sizeof(ip));
	return NET_HEADER_BYTES + sizeof(ip) + size;
}

static inline void *payload_of(uint8_t *frame)
{
	return frame + NET_HEADER_BYTES + sizeof(struct iphdr);
}

/* --- ARP, so that each knows the other -------------------------------------------------------- */

static inline void ask_router(struct guest *g)
{
	uint8_t frame[60] = { 0 };
	uint8_t *arp = frame + NET_HEADER_BYTES;
	static const uint8_t head[8] = { 0, 1, 8, 0, 6, 4, 0, 1 };
	uint32_t guest = htonl(g->address), router = htonl(ROUTER);

	memset(g->router_mac, 0xff, sizeof(g->router_mac));
	put_ethernet(g, frame, ETHERTYPE_ARP);
	memcpy(arp, head, sizeof(head));
	memcpy(arp + 8, g->mac, NET_MAC_BYTES);
	memcpy(arp + 14, &guest, 4);
	memcpy(arp + 24, &router, 4);
	send_frame(g, frame, sizeof(frame), NULL);
}

static inline void meet_router(struct guest *g)
{
	uint32_t router = htonl(ROUTER);
	const uint8_t *arp = g->frame + NET_HEADER_BYTES;

	ask_router(g);
	do {
		assert_true(receive_within(g, WAIT_NS));
	} while (g->frame[12] != 8 || g->frame[13] != 6);
	assert_int_equal(arp[7], 2);
	assert_memory_equal(arp + 14, &router, 4);
	memcpy(g->router_mac, arp + 8, NET_MAC_BYTES);
}

/* --- TCP -------------------------------------------------------------------------------------- */

struct connection {
	uint32_t to;
	uint16_t from_port, to_port;
	uint32_t seq, ack;
	bool is_partial; /* leave the sums to the port */
	uint16_t closed; /* of the window, in bytes */
	const uint8_t *options; /* of a SYN; NULL: none */
	size_t option_bytes; /* a multiple of 4 */
};

static inline void send_tcp(
	struct guest *g, struct connection *c, uint8_t flags, const void *data, size_t size)
{
	static _Alignas(8) uint8_t buffer[SPARE + NET_FRAME_MAX];
	uint8_t *frame = buffer + SPARE;
	struct tcphdr *tcp = payload_of(frame);
	struct {
		uint32_t from, to;
		uint16_t protocol, size;
	} pseudo = { htonl(g->address), htonl(c->to), htons(IPPROTO_TCP), 0 };
	struct virtio_net_hdr offload = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = NET_HEADER_BYTES + sizeof(struct iphdr),
		.csum_offset = offsetof(struct tcphdr, check),
	};
	size_t header = sizeof(*tcp) + (flags & TH_SYN ? c->option_bytes : 0);
	uint16_t check;

	pseudo.size = htons((uint16_t)(header + size));
	memset(tcp, 0, sizeof(*tcp));
	tcp->source = htons(c->from_port);
	tcp->dest = htons(c->to_port);
	tcp->seq = htonl(c->seq);
	tcp->ack_seq = htonl(c->ack);
	tcp->doff = (uint16_t)(header / 4) & 15;
	tcp->th_flags = flags;
	tcp->window = htons((uint16_t)(WINDOW - c->closed));
	if (header > sizeof(*tcp))
		memcpy(tcp + 1, c->options, c->option_bytes);
	if (size)
		memcpy((uint8_t *)tcp + header, data, size);
	check = sum(&pseudo, PSEUDO_BYTES, 0);
	if (!c->is_partial)
		check = (uint16_t)~sum(tcp, header + size, check);
	tcp->check = htons(g->breaks_sums ? check + 1 : check);
	c->seq += (uint32_t)size + !!(flags & (TH_SYN | TH_FIN));
	size = put_ip(g, frame, IPPROTO_TCP, g->address, c->to, header + size);
	send_frame(g, frame, size, c->is_partial ? &offload : NULL);
}

/* The next segment with all these flags and, if data is wanted, with some: how much. */
static inline size_t receive_tcp(
	struct guest *g, struct connection *c, uint8_t flags, bool wants_data, const void **ret)
{
	const struct tcphdr *tcp;
	size_t size;

	do {
		receive_ip(g, IPPROTO_TCP);
		tcp = behind_ip(g);
		size = ntohs(ip_of(g)->tot_len) - sizeof(struct iphdr) - tcp->doff * 4u;
	} while ((tcp->th_flags & flags) != flags || (wants_data && !size));
	c->ack = ntohl(tcp->seq) + (uint32_t)size + !!(tcp->th_flags & (TH_SYN | TH_FIN));
	if (ret)
		*ret = (const uint8_t *)tcp + tcp->doff * 4u;
	return size;
}

/* A listening socket on the host's loopback. */
static inline int listen_host(uint16_t *ret_port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (void *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (void *)&at, &size), 0);
	*ret_port = ntohs(at.sin_port);
	return fd;
}

static inline void connect_out(struct guest *g, struct connection *c, uint16_t port)
{
	c->to = ROUTER;
	c->from_port = GUEST_PORT;
	c->to_port = port;
	c->seq = 1000;
	c->ack = 0;
	send_tcp(g, c, TH_SYN, NULL, 0);
	receive_tcp(g, c, TH_SYN | TH_ACK, false, NULL);
	send_tcp(g, c, TH_ACK, NULL, 0);
}

static inline void read_exactly(int fd, void *to, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = recv(fd, (uint8_t *)to + done, size - done, 0);

		assert_true(n > 0);
		done += (size_t)n;
	}
}
