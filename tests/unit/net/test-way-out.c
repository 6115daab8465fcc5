/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-way-out.c - what only our own user-mode network is asked for: TCP that loses frames, has no
 * room, or ends in all ways there are; datagrams, errors, several guests, and places that guests
 * must not reach. What both stacks can do is in test-user.c.
 */
#include <fcntl.h>

#include "unit/net/guest.h"

#define LARGE	  150000
#define SMALL_MTU 1500
#define FRAGMENT  1480

static struct guest g;
static int listener = -1, peer = -1;
static uint16_t host_port;

static int setup_with(uint32_t mtu, bool host_loopback)
{
	struct net_user_options options;

	open_port = net_user_open;
	net_user_options_init(&options);
	options.mtu = mtu;
	options.host_loopback = host_loopback;
	open_guest(&g, &options);
	meet_router(&g);
	listener = listen_host(&host_port);
	return 0;
}

static int setup(void **state)
{
	return setup_with(NET_MTU_MAX, true);
}

static int setup_small(void **state)
{
	return setup_with(SMALL_MTU, true);
}

static int setup_closed(void **state)
{
	return setup_with(NET_MTU_MAX, false);
}

static int teardown(void **state)
{
	close_guest(&g);
	if (peer >= 0)
		close(peer);
	close(listener);
	peer = listener = -1;
	return 0;
}

static void open_connection(struct connection *c)
{
	connect_out(&g, c, host_port);
	peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(peer >= 0);
}

static const struct tcphdr *tcp_of(void)
{
	return behind_ip(&g);
}

static void fill(uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 251);
}

/* All that the host has sent, in whatever segments, the next of which is at c->ack. */
static void receive_all(struct connection *c, uint8_t *to, size_t size)
{
	for (size_t done = 0; done < size;) {
		uint32_t expected = c->ack;
		const void *data;
		size_t n = receive_tcp(&g, c, TH_ACK, true, &data);

		if (c->ack - (uint32_t)n != expected) {
			c->ack = expected; /* again, or too early */
			send_tcp(&g, c, TH_ACK, NULL, 0);
			continue;
		}
		assert_true(done + n <= size);
		memcpy(to + done, data, n);
		done += n;
		send_tcp(&g, c, TH_ACK, NULL, 0);
	}
}

/* --- loss ------------------------------------------------------------------------------------- */

static void lose_one(bool has_duplicates)
{
	static uint8_t sent[LARGE], got[LARGE];
	struct connection c = { 0 };
	uint32_t first;
	const void *data;

	open_connection(&c);
	fill(sent, sizeof(sent));
	assert_int_equal(send(peer, sent, sizeof(sent), 0), sizeof(sent));
	first = c.ack;
	receive_tcp(&g, &c, TH_ACK, true, &data);
	c.ack = first; /* it never came */
	for (int i = 0; i < 4 && has_duplicates; i++)
		send_tcp(&g, &c, TH_ACK, NULL, 0);
	receive_all(&c, got, sizeof(got));
	assert_memory_equal(got, sent, sizeof(sent));
}

static void test_lost_and_told(void **state)
{
	lose_one(true);
}

static void test_lost_by_timer(void **state)
{
	lose_one(false);
}

static void test_old_and_early_segments(void **state)
{
	struct connection c = { 0 };
	char got[2 * sizeof(TEXT)];

	open_connection(&c);
	/* Something that is missing before it is not taken, but answered. */
	c.seq += 100;
	send_tcp(&g, &c, TH_ACK, TEXT, sizeof(TEXT));
	c.seq -= 100 + sizeof(TEXT);
	receive_tcp(&g, &c, TH_ACK, false, NULL);
	assert_int_equal(ntohl(tcp_of()->ack_seq), c.seq);
	send_tcp(&g, &c, TH_ACK, TEXT, sizeof(TEXT));
	/* Half of it again, and what follows. */
	c.seq -= 4;
	memcpy(got, &TEXT[sizeof(TEXT) - 4], 4);
	memcpy(got + 4, TEXT, sizeof(TEXT));
	send_tcp(&g, &c, TH_ACK, got, 4 + sizeof(TEXT));
	read_exactly(peer, got, sizeof(got));
	assert_memory_equal(got, TEXT, sizeof(TEXT));
	assert_memory_equal(got + sizeof(TEXT), TEXT, sizeof(TEXT));
}

