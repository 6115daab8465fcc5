/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-user.c - the user-mode network, ours and that of libslirp, as a guest sees it that is made
 * of a few lines here: addresses by DHCP, ARP, ping, TCP both ways with real sockets of this
 * process on the other side, offloads, and what it must refuse.
 */
#include "unit/test.h"

#include <fcntl.h>

#include "unit/net/guest.h"

static void test_arp_and_ping(void **state)
{
	struct net_user_options options;
	struct guest g;
	_Alignas(8) uint8_t buffer[SPARE + 200] = { 0 };
	uint8_t *frame = buffer + SPARE;
	struct icmphdr *icmp = payload_of(frame);
	const struct icmphdr *answer;
	size_t size = sizeof(*icmp) + sizeof(TEXT);

	net_user_options_init(&options);
	open_guest(&g, &options);
	meet_router(&g);
	icmp->type = ICMP_ECHO;
	icmp->un.echo.id = htons(7);
	memcpy(icmp + 1, TEXT, sizeof(TEXT));
	icmp->checksum = htons((uint16_t)~sum(icmp, size, 0));
	send_frame(&g, frame, put_ip(&g, frame, IPPROTO_ICMP, GUEST, ROUTER, size), NULL);
	receive_ip(&g, IPPROTO_ICMP);
	answer = behind_ip(&g);
	assert_int_equal(answer->type, ICMP_ECHOREPLY);
	assert_memory_equal(answer + 1, TEXT, sizeof(TEXT));
	close_guest(&g);
}

/* --- DHCP ------------------------------------------------------------------------------------- */

static const uint8_t *dhcp_option(const struct guest *g, uint8_t code)
{
	const uint8_t *at = (const uint8_t *)behind_ip(g) + sizeof(struct udphdr) + 240;
	const uint8_t *end = g->frame + g->length;

	while (at + 2 < end && *at != 255 && *at != code)
		at += *at ? 2 + at[1] : 1;
	return at + 2 < end && *at == code ? at + 2 : NULL;
}

static void test_dhcp(void **state)
{
	struct net_user_options options;
	struct error err = { 0 };
	struct guest g;
	_Alignas(8) uint8_t buffer[SPARE + 400] = { 0 };
	uint8_t *frame = buffer + SPARE;
	struct udphdr *udp = payload_of(frame);
	uint8_t *dhcp = (uint8_t *)(udp + 1);
	static const uint8_t discover[] = { 99, 130, 83, 99, 53, 1, 1, 255 };
	const uint32_t router = htonl(0xac1e0002), name_server = htonl(0xac1e0003);
	const uint32_t offered = htonl(0xac1e000f), mask = htonl(0xffffff00);

	net_user_options_init(&options);
	assert_int_equal(net_user_set_network(&options, "172.30.0.0/24", &err), 0);
	open_guest(&g, &options);
	memset(g.router_mac, 0xff, sizeof(g.router_mac));
	dhcp[0] = dhcp[1] = 1;
	dhcp[2] = NET_MAC_BYTES;
	memcpy(dhcp + 28, guest_mac, NET_MAC_BYTES);
	memcpy(dhcp + 236, discover, sizeof(discover));
	udp->source = htons(68);
	udp->dest = htons(67);
	udp->len = htons(8 + 300);
	send_frame(&g, frame, put_ip(&g, frame, IPPROTO_UDP, 0, 0xffffffff, 8 + 300), NULL);
	receive_ip(&g, IPPROTO_UDP);
	dhcp = (uint8_t *)behind_ip(&g) + sizeof(*udp);
	assert_memory_equal(dhcp + 16, &offered, 4);
	assert_non_null(dhcp_option(&g, 53));
	assert_int_equal(*dhcp_option(&g, 53), 2);
	assert_memory_equal(dhcp_option(&g, 1), &mask, 4);
	assert_memory_equal(dhcp_option(&g, 3), &router, 4);
	assert_memory_equal(dhcp_option(&g, 6), &name_server, 4);
	close_guest(&g);
}

