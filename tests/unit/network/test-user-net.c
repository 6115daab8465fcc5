/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-user-net.c - a network of this process: cables in the hands of this test, names, addresses
 * and published ports of endpoints that come and go.
 */
#include "unit/test.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/net.h"
#include "network/user-net.h"

#define NR 2

static struct loop loop;
static struct network network;
static struct user_net *net;
static struct net_port *cables[NR];

static const char *const ids[] = {
	"aa11111111111111111111111111111111111111111111111111111111111111",
	"bb22222222222222222222222222222222222222222222222222222222222222",
};

static int setup(void **state)
{
	struct error err = { 0 };

	network = (struct network){
		.name = strdup("lab"), .mtu = 1500, .nr_subnets = 1, .internal = *state != NULL
	};
	assert_int_equal(network_prefix_parse("10.88.7.0/24", &network.subnets[0].prefix), 0);
	assert_int_equal(network_address_parse("10.88.7.1", &network.subnets[0].gateway), 0);
	assert_int_equal(loop_open(&loop, &err), 0);
	if (user_net_open(&loop, &network, &net, &err) < 0)
		fail_msg("%s", err.message);
	return 0;
}

static int teardown(void **state)
{
	for (unsigned i = 0; i < NR; i++)
		cables[i] = net_port_close(cables[i]);
	net = user_net_close(net);
	loop_close(&loop);
	network_free(&network);
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

/* The first `nr` of two, called web and db, at .2 and .3. */
static struct network_endpoint *make_endpoints(unsigned nr, const char *port)
{
	struct network_endpoint *list = calloc(NR, sizeof(*list));

	for (unsigned i = 0; i < nr; i++) {
		strcpy(list[i].id, ids[i]);
		list[i].instance = strdup(i ? "db" : "web");
		list[i].hostname = strdup(i ? "host-db" : "host-web");
		list[i].ip = (struct network_address){ AF_INET, { 10, 88, 7, (uint8_t)(2 + i) } };
		network_mac_of_address(&list[i].ip, list[i].mac);
		strcpy(list[i].link, i ? "svb" : "sva");
	}
	assert_int_equal(strv_push(&list[0].aliases, "www"), 0);
	if (port)
		assert_int_equal(strv_push(&list[0].ports, port), 0);
	return list;
}

static void plug_in(unsigned i)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(user_net_plug(net, ids[i], fds[0], NULL), 0);
	net_port_close(cables[i]);
	assert_int_equal(net_cable_join(&loop, fds[1], &cables[i], NULL), 0);
}

static void plug_both(void)
{
	assert_int_equal(user_net_set(net, make_endpoints(2, NULL), 2, NULL), 0);
	plug_in(0);
	plug_in(1);
}

static void send_frame(unsigned i, void *frame, size_t length)
{
	struct iovec part = { frame, length };
	const struct net_frame f = { .parts = &part, .nr_parts = 1, .length = (uint32_t)length };

	assert_int_equal(cables[i]->ops->send(cables[i], &f, 1), 1);
}

static size_t receive(unsigned i, uint8_t frame[2000])
{
	struct iovec part = { frame, 2000 };
	struct net_frame f = { .parts = &part, .nr_parts = 1 };

	while (!cables[i]->ops->receive(cables[i], &f, 1))
		turn();
	return f.length;
}

static void make_ip(uint8_t *frame, unsigned from, const uint8_t *to_mac, unsigned to)
{
	const uint8_t ip[] = { 0x45, 0, 0, 0, 0, 0, 0, 0, 64, IPPROTO_UDP, 0, 0, 10, 88, 7,
		(uint8_t)(from + 2), 10, 88, 7, (uint8_t)to };
	const uint8_t mac[] = { 2, 0x42, 10, 88, 7, (uint8_t)(from + 2), 8, 0 };

	memcpy(frame, to_mac, 6);
	memcpy(frame + 6, mac, sizeof(mac));
	memcpy(frame + 14, ip, sizeof(ip));
}

static void test_between(void **state)
{
	static const uint8_t db[] = { 2, 0x42, 10, 88, 7, 3 };
	uint8_t frame[60] = { 0 }, got[2000];
	char *counters;

	plug_both();
	make_ip(frame, 0, db, 3);
	send_frame(0, frame, sizeof(frame));
	assert_int_equal(receive(1, got), 60);
	assert_memory_equal(got, frame, 60);
	/* With another's address: nowhere. What comes behind it is first. */
	frame[29] = 9;
	send_frame(0, frame, sizeof(frame));
	frame[29] = 2;
	frame[50] = 1;
	send_frame(0, frame, sizeof(frame));
	assert_int_equal(receive(1, got), 60);
	assert_int_equal(got[50], 1);
	counters = user_net_counters(net);
	assert_non_null(strstr(counters, ids[0]));
	assert_non_null(strstr(counters, "\"drops\":{\"spoofed-address\":1}"));
	free(counters);
}