/* --- windows ---------------------------------------------------------------------------------- */

static void test_no_room_in_guest(void **state)
{
	struct connection c = { .closed = WINDOW };
	const void *data;

	open_connection(&c);
	assert_int_equal(send(peer, TEXT, sizeof(TEXT), 0), sizeof(TEXT));
	/* It is asked whether it has some, with a number that it has already. */
	do
		assert_int_equal(receive_tcp(&g, &c, TH_ACK, false, NULL), 0);
	while (ntohl(tcp_of()->seq) != c.ack);
	c.ack++;
	c.closed = 0;
	send_tcp(&g, &c, TH_ACK, NULL, 0);
	assert_int_equal(receive_tcp(&g, &c, TH_ACK, true, &data), sizeof(TEXT));
	assert_memory_equal(data, TEXT, sizeof(TEXT));
}

/* More than the host's end takes: the window closes, and opens when it does. */
static void test_no_room_in_host(void **state)
{
	static uint8_t block[30000], got[sizeof(block)];
	struct connection c = { 0 };
	uint32_t edge = 0, blocks = 0;

	open_connection(&c);
	edge = c.seq + sizeof(block);
	fill(block, sizeof(block));
	for (;;) {
		if ((int32_t)(edge - c.seq) < (int32_t)sizeof(block)) {
			if (!receive_within(&g, QUIET_NS))
				break; /* it has said nothing for long */
		} else {
			send_tcp(&g, &c, TH_ACK, block, sizeof(block));
			blocks++;
			receive_tcp(&g, &c, TH_ACK, false, NULL);
		}
		assert_int_equal(ntohl(tcp_of()->ack_seq), c.seq);
		edge = ntohl(tcp_of()->ack_seq) + ntohs(tcp_of()->window);
		assert_true(blocks < 10000);
	}
	for (; blocks; blocks--) {
		read_exactly(peer, got, sizeof(got));
		assert_memory_equal(got, block, sizeof(got));
	}
	/* There is room again, and we are told. */
	while (ntohs(tcp_of()->window) < sizeof(block))
		receive_tcp(&g, &c, TH_ACK, false, NULL);
	send_tcp(&g, &c, TH_ACK, block, sizeof(block));
	read_exactly(peer, got, sizeof(got));
}

/* Frames with little room get what fits, and the rest comes in the next ones. */
static void test_small_frames(void **state)
{
	static uint8_t sent[LARGE], got[300];
	struct connection c = { 0 };
	struct iovec part = { got, sizeof(got) };
	struct net_frame frame = { .parts = &part, .nr_parts = 1 };
	size_t done = 0, header = NET_HEADER_BYTES + sizeof(struct iphdr) + sizeof(struct tcphdr);

	open_connection(&c);
	fill(sent, sizeof(sent));
	assert_int_equal(send(peer, sent, sizeof(sent), 0), sizeof(sent));
	g.is_late = false;
	loop_timer_start(&g.loop, &g.deadline, WAIT_NS);
	while (done < 30000) {
		if (g.port->ops->receive(g.port, &frame, 1)) {
			assert_int_equal(frame.length, sizeof(got));
			assert_memory_equal(got + header, sent + done, sizeof(got) - header);
			done += sizeof(got) - header;
			continue;
		}
		assert_false(g.is_late);
		assert_int_equal(loop_run(&g.loop), 0);
	}
	loop_timer_cancel(&g.loop, &g.deadline);
}