/* --- TCP -------------------------------------------------------------------------------------- */

static void talk_out(bool is_partial)
{
	struct net_user_options options;
	struct guest g;
	struct connection c = { .is_partial = is_partial };
	static uint8_t large[30000], got[sizeof(large)];
	uint16_t port;
	int listener = listen_host(&port), peer;
	const void *data;

	net_user_options_init(&options);
	options.host_loopback = true;
	open_guest(&g, &options);
	meet_router(&g);
	connect_out(&g, &c, port);
	peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(peer >= 0);

	/* More than the MTU of a real cable, in one frame. */
	for (size_t i = 0; i < sizeof(large); i++)
		large[i] = (uint8_t)(i * 7 + i / 251);
	send_tcp(&g, &c, TH_ACK | TH_PUSH, large, sizeof(large));
	read_exactly(peer, got, sizeof(got));
	assert_memory_equal(got, large, sizeof(large));

	assert_int_equal(send(peer, TEXT, sizeof(TEXT), 0), sizeof(TEXT));
	assert_int_equal(receive_tcp(&g, &c, TH_ACK, true, &data), sizeof(TEXT));
	assert_memory_equal(data, TEXT, sizeof(TEXT));
	send_tcp(&g, &c, TH_ACK, NULL, 0);

	/* The host's end of file is the guest's, and the other way round. */
	assert_int_equal(shutdown(peer, SHUT_WR), 0);
	receive_tcp(&g, &c, TH_FIN, false, NULL);
	send_tcp(&g, &c, TH_ACK | TH_FIN, NULL, 0);
	assert_int_equal(recv(peer, got, sizeof(got), 0), 0);
	close(peer);
	close(listener);
	close_guest(&g);
}

static void test_tcp_out(void **state)
{
	talk_out(false);
}

static void test_tcp_out_offloaded(void **state)
{
	talk_out(true);
}

static void test_refused(void **state)
{
	struct net_user_options options;
	struct guest g;
	struct connection c = { .to = ROUTER, .from_port = GUEST_PORT, .seq = 1 };
	int listener = listen_host(&c.to_port);

	/* Nobody listens there. */
	close(listener);
	net_user_options_init(&options);
	options.host_loopback = true;
	open_guest(&g, &options);
	meet_router(&g);
	send_tcp(&g, &c, TH_SYN, NULL, 0);
	receive_tcp(&g, &c, TH_RST, false, NULL);
	close_guest(&g);
}

