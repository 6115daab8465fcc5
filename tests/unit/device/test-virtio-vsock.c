/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-virtio-vsock.c - the vsock device between a driver made of a few lines and sockets of this
 * process: connections both ways, credit, orderly and other ends, and packets that no driver sends.
 */
#include "unit/test.h"

#include <linux/virtio_vsock.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/cleanup.h"
#include "device/virtio/vsock.h"
#include "unit/device/driver.h"

#define WAIT_NS	    INT64_C(20000000000)
#define QUIET_TURNS 30
#define RX_BUFFERS  8
#define RX_BYTES    4096u
#define RX_AT(i)    (BUFFERS + 0x2000 * (uint64_t)(i))
#define TX_AT	    (BUFFERS + 0x100000)
#define GUEST_PORT  1234
#define HOST_PORT   52
#define LOTS	    (1u << 20) /* of credit */

struct packet {
	struct virtio_vsock_hdr header;
	uint8_t data[RX_BYTES];
};

static struct driver driver;
static struct loop loop;
static struct virtio_vsock *vsock;
static char folder[] = "/tmp/strata-vsock-XXXXXX";
static char path[64];
static struct packet got;
static uint32_t guest_taken; /* what the guest says it has passed on */
static int served = -1;

static void connected(struct virtio_vsock_service *service, int fd)
{
	served = fd;
}

static struct virtio_vsock_service service = { .port = 77, .connected = connected };

/* --- the loop --------------------------------------------------------------------------------- */

static void stop_now(struct loop_timer *timer)
{
	loop_stop(&loop);
}

/* At most one event. */
static void turn(void)
{
	struct loop_timer timer = { .expired = stop_now };

	loop_timer_start(&loop, &timer, 0);
	assert_int_equal(loop_run(&loop), 0);
}

static void settle(void)
{
	for (int i = 0; i < QUIET_TURNS; i++)
		turn();
}

/* --- the guest -------------------------------------------------------------------------------- */

static void post_buffer(unsigned i)
{
	const struct driver_part part = { RX_AT(i), RX_BYTES, true };

	driver_add(&driver, 0, &part, 1);
}

/* The next packet for the guest, into `got`. Its buffer goes back. */
static bool take_packet(void)
{
	uint16_t head;
	uint32_t bytes;

	if (!driver_take(&driver, 0, &head, &bytes))
		return false;
	assert_in_range(bytes, sizeof(got.header), RX_BYTES);
	memcpy(&got, driver_at(&driver, driver_descriptor(&driver, 0, head)->addr, bytes), bytes);
	assert_int_equal(got.header.len, bytes - sizeof(got.header));
	assert_int_equal(got.header.src_cid, VIRTIO_VSOCK_HOST_CID);
	assert_int_equal(got.header.dst_cid, VIRTIO_VSOCK_GUEST_CID);
	/* The descriptor is free again, and is put back as it was. */
	driver_offer(&driver, 0, head);
	driver_notify(&driver, 0);
	return true;
}

static void expect(uint16_t op)
{
	int64_t end = clock_monotonic_ns() + WAIT_NS;

	while (!take_packet()) {
		if (clock_monotonic_ns() > end)
			fail_msg("no packet has come; %d was expected", op);
		turn();
	}
	assert_int_equal(got.header.op, op);
}

static void expect_nothing(void)
{
	settle();
	if (take_packet())
		fail_msg("packet %d has come", got.header.op);
}

static void send_raw(const struct virtio_vsock_hdr *header, const void *data, uint32_t bytes)
{
	/* The header alone, and the data in two parts. */
	const struct driver_part parts[] = {
		{ TX_AT, sizeof(*header) },
		{ TX_AT + 64, bytes / 2 },
		{ TX_AT + 64 + bytes / 2, bytes - bytes / 2 },
	};
	uint16_t head;
	uint32_t written;
	int64_t end = clock_monotonic_ns() + WAIT_NS;

	memcpy(driver_at(&driver, TX_AT, sizeof(*header)), header, sizeof(*header));
	if (bytes)
		memcpy(driver_at(&driver, TX_AT + 64, bytes), data, bytes);
	driver_add(&driver, 1, parts, bytes ? 3 : 1);
	driver_notify(&driver, 1);
	while (!driver_take(&driver, 1, &head, &written)) {
		assert_true(clock_monotonic_ns() < end);
		turn();
	}
	assert_int_equal(written, 0);
}

