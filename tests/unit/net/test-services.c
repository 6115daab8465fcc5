/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-services.c - what a gateway answers itself and what it leaves to the way out; name servers
 * outside, which are this test's, in a network namespace of its own.
 */
#include "unit/test.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/offload.h"
#include "net/services.h"
#include "unit/net/fake-port.h"

#define QUESTION "\x12\x34\x01\0\0\1\0\0\0\0\0\0"
#define WEB	 QUESTION "\3web\0\0\1\0\1"
#define OUTSIDE	 QUESTION "\3web\2de\0\0\1\0\1"
#define DHCP	 240

static struct loop loop;
static struct net_port *port;
static struct fake_port out;
static char resolv_conf[] = "/tmp/strata-services-XXXXXX";
static bool has_namespace;
static unsigned nr_ready;

static const uint8_t guest[] = { 2, 0x42, 10, 88, 0, 2 }, gateway[] = { 0x52, 0x55, 10, 88, 0, 1 };

static int find_name(void *context, const char *name, struct in6_addr *ret, unsigned max)
{
	if (strcmp(name, "web") != 0)
		return -1;
	assert_true(max > 0);
	inet_pton(AF_INET6, "::ffff:10.88.0.9", ret);
	return 1;
}

static bool find_address(void *context, const struct in6_addr *address, const char **ret_name)
{
	*ret_name = address->s6_addr[15] == 9 ? "web" : NULL;
	return address->s6_addr[12] == 10;
}

static bool find_lease(void *context, const uint8_t mac[NET_MAC_BYTES], struct net_lease *ret)
{
	inet_pton(AF_INET, "10.88.0.2", &ret->address);
	ret->hostname = "box";
	return !memcmp(mac, guest, sizeof(guest));
}

static void port_ready(struct net_port *p, void *context)
{
	nr_ready++;
}

static int setup(void **state)
{
	struct net_services_options options = { .prefix_bits = 16,
		.mtu = 1500,
		.resolv_conf = resolv_conf,
		.is_internal = *state != NULL,
		.find_name = find_name,
		.find_address = find_address,
		.find_lease = find_lease };

	inet_pton(AF_INET, "10.88.0.1", &options.gateway);
	inet_pton(AF_INET6, "fd00::1", &options.gateway6);
	memcpy(options.mac, gateway, sizeof(gateway));
	fake_init(&out, 0);
	assert_int_equal(loop_open(&loop, NULL), 0);
	assert_int_equal(net_services_open(&loop, &options, &out.port, &port, NULL), 0);
	port->ready = port_ready;
	nr_ready = 0;
	return 0;
}

static int teardown(void **state)
{
	port = net_port_close(port);
	assert_true(out.is_closed);
	loop_close(&loop);
	return 0;
}

static void stop_now(struct loop_timer *timer)
{
	loop_stop(&loop);
}

static void turn(void)
{
	struct loop_timer timer = { .expired = stop_now };

	loop_timer_start(&loop, &timer, 1000000);
	assert_int_equal(loop_run(&loop), 0);
	loop_timer_cancel(&loop, &timer);
}

/* From the guest to the gateway; how long it is. */
static size_t udp_frame(uint8_t *frame, unsigned to_port, const void *payload, size_t length)
{
	memset(frame, 0, 42);
	memcpy(frame, gateway, 6);
	memcpy(frame + 6, guest, 6);
	memcpy(frame + 12, "\x08\0\x45", 3);
	frame[23] = IPPROTO_UDP;
	memcpy(frame + 26, "\x0a\x58\0\2\x0a\x58\0\1", 8);
	memcpy(frame + 34, "\x99\x99", 2);
	frame[37] = (uint8_t)to_port;
	frame[38] = (uint8_t)((8 + length) >> 8);
	frame[39] = (uint8_t)(8 + length);
	memcpy(frame + 42, payload, length);
	return 42 + length;
}

static void send_frame(uint8_t *frame, size_t length)
{
	/* As the switch sends one whose tag it took. */
	struct iovec parts[] = { { frame, 14 }, { frame + 14, length - 14 } };
	const struct net_frame f = { .parts = parts, .nr_parts = 2, .length = (uint32_t)length };

	assert_int_equal(port->ops->send(port, &f, 1), 1);
}

static void ask(const void *message, size_t length)
{
	uint8_t frame[600];

	send_frame(frame, udp_frame(frame, 53, message, length));
}

