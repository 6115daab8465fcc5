/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-cable.c - both ends of a cable: greetings, batches, parts, who waits for whom, what is no
 * frame, an end that goes; and one with a switch behind it.
 */
#include "unit/test.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/switch.h"
#include "unit/net/fake-port.h"

#define ALL (NET_OFFLOAD_CHECKSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6 | NET_OFFLOAD_TSO_ECN)
#define MTU 9000
#define FEW 40

static struct loop loop;
static struct net_port *ends[2]; /* the switch's, and the other one */
static unsigned nr_ready[2];

static void port_ready(struct net_port *port, void *context)
{
	(*(unsigned *)context)++;
}

static void hold(unsigned i)
{
	ends[i]->ready = port_ready;
	ends[i]->context = &nr_ready[i];
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

static int make_pair(int fds[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds);
}

static int setup(void **state)
{
	struct error err = { 0 };
	int fds[2];

	nr_ready[0] = nr_ready[1] = 0;
	assert_int_equal(loop_open(&loop, &err), 0);
	assert_int_equal(make_pair(fds), 0);
	assert_int_equal(net_cable_open(&loop, fds[0], MTU, &ends[0], &err), 0);
	hold(0);
	assert_int_equal(ends[0]->takes, 0);
	assert_int_equal(ends[0]->ops->set_offloads(ends[0], ALL, &err), 0);
	assert_int_equal(net_cable_join(&loop, fds[1], &ends[1], &err), 0);
	hold(1);
	return 0;
}

static int teardown(void **state)
{
	for (unsigned i = 0; i < 2; i++)
		ends[i] = net_port_close(ends[i]);
	loop_close(&loop);
	return 0;
}

static void fill(uint8_t *bytes, size_t length, unsigned seed)
{
	for (size_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)(i * 3 + seed);
}

/* Frame number i, in two parts. */
static unsigned send_one(unsigned end, uint8_t *bytes, size_t length, unsigned i)
{
	struct iovec parts[] = { { bytes, 5 }, { bytes + 5, length - 5 } };
	const struct net_frame frame = { .parts = parts,
		.nr_parts = 2,
		.length = (uint32_t)length,
		.offload = { .flags = 1, .csum_start = (uint16_t)i } };

	fill(bytes, length, i);
	return ends[end]->ops->send(ends[end], &frame, 1);
}

/* It is there, or comes. */
static struct net_frame receive_one(unsigned end, uint8_t *bytes, size_t room)
{
	static struct iovec parts[2];
	struct net_frame frame = { .parts = parts, .nr_parts = 2 };

	parts[0] = (struct iovec){ bytes, 7 };
	parts[1] = (struct iovec){ bytes + 7, room - 7 };
	while (!ends[end]->ops->receive(ends[end], &frame, 1))
		turn();
	return frame;
}

static void test_greetings(void **state)
{
	uint8_t bytes[100], got[100];

	assert_int_equal(ends[1]->mtu, MTU);
	assert_int_equal(ends[1]->takes, ALL);
	assert_int_equal(ends[1]->gives, ALL);
	assert_int_equal(ends[1]->ops->set_offloads(ends[1], NET_OFFLOAD_CHECKSUM, NULL), 0);
	assert_int_equal(send_one(1, bytes, sizeof(bytes), 3), 1);
	/* It comes before the frame, and is none. */
	assert_int_equal(receive_one(0, got, sizeof(got)).length, 100);
	assert_int_equal(ends[0]->takes, NET_OFFLOAD_CHECKSUM);
	assert_int_equal(ends[1]->ops->set_offloads(ends[1], ALL, NULL), 0);
	while (ends[0]->takes != ALL) {
		struct iovec part = { got, sizeof(got) };
		struct net_frame frame = { .parts = &part, .nr_parts = 1 };

		assert_int_equal(ends[0]->ops->receive(ends[0], &frame, 1), 0);
		turn();
	}
}

static void test_frames(void **state)
{
	static uint8_t bytes[NET_FRAME_MAX], got[NET_FRAME_MAX];
	static const size_t lengths[] = { 14, 60, 1514, 20000, NET_FRAME_MAX };

	assert_int_equal(ends[0]->ops->next_length(ends[0]), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
		unsigned end = i % 2;
		struct net_frame frame;

		assert_int_equal(send_one(end, bytes, lengths[i], i), 1);
		frame = receive_one(!end, got, sizeof(got));
		assert_int_equal(frame.length, lengths[i]);
		assert_int_equal(frame.offload.csum_start, i);
		assert_memory_equal(got, bytes, lengths[i]);
	}
	assert_true(nr_ready[0] && nr_ready[1]);
}

static void test_batch(void **state)
{
	uint8_t bytes[FEW][60], got[FEW][100];
	struct iovec parts[FEW], room[FEW];
	struct net_frame frames[FEW], back[FEW];
	unsigned nr = 0;

	for (unsigned i = 0; i < FEW; i++) {
		fill(bytes[i], 60, i);
		parts[i] = (struct iovec){ bytes[i], 60 };
		/* Some are of nothing. */
		frames[i] = (struct net_frame){
			.parts = &parts[i], .nr_parts = i % 10 != 3, .length = 60
		};
		room[i] = (struct iovec){ got[i], 100 };
		back[i] = (struct net_frame){ .parts = &room[i], .nr_parts = 1 };
	}
	/* In front of them, a greeting. */
	ends[0]->ops->set_offloads(ends[0], NET_OFFLOAD_TSO4, NULL);
	assert_int_equal(ends[0]->ops->send(ends[0], frames, FEW), FEW);
	while (nr < FEW - 4) {
		turn();
		nr += ends[1]->ops->receive(ends[1], back + nr, FEW - nr);
	}
	assert_int_equal(nr, FEW - 4);
	assert_int_equal(ends[1]->takes, NET_OFFLOAD_TSO4);
	for (unsigned i = 0, k = 0; i < FEW; i++) {
		if (i % 10 == 3)
			continue;
		assert_int_equal(back[k].length, 60);
		assert_memory_equal(back[k++].parts->iov_base, bytes[i], 60);
	}
}

static void test_full(void **state)
{
	static uint8_t bytes[60000], got[60000];
	unsigned sent = 0, nr = 0;

	while (send_one(0, bytes, sizeof(bytes), sent))
		sent++;
	assert_in_range(sent, 1, 1000);
	/* Neither is it asked for more, nor told, while nothing changes. */
	nr_ready[0] = 0;
	for (int i = 0; i < 10; i++)
		turn();
	assert_int_equal(send_one(0, bytes, sizeof(bytes), sent), 0);
	assert_int_equal(nr_ready[0], 0);
	assert_int_equal(nr_ready[1], 1);
	for (; nr < sent; nr++) {
		assert_int_equal(receive_one(1, got, sizeof(got)).length, sizeof(got));
		fill(bytes, sizeof(bytes), nr);
		assert_memory_equal(got, bytes, sizeof(got));
	}
	while (!nr_ready[0])
		turn();
	assert_int_equal(send_one(0, bytes, sizeof(bytes), 0), 1);
}

static void test_no_frames(void **state)
{
	static const uint8_t bytes[100] = { 1 };
	uint8_t got[100], few[10];
	struct iovec part = { few, sizeof(few) };
	struct net_frame frame = { .parts = &part, .nr_parts = 1 };
	struct net_port *port;
	int fds[2];

	/* The other end speaks as it likes. */
	assert_int_equal(make_pair(fds), 0);
	assert_int_equal(net_cable_open(&loop, fds[0], MTU, &port, NULL), 0);
	net_port_close(ends[0]);
	ends[0] = port;
	hold(0);
	for (size_t n = 1; n <= 24; n++)
		assert_int_equal(send(fds[1], bytes, n, 0), n);
	/* The first that is one, of 14 bytes. */
	assert_int_equal(receive_one(0, got, sizeof(got)).length, 14);
	assert_int_equal(send(fds[1], bytes, sizeof(bytes), 0), sizeof(bytes));
	while (!port->ops->receive(port, &frame, 1))
		turn();
	assert_int_equal(frame.length, 0); /* it had no room */
	assert_int_equal(port->takes, 0);
	close(fds[1]);
}

static void test_pulled(void **state)
{
	uint8_t bytes[60], got[60];

	assert_int_equal(send_one(1, bytes, sizeof(bytes), 9), 1);
	ends[1] = net_port_close(ends[1]);
	/* What it has sent is still there; then there is nothing, and nobody is told of it. */
	assert_int_equal(receive_one(0, got, sizeof(got)).length, 60);
	for (int i = 0; i < 10; i++)
		turn();
	assert_in_range(nr_ready[0], 1, 2);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(send_one(0, bytes, sizeof(bytes), i), 1);
	assert_int_equal(
		ends[0]->ops->receive(ends[0],
			&(struct net_frame){ .parts = &(struct iovec){ got, 60 }, .nr_parts = 1 },
			1),
		0);
	assert_int_equal(ends[0]->ops->next_length(ends[0]), 0);
	assert_int_equal(ends[0]->ops->set_offloads(ends[0], 0, NULL), 0);
}

static void test_switch(void **state)
{
	static const uint8_t everybody[] = { 255, 255, 255, 255, 255, 255, 2, 1, 1, 1, 1, 1 };
	struct net_switch *sw;
	struct fake_port fake;
	uint8_t frame[60] = { 0 }, got[60];
	unsigned number;

	fake_init(&fake, ALL);
	assert_int_equal(net_switch_open(&loop, 1500, &sw, NULL), 0);
	assert_int_equal(
		net_switch_add(sw, &fake.port, &(struct net_switch_port){ 0 }, &number, NULL), 0);
	assert_int_equal(
		net_switch_add(sw, ends[0], &(struct net_switch_port){ 0 }, &number, NULL), 0);
	ends[0] = NULL;
	memcpy(frame, everybody, sizeof(everybody));
	fake_give(&fake, frame, sizeof(frame), NULL);
	fake_ready(&fake);
	assert_int_equal(receive_one(1, got, sizeof(got)).length, 60);
	assert_memory_equal(got, frame, 60);
	frame[7] = 3;
	assert_int_equal(ends[1]->ops->send(ends[1],
				 &(struct net_frame){ .parts = &(struct iovec){ frame, 60 },
					 .nr_parts = 1,
					 .length = 60 },
				 1),
		1);
	while (!fake.nr_got)
		turn();
	/* What has nobody on the other end is no burden. */
	ends[1] = net_port_close(ends[1]);
	for (int i = 0; i < 10; i++) {
		fake_give(&fake, frame, sizeof(frame), NULL);
		fake_ready(&fake);
		turn();
	}
	assert_int_equal(net_switch_count(sw, number)->drops[NET_DROP_QUEUE_FULL], 0);
	net_switch_close(sw);
}

static void test_connect(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "net-cable-test.sock" };
	struct net_port *port = NULL, *other = NULL;
	struct error err = { 0 };
	int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), fd, null[2];
	char folder[] = "/tmp/strata-cable-XXXXXX", long_name[200] = { 0 };

	assert_non_null(mkdtemp(folder));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/switch", folder);
	assert_int_equal(net_cable_connect(&loop, address.sun_path, &port, &err), -ENOENT);
	assert_non_null(strstr(err.message, "cannot connect with the switch at /tmp"));
	memset(long_name, 'x', sizeof(long_name) - 1);
	assert_int_equal(net_cable_connect(&loop, long_name, &port, &err), -ENAMETOOLONG);
	assert_int_equal(bind(listener, (void *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	/* A switch that ends, and something else. */
	assert_int_equal(make_pair(null), 0);
	close(null[0]);
	assert_int_equal(net_cable_join(&loop, null[1], &port, &err), -ECONNRESET);
	close(null[1]);
	assert_int_equal(make_pair(null), 0);
	assert_int_equal(send(null[0], "hello", 5, 0), 5);
	assert_int_equal(net_cable_join(&loop, null[1], &port, &err), -EPROTO);
	close(null[0]);
	close(null[1]);
	assert_int_equal(pipe(null), 0);
	assert_true(net_cable_join(&loop, null[0], &port, &err) < 0);
	close(null[0]);
	close(null[1]);
	/* One that listens greets when the cable is there. */
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (void *)&address, sizeof(address)), 0);
	assert_int_equal(
		net_cable_open(&loop, accept(listener, NULL, NULL), 1500, &other, &err), 0);
	assert_int_equal(other->ops->set_offloads(other, ALL, &err), 0);
	assert_int_equal(net_cable_join(&loop, fd, &port, &err), 0);
	assert_int_equal(port->mtu, 1500);
	net_port_close(port);
	net_port_close(other);
	close(listener);
	unlink(address.sun_path);
	rmdir(folder);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_greetings),
		TEST(test_frames),
		TEST(test_batch),
		TEST(test_full),
		TEST(test_no_frames),
		TEST(test_pulled),
		TEST(test_switch),
		TEST(test_connect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