/* What web is answered about a name: the code, and the last byte of the address (0: none). */
static void ask(
	const char *name, size_t length, unsigned type, uint8_t *ret_code, uint8_t *ret_last)
{
	static const uint8_t gateway[] = { 0x52, 0x55, 10, 88, 7, 1 };
	uint8_t frame[200] = { 0 }, got[2000];
	size_t n;

	make_ip(frame, 0, gateway, 1);
	memcpy(frame + 34, "\x99\x99\0\x35\0", 5);
	frame[39] = (uint8_t)(8 + 12 + length + 4);
	memcpy(frame + 42, "\x12\x34\1\0\0\1\0\0\0\0\0\0", 12);
	memcpy(frame + 54, name, length);
	memcpy(frame + 54 + length, (uint8_t[]){ 0, (uint8_t)type, 0, 1 }, 4);
	send_frame(0, frame, 54 + length + 4);
	n = receive(0, got);
	*ret_code = got[45] & 15;
	*ret_last = got[49] ? got[n - 1] : 0;
}

static void test_names(void **state)
{
	static const struct {
		const char *name;
		size_t length;
		uint8_t type, code, last;
	} rows[] = {
#define ROW(name, type, code, last) { name, sizeof(name), type, code, last }
		ROW("\2db", 1, 0, 3),
		ROW("\2DB", 1, 0, 3),
		ROW("\2db\3lab", 1, 0, 3),
		ROW("\7host-db", 1, 0, 3),
		ROW("\3www", 1, 0, 2),
		ROW("\014bb2222222222", 1, 0, 3),
		ROW("\2db", 28, 0, 0),
		ROW("\2no", 1, 3, 0),
		ROW("\0013\0017\00288\00210\7in-addr\4arpa", 12, 0, 0), /* a name's end */
		ROW("\0019\0017\00288\00210\7in-addr\4arpa", 12, 3, 0),
#undef ROW
	};

	plug_both();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t code, last;

		ask(rows[i].name, rows[i].length, rows[i].type, &code, &last);
		assert_int_equal(code, rows[i].code);
		assert_int_equal(last, rows[i].last);
	}
}

static bool is_plugged(unsigned i)
{
	char *counters = user_net_counters(net);
	bool is_there = strstr(counters, ids[i]);

	free(counters);
	return is_there;
}

static void test_who_goes(void **state)
{
	struct network_endpoint *list;
	struct error err = { 0 };
	uint8_t code, last;
	int fds[2];

	plug_both();
	assert_int_equal(user_net_set(net, make_endpoints(1, NULL), 1, NULL), 0);
	ask("\2db", 4, 1, &code, &last);
	assert_int_equal(code, 3);
	/* Its cable is pulled: what is sent is nobody's trouble. */
	assert_false(is_plugged(1));
	assert_true(is_plugged(0));
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(user_net_plug(net, ids[1], fds[0], &err), -ENOENT);
	close(fds[1]);
	/* One that has started again has another link, and plugs in anew. */
	list = make_endpoints(1, NULL);
	strcpy(list[0].link, "svc");
	assert_int_equal(user_net_set(net, list, 1, NULL), 0);
	assert_false(is_plugged(0));
	cables[0] = net_port_close(cables[0]);
	plug_in(0);
	plug_in(0);
	ask("\3www", 5, 1, &code, &last);
	assert_int_equal(last, 2);
}

static uint16_t free_port(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t length = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (void *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (void *)&at, &length), 0);
	close(fd);
	return ntohs(at.sin_port);
}

static int try_to_connect(uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r = connect(fd, (void *)&at, sizeof(at)) < 0 ? -errno : 0;

	close(fd);
	return r;
}

static void test_published(void **state)
{
	struct error err = { 0 };
	char text[40];
	uint16_t port = free_port();
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd;

	snprintf(text, sizeof(text), "127.0.0.1:%u:80/tcp", port);
	assert_int_equal(user_net_set(net, make_endpoints(1, text), 1, &err), 0);
	assert_int_equal(try_to_connect(port), 0);
	/* The same again, and no more. */
	assert_int_equal(user_net_set(net, make_endpoints(1, text), 1, &err), 0);
	assert_int_equal(try_to_connect(port), 0);
	assert_int_equal(user_net_set(net, make_endpoints(1, NULL), 1, &err), 0);
	assert_int_equal(try_to_connect(port), -ECONNREFUSED);
	/* One that somebody else has. */
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)), 0);
	assert_int_equal(bind(fd, (void *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(user_net_set(net, make_endpoints(1, text), 1, &err), -EADDRINUSE);
	assert_non_null(strstr(err.message, "cannot publish 127.0.0.1:"));
	close(fd);
	assert_int_equal(user_net_set(net, make_endpoints(1, text), 1, &err), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static bool internal = true;
	const struct CMUnitTest tests[] = {
		TEST(test_between),
		TEST(test_names),
		TEST(test_who_goes),
		TEST(test_published),
		{ "test_internal", test_names, setup, teardown, &internal },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