/* The answer to it, from its header of UDP on. 0: none. */
static size_t receive(uint8_t frame[2000])
{
	struct iovec part = { frame, 2000 };
	struct net_frame f = { .parts = &part, .nr_parts = 1 };
	uint8_t pseudo[] = { 0, IPPROTO_UDP, 0, 0 };

	if (!port->ops->receive(port, &f, 1))
		return 0;
	assert_memory_equal(frame, guest, 6);
	assert_memory_equal(frame + 6, gateway, 6);
	assert_int_equal(net_sum(0, frame + 14, 20), 0xffff);
	assert_memory_equal(frame + 26, "\x0a\x58\0\1", 4);
	memcpy(pseudo + 2, frame + 38, 2);
	assert_int_equal(net_sum(net_sum(0, pseudo, 4), frame + 26, 8 + f.length - 34), 0xffff);
	memmove(frame, frame + 34, f.length - 34);
	return f.length - 34;
}

static void test_own_names(void **state)
{
	uint8_t got[2000];
	size_t n;

	assert_int_equal(receive(got), 0);
	ask(WEB, sizeof(WEB) - 1);
	/* Told outside of our own call. */
	assert_int_equal(nr_ready, 0);
	while (!nr_ready)
		turn();
	n = receive(got);
	assert_int_equal(n, 8 + 21 + 16);
	assert_memory_equal(got, "\0\x35\x99\x99", 4);
	assert_memory_equal(got + 8 + 21 + 12, "\x0a\x58\0\x09", 4);
	ask(QUESTION "\2no\0\0\1\0\1", 20);
	assert_int_equal(receive(got), 8 + 20);
	assert_int_equal(got[8 + 3] & 15, 3);
	/* The address of one, of none, and one of elsewhere. */
	ask(QUESTION "\0019\0010\00288\00210\7in-addr\4arpa\0\0\14\0\1", 12 + 28);
	assert_int_equal(receive(got), 8 + 40 + 12 + 5);
	ask(QUESTION "\0018\0010\00288\00210\7in-addr\4arpa\0\0\14\0\1", 12 + 28);
	assert_int_equal(receive(got), 8 + 40);
	assert_int_equal(got[8 + 3] & 15, 3);
	assert_int_equal(out.nr_got, 0);
}

static void test_passes(void **state)
{
	uint8_t frames[4][200], got[2000];
	struct iovec parts[4];
	struct net_frame f[4];

	/* For others, for it but none of its ports, names, and one cut short. */
	for (unsigned i = 0; i < 4; i++) {
		size_t length = udp_frame(frames[i], i == 1 ? 7 : 53, WEB, sizeof(WEB) - 1);

		parts[i] = (struct iovec){ frames[i], length };
		f[i] = (struct net_frame){
			.parts = &parts[i], .nr_parts = 1, .length = (uint32_t)length
		};
	}
	frames[0][33] = 9;
	frames[3][39] = 200;
	assert_int_equal(port->ops->send(port, f, 4), 4);
	assert_int_equal(out.nr_got, 3);
	assert_memory_equal(out.got[1].bytes, frames[1], parts[1].iov_len);
	assert_int_equal(receive(got), 8 + 21 + 16);
	assert_int_equal(receive(got), 0);
	/* And the other way, with its ready(). */
	fake_give(&out, frames[0], 60, NULL);
	nr_ready = 0;
	fake_ready(&out);
	assert_int_equal(nr_ready, 1);
	parts[0] = (struct iovec){ got, sizeof(got) };
	f[0] = (struct net_frame){ .parts = parts, .nr_parts = 1 };
	assert_int_equal(port->ops->receive(port, f, 1), 1);
	assert_int_equal(f[0].length, 60);
}

static void test_full_way_out(void **state)
{
	uint8_t frames[4][200];
	struct iovec parts[4];
	struct net_frame f[4];

	for (unsigned i = 0; i < 4; i++) {
		parts[i] = (struct iovec){ frames[i], udp_frame(frames[i], 7, WEB, 21) };
		f[i] = (struct net_frame){
			.parts = &parts[i], .nr_parts = 1, .length = (uint32_t)parts[i].iov_len
		};
	}
	frames[1][37] = 53;
	out.room = 2;
	assert_int_equal(port->ops->send(port, f, 4), 3);
	out.room = 5;
	assert_int_equal(port->ops->send(port, f + 3, 1), 1);
	assert_int_equal(out.nr_got, 3);
}

/* --- names of others -------------------------------------------------------------------------- */

static int listen_at(const char *address)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(53) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	inet_pton(AF_INET, address, &at.sin_addr);
	assert_int_equal(bind(fd, (void *)&at, sizeof(at)), 0);
	return fd;
}

static void write_resolv_conf(const char *text)
{
	FILE *file = fopen(resolv_conf, "we");

	fputs(text, file);
	fclose(file);
}