static void send_op(
	uint16_t op, uint32_t host_port, uint32_t flags, const void *data, uint32_t bytes)
{
	const struct virtio_vsock_hdr header = {
		.src_cid = VIRTIO_VSOCK_GUEST_CID,
		.dst_cid = VIRTIO_VSOCK_HOST_CID,
		.src_port = GUEST_PORT,
		.dst_port = host_port,
		.len = bytes,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = op,
		.flags = flags,
		.buf_alloc = LOTS,
		.fwd_cnt = guest_taken,
	};

	send_raw(&header, data, bytes);
}

static void start_driver(void)
{
	driver_start(&driver, 0);
	for (unsigned i = 0; i < RX_BUFFERS; i++)
		post_buffer(i);
	driver_notify(&driver, 0);
}

static int setup(void **state)
{
	struct virtio_vsock_options options = { .guest_cid = VIRTIO_VSOCK_GUEST_CID, .path = path };
	struct error err = { 0 };

	guest_taken = 0;
	driver_init(&driver);
	assert_int_equal(loop_open(&loop, &err), 0);
	if (virtio_vsock_new(&loop, &driver.memory, &options, &vsock, &err) < 0)
		fail_msg("%s", err.message);
	virtio_vsock_serve(vsock, &service);
	driver_attach(&driver, virtio_vsock_device(vsock));
	start_driver();
	return 0;
}

static int teardown(void **state)
{
	vsock = virtio_vsock_free(vsock);
	assert_int_equal(access(path, F_OK), -1);
	driver_destroy(&driver);
	loop_close(&loop);
	return 0;
}

/* --- the host --------------------------------------------------------------------------------- */

static struct sockaddr_un address_of(const char *suffix)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s%s", path, suffix);
	return address;
}

static int listen_at(const char *suffix)
{
	struct sockaddr_un address = address_of(suffix);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (void *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

static int connect_to(const char *suffix)
{
	struct sockaddr_un address = address_of(suffix);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (void *)&address, sizeof(address)), 0);
	return fd;
}

static void read_exactly(int fd, void *to, size_t size)
{
	int64_t end = clock_monotonic_ns() + WAIT_NS;

	for (size_t done = 0; done < size;) {
		ssize_t n = recv(fd, (char *)to + done, size - done, MSG_DONTWAIT);

		if (n == 0 || (n < 0 && errno != EAGAIN))
			fail_msg("the socket has ended");
		done += n > 0 ? (size_t)n : 0;
		turn();
		assert_true(clock_monotonic_ns() < end);
	}
}

static void expect_end(int fd)
{
	int64_t end = clock_monotonic_ns() + WAIT_NS;
	char byte;
	ssize_t n;

	while ((n = recv(fd, &byte, 1, MSG_DONTWAIT)) < 0 && errno == EAGAIN) {
		turn();
		assert_true(clock_monotonic_ns() < end);
	}
	assert_int_equal(n, 0);
	close(fd);
}

/* A connection of the guest to a listening socket at PATH_52. The host's end of it. */
static int connect_guest(void)
{
	int listener = listen_at("_52"), fd;

	send_op(VIRTIO_VSOCK_OP_REQUEST, HOST_PORT, 0, NULL, 0);
	expect(VIRTIO_VSOCK_OP_RESPONSE);
	assert_int_equal(got.header.src_port, HOST_PORT);
	assert_int_equal(got.header.dst_port, GUEST_PORT);
	assert_true(got.header.buf_alloc >= 65536);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	close(listener);
	unlink(address_of("_52").sun_path);
	return fd;
}

/* --- tests ------------------------------------------------------------------------------------ */

static void test_config(void **state)
{
	assert_int_equal(driver_config(&driver, 0, 8), VIRTIO_VSOCK_GUEST_CID);
	expect_nothing();
}

