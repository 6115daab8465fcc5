/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-virtio-net.c - the network card between a driver made of a few lines and a port that does
 * what the test says: frames both ways, merged buffers, who waits for whom, and what is refused.
 */
#include "unit/test.h"

#include <linux/virtio_net.h>

#include "device/virtio/net.h"
#include "unit/device/driver.h"

#define FRAMES	    16
#define HEADER	    sizeof(struct virtio_net_hdr_v1)
#define RX_AT(i)    (BUFFERS + 0x4000 * (uint64_t)(i))
#define TX_AT	    (BUFFERS + 0x100000)
#define CONTROL_AT  (BUFFERS + 0x200000)
#define MERGE	    (1ull << VIRTIO_NET_F_MRG_RXBUF)
#define CONTROL	    (1ull << VIRTIO_NET_F_CTRL_VQ | 1ull << VIRTIO_NET_F_CTRL_RX)
#define QUIET_TURNS 20

static const uint8_t mac[NET_MAC_BYTES] = { 0x52, 0x54, 0, 1, 2, 3 };
static const uint8_t everybody[NET_MAC_BYTES] = { 255, 255, 255, 255, 255, 255 };

/* A port whose frames are in the test's memory. */
static struct {
	struct net_port port;
	unsigned room; /* how many more frames it takes */
	struct {
		uint8_t bytes[NET_FRAME_MAX];
		uint32_t length;
		struct virtio_net_hdr offload;
	} sent[FRAMES];
	unsigned nr_sent, nr_dropped;
	const uint8_t *waiting[FRAMES]; /* for the guest */
	uint32_t lengths[FRAMES];
	unsigned first, end;
	unsigned offloads;
} fake;

static struct driver driver;
static struct loop loop;
static struct virtio_net *net;
static uint8_t large[60000];

static unsigned fake_send(struct net_port *port, const struct net_frame *frames, unsigned nr)
{
	unsigned i;

	for (i = 0; i < nr && fake.room; i++) {
		uint32_t length = 0;

		if (!frames[i].nr_parts) {
			fake.nr_dropped++;
			continue;
		}
		for (unsigned p = 0; p < frames[i].nr_parts; p++) {
			memcpy(fake.sent[fake.nr_sent].bytes + length, frames[i].parts[p].iov_base,
				frames[i].parts[p].iov_len);
			length += (uint32_t)frames[i].parts[p].iov_len;
		}
		assert_int_equal(length, frames[i].length);
		fake.sent[fake.nr_sent].length = length;
		fake.sent[fake.nr_sent++].offload = frames[i].offload;
		fake.room--;
	}
	return i;
}

static size_t fake_next_length(struct net_port *port)
{
	return fake.first < fake.end ? fake.lengths[fake.first] : 0;
}

static unsigned fake_receive(struct net_port *port, struct net_frame *frames, unsigned nr)
{
	uint32_t length, done = 0;
	const uint8_t *bytes;

	assert_int_equal(nr, 1);
	if (fake.first == fake.end)
		return 0;
	bytes = fake.waiting[fake.first];
	length = fake.lengths[fake.first++];
	for (unsigned p = 0; p < frames->nr_parts && done < length; p++) {
		uint32_t n = (uint32_t)frames->parts[p].iov_len;

		n = n < length - done ? n : length - done;
		memcpy(frames->parts[p].iov_base, bytes + done, n);
		done += n;
	}
	frames->length = done == length ? length : 0;
	frames->offload = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_DATA_VALID };
	return 1;
}

static int fake_set_offloads(struct net_port *port, unsigned offloads, struct error *err)
{
	fake.offloads = offloads;
	return 0;
}

static const struct net_port_ops fake_ops = {
	.name = "fake",
	.send = fake_send,
	.next_length = fake_next_length,
	.receive = fake_receive,
	.set_offloads = fake_set_offloads,
};

static void stop_now(struct loop_timer *timer)
{
	loop_stop(&loop);
}

static void settle(void)
{
	for (int i = 0; i < QUIET_TURNS; i++) {
		struct loop_timer timer = { .expired = stop_now };

		loop_timer_start(&loop, &timer, 0);
		assert_int_equal(loop_run(&loop), 0);
	}
}

