/* SPDX-License-Identifier: Apache-2.0 */
/*
 * way.c - the way out: a port behind which guests find a router that is made of this process's
 * sockets. TCP, UDP and pings end here and go on as the host's own.
 *
 * Nothing is kept between the two sides. What a guest sends is written to a socket from the frame
 * it lies in, and acknowledged when the socket has taken it; what the host sends stays in its
 * socket until a guest has room for it, and is read into the guest's buffers (tcp.c). Only answers
 * that are no stream's (ARP, DHCP, errors) wait in a ring, and are lost when it is full, as on a
 * cable.
 *
 * There may be several guests: the port may be the uplink of a switch. They are told apart by
 * their addresses; whose hardware address an address has is learned (neighbour.c), and a flow is
 * open to the hardware address only that began it.
 *
 * What guests may reach is decided in one place, way_translate().
 */
#include "net/way-out/way.h"

#include <net/ethernet.h>
#include <sys/random.h>
#include <sys/socket.h>

#define OFFLOADS (NET_OFFLOAD_CHECKSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6 | NET_OFFLOAD_TSO_ECN)

static struct way *way_of(struct net_port *port)
{
	return container_of(port, struct way, port);
}

/* --- addresses -------------------------------------------------------------------------------- */

socklen_t way_to_sockaddr(
	const struct in6_addr *address, uint16_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in *in = (void *)ret;
	struct sockaddr_in6 *in6 = (void *)ret;

	memset(ret, 0, sizeof(*ret));
	if (way_is_ip4(address)) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		in->sin_addr = way_unmap(address);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	in6->sin6_addr = *address;
	return sizeof(*in6);
}

uint16_t way_from_sockaddr(const struct sockaddr_storage *from, struct in6_addr *ret)
{
	const struct sockaddr_in *in = (const void *)from;
	const struct sockaddr_in6 *in6 = (const void *)from;

	if (from->ss_family == AF_INET) {
		*ret = way_map(in->sin_addr);
		return ntohs(in->sin_port);
	}
	*ret = in6->sin6_addr;
	return ntohs(in6->sin6_port);
}

static uint32_t mask_of(const struct way *way)
{
	return UINT32_MAX << (32 - way->prefix_bits);
}

struct in6_addr way_host(const struct way *way, const struct in6_addr *like, uint8_t number)
{
	struct in6_addr address = way->network6;

	if (way_is_ip4(like))
		return way_map((struct in_addr){ htonl(ntohl(way->network.s_addr) + number) });
	address.s6_addr[15] = number;
	return address;
}

struct in6_addr way_router(const struct way *way, const struct in6_addr *like)
{
	return way_is_ip4(like) ? way->router : way->router6;
}

bool way_is_router(const struct way *way, const struct in6_addr *address)
{
	static const struct in6_addr link_local = WAY_LINK_LOCAL;
	struct in6_addr router = way_router(way, address);

	return way_is_same(&router, address) || way_is_same(&link_local, address);
}

bool way_is_name_server(const struct way *way, const struct in6_addr *address)
{
	struct in6_addr server = way_host(way, address, WAY_NAME_SERVER);

	return way->has_services && way_is_same(&server, address);
}

bool way_is_inside(const struct way *way, const struct in6_addr *address)
{
	if (way_is_ip4(address))
		return !((way_unmap(address).s_addr ^ way->network.s_addr) & htonl(mask_of(way)));
	return IN6_IS_ADDR_LINKLOCAL(address) ||
		!memcmp(address, &way->network6, WAY_PREFIX6_BITS / 8);
}

/* Addresses that the host's kernel would take for its own or for many. */
static bool is_public(const struct in6_addr *address)
{
	uint8_t first = address->s6_addr[way_is_ip4(address) ? 12 : 0];

	if (way_is_ip4(address))
		return first && first != 127 && first < 224;
	/* RFC 4291 §2.4 and RFC 4193: global and unique local unicast. */
	return (first & 0xe0) == 0x20 || (first & 0xfe) == 0xfc;
}

int way_translate(struct way *way, const struct in6_addr *to, uint16_t port, struct in6_addr *ret)
{
	const struct in6_addr loopback4 = way_map((struct in_addr){ htonl(INADDR_LOOPBACK) });

	if (way->restricted)
		return -EACCES;
	if (way_is_name_server(way, to)) {
		if (port != 53)
			return -EACCES;
		*ret = way_name_server(way, way_is_ip4(to) ? false : true);
		return 0;
	}
	if (way_is_router(way, to)) {
		*ret = way_is_ip4(to) ? loopback4 : in6addr_loopback;
		return way->host_loopback ? 0 : -EACCES;
	}
	if (way_is_inside(way, to))
		return -EHOSTUNREACH;
	*ret = *to;
	return is_public(to) ? 0 : -EACCES;
}