static void test_guest_connects(void **state)
{
	int fd = connect_guest();
	char text[16];

	send_op(VIRTIO_VSOCK_OP_RW, HOST_PORT, 0, "from guest", 10);
	read_exactly(fd, text, 10);
	assert_memory_equal(text, "from guest", 10);
	assert_int_equal(send(fd, "from host", 9, 0), 9);
	expect(VIRTIO_VSOCK_OP_RW);
	assert_int_equal(got.header.len, 9);
	assert_int_equal(got.header.fwd_cnt, 10);
	assert_memory_equal(got.data, "from host", 9);

	/* The guest has nothing more to say, the host has. */
	send_op(VIRTIO_VSOCK_OP_SHUTDOWN, HOST_PORT, VIRTIO_VSOCK_SHUTDOWN_SEND, NULL, 0);
	assert_int_equal(recv(fd, text, 1, 0), 0);
	assert_int_equal(send(fd, "bye", 3, 0), 3);
	expect(VIRTIO_VSOCK_OP_RW);
	send_op(VIRTIO_VSOCK_OP_SHUTDOWN, HOST_PORT,
		VIRTIO_VSOCK_SHUTDOWN_SEND | VIRTIO_VSOCK_SHUTDOWN_RCV, NULL, 0);
	expect(VIRTIO_VSOCK_OP_RST);
	expect_end(fd);
	/* An RST is not answered, and the connection is gone. */
	send_op(VIRTIO_VSOCK_OP_RST, HOST_PORT, 0, NULL, 0);
	expect_nothing();
	send_op(VIRTIO_VSOCK_OP_RW, HOST_PORT, 0, "x", 1);
	expect(VIRTIO_VSOCK_OP_RST);
}

static void test_nobody_there(void **state)
{
	send_op(VIRTIO_VSOCK_OP_REQUEST, HOST_PORT, 0, NULL, 0);
	expect(VIRTIO_VSOCK_OP_RST);
	assert_int_equal(got.header.src_port, HOST_PORT);
	assert_int_equal(got.header.dst_port, GUEST_PORT);
	expect_nothing();
}