static int setup(void **state)
{
	struct error err = { 0 };

	memset(&fake, 0, sizeof(fake));
	fake.port = (struct net_port){
		.ops = &fake_ops,
		.takes = NET_OFFLOAD_CHECKSUM | NET_OFFLOAD_TSO4,
		.gives = NET_OFFLOAD_CHECKSUM,
		.mtu = 9000,
	};
	fake.room = FRAMES;
	memcpy(large, mac, sizeof(mac));
	for (size_t i = sizeof(mac); i < sizeof(large); i++)
		large[i] = (uint8_t)(i * 3 + i / 256);
	driver_init(&driver);
	assert_int_equal(loop_open(&loop, &err), 0);
	assert_int_equal(virtio_net_new(&loop, &driver.memory, &fake.port, mac, &net, &err), 0);
	driver_attach(&driver, virtio_net_device(net));
	return 0;
}

static int teardown(void **state)
{
	net = virtio_net_free(net);
	driver_destroy(&driver);
	loop_close(&loop);
	return 0;
}

/* --- helpers ---------------------------------------------------------------------------------- */

static void send_bytes(const struct virtio_net_hdr *offload, uint32_t length)
{
	/* The header's last bytes are with the data's first. */
	const struct driver_part parts[] = { { TX_AT, 7 },
		{ TX_AT + 7, (uint32_t)HEADER - 7 + length / 2 },
		{ TX_AT + HEADER + length / 2, length - length / 2 } };
	struct virtio_net_hdr_v1 header = { 0 };

	if (offload)
		memcpy(&header, offload, sizeof(*offload));
	memcpy(driver_at(&driver, TX_AT, HEADER), &header, HEADER);
	memcpy(driver_at(&driver, TX_AT + HEADER, length), large, length);
	driver_add(&driver, 1, parts, 3);
	driver_notify(&driver, 1);
	settle();
}

static bool was_sent(void)
{
	uint16_t head;
	uint32_t bytes;

	return driver_take(&driver, 1, &head, &bytes);
}

static void post(unsigned i, uint32_t bytes)
{
	const struct driver_part part = { RX_AT(i), bytes, true };

	driver_add(&driver, 0, &part, 1);
	driver_notify(&driver, 0);
	settle();
}

static void give_frame(const uint8_t *bytes, uint32_t length)
{
	fake.waiting[fake.end] = bytes;
	fake.lengths[fake.end++] = length;
	fake.port.ready(&fake.port, fake.port.context);
	settle();
}

/* The next buffer that came back: which, and how many bytes. false: none. */
static bool take_buffer(uint8_t **ret, uint32_t *ret_bytes)
{
	uint16_t head;

	if (!driver_take(&driver, 0, &head, ret_bytes))
		return false;
	*ret = driver_at(&driver, driver_descriptor(&driver, 0, head)->addr, *ret_bytes);
	return true;
}

static void expect_frame(const uint8_t *bytes, uint32_t length)
{
	uint8_t *at;
	uint32_t size;

	assert_true(take_buffer(&at, &size));
	assert_int_equal(size, HEADER + length);
	assert_int_equal(((struct virtio_net_hdr_v1 *)(void *)at)->num_buffers, 1);
	assert_memory_equal(at + HEADER, bytes, length);
}

static void expect_no_frame(void)
{
	uint8_t *at;
	uint32_t size;

	assert_false(take_buffer(&at, &size));
}

/* A control command; the answer. */
static uint8_t command(const void *bytes, uint32_t size)
{
	const struct driver_part parts[] = { { CONTROL_AT, size },
		{ CONTROL_AT + 0x1000, 1, true } };
	uint8_t *answer = driver_at(&driver, CONTROL_AT + 0x1000, 1);
	uint16_t head;
	uint32_t written;

	*answer = 99;
	memcpy(driver_at(&driver, CONTROL_AT, size ? size : 1), bytes, size);
	driver_add(&driver, 2, parts, 2);
	driver_notify(&driver, 2);
	settle();
	assert_true(driver_take(&driver, 2, &head, &written));
	assert_int_equal(written, 1);
	return *answer;
}

static uint8_t set_mode(uint8_t mode, uint8_t on)
{
	return command((const uint8_t[]){ VIRTIO_NET_CTRL_RX, mode, on }, 3);
}

/* --- what is offered -------------------------------------------------------------------------- */