static void test_options(void **state)
{
	static const uint8_t options[] = { 2, 4, 1000 >> 8, 1000 & 255, 1, 3, 3, 5 };
	static uint8_t sent[LARGE];
	struct connection c = { .options = options, .option_bytes = sizeof(options) };
	const uint8_t *answer;
	const void *data;

	c.to = ROUTER;
	c.from_port = GUEST_PORT;
	c.to_port = host_port;
	send_tcp(&g, &c, TH_SYN, NULL, 0);
	receive_tcp(&g, &c, TH_SYN | TH_ACK, false, NULL);
	answer = (const uint8_t *)(tcp_of() + 1);
	assert_int_equal(tcp_of()->doff, 7);
	assert_int_equal(answer[0] << 8 | answer[1], 0x0204);
	assert_int_equal(answer[2] << 8 | answer[3], NET_MTU_MAX - 40);
	assert_int_equal(answer[5] << 8 | answer[6], 0x0303);
	send_tcp(&g, &c, TH_ACK, NULL, 0);
	peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	fill(sent, sizeof(sent));
	assert_int_equal(send(peer, sent, sizeof(sent), 0), sizeof(sent));
	/* The window is 32 times what is written there, and segments are as large as was said. */
	for (int i = 0; i < 5; i++) {
		assert_int_equal(receive_tcp(&g, &c, TH_ACK, true, &data), 1000);
		assert_memory_equal(data, sent + i * 1000, 1000);
	}
	assert_int_equal(
		g.port->ops->set_offloads(g.port, NET_OFFLOAD_CHECKSUM | NET_OFFLOAD_TSO4, NULL),
		0);
	assert_true(receive_tcp(&g, &c, TH_ACK, true, &data) > 30000);
}