static void test_host_closes(void **state)
{
	int fd = connect_guest();

	assert_int_equal(send(fd, "last words", 10, 0), 10);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	expect(VIRTIO_VSOCK_OP_RW);
	expect(VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(got.header.flags, VIRTIO_VSOCK_SHUTDOWN_SEND);
	close(fd);
	expect(VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(got.header.flags, VIRTIO_VSOCK_SHUTDOWN_SEND | VIRTIO_VSOCK_SHUTDOWN_RCV);
	send_op(VIRTIO_VSOCK_OP_RST, HOST_PORT, 0, NULL, 0);
	expect_nothing();
}

static void test_written_to_nobody(void **state)
{
	int fd = connect_guest();

	close(fd);
	expect(VIRTIO_VSOCK_OP_SHUTDOWN);
	send_op(VIRTIO_VSOCK_OP_RW, HOST_PORT, 0, "lost", 4);
	expect(VIRTIO_VSOCK_OP_RST);
	expect_nothing();
}

static void test_host_connects(void **state)
{
	int fd = connect_to("");
	char text[32] = "";
	uint32_t port;

	/* In pieces, and with data behind it. */
	assert_int_equal(send(fd, "CONN", 4, 0), 4);
	expect_nothing();
	assert_int_equal(send(fd, "ECT 1234\nearly", 14, 0), 14);
	expect(VIRTIO_VSOCK_OP_REQUEST);
	assert_int_equal(got.header.dst_port, GUEST_PORT);
	port = got.header.src_port;
	expect_nothing();
	send_op(VIRTIO_VSOCK_OP_RESPONSE, port, 0, NULL, 0);
	expect(VIRTIO_VSOCK_OP_RW);
	assert_memory_equal(got.data, "early", 5);
	snprintf(text, sizeof(text), "OK %u\n", port);
	read_exactly(fd, text + 16, strlen(text));
	assert_memory_equal(text, text + 16, strlen(text));
	send_op(VIRTIO_VSOCK_OP_RW, port, 0, "answer", 6);
	read_exactly(fd, text, 6);
	assert_memory_equal(text, "answer", 6);
	send_op(VIRTIO_VSOCK_OP_RST, port, 0, NULL, 0);
	expect_end(fd);
}

static void test_guest_refuses(void **state)
{
	int fd = connect_to("");

	assert_int_equal(send(fd, "CONNECT 1234\n", 13, 0), 13);
	expect(VIRTIO_VSOCK_OP_REQUEST);
	send_op(VIRTIO_VSOCK_OP_RST, got.header.src_port, 0, NULL, 0);
	expect_end(fd);
}

static void test_bad_hello(void **state)
{
	static const char *const texts[] = { "CONNECT \n", "CONNECT -1\n", "CONNECT 4294967296\n",
		"connect 1\n", "CONNECT 1 \n", "\n", "CONNECT 111111111111111111111111" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		int fd = connect_to("");

		assert_true(send(fd, texts[i], strlen(texts[i]), 0) > 0);
		expect_end(fd);
	}
	close(connect_to(""));
	expect_nothing();
}

static void test_this_process(void **state)
{
	struct error err = { 0 };
	char text[8];
	int fd;

	send_op(VIRTIO_VSOCK_OP_REQUEST, service.port, 0, NULL, 0);
	expect(VIRTIO_VSOCK_OP_RESPONSE);
	assert_true(served >= 0);
	send_op(VIRTIO_VSOCK_OP_RW, service.port, 0, "agent", 5);
	read_exactly(served, text, 5);
	assert_memory_equal(text, "agent", 5);
	close(served);
	served = -1;
	expect(VIRTIO_VSOCK_OP_SHUTDOWN);
	send_op(VIRTIO_VSOCK_OP_RST, service.port, 0, NULL, 0);

	assert_int_equal(virtio_vsock_connect(vsock, GUEST_PORT, &fd, &err), 0);
	assert_int_equal(send(fd, "hello", 5, 0), 5);
	expect(VIRTIO_VSOCK_OP_REQUEST);
	send_op(VIRTIO_VSOCK_OP_RESPONSE, got.header.src_port, 0, NULL, 0);
	expect(VIRTIO_VSOCK_OP_RW);
	assert_memory_equal(got.data, "hello", 5);
	send_op(VIRTIO_VSOCK_OP_RW, got.header.src_port, 0, "there", 5);
	read_exactly(fd, text, 5);
	assert_memory_equal(text, "there", 5);
	send_op(VIRTIO_VSOCK_OP_RST, got.header.src_port, 0, NULL, 0);
	expect_end(fd);
}

/* --- credit ----------------------------------------------------------------------------------- */

static void test_host_slow(void **state)
{
	int fd = connect_guest();
	static uint8_t block[32768], back[sizeof(block)];
	uint32_t room = got.header.buf_alloc, sent = 0, taken = 0;

	/* As much as we may, while the host reads nothing. */
	while (sent - taken + sizeof(block) <= room) {
		memset(block, (int)(sent / sizeof(block)), sizeof(block));
		send_op(VIRTIO_VSOCK_OP_RW, HOST_PORT, 0, block, sizeof(block));
		sent += sizeof(block);
		while (take_packet()) {
			assert_int_equal(got.header.op, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
			taken = got.header.fwd_cnt;
		}
	}
	assert_true(sent >= room);
	send_op(VIRTIO_VSOCK_OP_CREDIT_REQUEST, HOST_PORT, 0, NULL, 0);
	expect(VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	assert_true(got.header.fwd_cnt < sent);

	/* The guest leaves; what it has sent arrives nevertheless. */
	send_op(VIRTIO_VSOCK_OP_SHUTDOWN, HOST_PORT,
		VIRTIO_VSOCK_SHUTDOWN_SEND | VIRTIO_VSOCK_SHUTDOWN_RCV, NULL, 0);
	expect(VIRTIO_VSOCK_OP_RST);
	for (uint32_t i = 0; i < sent / sizeof(block); i++) {
		memset(block, (int)i, sizeof(block));
		read_exactly(fd, back, sizeof(back));
		assert_memory_equal(back, block, sizeof(block));
	}
	expect_end(fd);
}

static void test_guest_ignores_credit(void **state)
{
	int fd = connect_guest();
	static uint8_t block[65536];
	uint32_t sent = 0;

	do {
		assert_true(sent < (16u << 20));
		send_op(VIRTIO_VSOCK_OP_RW, HOST_PORT, 0, block, sizeof(block));
		sent += sizeof(block);
		settle();
		while (take_packet() && got.header.op != VIRTIO_VSOCK_OP_RST)
			;
	} while (got.header.op != VIRTIO_VSOCK_OP_RST);
	close(fd);
}

static void test_guest_slow(void **state)
{
	int listener = listen_at("_52"), fd;
	struct virtio_vsock_hdr header = {
		.src_cid = VIRTIO_VSOCK_GUEST_CID,
		.dst_cid = VIRTIO_VSOCK_HOST_CID,
		.src_port = GUEST_PORT,
		.dst_port = HOST_PORT,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = VIRTIO_VSOCK_OP_REQUEST,
		.buf_alloc = 5,
	};

	send_raw(&header, NULL, 0);
	expect(VIRTIO_VSOCK_OP_RESPONSE);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	close(listener);
	unlink(address_of("_52").sun_path);
	assert_int_equal(send(fd, "0123456789", 10, 0), 10);
	expect(VIRTIO_VSOCK_OP_RW);
	assert_int_equal(got.header.len, 5);
	expect_nothing();
	header.op = VIRTIO_VSOCK_OP_CREDIT_UPDATE;
	header.fwd_cnt = 3;
	send_raw(&header, NULL, 0);
	expect(VIRTIO_VSOCK_OP_RW);
	assert_int_equal(got.header.len, 3);
	assert_memory_equal(got.data, "567", 3);
	/* It says it has taken more than it got: no credit, and no harm. */
	header.fwd_cnt = 100;
	send_raw(&header, NULL, 0);
	expect_nothing();
	header.fwd_cnt = 8;
	send_raw(&header, NULL, 0);
	expect(VIRTIO_VSOCK_OP_RW);
	assert_memory_equal(got.data, "89", 2);
	close(fd);
	expect(VIRTIO_VSOCK_OP_SHUTDOWN);
}

/* --- what no driver does ---------------------------------------------------------------------- */

static void test_strange_packets(void **state)
{
	struct virtio_vsock_hdr header = {
		.src_cid = VIRTIO_VSOCK_GUEST_CID,
		.dst_cid = VIRTIO_VSOCK_HOST_CID,
		.src_port = GUEST_PORT,
		.dst_port = HOST_PORT,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = VIRTIO_VSOCK_OP_REQUEST,
	};
	struct virtio_vsock_hdr bad = header;

	bad.src_cid = 99;
	send_raw(&bad, NULL, 0);
	expect_nothing();
	bad = header;
	bad.dst_cid = 99;
	send_raw(&bad, NULL, 0);
	expect(VIRTIO_VSOCK_OP_RST);
	bad = header;
	bad.type = VIRTIO_VSOCK_TYPE_SEQPACKET;
	send_raw(&bad, NULL, 0);
	expect(VIRTIO_VSOCK_OP_RST);
	assert_int_equal(got.header.type, VIRTIO_VSOCK_TYPE_SEQPACKET);
	bad = header;
	bad.op = 99;
	send_raw(&bad, NULL, 0);
	expect(VIRTIO_VSOCK_OP_RST);
}

static void test_strange_in_connection(void **state)
{
	static const uint16_t ops[] = { VIRTIO_VSOCK_OP_INVALID, VIRTIO_VSOCK_OP_REQUEST,
		VIRTIO_VSOCK_OP_RESPONSE, 8, 0xffff };
	struct virtio_vsock_hdr header = {
		.src_cid = VIRTIO_VSOCK_GUEST_CID,
		.dst_cid = VIRTIO_VSOCK_HOST_CID,
		.src_port = GUEST_PORT,
		.dst_port = HOST_PORT,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = VIRTIO_VSOCK_OP_RW,
		.len = 100,
	};

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		int fd = connect_guest();

		send_op(ops[i], HOST_PORT, 0, NULL, 0);
		expect(VIRTIO_VSOCK_OP_RST);
		expect_end(fd);
	}
	/* More length than bytes. */
	int fd = connect_guest();

	send_raw(&header, "few", 3);
	expect(VIRTIO_VSOCK_OP_RST);
	expect_end(fd);
}

static void test_short_packet(void **state)
{
	const struct driver_part part = { TX_AT, sizeof(struct virtio_vsock_hdr) - 1 };

	driver_add(&driver, 1, &part, 1);
	driver_notify(&driver, 1);
	settle();
	assert_true(driver_is_broken(&driver));
	/* And again alive after a reset. */
	start_driver();
	assert_false(driver_is_broken(&driver));
	send_op(VIRTIO_VSOCK_OP_REQUEST, HOST_PORT, 0, NULL, 0);
	expect(VIRTIO_VSOCK_OP_RST);
}

/* Answers that find no buffer make the guest's packets wait; nothing is lost. */
static void test_no_buffers(void **state)
{
	unsigned sent = 0, answered = 0;
	struct virtio_vsock_hdr *header = driver_at(&driver, TX_AT, sizeof(*header));
	const struct driver_part part = { TX_AT, sizeof(*header) };

	*header = (struct virtio_vsock_hdr){
		.src_cid = VIRTIO_VSOCK_GUEST_CID,
		.dst_cid = VIRTIO_VSOCK_HOST_CID,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = VIRTIO_VSOCK_OP_RW,
	};
	for (unsigned round = 0; round < 20; round++) {
		uint16_t head;
		uint32_t bytes;

		for (unsigned i = 0; i < QUEUE_SIZE; i++, sent++)
			driver_add(&driver, 1, &part, 1);
		driver_notify(&driver, 1);
		settle();
		for (unsigned back = 0; back < QUEUE_SIZE;) {
			if (driver_take(&driver, 1, &head, &bytes)) {
				back++;
				continue;
			}
			/* It waits for us. */
			assert_true(take_packet());
			answered++;
			settle();
		}
	}
	while (take_packet()) {
		answered++;
		settle();
	}
	assert_int_equal(answered, sent);
}

static void test_many_connections(void **state)
{
	int listener = listen_at("_52"), fds[300];
	struct virtio_vsock_hdr header = {
		.src_cid = VIRTIO_VSOCK_GUEST_CID,
		.dst_cid = VIRTIO_VSOCK_HOST_CID,
		.dst_port = HOST_PORT,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = VIRTIO_VSOCK_OP_REQUEST,
	};
	unsigned nr = 0;

	for (header.src_port = 1; header.src_port <= ARRAY_SIZE(fds); header.src_port++) {
		send_raw(&header, NULL, 0);
		while (!take_packet())
			turn();
		if (got.header.op == VIRTIO_VSOCK_OP_RST)
			break;
		fds[nr++] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	}
	assert_in_range(nr, 64, ARRAY_SIZE(fds) - 1);
	while (nr)
		close(fds[--nr]);
	close(listener);
	unlink(address_of("_52").sun_path);
	/* A reset forgets them all. */
	start_driver();
	settle();
	close(connect_guest());
}

static void test_restored(void **state)
{
	struct vm_saved *saved = virtio_vsock_saved(vsock);
	const struct driver_part part = { BUFFERS + 0x200000, 4, true };
	uint32_t *event = driver_at(&driver, part.address, 4);
	uint16_t head;
	uint32_t bytes;
	int fd;

	*event = 99;
	driver_add(&driver, 2, &part, 1);
	driver_notify(&driver, 2);
	settle();
	assert_false(driver_take(&driver, 2, &head, &bytes));
	/* Without connections there is nothing to tell. */
	saved->save(saved);
	assert_int_equal(saved->restore(saved, NULL), 0);
	driver_notify(&driver, 2);
	settle();
	assert_false(driver_take(&driver, 2, &head, &bytes));
	fd = connect_guest();
	saved->save(saved);
	close(fd);
	assert_int_equal(saved->restore(saved, NULL), 0);
	driver_notify(&driver, 2);
	settle();
	assert_true(driver_take(&driver, 2, &head, &bytes));
	assert_int_equal(bytes, 4);
	assert_int_equal(*event, VIRTIO_VSOCK_EVENT_TRANSPORT_RESET);
	/* Until the driver has seen to that, it hears of nothing else... */
	expect_nothing();
	/* ...and a machine that is saved by then has it before it still. */
	driver_add(&driver, 2, &part, 1);
	saved->save(saved);
	assert_true(*(const uint32_t *)saved->data > 0);
	driver_notify(&driver, 2);
	expect(VIRTIO_VSOCK_OP_SHUTDOWN);
}

static void test_bad_options(void **state)
{
	char longest[200];
	struct virtio_vsock_options options = { .guest_cid = 2 };
	struct virtio_vsock *none = NULL;
	struct error err = { 0 };

	assert_int_equal(virtio_vsock_new(&loop, &driver.memory, &options, &none, &err), -EINVAL);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	options = (struct virtio_vsock_options){ 3, longest };
	assert_int_equal(
		virtio_vsock_new(&loop, &driver.memory, &options, &none, &err), -ENAMETOOLONG);
	/* Somebody is there already, and stays. */
	options.path = path;
	assert_int_equal(
		virtio_vsock_new(&loop, &driver.memory, &options, &none, &err), -EADDRINUSE);
	assert_int_equal(access(path, F_OK), 0);
	assert_null(none);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_config),
		TEST(test_guest_connects),
		TEST(test_nobody_there),
		TEST(test_host_closes),
		TEST(test_written_to_nobody),
		TEST(test_host_connects),
		TEST(test_guest_refuses),
		TEST(test_bad_hello),
		TEST(test_this_process),
		TEST(test_host_slow),
		TEST(test_guest_ignores_credit),
		TEST(test_guest_slow),
		TEST(test_strange_packets),
		TEST(test_strange_in_connection),
		TEST(test_short_packet),
		TEST(test_no_buffers),
		TEST(test_many_connections),
		TEST(test_restored),
		TEST(test_bad_options),
	};
	int r;

	if (!mkdtemp(folder))
		return 1;
	snprintf(path, sizeof(path), "%s/v", folder);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(folder);
	return r;
}