static void test_offers(void **state)
{
	uint64_t features = driver_offered(&driver);

	for (unsigned i = 0; i < NET_MAC_BYTES; i++)
		assert_int_equal(driver_config(&driver, i, 1), mac[i]);
	assert_int_equal(driver_config(&driver, 6, 2), VIRTIO_NET_S_LINK_UP);
	assert_int_equal(driver_config(&driver, 10, 2), 9000);
	/* Only what the port can do. */
	assert_true(features >> VIRTIO_NET_F_CSUM & 1);
	assert_true(features >> VIRTIO_NET_F_HOST_TSO4 & 1);
	assert_true(features >> VIRTIO_NET_F_GUEST_CSUM & 1);
	assert_false(features >> VIRTIO_NET_F_HOST_TSO6 & 1);
	assert_false(features >> VIRTIO_NET_F_GUEST_TSO4 & 1);
	driver_start(&driver, 1ull << VIRTIO_NET_F_GUEST_CSUM);
	assert_int_equal(fake.offloads, NET_OFFLOAD_CHECKSUM);
	driver_start(&driver, 0);
	assert_int_equal(fake.offloads, 0);
}

static void test_link(void **state)
{
	driver_start(&driver, 1ull << VIRTIO_NET_F_STATUS);
	post(0, 2000);
	virtio_net_set_link(net, false);
	assert_int_equal(driver_config(&driver, 6, 2), 0);
	assert_true(driver_read(&driver, VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG);
	send_bytes(NULL, 60);
	assert_true(was_sent());
	assert_int_equal(fake.nr_sent, 0);
	give_frame(large, 60);
	expect_no_frame();
	virtio_net_set_link(net, true);
	give_frame(large, 60);
	expect_frame(large, 60);
}

/* --- from the guest --------------------------------------------------------------------------- */

static void test_send(void **state)
{
	driver_start(&driver, 0);
	send_bytes(NULL, 1500);
	assert_true(was_sent());
	send_bytes(NULL, 14);
	assert_true(was_sent());
	assert_int_equal(fake.nr_sent, 2);
	assert_int_equal(fake.sent[0].length, 1500);
	assert_memory_equal(fake.sent[0].bytes, large, 1500);
	assert_int_equal(fake.sent[1].length, 14);
	assert_memory_equal(fake.sent[1].bytes, large, 14);
}

static void test_send_offloaded(void **state)
{
	struct virtio_net_hdr offload = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.gso_size = 1448,
		.csum_start = 34,
		.csum_offset = 16,
	};

	driver_start(&driver, 1ull << VIRTIO_NET_F_CSUM | 1ull << VIRTIO_NET_F_HOST_TSO4);
	send_bytes(&offload, sizeof(large));
	assert_true(was_sent());
	assert_int_equal(fake.nr_sent, 1);
	assert_int_equal(fake.sent[0].length, sizeof(large));
	assert_memory_equal(fake.sent[0].bytes, large, sizeof(large));
	assert_memory_equal(&fake.sent[0].offload, &offload, sizeof(offload));
	/* Of another kind than was agreed on. */
	offload.gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
	send_bytes(&offload, 3000);
	offload.gso_type = VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN;
	send_bytes(&offload, 3000);
	offload.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	offload.gso_size = 0;
	send_bytes(&offload, 3000);
	offload.gso_type = 0x7f;
	send_bytes(&offload, 3000);
	assert_int_equal(fake.nr_sent, 1);
	assert_int_equal(fake.nr_dropped, 4);
	driver_start(&driver, 0);
	offload.gso_type = VIRTIO_NET_HDR_GSO_NONE;
	send_bytes(&offload, 3000);
	assert_int_equal(fake.nr_dropped, 5);
}

static void test_port_is_full(void **state)
{
	unsigned nr = 0;

	driver_start(&driver, 0);
	fake.room = 2;
	for (unsigned i = 0; i < 4; i++)
		send_bytes(NULL, 100 + i);
	while (was_sent())
		nr++;
	assert_int_equal(nr, 2);
	assert_int_equal(fake.nr_sent, 2);
	/* And on, with nobody having lost anything. */
	fake.room = FRAMES;
	fake.port.ready(&fake.port, fake.port.context);
	settle();
	assert_true(was_sent());
	assert_true(was_sent());
	assert_int_equal(fake.nr_sent, 4);
	send_bytes(NULL, 60);
	assert_int_equal(fake.nr_sent, 5);
}

static void test_bad_frames(void **state)
{
	const struct driver_part part = { TX_AT, (uint32_t)HEADER - 1 };

	driver_start(&driver, 0);
	send_bytes(NULL, NET_HEADER_BYTES - 1);
	assert_true(was_sent());
	send_bytes(NULL, 0);
	assert_true(was_sent());
	assert_int_equal(fake.nr_sent, 0);
	assert_false(driver_is_broken(&driver));
	driver_add(&driver, 1, &part, 1);
	driver_notify(&driver, 1);
	settle();
	assert_true(driver_is_broken(&driver));
	driver_start(&driver, 0);
	send_bytes(NULL, 60);
	assert_int_equal(fake.nr_sent, 1);
}