static void test_nonsense_in_options(void **state)
{
	static const uint8_t lists[][8] = {
		{ 2, 0, 0, 0 },
		{ 2, 255, 0, 0, 3, 255, 0, 0 },
		{ 1, 1, 1, 1, 1, 1, 1, 2 },
		{ 3, 3, 255, 2, 4, 0, 0, 0 },
		{ 0, 255, 255, 255, 255, 255, 255, 255 },
		{ 254, 1, 2, 4, 0, 0, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		struct connection c = { .options = lists[i], .option_bytes = sizeof(lists[i]) };
		char got[sizeof(TEXT)];

		open_connection(&c);
		send_tcp(&g, &c, TH_ACK, TEXT, sizeof(TEXT));
		read_exactly(peer, got, sizeof(got));
		send_tcp(&g, &c, TH_RST | TH_ACK, NULL, 0);
		close(peer);
		peer = -1;
	}
}

/* --- ends ------------------------------------------------------------------------------------- */

static void test_guest_breaks_off(void **state)
{
	struct connection c = { 0 };
	char byte;

	open_connection(&c);
	/* Somebody else's guess changes nothing. */
	c.seq -= 5000;
	send_tcp(&g, &c, TH_RST | TH_ACK, NULL, 0);
	c.seq += 5000;
	send_tcp(&g, &c, TH_ACK, TEXT, 1);
	assert_int_equal(recv(peer, &byte, 1, 0), 1);
	send_tcp(&g, &c, TH_RST | TH_ACK, NULL, 0);
	assert_int_equal(recv(peer, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
}

static void test_host_breaks_off(void **state)
{
	const struct linger at_once = { .l_onoff = 1 };
	struct connection c = { 0 };

	open_connection(&c);
	setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(peer);
	peer = -1;
	receive_tcp(&g, &c, TH_RST, false, NULL);
	/* There is no such connection any more. */
	send_tcp(&g, &c, TH_ACK, TEXT, sizeof(TEXT));
	receive_tcp(&g, &c, TH_RST, false, NULL);
}

static void test_half_closed(void **state)
{
	static uint8_t sent[LARGE], got[LARGE];
	struct connection c = { 0 };

	open_connection(&c);
	send_tcp(&g, &c, TH_ACK | TH_FIN, TEXT, sizeof(TEXT));
	read_exactly(peer, got, sizeof(TEXT));
	assert_int_equal(recv(peer, got, 1, 0), 0);
	fill(sent, sizeof(sent));
	assert_int_equal(send(peer, sent, sizeof(sent), 0), sizeof(sent));
	close(peer);
	peer = -1;
	receive_all(&c, got, sizeof(got));
	assert_memory_equal(got, sent, sizeof(sent));
	receive_tcp(&g, &c, TH_FIN, false, NULL);
	/* It is lost once. */
	receive_tcp(&g, &c, TH_FIN, false, NULL);
	send_tcp(&g, &c, TH_ACK, NULL, 0);
	send_tcp(&g, &c, TH_ACK, NULL, 0);
	receive_tcp(&g, &c, TH_RST, false, NULL);
}

static void test_wrong_sum(void **state)
{
	struct connection c = { 0 };
	char got[sizeof(TEXT)];

	open_connection(&c);
	g.breaks_sums = true;
	send_tcp(&g, &c, TH_ACK, "a line of tent\n", sizeof(TEXT));
	g.breaks_sums = false;
	c.seq -= sizeof(TEXT);
	send_tcp(&g, &c, TH_ACK, TEXT, sizeof(TEXT));
	read_exactly(peer, got, sizeof(got));
	assert_string_equal(got, TEXT);
}

/* --- datagrams -------------------------------------------------------------------------------- */

static void send_udp_from(
	uint16_t from_port, uint32_t to, uint16_t port, const void *data, size_t size)
{
	static _Alignas(8) uint8_t buffer[SPARE + NET_FRAME_MAX];
	uint8_t *frame = buffer + SPARE;
	struct udphdr *udp = payload_of(frame);

	*udp = (struct udphdr){ .source = htons(from_port), .dest = htons(port) };
	udp->len = htons((uint16_t)(sizeof(*udp) + size));
	memcpy(udp + 1, data, size);
	send_frame(&g, frame, put_ip(&g, frame, IPPROTO_UDP, g.address, to, sizeof(*udp) + size),
		NULL);
}

static void send_udp(uint32_t to, uint16_t port, const void *data, size_t size)
{
	send_udp_from(GUEST_PORT, to, port, data, size);
}

static int open_udp(uint16_t *ret_port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (void *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (void *)&at, &size), 0);
	*ret_port = ntohs(at.sin_port);
	return fd;
}

/* Of a datagram to the router, without a sum. */
static void send_fragment(uint16_t port, const uint8_t *data, size_t size, size_t offset)
{
	static _Alignas(8) uint8_t buffer[SPARE + NET_FRAME_MAX];
	uint8_t *frame = buffer + SPARE, whole[8000];
	struct udphdr udp = { .source = htons(GUEST_PORT), .dest = htons(port) };
	struct iphdr *ip = (void *)(frame + NET_HEADER_BYTES);
	size_t left = sizeof(udp) + size - offset, length;

	udp.len = htons((uint16_t)(sizeof(udp) + size));
	memcpy(whole, &udp, sizeof(udp));
	memcpy(whole + sizeof(udp), data, size);
	memcpy(payload_of(frame), whole + offset, left < FRAGMENT ? left : FRAGMENT);
	length = put_ip(
		&g, frame, IPPROTO_UDP, g.address, ROUTER, left < FRAGMENT ? left : FRAGMENT);
	ip->frag_off = htons((uint16_t)(offset / 8 | (left > FRAGMENT ? IP_MF : 0)));
	ip->id = htons(77);
	ip->check = 0;
	ip->check = htons((uint16_t)~sum(ip, sizeof(*ip), 0));
	send_frame(&g, frame, length, NULL);
}

static void test_datagrams(void **state)
{
	static uint8_t sent[4000], got[8000];
	struct sockaddr_in from;
	socklen_t size = sizeof(from);
	uint16_t port;
	int fd = open_udp(&port);
	const struct udphdr *udp;
	size_t done = 0;

	send_udp(ROUTER, port, TEXT, sizeof(TEXT));
	assert_int_equal(recvfrom(fd, got, sizeof(got), 0, (void *)&from, &size), sizeof(TEXT));
	assert_int_equal(sendto(fd, TEXT, sizeof(TEXT), 0, (void *)&from, size), sizeof(TEXT));
	receive_ip(&g, IPPROTO_UDP);
	udp = behind_ip(&g);
	assert_int_equal(ntohs(udp->source), port);
	assert_int_equal(ntohs(udp->dest), GUEST_PORT);
	assert_memory_equal(udp + 1, TEXT, sizeof(TEXT));
	/* Larger than the MTU: in three fragments. */
	fill(sent, sizeof(sent));
	assert_int_equal(sendto(fd, sent, sizeof(sent), 0, (void *)&from, size), sizeof(sent));
	while (done < sizeof(*udp) + sizeof(sent)) {
		size_t offset, bytes;

		receive_ip(&g, IPPROTO_UDP);
		assert_true(g.length <= NET_HEADER_BYTES + SMALL_MTU);
		offset = (ntohs(ip_of(&g)->frag_off) & IP_OFFMASK) * 8u;
		bytes = ntohs(ip_of(&g)->tot_len) - sizeof(struct iphdr);
		assert_int_equal(offset, done);
		memcpy(got + offset, behind_ip(&g), bytes);
		done += bytes;
	}
	assert_memory_equal(got + sizeof(*udp), sent, sizeof(sent));
	udp = (const void *)got;
	assert_int_equal(ntohs(udp->len), done);
	/* And the same from the guest. */
	for (size_t offset = 0; offset < sizeof(*udp) + sizeof(sent); offset += FRAGMENT)
		send_fragment(port, sent, sizeof(sent), offset);
	assert_int_equal(recv(fd, got, sizeof(got), 0), sizeof(sent));
	assert_memory_equal(got, sent, sizeof(sent));
	/* Nobody is there any more. */
	close(fd);
	send_udp(ROUTER, port, TEXT, sizeof(TEXT));
	receive_ip(&g, IPPROTO_ICMP);
	assert_int_equal(((const struct icmphdr *)behind_ip(&g))->type, ICMP_DEST_UNREACH);
	assert_int_equal(((const struct icmphdr *)behind_ip(&g))->code, ICMP_PORT_UNREACH);
}

/* A published port: each of those who come gets its own answer. */
static void test_datagrams_in(void **state)
{
	struct net_user_options options;
	struct net_forward forward = { .is_udp = true, .guest_port = 53 };
	struct sockaddr_in *at = (void *)&forward.host;
	uint16_t port, ports[2];
	int fds[2];

	/* A free port, and two to come from. */
	close(open_udp(&port));
	*at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
	at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	close_guest(&g);
	net_user_options_init(&options);
	options.forwards = &forward;
	options.nr_forwards = 1;
	open_guest(&g, &options);
	meet_router(&g);
	for (int i = 0; i < 2; i++) {
		fds[i] = open_udp(&ports[i]);
		assert_int_equal(connect(fds[i], (void *)at, sizeof(*at)), 0);
		assert_int_equal(send(fds[i], TEXT, 3 + i, 0), 3 + i);
		receive_ip(&g, IPPROTO_UDP);
		assert_int_equal(ntohs(((const struct udphdr *)behind_ip(&g))->len), 8 + 3 + i);
		ports[i] = ntohs(((const struct udphdr *)behind_ip(&g))->source);
	}
	assert_true(ports[0] != ports[1]);
	for (int i = 1; i >= 0; i--) {
		char got[10];

		send_udp_from(53, ROUTER, ports[i], "12345", 4 + (size_t)i);
		assert_int_equal(recv(fds[i], got, sizeof(got), 0), 4 + i);
		close(fds[i]);
	}
}

/* --- several guests --------------------------------------------------------------------------- */

static void become(uint8_t number)
{
	g.mac[NET_MAC_BYTES - 1] = number;
	g.address = 0x0a000200u + number;
}

static void test_two_guests(void **state)
{
	struct connection first = { 0 }, second = { 0 };
	char got[sizeof(TEXT)];
	int one, two;

	open_connection(&first);
	one = peer;
	become(16);
	/* The same ports from another address. */
	open_connection(&second);
	two = peer;
	assert_int_equal(send(one, TEXT, sizeof(TEXT), 0), sizeof(TEXT));
	receive_tcp(&g, &first, TH_ACK, true, NULL);
	assert_memory_equal(g.frame, guest_mac, NET_MAC_BYTES);
	assert_int_equal(send(two, TEXT, sizeof(TEXT), 0), sizeof(TEXT));
	receive_tcp(&g, &second, TH_ACK, true, NULL);
	assert_memory_equal(g.frame, g.mac, NET_MAC_BYTES);
	/* Who pretends to be another one does not get into its connections. */
	g.address = GUEST;
	send_tcp(&g, &first, TH_ACK, "forged", 6);
	send_tcp(&g, &first, TH_RST | TH_ACK, NULL, 0);
	first.seq -= 6;
	memcpy(g.mac, guest_mac, sizeof(g.mac));
	send_tcp(&g, &first, TH_ACK, TEXT, sizeof(TEXT));
	read_exactly(one, got, sizeof(got));
	assert_string_equal(got, TEXT);
	close(one);
}

static void ask_for_address(uint8_t type, uint32_t wanted)
{
	static _Alignas(8) uint8_t buffer[SPARE + 400];
	uint8_t *frame = buffer + SPARE;
	struct udphdr *udp = payload_of(frame);
	uint8_t *dhcp = (uint8_t *)(udp + 1);
	const uint8_t options[] = { 99, 130, 83, 99, 53, 1, type, 50, 4, (uint8_t)(wanted >> 24),
		(uint8_t)(wanted >> 16), (uint8_t)(wanted >> 8), (uint8_t)wanted, 255 };

	memset(buffer, 0, sizeof(buffer));
	dhcp[0] = dhcp[1] = 1;
	dhcp[2] = NET_MAC_BYTES;
	memcpy(dhcp + 28, g.mac, NET_MAC_BYTES);
	memcpy(dhcp + 236, options, sizeof(options));
	*udp = (struct udphdr){ .source = htons(68), .dest = htons(67), .len = htons(308) };
	send_frame(&g, frame, put_ip(&g, frame, IPPROTO_UDP, 0, 0xffffffff, 308), NULL);
	receive_ip(&g, IPPROTO_UDP);
}

static void expect_lease(uint8_t type, uint32_t address)
{
	const uint8_t *dhcp = (const uint8_t *)behind_ip(&g) + sizeof(struct udphdr);
	uint32_t given;

	memcpy(&given, dhcp + 16, sizeof(given));
	assert_int_equal(dhcp[242], type);
	assert_int_equal(ntohl(given), address);
}

static void test_leases(void **state)
{
	enum { DISCOVER = 1, OFFER, REQUEST, ACK = 5, NAK };
	struct connection c = { .to = ROUTER, .from_port = GUEST_PORT };

	ask_for_address(DISCOVER, 0);
	expect_lease(OFFER, GUEST);
	ask_for_address(REQUEST, GUEST);
	expect_lease(ACK, GUEST);
	become(99);
	ask_for_address(REQUEST, GUEST);
	expect_lease(NAK, 0);
	ask_for_address(REQUEST, GUEST + 1);
	expect_lease(ACK, GUEST + 1);
	/* The first one's is nobody else's, whatever that one says. */
	g.address = GUEST;
	ask_router(&g);
	c.to_port = host_port;
	send_tcp(&g, &c, TH_SYN, NULL, 0);
	while (receive_within(&g, QUIET_NS))
		assert_false(
			g.frame[12] == 8 && !g.frame[13] && ip_of(&g)->protocol == IPPROTO_TCP);
}

/* --- what guests must not reach --------------------------------------------------------------- */

static void test_hidden_places(void **state)
{
	static const uint32_t places[] = { INADDR_LOOPBACK, 0x7f000102, 0, 0xffffffff, 0xe0000001,
		ROUTER, 0x0a000250 };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		struct connection c = { .to = places[i], .from_port = GUEST_PORT };

		c.to_port = host_port;
		send_tcp(&g, &c, TH_SYN, NULL, 0);
		while (receive_within(&g, QUIET_NS / 10))
			if (ip_of(&g)->protocol == IPPROTO_TCP)
				assert_true(tcp_of()->th_flags & TH_RST);
	}
	assert_int_equal(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(accept4(listener, NULL, NULL, SOCK_CLOEXEC), -1);
}

#define TEST(name)	  cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_SMALL(name)  cmocka_unit_test_setup_teardown(name, setup_small, teardown)
#define TEST_CLOSED(name) cmocka_unit_test_setup_teardown(name, setup_closed, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_lost_and_told),
		TEST_SMALL(test_lost_and_told),
		TEST(test_lost_by_timer),
		TEST(test_old_and_early_segments),
		TEST(test_no_room_in_guest),
		TEST(test_no_room_in_host),
		TEST(test_small_frames),
		TEST(test_options),
		TEST(test_nonsense_in_options),
		TEST(test_guest_breaks_off),
		TEST(test_host_breaks_off),
		TEST(test_half_closed),
		TEST_SMALL(test_half_closed),
		TEST(test_wrong_sum),
		TEST_SMALL(test_datagrams),
		TEST(test_datagrams_in),
		TEST(test_two_guests),
		TEST(test_leases),
		TEST_CLOSED(test_hidden_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
