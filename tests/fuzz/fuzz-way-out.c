/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-way-out.c - the user-mode network with a hostile guest in front of it, and a host that
 * answers, ends and breaks off connections, in a network namespace of this test's own. Where there
 * can be none, all sockets are refused.
 *
 * An input is a list of steps: a byte that says what, one that says how much of what follows is the
 * step's, and that. Frames may be as they are, or get headers that fit, so that what is behind them
 * is reached; segments are relative to what the connection is at.
 */
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "net/way-out/tcp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEPS_MAX   200
#define PORT	    80
#define GUEST_PORT  1000
#define ROOM	    70000
#define FRAMES_MAX  64 /* taken in one step */
#define IP4_PAYLOAD (NET_HEADER_BYTES + WAY_IP4_BYTES)

enum step {
	STEP_FRAME,
	STEP_IP4, /* a protocol, and its bytes */
	STEP_IP6,
	STEP_SEGMENT, /* flags, seq, ack, window, option bytes, data */
	STEP_RECEIVE, /* into so much room */
	STEP_HOST, /* accept, write, end, break off */
	STEP_EXPIRE, /* all timers go off */
	STEP_OFFLOADS,
	STEP_COUNT,
};

static struct loop loop;
static struct net_port *port;
static int listener = -1, peer = -1;
static bool has_host;
static uint32_t guest_seq, guest_ack;
static uint8_t frame[ROOM];

static void check(bool is_right)
{
	if (!is_right)
		abort();
}

/* --- the host --------------------------------------------------------------------------------- */

static bool make_namespace(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd, r;

	if (unshare(geteuid() ? CLONE_NEWUSER | CLONE_NEWNET : CLONE_NEWNET) < 0)
		return false;
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	r = fd < 0 ? -1 : ioctl(fd, SIOCSIFFLAGS, &request);
	close(fd);
	return r == 0;
}

static void listen_host(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons(PORT),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int on = 1;

	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	check(bind(listener, (void *)&at, sizeof(at)) == 0 && listen(listener, 16) == 0);
}

static void host_step(const uint8_t *bytes, size_t size)
{
	static uint8_t data[200000];
	const struct linger at_once = { .l_onoff = 1 };

	if (listener < 0 || !size)
		return;
	if (peer < 0)
		peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	if (peer < 0)
		return;
	switch (bytes[0] % 5) {
	case 0:
		send(peer, data, size > 1 ? bytes[1] * 700u : 1, MSG_NOSIGNAL);
		break;
	case 1:
		while (recv(peer, data, sizeof(data), 0) > 0)
			;
		break;
	case 2:
		shutdown(peer, SHUT_WR);
		break;
	case 3:
		setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		close(peer);
		peer = -1;
		break;
	case 4:
		close(peer);
		peer = -1;
		break;
	}
}

/* --- the guest -------------------------------------------------------------------------------- */

static void send_frame(size_t length, bool is_checked)
{
	/* A block of exactly this size, in two parts, so that a read beyond it is seen. */
	uint8_t *copy = malloc(length ? length : 1);
	struct iovec parts[2] = { { copy, length / 2 },
		{ copy + length / 2, length - length / 2 } };
	struct net_frame f = { .parts = parts, .nr_parts = 2, .length = (uint32_t)length };

	if (!copy)
		return;
	memcpy(copy, frame, length);
	f.offload.flags = is_checked ? VIRTIO_NET_HDR_F_DATA_VALID : 0;
	check(port->ops->send(port, &f, 1) == 1);
	free(copy);
}

static void put_ethernet(uint16_t type)
{
	static const uint8_t macs[] = { 0x52, 0x55, 10, 0, 2, 2, 0x52, 0x54, 0, 0x12, 0x34, 0x56 };

	memcpy(frame, macs, sizeof(macs));
	way_put16(frame + 12, type);
}