/* --- to the guest ----------------------------------------------------------------------------- */

static void test_receive(void **state)
{
	uint8_t *at;
	uint32_t size;

	driver_start(&driver, MERGE | 1ull << VIRTIO_NET_F_GUEST_CSUM);
	/* It waits for a buffer. */
	give_frame(large, 1000);
	expect_no_frame();
	assert_int_equal(fake.first, 0);
	post(0, 2000);
	assert_true(take_buffer(&at, &size));
	assert_int_equal(size, HEADER + 1000);
	assert_int_equal(at[0], VIRTIO_NET_HDR_F_DATA_VALID);
	assert_memory_equal(at + HEADER, large, 1000);
	assert_true(driver.nr_interrupts > 0);
	/* Then buffers wait for frames. */
	post(1, 2000);
	post(2, 2000);
	give_frame(large, 60);
	give_frame(large, 61);
	expect_frame(large, 60);
	expect_frame(large, 61);
}

static void test_merged(void **state)
{
	uint8_t *at;
	uint32_t size, done = 0;

	driver_start(&driver, MERGE);
	for (unsigned i = 0; i < 3; i++)
		post(i, 1536);
	give_frame(large, 5000);
	/* Not while they are too few. */
	expect_no_frame();
	post(3, 1536);
	for (unsigned i = 0; i < 4; i++) {
		uint32_t skip = i ? 0 : HEADER;

		assert_true(take_buffer(&at, &size));
		assert_true(size <= 1536);
		if (!i)
			assert_int_equal(((struct virtio_net_hdr_v1 *)(void *)at)->num_buffers, 4);
		assert_memory_equal(at + skip, large + done, size - skip);
		done += size - skip;
	}
	assert_int_equal(done, 5000);
	/* What a small one does not need is there for the next. */
	for (unsigned i = 0; i < 6; i++)
		post(i, 1536);
	give_frame(large, 100);
	give_frame(large, 5000);
	expect_frame(large, 100);
	assert_true(take_buffer(&at, &size));
	assert_int_equal(((struct virtio_net_hdr_v1 *)(void *)at)->num_buffers, 4);
}

/* All the buffers that can ever be there are not enough: the frame is lost, and the next comes. */
static void test_never_fits(void **state)
{
	driver_start(&driver, MERGE);
	for (unsigned i = 0; i < QUEUE_SIZE; i++)
		post(i, 256);
	give_frame(large, sizeof(large));
	expect_no_frame();
	assert_int_equal(fake.first, 1);
	give_frame(large, 100);
	expect_frame(large, 100);
}

static void test_unmerged(void **state)
{
	driver_start(&driver, 0);
	post(0, 1526);
	post(1, 1526);
	give_frame(large, 1515);
	expect_no_frame();
	give_frame(large, 1514);
	expect_frame(large, 1514);
	give_frame(large, 14);
	expect_frame(large, 14);
}

static void test_bad_buffers(void **state)
{
	driver_start(&driver, MERGE);
	post(0, HEADER - 1);
	post(1, 2000);
	give_frame(large, 60);
	assert_true(driver_is_broken(&driver));
	driver_start(&driver, 0);
	post(0, 2000);
	expect_frame(large, 60);
}

/* --- what the driver wants -------------------------------------------------------------------- */

static bool gets(const uint8_t to[NET_MAC_BYTES])
{
	static uint8_t frame[60];
	uint8_t *at;
	uint32_t size;

	memcpy(frame, to, NET_MAC_BYTES);
	fake.first = fake.end = 0;
	give_frame(frame, sizeof(frame));
	if (!take_buffer(&at, &size))
		return false;
	post(0, 2000);
	return true;
}

