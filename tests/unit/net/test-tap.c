/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-tap.c - a tap interface in a network namespace of this test, with a packet socket as the
 * host's end: frames both ways with their unfinished work, and who waits for whom.
 */
#include "unit/test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "net/net.h"

#define NAME  "strata-test"
#define TYPE  0x88b5 /* for experiments (IEEE 802) */
#define TURNS 2000
#define MTU   1400

static struct loop loop;
static struct net_port *port;
static int packets = -1;
static const char *why_not;
static unsigned nr_ready;

static void port_ready(struct net_port *p, void *context)
{
	nr_ready++;
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

/* An interface that stays without us, as `ip tuntap add` makes one. */
static int make_interface(void)
{
	struct ifreq request = { .ifr_name = NAME,
		.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int r = 0;

	if (fd < 0 || control < 0 || ioctl(fd, TUNSETIFF, &request) < 0 ||
		ioctl(fd, TUNSETPERSIST, 1) < 0)
		r = -1;
	request.ifr_mtu = MTU;
	if (r == 0 && ioctl(control, SIOCSIFMTU, &request) < 0)
		r = -1;
	request.ifr_flags = IFF_UP | IFF_NOARP;
	if (r == 0 && ioctl(control, SIOCSIFFLAGS, &request) < 0)
		r = -1;
	cleanup_close(&fd);
	cleanup_close(&control);
	return r;
}

static int open_packets(void)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(TYPE) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(TYPE));

	at.sll_ifindex = (int)if_nametoindex(NAME);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (void *)&at, sizeof(at)), 0);
	return fd;
}

static int setup(void **state)
{
	struct error err = { 0 };

	if (why_not)
		return 0;
	assert_int_equal(loop_open(&loop, &err), 0);
	if (net_tap_open(&loop, NAME, &port, &err) < 0)
		fail_msg("%s", err.message);
	port->ready = port_ready;
	packets = open_packets();
	return 0;
}

static int teardown(void **state)
{
	if (why_not)
		return 0;
	port = net_port_close(port);
	close(packets);
	loop_close(&loop);
	return 0;
}

static bool is_skipped(void)
{
	if (why_not)
		print_message("skipped: %s\n", why_not);
	return why_not != NULL;
}

static void fill(uint8_t *frame, size_t size)
{
	memset(frame, 0x11, size);
	memset(frame, 0xff, 6);
	frame[12] = TYPE >> 8;
	frame[13] = TYPE & 0xff;
	for (size_t i = NET_HEADER_BYTES; i < size; i++)
		frame[i] = (uint8_t)i;
}

static void test_send(void **state)
{
	uint8_t bytes[500], got[2000];
	struct iovec parts[] = { { bytes, 13 }, { bytes + 13, sizeof(bytes) - 13 } };
	const struct net_frame frames[] = {
		{ .parts = parts, .nr_parts = 2, .length = sizeof(bytes) },
		{ .parts = parts, .nr_parts = 0 }, /* dropped */
		{ .parts = parts, .nr_parts = 2, .length = sizeof(bytes) },
	};

	if (is_skipped())
		return;
	assert_int_equal(port->mtu, MTU);
	fill(bytes, sizeof(bytes));
	assert_int_equal(port->ops->send(port, frames, 3), 3);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(recv(packets, got, sizeof(got), 0), sizeof(bytes));
		assert_memory_equal(got, bytes, sizeof(bytes));
	}
	assert_int_equal(recv(packets, got, sizeof(got), 0), -1);
}

static void test_receive(void **state)
{
	uint8_t bytes[700], got[2000];
	struct iovec parts[] = { { got, 20 }, { got + 20, sizeof(got) - 20 } };
	struct net_frame frames[2] = { { .parts = parts, .nr_parts = 2 } };

	if (is_skipped())
		return;
	assert_int_equal(port->ops->next_length(port), 0);
	assert_int_equal(port->ops->receive(port, frames, 1), 0);
	fill(bytes, sizeof(bytes));
	assert_int_equal(send(packets, bytes, sizeof(bytes), 0), sizeof(bytes));
	nr_ready = 0;
	for (int i = 0; i < TURNS && !nr_ready; i++)
		turn();
	/* Once, however long we let it lie. */
	for (int i = 0; i < 10; i++)
		turn();
	assert_int_equal(nr_ready, 1);
	assert_true(port->ops->next_length(port) >= sizeof(bytes));
	assert_int_equal(port->ops->receive(port, frames, 1), 1);
	assert_int_equal(frames[0].length, sizeof(bytes));
	assert_memory_equal(got, bytes, sizeof(bytes));
	assert_int_equal(port->ops->receive(port, frames, 1), 0);
	assert_int_equal(port->ops->next_length(port), 0);
}

static void test_offloads(void **state)
{
	const unsigned all = NET_OFFLOAD_CHECKSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6;
	struct error err = { 0 };

	if (is_skipped())
		return;
	assert_int_equal(port->takes & all, all);
	assert_int_equal(port->ops->set_offloads(port, all, &err), 0);
	assert_int_equal(port->ops->set_offloads(port, 0, &err), 0);
	/* The kernel has no segmentation without checksums. */
	assert_true(port->ops->set_offloads(port, NET_OFFLOAD_TSO4, &err) < 0);
}

static void test_names(void **state)
{
	struct net_port *none = NULL;
	struct error err = { 0 };
	struct loop other;

	assert_int_equal(loop_open(&other, &err), 0);
	assert_int_equal(net_tap_open(&other, "", &none, &err), -EINVAL);
	assert_int_equal(net_tap_open(&other, "a-name-that-is-too-long", &none, &err), -EINVAL);
	assert_int_equal(net_tap_open(&other, "not-there", &none, &err), -ENODEV);
	assert_non_null(strstr(err.message, "ip tuntap add not-there"));
	assert_true(net_tap_open(&other, "lo", &none, &err) < 0);
	assert_null(none);
	loop_close(&other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_send),
		TEST(test_receive),
		TEST(test_offloads),
		cmocka_unit_test(test_names),
	};

	if (unshare(geteuid() ? CLONE_NEWUSER | CLONE_NEWNET : CLONE_NEWNET) < 0)
		why_not = "no network namespace can be made";
	else if (make_interface() < 0)
		why_not = "no tap interface can be made";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