/* In front of `size` bytes that are there. */
static void send_ip4(uint8_t protocol, uint8_t to, size_t size)
{
	uint8_t *ip = frame + NET_HEADER_BYTES;
	static const uint8_t from[] = { 10, 0, 2, 15 };
	uint16_t sum;

	put_ethernet(0x0800);
	memset(ip, 0, WAY_IP4_BYTES);
	ip[0] = 0x45;
	way_put16(ip + 2, (uint16_t)(WAY_IP4_BYTES + size));
	ip[8] = 64;
	ip[9] = protocol;
	memcpy(ip + 12, from, 4);
	memcpy(ip + 16, from, 4);
	ip[19] = to;
	sum = (uint16_t)~way_fold(way_sum(ip, WAY_IP4_BYTES));
	memcpy(ip + 10, &sum, sizeof(sum));
	send_frame(IP4_PAYLOAD + size, true);
}

static void ip4_step(const uint8_t *bytes, size_t size)
{
	if (size < 2)
		return;
	memcpy(frame + IP4_PAYLOAD, bytes + 2, size - 2);
	send_ip4(bytes[0], bytes[1], size - 2);
}

static void ip6_step(const uint8_t *bytes, size_t size)
{
	uint8_t *ip = frame + NET_HEADER_BYTES;

	if (size < 3)
		return;
	put_ethernet(0x86dd);
	memset(ip, 0, WAY_IP6_BYTES);
	ip[0] = 0x60;
	way_put16(ip + 4, (uint16_t)(size - 3));
	ip[6] = bytes[0];
	ip[7] = 255;
	/* From fd00::N or fe80::N to either, or to all. */
	ip[8] = bytes[1] & 1 ? 0xfd : 0xfe;
	ip[9] = bytes[1] & 1 ? 0 : 0x80;
	ip[23] = bytes[1];
	ip[24] = bytes[2] & 1 ? 0xfd : 0xff;
	ip[25] = bytes[2] & 1 ? 0 : 2;
	ip[39] = bytes[2] >> 1;
	memcpy(ip + WAY_IP6_BYTES, bytes + 3, size - 3);
	send_frame(NET_HEADER_BYTES + WAY_IP6_BYTES + size - 3, true);
}

static void segment_step(const uint8_t *bytes, size_t size)
{
	uint8_t *tcp = frame + IP4_PAYLOAD;
	size_t options;

	if (size < 6)
		return;
	options = bytes[5] % 11 * 4u;
	if (options > size - 6)
		options = (size - 6) / 4 * 4;
	memset(tcp, 0, WAY_TCP_BYTES);
	way_put16(tcp, GUEST_PORT);
	way_put16(tcp + 2, PORT);
	way_put32(tcp + 4, guest_seq + (uint32_t)(int8_t)bytes[1]);
	way_put32(tcp + 8, guest_ack + (uint32_t)(int8_t)bytes[2]);
	tcp[12] = (uint8_t)((WAY_TCP_BYTES + options) / 4 << 4);
	tcp[13] = bytes[0];
	way_put16(tcp + 14, (uint16_t)(bytes[3] << 8 | bytes[4]));
	memcpy(tcp + WAY_TCP_BYTES, bytes + 6, size - 6);
	send_ip4(IPPROTO_TCP, 2, WAY_TCP_BYTES + size - 6);
	guest_seq += (uint32_t)(size - 6 - options) + !!(bytes[0] & (TH_SYN | TH_FIN));
}

/* What the guest learns from a segment for it. */
static void hear(const uint8_t *bytes, size_t length)
{
	const uint8_t *tcp = bytes + IP4_PAYLOAD;
	size_t header;

	if (length < IP4_PAYLOAD + WAY_TCP_BYTES || way_get16(bytes + 12) != 0x0800 ||
		bytes[NET_HEADER_BYTES + 9] != IPPROTO_TCP)
		return;
	header = (tcp[12] >> 4) * 4u;
	check(way_get16(bytes + NET_HEADER_BYTES + 2) == length - NET_HEADER_BYTES);
	check(way_fold(way_sum(bytes + NET_HEADER_BYTES, WAY_IP4_BYTES)) == 0xffff);
	check(header >= WAY_TCP_BYTES && IP4_PAYLOAD + header <= length);
	guest_ack = way_get32(tcp + 4) + (uint32_t)(length - IP4_PAYLOAD - header) +
		!!(tcp[13] & (TH_SYN | TH_FIN));
	if (tcp[13] & TH_ACK)
		guest_seq = way_get32(tcp + 8);
}