/* --- from guests ------------------------------------------------------------------------------ */

static bool is_for_us(const struct way *way, const struct way_packet *packet)
{
	/* The switch's flood of what is another guest's; and what is sent to all. */
	return packet->head[0] & 1 || !memcmp(packet->head, way->mac, NET_MAC_BYTES);
}

static void ip_input(struct way *way, const struct net_frame *frame)
{
	struct iovec part;
	const struct net_frame whole = { .parts = &part, .nr_parts = 1 };
	struct way_packet packet;

	if (!way_packet_parse(frame, &packet) || !is_for_us(way, &packet) ||
		!(packet.is_ip6 ? way->ipv6 : way->ipv4))
		return;
	if (packet.fragment &&
		(!way_fragment_input(way, &packet, &part) || !way_packet_parse(&whole, &packet)))
		return;
	if (!way_packet_sum_is_right(&packet))
		return;
	if (packet.protocol == IPPROTO_UDP &&
		(way_dhcp_input(way, &packet) || way_dhcp6_input(way, &packet)))
		return;
	if (packet.protocol == IPPROTO_ICMPV6 && way_ndp_input(way, &packet))
		return;
	/* Nobody outside of the network sends from it, and answers find their way by that. */
	if (packet.head[0] & 1 || !way_is_inside(way, &packet.from) ||
		way_is_router(way, &packet.from) || way_is_name_server(way, &packet.from) ||
		!way_guest_learn(way, &packet.from, packet.mac))
		return;
	switch (packet.protocol) {
	case IPPROTO_TCP:
		way_tcp_input(way, &packet);
		break;
	case IPPROTO_UDP:
		way_udp_input(way, &packet);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		way_icmp_input(way, &packet);
		break;
	}
}

static bool is_whole(const struct net_frame *frame)
{
	size_t length = 0;

	if (frame->nr_parts > NET_PARTS_MAX)
		return false;
	for (unsigned i = 0; i < frame->nr_parts; i++) {
		if (frame->parts[i].iov_len > NET_FRAME_MAX - length)
			return false;
		length += frame->parts[i].iov_len;
	}
	return length >= NET_HEADER_BYTES;
}

static void frame_input(struct way *way, const struct net_frame *frame)
{
	uint8_t header[NET_HEADER_BYTES];
	struct net_frame head = *frame;
	size_t done = 0;

	if (!is_whole(frame))
		return;
	for (unsigned i = 0; done < sizeof(header); i++) {
		size_t n = head.parts[i].iov_len;

		n = n < sizeof(header) - done ? n : sizeof(header) - done;
		memcpy(header + done, head.parts[i].iov_base, n);
		done += n;
	}
	/* A sender is one. */
	if (header[NET_MAC_BYTES] & 1)
		return;
	switch (way_get16(header + NET_HEADER_BYTES - 2)) {
	case ETHERTYPE_ARP:
		way_arp_input(way, frame);
		break;
	case ETHERTYPE_IP:
	case ETHERTYPE_IPV6:
		ip_input(way, frame);
		break;
	}
}

static bool has_frames(const struct way *way)
{
	return way->ring.nr_frames || !way_list_is_empty(&way->waiting);
}

void way_tell(struct way *way)
{
	if (way->is_waited_for && has_frames(way) && way->port.ready)
		way->port.ready(&way->port, way->port.context);
}

static void ready_expired(struct loop_timer *timer)
{
	way_tell(container_of(timer, struct way, ready_timer));
}

static unsigned way_send(struct net_port *port, const struct net_frame *frames, unsigned nr)
{
	struct way *way = way_of(port);

	way_look_at_clock(way);
	for (unsigned i = 0; i < nr; i++)
		frame_input(way, &frames[i]);
	if (way->is_waited_for && has_frames(way) && !way->ready_timer.deadline_ns)
		loop_timer_start(way->loop, &way->ready_timer, 0);
	return nr;
}

/* --- to guests -------------------------------------------------------------------------------- */

static struct way_flow *first_waiting(struct way *way)
{
	if (way_list_is_empty(&way->waiting))
		return NULL;
	return container_of(way->waiting.next, struct way_flow, waiting);
}