/* No connection arrives, whatever the guest is told. */
static void expect_no_way(const struct net_user_options *options)
{
	struct guest g;
	struct connection c = { .to = ROUTER, .from_port = GUEST_PORT, .seq = 1 };
	int listener = listen_host(&c.to_port);

	open_guest(&g, options);
	meet_router(&g);
	send_tcp(&g, &c, TH_SYN, NULL, 0);
	while (receive_within(&g, QUIET_NS)) {
		const struct tcphdr *tcp = behind_ip(&g);

		if (g.frame[12] == 8 && !g.frame[13] && ip_of(&g)->protocol == IPPROTO_TCP)
			assert_int_equal(tcp->th_flags & TH_SYN, 0);
	}
	assert_int_equal(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(accept4(listener, NULL, NULL, SOCK_CLOEXEC), -1);
	assert_int_equal(errno, EAGAIN);
	close(listener);
	close_guest(&g);
}

static void test_closed_ways(void **state)
{
	struct net_user_options options;

	net_user_options_init(&options);
	expect_no_way(&options);
	options.host_loopback = true;
	options.restricted = true;
	expect_no_way(&options);
}

/* A port of the host that is free now. */
static uint16_t free_port(void)
{
	uint16_t port;

	close(listen_host(&port));
	return port;
}

static void test_forward(void **state)
{
	struct net_user_options options;
	struct net_forward forward;
	struct error err = { 0 };
	struct guest g;
	struct connection c = { 0 };
	char text[64];
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	uint16_t port = free_port();
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const struct tcphdr *tcp;

	snprintf(text, sizeof(text), "127.0.0.1:%u:80", port);
	assert_int_equal(net_forward_parse(text, &forward, &err), 0);
	net_user_options_init(&options);
	options.forwards = &forward;
	options.nr_forwards = 1;
	options.restricted = true; /* a way in stays one */
	open_guest(&g, &options);
	meet_router(&g);
	at.sin_port = htons(port);
	assert_int_equal(connect(fd, (void *)&at, sizeof(at)), 0);
	receive_tcp(&g, &c, TH_SYN, false, NULL);
	tcp = behind_ip(&g);
	assert_int_equal(ntohs(tcp->dest), 80);
	c.from_port = 80;
	c.to_port = ntohs(tcp->source);
	c.to = ntohl(ip_of(&g)->saddr);
	c.seq = 5000;
	send_tcp(&g, &c, TH_SYN | TH_ACK, NULL, 0);
	receive_tcp(&g, &c, TH_ACK, false, NULL);
	send_tcp(&g, &c, TH_ACK | TH_PUSH, TEXT, sizeof(TEXT));
	read_exactly(fd, text, sizeof(TEXT));
	assert_string_equal(text, TEXT);
	close(fd);
	close_guest(&g);

	/* What is taken cannot be forwarded, and says so. */
	fd = listen_host(&port);
	((struct sockaddr_in *)(void *)&forward.host)->sin_port = htons(port);
	assert_int_equal(loop_open(&g.loop, &err), 0);
	assert_int_equal(open_port(&g.loop, &options, &g.port, &err), -EADDRINUSE);
	assert_non_null(strstr(err.message, "cannot listen at the host's port"));
	loop_close(&g.loop);
	close(fd);
}

static void test_router_advertisement(void **state)
{
	struct net_user_options options;
	struct guest g;
	_Alignas(8) uint8_t buffer[SPARE + RS_BYTES] = { 0 };
	uint8_t *frame = buffer + SPARE;
	struct ip6_hdr *ip = (void *)(frame + NET_HEADER_BYTES);
	uint8_t *icmp = (uint8_t *)(ip + 1);
	struct {
		struct in6_addr from, to;
		uint32_t size, next;
	} pseudo;

	net_user_options_init(&options);
	open_guest(&g, &options);
	memset(g.router_mac, 0x33, sizeof(g.router_mac));
	put_ethernet(&g, frame, ETHERTYPE_IPV6);
	ip->ip6_vfc = 0x60;
	ip->ip6_plen = htons(8);
	ip->ip6_nxt = IPPROTO_ICMPV6;
	ip->ip6_hlim = 255;
	inet_pton(AF_INET6, "fe80::5054:ff:fe12:3456", &ip->ip6_src);
	inet_pton(AF_INET6, "ff02::2", &ip->ip6_dst);
	icmp[0] = ND_ROUTER_SOLICIT;
	pseudo.from = ip->ip6_src;
	pseudo.to = ip->ip6_dst;
	pseudo.size = htonl(8);
	pseudo.next = htonl(IPPROTO_ICMPV6);
	*(uint16_t *)(void *)(icmp + 2) = htons(
		(uint16_t)~sum(icmp, 8, sum(&pseudo, sizeof(pseudo), 0)));
	send_frame(&g, frame, RS_BYTES, NULL);
	do {
		assert_true(receive_within(&g, WAIT_NS));
		ip = (void *)(g.frame + NET_HEADER_BYTES);
	} while (g.frame[12] != 0x86 || ((uint8_t *)(ip + 1))[0] != ND_ROUTER_ADVERT);
	close_guest(&g);
}

/* --- nonsense --------------------------------------------------------------------------------- */

static void test_nonsense(void **state)
{
	struct net_user_options options;
	struct guest g;
	uint8_t bytes[100] = { 0 };
	struct iovec parts[NET_PARTS_MAX + 1];
	struct net_frame frames[] = {
		{ parts, 0, 0, { 0 } }, /* nothing */
		{ parts, 1, 0, { 0 } }, /* no whole header */
		{ parts, NET_PARTS_MAX + 1, 0, { 0 } }, /* more parts than are allowed */
		{ parts, NET_PARTS_MAX, 0, { 0 } }, /* larger than any frame */
		{ parts, 4, 0,
			{ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				.csum_start = 0xffff,
				.csum_offset = 0xffff } },
		{ parts, 4, 0,
			{ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				.csum_start = 191,
				.csum_offset = 1 } },
	};

	parts[0] = (struct iovec){ bytes, 13 };
	for (size_t i = 1; i < ARRAY_SIZE(parts); i++)
		parts[i] = (struct iovec){ bytes, i < 4 ? 60 : sizeof(bytes) };
	net_user_options_init(&options);
	open_guest(&g, &options);
	assert_int_equal(g.port->ops->send(g.port, frames, ARRAY_SIZE(frames)), ARRAY_SIZE(frames));
	meet_router(&g);
	close_guest(&g);
}

static void test_small_buffer(void **state)
{
	struct net_user_options options;
	struct guest g;
	uint8_t small[20];
	struct iovec part = { small, sizeof(small) };
	struct net_frame frame = { .parts = &part, .nr_parts = 1, .length = 1 };

	net_user_options_init(&options);
	options.ipv6 = false; /* which sends by itself */
	open_guest(&g, &options);
	meet_router(&g);
	ask_router(&g);
	/* A frame that has no room is lost, and nothing else. */
	assert_int_equal(g.port->ops->receive(g.port, &frame, 1), 1);
	assert_int_equal(frame.length, 0);
	meet_router(&g);
	close_guest(&g);
}

static void test_bad_options(void **state)
{
	static const char *const networks[] = { "10.0.2.0", "10.0.2.0/28", "10.0.2.0/7",
		"10.0.2.1/24", "fd00::/64", "10.0.2.0/24/1", "/", "" };
	struct net_user_options options, bad;
	struct net_port *port = NULL;
	struct error err = { 0 };
	struct loop loop;

	net_user_options_init(&options);
	for (size_t i = 0; i < ARRAY_SIZE(networks); i++)
		assert_int_equal(net_user_set_network(&options, networks[i], &err), -EINVAL);
	assert_int_equal(loop_open(&loop, &err), 0);
	bad = options;
	bad.mtu = NET_MTU_MIN - 1;
	assert_int_equal(open_port(&loop, &bad, &port, &err), -EINVAL);
	bad.mtu = NET_MTU_MAX + 1;
	assert_int_equal(open_port(&loop, &bad, &port, &err), -EINVAL);
	bad = options;
	bad.ipv4 = bad.ipv6 = false;
	assert_int_equal(open_port(&loop, &bad, &port, &err), -EINVAL);
	assert_null(port);
	loop_close(&loop);
}

static int use_own(void **state)
{
	open_port = net_user_open;
	return 0;
}

static int use_slirp(void **state)
{
	open_port = net_slirp_open;
	return 0;
}

#define BOTH(test)                                                                                 \
	{ "own " #test, test, use_own },                                                           \
	{                                                                                          \
		"slirp " #test, test, use_slirp                                                    \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_arp_and_ping),
		BOTH(test_dhcp),
		BOTH(test_tcp_out),
		BOTH(test_tcp_out_offloaded),
		BOTH(test_refused),
		BOTH(test_closed_ways),
		BOTH(test_forward),
		BOTH(test_router_advertisement),
		BOTH(test_nonsense),
		BOTH(test_small_buffer),
		BOTH(test_bad_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