static void turn(void);

static void receive_step(const uint8_t *bytes, size_t size)
{
	size_t room = size ? bytes[0] * 275u : ROOM;
	uint8_t *to = malloc(room ? room : 1);
	struct iovec parts[2] = { { to, room / 3 }, { to + room / 3, room - room / 3 } };
	struct net_frame f = { .parts = parts, .nr_parts = 2 };

	turn();
	for (unsigned i = 0; to && i < FRAMES_MAX; i++) {
		port->ops->next_length(port);
		if (!port->ops->receive(port, &f, 1))
			break;
		check(f.length <= room && (!f.length || f.length >= NET_HEADER_BYTES));
		hear(to, f.length);
	}
	free(to);
}

/* --- time ------------------------------------------------------------------------------------- */

static void stop_now(struct loop_timer *timer)
{
	loop_stop(&loop);
}

/* What has happened to sockets is seen. */
static void turn(void)
{
	struct loop_timer timer = { .expired = stop_now };

	for (int i = 0; i < 4; i++) {
		loop_timer_start(&loop, &timer, 0);
		check(loop_run(&loop) == 0);
	}
	loop_timer_cancel(&loop, &timer);
}

static void expire_step(void)
{
	struct way *way = container_of(port, struct way, port);

	for (unsigned i = 0; i < way->nr_touched; i++)
		if (way->flows[i].ops)
			way->flows[i].ops->expired(&way->flows[i]);
}

static void do_step(uint8_t kind, const uint8_t *bytes, size_t size)
{
	switch ((enum step)(kind % STEP_COUNT)) {
	case STEP_FRAME:
		memcpy(frame, bytes, size);
		send_frame(size, kind & 0x80);
		break;
	case STEP_IP4:
		ip4_step(bytes, size);
		break;
	case STEP_IP6:
		ip6_step(bytes, size);
		break;
	case STEP_SEGMENT:
		segment_step(bytes, size);
		break;
	case STEP_RECEIVE:
		receive_step(bytes, size);
		break;
	case STEP_HOST:
		host_step(bytes, size);
		break;
	case STEP_EXPIRE:
		expire_step();
		break;
	case STEP_OFFLOADS:
		port->ops->set_offloads(port, (size ? bytes[0] : 0) & port->gives, NULL);
		break;
	case STEP_COUNT:
		break;
	}
}

static void start(void)
{
	struct net_user_options options;
	struct rlimit none = { 64, 64 };
	struct error err = { 0 };

	if (!has_host) {
		has_host = true;
		/* Few descriptors, so that flows give way to others. */
		setrlimit(RLIMIT_NOFILE, &none);
		if (make_namespace())
			listen_host();
	}
	net_user_options_init(&options);
	options.host_loopback = listener >= 0;
	check(loop_open(&loop, &err) == 0);
	check(net_user_open(&loop, &options, &port, &err) == 0);
	guest_seq = 1000;
	guest_ack = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	start();
	for (unsigned i = 0; i < STEPS_MAX && size >= 2; i++) {
		size_t length = data[1] < size - 2 ? data[1] : size - 2;

		do_step(data[0], data + 2, length);
		data += 2 + length;
		size -= 2 + length;
	}
	turn();
	port = net_port_close(port);
	loop_close(&loop);
	cleanup_close(&peer);
	peer = -1;
	while (listener >= 0 && (peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
		close(peer);
	return 0;
}