static size_t way_next_length(struct net_port *port)
{
	struct way *way = way_of(port);
	struct way_flow *flow = first_waiting(way);
	size_t length = 0;

	if (!net_ring_front(&way->ring, &length) && flow) {
		length = flow->ops->next_length(flow);
		/* The first may have nothing after all, and the next one much. */
		if (flow->waiting.next != &way->waiting)
			length = NET_HEADER_BYTES + NET_MTU_MAX;
	}
	way->is_waited_for |= !length;
	return length;
}

static void take_answer(struct way *way, struct net_frame *frame)
{
	size_t length;
	const uint8_t *bytes = net_ring_front(&way->ring, &length);

	frame->length = way_scatter(bytes, length, frame) == length ? (uint32_t)length : 0;
	frame->offload = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_DATA_VALID };
	net_ring_pop(&way->ring);
}

static bool receive_one(struct way *way, struct net_frame *frame)
{
	struct way_flow *flow;

	for (;;) {
		if (way->ring.nr_frames) {
			take_answer(way, frame);
			return true;
		}
		flow = first_waiting(way);
		if (!flow)
			return false;
		way_list_remove(&flow->waiting);
		if (flow->ops->fill(flow, frame))
			return true;
	}
}

static unsigned way_receive(struct net_port *port, struct net_frame *frames, unsigned nr)
{
	struct way *way = way_of(port);
	unsigned i = 0;

	way_look_at_clock(way);
	while (i < nr && receive_one(way, &frames[i]))
		i++;
	way->is_waited_for = i < nr;
	return i;
}

/* --- the port --------------------------------------------------------------------------------- */

static int way_set_offloads(struct net_port *port, unsigned offloads, struct error *err)
{
	if (offloads & ~port->gives)
		return error_set(err, EOPNOTSUPP, "the user-mode network has no such offloads");
	way_of(port)->offloads = offloads;
	return 0;
}

static void way_close(struct net_port *port)
{
	struct way *way = way_of(port);

	way_listen_end(way);
	way_flows_free(way);
	loop_timer_cancel(way->loop, &way->ready_timer);
	net_ring_free(&way->ring);
	free(way);
}

static const struct net_port_ops way_ops = {
	.name = "user",
	.send = way_send,
	.next_length = way_next_length,
	.receive = way_receive,
	.set_offloads = way_set_offloads,
	.close = way_close,
};

static void set_options(struct way *way, const struct net_user_options *options)
{
	way->ipv4 = options->ipv4;
	way->ipv6 = options->ipv6;
	way->restricted = options->restricted;
	way->host_loopback = options->host_loopback;
	way->network = options->network;
	way->prefix_bits = options->prefix_bits;
	way->network6 = options->network6;
	if (options->hostname)
		memcpy(way->hostname, options->hostname,
			strnlen(options->hostname, NET_HOSTNAME_MAX));
	way->has_services = !options->router.s_addr && IN6_IS_ADDR_UNSPECIFIED(&options->router6);
	way->router = way_map(options->router);
	way->router6 = options->router6;
	if (way->has_services) {
		way->router = way_host(way, &way->router, WAY_ROUTER);
		way->router6 = way_host(way, &way->router6, WAY_ROUTER);
	}
	net_user_router_mac(options, way->mac);
}

static int open_way(struct way *way, const struct net_user_options *options, struct error *err)
{
	int r = way_flows_init(way, err);

	if (r == 0)
		r = net_ring_init(&way->ring, WAY_RING_BYTES, err);
	if (r < 0)
		return r;
	if (getrandom(way->key, sizeof(way->key), 0) != sizeof(way->key) ||
		getrandom(way->tcp_key, sizeof(way->tcp_key), 0) != sizeof(way->tcp_key))
		return error_errno(err, errno, "cannot get random numbers");
	return way_listen(way, options, err);
}

int net_user_open(struct loop *loop, const struct net_user_options *options, struct net_port **ret,
	struct error *err)
{
	struct way *way;
	int r = net_user_check_options(options, err);

	if (r < 0)
		return r;
	way = calloc(1, sizeof(*way));
	if (!way)
		return error_oom(err);
	way->port = (struct net_port){
		.ops = &way_ops,
		.takes = OFFLOADS,
		.gives = NET_OFFLOAD_CHECKSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6,
		.mtu = options->mtu,
	};
	way->loop = loop;
	way->is_waited_for = true;
	way->ready_timer.expired = ready_expired;
	way_look_at_clock(way);
	set_options(way, options);
	r = open_way(way, options, err);
	if (r < 0) {
		way_close(&way->port);
		return r;
	}
	*ret = &way->port;
	return 0;
}