static void test_modes(void **state)
{
	static const uint8_t other[NET_MAC_BYTES] = { 2, 0, 0, 0, 0, 9 };
	static const uint8_t group[NET_MAC_BYTES] = { 1, 0, 0x5e, 0, 0, 1 };

	driver_start(&driver, CONTROL);
	post(0, 2000);
	assert_true(gets(other) && gets(group) && gets(mac) && gets(everybody));
	assert_int_equal(set_mode(VIRTIO_NET_CTRL_RX_PROMISC, 0), VIRTIO_NET_OK);
	assert_true(!gets(other) && !gets(group) && gets(mac) && gets(everybody));
	assert_int_equal(set_mode(VIRTIO_NET_CTRL_RX_ALLMULTI, 1), VIRTIO_NET_OK);
	assert_true(!gets(other) && gets(group));
	assert_int_equal(set_mode(VIRTIO_NET_CTRL_RX_NOMULTI, 1), VIRTIO_NET_OK);
	assert_int_equal(set_mode(VIRTIO_NET_CTRL_RX_NOBCAST, 1), VIRTIO_NET_OK);
	assert_int_equal(set_mode(VIRTIO_NET_CTRL_RX_ALLUNI, 1), VIRTIO_NET_OK);
	assert_true(gets(other) && !gets(group) && !gets(everybody));
	assert_int_equal(set_mode(VIRTIO_NET_CTRL_RX_NOUNI, 1), VIRTIO_NET_OK);
	assert_true(!gets(other) && !gets(mac));
	assert_int_equal(set_mode(VIRTIO_NET_CTRL_RX_NOBCAST + 1, 1), VIRTIO_NET_ERR);
	/* A reset forgets it all. */
	driver_start(&driver, CONTROL);
	post(0, 2000);
	assert_true(gets(other) && gets(group));
}

static void test_addresses(void **state)
{
	static const uint8_t group[NET_MAC_BYTES] = { 1, 0, 0x5e, 0, 0, 1 };
	static const uint8_t second[NET_MAC_BYTES] = { 2, 0, 0, 0, 0, 2 };
	static const uint8_t third[NET_MAC_BYTES] = { 2, 0, 0, 0, 0, 3 };
	const uint8_t tables[] = { VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, 1, 0, 0, 0,
		2, 0, 0, 0, 0, 2, 1, 0, 0, 0, 1, 0, 0x5e, 0, 0, 1 };
	uint8_t many[10 + 100 * NET_MAC_BYTES] = { VIRTIO_NET_CTRL_MAC,
		VIRTIO_NET_CTRL_MAC_TABLE_SET, 100 };
	uint8_t address[2 + NET_MAC_BYTES] = { VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, 2,
		0, 0, 0, 0, 3 };

	driver_start(&driver, CONTROL);
	post(0, 2000);
	assert_int_equal(set_mode(VIRTIO_NET_CTRL_RX_PROMISC, 0), VIRTIO_NET_OK);
	assert_int_equal(command(tables, sizeof(tables)), VIRTIO_NET_OK);
	assert_true(gets(group) && gets(second) && gets(mac) && !gets(third));
	/* Cut short, or with a number that is more than there is, it changes nothing. */
	for (uint32_t i = 2; i < sizeof(tables); i++)
		assert_int_equal(command(tables, i), VIRTIO_NET_ERR);
	memset(many + 2, 0xff, 4);
	assert_int_equal(command(many, sizeof(many)), VIRTIO_NET_ERR);
	assert_true(gets(group) && gets(second) && !gets(third));
	assert_int_equal(command(address, sizeof(address)), VIRTIO_NET_OK);
	assert_true(gets(third) && !gets(mac));
	address[2] = 3;
	assert_int_equal(command(address, sizeof(address)), VIRTIO_NET_ERR);
	assert_int_equal(command(address, 5), VIRTIO_NET_ERR);
	/* More than we keep: all of that kind pass. */
	memcpy(many + 2, (const uint8_t[]){ 100, 0, 0, 0 }, 4);
	memset(many + 6, 0, sizeof(many) - 6);
	assert_int_equal(command(many, sizeof(many)), VIRTIO_NET_OK);
	assert_true(gets(second) && gets(third) && gets(mac) && !gets(group));
	assert_int_equal(command("\x07\x00", 2), VIRTIO_NET_ERR);
	assert_int_equal(command("\x01\x09", 2), VIRTIO_NET_ERR);
	assert_int_equal(command("", 0), VIRTIO_NET_ERR);
}

static void test_restored(void **state)
{
	struct vm_saved *saved = virtio_net_saved(net);

	driver_start(&driver, CONTROL);
	post(0, 2000);
	/* Any bytes. */
	memset(saved->data, 0xff, saved->size);
	assert_int_equal(saved->restore(saved, NULL), 0);
	assert_int_equal(driver_config(&driver, 6, 2), 0);
	virtio_net_set_link(net, true);
	assert_true(gets(mac));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_offers),
		TEST(test_link),
		TEST(test_send),
		TEST(test_send_offloaded),
		TEST(test_port_is_full),
		TEST(test_bad_frames),
		TEST(test_receive),
		TEST(test_merged),
		TEST(test_never_fits),
		TEST(test_unmerged),
		TEST(test_bad_buffers),
		TEST(test_modes),
		TEST(test_addresses),
		TEST(test_restored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