static void test_other_names(void **state)
{
	uint8_t got[2000], message[100];
	struct sockaddr_in from;
	socklen_t length = sizeof(from);
	int server;

	if (!has_namespace) {
		print_message("skipped: no network namespace can be made\n");
		return;
	}
	/* The first is not there. */
	write_resolv_conf("search x\nnameserver 127.0.0.4\n nameserver 127.0.0.5\n");
	server = listen_at("127.0.0.5");
	ask(OUTSIDE, sizeof(OUTSIDE) - 1);
	while (recvfrom(server, message, sizeof(message), 0, (void *)&from, &length) < 0)
		turn();
	assert_memory_equal(message, OUTSIDE, sizeof(OUTSIDE) - 1);
	/* An answer to another question first. */
	message[0] ^= 1;
	assert_int_equal(sendto(server, message, 24, 0, (void *)&from, length), 24);
	message[0] ^= 1;
	message[2] = 0x81;
	assert_int_equal(sendto(server, message, 24, 0, (void *)&from, length), 24);
	while (!receive(got))
		turn();
	assert_int_equal(got[8 + 2], 0x81);
	assert_int_equal(receive(got), 0);
	close(server);
	/* Nobody. */
	ask(OUTSIDE, sizeof(OUTSIDE) - 1);
	while (!receive(got))
		turn();
	assert_int_equal(got[8 + 3] & 15, 2);
}

static void test_no_server(void **state)
{
	uint8_t got[2000];

	write_resolv_conf("# none\n");
	ask(OUTSIDE, sizeof(OUTSIDE) - 1);
	assert_true(receive(got) > 0);
	assert_int_equal(got[8 + 3] & 15, 2);
}

static void test_internal(void **state)
{
	uint8_t got[2000];

	ask(OUTSIDE, sizeof(OUTSIDE) - 1);
	assert_true(receive(got) > 0);
	assert_int_equal(got[8 + 3] & 15, 3);
}

/* --- leases ----------------------------------------------------------------------------------- */

static void dhcp(const uint8_t *mac, const void *options, size_t nr)
{
	uint8_t message[400] = { 1, 1, 6, 0, 1, 2, 3, 4 }, frame[600];
	size_t length;

	memcpy(message + 28, mac, 6);
	memcpy(message + 236, "\x63\x82\x53\x63", 4);
	memcpy(message + DHCP, options, nr);
	length = udp_frame(frame, 67, message, sizeof(message));
	memset(frame + 26, 0, 4);
	memset(frame + 30, 255, 4);
	send_frame(frame, length);
}

static void test_leases(void **state)
{
	static const uint8_t stranger[] = { 2, 1, 1, 1, 1, 1 };
	uint8_t got[2000];

	dhcp(guest, "\x35\1\1\xff", 4);
	assert_int_equal(receive(got), 8 + 300);
	assert_memory_equal(got, "\0\x43\0\x44", 4);
	assert_memory_equal(got + 8 + 4, "\1\2\3\4", 4);
	assert_memory_equal(got + 8 + 16, "\x0a\x58\0\2", 4);
	assert_memory_equal(got + 8 + 28, guest, 6);
	assert_memory_equal(got + 8 + DHCP,
		"\x35\1\2\x36\4\x0a\x58\0\1\x33\4\0\1\x51\x80\1\4\xff\xff\0\0\3\4\x0a\x58\0\1"
		"\6\4\x0a\x58\0\1\x1a\2\5\xdc\x0c\3box\xff",
		3 + 6 + 6 + 6 + 6 + 6 + 4 + 5 + 1);
	dhcp(guest, "\x35\1\3\x32\4\x0a\x58\0\2\xff", 10);
	assert_true(receive(got) > 0);
	assert_int_equal(got[8 + DHCP + 2], 5);
	/* Another's address; another server; somebody else; nothing sensible. */
	dhcp(guest, "\x35\1\3\x32\4\x0a\x58\0\3\xff", 10);
	assert_true(receive(got) > 0);
	assert_int_equal(got[8 + DHCP + 2], 6);
	dhcp(guest, "\x35\1\3\x36\4\x0a\x58\0\7\xff", 10);
	dhcp(stranger, "\x35\1\1\xff", 4);
	dhcp(guest, "\x35\2\1\1\xff", 5);
	dhcp(guest, "\x35\xff", 2);
	assert_int_equal(receive(got), 0);
	assert_int_equal(out.nr_got, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static bool internal = true;
	const struct CMUnitTest tests[] = {
		TEST(test_own_names),
		TEST(test_passes),
		TEST(test_full_way_out),
		TEST(test_other_names),
		TEST(test_no_server),
		{ "test_internal", test_internal, setup, teardown, &internal },
		TEST(test_leases),
	};
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd, r;

	if (unshare(geteuid() ? CLONE_NEWUSER | CLONE_NEWNET : CLONE_NEWNET) == 0) {
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		has_namespace = ioctl(fd, SIOCSIFFLAGS, &request) == 0;
		close(fd);
	}
	close(mkstemp(resolv_conf));
	r = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(resolv_conf);
	return r;
}
